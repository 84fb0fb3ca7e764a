//! The worker's own topics.
//!
//! Source: `org.apache.kafka.connect.util.TopicAdmin`, `KafkaTopicBasedBackingStore`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tidegate_api::{ConnectError, Props, catch_panic, catch_panic_of};
use tidegate_log::{
    ClientConfig, ConsumedRecord, Log, LogError, NewTopic, TopicDescription, TopicLog,
};
use tracing::info;

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
    match log.describe_topic(&topic.name).await {
        Ok(Some(found)) => check(log, topic, &found, family).await?,
        Ok(None) => create(log, topic, settings, family).await?,
        // The principal may still be allowed to do all that follows.
        Err(LogError::Unauthorized(reason)) => {
            info!("Topic '{}' is taken to be there: {reason}", topic.name);
        }
        Err(error) => return Err(error.into()),
    }
    let config = client_config(worker_props);
    let producer = producer_config(&config);
    let state = Arc::new(Mutex::new(S::default()));
    let target = Arc::clone(&state);
    let on_record = move |record: ConsumedRecord| {
        let Some(key) = &record.key else { return };
        let mut state = target.lock().expect("no holder panics");
        let what = || format!("reading the record {}", String::from_utf8_lossy(key));
        let read = catch_panic_of(what, || state.replay(key, record.value.as_ref()));
        // What has been read so far serves until the worker has ended.
        drop(state);
        if let Err(panic) = read {
            panic!("{panic}");
        }
    };
    let what = format!("topic '{}' ({prefix}topic): its reader", topic.name);
    let started = TopicLog::start(Arc::clone(log), &topic.name, &producer, &config, on_record);
    let topic = catch_panic(&what, started).await??;
    Ok((state, topic))
}

async fn create(
    log: &Arc<dyn Log>,
    topic: &StorageTopic,
    settings: BTreeMap<String, String>,
    family: &str,
) -> Result<(), ConnectError> {
    let new = NewTopic {
        name: Arc::from(topic.name.as_str()),
        partitions: (topic.partitions != -1).then_some(topic.partitions),
        replication_factor: (topic.replication_factor != -1).then_some(topic.replication_factor),
        settings,
    };
    let (name, key) = (&topic.name, format!("{family}.storage"));
    let cure = match log.create_topic(&new).await {
        Ok(_) => return Ok(()),
        Err(error @ LogError::Unauthorized(_)) => (
            error,
            format!(
                "Topic '{name}' ({key}.topic) does not exist, and this worker may not create it. Create it with \
                 cleanup.policy=compact and {} partitions, or permit CREATE",
                topic.partitions
            ),
        ),
        Err(error) => (
            error,
            format!(
                "Could not create topic '{name}' ({key}.topic). With fewer brokers than {key}.replication.factor={} set \
                 that to their number",
                topic.replication_factor
            ),
        ),
    };
    Err(ConnectError::from(cure.0).context(cure.1))
}

/// Checks a topic that was there before.
async fn check(
    log: &Arc<dyn Log>,
    topic: &StorageTopic,
    found: &TopicDescription,
    family: &str,
) -> Result<(), ConnectError> {
    let settings = match log.topic_settings(&topic.name).await {
        Ok(settings) => settings,
        Err(LogError::Unauthorized(reason)) => {
            info!(
                "Whether topic '{}' has cleanup.policy=compact could not be seen: {reason}",
                topic.name
            );
            BTreeMap::new()
        }
        Err(error) => return Err(error.into()),
    };
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
    if family == "config" && found.partitions > 1 {
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
    use crate::testing::Bench;

    /// Breaks on a record.
    #[derive(Default)]
    struct Fragile(usize);

    impl Replay for Fragile {
        fn replay(&mut self, key: &Bytes, _value: Option<&Bytes>) {
            assert_ne!(&key[..], b"bad", "the test wants it");
            self.0 += 1;
        }
    }

    #[tokio::test]
    async fn a_reader_that_panics_says_which_record_and_reads_no_further() {
        let bench = Bench::distributed(&[]).await;
        let topic = StorageTopic {
            name: "fragile".to_owned(),
            partitions: 1,
            replication_factor: 1,
        };
        let open = || open::<Fragile>(&bench.log, &bench.config.props, &topic, "status");
        let (state, log) = open().await.unwrap();
        let records = ["good", "bad", "good"].map(|key| (Some(Bytes::from(key)), None));
        log.send_all(records.to_vec()).await.unwrap();
        let check = |text: &str| {
            for part in [
                "topic 'fragile'",
                "stores/topic.rs:",
                "record bad",
                "the test wants it",
            ] {
                assert!(text.contains(part), "{text}");
            }
        };
        check(&log.failed().await.to_string());
        let error = log.read_to_end().await.unwrap_err();
        assert!(!error.is_retriable());
        check(&error.to_string());
        assert_eq!(state.lock().unwrap().0, 1);
        let Err(error) = open().await else {
            panic!("it cannot be read");
        };
        check(error.text());
    }

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
