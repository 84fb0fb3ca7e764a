//! Creates tables and adds columns.

use tidegate_api::{ConnectError, SinkRecord};
use tracing::{info, warn};

use super::Writer;
use crate::batch::Operation;
use crate::config::Style;
use crate::dialect::postgres::catalog;
use crate::dialect::postgres::types::{self, NewColumn};
use crate::errors::SinkError;
use crate::plan::{Column, Place, Plan};
use crate::session::within;
use crate::table::{ExistingTable, LONGEST_NAME, TableName};

impl Writer {
    /// Creates or extends the table as far as the settings allow; whether it is there.
    pub(super) async fn prepare_table(
        &mut self,
        plan: &Plan,
        name: &TableName,
        operation: Operation,
        creates: bool,
        record: &SinkRecord,
    ) -> Result<bool, SinkError> {
        let any_case = self.settings.any_case();
        let wanted = match operation {
            Operation::Write => plan.columns.len(),
            Operation::Delete => plan.keys,
            Operation::Truncate => 0,
        };
        let covers = |table: &ExistingTable| {
            plan.columns[..wanted]
                .iter()
                .all(|column| table.column(&column.name, any_case).is_some())
        };
        if self.tables.get(name).is_some_and(covers) {
            return Ok(true);
        }
        if !creates && self.absent.contains(name) {
            return Ok(false);
        }
        let place = record.original.to_string();
        let debezium = self.settings.style == Style::Debezium;
        let mut found = self.describe(name).await?;
        if found.is_none() && !creates {
            self.absent.insert(name.clone());
            return Ok(false);
        }
        self.absent.remove(name);
        if found.is_none() {
            if !self.settings.create_tables {
                return Err(SinkError::Fatal(if debezium {
                    format!(
                        "{}: Could not find table: {name} (record at {place}). Create it, or let the connector do so with schema.evolution=basic",
                        self.task
                    )
                } else {
                    format!(
                        "{}: Table {} is missing and auto-creation is disabled (record at {place}). Create it, or let the connector do so with auto.create=true. Kinds of tables that table.types does not list count as missing",
                        self.task,
                        name.sql()
                    )
                }));
            }
            let columns = self.new_columns(plan, record, |_| true);
            let mut definitions = self.definitions(&columns).await?;
            definitions.extend(types::primary_key(&columns));
            let sql = types::create_table(name, &definitions);
            self.change_schema(name, sql, &["42P07", "23505"], &place)
                .await?;
            found = self.describe(name).await?;
        }
        let table = found.ok_or_else(|| {
            SinkError::Fatal(format!("{}: Could not find table: {}", self.task, name))
        })?;
        if covers(&table) {
            self.tables.insert(name.clone(), table);
            return Ok(true);
        }
        let missing = self.new_columns(plan, record, |column| {
            table.column(column, any_case).is_none()
        });
        let names: Vec<String> = missing.iter().map(told).collect();
        if let Some(required) = missing
            .iter()
            .find(|column| !column.schema.optional && column.schema.default.is_none())
        {
            return Err(SinkError::Fatal(if debezium {
                format!(
                    "{}: Cannot ALTER table '{}' because field '{}' is not optional but has no default value (record at {place}). Add the column by hand",
                    self.task, name, required.name
                )
            } else {
                format!(
                    "{}: Cannot ALTER TABLE {} to add missing field {}, as the field is not optional and does not have a default value (record at {place}). Add the column by hand",
                    self.task,
                    name.sql(),
                    sink_record_field(required)
                )
            }));
        }
        if !self.settings.add_columns {
            return Err(SinkError::Fatal(if debezium {
                format!(
                    "{}: Cannot alter table {} because schema evolution is disabled: it lacks the columns {} (record at {place}). Add them, exclude the fields, or set schema.evolution=basic",
                    self.task,
                    name,
                    names.join(", ")
                )
            } else {
                let fields: Vec<String> = missing.iter().map(sink_record_field).collect();
                format!(
                    "{}: Table {} is missing fields ([{}]) and auto-evolution is disabled (record at {place}). Add the columns, leave the fields out of fields.whitelist, or set auto.evolve=true",
                    self.task,
                    name.sql(),
                    fields.join(", ")
                )
            }));
        }
        let definitions = self.definitions(&missing).await?;
        let sql = types::add_columns(name, &definitions);
        self.change_schema(name, sql, &["42701"], &place).await?;
        self.forget_shapes(name);
        let table = self.describe(name).await?.unwrap_or_default();
        self.tables.insert(name.clone(), table);
        Ok(true)
    }

    /// Those columns of a plan whose names are `wanted`, in the order that the original gives to a table's: Debezium's keys
    /// come first, Confluent's columns are in the order of the value's fields, those of Kafka before and other ones behind.
    ///
    /// Source: Confluent `FieldsMetadata.extract`, `allFieldsOrdered`.
    fn new_columns<'a>(
        &self,
        plan: &'a Plan,
        record: &SinkRecord,
        wanted: impl Fn(&str) -> bool,
    ) -> Vec<NewColumn<'a>> {
        let mut columns: Vec<&Column> = plan.columns.iter().collect();
        if !self.settings.is_debezium() {
            let value = record.record.value.schema.as_ref();
            let value = value.filter(|schema| schema.is_struct());
            columns.sort_by_cached_key(|column| {
                let is_kafkas = matches!(
                    column.place,
                    Place::Topic | Place::Partition | Place::Offset
                );
                let field = value.and_then(|value| value.field(&column.field));
                match field {
                    _ if is_kafkas => (0, 0, String::new()),
                    Some(field) => (1, field.index, String::new()),
                    None => (2, 0, column.field.clone()),
                }
            });
        }
        columns
            .into_iter()
            .filter(|column| wanted(&column.name))
            .map(|column| NewColumn {
                name: &column.name,
                field: &column.field,
                schema: &column.schema,
                is_key: plan.is_key(column),
                as_timestamp: column.as_timestamp,
            })
            .collect()
    }

    async fn definitions(&mut self, columns: &[NewColumn<'_>]) -> Result<Vec<String>, SinkError> {
        let mut definitions = Vec::with_capacity(columns.len());
        for column in columns {
            let mut chosen = types::column_type(column, &self.settings)?;
            if let Some((extension, instead)) = chosen.extension.take() {
                let session = self.session().await?;
                let known = catalog::has_type(&mut session.connection, &extension);
                if !within(session.limit, known).await? {
                    warn!(
                        "{}: the database has no type {extension}; column {} becomes {instead}",
                        self.task, column.name
                    );
                    chosen.sql = instead;
                }
            }
            definitions.push(types::definition(column, &chosen.sql, &self.settings));
        }
        Ok(definitions)
    }

    async fn describe(&mut self, name: &TableName) -> Result<Option<ExistingTable>, SinkError> {
        let (task, relations) = (self.task.clone(), self.settings.relations.clone());
        let session = self.session().await?;
        let found = catalog::describe(&mut session.connection, name);
        let found = within(session.limit, found).await.map_err(|error| {
            error.map(|text| format!("{task}: table {name}: its columns cannot be read: {text}"))
        })?;
        Ok(found.filter(|table| relations.contains(&table.relation.as_str())))
    }

    /// DDL in a transaction of its own; another task may have been faster.
    async fn change_schema(
        &mut self,
        table: &TableName,
        sql: String,
        done_already: &[&str],
        place: &str,
    ) -> Result<(), SinkError> {
        info!("{}: {sql}", self.task);
        let task = self.task.clone();
        match self.session().await?.execute(&sql).await {
            Ok(()) => Ok(()),
            Err(sqlx::Error::Database(error))
                if error
                    .code()
                    .is_some_and(|code| done_already.contains(&&*code)) =>
            {
                Ok(())
            }
            Err(error) => match (has_code(&error, TOO_MANY_COLUMNS), SinkError::from(error)) {
                (_, error) if error.is_transient() => Err(error.map(|text| {
                    format!("{task}: table {table} (record at {place}) cannot be changed: {text}")
                })),
                (_, SinkError::ReadOnly(text)) => Err(SinkError::ReadOnly(text)),
                // Of this record's columns. Whatever else refuses the statement, such as an event trigger, is not to blame on
                // records.
                (true, SinkError::Row { text, .. }) => {
                    Err(SinkError::Connect(ConnectError::data(format!(
                        "table {table} cannot have the columns of this record: {text}. Exclude fields (field.exclude.list; Confluent's sink: fields.whitelist), or let a transformation put several into one"
                    ))))
                }
                (_, other) => Err(SinkError::Fatal(format!(
                    "{task}: Error while checking and applying table changes for collection '{table}' (record at {place}): {other}"
                ))),
            },
        }
    }
}

/// `too_many_columns`
const TOO_MANY_COLUMNS: &str = "54011";

fn has_code(error: &sqlx::Error, code: &str) -> bool {
    matches!(error, sqlx::Error::Database(error) if error.code().is_some_and(|found| found == code))
}

/// The name of a column, and what the field was called if that is too long.
fn told(column: &NewColumn<'_>) -> String {
    if column.field.len() <= LONGEST_NAME {
        return column.name.to_owned();
    }
    format!(
        "'{}' cut to '{}', names have at most {LONGEST_NAME} bytes",
        column.field, column.name
    )
}

/// Source: Confluent `SinkRecordField.toString`, `ConnectSchema.toString`.
fn sink_record_field(column: &NewColumn<'_>) -> String {
    let kind = column.schema.kind.type_name();
    let schema = match column.schema.name.as_deref() {
        Some(name) => format!("{name}:{kind}"),
        None => kind.to_owned(),
    };
    format!(
        "SinkRecordField{{schema=Schema{{{schema}}}, name='{}', isPrimaryKey={}}}",
        column.name, column.is_key
    )
}
