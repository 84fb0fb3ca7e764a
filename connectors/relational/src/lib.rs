//! Tables and columns as source connectors know them: what DDL parsers produce, schema histories store and value
//! converters read. Pure.
//!
//! Source: Debezium `io.debezium.relational.{TableId,Table,Column}`.

pub mod masking;
mod row;
pub mod table_plan;
pub mod table_reader;

use std::fmt;
use std::sync::Arc;

pub use row::Row;

/// Name of a table. MySQL and MariaDB have a catalog (their "database") and no schema; SQL Server has both.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableId {
    pub catalog: Option<Arc<str>>,
    pub schema: Option<Arc<str>>,
    pub table: Arc<str>,
}

impl TableId {
    /// A table of a MySQL or MariaDB database.
    pub fn in_database(database: impl Into<Arc<str>>, table: impl Into<Arc<str>>) -> Self {
        Self {
            catalog: Some(database.into()),
            schema: None,
            table: table.into(),
        }
    }

    /// The parts that exist, from the outside in.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.catalog
            .as_deref()
            .into_iter()
            .chain(self.schema.as_deref())
            .chain(std::iter::once(&*self.table))
    }

    /// Each part in double quotes, quotes inside doubled: the `id` of schema history records.
    pub fn to_double_quoted(&self) -> String {
        self.parts()
            .map(|part| format!("\"{}\"", part.replace('"', "\"\"")))
            .collect::<Vec<_>>()
            .join(".")
    }

    /// The id for look-ups where names are not case-sensitive.
    #[must_use]
    pub fn to_lowercase(&self) -> Self {
        let lower = |part: &Arc<str>| Arc::from(part.to_lowercase());
        Self {
            catalog: self.catalog.as_ref().map(lower),
            schema: self.schema.as_ref().map(lower),
            table: lower(&self.table),
        }
    }
}

/// Parts joined by dots, as filters and log messages have them.
impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for part in self.parts() {
            write!(f, "{separator}{part}")?;
            separator = ".";
        }
        Ok(())
    }
}

/// A column. Field for field what a schema history record keeps.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "the original's record has them"
)]
pub struct Column {
    pub name: Arc<str>,
    /// Code of `java.sql.Types` that the original's parser assigns.
    pub jdbc_type: i32,
    /// The connector's own type code, where it has one.
    pub native_type: Option<i32>,
    /// Upper case, as typed: `INT UNSIGNED`, `DOUBLE PRECISION`.
    pub type_name: Arc<str>,
    /// Same as `type_name` for MySQL and MariaDB.
    pub type_expression: Arc<str>,
    pub charset: Option<Arc<str>>,
    pub length: Option<i32>,
    pub scale: Option<i32>,
    pub optional: bool,
    pub auto_incremented: bool,
    pub generated: bool,
    pub comment: Option<Arc<str>>,
    /// True with `default_expression: None` for nullable columns without DEFAULT and for expression defaults.
    pub has_default: bool,
    pub default_expression: Option<Arc<str>>,
    /// Options of ENUM and SET with their SQL quotes: `'a'`.
    pub enum_values: Vec<Arc<str>>,
}

/// A table. Columns are in order; a column's position is its index plus one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    pub id: TableId,
    pub columns: Vec<Column>,
    pub primary_key: Vec<Arc<str>>,
    pub default_charset: Option<Arc<str>>,
    pub comment: Option<Arc<str>>,
}

impl Table {
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns
            .iter()
            .find(|column| column.name.eq_ignore_ascii_case(name))
    }
    pub fn column_index(&self, name: &str) -> Option<usize> {
        self.columns
            .iter()
            .position(|column| column.name.eq_ignore_ascii_case(name))
    }
    pub fn is_primary_key_column(&self, name: &str) -> bool {
        self.primary_key
            .iter()
            .any(|key| key.eq_ignore_ascii_case(name))
    }
}

/// What a statement did to a table; the `tableChanges` of a schema history record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableChange {
    Create(Arc<Table>),
    /// `previous` is the old name after a RENAME.
    Alter {
        table: Arc<Table>,
        previous: Option<TableId>,
    },
    Drop(TableId),
}

impl TableChange {
    /// The table's name after the change.
    pub fn id(&self) -> &TableId {
        match self {
            Self::Create(table) | Self::Alter { table, .. } => &table.id,
            Self::Drop(id) => id,
        }
    }
}
