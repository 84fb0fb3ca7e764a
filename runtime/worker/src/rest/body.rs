//! Bodies of requests.

use axum::body::Bytes;
use axum::http::{HeaderMap, header};
use indexmap::IndexMap;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use serde_json::value::RawValue;
use tidegate_api::Props;

use crate::errors::WorkerError;

/// A member whose text is kept, so that `1.50` stays `1.50`.
pub(super) type Raw = Box<RawValue>;

/// The body; what is wrong with it is said with 400.
pub(super) fn read<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<T, WorkerError> {
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
    if body.trim_ascii_start().first() != Some(&b'{')
        && serde_json::from_slice::<Json>(body).is_ok()
    {
        return Err(WorkerError::bad_request(
            "the body is JSON, but no object; a JSON object is expected",
        ));
    }
    serde_json::from_slice(body).map_err(|error| {
        let what = if error.is_data() {
            "the body is not what is expected"
        } else {
            "the body is no JSON"
        };
        WorkerError::bad_request(format!("{what}: {error}"))
    })
}

/// A map of properties: numbers and booleans become their text, null stays.
pub(super) fn properties(
    members: IndexMap<String, Raw>,
) -> Result<Vec<(String, Option<String>)>, WorkerError> {
    members
        .into_iter()
        .map(|(name, raw)| {
            let text = match raw.get().as_bytes().first() {
                Some(b'n') => None,
                Some(b'"') => Some(text_of(&raw)?),
                Some(b'[' | b'{') => {
                    return Err(WorkerError::bad_request(format!(
                        "property '{name}' is an array or object; properties are texts, numbers or booleans"
                    )));
                }
                _ => Some(raw.get().to_owned()),
            };
            Ok((name, text))
        })
        .collect()
}

fn text_of(raw: &RawValue) -> Result<String, WorkerError> {
    serde_json::from_str(raw.get())
        .map_err(|error| WorkerError::bad_request(format!("the body is no JSON: {error}")))
}

/// A connector's configuration as given: its properties, and the names of those that are null.
#[derive(Debug, Default)]
pub(super) struct Config {
    pub(super) props: Props,
    pub(super) nulls: Vec<String>,
}

pub(super) fn config(members: IndexMap<String, Raw>) -> Result<Config, WorkerError> {
    let mut config = Config::default();
    for (name, value) in properties(members)? {
        match value {
            Some(value) => config.props.set(name, value),
            None => config.nulls.push(name),
        }
    }
    Ok(config)
}

/// The body as any JSON.
pub(super) fn json(headers: &HeaderMap, body: &Bytes) -> Result<Json, WorkerError> {
    read(headers, body)
}
