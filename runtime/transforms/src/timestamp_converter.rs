//! `TimestampConverter`: timestamps between text, Unix time and Connect's types.

use std::sync::Arc;

use tidegate_api::config::{ConfigDef, ConfigKey, ConfigValue, Importance, valid_string};
use tidegate_api::{
    ConnectError, DateFormat, Kind, Plugins, Props, Record, Schema, SchemaBuilder, SchemaCache,
    Struct, Transform, Value, logical,
};

use crate::part::{Part, register_parts, unsupported};
use crate::shape;

static FIELD: ConfigKey<String> = ConfigKey::new("field", "")
    .importance(Importance::High)
    .doc("Field that holds the timestamp. Empty if the whole key or value is one.");
static TARGET_TYPE: ConfigKey<String> = ConfigKey::required("target.type")
    .importance(Importance::High)
    .validator(target_type)
    .doc(
        "What the timestamp becomes: 'string', 'unix' (a number), or Connect's 'Date', 'Time' \
         or 'Timestamp'.",
    );
static FORMAT: ConfigKey<String> = ConfigKey::new("format", "").doc(
    "Pattern of timestamps as text, in the syntax of Java's SimpleDateFormat, in UTC. \
     Needed if either side is a text.",
);
static UNIX_PRECISION: ConfigKey<String> = ConfigKey::new("unix.precision", "milliseconds")
    .importance(Importance::Low)
    .validator(precision)
    .doc(
        "Unit of timestamps as numbers, read or written: 'seconds', 'milliseconds', \
         'microseconds' or 'nanoseconds'.",
    );

fn target_type(name: &str, value: &ConfigValue) -> Result<(), String> {
    valid_string(
        name,
        value,
        &["string", "unix", "Date", "Time", "Timestamp"],
    )
}
fn precision(name: &str, value: &ConfigValue) -> Result<(), String> {
    valid_string(
        name,
        value,
        &["seconds", "milliseconds", "microseconds", "nanoseconds"],
    )
}
fn config_def() -> ConfigDef {
    ConfigDef::new(&[
        &FIELD,
        &TARGET_TYPE,
        &FORMAT,
        &UNIX_PRECISION,
        &shape::REPLACE_NULL,
    ])
}

pub(crate) fn register(plugins: &mut Plugins) {
    register_parts!(
        plugins,
        "TimestampConverter",
        config_def,
        TimestampConverter::new
    );
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Unix,
    Date,
    Time,
    Timestamp,
}

const DAY: i64 = 86_400_000;

struct TimestampConverter {
    part: Part,
    times: Times,
    replace_null: bool,
    schemas: SchemaCache<Plan>,
}

/// Which timestamps become what.
struct Times {
    field: String,
    target: Form,
    pattern: String,
    format: Option<DateFormat>,
    precision: Precision,
}

/// What becomes of values of one schema.
enum Plan {
    /// The field is not there.
    Unchanged,
    Whole(Arc<Schema>, Form),
    Field {
        schema: Arc<Schema>,
        index: usize,
        form: Form,
    },
}

/// `unix.precision`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Precision {
    Seconds,
    Millis,
    Micros,
    Nanos,
}

impl TimestampConverter {
    fn new(props: &Props, part: Part) -> Result<Self, ConnectError> {
        config_def().check(props)?;
        let target = match props.get(&TARGET_TYPE)?.as_str() {
            "string" => Form::Text,
            "unix" => Form::Unix,
            "Date" => Form::Date,
            "Time" => Form::Time,
            _ => Form::Timestamp,
        };
        let pattern = props.get(&FORMAT)?;
        if target == Form::Text && pattern.is_empty() {
            return Err(ConnectError::config(
                "TimestampConverter requires format option to be specified when using string timestamps",
            ));
        }
        let format = (!pattern.is_empty())
            .then(|| {
                DateFormat::new(&pattern).ok_or_else(|| {
                    ConnectError::config(format!("TimestampConverter requires a SimpleDateFormat-compatible pattern for string timestamps: {pattern}"))
                })
            })
            .transpose()?;
        Ok(Self {
            part,
            times: Times {
                field: props.get(&FIELD)?,
                target,
                pattern,
                format,
                precision: match props.get(&UNIX_PRECISION)?.as_str() {
                    "seconds" => Precision::Seconds,
                    "microseconds" => Precision::Micros,
                    "nanoseconds" => Precision::Nanos,
                    _ => Precision::Millis,
                },
            },
            replace_null: props.get(&shape::REPLACE_NULL)?,
            schemas: shape::cache(),
        })
    }
}

impl Times {
    fn form_of(schema: &Schema) -> Result<Form, ConnectError> {
        Ok(match (schema.name.as_deref(), &schema.kind) {
            (Some(logical::TIMESTAMP), _) => Form::Timestamp,
            (Some(logical::DATE), _) => Form::Date,
            (Some(logical::TIME), _) => Form::Time,
            (_, Kind::String) => Form::Text,
            (_, Kind::Int64) => Form::Unix,
            (_, kind) => {
                return Err(ConnectError::data(format!(
                    "Schema Schema{{{}}} does not correspond to a known timestamp type format",
                    kind.type_name()
                )));
            }
        })
    }

    fn plan(&self, schema: &Arc<Schema>) -> Result<Plan, ConnectError> {
        if self.field.is_empty() {
            let form = Self::form_of(schema)?;
            return Ok(Plan::Whole(self.target_schema(schema.optional), form));
        }
        let Some(field) = schema.field(&self.field) else {
            return Ok(Plan::Unchanged);
        };
        let form = Self::form_of(&field.schema)?;
        let mut builder =
            shape::basics(schema, SchemaBuilder::structure()).set_optional(schema.optional);
        for other in schema.fields() {
            let own = if other.index == field.index {
                self.target_schema(other.schema.optional)
            } else {
                Arc::clone(&other.schema)
            };
            builder = builder.field(Arc::clone(&other.name), own);
        }
        Ok(Plan::Field {
            schema: builder.try_build()?,
            index: field.index,
            form,
        })
    }

    fn target_schema(&self, optional: bool) -> Arc<Schema> {
        let builder = match self.target {
            Form::Text => SchemaBuilder::string(),
            Form::Unix => SchemaBuilder::int64(),
            Form::Date => logical::date(),
            Form::Time => logical::time(),
            Form::Timestamp => logical::timestamp(),
        };
        builder.set_optional(optional).build()
    }

    fn convert(&self, value: &Value, form: Form) -> Result<Value, ConnectError> {
        if value.is_null() {
            return Ok(Value::Null);
        }
        let number = || {
            value.as_i64().ok_or_else(|| {
                ConnectError::data(format!(
                    "Expected Unix timestamp to be a Long, but found class {}",
                    value.java_class()
                ))
            })
        };
        let millis = match form {
            Form::Timestamp | Form::Time => number()?,
            Form::Date => number()?.saturating_mul(DAY),
            // As `TimeUnit.convert`: what does not fit is the most that does.
            Form::Unix => match self.precision {
                Precision::Seconds => number()?.saturating_mul(1_000),
                Precision::Millis => number()?,
                Precision::Micros => number()? / 1_000,
                Precision::Nanos => number()? / 1_000_000,
            },
            Form::Text => {
                let text = value.as_str().unwrap_or_default();
                let format = self.format.as_ref().ok_or_else(|| {
                    ConnectError::data("TimestampConverter requires format option to be specified when using string timestamps")
                })?;
                format.parse(text).ok_or_else(|| {
                    ConnectError::data(format!(
                        "Could not parse timestamp: value ({text}) does not match pattern ({})",
                        self.pattern
                    ))
                })?
            }
        };
        let int = |number: i64| {
            i32::try_from(number).map_err(|_| {
                ConnectError::data(format!("{millis} ms is too far from 1970 for a date"))
            })
        };
        Ok(match self.target {
            Form::Timestamp => Value::Int64(millis),
            Form::Date => Value::Int32(int(millis.div_euclid(DAY))?),
            Form::Time => Value::Int32(int(millis.rem_euclid(DAY))?),
            Form::Unix => Value::Int64(match self.precision {
                Precision::Seconds => millis / 1_000,
                Precision::Millis => millis,
                Precision::Micros => millis.saturating_mul(1_000),
                Precision::Nanos => millis.saturating_mul(1_000_000),
            }),
            Form::Text => Value::String(
                self.format
                    .as_ref()
                    .map(|format| format.format(millis))
                    .unwrap_or_default()
                    .into(),
            ),
        })
    }

    /// Of a value without schema.
    fn guessed(value: &Value) -> Result<Form, ConnectError> {
        match value {
            Value::Int64(_) | Value::Null => Ok(Form::Unix),
            Value::String(_) => Ok(Form::Text),
            other => Err(ConnectError::data(format!(
                "TimestampConverter does not support class {} objects as timestamps",
                other.java_class()
            ))),
        }
    }
}

impl Transform for TimestampConverter {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, ConnectError> {
        let times = &self.times;
        let data = self.part.get(&mut record);
        let Some(schema) = data.schema.clone() else {
            data.value = match &data.value {
                Value::Null => Value::Null,
                value if times.field.is_empty() => times.convert(value, Times::guessed(value)?)?,
                Value::Map(entries) => {
                    let mut entries = entries.clone();
                    match entries
                        .iter_mut()
                        .find(|(name, _)| name.as_str() == Some(&times.field))
                    {
                        Some((_, value)) => {
                            *value = times.convert(value, Times::guessed(value)?)?;
                        }
                        None => entries.push((Value::string(&times.field), Value::Null)),
                    }
                    Value::Map(entries)
                }
                _ => return Err(unsupported("convert timestamp", data)),
            };
            return Ok(Some(record));
        };
        let plan = self.schemas.get(&schema, || times.plan(&schema))?;
        let result = match (plan, &data.value) {
            (Plan::Unchanged, _) => return Ok(Some(record)),
            (Plan::Whole(result, _) | Plan::Field { schema: result, .. }, Value::Null) => result,
            (Plan::Whole(result, form), value) => {
                data.value = times.convert(value, *form)?;
                result
            }
            (
                Plan::Field {
                    schema: result,
                    index,
                    form,
                },
                Value::Struct(structure),
            ) => {
                let mut values: Vec<Value> = (0..structure.values().len())
                    .map(|index| shape::value_of(structure, index, self.replace_null))
                    .collect();
                if let Some(value) = values.get_mut(*index) {
                    *value = times.convert(value, *form)?;
                }
                data.value = Value::Struct(Struct::new(Arc::clone(result), values));
                result
            }
            (Plan::Field { .. }, _) => return Err(unsupported("convert timestamp", data)),
        };
        data.schema = Some(Arc::clone(result));
        Ok(Some(record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn convert(props: &[(&str, &str)], form: Form, value: Value) -> Result<Value, ConnectError> {
        let props = props.iter().copied().collect();
        let converter = TimestampConverter::new(&props, Part::Value).expect("a converter");
        converter.times.convert(&value, form)
    }

    #[test]
    fn texts_that_are_no_time_are_errors_that_show_them() {
        let props = [("target.type", "Timestamp"), ("format", "yyyy-MM-dd")];
        for text in ["2024-01-999999999999", "nonsense", ""] {
            let error = convert(&props, Form::Text, text.into()).expect_err(text);
            assert_eq!(
                error.text(),
                format!(
                    "Could not parse timestamp: value ({text}) does not match pattern (yyyy-MM-dd)"
                )
            );
        }
        let far = convert(&props, Form::Text, "2024-01-2147483647".into()).expect("a time");
        assert_eq!(far, Value::Int64(185_544_291_081_600_000));
    }

    /// As recorded from the original.
    #[test]
    fn times_that_do_not_fit_a_precision_are_the_most_that_does() {
        fn check(target: &str, precision: &str, form: Form, from: i64, to: i64) {
            let props = [("target.type", target), ("unix.precision", precision)];
            let converted = convert(&props, form, Value::Int64(from));
            assert_eq!(converted.ok(), Some(Value::Int64(to)), "{from} {precision}");
        }
        check("Timestamp", "seconds", Form::Unix, i64::MAX, i64::MAX);
        check("Timestamp", "seconds", Form::Unix, i64::MIN, i64::MIN);
        check("Timestamp", "seconds", Form::Unix, -1, -1_000);
        check(
            "unix",
            "seconds",
            Form::Unix,
            i64::MAX,
            9_223_372_036_854_775,
        );
        check("unix", "microseconds", Form::Timestamp, i64::MIN, i64::MIN);
        check(
            "unix",
            "nanoseconds",
            Form::Timestamp,
            9_223_372_036_855,
            i64::MAX,
        );
        check(
            "unix",
            "nanoseconds",
            Form::Timestamp,
            -1500,
            -1_500_000_000,
        );
        let props = [("target.type", "Date")];
        let error = convert(&props, Form::Timestamp, Value::Int64(i64::MAX)).expect_err("far");
        assert!(error.text().contains("too far from 1970"), "{error}");
        let props = [("target.type", "string"), ("format", "yyyy-MM-dd")];
        let text = convert(&props, Form::Timestamp, Value::Int64(i64::MAX));
        assert_eq!(text.ok(), Some("292278994-08-17".into()));
    }
}
