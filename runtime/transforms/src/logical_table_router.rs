//! `ByLogicalTableRouter`: brings the topics of sharded tables together.
//!
//! Source: `io.debezium.transforms.ByLogicalTableRouter`.

use std::sync::Arc;

use tidegate_api::config::{ConfigDef, ConfigKey, ConfigValue, Importance, Width, invalid};
use tidegate_api::{
    ConnectError, Plugins, Props, RecentMap, Record, Schema, SchemaAndValue, SchemaBuilder,
    SchemaCache, Struct, Transform, TransformPlugin, Value,
};

use crate::regex_router::{TopicReplacer, valid_regex};
use crate::shape;

static TOPIC_REGEX: ConfigKey<String> = ConfigKey::required("topic.regex")
    .importance(Importance::Low)
    .width(Width::Long)
    .display_name("Topic regex")
    .validator(valid_regex)
    .doc(
        "Regular expression in Java's syntax that must match the whole name of a topic. Records \
         of other topics stay as they are.",
    );
static TOPIC_REPLACEMENT: ConfigKey<String> = ConfigKey::required("topic.replacement")
    .importance(Importance::Low)
    .width(Width::Long)
    .display_name("Topic replacement")
    .doc("Name of the new topic; '$1' and '${name}' stand for groups of topic.regex.");
static KEY_UNIQUENESS: ConfigKey<bool> = ConfigKey::new("key.enforce.uniqueness", "true")
    .importance(Importance::Low)
    .width(Width::Short)
    .display_name("Add source topic name into key")
    .doc(
        "Whether keys get a further field that tells the tables apart that share the new topic. \
         With 'false' rows of two tables with the same key are one row to readers.",
    );
static KEY_FIELD_NAME: ConfigKey<String> =
    ConfigKey::new("key.field.name", "__dbz__physicalTableIdentifier")
        .importance(Importance::Low)
        .doc("Name of the field that key.enforce.uniqueness adds.");
static KEY_FIELD_REGEX: ConfigKey<String> = ConfigKey::new("key.field.regex", "")
    .importance(Importance::Low)
    .width(Width::Long)
    .display_name("Key field regex")
    .validator(valid_regex)
    .doc(
        "Regular expression in Java's syntax for the part of the topic's name that is the value \
         of the added field. Empty for the whole name.",
    );
static KEY_FIELD_REPLACEMENT: ConfigKey<String> = ConfigKey::new("key.field.replacement", "")
    .importance(Importance::Low)
    .width(Width::Long)
    .display_name("Key field replacement")
    .doc(
        "Value of the added field; '$1' and '${name}' stand for groups of key.field.regex, \
         which needs it.",
    );
static ADJUSTMENT: ConfigKey<String> = ConfigKey::new("schema.name.adjustment.mode", "none")
    .importance(Importance::Low)
    .validator(only_none)
    .doc(
        "How names of schemas are changed for converters with narrower rules. 'none' leaves \
         them as they are and is the only value that this version takes.",
    );
static CACHE_SIZE: ConfigKey<i32> = ConfigKey::new("logical.table.cache.size", "16")
    .importance(Importance::Low)
    .width(Width::Long)
    .display_name("Logical table cache size")
    .doc("Number of schemas that are remembered together with what was made of them.");

fn only_none(name: &str, value: &ConfigValue) -> Result<(), String> {
    match value {
        ConfigValue::String(text) if !text.eq_ignore_ascii_case("none") => {
            let problem = "this version supports 'none' only: name the schema of the key with topic.replacement";
            Err(invalid(name, text, problem))
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
        create: Arc::new(|props| Ok(Box::new(ByLogicalTableRouter::new(props)?))),
    });
}

struct ByLogicalTableRouter {
    topic: TopicReplacer,
    unique_keys: bool,
    key_field: String,
    key_value: Option<TopicReplacer>,
    schemas: RenamedSchemas,
}

/// Topics whose schemas are kept.
const TOPICS: usize = 1_024;

/// By the new topic, which is in their names, what became of the schemas of its tables.
struct RenamedSchemas(RecentMap<Arc<str>, SchemaCache<Arc<Schema>>>);

impl RenamedSchemas {
    fn get(
        &mut self,
        old: &Arc<Schema>,
        topic: &Arc<str>,
        make: impl FnOnce() -> Result<Arc<Schema>, ConnectError>,
    ) -> Result<Arc<Schema>, ConnectError> {
        if let Some(known) = self.0.get_mut(topic) {
            return known.get(old, make).map(Arc::clone);
        }
        let mut new = shape::cache();
        let made = new.get(old, make).map(Arc::clone)?;
        self.0.insert(Arc::clone(topic), new);
        Ok(made)
    }
}

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
            topic: TopicReplacer::new(&props.get(&TOPIC_REGEX)?, &props.get(&TOPIC_REPLACEMENT)?)?,
            unique_keys: props.get(&KEY_UNIQUENESS)?,
            key_field: props.get(&KEY_FIELD_NAME)?,
            key_value: (!pattern.is_empty())
                .then(|| TopicReplacer::new(&pattern, &replacement))
                .transpose()?,
            schemas: RenamedSchemas(RecentMap::new(TOPICS)),
        })
    }

    fn key(
        &mut self,
        key: &SchemaAndValue,
        old_topic: &Arc<str>,
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
        let renamed = self.schemas.get(schema, topic, || {
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
            let identifier = match &mut self.key_value {
                Some(replacer) => replacer.replace(old_topic)?,
                None => None,
            };
            let identifier = identifier.as_deref().unwrap_or(old_topic);
            values.push(Value::string(identifier));
        }
        Ok(SchemaAndValue {
            value: Value::Struct(Struct::new(Arc::clone(&renamed), values)),
            schema: Some(renamed),
        })
    }

    fn envelope(
        &mut self,
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
        let envelope = self.schemas.get(schema, topic, || {
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
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, ConnectError> {
        let Some(topic) = self
            .topic
            .replace(&record.topic)?
            .filter(|topic| !topic.is_empty())
        else {
            return Ok(Some(record));
        };
        record.key = self.key(&record.key, &record.topic, &topic)?;
        if let Some(value) = self.envelope(&record.value, &topic)? {
            record.value = value;
        }
        record.topic = topic;
        Ok(Some(record))
    }
}
