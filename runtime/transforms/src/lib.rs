//! Stock transformations and predicates of Connect, and Debezium's. Pure.
//!
//! Source: `org.apache.kafka.connect.transforms`, `io.debezium.transforms`.

mod cast;
mod extract_field;
mod extract_new_record_state;
mod insert_field;
mod logical_table_router;
mod mask_field;
mod part;
mod predicates;
mod regex_router;
mod replace_field;
mod shape;
mod timestamp_converter;
mod value_to_key;

use std::sync::Arc;

use tidegate_api::config::ConfigDef;
use tidegate_api::{ConnectError, Plugins, Record, Transform, TransformPlugin};

/// Release of Connect's own transformations.
const VERSION: &str = "4.3.0";
/// Release of Debezium's.
const DEBEZIUM_VERSION: &str = "3.6.1.Final";

/// Adds all transformations and predicates.
pub fn register(plugins: &mut Plugins) {
    cast::register(plugins);
    extract_field::register(plugins);
    insert_field::register(plugins);
    mask_field::register(plugins);
    regex_router::register(plugins);
    replace_field::register(plugins);
    timestamp_converter::register(plugins);
    value_to_key::register(plugins);
    predicates::register(plugins);
    extract_new_record_state::register(plugins);
    logical_table_router::register(plugins);
    plugins.transforms.push(TransformPlugin {
        class: "org.apache.kafka.connect.transforms.Filter",
        version: VERSION,
        config_def: || ConfigDef::new(&[]),
        create: Arc::new(|_| Ok(Box::new(Filter))),
    });
}

/// Drops every record that it is applied to.
struct Filter;

impl Transform for Filter {
    fn apply(&mut self, _record: Record) -> Result<Option<Record>, ConnectError> {
        Ok(None)
    }
}
