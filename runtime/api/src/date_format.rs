//! Java's `SimpleDateFormat` in UTC: the letters that pipelines use; others are refused by name.
//!
//! Dates are those of `java.util.GregorianCalendar`: Julian before 1582-10-15, and lenient, so that numbers out of their range
//! roll over into the next unit. Where Java's 32-bit fields and 64-bit milliseconds overflow, there is no time.

use std::fmt::Write as _;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::{Schema, Value, logical};

#[derive(Debug, Clone, PartialEq, Eq)]
enum Field {
    Literal(String),
    /// Letter and count.
    Letter(char, usize),
}

/// A parsed pattern.
#[derive(Debug, Clone)]
pub struct DateFormat {
    fields: Vec<Field>,
    /// Years of two digits are those of the hundred years from here on, in milliseconds since 1970.
    century_start: i64,
}

const KNOWN: &str = "yMdHhmsSaZXEz";
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// 1970-01-01 was a Thursday.
const WEEKDAYS: [&str; 7] = [
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
];
const DAY: i64 = 86_400_000;

impl DateFormat {
    /// `None` if a letter has no meaning here.
    pub fn new(pattern: &str) -> Option<Self> {
        let mut fields = Vec::new();
        let mut characters = pattern.chars().peekable();
        let mut literal = String::new();
        while let Some(character) = characters.next() {
            if character == '\'' {
                if characters.next_if_eq(&'\'').is_some() {
                    literal.push('\'');
                    continue;
                }
                loop {
                    match characters.next()? {
                        '\'' if characters.next_if_eq(&'\'').is_some() => literal.push('\''),
                        '\'' => break,
                        other => literal.push(other),
                    }
                }
            } else if character.is_ascii_alphabetic() {
                if !KNOWN.contains(character) {
                    return None;
                }
                let mut count = 1;
                while characters.next_if_eq(&character).is_some() {
                    count += 1;
                }
                if !literal.is_empty() {
                    fields.push(Field::Literal(std::mem::take(&mut literal)));
                }
                fields.push(Field::Letter(character, count));
            } else {
                literal.push(character);
            }
        }
        if !literal.is_empty() {
            fields.push(Field::Literal(literal));
        }
        Some(Self {
            fields,
            century_start: eighty_years_ago(),
        })
    }

    pub fn format(&self, millis: i64) -> String {
        let day = millis.div_euclid(DAY);
        let (year, month, day_of_month) = date(day);
        // Years of the era: 1 BC is the year before 1.
        let year = if year > 0 { year } else { 1 - year };
        let time = millis.rem_euclid(DAY);
        let (hour, minute) = (time / 3_600_000, time / 60_000 % 60);
        let month_name = MONTHS[usize::try_from(month - 1).unwrap_or(0)];
        let weekday = WEEKDAYS[usize::try_from(day.rem_euclid(7)).unwrap_or(0)];
        let short = |name: &'static str| name.get(..3).unwrap_or(name);
        let mut out = String::new();
        for field in &self.fields {
            let (letter, count) = match field {
                Field::Literal(text) => {
                    out.push_str(text);
                    continue;
                }
                Field::Letter(letter, count) => (*letter, *count),
            };
            let number = match letter {
                'y' if count == 2 => year % 100,
                'y' => year,
                'M' if count < 3 => month,
                'd' => day_of_month,
                'H' => hour,
                'h' if hour % 12 == 0 => 12,
                'h' => hour % 12,
                'm' => minute,
                's' => time / 1000 % 60,
                'S' => time % 1000,
                _ => {
                    out.push_str(match letter {
                        'M' if count >= 4 => month_name,
                        'M' => short(month_name),
                        'E' if count >= 4 => weekday,
                        'E' => short(weekday),
                        'a' if hour < 12 => "AM",
                        'a' => "PM",
                        'X' => "Z",
                        'Z' => "+0000",
                        _ => "UTC",
                    });
                    continue;
                }
            };
            write!(out, "{number:0count$}").expect("writing to a string never fails");
        }
        out
    }

    /// Milliseconds since 1970; lenient about numbers out of range and about what follows. `None` if the text does not fit, or
    /// the time does not.
    pub fn parse(&self, text: &str) -> Option<i64> {
        let mut parsed = Parsed::default();
        let mut rest = text;
        for (index, field) in self.fields.iter().enumerate() {
            rest = match field {
                Field::Literal(literal) => rest.strip_prefix(literal.as_str())?,
                Field::Letter(letter, count) => {
                    // Numbers that touch the next one have exactly their letters' width.
                    let touches = matches!(self.fields.get(index + 1), Some(Field::Letter(next, _)) if "yMdHhmsS".contains(*next));
                    parsed.read(*letter, *count, touches, rest)?
                }
            };
        }
        let millis = parsed.millis()?;
        if !parsed.has_short_year {
            return Some(millis);
        }
        // Of the two years with these digits the one that is not too long ago.
        let century_start = date(self.century_start.div_euclid(DAY)).0;
        parsed.year += century_start - century_start.rem_euclid(100);
        let millis = parsed.millis()?;
        if millis >= self.century_start {
            return Some(millis);
        }
        parsed.year += 100;
        parsed.millis()
    }
}

/// Milliseconds since 1970 of a Connect date, time or timestamp; `None` if the value is none by its schema.
pub(crate) fn millis(schema: &Schema, value: &Value) -> Option<i64> {
    match (schema.name.as_deref()?, value.as_i64()?) {
        (logical::DATE, days) => Some(days.saturating_mul(DAY)),
        (logical::TIME | logical::TIMESTAMP, millis) => Some(millis),
        _ => None,
    }
}

/// The text of a Connect date, time or timestamp; `None` if the value is none by its schema.
pub fn logical_text(schema: Option<&Schema>, value: &Value) -> Option<String> {
    millis(schema?, value).map(connect_text)
}

/// `java.util.Date.toString` in UTC.
pub(crate) fn date_text(millis: i64) -> String {
    static FORMAT: LazyLock<DateFormat> = LazyLock::new(|| fixed("EEE MMM dd HH:mm:ss zzz y"));
    FORMAT.format(millis)
}

/// A time of day up to the end of 1970-01-01, a date for whole days, both for others. Source: `Values.dateFormatFor`.
fn connect_text(millis: i64) -> String {
    static TIME: LazyLock<DateFormat> = LazyLock::new(|| fixed(CONNECT_TIME));
    static DATE: LazyLock<DateFormat> = LazyLock::new(|| fixed(CONNECT_DATE));
    static TIMESTAMP: LazyLock<DateFormat> = LazyLock::new(|| fixed(CONNECT_TIMESTAMP));
    let format = if millis < DAY {
        &TIME
    } else if millis % DAY == 0 {
        &DATE
    } else {
        &TIMESTAMP
    };
    format.format(millis)
}

/// Patterns of Connect's texts.
pub const CONNECT_TIME: &str = "HH:mm:ss.SSS'Z'";
pub const CONNECT_DATE: &str = "yyyy-MM-dd";
pub const CONNECT_TIMESTAMP: &str = "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'";

fn fixed(pattern: &str) -> DateFormat {
    DateFormat::new(pattern).expect("its letters are known")
}

/// What a text says, each number within 32 bits.
#[derive(Debug)]
struct Parsed {
    year: i64,
    /// The year is two digits, without century.
    has_short_year: bool,
    month: i64,
    day: i64,
    /// By the clock of 24 hours, which outdoes that of twelve.
    hours: Option<i64>,
    hours_of_half: i64,
    is_afternoon: bool,
    minutes: i64,
    seconds: i64,
    millis: i64,
    /// Minutes east of UTC.
    zone: i64,
}

impl Default for Parsed {
    fn default() -> Self {
        Self {
            year: 1970,
            has_short_year: false,
            month: 1,
            day: 1,
            hours: None,
            hours_of_half: 0,
            is_afternoon: false,
            minutes: 0,
            seconds: 0,
            millis: 0,
            zone: 0,
        }
    }
}

impl Parsed {
    /// Reads one field; what follows it.
    fn read<'a>(
        &mut self,
        letter: char,
        count: usize,
        touches: bool,
        text: &'a str,
    ) -> Option<&'a str> {
        match letter {
            'M' if count >= 3 => {
                let position = MONTHS
                    .iter()
                    .position(|name| name.get(..3).is_some_and(|short| starts_with(text, short)))?;
                self.month = i64::try_from(position).ok()? + 1;
                let whole = MONTHS[position];
                text.get(
                    if starts_with(text, whole) {
                        whole.len()
                    } else {
                        3
                    }..,
                )
            }
            'a' => {
                self.is_afternoon = starts_with(text, "PM");
                (self.is_afternoon || starts_with(text, "AM"))
                    .then(|| text.get(2..))
                    .flatten()
            }
            'E' => Some(text.trim_start_matches(|c: char| c.is_alphabetic())),
            'X' | 'Z' | 'z' => {
                let (zone, rest) = parse_zone(text)?;
                self.zone = zone;
                Some(rest)
            }
            _ => {
                let start = text.trim_start_matches([' ', '\t']);
                let sign = usize::from(start.starts_with('-') && !touches);
                let digits = start
                    .bytes()
                    .skip(sign)
                    .take_while(u8::is_ascii_digit)
                    .count();
                let digits = if touches { digits.min(count) } else { digits };
                let number: i32 = start.get(..sign + digits)?.parse().ok()?;
                let number = i64::from(number);
                match letter {
                    'y' => {
                        self.year = number;
                        self.has_short_year = count <= 2 && digits == 2 && sign == 0;
                    }
                    'M' => self.month = number,
                    'd' => self.day = number,
                    'H' => self.hours = Some(number),
                    'h' => self.hours_of_half = if number == 12 { 0 } else { number },
                    'm' => self.minutes = number,
                    's' => self.seconds = number,
                    _ => self.millis = number,
                }
                start.get(sign + digits..)
            }
        }
    }

    fn millis(&self) -> Option<i64> {
        let half = if self.is_afternoon { 12 } else { 0 };
        let hours = self.hours.unwrap_or(self.hours_of_half + half);
        let minutes = (day(self.year, self.month, self.day) * 24 + hours) * 60 + self.minutes;
        ((minutes - self.zone) * 60 + self.seconds)
            .checked_mul(1000)?
            .checked_add(self.millis)
    }
}

fn starts_with(text: &str, word: &str) -> bool {
    text.get(..word.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// `Z`, `UTC`, `GMT+01:30`, `+0130`, `+01:30`: minutes east of UTC, and what follows.
fn parse_zone(text: &str) -> Option<(i64, &str)> {
    if let Some(rest) = text.strip_prefix("GMT") {
        return Some(parse_offset(rest).unwrap_or((0, rest)));
    }
    for name in ["UTC", "Z"] {
        if let Some(rest) = text.strip_prefix(name) {
            return Some((0, rest));
        }
    }
    parse_offset(text)
}

fn parse_offset(text: &str) -> Option<(i64, &str)> {
    let two = |text: &str, most: u8| {
        let digits = text.get(..2)?;
        let number: u8 = digits.parse().ok().filter(|number| *number <= most)?;
        digits
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then_some(i64::from(number))
    };
    let sign = match text.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let hours = two(text.get(1..)?, 23)?;
    let rest = text.get(3..)?;
    let after_colon = rest.strip_prefix(':').unwrap_or(rest);
    if !after_colon.starts_with(|c: char| c.is_ascii_digit()) {
        return Some((sign * hours * 60, rest));
    }
    let minutes = two(after_colon, 59)?;
    Some((sign * (hours * 60 + minutes), after_colon.get(2..)?))
}

fn eighty_years_ago() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |now| i64::try_from(now.as_millis()).unwrap_or(i64::MAX));
    let (year, month, day_of_month) = date(now.div_euclid(DAY));
    day(year - 80, month, day_of_month) * DAY + now.rem_euclid(DAY)
}

/// 1582-10-15, the first day of the Gregorian calendar, in days since 1970.
const CUTOVER: i64 = -141_427;
/// From 0000-03-01 of either calendar to 1970-01-01. Years that begin in March have their leap day at the end.
const GREGORIAN_EPOCH: i64 = 719_468;
const JULIAN_EPOCH: i64 = 719_470;

/// Days since 1970 of a date, whose month and day may be out of range. The year is below 2^32.
fn day(year: i64, month: i64, day: i64) -> i64 {
    let months = year * 12 + month - 1;
    // Months since March of year 0.
    let (march_year, march_month) = ((months - 2).div_euclid(12), (months - 2).rem_euclid(12));
    let day_of_year = (153 * march_month + 2) / 5 + day - 1;
    let days = march_year * 365 + march_year.div_euclid(4) + day_of_year;
    let centuries = march_year.div_euclid(100);
    let gregorian = days - centuries + centuries.div_euclid(4) - GREGORIAN_EPOCH;
    if year >= 1582 && gregorian >= CUTOVER {
        gregorian
    } else {
        days - JULIAN_EPOCH
    }
}

/// Year, month and day of a day since 1970.
fn date(day: i64) -> (i64, i64, i64) {
    let (year, day_of_year) = if day >= CUTOVER {
        let days = day + GREGORIAN_EPOCH;
        let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let before = 365 * year_of_era + year_of_era / 4 - year_of_era / 100;
        (era * 400 + year_of_era, day_of_era - before)
    } else {
        let days = day + JULIAN_EPOCH;
        let (era, day_of_era) = (days.div_euclid(1461), days.rem_euclid(1461));
        let year_of_era = (day_of_era - day_of_era / 1460) / 365;
        (era * 4 + year_of_era, day_of_era - 365 * year_of_era)
    };
    let march_month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * march_month + 2) / 5 + 1;
    if march_month < 10 {
        (year, march_month + 3, day_of_month)
    } else {
        (year + 1, march_month - 9, day_of_month)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(pattern: &str) -> DateFormat {
        DateFormat::new(pattern).expect(pattern)
    }

    #[test]
    fn texts_and_times_convert_as_in_java() {
        fn check(pattern: &str, text: &str, millis: i64) {
            let format = format(pattern);
            assert_eq!(format.parse(text), Some(millis), "{pattern}");
            assert_eq!(format.format(millis), text, "{pattern}");
        }
        check(
            "yyyy-MM-dd HH:mm:ss.SSS",
            "2023-11-14 22:13:20.123",
            1_700_000_000_123,
        );
        check("yyyyMMdd", "20231114", 1_699_920_000_000);
        check(
            "yyyy-MM-dd'T'HH:mm:ss'Z'",
            "2023-11-14T22:13:20Z",
            1_700_000_000_000,
        );
        check(
            "d MMM yyyy hh:mm a",
            "14 Nov 2023 10:13 PM",
            1_699_999_980_000,
        );
        check("yyyy-MM-dd", "1970-01-01", 0);
        check("yyyy-MM-dd", "2000-02-29", 951_782_400_000);
        check("yyyy-MM-dd", "0001-01-03", -62_135_596_800_000);
        check("yyyy-MM-dd", "1582-10-15", -12_219_292_800_000);
        check("yyyy-MM-dd", "1582-10-04", -12_219_379_200_000);
        check("yyyy-MM-dd", "275760-09-13", 8_640_000_000_000_000);
        check("EEE, EEEE d MMMM", "Tue, Tuesday 6 January", 432_000_000);
        let day_of_ends = "292278994-08-17T07:12:55.807Z";
        let pattern = "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'";
        check(pattern, day_of_ends, i64::MAX);
        assert_eq!(
            format(pattern).format(i64::MIN),
            "292269055-12-02T16:47:04.192Z"
        );
        assert_eq!(
            format(pattern).format(-99_999_999_999_999),
            "1200-02-26T14:13:20.001Z"
        );
        assert!(DateFormat::new("YYYY").is_none());
    }

    #[test]
    fn connects_texts_depend_on_the_time() {
        assert_eq!(connect_text(0), "00:00:00.000Z");
        assert_eq!(connect_text(-1), "23:59:59.999Z");
        assert_eq!(connect_text(-DAY), "00:00:00.000Z");
        assert_eq!(connect_text(DAY - 1), "23:59:59.999Z");
        assert_eq!(connect_text(DAY), "1970-01-02");
        assert_eq!(connect_text(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
        assert_eq!(connect_text(i64::MAX), "292278994-08-17T07:12:55.807Z");
    }

    #[test]
    fn parsing_is_as_lenient_as_javas() {
        fn check(pattern: &str, text: &str, millis: i64) {
            assert_eq!(format(pattern).parse(text), Some(millis), "{text}");
        }
        check(
            "yyyy-MM-dd'T'HH:mm:ss",
            "2024-13-40T25:61:61",
            1_739_152_921_000,
        );
        check("yyyy-MM-dd", "2024-01-99999", 10_343_894_400_000);
        check("yyyy-MM-dd", "2024-01-2147483647", 185_544_291_081_600_000);
        check(
            "yyyy-MM-dd",
            "2024-2147483647-01",
            5_647_338_232_128_000_000,
        );
        check("yyyy-MM-dd", "292278994-08-17", 9_223_372_036_828_800_000);
        check("HH", "2147483647", 7_730_941_129_200_000);
        check("yyyy-MM-dd", "2024-01--5", 1_703_548_800_000);
        check("yyyy-MM-dd", "-2024-01-05", -126_039_628_800_000);
        check("yyyy-MM-dd", "2024-00-00", 1_701_302_400_000);
        check("yyyy-MM-dd", "0000-01-01", -62_167_392_000_000);
        check("yyyy-MM-dd", " 2024- 1- 5", 1_704_412_800_000);
        check("yyyy-MM-dd", "2024-01-1e5", 1_704_067_200_000);
        check("yyyyMMddHHmmss", "20240105101112", 1_704_449_472_000);
        check("d MMM yyyy", "14 november 2023", 1_699_920_000_000);
        check("yyyy-MM-dd XXX", "2024-01-01 +01:30", 1_704_061_800_000);
        check("yyyy-MM-dd X", "2024-01-01 +01", 1_704_063_600_000);
        check("yyyy-MM-dd z", "2024-01-01 GMT+01:30", 1_704_061_800_000);
        check("hh a", "12 AM", 0);
        check("hh a", "13 PM", 90_000_000);
        check("yy", "24", 1_704_067_200_000);
        check("y", "24", 1_704_067_200_000);
        check("yy", "2024", 1_704_067_200_000);
        check("yy", "5", -62_009_539_200_000);
        check("yyyy", "24", -61_410_009_600_000);
    }

    #[test]
    fn what_fits_no_time_is_none() {
        for (pattern, text) in [
            ("yyyy-MM-dd", "2024-01-999999999999"),
            ("yyyy-MM-dd", "2024-999999999999-01"),
            ("yyyy-MM-dd", "999999999999-01-01"),
            ("yyyy-MM-dd", "292278995-01-01"),
            ("yyyy-MM-dd", "2147483647-01-01"),
            ("yyyy-MM-dd", "-2147483648-01-01"),
            ("yyyy-MM-dd", "2024-01-99999999999999999999999999"),
            ("HH", "9223372036854775807"),
            ("SSS", "9223372036854775808"),
            ("yyyy-MM-dd", "2024-1.5-5"),
            ("yyyy-MM-dd", "2024-01-"),
            ("yyyy-MM-dd", ""),
            ("yyyy-MM-dd", "nonsense"),
            ("yyyy-MM-dd", "2024-01-é"),
            ("yyyy-MM-dd X", "2024-01-01 +99"),
            ("yyyy-MM-dd Z", "2024-01-01 +9999"),
            ("yyyy-MM-dd X", "2024-01-01 +é1"),
            ("hh a", "10 XX"),
            ("MMM", "é"),
        ] {
            assert_eq!(format(pattern).parse(text), None, "{text}");
        }
    }
}
