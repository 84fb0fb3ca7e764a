//! `CREATE TABLE` and `CREATE UNIQUE INDEX`.

use std::sync::Arc;

use tidegate_relational::Table;

use super::table::{TableBuilder, use_unique_key};
use super::{DdlEvent, Schemas};
use crate::charset::Charset;
use crate::parser::{Parser, Result};

impl Schemas {
    pub(super) fn create_table(
        &mut self,
        parser: &mut Parser<'_>,
        database: &str,
        replace: bool,
    ) -> Result<Vec<DdlEvent>> {
        let if_not_exists = parser.eat_if_not_exists();
        let id = parser.subject(database)?;
        if self.table(&id).is_some() && if_not_exists && !replace {
            return Ok(Vec::new());
        }
        let in_parentheses = parser.at_symbol("(");
        let mark = parser.mark();
        if in_parentheses {
            parser.eat_symbol("(");
        }
        if parser.eat(&["LIKE"]) {
            let like = parser.table(database)?;
            let Some(source) = self.table(&like) else {
                return Ok(Vec::new());
            };
            let table = Table {
                id: id.clone(),
                comment: None,
                ..(**source).clone()
            };
            return Ok(vec![self.created(parser, table)]);
        }
        parser.reset(mark);
        if !in_parentheses {
            // `CREATE TABLE t SELECT …` without columns is logged with them; this text alone says nothing.
            return Ok(Vec::new());
        }
        let mut builder = TableBuilder::new(id, self.reading());
        parser.expect_symbol("(")?;
        loop {
            builder.element(parser)?;
            if parser.eat_symbol(")") {
                break;
            }
            parser.expect_symbol(",")?;
        }
        let (mut charset, mut comment) = (Charset::default(), None);
        while !parser.is_done() && !parser.at_any(&["PARTITION", "SELECT", "AS"]) {
            if parser.charset(&mut charset)? {
                continue;
            }
            if parser.eat(&["COMMENT"]) {
                parser.eat_symbol("=");
                comment = parser.string();
            } else {
                parser.skip_one()?;
            }
        }
        let charset = charset
            .name()
            .map(str::to_owned)
            .or_else(|| self.charset_of(&builder.table.id));
        builder.table.default_charset = charset.map(Arc::from);
        builder.table.comment = comment.filter(|_| self.options.comments).map(Arc::from);
        let table = builder.finish();
        Ok(vec![self.created(parser, table)])
    }

    pub(super) fn create_unique_index(
        &mut self,
        parser: &mut Parser<'_>,
        database: &str,
    ) -> Result<Vec<DdlEvent>> {
        parser.eat_if_not_exists();
        parser.name()?;
        while !parser.is_done() && !parser.eat(&["ON"]) {
            parser.skip_one()?;
        }
        let id = parser.subject(database)?;
        let Some(columns) = parser.key_parts()? else {
            return Ok(Vec::new());
        };
        let Some(table) = self.table(&id) else {
            return Ok(Vec::new());
        };
        if !table.primary_key.is_empty() {
            return Ok(Vec::new());
        }
        // As in the original, the table has been altered even if a nullable column keeps the index from being its key.
        let mut table = (**table).clone();
        use_unique_key(&mut table, &columns);
        Ok(vec![self.altered(&parser.statement(), table, None)])
    }
}
