//! Tables as typed rows, by the text protocol, in one read-only transaction.
//!
//! A range is one statement that the server answers row by row. It may be read by ranges if the server compares each
//! column of the primary key with a literal exactly as it sorts the column.

use std::fmt::Write as _;

use async_trait::async_trait;
use mysql_async::{Row, Value};
use tidegate_api::{ConnectError, ErrorKind};
use tidegate_relational::table_reader::{KeyBound, KeyRange, RowBatch, RowBatches, TableReader};

use crate::MySqlError;
use crate::queries::{quoted, quoted_id};
use crate::rows::{TablePlan, TablePlanExt as _};
use crate::sessions::{Rows, Session, next_row};
use crate::values::convert::Target;

/// Reads tables as they were when it began.
#[derive(Debug)]
pub struct MySqlReader {
    session: Option<Session>,
    sql: String,
    /// Whether rows are still to be read.
    is_reading: bool,
}

impl MySqlReader {
    /// A reader whose view begins now; `session` is its own from now on.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn begin(mut session: Session) -> Result<Self, MySqlError> {
        for sql in [
            "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
        ] {
            session.query_drop(sql).await?;
        }
        Ok(Self {
            session: Some(session),
            sql: String::new(),
            is_reading: false,
        })
    }

    /// Ends it in order, if no rows are left.
    pub async fn finish(mut self) {
        if let Some(session) = self.session.take().filter(|_| !self.is_reading) {
            session.disconnect().await;
        }
    }
}

#[async_trait]
impl TableReader for MySqlReader {
    type Field = Target;

    async fn read<'a>(
        &'a mut self,
        plan: &'a TablePlan,
        range: &KeyRange,
    ) -> Result<Box<dyn RowBatches + 'a>, ConnectError> {
        if self.is_reading {
            // The client library would read the rest of the rows first.
            self.session = None;
        }
        let Some(session) = &mut self.session else {
            let text = "the rows of an earlier read were not read to their end";
            return Err(failure(MySqlError::Connection(text.to_owned())));
        };
        let key = key_of(plan);
        if let Err(problem) = &key
            && !range.is_whole_table()
        {
            let text = format!(
                "Table '{}' cannot be read by ranges: {problem}",
                plan.table.id
            );
            return Err(ConnectError::fatal(text));
        }
        let key = key.unwrap_or_default();
        self.sql = select(plan, &key, range).map_err(ConnectError::fatal)?;
        let limit = session.limit();
        let rows = session
            .query_stream(&self.sql)
            .await
            .map_err(|error| failure(error.into()))?;
        self.is_reading = true;
        Ok(Box::new(Batches {
            rows,
            plan,
            key_cells: key.iter().map(|column| column.index).collect(),
            cells: None,
            limit,
            is_reading: &mut self.is_reading,
        }))
    }
}

fn failure(error: MySqlError) -> ConnectError {
    ConnectError::new(error.kind(), error)
}

struct Batches<'a> {
    rows: Rows<'a>,
    plan: &'a TablePlan,
    /// Columns of the key, from 0.
    key_cells: Vec<usize>,
    /// Where the columns of the table are in the result.
    cells: Option<Vec<Option<usize>>>,
    limit: Option<std::time::Duration>,
    is_reading: &'a mut bool,
}

#[async_trait]
impl RowBatches for Batches<'_> {
    async fn next(&mut self, most: usize) -> Result<RowBatch, ConnectError> {
        let mut batch = RowBatch::default();
        let mut last: Option<Row> = None;
        while *self.is_reading && batch.rows.len() < most {
            let row = next_row(&mut self.rows, self.limit)
                .await
                .map_err(failure)?;
            let Some(row) = row else {
                *self.is_reading = false;
                break;
            };
            let (plan, cells) = (self.plan, &mut self.cells);
            let cells = cells.get_or_insert_with(|| plan.cells_of(row.columns_ref()));
            let values = plan.text_row(&row, cells);
            let values = values.map_err(|error| ConnectError::new(ErrorKind::Fatal, error))?;
            batch.rows.push(values);
            last = Some(row);
        }
        if let (Some(row), Some(cells)) = (last, &self.cells)
            && !self.key_cells.is_empty()
        {
            let text = |index: &usize| match row.as_ref(cells[*index]?)? {
                Value::Bytes(bytes) => Some(bytes.clone()),
                _ => None,
            };
            batch.last = self
                .key_cells
                .iter()
                .map(text)
                .collect::<Option<_>>()
                .map(KeyBound);
        }
        Ok(batch)
    }
}

/// How the cells of a key's column are written in a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Literal {
    /// Digits, with sign and point.
    Number,
    /// Signs of dates, times, addresses and UUIDs.
    Quoted,
    Text,
    Bytes,
}

impl Literal {
    /// `None` for types that the server does not compare as it sorts them: ENUM is sorted by numbers and compared by texts,
    /// and what it prints of a FLOAT is not all of it.
    fn of(target: &Target) -> Option<Self> {
        match target {
            Target::Boolean
            | Target::Int16
            | Target::Int32
            | Target::Int64
            | Target::UnsignedDecimal
            | Target::Decimal { .. }
            | Target::DecimalAsFloat64
            | Target::DecimalAsString { .. } => Some(Self::Number),
            Target::Year
            | Target::Date(_)
            | Target::Time(_)
            | Target::DateTime(_)
            | Target::Timestamp { .. }
            | Target::Uuid
            | Target::Inet4
            | Target::Inet6 => Some(Self::Quoted),
            Target::String(_) => Some(Self::Text),
            Target::Bytes(_) => Some(Self::Bytes),
            Target::Float32
            | Target::Float64
            | Target::FloatAsFloat64
            | Target::Bit
            | Target::Bits { .. }
            | Target::Enum(_)
            | Target::Set(_)
            | Target::Json
            | Target::Point(_)
            | Target::Geometry(_)
            | Target::FloatVector => None,
        }
    }

    /// `None` if the cell is none of this kind. Needs no escapes, whatever `sql_mode` makes of them.
    fn print(self, cell: &[u8]) -> Option<String> {
        let only = |is_sign: fn(&u8) -> bool| {
            let text = std::str::from_utf8(cell).ok();
            text.filter(|text| !text.is_empty() && text.bytes().all(|sign| is_sign(&sign)))
        };
        match self {
            Self::Number => only(|sign| sign.is_ascii_digit() || b"-.".contains(sign))
                .filter(|text| text.rfind('-').is_none_or(|at| at == 0))
                .map(ToOwned::to_owned),
            Self::Quoted => only(|sign| sign.is_ascii_alphanumeric() || b"-.: ".contains(sign))
                .map(|text| format!("'{text}'")),
            Self::Text => Some(format!("_utf8mb4 x'{}'", hex(cell))),
            Self::Bytes => Some(format!("x'{}'", hex(cell))),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text cannot fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}

#[derive(Debug, Clone)]
struct KeyColumn {
    /// From 0.
    index: usize,
    name: String,
    literal: Literal,
}

/// The primary key; an error says why the table has no ranges.
fn key_of(plan: &TablePlan) -> Result<Vec<KeyColumn>, String> {
    let table = &plan.table;
    if table.primary_key.is_empty() {
        return Err("it has no primary key".to_owned());
    }
    let column = |name: &std::sync::Arc<str>| {
        let index = table
            .column_index(name)
            .ok_or_else(|| format!("its key has the unknown column '{name}'"))?;
        let column = &table.columns[index];
        if column.optional {
            return Err(format!("column '{name}' of its key may be null"));
        }
        let literal = match plan.columns()[index].field_type() {
            Some(target) => Literal::of(target),
            None => Target::of(column, plan.settings())?
                .as_ref()
                .and_then(Literal::of),
        };
        let literal = literal.ok_or_else(|| {
            format!(
                "column '{name}' of its key has type {}, which is sorted otherwise than it is compared",
                column.type_name
            )
        })?;
        Ok(KeyColumn {
            index,
            name: quoted(&column.name),
            literal,
        })
    };
    table.primary_key.iter().map(column).collect()
}

/// Reads the columns that row or key show: others may be large, or closed to the user. `more` are names in quotes.
pub fn select_shown<'a>(plan: &TablePlan, more: impl IntoIterator<Item = &'a String>) -> String {
    let shown = plan.shown_columns();
    let mut columns: Vec<String> = shown.map(|column| quoted(&column.name)).collect();
    for name in more {
        if !columns.contains(name) {
            columns.push(name.clone());
        }
    }
    if columns.is_empty() {
        columns.push("NULL".to_owned());
    }
    let columns = columns.join(", ");
    format!("SELECT {columns} FROM {}", quoted_id(&plan.table.id))
}

/// Reads what row or key show, and the primary key.
fn select(plan: &TablePlan, key: &[KeyColumn], range: &KeyRange) -> Result<String, String> {
    let mut sql = select_shown(plan, key.iter().map(|column| &column.name));
    let bounds = [(&range.after, '>', ""), (&range.up_to, '<', "=")];
    let conditions = bounds.into_iter().filter_map(|(bound, sign, end)| {
        let bound = bound.as_ref()?;
        Some(literals(plan, key, bound).map(|cells| beyond(&cells, sign, end)))
    });
    let conditions = conditions.collect::<Result<Vec<_>, String>>()?;
    if !conditions.is_empty() {
        sql = format!("{sql} WHERE {}", conditions.join(" AND "));
    }
    if !key.is_empty() {
        let names: Vec<&str> = key.iter().map(|column| &*column.name).collect();
        sql = format!("{sql} ORDER BY {}", names.join(", "));
    }
    if let Some(limit) = range.limit {
        sql = format!("{sql} LIMIT {limit}");
    }
    Ok(sql)
}

/// Names of the key's columns with the literals of a bound.
fn literals<'a>(
    plan: &TablePlan,
    key: &'a [KeyColumn],
    bound: &KeyBound,
) -> Result<Vec<(&'a str, String)>, String> {
    let wrong = |what: &str| format!("Table '{}': a bound of its key {what}", plan.table.id);
    if bound.0.len() != key.len() {
        return Err(wrong(&format!(
            "has {} of {} cells",
            bound.0.len(),
            key.len()
        )));
    }
    let pairs = key.iter().zip(&bound.0);
    let print = |(column, cell): (&'a KeyColumn, &Vec<u8>)| {
        let literal = column.literal.print(cell);
        let literal = literal.ok_or_else(|| wrong(&format!("does not fit {}", column.name)))?;
        Ok((&*column.name, literal))
    };
    pairs.map(print).collect()
}

/// Rows on one side of a bound: `(a, b) > (1, 2)` in the form for which servers read the range of an index. The last column
/// is compared with `sign` and `end`.
fn beyond(cells: &[(&str, String)], sign: char, end: &str) -> String {
    match cells {
        [] => "TRUE".to_owned(),
        [(name, literal)] => format!("{name} {sign}{end} {literal}"),
        [(name, literal), rest @ ..] => format!(
            "{name} {sign}= {literal} AND ({name} {sign} {literal} OR {})",
            match rest {
                [_] => beyond(rest, sign, end),
                _ => format!("({})", beyond(rest, sign, end)),
            }
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tidegate_mysql_ddl::Schemas;
    use tidegate_relational::TableId;

    use super::*;
    use crate::values::ValueConfig;

    fn plan(columns: &str, excluded: &str) -> TablePlan {
        let mut schemas = Schemas::default();
        let statement = format!("CREATE TABLE `o``x` ({columns})");
        schemas.apply("d", &statement).expect("a statement");
        let table = schemas.table(&TableId::in_database("d", "o`x"));
        TablePlan::build(
            Arc::clone(table.expect("a table")),
            ValueConfig::default(),
            "t.Value",
            "t.Key",
            &|column| &*column.name != excluded,
            Some(&[]),
            &|_| None,
        )
        .expect("a plan")
    }

    fn range(after: &[&str], up_to: &[&str], limit: Option<u64>) -> KeyRange {
        let bound = |cells: &[&str]| {
            let cells = cells.iter().map(|cell| cell.as_bytes().to_vec()).collect();
            Some(KeyBound(cells)).filter(|bound| !bound.0.is_empty())
        };
        KeyRange {
            after: bound(after),
            up_to: bound(up_to),
            limit,
        }
    }

    #[track_caller]
    fn check(plan: &TablePlan, range: &KeyRange, expected: &str) {
        let key = key_of(plan).unwrap_or_default();
        assert_eq!(select(plan, &key, range).as_deref(), Ok(expected));
    }

    #[test]
    fn statements_read_what_is_shown_and_the_key() {
        let whole = KeyRange::default();
        let sql = "SELECT `a``b` FROM `d`.`o``x`";
        check(&plan("`a``b` INT, c INT", "c"), &whole, sql);
        let sql = "SELECT `v`, `i``d` FROM `d`.`o``x` ORDER BY `i``d`";
        let keyed = plan("`i``d` BIGINT PRIMARY KEY, v INT", "i`d");
        check(&keyed, &whole, sql);
        let sql = "SELECT `v`, `i``d` FROM `d`.`o``x` WHERE `i``d` > -5 AND `i``d` <= 7 ORDER BY `i``d` LIMIT 9";
        check(&keyed, &range(&["-5"], &["7"], Some(9)), sql);
    }

    #[test]
    fn keys_of_several_columns_are_compared_one_after_the_other() {
        let plan = plan("a INT, b VARCHAR(9), c DATE, PRIMARY KEY (b, c, a)", "");
        let (b, c, a) = ("'\\", "2024-01-02", "3");
        let text = "_utf8mb4 x'275c'";
        check(
            &plan,
            &range(&[b, c, a], &[], None),
            &format!(
                "SELECT `a`, `b`, `c` FROM `d`.`o``x` WHERE `b` >= {text} AND (`b` > {text} OR (`c` >= '2024-01-02' AND (`c` > '2024-01-02' OR `a` > 3))) ORDER BY `b`, `c`, `a`"
            ),
        );
        check(
            &plan,
            &range(&[], &[b, c, a], None),
            &format!(
                "SELECT `a`, `b`, `c` FROM `d`.`o``x` WHERE `b` <= {text} AND (`b` < {text} OR (`c` <= '2024-01-02' AND (`c` < '2024-01-02' OR `a` <= 3))) ORDER BY `b`, `c`, `a`"
            ),
        );
    }

    #[test]
    fn cells_that_are_no_key_make_no_statement() {
        let plan = plan("a INT, d DATETIME, PRIMARY KEY (a, d)", "");
        let key = key_of(&plan).expect("a key");
        for cells in [
            &["1"][..],
            &["1 OR 1", "2024-01-02"],
            &["1--", "2024-01-02"],
            &["", "2024-01-02"],
            &["1", "2024' OR '"],
        ] {
            let error = select(&plan, &key, &range(cells, &[], None)).expect_err("no key");
            assert!(error.contains("'d.o`x'"), "{error}");
        }
    }

    #[test]
    fn tables_without_ranges_say_why() {
        #[track_caller]
        fn check(columns: &str, part: &str) {
            let error = key_of(&plan(columns, "")).expect_err(part);
            assert!(error.contains(part), "{error}");
        }
        check("a INT", "no primary key");
        check(
            "e ENUM('b','a') PRIMARY KEY",
            "'e' of its key has type ENUM",
        );
        check("f FLOAT PRIMARY KEY", "'f' of its key has type FLOAT");
    }
}
