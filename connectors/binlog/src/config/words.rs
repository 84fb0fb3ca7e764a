//! The words that settings take. What is recommended in a validation's answer is what is taken, in today's words.

use tidegate_api::config::Words;

use tidegate_mysql::Flavor;

pub(super) const SSL_MODES_MYSQL: &[&str] = &[
    "disabled",
    "preferred",
    "required",
    "verify_ca",
    "verify_identity",
];
pub(super) const SSL_MODES_MARIADB: &[&str] = &["disable", "trust", "verify-ca", "verify-full"];
pub(super) const DECIMAL_MODES: &[&str] = &["precise", "double", "string"];
pub(super) const TIME_MODES: &[&str] = &[
    "adaptive_time_microseconds",
    "connect",
    "microseconds",
    "nanoseconds",
    "isostring",
];
pub(super) const BIGINT_MODES: &[&str] = &["precise", "long"];
pub(super) const CONVERSION_FAILURES: &[&str] = &["warn", "fail", "skip"];
pub(super) const PROCESSING_FAILURES: &[&str] = &["fail", "warn", "skip", "ignore"];
pub(super) const ADJUSTMENTS: &[&str] = &["none", "avro", "avro_unicode"];
/// With the names of earlier releases.
pub(super) const SNAPSHOT_MODES: &[&str] = &[
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
const TODAYS_SNAPSHOT_MODES: &[&str] = &[
    "initial",
    "initial_only",
    "no_data",
    "never",
    "when_needed",
    "recovery",
    "always",
];
const TODAYS_SNAPSHOT_MODES_MYSQL: &[&str] = &[
    "initial",
    "initial_only",
    "no_data",
    "when_needed",
    "recovery",
    "always",
];
pub(super) const LOCKING_MODES_MARIADB: &[&str] = &["minimal", "extended", "none"];
/// Percona's own kinds of locks are weaker than the global lock that is taken in their place.
pub(super) const LOCKING_MODES_MYSQL: &[&str] = &[
    "minimal",
    "extended",
    "none",
    "minimal_percona",
    "minimal_percona_no_table_locks",
];
pub(super) const WATERMARKS: &[&str] = &["insert_insert", "insert_delete"];
pub(super) const GUARDRAIL_ACTIONS: &[&str] = &["warn", "fail"];
const QUERY_MODES: &[&str] = &["select_all"];
pub(super) const TABLE_ORDERS: &[&str] = &["disabled", "ascending", "descending"];
pub(super) const DDL_PARSERS: &[&str] = &["default", "legacy"];

static MARIADB: [(&str, &[&str]); 14] = [
    ("database.ssl.mode", SSL_MODES_MARIADB),
    (
        "event.processing.failure.handling.mode",
        PROCESSING_FAILURES,
    ),
    ("incremental.snapshot.watermarking.strategy", WATERMARKS),
    ("guardrail.collections.limit.action", GUARDRAIL_ACTIONS),
    ("decimal.handling.mode", DECIMAL_MODES),
    ("snapshot.mode", TODAYS_SNAPSHOT_MODES),
    ("snapshot.query.mode", QUERY_MODES),
    ("bigint.unsigned.handling.mode", BIGINT_MODES),
    ("time.precision.mode", TIME_MODES),
    ("schema.name.adjustment.mode", ADJUSTMENTS),
    ("snapshot.locking.mode", LOCKING_MODES_MARIADB),
    ("snapshot.tables.order.by.row.count", TABLE_ORDERS),
    (
        "event.deserialization.failure.handling.mode",
        PROCESSING_FAILURES,
    ),
    ("inconsistent.schema.handling.mode", PROCESSING_FAILURES),
];
static MYSQL: [(&str, &[&str]); 15] = [
    ("database.ssl.mode", SSL_MODES_MYSQL),
    (
        "event.processing.failure.handling.mode",
        PROCESSING_FAILURES,
    ),
    ("incremental.snapshot.watermarking.strategy", WATERMARKS),
    ("guardrail.collections.limit.action", GUARDRAIL_ACTIONS),
    ("decimal.handling.mode", DECIMAL_MODES),
    ("snapshot.mode", TODAYS_SNAPSHOT_MODES_MYSQL),
    ("snapshot.query.mode", QUERY_MODES),
    ("bigint.unsigned.handling.mode", BIGINT_MODES),
    ("time.precision.mode", TIME_MODES),
    ("schema.name.adjustment.mode", ADJUSTMENTS),
    ("snapshot.locking.mode", LOCKING_MODES_MYSQL),
    ("ddl.parser.type", DDL_PARSERS),
    ("snapshot.tables.order.by.row.count", TABLE_ORDERS),
    (
        "event.deserialization.failure.handling.mode",
        PROCESSING_FAILURES,
    ),
    ("inconsistent.schema.handling.mode", PROCESSING_FAILURES),
];

/// What consoles offer.
pub(crate) fn recommended(flavor: Flavor) -> &'static Words {
    match flavor {
        Flavor::MariaDb => &MARIADB,
        Flavor::MySql => &MYSQL,
    }
}

/// Keys that the originals tell consoles not to show.
pub(crate) const HIDDEN: &[&str] = &["schema.history.internal", "gtid.source.excludes"];
