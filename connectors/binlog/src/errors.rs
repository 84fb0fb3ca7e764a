//! What can go wrong with a binlog source, divided by what follows from it.

use tidegate_api::{ConnectError, ErrorKind};

use crate::values::ValueError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum BinlogError {
    /// The server is away or has ended the connection.
    #[error("{0}")]
    Connection(String),
    /// The server refuses who asks, or what is asked.
    #[error("{0}")]
    Server(String),
    #[error(
        "Cannot read the binlog filename and position: the server writes no binary log (log_bin=OFF), or the user lacks the privilege to see its position (BINLOG MONITOR on MariaDB, REPLICATION CLIENT on MySQL). \
         Start the server with --log-bin and --binlog-format=ROW, or grant the privilege"
    )]
    NoBinlog,
    /// The position is no longer in the server's logs.
    #[error("{0}")]
    PositionLost(String),
    #[error(transparent)]
    Value(#[from] ValueError),
    #[error(transparent)]
    Ddl(#[from] tidegate_mysql_ddl::DdlError),
    #[error("{0}")]
    Schema(String),
    #[error("{}", .0.text())]
    Connect(ConnectError),
    /// The task has stopped; nothing is wrong.
    #[error("the task has stopped")]
    Stopped,
}

impl From<tidegate_cdc::queue::Stopped> for BinlogError {
    fn from(_: tidegate_cdc::queue::Stopped) -> Self {
        Self::Stopped
    }
}
impl From<ConnectError> for BinlogError {
    fn from(error: ConnectError) -> Self {
        Self::Connect(error)
    }
}

impl From<mysql_async::Error> for BinlogError {
    fn from(error: mysql_async::Error) -> Self {
        match error {
            mysql_async::Error::Io(mysql_async::IoError::Io(error)) => {
                Self::Connection(error.to_string())
            }
            mysql_async::Error::Server(error) => {
                let text = format!(
                    "{} Error code: {}; SQLSTATE: {}.",
                    error.message, error.code, error.state
                );
                match error.code {
                    // MariaDB has a number of its own for it.
                    1236 | 4052 if error.message.contains("same server_uuid/server_id") => {
                        Self::Server(format!(
                            "{text} Give each connector a database.server.id of its own"
                        ))
                    }
                    // ER_MASTER_FATAL_ERROR_READING_BINLOG
                    1236 => Self::PositionLost(text),
                    // Shutdown, too many connections, killed, lock wait timeout, deadlock.
                    1053 | 1040 | 1927 | 1205 | 1213 | 1203 => Self::Connection(text),
                    // Access denied to a database, a table, a column, a statement.
                    1044 | 1142 | 1143 | 1227 => Self::Server(format!(
                        "{text} Grant the privilege to the user that database.user names"
                    )),
                    _ => Self::Server(text),
                }
            }
            other => Self::Connection(other.to_string()),
        }
    }
}

impl From<BinlogError> for ConnectError {
    fn from(error: BinlogError) -> Self {
        match error {
            BinlogError::Connect(error) => error,
            BinlogError::Connection(_) => ConnectError::new(ErrorKind::Retriable, error),
            BinlogError::Server(_)
            | BinlogError::NoBinlog
            | BinlogError::PositionLost(_)
            | BinlogError::Value(_)
            | BinlogError::Ddl(_)
            | BinlogError::Schema(_)
            | BinlogError::Stopped => {
                ConnectError::new(ErrorKind::Fatal, error).with_java_class(DEBEZIUM_EXCEPTION)
            }
        }
    }
}

const DEBEZIUM_EXCEPTION: &str = "io.debezium.DebeziumException";
