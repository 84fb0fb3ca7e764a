//! The framework's own keys of connectors.
//!
//! Source: `org.apache.kafka.connect.runtime.{ConnectorConfig,SourceConnectorConfig,SinkConnectorConfig}`.

use std::borrow::Cow;

use tidegate_api::config::{
    ClassName, ConfigType, ConfigValue, DefaultValue, Importance, KeySpec, Unsupported, Width,
    invalid, valid_list, valid_string,
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
    .doc(
        "Name of the connector, which no other connector of the cluster may have. Not empty and \
         without control characters.",
    );
static CONNECTOR_CLASS: ConfigKey<String> = ConfigKey::required("connector.class")
    .group(COMMON)
    .order_in_group(2)
    .importance(Importance::High)
    .width(Width::Long)
    .display_name("Connector class")
    .doc(
        "Class of the connector: its full name, its simple name, or the simple name without \
         'Connector'.",
    );
/// `tasks.max`
pub static TASKS_MAX: ConfigKey<i32> = ConfigKey::new("tasks.max", "1")
    .group(COMMON)
    .order_in_group(4)
    .importance(Importance::High)
    .width(Width::Short)
    .display_name("Tasks max")
    .validator(at_least_one)
    .doc(
        "Most tasks that the connector may have, at least 1. A connector that has less to \
         divide makes fewer.",
    );
/// `tasks.max.enforce`
pub static TASKS_MAX_ENFORCE: ConfigKey<bool> = ConfigKey::new("tasks.max.enforce", "true")
    .group(COMMON)
    .order_in_group(5)
    .importance(Importance::Low)
    .width(Width::Short)
    .display_name("Enforce tasks max")
    .doc(
        "Whether a connector that makes more than tasks.max tasks fails. With 'false' all of \
         them run. The original has marked this setting for removal.",
    );
static KEY_CONVERTER: ConfigKey<Option<ClassName>> = ConfigKey::nullable("key.converter")
    .group(COMMON)
    .order_in_group(6)
    .importance(Importance::Low)
    .width(Width::Short)
    .display_name("Key converter class")
    .doc(
        "Class of the converter between record keys and their bytes on topics. With it, only \
         options under 'key.converter.' of the connector count; without it, the worker's \
         converter and its options.",
    );
static VALUE_CONVERTER: ConfigKey<Option<ClassName>> = ConfigKey::nullable("value.converter")
    .group(COMMON)
    .order_in_group(8)
    .importance(Importance::Low)
    .width(Width::Short)
    .display_name("Value converter class")
    .doc(
        "Class of the converter between record values and their bytes on topics. With it, only \
         options under 'value.converter.' of the connector count; without it, the worker's \
         converter and its options.",
    );
static HEADER_CONVERTER: ConfigKey<Option<ClassName>> = ConfigKey::nullable("header.converter")
    .group(COMMON)
    .order_in_group(10)
    .importance(Importance::Low)
    .width(Width::Short)
    .display_name("Header converter class")
    .doc(
        "Class of the converter between values of headers and their bytes on topics. Without \
         it, the worker's; if the worker has none either, SimpleHeaderConverter, which writes \
         texts and guesses types when it reads.",
    );
/// Only the version that this worker has; validation gives it as the default. Likewise for converters and
/// transformations.
static CONNECTOR_VERSION: ConfigKey<Option<String>> =
    ConfigKey::nullable("connector.plugin.version")
        .group(COMMON)
        .order_in_group(3)
        .importance(Importance::Medium)
        .width(Width::Medium)
        .display_name("Connector version")
        .doc(
            "Version of the connector's class that must be there, as a version or a range like \
             '[1.0,2.0)'. Without it, whichever there is.",
        );
static KEY_CONVERTER_VERSION: ConfigKey<Option<String>> =
    ConfigKey::nullable("key.converter.plugin.version")
        .group(COMMON)
        .order_in_group(7)
        .importance(Importance::Low)
        .width(Width::Short)
        .display_name("Key converter version")
        .doc(
            "Version of the class in key.converter that must be there, as a version or a range. \
             Without it, whichever there is.",
        );
static VALUE_CONVERTER_VERSION: ConfigKey<Option<String>> =
    ConfigKey::nullable("value.converter.plugin.version")
        .group(COMMON)
        .order_in_group(9)
        .importance(Importance::Low)
        .width(Width::Short)
        .display_name("Value converter version")
        .doc(
            "Version of the class in value.converter that must be there, as a version or a range. \
             Without it, whichever there is.",
        );
static HEADER_CONVERTER_VERSION: ConfigKey<Option<String>> =
    ConfigKey::nullable("header.converter.plugin.version")
        .group(COMMON)
        .order_in_group(11)
        .importance(Importance::Low)
        .width(Width::Short)
        .display_name("Header converter version")
        .doc(
            "Version of the class in header.converter that must be there, as a version or a range. \
             Without it, whichever there is.",
        );
pub(crate) static TRANSFORMS: ConfigKey<Vec<String>> = ConfigKey::new("transforms", "")
    .group(TRANSFORMS_GROUP)
    .order_in_group(12)
    .importance(Importance::Low)
    .width(Width::Long)
    .display_name("Transforms")
    .validator(distinct)
    .doc(
        "Names of transformations in the order in which records go through them, separated by \
         commas. Each has its class in 'transforms.<name>.type' and its options beside it.",
    );
pub(crate) static PREDICATES: ConfigKey<Vec<String>> = ConfigKey::new("predicates", "")
    .group(PREDICATES_GROUP)
    .order_in_group(13)
    .importance(Importance::Low)
    .width(Width::Long)
    .display_name("Predicates")
    .validator(distinct)
    .doc(
        "Names of predicates that transformations may refer to, separated by commas. Each has \
         its class in 'predicates.<name>.type' and its options beside it.",
    );
static CONFIG_RELOAD_ACTION: ConfigKey<String> = ConfigKey::new("config.action.reload", "restart")
    .group(COMMON)
    .order_in_group(14)
    .importance(Importance::Low)
    .width(Width::Medium)
    .display_name("Reload Action")
    .validator(|name, value| valid_string(name, value, &["none", "restart"]))
    .doc(
        "What happens when a value that a config provider has given expires. 'restart': the \
         connector starts again with the new value; 'none': it goes on with the old one.",
    );
pub(crate) static ERRORS_RETRY_TIMEOUT: ConfigKey<i64> =
    ConfigKey::new("errors.retry.timeout", "0")
        .group(ERROR_GROUP)
        .order_in_group(1)
        .importance(Importance::Medium)
        .width(Width::Medium)
        .display_name("Retry Timeout for Errors")
        .doc(
            "Longest time in milliseconds for which an operation on a record that has failed for a \
             reason that may pass is tried again. 0 for no further try, -1 for no limit.",
        );
pub(crate) static ERRORS_RETRY_DELAY_MAX: ConfigKey<i64> =
    ConfigKey::new("errors.retry.delay.max.ms", "60000")
        .group(ERROR_GROUP)
        .order_in_group(2)
        .importance(Importance::Medium)
        .width(Width::Medium)
        .display_name("Maximum Delay Between Retries for Errors")
        .doc(
            "Longest wait in milliseconds between two tries of a failed operation. Waits grow from \
             300 ms up to it.",
        );
pub(crate) static ERRORS_TOLERANCE: ConfigKey<String> = ConfigKey::new("errors.tolerance", "none")
    .group(ERROR_GROUP)
    .order_in_group(3)
    .importance(Importance::Medium)
    .width(Width::Short)
    .display_name("Error Tolerance")
    .validator(|name, value| valid_string(name, value, &["none", "all"]))
    .doc(
        "What happens to a record that cannot be converted, transformed or written. 'none': the \
         task fails; 'all': the record is left out, and goes to the dead letter queue if a sink \
         has one.",
    );
pub(crate) static ERRORS_LOG_ENABLE: ConfigKey<bool> = ConfigKey::new("errors.log.enable", "false")
    .group(ERROR_GROUP)
    .order_in_group(4)
    .importance(Importance::Medium)
    .width(Width::Short)
    .display_name("Log Errors")
    .doc(
        "Whether every error of a record is logged, with the operation that failed. With \
         'false' only those that make the task fail.",
    );
pub(crate) static ERRORS_LOG_INCLUDE_MESSAGES: ConfigKey<bool> =
    ConfigKey::new("errors.log.include.messages", "false")
        .group(ERROR_GROUP)
        .order_in_group(5)
        .importance(Importance::Medium)
        .width(Width::Short)
        .display_name("Log Error Details")
        .doc(
            "Whether the log entries of errors.log.enable tell where the record is from: topic, \
             partition, offset and timestamp, for a source also its key, value and headers. With \
             'false' no content of records is logged.",
        );

/// `topics`
pub static TOPICS: ConfigKey<Vec<String>> = ConfigKey::new("topics", "")
    .group(COMMON)
    .order_in_group(4)
    .importance(Importance::High)
    .width(Width::Long)
    .display_name("Topics")
    .validator(valid_list)
    .doc(
        "Topics to read, separated by commas, none of them twice. Either this or topics.regex \
         must be set.",
    );
/// `topics.regex`
pub static TOPICS_REGEX: ConfigKey<String> = ConfigKey::new("topics.regex", "")
    .group(COMMON)
    .order_in_group(4)
    .importance(Importance::High)
    .width(Width::Long)
    .display_name("Topics regex")
    .validator(regular_expression)
    .doc(
        "Regular expression in Java's syntax for the topics to read; it must match the whole \
         name. Topics that are created later are found, too. Either this or topics must be set.",
    );
/// `errors.deadletterqueue.topic.name`
pub static ERRORS_DEAD_LETTER_TOPIC: ConfigKey<String> = ConfigKey::new(
    "errors.deadletterqueue.topic.name",
    "",
)
.group(ERROR_GROUP)
.order_in_group(6)
.importance(Importance::Medium)
.width(Width::Medium)
.display_name("Dead Letter Queue Topic Name")
.doc(
    "Topic for records that errors.tolerance 'all' leaves out, as they were read. Empty for \
     none. It must not be among the topics that the connector reads.",
);
pub(crate) static ERRORS_DEAD_LETTER_REPLICATION: ConfigKey<i16> =
    ConfigKey::new("errors.deadletterqueue.topic.replication.factor", "3")
        .group(ERROR_GROUP)
        .order_in_group(7)
        .importance(Importance::Medium)
        .width(Width::Medium)
        .display_name("Dead Letter Queue Topic Replication Factor")
        .doc("Copies of the dead letter queue's topic when it has to be created.");
pub(crate) static ERRORS_DEAD_LETTER_HEADERS: ConfigKey<bool> =
    ConfigKey::new("errors.deadletterqueue.context.headers.enable", "false")
        .group(ERROR_GROUP)
        .order_in_group(8)
        .importance(Importance::Medium)
        .width(Width::Medium)
        .display_name("Enable Error Context Headers")
        .doc(
            "Whether records in the dead letter queue have headers that tell why: original topic, \
             partition and offset, connector, task, stage, class and error, all named \
             '__connect.errors.*'.",
        );

pub(crate) static TOPIC_CREATION_GROUPS: ConfigKey<Vec<String>> =
    ConfigKey::new("topic.creation.groups", "")
        .group(TOPIC_CREATION_GROUP)
        .order_in_group(1)
        .importance(Importance::Low)
        .width(Width::Long)
        .display_name("Topic Creation Groups")
        .validator(distinct)
        .doc(
            "Names of groups of topics that are created with settings of their own, separated by \
             commas. A topic belongs to the first group whose 'topic.creation.<group>.include' \
             matches it, else to 'default'. Needs 'topic.creation.default.replication.factor' and \
             'topic.creation.default.partitions'.",
        );
static EXACTLY_ONCE_SUPPORT: ConfigKey<String> =
    ConfigKey::new("exactly.once.support", "requested")
        .group(EXACTLY_ONCE_GROUP)
        .order_in_group(2)
        .importance(Importance::Medium)
        .width(Width::Short)
        .display_name("Exactly once support")
        .validator(exactly_once)
        .doc(
            "Whether the connector must be able to write every record exactly once: 'requested' or \
             'required'. 'required' is an error on a worker without support for it.",
        );
static TRANSACTION_BOUNDARY: ConfigKey<String> = ConfigKey::new("transaction.boundary", "poll")
    .group(EXACTLY_ONCE_GROUP)
    .order_in_group(3)
    .importance(Importance::Medium)
    .width(Width::Short)
    .display_name("Transaction Boundary")
    .validator(boundary)
    .doc(
        "Where transactions end on a worker with exactly-once support. 'poll': after each batch \
         of a task; 'interval': after transaction.boundary.interval.ms; 'connector': where the \
         connector says.",
    );
static TRANSACTION_BOUNDARY_INTERVAL: ConfigKey<Option<i64>> =
    ConfigKey::nullable("transaction.boundary.interval.ms")
        .group(EXACTLY_ONCE_GROUP)
        .order_in_group(4)
        .importance(Importance::Low)
        .width(Width::Short)
        .display_name("Transaction boundary interval")
        .validator(not_negative)
        .doc(
            "Milliseconds between ends of transactions with transaction.boundary 'interval'. \
             Without it, the worker's offset.flush.interval.ms.",
        );
static OFFSETS_STORAGE_TOPIC: ConfigKey<Option<String>> =
    ConfigKey::nullable("offsets.storage.topic")
        .group(OFFSETS_GROUP)
        .order_in_group(1)
        .importance(Importance::Low)
        .width(Width::Long)
        .display_name("Offsets topic")
        .validator(not_blank)
        .doc(
            "Topic of the connector's own for its offsets in place of the worker's \
             offset.storage.topic. It is taken with a warning and has no effect in this version: \
             offsets are kept in the worker's topic.",
        );

fn legal_name(name: &str, value: &ConfigValue) -> Result<(), String> {
    let ConfigValue::String(text) = value else {
        return Ok(());
    };
    if text.is_empty() {
        return Err(invalid(name, text, "String may not be empty"));
    }
    let controls: Vec<String> = text
        .chars()
        .filter(|char| char.is_control())
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

fn not_negative(name: &str, value: &ConfigValue) -> Result<(), String> {
    match value {
        ConfigValue::Long(number) if *number < 0 => {
            Err(invalid(name, number, "Value must be at least 0"))
        }
        _ => Ok(()),
    }
}

/// No connector of this worker ends transactions itself, as none of Debezium's and of the file connectors does.
///
/// Source: `org.apache.kafka.connect.runtime.distributed.DistributedHerder.validateSourceConnectorConfig`.
fn boundary(name: &str, value: &ConfigValue) -> Result<(), String> {
    one_of_ignoring_case(name, value, &["poll", "interval", "connector"])?;
    match value {
        ConfigValue::String(text) if text.eq_ignore_ascii_case("connector") => Err(
            "The connector does not support connector-defined transaction boundaries with the given configuration. \
             Please reconfigure it to use a different transaction boundary definition."
                .to_owned(),
        ),
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

/// Source: `ConfigDef.NonEmptyString`.
fn not_blank(name: &str, value: &ConfigValue) -> Result<(), String> {
    match value {
        ConfigValue::String(text) if text.is_empty() => {
            Err(invalid(name, text, "String must be non-empty"))
        }
        _ => Ok(()),
    }
}

/// The original writes offsets to the worker's topic as well once they are in the connector's own, so that a connector that
/// is taken over goes on where it was. Source: `ConnectorOffsetBackingStore.set`.
static WITHOUT_EFFECT: [Unsupported; 1] = [Unsupported::without_effect(
    "offsets.storage.topic",
    &[],
    "offsets are kept in the worker's topic, where the original keeps a copy of them",
)];

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

fn regular_expression(name: &str, value: &ConfigValue) -> Result<(), String> {
    match value {
        ConfigValue::String(pattern) if !pattern.is_empty() => {
            tidegate_api::JavaRegex::new(pattern)
                .map(drop)
                .map_err(|error| invalid(name, pattern, &format!("Invalid regex: {error}")))
        }
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
    if matches!(kind, ConnectorKind::Source(_)) {
        return definition.without(&WITHOUT_EFFECT);
    }
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
            "Name of the predicate that tells which records go through the transformation. Without it, all.",
        );
        let no = DefaultValue::Text(Cow::Borrowed("false"));
        let mut negate = KeySpec::dynamic("negate".to_owned(), ConfigType::Boolean, no);
        negate.documentation = Cow::Borrowed(
            "Whether the records go through the transformation for which the predicate does not hold.",
        );
        vec![predicate, negate]
    }
}

fn add_aliases(definition: &mut ConfigDef, props: &Props, family: &Family<'_>) {
    // An alias that is there twice is an error of the list; what is missing of it is told as well.
    let given = props.raw(family.aliases.name()).unwrap_or_default();
    let Ok(ConfigValue::List(aliases)) = family.aliases.spec().parse(given) else {
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
        key.documentation = Cow::Owned(format!("Class of the {what} '{alias}'."));
        push(key, 0);
        let version = found.map(|(_, version)| DefaultValue::Text(Cow::Borrowed(version)));
        let version = version.unwrap_or(DefaultValue::Null);
        let mut key = KeySpec::dynamic(PLUGIN_VERSION.to_owned(), ConfigType::String, version);
        key.importance = Importance::High;
        key.width = Width::Long;
        key.display_name = Cow::Owned(format!("{} version for {alias}", family.display));
        key.documentation = Cow::Owned(format!(
            "Version of the class of the {what} '{alias}' that must be there, as a version or a range. \
             Without it, whichever there is."
        ));
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
