//! Java's `.properties` files.
//!
//! Source: `java.util.Properties.load`; UTF-8 is accepted beside `\uXXXX`.

use tidegate_api::Props;

/// Reads a file's text. Later lines win; values keep inner blanks and lose those at both ends.
pub fn parse(text: &str) -> Props {
    let mut props = Props::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let mut logical = line.trim_start().to_owned();
        if logical.is_empty() || logical.starts_with(['#', '!']) {
            continue;
        }
        while ends_in_continuation(&logical) {
            logical.pop();
            match lines.next() {
                Some(next) => logical.push_str(next.trim_start()),
                None => break,
            }
        }
        let (key, value) = split(&logical);
        props.set(unescape(key), unescape(value).trim());
    }
    props
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
                let rest = rest.trim_start_matches([' ', '\t', '\u{c}']);
                let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
                return (key, rest.trim_start_matches([' ', '\t', '\u{c}']));
            }
            _ => {}
        }
    }
    (line, "")
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            out.push(character);
            continue;
        }
        match characters.next() {
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('f') => out.push('\u{c}'),
            Some('u') => {
                let digits: String = characters.by_ref().take(4).collect();
                let unit = u32::from_str_radix(&digits, 16)
                    .ok()
                    .and_then(char::from_u32);
                out.push(unit.unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_java_reads_them() {
        fn check(text: &str, key: &str, value: &str) {
            let props = parse(text);
            assert_eq!(props.iter().collect::<Vec<_>>(), [(key, value)], "{text:?}");
        }
        check("a=b", "a", "b");
        check("  a : b c ", "a", "b c");
        check("a b", "a", "b");
        check("a", "a", "");
        check("a\\ b=c", "a b", "c");
        check("a=x\\\n   y", "a", "xy");
        check("a=x\\\\", "a", "x\\");
        check("a=\\u00e9\\tz", "a", "é\tz");
        check("# c\n! d\n\na==b", "a", "=b");
        check("a=1\na=2", "a", "2");
        check(
            "url=jdbc:postgresql://h/db?x=1&y=2",
            "url",
            "jdbc:postgresql://h/db?x=1&y=2",
        );
    }
}
