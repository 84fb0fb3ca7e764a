//! Connect's own file connectors: lines of a file to a topic and back.
//!
//! Source: `org.apache.kafka.connect.file.*`.

mod sink;
mod source;

use std::sync::Arc;

use tidegate_api::{ConnectorKind, ConnectorPlugin, Plugins};

const VERSION: &str = "4.3.0";

/// Adds `FileStreamSourceConnector` and `FileStreamSinkConnector`.
pub fn register(plugins: &mut Plugins) {
    plugins.connectors.push(ConnectorPlugin {
        class: "org.apache.kafka.connect.file.FileStreamSinkConnector",
        task_class: "org.apache.kafka.connect.file.FileStreamSinkTask",
        version: VERSION,
        kind: ConnectorKind::Sink(Arc::new(|| Box::<sink::FileStreamSinkTask>::default())),
        config_def: sink::config_def,
        create: Arc::new(|| Box::<sink::FileStreamSinkConnector>::default()),
    });
    plugins.connectors.push(ConnectorPlugin {
        class: "org.apache.kafka.connect.file.FileStreamSourceConnector",
        task_class: "org.apache.kafka.connect.file.FileStreamSourceTask",
        version: VERSION,
        kind: ConnectorKind::Source(Arc::new(|| Box::<source::FileStreamSourceTask>::default())),
        config_def: source::config_def,
        create: Arc::new(|| Box::<source::FileStreamSourceConnector>::default()),
    });
}
