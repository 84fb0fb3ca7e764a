//! The initial snapshot: a consistent copy of schema and rows, and the position at which streaming goes on.
//!
//! Source: Debezium `BinlogSnapshotChangeEventSource`.

use std::sync::Arc;

use futures::StreamExt as _;
use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;
use tidegate_api::{SourceOffset, SourceRecord, Str, Value};
use tidegate_cdc::envelope::Operation;
use tidegate_cdc::queue::BatchSender;
use tidegate_relational::{Table, TableId};
use tracing::{info, warn};

use crate::config::{BUILTIN, LockingMode, Settings};
use crate::connection;
use crate::errors::BinlogError;
use crate::flavor::Flavor;
use crate::offsets::Position;
use crate::queries::{self, MasterStatus, quoted};
use crate::record::{CapturedTable, RecordMaker};
use crate::schema_changes::SchemaChangeMaker;
use crate::source_info::{Moment, SNAPSHOT_FIELD, SnapshotMarker, SourceInfo};
use crate::tracker::Tracker;

/// Everything that a snapshot needs.
pub(crate) struct Snapshot<'a> {
    pub(crate) flavor: Flavor,
    pub(crate) settings: &'a Settings,
    pub(crate) tracker: &'a mut Tracker,
    pub(crate) source: &'a SourceInfo,
    pub(crate) records: &'a RecordMaker,
    pub(crate) schema_changes: &'a SchemaChangeMaker,
    pub(crate) queue: &'a mut BatchSender,
    /// Rows are read, too.
    pub(crate) with_data: bool,
    /// The stored position of a schema recovery; streaming goes on from there.
    pub(crate) keep_position: Option<Position>,
    /// Earlier attempts at this snapshot, oldest first.
    pub(crate) interrupted: Vec<Interrupted>,
    /// Where this attempt leaves its position, for the next one.
    pub(crate) begun: &'a mut Option<Position>,
}

/// An attempt that did not end. Rows that it has handed over may have been deleted since: only a stream that begins
/// where it began brings their deletes.
#[derive(Debug)]
pub(crate) struct Interrupted {
    pub(crate) position: Position,
    /// All tables at that position. The stream is decoded with those of now, so that they must be the same.
    pub(crate) tables: String,
}

/// Which locks are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lock {
    None,
    Global,
    Tables,
}

impl Snapshot<'_> {
    /// Returns the position at which streaming begins.
    pub(crate) async fn run(mut self) -> Result<Position, BinlogError> {
        info!("Snapshot step 1 - Preparing");
        let mut conn = connection::open(self.settings).await?;
        let streams = self.settings.snapshot_mode.streams();
        if streams {
            connection::check_binlog(&mut conn, self.flavor).await?;
        }
        let lock_seconds = self.settings.lock_timeout.as_secs().max(1);
        conn.query_drop("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            .await?;
        conn.query_drop(format!("SET SESSION lock_wait_timeout={lock_seconds}"))
            .await?;
        info!("Snapshot step 2 - Determining captured tables");
        let tables = self.tables(&mut conn).await?;
        info!("Snapshot step 3 - Locking captured tables");
        let lock = self.lock(&mut conn, &tables).await?;
        let status = match lock {
            // Nobody may write: the position is that of the transaction.
            Lock::Global => {
                begin_transaction(&mut conn).await?;
                self.status(&mut conn, streams).await?
            }
            Lock::Tables => self.status(&mut conn, streams).await?,
            // What comes between the two is in both snapshot and stream. The other way round it would be in neither.
            Lock::None => {
                let status = self.status(&mut conn, streams).await?;
                begin_transaction(&mut conn).await?;
                status
            }
        };
        let position = Position {
            file: Arc::from(status.file),
            pos: status.pos,
            gtids: status.gtids.map(Arc::from),
            events: 0,
            rows: 0,
            server_id: 0,
            ts_sec: Some(chrono::Utc::now().timestamp()),
            in_snapshot: true,
        };
        info!("Snapshot step 5 - Reading structure of captured tables");
        let statements = self.schema_statements(&mut conn, &tables, lock).await?;
        if lock == Lock::Global && self.settings.locking_mode == LockingMode::Minimal {
            conn.query_drop("UNLOCK TABLES").await?;
        }
        info!("Snapshot step 6 - Persisting schema history");
        // A recovery of the schema goes on from where it was, also if it is interrupted.
        let (recorded, start) = match &self.keep_position {
            Some(kept) => {
                let in_snapshot = Position {
                    in_snapshot: true,
                    ..kept.clone()
                };
                (in_snapshot, kept.clone())
            }
            None => (
                position.clone(),
                self.first_attempt(&statements, &position)?,
            ),
        };
        if self.with_data && self.keep_position.is_none() {
            *self.begun = Some(start.clone());
        }
        let mut held = self.publish_schema(&statements, &recorded, &start).await?;
        if self.with_data {
            info!("Snapshot step 7 - Snapshotting data");
            if let Some(record) = held.take() {
                self.queue.push(record).await?;
            }
            held = self.data(&mut conn, &position, &start).await?;
        } else {
            info!("Snapshot step 7 - Skipping snapshotting of data");
        }
        if lock != Lock::None {
            conn.query_drop("UNLOCK TABLES").await?;
        }
        conn.query_drop("ROLLBACK").await?;
        // The last record says that it is, and its offset that the snapshot is complete.
        let done = Position {
            in_snapshot: false,
            ..self.keep_position.take().unwrap_or(start)
        };
        if let Some(mut record) = held {
            set_marker(&mut record, SnapshotMarker::Last);
            record.source_offset = SourceOffset::new(done.clone());
            self.queue.push(record).await?;
        }
        self.queue.flush().await?;
        conn.disconnect().await?;
        info!("Snapshot completed");
        Ok(done)
    }

    async fn status(&self, conn: &mut Conn, streams: bool) -> Result<MasterStatus, BinlogError> {
        info!("Snapshot step 4 - Determining snapshot offset");
        match queries::master_status(conn, self.flavor).await {
            // Who streams nothing afterwards needs no position.
            Err(BinlogError::NoBinlog) if !streams => {
                warn!("{}", BinlogError::NoBinlog);
                Ok(MasterStatus::default())
            }
            status => status,
        }
    }

    /// Tables whose schema is read.
    async fn tables(&self, conn: &mut Conn) -> Result<Vec<TableId>, BinlogError> {
        let only_captured = self.settings.history.only_captured_tables;
        let mut tables: Vec<TableId> = queries::tables(conn, &BUILTIN)
            .await?
            .into_iter()
            .map(|(database, table)| TableId::in_database(database, table))
            .filter(|id| !only_captured || self.settings.filters.table(id))
            .collect();
        tables.sort();
        if !tables.iter().any(|id| self.settings.filters.table(id)) {
            warn!(
                "After applying the include/exclude list filters, no changes will be captured. Please check your configuration!"
            );
        }
        Ok(tables)
    }

    async fn lock(&self, conn: &mut Conn, tables: &[TableId]) -> Result<Lock, BinlogError> {
        if self.settings.locking_mode == LockingMode::None {
            return Ok(Lock::None);
        }
        match conn.query_drop("FLUSH TABLES WITH READ LOCK").await {
            Ok(()) => return Ok(Lock::Global),
            // Access denied; managed servers never grant it.
            Err(mysql_async::Error::Server(error)) if matches!(error.code, 1045 | 1227 | 1142) => {
                info!(
                    "Unable to flush and acquire global read lock, will use table read locks after reading table names"
                );
            }
            Err(error) => return Err(error.into()),
        }
        let captured: Vec<String> = tables
            .iter()
            .filter(|id| self.settings.filters.table(id))
            .map(|id| id.parts().map(quoted).collect::<Vec<_>>().join("."))
            .collect();
        if captured.is_empty() {
            return Ok(Lock::None);
        }
        conn.query_drop(format!("FLUSH TABLES {} WITH READ LOCK", captured.join(","))).await.map_err(|error| {
            BinlogError::Server(format!(
                "User '{}' does not have the 'LOCK TABLES' privilege (with SELECT and RELOAD) required to obtain a consistent snapshot by preventing concurrent writes to tables. Grant it, or set snapshot.locking.mode=none if nobody changes the schema meanwhile: {error}",
                self.settings.user
            ))
        })?;
        warn!(
            "Tables were locked explicitly, but to get a consistent snapshot we cannot release the locks until we've read all tables."
        );
        Ok(Lock::Tables)
    }

    /// The texts that make the schema: database and statement.
    async fn schema_statements(
        &self,
        conn: &mut Conn,
        tables: &[TableId],
        lock: Lock,
    ) -> Result<Vec<(String, String)>, BinlogError> {
        // A session that has locked some tables may look at no others.
        let mut other = match lock {
            Lock::Tables => Some(connection::open(self.settings).await?),
            Lock::Global | Lock::None => None,
        };
        let mut statements = Vec::new();
        let mut variables = Vec::new();
        for name in ["character_set_server", "collation_server"] {
            if let Some(value) = queries::variable(conn, name).await? {
                variables.push(format!("{name}={value}"));
            }
        }
        statements.push((String::new(), format!("SET {};", variables.join(", "))));
        let name = |id: &TableId| id.parts().map(quoted).collect::<Vec<_>>().join(".");
        let database = |id: &TableId| id.catalog.as_deref().unwrap_or_default().to_owned();
        for id in tables {
            statements.push((database(id), format!("DROP TABLE IF EXISTS {}", name(id))));
        }
        let mut current = None;
        for id in tables {
            let own = database(id);
            if current.as_ref() != Some(&own) {
                statements.push((
                    own.clone(),
                    format!("DROP DATABASE IF EXISTS {}", quoted(&own)),
                ));
                let charset = queries::database_charset(conn, &own).await?;
                let charset = charset
                    .map(|(charset, collation)| format!(" CHARSET {charset} COLLATE {collation}"));
                statements.push((
                    own.clone(),
                    format!(
                        "CREATE DATABASE {}{}",
                        quoted(&own),
                        charset.unwrap_or_default()
                    ),
                ));
                statements.push((own.clone(), format!("USE {}", quoted(&own))));
                current = Some(own.clone());
            }
            let text = match &mut other {
                Some(other) if !self.settings.filters.table(id) => {
                    queries::show_create_table(other, &own, &id.table).await?
                }
                _ => queries::show_create_table(conn, &own, &id.table).await?,
            };
            statements.push((own, text));
        }
        if let Some(other) = other {
            other.disconnect().await?;
        }
        Ok(statements)
    }

    /// Where streaming begins: at the first attempt that had the tables of now. An attempt that ended before its schema
    /// was complete has handed no rows over.
    fn first_attempt(
        &self,
        statements: &[(String, String)],
        position: &Position,
    ) -> Result<Position, BinlogError> {
        let Some(oldest) = self.interrupted.first() else {
            return Ok(position.clone());
        };
        let tables = self.tracker.tables_text_after(statements)?;
        let first = self
            .interrupted
            .iter()
            .find(|attempt| attempt.tables == tables);
        if let Some(Interrupted {
            position: start, ..
        }) = first
        {
            info!(
                "The snapshot was interrupted; streaming will begin where its first attempt did, at {}/{}",
                start.file, start.pos
            );
            return Ok(start.clone());
        }
        warn!(
            "The schema has changed since the snapshot was interrupted: rows that were deleted between {}/{} and {}/{} may remain in the target. Compare it with the source, or empty topics and target and take a new snapshot",
            oldest.position.file, oldest.position.pos, position.file, position.pos
        );
        Ok(position.clone())
    }

    /// Applies and records the schema. The last record is held back.
    async fn publish_schema(
        &mut self,
        statements: &[(String, String)],
        position: &Position,
        start: &Position,
    ) -> Result<Option<SourceRecord>, BinlogError> {
        let mut held = None;
        for (database, sql) in statements {
            for change in self.tracker.apply(database, sql, position).await? {
                if !self.tracker.is_published_in_snapshot(&change) {
                    continue;
                }
                let block = self.source.block(&Moment {
                    micros: chrono::Utc::now().timestamp() * 1_000_000,
                    snapshot: Some(SnapshotMarker::Within),
                    database: &Str::new(&change.database),
                    table: change.table.as_ref().map(|id| Str::new(&id.table)).as_ref(),
                    server_id: 0,
                    gtid: None,
                    file: &Str::new(&position.file),
                    pos: position.pos,
                    row: 0,
                    thread: None,
                });
                let record = self.schema_changes.record(
                    self.records,
                    block,
                    &change,
                    SourceOffset::new(start.clone()),
                );
                if let Some(before) = held.replace(record) {
                    self.queue.push(before).await?;
                }
            }
        }
        Ok(held)
    }

    /// Tables whose rows are read, in the order of the include list.
    fn data_tables(&self) -> Vec<Arc<Table>> {
        let mut tables = self.tracker.captured_tables();
        if !self.settings.snapshot_tables.is_empty() {
            tables.retain(|table| self.settings.snapshot_tables.matches(&table.id.to_string()));
        }
        let include = &self.settings.filters.tables.include;
        tables.sort_by_cached_key(|table| {
            (include.position(&table.id.to_string()), table.id.clone())
        });
        tables
    }

    /// Reads all rows; the very last record is held back.
    async fn data(
        &mut self,
        conn: &mut Conn,
        position: &Position,
        start: &Position,
    ) -> Result<Option<SourceRecord>, BinlogError> {
        let tables = self.data_tables();
        let count = tables.len();
        let offset = SourceOffset::new(start.clone());
        let file = Str::new(&position.file);
        let mut held: Option<SourceRecord> = None;
        let mut is_first = true;
        for (index, table) in tables.iter().enumerate() {
            let Some(captured) = self.tracker.captured(&table.id)? else {
                continue;
            };
            info!(
                "Exporting data from table '{}' ({} of {count} tables)",
                table.id,
                index + 1
            );
            let rows = self
                .table_rows(
                    conn,
                    &captured,
                    &offset,
                    &file,
                    position,
                    &mut held,
                    &mut is_first,
                )
                .await
                .map_err(|error| match error {
                    BinlogError::Stopped => error,
                    BinlogError::Connection(text) => BinlogError::Connection(format!(
                        "Snapshotting of table {} failed: {text}",
                        table.id
                    )),
                    other => BinlogError::Schema(format!(
                        "Snapshotting of table {} failed: {other}",
                        table.id
                    )),
                })?;
            info!(
                "Finished exporting {rows} records for table '{}' ({} of {count} tables)",
                table.id,
                index + 1
            );
        }
        Ok(held)
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "the state of one loop over tables"
    )]
    async fn table_rows(
        &mut self,
        conn: &mut Conn,
        table: &Arc<CapturedTable>,
        offset: &SourceOffset,
        file: &Str,
        position: &Position,
        held: &mut Option<SourceRecord>,
        is_first: &mut bool,
    ) -> Result<u64, BinlogError> {
        let plan = &table.plan;
        let id = plan.table.id.to_string();
        let seconds: Option<i64> = conn.query_first("SELECT UNIX_TIMESTAMP()").await?;
        let columns: Vec<String> = plan
            .table
            .columns
            .iter()
            .map(|column| quoted(&column.name))
            .collect();
        let chosen = self.settings.overrides.iter().find(|(name, _)| *name == id);
        let sql = match chosen {
            Some((_, statement)) => statement.trim().trim_end_matches(';').to_owned(),
            None => format!(
                "SELECT {} FROM {}",
                columns.join(", "),
                plan.table
                    .id
                    .parts()
                    .map(quoted)
                    .collect::<Vec<_>>()
                    .join(".")
            ),
        };
        info!("For table '{id}' using select statement: '{sql}'");
        let moment = Moment {
            micros: seconds.unwrap_or(0) * 1_000_000,
            snapshot: Some(SnapshotMarker::Within),
            database: &table.database,
            table: Some(&table.name),
            server_id: 0,
            gtid: None,
            file,
            pos: position.pos,
            row: 0,
            thread: None,
        };
        let block = self.source.block(&moment);
        let mut rows = conn.query_stream::<mysql_async::Row, _>(sql).await?;
        let mut count = 0_u64;
        let was_first = *is_first;
        let mut cells: Option<Vec<Option<usize>>> = None;
        while let Some(row) = rows.next().await {
            let row = row?;
            let cells = cells.get_or_insert_with(|| plan.cells_of(row.columns_ref()));
            let row = plan.text_row(&row, cells)?;
            let mut record =
                self.records
                    .insert(table, Operation::Read, row, block.clone(), offset.clone());
            if *is_first {
                set_marker(&mut record, SnapshotMarker::First);
                *is_first = false;
            } else if count == 0 {
                set_marker(&mut record, SnapshotMarker::FirstInTable);
            }
            count += 1;
            if let Some(before) = held.replace(record) {
                self.queue.push(before).await?;
            }
        }
        drop(rows);
        // The very first record stays `first`, though it is its table's last one, too.
        if (count > 1 || (count == 1 && !was_first))
            && let Some(last) = held.as_mut()
        {
            set_marker(last, SnapshotMarker::LastInTable);
        }
        Ok(count)
    }
}

async fn begin_transaction(conn: &mut Conn) -> Result<(), mysql_async::Error> {
    conn.query_drop("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        .await
}

/// Sets `source.snapshot` of a record.
fn set_marker(record: &mut SourceRecord, marker: SnapshotMarker) {
    let Value::Struct(value) = &mut record.record.value.value else {
        return;
    };
    let Some(field) = value.schema().field("source").map(|field| field.index) else {
        return;
    };
    if let Value::Struct(source) = &mut value.values_mut()[field] {
        source.values_mut()[SNAPSHOT_FIELD] = marker.value();
    }
}
