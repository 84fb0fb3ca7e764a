//! Checks of values that many keys share.

use super::{ConfigValue, invalid};

/// One of these words in any case, as Debezium's keys want it.
///
/// # Errors
/// The words that are allowed.
pub fn enumerated(name: &str, value: &ConfigValue, allowed: &[&str]) -> Result<(), String> {
    match value {
        ConfigValue::String(text)
            if !allowed.iter().any(|known| known.eq_ignore_ascii_case(text)) =>
        {
            let reason = format!("Value must be one of {}", allowed.join(", "));
            Err(invalid(name, text, &reason))
        }
        _ => Ok(()),
    }
}

/// A list without empty entries and without entries that come twice. Source: `ConfigDef.ValidList`.
///
/// # Errors
/// Which of both it is; entries that come twice are told first.
pub fn valid_list(name: &str, value: &ConfigValue) -> Result<(), String> {
    let ConfigValue::List(entries) = value else {
        return Ok(());
    };
    let is_repeated = |(index, entry)| entries[..index].contains(entry);
    let problem = if entries.iter().enumerate().any(is_repeated) {
        "duplicated"
    } else if entries.iter().any(String::is_empty) {
        "empty"
    } else {
        return Ok(());
    };
    Err(format!(
        "Configuration '{name}' values must not be {problem}."
    ))
}

/// As [`valid_list`], with at least one entry.
///
/// # Errors
/// As there, or that there is none.
pub fn filled_list(name: &str, value: &ConfigValue) -> Result<(), String> {
    match value {
        ConfigValue::List(entries) if entries.is_empty() => Err(format!(
            "Configuration '{name}' must not be empty. Valid values include: any non-empty value"
        )),
        _ => valid_list(name, value),
    }
}

/// One of these words exactly. Source: `ConfigDef.ValidString`.
///
/// # Errors
/// The words that are allowed.
pub fn valid_string(name: &str, value: &ConfigValue, allowed: &[&str]) -> Result<(), String> {
    match value {
        ConfigValue::String(text) if !allowed.contains(&text.as_str()) => {
            let reason = format!("String must be one of: {}", allowed.join(", "));
            Err(invalid(name, text, &reason))
        }
        _ => Ok(()),
    }
}
