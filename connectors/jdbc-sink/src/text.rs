//! What a schema means, and values as texts that PostgreSQL casts to the column's type.

use std::fmt::Write as _;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use tidegate_api::{Decimal, Kind, Schema, Struct, Value, java_text, logical};

use crate::wire::Unit;

/// What a schema means beyond its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    Plain,
    Decimal,
    /// Struct of `scale` and `value`.
    VariableScaleDecimal,
    /// Days since 1970-01-01.
    Date,
    /// Since midnight.
    Time(Unit),
    /// Since 1970-01-01T00:00 on the wall clock.
    Timestamp(Unit),
    ZonedTimestamp,
    ZonedTime,
    Duration(Unit),
    /// Least significant byte first; this many bits count.
    Bits(usize),
    Uuid,
    Json,
    Xml,
    Enum,
    Point,
    Geometry,
    Geography,
    /// Array of numbers.
    FloatVector,
    DoubleVector,
    Ltree,
    TsVector,
}

impl Meaning {
    /// Confluent's sink knows Connect's own types only.
    pub(crate) fn of(schema: &Schema, debezium: bool) -> Self {
        let Some(name) = schema.name.as_deref() else {
            return Self::Plain;
        };
        match name {
            logical::DECIMAL => Self::Decimal,
            logical::DATE => Self::Date,
            logical::TIME => Self::Time(Unit::Millis),
            logical::TIMESTAMP => Self::Timestamp(Unit::Millis),
            _ if !debezium => Self::Plain,
            "io.debezium.time.Date" => Self::Date,
            "io.debezium.time.Time" => Self::Time(Unit::Millis),
            "io.debezium.time.MicroTime" => Self::Time(Unit::Micros),
            "io.debezium.time.NanoTime" => Self::Time(Unit::Nanos),
            "io.debezium.time.Timestamp" => Self::Timestamp(Unit::Millis),
            "io.debezium.time.MicroTimestamp" => Self::Timestamp(Unit::Micros),
            "io.debezium.time.NanoTimestamp" => Self::Timestamp(Unit::Nanos),
            "io.debezium.time.ZonedTimestamp" => Self::ZonedTimestamp,
            "io.debezium.time.ZonedTime" => Self::ZonedTime,
            "io.debezium.time.MicroDuration" => Self::Duration(Unit::Micros),
            "io.debezium.data.Bits" => Self::Bits(
                schema
                    .parameter("length")
                    .and_then(|text| text.parse().ok())
                    .unwrap_or(usize::MAX),
            ),
            "io.debezium.data.VariableScaleDecimal" => Self::VariableScaleDecimal,
            "io.debezium.data.Uuid" => Self::Uuid,
            "io.debezium.data.Json" => Self::Json,
            "io.debezium.data.Xml" => Self::Xml,
            "io.debezium.data.Enum" => Self::Enum,
            "io.debezium.data.Ltree" => Self::Ltree,
            "io.debezium.data.TsVector" => Self::TsVector,
            "io.debezium.data.geometry.Point" => Self::Point,
            "io.debezium.data.geometry.Geometry" => Self::Geometry,
            "io.debezium.data.geometry.Geography" => Self::Geography,
            "io.debezium.data.FloatVector" => Self::FloatVector,
            "io.debezium.data.DoubleVector" => Self::DoubleVector,
            _ => Self::Plain,
        }
    }
}

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
        Value::Decimal(decimal) => decimal.to_plain_string(),
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
    let micros = |unit: Unit| -> Result<i64, String> {
        let count = integer()?;
        match unit {
            Unit::Millis => count.checked_mul(1_000).ok_or_else(out_of_range),
            Unit::Micros => Ok(count),
            Unit::Nanos => Ok(count.div_euclid(1_000)),
        }
    };
    Ok(match (meaning, value) {
        (Meaning::Date, _) => {
            let date = TimeDelta::try_days(integer()?)
                .and_then(|days| NaiveDate::default().checked_add_signed(days))
                .ok_or_else(out_of_range)?;
            date.format("%Y-%m-%d").to_string()
        }
        (Meaning::Time(unit), _) => time(micros(unit)?)?,
        (Meaning::Timestamp(unit), _) => {
            timestamp(DateTime::from_timestamp_micros(micros(unit)?)).ok_or_else(out_of_range)?
        }
        (Meaning::Duration(unit), _) => format!("{} microseconds", micros(unit)?),
        (Meaning::Bits(length), Value::Bytes(bytes)) => bits(bytes, length),
        (Meaning::VariableScaleDecimal, Value::Struct(parts)) => {
            variable_scale_decimal(parts)?.to_plain_string()
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

/// Source: `io.debezium.data.VariableScaleDecimal`.
pub(crate) fn variable_scale_decimal(parts: &Struct) -> Result<Decimal, String> {
    let scale = parts
        .get("scale")
        .and_then(Value::as_i64)
        .and_then(|scale| i32::try_from(scale).ok());
    match (scale, parts.get("value")) {
        (Some(scale), Some(Value::Bytes(bytes))) => Ok(Decimal::from_unscaled_bytes(bytes, scale)),
        _ => Err("a VariableScaleDecimal without scale or value".to_owned()),
    }
}

fn time(micros: i64) -> Result<String, String> {
    const DAY: i64 = 86_400_000_000;
    match micros {
        DAY => Ok("24:00:00".to_owned()),
        0..DAY => timestamp(DateTime::from_timestamp_micros(micros))
            .and_then(|text| text.split_once(' ').map(|(_, time)| time.to_owned()))
            .ok_or_else(String::new),
        _ => Err(format!("{micros} microseconds are no time of day")),
    }
}

fn timestamp(at: Option<DateTime<Utc>>) -> Option<String> {
    Some(at?.format("%Y-%m-%d %H:%M:%S%.6f").to_string())
}

/// The last `length` bits, the most significant one first.
fn bits(bytes: &[u8], length: usize) -> String {
    let unused = (bytes.len() * 8).saturating_sub(length);
    let mut digits = String::with_capacity(bytes.len() * 8);
    for byte in bytes.iter().rev() {
        digits.extend(
            (0..8)
                .rev()
                .map(|bit| if byte >> bit & 1 == 1 { '1' } else { '0' }),
        );
    }
    digits.split_off(unused)
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
            Form::Of(Meaning::Bits(13)),
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
