//! Plans of tables: Connect schemas of key and row, and where each column's value goes. Built once per version of a table.
//! Knows no database: a [`FieldType`] says what a column becomes, and whoever reads rows puts their values into
//! [`RowValues`].
//!
//! Source: Debezium `TableSchemaBuilder`.

use std::fmt;
use std::sync::Arc;

use tidegate_api::{Schema, SchemaBuilder, Struct, Value};

use crate::masking::Masking;
use crate::{Column, Row, Table};

/// What a column of one database product becomes.
pub trait FieldType: Sized {
    /// Settings that decide about schemas and values.
    type Settings: Copy + fmt::Debug;

    /// `None` for a type without mapping.
    ///
    /// # Errors
    /// If the type is known and cannot be read as it is declared.
    fn of_column(
        table: &Table,
        column: &Column,
        settings: Self::Settings,
    ) -> Result<Option<Self>, PlanError>;

    /// Schema of the field, without optionality, default and comment.
    fn schema(&self, settings: Self::Settings) -> SchemaBuilder;

    /// With the whole schema of the field, for values that carry it.
    #[must_use]
    fn with_schema(self, _schema: &Arc<Schema>) -> Self {
        self
    }

    /// Whether the field may be null although the column is NOT NULL.
    fn is_always_optional(&self) -> bool {
        false
    }

    /// The column's default as the field has it; `None` without one.
    ///
    /// # Errors
    /// If it cannot be converted, and the settings do not pass over that.
    fn default_of(
        &self,
        table: &Table,
        column: &Column,
        settings: Self::Settings,
    ) -> Result<Option<Value>, PlanError>;

    /// The value that stands for null in a NOT NULL column without default.
    fn fallback(&self) -> Value;
}

/// Why a table has no plan. Texts carry table and column, never a value.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error(
        "Failed to properly convert default value for '{table}.{column}' of type {type_name}: {problem}"
    )]
    Default {
        table: String,
        column: String,
        type_name: String,
        problem: String,
    },
    #[error("Table '{table}', column '{column}' of type {type_name}: {problem}")]
    Column {
        table: String,
        column: String,
        type_name: String,
        problem: String,
    },
    #[error("Table '{table}': {problem}")]
    Table { table: String, problem: String },
}

/// A captured table, with columns of type `F`.
#[derive(Debug)]
pub struct TablePlan<F: FieldType> {
    pub table: Arc<Table>,
    /// `<topic>.Value`: optional, the captured columns in table order.
    pub row_schema: Arc<Schema>,
    /// `<topic>.Key`; `None` for a table without key.
    pub key_schema: Option<Arc<Schema>>,
    settings: F::Settings,
    /// One per column of the table.
    columns: Box<[ColumnPlan<F>]>,
    /// Number of fields of the row.
    width: usize,
    /// Fields of the key: index of the column.
    key: Box<[usize]>,
}

#[derive(Debug)]
pub struct ColumnPlan<F> {
    field_type: Option<F>,
    null: Value,
    place: Place,
    /// What the row shows of it; the key shows all.
    masking: Option<Masking>,
}

impl<F> ColumnPlan<F> {
    /// `None` for a type without mapping and for a column that neither row nor key has.
    pub fn field_type(&self) -> Option<&F> {
        self.field_type.as_ref()
    }

    /// Stands for null.
    pub fn null(&self) -> &Value {
        &self.null
    }
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

impl<F: FieldType> TablePlan<F> {
    /// `columns` says which columns are in the row (`column.include.list`, `column.exclude.list`); `key_columns` are those
    /// of `message.key.columns` and replace the primary key; `masking` says what the row shows of a column.
    ///
    /// # Errors
    /// If a column's charset or default cannot be read, or two fields have one name.
    pub fn build(
        table: Arc<Table>,
        settings: F::Settings,
        row_name: &str,
        key_name: &str,
        columns: &dyn Fn(&Column) -> bool,
        key_columns: Option<&[Arc<str>]>,
        masking: &dyn Fn(&Column) -> Option<Masking>,
    ) -> Result<Self, PlanError> {
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
                field_type: None,
                null: Value::Null,
                place: Place::Nowhere,
                masking: None,
            };
            if (in_row || in_key)
                && let Some(field_type) = F::of_column(&table, column, settings)?
            {
                let default = field_type.default_of(&table, column, settings)?;
                let schema = field_schema(column, &field_type, default.clone(), settings);
                let field_type = field_type.with_schema(&schema);
                if !column.optional {
                    plan.null = default.unwrap_or_else(|| field_type.fallback());
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
                plan.field_type = Some(field_type);
            }
            plans.push(plan);
        }
        let key: Box<[usize]> = key
            .iter()
            .copied()
            .filter(|index| fields[*index].is_some())
            .collect();
        let broken = |error: tidegate_api::ConnectError| PlanError::Table {
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
            settings,
            columns: plans.into(),
            width,
            key,
            table,
        })
    }

    pub fn settings(&self) -> F::Settings {
        self.settings
    }

    /// One per column of the table, in its order.
    pub fn columns(&self) -> &[ColumnPlan<F>] {
        &self.columns
    }

    /// Columns that row or key show.
    pub fn shown_columns(&self) -> impl Iterator<Item = &Column> {
        let columns = self.table.columns.iter().zip(&self.columns);
        columns.filter_map(|(column, plan)| plan.field_type.is_some().then_some(column))
    }
}

/// Values of one row on their way into its structs.
#[derive(Debug)]
pub struct RowValues<'a, F: FieldType> {
    plan: &'a TablePlan<F>,
    values: Vec<Value>,
    /// Key columns that the row does not have, or not as they are: column and value.
    key_only: Vec<(usize, Value)>,
}

impl<'a, F: FieldType> RowValues<'a, F> {
    pub fn new(plan: &'a TablePlan<F>) -> Self {
        Self {
            plan,
            values: Vec::with_capacity(plan.width),
            key_only: Vec::new(),
        }
    }

    /// The value of a column with a [`field_type`](ColumnPlan::field_type). They come in table order, so that a row's field
    /// is always the next one.
    pub fn put(&mut self, index: usize, value: Value) {
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

    pub fn finish(self) -> Row {
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

fn masked_schema(schema: &Schema, masking: &Masking, column: &Column) -> Arc<Schema> {
    let mut schema = schema.clone();
    for (name, value) in masking.parameters(column) {
        schema.parameters.push((Arc::from(name), Arc::from(value)));
    }
    Arc::new(schema)
}

fn field_schema<F: FieldType>(
    column: &Column,
    field_type: &F,
    default: Option<Value>,
    settings: F::Settings,
) -> Arc<Schema> {
    let mut schema = field_type
        .schema(settings)
        .set_optional(column.optional || field_type.is_always_optional());
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
    use tidegate_api::Str;

    use super::*;
    use crate::TableId;

    /// Every column is a text, but for columns of type `NONE`.
    #[derive(Debug)]
    struct Text;

    impl FieldType for Text {
        type Settings = ();

        fn of_column(_table: &Table, column: &Column, (): ()) -> Result<Option<Self>, PlanError> {
            Ok((&*column.type_name != "NONE").then_some(Self))
        }
        fn schema(&self, (): ()) -> SchemaBuilder {
            SchemaBuilder::string()
        }
        fn default_of(
            &self,
            _table: &Table,
            column: &Column,
            (): (),
        ) -> Result<Option<Value>, PlanError> {
            let default = column.default_expression.as_deref();
            Ok(default.map(Value::string))
        }
        fn fallback(&self) -> Value {
            Value::string("")
        }
    }

    fn table(columns: &[(&str, &str)]) -> Arc<Table> {
        let column = |(name, type_name): &(&str, &str)| Column {
            name: Arc::from(*name),
            type_name: Arc::from(*type_name),
            jdbc_type: 12,
            ..Column::default()
        };
        Arc::new(Table {
            id: TableId::in_database("d", "t"),
            columns: columns.iter().map(column).collect(),
            primary_key: vec![Arc::from("id"), Arc::from("no")],
            default_charset: None,
            comment: None,
        })
    }

    fn plan(
        table: &Arc<Table>,
        excluded: &str,
        key: Option<&[Arc<str>]>,
    ) -> Result<TablePlan<Text>, PlanError> {
        let masked = Masking::Mask(Str::from("*"));
        TablePlan::build(
            Arc::clone(table),
            (),
            "t.Value",
            "t.Key",
            &|column| &*column.name != excluded,
            key,
            &|column| (&*column.name == "no").then(|| masked.clone()),
        )
    }

    fn names(schema: &Schema) -> Vec<&str> {
        schema.fields().iter().map(|field| &*field.name).collect()
    }

    fn row(plan: &TablePlan<Text>, texts: &[&str]) -> Row {
        let mut values = RowValues::new(plan);
        for (index, text) in texts.iter().enumerate() {
            if plan.columns()[index].field_type().is_some() {
                values.put(index, Value::string(*text));
            }
        }
        values.finish()
    }

    #[test]
    fn keys_show_what_rows_hide() {
        let table = table(&[("a", "TEXT"), ("no", "TEXT"), ("x", "NONE"), ("id", "TEXT")]);
        let plan = plan(&table, "id", None).expect("a plan");
        let key = plan.key_schema.as_deref().expect("a key");
        assert_eq!(names(&plan.row_schema), ["a", "no"]);
        assert_eq!(names(key), ["id", "no"]);
        let shown: Vec<&str> = plan.shown_columns().map(|column| &*column.name).collect();
        assert_eq!(shown, ["a", "no", "id"]);
        let row = row(&plan, &["A", "N", "X", "I"]);
        let texts = |texts: [&str; 2]| texts.map(Value::string);
        assert_eq!(row.value.values(), texts(["A", "*"]));
        assert_eq!(row.key.expect("a key").values(), texts(["I", "N"]));
    }

    #[test]
    fn other_columns_may_be_the_key() {
        let table = table(&[("a", "TEXT"), ("x", "NONE")]);
        let of = |names: &[&str]| {
            let names: Vec<Arc<str>> = names.iter().copied().map(Arc::from).collect();
            let plan = plan(&table, "", Some(&names)).expect("a plan");
            plan.key_schema.map(|key| key.fields().len())
        };
        assert_eq!(of(&["A", "b"]), Some(1));
        assert_eq!(of(&["x"]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn null_stands_for_itself_in_columns_that_may_be_null() {
        let mut nullable = Table::clone(&table(&[("a", "TEXT"), ("b", "TEXT"), ("c", "TEXT")]));
        nullable.columns[0].optional = true;
        nullable.columns[1].default_expression = Some(Arc::from("d"));
        let plan = plan(&Arc::new(nullable), "", None).expect("a plan");
        let nulls: Vec<&Value> = plan.columns().iter().map(ColumnPlan::null).collect();
        let (default, fallback) = (Value::string("d"), Value::string(""));
        assert_eq!(nulls, [&Value::Null, &default, &fallback]);
    }

    #[test]
    fn two_fields_of_one_name_are_no_table() {
        let error = plan(&table(&[("a", "TEXT"), ("a", "TEXT")]), "", None).expect_err("a twice");
        assert!(error.to_string().starts_with("Table 'd.t': "), "{error}");
    }
}
