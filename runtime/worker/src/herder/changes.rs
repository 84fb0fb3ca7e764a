//! Changes of connectors: made, changed, deleted, paused, resumed, stopped.

use serde_json::Value as Json;
use tidegate_api::Props;
use tidegate_tasks::TargetState;
use tracing::info;

use super::Herder;
use super::connector::Command;
use crate::errors::WorkerError;

/// Whether a request made a connector or changed one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    Created,
    Updated,
}

impl Herder {
    /// Creates the connector with a configuration that was checked; an existing one is refused.
    pub(crate) async fn create(
        &self,
        name: &str,
        config: Props,
        initial: Option<TargetState>,
    ) -> Result<Json, WorkerError> {
        let _changing = self.changing.lock().await;
        if self.shared.configs.connector(name).is_some() {
            return Err(WorkerError::conflict(format!(
                "Connector {name} already exists"
            )));
        }
        self.shared
            .configs
            .put_connector(name, &config, initial)
            .await?;
        info!("connector {name} was created");
        self.actor(name);
        self.info(name)
    }

    /// Creates the connector or changes its configuration, which was checked.
    pub(crate) async fn put(&self, name: &str, config: Props) -> Result<(Put, Json), WorkerError> {
        let _changing = self.changing.lock().await;
        let existed = self.shared.configs.connector(name).is_some();
        self.shared
            .configs
            .put_connector(name, &config, None)
            .await?;
        if existed {
            info!("configuration of connector {name} has changed");
            self.tell(name, Command::ConfigUpdated).await?;
        } else {
            info!("connector {name} was created");
            self.actor(name);
        }
        Ok((
            if existed { Put::Updated } else { Put::Created },
            self.info(name)?,
        ))
    }

    /// Changes some properties; null removes one.
    pub(crate) async fn patch(
        &self,
        name: &str,
        patch: Vec<(String, Option<String>)>,
    ) -> Result<Json, WorkerError> {
        let mut config = self.config(name)?;
        for (key, value) in patch {
            match value {
                Some(value) => config.set(key, value),
                None => drop(config.remove(&key)),
            }
        }
        if let Some(other) = config.raw("name").filter(|other| *other != name) {
            return Err(WorkerError::bad_request(format!(
                "Connector name configuration ({other}) doesn't match connector name in the URL ({name})"
            )));
        }
        self.check(&config, &[]).await?;
        Ok(self.put(name, config).await?.1)
    }

    pub(crate) async fn delete(&self, name: &str) -> Result<(), WorkerError> {
        let _changing = self.changing.lock().await;
        self.entry(name)?;
        self.shared.configs.remove_connector(name).await?;
        self.ask(name, |done| Command::Shutdown {
            deleted: true,
            done,
        })
        .await?;
        self.actors.lock().expect("no holder panics").remove(name);
        info!("connector {name} was deleted");
        Ok(())
    }

    /// Pauses, resumes or stops.
    pub(crate) async fn set_target(
        &self,
        name: &str,
        target: TargetState,
    ) -> Result<(), WorkerError> {
        if self.shared.configs.connector(name).is_none() {
            return Err(WorkerError::not_found(format!("Unknown connector {name}")));
        }
        if target == TargetState::Stopped {
            self.shared.configs.put_tasks(name, &[]).await?;
        }
        self.shared.configs.put_target(name, target).await?;
        self.tell(name, Command::TargetStateChanged).await
    }
}
