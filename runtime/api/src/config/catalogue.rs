//! The keys of an original's plugin as that plugin describes them, for the answers that consoles read.
//!
//! What a key means here is declared as a [`ConfigKey`](super::ConfigKey); how the original shows it is in a catalogue: one
//! line per key, in the original's order, with the columns name, type, default, importance, group, order in group, width,
//! display name and dependents, separated by tabs. A default of `\N` is null, one of `!` is required; a group of `\N` is none.

use std::borrow::Cow;

use super::{ConfigType, DefaultValue, Importance, KeySpec, Width, Wording};

/// The keys that an original lists.
#[derive(Debug)]
pub struct Catalogue {
    keys: Vec<KeySpec>,
}

impl Catalogue {
    /// Reads a catalogue that is compiled in.
    ///
    /// # Panics
    /// If a line is damaged: a mistake of whoever changed the file, found by any test.
    pub fn new(text: &'static str) -> Self {
        let parse = |line| key(line).unwrap_or_else(|| panic!("catalogue line '{line}'"));
        Self {
            keys: text.lines().map(parse).collect(),
        }
    }

    /// In the original's order.
    pub fn keys(&self) -> &[KeySpec] {
        &self.keys
    }
}

fn key(line: &'static str) -> Option<KeySpec> {
    let mut columns = line.split('\t');
    let name = columns.next()?;
    let kind = ConfigType::named(columns.next()?)?;
    let default = match columns.next()? {
        "\\N" => DefaultValue::Null,
        "!" => DefaultValue::Required,
        text => DefaultValue::Text(Cow::Borrowed(text)),
    };
    let importance = Importance::named(columns.next()?)?;
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
        wording: Wording::Kafka,
        internal: false,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::config::{ConfigDef, ConfigKey, Props, Unsupported};

    static LISTED: LazyLock<Catalogue> = LazyLock::new(|| {
        Catalogue::new(
            "mode\tSTRING\t\\N\tHIGH\tMain\t1\tSHORT\tMode of work\tsize\nsize\tINT\t7\tLOW\t\\N\t-1\tNONE\tsize\n\
             key\tPASSWORD\t\\N\tLOW\t\\N\t-1\tNONE\tkey\nextra\tBOOLEAN\tfalse\tLOW\t\\N\t-1\tNONE\textra",
        )
    });
    static UNSUPPORTED: [Unsupported; 3] = [
        Unsupported::refused("key", &[], "remove it"),
        Unsupported::refused("extra", &["false"], "nothing is extra"),
        Unsupported::without_effect("size", &["7"], "all have the same size"),
    ];
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
    fn what_is_not_here_is_refused_or_passed_over() {
        let definition = definition()
            .without(&UNSUPPORTED)
            .recommending(&[("mode", &["m", "n"])])
            .hiding(&["key"])
            .worded_as_debezium();
        let props = Props::from([
            ("mode", "m"),
            ("key", "s3cret"),
            ("extra", "true"),
            ("size", "9"),
            ("own", "x"),
        ]);
        let infos = definition.validate(&props);
        let errors: Vec<&str> = infos
            .iter()
            .flat_map(|info| info.errors.iter().map(String::as_str))
            .collect();
        assert_eq!(
            errors,
            [
                "The 'key' value is invalid: this version does not support it: remove it",
                "The 'extra' value is invalid: this version supports 'false' only: nothing is extra",
                "The 'own' value is invalid: An integer is expected",
            ]
        );
        assert_eq!(infos[0].recommended_values, ["m", "n"]);
        assert!(infos[0].visible && !infos[2].visible);
        let warning = "'size' has no effect in this version: all have the same size";
        assert!(infos[1].key.documentation.starts_with(warning));
        assert_eq!(definition.warnings(&props), [warning]);
        let fine = Props::from([("mode", "m"), ("extra", " False "), ("size", "07")]);
        assert!(definition.check(&fine).is_ok());
        assert_eq!(definition.warnings(&fine), [""; 0]);
        assert!(
            definition
                .check(&Props::from([("mode", "m"), ("key", "k")]))
                .is_err()
        );
    }
}
