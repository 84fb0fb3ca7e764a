//! The connector: checks its settings against the server and hands them to its one task.
//!
//! Source: Debezium `BinlogConnector`.

use std::sync::Arc;

use async_trait::async_trait;
use tidegate_api::config::{ConfigInfo, add_error};
use tidegate_api::{ConfigDef, ConnectError, Connector, ConnectorContext, OffsetChange, Props};
use tidegate_log::LogProvider;
use tidegate_mysql::Flavor;
use tidegate_mysql::connection::Server;
use tracing::info;

use crate::config::{self, Settings};
use crate::resets;

pub(crate) struct BinlogConnector {
    flavor: Flavor,
    provider: Arc<dyn LogProvider>,
    props: Props,
}

impl BinlogConnector {
    pub(crate) fn new(flavor: Flavor, provider: Arc<dyn LogProvider>) -> Self {
        Self {
            flavor,
            provider,
            props: Props::new(),
        }
    }
}

#[async_trait]
impl Connector for BinlogConnector {
    async fn start(
        &mut self,
        _context: Arc<dyn ConnectorContext>,
        props: &Props,
    ) -> Result<(), ConnectError> {
        Settings::new(self.flavor, props)?;
        self.props = props.clone();
        Ok(())
    }

    async fn task_configs(&mut self, max_tasks: usize) -> Result<Vec<Props>, ConnectError> {
        if max_tasks > 1 {
            info!("A binary log is read by one task; tasks.max={max_tasks} changes nothing");
        }
        Ok(vec![self.props.clone()])
    }

    async fn stop(&mut self) {}

    async fn validate(
        &self,
        definition: &ConfigDef,
        props: &Props,
    ) -> Result<Vec<ConfigInfo>, ConnectError> {
        let props = config::with_todays_names(props);
        let mut infos = definition.validate(&props);
        for (name, error) in config::cross_checks(&props) {
            let mut named = infos.iter().filter(|info| info.key.name == name);
            if named.any(|info| info.errors.contains(&error)) {
                continue;
            }
            add_error(&mut infos, &name, error);
        }
        if infos.iter().any(|info| !info.errors.is_empty()) {
            return Ok(infos);
        }
        let settings = Settings::new(self.flavor, &props)?;
        if let Err(error) = settings.connection.ssl.attempts() {
            add_error(&mut infos, error.name, error.text);
            return Ok(infos);
        }
        match Server::new(settings.connection).open().await {
            Ok(session) => session.disconnect().await,
            Err(error) => add_error(
                &mut infos,
                "database.hostname",
                format!("Unable to connect: {error}"),
            ),
        }
        Ok(infos)
    }

    async fn alter_offsets(
        &self,
        props: &Props,
        offsets: OffsetChange<'_>,
    ) -> Result<bool, ConnectError> {
        if let OffsetChange::Source(changes) = offsets
            && changes.iter().any(|(_, offset)| offset.is_none())
        {
            resets::forget_snapshots(self.flavor, &*self.provider, props).await;
        }
        // As the original's: it has nothing to do with where offsets are kept.
        Ok(false)
    }
}
