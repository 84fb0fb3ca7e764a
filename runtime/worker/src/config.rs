//! The worker's configuration: what the file's properties mean.
//!
//! Source: `org.apache.kafka.connect.runtime.{WorkerConfig,distributed.DistributedConfig,standalone.StandaloneConfig}`.

pub(crate) mod keys;
mod listener;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use tidegate_api::{ConfigKey, ConnectError, Props};
use tidegate_log::ClientConfig;
use tracing::{info, warn};

use crate::config_providers::ConfigTransformer;
use crate::errors::WorkerError;
pub(crate) use listener::{Listener, advertised};

/// How the worker keeps its configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Connectors come over REST and live in topics.
    Distributed,
    /// Connectors come from files and live in memory.
    Standalone,
}

/// A worker's configuration, checked and with placeholders resolved.
///
/// `Debug` shows names alone: values may be secrets.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    pub(crate) mode: Mode,
    /// Everything of the file, resolved.
    pub(crate) props: Props,
    pub(crate) transformer: ConfigTransformer,
    pub(crate) group_id: String,
    pub(crate) config_topic: StoreTopic,
    pub(crate) offset_topic: StoreTopic,
    pub(crate) status_topic: StoreTopic,
    pub(crate) offset_file: Option<PathBuf>,
    pub(crate) listeners: Vec<Listener>,
    /// `None`: the admin resources are on the normal listeners; empty: nowhere.
    pub(crate) admin_listeners: Option<Vec<Listener>>,
    pub(crate) override_policy: OverridePolicy,
}

/// One of the worker's own topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoreTopic {
    /// The key that names the topic, for messages.
    pub(crate) key: &'static str,
    pub(crate) purpose: &'static str,
    pub(crate) name: String,
    /// `None`: the log's default.
    pub(crate) partitions: Option<i32>,
    pub(crate) replication_factor: Option<i16>,
    pub(crate) settings: BTreeMap<String, String>,
}

/// Which client settings a connector may override.
///
/// Source: `org.apache.kafka.connect.connector.policy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OverridePolicy {
    All,
    None,
    Principal,
    Allowlist(Vec<String>),
}

impl OverridePolicy {
    /// The policy's name, as error texts show it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::All => "All",
            Self::None => "None",
            Self::Principal => "Principal",
            Self::Allowlist(_) => "Allowlist",
        }
    }
    pub(crate) fn allows(&self, setting: &str) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Principal => {
                ["sasl.jaas.config", "sasl.mechanism", "security.protocol"].contains(&setting)
            }
            Self::Allowlist(allowed) => allowed.iter().any(|name| name == setting),
        }
    }
}

impl WorkerConfig {
    /// Checks the properties of a distributed worker and resolves their placeholders.
    ///
    /// # Errors
    /// `Config` with Connect's text for the first wrong or missing property, or for one that is not supported.
    pub fn distributed(raw: &Props) -> Result<Self, WorkerError> {
        Self::parse(Mode::Distributed, raw)
    }
    /// The same for a standalone worker.
    pub fn standalone(raw: &Props) -> Result<Self, WorkerError> {
        Self::parse(Mode::Standalone, raw)
    }

    fn parse(mode: Mode, raw: &Props) -> Result<Self, WorkerError> {
        let transformer = ConfigTransformer::new(raw)?;
        let mut props = transformer.transform(raw).map_err(config_error)?;
        let definition = match mode {
            Mode::Distributed => keys::distributed(),
            Mode::Standalone => keys::standalone(),
        };
        let embedded = !props.contains(keys::BOOTSTRAP_SERVERS.name());
        if embedded && mode == Mode::Distributed {
            embedded_defaults(&mut props);
        }
        if !embedded && mode == Mode::Standalone && !props.contains(keys::OFFSET_FILE.name()) {
            return Err(WorkerError::config(format!(
                "Missing required configuration \"{}\" which has no default value.",
                keys::OFFSET_FILE.name()
            )));
        }
        definition.check(&props).map_err(config_error)?;
        refuse_unsupported(&props)?;
        report_oddities(&props);
        for (name, _) in props.iter().filter(|(name, _)| !keys::is_known(&definition, name)) {
            info!(property = name, "the property is unknown to the worker and has no effect");
        }
        let topics = |props: &Props| -> Result<[StoreTopic; 3], ConnectError> {
            if mode == Mode::Standalone {
                return Ok([StoreTopic::config(""), StoreTopic::offsets(""), StoreTopic::status("")]);
            }
            Ok([
                StoreTopic::config(&props.get(&keys::CONFIG_TOPIC)?).sized(
                    props,
                    None,
                    &keys::CONFIG_REPLICATION,
                )?,
                StoreTopic::offsets(&props.get(&keys::OFFSET_TOPIC)?).sized(
                    props,
                    Some(&keys::OFFSET_PARTITIONS),
                    &keys::OFFSET_REPLICATION,
                )?,
                StoreTopic::status(&props.get(&keys::STATUS_TOPIC)?).sized(
                    props,
                    Some(&keys::STATUS_PARTITIONS),
                    &keys::STATUS_REPLICATION,
                )?,
            ])
        };
        let [config_topic, offset_topic, status_topic] = topics(&props).map_err(config_error)?;
        Ok(Self {
            mode,
            transformer,
            group_id: match mode {
                Mode::Distributed => props.get(&keys::GROUP_ID).map_err(config_error)?,
                Mode::Standalone => String::new(),
            },
            config_topic,
            offset_topic,
            status_topic,
            offset_file: props.raw(keys::OFFSET_FILE.name()).map(PathBuf::from),
            listeners: Listener::of_worker(&props)?,
            admin_listeners: Listener::of_admin(&props)?,
            override_policy: override_policy(&props)?,
            props,
        })
    }

    /// Whether the worker runs on the embedded log, for want of `bootstrap.servers`.
    pub fn is_embedded(&self) -> bool {
        !self.props.contains(keys::BOOTSTRAP_SERVERS.name())
    }
    /// Where the embedded log lives.
    pub fn embedded_data_dir(&self) -> PathBuf {
        PathBuf::from(self.value(&keys::EMBEDDED_DATA_DIR))
    }
    /// The settings with which the worker opens its log: all properties as they are.
    pub fn client_config(&self) -> ClientConfig {
        self.props
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }
    /// The settings of one of the worker's own clients. Source: `ConnectUtils.clientIdBase`.
    pub(crate) fn store_client(&self, suffix: &str) -> ClientConfig {
        let id = self.props.raw(keys::CLIENT_ID.name()).unwrap_or_default();
        let group = &self.group_id;
        let client = if id.trim().is_empty() {
            format!("{group}-{suffix}")
        } else {
            format!("{group}-{id}-{suffix}")
        };
        self.client_config().with("client.id", client)
    }

    /// The value of a declared key; the whole definition was checked when the configuration was built.
    pub(crate) fn value<T: tidegate_api::config::FromConfigValue>(&self, key: &ConfigKey<T>) -> T {
        self.props
            .get(key)
            .expect("every property was checked when the configuration was built")
    }
    /// A span given in milliseconds; negative ones count as none.
    pub(crate) fn millis(&self, key: &ConfigKey<i64>) -> Duration {
        Duration::from_millis(u64::try_from(self.value(key)).unwrap_or(0))
    }
}

impl StoreTopic {
    /// One partition, always.
    pub(crate) fn config(name: &str) -> Self {
        Self {
            key: keys::CONFIG_TOPIC.name(),
            purpose: "connector configurations",
            name: name.to_owned(),
            partitions: Some(1),
            replication_factor: None,
            settings: BTreeMap::new(),
        }
    }
    pub(crate) fn offsets(name: &str) -> Self {
        Self {
            key: keys::OFFSET_TOPIC.name(),
            purpose: "source connector offsets",
            ..Self::config(name)
        }
    }
    fn status(name: &str) -> Self {
        Self {
            key: keys::STATUS_TOPIC.name(),
            purpose: "connector and task statuses",
            ..Self::config(name)
        }
    }

    /// Takes partitions, replication and further settings from the keys beside the topic's name.
    /// -1 stands for the log's default.
    fn sized(
        mut self,
        props: &Props,
        partitions: Option<&ConfigKey<i32>>,
        replication: &ConfigKey<i16>,
    ) -> Result<Self, ConnectError> {
        let prefix = self.key.trim_end_matches("topic");
        if let Some(key) = partitions {
            self.partitions = Some(props.get(key)?).filter(|n| *n > 0);
        }
        self.replication_factor = Some(props.get(replication)?).filter(|n| *n > 0);
        for (name, value) in props.with_prefix(prefix).iter() {
            match name {
                "topic" | "partitions" | "replication.factor" | "file.filename" => {}
                "cleanup.policy" => warn!(
                    property = format!("{prefix}{name}"),
                    "ignored: the worker's own topics are always compacted"
                ),
                _ => {
                    self.settings.insert(name.to_owned(), value.to_owned());
                }
            }
        }
        if self.name.trim().is_empty() {
            return Err(ConnectError::config(match self.key {
                "config.storage.topic" => "Must specify topic for connector configuration.",
                "offset.storage.topic" => "Offset storage topic must be specified",
                _ => "Must specify topic for connector status.",
            }));
        }
        Ok(self)
    }
}

/// Names that a worker on the embedded log need not give.
fn embedded_defaults(props: &mut Props) {
    for (name, value) in [
        (keys::GROUP_ID.name(), "connect-cluster"),
        (keys::CONFIG_TOPIC.name(), "connect-configs"),
        (keys::OFFSET_TOPIC.name(), "connect-offsets"),
        (keys::STATUS_TOPIC.name(), "connect-status"),
    ] {
        if !props.contains(name) {
            props.set(name, value);
        }
    }
}

/// What the original can and this worker cannot do must not be taken for done.
fn refuse_unsupported(props: &Props) -> Result<(), WorkerError> {
    let support = props.get(&keys::EXACTLY_ONCE_SOURCE_SUPPORT).map_err(config_error)?;
    let reporters = props.get(&keys::METRIC_REPORTERS).map_err(config_error)?;
    let extensions = props.get(&keys::REST_EXTENSION_CLASSES).map_err(config_error)?;
    let headers = props.get(&keys::RESPONSE_HTTP_HEADERS).map_err(config_error)?;
    let refused = [
        (support != "disabled", &keys::EXACTLY_ONCE_SOURCE_SUPPORT.spec().name, support),
        (
            reporters.iter().any(|class| class != keys::JMX_REPORTER),
            &keys::METRIC_REPORTERS.spec().name,
            reporters.join(","),
        ),
        (!extensions.is_empty(), &keys::REST_EXTENSION_CLASSES.spec().name, extensions.join(",")),
        (!headers.is_empty(), &keys::RESPONSE_HTTP_HEADERS.spec().name, headers),
    ]
    .into_iter()
    .find(|(is_refused, ..)| *is_refused)
    .map(|(_, name, value)| format!("{name}={value} is not supported; remove the property"));
    refused.map_or(Ok(()), |text| Err(WorkerError::Config(text)))
}

fn report_oddities(props: &Props) {
    for (name, _) in props.iter() {
        if name.starts_with("internal.key.converter") || name.starts_with("internal.value.converter") {
            warn!(property = name, "ignored: the worker's own topics always hold JSON without schemas");
        }
    }
    if props.contains(keys::REST_HOST_NAME.name()) || props.contains(keys::REST_PORT.name()) {
        warn!("'rest.host.name' and 'rest.port' are names of early releases: use 'listeners'");
    }
    let is_secured = |prefix: &str| {
        props
            .raw(&format!("{prefix}security.protocol"))
            .is_some_and(|protocol| !protocol.eq_ignore_ascii_case("PLAINTEXT"))
    };
    for prefix in ["producer.", "consumer."] {
        if is_secured("") && !is_secured(prefix) {
            warn!(
                "'security.protocol' is set, but '{prefix}security.protocol' is not: the clients of tasks do not \
                 inherit the worker's security settings"
            );
        }
    }
}

fn override_policy(props: &Props) -> Result<OverridePolicy, WorkerError> {
    let key = &keys::CLIENT_CONFIG_OVERRIDE_POLICY;
    let name = props.get(key).map_err(config_error)?;
    let simple = name
        .strip_prefix("org.apache.kafka.connect.connector.policy.")
        .unwrap_or(&name);
    match simple
        .strip_suffix("ConnectorClientConfigOverridePolicy")
        .unwrap_or(simple)
    {
        "All" => Ok(OverridePolicy::All),
        "None" => Ok(OverridePolicy::None),
        "Principal" => Ok(OverridePolicy::Principal),
        "Allowlist" => Ok(OverridePolicy::Allowlist(
            props.get(&keys::CLIENT_CONFIG_OVERRIDE_ALLOWLIST).map_err(config_error)?,
        )),
        _ => Err(WorkerError::Config(format!(
            "Invalid value {name} for configuration {}: must be one of All, None, Principal, Allowlist",
            key.name()
        ))),
    }
}

pub(crate) fn config_error(error: ConnectError) -> WorkerError {
    WorkerError::Config(error.chain())
}

#[cfg(test)]
mod tests;
