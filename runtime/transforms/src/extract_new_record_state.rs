//! `ExtractNewRecordState`: the row instead of Debezium's envelope around it.
//!
//! Source: `io.debezium.transforms.ExtractNewRecordState`.

use std::sync::Arc;

use tidegate_api::config::{
    ConfigDef, ConfigKey, ConfigValue, Importance, Width, enumerated, invalid,
};
use tidegate_api::{
    ConnectError, Header, Plugins, Props, Record, Schema, SchemaAndValue, SchemaBuilder,
    SchemaCache, Struct, Transform, TransformPlugin, Value,
};

use crate::shape;

static MODE: ConfigKey<String> = ConfigKey::new("delete.tombstone.handling.mode", "")
    .importance(Importance::Medium)
    .width(Width::Medium)
    .display_name("Handle delete and tombstone records")
    .validator(mode)
    .doc(
        "What becomes of deletes. 'tombstone': a record with a null value for the delete event, \
         without the tombstone behind it; 'drop': nothing; 'rewrite': the old row with \
         '__deleted'; 'rewrite-with-tombstone': the same and the tombstone; 'delete-to- \
         tombstone': a tombstone for the event alone. Empty: as drop.tombstones and \
         delete.handling.mode say if one is set, else 'tombstone'.",
    );
static DROP_TOMBSTONES: ConfigKey<bool> = ConfigKey::new("drop.tombstones", "true")
    .importance(Importance::Low)
    .doc(
        "Whether the tombstone behind a delete event is left out. Only counts without \
         delete.tombstone.handling.mode, which is to be used instead.",
    );
static DELETE_MODE: ConfigKey<String> = ConfigKey::new("delete.handling.mode", "drop")
    .importance(Importance::Medium)
    .validator(legacy_mode)
    .doc(
        "What becomes of a delete event. 'drop': nothing; 'none': a record with a null value; \
         'rewrite': the old row with '__deleted'. Only counts without \
         delete.tombstone.handling.mode, which is to be used instead.",
    );
static ADD_FIELDS: ConfigKey<Vec<String>> = ConfigKey::new("add.fields", "")
    .importance(Importance::Low)
    .width(Width::Long)
    .display_name("Adds the specified field(s) to the message if they exist.")
    .doc(
        "Fields of the event that are added to the row, separated by commas: 'op', \
         'source.ts_ms' or, under another name, 'source.ts_ms:changed'. See add.fields.prefix.",
    );
static ADD_FIELDS_PREFIX: ConfigKey<String> = ConfigKey::new("add.fields.prefix", "__")
    .importance(Importance::Low)
    .width(Width::Short)
    .display_name("Field prefix to be added to each field.")
    .doc("What stands before the names of fields that add.fields adds.");
static ADD_HEADERS: ConfigKey<Vec<String>> = ConfigKey::new("add.headers", "")
    .importance(Importance::Low)
    .width(Width::Long)
    .display_name("Adds the specified fields to the header if they exist.")
    .doc(
        "Fields of the event that become headers, separated by commas, in the form of \
         add.fields. See add.headers.prefix.",
    );
static ADD_HEADERS_PREFIX: ConfigKey<String> = ConfigKey::new("add.headers.prefix", "__")
    .importance(Importance::Low)
    .width(Width::Short)
    .display_name("Header prefix to be added to each header.")
    .doc("What stands before the names of headers that add.headers adds.");
static ROUTE_BY_FIELD: ConfigKey<String> = ConfigKey::new("route.by.field", "")
    .importance(Importance::Low)
    .width(Width::Long)
    .display_name("Route by field name")
    .doc(
        "Column of text whose value becomes the topic of the record. Empty for none; a null \
         value changes nothing.",
    );
static DROP_FIELDS_HEADER: ConfigKey<Option<String>> =
    ConfigKey::nullable("drop.fields.header.name")
        .importance(Importance::Low)
        .width(Width::Short)
        .display_name("Specifies a header that contains a list of field names to be removed")
        .validator(refused)
        .doc(
            "Header with the names of fields to leave out. This version does not have it and takes \
             no value.",
        );
static DROP_FIELDS_FROM_KEY: ConfigKey<bool> = ConfigKey::new("drop.fields.from.key", "false")
    .importance(Importance::Low)
    .width(Width::Short)
    .display_name("Specifies whether the fields to be dropped should also be omitted from the key")
    .doc("Only counts with drop.fields.header.name, which this version does not have.");
static KEEP_COMPATIBLE: ConfigKey<bool> =
    ConfigKey::new("drop.fields.keep.schema.compatible", "true")
        .importance(Importance::Low)
        .width(Width::Short)
        .display_name("Specifies if fields are dropped, will the event's schemas be compatible")
        .doc("Only counts with drop.fields.header.name, which this version does not have.");
static REPLACE_NULL: ConfigKey<bool> = ConfigKey::new("replace.null.with.default", "true")
    .importance(Importance::Low)
    .doc(
        "Whether a field that is null and has a default in its schema becomes the default where \
         the row is built anew. With 'false' it stays null.",
    );

fn refused(name: &str, value: &ConfigValue) -> Result<(), String> {
    match value {
        ConfigValue::String(text) if !text.is_empty() => Err(invalid(
            name,
            text,
            "this version does not support it: drop fields with ReplaceField",
        )),
        _ => Ok(()),
    }
}
fn mode(name: &str, value: &ConfigValue) -> Result<(), String> {
    enumerated(
        name,
        value,
        &[
            "",
            "drop",
            "tombstone",
            "rewrite",
            "rewrite-with-tombstone",
            "delete-to-tombstone",
        ],
    )
}
fn legacy_mode(name: &str, value: &ConfigValue) -> Result<(), String> {
    enumerated(name, value, &["drop", "none", "rewrite"])
}
fn config_def() -> ConfigDef {
    ConfigDef::new(&[
        &MODE,
        &DROP_TOMBSTONES,
        &DELETE_MODE,
        &ADD_FIELDS,
        &ADD_FIELDS_PREFIX,
        &ADD_HEADERS,
        &ADD_HEADERS_PREFIX,
        &ROUTE_BY_FIELD,
        &DROP_FIELDS_HEADER,
        &DROP_FIELDS_FROM_KEY,
        &KEEP_COMPATIBLE,
        &REPLACE_NULL,
    ])
}

pub(crate) fn register(plugins: &mut Plugins) {
    plugins.transforms.push(TransformPlugin {
        class: "io.debezium.transforms.ExtractNewRecordState",
        version: crate::DEBEZIUM_VERSION,
        config_def,
        create: Arc::new(|props| Ok(Box::new(ExtractNewRecordState::new(props)?))),
    });
}

/// What becomes of a delete event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OnDelete {
    Drop,
    /// A null value that keeps the row's schema.
    Null,
    /// A true tombstone.
    Tombstone,
    /// The row as it was, marked as deleted.
    Rewrite,
}

/// `name`, `struct.name`, each optionally with `:newname`.
#[derive(Debug, Clone)]
struct Reference {
    structure: Option<String>,
    field: String,
    output: String,
}

impl Reference {
    fn parse(text: &str, prefix: &str) -> Result<Self, ConnectError> {
        let parts: Vec<&str> = text.split(':').collect();
        let (path, renamed) = match parts.as_slice() {
            [path] => (*path, None),
            [path, renamed] => (*path, Some(*renamed)),
            _ => {
                return Err(ConnectError::config(format!(
                    "Unexpected field name: {text}"
                )));
            }
        };
        let (structure, field, plain) = match path.split_once('.') {
            Some((structure, field)) => (
                Some(structure.to_owned()),
                field,
                format!("{structure}_{field}"),
            ),
            None => {
                let structure = match path {
                    "op" | "ts_ms" | "ts_us" | "ts_ns" => None,
                    "id" | "total_order" | "data_collection_order" => {
                        Some("transaction".to_owned())
                    }
                    _ => Some("source".to_owned()),
                };
                (structure, path, path.to_owned())
            }
        };
        let output = format!("{prefix}{}", renamed.unwrap_or(&plain));
        Ok(Self {
            structure,
            field: field.to_owned(),
            output,
        })
    }

    /// Schema and value in an envelope; `None` if there is no such field.
    fn find(&self, envelope: &Struct) -> Option<(Arc<Schema>, Value)> {
        let own = |structure: &Struct, schema: &Schema| {
            let field = schema.field(&self.field)?;
            Some((
                Arc::clone(&field.schema),
                structure.values()[field.index].clone(),
            ))
        };
        let at_top = || own(envelope, envelope.schema());
        let Some(name) = &self.structure else {
            return at_top();
        };
        let holder = envelope.schema().field(name)?;
        match &envelope.values()[holder.index] {
            Value::Struct(structure) => own(structure, structure.schema()).or_else(at_top),
            _ => match holder.schema.field(&self.field) {
                Some(field) => Some((Arc::clone(&field.schema), Value::Null)),
                None => at_top(),
            },
        }
    }
}

/// Without default, always optional.
fn added_schema(schema: &Schema) -> Arc<Schema> {
    shape::basics(schema, SchemaBuilder::new(schema.kind.clone()))
        .optional()
        .build()
}

struct ExtractNewRecordState {
    on_delete: OnDelete,
    keep_tombstones: bool,
    rewrite: bool,
    fields: Vec<Reference>,
    headers: Vec<Reference>,
    route_by_field: String,
    replace_null: bool,
    /// By the envelope's schema.
    schemas: SchemaCache<Arc<Schema>>,
    /// What was added to the last delete event of a source.
    last_delete: Option<LastDelete>,
}

/// A delete event of a source and the tombstone behind it have one list of headers in the original, so that what is added to
/// the one is on the other, too. In a sink they are two records of the log with a list for each.
///
/// Source: Debezium `EventDispatcher.StreamingChangeRecordReceiver`, `ExtractNewRecordState.handleRecord`.
struct LastDelete {
    topic: Arc<str>,
    key: Value,
    added: Vec<Header>,
}

impl ExtractNewRecordState {
    fn new(props: &Props) -> Result<Self, ConnectError> {
        config_def().check(props)?;
        let mode = props.get(&MODE)?.trim().to_ascii_lowercase();
        let legacy = mode.is_empty()
            && (props.contains(DROP_TOMBSTONES.name()) || props.contains(DELETE_MODE.name()));
        let (on_delete, keep_tombstones) = if legacy {
            let keep = !props.get(&DROP_TOMBSTONES)?;
            match props.get(&DELETE_MODE)?.to_ascii_lowercase().as_str() {
                "none" => (OnDelete::Null, keep),
                "rewrite" => (OnDelete::Rewrite, keep),
                _ => (OnDelete::Drop, keep),
            }
        } else {
            match mode.as_str() {
                "drop" => (OnDelete::Drop, false),
                "rewrite" => (OnDelete::Rewrite, false),
                "rewrite-with-tombstone" => (OnDelete::Rewrite, true),
                "delete-to-tombstone" => (OnDelete::Tombstone, false),
                _ => (OnDelete::Null, false),
            }
        };
        let references = |list: &ConfigKey<Vec<String>>, prefix: &ConfigKey<String>| {
            let prefix = props.get(prefix)?;
            props
                .get(list)?
                .iter()
                .map(|text| Reference::parse(text, &prefix))
                .collect::<Result<Vec<_>, ConnectError>>()
        };
        Ok(Self {
            on_delete,
            keep_tombstones,
            rewrite: on_delete == OnDelete::Rewrite,
            fields: references(&ADD_FIELDS, &ADD_FIELDS_PREFIX)?,
            headers: references(&ADD_HEADERS, &ADD_HEADERS_PREFIX)?,
            route_by_field: props.get(&ROUTE_BY_FIELD)?,
            replace_null: props.get(&REPLACE_NULL)?,
            schemas: shape::cache(),
            last_delete: None,
        })
    }

    /// Adds the headers, and those that the original's record shares with the one before it.
    fn add_all_headers(&mut self, record: &mut Record) {
        // Records of the log have a time, those of a source do not yet.
        let may_share = record.timestamp.is_none() && !self.headers.is_empty();
        if !may_share {
            return self.add_headers(record);
        }
        let before = self.last_delete.take();
        if record.value.value.is_null() {
            if let Some(before) = before
                && before.topic == record.topic
                && before.key == record.key.value
            {
                record.headers.extend(before.added);
            }
            return self.add_headers(record);
        }
        let own = record.headers.len();
        self.add_headers(record);
        self.last_delete = is_delete(record).then(|| LastDelete {
            topic: Arc::clone(&record.topic),
            key: record.key.value.clone(),
            added: record.headers.iter().skip(own).cloned().collect(),
        });
    }

    fn add_headers(&self, record: &mut Record) {
        let optional_text = || SchemaBuilder::string().optional().build();
        for reference in &self.headers {
            let found = match &record.value.value {
                Value::Struct(envelope) => reference.find(envelope),
                _ if reference.field == "op" => Some((optional_text(), Value::string("d"))),
                _ => None,
            };
            if let Some((schema, value)) = found {
                record.headers.push(Header {
                    key: Arc::from(reference.output.as_str()),
                    value: SchemaAndValue {
                        schema: Some(schema),
                        value,
                    },
                });
            }
        }
    }

    fn route(&self, record: &mut Record, row: &Struct) -> Result<(), ConnectError> {
        if self.route_by_field.is_empty() {
            return Ok(());
        }
        let field = row.schema().field(&self.route_by_field).ok_or_else(|| {
            ConnectError::data(format!("{} is not a valid field name", self.route_by_field))
        })?;
        match &row.values()[field.index] {
            Value::String(topic) if !topic.trim().is_empty() => {
                record.topic = Arc::from(topic.as_str());
            }
            Value::String(_) | Value::Null => {}
            _ => {
                return Err(ConnectError::data(format!(
                    "Field '{}' is not of type STRING",
                    self.route_by_field
                )));
            }
        }
        Ok(())
    }

    /// The row with everything that is added to it.
    fn rebuilt(
        &mut self,
        envelope: &Struct,
        row: &Struct,
        deleted: bool,
    ) -> Result<SchemaAndValue, ConnectError> {
        let found: Vec<_> = self
            .fields
            .iter()
            .filter_map(|reference| Some((reference, reference.find(envelope)?)))
            .collect();
        let schema = self.schemas.get(envelope.schema(), || {
            let mut builder = shape::basics(row.schema(), SchemaBuilder::structure());
            for field in row.schema().fields() {
                builder = builder.field(Arc::clone(&field.name), Arc::clone(&field.schema));
            }
            if self.rewrite {
                builder = builder.field("__deleted", SchemaBuilder::string().optional().build());
            }
            for (reference, (schema, _)) in &found {
                builder = builder.field(reference.output.as_str(), added_schema(schema));
            }
            builder.try_build()
        })?;
        let mut values: Vec<Value> = (0..row.values().len())
            .map(|index| shape::value_of(row, index, self.rewrite && self.replace_null))
            .collect();
        if self.rewrite {
            values.push(Value::string(if deleted { "true" } else { "false" }));
        }
        values.extend(found.into_iter().map(|(_, (_, value))| value));
        Ok(SchemaAndValue {
            value: Value::Struct(Struct::new(Arc::clone(schema), values)),
            schema: Some(Arc::clone(schema)),
        })
    }
}

/// Whether the record is an envelope without a row behind the change.
fn is_delete(record: &Record) -> bool {
    let Value::Struct(envelope) = &record.value.value else {
        return false;
    };
    matches!(envelope.get_without_default("op"), Some(Value::String(op)) if op.as_str() == "d")
}

impl Transform for ExtractNewRecordState {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, ConnectError> {
        if record.value.value.is_null() {
            self.add_all_headers(&mut record);
            return Ok(self.keep_tombstones.then_some(record));
        }
        let is_envelope = record
            .value
            .schema
            .as_ref()
            .and_then(|schema| schema.name.as_deref())
            .is_some_and(|name| name.ends_with(".Envelope"));
        if !is_envelope {
            return Ok(Some(record));
        }
        self.add_all_headers(&mut record);
        let data = std::mem::take(&mut record.value);
        let Value::Struct(envelope) = &data.value else {
            return Ok(Some(Record {
                value: data,
                ..record
            }));
        };
        let row = |name: &str| match envelope.get_without_default(name) {
            Some(Value::Struct(row)) => Some(row),
            _ => None,
        };
        match (row("before"), row("after")) {
            (_, Some(after)) => {
                record.value = self.rebuilt(envelope, after, false)?;
                self.route(&mut record, after)?;
                Ok(Some(record))
            }
            (None, None) => Ok(None),
            (Some(before), None) => {
                record.value = match self.on_delete {
                    OnDelete::Drop => return Ok(None),
                    OnDelete::Tombstone => SchemaAndValue::default(),
                    OnDelete::Null => SchemaAndValue {
                        schema: Some(Arc::clone(before.schema())),
                        value: Value::Null,
                    },
                    OnDelete::Rewrite => self.rebuilt(envelope, before, true)?,
                };
                self.route(&mut record, before)?;
                Ok(Some(record))
            }
        }
    }
}

#[cfg(test)]
mod tests;
