//! A network that falls silent, at each moment, or that alters an event.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tidegate_integration_tests::{CdcPipeline, SERVER_DEADLINE, eventually};

use crate::assert_names;
use crate::relay::{Network, Relay};
use crate::sessions::{create_large, wait_for_session};

const INSERT: &str = "INSERT INTO t (id) SELECT MAX(id) + 1 FROM t";

async fn relayed() -> Result<(CdcPipeline, Relay, Value)> {
    let pipeline = CdcPipeline::start().await?;
    pipeline.create_t().await?;
    let relay = Relay::start(pipeline.source.port()).await?;
    let config = pipeline.source_config(&json!({
        "database.port": relay.port.to_string(), "connect.timeout.ms": "1000",
        "connect.keep.alive.interval.ms": "1000", "database.query.timeout.ms": "1000",
    }));
    Ok((pipeline, relay, config))
}

/// Waits until the log has a text once more than before `action`.
async fn says(pipeline: &CdcPipeline, text: &str, action: impl FnOnce()) -> Result<()> {
    let count = || pipeline.worker.log().matches(text).count();
    let before = count();
    action();
    eventually(SERVER_DEADLINE, text, || async {
        ensure!(count() > before, "{}", pipeline.worker.log_tail());
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_network_that_falls_silent_is_noticed_in_every_phase() -> Result<()> {
    let (pipeline, relay, config) = relayed().await?;
    create_large(&pipeline).await?;
    let rest = pipeline.rest();
    rest.put_config("source", &config).await?;
    wait_for_session(&pipeline, "FROM `shop`.`large`").await?;
    let silent = || relay.set(Network::Silent);
    says(&pipeline, "(database.query.timeout.ms)", silent).await?;
    says(&pipeline, "Timed out after 1 seconds", silent).await?;
    relay.set(Network::Works);
    pipeline.streams("source", INSERT).await?;
    says(&pipeline, "The server was silent for 2s", silent).await?;
    // A stop does not wait for a server that does not answer.
    rest.stop("source").await?;
    rest.wait_state("source", "STOPPED").await?;
    relay.set(Network::Works);
    rest.resume("source").await?;
    pipeline.streams("source", INSERT).await
}

#[tokio::test]
async fn an_event_that_is_altered_is_read_again_and_one_that_stays_so_is_named() -> Result<()> {
    let (pipeline, relay, config) = relayed().await?;
    let rest = pipeline.rest();
    let table = "CREATE TABLE n (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(20))";
    pipeline.source.exec("shop", table).await?;
    rest.put_config("source", &config).await?;
    pipeline.streams("source", INSERT).await?;
    relay.set(Network::Alters);
    let poison = "INSERT INTO n (v) VALUES ('POISON')";
    pipeline.source.exec("shop", poison).await?;
    pipeline.log_has("cannot be read").await?;
    let trace = rest.wait_failed("source").await?;
    let parts = [
        "could not be read 3 times in a row",
        "mysql-bin.000001/",
        "mysqlbinlog --start-position=",
        "take a new snapshot",
    ];
    assert_names(&trace, &parts);
    relay.set(Network::Works);
    rest.restart("source").await?;
    rest.post("/connectors/source/restart?includeTasks=true", None)
        .await?;
    pipeline.streams("source", INSERT).await
}
