//! `InsertField`: fields with what is known of the record, or with a constant.

use std::sync::Arc;

use tidegate_api::config::{ConfigDef, ConfigKey, ConfigValue, invalid};
use tidegate_api::{
    ConnectError, Plugins, Props, Record, Schema, SchemaBuilder, SchemaCache, Struct, Transform,
    Value, logical,
};

use crate::part::{Part, register_parts, unsupported};
use crate::shape;

static TOPIC: ConfigKey<Option<String>> = ConfigKey::nullable("topic.field").doc(
    "Name of a field for the record's topic. A '!' behind it makes the field required, a \
     '?' or nothing optional.",
);
static PARTITION: ConfigKey<Option<String>> = ConfigKey::nullable("partition.field").doc(
    "Name of a field for the record's partition. A '!' behind it makes the field required, \
     a '?' or nothing optional.",
);
static OFFSET: ConfigKey<Option<String>> = ConfigKey::nullable("offset.field")
    .validator(no_offsets)
    .doc(
        "Name of a field for the offset of a sink's record. A '!' behind it makes the field \
         required, a '?' or nothing optional. This version does not have it and takes no value.",
    );
static TIMESTAMP: ConfigKey<Option<String>> = ConfigKey::nullable("timestamp.field").doc(
    "Name of a field for the record's timestamp. A '!' behind it makes the field required, \
     a '?' or nothing optional; records of most sources have no timestamp yet.",
);
static STATIC_FIELD: ConfigKey<Option<String>> = ConfigKey::nullable("static.field").doc(
    "Name of a field for the text in static.value. A '!' behind it makes the field \
     required, a '?' or nothing optional.",
);
static STATIC_VALUE: ConfigKey<Option<String>> =
    ConfigKey::nullable("static.value").doc("Text of the field in static.field, which needs one.");

fn no_offsets(name: &str, value: &ConfigValue) -> Result<(), String> {
    match value {
        ConfigValue::String(field) if !field.is_empty() => Err(invalid(
            name,
            field,
            "this version does not hand offsets to transformations: a sink knows them by primary.key.mode=kafka (pk.mode=kafka)",
        )),
        _ => Ok(()),
    }
}

fn config_def() -> ConfigDef {
    ConfigDef::new(&[
        &TOPIC,
        &PARTITION,
        &OFFSET,
        &TIMESTAMP,
        &STATIC_FIELD,
        &STATIC_VALUE,
        &shape::REPLACE_NULL,
    ])
}

pub(crate) fn register(plugins: &mut Plugins) {
    register_parts!(plugins, "InsertField", config_def, InsertField::new);
}

/// What a field gets.
#[derive(Debug)]
enum Content {
    Topic,
    Partition,
    Timestamp,
    Static(String),
}

struct Insertion {
    name: String,
    optional: bool,
    content: Content,
}

struct InsertField {
    part: Part,
    insertions: Vec<Insertion>,
    replace_null: bool,
    schemas: SchemaCache<Arc<Schema>>,
}

impl InsertField {
    fn new(props: &Props, part: Part) -> Result<Self, ConnectError> {
        config_def().check(props)?;
        let mut insertions = Vec::new();
        let mut add = |name: Option<String>, content: Content| {
            if let Some(name) = name {
                let (plain, optional) = match (name.strip_suffix('!'), name.strip_suffix('?')) {
                    (Some(plain), _) => (plain, false),
                    (_, Some(plain)) => (plain, true),
                    _ => (name.as_str(), true),
                };
                insertions.push(Insertion {
                    name: plain.to_owned(),
                    optional,
                    content,
                });
            }
        };
        add(props.get(&TOPIC)?, Content::Topic);
        add(props.get(&PARTITION)?, Content::Partition);
        add(props.get(&TIMESTAMP)?, Content::Timestamp);
        if let Some(field) = props.get(&STATIC_FIELD)? {
            let value = props.get(&STATIC_VALUE)?.ok_or_else(|| {
                ConnectError::config(format!("Invalid value null for configuration static.value: No value specified for static field: {field}"))
            })?;
            add(Some(field), Content::Static(value));
        }
        if insertions.is_empty() {
            return Err(ConnectError::config("No field insertion configured"));
        }
        Ok(Self {
            part,
            insertions,
            replace_null: props.get(&shape::REPLACE_NULL)?,
            schemas: shape::cache(),
        })
    }
}

impl Insertion {
    fn schema(&self) -> Arc<Schema> {
        let builder = match self.content {
            Content::Topic | Content::Static(_) => SchemaBuilder::string(),
            Content::Partition => SchemaBuilder::int32(),
            Content::Timestamp => logical::timestamp(),
        };
        builder.set_optional(self.optional).build()
    }
    fn value(&self, topic: &str, partition: Option<i32>, timestamp: Option<i64>) -> Value {
        match &self.content {
            Content::Topic => Value::string(topic),
            Content::Partition => partition.map_or(Value::Null, Value::Int32),
            Content::Timestamp => timestamp.map_or(Value::Null, Value::Int64),
            Content::Static(value) => Value::string(value),
        }
    }
}

impl Transform for InsertField {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, ConnectError> {
        let (topic, partition, timestamp) = (
            Arc::clone(&record.topic),
            record.kafka_partition,
            record.timestamp,
        );
        let data = self.part.get(&mut record);
        match (&data.schema, &data.value) {
            (_, Value::Null) => {}
            (Some(schema), Value::Struct(structure)) => {
                let extended = self.schemas.get(schema, || {
                    let old = schema
                        .fields()
                        .iter()
                        .map(|field| (Arc::clone(&field.name), Arc::clone(&field.schema)));
                    let new = self
                        .insertions
                        .iter()
                        .map(|one| (Arc::from(one.name.as_str()), one.schema()));
                    old.chain(new)
                        .fold(
                            shape::basics(schema, SchemaBuilder::structure()),
                            |builder, (name, field)| builder.field(name, field),
                        )
                        .try_build()
                })?;
                let old = (0..schema.fields().len())
                    .map(|index| shape::value_of(structure, index, self.replace_null));
                let new = self
                    .insertions
                    .iter()
                    .map(|one| one.value(&topic, partition, timestamp));
                let result = Struct::new(Arc::clone(extended), old.chain(new).collect::<Vec<_>>());
                result.validate()?;
                data.value = Value::Struct(result);
                data.schema = Some(Arc::clone(extended));
            }
            (None, Value::Map(entries)) => {
                let mut entries = entries.clone();
                for one in &self.insertions {
                    let value = one.value(&topic, partition, timestamp);
                    match entries
                        .iter_mut()
                        .find(|(name, _)| name.as_str() == Some(&one.name))
                    {
                        Some((_, known)) => *known = value,
                        None if value.is_null() => {}
                        None => entries.push((Value::string(&one.name), value)),
                    }
                }
                data.value = Value::Map(entries);
            }
            _ => return Err(unsupported("field insertion", data)),
        }
        Ok(Some(record))
    }
}
