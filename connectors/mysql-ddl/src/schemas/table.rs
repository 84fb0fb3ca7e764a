//! A table as its columns, keys and constraints describe it.

use std::sync::Arc;

use tidegate_relational::{Column, Table, TableId};

use crate::DdlError;
use crate::column::{Definition, Reading, is_text, set_charset};
use crate::parser::{Parser, Result};

/// Columns, keys and columns of keys that a table may have. Servers take no more columns and far fewer keys; each key looks
/// for its columns among all.
pub(super) const MAX_COLUMNS: usize = 4_096;

pub(super) fn too_many(parser: &Parser<'_>, what: &str) -> DdlError {
    parser.error(format!("it has more than {MAX_COLUMNS} {what}"))
}

/// Whether a key, an index or a constraint comes next rather than a column.
pub(super) fn is_key_element(parser: &Parser<'_>) -> bool {
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
pub(super) struct TableBuilder {
    pub(super) table: Table,
    pub(super) uniques: Vec<Vec<String>>,
    reading: Reading,
    /// The first column that is UNIQUE by itself.
    unique_column: Option<Arc<str>>,
    /// Name, first and last column.
    periods: Vec<[String; 3]>,
}

impl TableBuilder {
    pub(super) fn new(id: TableId, reading: Reading) -> Self {
        let table = Table {
            id,
            columns: Vec::new(),
            primary_key: Vec::new(),
            default_charset: None,
            comment: None,
        };
        Self {
            table,
            uniques: Vec::new(),
            reading,
            unique_column: None,
            periods: Vec::new(),
        }
    }

    /// A column, key or constraint.
    pub(super) fn element(&mut self, parser: &mut Parser<'_>) -> Result<()> {
        if !is_key_element(parser) {
            let name = parser.column_name()?;
            let definition = Definition::parse(parser, &name, self.reading)?;
            if definition.primary_key {
                self.table
                    .primary_key
                    .push(Arc::clone(&definition.column.name));
            }
            if definition.unique && self.unique_column.is_none() {
                self.unique_column = Some(Arc::clone(&definition.column.name));
            }
            self.table.columns.push(definition.column);
            if self.table.columns.len() > MAX_COLUMNS {
                return Err(too_many(parser, "columns"));
            }
            return Ok(());
        }
        if parser.eat(&["PERIOD", "FOR"]) {
            self.period(parser)?;
            return parser.skip_clause();
        }
        if parser.eat(&["CONSTRAINT"]) {
            parser.eat_if_not_exists();
            if !parser.at_any(&["PRIMARY", "UNIQUE", "FOREIGN", "CHECK"]) {
                parser.name()?;
            }
        }
        let primary = parser.eat(&["PRIMARY", "KEY"]);
        let unique = !primary && parser.eat(&["UNIQUE"]);
        if primary || unique {
            while !parser.is_done() && !parser.at_symbol("(") {
                parser.skip_one()?;
            }
            let columns = parser.key_parts()?;
            let parts = columns.as_ref().map_or(0, Vec::len);
            if parts > MAX_COLUMNS || self.uniques.len() >= MAX_COLUMNS {
                return Err(too_many(parser, "keys or columns of a key"));
            }
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

    /// `PERIOD FOR name (first, last)`: the columns of a period cannot be null.
    fn period(&mut self, parser: &mut Parser<'_>) -> Result<()> {
        let name = parser.name()?;
        if let Some([first, last]) = parser
            .key_parts()?
            .and_then(|columns| <[String; 2]>::try_from(columns).ok())
        {
            for column in &mut self.table.columns {
                if [&first, &last]
                    .iter()
                    .any(|end| column.name.eq_ignore_ascii_case(end))
                {
                    Definition::force_not_null(column);
                }
            }
            self.periods.push([name, first, last]);
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Table {
        for [name, first, last] in &self.periods {
            let key = &mut self.table.primary_key;
            // In a key a period stands for its columns, the end first.
            if let Some(at) = key.iter().position(|part| part.eq_ignore_ascii_case(name)) {
                key.splice(at..=at, [last, first].map(|end| Arc::from(end.as_str())));
            }
        }
        spell_key_as_columns(&mut self.table);
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

/// Names in keys take the spelling of the columns.
pub(super) fn spell_key_as_columns(table: &mut Table) {
    for key in &mut table.primary_key {
        if let Some(column) = table
            .columns
            .iter()
            .find(|column| column.name.eq_ignore_ascii_case(key))
        {
            *key = Arc::clone(&column.name);
        }
    }
}

pub(super) fn not_null_keys(table: &mut Table) {
    for column in &mut table.columns {
        if table
            .primary_key
            .iter()
            .any(|key| key.eq_ignore_ascii_case(&column.name))
        {
            Definition::force_not_null(column);
        }
    }
}

/// Takes a unique key for the primary one, if all of its columns exist and none is nullable.
pub(super) fn use_unique_key(table: &mut Table, columns: &[String]) -> bool {
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
pub(super) fn fill_charsets(table: &mut Table) {
    for column in table.columns.iter_mut().filter(|column| is_text(column)) {
        let charset = column.charset.clone().or(table.default_charset.clone());
        if let Some(charset) = charset {
            set_charset(column, &charset);
        }
    }
}
