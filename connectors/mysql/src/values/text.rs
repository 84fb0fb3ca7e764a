//! Cells of a result row in the text protocol, and literals of DEFAULT clauses.

use std::borrow::Cow;

use super::convert::Target;
use super::raw::Raw;
use super::temporal::{CivilDateTime, parse_date, parse_date_time, parse_time};

/// Reads `bytes` as the server prints a column of this target; `None` if they are no such text.
pub(crate) fn read<'a>(target: &Target, bytes: &'a [u8]) -> Option<Raw<'a>> {
    let text = || std::str::from_utf8(bytes).ok();
    Some(match target {
        Target::Boolean | Target::Int16 | Target::Int32 | Target::Int64 => {
            Raw::Integer(integer(bytes)?)
        }
        Target::UnsignedDecimal => Raw::Integer(text()?.parse::<u64>().ok()?.cast_signed()),
        Target::Float32 | Target::FloatAsFloat64 => Raw::Float(text()?.parse().ok()?),
        Target::Float64 => Raw::Double(text()?.parse().ok()?),
        Target::Decimal { .. } | Target::DecimalAsFloat64 | Target::DecimalAsString { .. } => {
            Raw::Decimal(text()?.parse().ok()?)
        }
        Target::Year => Raw::Year(text()?.parse().ok()?),
        Target::Date(_) => Raw::Date(parse_date(text()?)?),
        Target::Time(_) => Raw::Time(parse_time(text()?)?),
        Target::DateTime(_) => Raw::DateTime(parse_date_time(text()?)?),
        Target::Timestamp { .. } => timestamp(parse_date_time(text()?)?),
        Target::String(_)
        | Target::Enum(_)
        | Target::Set(_)
        | Target::Json
        | Target::Uuid
        | Target::Inet4
        | Target::Inet6 => Raw::Text(String::from_utf8_lossy(bytes)),
        Target::Bytes(_)
        | Target::Bit
        | Target::Bits { .. }
        | Target::Point(_)
        | Target::Geometry(_)
        | Target::FloatVector => Raw::Bytes(Cow::Borrowed(bytes)),
    })
}

/// A TIMESTAMP's text in UTC.
pub(crate) fn timestamp(at: CivilDateTime) -> Raw<'static> {
    Raw::Timestamp {
        zero: at.date.is_zero(),
        epoch_micros: if at.date.is_zero() {
            0
        } else {
            at.epoch_micros()
        },
    }
}

fn integer(bytes: &[u8]) -> Option<i64> {
    let (negative, digits) = match bytes {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > 20 {
        return None;
    }
    let mut number = 0_u64;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number.checked_mul(10)?.checked_add(digit.into())?;
    }
    if negative {
        return 0_i64.checked_sub_unsigned(number);
    }
    Some(number.cast_signed())
}
