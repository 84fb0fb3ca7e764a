//! Sink: from the connector's registration to the last row in PostgreSQL, the topic being filled before.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use tidegate_integration_tests::Postgres;
use tokio::time::Instant;

use crate::accounting::Meter;
use crate::check;
use crate::report::Report;
use crate::say;
use crate::stack::{Side, Stack};
use crate::table::ORDERS;

const PURPOSE: &str = "filled";
const SINK: &str = "sink";
const POLL: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_mins(10);

pub(crate) async fn run(stack: &Stack, side: &Side, rows: u64, report: &mut Report) -> Result<()> {
    say(&format!("{}: filling a topic …", side.kind.name()));
    let topic = side.topic(PURPOSE, ORDERS);
    let mut meter = Meter::start(stack, side)?;
    let extra = json!({"snapshot.mode": "initial_only"});
    side.register_source(stack, PURPOSE, ORDERS, extra).await?;
    side.topics.wait_for(&topic, rows).await?;
    let filled = meter.lap(rows)?;
    side.worker.rest().delete(&side.name(PURPOSE)).await?;

    say(&format!("{}: sink …", side.kind.name()));
    let (name, table) = (side.name(SINK), side.name(ORDERS));
    let mut meter = Meter::start(stack, side)?;
    side.register_sink(stack, &name, &topic, &table).await?;
    wait_for_row(&stack.target, &table, rows).await?;
    let usage = meter.lap(rows)?;
    side.check_running(&name).await?;
    side.worker.rest().delete(&name).await?;
    let expected = check::of_source(&stack.source, ORDERS).await?;
    let found = check::of_target(&stack.target, &table).await?;
    expected.equals(&found, &table)?;
    stack
        .target
        .exec("postgres", &format!("DROP TABLE {table}"))
        .await?;
    report.throughput(side.kind, "snapshot, JSON with schemas", filled);
    report.throughput(side.kind, "sink, upsert of new rows", usage);
    Ok(())
}

/// Records of one partition arrive in order: with the last one all are there.
pub(crate) async fn wait_for_row(target: &Postgres, table: &str, id: u64) -> Result<()> {
    let mut connection = target.connect("postgres").await?;
    let sql = format!("SELECT 1 FROM {table} WHERE id = {id}");
    let start = Instant::now();
    loop {
        // Before the first row the table is missing.
        let row = sqlx::query(sqlx::AssertSqlSafe(sql.clone()))
            .persistent(false)
            .fetch_optional(&mut connection)
            .await;
        if matches!(row, Ok(Some(_))) {
            return Ok(());
        }
        ensure!(
            start.elapsed() < PATIENCE,
            "row {id} does not arrive in {table}"
        );
        tokio::time::sleep(POLL).await;
    }
}
