//! Clocks that jump.

use anyhow::Result;
use serde_json::json;
use tidegate_integration_tests::{CdcPipeline, row};

/// Statements and rows are told apart by their place in the log, whatever its times say: the schema history is recovered
/// after a server's clock has gone years ahead and back.
#[tokio::test]
async fn a_servers_clock_that_jumps_loses_nothing() -> Result<()> {
    let pipeline = CdcPipeline::start().await?;
    pipeline.create_t().await?;
    pipeline.run_both().await?;
    pipeline.target_has("id", &[row(&["1"])]).await?;
    let jumps = "SET timestamp = 2147000000; INSERT INTO t VALUES (2, 2); ALTER TABLE t ADD w INT; INSERT INTO t VALUES (3, 3, 30); \
                 SET timestamp = 86400; ALTER TABLE t ADD x INT FIRST; INSERT INTO t VALUES (400, 4, 4, 40)";
    pipeline.source.exec("shop", jumps).await?;
    pipeline
        .target_has("id", &["1", "2", "3", "4"].map(|id| row(&[id])))
        .await?;
    pipeline.worker.kill9();
    let later = "SET timestamp = 1000; UPDATE t SET x = 300 WHERE id = 3; SET timestamp = DEFAULT; INSERT INTO t VALUES (500, 5, 5, 50)";
    pipeline.source.exec("shop", later).await?;
    pipeline.worker.start_again().await?;
    let rest = pipeline.rest();
    rest.wait_running("source").await?;
    pipeline
        .target_has("id", &["1", "2", "3", "4", "5"].map(|id| row(&[id])))
        .await?;
    pipeline.sides_agree("id, v, w, x").await?;

    // Another source begins on a server whose log has been in the future.
    let name = json!({"topic.prefix": "ahead", "database.server.id": "7002",
        "schema.history.internal.kafka.topic": "ahead.history"});
    rest.put_config("ahead", &pipeline.source_config(&name))
        .await?;
    pipeline
        .streams("ahead", "INSERT INTO t SELECT 1, MAX(id) + 1, 1, 1 FROM t")
        .await?;
    pipeline.sides_agree("id, v, w, x").await
}
