//! Values in PostgreSQL's binary form: the same bytes serve as a field of COPY and as an element of an array parameter.
//!
//! Source: PostgreSQL's `*_recv` functions of each type.

mod description;
mod numbers;
mod times;

use chrono_tz::Tz;
use tidegate_api::Value;

use crate::meaning::Unit;
use crate::text::{self, Form};

pub(crate) use description::describe;
use numbers::numeric;
pub(crate) use times::time_of_day;
use times::{offset_micros, timestamp_text, zoned_micros};

/// The type that a value is sent as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Wire {
    Boolean,
    SmallInt,
    Integer,
    BigInt,
    Real,
    Double,
    Numeric,
    Text,
    Bytes,
    Date,
    Time,
    Timestamp,
    TimestampTz,
    Interval,
}

impl Wire {
    /// Name, object id and the array's object id in `pg_type`.
    const fn catalog(self) -> (&'static str, u32, u32) {
        match self {
            Self::Boolean => ("bool", 16, 1000),
            Self::SmallInt => ("int2", 21, 1005),
            Self::Integer => ("int4", 23, 1007),
            Self::BigInt => ("int8", 20, 1016),
            Self::Real => ("float4", 700, 1021),
            Self::Double => ("float8", 701, 1022),
            Self::Numeric => ("numeric", 1700, 1231),
            Self::Text => ("text", 25, 1009),
            Self::Bytes => ("bytea", 17, 1001),
            Self::Date => ("date", 1082, 1182),
            Self::Time => ("time", 1083, 1183),
            Self::Timestamp => ("timestamp", 1114, 1115),
            Self::TimestampTz => ("timestamptz", 1184, 1185),
            Self::Interval => ("interval", 1186, 1187),
        }
    }
    pub(crate) const fn sql(self) -> &'static str {
        self.catalog().0
    }
    pub(crate) const fn oid(self) -> u32 {
        self.catalog().1
    }
    pub(crate) const fn array_oid(self) -> u32 {
        self.catalog().2
    }
    /// Whether the order of the bytes is the order of the values once the first bit is flipped.
    pub(crate) const fn is_signed(self) -> bool {
        matches!(
            self,
            Self::SmallInt
                | Self::Integer
                | Self::BigInt
                | Self::Date
                | Self::Time
                | Self::Timestamp
                | Self::TimestampTz
        )
    }
}

/// How a value becomes bytes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Encoder {
    Boolean,
    /// 0 or 1 as int2.
    BooleanNumber,
    /// An integer of any size as this type; the schema says that it fits.
    Integer(Wire),
    Real,
    Double,
    Numeric,
    /// Text and whatever the database casts from it.
    Text(Form),
    Bytes,
    /// Days since 1970-01-01.
    Date,
    /// Since midnight.
    Time(Unit),
    /// A span of time.
    Interval(Unit),
    /// Since 1970-01-01T00:00 on the wall clock of UTC, written on the wall clock of this zone.
    Timestamp(Unit, Option<Tz>),
    /// ISO text with an offset, as an instant.
    Zoned,
    /// Text of a date and time as Confluent's sink reads it.
    TimestampText(Tz),
    /// Bits, least significant byte first, as a number.
    BitsNumber,
}

const NULL_LENGTH: [u8; 4] = (-1i32).to_be_bytes();
/// Days from 1970-01-01 to 2000-01-01, where PostgreSQL's time begins.
const EPOCH_DAYS: i64 = 10_957;
const EPOCH_MICROS: i64 = EPOCH_DAYS * 86_400_000_000;
pub(crate) const DAY_MICROS: i64 = 86_400_000_000;

impl Encoder {
    pub(crate) fn wire(&self) -> Wire {
        match self {
            Self::Boolean => Wire::Boolean,
            Self::BooleanNumber => Wire::SmallInt,
            Self::Integer(wire) => *wire,
            Self::Real => Wire::Real,
            Self::Double => Wire::Double,
            Self::Numeric => Wire::Numeric,
            Self::Text(_) => Wire::Text,
            Self::Bytes => Wire::Bytes,
            Self::Date => Wire::Date,
            Self::Time(_) => Wire::Time,
            Self::Interval(_) => Wire::Interval,
            Self::Timestamp(..) | Self::TimestampText(_) => Wire::Timestamp,
            Self::Zoned => Wire::TimestampTz,
            Self::BitsNumber => Wire::BigInt,
        }
    }

    /// Appends the length and the bytes of a value.
    ///
    /// # Errors
    /// What the value is instead; then something incomplete may have been appended.
    pub(crate) fn encode(&self, value: &Value, out: &mut Vec<u8>) -> Result<(), String> {
        let integer = || value.as_i64().ok_or_else(|| text::unfit(value));
        match (self, value) {
            (_, Value::Null) => out.extend_from_slice(&NULL_LENGTH),
            (Self::Boolean, Value::Boolean(flag)) => field(out, &[u8::from(*flag)]),
            (Self::BooleanNumber, Value::Boolean(flag)) => field(out, &[0, u8::from(*flag)]),
            (Self::Integer(wire), _) => write_integer(*wire, integer()?, out),
            (Self::Real, Value::Float32(number)) => field(out, &number.to_be_bytes()),
            (Self::Double, Value::Float64(number)) => field(out, &number.to_be_bytes()),
            (Self::Double, Value::Float32(number)) => field(out, &f64::from(*number).to_be_bytes()),
            (Self::Numeric, Value::Decimal(decimal)) => {
                numbers::check(decimal)?;
                sized(out, |out| numeric(decimal, out));
            }
            (Self::Numeric, Value::Struct(parts)) => {
                let decimal = text::variable_scale_decimal(parts)?;
                numbers::check(&decimal)?;
                sized(out, |out| numeric(&decimal, out));
            }
            (Self::Text(Form::Plain), Value::String(string)) => field(out, string.as_bytes()),
            (Self::Text(form), _) => field(out, text::render(value, form)?.as_bytes()),
            (Self::Bytes, Value::Bytes(bytes)) => field(out, bytes),
            (Self::Date, _) => {
                let days = integer()?.checked_sub(EPOCH_DAYS);
                let days = days.and_then(|days| i32::try_from(days).ok());
                let days = days.ok_or_else(out_of_range)?;
                field(out, &days.to_be_bytes());
            }
            (Self::Time(unit), _) => field(out, &time_of_day(*unit, integer()?)?.to_be_bytes()),
            (Self::Interval(unit), _) => {
                let micros = unit.micros(integer()?).ok_or_else(out_of_range)?;
                sized(out, |out| {
                    out.extend_from_slice(&micros.to_be_bytes());
                    out.extend_from_slice(&[0; 8]);
                });
            }
            (Self::Timestamp(unit, zone), _) => {
                let mut micros = unit.micros(integer()?).ok_or_else(out_of_range)?;
                if let Some(zone) = zone {
                    let offset = offset_micros(*zone, micros).ok_or_else(out_of_range)?;
                    micros = micros.checked_add(offset).ok_or_else(out_of_range)?;
                }
                instant(micros, out)?;
            }
            (Self::Zoned, Value::String(string)) => match string.as_str() {
                "infinity" => field(out, &i64::MAX.to_be_bytes()),
                "-infinity" => field(out, &i64::MIN.to_be_bytes()),
                iso => instant(zoned_micros(iso)?, out)?,
            },
            (Self::TimestampText(zone), Value::String(string)) => {
                let micros = timestamp_text(string, *zone)?;
                instant(micros, out)?;
            }
            (Self::BitsNumber, Value::Bytes(bytes)) => {
                let mut buffer = [0; 8];
                buffer
                    .get_mut(..bytes.len())
                    .ok_or("more than 64 bits do not fit a number")?
                    .copy_from_slice(bytes);
                field(out, &i64::from_le_bytes(buffer).to_be_bytes());
            }
            (_, value) => return Err(text::unfit(value)),
        }
        Ok(())
    }
}

fn out_of_range() -> String {
    "a date or time out of range".to_owned()
}

#[inline]
fn field(out: &mut Vec<u8>, bytes: &[u8]) {
    // Values are limited to less than 2 GiB by what brings them.
    let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Lets `write` append the bytes and puts their length before them.
fn sized(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out);
    let length = i32::try_from(out.len() - start - 4).unwrap_or(i32::MAX);
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

fn write_integer(wire: Wire, number: i64, out: &mut Vec<u8>) {
    let bytes = number.to_be_bytes();
    match wire {
        Wire::SmallInt => field(out, &bytes[6..]),
        Wire::Integer => field(out, &bytes[4..]),
        _ => field(out, &bytes),
    }
}

fn instant(micros: i64, out: &mut Vec<u8>) -> Result<(), String> {
    let since = micros.checked_sub(EPOCH_MICROS).ok_or_else(out_of_range)?;
    field(out, &since.to_be_bytes());
    Ok(())
}

#[cfg(test)]
mod tests;
