//! Writes batches: keeps the connection, what is known of tables, and finds the row that a statement fails on.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};
use tidegate_api::{ConnectError, ConnectorTaskId, ErrantRecordReporter, SinkRecord};
use tracing::{info, warn};

use crate::batch::{Batch, Operation, Rules, Shape};
use crate::config::{InsertMode, Settings, Style};
use crate::dialect::postgres::binding::{bind, key_cast};
use crate::dialect::postgres::catalog;
use crate::dialect::postgres::statements::{self, BoundColumn, WriteForm};
use crate::dialect::postgres::types::{self, NewColumn};
use crate::errors::SinkError;
use crate::plan::{Change, Plan};
use crate::session::{ArrayParameter, STAGE, Session};
use crate::table::{ExistingTable, TableName};
use crate::wire;

pub(crate) struct Writer {
    settings: Settings,
    task: ConnectorTaskId,
    hosts: Vec<PgConnectOptions>,
    session: Option<Session>,
    tables: HashMap<TableName, ExistingTable>,
    /// By topic; a topic seldom has more than a few pairs of schemas.
    plans: HashMap<Arc<str>, Vec<Known>>,
    shapes: Vec<Arc<Shape>>,
    reporter: Option<Arc<dyn ErrantRecordReporter>>,
    warned_of_keys: bool,
}

/// A plan, and what it is in its table as that is now.
#[derive(Debug, Clone)]
struct Known {
    plan: Arc<Plan>,
    write: Option<Arc<Shape>>,
    delete: Option<Arc<Shape>>,
    truncate: Option<Arc<Shape>>,
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
            session: None,
            tables: HashMap::new(),
            plans: HashMap::new(),
            shapes: Vec::new(),
            reporter,
            warned_of_keys: false,
        })
    }

    async fn session(&mut self) -> Result<&mut Session, SinkError> {
        if self.session.is_none() {
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
                        self.session = Some(Session::new(connection));
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
            if let (None, Some(error)) = (&self.session, last) {
                return Err(error);
            }
        }
        self.session
            .as_mut()
            .ok_or_else(|| SinkError::Fatal("connection.url names no host".to_owned()))
    }

    /// Opens the connection, to tell early that it cannot be opened.
    pub(crate) async fn connect(&mut self) -> Result<(), SinkError> {
        self.session().await.map(drop)
    }

    pub(crate) async fn close(&mut self) {
        if let Some(session) = self.session.take() {
            session.close().await;
        }
    }

    /// Writes records in one transaction.
    pub(crate) async fn write(&mut self, records: &[SinkRecord]) -> Result<(), SinkError> {
        let mut result = self.write_once(records).await;
        if let Err(SinkError::StaleTable(text)) = &result {
            // Somebody changed the table; look again, once.
            info!("{} looks at its tables again: {text}", self.task);
            self.forget_tables();
            result = self.write_once(records).await;
        }
        if matches!(result, Err(SinkError::Transient(_))) {
            self.session = None;
            self.forget_tables();
        }
        result
    }

    async fn write_once(&mut self, records: &[SinkRecord]) -> Result<(), SinkError> {
        let mut batch = Batch::default();
        for (index, record) in records.iter().enumerate() {
            self.add(index, record, &mut batch).await?;
        }
        if batch.len() == 0 {
            return Ok(());
        }
        let steps = batch.arrange(0..batch.len(), self.rules());
        match self.session().await?.write(&batch, &steps).await {
            Err(SinkError::Row(text)) => {
                info!(
                    "{} halves its batch of {} rows to find the one that fails: {text}",
                    self.task,
                    batch.len()
                );
                self.write_by_halves(records, &batch).await
            }
            other => other,
        }
    }

    fn rules(&self) -> Rules {
        Rules {
            mode: self.settings.insert_mode,
            reduce_inserts: self.settings.reduce_inserts,
            one_by_one: self.settings.batch_size == 1,
        }
    }

    fn forget_tables(&mut self) {
        self.tables.clear();
        self.plans.clear();
        self.shapes.clear();
    }

    async fn add(
        &mut self,
        index: usize,
        record: &SinkRecord,
        batch: &mut Batch,
    ) -> Result<(), SinkError> {
        let known = match self.known(record) {
            Ok(known) => known,
            Err(SinkError::Connect(error)) => {
                return self
                    .report(record, located(&self.task, record, error))
                    .await;
            }
            Err(other) => return Err(other),
        };
        let change = known.plan.change(record, &self.settings);
        let shape = self.shape(&known, change, record).await?;
        let Some(shape) = shape else { return Ok(()) };
        let plan = &known.plan;
        let replace = self.settings.replace_null_with_default;
        let columns = match shape.operation {
            Operation::Truncate => 0..0,
            Operation::Delete => 0..plan.keys,
            Operation::Write => 0..plan.columns.len(),
        };
        let keys = shape.keys;
        // Generated columns are in the plan but not in the statement.
        let mut place = 0;
        let pushed: Result<(), String> = batch.push(index, &shape, |out| {
            let mut key_end = out.len();
            plan.values(record, columns, replace, |column, value| {
                let Some(bound) = shape.columns.get(place) else {
                    return Ok(());
                };
                if shape.skips(&plan.columns[column].name) {
                    return Ok(());
                }
                place += 1;
                bound
                    .binding
                    .encoder
                    .encode(value, out)
                    .map_err(|problem| format!("column {}: {problem}", bound.name))?;
                if place <= keys {
                    key_end = out.len();
                }
                Ok::<_, String>(())
            })?;
            Ok(key_end)
        });
        match pushed {
            Ok(()) => Ok(()),
            Err(problem) => {
                let error = ConnectError::data(format!(
                    "table {}: {problem}. Correct the row at its source, or let such records go to a dead letter queue (errors.tolerance=all, errors.deadletterqueue.topic.name)",
                    shape.table
                ));
                let error = located(&self.task, record, error);
                self.report(record, error).await
            }
        }
    }

    fn known(&mut self, record: &SinkRecord) -> Result<Known, SinkError> {
        let topic = &record.record.topic;
        let settings = &self.settings;
        for deep in [false, true] {
            let found = self.plans.get(topic).and_then(|plans| {
                let mut plans = plans.iter().rev();
                plans.find(|known| known.plan.fits(record, settings, deep))
            });
            if let Some(found) = found {
                return Ok(found.clone());
            }
        }
        let known = Known {
            plan: Arc::new(Plan::new(record, settings)?),
            write: None,
            delete: None,
            truncate: None,
        };
        let of_topic = self.plans.entry(Arc::clone(topic)).or_default();
        if of_topic.len() >= PLANS_PER_TOPIC {
            of_topic.clear();
        }
        of_topic.push(known.clone());
        Ok(known)
    }

    /// The shape of a change; `None` if there is nothing to do.
    async fn shape(
        &mut self,
        known: &Known,
        change: Change,
        record: &SinkRecord,
    ) -> Result<Option<Arc<Shape>>, SinkError> {
        let (cached, operation) = match change {
            Change::Skip => return Ok(None),
            Change::Write => (&known.write, Operation::Write),
            Change::Delete => (&known.delete, Operation::Delete),
            Change::Truncate => (&known.truncate, Operation::Truncate),
        };
        if let Some(shape) = cached {
            return Ok(Some(Arc::clone(shape)));
        }
        let plan = &known.plan;
        let Some(table) = plan.table.clone() else {
            return Ok(None);
        };
        if operation == Operation::Write && plan.keys == 0 && self.lacks_keys(&table)? {
            return Ok(None);
        }
        // A delete or truncate of a table that is not there has nothing to do.
        let creates = operation == Operation::Write || plan.has_row(record);
        if !self
            .prepare_table(plan, &table, operation, creates, record)
            .await?
        {
            return Ok(None);
        }
        let Some(shape) = self.new_shape(plan, &table, operation)? else {
            return Ok(None);
        };
        let topic = &record.record.topic;
        if let Some(known) = self.plans.get_mut(topic).and_then(|plans| {
            plans
                .iter_mut()
                .find(|known| Arc::ptr_eq(&known.plan, plan))
        }) {
            let slot = match operation {
                Operation::Write => &mut known.write,
                Operation::Delete => &mut known.delete,
                Operation::Truncate => &mut known.truncate,
            };
            *slot = Some(Arc::clone(&shape));
        }
        Ok(Some(shape))
    }

    /// Rows without key in a mode that asks for one: an error, or in update mode nothing to do.
    fn lacks_keys(&mut self, table: &TableName) -> Result<bool, SinkError> {
        match self.settings.insert_mode {
            InsertMode::Insert => Ok(false),
            InsertMode::Upsert if self.settings.is_debezium() => Err(SinkError::Fatal(format!(
                "Cannot write to table {table} with no key fields defined. Set primary.key.mode, and primary.key.fields if the key is a part of the record"
            ))),
            InsertMode::Upsert => Err(SinkError::Fatal(format!(
                "Write to table '{}' in UPSERT mode requires key field names to be known, check the primary key configuration",
                table.sql()
            ))),
            InsertMode::Update => {
                if !self.warned_of_keys {
                    warn!(
                        "{}: records for table {table} have no key, and update mode has no row to change; they are passed over",
                        self.task
                    );
                    self.warned_of_keys = true;
                }
                Ok(true)
            }
        }
    }

    fn new_shape(
        &mut self,
        plan: &Arc<Plan>,
        name: &TableName,
        operation: Operation,
    ) -> Result<Option<Arc<Shape>>, SinkError> {
        let settings = &self.settings;
        let table = self
            .tables
            .get(name)
            .ok_or_else(|| SinkError::StaleTable(format!("table {name} is not known")))?;
        let wanted = match operation {
            Operation::Truncate => &[][..],
            Operation::Delete => plan.key_columns(),
            Operation::Write => &plan.columns,
        };
        let (mut columns, mut sql_types, mut skipped) = (Vec::new(), Vec::new(), Vec::new());
        let (mut overriding, mut direct) = (false, true);
        for (index, column) in wanted.iter().enumerate() {
            let existing = table
                .column(&column.name, settings.any_case())
                .ok_or_else(|| {
                    SinkError::StaleTable(format!("table {name} has no column {}", column.name))
                })?;
            if existing.generated && operation == Operation::Write {
                if index < plan.keys {
                    return Err(SinkError::Fatal(format!(
                        "{}: column {} of table {name} is generated and cannot be a key column. Choose other columns with primary.key.fields",
                        self.task, column.name
                    )));
                }
                skipped.push(column.name.clone());
                continue;
            }
            let binding = bind(&column.schema, existing, settings)?;
            overriding |= existing.always_identity;
            direct &= binding.is_direct(existing);
            columns.push(BoundColumn {
                name: existing.name.clone(),
                key_cast: key_cast(&binding, existing),
                binding,
            });
            sql_types.push(existing.sql_type.clone());
        }
        let keys = plan.keys.min(columns.len());
        let mode = settings.insert_mode;
        if operation == Operation::Write && mode == InsertMode::Update && columns.len() == keys {
            return Ok(None);
        }
        let form = WriteForm {
            mode,
            keys,
            overriding,
        };
        let writes = operation == Operation::Write;
        let from_stage = format!("{STAGE} AS u");
        let shape = Shape {
            table: name.clone(),
            operation,
            keys,
            covers_table: table
                .columns
                .iter()
                .filter(|existing| !existing.generated)
                .all(|existing| columns.iter().any(|column| column.name == existing.name)),
            from_arrays: if writes {
                let from = statements::from_arrays(&columns);
                statements::write_rows(form, name, &columns, &from)
            } else if operation == Operation::Delete {
                statements::delete_rows(name, &columns)
            } else {
                String::new()
            },
            copy: (writes && direct && mode == InsertMode::Insert && table.relation == "r")
                .then(|| statements::copy_into(&name.sql(), &columns)),
            from_stage: (writes && mode != InsertMode::Update)
                .then(|| statements::write_rows(form, name, &columns, &from_stage)),
            columns,
            sql_types,
            skipped,
        };
        if let Some(known) = self.shapes.iter().find(|known| known.is_same(&shape)) {
            return Ok(Some(Arc::clone(known)));
        }
        let shape = Arc::new(shape);
        self.shapes.push(Arc::clone(&shape));
        Ok(Some(shape))
    }

    /// `Ok` if the record may be passed over.
    async fn report(&self, record: &SinkRecord, error: ConnectError) -> Result<(), SinkError> {
        match &self.reporter {
            Some(reporter) => Ok(reporter.report(record, error).await?),
            None => Err(error.into()),
        }
    }

    /// Creates or extends the table as far as the settings allow; whether it is there.
    async fn prepare_table(
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
            self.change_schema(name, sql, &["42P07", "23505"]).await?;
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
        self.change_schema(name, sql, &["42701"]).await?;
        self.forget_shapes(name);
        let table = self.describe(name).await?.unwrap_or_default();
        self.tables.insert(name.clone(), table);
        Ok(true)
    }

    /// New columns make what was known of a table's rows incomplete.
    fn forget_shapes(&mut self, table: &TableName) {
        self.shapes.retain(|shape| shape.table != *table);
        for known in self.plans.values_mut().flatten() {
            if known.plan.table.as_ref() == Some(table) {
                known.write = None;
                known.delete = None;
            }
        }
    }

    async fn definitions(&mut self, columns: &[NewColumn<'_>]) -> Result<Vec<String>, SinkError> {
        let mut definitions = Vec::with_capacity(columns.len());
        for column in columns {
            let mut chosen = types::column_type(column, &self.settings)?;
            if let Some((extension, instead)) = chosen.extension.take() {
                let session = self.session().await?;
                if !catalog::has_type(&mut session.connection, &extension).await? {
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
        let found = catalog::describe(&mut session.connection, name).await?;
        Ok(found.filter(|table| relations.contains(&table.relation.as_str())))
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
                    "{task}: Error while checking and applying table changes for collection '{table}': {other}"
                ))),
            },
        }
    }

    /// In the order of arrival, each part behind a savepoint; rows that fail are reported.
    async fn write_by_halves(
        &mut self,
        records: &[SinkRecord],
        batch: &Batch,
    ) -> Result<(), SinkError> {
        let (rules, task, reporter) = (self.rules(), self.task.clone(), self.reporter.clone());
        let session = self.session().await?;
        session.begin().await?;
        let mut parts = Vec::new();
        parts.push(0..batch.len());
        let mut failed = Vec::new();
        while let Some(part) = parts.pop() {
            let text = match try_part(session, batch, part.clone(), rules).await {
                Ok(()) => continue,
                Err(SinkError::Row(text)) => text,
                Err(other) => {
                    session.execute("ROLLBACK").await?;
                    return Err(other);
                }
            };
            if part.len() > 1 {
                let middle = part.start + part.len() / 2;
                parts.push(middle..part.end);
                parts.push(part.start..middle);
                continue;
            }
            let column = refusing_column(session, batch, part.start).await?;
            let record = &records[batch.record(part.start)];
            let error = row_error(&task, batch, part.start, record, &text, column);
            if reporter.is_none() {
                session.execute("ROLLBACK").await?;
                return Err(error.into());
            }
            failed.push((part.start, error));
        }
        // First the reports: what is not reported must not be lost.
        for (row, error) in failed {
            if let Some(reporter) = &reporter
                && let Err(error) = reporter.report(&records[batch.record(row)], error).await
            {
                session.execute("ROLLBACK").await?;
                return Err(error.into());
            }
        }
        Ok(session.execute("COMMIT").await?)
    }
}

async fn try_part(
    session: &mut Session,
    batch: &Batch,
    part: Range<usize>,
    rules: Rules,
) -> Result<(), SinkError> {
    session.execute("SAVEPOINT tidegate_part").await?;
    for step in batch.arrange(part, rules) {
        if let Err(error) = session.step(batch, &step).await {
            if matches!(error, SinkError::Row(_)) {
                session
                    .execute("ROLLBACK TO SAVEPOINT tidegate_part")
                    .await?;
            }
            return Err(error);
        }
    }
    Ok(session.execute("RELEASE SAVEPOINT tidegate_part").await?)
}

/// Asks for each column whether its value alone fits: the database does not always say which one did not.
async fn refusing_column(
    session: &mut Session,
    batch: &Batch,
    row: usize,
) -> Result<Option<String>, SinkError> {
    let shape = batch.shape(row);
    for ((column, sql_type), field) in shape
        .columns
        .iter()
        .zip(&shape.sql_types)
        .zip(batch.fields(row))
    {
        let mut parameter = ArrayParameter::new(column.binding.encoder.wire(), 1);
        parameter.push(field);
        session.execute("SAVEPOINT tidegate_probe").await?;
        let sql = AssertSqlSafe(statements::probe(column, sql_type));
        let refused = session
            .connection
            .execute(sqlx::query(sql).bind(parameter))
            .await
            .is_err();
        session
            .execute("ROLLBACK TO SAVEPOINT tidegate_probe")
            .await?;
        if refused || too_long(sql_type, field) {
            return Ok(Some(column.name.clone()));
        }
    }
    Ok(None)
}

/// Casts cut texts where assignments refuse them.
fn too_long(sql_type: &str, field: Option<&[u8]>) -> bool {
    let limit = sql_type
        .strip_prefix("character varying(")
        .or_else(|| sql_type.strip_prefix("character("))
        .and_then(|rest| rest.strip_suffix(')'))
        .and_then(|digits| digits.parse::<usize>().ok());
    match (limit, field.map(std::str::from_utf8)) {
        (Some(limit), Some(Ok(text))) => text.chars().count() > limit,
        _ => false,
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

fn located(task: &ConnectorTaskId, record: &SinkRecord, error: ConnectError) -> ConnectError {
    let text = format!(
        "{task}: the record at {} cannot be written: {}",
        record.original,
        error.text()
    );
    ConnectError::message(error.kind(), text)
}

/// What is needed to find the row: task, table, key, place, column, and the database's words.
fn row_error(
    task: &ConnectorTaskId,
    batch: &Batch,
    row: usize,
    record: &SinkRecord,
    text: &str,
    column: Option<String>,
) -> ConnectError {
    let shape = batch.shape(row);
    let key: Vec<String> = shape.columns[..shape.keys]
        .iter()
        .zip(batch.fields(row))
        .map(|(column, field)| {
            let value = wire::describe(column.binding.encoder.wire(), field);
            format!("{}={value}", column.name)
        })
        .collect();
    let key = if key.is_empty() {
        "none".to_owned()
    } else {
        key.join(", ")
    };
    let column = column
        .map(|name| format!(", column {name}"))
        .unwrap_or_default();
    ConnectError::data(format!(
        "{task}: table {}{column}: the row with key {key} (record at {}) is refused: {text}. Correct the row at its source or the table, or let such records go to a dead letter queue (errors.tolerance=all, errors.deadletterqueue.topic.name)",
        shape.table, record.original
    ))
}
