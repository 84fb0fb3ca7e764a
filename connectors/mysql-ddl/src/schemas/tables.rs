//! `DROP` and `RENAME TABLE`.

use tidegate_relational::{Table, TableChange, TableId};

use super::{DdlEvent, DdlEventKind, Schemas, back_quoted, other};
use crate::lexer::Token;
use crate::parser::{Parser, Result};

impl Schemas {
    pub(super) fn drop(
        &mut self,
        parser: &mut Parser<'_>,
        database: &str,
    ) -> Result<Vec<DdlEvent>> {
        // Temporary tables are not tracked; one may have the name of another table.
        if parser.eat(&["TEMPORARY"]) {
            return Ok(Vec::new());
        }
        if parser.eat(&["INDEX"]) {
            return self.drop_index(parser, database);
        }
        if parser.eat(&["TABLE"]) || parser.eat(&["TABLES"]) {
            let if_exists = parser.eat_if_exists();
            let prefix = prefix(parser, "DROP TABLE ", if_exists);
            let mut events = Vec::new();
            loop {
                let id = parser.subject(database)?;
                self.remove(&id);
                events.push(DdlEvent {
                    database: id.catalog.as_deref().unwrap_or_default().to_owned(),
                    statement: format!("{prefix}{}", back_quoted(&id)),
                    kind: DdlEventKind::Table(TableChange::Drop(id)),
                });
                if !parser.eat_symbol(",") {
                    break;
                }
            }
            if parser.eat(&["WAIT"]) {
                parser.skip_one()?;
            }
            parser.eat(&["NOWAIT"]);
            if parser.at_any(&["CASCADE", "RESTRICT"])
                && let Some(suffix) = parser.next()
            {
                let suffix = suffix.source(parser.sql);
                for event in &mut events {
                    event.statement = format!("{} {suffix}", event.statement);
                }
            }
            return Ok(events);
        }
        if parser.eat(&["DATABASE"]) || parser.eat(&["SCHEMA"]) {
            parser.eat_if_exists();
            let name = parser.name()?;
            let same = |id: &TableId| {
                id.catalog.as_deref().is_some_and(|catalog| {
                    if self.options.ignore_case {
                        catalog.eq_ignore_ascii_case(&name)
                    } else {
                        catalog == name
                    }
                })
            };
            let known = self.tables.keys().chain(self.unknown_renames.keys());
            let gone: Vec<TableId> = known.filter(|id| same(id)).cloned().collect();
            for id in gone {
                self.remove(&id);
            }
            self.database_charsets.remove(&*self.database_key(&name));
            return Ok(vec![DdlEvent {
                kind: DdlEventKind::Database,
                ..other(&name, &parser.statement())
            }]);
        }
        Ok(Vec::new())
    }

    /// ``DROP INDEX `PRIMARY` `` is another way to drop the primary key.
    fn drop_index(&mut self, parser: &mut Parser<'_>, database: &str) -> Result<Vec<DdlEvent>> {
        parser.eat_if_exists();
        let name = parser.name()?;
        if !name.eq_ignore_ascii_case("PRIMARY") || !parser.eat(&["ON"]) {
            return Ok(Vec::new());
        }
        let id = parser.subject(database)?;
        let Some(table) = self.table(&id) else {
            return Ok(Vec::new());
        };
        let mut table = (**table).clone();
        table.primary_key.clear();
        Ok(vec![self.altered(&parser.statement(), table, None)])
    }

    pub(super) fn rename_tables(
        &mut self,
        parser: &mut Parser<'_>,
        database: &str,
    ) -> Result<Vec<DdlEvent>> {
        let if_exists = parser.eat_if_exists();
        let prefix = prefix(parser, "RENAME TABLE ", if_exists);
        let mut events = Vec::new();
        loop {
            let start = parser.peek().map_or(0, Token::start);
            let from = parser.subject(database)?;
            while !parser.is_done() && !parser.eat(&["TO"]) {
                parser.skip_one()?;
            }
            let to = parser.table(database)?;
            let end = parser.end_of_last();
            // Of this pair alone: the whole statement may have thousands.
            let statement = format!("{prefix}{}", parser.recorded(start, end));
            if let Some(table) = self.table(&from) {
                let table = Table {
                    id: to,
                    ..(**table).clone()
                };
                events.push(self.altered(&statement, table, Some(from)));
            } else {
                events.push(DdlEvent {
                    kind: DdlEventKind::Renamed(to.clone()),
                    ..other(to.catalog.as_deref().unwrap_or_default(), &statement)
                });
                self.renamed_unknown(&from, &to, statement);
            }
            if !parser.eat_symbol(",") {
                return Ok(events);
            }
        }
    }
}

/// The text of a statement in front of its first table, with its comments. Each of its tables shows it once more: one that is
/// long becomes `words` and `IF EXISTS`.
fn prefix(parser: &Parser<'_>, words: &str, if_exists: bool) -> String {
    const LONGEST: usize = 4 << 10;
    let text = parser.recorded_prefix();
    let is_whole = parser.peek().is_none_or(|next| !next.executable);
    match (text.len(), if_exists) {
        (..=LONGEST, _) if is_whole => text,
        (_, true) => format!("{words}IF EXISTS "),
        (_, false) => words.to_owned(),
    }
}
