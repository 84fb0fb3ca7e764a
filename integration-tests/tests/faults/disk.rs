//! The embedded log's disk is full.

use anyhow::Result;
use serde_json::json;
use tidegate_integration_tests::{
    CdcPipeline, MariaDb, MySql, MySqlOptions, PipelineOptions, Rest, flushed_to_the_kernel,
};

use crate::load::Load;
use crate::{assert_names, put};

/// Far less than what the rows need.
const FILE_BYTES: u64 = 6 * 1024 * 1024;
const ROWS: u64 = 20_000;

/// Stores what there is room for; what the worker says at its end.
async fn fill(rest: &Rest, parts: &[&str]) -> Result<()> {
    let mut length = 200_000;
    while length > 100 {
        let note = "x".repeat(length);
        let config = json!({"connector.class": "FileStreamSource", "topic": "x", "note": note});
        let answer = put(rest, "more", &config).await?;
        if answer.status == 500 {
            assert_names(&answer.body.to_string(), parts);
            length /= 2;
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_full_disk_is_named_and_everything_goes_on_once_there_is_room() -> Result<()> {
    let options = PipelineOptions {
        file_bytes: Some(FILE_BYTES),
        ..PipelineOptions::default()
    };
    let source = MariaDb::start(flushed_to_the_kernel()).await?;
    let pipeline = CdcPipeline::start_from(source, options).await?;
    let mut load = Load::start(&pipeline, ROWS).await?;
    let rest = pipeline.rest();
    rest.put_config("sink", &pipeline.sink_config(&json!({})))
        .await?;
    rest.put_config("source", &pipeline.source_config(&json!({})))
        .await?;
    let folder = pipeline
        .worker
        .directory()
        .join("log")
        .display()
        .to_string();
    let parts = [
        folder.as_str(),
        "cannot write",
        "MB are free",
        "goes on by itself",
    ];
    let trace = rest.wait_failed("source").await?;
    assert_names(&trace, &parts);
    // It answers, and says the same to whoever wants something stored, be it ever so little.
    fill(&rest, &parts).await?;
    load.step(&pipeline).await?;
    // A worker that is started meanwhile waits, too, and so do readers that cannot keep their schema history.
    pipeline.worker.kill9();
    pipeline.worker.start_again().await?;
    pipeline
        .log_has("The schema history topic 'shop.history' did not take a record")
        .await?;
    load.step(&pipeline).await?;
    pipeline.worker.lift_file_limit()?;
    load.arrives(&pipeline).await?;
    for name in ["source", "sink"] {
        rest.wait_running(name).await?;
    }
    load.nothing_is_lost(&pipeline).await
}

/// Without transaction ids the position of a schema change is behind its statement.
#[tokio::test]
async fn a_statement_that_the_history_has_no_room_for_is_read_again() -> Result<()> {
    let options = PipelineOptions {
        file_bytes: Some(FILE_BYTES),
        ..PipelineOptions::default()
    };
    let source = ["--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"]
        .into_iter()
        .fold(flushed_to_the_kernel(), MySqlOptions::arg);
    let pipeline = CdcPipeline::start_from(MySql::start(source).await?, options).await?;
    pipeline.create_t().await?;
    let rest = pipeline.rest();
    rest.put_config("source", &pipeline.source_config(&json!({})))
        .await?;
    let insert = "INSERT INTO t (id) SELECT MAX(id) + 1 FROM t";
    pipeline.streams("source", insert).await?;
    fill(&rest, &["cannot write"]).await?;
    let changes = "ALTER TABLE t ADD COLUMN w INT; INSERT INTO t VALUES (1000, 7, 8)";
    pipeline.source.exec("shop", changes).await?;
    let refused = "The schema history topic 'shop.history' did not take a record";
    pipeline.log_has(refused).await?;
    pipeline.worker.lift_file_limit()?;
    rest.put_config("sink", &pipeline.sink_config(&json!({})))
        .await?;
    pipeline.sides_agree("id, v, w").await?;
    rest.wait_running("source").await.map(drop)
}
