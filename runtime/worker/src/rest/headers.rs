//! What the container does around the resources: `Accept`, `OPTIONS`, requests from other origins.
//!
//! Source: `org.apache.kafka.connect.runtime.rest.RestServer`; Jetty `CrossOriginHandler`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::errors::WorkerError;

/// Refuses requests whose `Accept` excludes JSON.
pub(super) async fn accept(request: Request, next: Next) -> Response {
    if request.method() != Method::OPTIONS && !accepts_json(request.headers()) {
        return WorkerError::new(406, "HTTP 406 Not Acceptable").into_response();
    }
    next.run(request).await
}

fn accepts_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::ACCEPT).iter().peekable();
    if values.peek().is_none() {
        return true;
    }
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|range| {
            let mut parts = range
                .split(';')
                .map(|part| part.trim().to_ascii_lowercase());
            let kind = parts.next().unwrap_or_default();
            let refused = parts.any(|part| {
                let quality = part.strip_prefix("q=").map(str::parse::<f32>);
                matches!(quality, Some(Ok(quality)) if quality <= 0.0)
            });
            !refused && ["*/*", "application/*", "application/json"].contains(&kind.as_str())
        })
}

/// `access.control.allow.origin` and `access.control.allow.methods`.
#[derive(Debug, Clone, Default)]
pub(crate) struct CrossOrigin {
    /// Origins that may ask, `*` for all; none if other origins get no help.
    pub(crate) origins: Vec<String>,
    pub(crate) methods: Vec<String>,
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

/// `response.http.headers.config`: headers of every answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct ResponseHeaders(Vec<(HeaderName, HeaderValue, Action)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Set,
    Add,
}

impl ResponseHeaders {
    /// Rules `set name: value` and `add name: value`, separated by commas; one with a comma in it is quoted.
    ///
    /// # Errors
    /// The rule that is wrong, and why.
    pub(crate) fn parse(text: &str) -> Result<Self, (String, String)> {
        let mut rules = Vec::new();
        for rule in split_rules(text) {
            let wrong = |reason: &str| (rule.clone(), reason.to_owned());
            let (action, header) = rule.split_once(' ').ok_or_else(|| {
                wrong("a rule has the form '[action] [header name]:[header value]'")
            })?;
            let action = match action {
                "set" => Action::Set,
                "add" => Action::Add,
                _ => return Err(wrong("the action must be 'set' or 'add'")),
            };
            let (name, value) = header
                .split_once(':')
                .ok_or_else(|| wrong("a ':' between name and value is missing"))?;
            let name =
                HeaderName::try_from(name.trim()).map_err(|_| wrong("the name is no header's"))?;
            let value = HeaderValue::try_from(value.trim())
                .map_err(|_| wrong("the value cannot stand in a header"))?;
            rules.push((name, value, action));
        }
        Ok(Self(rules))
    }
}

fn split_rules(text: &str) -> Vec<String> {
    let (mut rules, mut rule, mut quoted) = (Vec::new(), String::new(), false);
    for character in text.chars() {
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => rules.push(std::mem::take(&mut rule)),
            other => rule.push(other),
        }
    }
    rules.push(rule);
    let rules = rules.into_iter().map(|rule| rule.trim().to_owned());
    rules.filter(|rule| !rule.is_empty()).collect()
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
    fn headers_of_answers_are_configured() {
        let rules = r#"add Cache-Control: no-cache, "set X-List: a, b""#;
        let headers = ResponseHeaders::parse(rules).unwrap();
        let shown: Vec<_> = headers
            .0
            .iter()
            .map(|(name, value, action)| (name.as_str(), value.to_str().unwrap(), *action))
            .collect();
        assert_eq!(
            shown,
            [
                ("cache-control", "no-cache", Action::Add),
                ("x-list", "a, b", Action::Set)
            ]
        );
        for wrong in ["setDate Expires: 10", "set X", "set", "set a b: c"] {
            let (rule, _) = ResponseHeaders::parse(wrong).unwrap_err();
            assert_eq!(rule, wrong);
        }
    }

    #[test]
    fn accept_is_read_as_the_original_does() {
        fn check(accept: &str, expected: bool) {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_str(accept).unwrap());
            assert_eq!(accepts_json(&headers), expected, "{accept}");
        }
        assert!(accepts_json(&HeaderMap::new()));
        check("*/*", true);
        check("text/html, application/*;q=0.5", true);
        check("application/json; charset=utf-8", true);
        check("text/html", false);
        check("application/json;q=0, text/plain", false);
    }
}
