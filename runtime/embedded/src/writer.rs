//! The thread that writes: it takes everything that waits and commits it in one transaction.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tidegate_log::LogError;
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};
use tracing::warn;

use crate::errors::translate;
use crate::maintenance;
use crate::store;
use crate::topics::{Topic, Topics};

/// Bytes that one transaction takes at most, beyond its first request.
const TRANSACTION_BYTES: usize = 8 * 1024 * 1024;
/// Between two looks at retention and compaction.
const MAINTENANCE_INTERVAL: Duration = Duration::from_secs(5);

/// A partition's share of an append; offsets inside `data` are distances from the base that the writer assigns.
pub(crate) struct Part {
    pub(crate) topic: Arc<Topic>,
    pub(crate) partition: i32,
    pub(crate) count: i64,
    pub(crate) max_timestamp: i64,
    pub(crate) data: Vec<u8>,
}

/// Base offset of each part, in order.
pub(crate) type Bases = Result<Vec<i64>, LogError>;

/// Work on the connection other than an append, in the same transaction as others.
type Statement = Box<dyn FnOnce(&Connection) -> rusqlite::Result<Completion> + Send>;
/// What follows the commit, with its result.
pub(crate) type Completion = Box<dyn FnOnce() + Send>;

pub(crate) enum Request {
    Append {
        parts: Vec<Part>,
        done: oneshot::Sender<Bases>,
        permit: Option<OwnedSemaphorePermit>,
    },
    /// `refused` hears of a failed commit.
    Execute {
        statement: Statement,
        refused: Box<dyn FnOnce(LogError) + Send>,
    },
}

impl Request {
    fn bytes(&self) -> usize {
        match self {
            Self::Append { parts, .. } => parts.iter().map(|part| part.data.len()).sum(),
            Self::Execute { .. } => 0,
        }
    }
}

/// Sends requests to the writer thread, which ends when all of these are gone.
#[derive(Debug, Clone)]
pub(crate) struct Writer(Sender<Request>);

/// What the thread shares with the rest of the log.
pub(crate) struct Shared {
    pub(crate) directory: PathBuf,
    pub(crate) topics: Arc<Topics>,
    /// Counts commits; readers wait for it to change.
    pub(crate) commits: watch::Sender<u64>,
}

impl Writer {
    pub(crate) fn start(
        connection: Connection,
        shared: Shared,
    ) -> Result<(Self, JoinHandle<()>), LogError> {
        let (sender, requests) = channel();
        let thread = std::thread::Builder::new()
            .name("embedded-log".to_owned())
            .spawn(move || Loop::new(connection, shared).run(&requests))
            .map_err(|error| {
                LogError::Fatal(format!(
                    "the embedded log's thread cannot be started: {error}"
                ))
            })?;
        Ok((Self(sender), thread))
    }

    pub(crate) fn send(&self, request: Request) -> Result<(), LogError> {
        self.0.send(request).map_err(|_| stopped())
    }

    /// Runs `statement` in a transaction; `then` follows its commit, still before anyone else's work.
    pub(crate) async fn execute<T: Send + 'static>(
        &self,
        statement: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
        then: impl FnOnce(&T) + Send + 'static,
    ) -> Result<T, LogError> {
        let (done, result) = oneshot::channel();
        let done = Arc::new(std::sync::Mutex::new(Some(done)));
        let answer = |done: &std::sync::Mutex<Option<oneshot::Sender<_>>>, result| {
            if let Some(done) = done.lock().ok().and_then(|mut done| done.take()) {
                // Whoever asked may have given up.
                drop(done.send(result));
            }
        };
        let refused = Arc::clone(&done);
        self.send(Request::Execute {
            statement: Box::new(move |connection| {
                let value = statement(connection)?;
                Ok(Box::new(move || {
                    then(&value);
                    answer(&done, Ok(value));
                }) as Completion)
            }),
            refused: Box::new(move |error| answer(&refused, Err(error))),
        })?;
        result.await.map_err(|_| stopped())?
    }
}

fn stopped() -> LogError {
    LogError::Fatal("the embedded log is closed".to_owned())
}

struct Loop {
    connection: Connection,
    shared: Shared,
    /// Next offsets, ahead of the committed ones while a transaction is open.
    next: HashMap<(i64, i32), i64>,
    maintenance: maintenance::State,
}

impl Loop {
    fn new(connection: Connection, shared: Shared) -> Self {
        Self {
            connection,
            shared,
            next: HashMap::new(),
            maintenance: maintenance::State::default(),
        }
    }

    fn run(mut self, requests: &Receiver<Request>) {
        let mut maintained = Instant::now();
        loop {
            match requests.recv_timeout(MAINTENANCE_INTERVAL) {
                Ok(first) => self.transaction(gather(first, requests)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if maintained.elapsed() >= MAINTENANCE_INTERVAL {
                self.maintain();
                maintained = Instant::now();
            }
        }
        if let Err((_, error)) = self.connection.close() {
            warn!(%error, "the embedded log's file was not closed cleanly; nothing is lost");
        }
    }

    /// All requests in one transaction. Should that fail with several, each is tried alone, so that a bad one harms no other.
    fn transaction(&mut self, requests: Vec<Request>) {
        match self.attempt(requests) {
            Ok(()) => {}
            Err((error, appends)) => {
                for request in appends {
                    if let Err((error, _)) = self.attempt(vec![request]) {
                        warn!(%error, "the embedded log refused a write");
                    }
                }
                warn!(%error, "a transaction of the embedded log failed");
            }
        }
    }

    /// On failure of several appends, those come back to be tried again.
    fn attempt(&mut self, requests: Vec<Request>) -> Result<(), (LogError, Vec<Request>)> {
        let alone = requests.len() == 1;
        self.next.clear();
        let mut appended = Vec::new();
        let mut executed: Vec<(
            Result<Completion, LogError>,
            Box<dyn FnOnce(LogError) + Send>,
        )> = Vec::new();
        let failed =
            |directory: &PathBuf, error: &rusqlite::Error| translate(directory, "write", error);
        if let Err(error) = self.connection.execute_batch("BEGIN IMMEDIATE") {
            let error = failed(&self.shared.directory, &error);
            refuse(requests, &error);
            return Err((error, Vec::new()));
        }
        let mut broken = None;
        let mut requests = requests.into_iter();
        for request in requests.by_ref() {
            match request {
                Request::Append {
                    parts,
                    done,
                    permit,
                } => match self.append(&parts) {
                    Ok(bases) => appended.push((parts, bases, done, permit)),
                    Err(error) => {
                        broken = Some(failed(&self.shared.directory, &error));
                        appended.push((parts, Vec::new(), done, permit));
                        break;
                    }
                },
                Request::Execute { statement, refused } => {
                    // A savepoint keeps a failed statement from spoiling the transaction.
                    let result = self
                        .connection
                        .execute_batch("SAVEPOINT statement")
                        .and_then(|()| statement(&self.connection));
                    let end = if result.is_ok() {
                        "RELEASE statement"
                    } else {
                        "ROLLBACK TO statement; RELEASE statement"
                    };
                    let result = self.connection.execute_batch(end).and(result);
                    executed.push((
                        result.map_err(|error| failed(&self.shared.directory, &error)),
                        refused,
                    ));
                }
            }
        }
        if broken.is_none()
            && let Err(error) = self.connection.execute_batch("COMMIT")
        {
            broken = Some(failed(&self.shared.directory, &error));
        }
        if let Some(error) = broken {
            if !self.connection.is_autocommit()
                && let Err(error) = self.connection.execute_batch("ROLLBACK")
            {
                warn!(%error, "the embedded log could not roll back");
            }
            self.next.clear();
            for (result, refused) in executed {
                refused(result.err().unwrap_or_else(|| error.clone()));
            }
            let mut again: Vec<Request> = appended
                .into_iter()
                .map(|(parts, _, done, permit)| Request::Append {
                    parts,
                    done,
                    permit,
                })
                .collect();
            again.extend(requests);
            if alone {
                refuse(again, &error);
                again = Vec::new();
            }
            return Err((error, again));
        }
        for (parts, bases, done, permit) in appended {
            for (part, base) in parts.iter().zip(&bases) {
                if let Some(partition) = part.topic.partition(part.partition) {
                    partition.advance_next(base + part.count);
                }
                self.maintenance
                    .appended(&part.topic, part.partition, part.data.len());
            }
            drop(permit);
            // Whoever appended may not care for the receipt.
            drop(done.send(Ok(bases)));
        }
        for (result, refused) in executed {
            match result {
                Ok(completion) => completion(),
                Err(error) => refused(error),
            }
        }
        self.shared.commits.send_modify(|count| *count += 1);
        Ok(())
    }

    fn append(&mut self, parts: &[Part]) -> rusqlite::Result<Vec<i64>> {
        let mut bases = Vec::with_capacity(parts.len());
        for part in parts {
            let committed = part
                .topic
                .partition(part.partition)
                .map_or(0, crate::topics::Partition::next);
            let next = self
                .next
                .entry((part.topic.id, part.partition))
                .or_insert(committed);
            let base = *next;
            *next += part.count;
            store::insert_batch(
                &self.connection,
                part.topic.id,
                part.partition,
                base..base + part.count,
                part.max_timestamp,
                &part.data,
            )?;
            bases.push(base);
        }
        Ok(bases)
    }

    fn maintain(&mut self) {
        if let Err(error) = self.maintenance.run(&self.connection, &self.shared.topics) {
            let error = translate(
                &self.shared.directory,
                "compact or delete old records",
                &error,
            );
            warn!(%error, "trying again later");
            if !self.connection.is_autocommit()
                && let Err(error) = self.connection.execute_batch("ROLLBACK")
            {
                warn!(%error, "the embedded log could not roll back");
            }
        }
    }
}

fn gather(first: Request, requests: &Receiver<Request>) -> Vec<Request> {
    let mut bytes = first.bytes();
    let mut gathered = vec![first];
    while bytes < TRANSACTION_BYTES
        && let Ok(request) = requests.try_recv()
    {
        bytes += request.bytes();
        gathered.push(request);
    }
    gathered
}

fn refuse(requests: Vec<Request>, error: &LogError) {
    for request in requests {
        match request {
            Request::Append { done, .. } => drop(done.send(Err(error.clone()))),
            Request::Execute { refused, .. } => refused(error.clone()),
        }
    }
}
