//! Restarts while batches end inside of rows.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tidegate_integration_tests::{
    MariaDb, MySql, MySqlOptions, MySqlServer, SERVER_DEADLINE, eventually,
};

use crate::pair::Pair;

/// So many that an update of all of them takes far longer to stream than offsets take to be flushed.
const ROWS: u64 = 15_000;
const RESTARTS: usize = 5;
const MOVED_BY: u64 = 1_000_000;

/// What a consumer sees of a row: operations, and null for a tombstone.
type Seen = BTreeMap<u64, BTreeSet<String>>;

fn seen(records: &[(Value, Value)]) -> Seen {
    let mut seen = Seen::new();
    for (key, value) in records {
        let id = key["id"].as_u64().unwrap_or_default();
        let operation = value["op"].as_str().unwrap_or("tombstone");
        seen.entry(id).or_default().insert(operation.to_owned());
    }
    seen
}

/// A restart that comes between a row's delete, its tombstone and the create of its new key loses none of them.
async fn rows_that_move_arrive_whole(server: MySqlServer) -> Result<()> {
    let pair = Pair::streaming(server, "CREATE TABLE t (id INT PRIMARY KEY, v INT)").await?;
    pair.post(&json!({"max.batch.size": "7", "max.queue.size": "14"}))
        .await?;
    let rows: Vec<String> = (1..=ROWS).map(|id| format!("({id}, {id})")).collect();
    let insert = format!("INSERT INTO t VALUES {}", rows.join(","));
    pair.server.exec("shop", &insert).await?;
    pair.marked("mark").await?;
    let moves = format!("UPDATE t SET id = id + {MOVED_BY}");
    let (mut rounds, mut rows_at_restarts) = (0, BTreeSet::new());
    while rows_at_restarts.len() < RESTARTS {
        ensure!(
            rounds < 20,
            "no restart came inside of the update: {rows_at_restarts:?}"
        );
        rounds += 1;
        pair.server.exec("shop", &moves).await?;
        let (file, end) = pair.end_of_log().await?;
        // The offset of the last row stays until the next record.
        let next = "INSERT INTO mark SELECT MAX(id) + 1 FROM mark";
        pair.server.exec("shop", next).await?;
        let mut last = Value::Null;
        loop {
            let at = eventually(SERVER_DEADLINE, "the stream goes on", || async {
                let at = pair.offset().await?;
                ensure!(at != last, "{at}");
                Ok(at)
            });
            last = at.await?;
            if (last["file"].as_str(), last["pos"].as_u64()) >= (Some(&*file), Some(end)) {
                break;
            }
            rows_at_restarts.insert((last["event"].as_u64(), last["row"].as_u64()));
            pair.rest().restart("d").await?;
        }
    }
    pair.marked("mark").await?;
    let seen = seen(&pair.messages("t").await?);
    for id in 1..=ROWS {
        for round in 0..=rounds {
            let id = id + round * MOVED_BY;
            let expected: &[&str] = if round < rounds {
                &["c", "d", "tombstone"]
            } else {
                &["c"]
            };
            let own: Vec<&str> = seen
                .get(&id)
                .into_iter()
                .flatten()
                .map(String::as_str)
                .collect();
            ensure!(own == expected, "{id}: {own:?} instead of {expected:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn rows_of_mariadb_that_move_arrive_whole() -> Result<()> {
    rows_that_move_arrive_whole(MariaDb::start(MySqlOptions::default()).await?).await
}

#[tokio::test]
async fn rows_of_mysql_that_move_arrive_whole() -> Result<()> {
    rows_that_move_arrive_whole(MySql::start(MySqlOptions::default()).await?).await
}
