//! Connect's logical types.
//!
//! Source: `org.apache.kafka.connect.data.{Decimal,Date,Time,Timestamp}`.

use std::sync::Arc;

pub use crate::schema::{DATE, DECIMAL, DECIMAL_SCALE, TIME, TIMESTAMP};
use crate::schema::{Schema, SchemaBuilder};

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
