//! What values of the keys must be like.

use tidegate_api::config::{ConfigValue, enumerated, invalid};
use tidegate_cdc::filters::Patterns;

use super::KeyColumns;
use super::keys::KAFKA_HISTORY;

fn text_of(value: &ConfigValue) -> Option<&str> {
    match value {
        ConfigValue::String(text) => Some(text),
        _ => None,
    }
}

pub(super) fn only_none(name: &str, value: &ConfigValue) -> Result<(), String> {
    match text_of(value) {
        Some(text) if text != "none" => {
            Err(invalid(name, text, "this version supports 'none' only"))
        }
        _ => Ok(()),
    }
}

pub(super) fn history_class(name: &str, value: &ConfigValue) -> Result<(), String> {
    match text_of(value) {
        Some(class)
            if !class.ends_with("KafkaSchemaHistory")
                && !class.ends_with("KafkaDatabaseHistory") =>
        {
            Err(invalid(
                name,
                class,
                &format!("this version supports {KAFKA_HISTORY} only"),
            ))
        }
        _ => Ok(()),
    }
}

pub(super) fn time_precision(name: &str, value: &ConfigValue) -> Result<(), String> {
    if text_of(value).is_some_and(|text| text.eq_ignore_ascii_case("adaptive")) {
        return Err(invalid(
            name,
            "adaptive",
            "The 'adaptive' time.precision.mode is no longer supported",
        ));
    }
    enumerated(
        name,
        value,
        &[
            "adaptive_time_microseconds",
            "connect",
            "microseconds",
            "nanoseconds",
            "isostring",
        ],
    )
}

pub(super) fn snapshot_mode(name: &str, value: &ConfigValue) -> Result<(), String> {
    let known = [
        "initial",
        "initial_only",
        "no_data",
        "schema_only",
        "never",
        "when_needed",
        "recovery",
        "schema_only_recovery",
        "always",
    ];
    enumerated(name, value, &known)
}

pub(super) fn legal_name(name: &str, value: &ConfigValue) -> Result<(), String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match text_of(value) {
        Some(text) if text.is_empty() || !text.chars().all(legal) => Err(format!(
            "Invalid value {text} for configuration {name}: {text} has invalid format (only the underscore, hyphen, dot and alphanumeric characters are allowed)"
        )),
        _ => Ok(()),
    }
}

pub(super) fn positive(name: &str, value: &ConfigValue) -> Result<(), String> {
    match value {
        ConfigValue::Long(number) if !(1..=i64::from(u32::MAX)).contains(number) => {
            Err(invalid(name, number, "A positive long value is required"))
        }
        _ => Ok(()),
    }
}

pub(super) fn not_negative(name: &str, value: &ConfigValue) -> Result<(), String> {
    match value {
        ConfigValue::Int(number) if *number < 0 => Err(invalid(
            name,
            number,
            "A positive or zero integer value is required",
        )),
        _ => Ok(()),
    }
}

pub(super) fn port(name: &str, value: &ConfigValue) -> Result<(), String> {
    match value {
        ConfigValue::Int(number) if u16::try_from(*number).is_err() => Err(invalid(
            name,
            number,
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
    let text = operations.join(",");
    if operations
        .iter()
        .any(|operation| !["c", "u", "d", "t", "none"].contains(&operation.as_str()))
    {
        return Err(invalid(name, text, "Invalid operation"));
    }
    if operations.len() > 1 && operations.iter().any(|operation| operation == "none") {
        return Err(invalid(
            name,
            text,
            "'none' cannot be specified with other skipped operation types",
        ));
    }
    Ok(())
}
