//! What a record is and which of its values go into which columns; worked out once per pair of schemas and topic.
//!
//! Source: Debezium `KafkaDebeziumSinkRecord`, `JdbcKafkaSinkRecord`; Confluent `FieldsMetadata`, `RecordValidator`.

mod columns;
mod validation;

use std::sync::Arc;

use tidegate_api::{ConnectError, Kind, Schema, SinkRecord, Str, Struct, Value};
use tracing::warn;

use crate::config::{KeyMode, Settings, Style};
use crate::table::TableName;

use columns::Builder;
pub(crate) use validation::validate;

/// Where a column's value is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// Field of the key.
    Key(usize),
    /// The key itself, which is no struct.
    WholeKey,
    /// Field of the row.
    Row(usize),
    /// The value itself, which is a string.
    WholeValue,
    Header(usize),
    Topic,
    Partition,
    Offset,
}

#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) schema: Arc<Schema>,
    pub(crate) place: Place,
}

/// For all records with the same schemas of one topic.
#[derive(Debug)]
pub(crate) struct Plan {
    /// `None` if the name's format asks for what the records do not have.
    pub(crate) table: Option<TableName>,
    /// Key columns first.
    pub(crate) columns: Vec<Column>,
    pub(crate) keys: usize,
    /// Where the row is in the value.
    shape: Shape,
    /// Made for truncates, which have no key: other records need a plan with columns.
    truncates_only: bool,
    /// Names and values of the fields of `source` that are part of the table's name.
    source_fields: Vec<(Str, Str)>,
    /// Names and schemas of headers that are key columns.
    headers: Vec<(Arc<str>, Option<Arc<Schema>>)>,
    /// Kept alive, because plans are found by their addresses.
    key_schema: Option<Arc<Schema>>,
    value_schema: Option<Arc<Schema>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Debezium's envelope: fields `before`, `after` and `op`.
    Envelope {
        before: usize,
        after: usize,
        op: usize,
    },
    /// The value is the row.
    Flat,
    /// The value is one string.
    Text,
    /// No value: a tombstone.
    None,
    /// Records that are no rows.
    SchemaChange,
}

impl Shape {
    /// The operation that an envelope names.
    fn op(self, record: &SinkRecord) -> Option<&str> {
        match (self, record.record.value.value.as_struct()) {
            (Self::Envelope { op, .. }, Some(envelope)) => envelope.values()[op].as_str(),
            _ => None,
        }
    }
}

/// What a record does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Write,
    Delete,
    Truncate,
    Skip,
}

impl Plan {
    /// # Errors
    /// `Data` for records that cannot become rows, with the originals' texts.
    pub(crate) fn new(record: &SinkRecord, settings: &Settings) -> Result<Self, ConnectError> {
        let record_key = record.record.key.schema.as_ref();
        let value_schema = record.record.value.schema.as_ref();
        let topic = &*record.record.topic;
        let debezium = settings.style == Style::Debezium;
        let shape = match value_schema {
            None if record.record.value.value.is_null() => Shape::None,
            None => {
                return Err(ConnectError::data(
                    "the sink requires a schema: the record's value has none. Set value.converter.schemas.enable=true here and at the source, or use a converter with a schema registry",
                ));
            }
            Some(schema)
                if debezium
                    && schema
                        .name
                        .as_deref()
                        .is_some_and(|name| name.contains("SchemaChangeValue")) =>
            {
                warn!(
                    "Ignored schema change event for topic '{topic}'. Schema change records are not supported by JDBC connector. Adjust `topics` or `topics.regex` to exclude schema change topic."
                );
                Shape::SchemaChange
            }
            Some(schema)
                if debezium
                    && schema
                        .name
                        .as_deref()
                        .is_some_and(|name| name.ends_with(".MessageValue")) =>
            {
                warn!("the messages in topic '{topic}' are no rows and are passed over");
                Shape::SchemaChange
            }
            Some(schema) if debezium => envelope(schema).unwrap_or(Shape::Flat),
            Some(_) => Shape::Flat,
        };
        let passes = shape == Shape::SchemaChange
            || debezium
                && shape == Shape::None
                && !(settings.delete_enabled && settings.key_mode == KeyMode::RecordKey);
        if passes {
            return Ok(Self::of_nothing(record));
        }
        let truncates_only = shape.op(record) == Some("t");
        let row_schema = match (shape, value_schema) {
            (Shape::Envelope { .. }, _) if truncates_only => None,
            (Shape::Envelope { after, .. }, Some(schema)) => {
                Some(Arc::clone(&schema.fields()[after].schema))
            }
            (Shape::Flat, Some(schema)) => Some(Arc::clone(schema)),
            _ => None,
        };
        let shape = match &row_schema {
            Some(row) if !debezium && row.kind == Kind::String => Shape::Text,
            _ => shape,
        };
        if let Some(row) = row_schema
            .as_ref()
            .filter(|row| !row.is_struct() && shape != Shape::Text)
        {
            return Err(ConnectError::data(format!(
                "the value's schema is {}, a struct is expected: each of its fields becomes a column",
                row.kind.type_name()
            )));
        }
        let mut builder = Builder {
            settings,
            topic,
            columns: Vec::new(),
        };
        if !truncates_only {
            builder.keys(record, row_schema.as_ref())?;
        }
        let keys = builder.columns.len();
        if let (Shape::Text, Some(schema)) = (shape, &row_schema) {
            builder.add(&settings.text_column, schema, Place::WholeValue);
        } else if let Some(row) = &row_schema {
            for field in row.fields() {
                if settings.takes_field(topic, &field.name) {
                    builder.add(&field.name, &field.schema, Place::Row(field.index));
                }
            }
        }
        let columns = builder.columns;
        if !debezium && columns.is_empty() {
            return Err(ConnectError::data(format!(
                "No fields found using key and value schemas for table: {topic}"
            )));
        }
        let source_fields = source_fields(record, settings);
        if source_fields.is_none() {
            warn!(
                "Ignored to write record from topic '{topic}' partition '{}' offset '{}'. No resolvable table name: the format {} needs the source block of an envelope",
                record.original.partition, record.original.offset, settings.name_format
            );
        }
        Ok(Self {
            table: match &source_fields {
                Some(fields) => Some(TableName::of_topic(topic, fields, settings)?),
                None => None,
            },
            columns,
            keys,
            shape,
            truncates_only,
            source_fields: source_fields.unwrap_or_default(),
            headers: if settings.key_mode == KeyMode::RecordHeader {
                let headers = record.record.headers.iter();
                headers
                    .map(|header| (Arc::clone(&header.key), header.value.schema.clone()))
                    .collect()
            } else {
                Vec::new()
            },
            key_schema: record_key.cloned(),
            value_schema: value_schema.cloned(),
        })
    }

    /// For records that are passed over.
    fn of_nothing(record: &SinkRecord) -> Self {
        Self {
            table: None,
            columns: Vec::new(),
            keys: 0,
            shape: Shape::SchemaChange,
            truncates_only: false,
            source_fields: Vec::new(),
            headers: Vec::new(),
            key_schema: record.record.key.schema.clone(),
            value_schema: record.record.value.schema.clone(),
        }
    }

    /// Whether the plan fits the record. Schemas are compared by address first, then, if `deep`, by structure.
    pub(crate) fn fits(&self, record: &SinkRecord, settings: &Settings, deep: bool) -> bool {
        let same = |a: &Option<Arc<Schema>>, b: &Option<Arc<Schema>>| match (a, b) {
            (None, None) => true,
            (Some(a), Some(b)) => Arc::ptr_eq(a, b) || (deep && a == b),
            _ => false,
        };
        same(&self.key_schema, &record.record.key.schema)
            && same(&self.value_schema, &record.record.value.schema)
            // Without a schema only a null is a tombstone.
            && (self.value_schema.is_some() || record.record.value.value.is_null())
            && (!self.truncates_only || self.shape.op(record) == Some("t"))
            && (self.shape == Shape::SchemaChange || self.details_fit(record, settings))
    }

    fn details_fit(&self, record: &SinkRecord, settings: &Settings) -> bool {
        (settings.key_mode != KeyMode::RecordHeader
            || self.headers.len() == record.record.headers.len()
                && self.headers.iter().zip(&record.record.headers).all(
                    |((key, schema), header)| *key == header.key && *schema == header.value.schema,
                ))
            && (settings.source_placeholders.is_empty()
                || source_fields(record, settings)
                    .is_some_and(|fields| fields == self.source_fields))
    }

    pub(crate) fn change(&self, record: &SinkRecord, settings: &Settings) -> Change {
        if self.table.is_none() {
            return Change::Skip;
        }
        let value = &record.record.value.value;
        let delete = || {
            let has_key = self.keys > 0 || settings.key_mode == KeyMode::RecordKey;
            if settings.delete_enabled && has_key {
                Change::Delete
            } else {
                Change::Skip
            }
        };
        match (self.shape, value) {
            (Shape::SchemaChange, _) => Change::Skip,
            (Shape::None, _) | (Shape::Flat | Shape::Text, Value::Null) => {
                // Without key struct nothing says which row is meant.
                if settings.key_mode == KeyMode::RecordKey {
                    delete()
                } else {
                    Change::Skip
                }
            }
            (Shape::Flat | Shape::Text, _) => Change::Write,
            (Shape::Envelope { op, after, .. }, Value::Struct(envelope)) => {
                match envelope.values()[op].as_str() {
                    Some("d") => delete(),
                    Some("t") if settings.truncate_enabled => Change::Truncate,
                    Some("t" | "m") => Change::Skip,
                    _ if envelope.values()[after].is_null() => Change::Skip,
                    _ => Change::Write,
                }
            }
            (Shape::Envelope { .. }, _) => delete(),
        }
    }

    /// The row of a record: what is after a change, or was before a delete.
    fn row<'a>(&self, record: &'a SinkRecord) -> Option<&'a Struct> {
        let value = record.record.value.value.as_struct()?;
        match self.shape {
            Shape::Envelope { before, after, op } => {
                let field = if value.values()[op].as_str() == Some("d") {
                    before
                } else {
                    after
                };
                value.values()[field].as_struct()
            }
            Shape::Flat => Some(value),
            Shape::Text | Shape::None | Shape::SchemaChange => None,
        }
    }

    /// Calls `each` with the columns that `wanted` numbers, and their values in a record.
    ///
    /// # Errors
    /// The first of `each`.
    pub(crate) fn values<E>(
        &self,
        record: &SinkRecord,
        columns: std::ops::Range<usize>,
        replace_null: bool,
        mut each: impl FnMut(usize, &Value) -> Result<(), E>,
    ) -> Result<(), E> {
        const NULL: Value = Value::Null;
        let row = self.row(record).map(Struct::values);
        let key = &record.record.key.value;
        let key_fields = key.as_struct().map(Struct::values);
        for index in columns {
            let column = &self.columns[index];
            let found = match &column.place {
                Place::Key(field) => key_fields.and_then(|key| key.get(*field)),
                Place::WholeKey => Some(key),
                Place::Row(field) => row.and_then(|row| row.get(*field)),
                Place::WholeValue => Some(&record.record.value.value),
                Place::Header(header) => record
                    .record
                    .headers
                    .get(*header)
                    .map(|header| &header.value.value),
                Place::Topic => {
                    each(index, &Value::string(&record.record.topic))?;
                    continue;
                }
                Place::Partition => {
                    let partition = record.record.kafka_partition;
                    each(
                        index,
                        &Value::Int32(partition.unwrap_or(record.original.partition)),
                    )?;
                    continue;
                }
                Place::Offset => {
                    each(index, &Value::Int64(record.original.offset))?;
                    continue;
                }
            };
            let value = match (found, &column.schema.default) {
                // Required fields take their default, optional ones stay null.
                (None | Some(Value::Null), Some(default))
                    if replace_null || !column.schema.optional || index < self.keys =>
                {
                    default
                }
                (Some(value), _) => value,
                (None, _) => &NULL,
            };
            each(index, value)?;
        }
        Ok(())
    }

    /// Whether deletes of this plan bring the row as it was.
    pub(crate) fn has_row(&self, record: &SinkRecord) -> bool {
        self.row(record).is_some()
    }

    pub(crate) fn key_columns(&self) -> &[Column] {
        &self.columns[..self.keys]
    }
}

fn envelope(schema: &Schema) -> Option<Shape> {
    let named = schema.name.as_deref().map_or_else(
        || schema.field("op").is_some(),
        |name| name.ends_with(".Envelope"),
    );
    if !named {
        return None;
    }
    let index = |name: &str| schema.field(name).map(|field| field.index);
    Some(Shape::Envelope {
        before: index("before")?,
        after: index("after")?,
        op: index("op")?,
    })
}

/// Names and values of the fields of `source` that the table's name asks for; `None` if the record has none of them.
///
/// Source: Debezium `DefaultCollectionNamingStrategy.resolveCollectionNameBySource`.
fn source_fields(record: &SinkRecord, settings: &Settings) -> Option<Vec<(Str, Str)>> {
    let names = &settings.source_placeholders;
    if names.is_empty() {
        return Some(Vec::new());
    }
    let envelope = record.record.value.value.as_struct()?;
    let source = envelope.get_without_default("source")?.as_struct()?;
    names
        .iter()
        .map(|name| {
            let value = source.get(name)?.as_str()?;
            Some((Str::new(name), Str::new(value)))
        })
        .collect()
}
