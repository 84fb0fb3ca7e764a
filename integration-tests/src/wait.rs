//! Waiting for a condition: the one place where tests wait.

use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::Instant;

/// Time for something that servers do among themselves, on a busy machine.
pub const SERVER_DEADLINE: Duration = Duration::from_mins(2);

const PAUSE: Duration = Duration::from_millis(20);

/// Asks again and again until `check` succeeds; its result.
///
/// # Errors
/// The last answer, if `deadline` passes first. A single answer that does not come counts as one.
pub async fn eventually<T, F>(
    deadline: Duration,
    what: &str,
    mut check: impl FnMut() -> F,
) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let end = Instant::now() + deadline;
    let mut last = None;
    loop {
        let error = match tokio::time::timeout_at(end, check()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => error,
            // The deadline cuts the last question off; the answer before it says more.
            Err(_) => last.take().unwrap_or_else(|| anyhow::anyhow!("no answer")),
        };
        if Instant::now() >= end {
            return Err(error).with_context(|| format!("not within {deadline:?}: {what}"));
        }
        last = Some(error);
        tokio::time::sleep(PAUSE).await;
    }
}
