//! Every key has a text, and every text has a key. The worker's are on a page.

use std::collections::BTreeSet;

use tidegate_api::ConfigDef;
use tidegate_tasks::connector_config_def;
use tidegate_worker::worker_settings;

use super::*;

/// What is wrong with the texts of a plugin's keys.
fn faults(class: &str, definition: &ConfigDef) -> Vec<String> {
    let mut keys = definition.keys().to_vec();
    keys.extend(definition.described());
    let undocumented = keys.iter().filter(|key| !key.is_documented());
    let mut faults: BTreeSet<String> = undocumented
        .map(|key| {
            format!(
                "{class}: '{}' has the text '{}'",
                key.name, key.documentation
            )
        })
        .collect();
    let Some(texts) = definition.documentation() else {
        return faults.into_iter().collect();
    };
    let unsupported = definition.unsupported();
    let exists = |name: &str| {
        keys.iter().any(|key| key.name == name)
            || unsupported.iter().any(|setting| setting.name == name)
    };
    let homeless = texts.names().filter(|name| !exists(name));
    faults.extend(homeless.map(|name| format!("{class}: a text of '{name}', which is no key")));
    let twice = texts.names().filter(|name| {
        let declared = definition.get(name);
        declared.is_some_and(|key| Some(key.documentation.as_ref()) != texts.of(name))
    });
    faults.extend(twice.map(|name| format!("{class}: '{name}' has a second text")));
    let untold = unsupported.iter().filter(|setting| setting.note.is_empty());
    let untold = untold.map(|setting| format!("{class}: '{}' has no note", setting.name));
    faults.extend(untold);
    faults.into_iter().collect()
}

#[test]
fn every_key_of_every_plugin_has_a_text() {
    let (_directory, plugins) = every_plugin();
    let connectors = plugins.connectors.iter();
    let mut definitions: Vec<(&str, ConfigDef)> = connectors
        .map(|plugin| (plugin.class, (plugin.config_def)()))
        .collect();
    let converters = plugins.converters.iter();
    definitions.extend(converters.map(|plugin| (plugin.class, (plugin.config_def)())));
    let headers = plugins.header_converters.iter();
    definitions.extend(headers.map(|plugin| (plugin.class, (plugin.config_def)())));
    let transforms = plugins.transforms.iter();
    definitions.extend(transforms.map(|plugin| (plugin.class, (plugin.config_def)())));
    let predicates = plugins.predicates.iter();
    definitions.extend(predicates.map(|plugin| (plugin.class, (plugin.config_def)())));
    assert!(definitions.len() > 40, "{}", definitions.len());
    let faults: Vec<String> = definitions
        .iter()
        .flat_map(|(class, definition)| faults(class, definition))
        .collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn every_key_of_the_framework_has_a_text() {
    let (_directory, plugins) = every_plugin();
    let transforms = plugins.transforms.iter().map(|plugin| plugin.class);
    let predicates = plugins.predicates.iter().map(|plugin| plugin.class);
    let of_classes = |aliases: &str, classes: Vec<&str>| {
        let names: Vec<String> = (0..classes.len())
            .map(|index| format!("a{index}"))
            .collect();
        let types = names.iter().zip(classes);
        let types = types.map(|(name, class)| (format!("{aliases}.{name}.type"), class.to_owned()));
        let mut props: Vec<(String, String)> = types.collect();
        props.push((aliases.to_owned(), names.join(",")));
        props
    };
    let mut props = of_classes("transforms", transforms.collect());
    props.extend(of_classes("predicates", predicates.collect()));
    let props: Props = props.into_iter().collect();
    let mut seen = 0;
    for plugin in &plugins.connectors {
        let definition = connector_config_def(&plugin.kind, &props, &plugins);
        seen += definition.keys().len();
        let undocumented: Vec<_> = definition
            .keys()
            .iter()
            .filter(|key| !key.is_documented())
            .map(|key| (&key.name, &key.documentation))
            .collect();
        assert!(
            undocumented.is_empty(),
            "{}: {undocumented:?}",
            plugin.class
        );
    }
    assert!(seen > 500, "{seen}");
}

/// A text as a cell of a table in Markdown.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|")
        .replace('<', "\\<")
        .replace('*', "\\*")
}

/// The text of `SETTINGS.md`.
fn settings() -> String {
    let mut out = "# Settings of the worker\n\nWhat the file of properties may have. Settings of Kafka clients are given \
        without prefix for the worker's own clients, under `producer.`, `consumer.` and `admin.` for those of connectors. \
        [Refused settings](REFUSED.md) are in the list, too. Settings of connectors, converters and transformations are \
        shown by `GET /connector-plugins/{class}/config`.\n\n\
        A test compares this page with the code; `UPDATE_SETTINGS=1 cargo test -p tidegate settings` writes it.\n\n\
        | Setting | Default | Meaning |\n|---|---|---|\n"
        .to_owned();
    for setting in worker_settings() {
        let default = setting.default.map(|text| format!("`{text}`"));
        let (name, text) = (setting.name, escaped(setting.text));
        writeln!(
            out,
            "| `{name}` | {} | {text} |",
            default.unwrap_or_default()
        )
        .unwrap();
    }
    out
}

#[test]
fn settings_of_the_worker_are_listed() {
    let (path, expected) = (repository("runtime/bin/SETTINGS.md"), settings());
    if std::env::var_os("UPDATE_SETTINGS").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "SETTINGS.md is not what the code has; UPDATE_SETTINGS=1 writes it"
    );
    let readme = std::fs::read_to_string(repository("README.md")).unwrap();
    assert!(
        readme.contains("(runtime/bin/SETTINGS.md)"),
        "the README links the page"
    );
}

#[test]
fn keys_without_effect_are_described_so() {
    let (_directory, plugins) = every_plugin();
    let mut told = 0;
    for plugin in &plugins.connectors {
        let definition = (plugin.config_def)();
        let described = definition.described();
        let settings = definition.unsupported().iter();
        for setting in settings.filter(|setting| setting.outcome == Outcome::WithoutEffect) {
            let Some(key) = described.iter().find(|key| key.name == setting.name) else {
                continue;
            };
            let (warning, text) = (setting.warning(), &key.documentation);
            assert!(text.contains(&warning), "{}: {text}", key.name);
            let infos = definition.validate(&Props::from([(setting.name, "7")]));
            let info = infos.iter().find(|info| info.key.name == setting.name);
            let text = &info.expect(setting.name).key.documentation;
            assert_eq!(text.matches(&warning).count(), 1, "{}: {text}", key.name);
            assert!(text.starts_with(&warning), "{}: {text}", key.name);
            told += 1;
        }
    }
    assert!(told > 40, "{told}");
}

#[test]
fn texts_say_what_the_code_does() {
    let (_directory, plugins) = every_plugin();
    let text = |class: &str, name: &str| {
        let mut all = plugins.connectors.iter();
        let plugin = all
            .find(|plugin| plugin.class.ends_with(class))
            .expect(class);
        let definition = (plugin.config_def)();
        let mut keys = definition.described();
        keys.extend_from_slice(definition.keys());
        let key = keys.into_iter().find(|key| key.name == name).expect(name);
        key.documentation.into_owned()
    };
    for class in ["MySqlConnector", "MariaDbConnector"] {
        let naming = text(class, "topic.naming.strategy");
        for name in ["Default", "Schema", "DefaultUnicode", "SchemaUnicode"] {
            assert!(
                naming.contains(&format!("schema.{name}TopicNaming")),
                "{naming}"
            );
        }
        assert!(naming.contains("'<topic.prefix>.<table>'"), "{naming}");
    }
    let reduction = text(
        "debezium.connector.jdbc.JdbcSinkConnector",
        "use.reduction.buffer",
    );
    assert!(reduction.contains("triggers"), "{reduction}");
}
