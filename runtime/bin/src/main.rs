//! `tidegate`: the worker and its tools in one program.

mod client;
mod logging;
mod plugins;
mod worker;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tidegate_worker::WorkerEnd;
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

/// Who reads, writes or walks through nested data does so by recursion, up to a thousand levels deep, as deep as Jackson reads.
/// Stack that is not touched takes no memory.
const STACK_BYTES: usize = 16 * 1024 * 1024;

/// Exit codes are Connect's: 1 for usage and what workers of a group share, 2 for a worker that cannot start, 3 for the
/// connectors of a worker in standalone mode.
fn main() -> ExitCode {
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(STACK_BYTES)
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            writeln!(std::io::stderr(), "cannot start threads: {error}").ok();
            return ExitCode::from(2);
        }
    };
    let code = runtime.block_on(run());
    logging::finish();
    // Whoever reads the standard input may wait for ever.
    runtime.shutdown_background();
    code
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
            let end = error.downcast_ref::<WorkerEnd>();
            ExitCode::from(end.map_or(2, WorkerEnd::exit_status))
        }
    }
}
