//! Values as texts that PostgreSQL casts to the column's type.

use std::fmt::Write as _;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use tidegate_api::{Decimal, Kind, Schema, Struct, Value, decimal, java_text};

use crate::meaning::{Meaning, Unit};
use crate::wire::{DAY_MICROS, time_of_day};

/// How a value becomes a text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Form {
    /// Strings as they are, numbers in plain digits, bytes in PostgreSQL's hexadecimal form.
    Plain,
    /// A boolean as `1` or `0`.
    Flag,
    /// By what the schema means.
    Of(Meaning),
    /// Literal of an array whose elements have this form.
    Array(Box<Form>),
    Json,
    Hstore,
    /// Well-known binary with the reference system inside, in hexadecimal digits.
    Ewkb,
    /// `[1.0,2.0]`, as the vector extension reads it.
    Vector,
}

impl Form {
    /// The form of a schema's values where the target has no closer one.
    pub(crate) fn of(schema: &Schema, debezium: bool) -> Self {
        match &schema.kind {
            Kind::Array(items) => Self::Array(Box::new(Self::of(items, debezium))),
            Kind::Map(..) => Self::Json,
            _ => match Meaning::of(schema, debezium) {
                Meaning::Plain => Self::Plain,
                meaning => Self::Of(meaning),
            },
        }
    }
}

pub(crate) fn unfit(value: &Value) -> String {
    format!(
        "a value of class {} does not fit the column's schema",
        value.java_class()
    )
}

/// The text that the database casts to the column's type.
pub(crate) fn render(value: &Value, form: &Form) -> Result<String, String> {
    match (form, value) {
        (Form::Flag, Value::Boolean(flag)) => Ok(if *flag { "1" } else { "0" }.to_owned()),
        (Form::Array(element), Value::Array(items)) => array_literal(items, element),
        (Form::Json, _) => Ok(json(value)),
        (Form::Hstore, _) => hstore(value),
        (Form::Ewkb, Value::Struct(geometry)) => ewkb(geometry).map(|bytes| digits(&bytes)),
        (Form::Vector, Value::Array(items)) => {
            let numbers: Vec<String> = items.iter().map(java_text::value).collect();
            Ok(format!("[{}]", numbers.join(",")))
        }
        (Form::Of(meaning), _) => with_meaning(value, *meaning),
        _ => plain(value),
    }
}

fn plain(value: &Value) -> Result<String, String> {
    Ok(match value {
        Value::String(text) => text.to_string(),
        Value::Decimal(decimal) => plain_decimal(decimal)?,
        Value::Bytes(bytes) => hex(bytes),
        Value::Array(_) | Value::Map(_) => json(value),
        Value::Struct(_) => {
            return Err("a struct without known meaning cannot become a column".to_owned());
        }
        other => java_text::value(other),
    })
}

fn with_meaning(value: &Value, meaning: Meaning) -> Result<String, String> {
    let integer = || value.as_i64().ok_or_else(|| unfit(value));
    let out_of_range = || "a date or time out of range".to_owned();
    let micros = |unit: Unit| unit.micros(integer()?).ok_or_else(out_of_range);
    Ok(match (meaning, value) {
        (Meaning::Date, _) => {
            let date = TimeDelta::try_days(integer()?)
                .and_then(|days| NaiveDate::default().checked_add_signed(days))
                .ok_or_else(out_of_range)?;
            date.format("%Y-%m-%d").to_string()
        }
        (Meaning::Time(unit), _) => {
            time(time_of_day(unit, integer()?)?).ok_or_else(out_of_range)?
        }
        (Meaning::Timestamp(unit), _) => {
            timestamp(DateTime::from_timestamp_micros(micros(unit)?)).ok_or_else(out_of_range)?
        }
        (Meaning::Duration(unit), _) => format!("{} microseconds", micros(unit)?),
        (Meaning::ZonedTime, Value::String(text)) => in_micros(text),
        (Meaning::Bits(length), Value::Bytes(bytes)) => bits(bytes, length)?,
        (Meaning::VariableScaleDecimal, Value::Struct(parts)) => {
            plain_decimal(&variable_scale_decimal(parts)?)?
        }
        (Meaning::Point, Value::Struct(point)) => {
            match (
                point.get_without_default("x"),
                point.get_without_default("y"),
            ) {
                (Some(Value::Float64(x)), Some(Value::Float64(y))) => format!("({x},{y})"),
                _ => return Err("a point without coordinates".to_owned()),
            }
        }
        (Meaning::Geometry | Meaning::Geography, Value::Struct(geometry)) => hex(&ewkb(geometry)?),
        _ => plain(value)?,
    })
}

/// Without an exponent.
fn plain_decimal(decimal: &Decimal) -> Result<String, String> {
    if decimal.scale().unsigned_abs() as usize > decimal::MAX_DIGITS {
        return Err(too_many_places(decimal));
    }
    Ok(decimal.to_plain_string())
}

/// Why a decimal is not written.
pub(crate) fn too_many_places(decimal: &Decimal) -> String {
    format!(
        "a decimal of about {} digits and the scale {} has more places than the database takes",
        decimal.most_digits(),
        decimal.scale()
    )
}

/// Source: `io.debezium.data.VariableScaleDecimal`.
pub(crate) fn variable_scale_decimal(parts: &Struct) -> Result<Decimal, String> {
    let scale = parts
        .get("scale")
        .and_then(Value::as_i64)
        .and_then(|scale| i32::try_from(scale).ok());
    match (scale, parts.get("value")) {
        (Some(scale), Some(Value::Bytes(bytes))) => {
            Decimal::from_unscaled_bytes(bytes, scale).map_err(|error| error.to_string())
        }
        _ => Err("a VariableScaleDecimal without scale or value".to_owned()),
    }
}

/// Of microseconds since midnight.
fn time(micros: i64) -> Option<String> {
    if micros == DAY_MICROS {
        return Some("24:00:00".to_owned());
    }
    let text = timestamp(DateTime::from_timestamp_micros(micros))?;
    text.split_once(' ').map(|(_, time)| time.to_owned())
}

/// The text of a time without the digits beyond its microseconds, which the original cuts here and rounds elsewhere.
fn in_micros(text: &str) -> String {
    let Some((whole, rest)) = text.split_once('.') else {
        return text.to_owned();
    };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (fraction, zone) = rest.split_at(digits);
    let (fraction, _) = fraction.split_at(digits.min(6));
    format!("{whole}.{fraction}{zone}")
}

/// The text of a default: with all nanoseconds, which the database rounds as it does those of a statement.
///
/// # Errors
/// Those of [`render`].
pub(crate) fn render_default(value: &Value, form: &Form) -> Result<String, String> {
    let nanos = |count: i64| DateTime::from_timestamp_nanos(count).naive_utc();
    match (form, value) {
        (Form::Of(Meaning::Timestamp(Unit::Nanos)), Value::Int64(count)) => {
            Ok(nanos(*count).to_string())
        }
        (Form::Of(Meaning::Time(Unit::Nanos)), Value::Int64(count))
            if (0..DAY_MICROS * 1_000).contains(count) =>
        {
            Ok(nanos(*count).time().to_string())
        }
        _ => render(value, form),
    }
}

/// As the database prints it: the fraction, if there is one, has no zeros at its end.
fn timestamp(at: Option<DateTime<Utc>>) -> Option<String> {
    let text = at?.format("%Y-%m-%d %H:%M:%S%.6f").to_string();
    Some(text.trim_end_matches('0').trim_end_matches('.').to_owned())
}

/// The last `length` bits, the most significant one first, with zeros before those that there are; without a length from the
/// first one that is set, none for zero.
///
/// # Errors
/// If the database has no bits of that length.
fn bits(bytes: &[u8], length: Option<usize>) -> Result<String, String> {
    if let Some(length) = length.filter(|length| *length > LONGEST_BITS) {
        return Err(too_many_bits(length));
    }
    let mut digits = String::with_capacity(bytes.len() * 8);
    for byte in bytes.iter().rev() {
        digits.extend(
            (0..8)
                .rev()
                .map(|bit| if byte >> bit & 1 == 1 { '1' } else { '0' }),
        );
    }
    let from_first = digits.trim_start_matches('0').len();
    let length = length.unwrap_or(from_first);
    if length <= digits.len() {
        return Ok(digits.split_off(digits.len() - length));
    }
    let mut padded = "0".repeat(length - digits.len());
    padded.push_str(&digits);
    Ok(padded)
}

/// `bit` and `bit varying` of PostgreSQL have no more.
pub(crate) const LONGEST_BITS: usize = 83_886_080;

/// Why bits are not written.
pub(crate) fn too_many_bits(length: usize) -> String {
    format!(
        "io.debezium.data.Bits of the length {length}: PostgreSQL has at most {LONGEST_BITS} bits in a column"
    )
}

fn digits(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            write!(text, "{byte:02x}").expect("writing to a string never fails");
            text
        })
}

/// As PostgreSQL writes `bytea`.
pub(crate) fn hex(bytes: &[u8]) -> String {
    format!("\\x{}", digits(bytes))
}

/// The reference system goes into well-known binary as PostGIS does it: a flag in the type, and four bytes behind it.
pub(crate) fn ewkb(geometry: &Struct) -> Result<Vec<u8>, String> {
    const HAS_SRID: u32 = 0x2000_0000;
    let Some(Value::Bytes(wkb)) = geometry.get_without_default("wkb") else {
        return Err("a geometry without its binary form".to_owned());
    };
    let srid = geometry
        .get_without_default("srid")
        .and_then(Value::as_i64)
        .and_then(|srid| u32::try_from(srid).ok())
        .filter(|srid| *srid != 0);
    let (Some(srid), Some((head, rest))) = (srid, wkb.split_at_checked(5)) else {
        return Ok(wkb.to_vec());
    };
    let little = head[0] == 1;
    let kind = [head[1], head[2], head[3], head[4]];
    let kind = if little {
        u32::from_le_bytes(kind)
    } else {
        u32::from_be_bytes(kind)
    };
    if kind & HAS_SRID != 0 {
        return Ok(wkb.to_vec());
    }
    let word = |number: u32| {
        if little {
            number.to_le_bytes()
        } else {
            number.to_be_bytes()
        }
    };
    let mut bytes = Vec::with_capacity(wkb.len() + 4);
    bytes.push(head[0]);
    bytes.extend_from_slice(&word(kind | HAS_SRID));
    bytes.extend_from_slice(&word(srid));
    bytes.extend_from_slice(rest);
    Ok(bytes)
}

/// `{"a","b",NULL}`, arrays inside it without quotes.
fn array_literal(items: &[Value], element: &Form) -> Result<String, String> {
    let mut literal = "{".to_owned();
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            literal.push(',');
        }
        if item.is_null() {
            literal.push_str("NULL");
            continue;
        }
        let text = render(item, element)?;
        if matches!(element, Form::Array(_)) {
            literal.push_str(&text);
        } else {
            quote_into(&mut literal, &text);
        }
    }
    literal.push('}');
    Ok(literal)
}

fn quote_into(literal: &mut String, text: &str) {
    literal.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            literal.push('\\');
        }
        literal.push(character);
    }
    literal.push('"');
}

/// `"k"=>"v", "n"=>NULL`, from a map or from the text of a JSON object.
fn hstore(value: &Value) -> Result<String, String> {
    let mut pairs: Vec<(String, Option<String>)> = Vec::new();
    match value {
        Value::Map(entries) => {
            for (key, value) in entries {
                let text = if value.is_null() {
                    None
                } else {
                    Some(plain(value)?)
                };
                pairs.push((plain(key)?, text));
            }
        }
        Value::String(text) => {
            let parsed: serde_json::Value = serde_json::from_str(text)
                .map_err(|error| format!("the text for an hstore is no JSON: {error}"))?;
            let Some(object) = parsed.as_object() else {
                return Err("the text for an hstore is no JSON object".to_owned());
            };
            for (key, value) in object {
                let text = match value {
                    serde_json::Value::Null => None,
                    serde_json::Value::String(text) => Some(text.clone()),
                    other => Some(other.to_string()),
                };
                pairs.push((key.clone(), text));
            }
        }
        other => return Err(unfit(other)),
    }
    let mut literal = String::new();
    for (key, value) in pairs {
        if !literal.is_empty() {
            literal.push(',');
        }
        quote_into(&mut literal, &key);
        literal.push_str("=>");
        match value {
            Some(value) => quote_into(&mut literal, &value),
            None => literal.push_str("NULL"),
        }
    }
    Ok(literal)
}

fn json(value: &Value) -> String {
    match value {
        Value::Map(entries) => {
            let members: Vec<String> = entries
                .iter()
                .map(|(key, value)| {
                    format!(
                        "{}:{}",
                        serde_json::Value::from(java_text::value(key)),
                        json(value)
                    )
                })
                .collect();
            format!("{{{}}}", members.join(","))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(json).collect::<Vec<_>>().join(","))
        }
        Value::String(text) => serde_json::Value::from(text.as_str()).to_string(),
        Value::Decimal(decimal) => decimal.to_plain_string(),
        other => java_text::value(other),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tidegate_api::SchemaBuilder;

    use super::*;

    #[test]
    fn values_become_texts_of_postgresql() {
        fn check(value: Value, form: Form, expected: &str) {
            assert_eq!(render(&value, &form).as_deref(), Ok(expected));
        }
        check(Value::Int32(18_263), Form::Of(Meaning::Date), "2020-01-02");
        check(
            Value::Int64(37_230_123_456),
            Form::Of(Meaning::Time(Unit::Micros)),
            "10:20:30.123456",
        );
        check(
            Value::Bytes(Bytes::from_static(&[0b101, 0b1])),
            Form::Of(Meaning::Bits(Some(13))),
            "0000100000101",
        );
        check(
            Value::Array(vec![Value::string("a\"b"), Value::Null]),
            Form::Array(Box::new(Form::Plain)),
            "{\"a\\\"b\",NULL}",
        );
        check(
            Value::Array(vec![Value::Array(vec![Value::Int32(18_263)])]),
            Form::Array(Box::new(Form::Array(Box::new(Form::Of(Meaning::Date))))),
            "{{\"2020-01-02\"}}",
        );
        check(
            Value::Map(vec![
                (Value::string("a\"'"), Value::string("b\\")),
                (Value::string("n"), Value::Null),
            ]),
            Form::Hstore,
            r#""a\"'"=>"b\\","n"=>NULL"#,
        );
        check(
            Value::string(r#"{"k": null, "v": "x"}"#),
            Form::Hstore,
            r#""k"=>NULL,"v"=>"x""#,
        );
        check(
            Value::Decimal("1.50".parse().expect("a decimal")),
            Form::Plain,
            "1.50",
        );
        let midnight = Value::Int64(86_400_000_000);
        check(midnight, Form::Of(Meaning::Time(Unit::Micros)), "24:00:00");
        assert!(render(&Value::Int64(-5), &Form::Of(Meaning::Time(Unit::Micros))).is_err());
    }

    #[test]
    fn times_with_a_zone_are_cut_after_their_microseconds() {
        for (text, expected) in [
            ("10:20:30.9999995Z", "10:20:30.999999Z"),
            ("10:20:30.9999999-11:30", "10:20:30.999999-11:30"),
            ("10:20:30.12+02", "10:20:30.12+02"),
            ("10:20:30Z", "10:20:30Z"),
        ] {
            let cut = render(&Value::String(text.into()), &Form::Of(Meaning::ZonedTime));
            assert_eq!(cut.as_deref(), Ok(expected));
        }
    }

    #[test]
    fn bits_have_their_length_or_begin_with_the_first_that_is_set() {
        let check = |bytes: &'static [u8], length, expected: &str| {
            let form = Form::Of(Meaning::Bits(length));
            let text = render(&Value::Bytes(Bytes::from_static(bytes)), &form);
            assert_eq!(text.as_deref(), Ok(expected), "{bytes:?} {length:?}");
        };
        check(&[], None, "");
        check(&[0], None, "");
        check(&[0, 0], None, "");
        check(&[6], None, "110");
        check(&[6, 1], None, "100000110");
        check(&[], Some(3), "000");
        check(&[6], Some(2), "10");
        for length in [65_535, 65_536, 70_000, LONGEST_BITS] {
            check(&[6], Some(length), &("0".repeat(length - 3) + "110"));
        }
        for length in [LONGEST_BITS + 1, usize::MAX] {
            let form = Form::Of(Meaning::Bits(Some(length)));
            let error = render(&Value::Bytes(Bytes::from_static(&[6])), &form);
            assert_eq!(error, Err(too_many_bits(length)));
        }
    }

    #[test]
    fn decimals_of_any_scale_have_an_end() {
        let schema = SchemaBuilder::structure()
            .field("scale", SchemaBuilder::int32().build())
            .field("value", SchemaBuilder::bytes().build())
            .build();
        for scale in [i32::MIN, -2_000_000_000, 150_001, i32::MAX] {
            let parts = vec![Value::Int32(scale), Value::Bytes(Bytes::from_static(&[1]))];
            let parts = Value::Struct(Struct::new(std::sync::Arc::clone(&schema), parts));
            let form = Form::Of(Meaning::VariableScaleDecimal);
            let error = render(&parts, &form).expect_err("too many");
            assert!(
                error.contains(&format!("the scale {scale} has more places")),
                "{error}"
            );
            let decimal = Value::Decimal(Decimal::new(1, scale));
            assert_eq!(render(&decimal, &Form::Plain), Err(error));
            let list = Value::Array(vec![decimal]);
            assert!(render(&list, &Form::Json).expect("a list").len() < 30);
        }
    }

    #[test]
    fn geometries_carry_their_reference_system() {
        let schema = SchemaBuilder::structure()
            .field("wkb", SchemaBuilder::bytes().build())
            .field("srid", SchemaBuilder::int32().optional().build())
            .build();
        let wkb = Value::Bytes(Bytes::from_static(&[1, 1, 0, 0, 0, 9]));
        let plain = Struct::new(
            std::sync::Arc::clone(&schema),
            vec![wkb.clone(), Value::Null],
        );
        assert_eq!(digits(&ewkb(&plain).expect("a geometry")), "010100000009");
        let placed = Struct::new(schema, vec![wkb, Value::Int32(4326)]);
        assert_eq!(
            digits(&ewkb(&placed).expect("a geometry")),
            "0101000020e610000009"
        );
    }
}
