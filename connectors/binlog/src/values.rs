//! Column values: how declared types map to Connect schemas and how cells of snapshots and row images become values.

pub(crate) mod charset;
pub(crate) mod convert;
pub(crate) mod defaults;
pub(crate) mod json_text;
pub(crate) mod raw;
pub(crate) mod temporal;
pub(crate) mod text;
pub(crate) mod wire;

/// `decimal.handling.mode`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DecimalHandling {
    #[default]
    Precise,
    Double,
    String,
}

/// `time.precision.mode`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimePrecision {
    #[default]
    AdaptiveTimeMicroseconds,
    Connect,
    Microseconds,
    Nanoseconds,
    IsoString,
}

/// `bigint.unsigned.handling.mode`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BigIntUnsigned {
    /// Values above 2^63-1 become negative.
    #[default]
    Long,
    Precise,
}

/// `binary.handling.mode`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BinaryHandling {
    #[default]
    Bytes,
    Base64,
    Base64UrlSafe,
    Hex,
}

/// `event.converting.failure.handling.mode`: what becomes of a value that does not fit its column's schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FailureHandling {
    Fail,
    /// The field stays unset and a warning names the column.
    #[default]
    Warn,
    Skip,
}

/// `event.processing.failure.handling.mode` and `inconsistent.schema.handling.mode`: what becomes of an event that cannot
/// be read, or whose table is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EventFailure {
    #[default]
    Fail,
    Warn,
    /// `ignore`, too.
    Skip,
}

/// Settings that decide about schemas and values of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ValueConfig {
    pub decimal: DecimalHandling,
    pub time_precision: TimePrecision,
    pub bigint_unsigned: BigIntUnsigned,
    pub binary: BinaryHandling,
    /// `enable.time.adjuster`: two-digit years become those of 1970 to 2069.
    pub enable_time_adjuster: bool,
    /// In MariaDB's stream the original takes the zero timestamp for the epoch; elsewhere it is null.
    pub zero_timestamp_is_epoch: bool,
    pub conversion_failure: FailureHandling,
    /// `event.processing.failure.handling.mode` for days of the stream that their month does not have.
    pub impossible_days: EventFailure,
}

/// Why a row could not be decoded. Texts carry table and column, never the value.
#[derive(Debug, thiserror::Error)]
pub enum ValueError {
    #[error(
        "Failed to properly convert data value for '{table}.{column}' of type {type_name}: {problem}"
    )]
    Conversion {
        table: String,
        column: String,
        type_name: String,
        problem: String,
    },
    #[error(
        "Failed to properly convert default value for '{table}.{column}' of type {type_name}: {problem}"
    )]
    Default {
        table: String,
        column: String,
        type_name: String,
        problem: String,
    },
    #[error("Table '{table}', column '{column}' of type {type_name}: {problem}")]
    Column {
        table: String,
        column: String,
        type_name: String,
        problem: String,
    },
    // The first sentence is the original's.
    #[error(
        "Error processing row in {name}, internal schema size {expected}, but row size {actual} , restart connector with \
         schema recovery mode. The schema history of table '{table}' does not fit the binary log: set \
         snapshot.mode=recovery, restart the connector, and set it back"
    )]
    ColumnCount {
        table: String,
        name: String,
        actual: usize,
        expected: usize,
    },
    /// `ALLOW_INVALID_DATES` lets the server store it.
    #[error(
        "Error while deserializing binlog data of {type_name}: table '{table}', column '{column}' has a day that its month \
         does not have. Correct the row and take a new snapshot, or let 1970-01-01 stand for such days: \
         event.processing.failure.handling.mode=warn"
    )]
    ImpossibleDay {
        table: String,
        column: String,
        type_name: String,
    },
    #[error("Table '{table}': the row image ends inside column '{column}' of type {type_name}")]
    CutOff {
        table: String,
        column: String,
        type_name: String,
    },
    #[error("Table '{table}': {problem}")]
    Table { table: String, problem: String },
}
