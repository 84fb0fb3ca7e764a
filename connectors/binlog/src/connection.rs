//! Connections to the server.

use std::time::Duration;

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Opts, OptsBuilder, SslOpts};

use crate::config::Settings;
use crate::errors::BinlogError;
use crate::flavor::Flavor;

/// As much as the protocol's largest setting allows.
const MAX_PACKET_BYTES: usize = 1 << 30;

fn options(settings: &Settings, tls: Option<SslOpts>) -> Opts {
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

/// A new session in UTC and utf8mb4.
///
/// # Errors
/// With host, port and user, and what to do; never with the password.
pub(crate) async fn open(settings: &Settings) -> Result<Conn, BinlogError> {
    let attempts = settings
        .ssl
        .attempts()
        .map_err(|error| BinlogError::Server(error.text))?;
    let last = attempts.len() - 1;
    for (index, tls) in attempts.into_iter().enumerate() {
        match tokio::time::timeout(settings.connect_timeout, Conn::new(options(settings, tls)))
            .await
        {
            Ok(Ok(mut conn)) => {
                conn.query_drop("SET NAMES utf8mb4").await?;
                conn.query_drop("SET SESSION time_zone = '+00:00'").await?;
                return Ok(conn);
            }
            Ok(Err(mysql_async::Error::Driver(
                mysql_async::DriverError::NoClientSslFlagFromServer,
            ))) if index < last => {}
            Ok(Err(error)) => return Err(described(settings, error)),
            Err(_) => {
                return Err(BinlogError::Connection(format!(
                    "Timed out after {} seconds while waiting to connect to database at {}:{} with user '{}'",
                    settings.connect_timeout.as_secs(),
                    settings.hostname,
                    settings.port,
                    settings.user
                )));
            }
        }
    }
    Err(BinlogError::Connection(format!(
        "no way to connect to {}:{} was left",
        settings.hostname, settings.port
    )))
}

fn described(settings: &Settings, error: mysql_async::Error) -> BinlogError {
    let (host, port, user) = (&settings.hostname, settings.port, &settings.user);
    if let Some(text) = unencrypted(settings, &error) {
        return BinlogError::Server(format!(
            "Unable to connect to the database at {host}:{port} with user '{user}': {text}"
        ));
    }
    match BinlogError::from(error) {
        BinlogError::Server(text) => BinlogError::Server(format!(
            "Failed to authenticate to the database at {host}:{port} with user '{user}': {text} Check database.user and database.password, and that the user may connect from this host"
        )),
        other => BinlogError::Connection(format!(
            "Unable to connect to the database at {host}:{port} with user '{user}': {other}"
        )),
    }
}

/// Why the server and `database.ssl.*` do not go together; `None` if that is not what is wrong.
fn unencrypted(settings: &Settings, error: &mysql_async::Error) -> Option<String> {
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
                    "the server's certificate is not trusted (database.ssl.mode={mode}): {text}. Name the file with the certificate that signed it in {} (PEM, PKCS12 or JKS)",
                    crate::tls::TRUSTSTORE
                ))
            } else {
                None
            }
        }
        _ => None,
    }
}

/// Checks that the server writes what this connector can read.
pub(crate) async fn check_binlog(conn: &mut Conn, flavor: Flavor) -> Result<(), BinlogError> {
    if crate::queries::variable(conn, "log_bin")
        .await?
        .is_some_and(|value| value == "OFF")
    {
        return Err(BinlogError::NoBinlog);
    }
    let format = crate::queries::variable(conn, "binlog_format").await?;
    if let Some(format) = format.filter(|format| !format.eq_ignore_ascii_case("ROW")) {
        return Err(BinlogError::Server(format!(
            "The database server is not configured to use a ROW binlog_format, which is required for this connector to work properly. Change the database configuration to use a binlog_format=ROW and restart the connector. (It is {format}.)"
        )));
    }
    let image = crate::queries::variable(conn, "binlog_row_image").await?;
    if let Some(image) = image.filter(|image| !image.eq_ignore_ascii_case("FULL")) {
        return Err(BinlogError::Server(format!(
            "The database server is not configured to use a FULL binlog_row_image, which is required for this connector to work properly. Change the database configuration to use a binlog_row_image=FULL and restart the connector. (It is {image}.)"
        )));
    }
    if flavor == Flavor::MySql
        && crate::queries::variable(conn, "binlog_row_value_options")
            .await?
            .is_some_and(|value| value.eq_ignore_ascii_case("PARTIAL_JSON"))
    {
        return Err(BinlogError::Server(
            "The server writes only the changed parts of JSON columns (binlog_row_value_options=PARTIAL_JSON), from which no change records can be made. Set binlog_row_value_options='' and restart the connector".to_owned(),
        ));
    }
    Ok(())
}
