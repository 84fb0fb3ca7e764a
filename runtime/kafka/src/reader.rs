//! Partitions read from given offsets, outside of any group.
//!
//! Woken by its queue like a [member](crate::consumer). The end of a partition is an event of its own, so that the position
//! also moves past records that are never returned.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::topic_partition_list::Offset;
use tidegate_api::TopicPartition;
use tidegate_log::{ClientConfig, ConsumedRecord, LogError, Reader};
use tokio::time::Instant;

use crate::blocking;
use crate::consumer::Client;
use crate::errors;
use crate::native::{Event, Failure};
use crate::records::Records;
use crate::settings::Kind;

/// Records that one poll returns at most.
const MAX_RECORDS: usize = 2000;
/// A poll that has this many bytes returns.
const MAX_BYTES: usize = 4 << 20;

pub(crate) struct KafkaReader {
    /// Taken at the end only.
    client: Option<Arc<Client>>,
    records: Records,
    /// The next offset of each partition.
    positions: HashMap<TopicPartition, i64>,
    failed: Option<Failure>,
}

impl fmt::Debug for KafkaReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.positions.keys()).finish()
    }
}

impl KafkaReader {
    /// `config` is complete; `base` names the settings that are the worker's.
    pub(crate) async fn open(
        config: &ClientConfig,
        base: &ClientConfig,
        start: &[(TopicPartition, i64)],
    ) -> Result<Self, LogError> {
        let client = Arc::new(Client::open(config, base, Kind::Reader)?);
        let reader = Self {
            client: Some(Arc::clone(&client)),
            records: Records::default(),
            positions: start.iter().cloned().collect(),
            failed: None,
        };
        let mut assignment = TopicPartitionList::with_capacity(start.len());
        for (partition, offset) in start {
            let offset = Offset::Offset(*offset);
            assignment
                .add_partition_offset(&partition.topic, partition.partition, offset)
                .map_err(|error| client.error("read", &error))?;
        }
        blocking::run(move || {
            let assigned = client.native.assign(&assignment);
            assigned.map_err(|error| client.error("read", &error))
        })
        .await?;
        Ok(reader)
    }

    fn client(&self) -> &Arc<Client> {
        self.client.as_ref().expect("taken at the end only")
    }

    /// Takes what is there. Says whether a position has moved.
    fn take(&mut self, taken: &mut Vec<ConsumedRecord>) -> bool {
        let client = self.client.as_ref().expect("taken at the end only");
        let (mut moved, mut bytes) = (false, 0);
        while taken.len() < MAX_RECORDS && bytes < MAX_BYTES {
            match client.queue.next() {
                None => break,
                Some(Event::Message(message)) => {
                    let message = message.as_ref();
                    if message.error().is_some() {
                        continue;
                    }
                    let (record, size) = self.records.record(message);
                    bytes += size;
                    self.positions
                        .insert(record.topic_partition(), record.offset + 1);
                    taken.push(record);
                }
                Some(Event::Failure(failure)) if failure.code == Code::PartitionEOF => {
                    if let Some((topic, partition, offset)) = failure.at {
                        let partition = TopicPartition::new(self.records.topic(&topic), partition);
                        moved |= self.positions.insert(partition, offset) != Some(offset);
                    }
                }
                Some(Event::Failure(failure)) => {
                    self.failed = Some(failure);
                    break;
                }
                Some(Event::Rebalance(_) | Event::Other) => {}
            }
        }
        moved
    }

    fn failure(&self, failure: &Failure) -> Result<(), LogError> {
        let doing = match &failure.at {
            Some((topic, partition, _)) if *partition >= 0 => {
                format!("read {topic}-{partition}")
            }
            Some((topic, ..)) if !topic.is_empty() => format!("read topic '{topic}'"),
            _ => "read".to_owned(),
        };
        let error = || self.client().code(&doing, failure.code);
        match failure.code {
            _ if failure.fatal => Err(LogError::Fatal(error().to_string())),
            Code::TopicAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::UnknownTopicOrPartition
            | Code::UnknownTopic
            | Code::UnknownPartition => Err(error()),
            // It is in no group.
            Code::GroupAuthorizationFailed | Code::InvalidGroupId => Ok(()),
            code if errors::is_refusal(code, &failure.reason) => {
                self.client().note(failure);
                Err(error())
            }
            _ => {
                self.client().note(failure);
                Ok(())
            }
        }
    }
}

#[async_trait]
impl Reader for KafkaReader {
    async fn poll(&mut self, timeout: Duration) -> Result<Vec<ConsumedRecord>, LogError> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(failure) = self.failed.take() {
                self.failure(&failure)?;
            }
            let mut taken = Vec::new();
            // Also without records when a position has moved: that may be the end.
            if self.take(&mut taken) || !taken.is_empty() {
                return Ok(taken);
            }
            if self.failed.is_some() {
                continue;
            }
            let ready = self.client().ready.notified();
            if tokio::time::timeout_at(deadline, ready).await.is_err() {
                return Ok(Vec::new());
            }
        }
    }

    fn position(&self, partition: &TopicPartition) -> Option<i64> {
        self.positions.get(partition).copied()
    }
}

impl Drop for KafkaReader {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            // Without a thread it ends here and now.
            drop(blocking::start("kafka-close", move || drop(client)));
        }
    }
}
