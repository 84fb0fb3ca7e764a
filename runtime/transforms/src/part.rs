//! The part of a record that a transformation works on: key or value.

use tidegate_api::config::{ConfigValue, invalid};
use tidegate_api::{ConnectError, Record, SchemaAndValue};

/// `…$Key` or `…$Value`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Key,
    Value,
}

impl Part {
    pub(crate) fn get(self, record: &mut Record) -> &mut SchemaAndValue {
        match self {
            Self::Key => &mut record.key,
            Self::Value => &mut record.value,
        }
    }
}

/// Source: Kafka's `NonEmptyString`.
pub(crate) fn not_empty(name: &str, value: &ConfigValue) -> Result<(), String> {
    match value {
        ConfigValue::String(text) if text.is_empty() => {
            Err(invalid(name, text, "String must be non-empty"))
        }
        _ => Ok(()),
    }
}

/// Text of an operation on something that is neither struct nor map.
pub(crate) fn unsupported(purpose: &str, data: &SchemaAndValue) -> ConnectError {
    let (kind, suffix) = if data.schema.is_some() {
        ("Struct", "")
    } else {
        ("Map", " in absence of schema")
    };
    ConnectError::data(format!(
        "Only {kind} objects supported{suffix} for [{purpose}], found: {}",
        data.value.java_class()
    ))
}

/// Registers the two classes of a transformation.
macro_rules! register_parts {
    ($plugins:expr, $class:literal, $config_def:expr, $create:expr) => {
        $plugins.transforms.push(tidegate_api::TransformPlugin {
            class: concat!("org.apache.kafka.connect.transforms.", $class, "$Key"),
            version: crate::VERSION,
            config_def: $config_def,
            create: std::sync::Arc::new(|props| {
                Ok(Box::new($create(props, crate::part::Part::Key)?))
            }),
        });
        $plugins.transforms.push(tidegate_api::TransformPlugin {
            class: concat!("org.apache.kafka.connect.transforms.", $class, "$Value"),
            version: crate::VERSION,
            config_def: $config_def,
            create: std::sync::Arc::new(|props| {
                Ok(Box::new($create(props, crate::part::Part::Value)?))
            }),
        });
    };
}
pub(crate) use register_parts;
