//! MySQL and MariaDB as a source: what the coordinator asks of them.
//!
//! Source: Debezium `BinlogSourceTask`, `BinlogSnapshotChangeEventSource`, `BinlogStreamingChangeEventSource`.

use std::sync::Arc;

use async_trait::async_trait;
use tidegate_api::TaskWaits;
use tidegate_cdc::coordinator::{Attempt, EngineError, SnapshotRequest, Source};
use tidegate_cdc::dispatcher::Dispatcher;
use tidegate_cdc::history::SchemaHistory;
use tidegate_log::LogProvider;
use tidegate_mysql::connection::Server;
use tidegate_mysql::{Flavor, queries};

use crate::attempts::Unreadable;
use crate::availability;
use crate::config::Settings;
use crate::errors::BinlogError;
use crate::offsets::Position;
use crate::snapshot::{Interrupted, Snapshot};
use crate::source_info::SourceInfo;
use crate::streaming::{Parts, Streaming};
use crate::tracker::Tracker;

/// A snapshot of the schema history without any stored offset is taken for an interrupted attempt only if it is younger:
/// who removes the offsets later wants a new snapshot and nothing from before it.
const RECENT_SNAPSHOT_MS: i64 = 3_600_000;

/// What all attempts share.
struct Shared {
    flavor: Flavor,
    settings: Arc<Settings>,
    /// Name of the connector.
    connector: Arc<str>,
    server: Arc<Server>,
    provider: Arc<dyn LogProvider>,
    source: SourceInfo,
    /// Shows what the reader waits for.
    waits: Arc<dyn TaskWaits>,
}

impl Shared {
    /// Whether names of tables are equal in any case, and the character sets of databases.
    async fn server_facts(&self) -> Result<(bool, Vec<(String, String)>), BinlogError> {
        let mut conn = self.server.open().await?;
        let value = queries::variable(&mut conn, "lower_case_table_names").await?;
        let databases = queries::database_charsets(&mut conn).await?;
        conn.disconnect().await;
        Ok((value.is_some_and(|value| value != "0"), databases))
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
}

pub(crate) struct BinlogSource {
    shared: Arc<Shared>,
    unreadable: Unreadable,
}

impl BinlogSource {
    pub(crate) fn new(
        flavor: Flavor,
        settings: Arc<Settings>,
        connector: Arc<str>,
        provider: Arc<dyn LogProvider>,
        source: SourceInfo,
        waits: Arc<dyn TaskWaits>,
    ) -> Self {
        let shared = Shared {
            flavor,
            connector,
            server: Arc::new(Server::new(Arc::clone(&settings.connection))),
            settings,
            provider,
            source,
            waits,
        };
        Self {
            shared: Arc::new(shared),
            unreadable: Unreadable::default(),
        }
    }

    pub(crate) fn server(&self) -> Arc<Server> {
        Arc::clone(&self.shared.server)
    }
}

#[async_trait]
impl Source for BinlogSource {
    type Position = Position;
    type Error = BinlogError;
    type Attempt = BinlogAttempt;

    async fn begin(&mut self) -> Result<BinlogAttempt, BinlogError> {
        let (ignore_case, databases) = self.shared.server_facts().await?;
        Ok(BinlogAttempt {
            tracker: self.shared.tracker(ignore_case).await?,
            shared: Arc::clone(&self.shared),
            ignore_case,
            databases,
        })
    }

    fn is_beyond(&self, own: &Position, other: &Position) -> bool {
        own.is_beyond(self.shared.flavor, other)
    }

    fn judged(&mut self, position: Option<&Position>, error: BinlogError) -> BinlogError {
        self.unreadable.judged(position, error)
    }

    async fn clean_up(&mut self) {
        self.shared.server.end_cut_off().await;
    }
}

/// From one look at the server to the end of the connection.
pub(crate) struct BinlogAttempt {
    shared: Arc<Shared>,
    tracker: Tracker,
    /// Whether names of tables are equal in any case.
    ignore_case: bool,
    /// The character sets of databases.
    databases: Vec<(String, String)>,
}

impl BinlogAttempt {
    /// Attempts at a snapshot that did not end, oldest first, if the stream can still begin there. They are known from the
    /// stored offset, or from the schema history if the end came before offsets were stored.
    async fn interrupted(
        &mut self,
        reached: Option<&Position>,
    ) -> Result<Vec<Interrupted>, BinlogError> {
        let positions = match reached {
            Some(position) if position.in_snapshot => vec![position.clone()],
            Some(_) => Vec::new(),
            None if self.tracker.history().exists().await? => {
                let since = chrono::Utc::now().timestamp_millis() - RECENT_SNAPSHOT_MS;
                self.tracker.last_snapshots(since).await?
            }
            None => Vec::new(),
        };
        let mut attempts = Vec::with_capacity(positions.len());
        for position in positions {
            if self.unavailable(&position).await?.is_some() {
                continue;
            }
            let tables = self.tables_at(&position).await?;
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

    /// The captured tables that the schema history has at a position.
    async fn tables_at(&self, position: &Position) -> Result<String, BinlogError> {
        let mut earlier = self.shared.tracker(self.ignore_case).await?;
        earlier.recover(position).await?;
        Ok(earlier.tables_text())
    }
}

#[async_trait]
impl Attempt for BinlogAttempt {
    type Position = Position;
    type Error = BinlogError;

    async fn has_history(&mut self) -> Result<bool, BinlogError> {
        Ok(self.tracker.history().exists().await?)
    }

    async fn make_history(&mut self) -> Result<(), BinlogError> {
        Ok(self.tracker.history().initialise().await?)
    }

    async fn recover(&mut self, at: &Position) -> Result<(), BinlogError> {
        self.tracker.recover(at).await
    }

    async fn unavailable(&mut self, at: &Position) -> Result<Option<String>, BinlogError> {
        availability::unavailable(&self.shared.server, self.shared.flavor, at).await
    }

    /// The beginning of the first binary log.
    async fn first_position(&mut self) -> Result<Position, BinlogError> {
        let mut conn = self.shared.server.open().await?;
        let logs = queries::binary_logs(&mut conn).await?;
        conn.disconnect().await;
        let file = logs.into_iter().next().ok_or(BinlogError::NoBinlog)?;
        Ok(Position::at(&file, 4))
    }

    async fn snapshot(
        &mut self,
        request: SnapshotRequest<Position>,
        reached: &mut Option<Position>,
        door: &mut Dispatcher,
    ) -> Result<Position, BinlogError> {
        let SnapshotRequest {
            with_data,
            keep_position,
        } = request;
        let interrupted = if with_data && keep_position.is_none() {
            self.interrupted(reached.as_ref()).await?
        } else {
            Vec::new()
        };
        let shared = &*self.shared;
        let snapshot = Snapshot {
            flavor: shared.flavor,
            settings: &shared.settings,
            server: &shared.server,
            tracker: &mut self.tracker,
            source: &shared.source,
            dispatcher: door,
            waits: &*shared.waits,
            with_data,
            keep_position,
            interrupted,
            begun: reached,
        };
        snapshot.run().await
    }

    async fn stream(
        &mut self,
        position: &mut Position,
        after_snapshot: bool,
        door: &mut Dispatcher,
    ) -> Result<(), BinlogError> {
        if !after_snapshot {
            // Histories of the original do not tell all of them.
            self.tracker.learn_databases(&self.databases);
        }
        let shared = &*self.shared;
        let parts = Parts {
            flavor: shared.flavor,
            settings: &shared.settings,
            server: &shared.server,
            tracker: &mut self.tracker,
            source: &shared.source,
            dispatcher: door,
            waits: &*shared.waits,
        };
        let mut streaming = Streaming::new(parts, position.clone(), after_snapshot);
        let result = streaming.run().await;
        *position = streaming.position();
        match result {
            Err(BinlogError::PositionLost(reason)) => Err(EngineError::PositionLost {
                place: position.to_string(),
                reason,
            }
            .into()),
            other => other,
        }
    }
}
