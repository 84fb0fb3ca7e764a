//! The text that is recorded for statements of MySQL: the original's parser takes strings in single quotes alone, and names
//! that newer servers reserve in back quotes alone, and rewrites statements before it reads them.
//!
//! Source: Debezium `DdlNormalizer`.

/// Words that become names in back quotes where a name or the type of a column stands beside them.
const RESERVED: [&str; 12] = [
    "CUME_DIST",
    "DENSE_RANK",
    "FIRST_VALUE",
    "JSON_TABLE",
    "LAG",
    "LAST_VALUE",
    "LEAD",
    "NTH_VALUE",
    "NTILE",
    "PERCENT_RANK",
    "RANK",
    "ROW_NUMBER",
];

/// Words that a table's name follows. `TABLE` does behind the words of [`BEFORE_TABLE`].
const BEFORE_NAME: [&str; 3] = ["FROM", "JOIN", "INTO"];
const BEFORE_TABLE: [&str; 3] = ["CREATE", "ALTER", "DROP"];

const TYPES: [&str; 22] = [
    "CHAR",
    "VARCHAR",
    "INT",
    "BIGINT",
    "DECIMAL",
    "NUMERIC",
    "FLOAT",
    "DOUBLE",
    "JSON",
    "TEXT",
    "BLOB",
    "DATE",
    "DATETIME",
    "TIMESTAMP",
    "TIME",
    "YEAR",
    "ENUM",
    "SET",
    "BINARY",
    "VARBINARY",
    "BIT",
    "BOOL",
];

/// The statement with strings in single quotes and reserved words in back quotes.
pub(crate) fn normalized(sql: &str) -> String {
    let mut text = String::with_capacity(sql.len());
    let mut plain = 0;
    let mut at = 0;
    while let Some(length) = next_quoted(sql, &mut at) {
        back_quote(sql.get(plain..at).unwrap_or_default(), &mut text);
        let quoted = sql.get(at..at + length).unwrap_or_default();
        match quoted
            .strip_prefix('"')
            .and_then(|inner| inner.strip_suffix('"'))
        {
            Some(inner) => {
                text.push('\'');
                text.push_str(&inner.replace('\'', "''"));
                text.push('\'');
            }
            None => text.push_str(quoted),
        }
        at += length;
        plain = at;
    }
    back_quote(sql.get(plain..).unwrap_or_default(), &mut text);
    text
}

/// Moves to the next comment or text in quotes; its length in bytes. What does not end is none.
fn next_quoted(sql: &str, at: &mut usize) -> Option<usize> {
    let bytes = sql.as_bytes();
    while let Some(rest) = bytes.get(*at..).filter(|rest| !rest.is_empty()) {
        let length = match rest {
            [b'-', b'-', ..] | [b'#', ..] => {
                let end = rest.iter().position(|byte| *byte == b'\n');
                Some(end.unwrap_or(rest.len()))
            }
            [b'/', b'*', third, ..] if *third != b'!' => {
                let inner = rest.get(2..).unwrap_or_default();
                let end = inner.windows(2).position(|pair| pair == b"*/");
                end.map(|end| end + 4)
            }
            [quote @ (b'\'' | b'"'), ..] => quoted_length(rest, *quote, true),
            [b'`', ..] => quoted_length(rest, b'`', false),
            _ => None,
        };
        if length.is_some() {
            return length;
        }
        *at += 1;
    }
    None
}

/// From an opening quote to behind the closing one.
fn quoted_length(rest: &[u8], quote: u8, escapes: bool) -> Option<usize> {
    let mut end = 1;
    loop {
        let byte = *rest.get(end)?;
        if byte == b'\\' && escapes {
            end += 2;
        } else if byte != quote {
            end += 1;
        } else if rest.get(end + 1) == Some(&quote) {
            end += 2;
        } else {
            return Some(end + 1);
        }
    }
}

/// A piece without quotes and comments.
fn back_quote(piece: &str, text: &mut String) {
    let mut rest = piece;
    let (mut last, mut last_but_one) = ("", "");
    while let Some(start) = rest.find(is_word) {
        let (before, word) = rest.split_at(start);
        let (word, behind) = word.split_at(word.find(|c| !is_word(c)).unwrap_or(word.len()));
        let is_apart = !before.is_empty() && before.trim_start_matches(is_space).is_empty();
        if !is_apart {
            (last, last_but_one) = ("", "");
        }
        let is_table = is_apart && follows_table_word(last, last_but_one);
        let next = behind.trim_start_matches(is_space);
        let has_type = next.len() < behind.len() && begins_with_type(next);
        if is_one_of(word, &RESERVED) && (is_table || has_type || next.starts_with(':')) {
            text.push_str(if is_table { " " } else { before });
            text.push('`');
            text.push_str(word);
            text.push('`');
            // White space is not kept.
            rest = behind;
            if has_type {
                text.push(' ');
                rest = next;
            } else if next.starts_with(':') {
                rest = next;
            }
        } else {
            text.push_str(before);
            text.push_str(word);
            rest = behind;
        }
        (last_but_one, last) = (last, word);
    }
    text.push_str(rest);
}

fn follows_table_word(last: &str, last_but_one: &str) -> bool {
    is_one_of(last, &BEFORE_NAME)
        || last.eq_ignore_ascii_case("TABLE") && is_one_of(last_but_one, &BEFORE_TABLE)
}

fn begins_with_type(text: &str) -> bool {
    let word = text.split(|c| !is_word(c)).next().unwrap_or_default();
    is_one_of(word, &TYPES) || word.eq_ignore_ascii_case("BOOLEAN")
}

fn is_one_of(word: &str, words: &[&str]) -> bool {
    words.iter().any(|other| word.eq_ignore_ascii_case(other))
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\u{b}' | '\u{c}' | '\r')
}

#[cfg(test)]
mod tests {
    use super::normalized;

    #[track_caller]
    fn check(sql: &str, expected: &str) {
        assert_eq!(normalized(sql), expected);
    }

    #[test]
    fn strings_stand_in_single_quotes() {
        check(
            r#"size ENUM("s",'m'), n VARCHAR(9) DEFAULT "it's""#,
            "size ENUM('s','m'), n VARCHAR(9) DEFAULT 'it''s'",
        );
        check(r#"a "x""y\"z" `"b"` '"c"'"#, r#"a 'x""y\"z' `"b"` '"c"'"#);
        check("a \"open", "a \"open");
        check("\"Ж😀\"", "'Ж😀'");
    }

    #[test]
    fn comments_stay() {
        check("a -- \"b\"\n\"c\"", "a -- \"b\"\n'c'");
        check("a # \"b\"\n", "a # \"b\"\n");
        check("/* \"a\" */ /*! \"b\" */", "/* \"a\" */ /*! 'b' */");
    }

    #[test]
    fn reserved_names_stand_in_back_quotes() {
        check(
            "CREATE TABLE rank (lag INT, b RANK, Lead\n varchar(3))",
            "CREATE TABLE `rank` (`lag` INT, b RANK, `Lead` varchar(3))",
        );
        check(
            "alter  table\trank ADD x int",
            "alter  table `rank` ADD x int",
        );
        check(
            "rank : x, ranks INT, a_rank INT",
            "`rank`: x, ranks INT, a_rank INT",
        );
        check("CREATE TABLE a.rank (x INT)", "CREATE TABLE a.rank (x INT)");
        check("SELECT rank FROM lag", "SELECT rank FROM `lag`");
    }
}
