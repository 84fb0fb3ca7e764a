//! Names of Connect's logical types.
//!
//! Source: `org.apache.kafka.connect.data.{Decimal,Date,Time,Timestamp}`.

use std::sync::Arc;

use crate::schema::{Schema, SchemaBuilder};

/// Unscaled two's-complement big-endian bytes; parameter [`DECIMAL_SCALE`].
pub const DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";
/// Days since 1970-01-01, `INT32`.
pub const DATE: &str = "org.apache.kafka.connect.data.Date";
/// Milliseconds since midnight, `INT32`.
pub const TIME: &str = "org.apache.kafka.connect.data.Time";
/// Milliseconds since 1970-01-01T00:00:00Z, `INT64`.
pub const TIMESTAMP: &str = "org.apache.kafka.connect.data.Timestamp";
/// Parameter of [`DECIMAL`] schemas.
pub const DECIMAL_SCALE: &str = "scale";

/// Builder of a Decimal schema of the given scale.
pub fn decimal(scale: i32) -> SchemaBuilder {
    SchemaBuilder::bytes()
        .name(DECIMAL)
        .version(1)
        .parameter(DECIMAL_SCALE, scale.to_string())
}
pub fn date() -> SchemaBuilder {
    SchemaBuilder::int32().name(DATE).version(1)
}
pub fn time() -> SchemaBuilder {
    SchemaBuilder::int32().name(TIME).version(1)
}
pub fn timestamp() -> SchemaBuilder {
    SchemaBuilder::int64().name(TIMESTAMP).version(1)
}

/// The scale of a Decimal schema; `None` if it is not one or lacks the parameter.
pub fn decimal_scale(schema: &Arc<Schema>) -> Option<i32> {
    schema
        .is_named(DECIMAL)
        .then(|| schema.parameter(DECIMAL_SCALE)?.parse().ok())
        .flatten()
}
