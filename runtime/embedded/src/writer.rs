//! The thread that writes: it takes everything that waits and commits it in one transaction.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tidegate_api::catch_panic_of;
use tidegate_log::LogError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tracing::{error, warn};

use crate::errors::translate;
use crate::maintenance;
use crate::store;
use crate::topics::{Topic, Topics};

/// Bytes that one transaction takes at most, beyond its first request.
const TRANSACTION_BYTES: usize = 8 * 1024 * 1024;
/// Bytes of requests that wait, at most; one request may be larger.
const QUEUE_BYTES: usize = 32 * 1024 * 1024;
/// What the queue's bytes are counted in.
const PERMIT_BYTES: usize = 1024;
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

    fn refuse(self, error: &LogError) {
        match self {
            Self::Append { done, .. } => drop(done.send(Err(error.clone()))),
            Self::Execute { refused, .. } => refused(error.clone()),
        }
    }
}

/// A request with its share of the queue's bytes, which it gives back when it is done.
struct Queued(Request, OwnedSemaphorePermit);

/// The way to the writer's thread. Dropping it waits until everything sent is stored and the file is closed.
#[derive(Debug)]
pub(crate) struct Writer {
    queue: Option<Sender<Queued>>,
    /// What bounds the queue.
    budget: Arc<Semaphore>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread shares with the rest of the log.
pub(crate) struct Shared {
    pub(crate) directory: PathBuf,
    pub(crate) topics: Arc<Topics>,
    /// Counts commits; readers wait for it to change.
    pub(crate) commits: watch::Sender<u64>,
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // Its panic was logged.
            thread.join().ok();
        }
    }
}

impl Writer {
    pub(crate) fn start(connection: Connection, shared: Shared) -> Result<Self, LogError> {
        let (queue, requests) = channel();
        let maintenance = maintenance::State::load(&connection, &shared.topics)
            .map_err(|error| translate(&shared.directory, "read its topics", &error))?;
        let state = Loop {
            connection,
            shared,
            next: HashMap::new(),
            maintenance,
        };
        let thread = std::thread::Builder::new()
            .name("embedded-log".to_owned())
            .spawn(move || {
                let what = || "the embedded log's thread".to_owned();
                // Whoever waits for it, or sends something later, hears that the log is closed.
                if let Err(panic) = catch_panic_of(what, || state.run(&requests)) {
                    error!("{panic}");
                }
            })
            .map_err(|error| {
                LogError::Fatal(format!(
                    "the embedded log's thread cannot be started: {error}"
                ))
            })?;
        Ok(Self {
            queue: Some(queue),
            budget: Arc::new(Semaphore::new(QUEUE_BYTES / PERMIT_BYTES)),
            thread: Some(thread),
        })
    }

    /// Waits for room in the queue. Cancel-safe: a request is queued or not.
    pub(crate) async fn send(&self, request: Request) -> Result<(), LogError> {
        let permits = request
            .bytes()
            .div_ceil(PERMIT_BYTES)
            .clamp(1, QUEUE_BYTES / PERMIT_BYTES);
        let permit = Arc::clone(&self.budget)
            .acquire_many_owned(u32::try_from(permits).unwrap_or(u32::MAX))
            .await
            .map_err(|_| stopped())?;
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        queue.send(Queued(request, permit)).map_err(|_| stopped())
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
        })
        .await?;
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

/// What a request has done in the open transaction.
enum Done {
    Appended(Vec<Part>, Vec<i64>, oneshot::Sender<Bases>),
    Executed(Completion, Box<dyn FnOnce(LogError) + Send>),
}

impl Loop {
    fn run(mut self, requests: &Receiver<Queued>) {
        let mut looked = Instant::now();
        loop {
            let patience = if self.maintenance.is_busy() {
                Duration::ZERO
            } else {
                MAINTENANCE_INTERVAL
            };
            match requests.recv_timeout(patience) {
                Ok(first) => {
                    // The permits live until the transaction is over.
                    let (requests, _permits) = gather(first, requests);
                    self.transaction(requests);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if looked.elapsed() >= MAINTENANCE_INTERVAL {
                let look = self.maintenance.look(&self.connection, &self.shared.topics);
                self.maintained(look);
                looked = Instant::now();
            }
            // One piece at a time: whoever appends waits for no more.
            let step = self.maintenance.step(&self.connection);
            self.maintained(step);
        }
        if let Err((_, error)) = self.connection.close() {
            warn!(%error, "the embedded log's file was not closed cleanly; nothing is lost");
        }
    }

    /// All requests in one transaction. Should that fail, the appends are tried again each alone, so that a large one
    /// that finds no room does not take the small ones with it.
    fn transaction(&mut self, requests: Vec<Request>) {
        let several = requests.len() > 1;
        let Err((error, appends)) = self.attempt(requests) else {
            return;
        };
        warn!(%error, "a transaction of the embedded log failed");
        for request in appends {
            if !several {
                request.refuse(&error);
            } else if let Err((error, again)) = self.attempt(vec![request]) {
                for request in again {
                    request.refuse(&error);
                }
            }
        }
    }

    /// On failure the requests that can be tried again come back; the others have been refused.
    fn attempt(&mut self, requests: Vec<Request>) -> Result<(), (LogError, Vec<Request>)> {
        self.next.clear();
        let mut requests = requests.into_iter();
        let mut done = Vec::with_capacity(requests.len());
        let result = self
            .connection
            .execute_batch("BEGIN IMMEDIATE")
            .and_then(|()| {
                for request in requests.by_ref() {
                    self.perform(request, &mut done)?;
                }
                self.connection.execute_batch("COMMIT")
            });
        let Err(error) = result else {
            self.committed(done);
            return Ok(());
        };
        let error = translate(&self.shared.directory, "write", &error);
        self.rollback();
        let mut again = Vec::new();
        for request in done {
            match request {
                Done::Appended(parts, _, done) => again.push(Request::Append { parts, done }),
                Done::Executed(_, refused) => refused(error.clone()),
            }
        }
        again.extend(requests);
        Err((error, again))
    }

    /// Does one request in the open transaction. An error is one of the whole transaction; what concerns the request
    /// alone is its own answer.
    fn perform(&mut self, request: Request, done: &mut Vec<Done>) -> rusqlite::Result<()> {
        match request {
            Request::Append {
                parts,
                done: sender,
            } => {
                if let Some(part) = parts.iter().find(|part| part.topic.is_deleted()) {
                    // Not the error of a record: the append may have others, for topics that are there. The next one
                    // looks for each topic anew.
                    let error = LogError::Unavailable(format!(
                        "topic '{}' has been deleted meanwhile",
                        part.topic.name
                    ));
                    Request::Append {
                        parts,
                        done: sender,
                    }
                    .refuse(&error);
                    return Ok(());
                }
                let bases = self.append(&parts);
                let (bases, result) = match bases {
                    Ok(bases) => (bases, Ok(())),
                    Err(error) => (Vec::new(), Err(error)),
                };
                done.push(Done::Appended(parts, bases, sender));
                result
            }
            Request::Execute { statement, refused } => {
                // A savepoint keeps a failed statement from spoiling the transaction.
                self.connection.execute_batch("SAVEPOINT statement")?;
                match statement(&self.connection) {
                    Ok(completion) => {
                        done.push(Done::Executed(completion, refused));
                        self.connection.execute_batch("RELEASE statement")
                    }
                    Err(error) => {
                        refused(translate(&self.shared.directory, "write", &error));
                        // SQLite ends the transaction by itself on a full disk: then nothing of it may go on.
                        if self.connection.is_autocommit() {
                            return Err(error);
                        }
                        self.connection
                            .execute_batch("ROLLBACK TO statement; RELEASE statement")
                    }
                }
            }
        }
    }

    /// Makes a committed transaction known, and answers.
    fn committed(&mut self, done: Vec<Done>) {
        for request in done {
            match request {
                Done::Appended(parts, bases, sender) => {
                    for (part, base) in parts.iter().zip(&bases) {
                        if let Some(partition) = part.topic.partition(part.partition) {
                            partition.advance_next(base + part.count);
                        }
                        self.maintenance
                            .appended(&part.topic, part.partition, part.data.len());
                    }
                    // Whoever appended may not care for the receipt.
                    drop(sender.send(Ok(bases)));
                }
                Done::Executed(completion, _) => completion(),
            }
        }
        self.shared.commits.send_modify(|count| *count += 1);
    }

    fn rollback(&self) {
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            warn!(%error, "the embedded log could not roll back");
        }
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

    fn maintained(&self, outcome: rusqlite::Result<()>) {
        if let Err(error) = outcome {
            let doing = "compact or delete old records";
            let error = translate(&self.shared.directory, doing, &error);
            warn!(%error, "trying again later");
            self.rollback();
        }
    }
}

fn gather(first: Queued, requests: &Receiver<Queued>) -> (Vec<Request>, Vec<OwnedSemaphorePermit>) {
    let mut bytes = first.0.bytes();
    let (mut gathered, mut permits) = (vec![first.0], vec![first.1]);
    while bytes < TRANSACTION_BYTES
        && let Ok(Queued(request, permit)) = requests.try_recv()
    {
        bytes += request.bytes();
        gathered.push(request);
        permits.push(permit);
    }
    (gathered, permits)
}
