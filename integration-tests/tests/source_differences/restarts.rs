//! What a restart knows of tables that statements have changed.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use serde_json::json;
use tidegate_integration_tests::{MariaDb, MySqlOptions};

use crate::pair::Pair;

/// The old name is free: a table that takes it has its own columns, also after a restart.
#[tokio::test]
async fn a_rename_by_alter_is_known_after_a_restart() -> Result<()> {
    let pair = Pair::start(MariaDb::start(MySqlOptions::default()).await?).await?;
    pair.server
        .exec(
            "",
            "CREATE DATABASE shop; USE shop; CREATE TABLE mark (id INT PRIMARY KEY);
             CREATE TABLE t (id INT PRIMARY KEY, v INT)",
        )
        .await?;
    pair.post(&json!({})).await?;
    pair.marked("mark").await?;
    pair.server
        .exec(
            "shop",
            "ALTER TABLE t RENAME TO old; INSERT INTO old VALUES (1, 1)",
        )
        .await?;
    pair.marked("mark").await?;
    let rest = pair.worker.rest();
    rest.stop("d").await?;
    rest.wait_state("d", "STOPPED").await?;
    pair.server
        .exec(
            "shop",
            "CREATE TABLE t (id INT PRIMARY KEY, other VARCHAR(5), more INT);
             INSERT INTO t VALUES (2, 'two', 2); INSERT INTO old VALUES (3, 3)",
        )
        .await?;
    rest.resume("d").await?;
    pair.marked("mark").await?;
    let renamed = pair.rows("old").await?;
    ensure!(
        renamed == BTreeMap::from([(1, json!({"v": 1})), (3, json!({"v": 3}))]),
        "{renamed:?}"
    );
    let new = pair.rows("t").await?;
    ensure!(
        new == BTreeMap::from([(2, json!({"other": "two", "more": 2}))]),
        "{new:?}"
    );
    Ok(())
}
