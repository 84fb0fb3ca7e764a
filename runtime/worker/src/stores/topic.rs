//! The worker's own topics.
//!
//! Source: `org.apache.kafka.connect.util.TopicAdmin`, `KafkaTopicBasedBackingStore`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tidegate_api::{ConnectError, Props};
use tidegate_log::{ClientConfig, ConsumedRecord, Log, NewTopic, TopicLog};

use crate::config::StorageTopic;

/// What a store keeps of a topic's records.
pub(crate) trait Replay: Default + Send + 'static {
    fn replay(&mut self, key: &Bytes, value: Option<&Bytes>);
}

/// Creates the topic if it is missing, checks it if it is there, reads it to its end and follows it.
pub(crate) async fn open<S: Replay>(
    log: &Arc<dyn Log>,
    worker_props: &Props,
    topic: &StorageTopic,
    family: &str,
) -> Result<(Arc<Mutex<S>>, TopicLog), ConnectError> {
    let prefix = format!("{family}.storage.");
    let mut settings: BTreeMap<String, String> = worker_props
        .with_prefix(&prefix)
        .iter()
        .filter(|(name, _)| {
            !["topic", "partitions", "replication.factor", "file.filename"].contains(name)
        })
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    settings.insert("cleanup.policy".to_owned(), "compact".to_owned());
    let new = NewTopic {
        name: Arc::from(topic.name.as_str()),
        partitions: (topic.partitions != -1).then_some(topic.partitions),
        replication_factor: (topic.replication_factor != -1).then_some(topic.replication_factor),
        settings,
    };
    log.create_topic(&new).await.map_err(|error| {
        ConnectError::from(error).context(format!(
            "Could not create topic '{}' ({prefix}topic). With fewer brokers than {prefix}replication.factor={} set that to their number",
            topic.name, topic.replication_factor
        ))
    })?;
    check(log, topic, family).await?;
    let config = client_config(worker_props);
    let producer = producer_config(&config);
    let state = Arc::new(Mutex::new(S::default()));
    let target = Arc::clone(&state);
    let on_record = move |record: ConsumedRecord| {
        if let Some(key) = &record.key {
            let mut state = target.lock().expect("no holder panics");
            state.replay(key, record.value.as_ref());
        }
    };
    let topic =
        TopicLog::start(Arc::clone(log), &topic.name, &producer, &config, on_record).await?;
    Ok((state, topic))
}

async fn check(log: &Arc<dyn Log>, topic: &StorageTopic, family: &str) -> Result<(), ConnectError> {
    let settings = log.topic_settings(&topic.name).await?;
    let purpose = match family {
        "config" => "connector configurations",
        "status" => "connector and task statuses",
        _ => "source connector offsets",
    };
    if let Some(policy) = settings
        .get("cleanup.policy")
        .filter(|policy| *policy != "compact")
    {
        return Err(ConnectError::config(format!(
            "Topic '{}' supplied via the '{family}.storage.topic' property is required to have 'cleanup.policy=compact' to \
             guarantee consistency and durability of {purpose}, but found the topic currently has \
             'cleanup.policy={policy}'. Continuing would likely result in eventually losing {purpose} and \
             problems restarting this Connect cluster in the future. Change the '{family}.storage.topic' property in the \
             Connect worker configurations to use a topic with 'cleanup.policy=compact'.",
            topic.name
        )));
    }
    if family == "config"
        && let Some(found) = log
            .describe_topic(&topic.name)
            .await?
            .filter(|found| found.partitions > 1)
    {
        return Err(ConnectError::config(format!(
            "Topic '{}' supplied via the 'config.storage.topic' property is required to have a single partition in order \
             to guarantee consistency of connector configurations, but found {} partitions.",
            topic.name, found.partitions
        )));
    }
    Ok(())
}

/// Not idempotent unless that is wished for, as in the original: these producers live as long as the worker, and an
/// idempotent one ends for good when a broker has lost records of it.
fn producer_config(config: &ClientConfig) -> ClientConfig {
    let mut config = config.clone();
    config
        .0
        .entry("enable.idempotence".to_owned())
        .or_insert_with(|| "false".to_owned());
    config
}

/// The worker's own clients get its settings as they are, but for those of others.
pub(crate) fn client_config(worker_props: &Props) -> ClientConfig {
    const NOT_FOR_CLIENTS: [&str; 9] = [
        "producer.",
        "consumer.",
        "admin.",
        "key.converter",
        "value.converter",
        "header.converter",
        "config.",
        "offset.",
        "status.",
    ];
    worker_props
        .iter()
        .filter(|(name, _)| {
            !NOT_FOR_CLIENTS
                .iter()
                .any(|prefix| name.starts_with(prefix))
        })
        .filter(|(name, _)| {
            !matches!(
                *name,
                "group.id" | "session.timeout.ms" | "heartbeat.interval.ms"
            )
        })
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internal_producers_are_idempotent_only_where_that_is_wished_for() {
        let check = |config: ClientConfig, expected: &str| {
            let producer = producer_config(&config);
            assert_eq!(producer.get("enable.idempotence"), Some(expected));
        };
        check(ClientConfig::default(), "false");
        let wished = ClientConfig::default().with("enable.idempotence", "true");
        check(wished, "true");
    }
}
