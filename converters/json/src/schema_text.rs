//! Schemas as JSON, written and read.

use std::sync::Arc;

use tidegate_api::schema::{Kind, Schema};
use tidegate_api::{ConnectError, SchemaBuilder};

use crate::decode;
use crate::encode::{self, Format};
use crate::out::Out;
use crate::text::{Reader, put_string};
use crate::tree::Tree;

/// Appends the schema; `field` is its name as a member of a struct.
pub(crate) fn put(
    out: &mut Out,
    schema: &Schema,
    field: Option<&str>,
    format: Format,
) -> Result<(), ConnectError> {
    let type_name = type_name(&schema.kind);
    out.put_slice(b"{\"type\":");
    put_string(out, type_name);
    match &schema.kind {
        Kind::Array(items) => {
            out.put_slice(b",\"items\":");
            put(out, items, None, format)?;
        }
        Kind::Map(keys, values) => {
            out.put_slice(b",\"keys\":");
            put(out, keys, None, format)?;
            out.put_slice(b",\"values\":");
            put(out, values, None, format)?;
        }
        Kind::Struct(fields) => {
            out.put_slice(b",\"fields\":[");
            for (index, member) in fields.as_slice().iter().enumerate() {
                if index > 0 {
                    out.put_u8(b',');
                }
                put(out, &member.schema, Some(&member.name), format)?;
            }
            out.put_u8(b']');
        }
        _ => {}
    }
    out.put_slice(if schema.optional {
        b",\"optional\":true"
    } else {
        b",\"optional\":false"
    });
    if let Some(name) = &schema.name {
        out.put_slice(b",\"name\":");
        put_string(out, name);
    }
    if let Some(version) = schema.version {
        out.put_slice(b",\"version\":");
        out.put_slice(itoa::Buffer::new().format(version).as_bytes());
    }
    if let Some(doc) = &schema.doc {
        out.put_slice(b",\"doc\":");
        put_string(out, doc);
    }
    if !schema.parameters.is_empty() {
        out.put_slice(b",\"parameters\":{");
        for (index, (name, value)) in schema.parameters.iter().enumerate() {
            if index > 0 {
                out.put_u8(b',');
            }
            put_string(out, name);
            out.put_u8(b':');
            put_string(out, value);
        }
        out.put_u8(b'}');
    }
    if let Some(default) = &schema.default {
        out.put_slice(b",\"default\":");
        encode::put_default(out, schema, default, format)?;
    }
    if let Some(field) = field {
        out.put_slice(b",\"field\":");
        put_string(out, field);
    }
    out.put_u8(b'}');
    Ok(())
}

fn type_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Int8 => "int8",
        Kind::Int16 => "int16",
        Kind::Int32 => "int32",
        Kind::Int64 => "int64",
        Kind::Float32 => "float",
        Kind::Float64 => "double",
        Kind::Boolean => "boolean",
        Kind::String => "string",
        Kind::Bytes => "bytes",
        Kind::Array(_) => "array",
        Kind::Map(..) => "map",
        Kind::Struct(_) => "struct",
    }
}

/// Reads a schema's JSON; `null` is no schema.
pub(crate) fn parse(text: &[u8]) -> Result<Option<Arc<Schema>>, ConnectError> {
    let mut reader = Reader::new(text)?;
    let tree = Tree::read(&mut reader)?;
    reader.finish()?;
    match tree {
        Tree::Null => Ok(None),
        tree => schema(&tree).map(Some),
    }
}

fn schema(tree: &Tree<'_>) -> Result<Arc<Schema>, ConnectError> {
    let builder = builder(tree)?;
    with_attributes(builder, tree)
}

/// A builder of the schema's type, with the schemas inside.
fn builder(tree: &Tree<'_>) -> Result<SchemaBuilder, ConnectError> {
    let kind = tree
        .get("type")
        .and_then(Tree::as_str)
        .ok_or_else(|| ConnectError::data("Schema must contain 'type' field"))?;
    let kind = match kind {
        "boolean" => Kind::Boolean,
        "int8" => Kind::Int8,
        "int16" => Kind::Int16,
        "int32" => Kind::Int32,
        "int64" => Kind::Int64,
        "float" => Kind::Float32,
        "double" => Kind::Float64,
        "bytes" => Kind::Bytes,
        "string" => Kind::String,
        "array" => Kind::Array(part(
            tree,
            "items",
            "Array schema did not specify the element type",
        )?),
        "map" => Kind::Map(
            part(tree, "keys", "Map schema did not specify the key type")?,
            part(tree, "values", "Map schema did not specify the value type")?,
        ),
        "struct" => return structure(tree),
        other => return Err(ConnectError::data(format!("Unknown schema type: {other}"))),
    };
    Ok(SchemaBuilder::new(kind))
}

fn part(tree: &Tree<'_>, name: &str, missing: &str) -> Result<Arc<Schema>, ConnectError> {
    match tree.get(name) {
        Some(part) => schema(part),
        None => Err(ConnectError::data(missing)),
    }
}

fn structure(tree: &Tree<'_>) -> Result<SchemaBuilder, ConnectError> {
    let fields = tree.get("fields").and_then(Tree::as_array).ok_or_else(|| {
        ConnectError::data("Struct schema's \"fields\" argument is not an array.")
    })?;
    let mut builder = SchemaBuilder::structure();
    for field in fields {
        let name = field.get("field").and_then(Tree::as_str).ok_or_else(|| {
            ConnectError::data("Struct schema's field name not specified properly")
        })?;
        builder = builder.field(name, schema(field)?);
    }
    Ok(builder)
}

fn with_attributes(
    mut builder: SchemaBuilder,
    tree: &Tree<'_>,
) -> Result<Arc<Schema>, ConnectError> {
    builder = builder.set_optional(matches!(tree.get("optional"), Some(Tree::Boolean(true))));
    if let Some(name) = tree.get("name") {
        let name = name
            .as_str()
            .ok_or_else(|| ConnectError::data("Invalid schema name: not a string"))?;
        builder = builder.name(name);
    }
    if let Some(version) = tree.get("version") {
        let version = match version {
            Tree::Number(text) => text.parse().ok(),
            _ => None,
        };
        builder = builder.version(
            version.ok_or_else(|| ConnectError::data("Invalid schema version: not an integer"))?,
        );
    }
    if let Some(doc) = tree.get("doc") {
        let doc = doc
            .as_str()
            .ok_or_else(|| ConnectError::data("Invalid schema documentation: not a string"))?;
        builder = builder.doc(doc);
    }
    if let Some(Tree::Object(parameters)) = tree.get("parameters") {
        for parameter in parameters {
            let value = parameter
                .value
                .as_str()
                .ok_or_else(|| ConnectError::data("Schema parameters must have string values."))?;
            builder = builder.parameter(&*parameter.name, value);
        }
    }
    let schema = builder.try_build()?;
    let Some(default) = tree.member("default") else {
        return Ok(schema);
    };
    let mut reader = Reader::new(default.text.as_bytes())?;
    let value = decode::Plan::of(&schema, true).read(&mut reader)?;
    schema.to_builder().default_value(value).try_build()
}
