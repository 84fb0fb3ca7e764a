//! Addresses that requests name: what is no address is refused, the rest is brought into one form.
//!
//! Source: Jetty `UriCompliance`, Jersey's matrix parameters.

use axum::extract::Request;
use axum::http::{Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use percent_encoding::percent_decode_str;

use crate::errors::WorkerError;

/// Trailing slashes and parameters of segments (`;v=1`) mean nothing.
pub(super) async fn normal(mut request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if !path.starts_with('/')
        || request.uri().authority().is_some() && request.uri().scheme().is_none()
    {
        // `OPTIONS *` asks for the worker as a whole, which has no methods.
        if path == "*" && request.method() == Method::OPTIONS {
            return next.run(request).await;
        }
        return WorkerError::bad_request("the request names no path").into_response();
    }
    if let Err(problem) = check(path) {
        return WorkerError::bad_request(format!("the path of the request {problem}"))
            .into_response();
    }
    let segments: Vec<&str> = path
        .split('/')
        .map(|segment| {
            segment
                .split_once(';')
                .map_or(segment, |(segment, _)| segment)
        })
        .collect();
    let joined = segments.join("/");
    let plain = match joined.trim_end_matches('/') {
        "" => "/",
        plain => plain,
    };
    if plain != path {
        let query = request.uri().query();
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        if let Ok(uri) = format!("{plain}{query}").parse::<Uri>() {
            *request.uri_mut() = uri;
        }
    }
    next.run(request).await
}

/// What is wrong with a path.
fn check(path: &str) -> Result<(), &'static str> {
    if path.contains("//") {
        return Err("has an empty segment");
    }
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
                let (Some(high), Some(low)) = (digit(), digit()) else {
                    return Err("has a '%' that encodes nothing");
                };
                if high < 2 || (high, low) == (7, 15) {
                    return Err("encodes a control character");
                }
            }
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' => {
                return Err("has a character that must be encoded");
            }
            byte if !byte.is_ascii_graphic() => return Err("has a character that must be encoded"),
            _ => {}
        }
    }
    match percent_decode_str(path).decode_utf8() {
        Ok(_) => Ok(()),
        Err(_) => Err("encodes what is no UTF-8"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_addresses() {
        for path in [
            "/",
            "/connectors/a%20b",
            "/connectors/a%2Fb/",
            "/connectors/%C3%A9",
            "/a;b",
        ] {
            assert_eq!(check(path), Ok(()), "{path}");
        }
        for path in [
            "//",
            "/connectors//status",
            "/%",
            "/%4",
            "/%zz",
            "/%00",
            "/%0A",
            "/%1f",
            "/%7F",
            "/a\"b",
            "/a\\b",
            "/é",
            "/%E9",
        ] {
            assert!(check(path).is_err(), "{path}");
        }
    }
}
