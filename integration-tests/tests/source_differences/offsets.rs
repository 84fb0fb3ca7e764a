//! Offsets by transaction ids and without them.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use serde_json::json;
use tidegate_integration_tests::{MySql, MySqlOptions};

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
