//! Tidegate's plugin API: the data model with Kafka Connect's semantics, configuration as data, the plugin traits,
//! and one error type. No I/O, no log, no database.
//!
//! Source: Apache Kafka `connect/api`, package `org.apache.kafka.connect`.

pub mod config;
pub mod connector;
pub mod converter;
pub mod date_format;
pub mod decimal;
pub mod error;
pub mod java_text;
pub mod logical;
pub mod plugin;
pub mod record;
pub mod schema;
pub mod transform;
pub mod value;

pub use config::{ConfigDef, ConfigKey, ConfigValue, Props};
pub use connector::{
    Connector, ConnectorContext, ConnectorTaskId, ErrantRecordReporter, OffsetChange,
    OffsetFieldsMap, OffsetStorageReader, SinkTask, SinkTaskContext, SourceTask, SourceTaskContext,
};
pub use converter::{AsHeaderConverter, Converter, HeaderConverter};
pub use date_format::DateFormat;
pub use decimal::Decimal;
pub use error::{ConnectError, ErrorKind};
pub use plugin::{
    ConnectorKind, ConnectorPlugin, ConverterPlugin, HeaderConverterPlugin, Plugins,
    PredicatePlugin, TransformPlugin,
};
pub use record::{
    Header, Headers, OffsetFields, Record, SinkRecord, SourceOffset, SourcePartition, SourceRecord,
    TimestampType, TopicPartition, TopicPartitionOffset,
};
pub use schema::{Field, Kind, Schema, SchemaBuilder};
pub use transform::{Predicate, Transform};
pub use value::{SchemaAndValue, Str, Struct, Value};
