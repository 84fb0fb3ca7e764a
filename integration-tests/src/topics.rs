//! Topics as an ordinary client reads them.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Headers as _, Message as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tidegate_api::TopicPartition;
use tidegate_embedded::EmbeddedLog;
use tidegate_log::Log as _;

const DEADLINE: Duration = Duration::from_mins(1);
const REQUEST: Duration = Duration::from_secs(10);

/// A record as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub partition: i32,
    pub offset: i64,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Vec<(String, Option<Bytes>)>,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub timestamp: Option<i64>,
}

impl Message {
    /// The key as text; empty without one.
    pub fn key_text(&self) -> String {
        text(self.key.as_ref())
    }
    /// The value as text; empty without one.
    pub fn value_text(&self) -> String {
        text(self.value.as_ref())
    }
    /// The value as JSON; `Null` for a tombstone.
    pub fn value_json(&self) -> Result<serde_json::Value> {
        self.value
            .as_ref()
            .map_or(Ok(serde_json::Value::Null), |value| {
                serde_json::from_slice(value).with_context(|| self.value_text())
            })
    }
}

fn text(bytes: Option<&Bytes>) -> String {
    bytes.map_or_else(String::new, |bytes| {
        String::from_utf8_lossy(bytes).into_owned()
    })
}

/// All records of a topic up to its present end, ordered by partition and offset; none if there is no such topic.
pub async fn read_topic(bootstrap: &str, topic: &str) -> Result<Vec<Message>> {
    let (bootstrap, name) = (bootstrap.to_owned(), topic.to_owned());
    tokio::task::spawn_blocking(move || read(&bootstrap, &name))
        .await?
        .with_context(|| format!("could not read topic {topic}"))
}

/// All records of partition 0 of a topic in the embedded log in `folder`, whose worker is stopped; none if there is no such
/// topic.
pub async fn read_embedded_topic(folder: &Path, topic: &str) -> Result<Vec<Message>> {
    let log = EmbeddedLog::open(folder)?;
    let partition = TopicPartition::new(topic, 0);
    let Ok(bounds) = log.offsets(std::slice::from_ref(&partition)).await else {
        return Ok(Vec::new());
    };
    let (first, end) = bounds.get(&partition).copied().unwrap_or_default();
    let start = [(partition.clone(), first)];
    let config = tidegate_log::ClientConfig::default();
    let mut reader = log.reader(&config, &start).await?;
    let mut messages = Vec::new();
    while reader
        .position(&partition)
        .is_some_and(|position| position < end)
    {
        let batch = reader.poll(REQUEST).await?;
        ensure!(
            !batch.is_empty(),
            "topic {topic} does not reach offset {end}"
        );
        messages.extend(batch.into_iter().map(|record| Message {
            partition: record.partition,
            offset: record.offset,
            key: record.key,
            value: record.value,
            headers: Vec::new(),
            timestamp: record.timestamp,
        }));
    }
    Ok(messages)
}

/// Names of all topics but Kafka's own, in order.
pub async fn topic_names(bootstrap: &str) -> Result<Vec<String>> {
    let bootstrap = bootstrap.to_owned();
    tokio::task::spawn_blocking(move || {
        let metadata = consumer(&bootstrap)?.fetch_metadata(None, REQUEST)?;
        let mut names: Vec<String> = metadata
            .topics()
            .iter()
            .map(|topic| topic.name().to_owned())
            .filter(|name| !name.starts_with("__"))
            .collect();
        names.sort();
        Ok(names)
    })
    .await?
}

fn consumer(bootstrap: &str) -> Result<BaseConsumer> {
    Ok(ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "none")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("allow.auto.create.topics", "false")
        .set("isolation.level", "read_committed")
        .set("fetch.wait.max.ms", "10")
        .create()?)
}

fn read(bootstrap: &str, topic: &str) -> Result<Vec<Message>> {
    let consumer = consumer(bootstrap)?;
    let metadata = consumer.fetch_metadata(Some(topic), REQUEST)?;
    let partitions = metadata
        .topics()
        .first()
        .map_or(&[][..], |t| t.partitions());
    let mut assignment = TopicPartitionList::new();
    for partition in partitions {
        assignment.add_partition_offset(topic, partition.id(), Offset::Beginning)?;
    }
    consumer.assign(&assignment)?;
    let mut open = partitions.len();
    let mut messages = Vec::new();
    let end = Instant::now() + DEADLINE;
    while open > 0 {
        ensure!(
            Instant::now() < end,
            "the end did not come within {DEADLINE:?}"
        );
        let message = match consumer.poll(Duration::from_millis(200)) {
            None => continue,
            Some(Err(rdkafka::error::KafkaError::PartitionEOF(_))) => {
                open -= 1;
                continue;
            }
            Some(Err(error)) => bail!(error),
            Some(Ok(message)) => message,
        };
        let bytes = |slice: Option<&[u8]>| slice.map(Bytes::copy_from_slice);
        let headers = message.headers().map_or_else(Vec::new, |headers| {
            headers
                .iter()
                .map(|header| (header.key.to_owned(), bytes(header.value)))
                .collect()
        });
        messages.push(Message {
            partition: message.partition(),
            offset: message.offset(),
            key: bytes(message.key()),
            value: bytes(message.payload()),
            headers,
            timestamp: message.timestamp().to_millis(),
        });
    }
    messages.sort_by_key(|message| (message.partition, message.offset));
    Ok(messages)
}
