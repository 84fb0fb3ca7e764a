//! The envelope around rows.
//!
//! Source: Debezium `io.debezium.data.Envelope`.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tidegate_api::{Schema, SchemaAndValue, SchemaBuilder, Str, Struct, Value};

/// What happened to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Read,
    Create,
    Update,
    Delete,
    Truncate,
}

impl Operation {
    pub fn code(self) -> &'static str {
        match self {
            Self::Read => "r",
            Self::Create => "c",
            Self::Update => "u",
            Self::Delete => "d",
            Self::Truncate => "t",
        }
    }
}

/// Field `transaction` of every envelope.
pub(crate) const TRANSACTION_FIELD: usize = 3;

/// Of a change's place in its transaction.
pub(crate) fn transaction_schema() -> Arc<Schema> {
    SchemaBuilder::structure()
        .name("event.block")
        .version(1)
        .optional()
        .field("id", SchemaBuilder::string().build())
        .field("total_order", SchemaBuilder::int64().build())
        .field("data_collection_order", SchemaBuilder::int64().build())
        .build()
}

/// Schema of a table's envelopes: `before`, `after`, `source`, `transaction`, `op`, `ts_ms`, `ts_us`, `ts_ns`.
pub fn schema(name: &str, row: &Arc<Schema>, source: &Arc<Schema>) -> Arc<Schema> {
    let time = SchemaBuilder::int64().optional().build();
    SchemaBuilder::structure()
        .name(name)
        .version(2)
        .field("before", Arc::clone(row))
        .field("after", Arc::clone(row))
        .field("source", Arc::clone(source))
        .field("transaction", transaction_schema())
        .field("op", SchemaBuilder::string().build())
        .field("ts_ms", Arc::clone(&time))
        .field("ts_us", Arc::clone(&time))
        .field("ts_ns", time)
        .build()
}

/// One event; the connector's clock gives its times.
pub fn event(
    schema: &Arc<Schema>,
    operation: Operation,
    before: Option<Struct>,
    after: Option<Struct>,
    source: Struct,
) -> SchemaAndValue {
    let nanos = i64::try_from(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_nanos(),
    )
    .unwrap_or(0);
    let row = |row: Option<Struct>| row.map_or(Value::Null, Value::Struct);
    let values = vec![
        row(before),
        row(after),
        Value::Struct(source),
        Value::Null,
        Value::String(Str::const_new(operation.code())),
        Value::Int64(nanos / 1_000_000),
        Value::Int64(nanos / 1_000),
        Value::Int64(nanos),
    ];
    SchemaAndValue {
        schema: Some(Arc::clone(schema)),
        value: Value::Struct(Struct::new(Arc::clone(schema), values)),
    }
}

/// The enum of `source.snapshot`.
pub fn snapshot_marker_schema() -> Arc<Schema> {
    SchemaBuilder::string()
        .name("io.debezium.data.Enum")
        .version(1)
        .parameter(
            "allowed",
            "true,first,first_in_data_collection,last_in_data_collection,last,false,incremental",
        )
        .default_value(Value::string("false"))
        .optional()
        .build()
}
