//! The embedded log: topics, partitions and consumer groups in one SQLite file, for development, tests and pipelines of
//! one machine. Rows of the file are batches of records, so that appends and reads cost per batch.
//!
//! A batch that was acknowledged survives the death of the process at any moment. SQLite runs in WAL mode with
//! `synchronous=NORMAL`: should the whole machine lose power, the last moments' batches may be lost, but never order or
//! consistency.

mod batch;
mod consumer;
mod errors;
mod fetch;
mod groups;
mod log;
mod maintenance;
mod producer;
mod store;
mod topics;
mod writer;

pub use log::{EmbeddedLog, EmbeddedProvider};
