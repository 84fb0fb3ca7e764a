//! Snapshot: from the connector's registration to the last record in the topic.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::accounting::Meter;
use crate::check::{self, Events};
use crate::report::Report;
use crate::say;
use crate::stack::{Side, Stack, merged, without_schemas};
use crate::table::ORDERS;

const PURPOSE: &str = "snapshot";

pub(crate) async fn run(stack: &Stack, side: &Side, rows: u64, report: &mut Report) -> Result<()> {
    say(&format!("{}: snapshot …", side.kind.name()));
    let topic = side.topic(PURPOSE, ORDERS);
    // The tables are in memory for whoever comes first.
    let expected = check::of_source(&stack.source, ORDERS).await?;
    let mut meter = Meter::start(stack, side)?;
    let extra = merged(without_schemas(), json!({"snapshot.mode": "initial_only"}))?;
    side.register_source(stack, PURPOSE, ORDERS, extra).await?;
    side.topics.wait_for(&topic, rows).await?;
    let usage = meter.lap(rows)?;
    side.worker.rest().delete(&side.name(PURPOSE)).await?;
    let events = events(side, &topic, 0).await?;
    ensure!(
        events.reads == rows && events.creates + events.updates == 0,
        "the snapshot has {} records instead of {rows}",
        events.reads
    );
    expected.equals(&events.rows, &topic)?;
    report.throughput(side.kind, "snapshot, JSON without schemas", usage);
    Ok(())
}

/// What is in a topic from an offset on. A worker whose log is its own is stopped meanwhile.
pub(crate) async fn events(side: &Side, topic: &str, from: u64) -> Result<Events> {
    let private = side.topics.is_private();
    if private {
        side.worker.stop().await?;
    }
    let events = side
        .topics
        .scan(topic, from, Events::default(), Events::add)
        .await?;
    if private {
        side.worker.start_again().await?;
    }
    Ok(events)
}
