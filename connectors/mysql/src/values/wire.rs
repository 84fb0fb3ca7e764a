//! Cells of a row image in the binary log.
//!
//! Source: MySQL's `log_event.cc` (`log_event_print_value`), MariaDB's manual, "Rows_event_v1".

use std::borrow::Cow;

use mysql_async::binlog::events::TableMapEvent;
use mysql_async::consts::ColumnType;
use num_bigint::BigInt;
use tidegate_api::Decimal;

use super::raw::Raw;
use super::temporal::{CivilDate, CivilDateTime, MICROS_PER_SECOND};
use crate::compressed;

/// Type of a column as its table map announces it: everything needed to find the end of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WireType {
    /// Little-endian, 1 to 4 or 8 bytes.
    Integer {
        bytes: u8,
    },
    Float,
    Double,
    Decimal {
        precision: u8,
        scale: u8,
    },
    /// Text or bytes behind a little-endian length of 1 to 4 bytes.
    Bytes {
        length_bytes: u8,
    },
    /// As `Bytes`; of a column that MariaDB compresses.
    Compressed {
        length_bytes: u8,
    },
    /// As `Bytes`; the content is MySQL's binary JSON.
    Json {
        length_bytes: u8,
    },
    Bit {
        bytes: u8,
    },
    Enum {
        bytes: u8,
    },
    Set {
        bytes: u8,
    },
    Year,
    Date,
    /// Formats of servers before 5.6, still found in tables that were never rebuilt.
    OldTime,
    OldDateTime,
    OldTimestamp,
    Time {
        fraction: u8,
    },
    DateTime {
        fraction: u8,
    },
    Timestamp {
        fraction: u8,
    },
}

impl WireType {
    /// The type of the column at `index`; an error names what the server announced.
    pub(crate) fn of(map: &TableMapEvent<'_>, index: usize) -> Result<Self, String> {
        use ColumnType as T;
        let column = map
            .get_column_type(index)
            .map_err(|error| error.to_string())?
            .ok_or_else(|| format!("the table map has no column {}", index + 1))?;
        let metadata = map.get_column_metadata(index).unwrap_or_default();
        let meta = |at: usize| metadata.get(at).copied().unwrap_or(0);
        // Of what the log has in front of a value, and of a number.
        let bounded = |what: &str, bytes: u8, most: u8| match bytes {
            bytes if (1..=most).contains(&bytes) => Ok(bytes),
            _ => Err(format!("the table map announces {what} of {bytes} bytes")),
        };
        Ok(match column {
            T::MYSQL_TYPE_TINY => Self::Integer { bytes: 1 },
            T::MYSQL_TYPE_SHORT => Self::Integer { bytes: 2 },
            T::MYSQL_TYPE_INT24 => Self::Integer { bytes: 3 },
            T::MYSQL_TYPE_LONG => Self::Integer { bytes: 4 },
            T::MYSQL_TYPE_LONGLONG => Self::Integer { bytes: 8 },
            T::MYSQL_TYPE_FLOAT => Self::Float,
            T::MYSQL_TYPE_DOUBLE => Self::Double,
            T::MYSQL_TYPE_NEWDECIMAL => Self::Decimal {
                precision: meta(0),
                scale: meta(1),
            },
            T::MYSQL_TYPE_YEAR => Self::Year,
            T::MYSQL_TYPE_DATE | T::MYSQL_TYPE_NEWDATE => Self::Date,
            T::MYSQL_TYPE_TIME => Self::OldTime,
            T::MYSQL_TYPE_DATETIME => Self::OldDateTime,
            T::MYSQL_TYPE_TIMESTAMP => Self::OldTimestamp,
            T::MYSQL_TYPE_TIME2 => Self::Time { fraction: meta(0) },
            T::MYSQL_TYPE_DATETIME2 => Self::DateTime { fraction: meta(0) },
            T::MYSQL_TYPE_TIMESTAMP2 => Self::Timestamp { fraction: meta(0) },
            T::MYSQL_TYPE_VARCHAR | T::MYSQL_TYPE_VAR_STRING => {
                let longest = u16::from_le_bytes([meta(0), meta(1)]);
                Self::Bytes {
                    length_bytes: if longest > 255 { 2 } else { 1 },
                }
            }
            T::MYSQL_TYPE_STRING => {
                // Two high bits of the length hide, inverted, in the byte of the real type.
                let longest = u16::from(meta(1)) | u16::from((meta(0) & 0x30) ^ 0x30) << 4;
                Self::Bytes {
                    length_bytes: if longest > 255 { 2 } else { 1 },
                }
            }
            T::MYSQL_TYPE_ENUM => Self::Enum {
                bytes: bounded("an ENUM", meta(1), 2)?,
            },
            T::MYSQL_TYPE_SET => Self::Set {
                bytes: bounded("a SET", meta(1), 8)?,
            },
            T::MYSQL_TYPE_BIT => {
                let bits = u16::from(meta(1)) * 8 + u16::from(meta(0));
                let bytes = u8::try_from(bits.div_ceil(8)).unwrap_or(u8::MAX);
                Self::Bit {
                    bytes: bounded("a BIT column", bytes, 8)?,
                }
            }
            T::MYSQL_TYPE_JSON => Self::Json {
                length_bytes: bounded("a length", meta(0), 4)?,
            },
            T::MYSQL_TYPE_BLOB
            | T::MYSQL_TYPE_TINY_BLOB
            | T::MYSQL_TYPE_MEDIUM_BLOB
            | T::MYSQL_TYPE_LONG_BLOB
            | T::MYSQL_TYPE_GEOMETRY
            | T::MYSQL_TYPE_VECTOR => Self::Bytes {
                length_bytes: bounded("a length", meta(0), 4)?,
            },
            other => return Err(format!("binary log type {other:?} is not known")),
        })
    }

    /// The same type in a column that is compressed.
    pub(crate) fn compressed(self) -> Self {
        match self {
            Self::Bytes { length_bytes } => Self::Compressed { length_bytes },
            other => other,
        }
    }

    /// Reads the cell at the start of `image` and moves behind it; `None` if the image ends inside it.
    pub(crate) fn read<'a>(self, image: &mut &'a [u8], unsigned: bool) -> Option<Raw<'a>> {
        Some(match self {
            Self::Integer { bytes } => Raw::Integer(integer(take(image, bytes.into())?, unsigned)),
            Self::Float => Raw::Float(f32::from_le_bytes(array(image)?)),
            Self::Double => Raw::Double(f64::from_le_bytes(array(image)?)),
            Self::Decimal { precision, scale } => {
                let digits = take(image, packed_decimal_length(precision, scale)?)?;
                Raw::Decimal(packed_decimal(digits, precision, scale)?)
            }
            Self::Bytes { length_bytes } => {
                Raw::Bytes(Cow::Borrowed(prefixed(image, length_bytes)?))
            }
            Self::Compressed { length_bytes } => {
                Raw::Bytes(compressed::column(prefixed(image, length_bytes)?)?)
            }
            Self::Json { length_bytes } => Raw::BinaryJson(prefixed(image, length_bytes)?),
            Self::Bit { bytes } => Raw::Bytes(Cow::Borrowed(take(image, bytes.into())?)),
            Self::Enum { bytes } => Raw::EnumIndex(little_endian(take(image, bytes.into())?)),
            Self::Set { bytes } => Raw::SetMembers(little_endian(take(image, bytes.into())?)),
            Self::Year => Raw::Year(i32::from(take(image, 1)?[0]) + 1900),
            Self::Date => {
                let packed = little_endian(take(image, 3)?);
                Raw::Date(date(packed >> 9, packed >> 5 & 0xf, packed & 0x1f))
            }
            Self::OldTime => {
                let packed = integer(take(image, 3)?, false);
                let magnitude = packed.abs();
                let seconds =
                    magnitude / 10_000 * 3600 + magnitude / 100 % 100 * 60 + magnitude % 100;
                Raw::Time(packed.signum() * seconds * MICROS_PER_SECOND)
            }
            Self::OldDateTime => {
                let packed = little_endian(take(image, 8)?);
                let (ymd, hms) = (packed / 1_000_000, packed % 1_000_000);
                Raw::DateTime(CivilDateTime {
                    date: date(ymd / 10_000, ymd / 100 % 100, ymd % 100),
                    micros_of_day: micros_of_day(hms / 10_000, hms / 100 % 100, hms % 100, 0),
                })
            }
            Self::OldTimestamp => {
                let seconds = i64::from(u32::from_le_bytes(array(image)?));
                Raw::Timestamp {
                    epoch_micros: seconds * MICROS_PER_SECOND,
                    zero: seconds == 0,
                }
            }
            Self::Time { fraction } => Raw::Time(time(image, fraction)?),
            Self::DateTime { fraction } => {
                let packed = big_endian(take(image, 5)?) & 0x7f_ffff_ffff;
                let micros = fraction_micros(image, fraction)?;
                let (ymd, hms) = (packed >> 17, packed & 0x1_ffff);
                Raw::DateTime(CivilDateTime {
                    date: date((ymd >> 5) / 13, (ymd >> 5) % 13, ymd & 0x1f),
                    micros_of_day: micros_of_day(hms >> 12, hms >> 6 & 0x3f, hms & 0x3f, micros),
                })
            }
            Self::Timestamp { fraction } => {
                let seconds = i64::from(u32::from_be_bytes(array(image)?));
                let micros = i64::try_from(fraction_micros(image, fraction)?).ok()?;
                Raw::Timestamp {
                    epoch_micros: seconds * MICROS_PER_SECOND + micros,
                    zero: seconds == 0 && micros == 0,
                }
            }
        })
    }
}

fn take<'a>(image: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (head, rest) = image.split_at_checked(count)?;
    *image = rest;
    Some(head)
}

fn array<const N: usize>(image: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = image.split_first_chunk::<N>()?;
    *image = rest;
    Some(*head)
}

fn prefixed<'a>(image: &mut &'a [u8], length_bytes: u8) -> Option<&'a [u8]> {
    let length = usize::try_from(little_endian(take(image, length_bytes.into())?)).ok()?;
    take(image, length)
}

/// Up to eight bytes.
fn little_endian(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn big_endian(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// An unsigned number of eight bytes keeps its bits.
fn integer(bytes: &[u8], unsigned: bool) -> i64 {
    let number = little_endian(bytes).cast_signed();
    if unsigned {
        return number;
    }
    let unused = 64 - 8 * u32::try_from(bytes.len()).unwrap_or(8);
    number << unused >> unused
}

fn date(year: u64, month: u64, day: u64) -> CivilDate {
    let small = |part: u64| u8::try_from(part).unwrap_or(u8::MAX);
    CivilDate {
        year: i32::try_from(year).unwrap_or(i32::MAX),
        month: small(month),
        day: small(day),
    }
}

fn micros_of_day(hours: u64, minutes: u64, seconds: u64, micros: u64) -> i64 {
    (((hours * 60 + minutes) * 60 + seconds) * MICROS_PER_SECOND.cast_unsigned() + micros)
        .cast_signed()
}

fn fraction_bytes(fraction: u8) -> u8 {
    fraction.div_ceil(2).min(3)
}

fn fraction_micros(image: &mut &[u8], fraction: u8) -> Option<u64> {
    let bytes = fraction_bytes(fraction);
    Some(big_endian(take(image, bytes.into())?) * 100_u64.pow(3 - u32::from(bytes)))
}

/// TIME2: hours, minutes, seconds and fraction as one number with an offset, so that negative times sort first.
fn time(image: &mut &[u8], fraction: u8) -> Option<i64> {
    let bytes = fraction_bytes(fraction);
    let packed = big_endian(take(image, 3 + usize::from(bytes))?).cast_signed();
    let fraction_bits = 8 * u32::from(bytes);
    let packed = packed - (0x80_0000 << fraction_bits);
    let magnitude = packed.unsigned_abs();
    let hms = magnitude >> fraction_bits;
    let micros = (magnitude & ((1 << fraction_bits) - 1)) * 100_u64.pow(3 - u32::from(bytes));
    Some(packed.signum() * micros_of_day(hms >> 12 & 0x3ff, hms >> 6 & 0x3f, hms & 0x3f, micros))
}

/// Decimal digits of a group that is not full take fewer bytes.
const BYTES_OF_DIGITS: [usize; 10] = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4];
const DIGITS_PER_GROUP: u8 = 9;

fn packed_decimal_length(precision: u8, scale: u8) -> Option<usize> {
    let whole = precision.checked_sub(scale)?;
    let length = |digits: u8| {
        usize::from(digits / DIGITS_PER_GROUP) * 4
            + BYTES_OF_DIGITS[usize::from(digits % DIGITS_PER_GROUP)]
    };
    Some(length(whole) + length(scale))
}

/// MySQL's packed DECIMAL: groups of nine digits, big-endian, the first bit inverted, all bits inverted if negative.
/// `None` if `bytes` are too few for the precision.
pub(crate) fn packed_decimal(bytes: &[u8], precision: u8, scale: u8) -> Option<Decimal> {
    let bytes = bytes.get(..packed_decimal_length(precision, scale)?)?;
    let negative = bytes.first()? & 0x80 == 0;
    let mask = if negative { 0xff } else { 0 };
    let mut position = 0;
    let mut small: u128 = 0;
    let mut big: Option<BigInt> = None;
    let whole = precision - scale;
    let groups = std::iter::once(whole % DIGITS_PER_GROUP)
        .chain(std::iter::repeat_n(
            DIGITS_PER_GROUP,
            usize::from(whole / DIGITS_PER_GROUP),
        ))
        .chain(std::iter::repeat_n(
            DIGITS_PER_GROUP,
            usize::from(scale / DIGITS_PER_GROUP),
        ))
        .chain(std::iter::once(scale % DIGITS_PER_GROUP));
    for digits in groups.filter(|digits| *digits > 0) {
        let width = BYTES_OF_DIGITS[usize::from(digits)];
        let mut group = 0_u64;
        for (offset, byte) in bytes[position..position + width].iter().enumerate() {
            let sign_bit = if position + offset == 0 { 0x80 } else { 0 };
            group = group << 8 | u64::from(byte ^ mask ^ sign_bit);
        }
        position += width;
        let factor = 10_u64.pow(digits.into());
        big = match big {
            Some(number) => Some(number * factor + group),
            None => match small
                .checked_mul(factor.into())
                .and_then(|number| number.checked_add(group.into()))
            {
                Some(number) => {
                    small = number;
                    None
                }
                None => Some(BigInt::from(small) * factor + group),
            },
        };
    }
    let scale = i32::from(scale);
    if big.is_none()
        && let Ok(number) = i64::try_from(small)
    {
        return Some(Decimal::new(if negative { -number } else { number }, scale));
    }
    let number = big.unwrap_or_else(|| BigInt::from(small));
    Some(Decimal::from_big(
        if negative { -number } else { number },
        scale,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(wire: WireType, bytes: &[u8], unsigned: bool) -> Raw<'_> {
        let mut image = bytes;
        let raw = wire.read(&mut image, unsigned).expect("a whole cell");
        assert!(image.is_empty(), "{wire:?} left {image:?}");
        raw
    }

    #[test]
    fn integers_carry_their_sign() {
        fn check(bytes: &[u8], unsigned: bool, number: i64) {
            let wire = WireType::Integer {
                bytes: u8::try_from(bytes.len()).expect("short"),
            };
            assert_eq!(read(wire, bytes, unsigned), Raw::Integer(number));
        }
        check(&[0xff], false, -1);
        check(&[0xff], true, 255);
        check(&[0, 0, 0x80], false, -8_388_608);
        check(&[0xff, 0xff, 0xff], true, 16_777_215);
        check(&[0xff; 4], true, 4_294_967_295);
        check(&[0xff; 8], false, -1);
        check(&[0xff; 8], true, -1);
    }

    #[test]
    fn decimals_unpack() {
        fn check(bytes: &[u8], precision: u8, scale: u8, text: &str) {
            let raw = read(WireType::Decimal { precision, scale }, bytes, false);
            assert_eq!(raw, Raw::Decimal(text.parse().expect("a decimal")));
        }
        // The example of MySQL's decimal.c: 1234567890.1234.
        check(
            &[0x81, 0x0d, 0xfb, 0x38, 0xd2, 0x04, 0xd2],
            14,
            4,
            "1234567890.1234",
        );
        check(
            &[0x7e, 0xf2, 0x04, 0xc7, 0x2d, 0xfb, 0x2d],
            14,
            4,
            "-1234567890.1234",
        );
        check(&[0x80, 0, 0x01, 0x32], 7, 2, "1.50");
        check(&[0x80], 1, 0, "0");
    }

    #[test]
    fn dates_and_times_unpack() {
        let date = |year, month, day| CivilDate { year, month, day };
        assert_eq!(
            read(WireType::Date, &[0x21, 0xc8, 0x0f], false),
            Raw::Date(date(2020, 1, 1))
        );
        assert_eq!(
            read(WireType::Date, &[0, 0, 0], false),
            Raw::Date(date(0, 0, 0))
        );
        assert_eq!(read(WireType::Year, &[120], false), Raw::Year(2020));
        assert_eq!(
            read(WireType::Time { fraction: 0 }, &[0x80, 0xa5, 0x1e], false),
            Raw::Time(37_230_000_000)
        );
        // -00:00:01 and -00:00:00.01 of the comments in MySQL's my_time.cc.
        assert_eq!(
            read(WireType::Time { fraction: 0 }, &[0x7f, 0xff, 0xff], false),
            Raw::Time(-1_000_000)
        );
        assert_eq!(
            read(
                WireType::Time { fraction: 2 },
                &[0x7f, 0xff, 0xff, 0xff],
                false
            ),
            Raw::Time(-10_000)
        );
        assert_eq!(
            read(
                WireType::Timestamp { fraction: 6 },
                &[0x5e, 0x0d, 0x5d, 0x25, 0x01, 0xd4, 0xc0],
                false
            ),
            Raw::Timestamp {
                epoch_micros: 1_577_934_117_120_000,
                zero: false
            }
        );
        assert_eq!(
            read(
                WireType::DateTime { fraction: 0 },
                &[0x99, 0xa5, 0x44, 0x31, 0x05],
                false
            ),
            Raw::DateTime(CivilDateTime {
                date: date(2020, 1, 2),
                micros_of_day: 11_045_000_000
            })
        );
    }

    #[test]
    fn a_cell_that_is_cut_off_is_no_cell() {
        let mut image: &[u8] = &[5, b'a', b'b'];
        assert_eq!(
            WireType::Bytes { length_bytes: 1 }.read(&mut image, false),
            None
        );
        assert_eq!(WireType::Double.read(&mut &[0_u8; 7][..], false), None);
    }
}
