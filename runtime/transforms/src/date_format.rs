//! Java's `SimpleDateFormat` in UTC: the letters that pipelines use; others are refused by name.

use chrono::{DateTime, Datelike as _, NaiveDate, TimeDelta, Timelike as _, Utc};

#[derive(Debug, Clone, PartialEq, Eq)]
enum Field {
    Literal(String),
    /// Letter and count.
    Letter(char, usize),
}

/// A parsed pattern.
#[derive(Debug, Clone)]
pub(crate) struct DateFormat(Vec<Field>);

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

impl DateFormat {
    /// `None` if a letter has no meaning here.
    pub(crate) fn new(pattern: &str) -> Option<Self> {
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
        Some(Self(fields))
    }

    pub(crate) fn format(&self, millis: i64) -> String {
        let at: DateTime<Utc> = DateTime::from_timestamp_millis(millis).unwrap_or_default();
        let mut out = String::new();
        let hour12 = |hour: u32| {
            if hour.is_multiple_of(12) {
                12
            } else {
                hour % 12
            }
        };
        for field in &self.0 {
            let (letter, count) = match field {
                Field::Literal(text) => {
                    out.push_str(text);
                    continue;
                }
                Field::Letter(letter, count) => (*letter, *count),
            };
            let text = match letter {
                'y' if count == 2 => format!("{:02}", at.year().rem_euclid(100)),
                'y' => format!("{:0count$}", at.year()),
                'M' if count >= 4 => MONTHS[at.month0() as usize].to_owned(),
                'M' if count == 3 => MONTHS[at.month0() as usize].chars().take(3).collect(),
                'M' => format!("{:0count$}", at.month()),
                'd' => format!("{:0count$}", at.day()),
                'H' => format!("{:0count$}", at.hour()),
                'h' => format!("{:0count$}", hour12(at.hour())),
                'm' => format!("{:0count$}", at.minute()),
                's' => format!("{:0count$}", at.second()),
                'S' => format!("{:0count$}", at.timestamp_subsec_millis()),
                'a' => if at.hour() < 12 { "AM" } else { "PM" }.to_owned(),
                'E' if count >= 4 => at.format("%A").to_string(),
                'E' => at.format("%a").to_string(),
                'X' => "Z".to_owned(),
                'Z' => "+0000".to_owned(),
                _ => "UTC".to_owned(),
            };
            out.push_str(&text);
        }
        out
    }

    /// Milliseconds since 1970; lenient about numbers out of range and about what follows. `None` if the text does not fit.
    pub(crate) fn parse(&self, text: &str) -> Option<i64> {
        let (mut year, mut month, mut day) = (1970_i32, 1_i64, 1_i64);
        let (mut hours, mut minutes, mut seconds, mut millis, mut zone) =
            (0_i64, 0_i64, 0_i64, 0_i64, 0_i64);
        let mut afternoon = None;
        let mut rest = text;
        for (index, field) in self.0.iter().enumerate() {
            let (letter, count) = match field {
                Field::Literal(literal) => {
                    rest = rest.strip_prefix(literal.as_str())?;
                    continue;
                }
                Field::Letter(letter, count) => (*letter, *count),
            };
            // Numbers that touch the next one have exactly their letters' width.
            let touches = matches!(self.0.get(index + 1), Some(Field::Letter(next, _)) if "yMdHhmsS".contains(*next));
            match letter {
                'M' if count >= 3 => {
                    let position = MONTHS.iter().position(|name| {
                        rest.get(..3).is_some_and(|start| {
                            name.get(..3)
                                .is_some_and(|short| short.eq_ignore_ascii_case(start))
                        })
                    })?;
                    let full = MONTHS[position];
                    let length = if rest
                        .get(..full.len())
                        .is_some_and(|start| start.eq_ignore_ascii_case(full))
                    {
                        full.len()
                    } else {
                        3
                    };
                    rest = rest.get(length..)?;
                    month = i64::try_from(position).ok()? + 1;
                }
                'a' => {
                    afternoon = Some(rest.get(..2)?.eq_ignore_ascii_case("PM"));
                    rest = rest.get(2..)?;
                }
                'E' => rest = rest.trim_start_matches(|c: char| c.is_alphabetic()),
                'X' | 'Z' | 'z' => (zone, rest) = parse_zone(rest)?,
                _ => {
                    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                    let digits = if touches { digits.min(count) } else { digits };
                    let number: i64 = rest.get(..digits)?.parse().ok()?;
                    rest = rest.get(digits..)?;
                    match letter {
                        'y' => {
                            year = i32::try_from(number).ok()?;
                            if count == 2 && digits == 2 {
                                year += if year < 70 { 2000 } else { 1900 };
                            }
                        }
                        'M' => month = number,
                        'd' => day = number,
                        'H' | 'h' => hours = number,
                        'm' => minutes = number,
                        's' => seconds = number,
                        _ => millis = number,
                    }
                }
            }
        }
        match afternoon {
            Some(true) if hours < 12 => hours += 12,
            Some(false) if hours == 12 => hours = 0,
            _ => {}
        }
        // Numbers out of their range roll over into the next unit.
        let months = i64::from(year) * 12 + month - 1;
        let first = NaiveDate::from_ymd_opt(
            i32::try_from(months.div_euclid(12)).ok()?,
            u32::try_from(months.rem_euclid(12)).ok()? + 1,
            1,
        )?;
        let days = first
            .signed_duration_since(NaiveDate::default())
            .checked_add(&TimeDelta::days(day - 1))?
            .num_days();
        Some((((days * 24 + hours) * 60 + minutes - zone) * 60 + seconds) * 1000 + millis)
    }
}

/// `Z`, `UTC`, `+0130`, `+01:30`: minutes east of UTC, and what follows.
fn parse_zone(text: &str) -> Option<(i64, &str)> {
    for name in ["UTC", "GMT", "Z"] {
        if let Some(rest) = text.strip_prefix(name) {
            return Some((0, rest));
        }
    }
    let sign = match text.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let hours: i64 = text.get(1..3)?.parse().ok()?;
    let rest = text.get(3..)?;
    let after_colon = rest.strip_prefix(':').unwrap_or(rest);
    match after_colon
        .get(..2)
        .and_then(|minutes| minutes.parse::<i64>().ok())
    {
        Some(minutes) => Some((sign * (hours * 60 + minutes), after_colon.get(2..)?)),
        None => Some((sign * hours * 60, rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_times_convert_as_in_java() {
        fn check(pattern: &str, text: &str, millis: i64) {
            let format = DateFormat::new(pattern).expect(pattern);
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
        let lenient = DateFormat::new("yyyy-MM-dd'T'HH:mm:ss").expect("a pattern");
        assert_eq!(
            lenient.parse("2024-13-40T25:61:61"),
            Some(1_739_152_921_000)
        );
        assert_eq!(lenient.parse("nonsense"), None);
        assert!(DateFormat::new("YYYY").is_none());
    }
}
