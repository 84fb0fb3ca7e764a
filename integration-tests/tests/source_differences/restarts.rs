//! What a restart knows of tables that statements have changed.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use serde_json::json;
use tidegate_integration_tests::{
    MariaDb, MySql, MySqlOptions, MySqlServer, SERVER_DEADLINE, eventually,
};

use crate::pair::Pair;

/// The old name is free: a table that takes it has its own columns, also after a restart.
#[tokio::test]
async fn a_rename_by_alter_is_known_after_a_restart() -> Result<()> {
    let server = MariaDb::start(MySqlOptions::default()).await?;
    let pair = Pair::streaming(server, "CREATE TABLE t (id INT PRIMARY KEY, v INT)").await?;
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

/// The stored offset is that of the schema change, and the server sends its statement again.
async fn statements_are_applied_once(server: MySqlServer) -> Result<()> {
    let tables = "CREATE TABLE a (id INT PRIMARY KEY, v INT); CREATE TABLE b (id INT PRIMARY KEY, w VARCHAR(5));
                  CREATE TABLE t (id INT PRIMARY KEY, v INT)";
    let pair = Pair::streaming(server, tables).await?;
    for change in [
        "ALTER TABLE t ADD COLUMN n INT",
        "RENAME TABLE a TO c, b TO a, c TO b",
        "ALTER TABLE t CHANGE v n INT, CHANGE n v INT",
    ] {
        pair.change_schema(change).await?;
        pair.stop().await?;
        pair.rest().resume("d").await?;
        pair.marked("mark").await?;
    }
    let rows = "INSERT INTO a VALUES (1, 'one'); INSERT INTO b VALUES (1, 1); INSERT INTO t (id, n, v) VALUES (1, 2, 3)";
    pair.server.exec("shop", rows).await?;
    pair.marked("mark").await?;
    for (table, row) in [
        ("a", json!({"w": "one"})),
        ("b", json!({"v": 1})),
        ("t", json!({"n": 2, "v": 3})),
    ] {
        let rows = pair.rows(table).await?;
        ensure!(rows == BTreeMap::from([(1, row)]), "{table}: {rows:?}");
    }
    Ok(())
}

#[tokio::test]
async fn statements_of_mariadb_are_applied_once() -> Result<()> {
    statements_are_applied_once(MariaDb::start(MySqlOptions::default()).await?).await
}

#[tokio::test]
async fn statements_of_mysql_are_applied_once() -> Result<()> {
    statements_are_applied_once(MySql::start(MySqlOptions::default()).await?).await
}

/// A server that is asked for transactions begins with the whole file.
async fn a_heartbeat_after_the_snapshot_keeps_its_tables(server: MySqlServer) -> Result<()> {
    let pair = Pair::start(server).await?;
    let setup = "CREATE DATABASE shop; USE shop; CREATE TABLE mark (id INT PRIMARY KEY)";
    pair.server.exec("", setup).await?;
    pair.post(&json!({"heartbeat.interval.ms": "1"})).await?;
    let rest = pair.rest();
    eventually(SERVER_DEADLINE, "a heartbeat", || async {
        let topics = rest.get("/connectors/d/topics").await?.success()?;
        ensure!(
            topics.to_string().contains("__debezium-heartbeat.d"),
            "{topics}"
        );
        Ok(())
    })
    .await?;
    pair.stop().await?;
    let offset = pair.offset().await?;
    let (file, end) = pair.end_of_log().await?;
    ensure!(
        offset["file"] == file.as_str() && offset["pos"] == end,
        "{offset}"
    );
    rest.resume("d").await?;
    pair.marked("mark").await?;
    rest.wait_running("d").await.map(drop)
}

#[tokio::test]
async fn a_heartbeat_after_the_snapshot_of_mariadb_keeps_its_tables() -> Result<()> {
    let server = MariaDb::start(MySqlOptions::default()).await?;
    a_heartbeat_after_the_snapshot_keeps_its_tables(server).await
}

#[tokio::test]
async fn a_heartbeat_after_the_snapshot_of_mysql_keeps_its_tables() -> Result<()> {
    let server = MySql::start(MySqlOptions::default()).await?;
    a_heartbeat_after_the_snapshot_keeps_its_tables(server).await
}

/// With `lower_case_table_names=1` statements may spell names as they like; the log has them in lower case.
#[tokio::test]
async fn names_in_any_case_are_those_of_one_table() -> Result<()> {
    let options = MySqlOptions::default().arg("--lower-case-table-names=1");
    let server = MariaDb::start(options).await?;
    let pair = Pair::streaming(server, "").await?;
    let changes = "CREATE TABLE T (id INT PRIMARY KEY); INSERT INTO t VALUES (1); ALTER TABLE T ADD COLUMN v INT; \
                   INSERT INTO t VALUES (2, 2); ALTER TABLE Shop.t DROP COLUMN V, ADD COLUMN w INT; INSERT INTO t VALUES (3, 3)";
    pair.server.exec("shop", changes).await?;
    pair.marked("mark").await?;
    let rows = pair.rows("T").await?;
    let expected = [(1, json!({})), (2, json!({"v": 2})), (3, json!({"w": 3}))];
    ensure!(rows == BTreeMap::from(expected), "{rows:?}");
    Ok(())
}
