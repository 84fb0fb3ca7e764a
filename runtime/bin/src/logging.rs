//! The log: one line per event on the standard error.

use tracing_subscriber::EnvFilter;

/// Levels come from `TIDEGATE_LOG`, in the form `info,tidegate_binlog=debug`; the default is `info`.
pub(crate) fn start() {
    let filter = EnvFilter::try_from_env("TIDEGATE_LOG")
        .unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn"));
    let started = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .try_init();
    // A second start in one process keeps the first one's settings.
    started.ok();
}
