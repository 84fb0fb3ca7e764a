//! Connectors and their tasks.
//!
//! Source: `org.apache.kafka.connect.{connector.Connector,source.SourceTask,sink.SinkTask}`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::config::{ConfigDef, ConfigInfo, Props};
use crate::error::ConnectError;
use crate::record::{SinkRecord, SourceOffset, SourcePartition, SourceRecord, TopicPartition};
use crate::value::{Str, Value};

/// A task of a connector; `Display` is `connector-0`, as in Connect's logs and REST texts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectorTaskId {
    pub connector: Arc<str>,
    pub task: u32,
}

impl fmt::Display for ConnectorTaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.connector, self.task)
    }
}

/// A stored offset as names and values.
pub type OffsetFieldsMap = Vec<(Str, Value)>;

/// Reads offsets that earlier runs of a source connector stored.
#[async_trait]
pub trait OffsetStorageReader: Send + Sync {
    /// The stored offset of each partition, in the order asked; `None` where there is none.
    async fn offsets(
        &self,
        partitions: &[SourcePartition],
    ) -> Result<Vec<Option<OffsetFieldsMap>>, ConnectError>;
}

/// What a connector may ask of the worker.
#[async_trait]
pub trait ConnectorContext: Send + Sync {
    /// Asks for new task configurations, after the source's layout has changed.
    fn request_task_reconfiguration(&self);
    /// Makes the connector FAILED.
    fn raise_error(&self, error: ConnectError);
    /// Stored offsets; sinks have none.
    fn offset_reader(&self) -> Option<Arc<dyn OffsetStorageReader>>;
}

/// Offsets of a stopped connector that are about to be changed through REST; `None` removes one.
#[derive(Debug, Clone, Copy)]
pub enum OffsetChange<'a> {
    Source(&'a [(Arc<SourcePartition>, Option<OffsetFieldsMap>)]),
    Sink(&'a [(TopicPartition, Option<i64>)]),
}

/// Splits the work of one connector into task configurations. One instance per started connector.
#[async_trait]
pub trait Connector: Send + Sync {
    async fn start(
        &mut self,
        context: Arc<dyn ConnectorContext>,
        props: &Props,
    ) -> Result<(), ConnectError>;

    /// At most `max_tasks` configurations; a task is started for each.
    async fn task_configs(&mut self, max_tasks: usize) -> Result<Vec<Props>, ConnectError>;

    async fn stop(&mut self);

    /// Checks a configuration, if need be against the database. The default checks keys one by one.
    /// One entry for each declared key, in the order of [`ConfigDef`], then further ones.
    async fn validate(
        &self,
        definition: &ConfigDef,
        props: &Props,
    ) -> Result<Vec<ConfigInfo>, ConnectError> {
        Ok(definition.validate(props))
    }

    /// Told before offsets are changed: `true` if the connector knows what it means for whatever it keeps elsewhere.
    ///
    /// # Errors
    /// If the offsets make no sense; they are not changed then.
    ///
    /// Source: `SourceConnector.alterOffsets`, `SinkConnector.alterOffsets`.
    async fn alter_offsets(
        &self,
        _props: &Props,
        _offsets: OffsetChange<'_>,
    ) -> Result<bool, ConnectError> {
        Ok(false)
    }
}

/// Shows in a task's status, and in the log, that it waits for something: since when, and for what.
pub trait TaskWaits: Send + Sync {
    /// Something is away that is tried again, for the error's reason. Said again, it is since the first time.
    fn begin(&self, error: ConnectError);
    /// It is there; nothing happens if the task does not wait.
    fn end(&self);
}

/// What a source task gets at its start.
#[derive(Clone)]
pub struct SourceTaskContext {
    pub task: ConnectorTaskId,
    pub offset_reader: Arc<dyn OffsetStorageReader>,
    pub waits: Arc<dyn TaskWaits>,
}

impl fmt::Debug for SourceTaskContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceTaskContext")
            .field("task", &self.task)
            .finish_non_exhaustive()
    }
}

/// Reads a source. Calls come one at a time: `start`, `poll`*, `commit`*, `stop`.
#[async_trait]
pub trait SourceTask: Send {
    async fn start(&mut self, context: SourceTaskContext, props: Props)
    -> Result<(), ConnectError>;

    /// Waits for changes and returns the next batch, oldest first; an empty batch means nothing yet.
    /// Returns within about a second when there is nothing. Cancel-safe: a dropped call loses no record.
    ///
    /// # Errors
    /// `Retriable` is treated as an empty batch and polled again; everything else fails the task.
    async fn poll(&mut self) -> Result<Vec<SourceRecord>, ConnectError>;

    /// The offsets that have become durable in the offset store since the last call.
    async fn commit(
        &mut self,
        _offsets: &[(Arc<SourcePartition>, SourceOffset)],
    ) -> Result<(), ConnectError> {
        Ok(())
    }

    async fn stop(&mut self);
}

/// Reports records that a sink cannot write: to the log, to the dead letter queue, or by failing the task.
#[async_trait]
pub trait ErrantRecordReporter: Send + Sync {
    /// Returns once the report is durable.
    ///
    /// # Errors
    /// The error itself, wrapped, if the tolerance is `none`: the task must then fail.
    async fn report(&self, record: &SinkRecord, error: ConnectError) -> Result<(), ConnectError>;
}

/// What a sink task asks of the worker between two calls.
pub trait SinkTaskRequests: Send + Sync {
    /// Commit offsets as soon as possible.
    fn request_commit(&self);
    /// Deliver the batch again after this time, should `put` return a retriable error.
    fn set_timeout(&self, timeout: Duration);
    /// Continue from these offsets.
    fn rewind(&self, offsets: BTreeMap<TopicPartition, i64>);
}

/// What a sink task gets at its start.
#[derive(Clone)]
pub struct SinkTaskContext {
    pub task: ConnectorTaskId,
    pub requests: Arc<dyn SinkTaskRequests>,
    /// Present if the connector has a dead letter queue or logs errors.
    pub errant_record_reporter: Option<Arc<dyn ErrantRecordReporter>>,
}

impl fmt::Debug for SinkTaskContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SinkTaskContext")
            .field("task", &self.task)
            .finish_non_exhaustive()
    }
}

/// Writes records to a target. Calls come one at a time: `start, open, put*, pre_commit*, close, stop`.
#[async_trait]
pub trait SinkTask: Send {
    async fn start(&mut self, context: SinkTaskContext, props: Props) -> Result<(), ConnectError>;

    async fn open(&mut self, _partitions: &[TopicPartition]) -> Result<(), ConnectError> {
        Ok(())
    }

    /// Writes a batch, which may be empty. Records of one partition are in order.
    ///
    /// # Errors
    /// `Retriable`: the same batch is delivered again. Everything else fails the task.
    async fn put(&mut self, records: &[SinkRecord]) -> Result<(), ConnectError>;

    /// The offsets that may be committed: for each partition the next offset to read. `current` is what was delivered.
    async fn pre_commit(
        &mut self,
        current: BTreeMap<TopicPartition, i64>,
    ) -> Result<BTreeMap<TopicPartition, i64>, ConnectError> {
        Ok(current)
    }

    async fn close(&mut self, _partitions: &[TopicPartition]) -> Result<(), ConnectError> {
        Ok(())
    }

    async fn stop(&mut self);
}
