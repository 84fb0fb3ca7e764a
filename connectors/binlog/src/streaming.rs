//! Streaming: events of the binary log become change records.
//!
//! Source: Debezium `BinlogStreamingChangeEventSource`.

mod heartbeat;
mod payload;
mod registration;
mod rows;
mod statements;

use std::collections::HashMap;
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _};
use mysql_async::binlog::EventType;
use mysql_async::binlog::events::{Event, EventData};
use mysql_common::packets::Tag;
use mysql_common::proto::MySerialize as _;
use tidegate_api::{SourceRecord, Str};
use tidegate_cdc::queue::BatchSender;
use tidegate_relational::TableId;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::compressed;
use crate::config::Settings;
use crate::errors::BinlogError;
use crate::flavor::Flavor;
use crate::gtid::GtidSet;
use crate::offsets::{OffsetContext, Position};
use crate::record::RecordMaker;
use crate::schema::RowSkipper;
use crate::schema_changes::SchemaChangeMaker;
use crate::source_info::SourceInfo;
use crate::tracker::Tracker;
use crate::values::{EventFailure, ValueError};

use payload::Payload;
use rows::Mapped;
use statements::sql_mode;

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
    EventType::PREVIOUS_GTIDS_EVENT as u8,
    mariadb::BINLOG_CHECKPOINT,
    mariadb::GTID_LIST,
    mariadb::START_ENCRYPTION,
];
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
    /// Tables by their number in the log, with the map that announced them: each transaction repeats it.
    tables: HashMap<u64, (Box<[u8]>, Mapped)>,
    /// Columns of the last table map that MariaDB compresses.
    compressed_columns: Vec<usize>,
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
            compressed_columns: Vec::new(),
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
        let has_place = !is_inner && end > 0 && !ABOUT_THE_LOG.contains(&raw_type);
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
            EventData::FormatDescriptionEvent(_) => self.is_format_known = true,
            EventData::RotateEvent(rotate) => {
                let name = rotate.name_raw();
                let has_checksum = !self.is_format_known && ends_with_checksum(event);
                let end = name.len() - if has_checksum { CHECKSUM_BYTES } else { 0 };
                let is_artificial = event.header().log_pos() == 0;
                let name = String::from_utf8_lossy(&name[..end]);
                self.context.rotate(&name, rotate.position(), is_artificial);
                self.file = Str::new(&self.context.event_file);
                self.tables.clear();
            }
            EventData::GtidEvent(gtid) => {
                let source = gtid_source(&gtid.sid(), gtid.tag());
                self.context
                    .at_commit(gtid.original_commit_timestamp(), event.header().timestamp());
                self.context.begin_gtid();
                let number = gtid.gno();
                self.context
                    .current_gtids
                    .add_mysql(&source, number, number);
                self.context.gtid = Some(Str::from(format!("{source}:{number}")));
            }
            EventData::PreviousGtidsEvent(previous) => {
                let mut set = GtidSet::empty(Flavor::MySql);
                for sid in previous.sids() {
                    let source = gtid_source(&sid.uuid(), sid.tag());
                    for interval in sid.intervals() {
                        set.add_mysql(&source, interval.start(), interval.end().saturating_sub(1));
                    }
                }
                self.context.previous_gtids(set);
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
                let known = self.tables.get(&map.table_id());
                if known.is_some_and(|(known, _)| **known == *event.data()) {
                    return Ok(());
                }
                let id = TableId::in_database(&*map.database_name(), &*map.table_name());
                let mapped = match self.map_table(event, &id, &map) {
                    Err(BinlogError::Value(error)) => match RowSkipper::new(&map) {
                        Some(skipper) if matches!(error, ValueError::ColumnCount { .. }) => {
                            Mapped::Misfit(skipper, error)
                        }
                        _ => {
                            self.tolerate(self.undecodable(event, &error.to_string()))?;
                            Mapped::NotCaptured
                        }
                    },
                    mapped => mapped?,
                };
                self.tables
                    .insert(map.table_id(), (event.data().into(), mapped));
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
        if self.context.in_transaction {
            // That of a statement has no end of its own.
            self.skips_no_more();
        }
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
        self.skips_no_more();
    }

    fn skips_no_more(&mut self) {
        self.skipping = false;
        self.skip_events = 0;
        self.first_row = 0;
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
        Some(tag) => format!("{}:{tag}", uuid(id)),
        None => uuid(id),
    }
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
