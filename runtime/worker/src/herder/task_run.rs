//! One task instance: from its stored configuration to its end.
//!
//! Source: `org.apache.kafka.connect.runtime.Worker.{startTask,stopAndAwaitTasks}`.

use std::sync::Arc;
use std::time::Duration;

use tidegate_api::{ConnectError, ConnectorTaskId, Props};
use tidegate_tasks::{OffsetBackingStore, TaskEnvironment, TaskStatusListener, TopicTracker, run_task};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::Shared;
use super::command::Command;
use super::instance::{InstanceStatus, Launch, overdue};
use crate::config::keys;
use crate::stores::status_store::{State, Subject};

/// How long a cancelled task may take to notice.
const CANCEL_PATIENCE: Duration = Duration::from_secs(1);

/// Raw configurations of a task and of its connector.
pub(super) struct TaskConfig {
    pub(super) connector: Props,
    pub(super) task: Props,
}

/// Runs the task until it is stopped or fails.
pub(super) async fn run(
    shared: Arc<Shared>,
    herder: mpsc::Sender<Command>,
    id: ConnectorTaskId,
    config: TaskConfig,
    mut launch: Launch,
) {
    if let Some(previous) = launch.previous.take() {
        previous.cancelled().await;
    }
    let class = config.connector.raw(super::entities::CONNECTOR_CLASS).unwrap_or_default();
    let version = shared.plugins.connector(class).map_or("", |plugin| plugin.version);
    let subject = Subject::Task(id.clone());
    let status = Arc::new(InstanceStatus::new(Arc::clone(&shared.statuses), subject.clone(), version));
    if launch.is_restart {
        status.put(State::Restarting);
    }
    launch.report_start(Ok(()));
    if !launch.stop.is_cancelled() {
        match resolve(&shared, &config) {
            Ok(resolved) => attend(&shared, &id, resolved, &launch, &status).await,
            Err(error) => {
                error!(task = %id, error = error.chain(), "the task failed before its start");
                status.on_failure(&id, &error);
            }
        }
    }
    launch.done.cancel();
    // The loop may be gone already.
    drop(herder.send(Command::Gone(subject)).await);
}

fn resolve(shared: &Shared, config: &TaskConfig) -> Result<TaskConfig, ConnectError> {
    let transformer = &shared.config.transformer;
    Ok(TaskConfig {
        connector: transformer.transform(&config.connector)?,
        task: transformer.transform(&config.task)?,
    })
}

/// Runs the task; once it was asked to stop and the graceful time is over, it is cancelled, then dropped.
async fn attend(
    shared: &Arc<Shared>,
    id: &ConnectorTaskId,
    config: TaskConfig,
    launch: &Launch,
    status: &Arc<InstanceStatus>,
) {
    let cancel = CancellationToken::new();
    let environment = TaskEnvironment {
        id: id.clone(),
        connector_props: config.connector,
        task_props: config.task,
        plugins: Arc::clone(&shared.plugins),
        log: Arc::clone(&shared.log),
        settings: shared.settings.clone(),
        offsets: Arc::clone(&shared.offsets) as Arc<dyn OffsetBackingStore>,
        topics: Arc::clone(&shared.statuses) as Arc<dyn TopicTracker>,
        status: Arc::clone(status) as Arc<dyn TaskStatusListener>,
        target_state: launch.target.clone(),
        stop: launch.stop.clone(),
        cancel: cancel.clone(),
    };
    let patience = shared.config.millis(&keys::TASK_SHUTDOWN_GRACEFUL_TIMEOUT_MS);
    let mut work = shared.tracker.spawn(run_task(environment));
    tokio::select! {
        result = &mut work => if let Err(panic) = result {
            status.on_failure(id, &ConnectError::fatal(format!("task {id} panicked: {panic}")));
        },
        () = overdue(launch.stop.clone(), patience) => {
            status.give_up();
            cancel.cancel();
            if tokio::time::timeout(CANCEL_PATIENCE, &mut work).await.is_err() {
                error!(task = %id, "the task does not react to its cancellation and is dropped");
                work.abort();
            }
        }
    }
}
