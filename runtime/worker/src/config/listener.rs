//! Addresses of the REST server.
//!
//! Source: `org.apache.kafka.connect.runtime.rest.RestServer`.

use std::net::{Ipv4Addr, UdpSocket};

use tidegate_api::Props;

use super::{config_error, keys};
use crate::errors::WorkerError;

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listener {
    /// Empty: all interfaces.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Listener {
    /// The listeners of `listeners`, or of the early `rest.host.name` and `rest.port`.
    pub(crate) fn of_worker(props: &Props) -> Result<Vec<Self>, WorkerError> {
        let early_host = props.get(&keys::REST_HOST_NAME).map_err(config_error)?;
        let early_port = props.get(&keys::REST_PORT).map_err(config_error)?;
        let is_early = early_host.is_some() || early_port.is_some();
        if is_early && !props.contains(keys::LISTENERS.name()) {
            let port = u16::try_from(early_port.unwrap_or(8083)).map_err(|_| {
                WorkerError::config("Invalid value for configuration rest.port: no port number")
            })?;
            return Ok(vec![Self {
                host: early_host.unwrap_or_default(),
                port,
            }]);
        }
        let urls = props.get(&keys::LISTENERS).map_err(config_error)?;
        urls.iter()
            .map(|url| Self::parse(keys::LISTENERS.name(), url))
            .collect()
    }

    pub(crate) fn of_admin(props: &Props) -> Result<Option<Vec<Self>>, WorkerError> {
        let urls = props.get(&keys::ADMIN_LISTENERS).map_err(config_error)?;
        urls.map(|urls| {
            urls.iter()
                .map(|url| Self::parse(keys::ADMIN_LISTENERS.name(), url))
                .collect()
        })
        .transpose()
    }

    fn parse(key: &str, url: &str) -> Result<Self, WorkerError> {
        let malformed =
            || WorkerError::Config(format!("Listener doesn't have the right format or defined protocol: {url}"));
        let (scheme, address) = url.split_once("://").ok_or_else(malformed)?;
        if scheme.eq_ignore_ascii_case("https") {
            return Err(WorkerError::Config(format!(
                "{key}={url}: https listeners are not supported; use http behind a proxy that terminates TLS"
            )));
        }
        if !scheme.eq_ignore_ascii_case("http") {
            return Err(malformed());
        }
        let (host, port) = address.trim_end_matches('/').rsplit_once(':').ok_or_else(malformed)?;
        let host = host.strip_prefix('[').map_or(Some(host), |inner| inner.strip_suffix(']'));
        Ok(Self {
            host: host.ok_or_else(malformed)?.to_owned(),
            port: port.parse().map_err(|_| malformed())?,
        })
    }

    /// What to bind: all interfaces for an empty host.
    pub(crate) fn bind_address(&self) -> (String, u16) {
        let host = if self.host.is_empty() { "0.0.0.0" } else { &self.host };
        (host.to_owned(), self.port)
    }
}

/// Host and port under which others reach this worker: the worker's id in statuses. `port` is that of the first
/// listener, as bound.
pub(crate) fn advertised(props: &Props, listener: &Listener, port: u16) -> Result<String, WorkerError> {
    let scheme = props.get(&keys::REST_ADVERTISED_LISTENER).map_err(config_error)?;
    if scheme.is_some_and(|scheme| !scheme.eq_ignore_ascii_case("http")) {
        return Err(WorkerError::config(
            "rest.advertised.listener: only http is supported; remove the property",
        ));
    }
    let host = props
        .get(&keys::REST_ADVERTISED_HOST_NAME)
        .map_err(config_error)?
        .filter(|host| !host.is_empty())
        .unwrap_or_else(|| match listener.host.as_str() {
            "" | "0.0.0.0" | "::" => own_address(),
            host => host.to_owned(),
        });
    let port = props
        .get(&keys::REST_ADVERTISED_PORT)
        .map_err(config_error)?
        .map_or_else(|| port.to_string(), |port| port.to_string());
    if host.contains(':') {
        return Ok(format!("[{host}]:{port}"));
    }
    Ok(format!("{host}:{port}"))
}

/// The address of the interface that leads out of this machine. Nothing is sent: connecting a datagram socket only
/// chooses a route.
fn own_address() -> String {
    UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))
        .and_then(|socket| {
            socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
            socket.local_addr()
        })
        .map_or_else(|_| Ipv4Addr::LOCALHOST.to_string(), |address| address.ip().to_string())
}
