//! A cell between its source (row image, result row or default of a DDL statement) and its Connect value.

use std::borrow::Cow;

use tidegate_api::Decimal;

use super::temporal::{CivilDate, CivilDateTime};

/// What the readers of row images and of result rows agree on, so that both give the same values.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Raw<'a> {
    /// Unsigned 64-bit numbers keep their bits.
    Integer(i64),
    Float(f32),
    Double(f64),
    Decimal(Decimal),
    /// Text in the column's charset, bytes, bits (most significant byte first), geometries.
    Bytes(Cow<'a, [u8]>),
    /// Text that is UTF-8 already.
    Text(Cow<'a, str>),
    BinaryJson(&'a [u8]),
    /// From 1; 0 is the empty string that stands for an invalid value.
    EnumIndex(u64),
    /// One bit per member, the first option being the lowest.
    SetMembers(u64),
    Year(i32),
    Date(CivilDate),
    /// Microseconds, negative and above 24 hours too.
    Time(i64),
    DateTime(CivilDateTime),
    Timestamp {
        epoch_micros: i64,
        /// `0000-00-00 00:00:00`.
        zero: bool,
    },
}

impl Raw<'_> {
    /// A day that its month does not have; zero dates are something else.
    pub(crate) fn is_impossible_day(&self) -> bool {
        match self {
            Self::Date(date) | Self::DateTime(CivilDateTime { date, .. }) => {
                !date.is_zero() && !date.exists()
            }
            _ => false,
        }
    }

    /// The epoch, in the same form.
    pub(crate) fn epoch(&self) -> Raw<'static> {
        let date = CivilDate {
            year: 1970,
            month: 1,
            day: 1,
        };
        match self {
            Self::Date(_) => Raw::Date(date),
            _ => Raw::DateTime(CivilDateTime {
                date,
                micros_of_day: 0,
            }),
        }
    }
}
