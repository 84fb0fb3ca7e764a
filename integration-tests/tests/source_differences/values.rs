//! Snapshot and stream agree where those of the originals do not.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tidegate_integration_tests::{MariaDb, MySql, MySqlOptions, MySqlServer};

use crate::pair::Pair;

/// Row 1 is in the snapshot and row 2 in the stream; both are as expected.
async fn agree(server: MySqlServer, columns: &str, values: &str, expected: &Value) -> Result<()> {
    let pair = Pair::start(server).await?;
    let mode = "SET NAMES utf8mb4; SET sql_mode=''";
    pair.server
        .exec(
            "",
            &format!(
                "{mode}; CREATE DATABASE shop CHARACTER SET utf8mb4; USE shop; CREATE TABLE mark (id INT PRIMARY KEY);
                 CREATE TABLE t (id INT PRIMARY KEY, {columns}); INSERT INTO t VALUES (1, {values})"
            ),
        )
        .await?;
    pair.post(&json!({})).await?;
    pair.marked("mark").await?;
    pair.server
        .exec(
            "shop",
            &format!("{mode}; INSERT INTO t VALUES (2, {values})"),
        )
        .await?;
    pair.marked("mark").await?;
    let rows = pair.rows("t").await?;
    for (id, origin) in [(1, "snapshot"), (2, "stream")] {
        let row = rows
            .get(&id)
            .with_context(|| format!("{origin}: {rows:?}"))?;
        ensure!(row == expected, "{origin}: {row} instead of {expected}");
    }
    Ok(())
}

#[tokio::test]
async fn mariadb_values_agree() -> Result<()> {
    let server = MariaDb::start(MySqlOptions::default()).await?;
    let columns = "u UUID, i4 INET4, i40 INET4, i4z INET4, i6 INET6, i6m INET6, i60 INET6, i6z INET6, jp VARCHAR(20) CHARACTER SET cp932, d DATETIME";
    let values = "'123e4567-e89b-12d3-a456-426655440000', '10.0.0.255', '10.0.0.0', '0.0.0.0', '2001:db8::1:0:0:1', '::ffff:1.2.3.4', '2001:db8::', '::', '漢字①ｶﾅ', '1582-10-10 00:00:00'";
    let expected = json!({
        "u": "123e4567-e89b-12d3-a456-426655440000",
        "i4": "10.0.0.255",
        "i6": "2001:db8::1:0:0:1",
        "i6m": "::ffff:1.2.3.4",
        "i40": "10.0.0.0",
        "i4z": "0.0.0.0",
        "i60": "2001:db8::",
        "i6z": "::",
        "jp": "漢字①ｶﾅ",
        "d": -12_219_724_800_000_i64,
    });
    agree(server, columns, values, &expected).await
}

/// The original stops at the first row.
#[tokio::test]
async fn compressed_columns_agree() -> Result<()> {
    let server = MariaDb::start(MySqlOptions::default()).await?;
    let columns = "long_text TEXT COMPRESSED, latin VARCHAR(1000) COMPRESSED CHARACTER SET latin1, short BLOB COMPRESSED,
                   empty VARBINARY(500) COMPRESSED=zlib, nothing LONGTEXT COMPRESSED NULL, after_them VARCHAR(20), n DECIMAL(5,2)";
    let long = "漢字①".repeat(300);
    let latin = "äbc".repeat(200);
    let values = format!("'{long}', '{latin}', 'x', '', NULL, 'end', 1.25");
    let expected = json!({
        "long_text": long,
        "latin": latin,
        "short": "eA==",
        "empty": "",
        "nothing": null,
        "after_them": "end",
        "n": "fQ==",
    });
    agree(server, columns, &values, &expected).await
}

#[tokio::test]
async fn mysql_values_agree() -> Result<()> {
    let server = MySql::start(MySqlOptions::default()).await?;
    let columns =
        "jp VARCHAR(20) CHARACTER SET cp932, ua VARCHAR(20) CHARACTER SET koi8u, d DATETIME";
    let values = "'漢字①ｶﾅ', 'Їжак ґ', '1582-10-10 00:00:00'";
    let expected = json!({
        "jp": "漢字①ｶﾅ",
        "ua": "Їжак ґ",
        "d": -12_219_724_800_000_i64,
    });
    agree(server, columns, values, &expected).await
}

/// The original stops at the first value of a sequence.
#[tokio::test]
async fn sequences_are_passed_over() -> Result<()> {
    let server = MariaDb::start(MySqlOptions::default()).await?;
    let pair = Pair::streaming(
        server,
        "CREATE SEQUENCE early; CREATE TABLE t (id INT PRIMARY KEY)",
    )
    .await?;
    let changes = "SELECT NEXTVAL(early); CREATE SEQUENCE late; SELECT NEXTVAL(late); SELECT SETVAL(late, 100);
                   RENAME TABLE late TO later; SELECT NEXTVAL(later); ALTER SEQUENCE later INCREMENT BY 5; DROP SEQUENCE later;
                   INSERT INTO t VALUES (NEXTVAL(early))";
    pair.server.exec("shop", changes).await?;
    pair.stop().await?;
    pair.server.exec("shop", "SELECT NEXTVAL(early)").await?;
    pair.rest().resume("d").await?;
    pair.marked("mark").await?;
    let rows = pair.rows("t").await?;
    ensure!(rows.len() == 1, "{rows:?}");
    Ok(())
}

/// The original stops at the first row.
#[tokio::test]
async fn versions_of_rows_that_have_ended_are_no_changes() -> Result<()> {
    let server = MariaDb::start(MySqlOptions::default()).await?;
    let tables = "CREATE TABLE t (id INT PRIMARY KEY, v INT) WITH SYSTEM VERSIONING; INSERT INTO t VALUES (1, 1), (2, 1), (3, 1)";
    let pair = Pair::streaming(server, tables).await?;
    let changes = "UPDATE t SET v = 2; DELETE FROM t WHERE id = 3; INSERT INTO t VALUES (4, 1);
                   SET system_versioning_alter_history=KEEP; ALTER TABLE t ADD COLUMN w INT DEFAULT 7;
                   UPDATE t SET v = 3 WHERE id = 2; DELETE HISTORY FROM t; ALTER TABLE t DROP SYSTEM VERSIONING;
                   INSERT INTO t VALUES (5, 5, 5)";
    pair.server.exec("shop", changes).await?;
    pair.marked("mark").await?;
    let operations = pair.operations("t").await?;
    let expected = [
        "r 1", "r 2", "r 3", "u 1", "u 2", "u 3", "d 3", "c 4", "u 2", "c 5",
    ];
    ensure!(operations == expected, "{operations:?}");
    let rows = pair.rows("t").await?;
    ensure!(rows[&1] == json!({"v": 2}), "{rows:?}");
    ensure!(rows[&2] == json!({"v": 3, "w": 7}), "{rows:?}");
    ensure!(rows[&5] == json!({"v": 5, "w": 5}), "{rows:?}");
    Ok(())
}
