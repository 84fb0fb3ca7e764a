//! How Debezium's original shows its keys.

use std::sync::LazyLock;

use tidegate_api::ConfigDef;
use tidegate_api::config::{Catalogue, Documentation};

use crate::config::{self, Style};

static DEBEZIUM: LazyLock<Catalogue> =
    LazyLock::new(|| Catalogue::new(include_str!("catalogue/debezium.tsv")));

/// What the keys mean: those of both connectors and those that one has, or has in its own way.
static DEBEZIUM_TEXTS: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::new(&[TEXTS, include_str!("catalogue/documentation-debezium.tsv")])
});
static CONFLUENT_TEXTS: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::new(&[TEXTS, include_str!("catalogue/documentation-confluent.tsv")])
});
const TEXTS: &str = include_str!("catalogue/documentation.tsv");

/// All keys of a connector. Confluent's original cannot be had, so that its keys are shown as they are declared.
pub(crate) fn definition(style: Style) -> ConfigDef {
    let definition = config::definition(style);
    match style {
        Style::Debezium => definition
            .listed_in(&DEBEZIUM)
            .documented_by(&DEBEZIUM_TEXTS)
            .with_families(&[
                "hibernate.",
                // Of earlier releases, and Confluent's, which are told with what to use.
                "table.name.format",
                "table.naming.strategy",
                "database.time_zone",
                "pk.mode",
                "pk.fields",
                "auto.create",
                "auto.evolve",
            ]),
        Style::Confluent => definition
            .documented_by(&CONFLUENT_TEXTS)
            .with_families(&["connection."]),
    }
}

#[cfg(test)]
mod tests {
    use tidegate_api::Props;

    use super::*;

    /// Keys that tune what is done here in another way, or nothing: any value is taken.
    const WITHOUT_EFFECT: [&str; 6] = [
        // The original declares it and reads it nowhere.
        "collection.table.format",
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
            assert!(
                declared.knows(name) || renamed.len() > 1 || WITHOUT_EFFECT.contains(&name),
                "{name} is neither supported nor refused nor known to be without effect"
            );
        }
    }
}
