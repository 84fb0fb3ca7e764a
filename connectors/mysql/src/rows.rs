//! The steps from a row image or a result row to the values of a table's plan.

use std::fmt;
use std::sync::Arc;

use bitvec::slice::BitSlice;
use mysql_async::binlog::events::TableMapEvent;
use tidegate_api::Value;
use tidegate_relational::table_plan::{self, PlanError, RowValues};
use tidegate_relational::{Column, Row};

use crate::values::convert::{Origin, Target, is_unsigned};
use crate::values::raw::Raw;
use crate::values::wire::WireType;
use crate::values::{EventFailure, FailureHandling, ValueError, text};

/// A table of MySQL or MariaDB.
pub type TablePlan = table_plan::TablePlan<Target>;

/// What the server's rows are to a plan.
pub trait TablePlanExt {
    /// For each column of the table, its place in a result: a statement of the user's own may have fewer columns, or others
    /// in another order (`snapshot.select.statement.overrides`).
    fn cells_of(&self, result: &[mysql_async::Column]) -> Vec<Option<usize>>;

    /// One row of the snapshot's SELECT in the text protocol, the session's time zone being UTC and its character set
    /// utf8mb4. `cells` comes from [`Self::cells_of`]; columns without a cell are null.
    ///
    /// # Errors
    /// If a value does not fit its column.
    fn text_row(&self, row: &mysql_async::Row, cells: &[Option<usize>]) -> Result<Row, ValueError>;

    /// Decoder of the rows events that follow `map`; `compressed` are the columns that MariaDB compresses, from 0. `None` for
    /// another server.
    ///
    /// # Errors
    /// If the table map does not match this version of the table.
    fn decoder(
        self: &Arc<Self>,
        map: &TableMapEvent<'_>,
        compressed: Option<&[usize]>,
    ) -> Result<RowDecoder, ValueError>;

    /// # Errors
    /// If the columns have other names in the log, where that tells as many.
    fn check_names(&self, names: &[String]) -> Result<(), ValueError>;
}

impl TablePlanExt for TablePlan {
    fn cells_of(&self, result: &[mysql_async::Column]) -> Vec<Option<usize>> {
        let place = |column: &Column| {
            result
                .iter()
                .position(|cell| cell.name_str().eq_ignore_ascii_case(&column.name))
        };
        self.table.columns.iter().map(place).collect()
    }

    fn text_row(&self, row: &mysql_async::Row, cells: &[Option<usize>]) -> Result<Row, ValueError> {
        let mut values = RowValues::new(self);
        for (index, plan) in self.columns().iter().enumerate() {
            let Some(target) = plan.field_type() else {
                continue;
            };
            let cell = cells.get(index).copied().flatten();
            let value = match cell.and_then(|cell| row.as_ref(cell)) {
                Some(mysql_async::Value::Bytes(bytes)) => match text::read(target, bytes) {
                    Some(raw) => convert(self, index, raw, Origin::Snapshot, &"the snapshot")?,
                    None => {
                        let problem = "its text is not one of this type".to_owned();
                        failed(self, index, problem, &"the snapshot")?
                    }
                },
                _ => plan.null().clone(),
            };
            values.put(index, value);
        }
        Ok(values.finish())
    }

    fn decoder(
        self: &Arc<Self>,
        map: &TableMapEvent<'_>,
        compressed: Option<&[usize]>,
    ) -> Result<RowDecoder, ValueError> {
        let count = usize::try_from(map.columns_count()).unwrap_or(usize::MAX);
        if compressed.is_none() || !has_versions(self, map, count) {
            check_count(self, count)?;
        }
        let wire_of = |index: usize| {
            let wire = WireType::of(map, index).map_err(|problem| {
                let (table, column, type_name) = place_of(self, index);
                PlanError::Column {
                    table,
                    column,
                    type_name,
                    problem,
                }
            })?;
            Ok::<_, ValueError>(if compressed.is_some_and(|all| all.contains(&index)) {
                wire.compressed()
            } else {
                wire
            })
        };
        let wire = (0..count).map(wire_of).collect::<Result<_, _>>()?;
        Ok(RowDecoder::new(Arc::clone(self), wire))
    }

    fn check_names(&self, names: &[String]) -> Result<(), ValueError> {
        let own = self.table.columns.iter().map(|column| &*column.name);
        let mut pairs = own.zip(names).zip(1..);
        let other = pairs.find(|((own, name), _)| own.to_lowercase() != name.to_lowercase());
        match other {
            Some(((own, name), place)) if names.len() == self.columns().len() => {
                Err(ValueError::ColumnName {
                    table: self.table.id.to_string(),
                    place,
                    expected: own.to_owned(),
                    actual: name.clone(),
                })
            }
            _ => Ok(()),
        }
    }
}

/// A plan bound to the types that a table map announced.
#[derive(Debug)]
pub struct RowDecoder {
    plan: Arc<TablePlan>,
    wire: Box<[WireType]>,
    /// One per column of the plan.
    unsigned: Box<[bool]>,
}

impl RowDecoder {
    fn new(plan: Arc<TablePlan>, wire: Box<[WireType]>) -> Self {
        let columns = plan.table.columns.iter();
        let unsigned = columns.map(|column| is_unsigned(&column.type_name.to_ascii_uppercase()));
        Self {
            unsigned: unsigned.collect(),
            plan,
            wire,
        }
    }

    /// Columns of the table map that it was made for.
    pub fn width(&self) -> usize {
        self.wire.len()
    }

    /// Whether the rows have two columns more than their table, see [`TablePlanExt::decoder`].
    pub fn has_versions(&self) -> bool {
        self.wire.len() > self.plan.columns().len()
    }

    /// One row image; moves `image` behind it. `present` is the event's bitmap of columns in this image, `place` is where the
    /// event is found. `None` if it is a version of the row that has ended.
    ///
    /// # Errors
    /// If a value does not fit its column, or the image is cut off.
    pub fn decode_row(
        &self,
        present: &BitSlice<u8>,
        image: &mut &[u8],
        place: &dyn fmt::Display,
    ) -> Result<Option<Row>, ValueError> {
        let plan = &*self.plan;
        let nulls = image
            .split_off(..present.count_ones().div_ceil(8))
            .ok_or_else(|| self.cut_off(0))?;
        let nulls = BitSlice::<u8, bitvec::order::Lsb0>::from_slice(nulls);
        let mut values = RowValues::new(plan);
        let mut position = 0;
        for (index, column) in plan.columns().iter().enumerate() {
            let is_present = present.get(index).is_some_and(|bit| *bit);
            let is_null = !is_present || nulls.get(position).is_some_and(|bit| *bit);
            position += usize::from(is_present);
            if is_null {
                if column.field_type().is_some() {
                    values.put(index, column.null().clone());
                }
                continue;
            }
            let mut raw = self.wire[index]
                .read(image, self.unsigned[index])
                .ok_or_else(|| self.cut_off(index))?;
            if raw.is_impossible_day() {
                raw = impossible_day(plan, index, &raw, place)?;
            }
            if column.field_type().is_some() {
                values.put(index, convert(plan, index, raw, Origin::Stream, place)?);
            }
        }
        let mut is_past = false;
        for wire in &self.wire[plan.columns().len()..] {
            let end = wire
                .read(image, false)
                .ok_or_else(|| self.cut_off(plan.columns().len().saturating_sub(1)))?;
            is_past = !is_end_of_time(&end);
        }
        Ok((!is_past).then(|| values.finish()))
    }

    fn cut_off(&self, index: usize) -> ValueError {
        let (table, column, type_name) = place_of(&self.plan, index);
        ValueError::CutOff {
            table,
            column,
            type_name,
        }
    }
}

/// Whether MariaDB keeps versions of the rows in two columns more, which no statement names: their beginning and end
/// (`WITH SYSTEM VERSIONING`).
fn has_versions(plan: &TablePlan, map: &TableMapEvent<'_>, count: usize) -> bool {
    let known = plan.columns().len();
    let is_hidden = |index: usize| {
        let wire = WireType::of(map, index);
        matches!(wire, Ok(WireType::Timestamp { fraction: 6 }))
            && map.null_bitmask().get(index).is_some_and(|bit| !*bit)
    };
    count == known + 2 && (known..count).all(is_hidden)
}

fn check_count(plan: &TablePlan, actual: usize) -> Result<(), ValueError> {
    if actual == plan.columns().len() {
        return Ok(());
    }
    Err(ValueError::ColumnCount {
        table: plan.table.id.to_string(),
        name: plan.table.id.table.to_string(),
        actual,
        expected: plan.columns().len(),
    })
}

/// `place` is where the cell is found, for texts.
fn convert(
    plan: &TablePlan,
    index: usize,
    raw: Raw<'_>,
    origin: Origin,
    place: &dyn fmt::Display,
) -> Result<Value, ValueError> {
    let column = &plan.columns()[index];
    let Some(target) = column.field_type() else {
        return Ok(Value::Null);
    };
    match target.value(raw, origin, plan.settings().enable_time_adjuster) {
        Ok(Some(value)) => Ok(value),
        Ok(None) => Ok(column.null().clone()),
        Err(problem) => failed(plan, index, problem, place),
    }
}

/// `event.converting.failure.handling.mode`. As in the original the value of a NOT NULL column stays unset, too: the
/// converter refuses the record then, and `errors.tolerance` decides about it.
fn failed(
    plan: &TablePlan,
    index: usize,
    problem: String,
    place: &dyn fmt::Display,
) -> Result<Value, ValueError> {
    let (table, column, type_name) = place_of(plan, index);
    let error = ValueError::Conversion {
        table,
        column,
        type_name,
        problem,
    };
    let is_required = !plan.table.columns[index].optional;
    match plan.settings().conversion_failure {
        FailureHandling::Fail => return Err(error),
        FailureHandling::Skip if !is_required => {
            tracing::debug!("{}", unset_text(&error, place, is_required));
        }
        FailureHandling::Warn | FailureHandling::Skip => {
            tracing::warn!("{}", unset_text(&error, place, is_required));
        }
    }
    Ok(Value::Null)
}

/// `event.processing.failure.handling.mode`
fn impossible_day(
    plan: &TablePlan,
    index: usize,
    raw: &Raw<'_>,
    place: &dyn fmt::Display,
) -> Result<Raw<'static>, ValueError> {
    let (table, column, type_name) = place_of(plan, index);
    match plan.settings().impossible_days {
        EventFailure::Fail => {
            return Err(ValueError::ImpossibleDay {
                table,
                column,
                type_name,
            });
        }
        EventFailure::Warn => tracing::warn!(
            "'{table}.{column}' of type {type_name} has a day that its month does not have, in {place}; it becomes 1970-01-01 \
             (event.processing.failure.handling.mode=warn)"
        ),
        EventFailure::Skip => {
            tracing::debug!(
                "'{table}.{column}' has a day that its month does not have, in {place}"
            );
        }
    }
    Ok(raw.epoch())
}

fn place_of(plan: &TablePlan, index: usize) -> (String, String, String) {
    let column = &plan.table.columns[index];
    (
        plan.table.id.to_string(),
        column.name.to_string(),
        column.type_name.to_string(),
    )
}

/// What is logged of a cell that has no value.
fn unset_text(error: &ValueError, place: &dyn fmt::Display, is_required: bool) -> String {
    let mut text = format!("{error}, in {place}; the field stays unset");
    if is_required {
        text.push_str(
            ", though the column is NOT NULL: the record cannot be converted, and fails the task unless errors.tolerance=all",
        );
    }
    text
}

/// Where versions end that have not ended: the last moment of 32 bits, with sign (before MariaDB 11.5) or without.
fn is_end_of_time(raw: &Raw<'_>) -> bool {
    const ENDS: [i64; 2] = [i32::MAX as i64, u32::MAX as i64];
    ENDS.iter().any(|seconds| {
        let epoch_micros = (seconds + 1) * 1_000_000 - 1;
        matches!(raw, Raw::Timestamp { epoch_micros: own, .. } if *own == epoch_micros)
    })
}

/// Passes over rows whose columns are not the plan's: by the types that their table map announced alone.
#[derive(Debug)]
pub struct RowSkipper {
    wire: Box<[WireType]>,
}

impl RowSkipper {
    /// `None` if a type is not known.
    pub fn new(map: &TableMapEvent<'_>) -> Option<Self> {
        let count = usize::try_from(map.columns_count()).ok()?;
        let wire = (0..count).map(|index| WireType::of(map, index).ok());
        Some(Self {
            wire: wire.collect::<Option<_>>()?,
        })
    }

    /// Moves `image` behind one row image; `None` if that is cut off.
    pub fn skip_row(&self, present: &BitSlice<u8>, image: &mut &[u8]) -> Option<()> {
        if present.not_any() {
            return None;
        }
        let nulls = image.split_off(..present.count_ones().div_ceil(8))?;
        let nulls = BitSlice::<u8, bitvec::order::Lsb0>::from_slice(nulls);
        let columns = present.iter_ones().take(self.wire.len());
        for (position, index) in columns.enumerate() {
            if !nulls.get(position).is_some_and(|bit| *bit) {
                self.wire[index].read(image, false)?;
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use bitvec::prelude::{BitVec, Lsb0};
    use tidegate_mysql_ddl::Schemas;
    use tidegate_relational::TableId;

    use super::*;
    use crate::values::ValueConfig;

    fn decoder(conversion_failure: FailureHandling) -> RowDecoder {
        let mut schemas = Schemas::default();
        let statement = "CREATE TABLE t (id INT PRIMARY KEY, e ENUM('a','b') NOT NULL)";
        schemas.apply("d", statement).expect("a statement");
        let table = schemas.table(&TableId::in_database("d", "t"));
        let config = ValueConfig {
            conversion_failure,
            ..ValueConfig::default()
        };
        let plan = TablePlan::build(
            Arc::clone(table.expect("a table")),
            config,
            "t.Value",
            "t.Key",
            &|_| true,
            None,
            &|_| None,
        );
        let wire = [WireType::Integer { bytes: 4 }, WireType::Enum { bytes: 1 }];
        RowDecoder::new(Arc::new(plan.expect("a plan")), wire.into())
    }

    fn decode(decoder: &RowDecoder, mut image: &[u8]) -> Result<Option<Row>, ValueError> {
        let present: BitVec<u8, Lsb0> = BitVec::repeat(true, 2);
        decoder.decode_row(&present, &mut image, &"the event at f.000001/4")
    }

    #[test]
    fn a_value_that_cannot_be_converted_is_named_with_its_place() {
        const IMAGE: [u8; 6] = [0, 7, 0, 0, 0, 3];
        let error = decode(&decoder(FailureHandling::Fail), &IMAGE).expect_err("option 3 of 2");
        assert!(
            error
                .to_string()
                .contains("'d.t.e' of type ENUM: option 3 of 2"),
            "{error}"
        );
        for mode in [FailureHandling::Warn, FailureHandling::Skip] {
            let row = decode(&decoder(mode), &IMAGE)
                .expect("a row")
                .expect("a row");
            assert_eq!(row.value.values(), [Value::Int32(7), Value::Null]);
        }
        let text = unset_text(&error, &"the event at f.000001/4", true);
        assert!(
            text.contains("in the event at f.000001/4") && text.contains("NOT NULL"),
            "{text}"
        );
    }

    #[test]
    fn an_image_that_is_cut_off_names_the_column() {
        const IMAGE: [u8; 6] = [0, 7, 0, 0, 0, 1];
        let decoder = decoder(FailureHandling::Warn);
        assert!(decode(&decoder, &IMAGE).is_ok());
        for length in 0..IMAGE.len() {
            let error = decode(&decoder, &IMAGE[..length])
                .expect_err("cut off")
                .to_string();
            let column = if length < 5 { "'id'" } else { "'e'" };
            assert!(
                error.contains(column) && error.contains("'d.t'"),
                "{length}: {error}"
            );
        }
    }
}
