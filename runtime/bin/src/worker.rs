//! Starts a worker from its files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;
use rustix::process::Signal;
use tidegate_api::{ConnectError, Props, catch_panic};
use tidegate_embedded::{EmbeddedProvider, Sync};
use tidegate_kafka::KafkaProvider;
use tidegate_log::{ClientConfig, LogProvider};
use tidegate_worker::{
    ConfigProviders, ConnectorFile, EMBEDDED_DATA_DIR, EMBEDDED_SYNC, Loggers, Mode, WorkerConfig,
    WorkerEnd, WorkerOptions, decode_properties, parse_properties,
};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use crate::{logging, plugins};

#[derive(Debug, Args)]
pub(crate) struct DistributedArguments {
    /// The worker's properties, as for Connect's own worker.
    properties: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct StandaloneArguments {
    /// The worker's properties, as for Connect's own worker.
    properties: PathBuf,
    /// Connectors to start: properties, or JSON in either of Connect's shapes.
    connectors: Vec<PathBuf>,
}

pub(crate) async fn distributed(arguments: DistributedArguments) -> anyhow::Result<()> {
    let loggers = logging::start();
    run(Mode::Distributed, &arguments.properties, &[], loggers).await
}

pub(crate) async fn standalone(arguments: StandaloneArguments) -> anyhow::Result<()> {
    // First: what is wrong with a file is logged.
    let loggers = logging::start();
    let (properties, connectors) = (&arguments.properties, &arguments.connectors);
    run(Mode::Standalone, properties, connectors, loggers).await
}

async fn run(
    mode: Mode,
    properties: &Path,
    connectors: &[PathBuf],
    loggers: Loggers,
) -> anyhow::Result<()> {
    // Before the log is opened: with a handler a file that has reached its limit (ulimit -f) is an error of the write,
    // as in the JVM, not the end.
    let _file_limit = signal(SignalKind::from_raw(Signal::XFSZ.as_raw()));
    let bytes = std::fs::read(properties).with_context(|| {
        format!(
            "the worker's properties '{}' cannot be read",
            properties.display()
        )
    })?;
    let raw = parse_properties(&decode_properties(bytes))?;
    let providers = ConfigProviders::new(&raw)?;
    let props = providers.resolve(&raw)?;
    let client: ClientConfig = props
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let provider = provider(&props, &client)?;
    let config = WorkerConfig::new(props, mode)?;
    let files = connectors.iter().map(|path| connector_file(path));
    let connectors: anyhow::Result<_> = files.collect();
    let connectors = connectors
        .map_err(|error| WorkerEnd::Connectors(ConnectError::config(format!("{error:#}"))))?;
    let log = provider.connect(&client).await?;
    let stop = CancellationToken::new();
    // On a task of its own: a second signal ends a worker that is stuck.
    let signals = TaskTracker::new();
    signals.spawn(stop_at_signals(stop.clone()));
    let options = WorkerOptions {
        mode,
        config,
        providers,
        plugins: Arc::new(plugins::all(&provider)),
        log,
        loggers,
        connectors,
        stop,
        on_ready: Box::new(|_| {}),
    };
    Ok(tidegate_worker::run(options).await?)
}

/// The log that the settings choose.
fn provider(props: &Props, client: &ClientConfig) -> anyhow::Result<Arc<dyn LogProvider>> {
    if props.contains("bootstrap.servers") {
        return Ok(Arc::new(KafkaProvider::new(client.clone())));
    }
    let directory = props.get(&EMBEDDED_DATA_DIR)?;
    info!("No bootstrap.servers: running on the embedded log in '{directory}'");
    let sync = match props.get(&EMBEDDED_SYNC)? {
        sync if sync.eq_ignore_ascii_case("full") => Sync::Full,
        _ => Sync::Normal,
    };
    Ok(Arc::new(EmbeddedProvider::open(directory, sync)?))
}

/// Follows signals; a worker that no signal would reach any more stops.
async fn stop_at_signals(stop: CancellationToken) {
    let followed = catch_panic("the reader of signals", follow_signals(stop.clone()));
    if let Err(panic) = followed.await {
        error!("{panic}");
        stop.cancel();
    }
}

/// The first signal stops the worker in an orderly way, the second at once.
async fn follow_signals(stop: CancellationToken) {
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        warn!("signals cannot be received; only kill -9 will end this worker");
        return;
    };
    for first in [true, false] {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if first {
            info!("Stopping; a second signal ends the worker at once");
            stop.cancel();
        }
    }
    warn!("Second signal: ending at once");
    logging::finish();
    std::process::exit(130);
}

/// Reads a connector's file: flat JSON with `name`, the shape of `POST /connectors`, or properties.
pub(crate) fn connector_file(path: &Path) -> anyhow::Result<ConnectorFile> {
    let bytes = std::fs::read(path)
        .with_context(|| format!("the connector file '{}' cannot be read", path.display()))?;
    let text = decode_properties(bytes);
    if !text.trim_start().starts_with('{') {
        return Ok(ConnectorFile {
            path: path.to_owned(),
            config: parse_properties(&text)
                .with_context(|| format!("the connector file '{}'", path.display()))?,
            initial_state: None,
        });
    }
    let json: serde_json::Value =
        serde_json::from_str(&text).with_context(|| format!("'{}' is no JSON", path.display()))?;
    let nested = json.get("config").filter(|config| config.is_object());
    let mut config = Props::new();
    for (name, value) in nested.unwrap_or(&json).as_object().into_iter().flatten() {
        let value = match value {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Null
            | serde_json::Value::Array(_)
            | serde_json::Value::Object(_) => {
                bail!(
                    "'{}': property '{name}' is no text, number or boolean",
                    path.display()
                )
            }
            other => other.to_string(),
        };
        config.set(name.clone(), value);
    }
    let member = |name: &str| {
        json.get(name)
            .and_then(serde_json::Value::as_str)
            .map(str::to_owned)
    };
    if let (Some(_), Some(name)) = (nested, member("name")) {
        let own = config.raw("name").unwrap_or(&name);
        if own != name {
            bail!(
                "'{}': the configuration's own name '{own}' contradicts the name '{name}' beside it",
                path.display()
            );
        }
        config.set("name", name);
    }
    let initial_state = nested.and_then(|_| member("initial_state"));
    Ok(ConnectorFile {
        path: path.to_owned(),
        config,
        initial_state,
    })
}
