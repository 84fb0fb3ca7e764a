//! Checks a connector's configuration before it is taken: the framework's keys, the connector's, its converters'.
//!
//! Source: `org.apache.kafka.connect.runtime.AbstractHerder.validateConnectorConfig`.

use std::borrow::Cow;
use std::fmt::Write as _;

use fancy_regex::Regex;
use serde_json::{Value as Json, json};
use tidegate_api::config::{ConfigInfo, ConfigType, DefaultValue, KeySpec, add_error};
use tidegate_api::{ConfigDef, ConnectorKind, ConnectorPlugin, Plugins, Props};
use tidegate_tasks::{
    ERRORS_DEAD_LETTER_TOPIC, TOPICS, TOPICS_REGEX, connector_config_def, sink_group_id,
};

use crate::config::WorkerConfig;
use crate::errors::WorkerError;
use crate::providers::ConfigProviders;

/// Answer of a validation.
#[derive(Debug)]
pub(crate) struct ConfigInfos {
    name: String,
    groups: Vec<String>,
    infos: Vec<ConfigInfo>,
}

/// What validation needs of the worker.
#[derive(Debug)]
pub(crate) struct Validator<'a> {
    pub(crate) plugins: &'a Plugins,
    pub(crate) providers: &'a ConfigProviders,
    pub(crate) worker: &'a WorkerConfig,
}

pub(crate) fn plugin<'a>(
    plugins: &'a Plugins,
    class: &str,
) -> Result<&'a ConnectorPlugin, WorkerError> {
    plugins.connector(class).ok_or_else(|| {
        let known: Vec<String> = plugins
            .connectors
            .iter()
            .map(|plugin| {
                let (class, version, kind) = (plugin.class, plugin.version, plugin.kind.name());
                format!(
                    "PluginDesc{{klass=class {class}, name='{class}', version='{version}', encodedVersion={version}, \
                     type={kind}, typeName='{kind}', location='tidegate'}}"
                )
            })
            .collect();
        WorkerError::internal(format!(
            "Failed to find any class that implements Connector and which name matches {class}, available connectors are: {}",
            known.join(", ")
        ))
    })
}

impl Validator<'_> {
    pub(crate) async fn validate(&self, raw: &Props) -> Result<ConfigInfos, WorkerError> {
        let props = self.providers.resolve(raw)?;
        let class = props
            .raw("connector.class")
            .filter(|class| !class.is_empty())
            .ok_or_else(|| {
                let names: Vec<&str> = raw.iter().map(|(name, _)| name).collect();
                WorkerError::bad_request(format!(
                    "Connector config {{{}}} contains no connector type",
                    names
                        .iter()
                        .map(|name| format!("{name}=…"))
                        .collect::<Vec<_>>()
                        .join(", ")
                ))
            })?;
        let plugin = plugin(self.plugins, class)?;
        let framework = connector_config_def(&plugin.kind, &props, self.plugins);
        let own = (plugin.config_def)();
        let connector = (plugin.create)();
        let own_infos = connector.validate(&own, &props).await?;
        let mut infos: Vec<ConfigInfo> = framework
            .validate(&props)
            .into_iter()
            .filter(|info| {
                !own_infos
                    .iter()
                    .any(|other| other.key.name == info.key.name)
            })
            .collect();
        self.check_classes(&props, &mut infos);
        if matches!(plugin.kind, ConnectorKind::Sink(_)) {
            self.check_sink(&props, &mut infos);
        }
        infos.extend(own_infos);
        self.check_converters(&props, &mut infos);
        let mut groups: Vec<String> = framework.groups().into_iter().map(str::to_owned).collect();
        for group in own.groups() {
            if !groups.iter().any(|known| known == group) {
                groups.push(group.to_owned());
            }
        }
        Ok(ConfigInfos {
            name: class.to_owned(),
            groups,
            infos,
        })
    }

    /// Transformations and predicates that exist nowhere, and those that are named but not declared.
    fn check_classes(&self, props: &Props, infos: &mut [ConfigInfo]) {
        let transforms: Vec<String> = self
            .plugins
            .transforms
            .iter()
            .map(|plugin| plugin.class.to_owned())
            .collect();
        let predicates: Vec<String> = self
            .plugins
            .predicates
            .iter()
            .map(|plugin| plugin.class.to_owned())
            .collect();
        for info in infos {
            let name = info.key.name.to_string();
            let is_type = |prefix: &str| {
                name.starts_with(prefix)
                    && name.rsplit('.').next() == Some("type")
                    && info.key.kind == ConfigType::Class
            };
            let (known, exists): (&[String], bool) = if is_type("transforms.") {
                (
                    &transforms,
                    props
                        .raw(&name)
                        .is_some_and(|class| self.plugins.transform(class).is_some()),
                )
            } else if is_type("predicates.") {
                (
                    &predicates,
                    props
                        .raw(&name)
                        .is_some_and(|class| self.plugins.predicate(class).is_some()),
                )
            } else {
                continue;
            };
            info.recommended_values = known.to_vec();
            if let (false, Some(class)) = (exists, props.raw(&name)) {
                info.errors.push(not_found(&name, class));
                info.value = None;
            }
        }
    }

    fn check_sink(&self, props: &Props, infos: &mut Vec<ConfigInfo>) {
        let topics = props.get(&TOPICS).unwrap_or_default();
        let pattern = props.get(&TOPICS_REGEX).unwrap_or_default();
        let mut on_both = |text: &str| {
            add_error(infos, TOPICS.name(), text);
            add_error(infos, TOPICS_REGEX.name(), text);
        };
        match (topics.is_empty(), pattern.is_empty()) {
            (true, true) => on_both("Must configure one of topics or topics.regex"),
            (false, false) => {
                on_both(
                    "topics and topics.regex are mutually exclusive options, but both are set.",
                );
            }
            _ => {}
        }
        let queue = props.get(&ERRORS_DEAD_LETTER_TOPIC).unwrap_or_default();
        if !queue.is_empty() && topics.contains(&queue) {
            let text = format!(
                "The DLQ topic '{queue}' may not be included in the list of topics ('topics=[{}]') consumed by the connector",
                topics.join(", ")
            );
            add_error(infos, TOPICS.name(), text);
        }
        let matched = || {
            Regex::new(&format!("^(?:{pattern})$"))
                .is_ok_and(|regex| regex.is_match(&queue).unwrap_or(false))
        };
        if !queue.is_empty() && !pattern.is_empty() && matched() {
            let text = format!(
                "The DLQ topic '{queue}' may not be matched by the regex for the topics ('topics.regex={pattern}') consumed by the connector"
            );
            add_error(infos, TOPICS_REGEX.name(), text);
        }
        let name = props.raw("name").unwrap_or_default();
        let group = sink_group_id(name, props, &self.worker.props);
        if group == self.worker.group_id {
            let text = if props.contains("consumer.override.group.id") {
                format!("Consumer group {group} conflicts with Connect worker group {group}")
            } else {
                format!(
                    "Consumer group for sink connector named {name} conflicts with Connect worker group {group}"
                )
            };
            add_error(infos, "name", text);
        }
    }

    fn check_converters(&self, props: &Props, infos: &mut Vec<ConfigInfo>) {
        for name in ["key.converter", "value.converter", "header.converter"] {
            let Some(class) = props.raw(name) else {
                continue;
            };
            let definition = if name == "header.converter" {
                self.plugins
                    .header_converter(class)
                    .map(|plugin| (plugin.config_def)())
            } else {
                self.plugins
                    .converter(class)
                    .map(|plugin| (plugin.config_def)())
            };
            let Some(definition) = definition else {
                add_error(infos, name, not_found(name, class));
                continue;
            };
            let prefix = format!("{name}.");
            for mut info in definition.validate(&props.with_prefix(&prefix)) {
                let plain = info.key.name.to_string();
                info.key.name = Cow::Owned(format!("{prefix}{plain}"));
                for error in &mut info.errors {
                    *error = error.replace(
                        &format!("configuration {plain}:"),
                        &format!("configuration {prefix}{plain}:"),
                    );
                }
                infos.push(info);
            }
        }
    }
}

fn not_found(name: &str, class: &str) -> String {
    format!("Invalid value {class} for configuration {name}: Class {class} could not be found.")
}

impl ConfigInfos {
    pub(crate) fn error_count(&self) -> usize {
        self.infos.iter().map(|info| info.errors.len()).sum()
    }

    /// The error of a request whose configuration is not valid.
    pub(crate) fn check(&self) -> Result<(), WorkerError> {
        let count = self.error_count();
        if count == 0 {
            return Ok(());
        }
        let mut text = format!(
            "Connector configuration is invalid and contains the following {count} error(s):"
        );
        for error in self.infos.iter().flat_map(|info| &info.errors) {
            write!(text, "\n{error}").expect("writing to a string never fails");
        }
        text.push_str(
            "\nYou can also find the above list of errors at the endpoint `/connector-plugins/{connectorType}/config/validate`",
        );
        Err(WorkerError::bad_request(text))
    }

    pub(crate) fn to_json(&self) -> Json {
        let configs: Vec<Json> = self
            .infos
            .iter()
            .map(|info| {
                json!({
                    "definition": definition_json(&info.key),
                    "value": {
                        "name": info.key.name,
                        "value": info.value,
                        "recommended_values": info.recommended_values,
                        "errors": info.errors,
                        "visible": info.visible,
                    },
                })
            })
            .collect();
        json!({"name": self.name, "error_count": self.error_count(), "groups": self.groups, "configs": configs})
    }
}

/// A key as REST describes it.
pub(crate) fn definition_json(key: &KeySpec) -> Json {
    let default = match &key.default {
        DefaultValue::Text(text) => Some(text.as_ref()),
        DefaultValue::Required | DefaultValue::Null => None,
    };
    json!({
        "name": key.name,
        "type": key.kind.name(),
        "required": key.default == DefaultValue::Required,
        "default_value": default,
        "importance": key.importance.name(),
        "documentation": key.documentation,
        "group": key.group,
        "order_in_group": key.order_in_group,
        "width": key.width.name(),
        "display_name": key.display_name,
        "dependents": key.dependents,
    })
}

/// All keys of a plugin, the framework's behind its own.
pub(crate) fn definitions(plugins: &Plugins, name: &str) -> Option<Vec<Json>> {
    let own: ConfigDef;
    let mut framework = None;
    if let Some(plugin) = plugins.connector(name) {
        own = (plugin.config_def)();
        framework = Some(connector_config_def(&plugin.kind, &Props::new(), plugins));
    } else if let Some(plugin) = plugins.transform(name) {
        own = (plugin.config_def)();
    } else if let Some(plugin) = plugins.predicate(name) {
        own = (plugin.config_def)();
    } else if let Some(plugin) = plugins.converter(name) {
        own = (plugin.config_def)();
    } else if let Some(plugin) = plugins.header_converter(name) {
        own = (plugin.config_def)();
    } else {
        return None;
    }
    let mut keys: Vec<&KeySpec> = own.keys().iter().filter(|key| !key.internal).collect();
    if let Some(framework) = &framework {
        keys.extend(
            framework
                .keys()
                .iter()
                .filter(|key| own.get(&key.name).is_none()),
        );
    }
    Some(keys.into_iter().map(definition_json).collect())
}

#[cfg(test)]
mod tests {
    use tidegate_api::ConfigKey;

    use super::*;

    #[test]
    fn a_key_is_described_as_connect_does() {
        static REGEX: ConfigKey<String> =
            ConfigKey::required("regex").doc("Regular expression to use for matching.");
        let def = ConfigDef::new(&[&REGEX]);
        let recorded = r#"{"name":"regex","type":"STRING","required":true,"default_value":null,"importance":"HIGH","documentation":"Regular expression to use for matching.","group":null,"order_in_group":-1,"width":"NONE","display_name":"regex","dependents":[]}"#;
        assert_eq!(definition_json(&def.keys()[0]).to_string(), recorded);
    }
}
