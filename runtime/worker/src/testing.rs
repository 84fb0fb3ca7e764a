//! A worker of the tests' own: a connector class that does what the test says, on a log whose answers the test holds back.

mod gated_log;
mod tested_connector;

use std::sync::Arc;
use std::time::Duration;

use tidegate_api::{Plugins, Props};
use tidegate_embedded::EmbeddedLog;
use tidegate_log::Log;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use self::gated_log::{Answers, Gate};
pub(crate) use self::tested_connector::Script;
use crate::config::Mode;
use crate::config::WorkerConfig;
use crate::herder::{Herder, Membership, Shared};
use crate::loggers::Loggers;
use crate::providers::ConfigProviders;
use crate::stores::config_store::ConfigStore;
use crate::stores::offset_store::OffsetStore;
use crate::stores::status_store::StatusStore;

const DEADLINE: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(10);

/// Waits until the condition holds.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let held = async {
        while !condition() {
            tokio::time::sleep(PAUSE).await;
        }
    };
    let held = tokio::time::timeout(DEADLINE, held).await;
    held.unwrap_or_else(|_| panic!("not within {DEADLINE:?}: {what}"));
}

/// A worker whose herder has not started anything yet.
pub(crate) struct Bench {
    pub(crate) herder: Herder,
    pub(crate) script: Arc<Script>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) config: WorkerConfig,
    _directory: tempfile::TempDir,
}

impl Bench {
    /// Keeps everything on topics; further settings of the worker on top of the defaults.
    pub(crate) async fn distributed(settings: &[(&str, &str)]) -> Self {
        Self::new(Mode::Distributed, settings).await
    }

    /// Keeps everything in memory: nothing happens outside of the test's own time.
    pub(crate) async fn standalone(settings: &[(&str, &str)]) -> Self {
        Self::new(Mode::Standalone, settings).await
    }

    async fn new(mode: Mode, settings: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let converter = "org.apache.kafka.connect.json.JsonConverter";
        let mut props: Props = ["key.converter", "value.converter", "header.converter"]
            .map(|name| (name, converter))
            .into_iter()
            .collect();
        for (name, value) in settings {
            props.set(*name, *value);
        }
        let providers = ConfigProviders::new(&props).unwrap();
        let config = WorkerConfig::new(props, mode).unwrap();
        let gate = Arc::new(Gate::default());
        let log = EmbeddedLog::open(&directory.path().join("log")).unwrap();
        let log: Arc<dyn Log> = gate.guard(Arc::new(log));
        let id = "worker:8083".to_owned();
        let (configs, statuses, offsets) = match mode {
            Mode::Distributed => (
                ConfigStore::on_topic(&log, &config.props, &config.config_topic)
                    .await
                    .unwrap(),
                StatusStore::on_topic(&log, &config.props, &config.status_topic, id)
                    .await
                    .unwrap(),
                OffsetStore::on_topic(&log, &config.props, &config.offset_topic)
                    .await
                    .unwrap(),
            ),
            Mode::Standalone => (
                ConfigStore::in_memory(),
                StatusStore::in_memory(id),
                OffsetStore::in_file(directory.path().join("offsets")).unwrap(),
            ),
        };
        let script = Arc::new(Script::default());
        let mut plugins = Plugins::default();
        tidegate_json::register(&mut plugins);
        plugins.connectors.push(script.plugin());
        let stopping = CancellationToken::new();
        let herder = Herder::new(Shared {
            mode,
            config: config.clone(),
            plugins: Arc::new(plugins),
            providers,
            loggers: Loggers::new("info", &[], |_| {}),
            log: Arc::clone(&log),
            configs,
            offsets: Arc::new(offsets),
            statuses: Arc::new(statuses),
            tasks: TaskTracker::new(),
            membership: Membership::new(&stopping),
            stopping,
        });
        Self {
            herder,
            script,
            gate,
            log,
            config,
            _directory: directory,
        }
    }

    /// States of the connector and of its tasks.
    pub(crate) fn states(&self, name: &str) -> Vec<String> {
        let statuses = &self.herder.shared.statuses;
        let tasks = statuses.tasks(name).into_values();
        let all = statuses.connector(name).into_iter().chain(tasks);
        all.map(|status| status.state).collect()
    }

    pub(crate) async fn states_become(&self, name: &str, expected: &[&str]) {
        let what = format!("states of {name} are {expected:?}");
        eventually(&what, || self.states(name) == expected).await;
    }

    /// How many task configurations are stored.
    pub(crate) fn stored_tasks(&self, name: &str) -> usize {
        let entry = self.herder.shared.configs.connector(name);
        entry.map_or(0, |entry| entry.tasks.len())
    }
}

/// A configuration of the tested connector class, which hands `setting` on to its tasks.
pub(crate) fn tested(name: &str, setting: &str) -> Props {
    let pairs = [
        ("name", name),
        ("connector.class", "Tested"),
        ("setting", setting),
    ];
    pairs.into_iter().collect()
}
