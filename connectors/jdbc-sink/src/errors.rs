//! Errors of the database, divided by what follows from them.

use tidegate_api::{ConnectError, ErrorKind};

#[derive(Debug, thiserror::Error)]
pub(crate) enum SinkError {
    /// The server is away, or asks to try again.
    #[error("{0}")]
    Transient(String),
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
            Self::Row { text, column } => Self::Row {
                text: say(text),
                column,
            },
            Self::StaleTable(text) => Self::StaleTable(say(text)),
            Self::Fatal(text) => Self::Fatal(say(text)),
            Self::Connect(error) => Self::Connect(error),
        }
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
                sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed => Self::Transient(text),
                _ => Self::Fatal(text),
            };
        };
        let code = database.code().unwrap_or_default().into_owned();
        let postgres = database.try_downcast_ref::<sqlx::postgres::PgDatabaseError>();
        let column = postgres.and_then(column);
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
            "40001" | "40P01" | "55P03" | "57P01" | "57P02" | "57P03" | "53300" => {
                Self::Transient(text)
            }
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
            "25006" => Self::Fatal(format!(
                "{text}. The server takes no writes: it is a standby, or default_transaction_read_only is on. Let connection.url name the primary"
            )),
            "57014" => Self::Fatal(format!(
                "{text}. Raise statement_timeout for the user (ALTER ROLE … SET statement_timeout), or see what the statement waits for"
            )),
            "42P10" => Self::Fatal(format!(
                "{text}. The table needs a primary key or a unique index on exactly the key columns"
            )),
            "42804" | "42846" => Self::Fatal(format!(
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
            "42P01" | "42703" | "42704" | "0A000" => Self::StaleTable(text),
            _ if code.starts_with("08") || code.starts_with("53") => Self::Transient(text),
            // A limit that the row's size is beyond, such as that of an index; a trigger that raises an exception.
            "54000" | "P0001" => Self::Row { text, column },
            _ if code.starts_with("22") || code.starts_with("23") || code == "21000" => {
                Self::Row { text, column }
            }
            _ => Self::Fatal(text),
        }
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
            SinkError::Transient(_) => ConnectError::new(ErrorKind::Retriable, error),
            SinkError::Row { .. } => ConnectError::new(ErrorKind::Data, error),
            SinkError::StaleTable(_) | SinkError::Fatal(_) => {
                ConnectError::new(ErrorKind::Fatal, error)
            }
        }
    }
}
