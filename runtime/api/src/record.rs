//! Records and where they come from.
//!
//! Source: `org.apache.kafka.connect.{connector.ConnectRecord,source.SourceRecord,sink.SinkRecord}`.

use std::fmt;
use std::sync::Arc;

use crate::header_list::HeaderList;
use crate::value::{SchemaAndValue, Str, Value};

/// A header.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    pub key: Arc<str>,
    pub value: SchemaAndValue,
}

/// A record's headers.
pub type Headers = HeaderList<Header>;

/// What every record has; transformations see only this. Java's `ConnectRecord`, by composition.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub topic: Arc<str>,
    pub kafka_partition: Option<i32>,
    pub key: SchemaAndValue,
    pub value: SchemaAndValue,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub timestamp: Option<i64>,
    pub headers: Headers,
}

impl Record {
    /// Whether the record deletes its key in a compacted topic.
    pub fn is_tombstone(&self) -> bool {
        self.value.value.is_null()
    }
    /// Bytes that the record occupies, about: for limits of queues.
    pub fn approximate_size(&self) -> usize {
        size_of::<Self>() + self.key.value.approximate_size() + self.value.value.approximate_size()
    }
}

/// A source record: the record and the position to continue from once it is stored.
#[derive(Debug, Clone)]
pub struct SourceRecord {
    pub record: Record,
    pub source_partition: Arc<SourcePartition>,
    pub source_offset: SourceOffset,
}

/// Names the part of the source that an offset belongs to.
///
/// The order of the members is part of the identity: the offset topic compares keys as bytes, and Java writes them in
/// the iteration order of its map.
#[derive(Debug, Clone, PartialEq)]
pub struct SourcePartition(pub Vec<(Str, Value)>);

impl SourcePartition {
    /// A partition with one text member.
    pub fn single(name: &str, value: &str) -> Self {
        Self(vec![(Str::new(name), Value::string(value))])
    }
}

/// Offsets that know how to become a map of names and values; done once per flush, not once per record.
pub trait OffsetFields: fmt::Debug + Send + Sync {
    fn fields(&self) -> Vec<(Str, Value)>;
}

impl OffsetFields for Vec<(Str, Value)> {
    fn fields(&self) -> Vec<(Str, Value)> {
        self.clone()
    }
}

/// A position in the source; cheap to clone, turned into names and values only when it is stored.
#[derive(Debug, Clone)]
pub struct SourceOffset(Arc<dyn OffsetFields>);

impl SourceOffset {
    pub fn new(offset: impl OffsetFields + 'static) -> Self {
        Self(Arc::new(offset))
    }
    pub fn fields(&self) -> Vec<(Str, Value)> {
        self.0.fields()
    }
}

/// A partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    pub topic: Arc<str>,
    pub partition: i32,
}

impl TopicPartition {
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        Self {
            topic: topic.into(),
            partition,
        }
    }
}
/// `topic-partition`, as Java prints it.
impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// A record's place in the log.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartitionOffset {
    pub topic: Arc<str>,
    pub partition: i32,
    pub offset: i64,
}

impl TopicPartitionOffset {
    pub fn topic_partition(&self) -> TopicPartition {
        TopicPartition {
            topic: Arc::clone(&self.topic),
            partition: self.partition,
        }
    }
}
/// `topic-partition@offset`.
impl fmt::Display for TopicPartitionOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}@{}", self.topic, self.partition, self.offset)
    }
}

/// What a record's timestamp means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimestampType {
    NoTimestampType,
    #[default]
    CreateTime,
    LogAppendTime,
}

/// A record for a sink: the record after transformations, and where it was read before them.
#[derive(Debug, Clone, PartialEq)]
pub struct SinkRecord {
    pub record: Record,
    pub original: TopicPartitionOffset,
    pub timestamp_type: TimestampType,
}
