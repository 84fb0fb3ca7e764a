//! `MaskField`: empty values, or a replacement, in place of what is not to be seen.

use std::sync::Arc;

use tidegate_api::config::{ConfigDef, ConfigKey, Importance, filled_list};
use tidegate_api::{
    ConnectError, Decimal, Plugins, Props, Record, Schema, SchemaCache, Struct, Transform, Value,
    logical,
};

use crate::part::{Part, not_empty, register_parts, unsupported};
use crate::shape;

static FIELDS: ConfigKey<Vec<String>> = ConfigKey::required("fields")
    .importance(Importance::High)
    .validator(filled_list)
    .doc("Fields whose values are replaced, separated by commas.");
static REPLACEMENT: ConfigKey<Option<String>> = ConfigKey::nullable("replacement")
    .importance(Importance::Low)
    .validator(not_empty)
    .doc(
        "Text or number that stands for the values, converted to the type of the field. Without \
         it the empty value of the type: '', 0, false, the epoch, or an empty list or map.",
    );

fn config_def() -> ConfigDef {
    ConfigDef::new(&[&FIELDS, &REPLACEMENT, &shape::REPLACE_NULL])
}

pub(crate) fn register(plugins: &mut Plugins) {
    register_parts!(plugins, "MaskField", config_def, MaskField::new);
}

struct MaskField {
    part: Part,
    mask: Mask,
    replace_null: bool,
    schemas: SchemaCache<Box<[Field]>>,
}

/// Fields that are masked, and with what.
struct Mask {
    fields: Vec<String>,
    replacement: Option<String>,
}

/// What becomes of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Kept,
    Masked,
    /// Its values are dates in Java, and numbers here.
    MaskedDate,
}

impl MaskField {
    fn new(props: &Props, part: Part) -> Result<Self, ConnectError> {
        config_def().check(props)?;
        Ok(Self {
            part,
            mask: Mask {
                fields: props.get(&FIELDS)?,
                replacement: props.get(&REPLACEMENT)?,
            },
            replace_null: props.get(&shape::REPLACE_NULL)?,
            schemas: shape::cache(),
        })
    }
}

impl Mask {
    fn plan(&self, schema: &Schema) -> Box<[Field]> {
        let dates = [logical::DATE, logical::TIME, logical::TIMESTAMP];
        let fields = schema.fields().iter();
        fields
            .map(|field| {
                let is_date = || dates.iter().any(|name| field.schema.is_named(name));
                if !self.fields.iter().any(|masked| *masked == *field.name) {
                    Field::Kept
                } else if is_date() {
                    Field::MaskedDate
                } else {
                    Field::Masked
                }
            })
            .collect()
    }

    fn masked(&self, value: &Value, is_date: bool) -> Result<Value, ConnectError> {
        match &self.replacement {
            _ if value.is_null() => Ok(Value::Null),
            None => emptied(value),
            Some(_) if is_date => Err(not_replaceable("java.util.Date")),
            Some(replacement) => replaced(value, replacement),
        }
    }
}

fn emptied(value: &Value) -> Result<Value, ConnectError> {
    Ok(match value {
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
    })
}

/// Numbers are those of `Values.convertTo…`: a decimal whose fraction and high bits are cut off.
#[allow(
    clippy::cast_possible_truncation,
    reason = "Java's narrowing conversions"
)]
fn replaced(value: &Value, replacement: &str) -> Result<Value, ConnectError> {
    let decimal = |what: &str| {
        replacement.parse::<Decimal>().map_err(|_| {
            ConnectError::data(format!(
                "Unable to convert {replacement} (class java.lang.String) to {what}"
            ))
        })
    };
    let number = || decimal("a number");
    Ok(match value {
        Value::Int8(_) => Value::Int8(number()?.low_i64() as i8),
        Value::Int16(_) => Value::Int16(number()?.low_i64() as i16),
        Value::Int32(_) => Value::Int32(number()?.low_i64() as i32),
        Value::Int64(_) => Value::Int64(number()?.low_i64()),
        Value::Float32(_) => Value::Float32(number()?.to_f64() as f32),
        Value::Float64(_) => Value::Float64(number()?.to_f64()),
        Value::Decimal(_) => Value::Decimal(decimal("number")?),
        Value::String(_) => Value::string(replacement),
        other => return Err(not_replaceable(other.java_class())),
    })
}

fn not_replaceable(class: &str) -> ConnectError {
    ConnectError::data(format!(
        "Cannot mask value of type class {class} with custom replacement."
    ))
}

impl Transform for MaskField {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, ConnectError> {
        let mask = &self.mask;
        let data = self.part.get(&mut record);
        data.value = match &data.value {
            Value::Struct(structure) => {
                let schema = structure.schema();
                let plan = self
                    .schemas
                    .get(schema, || Ok::<_, ConnectError>(mask.plan(schema)))?;
                let values = plan.iter().enumerate().map(|(index, field)| {
                    let value = shape::value_of(structure, index, self.replace_null);
                    let masked = match field {
                        Field::Kept => return Ok(value),
                        Field::Masked => mask.masked(&value, false),
                        Field::MaskedDate => mask.masked(&value, true),
                    };
                    masked.map_err(|error| {
                        let name = &schema.fields()[index].name;
                        ConnectError::data(format!("{} (field '{name}')", error.text()))
                    })
                });
                let values: Vec<Value> = values.collect::<Result<_, _>>()?;
                Value::Struct(Struct::new(Arc::clone(schema), values))
            }
            Value::Map(entries) if data.schema.is_none() => {
                let mut entries = entries.clone();
                for field in &mask.fields {
                    match entries
                        .iter_mut()
                        .find(|(name, _)| name.as_str() == Some(field))
                    {
                        Some((_, value)) => *value = mask.masked(value, false)?,
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

#[cfg(test)]
mod tests {
    use tidegate_api::{Headers, Kind, SchemaAndValue, SchemaBuilder};

    use super::*;

    /// The value of a field after masking, or the error's text.
    fn mask(
        replacement: Option<&str>,
        schema: SchemaBuilder,
        value: Value,
    ) -> Result<Value, String> {
        let mut props = Props::from([("fields", "f")]);
        if let Some(replacement) = replacement {
            props.set("replacement", replacement);
        }
        let mut transform =
            MaskField::new(&props, Part::Value).map_err(|it| it.text().to_owned())?;
        let schema = SchemaBuilder::structure()
            .field("f", schema.build())
            .build();
        let structure = Struct::new(Arc::clone(&schema), vec![value]);
        let record = Record {
            topic: Arc::from("t"),
            kafka_partition: None,
            key: SchemaAndValue::default(),
            value: SchemaAndValue {
                schema: Some(schema),
                value: Value::Struct(structure),
            },
            timestamp: None,
            headers: Headers::new(),
        };
        let masked = transform.apply(record).map_err(|it| it.text().to_owned())?;
        match masked.expect("a record").value.value {
            Value::Struct(structure) => Ok(structure.values()[0].clone()),
            other => panic!("{other:?}"),
        }
    }

    /// As recorded from the original.
    #[test]
    fn replacements_are_converted_as_java_converts_them() {
        fn check(replacement: &str, kind: Kind, value: Value, expected: Value) {
            let masked = mask(Some(replacement), SchemaBuilder::new(kind), value);
            assert_eq!(masked, Ok(expected), "{replacement}");
        }
        check("7", Kind::Int8, Value::Int8(1), Value::Int8(7));
        check("+7", Kind::Int32, Value::Int32(1), Value::Int32(7));
        check("7.5", Kind::Int64, Value::Int64(1), Value::Int64(7));
        check(
            "7.5",
            Kind::Float32,
            Value::Float32(1.0),
            Value::Float32(7.5),
        );
        check("1e3", Kind::Int8, Value::Int8(1), Value::Int8(-24));
        check(
            "1e3",
            Kind::Float64,
            Value::Float64(1.0),
            Value::Float64(1000.0),
        );
        check(
            "1e2147483647",
            Kind::Int64,
            Value::Int64(1),
            Value::Int64(0),
        );
        check("x", Kind::String, "y".into(), "x".into());
        let masked = mask(Some("1e3"), logical::decimal(2), Decimal::new(1, 2).into());
        assert_eq!(masked, Ok(Decimal::new(1, -3).into()));
        for text in ["1f", "0x10", "NaN", "x"] {
            let masked = mask(Some(text), SchemaBuilder::float64(), Value::Float64(1.0));
            let expected = format!(
                "Unable to convert {text} (class java.lang.String) to a number (field 'f')"
            );
            assert_eq!(masked, Err(expected));
        }
        let error = mask(Some(""), SchemaBuilder::string(), "x".into()).expect_err("empty");
        assert_eq!(
            error,
            "Invalid value  for configuration replacement: String must be non-empty"
        );
    }

    /// As recorded from the original.
    #[test]
    fn dates_are_emptied_and_not_replaced() {
        for (schema, value, empty) in [
            (logical::date(), Value::Int32(1), Value::Int32(0)),
            (logical::time(), Value::Int32(1_000), Value::Int32(0)),
            (logical::timestamp(), Value::Int64(5), Value::Int64(0)),
        ] {
            assert_eq!(mask(None, schema.clone(), value.clone()), Ok(empty));
            assert_eq!(
                mask(Some("7"), schema, value),
                Err("Cannot mask value of type class java.util.Date with custom replacement. (field 'f')".to_owned())
            );
        }
        let flag = mask(Some("7"), SchemaBuilder::boolean(), Value::Boolean(true));
        assert!(
            flag.is_err_and(
                |it| it.starts_with("Cannot mask value of type class java.lang.Boolean")
            )
        );
    }
}
