//! `ALTER TABLE`.
//!
//! All clauses name the columns of the table as it was, except that `AFTER` and keys name those that will be. As on the
//! server, columns are therefore dropped, changed and renamed first, then those that are new or move take their places, in
//! the order of the statement. Clauses that come one after the other would get `ADD a INT, DROP a` and
//! `RENAME COLUMN a TO b, RENAME COLUMN b TO a` wrong.
//!
//! Source: MySQL `mysql_prepare_alter_table`.

use std::sync::Arc;

use tidegate_relational::{Column, Table, TableChange, TableId};

use super::table::{
    MAX_COLUMNS, TableBuilder, is_key_element, not_null_keys, spell_key_as_columns, too_many,
    use_unique_key,
};
use super::{DdlEvent, DdlEventKind, Dialect, Schemas, event};
use crate::DdlError;
use crate::charset::Charset;
use crate::column::{Definition, Reading, is_text, set_charset};
use crate::default::default_expression;
use crate::lexer::Kind;
use crate::parser::{Parser, Result};

impl Schemas {
    pub(super) fn alter_table(
        &mut self,
        parser: &mut Parser<'_>,
        database: &str,
    ) -> Result<Vec<DdlEvent>> {
        parser.eat_if_exists();
        let id = parser.subject(database)?;
        let Some(table) = self.table(&id).cloned() else {
            self.altered_unknown(parser, &id, database);
            return Ok(Vec::new());
        };
        let mut alter = Alter::of(&table, self.reading());
        if parser.eat(&["WAIT"]) {
            parser.skip_one()?;
        }
        parser.eat(&["NOWAIT"]);
        let mut clauses = 0;
        loop {
            clauses += 1;
            if clauses > MAX_CLAUSES {
                return Err(parser.error(format!("it has more than {MAX_CLAUSES} clauses")));
            }
            alter.clause(parser, database)?;
            parser.skip_clause()?;
            if !parser.eat_symbol(",") {
                break;
            }
        }
        let mut events = Vec::new();
        if let Some(id) = alter.converted.take() {
            events.push(self.convert_partition(parser, &table, id));
        }
        if alter.database_charset {
            // MariaDB means the table's database, MySQL the session's.
            let charset = match self.options.dialect {
                Dialect::MariaDb => self.charset_of(&id),
                Dialect::MySql => self.charset_of(&TableId::in_database(database, "")),
            };
            let charset = charset.map(Arc::from);
            alter.convert(charset);
        }
        let renamed = alter.renamed.take();
        let mut table = alter.finish(parser)?;
        let previous = renamed.map(|new| std::mem::replace(&mut table.id, new));
        events.push(self.altered(&parser.statement(), table, previous));
        Ok(events)
    }

    /// A partition becomes a table like the one that it belongs to, or the other way round.
    fn convert_partition(
        &mut self,
        parser: &Parser<'_>,
        table: &Table,
        conversion: Conversion,
    ) -> DdlEvent {
        match conversion {
            Conversion::ToTable(id) => {
                let table = Table {
                    id,
                    ..table.clone()
                };
                self.created(parser, table)
            }
            Conversion::FromTable(id) => {
                self.remove(&id);
                event(
                    parser,
                    &id,
                    DdlEventKind::Table(TableChange::Drop(id.clone())),
                )
            }
        }
    }
}

/// Each clause looks through all columns; servers come to their own end much earlier.
const MAX_CLAUSES: usize = 50_000;

/// `CONVERT PARTITION p TO TABLE t`, `CONVERT TABLE t TO PARTITION p`
enum Conversion {
    ToTable(TableId),
    FromTable(TableId),
}

enum Place {
    Last,
    First,
    After(String),
}

enum Placed {
    New(Column),
    /// The column of this name stays where it was until its turn comes; others may be placed after it there.
    Moved(Arc<str>),
}

/// Clauses of one `ALTER TABLE`.
struct Alter {
    /// Without the columns.
    table: Table,
    columns: Vec<Existing>,
    /// New columns and those that move, in the order of the statement.
    placed: Vec<(Placed, Place)>,
    reading: Reading,
    /// Columns of unique keys that were added.
    uniques: Vec<Vec<String>>,
    primary_key: Option<Vec<Arc<str>>>,
    /// Columns that became a part of the primary key by their own definition.
    key_columns: Vec<Arc<str>>,
    /// Parts of the primary key, by index, that get another name.
    renamed_keys: Vec<(usize, Arc<str>)>,
    /// Parts of the primary key that go away.
    dropped_keys: Vec<usize>,
    renamed: Option<TableId>,
    converted: Option<Conversion>,
    /// The database's charset is asked for.
    database_charset: bool,
}

/// A column of the table as it was and what becomes of it.
struct Existing {
    name: Arc<str>,
    /// `None` if it is dropped.
    column: Option<Column>,
}

impl Alter {
    fn of(table: &Table, reading: Reading) -> Self {
        let columns = table.columns.iter().map(|column| Existing {
            name: Arc::clone(&column.name),
            column: Some(column.clone()),
        });
        Self {
            columns: columns.collect(),
            table: Table {
                columns: Vec::new(),
                ..table.clone()
            },
            placed: Vec::new(),
            reading,
            uniques: Vec::new(),
            primary_key: None,
            key_columns: Vec::new(),
            renamed_keys: Vec::new(),
            dropped_keys: Vec::new(),
            renamed: None,
            converted: None,
            database_charset: false,
        }
    }

    fn existing(&mut self, name: &str) -> Option<&mut Existing> {
        self.columns
            .iter_mut()
            .find(|column| column.name.eq_ignore_ascii_case(name))
    }

    fn missing(&self, parser: &Parser<'_>, column: &str) -> DdlError {
        parser.error(format!(
            "Trying to change column {column} in {} table, which does not exist",
            self.table.id
        ))
    }

    fn clause(&mut self, parser: &mut Parser<'_>, database: &str) -> Result<()> {
        if parser.eat(&["ADD"]) {
            return self.add(parser);
        }
        if parser.eat(&["CHANGE"]) {
            return self.change(parser, true);
        }
        if parser.eat(&["MODIFY"]) {
            return self.change(parser, false);
        }
        if parser.eat(&["DROP"]) {
            return self.drop(parser);
        }
        if parser.eat(&["RENAME"]) {
            return self.rename(parser, database);
        }
        if parser.eat(&["ALTER"]) {
            return self.alter_column(parser);
        }
        if parser.eat(&["CONVERT"]) {
            return self.convert_clause(parser, database);
        }
        if parser.eat(&["ORDER", "BY"]) {
            // The list's commas are not those between clauses.
            loop {
                parser.column_name()?;
                parser.eat_any(&["ASC", "DESC"]);
                let mark = parser.mark();
                if !parser.eat_symbol(",")
                    || parser.at_any(&["ADD", "DROP", "ALTER", "CHANGE", "RENAME", "CONVERT"])
                {
                    parser.reset(mark);
                    return Ok(());
                }
            }
        }
        self.options(parser)
    }

    /// Options of the table stand behind each other without commas, too.
    fn options(&mut self, parser: &mut Parser<'_>) -> Result<()> {
        let mut charset = Charset::default();
        while !parser.at_end_of_clause() && !parser.at(&["PARTITION"]) {
            if parser.charset(&mut charset)? {
                continue;
            }
            if parser.eat(&["COMMENT"]) {
                parser.eat_symbol("=");
                let comment = parser.string();
                self.table.comment = comment.filter(|_| self.reading.comments).map(Arc::from);
            } else {
                parser.skip_one()?;
            }
        }
        if let Some(charset) = charset.name() {
            self.table.default_charset = Some(Arc::from(charset));
        }
        Ok(())
    }

    fn convert_clause(&mut self, parser: &mut Parser<'_>, database: &str) -> Result<()> {
        if parser.eat(&["PARTITION"]) {
            parser.name()?;
            if parser.eat(&["TO", "TABLE"]) {
                self.converted = Some(Conversion::ToTable(parser.table(database)?));
            }
        } else if parser.eat(&["TABLE"]) {
            self.converted = Some(Conversion::FromTable(parser.table(database)?));
        } else if parser.eat(&["TO"]) {
            let mut charset = Charset::default();
            while parser.charset(&mut charset)? {}
            match charset.name() {
                Some(charset) => self.convert(Some(Arc::from(charset))),
                None => self.database_charset = true,
            }
        }
        Ok(())
    }

    /// `CONVERT TO CHARACTER SET`: of the columns as they were.
    fn convert(&mut self, charset: Option<Arc<str>>) {
        let Some(charset) = charset else { return };
        let columns = self.columns.iter_mut().filter_map(|it| it.column.as_mut());
        for column in columns.filter(|column| is_text(column)) {
            set_charset(column, &charset);
        }
        self.table.default_charset = Some(charset);
    }

    fn add(&mut self, parser: &mut Parser<'_>) -> Result<()> {
        if is_key_element(parser) {
            return self.add_key(parser);
        }
        if parser.at_any(&["PARTITION"])
            || parser.at(&["SYSTEM", "VERSIONING"])
            || parser.at(&["PERIOD", "FOR"])
        {
            return Ok(());
        }
        parser.eat(&["COLUMN"]);
        let if_not_exists = parser.eat_if_not_exists();
        if !parser.eat_symbol("(") {
            return self.add_column(parser, if_not_exists);
        }
        loop {
            if is_key_element(parser) {
                self.add_key(parser)?;
            } else {
                self.add_column(parser, if_not_exists)?;
            }
            if parser.eat_symbol(")") {
                return Ok(());
            }
            parser.expect_symbol(",")?;
        }
    }

    fn add_key(&mut self, parser: &mut Parser<'_>) -> Result<()> {
        let is_kept = parser.at(&["PRIMARY", "KEY", "IF", "NOT", "EXISTS"])
            && !self.table.primary_key.is_empty();
        let mut builder = TableBuilder::new(self.table.id.clone(), self.reading);
        builder.element(parser)?;
        if !builder.table.primary_key.is_empty() && !is_kept {
            self.primary_key = Some(builder.table.primary_key);
        }
        self.uniques.append(&mut builder.uniques);
        if self.uniques.len() > MAX_COLUMNS {
            return Err(too_many(parser, "keys"));
        }
        Ok(())
    }

    fn add_column(&mut self, parser: &mut Parser<'_>, if_not_exists: bool) -> Result<()> {
        let name = parser.column_name()?;
        let definition = Definition::parse(parser, &name, self.reading)?;
        let place = place(parser)?;
        if if_not_exists && self.existing(&name).is_some_and(|it| it.column.is_some()) {
            return Ok(());
        }
        if self.placed.len() >= MAX_COLUMNS {
            return Err(too_many(parser, "columns"));
        }
        self.keys_of(&definition);
        self.placed
            .push((Placed::New(definition.column), place.unwrap_or(Place::Last)));
        Ok(())
    }

    fn keys_of(&mut self, definition: &Definition) {
        let name = &definition.column.name;
        if definition.primary_key {
            self.key_columns.push(Arc::clone(name));
        }
        if definition.unique {
            self.uniques.push(vec![name.to_string()]);
        }
    }

    fn change(&mut self, parser: &mut Parser<'_>, is_change: bool) -> Result<()> {
        parser.eat(&["COLUMN"]);
        let if_exists = parser.eat_if_exists();
        let old = parser.column_name()?;
        let new = if is_change {
            parser.column_name()?
        } else {
            old.clone()
        };
        let mut definition = Definition::parse(parser, &new, self.reading)?;
        let place = place(parser)?;
        let Some(existing) = self.existing(&old) else {
            return if if_exists {
                Ok(())
            } else {
                Err(self.missing(parser, &old))
            };
        };
        // As in the original: CHANGE keeps the comment, MODIFY starts anew.
        if is_change && definition.column.comment.is_none() {
            let before = existing.column.take();
            definition.column.comment = before.and_then(|column| column.comment);
        }
        self.rename_in_key(&old, &new);
        self.keys_of(&definition);
        if let Some(place) = place {
            let name = Arc::clone(&definition.column.name);
            self.placed.push((Placed::Moved(name), place));
        }
        if let Some(existing) = self.existing(&old) {
            existing.column = Some(definition.column);
        }
        Ok(())
    }

    fn rename(&mut self, parser: &mut Parser<'_>, database: &str) -> Result<()> {
        if parser.eat(&["COLUMN"]) {
            let if_exists = parser.eat_if_exists();
            let from = parser.column_name()?;
            parser.eat(&["TO"]);
            let to = parser.column_name()?;
            let Some(existing) = self.existing(&from) else {
                return if if_exists {
                    Ok(())
                } else {
                    Err(self.missing(parser, &from))
                };
            };
            if let Some(column) = &mut existing.column {
                column.name = Arc::from(to.as_str());
            }
            self.rename_in_key(&from, &to);
            return Ok(());
        }
        if parser.at_any(&["INDEX", "KEY"]) {
            return Ok(());
        }
        let _ = parser.eat_any(&["TO", "AS"]) || parser.eat_symbol("=");
        self.renamed = Some(parser.table(database)?);
        Ok(())
    }

    /// The key is kept by old names until the end; two columns may swap theirs.
    fn rename_in_key(&mut self, from: &str, to: &str) {
        let index = self
            .table
            .primary_key
            .iter()
            .position(|key| key.eq_ignore_ascii_case(from));
        if let Some(index) = index {
            self.renamed_keys.push((index, Arc::from(to)));
        }
    }

    fn drop(&mut self, parser: &mut Parser<'_>) -> Result<()> {
        if parser.eat(&["PRIMARY", "KEY"]) {
            self.table.primary_key.clear();
            return Ok(());
        }
        let not_a_column = [
            "INDEX",
            "KEY",
            "FOREIGN",
            "CONSTRAINT",
            "CHECK",
            "PARTITION",
            "SYSTEM",
            "PERIOD",
        ];
        let next_is_name = parser
            .peek_at(1)
            .is_some_and(|token| token.kind != Kind::Symbol);
        if next_is_name && parser.at_any(&not_a_column) {
            let drops_key = parser.eat_any(&["INDEX", "KEY", "CONSTRAINT"]);
            parser.eat_if_exists();
            if drops_key && parser.name()?.eq_ignore_ascii_case("PRIMARY") {
                self.table.primary_key.clear();
            }
            return Ok(());
        }
        parser.eat(&["COLUMN"]);
        parser.eat_if_exists();
        let name = parser.column_name()?;
        if let Some(existing) = self.existing(&name) {
            existing.column = None;
        }
        let index = self
            .table
            .primary_key
            .iter()
            .position(|key| key.eq_ignore_ascii_case(&name));
        self.dropped_keys.extend(index);
        Ok(())
    }

    fn alter_column(&mut self, parser: &mut Parser<'_>) -> Result<()> {
        if parser.at_any(&["INDEX", "KEY", "CONSTRAINT", "CHECK"]) {
            return Ok(());
        }
        parser.eat(&["COLUMN"]);
        let if_exists = parser.eat_if_exists();
        let name = parser.column_name()?;
        let missing = self.missing(parser, &name);
        let reading = self.reading;
        let Some(existing) = self.existing(&name) else {
            return if if_exists { Ok(()) } else { Err(missing) };
        };
        let Some(column) = &mut existing.column else {
            return Ok(());
        };
        if parser.eat(&["SET", "DEFAULT"]) {
            let expression = default_expression(parser, column, reading)?;
            column.default_expression = expression.map(Arc::from);
            column.has_default = true;
        } else if parser.eat(&["DROP", "DEFAULT"]) {
            column.default_expression = None;
            column.has_default = column.optional;
        }
        Ok(())
    }

    fn finish(self, parser: &Parser<'_>) -> Result<Table> {
        let mut table = self.table;
        table.columns = self
            .columns
            .into_iter()
            .filter_map(|it| it.column)
            .collect();
        for (placed, place) in self.placed {
            let column = match placed {
                // As in the original, a column that is added again replaces the one that is there.
                Placed::New(column) => match (table.column_index(&column.name), &place) {
                    (Some(index), Place::Last) => {
                        table.columns[index] = column;
                        continue;
                    }
                    (Some(index), _) => {
                        table.columns.remove(index);
                        column
                    }
                    (None, _) => column,
                },
                Placed::Moved(name) => match table.column_index(&name) {
                    Some(index) => table.columns.remove(index),
                    None => continue,
                },
            };
            let at = match &place {
                Place::Last => table.columns.len(),
                Place::First => 0,
                Place::After(name) => {
                    let after = table.column_index(name).ok_or_else(|| {
                        parser.error(format!(
                            "Trying to put column {} behind {name} in {} table, which does not exist",
                            column.name, table.id
                        ))
                    })?;
                    after + 1
                }
            };
            table.columns.insert(at, column);
        }
        for (index, name) in self.renamed_keys {
            if let Some(key) = table.primary_key.get_mut(index) {
                *key = name;
            }
        }
        let mut index = 0..;
        table.primary_key.retain(|_| {
            let index = index.next();
            index.is_none_or(|index| !self.dropped_keys.contains(&index))
        });
        if let Some(primary_key) = self.primary_key {
            table.primary_key = primary_key;
        }
        // The server takes it only if there is no primary key: what has stood for it is a unique one.
        if !self.key_columns.is_empty() {
            table.primary_key = self.key_columns;
        }
        if let Some(name) = table
            .primary_key
            .iter()
            .find(|key| table.column(key).is_none())
        {
            return Err(parser.error(format!(
                "The column \"{name}\" is referenced as PRIMARY KEY, but a matching column is not defined in table \"{}\"!",
                table.id
            )));
        }
        spell_key_as_columns(&mut table);
        not_null_keys(&mut table);
        // A table without primary key takes the first unique key without nullable columns.
        for unique in &self.uniques {
            if !table.primary_key.is_empty() || use_unique_key(&mut table, unique) {
                break;
            }
        }
        Ok(table)
    }
}

/// `FIRST` or `AFTER x`.
fn place(parser: &mut Parser<'_>) -> Result<Option<Place>> {
    if parser.eat(&["FIRST"]) {
        return Ok(Some(Place::First));
    }
    if parser.eat(&["AFTER"]) {
        return Ok(Some(Place::After(parser.column_name()?)));
    }
    Ok(None)
}
