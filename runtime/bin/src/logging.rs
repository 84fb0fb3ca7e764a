//! The log: one line per event on the standard error, and the same line not again and again.

mod limit;
mod targets;

use std::io::Write as _;
use std::sync::{Arc, OnceLock};

use tidegate_worker::Loggers;
use tracing_subscriber::EnvFilter;

use self::limit::{HeldBack, Limited};
use self::targets::TARGETS;

/// Levels without `TIDEGATE_LOG`.
const DEFAULT_LEVELS: &str = "info,sqlx=warn";

/// Lines of this process that are not written yet; empty before the start.
static HELD_BACK: OnceLock<Arc<HeldBack>> = OnceLock::new();

/// Levels come from `TIDEGATE_LOG`, in the form `info,tidegate_binlog=debug`; the default is `info`. What is returned
/// changes them while the worker runs.
pub(crate) fn start() -> Loggers {
    let given = std::env::var("TIDEGATE_LOG").unwrap_or_default();
    let levels = match EnvFilter::try_new(&given) {
        Ok(_) if !given.trim().is_empty() => given,
        _ => DEFAULT_LEVELS.to_owned(),
    };
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let held_back = HELD_BACK.get_or_init(|| HeldBack::new(ansi));
    let subscriber = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(ansi)
        .map_event_format(|_| Limited::new(Arc::clone(held_back)))
        .with_env_filter(EnvFilter::new(&levels))
        .with_filter_reloading();
    let filter = subscriber.reload_handle();
    // A second start in one process keeps the first one's settings.
    if subscriber.try_init().is_ok() {
        // A thread: a worker that is stuck tells what it waits for, too.
        let writer = std::thread::Builder::new().name("log".to_owned());
        if let Err(error) = writer.spawn(|| held_back.write_overdue(write)) {
            held_back.close(write);
            tracing::warn!(%error, "no thread for the log: lines that repeat are all written");
        }
    }
    Loggers::new(&levels, TARGETS, move |levels| {
        if let Err(error) = filter.reload(EnvFilter::new(levels)) {
            tracing::warn!(%error, "the levels of the log could not be changed");
        }
    })
}

/// Writes what is not written yet; call it before the process ends. Later lines are written as they come.
pub(crate) fn finish() {
    if let Some(held_back) = HELD_BACK.get() {
        held_back.close(write);
    }
}

/// There is nobody to tell if it fails.
fn write(text: &str) {
    std::io::stderr().write_all(text.as_bytes()).ok();
}
