//! The worker from its settings to its end.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tidegate_api::config::invalid;
use tidegate_api::{ConnectError, Plugins, Props};
use tidegate_log::{GroupClaim, Log};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::info;

use crate::config::{Mode, WorkerConfig};
use crate::herder::{Herder, Membership, Shared, initial_target};
use crate::loggers::Loggers;
use crate::providers::ConfigProviders;
use crate::rest;
use crate::stores::config_store::ConfigStore;
use crate::stores::offset_store::OffsetStore;
use crate::stores::status_store::StatusStore;

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
    pub loggers: Loggers,
    pub connectors: Vec<ConnectorFile>,
    pub stop: CancellationToken,
    /// Told the addresses of REST once it answers.
    pub on_ready: Box<dyn FnOnce(&[SocketAddr]) + Send>,
}

impl std::fmt::Debug for WorkerOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkerOptions")
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

/// What ended a worker: the part of it that Connect's exit status tells.
///
/// Source: `org.apache.kafka.connect.cli.AbstractConnectCli`, `DistributedHerder.run`.
#[derive(Debug, thiserror::Error)]
pub enum WorkerEnd {
    /// A setting, the log or a listener: nothing has started yet.
    #[error(transparent)]
    Settings(ConnectError),
    /// What a group of workers shares: its topics and the membership.
    #[error(transparent)]
    Herder(ConnectError),
    /// Connectors of a worker in standalone mode, and the file of their offsets.
    #[error(transparent)]
    Connectors(ConnectError),
}

impl WorkerEnd {
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Herder(_) => 1,
            Self::Settings(_) => 2,
            Self::Connectors(_) => 3,
        }
    }
}

/// Runs until `stop` is cancelled.
///
/// # Errors
/// What keeps the worker from starting, or made it lose its place in the group.
pub async fn run(options: WorkerOptions) -> Result<(), WorkerEnd> {
    let WorkerOptions {
        mode,
        config,
        providers,
        plugins,
        log,
        loggers,
        connectors,
        stop,
        on_ready,
    } = options;
    let settings = WorkerEnd::Settings;
    check_classes(&config.props, &plugins).map_err(settings)?;
    config.warn_about_unknown_keys();
    let cluster_id = log.cluster_id().await.map_err(|error| {
        settings(ConnectError::from(error).context(
            "Failed to connect to and describe Kafka cluster. Check worker's broker connection and security properties.",
        ))
    })?;
    info!("Kafka cluster id: {cluster_id}");
    let (listeners, addresses) = open_listeners(&config).await.map_err(settings)?;
    let worker_id = worker_id(&config, &addresses);
    let shared = match mode {
        Mode::Distributed => WorkerEnd::Herder,
        Mode::Standalone => WorkerEnd::Connectors,
    };
    let Stores {
        configs,
        offsets,
        statuses,
        mut claim,
    } = Stores::open(mode, &log, &config, &worker_id).await?;
    let stopping = CancellationToken::new();
    let herder = Herder::new(Shared {
        mode,
        config,
        plugins,
        providers,
        log,
        loggers,
        configs,
        offsets,
        statuses,
        tasks: TaskTracker::new(),
        membership: Membership::new(&stopping),
        stopping,
    });
    herder.start();
    let servers = TaskTracker::new();
    let closing = CancellationToken::new();
    for listener in listeners {
        let router = rest::router(herder.clone());
        servers.spawn(rest::serve(listener, router, closing.clone()));
    }
    servers.close();
    info!("REST answers at {addresses:?}; worker id {worker_id}");
    on_ready(&addresses);
    let started = start_connectors(&herder, connectors).await;
    let outcome = match started {
        Ok(()) => wait(&stop, &herder, claim.as_mut()).await.map_err(shared),
        Err(error) => Err(WorkerEnd::Connectors(error)),
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

/// The listeners of REST with their addresses.
async fn open_listeners(
    config: &WorkerConfig,
) -> Result<(Vec<TcpListener>, Vec<SocketAddr>), ConnectError> {
    let mut listeners = Vec::new();
    for address in &config.listeners {
        listeners.push(TcpListener::bind(address).await.map_err(|error| {
            ConnectError::config(format!(
                "the listener {address} (listeners) cannot be opened: {error}"
            ))
        })?);
    }
    let addresses: Result<_, _> = listeners.iter().map(TcpListener::local_addr).collect();
    let addresses = addresses
        .map_err(|error| ConnectError::fatal(format!("a listener has no address: {error}")))?;
    Ok((listeners, addresses))
}

/// Where the worker keeps what must survive it, and its place in the group.
struct Stores {
    configs: ConfigStore,
    offsets: Arc<OffsetStore>,
    statuses: Arc<StatusStore>,
    /// Of a worker in distributed mode.
    claim: Option<GroupClaim>,
}

impl Stores {
    async fn open(
        mode: Mode,
        log: &Arc<dyn Log>,
        config: &WorkerConfig,
        worker_id: &str,
    ) -> Result<Self, WorkerEnd> {
        match mode {
            Mode::Distributed => Self::on_topics(log, config, worker_id).await,
            Mode::Standalone => {
                let offsets = match &config.offset_file {
                    Some(path) => OffsetStore::in_file(PathBuf::from(path)),
                    None => OffsetStore::on_topic(log, &config.props, &config.offset_topic).await,
                };
                let offsets = offsets.map_err(WorkerEnd::Connectors)?;
                Ok(Self {
                    configs: ConfigStore::in_memory(),
                    offsets: Arc::new(offsets),
                    statuses: Arc::new(StatusStore::in_memory(worker_id.to_owned())),
                    claim: None,
                })
            }
        }
    }

    async fn on_topics(
        log: &Arc<dyn Log>,
        config: &WorkerConfig,
        worker_id: &str,
    ) -> Result<Self, WorkerEnd> {
        // Brokers take their time for each answer: questions that do not depend on each other go out together.
        let offsets = OffsetStore::on_topic(log, &config.props, &config.offset_topic);
        let id = worker_id.to_owned();
        let statuses = StatusStore::on_topic(log, &config.props, &config.status_topic, id);
        let herder = WorkerEnd::Herder;
        let configs = async {
            let configs = ConfigStore::on_topic(log, &config.props, &config.config_topic).await;
            let configs = configs.map_err(herder)?;
            let topic = &config.config_topic.name;
            let session = config.session_timeout;
            let claim = log.claim_group(&config.group_id, worker_id, topic, session);
            // A group that another worker has is a mistake in the settings.
            let claim = claim
                .await
                .map_err(|error| WorkerEnd::Settings(error.into()))?;
            // What the worker before this one has written last.
            configs.refresh().await.map_err(herder)?;
            Ok((configs, claim))
        };
        let offsets = async { offsets.await.map_err(herder) };
        let statuses = async { statuses.await.map_err(herder) };
        let (offsets, statuses, (configs, claim)) = tokio::try_join!(offsets, statuses, configs)?;
        Ok(Self {
            configs,
            offsets: Arc::new(offsets),
            statuses: Arc::new(statuses),
            claim: Some(claim),
        })
    }
}

/// Converters of the worker's own settings must be here: every connector without its own uses them.
fn check_classes(props: &Props, plugins: &Plugins) -> Result<(), ConnectError> {
    for name in ["key.converter", "value.converter", "header.converter"] {
        let Some(class) = props.raw(name) else {
            continue;
        };
        let known = match name {
            "header.converter" => plugins.header_converter(class).is_some(),
            _ => plugins.converter(class).is_some(),
        };
        if !known {
            let reason = format!("Class {class} could not be found.");
            return Err(ConnectError::config(invalid(name, class, &reason)));
        }
    }
    Ok(())
}

const REST_GRACE: std::time::Duration = std::time::Duration::from_secs(2);

/// Until a person, the loss of the group or of a part of the worker ends it.
async fn wait(
    stop: &CancellationToken,
    herder: &Herder,
    claim: Option<&mut GroupClaim>,
) -> Result<(), ConnectError> {
    let Some(claim) = claim else {
        return tokio::select! {
            () = stop.cancelled() => Ok(()),
            error = herder.failed() => Err(error.context("The worker cannot go on")),
        };
    };
    let held = claim.held.clone();
    tokio::select! {
        () = stop.cancelled() => Ok(()),
        Ok(lost) = &mut claim.lost => Err(lost.into()),
        error = herder.failed() => Err(error.context("The worker cannot go on")),
        () = herder.follow_membership(held) => Ok(()),
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
        let initial = initial_state.as_deref().map(initial_target).transpose();
        let initial = initial.map_err(failed)?;
        let created = async {
            herder.check(&config, &[]).await?;
            herder.create(&name, config, initial).await
        };
        created.await.map_err(|error| failed(error.to_string()))?;
    }
    Ok(())
}

/// `host:port` under which statuses are written.
fn worker_id(config: &WorkerConfig, addresses: &[SocketAddr]) -> String {
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
        .or_else(|| first.map(SocketAddr::port))
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
