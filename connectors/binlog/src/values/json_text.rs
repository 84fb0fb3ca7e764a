//! MySQL's binary JSON as text, in the form of the original's binlog library: no spaces, keys in stored order.
//!
//! Source: `com.github.shyiko.mysql.binlog.event.deserialization.json.JsonStringFormatter`.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mysql_async::binlog::jsonb::{OpaqueValue, Value};
use mysql_async::consts::ColumnType;
use mysql_common::io::ParseBuf;
use mysql_common::proto::MyDeserialize;
use tidegate_api::{Decimal, Str};

use super::temporal::{Fraction, push_digits, push_fraction};
use super::wire;

/// # Errors
/// If the bytes are no JSON document of MySQL.
pub(crate) fn render(bytes: &[u8]) -> io::Result<Str> {
    let mut text = Str::with_capacity(bytes.len());
    write(&Value::deserialize((), &mut ParseBuf(bytes))?, &mut text)?;
    Ok(text)
}

fn write(value: &Value<'_>, text: &mut Str) -> io::Result<()> {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(flag) => text.push_str(if *flag { "true" } else { "false" }),
        Value::I16(number) => push_digits(text, (*number).into(), 0),
        Value::U16(number) => push_digits(text, (*number).into(), 0),
        Value::I32(number) => push_digits(text, (*number).into(), 0),
        Value::U32(number) => push_digits(text, (*number).into(), 0),
        Value::I64(number) => push_digits(text, *number, 0),
        Value::U64(number) => text.push_str(&number.to_string()),
        Value::F64(number) => text.push_str(&double_text(*number)),
        Value::String(string) => push_string(text, &string.str()),
        Value::SmallArray(array) => list(text, array.iter())?,
        Value::LargeArray(array) => list(text, array.iter())?,
        Value::SmallObject(object) => {
            members(
                text,
                object
                    .iter()
                    .map(|entry| entry.map(|(key, value)| (key.value().into_owned(), value))),
            )?;
        }
        Value::LargeObject(object) => {
            members(
                text,
                object
                    .iter()
                    .map(|entry| entry.map(|(key, value)| (key.value().into_owned(), value))),
            )?;
        }
        Value::Opaque(opaque) => push_opaque(text, opaque)?,
    }
    Ok(())
}

fn list<'a>(text: &mut Str, items: impl Iterator<Item = io::Result<Value<'a>>>) -> io::Result<()> {
    text.push('[');
    for (index, item) in items.enumerate() {
        if index > 0 {
            text.push(',');
        }
        write(&item?, text)?;
    }
    text.push(']');
    Ok(())
}

fn members<'a>(
    text: &mut Str,
    entries: impl Iterator<Item = io::Result<(String, Value<'a>)>>,
) -> io::Result<()> {
    text.push('{');
    for (index, entry) in entries.enumerate() {
        let (key, value) = entry?;
        if index > 0 {
            text.push(',');
        }
        push_string(text, &key);
        text.push(':');
        write(&value, text)?;
    }
    text.push('}');
    Ok(())
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

fn push_opaque(text: &mut Str, opaque: &OpaqueValue<'_>) -> io::Result<()> {
    let data = opaque.data_raw();
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
    match opaque.value_type() {
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
            let magnitude = packed.abs();
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
