//! The actor of one connector: its instance and its tasks.
//!
//! Source: `org.apache.kafka.connect.runtime.{WorkerConnector,Worker}`.

mod context;
mod instance;
mod tasks;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tidegate_api::{ConnectError, ConnectorKind, ConnectorPlugin, Props, catch_panic};
use tidegate_tasks::{Backoff, TargetState, check_topic_creation};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tracing::{Instrument as _, error, info, info_span, warn};

use self::instance::Instance;
use self::tasks::RunningTask;
use super::Shared;
use super::membership::Term;
use crate::stores::config_store::ConnectorEntry;
use crate::stores::status_store::state;
use crate::unknown_keys::{settings_without_effect, unknown_keys};

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

impl Command {
    /// Whether it wants another instance than the one that runs, or none.
    fn replaces_instance(&self) -> bool {
        match self {
            Self::ConfigUpdated | Self::RestartConnector { .. } | Self::Shutdown { .. } => true,
            Self::Restart { connector, .. } => *connector,
            Self::TargetStateChanged(target) => *target != TargetState::Started,
            Self::RestartTask { .. }
            | Self::Settle { .. }
            | Self::Reconfigure
            | Self::Raised(_) => false,
        }
    }
}

/// A connector gets this long to stop, and to return from what it does when something else is asked for.
pub(super) const CONNECTOR_STOP_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) struct ConnectorActor {
    name: Arc<str>,
    shared: Arc<Shared>,
    commands: mpsc::Receiver<Command>,
    own_address: mpsc::WeakSender<Command>,
    /// Commands that came while the instance was busy, in their order.
    waiting: VecDeque<Command>,
    /// Nobody sends commands any more.
    orphaned: bool,
    /// None while it is asked something, and after it was abandoned or has panicked.
    instance: Option<Instance>,
    tasks: BTreeMap<u32, RunningTask>,
    target: watch::Sender<TargetState>,
    /// What this actor belongs to.
    term: Term,
    /// When to try again to make task configurations.
    retry: Option<(Instant, Backoff)>,
    /// Keys of the configuration that were logged because nobody declares them.
    unknown_keys: BTreeSet<String>,
}

impl ConnectorActor {
    pub(crate) fn new(
        name: &str,
        shared: Arc<Shared>,
        commands: mpsc::Receiver<Command>,
        own_address: mpsc::WeakSender<Command>,
    ) -> Self {
        let target = watch::Sender::new(shared.configs.target(name));
        let term = shared.membership.term();
        Self {
            name: Arc::from(name),
            shared,
            commands,
            own_address,
            waiting: VecDeque::new(),
            orphaned: false,
            instance: None,
            tasks: BTreeMap::new(),
            target,
            term,
            retry: None,
            unknown_keys: BTreeSet::new(),
        }
    }

    /// Ends with [`Command::Shutdown`]. Should the actor itself panic, the connector and its tasks, which end with the
    /// actor, are FAILED.
    pub(crate) async fn run(self) {
        let (name, shared) = (Arc::clone(&self.name), Arc::clone(&self.shared));
        let term = self.term.clone();
        let span = info_span!("connector", connector = %name);
        let what = format!("connector {name}");
        let followed = catch_panic(&what, self.follow());
        if let Err(panic) = followed.instrument(span).await {
            error!("{panic}");
            if !shared.membership.is_over(&term) {
                shared.statuses.fail_all(&name, &panic.trace());
            }
        }
    }

    /// The next command, or a retry that is due.
    async fn next_command(&mut self) -> Option<Command> {
        if let Some(command) = self.waiting.pop_front() {
            return Some(command);
        }
        let retry_at = self.retry.as_ref().map(|(at, _)| *at);
        let retry = async {
            match retry_at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            command = self.commands.recv() => command,
            () = retry => Some(Command::Reconfigure),
        }
    }

    async fn follow(mut self) {
        self.start_or_fail().await;
        loop {
            match self.next_command().await {
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
                // A secret that cannot be read at the moment does not end what runs.
                let answer = match self.resolved() {
                    Ok(()) => {
                        self.stop_instance().await;
                        self.start().await
                    }
                    Err(error) => {
                        // Unless a start has just made way for this command.
                        if self.instance.is_none() {
                            self.failed(&error);
                        }
                        Err(error)
                    }
                };
                drop(done.send(answer));
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
                self.restart_shown(&tasks).await;
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

    /// Whether all placeholders of the configuration have values.
    fn resolved(&self) -> Result<(), ConnectError> {
        let entry = self.entry();
        entry.map_or(Ok(()), |entry| {
            self.shared.providers.resolve(&entry.config).map(drop)
        })
    }

    /// Logs each key that nobody declares, and each that has no effect, once.
    fn tell_unknown_keys(&mut self, plugin: &ConnectorPlugin, props: &Props) {
        for key in unknown_keys(&self.shared.plugins, plugin, props) {
            if self.unknown_keys.insert(key.to_owned()) {
                warn!(
                    "The configuration '{key}' of connector {} was supplied but isn't a known config.",
                    self.name
                );
            }
        }
        for warning in settings_without_effect(&self.shared.plugins, plugin, props) {
            if self.unknown_keys.insert(warning.clone()) {
                warn!("Connector {}: {warning}.", self.name);
            }
        }
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
        if self.shared.membership.is_over(&self.term) {
            return;
        }
        self.shared
            .statuses
            .set_connector(&self.name, state, trace, self.version());
    }

    fn failed(&mut self, error: &ConnectError) {
        error!("Connector {} failed:\n{}", self.name, error.trace());
        if let Some(instance) = &mut self.instance {
            instance.started = false;
        }
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
            if self.is_replaced() {
                warn!("Connector {} is started no further: {error}", self.name);
                return result;
            }
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
        let plugin = self.plugin_of(&props).cloned().ok_or_else(|| {
            ConnectError::fatal(format!(
                "connector class '{class}' is not known to this worker"
            ))
        })?;
        info!(
            "Creating connector {} of type {class}, version {}",
            self.name, plugin.version
        );
        self.tell_unknown_keys(&plugin, &props);
        if matches!(plugin.kind, ConnectorKind::Source(_)) {
            check_topic_creation(&props, self.shared.config.tasks.topic_creation_enable)?;
        }
        self.instance = Some(Instance::new((plugin.create)()));
        match target {
            TargetState::Started => {
                self.start_instance(&props).await?;
                self.report(state::RUNNING, None);
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
