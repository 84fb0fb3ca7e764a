//! The log port: everything that the worker and the connectors ask of a log of topics.
//!
//! Two adapters implement it: `tidegate-kafka` on a Kafka cluster, `tidegate-embedded` on one SQLite file. Nothing
//! above this crate knows either. [`conformance`] holds the tests that both pass.

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod error;
pub mod names;
pub mod partitioner;
pub mod port;
pub mod topic_log;

pub use error::LogError;
pub use names::Names;
pub use port::{
    AppendReceipt, ClientConfig, ConsumedRecord, Consumer, ConsumerEvent, GroupClaim, Log,
    LogProvider, NewTopic, Producer, ProducerRecord, Reader, RecordHeader, RecordHeaders,
    RecordMetadata, Subscription, TopicCreation, TopicDescription,
};
pub use topic_log::TopicLog;
