//! All tables that statements have made so far, and the effect of the next one.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tidegate_relational::{Table, TableChange, TableId};

pub use self::rows::RowStatement;
use self::table::fill_charsets;
use crate::DdlError;
use crate::column::Reading;
use crate::lexer::{Lexer, Rules};
use crate::parser::{Parser, Result};
use crate::split::split;
use crate::sql_mode::SqlMode;

mod alter;
mod charsets;
mod create;
mod renames;
mod rows;
mod table;
mod tables;

/// Whose statements they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Dialect {
    #[default]
    MariaDb,
    MySql,
}

/// How statements are read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    pub dialect: Dialect,
    /// Keeps comments of columns and tables (`include.schema.comments`).
    pub comments: bool,
    /// Names of tables and databases are equal in any case (`lower_case_table_names` is not 0).
    pub ignore_case: bool,
}

/// Something that a statement did. `statement` is the text that is recorded for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DdlEvent {
    pub database: String,
    pub statement: String,
    pub kind: DdlEventKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DdlEventKind {
    Table(TableChange),
    Truncate(TableId),
    /// A table whose definition is not known got this name.
    Renamed(TableId),
    /// A database that came or went.
    Database,
    /// The settings of a database, a variable, or nothing that is tracked.
    Other,
}

/// The known tables and what decides about those to come.
#[derive(Debug, Clone, Default)]
pub struct Schemas {
    options: Options,
    tables: BTreeMap<TableId, Arc<Table>>,
    database_charsets: HashMap<String, String>,
    server_charset: Option<String>,
    session_charset: Option<String>,
    /// The statements that gave their names to tables which are not known.
    unknown_renames: BTreeMap<TableId, String>,
    sql_mode: SqlMode,
}

impl Schemas {
    pub fn new(options: Options) -> Self {
        Self {
            options,
            ..Self::default()
        }
    }

    fn key(&self, id: &TableId) -> TableId {
        if self.options.ignore_case {
            id.to_lowercase()
        } else {
            id.clone()
        }
    }
    pub fn table(&self, id: &TableId) -> Option<&Arc<Table>> {
        if self.options.ignore_case {
            return self.tables.get(&id.to_lowercase());
        }
        self.tables.get(id)
    }
    pub fn tables(&self) -> impl Iterator<Item = &Arc<Table>> {
        self.tables.values()
    }
    pub fn put(&mut self, table: Arc<Table>) {
        let key = self.key(&table.id);
        self.unknown_renames.remove(&key);
        self.tables.insert(key, table);
    }
    pub fn remove(&mut self, id: &TableId) -> Option<Arc<Table>> {
        let key = self.key(id);
        self.unknown_renames.remove(&key);
        self.tables.remove(&key)
    }
    /// The same variables and databases, without any table.
    #[must_use]
    pub fn without_tables(&self) -> Self {
        Self {
            tables: BTreeMap::new(),
            unknown_renames: BTreeMap::new(),
            ..self.clone()
        }
    }
    /// Repeats a recorded change.
    pub fn apply_change(&mut self, change: &TableChange) {
        match change {
            TableChange::Create(table) => self.put(Arc::clone(table)),
            TableChange::Alter { table, previous } => {
                if let Some(previous) = previous {
                    self.remove(previous);
                }
                self.put(Arc::clone(table));
            }
            TableChange::Drop(id) => drop(self.remove(id)),
        }
    }

    /// The mode of the statements that follow, as the binlog tells it for each.
    pub fn set_sql_mode(&mut self, sql_mode: SqlMode) {
        self.sql_mode = sql_mode;
    }

    fn rules(&self) -> Rules {
        Rules {
            ansi_quotes: self.sql_mode.ansi_quotes(),
            no_backslash_escapes: self.sql_mode.no_backslash_escapes(),
            is_mysql: self.options.dialect == Dialect::MySql,
        }
    }

    fn reading(&self) -> Reading {
        Reading {
            comments: self.options.comments,
            dialect: self.options.dialect,
            sql_mode: self.sql_mode,
        }
    }

    /// Applies the statements of `sql`, `database` being the session's default.
    ///
    /// # Errors
    /// If a statement that changes a table cannot be read. Nothing of that statement has then been applied.
    pub fn apply(
        &mut self,
        database: &str,
        sql: &str,
    ) -> std::result::Result<Vec<DdlEvent>, DdlError> {
        let mut events = Vec::new();
        let mut database = database.to_owned();
        for statement in split(sql, self.rules()) {
            // Whatever is in the others, it is not even split into tokens.
            if self.may_matter(statement) {
                let mut parser = Parser::new(statement, self.rules());
                skip_set_statement(&mut parser)?;
                events.append(&mut self.statement(&mut parser, &mut database)?);
            }
        }
        if events.is_empty() {
            events.push(other(&database, sql.trim_matches(is_java_space)));
        }
        Ok(events)
    }

    fn may_matter(&self, statement: &str) -> bool {
        let words = [
            "CREATE", "ALTER", "DROP", "RENAME", "TRUNCATE", "USE", "SET",
        ];
        Lexer::new(statement, self.rules())
            .next()
            .is_some_and(|first| words.iter().any(|word| first.is_word(statement, word)))
    }

    fn statement(
        &mut self,
        parser: &mut Parser<'_>,
        database: &mut String,
    ) -> Result<Vec<DdlEvent>> {
        if parser.eat(&["CREATE"]) {
            return self.create(parser, database);
        }
        if parser.eat(&["ALTER"]) {
            parser.eat_any(&["ONLINE", "OFFLINE"]);
            parser.eat(&["IGNORE"]);
            if parser.eat(&["TABLE"]) {
                return self.alter_table(parser, database);
            }
            if parser.eat_any(&["DATABASE", "SCHEMA"]) {
                return self.database(parser, database, false);
            }
        } else if parser.eat(&["DROP"]) {
            return self.drop(parser, database);
        } else if parser.eat(&["RENAME"]) {
            if parser.eat_any(&["TABLE", "TABLES"]) {
                return self.rename_tables(parser, database);
            }
        } else if parser.eat(&["TRUNCATE"]) {
            parser.eat(&["TABLE"]);
            let id = parser.subject(database)?;
            return Ok(vec![event(parser, &id, DdlEventKind::Truncate(id.clone()))]);
        } else if parser.eat(&["USE"]) {
            *database = parser.name()?;
            return Ok(vec![other(database, &parser.statement())]);
        } else if parser.eat(&["SET"]) && self.set(parser) {
            return Ok(vec![other(database, &parser.statement())]);
        }
        Ok(Vec::new())
    }

    fn create(&mut self, parser: &mut Parser<'_>, database: &str) -> Result<Vec<DdlEvent>> {
        let replace = parser.eat(&["OR", "REPLACE"]);
        if parser.eat_any(&["DATABASE", "SCHEMA"]) {
            let mut events = self.database(parser, database, true)?;
            for event in &mut events {
                event.kind = DdlEventKind::Database;
            }
            return Ok(events);
        }
        // Rows of temporary tables are in no binlog.
        if parser.eat(&["TABLE"]) {
            return self.create_table(parser, database, replace);
        }
        parser.eat_any(&["ONLINE", "OFFLINE"]);
        if parser.eat(&["UNIQUE"]) && parser.eat(&["INDEX"]) {
            return self.create_unique_index(parser, database);
        }
        Ok(Vec::new())
    }

    fn created(&mut self, parser: &Parser<'_>, table: Table) -> DdlEvent {
        let table = Arc::new(table);
        self.put(Arc::clone(&table));
        let id = table.id.clone();
        let event = event(parser, &id, DdlEventKind::Table(TableChange::Create(table)));
        match self.options.dialect {
            Dialect::MariaDb => DdlEvent {
                statement: parser.statement_without_comments(),
                ..event
            },
            Dialect::MySql => event,
        }
    }

    /// `statement` is what the event shows.
    fn altered(
        &mut self,
        statement: &str,
        mut table: Table,
        previous: Option<TableId>,
    ) -> DdlEvent {
        fill_charsets(&mut table);
        let table = Arc::new(table);
        if let Some(previous) = &previous {
            self.remove(previous);
        }
        self.put(Arc::clone(&table));
        DdlEvent {
            kind: DdlEventKind::Table(TableChange::Alter {
                table: Arc::clone(&table),
                previous,
            }),
            ..other(table.id.catalog.as_deref().unwrap_or_default(), statement)
        }
    }
}

fn event(parser: &Parser<'_>, id: &TableId, kind: DdlEventKind) -> DdlEvent {
    DdlEvent {
        database: id.catalog.as_deref().unwrap_or_default().to_owned(),
        statement: parser.statement(),
        kind,
    }
}

fn other(database: &str, statement: &str) -> DdlEvent {
    DdlEvent {
        database: database.to_owned(),
        statement: statement.to_owned(),
        kind: DdlEventKind::Other,
    }
}

fn back_quoted(id: &TableId) -> String {
    id.parts()
        .map(|part| format!("`{}`", part.replace('`', "``")))
        .collect::<Vec<_>>()
        .join(".")
}

/// MariaDB's `SET STATEMENT a = 1, b = 2 FOR …`.
fn skip_set_statement(parser: &mut Parser<'_>) -> Result<()> {
    if parser.eat(&["SET", "STATEMENT"]) {
        while !parser.is_done() && !parser.eat(&["FOR"]) {
            parser.skip_one()?;
        }
        parser.begin();
    }
    Ok(())
}

/// What `String.trim` of Java takes away.
fn is_java_space(c: char) -> bool {
    c <= ' '
}

#[cfg(test)]
mod tests;
