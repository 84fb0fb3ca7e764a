//! `/connector-plugins`.
//!
//! Source: `ConnectorPluginsResource`.

use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Value as Json, json};
use tidegate_api::ConnectorKind;

use super::connectors::query;
use super::{answer, body};
use crate::errors::WorkerError;
use crate::herder::Herder;
use crate::validation;

pub(super) async fn list(State(herder): State<Herder>, RawQuery(raw): RawQuery) -> Response {
    let plugins = &herder.shared.plugins;
    let mut all = Vec::new();
    let mut add = |kind: &str, mut classes: Vec<(&'static str, &'static str)>| {
        classes.sort_unstable();
        all.extend(
            classes
                .into_iter()
                .map(|(class, version)| json!({"class": class, "type": kind, "version": version})),
        );
    };
    for kind in ["sink", "source"] {
        let of_kind = plugins
            .connectors
            .iter()
            .filter(|plugin| match plugin.kind {
                ConnectorKind::Sink(_) => kind == "sink",
                ConnectorKind::Source(_) => kind == "source",
            });
        add(
            kind,
            of_kind
                .map(|plugin| (plugin.class, plugin.version))
                .collect(),
        );
    }
    let parameters = query(raw.as_deref());
    let only = parameters.iter().find(|(name, _)| name == "connectorsOnly");
    if only.is_some_and(|(_, value)| !value.eq_ignore_ascii_case("true")) {
        add(
            "transformation",
            plugins
                .transforms
                .iter()
                .map(|plugin| (plugin.class, plugin.version))
                .collect(),
        );
        add(
            "predicate",
            plugins
                .predicates
                .iter()
                .map(|plugin| (plugin.class, plugin.version))
                .collect(),
        );
        add(
            "converter",
            plugins
                .converters
                .iter()
                .map(|plugin| (plugin.class, plugin.version))
                .collect(),
        );
        add(
            "header_converter",
            plugins
                .header_converters
                .iter()
                .map(|plugin| (plugin.class, plugin.version))
                .collect(),
        );
    }
    answer(StatusCode::OK, &Json::Array(all))
}

pub(super) async fn config(
    State(herder): State<Herder>,
    Path(name): Path<String>,
    RawQuery(raw): RawQuery,
) -> Result<Response, WorkerError> {
    let parameters = query(raw.as_deref());
    let version = parameters.iter().find(|(name, _)| name == "version");
    let version = version.map(|(_, version)| version.as_str());
    let keys = validation::definitions(&herder.shared.plugins, &name, version)?;
    Ok(answer(StatusCode::OK, &Json::Array(keys)))
}

pub(super) async fn validate(
    State(herder): State<Herder>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body::Body(bytes): body::Body,
) -> Result<Response, WorkerError> {
    let config = body::config(body::read(&headers, &bytes)?)?;
    if let Some(class) = config.props.raw("connector.class") {
        let pruned = |name: &str| name.strip_suffix("Connector").unwrap_or(name).to_owned();
        if !pruned(class).ends_with(&pruned(&name)) {
            return Err(WorkerError::bad_request(format!(
                "Included connector type {class} does not match request type {name}"
            )));
        }
    }
    Ok(answer(
        StatusCode::OK,
        &herder
            .validate(&config.props, &config.nulls)
            .await?
            .to_json(),
    ))
}
