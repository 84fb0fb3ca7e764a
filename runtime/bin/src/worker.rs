//! Starts a worker from its files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;
use rustix::process::Signal;
use tidegate_api::Props;
use tidegate_embedded::EmbeddedProvider;
use tidegate_kafka::KafkaProvider;
use tidegate_log::{ClientConfig, LogProvider};
use tidegate_worker::{
    ConfigProviders, ConnectorFile, EMBEDDED_DATA_DIR, Mode, WorkerConfig, WorkerOptions,
    parse_properties,
};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

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
    run(Mode::Distributed, &arguments.properties, Vec::new()).await
}

pub(crate) async fn standalone(arguments: StandaloneArguments) -> anyhow::Result<()> {
    let connectors = arguments
        .connectors
        .iter()
        .map(|path| connector_file(path))
        .collect::<anyhow::Result<_>>()?;
    run(Mode::Standalone, &arguments.properties, connectors).await
}

async fn run(mode: Mode, properties: &Path, connectors: Vec<ConnectorFile>) -> anyhow::Result<()> {
    logging::start();
    let text = std::fs::read_to_string(properties).with_context(|| {
        format!(
            "the worker's properties '{}' cannot be read",
            properties.display()
        )
    })?;
    let raw = parse_properties(&text);
    let providers = ConfigProviders::new(&raw)?;
    let props = providers.resolve(&raw)?;
    let client: ClientConfig = props
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let provider = provider(&props, &client)?;
    let config = WorkerConfig::new(props, mode)?;
    let log = provider.connect(&client).await?;
    let stop = CancellationToken::new();
    let signals = TaskTracker::new();
    signals.spawn(follow_signals(stop.clone()));
    // With a handler a file that has reached its limit (ulimit -f) is an error of the write, as in the JVM, not the end.
    let _file_limit = signal(SignalKind::from_raw(Signal::XFSZ.as_raw()));
    let options = WorkerOptions {
        mode,
        config,
        providers,
        plugins: Arc::new(plugins::all(&provider)),
        log,
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
    Ok(Arc::new(EmbeddedProvider::open(directory)?))
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
    std::process::exit(130);
}

/// Reads a connector's file: flat JSON with `name`, the shape of `POST /connectors`, or properties.
pub(crate) fn connector_file(path: &Path) -> anyhow::Result<ConnectorFile> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("the connector file '{}' cannot be read", path.display()))?;
    if !text.trim_start().starts_with('{') {
        return Ok(ConnectorFile {
            path: path.to_owned(),
            config: parse_properties(&text),
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
    if let (Some(_), Some(name)) = (nested, member("name"))
        && !config.contains("name")
    {
        config.set("name", name);
    }
    let initial_state = nested.and_then(|_| member("initial_state"));
    Ok(ConnectorFile {
        path: path.to_owned(),
        config,
        initial_state,
    })
}
