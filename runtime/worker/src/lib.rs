//! The worker: its configuration, its stores, the herder that keeps connectors and tasks running, and the REST API.
//! Sees plugins only as traits and the log only as its port.
//!
//! Source: `org.apache.kafka.connect.runtime`.

mod config;
mod errors;
mod herder;
mod loggers;
mod overrides;
mod properties;
mod providers;
mod rest;
mod run;
mod stores;
#[cfg(test)]
mod testing;
mod unknown_keys;
mod validation;
mod versions;

pub use config::{
    EMBEDDED_DATA_DIR, EMBEDDED_SYNC, Mode, WorkerConfig, WorkerSetting, refused_settings,
    worker_settings,
};
pub use errors::WorkerError;
pub use loggers::Loggers;
pub use properties::{decode as decode_properties, parse as parse_properties};
pub use providers::ConfigProviders;
pub use rest::path_segment;
pub use run::{ConnectorFile, WorkerEnd, WorkerOptions, run};
pub use unknown_keys::unknown_keys;

/// Release of Connect that REST reports; the one that this worker is compared with.
pub const CONNECT_VERSION: &str = "4.3.0";
