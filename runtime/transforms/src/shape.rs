//! Schemas that a transformation makes of others, made once per schema.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tidegate_api::{ConnectError, Schema, SchemaBuilder, Struct, Value};

/// Results by the address of the schema that they were made of, which they keep alive.
#[derive(Debug)]
pub(crate) struct Cache<T>(Mutex<HashMap<usize, (Arc<Schema>, Arc<T>)>>);

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// Schemas kept; more mean that every record has its own.
const SIZE: usize = 256;

impl<T> Cache<T> {
    pub(crate) fn get(
        &self,
        schema: &Arc<Schema>,
        make: impl FnOnce() -> Result<T, ConnectError>,
    ) -> Result<Arc<T>, ConnectError> {
        let mut known = self.0.lock().expect("no holder panics");
        let address = Arc::as_ptr(schema).addr();
        if let Some((_, result)) = known.get(&address) {
            return Ok(Arc::clone(result));
        }
        let result = Arc::new(make()?);
        if known.len() >= SIZE {
            known.clear();
        }
        known.insert(address, (Arc::clone(schema), Arc::clone(&result)));
        Ok(result)
    }
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
