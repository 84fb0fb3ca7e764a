//! What running connectors and tasks have in common.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tidegate_api::{ConnectError, ConnectorTaskId};
use tidegate_tasks::{TargetState, TaskStatusListener};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::stores::status_store::{State, StatusStore, Subject};

/// The herder's end of a running connector or task.
#[derive(Debug)]
pub(super) struct Instance {
    /// Of the configuration that it runs with.
    pub(super) generation: u64,
    pub(super) target: watch::Sender<TargetState>,
    pub(super) stop: CancellationToken,
    /// Cancelled once nothing of the instance is left.
    pub(super) done: CancellationToken,
}

/// The instance's own end.
pub(super) struct Launch {
    pub(super) generation: u64,
    pub(super) target: watch::Receiver<TargetState>,
    pub(super) stop: CancellationToken,
    pub(super) done: CancellationToken,
    /// Done once the predecessor is gone: two instances of one connector or task never overlap.
    pub(super) previous: Option<CancellationToken>,
    /// Say RESTARTING first.
    pub(super) is_restart: bool,
    /// Told how the start went.
    pub(super) started: Option<oneshot::Sender<Result<(), ConnectError>>>,
}

impl Instance {
    pub(super) fn new(
        generation: u64,
        target: TargetState,
        previous: Option<CancellationToken>,
    ) -> (Self, Launch) {
        let (sender, receiver) = watch::channel(target);
        let (stop, done) = (CancellationToken::new(), CancellationToken::new());
        let instance = Self {
            generation,
            target: sender,
            stop: stop.clone(),
            done: done.clone(),
        };
        let launch = Launch {
            generation,
            target: receiver,
            stop,
            done,
            previous,
            is_restart: false,
            started: None,
        };
        (instance, launch)
    }
}

impl Launch {
    pub(super) fn report_start(&mut self, result: Result<(), ConnectError>) {
        if let Some(started) = self.started.take() {
            // Whoever asked may have given up waiting.
            drop(started.send(result));
        }
    }
}

/// Returns when `patience` is over since `stop` was asked for.
pub(super) async fn overdue(stop: CancellationToken, patience: Duration) {
    stop.cancelled().await;
    tokio::time::sleep(patience).await;
}

/// Writes the states of one instance, until it is given up.
pub(super) struct InstanceStatus {
    store: Arc<StatusStore>,
    subject: Subject,
    version: &'static str,
    is_given_up: AtomicBool,
}

impl InstanceStatus {
    pub(super) fn new(store: Arc<StatusStore>, subject: Subject, version: &'static str) -> Self {
        Self {
            store,
            subject,
            version,
            is_given_up: AtomicBool::new(false),
        }
    }
    pub(super) fn put(&self, state: State) {
        let version = match state {
            State::Unassigned | State::Restarting => None,
            _ => Some(self.version),
        };
        self.write(state, None, version);
    }
    pub(super) fn fail(&self, error: &ConnectError) {
        self.write(State::Failed, Some(error.trace()), Some(self.version));
    }
    /// From now on the instance has nothing to say: another one may have taken its place.
    pub(super) fn give_up(&self) {
        self.is_given_up.store(true, Ordering::Release);
    }
    fn write(&self, state: State, trace: Option<String>, version: Option<&str>) {
        if !self.is_given_up.load(Ordering::Acquire) {
            self.store.put(&self.subject, state, trace, version.filter(|version| !version.is_empty()));
        }
    }
}

impl TaskStatusListener for InstanceStatus {
    fn on_startup(&self, _id: &ConnectorTaskId) {
        self.put(State::Running);
    }
    fn on_pause(&self, _id: &ConnectorTaskId) {
        self.put(State::Paused);
    }
    fn on_resume(&self, _id: &ConnectorTaskId) {
        self.put(State::Running);
    }
    fn on_failure(&self, _id: &ConnectorTaskId, error: &ConnectError) {
        self.fail(error);
    }
    fn on_shutdown(&self, _id: &ConnectorTaskId) {
        self.put(State::Unassigned);
    }
}
