//! Connections to the server.

use std::sync::Arc;
use std::time::Duration;

use mysql_async::{Conn, Opts, OptsBuilder, SslOpts};
use tidegate_api::ErrorKind;
use tidegate_api::config::Password;
use tracing::warn;

use crate::MySqlError;
use crate::queries;
use crate::sessions::{AtOnce, CutOff, Session};
use crate::tls::{SslSettings, TRUSTSTORE};

/// How to reach a server.
#[derive(Debug, Clone)]
pub struct ConnectionSettings {
    pub hostname: String,
    pub port: u16,
    pub user: String,
    pub password: Password,
    pub ssl: SslSettings,
    pub connect_timeout: Duration,
    /// `database.query.timeout.ms`: how long the server may send no row; `None` for any time.
    pub query_timeout: Option<Duration>,
}

/// As much as the protocol's largest setting allows.
const MAX_PACKET_BYTES: usize = 1 << 30;

fn options(settings: &ConnectionSettings, tls: Option<SslOpts>) -> Opts {
    OptsBuilder::default()
        .ip_or_hostname(settings.hostname.clone())
        .tcp_port(settings.port)
        .user(Some(settings.user.clone()))
        .pass(Some(settings.password.reveal().to_owned()))
        .prefer_socket(false)
        .tcp_keepalive(Some(Duration::from_mins(1)))
        .stmt_cache_size(0)
        // By default it is the server's, which an event may exceed: its own limit is that of a statement.
        .max_allowed_packet(Some(MAX_PACKET_BYTES))
        .wait_timeout(Some(86_400))
        .ssl_opts(tls)
        .into()
}

/// What every session sets: UTC and utf8mb4, no padding of CHAR and no quoting of names by `sql_mode`, and no limit of
/// time for a snapshot's long queries. Whatever holds the records up, a paused connector or a broker that is away, holds
/// up the server's writes, too, or leaves the session idle in its transaction: both may last a day.
const SESSION_SETTINGS: &str = "SET SESSION time_zone = '+00:00', SESSION sql_mode = '', SESSION net_write_timeout = 86400, SESSION wait_timeout = 86400 \
    /*M!100300 , SESSION max_statement_time = 0, SESSION idle_transaction_timeout = 0, SESSION idle_readonly_transaction_timeout = 0 */ /*!50708 , SESSION max_execution_time = 0 */";

/// Ending sessions that were cut off takes no longer than this.
const END_LIMIT: Duration = Duration::from_secs(2);

/// A server, and the sessions of one task on it.
#[derive(Debug)]
pub struct Server {
    settings: Arc<ConnectionSettings>,
    cut_off: CutOff,
}

impl Server {
    pub fn new(settings: Arc<ConnectionSettings>) -> Self {
        Self {
            settings,
            cut_off: CutOff::default(),
        }
    }

    /// A new session in UTC and utf8mb4.
    ///
    /// # Errors
    /// With host, port and user, and what to do; never with the password.
    pub async fn open(&self) -> Result<Session, MySqlError> {
        let settings = &*self.settings;
        let limit = settings.connect_timeout;
        let opened = tokio::time::timeout(limit, AtOnce::new(self.opened())).await;
        opened.unwrap_or_else(|_| {
            Err(MySqlError::Connection(format!(
                "Timed out after {} seconds while waiting to connect to database at {}:{} with user '{}'",
                limit.as_secs(),
                settings.hostname,
                settings.port,
                settings.user
            )))
        })
    }

    async fn opened(&self) -> Result<Session, MySqlError> {
        let mut session = Session::new(
            self.connect().await?,
            &self.cut_off,
            self.settings.query_timeout,
        );
        prepare(&mut session).await.map_err(|error| match error {
            MySqlError::Connection(text) => unreachable_server(&self.settings, text),
            other => other,
        })?;
        Ok(session)
    }

    async fn connect(&self) -> Result<Conn, MySqlError> {
        let settings = &*self.settings;
        let attempts = settings
            .ssl
            .attempts()
            .map_err(|error| MySqlError::Server(error.text))?;
        let last = attempts.len() - 1;
        for (index, tls) in attempts.into_iter().enumerate() {
            match Conn::new(options(settings, tls)).await {
                Ok(conn) => return Ok(conn),
                Err(mysql_async::Error::Driver(
                    mysql_async::DriverError::NoClientSslFlagFromServer,
                )) if index < last => {}
                Err(error) => return Err(described(settings, error)),
            }
        }
        Err(MySqlError::Connection(format!(
            "no way to connect to {}:{} was left",
            settings.hostname, settings.port
        )))
    }

    /// Sees to it that no session that was given up in the middle of something works on. Takes a limited time.
    pub async fn end_cut_off(&self) {
        if self.cut_off.is_empty() {
            return;
        }
        let end = async {
            let mut session = self.open().await?;
            self.cut_off.end(&mut session).await?;
            session.disconnect().await;
            Ok::<(), MySqlError>(())
        };
        let reason = match tokio::time::timeout(END_LIMIT, end).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("the server has not answered within {END_LIMIT:?}"),
        };
        warn!(
            "Unless the server has ended itself, it may still be at work for sessions that were cut off: {}. They could not be ended: {reason}. End them with KILL",
            self.cut_off
        );
    }
}

/// What every session begins with.
async fn prepare(session: &mut Session) -> Result<(), MySqlError> {
    session.query_drop("SET NAMES utf8mb4").await?;
    session.query_drop(SESSION_SETTINGS).await?;
    if let Some(id) = queries::own_session(session).await? {
        session.known_as(id);
    }
    Ok(())
}

fn unreachable_server(settings: &ConnectionSettings, cause: impl std::fmt::Display) -> MySqlError {
    let (host, port, user) = (&settings.hostname, settings.port, &settings.user);
    MySqlError::Connection(format!(
        "Unable to connect to the database at {host}:{port} with user '{user}': {cause}"
    ))
}

fn described(settings: &ConnectionSettings, error: mysql_async::Error) -> MySqlError {
    let (host, port, user) = (&settings.hostname, settings.port, &settings.user);
    if let Some(text) = unencrypted(settings, &error) {
        return MySqlError::Server(format!(
            "Unable to connect to the database at {host}:{port} with user '{user}': {text}"
        ));
    }
    match MySqlError::from(error) {
        refused @ MySqlError::Refused(_) if refused.kind() != ErrorKind::Retriable => {
            MySqlError::Server(format!(
                "Failed to authenticate to the database at {host}:{port} with user '{user}': {refused} Check database.user and database.password, and that the user may connect from this host"
            ))
        }
        MySqlError::Server(text) => MySqlError::Server(format!(
            "Unable to connect to the database at {host}:{port} with user '{user}': {text}"
        )),
        other => unreachable_server(settings, other),
    }
}

/// Why the server and `database.ssl.*` do not go together; `None` if that is not what is wrong.
fn unencrypted(settings: &ConnectionSettings, error: &mysql_async::Error) -> Option<String> {
    let mode = &settings.ssl.mode_name;
    match error {
        mysql_async::Error::Driver(mysql_async::DriverError::NoClientSslFlagFromServer) => {
            Some(format!(
                "the server does not support SSL, which database.ssl.mode={mode} asks for. Enable TLS on the server (ssl_cert, ssl_key), or change database.ssl.mode"
            ))
        }
        mysql_async::Error::Io(mysql_async::IoError::Tls(error)) => {
            let text = error.to_string();
            if text.contains("ostname mismatch") || text.contains("IP address mismatch") {
                Some(format!(
                    "the server's certificate is for another host (database.ssl.mode={mode}): {text}. Name in database.hostname what the certificate names, give the server a certificate for this host, or check the signature alone with {}",
                    if mode.contains('-') {
                        "verify-ca"
                    } else {
                        "verify_ca"
                    }
                ))
            } else if text.contains("certificate verify failed") {
                Some(format!(
                    "the server's certificate is not trusted (database.ssl.mode={mode}): {text}. Name the file with the certificate that signed it in {TRUSTSTORE} (PEM, PKCS12 or JKS)"
                ))
            } else {
                None
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use mysql_async::{DriverError, Error, UrlError};

    use super::*;
    use crate::tls::SslMode;

    #[test]
    fn what_no_further_attempt_mends_is_not_tried_again() {
        fn check(error: Error, kind: ErrorKind, parts: &[&str]) {
            let settings = ConnectionSettings {
                hostname: "db".to_owned(),
                port: 3306,
                user: "u".to_owned(),
                password: Password::new("s3cret"),
                ssl: SslSettings {
                    mode: SslMode::Preferred,
                    mode_name: "preferred".to_owned(),
                    truststore: None,
                    keystore: None,
                },
                connect_timeout: Duration::from_secs(30),
                query_timeout: None,
            };
            let error = described(&settings, error);
            let text = error.to_string();
            assert_eq!(error.kind(), kind, "{text}");
            let head = "Unable to connect to the database at ";
            for part in parts.iter().chain([&head]) {
                assert!(text.contains(part), "{part} is not in: {text}");
            }
        }
        let unknown = DriverError::UnknownAuthPlugin {
            name: "authentication_ldap".to_owned(),
        };
        let alter = "ALTER USER";
        let fatal = ErrorKind::Fatal;
        check(
            Error::Driver(unknown),
            fatal,
            &["'authentication_ldap'", alter],
        );
        let clear = DriverError::CleartextPluginDisabled;
        check(
            Error::Driver(clear),
            fatal,
            &["mysql_clear_password", alter],
        );
        let old = DriverError::MysqlOldPasswordDisabled;
        check(Error::Driver(old), fatal, &["mysql_old_password", alter]);
        check(Error::Url(UrlError::Invalid), fatal, &["database.hostname"]);
        let closed = DriverError::ConnectionClosed;
        check(Error::Driver(closed), ErrorKind::Retriable, &[]);
    }
}
