//! Start: from exec to the first answer over REST, and the memory of a worker that has nothing to do.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::accounting::memory;
use crate::report::Report;
use crate::say;
use crate::stack::Side;

const POLL: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_mins(2);
/// What the start has left to do is done after this.
const SETTLED: Duration = Duration::from_secs(5);

pub(crate) async fn run(side: &Side, report: &mut Report) -> Result<()> {
    say(&format!("{}: start …", side.kind.name()));
    side.worker.stop().await?;
    let rest = side.worker.rest();
    let started = Instant::now();
    side.worker.spawn()?;
    loop {
        if let Ok(answer) = rest.get("/connectors").await
            && answer.status == 200
        {
            break;
        }
        ensure!(started.elapsed() < PATIENCE, "the worker does not answer");
        tokio::time::sleep(POLL).await;
    }
    let elapsed = started.elapsed();
    tokio::time::sleep(SETTLED).await;
    let pid = side.worker.pid().context("the worker runs")?;
    report.started(side.kind, elapsed, memory(pid, "VmRSS")?);
    Ok(())
}
