//! What the herder is doing, for the texts of requests that time out.
//!
//! Source: `org.apache.kafka.connect.util.{Stage,TemporaryStage}`.

use std::sync::Mutex;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::stores::lock;

/// The current or last stage of the herder's loop.
#[derive(Debug, Default)]
pub(crate) struct Stages(Mutex<Option<Stage>>);

#[derive(Debug)]
struct Stage {
    description: String,
    started: DateTime<Utc>,
    completed: Option<DateTime<Utc>>,
}

/// Marks the stage as completed when dropped.
pub(crate) struct StageGuard<'a>(&'a Stages);

impl Stages {
    pub(crate) fn enter(&self, description: impl Into<String>) -> StageGuard<'_> {
        *lock(&self.0) = Some(Stage {
            description: description.into(),
            started: Utc::now(),
            completed: None,
        });
        StageGuard(self)
    }

    /// The original's text for a request that was not answered in time.
    pub(crate) fn timeout_text(&self) -> String {
        let instant = |at: &DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Millis, true);
        match &*lock(&self.0) {
            None => "Request timed out".to_owned(),
            Some(Stage { description, started, completed: None }) => format!(
                "Request timed out. The worker is currently {description}, which began at {}.",
                instant(started)
            ),
            Some(Stage { description, started, completed: Some(completed) }) => format!(
                "Request timed out. The last operation the worker completed was {description}, which began at {} and \
                 completed at {}.",
                instant(started),
                instant(completed)
            ),
        }
    }
}

impl Drop for StageGuard<'_> {
    fn drop(&mut self) {
        if let Some(stage) = &mut *lock(&self.0.0) {
            stage.completed = Some(Utc::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Stages;

    #[test]
    fn timeouts_name_the_stage() {
        let stages = Stages::default();
        assert_eq!(stages.timeout_text(), "Request timed out");
        let guard = stages.enter("stopping connector a");
        let text = stages.timeout_text();
        assert!(text.starts_with("Request timed out. The worker is currently stopping connector a, which began at 2"));
        drop(guard);
        let text = stages.timeout_text();
        assert!(text.starts_with("Request timed out. The last operation the worker completed was stopping connector a,"));
        assert!(text.ends_with("Z."), "{text}");
    }
}
