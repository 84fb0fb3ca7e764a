//! The worker's own configuration.
//!
//! Source: `org.apache.kafka.connect.runtime.{WorkerConfig,distributed.DistributedConfig,standalone.StandaloneConfig}`.

pub(crate) mod headers;
mod reference;

use std::time::Duration;

use tidegate_api::config::{ConfigDef, Password, enumerated, invalid};
use tidegate_api::{ConfigKey, ConnectError, Props};
use tidegate_tasks::TaskSettings;
use tracing::warn;

use self::headers::{CrossOrigin, ResponseHeaders};
pub use self::reference::{WorkerSetting, worker_settings};
use crate::overrides::{self, OverridePolicy};
use crate::providers;

/// Where the worker keeps configurations and statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// On topics; connectors come by REST and survive restarts.
    Distributed,
    /// In memory; connectors come from files, only offsets survive.
    Standalone,
}

/// Directory of the embedded log, used without `bootstrap.servers`.
pub static EMBEDDED_DATA_DIR: ConfigKey<String> =
    ConfigKey::new("embedded.data.dir", "./tidegate-data");

/// What an acknowledged record of the embedded log survives: `normal` the end of the process, `full` the loss of power,
/// too.
pub static EMBEDDED_SYNC: ConfigKey<String> = ConfigKey::new("embedded.sync", "normal")
    .validator(|name, value| enumerated(name, value, &["normal", "full"]));

static BOOTSTRAP_SERVERS: ConfigKey<Option<String>> = ConfigKey::nullable("bootstrap.servers");
static KEY_CONVERTER: ConfigKey<String> = ConfigKey::required("key.converter");
static VALUE_CONVERTER: ConfigKey<String> = ConfigKey::required("value.converter");
static OFFSET_FLUSH_INTERVAL_MS: ConfigKey<i64> =
    ConfigKey::new("offset.flush.interval.ms", "60000");
static OFFSET_FLUSH_TIMEOUT_MS: ConfigKey<i64> = ConfigKey::new("offset.flush.timeout.ms", "5000");
static TASK_SHUTDOWN_GRACEFUL_TIMEOUT_MS: ConfigKey<i64> =
    ConfigKey::new("task.shutdown.graceful.timeout.ms", "5000");
static TOPIC_CREATION_ENABLE: ConfigKey<bool> = ConfigKey::new("topic.creation.enable", "true");
static TOPIC_TRACKING_ENABLE: ConfigKey<bool> = ConfigKey::new("topic.tracking.enable", "true");
static TOPIC_TRACKING_ALLOW_RESET: ConfigKey<bool> =
    ConfigKey::new("topic.tracking.allow.reset", "true");
static LISTENERS: ConfigKey<Vec<String>> = ConfigKey::new("listeners", "http://:8083");
static REST_ADVERTISED_HOST_NAME: ConfigKey<Option<String>> =
    ConfigKey::nullable("rest.advertised.host.name");
static REST_ADVERTISED_PORT: ConfigKey<Option<i32>> = ConfigKey::nullable("rest.advertised.port");
static ACCESS_CONTROL_ALLOW_ORIGIN: ConfigKey<Vec<String>> =
    ConfigKey::new("access.control.allow.origin", "");
static ACCESS_CONTROL_ALLOW_METHODS: ConfigKey<Vec<String>> =
    ConfigKey::new("access.control.allow.methods", "");
static RESPONSE_HTTP_HEADERS: ConfigKey<String> =
    ConfigKey::new("response.http.headers.config", "");
const EXACTLY_ONCE: &str = "exactly.once.source.support";
static GROUP_ID: ConfigKey<String> = ConfigKey::required("group.id");
static CONFIG_STORAGE_TOPIC: ConfigKey<String> = ConfigKey::required("config.storage.topic");
static OFFSET_STORAGE_TOPIC: ConfigKey<String> = ConfigKey::required("offset.storage.topic");
static STATUS_STORAGE_TOPIC: ConfigKey<String> = ConfigKey::required("status.storage.topic");
static CONFIG_STORAGE_REPLICATION_FACTOR: ConfigKey<i16> =
    ConfigKey::new("config.storage.replication.factor", "3");
static OFFSET_STORAGE_REPLICATION_FACTOR: ConfigKey<i16> =
    ConfigKey::new("offset.storage.replication.factor", "3");
static STATUS_STORAGE_REPLICATION_FACTOR: ConfigKey<i16> =
    ConfigKey::new("status.storage.replication.factor", "3");
static OFFSET_STORAGE_PARTITIONS: ConfigKey<i32> =
    ConfigKey::new("offset.storage.partitions", "25");
static STATUS_STORAGE_PARTITIONS: ConfigKey<i32> = ConfigKey::new("status.storage.partitions", "5");
static SESSION_TIMEOUT_MS: ConfigKey<i64> = ConfigKey::new("session.timeout.ms", "10000");
static OFFSET_STORAGE_FILE_FILENAME: ConfigKey<Option<String>> =
    ConfigKey::nullable("offset.storage.file.filename");
/// Declared so that it is never printed.
static SSL_KEY_PASSWORD: ConfigKey<Option<Password>> = ConfigKey::nullable("ssl.key.password");

/// Settings of the original that this version does not have, and what it takes of them: leaving them out in silence would
/// leave a worker open, or data in other places.
const REFUSED: [(&str, &[&str]); 4] = [
    ("rest.extension.classes", &[]),
    (
        "metric.reporters",
        &["org.apache.kafka.common.metrics.JmxReporter"],
    ),
    ("rest.advertised.listener", &["http"]),
    ("ssl.client.auth", &["none"]),
];

/// Settings of the original's worker that are refused, each with the values that are taken all the same.
pub fn refused_settings() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    let exactly_once: &[&str] = &["disabled"];
    REFUSED
        .into_iter()
        .chain(std::iter::once((EXACTLY_ONCE, exactly_once)))
}

/// Further keys that mean something to the original; they are accepted silently.
const ALSO_KNOWN: [&str; 39] = [
    EXACTLY_ONCE,
    "rest.host.name",
    "rest.port",
    "plugin.path",
    "plugin.discovery",
    "header.converter",
    "client.dns.lookup",
    "metrics.num.samples",
    "metrics.sample.window.ms",
    "metrics.recording.level",
    "heartbeat.interval.ms",
    "rebalance.timeout.ms",
    "scheduled.rebalance.max.delay.ms",
    "connect.protocol",
    "worker.sync.timeout.ms",
    "worker.unsync.backoff.ms",
    "inter.worker.key.generation.algorithm",
    "inter.worker.signature.algorithm",
    "inter.worker.verification.algorithms",
    "inter.worker.key.size",
    "inter.worker.key.ttl.ms",
    "client.id",
    "security.protocol",
    "request.timeout.ms",
    "retry.backoff.ms",
    "retry.backoff.max.ms",
    "reconnect.backoff.ms",
    "reconnect.backoff.max.ms",
    "connections.max.idle.ms",
    "metadata.max.age.ms",
    "metadata.recovery.strategy",
    "metadata.recovery.rebootstrap.trigger.ms",
    "send.buffer.bytes",
    "receive.buffer.bytes",
    "socket.connection.setup.timeout.ms",
    "socket.connection.setup.timeout.max.ms",
    "default.api.timeout.ms",
    "bootstrap.controllers",
    "auto.include.jmx.reporter",
];
/// Settings of early releases that files still have.
const REMOVED: [&str; 2] = ["internal.key.converter", "internal.value.converter"];
/// Families of keys.
const KNOWN_PREFIXES: [&str; 18] = [
    "key.converter.",
    "value.converter.",
    "header.converter.",
    "internal.key.converter",
    "internal.value.converter",
    "producer.",
    "consumer.",
    "admin.",
    "config.providers.",
    "config.storage.",
    "offset.storage.",
    "status.storage.",
    "sasl.",
    "ssl.",
    "listeners.https.",
    "admin.listeners",
    "metrics.context.",
    "topic.creation.",
];

/// The settings that are read here.
fn definition() -> ConfigDef {
    let declared = ConfigDef::new(&[
        &EMBEDDED_DATA_DIR,
        &EMBEDDED_SYNC,
        &BOOTSTRAP_SERVERS,
        &KEY_CONVERTER,
        &VALUE_CONVERTER,
        &OFFSET_FLUSH_INTERVAL_MS,
        &OFFSET_FLUSH_TIMEOUT_MS,
        &TASK_SHUTDOWN_GRACEFUL_TIMEOUT_MS,
        &TOPIC_CREATION_ENABLE,
        &TOPIC_TRACKING_ENABLE,
        &TOPIC_TRACKING_ALLOW_RESET,
        &LISTENERS,
        &REST_ADVERTISED_HOST_NAME,
        &REST_ADVERTISED_PORT,
        &ACCESS_CONTROL_ALLOW_ORIGIN,
        &ACCESS_CONTROL_ALLOW_METHODS,
        &RESPONSE_HTTP_HEADERS,
        &GROUP_ID,
        &CONFIG_STORAGE_TOPIC,
        &OFFSET_STORAGE_TOPIC,
        &STATUS_STORAGE_TOPIC,
        &CONFIG_STORAGE_REPLICATION_FACTOR,
        &OFFSET_STORAGE_REPLICATION_FACTOR,
        &STATUS_STORAGE_REPLICATION_FACTOR,
        &OFFSET_STORAGE_PARTITIONS,
        &STATUS_STORAGE_PARTITIONS,
        &SESSION_TIMEOUT_MS,
        &OFFSET_STORAGE_FILE_FILENAME,
        &SSL_KEY_PASSWORD,
        &overrides::POLICY,
        &overrides::ALLOWLIST,
        &providers::CONFIG_PROVIDERS,
    ]);
    declared.documented_by(&reference::TEXTS)
}

/// One of the three topics.
#[derive(Debug, Clone)]
pub struct StorageTopic {
    pub name: String,
    pub partitions: i32,
    pub replication_factor: i16,
}

/// The worker's settings, parsed once.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    pub props: Props,
    pub group_id: String,
    /// `host:port` of each listener; an empty host is all interfaces.
    pub listeners: Vec<String>,
    pub advertised_host: Option<String>,
    pub advertised_port: Option<u16>,
    pub config_topic: StorageTopic,
    pub offset_topic: StorageTopic,
    pub status_topic: StorageTopic,
    /// Standalone mode's file of offsets.
    pub offset_file: Option<String>,
    pub graceful_timeout: Duration,
    pub session_timeout: Duration,
    pub topic_tracking_allow_reset: bool,
    pub(crate) cross_origin: CrossOrigin,
    pub(crate) response_headers: ResponseHeaders,
    pub(crate) override_policy: OverridePolicy,
    pub tasks: TaskSettings,
}

impl WorkerConfig {
    /// `props` are resolved. On the embedded log what names Kafka's things has defaults.
    ///
    /// # Errors
    /// `Config` with Connect's text for a missing or wrong value.
    pub fn new(mut props: Props, mode: Mode) -> Result<Self, ConnectError> {
        let embedded = props.get(&BOOTSTRAP_SERVERS)?.is_none();
        let mut default = |name: &str, value: &str| {
            if !props.contains(name) {
                props.set(name, value);
            }
        };
        if embedded {
            default("group.id", "tidegate");
            default(
                "key.converter",
                "org.apache.kafka.connect.json.JsonConverter",
            );
            default(
                "value.converter",
                "org.apache.kafka.connect.json.JsonConverter",
            );
        }
        if embedded || mode == Mode::Standalone {
            default("group.id", "standalone");
            default("config.storage.topic", "connect-configs");
            default("offset.storage.topic", "connect-offsets");
            default("status.storage.topic", "connect-status");
        }
        if let Some(value) = props
            .raw(EXACTLY_ONCE)
            .filter(|value| !value.eq_ignore_ascii_case("disabled"))
        {
            return Err(ConnectError::config(format!(
                "Invalid value {value} for configuration {EXACTLY_ONCE}: this version supports 'disabled' only"
            )));
        }
        for (name, taken) in REFUSED {
            let value = props.raw(name).unwrap_or_default().trim();
            if !value.is_empty() && !taken.iter().any(|taken| taken.eq_ignore_ascii_case(value)) {
                let instead = match taken {
                    [] => "this version does not support it; remove it".to_owned(),
                    taken => format!("this version supports '{}' only", taken.join("', '")),
                };
                return Err(ConnectError::config(invalid(name, value, &instead)));
            }
        }
        props.get(&EMBEDDED_SYNC)?;
        // Both are checked when a task is built; here they must only be given.
        props.get(&KEY_CONVERTER)?;
        props.get(&VALUE_CONVERTER)?;
        let listeners = if props.contains("listeners") || !props.contains("rest.port") {
            props.get(&LISTENERS)?
        } else {
            warn!("rest.host.name and rest.port were removed in Kafka 3.0; use listeners");
            let host = props.raw("rest.host.name").unwrap_or_default();
            vec![format!(
                "http://{host}:{}",
                props.raw("rest.port").unwrap_or("8083")
            )]
        };
        if mode == Mode::Distributed {
            check_topics(&props)?;
        }
        let millis = |millis: i64| Duration::from_millis(u64::try_from(millis).unwrap_or(0));
        let offset_file = props.get(&OFFSET_STORAGE_FILE_FILENAME)?;
        if mode == Mode::Standalone && !embedded && offset_file.is_none() {
            return Err(ConnectError::config(
                "Missing required configuration \"offset.storage.file.filename\" which has no default value.",
            ));
        }
        Ok(Self {
            group_id: props.get(&GROUP_ID)?,
            listeners: listeners
                .iter()
                .map(|listener| address(listener))
                .collect::<Result<_, _>>()?,
            advertised_host: props.get(&REST_ADVERTISED_HOST_NAME)?,
            advertised_port: props
                .get(&REST_ADVERTISED_PORT)?
                .and_then(|port| u16::try_from(port).ok()),
            config_topic: StorageTopic {
                name: props.get(&CONFIG_STORAGE_TOPIC)?,
                partitions: 1,
                replication_factor: props.get(&CONFIG_STORAGE_REPLICATION_FACTOR)?,
            },
            offset_topic: StorageTopic {
                name: props.get(&OFFSET_STORAGE_TOPIC)?,
                partitions: if embedded {
                    1
                } else {
                    props.get(&OFFSET_STORAGE_PARTITIONS)?
                },
                replication_factor: props.get(&OFFSET_STORAGE_REPLICATION_FACTOR)?,
            },
            status_topic: StorageTopic {
                name: props.get(&STATUS_STORAGE_TOPIC)?,
                partitions: if embedded {
                    1
                } else {
                    props.get(&STATUS_STORAGE_PARTITIONS)?
                },
                replication_factor: props.get(&STATUS_STORAGE_REPLICATION_FACTOR)?,
            },
            offset_file,
            graceful_timeout: millis(props.get(&TASK_SHUTDOWN_GRACEFUL_TIMEOUT_MS)?),
            session_timeout: millis(props.get(&SESSION_TIMEOUT_MS)?),
            topic_tracking_allow_reset: props.get(&TOPIC_TRACKING_ALLOW_RESET)?,
            cross_origin: CrossOrigin {
                origins: props.get(&ACCESS_CONTROL_ALLOW_ORIGIN)?,
                methods: match props.get(&ACCESS_CONTROL_ALLOW_METHODS)? {
                    methods if methods.is_empty() => {
                        ["GET", "POST", "HEAD"].map(str::to_owned).to_vec()
                    }
                    methods => methods,
                },
            },
            response_headers: ResponseHeaders::parse(&props.get(&RESPONSE_HTTP_HEADERS)?).map_err(
                |(rule, reason)| {
                    ConnectError::config(invalid(RESPONSE_HTTP_HEADERS.name(), rule, &reason))
                },
            )?,
            override_policy: OverridePolicy::new(&props)?,
            tasks: TaskSettings {
                offset_flush_interval: millis(props.get(&OFFSET_FLUSH_INTERVAL_MS)?),
                offset_flush_timeout: millis(props.get(&OFFSET_FLUSH_TIMEOUT_MS)?),
                topic_creation_enable: props.get(&TOPIC_CREATION_ENABLE)?,
                topic_tracking_enable: props.get(&TOPIC_TRACKING_ENABLE)?,
                worker_props: props.clone(),
            },
            props,
        })
    }

    /// The keys that nobody knows.
    fn unknown_keys(&self) -> Vec<&str> {
        let declared = definition();
        let known = |name: &str| {
            declared.get(name).is_some()
                || ALSO_KNOWN.contains(&name)
                || REMOVED.contains(&name)
                || REFUSED.iter().any(|(refused, _)| *refused == name)
                || KNOWN_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        };
        let names = self.props.iter().map(|(name, _)| name);
        names.filter(|name| !known(name)).collect()
    }

    /// Logs every key that nobody knows, and those that mean nothing any more, once.
    pub fn warn_about_unknown_keys(&self) {
        for name in self.unknown_keys() {
            warn!("The configuration '{name}' was supplied but isn't a known config.");
        }
        for name in REMOVED.iter().filter(|name| self.props.contains(name)) {
            warn!("The configuration '{name}' was removed in Kafka 3.0 and has no effect.");
        }
    }
}

/// Each of the three topics has records that the readers of the others cannot read.
fn check_topics(props: &Props) -> Result<(), ConnectError> {
    let keys = [
        &CONFIG_STORAGE_TOPIC,
        &OFFSET_STORAGE_TOPIC,
        &STATUS_STORAGE_TOPIC,
    ];
    for (index, key) in keys.iter().enumerate() {
        let topic = props.get(key)?;
        for other in &keys[..index] {
            if props.get(other)? == topic {
                let reason = format!("{} has the same topic; give each its own", other.name());
                return Err(ConnectError::config(invalid(key.name(), &topic, &reason)));
            }
        }
    }
    Ok(())
}

/// `host:port` of a listener like `http://host:8083`.
fn address(listener: &str) -> Result<String, ConnectError> {
    let wrong = |reason: &str| {
        ConnectError::config(format!(
            "Invalid value {listener} for configuration listeners: {reason}"
        ))
    };
    let (scheme, address) = listener
        .split_once("://")
        .ok_or_else(|| wrong("Listener must have the form scheme://host:port"))?;
    if !scheme.eq_ignore_ascii_case("http") {
        return Err(wrong("only http listeners are supported by this version"));
    }
    let (host, port) = address
        .trim_end_matches('/')
        .rsplit_once(':')
        .ok_or_else(|| wrong("a port is missing"))?;
    port.parse::<u16>()
        .map_err(|_| wrong("the port is not a number from 0 to 65535"))?;
    Ok(format!(
        "{}:{port}",
        if host.is_empty() { "0.0.0.0" } else { host }
    ))
}

#[cfg(test)]
mod tests;
