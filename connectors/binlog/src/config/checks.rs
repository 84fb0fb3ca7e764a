//! Names of earlier releases, and what the keys alone do not show.

use tidegate_api::Props;
use tidegate_cdc::masking;
use tracing::warn;

use super::together::contradictions;

/// Names of earlier releases and today's.
const OLD_NAMES: [(&str, &str); 9] = [
    ("database.server.name", "topic.prefix"),
    ("database.whitelist", "database.include.list"),
    ("database.blacklist", "database.exclude.list"),
    ("table.whitelist", "table.include.list"),
    ("table.blacklist", "table.exclude.list"),
    ("column.whitelist", "column.include.list"),
    ("column.blacklist", "column.exclude.list"),
    (
        "database.history.kafka.topic",
        "schema.history.internal.kafka.topic",
    ),
    (
        "database.history.kafka.bootstrap.servers",
        "schema.history.internal.kafka.bootstrap.servers",
    ),
];

/// The properties with names of earlier releases replaced by today's.
pub(crate) fn with_todays_names(props: &Props) -> Props {
    let mut renamed = props.clone();
    for (old, new) in OLD_NAMES {
        if let (Some(value), false) = (props.raw(old), props.contains(new)) {
            warn!("Property '{old}' is the name of earlier releases; use '{new}'");
            renamed.set(new, value);
        }
    }
    renamed
}

pub(super) const TOPIC_NAMING: &str = "topic.naming.strategy";

/// Errors that the keys alone do not show: name and text.
pub(crate) fn cross_checks(props: &Props) -> Vec<(String, String)> {
    let mut errors = contradictions(props);
    for (name, value) in props.iter().filter(|(_, value)| !value.is_empty()) {
        if let Err(error) = masking::rule(name, value) {
            errors.push((name.to_owned(), error.text().to_owned()));
        }
    }
    errors
}
