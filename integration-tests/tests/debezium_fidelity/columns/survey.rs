//! What a connector made of each column, read out of its topics.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::records::TextRecord;
use super::candidates::Candidate;
use super::recording::hash;
use super::tables::{Group, Origin};

/// What is compared of a column, by origin: its field's schema, the values of its rows, and its description in the schema
/// history and in the schema-change record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Schema,
    Values,
    History,
    Change,
}

impl Part {
    pub(crate) const ALL: [Self; 4] = [Self::Schema, Self::Values, Self::History, Self::Change];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Schema => "schema",
            Self::Values => "values",
            Self::History => "history",
            Self::Change => "change",
        }
    }
}

/// Texts that are longer, in bytes, are kept as their length and hash.
const LONGEST: usize = 3_000;

/// Of one column, text by origin and part; what is not there is absent.
pub(crate) type Facts = BTreeMap<(Origin, Part), String>;

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    schema: Option<&'a RawValue>,
    #[serde(borrow)]
    payload: &'a RawValue,
}

#[derive(Deserialize)]
struct Structure<'a> {
    #[serde(borrow, default)]
    fields: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Named {
    field: String,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    after: Option<BTreeMap<String, &'a RawValue>>,
}

/// The facts of all columns by number.
pub(crate) fn survey(
    records: &[TextRecord],
    database: &str,
    groups: &[Group<'_>],
) -> Result<BTreeMap<usize, Facts>> {
    let mut tables: BTreeMap<String, (Origin, &Group<'_>)> = BTreeMap::new();
    for (number, group) in groups.iter().enumerate() {
        for origin in Origin::ALL {
            tables.insert(origin.table(number), (origin, group));
        }
    }
    let mut facts: BTreeMap<usize, Facts> = BTreeMap::new();
    for record in records {
        let Some(value) = &record.value else { continue };
        let place = || {
            format!(
                "{}: {}",
                record.topic,
                value.chars().take(300).collect::<String>()
            )
        };
        let data = format!("p.{database}.");
        if let Some(table) = record.topic.strip_prefix(&data) {
            if let Some((origin, group)) = tables.get(table) {
                row(value, *origin, group, &mut facts).with_context(place)?;
            }
            continue;
        }
        let json: Value = serde_json::from_str(value).with_context(place)?;
        let (part, changes) = match record.topic.as_str() {
            "p" => (Part::Change, &json["payload"]["tableChanges"]),
            "p.history" => (Part::History, &json["tableChanges"]),
            _ => continue,
        };
        for change in changes.as_array().into_iter().flatten() {
            let id = change["id"].as_str().unwrap_or_default().replace('"', "");
            let table = id.strip_prefix(&format!("{database}.")).unwrap_or_default();
            if let Some((origin, group)) = tables.get(table) {
                definitions(
                    &change["table"]["columns"],
                    *origin,
                    part,
                    group,
                    &mut facts,
                );
            }
        }
    }
    for text in facts.values_mut().flat_map(BTreeMap::values_mut) {
        if text.len() > LONGEST {
            *text = format!("{} bytes, {}", text.len(), hash(text));
        }
    }
    Ok(facts)
}

fn row(
    value: &str,
    origin: Origin,
    group: &Group<'_>,
    facts: &mut BTreeMap<usize, Facts>,
) -> Result<()> {
    let message: Message<'_> = serde_json::from_str(value)?;
    let envelope: Envelope<'_> = serde_json::from_str(message.payload.get())?;
    let after = envelope.after.unwrap_or_default();
    let schemas = match message.schema {
        // All rows of a table have one schema.
        Some(schema)
            if !facts
                .get(&group.columns[0].id)
                .is_some_and(|of| of.contains_key(&(origin, Part::Schema))) =>
        {
            fields(schema)?
        }
        _ => BTreeMap::new(),
    };
    for column in &group.columns {
        let name = column.plain_name();
        let facts = facts.entry(column.id).or_default();
        if let Some(schema) = schemas.get(&name) {
            facts.insert((origin, Part::Schema), (*schema).to_owned());
        }
        let cell = after.get(&name).map_or("absent", |cell| cell.get());
        let values = facts.entry((origin, Part::Values)).or_default();
        let is_first = values.is_empty();
        if !is_first {
            values.push(',');
        }
        let is_random = column.varies() && is_first && cell != "null";
        values.push_str(if is_random { "random" } else { cell });
    }
    Ok(())
}

/// Schemas of the row's fields by name.
fn fields(schema: &RawValue) -> Result<BTreeMap<String, &str>> {
    let envelope: Structure<'_> = serde_json::from_str(schema.get())?;
    for part in envelope.fields {
        let named: Named = serde_json::from_str(part.get())?;
        if named.field == "after" {
            let after: Structure<'_> = serde_json::from_str(part.get())?;
            let named = after.fields.into_iter().map(|field| {
                let named: Named = serde_json::from_str(field.get())?;
                Ok((named.field, field.get()))
            });
            return named.collect();
        }
    }
    Ok(BTreeMap::new())
}

fn definitions(
    columns: &Value,
    origin: Origin,
    part: Part,
    group: &Group<'_>,
    facts: &mut BTreeMap<usize, Facts>,
) {
    let columns = columns.as_array().map_or(&[][..], Vec::as_slice);
    for column in &group.columns {
        let name = column.plain_name();
        let found = columns.iter().find(|definition| definition["name"] == name);
        if let Some(definition) = found {
            facts
                .entry(column.id)
                .or_default()
                .insert((origin, part), compact(definition));
        }
    }
}

/// A description without its name and without what is not said.
fn compact(definition: &Value) -> String {
    let members = definition.as_object().into_iter().flatten();
    let said: serde_json::Map<String, Value> = members
        .filter(|(name, value)| {
            let is_nothing = value.is_null()
                || **value == Value::Bool(false)
                || value.as_array().is_some_and(Vec::is_empty);
            let repeats = *name == "typeExpression" && **value == definition["typeName"];
            *name != "name" && !is_nothing && !repeats
        })
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    Value::Object(said).to_string()
}

/// The first of a column's rows, which has its default.
pub(crate) fn default_cell<'a>(
    column: &Candidate,
    facts: &'a Facts,
    origin: Origin,
) -> Option<&'a str> {
    if column.varies() {
        return None;
    }
    let values = facts.get(&(origin, Part::Values))?;
    let list = format!("[{values}]");
    let list: Vec<&RawValue> = serde_json::from_str(&list).ok()?;
    let length = list.first()?.get().len();
    values.get(..length)
}
