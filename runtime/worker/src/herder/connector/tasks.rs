//! The tasks of one connector: their configurations, and those that run.

use std::sync::Arc;
use std::time::Duration;

use tidegate_api::{ConnectError, ConnectorKind, ConnectorTaskId, Props};
use tidegate_tasks::{
    Backoff, TASKS_MAX, TASKS_MAX_ENFORCE, TOPICS, TOPICS_REGEX, TargetState, TaskEnvironment,
    run_task,
};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{error, warn};

use super::ConnectorActor;
use crate::herder::status::TaskReports;
use crate::providers::ConfigProviders;
use crate::stores::config_store::ConnectorEntry;
use crate::stores::status_store::state;

/// Before task configurations that could not be made or stored are tried again.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_mins(1));

/// For cancelled tasks to close their clients.
const CANCELLED_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) struct RunningTask {
    /// The task's and the connector's configuration that it was started with.
    started_with: (Props, Props),
    stop: CancellationToken,
    /// Given up when dropped: an actor that panics leaves no task behind.
    cancel: DropGuard,
    handle: JoinHandle<()>,
}

impl ConnectorActor {
    /// Makes the task configurations that the connector should have, stores them if they are new, and runs them.
    pub(super) async fn configure_tasks(&mut self) {
        let target = *self.target.borrow();
        let made = match target {
            TargetState::Started if self.is_started() => self.new_task_configs().await,
            TargetState::Stopped => self.no_task_configs().await,
            TargetState::Started | TargetState::Paused => Ok(()),
        };
        match made {
            Ok(()) => self.retry = None,
            Err(error) if self.is_replaced() => {
                warn!("Connector {} is configured no further: {error}", self.name);
            }
            Err(error) if error.is_retriable() || target == TargetState::Stopped => {
                let earlier = self.retry.take().map(|(_, backoff)| backoff);
                let mut backoff = earlier.unwrap_or_else(|| Backoff::new(RETRY.0, RETRY.1));
                let delay = backoff.next_delay();
                warn!(
                    "Task configurations of connector {} could not be made, {}: {}",
                    self.name,
                    backoff.wait(delay),
                    error.chain()
                );
                self.retry = Some((Instant::now() + delay, backoff));
            }
            Err(error) => self.failed(&error),
        }
    }

    fn is_started(&self) -> bool {
        self.instance
            .as_ref()
            .is_some_and(|instance| instance.started)
    }

    async fn no_task_configs(&self) -> Result<(), ConnectError> {
        if self.entry().is_none_or(|entry| entry.tasks.is_empty()) {
            return Ok(());
        }
        self.shared.configs.put_tasks(&self.name, &[]).await
    }

    async fn new_task_configs(&mut self) -> Result<(), ConnectError> {
        let Some(entry) = self.entry() else {
            return Ok(());
        };
        let props = self.shared.providers.resolve(&entry.config)?;
        let max = usize::try_from(props.get(&TASKS_MAX)?).unwrap_or(1);
        let mut configs = self.made_task_configs(max).await?;
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
        }
        let Some(entry) = self.entry() else {
            return Ok(());
        };
        // Configurations may also have been stored by an earlier attempt, whose write was not answered.
        let outdated = self.tasks.iter().filter(|(task, running)| {
            let (config, connector) = &running.started_with;
            !unchanged
                || entry.tasks.get(**task as usize) != Some(config)
                || entry.config != *connector
        });
        self.stop_tasks(outdated.map(|(task, _)| *task).collect())
            .await;
        self.forget_tasks(entry.tasks.len());
        self.run_tasks(&entry);
        Ok(())
    }

    pub(super) fn task_id(&self, task: u32) -> ConnectorTaskId {
        ConnectorTaskId {
            connector: Arc::clone(&self.name),
            task,
        }
    }

    /// Removes the states of all tasks but the first `configured` ones.
    pub(super) fn forget_tasks(&self, configured: usize) {
        let from = u32::try_from(configured).unwrap_or(u32::MAX);
        self.shared.statuses.remove_tasks(&self.name, from);
    }

    /// Starts tasks that are configured and do not run.
    pub(super) fn run_tasks(&mut self, entry: &ConnectorEntry) {
        if self.shared.membership.is_over(&self.term) {
            return;
        }
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
        // The worker's end reaches tasks also while their actor waits for the log.
        let (stop, cancel) = (self.term.child_token(), CancellationToken::new());
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
                shared: Arc::clone(&self.shared),
                term: self.term.clone(),
                version: self.version(),
            }),
            target_state: self.target.subscribe(),
            stop: stop.clone(),
            cancel: cancel.clone(),
        };
        let handle = self.shared.tasks.spawn(run_task(environment));
        Ok(RunningTask {
            started_with: (config.clone(), connector.clone()),
            stop,
            cancel: cancel.drop_guard(),
            handle,
        })
    }

    /// Restarts tasks that show it meanwhile.
    pub(super) async fn restart_shown(&mut self, tasks: &[u32]) {
        let version = self.version();
        for task in tasks {
            let id = self.task_id(*task);
            let statuses = &self.shared.statuses;
            statuses.set_task(&id, state::RESTARTING, None, version);
        }
        self.restart_tasks(tasks).await;
    }

    pub(super) async fn restart_tasks(&mut self, tasks: &[u32]) {
        self.stop_tasks(tasks.to_vec()).await;
        if let Some(entry) = self.entry()
            && *self.target.borrow() != TargetState::Stopped
        {
            self.run_tasks(&entry);
        }
    }

    /// All get the graceful time together; who needs longer is cancelled.
    pub(super) async fn stop_tasks(&mut self, tasks: Vec<u32>) {
        let running: Vec<(u32, RunningTask)> = tasks
            .into_iter()
            .filter_map(|task| Some((task, self.tasks.remove(&task)?)))
            .collect();
        for (_, task) in &running {
            task.stop.cancel();
        }
        let deadline = Instant::now() + self.shared.config.graceful_timeout;
        let mut late = Vec::new();
        for (id, mut task) in running {
            if tokio::time::timeout_at(deadline, &mut task.handle)
                .await
                .is_err()
            {
                warn!(
                    "task {}-{id} did not stop within {:?} (task.shutdown.graceful.timeout.ms)",
                    self.name, self.shared.config.graceful_timeout
                );
                drop(task.cancel);
                late.push(task.handle);
            }
        }
        // They close their producers, so that nothing comes behind the records of their successors.
        let ends = futures::future::join_all(late);
        if tokio::time::timeout(CANCELLED_TIMEOUT, ends).await.is_err() {
            warn!(
                "cancelled tasks of {} have not ended within {CANCELLED_TIMEOUT:?}",
                self.name
            );
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
