//! `SimpleHeaderConverter`: values as text, their types guessed when read.
//!
//! Source: `org.apache.kafka.connect.storage.SimpleHeaderConverter`, `org.apache.kafka.connect.data.Values`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use tidegate_api::config::ConfigDef;
use tidegate_api::plugin::HeaderConverterPlugin;
use tidegate_api::{
    ConnectError, Decimal, HeaderConverter, Kind, Plugins, Schema, SchemaAndValue, SchemaBuilder,
    Value, java_text, logical,
};

const CLASS: &str = "org.apache.kafka.connect.storage.SimpleHeaderConverter";
const MILLIS_PER_DAY: i64 = 86_400_000;

fn config_def() -> ConfigDef {
    ConfigDef::new(&[])
}

pub(crate) fn register(plugins: &mut Plugins) {
    plugins.header_converters.push(HeaderConverterPlugin {
        class: CLASS,
        version: crate::VERSION,
        config_def,
        create: |_| Ok(Box::new(SimpleHeaderConverter)),
    });
}

/// The default header converter of a worker.
#[derive(Debug)]
pub struct SimpleHeaderConverter;

impl HeaderConverter for SimpleHeaderConverter {
    fn from_connect_header(
        &self,
        _topic: &str,
        _key: &str,
        data: &SchemaAndValue,
    ) -> Result<Option<Bytes>, ConnectError> {
        if data.value.is_null() {
            return Ok(None);
        }
        let mut text = String::new();
        push(&mut text, data.schema.as_deref(), &data.value, false);
        Ok(Some(text.into()))
    }

    fn to_connect_header(
        &self,
        _topic: &str,
        _key: &str,
        bytes: Option<&Bytes>,
    ) -> Result<SchemaAndValue, ConnectError> {
        let Some(bytes) = bytes else {
            return Ok(SchemaAndValue::default());
        };
        let Ok(text) = std::str::from_utf8(bytes) else {
            return Ok(SchemaAndValue::new(
                SchemaBuilder::bytes().build(),
                Value::Bytes(bytes.clone()),
            ));
        };
        Ok(if text.is_empty() {
            SchemaAndValue::new(SchemaBuilder::string().build(), Value::string(""))
        } else {
            parse(text)
        })
    }
}

/// `embedded` values are inside of a list or map, where texts have quotes.
fn push(text: &mut String, schema: Option<&Schema>, value: &Value, embedded: bool) {
    match value {
        Value::String(string) if embedded => {
            text.push('"');
            text.push_str(&string.replace('\\', "\\\\").replace('"', "\\\""));
            text.push('"');
        }
        Value::String(string) => text.push_str(string),
        Value::Bytes(bytes) if embedded => {
            text.push('"');
            STANDARD.encode_string(bytes, text);
            text.push('"');
        }
        Value::Bytes(bytes) => STANDARD.encode_string(bytes, text),
        Value::Array(items) => {
            let item_schema = schema.and_then(|schema| match &schema.kind {
                Kind::Array(items) => Some(&**items),
                _ => None,
            });
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { "," });
                push(text, item_schema, item, true);
            }
            text.push(']');
        }
        Value::Map(entries) => {
            text.push('{');
            for (index, (key, value)) in entries.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { "," });
                push(text, None, key, true);
                text.push(':');
                push(text, None, value, true);
            }
            text.push('}');
        }
        Value::Struct(structure) => {
            text.push('{');
            for (index, (field, value)) in structure.fields().enumerate() {
                text.push_str(if index == 0 { "" } else { "," });
                push(text, None, &Value::string(&field.name), true);
                text.push(':');
                push(text, Some(&field.schema), value, true);
            }
            text.push('}');
        }
        other => match schema.and_then(|schema| Some((schema.name.as_deref()?, other.as_i64()?))) {
            Some((logical::DATE, days)) => text.push_str(&instant(days * MILLIS_PER_DAY)),
            Some((logical::TIME | logical::TIMESTAMP, millis)) => text.push_str(&instant(millis)),
            _ => text.push_str(&java_text::value(other)),
        },
    }
}

/// A `java.util.Date`: times of the first day without date, whole days without time.
fn instant(millis: i64) -> String {
    let at = chrono::DateTime::from_timestamp_millis(millis).unwrap_or_default();
    let format = if (0..MILLIS_PER_DAY).contains(&millis) {
        "%H:%M:%S%.3fZ"
    } else if millis % MILLIS_PER_DAY == 0 {
        "%Y-%m-%d"
    } else {
        "%Y-%m-%dT%H:%M:%S%.3fZ"
    };
    at.format(format).to_string()
}

/// A text whose value is guessed; what is nothing else is a string.
fn parse(text: &str) -> SchemaAndValue {
    let string = || SchemaAndValue::new(SchemaBuilder::string().build(), Value::string(text));
    match text {
        "null" => return SchemaAndValue::default(),
        "true" | "false" => {
            return SchemaAndValue::new(
                SchemaBuilder::boolean().build(),
                Value::Boolean(text == "true"),
            );
        }
        _ => {}
    }
    if text.starts_with(['[', '{']) {
        let mut parser = Parser { rest: text };
        return match parser.value() {
            Some(parsed) if parser.rest.trim().is_empty() => parsed,
            _ => string(),
        };
    }
    scalar(text).unwrap_or_else(string)
}

/// Dates, times and numbers.
fn scalar(text: &str) -> Option<SchemaAndValue> {
    let first = text.chars().next()?;
    if first.is_ascii_digit()
        && let Some(parsed) = temporal(text)
    {
        return Some(parsed);
    }
    if first.is_ascii_digit() || matches!(first, '+' | '-') {
        number(text)
    } else {
        None
    }
}

fn temporal(text: &str) -> Option<SchemaAndValue> {
    match text.len() {
        10 => {
            let date = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
            let days = date
                .signed_duration_since(chrono::NaiveDate::default())
                .num_days();
            Some(SchemaAndValue::new(
                logical::date().build(),
                Value::Int32(i32::try_from(days).ok()?),
            ))
        }
        13 => {
            let time = chrono::NaiveTime::parse_from_str(text, "%H:%M:%S%.3fZ").ok()?;
            let millis = time
                .signed_duration_since(chrono::NaiveTime::MIN)
                .num_milliseconds();
            Some(SchemaAndValue::new(
                logical::time().build(),
                Value::Int32(i32::try_from(millis).ok()?),
            ))
        }
        24 => {
            let at = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.3fZ").ok()?;
            Some(SchemaAndValue::new(
                logical::timestamp().build(),
                Value::Int64(at.and_utc().timestamp_millis()),
            ))
        }
        _ => None,
    }
}

/// The smallest type that holds the number.
fn number(text: &str) -> Option<SchemaAndValue> {
    let decimal: Decimal = text.parse().ok()?;
    let schema = SchemaBuilder::new;
    if let Some(whole) = decimal.with_scale(0) {
        let Some(number) = whole.unscaled_i64() else {
            return Some(SchemaAndValue::new(
                logical::decimal(0).build(),
                Value::Decimal(whole),
            ));
        };
        return Some(if let Ok(number) = i8::try_from(number) {
            SchemaAndValue::new(schema(Kind::Int8).build(), Value::Int8(number))
        } else if let Ok(number) = i16::try_from(number) {
            SchemaAndValue::new(schema(Kind::Int16).build(), Value::Int16(number))
        } else if let Ok(number) = i32::try_from(number) {
            SchemaAndValue::new(schema(Kind::Int32).build(), Value::Int32(number))
        } else {
            SchemaAndValue::new(schema(Kind::Int64).build(), Value::Int64(number))
        });
    }
    let single: f32 = text.parse().ok()?;
    if single.is_finite() {
        return Some(SchemaAndValue::new(
            schema(Kind::Float32).build(),
            Value::Float32(single),
        ));
    }
    let double = decimal.to_f64();
    if double.is_finite() {
        return Some(SchemaAndValue::new(
            schema(Kind::Float64).build(),
            Value::Float64(double),
        ));
    }
    Some(SchemaAndValue::new(
        logical::decimal(decimal.scale()).build(),
        Value::Decimal(decimal),
    ))
}

/// Reads lists and maps.
struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn eat(&mut self, token: char) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self) -> Option<SchemaAndValue> {
        if self.eat('[') {
            return self.list();
        }
        if self.eat('{') {
            return self.map();
        }
        if self.eat('"') {
            let text = self.quoted()?;
            return Some(SchemaAndValue::new(
                SchemaBuilder::string().build(),
                Value::string(text),
            ));
        }
        let token = self.token();
        match token {
            "null" => Some(SchemaAndValue::default()),
            "true" | "false" => Some(SchemaAndValue::new(
                SchemaBuilder::boolean().build(),
                Value::Boolean(token == "true"),
            )),
            _ => scalar(token),
        }
    }

    /// Times hold colons, so that dates and times end at the longest text that is one.
    fn token(&mut self) -> &'a str {
        let end = |stops: &[char]| self.rest.find(stops).unwrap_or(self.rest.len());
        let (short, long) = (end(&[',', ']', '}', ':']), end(&[',', ']', '}']));
        let whole = self.rest.get(..long).unwrap_or_default().trim();
        let length = if temporal(whole).is_some() {
            long
        } else {
            short
        };
        let (token, rest) = self.rest.split_at(length);
        self.rest = rest;
        token.trim()
    }

    fn quoted(&mut self) -> Option<String> {
        let mut text = String::new();
        let mut characters = self.rest.char_indices();
        loop {
            match characters.next()? {
                (_, '\\') => text.push(characters.next()?.1),
                (position, '"') => {
                    self.rest = self.rest.get(position + 1..)?;
                    return Some(text);
                }
                (_, other) => text.push(other),
            }
        }
    }

    fn list(&mut self) -> Option<SchemaAndValue> {
        let mut items = Vec::new();
        if !self.eat(']') {
            loop {
                items.push(self.value()?);
                if self.eat(']') {
                    break;
                }
                if !self.eat(',') {
                    return None;
                }
            }
        }
        let (schema, values) = merged(items);
        let schema = schema.map(|items| SchemaBuilder::array(items.into()).build());
        Some(SchemaAndValue {
            schema,
            value: Value::Array(values),
        })
    }

    fn map(&mut self) -> Option<SchemaAndValue> {
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        if !self.eat('}') {
            loop {
                keys.push(self.value()?);
                if !self.eat(':') {
                    return None;
                }
                values.push(self.value()?);
                if self.eat('}') {
                    break;
                }
                if !self.eat(',') {
                    return None;
                }
            }
        }
        let (key_schema, keys) = merged(keys);
        let (value_schema, values) = merged(values);
        let schema = key_schema
            .zip(value_schema)
            .map(|(k, v)| SchemaBuilder::map(k.into(), v.into()).build());
        Some(SchemaAndValue {
            schema,
            value: Value::Map(keys.into_iter().zip(values).collect()),
        })
    }
}

/// One schema for all items, numbers widened to the widest; `None` if they have nothing in common.
fn merged(items: Vec<SchemaAndValue>) -> (Option<Schema>, Vec<Value>) {
    let mut common: Option<Schema> = None;
    let mut mixed = false;
    for schema in items.iter().filter_map(|item| item.schema.as_deref()) {
        common = match common.take() {
            None => Some(schema.clone()),
            Some(known) if known == *schema => Some(known),
            Some(known) => match (rank(&known.kind), rank(&schema.kind)) {
                (Some(a), Some(b))
                    if known.name.is_none() && schema.name.is_none() && a.0 == b.0 =>
                {
                    Some(if a.1 >= b.1 { known } else { schema.clone() })
                }
                _ => {
                    mixed = true;
                    Some(known)
                }
            },
        };
    }
    if mixed {
        return (None, items.into_iter().map(|item| item.value).collect());
    }
    let values = items
        .into_iter()
        .map(|item| match &common {
            Some(schema) => widened(item.value, &schema.kind),
            None => item.value,
        })
        .collect();
    (common, values)
}

/// Family and width of numbers.
fn rank(kind: &Kind) -> Option<(u8, u8)> {
    Some(match kind {
        Kind::Int8 => (0, 0),
        Kind::Int16 => (0, 1),
        Kind::Int32 => (0, 2),
        Kind::Int64 => (0, 3),
        Kind::Float32 => (1, 0),
        Kind::Float64 => (1, 1),
        _ => return None,
    })
}

fn widened(value: Value, kind: &Kind) -> Value {
    match (kind, value.as_i64(), &value) {
        (Kind::Int16, Some(number), _) => i16::try_from(number).map_or(value, Value::Int16),
        (Kind::Int32, Some(number), _) => i32::try_from(number).map_or(value, Value::Int32),
        (Kind::Int64, Some(number), _) => Value::Int64(number),
        (Kind::Float64, None, Value::Float32(number)) => Value::Float64((*number).into()),
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> SchemaAndValue {
        SimpleHeaderConverter
            .to_connect_header("t", "h", Some(&Bytes::copy_from_slice(text.as_bytes())))
            .expect("a value")
    }
    fn write(data: &SchemaAndValue) -> Option<String> {
        let bytes = SimpleHeaderConverter
            .from_connect_header("t", "h", data)
            .expect("bytes");
        bytes.map(|bytes| String::from_utf8(bytes.to_vec()).expect("text"))
    }

    #[test]
    fn types_are_guessed() {
        fn check(text: &str, value: Value) {
            assert_eq!(read(text).value, value, "{text}");
        }
        check("123", Value::Int8(123));
        check("1.0", Value::Int8(1));
        check("300", Value::Int16(300));
        check("70000", Value::Int32(70_000));
        check("-5000000000", Value::Int64(-5_000_000_000));
        check(
            "92233720368547758080",
            Value::Decimal("92233720368547758080".parse().expect("a decimal")),
        );
        check("1.5", Value::Float32(1.5));
        check(
            "1e300",
            Value::Decimal(Decimal::from_big(num_bigint::BigInt::from(10).pow(300), 0)),
        );
        check("1.5e-300", Value::Float32(0.0));
        check("true", Value::Boolean(true));
        check("null", Value::Null);
        check("text", Value::string("text"));
        check("\"text\"", Value::string("\"text\""));
        check("12 monkeys", Value::string("12 monkeys"));
        check("2020-01-02", Value::Int32(18_263));
        check("03:04:05.678Z", Value::Int32(11_045_678));
        check("2020-01-02T03:04:05.678Z", Value::Int64(1_577_934_245_678));
        check(
            "[1, 300]",
            Value::Array(vec![Value::Int16(1), Value::Int16(300)]),
        );
        check("[1, oops]", Value::string("[1, oops]"));
        check(
            r#"{"a\"b":1}"#,
            Value::Map(vec![(Value::string("a\"b"), Value::Int8(1))]),
        );
        check("[]", Value::Array(vec![]));
    }

    #[test]
    fn values_become_texts_that_read_back() {
        let list = SchemaAndValue::schemaless(Value::Array(vec![
            Value::string("a\"b"),
            Value::Int8(1),
            Value::Null,
        ]));
        assert_eq!(write(&list).as_deref(), Some(r#"["a\"b",1,null]"#));
        assert_eq!(
            write(&SchemaAndValue::schemaless(Value::string("plain"))).as_deref(),
            Some("plain")
        );
        assert_eq!(write(&SchemaAndValue::default()), None);
        for text in [
            "2020-01-02",
            "03:04:05.678Z",
            "2020-01-02T03:04:05.678Z",
            "-1.5",
            "true",
        ] {
            assert_eq!(write(&read(text)).as_deref(), Some(text));
        }
    }

    #[test]
    fn bytes_that_are_no_text_stay_bytes() {
        let read = SimpleHeaderConverter
            .to_connect_header("t", "h", Some(&Bytes::from_static(b"\xff")))
            .expect("bytes");
        assert_eq!(read.value, Value::Bytes(Bytes::from_static(b"\xff")));
    }
}
