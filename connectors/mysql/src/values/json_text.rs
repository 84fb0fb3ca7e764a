//! MySQL's binary JSON as text, in the form of the original's binlog library: no spaces, keys in stored order.
//!
//! Source: `com.github.shyiko.mysql.binlog.event.deserialization.json.JsonStringFormatter`; MySQL `json_binary.h`.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mysql_async::consts::ColumnType;
use tidegate_api::{Decimal, Str};

use super::temporal::{Fraction, push_digits, push_fraction};
use super::wire;

/// MySQL's own limit: it stores no deeper document.
const MAX_DEPTH: usize = 100;

/// # Errors
/// If the bytes are no JSON document of MySQL.
pub(crate) fn render(bytes: &[u8]) -> io::Result<Str> {
    let (kind, data) = bytes.split_first().ok_or_else(|| broken("is empty"))?;
    let mut writer = Writer {
        text: Str::with_capacity(bytes.len()),
        unread: bytes.len(),
        depth: 0,
    };
    writer.value(*kind, data)?;
    Ok(writer.text)
}

fn broken(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the JSON document {what}"),
    )
}

fn cut_off() -> io::Error {
    broken("is cut off")
}

/// Writes one document. Its parts are found by offsets, which may lie.
struct Writer {
    text: Str,
    /// Bytes of the document that no value has taken. No two values share bytes, so that a document cannot be written
    /// larger than it is, nor in circles.
    unread: usize,
    depth: usize,
}

/// Width of counts and offsets of an array or object.
#[derive(Clone, Copy)]
enum Width {
    Small,
    Large,
}

impl Width {
    fn bytes(self) -> usize {
        match self {
            Self::Small => 2,
            Self::Large => 4,
        }
    }

    fn read(self, data: &[u8], at: usize) -> io::Result<usize> {
        let number = match self {
            Self::Small => u16::from_le_bytes(array(data, at)?).into(),
            Self::Large => u32::from_le_bytes(array(data, at)?),
        };
        usize::try_from(number).map_err(|_| cut_off())
    }

    /// Whether a value of this type stands in place of its offset.
    fn has_inside(self, kind: u8) -> bool {
        match self {
            Self::Small => (0x04..=0x06).contains(&kind),
            Self::Large => (0x04..=0x08).contains(&kind),
        }
    }
}

fn array<const N: usize>(data: &[u8], at: usize) -> io::Result<[u8; N]> {
    let bytes = data.get(at..).and_then(<[u8]>::first_chunk);
    bytes.copied().ok_or_else(cut_off)
}

impl Writer {
    fn take(&mut self, count: usize) -> io::Result<()> {
        let left = self.unread.checked_sub(count);
        self.unread = left.ok_or_else(|| broken("has parts that overlap"))?;
        Ok(())
    }

    /// The value of a type that `data` begins with.
    fn value(&mut self, kind: u8, data: &[u8]) -> io::Result<()> {
        match kind {
            0x00 => self.container(true, Width::Small, data)?,
            0x01 => self.container(true, Width::Large, data)?,
            0x02 => self.container(false, Width::Small, data)?,
            0x03 => self.container(false, Width::Large, data)?,
            0x04 => self.text.push_str(match data.first() {
                Some(0) => "null",
                Some(1) => "true",
                Some(2) => "false",
                Some(_) => return Err(broken("has a literal that is none")),
                None => return Err(cut_off()),
            }),
            0x05 => push_digits(
                &mut self.text,
                i16::from_le_bytes(array(data, 0)?).into(),
                0,
            ),
            0x06 => push_digits(
                &mut self.text,
                u16::from_le_bytes(array(data, 0)?).into(),
                0,
            ),
            0x07 => push_digits(
                &mut self.text,
                i32::from_le_bytes(array(data, 0)?).into(),
                0,
            ),
            0x08 => push_digits(
                &mut self.text,
                u32::from_le_bytes(array(data, 0)?).into(),
                0,
            ),
            0x09 => push_digits(&mut self.text, i64::from_le_bytes(array(data, 0)?), 0),
            0x0a => {
                let number = u64::from_le_bytes(array(data, 0)?);
                self.text.push_str(&number.to_string());
            }
            0x0b => {
                let number = f64::from_le_bytes(array(data, 0)?);
                self.text.push_str(&double_text(number));
            }
            0x0c => {
                let string = self.sized(data)?;
                push_string(&mut self.text, &String::from_utf8_lossy(string));
            }
            0x0f => {
                let (column, data) = data.split_first().ok_or_else(cut_off)?;
                let opaque = self.sized(data)?;
                push_opaque(&mut self.text, *column, opaque)?;
            }
            _ => return Err(broken("has a value of a type that is not known")),
        }
        Ok(())
    }

    /// Bytes behind their number, which has seven bits in each byte, the lowest first.
    fn sized<'a>(&mut self, data: &'a [u8]) -> io::Result<&'a [u8]> {
        let mut length = 0_usize;
        for (index, byte) in data.iter().enumerate().take(5) {
            length |= usize::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                let bytes = data.get(index + 1..).and_then(|rest| rest.get(..length));
                self.take(length)?;
                return bytes.ok_or_else(cut_off);
            }
        }
        Err(cut_off())
    }

    /// An object or an array: number of members and bytes; for an object where each key begins and how long it is; type of
    /// each value and where it begins.
    fn container(&mut self, is_object: bool, width: Width, data: &[u8]) -> io::Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(broken("is nested too deeply"));
        }
        let step = width.bytes();
        let (count, size) = (width.read(data, 0)?, width.read(data, step)?);
        let data = data.get(..size).ok_or_else(cut_off)?;
        let key_bytes = if is_object { step + 2 } else { 0 };
        let value_bytes = step + 1;
        let head = count.checked_mul(key_bytes + value_bytes);
        self.take(head.ok_or_else(cut_off)?)?;
        let keys = 2 * step;
        let values = keys + count * key_bytes;
        self.text.push(if is_object { '{' } else { '[' });
        for index in 0..count {
            if index > 0 {
                self.text.push(',');
            }
            if is_object {
                let at = keys + index * key_bytes;
                let (begin, length) = (
                    width.read(data, at)?,
                    u16::from_le_bytes(array(data, at + step)?),
                );
                let key = data.get(begin..).and_then(|rest| rest.get(..length.into()));
                self.take(length.into())?;
                push_string(
                    &mut self.text,
                    &String::from_utf8_lossy(key.ok_or_else(cut_off)?),
                );
                self.text.push(':');
            }
            let at = values + index * value_bytes;
            let kind = *data.get(at).ok_or_else(cut_off)?;
            let begin = if width.has_inside(kind) {
                at + 1
            } else {
                width.read(data, at + 1)?
            };
            self.value(kind, data.get(begin..).ok_or_else(cut_off)?)?;
        }
        self.text.push(if is_object { '}' } else { ']' });
        self.depth -= 1;
        Ok(())
    }
}

fn push_string(text: &mut Str, string: &str) {
    text.push('"');
    for character in string.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\u{8}' => text.push_str("\\b"),
            '\t' => text.push_str("\\t"),
            '\n' => text.push_str("\\n"),
            '\u{c}' => text.push_str("\\f"),
            '\r' => text.push_str("\\r"),
            control if u32::from(control) < 0x20 => {
                text.push_str(&format!("\\u{:04X}", u32::from(control)));
            }
            other => text.push(other),
        }
    }
    text.push('"');
}

/// Java's text of a double where that has no exponent, else all digits of its exact binary value.
fn double_text(number: f64) -> String {
    let magnitude = number.abs();
    if magnitude == 0.0 || (1e-3..1e7).contains(&magnitude) {
        return format!("{number:?}");
    }
    exact_decimal(number).to_plain_string()
}

/// `new BigDecimal(double)`: every finite double is a decimal of finitely many digits.
fn exact_decimal(number: f64) -> Decimal {
    use num_bigint::BigInt;
    let bits = number.to_bits();
    let biased = i32::try_from(bits >> 52 & 0x7ff).unwrap_or(0);
    let fraction = bits & ((1 << 52) - 1);
    let (mut mantissa, mut exponent) = if biased == 0 {
        (fraction, -1074)
    } else {
        (fraction | 1 << 52, biased - 1075)
    };
    while mantissa != 0 && mantissa & 1 == 0 {
        mantissa >>= 1;
        exponent += 1;
    }
    let mut unscaled = BigInt::from(mantissa);
    if number.is_sign_negative() {
        unscaled = -unscaled;
    }
    match u32::try_from(exponent) {
        Ok(exponent) => Decimal::from_big(unscaled << exponent, 0),
        Err(_) => Decimal::from_big(
            unscaled * BigInt::from(5).pow(exponent.unsigned_abs()),
            -exponent,
        ),
    }
}

fn push_opaque(text: &mut Str, column: u8, data: &[u8]) -> io::Result<()> {
    let packed = || {
        <[u8; 8]>::try_from(data)
            .map(i64::from_le_bytes)
            .map_err(|_| {
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    "a JSON date or time has not 8 bytes",
                )
            })
    };
    let column = ColumnType::try_from(column).unwrap_or(ColumnType::MYSQL_TYPE_UNKNOWN);
    match column {
        ColumnType::MYSQL_TYPE_NEWDECIMAL | ColumnType::MYSQL_TYPE_DECIMAL => {
            let [precision, scale, digits @ ..] = data else {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "a JSON decimal lacks its precision",
                ));
            };
            let decimal = wire::packed_decimal(digits, *precision, *scale).ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidData, "a JSON decimal is cut off")
            })?;
            text.push_str(&decimal.to_plain_string());
        }
        ColumnType::MYSQL_TYPE_DATE | ColumnType::MYSQL_TYPE_NEWDATE => {
            text.push('"');
            push_packed_date(text, packed()? >> 24);
            text.push('"');
        }
        ColumnType::MYSQL_TYPE_DATETIME
        | ColumnType::MYSQL_TYPE_DATETIME2
        | ColumnType::MYSQL_TYPE_TIMESTAMP
        | ColumnType::MYSQL_TYPE_TIMESTAMP2 => {
            let packed = packed()?;
            text.push('"');
            push_packed_date(text, packed >> 24);
            text.push(' ');
            push_packed_time(text, packed >> 24 & 0x1_ffff, packed & 0xff_ffff);
            text.push('"');
        }
        ColumnType::MYSQL_TYPE_TIME | ColumnType::MYSQL_TYPE_TIME2 => {
            let packed = packed()?;
            text.push('"');
            if packed < 0 {
                text.push('-');
            }
            let magnitude = packed
                .checked_abs()
                .ok_or_else(|| broken("has a time that is none"))?;
            push_packed_time(text, magnitude >> 24 & 0x3f_ffff, magnitude & 0xff_ffff);
            text.push('"');
        }
        _ => {
            text.push('"');
            text.push_str(&STANDARD.encode(data));
            text.push('"');
        }
    }
    Ok(())
}

/// `ymd` is year * 13 + month, five bits of the day, 17 bits of the time.
fn push_packed_date(text: &mut Str, ymd_hms: i64) {
    let ymd = ymd_hms >> 17;
    let year_month = ymd >> 5;
    push_digits(text, year_month / 13, 4);
    text.push('-');
    push_digits(text, year_month % 13, 2);
    text.push('-');
    push_digits(text, ymd & 0x1f, 2);
}

fn push_packed_time(text: &mut Str, hms: i64, micros: i64) {
    push_digits(text, hms >> 12, 2);
    text.push(':');
    push_digits(text, hms >> 6 & 0x3f, 2);
    text.push(':');
    push_digits(text, hms & 0x3f, 2);
    push_fraction(text, micros, Fraction::Shortest);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small array of values that stand in place or at offsets, and what follows them.
    fn small_array(values: &[(u8, u16)], rest: &[u8]) -> Vec<u8> {
        let count = u16::try_from(values.len()).expect("small");
        let size = u16::try_from(4 + 3 * values.len() + rest.len()).expect("small");
        let mut bytes = vec![0x02];
        bytes.extend(count.to_le_bytes());
        bytes.extend(size.to_le_bytes());
        for (kind, value) in values {
            bytes.push(*kind);
            bytes.extend(value.to_le_bytes());
        }
        bytes.extend(rest);
        bytes
    }

    fn error(bytes: &[u8]) -> String {
        render(bytes).expect_err("broken").to_string()
    }

    /// `{"a": [1, true, "x"], "b": -2}` as MySQL 9.7 stores it.
    const DOCUMENT: &[u8] = b"\0\x02\0\x25\0\x12\0\x01\0\x13\0\x01\0\x02\x14\0\x05\xfe\xff\
        ab\x03\0\x11\0\x05\x01\0\x04\x01\0\x0c\x0d\0\x01xyz";

    #[test]
    fn documents_are_written_in_stored_order() {
        assert_eq!(
            render(DOCUMENT).expect("a document"),
            r#"{"a":[1,true,"x"],"b":-2}"#
        );
    }

    #[test]
    fn a_document_that_is_cut_off_or_altered_is_an_error_or_another_document() {
        for length in 0..DOCUMENT.len() - 2 {
            let text = error(&DOCUMENT[..length]);
            assert!(text.starts_with("the JSON document "), "{length}: {text}");
        }
        for at in 0..DOCUMENT.len() {
            for value in 0..=u8::MAX {
                let mut bytes = DOCUMENT.to_vec();
                bytes[at] = value;
                render(&bytes).ok();
            }
        }
    }

    #[test]
    fn circles_and_depths_have_an_end() {
        // Its only member is itself.
        assert_eq!(
            error(&small_array(&[(0x02, 0)], &[0; 600])),
            "the JSON document is nested too deeply"
        );
        // Members that are all the same member: twice as many with each level.
        let doubled: Vec<(u8, u16)> = vec![(0x02, 0); 2];
        assert_eq!(
            error(&small_array(&doubled, &[0; 100])),
            "the JSON document has parts that overlap"
        );
        // Strings that are all the same string.
        let strings = vec![(0x0c, 4 + 3 * 500); 500];
        let text = [&[0xf4, 0x03][..], &[b'x'; 500]].concat();
        assert_eq!(
            error(&small_array(&strings, &text)),
            "the JSON document has parts that overlap"
        );
        assert_eq!(
            error(b"\x03\xff\xff\xff\xff\xff\xff\xff\xff"),
            "the JSON document is cut off"
        );
        let mut deep = vec![0x05, 0x01, 0x00];
        for _ in 0..MAX_DEPTH {
            let kind = deep.remove(0);
            deep = small_array(&[(kind, 7)], &deep);
        }
        assert!(render(&deep).is_ok());
        let kind = deep.remove(0);
        assert!(error(&small_array(&[(kind, 7)], &deep)).contains("too deeply"));
    }
}
