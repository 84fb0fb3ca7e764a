//! `tidegate`: the worker and its tools in one program.

mod client;
mod logging;
mod plugins;
mod worker;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::runtime::Builder;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A Kafka Connect worker.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs a worker whose connectors come by REST and survive restarts.
    Distributed(worker::DistributedArguments),
    /// Runs a worker whose connectors come from files.
    Standalone(worker::StandaloneArguments),
    /// Talks to a worker's REST API: lists, applies and controls connectors.
    Connectors(client::ConnectorsCommand),
}

/// Exit codes are Connect's: 1 for usage, 2 for a worker that cannot start.
fn main() -> std::io::Result<ExitCode> {
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let code = runtime.block_on(run());
    // Whoever reads the standard input may wait for ever.
    runtime.shutdown_background();
    Ok(code)
}

async fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help goes to the standard output, errors to the standard error.
            error.print().ok();
            return ExitCode::from(u8::from(error.use_stderr()));
        }
    };
    let result = match arguments.command {
        Command::Distributed(arguments) => worker::distributed(arguments).await,
        Command::Standalone(arguments) => worker::standalone(arguments).await,
        Command::Connectors(command) => return client::exit_code(client::run(command).await),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("Stopping due to error: {error:#}");
            ExitCode::from(2)
        }
    }
}
