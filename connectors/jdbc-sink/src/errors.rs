//! Errors of the database, divided by what follows from them.

use std::io;

use tidegate_api::{ConnectError, ErrorKind};

use crate::dialect::postgres::catalog::OTHER_STATEMENT;

#[derive(Debug, thiserror::Error)]
pub(crate) enum SinkError {
    /// The server is away, or asks to try again.
    #[error("{0}")]
    Transient(String),
    /// The session has ended, or is not the one that it was.
    #[error("{0}")]
    SessionLost(String),
    /// A pooler has let the session's prepared statements be another's.
    #[error("{0}")]
    StatementLost(String),
    /// The server is a standby, or takes no writes by a setting.
    #[error("{0}")]
    ReadOnly(String),
    /// A row does not fit its table; the column, or several, if the database says which.
    #[error("{text}")]
    Row {
        text: String,
        column: Option<String>,
    },
    /// The table is not what it was when it was last looked at.
    #[error("{0}")]
    StaleTable(String),
    #[error("{0}")]
    Fatal(String),
    #[error("{}", .0.text())]
    Connect(ConnectError),
}

impl SinkError {
    /// The same with more said; errors of the framework stay as they are.
    pub(crate) fn map(self, say: impl FnOnce(String) -> String) -> Self {
        match self {
            Self::Transient(text) => Self::Transient(say(text)),
            Self::SessionLost(text) => Self::SessionLost(say(text)),
            Self::StatementLost(text) => Self::StatementLost(say(text)),
            Self::ReadOnly(text) => Self::ReadOnly(say(text)),
            Self::Row { text, column } => Self::Row {
                text: say(text),
                column,
            },
            Self::StaleTable(text) => Self::StaleTable(say(text)),
            Self::Fatal(text) => Self::Fatal(say(text)),
            Self::Connect(error) => Self::Connect(error),
        }
    }
    /// Whether the same may succeed on another session, without anybody's help.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Transient(_) | Self::SessionLost(_) | Self::StatementLost(_)
        )
    }
}

impl From<ConnectError> for SinkError {
    fn from(error: ConnectError) -> Self {
        Self::Connect(error)
    }
}

impl From<sqlx::Error> for SinkError {
    fn from(error: sqlx::Error) -> Self {
        let sqlx::Error::Database(database) = &error else {
            let text = error.to_string();
            return match error {
                _ if distrusts(&error) => Self::Fatal(format!(
                    "{text}. Let sslrootcert of connection.url name the certificate of the authority that signed the server's, and connection.url the host that it is for; sslmode=require does without verification"
                )),
                sqlx::Error::Tls(_) if text.contains("does not support TLS") => {
                    Self::Fatal(format!(
                        "{text}. Switch it on (ssl = on in postgresql.conf), or take sslmode=prefer or disable in connection.url"
                    ))
                }
                // Who has waited in vain does not wait again at once.
                sqlx::Error::Io(io) if io.kind() == io::ErrorKind::TimedOut => {
                    Self::Transient(text)
                }
                sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed => Self::SessionLost(text),
                _ => Self::Fatal(text),
            };
        };
        let code = database.code().unwrap_or_default().into_owned();
        let postgres = database.try_downcast_ref::<sqlx::postgres::PgDatabaseError>();
        let column = postgres.and_then(column);
        // Parameters that are read as those of another statement.
        let misread = postgres
            .and_then(sqlx::postgres::PgDatabaseError::routine)
            .is_some_and(|routine| matches!(routine, "array_recv" | "exec_bind_message"));
        let of_policy =
            postgres.is_some_and(|error| error.routine() == Some("ExecWithCheckOptions"));
        let detail = postgres
            .and_then(|error| error.detail())
            // Row values are not for logs.
            .filter(|detail| !detail.starts_with("Failing row contains"))
            .map(|detail| format!(" ({detail})"))
            .unwrap_or_default();
        let text = format!("{}{detail} [SQLSTATE {code}]", database.message());
        match code.as_str() {
            // What is locked or used by others now.
            "55P03" | "55006" => Self::Transient(text),
            "57014" => Self::Fatal(format!(
                "{text}. Raise statement_timeout for the user (ALTER ROLE … SET statement_timeout), or see what the statement waits for"
            )),
            "25006" => Self::ReadOnly(format!(
                "{text}. The server takes no writes: it is a standby, or default_transaction_read_only is on. Let connection.url name the primary"
            )),
            // Sessions that were ended, for idleness, at a shutdown or by an administrator; and what only a pooler does that
            // hands its sessions around: statements, portals, savepoints and transactions that are not there.
            "26000" | "42P05" | "34000" => Self::StatementLost(pooled(&text)),
            "42804" | "22P03" | "08P01" if misread => Self::StatementLost(pooled(&text)),
            "42P01" if text.contains(OTHER_STATEMENT) => Self::StatementLost(pooled(&text)),
            "3B001" | "2D000" | "24000" => Self::SessionLost(text),
            _ if ["08", "25", "57"].contains(&class(&code)) => Self::SessionLost(text),
            // Serialization failures and deadlocks; resources; errors of the system; rows of the catalog that somebody
            // changes at the same time.
            _ if ["40", "53", "58"].contains(&class(&code)) => Self::Transient(text),
            "XX000" if text.starts_with("tuple concurrently ") => Self::Transient(text),
            // What extensions say of a value (PostGIS of a broken geometry), and the server of one that is too large.
            "XX000" => Self::Row { text, column },
            "28P01" | "28000" => Self::Fatal(format!(
                "{text}. Check the user and password of the connection, and pg_hba.conf"
            )),
            "3D000" => Self::Fatal(format!(
                "{text}. Create the database, or correct connection.url"
            )),
            _ if of_policy => Self::Row { text, column },
            "42501" => Self::Fatal(format!(
                "{text}. Grant the user the privilege; ALTER TABLE needs the table's owner"
            )),
            "42P10" => Self::Fatal(format!(
                "{text}. The table needs a primary key or a unique index on exactly the key columns"
            )),
            // First a sign that the column has another type now.
            "42804" | "42846" | "42883" => Self::StaleTable(format!(
                "{text}. Change the column's type, or the field's with a transformation"
            )),
            "23502" => Self::Row {
                text: format!(
                    "{text}. Give the column a default or let it be null, or send the field"
                ),
                column,
            },
            "23503" => Self::Row {
                text: format!(
                    "{text}. Let the same task write the table that is referred to, or drop the constraint"
                ),
                column,
            },
            "42P01" | "42703" | "42704" | "42809" | "428C9" | "3F000" | "0A000" => {
                Self::StaleTable(text)
            }
            // A limit that the row's size is beyond, such as that of an index, or the number of its columns.
            "54000" | "54011" | "21000" => Self::Row { text, column },
            _ if is_of_a_row(class(&code)) => Self::Row { text, column },
            _ => Self::Fatal(text),
        }
    }
}

fn pooled(text: &str) -> String {
    format!(
        "{text}. A pooler may give each transaction another session: prepareThreshold=0 in connection.url does without prepared statements"
    )
}

/// The first two characters of an SQLSTATE.
fn class(code: &str) -> &str {
    code.get(..2).unwrap_or_default()
}

/// Whether errors of a class say that a row does not fit: data exceptions, constraints, the WITH CHECK OPTION of views, and
/// what triggers and functions raise, also with codes of their own.
///
/// Source: PostgreSQL's manual, appendix "PostgreSQL Error Codes"; SQL keeps classes from 5 to 9 and from I to Z for others
/// than the standard, of which P0 and XX are PostgreSQL's.
fn is_of_a_row(class: &str) -> bool {
    match class {
        "22" | "23" | "44" | "09" | "27" | "2F" | "38" | "39" | "P0" => true,
        "53" | "54" | "55" | "57" | "58" | "72" | "XX" => false,
        other => other.starts_with(|first| matches!(first, '5'..='9' | 'I'..='Z')),
    }
}

/// Whether the server's certificate is not signed by an authority that is trusted, or is not for its host.
pub(crate) fn distrusts(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Tls(cause) if cause.to_string().contains("certificate verify failed"))
}

/// The column of a null, or those of a key that is missing or there already: `Key (a, b)=(1, 2) …`.
fn column(error: &sqlx::postgres::PgDatabaseError) -> Option<String> {
    let of_key = || {
        let (_, behind) = error.detail()?.split_once('(')?;
        let (columns, _) = behind.split_once(")=(")?;
        Some(columns.to_owned())
    };
    error.column().map(str::to_owned).or_else(of_key)
}

impl From<SinkError> for ConnectError {
    fn from(error: SinkError) -> Self {
        match error {
            SinkError::Connect(error) => error,
            SinkError::Transient(_) | SinkError::SessionLost(_) | SinkError::StatementLost(_) => {
                ConnectError::new(ErrorKind::Retriable, error)
            }
            SinkError::Row { .. } => ConnectError::new(ErrorKind::Data, error),
            SinkError::StaleTable(_) | SinkError::ReadOnly(_) | SinkError::Fatal(_) => {
                ConnectError::new(ErrorKind::Fatal, error)
            }
        }
    }
}
