//! Keeps connectors and tasks as their configurations want them. Each connector is looked after by one actor, so that
//! its changes happen one after the other and none waits for another connector.
//!
//! Source: `org.apache.kafka.connect.runtime.distributed.DistributedHerder`.

mod changes;
mod connector;
mod membership;
pub(crate) mod offsets;
mod status;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value as Json, json};
use tidegate_api::{ConnectError, Plugins, Props};
use tidegate_log::Log;
use tidegate_tasks::TargetState;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use crate::config::{Mode, WorkerConfig};
use crate::errors::WorkerError;
use crate::loggers::Loggers;
use crate::providers::ConfigProviders;
use crate::stores::config_store::{ConfigStore, ConnectorEntry};
use crate::stores::offset_store::OffsetStore;
use crate::stores::status_store::{StatusStore, state};
use crate::validation::{ConfigInfos, Validator};
use changes::Changing;
pub(crate) use changes::Put;
use connector::{CONNECTOR_STOP_TIMEOUT, Command, ConnectorActor};
pub(crate) use membership::Membership;

/// Commands that may wait for one connector.
const COMMANDS: usize = 64;
/// Every request waits this long at most.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(90);

/// At the worker's end connectors may take this much longer than their tasks and instances are given.
const STOP_MARGIN: Duration = Duration::from_secs(3);

/// Everything that connectors and requests share.
pub(crate) struct Shared {
    pub(crate) mode: Mode,
    pub(crate) config: WorkerConfig,
    pub(crate) plugins: Arc<Plugins>,
    pub(crate) providers: ConfigProviders,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) loggers: Loggers,
    pub(crate) configs: ConfigStore,
    pub(crate) offsets: Arc<OffsetStore>,
    pub(crate) statuses: Arc<StatusStore>,
    pub(crate) tasks: TaskTracker,
    /// The worker's end: every task stops, and nothing new is started.
    pub(crate) stopping: CancellationToken,
    pub(crate) membership: Membership,
}

/// Serves the requests of REST.
#[derive(Clone)]
pub(crate) struct Herder {
    pub(crate) shared: Arc<Shared>,
    actors: Arc<Mutex<BTreeMap<String, mpsc::Sender<Command>>>>,
    changing: Arc<Changing>,
}

impl Herder {
    pub(crate) fn new(shared: Shared) -> Self {
        shared.configs.follow_levels(&shared.loggers);
        Self {
            shared: Arc::new(shared),
            actors: Arc::default(),
            changing: Arc::default(),
        }
    }

    /// Starts everything that is configured.
    pub(crate) fn start(&self) {
        for name in self.shared.statuses.connectors() {
            if self.shared.configs.connector(&name).is_none() {
                self.shared.statuses.remove_connector(&name);
            }
        }
        for name in self.shared.configs.names() {
            // Refused only if the worker is to stop already.
            self.actor(&name).ok();
        }
    }

    /// The connector's actor; a new one starts the connector by itself. One that has ended early is replaced.
    fn actor(&self, name: &str) -> Result<mpsc::Sender<Command>, WorkerError> {
        let mut actors = self.actors.lock().expect("no holder panics");
        if let Some(actor) = actors.get(name).filter(|actor| !actor.is_closed()) {
            return Ok(actor.clone());
        }
        if self.shared.stopping.is_cancelled() || self.shared.configs.connector(name).is_none() {
            return Err(self.gone(name));
        }
        self.shared.membership.check()?;
        let (sender, commands) = mpsc::channel(COMMANDS);
        let actor =
            ConnectorActor::new(name, Arc::clone(&self.shared), commands, sender.downgrade());
        self.shared.tasks.spawn(actor.run());
        actors.insert(name.to_owned(), sender.clone());
        Ok(sender)
    }

    /// Why a connector's actor does not answer.
    fn gone(&self, name: &str) -> WorkerError {
        if self.shared.stopping.is_cancelled() {
            WorkerError::internal("Worker is shutting down")
        } else if self.shared.configs.connector(name).is_none() {
            WorkerError::not_found(format!("Unknown connector: {name}"))
        } else {
            WorkerError::internal(format!(
                "connector {name} ended unexpectedly, see the worker's log; changing its configuration starts it again"
            ))
        }
    }

    /// Sends a command and waits for its answer.
    async fn ask<T>(
        &self,
        name: &str,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, WorkerError> {
        let (answer, result) = oneshot::channel();
        let asked = async {
            self.tell(name, command(answer)).await?;
            result.await.map_err(|_| self.gone(name))
        };
        tokio::time::timeout(REQUEST_TIMEOUT, asked)
            .await
            .map_err(|_| {
                WorkerError::internal(format!(
                    "Request timed out. The worker is still busy with connector {name}."
                ))
            })?
    }

    /// Once the connector has done all that it was told before.
    async fn settled(&self, name: &str) -> Result<(), WorkerError> {
        self.ask(name, |done| Command::Settle { done }).await
    }

    async fn tell(&self, name: &str, command: Command) -> Result<(), WorkerError> {
        let sent = self.actor(name)?.send(command).await;
        sent.map_err(|_| self.gone(name))
    }

    pub(crate) fn connectors(&self) -> Vec<String> {
        self.shared.configs.names()
    }

    fn entry(&self, name: &str) -> Result<ConnectorEntry, WorkerError> {
        self.shared
            .configs
            .connector(name)
            .ok_or_else(|| WorkerError::not_found(format!("Connector {name} not found")))
    }

    pub(crate) fn config(&self, name: &str) -> Result<Props, WorkerError> {
        Ok(self.entry(name)?.config)
    }

    pub(crate) fn info(&self, name: &str) -> Result<Json, WorkerError> {
        let entry = self.entry(name)?;
        let tasks: Vec<Json> = (0..entry.tasks.len())
            .map(|task| json!({"connector": name, "task": task}))
            .collect();
        Ok(json!({
            "name": name,
            "config": props_json(&entry.config),
            "tasks": tasks,
            "type": self.kind(&entry.config),
        }))
    }

    fn kind(&self, config: &Props) -> &'static str {
        let plugin = config
            .raw("connector.class")
            .and_then(|class| self.shared.plugins.connector(class));
        plugin.map_or("unknown", |plugin| plugin.kind.name())
    }

    pub(crate) fn task_configs(&self, name: &str) -> Result<Json, WorkerError> {
        let tasks = self.entry(name)?.tasks;
        let tasks = tasks.iter().enumerate().map(|(task, config)| {
            json!({"id": {"connector": name, "task": task}, "config": props_json(config)})
        });
        Ok(tasks.collect())
    }

    /// Validates a configuration that is to be taken. `nulls` are names whose value was null.
    pub(crate) async fn check(&self, config: &Props, nulls: &[String]) -> Result<(), WorkerError> {
        self.validate(config, nulls).await?.check()
    }

    pub(crate) async fn validate(
        &self,
        config: &Props,
        nulls: &[String],
    ) -> Result<ConfigInfos, WorkerError> {
        let validator = Validator {
            plugins: &self.shared.plugins,
            providers: &self.shared.providers,
            worker: &self.shared.config,
        };
        tokio::time::timeout(REQUEST_TIMEOUT, validator.validate(config, nulls))
            .await
            .map_err(|_| WorkerError::internal("Request timed out. The worker is currently performing multi-property validation for the connector"))?
    }

    fn known(&self, name: &str) -> Result<(), WorkerError> {
        if self.shared.configs.connector(name).is_none() {
            return Err(WorkerError::not_found(format!("Unknown connector: {name}")));
        }
        Ok(())
    }

    pub(crate) async fn restart_connector(&self, name: &str) -> Result<(), WorkerError> {
        self.known(name)?;
        self.ask(name, |done| Command::RestartConnector { done })
            .await?
            .map_err(|error| {
                WorkerError::internal(format!(
                    "Failed to start connector: {name}: {}",
                    error.chain()
                ))
            })
    }

    pub(crate) async fn restart_task(&self, name: &str, task: u32) -> Result<(), WorkerError> {
        self.known(name)?;
        if self.entry(name)?.tasks.len() <= task as usize {
            return Err(WorkerError::not_found(format!(
                "Unknown task: {name}-{task}"
            )));
        }
        self.ask(name, |done| Command::RestartTask { task, done })
            .await
    }

    /// The form with parameters: answers with what will be restarted.
    pub(crate) async fn restart(
        &self,
        name: &str,
        include_tasks: bool,
        only_failed: bool,
    ) -> Result<Json, WorkerError> {
        self.known(name)?;
        let Some(connector) = self.shared.statuses.connector(name) else {
            return Err(WorkerError::not_found(format!(
                "Status for connector {name} not found"
            )));
        };
        let wanted = |found: &str| !only_failed || found == state::FAILED;
        let tasks: Vec<u32> = if include_tasks {
            let statuses = self.shared.statuses.tasks(name);
            statuses
                .iter()
                .filter(|(_, status)| wanted(&status.state))
                .map(|(task, _)| *task)
                .collect()
        } else {
            Vec::new()
        };
        let restart_connector = wanted(&connector.state);
        let mut answer = self.status(name)?;
        if restart_connector {
            answer["connector"]["state"] = json!(state::RESTARTING);
        }
        for task in answer["tasks"].as_array_mut().into_iter().flatten() {
            let number = task["id"]
                .as_u64()
                .and_then(|number| u32::try_from(number).ok());
            if number.is_some_and(|number| tasks.contains(&number)) {
                task["state"] = json!(state::RESTARTING);
            }
        }
        self.tell(
            name,
            Command::Restart {
                connector: restart_connector,
                tasks,
            },
        )
        .await?;
        Ok(answer)
    }

    /// Resolves if the worker has lost a part that it cannot do without: whatever reads or writes its own topics.
    pub(crate) async fn failed(&self) -> ConnectError {
        tokio::select! {
            error = self.shared.configs.failed() => error,
            error = self.shared.offsets.failed() => error,
            error = self.shared.statuses.failed() => error,
        }
    }

    /// Has connectors and their tasks end; those that take too long are left behind.
    async fn shut_down(&self, actors: BTreeMap<String, mpsc::Sender<Command>>) {
        let patience = self.shared.config.graceful_timeout + CONNECTOR_STOP_TIMEOUT + STOP_MARGIN;
        let ends = actors.into_iter().map(|(name, actor)| async move {
            let (done, ended) = oneshot::channel();
            let shutdown = Command::Shutdown {
                deleted: false,
                done,
            };
            let stopped = async {
                // An actor that is gone has nothing left to stop.
                if actor.send(shutdown).await.is_ok() {
                    ended.await.ok();
                }
            };
            if tokio::time::timeout(patience, stopped).await.is_err() {
                warn!("connector {name} did not stop within {patience:?}; it is left behind");
            }
        });
        join_all(ends).await;
    }

    /// Stops everything; within the graceful time all offsets are committed. Ends also if the log does not answer.
    pub(crate) async fn stop(&self) {
        self.shared.stopping.cancel();
        let actors = std::mem::take(&mut *self.actors.lock().expect("no holder panics"));
        self.shut_down(actors).await;
        self.shared.tasks.close();
        self.shared.statuses.stop().await;
        self.shared.offsets.stop().await;
        self.shared.configs.stop().await;
    }
}

/// `initial_state` of a new connector.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn initial_target(text: &str) -> Result<TargetState, String> {
    match text.to_ascii_uppercase().as_str() {
        "RUNNING" => Ok(TargetState::Started),
        "PAUSED" => Ok(TargetState::Paused),
        "STOPPED" => Ok(TargetState::Stopped),
        _ => Err(format!(
            "initial_state '{text}' is none of RUNNING, PAUSED, STOPPED"
        )),
    }
}

/// A map of texts.
pub(crate) fn props_json(props: &Props) -> Json {
    Json::Object(
        props
            .iter()
            .map(|(name, value)| (name.to_owned(), json!(value)))
            .collect(),
    )
}

#[cfg(test)]
mod tests;
