//! What DDL statements of MySQL and MariaDB do to tables. Pure: text in, changes of the relational model out.
//!
//! Statements that concern no table are recognised by their first words and never parsed further, so that no routine
//! body, grant or view can stop a connector.
//!
//! Source: Debezium `io.debezium.connector.mysql.antlr.MySqlAntlrDdlParser` and its listeners.

mod column;
mod lexer;
mod parser;
mod schemas;

pub use schemas::{DdlEvent, DdlEventKind, Options, Schemas};

/// A statement that should change a table and cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("DDL statement couldn't be parsed: {reason} at position {position} of '{statement}'")]
pub struct DdlError {
    pub reason: String,
    /// In bytes from the beginning of the statement.
    pub position: usize,
    pub statement: String,
}
