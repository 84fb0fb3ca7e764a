//! How the originals show their keys, and which of their keys this version does not have.

use std::sync::LazyLock;

use tidegate_api::ConfigDef;
use tidegate_api::config::Catalogue;

use crate::config;
use crate::flavor::Flavor;

static MARIADB: LazyLock<Catalogue> =
    LazyLock::new(|| Catalogue::new(include_str!("catalogue/mariadb.tsv"), &REFUSED));
static MYSQL: LazyLock<Catalogue> =
    LazyLock::new(|| Catalogue::new(include_str!("catalogue/mysql.tsv"), &REFUSED));

/// Keys of the originals that would change what is read or written: taken at their default only. What
/// [`config::refused`] knows is not repeated.
const REFUSED: [&str; 16] = [
    "database.jdbc.driver",
    "database.protocol",
    "streaming.delay.ms",
    "snapshot.mode.configuration.based.snapshot.data",
    "snapshot.mode.configuration.based.snapshot.schema",
    "snapshot.mode.configuration.based.start.stream",
    "snapshot.mode.configuration.based.snapshot.on.schema.error",
    "snapshot.mode.configuration.based.snapshot.on.data.error",
    "guardrail.collections.max",
    "guardrail.collections.limit.action",
    "internal.snapshot.scan.all.columns.force",
    "table.ignore.builtin",
    "event.deserialization.failure.handling.mode",
    "openlineage.integration.dataset.kafka.bootstrap.servers",
    "openlineage.integration.job.namespace",
    "openlineage.integration.job.owners",
];

/// All keys of a connector, shown as the original shows them.
pub(crate) fn definition(flavor: Flavor) -> ConfigDef {
    config::definition(flavor).listed_in(match flavor {
        Flavor::MariaDb => &MARIADB,
        Flavor::MySql => &MYSQL,
    })
}

#[cfg(test)]
mod tests {
    use tidegate_api::Props;

    use super::*;

    /// Keys that tune what is done here in another way, or that nothing depends on: any value is taken.
    const WITHOUT_EFFECT: [&str; 36] = [
        "database.query.timeout.ms",
        "database.server.id.offset",
        "max.queue.size.in.bytes",
        "snapshot.fetch.size",
        "snapshot.max.threads",
        "snapshot.max.threads.multiplier",
        "legacy.snapshot.max.threads",
        "internal.legacy.snapshot.max.threads",
        "query.fetch.size",
        "errors.max.retries",
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
        "signal.enabled.channels",
        "topic.naming.strategy",
        "gtid.source.filter.dml.events",
        "column.mask.hash.([^.]+).with.salt.(.+)",
        "column.mask.with.(d+).chars",
        "column.truncate.to.(d+).chars",
    ];

    /// Whether a value other than the default is refused by the connector itself.
    fn refused_elsewhere(name: &str) -> bool {
        !config::refused(&Props::from([(name, "other")])).is_empty()
    }

    #[test]
    fn no_key_of_the_originals_is_forgotten() {
        for (flavor, catalogue) in [(Flavor::MariaDb, &MARIADB), (Flavor::MySql, &MYSQL)] {
            let declared = config::definition(flavor);
            for key in catalogue.keys() {
                let name = key.name.as_ref();
                assert!(
                    declared.get(name).is_some()
                        || REFUSED.contains(&name)
                        || WITHOUT_EFFECT.contains(&name)
                        || refused_elsewhere(name),
                    "{flavor:?}: {name} is neither supported nor refused nor known to be without effect"
                );
            }
        }
    }

    #[test]
    fn what_is_not_here_is_refused_by_name() {
        let infos = definition(Flavor::MySql).validate(&Props::from([
            ("streaming.delay.ms", "5"),
            ("table.ignore.builtin", "true"),
        ]));
        let text =
            "Invalid value 5 for configuration streaming.delay.ms: this version supports '0' only";
        let errors = |name: &str| {
            let info = infos.iter().find(|info| info.key.name == name);
            info.expect(name).errors.clone()
        };
        assert_eq!(errors("streaming.delay.ms"), [text]);
        assert!(errors("table.ignore.builtin").is_empty());
    }
}
