//! Where a source continues: file and position, or transactions, and how far into the one that was open.
//!
//! Source: Debezium `BinlogOffsetContext`.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value as Json, json};
use tidegate_api::{
    ConnectError, OffsetFields, OffsetFieldsMap, SourceOffset, SourcePartition, Str, Value,
};

use tidegate_cdc::coordinator;
use tracing::warn;

use tidegate_mysql::Flavor;
use tidegate_mysql::gtid::GtidSet;

const MICROS_PER_SECOND: i64 = 1_000_000;
/// The original passes over fields that it does not know.
const TRANSACTION: &str = "transaction_gtid";

/// Fields of an incremental snapshot, which the original keeps in the offset while it runs.
const INCREMENTAL: &str = "incremental_snapshot_";

/// A stored offset.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Position {
    pub(crate) file: Arc<str>,
    pub(crate) pos: u64,
    pub(crate) gtids: Option<Arc<str>>,
    /// Events of the open transaction that were handled, its beginning included.
    pub(crate) events: u64,
    /// Rows of the event at hand that were handed over.
    pub(crate) rows: u64,
    /// Id of the open transaction, which `events` and `rows` count in; the original has no such field.
    pub(crate) transaction: Option<Arc<str>>,
    pub(crate) server_id: u32,
    pub(crate) ts_sec: Option<i64>,
    /// An unfinished initial snapshot.
    pub(crate) in_snapshot: bool,
    /// Fields of an incremental snapshot that the original has begun: it goes on with it when it takes over again.
    pub(crate) incremental: Option<Arc<[(Str, Value)]>>,
}

impl OffsetFields for Position {
    fn fields(&self) -> Vec<(Str, Value)> {
        let number = |number: u64| Value::Int64(i64::try_from(number).unwrap_or(i64::MAX));
        let mut fields = Vec::with_capacity(8);
        let mut put = |name: &'static str, value: Value| fields.push((Str::const_new(name), value));
        if let Some(seconds) = self.ts_sec {
            put("ts_sec", Value::Int64(seconds));
        }
        put("file", Value::string(&self.file));
        put("pos", number(self.pos));
        if let Some(gtids) = &self.gtids {
            put("gtids", Value::string(gtids));
        }
        if self.rows != 0 {
            put("row", number(self.rows));
        }
        if self.server_id != 0 && !self.in_snapshot {
            put("server_id", Value::Int64(self.server_id.into()));
        }
        if self.events != 0 {
            put("event", number(self.events));
            if let Some(transaction) = &self.transaction {
                put(TRANSACTION, Value::string(transaction));
            }
        }
        if self.in_snapshot {
            put("snapshot", Value::string("INITIAL"));
        } else if let Some(incremental) = &self.incremental {
            fields.extend(incremental.iter().cloned());
        }
        fields
    }
}

/// As errors show it.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gtids = self.gtids.as_deref().unwrap_or("none");
        write!(f, "file={}, pos={}, gtids={gtids}", self.file, self.pos)
    }
}

impl coordinator::Position for Position {
    fn in_snapshot(&self) -> bool {
        self.in_snapshot
    }
}

impl Position {
    /// A place in the log where no transaction is open.
    pub(crate) fn at(file: &str, pos: u64) -> Self {
        Self {
            file: Arc::from(file),
            pos,
            gtids: None,
            events: 0,
            rows: 0,
            transaction: None,
            server_id: 0,
            ts_sec: None,
            in_snapshot: false,
            incremental: None,
        }
    }

    /// # Errors
    /// If `file` is missing, or `snapshot` is none of the original's words.
    pub(crate) fn parse(fields: &OffsetFieldsMap) -> Result<Self, ConnectError> {
        let get = |name: &str| {
            fields
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value)
        };
        let number = |name: &str| {
            get(name)
                .and_then(Value::as_i64)
                .and_then(|number| u64::try_from(number).ok())
        };
        let text = |name: &str| {
            get(name)
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty())
                .map(Arc::from)
        };
        let file = get("file")
            .and_then(Value::as_str)
            .ok_or_else(|| ConnectError::fatal("Source offset 'file' parameter is missing"))?;
        let in_snapshot = match get("snapshot") {
            Some(Value::Boolean(flag)) => *flag,
            Some(Value::String(text)) => is_initial_snapshot(text)?,
            _ => false,
        };
        let incremental: Vec<(Str, Value)> = (fields.iter())
            .filter(|(name, value)| name.starts_with(INCREMENTAL) && !value.is_null())
            .cloned()
            .collect();
        Ok(Self {
            file: Arc::from(file),
            pos: number("pos").unwrap_or(0),
            gtids: text("gtids"),
            events: number("event").unwrap_or(0),
            rows: number("row").unwrap_or(0),
            transaction: text(TRANSACTION),
            server_id: number("server_id")
                .and_then(|id| u32::try_from(id).ok())
                .unwrap_or(0),
            ts_sec: get("ts_sec").and_then(Value::as_i64),
            in_snapshot,
            incremental: (!incremental.is_empty()).then(|| incremental.into()),
        })
    }

    /// For records of the schema history, from which no stream begins.
    pub(crate) fn to_json(&self) -> Map<String, Json> {
        let mut json = Map::new();
        let is_place = |name: &str| name != TRANSACTION && !name.starts_with(INCREMENTAL);
        let fields = self.fields().into_iter();
        for (name, value) in fields.filter(|(name, _)| is_place(name)) {
            let value = match value {
                Value::String(text) => json!(text.as_str()),
                other => json!(other.as_i64()),
            };
            json.insert(name.to_string(), value);
        }
        json
    }

    /// From a record of the schema history; `None` without a file.
    pub(crate) fn from_json(json: &Map<String, Json>) -> Option<Self> {
        let fields = json.iter().filter_map(|(name, value)| {
            let value = match value {
                Json::String(text) => Value::string(text),
                Json::Bool(flag) => Value::Boolean(*flag),
                other => Value::Int64(other.as_i64()?),
            };
            Some((Str::new(name), value))
        });
        Self::parse(&fields.collect()).ok()
    }

    /// Whether a history record of position `recorded` belongs to what happened up to here. What the server is going to send
    /// again does not: a statement must not be applied twice.
    pub(crate) fn is_at_or_after(&self, flavor: Flavor, recorded: &Self) -> bool {
        let set = |text: &Arc<str>| GtidSet::parse(flavor, text);
        match (&self.gtids, &recorded.gtids) {
            (Some(own), Some(other)) => match (set(own), set(other)) {
                // The set beside a statement does not have the statement's own id: with that set it comes again.
                (Some(own), Some(other)) if own == other => recorded.in_snapshot,
                (Some(own), Some(other)) => own.contains(&other),
                _ => true,
            },
            (Some(_), None) => true,
            (None, _) => self.is_place_at_or_after(recorded),
        }
    }

    /// Whether something lies before this position that does not lie before `other`.
    pub(crate) fn is_beyond(&self, flavor: Flavor, other: &Self) -> bool {
        let set = |position: &Self| GtidSet::parse(flavor, position.gtids.as_deref()?);
        let place = |position: &Self| {
            (
                file_number(&position.file),
                position.pos,
                position.events,
                position.rows,
            )
        };
        match (set(self), set(other)) {
            (Some(own), Some(other)) if own != other => !other.contains(&own),
            _ => place(self) > place(other),
        }
    }

    fn is_place_at_or_after(&self, recorded: &Self) -> bool {
        let place = |position: &Self| (file_number(&position.file), position.pos);
        // `pos` is where a transaction begins, and it comes again from there.
        let is_inside = recorded.events > 0 && !recorded.in_snapshot;
        if is_inside && place(self) == place(recorded) {
            return false;
        }
        (place(recorded), recorded.events, recorded.rows) <= (place(self), self.events, self.rows)
    }
}

/// What `snapshot` says. Blocking and incremental snapshots run beside a stream, which goes on from the offset.
///
/// Source: Debezium `SnapshotType`, `CommonOffsetContext.isInitialSnapshotRunning`.
fn is_initial_snapshot(text: &str) -> Result<bool, ConnectError> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "initial" => Ok(true),
        "false" | "incremental" | "blocking" => Ok(false),
        _ => Err(ConnectError::fatal(format!(
            "Source offset 'snapshot' has the value '{text}', which is none of INITIAL, BLOCKING and INCREMENTAL. \
             Correct the offset, or remove it for a new snapshot (PATCH or DELETE /connectors/<name>/offsets)"
        ))),
    }
}

/// Says which snapshots of the original a stored offset tells of that nobody goes on with.
pub(crate) fn warn_of_snapshots(fields: &OffsetFieldsMap) {
    let text = |name: &str| {
        let field = fields.iter().find(|(known, _)| known == name);
        field.and_then(|(_, value)| value.as_str())
    };
    if text("snapshot").is_some_and(|kind| kind.eq_ignore_ascii_case("blocking")) {
        warn!(
            "The connector stopped during a blocking snapshot. Streaming goes on from the stored offset; rows that this \
             snapshot had not read do not come. Take a new snapshot of them (snapshot.mode=always for one start)"
        );
    }
    if let Some(tables) = text("incremental_snapshot_collections") {
        warn!(
            "The offset has an incremental snapshot that is not finished: {tables}. This version does not go on with it, and \
             keeps it in the offset for a connector that does. Rows that it had not read do not come: let the original \
             finish it, or take a new snapshot (snapshot.mode=always for one start)"
        );
    }
}

/// `mysql-bin.000003` is 3.
fn file_number(file: &str) -> u64 {
    file.rsplit('.')
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

/// `{"server": prefix}`
pub(crate) fn partition(prefix: &str) -> Arc<SourcePartition> {
    Arc::new(SourcePartition::single("server", prefix))
}

/// The moving position while streaming.
#[derive(Debug)]
pub(crate) struct OffsetContext {
    /// Where a restart begins.
    pub(crate) restart: Position,
    pub(crate) current_gtids: GtidSet,
    /// Whether `current_gtids` is everything that was read and may be stored. MySQL sends all that a stored set lacks, so
    /// that a stream from a file and position alone must not store the few ids that it has seen.
    has_whole_set: bool,
    pub(crate) in_transaction: bool,
    /// Start of the event at hand.
    pub(crate) event_file: Arc<str>,
    pub(crate) event_pos: u64,
    /// Its end.
    event_end: u64,
    /// Of the transaction that was announced last.
    pub(crate) gtid: Option<Str>,
    /// The same, unless it has ended.
    transaction: Option<Arc<str>>,
    /// Where the event begins that announced it.
    pub(crate) announced: Option<u64>,
    pub(crate) thread: Option<i64>,
    /// Microseconds since 1970: when the transaction was committed, if MySQL tells it, or when its event was written.
    pub(crate) micros: i64,
    /// The same of the event before the one at hand.
    pub(crate) micros_before: i64,
    /// Whether `micros` is the commit's, which all events of the transaction share.
    pub(crate) has_commit_time: bool,
}

impl OffsetContext {
    pub(crate) fn new(flavor: Flavor, position: Position) -> Self {
        let current_gtids = position
            .gtids
            .as_deref()
            .and_then(|text| GtidSet::parse(flavor, text));
        Self {
            has_whole_set: flavor == Flavor::MariaDb || position.gtids.is_some(),
            event_file: Arc::clone(&position.file),
            event_pos: position.pos,
            event_end: position.pos,
            micros: position.ts_sec.unwrap_or(0) * MICROS_PER_SECOND,
            micros_before: 0,
            has_commit_time: false,
            current_gtids: current_gtids.unwrap_or_else(|| GtidSet::empty(flavor)),
            restart: Position {
                in_snapshot: false,
                ..position
            },
            in_transaction: false,
            gtid: None,
            transaction: None,
            announced: None,
            thread: None,
        }
    }

    /// An event from `start` to `end` of the current file.
    pub(crate) fn at_event(&mut self, start: u64, end: u64) {
        self.event_pos = start;
        self.event_end = end;
        if !self.in_transaction {
            self.restart_at(end);
        }
    }

    /// A restart begins at `pos` of the current file, where no event of a transaction was handled.
    fn restart_at(&mut self, pos: u64) {
        self.restart.file.clone_from(&self.event_file);
        self.restart.pos = pos;
        self.restart.events = 0;
        self.restart.rows = 0;
        self.restart.transaction = None;
    }

    /// The event at hand could not be handled, or only its beginning was: a restart begins with it.
    pub(crate) fn step_back(&mut self) {
        if !self.in_transaction {
            self.restart.file.clone_from(&self.event_file);
            self.restart.pos = self.event_pos;
        }
    }

    /// `is_artificial`: the server names the file that it begins with. By transaction ids that is the first one that may have
    /// something new, which is no place that was reached.
    pub(crate) fn rotate(&mut self, file: &str, pos: u64, is_artificial: bool) {
        if *self.event_file != *file {
            self.event_file = Arc::from(file);
        }
        self.event_pos = pos;
        if is_artificial && self.restart.gtids.is_some() {
            return;
        }
        if !self.in_transaction || *self.restart.file != *file {
            self.restart_at(pos);
        }
    }

    /// The second that the event's header tells.
    pub(crate) fn at_second(&mut self, seconds: u32) {
        if seconds > 0 && !self.has_commit_time {
            self.at_micros(i64::from(seconds) * MICROS_PER_SECOND);
        }
    }

    /// What transaction metadata call the transaction that has begun.
    ///
    /// Source: Debezium `BinlogOffsetContext.setTransactionId`.
    pub(crate) fn transaction_id(&self) -> Str {
        match &self.gtid {
            Some(gtid) => gtid.clone(),
            None => Str::from(format!(
                "file={},pos={}",
                self.restart.file, self.restart.pos
            )),
        }
    }

    /// When the event before the one at hand was written: the time that the original gives to boundaries of transactions.
    pub(crate) fn millis_before(&self) -> i64 {
        self.micros_before.div_euclid(1_000)
    }

    /// The time of the commit that a transaction begins with; 0 if the server does not tell it.
    pub(crate) fn at_commit(&mut self, micros: u64, header_seconds: u32) {
        self.has_commit_time = micros > 0;
        match i64::try_from(micros) {
            Ok(micros) if micros > 0 => self.at_micros(micros),
            _ => self.at_second(header_seconds),
        }
    }

    fn at_micros(&mut self, micros: i64) {
        self.micros = micros;
        self.restart.ts_sec = Some(micros.div_euclid(MICROS_PER_SECOND));
    }

    /// The beginning of a file of MySQL tells all transactions before it: whether that is news.
    pub(crate) fn lacks_previous_gtids(&self) -> bool {
        !self.has_whole_set
    }

    pub(crate) fn previous_gtids(&mut self, previous: GtidSet) {
        self.current_gtids = previous;
        self.has_whole_set = true;
    }

    /// A transaction is announced. Before it is added to `current_gtids`: the set of an offset has no transaction that is not
    /// whole.
    pub(crate) fn announce(&mut self, gtid: &str) {
        self.announce_anonymous();
        self.store_gtids();
        self.gtid = Some(Str::new(gtid));
        self.transaction = Some(Arc::from(gtid));
    }

    /// A transaction without an id is announced. None is open there, even if the end of the last one was not seen.
    pub(crate) fn announce_anonymous(&mut self) {
        self.transaction = None;
        self.announced = Some(self.event_pos);
        if self.in_transaction {
            self.in_transaction = false;
            self.restart_at(self.event_end);
        }
    }

    fn store_gtids(&mut self) {
        if self.has_whole_set && !self.current_gtids.is_empty() {
            self.restart.gtids = Some(Arc::from(self.current_gtids.to_string()));
        }
    }

    /// At the beginning of a transaction, which starts at the event at hand.
    pub(crate) fn begin(&mut self) {
        self.restart_at(self.event_pos);
        self.restart.transaction.clone_from(&self.transaction);
        self.in_transaction = true;
    }

    /// At the end of a transaction, which the event at hand is.
    pub(crate) fn commit(&mut self) {
        self.store_gtids();
        self.restart_at(self.event_end);
        self.in_transaction = false;
        self.transaction = None;
        self.announced = None;
        self.thread = None;
    }

    /// The transaction that was announced last has no end: the set has it no more, since another one may get its id.
    pub(crate) fn abandon(&mut self, flavor: Flavor) {
        if !self.has_whole_set {
            return;
        }
        let stored = self.restart.gtids.as_deref();
        let set = stored.and_then(|text| GtidSet::parse(flavor, text));
        self.current_gtids = set.unwrap_or_else(|| GtidSet::empty(flavor));
    }

    /// After an event was handled.
    pub(crate) fn event_done(&mut self) {
        self.restart.rows = 0;
        if self.in_transaction {
            self.restart.events += 1;
        }
    }

    /// The offset of a record behind which `rows` rows of the event at hand were handed over.
    pub(crate) fn offset(&self, rows: u64) -> SourceOffset {
        SourceOffset::new(Position {
            rows,
            ..self.restart.clone()
        })
    }

    /// The offset of a record that is not the last one of the event at hand: the event comes again.
    pub(crate) fn offset_before_event(&self) -> SourceOffset {
        if self.in_transaction {
            return self.offset(0);
        }
        SourceOffset::new(Position {
            file: Arc::clone(&self.event_file),
            pos: self.event_pos,
            ..self.restart.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position() -> Position {
        Position {
            file: Arc::from("mysql-bin.000003"),
            pos: 197,
            gtids: Some(Arc::from("0-1-20")),
            events: 2,
            rows: 1,
            transaction: Some(Arc::from("0-1-21")),
            server_id: 223_344,
            ts_sec: Some(1_700_000_001),
            in_snapshot: false,
            incremental: None,
        }
    }

    #[test]
    fn offsets_have_the_originals_members_and_come_back() {
        let fields = position().fields();
        let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "ts_sec",
                "file",
                "pos",
                "gtids",
                "row",
                "server_id",
                "event",
                "transaction_gtid"
            ]
        );
        assert_eq!(Position::parse(&fields).expect("parsed"), position());
        assert!(!position().to_json().contains_key("transaction_gtid"));
        let snapshot = Position {
            in_snapshot: true,
            events: 0,
            rows: 0,
            transaction: None,
            server_id: 0,
            ..position()
        };
        assert_eq!(
            Position::parse(&snapshot.fields()).expect("parsed"),
            snapshot
        );
        let error =
            Position::parse(&vec![(Str::new("pos"), Value::Int64(4))]).expect_err("no file");
        assert_eq!(error.text(), "Source offset 'file' parameter is missing");
    }

    #[test]
    fn a_position_is_beyond_another_by_its_place_or_by_its_transactions() {
        fn check(flavor: Flavor, own: &Position, other: &Position, expected: bool) {
            assert_eq!(own.is_beyond(flavor, other), expected, "{own} and {other}");
        }
        let at = |pos| Position {
            pos,
            ..Position::at("mysql-bin.000003", 4)
        };
        check(Flavor::MySql, &at(400), &at(400), false);
        check(Flavor::MySql, &at(401), &at(400), true);
        let with = |gtids: &str, pos| Position {
            gtids: Some(gtids.into()),
            ..at(pos)
        };
        let reached = with("0-1-20", 400);
        check(Flavor::MariaDb, &with("0-1-19", 900), &reached, false);
        // Further in the transaction behind that set.
        check(Flavor::MariaDb, &with("0-1-20", 401), &reached, true);
        // On another server.
        check(Flavor::MariaDb, &with("0-2-21", 4), &reached, true);
    }

    #[test]
    fn snapshots_of_the_original_are_told_apart() {
        fn parsed(snapshot: Value) -> Result<bool, ConnectError> {
            let fields = vec![
                (Str::new("file"), Value::string("f.000001")),
                (Str::new("snapshot"), snapshot),
            ];
            Position::parse(&fields).map(|position| position.in_snapshot)
        }
        for (snapshot, expected) in [
            (Value::Boolean(true), true),
            (Value::string("true"), true),
            (Value::string("INITIAL"), true),
            (Value::Boolean(false), false),
            (Value::string("false"), false),
            (Value::string("INCREMENTAL"), false),
            (Value::string("BLOCKING"), false),
        ] {
            assert_eq!(
                parsed(snapshot.clone()).expect("known"),
                expected,
                "{snapshot:?}"
            );
        }
        let error = parsed(Value::string("last")).expect_err("unknown");
        assert!(error.text().contains("'last'"), "{}", error.text());
    }

    #[test]
    fn an_incremental_snapshot_of_the_original_stays_in_the_offset() {
        let mut stored = position().fields();
        let own = |name: &str| Str::from(format!("{INCREMENTAL}{name}"));
        stored.push((own("primary_key"), Value::string("aced0005")));
        stored.push((own("collections"), Value::string("[{}]")));
        stored.push((own("correlation_id"), Value::Null));
        let read = Position::parse(&stored).expect("parsed");
        let mut context = OffsetContext::new(Flavor::MariaDb, read);
        context.at_event(300, 400);
        let kept = context.offset(0).fields();
        for (name, value) in &stored[stored.len() - 3..] {
            let is_kept = kept
                .iter()
                .any(|(known, own)| known == name && own == value);
            assert_eq!(is_kept, !value.is_null(), "{name}");
        }
        assert!(
            context
                .restart
                .to_json()
                .keys()
                .all(|name| !name.starts_with(INCREMENTAL))
        );
    }

    /// Whether a record of position `recorded` is applied by who begins at `own`.
    fn check_history(flavor: Flavor, own: &Json, recorded: &Json, expected: bool) {
        let position = |json: &Json| {
            let json = json.as_object().expect("an object");
            Position::from_json(json).expect("a position")
        };
        assert_eq!(
            position(own).is_at_or_after(flavor, &position(recorded)),
            expected,
            "{recorded} for {own}"
        );
    }

    #[test]
    fn history_belongs_to_what_was_before() {
        fn check(recorded: &Json, expected: bool) {
            let own = json!({"file": "mysql-bin.000003", "pos": 197, "gtids": "0-1-20", "event": 2, "row": 1});
            check_history(Flavor::MariaDb, &own, recorded, expected);
        }
        check(
            &json!({"file": "mysql-bin.000003", "pos": 500, "gtids": "0-1-21"}),
            false,
        );
        check(
            &json!({"file": "mysql-bin.000002", "pos": 900, "gtids": "0-1-3"}),
            true,
        );
        // Another server after a failover.
        check(
            &json!({"file": "other.000009", "pos": 900, "gtids": "0-2-19"}),
            true,
        );
        // Before the server had transaction ids.
        check(&json!({"file": "mysql-bin.000002", "pos": 900}), true);
        check(&json!({"file": "mysql-bin.000003", "pos": 198}), true);
    }

    #[test]
    fn statements_that_come_again_are_not_taken_from_the_history() {
        let file = "mysql-bin.000003";
        let set = "24bc7850-2c16-11e6-a073-0242ac110002:1-20";
        // The offset of a schema change, and what recorded it.
        let change = json!({"file": file, "pos": 900, "gtids": set, "server_id": 1});
        check_history(Flavor::MySql, &change, &change, false);
        let change = json!({"file": file, "pos": 900, "gtids": "0-1-20", "event": 1});
        check_history(Flavor::MariaDb, &change, &change, false);
        let change = json!({"file": file, "pos": 900, "event": 1});
        check_history(Flavor::MariaDb, &change, &change, false);
        let later = json!({"file": file, "pos": 900, "event": 3});
        check_history(Flavor::MariaDb, &later, &change, false);
        // Without transaction ids MySQL's position is behind the statement.
        let change = json!({"file": file, "pos": 900});
        check_history(Flavor::MySql, &change, &change, true);
        let before = json!({"file": file, "pos": 899});
        check_history(Flavor::MySql, &before, &change, false);
    }

    #[test]
    fn a_snapshot_is_what_its_set_begins_with() {
        let file = "mysql-bin.000003";
        for snapshot in [json!("INITIAL"), json!(true)] {
            let recorded =
                json!({"file": file, "pos": 5000, "gtids": "0-1-20", "snapshot": snapshot});
            for pos in [4, 5000] {
                let own = json!({"file": file, "pos": pos, "gtids": "0-1-20"});
                check_history(Flavor::MariaDb, &own, &recorded, true);
            }
            let recorded = json!({"file": file, "pos": 5000, "event": 2, "snapshot": snapshot});
            let own = json!({"file": file, "pos": 5000, "event": 2});
            check_history(Flavor::MariaDb, &own, &recorded, true);
        }
    }

    fn context(flavor: Flavor, gtids: Option<&str>) -> OffsetContext {
        let position = Position {
            gtids: gtids.map(Arc::from),
            events: 0,
            rows: 0,
            transaction: None,
            ..position()
        };
        OffsetContext::new(flavor, position)
    }

    #[test]
    fn the_file_that_a_server_begins_with_is_no_place_that_was_reached() {
        fn check(gtids: Option<&str>, is_artificial: bool, file: &str, expected: (&str, u64)) {
            let mut context = context(Flavor::MySql, gtids);
            context.rotate(file, 4, is_artificial);
            let place = (&*context.restart.file, context.restart.pos);
            assert_eq!(place, expected, "{gtids:?} {is_artificial} {file}");
            context.at_event(300, 400);
            assert_eq!((&*context.restart.file, context.restart.pos), (file, 400));
        }
        let gtids = Some("24bc7850-2c16-11e6-a073-0242ac110002:1-20");
        let reached = ("mysql-bin.000003", 197);
        check(gtids, true, "mysql-bin.000003", reached);
        check(gtids, true, "other.000001", reached);
        check(gtids, false, "mysql-bin.000004", ("mysql-bin.000004", 4));
        check(None, true, "mysql-bin.000004", ("mysql-bin.000004", 4));
    }

    #[test]
    fn a_statement_that_could_not_be_handled_comes_again() {
        let mut context = context(Flavor::MySql, None);
        context.at_event(197, 276);
        context.at_event(276, 400);
        context.step_back();
        assert_eq!(context.restart.pos, 276);
        context.at_event(276, 400);
        context.begin();
        context.event_done();
        context.at_event(400, 500);
        context.step_back();
        assert_eq!((context.restart.pos, context.restart.events), (276, 1));
    }

    #[test]
    fn only_whole_sets_are_stored() {
        const UUID: &str = "24bc7850-2c16-11e6-a073-0242ac110002";
        fn transaction(context: &mut OffsetContext, number: u64) -> Option<&str> {
            context.at_event(300, 400);
            context.announce(&format!("{UUID}:{number}"));
            context.current_gtids.add_mysql(UUID, number, number);
            context.begin();
            context.commit();
            context.restart.gtids.as_deref()
        }
        let set = |text: &str| format!("{UUID}:{text}");
        let mut whole = context(Flavor::MySql, Some(&set("1-20")));
        assert_eq!(transaction(&mut whole, 21), Some(&*set("1-21")));
        let mut some = context(Flavor::MySql, None);
        assert_eq!(transaction(&mut some, 21), None);
        let previous = GtidSet::parse(Flavor::MySql, &set("1-21")).expect("a set");
        some.previous_gtids(previous);
        assert_eq!(transaction(&mut some, 22), Some(&*set("1-22")));
    }

    #[test]
    fn positions_move_as_transactions_do() {
        let mut context = context(Flavor::MariaDb, Some("0-1-20"));
        context.at_event(197, 240);
        context.announce("0-1-21");
        context.current_gtids.add_mariadb(0, 1, 21);
        context.begin();
        context.event_done();
        context.at_event(240, 300);
        context.event_done();
        context.at_event(300, 400);
        let fields = context.offset(1).fields();
        let get = |name: &str| {
            fields
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value.clone())
        };
        assert_eq!(get("pos"), Some(Value::Int64(197)));
        assert_eq!(get("event"), Some(Value::Int64(2)));
        assert_eq!(get("row"), Some(Value::Int64(1)));
        assert_eq!(get("gtids"), Some(Value::string("0-1-20")));
        assert_eq!(get("transaction_gtid"), Some(Value::string("0-1-21")));
        context.event_done();
        context.at_event(400, 431);
        context.commit();
        assert_eq!(
            (context.restart.pos, context.restart.gtids.as_deref()),
            (431, Some("0-1-21"))
        );
    }
}
