//! Keys of a connector's configuration that nobody reads.
//!
//! Source: `org.apache.kafka.common.config.AbstractConfig.logUnused`.

use tidegate_api::{ConnectorKind, ConnectorPlugin, Plugins, Props};
use tidegate_tasks::connector_config_def;

/// Families of the framework's keys.
const FAMILIES: [&str; 3] = [
    "producer.override.",
    "consumer.override.",
    "admin.override.",
];
/// Of sources alone: groups of topics have any setting of topics.
const TOPIC_CREATION: &str = "topic.creation.";

/// The keys that neither the framework nor the connector, its converters, transformations or predicates declare.
pub fn unknown_keys<'a>(
    plugins: &Plugins,
    plugin: &ConnectorPlugin,
    props: &'a Props,
) -> Vec<&'a str> {
    let framework = connector_config_def(&plugin.kind, props, plugins);
    let own = (plugin.config_def)();
    let is_source = matches!(plugin.kind, ConnectorKind::Source(_));
    let names = props.iter().map(|(name, _)| name);
    names
        .filter(|name| {
            !(framework.get(name).is_some()
                || own.knows(name)
                || FAMILIES.iter().any(|family| name.starts_with(family))
                || (is_source && name.starts_with(TOPIC_CREATION))
                || is_converters(plugins, props, name))
        })
        .collect()
}

/// What to tell of settings that are known and have no effect.
pub(crate) fn settings_without_effect(
    plugins: &Plugins,
    plugin: &ConnectorPlugin,
    props: &Props,
) -> Vec<String> {
    let mut warnings = (plugin.config_def)().warnings(props);
    warnings.extend(connector_config_def(&plugin.kind, props, plugins).warnings(props));
    warnings
}

/// Whether a converter that the connector names itself declares the key. Options of the worker's converters have no
/// effect in a connector's configuration.
fn is_converters(plugins: &Plugins, props: &Props, name: &str) -> bool {
    let option = |converter: &str| {
        let option = name.strip_prefix(converter)?.strip_prefix('.')?;
        Some((option, props.raw(converter)?))
    };
    if let Some((option, class)) = option("header.converter") {
        let plugin = plugins.header_converter(class);
        return plugin.is_some_and(|plugin| (plugin.config_def)().knows(option));
    }
    let Some((option, class)) = option("key.converter").or_else(|| option("value.converter"))
    else {
        return false;
    };
    let plugin = plugins.converter(class);
    plugin.is_some_and(|plugin| (plugin.config_def)().knows(option))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, tested};

    #[tokio::test]
    async fn keys_that_nobody_declares_are_found() {
        let bench = Bench::standalone(&[]).await;
        let plugins = &bench.herder.shared.plugins;
        let plugin = plugins.connector("Tested").unwrap();
        let json = "org.apache.kafka.connect.json.JsonConverter";
        let mut props = tested("a", "1");
        for (name, value) in [
            ("errors.tolerance", "all"),
            ("topic.creation.default.partitions", "1"),
            ("topic.creation.g.retention.ms", "1"),
            ("producer.override.linger.ms", "1"),
            ("value.converter", json),
            ("value.converter.schemas.enable", "false"),
            ("tasks.max.enforce", "true"),
            ("errors.deadletterqueue.topic.name", "of.sinks"),
            ("key.converter.schemas.enable", "has.no.effect"),
            ("max.tasks", "2"),
            ("transforms.gone.type", "X"),
            ("value.converter.schema.enable", "a.slip"),
        ] {
            props.set(name, value);
        }
        let mut unknown = unknown_keys(plugins, plugin, &props);
        unknown.sort_unstable();
        assert_eq!(
            unknown,
            [
                "errors.deadletterqueue.topic.name",
                "key.converter.schemas.enable",
                "max.tasks",
                "setting",
                "transforms.gone.type",
                "value.converter.schema.enable",
            ]
        );
    }
}
