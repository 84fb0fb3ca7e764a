//! `ExtractField`: one field stands for the whole.

use tidegate_api::config::{ConfigDef, ConfigKey, ConfigValue, Importance, invalid};
use tidegate_api::{ConnectError, Kind, Plugins, Props, Record, Transform, Value};

use crate::part::{Part, register_parts, unsupported};
use crate::shape;

static FIELD: ConfigKey<String> =
    ConfigKey::required("field").doc("Field that takes the place of the whole key or value.");
static SYNTAX: ConfigKey<String> = ConfigKey::new("field.syntax.version", "V1")
    .importance(Importance::High)
    .validator(only_v1)
    .doc(
        "How the field's name is read. 'V1': as one name, dots included. It is the only value \
         that this version takes.",
    );

fn only_v1(name: &str, value: &ConfigValue) -> Result<(), String> {
    match value {
        ConfigValue::String(text) if !text.eq_ignore_ascii_case("V1") => {
            Err(invalid(name, text, "this version supports V1 only"))
        }
        _ => Ok(()),
    }
}

fn config_def() -> ConfigDef {
    ConfigDef::new(&[&FIELD, &shape::REPLACE_NULL, &SYNTAX])
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
            replace_null: props.get(&shape::REPLACE_NULL)?,
        })
    }
}

impl Transform for ExtractField {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, ConnectError> {
        let data = self.part.get(&mut record);
        match (&data.schema, &data.value) {
            (Some(_), value) if !matches!(value, Value::Null | Value::Struct(_)) => {
                return Err(unsupported("field extraction", data));
            }
            (Some(schema), value) => {
                if !matches!(schema.kind, Kind::Struct(_)) {
                    return Err(ConnectError::data(
                        "Cannot look up fields on non-struct type",
                    ));
                }
                let field = schema
                    .field(&self.field)
                    .ok_or_else(|| ConnectError::data(format!("Unknown field: {}", self.field)))?;
                let extracted = match value {
                    Value::Struct(structure) => {
                        shape::value_of(structure, field.index, self.replace_null)
                    }
                    _ => Value::Null,
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tidegate_api::{Headers, SchemaAndValue, SchemaBuilder, Struct};

    use super::*;

    /// As recorded from the original.
    #[test]
    fn what_has_no_fields_is_named() {
        fn check(value: SchemaAndValue, expected: &str) {
            let props = Props::from([("field", "a")]);
            let mut transform = ExtractField::new(&props, Part::Value).expect("valid");
            let record = Record {
                topic: Arc::from("t"),
                kafka_partition: None,
                key: SchemaAndValue::default(),
                value,
                timestamp: None,
                headers: Headers::new(),
            };
            let error = transform.apply(record).expect_err("refused");
            assert_eq!(error.text(), expected);
        }
        let text = SchemaBuilder::string().optional().build();
        check(
            SchemaAndValue::new(Arc::clone(&text), "x"),
            "Only Struct objects supported for [field extraction], found: java.lang.String",
        );
        check(
            SchemaAndValue::schemaless("x"),
            "Only Map objects supported in absence of schema for [field extraction], found: java.lang.String",
        );
        check(
            SchemaAndValue::new(text, Value::Null),
            "Cannot look up fields on non-struct type",
        );
        let schema = SchemaBuilder::structure().build();
        let row = Struct::new(Arc::clone(&schema), vec![]);
        check(
            SchemaAndValue::new(schema, Value::Struct(row)),
            "Unknown field: a",
        );
    }
}
