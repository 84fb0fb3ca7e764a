//! Rows as records show them.

use tidegate_api::Struct;

/// A decoded row. `key` is `None` for a table without key.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub key: Option<Struct>,
    pub value: Struct,
}
