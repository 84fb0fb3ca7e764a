//! Dates, times and years as the servers read them out of literals: any punctuation between the parts, digits alone, years of
//! two digits, times without minutes.
//!
//! Source: MySQL `str_to_datetime`, `number_to_datetime`, `str_to_time`.

use super::temporal::{CivilDate, CivilDateTime, MICROS_PER_SECOND};

const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// What becomes of digits beyond the column's precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Excess {
    /// MariaDB.
    #[default]
    CutOff,
    /// MySQL.
    Rounded,
}

/// How many digits of a fraction a column keeps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Precision {
    pub digits: u32,
    pub excess: Excess,
}

impl Precision {
    fn apply(self, nanos: i64) -> i64 {
        let unit = 10_i64.pow(9 - self.digits.min(6));
        let rounded = match self.excess {
            Excess::CutOff => nanos,
            Excess::Rounded => nanos + unit / 2,
        };
        rounded / unit * unit / 1000
    }
}

/// A date, or a date and time. Parts may be zero, and the day may not exist; `None` if it is neither.
pub(crate) fn date_time(literal: &str, precision: Precision) -> Option<CivilDateTime> {
    let literal = literal.trim();
    let (whole, fraction) = literal.split_once('.').unwrap_or((literal, ""));
    if is_digits(whole) && (fraction.is_empty() || is_digits(fraction)) {
        let number = packed(whole)?;
        return Some(with_fraction(
            number.date,
            number.micros_of_day,
            nanos(fraction)?,
            precision,
        ));
    }
    let mut parts = Vec::new();
    let mut rest = literal;
    let mut fraction = "";
    while !rest.is_empty() && parts.len() < 6 {
        let (digits, behind) = take_digits(rest);
        if digits.is_empty() || digits.len() > 4 {
            return None;
        }
        parts.push(digits);
        if parts.len() == 6 {
            fraction = match behind.strip_prefix('.') {
                Some(fraction) => fraction,
                None if behind.is_empty() => "",
                None => return None,
            };
            break;
        }
        rest = match parts.len() {
            3 => behind.trim_start_matches(|c: char| c == 'T' || c.is_ascii_whitespace()),
            _ => behind.trim_start_matches(|c: char| c.is_ascii_punctuation()),
        };
        if rest.len() == behind.len() && !behind.is_empty() {
            return None;
        }
    }
    let number = |index: usize| {
        parts
            .get(index)
            .map_or(Some(0), |part| part.parse::<i64>().ok())
    };
    let part = |index: usize| u8::try_from(number(index)?).ok();
    let year = i32::try_from(number(0)?).ok()?;
    let (month, day) = (part(1)?, part(2)?);
    let is_zero = year == 0 && month == 0 && day == 0;
    let is_short = parts.first()?.len() <= 2 && !is_zero;
    let date = CivilDate {
        year: if is_short {
            super::temporal::adjusted_year(year)
        } else {
            year
        },
        month,
        day,
    };
    if parts.len() < 3 {
        return None;
    }
    let micros = clock(number(3)?, number(4)?, number(5)?)?;
    Some(with_fraction(date, micros, nanos(fraction)?, precision))
}

/// `-838:59:59.5`, `1 10:20`, `102030`: microseconds.
pub(crate) fn time(literal: &str, precision: Precision) -> Option<i64> {
    let literal = literal.trim();
    if let Some(at) = date_before_time(literal) {
        return date_time(at, precision).map(|at| at.micros_of_day);
    }
    let (is_negative, text) = match literal.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, literal.strip_prefix('+').unwrap_or(literal)),
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let (days, clock_text) = match whole.split_once(' ') {
        Some((days, rest)) => (days.parse::<i64>().ok()?, rest.trim_start()),
        None => (0, whole),
    };
    let seconds = if clock_text.contains(':') || days > 0 {
        let parts: Vec<i64> = clock_text
            .split(':')
            .map(|part| is_digits(part).then(|| part.parse().ok()).flatten())
            .collect::<Option<_>>()?;
        let [hours, minutes, seconds] = match parts[..] {
            [hours] => [hours, 0, 0],
            [hours, minutes] => [hours, minutes, 0],
            [hours, minutes, seconds] => [hours, minutes, seconds],
            _ => return None,
        };
        seconds_of(hours, minutes, seconds)?
    } else if is_digits(clock_text) {
        let number: i64 = clock_text.parse().ok()?;
        if clock_text.len() > 7 {
            return date_time(literal, precision).map(|at| at.micros_of_day);
        }
        seconds_of(number / 10_000, number / 100 % 100, number % 100)?
    } else {
        return None;
    };
    let seconds = days.checked_mul(86_400)?.checked_add(seconds)?;
    // The range of TIME.
    if seconds > 838 * 3600 + 59 * 60 + 59 {
        return None;
    }
    let micros = seconds * MICROS_PER_SECOND + precision.apply(nanos(fraction)?);
    Some(if is_negative { -micros } else { micros })
}

/// A year; those below 100 are of 1970 to 2069. Four zeros are the year 0.
pub(crate) fn year(literal: &str) -> Option<i32> {
    let literal = literal.trim();
    let literal = literal.strip_prefix('+').unwrap_or(literal);
    let year = match literal.parse::<i32>() {
        Ok(year) => year,
        Err(_) => {
            let number: f64 = literal.parse().ok()?;
            let text = format!("{:.0}", (number + 0.5).floor());
            text.parse().ok()?
        }
    };
    match year {
        0 if literal == "0000" => Some(0),
        0..=99 => Some(super::temporal::adjusted_year(year)),
        1901..=2155 => Some(year),
        _ => None,
    }
}

/// `2024-03-05 10:20:30` as a time is its time of day.
fn date_before_time(literal: &str) -> Option<&str> {
    let (date, _) = literal.split_once([' ', 'T'])?;
    (date.matches('-').count() == 2 && !date.starts_with('-')).then_some(literal)
}

/// `20240229102030`, `240229102030`, `20240229`, `240229`, and numbers with leading zeros left out.
fn packed(digits: &str) -> Option<CivilDateTime> {
    let number: u64 = digits.parse().ok()?;
    let number = match (digits.len(), number) {
        (_, 0) => 0,
        (..=6, 101..=691_231) => (number + 20_000_000) * 1_000_000,
        (..=6, 700_101..=991_231) => (number + 19_000_000) * 1_000_000,
        (7..=8, 10_101..=99_991_231) => number * 1_000_000,
        (9..=12, ..=691_231_235_959) => number + 20_000_000_000_000,
        (9..=12, 700_101_000_000..=991_231_235_959) => number + 19_000_000_000_000,
        (13..=14, ..=99_991_231_235_959) => number,
        _ => return None,
    };
    let part = |divisor: u64| u8::try_from(number / divisor % 100).ok();
    Some(CivilDateTime {
        date: CivilDate {
            year: i32::try_from(number / 10_000_000_000).ok()?,
            month: part(100_000_000)?,
            day: part(1_000_000)?,
        },
        micros_of_day: clock(part(10_000)?.into(), part(100)?.into(), part(1)?.into())?,
    })
}

fn clock(hours: i64, minutes: i64, seconds: i64) -> Option<i64> {
    (hours < 24).then_some(())?;
    Some(seconds_of(hours, minutes, seconds)? * MICROS_PER_SECOND)
}

fn seconds_of(hours: i64, minutes: i64, seconds: i64) -> Option<i64> {
    (minutes < 60 && seconds < 60 && hours < 1_000_000).then_some(())?;
    Some(hours * 3600 + minutes * 60 + seconds)
}

/// The fraction of a second that these digits are behind the point.
fn nanos(fraction: &str) -> Option<i64> {
    if !fraction.is_empty() && !is_digits(fraction) {
        return None;
    }
    let digits = fraction
        .bytes()
        .take(9)
        .map(|digit| i64::from(digit - b'0'));
    let units = std::iter::successors(Some(100_000_000), |unit| Some(unit / 10));
    Some(digits.zip(units).map(|(digit, unit)| digit * unit).sum())
}

fn with_fraction(
    date: CivilDate,
    micros_of_day: i64,
    nanos: i64,
    precision: Precision,
) -> CivilDateTime {
    let micros = micros_of_day + precision.apply(nanos);
    if micros < MICROS_PER_DAY || !date.exists() {
        return CivilDateTime {
            date,
            micros_of_day: micros,
        };
    }
    CivilDateTime {
        date: CivilDate::from_epoch_days(date.epoch_days() + 1),
        micros_of_day: micros - MICROS_PER_DAY,
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn take_digits(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUT: Precision = Precision {
        digits: 0,
        excess: Excess::CutOff,
    };

    #[test]
    fn dates_are_read_as_servers_read_them() {
        fn check(literal: &str, expected: Option<&str>) {
            let at = date_time(literal, Precision { digits: 6, ..CUT });
            let shown = at.map(
                |CivilDateTime {
                     date,
                     micros_of_day,
                 }| {
                    format!(
                        "{:04}-{:02}-{:02} {micros_of_day}",
                        date.year, date.month, date.day
                    )
                },
            );
            assert_eq!(shown.as_deref(), expected, "{literal}");
        }
        check("2024-02-29", Some("2024-02-29 0"));
        check("24-2-9", Some("2024-02-09 0"));
        check("70-01-01", Some("1970-01-01 0"));
        check("240305", Some("2024-03-05 0"));
        check("20240305", Some("2024-03-05 0"));
        check("101", Some("2000-01-01 0"));
        check("20240229102030.5", Some("2024-02-29 37230500000"));
        check("240229102030", Some("2024-02-29 37230000000"));
        check("2024/02/29 10:20", Some("2024-02-29 37200000000"));
        check("2024.02.29 10.20.30", Some("2024-02-29 37230000000"));
        check("2024-02-29T10:20:30.25", Some("2024-02-29 37230250000"));
        check("0000-00-00", Some("0000-00-00 0"));
        check("0", Some("0000-00-00 0"));
        check("2024-02-29 24:00:00", None);
        check("LOCALTIME()", None);
        check("2024-02", None);
    }

    #[test]
    fn times_may_lack_parts() {
        fn check(literal: &str, seconds: Option<i64>) {
            let micros = seconds.map(|seconds| seconds * MICROS_PER_SECOND);
            assert_eq!(time(literal, CUT), micros, "{literal}");
        }
        check("10:20:30", Some(37_230));
        check("10:20", Some(37_200));
        check("10", Some(10));
        check("1020", Some(620));
        check("102030", Some(37_230));
        check("1 10:20", Some(123_600));
        check("1 10", Some(122_400));
        check("-838:59:59", Some(-3_020_399));
        check("2024-03-05 10:20:30", Some(37_230));
        check("20240305102030", Some(37_230));
        check("839:00:00", None);
        check("CURTIME()", None);
    }

    #[test]
    fn years_of_two_digits_are_of_this_century_or_the_last() {
        for (literal, expected) in [
            ("12", Some(2012)),
            ("0", Some(2000)),
            ("00", Some(2000)),
            ("0000", Some(0)),
            ("000", Some(2000)),
            ("0012", Some(2012)),
            ("70.5", Some(1971)),
            ("70", Some(1970)),
            ("2155", Some(2155)),
            ("2e3", Some(2000)),
            ("12.3", Some(2012)),
            ("1900", None),
            ("x", None),
        ] {
            assert_eq!(year(literal), expected, "{literal}");
        }
    }

    #[test]
    fn digits_beyond_the_precision_are_cut_off_or_rounded() {
        let rounded = Precision {
            digits: 3,
            excess: Excess::Rounded,
        };
        let cut = Precision { digits: 3, ..CUT };
        assert_eq!(time("10:20:30.9996", rounded), Some(37_231_000_000));
        assert_eq!(time("10:20:30.9996", cut), Some(37_230_999_000));
        let at = date_time("2024-12-31 23:59:59.9999", rounded).expect("a time");
        assert_eq!((at.date.year, at.micros_of_day), (2025, 0));
    }
}
