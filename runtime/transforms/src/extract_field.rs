//! `ExtractField`: one field stands for the whole.

use tidegate_api::config::{ConfigDef, ConfigKey, ConfigValue, Importance, invalid};
use tidegate_api::{ConnectError, Plugins, Props, Record, Transform, Value};

use crate::part::{Part, register_parts, unsupported};
use crate::shape;

static FIELD: ConfigKey<String> = ConfigKey::required("field").doc("Field name to extract.");
static SYNTAX: ConfigKey<String> = ConfigKey::new("field.syntax.version", "V1")
    .importance(Importance::High)
    .validator(only_v1)
    .doc("Defines the version of the syntax to access fields.");
static REPLACE_NULL: ConfigKey<bool> = ConfigKey::new("replace.null.with.default", "true").doc("Whether to replace fields that have a default value and that are null to the default value. When set to true, the default value is used, otherwise null is used.");

fn only_v1(name: &str, value: &ConfigValue) -> Result<(), String> {
    match value {
        ConfigValue::String(text) if !text.eq_ignore_ascii_case("V1") => {
            Err(invalid(name, text, "this version supports V1 only"))
        }
        _ => Ok(()),
    }
}

fn config_def() -> ConfigDef {
    ConfigDef::new(&[&FIELD, &REPLACE_NULL, &SYNTAX])
}

pub(crate) fn register(plugins: &mut Plugins) {
    register_parts!(plugins, "ExtractField", config_def, ExtractField::new);
}

struct ExtractField {
    part: Part,
    field: String,
    replace_null: bool,
}

impl ExtractField {
    fn new(props: &Props, part: Part) -> Result<Self, ConnectError> {
        config_def().check(props)?;
        Ok(Self {
            part,
            field: props.get(&FIELD)?,
            replace_null: props.get(&REPLACE_NULL)?,
        })
    }
}

impl Transform for ExtractField {
    fn apply(&self, mut record: Record) -> Result<Option<Record>, ConnectError> {
        let data = self.part.get(&mut record);
        match (&data.schema, &data.value) {
            (Some(schema), value) => {
                let field = schema
                    .field(&self.field)
                    .ok_or_else(|| ConnectError::data(format!("Unknown field: {}", self.field)))?;
                let extracted = match value {
                    Value::Null => Value::Null,
                    Value::Struct(structure) => {
                        shape::value_of(structure, field.index, self.replace_null)
                    }
                    _ => return Err(unsupported("field extraction", data)),
                };
                let schema = std::sync::Arc::clone(&field.schema);
                data.value = extracted;
                data.schema = Some(schema);
            }
            (None, Value::Null) => {}
            (None, Value::Map(_)) => {
                data.value = data.value.map_get(&self.field).cloned().unwrap_or_default();
            }
            _ => return Err(unsupported("field extraction", data)),
        }
        Ok(Some(record))
    }
}
