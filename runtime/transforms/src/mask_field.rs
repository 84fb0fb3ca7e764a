//! `MaskField`: empty values, or a replacement, in place of what is not to be seen.

use tidegate_api::config::{ConfigDef, ConfigKey, Importance};
use tidegate_api::{ConnectError, Decimal, Plugins, Props, Record, Struct, Transform, Value};

use crate::part::{Part, register_parts, unsupported};
use crate::shape;

static FIELDS: ConfigKey<Vec<String>> = ConfigKey::required("fields")
    .importance(Importance::High)
    .doc("Names of fields to mask.");
static REPLACEMENT: ConfigKey<Option<String>> = ConfigKey::nullable("replacement").importance(Importance::Low).doc("Custom value replacement, that will be applied to all 'fields' values (numeric or non-empty string values only).");
static REPLACE_NULL: ConfigKey<bool> = ConfigKey::new("replace.null.with.default", "true").doc("Whether to replace fields that have a default value and that are null to the default value. When set to true, the default value is used, otherwise null is used.");

fn config_def() -> ConfigDef {
    ConfigDef::new(&[&FIELDS, &REPLACEMENT, &REPLACE_NULL])
}

pub(crate) fn register(plugins: &mut Plugins) {
    register_parts!(plugins, "MaskField", config_def, MaskField::new);
}

struct MaskField {
    part: Part,
    fields: Vec<String>,
    replacement: Option<String>,
    replace_null: bool,
}

impl MaskField {
    fn new(props: &Props, part: Part) -> Result<Self, ConnectError> {
        Ok(Self {
            part,
            fields: props.get(&FIELDS)?,
            replacement: props.get(&REPLACEMENT)?,
            replace_null: props.get(&REPLACE_NULL)?,
        })
    }

    fn masked(&self, value: &Value) -> Result<Value, ConnectError> {
        if value.is_null() {
            return Ok(Value::Null);
        }
        let Some(replacement) = &self.replacement else {
            return Ok(match value {
                Value::Boolean(_) => Value::Boolean(false),
                Value::Int8(_) => Value::Int8(0),
                Value::Int16(_) => Value::Int16(0),
                Value::Int32(_) => Value::Int32(0),
                Value::Int64(_) => Value::Int64(0),
                Value::Float32(_) => Value::Float32(0.0),
                Value::Float64(_) => Value::Float64(0.0),
                Value::String(_) => Value::string(""),
                // Zero in the scale of the field, or the converter would refuse it.
                Value::Decimal(decimal) => Value::Decimal(Decimal::new(0, decimal.scale())),
                Value::Array(_) => Value::Array(Vec::new()),
                Value::Map(_) => Value::Map(Vec::new()),
                Value::Null | Value::Bytes(_) | Value::Struct(_) => {
                    return Err(ConnectError::data(format!(
                        "Cannot mask value of type: class {}",
                        value.java_class()
                    )));
                }
            });
        };
        let wrong = || {
            ConnectError::data(format!(
                "Unable to convert {replacement} (class java.lang.String) to a number"
            ))
        };
        Ok(match value {
            Value::Int8(_) => Value::Int8(replacement.parse().map_err(|_| wrong())?),
            Value::Int16(_) => Value::Int16(replacement.parse().map_err(|_| wrong())?),
            Value::Int32(_) => Value::Int32(replacement.parse().map_err(|_| wrong())?),
            Value::Int64(_) => Value::Int64(replacement.parse().map_err(|_| wrong())?),
            Value::Float32(_) => Value::Float32(replacement.parse().map_err(|_| wrong())?),
            Value::Float64(_) => Value::Float64(replacement.parse().map_err(|_| wrong())?),
            Value::Decimal(_) => Value::Decimal(replacement.parse().map_err(|_| wrong())?),
            Value::String(_) => Value::string(replacement),
            other => {
                return Err(ConnectError::data(format!(
                    "Cannot mask value of type class {} with custom replacement.",
                    other.java_class()
                )));
            }
        })
    }

    fn hides(&self, name: &str) -> bool {
        self.fields.iter().any(|field| field == name)
    }
}

impl Transform for MaskField {
    fn apply(&self, mut record: Record) -> Result<Option<Record>, ConnectError> {
        let data = self.part.get(&mut record);
        data.value = match &data.value {
            Value::Struct(structure) => {
                let values = structure.schema().fields().iter().map(|field| {
                    let value = shape::value_of(structure, field.index, self.replace_null);
                    if self.hides(&field.name) {
                        self.masked(&value)
                    } else {
                        Ok(value)
                    }
                });
                let values: Vec<Value> = values.collect::<Result<_, _>>()?;
                Value::Struct(Struct::new(
                    std::sync::Arc::clone(structure.schema()),
                    values,
                ))
            }
            Value::Map(entries) if data.schema.is_none() => {
                let mut entries = entries.clone();
                for field in &self.fields {
                    match entries
                        .iter_mut()
                        .find(|(name, _)| name.as_str() == Some(field))
                    {
                        Some((_, value)) => *value = self.masked(value)?,
                        None => entries.push((Value::string(field), Value::Null)),
                    }
                }
                Value::Map(entries)
            }
            _ => return Err(unsupported("mask fields", data)),
        };
        Ok(Some(record))
    }
}
