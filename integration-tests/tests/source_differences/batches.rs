//! Restarts while batches end inside of rows.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tidegate_integration_tests::{MariaDb, MySql, MySqlOptions, MySqlServer};

use crate::pair::Pair;

const ROWS: u64 = 3_000;
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
    let (mut rounds, mut rows_at_hand) = (0, BTreeSet::new());
    while rows_at_hand.len() < 5 {
        ensure!(
            rounds < 20,
            "no restart came inside of a row: {rows_at_hand:?}"
        );
        rounds += 1;
        pair.server.exec("shop", &moves).await?;
        for _ in 0..8 {
            pair.rest().restart("d").await?;
            rows_at_hand.insert(pair.offset().await?["row"].as_u64());
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
