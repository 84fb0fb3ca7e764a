//! The embedded log's disk is full.

use anyhow::Result;
use serde_json::json;
use tidegate_integration_tests::{CdcPipeline, MariaDb, PipelineOptions, flushed_to_the_kernel};

use crate::load::Load;
use crate::{assert_names, put};

/// Far less than what the rows need.
const FILE_BYTES: u64 = 6 * 1024 * 1024;
const ROWS: u64 = 20_000;

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
    // It answers, and says the same to whoever wants something stored.
    let big =
        json!({"connector.class": "FileStreamSource", "topic": "x", "file": "x".repeat(200_000)});
    let answer = put(&rest, "big", &big).await?;
    assert_eq!(answer.status, 500, "{}", answer.body);
    assert_names(&answer.body.to_string(), &parts);
    load.step(&pipeline).await?;
    // A worker that is started meanwhile waits, too.
    pipeline.worker.kill9();
    pipeline.worker.start_again().await?;
    load.step(&pipeline).await?;
    pipeline.worker.lift_file_limit()?;
    load.arrives(&pipeline).await?;
    for name in ["source", "sink"] {
        rest.wait_running(name).await?;
    }
    load.nothing_is_lost(&pipeline).await
}
