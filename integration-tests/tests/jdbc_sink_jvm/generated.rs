//! Records made by rule: columns of every type in every form, so that what a type becomes does not hang on examples.
//!
//! Generators are named in `case.json` (`"generated": "columns"`). Each gives columns; they are put into tables of some
//! twenty. A column on which the original fails would hide its neighbours: `alone` of `case.json` has patterns of such
//! columns, and each gets a table of its own.

mod existing;
mod keys;
mod kinds;
mod names;
mod sources;

use anyhow::{Result, bail};
use fancy_regex::Regex;
use serde_json::{Map, Value, json};

use super::case::Record;

/// Rows of each table.
const ROWS: usize = 3;
const COLUMNS_PER_TABLE: usize = 24;

/// A field, and its values in the rows.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    /// What it is called in topics and patterns.
    id: String,
    field: String,
    /// In the form of JsonConverter, without the field's name.
    schema: Value,
    values: [Value; ROWS],
    /// The type of the column that is there already, if one is.
    target: Option<&'static str>,
}

/// A type, and four values: the first one is the default where there is one.
#[derive(Debug, Clone)]
struct Kind {
    tag: String,
    schema: Value,
    values: [Value; ROWS + 1],
}

impl Kind {
    fn new(tag: &str, schema: Value, values: [Value; ROWS + 1]) -> Self {
        Self {
            tag: tag.to_owned(),
            schema,
            values,
        }
    }

    /// With a further parameter of the schema, and more in its tag.
    fn with(&self, tag: &str, parameters: &[(&str, &str)]) -> Self {
        let mut kind = self.clone();
        kind.tag = format!("{}_{tag}", self.tag);
        for (name, value) in parameters {
            kind.schema["parameters"][*name] = json!(value);
        }
        kind
    }

    fn column(&self, presence: Presence) -> Column {
        let mut schema = self.schema.clone();
        let [default, one, two, three] = self.values.clone();
        schema["optional"] = json!(presence.optional());
        if presence.has_default() {
            schema["default"] = default.clone();
        }
        let middle = if presence.optional() {
            Value::Null
        } else {
            two
        };
        let last = if presence.has_default() {
            default
        } else {
            three
        };
        let id = format!("{}_{}", self.tag, presence.tag());
        Column {
            field: id.clone(),
            id,
            schema,
            values: [one, middle, last],
            target: None,
        }
    }
}

/// Whether a field may be null, and whether it has a default.
#[derive(Debug, Clone, Copy)]
enum Presence {
    Required,
    Optional,
    RequiredDefault,
    OptionalDefault,
}

impl Presence {
    const ALL: [Self; 4] = [
        Self::Required,
        Self::Optional,
        Self::RequiredDefault,
        Self::OptionalDefault,
    ];
    fn optional(self) -> bool {
        matches!(self, Self::Optional | Self::OptionalDefault)
    }
    fn has_default(self) -> bool {
        matches!(self, Self::RequiredDefault | Self::OptionalDefault)
    }
    fn tag(self) -> &'static str {
        match self {
            Self::Required => "r",
            Self::Optional => "o",
            Self::RequiredDefault => "rd",
            Self::OptionalDefault => "od",
        }
    }
}

/// The records of a generator for topics that begin with the case's name, and the statements that make the tables that are
/// there before.
pub(crate) fn records(
    generator: &str,
    case: &str,
    alone: &[Regex],
) -> Result<(Vec<Record>, String)> {
    let (columns, are_keys) = match generator {
        "kinds" => (kinds::columns(), false),
        "sources" => (sources::columns(), false),
        "names" => (names::columns(), false),
        "existing" => (existing::columns(), false),
        "keys" => (keys::columns(), true),
        other => bail!("there is no generator {other}"),
    };
    let (mut records, mut setup) = (Vec::new(), String::new());
    for (topic, columns) in tables(columns, alone)? {
        setup += &create(case, &topic, &columns);
        let topic = format!("{case}.{topic}");
        for row in 0..ROWS {
            records.push(record(&topic, &columns, are_keys, row));
        }
    }
    Ok((records, setup))
}

/// The statement that makes a table with the columns that are there before; nothing if none is.
fn create(case: &str, topic: &str, columns: &[Column]) -> String {
    let targets = columns.iter().filter_map(|column| {
        let target = column.target?;
        Some(format!(", \"{}\" {target}", column.field))
    });
    let targets: String = targets.collect();
    if targets.is_empty() {
        return targets;
    }
    format!("CREATE TABLE \"{case}_{topic}\" (id bigint PRIMARY KEY{targets});\n")
}

/// Names of tables and their columns.
fn tables(columns: Vec<Column>, alone: &[Regex]) -> Result<Vec<(String, Vec<Column>)>> {
    let mut tables = Vec::new();
    let mut together = Vec::new();
    for column in columns {
        let mut is_alone = false;
        for pattern in alone {
            is_alone |= pattern.is_match(&column.id)?;
        }
        if is_alone {
            tables.push((format!("only_{}", column.id), vec![column]));
        } else {
            together.push(column);
        }
    }
    let chunks = together.chunks(COLUMNS_PER_TABLE).enumerate();
    tables.extend(chunks.map(|(number, columns)| (format!("some_{number:02}"), columns.to_vec())));
    Ok(tables)
}

fn record(topic: &str, columns: &[Column], are_keys: bool, row: usize) -> Record {
    let id = Column {
        id: "id".to_owned(),
        field: "id".to_owned(),
        schema: json!({"type": "int64", "optional": false}),
        values: [json!(1), json!(2), json!(3)],
        target: None,
    };
    let key = std::iter::once(&id).chain(columns.iter().filter(|_| are_keys));
    let (key, value) = if are_keys {
        let note = Column {
            id: "note".to_owned(),
            field: "note".to_owned(),
            schema: json!({"type": "string", "optional": true}),
            values: ["a", "b", "c"].map(|text| json!(text)),
            target: None,
        };
        (structure(key, row), structure([&note].into_iter(), row))
    } else {
        let value = std::iter::once(&id).chain(columns);
        (structure(key, row), structure(value, row))
    };
    Record {
        topic: topic.to_owned(),
        key: Some(key.to_string().into()),
        value: Some(value.to_string().into()),
        headers: Vec::new(),
    }
}

/// A struct of the columns' values in a row, with its schema.
fn structure<'a>(columns: impl Iterator<Item = &'a Column>, row: usize) -> Value {
    let mut fields = Vec::new();
    let mut payload = Map::new();
    for column in columns {
        let mut field = column.schema.clone();
        field["field"] = json!(column.field);
        fields.push(field);
        payload.insert(column.field.clone(), column.values[row].clone());
    }
    let schema = json!({"type": "struct", "optional": false, "fields": fields});
    json!({"schema": schema, "payload": payload})
}
