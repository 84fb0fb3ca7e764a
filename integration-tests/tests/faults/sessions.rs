//! What a source that is stopped leaves on the server: nothing.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use tidegate_integration_tests::{
    CdcPipeline, MariaDb, MySql, MySqlOptions, MySqlServer, PipelineOptions, SERVER_DEADLINE,
    eventually,
};

/// So soon after the answer to a request that stops it no session of a connector is at work.
const GONE_WITHIN: Duration = Duration::from_secs(2);

/// Sessions of connectors that have this in their statement or state.
async fn sessions(pipeline: &CdcPipeline, text: &str) -> Result<Vec<String>> {
    let sql = "SELECT CONCAT_WS(' ', id, command, time, state, info) FROM information_schema.processlist WHERE user = 'debezium'";
    let rows = pipeline.source.rows("", sql).await?;
    let texts = rows.into_iter().filter_map(|row| row[0].clone());
    Ok(texts.filter(|session| session.contains(text)).collect())
}

pub(crate) async fn wait_for_session(pipeline: &CdcPipeline, text: &str) -> Result<()> {
    eventually(SERVER_DEADLINE, text, || async {
        let found = sessions(pipeline, text).await?;
        ensure!(!found.is_empty(), "{:?}", sessions(pipeline, "").await?);
        Ok(())
    })
    .await
}

async fn no_sessions(pipeline: &CdcPipeline) -> Result<()> {
    eventually(GONE_WITHIN, "no session of a connector", || async {
        let left = sessions(pipeline, "").await?;
        ensure!(left.is_empty(), "{left:?}");
        Ok(())
    })
    .await
}

/// A table that takes long to read.
pub(crate) async fn create_large(pipeline: &CdcPipeline) -> Result<()> {
    let sql = "SET max_statement_time = 0; CREATE TABLE large (id INT PRIMARY KEY, v VARCHAR(600)) AS SELECT seq AS id, REPEAT('x', 600) AS v FROM seq_1_to_400000";
    pipeline.source.exec("shop", sql).await
}

#[tokio::test]
async fn a_snapshot_that_is_stopped_leaves_neither_reading_nor_locks() -> Result<()> {
    for server in servers().await? {
        leaves_neither_reading_nor_locks(server).await?;
    }
    Ok(())
}

async fn servers() -> Result<[MySqlServer; 2]> {
    let options = MySqlOptions::default;
    Ok([
        MariaDb::start(options()).await?,
        MySql::start(options()).await?,
    ])
}

async fn leaves_neither_reading_nor_locks(server: MySqlServer) -> Result<()> {
    let pipeline = CdcPipeline::start_from(server, PipelineOptions::default()).await?;
    let rows: Vec<String> = (1..=100).map(|id| format!("({id})")).collect();
    let table = format!(
        "CREATE TABLE slow (id INT PRIMARY KEY); INSERT INTO slow VALUES {}",
        rows.join(",")
    );
    pipeline.source.exec("shop", &table).await?;
    // A quarter of an hour.
    let select = "SELECT id FROM shop.slow WHERE SLEEP(9) = 0";
    let rest = pipeline.rest();
    for (number, locking) in ["extended", "minimal", "none"].into_iter().enumerate() {
        let config = pipeline.source_config(&json!({"snapshot.locking.mode": locking,
            "snapshot.select.statement.overrides": "shop.slow", "snapshot.select.statement.overrides.shop.slow": select}));
        rest.put_config(locking, &config).await?;
        wait_for_session(&pipeline, select).await?;
        if number == 0 {
            rest.stop(locking).await?;
            rest.wait_state(locking, "STOPPED").await?;
        } else {
            rest.delete(locking).await?;
        }
        no_sessions(&pipeline).await?;
        let alter = format!("SET lock_wait_timeout=1; ALTER TABLE slow ADD COLUMN c{number} INT");
        pipeline.source.exec("shop", &alter).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_snapshot_that_is_stopped_before_it_has_its_lock_waits_no_longer() -> Result<()> {
    let pipeline = CdcPipeline::start().await?;
    pipeline.create_t().await?;
    let rest = pipeline.rest();
    let mut writer = pipeline.source.connect("shop").await?;
    mysql_async::prelude::Queryable::query_drop(&mut writer, "LOCK TABLES t WRITE").await?;
    let config = pipeline.source_config(&json!({"snapshot.lock.timeout.ms": "600000"}));
    rest.put_config("source", &config).await?;
    wait_for_session(&pipeline, "FLUSH TABLES WITH READ LOCK").await?;
    rest.delete("source").await?;
    no_sessions(&pipeline).await?;
    Ok(writer.disconnect().await?)
}

#[tokio::test]
async fn a_stream_that_is_stopped_leaves_no_dump_of_the_log() -> Result<()> {
    for server in servers().await? {
        leaves_no_dump_of_the_log(server).await?;
    }
    Ok(())
}

async fn leaves_no_dump_of_the_log(server: MySqlServer) -> Result<()> {
    let pipeline = CdcPipeline::start_from(server, PipelineOptions::default()).await?;
    pipeline.create_t().await?;
    let rest = pipeline.rest();
    let config = pipeline.source_config(&json!({"heartbeat.interval.ms": "1000"}));
    rest.put_config("source", &config).await?;
    wait_for_session(&pipeline, "Binlog Dump").await?;
    rest.stop("source").await?;
    rest.wait_state("source", "STOPPED").await?;
    no_sessions(&pipeline).await?;
    rest.resume("source").await?;
    wait_for_session(&pipeline, "Binlog Dump").await?;
    rest.delete("source").await?;
    no_sessions(&pipeline).await
}
