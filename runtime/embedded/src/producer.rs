//! Appending: records become batches in the caller's task, the writer only assigns offsets.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt as _;
use tidegate_log::partitioner::partition_for_key;
use tidegate_log::{AppendReceipt, LogError, NewTopic, Producer, ProducerRecord, RecordMetadata};
use tokio::sync::oneshot;

use crate::batch;
use crate::core::Core;
use crate::maintenance::now;
use crate::topics::{MAX_MESSAGE_BYTES, Topic};
use crate::writer::{Part, Request};

/// A stored batch is cut off at this size, so that readers need little memory.
pub(crate) const BATCH_BYTES: usize = 512 * 1024;

#[derive(Debug)]
pub(crate) struct EmbeddedProducer {
    core: Arc<Core>,
    /// Chooses partitions for records without a key.
    turn: AtomicU32,
}

impl EmbeddedProducer {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self {
            core,
            turn: AtomicU32::new(0),
        }
    }

    async fn topic(&self, name: &Arc<str>) -> Result<Arc<Topic>, LogError> {
        if let Some(topic) = self.core.topics.get(name) {
            return Ok(topic);
        }
        let new = NewTopic {
            name: Arc::clone(name),
            partitions: None,
            replication_factor: None,
            settings: BTreeMap::new(),
        };
        self.core.create_topic(&new).await?;
        self.core
            .topics
            .get(name)
            .ok_or_else(|| LogError::NotFound(format!("topic '{name}' has just been deleted")))
    }
}

/// What `append` makes of its records: parts for the writer, and for each record its place in them or why it has none.
#[derive(Default)]
struct Sorted {
    parts: Vec<Part>,
    /// Part that a topic and partition is being written to.
    open: HashMap<(i64, i32), usize>,
    /// Part and distance of each record.
    places: Vec<Result<(usize, i64), LogError>>,
}

impl Sorted {
    fn add(&mut self, topic: &Arc<Topic>, partition: i32, record: &ProducerRecord, now: i64) {
        let at = self.part(topic, partition);
        let part = &mut self.parts[at];
        let timestamp = record.timestamp.unwrap_or(now);
        batch::encode(
            &mut part.data,
            part.count.cast_unsigned(),
            timestamp,
            record,
        );
        self.places.push(Ok((at, part.count)));
        part.count += 1;
        part.max_timestamp = part.max_timestamp.max(timestamp);
    }

    fn part(&mut self, topic: &Arc<Topic>, partition: i32) -> usize {
        let place = (topic.id, partition);
        if let Some(at) = self.open.get(&place)
            && self.parts[*at].data.len() <= BATCH_BYTES
        {
            return *at;
        }
        self.parts.push(Part {
            topic: Arc::clone(topic),
            partition,
            count: 0,
            max_timestamp: i64::MIN,
            data: Vec::new(),
        });
        self.open.insert(place, self.parts.len() - 1);
        self.parts.len() - 1
    }
}

/// The partition that a record goes to; `turn` chooses one for a record without key.
///
/// # Errors
/// Why the topic does not take the record.
fn admit(topic: &Topic, record: &ProducerRecord, turn: i32) -> Result<i32, LogError> {
    let partition = match (record.partition, &record.key) {
        (Some(partition), _) => partition,
        (None, Some(key)) => partition_for_key(key, topic.partition_count()),
        (None, None) => turn % topic.partition_count().max(1),
    };
    if topic.partition(partition).is_none() {
        return Err(LogError::Invalid(format!(
            "topic '{}' has no partition {partition}",
            record.topic
        )));
    }
    if record.size() > topic.max_message_bytes {
        return Err(LogError::Invalid(format!(
            "topic '{}' takes records of at most {} bytes ({MAX_MESSAGE_BYTES}), not of {}",
            record.topic,
            topic.max_message_bytes,
            record.size()
        )));
    }
    if record.key.is_none() && topic.is_compacted {
        return Err(LogError::Invalid(format!(
            "topic '{}' is compacted (cleanup.policy): a record without key cannot be stored there",
            record.topic
        )));
    }
    Ok(partition)
}

#[async_trait]
impl Producer for EmbeddedProducer {
    async fn append(&self, records: Vec<ProducerRecord>) -> Result<AppendReceipt, LogError> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed).cast_signed() & i32::MAX;
        let now = now();
        let mut sorted = Sorted {
            places: Vec::with_capacity(records.len()),
            ..Sorted::default()
        };
        // That of the last record, or why it cannot be had.
        let mut last: Option<(Arc<str>, Result<Arc<Topic>, LogError>)> = None;
        for record in &records {
            let (name, topic) = match last.take() {
                Some(last) if last.0 == record.topic => last,
                _ => (Arc::clone(&record.topic), self.topic(&record.topic).await),
            };
            match &topic {
                Ok(topic) => match admit(topic, record, turn) {
                    Ok(partition) => sorted.add(topic, partition, record, now),
                    Err(refusal) => sorted.places.push(Err(refusal)),
                },
                Err(error) if error.is_retriable() => return Err(error.clone()),
                Err(refusal) => sorted.places.push(Err(refusal.clone())),
            }
            last = Some((name, topic));
        }
        drop(records);
        let Sorted { parts, places, .. } = sorted;
        let partitions: Vec<i32> = parts.iter().map(|part| part.partition).collect();
        let (done, bases) = oneshot::channel();
        // Also without parts: the receipt then comes in its turn.
        self.core
            .writer
            .send(Request::Append { parts, done })
            .await?;
        Ok(async move {
            let bases = bases.await.unwrap_or_else(|_| {
                Err(LogError::Fatal(
                    "the embedded log was closed before the records were stored".to_owned(),
                ))
            });
            let stored = |(part, distance): (usize, i64)| match &bases {
                Ok(bases) => Ok(RecordMetadata {
                    partition: partitions[part],
                    offset: bases[part] + distance,
                }),
                Err(error) => Err(error.clone()),
            };
            places
                .into_iter()
                .map(|place| place.and_then(stored))
                .collect()
        }
        .boxed())
    }

    async fn flush(&self, timeout: Duration) -> Result<(), LogError> {
        // The writer takes requests in order, so that an empty one ends when all before it have.
        tokio::time::timeout(timeout, self.core.writer.execute(|_| Ok(()), |()| ()))
            .await
            .map_err(|_| {
                LogError::Unavailable(format!(
                    "the embedded log did not store everything within {timeout:?}"
                ))
            })?
    }

    /// The writer takes requests in order: whatever is handed over later comes behind.
    async fn close(&self, grace: Duration) {
        // Nothing can be taken back from the writer, which is only slow if the disk is.
        drop(self.flush(grace).await);
    }
}
