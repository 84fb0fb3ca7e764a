//! From values to JSON, by a plan per schema.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use tidegate_api::schema::{Kind, Schema};
use tidegate_api::{ConnectError, Decimal, Value, java_text, logical};

use crate::out::{Constant, Out};
use crate::schema_text;
use crate::text::put_string;

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
    Object(Box<Plan>),
    /// An array of pairs.
    Pairs(Box<Plan>, Box<Plan>),
    /// For each field everything that stands before its value: `{"id":`, `,"name":`.
    Struct(Box<[(Constant, Plan)]>),
}

impl Plan {
    pub(crate) fn of(schema: &Arc<Schema>, format: Format) -> Result<Self, ConnectError> {
        let shape = match &schema.kind {
            Kind::Boolean => Shape::Boolean,
            Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => Shape::Integer,
            Kind::Float32 | Kind::Float64 => Shape::Float,
            Kind::String => Shape::String,
            Kind::Bytes if schema.is_named(logical::DECIMAL) => Shape::Decimal {
                scale: logical::decimal_scale(schema).ok_or_else(|| {
                    ConnectError::data("Invalid Decimal schema: scale parameter not found.")
                })?,
                format: format.decimals,
            },
            Kind::Bytes => Shape::Bytes,
            Kind::Array(items) => Shape::Array(Box::new(Self::of(items, format)?)),
            Kind::Map(keys, values) if keys.kind == Kind::String && !keys.optional => {
                Shape::Object(Box::new(Self::of(values, format)?))
            }
            Kind::Map(keys, values) => Shape::Pairs(
                Box::new(Self::of(keys, format)?),
                Box::new(Self::of(values, format)?),
            ),
            Kind::Struct(fields) => Shape::Struct(
                fields
                    .as_slice()
                    .iter()
                    .map(|field| {
                        let mut before = Out::default();
                        before.put_u8(if field.index == 0 { b'{' } else { b',' });
                        put_string(&mut before, &field.name);
                        before.put_u8(b':');
                        Ok((
                            Constant::new(before.as_slice()),
                            Self::of(&field.schema, format)?,
                        ))
                    })
                    .collect::<Result<_, ConnectError>>()?,
            ),
        };
        let null = match &schema.default {
            Some(default) if format.replace_null_with_default => {
                let mut out = Out::default();
                put_default(&mut out, schema, default, format.decimals)?;
                Some(Constant::new(out.as_slice()))
            }
            _ => schema.optional.then(|| Constant::new(b"null")),
        };
        Ok(Self {
            schema: Arc::clone(schema),
            shape,
            null,
        })
    }

    pub(crate) fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    pub(crate) fn put(&self, out: &mut Out, value: &Value) -> Result<(), ConnectError> {
        match (&self.shape, value) {
            (_, Value::Null) => match &self.null {
                Some(null) => out.put_constant(null),
                None => {
                    return Err(ConnectError::data(
                        "Conversion error: null value for field that is required and has no default value",
                    ));
                }
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
            (Shape::Object(values), Value::Map(entries)) => {
                out.put_u8(b'{');
                for (index, (key, value)) in entries.iter().enumerate() {
                    if index > 0 {
                        out.put_u8(b',');
                    }
                    put_string(out, key.as_str().unwrap_or("null"));
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
                    return Err(ConnectError::data("Mismatching schema."));
                }
                for ((before, plan), value) in fields.iter().zip(structure.values()) {
                    out.put_constant(before);
                    plan.put(out, value)?;
                }
                out.put_slice(if fields.is_empty() { b"{}" } else { b"}" });
            }
            _ => {
                return Err(ConnectError::data(format!(
                    "Invalid type for {}: {}",
                    self.schema.kind.type_name(),
                    value.java_class()
                )));
            }
        }
        Ok(())
    }
}

/// Everything of an envelope before the payload.
pub(crate) fn envelope_head(schema: Option<&Schema>) -> Result<Bytes, ConnectError> {
    let mut head = Out::default();
    head.put_slice(b"{\"schema\":");
    match schema {
        Some(schema) => schema_text::put(&mut head, schema, None)?,
        None => head.put_slice(b"null"),
    }
    head.put_slice(b",\"payload\":");
    Ok(head.to_bytes())
}

/// A schema's default value.
pub(crate) fn put_default(
    out: &mut Out,
    schema: &Schema,
    default: &Value,
    decimals: DecimalFormat,
) -> Result<(), ConnectError> {
    let plain = Arc::new(Schema {
        default: None,
        ..schema.clone()
    });
    let format = Format {
        decimals,
        replace_null_with_default: true,
    };
    // A default of a struct carries the schema without itself.
    let default = match default {
        Value::Struct(structure) => &Value::Struct(tidegate_api::Struct::new(
            Arc::clone(&plain),
            structure.values().to_vec(),
        )),
        other => other,
    };
    Plan::of(&plain, format)?.put(out, default)
}

/// A value without schema.
pub(crate) fn put_schemaless(
    out: &mut Out,
    value: &Value,
    decimals: DecimalFormat,
) -> Result<(), ConnectError> {
    match value {
        Value::Null => out.put_slice(b"null"),
        Value::Boolean(flag) => put_boolean(out, *flag),
        Value::String(text) => put_string(out, text),
        Value::Bytes(bytes) => put_base64(out, bytes),
        Value::Decimal(decimal) => put_decimal(out, decimal, decimal.scale(), decimals)?,
        Value::Array(values) => {
            out.put_u8(b'[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    out.put_u8(b',');
                }
                put_schemaless(out, value, decimals)?;
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
                put_schemaless(out, value, decimals)?;
            }
            out.put_u8(b'}');
        }
        Value::Map(entries) => {
            out.put_u8(b'[');
            for (index, (key, value)) in entries.iter().enumerate() {
                out.put_slice(if index > 0 { b",[" } else { b"[" });
                put_schemaless(out, key, decimals)?;
                out.put_u8(b',');
                put_schemaless(out, value, decimals)?;
                out.put_u8(b']');
            }
            out.put_u8(b']');
        }
        Value::Struct(structure) => {
            let format = Format {
                decimals,
                replace_null_with_default: true,
            };
            Plan::of(structure.schema(), format)?.put(out, value)?;
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
    if decimal.scale() != scale {
        return Err(ConnectError::data(format!(
            "Decimal value has mismatching scale for given Decimal schema. Schema has scale {scale}, value has scale {}.",
            decimal.scale()
        )));
    }
    match format {
        DecimalFormat::Base64 => decimal.with_unscaled_bytes(|bytes| put_base64(out, bytes)),
        DecimalFormat::Numeric => out.put_slice(decimal.to_string().as_bytes()),
    }
    Ok(())
}
