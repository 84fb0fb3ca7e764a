//! Writes batches: keeps the connection, what is known of tables, and finds the row that a statement fails on.

mod refused_rows;
mod schema_changes;
mod shapes;

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use tidegate_api::{ConnectError, ConnectorTaskId, ErrantRecordReporter, SinkRecord};
use tracing::{info, warn};

use crate::batch::{Batch, Operation, Rules, Shape};
use crate::config::{InsertMode, Settings};
use crate::errors::{SinkError, distrusts};
use crate::plan::{Plan, validate};
use crate::session::{ServerState, Session, limited};
use crate::table::{ExistingTable, LONGEST_NAME, TableName, may_be_cut};
use crate::url::{ServerType, Target};

pub(crate) struct Writer {
    settings: Settings,
    task: ConnectorTaskId,
    target: Target,
    session: Option<Session>,
    /// Whether there was a session yet.
    was_connected: bool,
    /// How often in a row there was none to be had.
    failed_connects: u32,
    /// Whether statements of a session may have names.
    named_statements: bool,
    tables: HashMap<TableName, ExistingTable>,
    /// What the names of tables were before they were cut.
    uncut: HashMap<TableName, Option<TableName>>,
    /// What the names of columns were before they were cut, for those that are as long as cut ones.
    uncut_columns: HashMap<TableName, HashMap<String, String>>,
    /// Tables that were not there when the batch at hand looked for them: its deletes and truncates have nothing to do.
    absent: HashSet<TableName>,
    /// What no table could be prepared for when the batch at hand tried, and why: further records of the same form fare no
    /// better.
    unprepared: Vec<(Arc<Plan>, Operation, ConnectError)>,
    /// By topic; a topic seldom has more than a few pairs of schemas.
    plans: HashMap<Arc<str>, Vec<Known>>,
    shapes: Vec<Arc<Shape>>,
    reporter: Option<Arc<dyn ErrantRecordReporter>>,
    /// Records of the batch at hand that were reported: it may be tried more than once.
    reported: HashSet<usize>,
}

/// A plan, and what it is in its table as that is now.
#[derive(Debug, Clone)]
struct Known {
    plan: Arc<Plan>,
    /// Why its records are not written.
    refusal: Option<Arc<str>>,
    write: Option<Arc<Shape>>,
    delete: Option<Arc<Shape>>,
    truncate: Option<Arc<Shape>>,
}

impl Known {
    /// # Errors
    /// `Data` if the plan is one that is refused.
    fn accepted(self) -> Result<Self, SinkError> {
        match &self.refusal {
            None => Ok(self),
            Some(why) => Err(SinkError::Connect(ConnectError::data(&**why))),
        }
    }
}

/// Plans of one topic that are kept; more mean that schemas change with every record.
const PLANS_PER_TOPIC: usize = 64;

/// How often tables are looked at again for one batch: somebody may change them one after the other.
const LOOKS: u32 = 5;

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
        let target = crate::url::parse(
            &settings.url,
            settings.user.as_deref(),
            password.as_deref(),
            &settings.driver_properties,
        )?;
        for notice in &target.notices {
            warn!("{task}: connection.url: {notice}");
        }
        Ok(Self {
            settings,
            task,
            named_statements: target.named_statements,
            target,
            session: None,
            was_connected: false,
            failed_connects: 0,
            reported: HashSet::new(),
            tables: HashMap::new(),
            uncut: HashMap::new(),
            uncut_columns: HashMap::new(),
            absent: HashSet::new(),
            unprepared: Vec::new(),
            plans: HashMap::new(),
            shapes: Vec::new(),
            reporter,
        })
    }

    async fn session(&mut self) -> Result<&mut Session, SinkError> {
        if self.session.is_none() {
            let opened = match self.target.limits.login {
                None => self.open().await,
                Some(limit) => tokio::time::timeout(limit, self.open())
                    .await
                    .unwrap_or_else(|_| Err(self.no_login(limit))),
            };
            let session = opened.map_err(|error| self.after_failed_connect(error))?;
            self.session = Some(session);
            self.was_connected = true;
            self.failed_connects = 0;
        }
        self.session
            .as_mut()
            .ok_or_else(|| SinkError::Fatal("connection.url names no host".to_owned()))
    }

    /// Counts against `connection.attempts`, if the user has set it.
    fn after_failed_connect(&mut self, error: SinkError) -> SinkError {
        self.failed_connects += 1;
        match self.settings.connection_attempts {
            Some(limit) if error.is_transient() && self.failed_connects >= limit => {
                SinkError::Fatal(format!(
                    "{error}. That was attempt {} of {limit} (connection.attempts)",
                    self.failed_connects
                ))
            }
            _ => error,
        }
    }

    /// How long to wait before the connection is tried again, where its attempts are counted.
    pub(crate) fn connection_backoff(&self) -> Option<Duration> {
        let counts = self.failed_connects > 0 && self.settings.connection_attempts.is_some();
        counts.then_some(self.settings.connection_backoff)
    }

    /// Opens the first connection, if there was none yet: a sink that has nothing to write shows what is wrong, too.
    pub(crate) async fn connect_at_first(&mut self) -> Result<(), SinkError> {
        if self.was_connected {
            return Ok(());
        }
        self.connect().await
    }

    /// Connects to the first host that answers and is what `targetServerType` asks for.
    async fn open(&self) -> Result<Session, SinkError> {
        let Target {
            hosts, server_type, ..
        } = &self.target;
        let task = &self.task;
        // Of one host alone nothing can be preferred.
        let chooses = hosts.len() > 1 || server_type.is_strict();
        let mut second_choice = None;
        let mut problems = Vec::new();
        for host in self.hosts_in_turn() {
            let (name, port) = (host.get_host(), host.get_port());
            let session = match self.open_host(host).await {
                Ok(session) => session,
                Err(problem) => {
                    problems.push(problem);
                    continue;
                }
            };
            if !chooses || server_type.wants(session.server == ServerState::Primary) {
                info!("{task} is connected to {name}:{port}");
                return Ok(session);
            }
            let found = match session.server {
                ServerState::Primary => "is a primary",
                ServerState::Standby => "is a standby",
                ServerState::ReadOnly => "takes no writes (default_transaction_read_only)",
            };
            if server_type.is_strict() {
                problems.push(SinkError::Transient(format!(
                    "{task}: {name}:{port} {found}, and targetServerType of connection.url asks for another server. It is looked for again; see to the servers, or add the host to connection.url"
                )));
                session.close().await;
            } else if second_choice.is_none() {
                second_choice = Some((session, format!("{name}:{port}, which {found}")));
            } else {
                session.close().await;
            }
        }
        if let Some((session, place)) = second_choice {
            info!("{task} is connected to {place}: no other host of connection.url answers");
            return Ok(session);
        }
        Err(together(problems))
    }

    /// The hosts in the order of the URL, or from any of them on.
    fn hosts_in_turn(&self) -> impl Iterator<Item = &PgConnectOptions> {
        let hosts = &self.target.hosts;
        let first = if self.target.shuffles {
            let random = RandomState::new().build_hasher().finish();
            usize::try_from(random % (hosts.len().max(1) as u64)).unwrap_or(0)
        } else {
            0
        };
        hosts[first..].iter().chain(&hosts[..first])
    }

    async fn open_host(&self, host: &PgConnectOptions) -> Result<Session, SinkError> {
        let task = &self.task;
        let limits = &self.target.limits;
        let host = host
            .clone()
            .log_statements(tracing::log::LevelFilter::Trace);
        let ways = self.target.tls.options(host.clone()).await;
        let ways = ways.map_err(|error| error.map(|text| format!("{task}: {text}")))?;
        let mut last = None;
        for options in ways {
            let opened = async {
                let connection = PgConnection::connect_with(&options).await?;
                Session::open(connection, limits.answer, self.named_statements).await
            };
            match limited(limits.connect, "connectTimeout", opened).await {
                Ok(session) => return Ok(session),
                Err(error) => {
                    // Another authority may have signed the certificate.
                    let distrusted = distrusts(&error);
                    last = Some(self.no_connection(&host, error));
                    if !distrusted {
                        break;
                    }
                }
            }
        }
        Err(last.unwrap_or_else(|| SinkError::Fatal(format!("{task}: sslrootcert is empty"))))
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
            error if error.is_transient() => SinkError::Transient(format!(
                "{task}: {place} cannot be reached: {error}. It is tried again; see to the server, or correct host and port in connection.url"
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
        self.reported.clear();
        let was_open = self.session.is_some();
        let mut result = self.write_on_session(records).await;
        let again = match &result {
            // Nobody need know of a session that ended while it had nothing to do.
            Err(SinkError::SessionLost(_)) => was_open,
            Err(SinkError::StatementLost(_)) => mem::take(&mut self.named_statements),
            _ => false,
        };
        if let (true, Err(error)) = (again, &result) {
            info!("{} opens a new session: {error}", self.task);
            self.end_session();
            result = self.write_on_session(records).await;
        }
        if result.as_ref().is_err_and(SinkError::is_transient) {
            self.end_session();
        }
        result
    }

    async fn write_on_session(&mut self, records: &[SinkRecord]) -> Result<(), SinkError> {
        let mut result = self.write_once(records).await;
        for _ in 0..LOOKS {
            let Err(SinkError::StaleTable(text)) = &result else {
                break;
            };
            info!("{} looks at its tables again: {text}", self.task);
            self.forget_tables();
            result = self.write_once(records).await;
        }
        match result {
            Err(SinkError::ReadOnly(text)) if self.may_find_a_primary() => {
                Err(SinkError::SessionLost(text))
            }
            other => other,
        }
    }

    /// Whether another host may take writes, or this one soon: a standby becomes the primary at a failover. A server that
    /// takes none by a setting is as somebody wants it.
    fn may_find_a_primary(&self) -> bool {
        let Target {
            hosts, server_type, ..
        } = &self.target;
        let standby = self
            .session
            .as_ref()
            .is_some_and(|session| session.server == ServerState::Standby);
        *server_type != ServerType::Secondary && (standby || hosts.len() > 1)
    }

    fn end_session(&mut self) {
        self.session = None;
        self.forget_tables();
    }

    async fn write_once(&mut self, records: &[SinkRecord]) -> Result<(), SinkError> {
        // Others may have made them since.
        self.absent.clear();
        self.unprepared.clear();
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
            reduces: self.settings.reduces,
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
        let known = self.known(record).and_then(|known| {
            let change = known.plan.change(record, &self.settings)?;
            Ok((known, change))
        });
        let (known, change) = match known {
            Ok(known) => known,
            Err(SinkError::Connect(error)) => {
                return self
                    .report(index, record, located(&self.task, record, error))
                    .await;
            }
            Err(other) => return Err(other),
        };
        let shape = match self.shape(&known, change, record).await {
            // Of this record's columns; what the table or the settings are to blame for is another kind.
            Err(SinkError::Connect(error)) => {
                return self
                    .report(index, record, located(&self.task, record, error))
                    .await;
            }
            other => other?,
        };
        let Some(shape) = shape else { return Ok(()) };
        let plan = &known.plan;
        let replace = self.settings.replace_null_with_default;
        let columns = match shape.operation {
            Operation::Truncate => 0..0,
            Operation::Delete => 0..plan.keys,
            Operation::Write => 0..plan.columns.len(),
        };
        let keys = shape.keys;
        let finds_rows =
            shape.operation == Operation::Delete || self.settings.insert_mode == InsertMode::Update;
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
                if finds_rows && place <= keys && value.is_null() {
                    return Err(format!(
                        "column {}: the key's value is null, and no row can be found by it",
                        bound.name
                    ));
                }
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
                self.report(index, record, error).await
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
                return found.clone().accepted();
            }
        }
        let plan = Plan::new(record, settings)?;
        let refusal = self.mixes(&plan).map(Arc::from);
        let known = Known {
            plan: Arc::new(plan),
            refusal,
            write: None,
            delete: None,
            truncate: None,
        };
        let of_topic = self.plans.entry(Arc::clone(topic)).or_default();
        if of_topic.len() >= PLANS_PER_TOPIC {
            of_topic.clear();
        }
        of_topic.push(known.clone());
        known.accepted()
    }

    /// Remembers what the names of a plan were before they were cut; says which ones another plan has cut to the same: what
    /// has different names must not be mixed.
    fn mixes(&mut self, plan: &Plan) -> Option<String> {
        let table = plan.table.as_ref()?;
        let uncut = self.uncut.entry(table.clone());
        let uncut = uncut.or_insert_with(|| plan.uncut.clone());
        if *uncut != plan.uncut {
            let (one, other) = (uncut.as_ref().unwrap_or(table), plan.uncut.as_ref());
            return Some(format!(
                "the names '{one}' and '{}' both become the table '{table}': names have at most {LONGEST_NAME} bytes. Shorten one with a RegexRouter or table.name.format",
                other.unwrap_or(table)
            ));
        }
        let columns = || {
            plan.columns
                .iter()
                .filter(|column| may_be_cut(&column.name))
        };
        let known = self.uncut_columns.entry(table.clone()).or_default();
        for column in columns() {
            let one = known.get(&column.name);
            if let Some(one) = one.filter(|one| **one != column.uncut) {
                return Some(format!(
                    "the fields '{one}' of earlier records and '{}' both become the column '{}' of the table '{table}': names have at most {LONGEST_NAME} bytes. Rename or exclude one of them (field.exclude.list; Confluent's sink: fields.whitelist); after a field was renamed for good, rename the column too and start the task again",
                    column.uncut, column.name
                ));
            }
        }
        known.extend(columns().map(|column| (column.name.clone(), column.uncut.clone())));
        None
    }

    /// `Ok` if the record, which is this one of its batch, may be passed over.
    async fn report(
        &mut self,
        index: usize,
        record: &SinkRecord,
        error: ConnectError,
    ) -> Result<(), SinkError> {
        let Some(reporter) = &self.reporter else {
            return Err(error.into());
        };
        if !self.reported.contains(&index) {
            reporter.report(record, error).await?;
            self.reported.insert(index);
        }
        Ok(())
    }
}

/// What is wrong with all hosts: worth another try if that is worth it with one of them.
fn together(mut problems: Vec<SinkError>) -> SinkError {
    if problems.len() > 1 && problems.iter().any(SinkError::is_transient) {
        let texts: Vec<String> = problems.iter().map(SinkError::to_string).collect();
        return SinkError::Transient(texts.join("; "));
    }
    let last = problems.pop();
    last.unwrap_or_else(|| SinkError::Fatal("connection.url names no host".to_owned()))
}

/// The same error for a further record.
fn again(error: &ConnectError) -> ConnectError {
    ConnectError::message(error.kind(), error.text())
}

fn located(task: &ConnectorTaskId, record: &SinkRecord, error: ConnectError) -> ConnectError {
    let text = format!(
        "{task}: the record at {} cannot be written: {}",
        record.original,
        error.text()
    );
    ConnectError::message(error.kind(), text)
}

#[cfg(test)]
mod tests {
    use tidegate_api::{
        Props, Record, SchemaAndValue, SchemaBuilder, Struct, TimestampType, TopicPartitionOffset,
        Value,
    };

    use super::*;
    use crate::config::Style;

    fn record(topic: &str) -> SinkRecord {
        let schema = SchemaBuilder::structure()
            .field("id", SchemaBuilder::int64().build())
            .build();
        let topic: Arc<str> = topic.into();
        SinkRecord {
            record: Record {
                topic: Arc::clone(&topic),
                kafka_partition: Some(0),
                key: SchemaAndValue::NULL,
                value: Struct::new(schema, vec![Value::Int64(1)]).into(),
                timestamp: None,
                headers: tidegate_api::Headers::new(),
            },
            original: TopicPartitionOffset {
                topic,
                partition: 0,
                offset: 0,
            },
            timestamp_type: TimestampType::CreateTime,
        }
    }

    /// Each plan warns of what it cuts.
    #[test]
    fn refused_records_are_planned_once() {
        let props = Props::from([
            ("connection.url", "jdbc:postgresql://h/db"),
            ("connection.user", "u"),
            ("pk.mode", "none"),
        ]);
        let settings = Settings::new(Style::Confluent, &props).expect("valid");
        let task = ConnectorTaskId {
            connector: "sink".into(),
            task: 0,
        };
        let mut writer = Writer::new(settings, task, None).expect("a URL");
        let long = "t".repeat(63);
        let [one, other] = ["1", "2"].map(|end| record(&(long.clone() + end)));
        writer.known(&one).expect("a plan");
        let mut plans = Vec::new();
        for _ in 0..3 {
            let error = writer.known(&other).expect_err("another table's name");
            assert!(error.to_string().contains("both become the table"));
            let of_topic = &writer.plans[&other.record.topic];
            assert_eq!(of_topic.len(), 1);
            plans.push(Arc::clone(&of_topic[0].plan));
        }
        assert!(plans.iter().all(|plan| Arc::ptr_eq(plan, &plans[0])));
    }
}
