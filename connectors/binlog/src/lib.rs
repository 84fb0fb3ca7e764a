//! Change data capture from the binary logs of MySQL and MariaDB: Debezium's `MySqlConnector` and `MariaDbConnector`.

mod attempts;
mod availability;
mod catalogue;
mod config;
mod connector;
mod errors;
mod flavor;
mod offsets;
mod requirements;
mod resets;
mod snapshot;
mod source;
mod source_info;
mod streaming;
mod task;
mod tracker;

use std::sync::Arc;

use tidegate_api::{ConnectorKind, ConnectorPlugin, Plugins};
use tidegate_log::LogProvider;
use tidegate_mysql::Flavor;

use crate::flavor::ConnectorNames as _;

/// Adds both connectors. `provider` opens the logs of their schema histories.
pub fn register(plugins: &mut Plugins, provider: &Arc<dyn LogProvider>) {
    for flavor in [Flavor::MariaDb, Flavor::MySql] {
        let (provider, logs) = (Arc::clone(provider), Arc::clone(provider));
        plugins.connectors.push(ConnectorPlugin {
            class: flavor.connector_class(),
            task_class: flavor.task_class(),
            version: flavor.version(),
            kind: ConnectorKind::Source(Arc::new(move || {
                Box::new(task::BinlogTask::new(flavor, Arc::clone(&provider)))
            })),
            config_def: match flavor {
                Flavor::MariaDb => || catalogue::definition(Flavor::MariaDb),
                Flavor::MySql => || catalogue::definition(Flavor::MySql),
            },
            create: Arc::new(move || {
                Box::new(connector::BinlogConnector::new(flavor, Arc::clone(&logs)))
            }),
        });
    }
}
