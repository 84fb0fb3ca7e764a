//! What a schema means.

use tidegate_api::{Schema, logical};

/// What a schema means beyond its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    Plain,
    Decimal,
    /// Struct of `scale` and `value`.
    VariableScaleDecimal,
    /// Days since 1970-01-01.
    Date,
    /// Since midnight.
    Time(Unit),
    /// Since 1970-01-01T00:00 on the wall clock.
    Timestamp(Unit),
    ZonedTimestamp,
    ZonedTime,
    Duration(Unit),
    /// Least significant byte first; this many bits count, or as many as there are.
    Bits(Option<usize>),
    Uuid,
    Json,
    Xml,
    Enum,
    Point,
    Geometry,
    Geography,
    /// Array of numbers.
    FloatVector,
    DoubleVector,
    Ltree,
    TsVector,
}

/// The length of a type without one, `Integer.MAX_VALUE`.
const ANY_LENGTH: usize = 2_147_483_647;

impl Meaning {
    /// Confluent's sink knows Connect's own types only.
    pub(crate) fn of(schema: &Schema, debezium: bool) -> Self {
        let Some(name) = schema.name.as_deref() else {
            return Self::Plain;
        };
        match name {
            logical::DECIMAL => Self::Decimal,
            logical::DATE => Self::Date,
            logical::TIME => Self::Time(Unit::Millis),
            logical::TIMESTAMP => Self::Timestamp(Unit::Millis),
            _ if !debezium => Self::Plain,
            "io.debezium.time.Date" => Self::Date,
            "io.debezium.time.Time" => Self::Time(Unit::Millis),
            "io.debezium.time.MicroTime" => Self::Time(Unit::Micros),
            "io.debezium.time.NanoTime" => Self::Time(Unit::Nanos),
            "io.debezium.time.Timestamp" => Self::Timestamp(Unit::Millis),
            "io.debezium.time.MicroTimestamp" => Self::Timestamp(Unit::Micros),
            "io.debezium.time.NanoTimestamp" => Self::Timestamp(Unit::Nanos),
            "io.debezium.time.ZonedTimestamp" => Self::ZonedTimestamp,
            "io.debezium.time.ZonedTime" => Self::ZonedTime,
            "io.debezium.time.MicroDuration" => Self::Duration(Unit::Micros),
            "io.debezium.data.Bits" => Self::Bits(
                schema
                    .parameter("length")
                    .and_then(|text| text.parse().ok())
                    .filter(|length| *length != ANY_LENGTH),
            ),
            "io.debezium.data.VariableScaleDecimal" => Self::VariableScaleDecimal,
            "io.debezium.data.Uuid" => Self::Uuid,
            "io.debezium.data.Json" => Self::Json,
            "io.debezium.data.Xml" => Self::Xml,
            "io.debezium.data.Enum" => Self::Enum,
            "io.debezium.data.Ltree" => Self::Ltree,
            "io.debezium.data.Tsvector" | "io.debezium.data.TsVector" => Self::TsVector,
            "io.debezium.data.geometry.Point" => Self::Point,
            "io.debezium.data.geometry.Geometry" => Self::Geometry,
            "io.debezium.data.geometry.Geography" => Self::Geography,
            "io.debezium.data.FloatVector" => Self::FloatVector,
            "io.debezium.data.DoubleVector" => Self::DoubleVector,
            _ => Self::Plain,
        }
    }
}

/// Parts of a second that an integer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Unit {
    Millis,
    Micros,
    Nanos,
}

impl Unit {
    /// Microseconds, nanoseconds rounded as the driver of the original does.
    pub(crate) fn micros(self, count: i64) -> Option<i64> {
        match self {
            Self::Millis => count.checked_mul(1_000),
            Self::Micros => Some(count),
            Self::Nanos => {
                Some(count.div_euclid(1_000) + i64::from(count.rem_euclid(1_000) >= 500))
            }
        }
    }
}
