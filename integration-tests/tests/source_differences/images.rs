//! Row images that do not have everything, and such that are large.

use anyhow::{Result, ensure};
use serde_json::json;
use tidegate_integration_tests::{MariaDb, MySql, MySqlOptions, MySqlServer};

use crate::pair::Pair;

/// The original passes over such updates without a word.
#[tokio::test]
async fn partial_updates_of_json_are_refused() -> Result<()> {
    let server = MySql::start(MySqlOptions::default()).await?;
    let t = "CREATE TABLE t (id INT PRIMARY KEY, j JSON); INSERT INTO t VALUES (1, '{\"a\": 1, \"b\": 2}')";
    let pair = Pair::streaming(server, t).await?;
    let rest = pair.worker.rest();
    let update = "UPDATE t SET j = JSON_SET(j, '$.a', 2)";
    let partial = "binlog_row_value_options=PARTIAL_JSON";
    pair.server
        .exec("shop", &format!("SET SESSION {partial}; {update}"))
        .await?;
    let trace = rest.wait_failed("d").await?;
    for text in ["The update at mysql-bin.0", partial, "new snapshot"] {
        ensure!(trace.contains(text), "no '{text}' in {trace}");
    }
    pair.server
        .exec("", &format!("SET GLOBAL {partial}"))
        .await?;
    rest.delete("d").await?;
    pair.post(&json!({})).await?;
    let trace = rest.wait_failed("d").await?;
    for text in ["The server writes only the changed parts", partial] {
        ensure!(trace.contains(text), "no '{text}' in {trace}");
    }
    Ok(())
}

/// Without full images, columns would become null; `f` has what servers may leave out though images are full.
async fn only_full_images_pass(server: MySqlServer, f: &str) -> Result<()> {
    let tables = format!(
        "CREATE TABLE t (id INT PRIMARY KEY, a INT, b TEXT); INSERT INTO t VALUES (1, 1, 'x');
         CREATE TABLE f (id INT PRIMARY KEY, {f})"
    );
    let pair = Pair::streaming(server, &tables).await?;
    let statements = "INSERT INTO f (id, a) VALUES (1, 1), (2, 2); UPDATE f SET a = 3 WHERE id = 1; DELETE FROM f WHERE id = 2";
    pair.server.exec("shop", statements).await?;
    pair.marked("mark").await?;
    let statements = [
        "INSERT INTO t (id) VALUES (2)",
        "UPDATE t SET a = a + 1",
        "DELETE FROM t WHERE id = 2",
    ];
    for (image, statement, missing) in [
        ("MINIMAL", statements[0], "a, b"),
        ("MINIMAL", statements[1], "a, b"),
        ("NOBLOB", statements[1], "b"),
        ("MINIMAL", statements[2], "a, b"),
    ] {
        let sql = format!("SET SESSION binlog_row_image={image}; {statement}");
        pair.server.exec("shop", &sql).await?;
        let trace = pair.rest().wait_failed("d").await?;
        for text in [
            "The rows of table shop.t at mysql-bin.0",
            &format!("{missing} is missing"),
            "Set binlog_row_image=FULL",
            "new snapshot",
        ] {
            ensure!(
                trace.contains(text),
                "{image} {statement}: no '{text}' in {trace}"
            );
        }
        // The cure; and no mode lets such rows pass.
        let always =
            json!({"snapshot.mode": "always", "event.processing.failure.handling.mode": "skip"});
        pair.stop().await?;
        pair.post(&always).await?;
        pair.rest().resume("d").await?;
        pair.marked("mark").await?;
    }
    let rows = pair.rows("t").await?;
    ensure!(rows[&1] == json!({"a": 3, "b": "x"}), "{rows:?}");
    let rows = pair.rows("f").await?;
    ensure!(rows[&1]["g"] == 4 && rows[&1]["s"] == 5, "{rows:?}");
    Ok(())
}

#[tokio::test]
async fn only_full_images_of_mariadb_pass() -> Result<()> {
    let f = "a INT, g INT AS (a + 1) VIRTUAL, s INT AS (a + 2) STORED, i INT INVISIBLE";
    only_full_images_pass(MariaDb::start(MySqlOptions::default()).await?, f).await
}

#[tokio::test]
async fn only_full_images_of_mysql_pass() -> Result<()> {
    let f = "a INT, g INT AS (a + 1) VIRTUAL, s INT AS (a + 2) STORED, i INT INVISIBLE, INDEX ((a * 2))";
    only_full_images_pass(MySql::start(MySqlOptions::default()).await?, f).await
}

/// What one event has may be more than the server takes of a client.
#[tokio::test]
async fn events_may_be_larger_than_the_servers_packets() -> Result<()> {
    let options = MySqlOptions::default().arg("--max-allowed-packet=16M");
    let server = MariaDb::start(options).await?;
    let pair = Pair::start(server).await?;
    let tables = "CREATE DATABASE shop; USE shop; CREATE TABLE mark (id INT PRIMARY KEY);
                  CREATE TABLE t (id INT PRIMARY KEY, a INT, b LONGTEXT); INSERT INTO t VALUES (1, 1, REPEAT('x', 9000000))";
    pair.server.exec("", tables).await?;
    pair.post(&json!({"column.exclude.list": "shop.t.b"}))
        .await?;
    pair.marked("mark").await?;
    let update = "UPDATE t SET a = 2, b = REPEAT('y', 9000000)";
    pair.server.exec("shop", update).await?;
    pair.marked("mark").await?;
    let rows = pair.rows("t").await?;
    ensure!(rows[&1] == json!({"a": 2}), "{rows:?}");
    Ok(())
}
