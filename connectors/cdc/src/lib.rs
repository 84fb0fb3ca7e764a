//! What all change data capture sources share: names of topics and schemas, envelopes, filters, schema history, the door
//! through which all records pass, the reader on its own task and the queue between it and Connect. Knows no database.
//!
//! Source: Debezium's core and connector-common modules.

pub mod clock;
pub mod coordinator;
pub mod dispatcher;
pub mod envelope;
pub mod filters;
pub mod headers;
pub mod heartbeat;
pub mod history;
pub mod java_order;
pub mod key_columns;
pub mod masking;
pub mod naming;
pub mod queue;
pub mod reader;
pub mod records;
pub mod retries;
pub mod schema_changes;
mod snapshot;
pub mod snapshot_mode;
pub mod source_info;
pub mod transactions;
