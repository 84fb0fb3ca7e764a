//! The Connect worker: configuration, stores on topics, the herder that runs connectors and tasks, and the REST API.
//! It knows connectors, converters and transformations only as plugins, and topics only through the log port.

pub mod config;
mod config_providers;
mod errors;
mod json;
pub mod properties;

pub use config::{Mode, WorkerConfig};
pub use errors::WorkerError;
pub use properties::parse_properties;
