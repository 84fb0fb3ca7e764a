//! DEFAULT clauses as defaults of Connect schemas: the value that the server has for the literal, or none.
//!
//! Source: Debezium `BinlogDefaultValueConverter`; where it has another value than the server, see DIFFERENCES.md.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

use tidegate_api::{Decimal, Str, Value};
use tidegate_mysql_ddl::{literal_bytes, literal_text};
use tidegate_relational::Column;

use super::ValueConfig;
use super::convert::{Origin, Target, is_unsigned};
use super::literals::{self, Precision};
use super::raw::Raw;
use super::temporal::{CivilDate, CivilDateTime};
use super::text;

/// The schema default of a column; `None` without one, or where the expression is no literal.
///
/// # Errors
/// If the literal does not fit the column's type.
pub(crate) fn of(
    column: &Column,
    target: &Target,
    config: ValueConfig,
) -> Result<Option<Value>, String> {
    let Some(expression) = column
        .default_expression
        .as_deref()
        .filter(|_| column.has_default)
    else {
        return Ok(None);
    };
    let Some(literal) = characters(expression) else {
        return Ok(None);
    };
    let trimmed = literal.trim();
    let precision = Precision {
        digits: column
            .length
            .and_then(|digits| u32::try_from(digits).ok())
            .unwrap_or(0),
        excess: config.excess_digits,
    };
    let adjuster = config.enable_time_adjuster;
    if let Some(value) = temporal_default(column, target, trimmed, precision, adjuster) {
        return value;
    }
    let raw = match target {
        // Blanks at its end are gone when the value is read.
        Target::String(_) if is_padded(column) => Raw::Text(literal.trim_end_matches(' ').into()),
        Target::String(_) | Target::Json => Raw::Text(Cow::Borrowed(&*literal)),
        Target::Enum(options) => match option(options, &literal) {
            Some(option) => Raw::Text(option.as_str().into()),
            None => return Ok(None),
        },
        Target::Set(options) => match members(options, &literal) {
            Some(members) => Raw::SetMembers(members),
            None => return Ok(None),
        },
        Target::Inet4 => {
            let address: Ipv4Addr = trimmed.parse().map_err(|_| not_a("address"))?;
            Raw::Bytes(address.octets().to_vec().into())
        }
        Target::Inet6 => {
            let address: Ipv6Addr = trimmed.parse().map_err(|_| not_a("address"))?;
            Raw::Bytes(address.octets().to_vec().into())
        }
        // Of bytes that were no text when the server showed them nothing is left.
        Target::Bytes(_) if literal.contains(char::REPLACEMENT_CHARACTER) => return Ok(None),
        Target::Bytes(form) => {
            let bytes = literal_bytes(expression).unwrap_or_else(|| literal.into_bytes());
            return Ok(Some(form.value(&bytes)));
        }
        Target::Bit | Target::Bits { .. } => bits(trimmed)?,
        Target::Boolean | Target::Int16 | Target::Int32 | Target::Int64 => {
            integer(trimmed, is_unsigned(&column.type_name.to_ascii_uppercase()))?
        }
        Target::Decimal { scale, .. } | Target::DecimalAsString { scale } => {
            let rounded = decimal(trimmed)?.rescaled_half_up(*scale);
            Raw::Decimal(rounded.ok_or_else(|| not_a("number of so many digits"))?)
        }
        Target::DecimalAsFloat64 => {
            let number = decimal(trimmed)?;
            let rounded = number.rescaled_half_up(column.scale.unwrap_or(0));
            Raw::Decimal(rounded.ok_or_else(|| not_a("number of so many digits"))?)
        }
        Target::UnsignedDecimal => {
            let rounded = decimal(trimmed)?.rescaled_half_up(0);
            let rounded = rounded.ok_or_else(|| not_a("number of so many digits"))?;
            return Ok(Some(Value::Decimal(rounded)));
        }
        Target::Float32 | Target::Float64 => Raw::Double(float(trimmed)?),
        Target::FloatAsFloat64 => Raw::Float(short_float(trimmed, column)?),
        Target::Time(_) => {
            Raw::Time(literals::time(trimmed, precision).ok_or_else(|| not_a("time"))?)
        }
        Target::Year => {
            Raw::Year(literals::year(number_word(trimmed)).ok_or_else(|| not_a("year"))?)
        }
        // Handled above.
        Target::Date(_) | Target::DateTime(_) | Target::Timestamp { .. } => return Ok(None),
        // The original's UUID columns have no default, so that null stays null.
        Target::Uuid | Target::Point(_) | Target::Geometry(_) | Target::FloatVector => {
            return Ok(None);
        }
    };
    target.value(raw, Origin::Snapshot, adjuster)
}

/// CHAR by any of its names.
fn is_padded(column: &Column) -> bool {
    let name = column.type_name.to_ascii_uppercase();
    let mut words = name.split(' ');
    let first = words.next();
    let is_char = |word: Option<&str>| matches!(word, Some("CHAR" | "CHARACTER" | "NCHAR"));
    let first = if first == Some("NATIONAL") {
        words.next()
    } else {
        first
    };
    is_char(first) && words.next().is_none_or(|word| !word.starts_with("VAR"))
}

fn not_a(kind: &str) -> String {
    format!("its literal is no {kind}")
}

/// The characters of a literal: escapes are gone, as are `N'…'` and the introducers of character sets. `None` if they are of
/// a character set that the text does not show.
fn characters(expression: &str) -> Option<String> {
    let Some((prefix, inner)) = quoted(expression) else {
        return Some(literal_text(expression));
    };
    let is_unicode =
        prefix.eq_ignore_ascii_case("n") || prefix.to_ascii_lowercase().starts_with("_utf8");
    (is_unicode || inner.is_ascii()).then(|| literal_text(inner))
}

/// `_utf8mb4'x'`, `N'x'`: what stands before the quotes and between them.
fn quoted(expression: &str) -> Option<(&str, &str)> {
    let (prefix, rest) = expression.split_once('\'')?;
    let is_prefix = prefix.eq_ignore_ascii_case("n")
        || prefix.strip_prefix('_').is_some_and(|name| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric())
        });
    let inner = rest.strip_suffix('\'').filter(|_| is_prefix)?;
    is_content(inner).then_some((prefix, inner))
}

/// Whether the text may stand between single quotes.
fn is_content(text: &str) -> bool {
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.next().is_none() => return false,
            '\'' if chars.next() != Some('\'') => return false,
            _ => {}
        }
    }
    true
}

fn number_word(literal: &str) -> &str {
    if literal.eq_ignore_ascii_case("true") {
        "1"
    } else if literal.eq_ignore_ascii_case("false") {
        "0"
    } else {
        literal
    }
}

/// An option as it is declared; servers do not tell cases apart, nor trailing spaces.
fn option<'a>(options: &'a [Str], literal: &str) -> Option<&'a Str> {
    let literal = literal.trim_end_matches(' ').replace(',', "\\,");
    let exact = options.iter().find(|option| **option == literal);
    exact.or_else(|| {
        let folded = literal.to_lowercase();
        options
            .iter()
            .find(|option| option.to_lowercase() == folded)
    })
}

fn members(options: &[Str], literal: &str) -> Option<u64> {
    if literal.trim_end_matches(' ').is_empty() {
        return Some(0);
    }
    literal.split(',').try_fold(0, |members, word| {
        let found = option(options, word)?;
        let index = options.iter().take(64).position(|option| option == found)?;
        Some(members | 1 << index)
    })
}

/// Rounded, as servers do.
fn integer(literal: &str, unsigned: bool) -> Result<Raw<'static>, String> {
    let rounded = decimal(literal)?.rescaled_half_up(0);
    let rounded = rounded.ok_or_else(|| not_a("number of so many digits"))?;
    let digits = rounded.to_plain_string();
    let number = if unsigned {
        digits.parse::<u64>().ok().map(u64::cast_signed)
    } else {
        digits.parse::<i64>().ok()
    };
    Ok(Raw::Integer(
        number.ok_or_else(|| not_a("number of the type's range"))?,
    ))
}

fn decimal(literal: &str) -> Result<Decimal, String> {
    let word = number_word(literal);
    word.strip_prefix('+')
        .unwrap_or(word)
        .trim_end_matches('.')
        .parse()
        .map_err(|_| not_a("decimal number"))
}

fn float(literal: &str) -> Result<f64, String> {
    number_word(literal).parse().map_err(|_| not_a("number"))
}

/// FLOAT(M,D): rounded to its decimals, then in single precision.
#[allow(
    clippy::cast_possible_truncation,
    reason = "the server stores single precision"
)]
fn short_float(literal: &str, column: &Column) -> Result<f32, String> {
    let number = float(literal)?;
    let decimals = column
        .scale
        .and_then(|scale| usize::try_from(scale).ok())
        .unwrap_or(0);
    let rounded = format!("{number:.decimals$}").parse().unwrap_or(number);
    Ok(rounded as f32)
}

/// Digits of bits; other digits are those of a number.
fn bits(literal: &str) -> Result<Raw<'static>, String> {
    let literal = number_word(literal);
    let number = match literal {
        "" => Ok(0),
        _ => u64::from_str_radix(literal, 2).or_else(|_| literal.parse()),
    };
    let number = number.map_err(|_| not_a("bit pattern"))?;
    Ok(Raw::Bytes(number.to_be_bytes().to_vec().into()))
}

const EPOCH: CivilDate = CivilDate {
    year: 1970,
    month: 1,
    day: 1,
};

/// Dates, date-times and timestamps; zero dates are the epoch in NOT NULL columns. `None` for other targets.
fn temporal_default(
    column: &Column,
    target: &Target,
    literal: &str,
    precision: Precision,
    time_adjuster: bool,
) -> Option<Result<Option<Value>, String>> {
    let midnight = |date: CivilDate| CivilDateTime {
        date,
        micros_of_day: 0,
    };
    if !matches!(
        target,
        Target::Date(_) | Target::DateTime(_) | Target::Timestamp { .. }
    ) {
        return None;
    }
    let at = match literals::date_time(literal, precision) {
        Some(at) if at.date.is_zero() || at.date.year == 0 => None,
        Some(at) if at.date.exists() => Some(at),
        // A function of the time, or what only the server can read.
        None => return Some(Ok(None)),
        Some(_) => {
            tracing::warn!(
                "Invalid default value '{literal}' for date column '{}'",
                column.name
            );
            None
        }
    };
    let at = match at {
        Some(at) => at,
        None if column.optional => return Some(Ok(None)),
        None => midnight(EPOCH),
    };
    // CURRENT_TIMESTAMP stands in the model as the epoch.
    if matches!(target, Target::Timestamp { .. }) && column.optional && at == midnight(EPOCH) {
        return Some(Ok(None));
    }
    let raw = match target {
        Target::Date(_) => Raw::Date(at.date),
        Target::DateTime(_) => Raw::DateTime(at),
        _ => text::timestamp(at),
    };
    let origin = match target {
        // What stands for CURRENT_TIMESTAMP has no fraction, whatever the column's precision.
        Target::Timestamp { .. } if at == midnight(EPOCH) => Origin::Snapshot,
        _ => Origin::Stream,
    };
    // Values of rows are adjusted, too.
    Some(target.value(raw, origin, time_adjuster))
}

#[cfg(test)]
mod tests {
    use tidegate_mysql_ddl::{Schemas, SqlMode};
    use tidegate_relational::TableId;

    use super::*;

    #[test]
    fn literals_stand_for_characters() {
        fn check(expression: &str, expected: Option<&str>) {
            assert_eq!(characters(expression).as_deref(), expected, "{expression}");
        }
        check("it''s", Some("it's"));
        check(r"it\'s", Some("it's"));
        check(r"a\\b\nc\%", Some("a\\b\nc\\%"));
        check("N'x'", Some("x"));
        check("_utf8mb4'ж''s'", Some("ж's"));
        check("_latin1'x'", Some("x"));
        check("_latin1'é'", None);
        check("_x", Some("_x"));
        check("_utf8mb4''y''", Some("_utf8mb4'y'"));
    }

    /// Default of a column as a statement defines it, `None` where it has none.
    fn default(definition: &str, mode: &str) -> Option<Value> {
        let mut schemas = Schemas::default();
        schemas.set_sql_mode(SqlMode::parse(mode));
        let statement = format!("CREATE TABLE t (c {definition})");
        schemas.apply("d", &statement).expect("a statement");
        let table = schemas.table(&TableId::in_database("d", "t"));
        let column = &table.expect("a table").columns[0];
        let config = ValueConfig::default();
        let target = Target::of(column, config)
            .expect("a type")
            .expect("a target");
        of(column, &target, config).unwrap_or_default()
    }

    #[track_caller]
    fn check(definition: &str, expected: Value) {
        let expected = (expected != Value::Null).then_some(expected);
        assert_eq!(default(definition, ""), expected, "{definition}");
    }

    #[test]
    fn defaults_of_times_are_those_of_the_server() {
        check("YEAR DEFAULT 12", Value::Int32(2012));
        check("YEAR DEFAULT '0'", Value::Int32(2000));
        check("YEAR DEFAULT '99'", Value::Int32(1999));
        check("YEAR DEFAULT 99", Value::Int32(1999));
        check("DATE DEFAULT '24-02-29'", Value::Int32(19_782));
        check("DATE NOT NULL DEFAULT '24-3-5'", Value::Int32(19_787));
        check("DATE DEFAULT 20240305", Value::Int32(19_787));
        check("DATE DEFAULT '2024/03/05'", Value::Int32(19_787));
        check("DATE DEFAULT CURDATE()", Value::Null);
        check("TIME DEFAULT 102030", Value::Int64(37_230_000_000));
        check("TIME DEFAULT '10:20'", Value::Int64(37_200_000_000));
        check("TIME DEFAULT '10'", Value::Int64(10_000_000));
        check(
            "DATETIME DEFAULT '24-02-29 1:2:3'",
            Value::Int64(1_709_168_523_000),
        );
        check("DATETIME DEFAULT LOCALTIME()", Value::Null);
        check(
            "DATETIME(3) DEFAULT '2024-02-29 10:20:30.9999'",
            Value::Int64(1_709_202_030_999),
        );
    }

    #[test]
    fn defaults_of_bits_and_numbers_are_those_of_the_server() {
        let bits = |bytes: &'static [u8]| Value::Bytes(bytes.into());
        check("BIT(8) DEFAULT b'1010'", bits(&[10]));
        check("BIT(8) DEFAULT 10", bits(&[10]));
        check("BIT(8) DEFAULT 5", bits(&[5]));
        check("BIT(8) DEFAULT '1'", bits(&[0x31]));
        check("BIT(4) DEFAULT 0b11", Value::Null);
        check("INT DEFAULT b'101'", Value::Int32(5));
        check("INT DEFAULT +5", Value::Int32(5));
        check("INT DEFAULT '-5.5'", Value::Int32(-6));
        check(
            "BIGINT DEFAULT 9007199254740993",
            Value::Int64(9_007_199_254_740_993),
        );
        check(
            "BIGINT UNSIGNED DEFAULT 18446744073709551615",
            Value::Int64(-1),
        );
        check(
            "FLOAT(7,4) DEFAULT 123.45678",
            Value::Float64(f64::from(123.4568_f32)),
        );
    }

    #[test]
    fn defaults_of_texts_are_those_of_the_server() {
        let text = |text: &str| Value::string(text);
        check("VARCHAR(9) DEFAULT 'it''s'", text("it's"));
        check(r"VARCHAR(9) DEFAULT 'it\'s'", text("it's"));
        check(r#"VARCHAR(9) DEFAULT "it's ""x""""#, text("it's \"x\""));
        check(r"VARCHAR(9) DEFAULT 'a\nb\\'", text("a\nb\\"));
        check("VARCHAR(9) DEFAULT 'a' 'b'", text("ab"));
        check("VARCHAR(9) DEFAULT N'x'", text("x"));
        check("VARCHAR(9) DEFAULT _utf8mb4'x'", text("x"));
        check("VARCHAR(9) DEFAULT x'5A'", Value::Null);
        check("VARCHAR(9) DEFAULT b'01011010'", text("Z"));
        check("VARCHAR(9) DEFAULT TRUE", text("1"));
        check("VARCHAR(9) DEFAULT 1e3", text("1000"));
        check("VARCHAR(9) DEFAULT 007", text("7"));
        check("ENUM('a','it''s') DEFAULT 'A'", text("a"));
        check("ENUM('a','it''s') DEFAULT 'IT''S'", text("it's"));
        check("SET('a','b') DEFAULT 'B,a'", text("a,b"));
        check("ENUM('a','it''s','1') DEFAULT 2", text("it's"));
        check("ENUM('a','1') DEFAULT '1'", text("1"));
        check("SET('a','b','c') DEFAULT 5", text("a,c"));
        check("CHAR(9) DEFAULT ' x '", text(" x"));
        check("NATIONAL CHARACTER(9) DEFAULT 'x '", text("x"));
        check("CHAR VARYING(9) DEFAULT 'x '", text("x "));
        check("BLOB DEFAULT 'a\u{fffd}'", Value::Null);
        assert_eq!(
            default(r"VARCHAR(9) DEFAULT 'a\n'", "NO_BACKSLASH_ESCAPES"),
            Some(text(r"a\n"))
        );
    }
}
