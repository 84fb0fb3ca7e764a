//! Headers of change records.
//!
//! Source: Debezium `ConnectHeaders`, `DebeziumHeaderProducer`.

use std::sync::Arc;

use tidegate_api::{Header, Headers, SchemaAndValue, SchemaBuilder, Struct, Value};

/// The key that a row got, on the delete event of its old key.
pub const NEW_KEY: &str = "__debezium.newkey";
/// The key that a row had, on the create event of its new key.
pub const OLD_KEY: &str = "__debezium.oldkey";

/// Headers that say where a record comes from (`extended.headers.enabled`); one list for all records of a task.
pub fn context(logical_name: &str, task: &str, connector: &str, run: &str) -> Headers {
    let schema = SchemaBuilder::string().build();
    let headers = [
        ("__debezium.context.connectorLogicalName", logical_name),
        ("__debezium.context.taskId", task),
        ("__debezium.context.connectorName", connector),
        ("__debezium.context.runId", run),
    ]
    .map(|(key, text)| Header {
        key: Arc::from(key),
        value: SchemaAndValue {
            schema: Some(Arc::clone(&schema)),
            value: Value::string(text),
        },
    });
    Headers::shared(headers)
}

/// A key in a header.
pub fn key(name: &'static str, key: &Struct) -> Header {
    Header {
        key: Arc::from(name),
        value: SchemaAndValue {
            schema: Some(Arc::clone(key.schema())),
            value: Value::Struct(key.clone()),
        },
    }
}
