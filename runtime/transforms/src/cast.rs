//! `Cast`: other types for fields or for the whole key or value.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tidegate_api::config::{ConfigDef, ConfigKey, ConfigValue, Importance};
use tidegate_api::{
    ConnectError, Kind, Plugins, Props, Record, Schema, SchemaBuilder, Struct, Transform, Value,
    java_text, logical,
};

use crate::part::{Part, register_parts};
use crate::shape::{self, Cache};

static SPEC: ConfigKey<Vec<String>> = ConfigKey::required("spec").importance(Importance::High).validator(castable).doc("List of fields and the type to cast them to of the form field1:type,field2:type to cast fields of Maps or Structs. A single type to cast the entire value. Valid types are int8, int16, int32, int64, float32, float64, boolean, and string. Note that binary fields can only be cast to string.");
static REPLACE_NULL: ConfigKey<bool> = ConfigKey::new("replace.null.with.default", "true").doc("Whether to replace fields that have a default value and that are null to the default value. When set to true, the default value is used, otherwise null is used.");

fn config_def() -> ConfigDef {
    ConfigDef::new(&[&SPEC, &REPLACE_NULL])
}

pub(crate) fn register(plugins: &mut Plugins) {
    register_parts!(plugins, "Cast", config_def, Cast::new);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Int8,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    Boolean,
    String,
}

impl Target {
    fn parse(text: &str) -> Result<Self, ConnectError> {
        Ok(match text.trim().to_ascii_lowercase().as_str() {
            "int8" => Self::Int8,
            "int16" => Self::Int16,
            "int32" => Self::Int32,
            "int64" => Self::Int64,
            "float32" => Self::Float32,
            "float64" => Self::Float64,
            "boolean" => Self::Boolean,
            "string" => Self::String,
            "bytes" => {
                return Err(ConnectError::config(
                    "Cast transformation does not support casting to BYTES; supported types are [INT8, INT16, INT32, INT64, FLOAT32, FLOAT64, BOOLEAN, STRING]",
                ));
            }
            _ => {
                return Err(ConnectError::config(format!(
                    "Invalid type found in casting spec: {}",
                    text.trim()
                )));
            }
        })
    }

    fn schema(self) -> SchemaBuilder {
        SchemaBuilder::new(match self {
            Self::Int8 => Kind::Int8,
            Self::Int16 => Kind::Int16,
            Self::Int32 => Kind::Int32,
            Self::Int64 => Kind::Int64,
            Self::Float32 => Kind::Float32,
            Self::Float64 => Kind::Float64,
            Self::Boolean => Kind::Boolean,
            Self::String => Kind::String,
        })
    }

    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "Java's narrowing conversions"
    )]
    fn cast(self, value: &Value, schema: Option<&Schema>) -> Result<Value, ConnectError> {
        if value.is_null() {
            return Ok(Value::Null);
        }
        if self == Self::String {
            return Ok(Value::String(text(value, schema)?.into()));
        }
        if let Value::String(text) = value {
            return self.parse_text(text);
        }
        let whole = match value {
            Value::Boolean(flag) => i64::from(*flag),
            Value::Float32(number) => *number as i64,
            Value::Float64(number) => *number as i64,
            Value::Decimal(decimal) => decimal.to_f64() as i64,
            other => other.as_i64().ok_or_else(|| unexpected(value))?,
        };
        let float = match value {
            Value::Float32(number) => f64::from(*number),
            Value::Float64(number) => *number,
            Value::Decimal(decimal) => decimal.to_f64(),
            _ => whole as f64,
        };
        // From a float to the short integers Java goes by way of int.
        let narrow = if matches!(value, Value::Float32(_) | Value::Float64(_)) {
            i64::from(float as i32)
        } else {
            whole
        };
        Ok(match self {
            Self::Int8 => Value::Int8(narrow as i8),
            Self::Int16 => Value::Int16(narrow as i16),
            Self::Int32 => Value::Int32(narrow as i32),
            Self::Int64 => Value::Int64(whole),
            Self::Float32 => Value::Float32(float as f32),
            Self::Float64 => Value::Float64(float),
            Self::Boolean => Value::Boolean(whole != 0),
            Self::String => Value::Null,
        })
    }

    fn parse_text(self, text: &str) -> Result<Value, ConnectError> {
        let out_of_range = || {
            ConnectError::data(format!(
                "Value ({text}) was out of range for requested data type"
            ))
        };
        let float = || {
            text.trim()
                .trim_end_matches(['f', 'd', 'F', 'D'])
                .parse::<f64>()
                .map_err(|_| out_of_range())
        };
        Ok(match self {
            Self::Int8 => Value::Int8(text.parse().map_err(|_| out_of_range())?),
            Self::Int16 => Value::Int16(text.parse().map_err(|_| out_of_range())?),
            Self::Int32 => Value::Int32(text.parse().map_err(|_| out_of_range())?),
            Self::Int64 => Value::Int64(text.parse().map_err(|_| out_of_range())?),
            Self::Float32 => Value::Float32(text.trim().parse().map_err(|_| out_of_range())?),
            Self::Float64 => Value::Float64(float()?),
            Self::Boolean => Value::Boolean(text.eq_ignore_ascii_case("true")),
            Self::String => Value::string(text),
        })
    }
}

fn unexpected(value: &Value) -> ConnectError {
    ConnectError::data(format!(
        "Unexpected type in Cast transformation: class {}",
        value.java_class()
    ))
}

fn text(value: &Value, schema: Option<&Schema>) -> Result<String, ConnectError> {
    const DAY: i64 = 86_400_000;
    let millis = match (
        schema.and_then(|schema| schema.name.as_deref()),
        value.as_i64(),
    ) {
        (Some(logical::DATE), Some(days)) => Some(days * DAY),
        (Some(logical::TIME | logical::TIMESTAMP), Some(millis)) => Some(millis),
        _ => None,
    };
    if let Some(millis) = millis {
        let at = chrono::DateTime::from_timestamp_millis(millis).unwrap_or_default();
        let format = if millis < DAY {
            "%H:%M:%S%.3fZ"
        } else if millis % DAY == 0 {
            "%Y-%m-%d"
        } else {
            "%Y-%m-%dT%H:%M:%S%.3fZ"
        };
        return Ok(at.format(format).to_string());
    }
    Ok(match value {
        Value::Bytes(bytes) => STANDARD.encode(bytes),
        Value::Decimal(decimal) => decimal.to_plain_string(),
        Value::Array(_) | Value::Map(_) | Value::Struct(_) => return Err(unexpected(value)),
        other => java_text::value(other),
    })
}

/// Fields and what they become, or what the whole becomes.
type Casts = (Vec<(String, Target)>, Option<Target>);

fn casts(spec: &[String]) -> Result<Casts, ConnectError> {
    if spec.is_empty() {
        return Err(ConnectError::config(
            "Must specify at least one field to cast.",
        ));
    }
    let (mut fields, mut whole) = (Vec::new(), None);
    for entry in spec {
        match entry.split(':').collect::<Vec<_>>().as_slice() {
            [target] => whole = Some(Target::parse(target)?),
            [field, target] => fields.push(((*field).trim().to_owned(), Target::parse(target)?)),
            _ => {
                return Err(ConnectError::config(format!(
                    "Invalid value [{}] for configuration renames: Invalid rename mapping: {entry}",
                    spec.join(", ")
                )));
            }
        }
    }
    if whole.is_some() && spec.len() > 1 {
        return Err(ConnectError::config(
            "Cast transformations that specify a type to cast the entire value to may only specify a single cast in their spec",
        ));
    }
    Ok((fields, whole))
}

fn castable(_name: &str, value: &ConfigValue) -> Result<(), String> {
    match value {
        ConfigValue::List(spec) => casts(spec)
            .map(drop)
            .map_err(|error| error.text().to_owned()),
        _ => Ok(()),
    }
}

struct Cast {
    part: Part,
    fields: Vec<(String, Target)>,
    whole: Option<Target>,
    replace_null: bool,
    schemas: Cache<Plan>,
}

struct Plan {
    schema: Arc<Schema>,
    targets: Vec<Option<Target>>,
}

impl Cast {
    fn new(props: &Props, part: Part) -> Result<Self, ConnectError> {
        let (fields, whole) = casts(&props.get(&SPEC)?)?;
        Ok(Self {
            part,
            fields,
            whole,
            replace_null: props.get(&REPLACE_NULL)?,
            schemas: Cache::default(),
        })
    }

    fn target(&self, field: &str) -> Option<Target> {
        self.fields
            .iter()
            .find(|(name, _)| name == field)
            .map(|(_, target)| *target)
    }

    fn plan(&self, schema: &Arc<Schema>) -> Result<Plan, ConnectError> {
        if let Some(target) = self.whole {
            if matches!(
                schema.kind,
                Kind::Struct(_) | Kind::Array(_) | Kind::Map(..)
            ) {
                return Err(ConnectError::data(format!(
                    "Cast transformation does not support casting from {}; supported types are [INT8, INT16, INT32, INT64, FLOAT32, FLOAT64, BOOLEAN, STRING, BYTES]",
                    schema.kind.type_name()
                )));
            }
            let mut builder = shape::basics(schema, target.schema()).set_optional(schema.optional);
            if let Some(default) = &schema.default {
                builder = builder.default_value(target.cast(default, Some(schema))?);
            }
            return Ok(Plan {
                schema: builder.build(),
                targets: Vec::new(),
            });
        }
        let mut builder =
            shape::basics(schema, SchemaBuilder::structure()).set_optional(schema.optional);
        let mut targets = Vec::new();
        for field in schema.fields() {
            let target = self.target(&field.name);
            let field_schema = match target {
                None => Arc::clone(&field.schema),
                Some(target) => {
                    let mut own = target.schema().set_optional(field.schema.optional);
                    if let Some(default) = &field.schema.default {
                        own = own.default_value(target.cast(default, Some(&field.schema))?);
                    }
                    own.build()
                }
            };
            builder = builder.field(Arc::clone(&field.name), field_schema);
            targets.push(target);
        }
        Ok(Plan {
            schema: builder.try_build()?,
            targets,
        })
    }
}

impl Transform for Cast {
    fn apply(&self, mut record: Record) -> Result<Option<Record>, ConnectError> {
        let data = self.part.get(&mut record);
        if data.value.is_null() {
            return Ok(Some(record));
        }
        let Some(schema) = data.schema.clone() else {
            data.value = match (&self.whole, &data.value) {
                (Some(target), value) => target.cast(value, None)?,
                (None, Value::Map(entries)) => {
                    let mut entries = entries.clone();
                    for (name, target) in &self.fields {
                        match entries
                            .iter_mut()
                            .find(|(key, _)| key.as_str() == Some(name))
                        {
                            Some((_, value)) => *value = target.cast(value, None)?,
                            None => entries.push((Value::string(name), Value::Null)),
                        }
                    }
                    Value::Map(entries)
                }
                (None, _) => return Err(crate::part::unsupported("cast types", data)),
            };
            return Ok(Some(record));
        };
        let plan = self.schemas.get(&schema, || self.plan(&schema))?;
        data.value = match (&self.whole, &data.value) {
            (Some(target), value) => target.cast(value, Some(&schema))?,
            (None, Value::Struct(structure)) => {
                let values = plan.targets.iter().enumerate().map(|(index, target)| {
                    let value = shape::value_of(structure, index, self.replace_null);
                    match target {
                        Some(target) => target.cast(&value, Some(&schema.fields()[index].schema)),
                        None => Ok(value),
                    }
                });
                let values: Vec<Value> = values.collect::<Result<_, _>>()?;
                Value::Struct(Struct::new(Arc::clone(&plan.schema), values))
            }
            (None, _) => return Err(crate::part::unsupported("cast types", data)),
        };
        data.schema = Some(Arc::clone(&plan.schema));
        Ok(Some(record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::part::Part;

    #[test]
    fn values_are_cast_as_java_casts_them() {
        fn check(value: Value, target: &str, expected: Value) {
            assert_eq!(
                Target::parse(target)
                    .expect(target)
                    .cast(&value, None)
                    .expect(target),
                expected
            );
        }
        check(Value::Int16(1), "boolean", Value::Boolean(true));
        check(Value::Int32(300), "int8", Value::Int8(44));
        check(Value::string("12.50"), "float64", Value::Float64(12.5));
        check(Value::string("TRUE"), "boolean", Value::Boolean(true));
        check(Value::Float64(1e20), "int64", Value::Int64(i64::MAX));
        check(Value::Int32(7), "string", Value::string("7"));
        check(Value::Null, "string", Value::Null);
        assert!(Target::Int32.cast(&Value::string("abc"), None).is_err());
        assert!(Target::parse("bytes").is_err());
    }

    #[test]
    fn fields_of_structs_change_their_schema() {
        let cast = Cast::new(
            &Props::from([("spec", "active:boolean,absent:string")]),
            Part::Value,
        )
        .expect("a cast");
        let schema = SchemaBuilder::structure()
            .name("n")
            .field(
                "active",
                SchemaBuilder::int16()
                    .optional()
                    .name("x")
                    .default_value(Value::Int16(1))
                    .build(),
            )
            .field("id", SchemaBuilder::int32().build())
            .build();
        let plan = cast.plan(&schema).expect("a plan");
        let field = &plan.schema.fields()[0].schema;
        assert_eq!(
            (&field.kind, field.optional, &field.name),
            (&Kind::Boolean, true, &None)
        );
        assert_eq!(field.default, Some(Value::Boolean(true)));
        assert_eq!(plan.schema.name.as_deref(), Some("n"));
    }
}
