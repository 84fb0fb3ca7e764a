//! Settings of both connectors.
//!
//! Source: Debezium `BinlogConnectorConfig`, `MySqlConnectorConfig`, `MariaDbConnectorConfig`,
//! `RelationalDatabaseConnectorConfig`, `CommonConnectorConfig`.

use std::sync::Arc;
use std::time::Duration;

use tidegate_api::config::{ConfigDef, ConfigValue, Importance, Password, Width, invalid};
use tidegate_api::{ConfigKey, ConnectError, Props};
use tidegate_cdc::filters::{Filters, IncludeExclude, Patterns};
use tidegate_cdc::history::RecoveryLimits;
use tidegate_cdc::naming::{NameAdjustment, Naming};
use tidegate_log::ClientConfig;
use tracing::warn;

use crate::flavor::Flavor;
use crate::tls::{self, SslMode, SslSettings, Store};
use crate::values::{
    BigIntUnsigned, BinaryHandling, DecimalHandling, FailureHandling, TimePrecision, ValueConfig,
};

const CONNECTION: &str = "Connection";
const CONNECTOR: &str = "Connector";
const SNAPSHOT: &str = "Connector Snapshot";

static HOSTNAME: ConfigKey<String> = ConfigKey::required("database.hostname")
    .group(CONNECTION)
    .importance(Importance::High)
    .width(Width::Medium)
    .validator(legal_name)
    .display_name("Hostname")
    .doc("Resolvable hostname or IP address of the database server.");
static PORT: ConfigKey<i32> = ConfigKey::new("database.port", "3306")
    .group(CONNECTION)
    .importance(Importance::High)
    .width(Width::Short)
    .validator(port)
    .display_name("Port")
    .doc("Port of the database server.");
static USER: ConfigKey<String> = ConfigKey::required("database.user")
    .group(CONNECTION)
    .importance(Importance::High)
    .width(Width::Short)
    .display_name("User")
    .doc("Name of the database user to be used when connecting to the database.");
static PASSWORD: ConfigKey<Option<Password>> = ConfigKey::nullable("database.password")
    .group(CONNECTION)
    .importance(Importance::High)
    .width(Width::Short)
    .display_name("Password")
    .doc("Password of the database user to be used when connecting to the database.");
static SERVER_ID: ConfigKey<i64> = ConfigKey::required("database.server.id").group(CONNECTION).importance(Importance::High).validator(positive).display_name("Cluster ID").doc("A numeric ID of this database client, which must be unique across all currently-running database processes in the cluster. This connector joins the database cluster as another server (with this unique ID) so it can read the binlog.");
static TOPIC_PREFIX: ConfigKey<String> = ConfigKey::required("topic.prefix").group(CONNECTION).importance(Importance::High).width(Width::Medium).validator(legal_name).display_name("Topic prefix").doc("Topic prefix that identifies and provides a namespace for the particular database server/cluster is capturing changes. The topic prefix should be unique across all other connectors, since it is used as a prefix for all Kafka topic names that receive events emitted by this connector. Only alphanumeric characters, hyphens, dots and underscores must be accepted.");
static TOPIC_DELIMITER: ConfigKey<String> = ConfigKey::new("topic.delimiter", ".")
    .group(CONNECTOR)
    .doc("Specify the delimiter for topic name.");
static SSL_MODE_MYSQL: ConfigKey<String> = ConfigKey::new("database.ssl.mode", "preferred")
    .group(CONNECTION)
    .validator(|name, value| {
        one_of(
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
static SSL_MODE_MARIADB: ConfigKey<String> = ConfigKey::new("database.ssl.mode", "disable")
    .group(CONNECTION)
    .validator(|name, value| {
        one_of(
            name,
            value,
            &["disable", "trust", "verify-ca", "verify-full"],
        )
    })
    .doc("Whether to use an encrypted connection to the database.");
static SSL_TRUSTSTORE: ConfigKey<Option<String>> = ConfigKey::nullable(tls::TRUSTSTORE)
    .group(CONNECTION)
    .doc("The location of the trust store file with the certificates that sign the server's: PEM, PKCS12 or JKS.");
static SSL_TRUSTSTORE_PASSWORD: ConfigKey<Option<Password>> =
    ConfigKey::nullable("database.ssl.truststore.password")
        .group(CONNECTION)
        .doc("The password of the trust store file.");
static SSL_KEYSTORE: ConfigKey<Option<String>> =
    ConfigKey::nullable(tls::KEYSTORE).group(CONNECTION).doc(
        "The location of the key store file with this client's key and certificate: PEM or PKCS12.",
    );
static SSL_KEYSTORE_PASSWORD: ConfigKey<Option<Password>> =
    ConfigKey::nullable("database.ssl.keystore.password")
        .group(CONNECTION)
        .doc("The password of the key store file.");
static CONNECT_TIMEOUT_MS: ConfigKey<i32> = ConfigKey::new("connect.timeout.ms", "30000").group(CONNECTION).doc("Maximum time to wait after trying to connect to the database before timing out, given in milliseconds.");
static KEEP_ALIVE: ConfigKey<bool> = ConfigKey::new("connect.keep.alive", "true").group(CONNECTION).doc("Whether the connection to the server is watched and re-established when it is silent for too long.");
static KEEP_ALIVE_INTERVAL_MS: ConfigKey<i64> =
    ConfigKey::new("connect.keep.alive.interval.ms", "60000")
        .group(CONNECTION)
        .doc("Interval for connection checking if keep alive is used, given in milliseconds.");
static DATABASE_INCLUDE: ConfigKey<String> = ConfigKey::new("database.include.list", "")
    .group(CONNECTOR)
    .importance(Importance::High)
    .validator(patterns)
    .doc("The databases for which changes are to be captured");
static DATABASE_EXCLUDE: ConfigKey<String> = ConfigKey::new("database.exclude.list", "").group(CONNECTOR).validator(patterns).doc("A comma-separated list of regular expressions that match database names to be excluded from monitoring");
static TABLE_INCLUDE: ConfigKey<String> = ConfigKey::new("table.include.list", "")
    .group(CONNECTOR)
    .importance(Importance::High)
    .validator(patterns)
    .doc("The tables for which changes are to be captured");
static TABLE_EXCLUDE: ConfigKey<String> = ConfigKey::new("table.exclude.list", "").group(CONNECTOR).validator(patterns).doc("A comma-separated list of regular expressions that match the fully-qualified names of tables to be excluded from monitoring");
static COLUMN_INCLUDE: ConfigKey<String> = ConfigKey::new("column.include.list", "")
    .group(CONNECTOR)
    .validator(patterns)
    .doc("Regular expressions matching columns to include in change events");
static COLUMN_EXCLUDE: ConfigKey<String> = ConfigKey::new("column.exclude.list", "")
    .group(CONNECTOR)
    .validator(patterns)
    .doc("Regular expressions matching columns to exclude from change events");
static MESSAGE_KEY_COLUMNS: ConfigKey<String> = ConfigKey::new("message.key.columns", "").group(CONNECTOR).validator(key_columns).doc("A semicolon-separated list of expressions that match fully-qualified tables and column(s) to be used as message key. Each expression must match the pattern '<fully-qualified table name>:<key columns>', where the table names could be defined as (DB_NAME.TABLE_NAME) and key columns are separated by commas.");
static TOMBSTONES: ConfigKey<bool> = ConfigKey::new("tombstones.on.delete", "true").group(CONNECTOR).doc("Whether delete operations should be represented by a delete event and a subsequent tombstone event (true) or only by a delete event (false). Emitting the tombstone event (the default behavior) allows Kafka to completely delete all events pertaining to the given key once the source record got deleted.");
static DECIMAL_MODE: ConfigKey<String> = ConfigKey::new("decimal.handling.mode", "precise")
    .group(CONNECTOR)
    .validator(|name, value| one_of(name, value, &["precise", "double", "string"]))
    .doc("Specify how DECIMAL and NUMERIC columns should be represented in change events.");
static TIME_MODE: ConfigKey<String> =
    ConfigKey::new("time.precision.mode", "adaptive_time_microseconds")
        .group(CONNECTOR)
        .validator(time_precision)
        .doc("Time, date and timestamps can be represented with different kinds of precisions.");
static BIGINT_MODE: ConfigKey<String> = ConfigKey::new("bigint.unsigned.handling.mode", "long")
    .group(CONNECTOR)
    .validator(|name, value| one_of(name, value, &["precise", "long"]))
    .doc("Specify how BIGINT UNSIGNED columns should be represented in change events.");
static BINARY_MODE: ConfigKey<String> = ConfigKey::new("binary.handling.mode", "bytes")
    .group(CONNECTOR)
    .validator(|name, value| one_of(name, value, &["bytes", "base64", "base64-url-safe", "hex"]))
    .doc("Specify how binary (blob, binary, etc.) columns should be represented in change events.");
static TIME_ADJUSTER: ConfigKey<bool> = ConfigKey::new("enable.time.adjuster", "true").group(CONNECTOR).doc("MySQL allows user to insert year value as either 2-digit or 4-digit. In case of two digit the value is automatically mapped into 1970 - 2069.");
static CONVERSION_FAILURE: ConfigKey<String> =
    ConfigKey::new("event.converting.failure.handling.mode", "warn")
        .group(CONNECTOR)
        .validator(|name, value| one_of(name, value, &["warn", "fail", "skip"]))
        .doc("Specify how failures during converting of event should be handled.");
static PROCESSING_FAILURE: ConfigKey<String> = ConfigKey::new("event.processing.failure.handling.mode", "fail").group(CONNECTOR).validator(|name, value| one_of(name, value, &["fail", "warn", "skip", "ignore"])).doc("Specify how failures during processing of events (i.e. when encountering a corrupted event) should be handled.");
static INCONSISTENT_SCHEMA: ConfigKey<String> = ConfigKey::new("inconsistent.schema.handling.mode", "fail").group(CONNECTOR).validator(|name, value| one_of(name, value, &["fail", "warn", "skip", "ignore"])).doc("Specify how binlog events that belong to a table missing from internal schema representation (i.e. internal representation is not consistent with database) should be handled.");
static NAME_ADJUSTMENT: ConfigKey<String> = ConfigKey::new("schema.name.adjustment.mode", "none").group(CONNECTOR).validator(|name, value| one_of(name, value, &["none", "avro", "avro_unicode"])).doc("Specify how schema names should be adjusted for compatibility with the message converter used by the connector.");
static FIELD_ADJUSTMENT: ConfigKey<String> = ConfigKey::new("field.name.adjustment.mode", "none").group(CONNECTOR).validator(only_none).doc("Specify how field names should be adjusted for compatibility with the message converter used by the connector.");
static INCLUDE_SCHEMA_CHANGES: ConfigKey<bool> = ConfigKey::new("include.schema.changes", "true").group(CONNECTOR).doc("Whether the connector should publish changes in the database schema to a Kafka topic with the same name as the database server ID. Each schema change will be recorded using a key that contains the database name and whose value includes logical description of the new schema and optionally the DDL statement(s). The default is 'true'.");
static INCLUDE_SCHEMA_COMMENTS: ConfigKey<bool> = ConfigKey::new("include.schema.comments", "false").group(CONNECTOR).doc("Whether the connector parse table and column's comment to metadata object. Note: Enable this option will bring the implications on memory usage.");
static EXTENDED_HEADERS: ConfigKey<bool> = ConfigKey::new("extended.headers.enabled", "true").group(CONNECTOR).doc("Enable/Disable Debezium context headers that provides essential metadata for tracking and identifying the source of CDC events in downstream processing systems.");
static SKIPPED_OPERATIONS: ConfigKey<Vec<String>> = ConfigKey::new("skipped.operations", "t").group(CONNECTOR).validator(operations).doc("The comma-separated list of operations to skip during streaming, defined as: 'c' for inserts/create; 'u' for updates; 'd' for deletes, 't' for truncates, and 'none' to indicate nothing skipped.");
static MAX_BATCH_SIZE: ConfigKey<i32> = ConfigKey::new("max.batch.size", "2048")
    .group(CONNECTOR)
    .doc("Maximum size of each batch of source records.");
static MAX_QUEUE_SIZE: ConfigKey<i32> = ConfigKey::new("max.queue.size", "8192").group(CONNECTOR).doc("Maximum size of the queue for change events read from the database log but not yet recorded or forwarded.");
static POLL_INTERVAL_MS: ConfigKey<i64> = ConfigKey::new("poll.interval.ms", "500").group(CONNECTOR).doc("Time to wait for new change events to appear after receiving no events, given in milliseconds. Here new events are handed over at once.");
static HEARTBEAT_INTERVAL_MS: ConfigKey<i32> = ConfigKey::new("heartbeat.interval.ms", "0").group(CONNECTOR).doc("Length of an interval in milli-seconds in in which the connector periodically sends heartbeat messages to a heartbeat topic. Use 0 to disable heartbeat messages. Disabled by default.");
static HEARTBEAT_PREFIX: ConfigKey<String> =
    ConfigKey::new("topic.heartbeat.prefix", "__debezium-heartbeat")
        .group(CONNECTOR)
        .doc("Specify the heartbeat topic name.");
static HEARTBEAT_QUERY: ConfigKey<Option<String>> = ConfigKey::nullable("heartbeat.action.query")
    .group(CONNECTOR)
    .doc("The query executed with every heartbeat.");
static RETRY_WAIT_MS: ConfigKey<i64> = ConfigKey::new("retriable.restart.connector.wait.ms", "10000").group(CONNECTOR).doc("Time to wait before restarting connector after retriable exception occurs. Defaults to 10000ms.");
static SNAPSHOT_MODE: ConfigKey<String> = ConfigKey::new("snapshot.mode", "initial")
    .group(SNAPSHOT)
    .validator(snapshot_mode)
    .doc("The criteria for running a snapshot upon startup of the connector.");
static LOCKING_MODE: ConfigKey<String> = ConfigKey::new("snapshot.locking.mode", "minimal").group(SNAPSHOT).validator(|name, value| one_of(name, value, &["minimal", "extended", "none"])).doc("Controls how long the connector holds onto the global read lock while it is performing a snapshot.");
static LOCK_TIMEOUT_MS: ConfigKey<i64> = ConfigKey::new("snapshot.lock.timeout.ms", "10000").group(SNAPSHOT).doc("The maximum number of millis to wait for table locks at the beginning of a snapshot. If locks cannot be acquired in this time frame, the snapshot will be aborted. Defaults to 10 seconds");
static SNAPSHOT_INCLUDE: ConfigKey<String> = ConfigKey::new("snapshot.include.collection.list", "").group(SNAPSHOT).validator(patterns).doc("This setting must be set to specify a list of tables/collections whose snapshot must be taken on creating or restarting the connector.");
static SNAPSHOT_OVERRIDES: ConfigKey<String> = ConfigKey::new("snapshot.select.statement.overrides", "").group(SNAPSHOT).doc("This property contains a comma-separated list of fully-qualified tables (DB_NAME.TABLE_NAME). Select statements for the individual tables are specified in further configuration properties, one for each table, identified by the id 'snapshot.select.statement.overrides.[DB_NAME].[TABLE_NAME]'.");
static SNAPSHOT_DELAY_MS: ConfigKey<i64> = ConfigKey::new("snapshot.delay.ms", "0")
    .group(SNAPSHOT)
    .doc("A delay period before a snapshot will begin, given in milliseconds. Defaults to 0 ms.");
static HISTORY_CLASS: ConfigKey<String> = ConfigKey::new("schema.history.internal", KAFKA_HISTORY).group(CONNECTOR).validator(history_class).doc("The name of the SchemaHistory class that should be used to store and recover database schema changes.");
static HISTORY_TOPIC: ConfigKey<String> =
    ConfigKey::required("schema.history.internal.kafka.topic")
        .group(CONNECTOR)
        .importance(Importance::High)
        .doc("The name of the topic for the database schema history");
static HISTORY_SERVERS: ConfigKey<Option<String>> = ConfigKey::nullable("schema.history.internal.kafka.bootstrap.servers").group(CONNECTOR).importance(Importance::High).doc("A list of host/port pairs that the connector will use for establishing the initial connection to the Kafka cluster for retrieving database schema history previously stored by the connector.");
static HISTORY_ATTEMPTS: ConfigKey<i32> = ConfigKey::new("schema.history.internal.kafka.recovery.attempts", "100").group(CONNECTOR).validator(not_negative).doc("The number of attempts in a row that no data are returned from Kafka before recover completes with an error.");
static HISTORY_POLL_INTERVAL_MS: ConfigKey<i32> = ConfigKey::new(
    "schema.history.internal.kafka.recovery.poll.interval.ms",
    "100",
)
.group(CONNECTOR)
.validator(not_negative)
.doc("The number of milliseconds to wait while polling for persisted data during recovery.");
static HISTORY_SKIP_UNPARSEABLE: ConfigKey<bool> = ConfigKey::new("schema.history.internal.skip.unparseable.ddl", "false").group(CONNECTOR).doc("Controls the action Debezium will take when it meets a DDL statement in binlog, that it cannot parse.By default the connector will stop operating but by changing the setting it can ignore the statements which it cannot parse.");
static HISTORY_ONLY_CAPTURED: ConfigKey<bool> = ConfigKey::new("schema.history.internal.store.only.captured.tables.ddl", "false").group(CONNECTOR).doc("Controls what DDL will Debezium store in database schema history. By default (false) Debezium will store all incoming DDL statements. If set to true, then only DDL that manipulates a captured table will be stored.");
static HISTORY_ONLY_CAPTURED_DATABASES: ConfigKey<bool> = ConfigKey::new("schema.history.internal.store.only.captured.databases.ddl", "false").group(CONNECTOR).doc("Controls what DDL will Debezium store in database schema history. If set to true, then only DDL of captured databases will be stored.");

const KAFKA_HISTORY: &str = "io.debezium.storage.kafka.history.KafkaSchemaHistory";

/// Features of the original that this version does not have: setting one of these is refused by name.
const REFUSED: [&str; 25] = [
    "signal.data.collection",
    "signal.kafka.topic",
    "signal.file",
    "notification.enabled.channels",
    "notification.sink.topic.name",
    "converters",
    "post.processors",
    "topic.regex",
    "topic.replacement",
    "gtid.source.includes",
    "gtid.source.excludes",
    "gtid.ignore.on.recovery",
    "column.propagate.source.type",
    "datatype.propagate.source.type",
    "database.initial.statements",
    "schema.history.internal.file.filename",
    "snapshot.mode.custom.name",
    "snapshot.query.mode.custom.name",
    "snapshot.locking.mode.custom.name",
    "queue.provider.type",
    "openlineage.integration.config.file.path",
    "transaction.metadata.factory",
    "sourceinfo.struct.maker",
    "read.only",
    "heartbeat.action.query",
];
/// The same for settings whose default is the only value here.
const ONLY_VALUE: [(&str, &str); 8] = [
    ("provide.transaction.metadata", "false"),
    ("include.query", "false"),
    ("binlog.buffer.size", "0"),
    ("skip.messages.without.change", "false"),
    ("snapshot.query.mode", "select_all"),
    ("snapshot.tables.order.by.row.count", "disabled"),
    ("openlineage.integration.enabled", "false"),
    ("schema.history.internal.prefer.ddl", "false"),
];
const REFUSED_PREFIXES: [&str; 3] = [
    "column.mask.",
    "column.truncate.",
    "incremental.snapshot.allow",
];

/// Names of earlier releases and today's.
const OLD_NAMES: [(&str, &str); 9] = [
    ("database.server.name", "topic.prefix"),
    ("database.whitelist", "database.include.list"),
    ("database.blacklist", "database.exclude.list"),
    ("table.whitelist", "table.include.list"),
    ("table.blacklist", "table.exclude.list"),
    ("column.whitelist", "column.include.list"),
    ("column.blacklist", "column.exclude.list"),
    (
        "database.history.kafka.topic",
        "schema.history.internal.kafka.topic",
    ),
    (
        "database.history.kafka.bootstrap.servers",
        "schema.history.internal.kafka.bootstrap.servers",
    ),
];

fn text_of(value: &ConfigValue) -> Option<&str> {
    match value {
        ConfigValue::String(text) => Some(text),
        _ => None,
    }
}

fn one_of(name: &str, value: &ConfigValue, allowed: &[&str]) -> Result<(), String> {
    match text_of(value) {
        Some(text)
            if !allowed
                .iter()
                .any(|known| known.eq_ignore_ascii_case(text.trim())) =>
        {
            Err(invalid(
                name,
                text,
                &format!("Value must be one of {}", allowed.join(", ")),
            ))
        }
        _ => Ok(()),
    }
}

fn only_none(name: &str, value: &ConfigValue) -> Result<(), String> {
    match text_of(value) {
        Some(text) if text != "none" => {
            Err(invalid(name, text, "this version supports 'none' only"))
        }
        _ => Ok(()),
    }
}

fn history_class(name: &str, value: &ConfigValue) -> Result<(), String> {
    match text_of(value) {
        Some(class)
            if !class.ends_with("KafkaSchemaHistory")
                && !class.ends_with("KafkaDatabaseHistory") =>
        {
            Err(invalid(
                name,
                class,
                &format!("this version supports {KAFKA_HISTORY} only"),
            ))
        }
        _ => Ok(()),
    }
}

fn time_precision(name: &str, value: &ConfigValue) -> Result<(), String> {
    if text_of(value).is_some_and(|text| text.eq_ignore_ascii_case("adaptive")) {
        return Err(invalid(
            name,
            "adaptive",
            "The 'adaptive' time.precision.mode is no longer supported",
        ));
    }
    one_of(
        name,
        value,
        &[
            "adaptive_time_microseconds",
            "connect",
            "microseconds",
            "nanoseconds",
            "isostring",
        ],
    )
}

fn snapshot_mode(name: &str, value: &ConfigValue) -> Result<(), String> {
    let known = [
        "initial",
        "initial_only",
        "no_data",
        "schema_only",
        "never",
        "when_needed",
        "recovery",
        "schema_only_recovery",
        "always",
    ];
    one_of(name, value, &known)
}

fn legal_name(name: &str, value: &ConfigValue) -> Result<(), String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match text_of(value) {
        Some(text) if text.is_empty() || !text.chars().all(legal) => Err(format!(
            "Invalid value {text} for configuration {name}: {text} has invalid format (only the underscore, hyphen, dot and alphanumeric characters are allowed)"
        )),
        _ => Ok(()),
    }
}

fn positive(name: &str, value: &ConfigValue) -> Result<(), String> {
    match value {
        ConfigValue::Long(number) if !(1..=i64::from(u32::MAX)).contains(number) => {
            Err(invalid(name, number, "A positive long value is required"))
        }
        _ => Ok(()),
    }
}

fn not_negative(name: &str, value: &ConfigValue) -> Result<(), String> {
    match value {
        ConfigValue::Int(number) if *number < 0 => Err(invalid(
            name,
            number,
            "A positive or zero integer value is required",
        )),
        _ => Ok(()),
    }
}

fn port(name: &str, value: &ConfigValue) -> Result<(), String> {
    match value {
        ConfigValue::Int(number) if u16::try_from(*number).is_err() => Err(invalid(
            name,
            number,
            "the port is not a number from 0 to 65535",
        )),
        _ => Ok(()),
    }
}

fn patterns(name: &str, value: &ConfigValue) -> Result<(), String> {
    text_of(value).map_or(Ok(()), |text| {
        Patterns::new(name, text)
            .map(drop)
            .map_err(|error| error.text().to_owned())
    })
}

fn key_columns(name: &str, value: &ConfigValue) -> Result<(), String> {
    text_of(value).map_or(Ok(()), |text| {
        KeyColumns::new(name, text)
            .map(drop)
            .map_err(|error| error.text().to_owned())
    })
}

fn operations(name: &str, value: &ConfigValue) -> Result<(), String> {
    let ConfigValue::List(operations) = value else {
        return Ok(());
    };
    let text = operations.join(",");
    if operations
        .iter()
        .any(|operation| !["c", "u", "d", "t", "none"].contains(&operation.as_str()))
    {
        return Err(invalid(name, text, "Invalid operation"));
    }
    if operations.len() > 1 && operations.iter().any(|operation| operation == "none") {
        return Err(invalid(
            name,
            text,
            "'none' cannot be specified with other skipped operation types",
        ));
    }
    Ok(())
}

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

/// The properties with names of earlier releases replaced by today's.
pub(crate) fn with_todays_names(props: &Props) -> Props {
    let mut renamed = props.clone();
    for (old, new) in OLD_NAMES {
        if let (Some(value), false) = (props.raw(old), props.contains(new)) {
            warn!("Property '{old}' is the name of earlier releases; use '{new}'");
            renamed.set(new, value);
        }
    }
    renamed
}

/// Errors of settings that this version refuses: name and text.
pub(crate) fn refused(props: &Props) -> Vec<(String, String)> {
    let mut errors = Vec::new();
    let mut refuse = |name: &str, value: &str, reason: &str| {
        errors.push((name.to_owned(), invalid(name, value, reason)));
    };
    for (name, value) in props.iter().filter(|(_, value)| !value.is_empty()) {
        if REFUSED.contains(&name)
            || REFUSED_PREFIXES
                .iter()
                .any(|prefix| name.starts_with(prefix))
        {
            refuse(name, value, "this version does not support it; remove it");
        }
        if let Some((_, only)) = ONLY_VALUE
            .iter()
            .find(|(known, only)| *known == name && *only != value)
        {
            refuse(name, value, &format!("this version supports '{only}' only"));
        }
        if name == "topic.naming.strategy"
            && !value.ends_with("DefaultTopicNamingStrategy")
            && !value.ends_with("SchemaTopicNamingStrategy")
        {
            refuse(
                name,
                value,
                "this version supports io.debezium.schema.DefaultTopicNamingStrategy only",
            );
        }
    }
    errors
}

/// `message.key.columns`: for tables that match, columns that match.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeyColumns(Vec<Patterns>);

impl KeyColumns {
    fn new(name: &str, text: &str) -> Result<Self, ConnectError> {
        let mut columns = Vec::new();
        for entry in text
            .split(';')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
        {
            let (table, names) = entry.split_once(':').filter(|(table, names)| !table.trim().is_empty() && !names.trim().is_empty()).ok_or_else(|| {
                ConnectError::config(invalid(name, text, &format!("{entry} has an invalid format (expecting '^\\s*([^:]+):([^:,]+(,[^:,]+)*)\\s*$')")))
            })?;
            for column in names.split(',') {
                columns.push(Patterns::new(
                    name,
                    &format!("{}\\.{}", table.trim(), column.trim()),
                )?);
            }
        }
        Ok(Self(columns))
    }

    /// Columns in the order of the list; `None` if the table has none.
    pub(crate) fn of(&self, table: &tidegate_relational::Table) -> Option<Vec<Arc<str>>> {
        let matching = self.0.iter().flat_map(|pattern| {
            table
                .columns
                .iter()
                .filter(|column| pattern.matches(&format!("{}.{}", table.id, column.name)))
                .map(|column| Arc::clone(&column.name))
        });
        let columns: Vec<_> = matching.collect();
        (!columns.is_empty()).then_some(columns)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SnapshotMode {
    Always,
    Initial,
    InitialOnly,
    NoData,
    Never,
    WhenNeeded,
    Recovery,
}

impl SnapshotMode {
    pub(crate) fn has_data(self) -> bool {
        matches!(
            self,
            Self::Always | Self::Initial | Self::InitialOnly | Self::WhenNeeded
        )
    }
    pub(crate) fn streams(self) -> bool {
        self != Self::InitialOnly
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LockingMode {
    Minimal,
    Extended,
    None,
}

/// What to do with an event that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventFailure {
    Fail,
    Warn,
    Skip,
}

/// Databases of the servers themselves.
pub(crate) const BUILTIN: [&str; 4] = ["mysql", "performance_schema", "sys", "information_schema"];

/// The settings, parsed once.
#[derive(Debug, Clone)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a setting of its own"
)]
pub(crate) struct Settings {
    pub(crate) hostname: String,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) password: Password,
    pub(crate) server_id: u32,
    pub(crate) ssl: SslSettings,
    pub(crate) connect_timeout: Duration,
    pub(crate) keep_alive: Duration,
    pub(crate) naming: Naming,
    pub(crate) filters: Filters,
    pub(crate) key_columns: KeyColumns,
    pub(crate) values: ValueConfig,
    pub(crate) tombstones: bool,
    pub(crate) include_schema_changes: bool,
    pub(crate) include_comments: bool,
    pub(crate) extended_headers: bool,
    pub(crate) skipped: Vec<String>,
    pub(crate) max_batch_size: usize,
    pub(crate) heartbeat: Option<Duration>,
    pub(crate) heartbeat_topic: Arc<str>,
    pub(crate) processing_failure: EventFailure,
    pub(crate) inconsistent_schema: EventFailure,
    pub(crate) retry_wait: Duration,
    pub(crate) snapshot_mode: SnapshotMode,
    pub(crate) locking_mode: LockingMode,
    pub(crate) lock_timeout: Duration,
    pub(crate) snapshot_tables: Patterns,
    pub(crate) snapshot_delay: Duration,
    /// SELECT statements by `db.table`.
    pub(crate) overrides: Vec<(String, String)>,
    pub(crate) history: HistorySettings,
}

#[derive(Debug, Clone)]
pub(crate) struct HistorySettings {
    pub(crate) topic: String,
    pub(crate) client: ClientConfig,
    pub(crate) producer: ClientConfig,
    pub(crate) limits: RecoveryLimits,
    pub(crate) skip_unparseable: bool,
    pub(crate) only_captured_tables: bool,
    pub(crate) only_captured_databases: bool,
}

impl Settings {
    /// # Errors
    /// `Config` for anything wrong, missing or refused.
    pub(crate) fn new(flavor: Flavor, props: &Props) -> Result<Self, ConnectError> {
        let props = &with_todays_names(props);
        definition(flavor).check(props)?;
        if let Some((_, error)) = refused(props).into_iter().next() {
            return Err(ConnectError::config(error));
        }
        let lower = |key: &ConfigKey<String>| {
            Ok::<_, ConnectError>(props.get(key)?.trim().to_ascii_lowercase())
        };
        let millis = |millis: i64| Duration::from_millis(u64::try_from(millis).unwrap_or(0));
        let list = |key: &ConfigKey<String>| Patterns::new(key.name(), &props.get(key)?);
        let prefix: Arc<str> = Arc::from(props.get(&TOPIC_PREFIX)?);
        let delimiter = props.get(&TOPIC_DELIMITER)?;
        let heartbeat_topic = format!("{}{delimiter}{prefix}", props.get(&HEARTBEAT_PREFIX)?);
        let heartbeat = props.get(&HEARTBEAT_INTERVAL_MS)?;
        let history_client = |role: &str| {
            let mut client: ClientConfig = props
                .with_prefix(&format!("schema.history.internal.{role}."))
                .iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            if let Ok(Some(servers)) = props.get(&HISTORY_SERVERS) {
                client.set("bootstrap.servers", servers);
            }
            client
        };
        Ok(Self {
            hostname: props.get(&HOSTNAME)?,
            port: u16::try_from(props.get(&PORT)?).unwrap_or(3306),
            user: props.get(&USER)?,
            password: props.get(&PASSWORD)?.unwrap_or_else(|| Password::new("")),
            server_id: u32::try_from(props.get(&SERVER_ID)?).unwrap_or(1),
            ssl: ssl_settings(flavor, props)?,
            connect_timeout: millis(props.get(&CONNECT_TIMEOUT_MS)?.into()),
            keep_alive: millis(props.get(&KEEP_ALIVE_INTERVAL_MS)?),
            naming: Naming {
                prefix,
                delimiter,
                adjustment: match lower(&NAME_ADJUSTMENT)?.as_str() {
                    "avro" => NameAdjustment::Avro,
                    "avro_unicode" => NameAdjustment::AvroUnicode,
                    _ => NameAdjustment::None,
                },
            },
            filters: Filters {
                databases: IncludeExclude {
                    include: list(&DATABASE_INCLUDE)?,
                    exclude: list(&DATABASE_EXCLUDE)?,
                },
                tables: IncludeExclude {
                    include: list(&TABLE_INCLUDE)?,
                    exclude: list(&TABLE_EXCLUDE)?,
                },
                columns: IncludeExclude {
                    include: list(&COLUMN_INCLUDE)?,
                    exclude: list(&COLUMN_EXCLUDE)?,
                },
                builtin: &BUILTIN,
            },
            key_columns: KeyColumns::new(
                MESSAGE_KEY_COLUMNS.name(),
                &props.get(&MESSAGE_KEY_COLUMNS)?,
            )?,
            values: ValueConfig {
                decimal: match lower(&DECIMAL_MODE)?.as_str() {
                    "double" => DecimalHandling::Double,
                    "string" => DecimalHandling::String,
                    _ => DecimalHandling::Precise,
                },
                time_precision: match lower(&TIME_MODE)?.as_str() {
                    "connect" => TimePrecision::Connect,
                    "microseconds" => TimePrecision::Microseconds,
                    "nanoseconds" => TimePrecision::Nanoseconds,
                    "isostring" => TimePrecision::IsoString,
                    _ => TimePrecision::AdaptiveTimeMicroseconds,
                },
                bigint_unsigned: match lower(&BIGINT_MODE)?.as_str() {
                    "precise" => BigIntUnsigned::Precise,
                    _ => BigIntUnsigned::Long,
                },
                binary: match lower(&BINARY_MODE)?.as_str() {
                    "base64" => BinaryHandling::Base64,
                    "base64-url-safe" => BinaryHandling::Base64UrlSafe,
                    "hex" => BinaryHandling::Hex,
                    _ => BinaryHandling::Bytes,
                },
                enable_time_adjuster: props.get(&TIME_ADJUSTER)?,
                zero_timestamp_is_epoch: flavor == Flavor::MariaDb,
                conversion_failure: match lower(&CONVERSION_FAILURE)?.as_str() {
                    "fail" => FailureHandling::Fail,
                    "skip" => FailureHandling::Skip,
                    _ => FailureHandling::Warn,
                },
            },
            tombstones: props.get(&TOMBSTONES)?,
            include_schema_changes: props.get(&INCLUDE_SCHEMA_CHANGES)?,
            // The original's MariaDB parser takes the one for the other.
            include_comments: props.get(match flavor {
                Flavor::MySql => &INCLUDE_SCHEMA_COMMENTS,
                Flavor::MariaDb => &INCLUDE_SCHEMA_CHANGES,
            })?,
            extended_headers: props.get(&EXTENDED_HEADERS)?,
            skipped: props.get(&SKIPPED_OPERATIONS)?,
            max_batch_size: usize::try_from(props.get(&MAX_BATCH_SIZE)?)
                .unwrap_or(2048)
                .max(1),
            heartbeat: u64::try_from(heartbeat)
                .ok()
                .filter(|millis| *millis > 0)
                .map(Duration::from_millis),
            heartbeat_topic: Arc::from(heartbeat_topic),
            processing_failure: event_failure(&lower(&PROCESSING_FAILURE)?),
            inconsistent_schema: event_failure(&lower(&INCONSISTENT_SCHEMA)?),
            retry_wait: millis(props.get(&RETRY_WAIT_MS)?),
            snapshot_mode: snapshot_mode_of(&lower(&SNAPSHOT_MODE)?),
            locking_mode: match lower(&LOCKING_MODE)?.as_str() {
                "extended" => LockingMode::Extended,
                "none" => LockingMode::None,
                _ => LockingMode::Minimal,
            },
            lock_timeout: millis(props.get(&LOCK_TIMEOUT_MS)?),
            snapshot_tables: list(&SNAPSHOT_INCLUDE)?,
            snapshot_delay: millis(props.get(&SNAPSHOT_DELAY_MS)?),
            overrides: props
                .get(&SNAPSHOT_OVERRIDES)?
                .split(',')
                .map(str::trim)
                .filter(|table| !table.is_empty())
                .filter_map(|table| {
                    Some((
                        table.to_owned(),
                        props
                            .raw(&format!("{}.{table}", SNAPSHOT_OVERRIDES.name()))?
                            .to_owned(),
                    ))
                })
                .collect(),
            history: HistorySettings {
                topic: props.get(&HISTORY_TOPIC)?,
                client: history_client("consumer"),
                producer: history_client("producer"),
                limits: RecoveryLimits {
                    attempts: u32::try_from(props.get(&HISTORY_ATTEMPTS)?).unwrap_or(0),
                    poll_interval: millis(props.get(&HISTORY_POLL_INTERVAL_MS)?.into()),
                },
                skip_unparseable: props.get(&HISTORY_SKIP_UNPARSEABLE)?,
                only_captured_tables: props.get(&HISTORY_ONLY_CAPTURED)?,
                only_captured_databases: props.get(&HISTORY_ONLY_CAPTURED_DATABASES)?,
            },
        })
    }
}

fn ssl_settings(flavor: Flavor, props: &Props) -> Result<SslSettings, ConnectError> {
    let mode_name = props.get(match flavor {
        Flavor::MySql => &SSL_MODE_MYSQL,
        Flavor::MariaDb => &SSL_MODE_MARIADB,
    })?;
    let store = |path: &ConfigKey<Option<String>>, password: &ConfigKey<Option<Password>>| {
        Ok::<_, ConnectError>(match props.get(path)?.filter(|path| !path.is_empty()) {
            Some(path) => Some(Store {
                path,
                password: props.get(password)?,
            }),
            None => None,
        })
    };
    Ok(SslSettings {
        mode: match mode_name.trim().to_ascii_lowercase().as_str() {
            "preferred" => SslMode::Preferred,
            "required" | "trust" => SslMode::Required,
            "verify_ca" | "verify-ca" => SslMode::VerifyCa,
            "verify_identity" | "verify-full" => SslMode::VerifyIdentity,
            _ => SslMode::Disabled,
        },
        mode_name,
        truststore: store(&SSL_TRUSTSTORE, &SSL_TRUSTSTORE_PASSWORD)?,
        keystore: store(&SSL_KEYSTORE, &SSL_KEYSTORE_PASSWORD)?,
    })
}

fn event_failure(text: &str) -> EventFailure {
    match text {
        "warn" => EventFailure::Warn,
        "skip" | "ignore" => EventFailure::Skip,
        _ => EventFailure::Fail,
    }
}

/// Names of earlier releases are understood, with a hint.
fn snapshot_mode_of(text: &str) -> SnapshotMode {
    let todays = match text {
        "schema_only" => "no_data",
        "schema_only_recovery" => "recovery",
        other => other,
    };
    if todays != text {
        warn!("snapshot.mode={text} is the name of earlier releases; today it is '{todays}'");
    }
    match todays {
        "always" => SnapshotMode::Always,
        "initial_only" => SnapshotMode::InitialOnly,
        "no_data" => SnapshotMode::NoData,
        "never" => SnapshotMode::Never,
        "when_needed" => SnapshotMode::WhenNeeded,
        "recovery" => SnapshotMode::Recovery,
        _ => SnapshotMode::Initial,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn props(more: &[(&str, &str)]) -> Props {
        let mut props = Props::from([
            ("database.hostname", "db"),
            ("database.user", "u"),
            ("database.password", "s3cret"),
            ("database.server.id", "5"),
            ("topic.prefix", "srv"),
            ("schema.history.internal.kafka.topic", "h"),
        ]);
        for (name, value) in more {
            props.set(*name, *value);
        }
        props
    }

    #[test]
    fn names_of_earlier_releases_are_understood() {
        let settings = Settings::new(
            Flavor::MariaDb,
            &props(&[("snapshot.mode", "schema_only"), ("table.whitelist", "a.b")]),
        )
        .expect("valid");
        assert_eq!(settings.snapshot_mode, SnapshotMode::NoData);
        assert!(
            !settings
                .filters
                .table(&tidegate_relational::TableId::in_database("a", "c"))
        );
    }

    #[test]
    fn wrong_and_refused_settings_are_named() {
        fn check(name: &str, value: &str, text: &str) {
            let error = Settings::new(Flavor::MariaDb, &props(&[(name, value)])).expect_err(name);
            assert!(error.text().contains(text), "{}", error.text());
        }
        check(
            "snapshot.mode",
            "x",
            "Invalid value x for configuration snapshot.mode: Value must be one of",
        );
        check(
            "signal.data.collection",
            "a.b",
            "Invalid value a.b for configuration signal.data.collection: this version does not support it",
        );
        check(
            "provide.transaction.metadata",
            "true",
            "this version supports 'false' only",
        );
        check(
            "database.server.id",
            "0",
            "A positive long value is required",
        );
        check("topic.prefix", "a b", "has invalid format");
        check("column.mask.with.3.chars", "a", "column.mask.with.3.chars");
        check("message.key.columns", "nonsense", "has an invalid format");
    }

    #[test]
    fn secrets_are_not_printed() {
        let settings = Settings::new(Flavor::MySql, &props(&[])).expect("valid");
        assert!(!format!("{settings:?}").contains("s3cret"));
    }
}
