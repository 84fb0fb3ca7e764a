//! How the originals show their keys, and which of their keys this version does not have.

use std::sync::LazyLock;

use tidegate_api::ConfigDef;
use tidegate_api::config::{Catalogue, Documentation};
use tidegate_mysql::Flavor;

use crate::config;

static MARIADB: LazyLock<Catalogue> =
    LazyLock::new(|| Catalogue::new(include_str!("catalogue/mariadb.tsv")));
static MYSQL: LazyLock<Catalogue> =
    LazyLock::new(|| Catalogue::new(include_str!("catalogue/mysql.tsv")));

/// What the keys mean: those of both connectors and those that mean something else in each.
static MARIADB_TEXTS: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::new(&[TEXTS, include_str!("catalogue/documentation-mariadb.tsv")])
});
static MYSQL_TEXTS: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::new(&[TEXTS, include_str!("catalogue/documentation-mysql.tsv")])
});
const TEXTS: &str = include_str!("catalogue/documentation.tsv");

/// Names that mean something beside those that are listed: of drivers, of clients, by column or table, of earlier
/// releases.
const FAMILIES: &[&str] = &[
    "driver.",
    "schema.history.internal.",
    "column.mask.",
    "column.truncate.",
    "snapshot.select.statement.overrides.",
    "signal.",
    "notification.",
    "database.history.",
    "database.server.name",
    "database.whitelist",
    "database.blacklist",
    "table.whitelist",
    "table.blacklist",
    "column.whitelist",
    "column.blacklist",
];

/// All keys of a connector, shown as the original shows them.
pub(crate) fn definition(flavor: Flavor) -> ConfigDef {
    let (listed, texts) = match flavor {
        Flavor::MariaDb => (&*MARIADB, &*MARIADB_TEXTS),
        Flavor::MySql => (&*MYSQL, &*MYSQL_TEXTS),
    };
    config::definition(flavor)
        .listed_in(listed)
        .documented_by(texts)
        .with_families(FAMILIES)
}

#[cfg(test)]
mod tests {
    use tidegate_api::Props;

    use super::*;

    /// Keys that tune what is done here in another way, or that nothing depends on: any value is taken.
    const WITHOUT_EFFECT: [&str; 33] = [
        "database.server.id.offset",
        "snapshot.fetch.size",
        "snapshot.max.threads",
        "snapshot.max.threads.multiplier",
        "legacy.snapshot.max.threads",
        "internal.legacy.snapshot.max.threads",
        "query.fetch.size",
        "incremental.snapshot.watermarking.strategy",
        "incremental.snapshot.chunk.size",
        "internal.log.position.check.enable",
        "internal.advanced.metrics.enable",
        "connection.validation.timeout.ms",
        "executor.shutdown.timeout.ms",
        "openlineage.integration.job.description",
        "openlineage.integration.job.tags",
        "custom.sanitize.pattern",
        "custom.metric.tags",
        "statistics.metrics.enabled",
        "memory.management.schemas.class",
        "memory.management.tables.class",
        "use.nongraceful.disconnect",
        "binlog.net.write.timeout",
        "binlog.net.read.timeout",
        "min.row.count.to.stream.results",
        "ddl.parser.type",
        "heartbeat.topics.prefix",
        "signal.poll.interval.ms",
        "event.deserialization.failure.handling.mode",
        "internal.snapshot.scan.all.columns.force",
        "gtid.source.filter.dml.events",
        "column.mask.hash.([^.]+).with.salt.(.+)",
        "column.mask.with.(d+).chars",
        "column.truncate.to.(d+).chars",
    ];

    #[test]
    fn no_key_of_the_originals_is_forgotten() {
        for (flavor, catalogue) in [(Flavor::MariaDb, &MARIADB), (Flavor::MySql, &MYSQL)] {
            let declared = config::definition(flavor);
            for key in catalogue.keys() {
                let name = key.name.as_ref();
                assert!(
                    declared.knows(name) || WITHOUT_EFFECT.contains(&name),
                    "{flavor:?}: {name} is neither supported nor refused nor known to be without effect"
                );
            }
        }
    }

    #[test]
    fn what_is_not_here_is_refused_by_name_or_passed_over_with_a_warning() {
        let props = Props::from([
            ("include.query", "true"),
            ("streaming.delay.ms", "5"),
            ("table.ignore.builtin", " True "),
            ("signal.data.collection", "d.signals"),
            ("snapshot.tables.order.by.row.count", "DISABLED"),
        ]);
        let definition = definition(Flavor::MySql);
        let infos = definition.validate(&props);
        let info = |name: &str| infos.iter().find(|info| info.key.name == name).expect(name);
        let refused = &info("include.query").errors;
        assert!(refused[0].starts_with(
            "The 'include.query' value is invalid: this version supports 'false' only: "
        ));
        assert!(info("table.ignore.builtin").errors.is_empty());
        let warnings = definition.warnings(&props);
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        for (name, warning) in ["signal.data.collection", "streaming.delay.ms"]
            .iter()
            .zip(&warnings)
        {
            assert!(warning.starts_with(&format!("'{name}' has no effect in this version: ")));
            assert!(info(name).errors.is_empty());
            assert!(
                info(name).key.documentation.starts_with(warning),
                "{warning}"
            );
        }
    }
}
