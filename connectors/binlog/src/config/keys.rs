//! The keys of both connectors. Their texts are beside the catalogues.

use tidegate_api::ConfigKey;
use tidegate_api::config::{ConfigDef, Importance, Password, Width};
use tidegate_cdc::masking;
use tidegate_mysql::{Flavor, tls};

use super::unsupported::UNSUPPORTED;
use super::validators::{
    KAFKA_HISTORY, WITHOUT_EFFECT, enumerated, history_class, key_columns, legal_name,
    locking_mode_mariadb, non_negative, not_negative, operations, patterns, port, positive_integer,
    positive_long, server_id, snapshot_mode, time_precision,
};
use super::words;

const CONNECTION: &str = "Connection";
const CONNECTOR: &str = "Connector";
const SNAPSHOT: &str = "Connector Snapshot";

pub(super) static HOSTNAME: ConfigKey<String> = ConfigKey::required("database.hostname")
    .group(CONNECTION)
    .importance(Importance::High)
    .width(Width::Medium)
    .validator(legal_name)
    .display_name("Hostname");
pub(super) static PORT: ConfigKey<i32> = ConfigKey::new("database.port", "3306")
    .group(CONNECTION)
    .importance(Importance::High)
    .width(Width::Short)
    .validator(port)
    .display_name("Port");
pub(super) static USER: ConfigKey<String> = ConfigKey::required("database.user")
    .group(CONNECTION)
    .importance(Importance::High)
    .width(Width::Short)
    .display_name("User");
pub(super) static PASSWORD: ConfigKey<Option<Password>> = ConfigKey::nullable("database.password")
    .group(CONNECTION)
    .importance(Importance::High)
    .width(Width::Short)
    .display_name("Password");
pub(super) static SERVER_ID: ConfigKey<i64> = ConfigKey::required("database.server.id")
    .group(CONNECTION)
    .importance(Importance::High)
    .validator(server_id)
    .display_name("Cluster ID");
pub(super) static TOPIC_PREFIX: ConfigKey<String> = ConfigKey::required("topic.prefix")
    .group(CONNECTION)
    .importance(Importance::High)
    .width(Width::Medium)
    .validator(legal_name)
    .display_name("Topic prefix");
pub(super) static TOPIC_DELIMITER: ConfigKey<String> =
    ConfigKey::new("topic.delimiter", ".").group(CONNECTOR);
pub(super) static SSL_MODE_MYSQL: ConfigKey<String> =
    ConfigKey::new("database.ssl.mode", "preferred")
        .group(CONNECTION)
        .validator(|name, value| enumerated(name, value, words::SSL_MODES_MYSQL));
pub(super) static SSL_MODE_MARIADB: ConfigKey<String> =
    ConfigKey::new("database.ssl.mode", "disable")
        .group(CONNECTION)
        .validator(|name, value| enumerated(name, value, words::SSL_MODES_MARIADB));
pub(super) static SSL_TRUSTSTORE: ConfigKey<Option<String>> =
    ConfigKey::nullable(tls::TRUSTSTORE).group(CONNECTION);
pub(super) static SSL_TRUSTSTORE_PASSWORD: ConfigKey<Option<Password>> =
    ConfigKey::nullable("database.ssl.truststore.password").group(CONNECTION);
pub(super) static SSL_KEYSTORE: ConfigKey<Option<String>> =
    ConfigKey::nullable(tls::KEYSTORE).group(CONNECTION);
pub(super) static SSL_KEYSTORE_PASSWORD: ConfigKey<Option<Password>> =
    ConfigKey::nullable("database.ssl.keystore.password").group(CONNECTION);
pub(super) static CONNECT_TIMEOUT_MS: ConfigKey<i32> =
    ConfigKey::new("connect.timeout.ms", "30000")
        .group(CONNECTION)
        .validator(positive_integer);
pub(super) static QUERY_TIMEOUT_MS: ConfigKey<i32> =
    ConfigKey::new("database.query.timeout.ms", "600000")
        .group(CONNECTION)
        .validator(non_negative);
pub(super) static KEEP_ALIVE: ConfigKey<bool> =
    ConfigKey::new("connect.keep.alive", "true").group(CONNECTION);
pub(super) static KEEP_ALIVE_INTERVAL_MS: ConfigKey<i64> =
    ConfigKey::new("connect.keep.alive.interval.ms", "60000")
        .group(CONNECTION)
        .validator(positive_integer);
pub(super) static DATABASE_INCLUDE: ConfigKey<String> = ConfigKey::new("database.include.list", "")
    .group(CONNECTOR)
    .importance(Importance::High)
    .validator(patterns);
pub(super) static DATABASE_EXCLUDE: ConfigKey<String> = ConfigKey::new("database.exclude.list", "")
    .group(CONNECTOR)
    .validator(patterns);
pub(super) static TABLE_INCLUDE: ConfigKey<String> = ConfigKey::new("table.include.list", "")
    .group(CONNECTOR)
    .importance(Importance::High)
    .validator(patterns);
pub(super) static TABLE_EXCLUDE: ConfigKey<String> = ConfigKey::new("table.exclude.list", "")
    .group(CONNECTOR)
    .validator(patterns);
pub(super) static COLUMN_INCLUDE: ConfigKey<String> = ConfigKey::new("column.include.list", "")
    .group(CONNECTOR)
    .validator(patterns);
pub(super) static COLUMN_EXCLUDE: ConfigKey<String> = ConfigKey::new("column.exclude.list", "")
    .group(CONNECTOR)
    .validator(patterns);
pub(super) static PROPAGATE_BY_COLUMN: ConfigKey<String> =
    ConfigKey::new(masking::PROPAGATE_BY_COLUMN, "")
        .group(CONNECTOR)
        .validator(patterns);
pub(super) static PROPAGATE_BY_TYPE: ConfigKey<String> =
    ConfigKey::new(masking::PROPAGATE_BY_TYPE, "")
        .group(CONNECTOR)
        .validator(patterns);
pub(super) static MESSAGE_KEY_COLUMNS: ConfigKey<String> =
    ConfigKey::new("message.key.columns", "")
        .group(CONNECTOR)
        .validator(key_columns);
pub(super) static TOMBSTONES: ConfigKey<bool> =
    ConfigKey::new("tombstones.on.delete", "true").group(CONNECTOR);
pub(super) static DECIMAL_MODE: ConfigKey<String> =
    ConfigKey::new("decimal.handling.mode", "precise")
        .group(CONNECTOR)
        .validator(|name, value| enumerated(name, value, words::DECIMAL_MODES));
pub(super) static TIME_MODE: ConfigKey<String> =
    ConfigKey::new("time.precision.mode", "adaptive_time_microseconds")
        .group(CONNECTOR)
        .validator(time_precision);
pub(super) static BIGINT_MODE: ConfigKey<String> =
    ConfigKey::new("bigint.unsigned.handling.mode", "long")
        .group(CONNECTOR)
        .validator(|name, value| enumerated(name, value, words::BIGINT_MODES));
pub(super) static BINARY_MODE: ConfigKey<String> =
    ConfigKey::new("binary.handling.mode", "bytes").group(CONNECTOR);
pub(super) static TIME_ADJUSTER: ConfigKey<bool> =
    ConfigKey::new("enable.time.adjuster", "true").group(CONNECTOR);
pub(super) static CONVERSION_FAILURE: ConfigKey<String> =
    ConfigKey::new("event.converting.failure.handling.mode", "warn")
        .group(CONNECTOR)
        .validator(|name, value| enumerated(name, value, words::CONVERSION_FAILURES));
pub(super) static PROCESSING_FAILURE: ConfigKey<String> =
    ConfigKey::new("event.processing.failure.handling.mode", "fail")
        .group(CONNECTOR)
        .validator(|name, value| enumerated(name, value, words::PROCESSING_FAILURES));
pub(super) static INCONSISTENT_SCHEMA: ConfigKey<String> =
    ConfigKey::new("inconsistent.schema.handling.mode", "fail")
        .group(CONNECTOR)
        .validator(|name, value| enumerated(name, value, words::PROCESSING_FAILURES));
pub(super) static NAME_ADJUSTMENT: ConfigKey<String> =
    ConfigKey::new("schema.name.adjustment.mode", "none")
        .group(CONNECTOR)
        .validator(|name, value| enumerated(name, value, words::ADJUSTMENTS));
pub(super) static BINLOG_BUFFER_SIZE: ConfigKey<i32> = ConfigKey::new("binlog.buffer.size", "0")
    .group(CONNECTOR)
    .validator(non_negative);
pub(super) static INCLUDE_SCHEMA_CHANGES: ConfigKey<bool> =
    ConfigKey::new("include.schema.changes", "true").group(CONNECTOR);
pub(super) static INCLUDE_SCHEMA_COMMENTS: ConfigKey<bool> =
    ConfigKey::new("include.schema.comments", "false").group(CONNECTOR);
pub(super) static EXTENDED_HEADERS: ConfigKey<bool> =
    ConfigKey::new("extended.headers.enabled", "true").group(CONNECTOR);
pub(super) static SKIPPED_OPERATIONS: ConfigKey<Vec<String>> =
    ConfigKey::new("skipped.operations", "t")
        .group(CONNECTOR)
        .validator(operations);
pub(super) static SKIP_UNCHANGED: ConfigKey<bool> =
    ConfigKey::new("skip.messages.without.change", "false").group(CONNECTOR);
pub(super) static MAX_BATCH_SIZE: ConfigKey<i32> = ConfigKey::new("max.batch.size", "2048")
    .group(CONNECTOR)
    .validator(positive_integer);
pub(super) static MAX_QUEUE_SIZE: ConfigKey<i32> =
    ConfigKey::new("max.queue.size", "8192").group(CONNECTOR);
pub(super) static MAX_QUEUE_BYTES: ConfigKey<i64> = ConfigKey::new("max.queue.size.in.bytes", "0")
    .group(CONNECTOR)
    .validator(non_negative);
pub(super) static POLL_INTERVAL_MS: ConfigKey<i64> = ConfigKey::new("poll.interval.ms", "500")
    .group(CONNECTOR)
    .validator(positive_integer);
pub(super) static HEARTBEAT_INTERVAL_MS: ConfigKey<i32> =
    ConfigKey::new("heartbeat.interval.ms", "0")
        .group(CONNECTOR)
        .validator(non_negative);
pub(super) static HEARTBEAT_PREFIX: ConfigKey<String> =
    ConfigKey::new("topic.heartbeat.prefix", "__debezium-heartbeat").group(CONNECTOR);
pub(super) static HEARTBEAT_ACTION_QUERY: ConfigKey<Option<String>> =
    ConfigKey::nullable("heartbeat.action.query").group(CONNECTOR);
pub(super) static TRANSACTION_METADATA: ConfigKey<bool> =
    ConfigKey::new("provide.transaction.metadata", "false").group(CONNECTOR);
pub(super) static TRANSACTION_TOPIC: ConfigKey<String> =
    ConfigKey::new("topic.transaction", "transaction").group(CONNECTOR);
pub(super) static RETRY_WAIT_MS: ConfigKey<i64> =
    ConfigKey::new("retriable.restart.connector.wait.ms", "10000")
        .group(CONNECTOR)
        .validator(positive_long);
pub(super) static MAX_RETRIES: ConfigKey<i32> =
    ConfigKey::new("errors.max.retries", "-1").group(CONNECTOR);
pub(super) static SNAPSHOT_MODE: ConfigKey<String> = ConfigKey::new("snapshot.mode", "initial")
    .group(SNAPSHOT)
    .validator(snapshot_mode);
pub(super) static LOCKING_MODE: ConfigKey<String> =
    ConfigKey::new("snapshot.locking.mode", "minimal")
        .group(SNAPSHOT)
        .validator(|name, value| enumerated(name, value, words::LOCKING_MODES_MYSQL));
pub(super) static LOCK_TIMEOUT_MS: ConfigKey<i64> =
    ConfigKey::new("snapshot.lock.timeout.ms", "10000").group(SNAPSHOT);
pub(super) static SNAPSHOT_INCLUDE: ConfigKey<String> =
    ConfigKey::new("snapshot.include.collection.list", "")
        .group(SNAPSHOT)
        .validator(patterns);
pub(super) static SNAPSHOT_OVERRIDES: ConfigKey<String> =
    ConfigKey::new("snapshot.select.statement.overrides", "").group(SNAPSHOT);
pub(super) static SNAPSHOT_DELAY_MS: ConfigKey<i64> = ConfigKey::new("snapshot.delay.ms", "0")
    .group(SNAPSHOT)
    .validator(non_negative);
pub(super) static HISTORY_CLASS: ConfigKey<String> =
    ConfigKey::new("schema.history.internal", KAFKA_HISTORY)
        .group(CONNECTOR)
        .validator(history_class);
pub(super) static HISTORY_TOPIC: ConfigKey<String> =
    ConfigKey::required("schema.history.internal.kafka.topic")
        .group(CONNECTOR)
        .importance(Importance::High);
pub(super) static HISTORY_SERVERS: ConfigKey<Option<String>> =
    ConfigKey::nullable("schema.history.internal.kafka.bootstrap.servers")
        .group(CONNECTOR)
        .importance(Importance::High);
pub(super) static HISTORY_ATTEMPTS: ConfigKey<i32> =
    ConfigKey::new("schema.history.internal.kafka.recovery.attempts", "100")
        .group(CONNECTOR)
        .validator(not_negative);
pub(super) static HISTORY_POLL_INTERVAL_MS: ConfigKey<i32> = ConfigKey::new(
    "schema.history.internal.kafka.recovery.poll.interval.ms",
    "100",
)
.group(CONNECTOR)
.validator(not_negative);
pub(super) static HISTORY_SKIP_UNPARSEABLE: ConfigKey<bool> =
    ConfigKey::new("schema.history.internal.skip.unparseable.ddl", "false").group(CONNECTOR);
pub(super) static HISTORY_ONLY_CAPTURED: ConfigKey<bool> = ConfigKey::new(
    "schema.history.internal.store.only.captured.tables.ddl",
    "false",
)
.group(CONNECTOR);
pub(super) static HISTORY_ONLY_CAPTURED_DATABASES: ConfigKey<bool> = ConfigKey::new(
    "schema.history.internal.store.only.captured.databases.ddl",
    "false",
)
.group(CONNECTOR);

/// All keys of a connector.
pub(crate) fn definition(flavor: Flavor) -> ConfigDef {
    let mut definition = ConfigDef::new(&[
        &TOPIC_PREFIX,
        &HOSTNAME,
        &PORT,
        &USER,
        &PASSWORD,
        &SERVER_ID,
        match flavor {
            Flavor::MySql => &SSL_MODE_MYSQL,
            Flavor::MariaDb => &SSL_MODE_MARIADB,
        },
        &SSL_TRUSTSTORE,
        &SSL_TRUSTSTORE_PASSWORD,
        &SSL_KEYSTORE,
        &SSL_KEYSTORE_PASSWORD,
        &CONNECT_TIMEOUT_MS,
        &QUERY_TIMEOUT_MS,
        &KEEP_ALIVE,
        &KEEP_ALIVE_INTERVAL_MS,
        &TOPIC_DELIMITER,
        &DATABASE_INCLUDE,
        &DATABASE_EXCLUDE,
        &TABLE_INCLUDE,
        &TABLE_EXCLUDE,
        &COLUMN_INCLUDE,
        &COLUMN_EXCLUDE,
        &PROPAGATE_BY_COLUMN,
        &PROPAGATE_BY_TYPE,
        &MESSAGE_KEY_COLUMNS,
        &TOMBSTONES,
        &DECIMAL_MODE,
        &TIME_MODE,
        &BIGINT_MODE,
        &BINARY_MODE,
        &TIME_ADJUSTER,
        &CONVERSION_FAILURE,
        &PROCESSING_FAILURE,
        &INCONSISTENT_SCHEMA,
        &NAME_ADJUSTMENT,
        &BINLOG_BUFFER_SIZE,
        &INCLUDE_SCHEMA_CHANGES,
        &INCLUDE_SCHEMA_COMMENTS,
        &EXTENDED_HEADERS,
        &SKIPPED_OPERATIONS,
        &SKIP_UNCHANGED,
        &MAX_BATCH_SIZE,
        &MAX_QUEUE_SIZE,
        &MAX_QUEUE_BYTES,
        &POLL_INTERVAL_MS,
        &HEARTBEAT_INTERVAL_MS,
        &HEARTBEAT_PREFIX,
        &HEARTBEAT_ACTION_QUERY,
        &TRANSACTION_METADATA,
        &TRANSACTION_TOPIC,
        &RETRY_WAIT_MS,
        &MAX_RETRIES,
        &SNAPSHOT_MODE,
        &LOCKING_MODE,
        &LOCK_TIMEOUT_MS,
        &SNAPSHOT_INCLUDE,
        &SNAPSHOT_OVERRIDES,
        &SNAPSHOT_DELAY_MS,
        &HISTORY_CLASS,
        &HISTORY_TOPIC,
        &HISTORY_SERVERS,
        &HISTORY_ATTEMPTS,
        &HISTORY_POLL_INTERVAL_MS,
        &HISTORY_SKIP_UNPARSEABLE,
        &HISTORY_ONLY_CAPTURED,
        &HISTORY_ONLY_CAPTURED_DATABASES,
    ]);
    if flavor == Flavor::MariaDb {
        let mut locking_mode = LOCKING_MODE.spec();
        locking_mode.validator = Some(locking_mode_mariadb);
        definition.push(locking_mode);
    }
    definition
        .without(&UNSUPPORTED)
        .recommending(words::recommended(flavor))
        .hiding(words::HIDDEN)
        .checking(&WITHOUT_EFFECT)
        .worded_as_debezium()
}
