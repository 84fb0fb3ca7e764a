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
            let mut events = Vec::new();
            let prefix = if if_exists {
                "DROP TABLE IF EXISTS "
            } else {
                "DROP TABLE "
            };
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
            let suffix = ["CASCADE", "RESTRICT"]
                .into_iter()
                .find(|word| parser.eat(&[word]));
            if let Some(suffix) = suffix {
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
            let gone: Vec<TableId> = self.tables.keys().filter(|id| same(id)).cloned().collect();
            for id in gone {
                self.tables.remove(&id);
            }
            self.database_charsets.remove(&*self.database_key(&name));
            return Ok(vec![DdlEvent {
                kind: DdlEventKind::Database,
                ..other(&name, parser.sql)
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
        Ok(vec![self.altered(parser, table, None)])
    }

    pub(super) fn rename_tables(
        &mut self,
        parser: &mut Parser<'_>,
        database: &str,
    ) -> Result<Vec<DdlEvent>> {
        parser.eat_if_exists();
        let mut events = Vec::new();
        loop {
            let start = parser.peek().map_or(0, Token::start);
            let from = parser.subject(database)?;
            while !parser.is_done() && !parser.eat(&["TO"]) {
                parser.skip_one()?;
            }
            let to = parser.table(database)?;
            let end = parser.end_of_last();
            if let Some(table) = self.table(&from) {
                let table = Table {
                    id: to,
                    ..(**table).clone()
                };
                let mut event = self.altered(parser, table, Some(from));
                let pair = parser.sql.get(start..end).unwrap_or_default().trim_end();
                event.statement = format!("RENAME TABLE {pair}");
                events.push(event);
            }
            if !parser.eat_symbol(",") {
                return Ok(events);
            }
        }
    }
}
