//! Schemas: immutable, shared behind [`Arc`], equal by structure.
//!
//! Source: `org.apache.kafka.connect.data.{Schema,ConnectSchema,SchemaBuilder,Field}`.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use indexmap::IndexMap;

use crate::error::ConnectError;
use crate::value::Value;

/// Unscaled two's-complement big-endian bytes; parameter [`DECIMAL_SCALE`].
pub const DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";
/// Days since 1970-01-01, `INT32`.
pub const DATE: &str = "org.apache.kafka.connect.data.Date";
/// Milliseconds since midnight, `INT32`.
pub const TIME: &str = "org.apache.kafka.connect.data.Time";
/// Milliseconds since 1970-01-01T00:00:00Z, `INT64`.
pub const TIMESTAMP: &str = "org.apache.kafka.connect.data.Timestamp";
/// Parameter of [`DECIMAL`] schemas.
pub const DECIMAL_SCALE: &str = "scale";

/// The type of a schema, with what belongs to it: element schemas of arrays and maps, fields of structs.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    Int8,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    Boolean,
    String,
    Bytes,
    Array(Arc<Schema>),
    Map(Arc<Schema>, Arc<Schema>),
    Struct(Fields),
}

impl Kind {
    /// The type's name as Java's `Schema.Type` spells it, in capitals; it appears in error texts.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Int8 => "INT8",
            Self::Int16 => "INT16",
            Self::Int32 => "INT32",
            Self::Int64 => "INT64",
            Self::Float32 => "FLOAT32",
            Self::Float64 => "FLOAT64",
            Self::Boolean => "BOOLEAN",
            Self::String => "STRING",
            Self::Bytes => "BYTES",
            Self::Array(_) => "ARRAY",
            Self::Map(..) => "MAP",
            Self::Struct(_) => "STRUCT",
        }
    }
}

/// A field of a struct schema: its name, its position and its own schema.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    pub name: Arc<str>,
    pub index: usize,
    pub schema: Arc<Schema>,
}

/// The ordered fields of a struct schema with their index by name.
#[derive(Debug, Clone, Default)]
pub struct Fields {
    list: Box<[Field]>,
    by_name: IndexMap<Arc<str>, ()>,
}

impl Fields {
    /// Builds the fields from names and schemas in order; a repeated name is an error.
    fn new(fields: Vec<(Arc<str>, Arc<Schema>)>) -> Result<Self, ConnectError> {
        let mut by_name = IndexMap::with_capacity(fields.len());
        let mut list = Vec::with_capacity(fields.len());
        for (index, (name, schema)) in fields.into_iter().enumerate() {
            if by_name.insert(Arc::clone(&name), ()).is_some() {
                // Text of Java's SchemaBuilder.
                return Err(ConnectError::data(format!(
                    "Cannot create field because of field name duplication {name}"
                )));
            }
            list.push(Field {
                name,
                index,
                schema,
            });
        }
        Ok(Self {
            list: list.into_boxed_slice(),
            by_name,
        })
    }

    pub fn as_slice(&self) -> &[Field] {
        &self.list
    }

    pub fn get(&self, name: &str) -> Option<&Field> {
        self.by_name
            .get_index_of(name)
            .map(|index| &self.list[index])
    }
}

impl PartialEq for Fields {
    fn eq(&self, other: &Self) -> bool {
        self.list == other.list
    }
}

/// A Connect schema. Equality covers every attribute, defaults and parameters included.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    pub kind: Kind,
    pub optional: bool,
    pub name: Option<Arc<str>>,
    pub version: Option<i32>,
    pub doc: Option<Arc<str>>,
    /// Ordered as given: the order is visible in serialised schemas.
    pub parameters: Vec<(Arc<str>, Arc<str>)>,
    pub default: Option<Value>,
}

impl Schema {
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            optional: false,
            name: None,
            version: None,
            doc: None,
            parameters: Vec::new(),
            default: None,
        }
    }

    /// The fields of a struct schema; empty for every other kind.
    pub fn fields(&self) -> &[Field] {
        match &self.kind {
            Kind::Struct(fields) => fields.as_slice(),
            _ => &[],
        }
    }

    /// The field of that name; `None` if there is none or if this is no struct.
    pub fn field(&self, name: &str) -> Option<&Field> {
        match &self.kind {
            Kind::Struct(fields) => fields.get(name),
            _ => None,
        }
    }

    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(key, _)| &**key == name)
            .map(|(_, value)| &**value)
    }

    /// Whether the schema carries this semantic name.
    pub fn is_named(&self, name: &str) -> bool {
        self.name.as_deref() == Some(name)
    }

    pub fn is_struct(&self) -> bool {
        matches!(self.kind, Kind::Struct(_))
    }

    pub fn to_builder(&self) -> SchemaBuilder {
        let fields = self
            .fields()
            .iter()
            .map(|field| (Arc::clone(&field.name), Arc::clone(&field.schema)))
            .collect();
        SchemaBuilder {
            schema: self.clone(),
            fields,
        }
    }
}

/// Hashes the attributes that tell schemas apart in practice; equal schemas hash equally.
impl Hash for Schema {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(&self.kind).hash(state);
        self.optional.hash(state);
        self.name.hash(state);
        self.version.hash(state);
        self.parameters.hash(state);
        match &self.kind {
            Kind::Array(items) => items.hash(state),
            Kind::Map(keys, values) => {
                keys.hash(state);
                values.hash(state);
            }
            Kind::Struct(fields) => {
                for field in fields.as_slice() {
                    field.name.hash(state);
                    field.schema.hash(state);
                }
            }
            _ => {}
        }
    }
}

/// Builds a [`Schema`] step by step.
///
/// ```
/// # use tidegate_api::{Kind, SchemaBuilder};
/// let schema = SchemaBuilder::structure().name("inv.Key").field("id", SchemaBuilder::new(Kind::Int32).build()).build();
/// assert_eq!(schema.fields()[0].index, 0);
/// ```
#[derive(Debug, Clone)]
pub struct SchemaBuilder {
    schema: Schema,
    fields: Vec<(Arc<str>, Arc<Schema>)>,
}

impl SchemaBuilder {
    pub fn new(kind: Kind) -> Self {
        Self {
            schema: Schema::new(kind),
            fields: Vec::new(),
        }
    }
    pub fn int8() -> Self {
        Self::new(Kind::Int8)
    }
    pub fn int16() -> Self {
        Self::new(Kind::Int16)
    }
    pub fn int32() -> Self {
        Self::new(Kind::Int32)
    }
    pub fn int64() -> Self {
        Self::new(Kind::Int64)
    }
    pub fn float32() -> Self {
        Self::new(Kind::Float32)
    }
    pub fn float64() -> Self {
        Self::new(Kind::Float64)
    }
    pub fn boolean() -> Self {
        Self::new(Kind::Boolean)
    }
    pub fn string() -> Self {
        Self::new(Kind::String)
    }
    pub fn bytes() -> Self {
        Self::new(Kind::Bytes)
    }
    pub fn array(items: Arc<Schema>) -> Self {
        Self::new(Kind::Array(items))
    }
    pub fn map(keys: Arc<Schema>, values: Arc<Schema>) -> Self {
        Self::new(Kind::Map(keys, values))
    }
    pub fn structure() -> Self {
        Self::new(Kind::Struct(Fields::default()))
    }

    #[must_use]
    pub fn optional(mut self) -> Self {
        self.schema.optional = true;
        self
    }
    #[must_use]
    pub fn set_optional(mut self, optional: bool) -> Self {
        self.schema.optional = optional;
        self
    }
    #[must_use]
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.schema.name = Some(name.into());
        self
    }
    #[must_use]
    pub fn version(mut self, version: i32) -> Self {
        self.schema.version = Some(version);
        self
    }
    #[must_use]
    pub fn doc(mut self, doc: impl Into<Arc<str>>) -> Self {
        self.schema.doc = Some(doc.into());
        self
    }
    /// Adds a parameter, or replaces its value in place.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<Arc<str>>, value: impl Into<Arc<str>>) -> Self {
        let (name, value) = (name.into(), value.into());
        match self
            .schema
            .parameters
            .iter_mut()
            .find(|(key, _)| *key == name)
        {
            Some(entry) => entry.1 = value,
            None => self.schema.parameters.push((name, value)),
        }
        self
    }
    #[must_use]
    pub fn default_value(mut self, value: Value) -> Self {
        self.schema.default = Some(value);
        self
    }
    #[must_use]
    pub fn field(mut self, name: impl Into<Arc<str>>, schema: Arc<Schema>) -> Self {
        self.fields.push((name.into(), schema));
        self
    }

    /// Finishes the schema.
    ///
    /// # Panics
    /// If two fields have the same name; use [`Self::try_build`] where names come from outside.
    pub fn build(self) -> Arc<Schema> {
        self.try_build().expect("field names are distinct")
    }

    /// Finishes the schema.
    ///
    /// # Errors
    /// `Data` if two fields have the same name.
    pub fn try_build(mut self) -> Result<Arc<Schema>, ConnectError> {
        if self.schema.is_struct() {
            self.schema.kind = Kind::Struct(Fields::new(self.fields)?);
        }
        Ok(Arc::new(self.schema))
    }
}
