//! Tables that are renamed, where the schema history has captured tables alone.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tidegate_integration_tests::{MariaDb, MySql, MySqlOptions, MySqlServer};

use crate::pair::Pair;

fn settings() -> Value {
    json!({
        "table.include.list": "shop.mark,shop.t",
        "schema.history.internal.store.only.captured.tables.ddl": "true",
    })
}

/// A table like `t` whose columns stand in another order has been made, and the connector knows nothing of it any more.
async fn with_a_table_that_is_not_known(server: MySqlServer) -> Result<Pair> {
    let table = "CREATE TABLE t (id INT PRIMARY KEY, x INT, y INT)";
    let pair = Pair::streaming_with(server, table, &settings()).await?;
    let other = "CREATE TABLE g LIKE t; ALTER TABLE g MODIFY y INT AFTER id; INSERT INTO t VALUES (5, 50, 500)";
    pair.server.exec("shop", other).await?;
    pair.marked("mark").await?;
    pair.restart().await?;
    pair.marked("mark").await?;
    Ok(pair)
}

/// The original takes x for y, in silence, if it was restarted behind the rename.
#[tokio::test]
async fn rows_of_a_renamed_table_that_is_not_known_stop_the_task_and_name_the_rename() -> Result<()>
{
    let server = MariaDb::start(MySqlOptions::default()).await?;
    let pair = with_a_table_that_is_not_known(server).await?;
    pair.server
        .exec("shop", "RENAME TABLE t TO o, g TO t")
        .await?;
    pair.marked("mark").await?;
    pair.restart().await?;
    pair.marked("mark").await?;
    pair.server
        .exec("shop", "INSERT INTO t (id, x, y) VALUES (2, 20, 200)")
        .await?;
    let trace = pair.rest().wait_failed("d").await?;
    for part in [
        "shop.t",
        "RENAME TABLE g TO t",
        "binlog_row_metadata=FULL",
        "snapshot.mode=recovery",
    ] {
        ensure!(trace.contains(part), "{part} is not in {trace}");
    }
    // Nobody has altered a table since.
    pair.stop().await?;
    let mut recovery = settings();
    recovery["snapshot.mode"] = "recovery".into();
    pair.post(&recovery).await?;
    pair.rest().resume("d").await?;
    pair.marked("mark").await?;
    let rows = pair.rows("t").await?;
    let expected = [
        (5, json!({"x": 50, "y": 500})),
        (2, json!({"x": 20, "y": 200})),
    ];
    ensure!(rows == BTreeMap::from(expected), "{rows:?}");
    Ok(())
}

/// Where the log has the names of columns, the server's definition is held against them.
#[tokio::test]
async fn names_in_the_log_tell_the_columns_of_a_renamed_table() -> Result<()> {
    let full = || MySqlOptions::default().arg("--binlog-row-metadata=FULL");
    for server in [MariaDb::start(full()).await?, MySql::start(full()).await?] {
        let pair = with_a_table_that_is_not_known(server).await?;
        pair.server
            .exec("shop", "RENAME TABLE t TO o, g TO t")
            .await?;
        pair.marked("mark").await?;
        pair.restart().await?;
        pair.marked("mark").await?;
        let rows = "INSERT INTO t (id, x, y) VALUES (2, 20, 200)";
        pair.server.exec("shop", rows).await?;
        pair.marked("mark").await?;
        // Its definition is in the history now.
        pair.restart().await?;
        let more = "ALTER TABLE t ADD z INT; INSERT INTO t (id, x, y, z) VALUES (3, 30, 300, 3000)";
        pair.server.exec("shop", more).await?;
        pair.marked("mark").await?;
        let rows = pair.rows("t").await?;
        let expected = [
            (5, json!({"x": 50, "y": 500})),
            (2, json!({"x": 20, "y": 200})),
            (3, json!({"x": 30, "y": 300, "z": 3000})),
        ];
        ensure!(rows == BTreeMap::from(expected), "{rows:?}");
    }
    Ok(())
}

/// Swapped without a restart, renamed away and made again, and moved to another database.
#[tokio::test]
async fn names_of_captured_tables_that_go_to_others_do_not_keep_their_columns() -> Result<()> {
    let server = MariaDb::start(MySqlOptions::default()).await?;
    let table = "CREATE TABLE t (id INT PRIMARY KEY, x INT, y INT); CREATE DATABASE archive";
    let pair = Pair::streaming_with(server, table, &settings()).await?;
    let swapped =
        "CREATE TABLE g LIKE t; ALTER TABLE g MODIFY y INT AFTER id; RENAME TABLE t TO o, g TO t;
                   INSERT INTO t (id, x, y) VALUES (1, 10, 100)";
    pair.server.exec("shop", swapped).await?;
    pair.marked("mark").await?;
    pair.restart().await?;
    let again = "INSERT INTO t (id, x, y) VALUES (2, 20, 200); ALTER TABLE t RENAME TO archive.t";
    pair.server.exec("shop", again).await?;
    pair.marked("mark").await?;
    pair.restart().await?;
    let made = "CREATE TABLE IF NOT EXISTS t (id INT PRIMARY KEY, v VARCHAR(5)); INSERT INTO t VALUES (3, 'three')";
    pair.server.exec("shop", made).await?;
    pair.marked("mark").await?;
    let rows = pair.rows("t").await?;
    let expected = [
        (1, json!({"x": 10, "y": 100})),
        (2, json!({"x": 20, "y": 200})),
        (3, json!({"v": "three"})),
    ];
    ensure!(rows == BTreeMap::from(expected), "{rows:?}");
    Ok(())
}
