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
