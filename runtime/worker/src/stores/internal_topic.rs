//! Makes sure that one of the worker's own topics exists and is compacted.
//!
//! Source: `org.apache.kafka.connect.util.TopicAdmin`, `storage.KafkaTopicBasedBackingStore`.

use std::sync::Arc;
use std::time::Duration;

use tidegate_log::{Log, LogError, NewTopic, TopicCreation};
use tokio::time::Instant;
use tracing::{debug, info};

use crate::config::StoreTopic;
use crate::errors::WorkerError;

/// `default.api.timeout.ms` and `retry.backoff.ms` of the original's admin client.
const PATIENCE: Duration = Duration::from_secs(60);
const BACKOFF: Duration = Duration::from_millis(100);
const CLEANUP_POLICY: &str = "cleanup.policy";
const COMPACT: &str = "compact";

/// Creates the topic, or checks the one that exists.
///
/// # Errors
/// `Config` with the original's text if the existing topic is not compacted or a config topic has several partitions;
/// `Log` if it can be neither created nor seen.
pub(crate) async fn ensure(log: &Arc<dyn Log>, topic: &StoreTopic) -> Result<(), WorkerError> {
    let mut settings = topic.settings.clone();
    settings.insert(CLEANUP_POLICY.to_owned(), COMPACT.to_owned());
    let new = NewTopic {
        name: Arc::from(topic.name.as_str()),
        partitions: topic.partitions,
        replication_factor: topic.replication_factor,
        settings,
    };
    let deadline = Instant::now() + PATIENCE;
    let created = loop {
        match log.create_topic(&new).await {
            Ok(creation) => break creation,
            Err(LogError::Unauthorized(reason)) => {
                debug!(topic = %new.name, reason, "not allowed to create the topic; it should exist");
                break TopicCreation::Existed;
            }
            Err(error) if error.is_retriable() && Instant::now() < deadline => {
                debug!(topic = %new.name, %error, "could not create the topic yet");
                tokio::time::sleep(BACKOFF).await;
            }
            Err(error) => {
                let action = format!("could not create topic '{}' of property '{}'", new.name, topic.key);
                return Err(WorkerError::log(action)(error));
            }
        }
    };
    if created == TopicCreation::Created {
        info!(topic = %new.name, "created topic");
        return Ok(());
    }
    check(log, topic).await
}

async fn check(log: &Arc<dyn Log>, topic: &StoreTopic) -> Result<(), WorkerError> {
    let StoreTopic { key, purpose, name, .. } = topic;
    let must_be_single = topic.partitions == Some(1) && *key == crate::config::keys::CONFIG_TOPIC.name();
    let description = log
        .describe_topic(name)
        .await
        .map_err(WorkerError::log(format!("could not look at topic '{name}' of property '{key}'")))?;
    let partitions = description.map_or(1, |description| description.partitions);
    if must_be_single && partitions != 1 {
        return Err(WorkerError::Config(format!(
            "Topic '{name}' supplied via the '{key}' property is required to have a single partition in order to \
             guarantee consistency of connector configurations, but found {partitions} partitions."
        )));
    }
    let policy = match log.topic_settings(name).await {
        Ok(settings) => settings.get(CLEANUP_POLICY).cloned(),
        Err(error) => {
            info!(topic = %name, %error, "could not read the topic's settings; taken for compacted");
            None
        }
    };
    match policy {
        Some(policy) if policy != COMPACT => Err(WorkerError::Config(format!(
            "Topic '{name}' supplied via the '{key}' property is required to have 'cleanup.policy=compact' to guarantee \
             consistency and durability of {purpose}, but found the topic currently has 'cleanup.policy={policy}'. \
             Continuing would likely result in eventually losing {purpose} and problems restarting this Connect cluster \
             in the future. Change the '{key}' property in the Connect worker configurations to use a topic with \
             'cleanup.policy=compact'."
        ))),
        _ => Ok(()),
    }
}
