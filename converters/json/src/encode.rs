//! From values to JSON, by a plan per schema.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tidegate_api::schema::{Field, Kind, Schema};
use tidegate_api::{ConnectError, Decimal, Struct, Value, java_text, logical};

use crate::out::{Constant, Out};
use crate::text::{MAX_DEPTH, put_string, too_deep};

/// `decimal.format`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DecimalFormat {
    Base64,
    Numeric,
}

/// Settings that change the bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Format {
    pub(crate) decimals: DecimalFormat,
    pub(crate) replace_null_with_default: bool,
}

/// How values of one schema are written.
#[derive(Debug)]
pub(crate) struct Plan {
    schema: Arc<Schema>,
    shape: Shape,
    /// What a null becomes; `None` if it is an error.
    null: Option<Constant>,
}

#[derive(Debug)]
enum Shape {
    Boolean,
    Integer,
    Float,
    String,
    Bytes,
    Decimal {
        scale: i32,
        format: DecimalFormat,
    },
    Array(Box<Plan>),
    /// Keys are strings.
    Object {
        /// What a key of null becomes; `None` if it is an error.
        null_key: Option<Box<str>>,
        values: Box<Plan>,
    },
    /// An array of pairs.
    Pairs(Box<Plan>, Box<Plan>),
    /// For each field everything that stands before its value: `{"id":`, `,"name":`.
    Struct(Box<[(Constant, Plan)]>),
}

impl Shape {
    fn of(schema: &Arc<Schema>, format: Format, around: usize) -> Result<Self, ConnectError> {
        let depth = around + 1;
        if depth > MAX_DEPTH
            && matches!(
                schema.kind,
                Kind::Array(_) | Kind::Map(..) | Kind::Struct(_)
            )
        {
            return Err(too_deep());
        }
        Ok(match &schema.kind {
            Kind::Boolean => Self::Boolean,
            Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => Self::Integer,
            Kind::Float32 | Kind::Float64 => Self::Float,
            Kind::String => Self::String,
            Kind::Bytes if schema.is_named(logical::DECIMAL) => Self::Decimal {
                scale: logical::decimal_scale(schema).ok_or_else(|| {
                    ConnectError::data("Invalid Decimal schema: scale parameter not found.")
                })?,
                format: format.decimals,
            },
            Kind::Bytes => Self::Bytes,
            Kind::Array(items) => Self::Array(Box::new(Plan::nested(items, format, depth)?)),
            Kind::Map(keys, values) if keys.kind == Kind::String => Self::Object {
                null_key: null_key(keys, format),
                values: Box::new(Plan::nested(values, format, depth)?),
            },
            Kind::Map(keys, values) => Self::Pairs(
                Box::new(Plan::nested(keys, format, depth + 1)?),
                Box::new(Plan::nested(values, format, depth + 1)?),
            ),
            Kind::Struct(fields) => {
                let mut plans = Vec::with_capacity(fields.as_slice().len());
                for field in fields.as_slice() {
                    let plan = Plan::nested(&field.schema, format, depth)?;
                    plans.push((before_field(field), plan));
                }
                Self::Struct(plans.into_boxed_slice())
            }
        })
    }
}

fn null_key(keys: &Schema, format: Format) -> Option<Box<str>> {
    match keys.default.as_ref().and_then(Value::as_str) {
        Some(default) if format.replace_null_with_default => Some(default.into()),
        _ => keys.optional.then(|| "null".into()),
    }
}

fn before_field(field: &Field) -> Constant {
    let mut before = Out::default();
    before.put_u8(if field.index == 0 { b'{' } else { b',' });
    put_string(&mut before, &field.name);
    before.put_u8(b':');
    Constant::new(before.as_slice())
}

fn null_of_required() -> ConnectError {
    ConnectError::data(
        "Conversion error: null value for field that is required and has no default value",
    )
}

impl Plan {
    pub(crate) fn of(schema: &Arc<Schema>, format: Format) -> Result<Self, ConnectError> {
        Self::nested(schema, format, 0)
    }

    /// `depth`: objects and arrays around the value.
    fn nested(schema: &Arc<Schema>, format: Format, depth: usize) -> Result<Self, ConnectError> {
        let shape = Shape::of(schema, format, depth)?;
        let mut plan = Self {
            schema: Arc::clone(schema),
            shape,
            null: schema.optional.then(|| Constant::new(b"null")),
        };
        if let Some(default) = &schema.default
            && format.replace_null_with_default
        {
            let mut out = Out::default();
            plan.put_default(&mut out, default)?;
            plan.null = Some(Constant::new(out.as_slice()));
        }
        Ok(plan)
    }

    pub(crate) fn put(&self, out: &mut Out, value: &Value) -> Result<(), ConnectError> {
        match (&self.shape, value) {
            (_, Value::Null) => match &self.null {
                Some(null) => out.put_constant(null),
                None => return Err(null_of_required()),
            },
            (Shape::Boolean, Value::Boolean(flag)) => put_boolean(out, *flag),
            (
                Shape::Integer,
                Value::Int8(_) | Value::Int16(_) | Value::Int32(_) | Value::Int64(_),
            )
            | (Shape::Float, Value::Float32(_) | Value::Float64(_)) => put_number(out, value),
            (Shape::String, Value::String(text)) => put_string(out, text),
            (Shape::Bytes, Value::Bytes(bytes)) => put_base64(out, bytes),
            (Shape::Decimal { scale, format }, Value::Decimal(decimal)) => {
                put_decimal(out, decimal, *scale, *format)?;
            }
            (Shape::Array(items), Value::Array(values)) => {
                out.put_u8(b'[');
                for (index, value) in values.iter().enumerate() {
                    if index > 0 {
                        out.put_u8(b',');
                    }
                    items.put(out, value)?;
                }
                out.put_u8(b']');
            }
            (Shape::Object { null_key, values }, Value::Map(entries)) => {
                out.put_u8(b'{');
                for (index, (key, value)) in entries.iter().enumerate() {
                    if index > 0 {
                        out.put_u8(b',');
                    }
                    match key {
                        Value::String(key) => put_string(out, key),
                        Value::Null => {
                            put_string(out, null_key.as_deref().ok_or_else(null_of_required)?);
                        }
                        other => return Err(invalid_type(&Kind::String, other)),
                    }
                    out.put_u8(b':');
                    values.put(out, value)?;
                }
                out.put_u8(b'}');
            }
            (Shape::Pairs(keys, values), Value::Map(entries)) => {
                out.put_u8(b'[');
                for (index, (key, value)) in entries.iter().enumerate() {
                    out.put_slice(if index > 0 { b",[" } else { b"[" });
                    keys.put(out, key)?;
                    out.put_u8(b',');
                    values.put(out, value)?;
                    out.put_u8(b']');
                }
                out.put_u8(b']');
            }
            (Shape::Struct(fields), Value::Struct(structure)) => {
                if !Arc::ptr_eq(structure.schema(), &self.schema)
                    && **structure.schema() != *self.schema
                {
                    return Err(mismatching());
                }
                put_fields(out, fields, structure)?;
            }
            _ => return Err(invalid_type(&self.schema.kind, value)),
        }
        Ok(())
    }

    /// The schema's own default value.
    fn put_default(&self, out: &mut Out, default: &Value) -> Result<(), ConnectError> {
        match (&self.shape, default) {
            // A default of a struct carries the schema without itself.
            (Shape::Struct(fields), Value::Struct(structure)) => {
                let plain = Schema {
                    default: None,
                    ..Schema::clone(&self.schema)
                };
                if **structure.schema() != plain {
                    return Err(mismatching());
                }
                put_fields(out, fields, structure)
            }
            _ => self.put(out, default),
        }
    }
}

fn put_fields(
    out: &mut Out,
    fields: &[(Constant, Plan)],
    structure: &Struct,
) -> Result<(), ConnectError> {
    for ((before, plan), value) in fields.iter().zip(structure.values()) {
        out.put_constant(before);
        plan.put(out, value)?;
    }
    out.put_slice(if fields.is_empty() { b"{}" } else { b"}" });
    Ok(())
}

fn mismatching() -> ConnectError {
    ConnectError::data("Mismatching schema.")
}

fn invalid_type(kind: &Kind, value: &Value) -> ConnectError {
    ConnectError::data(format!(
        "Invalid type for {}: class {}",
        kind.type_name(),
        value.java_class()
    ))
}

/// A schema's default value.
pub(crate) fn put_default(
    out: &mut Out,
    schema: &Schema,
    default: &Value,
    format: Format,
) -> Result<(), ConnectError> {
    let schema = Arc::new(schema.clone());
    let plan = Plan {
        shape: Shape::of(&schema, format, 0)?,
        schema,
        null: None,
    };
    plan.put_default(out, default)
}

/// A value without schema.
pub(crate) fn put_schemaless(
    out: &mut Out,
    value: &Value,
    format: Format,
) -> Result<(), ConnectError> {
    put_nested(out, value, format, 0)
}

/// `around`: objects and arrays around the value.
fn put_nested(
    out: &mut Out,
    value: &Value,
    format: Format,
    around: usize,
) -> Result<(), ConnectError> {
    let depth = around + 1;
    if depth > MAX_DEPTH && matches!(value, Value::Array(_) | Value::Map(_)) {
        return Err(too_deep());
    }
    match value {
        Value::Null => out.put_slice(b"null"),
        Value::Boolean(flag) => put_boolean(out, *flag),
        Value::String(text) => put_string(out, text),
        Value::Bytes(bytes) => put_base64(out, bytes),
        Value::Decimal(decimal) => put_decimal(out, decimal, decimal.scale(), format.decimals)?,
        Value::Array(values) => {
            out.put_u8(b'[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    out.put_u8(b',');
                }
                put_nested(out, value, format, depth)?;
            }
            out.put_u8(b']');
        }
        Value::Map(entries) if entries.iter().all(|(key, _)| key.as_str().is_some()) => {
            out.put_u8(b'{');
            for (index, (key, value)) in entries.iter().enumerate() {
                if index > 0 {
                    out.put_u8(b',');
                }
                put_string(out, key.as_str().unwrap_or_default());
                out.put_u8(b':');
                put_nested(out, value, format, depth)?;
            }
            out.put_u8(b'}');
        }
        Value::Map(entries) => {
            out.put_u8(b'[');
            for (index, (key, value)) in entries.iter().enumerate() {
                out.put_slice(if index > 0 { b",[" } else { b"[" });
                put_nested(out, key, format, depth + 1)?;
                out.put_u8(b',');
                put_nested(out, value, format, depth + 1)?;
                out.put_u8(b']');
            }
            out.put_u8(b']');
        }
        Value::Struct(structure) => {
            Plan::nested(structure.schema(), format, around)?.put(out, value)?;
        }
        number => put_number(out, number),
    }
    Ok(())
}

fn put_boolean(out: &mut Out, flag: bool) {
    out.put_slice(if flag { b"true" } else { b"false" });
}

fn put_number(out: &mut Out, value: &Value) {
    let integer = match value {
        Value::Int64(number) => *number,
        Value::Float32(number) => {
            return put_float(out, number.is_finite(), &java_text::float(*number));
        }
        // Here the shortest text is Java's, too.
        Value::Float64(number) if (1e-3..1e7).contains(&number.abs()) => {
            return out.put_slice(ryu::Buffer::new().format_finite(*number).as_bytes());
        }
        Value::Float64(number) => {
            return put_float(out, number.is_finite(), &java_text::double(*number));
        }
        other => other.as_i64().unwrap_or_default(),
    };
    out.put_slice(itoa::Buffer::new().format(integer).as_bytes());
}

/// What is no number in JSON is a string.
fn put_float(out: &mut Out, finite: bool, text: &str) {
    let quote: &[u8] = if finite { b"" } else { b"\"" };
    out.put_slice(quote);
    out.put_slice(text.as_bytes());
    out.put_slice(quote);
}

fn put_base64(out: &mut Out, bytes: &[u8]) {
    out.put_u8(b'"');
    out.put_with(bytes.len().div_ceil(3) * 4, |room| {
        STANDARD
            .encode_slice(bytes, room)
            .expect("the room is of that size")
    });
    out.put_u8(b'"');
}

fn put_decimal(
    out: &mut Out,
    decimal: &Decimal,
    scale: i32,
    format: DecimalFormat,
) -> Result<(), ConnectError> {
    match format {
        // The text of a number says its scale, unscaled bytes do not.
        DecimalFormat::Base64 if decimal.scale() != scale => {
            return Err(ConnectError::data(format!(
                "Decimal value has mismatching scale for given Decimal schema. Schema has scale {scale}, value has scale {}.",
                decimal.scale()
            )));
        }
        DecimalFormat::Base64 => decimal.with_unscaled_bytes(|bytes| put_base64(out, bytes)),
        DecimalFormat::Numeric => out.put_slice(decimal.to_string().as_bytes()),
    }
    Ok(())
}
