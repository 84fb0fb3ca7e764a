//! The keys of both connectors.

use tidegate_api::ConfigKey;
use tidegate_api::config::{ConfigDef, Importance, Password, Width, enumerated};

use super::validators::{
    history_class, key_columns, legal_name, not_negative, only_none, operations, patterns, port,
    positive, snapshot_mode, time_precision,
};
use crate::flavor::Flavor;
use crate::masking;
use crate::tls;

const CONNECTION: &str = "Connection";
const CONNECTOR: &str = "Connector";
const SNAPSHOT: &str = "Connector Snapshot";

pub(super) static HOSTNAME: ConfigKey<String> = ConfigKey::required("database.hostname")
    .group(CONNECTION)
    .importance(Importance::High)
    .width(Width::Medium)
    .validator(legal_name)
    .display_name("Hostname")
    .doc("Resolvable hostname or IP address of the database server.");
pub(super) static PORT: ConfigKey<i32> = ConfigKey::new("database.port", "3306")
    .group(CONNECTION)
    .importance(Importance::High)
    .width(Width::Short)
    .validator(port)
    .display_name("Port")
    .doc("Port of the database server.");
pub(super) static USER: ConfigKey<String> = ConfigKey::required("database.user")
    .group(CONNECTION)
    .importance(Importance::High)
    .width(Width::Short)
    .display_name("User")
    .doc("Name of the database user to be used when connecting to the database.");
pub(super) static PASSWORD: ConfigKey<Option<Password>> = ConfigKey::nullable("database.password")
    .group(CONNECTION)
    .importance(Importance::High)
    .width(Width::Short)
    .display_name("Password")
    .doc("Password of the database user to be used when connecting to the database.");
pub(super) static SERVER_ID: ConfigKey<i64> = ConfigKey::required("database.server.id").group(CONNECTION).importance(Importance::High).validator(positive).display_name("Cluster ID").doc("A numeric ID of this database client, which must be unique across all currently-running database processes in the cluster. This connector joins the database cluster as another server (with this unique ID) so it can read the binlog.");
pub(super) static TOPIC_PREFIX: ConfigKey<String> = ConfigKey::required("topic.prefix").group(CONNECTION).importance(Importance::High).width(Width::Medium).validator(legal_name).display_name("Topic prefix").doc("Topic prefix that identifies and provides a namespace for the particular database server/cluster is capturing changes. The topic prefix should be unique across all other connectors, since it is used as a prefix for all Kafka topic names that receive events emitted by this connector. Only alphanumeric characters, hyphens, dots and underscores must be accepted.");
pub(super) static TOPIC_DELIMITER: ConfigKey<String> = ConfigKey::new("topic.delimiter", ".")
    .group(CONNECTOR)
    .doc("Specify the delimiter for topic name.");
pub(super) static SSL_MODE_MYSQL: ConfigKey<String> =
    ConfigKey::new("database.ssl.mode", "preferred")
        .group(CONNECTION)
        .validator(|name, value| {
            enumerated(
                name,
                value,
                &[
                    "disabled",
                    "preferred",
                    "required",
                    "verify_ca",
                    "verify_identity",
                ],
            )
        })
        .doc("Whether to use an encrypted connection to the database.");
pub(super) static SSL_MODE_MARIADB: ConfigKey<String> =
    ConfigKey::new("database.ssl.mode", "disable")
        .group(CONNECTION)
        .validator(|name, value| {
            enumerated(
                name,
                value,
                &["disable", "trust", "verify-ca", "verify-full"],
            )
        })
        .doc("Whether to use an encrypted connection to the database.");
pub(super) static SSL_TRUSTSTORE: ConfigKey<Option<String>> = ConfigKey::nullable(tls::TRUSTSTORE)
    .group(CONNECTION)
    .doc("The location of the trust store file with the certificates that sign the server's: PEM, PKCS12 or JKS.");
pub(super) static SSL_TRUSTSTORE_PASSWORD: ConfigKey<Option<Password>> =
    ConfigKey::nullable("database.ssl.truststore.password")
        .group(CONNECTION)
        .doc("The password of the trust store file.");
pub(super) static SSL_KEYSTORE: ConfigKey<Option<String>> =
    ConfigKey::nullable(tls::KEYSTORE).group(CONNECTION).doc(
        "The location of the key store file with this client's key and certificate: PEM or PKCS12.",
    );
pub(super) static SSL_KEYSTORE_PASSWORD: ConfigKey<Option<Password>> =
    ConfigKey::nullable("database.ssl.keystore.password")
        .group(CONNECTION)
        .doc("The password of the key store file.");
pub(super) static CONNECT_TIMEOUT_MS: ConfigKey<i32> = ConfigKey::new("connect.timeout.ms", "30000").group(CONNECTION).doc("Maximum time to wait after trying to connect to the database before timing out, given in milliseconds.");
pub(super) static KEEP_ALIVE: ConfigKey<bool> = ConfigKey::new("connect.keep.alive", "true").group(CONNECTION).doc("Whether the connection to the server is watched and re-established when it is silent for too long.");
pub(super) static KEEP_ALIVE_INTERVAL_MS: ConfigKey<i64> =
    ConfigKey::new("connect.keep.alive.interval.ms", "60000")
        .group(CONNECTION)
        .doc("Interval for connection checking if keep alive is used, given in milliseconds.");
pub(super) static DATABASE_INCLUDE: ConfigKey<String> = ConfigKey::new("database.include.list", "")
    .group(CONNECTOR)
    .importance(Importance::High)
    .validator(patterns)
    .doc("The databases for which changes are to be captured");
pub(super) static DATABASE_EXCLUDE: ConfigKey<String> = ConfigKey::new("database.exclude.list", "").group(CONNECTOR).validator(patterns).doc("A comma-separated list of regular expressions that match database names to be excluded from monitoring");
pub(super) static TABLE_INCLUDE: ConfigKey<String> = ConfigKey::new("table.include.list", "")
    .group(CONNECTOR)
    .importance(Importance::High)
    .validator(patterns)
    .doc("The tables for which changes are to be captured");
pub(super) static TABLE_EXCLUDE: ConfigKey<String> = ConfigKey::new("table.exclude.list", "").group(CONNECTOR).validator(patterns).doc("A comma-separated list of regular expressions that match the fully-qualified names of tables to be excluded from monitoring");
pub(super) static COLUMN_INCLUDE: ConfigKey<String> = ConfigKey::new("column.include.list", "")
    .group(CONNECTOR)
    .validator(patterns)
    .doc("Regular expressions matching columns to include in change events");
pub(super) static COLUMN_EXCLUDE: ConfigKey<String> = ConfigKey::new("column.exclude.list", "")
    .group(CONNECTOR)
    .validator(patterns)
    .doc("Regular expressions matching columns to exclude from change events");
pub(super) static PROPAGATE_BY_COLUMN: ConfigKey<String> = ConfigKey::new(masking::PROPAGATE_BY_COLUMN, "")
    .group(CONNECTOR)
    .validator(patterns)
    .doc("Regular expressions matching columns whose original type, length and scale are added as parameters to the schemas of their fields");
pub(super) static PROPAGATE_BY_TYPE: ConfigKey<String> = ConfigKey::new(masking::PROPAGATE_BY_TYPE, "")
    .group(CONNECTOR)
    .validator(patterns)
    .doc("Regular expressions matching types of columns (database.table.TYPE) whose original type, length and scale are added as parameters to the schemas of their fields");
pub(super) static MESSAGE_KEY_COLUMNS: ConfigKey<String> = ConfigKey::new("message.key.columns", "").group(CONNECTOR).validator(key_columns).doc("A semicolon-separated list of expressions that match fully-qualified tables and column(s) to be used as message key. Each expression must match the pattern '<fully-qualified table name>:<key columns>', where the table names could be defined as (DB_NAME.TABLE_NAME) and key columns are separated by commas.");
pub(super) static TOMBSTONES: ConfigKey<bool> = ConfigKey::new("tombstones.on.delete", "true").group(CONNECTOR).doc("Whether delete operations should be represented by a delete event and a subsequent tombstone event (true) or only by a delete event (false). Emitting the tombstone event (the default behavior) allows Kafka to completely delete all events pertaining to the given key once the source record got deleted.");
pub(super) static DECIMAL_MODE: ConfigKey<String> =
    ConfigKey::new("decimal.handling.mode", "precise")
        .group(CONNECTOR)
        .validator(|name, value| enumerated(name, value, &["precise", "double", "string"]))
        .doc("Specify how DECIMAL and NUMERIC columns should be represented in change events.");
pub(super) static TIME_MODE: ConfigKey<String> =
    ConfigKey::new("time.precision.mode", "adaptive_time_microseconds")
        .group(CONNECTOR)
        .validator(time_precision)
        .doc("Time, date and timestamps can be represented with different kinds of precisions.");
pub(super) static BIGINT_MODE: ConfigKey<String> =
    ConfigKey::new("bigint.unsigned.handling.mode", "long")
        .group(CONNECTOR)
        .validator(|name, value| enumerated(name, value, &["precise", "long"]))
        .doc("Specify how BIGINT UNSIGNED columns should be represented in change events.");
pub(super) static BINARY_MODE: ConfigKey<String> = ConfigKey::new("binary.handling.mode", "bytes")
    .group(CONNECTOR)
    .validator(|name, value| {
        enumerated(name, value, &["bytes", "base64", "base64-url-safe", "hex"])
    })
    .doc("Specify how binary (blob, binary, etc.) columns should be represented in change events.");
pub(super) static TIME_ADJUSTER: ConfigKey<bool> = ConfigKey::new("enable.time.adjuster", "true").group(CONNECTOR).doc("MySQL allows user to insert year value as either 2-digit or 4-digit. In case of two digit the value is automatically mapped into 1970 - 2069.");
pub(super) static CONVERSION_FAILURE: ConfigKey<String> =
    ConfigKey::new("event.converting.failure.handling.mode", "warn")
        .group(CONNECTOR)
        .validator(|name, value| enumerated(name, value, &["warn", "fail", "skip"]))
        .doc("Specify how failures during converting of event should be handled.");
pub(super) static PROCESSING_FAILURE: ConfigKey<String> = ConfigKey::new("event.processing.failure.handling.mode", "fail").group(CONNECTOR).validator(|name, value| enumerated(name, value, &["fail", "warn", "skip", "ignore"])).doc("Specify how failures during processing of events (i.e. when encountering a corrupted event) should be handled.");
pub(super) static INCONSISTENT_SCHEMA: ConfigKey<String> = ConfigKey::new("inconsistent.schema.handling.mode", "fail").group(CONNECTOR).validator(|name, value| enumerated(name, value, &["fail", "warn", "skip", "ignore"])).doc("Specify how binlog events that belong to a table missing from internal schema representation (i.e. internal representation is not consistent with database) should be handled.");
pub(super) static NAME_ADJUSTMENT: ConfigKey<String> = ConfigKey::new("schema.name.adjustment.mode", "none").group(CONNECTOR).validator(|name, value| enumerated(name, value, &["none", "avro", "avro_unicode"])).doc("Specify how schema names should be adjusted for compatibility with the message converter used by the connector.");
pub(super) static FIELD_ADJUSTMENT: ConfigKey<String> = ConfigKey::new("field.name.adjustment.mode", "none").group(CONNECTOR).validator(only_none).doc("Specify how field names should be adjusted for compatibility with the message converter used by the connector.");
pub(super) static INCLUDE_SCHEMA_CHANGES: ConfigKey<bool> = ConfigKey::new("include.schema.changes", "true").group(CONNECTOR).doc("Whether the connector should publish changes in the database schema to a Kafka topic with the same name as the database server ID. Each schema change will be recorded using a key that contains the database name and whose value includes logical description of the new schema and optionally the DDL statement(s). The default is 'true'.");
pub(super) static INCLUDE_SCHEMA_COMMENTS: ConfigKey<bool> = ConfigKey::new("include.schema.comments", "false").group(CONNECTOR).doc("Whether the connector parse table and column's comment to metadata object. Note: Enable this option will bring the implications on memory usage.");
pub(super) static EXTENDED_HEADERS: ConfigKey<bool> = ConfigKey::new("extended.headers.enabled", "true").group(CONNECTOR).doc("Enable/Disable Debezium context headers that provides essential metadata for tracking and identifying the source of CDC events in downstream processing systems.");
pub(super) static SKIPPED_OPERATIONS: ConfigKey<Vec<String>> = ConfigKey::new("skipped.operations", "t").group(CONNECTOR).validator(operations).doc("The comma-separated list of operations to skip during streaming, defined as: 'c' for inserts/create; 'u' for updates; 'd' for deletes, 't' for truncates, and 'none' to indicate nothing skipped.");
pub(super) static MAX_BATCH_SIZE: ConfigKey<i32> = ConfigKey::new("max.batch.size", "2048")
    .group(CONNECTOR)
    .doc("Maximum size of each batch of source records.");
pub(super) static MAX_QUEUE_SIZE: ConfigKey<i32> = ConfigKey::new("max.queue.size", "8192").group(CONNECTOR).doc("Maximum size of the queue for change events read from the database log but not yet recorded or forwarded.");
pub(super) static POLL_INTERVAL_MS: ConfigKey<i64> = ConfigKey::new("poll.interval.ms", "500").group(CONNECTOR).doc("Time to wait for new change events to appear after receiving no events, given in milliseconds. Here new events are handed over at once.");
pub(super) static HEARTBEAT_INTERVAL_MS: ConfigKey<i32> = ConfigKey::new("heartbeat.interval.ms", "0").group(CONNECTOR).doc("Length of an interval in milli-seconds in in which the connector periodically sends heartbeat messages to a heartbeat topic. Use 0 to disable heartbeat messages. Disabled by default.");
pub(super) static HEARTBEAT_PREFIX: ConfigKey<String> =
    ConfigKey::new("topic.heartbeat.prefix", "__debezium-heartbeat")
        .group(CONNECTOR)
        .doc("Specify the heartbeat topic name.");
pub(super) static HEARTBEAT_QUERY: ConfigKey<Option<String>> =
    ConfigKey::nullable("heartbeat.action.query")
        .group(CONNECTOR)
        .doc("The query executed with every heartbeat.");
pub(super) static RETRY_WAIT_MS: ConfigKey<i64> = ConfigKey::new("retriable.restart.connector.wait.ms", "10000").group(CONNECTOR).doc("Time to wait before restarting connector after retriable exception occurs. Defaults to 10000ms.");
pub(super) static SNAPSHOT_MODE: ConfigKey<String> = ConfigKey::new("snapshot.mode", "initial")
    .group(SNAPSHOT)
    .validator(snapshot_mode)
    .doc("The criteria for running a snapshot upon startup of the connector.");
pub(super) static LOCKING_MODE: ConfigKey<String> = ConfigKey::new("snapshot.locking.mode", "minimal").group(SNAPSHOT).validator(|name, value| enumerated(name, value, &["minimal", "extended", "none"])).doc("Controls how long the connector holds onto the global read lock while it is performing a snapshot.");
pub(super) static LOCK_TIMEOUT_MS: ConfigKey<i64> = ConfigKey::new("snapshot.lock.timeout.ms", "10000").group(SNAPSHOT).doc("The maximum number of millis to wait for table locks at the beginning of a snapshot. If locks cannot be acquired in this time frame, the snapshot will be aborted. Defaults to 10 seconds");
pub(super) static SNAPSHOT_INCLUDE: ConfigKey<String> = ConfigKey::new("snapshot.include.collection.list", "").group(SNAPSHOT).validator(patterns).doc("This setting must be set to specify a list of tables/collections whose snapshot must be taken on creating or restarting the connector.");
pub(super) static SNAPSHOT_OVERRIDES: ConfigKey<String> = ConfigKey::new("snapshot.select.statement.overrides", "").group(SNAPSHOT).doc("This property contains a comma-separated list of fully-qualified tables (DB_NAME.TABLE_NAME). Select statements for the individual tables are specified in further configuration properties, one for each table, identified by the id 'snapshot.select.statement.overrides.[DB_NAME].[TABLE_NAME]'.");
pub(super) static SNAPSHOT_DELAY_MS: ConfigKey<i64> = ConfigKey::new("snapshot.delay.ms", "0")
    .group(SNAPSHOT)
    .doc("A delay period before a snapshot will begin, given in milliseconds. Defaults to 0 ms.");
pub(super) static HISTORY_CLASS: ConfigKey<String> = ConfigKey::new("schema.history.internal", KAFKA_HISTORY).group(CONNECTOR).validator(history_class).doc("The name of the SchemaHistory class that should be used to store and recover database schema changes.");
pub(super) static HISTORY_TOPIC: ConfigKey<String> =
    ConfigKey::required("schema.history.internal.kafka.topic")
        .group(CONNECTOR)
        .importance(Importance::High)
        .doc("The name of the topic for the database schema history");
pub(super) static HISTORY_SERVERS: ConfigKey<Option<String>> = ConfigKey::nullable("schema.history.internal.kafka.bootstrap.servers").group(CONNECTOR).importance(Importance::High).doc("A list of host/port pairs that the connector will use for establishing the initial connection to the Kafka cluster for retrieving database schema history previously stored by the connector.");
pub(super) static HISTORY_ATTEMPTS: ConfigKey<i32> = ConfigKey::new("schema.history.internal.kafka.recovery.attempts", "100").group(CONNECTOR).validator(not_negative).doc("The number of attempts in a row that no data are returned from Kafka before recover completes with an error.");
pub(super) static HISTORY_POLL_INTERVAL_MS: ConfigKey<i32> = ConfigKey::new(
    "schema.history.internal.kafka.recovery.poll.interval.ms",
    "100",
)
.group(CONNECTOR)
.validator(not_negative)
.doc("The number of milliseconds to wait while polling for persisted data during recovery.");
pub(super) static HISTORY_SKIP_UNPARSEABLE: ConfigKey<bool> = ConfigKey::new("schema.history.internal.skip.unparseable.ddl", "false").group(CONNECTOR).doc("Controls the action Debezium will take when it meets a DDL statement in binlog, that it cannot parse.By default the connector will stop operating but by changing the setting it can ignore the statements which it cannot parse.");
pub(super) static HISTORY_ONLY_CAPTURED: ConfigKey<bool> = ConfigKey::new("schema.history.internal.store.only.captured.tables.ddl", "false").group(CONNECTOR).doc("Controls what DDL will Debezium store in database schema history. By default (false) Debezium will store all incoming DDL statements. If set to true, then only DDL that manipulates a captured table will be stored.");
pub(super) static HISTORY_ONLY_CAPTURED_DATABASES: ConfigKey<bool> = ConfigKey::new("schema.history.internal.store.only.captured.databases.ddl", "false").group(CONNECTOR).doc("Controls what DDL will Debezium store in database schema history. If set to true, then only DDL of captured databases will be stored.");

pub(super) const KAFKA_HISTORY: &str = "io.debezium.storage.kafka.history.KafkaSchemaHistory";

/// All keys of a connector.
pub(crate) fn definition(flavor: Flavor) -> ConfigDef {
    ConfigDef::new(&[
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
        &FIELD_ADJUSTMENT,
        &INCLUDE_SCHEMA_CHANGES,
        &INCLUDE_SCHEMA_COMMENTS,
        &EXTENDED_HEADERS,
        &SKIPPED_OPERATIONS,
        &MAX_BATCH_SIZE,
        &MAX_QUEUE_SIZE,
        &POLL_INTERVAL_MS,
        &HEARTBEAT_INTERVAL_MS,
        &HEARTBEAT_PREFIX,
        &HEARTBEAT_QUERY,
        &RETRY_WAIT_MS,
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
    ])
}
