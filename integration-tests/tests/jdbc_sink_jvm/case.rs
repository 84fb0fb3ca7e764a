//! Cases: records that both workers read, and the connectors that write them to tables.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use fancy_regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value};
use tidegate_integration_tests::case_folders;

use super::generated;
use super::tables::Content;

/// `case.json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    /// Files of records, relative to the case.
    #[serde(default)]
    records: Vec<PathBuf>,
    /// The generator of records (`generated`), if they are in no file.
    #[serde(default)]
    generated: Option<String>,
    /// Patterns of generated columns that have a table of their own: the original fails on them.
    #[serde(default)]
    alone: Vec<String>,
    /// Topics to take from them, as a pattern; others stay away.
    #[serde(default)]
    topics: Option<String>,
    /// Patterns of values to leave out: those that both refuse.
    #[serde(default)]
    without: Vec<String>,
    /// Whether each topic has connectors of its own, so that one that fails does not hide the others.
    #[serde(default)]
    split: bool,
    /// By name: what differs from the harness's settings.
    connectors: BTreeMap<String, Map<String, Value>>,
    /// Why connectors of ours write something else: by pattern of `connector/place`.
    #[serde(default)]
    meant: BTreeMap<String, String>,
}

/// A record as it lies in a topic.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) topic: String,
    pub(crate) key: Option<Bytes>,
    pub(crate) value: Option<Bytes>,
    pub(crate) headers: Vec<(String, Option<String>)>,
}

/// A connector of a case.
#[derive(Debug)]
pub(crate) struct Sink {
    /// Of the configuration in `case.json`.
    pub(crate) name: String,
    pub(crate) settings: Map<String, Value>,
    pub(crate) topics: Vec<String>,
}

/// One directory below `sink-cases/`.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    directory: PathBuf,
    description: Description,
    /// Runs in each database before the connectors start.
    pub(crate) setup: String,
    pub(crate) records: Vec<Record>,
}

impl Case {
    /// All cases in the order of their names; only those that `TIDEGATE_CASES` names, if it is set.
    pub(crate) fn all() -> Result<Vec<Self>> {
        let read = |(name, directory): (String, PathBuf)| {
            let place = directory.display().to_string();
            Self::read(name, directory).context(place)
        };
        case_folders("sink-cases")?.into_iter().map(read).collect()
    }

    fn read(name: String, directory: PathBuf) -> Result<Self> {
        let description: Description =
            serde_json::from_str(&fs::read_to_string(directory.join("case.json"))?)?;
        let mut setup = match fs::read_to_string(directory.join("setup.sql")) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            setup => setup?,
        };
        let topics = description.topics.as_deref().map(Regex::new).transpose()?;
        let without: Vec<Regex> = description
            .without
            .iter()
            .map(|pattern| Regex::new(pattern))
            .collect::<Result<_, _>>()?;
        let mut records = Vec::new();
        for file in &description.records {
            read_records(&directory.join(file), &name, &mut records)
                .with_context(|| file.display().to_string())?;
        }
        if let Some(generator) = &description.generated {
            let alone = patterns(&description.alone)?;
            let (generated, tables) = generated::records(generator, &name, &alone)?;
            records.extend(generated);
            setup += &tables;
        }
        let wanted = |record: &Record| -> Result<bool> {
            let value = String::from_utf8_lossy(record.value.as_deref().unwrap_or_default());
            for pattern in &without {
                if pattern.is_match(&*value)? {
                    return Ok(false);
                }
            }
            Ok(match &topics {
                Some(topics) => topics.is_match(&record.topic)?,
                None => true,
            })
        };
        let mut kept = Vec::new();
        for record in records {
            if wanted(&record)? {
                kept.push(record);
            }
        }
        Ok(Self {
            name,
            directory,
            description,
            setup,
            records: kept,
        })
    }

    /// Whether its records are in no file.
    pub(crate) fn is_generated(&self) -> bool {
        self.description.generated.is_some()
    }

    pub(crate) fn connectors(&self) -> impl Iterator<Item = &String> {
        self.description.connectors.keys()
    }

    pub(crate) fn topics(&self) -> Vec<String> {
        let mut topics: Vec<String> = self.records.iter().map(|r| r.topic.clone()).collect();
        topics.sort();
        topics.dedup();
        topics
    }

    /// The connectors that write one database.
    pub(crate) fn sinks(&self, connector: &str) -> Vec<Sink> {
        let sink = |topics: Vec<String>| Sink {
            name: connector.to_owned(),
            settings: self.description.connectors[connector].clone(),
            topics,
        };
        if self.description.split {
            let topics = self.topics().into_iter();
            topics.map(|topic| sink(vec![topic])).collect()
        } else {
            vec![sink(self.topics())]
        }
    }

    /// The name of the database that a connector writes.
    pub(crate) fn database(&self, side: &str, connector: &str) -> String {
        format!("{side}_{}_{connector}", self.name)
    }

    fn recording(&self, connector: &str, whose: &str) -> PathBuf {
        let file = format!("{connector}.{whose}.txt");
        self.directory.join("expected").join(file)
    }

    /// What the original made of the records.
    pub(crate) fn recorded(&self, connector: &str) -> Result<Content> {
        Content::read(&self.recording(connector, "original"))
    }

    pub(crate) fn record(&self, connector: &str, content: &Content) -> Result<()> {
        content.write(&self.recording(connector, "original"))
    }

    /// What is different here, and meant to be; empty without such a file.
    pub(crate) fn different(&self, connector: &str) -> Result<Content> {
        let file = self.recording(connector, "ours");
        if file.exists() {
            Content::read(&file)
        } else {
            Ok(Content::default())
        }
    }

    pub(crate) fn record_different(&self, connector: &str, content: &Content) -> Result<()> {
        let file = self.recording(connector, "ours");
        if !content.is_empty() {
            return content.write(&file);
        }
        match fs::remove_file(file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// The patterns of `case.json` that say why there is a difference.
    pub(crate) fn meant(&self, connector: &str, place: &str) -> Result<Vec<&str>> {
        let mut patterns = Vec::new();
        for pattern in self.description.meant.keys() {
            let whole = Regex::new(&format!("^(?:{pattern})$"))?;
            if whole.is_match(&format!("{connector}/{place}"))? {
                patterns.push(pattern.as_str());
            }
        }
        Ok(patterns)
    }

    /// Patterns of `meant` that say why of nothing: what they stood for is gone, or was never so.
    pub(crate) fn stale<'a>(&'a self, used: &BTreeSet<&str>) -> Vec<&'a str> {
        let patterns = self.description.meant.keys().map(String::as_str);
        patterns.filter(|pattern| !used.contains(pattern)).collect()
    }
}

/// Patterns of whole names.
fn patterns(texts: &[String]) -> Result<Vec<Regex>> {
    let whole = |text: &String| Regex::new(&format!("^(?:{text})$"));
    Ok(texts.iter().map(whole).collect::<Result<_, _>>()?)
}

/// Reads the form that `debezium_fidelity` writes: a schema's text once, records refer to it by number.
fn read_records(path: &Path, case: &str, records: &mut Vec<Record>) -> Result<()> {
    let mut schemas: Vec<String> = Vec::new();
    for line in fs::read_to_string(path)?.lines() {
        let line: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        if let Some(schema) = line["text"].as_str() {
            schemas.push(schema.to_owned());
            continue;
        }
        let part = |part: &Value| -> Result<Option<Bytes>> {
            Ok(match part {
                Value::Array(parts) => {
                    let number = usize::try_from(parts[0].as_u64().context("a number")?)?;
                    let schema = schemas.get(number).context("a schema")?;
                    let payload = parts[1].as_str().context("a payload")?;
                    Some(format!(r#"{{"schema":{schema},"payload":{payload}}}"#).into())
                }
                Value::String(text) => Some(Bytes::from(text.clone())),
                _ => None,
            })
        };
        let topic = line["topic"].as_str().context("a topic")?;
        // Recorded topics begin with `p`; topics of cases must not meet.
        let topic = topic.strip_prefix("p.").unwrap_or(topic);
        records.push(Record {
            topic: format!("{case}.{topic}"),
            key: part(&line["key"])?,
            value: part(&line["value"])?,
            headers: match &line["headers"] {
                Value::Null => Vec::new(),
                headers => serde_json::from_value(headers.clone())?,
            },
        });
    }
    Ok(())
}
