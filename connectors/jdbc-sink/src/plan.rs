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
    /// The name before it was cut.
    pub(crate) uncut: String,
    /// What the record calls it.
    pub(crate) field: String,
    pub(crate) schema: Arc<Schema>,
    pub(crate) place: Place,
    /// Whether the settings make a timestamp of its numbers or texts.
    pub(crate) as_timestamp: bool,
}

/// For all records with the same schemas of one topic.
#[derive(Debug)]
pub(crate) struct Plan {
    /// `None` for records that are passed over.
    pub(crate) table: Option<TableName>,
    /// The table's name before it was cut, if it was.
    pub(crate) uncut: Option<TableName>,
    /// Key columns first.
    pub(crate) columns: Vec<Column>,
    pub(crate) keys: usize,
    /// The field of the value that stands for it: `data` of a CloudEvent.
    data: Option<usize>,
    /// Where the row is in the value.
    shape: Shape,
    /// Made for truncates, which have no key: other records need a plan with columns.
    truncates_only: bool,
    /// Made for nulls, which do not say what the table's name asks for: other records of the schema do.
    nulls_only: bool,
    /// Confluent's sink reads keys with the `get` of Java's `Struct`, Debezium's reads optional fields without defaults.
    null_keys_take_defaults: bool,
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
    fn op(self, value: &Value) -> Option<&str> {
        match (self, value.as_struct()) {
            (Self::Envelope { op, .. }, Some(envelope)) => envelope.values()[op].as_str(),
            _ => None,
        }
    }
}

/// The field of a schema that stands for the whole value, if it is one of CloudEvents.
///
/// Source: Debezium `KafkaDebeziumSinkRecord.value`.
///
/// # Errors
/// `Data` if there is no such field, or it is no struct.
fn data_field(
    schema: Option<&Arc<Schema>>,
    settings: &Settings,
) -> Result<Option<usize>, ConnectError> {
    let (Some(pattern), Some(schema)) = (&settings.cloud_events, schema) else {
        return Ok(None);
    };
    let Some(name) = schema.name.as_deref() else {
        return Ok(None);
    };
    if !pattern.matches(name)? {
        return Ok(None);
    }
    match schema.field("data") {
        Some(field) if field.schema.is_struct() => Ok(Some(field.index)),
        Some(field) => Err(ConnectError::data(format!(
            "the field 'data' of a CloudEvent is {}, a struct is expected: each of its fields becomes a column. Let the source write it with its schema, or correct cloud.events.schema.name.pattern, which takes the schema '{name}' for one of CloudEvents",
            field.schema.kind.type_name()
        ))),
        None => Err(ConnectError::data(format!(
            "data is not a valid field name: cloud.events.schema.name.pattern takes the schema '{name}' for one of CloudEvents, and it has no field 'data'"
        ))),
    }
}

/// What a record says of a row: its value, or the part of it that stands for it.
fn said(record: &SinkRecord, data: Option<usize>) -> &Value {
    let value = &record.record.value.value;
    match (data, value.as_struct()) {
        (Some(data), Some(event)) => &event.values()[data],
        _ => value,
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
        let data = data_field(record.record.value.schema.as_ref(), settings)?;
        let value_schema = record
            .record
            .value
            .schema
            .as_ref()
            .map(|schema| match data {
                Some(data) => &schema.fields()[data].schema,
                None => schema,
            });
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
        if !settings.source_placeholders.is_empty() && record.record.value.value.is_null() {
            warn!(
                "Ignored to write record from topic '{topic}' partition '{}' offset '{}'. No resolvable table name: the format {} needs the source block of an envelope, and the record is null. So are further ones of the topic",
                record.original.partition, record.original.offset, settings.name_format
            );
            return Ok(Self {
                nulls_only: true,
                ..Self::of_nothing(record)
            });
        }
        let truncates_only = shape.op(said(record, data)) == Some("t");
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
            builder.add(&settings.text_column, schema, Place::WholeValue)?;
        } else if let Some(row) = &row_schema {
            for field in row.fields() {
                if settings.takes_field(topic, &field.name) {
                    builder.add(&field.name, &field.schema, Place::Row(field.index))?;
                }
            }
        }
        let columns = builder.columns;
        if !debezium && columns.is_empty() {
            return Err(ConnectError::data(format!(
                "No fields found using key and value schemas for table: {topic}"
            )));
        }
        let source_fields = source_fields(said(record, data), settings)?;
        let (table, uncut) = TableName::of_topic(topic, &source_fields, settings)?;
        Ok(Self {
            table: Some(table),
            uncut,
            columns,
            keys,
            data,
            shape,
            truncates_only,
            nulls_only: false,
            null_keys_take_defaults: !debezium,
            source_fields,
            headers: if settings.key_mode == KeyMode::RecordHeader {
                let headers = record.record.headers.iter();
                headers
                    .map(|header| (Arc::clone(&header.key), header.value.schema.clone()))
                    .collect()
            } else {
                Vec::new()
            },
            key_schema: record_key.cloned(),
            value_schema: record.record.value.schema.clone(),
        })
    }

    /// For records that are passed over.
    fn of_nothing(record: &SinkRecord) -> Self {
        Self {
            table: None,
            uncut: None,
            columns: Vec::new(),
            keys: 0,
            data: None,
            shape: Shape::SchemaChange,
            truncates_only: false,
            nulls_only: false,
            null_keys_take_defaults: false,
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
            && (!self.truncates_only || self.shape.op(self.said(record)) == Some("t"))
            && (!self.nulls_only || record.record.value.value.is_null())
            && (self.shape == Shape::SchemaChange || self.details_fit(record, settings))
    }

    fn details_fit(&self, record: &SinkRecord, settings: &Settings) -> bool {
        (settings.key_mode != KeyMode::RecordHeader
            || self.headers.len() == record.record.headers.len()
                && self.headers.iter().zip(&record.record.headers).all(
                    |((key, schema), header)| *key == header.key && *schema == header.value.schema,
                ))
            && (settings.source_placeholders.is_empty()
                || source_fields(self.said(record), settings)
                    .is_ok_and(|fields| fields == self.source_fields))
    }

    /// See [`said`].
    fn said<'a>(&self, record: &'a SinkRecord) -> &'a Value {
        said(record, self.data)
    }

    /// # Errors
    /// `Data` if the record is to do something and lacks what that takes.
    pub(crate) fn change(
        &self,
        record: &SinkRecord,
        settings: &Settings,
    ) -> Result<Change, ConnectError> {
        let change = self.wanted_change(record, settings)?;
        if matches!(change, Change::Write | Change::Delete) {
            self.check_key(record, change)?;
        }
        Ok(change)
    }

    fn wanted_change(
        &self,
        record: &SinkRecord,
        settings: &Settings,
    ) -> Result<Change, ConnectError> {
        if self.table.is_none() {
            return Ok(Change::Skip);
        }
        let value = self.said(record);
        if self.data.is_some() && value.is_null() && !record.record.value.value.is_null() {
            return Err(ConnectError::data(
                "the field 'data' of a CloudEvent is null: there is no row to write",
            ));
        }
        let delete = if settings.delete_enabled {
            Change::Delete
        } else {
            Change::Skip
        };
        Ok(match (self.shape, value) {
            (Shape::SchemaChange, _) => Change::Skip,
            // As in the original: in these modes the delete's own record has the key, the tombstone behind it does not.
            (Shape::None, _) if settings.key_mode != KeyMode::RecordKey => Change::Skip,
            (Shape::None, _) | (Shape::Flat | Shape::Text, Value::Null) => delete,
            (Shape::Flat | Shape::Text, _) => Change::Write,
            (Shape::Envelope { op, after, .. }, Value::Struct(envelope)) => {
                match envelope.values()[op].as_str() {
                    Some("d") => delete,
                    Some("t") if settings.truncate_enabled => Change::Truncate,
                    Some("t" | "m") => Change::Skip,
                    op if envelope.values()[after].is_null() => {
                        return Err(ConnectError::data(format!(
                            "the envelope's field 'after' is null, but its 'op' is '{}': there is no row to write",
                            op.unwrap_or("null")
                        )));
                    }
                    _ => Change::Write,
                }
            }
            (Shape::Envelope { .. }, _) => delete,
        })
    }

    /// Whether the record has the part that its key is taken from. A default of that part's fields must not stand for it:
    /// it may be another row's key.
    ///
    /// Source: Debezium `KafkaDebeziumSinkRecord.getFilteredKey`.
    fn check_key(&self, record: &SinkRecord, change: Change) -> Result<(), ConnectError> {
        let lacks = match self.key_columns().first().map(|column| &column.place) {
            Some(Place::Key(_) | Place::WholeKey) if record.record.key.value.is_null() => {
                "Configured primary key mode 'record_key' cannot have null key: the record's key is null, only its schema is there. Let the source send keys, or take primary.key.mode=record_value"
            }
            Some(Place::Row(_)) if self.row(record).is_none() => {
                "Cannot extract primary key from a null record value: the delete does not bring the row as it was (field 'before'). Take primary.key.mode=record_key, or let the source send whole rows (REPLICA IDENTITY FULL, binlog_row_image=FULL)"
            }
            None if change == Change::Delete => {
                "Cannot delete a row with no key fields defined: the record has none of the fields that primary.key.fields lists"
            }
            _ => return Ok(()),
        };
        Err(ConnectError::data(lacks))
    }

    /// The row of a record: what is after a change, or was before a delete.
    fn row<'a>(&self, record: &'a SinkRecord) -> Option<&'a Struct> {
        let value = self.said(record).as_struct()?;
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

    /// Calls `each` with the number of each of `columns` and its value in the record.
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
            let value = match (found.unwrap_or(&NULL), &column.schema.default) {
                // Required fields take their default, optional ones stay null.
                (Value::Null, Some(default))
                    if replace_null
                        || !column.schema.optional
                        || self.null_keys_take_defaults && index < self.keys =>
                {
                    default
                }
                (value, _) => value,
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
    pub(crate) fn is_key(&self, column: &Column) -> bool {
        self.key_columns().iter().any(|key| key.name == column.name)
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

/// Names and values of the fields of `source` that the table's name asks for.
///
/// Source: Debezium `DefaultCollectionNamingStrategy.resolveCollectionNameBySource`; texts of Java's `Struct`.
///
/// # Errors
/// `Data` if the record does not have them: its table is not known.
fn source_fields(value: &Value, settings: &Settings) -> Result<Vec<(Str, Str)>, ConnectError> {
    let names = &settings.source_placeholders;
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let format = &settings.name_format;
    let source = value
        .as_struct()
        .and_then(|envelope| envelope.get_without_default("source"));
    let Some(source) = source.and_then(Value::as_struct) else {
        return Err(ConnectError::data(format!(
            "the table's name cannot be resolved: collection.name.format is {format}, and the record has no field 'source' as Debezium's envelopes have. Take ${{topic}} only, or leave out the transformation that unwraps the envelope"
        )));
    };
    let value = |name: &String| match source.get_without_default(name) {
        None => {
            let fields = source.schema().fields().iter();
            let fields: Vec<&str> = fields.map(|field| &*field.name).collect();
            Err(ConnectError::data(format!(
                "{name} is not a valid field name: collection.name.format is {format}, and the fields of 'source' are {}",
                fields.join(", ")
            )))
        }
        Some(Value::String(value)) => Ok((Str::new(name), value.clone())),
        Some(Value::Null) => Err(ConnectError::data(format!(
            "Field '{name}' of 'source' is null: collection.name.format {format} gives no table's name without it"
        ))),
        Some(_) => Err(ConnectError::data(format!(
            "Field '{name}' is not of type STRING: collection.name.format {format} takes texts of 'source' only"
        ))),
    };
    names.iter().map(value).collect()
}
