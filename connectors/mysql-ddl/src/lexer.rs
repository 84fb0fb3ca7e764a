//! Tokens of a statement. Comments are gone; what stands in executable comments (`/*!50100 … */`) is part of the
//! statement.
//!
//! A token is 12 bytes whatever its text, so that a statement's tokens need at most 12 times its length.

use std::borrow::Cow;

/// A token's place in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    /// Whether it stands in an executable comment.
    pub(crate) executable: bool,
    start: u32,
    end: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Keyword or name without quotes.
    Word,
    /// Name in quotes.
    Name,
    /// Text between quotes.
    String,
    Number,
    /// `b'…'` or `0b…`
    Bits,
    /// `x'…'` or `0x…`
    Hex,
    /// One character.
    Symbol,
}

/// What `sql_mode` and the server decide about the text itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    /// Double quotes are those of names.
    pub(crate) ansi_quotes: bool,
    /// A backslash in a string is a character like others.
    pub(crate) no_backslash_escapes: bool,
    /// `/*M! … */` is an ordinary comment.
    pub(crate) is_mysql: bool,
}

impl Token {
    pub(crate) fn start(self) -> usize {
        self.start as usize
    }
    pub(crate) fn end(self) -> usize {
        self.end as usize
    }
    /// The end of the token, or of the executable comment that it ends.
    pub(crate) fn end_with_comment(self, sql: &str) -> usize {
        if !self.executable {
            return self.end();
        }
        let rest = sql.get(self.end()..).unwrap_or_default();
        match rest.trim_start().strip_prefix("*/") {
            Some(behind) => sql.len() - behind.len(),
            None => self.end(),
        }
    }
    /// As written, quotes included.
    pub(crate) fn source(self, sql: &str) -> &str {
        sql.get(self.start()..self.end()).unwrap_or_default()
    }
    /// Names without their quotes; literals without quotes and prefixes, their escapes as written.
    pub(crate) fn text(self, sql: &str) -> Cow<'_, str> {
        let source = self.source(sql);
        match self.kind {
            Kind::Word | Kind::Number | Kind::Symbol => Cow::Borrowed(source),
            Kind::Name => {
                let quote = source.get(..1).unwrap_or_default();
                let inner = unquoted(source);
                if inner.contains(quote) {
                    Cow::Owned(inner.replace(&quote.repeat(2), quote))
                } else {
                    Cow::Borrowed(inner)
                }
            }
            Kind::String | Kind::Bits | Kind::Hex => Cow::Borrowed(unquoted(source)),
        }
    }
    pub(crate) fn is_word(self, sql: &str, word: &str) -> bool {
        self.kind == Kind::Word && self.source(sql).eq_ignore_ascii_case(word)
    }
    pub(crate) fn is_symbol(self, sql: &str, symbol: &str) -> bool {
        self.kind == Kind::Symbol && self.source(sql) == symbol
    }
}

/// Between the quotes; behind `0x` and `0b`. The closing quote may be missing.
fn unquoted(source: &str) -> &str {
    let Some(open) = source.find(['\'', '"', '`']) else {
        return source.get(2..).unwrap_or_default();
    };
    let quote = source.get(open..=open).unwrap_or_default();
    let inner = source.get(open + 1..).unwrap_or_default();
    inner.strip_suffix(quote).unwrap_or(inner)
}

/// Splits a text; never fails: what is no token of the language becomes a symbol.
pub(crate) struct Lexer<'a> {
    sql: &'a str,
    bytes: &'a [u8],
    position: usize,
    executable: bool,
    /// Where the last executable comment begins.
    opened: usize,
    rules: Rules,
    /// End of the last token if that was a name.
    name_end: usize,
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        while self.position < self.bytes.len() {
            let start = self.position;
            if let Some(kind) = self.advance() {
                // Servers take no packet beyond 1 GiB.
                let (start, end) = (
                    u32::try_from(start).ok()?,
                    u32::try_from(self.position).ok()?,
                );
                self.name_end = match kind {
                    Kind::Word | Kind::Name => self.position,
                    _ => usize::MAX,
                };
                return Some(Token {
                    kind,
                    executable: self.executable,
                    start,
                    end,
                });
            }
        }
        None
    }
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(sql: &'a str, rules: Rules) -> Self {
        Self {
            sql,
            bytes: sql.as_bytes(),
            position: 0,
            executable: false,
            opened: 0,
            rules,
            name_end: usize::MAX,
        }
    }

    /// Where the token that was just read begins, or the executable comment that it stands in.
    pub(crate) fn beginning_of(&self, token: Token) -> usize {
        if token.executable {
            self.opened
        } else {
            token.start()
        }
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.position..).unwrap_or_default()
    }

    /// Behind the next token or what separates tokens.
    fn advance(&mut self) -> Option<Kind> {
        let rest = self.rest();
        let byte = *rest.first()?;
        let second = rest.get(1).copied();
        let quote_follows = second == Some(b'\'');
        match byte {
            _ if byte.is_ascii_whitespace() || byte == 0x0b => self.skip(1),
            b'#' => self.skip_line(),
            b'-' if second == Some(b'-')
                && rest
                    .get(2)
                    .is_none_or(|byte| byte.is_ascii_whitespace() || byte.is_ascii_control()) =>
            {
                self.skip_line()
            }
            b'/' if second == Some(b'*') => self.comment(),
            b'*' if self.executable && second == Some(b'/') => {
                self.executable = false;
                self.skip(2)
            }
            b'`' => self.quoted(0, Kind::Name),
            b'"' if self.rules.ansi_quotes => self.quoted(0, Kind::Name),
            b'\'' | b'"' => self.quoted(0, Kind::String),
            b'b' | b'B' if quote_follows => self.quoted(1, Kind::Bits),
            b'x' | b'X' if quote_follows => self.quoted(1, Kind::Hex),
            b'n' | b'N' if quote_follows => self.quoted(1, Kind::String),
            // Behind a point stands a name: `db.1table`, `db.0x1`.
            b'0'..=b'9' if self.follows_point() => Some(self.take_word()),
            b'0' if second == Some(b'x') => {
                Some(self.prefixed(Kind::Hex, |b| b.is_ascii_hexdigit()))
            }
            b'0' if second == Some(b'b') => {
                Some(self.prefixed(Kind::Bits, |b| matches!(b, b'0' | b'1')))
            }
            b'0'..=b'9' => Some(self.number_or_word()),
            b'.' if second.is_some_and(|b| b.is_ascii_digit())
                && self.name_end != self.position =>
            {
                Some(self.number_or_word())
            }
            _ if is_word(byte) => Some(self.take_word()),
            _ => {
                self.position += 1;
                Some(Kind::Symbol)
            }
        }
    }

    fn skip(&mut self, length: usize) -> Option<Kind> {
        self.position += length;
        None
    }

    fn follows_point(&self) -> bool {
        let before = self.bytes.get(..self.position).unwrap_or_default();
        matches!(before, [.., name, b'.'] if is_word(*name) || matches!(name, b'`' | b'"'))
    }

    fn skip_line(&mut self) -> Option<Kind> {
        let rest = self.rest();
        let length = rest.iter().position(|byte| *byte == b'\n');
        self.skip(length.unwrap_or(rest.len()))
    }

    /// The content of an executable comment is read like any text. Servers make ordinary comments of those that they did
    /// not execute themselves, before they write the statement to the binlog; so the version says nothing here.
    fn comment(&mut self) -> Option<Kind> {
        let rest = self.rest();
        let marker = if rest.starts_with(b"/*!") {
            3
        } else if rest.starts_with(b"/*M!") && !self.rules.is_mysql {
            4
        } else {
            let behind = self.sql.get(self.position + 2..).unwrap_or_default();
            let end = behind.find("*/").map_or(rest.len(), |end| end + 4);
            return self.skip(end);
        };
        let version = rest.get(marker..).unwrap_or_default();
        let digits = version
            .iter()
            .take(6)
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        self.executable = true;
        self.opened = self.position;
        self.skip(marker + if digits < 5 { 0 } else { digits })
    }

    /// From an opening quote to its end; a doubled quote or, in strings, a backslash goes on.
    fn quoted(&mut self, prefix: usize, kind: Kind) -> Option<Kind> {
        let mut end = self.position + prefix;
        let quote = *self.bytes.get(end)?;
        let escapes = kind != Kind::Name && !self.rules.no_backslash_escapes;
        end += 1;
        while let Some(byte) = self.bytes.get(end) {
            if *byte == b'\\' && escapes {
                end += 2;
            } else if *byte != quote {
                end += 1;
            } else if self.bytes.get(end + 1) == Some(&quote) {
                end += 2;
            } else {
                end += 1;
                break;
            }
        }
        self.position = end.min(self.bytes.len());
        Some(kind)
    }

    /// `0x…` and `0b…`; a name if other letters follow.
    fn prefixed(&mut self, kind: Kind, belongs: impl Fn(u8) -> bool) -> Kind {
        let word = word_length(self.rest());
        let digits = self.rest().get(2..word).unwrap_or_default();
        self.position += word;
        let is_literal = !digits.is_empty() && digits.iter().all(|byte| belongs(*byte));
        if is_literal { kind } else { Kind::Word }
    }

    fn take_word(&mut self) -> Kind {
        self.position += word_length(self.rest());
        Kind::Word
    }

    /// `12`, `1.5e3`, and names that begin with a digit.
    fn number_or_word(&mut self) -> Kind {
        let rest = self.rest();
        let digits = |from: usize| {
            let rest = rest.get(from..).unwrap_or_default();
            rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
        };
        let mut length = digits(0);
        if rest.get(length) == Some(&b'.') {
            length += 1 + digits(length + 1);
        }
        if matches!(rest.get(length), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(rest.get(length + 1), Some(b'+' | b'-')));
            let exponent = digits(length + 1 + sign);
            if exponent > 0 {
                length += 1 + sign + exponent;
            }
        }
        let word = word_length(rest);
        let is_number = rest.get(length).is_none_or(|byte| !is_word(*byte));
        self.position += if is_number { length } else { word.max(1) };
        if is_number { Kind::Number } else { Kind::Word }
    }
}

fn word_length(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| is_word(**byte)).count()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'@' | 0x80..)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str, rules: Rules) -> Vec<(Kind, Cow<'_, str>)> {
        Lexer::new(text, rules)
            .map(|token| (token.kind, token.text(text)))
            .collect()
    }

    #[track_caller]
    fn check(text: &str, expected: &[(Kind, &str)]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|(kind, text)| (*kind, Cow::Borrowed(*text)))
            .collect();
        assert_eq!(tokens(text, Rules::default()), expected, "{text}");
    }

    #[test]
    fn tokens_are_told_apart() {
        use Kind::{Bits, Hex, Name, Number, String, Symbol, Word};
        check("a.`b``c`", &[(Word, "a"), (Symbol, "."), (Name, "b`c")]);
        check(r"'it''s' 'a\'b'", &[(String, "it''s"), (String, r"a\'b")]);
        check(
            "b'101' 0b1 x'ff' 0xFF N'x' 0b2 0xg",
            &[
                (Bits, "101"),
                (Bits, "1"),
                (Hex, "ff"),
                (Hex, "FF"),
                (String, "x"),
                (Word, "0b2"),
                (Word, "0xg"),
            ],
        );
        check(
            "-1.5e3, 2 .5 7.",
            &[
                (Symbol, "-"),
                (Number, "1.5e3"),
                (Symbol, ","),
                (Number, "2"),
                (Number, ".5"),
                (Number, "7."),
            ],
        );
        check(
            "1st 2x.3 a.4e5",
            &[
                (Word, "1st"),
                (Word, "2x"),
                (Symbol, "."),
                (Word, "3"),
                (Word, "a"),
                (Symbol, "."),
                (Word, "4e5"),
            ],
        );
        check(
            "a -- c\nb # d\n/* e */c --",
            &[(Word, "a"), (Word, "b"), (Word, "c")],
        );
        check(
            "a /*!50100 b */ /*M!100301 c*/ /*!5d*/ d",
            &[
                (Word, "a"),
                (Word, "b"),
                (Word, "c"),
                (Word, "5d"),
                (Word, "d"),
            ],
        );
        check("'unfinished", &[(String, "unfinished")]);
        check("/* unfinished", &[]);
    }

    #[test]
    fn quotes_and_escapes_follow_the_sql_mode() {
        let ansi = Rules {
            ansi_quotes: true,
            ..Rules::default()
        };
        assert_eq!(tokens("\"a\"", Rules::default())[0].0, Kind::String);
        assert_eq!(tokens("\"a\"", ansi)[0].0, Kind::Name);
        let plain = Rules {
            no_backslash_escapes: true,
            ..Rules::default()
        };
        assert_eq!(tokens(r"'a\' b", plain).len(), 2);
        let mysql = Rules {
            is_mysql: true,
            ..Rules::default()
        };
        assert_eq!(tokens("/*M! a */ b", mysql).len(), 1);
    }
}
