//! Settings of the originals that this version does not have, and what becomes of a configuration that has one.
//!
//! Refused is what would change records: values, schemas, names of topics, or which rows are written. What only asks for
//! something beside the records, or tunes how they are read, is taken with a warning.

use tidegate_api::config::Unsupported;

const NO_SIGNALS: &str = "signals are not read, so that nothing can ask for an incremental snapshot; a table of signals is captured like any \
     other, as the include and exclude lists say";
const NO_NOTIFICATIONS: &str =
    "notifications are not sent; the connector's status and log tell how far a snapshot is";
const NO_INCREMENTAL: &str =
    "there are no incremental snapshots for which it could make a difference";
const NO_LINEAGE: &str = "lineage is not reported";
const NO_CUSTOM_MODE: &str = "only the mode 'custom' reads it, which is refused by name";
const NO_CONFIGURED_MODE: &str = "only snapshot.mode=configuration_based reads it, which is refused by name; use initial, no_data, never or recovery";
const NO_PATTERN_NAMES: &str = "only topic naming strategies that go by a pattern read it, which are refused by name; use the transformation \
     ByLogicalTableRouter or RegexRouter";
const OWN_CLIENT: &str = "this version has a client of its own";
const NO_GUARDRAIL: &str = "the number of captured tables is not limited";
const OTHER_SOURCES: &str = "rows that came from other servers would be written all the same; leave them out with a Filter, or capture from a \
     server that has none";

/// What the values are compared with is the original's default; see [`Unsupported::takes`].
pub(super) static UNSUPPORTED: [Unsupported; 46] = [
    Unsupported::refused(
        "converters",
        &[],
        "values and schemas would be other ones; use transformations such as Cast or TimestampConverter",
    ),
    Unsupported::refused(
        "post.processors",
        &[],
        "values would be other ones; complete them where the records are read",
    ),
    // Beside picking transaction ids it leaves rows out: gtid.source.filter.dml.events is true by default.
    Unsupported::refused("gtid.source.includes", &[".*"], OTHER_SOURCES),
    Unsupported::refused("gtid.source.excludes", &[], OTHER_SOURCES),
    Unsupported::refused(
        "gtid.ignore.on.recovery",
        &["false"],
        "a restart goes by the transaction ids that are stored; to go by file and position, alter the offset with \
         PATCH /connectors/{name}/offsets",
    ),
    Unsupported::refused(
        "database.initial.statements",
        &[],
        "statements may change what a snapshot reads; set the server's variables for the account or globally",
    ),
    Unsupported::refused(
        "transaction.metadata.factory",
        &["io.debezium.pipeline.txmetadata.DefaultTransactionMetadataFactory"],
        "boundaries of transactions would have other records; reshape those of the topic of transactions with transformations",
    ),
    Unsupported::refused(
        "include.query",
        &["false"],
        "source.query would be null; read the statements from the server's own log",
    ),
    Unsupported::refused(
        "snapshot.query.mode",
        &["select_all"],
        "statements of one's own go to snapshot.select.statement.overrides",
    ),
    Unsupported::refused(
        "schema.history.internal.prefer.ddl",
        &["false"],
        "the tables as they are stored are what counts; to rebuild them use snapshot.mode=recovery",
    ),
    Unsupported::refused(
        "sourceinfo.struct.maker",
        &[
            "io.debezium.connector.mariadb.MariaDbSourceInfoStructMaker",
            "io.debezium.connector.mysql.MySqlSourceInfoStructMaker",
        ],
        "the field 'source' would be another one; reshape it with transformations",
    ),
    Unsupported::refused(
        "table.ignore.builtin",
        &["true"],
        "tables of the server itself are never captured; copy what is needed to a table of another database",
    ),
    Unsupported::refused(
        "topic.naming.strategy",
        &[
            "io.debezium.schema.DefaultTopicNamingStrategy",
            "io.debezium.schema.SchemaTopicNamingStrategy",
            "io.debezium.schema.DefaultUnicodeTopicNamingStrategy",
            "io.debezium.schema.SchemaUnicodeTopicNamingStrategy",
        ],
        "topics would have other names; use the transformation RegexRouter or ByLogicalTableRouter",
    ),
    Unsupported::refused(
        "field.name.adjustment.mode",
        &["none"],
        "fields would keep names that Avro does not take; rename them with ReplaceField",
    ),
    Unsupported::without_effect("signal.data.collection", &[], NO_SIGNALS),
    Unsupported::without_effect("signal.kafka.topic", &[], NO_SIGNALS),
    Unsupported::without_effect("signal.kafka.bootstrap.servers", &[], NO_SIGNALS),
    Unsupported::without_effect("signal.file", &[], NO_SIGNALS),
    Unsupported::without_effect("signal.enabled.channels", &["source"], NO_SIGNALS),
    Unsupported::without_effect("notification.enabled.channels", &[], NO_NOTIFICATIONS),
    Unsupported::without_effect("notification.sink.topic.name", &[], NO_NOTIFICATIONS),
    Unsupported::without_effect(
        "incremental.snapshot.allow.schema.changes",
        &["false"],
        NO_INCREMENTAL,
    ),
    // The original reads it to choose how windows of an incremental snapshot are marked, and for nothing else.
    Unsupported::without_effect("read.only", &["false"], NO_INCREMENTAL),
    Unsupported::without_effect("topic.regex", &[], NO_PATTERN_NAMES),
    Unsupported::without_effect("topic.replacement", &[], NO_PATTERN_NAMES),
    Unsupported::without_effect("snapshot.mode.custom.name", &[], NO_CUSTOM_MODE),
    Unsupported::without_effect("snapshot.query.mode.custom.name", &[], NO_CUSTOM_MODE),
    Unsupported::without_effect("snapshot.locking.mode.custom.name", &[], NO_CUSTOM_MODE),
    Unsupported::without_effect(
        "snapshot.mode.configuration.based.snapshot.data",
        &["false"],
        NO_CONFIGURED_MODE,
    ),
    Unsupported::without_effect(
        "snapshot.mode.configuration.based.snapshot.schema",
        &["false"],
        NO_CONFIGURED_MODE,
    ),
    Unsupported::without_effect(
        "snapshot.mode.configuration.based.start.stream",
        &["false"],
        NO_CONFIGURED_MODE,
    ),
    Unsupported::without_effect(
        "snapshot.mode.configuration.based.snapshot.on.schema.error",
        &["false"],
        NO_CONFIGURED_MODE,
    ),
    Unsupported::without_effect(
        "snapshot.mode.configuration.based.snapshot.on.data.error",
        &["false"],
        NO_CONFIGURED_MODE,
    ),
    Unsupported::without_effect(
        "schema.history.internal.file.filename",
        &[],
        "the schema history is in a topic; a history in a file is refused by its class",
    ),
    Unsupported::without_effect(
        "queue.provider.type",
        &[],
        "the queue between reader and worker is this version's own",
    ),
    Unsupported::without_effect("openlineage.integration.enabled", &["false"], NO_LINEAGE),
    Unsupported::without_effect(
        "openlineage.integration.config.file.path",
        &["./openlineage.yml"],
        NO_LINEAGE,
    ),
    Unsupported::without_effect("openlineage.integration.job.namespace", &[], NO_LINEAGE),
    Unsupported::without_effect("openlineage.integration.job.owners", &[], NO_LINEAGE),
    Unsupported::without_effect(
        "openlineage.integration.dataset.kafka.bootstrap.servers",
        &[],
        NO_LINEAGE,
    ),
    Unsupported::without_effect(
        "database.jdbc.driver",
        &["com.mysql.cj.jdbc.Driver"],
        OWN_CLIENT,
    ),
    Unsupported::without_effect("database.protocol", &["jdbc:mysql"], OWN_CLIENT),
    Unsupported::without_effect(
        "streaming.delay.ms",
        &["0"],
        "streaming begins right after the snapshot, as far as the server still has its log",
    ),
    // Tables go to topics of their own, so that their order is no order of records.
    Unsupported::without_effect(
        "snapshot.tables.order.by.row.count",
        &["disabled"],
        "tables are read in the order of the server's list",
    ),
    Unsupported::without_effect("guardrail.collections.max", &["0"], NO_GUARDRAIL),
    Unsupported::without_effect(
        "guardrail.collections.limit.action",
        &["warn"],
        NO_GUARDRAIL,
    ),
];
