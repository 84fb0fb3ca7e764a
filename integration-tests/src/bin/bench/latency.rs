//! Latency: from a commit in MariaDB to its row being visible in PostgreSQL, with the connectors' default settings.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use mysql_async::prelude::Queryable as _;
use serde_json::json;
use tidegate_integration_tests::{Postgres, eventually};

use crate::check;
use crate::report::Report;
use crate::say;
use crate::stack::{Side, Stack};
use crate::table::{self, COLUMNS, EXPRESSIONS, LIVE};

const PURPOSE: &str = "live";
const SINK: &str = "live_sink";
const COMMITS_PER_SECOND: u64 = 200;
/// Not counted: plans are compiled, buffers grow.
const WARM_UP_COMMITS: usize = 2_000;
const COMMITS: usize = 4_000;
const FLOWS_WITHIN: Duration = Duration::from_mins(2);
const PATIENCE: Duration = Duration::from_mins(1);
/// Between two looks at the target.
const LOOK: Duration = Duration::from_millis(1);

pub(crate) async fn run(stack: &Stack, side: &Side, report: &mut Report) -> Result<()> {
    say(&format!("{}: latency …", side.kind.name()));
    let (source, sink) = (side.name(PURPOSE), side.name(SINK));
    // A table of this side alone.
    let table = side.name(LIVE);
    table::create(&stack.source, &table).await?;
    let extra = json!({"snapshot.mode": "no_data"});
    side.register_source(stack, PURPOSE, &table, extra).await?;
    side.check_running(&source).await?;
    table::insert(&stack.source, &table, 1, 1).await?;
    let topic = side.topic(PURPOSE, &table);
    eventually(FLOWS_WITHIN, "the connector streams", || async {
        // The first change may have come before the connector streamed.
        let sql = format!("UPDATE {table} SET active = 1 - active");
        stack.source.exec(table::DATABASE, &sql).await?;
        ensure!(side.topics.end(&topic).await? > 0, "no record yet");
        Ok(())
    })
    .await?;
    side.register_sink(stack, &sink, &topic, &table).await?;
    eventually(FLOWS_WITHIN, "rows flow", || async {
        let rows = stack
            .target
            .rows("postgres", &format!("SELECT id FROM {table}"))
            .await?;
        ensure!(!rows.is_empty(), "no row yet");
        Ok(())
    })
    .await?;
    let last = WARM_UP_COMMITS + COMMITS + 1;
    let (sent, seen) = tokio::try_join!(
        commit(stack, &table, last),
        look(&stack.target, &table, last)
    )?;
    for name in [&source, &sink] {
        side.check_running(name).await?;
        side.worker.rest().delete(name).await?;
    }
    let expected = check::of_source(&stack.source, &table).await?;
    expected.equals(&check::of_target(&stack.target, &table).await?, &table)?;
    let mut latencies: Vec<Duration> = sent
        .iter()
        .zip(&seen)
        .skip(WARM_UP_COMMITS)
        .map(|(sent, seen)| seen.saturating_duration_since(*sent))
        .collect();
    latencies.sort();
    report.latency(side.kind, COMMITS_PER_SECOND, &latencies);
    Ok(())
}

/// Commits rows 2 to `last` at a fixed rate; when each was sent. Commits that the source delays count from their time.
async fn commit(stack: &Stack, table: &str, last: usize) -> Result<Vec<Instant>> {
    let mut connection = stack.source.connect(table::DATABASE).await?;
    connection.query_drop("SET time_zone = '+00:00'").await?;
    let start = Instant::now();
    let pause = Duration::from_secs(1) / u32::try_from(COMMITS_PER_SECOND)?;
    let mut sent = Vec::with_capacity(last);
    for id in 2..=last {
        let due = start + pause * u32::try_from(id - 2)?;
        tokio::time::sleep_until(due.into()).await;
        // The timer is late by up to a millisecond, for which nobody but it is to blame.
        sent.push(Instant::now().min(due + LOOK));
        connection
            .query_drop(format!(
                "INSERT INTO {table} ({COLUMNS}) SELECT {EXPRESSIONS} FROM seq_{id}_to_{id}"
            ))
            .await?;
    }
    connection.disconnect().await?;
    Ok(sent)
}

/// When each of the rows 2 to `last` was first visible.
async fn look(target: &Postgres, table: &str, last: usize) -> Result<Vec<Instant>> {
    let mut connection = target.connect("postgres").await?;
    let sql = format!("SELECT coalesce(max(id), 0)::bigint FROM {table}");
    let mut seen: Vec<Instant> = Vec::with_capacity(last);
    let mut moved = Instant::now();
    loop {
        let newest: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(sql.clone()))
            .fetch_one(&mut connection)
            .await?;
        let newest = usize::try_from(newest).context("ids count from 1")?;
        let now = Instant::now();
        // Rows arrive in order: all up to the newest are there.
        while seen.len() + 1 < newest {
            seen.push(now);
            moved = now;
        }
        if newest >= last {
            return Ok(seen);
        }
        ensure!(
            moved.elapsed() < PATIENCE,
            "rows beyond {newest} do not arrive in {table}"
        );
        tokio::time::sleep(LOOK).await;
    }
}
