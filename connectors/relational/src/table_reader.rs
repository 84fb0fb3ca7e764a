//! Tables that are read as typed rows, whole or by ranges of their primary keys, on one consistent view.

use async_trait::async_trait;
use tidegate_api::ConnectError;

use crate::Row;
use crate::table_plan::{FieldType, TablePlan};

/// A place between the rows of a table: the cells of a primary key as the server prints them, in the key's order. They are
/// exact, whatever settings make of values; to another table or product they mean nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyBound(pub Vec<Vec<u8>>);

/// Which rows are read, in the order of the primary key; by default all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyRange {
    /// Only rows behind this key.
    pub after: Option<KeyBound>,
    /// Only rows up to this key, its own included.
    pub up_to: Option<KeyBound>,
    /// No more rows than this.
    pub limit: Option<u64>,
}

impl KeyRange {
    pub fn is_whole_table(&self) -> bool {
        *self == Self::default()
    }
}

/// Rows that were read together.
#[derive(Debug, Default)]
pub struct RowBatch {
    pub rows: Vec<Row>,
    /// Key of the last row; `None` without rows, and for a table that cannot be read by ranges.
    pub last: Option<KeyBound>,
}

/// Reads tables on one consistent view of a database; several may share one view. Dropping it closes its connection at
/// once, whatever it is about.
#[async_trait]
pub trait TableReader: Send {
    type Field: FieldType;

    /// Begins to read rows of a table. They come in the order of the primary key, if the table can be read by ranges. A reader
    /// whose rows are not read to their end has to be dropped.
    ///
    /// # Errors
    /// If the table cannot be read by ranges and `range` is not the whole table, or the server refuses.
    async fn read<'a>(
        &'a mut self,
        plan: &'a TablePlan<Self::Field>,
        range: &KeyRange,
    ) -> Result<Box<dyn RowBatches + 'a>, ConnectError>;
}

/// Rows on their way.
#[async_trait]
pub trait RowBatches: Send {
    /// The next rows, `most` of them or fewer at the end; none behind it. Not cancel-safe: rows of a call that is dropped are
    /// lost.
    ///
    /// # Errors
    /// If the connection is lost, or a value cannot be converted.
    async fn next(&mut self, most: usize) -> Result<RowBatch, ConnectError>;
}
