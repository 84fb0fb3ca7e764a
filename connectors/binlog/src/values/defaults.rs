//! DEFAULT clauses as defaults of Connect schemas.
//!
//! Source: Debezium `BinlogDefaultValueConverter`.

use tidegate_api::{Decimal, Value};
use tidegate_relational::Column;

use super::convert::{Origin, Target};
use super::raw::Raw;
use super::temporal::{self, CivilDate, CivilDateTime};
use super::text;

/// The schema default of a column; `None` without one, or where the expression is no literal.
///
/// # Errors
/// If the literal does not fit the column's type.
pub(crate) fn of(column: &Column, target: &Target) -> Result<Option<Value>, String> {
    let Some(expression) = column
        .default_expression
        .as_deref()
        .filter(|_| column.has_default)
    else {
        return Ok(None);
    };
    let literal = without_introducer(expression);
    if let Some(value) = temporal_default(column, target, literal.trim()) {
        return value;
    }
    let raw = match target {
        Target::String(_)
        | Target::Enum(_)
        | Target::Set(_)
        | Target::Json
        | Target::Inet4
        | Target::Inet6 => Raw::Text(literal.into()),
        Target::Bytes(form) => return Ok(Some(form.value(literal.as_bytes()))),
        Target::Bit | Target::Bits { .. } => bits(literal.trim())?,
        Target::Boolean | Target::Int16 | Target::Int32 | Target::Int64 => integer(literal.trim())?,
        Target::Decimal { scale, .. } | Target::DecimalAsString { scale } => {
            Raw::Decimal(decimal(literal.trim())?.rescaled_half_up(*scale))
        }
        Target::DecimalAsFloat64 => Raw::Decimal(decimal(literal.trim())?),
        Target::UnsignedDecimal => {
            return Ok(Some(Value::Decimal(
                decimal(literal.trim())?.rescaled_half_up(0),
            )));
        }
        // Unlike cells, literals are read in double precision.
        Target::Float32 | Target::FloatAsFloat64 | Target::Float64 => Raw::Double(
            number_word(literal.trim())
                .parse()
                .map_err(|_| not_a("number"))?,
        ),
        Target::Time(_) => {
            // A date before the time is ignored.
            let time = literal.trim().rsplit([' ', 'T']).next().unwrap_or_default();
            Raw::Time(temporal::parse_time(time).ok_or_else(|| not_a("time"))?)
        }
        Target::Year => Raw::Year(literal.trim().parse().map_err(|_| not_a("year"))?),
        // Handled above.
        Target::Date(_) | Target::DateTime(_) | Target::Timestamp { .. } => return Ok(None),
        // The original's UUID columns have no default, so that null stays null.
        Target::Uuid | Target::Point(_) | Target::Geometry(_) | Target::FloatVector => {
            return Ok(None);
        }
    };
    target.value(raw, Origin::Snapshot, false)
}

fn not_a(kind: &str) -> String {
    format!("its literal is no {kind}")
}

/// `_utf8mb4'x'` is `x`.
fn without_introducer(expression: &str) -> &str {
    expression
        .strip_prefix('_')
        .and_then(|rest| rest.split_once('\''))
        .filter(|(charset, _)| charset.chars().all(|c| c.is_ascii_alphanumeric()))
        .and_then(|(_, quoted)| quoted.strip_suffix('\''))
        .unwrap_or(expression)
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

/// Read in double precision and rounded, as the original does.
#[allow(
    clippy::cast_possible_truncation,
    reason = "saturates, as Java's Math.round"
)]
fn integer(literal: &str) -> Result<Raw<'static>, String> {
    let number: f64 = number_word(literal).parse().map_err(|_| not_a("number"))?;
    Ok(Raw::Integer((number + 0.5).floor() as i64))
}

fn decimal(literal: &str) -> Result<Decimal, String> {
    number_word(literal)
        .parse()
        .map_err(|_| not_a("decimal number"))
}

fn bits(literal: &str) -> Result<Raw<'static>, String> {
    let number = u64::from_str_radix(number_word(literal), 2)
        .or_else(|_| literal.parse())
        .map_err(|_| not_a("bit pattern"))?;
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
    let at = if literal == "0" {
        Some(midnight(CivilDate {
            year: 0,
            month: 0,
            day: 0,
        }))
    } else {
        temporal::parse_date_time(literal)
    };
    let at = match at {
        Some(at) if at.date.is_zero() || at.date.year == 0 => None,
        Some(at) if at.date.exists() => Some(at),
        _ => {
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
    Some(target.value(raw, origin, false))
}
