//! `ByLogicalTableRouter`: brings the topics of sharded tables together.
//!
//! Source: `io.debezium.transforms.ByLogicalTableRouter`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tidegate_api::config::{ConfigDef, ConfigKey, ConfigValue, Importance, invalid};
use tidegate_api::{
    ConnectError, Plugins, Props, Record, Schema, SchemaAndValue, SchemaBuilder, Struct, Transform,
    TransformPlugin, Value,
};

use crate::regex_router::{Replacer, valid_regex};
use crate::shape;

static TOPIC_REGEX: ConfigKey<String> = ConfigKey::required("topic.regex")
    .importance(Importance::Low)
    .validator(valid_regex)
    .doc(
        "The regex used for extracting the name of the logical table from the original topic name.",
    );
static TOPIC_REPLACEMENT: ConfigKey<String> = ConfigKey::required("topic.replacement").importance(Importance::Low).doc("The replacement string used in conjunction with topic.regex to generate the new topic name.");
static KEY_UNIQUENESS: ConfigKey<bool> = ConfigKey::new("key.enforce.uniqueness", "true")
    .importance(Importance::Low)
    .doc("Augment each record's key with a field denoting the source topic.");
static KEY_FIELD_NAME: ConfigKey<String> =
    ConfigKey::new("key.field.name", "__dbz__physicalTableIdentifier")
        .importance(Importance::Low)
        .doc("Each record's key schema will be augmented with this field name.");
static KEY_FIELD_REGEX: ConfigKey<String> = ConfigKey::new("key.field.regex", "")
    .importance(Importance::Low)
    .validator(valid_regex)
    .doc(
        "The regex used for extracting the physical table identifier from the original topic name.",
    );
static KEY_FIELD_REPLACEMENT: ConfigKey<String> = ConfigKey::new("key.field.replacement", "")
    .importance(Importance::Low)
    .doc("The replacement string used in conjunction with key.field.regex.");
static ADJUSTMENT: ConfigKey<String> = ConfigKey::new("schema.name.adjustment.mode", "none").importance(Importance::Low).validator(only_none).doc("Specify how the message key schema names derived from the resulting topic name should be adjusted.");
static CACHE_SIZE: ConfigKey<i32> = ConfigKey::new("logical.table.cache.size", "16")
    .importance(Importance::Low)
    .doc("The size used for holding the max entries in the cache.");

fn only_none(name: &str, value: &ConfigValue) -> Result<(), String> {
    match value {
        ConfigValue::String(text) if text != "none" => {
            Err(invalid(name, text, "this version supports 'none' only"))
        }
        _ => Ok(()),
    }
}

fn config_def() -> ConfigDef {
    ConfigDef::new(&[
        &TOPIC_REGEX,
        &TOPIC_REPLACEMENT,
        &KEY_UNIQUENESS,
        &KEY_FIELD_NAME,
        &KEY_FIELD_REGEX,
        &KEY_FIELD_REPLACEMENT,
        &ADJUSTMENT,
        &CACHE_SIZE,
    ])
}

pub(crate) fn register(plugins: &mut Plugins) {
    plugins.transforms.push(TransformPlugin {
        class: "io.debezium.transforms.ByLogicalTableRouter",
        version: crate::DEBEZIUM_VERSION,
        config_def,
        create: |props| Ok(Box::new(ByLogicalTableRouter::new(props)?)),
    });
}

/// Schemas by the old schema's address and the new topic.
type Schemas = Mutex<HashMap<(usize, Arc<str>), (Arc<Schema>, Arc<Schema>)>>;

struct ByLogicalTableRouter {
    topic: Replacer,
    unique_keys: bool,
    key_field: String,
    key_value: Option<Replacer>,
    schemas: Schemas,
}

const SCHEMAS: usize = 1024;

impl ByLogicalTableRouter {
    fn new(props: &Props) -> Result<Self, ConnectError> {
        config_def().check(props)?;
        let (pattern, replacement) = (
            props.get(&KEY_FIELD_REGEX)?,
            props.get(&KEY_FIELD_REPLACEMENT)?,
        );
        if !pattern.is_empty() && replacement.is_empty() {
            return Err(ConnectError::config(
                "Unable to validate config. key.field.replacement must be non-empty if key.field.regex is set.",
            ));
        }
        Ok(Self {
            topic: Replacer::new(&props.get(&TOPIC_REGEX)?, &props.get(&TOPIC_REPLACEMENT)?)?,
            unique_keys: props.get(&KEY_UNIQUENESS)?,
            key_field: props.get(&KEY_FIELD_NAME)?,
            key_value: (!pattern.is_empty())
                .then(|| Replacer::new(&pattern, &replacement))
                .transpose()?,
            schemas: Mutex::default(),
        })
    }

    fn schema(
        &self,
        old: &Arc<Schema>,
        topic: &Arc<str>,
        make: impl FnOnce() -> Result<Arc<Schema>, ConnectError>,
    ) -> Result<Arc<Schema>, ConnectError> {
        let mut known = self.schemas.lock().expect("no holder panics");
        let key = (Arc::as_ptr(old).addr(), Arc::clone(topic));
        if let Some((_, schema)) = known.get(&key) {
            return Ok(Arc::clone(schema));
        }
        let schema = make()?;
        if known.len() >= SCHEMAS {
            known.clear();
        }
        known.insert(key, (Arc::clone(old), Arc::clone(&schema)));
        Ok(schema)
    }

    fn key(
        &self,
        key: &SchemaAndValue,
        old_topic: &str,
        topic: &Arc<str>,
    ) -> Result<SchemaAndValue, ConnectError> {
        let (Some(schema), Value::Struct(structure)) = (&key.schema, &key.value) else {
            if key.value.is_null() {
                return Ok(SchemaAndValue::default());
            }
            return Err(ConnectError::data(format!(
                "Only Struct objects supported for [Updating schema], found: {}",
                key.value.java_class()
            )));
        };
        let renamed = self.schema(schema, topic, || {
            let mut builder =
                shape::basics(schema, SchemaBuilder::structure()).name(format!("{topic}.Key"));
            for field in schema.fields() {
                builder = builder.field(Arc::clone(&field.name), Arc::clone(&field.schema));
            }
            if self.unique_keys {
                builder = builder.field(self.key_field.as_str(), SchemaBuilder::string().build());
            }
            builder.try_build()
        })?;
        let mut values = structure.values().to_vec();
        if self.unique_keys {
            let identifier = match &self.key_value {
                Some(replacer) => replacer
                    .replace(old_topic)?
                    .unwrap_or_else(|| old_topic.to_owned()),
                None => old_topic.to_owned(),
            };
            values.push(Value::String(identifier.into()));
        }
        Ok(SchemaAndValue {
            value: Value::Struct(Struct::new(Arc::clone(&renamed), values)),
            schema: Some(renamed),
        })
    }

    fn envelope(
        &self,
        value: &SchemaAndValue,
        topic: &Arc<str>,
    ) -> Result<Option<SchemaAndValue>, ConnectError> {
        let (Some(schema), Value::Struct(structure)) = (&value.schema, &value.value) else {
            return Ok(None);
        };
        if !schema
            .name
            .as_deref()
            .is_some_and(|name| name.ends_with(".Envelope"))
        {
            return Ok(None);
        }
        let is_row = |name: &str| matches!(name, "before" | "after");
        let envelope = self.schema(schema, topic, || {
            let row = schema.field("before").map(|field| {
                let old = &field.schema;
                let mut builder = shape::basics(old, SchemaBuilder::structure())
                    .name(format!("{topic}.Value"))
                    .set_optional(old.optional);
                for field in old.fields() {
                    builder = builder.field(Arc::clone(&field.name), Arc::clone(&field.schema));
                }
                builder.build()
            });
            let mut builder = shape::basics(schema, SchemaBuilder::structure())
                .name(format!("{topic}.Envelope"))
                .set_optional(schema.optional);
            for field in schema.fields() {
                let own = match &row {
                    Some(row) if is_row(&field.name) => Arc::clone(row),
                    _ => Arc::clone(&field.schema),
                };
                builder = builder.field(Arc::clone(&field.name), own);
            }
            builder.try_build()
        })?;
        let values: Vec<Value> = structure
            .fields()
            .map(|(field, value)| match value {
                Value::Struct(row) if is_row(&field.name) => {
                    let schema = &envelope.fields()[field.index].schema;
                    Value::Struct(Struct::new(Arc::clone(schema), row.values().to_vec()))
                }
                other => other.clone(),
            })
            .collect();
        Ok(Some(SchemaAndValue {
            value: Value::Struct(Struct::new(Arc::clone(&envelope), values)),
            schema: Some(envelope),
        }))
    }
}

impl Transform for ByLogicalTableRouter {
    fn apply(&self, mut record: Record) -> Result<Option<Record>, ConnectError> {
        let Some(topic) = self
            .topic
            .replace(&record.topic)?
            .filter(|topic| !topic.is_empty())
        else {
            return Ok(Some(record));
        };
        let topic: Arc<str> = Arc::from(topic);
        record.key = self.key(&record.key, &record.topic, &topic)?;
        if let Some(value) = self.envelope(&record.value, &topic)? {
            record.value = value;
        }
        record.topic = topic;
        Ok(Some(record))
    }
}
