//! What connectors wrote for statements, by the places of these in the log.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Map, Value, json};

use super::super::case::Kind;
use super::super::records::TextRecord;

/// The connector that keeps everything.
pub(super) const ALL: &str = "all";

/// Where a statement stands in the log: all of its events.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    pub(super) from: u64,
    pub(super) to: u64,
}

/// A statement and what each connector wrote for it.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) kind: String,
    pub(super) sql: String,
    /// The session's `sql_mode` where it is not the server's.
    pub(super) mode: String,
    pub(super) place: Place,
    pub(super) answers: BTreeMap<String, Answer>,
    /// Statements of one number belong together.
    pub(super) scenario: usize,
    /// Whether the original could not read it.
    pub(super) failed: bool,
    /// Whether it was sent in other bytes than those of UTF-8.
    pub(super) encoded: bool,
}

/// Records without what has been compared elsewhere: places, times, the source.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Answer {
    /// Schema changes and truncations of tables.
    pub(super) published: Vec<Value>,
    pub(super) history: Vec<Value>,
}

impl Line {
    /// The texts of the statement in the schema history.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        let all = self
            .answers
            .values()
            .flat_map(|answer| answer.history.iter());
        all.filter_map(|record| record["ddl"].as_str())
    }
}

/// Gives each statement the connector's records.
pub(super) fn attribute(
    kind: Kind,
    lines: &mut [Line],
    connector: &str,
    records: &[TextRecord],
) -> Result<()> {
    for line in &mut *lines {
        line.answers.insert(connector.to_owned(), Answer::default());
    }
    for record in records {
        let is_history = record.topic.ends_with(".history");
        let Some(text) = &record.value else { continue };
        let value: Value = serde_json::from_str(text).with_context(|| text.clone())?;
        let place = if is_history {
            &value["position"]
        } else {
            &value["source"]
        };
        let is_snapshot = place["snapshot"] != Value::Null && place["snapshot"] != "false";
        let Some(pos) = place["pos"].as_u64().filter(|_| !is_snapshot) else {
            continue;
        };
        // On MySQL a record of the history has the end of its statement.
        let has_end = is_history && kind == Kind::MySql;
        let index = lines.partition_point(|line| {
            let to = line.place.to;
            if has_end { to < pos } else { to <= pos }
        });
        // What is not there is the row that ends the run.
        let Some(line) = lines.get_mut(index).filter(|line| line.place.from <= pos) else {
            continue;
        };
        let answer = line.answers.entry(connector.to_owned()).or_default();
        if is_history {
            answer.history.push(plain_history(&value, connector));
        } else {
            answer
                .published
                .push(plain_published(record, &value, connector)?);
        }
    }
    Ok(())
}

/// Connectors that keep less differ in what they keep alone.
fn changes(value: &Value, connector: &str) -> Value {
    let changes = &value["tableChanges"];
    if connector == ALL {
        return changes.clone();
    }
    counted(changes)
}

fn counted(changes: &Value) -> Value {
    changes
        .as_array()
        .map_or(Value::Null, |changes| changes.len().into())
}

impl Answer {
    /// What a connector has that keeps everything, too, but whose changes are counted alone.
    fn counted(&self) -> Self {
        let count = |records: &[Value]| {
            let mut records = records.to_vec();
            for record in &mut records {
                if record.get("tableChanges").is_some() {
                    record["tableChanges"] = counted(&record["tableChanges"]);
                }
            }
            records
        };
        Self {
            published: count(&self.published),
            history: count(&self.history),
        }
    }
}

fn plain_history(value: &Value, connector: &str) -> Value {
    let mut plain = Map::new();
    for (name, value) in value.as_object().into_iter().flatten() {
        if !["source", "position", "ts_ms", "tableChanges"].contains(&name.as_str()) {
            plain.insert(name.clone(), value.clone());
        }
    }
    plain.insert("tableChanges".to_owned(), changes(value, connector));
    Value::Object(plain)
}

fn plain_published(record: &TextRecord, value: &Value, connector: &str) -> Result<Value> {
    let source = &value["source"];
    let (db, table) = (&source["db"], &source["table"]);
    let key: Value = serde_json::from_str(record.key.as_deref().unwrap_or("null"))?;
    if value["op"].is_string() {
        return Ok(json!({"topic": record.topic, "op": value["op"], "db": db, "table": table}));
    }
    Ok(json!({
        "key": key["databaseName"],
        "databaseName": value["databaseName"],
        "db": db,
        "table": table,
        "ddl": value["ddl"],
        "tableChanges": changes(value, connector),
    }))
}

/// Writes statements and answers, one statement a line. Columns are written once, before the first statement that has them,
/// and referred to by their numbers. Connectors that keep less are left out where they have what the other has, and so are
/// texts that are the statement's.
pub(super) fn write(path: &Path, lines: &[Line]) -> Result<()> {
    let mut text = String::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for line in lines {
        let mut json = json!({"kind": line.kind, "sql": line.sql});
        if !line.mode.is_empty() {
            json["mode"] = line.mode.clone().into();
        }
        let all = line.answers.get(ALL).context("an answer")?;
        for (connector, answer) in &line.answers {
            if connector != ALL && *answer == all.counted() {
                continue;
            }
            let mut records = json!({"published": answer.published, "history": answer.history});
            for record in lists_mut(&mut records) {
                if record["ddl"] == *line.sql {
                    record["ddl"] = Value::Null;
                }
                for columns in columns_mut(record) {
                    for column in columns {
                        let next = known.len();
                        let number = *known.entry(column.to_string()).or_insert(next);
                        if number == next {
                            writeln!(text, "{}", json!({"column": number, "is": column}))?;
                        }
                        *column = number.into();
                    }
                }
            }
            json[connector] = records;
        }
        for (name, is_so) in [("encoded", line.encoded), ("failed", line.failed)] {
            if is_so {
                json[name] = true.into();
            }
        }
        writeln!(text, "{json}")?;
    }
    fs::create_dir_all(path.parent().context("a folder")?)?;
    Ok(fs::write(path, text)?)
}

/// The records of both topics.
fn lists_mut(records: &mut Value) -> impl Iterator<Item = &mut Value> {
    let lists = records
        .as_object_mut()
        .into_iter()
        .flat_map(|lists| lists.values_mut());
    lists.filter_map(Value::as_array_mut).flatten()
}

/// The columns of each table that a record shows.
fn columns_mut(record: &mut Value) -> impl Iterator<Item = &mut Vec<Value>> {
    let changes = record.get_mut("tableChanges").and_then(Value::as_array_mut);
    changes
        .into_iter()
        .flatten()
        .filter_map(|change| change.get_mut("table")?.get_mut("columns")?.as_array_mut())
}

pub(super) fn read(path: &Path) -> Result<Vec<Line>> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let (mut lines, mut columns) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let json: Value = serde_json::from_str(line)?;
        if json["column"].is_number() {
            ensure!(json["column"] == columns.len(), "columns come in order");
            columns.push(json["is"].clone());
        } else {
            lines.push(read_line(json, &columns).with_context(|| line.to_owned())?);
        }
    }
    Ok(lines)
}

fn read_line(mut json: Value, columns: &[Value]) -> Result<Line> {
    let sql = json["sql"].as_str().context("a statement")?.to_owned();
    let mut answers = BTreeMap::new();
    for connector in [ALL, "databases", "tables"] {
        let records = &mut json[connector];
        if records.is_null() {
            let all: &Answer = answers.get(ALL).context("an answer")?;
            let counted = all.counted();
            answers.insert(connector.to_owned(), counted);
            continue;
        }
        for record in lists_mut(records) {
            if record.get("ddl").is_some_and(Value::is_null) {
                record["ddl"] = sql.clone().into();
            }
            for column in columns_mut(record).flatten() {
                let number = column.as_u64().map(usize::try_from).context("a number")??;
                *column = columns.get(number).context("a column")?.clone();
            }
        }
        let list = |name: &str| records[name].as_array().cloned().context("a list");
        let answer = Answer {
            published: list("published")?,
            history: list("history")?,
        };
        answers.insert(connector.to_owned(), answer);
    }
    let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
    Ok(Line {
        kind: text("kind"),
        mode: text("mode"),
        scenario: 0,
        failed: json["failed"] == true,
        encoded: json["encoded"] == true,
        sql,
        place: Place::default(),
        answers,
    })
}
