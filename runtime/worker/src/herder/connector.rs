//! The actor of one connector: its instance and its tasks.
//!
//! Source: `org.apache.kafka.connect.runtime.{WorkerConnector,Worker}`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tidegate_api::{
    ConnectError, Connector, ConnectorContext, ConnectorKind, ConnectorPlugin, ConnectorTaskId,
    OffsetFieldsMap, OffsetStorageReader, Props, SourcePartition,
};
use tidegate_tasks::{
    OffsetBackingStore as _, TASKS_MAX, TASKS_MAX_ENFORCE, TOPICS, TOPICS_REGEX, TargetState,
    TaskEnvironment, check_topic_creation, run_task,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, error, info, info_span, warn};

use super::Shared;
use super::status::TaskReports;
use crate::providers::ConfigProviders;
use crate::stores::config_store::ConnectorEntry;
use crate::stores::status_store::state;

/// What an actor is told.
pub(crate) enum Command {
    ConfigUpdated,
    TargetStateChanged,
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

/// Before task configurations that could not be made or stored are tried again; doubles up to [`RETRY_DELAY_MAX`].
const RETRY_DELAY: Duration = Duration::from_millis(250);
const RETRY_DELAY_MAX: Duration = Duration::from_mins(1);
/// A connector gets this long to stop.
const CONNECTOR_STOP_TIMEOUT: Duration = Duration::from_secs(5);

struct RunningTask {
    stop: CancellationToken,
    cancel: CancellationToken,
    handle: JoinHandle<()>,
}

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
            Command::TargetStateChanged => self.change_target().await,
            Command::RestartConnector { done } => {
                self.stop_instance().await;
                let result = self.start().await;
                if let Err(error) = &result {
                    self.failed(error);
                }
                drop(done.send(result));
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
            Command::Reconfigure => {
                if self.started && *self.target.borrow() == TargetState::Started {
                    self.configure_tasks().await;
                }
            }
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
        self.report(state::FAILED, Some(error.trace()));
    }

    async fn start_or_fail(&mut self) {
        if let Err(error) = self.start().await {
            self.failed(&error);
        }
    }

    /// Makes and starts an instance, if it is wanted, and its tasks.
    async fn start(&mut self) -> Result<(), ConnectError> {
        let Some(entry) = self.entry() else {
            return Ok(());
        };
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
        self.target
            .send_replace(self.shared.configs.target(&self.name));
        let target = *self.target.borrow();
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
            TargetState::Stopped => self.report(state::STOPPED, None),
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

    async fn change_target(&mut self) {
        let target = self.shared.configs.target(&self.name);
        let before = self.target.send_replace(target);
        match target {
            TargetState::Started if before == TargetState::Started => {}
            TargetState::Started => self.start_or_fail().await,
            TargetState::Paused => {
                self.stop_instance().await;
                self.report(state::PAUSED, None);
            }
            TargetState::Stopped => {
                self.stop_tasks(self.tasks.keys().copied().collect()).await;
                self.shared.statuses.remove_tasks(&self.name, 0);
                self.stop_instance().await;
                self.report(state::STOPPED, None);
            }
        }
    }

    /// Makes task configurations, stores them if they are new, and runs them.
    async fn configure_tasks(&mut self) {
        match self.new_task_configs().await {
            Ok(()) => self.retry = None,
            Err(error) if error.is_retriable() => {
                let delay = self
                    .retry
                    .map_or(RETRY_DELAY, |(_, delay)| (delay * 2).min(RETRY_DELAY_MAX));
                warn!(
                    "Task configurations of connector {} could not be made, next attempt in {delay:?}: {}",
                    self.name,
                    error.chain()
                );
                self.retry = Some((Instant::now() + delay, delay));
            }
            Err(error) => self.failed(&error),
        }
    }

    async fn new_task_configs(&mut self) -> Result<(), ConnectError> {
        let Some(entry) = self.entry() else {
            return Ok(());
        };
        let props = self.shared.providers.resolve(&entry.config)?;
        let max = usize::try_from(props.get(&TASKS_MAX)?).unwrap_or(1);
        let Some(instance) = &mut self.instance else {
            return Ok(());
        };
        let mut configs = instance.task_configs(max).await?;
        if configs.len() > max && props.get(&TASKS_MAX_ENFORCE)? {
            return Err(ConnectError::fatal(format!(
                "The connector {} has generated {} tasks, which is greater than {max}, the maximum number of tasks it is configured to create. This behaviour should be considered a bug and is disallowed. If necessary, it can be permitted by reconfiguring the connector with 'tasks.max.enforce' set to false; however, this option will be removed in a future release of Kafka Connect.",
                self.name,
                configs.len()
            )));
        }
        if let Some(plugin) = self.plugin_of(&props) {
            let is_sink = matches!(plugin.kind, ConnectorKind::Sink(_));
            for config in &mut configs {
                config.set("task.class", plugin.task_class);
                for key in [TOPICS.name(), TOPICS_REGEX.name()] {
                    if let (true, Some(value)) = (is_sink, props.raw(key)) {
                        config.set(key, value);
                    }
                }
                restore_placeholders(config, &entry.config);
            }
        }
        let unchanged = entry.tasks == configs && entry.applied.as_ref() == Some(&entry.config);
        if !unchanged {
            self.shared.configs.put_tasks(&self.name, &configs).await?;
            self.stop_tasks(self.tasks.keys().copied().collect()).await;
            self.shared
                .statuses
                .remove_tasks(&self.name, u32::try_from(configs.len()).unwrap_or(u32::MAX));
        }
        if let Some(entry) = self.entry() {
            self.run_tasks(&entry);
        }
        Ok(())
    }

    fn task_id(&self, task: u32) -> ConnectorTaskId {
        ConnectorTaskId {
            connector: Arc::clone(&self.name),
            task,
        }
    }

    /// Starts tasks that are configured and do not run.
    fn run_tasks(&mut self, entry: &ConnectorEntry) {
        for (task, config) in (0_u32..).zip(&entry.tasks) {
            if self.tasks.contains_key(&task) {
                continue;
            }
            match self.start_task(task, config, &entry.config) {
                Ok(running) => {
                    self.tasks.insert(task, running);
                }
                Err(error) => {
                    error!(
                        "Failed to start task {}-{task}: {}",
                        self.name,
                        error.chain()
                    );
                    let version = self.version();
                    self.shared.statuses.set_task(
                        &self.task_id(task),
                        state::FAILED,
                        Some(error.trace()),
                        version,
                    );
                }
            }
        }
    }

    fn start_task(
        &self,
        task: u32,
        config: &Props,
        connector: &Props,
    ) -> Result<RunningTask, ConnectError> {
        let (stop, cancel) = (CancellationToken::new(), CancellationToken::new());
        let environment = TaskEnvironment {
            id: self.task_id(task),
            connector_props: self.shared.providers.resolve(connector)?,
            task_props: self.shared.providers.resolve(config)?,
            plugins: Arc::clone(&self.shared.plugins),
            log: Arc::clone(&self.shared.log),
            settings: self.shared.config.tasks.clone(),
            offsets: Arc::clone(&self.shared.offsets) as _,
            topics: Arc::clone(&self.shared.statuses) as _,
            status: Arc::new(TaskReports {
                statuses: Arc::clone(&self.shared.statuses),
                version: self.version(),
            }),
            target_state: self.target.subscribe(),
            stop: stop.clone(),
            cancel: cancel.clone(),
        };
        let handle = self.shared.tasks.spawn(run_task(environment));
        Ok(RunningTask {
            stop,
            cancel,
            handle,
        })
    }

    async fn restart_tasks(&mut self, tasks: &[u32]) {
        self.stop_tasks(tasks.to_vec()).await;
        if let Some(entry) = self.entry()
            && *self.target.borrow() != TargetState::Stopped
        {
            self.run_tasks(&entry);
        }
    }

    /// All get the graceful time together; who needs longer is cancelled.
    async fn stop_tasks(&mut self, tasks: Vec<u32>) {
        let running: Vec<(u32, RunningTask)> = tasks
            .into_iter()
            .filter_map(|task| Some((task, self.tasks.remove(&task)?)))
            .collect();
        for (_, task) in &running {
            task.stop.cancel();
        }
        let deadline = Instant::now() + self.shared.config.graceful_timeout;
        for (id, mut task) in running {
            if tokio::time::timeout_at(deadline, &mut task.handle)
                .await
                .is_err()
            {
                warn!(
                    "task {}-{id} did not stop within {:?} (task.shutdown.graceful.timeout.ms)",
                    self.name, self.shared.config.graceful_timeout
                );
                task.cancel.cancel();
            }
        }
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

/// Values that hold placeholders in the connector's configuration go back to them, so that no secret is stored.
fn restore_placeholders(task: &mut Props, connector: &Props) {
    for (name, raw) in connector
        .iter()
        .filter(|(_, raw)| ConfigProviders::has_placeholder(raw))
    {
        if task.contains(name) {
            task.set(name, raw);
        }
    }
}

struct Context {
    name: Arc<str>,
    shared: Arc<Shared>,
    actor: mpsc::WeakSender<Command>,
}

impl Context {
    fn tell(&self, command: Command) {
        if let Some(actor) = self.actor.upgrade()
            && actor.try_send(command).is_err()
        {
            warn!(
                "connector {} has too many requests waiting; one is dropped",
                self.name
            );
        }
    }
}

impl ConnectorContext for Context {
    fn request_task_reconfiguration(&self) {
        self.tell(Command::Reconfigure);
    }
    fn raise_error(&self, error: ConnectError) {
        self.tell(Command::Raised(error));
    }
    fn offset_reader(&self) -> Option<Arc<dyn OffsetStorageReader>> {
        Some(Arc::new(Offsets {
            name: Arc::clone(&self.name),
            shared: Arc::clone(&self.shared),
        }))
    }
}

struct Offsets {
    name: Arc<str>,
    shared: Arc<Shared>,
}

#[async_trait]
impl OffsetStorageReader for Offsets {
    async fn offsets(
        &self,
        partitions: &[SourcePartition],
    ) -> Result<Vec<Option<OffsetFieldsMap>>, ConnectError> {
        self.shared.offsets.get(&self.name, partitions).await
    }
}
