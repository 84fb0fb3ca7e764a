//! The frame of this crate's programs.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Result, anyhow};

/// Runs a program until it ends or Ctrl-C comes, which drops it with all servers that it has started. An error goes to the
/// standard error behind the program's name.
pub async fn exit_code(name: &str, run: impl Future<Output = Result<()>>) -> ExitCode {
    let result = tokio::select! {
        result = run => result,
        _ = tokio::signal::ctrl_c() => Err(anyhow!("interrupted")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            writeln!(std::io::stderr(), "{name}: {error:#}").ok();
            ExitCode::FAILURE
        }
    }
}
