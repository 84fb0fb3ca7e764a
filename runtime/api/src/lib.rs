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
pub mod header_list;
pub mod java_regex;
pub mod java_text;
pub mod logical;
pub mod panics;
pub mod plugin;
pub mod record;
pub mod schema;
pub mod schema_cache;
pub mod transform;
pub mod value;

pub use config::{ConfigDef, ConfigKey, ConfigValue, Props};
pub use connector::{
    Connector, ConnectorContext, ConnectorTaskId, ErrantRecordReporter, OffsetChange,
    OffsetFieldsMap, OffsetStorageReader, SinkTask, SinkTaskContext, SourceTask, SourceTaskContext,
    TaskWaits,
};
pub use converter::{AsHeaderConverter, Converter, HeaderConverter};
pub use date_format::DateFormat;
pub use decimal::Decimal;
pub use error::{ConnectError, ErrorKind};
pub use header_list::HeaderList;
pub use java_regex::JavaRegex;
pub use panics::{catch_panic, catch_panic_of};
pub use plugin::{
    ConnectorKind, ConnectorPlugin, ConverterPlugin, HeaderConverterPlugin, Plugins,
    PredicatePlugin, TransformPlugin,
};
pub use record::{
    Header, Headers, OffsetFields, Record, SinkRecord, SourceOffset, SourcePartition, SourceRecord,
    TimestampType, TopicPartition, TopicPartitionOffset,
};
pub use schema::{Field, Kind, Schema, SchemaBuilder};
pub use schema_cache::{RecentMap, SchemaCache};
pub use transform::{Predicate, Transform};
pub use value::{SchemaAndValue, Str, Struct, Value};
