//! What all change data capture sources share: names of topics and schemas, envelopes, filters, schema history, the
//! reader on its own task and the queue between it and Connect. Knows no database.
//!
//! Source: Debezium's core and connector-common modules.

pub mod envelope;
pub mod filters;
pub mod headers;
pub mod history;
pub mod masking;
pub mod naming;
pub mod queue;
pub mod reader;
pub mod retries;
