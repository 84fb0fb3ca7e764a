//! What the container does around the resources: `Accept`, `OPTIONS`, requests from other origins.
//!
//! Source: `org.apache.kafka.connect.runtime.rest.RestServer`; Jetty `CrossOriginHandler`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::internal;
use crate::config::headers::{Action, CrossOrigin, ResponseHeaders};
use crate::errors::WorkerError;

/// Refuses requests that do not say which host they are for, as HTTP/1.1 demands, and those that expect what is not known.
pub(super) async fn head(request: Request, next: Next) -> Response {
    let mut expected = request.headers().get_all(header::EXPECT).iter();
    if expected.any(|expected| !expected.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        return WorkerError::new(417, "HTTP 417 Expectation Failed").into_response();
    }
    let hosts = request.headers().get_all(header::HOST).iter();
    let hosts: Vec<_> = hosts.map(HeaderValue::to_str).collect();
    let problem = match &hosts[..] {
        [] if request.version() == Version::HTTP_11 => "the request has no Host header",
        [] => return next.run(request).await,
        [Ok(host)] if request.uri().authority().is_some_and(|named| named != host) => {
            "the Host header is not the host of the request's address"
        }
        [Ok(host)] if is_host(host) => return next.run(request).await,
        [_] => "the Host header of the request is no host",
        _ => "the request has more than one Host header",
    };
    WorkerError::bad_request(problem).into_response()
}

fn is_host(text: &str) -> bool {
    let port = text.rsplit_once(':').map(|(_, port)| port);
    let port = port.filter(|port| !port.ends_with(']'));
    port.is_none_or(|port| port.parse::<u16>().is_ok()) && text.parse::<Authority>().is_ok()
}

/// Refuses requests whose body is said to be no JSON, or whose `Accept` excludes JSON.
pub(super) async fn media_types(request: Request, next: Next) -> Response {
    if request.method() != Method::OPTIONS
        && let Err(error) = check(&request)
    {
        return error.into_response();
    }
    next.run(request).await
}

fn check(request: &Request) -> Result<(), WorkerError> {
    let headers = request.headers();
    if let Some(content_type) = content_type(headers)?
        && !content_type.includes_json()
        && !internal::takes_any_type(request.method(), request.uri().path())
    {
        return Err(WorkerError::new(415, "HTTP 415 Unsupported Media Type"));
    }
    if accepts_json(headers)? {
        return Ok(());
    }
    Err(WorkerError::new(406, "HTTP 406 Not Acceptable"))
}

/// `type/subtype`, in small letters.
pub(super) struct MediaType {
    kind: String,
    subtype: String,
}

impl MediaType {
    /// Parameters are checked for their form, and for `q` for its value.
    fn parse(text: &str, bare_type: bool) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let name = parts.next()?.to_ascii_lowercase();
        let (kind, subtype) = match name.split_once('/') {
            Some((kind, subtype)) => (kind, subtype),
            None if bare_type => (name.as_str(), "*"),
            None => return None,
        };
        let is_token = |text: &str| {
            let others = "!#$%&'*+-.^_`|~";
            !text.is_empty()
                && text
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || others.contains(c))
        };
        let is_parameter = |part: &str| match part.split_once('=') {
            Some((name, value)) if name.eq_ignore_ascii_case("q") => value
                .parse::<f32>()
                .is_ok_and(|quality| (0.0..=1.0).contains(&quality)),
            Some((name, value)) => is_token(name) && !value.is_empty(),
            None => part.is_empty(),
        };
        (is_token(kind) && is_token(subtype) && parts.all(is_parameter)).then(|| Self {
            kind: kind.to_owned(),
            subtype: subtype.to_owned(),
        })
    }

    pub(super) fn is_json(&self) -> bool {
        self.kind == "application" && self.subtype == "json"
    }
    /// Also as a range, such as `*/*`.
    fn includes_json(&self) -> bool {
        ["*", "application"].contains(&self.kind.as_str())
            && ["*", "json"].contains(&self.subtype.as_str())
    }
}

fn malformed() -> WorkerError {
    WorkerError::bad_request("HTTP 400 Bad Request")
}

/// What the body is said to be.
pub(super) fn content_type(headers: &HeaderMap) -> Result<Option<MediaType>, WorkerError> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Ok(None);
    };
    let parsed = value
        .to_str()
        .ok()
        .and_then(|text| MediaType::parse(text, false));
    parsed.map(Some).ok_or_else(malformed)
}

/// Ranges of quality 0 count, too: the original takes them for wishes.
fn accepts_json(headers: &HeaderMap) -> Result<bool, WorkerError> {
    let values = headers.get_all(header::ACCEPT).iter();
    let values: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
    if values.iter().all(|value| value.trim().is_empty()) {
        return Ok(true);
    }
    let ranges = values.into_iter().flat_map(|value| value.split(','));
    let ranges = ranges.map(|range| MediaType::parse(range, true).ok_or_else(malformed));
    let ranges = ranges.collect::<Result<Vec<_>, _>>()?;
    Ok(ranges.iter().any(MediaType::includes_json))
}

impl CrossOrigin {
    /// The origin of the request, if it may ask.
    fn allowed<'a>(&self, headers: &'a HeaderMap) -> Option<&'a HeaderValue> {
        let origin = headers.get(header::ORIGIN)?;
        let text = origin.to_str().ok()?;
        let matches = |allowed: &String| allowed == "*" || allowed == text;
        self.origins.iter().any(matches).then_some(origin)
    }
}

/// Answers `OPTIONS`, and tells browsers what pages of other origins may do.
pub(super) async fn options(
    State(cross_origin): State<Arc<CrossOrigin>>,
    request: Request,
    next: Next,
) -> Response {
    let asks = request.method() == Method::OPTIONS;
    let origin = cross_origin.allowed(request.headers()).cloned();
    let preflight = asks
        && request
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = next.run(request).await;
    if asks && response.status() == StatusCode::METHOD_NOT_ALLOWED {
        let methods = response.headers().get(header::ALLOW).cloned();
        let methods = methods.as_ref().and_then(|value| value.to_str().ok());
        let methods = format!("{},OPTIONS", methods.unwrap_or_default());
        let kind = [(header::CONTENT_TYPE, "text/plain")];
        response = (StatusCode::OK, kind, methods.replace(',', ", ")).into_response();
        set(&mut response, header::ALLOW, &methods);
    }
    if !cross_origin.origins.is_empty() {
        set(&mut response, header::VARY, "Origin");
    }
    if let Some(origin) = origin {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if preflight {
            let methods = cross_origin.methods.join(",");
            set(
                &mut response,
                header::ACCESS_CONTROL_ALLOW_METHODS,
                &methods,
            );
            set(
                &mut response,
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                "Content-Type",
            );
            set(&mut response, header::ACCESS_CONTROL_MAX_AGE, "60");
        }
    }
    response
}

/// Puts the configured headers on an answer.
pub(super) async fn configured(
    State(headers): State<Arc<ResponseHeaders>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    for (name, value, action) in &headers.0 {
        match action {
            Action::Set => drop(response.headers_mut().insert(name, value.clone())),
            Action::Add => drop(response.headers_mut().append(name, value.clone())),
        }
    }
    response
}

fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_is_read_as_the_original_does() {
        fn check(accept: &str, expected: Option<bool>) {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_str(accept).unwrap());
            assert_eq!(accepts_json(&headers).ok(), expected, "{accept}");
        }
        assert_eq!(accepts_json(&HeaderMap::new()).ok(), Some(true));
        check("", Some(true));
        check("*/*", Some(true));
        check("*", Some(true));
        check("text/html, application/*;q=0.5", Some(true));
        check("application/json; charset=utf-8", Some(true));
        check("application/json;q=0", Some(true));
        check("text/html", Some(false));
        check("json", Some(false));
        check("application/*+json", Some(false));
        for wrong in [
            "application/",
            "/",
            ";",
            ",",
            "application/json;q=2",
            "application/json;q=x",
        ] {
            check(wrong, None);
        }
    }

    #[test]
    fn hosts_have_ports_that_are_numbers() {
        for host in ["a", "a:1", "127.0.0.1:8083", "[::1]", "[::1]:8083"] {
            assert!(is_host(host), "{host}");
        }
        for host in ["", "a b", "a:port", "a:99999"] {
            assert!(!is_host(host), "{host}");
        }
    }

    #[test]
    fn content_types_are_well_formed() {
        fn check(text: &str, expected: Option<bool>) {
            let found = MediaType::parse(text, false).map(|media_type| media_type.is_json());
            assert_eq!(found, expected, "{text}");
        }
        check("application/json", Some(true));
        check("Application/JSON; charset=\"utf-8\"", Some(true));
        check("application/json;", Some(true));
        check("application/jsonx", Some(false));
        check("application/*+json", Some(false));
        for wrong in ["", "json", "application/", "application/json, text/plain"] {
            check(wrong, None);
        }
    }
}
