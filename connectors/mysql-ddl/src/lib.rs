//! What DDL statements of MySQL and MariaDB do to tables. Pure: text in, changes of the relational model out.
//!
//! Statements that concern no table are recognised by their first words and never parsed further, so that no routine
//! body, grant or view can stop a connector.
//!
//! Source: Debezium `io.debezium.connector.mysql.antlr.MySqlAntlrDdlParser` and its listeners.

mod charset;
mod column;
mod default;
mod lexer;
mod normalized;
mod parser;
mod schemas;
mod split;
mod sql_mode;

use std::fmt;

use tidegate_relational::TableId;

pub use default::{literal_bytes, literal_text};
pub use schemas::{DdlEvent, DdlEventKind, Dialect, Options, RowStatement, Schemas};
pub use sql_mode::SqlMode;

/// A statement that should change a table and cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct DdlError {
    pub reason: String,
    /// In bytes from the beginning of the statement.
    pub position: usize,
    pub statement: String,
    /// The table that the statement is about; `None` if not even that can be read.
    pub table: Option<TableId>,
}

/// Longest piece of a statement in a message, in characters.
const SHOWN: usize = 300;

/// The first words are those of the original.
impl fmt::Display for DdlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self.statement.chars().take(SHOWN).collect();
        let more = if shown.len() < self.statement.len() {
            "…"
        } else {
            ""
        };
        write!(f, "DDL statement couldn't be parsed: ")?;
        if let Some(table) = &self.table {
            write!(f, "table {table}, ")?;
        }
        write!(
            f,
            "{} at position {} of '{shown}{more}'. Set schema.history.internal.skip.unparseable.ddl=true to pass over it \
             and then read the tables' present definitions with snapshot.mode=recovery, or leave the table out with \
             table.exclude.list",
            self.reason, self.position
        )
    }
}
