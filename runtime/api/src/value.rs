//! Values and structs.
//!
//! Source: `org.apache.kafka.connect.data.{Struct,ConnectSchema,SchemaAndValue}`.

use std::sync::Arc;

use bytes::Bytes;

use crate::decimal::Decimal;
use crate::error::ConnectError;
use crate::schema::{DECIMAL, Field, Kind, Schema};

/// Text of a value; up to 24 bytes live inside the value itself, so that short columns cost no allocation.
pub type Str = compact_str::CompactString;

/// A Connect value. Values of the logical types Date, Time and Timestamp are their base integers; the schema's name
/// tells them apart. Maps and schemaless objects keep their order.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    #[default]
    Null,
    Boolean(bool),
    Int8(i8),
    Int16(i16),
    Int32(i32),
    Int64(i64),
    Float32(f32),
    Float64(f64),
    String(Str),
    Bytes(Bytes),
    Decimal(Decimal),
    Array(Vec<Value>),
    Map(Vec<(Value, Value)>),
    Struct(Struct),
}

impl Value {
    pub fn string(text: impl AsRef<str>) -> Self {
        Self::String(Str::new(text))
    }
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }
    pub fn as_struct(&self) -> Option<&Struct> {
        match self {
            Self::Struct(structure) => Some(structure),
            _ => None,
        }
    }
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Boolean(flag) => Some(*flag),
            _ => None,
        }
    }
    /// The value of any of the integer types.
    pub fn as_i64(&self) -> Option<i64> {
        match *self {
            Self::Int8(v) => Some(v.into()),
            Self::Int16(v) => Some(v.into()),
            Self::Int32(v) => Some(v.into()),
            Self::Int64(v) => Some(v),
            _ => None,
        }
    }
    /// The value under a string key of a schemaless map.
    pub fn map_get(&self, name: &str) -> Option<&Value> {
        match self {
            Self::Map(entries) => entries
                .iter()
                .find(|(key, _)| key.as_str() == Some(name))
                .map(|(_, value)| value),
            _ => None,
        }
    }
    /// The class that the value has in Java; it appears in error texts.
    pub fn java_class(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "java.lang.Boolean",
            Self::Int8(_) => "java.lang.Byte",
            Self::Int16(_) => "java.lang.Short",
            Self::Int32(_) => "java.lang.Integer",
            Self::Int64(_) => "java.lang.Long",
            Self::Float32(_) => "java.lang.Float",
            Self::Float64(_) => "java.lang.Double",
            Self::String(_) => "java.lang.String",
            Self::Bytes(_) => "java.nio.HeapByteBuffer",
            Self::Decimal(_) => "java.math.BigDecimal",
            Self::Array(_) => "java.util.ArrayList",
            Self::Map(_) => "java.util.HashMap",
            Self::Struct(_) => "org.apache.kafka.connect.data.Struct",
        }
    }
    /// Bytes that the value occupies, about: for limits of queues, not for accounting.
    pub fn approximate_size(&self) -> usize {
        const OWN: usize = size_of::<Value>();
        match self {
            Self::String(text) => OWN + text.len(),
            Self::Bytes(bytes) => OWN + bytes.len(),
            Self::Array(items) => OWN + items.iter().map(Value::approximate_size).sum::<usize>(),
            Self::Map(entries) => {
                OWN + entries
                    .iter()
                    .map(|(k, v)| k.approximate_size() + v.approximate_size())
                    .sum::<usize>()
            }
            Self::Struct(structure) => {
                OWN + structure
                    .values()
                    .iter()
                    .map(Value::approximate_size)
                    .sum::<usize>()
            }
            _ => OWN,
        }
    }
}

macro_rules! value_from {
    ($($from:ty => $variant:ident),* $(,)?) => {
        $(impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Self::$variant(value)
            }
        })*
    };
}
value_from!(bool => Boolean, i8 => Int8, i16 => Int16, i32 => Int32, i64 => Int64, f32 => Float32, f64 => Float64,
    Str => String, Bytes => Bytes, Decimal => Decimal, Struct => Struct);

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::string(text)
    }
}
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Field values by position, in the order of the schema's fields.
/// Invariant: `values.len() == schema.fields().len()`, checked when built.
#[derive(Debug, Clone)]
pub struct Struct {
    schema: Arc<Schema>,
    values: Box<[Value]>,
}

impl Struct {
    /// A struct with the given values.
    ///
    /// # Panics
    /// If there are not as many values as the schema has fields.
    pub fn new(schema: Arc<Schema>, values: impl Into<Box<[Value]>>) -> Self {
        let values = values.into();
        assert_eq!(
            values.len(),
            schema.fields().len(),
            "one value for each field of {:?}",
            schema.name
        );
        Self { schema, values }
    }

    /// A struct in which every field is null.
    pub fn empty(schema: Arc<Schema>) -> Self {
        let values = vec![Value::Null; schema.fields().len()].into_boxed_slice();
        Self { schema, values }
    }

    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }
    pub fn values(&self) -> &[Value] {
        &self.values
    }
    pub fn values_mut(&mut self) -> &mut [Value] {
        &mut self.values
    }
    pub fn into_values(self) -> Box<[Value]> {
        self.values
    }
    pub fn fields(&self) -> impl Iterator<Item = (&Field, &Value)> {
        self.schema.fields().iter().zip(self.values.iter())
    }

    /// The value as stored: null stays null. Java's `getWithoutDefault`.
    pub fn get_without_default(&self, name: &str) -> Option<&Value> {
        self.schema
            .field(name)
            .map(|field| &self.values[field.index])
    }

    /// The value, or the field's default if the value is null. Java's `get`.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let field = self.schema.field(name)?;
        let value = &self.values[field.index];
        match (&field.schema.default, value) {
            (Some(default), Value::Null) => Some(default),
            _ => Some(value),
        }
    }

    /// Sets a field.
    ///
    /// # Errors
    /// `Data` if the schema has no such field.
    pub fn put(&mut self, name: &str, value: impl Into<Value>) -> Result<(), ConnectError> {
        let field = self
            .schema
            .field(name)
            .ok_or_else(|| ConnectError::data(format!("{name} is not a valid field name")))?;
        self.values[field.index] = value.into();
        Ok(())
    }

    /// Checks every field against its schema. Source: `org.apache.kafka.connect.data.Struct.validate`.
    ///
    /// # Errors
    /// `Data` with Connect's text for the first field that does not fit.
    pub fn validate(&self) -> Result<(), ConnectError> {
        self.fields()
            .try_for_each(|(field, value)| validate_value(&field.name, &field.schema, value))
    }
}

impl PartialEq for Struct {
    fn eq(&self, other: &Self) -> bool {
        (Arc::ptr_eq(&self.schema, &other.schema) || self.schema == other.schema)
            && self.values == other.values
    }
}

/// Checks a value against a schema. Source: `ConnectSchema.validateValue`.
///
/// # Errors
/// `Data` with Connect's text.
pub fn validate_value(name: &str, schema: &Schema, value: &Value) -> Result<(), ConnectError> {
    if value.is_null() {
        if schema.optional || schema.default.is_some() {
            return Ok(());
        }
        return Err(ConnectError::data(format!(
            "Invalid value: null used for required field: \"{name}\", schema type: {}",
            schema.kind.type_name()
        )));
    }
    let fits = match (&schema.kind, value) {
        (Kind::Bytes, Value::Decimal(_)) => schema.is_named(DECIMAL),
        (Kind::Int8, Value::Int8(_))
        | (Kind::Int16, Value::Int16(_))
        | (Kind::Int32, Value::Int32(_))
        | (Kind::Int64, Value::Int64(_))
        | (Kind::Float32, Value::Float32(_))
        | (Kind::Float64, Value::Float64(_))
        | (Kind::Boolean, Value::Boolean(_))
        | (Kind::String, Value::String(_))
        | (Kind::Bytes, Value::Bytes(_)) => true,
        (Kind::Array(items), Value::Array(values)) => {
            for item in values {
                validate_value(name, items, item)?;
            }
            true
        }
        (Kind::Map(keys, values), Value::Map(entries)) => {
            for (key, entry) in entries {
                validate_value(name, keys, key)?;
                validate_value(name, values, entry)?;
            }
            true
        }
        (Kind::Struct(_), Value::Struct(structure)) => {
            if **structure.schema() != *schema {
                return Err(ConnectError::data(format!(
                    "Struct schemas do not match for field: \"{name}\", schema name: {}",
                    schema.name.as_deref().unwrap_or("null")
                )));
            }
            true
        }
        _ => false,
    };
    if fits {
        return Ok(());
    }
    Err(ConnectError::data(format!(
        "Invalid Java object for schema {}with type {}: class {} for field: \"{name}\"",
        schema
            .name
            .as_deref()
            .map(|name| format!("\"{name}\" "))
            .unwrap_or_default(),
        schema.kind.type_name(),
        value.java_class(),
    )))
}

/// A value with its schema; the schema is absent for schemaless data.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SchemaAndValue {
    pub schema: Option<Arc<Schema>>,
    pub value: Value,
}

impl SchemaAndValue {
    /// No schema and no value: what a tombstone holds.
    pub const NULL: Self = Self {
        schema: None,
        value: Value::Null,
    };

    pub fn new(schema: Arc<Schema>, value: impl Into<Value>) -> Self {
        Self {
            schema: Some(schema),
            value: value.into(),
        }
    }
    pub fn schemaless(value: impl Into<Value>) -> Self {
        Self {
            schema: None,
            value: value.into(),
        }
    }
    pub fn is_null(&self) -> bool {
        self.schema.is_none() && self.value.is_null()
    }
}

impl From<Struct> for SchemaAndValue {
    fn from(structure: Struct) -> Self {
        Self {
            schema: Some(Arc::clone(structure.schema())),
            value: Value::Struct(structure),
        }
    }
}
