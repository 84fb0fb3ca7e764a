//! The actor of one connector: its instance and its tasks.
//!
//! Source: `org.apache.kafka.connect.runtime.{WorkerConnector,Worker}`.

mod context;
mod tasks;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tidegate_api::{ConnectError, Connector, ConnectorKind, ConnectorPlugin, Props};
use tidegate_tasks::{TargetState, check_topic_creation};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tracing::{Instrument as _, error, info, info_span, warn};

use self::context::Context;
use self::tasks::RunningTask;
use super::Shared;
use crate::stores::config_store::ConnectorEntry;
use crate::stores::status_store::state;

/// What an actor is told.
pub(crate) enum Command {
    ConfigUpdated,
    /// One after the other: who stops and resumes a busy connector wants both.
    TargetStateChanged(TargetState),
    RestartConnector {
        done: oneshot::Sender<Result<(), ConnectError>>,
    },
    RestartTask {
        task: u32,
        done: oneshot::Sender<()>,
    },
    Restart {
        connector: bool,
        tasks: Vec<u32>,
    },
    /// Answered in its turn, after what came before.
    Settle {
        done: oneshot::Sender<()>,
    },
    /// The connector asks for new task configurations.
    Reconfigure,
    /// The connector says that it cannot go on.
    Raised(ConnectError),
    Shutdown {
        deleted: bool,
        done: oneshot::Sender<()>,
    },
}

/// A connector gets this long to stop.
pub(super) const CONNECTOR_STOP_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) struct ConnectorActor {
    name: Arc<str>,
    shared: Arc<Shared>,
    commands: mpsc::Receiver<Command>,
    own_address: mpsc::WeakSender<Command>,
    instance: Option<Box<dyn Connector>>,
    /// Whether the instance's `start` has succeeded.
    started: bool,
    tasks: BTreeMap<u32, RunningTask>,
    target: watch::Sender<TargetState>,
    /// When to try again to make task configurations.
    retry: Option<(Instant, Duration)>,
}

impl ConnectorActor {
    pub(crate) fn new(
        name: &str,
        shared: Arc<Shared>,
        commands: mpsc::Receiver<Command>,
        own_address: mpsc::WeakSender<Command>,
    ) -> Self {
        let target = watch::Sender::new(shared.configs.target(name));
        Self {
            name: Arc::from(name),
            shared,
            commands,
            own_address,
            instance: None,
            started: false,
            tasks: BTreeMap::new(),
            target,
            retry: None,
        }
    }

    pub(crate) async fn run(self) {
        let span = info_span!("connector", connector = %self.name);
        self.follow().instrument(span).await;
    }

    async fn follow(mut self) {
        self.start_or_fail().await;
        loop {
            let retry_at = self.retry.map(|(at, _)| at);
            let retry = async {
                match retry_at {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let command = tokio::select! {
                command = self.commands.recv() => command,
                () = retry => Some(Command::Reconfigure),
            };
            match command {
                None => return,
                Some(Command::Shutdown { deleted, done }) => {
                    self.shut_down(deleted).await;
                    // Whoever asked may be gone.
                    done.send(()).ok();
                    return;
                }
                Some(command) => self.obey(command).await,
            }
        }
    }

    async fn obey(&mut self, command: Command) {
        match command {
            Command::ConfigUpdated => {
                self.stop_instance().await;
                self.start_or_fail().await;
            }
            Command::TargetStateChanged(target) => self.change_target(target).await,
            Command::RestartConnector { done } => {
                self.stop_instance().await;
                drop(done.send(self.start().await));
            }
            Command::RestartTask { task, done } => {
                self.restart_tasks(&[task]).await;
                done.send(()).ok();
            }
            Command::Restart { connector, tasks } => {
                if connector {
                    self.report(state::RESTARTING, None);
                    self.stop_instance().await;
                    self.start_or_fail().await;
                }
                let version = self.version();
                for task in &tasks {
                    self.shared.statuses.set_task(
                        &self.task_id(*task),
                        state::RESTARTING,
                        None,
                        version,
                    );
                }
                self.restart_tasks(&tasks).await;
            }
            Command::Reconfigure => self.configure_tasks().await,
            Command::Raised(error) => self.failed(&error),
            Command::Settle { done } => {
                done.send(()).ok();
            }
            Command::Shutdown { .. } => {}
        }
    }

    fn entry(&self) -> Option<ConnectorEntry> {
        self.shared.configs.connector(&self.name)
    }

    fn plugin_of(&self, config: &Props) -> Option<&ConnectorPlugin> {
        self.shared
            .plugins
            .connector(config.raw("connector.class")?)
    }

    fn version(&self) -> Option<&'static str> {
        self.plugin_of(&self.entry()?.config)
            .map(|plugin| plugin.version)
    }

    fn report(&self, state: &str, trace: Option<String>) {
        self.shared
            .statuses
            .set_connector(&self.name, state, trace, self.version());
    }

    fn failed(&mut self, error: &ConnectError) {
        error!("Connector {} failed:\n{}", self.name, error.trace());
        self.started = false;
        self.retry = None;
        self.report(state::FAILED, Some(error.trace()));
    }

    async fn start_or_fail(&mut self) {
        // Its state shows the error.
        self.start().await.ok();
    }

    /// Starts what is wanted. Tasks do not depend on the instance: if it fails, those that are configured run all the
    /// same, or show why they cannot.
    async fn start(&mut self) -> Result<(), ConnectError> {
        let result = self.start_wanted().await;
        if let Err(error) = &result {
            self.failed(error);
            if let Some(entry) = self.entry()
                && *self.target.borrow() != TargetState::Stopped
            {
                self.run_tasks(&entry);
            }
        }
        result
    }

    /// Makes and starts an instance, if it is wanted, and its tasks.
    async fn start_wanted(&mut self) -> Result<(), ConnectError> {
        let Some(entry) = self.entry() else {
            return Ok(());
        };
        let target = self.shared.configs.target(&self.name);
        self.target.send_replace(target);
        // A worker that was killed may have left states of more tasks.
        self.forget_tasks(entry.tasks.len());
        let props = self.shared.providers.resolve(&entry.config)?;
        let class = props.raw("connector.class").unwrap_or_default();
        let plugin = self.plugin_of(&props).ok_or_else(|| {
            ConnectError::fatal(format!(
                "connector class '{class}' is not known to this worker"
            ))
        })?;
        info!(
            "Creating connector {} of type {class}, version {}",
            self.name, plugin.version
        );
        if matches!(plugin.kind, ConnectorKind::Source(_)) {
            check_topic_creation(&props, self.shared.config.tasks.topic_creation_enable)?;
        }
        self.instance = Some((plugin.create)());
        match target {
            TargetState::Started => {
                self.start_instance(&props).await?;
                self.configure_tasks().await;
            }
            TargetState::Paused => {
                self.report(state::PAUSED, None);
                // Its tasks show PAUSED, too, and stay in their group.
                self.run_tasks(&entry);
            }
            TargetState::Stopped => self.be_stopped().await,
        }
        Ok(())
    }

    async fn start_instance(&mut self, props: &Props) -> Result<(), ConnectError> {
        let Some(instance) = &mut self.instance else {
            return Ok(());
        };
        let context = Arc::new(Context {
            name: Arc::clone(&self.name),
            shared: Arc::clone(&self.shared),
            actor: self.own_address.clone(),
        });
        instance.start(context, props).await?;
        self.started = true;
        self.report(state::RUNNING, None);
        Ok(())
    }

    async fn stop_instance(&mut self) {
        self.retry = None;
        if let Some(mut instance) = self.instance.take()
            && self.started
            && tokio::time::timeout(CONNECTOR_STOP_TIMEOUT, instance.stop())
                .await
                .is_err()
        {
            warn!(
                "connector {} did not stop within {CONNECTOR_STOP_TIMEOUT:?}; it is abandoned",
                self.name
            );
        }
        self.started = false;
    }

    async fn change_target(&mut self, target: TargetState) {
        let before = self.target.send_replace(target);
        match target {
            // A stop that went no further than the task configurations has taken them away.
            TargetState::Started if before == TargetState::Started => self.configure_tasks().await,
            TargetState::Started => self.start_or_fail().await,
            TargetState::Paused => {
                self.stop_instance().await;
                self.report(state::PAUSED, None);
            }
            TargetState::Stopped => self.be_stopped().await,
        }
    }

    /// Nothing runs, and no tasks are configured: those that were being made when the stop was asked for go, too.
    async fn be_stopped(&mut self) {
        self.stop_tasks(self.tasks.keys().copied().collect()).await;
        self.forget_tasks(0);
        self.stop_instance().await;
        self.report(state::STOPPED, None);
        self.configure_tasks().await;
    }

    async fn shut_down(&mut self, deleted: bool) {
        self.stop_tasks(self.tasks.keys().copied().collect()).await;
        self.stop_instance().await;
        if deleted {
            self.shared.statuses.remove_connector(&self.name);
            self.shared.statuses.reset_topics(&self.name);
        } else {
            self.report(state::UNASSIGNED, None);
        }
    }
}

#[cfg(test)]
mod tests;
