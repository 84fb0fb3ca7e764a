//! The task: decides between snapshot and streaming, and comes back after the server or the schema history's log was away.
//!
//! Source: Debezium `BinlogSourceTask`, `ChangeEventSourceCoordinator`.

use std::sync::Arc;

use async_trait::async_trait;
use tidegate_api::{ConnectError, Headers, Props, SourceRecord, SourceTask, SourceTaskContext};
use tidegate_cdc::headers;
use tidegate_cdc::history::SchemaHistory;
use tidegate_cdc::queue::{self, BatchReceiver, BatchSender};
use tidegate_log::LogProvider;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument as _, error, info, warn};

use crate::config::{Settings, SnapshotMode};
use crate::errors::BinlogError;
use crate::flavor::Flavor;
use crate::offsets::{self, Position};
use crate::record::RecordMaker;
use crate::schema_changes::SchemaChangeMaker;
use crate::snapshot::{Interrupted, Snapshot};
use crate::source_info::SourceInfo;
use crate::streaming::{Parts, Streaming};
use crate::tracker::Tracker;
use crate::{availability, connection, queries};

pub(crate) struct BinlogTask {
    flavor: Flavor,
    provider: Arc<dyn LogProvider>,
    batches: Option<BatchReceiver>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl BinlogTask {
    pub(crate) fn new(flavor: Flavor, provider: Arc<dyn LogProvider>) -> Self {
        Self {
            flavor,
            provider,
            batches: None,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
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
            .map(|fields| Position::parse(&fields))
            .transpose()?;
        let (sender, receiver) = queue::channel(settings.max_batch_size);
        let source = SourceInfo::new(self.flavor, &settings.naming.prefix);
        let run = uuid_text();
        let headers: Headers = if settings.extended_headers {
            headers::context(
                &settings.naming.prefix,
                &context.task.task.to_string(),
                self.flavor.name(),
                &run,
            )
        } else {
            Vec::new()
        };
        let reader = Reader {
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
            settings,
            source,
            position,
            queue: sender,
        };
        let stop = self.stop.clone();
        let work = async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = reader.run() => {}
            }
        };
        self.tasks.spawn(work.in_current_span());
        self.tasks.close();
        self.batches = Some(receiver);
        Ok(())
    }

    async fn poll(&mut self) -> Result<Vec<SourceRecord>, ConnectError> {
        match &mut self.batches {
            Some(batches) => batches.poll().await,
            None => Ok(Vec::new()),
        }
    }

    async fn stop(&mut self) {
        self.stop.cancel();
        self.batches = None;
        self.tasks.wait().await;
    }
}

fn uuid_text() -> String {
    let bytes: [u8; 16] = rand::random();
    let hex: String = bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 0xf])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
    [
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32),
    ]
    .join("-")
}

/// A snapshot of the schema history without any stored offset is taken for an interrupted attempt only if it is younger:
/// who removes the offsets later wants a new snapshot and nothing from before it.
const RECENT_SNAPSHOT_MS: i64 = 3_600_000;

/// Reads the server on a task of its own.
struct Reader {
    /// Name of the connector.
    connector: Arc<str>,
    flavor: Flavor,
    settings: Arc<Settings>,
    provider: Arc<dyn LogProvider>,
    source: SourceInfo,
    records: RecordMaker,
    schema_changes: SchemaChangeMaker,
    /// Stored, or reached so far.
    position: Option<Position>,
    queue: BatchSender,
}

impl Reader {
    async fn run(mut self) {
        loop {
            let error = match self.attempt().await {
                Ok(()) => {
                    info!("Nothing is left to read; the task stays idle");
                    return;
                }
                Err(BinlogError::Stopped) => return,
                Err(error) => ConnectError::from(error),
            };
            if !error.is_retriable() {
                error!("Producer failure: {}", error.chain());
                let wrapped = error.context("An exception occurred in the change event producer. This connector will be stopped.");
                self.queue.fail(wrapped).await;
                return;
            }
            warn!(
                "{}. Trying again in {:?} (retriable.restart.connector.wait.ms)",
                error.chain(),
                self.settings.retry_wait
            );
            if self.queue.flush().await.is_err() {
                return;
            }
            tokio::time::sleep(self.settings.retry_wait).await;
        }
    }

    /// From the known position to the end of the connection.
    async fn attempt(&mut self) -> Result<(), BinlogError> {
        let ignore_case = self.ignore_case().await?;
        let mut tracker = self.tracker(ignore_case).await?;
        let start = self.prepare(&mut tracker).await?;
        let after_snapshot = matches!(start, Start::Snapshot { .. });
        let position = match start {
            Start::Stream(position) => position,
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
                    tracker: &mut tracker,
                    source: &self.source,
                    records: &self.records,
                    schema_changes: &self.schema_changes,
                    queue: &mut self.queue,
                    with_data,
                    keep_position,
                    interrupted,
                    begun: &mut self.position,
                };
                snapshot.run().await?
            }
        };
        self.position = Some(position.clone());
        if !self.settings.snapshot_mode.streams() {
            return Ok(());
        }
        let parts = Parts {
            flavor: self.flavor,
            settings: &self.settings,
            tracker: &mut tracker,
            source: &self.source,
            records: &self.records,
            schema_changes: &self.schema_changes,
            queue: &mut self.queue,
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
            if availability::unavailable(&self.settings, self.flavor, &position)
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
            self.source.clone(),
            ignore_case,
        ))
    }

    /// All tables that the schema history has at a position.
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

    async fn ignore_case(&self) -> Result<bool, BinlogError> {
        let mut conn = connection::open(&self.settings).await?;
        let value = queries::variable(&mut conn, "lower_case_table_names").await?;
        conn.disconnect().await?;
        Ok(value.is_some_and(|value| value != "0"))
    }

    /// Decides how to begin, and recovers the schema if streaming goes on.
    async fn prepare(&self, tracker: &mut Tracker) -> Result<Start, BinlogError> {
        let mode = self.settings.snapshot_mode;
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
                availability::unavailable(&self.settings, self.flavor, position).await?
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
        let mut conn = connection::open(&self.settings).await?;
        let logs = queries::binary_logs(&mut conn).await?;
        conn.disconnect().await?;
        let file = logs.into_iter().next().ok_or(BinlogError::NoBinlog)?;
        Ok(Position {
            file: Arc::from(file),
            pos: 4,
            gtids: None,
            events: 0,
            rows: 0,
            server_id: 0,
            ts_sec: None,
            in_snapshot: false,
        })
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
