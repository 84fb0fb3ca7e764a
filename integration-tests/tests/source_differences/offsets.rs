//! Offsets by transaction ids and without them.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use serde_json::json;
use tidegate_integration_tests::{
    MariaDb, MySql, MySqlOptions, MySqlServer, SERVER_DEADLINE, eventually,
};

use crate::pair::Pair;

/// The few transactions that were read since are not all that the server has.
#[tokio::test]
async fn offsets_without_transaction_ids_stay_without() -> Result<()> {
    let server = MySql::start(MySqlOptions::default()).await?;
    let pair = Pair::streaming(server, "CREATE TABLE t (id INT PRIMARY KEY, v INT)").await?;
    pair.stop().await?;
    let (file, pos) = pair.end_of_log().await?;
    let place = json!({"partition": {"server": "d"}, "offset": {"file": file, "pos": pos}});
    pair.rest()
        .patch_offsets("d", &json!({"offsets": [place]}))
        .await?;
    for v in 1..=2 {
        pair.rest().resume("d").await?;
        let insert = format!("INSERT INTO t VALUES ({v}, {v})");
        pair.server.exec("shop", &insert).await?;
        pair.marked("mark").await?;
        pair.stop().await?;
        let offset = pair.offset().await?;
        ensure!(offset.get("gtids").is_none(), "{offset}");
    }
    // The next file tells all transactions before it.
    pair.server.exec("shop", "FLUSH BINARY LOGS").await?;
    pair.rest().resume("d").await?;
    pair.marked("mark").await?;
    pair.stop().await?;
    let gtids = pair.offset().await?["gtids"].clone();
    ensure!(
        gtids.as_str().is_some_and(|set| set.contains(":1-")),
        "{gtids}"
    );
    pair.rest().resume("d").await?;
    pair.server
        .exec("shop", "INSERT INTO t VALUES (3, 3)")
        .await?;
    pair.marked("mark").await?;
    pair.rest().wait_running("d").await?;
    let rows = pair.rows("t").await?;
    ensure!(
        rows == BTreeMap::from([1, 2, 3].map(|v| (v, json!({"v": v})))),
        "{rows:?}"
    );
    Ok(())
}

/// A server of MariaDB that follows another one, and has everything of it.
async fn replica_of(server: &MySqlServer) -> Result<MySqlServer> {
    let options = [
        "--server-id=2",
        "--log-bin=other-bin",
        "--log-slave-updates",
    ]
    .into_iter()
    .fold(MySqlOptions::default(), MySqlOptions::arg);
    let replica = MariaDb::start(options).await?;
    let follow = format!(
        "CHANGE MASTER TO master_host='127.0.0.1', master_port={}, master_user='{}', master_password='{}', \
         master_use_gtid=slave_pos; START SLAVE",
        server.port(),
        server.user(),
        server.password()
    );
    replica.exec("", &follow).await?;
    Ok(replica)
}

async fn gtids(server: &MySqlServer) -> Result<Option<String>> {
    let rows = server.rows("", "SELECT @@global.gtid_binlog_pos").await?;
    Ok(rows[0][0].clone())
}

/// Its files have other names; the transactions are the same.
#[tokio::test]
async fn a_failover_is_followed() -> Result<()> {
    let server = MariaDb::start(MySqlOptions::default()).await?;
    let replica = replica_of(&server).await?;
    let pair = Pair::streaming(server, "CREATE TABLE t (id INT PRIMARY KEY, v INT)").await?;
    let change = "INSERT INTO t VALUES (1, 1); ALTER TABLE t ADD COLUMN w INT; INSERT INTO t VALUES (2, 2, 2)";
    pair.server.exec("shop", change).await?;
    pair.marked("mark").await?;
    pair.stop().await?;
    eventually(SERVER_DEADLINE, "the replica has everything", || async {
        let (own, other) = (gtids(&pair.server).await?, gtids(&replica).await?);
        ensure!(own == other, "{own:?} {other:?}");
        Ok(())
    })
    .await?;
    replica.exec("", "STOP SLAVE").await?;
    pair.server.kill9();
    let mut pair = pair;
    pair.server = replica;
    let change =
        "INSERT INTO t VALUES (3, 3, 3); ALTER TABLE t DROP COLUMN v; INSERT INTO t VALUES (4, 4)";
    pair.server.exec("shop", change).await?;
    pair.post(&json!({})).await?;
    pair.rest().resume("d").await?;
    pair.marked("mark").await?;
    // What the history has is not taken for later than the offset.
    pair.stop().await?;
    pair.server
        .exec("shop", "INSERT INTO t VALUES (5, 5)")
        .await?;
    pair.rest().resume("d").await?;
    pair.marked("mark").await?;
    let rows = pair.rows("t").await?;
    let expected = [
        (1, json!({"v": 1})),
        (2, json!({"v": 2, "w": 2})),
        (3, json!({"v": 3, "w": 3})),
        (4, json!({"w": 4})),
        (5, json!({"w": 5})),
    ];
    ensure!(rows == BTreeMap::from(expected), "{rows:?}");
    Ok(())
}
