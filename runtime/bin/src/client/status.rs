//! The status of a connector as REST gives it.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

/// Lines of a trace that are shown, at most.
const TRACE_LINES: usize = 8;

#[derive(Debug, Default, Deserialize)]
pub(super) struct ConnectorStatus {
    pub(super) connector: Instance,
    #[serde(default)]
    pub(super) tasks: Vec<TaskStatus>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Instance {
    pub(super) state: String,
    #[serde(default)]
    pub(super) worker_id: String,
    trace: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct TaskStatus {
    pub(super) id: u32,
    #[serde(flatten)]
    pub(super) instance: Instance,
}

/// What failed or waits, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// `None` is the connector itself.
    task: Option<u32>,
    state: String,
    trace: String,
}

/// First line of the trace, then its causes: the rest tells those who wrote the code, not those who run it.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.task {
            Some(task) => write!(f, "task {task} {}", self.state)?,
            None => write!(f, "connector {}", self.state)?,
        }
        let is_frame = |line: &&str| {
            let line = line.trim_start();
            line.starts_with("at ") || line.starts_with("... ")
        };
        let lines = self.trace.lines().filter(|line| !line.trim().is_empty());
        for line in lines.filter(|line| !is_frame(line)).take(TRACE_LINES) {
            write!(f, "\n  {line}")?;
        }
        Ok(())
    }
}

/// Where a connector as a whole is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The connector and all its tasks run.
    Running,
    Paused,
    Stopped,
    Failed,
    /// On the way to one of the others.
    Changing,
}

impl ConnectorStatus {
    /// `-` if there is no status yet.
    pub(super) fn state(&self) -> &str {
        match self.connector.state.as_str() {
            "" => "-",
            state => state,
        }
    }

    /// `2 RUNNING, 1 FAILED`.
    pub(super) fn tasks_summary(&self) -> String {
        let mut counts = BTreeMap::new();
        for task in &self.tasks {
            *counts.entry(task.instance.state.as_str()).or_insert(0) += 1;
        }
        // RUNNING first, as the alphabet has it backwards.
        let counts: Vec<_> = counts
            .iter()
            .rev()
            .map(|(state, count)| format!("{count} {state}"))
            .collect();
        if counts.is_empty() {
            return "none".to_owned();
        }
        counts.join(", ")
    }

    pub(super) fn failures(&self) -> Vec<Failure> {
        let mut troubles = self.troubles();
        troubles.retain(|trouble| trouble.state == "FAILED");
        troubles
    }

    /// What failed, and what runs but waits for something: its status has a trace, too.
    pub(super) fn troubles(&self) -> Vec<Failure> {
        let tasks = self
            .tasks
            .iter()
            .map(|task| (Some(task.id), &task.instance));
        std::iter::once((None, &self.connector))
            .chain(tasks)
            .filter(|(_, instance)| {
                instance.state == "FAILED"
                    || instance.state == "RUNNING" && instance.trace.is_some()
            })
            .map(|(task, instance)| Failure {
                task,
                state: instance.state.clone(),
                trace: instance.trace.clone().unwrap_or_default(),
            })
            .collect()
    }

    /// `tasks` is the number of tasks that are configured: their statuses come one by one.
    pub(super) fn phase(&self, tasks: usize) -> Phase {
        let all = |state: &str| self.tasks.iter().all(|task| task.instance.state == state);
        if self.connector.state == "FAILED"
            || self
                .tasks
                .iter()
                .any(|task| task.instance.state == "FAILED")
        {
            return Phase::Failed;
        }
        match self.connector.state.as_str() {
            "RUNNING" if tasks > 0 && self.tasks.len() >= tasks && all("RUNNING") => Phase::Running,
            "PAUSED" if all("PAUSED") => Phase::Paused,
            "STOPPED" if self.tasks.is_empty() => Phase::Stopped,
            _ => Phase::Changing,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(connector: &str, tasks: &[&str]) -> ConnectorStatus {
        let tasks: Vec<_> = tasks
            .iter()
            .enumerate()
            .map(|(id, state)| json!({"id": id, "state": state, "worker_id": "w", "version": "4.3.0"}))
            .collect();
        serde_json::from_value(json!({
            "name": "c", "connector": {"state": connector, "worker_id": "w"}, "tasks": tasks, "type": "sink",
        }))
        .unwrap()
    }

    #[track_caller]
    fn check(connector: &str, tasks: &[&str], configured: usize, expected: Phase) {
        assert_eq!(status(connector, tasks).phase(configured), expected);
    }

    #[test]
    fn a_connector_runs_when_all_its_tasks_do() {
        check("RUNNING", &["RUNNING", "RUNNING"], 2, Phase::Running);
        check("RUNNING", &["RUNNING"], 2, Phase::Changing);
        check("RUNNING", &["RUNNING", "UNASSIGNED"], 2, Phase::Changing);
        check("RUNNING", &[], 0, Phase::Changing);
        check("UNASSIGNED", &["RUNNING"], 1, Phase::Changing);
        check("RUNNING", &["FAILED", "RUNNING"], 2, Phase::Failed);
        check("FAILED", &[], 0, Phase::Failed);
        check("PAUSED", &["PAUSED"], 1, Phase::Paused);
        check("PAUSED", &["RUNNING"], 1, Phase::Changing);
        check("STOPPED", &[], 0, Phase::Stopped);
    }

    #[test]
    fn tasks_are_counted_by_state() {
        let summary = status("RUNNING", &["FAILED", "RUNNING", "RUNNING"]).tasks_summary();
        assert_eq!(summary, "2 RUNNING, 1 FAILED");
        assert_eq!(status("RUNNING", &[]).tasks_summary(), "none");
    }

    #[test]
    fn a_failure_shows_the_error_and_its_causes() {
        let failure = Failure {
            task: Some(3),
            state: "FAILED".to_owned(),
            trace: "org.apache.kafka.ConnectException: Exiting\n\tat a.b.C.d(C.java:1)\n\tat e\n\
                    Caused by: java.sql.SQLException: no such table\n\t... 10 more\n"
                .to_owned(),
        };
        assert_eq!(
            failure.to_string(),
            "task 3 FAILED\n  org.apache.kafka.ConnectException: Exiting\n  \
             Caused by: java.sql.SQLException: no such table"
        );
    }
}
