//! The keys of both connectors. Their texts are beside the catalogue.

use chrono_tz::Tz;
use tidegate_api::config::{ConfigDef, ConfigValue, Importance, Password, enumerated, invalid};
use tidegate_api::{ConfigKey, JavaRegex, Props};

use super::Style;
use super::unsupported::UNSUPPORTED;

pub(super) static URL: ConfigKey<String> = ConfigKey::required("connection.url")
    .group("Connection")
    .importance(Importance::High);
pub(super) static USERNAME: ConfigKey<String> = ConfigKey::required("connection.username")
    .group("Connection")
    .importance(Importance::High);
pub(super) static USER: ConfigKey<Option<String>> = ConfigKey::nullable("connection.user")
    .group("Connection")
    .importance(Importance::High);
pub(super) static PASSWORD: ConfigKey<Option<Password>> =
    ConfigKey::nullable("connection.password")
        .group("Connection")
        .importance(Importance::High);
pub(super) static ATTEMPTS: ConfigKey<i32> = ConfigKey::new("connection.attempts", "3")
    .group("Connection")
    .validator(at_least_one);
pub(super) static ATTEMPT_BACKOFF: ConfigKey<i64> =
    ConfigKey::new("connection.backoff.ms", "10000").group("Connection");
pub(super) static INSERT_MODE: ConfigKey<String> = ConfigKey::new("insert.mode", "insert")
    .group("Connector")
    .validator(|name, value| enumerated(name, value, &["insert", "upsert", "update"]));
pub(super) static DELETE_ENABLED: ConfigKey<bool> =
    ConfigKey::new("delete.enabled", "false").group("Connector");
pub(super) static BATCH_SIZE_DEBEZIUM: ConfigKey<i32> =
    ConfigKey::new("batch.size", "500").group("Connector");
pub(super) static BATCH_SIZE_CONFLUENT: ConfigKey<i32> =
    ConfigKey::new("batch.size", "3000").group("Writes");
pub(super) static TRUNCATE_ENABLED: ConfigKey<bool> =
    ConfigKey::new("truncate.enabled", "false").group("Connector");
pub(super) static NAME_FORMAT: ConfigKey<String> =
    ConfigKey::new("collection.name.format", "${topic}").group("Connector");
pub(super) static NAMING_STRATEGY: ConfigKey<String> = ConfigKey::new(
    "collection.naming.strategy",
    "io.debezium.sink.naming.DefaultCollectionNamingStrategy",
)
.group("Connector")
.validator(naming_strategy);
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
    });
pub(super) static PK_FIELDS: ConfigKey<Vec<String>> =
    ConfigKey::new("primary.key.fields", "").group("Connector");
pub(super) static SCHEMA_EVOLUTION: ConfigKey<String> = ConfigKey::new("schema.evolution", "none")
    .group("Connector")
    .validator(|name, value| enumerated(name, value, &["none", "basic"]));
pub(super) static QUOTE_IDENTIFIERS: ConfigKey<bool> =
    ConfigKey::new("quote.identifiers", "false").group("Connector");
pub(super) static USE_TIME_ZONE: ConfigKey<String> = ConfigKey::new("use.time.zone", "UTC")
    .group("Connector")
    .validator(java_zone);
pub(super) static FIELD_INCLUDE: ConfigKey<Vec<String>> =
    ConfigKey::new("field.include.list", "").group("Connector");
pub(super) static FIELD_EXCLUDE: ConfigKey<Vec<String>> =
    ConfigKey::new("field.exclude.list", "").group("Connector");
pub(super) static FLUSH_RETRY_DELAY: ConfigKey<i64> =
    ConfigKey::new("flush.retry.delay.ms", "1000").group("Connector");
pub(super) static FLUSH_MAX_RETRIES: ConfigKey<i32> =
    ConfigKey::new("flush.max.retries", "5").group("Connector");

pub(super) static NAME_FORMAT_CONFLUENT: ConfigKey<String> =
    ConfigKey::new("table.name.format", "${topic}").group("Data Mapping");
pub(super) static PK_MODE_CONFLUENT: ConfigKey<String> = ConfigKey::new("pk.mode", "none")
    .group("Data Mapping")
    .importance(Importance::High)
    .validator(|name, value| {
        enumerated(
            name,
            value,
            &["none", "kafka", "record_key", "record_value"],
        )
    });
pub(super) static PK_FIELDS_CONFLUENT: ConfigKey<Vec<String>> =
    ConfigKey::new("pk.fields", "").group("Data Mapping");
pub(super) static FIELDS_WHITELIST: ConfigKey<Vec<String>> =
    ConfigKey::new("fields.whitelist", "").group("Data Mapping");
pub(super) static AUTO_CREATE: ConfigKey<bool> =
    ConfigKey::new("auto.create", "false").group("DDL Support");
pub(super) static AUTO_EVOLVE: ConfigKey<bool> =
    ConfigKey::new("auto.evolve", "false").group("DDL Support");
pub(super) static QUOTE_SQL: ConfigKey<String> = ConfigKey::new("quote.sql.identifiers", "ALWAYS")
    .group("DDL Support")
    .validator(|name, value| enumerated(name, value, &["always", "never"]));
pub(super) static DB_TIMEZONE: ConfigKey<String> = ConfigKey::new("db.timezone", "UTC")
    .group("Data Mapping")
    .validator(zone);
pub(super) static MAX_RETRIES: ConfigKey<i32> =
    ConfigKey::new("max.retries", "10").group("Retries");
pub(super) static RETRY_BACKOFF: ConfigKey<i32> =
    ConfigKey::new("retry.backoff.ms", "3000").group("Retries");
pub(super) static REPLACE_NULL: ConfigKey<bool> =
    ConfigKey::new("replace.null.with.default", "true").group("Data Mapping");

pub(super) static POSTGIS_SCHEMA: ConfigKey<String> =
    ConfigKey::new("dialect.postgres.postgis.schema", "public").group("Connector");
pub(super) static CLOUD_EVENTS: ConfigKey<String> = ConfigKey::new(
    "cloud.events.schema.name.pattern",
    ".*CloudEvents\\.Envelope$",
)
.group("Connector")
.validator(regex);
/// As in the original, what is not `true` stands for `false`.
pub(super) static USE_REDUCTION_BUFFER: ConfigKey<String> =
    ConfigKey::new("use.reduction.buffer", "false").internal();
pub(super) static TABLE_TYPES: ConfigKey<Vec<String>> =
    ConfigKey::new("table.types", "TABLE").group("Writes");
pub(super) static TIMESTAMP_FIELDS: ConfigKey<Vec<String>> =
    ConfigKey::new("timestamp.fields.list", "").group("Data Mapping");
pub(super) static TIMESTAMP_UNIT: ConfigKey<String> =
    ConfigKey::new("timestamp.precision.mode", "microseconds")
        .group("Data Mapping")
        .validator(|name, value| enumerated(name, value, &["microseconds", "nanoseconds"]));
pub(super) static TEXT_COLUMN: ConfigKey<String> =
    ConfigKey::new("string.output.value.column.name", "record_value").group("Data Mapping");

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

fn at_least_one(name: &str, value: &ConfigValue) -> Result<(), String> {
    match value {
        ConfigValue::Int(number) if *number < 1 => Err(invalid(
            name,
            number.to_string(),
            "Value must be at least 1",
        )),
        _ => Ok(()),
    }
}

/// What Confluent's sink hands to the driver: further `connection.…` keys, without that prefix.
///
/// Source: Confluent `GenericDatabaseDialect.addConnectionProperties`.
pub(super) fn driver_properties(props: &Props) -> Vec<(String, String)> {
    let declared = definition(Style::Confluent);
    props
        .iter()
        .filter(|(name, _)| declared.get(name).is_none())
        .filter_map(|(name, value)| {
            let name = name.strip_prefix("connection.")?;
            Some((name.to_owned(), value.to_owned()))
        })
        .collect()
}

fn zone(name: &str, value: &ConfigValue) -> Result<(), String> {
    match value {
        ConfigValue::String(text) if parse_zone(text).is_none() => {
            Err(invalid(name, text, "Invalid time zone"))
        }
        _ => Ok(()),
    }
}

/// As Java's `ZoneId.of` takes it: a region, an offset, or an offset from UTC, GMT or UT.
fn java_zone(name: &str, value: &ConfigValue) -> Result<(), String> {
    let ConfigValue::String(text) = value else {
        return Ok(());
    };
    let offset = ["UTC", "GMT", "UT", ""]
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix));
    let offset = offset.unwrap_or(text);
    if parse_zone(text).is_some() || offset.is_empty() && !text.is_empty() || is_offset(offset) {
        return Ok(());
    }
    let problem = "Invalid time zone: a region such as Europe/Berlin or an offset such as +02:00";
    Err(invalid(name, text, problem))
}

/// `+h`, `+hh`, `+hh:mm`, `+hhmm`, `+hh:mm:ss` or `+hhmmss`, up to 18 hours. Source: `java.time.ZoneOffset.of`.
fn is_offset(text: &str) -> bool {
    let Some(rest) = text.strip_prefix(['+', '-']) else {
        return false;
    };
    let parts: Vec<&str> = if rest.contains(':') {
        rest.split(':').collect()
    } else if rest.len() < 3 {
        vec![rest]
    } else {
        let pairs = (0..rest.len()).step_by(2);
        pairs
            .map(|start| rest.get(start..start + 2).unwrap_or_default())
            .collect()
    };
    let number = |part: &&str| -> Option<u32> {
        let is_pair = part.len() == 2 || (parts.len() == 1 && part.len() == 1);
        let is_digits = part.bytes().all(|byte| byte.is_ascii_digit());
        (is_pair && is_digits).then(|| part.parse().ok()).flatten()
    };
    let numbers: Option<Vec<u32>> = parts.iter().map(number).collect();
    match numbers.as_deref() {
        Some([18, rest @ ..]) => rest.len() < 3 && rest.iter().all(|part| *part == 0),
        Some([hours, rest @ ..]) => {
            *hours < 18 && rest.len() < 3 && rest.iter().all(|part| *part < 60)
        }
        _ => false,
    }
}

pub(super) fn parse_zone(text: &str) -> Option<Tz> {
    if matches!(text, "Z" | "UTC") {
        return Some(Tz::UTC);
    }
    text.parse().ok()
}

fn regex(name: &str, value: &ConfigValue) -> Result<(), String> {
    match value {
        ConfigValue::String(pattern) => JavaRegex::new(pattern)
            .map(drop)
            .map_err(|error| invalid(name, pattern, &error.to_string())),
        _ => Ok(()),
    }
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
                "this version has DefaultCollectionNamingStrategy and PassthroughCollectionNamingStrategy; make other names with collection.name.format or the transformation RegexRouter",
            ))
        }
        _ => Ok(()),
    }
}

pub(crate) fn definition(style: Style) -> ConfigDef {
    let definition = match style {
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
            &CLOUD_EVENTS,
            &USE_REDUCTION_BUFFER,
        ]),
        Style::Confluent => ConfigDef::new(&[
            &URL,
            &USER,
            &PASSWORD,
            &ATTEMPTS,
            &ATTEMPT_BACKOFF,
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
    };
    definition.without(&UNSUPPORTED)
}
