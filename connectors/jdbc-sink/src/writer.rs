//! Writes batches: keeps the connection, what is known of tables, and finds the row that a statement fails on.

mod refused_rows;
mod schema_changes;
mod shapes;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use tidegate_api::{ConnectError, ConnectorTaskId, ErrantRecordReporter, SinkRecord};
use tracing::{info, warn};

use crate::batch::{Batch, Operation, Rules, Shape};
use crate::config::Settings;
use crate::errors::{SinkError, distrusts};
use crate::plan::{Plan, validate};
use crate::session::{Session, limited};
use crate::table::{ExistingTable, TableName};
use crate::url::Target;

pub(crate) struct Writer {
    settings: Settings,
    task: ConnectorTaskId,
    target: Target,
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
        let target =
            crate::url::parse(&settings.url, settings.user.as_deref(), password.as_deref())?;
        for notice in &target.notices {
            warn!("{task}: connection.url: {notice}");
        }
        Ok(Self {
            settings,
            task,
            target,
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
            let connection = match self.target.limits.login {
                None => self.open().await?,
                Some(limit) => tokio::time::timeout(limit, self.open())
                    .await
                    .unwrap_or_else(|_| Err(self.no_login(limit)))?,
            };
            let limit = self.target.limits.answer;
            self.session = Some(Session::new(connection, limit));
        }
        self.session
            .as_mut()
            .ok_or_else(|| SinkError::Fatal("connection.url names no host".to_owned()))
    }

    /// Connects to the first host that answers.
    async fn open(&self) -> Result<PgConnection, SinkError> {
        let mut last = SinkError::Fatal("connection.url names no host".to_owned());
        for host in &self.target.hosts {
            let host = host
                .clone()
                .log_statements(tracing::log::LevelFilter::Trace);
            let task = &self.task;
            let ways = self.target.tls.options(host.clone()).await;
            for options in ways.map_err(|error| error.map(|text| format!("{task}: {text}")))? {
                let connected = PgConnection::connect_with(&options);
                match limited(self.target.limits.connect, "connectTimeout", connected).await {
                    Ok(connection) => {
                        let (name, port) = (host.get_host(), host.get_port());
                        info!("{task} is connected to {name}:{port}");
                        return Ok(connection);
                    }
                    Err(error) => {
                        // Another authority may have signed the certificate.
                        let distrusted = distrusts(&error);
                        last = self.no_connection(&host, error);
                        if !distrusted {
                            break;
                        }
                    }
                }
            }
        }
        Err(last)
    }

    fn no_login(&self, limit: Duration) -> SinkError {
        SinkError::Transient(format!(
            "{}: no host of connection.url lets user '{}' in within {limit:?}, its loginTimeout. It is tried again; see to the servers",
            self.task,
            self.target
                .hosts
                .first()
                .map_or("", PgConnectOptions::get_username)
        ))
    }

    fn no_connection(&self, host: &PgConnectOptions, error: sqlx::Error) -> SinkError {
        let task = &self.task;
        let place = format!(
            "the database '{}' at {}:{}, user '{}'",
            host.get_database().unwrap_or_default(),
            host.get_host(),
            host.get_port(),
            host.get_username()
        );
        match SinkError::from(error) {
            SinkError::Transient(text) => SinkError::Transient(format!(
                "{task}: {place} cannot be reached: {text}. It is tried again; see to the server, or correct host and port in connection.url"
            )),
            other => SinkError::Fatal(format!("{task}: {place} refuses the connection: {other}")),
        }
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
            Err(SinkError::Row { text, .. }) => {
                info!(
                    "{} halves its batch of {} rows to find the one that fails: {text}",
                    self.task,
                    batch.len()
                );
                self.write_by_halves(records, &batch).await
            }
            other => other.map_err(|error| error.map(|text| self.of_records(records, &text))),
        }
    }

    fn of_records(&self, records: &[SinkRecord], text: &str) -> String {
        let place = |record: Option<&SinkRecord>| {
            record.map_or_else(String::new, |record| record.original.to_string())
        };
        format!(
            "{}: records {} to {} cannot be written: {text}",
            self.task,
            place(records.first()),
            place(records.last())
        )
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
        if !settings.is_debezium() {
            validate(record, settings)?;
        }
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

    /// `Ok` if the record may be passed over.
    async fn report(&self, record: &SinkRecord, error: ConnectError) -> Result<(), SinkError> {
        match &self.reporter {
            Some(reporter) => Ok(reporter.report(record, error).await?),
            None => Err(error.into()),
        }
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
