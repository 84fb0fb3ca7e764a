//! Column values: how declared types map to Connect schemas and how cells of snapshots and row images become values.

pub mod charset;
pub mod convert;
pub(crate) mod defaults;
pub(crate) mod json_text;
pub mod literals;
pub(crate) mod raw;
pub mod temporal;
pub(crate) mod text;
pub(crate) mod wire;

use tidegate_relational::table_plan::PlanError;

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
    /// What the server makes of a default's digits beyond the column's precision.
    pub excess_digits: literals::Excess,
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
    #[error(transparent)]
    Plan(#[from] PlanError),
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
    #[error(
        "Column {place} of table '{table}' is '{actual}' in the binary log and '{expected}' in the schema history, which \
         does not fit: the table was renamed, or another one got its name. Take a new snapshot, or set \
         snapshot.mode=recovery, restart the connector, and set it back if no table was altered since"
    )]
    ColumnName {
        table: String,
        place: usize,
        actual: String,
        expected: String,
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
}

impl ValueError {
    /// Whether the columns of the log are not those of the schema history.
    pub fn is_of_history(&self) -> bool {
        matches!(self, Self::ColumnCount { .. } | Self::ColumnName { .. })
    }
}

#[cfg(test)]
mod tests {
    use tidegate_mysql_ddl::Schemas;
    use tidegate_relational::{Column, TableId};

    use super::convert::{Origin, Target};
    use super::wire::WireType;
    use super::*;

    fn columns() -> Vec<Column> {
        let statement = "CREATE TABLE t (c1 TINYINT, c2 SMALLINT UNSIGNED, c3 MEDIUMINT, c4 INT, c5 BIGINT UNSIGNED, c6 FLOAT, \
             c7 DOUBLE, c8 DECIMAL(65,30), c9 VARCHAR(300), c10 BINARY(16), c11 BLOB, c12 BIT(1), c13 BIT(64), \
             c14 ENUM('a','b'), c15 SET('a','b','c'), c16 JSON, c17 YEAR, c18 DATE, c19 TIME(6), c20 DATETIME(6), \
             c21 TIMESTAMP(6), c22 POINT, c23 GEOMETRY, c24 BOOLEAN, c25 CHAR(10) CHARACTER SET cp850)";
        let mut schemas = Schemas::default();
        schemas.apply("d", statement).expect("a statement");
        let table = schemas.table(&TableId::in_database("d", "t"));
        table.expect("a table").columns.clone()
    }

    fn wires() -> Vec<WireType> {
        let mut wires = vec![
            WireType::Float,
            WireType::Double,
            WireType::Year,
            WireType::Date,
            WireType::OldTime,
            WireType::OldDateTime,
            WireType::OldTimestamp,
        ];
        for bytes in 0..=8 {
            wires.push(WireType::Bit { bytes });
            wires.push(WireType::Enum { bytes });
            wires.push(WireType::Set { bytes });
        }
        for bytes in [1, 2, 3, 4, 8] {
            wires.push(WireType::Integer { bytes });
        }
        for length_bytes in 1..=4 {
            wires.push(WireType::Bytes { length_bytes });
            wires.push(WireType::Json { length_bytes });
            wires.push(WireType::Compressed { length_bytes });
        }
        for fraction in [0, 1, 3, 6, 255] {
            wires.push(WireType::Time { fraction });
            wires.push(WireType::DateTime { fraction });
            wires.push(WireType::Timestamp { fraction });
        }
        for (precision, scale) in [
            (0, 0),
            (1, 0),
            (65, 30),
            (255, 0),
            (255, 255),
            (3, 200),
            (40, 40),
        ] {
            wires.push(WireType::Decimal { precision, scale });
        }
        wires
    }

    /// Cells of random bytes; a length in front of them fits now and then.
    #[test]
    fn cells_of_any_bytes_have_a_value_or_an_error() {
        let modes = [
            (
                TimePrecision::AdaptiveTimeMicroseconds,
                DecimalHandling::Precise,
            ),
            (TimePrecision::Nanoseconds, DecimalHandling::Double),
            (TimePrecision::Connect, DecimalHandling::String),
            (TimePrecision::IsoString, DecimalHandling::Precise),
        ];
        let targets: Vec<Target> = (modes.iter())
            .flat_map(|(time_precision, decimal)| {
                let config = ValueConfig {
                    time_precision: *time_precision,
                    decimal: *decimal,
                    ..ValueConfig::default()
                };
                let columns = columns().into_iter();
                columns.filter_map(move |column| Target::of(&column, config).expect("a type"))
            })
            .collect();
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        };
        let mut values = 0;
        for wire in wires() {
            for round in 0..300_usize {
                let mut bytes: Vec<u8> = (0..round % 9).flat_map(|_| random()).collect();
                match round % 5 {
                    0 => bytes.iter_mut().for_each(|byte| *byte = 0xff),
                    1 => bytes.iter_mut().skip(1).take(3).for_each(|byte| *byte = 0),
                    _ => {}
                }
                for unsigned in [false, true] {
                    let mut image = &bytes[..];
                    let Some(raw) = wire.read(&mut image, unsigned) else {
                        continue;
                    };
                    raw.is_impossible_day();
                    for target in &targets {
                        for origin in [Origin::Stream, Origin::Snapshot] {
                            let value = target.value(raw.clone(), origin, round % 2 == 0);
                            values += usize::from(value.is_ok());
                        }
                    }
                }
            }
        }
        assert!(values > 10_000, "{values} values");
    }
}
