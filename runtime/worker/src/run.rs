//! The worker from its settings to its end.

use std::path::PathBuf;
use std::sync::Arc;

use tidegate_api::{ConnectError, Plugins, Props};
use tidegate_log::{GroupClaim, Log};
use tidegate_tasks::TargetState;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info};

use crate::config::WorkerConfig;
use crate::herder::{Herder, Shared};
use crate::providers::ConfigProviders;
use crate::rest;
use crate::stores::config_store::ConfigStore;
use crate::stores::offset_store::OffsetStore;
use crate::stores::status_store::StatusStore;

/// Where the worker keeps configurations and statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// On topics; connectors come by REST and survive restarts.
    Distributed,
    /// In memory; connectors come from files, only offsets survive.
    Standalone,
}

/// A connector given at the start of a standalone worker.
#[derive(Debug, Clone)]
pub struct ConnectorFile {
    pub path: PathBuf,
    pub config: Props,
    /// `initial_state` of the file, as REST spells it.
    pub initial_state: Option<String>,
}

/// Everything that a worker runs with.
pub struct WorkerOptions {
    pub mode: Mode,
    pub config: WorkerConfig,
    pub providers: ConfigProviders,
    pub plugins: Arc<Plugins>,
    pub log: Arc<dyn Log>,
    pub connectors: Vec<ConnectorFile>,
    pub stop: CancellationToken,
    /// Told the addresses of REST once it answers.
    pub on_ready: Box<dyn FnOnce(&[std::net::SocketAddr]) + Send>,
}

impl std::fmt::Debug for WorkerOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkerOptions")
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

/// Runs until `stop` is cancelled.
///
/// # Errors
/// What keeps the worker from starting, or made it lose its place in the group.
pub async fn run(options: WorkerOptions) -> Result<(), ConnectError> {
    let WorkerOptions {
        mode,
        config,
        providers,
        plugins,
        log,
        connectors,
        stop,
        on_ready,
    } = options;
    config.warn_about_unknown_keys();
    let cluster_id = log.cluster_id().await.map_err(|error| {
        ConnectError::from(error).context(
            "Failed to connect to and describe Kafka cluster. Check worker's broker connection and security properties.",
        )
    })?;
    info!("Kafka cluster id: {cluster_id}");
    let mut listeners = Vec::new();
    for address in &config.listeners {
        listeners.push(TcpListener::bind(address).await.map_err(|error| {
            ConnectError::config(format!(
                "the listener {address} (listeners) cannot be opened: {error}"
            ))
        })?);
    }
    let addresses = listeners
        .iter()
        .map(TcpListener::local_addr)
        .collect::<Result<Vec<_>, _>>();
    let addresses = addresses
        .map_err(|error| ConnectError::fatal(format!("a listener has no address: {error}")))?;
    let worker_id = worker_id(&config, &addresses);
    let (statuses, configs, offsets, mut claim) = match mode {
        Mode::Distributed => {
            // Brokers take their time for each answer: questions that do not depend on each other go out together.
            let offsets = OffsetStore::on_topic(&log, &config.props, &config.offset_topic);
            let statuses =
                StatusStore::on_topic(&log, &config.props, &config.status_topic, worker_id.clone());
            let configs = async {
                let configs =
                    ConfigStore::on_topic(&log, &config.props, &config.config_topic).await?;
                let claim = log
                    .claim_group(
                        &config.group_id,
                        &worker_id,
                        &config.config_topic.name,
                        config.session_timeout,
                    )
                    .await?;
                // What the worker before this one has written last.
                configs.refresh().await?;
                Ok((configs, claim))
            };
            let (offsets, statuses, (configs, claim)) =
                tokio::try_join!(offsets, statuses, configs)?;
            (statuses, configs, offsets, Some(claim))
        }
        Mode::Standalone => {
            let offsets = match &config.offset_file {
                Some(path) => OffsetStore::in_file(PathBuf::from(path))?,
                None => OffsetStore::on_topic(&log, &config.props, &config.offset_topic).await?,
            };
            (
                StatusStore::in_memory(worker_id.clone()),
                ConfigStore::in_memory(),
                offsets,
                None,
            )
        }
    };
    let herder = Herder::new(Shared {
        config,
        plugins,
        providers,
        log,
        configs,
        offsets: Arc::new(offsets),
        statuses: Arc::new(statuses),
        tasks: TaskTracker::new(),
        stopping: CancellationToken::new(),
    });
    herder.start();
    let servers = TaskTracker::new();
    let closing = CancellationToken::new();
    for listener in listeners {
        let (router, closing) = (rest::router(herder.clone()), closing.clone());
        servers.spawn(async move {
            let served = axum::serve(listener, router)
                .with_graceful_shutdown(closing.cancelled_owned())
                .await;
            if let Err(error) = served {
                error!("REST has ended: {error}");
            }
        });
    }
    servers.close();
    info!("REST answers at {addresses:?}; worker id {worker_id}");
    on_ready(&addresses);
    let started = start_connectors(&herder, connectors).await;
    let outcome = match started {
        Ok(()) => wait(&stop, claim.as_mut()).await,
        Err(error) => Err(error),
    };
    info!("Worker is shutting down");
    closing.cancel();
    // A client that keeps its connection must not keep the worker.
    drop(tokio::time::timeout(REST_GRACE, servers.wait()).await);
    herder.stop().await;
    // Not before the tasks have stopped: the next worker may start at once.
    drop(claim);
    info!("Worker has stopped");
    outcome
}

const REST_GRACE: std::time::Duration = std::time::Duration::from_secs(2);

/// Until a person or the loss of the group ends the worker.
async fn wait(
    stop: &CancellationToken,
    claim: Option<&mut GroupClaim>,
) -> Result<(), ConnectError> {
    let Some(claim) = claim else {
        stop.cancelled().await;
        return Ok(());
    };
    tokio::select! {
        () = stop.cancelled() => Ok(()),
        Ok(lost) = &mut claim.lost => Err(lost.into()),
    }
}

async fn start_connectors(
    herder: &Herder,
    connectors: Vec<ConnectorFile>,
) -> Result<(), ConnectError> {
    for ConnectorFile {
        path,
        config,
        initial_state,
    } in connectors
    {
        let failed = |reason: String| {
            ConnectError::config(format!(
                "Failed to create connector from '{}': {reason}",
                path.display()
            ))
        };
        let name = config
            .raw("name")
            .map(str::to_owned)
            .ok_or_else(|| failed("it has no name".to_owned()))?;
        let initial = match initial_state
            .map(|state| state.to_ascii_uppercase())
            .as_deref()
        {
            None => None,
            Some("RUNNING") => Some(TargetState::Started),
            Some("PAUSED") => Some(TargetState::Paused),
            Some("STOPPED") => Some(TargetState::Stopped),
            Some(other) => {
                return Err(failed(format!(
                    "initial_state '{other}' is none of RUNNING, PAUSED, STOPPED"
                )));
            }
        };
        let created = async {
            herder.check(&config, &[]).await?;
            herder.create(&name, config, initial).await
        };
        created.await.map_err(|error| failed(error.to_string()))?;
    }
    Ok(())
}

/// `host:port` under which statuses are written.
fn worker_id(config: &WorkerConfig, addresses: &[std::net::SocketAddr]) -> String {
    let first = addresses.first();
    let host = config
        .advertised_host
        .clone()
        .unwrap_or_else(|| match first {
            Some(address) if !address.ip().is_unspecified() => address.ip().to_string(),
            _ => own_address(),
        });
    let port = config
        .advertised_port
        .or_else(|| first.map(std::net::SocketAddr::port))
        .unwrap_or(0);
    format!("{host}:{port}")
}

/// The address that this machine uses towards others; nothing is sent.
fn own_address() -> String {
    let probe = std::net::UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        socket.connect("192.0.2.1:9")?;
        socket.local_addr()
    });
    probe.map_or_else(
        |_| "127.0.0.1".to_owned(),
        |address| address.ip().to_string(),
    )
}
