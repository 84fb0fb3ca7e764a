//! One connector instance: it follows the wished state and splits the work into task configurations.
//!
//! Source: `org.apache.kafka.connect.runtime.WorkerConnector`, `AbstractHerder.reverseTransform`.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tidegate_api::{
    ConnectError, Connector, ConnectorContext, ConnectorKind, ConnectorPlugin, OffsetStorageReader, Props,
};
use tidegate_tasks::{OffsetBackingStore, TASKS_MAX, TASKS_MAX_ENFORCE, TOPICS, TOPICS_REGEX, TargetState};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;
use tracing::{Instrument, error, info, info_span, warn};

use super::Shared;
use super::command::Command;
use super::instance::{InstanceStatus, Launch, overdue};
use super::plugin_names::find_connector;
use crate::stores::lock;
use crate::stores::offset_store::ConnectorOffsets;
use crate::stores::status_store::{State, Subject};

/// How long a connector may take to stop. Fixed in the original, too.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
const FIRST_RETRY: Duration = Duration::from_millis(250);
const LONGEST_RETRY: Duration = Duration::from_secs(60);
const TASK_CLASS: &str = "task.class";

/// Runs the connector until it is stopped. `props` are as posted.
pub(super) async fn run(
    shared: Arc<Shared>,
    herder: mpsc::Sender<Command>,
    name: Arc<str>,
    props: Props,
    mut launch: Launch,
) {
    let span = info_span!("connector", name = %name);
    if let Some(previous) = launch.previous.take() {
        previous.cancelled().await;
    }
    let class = props.raw(super::entities::CONNECTOR_CLASS).unwrap_or_default();
    let version = shared.plugins.connector(class).map_or("", |plugin| plugin.version);
    let subject = Subject::Connector(Arc::clone(&name));
    let status = Arc::new(InstanceStatus::new(Arc::clone(&shared.statuses), subject.clone(), version));
    if launch.is_restart {
        status.put(State::Restarting);
    }
    let (stop, done, mut target) = (launch.stop.clone(), launch.done.clone(), launch.target.clone());
    let run = ConnectorRun {
        herder: herder.clone(),
        shared: Arc::clone(&shared),
        name: Arc::clone(&name),
        props,
        status: Arc::clone(&status),
        launch,
        attempts: 0,
        retry_at: None,
    };
    let mut work = shared.tracker.spawn(run.drive().instrument(span.clone()));
    tokio::select! {
        result = &mut work => if let Err(panic) = result {
            let error = ConnectError::fatal(format!("connector {name} panicked: {panic}"));
            span.in_scope(|| error!("{error}"));
            status.fail(&error);
            tokio::select! {
                () = stop.cancelled() => status.put(State::Unassigned),
                changed = target.wait_for(|state| *state == TargetState::Stopped) => {
                    if changed.is_ok() {
                        status.put(State::Stopped);
                    }
                    drop(changed);
                    stop.cancelled().await;
                }
            }
        },
        () = overdue(stop.clone(), STOP_PATIENCE) => {
            span.in_scope(|| warn!("the connector did not stop within {} s and is given up", STOP_PATIENCE.as_secs()));
            work.abort();
            status.put(State::Unassigned);
            status.give_up();
        }
    }
    done.cancel();
    // The loop may be gone already.
    drop(herder.send(Command::Gone(subject)).await);
}

struct ConnectorRun {
    shared: Arc<Shared>,
    herder: mpsc::Sender<Command>,
    name: Arc<str>,
    props: Props,
    status: Arc<InstanceStatus>,
    launch: Launch,
    /// Failed attempts to have tasks configured, and when to try again.
    attempts: u32,
    retry_at: Option<Instant>,
}

/// A connector that was made from its configuration.
struct Made {
    connector: Box<dyn Connector>,
    plugin: ConnectorPlugin,
    resolved: Props,
    context: Arc<Context>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    Running,
    Failed,
}

impl ConnectorRun {
    async fn drive(mut self) {
        let mut made = None;
        let mut phase = Phase::Idle;
        loop {
            let wish = *self.launch.target.borrow_and_update();
            phase = self.follow(wish, phase, &mut made).await;
            let Some(made) = &mut made else {
                tokio::select! {
                    () = self.launch.stop.cancelled() => break,
                    changed = self.launch.target.changed() => if changed.is_err() { break } else { continue },
                }
            };
            let is_running = phase == Phase::Running;
            let retry_at = self.retry_at;
            tokio::select! {
                biased;
                () = self.launch.stop.cancelled() => break,
                changed = self.launch.target.changed() => if changed.is_err() { break },
                error = made.context.failure(), if is_running => {
                    self.fail(error);
                    phase = Phase::Failed;
                }
                () = made.context.reconfigure.notified(), if is_running => phase = self.configure_tasks(made).await,
                () = sleep_until(retry_at), if is_running && retry_at.is_some() => {
                    phase = self.configure_tasks(made).await;
                }
            }
        }
        if let (Phase::Running, Some(made)) = (phase, &mut made) {
            made.connector.stop().await;
        }
        info!("connector has stopped");
        self.status.put(State::Unassigned);
    }

    /// Goes to the wished state. A failed connector can only be stopped; it starts anew when it is then resumed.
    async fn follow(&mut self, wish: TargetState, phase: Phase, made: &mut Option<Made>) -> Phase {
        match (wish, phase) {
            (TargetState::Started, Phase::Idle) => {
                if made.is_none() {
                    match self.make() {
                        Ok(new) => *made = Some(new),
                        Err(error) => {
                            self.fail(error);
                            return Phase::Failed;
                        }
                    }
                }
                match made {
                    Some(made) => self.start(made).await,
                    None => Phase::Failed,
                }
            }
            (TargetState::Started, phase) => phase,
            (TargetState::Paused, Phase::Failed) => Phase::Failed,
            (TargetState::Paused | TargetState::Stopped, phase) => {
                if let (Phase::Running, Some(made)) = (phase, made) {
                    made.connector.stop().await;
                }
                let state = if wish == TargetState::Paused { State::Paused } else { State::Stopped };
                self.status.put(state);
                self.retry_at = None;
                self.launch.report_start(Ok(()));
                Phase::Idle
            }
        }
    }

    fn make(&self) -> Result<Made, ConnectError> {
        let plugin = find_connector(&self.shared.plugins, &self.props)?.clone();
        info!("Creating connector {} of type {}", self.name, plugin.class);
        let resolved = self.shared.config.transformer.transform(&self.props)?;
        tidegate_tasks::connector_config_def(&plugin.kind, &resolved, &self.shared.plugins).check(&resolved)?;
        let offsets = matches!(plugin.kind, ConnectorKind::Source(_)).then(|| {
            Arc::new(ConnectorOffsets {
                connector: Arc::clone(&self.name),
                store: Arc::clone(&self.shared.offsets) as Arc<dyn OffsetBackingStore>,
            }) as Arc<dyn OffsetStorageReader>
        });
        let context = Arc::new(Context {
            reconfigure: Notify::new(),
            has_failed: Notify::new(),
            failure: Mutex::new(None),
            offsets,
        });
        let connector = (plugin.create)();
        info!(
            "Instantiated connector {} with version {} of type {}",
            self.name, plugin.version, plugin.class
        );
        Ok(Made { connector, plugin, resolved, context })
    }

    async fn start(&mut self, made: &mut Made) -> Phase {
        let context = Arc::clone(&made.context) as Arc<dyn ConnectorContext>;
        if let Err(error) = made.connector.start(context, &made.resolved).await {
            self.fail(error);
            return Phase::Failed;
        }
        info!("Finished creating connector {}", self.name);
        self.status.put(State::Running);
        let phase = self.configure_tasks(made).await;
        self.launch.report_start(Ok(()));
        phase
    }

    fn fail(&mut self, error: ConnectError) {
        error!(error = error.chain(), "the connector failed and stays FAILED until it is restarted");
        self.status.fail(&error);
        self.launch.report_start(Err(error));
    }

    /// Has tasks configured; an error is tried again later, for ever.
    async fn configure_tasks(&mut self, made: &mut Made) -> Phase {
        self.retry_at = None;
        let max = match made.resolved.get(&TASKS_MAX) {
            Ok(max) => usize::try_from(max).unwrap_or(1),
            Err(error) => {
                self.fail(error);
                return Phase::Failed;
            }
        };
        let result = match made.connector.task_configs(max).await {
            Ok(configs) if configs.len() > max && made.resolved.get(&TASKS_MAX_ENFORCE).unwrap_or(true) => {
                self.fail(too_many_tasks(&self.name, configs.len(), max));
                return Phase::Failed;
            }
            Ok(configs) => self.publish(made, configs).await,
            Err(error) => Err(error),
        };
        match result {
            Ok(()) => self.attempts = 0,
            Err(error) => {
                let wait = FIRST_RETRY.saturating_mul(1 << self.attempts.min(10)).min(LONGEST_RETRY);
                self.attempts += 1;
                self.retry_at = Some(Instant::now() + wait);
                error!(error = error.chain(), retry_ms = wait.as_millis(), "could not reconfigure the connector's tasks");
            }
        }
        Phase::Running
    }

    async fn publish(&self, made: &Made, configs: Vec<Props>) -> Result<(), ConnectError> {
        let configs = configs.into_iter().map(|config| self.task_props(made, config)).collect();
        let (reply, answer) = oneshot::channel();
        let command = Command::TaskConfigs {
            name: Arc::clone(&self.name),
            generation: self.launch.generation,
            configs,
            reply,
        };
        let stopped = || ConnectError::retriable("the worker is stopping");
        tokio::select! {
            () = self.launch.stop.cancelled() => Ok(()),
            result = async {
                self.herder.send(command).await.map_err(|_| stopped())?;
                answer.await.map_err(|_| stopped())?
            } => result,
        }
    }

    /// A task's configuration as it is stored: with the task's class and a sink's topics, and with the placeholders of
    /// the connector's configuration in place of what they stand for.
    fn task_props(&self, made: &Made, mut config: Props) -> Props {
        config.set(TASK_CLASS, made.plugin.task_class);
        if matches!(made.plugin.kind, ConnectorKind::Sink(_)) {
            for key in [TOPICS.name(), TOPICS_REGEX.name()] {
                if let Some(topics) = made.resolved.raw(key) {
                    config.set(key, topics);
                }
            }
        }
        for (name, raw) in self.props.iter() {
            if config.contains(name) && crate::config_providers::has_placeholder(raw) {
                config.set(name, raw);
            }
        }
        config
    }
}

fn too_many_tasks(name: &str, count: usize, max: usize) -> ConnectError {
    ConnectError::fatal(format!(
        "The connector {name} has generated {count} tasks, which is greater than {max}, the maximum number of tasks it \
         is configured to create. This behaviour should be considered a bug and is disallowed. If necessary, it can be \
         permitted by reconfiguring the connector with '{}' set to false; however, this option will be removed in a \
         future release of Kafka Connect.",
        TASKS_MAX_ENFORCE.name()
    ))
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// What the connector may ask for.
struct Context {
    reconfigure: Notify,
    has_failed: Notify,
    failure: Mutex<Option<ConnectError>>,
    offsets: Option<Arc<dyn OffsetStorageReader>>,
}

impl Context {
    async fn failure(&self) -> ConnectError {
        loop {
            if let Some(error) = lock(&self.failure).take() {
                return error;
            }
            self.has_failed.notified().await;
        }
    }
}

#[async_trait]
impl ConnectorContext for Context {
    fn request_task_reconfiguration(&self) {
        self.reconfigure.notify_one();
    }
    fn raise_error(&self, error: ConnectError) {
        *lock(&self.failure) = Some(error);
        self.has_failed.notify_one();
    }
    fn offset_reader(&self) -> Option<Arc<dyn OffsetStorageReader>> {
        self.offsets.clone()
    }
}
