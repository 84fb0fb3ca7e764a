//! Sinks into databases: Debezium's and Confluent's `JdbcSinkConnector`, under their own names and settings.
//!
//! A batch of records becomes few statements: per table the last change of each key, written through array parameters.

mod batch;
mod catalogue;
mod config;
mod connector;
mod dialect;
mod errors;
mod meaning;
mod plan;
mod session;
mod table;
mod task;
mod text;
mod tls;
mod url;
mod wire;
mod writer;

use std::sync::Arc;

use tidegate_api::{ConnectorKind, ConnectorPlugin, Plugins};

use config::Style;

/// Adds both connectors.
pub fn register(plugins: &mut Plugins) {
    for style in [Style::Debezium, Style::Confluent] {
        plugins.connectors.push(ConnectorPlugin {
            class: style.connector_class(),
            task_class: style.task_class(),
            version: style.version(),
            kind: ConnectorKind::Sink(Arc::new(move || Box::new(task::JdbcSinkTask::new(style)))),
            config_def: match style {
                Style::Debezium => || catalogue::definition(Style::Debezium),
                Style::Confluent => || catalogue::definition(Style::Confluent),
            },
            create: Arc::new(move || Box::new(connector::JdbcSinkConnector::new(style))),
        });
    }
}
