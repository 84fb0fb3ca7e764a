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
    // It answers, and says the same to whoever wants something stored, be it ever so little.
    let mut length = 200_000;
    while length > 100 {
        let note = "x".repeat(length);
        let config = json!({"connector.class": "FileStreamSource", "topic": "x", "note": note});
        let answer = put(&rest, "more", &config).await?;
        if answer.status == 500 {
            assert_names(&answer.body.to_string(), &parts);
            length /= 2;
        }
    }
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
