//! Statuses as REST shows them, and the listener that tasks report to.

use std::sync::Arc;
use std::time::SystemTime;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value as Json, json};
use tidegate_api::{ConnectError, ConnectorTaskId};
use tidegate_tasks::TaskStatusListener;

use crate::errors::WorkerError;
use crate::herder::membership::Term;
use crate::herder::{Herder, Shared};
use crate::stores::status_store::{Status, state};

fn status_json(id: Option<u32>, status: &Status) -> Json {
    let mut json = serde_json::Map::new();
    if let Some(id) = id {
        json.insert("id".to_owned(), json!(id));
    }
    json.insert("state".to_owned(), json!(status.state));
    json.insert("worker_id".to_owned(), json!(status.worker_id));
    json.insert("version".to_owned(), json!(status.version));
    if let Some(trace) = status.trace.as_ref().filter(|trace| !trace.is_empty()) {
        json.insert("trace".to_owned(), json!(trace));
    }
    Json::Object(json)
}

impl Herder {
    pub(crate) fn status(&self, name: &str) -> Result<Json, WorkerError> {
        let connector = self.shared.statuses.connector(name).ok_or_else(|| {
            WorkerError::not_found(format!("No status found for connector {name}"))
        })?;
        let tasks: Vec<Json> = self
            .shared
            .statuses
            .tasks(name)
            .iter()
            .map(|(id, status)| status_json(Some(*id), status))
            .collect();
        let kind = self
            .config(name)
            .map_or("unknown", |config| self.kind(&config));
        Ok(
            json!({"name": name, "connector": status_json(None, &connector), "tasks": tasks, "type": kind}),
        )
    }

    pub(crate) fn task_status(&self, name: &str, task: u32) -> Result<Json, WorkerError> {
        let tasks = self.shared.statuses.tasks(name);
        tasks
            .get(&task)
            .map(|status| status_json(Some(task), status))
            .ok_or_else(|| {
                WorkerError::not_found(format!("No status found for task {name}-{task}"))
            })
    }
}

/// Writes what tasks report.
pub(crate) struct TaskReports {
    pub(crate) shared: Arc<Shared>,
    pub(crate) term: Term,
    pub(crate) version: Option<&'static str>,
}

impl TaskReports {
    /// A task that is left behind says nothing of the one that has followed it.
    fn report(&self, id: &ConnectorTaskId, state: &str, trace: Option<String>) {
        if !self.shared.membership.is_over(&self.term) {
            self.shared
                .statuses
                .set_task(id, state, trace, self.version);
        }
    }
}

impl TaskStatusListener for TaskReports {
    fn on_startup(&self, id: &ConnectorTaskId) {
        self.report(id, state::RUNNING, None);
    }
    fn on_pause(&self, id: &ConnectorTaskId) {
        self.report(id, state::PAUSED, None);
    }
    fn on_resume(&self, id: &ConnectorTaskId) {
        self.report(id, state::RUNNING, None);
    }
    fn on_failure(&self, id: &ConnectorTaskId, error: &ConnectError) {
        self.report(id, state::FAILED, Some(error.trace()));
    }
    fn on_wait(&self, id: &ConnectorTaskId, since: SystemTime, error: &ConnectError) {
        let since = DateTime::<Utc>::from(since).to_rfc3339_opts(SecondsFormat::Secs, true);
        let trace = format!("Waiting since {since}: {}", error.trace());
        self.report(id, state::RUNNING, Some(trace));
    }
    fn on_shutdown(&self, id: &ConnectorTaskId) {
        self.report(id, state::UNASSIGNED, None);
    }
}
