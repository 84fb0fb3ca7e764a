//! What the server executes with each heartbeat (`heartbeat.action.query`).

use anyhow::{Result, ensure};
use serde_json::json;
use tidegate_integration_tests::{
    MariaDb, MySql, MySqlOptions, MySqlServer, SERVER_DEADLINE, eventually, merge,
};

use crate::pair::Pair;

const INSERT: &str = "INSERT INTO shop.beats (n) VALUES (7)";

async fn the_action_is_executed_again_and_again(server: MySqlServer) -> Result<()> {
    let beats = "CREATE TABLE beats (id INT AUTO_INCREMENT PRIMARY KEY, n INT)";
    let action = json!({"heartbeat.interval.ms": "50", "heartbeat.action.query": INSERT, "connect.keep.alive.interval.ms": "1000"});
    let pair = Pair::streaming_with(server, beats, &action).await?;
    // A heartbeat is asked for behind each event, that of the server among them.
    eventually(SERVER_DEADLINE, "three rows", || async {
        let rows = pair.server.rows("shop", "SELECT n FROM beats").await?;
        ensure!(rows.len() >= 3, "{rows:?}");
        Ok(())
    })
    .await?;
    // A table that is gone is said, and the stream goes on.
    pair.server
        .exec("shop", "RENAME TABLE beats TO gone")
        .await?;
    let mark = "INSERT INTO mark SELECT MAX(id) + 1 FROM mark";
    eventually(SERVER_DEADLINE, "a warning", || async {
        pair.server.exec("shop", mark).await?;
        let warnings = pair.log_lines("Could not execute heartbeat action query: INSERT");
        ensure!(!warnings.is_empty(), "no warning");
        Ok(())
    })
    .await?;
    pair.server
        .exec("shop", "RENAME TABLE gone TO beats")
        .await?;
    // A statement that no repetition would make right ends the task.
    let wrong = "INSERT INTO beats (n) VALUES (8)";
    let action = merge(action, &json!({"heartbeat.action.query": wrong}));
    pair.post(&action).await?;
    pair.server
        .exec("shop", "INSERT INTO mark VALUES (100000)")
        .await?;
    let trace = pair.rest().wait_failed("d").await?;
    ensure!(
        trace.contains("Could not execute heartbeat action query (Error: "),
        "{trace}"
    );
    ensure!(
        trace.contains("names of tables need their database"),
        "{trace}"
    );
    let rows = pair.rows("beats").await?;
    ensure!(
        rows.len() >= 3 && rows.values().all(|row| row["n"] == 7),
        "{rows:?}"
    );
    Ok(())
}

#[tokio::test]
async fn mariadb_executes_the_action_of_heartbeats() -> Result<()> {
    the_action_is_executed_again_and_again(MariaDb::start(MySqlOptions::default()).await?).await
}

#[tokio::test]
async fn mysql_executes_the_action_of_heartbeats() -> Result<()> {
    the_action_is_executed_again_and_again(MySql::start(MySqlOptions::default()).await?).await
}
