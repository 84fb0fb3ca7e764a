//! The initial snapshot: a consistent copy of schema and rows, and the position at which streaming goes on.
//!
//! What is not in the rows must be behind the position, and the definitions must be those of the rows and of the position:
//!
//! - With the global lock (`minimal`, `extended`) nobody commits while three things are done: the transaction's view of the
//!   rows is opened, the position is read, the definitions are read. `minimal` gives the lock back then: the view stays, and
//!   a table that is altered or dropped before its rows were read fails the SELECT, upon which the snapshot begins anew.
//!   Tables are listed under the lock; those that were dropped just before it are passed over.
//! - With locks of tables alone, where a server grants no other, the same holds for the captured tables as long as the locks
//!   do, which is until the last row is read: another transaction would give the locks back. Tables are listed again under
//!   the locks, which are taken anew if there are others.
//! - With no lock the position is read before the view is opened: what is committed between the two comes twice, in the rows
//!   and in the stream. Tables are listed between the two: one that was made before is in the list, one that is made later
//!   comes with its statement in the stream. Nobody may alter tables meanwhile: the stream would be decoded with the later
//!   definition. A captured table that is gone before its definition was read lets the snapshot begin anew.
//!
//! The schema history is complete before the first row is handed over. The offset says `snapshot` until the last record, whose
//! offset does not: an attempt that is cut off anywhere before is repeated as a whole. Rows that it has handed over and that
//! were deleted since are deleted by a stream that begins where the first attempt did, see [`Interrupted`].
//!
//! Locks and view live as long as the session. It is a [`Session`], which gives both up with its socket when this module's
//! future is dropped or fails.
//!
//! Source: Debezium `BinlogSnapshotChangeEventSource`.

use std::sync::Arc;
use std::time::Duration;

use tidegate_api::{SourceOffset, Str, TaskWaits};
use tidegate_cdc::dispatcher::Dispatcher;
use tidegate_cdc::source_info::SnapshotMarker;
use tidegate_mysql::connection::Server;
use tidegate_mysql::queries::{self, MasterStatus, quoted, quoted_id};
use tidegate_mysql::rows::TablePlanExt as _;
use tidegate_mysql::sessions::{Session, next_row};
use tidegate_mysql::table_reader::select_shown;
use tidegate_mysql::{Flavor, MySqlError};
use tidegate_relational::{Table, TableId};
use tracing::{info, warn};

use crate::config::{BUILTIN, LockingMode, Settings};
use crate::errors::BinlogError;
use crate::offsets::Position;
use crate::requirements;
use crate::source_info::{Moment, SourceInfo};
use crate::tracker::{CapturedTable, Tracker};

/// Everything that a snapshot needs.
pub(crate) struct Snapshot<'a> {
    pub(crate) flavor: Flavor,
    pub(crate) settings: &'a Settings,
    pub(crate) server: &'a Server,
    pub(crate) tracker: &'a mut Tracker,
    pub(crate) source: &'a SourceInfo,
    pub(crate) dispatcher: &'a mut Dispatcher,
    pub(crate) waits: &'a dyn TaskWaits,
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
    /// The captured tables at that position. The stream is decoded with those of now, so that they must be the same.
    pub(crate) tables: String,
}

/// Which locks are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lock {
    None,
    Global,
    Tables,
}

impl<'a> Snapshot<'a> {
    /// Returns the position at which streaming begins.
    pub(crate) async fn run(mut self) -> Result<Position, BinlogError> {
        info!("Snapshot step 1 - Preparing");
        let mut conn = self.server.open().await?;
        let streams = self.settings.snapshot_mode.streams();
        if streams {
            requirements::check_binlog(&mut conn, self.flavor).await?;
        }
        let lock_seconds = self.lock_seconds();
        conn.query_drop("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            .await?;
        conn.query_drop(format!("SET SESSION lock_wait_timeout={lock_seconds}"))
            .await?;
        info!("Snapshot step 2 - Determining captured tables");
        let mut tables = self.tables(&mut conn).await?;
        info!("Snapshot step 3 - Locking captured tables");
        let mut lock = self.lock(&mut conn, &tables).await?;
        // Tables may have been made, dropped and renamed until the lock was there.
        while lock != Lock::None {
            let locked = std::mem::replace(&mut tables, self.tables(&mut conn).await?);
            let captured = |tables: &[TableId]| -> Vec<TableId> {
                let filters = &self.settings.filters;
                tables
                    .iter()
                    .filter(|id| filters.table(id))
                    .cloned()
                    .collect()
            };
            if lock == Lock::Global || captured(&locked) == captured(&tables) {
                break;
            }
            conn.query_drop("UNLOCK TABLES").await?;
            lock = self.lock(&mut conn, &tables).await?;
        }
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
                tables = self.tables(&mut conn).await?;
                begin_transaction(&mut conn).await?;
                status
            }
        };
        let position = Position {
            gtids: status.gtids.map(Arc::from),
            ts_sec: Some(chrono::Utc::now().timestamp()),
            in_snapshot: true,
            ..Position::at(&status.file, status.pos)
        };
        info!("Snapshot step 5 - Reading structure of captured tables");
        // The server is there, and so is the lock.
        self.waits.end();
        let statements = self.schema_statements(&mut conn, &tables, lock).await?;
        let databases = queries::database_charsets(&mut conn).await?;
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
        self.dispatcher.begin_snapshot();
        self.publish_schema(&statements, &recorded, &start).await?;
        self.tracker.tell_databases(&databases, &recorded).await?;
        if self.with_data {
            info!("Snapshot step 7 - Snapshotting data");
            self.data(&mut conn, &position, &start).await?;
        } else {
            info!("Snapshot step 7 - Skipping snapshotting of data");
        }
        if lock != Lock::None {
            conn.query_drop("UNLOCK TABLES").await?;
        }
        conn.query_drop("ROLLBACK").await?;
        let done = Position {
            in_snapshot: false,
            ..self.keep_position.take().unwrap_or(start)
        };
        let offset = SourceOffset::new(done.clone());
        self.dispatcher.end_snapshot(offset).await?;
        conn.disconnect().await;
        info!("Snapshot completed");
        Ok(done)
    }

    async fn status(&self, conn: &mut Session, streams: bool) -> Result<MasterStatus, BinlogError> {
        info!("Snapshot step 4 - Determining snapshot offset");
        match queries::master_status(conn, self.flavor).await? {
            Some(status) => Ok(status),
            // Who streams nothing afterwards needs no position.
            None if !streams => {
                warn!("{}", BinlogError::NoBinlog);
                Ok(MasterStatus::default())
            }
            None => Err(BinlogError::NoBinlog),
        }
    }

    /// Tables whose schema is read.
    async fn tables(&self, conn: &mut Session) -> Result<Vec<TableId>, BinlogError> {
        let only_captured = self.settings.history.only_captured_tables;
        let mut tables = Vec::new();
        for database in queries::databases(conn).await? {
            if BUILTIN
                .iter()
                .any(|own| own.eq_ignore_ascii_case(&database))
            {
                continue;
            }
            match queries::tables(conn, &database).await {
                Ok(names) => tables.extend(
                    names
                        .into_iter()
                        .map(|name| TableId::in_database(&*database, name))
                        .filter(|id| !only_captured || self.settings.filters.table(id)),
                ),
                Err(MySqlError::Refused(error)) if !self.settings.filters.database(&database) => {
                    warn!(
                        "skipping database '{database}', which is not captured, due to error reading tables: {error}"
                    );
                }
                Err(error) => return Err(error.into()),
            }
        }
        tables.sort();
        if !tables.iter().any(|id| self.settings.filters.table(id)) {
            warn!(
                "After applying the include/exclude list filters, no changes will be captured. Please check your configuration!"
            );
        }
        Ok(tables)
    }

    async fn lock(&self, conn: &mut Session, tables: &[TableId]) -> Result<Lock, BinlogError> {
        if self.settings.locking_mode == LockingMode::None {
            return Ok(Lock::None);
        }
        let lock_wait = Duration::from_secs(self.lock_seconds());
        match conn
            .query_drop_within("FLUSH TABLES WITH READ LOCK", lock_wait)
            .await
            .map_err(BinlogError::from)
        {
            Ok(()) => return Ok(Lock::Global),
            // Managed servers never grant it.
            Err(BinlogError::Refused(error)) if error.is_missing_privilege() => {
                info!(
                    "Unable to flush and acquire global read lock, will use table read locks after reading table names"
                );
            }
            Err(error) => return Err(self.not_locked(error)),
        }
        let captured: Vec<String> = tables
            .iter()
            .filter(|id| self.settings.filters.table(id))
            .map(quoted_id)
            .collect();
        if captured.is_empty() {
            return Ok(Lock::None);
        }
        let flush = format!("FLUSH TABLES {} WITH READ LOCK", captured.join(","));
        conn.query_drop_within(&flush, lock_wait).await.map_err(|error| match BinlogError::from(error) {
            BinlogError::Refused(error) if error.is_missing_privilege() => BinlogError::Server(format!(
                "User '{}' does not have the 'LOCK TABLES' privilege (with SELECT and RELOAD) required to obtain a consistent snapshot by preventing concurrent writes to tables. Grant it, or set snapshot.locking.mode=none if nobody changes the schema meanwhile: {error}",
                self.settings.connection.user
            )),
            BinlogError::Refused(source) if source.is_table_gone() => BinlogError::TablesChanged { source },
            error => self.not_locked(error),
        })?;
        warn!(
            "Tables were locked explicitly, but to get a consistent snapshot we cannot release the locks until we've read all tables."
        );
        Ok(Lock::Tables)
    }

    fn lock_seconds(&self) -> u64 {
        /// More than servers take.
        const MAX: u64 = 31_536_000;
        self.settings.lock_timeout.as_secs().clamp(1, MAX)
    }

    fn not_locked(&self, error: BinlogError) -> BinlogError {
        match error {
            BinlogError::Refused(source) if source.is_lock_wait() => BinlogError::LockWait {
                seconds: self.lock_seconds(),
                source,
            },
            other => other,
        }
    }

    /// The statement that makes a table; `None` with a warning if the snapshot can do without it.
    async fn definition(
        &self,
        conn: &mut Session,
        id: &TableId,
        lock: Lock,
    ) -> Result<Option<String>, BinlogError> {
        match queries::show_create_table(conn, id).await {
            Ok(text) => Ok(Some(text)),
            Err(error) => {
                let is_captured = self.settings.filters.table(id);
                without_definition(id, is_captured, lock, error.into()).map(|()| None)
            }
        }
    }

    /// The texts that make the schema: database and statement.
    async fn schema_statements(
        &self,
        conn: &mut Session,
        tables: &[TableId],
        lock: Lock,
    ) -> Result<Vec<(String, String)>, BinlogError> {
        // A session that has locked some tables may look at no others.
        let mut other = match lock {
            Lock::Tables => Some(self.server.open().await?),
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
        let database = |id: &TableId| id.catalog.as_deref().unwrap_or_default().to_owned();
        for id in tables {
            statements.push((
                database(id),
                format!("DROP TABLE IF EXISTS {}", quoted_id(id)),
            ));
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
                    self.definition(other, id, lock).await?
                }
                _ => self.definition(conn, id, lock).await?,
            };
            statements.extend(text.map(|text| (own, text)));
        }
        if let Some(other) = other {
            other.disconnect().await;
        }
        Ok(statements)
    }

    /// Where streaming begins: at the first attempt that had the captured tables of now. An attempt that ended before its schema
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

    /// Applies and records the schema.
    async fn publish_schema(
        &mut self,
        statements: &[(String, String)],
        position: &Position,
        start: &Position,
    ) -> Result<(), BinlogError> {
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
                let offset = SourceOffset::new(start.clone());
                self.dispatcher
                    .snapshot_statement(block, change.statement(), offset)
                    .await?;
            }
        }
        Ok(())
    }

    /// The table's statement in `snapshot.select.statement.overrides`.
    fn select_of(&self, id: &TableId) -> Option<&'a str> {
        let id = id.to_string();
        let (_, statement) = self
            .settings
            .overrides
            .iter()
            .find(|(name, _)| *name == id)?;
        Some(statement.trim().trim_end_matches(';'))
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

    /// Reads all rows.
    async fn data(
        &mut self,
        conn: &mut Session,
        position: &Position,
        start: &Position,
    ) -> Result<(), BinlogError> {
        let tables = self.data_tables();
        let count = tables.len();
        let offset = SourceOffset::new(start.clone());
        let file = Str::new(&position.file);
        for (index, table) in tables.iter().enumerate() {
            let Some(captured) = self.tracker.captured(&table.id)? else {
                continue;
            };
            info!(
                "Exporting data from table '{}' ({} of {count} tables)",
                table.id,
                index + 1
            );
            self.dispatcher.begin_table(index == 0);
            self.table_rows(conn, &captured, &offset, &file, position)
                .await
                .map_err(|error| match error {
                    BinlogError::Stopped => error,
                    // A table that was renamed has its rows under another name: only a new snapshot has all.
                    BinlogError::Refused(source)
                        if source.is_table_gone() && self.select_of(&table.id).is_none() =>
                    {
                        BinlogError::Table {
                            table: table.id.to_string(),
                            source: Box::new(BinlogError::TablesChanged { source }),
                        }
                    }
                    source => BinlogError::Table {
                        table: table.id.to_string(),
                        source: Box::new(source),
                    },
                })?;
            let rows = self.dispatcher.end_table();
            info!(
                "Finished exporting {rows} records for table '{}' ({} of {count} tables)",
                table.id,
                index + 1
            );
        }
        Ok(())
    }

    async fn table_rows(
        &mut self,
        conn: &mut Session,
        table: &Arc<CapturedTable>,
        offset: &SourceOffset,
        file: &Str,
        position: &Position,
    ) -> Result<(), BinlogError> {
        let plan = &table.plan;
        let id = &plan.table.id;
        let seconds = queries::unix_seconds(conn).await?;
        let chosen = self.select_of(&plan.table.id);
        let sql = match chosen {
            Some(statement) => {
                // It was written for the server's own mode.
                let mode = queries::variable(conn, "sql_mode").await?;
                set_sql_mode(conn, &unpadded(&mode.unwrap_or_default())).await?;
                statement.to_owned()
            }
            None => select_shown(plan, []),
        };
        info!("For table '{id}' using select statement: '{sql}'");
        let moment = Moment {
            micros: seconds * 1_000_000,
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
        let mut rows = conn.query_stream(&sql).await?;
        let mut cells: Option<Vec<Option<usize>>> = None;
        while let Some(row) = next_row(&mut rows, self.settings.connection.query_timeout).await? {
            let cells = cells.get_or_insert_with(|| plan.cells_of(row.columns_ref()));
            let row = plan.text_row(&row, cells)?;
            self.dispatcher
                .snapshot_row(table, row, block.clone(), offset.clone())
                .await?;
        }
        drop(rows);
        if chosen.is_some() {
            set_sql_mode(conn, "").await?;
        }
        Ok(())
    }
}

/// Whether the snapshot can do without the definition of a table, upon which only a warning is said: it is not captured, or it
/// is gone under the global lock and so was before the position. Without that lock a captured table may have been dropped or
/// renamed behind the position: rows of it may be in the stream, and its rows of now under a name that was not listed.
fn without_definition(
    id: &TableId,
    is_captured: bool,
    lock: Lock,
    error: BinlogError,
) -> Result<(), BinlogError> {
    match error {
        BinlogError::Refused(source)
            if source.is_table_gone() && is_captured && lock != Lock::Global =>
        {
            Err(BinlogError::TablesChanged { source })
        }
        BinlogError::Refused(error) if error.is_table_gone() => {
            warn!("Table '{id}' has been dropped since the tables were listed: {error}");
            Ok(())
        }
        BinlogError::Refused(error) if !is_captured => {
            warn!("The definition of table '{id}', which is not captured, cannot be read: {error}");
            Ok(())
        }
        source => Err(BinlogError::Table {
            table: id.to_string(),
            source: Box::new(source),
        }),
    }
}

/// A mode without the one that changes the values of CHAR columns.
fn unpadded(sql_mode: &str) -> String {
    let modes = sql_mode.split(',');
    let kept: Vec<&str> = modes
        .filter(|mode| *mode != "PAD_CHAR_TO_FULL_LENGTH")
        .collect();
    kept.join(",")
}

async fn set_sql_mode(conn: &mut Session, mode: &str) -> Result<(), mysql_async::Error> {
    conn.query_drop(format!("SET SESSION sql_mode = '{mode}'"))
        .await
}

async fn begin_transaction(conn: &mut Session) -> Result<(), mysql_async::Error> {
    conn.query_drop("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        .await
}

#[cfg(test)]
mod tests {
    use mysql_async::ServerError;

    use super::*;

    #[test]
    fn a_captured_table_that_is_gone_without_the_global_lock_begins_the_snapshot_anew() {
        fn without(code: u16, is_captured: bool, lock: Lock) -> Result<(), BinlogError> {
            let error = BinlogError::from(mysql_async::Error::Server(ServerError {
                code,
                message: "m".to_owned(),
                state: "42S02".to_owned(),
            }));
            without_definition(&TableId::in_database("db", "t"), is_captured, lock, error)
        }
        let (no_table, no_right) = (1146, 1142);
        for lock in [Lock::None, Lock::Tables] {
            let error = without(no_table, true, lock);
            assert!(
                matches!(error, Err(BinlogError::TablesChanged { .. })),
                "{error:?}"
            );
        }
        assert!(without(no_table, true, Lock::Global).is_ok());
        assert!(without(no_table, false, Lock::None).is_ok());
        assert!(without(no_right, false, Lock::None).is_ok());
        let error = without(no_right, true, Lock::Global);
        assert!(matches!(error, Err(BinlogError::Table { .. })), "{error:?}");
    }
}
