//! `/connectors`.
//!
//! Source: `ConnectorsResource`.

use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use indexmap::IndexMap;
use percent_encoding::percent_decode_str;
use serde_json::{Value as Json, json};
use tidegate_tasks::TargetState;

use super::{answer, body, path_segment};
use crate::errors::WorkerError;
use crate::herder::{Herder, Put, initial_target, props_json};

type Answer = Result<Response, WorkerError>;

/// Parameters of the query, decoded.
pub(super) fn query(query: Option<&str>) -> Vec<(String, String)> {
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let pair = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (decode(name), decode(value))
    };
    query
        .unwrap_or_default()
        .split('&')
        .filter(|part| !part.is_empty())
        .map(pair)
        .collect()
}

fn flag(parameters: &[(String, String)], name: &str) -> bool {
    // The first one counts.
    let found = parameters.iter().find(|(key, _)| key == name);
    found.is_some_and(|(_, value)| value.eq_ignore_ascii_case("true"))
}

pub(super) async fn list(State(herder): State<Herder>, RawQuery(raw): RawQuery) -> Answer {
    let expand: Vec<String> = query(raw.as_deref())
        .into_iter()
        .filter(|(name, _)| name == "expand")
        .map(|(_, value)| value)
        .collect();
    if expand.is_empty() {
        return Ok(answer(StatusCode::OK, &json!(herder.connectors())));
    }
    let mut all = serde_json::Map::new();
    'connectors: for name in herder.connectors() {
        let mut one = serde_json::Map::new();
        for what in &expand {
            let part = match what.as_str() {
                "status" => herder.status(&name),
                "info" => herder.info(&name),
                _ => continue,
            };
            // A connector that is coming or going has no status, and is left out.
            let Ok(part) = part else {
                continue 'connectors;
            };
            one.insert(what.clone(), part);
        }
        all.insert(name, Json::Object(one));
    }
    Ok(answer(StatusCode::OK, &Json::Object(all)))
}

/// The name in body and configuration must agree; the configuration always has it.
fn with_name(name: &str, mut config: body::Config) -> Result<body::Config, WorkerError> {
    match config.props.raw("name") {
        Some(own) if own != name => Err(WorkerError::bad_request(format!(
            "Connector name configuration ({own}) doesn't match connector name in the URL ({name})"
        ))),
        Some(_) => Ok(config),
        None => {
            config.nulls.retain(|null| null != "name");
            config.props.set("name", name);
            Ok(config)
        }
    }
}

/// Body of `POST /connectors`. Of members that come twice the last one counts.
#[derive(Default)]
struct CreateConnectorRequest {
    name: Option<String>,
    config: body::Config,
    initial_state: Option<String>,
}

impl CreateConnectorRequest {
    fn of(members: IndexMap<String, body::Raw>) -> Result<Self, WorkerError> {
        let mut request = Self::default();
        let mut config = None;
        for (name, value) in members {
            match name.as_str() {
                "name" => request.name = body::text(&name, &value)?,
                "initial_state" => request.initial_state = body::text(&name, &value)?,
                "config" => config = body::object(&name, &value)?,
                _ => {
                    return Err(WorkerError::bad_request(format!(
                        "the body has the unknown member '{name}'; known are name, config, initial_state"
                    )));
                }
            }
        }
        let config = config.ok_or_else(|| {
            WorkerError::bad_request(
                "the body has no member 'config', the connector's configuration",
            )
        })?;
        request.config = body::config(config)?;
        Ok(request)
    }
}

fn created(name: &str, headers: &HeaderMap, info: &Json) -> Response {
    let mut response = answer(StatusCode::CREATED, info);
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or("localhost");
    let location = format!("http://{host}/connectors/{}", path_segment(name));
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

pub(super) async fn create(
    State(herder): State<Herder>,
    headers: HeaderMap,
    body::Body(bytes): body::Body,
) -> Answer {
    let request = CreateConnectorRequest::of(body::read(&headers, &bytes)?)?;
    let name = request
        .name
        .as_deref()
        .unwrap_or_default()
        // As Java trims: control characters, too.
        .trim_matches(|char| char <= ' ')
        .to_owned();
    let initial = request.initial_state.as_deref().map(initial_target);
    let initial = initial.transpose().map_err(WorkerError::bad_request)?;
    let config = with_name(&name, request.config)?;
    herder.check(&config.props, &config.nulls).await?;
    let info = herder.create(&name, config.props, initial).await?;
    let info = herder.described(&name, info).await?;
    Ok(created(&name, &headers, &info))
}

pub(super) async fn info(State(herder): State<Herder>, Path(name): Path<String>) -> Answer {
    Ok(answer(StatusCode::OK, &herder.info(&name)?))
}

pub(super) async fn delete(State(herder): State<Herder>, Path(name): Path<String>) -> Answer {
    herder.delete(&name).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(super) async fn config(State(herder): State<Herder>, Path(name): Path<String>) -> Answer {
    Ok(answer(StatusCode::OK, &props_json(&herder.config(&name)?)))
}

pub(super) async fn put_config(
    State(herder): State<Herder>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body::Body(bytes): body::Body,
) -> Answer {
    let config = with_name(&name, body::config(body::read(&headers, &bytes)?)?)?;
    herder.check(&config.props, &config.nulls).await?;
    let (put, info) = herder.put(&name, config.props).await?;
    let info = herder.described(&name, info).await?;
    Ok(match put {
        Put::Created => created(&name, &headers, &info),
        Put::Updated => answer(StatusCode::OK, &info),
    })
}

pub(super) async fn patch_config(
    State(herder): State<Herder>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body::Body(bytes): body::Body,
) -> Answer {
    if bytes.is_empty() {
        herder.config(&name)?;
    }
    let patch = body::properties(body::read(&headers, &bytes)?)?;
    let info = herder.patch(&name, patch).await?;
    let info = herder.described(&name, info).await?;
    Ok(answer(StatusCode::OK, &info))
}

pub(super) async fn status(State(herder): State<Herder>, Path(name): Path<String>) -> Answer {
    Ok(answer(StatusCode::OK, &herder.status(&name)?))
}

pub(super) async fn restart(
    State(herder): State<Herder>,
    Path(name): Path<String>,
    RawQuery(raw): RawQuery,
) -> Answer {
    let parameters = query(raw.as_deref());
    let (include_tasks, only_failed) = (
        flag(&parameters, "includeTasks"),
        flag(&parameters, "onlyFailed"),
    );
    if !include_tasks && !only_failed {
        herder.restart_connector(&name).await?;
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Ok(answer(
        StatusCode::ACCEPTED,
        &herder.restart(&name, include_tasks, only_failed).await?,
    ))
}

pub(super) async fn pause(State(herder): State<Herder>, Path(name): Path<String>) -> Answer {
    herder.set_target(&name, TargetState::Paused).await?;
    Ok(StatusCode::ACCEPTED.into_response())
}

pub(super) async fn resume(State(herder): State<Herder>, Path(name): Path<String>) -> Answer {
    herder.set_target(&name, TargetState::Started).await?;
    Ok(StatusCode::ACCEPTED.into_response())
}

pub(super) async fn stop(State(herder): State<Herder>, Path(name): Path<String>) -> Answer {
    herder.set_target(&name, TargetState::Stopped).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(super) async fn tasks(State(herder): State<Herder>, Path(name): Path<String>) -> Answer {
    Ok(answer(StatusCode::OK, &herder.task_configs(&name)?))
}

fn task_number(task: &str) -> Result<u32, WorkerError> {
    task.parse()
        .map_err(|_| WorkerError::not_found("HTTP 404 Not Found"))
}

pub(super) async fn task_status(
    State(herder): State<Herder>,
    Path((name, task)): Path<(String, String)>,
) -> Answer {
    Ok(answer(
        StatusCode::OK,
        &herder.task_status(&name, task_number(&task)?)?,
    ))
}

pub(super) async fn restart_task(
    State(herder): State<Herder>,
    Path((name, task)): Path<(String, String)>,
) -> Answer {
    herder.restart_task(&name, task_number(&task)?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn check_tracking(herder: &Herder) -> Result<(), WorkerError> {
    if herder.shared.config.tasks.topic_tracking_enable {
        return Ok(());
    }
    Err(WorkerError::new(403, "Topic tracking is disabled."))
}

pub(super) async fn topics(State(herder): State<Herder>, Path(name): Path<String>) -> Answer {
    check_tracking(&herder)?;
    let topics = herder.shared.statuses.topics(&name);
    Ok(answer(StatusCode::OK, &json!({name: {"topics": topics}})))
}

pub(super) async fn reset_topics(State(herder): State<Herder>, Path(name): Path<String>) -> Answer {
    check_tracking(&herder)?;
    if !herder.shared.config.topic_tracking_allow_reset {
        return Err(WorkerError::new(403, "Topic tracking reset is disabled."));
    }
    herder.shared.statuses.reset_topics(&name);
    Ok(StatusCode::ACCEPTED.into_response())
}

pub(super) async fn offsets(State(herder): State<Herder>, Path(name): Path<String>) -> Answer {
    Ok(answer(StatusCode::OK, &herder.offsets(&name).await?))
}

pub(super) async fn alter_offsets(
    State(herder): State<Herder>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body::Body(bytes): body::Body,
) -> Answer {
    Ok(answer(
        StatusCode::OK,
        &herder
            .alter_offsets(&name, &body::json(&headers, &bytes)?)
            .await?,
    ))
}

pub(super) async fn reset_offsets(
    State(herder): State<Herder>,
    Path(name): Path<String>,
) -> Answer {
    Ok(answer(StatusCode::OK, &herder.reset_offsets(&name).await?))
}
