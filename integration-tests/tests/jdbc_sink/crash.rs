//! A worker's sink while the database is killed and comes back.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use tidegate_embedded::EmbeddedLog;
use tidegate_integration_tests::{
    Mode, Postgres, PostgresOptions, Properties, TidegateWorker, eventually,
};
use tidegate_log::{ClientConfig, Log as _, NewTopic, ProducerRecord};

const DEADLINE: Duration = Duration::from_mins(3);
const RECORDS: i64 = 60_000;
const KEYS: i64 = 20_000;

/// Every key three times: the last value must win.
async fn fill(log: &EmbeddedLog) -> Result<()> {
    let new = NewTopic {
        name: "rows".into(),
        partitions: Some(1),
        replication_factor: Some(1),
        settings: BTreeMap::new(),
    };
    log.create_topic(&new).await?;
    let producer = log.producer(&ClientConfig::default()).await?;
    let schema =
        |fields: &str| format!(r#"{{"type":"struct","optional":false,"fields":[{fields}]}}"#);
    let id = r#"{"type":"int64","optional":false,"field":"id"}"#;
    let (key, value) = (
        schema(id),
        schema(&format!(
            r#"{id},{{"type":"int64","optional":false,"field":"n"}}"#
        )),
    );
    let records = (0..RECORDS).map(|number| {
        let id = number % KEYS;
        let key = format!(r#"{{"schema":{key},"payload":{{"id":{id}}}}}"#);
        let value = format!(r#"{{"schema":{value},"payload":{{"id":{id},"n":{number}}}}}"#);
        ProducerRecord::new("rows", Some(key.into()), Some(value.into()))
    });
    for result in producer.append(records.collect()).await?.await {
        result?;
    }
    Ok(())
}

#[tokio::test]
async fn a_server_killed_in_mid_batch_loses_and_doubles_nothing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    fill(&EmbeddedLog::open(folder.path())?).await?;
    let postgres = Postgres::start(PostgresOptions {
        durable: true,
        ..PostgresOptions::default()
    })
    .await?;
    let data = folder.path().display().to_string();
    let props = Properties::from([
        ("offset.flush.interval.ms".to_owned(), "200".to_owned()),
        ("embedded.data.dir".to_owned(), data),
    ]);
    let worker = TidegateWorker::start(Mode::Distributed, &props).await?;
    let rest = worker.rest();
    let config = json!({
        "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
        "topics": "rows",
        "connection.url": postgres.jdbc_url("postgres") + "?sslmode=disable",
        "connection.username": "postgres",
        "connection.password": "unused",
        "insert.mode": "upsert",
        "primary.key.mode": "record_key",
        "schema.evolution": "basic",
        "flush.retry.delay.ms": "50",
        "consumer.override.max.poll.records": "500",
    });
    rest.put_config("sink", &config).await?;
    let rows = async |at_least: i64| {
        let what = format!("{at_least} rows");
        eventually(DEADLINE, &what, || async {
            let rows = postgres
                .rows("postgres", "SELECT count(*) FROM rows")
                .await?;
            let count: i64 = rows[0][0].as_deref().unwrap_or("0").parse()?;
            ensure!(count >= at_least, "{count}");
            Ok(())
        })
        .await
    };
    for at_least in [1, 5_000, 10_000] {
        rows(at_least).await?;
        postgres.kill9();
        // Its sessions notice a moment later, and keep the memory until then.
        eventually(DEADLINE, "the server starts again", || {
            postgres.start_again()
        })
        .await?;
    }
    eventually(DEADLINE, "all is committed", || async {
        let offsets = rest.offsets("sink").await?;
        ensure!(
            offsets["offsets"][0]["offset"]["kafka_offset"] == RECORDS,
            "{offsets}"
        );
        Ok(())
    })
    .await?;
    rest.wait_running("sink").await?;
    let sql = format!(
        "SELECT count(*), count(DISTINCT id), sum(n), bool_and(n = id + {}) FROM rows",
        RECORDS - KEYS
    );
    let found = postgres.rows("postgres", &sql).await?;
    let sum: i64 = (RECORDS - KEYS..RECORDS).sum();
    let expected = [
        KEYS.to_string(),
        KEYS.to_string(),
        sum.to_string(),
        "t".to_owned(),
    ];
    assert_eq!(found, [expected.map(Some).to_vec()]);
    worker.stop().await?;
    Ok(())
}
