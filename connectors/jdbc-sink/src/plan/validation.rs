//! What Confluent's sink asks of records.

use std::sync::Arc;

use tidegate_api::{ConnectError, Kind, Schema, SinkRecord};

use crate::config::{KeyMode, Settings};

/// Confluent's checks of every record.
///
/// # Errors
/// `Data`, with the original's text.
pub(crate) fn validate(record: &SinkRecord, settings: &Settings) -> Result<(), ConnectError> {
    let (key, value) = (&record.record.key, &record.record.value);
    let needs_key = settings.key_mode == KeyMode::RecordKey || settings.delete_enabled;
    let lacks_key = needs_key && (key.value.is_null() || key.schema.is_none());
    let is_row = |schema: &Arc<Schema>| schema.is_struct() || schema.kind == Kind::String;
    let lacks_value = !settings.delete_enabled
        && (value.value.is_null() || !value.schema.as_ref().is_some_and(is_row));
    if lacks_key || lacks_value {
        return Err(refusal(record, settings, lacks_key));
    }
    Ok(())
}

fn refusal(record: &SinkRecord, settings: &Settings, lacks_key: bool) -> ConnectError {
    let mode = match settings.key_mode {
        KeyMode::None => "none",
        KeyMode::Kafka => "kafka",
        KeyMode::RecordKey => "record_key",
        KeyMode::RecordValue => "record_value",
        KeyMode::RecordHeader => "record_header",
    };
    let place = format!(
        "(topic='{}',partition={},offset={},timestamp={})",
        record.record.topic,
        record.original.partition,
        record.original.offset,
        record.record.timestamp.unwrap_or(-1)
    );
    let described = |data: &tidegate_api::SchemaAndValue| {
        let schema = data
            .schema
            .as_ref()
            .map_or("null", |schema| schema.kind.type_name());
        (
            if data.value.is_null() {
                "null"
            } else {
                data.value.java_class()
            },
            schema,
        )
    };
    let name = &settings.name;
    let deletes = settings.delete_enabled;
    let text = if lacks_key {
        let (found, schema) = described(&record.record.key);
        format!(
            "Sink connector '{name}' is configured with 'delete.enabled={deletes}' and 'pk.mode={mode}' and therefore requires records with a non-null key and non-null Struct or primitive key schema, but found record at {place} with a {found} key and {schema} key schema."
        )
    } else {
        let (found, schema) = described(&record.record.value);
        let value_is_null = record.record.value.value.is_null();
        format!(
            "Sink connector '{name}' is configured with 'delete.enabled={deletes}' and 'pk.mode={mode}' and therefore requires records with a non-null Struct or String value and non-null Struct or String schema, but found record at {place} with a {found} value and {schema} value schema. {}",
            if value_is_null {
                "Set delete.enabled=true and pk.mode=record_key, or let a transformation drop tombstones (Filter with the predicate RecordIsTombstone, or delete.tombstone.handling.mode=drop of ExtractNewRecordState)"
            } else {
                "Envelopes of Debezium become rows by the transformation io.debezium.transforms.ExtractNewRecordState"
            }
        )
    };
    ConnectError::data(text)
}
