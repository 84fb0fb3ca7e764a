//! Catching up: changes that were recorded while the connector was stopped.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use tidegate_integration_tests::eventually;

use crate::accounting::Meter;
use crate::check;
use crate::report::Report;
use crate::say;
use crate::snapshot::events;
use crate::stack::{Side, Stack, merged, without_schemas};
use crate::table::{self, CHANGES, DATABASE};

const PURPOSE: &str = "catchup";
const STREAMS_WITHIN: Duration = Duration::from_mins(2);

/// Makes the connector, and stops it once it streams. A second table, of this side alone, shows that it does.
pub(crate) async fn prepare(stack: &Stack, side: &Side) -> Result<()> {
    say(&format!("{}: preparing to catch up …", side.kind.name()));
    let (name, proof) = (side.name(PURPOSE), side.name("proof"));
    table::create(&stack.source, &proof).await?;
    let extra = merged(
        without_schemas(),
        json!({
            "snapshot.mode": "no_data",
            "table.include.list": format!("{DATABASE}.{CHANGES},{DATABASE}.{proof}"),
        }),
    )?;
    side.register_source(stack, PURPOSE, CHANGES, extra).await?;
    side.check_running(&name).await?;
    table::insert(&stack.source, &proof, 1, 1).await?;
    let topic = side.topic(PURPOSE, &proof);
    eventually(STREAMS_WITHIN, "the connector streams", || async {
        let sql = format!("UPDATE {proof} SET active = 1 - active");
        stack.source.exec(DATABASE, &sql).await?;
        ensure!(side.topics.end(&topic).await? > 0, "no record yet");
        Ok(())
    })
    .await?;
    side.worker.rest().stop(&name).await?;
    side.worker.rest().wait_state(&name, "STOPPED").await?;
    Ok(())
}

/// Inserts rows in large transactions, and then changes each in one of its own.
pub(crate) async fn record(stack: &Stack, rows: u64) -> Result<()> {
    say(&format!("Recording {rows} inserts and {rows} updates …"));
    table::fill(&stack.source, CHANGES, rows).await?;
    table::update_one_by_one(&stack.source, CHANGES, rows).await
}

pub(crate) async fn run(stack: &Stack, side: &Side, rows: u64, report: &mut Report) -> Result<()> {
    say(&format!("{}: catching up …", side.kind.name()));
    let (name, topic) = (side.name(PURPOSE), side.topic(PURPOSE, CHANGES));
    let expected = check::of_source(&stack.source, CHANGES).await?;
    ensure!(
        side.topics.end(&topic).await? == 0,
        "topic {topic} is not empty"
    );
    let mut meter = Meter::start(stack, side)?;
    side.worker.rest().resume(&name).await?;
    side.topics.wait_for(&topic, rows).await?;
    let inserted = meter.lap(rows)?;
    side.topics.wait_for(&topic, 2 * rows).await?;
    let updated = meter.lap(rows)?;
    side.check_running(&name).await?;
    side.worker.rest().delete(&name).await?;
    let events = events(side, &topic, 0).await?;
    ensure!(
        (events.reads, events.creates, events.updates) == (0, rows, rows),
        "{} inserts and {} updates arrived instead of {rows} each",
        events.creates,
        events.updates
    );
    expected.equals(&events.rows, &topic)?;
    let transactions = format!("catch-up, transactions of {} rows", table::TRANSACTION_ROWS);
    report.throughput(side.kind, &transactions, inserted);
    report.throughput(
        side.kind,
        "catch-up, single-row update transactions",
        updated,
    );
    Ok(())
}
