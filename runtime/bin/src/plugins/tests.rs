//! What all plugins together keep to.

mod documentation;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use tidegate_api::config::Outcome;
use tidegate_api::{ConnectorKind, Props};
use tidegate_embedded::{EmbeddedProvider, Sync};
use tidegate_tasks::connector_config_def;
use tidegate_worker::{refused_settings, unknown_keys};

use super::*;
use crate::worker::connector_file;

/// A file or folder of the repository.
fn repository(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(name)
}

fn every_plugin() -> (tempfile::TempDir, Plugins) {
    let directory = tempfile::tempdir().unwrap();
    let provider = EmbeddedProvider::open(directory.path(), Sync::Normal).unwrap();
    let provider: Arc<dyn LogProvider> = Arc::new(provider);
    let plugins = all(&provider);
    (directory, plugins)
}

fn listed(out: &mut String, title: &str, settings: &[String]) {
    writeln!(out, "\n## {title}\n").unwrap();
    for setting in settings {
        writeln!(out, "- {setting}").unwrap();
    }
}

/// The text of `REFUSED.md`.
fn refused(plugins: &Plugins) -> String {
    let mut out = "# Refused settings\n\nSettings of the originals that Tidegate does not have and that must not be passed over in \
        silence: the worker does not start, and a connector is not taken, with an error that names the setting and says what to use instead. Values that \
        change nothing, such as the default, are taken, in any case and with blanks. Settings of Kafka clients are in the table of the README.\n\n\
        A test compares this page with the code; `UPDATE_REFUSED=1 cargo test -p tidegate refused` writes it.\n"
        .to_owned();
    let worker: Vec<String> = refused_settings()
        .map(|(name, taken)| match taken {
            [] => format!("`{name}`"),
            taken => format!("`{name}` other than `{}`", taken.join("`, `")),
        })
        .collect();
    listed(&mut out, "The worker", &worker);
    let refused = by_connectors(plugins, Outcome::Refused);
    for (settings, classes) in refused {
        listed(&mut out, &classes.join(", "), &settings);
    }
    out.push_str(
        "\n# Settings without effect\n\nNothing of what is written depends on these, so that they are taken. Starting such a \
         connector logs a warning, and the documentation of the setting in a validation's answer begins with it.\n",
    );
    for (settings, classes) in by_connectors(plugins, Outcome::WithoutEffect) {
        listed(&mut out, &classes.join(", "), &settings);
    }
    out
}

/// What is not supported, with the connectors that have it; those that have the same are listed together.
fn by_connectors(plugins: &Plugins, outcome: Outcome) -> Vec<(Vec<String>, Vec<&'static str>)> {
    let mut groups: Vec<(Vec<String>, Vec<&str>)> = Vec::new();
    for plugin in &plugins.connectors {
        let framework = connector_config_def(&plugin.kind, &Props::new(), plugins);
        let definition = (plugin.config_def)();
        let all = definition
            .unsupported()
            .iter()
            .chain(framework.unsupported());
        let mut settings: Vec<String> = all
            .filter(|setting| setting.outcome == outcome)
            .map(|setting| match setting.taken {
                [] => format!("`{}`: {}", setting.name, setting.note),
                taken => {
                    let (name, taken) = (setting.name, taken.join("`, `"));
                    format!("`{name}` other than `{taken}`: {}", setting.note)
                }
            })
            .collect();
        settings.sort_unstable();
        match groups.iter_mut().find(|(known, _)| *known == settings) {
            Some((_, classes)) => classes.push(plugin.class),
            None => groups.push((settings, vec![plugin.class])),
        }
    }
    groups.retain(|(settings, _)| !settings.is_empty());
    groups
}

/// What the README's limits say of a setting: refused, or without effect.
#[test]
fn the_readme_says_what_becomes_of_settings() {
    let (_directory, plugins) = every_plugin();
    let readme = std::fs::read_to_string(repository("README.md")).unwrap();
    let limits = readme.split("## Limits").nth(1).unwrap();
    let limits = limits.split("\n## ").next().unwrap();
    let mut told = 0;
    for plugin in &plugins.connectors {
        let framework = connector_config_def(&plugin.kind, &Props::new(), &plugins);
        let definition = (plugin.config_def)();
        for setting in definition
            .unsupported()
            .iter()
            .chain(framework.unsupported())
        {
            let named = [format!("`{}`", setting.name), format!("`{}=", setting.name)];
            // A dot within a name ends no sentence.
            let sentences = limits.replace(". ", ".\n").replace('|', "\n");
            for sentence in sentences.lines() {
                if !named.iter().any(|name| sentence.contains(name.as_str())) {
                    continue;
                }
                told += 1;
                let says_refused = sentence.to_lowercase().contains("refused");
                assert_eq!(
                    says_refused,
                    setting.outcome == Outcome::Refused,
                    "{}: {sentence}",
                    setting.name
                );
            }
        }
    }
    assert!(told > 10, "{told}");
}

#[test]
fn refused_settings_are_listed() {
    let (_directory, plugins) = every_plugin();
    let (path, expected) = (repository("runtime/bin/REFUSED.md"), refused(&plugins));
    if std::env::var_os("UPDATE_REFUSED").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let missing: Vec<&str> = expected
        .lines()
        .filter(|line| !found.contains(line))
        .collect();
    assert!(
        found == expected,
        "REFUSED.md is not what the code refuses; UPDATE_REFUSED=1 writes it. It lacks {missing:?}"
    );
    let readme = std::fs::read_to_string(repository("README.md")).unwrap();
    let limits = readme.split("## Limits").nth(1).unwrap();
    assert!(
        limits.contains("(runtime/bin/REFUSED.md)"),
        "the README's limits link the list"
    );
}

#[test]
fn unsupported_settings_are_known() {
    let (_directory, plugins) = every_plugin();
    for plugin in &plugins.connectors {
        let definition = (plugin.config_def)();
        for setting in definition.unsupported() {
            assert!(
                definition.knows(setting.name),
                "{}: {}",
                plugin.class,
                setting.name
            );
        }
    }
}

fn json_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            json_files(&path, found);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            found.push(path);
        }
    }
}

#[test]
fn examples_have_no_unknown_keys() {
    let (_directory, plugins) = every_plugin();
    let mut files = Vec::new();
    json_files(&repository("examples"), &mut files);
    assert!(files.len() > 10, "{files:?}");
    for path in files {
        let config = connector_file(&path).unwrap().config;
        let plugin = plugins
            .connector(config.raw("connector.class").unwrap())
            .unwrap();
        let unknown = unknown_keys(&plugins, plugin, &config);
        assert_eq!(unknown, [""; 0], "{}", path.display());
    }
}

#[test]
fn settings_of_drivers_and_of_earlier_releases_are_known() {
    let (_directory, plugins) = every_plugin();
    for plugin in &plugins.connectors {
        let is_source = matches!(plugin.kind, ConnectorKind::Source(_));
        let props: Props = match plugin.class {
            class if class.starts_with("io.debezium") && is_source => [
                ("driver.allowPublicKeyRetrieval", "true"),
                ("schema.history.internal.producer.security.protocol", "SSL"),
                ("database.server.name", "old"),
                ("column.mask.with.3.chars", "d.t.c"),
                ("predicates", ""),
                ("max.queue.siez", "a slip"),
            ]
            .into_iter()
            .collect(),
            class if class.starts_with("io.debezium") => [
                ("connection.pool.min_size", "1"),
                ("hibernate.c3p0.timeout", "1"),
                ("pk.mode", "record_key"),
                ("max.queue.siez", "a slip"),
            ]
            .into_iter()
            .collect(),
            _ => [("max.queue.siez", "a slip")].into_iter().collect(),
        };
        let unknown = unknown_keys(&plugins, plugin, &props);
        assert_eq!(unknown, ["max.queue.siez"], "{}", plugin.class);
    }
}
