//! Texts of values as Java prints them.

use std::fmt::Write as _;

use crate::date_format;
use crate::schema::{Kind, Schema};
use crate::value::{Struct, Value};

/// `Double.toString`.
pub fn double(number: f64) -> String {
    let mut buffer = ryu::Buffer::new();
    match special(number) {
        Some(text) => text.to_owned(),
        None => from_shortest(buffer.format_finite(number), || format!("{number:.1e}")),
    }
}

/// `Float.toString`.
pub fn float(number: f32) -> String {
    let mut buffer = ryu::Buffer::new();
    match special(number.into()) {
        Some(text) => text.to_owned(),
        None => from_shortest(buffer.format_finite(number), || format!("{number:.1e}")),
    }
}

fn special(number: f64) -> Option<&'static str> {
    if number.is_nan() {
        Some("NaN")
    } else if number == f64::INFINITY {
        Some("Infinity")
    } else if number == f64::NEG_INFINITY {
        Some("-Infinity")
    } else {
        None
    }
}

/// Java writes 1e-3 to 1e7 without exponent and always one digit after the point. Where one digit would do it takes the
/// nearest number of `two` digits: 4.9E-324 for 5e-324.
fn from_shortest(shortest: &str, two: impl Fn() -> String) -> String {
    let sign = if shortest.starts_with('-') { "-" } else { "" };
    let (mut digits, point) = digits_and_point(shortest);
    if digits.is_empty() {
        return format!("{sign}0.0");
    }
    if digits.len() == 1 {
        let (nearer, its_point) = digits_and_point(&two());
        if its_point == point {
            digits = nearer;
        }
    }
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    if (-2..=7).contains(&point) {
        if point <= 0 {
            return format!(
                "{sign}0.{}{digits}",
                "0".repeat(point.unsigned_abs() as usize)
            );
        }
        if point >= count {
            return format!(
                "{sign}{digits}{}.0",
                "0".repeat((point - count).unsigned_abs() as usize)
            );
        }
        let (head, tail) = digits.split_at(point.unsigned_abs() as usize);
        return format!("{sign}{head}.{tail}");
    }
    let (head, tail) = digits.split_at(1);
    let tail = if tail.is_empty() { "0" } else { tail };
    format!("{sign}{head}.{tail}E{}", point - 1)
}

/// The significant digits of a number, and how many of them stand before the point.
fn digits_and_point(number: &str) -> (String, i32) {
    let number = number.trim_start_matches('-');
    let (mantissa, exponent) = number.split_once('e').unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let significant = all.trim_start_matches('0');
    let position = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    let leading = all.len() - significant.len();
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let point = position(whole.len()) - position(leading) + exponent;
    (significant.trim_end_matches('0').to_owned(), point)
}

/// `Object.toString` of a value: `Struct{id=1,name=x}`, `[1, 2]`, `{a=1}`.
pub fn value(value: &Value) -> String {
    value_of(None, value)
}

/// `Object.toString` of a value of a schema, which tells dates from numbers.
pub fn value_of(schema: Option<&Schema>, value: &Value) -> String {
    let mut text = String::new();
    push_value(&mut text, schema, value);
    text
}

fn push_value(text: &mut String, schema: Option<&Schema>, value: &Value) {
    if let Some(millis) = schema.and_then(|schema| date_format::millis(schema, value)) {
        text.push_str(&date_format::date_text(millis));
        return;
    }
    let (keys, elements) = match schema.map(|schema| &schema.kind) {
        Some(Kind::Array(items)) => (None, Some(&**items)),
        Some(Kind::Map(keys, values)) => (Some(&**keys), Some(&**values)),
        _ => (None, None),
    };
    match value {
        Value::Null => text.push_str("null"),
        Value::Boolean(flag) => text.push_str(if *flag { "true" } else { "false" }),
        Value::Int8(number) => push(text, number),
        Value::Int16(number) => push(text, number),
        Value::Int32(number) => push(text, number),
        Value::Int64(number) => push(text, number),
        Value::Float32(number) => text.push_str(&float(*number)),
        Value::Float64(number) => text.push_str(&double(*number)),
        Value::String(string) => text.push_str(string),
        Value::Bytes(bytes) => {
            push(
                text,
                &format_args!(
                    "java.nio.HeapByteBuffer[pos=0 lim={0} cap={0}]",
                    bytes.len()
                ),
            );
        }
        Value::Decimal(decimal) => push(text, decimal),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { ", " });
                push_value(text, elements, item);
            }
            text.push(']');
        }
        Value::Map(entries) => {
            text.push('{');
            for (index, (key, value)) in entries.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { ", " });
                push_value(text, keys, key);
                text.push('=');
                push_value(text, elements, value);
            }
            text.push('}');
        }
        Value::Struct(structure) => push_struct(text, structure),
    }
}

/// Fields without value are left out.
fn push_struct(text: &mut String, structure: &Struct) {
    text.push_str("Struct{");
    let mut separator = "";
    for (field, value) in structure.fields().filter(|(_, value)| !value.is_null()) {
        text.push_str(separator);
        text.push_str(&field.name);
        text.push('=');
        push_value(text, Some(&field.schema), value);
        separator = ",";
    }
    text.push('}');
}

fn push(text: &mut String, part: &impl std::fmt::Display) {
    write!(text, "{part}").expect("writing to a string never fails");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_print_as_in_java() {
        fn check(number: f64, text: &str) {
            assert_eq!(double(number), text);
        }
        check(0.0, "0.0");
        check(-0.0, "-0.0");
        check(1.0, "1.0");
        check(100.0, "100.0");
        check(0.1, "0.1");
        check(0.001, "0.001");
        check(1.0E-4, "1.0E-4");
        check(9_999_999.0, "9999999.0");
        check(1.0e7, "1.0E7");
        check(12_345_678.9, "1.23456789E7");
        check(-1.5e300, "-1.5E300");
        check(5.61, "5.61");
        check(5.610_000_133_514_404, "5.610000133514404");
        check(f64::NAN, "NaN");
        check(f64::NEG_INFINITY, "-Infinity");
        check(f64::MAX, "1.7976931348623157E308");
        check(5e-324, "4.9E-324");
        check(-1e-323, "-1.0E-323");
        check(5e-323, "4.9E-323");
        check(2e-323, "2.0E-323");
        check(1e23, "1.0E23");
        check(9e-5, "9.0E-5");
        check(f64::MIN_POSITIVE, "2.2250738585072014E-308");
    }

    #[test]
    fn floats_print_their_own_digits() {
        assert_eq!(float(0.1), "0.1");
        assert_eq!(float(1.0e10), "1.0E10");
        assert_eq!(float(16_777_216.0), "1.6777216E7");
        assert_eq!(float(1e-45), "1.4E-45");
        assert_eq!(float(-3e-45), "-2.8E-45");
        assert_eq!(float(7e-45), "7.0E-45");
        assert_eq!(float(f32::MIN_POSITIVE), "1.1754944E-38");
        assert_eq!(float(f32::MAX), "3.4028235E38");
    }
}
