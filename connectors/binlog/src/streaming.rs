//! Streaming: events of the binary log become change records.
//!
//! Source: Debezium `BinlogStreamingChangeEventSource`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _};
use mysql_async::binlog::events::{
    Event, EventData, QueryEvent, RowsEventData, StatusVarVal, TransactionPayloadEvent,
};
use mysql_async::binlog::{EventType, StatusVarKey, TransactionPayloadCompressionType};
use mysql_async::prelude::Queryable as _;
use mysql_async::{BinlogStream, BinlogStreamRequest, Conn, Sid};
use mysql_common::proto::MySerialize as _;
use tidegate_api::{Record, SchemaAndValue, SchemaBuilder, SourceRecord, Str, Struct, Value};
use tidegate_cdc::envelope::Operation;
use tidegate_cdc::queue::BatchSender;
use tidegate_mysql_ddl::SqlMode;
use tidegate_relational::TableId;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::compressed;
use crate::config::{EventFailure, Settings};
use crate::connection;
use crate::errors::BinlogError;
use crate::flavor::Flavor;
use crate::gtid::GtidSet;
use crate::offsets::{OffsetContext, Position};
use crate::queries;
use crate::record::{CapturedTable, RecordMaker};
use crate::schema::RowDecoder;
use crate::schema_changes::SchemaChangeMaker;
use crate::source_info::{Moment, SourceInfo};
use crate::tracker::{SchemaChange, Tracker};

/// MariaDB's own events.
mod mariadb {
    pub(super) const ANNOTATE_ROWS: u8 = 160;
    pub(super) const GTID: u8 = 162;
}
/// Rows of MySQL's partial JSON updates, which cannot be decoded without the row before.
const PARTIAL_UPDATE_ROWS: u8 = 39;

const CHECKSUM_BYTES: usize = 4;

pub(crate) struct Streaming<'a> {
    flavor: Flavor,
    settings: &'a Settings,
    tracker: &'a mut Tracker,
    source: &'a SourceInfo,
    records: &'a RecordMaker,
    schema_changes: &'a SchemaChangeMaker,
    queue: &'a mut BatchSender,
    context: OffsetContext,
    /// Tables by their number in the log; `None` for those that are not captured.
    tables: HashMap<u64, Option<MappedTable>>,
    skip_events: u64,
    first_row: u64,
    skipping: bool,
    heartbeat_at: Option<Instant>,
    /// Number of the row read last.
    last_row: u64,
    file: Str,
    scratch: Vec<SourceRecord>,
    /// Before the log's format is known, an event's checksum looks like a part of it.
    is_format_known: bool,
    payload: Payload,
}

/// Bytes of a compressed transaction whose events have not come yet.
#[derive(Debug, Default)]
struct Payload {
    left: u64,
}

impl Payload {
    fn new(payload: &TransactionPayloadEvent<'_>) -> Self {
        let left = match payload.algorithm() {
            TransactionPayloadCompressionType::NONE => payload.payload_size(),
            TransactionPayloadCompressionType::ZSTD => payload.uncompressed_size(),
        };
        Self { left }
    }

    /// Whether an event of `size` bytes belongs to the payload.
    ///
    /// # Errors
    /// If the payload's events ended too early, with the bytes that are missing.
    fn take_event(&mut self, raw_type: u8, size: u32) -> Result<bool, u64> {
        // These stand between transactions only.
        const OUTSIDE: [EventType; 8] = [
            EventType::ROTATE_EVENT,
            EventType::FORMAT_DESCRIPTION_EVENT,
            EventType::HEARTBEAT_EVENT,
            EventType::GTID_EVENT,
            EventType::GTID_TAGGED_LOG_EVENT,
            EventType::ANONYMOUS_GTID_EVENT,
            EventType::PREVIOUS_GTIDS_EVENT,
            EventType::TRANSACTION_PAYLOAD_EVENT,
        ];
        if self.left == 0 {
            return Ok(false);
        }
        if OUTSIDE.iter().any(|outside| *outside as u8 == raw_type) {
            return Err(self.left);
        }
        match self.left.checked_sub(size.into()) {
            Some(left) => self.left = left,
            None => return Err(self.left),
        }
        Ok(true)
    }
}

struct MappedTable {
    table: Arc<CapturedTable>,
    decoder: RowDecoder,
}

/// The connector's parts that streaming uses.
pub(crate) struct Parts<'a> {
    pub(crate) flavor: Flavor,
    pub(crate) settings: &'a Settings,
    pub(crate) tracker: &'a mut Tracker,
    pub(crate) source: &'a SourceInfo,
    pub(crate) records: &'a RecordMaker,
    pub(crate) schema_changes: &'a SchemaChangeMaker,
    pub(crate) queue: &'a mut BatchSender,
}

impl<'a> Streaming<'a> {
    /// `after_snapshot`: a heartbeat comes at once, otherwise after its interval.
    pub(crate) fn new(parts: Parts<'a>, position: Position, after_snapshot: bool) -> Self {
        let Parts {
            flavor,
            settings,
            tracker,
            source,
            records,
            schema_changes,
            queue,
        } = parts;
        let (skip_events, first_row) = (position.events, position.rows);
        if skip_events > 0 {
            info!("Skip {skip_events} events on streaming start");
        }
        if first_row > 0 {
            info!("Skip {first_row} rows on streaming start");
        }
        Self {
            flavor,
            settings,
            tracker,
            source,
            records,
            schema_changes,
            queue,
            file: Str::new(&position.file),
            context: OffsetContext::new(flavor, position),
            tables: HashMap::new(),
            skip_events,
            first_row,
            skipping: skip_events > 0 || first_row > 0,
            heartbeat_at: settings.heartbeat.map(|interval| {
                let wait = if after_snapshot {
                    Duration::ZERO
                } else {
                    interval
                };
                Instant::now() + wait
            }),
            scratch: Vec::new(),
            last_row: 0,
            is_format_known: false,
            payload: Payload::default(),
        }
    }

    /// Where a restart would begin.
    pub(crate) fn position(&self) -> Position {
        self.context.restart.clone()
    }

    /// Runs until the connection ends, something fails, or the task stops.
    pub(crate) async fn run(&mut self) -> Result<(), BinlogError> {
        let mut stream = self.open().await?;
        let silence = self.settings.keep_alive.max(Duration::from_secs(1)) * 2;
        loop {
            // What is there already is read before anything is handed over.
            let next = match stream.next().now_or_never() {
                Some(next) => next,
                None => {
                    self.queue.flush().await?;
                    tokio::time::timeout(silence, stream.next()).await.map_err(|_| {
                        BinlogError::Connection(format!("The server was silent for {silence:?}, though it was asked to send heartbeats"))
                    })?
                }
            };
            let event = match next {
                Some(event) => event?,
                None => {
                    return Err(BinlogError::Connection(
                        "The server has ended the binary log stream".to_owned(),
                    ));
                }
            };
            self.handle(&event).await?;
            self.heartbeat().await?;
        }
    }

    async fn open(&mut self) -> Result<BinlogStream, BinlogError> {
        let user = self.settings.user.clone();
        self.register().await.map_err(|error| match error {
            // The server tells a missing privilege and a wrong password with the same number.
            BinlogError::Server(text)
                if !text.starts_with("Failed to authenticate")
                    && ["Error code: 1045", "Error code: 1227"].iter().any(|code| text.contains(code)) =>
            {
                BinlogError::Server(format!(
                    "User '{user}' may not read the binary log; it needs the privilege REPLICATION SLAVE (GRANT REPLICATION SLAVE ON *.* TO '{user}'): {text}"
                ))
            }
            other => other,
        })
    }

    async fn register(&mut self) -> Result<BinlogStream, BinlogError> {
        let mut conn = connection::open(self.settings).await?;
        connection::check_binlog(&mut conn, self.flavor).await?;
        let heartbeat = self.settings.keep_alive.as_nanos() * 8 / 10;
        conn.query_drop(format!("SET @master_heartbeat_period={heartbeat}"))
            .await?;
        self.is_format_known = false;
        self.payload = Payload::default();
        let restart = &self.context.restart;
        let request = BinlogStreamRequest::new(self.settings.server_id);
        let stream = match (self.flavor, restart.gtids.as_deref()) {
            (Flavor::MariaDb, gtids) => {
                conn.query_drop("SET @mariadb_slave_capability=4").await?;
                match gtids {
                    Some(gtids) => {
                        info!("Registering binlog reader with GTID set: '{gtids}'");
                        conn.query_drop(format!(
                            "SET @slave_connect_state='{}'",
                            gtids.replace('\'', "")
                        ))
                        .await?;
                        conn.query_drop("SET @slave_gtid_strict_mode=0").await?;
                        conn.query_drop("SET @slave_gtid_ignore_duplicates=0")
                            .await?;
                        conn.get_binlog_stream(request.with_pos(4)).await?
                    }
                    None => self.by_position(conn, request).await?,
                }
            }
            (Flavor::MySql, Some(gtids)) => {
                let sids = self.start_set(&mut conn, gtids).await?;
                info!("Registering binlog reader with GTID set: '{gtids}'");
                conn.get_binlog_stream(request.with_gtid().with_gtid_set(sids).with_pos(4))
                    .await?
            }
            (Flavor::MySql, None) => self.by_position(conn, request).await?,
        };
        Ok(stream)
    }

    async fn by_position(
        &self,
        conn: Conn,
        request: BinlogStreamRequest<'_>,
    ) -> Result<BinlogStream, BinlogError> {
        let restart = &self.context.restart;
        info!(
            "Reading from binlog file '{}' at position {}",
            restart.file, restart.pos
        );
        let file = restart.file.as_bytes().to_vec();
        Ok(conn
            .get_binlog_stream(request.with_filename(&file).with_pos(restart.pos.max(4)))
            .await?)
    }

    /// The stored set, and what the server has purged of sources that the set does not know.
    async fn start_set(
        &self,
        conn: &mut Conn,
        gtids: &str,
    ) -> Result<Vec<Sid<'static>>, BinlogError> {
        let purged: Option<String> = conn.query_first("SELECT @@global.gtid_purged").await?;
        let stored =
            GtidSet::parse(Flavor::MySql, gtids).unwrap_or_else(|| GtidSet::empty(Flavor::MySql));
        let purged = purged
            .and_then(|text| GtidSet::parse(Flavor::MySql, &text))
            .unwrap_or_else(|| GtidSet::empty(Flavor::MySql));
        let mut texts = Vec::new();
        if let (GtidSet::MySql(stored), GtidSet::MySql(purged)) = (stored, purged) {
            let unknown: std::collections::BTreeMap<_, _> = purged
                .into_iter()
                .filter(|(source, _)| !stored.contains_key(source))
                .collect();
            for (source, intervals) in stored.into_iter().chain(unknown) {
                let one = GtidSet::MySql(std::iter::once((source, intervals)).collect());
                texts.push(one.to_string());
            }
        }
        texts
            .iter()
            .map(|text| {
                text.parse::<Sid<'_>>().map_err(|error| {
                    BinlogError::Schema(format!(
                        "the stored GTID set '{text}' cannot be read: {error}"
                    ))
                })
            })
            .collect()
    }

    async fn handle(&mut self, event: &Event) -> Result<(), BinlogError> {
        let header = event.header();
        let raw_type = header.event_type_raw();
        let is_inner = self.payload.take_event(raw_type, header.event_size()).map_err(|missing| {
            BinlogError::Schema(format!(
                "The transaction at {}/{} is compressed (binlog_transaction_compression=ON) and {missing} bytes of it could not be decompressed",
                self.context.event_file, self.context.event_pos
            ))
        })?;
        let (size, end) = (u64::from(header.event_size()), u64::from(header.log_pos()));
        // Artificial events have no place in the log, those of a payload have the payload's.
        let has_place = !is_inner
            && end > 0
            && raw_type != EventType::HEARTBEAT_EVENT as u8
            && raw_type != EventType::FORMAT_DESCRIPTION_EVENT as u8;
        if has_place && raw_type != EventType::ROTATE_EVENT as u8 {
            self.context.at_event(end.saturating_sub(size), end);
            self.context.restart.server_id = header.server_id();
            self.context.at_second(header.timestamp());
        }
        match raw_type {
            mariadb::GTID if self.flavor == Flavor::MariaDb => self.mariadb_gtid(event),
            mariadb::ANNOTATE_ROWS => {}
            PARTIAL_UPDATE_ROWS if self.flavor == Flavor::MySql => {
                return Err(BinlogError::Schema(format!(
                    "The update at {}/{} has only the changed parts of a JSON column (binlog_row_value_options=PARTIAL_JSON), from which no change record can be made. Set binlog_row_value_options='' in all sessions and take a new snapshot",
                    self.context.event_file, self.context.event_pos
                )));
            }
            _ => match self.plain(event) {
                Ok(Some(plain)) => self.read(&plain).await?,
                Ok(None) => self.read(event).await?,
                Err(error) => self.tolerate(error)?,
            },
        }
        if has_place || is_inner {
            self.context.event_done();
            if self.skipping && self.context.in_transaction {
                self.skip_events = self.skip_events.saturating_sub(1);
            }
        }
        Ok(())
    }

    /// What a compressed event of MariaDB stands for.
    fn plain(&self, event: &Event) -> Result<Option<Event>, BinlogError> {
        if self.flavor != Flavor::MariaDb {
            return Ok(None);
        }
        compressed::uncompressed(event).map_err(|reason| self.undecodable(event, &reason))
    }

    async fn read(&mut self, event: &Event) -> Result<(), BinlogError> {
        let data = event
            .read_data()
            .map_err(|error| self.undecodable(event, &error.to_string()));
        match data {
            Ok(Some(data)) => self.handle_data(event, data).await,
            Ok(None) => Ok(()),
            Err(error) => self.tolerate(error),
        }
    }

    fn undecodable(&self, event: &Event, reason: &str) -> BinlogError {
        let end = event.header().log_pos();
        BinlogError::Schema(format!(
            "Error while deserializing binlog event at {}/{}: {reason}\nUse the mysqlbinlog tool to view the problematic event: mysqlbinlog --start-position={} --stop-position={end} --verbose {}",
            self.context.event_file,
            self.context.event_pos,
            self.context.event_pos,
            self.context.event_file
        ))
    }

    /// `event.processing.failure.handling.mode`
    fn tolerate(&self, error: BinlogError) -> Result<(), BinlogError> {
        match self.settings.processing_failure {
            EventFailure::Fail => Err(error),
            EventFailure::Warn => {
                warn!(
                    "{error}; the event is skipped (event.processing.failure.handling.mode=warn)"
                );
                Ok(())
            }
            EventFailure::Skip => {
                debug!("{error}; the event is skipped");
                Ok(())
            }
        }
    }

    async fn handle_data(&mut self, event: &Event, data: EventData<'_>) -> Result<(), BinlogError> {
        match data {
            EventData::FormatDescriptionEvent(_) => self.is_format_known = true,
            EventData::RotateEvent(rotate) => {
                let name = rotate.name_raw();
                let has_checksum = !self.is_format_known && ends_with_checksum(event);
                let end = name.len() - if has_checksum { CHECKSUM_BYTES } else { 0 };
                self.context
                    .rotate(&String::from_utf8_lossy(&name[..end]), rotate.position());
                self.file = Str::new(&self.context.event_file);
                self.tables.clear();
            }
            EventData::GtidEvent(gtid) => {
                let sid = uuid(&gtid.sid());
                let source = match gtid.tag() {
                    Some(tag) => format!("{sid}:{tag}"),
                    None => sid,
                };
                self.context
                    .at_commit(gtid.original_commit_timestamp(), event.header().timestamp());
                self.context.begin_gtid();
                self.context.current_gtids.add_mysql(&source, gtid.gno());
                self.context.gtid = Some(Str::from(format!("{source}:{}", gtid.gno())));
            }
            EventData::QueryEvent(query) => {
                if let Some(mode) = sql_mode(&query) {
                    self.tracker.set_sql_mode(mode);
                }
                let (database, sql) = (query.schema().into_owned(), query.query().into_owned());
                self.query(event, &database, &sql, query.thread_id())
                    .await?;
            }
            EventData::XidEvent(_) => self.commit(),
            // Its events follow.
            EventData::TransactionPayloadEvent(payload) => {
                self.payload = Payload::new(&payload);
            }
            EventData::TableMapEvent(map) => {
                let id = TableId::in_database(&*map.database_name(), &*map.table_name());
                let mapped = self.map_table(&id, &map);
                match mapped {
                    Ok(mapped) => drop(self.tables.insert(map.table_id(), mapped)),
                    Err(error) => {
                        self.tables.insert(map.table_id(), None);
                        self.tolerate(error)?;
                    }
                }
            }
            EventData::RowsEvent(rows) => {
                if let Err(error) = self.rows(&rows).await {
                    match error {
                        BinlogError::Value(_) => {
                            let error = self.undecodable(event, &error.to_string());
                            self.tolerate(error)?;
                        }
                        other => return Err(other),
                    }
                }
            }
            EventData::IncidentEvent(incident) => warn!("Server incident: {incident:?}"),
            _ => {}
        }
        Ok(())
    }

    fn mariadb_gtid(&mut self, event: &Event) {
        let data = event.data();
        let (Some(sequence), Some(domain)) = (
            data.first_chunk::<8>()
                .map(|bytes| u64::from_le_bytes(*bytes)),
            data.get(8..12)
                .and_then(|bytes| bytes.first_chunk::<4>())
                .map(|bytes| u32::from_le_bytes(*bytes)),
        ) else {
            return;
        };
        let server = event.header().server_id();
        self.context.begin_gtid();
        self.context
            .current_gtids
            .add_mariadb(domain, server, sequence);
        self.context.gtid = Some(Str::from(format!("{domain}-{server}-{sequence}")));
        self.context.begin();
    }

    fn commit(&mut self) {
        self.context.commit();
        self.skipping = false;
        self.skip_events = 0;
        self.first_row = 0;
    }

    async fn query(
        &mut self,
        event: &Event,
        database: &str,
        sql: &str,
        thread: u32,
    ) -> Result<(), BinlogError> {
        let upper: String = sql
            .trim_start()
            .chars()
            .take(16)
            .collect::<String>()
            .to_ascii_uppercase();
        match upper.trim_end() {
            "BEGIN" => {
                self.context.thread = Some(thread.into());
                self.context.begin();
                return Ok(());
            }
            "COMMIT" => {
                self.commit();
                return Ok(());
            }
            "END" | "FLUSH PRIVILEGES" => return Ok(()),
            _ => {}
        }
        if upper.starts_with("XA ")
            || upper.starts_with("SAVEPOINT")
            || upper.starts_with("ROLLBACK")
        {
            return Ok(());
        }
        if ["INSERT ", "UPDATE ", "DELETE ", "REPLACE "]
            .iter()
            .any(|dml| upper.starts_with(dml))
        {
            warn!(
                "Received DML '{}…' in database '{database}' for processing, binlog probably contains events generated with statement or mixed based replication format; its changes are not captured. Set binlog_format=ROW for all sessions",
                upper.trim_end()
            );
            return Ok(());
        }
        self.ddl(event, database, sql).await
    }

    async fn ddl(&mut self, event: &Event, database: &str, sql: &str) -> Result<(), BinlogError> {
        let position = self.context.restart.clone();
        let changes = self.tracker.apply(database, sql, &position).await?;
        // Numbers of tables belong to versions of them.
        self.tables.clear();
        let tables = table_names(&changes);
        for change in changes {
            let table = match &change.truncated {
                Some(id) => Str::new(&id.table),
                None => tables.clone(),
            };
            // The original leaves the number of the last row that it saw.
            let block = self.block(
                event,
                &Str::new(&change.database),
                (!change.is_database).then_some(&table),
                self.last_row,
            );
            if let Some(id) = &change.truncated {
                if !self.skips("t")
                    && let Some(captured) = self.tracker.captured(id)?
                {
                    let offset = self.context.offset(0);
                    self.queue
                        .push(self.records.truncate(&captured, block, offset))
                        .await?;
                }
            } else if self.tracker.is_published(&change) {
                let offset = self.context.offset(0);
                let record = self.schema_changes.record(
                    &self.records.partition,
                    &self.records.headers,
                    block,
                    &change.database,
                    &change.ddl,
                    &change.changes,
                    offset,
                );
                self.queue.push(record).await?;
            }
        }
        Ok(())
    }

    fn skips(&self, operation: &str) -> bool {
        self.settings
            .skipped
            .iter()
            .any(|skipped| skipped == operation)
    }

    fn block(&self, event: &Event, database: &Str, table: Option<&Str>, row: u64) -> Struct {
        self.source.block(&Moment {
            // The original takes the time of a statement in milliseconds, that of a row in microseconds.
            micros: self.context.micros.div_euclid(1_000) * 1_000,
            snapshot: None,
            database,
            table,
            server_id: event.header().server_id(),
            gtid: self.context.gtid.as_ref(),
            file: &self.file,
            pos: self.context.event_pos,
            row,
            thread: self.context.thread.filter(|_| self.flavor == Flavor::MySql),
        })
    }

    fn map_table(
        &mut self,
        id: &TableId,
        map: &mysql_async::binlog::events::TableMapEvent<'_>,
    ) -> Result<Option<MappedTable>, BinlogError> {
        if !self.settings.filters.table(id) {
            return Ok(None);
        }
        let Some(table) = self.tracker.captured(id)? else {
            let text = format!(
                "Encountered change event for table {id} whose schema isn't known to this connector. One possible cause is an incomplete database schema history topic. Take a new snapshot in this case, or rebuild the schema with snapshot.mode=recovery."
            );
            return match self.settings.inconsistent_schema {
                EventFailure::Fail => Err(BinlogError::Schema(text)),
                EventFailure::Warn => {
                    warn!("{text} The event will be ignored.");
                    Ok(None)
                }
                EventFailure::Skip => Ok(None),
            };
        };
        let decoder = table.plan.decoder(map)?;
        Ok(Some(MappedTable { table, decoder }))
    }

    /// Rows of one event; those that were handed over before a restart are passed over.
    async fn rows(&mut self, rows: &RowsEventData<'_>) -> Result<(), BinlogError> {
        let operation = match rows {
            RowsEventData::WriteRowsEvent(_) | RowsEventData::WriteRowsEventV1(_) => {
                Operation::Create
            }
            RowsEventData::UpdateRowsEvent(_) | RowsEventData::UpdateRowsEventV1(_) => {
                Operation::Update
            }
            RowsEventData::DeleteRowsEvent(_) | RowsEventData::DeleteRowsEventV1(_) => {
                Operation::Delete
            }
            RowsEventData::PartialUpdateRowsEvent(_) => return Ok(()),
        };
        if self.skipping && self.skip_events > 0 {
            debug!(
                "Skipping previously processed row event at {}",
                self.context.event_pos
            );
            return Ok(());
        }
        let first_row = std::mem::take(&mut self.first_row);
        if self.skips(operation.code()) {
            return Ok(());
        }
        let Some(Some(mapped)) = self.tables.get(&rows.table_id()) else {
            return Ok(());
        };
        let mut image = rows.rows_data();
        let mut number = 0_u64;
        let mut out = std::mem::take(&mut self.scratch);
        let moment_row = |number: u64| Moment {
            micros: self.context.micros,
            snapshot: None,
            database: &mapped.table.database,
            table: Some(&mapped.table.name),
            server_id: self.context.restart.server_id,
            gtid: self.context.gtid.as_ref(),
            file: &self.file,
            pos: self.context.event_pos,
            row: number,
            thread: self.context.thread.filter(|_| self.flavor == Flavor::MySql),
        };
        let offset_of = |number: u64| {
            let mut position = self.context.restart.clone();
            position.rows = number + 1;
            tidegate_api::SourceOffset::new(position)
        };
        while !image.is_empty() {
            let before = match rows.columns_before_image() {
                Some(present) if operation != Operation::Create => {
                    Some(mapped.decoder.decode_row(present, &mut image)?)
                }
                _ => None,
            };
            let after = match rows.columns_after_image() {
                Some(present) if operation != Operation::Delete => {
                    Some(mapped.decoder.decode_row(present, &mut image)?)
                }
                _ => None,
            };
            if number >= first_row {
                let block = self.source.block(&moment_row(number));
                let offset = offset_of(number);
                match (before, after) {
                    (None, Some(after)) => out.push(self.records.insert(
                        &mapped.table,
                        operation,
                        after,
                        block,
                        offset,
                    )),
                    (Some(before), Some(after)) => {
                        self.records
                            .update(&mapped.table, before, after, block, offset, &mut out);
                    }
                    (Some(before), None) => {
                        self.records
                            .delete(&mapped.table, before, block, &offset, None, &mut out);
                    }
                    (None, None) => {}
                }
            }
            number += 1;
        }
        self.last_row = number.saturating_sub(1);
        for record in out.drain(..) {
            self.queue.push(record).await?;
        }
        self.scratch = out;
        Ok(())
    }

    /// A heartbeat, if one is due.
    async fn heartbeat(&mut self) -> Result<(), BinlogError> {
        let (Some(interval), Some(at)) = (self.settings.heartbeat, self.heartbeat_at) else {
            return Ok(());
        };
        if Instant::now() < at {
            return Ok(());
        }
        self.heartbeat_at = Some(Instant::now() + interval);
        let record = heartbeat_record(self.settings, self.records, self.context.restart.clone());
        self.queue.push(record).await?;
        self.queue.flush().await?;
        Ok(())
    }
}

/// The tables of a statement in the order of Java's `HashSet` of their ids, joined by commas.
fn table_names(changes: &[SchemaChange]) -> Str {
    let mut ids: Vec<&TableId> = Vec::new();
    for id in changes.iter().filter_map(|change| change.table.as_ref()) {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    let buckets = (ids.len() * 4 / 3 + 1).next_power_of_two().max(16);
    ids.sort_by_cached_key(|id| {
        let hash = id.to_string().encode_utf16().fold(0_u32, |hash, unit| {
            hash.wrapping_mul(31).wrapping_add(unit.into())
        });
        (hash ^ hash >> 16) as usize & (buckets - 1)
    });
    let names: Vec<&str> = ids.iter().map(|id| &*id.table).collect();
    Str::from(names.join(","))
}

/// Source: Debezium `HeartbeatImpl`.
fn heartbeat_record(
    settings: &Settings,
    records: &RecordMaker,
    position: Position,
) -> SourceRecord {
    let key_schema = SchemaBuilder::structure()
        .name("io.debezium.connector.common.ServerNameKey")
        .version(1)
        .field("serverName", SchemaBuilder::string().build())
        .build();
    let value_schema = SchemaBuilder::structure()
        .name("io.debezium.connector.common.Heartbeat")
        .version(1)
        .field("ts_ms", SchemaBuilder::int64().build())
        .build();
    let with_schema = |schema, value| SchemaAndValue {
        value: Value::Struct(Struct::new(Arc::clone(&schema), vec![value])),
        schema: Some(schema),
    };
    SourceRecord {
        record: Record {
            topic: Arc::clone(&settings.heartbeat_topic),
            kafka_partition: Some(0),
            key: with_schema(key_schema, Value::string(&settings.naming.prefix)),
            value: with_schema(
                value_schema,
                Value::Int64(chrono::Utc::now().timestamp_millis()),
            ),
            timestamp: None,
            headers: Vec::new(),
        },
        source_partition: Arc::clone(&records.partition),
        source_offset: tidegate_api::SourceOffset::new(position),
    }
}

/// The first event names the file and comes before the log's format: MariaDB adds a checksum to it, MySQL does not.
fn ends_with_checksum(event: &Event) -> bool {
    let Some((body, checksum)) = event.data().split_last_chunk::<CHECKSUM_BYTES>() else {
        return false;
    };
    let mut bytes = Vec::new();
    event.header().serialize(&mut bytes);
    bytes.extend_from_slice(body);
    crc32fast::hash(&bytes) == u32::from_le_bytes(*checksum)
}

fn uuid(bytes: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (position, byte) in bytes.iter().enumerate() {
        if matches!(position, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        for digit in [byte >> 4, byte & 0xf] {
            text.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
        }
    }
    text
}

/// Whether the stored position can still be read.
pub(crate) async fn is_available(
    settings: &Settings,
    flavor: Flavor,
    position: &Position,
) -> Result<bool, BinlogError> {
    let mut conn = connection::open(settings).await?;
    let available = match (position.gtids.as_deref(), flavor) {
        (Some(stored), Flavor::MySql) => {
            let status = queries::master_status(&mut conn, flavor).await?;
            let server = status.gtids.unwrap_or_default();
            if server.is_empty() {
                warn!(
                    "Connector used GTIDs previously, but server does not know of any GTIDs or they are not enabled"
                );
                false
            } else {
                // What the server has and the connector has not must not have been purged.
                let sql = "SELECT GTID_SUBSET(?, ?), GTID_SUBTRACT(GTID_SUBTRACT(?, ?), @@global.gtid_purged) = GTID_SUBTRACT(?, ?)";
                let row: Option<(i64, i64)> = conn
                    .exec_first(sql, (stored, &server, &server, stored, &server, stored))
                    .await?;
                let (known, nothing_purged) = row.unwrap_or((0, 0));
                if known != 1 {
                    warn!("Connector last known GTIDs are '{stored}', but server has '{server}'");
                } else if nothing_purged != 1 {
                    warn!("Some of the GTIDs needed to replicate have been already purged");
                }
                known == 1 && nothing_purged == 1
            }
        }
        _ => {
            let logs = queries::binary_logs(&mut conn).await?;
            let found = position.file.is_empty() || logs.iter().any(|log| *log == *position.file);
            if !found {
                warn!(
                    "Connector requires binlog file '{}', but server only has {}",
                    position.file,
                    logs.join(", ")
                );
            }
            found
        }
    };
    conn.disconnect().await?;
    Ok(available)
}

/// The mode that the statement was written in; quotes and escapes mean other things in others.
fn sql_mode(query: &QueryEvent<'_>) -> Option<SqlMode> {
    let variable = query.status_vars().get_status_var(StatusVarKey::SqlMode)?;
    match variable.get_value() {
        Ok(StatusVarVal::SqlMode(flags)) => Some(SqlMode::from_bits(flags.0)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_knows_its_events() {
        let zstd = TransactionPayloadCompressionType::ZSTD;
        let mut payload = Payload::new(&TransactionPayloadEvent::new(9, zstd, 100, &b"packed"[..]));
        let (query, gtid) = (EventType::QUERY_EVENT as u8, EventType::GTID_EVENT as u8);
        assert_eq!(payload.take_event(query, 60), Ok(true));
        assert_eq!(payload.take_event(gtid, 40), Err(40));
        assert_eq!(payload.take_event(query, 41), Err(40));
        assert_eq!(payload.take_event(query, 40), Ok(true));
        assert_eq!(payload.take_event(gtid, 80), Ok(false));
    }

    #[test]
    fn the_mode_of_a_statement_is_read_from_its_event() {
        fn check(variables: &[u8], expected: Option<SqlMode>) {
            let event = QueryEvent::new(variables, &b"db"[..]);
            assert_eq!(sql_mode(&event), expected, "{variables:?}");
        }
        let ansi_quotes = [0, 0, 0, 0, 0, 1, 4, 0, 0, 0, 0, 0, 0, 0];
        check(&ansi_quotes, Some(SqlMode::parse("ANSI_QUOTES")));
        check(&[0, 0, 0, 0, 0], None);
        check(&[1, 4, 0], None);
    }
}
