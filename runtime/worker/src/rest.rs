//! Connect's REST API.
//!
//! Source: `org.apache.kafka.connect.runtime.rest.resources.*`.

mod address;
mod body;
mod connectors;
mod headers;
mod internal;
mod loggers;
mod plugins;
mod server;

pub(crate) use server::serve;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{Method, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value as Json, json};
use tidegate_api::catch_panic;
use tracing::error;

use crate::CONNECT_VERSION;
use crate::errors::WorkerError;
use crate::herder::Herder;

/// Commit of the release that `GET /` reports.
const CONNECT_COMMIT: &str = "tidegate";

/// What `UriBuilder` encodes in a path: all but what RFC 3986 permits there; a semicolon would begin parameters.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// A name as a part of a path.
pub fn path_segment(name: &str) -> String {
    utf8_percent_encode(name, ENCODED).to_string()
}

/// All routes. A trailing slash is accepted everywhere.
pub(crate) fn router(herder: Herder) -> Router {
    let cross_origin = Arc::new(herder.shared.config.cross_origin.clone());
    let response_headers = Arc::new(herder.shared.config.response_headers.clone());
    let routes = Router::new()
        .route("/", get(root))
        .route("/health", get(health))
        .route(
            "/connectors",
            get(connectors::list).post(connectors::create),
        )
        .route(
            "/connectors/{name}",
            get(connectors::info).delete(connectors::delete),
        )
        .route(
            "/connectors/{name}/config",
            get(connectors::config)
                .put(connectors::put_config)
                .patch(connectors::patch_config),
        )
        .route("/connectors/{name}/status", get(connectors::status))
        .route("/connectors/{name}/restart", post(connectors::restart))
        .route("/connectors/{name}/pause", put(connectors::pause))
        .route("/connectors/{name}/resume", put(connectors::resume))
        .route("/connectors/{name}/stop", put(connectors::stop))
        .route(
            "/connectors/{name}/tasks",
            get(connectors::tasks).post(internal::task_configs),
        )
        .route("/connectors/{name}/fence", put(internal::fence))
        .route(
            "/connectors/{name}/tasks/{task}/status",
            get(connectors::task_status),
        )
        .route(
            "/connectors/{name}/tasks/{task}/restart",
            post(connectors::restart_task),
        )
        .route("/connectors/{name}/topics", get(connectors::topics))
        .route(
            "/connectors/{name}/topics/reset",
            put(connectors::reset_topics),
        )
        .route(
            "/connectors/{name}/offsets",
            get(connectors::offsets)
                .patch(connectors::alter_offsets)
                .delete(connectors::reset_offsets),
        )
        .route("/admin/loggers", get(loggers::list))
        .route("/admin/loggers/{name}", get(loggers::get).put(loggers::set))
        .route("/connector-plugins", get(plugins::list))
        .route("/connector-plugins/{name}/config", get(plugins::config))
        .route(
            "/connector-plugins/{name}/config/validate",
            put(plugins::validate),
        )
        .route_layer(middleware::from_fn(headers::media_types))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(herder);
    // Outside of the routes, where refusals of a method name the methods that there are.
    Router::new()
        .fallback_service(routes)
        .layer(middleware::from_fn(address::normal))
        .layer(middleware::from_fn(panics))
        .layer(middleware::from_fn(headers::head))
        .layer(middleware::from_fn_with_state(
            cross_origin,
            headers::options,
        ))
        .layer(middleware::from_fn_with_state(
            response_headers,
            headers::configured,
        ))
}

/// Answers also a request whose handling panics.
async fn panics(request: axum::extract::Request, next: middleware::Next) -> Response {
    let what = format!("{} {}", request.method(), request.uri().path());
    catch_panic(&what, next.run(request))
        .await
        .unwrap_or_else(|panic| {
            error!("{panic}");
            WorkerError::from(panic).into_response()
        })
}

async fn root(State(herder): State<Herder>) -> Result<Response, WorkerError> {
    let id = herder.shared.log.cluster_id().await?;
    Ok(answer(
        StatusCode::OK,
        &json!({"version": CONNECT_VERSION, "commit": CONNECT_COMMIT, "kafka_cluster_id": id}),
    ))
}

async fn health() -> Response {
    let message = "Worker has completed startup and is ready to handle requests.";
    answer(
        StatusCode::OK,
        &json!({"status": "healthy", "message": message}),
    )
}

async fn not_found() -> WorkerError {
    WorkerError::not_found("HTTP 404 Not Found")
}

async fn method_not_allowed(_method: Method) -> WorkerError {
    WorkerError::new(405, "HTTP 405 Method Not Allowed")
}

/// A JSON answer.
fn answer(status: StatusCode, body: &Json) -> Response {
    (
        status,
        [(header::CONTENT_TYPE, "application/json")],
        body.to_string(),
    )
        .into_response()
}

impl IntoResponse for WorkerError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        answer(
            status,
            &json!({"error_code": self.status, "message": self.message}),
        )
    }
}
