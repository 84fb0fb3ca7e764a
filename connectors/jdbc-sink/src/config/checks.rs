//! Old names, and what the keys alone do not show.

use tidegate_api::config::ConfigInfo;
use tidegate_api::{ConfigDef, ConfigKey, Props};
use tracing::warn;

use super::Style;
use super::keys::{
    CONFLUENT_NAMES, DELETE_ENABLED, FIELD_EXCLUDE, FIELD_INCLUDE, INSERT_MODE, OLD_NAMES, PK_MODE,
    PK_MODE_CONFLUENT,
};

/// Old names replaced by today's.
pub(crate) fn with_todays_names(style: Style, props: &Props) -> Props {
    let mut renamed = props.clone();
    if style == Style::Debezium {
        for (old, new) in OLD_NAMES {
            if let (Some(value), false) = (props.raw(old), props.contains(new)) {
                renamed.set(new, value);
            }
        }
        for (name, instead) in CONFLUENT_NAMES {
            if props.contains(name) {
                warn!(
                    "'{name}' is a setting of another connector and has no effect here; use {instead}"
                );
            }
        }
    }
    renamed
}

/// Moves what is said of a name of today to the earlier one that was given in its place.
pub(crate) fn show_as_given(
    style: Style,
    infos: &mut [ConfigInfo],
    definition: &ConfigDef,
    given: &Props,
) {
    if style != Style::Debezium {
        return;
    }
    let plain = definition.validate(given);
    for (old, new) in OLD_NAMES {
        let position = |name: &str| infos.iter().position(|info| info.key.name == name);
        let (Some(old_place), Some(new_place)) = (position(old), position(new)) else {
            continue;
        };
        if !given.contains(old) || given.contains(new) {
            continue;
        }
        if let Some(info) = plain.iter().find(|info| info.key.name == new) {
            let shown = std::mem::replace(&mut infos[new_place], info.clone());
            let errors = shown.errors.iter().map(|error| error.replace(new, old));
            infos[old_place].errors.extend(errors);
        }
    }
}

/// Name and text of each error that the keys alone do not show.
pub(crate) fn cross_checks(style: Style, props: &Props) -> Vec<(String, String)> {
    let mut errors = Vec::new();
    let flag = |key: &ConfigKey<bool>| props.get(key).unwrap_or(false);
    let text = |key: &ConfigKey<String>| props.get(key).unwrap_or_default().to_ascii_lowercase();
    match style {
        Style::Debezium => {
            if !props.get(&FIELD_INCLUDE).unwrap_or_default().is_empty()
                && !props.get(&FIELD_EXCLUDE).unwrap_or_default().is_empty()
            {
                errors.push((FIELD_EXCLUDE.name().to_owned(), "Cannot define both field.exclude.list and field.include.list. Please specify only one.".to_owned()));
            }
            if text(&INSERT_MODE) == "upsert" && text(&PK_MODE) == "none" {
                errors.push((PK_MODE.name().to_owned(), "When using UPSERT, please define primary.key.mode: it is 'none', and rows have no key".to_owned()));
            }
            if flag(&DELETE_ENABLED)
                && !matches!(
                    text(&PK_MODE).as_str(),
                    "record_key" | "record_value" | "record_header"
                )
            {
                errors.push((PK_MODE.name().to_owned(), "When 'delete.enabled' is set to 'true', the 'primary.key.mode' option must be set to 'record_key'.".to_owned()));
            }
        }
        Style::Confluent => {
            if flag(&DELETE_ENABLED) && text(&PK_MODE_CONFLUENT) != "record_key" {
                for name in [PK_MODE_CONFLUENT.name(), DELETE_ENABLED.name()] {
                    errors.push((
                        name.to_owned(),
                        "Deletes are only supported for pk.mode record_key".to_owned(),
                    ));
                }
            }
        }
    }
    errors
}
