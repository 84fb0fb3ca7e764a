//! Checks a connector's configuration before it is taken: the framework's keys, the connector's, its converters'.
//!
//! Source: `org.apache.kafka.connect.runtime.AbstractHerder.validateConnectorConfig`.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::{Value as Json, json};
use tidegate_api::config::{
    ConfigInfo, ConfigType, ConfigValue, DefaultValue, HIDDEN, Importance, KeySpec, add_error,
    valid_string,
};
use tidegate_api::{
    ConfigDef, ConnectorKind, ConnectorPlugin, JavaRegex, Plugins, Props, catch_panic,
};
use tidegate_tasks::{
    ERRORS_DEAD_LETTER_TOPIC, PLUGIN_VERSION, TOPICS, TOPICS_REGEX, connector_config_def,
    sink_group_id,
};

use crate::config::WorkerConfig;
use crate::errors::WorkerError;
use crate::overrides::{self, Override, OverrideInfo};
use crate::providers::{ConfigProviders, Revealed};
use crate::versions;

/// Answer of a validation.
#[derive(Debug)]
pub(crate) struct ConfigInfos {
    name: String,
    groups: Vec<String>,
    infos: Vec<ConfigInfo>,
    /// Values that no plugin defines: names given as null, and what is said of overrides.
    undefined_nulls: Vec<String>,
    overrides: Vec<OverrideInfo>,
}

const NULL_VALUE: &str = "Null value can not be supplied as the configuration value.";
const CONNECTOR_VERSION: &str = "connector.plugin.version";
const GROUP_OVERRIDE: &str = "consumer.override.group.id";
const CONVERTERS: [&str; 3] = ["key.converter", "value.converter", "header.converter"];

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
        let several = plugins.connectors_named(class);
        if several.len() > 1 {
            return WorkerError::bad_request(format!(
                "More than one connector matches alias {class}. Please use full package and class name instead. Classes found: {}",
                several.join(", ")
            ));
        }
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
        let hint = nearest(plugins.connectors.iter().map(|plugin| plugin.class), class)
            .map(|class| format!(" (did you mean {class}?)"));
        WorkerError::bad_request(format!(
            "Failed to find any class that implements Connector and which name matches {class}, available connectors are: {}{}",
            known.join(", "),
            hint.unwrap_or_default()
        ))
    })
}

/// The known class whose simple name differs least from what was written, if it is near enough for a slip.
fn nearest<'a>(known: impl Iterator<Item = &'a str>, written: &str) -> Option<&'a str> {
    let simple = |class: &str| {
        let name = class.rsplit('.').next().unwrap_or_default();
        name.to_ascii_lowercase()
    };
    let wanted = simple(written);
    let distances = known.map(|class| (edit_distance(&simple(class), &wanted), class));
    let (distance, class) = distances.min()?;
    (distance <= wanted.len() / 3).then_some(class)
}

/// Levenshtein's distance, in bytes.
fn edit_distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let changed = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

impl Validator<'_> {
    /// Checks a configuration; `nulls` are names whose value was null.
    pub(crate) async fn validate(
        &self,
        raw: &Props,
        nulls: &[String],
    ) -> Result<ConfigInfos, WorkerError> {
        let (props, revealed) = self.providers.reveal(raw)?;
        let validated = self.validate_resolved(raw, &props, nulls).await;
        match validated {
            Ok(mut infos) => {
                infos.hide(raw, &revealed);
                Ok(infos)
            }
            Err(error) => Err(WorkerError::new(
                error.status,
                revealed.hide(&error.message),
            )),
        }
    }

    async fn validate_resolved(
        &self,
        raw: &Props,
        props: &Props,
        nulls: &[String],
    ) -> Result<ConfigInfos, WorkerError> {
        let class = props
            .raw("connector.class")
            .filter(|class| !class.is_empty())
            .ok_or_else(|| {
                // Values may be secrets.
                let names = raw.iter().map(|(name, _)| format!("{name}=…"));
                WorkerError::bad_request(format!(
                    "Connector config {{{}}} contains no connector type",
                    names.collect::<Vec<_>>().join(", ")
                ))
            })?;
        let plugin = plugin(self.plugins, class)?;
        let framework = self.framework(plugin, props);
        let own = (plugin.config_def)();
        let connector = (plugin.create)();
        let what = format!("validate of {}", plugin.class);
        let mut own_infos = catch_panic(&what, connector.validate(&own, props)).await??;
        for info in &mut own_infos {
            own.describe(&mut info.key);
        }
        let mut infos: Vec<ConfigInfo> = framework
            .validate(props)
            .into_iter()
            .filter(|info| {
                !own_infos
                    .iter()
                    .any(|other| other.key.name == info.key.name)
            })
            .collect();
        self.check_classes(props, &mut infos);
        self.check_versions(plugin, props, &mut infos);
        if matches!(plugin.kind, ConnectorKind::Sink(_)) {
            self.check_sink(props, &mut infos);
        }
        infos.extend(own_infos);
        self.check_converters(props, nulls, &mut infos);
        let mut undefined_nulls = Vec::new();
        for name in nulls {
            match infos.iter_mut().find(|info| info.key.name == *name) {
                Some(info) => {
                    info.value = None;
                    info.errors = vec![NULL_VALUE.to_owned()];
                }
                None => match overrides::null(&plugin.kind, props, name) {
                    Some(mut info) => {
                        info.errors = vec![NULL_VALUE.to_owned()];
                        infos.push(info);
                    }
                    None => undefined_nulls.push(name.clone()),
                },
            }
        }
        hide_versions(&mut infos);
        Ok(ConfigInfos {
            name: class.to_owned(),
            groups: groups(&infos),
            infos,
            undefined_nulls,
            overrides: self.overrides(plugin, props),
        })
    }

    /// The framework's keys with the defaults that this worker and this plugin give them.
    fn framework(&self, plugin: &ConnectorPlugin, props: &Props) -> ConfigDef {
        let mut definition = connector_config_def(&plugin.kind, props, self.plugins);
        let mut set_default = |name: &str, default: Option<&str>| {
            if let (Some(key), Some(default)) = (definition.get(name), default) {
                let mut key = key.clone();
                key.default = DefaultValue::Text(Cow::Owned(default.to_owned()));
                definition.push(key);
            }
        };
        set_default(CONNECTOR_VERSION, Some(plugin.version));
        for name in CONVERTERS {
            let default = self.default_converter(name);
            set_default(name, default);
            let class = props.raw(name).or(default);
            let version = class.and_then(|class| self.converter(name, class));
            let version = version.map(|(_, version, _)| version);
            set_default(&format!("{name}.{PLUGIN_VERSION}"), version);
        }
        definition
    }

    /// The worker's own converter.
    fn default_converter(&self, name: &str) -> Option<&str> {
        let of_headers = (name == "header.converter")
            .then_some("org.apache.kafka.connect.storage.SimpleHeaderConverter");
        self.worker.props.raw(name).or(of_headers)
    }

    /// Full name, version and keys of a converter class.
    fn converter(
        &self,
        name: &str,
        class: &str,
    ) -> Option<(&'static str, &'static str, ConfigDef)> {
        if name == "header.converter" {
            let plugin = self.plugins.header_converter(class)?;
            let own = (plugin.config_def)();
            // What converts headers alone is not told what it converts.
            let definition = match self.plugins.converter(plugin.class) {
                Some(_) => with_type(own),
                None => own,
            };
            return Some((plugin.class, plugin.version, definition));
        }
        let plugin = self.plugins.converter(class)?;
        Some((
            plugin.class,
            plugin.version,
            with_type((plugin.config_def)()),
        ))
    }

    /// Versions that this worker does not have; what it has is recommended.
    fn check_versions(&self, plugin: &ConnectorPlugin, props: &Props, infos: &mut Vec<ConfigInfo>) {
        let mut known = vec![(
            CONNECTOR_VERSION.to_owned(),
            "connector.class".to_owned(),
            plugin.class,
            plugin.version,
        )];
        for name in CONVERTERS {
            let class = props.raw(name).or_else(|| self.default_converter(name));
            if let Some((class, version, _)) = class.and_then(|class| self.converter(name, class)) {
                known.push((
                    format!("{name}.{PLUGIN_VERSION}"),
                    name.to_owned(),
                    class,
                    version,
                ));
            }
        }
        let suffix = format!(".{PLUGIN_VERSION}");
        for info in infos.iter() {
            let Some(prefix) = info.key.name.strip_suffix(&suffix) else {
                continue;
            };
            let kind = format!("{prefix}.type");
            let class = props.raw(&kind).unwrap_or_default();
            let found = if prefix.starts_with("transforms.") {
                let transform = self.plugins.transform(class);
                transform.map(|plugin| (plugin.class, plugin.version))
            } else {
                let predicate = self.plugins.predicate(class);
                predicate.map(|plugin| (plugin.class, plugin.version))
            };
            if let Some((class, version)) = found {
                known.push((info.key.name.to_string(), kind, class, version));
            }
        }
        for (name, class_name, class, version) in known {
            if let Some(info) = infos.iter_mut().find(|info| info.key.name == name) {
                info.recommended_values = vec![version.to_owned()];
            }
            // The worker's own converter is what it is.
            if let Some(wanted) = props.raw(&name)
                && props.contains(&class_name)
                && !versions::satisfies(version, wanted)
            {
                let text = versions::not_found(class, version, wanted);
                add_error(infos, &class_name, text.clone());
                add_error(infos, &name, text);
            }
        }
    }

    fn overrides(&self, plugin: &ConnectorPlugin, props: &Props) -> Vec<OverrideInfo> {
        let overrides = overrides::overrides(&plugin.kind, props, &self.worker.override_policy);
        let info = |found: Override<'_>| {
            let mut info = found.info();
            let group = &self.worker.group_id;
            if found.name == GROUP_OVERRIDE && found.value == group {
                info.info.errors.push(format!(
                    "Consumer group {group} conflicts with Connect worker group {group}"
                ));
            }
            info
        };
        overrides.into_iter().map(info).collect()
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
            } else if CONVERTERS.contains(&name.as_str()) {
                info.recommended_values = self.converter_classes(&name);
                let class = props
                    .raw(&name)
                    .and_then(|class| self.converter(&name, class));
                if let Some((class, ..)) = class {
                    info.value = Some(class.to_owned());
                }
                continue;
            } else {
                continue;
            };
            info.recommended_values = known.to_vec();
            info.recommended_values.sort();
            let class = props.raw(&name).unwrap_or_default();
            let transform = self.plugins.transform(class).map(|plugin| plugin.class);
            let predicate = self.plugins.predicate(class).map(|plugin| plugin.class);
            if let (true, Some(class)) = (exists, transform.or(predicate)) {
                info.value = Some(class.to_owned());
            }
            if let (false, Some(class)) = (exists, props.raw(&name)) {
                let parts = parts_of(class, known);
                if parts.is_empty() {
                    info.errors.push(not_found(&name, class));
                    info.value = None;
                } else {
                    let parts = parts.join(", ");
                    info.errors.push(format!(
                        "This class is abstract and cannot be created. Did you mean {parts}?"
                    ));
                }
            }
            if let Some(prefix) = name
                .strip_suffix(".type")
                .filter(|_| is_type("transforms."))
                && props.contains(&format!("{prefix}.negate"))
                && !props.contains(&format!("{prefix}.predicate"))
            {
                info.errors.push(format!(
                    "Config '{prefix}.negate' was provided but there is no config '{prefix}.predicate' defining a predicate to be negated."
                ));
            }
        }
    }

    fn converter_classes(&self, name: &str) -> Vec<String> {
        let converters = self.plugins.converters.iter().map(|plugin| plugin.class);
        let headers = self.plugins.header_converters.iter();
        let headers = headers
            .map(|plugin| plugin.class)
            .filter(|_| name == "header.converter");
        let mut classes: Vec<String> = converters.chain(headers).map(str::to_owned).collect();
        classes.sort();
        classes.dedup();
        classes
    }

    fn check_sink(&self, props: &Props, infos: &mut Vec<ConfigInfo>) {
        // A list with a mistake of its own is a list all the same.
        let listed = TOPICS
            .spec()
            .parse(props.raw(TOPICS.name()).unwrap_or_default());
        let topics = match listed {
            Ok(ConfigValue::List(topics)) => topics,
            _ => Vec::new(),
        };
        let pattern = props.raw(TOPICS_REGEX.name()).unwrap_or_default().trim();
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
            JavaRegex::new(pattern).is_ok_and(|pattern| pattern.matches(&queue).unwrap_or(false))
        };
        if !queue.is_empty() && !pattern.is_empty() && matched() {
            let text = format!(
                "The DLQ topic '{queue}' may not be matched by the regex for the topics ('topics.regex={pattern}') consumed by the connector"
            );
            add_error(infos, TOPICS_REGEX.name(), text);
        }
        let name = props.raw("name").unwrap_or_default();
        let group = sink_group_id(name, props, &self.worker.props);
        if group == self.worker.group_id && !props.contains(GROUP_OVERRIDE) {
            let text = format!(
                "Consumer group for sink connector named {name} conflicts with Connect worker group {group}"
            );
            add_error(infos, "name", text);
        }
    }

    /// Settings of converters; those in `nulls` were given as null.
    fn check_converters(&self, props: &Props, nulls: &[String], infos: &mut Vec<ConfigInfo>) {
        for name in CONVERTERS {
            let Some(class) = props.raw(name) else {
                continue;
            };
            let Some((_, _, definition)) = self.converter(name, class) else {
                add_error(infos, name, not_found(name, class));
                if let Some(info) = infos.iter_mut().find(|info| info.key.name == name) {
                    info.value = None;
                }
                continue;
            };
            let prefix = format!("{name}.");
            let mut options = props.with_prefix(&prefix);
            let given = format!("{prefix}{CONVERTER_TYPE}");
            if !options.contains(CONVERTER_TYPE) && !nulls.contains(&given) {
                options.set(CONVERTER_TYPE, name.split('.').next().unwrap_or_default());
            }
            for mut info in definition.validate(&options) {
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

const CONVERTER_TYPE: &str = "converter.type";

/// A converter's keys with the one that all have: what it converts. The worker sets it.
fn with_type(own: ConfigDef) -> ConfigDef {
    let kind = ConfigType::String;
    let mut key = KeySpec::dynamic(CONVERTER_TYPE.to_owned(), kind, DefaultValue::Required);
    key.importance = Importance::Low;
    key.validator = Some(|name, value| valid_string(name, value, &["key", "value", "header"]));
    key.documentation =
        Cow::Borrowed("What the converter is for: 'key', 'value' or 'header'. The worker sets it.");
    let mut definition = ConfigDef::default();
    definition.push(key);
    definition.extend(own);
    definition
}

/// There is no version to choose of a converter that is no class.
///
/// Source: `ConnectorConfig.ConverterPluginVersionRecommender`.
fn hide_versions(infos: &mut [ConfigInfo]) {
    for name in CONVERTERS {
        let mut of_converter = infos.iter().filter(|info| info.key.name == name);
        if of_converter.any(|info| info.value.is_some()) {
            continue;
        }
        let version = format!("{name}.{PLUGIN_VERSION}");
        for info in infos.iter_mut().filter(|info| info.key.name == version) {
            info.visible = false;
            info.recommended_values.clear();
        }
    }
}

/// Groups in the order of their first key.
fn groups(infos: &[ConfigInfo]) -> Vec<String> {
    let mut groups: Vec<String> = Vec::new();
    for group in infos.iter().filter_map(|info| info.key.group.as_deref()) {
        if !groups.iter().any(|known| known == group) {
            groups.push(group.to_owned());
        }
    }
    groups
}

/// The classes of a transformation of keys or values whose common part was written, with its package or without.
fn parts_of<'a>(class: &str, known: &'a [String]) -> Vec<&'a str> {
    let is_part = |known: &&str| {
        let plain = known.rsplit_once('$').map(|(plain, _)| plain);
        plain.is_some_and(|plain| plain == class || plain.rsplit('.').next() == Some(class))
    };
    let mut parts: Vec<&str> = known.iter().map(String::as_str).filter(is_part).collect();
    parts.sort_unstable();
    parts
}

fn not_found(name: &str, class: &str) -> String {
    format!("Invalid value {class} for configuration {name}: Class {class} could not be found.")
}

fn hide_in_names(key: &mut KeySpec, revealed: &Revealed) {
    let texts = [
        Some(&mut key.name),
        Some(&mut key.display_name),
        Some(&mut key.documentation),
        key.group.as_mut(),
    ];
    for text in texts.into_iter().flatten() {
        *text = Cow::Owned(revealed.hide(text));
    }
}

impl ConfigInfos {
    /// Puts placeholders back in place of what they stand for: a value is shown as it was given.
    fn hide(&mut self, raw: &Props, revealed: &Revealed) {
        if let Some(class) = raw.raw("connector.class") {
            class.clone_into(&mut self.name);
        }
        let overrides = self.overrides.iter_mut().map(|found| &mut found.info);
        for info in self.infos.iter_mut().chain(overrides) {
            let given = raw.raw(&info.key.name);
            let texts = info.errors.iter_mut().chain(&mut info.recommended_values);
            texts.for_each(|text| *text = revealed.hide(text));
            let given = given.filter(|value| ConfigProviders::has_placeholder(value));
            if let (Some(given), Some(value)) = (given, &mut info.value)
                && value != HIDDEN
            {
                given.clone_into(value);
            }
            // A name that is known only at run time may have an alias in it that was a placeholder.
            if matches!(info.key.name, Cow::Owned(_)) {
                hide_in_names(&mut info.key, revealed);
            }
        }
        for group in &mut self.groups {
            *group = revealed.hide(group);
        }
    }

    pub(crate) fn error_count(&self) -> usize {
        self.errors().count()
    }

    fn errors(&self) -> impl Iterator<Item = &str> {
        let nulls = self.undefined_nulls.iter().map(|_| NULL_VALUE);
        let overrides = self.overrides.iter().map(|found| &found.info);
        let infos = self.infos.iter().chain(overrides);
        nulls.chain(infos.flat_map(|info| info.errors.iter().map(String::as_str)))
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
        for error in self.errors() {
            write!(text, "\n{error}").expect("writing to a string never fails");
        }
        text.push_str(
            "\nYou can also find the above list of errors at the endpoint `/connector-plugins/{connectorType}/config/validate`",
        );
        Err(WorkerError::bad_request(text))
    }

    pub(crate) fn to_json(&self) -> Json {
        let value = |info: &ConfigInfo| {
            json!({
                "name": info.key.name,
                "value": info.value,
                "recommended_values": info.recommended_values,
                "errors": info.errors,
                "visible": info.visible,
            })
        };
        let nulls = self.undefined_nulls.iter().map(|name| {
            let value = json!({
                "name": name,
                "value": null,
                "recommended_values": [],
                "errors": [NULL_VALUE],
                "visible": true,
            });
            json!({"definition": null, "value": value})
        });
        let defined = self
            .infos
            .iter()
            .map(|info| json!({"definition": definition_json(&info.key), "value": value(info)}));
        let overrides = self.overrides.iter().map(|found| {
            let definition = found.is_defined.then(|| definition_json(&found.info.key));
            json!({"definition": definition, "value": value(&found.info)})
        });
        let configs: Vec<Json> = nulls.chain(defined).chain(overrides).collect();
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

/// All keys of a plugin, the framework's behind its own. `version` is one that the plugin must have.
pub(crate) fn definitions(
    plugins: &Plugins,
    name: &str,
    version: Option<&str>,
) -> Result<Vec<Json>, WorkerError> {
    let mut framework = None;
    let (class, own_version, own) = if let Some(plugin) = plugins.connector(name) {
        let mut keys = connector_config_def(&plugin.kind, &Props::new(), plugins);
        if let Some(key) = keys.get(CONNECTOR_VERSION) {
            let mut key = key.clone();
            key.default = DefaultValue::Text(Cow::Borrowed(plugin.version));
            keys.push(key);
        }
        framework = Some(keys);
        (plugin.class, plugin.version, (plugin.config_def)())
    } else if let Some(plugin) = plugins.transform(name) {
        (plugin.class, plugin.version, (plugin.config_def)())
    } else if let Some(plugin) = plugins.predicate(name) {
        (plugin.class, plugin.version, (plugin.config_def)())
    } else if let Some(plugin) = plugins.converter(name) {
        (
            plugin.class,
            plugin.version,
            with_type((plugin.config_def)()),
        )
    } else if let Some(plugin) = plugins.header_converter(name) {
        (plugin.class, plugin.version, (plugin.config_def)())
    } else {
        return Err(WorkerError::not_found(format!("Unknown plugin {name}.")));
    };
    if let Some(wanted) = version.filter(|wanted| !versions::satisfies(own_version, wanted)) {
        return Err(WorkerError::bad_request(versions::not_found(
            class,
            own_version,
            wanted,
        )));
    }
    let mut keys = own.described();
    if let Some(framework) = &framework {
        let further = framework.described().into_iter();
        keys.extend(further.filter(|key| own.get(&key.name).is_none()));
    }
    Ok(keys.iter().map(definition_json).collect())
}

#[cfg(test)]
mod tests {
    use tidegate_api::ConfigKey;

    use super::*;

    #[test]
    fn a_slip_in_a_class_name_is_seen() {
        let known = [
            "a.b.MariaDbConnector",
            "a.b.MySqlConnector",
            "c.JdbcSinkConnector",
        ];
        let check = |written: &str, expected: Option<&str>| {
            assert_eq!(nearest(known.into_iter(), written), expected, "{written}");
        };
        check("a.b.MariaDBConector", Some("a.b.MariaDbConnector"));
        check("x.OracleThing", None);
    }

    #[test]
    fn a_key_is_described_as_connect_does() {
        static REGEX: ConfigKey<String> = ConfigKey::required("regex")
            .importance(Importance::High)
            .doc("Pattern of names.");
        let def = ConfigDef::new(&[&REGEX]);
        let recorded = r#"{"name":"regex","type":"STRING","required":true,"default_value":null,"importance":"HIGH","documentation":"Pattern of names.","group":null,"order_in_group":-1,"width":"NONE","display_name":"regex","dependents":[]}"#;
        assert_eq!(definition_json(&def.keys()[0]).to_string(), recorded);
    }
}
