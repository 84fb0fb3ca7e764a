//! Connect's JSON without schemas: the form of all internal records, and of maps in REST.

use bytes::Bytes;
use serde_json::Value as Json;
use tidegate_api::{ConnectError, Props, Str, Value};

/// # Errors
/// If the value holds something that JSON cannot.
pub(crate) fn write(value: &Value) -> Result<Bytes, ConnectError> {
    tidegate_json::write_schemaless(value)
}

pub(crate) fn read(bytes: &Bytes) -> Result<Value, ConnectError> {
    tidegate_json::read_schemaless(bytes)
}

/// A map with text keys.
pub(crate) fn map(entries: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    Value::Map(
        entries
            .into_iter()
            .map(|(name, value)| (Value::string(name), value))
            .collect(),
    )
}

pub(crate) fn text_or_null(text: Option<&str>) -> Value {
    text.map_or(Value::Null, Value::string)
}

/// Properties as a map of texts.
pub(crate) fn props(props: &Props) -> Value {
    Value::Map(
        props
            .iter()
            .map(|(name, value)| (Value::string(name), Value::string(value)))
            .collect(),
    )
}

/// A map of texts as properties; nulls are left out, other values are an error.
pub(crate) fn to_props(value: &Value) -> Option<Props> {
    let Value::Map(entries) = value else {
        return None;
    };
    entries
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| Some((name.as_str()?.to_owned(), value.as_str()?.to_owned())))
        .collect()
}

/// A map with text keys as names and values.
pub(crate) fn to_fields(value: Value) -> Option<Vec<(Str, Value)>> {
    let Value::Map(entries) = value else {
        return None;
    };
    entries
        .into_iter()
        .map(|(name, value)| match name {
            Value::String(name) => Some((name, value)),
            _ => None,
        })
        .collect()
}

/// For REST answers.
pub(crate) fn to_json(value: &Value) -> Json {
    let bytes = write(value).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or(Json::Null)
}

/// From REST requests.
pub(crate) fn from_json(json: &Json) -> Result<Value, ConnectError> {
    read(&Bytes::from(json.to_string()))
}
