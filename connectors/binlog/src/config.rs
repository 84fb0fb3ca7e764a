//! Settings of both connectors.
//!
//! Source: Debezium `BinlogConnectorConfig`, `MySqlConnectorConfig`, `MariaDbConnectorConfig`,
//! `RelationalDatabaseConnectorConfig`, `CommonConnectorConfig`.

mod key_columns;
mod keys;
mod refused;
mod validators;

use std::sync::Arc;
use std::time::Duration;

use tidegate_api::config::Password;
use tidegate_api::{ConfigKey, ConnectError, Props};
use tidegate_cdc::filters::{Filters, IncludeExclude, Patterns};
use tidegate_cdc::history::RecoveryLimits;
use tidegate_cdc::naming::{NameAdjustment, Naming};
use tidegate_log::ClientConfig;
use tracing::warn;

use crate::flavor::Flavor;
use crate::masking::MaskingRules;
use crate::tls::{SslMode, SslSettings, Store};
use crate::values::{
    BigIntUnsigned, BinaryHandling, DecimalHandling, EventFailure, FailureHandling, TimePrecision,
    ValueConfig,
};

pub(crate) use key_columns::KeyColumns;
pub(crate) use keys::definition;
#[allow(clippy::wildcard_imports, reason = "one key after the other")]
use keys::*;
pub(crate) use refused::{refused, with_todays_names};

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
    pub(crate) masking: MaskingRules,
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
            masking: MaskingRules::new(props)?,
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
                impossible_days: event_failure(&lower(&PROCESSING_FAILURE)?),
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
pub(crate) mod tests {
    use super::*;

    /// A valid connector on database `db`.
    pub(crate) fn props(more: &[(&str, &str)]) -> Props {
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
        check("column.mask.with.x.chars", "a", "column.mask.with.x.chars");
        check("message.key.columns", "nonsense", "has an invalid format");
    }

    #[test]
    fn secrets_are_not_printed() {
        let settings = Settings::new(Flavor::MySql, &props(&[])).expect("valid");
        assert!(!format!("{settings:?}").contains("s3cret"));
    }
}
