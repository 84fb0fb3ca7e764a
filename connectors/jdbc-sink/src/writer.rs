//! Writes batches: keeps the connection, what is known of tables, and finds the row that a statement fails on.

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};
use tidegate_api::{ConnectError, ConnectorTaskId, ErrantRecordReporter, SinkRecord};
use tracing::{info, warn};

use crate::config::{InsertMode, Settings, Style};
use crate::dialect::postgres::{self, BoundColumn, NewColumn};
use crate::errors::SinkError;
use crate::keys;
use crate::plan::{Change, Plan};
use crate::rows::{self, Run};
use crate::table::{ExistingTable, TableName};

pub(crate) struct Writer {
    settings: Settings,
    task: ConnectorTaskId,
    hosts: Vec<PgConnectOptions>,
    connection: Option<PgConnection>,
    tables: HashMap<TableName, ExistingTable>,
    /// By topic; a topic seldom has more than a few pairs of schemas.
    plans: HashMap<Arc<str>, Vec<Arc<Plan>>>,
    /// Statements and their columns, by plan and table version.
    statements: HashMap<(usize, bool), Arc<Statement>>,
    reporter: Option<Arc<dyn ErrantRecordReporter>>,
}

#[derive(Debug)]
struct Statement {
    sql: String,
    columns: Vec<BoundColumn>,
    /// Keeps the plan's address its own.
    plan: Arc<Plan>,
}

/// Plans of one topic that are kept; more mean that schemas change with every record.
const PLANS_PER_TOPIC: usize = 64;

impl Writer {
    pub(crate) fn new(
        settings: Settings,
        task: ConnectorTaskId,
        reporter: Option<Arc<dyn ErrantRecordReporter>>,
    ) -> Result<Self, ConnectError> {
        let password = settings
            .password
            .as_ref()
            .map(|password| password.reveal().to_owned());
        let hosts =
            crate::url::parse(&settings.url, settings.user.as_deref(), password.as_deref())?;
        Ok(Self {
            settings,
            task,
            hosts,
            connection: None,
            tables: HashMap::new(),
            plans: HashMap::new(),
            statements: HashMap::new(),
            reporter,
        })
    }

    async fn connection(&mut self) -> Result<&mut PgConnection, SinkError> {
        if self.connection.is_none() {
            let mut last = None;
            for options in &self.hosts {
                match PgConnection::connect_with(
                    &options
                        .clone()
                        .log_statements(tracing::log::LevelFilter::Trace),
                )
                .await
                {
                    Ok(connection) => {
                        info!(
                            "{} is connected to {}:{}",
                            self.task,
                            options.get_host(),
                            options.get_port()
                        );
                        self.connection = Some(connection);
                        break;
                    }
                    Err(error) => {
                        let place = format!(
                            "the database '{}' at {}:{}, user '{}'",
                            options.get_database().unwrap_or_default(),
                            options.get_host(),
                            options.get_port(),
                            options.get_username()
                        );
                        last = Some(match SinkError::from(error) {
                            SinkError::Transient(text) => {
                                SinkError::Transient(format!("{place} cannot be reached: {text}"))
                            }
                            other => {
                                SinkError::Fatal(format!("{place} refuses the connection: {other}"))
                            }
                        });
                    }
                }
            }
            if let (None, Some(error)) = (&self.connection, last) {
                return Err(error);
            }
        }
        self.connection
            .as_mut()
            .ok_or_else(|| SinkError::Fatal("connection.url names no host".to_owned()))
    }

    /// Opens the connection, to tell early that it cannot be opened.
    pub(crate) async fn connect(&mut self) -> Result<(), SinkError> {
        self.connection().await.map(drop)
    }

    pub(crate) async fn close(&mut self) {
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            warn!("the connection did not close cleanly: {error}");
        }
    }

    /// Writes a batch in one transaction.
    pub(crate) async fn write(&mut self, records: &[SinkRecord]) -> Result<(), SinkError> {
        let plans = self.plans(records).await?;
        let runs = rows::arrange(records, &plans, &self.settings);
        if runs.is_empty() {
            return Ok(());
        }
        for run in &runs {
            self.prepare_table(run, records).await?;
        }
        let result = match self.write_runs(&runs, records).await {
            Err(SinkError::StaleTable(text)) => {
                // Somebody changed the table; look again, once.
                info!("{} looks at its tables again: {text}", self.task);
                self.forget_tables();
                for run in &runs {
                    self.prepare_table(run, records).await?;
                }
                self.write_runs(&runs, records).await
            }
            other => other,
        };
        match result {
            Err(SinkError::Row(text)) => {
                info!(
                    "{} writes its batch row by row to find the one that fails: {text}",
                    self.task
                );
                self.write_one_by_one(records, &plans).await
            }
            Err(SinkError::Transient(text)) => {
                self.connection = None;
                self.forget_tables();
                Err(SinkError::Transient(text))
            }
            other => other,
        }
    }

    fn forget_tables(&mut self) {
        self.tables.clear();
        self.statements.clear();
    }

    async fn plans(
        &mut self,
        records: &[SinkRecord],
    ) -> Result<Vec<Option<(Arc<Plan>, Change)>>, SinkError> {
        let mut plans = Vec::with_capacity(records.len());
        for record in records {
            let topic = &record.record.topic;
            let by_header = self.settings.key_mode == crate::config::KeyMode::RecordHeader;
            let known = self
                .plans
                .get(topic)
                .filter(|_| !by_header)
                .and_then(|plans| plans.iter().rev().find(|plan| plan.fits(record)));
            let plan = match known {
                Some(plan) => Arc::clone(plan),
                None => match Plan::new(record, &self.settings) {
                    Ok(plan) => {
                        let plan = Arc::new(plan);
                        let of_topic = self.plans.entry(Arc::clone(topic)).or_default();
                        if of_topic.len() >= PLANS_PER_TOPIC {
                            of_topic.clear();
                            self.statements.clear();
                        }
                        of_topic.push(Arc::clone(&plan));
                        plan
                    }
                    Err(error) => {
                        self.report(record, located(&self.task, record, error))
                            .await?;
                        plans.push(None);
                        continue;
                    }
                },
            };
            let change = plan.change(record, &self.settings);
            plans.push(Some((plan, change)));
        }
        Ok(plans)
    }

    /// `Ok` if the record may be passed over.
    async fn report(&self, record: &SinkRecord, error: ConnectError) -> Result<(), SinkError> {
        match &self.reporter {
            Some(reporter) => Ok(reporter.report(record, error).await?),
            None => Err(error.into()),
        }
    }

    /// Creates or extends the run's table as far as the settings allow.
    async fn prepare_table(&mut self, run: &Run, records: &[SinkRecord]) -> Result<(), SinkError> {
        let Some((plan, indexes)) = run.writes.as_ref() else {
            if !self.tables.contains_key(&run.table)
                && let Some(found) = self.describe(&run.table).await?
            {
                self.tables.insert(run.table.clone(), found);
            }
            return Ok(());
        };
        let covers = |table: &ExistingTable| {
            plan.columns
                .iter()
                .all(|column| table.column(&column.name).is_some())
        };
        if self.tables.get(&run.table).is_some_and(covers) {
            return Ok(());
        }
        let place = indexes
            .first()
            .map(|index| records[*index].original.to_string())
            .unwrap_or_default();
        let debezium = self.settings.style == Style::Debezium;
        let mut found = self.describe(&run.table).await?;
        if found.is_none() {
            if !self.settings.create_tables {
                let setting = if debezium {
                    "schema.evolution=basic"
                } else {
                    "auto.create=true"
                };
                return Err(SinkError::Fatal(format!(
                    "{}: Could not find table: {} (record at {place}). Create it, or let the connector do so with {setting}",
                    self.task, run.table
                )));
            }
            let columns = new_columns(plan, |_| true);
            let sql = postgres::create_table(&run.table, &columns, debezium)?;
            self.change_schema(&run.table, sql, &["42P07", "23505"])
                .await?;
            found = self.describe(&run.table).await?;
        }
        let table = found.ok_or_else(|| {
            SinkError::Fatal(format!(
                "{}: Could not find table: {}",
                self.task, run.table
            ))
        })?;
        if covers(&table) {
            self.tables.insert(run.table.clone(), table);
            return Ok(());
        }
        let missing = new_columns(plan, |name| table.column(name).is_none());
        let names: Vec<&str> = missing.iter().map(|column| column.name).collect();
        if let Some(required) = missing
            .iter()
            .find(|column| !column.schema.optional && column.schema.default.is_none())
        {
            return Err(SinkError::Fatal(format!(
                "{}: Cannot ALTER table '{}' because field '{}' is not optional but has no default value (record at {place}). Add the column by hand",
                self.task, run.table, required.name
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
                run.table,
                names.join(", ")
            )));
        }
        let sql = postgres::add_columns(&run.table, &missing, debezium)?;
        self.change_schema(&run.table, sql, &["42701"]).await?;
        self.statements.clear();
        let table = self.describe(&run.table).await?.unwrap_or_default();
        self.tables.insert(run.table.clone(), table);
        Ok(())
    }

    async fn describe(&mut self, name: &TableName) -> Result<Option<ExistingTable>, SinkError> {
        let name = name.clone();
        let connection = self.connection().await?;
        let found = postgres::describe(connection, &name).await;
        if matches!(found, Err(SinkError::Transient(_))) {
            self.connection = None;
        }
        found
    }

    /// DDL in a transaction of its own; another task may have been faster.
    async fn change_schema(
        &mut self,
        table: &TableName,
        sql: String,
        done_already: &[&str],
    ) -> Result<(), SinkError> {
        info!("{}: {sql}", self.task);
        let task = self.task.clone();
        let connection = self.connection().await?;
        match connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await {
            Ok(_) => Ok(()),
            Err(sqlx::Error::Database(error))
                if error
                    .code()
                    .is_some_and(|code| done_already.contains(&&*code)) =>
            {
                Ok(())
            }
            Err(error) => match SinkError::from(error) {
                SinkError::Transient(text) => {
                    self.connection = None;
                    Err(SinkError::Transient(text))
                }
                other => Err(SinkError::Fatal(format!(
                    "{task}: Error while checking and applying table changes for collection '{table}': {other}"
                ))),
            },
        }
    }

    async fn write_runs(&mut self, runs: &[Run], records: &[SinkRecord]) -> Result<(), SinkError> {
        let mut statements = Vec::new();
        for run in runs {
            if run.truncate {
                statements.push((None, &run.table, &[][..]));
            }
            if let Some((plan, indexes)) = &run.deletes
                && self.tables.contains_key(&run.table)
            {
                statements.push((
                    Some(self.statement(plan, true)?),
                    &run.table,
                    indexes.as_slice(),
                ));
            }
            if let Some((plan, indexes)) = &run.writes {
                statements.push((
                    Some(self.statement(plan, false)?),
                    &run.table,
                    indexes.as_slice(),
                ));
            }
        }
        let rows_per_statement = self.settings.batch_size.max(2000);
        let settings = self.settings.clone();
        let task = self.task.clone();
        let connection = self.connection().await?;
        let mut transaction = connection.begin().await?;
        for (statement, table, indexes) in statements {
            let Some(statement) = statement else {
                transaction
                    .execute(sqlx::raw_sql(AssertSqlSafe(postgres::truncate(table))))
                    .await
                    .map_err(|error| at_table(error, table))?;
                continue;
            };
            for chunk in indexes.chunks(rows_per_statement) {
                let query = bind(&statement, chunk, records, &settings, &task)?;
                transaction
                    .execute(query)
                    .await
                    .map_err(|error| at_table(error, table))?;
            }
        }
        transaction.commit().await?;
        Ok(())
    }

    fn statement(&mut self, plan: &Arc<Plan>, delete: bool) -> Result<Arc<Statement>, SinkError> {
        let key = (Arc::as_ptr(plan).addr(), delete);
        if let Some(known) = self.statements.get(&key) {
            return Ok(Arc::clone(known));
        }
        let table = self
            .tables
            .get(&plan.table)
            .ok_or_else(|| SinkError::StaleTable(format!("table {} is not known", plan.table)))?;
        let columns = if delete {
            plan.key_columns()
        } else {
            &plan.columns
        };
        let mut overriding = false;
        let bound = columns
            .iter()
            .map(|column| {
                let existing = table.column(&column.name).ok_or_else(|| {
                    SinkError::StaleTable(format!(
                        "table {} has no column {}",
                        plan.table, column.name
                    ))
                })?;
                overriding |= existing.always_identity;
                Ok(BoundColumn {
                    name: existing.name.clone(),
                    form: column.form,
                    sql_type: existing.sql_type.clone(),
                })
            })
            .collect::<Result<Vec<_>, SinkError>>()?;
        if !delete
            && self.settings.insert_mode == InsertMode::Update
            && plan.columns.len() == plan.keys
        {
            return Err(SinkError::Fatal(format!(
                "{}: records of table {} have key columns only; update mode has nothing to set",
                self.task, plan.table
            )));
        }
        let sql = if delete {
            postgres::delete_rows(&plan.table, &bound)
        } else {
            postgres::write_rows(
                self.settings.insert_mode,
                &plan.table,
                &bound,
                plan.keys,
                overriding,
            )
        };
        let statement = Arc::new(Statement {
            sql,
            columns: bound,
            plan: Arc::clone(plan),
        });
        self.statements.insert(key, Arc::clone(&statement));
        Ok(statement)
    }

    /// In the order of arrival, each row behind a savepoint; rows that fail are reported.
    async fn write_one_by_one(
        &mut self,
        records: &[SinkRecord],
        plans: &[Option<(Arc<Plan>, Change)>],
    ) -> Result<(), SinkError> {
        let mut failed: Vec<(usize, ConnectError)> = Vec::new();
        let mut statements = Vec::with_capacity(records.len());
        for planned in plans {
            statements.push(match planned {
                Some((plan, Change::Write)) => Some(self.statement(plan, false)?),
                Some((plan, Change::Delete)) if self.tables.contains_key(&plan.table) => {
                    Some(self.statement(plan, true)?)
                }
                _ => None,
            });
        }
        let (settings, task) = (self.settings.clone(), self.task.clone());
        let reporter = self.reporter.clone();
        let connection = self.connection().await?;
        let mut transaction = connection.begin().await?;
        for (index, statement) in statements.iter().enumerate() {
            let Some((plan, change)) = &plans[index] else {
                continue;
            };
            if *change == Change::Truncate {
                transaction
                    .execute(sqlx::raw_sql(AssertSqlSafe(postgres::truncate(
                        &plan.table,
                    ))))
                    .await?;
                continue;
            }
            let Some(statement) = statement else { continue };
            let outcome = match bind(statement, &[index], records, &settings, &task) {
                Ok(query) => {
                    let mut savepoint = transaction.begin().await?;
                    match savepoint.execute(query).await {
                        Ok(_) => {
                            savepoint.commit().await?;
                            Ok(())
                        }
                        Err(error) => {
                            savepoint.rollback().await?;
                            Err(SinkError::from(error))
                        }
                    }
                }
                Err(error) => Err(error),
            };
            match outcome {
                Ok(()) => {}
                Err(SinkError::Row(text)) => {
                    let error = row_error(&task, plan, &records[index], &settings, &text);
                    if reporter.is_none() {
                        return Err(error.into());
                    }
                    failed.push((index, error));
                }
                Err(other) => return Err(other),
            }
        }
        // First the reports: what is not reported must not be lost.
        for (index, error) in failed {
            if let Some(reporter) = &reporter {
                reporter.report(&records[index], error).await?;
            }
        }
        transaction.commit().await?;
        Ok(())
    }
}

fn new_columns<'a>(plan: &'a Plan, wanted: impl Fn(&str) -> bool) -> Vec<NewColumn<'a>> {
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

fn at_table(error: sqlx::Error, table: &TableName) -> SinkError {
    match SinkError::from(error) {
        SinkError::Row(text) => SinkError::Row(format!("table {table}: {text}")),
        SinkError::StaleTable(text) => SinkError::StaleTable(format!("table {table}: {text}")),
        SinkError::Fatal(text) => SinkError::Fatal(format!("table {table}: {text}")),
        other => other,
    }
}

fn located(task: &ConnectorTaskId, record: &SinkRecord, error: ConnectError) -> ConnectError {
    let text = format!(
        "{task}: the record at {} cannot be written: {}",
        record.original,
        error.text()
    );
    ConnectError::message(error.kind(), text)
}

/// What is needed to find the row: task, table, key, place, and the database's words.
fn row_error(
    task: &ConnectorTaskId,
    plan: &Plan,
    record: &SinkRecord,
    settings: &Settings,
    text: &str,
) -> ConnectError {
    let values: Vec<_> = plan
        .key_columns()
        .iter()
        .map(|column| {
            (
                column.name.as_str(),
                plan.value(column, record, settings.replace_null_with_default),
            )
        })
        .collect();
    let key = keys::describe(values.iter().map(|(name, value)| (*name, &**value)));
    ConnectError::data(format!(
        "{task}: table {}: the row with key {key} (record at {}) is refused: {text}. Correct the row at its source or the table, or let such records go to a dead letter queue (errors.tolerance=all, errors.deadletterqueue.topic.name)",
        plan.table, record.original
    ))
}

/// The statement with the rows' values.
fn bind<'q>(
    statement: &'q Statement,
    indexes: &[usize],
    records: &[SinkRecord],
    settings: &Settings,
    task: &ConnectorTaskId,
) -> Result<sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>, SinkError> {
    let plan = &statement.plan;
    let mut query = sqlx::query(AssertSqlSafe(statement.sql.as_str()));
    for (column, bound) in plan.columns.iter().zip(&statement.columns) {
        let mut values = bound.form.values(indexes.len());
        for index in indexes {
            let record = &records[*index];
            let value = plan.value(column, record, settings.replace_null_with_default);
            values.push(&value, column.meaning).map_err(|problem| {
                if indexes.len() == 1 {
                    return SinkError::Row(format!("column {}: {problem}", column.name));
                }
                SinkError::Row(format!(
                    "{task}: table {}, column {}, record at {}: {problem}",
                    plan.table, column.name, record.original
                ))
            })?;
        }
        query = values.bind(query);
    }
    Ok(query)
}
