//! Values of sizes that nobody expects: told by name, passed over alone where that is asked for, and never the end of the
//! worker.

use anyhow::{Result, ensure};
use serde_json::json;
use tidegate_integration_tests::{
    CdcPipeline, MariaDb, PipelineOptions, SERVER_DEADLINE, eventually, flushed_to_the_kernel, row,
};

use crate::assert_names;

/// Three rows of which the middle one has a text of 512 MB. InnoDB would want a redo log of several times that size.
const LARGE: &str = "REPEAT('x', 512 * 1024 * 1024)";

#[tokio::test]
async fn a_value_of_512_mb_is_named_and_takes_no_other_with_it() -> Result<()> {
    let source = MariaDb::start(flushed_to_the_kernel().arg("--max-allowed-packet=1G")).await?;
    let pipeline = CdcPipeline::start_from(source, PipelineOptions::default()).await?;
    let table = "CREATE TABLE t (id INT PRIMARY KEY, v LONGTEXT) ENGINE=MyISAM";
    pipeline.source.exec("shop", table).await?;
    let rows = |from: u32| {
        let [a, b, c] = [from, from + 1, from + 2];
        format!("INSERT INTO t VALUES ({a}, 'a'), ({b}, {LARGE}), ({c}, 'c')")
    };
    pipeline.source.exec("shop", &rows(1)).await?;
    let rest = pipeline.rest();
    rest.put_config("sink", &pipeline.sink_config(&json!({})))
        .await?;

    // The snapshot has it.
    rest.put_config("source", &pipeline.source_config(&json!({})))
        .await?;
    let trace = rest.wait_failed("source").await?;
    assert_names(
        &trace,
        &["shop.shop.t", "max.message.bytes", "not of 53687"],
    );

    // The stream has one, too.
    let tolerant =
        pipeline.source_config(&json!({"errors.tolerance": "all", "errors.log.enable": "true"}));
    rest.put_config("source", &tolerant).await?;
    pipeline
        .target_has("id", &[row(&["1"]), row(&["3"])])
        .await?;
    pipeline.source.exec("shop", &rows(4)).await?;
    let expected = [1, 3, 4, 6].map(|id: u32| row(&[&id.to_string()]));
    pipeline.target_has("id", &expected).await?;
    eventually(SERVER_DEADLINE, "the source runs", || async {
        let status = rest.status("source").await?;
        ensure!(status["tasks"][0]["state"] == "RUNNING", "{status}");
        Ok(())
    })
    .await
}
