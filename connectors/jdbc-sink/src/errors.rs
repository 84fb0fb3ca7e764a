//! Errors of the database, divided by what follows from them.

use tidegate_api::{ConnectError, ErrorKind};

#[derive(Debug, thiserror::Error)]
pub(crate) enum SinkError {
    /// The server is away, or asks to try again.
    #[error("{0}")]
    Transient(String),
    /// A row does not fit its table.
    #[error("{0}")]
    Row(String),
    /// The table is not what it was when it was last looked at.
    #[error("{0}")]
    StaleTable(String),
    #[error("{0}")]
    Fatal(String),
    #[error("{}", .0.text())]
    Connect(ConnectError),
}

impl From<ConnectError> for SinkError {
    fn from(error: ConnectError) -> Self {
        Self::Connect(error)
    }
}

impl From<sqlx::Error> for SinkError {
    fn from(error: sqlx::Error) -> Self {
        let sqlx::Error::Database(database) = &error else {
            return match error {
                sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed => Self::Transient(error.to_string()),
                other => Self::Fatal(other.to_string()),
            };
        };
        let code = database.code().unwrap_or_default().into_owned();
        let detail = database
            .try_downcast_ref::<sqlx::postgres::PgDatabaseError>()
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
            "42501" => Self::Fatal(format!("{text}. Grant the user the privilege")),
            "42P10" => Self::Fatal(format!(
                "{text}. The table needs a primary key or a unique index on exactly the key columns"
            )),
            "42804" | "42846" => Self::Fatal(format!(
                "{text}. Change the column's type, or the field's with a transformation"
            )),
            "23502" => Self::Row(format!(
                "{text}. Give the column a default or let it be null, or send the field"
            )),
            "42P01" | "42703" | "42704" | "0A000" => Self::StaleTable(text),
            _ if code.starts_with("08") || code.starts_with("53") => Self::Transient(text),
            _ if code.starts_with("22") || code.starts_with("23") || code == "21000" => {
                Self::Row(text)
            }
            _ => Self::Fatal(text),
        }
    }
}

impl From<SinkError> for ConnectError {
    fn from(error: SinkError) -> Self {
        match error {
            SinkError::Connect(error) => error,
            SinkError::Transient(_) => ConnectError::new(ErrorKind::Retriable, error),
            SinkError::Row(_) => ConnectError::new(ErrorKind::Data, error),
            SinkError::StaleTable(_) | SinkError::Fatal(_) => {
                ConnectError::new(ErrorKind::Fatal, error)
            }
        }
    }
}
