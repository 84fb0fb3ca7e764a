//! All tables that statements have made so far, and the effect of the next one.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tidegate_relational::{Column, Table, TableChange, TableId};

use crate::DdlError;
use crate::column::{Definition, default_expression, is_text};
use crate::parser::{Parser, Result, charset_of_collation};

/// How statements are read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
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
    /// A database, a variable, or nothing that is tracked.
    Other,
}

/// The known tables and what decides about those to come.
#[derive(Debug, Clone, Default)]
pub struct Schemas {
    options: Options,
    tables: BTreeMap<TableId, Arc<Table>>,
    database_charsets: HashMap<String, String>,
    server_charset: Option<String>,
    ansi_quotes: bool,
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
        self.tables.insert(self.key(&table.id), table);
    }
    pub fn remove(&mut self, id: &TableId) -> Option<Arc<Table>> {
        self.tables.remove(&self.key(id))
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
        for statement in split(sql, self.ansi_quotes) {
            let mut parser = Parser::new(statement, self.ansi_quotes);
            skip_set_statement(&mut parser)?;
            let mut one = self.statement(&mut parser, &mut database)?;
            if one.is_empty() {
                one.push(other(&database, statement));
            }
            events.append(&mut one);
        }
        Ok(events)
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
            if parser.eat(&["DATABASE"]) || parser.eat(&["SCHEMA"]) {
                return self.database(parser, database, false);
            }
        } else if parser.eat(&["DROP"]) {
            return self.drop(parser, database);
        } else if parser.eat(&["RENAME"]) {
            if parser.eat(&["TABLE"]) || parser.eat(&["TABLES"]) {
                return self.rename_tables(parser, database);
            }
        } else if parser.eat(&["TRUNCATE"]) {
            parser.eat(&["TABLE"]);
            let id = parser.table(database)?;
            return Ok(vec![event(parser, &id, DdlEventKind::Truncate(id.clone()))]);
        } else if parser.eat(&["USE"]) {
            *database = parser.name()?;
        } else if parser.eat(&["SET"]) {
            self.set(parser)?;
        }
        Ok(Vec::new())
    }

    fn create(&mut self, parser: &mut Parser<'_>, database: &str) -> Result<Vec<DdlEvent>> {
        let replace = parser.eat(&["OR", "REPLACE"]);
        if parser.eat(&["DATABASE"]) || parser.eat(&["SCHEMA"]) {
            return self.database(parser, database, true);
        }
        parser.eat(&["TEMPORARY"]);
        if parser.eat(&["TABLE"]) {
            return self.create_table(parser, database, replace);
        }
        let unique = parser.eat(&["UNIQUE"]);
        parser.eat_any(&["ONLINE", "OFFLINE"]);
        if unique && parser.eat(&["INDEX"]) {
            return self.create_unique_index(parser, database);
        }
        Ok(Vec::new())
    }

    fn create_unique_index(
        &mut self,
        parser: &mut Parser<'_>,
        database: &str,
    ) -> Result<Vec<DdlEvent>> {
        parser.eat(&["IF", "NOT", "EXISTS"]);
        parser.name()?;
        while !parser.is_done() && !parser.eat(&["ON"]) {
            parser.skip_one()?;
        }
        let id = parser.table(database)?;
        let Some(columns) = parser.key_parts()? else {
            return Ok(Vec::new());
        };
        let Some(table) = self.table(&id) else {
            return Ok(Vec::new());
        };
        let mut table = (**table).clone();
        if !table.primary_key.is_empty() || !use_unique_key(&mut table, &columns) {
            return Ok(Vec::new());
        }
        Ok(vec![self.altered(parser, table, None)])
    }

    fn create_table(
        &mut self,
        parser: &mut Parser<'_>,
        database: &str,
        replace: bool,
    ) -> Result<Vec<DdlEvent>> {
        let if_not_exists = parser.eat(&["IF", "NOT", "EXISTS"]);
        let id = parser.table(database)?;
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
        let mut builder = TableBuilder::new(id, self.options.comments);
        parser.expect_symbol("(")?;
        loop {
            builder.element(parser)?;
            if parser.eat_symbol(")") {
                break;
            }
            parser.expect_symbol(",")?;
        }
        let (mut charset, mut collation_charset, mut comment) = (None, None, None);
        while !parser.is_done() && !parser.at_symbol(";") && !parser.at(&["PARTITION"]) {
            if parser.charset(&mut charset)? || parser.collation(&mut collation_charset)? {
                continue;
            }
            if parser.eat(&["COMMENT"]) {
                parser.eat_symbol("=");
                comment = parser.string();
            } else if parser.at(&["SELECT"]) || parser.at(&["AS"]) {
                break;
            } else {
                parser.skip_one()?;
            }
        }
        let charset = charset
            .or(collation_charset)
            .or_else(|| self.charset_of(&builder.table.id));
        builder.table.default_charset = charset.map(Arc::from);
        builder.table.comment = comment.filter(|_| self.options.comments).map(Arc::from);
        let table = builder.finish();
        Ok(vec![self.created(parser, table)])
    }

    fn charset_of(&self, id: &TableId) -> Option<String> {
        let database = id.catalog.as_deref().unwrap_or_default();
        self.database_charsets
            .get(database)
            .cloned()
            .or_else(|| self.server_charset.clone())
    }

    fn created(&mut self, parser: &Parser<'_>, table: Table) -> DdlEvent {
        let table = Arc::new(table);
        self.put(Arc::clone(&table));
        let id = table.id.clone();
        event(parser, &id, DdlEventKind::Table(TableChange::Create(table)))
    }

    fn altered(
        &mut self,
        parser: &Parser<'_>,
        mut table: Table,
        previous: Option<TableId>,
    ) -> DdlEvent {
        fill_charsets(&mut table);
        let table = Arc::new(table);
        if let Some(previous) = &previous {
            self.remove(previous);
        }
        self.put(Arc::clone(&table));
        let id = table.id.clone();
        event(
            parser,
            &id,
            DdlEventKind::Table(TableChange::Alter { table, previous }),
        )
    }

    fn drop(&mut self, parser: &mut Parser<'_>, database: &str) -> Result<Vec<DdlEvent>> {
        parser.eat(&["TEMPORARY"]);
        if parser.eat(&["TABLE"]) || parser.eat(&["TABLES"]) {
            let if_exists = parser.eat(&["IF", "EXISTS"]);
            let mut events = Vec::new();
            let prefix = if if_exists {
                "DROP TABLE IF EXISTS "
            } else {
                "DROP TABLE "
            };
            loop {
                let id = parser.table(database)?;
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
            parser.eat(&["IF", "EXISTS"]);
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
            self.database_charsets.remove(&name);
            return Ok(vec![other(&name, parser.sql)]);
        }
        Ok(Vec::new())
    }

    fn rename_tables(&mut self, parser: &mut Parser<'_>, database: &str) -> Result<Vec<DdlEvent>> {
        parser.eat(&["IF", "EXISTS"]);
        let mut events = Vec::new();
        loop {
            let start = parser.peek().map_or(0, |token| token.start);
            let from = parser.table(database)?;
            while !parser.is_done() && !parser.eat(&["TO"]) {
                parser.skip_one()?;
            }
            let to = parser.table(database)?;
            let end = parser
                .mark()
                .checked_sub(1)
                .and_then(|_| parser.peek().map(|token| token.start))
                .unwrap_or(parser.sql.len());
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

    /// `CREATE` or `ALTER DATABASE`.
    fn database(
        &mut self,
        parser: &mut Parser<'_>,
        current: &str,
        create: bool,
    ) -> Result<Vec<DdlEvent>> {
        parser.eat(&["IF", "NOT", "EXISTS"]);
        let mut charset = None;
        let named = create
            || !(parser.at(&["DEFAULT"])
                || parser.at(&["CHARACTER"])
                || parser.at(&["CHARSET"])
                || parser.at(&["COLLATE"]));
        let name = if named {
            parser.name()?
        } else {
            current.to_owned()
        };
        let mut collation_charset = None;
        while !parser.is_done() && !parser.at_symbol(";") {
            if !parser.charset(&mut charset)? && !parser.collation(&mut collation_charset)? {
                parser.skip_one()?;
            }
        }
        match charset.or(collation_charset) {
            Some(charset) => drop(self.database_charsets.insert(name.clone(), charset)),
            None if create => drop(self.database_charsets.remove(&name)),
            None => {}
        }
        Ok(vec![other(&name, parser.sql)])
    }

    /// `SET name = value, …`; only charsets and the mode matter.
    fn set(&mut self, parser: &mut Parser<'_>) -> Result<()> {
        loop {
            parser.eat_any(&["GLOBAL", "SESSION", "LOCAL", "PERSIST", "PERSIST_ONLY"]);
            let Some(token) = parser.next() else {
                return Ok(());
            };
            let mut name = token.text.trim_start_matches('@').to_ascii_lowercase();
            while parser.eat_symbol(".") {
                name = parser.name()?.to_ascii_lowercase();
            }
            parser.eat_symbol(":");
            parser.eat_symbol("=");
            let value = parser.peek().map(|token| token.text.clone());
            match (name.as_str(), value) {
                ("character_set_server" | "character_set_database", Some(value)) => {
                    self.server_charset = Some(value.to_ascii_lowercase());
                }
                ("collation_server" | "collation_database", Some(value))
                    if self.server_charset.is_none() =>
                {
                    self.server_charset = charset_of_collation(&value);
                }
                ("sql_mode", Some(value)) => {
                    self.ansi_quotes = value
                        .to_ascii_uppercase()
                        .split(',')
                        .any(|mode| matches!(mode.trim(), "ANSI_QUOTES" | "ANSI"));
                }
                _ => {}
            }
            parser.skip_clause()?;
            if !parser.eat_symbol(",") {
                return Ok(());
            }
        }
    }

    fn alter_table(&mut self, parser: &mut Parser<'_>, database: &str) -> Result<Vec<DdlEvent>> {
        parser.eat(&["IF", "EXISTS"]);
        let id = parser.table(database)?;
        let Some(table) = self.table(&id).cloned() else {
            return Ok(Vec::new());
        };
        let mut alter = Alter {
            table: (*table).clone(),
            comments: self.options.comments,
            uniques: Vec::new(),
        };
        let mut renamed = None;
        if parser.eat(&["WAIT"]) {
            parser.skip_one()?;
        }
        parser.eat(&["NOWAIT"]);
        loop {
            alter.clause(parser, database, &mut renamed)?;
            parser.skip_clause()?;
            if !parser.eat_symbol(",") {
                break;
            }
        }
        alter.choose_key();
        let previous = renamed.map(|new| std::mem::replace(&mut alter.table.id, new));
        Ok(vec![self.altered(parser, alter.table, previous)])
    }
}

/// Clauses of `ALTER TABLE`, applied in order.
struct Alter {
    table: Table,
    comments: bool,
    /// Columns of unique keys that were added.
    uniques: Vec<Vec<String>>,
}

impl Alter {
    fn missing(&self, parser: &Parser<'_>, column: &str) -> DdlError {
        parser.error(format!(
            "Trying to change column {column} in {} table, which does not exist",
            self.table.id
        ))
    }

    fn clause(
        &mut self,
        parser: &mut Parser<'_>,
        database: &str,
        renamed: &mut Option<TableId>,
    ) -> Result<()> {
        if parser.eat(&["ADD"]) {
            return self.add(parser);
        }
        if parser.eat(&["CHANGE"]) || parser.eat(&["MODIFY"]) {
            let changes_name = parser.mark();
            parser.reset(changes_name - 1);
            let is_change = parser.at(&["CHANGE"]);
            parser.skip_one()?;
            return self.change(parser, is_change);
        }
        if parser.eat(&["DROP"]) {
            return self.drop(parser);
        }
        if parser.eat(&["RENAME"]) {
            if parser.eat(&["COLUMN"]) {
                parser.eat(&["IF", "EXISTS"]);
                let from = parser.name()?;
                parser.eat(&["TO"]);
                let to = parser.name()?;
                return self.rename_column(parser, &from, &to);
            }
            if parser.at(&["INDEX"]) || parser.at(&["KEY"]) {
                return Ok(());
            }
            let _ = parser.eat_any(&["TO", "AS"]) || parser.eat_symbol("=");
            *renamed = Some(parser.table(database)?);
            return Ok(());
        }
        if parser.eat(&["ALTER"]) {
            return self.alter_column(parser);
        }
        let mut charset = None;
        if parser.eat(&["CONVERT", "TO"]) {
            let mut collation = None;
            parser.charset(&mut charset)?;
            parser.collation(&mut collation)?;
            if let Some(charset) = charset.or(collation).map(Arc::<str>::from) {
                for column in self
                    .table
                    .columns
                    .iter_mut()
                    .filter(|column| is_text(column))
                {
                    column.charset = Some(Arc::clone(&charset));
                }
                self.table.default_charset = Some(charset);
            }
            return Ok(());
        }
        if parser.charset(&mut charset)? {
            self.table.default_charset = charset.map(Arc::from);
            return Ok(());
        }
        if parser.eat(&["COMMENT"]) {
            parser.eat_symbol("=");
            self.table.comment = parser.string().filter(|_| self.comments).map(Arc::from);
        }
        Ok(())
    }

    fn add(&mut self, parser: &mut Parser<'_>) -> Result<()> {
        if is_key_element(parser) {
            let mut builder = TableBuilder::new(self.table.id.clone(), self.comments);
            builder.element(parser)?;
            if !builder.table.primary_key.is_empty() {
                for name in &builder.table.primary_key {
                    if self.table.column(name).is_none() {
                        return Err(parser.error(format!(
                            "The column \"{name}\" is referenced as PRIMARY KEY, but a matching column is not defined in table \"{}\"!",
                            self.table.id
                        )));
                    }
                }
                self.table.primary_key = builder.table.primary_key;
                not_null_keys(&mut self.table);
            }
            self.uniques.append(&mut builder.uniques);
            let own = builder.unique_column.take();
            self.uniques.extend(own.map(|name| vec![name.to_string()]));
            return Ok(());
        }
        if parser.at(&["PARTITION"]) || parser.at(&["SYSTEM"]) || parser.at(&["PERIOD"]) {
            return Ok(());
        }
        parser.eat(&["COLUMN"]);
        let if_not_exists = parser.eat(&["IF", "NOT", "EXISTS"]);
        if parser.eat_symbol("(") {
            loop {
                if is_key_element(parser) {
                    self.add(parser)?;
                } else {
                    self.add_column(parser, if_not_exists)?;
                }
                if parser.eat_symbol(")") {
                    return Ok(());
                }
                parser.expect_symbol(",")?;
            }
        }
        self.add_column(parser, if_not_exists)
    }

    fn add_column(&mut self, parser: &mut Parser<'_>, if_not_exists: bool) -> Result<()> {
        let name = parser.name()?;
        let definition = Definition::parse(parser, &name, self.comments)?;
        if if_not_exists && self.table.column(&name).is_some() {
            return Ok(());
        }
        let place = self.place(parser, self.table.columns.len())?;
        self.insert(place, definition);
        Ok(())
    }

    fn insert(&mut self, place: usize, definition: Definition) {
        let name = Arc::clone(&definition.column.name);
        self.table
            .columns
            .insert(place.min(self.table.columns.len()), definition.column);
        if definition.primary_key && !self.table.is_primary_key_column(&name) {
            self.table.primary_key.push(Arc::clone(&name));
        }
        if definition.unique {
            self.uniques.push(vec![name.to_string()]);
        }
        not_null_keys(&mut self.table);
    }

    /// `FIRST` or `AFTER x`; else `default`.
    fn place(&self, parser: &mut Parser<'_>, default: usize) -> Result<usize> {
        if parser.eat(&["FIRST"]) {
            return Ok(0);
        }
        if parser.eat(&["AFTER"]) {
            let after = parser.name()?;
            let index = self
                .table
                .column_index(&after)
                .ok_or_else(|| self.missing(parser, &after))?;
            return Ok(index + 1);
        }
        Ok(default)
    }

    fn change(&mut self, parser: &mut Parser<'_>, is_change: bool) -> Result<()> {
        parser.eat(&["COLUMN"]);
        let if_exists = parser.eat(&["IF", "EXISTS"]);
        let old = parser.name()?;
        let new = if is_change {
            parser.name()?
        } else {
            old.clone()
        };
        let definition = Definition::parse(parser, &new, self.comments)?;
        let Some(index) = self.table.column_index(&old) else {
            return if if_exists {
                Ok(())
            } else {
                Err(self.missing(parser, &old))
            };
        };
        let before = self.table.columns.remove(index);
        let mut definition = definition;
        // As in the original: CHANGE keeps the comment, MODIFY starts anew.
        if is_change && definition.column.comment.is_none() {
            definition.column.comment = before.comment;
        }
        for key in &mut self.table.primary_key {
            if key.eq_ignore_ascii_case(&old) {
                *key = Arc::from(new.as_str());
            }
        }
        let place = self.place(parser, index)?;
        self.insert(place, definition);
        Ok(())
    }

    fn rename_column(&mut self, parser: &Parser<'_>, from: &str, to: &str) -> Result<()> {
        let index = self
            .table
            .column_index(from)
            .ok_or_else(|| self.missing(parser, from))?;
        self.table.columns[index].name = Arc::from(to);
        for key in &mut self.table.primary_key {
            if key.eq_ignore_ascii_case(from) {
                *key = Arc::from(to);
            }
        }
        Ok(())
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
            .is_some_and(|token| token.kind != crate::lexer::Kind::Symbol);
        if next_is_name && not_a_column.iter().any(|word| parser.at(&[word])) {
            return Ok(());
        }
        parser.eat(&["COLUMN"]);
        parser.eat(&["IF", "EXISTS"]);
        let name = parser.name()?;
        self.table
            .columns
            .retain(|column| !column.name.eq_ignore_ascii_case(&name));
        self.table
            .primary_key
            .retain(|key| !key.eq_ignore_ascii_case(&name));
        Ok(())
    }

    fn alter_column(&mut self, parser: &mut Parser<'_>) -> Result<()> {
        if parser.at(&["INDEX"]) || parser.at(&["CONSTRAINT"]) || parser.at(&["CHECK"]) {
            return Ok(());
        }
        parser.eat(&["COLUMN"]);
        parser.eat(&["IF", "EXISTS"]);
        let name = parser.name()?;
        let index = self
            .table
            .column_index(&name)
            .ok_or_else(|| self.missing(parser, &name))?;
        let column = &mut self.table.columns[index];
        if parser.eat(&["SET", "DEFAULT"]) {
            column.default_expression = default_expression(parser)?.map(Arc::from);
            column.has_default = true;
        } else if parser.eat(&["DROP", "DEFAULT"]) {
            column.default_expression = None;
            column.has_default = column.optional;
        }
        Ok(())
    }

    /// A table without primary key takes the first unique key without nullable columns.
    fn choose_key(&mut self) {
        if !self.table.primary_key.is_empty() {
            return;
        }
        for unique in std::mem::take(&mut self.uniques) {
            if use_unique_key(&mut self.table, &unique) {
                return;
            }
        }
    }
}

/// Whether a key, an index or a constraint comes next rather than a column.
fn is_key_element(parser: &Parser<'_>) -> bool {
    let words = [
        "PRIMARY",
        "UNIQUE",
        "INDEX",
        "KEY",
        "FULLTEXT",
        "SPATIAL",
        "VECTOR",
        "FOREIGN",
        "CONSTRAINT",
        "CHECK",
        "PERIOD",
    ];
    let Some(word) = words.iter().find(|word| parser.at(&[word])) else {
        return false;
    };
    match *word {
        // Columns may have these names; then a type follows.
        "PERIOD" => parser.at(&["PERIOD", "FOR"]),
        "VECTOR" => parser.at(&["VECTOR", "INDEX"]) || parser.at(&["VECTOR", "KEY"]),
        "PRIMARY" => parser.at(&["PRIMARY", "KEY"]),
        _ => true,
    }
}

/// A table as `CREATE TABLE` describes it.
struct TableBuilder {
    table: Table,
    comments: bool,
    /// The first column that is UNIQUE by itself.
    unique_column: Option<Arc<str>>,
    uniques: Vec<Vec<String>>,
}

impl TableBuilder {
    fn new(id: TableId, comments: bool) -> Self {
        let table = Table {
            id,
            columns: Vec::new(),
            primary_key: Vec::new(),
            default_charset: None,
            comment: None,
        };
        Self {
            table,
            comments,
            unique_column: None,
            uniques: Vec::new(),
        }
    }

    /// A column, key or constraint.
    fn element(&mut self, parser: &mut Parser<'_>) -> Result<()> {
        if !is_key_element(parser) {
            let name = parser.name()?;
            let definition = Definition::parse(parser, &name, self.comments)?;
            if definition.primary_key {
                self.table
                    .primary_key
                    .push(Arc::clone(&definition.column.name));
            }
            if definition.unique && self.unique_column.is_none() {
                self.unique_column = Some(Arc::clone(&definition.column.name));
            }
            self.table.columns.push(definition.column);
            return Ok(());
        }
        if parser.eat(&["CONSTRAINT"])
            && !(parser.at(&["PRIMARY"])
                || parser.at(&["UNIQUE"])
                || parser.at(&["FOREIGN"])
                || parser.at(&["CHECK"]))
        {
            parser.name()?;
        }
        let primary = parser.eat(&["PRIMARY", "KEY"]);
        let unique = !primary && parser.eat(&["UNIQUE"]);
        if primary || unique {
            while !parser.is_done() && !parser.at_symbol("(") {
                parser.skip_one()?;
            }
            let columns = parser.key_parts()?;
            match columns {
                Some(columns) if primary => {
                    self.table.primary_key = columns.into_iter().map(Arc::from).collect();
                }
                Some(columns) => self.uniques.push(columns),
                None => {}
            }
        }
        parser.skip_clause()
    }

    fn finish(mut self) -> Table {
        // Names in keys take the spelling of the columns.
        for key in &mut self.table.primary_key {
            if let Some(column) = self
                .table
                .columns
                .iter()
                .find(|column| column.name.eq_ignore_ascii_case(key))
            {
                *key = Arc::clone(&column.name);
            }
        }
        not_null_keys(&mut self.table);
        // As in the original: a column's own UNIQUE is the key even if the column is nullable.
        if self.table.primary_key.is_empty() {
            self.table.primary_key.extend(self.unique_column.take());
        }
        if self.table.primary_key.is_empty() {
            for unique in &self.uniques {
                if use_unique_key(&mut self.table, unique) {
                    break;
                }
            }
        }
        fill_charsets(&mut self.table);
        self.table
    }
}

fn not_null_keys(table: &mut Table) {
    for column in &mut table.columns {
        if table
            .primary_key
            .iter()
            .any(|key| key.eq_ignore_ascii_case(&column.name))
            && column.optional
        {
            Definition::force_not_null(column);
        }
    }
}

/// Takes a unique key for the primary one, if all of its columns exist and none is nullable.
fn use_unique_key(table: &mut Table, columns: &[String]) -> bool {
    let found: Option<Vec<&Column>> = columns.iter().map(|name| table.column(name)).collect();
    match found {
        Some(found) if !found.is_empty() && found.iter().all(|column| !column.optional) => {
            table.primary_key = found
                .iter()
                .map(|column| Arc::clone(&column.name))
                .collect();
            true
        }
        _ => false,
    }
}

/// Text columns without a charset of their own have the table's.
fn fill_charsets(table: &mut Table) {
    for column in table
        .columns
        .iter_mut()
        .filter(|column| column.charset.is_none() && is_text(column))
    {
        column.charset.clone_from(&table.default_charset);
    }
}

fn event(parser: &Parser<'_>, id: &TableId, kind: DdlEventKind) -> DdlEvent {
    DdlEvent {
        database: id.catalog.as_deref().unwrap_or_default().to_owned(),
        statement: parser.sql.to_owned(),
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
    }
    Ok(())
}

/// Statements between semicolons, without the semicolons and outer comments. Bodies of routines hold semicolons: a text
/// that begins like one stays whole.
fn split(sql: &str, ansi_quotes: bool) -> Vec<&str> {
    let tokens = crate::lexer::tokens(sql, ansi_quotes);
    let is_routine = tokens.iter().take(12).any(|token| {
        [
            "PROCEDURE",
            "FUNCTION",
            "TRIGGER",
            "EVENT",
            "BEGIN",
            "PACKAGE",
        ]
        .iter()
        .any(|word| token.text.eq_ignore_ascii_case(word))
    });
    let mut statements = Vec::new();
    let mut start = None;
    let mut end = 0;
    for token in &tokens {
        if token.kind == crate::lexer::Kind::Symbol && token.text == ";" && !is_routine {
            statements.extend(start.take().and_then(|start: usize| sql.get(start..end)));
            continue;
        }
        start.get_or_insert(token.start);
        end = token.end;
    }
    statements.extend(start.and_then(|start| sql.get(start..end)));
    statements
}

#[cfg(test)]
mod tests;
