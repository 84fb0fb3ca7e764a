//! Java's `.properties` files.
//!
//! Source: `java.util.Properties.load`; UTF-8 is accepted beside `\uXXXX`.

use tidegate_api::{ConnectError, Props};

/// What separates a key from its value, and is passed over at the start of a line.
const BLANKS: [char; 3] = [' ', '\t', '\u{c}'];

/// The text of a file: UTF-8, or ISO-8859-1, which Java takes such files for, where it is no UTF-8.
pub fn decode(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| error.as_bytes().iter().copied().map(char::from).collect())
}

/// Reads the text of a worker's or a connector's file. Later lines win; values lose the blanks at both ends, as the typed
/// settings of the original do.
///
/// # Errors
/// As [`load`].
pub fn parse(text: &str) -> Result<Props, ConnectError> {
    let props = load(text)?;
    Ok(props
        .iter()
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect())
}

/// Reads a text as Java does: values keep the blanks at their end.
///
/// # Errors
/// `Config` for a `\uXXXX` that is no character, with its key.
pub(crate) fn load(text: &str) -> Result<Props, ConnectError> {
    let mut props = Props::new();
    let mut lines = lines(text).into_iter();
    while let Some(line) = lines.next() {
        let mut logical = line.trim_start_matches(BLANKS).to_owned();
        if logical.is_empty() || logical.starts_with(['#', '!']) {
            continue;
        }
        while ends_in_continuation(&logical) {
            logical.pop();
            match lines.next() {
                Some(next) => logical.push_str(next.trim_start_matches(BLANKS)),
                None => break,
            }
        }
        let (key, value) = split(&logical);
        let malformed = |reason| {
            ConnectError::config(format!(
                "Malformed \\uxxxx encoding in property '{key}': {reason}"
            ))
        };
        let name = unescape(key).map_err(malformed)?;
        props.set(name, unescape(value).map_err(malformed)?);
    }
    Ok(props)
}

/// Lines end with a line feed, a carriage return, or both.
fn lines(text: &str) -> Vec<&str> {
    let lines = text.split('\n');
    let lines = lines.map(|line| line.strip_suffix('\r').unwrap_or(line));
    lines.flat_map(|line| line.split('\r')).collect()
}

fn ends_in_continuation(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

/// The key ends at the first `=`, `:` or blank that is not escaped.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    for (position, character) in line.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '=' | ':' | ' ' | '\t' | '\u{c}' => {
                let (key, rest) = line.split_at(position);
                let rest = rest.trim_start_matches(BLANKS);
                let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
                return (key, rest.trim_start_matches(BLANKS));
            }
            _ => {}
        }
    }
    (line, "")
}

/// Escapes name UTF-16 units: a character beyond the first plane takes two of them.
fn unescape(text: &str) -> Result<String, &'static str> {
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let character = match character {
            '\\' => match characters.next() {
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\u{c}',
                Some('u') => {
                    let digits: String = characters.by_ref().take(4).collect();
                    if digits.len() != 4 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                        return Err("four hexadecimal digits must follow");
                    }
                    units.extend(u16::from_str_radix(&digits, 16));
                    continue;
                }
                Some(other) => other,
                None => break,
            },
            other => other,
        };
        units.extend_from_slice(character.encode_utf16(&mut [0; 2]));
    }
    String::from_utf16(&units).map_err(|_| "half of a surrogate pair is missing")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_java_reads_them() {
        fn check(text: &str, key: &str, value: &str) {
            let props = load(text).unwrap();
            assert_eq!(props.iter().collect::<Vec<_>>(), [(key, value)], "{text:?}");
        }
        check("a=b", "a", "b");
        check("  a : b c ", "a", "b c ");
        check("a=\tb \t\r\n", "a", "b \t");
        check("a=b\\ ", "a", "b ");
        check("\u{a0}a=b\u{a0}", "\u{a0}a", "b\u{a0}");
        check("a b", "a", "b");
        check("a", "a", "");
        check("a\\ b=c", "a b", "c");
        check("a=x\\\n   y", "a", "xy");
        check("a=x\\\r   #y", "a", "x#y");
        check("a=x\\\\", "a", "x\\");
        check("a=\\u00e9\\tz", "a", "é\tz");
        check("a=\\ud83d\\uDE00!", "a", "😀!");
        check("a=😀", "a", "😀");
        check("# c\n! d\n\na==b", "a", "=b");
        check("a=1\na=2", "a", "2");
        check("a=1\r#b\ra=2", "a", "2");
        check(
            "url=jdbc:postgresql://h/db?x=1&y=2",
            "url",
            "jdbc:postgresql://h/db?x=1&y=2",
        );
    }

    #[test]
    fn settings_lose_the_blanks_at_their_end() {
        let props = parse("name = a \t\n").unwrap();
        assert_eq!(props.raw("name"), Some("a"));
    }

    #[test]
    fn what_is_no_character_is_refused_by_its_key() {
        for text in ["a=1\nb=\\u12", "b=\\ud83dx", "b=\\u12g4", "b=\\u+123"] {
            let error = load(text).unwrap_err();
            let start = "Malformed \\uxxxx encoding in property 'b'";
            assert!(error.text().starts_with(start), "{error}");
        }
    }

    #[test]
    fn files_that_are_no_utf_8_are_latin_1() {
        assert_eq!(decode(b"gr\xfc\xdfe".to_vec()), "grüße");
        assert_eq!(decode("grüße".as_bytes().to_vec()), "grüße");
    }
}
