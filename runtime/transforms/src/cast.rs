//! `Cast`: other types for fields or for the whole key or value.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tidegate_api::config::{ConfigDef, ConfigKey, ConfigValue, Importance};
use tidegate_api::{
    ConnectError, Kind, Plugins, Props, Record, Schema, SchemaBuilder, SchemaCache, Struct,
    Transform, Value, date_format, java_text,
};

use crate::part::{Part, register_parts};
use crate::shape;

static SPEC: ConfigKey<Vec<String>> = ConfigKey::required("spec")
    .importance(Importance::High)
    .validator(castable)
    .doc(
        "Fields and their new types, as 'field:type' separated by commas, or one type for the \
         whole key or value. Types: int8, int16, int32, int64, float32, float64, boolean, \
         string. Bytes can become texts only.",
    );

fn config_def() -> ConfigDef {
    ConfigDef::new(&[&SPEC, &shape::REPLACE_NULL])
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
            other @ ("bytes" | "array" | "map" | "struct") => {
                return Err(ConnectError::config(format!(
                    "Cast transformation does not support casting to {}; supported types are [INT8, INT16, INT32, INT64, FLOAT32, FLOAT64, BOOLEAN, STRING]",
                    other.to_uppercase()
                )));
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
        if matches!((value, schema), (Value::Decimal(_), None)) {
            return Err(ConnectError::data(format!(
                "Cast transformation was passed a value of type class {} which is not supported by Connect's data API",
                value.java_class()
            )));
        }
        let whole = match value {
            Value::Boolean(flag) => i64::from(*flag),
            Value::Float32(number) => *number as i64,
            Value::Float64(number) => *number as i64,
            Value::Decimal(decimal) => decimal.low_i64(),
            other => other.as_i64().ok_or_else(|| unexpected(value))?,
        };
        let float = || match value {
            Value::Float32(number) => f64::from(*number),
            Value::Float64(number) => *number,
            Value::Decimal(decimal) => decimal.to_f64(),
            _ => whole as f64,
        };
        let single = || match value {
            Value::Float32(_) | Value::Float64(_) => float() as f32,
            Value::Decimal(decimal) => decimal.to_f32(),
            _ => whole as f32,
        };
        // From a float to the short integers Java goes by way of int.
        let narrow = if matches!(value, Value::Float32(_) | Value::Float64(_)) {
            i64::from(float() as i32)
        } else {
            whole
        };
        Ok(match self {
            Self::Int8 => Value::Int8(narrow as i8),
            Self::Int16 => Value::Int16(narrow as i16),
            Self::Int32 => Value::Int32(narrow as i32),
            Self::Int64 => Value::Int64(whole),
            Self::Float32 => Value::Float32(single()),
            Self::Float64 => Value::Float64(float()),
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
        Ok(match self {
            Self::Int8 => Value::Int8(text.parse().map_err(|_| out_of_range())?),
            Self::Int16 => Value::Int16(text.parse().map_err(|_| out_of_range())?),
            Self::Int32 => Value::Int32(text.parse().map_err(|_| out_of_range())?),
            Self::Int64 => Value::Int64(text.parse().map_err(|_| out_of_range())?),
            Self::Float32 => Value::Float32(float(text).ok_or_else(out_of_range)?),
            Self::Float64 => Value::Float64(float(text).ok_or_else(out_of_range)?),
            Self::Boolean => Value::Boolean(text.eq_ignore_ascii_case("true")),
            Self::String => Value::string(text),
        })
    }
}

/// The decimal texts of `Double.parseDouble` and `Float.parseFloat`.
fn float<T: std::str::FromStr>(text: &str) -> Option<T> {
    let text = text.trim_matches(|character| character <= ' ');
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    // Rust knows other words for these, and no suffixes.
    if matches!(unsigned, "NaN" | "Infinity") {
        return text.parse().ok();
    }
    if !unsigned.starts_with(|first: char| first == '.' || first.is_ascii_digit()) {
        return None;
    }
    text.strip_suffix(['f', 'F', 'd', 'D'])
        .unwrap_or(text)
        .parse()
        .ok()
}

fn unexpected(value: &Value) -> ConnectError {
    ConnectError::data(format!(
        "Unexpected type in Cast transformation: class {}",
        value.java_class()
    ))
}

fn text(value: &Value, schema: Option<&Schema>) -> Result<String, ConnectError> {
    if let Some(text) = date_format::logical_text(schema, value) {
        return Ok(text);
    }
    Ok(match value {
        Value::Bytes(bytes) => STANDARD.encode(bytes),
        Value::Array(_) | Value::Map(_) | Value::Struct(_) => return Err(unexpected(value)),
        other => java_text::value(other),
    })
}

/// Fields and what they become, or what the whole becomes.
struct Casts {
    fields: Vec<(String, Target)>,
    whole: Option<Target>,
}

fn casts(spec: &[String]) -> Result<Casts, ConnectError> {
    if spec.is_empty() {
        return Err(ConnectError::config(
            "Must specify at least one field to cast.",
        ));
    }
    let (mut fields, mut whole) = (Vec::new(), None);
    for entry in spec {
        // Java's `split` passes over what is empty at the end.
        let entry = entry.trim_end_matches(':');
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
    Ok(Casts { fields, whole })
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
    casts: Casts,
    replace_null: bool,
    schemas: SchemaCache<Plan>,
}

struct Plan {
    schema: Arc<Schema>,
    targets: Vec<Option<Target>>,
}

impl Cast {
    fn new(props: &Props, part: Part) -> Result<Self, ConnectError> {
        Ok(Self {
            part,
            casts: casts(&props.get(&SPEC)?)?,
            replace_null: props.get(&shape::REPLACE_NULL)?,
            schemas: shape::cache(),
        })
    }
}

impl Casts {
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
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, ConnectError> {
        let casts = &self.casts;
        let data = self.part.get(&mut record);
        if data.value.is_null() {
            return Ok(Some(record));
        }
        let Some(schema) = data.schema.clone() else {
            data.value = match (&casts.whole, &data.value) {
                (Some(target), value) => target.cast(value, None)?,
                (None, Value::Map(entries)) => {
                    let mut entries = entries.clone();
                    for (name, target) in &casts.fields {
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
        let plan = self.schemas.get(&schema, || casts.plan(&schema))?;
        data.value = match (&casts.whole, &data.value) {
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
    use tidegate_api::logical;

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

    /// As recorded from the original.
    #[test]
    fn decimals_keep_their_digits() {
        fn check(text: &str, expected: [Value; 8]) {
            let decimal: tidegate_api::Decimal = text.parse().expect(text);
            let schema = logical::decimal(decimal.scale()).build();
            let targets = "int8,int16,int32,int64,float32,float64,boolean,string".split(',');
            for (target, expected) in targets.zip(expected) {
                let cast = Target::parse(target).expect(target);
                let value = Value::Decimal(decimal.clone());
                let cast = cast.cast(&value, Some(&schema)).expect(text);
                assert_eq!(cast, expected, "{text} to {target}");
            }
        }
        macro_rules! check {
            ($text:literal: $int8:literal $int16:literal $int32:literal $int64:literal $float:expr, $double:expr, $boolean:literal $string:literal) => {
                check(
                    $text,
                    [
                        Value::Int8($int8),
                        Value::Int16($int16),
                        Value::Int32($int32),
                        Value::Int64($int64),
                        Value::Float32($float),
                        Value::Float64($double),
                        Value::Boolean($boolean),
                        Value::string($string),
                    ],
                );
            };
        }
        check!("12345678901234567.89": -121 19_335 1_567_312_775 12_345_678_901_234_567 1.234_567_8e16, 1.234_567_890_123_456_8e16, true "12345678901234567.89");
        check!("300.99": 44 300 300 300 300.99, 300.99, true "300.99");
        check!("-300.99": -44 -300 -300 -300 -300.99, -300.99, true "-300.99");
        check!("0.00000010": 0 0 0 0 1e-7, 1e-7, false "1.0E-7");
        check!("0.5": 0 0 0 0 0.5, 0.5, false "0.5");
        check!("123.4500": 123 123 123 123 123.45, 123.45, true "123.4500");
        check!("1E+20": 0 0 1_661_992_960 7_766_279_631_452_241_920 1e20, 1e20, true "1E+20");
        check!("5E+70": 0 0 0 0 f32::INFINITY, 5e70, false "5E+70");
        check!("-99999999999999999999.5": 1 1 -1_661_992_959 -7_766_279_631_452_241_919 -1e20, -1e20, true "-99999999999999999999.5");
        check!("9007199254740993": 1 1 1 9_007_199_254_740_993 9.007_199e15, 9_007_199_254_740_992.0, true "9007199254740993");
        check!("5e99999999": 0 0 0 0 f32::INFINITY, f64::INFINITY, false "5E+99999999");
        check!("5e-99999999": 0 0 0 0 0.0, 0.0, false "5E-99999999");
        let decimal = Value::Decimal(tidegate_api::Decimal::new(15, 1));
        let error = Target::Int64.cast(&decimal, None).expect_err("no schema");
        assert!(error.text().contains("java.math.BigDecimal"), "{error}");
    }

    /// As recorded from the original.
    #[test]
    fn dates_are_their_number_or_connects_text() {
        fn check(schema: SchemaBuilder, value: &Value, number: i64, text: &str) {
            let schema = schema.build();
            let cast = |target: Target| target.cast(value, Some(&schema)).expect("castable");
            assert_eq!(cast(Target::Int64), Value::Int64(number));
            assert_eq!(cast(Target::Boolean), Value::Boolean(number != 0));
            assert_eq!(cast(Target::String), Value::string(text));
        }
        check(logical::date(), &Value::Int32(0), 0, "00:00:00.000Z");
        check(logical::date(), &Value::Int32(19_000), 19_000, "2022-01-08");
        check(
            logical::date(),
            &Value::Int32(-40_000),
            -40_000,
            "00:00:00.000Z",
        );
        check(logical::time(), &Value::Int32(1), 1, "00:00:00.001Z");
        let timestamp = |millis: i64, text: &str| {
            check(logical::timestamp(), &Value::Int64(millis), millis, text);
        };
        timestamp(1_700_000_000_123, "2023-11-14T22:13:20.123Z");
        timestamp(-62_135_596_800_001, "23:59:59.999Z");
        timestamp(i64::MAX, "292278994-08-17T07:12:55.807Z");
        let schema = SchemaBuilder::int64().name(logical::DATE).build();
        let far = Target::String.cast(&Value::Int64(i64::MAX), Some(&schema));
        assert!(far.is_ok());
    }

    #[test]
    fn texts_of_floats_are_those_of_java() {
        fn check(text: &str, float: Option<f64>) {
            let value = Value::string(text);
            let cast = Target::Float64.cast(&value, None).ok();
            assert_eq!(cast, float.map(Value::Float64), "{text}");
            let cast = Target::Float32.cast(&value, None).ok();
            #[expect(clippy::cast_possible_truncation, reason = "these are exact")]
            let single = float.map(|float| Value::Float32(float as f32));
            assert_eq!(cast, single, "{text}");
        }
        check("1.5f", Some(1.5));
        check("1.5d", Some(1.5));
        check(" 1e3 ", Some(1000.0));
        check(".5", Some(0.5));
        check("5.", Some(5.0));
        check("+5", Some(5.0));
        check("-Infinity", Some(f64::NEG_INFINITY));
        check("5e99999999", Some(f64::INFINITY));
        for text in [
            "1.5fd", "1.5ff", "inf", "nan", "infinity", "-inf", "1e", "1_0", "", "f",
        ] {
            check(text, None);
        }
        let nan = Target::Float64.cast(&Value::string("NaN"), None);
        assert!(matches!(nan, Ok(Value::Float64(number)) if number.is_nan()));
        // By way of a double it would be the next float.
        let long = Target::Float32.cast(&Value::Int64(9_007_199_791_611_905), None);
        assert_eq!(long.ok(), Some(Value::Float32(9_007_200_328_482_816.0)));
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
        let plan = cast.casts.plan(&schema).expect("a plan");
        let field = &plan.schema.fields()[0].schema;
        assert_eq!(
            (&field.kind, field.optional, &field.name),
            (&Kind::Boolean, true, &None)
        );
        assert_eq!(field.default, Some(Value::Boolean(true)));
        assert_eq!(plan.schema.name.as_deref(), Some("n"));
    }
}
