//! The port itself: traits and the data that crosses them.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use indexmap::IndexMap;
use tidegate_api::{HeaderList, TimestampType, TopicPartition};
use tokio::sync::{oneshot, watch};

use crate::error::LogError;

/// Settings of a client under Java's names (`bootstrap.servers`, `group.id`, `max.poll.records`, …).
/// An adapter takes what means something to it. `Debug` shows names alone: values may be secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ClientConfig(pub IndexMap<String, String>);

impl ClientConfig {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.insert(name.into(), value.into());
    }
    /// The same settings with one more.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.set(name, value);
        self
    }
}

impl FromIterator<(String, String)> for ClientConfig {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(iter: I) -> Self {
        Self(iter.into_iter().collect())
    }
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Opens logs. The worker has one for its own settings; a connector may ask for the log of its schema history.
#[async_trait]
pub trait LogProvider: Send + Sync {
    /// Opens the log that the settings name. Nothing is sent before the first call.
    async fn connect(&self, config: &ClientConfig) -> Result<Arc<dyn Log>, LogError>;
}

/// A topic to create; `None` leaves the log's default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopic {
    pub name: Arc<str>,
    pub partitions: Option<i32>,
    pub replication_factor: Option<i16>,
    /// Topic settings under Kafka's names, e.g. `cleanup.policy`.
    pub settings: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopicCreation {
    Created,
    Existed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicDescription {
    pub name: Arc<str>,
    pub partitions: i32,
    pub replication_factor: i16,
}

/// A log of topics.
#[async_trait]
pub trait Log: Send + Sync + fmt::Debug {
    /// The id that `GET /` shows; asks the log, so it proves that the log answers.
    async fn cluster_id(&self) -> Result<String, LogError>;

    async fn create_topic(&self, topic: &NewTopic) -> Result<TopicCreation, LogError>;
    /// `None` if there is no such topic. Never creates one.
    async fn describe_topic(&self, topic: &str) -> Result<Option<TopicDescription>, LogError>;
    /// Settings of a topic, defaults included.
    async fn topic_settings(&self, topic: &str) -> Result<BTreeMap<String, String>, LogError>;
    async fn topics(&self) -> Result<Vec<Arc<str>>, LogError>;
    async fn delete_topic(&self, topic: &str) -> Result<(), LogError>;

    /// First available offset and next offset of each partition (read uncommitted).
    async fn offsets(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<HashMap<TopicPartition, (i64, i64)>, LogError>;

    /// A producer with these settings on top of the log's own.
    async fn producer(&self, config: &ClientConfig) -> Result<Arc<dyn Producer>, LogError>;

    /// A member of the consumer group `group.id` of the settings. Nothing is committed by itself; without a committed
    /// offset it starts as `auto.offset.reset` says (default `earliest`).
    async fn consumer(
        &self,
        config: &ClientConfig,
        subscription: Subscription,
    ) -> Result<Box<dyn Consumer>, LogError>;

    /// Reads partitions from given offsets, outside any group.
    async fn reader(
        &self,
        config: &ClientConfig,
        start: &[(TopicPartition, i64)],
    ) -> Result<Box<dyn Reader>, LogError>;

    /// Committed offsets of a group; empty if the group does not exist.
    async fn group_offsets(&self, group: &str) -> Result<BTreeMap<TopicPartition, i64>, LogError>;
    /// Commits offsets for a group without members; `None` deletes one.
    async fn alter_group_offsets(
        &self,
        group: &str,
        offsets: &[(TopicPartition, Option<i64>)],
    ) -> Result<(), LogError>;
    async fn delete_group(&self, group: &str) -> Result<(), LogError>;

    /// Makes this process the one worker of `group`, or says who is. `member` is the worker's id: a restarted worker of
    /// the same id takes over at once; one of another id waits `session_timeout` for the other's session to end, and
    /// is then refused with [`LogError::Occupied`]. `topic` is the worker's config topic.
    async fn claim_group(
        &self,
        group: &str,
        member: &str,
        topic: &str,
        session_timeout: Duration,
    ) -> Result<GroupClaim, LogError>;
}

/// Holds a group for this worker until dropped.
pub struct GroupClaim {
    /// Resolves with the reason when the claim is lost.
    pub lost: oneshot::Receiver<LogError>,
    /// Whether the worker is a member at the moment. It is none once it has not reached the group's coordinator for a
    /// session: another worker may then have the group, so that nothing may run until this one is a member again.
    pub held: watch::Receiver<bool>,
    /// Keeps the claim alive. Dropping it gives the group back, which may take a moment.
    pub guard: Box<dyn Send + Sync>,
}

impl fmt::Debug for GroupClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GroupClaim")
    }
}

/// A header as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordHeader {
    /// One name for many records.
    pub key: Arc<str>,
    pub value: Option<Bytes>,
}

/// A record's headers as stored.
pub type RecordHeaders = HeaderList<RecordHeader>;

/// A record to append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerRecord {
    pub topic: Arc<str>,
    /// `None`: by Java's hash of the key; without a key, a partition that the log chooses.
    pub partition: Option<i32>,
    /// Milliseconds since 1970-01-01T00:00:00Z; `None`: now.
    pub timestamp: Option<i64>,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: RecordHeaders,
}

impl ProducerRecord {
    pub fn new(topic: impl Into<Arc<str>>, key: Option<Bytes>, value: Option<Bytes>) -> Self {
        Self {
            topic: topic.into(),
            partition: None,
            timestamp: None,
            key,
            value,
            headers: RecordHeaders::new(),
        }
    }
    /// Bytes of key, value and headers.
    pub fn size(&self) -> usize {
        let header = |h: &RecordHeader| h.key.len() + h.value.as_ref().map_or(0, Bytes::len);
        self.key.as_ref().map_or(0, Bytes::len)
            + self.value.as_ref().map_or(0, Bytes::len)
            + self.headers.iter().map(header).sum::<usize>()
    }
}

/// Where a record was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordMetadata {
    pub partition: i32,
    pub offset: i64,
}

/// Resolves when every record of an appended batch is durable or has failed: one result for each, in order.
/// Dropping it does not take the records back.
pub type AppendReceipt = BoxFuture<'static, Vec<Result<RecordMetadata, LogError>>>;

/// Appends records. Order within a partition is that of the calls, and within a call that of the records.
#[async_trait]
pub trait Producer: Send + Sync {
    /// Hands a batch over. Waits while the producer's buffer is full; returns when all records are in it, with the
    /// receipt of their storage. Missing topics are created if the log allows it; otherwise the batch waits for them as
    /// Java's producer does for metadata.
    ///
    /// Each record is taken or refused for itself. One that can never be stored (it is too large, its topic does not
    /// take it, the principal may not write there) has its error in the receipt; the records after it are appended all
    /// the same, in their order. Whoever must not have them without it waits for its receipt first.
    ///
    /// # Errors
    /// What keeps the log from taking any record of the batch; then none is appended.
    async fn append(&self, records: Vec<ProducerRecord>) -> Result<AppendReceipt, LogError>;

    /// Waits until everything handed over is durable or has failed, or until the time is over (`Unavailable`).
    async fn flush(&self, timeout: Duration) -> Result<(), LogError>;

    /// Ends the producer. What was handed over has `grace` to become durable; then what has not been sent is given up,
    /// and its receipts say `Unavailable`. After the return nothing of it is appended behind records of another
    /// producer that is opened then. A producer that is dropped gives up at once, and nobody waits for that.
    async fn close(&self, grace: Duration);
}

/// Topics of a group's member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subscription {
    Topics(Vec<Arc<str>>),
    /// A Java regular expression that must match the whole name. New topics that match are picked up.
    Pattern(String),
}

/// A record as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumedRecord {
    pub topic: Arc<str>,
    pub partition: i32,
    pub offset: i64,
    pub timestamp: Option<i64>,
    pub timestamp_type: TimestampType,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: RecordHeaders,
}

impl ConsumedRecord {
    pub fn topic_partition(&self) -> TopicPartition {
        TopicPartition {
            topic: Arc::clone(&self.topic),
            partition: self.partition,
        }
    }
}

/// What a group's member is told.
#[derive(Debug)]
pub enum ConsumerEvent {
    /// At most `max.poll.records` (default 500), in order within each partition; never empty.
    Records(Vec<ConsumedRecord>),
    /// New partitions with the offsets at which reading starts. Reading starts with the next poll.
    Assigned(Vec<(TopicPartition, i64)>),
    /// Partitions to give back: finish, commit, then drop `done`. The group waits for that; until then they are this
    /// member's, but have no more records.
    Revoked {
        partitions: Vec<TopicPartition>,
        done: oneshot::Sender<()>,
    },
    /// Partitions that are gone already: committing them fails.
    Lost(Vec<TopicPartition>),
    /// Nothing within the time.
    Idle,
}

/// A member of a consumer group.
#[async_trait]
pub trait Consumer: Send {
    /// The next event, waiting at most `timeout`. Cancel-safe: what was not returned comes with the next call.
    async fn poll(&mut self, timeout: Duration) -> Result<ConsumerEvent, LogError>;

    /// Commits offsets, each the next to read; polling may go on meanwhile. The commit begins with the first poll of the
    /// future and then runs to its end, also if the future is dropped. One at a time: of two that are under way together
    /// the older may win.
    fn commit(
        &mut self,
        offsets: Vec<(TopicPartition, i64)>,
    ) -> BoxFuture<'static, Result<(), LogError>>;

    /// Continues at an offset.
    async fn seek(&mut self, partition: &TopicPartition, offset: i64) -> Result<(), LogError>;
    /// Stops delivery of partitions; membership stays.
    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError>;
    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError>;

    /// Leaves the group.
    async fn close(self: Box<Self>) -> Result<(), LogError>;
}

/// Reads partitions outside a group.
#[async_trait]
pub trait Reader: Send {
    /// The next records, waiting at most `timeout`; empty if there were none. Cancel-safe.
    async fn poll(&mut self, timeout: Duration) -> Result<Vec<ConsumedRecord>, LogError>;
    /// The next offset to be returned; also moves past records that are not returned, such as transaction markers.
    fn position(&self, partition: &TopicPartition) -> Option<i64>;
}
