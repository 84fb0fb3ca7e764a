//! What Confluent's sink asks of records.

use tidegate_api::{ConnectError, Kind, SinkRecord};

use crate::config::{KeyMode, Settings};

/// Confluent's checks of every record.
pub(super) fn validate(record: &SinkRecord, settings: &Settings) -> Result<(), ConnectError> {
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
    let (key, value) = (&record.record.key, &record.record.value);
    let needs_key = settings.key_mode == KeyMode::RecordKey || settings.delete_enabled;
    if needs_key && (key.value.is_null() || key.schema.is_none()) {
        let (found, schema) = described(key);
        return Err(ConnectError::data(format!(
            "Sink connector '{}' is configured with 'delete.enabled={}' and 'pk.mode={mode}' and therefore requires records with a non-null key and non-null Struct or primitive key schema, but found record at {place} with a {found} key and {schema} key schema.",
            settings.name, settings.delete_enabled
        )));
    }
    if !settings.delete_enabled
        && (value.value.is_null()
            || !value
                .schema
                .as_ref()
                .is_some_and(|schema| schema.is_struct() || schema.kind == Kind::String))
    {
        let (found, schema) = described(value);
        return Err(ConnectError::data(format!(
            "Sink connector '{}' is configured with 'delete.enabled={}' and 'pk.mode={mode}' and therefore requires records with a non-null Struct or String value and non-null Struct or String schema, but found record at {place} with a {found} value and {schema} value schema. Envelopes of Debezium become rows by the transformation io.debezium.transforms.ExtractNewRecordState",
            settings.name, settings.delete_enabled
        )));
    }
    Ok(())
}
