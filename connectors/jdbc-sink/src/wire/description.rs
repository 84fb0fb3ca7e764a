//! Sent values as text.

use chrono::DateTime;

use super::numbers::numeric_text;
use super::{DAY_MICROS, EPOCH_DAYS, EPOCH_MICROS, Wire};
use crate::text;

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
