//! From settings under Java's names to librdkafka's.
//!
//! Source: `org.apache.kafka.clients.{CommonClientConfigs,producer.ProducerConfig,consumer.ConsumerConfig}`; librdkafka's
//! `CONFIGURATION.md`.

mod jaas;
mod table;
mod tls;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::ClientConfig as NativeConfig;
use rdkafka::config::RDKafkaLogLevel;
use tidegate_log::{ClientConfig, LogError};
use tracing::warn;

pub(crate) const BOOTSTRAP_SERVERS: &str = "bootstrap.servers";
pub(crate) const CLIENT_ID: &str = "client.id";
pub(crate) const GROUP_ID: &str = "group.id";
pub(crate) const SESSION_TIMEOUT_MS: &str = "session.timeout.ms";
pub(crate) const METADATA_MAX_AGE_MS: &str = "metadata.max.age.ms";
pub(crate) const MAX_POLL_RECORDS: &str = "max.poll.records";
pub(crate) const MAX_REQUEST_SIZE: &str = "max.request.size";
const SECURITY_PROTOCOL: &str = "security.protocol";
const SASL_MECHANISM: &str = "sasl.mechanism";
const SASL_JAAS_CONFIG: &str = "sasl.jaas.config";

/// Where the settings go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Admin,
    Producer,
    /// A member of a consumer group.
    Consumer,
    /// Reads partitions outside any group.
    Reader,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Producer => "producer",
            Self::Consumer | Self::Reader => "consumer",
        }
    }
}

/// What librdkafka is told before the user's own settings: Java's and Connect's defaults where they differ, and bounds for
/// memory and waiting.
fn defaults(kind: Kind) -> Vec<(&'static str, &'static str)> {
    let mut defaults = vec![
        ("reconnect.backoff.ms", "50"),
        ("reconnect.backoff.max.ms", "1000"),
        // An idle connection that the broker closes is no news.
        ("log.connection.close", "false"),
    ];
    defaults.extend_from_slice(match kind {
        // A question about a topic must not create it.
        Kind::Admin => &[
            ("allow.auto.create.topics", "false"),
            ("isolation.level", "read_uncommitted"),
        ],
        Kind::Producer => &[
            ("acks", "all"),
            ("partitioner", "murmur2_random"),
            // Records gather while others are under way.
            ("linger.ms", "0"),
            ("batch.size", "1000000"),
            // A request ends with its bytes, see `producer::lanes`.
            ("batch.num.messages", "1000000"),
            ("message.max.bytes", "1048576"),
            ("queue.buffering.max.kbytes", "32768"),
            ("message.timeout.ms", "2147483647"),
            // Missing topics are waited for in one place, see `producer`.
            ("allow.auto.create.topics", "false"),
            ("topic.metadata.propagation.max.ms", "0"),
        ],
        Kind::Consumer => &[
            ("auto.offset.reset", "earliest"),
            ("partition.assignment.strategy", "range"),
            ("allow.auto.create.topics", "true"),
        ],
        // Nothing is stored under this name: offsets are always given.
        Kind::Reader => &[
            ("group.id", "tidegate-reader"),
            ("auto.offset.reset", "earliest"),
            ("enable.partition.eof", "true"),
        ],
    });
    if matches!(kind, Kind::Consumer | Kind::Reader) {
        defaults.extend_from_slice(&[
            ("isolation.level", "read_uncommitted"),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            // What is fetched ahead lies in memory.
            ("queued.max.messages.kbytes", "16384"),
            ("fetch.max.bytes", "16777216"),
            // After the queue was full, go on at once rather than after a second.
            ("fetch.queue.backoff.ms", "10"),
            ("fetch.error.backoff.ms", "100"),
        ]);
    }
    defaults
}

/// Settings for librdkafka. `base` names settings that somebody else answers for: unknown ones among them are none of a
/// client's business.
///
/// # Errors
/// [`LogError::Invalid`] names a setting that cannot be followed, and never shows a secret.
pub(crate) fn translate(
    config: &ClientConfig,
    base: &ClientConfig,
    kind: Kind,
) -> Result<NativeConfig, LogError> {
    let mut native = NativeConfig::new();
    native.set_log_level(RDKafkaLogLevel::Info);
    for (name, value) in defaults(kind) {
        native.set(name, value);
    }
    if config.get(BOOTSTRAP_SERVERS).is_none_or(str::is_empty) {
        return Err(invalid(BOOTSTRAP_SERVERS, "is missing"));
    }
    for (name, value) in &config.0 {
        match table::place(name, kind) {
            table::Place::To(setting) => {
                let value = (setting.convert)(value).map_err(|reason| invalid(name, &reason))?;
                if let Some(value) = value {
                    for target in setting.native {
                        native.set(*target, value.as_str());
                    }
                }
            }
            table::Place::Refused(reason) if !value.is_empty() => {
                return Err(invalid(name, reason));
            }
            table::Place::NoCounterpart if !value.is_empty() => {
                warn_once(kind, name, "has no counterpart here and is without effect");
            }
            table::Place::Unknown if base.get(name).is_none() => {
                warn_once(kind, name, "was supplied but isn't a known config");
            }
            _ => {}
        }
    }
    if kind == Kind::Producer {
        keep_order(config, &mut native);
    }
    secure(config, &mut native)?;
    Ok(native)
}

/// Retries must not change the order. An idempotent producer sees to that; one that may not be idempotent has a single
/// request under way, as Connect's own.
fn keep_order(config: &ClientConfig, native: &mut NativeConfig) {
    let all = config
        .get("acks")
        .is_none_or(|acks| acks == "all" || acks == "-1");
    let idempotent = config
        .get("enable.idempotence")
        .map_or(all, |value| value.trim().eq_ignore_ascii_case("true"));
    native.set(
        "enable.idempotence",
        if idempotent { "true" } else { "false" },
    );
    let in_flight: Option<u32> = config
        .get("max.in.flight.requests.per.connection")
        .and_then(|text| text.trim().parse().ok());
    let in_flight = match in_flight {
        // Connect's default of 1 would only make an idempotent producer slower.
        None if idempotent => 5,
        Some(count) if idempotent => count.min(5),
        other => other.unwrap_or(1),
    };
    native.set(
        "max.in.flight.requests.per.connection",
        in_flight.to_string(),
    );
}

fn secure(config: &ClientConfig, native: &mut NativeConfig) -> Result<(), LogError> {
    let protocol = config
        .get(SECURITY_PROTOCOL)
        .unwrap_or_default()
        .trim()
        .to_ascii_uppercase();
    if protocol.ends_with("SSL") {
        tls::apply(config, native)?;
    }
    if !protocol.starts_with("SASL") {
        return Ok(());
    }
    let mechanism = config.get(SASL_MECHANISM).unwrap_or("GSSAPI");
    if !["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"].contains(&mechanism) {
        let reason =
            format!("{mechanism} is not supported: PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512 are");
        return Err(invalid(SASL_MECHANISM, &reason));
    }
    let text = config.get(SASL_JAAS_CONFIG).ok_or_else(|| {
        invalid(
            SASL_JAAS_CONFIG,
            "is missing; it holds user name and password",
        )
    })?;
    let login = jaas::parse(text).map_err(|reason| invalid(SASL_JAAS_CONFIG, &reason))?;
    native.set("sasl.username", login.username);
    native.set("sasl.password", login.password);
    Ok(())
}

/// The bootstrap servers, for texts.
pub(crate) fn servers(config: &ClientConfig) -> Arc<str> {
    Arc::from(config.get(BOOTSTRAP_SERVERS).unwrap_or_default())
}

pub(crate) fn invalid(name: &str, reason: &str) -> LogError {
    LogError::Invalid(format!("Kafka client setting {name}: {reason}"))
}

/// Whether a value under this name of librdkafka's may be shown.
pub(crate) fn is_secret(native: &str) -> bool {
    native.contains("password") || native.contains("pem") || native.contains("username")
}

fn warn_once(kind: Kind, name: &str, what: &str) {
    static TOLD: Mutex<Option<HashSet<(&'static str, String)>>> = Mutex::new(None);
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    if told
        .get_or_insert_default()
        .insert((kind.word(), name.to_owned()))
    {
        let client = kind.word();
        warn!("The {client} configuration '{name}' {what}.");
    }
}

#[cfg(test)]
mod tests;
