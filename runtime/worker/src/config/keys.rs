//! The worker's properties: one declaration for each key.
//!
//! Source: `org.apache.kafka.connect.runtime.{WorkerConfig,distributed.DistributedConfig,rest.RestServerConfig}`.

use tidegate_api::config::{ClassName, ConfigDef, ConfigKey, ConfigValue, Importance, invalid};

use Importance::{High, Low};

pub(crate) static BOOTSTRAP_SERVERS: ConfigKey<Option<String>> =
    ConfigKey::nullable("bootstrap.servers").importance(High);
/// Ours: where the embedded log lives when there are no `bootstrap.servers`.
pub(crate) static EMBEDDED_DATA_DIR: ConfigKey<String> =
    ConfigKey::new("embedded.data.dir", "./tidegate-data").importance(High);
static CLIENT_DNS_LOOKUP: ConfigKey<String> =
    ConfigKey::new("client.dns.lookup", "use_all_dns_ips").validator(|name, value| {
        one_of(name, value, &["use_all_dns_ips", "resolve_canonical_bootstrap_servers_only"])
    });
pub(crate) static KEY_CONVERTER: ConfigKey<ClassName> =
    ConfigKey::required("key.converter").importance(High);
pub(crate) static VALUE_CONVERTER: ConfigKey<ClassName> =
    ConfigKey::required("value.converter").importance(High);
pub(crate) static HEADER_CONVERTER: ConfigKey<ClassName> = ConfigKey::new(
    "header.converter",
    "org.apache.kafka.connect.storage.SimpleHeaderConverter",
)
.importance(Low);
pub(crate) static TASK_SHUTDOWN_GRACEFUL_TIMEOUT_MS: ConfigKey<i64> =
    ConfigKey::new("task.shutdown.graceful.timeout.ms", "5000").importance(Low);
pub(crate) static OFFSET_FLUSH_INTERVAL_MS: ConfigKey<i64> =
    ConfigKey::new("offset.flush.interval.ms", "60000").importance(Low);
pub(crate) static OFFSET_FLUSH_TIMEOUT_MS: ConfigKey<i64> =
    ConfigKey::new("offset.flush.timeout.ms", "5000").importance(Low);
static PLUGIN_PATH: ConfigKey<Option<Vec<String>>> = ConfigKey::nullable("plugin.path");
static PLUGIN_DISCOVERY: ConfigKey<String> = ConfigKey::new("plugin.discovery", "hybrid_warn")
    .validator(|name, value| {
        let modes = ["only_scan", "hybrid_warn", "hybrid_fail", "service_load"];
        if modes.iter().any(|mode| mode.eq_ignore_ascii_case(&value.to_string())) {
            return Ok(());
        }
        let reason = format!("String must be one of (case insensitive): {}", modes.join(", ").to_uppercase());
        Err(invalid(name, value, &reason))
    });
static METRICS_SAMPLE_WINDOW_MS: ConfigKey<i64> =
    ConfigKey::new("metrics.sample.window.ms", "30000").validator(at_least_0);
static METRICS_NUM_SAMPLES: ConfigKey<i32> =
    ConfigKey::new("metrics.num.samples", "2").validator(at_least_1);
static METRICS_RECORDING_LEVEL: ConfigKey<String> =
    ConfigKey::new("metrics.recording.level", "INFO")
        .validator(|name, value| one_of(name, value, &["INFO", "DEBUG"]));
pub(crate) static METRIC_REPORTERS: ConfigKey<Vec<String>> =
    ConfigKey::new("metric.reporters", JMX_REPORTER);
/// The default of `metric.reporters`.
pub(crate) const JMX_REPORTER: &str = "org.apache.kafka.common.metrics.JmxReporter";
pub(crate) static CONFIG_PROVIDERS: ConfigKey<Vec<String>> = ConfigKey::new("config.providers", "");
pub(crate) static CLIENT_CONFIG_OVERRIDE_POLICY: ConfigKey<String> =
    ConfigKey::new("connector.client.config.override.policy", "All");
pub(crate) static CLIENT_CONFIG_OVERRIDE_ALLOWLIST: ConfigKey<Vec<String>> =
    ConfigKey::new("connector.client.config.override.allowlist", "");
pub(crate) static TOPIC_CREATION_ENABLE: ConfigKey<bool> =
    ConfigKey::new("topic.creation.enable", "true");
pub(crate) static TOPIC_TRACKING_ENABLE: ConfigKey<bool> =
    ConfigKey::new("topic.tracking.enable", "true");
pub(crate) static TOPIC_TRACKING_ALLOW_RESET: ConfigKey<bool> =
    ConfigKey::new("topic.tracking.allow.reset", "true");

pub(crate) static LISTENERS: ConfigKey<Vec<String>> =
    ConfigKey::new("listeners", "http://:8083").validator(listeners);
/// Removed in Kafka 3.0, honoured as a listener when `listeners` is absent.
pub(crate) static REST_HOST_NAME: ConfigKey<Option<String>> = ConfigKey::nullable("rest.host.name");
pub(crate) static REST_PORT: ConfigKey<Option<i32>> = ConfigKey::nullable("rest.port");
pub(crate) static REST_ADVERTISED_HOST_NAME: ConfigKey<Option<String>> =
    ConfigKey::nullable("rest.advertised.host.name");
pub(crate) static REST_ADVERTISED_PORT: ConfigKey<Option<i32>> =
    ConfigKey::nullable("rest.advertised.port");
pub(crate) static REST_ADVERTISED_LISTENER: ConfigKey<Option<String>> =
    ConfigKey::nullable("rest.advertised.listener");
pub(crate) static ACCESS_CONTROL_ALLOW_ORIGIN: ConfigKey<String> =
    ConfigKey::new("access.control.allow.origin", "");
pub(crate) static ACCESS_CONTROL_ALLOW_METHODS: ConfigKey<String> =
    ConfigKey::new("access.control.allow.methods", "");
pub(crate) static ADMIN_LISTENERS: ConfigKey<Option<Vec<String>>> =
    ConfigKey::nullable("admin.listeners");
pub(crate) static REST_EXTENSION_CLASSES: ConfigKey<Vec<String>> =
    ConfigKey::new("rest.extension.classes", "");
pub(crate) static RESPONSE_HTTP_HEADERS: ConfigKey<String> =
    ConfigKey::new("response.http.headers.config", "");

pub(crate) static GROUP_ID: ConfigKey<String> = ConfigKey::required("group.id").importance(High);
pub(crate) static CLIENT_ID: ConfigKey<String> = ConfigKey::new("client.id", "");
pub(crate) static SESSION_TIMEOUT_MS: ConfigKey<i32> = ConfigKey::new("session.timeout.ms", "10000");
static REBALANCE_TIMEOUT_MS: ConfigKey<i32> = ConfigKey::new("rebalance.timeout.ms", "60000");
static HEARTBEAT_INTERVAL_MS: ConfigKey<i32> = ConfigKey::new("heartbeat.interval.ms", "3000");
static WORKER_SYNC_TIMEOUT_MS: ConfigKey<i32> = ConfigKey::new("worker.sync.timeout.ms", "3000");
static WORKER_UNSYNC_BACKOFF_MS: ConfigKey<i32> =
    ConfigKey::new("worker.unsync.backoff.ms", "300000");
static SCHEDULED_REBALANCE_MAX_DELAY_MS: ConfigKey<i32> =
    ConfigKey::new("scheduled.rebalance.max.delay.ms", "300000").validator(at_least_0);
static CONNECT_PROTOCOL: ConfigKey<String> = ConfigKey::new("connect.protocol", "sessioned")
    .validator(|name, value| {
        let known = ["eager", "compatible", "sessioned"];
        if known.iter().any(|p| p.eq_ignore_ascii_case(&value.to_string())) {
            return Ok(());
        }
        Err(invalid(name, value, "Invalid Connect protocol compatibility"))
    });
pub(crate) static EXACTLY_ONCE_SOURCE_SUPPORT: ConfigKey<String> =
    ConfigKey::new("exactly.once.source.support", "disabled")
        .validator(|name, value| one_of(name, value, &["disabled", "preparing", "enabled"]));
pub(crate) static KEY_GENERATION_ALGORITHM: ConfigKey<String> =
    ConfigKey::new("inter.worker.key.generation.algorithm", "HmacSHA256");
pub(crate) static KEY_SIZE: ConfigKey<Option<i32>> = ConfigKey::nullable("inter.worker.key.size");
pub(crate) static KEY_TTL_MS: ConfigKey<i32> =
    ConfigKey::new("inter.worker.key.ttl.ms", "3600000").validator(at_least_0);
static SIGNATURE_ALGORITHM: ConfigKey<String> =
    ConfigKey::new("inter.worker.signature.algorithm", "HmacSHA256");
static VERIFICATION_ALGORITHMS: ConfigKey<Vec<String>> =
    ConfigKey::new("inter.worker.verification.algorithms", "HmacSHA256");

pub(crate) static CONFIG_TOPIC: ConfigKey<String> =
    ConfigKey::required("config.storage.topic").importance(High);
pub(crate) static OFFSET_TOPIC: ConfigKey<String> =
    ConfigKey::required("offset.storage.topic").importance(High);
pub(crate) static STATUS_TOPIC: ConfigKey<String> =
    ConfigKey::required("status.storage.topic").importance(High);
pub(crate) static CONFIG_REPLICATION: ConfigKey<i16> =
    ConfigKey::new("config.storage.replication.factor", "3").validator(replication);
pub(crate) static OFFSET_REPLICATION: ConfigKey<i16> =
    ConfigKey::new("offset.storage.replication.factor", "3").validator(replication);
pub(crate) static STATUS_REPLICATION: ConfigKey<i16> =
    ConfigKey::new("status.storage.replication.factor", "3").validator(replication);
pub(crate) static OFFSET_PARTITIONS: ConfigKey<i32> =
    ConfigKey::new("offset.storage.partitions", "25").validator(partitions);
pub(crate) static STATUS_PARTITIONS: ConfigKey<i32> =
    ConfigKey::new("status.storage.partitions", "5").validator(partitions);

pub(crate) static OFFSET_FILE: ConfigKey<Option<String>> =
    ConfigKey::nullable("offset.storage.file.filename").importance(High);

/// Keys of both modes, in the original's order.
pub(crate) fn base() -> ConfigDef {
    ConfigDef::new(&[
        &BOOTSTRAP_SERVERS,
        &EMBEDDED_DATA_DIR,
        &CLIENT_DNS_LOOKUP,
        &KEY_CONVERTER,
        &VALUE_CONVERTER,
        &TASK_SHUTDOWN_GRACEFUL_TIMEOUT_MS,
        &OFFSET_FLUSH_INTERVAL_MS,
        &OFFSET_FLUSH_TIMEOUT_MS,
        &PLUGIN_PATH,
        &PLUGIN_DISCOVERY,
        &METRICS_SAMPLE_WINDOW_MS,
        &METRICS_NUM_SAMPLES,
        &METRICS_RECORDING_LEVEL,
        &METRIC_REPORTERS,
        &HEADER_CONVERTER,
        &CONFIG_PROVIDERS,
        &CLIENT_CONFIG_OVERRIDE_POLICY,
        &CLIENT_CONFIG_OVERRIDE_ALLOWLIST,
        &TOPIC_CREATION_ENABLE,
        &TOPIC_TRACKING_ENABLE,
        &TOPIC_TRACKING_ALLOW_RESET,
        &LISTENERS,
        &REST_HOST_NAME,
        &REST_PORT,
        &REST_ADVERTISED_HOST_NAME,
        &REST_ADVERTISED_PORT,
        &REST_ADVERTISED_LISTENER,
        &ACCESS_CONTROL_ALLOW_ORIGIN,
        &ACCESS_CONTROL_ALLOW_METHODS,
        &RESPONSE_HTTP_HEADERS,
        &REST_EXTENSION_CLASSES,
        &ADMIN_LISTENERS,
    ])
}

/// Keys of the distributed mode, in the original's order.
pub(crate) fn distributed() -> ConfigDef {
    let mut definition = base();
    definition.extend(ConfigDef::new(&[
        &GROUP_ID,
        &SESSION_TIMEOUT_MS,
        &REBALANCE_TIMEOUT_MS,
        &HEARTBEAT_INTERVAL_MS,
        &EXACTLY_ONCE_SOURCE_SUPPORT,
        &CLIENT_ID,
        &WORKER_SYNC_TIMEOUT_MS,
        &WORKER_UNSYNC_BACKOFF_MS,
        &OFFSET_TOPIC,
        &OFFSET_PARTITIONS,
        &OFFSET_REPLICATION,
        &CONFIG_TOPIC,
        &CONFIG_REPLICATION,
        &STATUS_TOPIC,
        &STATUS_PARTITIONS,
        &STATUS_REPLICATION,
        &CONNECT_PROTOCOL,
        &SCHEDULED_REBALANCE_MAX_DELAY_MS,
        &KEY_TTL_MS,
        &KEY_GENERATION_ALGORITHM,
        &KEY_SIZE,
        &SIGNATURE_ALGORITHM,
        &VERIFICATION_ALGORITHMS,
    ]));
    definition
}

/// Keys of the standalone mode.
pub(crate) fn standalone() -> ConfigDef {
    let mut definition = base();
    definition.extend(ConfigDef::new(&[&OFFSET_FILE]));
    definition
}

/// Keys of Kafka's clients that a worker's file may hold without a prefix.
const CLIENT_KEYS: &[&str] = &[
    "auto.include.jmx.reporter",
    "client.rack",
    "connections.max.idle.ms",
    "default.api.timeout.ms",
    "metadata.max.age.ms",
    "metadata.recovery.rebootstrap.trigger.ms",
    "metadata.recovery.strategy",
    "receive.buffer.bytes",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "request.timeout.ms",
    "retries",
    "retry.backoff.max.ms",
    "retry.backoff.ms",
    "security.protocol",
    "security.providers",
    "send.buffer.bytes",
    "socket.connection.setup.timeout.max.ms",
    "socket.connection.setup.timeout.ms",
];

/// Beginnings of keys that belong to clients, converters, providers, topics and TLS.
const KNOWN_PREFIXES: &[&str] = &[
    "producer.",
    "consumer.",
    "admin.",
    "key.converter.",
    "value.converter.",
    "header.converter.",
    "config.providers.",
    "config.storage.",
    "offset.storage.",
    "status.storage.",
    "metrics.context.",
    "ssl.",
    "sasl.",
    "listeners.https.",
    "internal.key.converter",
    "internal.value.converter",
];

/// Whether a property means anything to the worker or its clients.
pub(crate) fn is_known(definition: &ConfigDef, name: &str) -> bool {
    definition.get(name).is_some()
        || CLIENT_KEYS.contains(&name)
        || KNOWN_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn at_least(minimum: i64, name: &str, value: &ConfigValue) -> Result<(), String> {
    let number = match *value {
        ConfigValue::Int(v) => i64::from(v),
        ConfigValue::Long(v) => v,
        _ => return Err(invalid(name, value, "Value must be non-null")),
    };
    if number >= minimum {
        return Ok(());
    }
    Err(invalid(name, value, &format!("Value must be at least {minimum}")))
}
fn at_least_0(name: &str, value: &ConfigValue) -> Result<(), String> {
    at_least(0, name, value)
}
fn at_least_1(name: &str, value: &ConfigValue) -> Result<(), String> {
    at_least(1, name, value)
}

fn one_of(name: &str, value: &ConfigValue, options: &[&str]) -> Result<(), String> {
    if options.contains(&value.to_string().as_str()) {
        return Ok(());
    }
    let reason = format!("String must be one of: {}", options.join(", "));
    Err(invalid(name, value, &reason))
}

/// Source: `DistributedConfig.{PARTITIONS_VALIDATOR,REPLICATION_FACTOR_VALIDATOR}`.
fn partitions(name: &str, value: &ConfigValue) -> Result<(), String> {
    match *value {
        ConfigValue::Int(n) if n == -1 || n >= 1 => Ok(()),
        _ => Err(invalid(
            name,
            value,
            "Number of partitions must be positive, or -1 to use the broker's default",
        )),
    }
}
fn replication(name: &str, value: &ConfigValue) -> Result<(), String> {
    match *value {
        ConfigValue::Short(n) if n == -1 || n >= 1 => Ok(()),
        _ => Err(invalid(
            name,
            value,
            "Replication factor must be positive and not larger than the number of brokers in the Kafka cluster, \
             or -1 to use the broker's default",
        )),
    }
}

fn listeners(_name: &str, value: &ConfigValue) -> Result<(), String> {
    match value {
        ConfigValue::List(urls) if urls.is_empty() => Err(
            "Invalid value for listeners, at least one URL is expected, ex: http://localhost:8080,https://localhost:8443."
                .to_owned(),
        ),
        ConfigValue::List(urls) if urls.iter().any(String::is_empty) => {
            Err("Empty URL found when parsing listeners list.".to_owned())
        }
        _ => Ok(()),
    }
}
