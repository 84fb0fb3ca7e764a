//! What values of the keys must be like.

use tidegate_api::config::{self, ConfigValue, invalid_field};
use tidegate_cdc::filters::Patterns;

use tidegate_cdc::key_columns::KeyColumns;

use super::words;

/// The one kind of schema history that there is.
pub(super) const KAFKA_HISTORY: &str = "io.debezium.storage.kafka.history.KafkaSchemaHistory";

fn text_of(value: &ConfigValue) -> Option<&str> {
    match value {
        ConfigValue::String(text) => Some(text),
        _ => None,
    }
}

/// As Debezium's `Field.isEnum` wants it.
pub(super) fn enumerated(name: &str, value: &ConfigValue, allowed: &[&str]) -> Result<(), String> {
    config::enumerated(name, value, allowed).map_err(|_| {
        let problem = format!("Value must be one of {}", allowed.join(", "));
        invalid_field(name, &problem)
    })
}

pub(super) fn history_class(name: &str, value: &ConfigValue) -> Result<(), String> {
    match text_of(value) {
        Some(class)
            if !class.ends_with("KafkaSchemaHistory")
                && !class.ends_with("KafkaDatabaseHistory") =>
        {
            Err(invalid_field(
                name,
                &format!("this version supports {KAFKA_HISTORY} only; keep the history in a topic"),
            ))
        }
        _ => Ok(()),
    }
}

pub(super) fn time_precision(name: &str, value: &ConfigValue) -> Result<(), String> {
    if text_of(value).is_some_and(|text| text.eq_ignore_ascii_case("adaptive")) {
        let problem = "The 'adaptive' time.precision.mode is no longer supported";
        return Err(invalid_field(name, problem));
    }
    enumerated(name, value, words::TIME_MODES)
}

/// What there is in place of a mode that this version does not have.
pub(super) fn snapshot_mode(name: &str, value: &ConfigValue) -> Result<(), String> {
    let mode = text_of(value).unwrap_or_default().to_ascii_lowercase();
    if ["custom", "configuration_based"].contains(&mode.as_str()) {
        let problem = format!(
            "this version does not support '{mode}': use one of {}",
            words::SNAPSHOT_MODES.join(", ")
        );
        return Err(invalid_field(name, &problem));
    }
    enumerated(name, value, words::SNAPSHOT_MODES)
}

pub(super) fn locking_mode_mariadb(name: &str, value: &ConfigValue) -> Result<(), String> {
    enumerated(name, value, words::LOCKING_MODES_MARIADB)
}

pub(super) fn legal_name(name: &str, value: &ConfigValue) -> Result<(), String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match text_of(value) {
        Some(text) if text.is_empty() || !text.chars().all(legal) => {
            let problem = format!(
                "{text} has invalid format (only the underscore, hyphen, dot and alphanumeric characters are allowed)"
            );
            Err(invalid_field(name, &problem))
        }
        _ => Ok(()),
    }
}

pub(super) fn server_id(name: &str, value: &ConfigValue) -> Result<(), String> {
    positive_long(name, value)?;
    match value {
        ConfigValue::Long(number) if u32::try_from(*number).is_err() => Err(invalid_field(
            name,
            "ids of servers are numbers up to 4294967295",
        )),
        _ => Ok(()),
    }
}

fn whole(value: &ConfigValue) -> Option<i64> {
    match value {
        ConfigValue::Int(number) => Some((*number).into()),
        ConfigValue::Long(number) => Some(*number),
        _ => None,
    }
}

/// As Debezium's `Field.isPositiveInteger`, which also stands at keys of type LONG.
pub(super) fn positive_integer(name: &str, value: &ConfigValue) -> Result<(), String> {
    match whole(value) {
        Some(number) if number < 1 || i32::try_from(number).is_err() => Err(invalid_field(
            name,
            "A positive, non-zero integer value is expected",
        )),
        _ => Ok(()),
    }
}

/// As Debezium's `Field.isPositiveLong`.
pub(super) fn positive_long(name: &str, value: &ConfigValue) -> Result<(), String> {
    match whole(value) {
        Some(number) if number < 1 => Err(invalid_field(
            name,
            "A positive, non-zero long value is expected",
        )),
        _ => Ok(()),
    }
}

/// As Debezium's `Field.isNonNegativeInteger` and `isNonNegativeLong`.
pub(super) fn non_negative(name: &str, value: &ConfigValue) -> Result<(), String> {
    match value {
        ConfigValue::Int(number) if *number < 0 => {
            Err(invalid_field(name, "An non-negative integer is expected"))
        }
        ConfigValue::Long(number) if *number < 0 => {
            Err(invalid_field(name, "A non-negative long value is expected"))
        }
        _ => Ok(()),
    }
}

pub(super) fn not_negative(name: &str, value: &ConfigValue) -> Result<(), String> {
    match value {
        ConfigValue::Int(number) if *number < 0 => Err(invalid_field(
            name,
            "A positive or zero integer value is required",
        )),
        _ => Ok(()),
    }
}

pub(super) fn port(name: &str, value: &ConfigValue) -> Result<(), String> {
    match value {
        ConfigValue::Int(number) if u16::try_from(*number).is_err() => Err(invalid_field(
            name,
            "the port is not a number from 0 to 65535",
        )),
        _ => Ok(()),
    }
}

pub(super) fn patterns(name: &str, value: &ConfigValue) -> Result<(), String> {
    text_of(value).map_or(Ok(()), |text| {
        Patterns::new(name, text)
            .map(drop)
            .map_err(|error| error.text().to_owned())
    })
}

pub(super) fn key_columns(name: &str, value: &ConfigValue) -> Result<(), String> {
    text_of(value).map_or(Ok(()), |text| {
        KeyColumns::new(name, text)
            .map(drop)
            .map_err(|error| error.text().to_owned())
    })
}

pub(super) fn operations(name: &str, value: &ConfigValue) -> Result<(), String> {
    let ConfigValue::List(operations) = value else {
        return Ok(());
    };
    if operations
        .iter()
        .any(|operation| !["c", "u", "d", "t", "none"].contains(&operation.as_str()))
    {
        return Err(invalid_field(name, "Invalid operation"));
    }
    if operations.len() > 1 && operations.iter().any(|operation| operation == "none") {
        return Err(invalid_field(
            name,
            "'none' cannot be specified with other skipped operation types",
        ));
    }
    Ok(())
}

/// As Debezium's `Field.isInteger` at a key of type STRING.
fn integer(name: &str, value: &ConfigValue) -> Result<(), String> {
    match text_of(value) {
        Some(text) if text.parse::<i32>().is_err() => {
            Err(invalid_field(name, "An integer is expected"))
        }
        _ => Ok(()),
    }
}

/// As Debezium's `Field.isNonNegativeLong` at a key of type INT.
fn non_negative_long(name: &str, value: &ConfigValue) -> Result<(), String> {
    match whole(value) {
        Some(number) if number < 0 => {
            Err(invalid_field(name, "A non-negative long value is expected"))
        }
        _ => Ok(()),
    }
}

/// A list without the empty entries at its end, which Java's `split` passes over.
fn without_last(entries: &[String]) -> &[String] {
    let last = entries.iter().rposition(|entry| !entry.is_empty());
    entries
        .get(..=last.unwrap_or_default())
        .filter(|_| last.is_some())
        .unwrap_or_default()
}

/// As Debezium's `Field.isMap`: `k1=v1,k2=v2`.
fn map(name: &str, value: &ConfigValue) -> Result<(), String> {
    let is_pair = |entry: &String| entry.split('=').count() == 2 && !entry.starts_with('=');
    match value {
        ConfigValue::List(entries) if !without_last(entries).iter().all(is_pair) => {
            Err(invalid_field(
                name,
                "A equivalent-separated map of valid key/value pairs is expected, for example: k1=v1,k2=v2",
            ))
        }
        _ => Ok(()),
    }
}

/// As Debezium's `CommonConnectorConfig.validateSignalDataCollection` for connectors of one task.
fn one_collection(name: &str, value: &ConfigValue) -> Result<(), String> {
    match value {
        ConfigValue::List(collections) if without_last(collections).len() > 1 => {
            Err(invalid_field(
                name,
                "For single task connector only one signal data collection is permitted.",
            ))
        }
        _ => Ok(()),
    }
}

/// Checks of keys that have no effect here.
pub(super) static WITHOUT_EFFECT: [(&str, config::Validator); 23] = [
    ("binlog.net.read.timeout", non_negative),
    ("binlog.net.write.timeout", non_negative),
    ("column.mask.with.(d+).chars", integer),
    ("connection.validation.timeout.ms", positive_long),
    ("custom.metric.tags", map),
    ("ddl.parser.type", |name, value| {
        enumerated(name, value, words::DDL_PARSERS)
    }),
    (
        "event.deserialization.failure.handling.mode",
        |name, value| enumerated(name, value, words::PROCESSING_FAILURES),
    ),
    ("executor.shutdown.timeout.ms", positive_long),
    ("guardrail.collections.limit.action", |name, value| {
        enumerated(name, value, words::GUARDRAIL_ACTIONS)
    }),
    ("guardrail.collections.max", non_negative),
    ("incremental.snapshot.chunk.size", non_negative),
    (
        "incremental.snapshot.watermarking.strategy",
        |name, value| enumerated(name, value, words::WATERMARKS),
    ),
    ("min.row.count.to.stream.results", non_negative_long),
    ("openlineage.integration.job.owners", map),
    ("openlineage.integration.job.tags", map),
    ("query.fetch.size", non_negative),
    ("signal.data.collection", one_collection),
    ("signal.poll.interval.ms", positive_integer),
    ("snapshot.fetch.size", non_negative),
    ("snapshot.max.threads", positive_integer),
    ("snapshot.max.threads.multiplier", positive_integer),
    ("snapshot.tables.order.by.row.count", |name, value| {
        enumerated(name, value, words::TABLE_ORDERS)
    }),
    ("streaming.delay.ms", non_negative),
];
