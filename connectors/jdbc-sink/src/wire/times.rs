//! Dates, times and instants.

use chrono::{DateTime, NaiveDateTime, Offset as _, TimeZone as _};
use chrono_tz::Tz;

use super::{DAY_MICROS, out_of_range};
use crate::meaning::Unit;

/// Microseconds since midnight. `24:00:00` is a time of PostgreSQL; before midnight and beyond it nothing is.
///
/// # Errors
/// What is no time of day, and the cure.
pub(crate) fn time_of_day(unit: Unit, count: i64) -> Result<i64, String> {
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

/// What the wall clock of a zone was ahead of UTC at an instant.
pub(super) fn offset_micros(zone: Tz, micros: i64) -> Option<i64> {
    let at = DateTime::from_timestamp_micros(micros)?.naive_utc();
    let seconds = zone.offset_from_utc_datetime(&at).fix().local_minus_utc();
    Some(i64::from(seconds) * 1_000_000)
}

pub(super) fn zoned_micros(iso: &str) -> Result<i64, String> {
    if let Some(micros) = plain_utc(iso.as_bytes()) {
        return Ok(micros);
    }
    let parsed = DateTime::parse_from_rfc3339(iso)
        .or_else(|_| DateTime::parse_from_str(iso, "%Y-%m-%dT%H:%M%:z"))
        .map_err(|_| format!("'{iso}' is no date and time with an offset"))?;
    let nanos = i64::from(parsed.timestamp_subsec_nanos());
    let micros = parsed.timestamp().checked_mul(1_000_000);
    micros
        .and_then(|micros| micros.checked_add(Unit::Nanos.micros(nanos)?))
        .ok_or_else(out_of_range)
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

pub(super) fn timestamp_text(text: &str, zone: Tz) -> Result<i64, String> {
    if let Ok(micros) = zoned_micros(text) {
        let offset = offset_micros(zone, micros).ok_or_else(out_of_range)?;
        return micros.checked_add(offset).ok_or_else(out_of_range);
    }
    let local = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
        .ok_or_else(|| format!("'{text}' is no date and time"))?;
    Ok(local.and_utc().timestamp_micros())
}
