//! Values as parameters: one array per column, in the form that the database reads fastest.

use bytes::Bytes;
use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use sqlx::postgres::{PgArguments, Postgres};
use sqlx::query::Query;
use tidegate_api::{Schema, Value, java_text, logical};

/// What a schema means beyond its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    Plain,
    /// Days since 1970-01-01.
    Date,
    /// Since midnight.
    TimeMillis,
    TimeMicros,
    TimeNanos,
    /// Since 1970-01-01T00:00 on the wall clock.
    TimestampMillis,
    TimestampMicros,
    TimestampNanos,
    ZonedTimestamp,
    /// Least significant byte first; this many bits count.
    Bits(usize),
    VariableScaleDecimal,
    Duration,
}

impl Meaning {
    /// Confluent's sink knows Connect's own types only.
    pub(crate) fn of(schema: &Schema, debezium: bool) -> Self {
        match schema.name.as_deref() {
            Some(logical::DATE) => Self::Date,
            Some(logical::TIME) => Self::TimeMillis,
            Some(logical::TIMESTAMP) => Self::TimestampMillis,
            Some(name) if debezium => match name {
                "io.debezium.time.Date" => Self::Date,
                "io.debezium.time.Time" => Self::TimeMillis,
                "io.debezium.time.MicroTime" => Self::TimeMicros,
                "io.debezium.time.NanoTime" => Self::TimeNanos,
                "io.debezium.time.Timestamp" => Self::TimestampMillis,
                "io.debezium.time.MicroTimestamp" => Self::TimestampMicros,
                "io.debezium.time.NanoTimestamp" => Self::TimestampNanos,
                "io.debezium.time.ZonedTimestamp" => Self::ZonedTimestamp,
                "io.debezium.time.MicroDuration" => Self::Duration,
                "io.debezium.data.Bits" => Self::Bits(
                    schema
                        .parameter("length")
                        .and_then(|text| text.parse().ok())
                        .unwrap_or(usize::MAX),
                ),
                "io.debezium.data.VariableScaleDecimal" => Self::VariableScaleDecimal,
                _ => Self::Plain,
            },
            _ => Self::Plain,
        }
    }
}

/// A column's values of one statement.
#[derive(Debug)]
pub(crate) enum ColumnValues {
    Integer(Vec<Option<i64>>),
    Float(Vec<Option<f64>>),
    Boolean(Vec<Option<bool>>),
    Bytes(Vec<Option<Vec<u8>>>),
    Text(Vec<Option<String>>),
}

/// The form of a column's parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Integer,
    Float,
    Boolean,
    Bytes,
    Text,
}

impl Form {
    pub(crate) fn of(schema: &Schema, meaning: Meaning) -> Self {
        use tidegate_api::Kind;
        if meaning != Meaning::Plain {
            return Self::Text;
        }
        match schema.kind {
            Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => Self::Integer,
            Kind::Float32 | Kind::Float64 => Self::Float,
            Kind::Boolean => Self::Boolean,
            Kind::Bytes if schema.is_named(logical::DECIMAL) => Self::Text,
            Kind::Bytes => Self::Bytes,
            Kind::String | Kind::Array(_) | Kind::Map(..) | Kind::Struct(_) => Self::Text,
        }
    }

    /// Type of the array parameter.
    pub(crate) fn array_type(self) -> &'static str {
        match self {
            Self::Integer => "int8[]",
            Self::Float => "float8[]",
            Self::Boolean => "bool[]",
            Self::Bytes => "bytea[]",
            Self::Text => "text[]",
        }
    }

    pub(crate) fn values(self, capacity: usize) -> ColumnValues {
        match self {
            Self::Integer => ColumnValues::Integer(Vec::with_capacity(capacity)),
            Self::Float => ColumnValues::Float(Vec::with_capacity(capacity)),
            Self::Boolean => ColumnValues::Boolean(Vec::with_capacity(capacity)),
            Self::Bytes => ColumnValues::Bytes(Vec::with_capacity(capacity)),
            Self::Text => ColumnValues::Text(Vec::with_capacity(capacity)),
        }
    }
}

impl ColumnValues {
    /// Adds a value.
    ///
    /// # Errors
    /// What the value is instead.
    pub(crate) fn push(&mut self, value: &Value, meaning: Meaning) -> Result<(), String> {
        match (self, value) {
            (Self::Integer(values), Value::Null) => values.push(None),
            (Self::Float(values), Value::Null) => values.push(None),
            (Self::Boolean(values), Value::Null) => values.push(None),
            (Self::Bytes(values), Value::Null) => values.push(None),
            (Self::Text(values), Value::Null) => values.push(None),
            (Self::Integer(values), value) => {
                values.push(Some(value.as_i64().ok_or_else(|| unfit(value))?))
            }
            (Self::Float(values), Value::Float32(number)) => values.push(Some((*number).into())),
            (Self::Float(values), Value::Float64(number)) => values.push(Some(*number)),
            (Self::Boolean(values), Value::Boolean(flag)) => values.push(Some(*flag)),
            (Self::Bytes(values), Value::Bytes(bytes)) => values.push(Some(bytes.to_vec())),
            (Self::Text(values), value) => values.push(Some(text(value, meaning)?)),
            (_, value) => return Err(unfit(value)),
        }
        Ok(())
    }

    pub(crate) fn bind<'q>(
        self,
        query: Query<'q, Postgres, PgArguments>,
    ) -> Query<'q, Postgres, PgArguments> {
        match self {
            Self::Integer(values) => query.bind(values),
            Self::Float(values) => query.bind(values),
            Self::Boolean(values) => query.bind(values),
            Self::Bytes(values) => query.bind(values),
            Self::Text(values) => query.bind(values),
        }
    }
}

fn unfit(value: &Value) -> String {
    format!(
        "a value of class {} does not fit the column's schema",
        value.java_class()
    )
}

/// The text that the database casts to the column's type.
pub(crate) fn text(value: &Value, meaning: Meaning) -> Result<String, String> {
    let integer = || value.as_i64().ok_or_else(|| unfit(value));
    let out_of_range = || "a date or time out of range".to_owned();
    Ok(match meaning {
        Meaning::Plain => match value {
            Value::String(text) => text.to_string(),
            Value::Decimal(decimal) => decimal.to_plain_string(),
            Value::Array(items) => array_literal(items)?,
            Value::Map(_) => json(value),
            Value::Bytes(bytes) => hex(bytes),
            Value::Struct(_) => {
                return Err("a struct without known meaning cannot become a column".to_owned());
            }
            other => java_text::value(other),
        },
        Meaning::Date => {
            let date = NaiveDate::default()
                .checked_add_signed(TimeDelta::days(integer()?))
                .ok_or_else(out_of_range)?;
            date.format("%Y-%m-%d").to_string()
        }
        Meaning::TimeMillis => time(integer()?.checked_mul(1_000).ok_or_else(out_of_range)?)?,
        Meaning::TimeMicros => time(integer()?)?,
        Meaning::TimeNanos => time(integer()? / 1_000)?,
        Meaning::TimestampMillis => {
            timestamp(DateTime::from_timestamp_millis(integer()?)).ok_or_else(out_of_range)?
        }
        Meaning::TimestampMicros => {
            timestamp(DateTime::from_timestamp_micros(integer()?)).ok_or_else(out_of_range)?
        }
        Meaning::TimestampNanos => {
            timestamp(Some(DateTime::from_timestamp_nanos(integer()?))).ok_or_else(out_of_range)?
        }
        Meaning::ZonedTimestamp => value.as_str().ok_or_else(|| unfit(value))?.to_owned(),
        Meaning::Duration => format!("{} microseconds", integer()?),
        Meaning::Bits(length) => match value {
            Value::Bytes(bytes) => bits(bytes, length),
            other => return Err(unfit(other)),
        },
        Meaning::VariableScaleDecimal => {
            let parts = value.as_struct().ok_or_else(|| unfit(value))?;
            let scale = parts
                .get("scale")
                .and_then(Value::as_i64)
                .and_then(|scale| i32::try_from(scale).ok());
            match (scale, parts.get("value")) {
                (Some(scale), Some(Value::Bytes(bytes))) => {
                    tidegate_api::Decimal::from_unscaled_bytes(bytes, scale).to_plain_string()
                }
                _ => return Err("a VariableScaleDecimal without scale or value".to_owned()),
            }
        }
    })
}

/// `24:00:00` is a time of PostgreSQL, beyond it nothing is.
fn time(micros: i64) -> Result<String, String> {
    const DAY: i64 = 86_400_000_000;
    if micros == DAY {
        return Ok("24:00:00".to_owned());
    }
    let seconds = u32::try_from(micros.div_euclid(1_000_000)).ok();
    let nanos = u32::try_from(micros.rem_euclid(1_000_000) * 1_000).unwrap_or(0);
    let time =
        seconds.and_then(|seconds| NaiveTime::from_num_seconds_from_midnight_opt(seconds, nanos));
    time.map(|time| time.format("%H:%M:%S%.6f").to_string())
        .ok_or_else(|| format!("a time of {micros} microseconds: PostgreSQL's time ends at 24:00:00. Make the column an interval or exclude it"))
}

fn timestamp(at: Option<DateTime<Utc>>) -> Option<String> {
    Some(at?.format("%Y-%m-%d %H:%M:%S%.6f").to_string())
}

/// The last `length` bits, the most significant one first.
fn bits(bytes: &Bytes, length: usize) -> String {
    let unused = (bytes.len() * 8).saturating_sub(length);
    bytes
        .iter()
        .rev()
        .map(|byte| format!("{byte:08b}"))
        .collect::<String>()
        .split_off(unused)
}

fn hex(bytes: &Bytes) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\\x{digits}")
}

/// `{"a","b",NULL}`
fn array_literal(items: &[Value]) -> Result<String, String> {
    let mut literal = "{".to_owned();
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            literal.push(',');
        }
        if item.is_null() {
            literal.push_str("NULL");
        } else {
            let text = text(item, Meaning::Plain)?;
            literal.push('"');
            literal.push_str(&text.replace('\\', "\\\\").replace('"', "\\\""));
            literal.push('"');
        }
    }
    literal.push('}');
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
        other => java_text::value(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_texts_of_postgresql() {
        fn check(value: Value, meaning: Meaning, expected: &str) {
            assert_eq!(text(&value, meaning).as_deref(), Ok(expected));
        }
        check(Value::Int32(18_263), Meaning::Date, "2020-01-02");
        check(
            Value::Int64(37_230_123_456),
            Meaning::TimeMicros,
            "10:20:30.123456",
        );
        check(
            Value::Int64(86_400_000_000),
            Meaning::TimeMicros,
            "24:00:00",
        );
        check(Value::Int32(1_000), Meaning::TimeMillis, "00:00:01.000000");
        check(
            Value::Int64(1_577_934_245_678),
            Meaning::TimestampMillis,
            "2020-01-02 03:04:05.678000",
        );
        check(
            Value::Int64(-1),
            Meaning::TimestampMicros,
            "1969-12-31 23:59:59.999999",
        );
        check(
            Value::Bytes(Bytes::from_static(&[0b101, 0b1])),
            Meaning::Bits(13),
            "0000100000101",
        );
        check(
            Value::Array(vec![Value::string("a\"b"), Value::Null]),
            Meaning::Plain,
            "{\"a\\\"b\",NULL}",
        );
        check(
            Value::Decimal("1.50".parse().expect("a decimal")),
            Meaning::Plain,
            "1.50",
        );
        assert!(text(&Value::Int64(-5), Meaning::TimeMicros).is_err());
    }
}
