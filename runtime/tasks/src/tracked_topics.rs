//! The topics that a task has used, told to the worker.

use std::collections::HashSet;
use std::sync::Arc;

use crate::environment::TaskEnvironment;

/// What was told already. After a reset (`PUT /connectors/{name}/topics/reset`) all is told again as it is used again.
#[derive(Debug, Default)]
pub(crate) struct TrackedTopics {
    told: HashSet<Arc<str>>,
    /// The worker's count of resets when that was told.
    resets: u64,
}

impl TrackedTopics {
    /// Tells of a topic that is used.
    pub(crate) fn track(&mut self, environment: &TaskEnvironment, topic: &Arc<str>) {
        if !environment.settings.topic_tracking_enable {
            return;
        }
        let resets = environment.topics.resets();
        if resets != self.resets {
            self.told.clear();
            self.resets = resets;
        }
        if !self.told.contains(topic) {
            let id = &environment.id;
            environment.topics.record(&id.connector, id.task, topic);
            self.told.insert(Arc::clone(topic));
        }
    }
}
