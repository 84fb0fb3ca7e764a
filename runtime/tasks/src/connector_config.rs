//! The framework's own keys of connectors.
//!
//! Source: `org.apache.kafka.connect.runtime.{ConnectorConfig,SourceConnectorConfig,SinkConnectorConfig}`.

use std::borrow::Cow;

use tidegate_api::config::{
    ClassName, ConfigType, ConfigValue, DefaultValue, Importance, KeySpec, Width, invalid,
    valid_string,
};
use tidegate_api::{ConfigDef, ConfigKey, ConnectorKind, Plugins, Props};

const COMMON: &str = "Common";
const TRANSFORMS_GROUP: &str = "Transforms";
const PREDICATES_GROUP: &str = "Predicates";
const ERROR_GROUP: &str = "Error Handling";
const TOPIC_CREATION_GROUP: &str = "Topic Creation";
const EXACTLY_ONCE_GROUP: &str = "Exactly Once Support";
const OFFSETS_GROUP: &str = "offsets.topic";

static NAME: ConfigKey<String> = ConfigKey::required("name")
    .group(COMMON)
    .order_in_group(1)
    .importance(Importance::High)
    .width(Width::Medium)
    .display_name("Connector name")
    .validator(legal_name)
    .doc("Globally unique name to use for this connector.");
static CONNECTOR_CLASS: ConfigKey<String> = ConfigKey::required("connector.class")
    .group(COMMON)
    .order_in_group(2)
    .importance(Importance::High)
    .width(Width::Long)
    .display_name("Connector class")
    .doc("Name or alias of the class for this connector. Must be a subclass of org.apache.kafka.connect.connector.Connector. If the connector is org.apache.kafka.connect.file.FileStreamSinkConnector, you can either specify this full name,  or use \"FileStreamSink\" or \"FileStreamSinkConnector\" to make the configuration a bit shorter");
/// `tasks.max`
pub static TASKS_MAX: ConfigKey<i32> = ConfigKey::new("tasks.max", "1")
    .group(COMMON)
    .order_in_group(4)
    .importance(Importance::High)
    .width(Width::Short)
    .display_name("Tasks max")
    .validator(at_least_one)
    .doc("Maximum number of tasks to use for this connector.");
/// `tasks.max.enforce`
pub static TASKS_MAX_ENFORCE: ConfigKey<bool> = ConfigKey::new("tasks.max.enforce", "true")
    .group(COMMON)
    .order_in_group(5)
    .importance(Importance::Low)
    .width(Width::Short)
    .display_name("Enforce tasks max")
    .doc("(Deprecated) Whether to enforce that the tasks.max property is respected by the connector. By default, connectors that generate too many tasks will fail, and existing sets of tasks that exceed the tasks.max property will also be failed. If this property is set to false, then connectors will be allowed to generate more than the maximum number of tasks, and existing sets of tasks that exceed the tasks.max property will be allowed to run. This property is deprecated and will be removed in an upcoming major release.");
static KEY_CONVERTER: ConfigKey<Option<ClassName>> = ConfigKey::nullable("key.converter")
    .group(COMMON)
    .order_in_group(6)
    .importance(Importance::Low)
    .width(Width::Short)
    .display_name("Key converter class")
    .doc("Converter class used to convert between Kafka Connect format and the serialized form that is written to Kafka. This controls the format of the keys in messages written to or read from Kafka, and since this is independent of connectors it allows any connector to work with any serialization format. Examples of common formats include JSON and Avro.");
static VALUE_CONVERTER: ConfigKey<Option<ClassName>> = ConfigKey::nullable("value.converter")
    .group(COMMON)
    .order_in_group(8)
    .importance(Importance::Low)
    .width(Width::Short)
    .display_name("Value converter class")
    .doc("Converter class used to convert between Kafka Connect format and the serialized form that is written to Kafka. This controls the format of the values in messages written to or read from Kafka, and since this is independent of connectors it allows any connector to work with any serialization format. Examples of common formats include JSON and Avro.");
static HEADER_CONVERTER: ConfigKey<Option<ClassName>> = ConfigKey::nullable("header.converter")
    .group(COMMON)
    .order_in_group(10)
    .importance(Importance::Low)
    .width(Width::Short)
    .display_name("Header converter class")
    .doc("HeaderConverter class used to convert between Kafka Connect format and the serialized form that is written to Kafka. This controls the format of the header values in messages written to or read from Kafka, and since this is independent of connectors it allows any connector to work with any serialization format. Examples of common formats include JSON and Avro. By default, the SimpleHeaderConverter is used to serialize header values to strings and deserialize them by inferring the schemas.");
/// Only the version that this worker has; validation gives it as the default. Likewise for converters and
/// transformations.
static CONNECTOR_VERSION: ConfigKey<Option<String>> =
    ConfigKey::nullable("connector.plugin.version")
        .group(COMMON)
        .order_in_group(3)
        .importance(Importance::Medium)
        .width(Width::Medium)
        .display_name("Connector version")
        .doc("Version of the connector.");
static KEY_CONVERTER_VERSION: ConfigKey<Option<String>> =
    ConfigKey::nullable("key.converter.plugin.version")
        .group(COMMON)
        .order_in_group(7)
        .importance(Importance::Low)
        .width(Width::Short)
        .display_name("Key converter version")
        .doc("Version of the key converter.");
static VALUE_CONVERTER_VERSION: ConfigKey<Option<String>> =
    ConfigKey::nullable("value.converter.plugin.version")
        .group(COMMON)
        .order_in_group(9)
        .importance(Importance::Low)
        .width(Width::Short)
        .display_name("Value converter version")
        .doc("Version of the value converter.");
static HEADER_CONVERTER_VERSION: ConfigKey<Option<String>> =
    ConfigKey::nullable("header.converter.plugin.version")
        .group(COMMON)
        .order_in_group(11)
        .importance(Importance::Low)
        .width(Width::Short)
        .display_name("Header converter version")
        .doc("Version of the header converter.");
pub(crate) static TRANSFORMS: ConfigKey<Vec<String>> = ConfigKey::new("transforms", "")
    .group(TRANSFORMS_GROUP)
    .order_in_group(12)
    .importance(Importance::Low)
    .width(Width::Long)
    .display_name("Transforms")
    .validator(distinct)
    .doc("Aliases for the transformations to be applied to records.");
pub(crate) static PREDICATES: ConfigKey<Vec<String>> = ConfigKey::new("predicates", "")
    .group(PREDICATES_GROUP)
    .order_in_group(13)
    .importance(Importance::Low)
    .width(Width::Long)
    .display_name("Predicates")
    .validator(distinct)
    .doc("Aliases for the predicates used by transformations.");
static CONFIG_RELOAD_ACTION: ConfigKey<String> = ConfigKey::new("config.action.reload", "restart")
    .group(COMMON)
    .order_in_group(14)
    .importance(Importance::Low)
    .width(Width::Medium)
    .display_name("Reload Action")
    .validator(|name, value| valid_string(name, value, &["none", "restart"]))
    .doc("The action that Connect should take on the connector when changes in external configuration providers result in a change in the connector's configuration properties. A value of 'none' indicates that Connect will do nothing. A value of 'restart' indicates that Connect should restart/reload the connector with the updated configuration properties.The restart may actually be scheduled in the future if the external configuration provider indicates that a configuration value will expire in the future.");
pub(crate) static ERRORS_RETRY_TIMEOUT: ConfigKey<i64> = ConfigKey::new("errors.retry.timeout", "0")
    .group(ERROR_GROUP)
    .order_in_group(1)
    .importance(Importance::Medium)
    .width(Width::Medium)
    .display_name("Retry Timeout for Errors")
    .doc("The maximum duration in milliseconds that a failed operation will be reattempted. The default is 0, which means no retries will be attempted. Use -1 for infinite retries.");
pub(crate) static ERRORS_RETRY_DELAY_MAX: ConfigKey<i64> = ConfigKey::new("errors.retry.delay.max.ms", "60000")
    .group(ERROR_GROUP)
    .order_in_group(2)
    .importance(Importance::Medium)
    .width(Width::Medium)
    .display_name("Maximum Delay Between Retries for Errors")
    .doc("The maximum duration in milliseconds between consecutive retry attempts. Jitter will be added to the delay once this limit is reached to prevent thundering herd issues.");
pub(crate) static ERRORS_TOLERANCE: ConfigKey<String> = ConfigKey::new("errors.tolerance", "none")
    .group(ERROR_GROUP)
    .order_in_group(3)
    .importance(Importance::Medium)
    .width(Width::Short)
    .display_name("Error Tolerance")
    .validator(|name, value| valid_string(name, value, &["none", "all"]))
    .doc("Behavior for tolerating errors during connector operation. 'none' is the default value and signals that any error will result in an immediate connector task failure; 'all' changes the behavior to skip over problematic records.");
pub(crate) static ERRORS_LOG_ENABLE: ConfigKey<bool> = ConfigKey::new("errors.log.enable", "false")
    .group(ERROR_GROUP)
    .order_in_group(4)
    .importance(Importance::Medium)
    .width(Width::Short)
    .display_name("Log Errors")
    .doc("If true, write each error and the details of the failed operation and problematic record to the Connect application log. This is 'false' by default, so that only errors that are not tolerated are reported.");
pub(crate) static ERRORS_LOG_INCLUDE_MESSAGES: ConfigKey<bool> = ConfigKey::new("errors.log.include.messages", "false")
    .group(ERROR_GROUP)
    .order_in_group(5)
    .importance(Importance::Medium)
    .width(Width::Short)
    .display_name("Log Error Details")
    .doc("Whether to include in the log the Connect record that resulted in a failure. For sink records, the topic, partition, offset, and timestamp will be logged. For source records, the key and value (and their schemas), all headers, and the timestamp, Kafka topic, Kafka partition, source partition, and source offset will be logged. This is 'false' by default, which will prevent record keys, values, and headers from being written to log files.");

/// `topics`
pub static TOPICS: ConfigKey<Vec<String>> = ConfigKey::new("topics", "")
    .group(COMMON)
    .order_in_group(4)
    .importance(Importance::High)
    .width(Width::Long)
    .display_name("Topics")
    .validator(no_duplicates)
    .doc("List of topics to consume, separated by commas");
/// `topics.regex`
pub static TOPICS_REGEX: ConfigKey<String> = ConfigKey::new("topics.regex", "")
    .group(COMMON)
    .order_in_group(4)
    .importance(Importance::High)
    .width(Width::Long)
    .display_name("Topics regex")
    .validator(regular_expression)
    .doc("Regular expression giving topics to consume. Under the hood, the regex is compiled to a <code>java.util.regex.Pattern</code>. Only one of topics or topics.regex should be specified.");
/// `errors.deadletterqueue.topic.name`
pub static ERRORS_DEAD_LETTER_TOPIC: ConfigKey<String> = ConfigKey::new("errors.deadletterqueue.topic.name", "")
    .group(ERROR_GROUP)
    .order_in_group(6)
    .importance(Importance::Medium)
    .width(Width::Medium)
    .display_name("Dead Letter Queue Topic Name")
    .doc("The name of the topic to be used as the dead letter queue (DLQ) for messages that result in an error when processed by this sink connector, or its transformations or converters. The topic name is blank by default, which means that no messages are to be recorded in the DLQ.");
pub(crate) static ERRORS_DEAD_LETTER_REPLICATION: ConfigKey<i16> = ConfigKey::new(
    "errors.deadletterqueue.topic.replication.factor",
    "3",
)
.group(ERROR_GROUP)
.order_in_group(7)
.importance(Importance::Medium)
.width(Width::Medium)
.display_name("Dead Letter Queue Topic Replication Factor")
.doc(
    "Replication factor used to create the dead letter queue topic when it doesn't already exist.",
);
pub(crate) static ERRORS_DEAD_LETTER_HEADERS: ConfigKey<bool> =
    ConfigKey::new("errors.deadletterqueue.context.headers.enable", "false")
        .group(ERROR_GROUP)
        .order_in_group(8)
        .importance(Importance::Medium)
        .width(Width::Medium)
        .display_name("Enable Error Context Headers")
        .doc("If true, add headers containing error context to the messages written to the dead letter queue. To avoid clashing with headers from the original record, all error context header keys, all error context header keys will start with <code>__connect.errors.</code>");

pub(crate) static TOPIC_CREATION_GROUPS: ConfigKey<Vec<String>> =
    ConfigKey::new("topic.creation.groups", "")
        .group(TOPIC_CREATION_GROUP)
        .order_in_group(1)
        .importance(Importance::Low)
        .width(Width::Long)
        .display_name("Topic Creation Groups")
        .validator(distinct)
        .doc("Groups of configurations for topics created by source connectors");
static EXACTLY_ONCE_SUPPORT: ConfigKey<String> = ConfigKey::new("exactly.once.support", "requested")
    .group(EXACTLY_ONCE_GROUP)
    .order_in_group(2)
    .importance(Importance::Medium)
    .width(Width::Short)
    .display_name("Exactly once support")
    .validator(exactly_once)
    .doc("Permitted values are requested, required. If set to \"required\", forces a preflight check for the connector to ensure that it can provide exactly-once semantics with the given configuration. Some connectors may be capable of providing exactly-once semantics but not signal to Connect that they support this; in that case, documentation for the connector should be consulted carefully before creating it, and the value for this property should be set to \"requested\". Additionally, if the value is set to \"required\" but the worker that performs preflight validation does not have exactly-once support enabled for source connectors, requests to create or validate the connector will fail.");
static TRANSACTION_BOUNDARY: ConfigKey<String> = ConfigKey::new("transaction.boundary", "poll")
    .group(EXACTLY_ONCE_GROUP)
    .order_in_group(3)
    .importance(Importance::Medium)
    .width(Width::Short)
    .display_name("Transaction Boundary")
    .validator(|name, value| one_of_ignoring_case(name, value, &["poll", "interval", "connector"]))
    .doc("Permitted values are: poll, interval, connector. If set to 'poll', a new producer transaction will be started and committed for every batch of records that each task from this connector provides to Connect. If set to 'connector', relies on connector-defined transaction boundaries; note that not all connectors are capable of defining their own transaction boundaries, and in that case, attempts to instantiate a connector with this value will fail. Finally, if set to 'interval', commits transactions only after a user-defined time interval has passed.");
static TRANSACTION_BOUNDARY_INTERVAL: ConfigKey<Option<i64>> = ConfigKey::nullable("transaction.boundary.interval.ms")
    .group(EXACTLY_ONCE_GROUP)
    .order_in_group(4)
    .importance(Importance::Low)
    .width(Width::Short)
    .display_name("Transaction boundary interval")
    .doc("If 'transaction.boundary' is set to 'interval', determines the interval for producer transaction commits by connector tasks. If unset, defaults to the value of the worker-level 'offset.flush.interval.ms' property. It has no effect if a different transaction.boundary is specified.");
static OFFSETS_STORAGE_TOPIC: ConfigKey<Option<String>> = ConfigKey::nullable("offsets.storage.topic")
    .group(OFFSETS_GROUP)
    .order_in_group(1)
    .importance(Importance::Low)
    .width(Width::Long)
    .display_name("Offsets topic")
    .validator(no_own_offsets_topic)
    .doc("The name of a separate offsets topic to use for this connector. If empty or not specified, the worker's global offsets topic name will be used. If specified, the offsets topic will be created if it does not already exist on the Kafka cluster targeted by this connector (which may be different from the one used for the worker's global offsets topic if the bootstrap.servers property of the connector's producer has been overridden from the worker's).");

fn legal_name(name: &str, value: &ConfigValue) -> Result<(), String> {
    let ConfigValue::String(text) = value else {
        return Ok(());
    };
    if text.is_empty() {
        return Err(invalid(name, text, "String may not be empty"));
    }
    let controls: Vec<String> = text
        .chars()
        .filter(char::is_ascii_control)
        .map(|c| u32::from(c).to_string())
        .collect();
    if controls.is_empty() {
        return Ok(());
    }
    let reason = format!(
        "String may not contain control sequences but had the following ASCII chars: {}",
        controls.join(", ")
    );
    Err(invalid(name, text, &reason))
}

fn at_least_one(name: &str, value: &ConfigValue) -> Result<(), String> {
    match value {
        ConfigValue::Int(number) if *number < 1 => {
            Err(invalid(name, number, "Value must be at least 1"))
        }
        _ => Ok(()),
    }
}

fn one_of_ignoring_case(name: &str, value: &ConfigValue, allowed: &[&str]) -> Result<(), String> {
    match value {
        ConfigValue::String(text)
            if !allowed.iter().any(|known| known.eq_ignore_ascii_case(text)) =>
        {
            let allowed = allowed.join(", ").to_uppercase();
            Err(invalid(
                name,
                text,
                &format!("String must be one of (case insensitive): {allowed}"),
            ))
        }
        _ => Ok(()),
    }
}

fn exactly_once(name: &str, value: &ConfigValue) -> Result<(), String> {
    one_of_ignoring_case(name, value, &["required", "requested"])?;
    match value {
        ConfigValue::String(text) if text.eq_ignore_ascii_case("required") => {
            Err("This worker does not have exactly-once source support enabled.".to_owned())
        }
        _ => Ok(()),
    }
}

fn no_own_offsets_topic(name: &str, value: &ConfigValue) -> Result<(), String> {
    match value {
        ConfigValue::String(topic) => Err(invalid(
            name,
            topic,
            "a connector's own offsets topic is not supported by this version; remove it",
        )),
        _ => Ok(()),
    }
}

fn distinct(name: &str, value: &ConfigValue) -> Result<(), String> {
    let ConfigValue::List(aliases) = value else {
        return Ok(());
    };
    let repeated = aliases
        .iter()
        .enumerate()
        .any(|(index, alias)| aliases[..index].contains(alias));
    if repeated {
        return Err(invalid(
            name,
            format!("[{}]", aliases.join(", ")),
            "Duplicate alias provided.",
        ));
    }
    Ok(())
}

fn no_duplicates(name: &str, value: &ConfigValue) -> Result<(), String> {
    let ConfigValue::List(topics) = value else {
        return Ok(());
    };
    let repeated = |(index, topic)| topics[..index].contains(topic);
    if topics.iter().enumerate().any(repeated) {
        return Err(format!(
            "Configuration '{name}' values must not be duplicated."
        ));
    }
    Ok(())
}

fn regular_expression(name: &str, value: &ConfigValue) -> Result<(), String> {
    match value {
        ConfigValue::String(pattern) if !pattern.is_empty() => fancy_regex::Regex::new(pattern)
            .map(drop)
            .map_err(|error| invalid(name, pattern, &format!("Invalid regex: {error}"))),
        _ => Ok(()),
    }
}

/// The framework's keys for a connector of this kind, with those of the transformations and predicates that `props`
/// name.
pub fn connector_config_def(kind: &ConnectorKind, props: &Props, plugins: &Plugins) -> ConfigDef {
    let mut definition = ConfigDef::new(&[
        &NAME,
        &CONNECTOR_CLASS,
        &CONNECTOR_VERSION,
        &TASKS_MAX,
        &TASKS_MAX_ENFORCE,
        &KEY_CONVERTER,
        &KEY_CONVERTER_VERSION,
        &VALUE_CONVERTER,
        &VALUE_CONVERTER_VERSION,
        &HEADER_CONVERTER,
        &HEADER_CONVERTER_VERSION,
        &TRANSFORMS,
        &PREDICATES,
        &CONFIG_RELOAD_ACTION,
        &ERRORS_RETRY_TIMEOUT,
        &ERRORS_RETRY_DELAY_MAX,
        &ERRORS_TOLERANCE,
        &ERRORS_LOG_ENABLE,
        &ERRORS_LOG_INCLUDE_MESSAGES,
    ]);
    definition.extend(match kind {
        ConnectorKind::Source(_) => ConfigDef::new(&[
            &TOPIC_CREATION_GROUPS,
            &EXACTLY_ONCE_SUPPORT,
            &TRANSACTION_BOUNDARY,
            &TRANSACTION_BOUNDARY_INTERVAL,
            &OFFSETS_STORAGE_TOPIC,
        ]),
        ConnectorKind::Sink(_) => ConfigDef::new(&[
            &TOPICS,
            &TOPICS_REGEX,
            &ERRORS_DEAD_LETTER_TOPIC,
            &ERRORS_DEAD_LETTER_REPLICATION,
            &ERRORS_DEAD_LETTER_HEADERS,
        ]),
    });
    add_aliases(&mut definition, props, &Family::transforms(plugins));
    add_aliases(&mut definition, props, &Family::predicates(plugins));
    definition
}

/// What is known of a class that an alias names.
type Found = (fn() -> ConfigDef, &'static str);

/// Transformations or predicates: what their aliases bring into the definition.
struct Family<'a> {
    aliases: &'static ConfigKey<Vec<String>>,
    prefix: &'static str,
    group: &'static str,
    display: &'static str,
    find: Box<dyn Fn(&str) -> Option<Found> + 'a>,
    has_predicate: bool,
}

impl<'a> Family<'a> {
    fn transforms(plugins: &'a Plugins) -> Self {
        let find = |name: &str| {
            let plugin = plugins.transform(name)?;
            Some((plugin.config_def, plugin.version))
        };
        Self {
            aliases: &TRANSFORMS,
            prefix: "transforms",
            group: "Transforms",
            display: "Transformation",
            find: Box::new(find),
            has_predicate: true,
        }
    }
    fn predicates(plugins: &'a Plugins) -> Self {
        let find = |name: &str| {
            let plugin = plugins.predicate(name)?;
            Some((plugin.config_def, plugin.version))
        };
        Self {
            aliases: &PREDICATES,
            prefix: "predicates",
            group: "Predicates",
            display: "Predicate",
            find: Box::new(find),
            has_predicate: false,
        }
    }

    /// The two keys that every transformation has beside its own.
    fn common_keys(&self) -> Vec<KeySpec> {
        if !self.has_predicate {
            return Vec::new();
        }
        let mut predicate = KeySpec::dynamic(
            "predicate".to_owned(),
            ConfigType::String,
            DefaultValue::Null,
        );
        predicate.documentation = Cow::Borrowed(
            "The alias of a predicate used to determine whether to apply this transformation.",
        );
        let no = DefaultValue::Text(Cow::Borrowed("false"));
        let mut negate = KeySpec::dynamic("negate".to_owned(), ConfigType::Boolean, no);
        negate.documentation = Cow::Borrowed("Whether the configured predicate should be negated.");
        vec![predicate, negate]
    }
}

fn add_aliases(definition: &mut ConfigDef, props: &Props, family: &Family<'_>) {
    let Ok(aliases) = props.get(family.aliases) else {
        return;
    };
    let what = family.display.to_lowercase();
    for alias in aliases {
        let prefix = format!("{}.{alias}.", family.prefix);
        let group = format!("{}: {alias}", family.group);
        let class = props.raw(&format!("{prefix}type"));
        let found = class.and_then(|class| (family.find)(class));
        let mut push = |mut key: KeySpec, order: i32| {
            key.name = Cow::Owned(format!("{prefix}{}", key.name));
            key.group = Some(Cow::Owned(group.clone()));
            key.order_in_group = order;
            let dependents = key.dependents.iter();
            key.dependents = dependents
                .map(|name| Cow::Owned(format!("{prefix}{name}")))
                .collect();
            definition.push(key);
        };
        let kind = ConfigType::Class;
        let mut key = KeySpec::dynamic("type".to_owned(), kind, DefaultValue::Required);
        key.importance = Importance::High;
        key.width = Width::Long;
        key.display_name = Cow::Owned(format!("{} type for {alias}", family.display));
        key.documentation = Cow::Owned(format!("Class for the '{alias}' {what}."));
        push(key, 0);
        let version = found.map(|(_, version)| DefaultValue::Text(Cow::Borrowed(version)));
        let version = version.unwrap_or(DefaultValue::Null);
        let mut key = KeySpec::dynamic(PLUGIN_VERSION.to_owned(), ConfigType::String, version);
        key.importance = Importance::High;
        key.width = Width::Long;
        key.display_name = Cow::Owned(format!("{} version for {alias}", family.display));
        key.documentation = Cow::Owned(format!("Version of the '{alias}' {what}."));
        push(key, 1);
        let Some((own, _)) = found else {
            continue;
        };
        let mut keys = own().described();
        keys.extend(family.common_keys());
        keys.sort_by(in_order_of_need);
        for (key, order) in keys.into_iter().zip(2..) {
            push(key, order);
        }
    }
}

/// Last part of the keys that choose a plugin's version.
pub const PLUGIN_VERSION: &str = "plugin.version";

/// By group and place in it, then what must be given first, then by importance and name.
///
/// Source: `ConfigDef.compare`.
fn in_order_of_need(a: &KeySpec, b: &KeySpec) -> std::cmp::Ordering {
    let rank = |key: &KeySpec| {
        (
            key.group.is_some(),
            key.order_in_group,
            key.default != DefaultValue::Required,
            match key.importance {
                Importance::High => 0,
                Importance::Medium => 1,
                Importance::Low => 2,
            },
        )
    };
    rank(a).cmp(&rank(b)).then_with(|| a.name.cmp(&b.name))
}
