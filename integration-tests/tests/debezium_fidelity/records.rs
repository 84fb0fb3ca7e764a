//! Records of topics: read from either log, compared, kept in files.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tidegate_api::TopicPartition;
use tidegate_embedded::EmbeddedLog;
use tidegate_integration_tests::{read_topic, topic_names};
use tidegate_log::{ClientConfig, Log as _};

use super::masks::Masks;

/// A record as text; topics of the connector carry `p` in place of its prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TextRecord {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) key: Option<String>,
    pub(crate) value: Option<String>,
    pub(crate) headers: Vec<(String, Option<String>)>,
}

/// What stands for a prefix.
pub(crate) const COMMON: &str = "p";

fn text(bytes: Option<impl AsRef<[u8]>>) -> Option<String> {
    bytes.map(|bytes| match std::str::from_utf8(bytes.as_ref()) {
        Ok(text) => text.to_owned(),
        Err(_) => format!("bytes {:?}", bytes.as_ref()),
    })
}

/// All records of the topics that `prefix` begins, after masking, in the order of topics.
pub(crate) async fn of_kafka(
    bootstrap: &str,
    prefix: &str,
    masks: &Masks,
) -> Result<Vec<TextRecord>> {
    let mut records = Vec::new();
    let mut names = topic_names(bootstrap).await?;
    names.push(format!("__debezium-heartbeat.{prefix}"));
    for topic in names.iter().filter(|topic| belongs(topic, prefix)) {
        for message in read_topic(bootstrap, topic).await? {
            let record = TextRecord {
                topic: topic.clone(),
                partition: message.partition,
                key: text(message.key),
                value: text(message.value),
                headers: message
                    .headers
                    .into_iter()
                    .map(|(name, value)| (name, text(value)))
                    .collect(),
            };
            records.push(record.masked(prefix, masks));
        }
    }
    Ok(sorted(records))
}

/// The same for the embedded log of a worker that has stopped.
pub(crate) async fn of_embedded(
    log: &EmbeddedLog,
    prefix: &str,
    masks: &Masks,
) -> Result<Vec<TextRecord>> {
    let mut records = Vec::new();
    for topic in log
        .topics()
        .await?
        .iter()
        .filter(|topic| belongs(topic, prefix))
    {
        let described = log.describe_topic(topic).await?.context("a topic")?;
        for partition in 0..described.partitions {
            let partition = TopicPartition::new(Arc::clone(topic), partition);
            let bounds = log.offsets(std::slice::from_ref(&partition)).await?;
            let (first, next) = bounds.get(&partition).copied().context("bounds")?;
            let mut reader = log
                .reader(&ClientConfig::default(), &[(partition.clone(), first)])
                .await?;
            while next > first
                && reader
                    .position(&partition)
                    .is_none_or(|position| position < next)
            {
                for message in reader.poll(Duration::from_secs(10)).await? {
                    let record = TextRecord {
                        topic: topic.to_string(),
                        partition: message.partition,
                        key: text(message.key),
                        value: text(message.value),
                        headers: message
                            .headers
                            .into_iter()
                            .map(|header| (header.key.to_string(), text(header.value)))
                            .collect(),
                    };
                    records.push(record.masked(prefix, masks));
                }
            }
        }
    }
    Ok(sorted(records))
}

fn belongs(topic: &str, prefix: &str) -> bool {
    let rest = topic.strip_prefix("__debezium-heartbeat.").unwrap_or(topic);
    rest.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// By topic; the order within a topic stays.
fn sorted(mut records: Vec<TextRecord>) -> Vec<TextRecord> {
    records.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
    records
}

impl TextRecord {
    fn masked(self, prefix: &str, masks: &Masks) -> Self {
        let mask = |text: String| masks.between_workers(&text, prefix, COMMON);
        Self {
            topic: self.topic.replace(prefix, COMMON),
            partition: self.partition,
            key: self.key.map(mask),
            value: self.value.map(mask),
            headers: self
                .headers
                .into_iter()
                .map(|(name, value)| {
                    let value = if name == "__debezium.context.runId" {
                        value.map(|_| "run".to_owned())
                    } else {
                        value.map(mask)
                    };
                    (name, value)
                })
                .collect(),
        }
    }

    pub(crate) fn map_text(self, change: impl Fn(String) -> String) -> Self {
        Self {
            key: self.key.map(&change),
            value: self.value.map(&change),
            headers: self
                .headers
                .into_iter()
                .map(|(name, value)| (name, value.map(&change)))
                .collect(),
            ..self
        }
    }
}

/// The first differences; none if both are equal.
pub(crate) fn differences(
    ours: &[TextRecord],
    theirs: &[TextRecord],
    added: &mut Added,
) -> Vec<String> {
    let mut topics: BTreeMap<&str, (Vec<&TextRecord>, Vec<&TextRecord>)> = BTreeMap::new();
    for record in ours {
        topics.entry(&record.topic).or_default().0.push(record);
    }
    for record in theirs {
        topics.entry(&record.topic).or_default().1.push(record);
    }
    let mut found = Vec::new();
    for (topic, (mut ours, theirs)) in topics {
        let mut awaited = theirs.iter().peekable();
        ours.retain(|record| {
            let is_theirs = awaited.next_if(|their| **their == *record).is_some();
            is_theirs || !added.covers(record)
        });
        if ours.len() != theirs.len() {
            found.push(format!(
                "topic {topic}: {} records instead of {}",
                ours.len(),
                theirs.len()
            ));
        }
        for (index, (own, their)) in ours.iter().zip(&theirs).enumerate() {
            if own != their {
                found.push(format!(
                    "topic {topic}, record {index}: {}",
                    first_difference(own, their)
                ));
            }
        }
    }
    found
}

/// Statements that our schema history has beyond the original's, by how they begin. See `DIFFERENCES.md`: character sets of
/// databases, and names of captured tables that go to others, where the original keeps captured tables alone.
const ADDED: [&str; 2] = ["ALTER DATABASE `", "RENAME TABLE "];

/// Records that are ours on purpose: how many each of the rules has covered.
#[derive(Debug, Default)]
pub(crate) struct Added([usize; ADDED.len()]);

impl Added {
    fn covers(&mut self, record: &TextRecord) -> bool {
        let value = record.value.as_deref().unwrap_or_default();
        let begins = |start: &str| value.contains(&format!(r#""ddl" : "{start}"#));
        let rule = ADDED.into_iter().position(begins);
        let rule = rule.filter(|_| record.topic.ends_with(".history"));
        if let Some(rule) = rule {
            self.0[rule] += 1;
        }
        rule.is_some()
    }

    /// A rule that covers nothing in all cases of a server has no reason any more.
    pub(crate) fn without_use(&self) -> Vec<String> {
        let rules = ADDED.into_iter().zip(self.0);
        let unused = rules.filter(|(_, count)| *count == 0);
        let text = |start| {
            format!(
                "no schema history has a statement of ours that begins with {start:?}: remove the rule"
            )
        };
        unused.map(|(start, _)| text(start)).collect()
    }
}

fn first_difference(ours: &TextRecord, theirs: &TextRecord) -> String {
    const AROUND: usize = 160;
    let parts = [
        ("key", json!(ours.key), json!(theirs.key)),
        ("value", json!(ours.value), json!(theirs.value)),
        ("headers", json!(ours.headers), json!(theirs.headers)),
        ("partition", json!(ours.partition), json!(theirs.partition)),
    ];
    let plain = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    for (part, own, their) in parts {
        if own == their {
            continue;
        }
        let (own, their): (Vec<char>, Vec<char>) = (
            plain(&own).chars().collect(),
            plain(&their).chars().collect(),
        );
        let same = own.iter().zip(&their).take_while(|(a, b)| a == b).count();
        let from = same.saturating_sub(AROUND / 2);
        let excerpt = |text: &[char]| text.iter().skip(from).take(AROUND).collect::<String>();
        return format!(
            "{part}\n  ours   …{}…\n  theirs …{}…",
            excerpt(&own),
            excerpt(&their)
        );
    }
    "equal".to_owned()
}

/// Writes records, one a line. Schemas that come with values are written once, and referred to by their number.
pub(crate) fn write(path: &Path, records: &[TextRecord]) -> Result<()> {
    let mut schemas: Vec<String> = Vec::new();
    let mut file = String::new();
    let mut split = |text: &Option<String>, file: &mut String| -> Result<Value> {
        let Some(text) = text else {
            return Ok(Value::Null);
        };
        let Some((schema, payload)) = schema_and_payload(text) else {
            return Ok(json!(text));
        };
        let number = match schemas.iter().position(|known| known == schema) {
            Some(number) => number,
            None => {
                writeln!(file, "{}", json!({"schema": schemas.len(), "text": schema}))?;
                schemas.push(schema.to_owned());
                schemas.len() - 1
            }
        };
        Ok(json!([number, payload]))
    };
    for record in records {
        let (key, value) = (
            split(&record.key, &mut file)?,
            split(&record.value, &mut file)?,
        );
        let line = json!({"topic": record.topic, "partition": record.partition, "key": key, "value": value, "headers": record.headers});
        writeln!(file, "{line}")?;
    }
    fs::create_dir_all(path.parent().context("a folder")?)?;
    Ok(fs::write(path, file)?)
}

fn schema_and_payload(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix(r#"{"schema":"#)?;
    let at = rest.find(r#","payload":"#)?;
    Some((
        rest.get(..at)?,
        rest.get(at + r#","payload":"#.len()..)?.strip_suffix('}')?,
    ))
}

pub(crate) fn read(path: &Path) -> Result<Vec<TextRecord>> {
    let file = fs::read_to_string(path)
        .with_context(|| format!("{}: record it first, see cases/README.md", path.display()))?;
    let mut schemas: Vec<String> = Vec::new();
    let mut records = Vec::new();
    for line in file.lines() {
        let json: Value = serde_json::from_str(line)?;
        if let Some(schema) = json["text"].as_str() {
            ensure!(json["schema"] == schemas.len(), "schemas come in order");
            schemas.push(schema.to_owned());
            continue;
        }
        let joined = |part: &Value| -> Option<String> {
            match part {
                Value::Array(parts) => {
                    let schema = schemas.get(usize::try_from(parts.first()?.as_u64()?).ok()?)?;
                    Some(format!(
                        r#"{{"schema":{schema},"payload":{}}}"#,
                        parts.get(1)?.as_str()?
                    ))
                }
                other => other.as_str().map(str::to_owned),
            }
        };
        records.push(TextRecord {
            topic: json["topic"].as_str().context("topic")?.to_owned(),
            partition: i32::try_from(json["partition"].as_i64().context("partition")?)?,
            key: joined(&json["key"]),
            value: joined(&json["value"]),
            headers: serde_json::from_value(json["headers"].clone())?,
        });
    }
    Ok(records)
}
