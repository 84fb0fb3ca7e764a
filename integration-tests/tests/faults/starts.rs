//! Sources that cannot start, or whose reader comes upon something that it cannot read: never in silence.

use anyhow::Result;
use reqwest::Method;
use serde_json::json;
use tidegate_integration_tests::{CdcPipeline, Message, row};

use crate::assert_names;

/// Whatever such a connector captures: the snapshot reads the definitions of all tables.
#[tokio::test]
async fn definitions_that_are_no_text_do_not_stop_a_source() -> Result<()> {
    let pipeline = CdcPipeline::start().await?;
    let other = "CREATE DATABASE other; CREATE TABLE other.badge (id INT PRIMARY KEY, code VARBINARY(4) DEFAULT x'00ff')";
    pipeline.source.exec("", other).await?;
    pipeline.create_t().await?;
    let own = "CREATE TABLE badge (id INT PRIMARY KEY, code VARBINARY(3) NOT NULL DEFAULT x'80FE'); INSERT INTO badge (id) VALUES (1)";
    pipeline.source.exec("shop", own).await?;
    pipeline.run_both().await?;
    pipeline.target_has("id", &[row(&["1"])]).await?;
    pipeline
        .target_becomes("SELECT encode(code, 'hex') FROM badge", &[row(&["80fe"])])
        .await
}

/// As the original; a task that fails at its start can be stopped and started again.
#[tokio::test]
async fn an_offset_without_a_file_is_named() -> Result<()> {
    let pipeline = CdcPipeline::start().await?;
    pipeline.create_t().await?;
    let rest = pipeline.rest();
    rest.put_config("source", &pipeline.source_config(&json!({})))
        .await?;
    let insert = "INSERT INTO t (id) SELECT MAX(id) + 1 FROM t";
    pipeline.streams("source", insert).await?;
    for offset in [json!({"pos": 4}), json!({})] {
        rest.stop("source").await?;
        rest.wait_state("source", "STOPPED").await?;
        let patch = json!({"offsets": [{"partition": {"server": "shop"}, "offset": offset}]});
        rest.patch_offsets("source", &patch).await?;
        rest.resume("source").await?;
        let trace = rest.wait_failed("source").await?;
        assert_names(&trace, &["Source offset 'file' parameter is missing"]);
    }
    rest.restart("source").await?;
    rest.stop("source").await?;
    rest.wait_state("source", "STOPPED").await.map(drop)
}

/// Not that of the snapshot before, which might otherwise be one that was interrupted.
#[tokio::test]
async fn a_snapshot_after_offsets_were_removed_streams_from_its_own_position() -> Result<()> {
    let pipeline = CdcPipeline::start().await?;
    pipeline.create_t().await?;
    let rest = pipeline.rest();
    let config = pipeline.source_config(&json!({}));
    rest.put_config("source", &config).await?;
    let insert = "INSERT INTO t (id) SELECT MAX(id) + 1 FROM t";
    pipeline.streams("source", insert).await?;
    rest.stop("source").await?;
    rest.wait_state("source", "STOPPED").await?;
    let removed = rest
        .request(Method::DELETE, "/connectors/source/offsets", None)
        .await?;
    removed.success()?;
    pipeline
        .source
        .exec("shop", "DELETE FROM t WHERE id > 1")
        .await?;
    rest.resume("source").await?;
    pipeline.streams("source", insert).await?;
    assert_eq!(
        pipeline.worker.log().matches("Snapshot completed").count(),
        2
    );
    pipeline.worker.stop().await?;
    let records = pipeline.topic("shop.shop.t").await?;
    let operations = records.iter().map(Message::value_json);
    let operations = operations.map(|json| Ok(json?["payload"]["op"].clone()));
    let operations = operations.collect::<Result<Vec<_>>>()?;
    let second = operations.iter().rposition(|operation| operation == "r");
    let behind = &operations[second.unwrap_or_default()..];
    assert!(!behind.contains(&json!("d")), "{operations:?}");
    Ok(())
}
