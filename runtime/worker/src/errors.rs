//! What can go wrong in the worker itself.

use tidegate_api::{ConnectError, ErrorKind};
use tidegate_log::LogError;

/// An error of the worker, divided by who must act.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// A worker property is missing, wrong or not supported.
    #[error("{0}")]
    Config(String),
    /// A connector file given on the command line cannot be used.
    #[error("connector file '{file}': {reason}")]
    ConnectorFile { file: String, reason: String },
    /// A connector of the command line did not start.
    #[error("could not create connector '{connector}' of file '{file}'")]
    ConnectorStart {
        connector: String,
        file: String,
        #[source]
        source: ConnectError,
    },
    /// An address cannot be listened on.
    #[error("could not listen on {address}; free the address or change 'listeners'")]
    Listen {
        address: String,
        #[source]
        source: std::io::Error,
    },
    /// The REST server ended.
    #[error("the REST server failed")]
    Rest(#[source] std::io::Error),
    /// A file of the worker cannot be read or written.
    #[error("could not {action} '{path}'")]
    File {
        action: &'static str,
        path: String,
        #[source]
        source: std::io::Error,
    },
    /// A file of offsets is not Java's map of byte arrays.
    #[error("the offset file '{path}' is damaged at byte {position}: {reason}")]
    OffsetFile {
        path: String,
        position: usize,
        reason: &'static str,
    },
    /// The worker's group is taken.
    #[error(
        "group '{group}' already has a worker, and one process runs all connectors of a group; \
         stop the other worker or give this one another 'group.id' and other storage topics"
    )]
    GroupTaken {
        group: String,
        #[source]
        source: LogError,
    },
    /// The worker's place in the group is gone.
    #[error("this worker lost its group '{group}'; its connectors and tasks have been stopped")]
    GroupLost {
        group: String,
        #[source]
        source: LogError,
    },
    /// The log failed.
    #[error("{action}")]
    Log {
        action: String,
        #[source]
        source: LogError,
    },
    /// A write to an internal topic was not confirmed in time.
    #[error("{action}: not confirmed within {seconds} s; the request can be retried")]
    Timeout { action: String, seconds: u64 },
}

impl WorkerError {
    pub(crate) fn config(text: impl Into<String>) -> Self {
        Self::Config(text.into())
    }
    pub(crate) fn log(action: impl Into<String>) -> impl FnOnce(LogError) -> Self {
        let action = action.into();
        move |source| Self::Log { action, source }
    }
    /// The process's exit code: 3 if a connector of the command line did not start, else 2 as for any startup error.
    ///
    /// Source: `org.apache.kafka.connect.cli.{AbstractConnectCli,ConnectStandalone}`.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::ConnectorFile { .. } | Self::ConnectorStart { .. } => 3,
            Self::GroupLost { .. } | Self::Rest(_) => 1,
            _ => 2,
        }
    }
}

impl From<WorkerError> for ConnectError {
    fn from(error: WorkerError) -> Self {
        let kind = match &error {
            WorkerError::Config(_) | WorkerError::ConnectorFile { .. } => ErrorKind::Config,
            WorkerError::Log { source, .. } if source.is_retriable() => ErrorKind::Retriable,
            WorkerError::Timeout { .. } => ErrorKind::Retriable,
            WorkerError::ConnectorStart { source, .. } => source.kind(),
            _ => ErrorKind::Fatal,
        };
        ConnectError::new(kind, error)
    }
}
