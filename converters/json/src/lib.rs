//! Connect's `JsonConverter`: the same bytes as the original, from plans that are compiled once per schema.
//!
//! Source: `org.apache.kafka.connect.json.{JsonConverter,JsonConverterConfig}`.

mod converter;
mod decode;
mod encode;
mod out;
mod schema_text;
mod text;
mod tree;

pub use converter::{JsonConverter, read_schemaless, register, write_schemaless};
