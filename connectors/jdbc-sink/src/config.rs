//! Settings of both connectors, and the one form that the rest works with.
//!
//! Source: Debezium `JdbcSinkConnectorConfig`; Confluent `JdbcSinkConfig`.

mod checks;
mod keys;
mod unsupported;

use std::time::Duration;

use chrono_tz::Tz;
use tidegate_api::config::Password;
use tidegate_api::{ConfigKey, ConnectError, JavaRegex, Props};
use tracing::warn;

use crate::meaning::Unit;

pub(crate) use checks::{cross_checks, show_as_given, with_todays_names};
pub(crate) use keys::definition;
use keys::{
    ATTEMPT_BACKOFF, ATTEMPTS, AUTO_CREATE, AUTO_EVOLVE, BATCH_SIZE_CONFLUENT, BATCH_SIZE_DEBEZIUM,
    CLOUD_EVENTS, DB_TIMEZONE, DELETE_ENABLED, FIELD_EXCLUDE, FIELD_INCLUDE, FIELDS_WHITELIST,
    FLUSH_MAX_RETRIES, FLUSH_RETRY_DELAY, INSERT_MODE, MAX_RETRIES, NAME_FORMAT,
    NAME_FORMAT_CONFLUENT, NAMING_STRATEGY, PASSWORD, PK_FIELDS, PK_FIELDS_CONFLUENT, PK_MODE,
    PK_MODE_CONFLUENT, POSTGIS_SCHEMA, QUOTE_IDENTIFIERS, QUOTE_SQL, REPLACE_NULL, RETRY_BACKOFF,
    SCHEMA_EVOLUTION, TABLE_TYPES, TEXT_COLUMN, TIMESTAMP_FIELDS, TIMESTAMP_UNIT, TRUNCATE_ENABLED,
    URL, USE_REDUCTION_BUFFER, USER, USERNAME, driver_properties, parse_zone,
};

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
    /// Parameters of the connection that the URL may overrule.
    pub(crate) driver_properties: Vec<(String, String)>,
    /// As set by the user; without it a connection is tried until there is one.
    pub(crate) connection_attempts: Option<u32>,
    pub(crate) connection_backoff: Duration,
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
    /// Rows are reduced to the last of each key also in insert mode, and where triggers or rules see each one.
    pub(crate) reduces: bool,
    pub(crate) postgis_schema: String,
    /// Names of schemas of CloudEvents.
    pub(crate) cloud_events: Option<JavaRegex>,
    /// Kinds of relations (`pg_class.relkind`) that count as tables.
    pub(crate) relations: Vec<&'static str>,
    /// Whose wall clock Connect's timestamps are written on.
    pub(crate) zone: Tz,
    pub(crate) timestamp_fields: Vec<String>,
    pub(crate) timestamp_unit: Unit,
    pub(crate) text_column: String,
    /// Texts are read as PostgreSQL reads them for the type of their column.
    pub(crate) untyped_texts: bool,
}

/// As Java's `Boolean.parseBoolean`, with a hint at what is no boolean.
fn is_true(text: &str) -> bool {
    if !["true", "false", ""]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(text))
    {
        warn!(
            "{}={text} is taken for 'false'",
            USE_REDUCTION_BUFFER.name()
        );
    }
    text.eq_ignore_ascii_case("true")
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
        let driver_properties = if debezium {
            Vec::new()
        } else {
            driver_properties(props)
        };
        let target = crate::url::parse(&url, user.as_deref(), None, &driver_properties)?;
        let connection_attempts = if !debezium && props.contains(ATTEMPTS.name()) {
            u32::try_from(props.get(&ATTEMPTS)?).ok()
        } else {
            None
        };
        let connection_backoff = if debezium {
            Duration::ZERO
        } else {
            millis(props.get(&ATTEMPT_BACKOFF)?)
        };
        let database = target.hosts.first().and_then(|host| host.get_database());
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
        let untyped_texts = target.untyped_texts;
        Ok(Self {
            style,
            untyped_texts,
            url,
            user,
            password,
            driver_properties,
            connection_attempts,
            connection_backoff,
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
            reduces: debezium && is_true(&props.get(&USE_REDUCTION_BUFFER)?),
            postgis_schema: if debezium {
                props.get(&POSTGIS_SCHEMA)?
            } else {
                "public".to_owned()
            },
            cloud_events: if debezium {
                Some(JavaRegex::new(&props.get(&CLOUD_EVENTS)?)?)
            } else {
                None
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
pub(crate) mod tests;
