//! The embedded log: topics, partitions and consumer groups in one SQLite file, for development, tests and pipelines of
//! one machine. Rows of the file are batches of records, so that appends and reads cost per batch.
//!
//! A batch that was acknowledged survives the death of the process at any moment. What the loss of power may take is
//! [`Sync`]'s matter.

mod batch;
mod compaction;
mod consumer;
mod core;
mod errors;
mod fetch;
mod groups;
mod log;
mod maintenance;
mod producer;
mod retention;
mod rewrite;
mod store;
mod topics;
mod writer;

pub use log::{EmbeddedLog, EmbeddedProvider};
pub use store::Sync;
