//! Which fields become columns, keys first.

use std::sync::Arc;

use tidegate_api::{ConnectError, Kind, Schema, SchemaBuilder, SinkRecord};

use super::{Column, Place};
use crate::config::{KeyMode, Settings, Style};
use crate::table::fold_column;

pub(super) struct Builder<'a> {
    pub(super) settings: &'a Settings,
    pub(super) topic: &'a str,
    pub(super) columns: Vec<Column>,
}

impl Builder<'_> {
    pub(super) fn add(&mut self, name: &str, schema: &Arc<Schema>, place: Place) {
        let debezium = self.settings.style == Style::Debezium;
        let source_name = schema
            .parameter("__debezium.source.column.name")
            .filter(|_| debezium)
            .unwrap_or(name);
        let name = fold_column(source_name, self.settings.quote);
        if self.columns.iter().any(|column| column.name == name) {
            return;
        }
        self.columns.push(Column {
            name,
            schema: Arc::clone(schema),
            place,
        });
    }

    pub(super) fn keys(
        &mut self,
        record: &SinkRecord,
        row: Option<&Arc<Schema>>,
    ) -> Result<(), ConnectError> {
        let fields = &self.settings.key_fields;
        match self.settings.key_mode {
            KeyMode::None => {}
            KeyMode::Kafka => {
                let names: Vec<&str> =
                    if fields.len() == 3 && self.settings.style == Style::Confluent {
                        fields.iter().map(String::as_str).collect()
                    } else {
                        vec!["__connect_topic", "__connect_partition", "__connect_offset"]
                    };
                self.add(names[0], &SchemaBuilder::string().build(), Place::Topic);
                self.add(names[1], &SchemaBuilder::int32().build(), Place::Partition);
                self.add(names[2], &SchemaBuilder::int64().build(), Place::Offset);
            }
            KeyMode::RecordKey => {
                let schema = record.record.key.schema.as_ref().ok_or_else(|| {
                    ConnectError::data(
                        "Configured primary key mode 'record_key' cannot have null schema. The record's key has none: set key.converter.schemas.enable=true here and at the source, or use a converter with a schema registry",
                    )
                })?;
                self.record_key(schema)?;
            }
            KeyMode::RecordValue => {
                let Some(row) = row.filter(|row| row.is_struct()) else {
                    return Ok(());
                };
                for field in row.fields() {
                    if fields.is_empty() || fields.iter().any(|name| **name == *field.name) {
                        self.add(&field.name, &field.schema, Place::Row(field.index));
                    }
                }
                self.all_found(row, "RECORD_VALUE", "value")?;
            }
            KeyMode::RecordHeader => {
                if record.record.headers.is_empty() {
                    return Err(ConnectError::data(
                        "Configured primary key mode 'record_header' cannot have empty message headers",
                    ));
                }
                for (index, header) in record.record.headers.iter().enumerate() {
                    let schema = header
                        .value
                        .schema
                        .clone()
                        .unwrap_or_else(|| SchemaBuilder::string().build());
                    self.add(&header.key, &schema, Place::Header(index));
                }
            }
        }
        Ok(())
    }

    /// Debezium takes those fields of the list that there are (`JdbcSinkRecord.getFilteredKey`); text of Confluent's
    /// `FieldsMetadata`.
    fn all_found(&self, schema: &Schema, mode: &str, part: &str) -> Result<(), ConnectError> {
        if self.settings.is_debezium() {
            return Ok(());
        }
        let fields = &self.settings.key_fields;
        match fields.iter().find(|name| schema.field(name).is_none()) {
            None => Ok(()),
            Some(missing) => Err(ConnectError::data(format!(
                "PK mode for table '{}' is {mode} with configured PK fields [{}], but record {part} schema does not contain field: {missing}",
                self.topic,
                fields.join(", ")
            ))),
        }
    }

    fn record_key(&mut self, schema: &Arc<Schema>) -> Result<(), ConnectError> {
        let fields = &self.settings.key_fields;
        match &schema.kind {
            Kind::Struct(_) => {
                for field in schema.fields() {
                    let wanted = if fields.is_empty() {
                        self.settings.style == Style::Confluent
                            || self.settings.takes_field(self.topic, &field.name)
                    } else {
                        fields.iter().any(|name| **name == *field.name)
                    };
                    if wanted {
                        self.add(&field.name, &field.schema, Place::Key(field.index));
                    }
                }
                self.all_found(schema, "RECORD_KEY", "key")
            }
            Kind::Array(_) | Kind::Map(..) => Err(ConnectError::data(format!(
                "An unsupported record key schema type detected: {}",
                schema.kind.type_name()
            ))),
            _ => match fields.as_slice() {
                [name] => {
                    self.add(name, schema, Place::WholeKey);
                    Ok(())
                }
                _ => Err(ConnectError::data(format!(
                    "Need exactly one PK column defined since the key schema for records is a primitive type, defined columns are: [{}]",
                    fields.join(", ")
                ))),
            },
        }
    }
}
