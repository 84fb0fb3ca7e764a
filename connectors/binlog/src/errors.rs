//! What can go wrong with a binlog source, divided by what follows from it. [`kind`](BinlogError::kind) is the one place that
//! decides whether it is tried again.

use std::fmt;

use mysql_async::{DriverError, ServerError};
use tidegate_api::{ConnectError, ErrorKind};
use tidegate_relational::table_plan::PlanError;

use crate::values::ValueError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum BinlogError {
    /// The server is away or has ended the connection.
    #[error("{0}")]
    Connection(String),
    /// The server cannot be used as it is set up.
    #[error("{0}")]
    Server(String),
    /// The server's own error.
    #[error(transparent)]
    Refused(#[from] Refusal),
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
    #[error("{0}")]
    Schema(String),
    #[error("{}", .0.text())]
    Connect(ConnectError),
    /// The task has stopped; nothing is wrong.
    #[error("the task has stopped")]
    Stopped,
}

/// An error that the server has sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) struct Refusal {
    pub(crate) code: u16,
    state: String,
    message: String,
}

impl From<ServerError> for Refusal {
    fn from(error: ServerError) -> Self {
        Self {
            code: error.code,
            state: error.state,
            message: error.message,
        }
    }
}

/// As Debezium's binlog client prints it, and what to do about it.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            code,
            state,
            message,
        } = self;
        write!(f, "{message} Error code: {code}; SQLSTATE: {state}.")?;
        let advice = match *code {
            1044 | 1142 | 1143 | 1227 => "Grant the privilege to the user that database.user names",
            1129 => "Unblock this host on the server with FLUSH HOSTS",
            1153 => "Raise max_allowed_packet on the server",
            1862 | 1820 | 4151 => "Change the password of the user that database.user names",
            _ if self.is_same_server_id() => "Give each connector a database.server.id of its own",
            _ => return Ok(()),
        };
        write!(f, " {advice}")
    }
}

impl Refusal {
    /// Whether the server may do later what it refuses now.
    ///
    /// Source: the error lists of MySQL 9 and MariaDB 11. What they do not know is for a person to see: a task that has
    /// failed loses nothing, one that tries the same for ever says nothing.
    fn is_passing(&self) -> bool {
        match self.code {
            // Too many connections, of all or of one user; no memory or thread for one more.
            1040 | 1041 | 1135 | 1203 | 1226
            // The host's name could not be looked up, the handshake broke.
            | 1042 | 1043
            // The server shuts down, starts, or is offline.
            | 1053 | 1077..=1080 | 3032 | 3168
            // The session was ended: aborted, killed, idle for too long, the other side not fast enough.
            | 1152 | 1154..=1161 | 1184 | 1189 | 1190 | 1927 | 2006 | 2013 | 3169 | 4031
            // The statement was: interrupted, too slow.
            | 1317 | 1969 | 3024
            // Others hold what it needs.
            | 1205 | 1213 | 1614 | 1637 | 3058 | 3572 => true,
            // No space on a disk, until somebody makes some: the server waits for it itself.
            1021 => true,
            // Connections and transactions by their class, for numbers of other versions and of proxies.
            _ => self.state.starts_with("08") || self.state.starts_with("40"),
        }
    }

    /// `ER_LOCK_WAIT_TIMEOUT`
    pub(crate) fn is_lock_wait(&self) -> bool {
        self.code == 1205
    }

    /// `ER_BAD_DB_ERROR`, `ER_BAD_TABLE_ERROR`, `ER_NO_SUCH_TABLE`, and `ER_TABLE_DEF_CHANGED` of a table that was altered
    /// since the transaction began.
    pub(crate) fn is_table_gone(&self) -> bool {
        matches!(self.code, 1049 | 1051 | 1146 | 1412)
    }

    /// Access denied to the account (which is also what `FLUSH TABLES` says on managed servers), to the table or to the
    /// statement.
    pub(crate) fn is_missing_privilege(&self) -> bool {
        matches!(self.code, 1045 | 1227 | 1142)
    }

    /// MariaDB has a number of its own for it; that of MySQL stands for everything that ends the reading of the log.
    fn is_same_server_id(&self) -> bool {
        matches!(self.code, ER_MASTER_FATAL_ERROR_READING_BINLOG | 4052)
            && self.message.contains("same server_uuid/server_id")
    }
}

const ER_MASTER_FATAL_ERROR_READING_BINLOG: u16 = 1236;

impl BinlogError {
    /// What follows from it.
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::Connect(error) => error.kind(),
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
            | Self::Schema(_)
            | Self::Stopped => ErrorKind::Fatal,
        }
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

impl From<mysql_async::Error> for BinlogError {
    fn from(error: mysql_async::Error) -> Self {
        match error {
            mysql_async::Error::Io(mysql_async::IoError::Io(error)) => {
                Self::Connection(error.to_string())
            }
            mysql_async::Error::Server(error) => {
                let refusal = Refusal::from(error);
                if refusal.code == ER_MASTER_FATAL_ERROR_READING_BINLOG
                    && !refusal.is_same_server_id()
                {
                    Self::PositionLost(refusal.to_string())
                } else {
                    Self::Refused(refusal)
                }
            }
            mysql_async::Error::Url(error) => Self::Server(format!(
                "{error}. Correct database.hostname and database.port"
            )),
            mysql_async::Error::Driver(error) => match refused_plugin(&error) {
                Some(text) => Self::Server(text),
                None => Self::Connection(mysql_async::Error::Driver(error).to_string()),
            },
            other => Self::Connection(other.to_string()),
        }
    }
}

/// The user authenticates by a way that the client library does not go, today as tomorrow.
fn refused_plugin(error: &DriverError) -> Option<String> {
    let reason = match error {
        DriverError::UnknownAuthPlugin { name } => {
            format!(
                "the user authenticates by the plugin '{name}', which the connector does not know"
            )
        }
        DriverError::CleartextPluginDisabled => {
            "the user authenticates by mysql_clear_password, which sends the password as it is"
                .to_owned()
        }
        DriverError::MysqlOldPasswordDisabled => {
            "the user's password has the old format of mysql_old_password, which is insecure"
                .to_owned()
        }
        _ => return None,
    };
    Some(format!(
        "{reason}. Give the user another plugin, on MySQL with ALTER USER … IDENTIFIED WITH caching_sha2_password BY …, on MariaDB with ALTER USER … IDENTIFIED VIA mysql_native_password USING PASSWORD(…)"
    ))
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
    use super::*;

    fn server(code: u16, state: &str, message: &str) -> BinlogError {
        BinlogError::from(mysql_async::Error::Server(ServerError {
            code,
            state: state.to_owned(),
            message: message.to_owned(),
        }))
    }

    #[test]
    fn what_passes_is_tried_again_and_the_unknown_is_shown() {
        fn check(code: u16, state: &str, kind: ErrorKind) {
            let error = server(code, state, "m");
            assert_eq!(error.kind(), kind, "{error}");
            let table = BinlogError::Table {
                table: "a.b".to_owned(),
                source: Box::new(error),
            };
            assert_eq!(ConnectError::from(table).kind(), kind);
        }
        for (code, state) in [
            (1040, "08004"),
            (1205, "HY000"),
            (1213, "40001"),
            (1317, "70100"),
            (1927, "70100"),
            (1969, "70100"),
            (3024, "HY000"),
            (4031, "HY000"),
            (1226, "42000"),
            // Known by their classes alone.
            (60_000, "08S01"),
            (60_000, "40001"),
        ] {
            check(code, state, ErrorKind::Retriable);
        }
        for (code, state) in [
            (1045, "28000"),
            (1064, "42000"),
            (1105, "HY000"),
            (1129, "HY000"),
            (1146, "42S02"),
            (1236, "HY000"),
            (60_000, "HY000"),
        ] {
            check(code, state, ErrorKind::Fatal);
        }
    }

    #[test]
    fn errors_of_the_server_say_what_to_do() {
        fn check(error: &BinlogError, text: &str) {
            assert_eq!(error.to_string(), text);
        }
        check(
            &server(1142, "42000", "SELECT command denied"),
            "SELECT command denied Error code: 1142; SQLSTATE: 42000. Grant the privilege to the user that database.user names",
        );
        let same =
            "A slave with the same server_uuid/server_id as this slave has connected to the master";
        check(
            &server(1236, "HY000", same),
            &format!(
                "{same} Error code: 1236; SQLSTATE: HY000. Give each connector a database.server.id of its own"
            ),
        );
        assert!(matches!(
            server(1236, "HY000", "Could not find first log file name"),
            BinlogError::PositionLost(_)
        ));
    }
}
