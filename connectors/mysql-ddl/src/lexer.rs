//! Tokens of a statement. Comments are gone; what stands in executable comments (`/*!50100 … */`) is part of the
//! statement.

/// A token with its place in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    /// Names and literals without their quotes.
    pub(crate) text: String,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Keyword or name without quotes.
    Word,
    /// Name in quotes.
    Name,
    /// Text between quotes as written: escapes stay.
    String,
    Number,
    /// `b'…'` or `0b…`
    Bits,
    /// `x'…'` or `0x…`
    Hex,
    /// One character.
    Symbol,
}

/// Splits a text; never fails: what is no token of the language becomes a symbol.
pub(crate) fn tokens(text: &str, ansi_quotes: bool) -> Vec<Token> {
    let bytes = text.as_bytes();
    let mut lexer = Lexer {
        text,
        bytes,
        position: 0,
        tokens: Vec::new(),
        executable: false,
        ansi_quotes,
    };
    while lexer.position < bytes.len() {
        lexer.next();
    }
    lexer.tokens
}

struct Lexer<'a> {
    text: &'a str,
    bytes: &'a [u8],
    position: usize,
    tokens: Vec<Token>,
    executable: bool,
    ansi_quotes: bool,
}

impl Lexer<'_> {
    fn rest(&self) -> &[u8] {
        &self.bytes[self.position..]
    }
    fn slice(&self, start: usize, end: usize) -> &str {
        self.text.get(start..end).unwrap_or_default()
    }
    fn push(&mut self, kind: Kind, start: usize, content: std::ops::Range<usize>) {
        let text = self.slice(content.start, content.end).to_owned();
        self.tokens.push(Token {
            kind,
            text,
            start,
            end: self.position,
        });
    }

    fn next(&mut self) {
        let start = self.position;
        let rest = self.rest();
        let byte = rest[0];
        match byte {
            _ if byte.is_ascii_whitespace() => self.position += 1,
            b'#' => self.skip_line(),
            b'-' if rest.starts_with(b"--") && rest.get(2).is_none_or(u8::is_ascii_whitespace) => {
                self.skip_line();
            }
            b'/' if rest.starts_with(b"/*") => self.comment(),
            b'*' if self.executable && rest.starts_with(b"*/") => {
                self.executable = false;
                self.position += 2;
            }
            b'`' => self.quoted(Kind::Name, b'`'),
            b'"' if self.ansi_quotes => self.quoted(Kind::Name, b'"'),
            b'\'' | b'"' => self.quoted(Kind::String, byte),
            b'b' | b'B' if rest.get(1) == Some(&b'\'') => self.prefixed(Kind::Bits),
            b'x' | b'X' if rest.get(1) == Some(&b'\'') => self.prefixed(Kind::Hex),
            b'n' | b'N' if rest.get(1) == Some(&b'\'') => self.prefixed(Kind::String),
            b'0' if rest.starts_with(b"0x") => self.run(Kind::Hex, 2, |b| b.is_ascii_hexdigit()),
            b'0' if rest.starts_with(b"0b") => {
                self.run(Kind::Bits, 2, |b| matches!(b, b'0' | b'1'));
            }
            b'0'..=b'9' => self.number_or_word(),
            b'.' if rest.get(1).is_some_and(u8::is_ascii_digit) && !self.follows_name() => {
                self.number_or_word();
            }
            _ if is_word(byte) => self.run(Kind::Word, 0, is_word),
            _ => {
                self.position += 1;
                self.push(Kind::Symbol, start, start..start + 1);
            }
        }
    }

    /// `db.1table`: the point belongs to the name before it.
    fn follows_name(&self) -> bool {
        self.tokens.last().is_some_and(|token| {
            token.end == self.position && matches!(token.kind, Kind::Word | Kind::Name)
        })
    }

    fn skip_line(&mut self) {
        let length = self
            .rest()
            .iter()
            .position(|byte| *byte == b'\n')
            .unwrap_or(self.rest().len());
        self.position += length;
    }

    fn comment(&mut self) {
        let rest = self.rest();
        let marker = if rest.starts_with(b"/*!") {
            3
        } else if rest.starts_with(b"/*M!") {
            4
        } else {
            let end = rest.windows(2).skip(2).position(|pair| pair == b"*/");
            self.position += end.map_or(rest.len(), |end| end + 4);
            return;
        };
        let digits = rest[marker..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        self.position += marker + digits;
        self.executable = true;
    }

    /// From an opening quote to its end; a doubled quote or, in strings, a backslash goes on.
    fn quoted(&mut self, kind: Kind, quote: u8) {
        let start = self.position;
        let mut end = start + 1;
        while end < self.bytes.len() {
            let byte = self.bytes[end];
            if byte == b'\\' && kind == Kind::String {
                end += 2;
            } else if byte != quote {
                end += 1;
            } else if self.bytes.get(end + 1) == Some(&quote) {
                end += 2;
            } else {
                break;
            }
        }
        let end = end.min(self.bytes.len());
        self.position = (end + 1).min(self.bytes.len());
        self.push(kind, start, start + 1..end);
        if kind == Kind::Name
            && let Some(token) = self.tokens.last_mut()
        {
            let (one, two) = (
                char::from(quote).to_string(),
                char::from(quote).to_string().repeat(2),
            );
            token.text = token.text.replace(&two, &one);
        }
    }

    fn prefixed(&mut self, kind: Kind) {
        let start = self.position;
        self.position += 1;
        self.quoted(kind, b'\'');
        if let Some(token) = self.tokens.last_mut() {
            token.start = start;
        }
    }

    fn run(&mut self, kind: Kind, skip: usize, belongs: impl Fn(u8) -> bool) {
        let start = self.position;
        let length = self.rest()[skip..]
            .iter()
            .take_while(|byte| belongs(**byte))
            .count();
        self.position += skip + length;
        self.push(kind, start, start + skip..start + skip + length);
    }

    /// `12`, `1.5e3`, and names that begin with a digit.
    fn number_or_word(&mut self) {
        let start = self.position;
        let mut length = 0;
        let (mut digits_only, mut exponent) = (true, false);
        for byte in self.rest() {
            match byte {
                b'0'..=b'9' | b'.' => {}
                b'e' | b'E' if length > 0 && !exponent => exponent = true,
                b'+' | b'-'
                    if exponent && matches!(self.rest().get(length - 1), Some(b'e' | b'E')) => {}
                _ if is_word(*byte) => digits_only = false,
                _ => break,
            }
            length += 1;
        }
        let text = self.slice(start, start + length);
        let is_number = digits_only && text.parse::<f64>().is_ok();
        if !is_number {
            length = self
                .rest()
                .iter()
                .take_while(|byte| is_word(**byte))
                .count()
                .max(1);
        }
        self.position += length;
        self.push(
            if is_number { Kind::Number } else { Kind::Word },
            start,
            start..start + length,
        );
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'@' | 0x80..)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(Kind, &str)]) {
        let tokens = tokens(text, false);
        let found: Vec<_> = tokens
            .iter()
            .map(|token| (token.kind, token.text.as_str()))
            .collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn tokens_are_told_apart() {
        use Kind::{Bits, Hex, Name, Number, String, Symbol, Word};
        check("a.`b``c`", &[(Word, "a"), (Symbol, "."), (Name, "b`c")]);
        check(r"'it''s' 'a\'b'", &[(String, "it''s"), (String, r"a\'b")]);
        check(
            "b'101' 0b1 x'ff' 0xFF N'x'",
            &[
                (Bits, "101"),
                (Bits, "1"),
                (Hex, "ff"),
                (Hex, "FF"),
                (String, "x"),
            ],
        );
        check(
            "-1.5e3, 2",
            &[
                (Symbol, "-"),
                (Number, "1.5e3"),
                (Symbol, ","),
                (Number, "2"),
            ],
        );
        check(
            "1st 2x.3",
            &[(Word, "1st"), (Word, "2x"), (Symbol, "."), (Number, "3")],
        );
        check(
            "a -- c\nb # d\n/* e */c",
            &[(Word, "a"), (Word, "b"), (Word, "c")],
        );
        check(
            "a /*!50100 b */ /*M!100301 c*/ d",
            &[(Word, "a"), (Word, "b"), (Word, "c"), (Word, "d")],
        );
        check("'unfinished", &[(String, "unfinished")]);
    }

    #[test]
    fn double_quotes_follow_the_sql_mode() {
        assert_eq!(tokens("\"a\"", false)[0].kind, Kind::String);
        assert_eq!(tokens("\"a\"", true)[0].kind, Kind::Name);
    }
}
