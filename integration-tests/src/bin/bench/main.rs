//! The measurements of `make bench`: the worker, and with `--jvm` Kafka Connect with Debezium beside it, on the same data.
//!
//! ```text
//! bench [--rows N] [--only MEASURE,...] [--log kafka|embedded] [--jvm] [--output table|json] [--worker BINARY]
//! ```
//!
//! Starts its own MariaDB, PostgreSQL and Kafka broker, fills a table of eleven columns and measures one worker after the
//! other. CPU time is that of the processes, their children included; on a busy machine it says more than the clock. No
//! number without a check: what arrived is compared with the source row by row, and a difference fails the run.

mod accounting;
mod catch_up;
mod check;
mod latency;
mod options;
mod report;
mod sink;
mod snapshot;
mod stack;
mod startup;
mod table;
mod topics;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Result;
use tidegate_integration_tests::exit_code;

use crate::options::{Measure, Options, Output};
use crate::report::Report;
use crate::stack::{Side, Stack};

#[tokio::main]
async fn main() -> ExitCode {
    exit_code("bench", Box::pin(run())).await
}

/// Progress goes to the standard error, results to the standard output.
fn say(text: &str) {
    writeln!(std::io::stderr(), "{text}").ok();
}

async fn run() -> Result<()> {
    let options = Options::parse(std::env::args().skip(1))?;
    say("Starting servers …");
    let stack = Stack::start(&options).await?;
    let mut report = Report::new(&options);
    if options.wants(Measure::Snapshot) || options.wants(Measure::Sink) {
        say(&format!("Filling a table with {} rows …", options.rows));
        table::create(&stack.source, table::ORDERS).await?;
        table::fill(&stack.source, table::ORDERS, options.rows).await?;
    }
    if options.wants(Measure::CatchUp) {
        table::create(&stack.source, table::CHANGES).await?;
    }
    let mut sides = Vec::new();
    for worker in options.workers() {
        let side = Side::start(&stack, &options, worker).await?;
        measure(&stack, &options, &side, &mut report).await?;
        side.worker.stop().await?;
        sides.push(side);
    }
    if options.wants(Measure::CatchUp) {
        catch_up::record(&stack, options.rows).await?;
        for side in &sides {
            side.worker.start_again().await?;
            catch_up::run(&stack, side, options.rows, &mut report).await?;
            side.worker.stop().await?;
        }
    }
    let mut output = std::io::stdout().lock();
    match options.output {
        Output::Table => write!(output, "{}", report.table())?,
        Output::Json => writeln!(output, "{:#}", report.json())?,
    }
    Ok(output.flush()?)
}

/// Everything that needs no recorded changes.
async fn measure(stack: &Stack, options: &Options, side: &Side, report: &mut Report) -> Result<()> {
    if options.wants(Measure::Start) {
        startup::run(side, report).await?;
    }
    if options.wants(Measure::Snapshot) {
        snapshot::run(stack, side, options.rows, report).await?;
    }
    if options.wants(Measure::Sink) {
        sink::run(stack, side, options.rows, report).await?;
    }
    if options.wants(Measure::Latency) {
        latency::run(stack, side, report).await?;
    }
    if options.wants(Measure::CatchUp) {
        catch_up::prepare(stack, side).await?;
    }
    Ok(())
}
