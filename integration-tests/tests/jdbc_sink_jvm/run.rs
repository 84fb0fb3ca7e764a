//! Runs the connectors of cases on a worker.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value, json};
use tidegate_integration_tests::{Postgres, Rest, eventually};
use tidegate_log::{ClientConfig, Log, NewTopic, ProducerRecord, RecordHeader};

use super::case::{Case, Sink};
use super::tables::Content;

/// Generous: the machine may be busy.
const DEADLINE: Duration = Duration::from_mins(3);
/// A task that has committed nothing for so long will not: it is stuck, or what is left are records that it passes over.
const SETTLED: Duration = Duration::from_secs(20);

/// A worker under comparison.
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) name: &'static str,
    pub(crate) rest: Rest,
}

/// Puts the records of a case into its topics.
pub(crate) async fn fill(log: &dyn Log, case: &Case) -> Result<()> {
    for topic in case.topics() {
        let new = NewTopic {
            name: topic.into(),
            partitions: Some(1),
            replication_factor: Some(1),
            // Times are the same in every run, and long ago.
            settings: BTreeMap::from([("retention.ms".to_owned(), "-1".to_owned())]),
        };
        log.create_topic(&new).await?;
    }
    let producer = log.producer(&ClientConfig::default()).await?;
    let mut records = Vec::new();
    for (number, record) in case.records.iter().enumerate() {
        let topic: Arc<str> = record.topic.as_str().into();
        let mut produced = ProducerRecord::new(topic, record.key.clone(), record.value.clone());
        produced.partition = Some(0);
        produced.timestamp = Some(1_700_000_000_000 + i64::try_from(number)?);
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
    Value::Object(config)
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
