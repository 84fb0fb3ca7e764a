//! Settings of both connectors, and the one form that the rest works with.
//!
//! Source: Debezium `JdbcSinkConnectorConfig`; Confluent `JdbcSinkConfig`.

use std::time::Duration;

use chrono_tz::Tz;
use tidegate_api::config::{ConfigDef, ConfigValue, Importance, Password, invalid};
use tidegate_api::{ConfigKey, ConnectError, Props};
use tracing::warn;

use crate::wire::Unit;

/// Whose names, defaults and rules apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Debezium,
    Confluent,
}

impl Style {
    pub(crate) fn connector_class(self) -> &'static str {
        match self {
            Self::Debezium => "io.debezium.connector.jdbc.JdbcSinkConnector",
            Self::Confluent => "io.confluent.connect.jdbc.JdbcSinkConnector",
        }
    }
    pub(crate) fn task_class(self) -> &'static str {
        match self {
            Self::Debezium => "io.debezium.connector.jdbc.JdbcSinkConnectorTask",
            Self::Confluent => "io.confluent.connect.jdbc.sink.JdbcSinkTask",
        }
    }
    /// The release of the original that this one is compared with.
    pub(crate) fn version(self) -> &'static str {
        match self {
            Self::Debezium => "3.6.0.Final",
            Self::Confluent => "10.8.4",
        }
    }
}

static URL: ConfigKey<String> = ConfigKey::required("connection.url")
    .group("Connection")
    .importance(Importance::High)
    .doc("Valid JDBC URL");
static USERNAME: ConfigKey<String> = ConfigKey::required("connection.username")
    .group("Connection")
    .importance(Importance::High)
    .doc("Name of the database user to be used when connecting to the connection.");
static USER: ConfigKey<Option<String>> = ConfigKey::nullable("connection.user")
    .group("Connection")
    .importance(Importance::High)
    .doc("JDBC connection user.");
static PASSWORD: ConfigKey<Option<Password>> = ConfigKey::nullable("connection.password")
    .group("Connection")
    .importance(Importance::High)
    .doc("Password of the database user to be used when connecting to the connection.");
static INSERT_MODE: ConfigKey<String> = ConfigKey::new("insert.mode", "insert")
    .group("Connector")
    .validator(|name, value| one_of(name, value, &["insert", "upsert", "update"]))
    .doc("The insertion mode to use: 'insert', 'upsert' or 'update'.");
static DELETE_ENABLED: ConfigKey<bool> = ConfigKey::new("delete.enabled", "false").group("Connector").doc("Whether to treat `null` record values as deletes. Requires primary.key.mode to be `record.key`.");
static BATCH_SIZE_DEBEZIUM: ConfigKey<i32> = ConfigKey::new("batch.size", "500").group("Connector").doc("Specifies how many records to attempt to batch together into the destination table, when possible.");
static BATCH_SIZE_CONFLUENT: ConfigKey<i32> = ConfigKey::new("batch.size", "3000").group("Writes").doc("Specifies how many records to attempt to batch together for insertion into the destination table, when possible.");
static TRUNCATE_ENABLED: ConfigKey<bool> = ConfigKey::new("truncate.enabled", "false")
    .group("Connector")
    .doc("Whether to process debezium event `t` as truncate statement.");
static NAME_FORMAT: ConfigKey<String> = ConfigKey::new("collection.name.format", "${topic}").group("Connector").doc("A format string for the destination collection name, which may contain '${topic}' as a placeholder for the originating topic name.");
static NAMING_STRATEGY: ConfigKey<String> = ConfigKey::new(
    "collection.naming.strategy",
    "io.debezium.sink.naming.DefaultCollectionNamingStrategy",
)
.group("Connector")
.validator(naming_strategy)
.doc("Name of the strategy class that implements the CollectionNamingStrategy interface.");
static PK_MODE: ConfigKey<String> = ConfigKey::new("primary.key.mode", "none")
    .group("Connector")
    .validator(|name, value| {
        one_of(
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
static PK_FIELDS: ConfigKey<Vec<String>> = ConfigKey::new("primary.key.fields", "")
    .group("Connector")
    .doc("A comma-separated list of primary key field names");
static SCHEMA_EVOLUTION: ConfigKey<String> = ConfigKey::new("schema.evolution", "none")
    .group("Connector")
    .validator(|name, value| one_of(name, value, &["none", "basic"]))
    .doc("Controls how schema evolution is handled by the sink connector");
static QUOTE_IDENTIFIERS: ConfigKey<bool> = ConfigKey::new("quote.identifiers", "false").group("Connector").doc("When enabled, table, column, and other identifiers are quoted based on the database dialect.");
static USE_TIME_ZONE: ConfigKey<String> = ConfigKey::new("use.time.zone", "UTC")
    .group("Connector")
    .validator(zone)
    .doc("The timezone used when inserting temporal values.");
static FIELD_INCLUDE: ConfigKey<Vec<String>> = ConfigKey::new("field.include.list", "")
    .group("Connector")
    .doc("A comma-separated list of field names that should be included");
static FIELD_EXCLUDE: ConfigKey<Vec<String>> = ConfigKey::new("field.exclude.list", "")
    .group("Connector")
    .doc("A comma-separated list of field names that should be excluded");
static FLUSH_RETRY_DELAY: ConfigKey<i64> = ConfigKey::new("flush.retry.delay.ms", "1000")
    .group("Connector")
    .doc("Delay between attempts to flush after a transient error");
static FLUSH_MAX_RETRIES: ConfigKey<i32> = ConfigKey::new("flush.max.retries", "5")
    .group("Connector")
    .doc("How often a flush is tried again after a transient error; unless it is set, until it succeeds");

static NAME_FORMAT_CONFLUENT: ConfigKey<String> = ConfigKey::new("table.name.format", "${topic}").group("Data Mapping").doc("A format string for the destination table name, which may contain '${topic}' as a placeholder for the originating topic name.");
static PK_MODE_CONFLUENT: ConfigKey<String> = ConfigKey::new("pk.mode", "none")
    .group("Data Mapping")
    .importance(Importance::High)
    .validator(|name, value| {
        one_of(
            name,
            value,
            &["none", "kafka", "record_key", "record_value"],
        )
    })
    .doc("The primary key mode, also refer to pk.fields documentation for interplay.");
static PK_FIELDS_CONFLUENT: ConfigKey<Vec<String>> = ConfigKey::new("pk.fields", "")
    .group("Data Mapping")
    .doc("List of comma-separated primary key field names.");
static FIELDS_WHITELIST: ConfigKey<Vec<String>> = ConfigKey::new("fields.whitelist", "").group("Data Mapping").doc("List of comma-separated record value field names. If empty, all fields from the record value are utilized, otherwise used to filter to the desired fields.");
static AUTO_CREATE: ConfigKey<bool> = ConfigKey::new("auto.create", "false").group("DDL Support").doc("Whether to automatically create the destination table based on record schema if it is found to be missing by issuing CREATE.");
static AUTO_EVOLVE: ConfigKey<bool> = ConfigKey::new("auto.evolve", "false").group("DDL Support").doc("Whether to automatically add columns in the table schema when found to be missing relative to the record schema by issuing ALTER.");
static QUOTE_SQL: ConfigKey<String> = ConfigKey::new("quote.sql.identifiers", "ALWAYS")
    .group("DDL Support")
    .validator(|name, value| one_of(name, value, &["always", "never"]))
    .doc("When to quote table names, column names, and other identifiers in SQL statements.");
static DB_TIMEZONE: ConfigKey<String> = ConfigKey::new("db.timezone", "UTC").group("Data Mapping").validator(zone).doc("Name of the JDBC timezone that should be used in the connector when inserting time-based values.");
static MAX_RETRIES: ConfigKey<i32> = ConfigKey::new("max.retries", "10").group("Retries").doc(
    "How often a flush is tried again after a transient error; unless it is set, until it succeeds",
);
static RETRY_BACKOFF: ConfigKey<i32> = ConfigKey::new("retry.backoff.ms", "3000")
    .group("Retries")
    .doc("The time in milliseconds to wait following an error before a retry attempt is made.");
static REPLACE_NULL: ConfigKey<bool> = ConfigKey::new("replace.null.with.default", "true")
    .group("Data Mapping")
    .doc("Whether to replace non-key fields that are null with their default value.");

static POSTGIS_SCHEMA: ConfigKey<String> =
    ConfigKey::new("dialect.postgres.postgis.schema", "public")
        .group("Connector")
        .doc("Name of the schema where postgis extension is installed.");
static USE_REDUCTION_BUFFER: ConfigKey<bool> =
    ConfigKey::new("use.reduction.buffer", "false").internal();
static TABLE_TYPES: ConfigKey<Vec<String>> = ConfigKey::new("table.types", "TABLE")
    .group("Writes")
    .doc("The comma-separated types of database tables to which the sink connector can write: TABLE, PARTITIONED TABLE, VIEW.");
static TIMESTAMP_FIELDS: ConfigKey<Vec<String>> = ConfigKey::new("timestamp.fields.list", "")
    .group("Data Mapping")
    .doc("List of comma-separated record value timestamp field names that should be converted to timestamps.");
static TIMESTAMP_UNIT: ConfigKey<String> =
    ConfigKey::new("timestamp.precision.mode", "microseconds")
        .group("Data Mapping")
        .validator(|name, value| one_of(name, value, &["microseconds", "nanoseconds"]))
        .doc("Unit of the fields in timestamp.fields.list.");
static TEXT_COLUMN: ConfigKey<String> =
    ConfigKey::new("string.output.value.column.name", "record_value")
        .group("Data Mapping")
        .doc("Column for records whose value is a string.");

/// Settings of the originals that this version does not have: refused by name unless they hold the given value.
const REFUSED: [(&str, &str); 7] = [
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
const OLD_NAMES: [(&str, &str); 3] = [
    ("table.name.format", "collection.name.format"),
    ("table.naming.strategy", "collection.naming.strategy"),
    ("database.time_zone", "use.time.zone"),
];
/// Confluent's names on Debezium's class have no effect; each deserves a hint.
const CONFLUENT_NAMES: [(&str, &str); 5] = [
    ("connection.user", "connection.username"),
    ("pk.mode", "primary.key.mode"),
    ("pk.fields", "primary.key.fields"),
    ("auto.create", "schema.evolution=basic"),
    ("auto.evolve", "schema.evolution=basic"),
];

fn one_of(name: &str, value: &ConfigValue, allowed: &[&str]) -> Result<(), String> {
    match value {
        ConfigValue::String(text)
            if !allowed.iter().any(|known| known.eq_ignore_ascii_case(text)) =>
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

fn zone(name: &str, value: &ConfigValue) -> Result<(), String> {
    match value {
        ConfigValue::String(text) if parse_zone(text).is_none() => {
            Err(invalid(name, text, "Invalid time zone"))
        }
        _ => Ok(()),
    }
}

fn parse_zone(text: &str) -> Option<Tz> {
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

/// Old names replaced by today's.
pub(crate) fn with_todays_names(style: Style, props: &Props) -> Props {
    let mut renamed = props.clone();
    if style == Style::Debezium {
        for (old, new) in OLD_NAMES {
            if let (Some(value), false) = (props.raw(old), props.contains(new)) {
                renamed.set(new, value);
            }
        }
        for (name, instead) in CONFLUENT_NAMES {
            if props.contains(name) {
                warn!(
                    "'{name}' is a setting of another connector and has no effect here; use {instead}"
                );
            }
        }
    }
    renamed
}

/// Name and text of each error that the keys alone do not show.
pub(crate) fn cross_checks(style: Style, props: &Props) -> Vec<(String, String)> {
    let mut errors = Vec::new();
    for (name, only) in REFUSED {
        if let Some(value) = props
            .raw(name)
            .filter(|value| !value.is_empty() && *value != only)
        {
            errors.push((
                name.to_owned(),
                invalid(name, value, "this version does not support it; remove it"),
            ));
        }
    }
    let flag = |key: &ConfigKey<bool>| props.get(key).unwrap_or(false);
    let text = |key: &ConfigKey<String>| props.get(key).unwrap_or_default().to_ascii_lowercase();
    match style {
        Style::Debezium => {
            if !props.get(&FIELD_INCLUDE).unwrap_or_default().is_empty()
                && !props.get(&FIELD_EXCLUDE).unwrap_or_default().is_empty()
            {
                errors.push((FIELD_EXCLUDE.name().to_owned(), "Cannot define both field.exclude.list and field.include.list. Please specify only one.".to_owned()));
            }
            if text(&INSERT_MODE) == "upsert" && text(&PK_MODE) == "none" {
                errors.push((PK_MODE.name().to_owned(), "When using UPSERT, please define primary.key.mode: it is 'none', and rows have no key".to_owned()));
            }
            if flag(&DELETE_ENABLED)
                && !matches!(
                    text(&PK_MODE).as_str(),
                    "record_key" | "record_value" | "record_header"
                )
            {
                errors.push((PK_MODE.name().to_owned(), "When 'delete.enabled' is set to 'true', the 'primary.key.mode' option must be set to 'record_key'.".to_owned()));
            }
        }
        Style::Confluent => {
            if flag(&DELETE_ENABLED) && text(&PK_MODE_CONFLUENT) != "record_key" {
                for name in [PK_MODE_CONFLUENT.name(), DELETE_ENABLED.name()] {
                    errors.push((
                        name.to_owned(),
                        "Deletes are only supported for pk.mode record_key".to_owned(),
                    ));
                }
            }
        }
    }
    errors
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InsertMode {
    Insert,
    Upsert,
    Update,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyMode {
    None,
    Kafka,
    RecordKey,
    RecordValue,
    RecordHeader,
}

/// The settings, parsed once.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each one is a setting of its own"
)]
pub(crate) struct Settings {
    pub(crate) style: Style,
    pub(crate) url: String,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Password>,
    pub(crate) insert_mode: InsertMode,
    pub(crate) key_mode: KeyMode,
    pub(crate) key_fields: Vec<String>,
    pub(crate) delete_enabled: bool,
    pub(crate) truncate_enabled: bool,
    pub(crate) name_format: String,
    /// Dots of a topic become underscores.
    pub(crate) flatten_topic: bool,
    pub(crate) create_tables: bool,
    pub(crate) add_columns: bool,
    pub(crate) quote: bool,
    pub(crate) batch_size: usize,
    pub(crate) include: Vec<String>,
    pub(crate) exclude: Vec<String>,
    pub(crate) replace_null_with_default: bool,
    pub(crate) retry_delay: Duration,
    /// As set by the user; without it transient errors are tried again until they are gone.
    pub(crate) max_retries: Option<u32>,
    /// The connector's name.
    pub(crate) name: String,
    /// Of the connection.
    pub(crate) database: Option<String>,
    /// Fields of `source` in the format of the table's name.
    pub(crate) source_placeholders: Vec<String>,
    /// Rows of insert mode are reduced to the last of each key, too.
    pub(crate) reduce_inserts: bool,
    pub(crate) postgis_schema: String,
    /// Kinds of relations (`pg_class.relkind`) that count as tables.
    pub(crate) relations: Vec<&'static str>,
    /// Whose wall clock Connect's timestamps are written on.
    pub(crate) zone: Tz,
    pub(crate) timestamp_fields: Vec<String>,
    pub(crate) timestamp_unit: Unit,
    pub(crate) text_column: String,
}

impl Settings {
    /// # Errors
    /// `Config` for anything wrong, missing or refused.
    pub(crate) fn new(style: Style, props: &Props) -> Result<Self, ConnectError> {
        let props = &with_todays_names(style, props);
        definition(style).check(props)?;
        if let Some((_, error)) = cross_checks(style, props).into_iter().next() {
            return Err(ConnectError::config(error));
        }
        let debezium = style == Style::Debezium;
        let lower =
            |key: &ConfigKey<String>| Ok::<_, ConnectError>(props.get(key)?.to_ascii_lowercase());
        let millis = |millis: i64| Duration::from_millis(u64::try_from(millis).unwrap_or(0));
        let evolves = debezium && lower(&SCHEMA_EVOLUTION)? == "basic";
        let url = props.get(&URL)?;
        let password = props.get(&PASSWORD)?;
        let user = if debezium {
            Some(props.get(&USERNAME)?)
        } else {
            props.get(&USER)?
        };
        // A wrong URL is found here rather than at the first record.
        let hosts = crate::url::parse(&url, user.as_deref(), None)?;
        let database = hosts.first().and_then(|host| host.get_database());
        let database = database.map(str::to_owned);
        let name_format = props
            .get(if debezium {
                &NAME_FORMAT
            } else {
                &NAME_FORMAT_CONFLUENT
            })?
            .trim()
            .to_owned();
        let source_placeholders = if debezium {
            name_format
                .split("${source.")
                .skip(1)
                .filter_map(|rest| rest.split_once('}').map(|(field, _)| field.to_owned()))
                .collect()
        } else {
            Vec::new()
        };
        let retries: &ConfigKey<i32> = if debezium {
            &FLUSH_MAX_RETRIES
        } else {
            &MAX_RETRIES
        };
        let max_retries = if props.contains(retries.name()) {
            u32::try_from(props.get(retries)?).ok()
        } else {
            None
        };
        let relations = if debezium {
            vec!["r", "p", "v", "f"]
        } else {
            let types = props.get(&TABLE_TYPES)?;
            let listed = |name: &str| types.iter().any(|known| known.eq_ignore_ascii_case(name));
            [
                ("TABLE", "r"),
                ("TABLE", "f"),
                ("PARTITIONED TABLE", "p"),
                ("VIEW", "v"),
            ]
            .into_iter()
            .filter(|(name, _)| listed(name))
            .map(|(_, kind)| kind)
            .collect()
        };
        Ok(Self {
            style,
            url,
            user,
            password,
            insert_mode: match lower(&INSERT_MODE)?.as_str() {
                "upsert" => InsertMode::Upsert,
                "update" => InsertMode::Update,
                _ => InsertMode::Insert,
            },
            key_mode: match lower(if debezium {
                &PK_MODE
            } else {
                &PK_MODE_CONFLUENT
            })?
            .as_str()
            {
                "kafka" => KeyMode::Kafka,
                "record_key" => KeyMode::RecordKey,
                "record_value" => KeyMode::RecordValue,
                "record_header" => KeyMode::RecordHeader,
                _ => KeyMode::None,
            },
            key_fields: props.get(if debezium {
                &PK_FIELDS
            } else {
                &PK_FIELDS_CONFLUENT
            })?,
            delete_enabled: props.get(&DELETE_ENABLED)?,
            truncate_enabled: debezium && props.get(&TRUNCATE_ENABLED)?,
            name_format,
            flatten_topic: debezium
                && !props
                    .get(&NAMING_STRATEGY)?
                    .ends_with("PassthroughCollectionNamingStrategy"),
            create_tables: if debezium {
                evolves
            } else {
                props.get(&AUTO_CREATE)?
            },
            add_columns: if debezium {
                evolves
            } else {
                props.get(&AUTO_EVOLVE)?
            },
            quote: if debezium {
                props.get(&QUOTE_IDENTIFIERS)?
            } else {
                lower(&QUOTE_SQL)? == "always"
            },
            batch_size: usize::try_from(props.get(if debezium {
                &BATCH_SIZE_DEBEZIUM
            } else {
                &BATCH_SIZE_CONFLUENT
            })?)
            .unwrap_or(1)
            .max(1),
            include: if debezium {
                props.get(&FIELD_INCLUDE)?
            } else {
                props.get(&FIELDS_WHITELIST)?
            },
            exclude: if debezium {
                props.get(&FIELD_EXCLUDE)?
            } else {
                Vec::new()
            },
            replace_null_with_default: !debezium && props.get(&REPLACE_NULL)?,
            retry_delay: if debezium {
                millis(props.get(&FLUSH_RETRY_DELAY)?)
            } else {
                millis(props.get(&RETRY_BACKOFF)?.into())
            },
            max_retries,
            name: props.raw("name").unwrap_or("jdbc-sink").to_owned(),
            database,
            source_placeholders,
            reduce_inserts: debezium && props.get(&USE_REDUCTION_BUFFER)?,
            postgis_schema: if debezium {
                props.get(&POSTGIS_SCHEMA)?
            } else {
                "public".to_owned()
            },
            relations,
            zone: if debezium {
                Tz::UTC
            } else {
                parse_zone(&props.get(&DB_TIMEZONE)?).unwrap_or(Tz::UTC)
            },
            timestamp_fields: if debezium {
                Vec::new()
            } else {
                props.get(&TIMESTAMP_FIELDS)?
            },
            timestamp_unit: if !debezium && lower(&TIMESTAMP_UNIT)? == "nanoseconds" {
                Unit::Nanos
            } else {
                Unit::Micros
            },
            text_column: if debezium {
                String::new()
            } else {
                props.get(&TEXT_COLUMN)?
            },
        })
    }

    pub(crate) fn is_debezium(&self) -> bool {
        self.style == Style::Debezium
    }
    pub(crate) fn is_timestamp_field(&self, name: &str) -> bool {
        self.timestamp_fields.iter().any(|field| field == name)
    }
    /// The zone of timestamps that count from an instant; Debezium's count on the wall clock itself.
    pub(crate) fn wall_clock(&self) -> Option<Tz> {
        (self.zone != Tz::UTC).then_some(self.zone)
    }
    /// Whether columns that differ in case only are the same.
    pub(crate) fn any_case(&self) -> bool {
        !self.quote || self.style == Style::Confluent
    }

    /// Whether a field of a record of `topic` becomes a column.
    pub(crate) fn takes_field(&self, topic: &str, field: &str) -> bool {
        let listed = |list: &[String]| {
            list.iter()
                .any(|entry| entry == field || entry.split_once(':') == Some((topic, field)))
        };
        if self.include.is_empty() {
            !listed(&self.exclude)
        } else {
            listed(&self.include)
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Settings with which nothing but the required ones is set.
    pub(crate) fn settings(style: Style) -> Settings {
        Settings::new(style, &props(&[])).expect("valid")
    }

    fn props(more: &[(&str, &str)]) -> Props {
        let mut props = Props::from([
            ("connection.url", "jdbc:postgresql://h/db"),
            ("connection.username", "u"),
            ("connection.password", "s3cret"),
        ]);
        for (name, value) in more {
            props.set(*name, *value);
        }
        props
    }

    #[test]
    fn both_worlds_settings_become_one_form() {
        let debezium = Settings::new(
            Style::Debezium,
            &props(&[
                ("insert.mode", "UPSERT"),
                ("primary.key.mode", "record_key"),
                ("schema.evolution", "basic"),
                ("table.name.format", "s.${topic}"),
            ]),
        )
        .expect("valid");
        assert_eq!(
            (debezium.insert_mode, debezium.key_mode, debezium.batch_size),
            (InsertMode::Upsert, KeyMode::RecordKey, 500)
        );
        assert!(debezium.create_tables && debezium.flatten_topic && !debezium.quote);
        assert_eq!(debezium.name_format, "s.${topic}");
        let confluent = Settings::new(
            Style::Confluent,
            &props(&[
                ("auto.create", "true"),
                ("pk.mode", "record_value"),
                ("pk.fields", "a,b"),
            ]),
        )
        .expect("valid");
        assert!(
            confluent.create_tables
                && !confluent.add_columns
                && confluent.quote
                && !confluent.flatten_topic
        );
        assert_eq!(
            (confluent.key_fields.len(), confluent.batch_size),
            (2, 3000)
        );
    }

    #[test]
    fn contradictions_and_unsupported_settings_are_named() {
        fn check(style: Style, more: &[(&str, &str)], text: &str) {
            let error = Settings::new(style, &props(more)).expect_err(text);
            assert!(error.text().contains(text), "{}", error.text());
        }
        check(
            Style::Debezium,
            &[("insert.mode", "upsert")],
            "please define primary.key.mode",
        );
        check(
            Style::Debezium,
            &[("delete.enabled", "true")],
            "must be set to 'record_key'",
        );
        check(
            Style::Debezium,
            &[("insert.mode", "merge")],
            "Value must be one of insert, upsert, update",
        );
        check(
            Style::Debezium,
            &[("use.time.zone", "Asia/Nowhere")],
            "Invalid time zone",
        );
        check(
            Style::Debezium,
            &[("field.include.list", "a"), ("field.exclude.list", "b")],
            "Cannot define both",
        );
        check(
            Style::Confluent,
            &[("delete.enabled", "true")],
            "Deletes are only supported for pk.mode record_key",
        );
        check(
            Style::Confluent,
            &[("dialect.name", "OracleDatabaseDialect")],
            "dialect.name",
        );
        check(
            Style::Confluent,
            &[("connection.url", "jdbc:mysql://h/db")],
            "names no database that this version can write to",
        );
    }

    #[test]
    fn secrets_are_not_printed() {
        assert!(
            !format!(
                "{:?}",
                Settings::new(Style::Debezium, &props(&[])).expect("valid")
            )
            .contains("s3cret")
        );
    }
}
