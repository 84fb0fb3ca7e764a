//! A connector that is restarted after any record brings every change at least once, those of a key in order, and none of
//! them altered. Recorded logs stand for the servers, batches have one record.

mod broken;
mod log;
mod server;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use mysql_async::binlog::EventType;
use mysql_async::binlog::events::Event;
use serde_json::{Map, Value as Json};
use tidegate_api::{ConnectError, SourceRecord, Str, Struct, TaskWaits, Value};
use tidegate_cdc::history::SchemaHistory;
use tidegate_cdc::queue::{BatchSender, DEFAULT_QUEUE_BYTES, QueueLimits};
use tidegate_cdc::reader::ReaderHandle;
use tidegate_cdc::transactions::TransactionState;
use tidegate_mysql::Flavor;
use tidegate_mysql::connection::Server;
use tidegate_mysql::sessions::StreamError;

use super::{Events, Parts, Streaming};
use crate::config::Settings;
use crate::config::tests::props;
use crate::errors::BinlogError;
use crate::offsets::Position;
use crate::source_info::SourceInfo;
use crate::task::dispatcher;
use crate::tracker::Tracker;

use log::MemoryLog;
use server::RecordedServer;

const SCHEMA_CHANGES: &str = "srv";

/// A recorded log is always there.
struct Waitless;

impl TaskWaits for Waitless {
    fn begin(&self, error: ConnectError) {
        panic!("{error}");
    }
    fn end(&self) {}
}

/// A record as a consumer sees it, without the time at which it was made.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    topic: Arc<str>,
    key: Value,
    value: Value,
    headers: String,
}

/// A record with what is stored once it is delivered.
#[derive(Debug, Clone)]
struct Delivered {
    seen: Seen,
    /// As the offset topic has it.
    offset: String,
    /// Records of the schema history at that time.
    history: usize,
}

impl Delivered {
    fn new(record: SourceRecord, history: usize) -> Self {
        let SourceRecord {
            record,
            source_offset,
            ..
        } = record;
        let fields = source_offset.fields().into_iter().map(|(name, value)| {
            let value = match value {
                Value::String(text) => Json::from(text.as_str()),
                Value::Boolean(flag) => Json::from(flag),
                number => Json::from(number.as_i64().expect("a number")),
            };
            (name.to_string(), value)
        });
        Self {
            seen: Seen {
                value: settled(&record.topic, record.value.value),
                key: record.key.value,
                headers: format!("{:?}", record.headers),
                topic: record.topic,
            },
            offset: Json::Object(fields.collect()).to_string(),
            history,
        }
    }

    /// The open transaction of the stored offset.
    fn transaction(&self) -> Option<TransactionState> {
        let json: Map<String, Json> = serde_json::from_str(&self.offset).expect("an offset");
        let fields = json.into_iter().map(|(name, value)| {
            let value = match value {
                Json::String(text) => Value::string(text),
                other => other.as_i64().map_or(Value::Null, Value::Int64),
            };
            (Str::from(name), value)
        });
        TransactionState::parse(&fields.collect())
    }

    /// The stored offset, read again.
    fn position(&self) -> Position {
        let json: Map<String, Json> = serde_json::from_str(&self.offset).expect("an offset");
        Position::from_json(&json).expect("a position")
    }
}

fn clear(structure: &mut Struct, is_unsettled: impl Fn(&str) -> bool) {
    let fields = structure.schema().fields().iter().enumerate();
    let unsettled: Vec<usize> = fields
        .filter(|(_, field)| is_unsettled(&field.name))
        .map(|(index, _)| index)
        .collect();
    for index in unsettled {
        structure.values_mut()[index] = Value::Null;
    }
}

/// Without the times of the envelope, and without the row of a statement's source block: that is the last row that was seen,
/// which nobody knows after a restart.
fn settled(topic: &str, value: Value) -> Value {
    let Value::Struct(mut structure) = value else {
        return value;
    };
    clear(&mut structure, |name| name.starts_with("ts_"));
    if topic == SCHEMA_CHANGES
        && let Some(Value::Struct(source)) = structure.values_mut().first_mut()
    {
        clear(source, |name| name == "row");
    }
    Value::Struct(structure)
}

/// A value for error texts: without its schema.
fn text(value: &Value) -> String {
    match value {
        Value::Struct(structure) => {
            let fields = structure.fields();
            let fields = fields.map(|(field, value)| format!("{}={}", field.name, text(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(" "))
        }
        other => format!("{other:?}"),
    }
}

impl Events for std::vec::IntoIter<Event> {
    async fn next(&mut self) -> Option<Result<Event, StreamError>> {
        Iterator::next(self).map(Ok)
    }
}

/// Events with a heartbeat of the connector behind each.
struct Beating(std::vec::IntoIter<Event>);

impl Events for Beating {
    async fn next(&mut self) -> Option<Result<Event, StreamError>> {
        tokio::time::advance(HEARTBEAT).await;
        Events::next(&mut self.0).await
    }
}

const HEARTBEAT: Duration = Duration::from_millis(1);
const HEARTBEATS: &str = "__debezium-heartbeat.srv";

/// What is done with events.
enum Work {
    /// As a task does it, to the first error.
    Follow(Vec<Event>),
    /// All of them are handled, whatever comes of it.
    Endure(Box<dyn Iterator<Item = Event> + Send>),
}

/// A stored offset: the place, and the transaction that is open there.
#[derive(Debug, Clone)]
struct Begin {
    position: Position,
    transaction: Option<TransactionState>,
}

impl From<&Position> for Begin {
    fn from(position: &Position) -> Self {
        Self {
            position: position.clone(),
            transaction: None,
        }
    }
}

/// Reads events as a task does.
async fn read(
    flavor: Flavor,
    settings: Arc<Settings>,
    log: MemoryLog,
    from: Begin,
    work: Work,
    queue: BatchSender,
) -> Result<(), BinlogError> {
    let Begin {
        position: from,
        transaction,
    } = from;
    let prefix = &*settings.naming.prefix;
    let source = SourceInfo::new(flavor, prefix);
    let history = SchemaHistory::open(
        &log,
        &settings.history.client,
        &settings.history.producer,
        &settings.history.topic,
        Arc::from("connector"),
        settings.history.limits,
    );
    let history = history.await?;
    let mut tracker = Tracker::new(
        flavor,
        Arc::clone(&settings),
        history,
        Arc::new(Waitless),
        source.clone(),
        false,
    );
    tracker.recover(&from).await?;
    let mut dispatcher = dispatcher(
        flavor,
        &settings,
        &source,
        tidegate_api::Headers::new(),
        queue,
    );
    dispatcher.resume(transaction);
    let parts = Parts {
        flavor,
        settings: &settings,
        server: &Server::new(Arc::clone(&settings.connection)),
        tracker: &mut tracker,
        source: &source,
        dispatcher: &mut dispatcher,
        waits: &Waitless,
    };
    let mut streaming = Streaming::new(parts, from, false);
    match work {
        Work::Follow(events) if settings.heartbeat.is_some() => {
            streaming.follow(Beating(events.into_iter())).await
        }
        Work::Follow(events) => streaming.follow(events.into_iter()).await,
        Work::Endure(events) => {
            for event in events {
                streaming.handle(&event).await.ok();
            }
            Ok(())
        }
    }
}

/// A connector on a recorded log.
struct Connector {
    server: RecordedServer,
    settings: Arc<Settings>,
}

impl Connector {
    fn new(server: RecordedServer, more: &[(&str, &str)]) -> Self {
        let mut all = vec![
            ("database.include.list", "shop"),
            ("table.exclude.list", "shop.hidden"),
        ];
        all.extend(more);
        let settings = Settings::new(server.flavor, &props(&all)).expect("valid");
        Self {
            server,
            settings: Arc::new(settings),
        }
    }

    /// From a position to the end of the log.
    async fn run(&self, from: impl Into<Begin>, history: &MemoryLog) -> Vec<Delivered> {
        let from = from.into();
        let events = self.server.send(&from.position);
        self.read(from, events, history).await
    }

    /// What the server sends to who asks from a position.
    async fn read(
        &self,
        from: impl Into<Begin>,
        events: Vec<Event>,
        history: &MemoryLog,
    ) -> Vec<Delivered> {
        let limits = QueueLimits {
            batch_records: 1,
            queue_records: 2,
            queue_bytes: DEFAULT_QUEUE_BYTES,
            poll_wait: Duration::from_secs(1),
        };
        let flavor = self.server.flavor;
        let (settings, log) = (Arc::clone(&self.settings), history.clone());
        let (from, work) = (from.into(), Work::Follow(events));
        let mut reader = ReaderHandle::spawn(limits, |queue, _| async move {
            let ended = read(flavor, settings, log, from, work, queue).await;
            ended.map_err(ConnectError::from)
        });
        let mut delivered = Vec::new();
        loop {
            match reader.poll().await {
                Ok(batch) => {
                    let records = batch.into_iter();
                    delivered.extend(records.map(|record| Delivered::new(record, history.len())));
                }
                Err(error) => {
                    assert!(error.text().contains("has ended"), "{}", error.chain());
                    return delivered;
                }
            }
        }
    }
}

/// How a stored offset is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Transactions,
    /// Without the ids of transactions.
    Place,
}

/// Without what the id of a transaction tells, which stands before its beginning.
fn without_ids(delivered: &[Delivered]) -> Vec<Delivered> {
    let mut all = delivered.to_vec();
    for one in &mut all {
        if let Value::Struct(event) = &mut one.seen.value {
            for part in event.values_mut() {
                if let Value::Struct(source) = part {
                    clear(source, |name| name == "gtid" || name.starts_with("ts_"));
                }
            }
        }
    }
    all
}

async fn check(folder: &str, by: By, more: &[(&str, &str)]) {
    check_server(RecordedServer::open(folder), folder, by, more).await;
}

async fn check_server(server: RecordedServer, name: &str, by: By, more: &[(&str, &str)]) {
    let connector = Connector::new(server, more);
    let history = MemoryLog::default();
    let whole = connector
        .run(&Position::at("mysql-bin.000001", 4), &history)
        .await;
    assert!(whole.len() > 140, "{} records", whole.len());
    for (index, last) in whole.iter().enumerate() {
        let mut position = last.position();
        if by == By::Place {
            position.gtids = None;
        }
        // The schema history may be ahead of what was delivered.
        for known in BTreeSet::from([last.history, history.len()]) {
            let begin = Begin {
                position: position.clone(),
                transaction: last.transaction(),
            };
            let again = connector.run(begin, &history.with_first(known)).await;
            let result = match by {
                By::Transactions => compare(&whole, index, &again),
                By::Place => compare(&without_ids(&whole), index, &without_ids(&again)),
            };
            if let Err(fault) = result {
                panic!(
                    "{name} {by:?}, restarted after record {index}, {}, {known} records of history: {fault}",
                    last.offset
                );
            }
        }
    }
}

/// Whether `again`, what came after record `last` of `whole` was the last one to be delivered, is what is left, with no more
/// before it than the row at hand, and with the same offsets.
fn compare(whole: &[Delivered], last: usize, again: &[Delivered]) -> Result<(), String> {
    // Delete and tombstone.
    let repeated = compare_changes(whole, last, again)?;
    if repeated > 2 {
        return Err(format!("{repeated} records came twice"));
    }
    compare_offsets(whole, last, again)
}

/// Whether `again` brings all that is left, by key in order; returns how many changes of rows come twice.
fn compare_changes(whole: &[Delivered], last: usize, again: &[Delivered]) -> Result<usize, String> {
    let same_key = |a: &Seen, b: &Seen| a.topic == b.topic && a.key == b.key;
    // For each key the end of all its records, which begins with the next one or before it.
    let mut repeated = 0;
    for (index, record) in whole.iter().enumerate() {
        let is_first = !whole[..index]
            .iter()
            .any(|other| same_key(&other.seen, &record.seen));
        if !is_first {
            continue;
        }
        let all: Vec<(usize, &Seen)> = (whole.iter().enumerate())
            .map(|(index, other)| (index, &other.seen))
            .filter(|(_, other)| same_key(other, &record.seen))
            .collect();
        let came: Vec<&Seen> = (again.iter().map(|other| &other.seen))
            .filter(|other| same_key(other, &record.seen))
            .collect();
        let left = all.iter().filter(|(index, _)| *index > last).count();
        let name = format!("{} {}", record.seen.topic, text(&record.seen.key));
        if came.len() < left {
            return Err(format!("{name}: {} of {left} records came", came.len()));
        }
        if came.len() > all.len() {
            return Err(format!(
                "{name}: {} records came, there are {}",
                came.len(),
                all.len()
            ));
        }
        let expected = &all[all.len() - came.len()..];
        if let Some((own, (_, other))) = came
            .iter()
            .zip(expected)
            .find(|(own, (_, other))| *own != other)
        {
            return Err(format!(
                "{name}: {} came instead of {}",
                text(&own.value),
                text(&other.value)
            ));
        }
        if &*record.seen.topic != SCHEMA_CHANGES {
            repeated += came.len() - left;
        }
    }
    Ok(repeated)
}

/// The next restart begins as it would have without this one.
fn compare_offsets(whole: &[Delivered], last: usize, again: &[Delivered]) -> Result<(), String> {
    let both = whole.iter().rev().zip(again.iter().rev());
    for (own, other) in both.take(whole.len() - 1 - last) {
        let (mut own, mut other) = (own.position(), other.position());
        if other.gtids.is_none() {
            own.gtids = None;
        }
        if own.gtids.is_none() {
            other.gtids = None;
        }
        if other.transaction.is_none() {
            own.transaction = None;
        }
        if own != other {
            return Err(format!("offset {other:?} instead of {own:?}"));
        }
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn mariadb_is_read_on_after_any_record() {
    check("mariadb", By::Transactions, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn mariadb_is_read_on_after_any_record_by_place() {
    check("mariadb", By::Place, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn compressed_events_of_mariadb_are_read_on_after_any_record() {
    check("mariadb-compressed", By::Transactions, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn mysql_is_read_on_after_any_record() {
    check("mysql", By::Transactions, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn mysql_is_read_on_after_any_record_by_place() {
    check("mysql", By::Place, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn mysql_without_transaction_ids_is_read_on_after_any_record() {
    check("mysql-without-gtids", By::Place, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn compressed_transactions_of_mysql_are_read_on_after_any_record() {
    check("mysql-compressed", By::Transactions, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn compressed_transactions_of_mysql_are_read_on_after_any_record_by_place() {
    check("mysql-compressed", By::Place, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn without_tombstones_logs_are_read_on_after_any_record() {
    for (folder, by) in [
        ("mariadb", By::Transactions),
        ("mysql-without-gtids", By::Place),
    ] {
        check(folder, by, &[("tombstones.on.delete", "false")]).await;
    }
}

/// Each change keeps its place in its transaction, and the end of each counts them all.
#[tokio::test(start_paused = true)]
async fn changes_of_a_transaction_are_counted_on_after_any_record() {
    const METADATA: &[(&str, &str)] = &[("provide.transaction.metadata", "true")];
    for (folder, by) in [
        ("mariadb", By::Transactions),
        ("mysql", By::Transactions),
        ("mysql-without-gtids", By::Place),
    ] {
        check(folder, by, METADATA).await;
    }
}

#[tokio::test(start_paused = true)]
async fn heartbeats_of_the_server_do_not_count() {
    for folder in ["mariadb", "mysql"] {
        let mut server = RecordedServer::open(folder);
        server.beats = true;
        check_server(server, folder, By::Transactions, &[]).await;
    }
}

/// A heartbeat behind any event stores where a restart by place would begin.
async fn check_heartbeats(folder: &str, least: usize, more: &[(&str, &str)]) {
    let connector = Connector::new(RecordedServer::open(folder), more);
    let history = MemoryLog::default();
    let from = Position::at("mysql-bin.000001", 4);
    let whole = connector.run(&from, &history).await;
    let beats = [more, &[("heartbeat.interval.ms", "1")]].concat();
    let beating = Connector::new(connector.server.clone(), &beats);
    let (mut delivered, mut seen) = (0_usize, BTreeSet::new());
    for record in beating.run(&from, &MemoryLog::default()).await {
        if &*record.seen.topic != HEARTBEATS {
            delivered += 1;
            continue;
        }
        let Some(last) = delivered.checked_sub(1) else {
            continue;
        };
        let mut position = record.position();
        // The last file ends with the name of the next.
        if !connector.server.has_file(&position.file) {
            continue;
        }
        position.gtids = None;
        if !seen.insert((Arc::clone(&position.file), position.pos, position.events)) {
            continue;
        }
        let again = connector.run(&position, &history).await;
        let result = compare_changes(&without_ids(&whole), last, &without_ids(&again));
        if let Err(fault) = result {
            panic!(
                "{folder}, restarted at heartbeat {}: {fault}",
                record.offset
            );
        }
    }
    assert!(seen.len() > least, "{} places", seen.len());
}

/// The source blocks of another server tell other places.
fn without_source(delivered: &[Delivered]) -> Vec<Delivered> {
    let mut all = delivered.to_vec();
    for one in &mut all {
        if let Value::Struct(event) = &mut one.seen.value {
            clear(event, |name| name == "source");
        }
    }
    all
}

/// Topics of a transaction; that of schema changes stands for all tables.
fn tables<'a>(whole: &'a [Delivered], position: &Position) -> BTreeSet<&'a str> {
    let records = whole
        .iter()
        .filter(|record| record.position().gtids == position.gtids);
    let topics: BTreeSet<&str> = records.map(|record| &*record.seen.topic).collect();
    if topics.contains(SCHEMA_CHANGES) {
        return whole.iter().map(|record| &*record.seen.topic).collect();
    }
    topics
}

/// The server dies inside of a transaction; the one that takes over sends another transaction first, which begins at the same
/// place of a file of the same name.
async fn check_failover(folder: &str, more: &[(&str, &str)]) {
    let connector = Connector::new(RecordedServer::open(folder), more);
    let history = MemoryLog::default();
    let whole = connector
        .run(&Position::at("mysql-bin.000001", 4), &history)
        .await;
    let mut interrupted = 0;
    for (index, last) in whole.iter().enumerate() {
        let position = last.position();
        let Some(transaction) = position
            .transaction
            .as_deref()
            .filter(|_| position.rows > 0)
        else {
            continue;
        };
        // Transactions of the same tables do not pass each other.
        let own = tables(&whole, &position);
        let following = whole[index..]
            .iter()
            .map(Delivered::position)
            .find(|other| other.gtids != position.gtids);
        if following.is_none_or(|following| !tables(&whole, &following).is_disjoint(&own)) {
            continue;
        }
        interrupted += 1;
        let others = Connector {
            server: connector.server.failed_over(transaction),
            settings: Arc::clone(&connector.settings),
        };
        let again = others.run(&position, &history).await;
        let result = compare_changes(&without_source(&whole), index, &without_source(&again));
        if let Err(fault) = result {
            panic!(
                "{folder}, failed over after record {index}, {}: {fault}",
                last.offset
            );
        }
    }
    assert!(interrupted > 10, "{interrupted} restarts");
}

#[tokio::test(start_paused = true)]
async fn nothing_of_another_transaction_is_skipped_on_mariadb() {
    check_failover("mariadb", &[]).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_of_another_transaction_is_skipped_on_mysql() {
    check_failover("mysql", &[]).await;
}

#[tokio::test(start_paused = true)]
async fn logs_are_read_on_after_any_heartbeat() {
    for folder in ["mysql-compressed", "mariadb"] {
        check_heartbeats(folder, 100, &[]).await;
    }
}

/// Transactions that are held back until their end is known, most of them in a file.
const HELD: &[(&str, &str)] = &[("binlog.buffer.size", "2")];

#[tokio::test(start_paused = true)]
async fn transactions_that_are_held_back_are_read_on_after_any_heartbeat() {
    for folder in ["mysql-compressed", "mariadb"] {
        // Between transactions only.
        check_heartbeats(folder, 50, HELD).await;
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_of_another_transaction_is_skipped_where_they_are_held_back() {
    for folder in ["mariadb", "mysql"] {
        check_failover(folder, HELD).await;
    }
}

/// The first file ends in front of the end of its last transaction that is committed by a number.
fn cut_off(events: Vec<Event>) -> Vec<Event> {
    let kind = |event: &Event| event.header().event_type_raw();
    let next_file = |event: &Event| {
        kind(event) == EventType::ROTATE_EVENT as u8 && event.header().log_pos() == 0
    };
    let second = events.iter().skip(1).position(next_file).expect("a file") + 1;
    let is_end = |event: &Event| kind(event) == EventType::XID_EVENT as u8;
    let end = events[..second].iter().rposition(is_end).expect("an end");
    [&events[..end], &events[second..]].concat()
}

#[tokio::test(start_paused = true)]
async fn a_transaction_without_an_end_is_rolled_back() {
    for folder in ["mariadb", "mysql"] {
        let from = Position::at("mysql-bin.000001", 4);
        let plain = Connector::new(RecordedServer::open(folder), &[]);
        let events = cut_off(plain.server.send(&from));
        let all = plain
            .read(&from, events.clone(), &MemoryLog::default())
            .await;
        let holding = Connector::new(plain.server.clone(), HELD);
        let held = holding.read(&from, events, &MemoryLog::default()).await;
        let seen = |delivered: &[Delivered]| -> Vec<Seen> {
            delivered.iter().map(|record| record.seen.clone()).collect()
        };
        let (all_seen, held_seen) = (seen(&all), seen(&held));
        let before = all_seen.iter().zip(&held_seen);
        let before = before.take_while(|(one, other)| one == other).count();
        let undone = all.len() - held.len();
        assert!(undone > 0, "{folder}");
        assert_eq!(all_seen[before + undone..], held_seen[before..], "{folder}");
        // The rows of one transaction alone, whose id is in no offset.
        let ids = |record: &Delivered| record.position().transaction.clone();
        let id = ids(&all[before]);
        let undone = &all[before..before + undone];
        assert!(undone.iter().all(|record| ids(record) == id), "{folder}");
        let gtids = |record: &Delivered| record.position().gtids;
        assert_eq!(gtids(&held[before]), gtids(&all[before]), "{folder}");
    }
}
