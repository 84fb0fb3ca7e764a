//! Dates and times: civil calendar arithmetic, the texts of MySQL and of ISO 8601, and the forms that
//! `time.precision.mode` chooses between.
//!
//! Source: Debezium `io.debezium.time.*`, `TemporalPrecisionMode`.

use tidegate_api::{Str, Value};

pub(crate) const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;
const MICROS_PER_DAY: i64 = SECONDS_PER_DAY * MICROS_PER_SECOND;

/// A date as the server keeps it: any part may be zero, the day may not exist in its month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CivilDate {
    pub year: i32,
    pub month: u8,
    pub day: u8,
}

/// A DATETIME: wall clock without a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CivilDateTime {
    pub date: CivilDate,
    /// Microseconds since midnight.
    pub micros_of_day: i64,
}

impl CivilDate {
    /// `0000-00-00` and partial dates, which have no counterpart in other systems.
    pub(crate) fn is_zero(self) -> bool {
        self.month == 0 || self.day == 0
    }

    /// Years have four digits; further ones are of a broken image.
    pub(crate) fn exists(self) -> bool {
        if !(0..=9999).contains(&self.year) {
            return false;
        }
        let days = match self.month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0) => 29,
            2 => 28,
            _ => return false,
        };
        (1..=days).contains(&self.day)
    }

    /// Two-digit years become those of 1970 to 2069 (`enable.time.adjuster`).
    pub(crate) fn adjusted(self) -> Self {
        Self {
            year: adjusted_year(self.year),
            ..self
        }
    }

    /// Days since 1970-01-01 in the proleptic Gregorian calendar.
    pub(crate) fn epoch_days(self) -> i64 {
        // Years start in March, so that the leap day is the last one and month lengths follow one formula.
        let year = i64::from(self.year) - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let month = (i64::from(self.month) + 9) % 12;
        let day_of_year = (153 * month + 2) / 5 + i64::from(self.day) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        era * 146_097 + day_of_era - 719_468
    }

    pub(crate) fn from_epoch_days(days: i64) -> Self {
        let days = days + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Self {
            year: i32::try_from(year).unwrap_or(i32::MAX),
            month: u8::try_from(month).unwrap_or(0),
            day: u8::try_from(day).unwrap_or(0),
        }
    }
}

impl CivilDateTime {
    /// Microseconds since 1970-01-01T00:00 on the same wall clock.
    pub(crate) fn epoch_micros(self) -> i64 {
        self.date.epoch_days() * MICROS_PER_DAY + self.micros_of_day
    }
}

pub(crate) fn adjusted_year(year: i32) -> i32 {
    match year {
        0..=69 => year + 2000,
        70..=99 => year + 1900,
        _ => year,
    }
}

/// Digits of a fraction of a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fraction {
    /// As many as needed, none for a whole second.
    Shortest,
    Exactly(u8),
}

/// `2020-01-02T03:04:05.12Z`.
pub(crate) fn iso_timestamp(epoch_micros: i64, fraction: Fraction) -> Str {
    let date = CivilDate::from_epoch_days(epoch_micros.div_euclid(MICROS_PER_DAY));
    let mut text = Str::default();
    write_date(&mut text, date);
    text.push('T');
    write_time(&mut text, epoch_micros.rem_euclid(MICROS_PER_DAY), fraction);
    text.push('Z');
    text
}

/// `2020-01-02Z`.
pub(crate) fn iso_date(date: CivilDate) -> Str {
    let mut text = Str::default();
    write_date(&mut text, date);
    text.push('Z');
    text
}

/// `10:15:30.123Z`; `None` outside of one day.
pub(crate) fn iso_time(micros: i64) -> Option<Str> {
    if !(0..=MICROS_PER_DAY).contains(&micros) {
        return None;
    }
    let mut text = Str::default();
    // As in the original, 24:00:00 is the next midnight.
    write_time(&mut text, micros % MICROS_PER_DAY, Fraction::Shortest);
    text.push('Z');
    Some(text)
}

fn write_date(text: &mut Str, date: CivilDate) {
    push_digits(text, i64::from(date.year), 4);
    text.push('-');
    push_digits(text, date.month.into(), 2);
    text.push('-');
    push_digits(text, date.day.into(), 2);
}

fn write_time(text: &mut Str, micros_of_day: i64, fraction: Fraction) {
    let seconds = micros_of_day / MICROS_PER_SECOND;
    push_digits(text, seconds / 3600, 2);
    text.push(':');
    push_digits(text, seconds / 60 % 60, 2);
    text.push(':');
    push_digits(text, seconds % 60, 2);
    push_fraction(text, micros_of_day % MICROS_PER_SECOND, fraction);
}

pub(crate) fn push_fraction(text: &mut Str, micros: i64, fraction: Fraction) {
    let mut digits = [b'0'; 9];
    let mut rest = micros;
    for digit in digits[..6].iter_mut().rev() {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
    let count = match fraction {
        Fraction::Exactly(count) => usize::from(count).min(9),
        Fraction::Shortest => digits
            .iter()
            .rposition(|digit| *digit != b'0')
            .map_or(0, |last| last + 1),
    };
    if count > 0 {
        text.push('.');
        text.push_str(std::str::from_utf8(&digits[..count]).unwrap_or_default());
    }
}

/// The number in at least `width` characters, with zeros before it and behind its sign.
pub(crate) fn push_digits(text: &mut Str, number: i64, width: usize) {
    // Times and dates are nearly all there is of some tables, and formatting is several times as slow.
    const LONGEST: usize = 20;
    let mut buffer = [b'0'; LONGEST];
    let (mut start, mut rest) = (LONGEST, number.unsigned_abs());
    while rest > 0 {
        start -= 1;
        buffer[start] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
    let sign = usize::from(number < 0);
    start = start.min(LONGEST - width.clamp(1, LONGEST - 1).saturating_sub(sign).max(1));
    if sign > 0 {
        text.push('-');
    }
    text.push_str(std::str::from_utf8(&buffer[start..]).unwrap_or_default());
}

/// `2020-01-02`, also with zero parts; `None` if it is no date text.
pub(crate) fn parse_date(text: &str) -> Option<CivilDate> {
    let mut parts = text.splitn(3, '-');
    let date = CivilDate {
        year: parse_digits(parts.next()?)?,
        month: u8::try_from(parse_digits(parts.next()?)?).ok()?,
        day: u8::try_from(parse_digits(parts.next()?)?).ok()?,
    };
    Some(date)
}

/// `2020-01-02 03:04:05.120000`; a date alone is its midnight.
pub(crate) fn parse_date_time(text: &str) -> Option<CivilDateTime> {
    let (date, time) = match text.split_once([' ', 'T']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    Some(CivilDateTime {
        date: parse_date(date)?,
        micros_of_day: time.map_or(Some(0), parse_time)?,
    })
}

/// `-838:59:59.000000` in microseconds.
pub(crate) fn parse_time(text: &str) -> Option<i64> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = whole.splitn(3, ':').map(parse_digits);
    let mut next = || parts.next().map_or(Some(0), |part| part.map(i64::from));
    let seconds = next()? * 3600 + next()? * 60 + next()?;
    let micros = seconds * MICROS_PER_SECOND + parse_fraction(fraction)?;
    Some(if negative { -micros } else { micros })
}

/// Microseconds of the digits after the point; further digits are cut off.
fn parse_fraction(digits: &str) -> Option<i64> {
    let mut micros = 0;
    let mut unit = 100_000;
    for digit in digits.bytes() {
        if !digit.is_ascii_digit() {
            return None;
        }
        micros += i64::from(digit - b'0') * unit;
        unit /= 10;
    }
    Some(micros)
}

fn parse_digits(text: &str) -> Option<i32> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// What a DATE becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateForm {
    /// `INT32` days, Debezium's and Connect's Date.
    Days,
    Iso,
}

/// What a TIME becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeForm {
    Micros,
    Nanos,
    /// `INT32` milliseconds, one day at most.
    ConnectMillis,
    Iso,
}

/// What a DATETIME becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateTimeForm {
    Millis,
    Micros,
    Nanos,
    Iso,
}

impl DateForm {
    pub(crate) fn value(self, date: CivilDate) -> Option<Value> {
        Some(match self {
            Self::Days => Value::Int32(i32::try_from(date.epoch_days()).ok()?),
            Self::Iso => Value::String(iso_date(date)),
        })
    }
}

impl TimeForm {
    /// `None` where the form cannot hold the time.
    pub(crate) fn value(self, micros: i64) -> Option<Value> {
        Some(match self {
            Self::Micros => Value::Int64(micros),
            Self::Nanos => Value::Int64(micros.checked_mul(1000)?),
            Self::ConnectMillis if (0..=MICROS_PER_DAY).contains(&micros) => {
                Value::Int32(i32::try_from(micros / 1000).ok()?)
            }
            Self::ConnectMillis => return None,
            Self::Iso => Value::String(iso_time(micros)?),
        })
    }
}

impl DateTimeForm {
    pub(crate) fn value(self, epoch_micros: i64) -> Value {
        match self {
            Self::Millis => Value::Int64(epoch_micros.div_euclid(1000)),
            Self::Micros => Value::Int64(epoch_micros),
            // Beyond 2262 the number does not fit; the original's wraps around.
            Self::Nanos => Value::Int64(epoch_micros.wrapping_mul(1000)),
            Self::Iso => Value::String(iso_timestamp(epoch_micros, Fraction::Shortest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_of_the_standard_library() {
        for number in [0, 7, -7, 42, -42, 999, 10_000, -10_000, i64::MAX, i64::MIN] {
            for width in [0, 1, 2, 4, 6] {
                let mut text = Str::default();
                push_digits(&mut text, number, width);
                assert_eq!(text, format!("{number:0width$}"), "{number} in {width}");
            }
        }
    }

    #[test]
    fn days_and_civil_dates_convert_both_ways() {
        fn check(year: i32, month: u8, day: u8, days: i64) {
            let date = CivilDate { year, month, day };
            assert_eq!(date.epoch_days(), days);
            assert_eq!(CivilDate::from_epoch_days(days), date);
            assert!(date.exists());
        }
        check(1970, 1, 1, 0);
        check(1969, 12, 31, -1);
        check(2000, 2, 29, 11_016);
        check(2018, 6, 20, 17_702);
        check(1, 1, 1, -719_162);
        check(9999, 12, 31, 2_932_896);
    }

    #[test]
    fn days_that_no_month_has_do_not_exist() {
        for (year, month, day) in [
            (2021, 2, 29),
            (2021, 2, 31),
            (1900, 2, 29),
            (2021, 4, 31),
            (2021, 13, 1),
        ] {
            assert!(
                !CivilDate { year, month, day }.exists(),
                "{year}-{month}-{day}"
            );
        }
    }

    #[test]
    fn times_of_day_and_beyond_parse() {
        assert_eq!(parse_time("10:20:30"), Some(37_230_000_000));
        assert_eq!(parse_time("-838:59:59.000000"), Some(-3_020_399_000_000));
        assert_eq!(parse_time("00:00:00.12"), Some(120_000));
        assert_eq!(parse_time("x"), None);
    }

    #[test]
    fn fractions_print_as_asked() {
        let at = parse_date_time("2020-01-02 03:04:05.120000")
            .expect("a date-time")
            .epoch_micros();
        assert_eq!(
            iso_timestamp(at, Fraction::Shortest),
            "2020-01-02T03:04:05.12Z"
        );
        assert_eq!(
            iso_timestamp(at, Fraction::Exactly(6)),
            "2020-01-02T03:04:05.120000Z"
        );
        assert_eq!(
            iso_timestamp(at, Fraction::Exactly(0)),
            "2020-01-02T03:04:05Z"
        );
        assert_eq!(
            iso_timestamp(-1, Fraction::Shortest),
            "1969-12-31T23:59:59.999999Z"
        );
    }

    #[test]
    fn connect_time_holds_one_day_at_most() {
        assert_eq!(
            TimeForm::ConnectMillis.value(MICROS_PER_DAY),
            Some(Value::Int32(86_400_000))
        );
        assert_eq!(TimeForm::ConnectMillis.value(-1), None);
        assert_eq!(
            TimeForm::Iso.value(MICROS_PER_DAY),
            Some(Value::string("00:00:00Z"))
        );
        assert_eq!(TimeForm::Iso.value(MICROS_PER_DAY + 1), None);
    }
}
