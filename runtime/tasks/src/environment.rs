//! What a task runs with, and what it tells the worker.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tidegate_api::{
    ConnectError, ConnectorTaskId, OffsetFieldsMap, Plugins, Props, SourcePartition,
};
use tidegate_log::Log;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What a person wants of a connector.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TargetState {
    Started,
    Paused,
    Stopped,
}

/// Where a task's state changes go; the worker writes them to its status store.
pub trait TaskStatusListener: Send + Sync {
    /// RUNNING.
    fn on_startup(&self, id: &ConnectorTaskId);
    /// PAUSED.
    fn on_pause(&self, id: &ConnectorTaskId);
    /// RUNNING again.
    fn on_resume(&self, id: &ConnectorTaskId);
    /// FAILED with the error's trace.
    fn on_failure(&self, id: &ConnectorTaskId, error: &ConnectError);
    /// RUNNING, but since then all is tried again for what the error says; `on_resume` is the end of it.
    fn on_wait(&self, id: &ConnectorTaskId, since: SystemTime, error: &ConnectError);
    /// UNASSIGNED.
    fn on_shutdown(&self, id: &ConnectorTaskId);
}

/// Source offsets.
#[async_trait]
pub trait OffsetBackingStore: Send + Sync {
    /// Stored offsets in the order asked, after reading the store to its end.
    async fn get(
        &self,
        connector: &str,
        partitions: &[SourcePartition],
    ) -> Result<Vec<Option<OffsetFieldsMap>>, ConnectError>;
    /// Stores offsets, durable when it returns. `None` deletes one.
    async fn set(
        &self,
        connector: &str,
        offsets: Vec<(Arc<SourcePartition>, Option<OffsetFieldsMap>)>,
    ) -> Result<(), ConnectError>;
}

/// Topics that a connector has used.
pub trait TopicTracker: Send + Sync {
    fn record(&self, connector: &str, task: u32, topic: &str);
    /// How often topics were forgotten: after that they are to be recorded again.
    fn resets(&self) -> u64;
}

/// Settings of the worker that tasks need.
#[derive(Clone, Debug)]
pub struct TaskSettings {
    /// Everything in the worker's file, resolved: `producer.*`, `consumer.*`, `key.converter`, …
    pub worker_props: Props,
    pub offset_flush_interval: Duration,
    pub offset_flush_timeout: Duration,
    pub topic_creation_enable: bool,
    pub topic_tracking_enable: bool,
}

/// Everything one task runs with. Properties are resolved: they hold no placeholders.
pub struct TaskEnvironment {
    pub id: ConnectorTaskId,
    pub connector_props: Props,
    pub task_props: Props,
    pub plugins: Arc<Plugins>,
    pub log: Arc<dyn Log>,
    pub settings: TaskSettings,
    pub offsets: Arc<dyn OffsetBackingStore>,
    pub topics: Arc<dyn TopicTracker>,
    pub status: Arc<dyn TaskStatusListener>,
    pub target_state: watch::Receiver<TargetState>,
    /// Asks to stop: the batch at hand is finished, offsets are committed, the plugin is stopped.
    pub stop: CancellationToken,
    /// After the graceful time: gives up at once, without status and without commit.
    pub cancel: CancellationToken,
}

impl fmt::Debug for TaskEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskEnvironment")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
