//! Settings of the clients that tasks use: which of the worker's and of the connector's reach them.
//!
//! Source: `org.apache.kafka.connect.runtime.Worker.{baseProducerConfigs,baseConsumerConfigs}`.

use tidegate_api::{ConnectorTaskId, Props};
use tidegate_log::ClientConfig;
use tracing::warn;

use crate::environment::TaskEnvironment;

/// Group of a sink's tasks: `connect-<name>`, unless connector or worker name another one.
pub fn sink_group_id(connector: &str, connector_props: &Props, worker_props: &Props) -> String {
    connector_props
        .raw("consumer.override.group.id")
        .or_else(|| worker_props.raw("consumer.group.id"))
        .map_or_else(|| format!("connect-{connector}"), str::to_owned)
}

fn layered(
    environment: &TaskEnvironment,
    defaults: &[(&str, String)],
    prefix: &str,
) -> ClientConfig {
    let worker = &environment.settings.worker_props;
    let mut config = ClientConfig::default();
    if let Some(servers) = worker.raw("bootstrap.servers") {
        config.set("bootstrap.servers", servers);
    }
    for (name, value) in defaults {
        config.set(*name, value.clone());
    }
    for (name, value) in worker.with_prefix(&format!("{prefix}.")).iter() {
        config.set(name, value);
    }
    for (name, value) in environment
        .connector_props
        .with_prefix(&format!("{prefix}.override."))
        .iter()
    {
        config.set(name, value);
    }
    config
}

/// A source task's producer, or with `role` the one of a dead letter queue.
pub(crate) fn producer(environment: &TaskEnvironment, role: &str) -> ClientConfig {
    let defaults = [
        ("acks", "all".to_owned()),
        ("delivery.timeout.ms", "2147483647".to_owned()),
        ("client.id", client_id(role, &environment.id)),
    ];
    layered(environment, &defaults, "producer")
}

pub(crate) fn consumer(environment: &TaskEnvironment) -> ClientConfig {
    let group = sink_group_id(
        &environment.id.connector,
        &environment.connector_props,
        &environment.settings.worker_props,
    );
    let defaults = [
        ("enable.auto.commit", "false".to_owned()),
        ("auto.offset.reset", "earliest".to_owned()),
        (
            "client.id",
            client_id("connector-consumer", &environment.id),
        ),
    ];
    layered(environment, &defaults, "consumer").with("group.id", group)
}

/// Topics are created through the worker's own connection, whatever these settings say.
pub(crate) fn warn_about_admin_settings(environment: &TaskEnvironment) {
    let connector = environment.connector_props.with_prefix("admin.override.");
    let worker = environment.settings.worker_props.with_prefix("admin.");
    for (prefix, props) in [("admin.override.", connector), ("admin.", worker)] {
        for (name, _) in props.iter() {
            warn!(
                "{} ignores '{prefix}{name}': it creates topics through the worker's own connection",
                environment.id
            );
        }
    }
}

fn client_id(role: &str, id: &ConnectorTaskId) -> String {
    format!("{role}-{id}")
}
