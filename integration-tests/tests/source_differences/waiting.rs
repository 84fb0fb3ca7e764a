//! Sources that wait say since when and for what, in their status and in the log, as sinks do.

use std::process::Command;

use anyhow::{Result, ensure};
use serde_json::json;
use tidegate_integration_tests::{
    MariaDb, MySqlOptions, SERVER_DEADLINE, eventually, tidegate_binary,
};

use crate::pair::Pair;

/// The status of task 0 while it waits; `None` once it runs.
async fn waits_for(pair: &Pair, text: Option<&str>) -> Result<()> {
    let what = format!("the status says {text:?}");
    eventually(SERVER_DEADLINE, &what, || async {
        let status = pair.rest().status("d").await?;
        let task = &status["tasks"][0];
        ensure!(task["state"] == "RUNNING", "{status}");
        match (text, task["trace"].as_str()) {
            (None, None) => Ok(()),
            (Some(text), Some(trace)) if trace.starts_with("Waiting since 2") => {
                ensure!(trace.contains(text), "{trace}");
                Ok(())
            }
            _ => anyhow::bail!("{status}"),
        }
    })
    .await
}

#[tokio::test]
async fn a_source_says_since_when_and_why_it_waits_for_its_server() -> Result<()> {
    let server = MariaDb::start(MySqlOptions::default()).await?;
    let settings = json!({"retriable.restart.connector.wait.ms": "500"});
    let pair = Pair::streaming_with(server, "", &settings).await?;
    waits_for(&pair, None).await?;
    pair.server.kill9();
    let address = format!("127.0.0.1:{}", pair.server.port());
    waits_for(&pair, Some(&address)).await?;
    let shown = Command::new(tidegate_binary()?)
        .args(["connectors", "status", "d", "--url", pair.rest().url()])
        .output()?;
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    ensure!(shown.contains("Waiting since"), "{shown}");
    ensure!(
        !pair.log_lines("waits: ").is_empty(),
        "{}",
        pair.worker.log_tail()
    );
    // A pause is shown, and the wait again behind it.
    pair.rest().pause("d").await?;
    pair.rest().wait_state("d", "PAUSED").await?;
    pair.rest().resume("d").await?;
    waits_for(&pair, Some(&address)).await?;
    pair.server.start_again().await?;
    waits_for(&pair, None).await?;
    ensure!(
        !pair.log_lines("goes on; it has waited for").is_empty(),
        "{}",
        pair.worker.log_tail()
    );
    pair.marked("mark").await
}

#[tokio::test]
async fn a_source_says_that_it_waits_for_the_lock_of_its_snapshot() -> Result<()> {
    let server = MariaDb::start(MySqlOptions::default()).await?;
    let pair = Pair::start(server).await?;
    let setup = "CREATE DATABASE shop; USE shop; CREATE TABLE mark (id INT PRIMARY KEY)";
    pair.server.exec("", setup).await?;
    let mut holder = pair.server.connect("shop").await?;
    mysql_async::prelude::Queryable::query_drop(&mut holder, "LOCK TABLES mark WRITE").await?;
    let settings = json!({
        "snapshot.lock.timeout.ms": "1000", "retriable.restart.connector.wait.ms": "500",
    });
    pair.post(&settings).await?;
    waits_for(&pair, Some("snapshot.lock.timeout.ms")).await?;
    holder.disconnect().await?;
    waits_for(&pair, None).await?;
    pair.marked("mark").await
}
