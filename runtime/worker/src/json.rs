//! JSON bytes as Jackson writes them: no white space, control characters with upper-case hex digits, characters outside
//! the basic plane as two escapes, doubles in Java's form. Keys of the offsets topic are compared as such bytes.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter, Serializer};

/// Serialises as Jackson's `ObjectMapper` does.
pub(crate) fn to_vec(value: &impl Serialize) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    let mut serializer = Serializer::with_formatter(&mut out, Jackson);
    value
        .serialize(&mut serializer)
        .expect("maps with text keys and plain values always serialise");
    out
}

struct Jackson;

impl Formatter for Jackson {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut plain = 0;
        for (at, c) in fragment.char_indices().filter(|(_, c)| *c > '\u{FFFF}') {
            writer.write_all(&fragment.as_bytes()[plain..at])?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04X}")?;
            }
            plain = at + c.len_utf8();
        }
        writer.write_all(&fragment.as_bytes()[plain..])
    }

    fn write_char_escape<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        let text = match escape {
            CharEscape::Quote => "\\\"",
            CharEscape::ReverseSolidus => "\\\\",
            CharEscape::Solidus => "/",
            CharEscape::Backspace => "\\b",
            CharEscape::FormFeed => "\\f",
            CharEscape::LineFeed => "\\n",
            CharEscape::CarriageReturn => "\\r",
            CharEscape::Tab => "\\t",
            CharEscape::AsciiControl(byte) => return write!(writer, "\\u{byte:04X}"),
        };
        writer.write_all(text.as_bytes())
    }

    fn write_f64<W: ?Sized + Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        writer.write_all(java_double(value).as_bytes())
    }
}

/// `Double.toString`: the shortest digits, scientific from 10^7 and below 10^-3.
fn java_double(value: f64) -> String {
    let magnitude = value.abs();
    if value == 0.0 || (1e-3..1e7).contains(&magnitude) {
        return format!("{value:?}");
    }
    let scientific = format!("{value:e}");
    match scientific.split_once('e') {
        Some((digits, exponent)) if digits.contains('.') => format!("{digits}E{exponent}"),
        Some((digits, exponent)) => format!("{digits}.0E{exponent}"),
        None => scientific,
    }
}

#[cfg(test)]
mod tests {
    use super::to_vec;
    use serde_json::{Value, json};

    #[track_caller]
    fn check(value: &Value, expected: &str) {
        assert_eq!(String::from_utf8(to_vec(value)).unwrap(), expected);
    }

    #[test]
    fn text_is_escaped_as_jackson_does() {
        // As the Java worker wrote it to its config topic.
        check(
            &json!({"file": "/x\\y\"é😀\u{1}"}),
            "{\"file\":\"/x\\\\y\\\"é\\uD83D\\uDE00\\u0001\"}",
        );
        check(
            &json!("a\u{1f}\u{7f}\n\t/\u{8}\u{c}\r😀b"),
            "\"a\\u001F\u{7f}\\n\\t/\\b\\f\\r\\uD83D\\uDE00b\"",
        );
    }

    #[test]
    fn numbers_are_javas() {
        check(&json!([1, -5, 1.0, 1.5, 0.001, 0.0]), "[1,-5,1.0,1.5,0.001,0.0]");
        check(&json!([1e7, 1.25e-4, 1e300]), "[1.0E7,1.25E-4,1.0E300]");
    }
}
