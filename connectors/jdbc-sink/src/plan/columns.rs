//! Which fields become columns, keys first.

use std::mem;
use std::sync::Arc;

use tidegate_api::{ConnectError, Kind, Schema, SchemaBuilder, SinkRecord};
use tracing::warn;

use super::{Column, Place};
use crate::config::{KeyMode, Settings, Style};
use crate::table::{LONGEST_NAME, fit_column, fold_column, unfit_name};

pub(super) struct Builder<'a> {
    pub(super) settings: &'a Settings,
    pub(super) topic: &'a str,
    pub(super) columns: Vec<Column>,
}

impl Builder<'_> {
    /// Adds a column, unless the key has given it already.
    ///
    /// # Errors
    /// `Data` if another field of the same part of the record has become this column, or one of any part whose name only the
    /// cut has made the same.
    pub(super) fn add(
        &mut self,
        field: &str,
        schema: &Arc<Schema>,
        place: Place,
    ) -> Result<(), ConnectError> {
        let debezium = self.settings.style == Style::Debezium;
        let source_name = schema
            .parameter("__debezium.source.column.name")
            .filter(|_| debezium)
            .unwrap_or(field);
        if let Some(why) = unfit_name(source_name) {
            return Err(ConnectError::data(format!(
                "the field {field:?} of topic '{}' cannot become a column: {why}. Rename or exclude it (field.exclude.list; Confluent's sink: fields.whitelist)",
                self.topic
            )));
        }
        let whole = fold_column(source_name, self.settings.quote);
        let name = fit_column(whole.clone());
        if name != whole {
            warn!(
                "the field '{field}' of topic '{}' becomes the column '{name}': names have at most {LONGEST_NAME} bytes, and this one has {}",
                self.topic,
                whole.len()
            );
        }
        if let Some(known) = self.columns.iter().find(|column| column.name == name) {
            let same_part = mem::discriminant(&known.place) == mem::discriminant(&place);
            if known.field == field || !same_part && known.uncut == whole {
                return Ok(());
            }
            return Err(ConnectError::data(format!(
                "the fields '{}' and '{field}' of topic '{}' both become the column '{name}': names have at most {LONGEST_NAME} bytes, and their case counts with quote.identifiers=true (Confluent's sink: quote.sql.identifiers=ALWAYS) only. Rename or exclude one of them",
                known.field, self.topic
            )));
        }
        self.columns.push(Column {
            name,
            uncut: whole,
            field: field.to_owned(),
            schema: Arc::clone(schema),
            place,
            as_timestamp: self.settings.is_timestamp_field(field),
        });
        Ok(())
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
                const NAMES: [&str; 3] =
                    ["__connect_topic", "__connect_partition", "__connect_offset"];
                let names = match fields.as_slice() {
                    [topic, partition, offset] if !self.settings.is_debezium() => {
                        [topic.as_str(), partition, offset]
                    }
                    [_, ..] if !self.settings.is_debezium() => {
                        return Err(ConnectError::data(format!(
                            "PK mode for table '{}' is KAFKA so there should either be no field names defined for defaults [{}] to be applicable, or exactly 3, defined fields are: [{}]",
                            self.topic,
                            NAMES.join(", "),
                            fields.join(", ")
                        )));
                    }
                    _ => NAMES,
                };
                self.add(names[0], &SchemaBuilder::string().build(), Place::Topic)?;
                self.add(names[1], &SchemaBuilder::int32().build(), Place::Partition)?;
                self.add(names[2], &SchemaBuilder::int64().build(), Place::Offset)?;
            }
            KeyMode::RecordKey => {
                let Some(schema) = &record.record.key.schema else {
                    let cure = if record.record.key.value.is_null() {
                        "The record has no key: let the source send one (message.key.columns), or take primary.key.mode=record_value with primary.key.fields, or none with insert.mode=insert"
                    } else {
                        "The record's key has none: set key.converter.schemas.enable=true here and at the source, or use a converter with a schema registry"
                    };
                    return Err(ConnectError::data(format!(
                        "Configured primary key mode 'record_key' cannot have null schema. {cure}"
                    )));
                };
                self.record_key(schema)?;
            }
            KeyMode::RecordValue => {
                let Some(row) = row.filter(|row| row.is_struct()) else {
                    return Ok(());
                };
                for field in row.fields() {
                    if fields.is_empty() || fields.iter().any(|name| **name == *field.name) {
                        self.add(&field.name, &field.schema, Place::Row(field.index))?;
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
                    self.add(&header.key, &schema, Place::Header(index))?;
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
                        self.add(&field.name, &field.schema, Place::Key(field.index))?;
                    }
                }
                self.all_found(schema, "RECORD_KEY", "key")
            }
            Kind::Array(_) | Kind::Map(..) => Err(ConnectError::data(format!(
                "An unsupported record key schema type detected: {}",
                schema.kind.type_name()
            ))),
            _ => match fields.as_slice() {
                [name] => self.add(name, schema, Place::WholeKey),
                _ => Err(ConnectError::data(format!(
                    "Need exactly one PK column defined since the key schema for records is a primitive type, defined columns are: [{}]",
                    fields.join(", ")
                ))),
            },
        }
    }
}
