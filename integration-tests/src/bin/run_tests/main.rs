//! Builds the workspace's tests and runs their binaries side by side: most of them wait for servers rather than compute.
//!
//! ```text
//! run_tests [--slots N] [--filter TEXT]... [WHAT]...
//! ```
//!
//! `WHAT` is `units` (the tests beside the code), `doc` (those in comments), an integration test's name (`jdbc_sink`), or a
//! test's whole name or a part of names behind it (`jdbc_sink::crash`), which runs in a process of its own; without any,
//! everything runs. `--filter` chooses tests by a part of their name. A choice that selects no test is an error. What a
//! binary prints lies in `target/tmp/run_tests`, and is shown if it fails. The last line is the sum, `N passed, N failed`;
//! the exit code is 0 only if something ran and nothing failed.

mod choice;
mod job;
mod targets;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result};
use futures::StreamExt as _;
use tokio::sync::Semaphore;

use choice::Choice;
use job::{Job, Outcome};

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("run_tests: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Whether all tests passed.
async fn run() -> Result<bool> {
    let choice = Choice::parse(std::env::args().skip(1))?;
    let targets = targets::build(&choice)?;
    let begin = Instant::now();
    let jobs = job::plan(&choice, &targets).await?;
    let tests: usize = jobs.iter().map(Job::tests).sum();
    say(&format!(
        "running {tests} tests of {} binaries, {} side by side",
        jobs.len(),
        choice.slots
    ));
    let slots = Arc::new(Semaphore::new(choice.slots));
    let outcomes = futures::stream::iter(jobs).map(|job| {
        let slots = Arc::clone(&slots);
        async move {
            // Permits are given in the order in which they are asked for.
            let weight = u32::try_from(job.weight().min(choice.slots))?;
            let _slots = slots.acquire_many(weight).await.context("open")?;
            job.run().await
        }
    });
    let outcomes = outcomes.buffer_unordered(choice.slots);
    futures::pin_mut!(outcomes);
    let mut all = Vec::new();
    while let Some(outcome) = outcomes.next().await {
        let outcome = outcome?;
        say(&outcome.line());
        all.push(outcome);
    }
    Ok(sum_up(&all, begin))
}

/// Shows what failed, and the sum.
fn sum_up(all: &[Outcome], begin: Instant) -> bool {
    for outcome in all.iter().filter(|outcome| !outcome.failed.is_empty()) {
        say(&format!("\n==== {} ====\n{}", outcome.name, outcome.shown));
    }
    let failed: Vec<String> = all
        .iter()
        .flat_map(|outcome| {
            let name = |test| format!("{} {test}", outcome.name);
            outcome.failed.iter().map(name)
        })
        .collect();
    if !failed.is_empty() {
        say(&format!("\nfailed:\n    {}", failed.join("\n    ")));
    }
    let ignored: usize = all.iter().map(|outcome| outcome.ignored).sum();
    if ignored > 0 {
        say(&format!("{ignored} ignored"));
    }
    let passed: usize = all.iter().map(|outcome| outcome.passed).sum();
    say(&format!("in {} s", begin.elapsed().as_secs()));
    say(&format!("{passed} passed, {} failed", failed.len()));
    failed.is_empty() && passed > 0
}

fn say(text: &str) {
    // Without a reader there is nobody to tell; the exit code remains.
    writeln!(std::io::stdout(), "{text}").ok();
}
