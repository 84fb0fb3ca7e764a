//! `ValueToKey`: a key of fields of the value.

use std::sync::Arc;

use tidegate_api::config::{ConfigDef, ConfigKey, Importance, filled_list};
use tidegate_api::{
    ConnectError, Plugins, Props, Record, Schema, SchemaAndValue, SchemaBuilder, SchemaCache,
    Struct, Transform, TransformPlugin, Value,
};

use crate::part::unsupported;
use crate::shape;

static FIELDS: ConfigKey<Vec<String>> = ConfigKey::required("fields")
    .importance(Importance::High)
    .validator(filled_list)
    .doc(
        "Fields of the value that become the key, separated by commas, in this order. A field \
         that a value with a schema lacks is an error.",
    );

fn config_def() -> ConfigDef {
    ConfigDef::new(&[&FIELDS, &shape::REPLACE_NULL])
}

pub(crate) fn register(plugins: &mut Plugins) {
    plugins.transforms.push(TransformPlugin {
        class: "org.apache.kafka.connect.transforms.ValueToKey",
        version: crate::VERSION,
        config_def,
        create: Arc::new(|props| Ok(Box::new(ValueToKey::new(props)?))),
    });
}

struct ValueToKey {
    fields: Vec<String>,
    replace_null: bool,
    schemas: SchemaCache<(Arc<Schema>, Vec<usize>)>,
}

impl ValueToKey {
    fn new(props: &Props) -> Result<Self, ConnectError> {
        let fields = props.get(&FIELDS)?;
        if fields.is_empty() {
            return Err(ConnectError::config(
                "Invalid value [] for configuration fields: Empty list",
            ));
        }
        Ok(Self {
            fields,
            replace_null: props.get(&shape::REPLACE_NULL)?,
            schemas: shape::cache(),
        })
    }
}

impl Transform for ValueToKey {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, ConnectError> {
        record.key = match (&record.value.schema, &record.value.value) {
            (Some(schema), Value::Struct(structure)) => {
                let plan = self.schemas.get(schema, || {
                    let mut builder = SchemaBuilder::structure();
                    let mut indexes = Vec::new();
                    for name in &self.fields {
                        let field = schema.field(name).ok_or_else(|| {
                            ConnectError::data(format!("Field does not exist: {name}"))
                        })?;
                        builder = builder.field(name.as_str(), Arc::clone(&field.schema));
                        indexes.push(field.index);
                    }
                    Ok::<_, ConnectError>((builder.try_build()?, indexes))
                })?;
                let values: Vec<Value> = plan
                    .1
                    .iter()
                    .map(|index| shape::value_of(structure, *index, self.replace_null))
                    .collect();
                SchemaAndValue {
                    schema: Some(Arc::clone(&plan.0)),
                    value: Value::Struct(Struct::new(Arc::clone(&plan.0), values)),
                }
            }
            (None, value @ Value::Map(_)) => {
                let entry = |name: &String| {
                    (
                        Value::string(name),
                        value.map_get(name).cloned().unwrap_or_default(),
                    )
                };
                SchemaAndValue::schemaless(Value::Map(self.fields.iter().map(entry).collect()))
            }
            _ => {
                return Err(unsupported(
                    "copying fields from value to key",
                    &record.value,
                ));
            }
        };
        Ok(Some(record))
    }
}
