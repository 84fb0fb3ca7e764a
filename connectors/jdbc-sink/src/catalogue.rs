//! How Debezium's original shows its keys, and which of its keys this version does not have.

use std::sync::LazyLock;

use tidegate_api::ConfigDef;
use tidegate_api::config::Catalogue;

use crate::config::{self, Style};

static DEBEZIUM: LazyLock<Catalogue> =
    LazyLock::new(|| Catalogue::new(include_str!("catalogue/debezium.tsv"), &REFUSED));

/// Keys of the original that would change what is written: taken at their default only. What
/// [`config::cross_checks`] knows is not repeated.
const REFUSED: [&str; 3] = [
    "collection.table.format",
    "dialect.postgres.postgis.schema",
    "cloud.events.schema.name.pattern",
];

/// All keys of a connector. Confluent's original cannot be had, so that its keys are shown as they are declared.
pub(crate) fn definition(style: Style) -> ConfigDef {
    let definition = config::definition(style);
    match style {
        Style::Debezium => definition.listed_in(&DEBEZIUM),
        Style::Confluent => definition,
    }
}

#[cfg(test)]
mod tests {
    use tidegate_api::Props;

    use super::*;

    /// Keys that tune what is done here in another way: any value is taken.
    const WITHOUT_EFFECT: [&str; 5] = [
        "connection.pool.min_size",
        "connection.pool.max_size",
        "connection.pool.timeout",
        "dialect.postgres.unnest.insert.enabled",
        "connection.restart.on.errors",
    ];

    #[test]
    fn no_key_of_the_original_is_forgotten() {
        let declared = config::definition(Style::Debezium);
        for key in DEBEZIUM.keys() {
            let name = key.name.as_ref();
            let props = Props::from([(name, "other")]);
            let renamed = config::with_todays_names(Style::Debezium, &props);
            let refused = config::cross_checks(Style::Debezium, &props);
            assert!(
                declared.get(name).is_some()
                    || renamed.len() > 1
                    || REFUSED.contains(&name)
                    || WITHOUT_EFFECT.contains(&name)
                    || refused.iter().any(|(refused, _)| refused == name),
                "{name} is neither supported nor refused nor known to be without effect"
            );
        }
    }
}
