//! Workers that die in the middle of the snapshot, of the stream, of the sink's write.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use sqlx::Connection as _;
use tidegate_integration_tests::{
    CdcPipeline, MariaDb, MySql, PipelineOptions, SERVER_DEADLINE, eventually,
    flushed_to_the_kernel,
};

use crate::load::Load;

/// How often to kill in each phase.
struct Kills {
    snapshot: usize,
    stream: usize,
    sink: usize,
}

/// Long enough that a kill hits its middle.
const SNAPSHOT_ROWS: u64 = 12_000;
const SNAPSHOT_BEGINS: &str = "Snapshot step 7 - Snapshotting data";
const SNAPSHOT_ENDS: &str = "Snapshot completed";

async fn kills_lose_nothing(pipeline: &CdcPipeline, kills: Kills) -> Result<()> {
    let mut load = Load::start(pipeline, SNAPSHOT_ROWS).await?;
    let rest = pipeline.rest();
    let source = pipeline.source_config(&json!({}));
    rest.put_config("source", &source).await?;
    for attempt in 1..=kills.snapshot {
        eventually(SERVER_DEADLINE, "the snapshot has begun", || async {
            let begun = pipeline.worker.log().matches(SNAPSHOT_BEGINS).count();
            ensure!(begun == attempt, "{}", pipeline.worker.log_tail());
            Ok(())
        })
        .await?;
        for _ in 0..load.random(4) {
            load.step(pipeline).await?;
        }
        pipeline.worker.kill9();
        let log = pipeline.worker.log();
        ensure!(
            !log.contains(SNAPSHOT_ENDS),
            "attempt {attempt} was over too soon"
        );
        load.step(pipeline).await?;
        pipeline.worker.start_again().await?;
    }
    let sink = pipeline.sink_config(&json!({}));
    rest.put_config("sink", &sink).await?;
    for _ in 0..kills.stream {
        load.arrives(pipeline).await?;
        for _ in 0..=load.random(12) {
            load.step(pipeline).await?;
        }
        pipeline.worker.kill9();
        load.step(pipeline).await?;
        pipeline.worker.start_again().await?;
    }
    for _ in 0..kills.sink {
        load.arrives(pipeline).await?;
        kill_in_the_sink(pipeline, &mut load).await?;
        load.step(pipeline).await?;
        pipeline.worker.start_again().await?;
    }
    load.arrives(pipeline).await?;
    load.nothing_is_lost(pipeline).await
}

/// While its statement waits for a lock, its transaction is open.
async fn kill_in_the_sink(pipeline: &CdcPipeline, load: &mut Load) -> Result<()> {
    let mut blocker = pipeline.target.connect("postgres").await?;
    let mut lock = blocker.begin().await?;
    sqlx::query("LOCK TABLE t IN SHARE MODE")
        .execute(&mut *lock)
        .await?;
    load.step(pipeline).await?;
    let waits = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'tidegate' AND wait_event_type = 'Lock'";
    eventually(SERVER_DEADLINE, "the sink waits for the lock", || async {
        let rows = pipeline.target.rows("postgres", waits).await?;
        ensure!(!rows.is_empty(), "{}", pipeline.worker.log_tail());
        Ok(())
    })
    .await?;
    for _ in 0..load.random(3) {
        load.step(pipeline).await?;
    }
    pipeline.worker.kill9();
    lock.rollback().await.context("the lock is given back")
}

#[tokio::test]
async fn on_the_embedded_log() -> Result<()> {
    let kills = Kills {
        snapshot: 6,
        stream: 8,
        sink: 6,
    };
    kills_lose_nothing(&CdcPipeline::start().await?, kills).await
}

#[tokio::test]
async fn on_kafka() -> Result<()> {
    let source = MariaDb::start(flushed_to_the_kernel()).await?;
    let pipeline = CdcPipeline::start_from(source, PipelineOptions::on_kafka()).await?;
    let kills = Kills {
        snapshot: 3,
        stream: 4,
        sink: 4,
    };
    kills_lose_nothing(&pipeline, kills).await
}

#[tokio::test]
async fn from_mysql() -> Result<()> {
    let source = MySql::start(flushed_to_the_kernel()).await?;
    let pipeline = CdcPipeline::start_from(source, PipelineOptions::default()).await?;
    let kills = Kills {
        snapshot: 2,
        stream: 2,
        sink: 2,
    };
    kills_lose_nothing(&pipeline, kills).await
}
