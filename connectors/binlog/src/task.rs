//! The task: decides between snapshot and streaming, and comes back after the server or the schema history's log was away.
//!
//! Source: Debezium `BinlogSourceTask`, `ChangeEventSourceCoordinator`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tidegate_api::{
    ConnectError, ErrorKind, Headers, Props, SourceRecord, SourceTask, SourceTaskContext,
    TaskWaits, catch_panic,
};
use tidegate_cdc::headers;
use tidegate_cdc::history::SchemaHistory;
use tidegate_cdc::queue::BatchSender;
use tidegate_cdc::reader::{READER, ReaderHandle};
use tidegate_cdc::retries::Retries;
use tidegate_log::LogProvider;
use tidegate_mysql::connection::Server;
use tidegate_mysql::sessions::AtOnce;
use tidegate_mysql::uuid::random_uuid;
use tidegate_mysql::{Flavor, queries};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::attempts::{Progress, Unreadable};
use crate::availability;
use crate::config::{Settings, SnapshotMode};
use crate::errors::BinlogError;
use crate::flavor::ConnectorNames as _;
use crate::offsets::{self, Position};
use crate::record::RecordMaker;
use crate::schema_changes::SchemaChangeMaker;
use crate::snapshot::{Interrupted, Snapshot};
use crate::source_info::SourceInfo;
use crate::streaming::{Parts, Streaming};
use crate::tracker::Tracker;

pub(crate) struct BinlogTask {
    flavor: Flavor,
    provider: Arc<dyn LogProvider>,
    reader: Option<ReaderHandle>,
}

impl BinlogTask {
    pub(crate) fn new(flavor: Flavor, provider: Arc<dyn LogProvider>) -> Self {
        Self {
            flavor,
            provider,
            reader: None,
        }
    }
}

#[async_trait]
impl SourceTask for BinlogTask {
    async fn start(
        &mut self,
        context: SourceTaskContext,
        props: Props,
    ) -> Result<(), ConnectError> {
        let settings = Arc::new(Settings::new(self.flavor, &props)?);
        let partition = offsets::partition(&settings.naming.prefix);
        let stored = context
            .offset_reader
            .offsets(std::slice::from_ref(&*partition))
            .await?;
        let position = stored
            .into_iter()
            .next()
            .flatten()
            .inspect(offsets::warn_of_snapshots)
            .map(|fields| Position::parse(&fields))
            .transpose()?;
        let limits = settings.queue;
        let source = SourceInfo::new(self.flavor, &settings.naming.prefix);
        let run = random_uuid();
        let headers = if settings.extended_headers {
            headers::context(
                &settings.naming.prefix,
                &context.task.task.to_string(),
                self.flavor.name(),
                &run,
            )
        } else {
            Headers::new()
        };
        let reader = |queue| Reader {
            connector: Arc::clone(&context.task.connector),
            flavor: self.flavor,
            schema_changes: SchemaChangeMaker::new(
                self.flavor,
                &settings.naming.prefix,
                &source.schema,
            ),
            records: RecordMaker {
                partition,
                headers,
                tombstones: settings.tombstones,
            },
            provider: Arc::clone(&self.provider),
            server: Arc::new(Server::new(Arc::clone(&settings.connection))),
            mode: settings.snapshot_mode,
            has_begun: false,
            waits: Arc::clone(&context.waits),
            progress: Progress::from(position.as_ref()),
            unreadable: Unreadable::default(),
            settings,
            source,
            position,
            queue,
        };
        let read = |queue, stop: CancellationToken| {
            let reader = reader(queue);
            let server = Arc::clone(&reader.server);
            async move {
                let work = catch_panic(READER, AtOnce::new(reader.run()));
                let outcome = tokio::select! {
                    () = stop.cancelled() => Ok(()),
                    outcome = work => outcome.flatten(),
                };
                server.end_cut_off().await;
                outcome
            }
        };
        self.reader = Some(ReaderHandle::spawn(limits, read));
        Ok(())
    }

    async fn poll(&mut self) -> Result<Vec<SourceRecord>, ConnectError> {
        match &mut self.reader {
            Some(reader) => reader.poll().await,
            None => Ok(Vec::new()),
        }
    }

    async fn stop(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.stop().await;
        }
    }
}

/// A snapshot of the schema history without any stored offset is taken for an interrupted attempt only if it is younger:
/// who removes the offsets later wants a new snapshot and nothing from before it.
const RECENT_SNAPSHOT_MS: i64 = 3_600_000;

const STOPPED: &str =
    "An exception occurred in the change event producer. This connector will be stopped.";

/// The longest wait before the next attempt.
fn longest_wait(error: &BinlogError) -> Duration {
    match error {
        // Each attempt holds up all writers for snapshot.lock.timeout.ms.
        BinlogError::LockWait { .. } => Duration::from_mins(10),
        _ => Duration::from_mins(1),
    }
}

/// Reads the server on a task of its own.
struct Reader {
    /// Name of the connector.
    connector: Arc<str>,
    flavor: Flavor,
    settings: Arc<Settings>,
    server: Arc<Server>,
    provider: Arc<dyn LogProvider>,
    source: SourceInfo,
    records: RecordMaker,
    schema_changes: SchemaChangeMaker,
    /// Stored, or reached so far.
    position: Option<Position>,
    /// Whether it has once been decided how to begin: what goes wrong before that is an error of the task's start.
    has_begun: bool,
    /// Shows what the reader waits for.
    waits: Arc<dyn TaskWaits>,
    /// What `snapshot.mode` still asks for: `recovery` and `always` are for the task's start, not for each connection.
    mode: SnapshotMode,
    progress: Progress,
    unreadable: Unreadable,
    queue: BatchSender,
}

impl Reader {
    async fn run(mut self) -> Result<(), ConnectError> {
        let mut retries = Retries::new(self.settings.max_retries, self.settings.retry_wait);
        loop {
            let error = match self.attempt().await {
                Ok(()) => {
                    info!("Nothing is left to read; the task stays idle");
                    return Ok(());
                }
                Err(BinlogError::Stopped) => return Ok(()),
                Err(error) => error,
            };
            // The records so far are good: they come before the failure.
            if self.queue.flush().await.is_err() {
                return Ok(());
            }
            if self.progress.is_made(self.flavor, self.position.as_ref()) {
                retries.reset();
            }
            let error = self.unreadable.judged(self.position.as_ref(), error);
            if error.kind() != ErrorKind::Retriable {
                return Err(self.stopped_by(error.into()));
            }
            let longest = longest_wait(&error);
            let error = ConnectError::from(error);
            let Some(retry) = retries.next(longest) else {
                warn!(
                    "The maximum number of {} retries has been attempted (errors.max.retries)",
                    self.settings.max_retries
                );
                return Err(self.stopped_by(error.with_kind(ErrorKind::Fatal)));
            };
            let limit = retries.limit().map_or_else(
                || "unlimited retries".to_owned(),
                |limit| format!("{limit} retries"),
            );
            warn!(
                "{}. Retry {} of {limit} (errors.max.retries) comes in {:.1?} (retriable.restart.connector.wait.ms, doubled each time); failing for {:.0?}",
                error.chain(),
                retry.number,
                retry.wait,
                retry.failing_for
            );
            self.waits.begin(error);
            self.server.end_cut_off().await;
            tokio::time::sleep(retry.wait).await;
        }
    }

    fn stopped_by(&self, error: ConnectError) -> ConnectError {
        if self.has_begun {
            error.context(STOPPED)
        } else {
            error
        }
    }

    /// From the known position to the end of the connection.
    async fn attempt(&mut self) -> Result<(), BinlogError> {
        let (ignore_case, databases) = self.server_facts().await?;
        let mut tracker = self.tracker(ignore_case).await?;
        let start = self.prepare(&mut tracker).await?;
        self.has_begun = true;
        let after_snapshot = matches!(start, Start::Snapshot { .. });
        let position = match start {
            Start::Stream(position) => {
                // Histories of the original do not tell all of them.
                tracker.learn_databases(&databases);
                position
            }
            Start::Snapshot {
                with_data,
                keep_position,
            } => {
                let interrupted = if with_data && keep_position.is_none() {
                    self.interrupted(&tracker, ignore_case).await?
                } else {
                    Vec::new()
                };
                tracker.history().initialise().await?;
                if !self.settings.snapshot_delay.is_zero() {
                    info!(
                        "The connector will wait for {:?} before starting a snapshot",
                        self.settings.snapshot_delay
                    );
                    tokio::time::sleep(self.settings.snapshot_delay).await;
                }
                let snapshot = Snapshot {
                    flavor: self.flavor,
                    settings: &self.settings,
                    server: &self.server,
                    tracker: &mut tracker,
                    source: &self.source,
                    records: &self.records,
                    schema_changes: &self.schema_changes,
                    queue: &mut self.queue,
                    waits: &*self.waits,
                    with_data,
                    keep_position,
                    interrupted,
                    begun: &mut self.position,
                };
                let position = snapshot.run().await?;
                self.progress = Progress::default();
                if matches!(self.mode, SnapshotMode::Recovery | SnapshotMode::Always) {
                    self.mode = SnapshotMode::Initial;
                }
                position
            }
        };
        self.position = Some(position.clone());
        if !self.settings.snapshot_mode.streams() {
            return Ok(());
        }
        let parts = Parts {
            flavor: self.flavor,
            settings: &self.settings,
            server: &self.server,
            tracker: &mut tracker,
            source: &self.source,
            records: &self.records,
            schema_changes: &self.schema_changes,
            queue: &mut self.queue,
            waits: &*self.waits,
        };
        let mut streaming = Streaming::new(parts, position, after_snapshot);
        let result = streaming.run().await;
        self.position = Some(streaming.position());
        match result {
            Err(BinlogError::PositionLost(text)) => Err(self.lost(&text)),
            other => other,
        }
    }

    /// Attempts at a snapshot that did not end, oldest first, if the stream can still begin there. They are known from the
    /// stored offset, or from the schema history if the end came before offsets were stored.
    async fn interrupted(
        &self,
        tracker: &Tracker,
        ignore_case: bool,
    ) -> Result<Vec<Interrupted>, BinlogError> {
        let positions = match &self.position {
            Some(position) if position.in_snapshot => vec![position.clone()],
            Some(_) => Vec::new(),
            None if tracker.history().exists().await? => {
                let since = chrono::Utc::now().timestamp_millis() - RECENT_SNAPSHOT_MS;
                tracker.last_snapshots(since).await?
            }
            None => Vec::new(),
        };
        let mut attempts = Vec::with_capacity(positions.len());
        for position in positions {
            if availability::unavailable(&self.server, self.flavor, &position)
                .await?
                .is_some()
            {
                continue;
            }
            let tables = self.tables_at(&position, ignore_case).await?;
            attempts.push(Interrupted {
                position: Position {
                    in_snapshot: true,
                    ..position
                },
                tables,
            });
        }
        Ok(attempts)
    }

    /// Without any table yet, on the connector's schema history.
    async fn tracker(&self, ignore_case: bool) -> Result<Tracker, BinlogError> {
        let history = &self.settings.history;
        let opened = SchemaHistory::open(
            &*self.provider,
            &history.client,
            &history.producer,
            &history.topic,
            Arc::clone(&self.connector),
            history.limits,
        )
        .await?;
        Ok(Tracker::new(
            self.flavor,
            Arc::clone(&self.settings),
            opened,
            Arc::clone(&self.waits),
            self.source.clone(),
            ignore_case,
        ))
    }

    /// The captured tables that the schema history has at a position.
    async fn tables_at(
        &self,
        position: &Position,
        ignore_case: bool,
    ) -> Result<String, BinlogError> {
        let mut earlier = self.tracker(ignore_case).await?;
        earlier.recover(position).await?;
        Ok(earlier.tables_text())
    }

    fn lost(&self, reason: &str) -> BinlogError {
        let place = self.position.as_ref().map_or_else(String::new, |position| {
            format!(
                "file={}, pos={}, gtids={}",
                position.file,
                position.pos,
                position.gtids.as_deref().unwrap_or("none")
            )
        });
        BinlogError::PositionLost(format!(
            "The connector is trying to read change stream starting at {place}, but this is no longer available on the server. Reconfigure the connector to use a snapshot mode when needed. {reason}"
        ))
    }

    /// Whether names of tables are equal in any case, and the character sets of databases.
    async fn server_facts(&self) -> Result<(bool, Vec<(String, String)>), BinlogError> {
        let mut conn = self.server.open().await?;
        let value = queries::variable(&mut conn, "lower_case_table_names").await?;
        let databases = queries::database_charsets(&mut conn).await?;
        conn.disconnect().await;
        Ok((value.is_some_and(|value| value != "0"), databases))
    }

    /// Decides how to begin, and recovers the schema if streaming goes on.
    async fn prepare(&self, tracker: &mut Tracker) -> Result<Start, BinlogError> {
        let mode = self.mode;
        let with_data = mode.has_data();
        let Some(position) = &self.position else {
            return match mode {
                SnapshotMode::Recovery => Err(BinlogError::Schema(
                    "Could not find existing redo log information while attempting schema only recovery snapshot. Use snapshot.mode=no_data or initial for a first start".to_owned(),
                )),
                SnapshotMode::Never => {
                    tracker.history().initialise().await?;
                    Ok(Start::Stream(self.first_position().await?))
                }
                _ => Ok(Start::Snapshot { with_data, keep_position: None }),
            };
        };
        if position.in_snapshot {
            if mode == SnapshotMode::Never {
                return Err(BinlogError::Schema(
                    "The connector previously stopped while taking a snapshot, but now the connector is configured to never allow snapshots. Reconfigure the connector to use snapshots initially or when needed.".to_owned(),
                ));
            }
            info!("The last snapshot was not completed; it is taken again");
            return Ok(Start::Snapshot {
                with_data,
                keep_position: None,
            });
        }
        if mode == SnapshotMode::Recovery {
            return Ok(Start::Snapshot {
                with_data: false,
                keep_position: Some(position.clone()),
            });
        }
        if mode == SnapshotMode::Always {
            return Ok(Start::Snapshot {
                with_data,
                keep_position: None,
            });
        }
        if !tracker.history().exists().await? {
            return Err(BinlogError::Schema(
                "The db history topic is missing. You may attempt to recover it by reconfiguring the connector to recovery.".to_owned(),
            ));
        }
        if mode.streams()
            && let Some(reason) =
                availability::unavailable(&self.server, self.flavor, position).await?
        {
            if mode == SnapshotMode::WhenNeeded {
                warn!(
                    "Last recorded offset is no longer available on the server. A new snapshot is taken (snapshot.mode=when_needed)"
                );
                return Ok(Start::Snapshot {
                    with_data,
                    keep_position: None,
                });
            }
            return Err(self.lost(&reason));
        }
        tracker.recover(position).await?;
        Ok(Start::Stream(position.clone()))
    }

    /// The beginning of the first binary log.
    async fn first_position(&self) -> Result<Position, BinlogError> {
        let mut conn = self.server.open().await?;
        let logs = queries::binary_logs(&mut conn).await?;
        conn.disconnect().await;
        let file = logs.into_iter().next().ok_or(BinlogError::NoBinlog)?;
        Ok(Position::at(&file, 4))
    }
}

/// How to begin.
enum Start {
    Stream(Position),
    Snapshot {
        with_data: bool,
        keep_position: Option<Position>,
    },
}
