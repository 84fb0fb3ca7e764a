//! Settings of both connectors.
//!
//! Source: Debezium `BinlogConnectorConfig`, `MySqlConnectorConfig`, `MariaDbConnectorConfig`,
//! `RelationalDatabaseConnectorConfig`, `CommonConnectorConfig`.

mod checks;
mod keys;
mod together;
mod unsupported;
mod validators;
mod words;

use std::sync::Arc;
use std::time::Duration;

use tidegate_api::config::Password;
use tidegate_api::{ConfigKey, ConnectError, Props};
use tidegate_cdc::filters::{Filters, IncludeExclude, Patterns};
use tidegate_cdc::history::RecoveryLimits;
use tidegate_cdc::key_columns::KeyColumns;
use tidegate_cdc::masking::MaskingRules;
use tidegate_cdc::naming::{NameAdjustment, Naming, TopicStrategy};
use tidegate_cdc::queue::{DEFAULT_QUEUE_BYTES, QueueLimits};
use tidegate_cdc::snapshot_mode::SnapshotMode;
use tidegate_log::ClientConfig;
use tracing::warn;

use tidegate_mysql::tls::{SslMode, SslSettings, Store};
use tidegate_mysql::values::literals::Excess;
use tidegate_mysql::values::{
    BigIntUnsigned, BinaryHandling, DecimalHandling, EventFailure, FailureHandling, TimePrecision,
    ValueConfig,
};
use tidegate_mysql::{ConnectionSettings, Flavor};

use checks::TOPIC_NAMING;
pub(crate) use checks::{cross_checks, with_todays_names};
pub(crate) use keys::definition;
#[allow(clippy::wildcard_imports, reason = "one key after the other")]
use keys::*;

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
    pub(crate) connection: Arc<ConnectionSettings>,
    pub(crate) server_id: u32,
    /// `connect.keep.alive.interval.ms`
    pub(crate) keep_alive: Duration,
    /// `connect.keep.alive`: whether a silent server counts as gone.
    pub(crate) watches_silence: bool,
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
    /// `skip.messages.without.change`
    pub(crate) skips_unchanged: bool,
    pub(crate) queue: QueueLimits,
    /// `binlog.buffer.size`: events of a transaction that are held back in memory; 0 to hold back nothing.
    pub(crate) transaction_buffer: usize,
    pub(crate) heartbeat: Option<Duration>,
    pub(crate) heartbeat_topic: Arc<str>,
    /// What the server executes with each heartbeat.
    pub(crate) heartbeat_action: Option<String>,
    /// Topic of the boundaries of transactions; `None` without `provide.transaction.metadata`.
    pub(crate) transaction_topic: Option<Arc<str>>,
    pub(crate) processing_failure: EventFailure,
    pub(crate) inconsistent_schema: EventFailure,
    pub(crate) retry_wait: Duration,
    /// `errors.max.retries`: negative for no limit.
    pub(crate) max_retries: i32,
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

/// Longer intervals are cut to this: servers refuse heartbeats that come more seldom.
const MAX_KEEP_ALIVE: Duration = Duration::from_hours(24);

impl Settings {
    /// A server that sends nothing for this long, heartbeats included, is taken for gone; `None` if it may be silent.
    pub(crate) fn longest_silence(&self) -> Option<Duration> {
        self.watches_silence.then(|| self.keep_alive * 2)
    }

    /// # Errors
    /// `Config` for anything wrong, missing or refused.
    pub(crate) fn new(flavor: Flavor, props: &Props) -> Result<Self, ConnectError> {
        let props = &with_todays_names(props);
        definition(flavor).check(props)?;
        if let Some((_, error)) = cross_checks(props).into_iter().next() {
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
        let transaction_topic = if props.get(&TRANSACTION_METADATA)? {
            let name = props.get(&TRANSACTION_TOPIC)?;
            Some(Arc::from(format!("{prefix}{delimiter}{name}")))
        } else {
            None
        };
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
            connection: Arc::new(ConnectionSettings {
                hostname: props.get(&HOSTNAME)?,
                port: u16::try_from(props.get(&PORT)?).unwrap_or(3306),
                user: props.get(&USER)?,
                password: props.get(&PASSWORD)?.unwrap_or_else(|| Password::new("")),
                ssl: ssl_settings(flavor, props)?,
                connect_timeout: millis(props.get(&CONNECT_TIMEOUT_MS)?.into()),
                query_timeout: Some(millis(props.get(&QUERY_TIMEOUT_MS)?.into()))
                    .filter(|timeout| !timeout.is_zero()),
            }),
            server_id: u32::try_from(props.get(&SERVER_ID)?).unwrap_or(1),
            keep_alive: millis(props.get(&KEEP_ALIVE_INTERVAL_MS)?)
                .clamp(Duration::from_secs(1), MAX_KEEP_ALIVE),
            watches_silence: props.get(&KEEP_ALIVE)?,
            naming: Naming {
                prefix,
                delimiter,
                adjustment: match lower(&NAME_ADJUSTMENT)?.as_str() {
                    "avro" => NameAdjustment::Avro,
                    "avro_unicode" => NameAdjustment::AvroUnicode,
                    _ => NameAdjustment::None,
                },
                strategy: topic_strategy(props),
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
                binary: binary_handling_of(&lower(&BINARY_MODE)?),
                enable_time_adjuster: props.get(&TIME_ADJUSTER)?,
                zero_timestamp_is_epoch: flavor == Flavor::MariaDb,
                excess_digits: match flavor {
                    Flavor::MariaDb => Excess::CutOff,
                    Flavor::MySql => Excess::Rounded,
                },
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
            skips_unchanged: props.get(&SKIP_UNCHANGED)?,
            queue: queue_limits(props)?,
            transaction_buffer: usize::try_from(props.get(&BINLOG_BUFFER_SIZE)?).unwrap_or(0),
            heartbeat: u64::try_from(heartbeat)
                .ok()
                .filter(|millis| *millis > 0)
                .map(Duration::from_millis),
            heartbeat_topic: Arc::from(heartbeat_topic),
            heartbeat_action: (props.get(&HEARTBEAT_ACTION_QUERY)?)
                .filter(|sql| !sql.trim().is_empty()),
            transaction_topic,
            processing_failure: event_failure(&lower(&PROCESSING_FAILURE)?),
            inconsistent_schema: event_failure(&lower(&INCONSISTENT_SCHEMA)?),
            retry_wait: millis(props.get(&RETRY_WAIT_MS)?),
            max_retries: props.get(&MAX_RETRIES)?,
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

/// A class that is none of ours has been refused; the others are taken in any case.
fn topic_strategy(props: &Props) -> TopicStrategy {
    let class = props.raw(TOPIC_NAMING).unwrap_or_default().trim();
    let mut known = TopicStrategy::CLASSES.into_iter();
    let found = known.find(|(name, _)| name.eq_ignore_ascii_case(class));
    found.map(|(_, strategy)| strategy).unwrap_or_default()
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

/// Longer waits of an empty `poll` are cut to this, as in the original.
const MAX_POLL_WAIT: Duration = Duration::from_secs(5);

fn queue_limits(props: &Props) -> Result<QueueLimits, ConnectError> {
    let number = |key: &ConfigKey<i32>| Ok::<_, ConnectError>(usize::try_from(props.get(key)?));
    let bytes = usize::try_from(props.get(&MAX_QUEUE_BYTES)?).unwrap_or(0);
    let poll_wait = Duration::from_millis(props.get(&POLL_INTERVAL_MS)?.try_into().unwrap_or(0));
    if poll_wait > MAX_POLL_WAIT {
        warn!(
            "{}={} is taken for {MAX_POLL_WAIT:?}",
            POLL_INTERVAL_MS.name(),
            poll_wait.as_millis()
        );
    }
    Ok(QueueLimits {
        batch_records: number(&MAX_BATCH_SIZE)?.unwrap_or(1),
        queue_records: number(&MAX_QUEUE_SIZE)?.unwrap_or(1),
        queue_bytes: if bytes == 0 {
            DEFAULT_QUEUE_BYTES
        } else {
            bytes
        },
        poll_wait: poll_wait.min(MAX_POLL_WAIT),
    })
}

/// As in the original, what is no mode stands for `bytes`.
fn binary_handling_of(text: &str) -> BinaryHandling {
    match text {
        "base64" => BinaryHandling::Base64,
        "base64-url-safe" => BinaryHandling::Base64UrlSafe,
        "hex" => BinaryHandling::Hex,
        "bytes" => BinaryHandling::Bytes,
        other => {
            warn!("{}={other} is taken for 'bytes'", BINARY_MODE.name());
            BinaryHandling::Bytes
        }
    }
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
            "The 'snapshot.mode' value is invalid: Value must be one of",
        );
        check(
            "converters",
            "isbn",
            "The 'converters' value is invalid: this version does not support it: ",
        );
        check(
            "include.query",
            "true",
            "this version supports 'false' only",
        );
        check(
            "database.server.id",
            "0",
            "A positive, non-zero long value is expected",
        );
        check("topic.prefix", "a b", "has invalid format");
        check(
            "topic.naming.strategy",
            "io.debezium.schema.DefaultRegexTopicNamingStrategy",
            "this version supports 'io.debezium.schema.DefaultTopicNamingStrategy', ",
        );
        check("binlog.buffer.size", "-1", "binlog.buffer.size");
        check("column.mask.with.x.chars", "a", "column.mask.with.x.chars");
        check("message.key.columns", "nonsense", "has an invalid format");
    }

    /// The problems are the original's, seen with Debezium MariaDB 3.5.0.Final.
    #[test]
    fn numbers_and_lists_are_checked_as_the_original_does() {
        fn check(more: &[(&str, &str)], name: &str, problem: &str) {
            let errors = definition(Flavor::MariaDb).validate(&props(more));
            let own = errors.into_iter().filter(|info| info.key.name == name);
            let own = own.flat_map(|info| info.errors);
            let other = cross_checks(&props(more)).into_iter();
            let other = other.filter_map(|(key, text)| (key == name).then_some(text));
            let texts: Vec<String> = own.chain(other).collect();
            assert_eq!(texts.len(), 1, "{more:?}: {texts:?}");
            assert!(texts[0].ends_with(problem), "{more:?}: {texts:?}");
            assert!(Settings::new(Flavor::MariaDb, &props(more)).is_err());
        }
        let positive_integer = "A positive, non-zero integer value is expected";
        let positive_long = "A positive, non-zero long value is expected";
        for (name, value, problem) in [
            ("max.batch.size", "-3", positive_integer),
            ("max.queue.size", "0", "A positive queue size is required"),
            (
                "max.queue.size",
                "2048",
                "Must be larger than the maximum batch size",
            ),
            (
                "max.queue.size.in.bytes",
                "-7",
                "A non-negative long value is expected",
            ),
            ("poll.interval.ms", "0", positive_integer),
            ("connect.timeout.ms", "0", positive_integer),
            ("connect.keep.alive.interval.ms", "-1", positive_integer),
            ("retriable.restart.connector.wait.ms", "0", positive_long),
            (
                "heartbeat.interval.ms",
                "-1",
                "An non-negative integer is expected",
            ),
            (
                "snapshot.delay.ms",
                "-1",
                "A non-negative long value is expected",
            ),
            ("database.server.id", "-4", positive_long),
        ] {
            check(&[(name, value)], name, problem);
        }
        let larger = "Must be larger than the maximum batch size";
        check(&[("max.batch.size", "9000")], "max.queue.size", larger);
        for kind in ["database", "table", "column"] {
            let (include, exclude) = (
                format!("{kind}.include.list"),
                format!("{kind}.exclude.list"),
            );
            let problem = format!("\"{include}\" is already specified");
            check(&[(&include, "a"), (&exclude, "b")], &exclude, &problem);
        }
        let fine = [
            ("binary.handling.mode", "raw"),
            ("errors.max.retries", "-7"),
            ("table.include.list", ""),
            ("table.exclude.list", "a.b"),
        ];
        assert!(Settings::new(Flavor::MariaDb, &props(&fine)).is_ok());
    }

    /// As the original: only MySQL's connector knows the words.
    #[test]
    fn locks_of_percona_are_the_global_lock() {
        for mode in ["minimal_percona", " Minimal_Percona_No_Table_Locks "] {
            let props = props(&[("snapshot.locking.mode", mode)]);
            let settings = Settings::new(Flavor::MySql, &props).expect(mode);
            assert_eq!(settings.locking_mode, LockingMode::Minimal);
            assert!(Settings::new(Flavor::MariaDb, &props).is_err(), "{mode}");
        }
    }

    #[test]
    fn settings_without_effect_and_defaults_of_what_is_refused_run() {
        let fine = [
            ("signal.data.collection", "d.signals"),
            ("notification.enabled.channels", "log,sink"),
            ("notification.sink.topic.name", "n"),
            ("read.only", "true"),
            ("include.query", "False"),
            ("binlog.buffer.size", " 0 "),
            ("field.name.adjustment.mode", "NONE"),
            ("converters", " "),
            (
                "sourceinfo.struct.maker",
                "io.debezium.connector.mariadb.MariaDbSourceInfoStructMaker",
            ),
        ];
        assert!(Settings::new(Flavor::MariaDb, &props(&fine)).is_ok());
        for (name, value) in [
            ("gtid.source.includes", "0-1"),
            ("field.name.adjustment.mode", "avro"),
            ("topic.naming.strategy", "com.example.Mine"),
            ("snapshot.mode", "configuration_based"),
        ] {
            let error = Settings::new(Flavor::MariaDb, &props(&[(name, value)])).expect_err(name);
            let start = format!("The '{name}' value is invalid: this version ");
            assert!(error.text().starts_with(&start), "{}", error.text());
        }
    }

    #[test]
    fn naming_strategies_are_those_of_their_classes() {
        let topic = |class: &str| {
            let props = props(&[("topic.naming.strategy", class)]);
            let settings = Settings::new(Flavor::MySql, &props).expect("valid");
            let id = tidegate_relational::TableId::in_database("crm", "my_people");
            settings.naming.data_topic(&id).to_string()
        };
        let class = |name: &str| format!("io.debezium.schema.{name}TopicNamingStrategy");
        assert_eq!(topic(&class("Default")), "srv.crm.my_people");
        assert_eq!(topic(&class("Schema")), "srv.my_people");
        assert_eq!(topic(&class("SchemaUnicode")), "srv.my_u005fpeople");
        assert_eq!(topic(""), "srv.crm.my_people");
    }

    #[test]
    fn a_queue_is_limited_by_its_settings() {
        let settings = |more| Settings::new(Flavor::MariaDb, &props(more)).expect("valid");
        let limits = settings(&[]).queue;
        assert_eq!((limits.batch_records, limits.queue_records), (2048, 8192));
        assert_eq!(limits.queue_bytes, DEFAULT_QUEUE_BYTES);
        assert_eq!(limits.poll_wait, Duration::from_millis(500));
        let limits = settings(&[
            ("max.queue.size.in.bytes", "77"),
            ("poll.interval.ms", "90000"),
        ])
        .queue;
        assert_eq!((limits.queue_bytes, limits.poll_wait), (77, MAX_POLL_WAIT));
    }

    #[test]
    fn secrets_are_not_printed() {
        let settings = Settings::new(Flavor::MySql, &props(&[])).expect("valid");
        assert!(!format!("{settings:?}").contains("s3cret"));
    }
}
