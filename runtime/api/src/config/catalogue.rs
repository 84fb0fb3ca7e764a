//! The keys of an original's plugin as that plugin describes them, for the answers that consoles read.
//!
//! What a key means here is declared as a [`ConfigKey`](super::ConfigKey); how the original shows it is in a catalogue: one
//! line per key, in the original's order, with the columns name, type, default, importance, group, order in group, width,
//! display name and dependents, separated by tabs. A default of `\N` is null, one of `!` is required; a group of `\N` is none.

use std::borrow::Cow;

use super::{ConfigType, DefaultValue, Importance, KeySpec, Width, invalid};

/// The keys that an original lists, and what becomes of those that are not declared here.
#[derive(Debug)]
pub struct Catalogue {
    keys: Vec<KeySpec>,
    /// Keys that mean something that this version cannot do: only their default is taken.
    refused: &'static [&'static str],
}

impl Catalogue {
    /// Reads a catalogue that is compiled in.
    ///
    /// # Panics
    /// If a line is damaged: a mistake of whoever changed the file, found by any test.
    pub fn new(text: &'static str, refused: &'static [&'static str]) -> Self {
        let parse = |line| key(line).unwrap_or_else(|| panic!("catalogue line '{line}'"));
        Self {
            keys: text.lines().map(parse).collect(),
            refused,
        }
    }

    /// In the original's order.
    pub fn keys(&self) -> &[KeySpec] {
        &self.keys
    }

    /// Why the value of a listed key that is not declared cannot be taken.
    pub(super) fn refusal(&self, key: &KeySpec, value: &str) -> Option<String> {
        if value.is_empty() || !self.refused.contains(&key.name.as_ref()) {
            return None;
        }
        let shown = if key.kind == ConfigType::Password {
            super::HIDDEN
        } else {
            value
        };
        match &key.default {
            DefaultValue::Text(only) if only == value => None,
            DefaultValue::Text(only) if !only.is_empty() => Some(invalid(
                &key.name,
                shown,
                &format!("this version supports '{only}' only"),
            )),
            _ => Some(invalid(
                &key.name,
                shown,
                "this version does not support it; remove it",
            )),
        }
    }
}

fn key(line: &'static str) -> Option<KeySpec> {
    let mut columns = line.split('\t');
    let name = columns.next()?;
    let kind = match columns.next()? {
        "BOOLEAN" => ConfigType::Boolean,
        "STRING" => ConfigType::String,
        "INT" => ConfigType::Int,
        "SHORT" => ConfigType::Short,
        "LONG" => ConfigType::Long,
        "DOUBLE" => ConfigType::Double,
        "LIST" => ConfigType::List,
        "CLASS" => ConfigType::Class,
        "PASSWORD" => ConfigType::Password,
        _ => return None,
    };
    let default = match columns.next()? {
        "\\N" => DefaultValue::Null,
        "!" => DefaultValue::Required,
        text => DefaultValue::Text(Cow::Borrowed(text)),
    };
    let importance = match columns.next()? {
        "HIGH" => Importance::High,
        "MEDIUM" => Importance::Medium,
        "LOW" => Importance::Low,
        _ => return None,
    };
    let group = Some(columns.next()?).filter(|group| *group != "\\N");
    let order_in_group = columns.next()?.parse().ok()?;
    let width = match columns.next()? {
        "NONE" => Width::None,
        "SHORT" => Width::Short,
        "MEDIUM" => Width::Medium,
        "LONG" => Width::Long,
        _ => return None,
    };
    let display_name = columns.next()?;
    let dependents = columns.next().unwrap_or_default();
    Some(KeySpec {
        name: Cow::Borrowed(name),
        kind,
        default,
        importance,
        group: group.map(Cow::Borrowed),
        order_in_group,
        width,
        display_name: Cow::Borrowed(display_name),
        documentation: Cow::Borrowed(""),
        dependents: dependents
            .split(',')
            .filter(|name| !name.is_empty())
            .map(Cow::Borrowed)
            .collect(),
        validator: None,
        recommender: None,
        internal: false,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::config::{ConfigDef, ConfigKey, Props};

    static LISTED: LazyLock<Catalogue> = LazyLock::new(|| {
        Catalogue::new(
            "mode\tSTRING\t\\N\tHIGH\tMain\t1\tSHORT\tMode of work\tsize\nsize\tINT\t7\tLOW\t\\N\t-1\tNONE\tsize\n\
             key\tPASSWORD\t\\N\tLOW\t\\N\t-1\tNONE\tkey\nextra\tBOOLEAN\tfalse\tLOW\t\\N\t-1\tNONE\textra",
            &["key", "extra"],
        )
    });
    static MODE: ConfigKey<String> = ConfigKey::required("mode").doc("How it works.");
    static OWN: ConfigKey<i32> = ConfigKey::new("own", "1");

    fn definition() -> ConfigDef {
        ConfigDef::new(&[&OWN, &MODE]).listed_in(&LISTED)
    }

    #[test]
    fn keys_are_shown_as_the_original_does() {
        let keys = definition().described();
        let names: Vec<&str> = keys.iter().map(|key| key.name.as_ref()).collect();
        assert_eq!(names, ["mode", "size", "key", "extra"]);
        assert_eq!(keys[0].default, DefaultValue::Null);
        assert_eq!(keys[0].display_name, "Mode of work");
        assert_eq!(keys[0].documentation, "How it works.");
        assert_eq!(keys[0].dependents, ["size"]);
    }

    #[test]
    fn declared_keys_are_checked_by_their_own_rules() {
        let infos = definition().validate(&Props::from([("own", "x")]));
        let with_errors: Vec<(&str, &str)> = infos
            .iter()
            .flat_map(|info| {
                info.errors
                    .iter()
                    .map(|error| (info.key.name.as_ref(), error.as_str()))
            })
            .collect();
        assert_eq!(
            with_errors,
            [
                (
                    "mode",
                    "Missing required configuration \"mode\" which has no default value."
                ),
                (
                    "own",
                    "Invalid value x for configuration own: Not a number of type INT"
                ),
            ]
        );
        assert_eq!(infos[1].value.as_deref(), Some("7"));
    }

    #[test]
    fn what_is_not_here_is_refused_without_showing_secrets() {
        let props = Props::from([
            ("mode", "m"),
            ("key", "s3cret"),
            ("extra", "true"),
            ("size", "9"),
        ]);
        let errors: Vec<String> = definition()
            .validate(&props)
            .into_iter()
            .flat_map(|info| info.errors)
            .collect();
        assert_eq!(
            errors,
            [
                "Invalid value [hidden] for configuration key: this version does not support it; remove it",
                "Invalid value true for configuration extra: this version supports 'false' only",
            ]
        );
    }
}
