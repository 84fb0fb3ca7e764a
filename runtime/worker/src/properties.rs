//! Java's `.properties` format.
//!
//! Source: `java.util.Properties.load`.

use tidegate_api::Props;

/// Parses a file's bytes: UTF-8 if they are, else ISO-8859-1 as Java reads them. The last of equal keys wins.
pub fn parse_properties(bytes: &[u8]) -> Props {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.trim_start_matches('\u{feff}').to_owned(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    };
    let mut props = Props::new();
    for line in logical_lines(&text) {
        let (key, value) = split(&line);
        props.set(unescape(key), unescape(value));
    }
    props
}

/// Lines without blank ones and comments, with continuations joined.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open: Option<String> = None;
    for line in text.replace("\r\n", "\n").split(['\n', '\r']) {
        let line = line.trim_start_matches([' ', '\t', '\u{c}']);
        if open.is_none() && (line.is_empty() || line.starts_with(['#', '!'])) {
            continue;
        }
        let continued = line.chars().rev().take_while(|c| *c == '\\').count() % 2 == 1;
        let part = if continued {
            line.strip_suffix('\\').unwrap_or(line)
        } else {
            line
        };
        let whole = open.take().unwrap_or_default() + part;
        if continued {
            open = Some(whole);
        } else {
            lines.push(whole);
        }
    }
    lines.extend(open);
    lines
}

/// Splits at the first unescaped `=`, `:` or blank.
fn split(line: &str) -> (&str, &str) {
    let blank = [' ', '\t', '\u{c}'];
    let mut escaped = false;
    let end = line
        .char_indices()
        .find(|(_, c)| {
            let is_end = !escaped && (matches!(c, '=' | ':') || blank.contains(c));
            escaped = !escaped && *c == '\\';
            is_end
        })
        .map_or(line.len(), |(at, _)| at);
    let (key, rest) = line.split_at(end);
    let rest = rest.trim_start_matches(blank);
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, value.trim_start_matches(blank))
}

fn unescape(text: &str) -> String {
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    let mut buffer = [0; 2];
    while let Some(c) = chars.next() {
        if c != '\\' {
            units.extend_from_slice(c.encode_utf16(&mut buffer));
            continue;
        }
        match chars.next() {
            Some('u') => {
                let digits: String = chars.by_ref().take(4).collect();
                units.push(u16::from_str_radix(&digits, 16).unwrap_or(0xFFFD));
            }
            Some('t') => units.push(u16::from(b'\t')),
            Some('n') => units.push(u16::from(b'\n')),
            Some('r') => units.push(u16::from(b'\r')),
            Some('f') => units.push(0x0C),
            Some(other) => units.extend_from_slice(other.encode_utf16(&mut buffer)),
            None => {}
        }
    }
    String::from_utf16_lossy(&units)
}

#[cfg(test)]
mod tests {
    use super::parse_properties;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &str)]) {
        let props = parse_properties(text.as_bytes());
        assert_eq!(props.iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn separators_are_equals_colon_and_blank() {
        check(
            "a=1\nb : 2\nc 3\n  d\t=\t4",
            &[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")],
        );
    }

    #[test]
    fn comments_and_blank_lines_are_skipped() {
        check("# a=1\n\n  ! b=2\nc=#3\r\nd=4\r", &[("c", "#3"), ("d", "4")]);
    }

    #[test]
    fn continued_lines_are_joined_without_their_indentation() {
        check("a=x,\\\n   y,\\\n\tz\nb=1", &[("a", "x,y,z"), ("b", "1")]);
        check("a=ends with a backslash\\\\\nb=1", &[("a", "ends with a backslash\\"), ("b", "1")]);
    }

    #[test]
    fn escapes_are_javas() {
        check(r"a\ b\=c=\t\n\u00e9\uD83D\uDE00\q", &[("a b=c", "\t\né😀q")]);
        check("url=jdbc:postgresql://h:5432/d?a=b", &[("url", "jdbc:postgresql://h:5432/d?a=b")]);
    }

    #[test]
    fn keys_without_values_are_empty_and_the_last_duplicate_wins() {
        check("a\nb=\na=2", &[("a", "2"), ("b", "")]);
    }

    #[test]
    fn latin_1_is_read_where_the_bytes_are_not_utf_8() {
        let props = parse_properties(b"name=caf\xe9");
        assert_eq!(props.raw("name"), Some("café"));
    }
}
