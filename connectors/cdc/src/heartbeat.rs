//! Heartbeats: records that move the stored offset while the source has nothing for the connector.
//!
//! Source: Debezium `HeartbeatImpl`.

use std::sync::Arc;
use std::time::Duration;

use tidegate_api::{
    Headers, Record, Schema, SchemaAndValue, SchemaBuilder, SourceOffset, SourcePartition,
    SourceRecord, Struct, Value,
};
use tokio::time::Instant;

use crate::clock::now_millis;

/// When the heartbeats of one connector are due, and their records.
#[derive(Debug)]
pub struct Heartbeat {
    /// `None`: there are none.
    interval: Option<Duration>,
    due: Instant,
    topic: Arc<str>,
    key: SchemaAndValue,
    value: Arc<Schema>,
}

impl Heartbeat {
    /// `interval` is `heartbeat.interval.ms`; `server` the logical name of the source, `topic.prefix`.
    pub fn new(interval: Option<Duration>, topic: Arc<str>, server: &str) -> Self {
        let key = SchemaBuilder::structure()
            .name("io.debezium.connector.common.ServerNameKey")
            .version(1)
            .field("serverName", SchemaBuilder::string().build())
            .build();
        let value = SchemaBuilder::structure()
            .name("io.debezium.connector.common.Heartbeat")
            .version(1)
            .field("ts_ms", SchemaBuilder::int64().build())
            .build();
        Self {
            interval,
            due: Instant::now(),
            topic,
            key: Struct::new(key, vec![Value::string(server)]).into(),
            value,
        }
    }

    /// The next one comes at once behind a snapshot, after the interval otherwise.
    pub(crate) fn begin(&mut self, after_snapshot: bool) {
        let wait = self.interval.filter(|_| !after_snapshot);
        self.due = Instant::now() + wait.unwrap_or_default();
    }

    /// Whether one is due. The next one is after the interval, then.
    pub(crate) fn is_due(&mut self) -> bool {
        let Some(interval) = self.interval else {
            return false;
        };
        let now = Instant::now();
        let is_due = now >= self.due;
        if is_due {
            self.due = now + interval;
        }
        is_due
    }

    pub(crate) fn record(
        &self,
        partition: &Arc<SourcePartition>,
        offset: SourceOffset,
    ) -> SourceRecord {
        let values = vec![Value::Int64(now_millis())];
        SourceRecord {
            record: Record {
                topic: Arc::clone(&self.topic),
                kafka_partition: Some(0),
                key: self.key.clone(),
                value: Struct::new(Arc::clone(&self.value), values).into(),
                timestamp: None,
                headers: Headers::new(),
            },
            source_partition: Arc::clone(partition),
            source_offset: offset,
        }
    }
}
