//! Heartbeats while the log has nothing for the connector.
//!
//! Source: Debezium `HeartbeatImpl`.

use std::sync::Arc;

use tidegate_api::{Record, SchemaAndValue, SchemaBuilder, SourceRecord, Struct, Value};
use tokio::time::Instant;

use super::Streaming;
use crate::config::Settings;
use crate::errors::BinlogError;
use crate::offsets::Position;
use crate::record::RecordMaker;

impl Streaming<'_> {
    /// A heartbeat, if one is due.
    pub(super) async fn heartbeat(&mut self) -> Result<(), BinlogError> {
        let (Some(interval), Some(at)) = (self.settings.heartbeat, self.heartbeat_at) else {
            return Ok(());
        };
        if Instant::now() < at {
            return Ok(());
        }
        self.heartbeat_at = Some(Instant::now() + interval);
        let record = heartbeat_record(self.settings, self.records, self.context.restart.clone());
        self.queue.push(record).await?;
        self.queue.flush().await?;
        Ok(())
    }
}

/// Source: Debezium `HeartbeatImpl`.
fn heartbeat_record(
    settings: &Settings,
    records: &RecordMaker,
    position: Position,
) -> SourceRecord {
    let key_schema = SchemaBuilder::structure()
        .name("io.debezium.connector.common.ServerNameKey")
        .version(1)
        .field("serverName", SchemaBuilder::string().build())
        .build();
    let value_schema = SchemaBuilder::structure()
        .name("io.debezium.connector.common.Heartbeat")
        .version(1)
        .field("ts_ms", SchemaBuilder::int64().build())
        .build();
    let with_schema = |schema, value| SchemaAndValue {
        value: Value::Struct(Struct::new(Arc::clone(&schema), vec![value])),
        schema: Some(schema),
    };
    SourceRecord {
        record: Record {
            topic: Arc::clone(&settings.heartbeat_topic),
            kafka_partition: Some(0),
            key: with_schema(key_schema, Value::string(&settings.naming.prefix)),
            value: with_schema(
                value_schema,
                Value::Int64(chrono::Utc::now().timestamp_millis()),
            ),
            timestamp: None,
            headers: tidegate_api::Headers::new(),
        },
        source_partition: Arc::clone(&records.partition),
        source_offset: tidegate_api::SourceOffset::new(position),
    }
}
