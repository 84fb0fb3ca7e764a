//! What can go wrong with a binlog source, divided by what follows from it. [`kind`](BinlogError::kind) is the one place that
//! decides whether it is tried again.

use std::time::Duration;

use tidegate_api::{ConnectError, ErrorKind};
use tidegate_cdc::coordinator::{EngineError, SourceError};
use tidegate_mysql::values::ValueError;
use tidegate_mysql::{MySqlError, Refusal};
use tidegate_relational::table_plan::PlanError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum BinlogError {
    /// The server is away, cannot be used as it is set up, or has ended the connection.
    #[error(transparent)]
    MySql(MySqlError),
    /// The server's own error.
    #[error(transparent)]
    Refused(Refusal),
    /// The server no longer sends anything.
    #[error("{0}")]
    Connection(String),
    /// The server cannot be used as it is set up for this connector.
    #[error("{0}")]
    Server(String),
    #[error(
        "The server did not give the read lock of the snapshot within {seconds} s (snapshot.lock.timeout.ms): a statement or a transaction that runs long holds a table, see SHOW FULL PROCESSLIST. \
         Writers wait behind each attempt, so that the next ones come ever later. Without anybody who changes tables meanwhile, snapshot.locking.mode=none does without the lock"
    )]
    LockWait {
        seconds: u64,
        #[source]
        source: Refusal,
    },
    #[error(
        "Cannot read the binlog filename and position: the server writes no binary log (log_bin=OFF), or the user lacks the privilege to see its position (BINLOG MONITOR on MariaDB, REPLICATION CLIENT on MySQL). \
         Start the server with --log-bin and --binlog-format=ROW, or grant the privilege"
    )]
    NoBinlog,
    /// The position is no longer in the server's logs.
    #[error("{0}")]
    PositionLost(String),
    /// The client library cannot take an event apart. Bytes that a connection has altered come right the next time.
    #[error("The event of the binary log at {file}/{pos}, or behind it, cannot be read")]
    Unreadable {
        file: String,
        pos: u64,
        /// How many events the connection had brought before.
        events: u64,
        #[source]
        source: std::io::Error,
    },
    #[error(
        "A table was dropped, renamed or altered while the snapshot was taken, which therefore begins anew"
    )]
    TablesChanged {
        #[source]
        source: Refusal,
    },
    #[error("Snapshotting of table {table} failed")]
    Table {
        table: String,
        #[source]
        source: Box<BinlogError>,
    },
    #[error(
        "A transaction that is larger than binlog.buffer.size, or than 64 MB, could not be kept in a file in {folder}. Make room there, or set TMPDIR to another folder"
    )]
    Spill {
        folder: String,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Value(#[from] ValueError),
    #[error(transparent)]
    Ddl(#[from] tidegate_mysql_ddl::DdlError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("{0}")]
    Schema(String),
    #[error("{}", .0.text())]
    Connect(ConnectError),
    /// The task has stopped; nothing is wrong.
    #[error("the task has stopped")]
    Stopped,
}

impl BinlogError {
    /// What follows from it.
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::Connect(error) => error.kind(),
            Self::MySql(error) => error.kind(),
            Self::Table { source, .. } => source.kind(),
            Self::Connection(_)
            | Self::LockWait { .. }
            | Self::TablesChanged { .. }
            | Self::Spill { .. }
            | Self::Unreadable { .. } => ErrorKind::Retriable,
            Self::Refused(refusal) if refusal.is_passing() => ErrorKind::Retriable,
            Self::Refused(_)
            | Self::Server(_)
            | Self::NoBinlog
            | Self::PositionLost(_)
            | Self::Value(_)
            | Self::Ddl(_)
            | Self::Engine(_)
            | Self::Schema(_)
            | Self::Stopped => ErrorKind::Fatal,
        }
    }
}

impl SourceError for BinlogError {
    fn kind(&self) -> ErrorKind {
        BinlogError::kind(self)
    }
    fn is_stop(&self) -> bool {
        matches!(self, Self::Stopped)
    }
    fn longest_wait(&self) -> Duration {
        match self {
            // Each attempt holds up all writers for snapshot.lock.timeout.ms.
            Self::LockWait { .. } => Duration::from_mins(10),
            _ => Duration::from_mins(1),
        }
    }
}

/// What the server refuses stands for itself here, as the connector can do without some of it.
impl From<MySqlError> for BinlogError {
    fn from(error: MySqlError) -> Self {
        match error {
            MySqlError::Refused(refusal) if refusal.is_log_gone() => {
                Self::PositionLost(refusal.to_string())
            }
            MySqlError::Refused(refusal) => Self::Refused(refusal),
            other => Self::MySql(other),
        }
    }
}
impl From<mysql_async::Error> for BinlogError {
    fn from(error: mysql_async::Error) -> Self {
        MySqlError::from(error).into()
    }
}
impl From<tidegate_cdc::queue::Stopped> for BinlogError {
    fn from(_: tidegate_cdc::queue::Stopped) -> Self {
        Self::Stopped
    }
}
impl From<PlanError> for BinlogError {
    fn from(error: PlanError) -> Self {
        Self::Value(error.into())
    }
}
impl From<ConnectError> for BinlogError {
    fn from(error: ConnectError) -> Self {
        Self::Connect(error)
    }
}

impl From<BinlogError> for ConnectError {
    fn from(error: BinlogError) -> Self {
        match (error.kind(), error) {
            (_, BinlogError::Connect(error)) => error,
            (ErrorKind::Retriable, error) => ConnectError::new(ErrorKind::Retriable, error),
            (kind, error) => ConnectError::new(kind, error).with_java_class(DEBEZIUM_EXCEPTION),
        }
    }
}

const DEBEZIUM_EXCEPTION: &str = "io.debezium.DebeziumException";

#[cfg(test)]
mod tests {
    use mysql_async::ServerError;

    use super::*;

    fn server(code: u16, message: &str) -> BinlogError {
        BinlogError::from(mysql_async::Error::Server(ServerError {
            code,
            state: "HY000".to_owned(),
            message: message.to_owned(),
        }))
    }

    #[test]
    fn what_follows_from_an_error_follows_from_it_in_a_table_too() {
        for (code, kind) in [(1205, ErrorKind::Retriable), (1105, ErrorKind::Fatal)] {
            let error = server(code, "m");
            assert_eq!(error.kind(), kind, "{error}");
            let table = BinlogError::Table {
                table: "a.b".to_owned(),
                source: Box::new(error),
            };
            assert_eq!(ConnectError::from(table).kind(), kind);
        }
    }

    #[test]
    fn a_log_that_the_server_cannot_send_loses_the_position() {
        let gone = server(1236, "Could not find first log file name");
        assert!(matches!(gone, BinlogError::PositionLost(_)), "{gone:?}");
        let same =
            "A slave with the same server_uuid/server_id as this slave has connected to the master";
        let refused = server(1236, same);
        assert!(matches!(refused, BinlogError::Refused(_)), "{refused:?}");
    }
}
