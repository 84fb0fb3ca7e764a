//! Bodies of requests.

use std::borrow::Cow;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use indexmap::IndexMap;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use serde_json::value::RawValue;
use tidegate_api::Props;

use super::headers;
use crate::errors::WorkerError;
use crate::herder::offsets::BIG_INTEGER;

/// The largest body that is taken. Configurations are much smaller: they go into one record.
const BODY_BYTES: usize = 4 * 1024 * 1024;
/// A client gets this long to send the body of its request.
pub(super) const WHOLE_BODY: Duration = Duration::from_secs(30);

/// The bytes of a request's body, bounded in size and time.
pub(super) struct Body(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = WorkerError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, WorkerError> {
        let too_large =
            || WorkerError::new(413, format!("the body has more than {BODY_BYTES} bytes"));
        let announced = request.headers().get(header::CONTENT_LENGTH);
        let announced = announced.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|length| length > BODY_BYTES as u64) {
            return Err(too_large());
        }
        let body = axum::body::to_bytes(request.into_body(), BODY_BYTES);
        let Ok(read) = tokio::time::timeout(WHOLE_BODY, body).await else {
            return Err(WorkerError::new(
                408,
                format!("the body did not come within {WHOLE_BODY:?}"),
            ));
        };
        match read {
            Ok(bytes) => Ok(Self(bytes)),
            Err(error) if is_too_long(&error) => Err(too_large()),
            Err(error) => Err(WorkerError::bad_request(format!(
                "the body was cut off: {error}"
            ))),
        }
    }
}

fn is_too_long(error: &axum::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if error.to_string().contains("length limit exceeded") {
            return true;
        }
        cause = error.source();
    }
    false
}

/// A member whose text is kept, so that `1.50` stays `1.50`.
pub(super) type Raw = Box<RawValue>;

/// The body; what is wrong with it is said with 400.
pub(super) fn read<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<T, WorkerError> {
    let content_type = headers::content_type(headers)?;
    if content_type.is_none() && body.is_empty() {
        return Err(no_body());
    }
    // Without a type it is none either: pages of any origin may send such requests without asking.
    if !content_type.is_some_and(|content_type| content_type.is_json()) {
        return Err(WorkerError::new(415, "HTTP 415 Unsupported Media Type"));
    }
    let text = decoded(body)?;
    if text.trim_ascii().is_empty() {
        return Err(no_body());
    }
    if !text.trim_ascii_start().starts_with('{') && serde_json::from_str::<Json>(&text).is_ok() {
        return Err(WorkerError::bad_request(
            "the body is JSON, but no object; a JSON object is expected",
        ));
    }
    parsed(&text)
}

fn no_body() -> WorkerError {
    WorkerError::bad_request("the request has no body; a JSON object is expected")
}

/// A body that is an array of objects; its type does not matter.
pub(super) fn array(body: &Bytes) -> Result<Vec<IndexMap<String, Raw>>, WorkerError> {
    parsed(&decoded(body)?)
}

fn parsed<T: DeserializeOwned>(text: &str) -> Result<T, WorkerError> {
    serde_json::from_str(text).map_err(|error| {
        let what = if error.is_data() {
            "the body is not what is expected"
        } else {
            "the body is no JSON"
        };
        WorkerError::bad_request(format!("{what}: {error}"))
    })
}

/// The body's text. JSON says by its first bytes in which of Unicode's encodings it is.
///
/// Source: Jackson `ByteSourceJsonBootstrapper`.
fn decoded(body: &[u8]) -> Result<Cow<'_, str>, WorkerError> {
    let wrong = |encoding: &str| {
        WorkerError::bad_request(format!(
            "the body is no JSON: it is not {encoding} throughout"
        ))
    };
    let utf16 = |rest: &[u8], order: fn([u8; 2]) -> u16| {
        let (units, left) = rest.as_chunks::<2>();
        let units = units.iter().map(|unit| order(*unit));
        let text: Result<String, _> = char::decode_utf16(units).collect();
        text.ok()
            .filter(|_| left.is_empty())
            .ok_or_else(|| wrong("UTF-16"))
    };
    let utf32 = |rest: &[u8], order: fn([u8; 4]) -> u32| {
        let (units, left) = rest.as_chunks::<4>();
        let units = units.iter().map(|unit| char::from_u32(order(*unit)));
        let text: Option<String> = units.collect();
        text.filter(|_| left.is_empty())
            .ok_or_else(|| wrong("UTF-32"))
    };
    let text = match body {
        [0, 0, 0xfe, 0xff, rest @ ..] => utf32(rest, u32::from_be_bytes)?,
        [0xff, 0xfe, 0, 0, rest @ ..] => utf32(rest, u32::from_le_bytes)?,
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes)?,
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes)?,
        [0, 0, 0, _, ..] => utf32(body, u32::from_be_bytes)?,
        [_, 0, 0, 0, ..] => utf32(body, u32::from_le_bytes)?,
        [0, _, ..] => utf16(body, u16::from_be_bytes)?,
        [_, 0, ..] => utf16(body, u16::from_le_bytes)?,
        [0xef, 0xbb, 0xbf, rest @ ..] | rest => {
            return std::str::from_utf8(rest)
                .map(Cow::Borrowed)
                .map_err(|_| wrong("UTF-8"));
        }
    };
    Ok(Cow::Owned(text))
}

/// A member that is to be a text: numbers and booleans are taken as theirs, null is none.
pub(super) fn text(name: &str, value: &RawValue) -> Result<Option<String>, WorkerError> {
    Ok(match value.get().as_bytes().first() {
        Some(b'n') => None,
        Some(b'"') => Some(text_of(value)?),
        Some(b'[' | b'{') => {
            return Err(WorkerError::bad_request(format!(
                "'{name}' is an array or object; a text, number or boolean is expected"
            )));
        }
        _ => Some(value.get().to_owned()),
    })
}

/// A member that is to be an object; null is none.
pub(super) fn object(
    name: &str,
    value: &RawValue,
) -> Result<Option<IndexMap<String, Raw>>, WorkerError> {
    match value.get().as_bytes().first() {
        Some(b'n') => Ok(None),
        Some(b'{') => parsed(value.get()).map(Some),
        _ => Err(WorkerError::bad_request(format!(
            "'{name}' is no object; an object of properties is expected"
        ))),
    }
}

/// A map of properties: numbers and booleans become their text, null stays.
pub(super) fn properties(
    members: IndexMap<String, Raw>,
) -> Result<Vec<(String, Option<String>)>, WorkerError> {
    members
        .into_iter()
        .map(|(name, raw)| {
            let text = text(&name, &raw)?;
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

/// The body as any JSON. Integers beyond 64 bits, which `Json` would round, are objects of their text; see [`BIG_INTEGER`].
pub(super) fn json(headers: &HeaderMap, body: &Bytes) -> Result<Json, WorkerError> {
    let members: IndexMap<String, Raw> = read(headers, body)?;
    let mut object = serde_json::Map::new();
    for (name, raw) in members {
        object.insert(name, parsed(&with_big_integers(raw.get()))?);
    }
    Ok(Json::Object(object))
}

/// A JSON text with `{"java.math.BigInteger":"…"}` in place of each integer beyond 64 bits.
fn with_big_integers(json: &str) -> String {
    let is_number = |char: char| char.is_ascii_digit() || "+-.eE".contains(char);
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => end_of_string(rest),
            '-' | '0'..='9' => rest.find(|char| !is_number(char)).unwrap_or(rest.len()),
            other => other.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        let digits = token.strip_prefix('-').unwrap_or(token);
        let is_integer = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let is_small = token.parse::<i64>().is_ok() || token.parse::<u64>().is_ok();
        if is_integer && !is_small && !digits.starts_with('0') {
            out.push_str(&serde_json::json!({BIG_INTEGER: token}).to_string());
        } else {
            out.push_str(token);
        }
        rest = after;
    }
    out
}

/// Where a JSON string ends that the text begins with, in bytes.
fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    let mut chars = text.char_indices().skip(1);
    let end = chars.find(|(_, char)| {
        let ends = *char == '"' && !escaped;
        escaped = *char == '\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |(place, _)| place + 1)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn bodies_say_their_encoding_by_their_first_bytes() {
        let text = "{\"a\":\"hé😀\"}";
        let utf16 = |order: fn(u16) -> [u8; 2], mark: &str| -> Vec<u8> {
            format!("{mark}{text}")
                .encode_utf16()
                .flat_map(order)
                .collect()
        };
        let utf32 = |order: fn(u32) -> [u8; 4], mark: &str| -> Vec<u8> {
            let text = format!("{mark}{text}");
            text.chars().flat_map(|char| order(char.into())).collect()
        };
        for mark in ["", "\u{feff}"] {
            for body in [
                format!("{mark}{text}").into_bytes(),
                utf16(u16::to_le_bytes, mark),
                utf16(u16::to_be_bytes, mark),
                utf32(u32::to_le_bytes, mark),
                utf32(u32::to_be_bytes, mark),
            ] {
                assert_eq!(decoded(&body).unwrap(), text, "{body:x?}");
            }
        }
        let wide = utf16(u16::to_le_bytes, "");
        assert_eq!(decoded(&wide[..wide.len() - 1]).unwrap_err().status, 400);
        assert_eq!(decoded(b"h\xe9").unwrap_err().status, 400);
        assert_eq!(decoded(b"").unwrap(), "");
    }

    #[test]
    fn integers_beyond_64_bits_keep_their_digits() {
        fn check(json: &str, expected: &str) {
            assert_eq!(with_big_integers(json), expected);
        }
        let big = r#"{"java.math.BigInteger":"18446744073709551616"}"#;
        check("[18446744073709551616 ]", &format!("[{big} ]"));
        let least = r#"{"java.math.BigInteger":"-9223372036854775809"}"#;
        check(
            r#"{"a":-9223372036854775809}"#,
            &format!(r#"{{"a":{least}}}"#),
        );
        for kept in [
            "18446744073709551615",
            "-9223372036854775808",
            "1e3",
            "18446744073709551616.5",
            r#"{"18446744073709551616":"\"18446744073709551616\\"}"#,
            "00018446744073709551616",
            "-",
            "\"ä",
        ] {
            check(kept, kept);
        }
    }

    #[test]
    fn bodies_are_json_by_their_type() {
        let status = |content_type: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(text) = content_type {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(text));
            }
            let read = json(&headers, &Bytes::from_static(b"{}"));
            read.map_or_else(|error| error.status, |_| 200)
        };
        assert_eq!(status(Some("application/json")), 200);
        assert_eq!(status(Some("Application/JSON; charset=utf-8")), 200);
        assert_eq!(status(Some("text/plain")), 415);
        assert_eq!(status(Some("*/*")), 415);
        assert_eq!(status(Some("json")), 400);
        assert_eq!(status(None), 415);
    }
}
