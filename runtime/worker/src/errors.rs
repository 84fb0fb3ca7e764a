//! What can go wrong with a worker, and what a REST client is told.

use tidegate_api::{ConnectError, ErrorKind};
use tidegate_log::LogError;

/// An error of the worker. `status` is the HTTP status of its REST answer.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct WorkerError {
    pub status: u16,
    pub message: String,
}

impl WorkerError {
    pub(crate) fn new(status: u16, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, message)
    }
    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(409, message)
    }
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(500, message)
    }
}

impl From<ConnectError> for WorkerError {
    fn from(error: ConnectError) -> Self {
        let status = match error.kind() {
            ErrorKind::NotFound => 404,
            ErrorKind::AlreadyExists => 409,
            ErrorKind::Config => 400,
            ErrorKind::Retriable | ErrorKind::Data | ErrorKind::Fatal => 500,
        };
        Self::new(status, error.chain())
    }
}

impl From<LogError> for WorkerError {
    fn from(error: LogError) -> Self {
        Self::internal(error.to_string())
    }
}
