//! What can go wrong between a client and a server, divided by what follows from it. [`kind`](MySqlError::kind) is the one
//! place that decides whether it is tried again.
//!
//! Texts name the settings of a connection as the connectors' properties do: `database.user`.

use std::fmt;

use mysql_async::{DriverError, ServerError};
use tidegate_api::ErrorKind;

#[derive(Debug, thiserror::Error)]
pub enum MySqlError {
    /// The server is away or has ended the connection.
    #[error("{0}")]
    Connection(String),
    /// The server cannot be used as it is set up.
    #[error("{0}")]
    Server(String),
    /// The server's own error.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl MySqlError {
    /// What follows from it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Connection(_) => ErrorKind::Retriable,
            Self::Refused(refusal) if refusal.is_passing() => ErrorKind::Retriable,
            Self::Refused(_) | Self::Server(_) => ErrorKind::Fatal,
        }
    }
}

/// An error that the server has sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Refusal {
    pub code: u16,
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
    pub fn is_passing(&self) -> bool {
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
    pub fn is_lock_wait(&self) -> bool {
        self.code == 1205
    }

    /// `ER_BAD_DB_ERROR`, `ER_BAD_TABLE_ERROR`, `ER_NO_SUCH_TABLE`, and `ER_TABLE_DEF_CHANGED` of a table that was altered
    /// since the transaction began.
    pub fn is_table_gone(&self) -> bool {
        matches!(self.code, 1049 | 1051 | 1146 | 1412)
    }

    /// A statement that is wrong, or that names no database.
    pub fn is_of_syntax_or_database(&self) -> bool {
        ["42000", "3D000"].contains(&self.state.as_str())
    }

    /// Access denied to the account (which is also what `FLUSH TABLES` says on managed servers), to the table or to the
    /// statement.
    pub fn is_missing_privilege(&self) -> bool {
        matches!(self.code, 1045 | 1227 | 1142)
    }

    /// The server can no longer send what was asked for of its binary log.
    pub fn is_log_gone(&self) -> bool {
        self.code == ER_MASTER_FATAL_ERROR_READING_BINLOG && !self.is_same_server_id()
    }

    /// MariaDB has a number of its own for it; that of MySQL stands for everything that ends the reading of the log.
    fn is_same_server_id(&self) -> bool {
        matches!(self.code, ER_MASTER_FATAL_ERROR_READING_BINLOG | 4052)
            && self.message.contains("same server_uuid/server_id")
    }
}

const ER_MASTER_FATAL_ERROR_READING_BINLOG: u16 = 1236;

impl From<mysql_async::Error> for MySqlError {
    fn from(error: mysql_async::Error) -> Self {
        match error {
            mysql_async::Error::Io(mysql_async::IoError::Io(error)) => {
                Self::Connection(error.to_string())
            }
            mysql_async::Error::Server(error) => Self::Refused(error.into()),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn server(code: u16, state: &str, message: &str) -> MySqlError {
        MySqlError::from(mysql_async::Error::Server(ServerError {
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
        fn check(error: &MySqlError, text: &str) {
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
        for (message, is_gone) in [(same, false), ("Could not find first log file name", true)] {
            let MySqlError::Refused(refusal) = server(1236, "HY000", message) else {
                panic!("{message}");
            };
            assert_eq!(refusal.is_log_gone(), is_gone, "{message}");
        }
    }
}
