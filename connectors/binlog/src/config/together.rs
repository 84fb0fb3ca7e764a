//! What values must be like beside each other.
//!
//! Source: Debezium `RelationalDatabaseConnectorConfig`, `BinlogConnectorConfig` (exclude lists), `CommonConnectorConfig`
//! (`validateMaxQueueSize`).

use tidegate_api::config::invalid_field;
use tidegate_api::{ConfigKey, Props};

use super::keys::{
    COLUMN_EXCLUDE, COLUMN_INCLUDE, DATABASE_EXCLUDE, DATABASE_INCLUDE, MAX_BATCH_SIZE,
    MAX_QUEUE_SIZE, TABLE_EXCLUDE, TABLE_INCLUDE,
};

/// Errors of values that contradict each other: name and text. A value that is wrong by itself has an error elsewhere.
pub(super) fn contradictions(props: &Props) -> Vec<(String, String)> {
    let lists = [
        (&DATABASE_INCLUDE, &DATABASE_EXCLUDE),
        (&TABLE_INCLUDE, &TABLE_EXCLUDE),
        (&COLUMN_INCLUDE, &COLUMN_EXCLUDE),
    ];
    let both = lists
        .into_iter()
        .filter_map(|(include, exclude)| both_lists(props, include, exclude));
    both.chain(queue_size(props))
        .chain(sink_topic(props))
        .collect()
}

/// Notifications are not sent here; a configuration that asks for them is as whole as the original wants it.
///
/// Source: Debezium `SinkNotificationChannel.validateNotificationTopicName`.
fn sink_topic(props: &Props) -> Option<(String, String)> {
    const TOPIC: &str = "notification.sink.topic.name";
    let channels = props.raw("notification.enabled.channels")?;
    let has_sink = channels.split(',').any(|channel| channel.trim() == "sink");
    let is_given = props.raw(TOPIC).is_some_and(|topic| !topic.is_empty());
    let problem =
        "Notification topic name must be provided when kafka notification channel is enabled";
    (has_sink && !is_given).then(|| (TOPIC.to_owned(), invalid_field(TOPIC, problem)))
}

fn both_lists(
    props: &Props,
    include: &ConfigKey<String>,
    exclude: &ConfigKey<String>,
) -> Option<(String, String)> {
    let value = |key: &ConfigKey<String>| props.raw(key.name()).filter(|list| !list.is_empty());
    value(include)?;
    value(exclude)?;
    let problem = format!("\"{}\" is already specified", include.name());
    let text = invalid_field(exclude.name(), &problem);
    Some((exclude.name().to_owned(), text))
}

fn queue_size(props: &Props) -> Option<(String, String)> {
    let queue = props.get(&MAX_QUEUE_SIZE).ok()?;
    let default_batch = Props::new().get(&MAX_BATCH_SIZE).ok()?;
    let problem = if queue < 1 {
        "A positive queue size is required"
    } else if queue <= props.get(&MAX_BATCH_SIZE).unwrap_or(default_batch) {
        "Must be larger than the maximum batch size"
    } else {
        return None;
    };
    let name = MAX_QUEUE_SIZE.name();
    Some((name.to_owned(), invalid_field(name, problem)))
}
