//! A connection and the statements of batches on it.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::time::Duration;

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgConnection, PgTypeInfo};
use sqlx::{
    AssertSqlSafe, Connection as _, Encode, Execute, Executor as _, Postgres, Row as _, Type,
};
use tidegate_api::catch_panic;
use tracing::{debug, warn};

use crate::batch::{Batch, Operation, Shape, Step};
use crate::dialect::postgres::{catalog, statements};
use crate::errors::SinkError;
use crate::wire::Wire;

/// From so many rows on COPY costs the database less than arrays do.
const COPY_FROM: usize = 400;
/// A statement's rows and bytes.
const ROWS_PER_STATEMENT: usize = 10_000;
const BYTES_PER_STATEMENT: usize = 16 << 20;
/// Bytes handed to the socket at once.
const COPY_CHUNK: usize = 256 << 10;
/// Tables of the session, each of which every commit has to empty.
const MOST_STAGES: usize = 16;

pub(crate) struct Session {
    pub(crate) connection: PgConnection,
    /// How long an answer is waited for.
    pub(crate) limit: Option<Duration>,
    /// Names of the session's tables, by the statement that creates one with such columns.
    stages: HashMap<String, String>,
    /// Tables of the session that hold rows of the transaction at hand.
    filled: HashSet<String>,
    /// Whether the user may have tables of the session.
    may_stage: bool,
    /// What tells the session's tables from those of others: a pooler may let sessions share a server's.
    id: u64,
    /// Whether statements have names on the server, and stay prepared there.
    named: bool,
    /// Whether a statement may be a transaction without more ado.
    alone: bool,
    pub(crate) server: ServerState,
}

/// Whether a server takes writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServerState {
    Primary,
    Standby,
    /// Not by a setting, `default_transaction_read_only`.
    ReadOnly,
}

/// In READ COMMITTED a statement sees what was committed before its lock on a table was granted. So it finds the columns
/// as they are, see [`unchanged`](crate::dialect::postgres::catalog::unchanged).
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Session {
    /// Asks what the server is. `named` is whether statements may have names.
    pub(crate) async fn open(
        mut connection: PgConnection,
        limit: Option<Duration>,
        named: bool,
    ) -> Result<Self, sqlx::Error> {
        const SQL: &str = "SELECT pg_is_in_recovery(), current_setting('transaction_read_only') = 'off', \
                           current_setting('default_transaction_isolation') = 'read committed'";
        let asked = connection.fetch_one(sqlx::raw_sql(SQL));
        let answer = within(limit, asked).await?;
        let reads_committed: bool = answer.try_get(2)?;
        Ok(Self {
            connection,
            limit,
            stages: HashMap::new(),
            filled: HashSet::new(),
            may_stage: named,
            id: RandomState::new().build_hasher().finish(),
            named,
            // Not without a name: a pooler may let it be prepared on one session and executed on another. Not with a limit:
            // a statement that nobody waits for any more would still commit, perhaps after later changes.
            alone: reads_committed && named && limit.is_none(),
            server: match (answer.try_get(0)?, answer.try_get(1)?) {
                (true, _) => ServerState::Standby,
                (false, true) => ServerState::Primary,
                (false, false) => ServerState::ReadOnly,
            },
        })
    }

    pub(crate) async fn close(self) {
        if let Err(error) = within(self.limit, self.connection.close()).await {
            warn!("the connection did not close cleanly: {error}");
        }
    }

    pub(crate) async fn execute(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        let sql = AssertSqlSafe(sql.to_owned());
        self.run(sqlx::raw_sql(sql)).await
    }

    /// One value through an expression, see [`statements::probe`].
    pub(crate) async fn probe(
        &mut self,
        sql: String,
        parameter: ArrayParameter,
    ) -> Result<(), sqlx::Error> {
        let query = sqlx::query(AssertSqlSafe(sql)).persistent(self.named);
        self.run(query.bind(parameter)).await
    }

    async fn run<'q>(&mut self, query: impl Execute<'q, Postgres> + 'q) -> Result<(), sqlx::Error> {
        let done = self.connection.execute(query);
        within(self.limit, done).await.map(drop)
    }

    /// Begins a transaction that may COPY into the tables of these shapes.
    pub(crate) async fn begin<'a>(
        &mut self,
        shapes: impl Iterator<Item = &'a Shape>,
    ) -> Result<(), SinkError> {
        self.filled.clear();
        let mut begin = BEGIN.to_owned();
        for copy in shapes.filter_map(|shape| shape.copy.as_ref()) {
            begin.push_str("; ");
            begin.push_str(&copy.check);
        }
        // One message and one answer, however many statements.
        let Err(error) = self.execute(&begin).await else {
            return Ok(());
        };
        let error = SinkError::from(error);
        if !error.is_transient() {
            self.execute("ROLLBACK").await?;
        }
        Err(error)
    }

    /// Does steps in one transaction.
    pub(crate) async fn write(&mut self, batch: &Batch, steps: &[Step]) -> Result<(), SinkError> {
        // What one statement does is a transaction without more ado.
        if let [step] = steps
            && self.alone
            && step.rows.len() < COPY_FROM
            && fitting(batch, &step.rows) == step.rows.len()
        {
            let done = self.step(batch, step).await;
            return done.map_err(|error| error.map(|text| named(step, &text)));
        }
        for step in steps {
            if step.rows.len() >= COPY_FROM && step.shape.copy.is_none() {
                self.create_stage(&step.shape).await?;
            }
        }
        let copied = steps.iter().filter(|step| step.rows.len() >= COPY_FROM);
        self.begin(copied.map(|step| &*step.shape)).await?;
        for step in steps {
            if let Err(error) = self.step(batch, step).await {
                if !error.is_transient() {
                    self.execute("ROLLBACK").await?;
                }
                return Err(error.map(|text| named(step, &text)));
            }
        }
        Ok(self.execute("COMMIT").await?)
    }

    /// Does a step in the transaction at hand.
    pub(crate) async fn step(&mut self, batch: &Batch, step: &Step) -> Result<(), SinkError> {
        if step.shape.operation == Operation::Truncate {
            let truncate = statements::truncate(&step.shape.table);
            return Ok(self.execute(&truncate).await?);
        }
        let mut rest = step.rows.as_slice();
        while !rest.is_empty() {
            let (rows, behind) = rest.split_at(fitting(batch, rest));
            rest = behind;
            self.rows(batch, &step.shape, rows).await?;
        }
        Ok(())
    }

    async fn rows(
        &mut self,
        batch: &Batch,
        shape: &Shape,
        rows: &[usize],
    ) -> Result<(), SinkError> {
        if rows.len() >= COPY_FROM {
            if let Some(into_table) = &shape.copy {
                return Ok(self.copy(batch, shape, rows, &into_table.copy).await?);
            }
            if let Some(sql) = &shape.from_stage
                && let Some(stage) = self.stage(shape)
            {
                self.fill(batch, shape, rows, &stage).await?;
                let (sql, identity) = catalog::identified(&sql.replace(STAGE, &stage), 1);
                let query = sqlx::query(AssertSqlSafe(sql)).persistent(self.named);
                return Ok(self.run(query.bind(identity)).await?);
            }
        }
        let sql = AssertSqlSafe(shape.from_arrays.clone());
        let mut query = sqlx::query(sql).persistent(self.named);
        for array in arrays(batch, shape, rows) {
            query = query.bind(array);
        }
        query = query.bind(shape.identity);
        Ok(self.run(query).await?)
    }

    /// The session's table for rows of this shape, if there is one.
    fn stage(&self, shape: &Shape) -> Option<String> {
        let columns = statements::create_stage(STAGE, &shape.columns);
        self.stages.get(&columns).cloned()
    }

    /// Makes the session's table for rows of this shape, outside of a transaction whose end it would share. Without
    /// one rows go through arrays.
    async fn create_stage(&mut self, shape: &Shape) -> Result<(), SinkError> {
        if shape.from_stage.is_none() || !self.may_stage || self.stages.len() >= MOST_STAGES {
            return Ok(());
        }
        let columns = statements::create_stage(STAGE, &shape.columns);
        if self.stages.contains_key(&columns) {
            return Ok(());
        }
        let name = format!("tidegate_stage_{:x}_{}", self.id, self.stages.len());
        match self.execute(&columns.replace(STAGE, &name)).await {
            Ok(()) => {
                self.stages.insert(columns, name);
                Ok(())
            }
            Err(sqlx::Error::Database(error)) => {
                debug!("there are no tables of the session: {error}");
                self.may_stage = false;
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn fill(
        &mut self,
        batch: &Batch,
        shape: &Shape,
        rows: &[usize],
        stage: &str,
    ) -> Result<(), sqlx::Error> {
        if !self.filled.insert(stage.to_owned()) {
            self.execute(&format!("TRUNCATE TABLE {stage}")).await?;
        }
        let copied = self
            .copy(batch, shape, rows, &statements::copy_into_stage(stage))
            .await;
        if let Err(sqlx::Error::Database(error)) = &copied
            && error.code().as_deref() == Some("42P01")
        {
            // A pool in between gives each transaction another session.
            self.may_stage = false;
            self.stages.clear();
        }
        copied
    }

    async fn copy(
        &mut self,
        batch: &Batch,
        shape: &Shape,
        rows: &[usize],
        sql: &str,
    ) -> Result<(), sqlx::Error> {
        let columns = i16::try_from(shape.columns.len()).unwrap_or(i16::MAX);
        let limit = self.limit;
        let mut sink = within(limit, self.connection.copy_in_raw(sql)).await?;
        let mut chunk = Vec::with_capacity(COPY_CHUNK + 4096);
        chunk.extend_from_slice(b"PGCOPY\n\xff\r\n\0");
        chunk.extend_from_slice(&[0; 8]);
        for row in rows {
            chunk.extend_from_slice(&columns.to_be_bytes());
            chunk.extend_from_slice(batch.row(*row));
            if chunk.len() >= COPY_CHUNK {
                within(limit, sink.send(chunk.as_slice())).await?;
                chunk.clear();
            }
        }
        chunk.extend_from_slice(&(-1i16).to_be_bytes());
        within(limit, sink.send(chunk.as_slice())).await?;
        within(limit, sink.finish()).await.map(drop)
    }
}

/// Waits for an answer of the server as long as `socketTimeout` allows. After that its session is of no use any more; nor is
/// it after bytes that the client library takes for the end of its own world: what it panics with is such an answer.
pub(crate) async fn within<T, E: From<sqlx::Error>>(
    limit: Option<Duration>,
    answer: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    limited(limit, "socketTimeout", answer).await
}

/// Waits no longer than a parameter of the URL allows.
pub(crate) async fn limited<T, E: From<sqlx::Error>>(
    limit: Option<Duration>,
    parameter: &str,
    answer: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let answer = async {
        let answer = catch_panic("the PostgreSQL client", answer).await;
        answer.unwrap_or_else(|panic| Err(sqlx::Error::Protocol(panic.to_string()).into()))
    };
    let Some(limit) = limit else {
        return answer.await;
    };
    tokio::time::timeout(limit, answer)
        .await
        .unwrap_or_else(|_| {
            let text = format!("no answer within {limit:?}, the {parameter} of connection.url");
            Err(sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, text)).into())
        })
}

/// Stands for the session's table in prepared texts.
pub(crate) const STAGE: &str = "{stage}";

/// How many of the rows one statement takes, at least one.
fn fitting(batch: &Batch, rows: &[usize]) -> usize {
    let mut bytes = 0;
    let fitting = rows.iter().take(ROWS_PER_STATEMENT).take_while(|row| {
        bytes += batch.row(**row).len();
        bytes <= BYTES_PER_STATEMENT
    });
    fitting.count().max(1)
}

fn named(step: &Step, text: &str) -> String {
    format!("table {}: {text}", step.shape.table)
}

/// One array for each column.
fn arrays(batch: &Batch, shape: &Shape, rows: &[usize]) -> Vec<ArrayParameter> {
    let mut arrays: Vec<ArrayParameter> = shape
        .columns
        .iter()
        .map(|column| ArrayParameter::new(column.binding.encoder.wire(), rows.len()))
        .collect();
    for row in rows {
        for (array, field) in arrays.iter_mut().zip(batch.fields(*row)) {
            array.push(field);
        }
    }
    arrays
}

/// A one-dimensional array in binary form.
pub(crate) struct ArrayParameter {
    wire: Wire,
    bytes: Vec<u8>,
}

impl ArrayParameter {
    /// Source: `array_recv`: dimensions, whether there are nulls, type of elements, length and lower bound.
    pub(crate) fn new(wire: Wire, length: usize) -> Self {
        let mut bytes = Vec::with_capacity(20 + length * 12);
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        for word in [1, 1, wire.oid(), length, 1] {
            bytes.extend_from_slice(&word.to_be_bytes());
        }
        Self { wire, bytes }
    }
    pub(crate) fn push(&mut self, field: Option<&[u8]>) {
        let length = field.map_or(-1, |field| i32::try_from(field.len()).unwrap_or(i32::MAX));
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(field.unwrap_or_default());
    }
}

impl Type<Postgres> for ArrayParameter {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(Wire::Text.array_oid()))
    }
}

impl Encode<'_, Postgres> for ArrayParameter {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(&self.bytes);
        Ok(IsNull::No)
    }
    fn produces(&self) -> Option<PgTypeInfo> {
        Some(PgTypeInfo::with_oid(Oid(self.wire.array_oid())))
    }
}
