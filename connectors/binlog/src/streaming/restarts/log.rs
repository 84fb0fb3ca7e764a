//! A log of topics in memory, for the schema history.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt as _;
use tidegate_api::{TimestampType, TopicPartition};
use tidegate_log::{
    AppendReceipt, ClientConfig, ConsumedRecord, Consumer, GroupClaim, Log, LogError, LogProvider,
    NewTopic, Producer, ProducerRecord, Reader, RecordMetadata, Subscription, TopicCreation,
    TopicDescription,
};

/// The records of one topic of one partition. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct MemoryLog {
    values: Arc<Mutex<Vec<Bytes>>>,
}

impl MemoryLog {
    /// Another log with the first `count` records of this one.
    pub(super) fn with_first(&self, count: usize) -> Self {
        let values = self.values().into_iter().take(count).collect();
        Self {
            values: Arc::new(Mutex::new(values)),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.values().len()
    }

    fn values(&self) -> Vec<Bytes> {
        self.values
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn next_offset(&self) -> i64 {
        i64::try_from(self.len()).unwrap_or(i64::MAX)
    }
}

fn unused(what: &str) -> LogError {
    LogError::Invalid(format!("{what} of the log in memory"))
}

#[async_trait]
impl LogProvider for MemoryLog {
    async fn connect(&self, _: &ClientConfig) -> Result<Arc<dyn Log>, LogError> {
        Ok(Arc::new(self.clone()))
    }
}

#[async_trait]
impl Log for MemoryLog {
    async fn cluster_id(&self) -> Result<String, LogError> {
        Ok("memory".to_owned())
    }
    async fn create_topic(&self, _: &NewTopic) -> Result<TopicCreation, LogError> {
        Ok(TopicCreation::Existed)
    }
    async fn describe_topic(&self, topic: &str) -> Result<Option<TopicDescription>, LogError> {
        Ok(Some(TopicDescription {
            name: Arc::from(topic),
            partitions: 1,
            replication_factor: 1,
        }))
    }
    async fn topic_settings(&self, _: &str) -> Result<BTreeMap<String, String>, LogError> {
        Err(unused("settings"))
    }
    async fn topics(&self) -> Result<Vec<Arc<str>>, LogError> {
        Err(unused("topics"))
    }
    async fn delete_topic(&self, _: &str) -> Result<(), LogError> {
        Err(unused("deletion"))
    }
    async fn offsets(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<HashMap<TopicPartition, (i64, i64)>, LogError> {
        let bounds = (0, self.next_offset());
        Ok(partitions
            .iter()
            .map(|partition| (partition.clone(), bounds))
            .collect())
    }
    async fn producer(&self, _: &ClientConfig) -> Result<Arc<dyn Producer>, LogError> {
        Ok(Arc::new(self.clone()))
    }
    async fn consumer(
        &self,
        _: &ClientConfig,
        _: Subscription,
    ) -> Result<Box<dyn Consumer>, LogError> {
        Err(unused("consumers"))
    }
    async fn reader(
        &self,
        _: &ClientConfig,
        start: &[(TopicPartition, i64)],
    ) -> Result<Box<dyn Reader>, LogError> {
        let (partition, offset) = start.first().cloned().ok_or_else(|| unused("no start"))?;
        Ok(Box::new(MemoryReader {
            log: self.clone(),
            partition,
            offset,
        }))
    }
    async fn group_offsets(&self, _: &str) -> Result<BTreeMap<TopicPartition, i64>, LogError> {
        Err(unused("groups"))
    }
    async fn alter_group_offsets(
        &self,
        _: &str,
        _: &[(TopicPartition, Option<i64>)],
    ) -> Result<(), LogError> {
        Err(unused("groups"))
    }
    async fn delete_group(&self, _: &str) -> Result<(), LogError> {
        Err(unused("groups"))
    }
    async fn claim_group(
        &self,
        _: &str,
        _: &str,
        _: &str,
        _: Duration,
    ) -> Result<GroupClaim, LogError> {
        Err(unused("groups"))
    }
}

#[async_trait]
impl Producer for MemoryLog {
    async fn append(&self, records: Vec<ProducerRecord>) -> Result<AppendReceipt, LogError> {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let mut stored = Vec::new();
        for record in records {
            let offset = i64::try_from(values.len()).unwrap_or(i64::MAX);
            values.push(record.value.unwrap_or_default());
            stored.push(Ok(RecordMetadata {
                partition: 0,
                offset,
            }));
        }
        Ok(async move { stored }.boxed())
    }
    async fn flush(&self, _: Duration) -> Result<(), LogError> {
        Ok(())
    }
    async fn close(&self, _: Duration) {}
}

struct MemoryReader {
    log: MemoryLog,
    partition: TopicPartition,
    offset: i64,
}

#[async_trait]
impl Reader for MemoryReader {
    async fn poll(&mut self, _: Duration) -> Result<Vec<ConsumedRecord>, LogError> {
        let first = self.offset;
        self.offset = self.log.next_offset();
        Ok((0..)
            .zip(self.log.values())
            .filter(|(offset, _)| *offset >= first)
            .map(|(offset, value)| ConsumedRecord {
                topic: Arc::clone(&self.partition.topic),
                partition: 0,
                offset,
                timestamp: None,
                timestamp_type: TimestampType::CreateTime,
                key: None,
                value: Some(value),
                headers: tidegate_log::RecordHeaders::new(),
            })
            .collect())
    }
    fn position(&self, _: &TopicPartition) -> Option<i64> {
        Some(self.offset)
    }
}
