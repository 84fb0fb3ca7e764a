//! The `source` block.
//!
//! Source: Debezium `BinlogSourceInfo`, `BinlogSourceInfoStructMaker`.

use std::sync::Arc;

use tidegate_api::{Schema, SchemaBuilder, Str, Struct, Value};
use tidegate_cdc::envelope::snapshot_marker_schema;
use tidegate_cdc::source_info::SnapshotMarker;
use tidegate_mysql::Flavor;

use crate::flavor::ConnectorNames as _;

/// Makes the blocks of one connector.
#[derive(Debug, Clone)]
pub(crate) struct SourceInfo {
    pub(crate) schema: Arc<Schema>,
    version: Str,
    connector: Str,
    name: Str,
}

/// What differs from record to record.
#[derive(Debug, Clone)]
pub(crate) struct Moment<'a> {
    /// Microseconds since 1970.
    pub(crate) micros: i64,
    pub(crate) snapshot: Option<SnapshotMarker>,
    pub(crate) database: &'a Str,
    pub(crate) table: Option<&'a Str>,
    pub(crate) server_id: u32,
    pub(crate) gtid: Option<&'a Str>,
    pub(crate) file: &'a Str,
    pub(crate) pos: u64,
    pub(crate) row: u64,
    pub(crate) thread: Option<i64>,
}

impl SourceInfo {
    pub(crate) fn new(flavor: Flavor, prefix: &str) -> Self {
        let optional_text = || SchemaBuilder::string().optional().build();
        let optional_long = || SchemaBuilder::int64().optional().build();
        let schema = SchemaBuilder::structure()
            .name(format!("io.debezium.connector.{}.Source", flavor.name()))
            .version(1)
            .field("version", SchemaBuilder::string().build())
            .field("connector", SchemaBuilder::string().build())
            .field("name", SchemaBuilder::string().build())
            .field("ts_ms", SchemaBuilder::int64().build())
            .field("snapshot", snapshot_marker_schema())
            .field("db", SchemaBuilder::string().build())
            .field("sequence", optional_text())
            .field("ts_us", optional_long())
            .field("ts_ns", optional_long())
            .field("table", optional_text())
            .field("server_id", SchemaBuilder::int64().build())
            .field("gtid", optional_text())
            .field("file", SchemaBuilder::string().build())
            .field("pos", SchemaBuilder::int64().build())
            .field("row", SchemaBuilder::int32().build())
            .field("thread", optional_long())
            .field("query", optional_text())
            .build();
        Self {
            schema,
            version: Str::new(flavor.version()),
            connector: Str::new(flavor.name()),
            name: Str::new(prefix),
        }
    }

    pub(crate) fn block(&self, moment: &Moment<'_>) -> Struct {
        let text =
            |text: Option<&Str>| text.map_or(Value::Null, |text| Value::String(text.clone()));
        let micros = moment.micros;
        let values = vec![
            Value::String(self.version.clone()),
            Value::String(self.connector.clone()),
            Value::String(self.name.clone()),
            Value::Int64(micros.div_euclid(1_000)),
            moment.snapshot.map_or(Value::Null, SnapshotMarker::value),
            Value::String(moment.database.clone()),
            Value::Null,
            Value::Int64(micros),
            Value::Int64(micros * 1_000),
            text(moment.table),
            Value::Int64(moment.server_id.into()),
            text(moment.gtid),
            Value::String(moment.file.clone()),
            Value::Int64(i64::try_from(moment.pos).unwrap_or(i64::MAX)),
            Value::Int32(i32::try_from(moment.row).unwrap_or(i32::MAX)),
            moment.thread.map_or(Value::Null, Value::Int64),
            Value::Null,
        ];
        Struct::new(Arc::clone(&self.schema), values)
    }
}
