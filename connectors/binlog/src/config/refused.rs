//! What this version refuses by name, and names of earlier releases.

use tidegate_api::Props;
use tidegate_api::config::invalid;
use tracing::warn;

use crate::masking;

/// Features of the original that this version does not have: setting one of these is refused by name.
const REFUSED: [&str; 23] = [
    "signal.data.collection",
    "signal.kafka.topic",
    "signal.file",
    "notification.enabled.channels",
    "notification.sink.topic.name",
    "converters",
    "post.processors",
    "topic.regex",
    "topic.replacement",
    "gtid.source.includes",
    "gtid.source.excludes",
    "gtid.ignore.on.recovery",
    "database.initial.statements",
    "schema.history.internal.file.filename",
    "snapshot.mode.custom.name",
    "snapshot.query.mode.custom.name",
    "snapshot.locking.mode.custom.name",
    "queue.provider.type",
    "openlineage.integration.config.file.path",
    "transaction.metadata.factory",
    "sourceinfo.struct.maker",
    "read.only",
    "heartbeat.action.query",
];

/// The same for settings whose default is the only value here.
const ONLY_VALUE: [(&str, &str); 8] = [
    ("provide.transaction.metadata", "false"),
    ("include.query", "false"),
    ("binlog.buffer.size", "0"),
    ("skip.messages.without.change", "false"),
    ("snapshot.query.mode", "select_all"),
    ("snapshot.tables.order.by.row.count", "disabled"),
    ("openlineage.integration.enabled", "false"),
    ("schema.history.internal.prefer.ddl", "false"),
];

const REFUSED_PREFIXES: [&str; 1] = ["incremental.snapshot.allow"];

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

fn refuse(errors: &mut Vec<(String, String)>, name: &str, value: &str, reason: &str) {
    errors.push((name.to_owned(), invalid(name, value, reason)));
}

/// Errors of settings that this version refuses: name and text.
pub(crate) fn refused(props: &Props) -> Vec<(String, String)> {
    let mut errors = Vec::new();
    for (name, value) in props.iter().filter(|(_, value)| !value.is_empty()) {
        if REFUSED.contains(&name)
            || REFUSED_PREFIXES
                .iter()
                .any(|prefix| name.starts_with(prefix))
        {
            refuse(
                &mut errors,
                name,
                value,
                "this version does not support it; remove it",
            );
        }
        if let Some((_, only)) = ONLY_VALUE
            .iter()
            .find(|(known, only)| *known == name && *only != value)
        {
            refuse(
                &mut errors,
                name,
                value,
                &format!("this version supports '{only}' only"),
            );
        }
        if let Err(error) = masking::rule(name, value) {
            errors.push((name.to_owned(), error.text().to_owned()));
        }
        if name == "topic.naming.strategy"
            && !value.ends_with("DefaultTopicNamingStrategy")
            && !value.ends_with("SchemaTopicNamingStrategy")
        {
            refuse(
                &mut errors,
                name,
                value,
                "this version supports io.debezium.schema.DefaultTopicNamingStrategy only",
            );
        }
    }
    errors
}
