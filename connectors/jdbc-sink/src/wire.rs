//! Values in PostgreSQL's binary form: the same bytes serve as a field of COPY and as an element of an array parameter.
//!
//! Source: PostgreSQL's `*_recv` functions of each type.

use chrono::{DateTime, NaiveDateTime, Offset as _, TimeZone as _};
use chrono_tz::Tz;
use tidegate_api::{Decimal, Value};

use crate::text::{self, Form};

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

/// Parts of a second that an integer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Unit {
    Millis,
    Micros,
    Nanos,
}

impl Unit {
    /// Microseconds, nanoseconds rounded as the driver of the original does.
    fn micros(self, count: i64) -> Option<i64> {
        match self {
            Self::Millis => count.checked_mul(1_000),
            Self::Micros => Some(count),
            Self::Nanos => {
                Some(count.div_euclid(1_000) + i64::from(count.rem_euclid(1_000) >= 500))
            }
        }
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
const DAY_MICROS: i64 = 86_400_000_000;

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
            (Self::Numeric, Value::Decimal(decimal)) => sized(out, |out| numeric(decimal, out)),
            (Self::Numeric, Value::Struct(parts)) => {
                let decimal = text::variable_scale_decimal(parts)?;
                sized(out, |out| numeric(&decimal, out));
            }
            (Self::Text(Form::Plain), Value::String(string)) => field(out, string.as_bytes()),
            (Self::Text(form), _) => field(out, text::render(value, form)?.as_bytes()),
            (Self::Bytes, Value::Bytes(bytes)) => field(out, bytes),
            (Self::Date, _) => {
                let days = i32::try_from(integer()? - EPOCH_DAYS).map_err(|_| out_of_range())?;
                field(out, &days.to_be_bytes());
            }
            (Self::Time(unit), _) => field(out, &time(*unit, integer()?)?.to_be_bytes()),
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
                    micros += offset_micros(*zone, micros).ok_or_else(out_of_range)?;
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

/// `24:00:00` is a time of PostgreSQL; before midnight and beyond it nothing is.
fn time(unit: Unit, count: i64) -> Result<i64, String> {
    let micros = unit.micros(count).ok_or_else(out_of_range)?;
    // The last nanoseconds of a day stay in it.
    let micros = if unit == Unit::Nanos && micros == DAY_MICROS && count < DAY_MICROS * 1_000 {
        DAY_MICROS - 1
    } else {
        micros
    };
    if (0..=DAY_MICROS).contains(&micros) {
        return Ok(micros);
    }
    let (sign, seconds) = (
        if micros < 0 { "-" } else { "" },
        micros.unsigned_abs() / 1_000_000,
    );
    Err(format!(
        "the time {sign}{:02}:{:02}:{:02} is not between 00:00:00 and 24:00:00, as PostgreSQL's type time has it. Make the column an interval, or exclude the field (field.exclude.list)",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60
    ))
}

fn instant(micros: i64, out: &mut Vec<u8>) -> Result<(), String> {
    let since = micros.checked_sub(EPOCH_MICROS).ok_or_else(out_of_range)?;
    field(out, &since.to_be_bytes());
    Ok(())
}

/// What the wall clock of a zone was ahead of UTC at an instant.
fn offset_micros(zone: Tz, micros: i64) -> Option<i64> {
    let at = DateTime::from_timestamp_micros(micros)?.naive_utc();
    let seconds = zone.offset_from_utc_datetime(&at).fix().local_minus_utc();
    Some(i64::from(seconds) * 1_000_000)
}

fn zoned_micros(iso: &str) -> Result<i64, String> {
    if let Some(micros) = plain_utc(iso.as_bytes()) {
        return Ok(micros);
    }
    let parsed = DateTime::parse_from_rfc3339(iso)
        .or_else(|_| DateTime::parse_from_str(iso, "%Y-%m-%dT%H:%M%:z"))
        .map_err(|_| format!("'{iso}' is no date and time with an offset"))?;
    let nanos = i64::from(parsed.timestamp_subsec_nanos());
    Ok(parsed.timestamp() * 1_000_000 + Unit::Nanos.micros(nanos).unwrap_or(0))
}

/// `2020-01-02T03:04:05[.f]Z`, by far the most common form, without the general parser.
fn plain_utc(text: &[u8]) -> Option<i64> {
    fn number(digits: &[u8]) -> Option<i64> {
        digits.iter().try_fold(0, |sum, digit| {
            digit
                .is_ascii_digit()
                .then(|| sum * 10 + i64::from(digit - b'0'))
        })
    }
    let (head, tail) = text.split_at_checked(19)?;
    let [
        y0,
        y1,
        y2,
        y3,
        b'-',
        m0,
        m1,
        b'-',
        d0,
        d1,
        b'T',
        h0,
        h1,
        b':',
        i0,
        i1,
        b':',
        s0,
        s1,
    ] = *head
    else {
        return None;
    };
    let fraction = tail.strip_suffix(b"Z")?;
    let micros = match fraction {
        [] => 0,
        [b'.', digits @ ..] if (1..=6).contains(&digits.len()) => {
            number(digits)? * 10i64.pow(6 - u32::try_from(digits.len()).ok()?)
        }
        _ => return None,
    };
    let part = |digits: &[u8]| number(digits).and_then(|number| u32::try_from(number).ok());
    let year = i32::try_from(number(&[y0, y1, y2, y3])?).ok()?;
    let date = chrono::NaiveDate::from_ymd_opt(year, part(&[m0, m1])?, part(&[d0, d1])?)?;
    let at = date.and_hms_opt(part(&[h0, h1])?, part(&[i0, i1])?, part(&[s0, s1])?)?;
    Some(at.and_utc().timestamp() * 1_000_000 + micros)
}

fn timestamp_text(text: &str, zone: Tz) -> Result<i64, String> {
    if let Ok(micros) = zoned_micros(text) {
        return Ok(micros + offset_micros(zone, micros).ok_or_else(out_of_range)?);
    }
    let local = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
        .ok_or_else(|| format!("'{text}' is no date and time"))?;
    Ok(local.and_utc().timestamp_micros())
}

/// Source: `numeric_recv`: count of digits, weight of the first, sign, scale; digits are of base 10000.
fn numeric(decimal: &Decimal, out: &mut Vec<u8>) {
    let scale = u32::try_from(decimal.scale()).unwrap_or(0);
    let padding = (4 - scale % 4) % 4;
    let groups_behind = i16::try_from(scale.div_ceil(4)).unwrap_or(i16::MAX);
    let mut digits = Vec::with_capacity(12);
    match decimal.unscaled_i64() {
        Some(small) if decimal.scale() >= 0 => {
            let mut rest = u128::from(small.unsigned_abs()) * 10u128.pow(padding);
            while rest > 0 {
                digits.push(u16::try_from(rest % 10_000).unwrap_or(0));
                rest /= 10_000;
            }
        }
        _ => {
            let up = padding + decimal.scale().min(0).unsigned_abs();
            let number = decimal.unscaled() * num_bigint::BigInt::from(10).pow(up);
            let mut rest = number.magnitude().to_radix_le(100).into_iter();
            while let Some(low) = rest.next() {
                digits.push(u16::from(low) + 100 * u16::from(rest.next().unwrap_or(0)));
            }
        }
    }
    while digits.last() == Some(&0) {
        digits.pop();
    }
    let count = i16::try_from(digits.len()).unwrap_or(i16::MAX);
    let negative = decimal.is_negative();
    out.extend_from_slice(&count.to_be_bytes());
    out.extend_from_slice(&(count - 1 - groups_behind).to_be_bytes());
    out.extend_from_slice(&(if negative { 0x4000u16 } else { 0 }).to_be_bytes());
    out.extend_from_slice(&u16::try_from(scale).unwrap_or(0x3fff).to_be_bytes());
    for digit in digits.iter().rev() {
        out.extend_from_slice(&digit.to_be_bytes());
    }
}

/// A sent value as text, for messages that name a row by its key.
pub(crate) fn describe(wire: Wire, bytes: Option<&[u8]>) -> String {
    fn integer<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
        bytes.try_into().ok()
    }
    let Some(bytes) = bytes else {
        return "null".to_owned();
    };
    let micros = || integer(bytes).map(i64::from_be_bytes);
    let at = |micros: i64| {
        DateTime::from_timestamp_micros(micros.saturating_add(EPOCH_MICROS))
            .map(|at| at.format("%Y-%m-%d %H:%M:%S%.6f").to_string())
    };
    let described = match wire {
        Wire::Boolean => Some((bytes == [1]).to_string()),
        Wire::SmallInt => integer(bytes).map(|bytes| i16::from_be_bytes(bytes).to_string()),
        Wire::Integer => integer(bytes).map(|bytes| i32::from_be_bytes(bytes).to_string()),
        Wire::BigInt => micros().map(|number| number.to_string()),
        Wire::Real => integer(bytes).map(|bytes| f32::from_be_bytes(bytes).to_string()),
        Wire::Double => integer(bytes).map(|bytes| f64::from_be_bytes(bytes).to_string()),
        Wire::Text => Some(String::from_utf8_lossy(bytes).into_owned()),
        Wire::Date => integer(bytes).and_then(|bytes| {
            let days = i64::from(i32::from_be_bytes(bytes)) + EPOCH_DAYS;
            at(days * DAY_MICROS - EPOCH_MICROS)
                .and_then(|text| text.split(' ').next().map(str::to_owned))
        }),
        Wire::Time => micros()
            .and_then(|micros| at(micros - EPOCH_MICROS))
            .and_then(|text| text.split(' ').nth(1).map(str::to_owned)),
        Wire::Timestamp | Wire::TimestampTz => micros().and_then(at),
        Wire::Numeric => numeric_text(bytes),
        Wire::Bytes | Wire::Interval => None,
    };
    described.unwrap_or_else(|| text::hex(bytes))
}

fn numeric_text(bytes: &[u8]) -> Option<String> {
    let mut words = bytes
        .chunks_exact(2)
        .map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    let (count, weight) = (words.next()?, words.next()?.cast_signed());
    let (sign, scale) = (words.next()?, words.next()?);
    let unscaled = words
        .take(count.into())
        .fold(num_bigint::BigInt::ZERO, |sum, digit| sum * 10_000 + digit);
    let unscaled = if sign == 0x4000 { -unscaled } else { unscaled };
    let groups_behind = i32::from(count) - 1 - i32::from(weight);
    let exact = Decimal::from_big(unscaled, groups_behind * 4);
    Some(exact.rescaled_half_up(scale.into()).to_plain_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(encoder: Encoder, value: Value, expected: &str) {
        let mut bytes = Vec::new();
        encoder.encode(&value, &mut bytes).expect("fits");
        let (length, content) = bytes.split_at(4);
        assert_eq!(length, i32::try_from(content.len()).unwrap().to_be_bytes());
        assert_eq!(describe(encoder.wire(), Some(content)), expected);
    }

    #[test]
    fn values_come_back_from_their_bytes() {
        check(Encoder::Integer(Wire::SmallInt), Value::Int16(-7), "-7");
        check(
            Encoder::Integer(Wire::BigInt),
            Value::Int64(i64::MIN),
            "-9223372036854775808",
        );
        check(Encoder::Date, Value::Int32(18_263), "2020-01-02");
        check(Encoder::Date, Value::Int32(-1), "1969-12-31");
        check(
            Encoder::Time(Unit::Micros),
            Value::Int64(37_230_123_456),
            "10:20:30.123456",
        );
        check(
            Encoder::Time(Unit::Nanos),
            Value::Int64(86_399_999_999_999),
            "23:59:59.999999",
        );
        check(
            Encoder::Timestamp(Unit::Millis, None),
            Value::Int64(1_577_934_245_678),
            "2020-01-02 03:04:05.678000",
        );
        check(
            Encoder::Timestamp(Unit::Millis, Some(Tz::Asia__Tokyo)),
            Value::Int64(0),
            "1970-01-01 09:00:00.000000",
        );
        check(
            Encoder::Timestamp(Unit::Micros, None),
            Value::Int64(-1),
            "1969-12-31 23:59:59.999999",
        );
        check(
            Encoder::Zoned,
            Value::string("2020-01-02T03:04:05.1Z"),
            "2020-01-02 03:04:05.100000",
        );
        check(
            Encoder::Zoned,
            Value::string("2020-01-02T03:04:05+02:00"),
            "2020-01-02 01:04:05.000000",
        );
        check(
            Encoder::BitsNumber,
            Value::Bytes(vec![0b101, 1].into()),
            "261",
        );
    }

    #[test]
    fn decimals_keep_value_and_scale() {
        for text in [
            "0",
            "0.00",
            "1",
            "-1",
            "9999",
            "10000",
            "0.0001",
            "-0.00012",
            "123456789.123456789",
            "1.50",
            "99999999999999999999999999999999999.999999999999999999999999999999",
            "-100000000000000000000",
        ] {
            check(
                Encoder::Numeric,
                Value::Decimal(text.parse().unwrap()),
                text,
            );
        }
        check(
            Encoder::Numeric,
            Value::Decimal(Decimal::new(12, -1)),
            "120",
        );
    }

    #[test]
    fn times_outside_of_a_day_are_refused() {
        let refused = |micros| {
            Encoder::Time(Unit::Micros)
                .encode(&Value::Int64(micros), &mut Vec::new())
                .expect_err("no time of day")
        };
        assert!(refused(-5_000_000).contains("-00:00:05"));
        assert!(refused(838 * 3_600_000_000).contains("838:00:00"));
    }
}
