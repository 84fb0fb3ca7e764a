//! Bodies of requests.

use axum::body::Bytes;
use axum::http::{HeaderMap, header};
use serde_json::Value as Json;
use tidegate_api::Props;

use crate::errors::WorkerError;

/// The body as JSON; what is wrong with it is said with 400.
pub(super) fn json(headers: &HeaderMap, body: &Bytes) -> Result<Json, WorkerError> {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    if content_type.is_some_and(|content_type| {
        !content_type
            .to_ascii_lowercase()
            .starts_with("application/json")
    }) {
        return Err(WorkerError::new(415, "HTTP 415 Unsupported Media Type"));
    }
    if body.is_empty() {
        return Err(WorkerError::bad_request(
            "the request has no body; a JSON object is expected",
        ));
    }
    serde_json::from_slice(body)
        .map_err(|error| WorkerError::bad_request(format!("the body is no JSON: {error}")))
}

/// A map of properties: numbers and booleans become their text, null stays.
pub(super) fn properties(json: &Json) -> Result<Vec<(String, Option<String>)>, WorkerError> {
    let object = json
        .as_object()
        .ok_or_else(|| WorkerError::bad_request("a JSON object of properties is expected"))?;
    object
        .iter()
        .map(|(name, value)| {
            let text = match value {
                Json::Null => None,
                Json::String(text) => Some(text.clone()),
                Json::Bool(_) | Json::Number(_) => Some(value.to_string()),
                Json::Array(_) | Json::Object(_) => {
                    return Err(WorkerError::bad_request(format!(
                        "property '{name}' is an array or object; properties are texts, numbers or booleans"
                    )));
                }
            };
            Ok((name.clone(), text))
        })
        .collect()
}

/// A connector's configuration; a null value is an error, as in validation.
pub(super) fn config(json: &Json) -> Result<Props, WorkerError> {
    properties(json)?
        .into_iter()
        .map(|(name, value)| {
            let value = value.ok_or_else(|| {
                WorkerError::bad_request(format!(
                    "Connector configuration is invalid and contains the following 1 error(s):\nproperty '{name}': Null value can not be supplied as the configuration value."
                ))
            })?;
            Ok((name, value))
        })
        .collect()
}
