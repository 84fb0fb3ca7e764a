//! The worker: its configuration, its stores, the herder that keeps connectors and tasks running, and the REST API.
//! Sees plugins only as traits and the log only as its port.
//!
//! Source: `org.apache.kafka.connect.runtime`.

mod config;
mod errors;
mod herder;
mod overrides;
mod properties;
mod providers;
mod rest;
mod run;
mod stores;
#[cfg(test)]
mod testing;
mod validation;
mod versions;

pub use config::{EMBEDDED_DATA_DIR, WorkerConfig};
pub use errors::WorkerError;
pub use properties::parse as parse_properties;
pub use providers::ConfigProviders;
pub use run::{ConnectorFile, Mode, WorkerOptions, run};

/// Release of Connect that REST reports; the one that this worker is compared with.
pub const CONNECT_VERSION: &str = "4.3.0";
