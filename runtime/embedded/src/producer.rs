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
use crate::log::Core;
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

#[async_trait]
impl Producer for EmbeddedProducer {
    async fn append(&self, records: Vec<ProducerRecord>) -> Result<AppendReceipt, LogError> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed).cast_signed() & i32::MAX;
        let now = now();
        let mut parts: Vec<Part> = Vec::new();
        // Part that a topic and partition is being written to.
        let mut open: HashMap<(i64, i32), usize> = HashMap::new();
        // Part and distance of each record.
        let mut places = Vec::with_capacity(records.len());
        let mut topic: Option<Arc<Topic>> = None;
        for record in &records {
            let current = match &topic {
                Some(current) if current.name == record.topic => Arc::clone(current),
                _ => self.topic(&record.topic).await?,
            };
            let partition = match (record.partition, &record.key) {
                (Some(partition), _) => partition,
                (None, Some(key)) => partition_for_key(key, current.partition_count()),
                (None, None) => turn % current.partition_count().max(1),
            };
            if current.partition(partition).is_none() {
                return Err(LogError::Invalid(format!(
                    "topic '{}' has no partition {partition}",
                    record.topic
                )));
            }
            if record.size() > current.max_message_bytes {
                return Err(LogError::Invalid(format!(
                    "topic '{}' takes records of at most {} bytes ({MAX_MESSAGE_BYTES}), not of {}",
                    record.topic,
                    current.max_message_bytes,
                    record.size()
                )));
            }
            if record.key.is_none() && current.is_compacted {
                return Err(LogError::Invalid(format!(
                    "topic '{}' is compacted (cleanup.policy): a record without key cannot be stored there",
                    record.topic
                )));
            }
            let at = *open
                .entry((current.id, partition))
                .and_modify(|at| {
                    if parts[*at].data.len() > BATCH_BYTES {
                        *at = usize::MAX;
                    }
                })
                .or_insert(usize::MAX);
            let at = if at == usize::MAX {
                parts.push(Part {
                    topic: Arc::clone(&current),
                    partition,
                    count: 0,
                    max_timestamp: i64::MIN,
                    data: Vec::new(),
                });
                open.insert((current.id, partition), parts.len() - 1);
                parts.len() - 1
            } else {
                at
            };
            let part = &mut parts[at];
            let timestamp = record.timestamp.unwrap_or(now);
            batch::encode(
                &mut part.data,
                part.count.cast_unsigned(),
                timestamp,
                record,
            );
            places.push((at, part.count));
            part.count += 1;
            part.max_timestamp = part.max_timestamp.max(timestamp);
            topic = Some(current);
        }
        drop(records);
        if parts.is_empty() {
            return Ok(async { Vec::new() }.boxed());
        }
        let partitions: Vec<i32> = parts.iter().map(|part| part.partition).collect();
        let (done, bases) = oneshot::channel();
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
            places
                .into_iter()
                .map(|(part, distance)| match &bases {
                    Ok(bases) => Ok(RecordMetadata {
                        partition: partitions[part],
                        offset: bases[part] + distance,
                    }),
                    Err(error) => Err(error.clone()),
                })
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
}
