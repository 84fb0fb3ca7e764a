//! Runs the connectors of cases on a worker.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use tidegate_api::TopicPartition;
use tidegate_integration_tests::{Postgres, Rest, eventually};
use tidegate_log::{ClientConfig, ConsumedRecord, Log, NewTopic, ProducerRecord, RecordHeader};

use super::case::{Case, Sink};
use super::tables::Content;

/// Generous: the machine may be busy.
const DEADLINE: Duration = Duration::from_mins(3);
/// A task that has committed nothing for so long will not: it is stuck, or what is left are records that it passes over.
const SETTLED: Duration = Duration::from_secs(20);

const DEAD_LETTERS: &str = "errors.deadletterqueue.topic.name";

/// A worker under comparison.
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) name: &'static str,
    pub(crate) rest: Rest,
}

/// Puts the records of a case into its topics, a millisecond apart from `start` (since 1970-01-01T00:00:00Z) on.
pub(crate) async fn fill(log: &dyn Log, case: &Case, start: i64) -> Result<()> {
    for topic in case.topics() {
        let new = NewTopic {
            name: topic.into(),
            partitions: Some(1),
            replication_factor: Some(1),
            settings: BTreeMap::new(),
        };
        log.create_topic(&new).await?;
    }
    let producer = log.producer(&ClientConfig::default()).await?;
    let mut records = Vec::new();
    for (number, record) in case.records.iter().enumerate() {
        let topic: Arc<str> = record.topic.as_str().into();
        let mut produced = ProducerRecord::new(topic, record.key.clone(), record.value.clone());
        produced.partition = Some(0);
        produced.timestamp = Some(start + i64::try_from(number)?);
        let headers = record.headers.iter().map(|(key, value)| RecordHeader {
            key: key.as_str().into(),
            value: value.clone().map(Into::into),
        });
        produced.headers = headers.collect();
        records.push(produced);
    }
    for result in producer.append(records).await?.await {
        result?;
    }
    Ok(())
}

/// Runs a case to its end; what is in the database of each connector.
pub(crate) async fn run(
    side: &Side,
    postgres: &Postgres,
    case: &Case,
) -> Result<BTreeMap<String, Content>> {
    let mut started = Vec::new();
    for connector in case.connectors() {
        let database = case.database(side.name, connector);
        let create = format!("CREATE DATABASE {database}");
        postgres.exec("postgres", &create).await?;
        if !case.setup.is_empty() {
            postgres.exec(&database, &case.setup).await?;
        }
        for (number, sink) in case.sinks(connector).into_iter().enumerate() {
            let name = format!("{database}_{number}");
            let config = config(postgres, &database, &sink);
            side.rest.put_config(&name, &config).await?;
            started.push((name, sink));
        }
    }
    let states = started.iter().map(|(name, sink)| async move {
        let state = settled(side, case, name, sink).await;
        state.with_context(|| format!("{name} on {}", side.name))
    });
    let states = futures::future::try_join_all(states).await?;
    for (name, _) in &started {
        side.rest.delete(name).await?;
    }
    let mut contents = BTreeMap::new();
    for connector in case.connectors() {
        let database = case.database(side.name, connector);
        let mut content = Content::of_database(postgres, &database).await?;
        let ends = started.iter().zip(&states);
        for ((_, sink), (state, error)) in ends.filter(|((_, sink), _)| sink.name == *connector) {
            let topics = sink.topics.join(",");
            content.set(format!("state/{topics}"), state.clone());
            if let Some(error) = error {
                content.set(format!("error/{topics}"), error.clone());
            }
        }
        contents.insert(connector.clone(), content);
    }
    Ok(contents)
}

fn config(postgres: &Postgres, database: &str, sink: &Sink) -> Value {
    let mut config: Map<String, Value> = [
        (
            "connector.class",
            "io.debezium.connector.jdbc.JdbcSinkConnector".to_owned(),
        ),
        ("topics", sink.topics.join(",")),
        (
            "connection.url",
            postgres.jdbc_url(database) + "?sslmode=disable",
        ),
        ("connection.username", postgres.user().to_owned()),
        ("connection.password", "unused".to_owned()),
        ("connection.pool.min_size", "1".to_owned()),
        ("insert.mode", "upsert".to_owned()),
        ("primary.key.mode", "record_key".to_owned()),
        ("schema.evolution", "basic".to_owned()),
        ("consumer.override.auto.offset.reset", "earliest".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), json!(value)))
    .into_iter()
    .collect();
    config.extend(sink.settings.clone());
    if let Some(topic) = config.get_mut(DEAD_LETTERS) {
        *topic = json!(dead_letters_topic(database));
    }
    Value::Object(config)
}

fn dead_letters_topic(database: &str) -> String {
    format!("{database}_dead")
}

/// Adds what lies in the dead letter queues: places `dead/number/…`. The log must not be in use elsewhere if it is embedded.
pub(crate) async fn add_dead_letters(
    log: &dyn Log,
    side: &Side,
    case: &Case,
    contents: &mut BTreeMap<String, Content>,
    start: i64,
) -> Result<()> {
    for (connector, content) in contents {
        let database = case.database(side.name, connector);
        let topic = dead_letters_topic(&database);
        if log.describe_topic(&topic).await?.is_none() {
            continue;
        }
        let text = |bytes: Option<Bytes>| {
            bytes.map(|bytes| {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                // Traces are those of the language.
                let line = text.lines().next().unwrap_or_default();
                line.replace(&database, "SINK")
            })
        };
        for (number, letter) in read_all(log, &topic).await?.into_iter().enumerate() {
            let mut set = |what: &str, value: Option<String>| {
                content.set(format!("dead/{number}/{what}"), json!(value).to_string());
            };
            set("key", text(letter.key));
            set("value", text(letter.value));
            set(
                "time",
                letter.timestamp.map(|time| (time - start).to_string()),
            );
            for (place, header) in letter.headers.into_iter().enumerate() {
                set(&format!("{place:02} {}", header.key), text(header.value));
            }
        }
    }
    Ok(())
}

async fn read_all(log: &dyn Log, topic: &str) -> Result<Vec<ConsumedRecord>> {
    let partition = TopicPartition::new(topic.to_owned(), 0);
    let bounds = log.offsets(std::slice::from_ref(&partition)).await?;
    let (first, next) = bounds.get(&partition).copied().context("bounds")?;
    let start = [(partition.clone(), first)];
    let mut reader = log.reader(&ClientConfig::default(), &start).await?;
    let mut records = Vec::new();
    while next > first && reader.position(&partition).is_none_or(|at| at < next) {
        records.extend(reader.poll(Duration::from_secs(10)).await?);
    }
    Ok(records)
}

/// Waits until all records are committed or the task has failed; its state, and the cause of a failure.
async fn settled(
    side: &Side,
    case: &Case,
    name: &str,
    sink: &Sink,
) -> Result<(String, Option<String>)> {
    let wanted: u64 = case
        .records
        .iter()
        .map(|record| u64::from(sink.topics.contains(&record.topic)))
        .sum();
    let progress = std::cell::Cell::new((0, Instant::now()));
    eventually(DEADLINE, name, || async {
        let status = side.rest.status(name).await?;
        let tasks = status["tasks"].as_array().into_iter().flatten();
        let failed = std::iter::once(&status["connector"])
            .chain(tasks)
            .find(|part| part["state"] == "FAILED");
        if let Some(part) = failed {
            let trace = part["trace"].as_str().unwrap_or_default();
            return Ok(("FAILED".to_owned(), Some(cause(trace))));
        }
        let offsets = side.rest.offsets(name).await?;
        let committed: u64 = offsets["offsets"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|entry| entry["offset"]["kafka_offset"].as_u64())
            .sum();
        let (before, since) = progress.get();
        if committed > before || status["tasks"][0]["state"] != "RUNNING" {
            progress.set((committed, Instant::now()));
        }
        if committed >= wanted {
            return Ok(("RUNNING".to_owned(), None));
        }
        let is_running = status["tasks"][0]["state"] == "RUNNING";
        if is_running && committed == before && since.elapsed() > SETTLED {
            return Ok(("RUNNING, with records left".to_owned(), None));
        }
        bail!("{committed} of {wanted} records are committed: {status}")
    })
    .await
}

/// The last cause of a trace.
fn cause(trace: &str) -> String {
    let mut causes = trace
        .lines()
        .filter_map(|line| line.strip_prefix("Caused by: "));
    let first = trace.lines().next().unwrap_or_default();
    causes.next_back().unwrap_or(first).to_owned()
}
