//! Plans of tables: Connect schemas of key and row, and the steps from a row image or a result row to values. Built once
//! per version of a table.
//!
//! Source: Debezium `TableSchemaBuilder`.

use std::fmt;
use std::sync::Arc;

use bitvec::slice::BitSlice;
use mysql_async::binlog::events::TableMapEvent;
use tidegate_api::{Schema, SchemaBuilder, Struct, Value};
use tidegate_relational::{Column, Table};

use crate::values::convert::{Origin, Target, is_unsigned};
use crate::values::raw::Raw;
use crate::values::wire::WireType;
use crate::values::{EventFailure, FailureHandling, ValueConfig, ValueError, defaults, text};
use tidegate_relational::masking::Masking;

/// A captured table.
#[derive(Debug)]
pub struct TablePlan {
    pub table: Arc<Table>,
    /// `<topic>.Value`: optional, the captured columns in table order.
    pub row_schema: Arc<Schema>,
    /// `<topic>.Key`; `None` for a table without key.
    pub key_schema: Option<Arc<Schema>>,
    config: ValueConfig,
    /// One per column of the table.
    columns: Box<[ColumnPlan]>,
    /// Number of fields of the row.
    width: usize,
    /// Fields of the key: index of the column.
    key: Box<[usize]>,
}

#[derive(Debug)]
struct ColumnPlan {
    /// `None` for a type without mapping and for a column that neither row nor key has.
    target: Option<Target>,
    unsigned: bool,
    /// Stands for null.
    null: Value,
    place: Place,
    /// What the row shows of it; the key shows all.
    masking: Option<Masking>,
}

/// Where a column's value goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Nowhere,
    /// Field of the row.
    Row(usize),
    /// Field of the key alone: `column.exclude.list` does not reach keys.
    KeyOnly,
}

/// A decoded row. `key` is `None` for a table without key.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub key: Option<Struct>,
    pub value: Struct,
}

impl TablePlan {
    /// `columns` says which columns are in the row (`column.include.list`, `column.exclude.list`); `key_columns` are those
    /// of `message.key.columns` and replace the primary key; `masking` says what the row shows of a column.
    ///
    /// # Errors
    /// If a column's charset or default cannot be read, or two fields have one name.
    pub fn build(
        table: Arc<Table>,
        config: ValueConfig,
        row_name: &str,
        key_name: &str,
        columns: &dyn Fn(&Column) -> bool,
        key_columns: Option<&[Arc<str>]>,
        masking: &dyn Fn(&Column) -> Option<Masking>,
    ) -> Result<Self, ValueError> {
        let key_names = key_columns.unwrap_or(&table.primary_key);
        let key: Box<[usize]> = key_names
            .iter()
            .filter_map(|name| table.column_index(name))
            .collect();
        let mut row_schema = SchemaBuilder::structure().name(row_name).optional();
        let mut fields = vec![None; table.columns.len()];
        let mut plans = Vec::with_capacity(table.columns.len());
        let mut width = 0;
        for (index, column) in table.columns.iter().enumerate() {
            let (in_row, in_key) = (columns(column), key.contains(&index));
            let mut plan = ColumnPlan {
                target: None,
                unsigned: is_unsigned(&column.type_name.to_ascii_uppercase()),
                null: Value::Null,
                place: Place::Nowhere,
                masking: None,
            };
            if (in_row || in_key)
                && let Some(target) = target_of(&table, column, config)?
            {
                let default = default_of(&table, column, &target, config)?;
                let schema = field_schema(column, &target, default.clone(), config);
                let target = target.with_schema(&schema);
                if !column.optional {
                    plan.null = default.unwrap_or_else(|| target.fallback());
                }
                if in_row {
                    plan.masking = masking(column);
                    let shown = match &plan.masking {
                        Some(masking) => masked_schema(&schema, masking, column),
                        None => Arc::clone(&schema),
                    };
                    row_schema = row_schema.field(Arc::clone(&column.name), shown);
                    plan.place = Place::Row(width);
                    width += 1;
                } else {
                    plan.place = Place::KeyOnly;
                }
                fields[index] = Some(schema);
                plan.target = Some(target);
            }
            plans.push(plan);
        }
        let key: Box<[usize]> = key
            .iter()
            .copied()
            .filter(|index| fields[*index].is_some())
            .collect();
        let broken = |error: tidegate_api::ConnectError| ValueError::Table {
            table: table.id.to_string(),
            problem: error.to_string(),
        };
        let key_schema = (!key.is_empty())
            .then(|| {
                key.iter()
                    .filter_map(|index| {
                        Some((
                            Arc::clone(&table.columns[*index].name),
                            fields[*index].clone()?,
                        ))
                    })
                    .fold(
                        SchemaBuilder::structure().name(key_name),
                        |schema, (name, field)| schema.field(name, field),
                    )
                    .try_build()
            })
            .transpose()
            .map_err(broken)?;
        Ok(Self {
            row_schema: row_schema.try_build().map_err(broken)?,
            key_schema,
            config,
            columns: plans.into(),
            width,
            key,
            table,
        })
    }

    /// Columns that row or key show.
    pub(crate) fn shown_columns(&self) -> impl Iterator<Item = &Column> {
        let columns = self.table.columns.iter().zip(&self.columns);
        columns.filter_map(|(column, plan)| plan.target.is_some().then_some(column))
    }

    /// For each column of the table, its place in a result: a statement of the user's own may have fewer columns, or others
    /// in another order (`snapshot.select.statement.overrides`).
    pub fn cells_of(&self, result: &[mysql_async::Column]) -> Vec<Option<usize>> {
        let place = |column: &Column| {
            result
                .iter()
                .position(|cell| cell.name_str().eq_ignore_ascii_case(&column.name))
        };
        self.table.columns.iter().map(place).collect()
    }

    /// One row of the snapshot's SELECT in the text protocol, the session's time zone being UTC and its character set
    /// utf8mb4. `cells` comes from [`TablePlan::cells_of`]; columns without a cell are null.
    ///
    /// # Errors
    /// If a value does not fit its column.
    pub fn text_row(
        &self,
        row: &mysql_async::Row,
        cells: &[Option<usize>],
    ) -> Result<Row, ValueError> {
        let mut values = RowValues::new(self);
        for (index, plan) in self.columns.iter().enumerate() {
            let Some(target) = &plan.target else { continue };
            let cell = cells.get(index).copied().flatten();
            let value = match cell.and_then(|cell| row.as_ref(cell)) {
                Some(mysql_async::Value::Bytes(bytes)) => match text::read(target, bytes) {
                    Some(raw) => self.convert(index, raw, Origin::Snapshot, &"the snapshot")?,
                    None => {
                        let problem = "its text is not one of this type".to_owned();
                        self.failed(index, problem, &"the snapshot")?
                    }
                },
                _ => plan.null.clone(),
            };
            values.put(index, value);
        }
        Ok(values.finish())
    }

    /// Decoder of the rows events that follow `map`; `compressed` are the columns that MariaDB compresses, from 0. `None` for
    /// another server.
    ///
    /// # Errors
    /// If the table map does not match this version of the table.
    pub fn decoder(
        self: &Arc<Self>,
        map: &TableMapEvent<'_>,
        compressed: Option<&[usize]>,
    ) -> Result<RowDecoder, ValueError> {
        let count = usize::try_from(map.columns_count()).unwrap_or(usize::MAX);
        if compressed.is_none() || !self.has_versions(map, count) {
            self.check_count(count)?;
        }
        let wire_of = |index: usize| {
            let wire = WireType::of(map, index).map_err(|problem| {
                let (table, column, type_name) = self.place_of(index);
                ValueError::Column {
                    table,
                    column,
                    type_name,
                    problem,
                }
            })?;
            Ok(if compressed.is_some_and(|all| all.contains(&index)) {
                wire.compressed()
            } else {
                wire
            })
        };
        let wire = (0..count).map(wire_of).collect::<Result<_, _>>()?;
        Ok(RowDecoder {
            plan: Arc::clone(self),
            wire,
        })
    }

    /// Whether MariaDB keeps versions of the rows in two columns more, which no statement names: their beginning and end
    /// (`WITH SYSTEM VERSIONING`).
    fn has_versions(&self, map: &TableMapEvent<'_>, count: usize) -> bool {
        let known = self.columns.len();
        let is_hidden = |index: usize| {
            let wire = WireType::of(map, index);
            matches!(wire, Ok(WireType::Timestamp { fraction: 6 }))
                && map.null_bitmask().get(index).is_some_and(|bit| !*bit)
        };
        count == known + 2 && (known..count).all(is_hidden)
    }

    fn check_count(&self, actual: usize) -> Result<(), ValueError> {
        if actual == self.columns.len() {
            return Ok(());
        }
        Err(ValueError::ColumnCount {
            table: self.table.id.to_string(),
            name: self.table.id.table.to_string(),
            actual,
            expected: self.columns.len(),
        })
    }

    /// # Errors
    /// If the columns have other names in the log, where that tells as many.
    pub(crate) fn check_names(&self, names: &[String]) -> Result<(), ValueError> {
        let own = self.table.columns.iter().map(|column| &*column.name);
        let mut pairs = own.zip(names).zip(1..);
        let other = pairs.find(|((own, name), _)| own.to_lowercase() != name.to_lowercase());
        match other {
            Some(((own, name), place)) if names.len() == self.columns.len() => {
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

    /// `place` is where the cell is found, for texts.
    fn convert(
        &self,
        index: usize,
        raw: Raw<'_>,
        origin: Origin,
        place: &dyn fmt::Display,
    ) -> Result<Value, ValueError> {
        let plan = &self.columns[index];
        let Some(target) = &plan.target else {
            return Ok(Value::Null);
        };
        match target.value(raw, origin, self.config.enable_time_adjuster) {
            Ok(Some(value)) => Ok(value),
            Ok(None) => Ok(plan.null.clone()),
            Err(problem) => self.failed(index, problem, place),
        }
    }

    /// `event.converting.failure.handling.mode`. As in the original the value of a NOT NULL column stays unset, too: the
    /// converter refuses the record then, and `errors.tolerance` decides about it.
    fn failed(
        &self,
        index: usize,
        problem: String,
        place: &dyn fmt::Display,
    ) -> Result<Value, ValueError> {
        let (table, column, type_name) = self.place_of(index);
        let error = ValueError::Conversion {
            table,
            column,
            type_name,
            problem,
        };
        let is_required = !self.table.columns[index].optional;
        match self.config.conversion_failure {
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
        &self,
        index: usize,
        raw: &Raw<'_>,
        place: &dyn fmt::Display,
    ) -> Result<Raw<'static>, ValueError> {
        let (table, column, type_name) = self.place_of(index);
        match self.config.impossible_days {
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

    fn place_of(&self, index: usize) -> (String, String, String) {
        let column = &self.table.columns[index];
        (
            self.table.id.to_string(),
            column.name.to_string(),
            column.type_name.to_string(),
        )
    }
}

/// A plan bound to the types that a table map announced.
#[derive(Debug)]
pub struct RowDecoder {
    plan: Arc<TablePlan>,
    wire: Box<[WireType]>,
}

impl RowDecoder {
    /// Columns of the table map that it was made for.
    pub fn width(&self) -> usize {
        self.wire.len()
    }

    /// Whether the rows have two columns more than their table, see [`TablePlan::decoder`].
    pub fn has_versions(&self) -> bool {
        self.wire.len() > self.plan.columns.len()
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
        for (index, column) in plan.columns.iter().enumerate() {
            let is_present = present.get(index).is_some_and(|bit| *bit);
            let is_null = !is_present || nulls.get(position).is_some_and(|bit| *bit);
            position += usize::from(is_present);
            if is_null {
                if column.target.is_some() {
                    values.put(index, column.null.clone());
                }
                continue;
            }
            let mut raw = self.wire[index]
                .read(image, column.unsigned)
                .ok_or_else(|| self.cut_off(index))?;
            if raw.is_impossible_day() {
                raw = plan.impossible_day(index, &raw, place)?;
            }
            if column.target.is_some() {
                values.put(index, plan.convert(index, raw, Origin::Stream, place)?);
            }
        }
        let mut is_past = false;
        for wire in &self.wire[plan.columns.len()..] {
            let end = wire
                .read(image, false)
                .ok_or_else(|| self.cut_off(plan.columns.len().saturating_sub(1)))?;
            is_past = !is_end_of_time(&end);
        }
        Ok((!is_past).then(|| values.finish()))
    }

    fn cut_off(&self, index: usize) -> ValueError {
        let (table, column, type_name) = self.plan.place_of(index);
        ValueError::CutOff {
            table,
            column,
            type_name,
        }
    }
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

/// Values of one row on their way into its structs.
struct RowValues<'a> {
    plan: &'a TablePlan,
    values: Vec<Value>,
    /// Key columns that the row does not have, or not as they are: column and value.
    key_only: Vec<(usize, Value)>,
}

impl<'a> RowValues<'a> {
    fn new(plan: &'a TablePlan) -> Self {
        Self {
            plan,
            values: Vec::with_capacity(plan.width),
            key_only: Vec::new(),
        }
    }

    /// Columns come in table order, so that a row's field is always the next one.
    fn put(&mut self, index: usize, value: Value) {
        let column = &self.plan.columns[index];
        match column.place {
            Place::Row(field) => match &column.masking {
                None => self.values.push(value),
                Some(masking) => {
                    if self.plan.key.contains(&index) {
                        self.key_only.push((index, value.clone()));
                    }
                    let shown = masking.apply(&self.plan.table.columns[index], value);
                    self.values.push(match shown {
                        // Its schema has the parameters, too.
                        Value::Struct(structure) => {
                            let schema = &self.plan.row_schema.fields()[field].schema;
                            let values = structure.into_values();
                            Value::Struct(Struct::new(Arc::clone(schema), values))
                        }
                        other => other,
                    });
                }
            },
            Place::KeyOnly => self.key_only.push((index, value)),
            Place::Nowhere => {}
        }
    }

    fn finish(self) -> Row {
        let key = self.plan.key_schema.as_ref().map(|schema| {
            let fields = self
                .plan
                .key
                .iter()
                .map(|index| match self.plan.columns[*index].place {
                    Place::Row(field) if self.plan.columns[*index].masking.is_none() => {
                        self.values[field].clone()
                    }
                    _ => self
                        .key_only
                        .iter()
                        .find(|(column, _)| column == index)
                        .map_or(Value::Null, |(_, value)| value.clone()),
                });
            Struct::new(Arc::clone(schema), fields.collect::<Vec<_>>())
        });
        Row {
            key,
            value: Struct::new(Arc::clone(&self.plan.row_schema), self.values),
        }
    }
}

fn target_of(
    table: &Table,
    column: &Column,
    config: ValueConfig,
) -> Result<Option<Target>, ValueError> {
    let target = Target::of(column, config).map_err(|problem| ValueError::Column {
        table: table.id.to_string(),
        column: column.name.to_string(),
        type_name: column.type_name.to_string(),
        problem,
    })?;
    if target.is_none() {
        tracing::warn!(
            "Table '{}': unexpected JDBC type '{}' for column '{}' of type {} that will be ignored",
            table.id,
            column.jdbc_type,
            column.name,
            column.type_name
        );
    }
    Ok(target)
}

fn default_of(
    table: &Table,
    column: &Column,
    target: &Target,
    config: ValueConfig,
) -> Result<Option<Value>, ValueError> {
    defaults::of(column, target, config).or_else(|problem| {
        let error = ValueError::Default {
            table: table.id.to_string(),
            column: column.name.to_string(),
            type_name: column.type_name.to_string(),
            problem,
        };
        match config.conversion_failure {
            FailureHandling::Fail => return Err(error),
            FailureHandling::Warn => tracing::warn!("{error}; the field has no default"),
            FailureHandling::Skip => tracing::debug!("{error}; the field has no default"),
        }
        Ok(None)
    })
}

fn masked_schema(schema: &Schema, masking: &Masking, column: &Column) -> Arc<Schema> {
    let mut schema = schema.clone();
    for (name, value) in masking.parameters(column) {
        schema.parameters.push((Arc::from(name), Arc::from(value)));
    }
    Arc::new(schema)
}

fn field_schema(
    column: &Column,
    target: &Target,
    default: Option<Value>,
    config: ValueConfig,
) -> Arc<Schema> {
    let mut schema = target
        .schema(config)
        .set_optional(column.optional || target.is_always_optional());
    if let Some(default) = default {
        schema = schema.default_value(default);
    }
    if let Some(comment) = &column.comment {
        schema = schema.doc(Arc::clone(comment));
    }
    schema.build()
}

#[cfg(test)]
mod tests {
    use bitvec::prelude::{BitVec, Lsb0};
    use tidegate_mysql_ddl::Schemas;
    use tidegate_relational::TableId;

    use super::*;

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
        RowDecoder {
            plan: Arc::new(plan.expect("a plan")),
            wire: [WireType::Integer { bytes: 4 }, WireType::Enum { bytes: 1 }].into(),
        }
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
