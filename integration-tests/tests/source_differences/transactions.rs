//! Transactions that are rolled back and in the log all the same.

use std::ops::Range;

use anyhow::{Result, ensure};
use serde_json::json;
use tidegate_integration_tests::{MariaDb, MySql, MySqlOptions};

use crate::pair::Pair;

/// Rows come from a temporary table, which no rollback undoes, by a statement that is logged as rows: the log has them, and
/// `ROLLBACK` behind them.
fn rolled_back(first: u32, rows: u32) -> String {
    let values: Vec<String> = (first..first + rows).map(|id| format!("({id})")).collect();
    format!(
        "SET SESSION binlog_format = MIXED; BEGIN; CREATE TEMPORARY TABLE x (id INT); INSERT INTO x VALUES {};
         INSERT INTO t SELECT id FROM x WHERE UUID() IS NOT NULL; DROP TEMPORARY TABLE x; ROLLBACK",
        values.join(",")
    )
}

/// Two rows that a savepoint undoes in a transaction that is committed with one.
const UNDONE_IN_PART: &str = "SET SESSION binlog_format = MIXED; BEGIN; CREATE TEMPORARY TABLE x (id INT); SAVEPOINT a;
    INSERT INTO x VALUES (31), (32); INSERT INTO t SELECT id FROM x WHERE UUID() IS NOT NULL; ROLLBACK TO a;
    INSERT INTO t VALUES (7); COMMIT";

fn inserts(ids: Range<u32>) -> String {
    let inserts: Vec<String> = ids
        .map(|id| format!("INSERT INTO t VALUES ({id});"))
        .collect();
    inserts.concat()
}

#[tokio::test]
async fn rows_of_rolled_back_transactions_are_held_back() -> Result<()> {
    let server = MariaDb::start(MySqlOptions::default()).await?;
    let table = "CREATE TABLE t (id INT PRIMARY KEY)";
    let pair = Pair::streaming_with(server, table, &json!({"binlog.buffer.size": "6"})).await?;
    pair.server.exec("shop", &rolled_back(31, 1)).await?;
    pair.server.exec("shop", UNDONE_IN_PART).await?;
    let large = inserts(100..140);
    pair.server
        .exec("shop", &format!("BEGIN; {large} COMMIT"))
        .await?;
    pair.marked("mark").await?;
    // Larger than the buffer, and than one event.
    pair.server.exec("shop", &rolled_back(1000, 9000)).await?;
    pair.server
        .exec(
            "shop",
            "INSERT INTO t VALUES (1); ALTER TABLE t ADD v INT; INSERT INTO t VALUES (2, 2)",
        )
        .await?;
    pair.marked("mark").await?;
    let rows: Vec<i64> = pair.rows("t").await?.into_keys().collect();
    let expected: Vec<i64> = [1, 2, 7].into_iter().chain(100..140).collect();
    ensure!(rows == expected, "{rows:?}");
    ensure!(
        pair.log_lines("was rolled back").is_empty(),
        "{}",
        pair.worker.log_tail()
    );
    Ok(())
}

#[tokio::test]
async fn without_a_buffer_rolled_back_rows_are_warned_of() -> Result<()> {
    let server = MariaDb::start(MySqlOptions::default()).await?;
    let pair = Pair::streaming(server, "CREATE TABLE t (id INT PRIMARY KEY)").await?;
    pair.server.exec("shop", &rolled_back(31, 2)).await?;
    let xa = "XA START 'a'; INSERT INTO t VALUES (1); XA END 'a'; XA PREPARE 'a'; XA ROLLBACK 'a';
              XA START 'b'; INSERT INTO t VALUES (2); XA END 'b'; XA PREPARE 'b'; XA COMMIT 'b'";
    pair.server.exec("shop", xa).await?;
    pair.marked("mark").await?;
    pair.server.exec("shop", UNDONE_IN_PART).await?;
    pair.marked("mark").await?;
    let warned = pair.log_lines("was rolled back");
    ensure!(warned.len() == 3, "{warned:#?}");
    ensure!(
        warned[2].contains("to a savepoint") && warned[2].contains("2 records"),
        "{warned:#?}"
    );
    ensure!(
        warned[0].contains("2 records") && warned[0].contains("binlog.buffer.size"),
        "{warned:#?}"
    );
    ensure!(warned[1].contains("XA transaction"), "{warned:#?}");
    Ok(())
}

/// Every transaction of MySQL passes through the buffer, compressed or not.
#[tokio::test]
async fn transactions_of_mysql_come_whole_through_the_buffer() -> Result<()> {
    for compressed in ["OFF", "ON"] {
        let options =
            MySqlOptions::default().arg(format!("--binlog-transaction-compression={compressed}"));
        let server = MySql::start(options).await?;
        let table = "CREATE TABLE t (id INT PRIMARY KEY)";
        let pair = Pair::streaming_with(server, table, &json!({"binlog.buffer.size": "3"})).await?;
        let large = inserts(0..20);
        let changes = format!(
            "BEGIN; {large} COMMIT; BEGIN; INSERT INTO t VALUES (50); ROLLBACK;
             XA START 'a'; INSERT INTO t VALUES (60); XA END 'a'; XA PREPARE 'a'; XA COMMIT 'a';
             CREATE TABLE u SELECT * FROM t; ALTER TABLE t ADD v INT; INSERT INTO t VALUES (70, 1)"
        );
        pair.server.exec("shop", &changes).await?;
        pair.marked("mark").await?;
        pair.restart().await?;
        pair.server
            .exec("shop", "INSERT INTO t VALUES (80, 1)")
            .await?;
        pair.marked("mark").await?;
        let rows: Vec<i64> = pair.rows("t").await?.into_keys().collect();
        let expected: Vec<i64> = (0..20).chain([60, 70, 80]).collect();
        ensure!(rows == expected, "{rows:?}");
        ensure!(
            pair.rows("u").await?.len() == 21,
            "{:?}",
            pair.rows("u").await?
        );
    }
    Ok(())
}
