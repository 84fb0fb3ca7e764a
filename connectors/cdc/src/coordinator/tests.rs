//! A database in memory on the engine: what a source must bring, and no more.

use std::fmt;
use std::sync::{Arc, Mutex};

use tidegate_api::{
    Headers, OffsetFields, Schema, SchemaBuilder, SourceOffset, SourcePartition, SourceRecord, Str,
    Struct, Value,
};
use tidegate_relational::{Column, Row, Table, TableId};

use super::*;
use crate::dispatcher::RowChange;
use crate::envelope;
use crate::heartbeat::Heartbeat;
use crate::queue::{self, BatchReceiver, QueueLimits};
use crate::records::{CapturedTable, RecordMaker, RowOffsets};
use crate::schema_changes::SchemaChangeMaker;

/// How many changes of the database's journal come before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct At {
    change: usize,
    in_snapshot: bool,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "change {}", self.change)
    }
}

impl Position for At {
    fn in_snapshot(&self) -> bool {
        self.in_snapshot
    }
}

impl OffsetFields for At {
    fn fields(&self) -> Vec<(Str, Value)> {
        let change = i64::try_from(self.change).unwrap();
        let mut fields = vec![(Str::const_new("change"), Value::Int64(change))];
        if self.in_snapshot {
            fields.push((Str::const_new("snapshot"), Value::Boolean(true)));
        }
        fields
    }
}

impl At {
    fn parse(record: &SourceRecord) -> Self {
        let fields = record.source_offset.fields();
        Self {
            change: usize::try_from(fields[0].1.as_i64().unwrap()).unwrap(),
            in_snapshot: fields.len() > 1,
        }
    }
}

#[derive(Debug)]
enum Failure {
    /// The connection is lost.
    Lost,
    Engine(EngineError),
    Stopped,
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}
impl From<Stopped> for Failure {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}
impl From<Failure> for ConnectError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Lost => Self::retriable("lost"),
            Failure::Engine(error) => Self::fatal(error.to_string()),
            Failure::Stopped => Self::fatal("stopped"),
        }
    }
}
impl SourceError for Failure {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Lost => ErrorKind::Retriable,
            Self::Engine(_) | Self::Stopped => ErrorKind::Fatal,
        }
    }
    fn is_stop(&self) -> bool {
        matches!(self, Self::Stopped)
    }
}

/// One table of numbers, and the journal of its changes: a number that comes, or one that goes.
#[derive(Debug, Default)]
struct Database {
    journal: Vec<Change>,
    /// What is left of the journal's beginning.
    first: usize,
    has_history: bool,
    /// The connection is lost when this change is read; once.
    lost_at: Option<usize>,
}

#[derive(Debug, Clone, Copy)]
enum Change {
    Insert(i64),
    Delete(i64),
}

type Shared = Arc<Mutex<Database>>;

struct Memory {
    database: Shared,
    table: Arc<CapturedTable<Table>>,
    source: Arc<Schema>,
}

fn numbers() -> (CapturedTable<Table>, Arc<Schema>) {
    let id = TableId::in_database("d", "numbers");
    let row = SchemaBuilder::structure()
        .name("t.d.numbers.Value")
        .optional()
        .field("n", SchemaBuilder::int64().build())
        .build();
    let source = SchemaBuilder::structure()
        .name("Source")
        .field("version", SchemaBuilder::string().build())
        .field("connector", SchemaBuilder::string().build())
        .field("name", SchemaBuilder::string().build())
        .field("ts_ms", SchemaBuilder::int64().build())
        .field("snapshot", envelope::snapshot_marker_schema())
        .build();
    let table = Table {
        id: id.clone(),
        columns: vec![Column::default()],
        primary_key: vec![Arc::from("n")],
        default_charset: None,
        comment: None,
    };
    let captured = CapturedTable {
        plan: Arc::new(table),
        envelope: envelope::schema("t.d.numbers.Envelope", &row, &source),
        topic: Arc::from("t.d.numbers"),
        id: Str::new("d.numbers"),
        database: Str::new("d"),
        name: Str::new("numbers"),
    };
    (captured, source)
}

impl Memory {
    fn row(&self, number: i64) -> Row {
        let key = SchemaBuilder::structure()
            .name("t.d.numbers.Key")
            .field("n", SchemaBuilder::int64().build())
            .build();
        let row = &self.table.envelope.fields()[0].schema;
        Row {
            key: Some(Struct::new(key, vec![Value::Int64(number)])),
            value: Struct::new(Arc::clone(row), vec![Value::Int64(number)]),
        }
    }

    fn source(&self) -> Struct {
        let text = || Value::string("m");
        let values = vec![text(), text(), text(), Value::Int64(0), Value::Null];
        Struct::new(Arc::clone(&self.source), values)
    }
}

#[async_trait]
impl Source for Memory {
    type Position = At;
    type Error = Failure;
    type Attempt = Memory;

    async fn begin(&mut self) -> Result<Memory, Failure> {
        Ok(Memory {
            database: Arc::clone(&self.database),
            table: Arc::clone(&self.table),
            source: Arc::clone(&self.source),
        })
    }
    fn is_beyond(&self, own: &At, other: &At) -> bool {
        own.change > other.change
    }
    async fn clean_up(&mut self) {}
}

#[async_trait]
impl Attempt for Memory {
    type Position = At;
    type Error = Failure;

    async fn has_history(&mut self) -> Result<bool, Failure> {
        Ok(self.database.lock().unwrap().has_history)
    }
    async fn make_history(&mut self) -> Result<(), Failure> {
        self.database.lock().unwrap().has_history = true;
        Ok(())
    }
    async fn recover(&mut self, _at: &At) -> Result<(), Failure> {
        Ok(())
    }
    async fn unavailable(&mut self, at: &At) -> Result<Option<String>, Failure> {
        let first = self.database.lock().unwrap().first;
        Ok((at.change < first).then(|| format!("It begins with change {first}.")))
    }
    async fn first_position(&mut self) -> Result<At, Failure> {
        Ok(At {
            change: self.database.lock().unwrap().first,
            in_snapshot: false,
        })
    }

    async fn snapshot(
        &mut self,
        request: SnapshotRequest<At>,
        _reached: &mut Option<At>,
        door: &mut Dispatcher,
    ) -> Result<At, Failure> {
        let journal = self.database.lock().unwrap().journal.clone();
        let mut rows = Vec::new();
        for change in &journal {
            match *change {
                Change::Insert(number) => rows.push(number),
                Change::Delete(number) => rows.retain(|row| *row != number),
            }
        }
        let at = At {
            change: journal.len(),
            in_snapshot: true,
        };
        door.begin_snapshot();
        if request.with_data {
            door.begin_table(true);
            for number in rows {
                let (row, source) = (self.row(number), self.source());
                door.snapshot_row(&self.table, row, source, SourceOffset::new(at))
                    .await?;
            }
            door.end_table();
        }
        let done = request.keep_position.unwrap_or(At {
            in_snapshot: false,
            ..at
        });
        door.end_snapshot(SourceOffset::new(done)).await?;
        Ok(done)
    }

    /// To the end of the journal, where this database closes the connection in peace.
    async fn stream(
        &mut self,
        position: &mut At,
        after_snapshot: bool,
        door: &mut Dispatcher,
    ) -> Result<(), Failure> {
        door.begin_stream(after_snapshot);
        loop {
            let change = {
                let mut database = self.database.lock().unwrap();
                if database.lost_at == Some(position.change) {
                    database.lost_at = None;
                    return Err(Failure::Lost);
                }
                database.journal.get(position.change).copied()
            };
            let Some(change) = change else {
                return Ok(door.flush().await?);
            };
            let before = SourceOffset::new(*position);
            position.change += 1;
            let place = SourceOffset::new(*position);
            let id = format!("change {}", position.change);
            door.begin_transaction(&id, false, 0, before.clone());
            let change = match change {
                Change::Insert(number) => RowChange::Created(self.row(number)),
                Change::Delete(number) => RowChange::Deleted(self.row(number)),
            };
            let offsets = RowOffsets {
                before: &before,
                behind: place.clone(),
            };
            door.row(&self.table, change, self.source(), offsets);
            door.end_transaction(0, place);
            door.hand_over().await?;
        }
    }
}

/// What waits were shown.
#[derive(Default)]
struct Waits(Mutex<Vec<String>>);

impl TaskWaits for Waits {
    fn begin(&self, error: ConnectError) {
        self.0.lock().unwrap().push(error.text().to_owned());
    }
    fn end(&self) {}
}

const LIMITS: QueueLimits = QueueLimits {
    batch_records: 1,
    queue_records: 1_000,
    queue_bytes: 1 << 20,
    poll_wait: Duration::from_millis(1),
};

fn coordinator(
    database: &Shared,
    mode: SnapshotMode,
    transactions: Option<&str>,
    position: Option<At>,
) -> (Coordinator<Memory>, BatchReceiver, Arc<Waits>) {
    let (table, source) = numbers();
    let (sender, receiver) = queue::channel(LIMITS);
    let records = RecordMaker {
        partition: Arc::new(SourcePartition::single("server", "t")),
        headers: Headers::new(),
        tombstones: true,
    };
    let dispatcher = Dispatcher::new(
        records,
        SchemaChangeMaker::new("memory", "t", &source),
        Heartbeat::new(None, Arc::from("beats"), "t"),
        transactions.map(|topic| crate::transactions::TransactionMonitor::new(Arc::from(topic))),
        false,
        sender,
    );
    let memory = Memory {
        database: Arc::clone(database),
        table: Arc::new(table),
        source,
    };
    let settings = CoordinatorSettings {
        snapshot_mode: mode,
        snapshot_delay: Duration::ZERO,
        max_retries: 3,
        retry_wait: Duration::from_secs(1),
    };
    let waits = Arc::new(Waits::default());
    let shown = Arc::clone(&waits);
    let coordinator = Coordinator::new(memory, settings, dispatcher, shown, position);
    (coordinator, receiver, waits)
}

/// Runs to the end of the journal; everything that reached the queue, in order.
async fn run(
    database: &Shared,
    mode: SnapshotMode,
    position: Option<At>,
) -> (Vec<SourceRecord>, Result<(), ConnectError>) {
    let (coordinator, mut receiver, _) = coordinator(database, mode, None, position);
    let ended = coordinator.run().await;
    let mut records = Vec::new();
    while let Some(batch) = receiver.next().await {
        records.extend(batch);
    }
    (records, ended)
}

fn database(journal: &[Change]) -> Shared {
    Arc::new(Mutex::new(Database {
        journal: journal.to_vec(),
        ..Database::default()
    }))
}

/// `op number` of a change, with the marker of one of a snapshot; `tombstone`.
fn text(record: &SourceRecord) -> String {
    let Value::Struct(event) = &record.record.value.value else {
        return "tombstone".to_owned();
    };
    let field = |name: &str| event.get(name).cloned().unwrap_or(Value::Null);
    let number = |row: Value| match row {
        Value::Struct(row) => row.values()[0].as_i64(),
        _ => None,
    };
    let marker = match field("source") {
        Value::Struct(source) => source.values()[4].as_str().unwrap_or_default().to_owned(),
        _ => String::new(),
    };
    let number = number(field("after")).or_else(|| number(field("before")));
    let op = field("op");
    format!(
        "{} {} {marker}",
        op.as_str().unwrap_or_default(),
        number.unwrap_or_default()
    )
    .trim_end()
    .to_owned()
}

const JOURNAL: [Change; 4] = [
    Change::Insert(1),
    Change::Insert(2),
    Change::Delete(1),
    Change::Insert(3),
];

#[tokio::test]
async fn a_snapshot_says_where_each_row_stands_and_the_stream_goes_on_behind_it() {
    let database = database(&JOURNAL);
    let (records, ended) = run(&database, SnapshotMode::Initial, None).await;
    ended.unwrap();
    let texts: Vec<String> = records.iter().map(text).collect();
    assert_eq!(texts, ["r 2 first", "r 3 last"]);
    assert!(At::parse(&records[0]).in_snapshot);
    let done = At::parse(&records[1]);
    assert_eq!((done.change, done.in_snapshot), (4, false));
    database.lock().unwrap().journal.push(Change::Insert(4));
    let (records, ended) = run(&database, SnapshotMode::Initial, Some(done)).await;
    ended.unwrap();
    assert_eq!(records.iter().map(text).collect::<Vec<_>>(), ["c 4"]);
}

#[tokio::test]
async fn a_restart_after_any_record_brings_the_rest_and_at_most_the_row_at_hand_again() {
    let database = database(&JOURNAL);
    let (whole, ended) = run(&database, SnapshotMode::Never, None).await;
    ended.unwrap();
    let texts: Vec<String> = whole.iter().map(text).collect();
    assert_eq!(texts, ["c 1", "c 2", "d 1", "tombstone", "c 3"]);
    for (index, last) in whole.iter().enumerate() {
        let stored = At::parse(last);
        let (again, ended) = run(&database, SnapshotMode::Initial, Some(stored)).await;
        ended.unwrap();
        let again: Vec<String> = again.iter().map(text).collect();
        assert!(texts.ends_with(&again), "{again:?}");
        let left = texts.len() - 1 - index;
        assert!((left..=left + 1).contains(&again.len()), "{again:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_is_waited_for_and_nothing_is_lost_or_altered() {
    let database = database(&JOURNAL);
    database.lock().unwrap().lost_at = Some(2);
    let (coordinator, mut receiver, waits) =
        coordinator(&database, SnapshotMode::Never, Some("boundaries"), None);
    coordinator.run().await.unwrap();
    assert_eq!(*waits.0.lock().unwrap(), ["lost"]);
    let mut changes = Vec::new();
    let mut boundaries = Vec::new();
    while let Some(batch) = receiver.next().await {
        for record in batch {
            if &*record.record.topic == "boundaries" {
                boundaries.push(record);
            } else {
                changes.push(text(&record));
            }
        }
    }
    assert_eq!(changes, ["c 1", "c 2", "d 1", "tombstone", "c 3"]);
    let status = |record: &SourceRecord| match &record.record.value.value {
        Value::Struct(value) => (
            value.values()[0].as_str().unwrap().to_owned(),
            value.values()[2].as_i64(),
        ),
        other => panic!("{other:?}"),
    };
    let expected = [("BEGIN".to_owned(), None), ("END".to_owned(), Some(1))];
    assert_eq!(boundaries.len(), 8);
    for pair in boundaries.chunks(2) {
        assert_eq!([status(&pair[0]), status(&pair[1])], expected);
    }
}

#[tokio::test]
async fn modes_decide_how_to_begin() {
    async fn check(
        mode: SnapshotMode,
        position: Option<(usize, bool)>,
        expected: Result<&[&str], EngineError>,
    ) {
        let database = database(&JOURNAL);
        database.lock().unwrap().has_history = position.is_some();
        database.lock().unwrap().first = 1;
        let position = position.map(|(change, in_snapshot)| At {
            change,
            in_snapshot,
        });
        let (records, ended) = run(&database, mode, position).await;
        match expected {
            Ok(expected) => {
                ended.unwrap_or_else(|error| panic!("{mode:?}: {error:?}"));
                let texts: Vec<String> = records.iter().map(text).collect();
                assert_eq!(texts, expected, "{mode:?}");
            }
            Err(expected) => {
                let error = ended.expect_err("no error");
                assert_eq!(error.text(), expected.to_string(), "{mode:?}");
            }
        }
    }
    let rows: &[&str] = &["r 2 first", "r 3 last"];
    let rest: &[&str] = &["c 3"];
    check(SnapshotMode::Initial, None, Ok(rows)).await;
    check(SnapshotMode::InitialOnly, None, Ok(rows)).await;
    check(SnapshotMode::NoData, None, Ok(&[])).await;
    check(
        SnapshotMode::Recovery,
        None,
        Err(EngineError::NothingToRecover),
    )
    .await;
    check(SnapshotMode::Initial, Some((3, false)), Ok(rest)).await;
    check(SnapshotMode::Recovery, Some((3, false)), Ok(rest)).await;
    check(SnapshotMode::Always, Some((3, false)), Ok(rows)).await;
    check(SnapshotMode::Initial, Some((3, true)), Ok(rows)).await;
    check(
        SnapshotMode::Never,
        Some((3, true)),
        Err(EngineError::SnapshotNotAllowed),
    )
    .await;
    check(SnapshotMode::WhenNeeded, Some((0, false)), Ok(rows)).await;
    let lost = EngineError::PositionLost {
        place: "change 0".to_owned(),
        reason: "It begins with change 1.".to_owned(),
    };
    check(SnapshotMode::Initial, Some((0, false)), Err(lost)).await;
}

#[tokio::test]
async fn a_stored_offset_without_a_history_is_an_error() {
    let database = database(&JOURNAL);
    let at = At {
        change: 1,
        in_snapshot: false,
    };
    let (_, ended) = run(&database, SnapshotMode::Initial, Some(at)).await;
    let error = ended.expect_err("no history");
    assert_eq!(error.text(), EngineError::HistoryMissing.to_string());
}
