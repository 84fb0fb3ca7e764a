//! The worker's settings as a page for users lists them.

use std::sync::LazyLock;

use tidegate_api::config::{DefaultValue, Documentation};

use super::{ALSO_KNOWN, REFUSED, REMOVED, definition};

pub(super) static TEXTS: LazyLock<Documentation> =
    LazyLock::new(|| Documentation::new(&[include_str!("documentation.tsv")]));

/// A setting of the worker and what it means.
#[derive(Debug)]
pub struct WorkerSetting {
    pub name: &'static str,
    /// As text; `None` if there is none, or if the setting is left to Kafka's clients.
    pub default: Option<String>,
    pub text: &'static str,
}

/// All settings of the worker by name: those that it reads, and those that files for the original have.
///
/// # Panics
/// If one has no text: a mistake of whoever added it, found by any test.
pub fn worker_settings() -> Vec<WorkerSetting> {
    let texts = &*TEXTS;
    let definition = definition();
    let setting = |name: &'static str| WorkerSetting {
        name,
        default: definition.get(name).and_then(|key| match &key.default {
            DefaultValue::Text(text) if !text.is_empty() => Some(text.to_string()),
            _ => None,
        }),
        text: texts
            .of(name)
            .unwrap_or_else(|| panic!("no text of the setting '{name}'")),
    };
    let mut names = names();
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(setting).collect()
}

fn names() -> Vec<&'static str> {
    let declared = definition();
    let declared = declared.keys().iter().filter_map(|key| match key.name {
        std::borrow::Cow::Borrowed(name) => Some(name),
        std::borrow::Cow::Owned(_) => None,
    });
    let refused = REFUSED.iter().map(|(name, _)| *name);
    declared
        .chain(ALSO_KNOWN)
        .chain(REMOVED)
        .chain(refused)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_of_the_worker_has_a_text() {
        let settings = worker_settings();
        assert!(settings.len() > 60, "{}", settings.len());
        for setting in &settings {
            assert!(setting.text.ends_with('.'), "{}", setting.name);
        }
        for key in definition().keys() {
            assert!(key.is_documented(), "{}", key.name);
            assert_eq!(TEXTS.of(&key.name), Some(key.documentation.as_ref()));
        }
        let is_setting = |name: &str| settings.iter().any(|setting| setting.name == name);
        let homeless: Vec<_> = TEXTS.names().filter(|name| !is_setting(name)).collect();
        assert!(homeless.is_empty(), "texts of no setting: {homeless:?}");
    }
}
