//! Streaming: events of the binary log become change records.
//!
//! Source: Debezium `BinlogStreamingChangeEventSource`.

mod payload;
mod registration;
mod repetition;
#[cfg(test)]
mod restarts;
mod rows;
mod savepoints;
mod statements;
mod table_maps;
mod texts;
mod transactions;
mod warnings;

use futures::FutureExt as _;
use mysql_async::binlog::events::{Event, EventData};
use mysql_async::binlog::{EventType, RowsEventFlags};
use mysql_common::packets::Tag;
use mysql_common::proto::MySerialize as _;
use tidegate_api::{SourceOffset, Str, TaskWaits};
use tidegate_cdc::dispatcher::Dispatcher;
use tidegate_relational::TableId;
use tracing::{debug, info, warn};

use crate::config::Settings;
use crate::errors::BinlogError;
use crate::offsets::{OffsetContext, Position};
use crate::source_info::SourceInfo;
use crate::tracker::Tracker;
use tidegate_mysql::connection::Server;
use tidegate_mysql::gtid::GtidSet;
use tidegate_mysql::rows::RowSkipper;
use tidegate_mysql::sessions::{BinlogSession, Session, StreamError};
use tidegate_mysql::uuid::uuid_text;
use tidegate_mysql::values::EventFailure;
use tidegate_mysql::{Flavor, compressed};

use payload::Payload;
use repetition::Repetition;
use rows::Mapped;
use table_maps::TableMaps;
use texts::{Collations, sql_mode};
use transactions::Transaction;
use warnings::Warnings;

/// MariaDB's own events.
mod mariadb {
    pub(super) const ANNOTATE_ROWS: u8 = 160;
    pub(super) const BINLOG_CHECKPOINT: u8 = 161;
    pub(super) const GTID: u8 = 162;
    pub(super) const GTID_LIST: u8 = 163;
    pub(super) const START_ENCRYPTION: u8 = 164;
}
/// Events about the log itself; a position behind them is no further than before.
const ABOUT_THE_LOG: [u8; 6] = [
    EventType::HEARTBEAT_EVENT as u8,
    EventType::FORMAT_DESCRIPTION_EVENT as u8,
    PREVIOUS_GTIDS,
    mariadb::BINLOG_CHECKPOINT,
    mariadb::GTID_LIST,
    mariadb::START_ENCRYPTION,
];
const PREVIOUS_GTIDS: u8 = EventType::PREVIOUS_GTIDS_EVENT as u8;
/// Rows of MySQL's partial JSON updates, which cannot be decoded without the row before.
const PARTIAL_UPDATE_ROWS: u8 = 39;

const CHECKSUM_BYTES: usize = 4;

/// Events of one connection.
trait Events {
    /// The next event; `None` if there will be none. Cancel-safe.
    async fn next(&mut self) -> Option<Result<Event, StreamError>>;
}

impl Events for BinlogSession {
    async fn next(&mut self) -> Option<Result<Event, StreamError>> {
        BinlogSession::next(self).await
    }
}

pub(crate) struct Streaming<'a> {
    flavor: Flavor,
    settings: &'a Settings,
    server: &'a Server,
    tracker: &'a mut Tracker,
    source: &'a SourceInfo,
    dispatcher: &'a mut Dispatcher,
    waits: &'a dyn TaskWaits,
    context: OffsetContext,
    tables: TableMaps,
    /// Columns of the last table map that MariaDB compresses.
    compressed_columns: Vec<usize>,
    repetition: Repetition,
    /// Number of the row read last.
    last_row: u64,
    file: Str,
    /// The server's, asked for once for each connection.
    collations: Collations,
    /// Before the log's format is known, an event's checksum looks like a part of it.
    is_format_known: bool,
    payload: Payload,
    /// Events that the connection has brought.
    events: u64,
    /// What is held back of the transaction at hand (`binlog.buffer.size`).
    transaction: Option<Transaction>,
    /// Whether the events at hand are those of a transaction that was rolled back.
    is_rolled_back: bool,
    warnings: Warnings,
    heartbeat_session: Option<Session>,
}

/// The connector's parts that streaming uses.
pub(crate) struct Parts<'a> {
    pub(crate) flavor: Flavor,
    pub(crate) settings: &'a Settings,
    pub(crate) server: &'a Server,
    pub(crate) tracker: &'a mut Tracker,
    pub(crate) source: &'a SourceInfo,
    pub(crate) dispatcher: &'a mut Dispatcher,
    pub(crate) waits: &'a dyn TaskWaits,
}

impl<'a> Streaming<'a> {
    /// `after_snapshot`: a heartbeat comes at once, otherwise after its interval.
    pub(crate) fn new(parts: Parts<'a>, position: Position, after_snapshot: bool) -> Self {
        let Parts {
            flavor,
            settings,
            server,
            tracker,
            source,
            dispatcher,
            waits,
        } = parts;
        dispatcher.begin_stream(after_snapshot);
        Self {
            flavor,
            settings,
            server,
            tracker,
            source,
            dispatcher,
            waits,
            file: Str::new(&position.file),
            repetition: Repetition::after(&position),
            context: OffsetContext::new(flavor, position),
            tables: TableMaps::default(),
            compressed_columns: Vec::new(),
            collations: Collations::default(),
            last_row: 0,
            is_format_known: false,
            payload: Payload::default(),
            events: 0,
            transaction: None,
            is_rolled_back: false,
            warnings: Warnings::default(),
            heartbeat_session: None,
        }
    }

    /// Where a restart would begin.
    pub(crate) fn position(&self) -> Position {
        self.context.restart.clone()
    }

    /// Asks the server for its log and follows it, until something fails or the task stops.
    pub(crate) async fn run(&mut self) -> Result<(), BinlogError> {
        loop {
            let events = self.open().await?;
            self.waits.end();
            self.follow(events).await?;
            self.server.end_cut_off().await;
            info!(
                "Opening the connection again, so that the driver forgets the tables that it has seen"
            );
        }
    }

    /// Until a new connection is wanted, something fails, or the task stops. The events are those of one connection, from
    /// where it began.
    async fn follow(&mut self, mut events: impl Events) -> Result<(), BinlogError> {
        self.is_format_known = false;
        self.payload = Payload::default();
        self.tables.begin();
        self.events = 0;
        // What was held comes again.
        self.transaction = None;
        self.is_rolled_back = false;
        loop {
            // What is there already is read before anything is handed over.
            let next = match events.next().now_or_never() {
                Some(next) => next,
                None => {
                    self.dispatcher.flush().await?;
                    self.next(&mut events).await?
                }
            };
            let event = match next {
                Some(event) => event.map_err(|error| self.no_event(error))?,
                None => {
                    return Err(BinlogError::Connection(
                        "The server has ended the binary log stream".to_owned(),
                    ));
                }
            };
            self.events += 1;
            self.take(event).await?;
            self.heartbeat().await?;
            if self.tables.fill_the_driver() && !self.context.in_transaction {
                return Ok(());
            }
        }
    }

    /// Waits for an event, or for whatever the server says instead, as long as `connect.keep.alive` allows.
    async fn next(
        &self,
        events: &mut impl Events,
    ) -> Result<Option<Result<Event, StreamError>>, BinlogError> {
        let Some(silence) = self.settings.longest_silence() else {
            return Ok(events.next().await);
        };
        tokio::time::timeout(silence, events.next())
            .await
            .map_err(|_| {
                BinlogError::Connection(format!(
                    "The server was silent for {silence:?}, though it was asked to send heartbeats"
                ))
            })
    }

    fn no_event(&self, error: StreamError) -> BinlogError {
        match error {
            StreamError::Lost(error) => error.into(),
            StreamError::Unreadable(source) => BinlogError::Unreadable {
                file: self.context.event_file.to_string(),
                pos: self.context.event_pos,
                events: self.events,
                source,
            },
        }
    }

    /// A heartbeat, if one is due.
    async fn heartbeat(&mut self) -> Result<(), BinlogError> {
        if self.dispatcher.is_heartbeat_due() {
            self.heartbeat_action().await?;
            let offset = SourceOffset::new(self.context.restart.clone());
            self.dispatcher.heartbeat(offset).await?;
        }
        Ok(())
    }

    /// `heartbeat.action.query`, in a session of its own.
    ///
    /// # Errors
    /// If the server does not understand the statement, or the session has no database: no repetition would help.
    ///
    /// Source: Debezium `DatabaseHeartbeatImpl`.
    async fn heartbeat_action(&mut self) -> Result<(), BinlogError> {
        let Some(sql) = &self.settings.heartbeat_action else {
            return Ok(());
        };
        let mut session = match self.heartbeat_session.take() {
            Some(session) => session,
            None => match self.server.open().await {
                Ok(session) => session,
                Err(error) => {
                    warn!("Could not execute heartbeat action query: {sql}: {error}");
                    return Ok(());
                }
            },
        };
        let error = match session.query_drop(sql).await {
            Ok(()) => {
                self.heartbeat_session = Some(session);
                return Ok(());
            }
            Err(error) => BinlogError::from(error),
        };
        match &error {
            BinlogError::Refused(refusal) if refusal.is_of_syntax_or_database() => {
                Err(BinlogError::Server(format!(
                    "Could not execute heartbeat action query (Error: {refusal}). Correct heartbeat.action.query; names of tables need their database"
                )))
            }
            _ => {
                warn!("Could not execute heartbeat action query: {sql}: {error}");
                Ok(())
            }
        }
    }

    async fn handle(&mut self, event: &Event) -> Result<(), BinlogError> {
        let header = event.header();
        let raw_type = header.event_type_raw();
        self.context.micros_before = self.context.micros;
        let is_inner = self.payload.take_event(raw_type, header.event_size()).map_err(|missing| {
            BinlogError::Schema(format!(
                "The transaction at {}/{} is compressed (binlog_transaction_compression=ON) and {missing} bytes of it could not be decompressed",
                self.context.event_file, self.context.event_pos
            ))
        })?;
        let (size, end) = (u64::from(header.event_size()), u64::from(header.log_pos()));
        // Artificial events have no place in the log, those of a payload have the payload's.
        let has_place = !is_inner && end > 0 && !ABOUT_THE_LOG.contains(&raw_type);
        if has_place && raw_type != EventType::ROTATE_EVENT as u8 {
            self.context.at_event(end.saturating_sub(size), end);
            self.context.restart.server_id = header.server_id();
            self.context.at_second(header.timestamp());
        }
        match raw_type {
            mariadb::GTID if self.flavor == Flavor::MariaDb => {
                if self.mariadb_gtid(event).is_none() {
                    return Err(self.undecodable(event, "the id of the transaction is cut off"));
                }
            }
            mariadb::ANNOTATE_ROWS => {}
            PREVIOUS_GTIDS if self.flavor == Flavor::MySql => {
                if self.context.lacks_previous_gtids() {
                    let broken = || {
                        self.undecodable(event, "the set of transactions before the file is broken")
                    };
                    let set = GtidSet::of_previous(event.data()).ok_or_else(broken)?;
                    self.context.previous_gtids(set);
                }
            }
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
        self.dispatcher.hand_over().await?;
        if has_place || is_inner {
            self.context.event_done();
            self.repetition.event_done();
        }
        Ok(())
    }

    /// What a compressed event of MariaDB stands for.
    fn plain(&mut self, event: &Event) -> Result<Option<Event>, BinlogError> {
        if self.flavor != Flavor::MariaDb {
            return Ok(None);
        }
        if event.header().event_type_raw() == EventType::TABLE_MAP_EVENT as u8 {
            let map = compressed::plain_table_map(event)
                .map_err(|reason| self.undecodable(event, &reason))?;
            let (event, columns) = map.unzip();
            self.compressed_columns = columns.unwrap_or_default();
            return Ok(event);
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
        BinlogError::Schema(format!(
            "Error while deserializing binlog event at {}/{}: {reason}\n{}",
            self.context.event_file,
            self.context.event_pos,
            self.mysqlbinlog(event)
        ))
    }

    fn mysqlbinlog(&self, event: &Event) -> String {
        format!(
            "Use the mysqlbinlog tool to view the problematic event: mysqlbinlog --start-position={} --stop-position={} --verbose {}",
            self.context.event_pos,
            event.header().log_pos(),
            self.context.event_file
        )
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
            EventData::FormatDescriptionEvent(_) => {
                self.is_format_known = true;
                self.warn_of_unfinished();
            }
            EventData::RotateEvent(rotate) => {
                let name = rotate.name_raw();
                let has_checksum = !self.is_format_known && ends_with_checksum(event);
                let checksum = if has_checksum { CHECKSUM_BYTES } else { 0 };
                let end = name.len().saturating_sub(checksum);
                let is_artificial = event.header().log_pos() == 0;
                let name = String::from_utf8_lossy(&name[..end]);
                if *name != *self.context.event_file {
                    self.warn_of_unfinished();
                }
                self.context.rotate(&name, rotate.position(), is_artificial);
                self.file = Str::new(&self.context.event_file);
                self.tables.begin();
            }
            EventData::GtidEvent(gtid) => {
                self.warn_of_unfinished();
                let source = gtid_source(&gtid.sid(), gtid.tag());
                self.context
                    .at_commit(gtid.original_commit_timestamp(), event.header().timestamp());
                self.repetition.transaction_ends();
                let number = gtid.gno();
                self.context.announce(&format!("{source}:{number}"));
                self.context
                    .current_gtids
                    .add_mysql(&source, number, number);
            }
            EventData::AnonymousGtidEvent(_) => {
                self.warn_of_unfinished();
                self.repetition.transaction_ends();
                self.context.announce_anonymous();
            }
            EventData::QueryEvent(query) => {
                if let Some(mode) = sql_mode(&query) {
                    self.tracker.set_sql_mode(mode);
                }
                let (database, sql) = (query.schema().into_owned(), self.collations.text(&query));
                let charset = self.collations.of_new_database(&query);
                self.tracker.set_session_charset(charset);
                self.query(event, &database, &sql, query.thread_id())
                    .await?;
            }
            EventData::ExecuteLoadQueryEvent(load) => {
                let database = load.schema().into_owned();
                self.warn_of_row_statement(&database, &load.query())?;
            }
            EventData::XaPrepareLogEvent(_) => {
                self.warnings.xa_prepared();
                self.commit();
            }
            EventData::XidEvent(_) => self.commit(),
            // Its events follow, and come again only with it.
            EventData::TransactionPayloadEvent(payload) => {
                self.context.step_back();
                self.payload = Payload::new(&payload);
            }
            EventData::TableMapEvent(_) | EventData::RowsEvent(_) if self.is_rolled_back => {}
            EventData::TableMapEvent(map) => {
                if !self.context.in_transaction {
                    // A stream that begins behind CREATE TABLE … START TRANSACTION.
                    self.begin();
                }
                if self.tables.knows(map.table_id(), event.data()) {
                    return Ok(());
                }
                let id = TableId::in_database(&*map.database_name(), &*map.table_name());
                let mapped = match self.map_table(event, &id, &map).await {
                    Err(BinlogError::Value(error)) => match RowSkipper::new(&map) {
                        Some(skipper) if error.is_of_history() => Mapped::Misfit(skipper, error),
                        _ => {
                            self.tolerate(self.undecodable(event, &error.to_string()))?;
                            Mapped::NotCaptured
                        }
                    },
                    mapped => mapped?,
                };
                self.tables.insert(map.table_id(), event.data(), mapped);
            }
            EventData::RowsEvent(rows) => {
                if let Err(error) = self.rows(&rows).await {
                    self.dispatcher.discard();
                    match error {
                        BinlogError::Value(_) => {
                            let error = self.undecodable(event, &error.to_string());
                            self.tolerate(error)?;
                        }
                        other => return Err(other),
                    }
                }
                if rows.flags().contains(RowsEventFlags::STMT_END) {
                    self.tables.statement_ends();
                }
            }
            EventData::IncidentEvent(incident) => warn!("Server incident: {incident:?}"),
            _ => {}
        }
        Ok(())
    }

    /// `None` if the event is cut off.
    fn mariadb_gtid(&mut self, event: &Event) -> Option<()> {
        self.warn_of_unfinished();
        let data = event.data();
        let sequence = u64::from_le_bytes(*data.first_chunk()?);
        let domain = u32::from_le_bytes(*data.get(8..)?.first_chunk()?);
        let server = event.header().server_id();
        self.context
            .announce(&format!("{domain}-{server}-{sequence}"));
        self.context
            .current_gtids
            .add_mariadb(domain, server, sequence);
        self.begin();
        Some(())
    }

    /// A transaction begins with the event at hand.
    fn begin(&mut self) {
        self.warnings.transaction_begins();
        self.context.begin();
        self.repetition
            .transaction_begins(&self.context.restart, self.context.announced);
        if self.tells_boundaries() {
            let goes_on = self.repetition.is_within();
            let place = SourceOffset::new(self.context.restart.clone());
            let (id, millis) = (self.context.transaction_id(), self.context.millis_before());
            self.dispatcher
                .begin_transaction(&id, goes_on, millis, place);
        }
    }

    fn commit(&mut self) {
        if self.tells_boundaries() {
            let place = SourceOffset::new(self.context.restart.clone());
            let millis = self.context.millis_before();
            self.dispatcher.end_transaction(millis, place);
        }
        self.context.commit();
        self.repetition.transaction_ends();
    }

    /// Whether the boundaries of the transaction at hand are records.
    fn tells_boundaries(&self) -> bool {
        !self.is_rolled_back && self.dispatcher.follows_transactions()
    }

    fn skips(&self, operation: &str) -> bool {
        self.settings
            .skipped
            .iter()
            .any(|skipped| skipped == operation)
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

/// `uuid` or `uuid:tag`
fn gtid_source(id: &[u8; 16], tag: Option<&Tag<'_>>) -> String {
    match tag {
        Some(tag) => format!("{}:{tag}", uuid_text(id)),
        None => uuid_text(id),
    }
}
