//! Schemas that a transformation makes of others, made once per schema.

use std::sync::Arc;

use tidegate_api::{ConfigKey, Schema, SchemaBuilder, SchemaCache, Struct, Value};

/// Of all of Kafka's transformations that copy fields.
pub(crate) static REPLACE_NULL: ConfigKey<bool> =
    ConfigKey::new("replace.null.with.default", "true").doc(
        "Whether a field that is null and has a default in its schema becomes the default where \
         fields are copied. With 'false' it stays null.",
    );

/// Schemas kept. A task of a source has two for each of its tables.
const SIZE: usize = 4_096;

/// For what a transformation makes of schemas.
pub(crate) fn cache<T>() -> SchemaCache<T> {
    SchemaCache::new(SIZE)
}

/// A struct schema with name, version, doc and parameters of another, without its fields, optionality and default.
pub(crate) fn basics(schema: &Schema, mut builder: SchemaBuilder) -> SchemaBuilder {
    if let Some(name) = &schema.name {
        builder = builder.name(Arc::clone(name));
    }
    if let Some(version) = schema.version {
        builder = builder.version(version);
    }
    if let Some(doc) = &schema.doc {
        builder = builder.doc(Arc::clone(doc));
    }
    for (name, value) in &schema.parameters {
        builder = builder.parameter(Arc::clone(name), Arc::clone(value));
    }
    builder
}

/// A field's value; with `replace_null` its schema's default stands for null.
pub(crate) fn value_of(structure: &Struct, index: usize, replace_null: bool) -> Value {
    let value = &structure.values()[index];
    match (&structure.schema().fields()[index].schema.default, value) {
        (Some(default), Value::Null) if replace_null => default.clone(),
        _ => value.clone(),
    }
}
