//! `/admin/loggers`.
//!
//! Source: `LoggingResource`.

use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use chrono::Utc;
use serde_json::json;
use tracing::warn;

use super::connectors::query;
use super::{answer, body};
use crate::errors::WorkerError;
use crate::herder::Herder;
use crate::loggers::Level;

type Answer = Result<Response, WorkerError>;

const CLUSTER: &str = "cluster";

pub(super) async fn list(State(herder): State<Herder>) -> Response {
    answer(StatusCode::OK, &herder.shared.loggers.all())
}

pub(super) async fn get(State(herder): State<Herder>, Path(name): Path<String>) -> Answer {
    let found = herder.shared.loggers.get(&name);
    let found = found.ok_or_else(|| WorkerError::not_found(format!("Logger {name} not found.")))?;
    Ok(answer(StatusCode::OK, &found))
}

pub(super) async fn set(
    State(herder): State<Herder>,
    Path(name): Path<String>,
    RawQuery(raw): RawQuery,
    headers: HeaderMap,
    body::Body(bytes): body::Body,
) -> Answer {
    let members = body::properties(body::read(&headers, &bytes)?)?;
    let level = members.into_iter().find(|(member, _)| member == "level");
    let level = level.and_then(|(_, level)| level).ok_or_else(|| {
        WorkerError::bad_request("Desired 'level' parameter was not specified in request.")
    })?;
    let level = Level::parse(&level)
        .ok_or_else(|| WorkerError::not_found(format!("invalid log level '{level}'.")))?;
    let parameters = query(raw.as_deref());
    let scope = parameters
        .iter()
        .find(|(parameter, _)| parameter == "scope");
    let scope = scope.map_or("worker", |(_, scope)| scope.as_str());
    if scope.eq_ignore_ascii_case(CLUSTER) {
        herder.set_cluster_level(&name, level).await?;
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    if !scope.eq_ignore_ascii_case("worker") {
        warn!("'{scope}' is no scope of a log level; it is set for this worker alone");
    }
    let changed = herder
        .shared
        .loggers
        .set(&name, level, Utc::now().timestamp_millis());
    Ok(answer(StatusCode::OK, &json!(changed)))
}
