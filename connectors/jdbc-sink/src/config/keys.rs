//! The keys of both connectors.

use chrono_tz::Tz;
use tidegate_api::ConfigKey;
use tidegate_api::config::{ConfigDef, ConfigValue, Importance, Password, enumerated, invalid};

use super::Style;

pub(super) static URL: ConfigKey<String> = ConfigKey::required("connection.url")
    .group("Connection")
    .importance(Importance::High)
    .doc("Valid JDBC URL");
pub(super) static USERNAME: ConfigKey<String> = ConfigKey::required("connection.username")
    .group("Connection")
    .importance(Importance::High)
    .doc("Name of the database user to be used when connecting to the connection.");
pub(super) static USER: ConfigKey<Option<String>> = ConfigKey::nullable("connection.user")
    .group("Connection")
    .importance(Importance::High)
    .doc("JDBC connection user.");
pub(super) static PASSWORD: ConfigKey<Option<Password>> =
    ConfigKey::nullable("connection.password")
        .group("Connection")
        .importance(Importance::High)
        .doc("Password of the database user to be used when connecting to the connection.");
pub(super) static INSERT_MODE: ConfigKey<String> = ConfigKey::new("insert.mode", "insert")
    .group("Connector")
    .validator(|name, value| enumerated(name, value, &["insert", "upsert", "update"]))
    .doc("The insertion mode to use: 'insert', 'upsert' or 'update'.");
pub(super) static DELETE_ENABLED: ConfigKey<bool> = ConfigKey::new("delete.enabled", "false").group("Connector").doc("Whether to treat `null` record values as deletes. Requires primary.key.mode to be `record.key`.");
pub(super) static BATCH_SIZE_DEBEZIUM: ConfigKey<i32> = ConfigKey::new("batch.size", "500").group("Connector").doc("Specifies how many records to attempt to batch together into the destination table, when possible.");
pub(super) static BATCH_SIZE_CONFLUENT: ConfigKey<i32> = ConfigKey::new("batch.size", "3000").group("Writes").doc("Specifies how many records to attempt to batch together for insertion into the destination table, when possible.");
pub(super) static TRUNCATE_ENABLED: ConfigKey<bool> = ConfigKey::new("truncate.enabled", "false")
    .group("Connector")
    .doc("Whether to process debezium event `t` as truncate statement.");
pub(super) static NAME_FORMAT: ConfigKey<String> = ConfigKey::new("collection.name.format", "${topic}").group("Connector").doc("A format string for the destination collection name, which may contain '${topic}' as a placeholder for the originating topic name.");
pub(super) static NAMING_STRATEGY: ConfigKey<String> = ConfigKey::new(
    "collection.naming.strategy",
    "io.debezium.sink.naming.DefaultCollectionNamingStrategy",
)
.group("Connector")
.validator(naming_strategy)
.doc("Name of the strategy class that implements the CollectionNamingStrategy interface.");
pub(super) static PK_MODE: ConfigKey<String> = ConfigKey::new("primary.key.mode", "none")
    .group("Connector")
    .validator(|name, value| {
        enumerated(
            name,
            value,
            &[
                "none",
                "kafka",
                "record_key",
                "record_value",
                "record_header",
            ],
        )
    })
    .doc("The primary key mode");
pub(super) static PK_FIELDS: ConfigKey<Vec<String>> = ConfigKey::new("primary.key.fields", "")
    .group("Connector")
    .doc("A comma-separated list of primary key field names");
pub(super) static SCHEMA_EVOLUTION: ConfigKey<String> = ConfigKey::new("schema.evolution", "none")
    .group("Connector")
    .validator(|name, value| enumerated(name, value, &["none", "basic"]))
    .doc("Controls how schema evolution is handled by the sink connector");
pub(super) static QUOTE_IDENTIFIERS: ConfigKey<bool> = ConfigKey::new("quote.identifiers", "false").group("Connector").doc("When enabled, table, column, and other identifiers are quoted based on the database dialect.");
pub(super) static USE_TIME_ZONE: ConfigKey<String> = ConfigKey::new("use.time.zone", "UTC")
    .group("Connector")
    .validator(zone)
    .doc("The timezone used when inserting temporal values.");
pub(super) static FIELD_INCLUDE: ConfigKey<Vec<String>> = ConfigKey::new("field.include.list", "")
    .group("Connector")
    .doc("A comma-separated list of field names that should be included");
pub(super) static FIELD_EXCLUDE: ConfigKey<Vec<String>> = ConfigKey::new("field.exclude.list", "")
    .group("Connector")
    .doc("A comma-separated list of field names that should be excluded");
pub(super) static FLUSH_RETRY_DELAY: ConfigKey<i64> =
    ConfigKey::new("flush.retry.delay.ms", "1000")
        .group("Connector")
        .doc("Delay between attempts to flush after a transient error");
pub(super) static FLUSH_MAX_RETRIES: ConfigKey<i32> = ConfigKey::new("flush.max.retries", "5")
    .group("Connector")
    .doc("How often a flush is tried again after a transient error; unless it is set, until it succeeds");

pub(super) static NAME_FORMAT_CONFLUENT: ConfigKey<String> = ConfigKey::new("table.name.format", "${topic}").group("Data Mapping").doc("A format string for the destination table name, which may contain '${topic}' as a placeholder for the originating topic name.");
pub(super) static PK_MODE_CONFLUENT: ConfigKey<String> = ConfigKey::new("pk.mode", "none")
    .group("Data Mapping")
    .importance(Importance::High)
    .validator(|name, value| {
        enumerated(
            name,
            value,
            &["none", "kafka", "record_key", "record_value"],
        )
    })
    .doc("The primary key mode, also refer to pk.fields documentation for interplay.");
pub(super) static PK_FIELDS_CONFLUENT: ConfigKey<Vec<String>> = ConfigKey::new("pk.fields", "")
    .group("Data Mapping")
    .doc("List of comma-separated primary key field names.");
pub(super) static FIELDS_WHITELIST: ConfigKey<Vec<String>> = ConfigKey::new("fields.whitelist", "").group("Data Mapping").doc("List of comma-separated record value field names. If empty, all fields from the record value are utilized, otherwise used to filter to the desired fields.");
pub(super) static AUTO_CREATE: ConfigKey<bool> = ConfigKey::new("auto.create", "false").group("DDL Support").doc("Whether to automatically create the destination table based on record schema if it is found to be missing by issuing CREATE.");
pub(super) static AUTO_EVOLVE: ConfigKey<bool> = ConfigKey::new("auto.evolve", "false").group("DDL Support").doc("Whether to automatically add columns in the table schema when found to be missing relative to the record schema by issuing ALTER.");
pub(super) static QUOTE_SQL: ConfigKey<String> = ConfigKey::new("quote.sql.identifiers", "ALWAYS")
    .group("DDL Support")
    .validator(|name, value| enumerated(name, value, &["always", "never"]))
    .doc("When to quote table names, column names, and other identifiers in SQL statements.");
pub(super) static DB_TIMEZONE: ConfigKey<String> = ConfigKey::new("db.timezone", "UTC").group("Data Mapping").validator(zone).doc("Name of the JDBC timezone that should be used in the connector when inserting time-based values.");
pub(super) static MAX_RETRIES: ConfigKey<i32> = ConfigKey::new("max.retries", "10").group("Retries").doc(
    "How often a flush is tried again after a transient error; unless it is set, until it succeeds",
);
pub(super) static RETRY_BACKOFF: ConfigKey<i32> = ConfigKey::new("retry.backoff.ms", "3000")
    .group("Retries")
    .doc("The time in milliseconds to wait following an error before a retry attempt is made.");
pub(super) static REPLACE_NULL: ConfigKey<bool> =
    ConfigKey::new("replace.null.with.default", "true")
        .group("Data Mapping")
        .doc("Whether to replace non-key fields that are null with their default value.");

pub(super) static POSTGIS_SCHEMA: ConfigKey<String> =
    ConfigKey::new("dialect.postgres.postgis.schema", "public")
        .group("Connector")
        .doc("Name of the schema where postgis extension is installed.");
pub(super) static USE_REDUCTION_BUFFER: ConfigKey<bool> =
    ConfigKey::new("use.reduction.buffer", "false").internal();
pub(super) static TABLE_TYPES: ConfigKey<Vec<String>> = ConfigKey::new("table.types", "TABLE")
    .group("Writes")
    .doc("The comma-separated types of database tables to which the sink connector can write: TABLE, PARTITIONED TABLE, VIEW.");
pub(super) static TIMESTAMP_FIELDS: ConfigKey<Vec<String>> = ConfigKey::new("timestamp.fields.list", "")
    .group("Data Mapping")
    .doc("List of comma-separated record value timestamp field names that should be converted to timestamps.");
pub(super) static TIMESTAMP_UNIT: ConfigKey<String> =
    ConfigKey::new("timestamp.precision.mode", "microseconds")
        .group("Data Mapping")
        .validator(|name, value| enumerated(name, value, &["microseconds", "nanoseconds"]))
        .doc("Unit of the fields in timestamp.fields.list.");
pub(super) static TEXT_COLUMN: ConfigKey<String> =
    ConfigKey::new("string.output.value.column.name", "record_value")
        .group("Data Mapping")
        .doc("Column for records whose value is a string.");

/// Settings of the originals that this version does not have: refused by name unless they hold the given value.
pub(super) const REFUSED: [(&str, &str); 7] = [
    ("internal.enable.sces", "false"),
    ("dialect.sqlserver.identity.insert", "false"),
    (
        "jdbc.credentials.provider.class",
        "io.confluent.connect.jdbc.util.DefaultJdbcCredentialsProvider",
    ),
    ("dialect.name", "PostgreSqlDatabaseDialect"),
    (
        "column.naming.strategy",
        "io.debezium.connector.jdbc.naming.DefaultColumnNamingStrategy",
    ),
    (
        "cloud.events.schema.name.pattern",
        ".*CloudEvents\\.Envelope$",
    ),
    ("date.timezone", "DB_TIMEZONE"),
];
/// Names of earlier releases.
pub(super) const OLD_NAMES: [(&str, &str); 3] = [
    ("table.name.format", "collection.name.format"),
    ("table.naming.strategy", "collection.naming.strategy"),
    ("database.time_zone", "use.time.zone"),
];
/// Confluent's names on Debezium's class have no effect; each deserves a hint.
pub(super) const CONFLUENT_NAMES: [(&str, &str); 5] = [
    ("connection.user", "connection.username"),
    ("pk.mode", "primary.key.mode"),
    ("pk.fields", "primary.key.fields"),
    ("auto.create", "schema.evolution=basic"),
    ("auto.evolve", "schema.evolution=basic"),
];

fn zone(name: &str, value: &ConfigValue) -> Result<(), String> {
    match value {
        ConfigValue::String(text) if parse_zone(text).is_none() => {
            Err(invalid(name, text, "Invalid time zone"))
        }
        _ => Ok(()),
    }
}

pub(super) fn parse_zone(text: &str) -> Option<Tz> {
    if matches!(text, "Z" | "UTC") {
        return Some(Tz::UTC);
    }
    text.parse().ok()
}

fn naming_strategy(name: &str, value: &ConfigValue) -> Result<(), String> {
    match value {
        ConfigValue::String(class)
            if ![
                "DefaultCollectionNamingStrategy",
                "PassthroughCollectionNamingStrategy",
                "DefaultTableNamingStrategy",
            ]
            .iter()
            .any(|known| class.ends_with(known)) =>
        {
            Err(invalid(
                name,
                class,
                "this version supports the default and the passthrough strategy",
            ))
        }
        _ => Ok(()),
    }
}

pub(crate) fn definition(style: Style) -> ConfigDef {
    match style {
        Style::Debezium => ConfigDef::new(&[
            &URL,
            &USERNAME,
            &PASSWORD,
            &INSERT_MODE,
            &DELETE_ENABLED,
            &TRUNCATE_ENABLED,
            &NAME_FORMAT,
            &NAMING_STRATEGY,
            &PK_MODE,
            &PK_FIELDS,
            &SCHEMA_EVOLUTION,
            &QUOTE_IDENTIFIERS,
            &USE_TIME_ZONE,
            &BATCH_SIZE_DEBEZIUM,
            &FIELD_INCLUDE,
            &FIELD_EXCLUDE,
            &FLUSH_MAX_RETRIES,
            &FLUSH_RETRY_DELAY,
            &POSTGIS_SCHEMA,
            &USE_REDUCTION_BUFFER,
        ]),
        Style::Confluent => ConfigDef::new(&[
            &URL,
            &USER,
            &PASSWORD,
            &INSERT_MODE,
            &BATCH_SIZE_CONFLUENT,
            &DELETE_ENABLED,
            &NAME_FORMAT_CONFLUENT,
            &PK_MODE_CONFLUENT,
            &PK_FIELDS_CONFLUENT,
            &FIELDS_WHITELIST,
            &DB_TIMEZONE,
            &REPLACE_NULL,
            &AUTO_CREATE,
            &AUTO_EVOLVE,
            &QUOTE_SQL,
            &MAX_RETRIES,
            &RETRY_BACKOFF,
            &TABLE_TYPES,
            &TIMESTAMP_FIELDS,
            &TIMESTAMP_UNIT,
            &TEXT_COLUMN,
        ]),
    }
}
