//! Schemas as JSON, written and read.

use std::sync::Arc;

use serde_json::Value as Json;
use tidegate_api::schema::{Kind, Schema};
use tidegate_api::{ConnectError, SchemaBuilder};

use crate::decode;
use crate::encode::{self, DecimalFormat};
use crate::out::Out;
use crate::text::{Reader, put_string};

/// Appends the schema; `field` is its name as a member of a struct.
pub(crate) fn put(out: &mut Out, schema: &Schema, field: Option<&str>) -> Result<(), ConnectError> {
    let type_name = type_name(&schema.kind);
    out.put_slice(b"{\"type\":");
    put_string(out, type_name);
    match &schema.kind {
        Kind::Array(items) => {
            out.put_slice(b",\"items\":");
            put(out, items, None)?;
        }
        Kind::Map(keys, values) => {
            out.put_slice(b",\"keys\":");
            put(out, keys, None)?;
            out.put_slice(b",\"values\":");
            put(out, values, None)?;
        }
        Kind::Struct(fields) => {
            out.put_slice(b",\"fields\":[");
            for (index, member) in fields.as_slice().iter().enumerate() {
                if index > 0 {
                    out.put_u8(b',');
                }
                put(out, &member.schema, Some(&member.name))?;
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
        encode::put_default(out, schema, default, DecimalFormat::Base64)?;
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
    let json: Json = serde_json::from_slice(text)
        .map_err(|error| ConnectError::data(format!("the schema is no JSON: {error}")))?;
    from_json(&json)
}

fn from_json(json: &Json) -> Result<Option<Arc<Schema>>, ConnectError> {
    if json.is_null() {
        return Ok(None);
    }
    let kind = json
        .get("type")
        .and_then(Json::as_str)
        .ok_or_else(|| ConnectError::data("Schema must contain 'type' field"))?;
    let part = |name: &str, what: &str| -> Result<Arc<Schema>, ConnectError> {
        json.get(name)
            .map(from_json)
            .transpose()?
            .flatten()
            .ok_or_else(|| ConnectError::data(what))
    };
    let mut builder = match kind {
        "boolean" => SchemaBuilder::boolean(),
        "int8" => SchemaBuilder::int8(),
        "int16" => SchemaBuilder::int16(),
        "int32" => SchemaBuilder::int32(),
        "int64" => SchemaBuilder::int64(),
        "float" => SchemaBuilder::float32(),
        "double" => SchemaBuilder::float64(),
        "bytes" => SchemaBuilder::bytes(),
        "string" => SchemaBuilder::string(),
        "array" => SchemaBuilder::array(part(
            "items",
            "Array schema did not specify the element type",
        )?),
        "map" => SchemaBuilder::map(
            part("keys", "Map schema did not specify the key type")?,
            part("values", "Map schema did not specify the value type")?,
        ),
        "struct" => {
            let fields = json.get("fields").and_then(Json::as_array).ok_or_else(|| {
                ConnectError::data("Struct schema's \"fields\" argument is not an array.")
            })?;
            let mut builder = SchemaBuilder::structure();
            for field in fields {
                let name = field.get("field").and_then(Json::as_str).ok_or_else(|| {
                    ConnectError::data("Struct schema's field name not specified properly")
                })?;
                let schema = from_json(field)?
                    .ok_or_else(|| ConnectError::data("Struct schema's field has no schema"))?;
                builder = builder.field(name, schema);
            }
            builder
        }
        other => return Err(ConnectError::data(format!("Unknown schema type: {other}"))),
    };
    builder = builder.set_optional(
        json.get("optional")
            .and_then(Json::as_bool)
            .unwrap_or(false),
    );
    if let Some(name) = json.get("name").filter(|name| !name.is_null()) {
        let name = name
            .as_str()
            .ok_or_else(|| ConnectError::data("Invalid schema name: not a string"))?;
        builder = builder.name(name);
    }
    if let Some(version) = json.get("version").filter(|version| !version.is_null()) {
        let version = version
            .as_i64()
            .and_then(|version| i32::try_from(version).ok())
            .ok_or_else(|| ConnectError::data("Invalid schema version: not an integer"))?;
        builder = builder.version(version);
    }
    if let Some(doc) = json.get("doc").filter(|doc| !doc.is_null()) {
        let doc = doc
            .as_str()
            .ok_or_else(|| ConnectError::data("Invalid schema documentation: not a string"))?;
        builder = builder.doc(doc);
    }
    if let Some(parameters) = json.get("parameters").and_then(Json::as_object) {
        for (name, value) in parameters {
            let value = value
                .as_str()
                .ok_or_else(|| ConnectError::data("Schema parameters must have string values."))?;
            builder = builder.parameter(name.as_str(), value);
        }
    }
    let default = json
        .get("default")
        .filter(|default| !default.is_null())
        .map(Json::to_string);
    let schema = builder.try_build()?;
    let Some(default) = default else {
        return Ok(Some(schema));
    };
    let value = decode::Plan::of(&schema, true).read(&mut Reader::new(default.as_bytes())?)?;
    Ok(Some(schema.to_builder().default_value(value).try_build()?))
}
