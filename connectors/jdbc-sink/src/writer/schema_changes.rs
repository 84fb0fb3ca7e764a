//! Creates tables and adds columns.

use tidegate_api::SinkRecord;
use tracing::{info, warn};

use super::Writer;
use crate::batch::Operation;
use crate::config::Style;
use crate::dialect::postgres::catalog;
use crate::dialect::postgres::types::{self, NewColumn};
use crate::errors::SinkError;
use crate::plan::Plan;
use crate::session::within;
use crate::table::{ExistingTable, TableName};

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
        let place = record.original.to_string();
        let debezium = self.settings.style == Style::Debezium;
        let mut found = self.describe(name).await?;
        if found.is_none() {
            if !creates {
                return Ok(false);
            }
            if !self.settings.create_tables {
                let setting = if debezium {
                    "schema.evolution=basic"
                } else {
                    "auto.create=true"
                };
                return Err(SinkError::Fatal(format!(
                    "{}: Could not find table: {} (record at {place}). Create it, or let the connector do so with {setting}",
                    self.task, name
                )));
            }
            let columns = new_columns(plan, |_| true);
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
        let missing = new_columns(plan, |column| table.column(column, any_case).is_none());
        let names: Vec<&str> = missing.iter().map(|column| column.name).collect();
        if let Some(required) = missing
            .iter()
            .find(|column| !column.schema.optional && column.schema.default.is_none())
        {
            return Err(SinkError::Fatal(format!(
                "{}: Cannot ALTER table '{}' because field '{}' is not optional but has no default value (record at {place}). Add the column by hand",
                self.task, name, required.name
            )));
        }
        if !self.settings.add_columns {
            let setting = if debezium {
                "schema.evolution=basic"
            } else {
                "auto.evolve=true"
            };
            return Err(SinkError::Fatal(format!(
                "{}: Cannot alter table {} because schema evolution is disabled: it lacks the columns {} (record at {place}). Add them, exclude the fields, or set {setting}",
                self.task,
                name,
                names.join(", ")
            )));
        }
        let definitions = self.definitions(&missing).await?;
        let sql = types::add_columns(name, &definitions);
        self.change_schema(name, sql, &["42701"], &place).await?;
        self.forget_shapes(name);
        let table = self.describe(name).await?.unwrap_or_default();
        self.tables.insert(name.clone(), table);
        Ok(true)
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
        let relations = self.settings.relations.clone();
        let session = self.session().await?;
        let found = catalog::describe(&mut session.connection, name);
        let found = within(session.limit, found).await?;
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
            Err(error) => match SinkError::from(error) {
                SinkError::Transient(text) => Err(SinkError::Transient(text)),
                other => Err(SinkError::Fatal(format!(
                    "{task}: Error while checking and applying table changes for collection '{table}' (record at {place}): {other}"
                ))),
            },
        }
    }
}

fn new_columns(plan: &Plan, wanted: impl Fn(&str) -> bool) -> Vec<NewColumn<'_>> {
    plan.columns
        .iter()
        .enumerate()
        .filter(|(_, column)| wanted(&column.name))
        .map(|(index, column)| NewColumn {
            name: &column.name,
            schema: &column.schema,
            is_key: index < plan.keys,
        })
        .collect()
}
