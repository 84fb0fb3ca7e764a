//! States of connectors and tasks, and the topics that they use.
//!
//! Source: `org.apache.kafka.connect.storage.{KafkaStatusBackingStore,MemoryStatusBackingStore}`.

mod queue;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use tidegate_api::{ConnectError, ConnectorTaskId, Props, Value};
use tidegate_log::Log;
use tidegate_tasks::TopicTracker;
use tracing::warn;

use self::queue::Queue;
use crate::config::StorageTopic;
use crate::stores::json;
use crate::stores::topic::{self, Replay};

/// State names as REST shows them.
pub(crate) mod state {
    pub(crate) const UNASSIGNED: &str = "UNASSIGNED";
    pub(crate) const RUNNING: &str = "RUNNING";
    pub(crate) const PAUSED: &str = "PAUSED";
    pub(crate) const STOPPED: &str = "STOPPED";
    pub(crate) const FAILED: &str = "FAILED";
    pub(crate) const RESTARTING: &str = "RESTARTING";
}

/// What is known of a connector or task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) state: String,
    pub(crate) trace: Option<String>,
    pub(crate) worker_id: String,
    pub(crate) generation: i64,
    /// Release of the connector's class.
    pub(crate) version: Option<String>,
}

#[derive(Debug, Default)]
struct Statuses {
    connectors: BTreeMap<String, Status>,
    tasks: BTreeMap<String, BTreeMap<u32, Status>>,
    topics: BTreeMap<String, BTreeSet<String>>,
    /// Keys that this worker has written. Nobody else writes them now, so what the topic gives back for them is older
    /// than what is here, or the same.
    own: HashSet<String>,
}

impl Replay for Statuses {
    fn replay(&mut self, key: &Bytes, value: Option<&Bytes>) {
        if let Ok(key) = std::str::from_utf8(key)
            && !self.own.contains(key)
        {
            self.apply(key, value);
        }
    }
}

impl Statuses {
    fn apply(&mut self, key: &str, value: Option<&Bytes>) {
        if let Some(name) = key.strip_prefix("status-connector-") {
            match value.map(parse) {
                Some(Some(status)) => {
                    self.connectors.insert(name.to_owned(), status);
                }
                Some(None) => warn!("Ignoring the status of connector {name}: it is not readable"),
                None => {
                    self.connectors.remove(name);
                }
            }
        } else if let Some(topic) = key.strip_prefix("status-topic-") {
            let Some((topic, connector)) = topic.split_once(":connector-") else {
                return;
            };
            let topics = self.topics.entry(connector.to_owned()).or_default();
            if value.is_some() {
                topics.insert(topic.to_owned());
            } else {
                topics.remove(topic);
            }
        } else if let Some((name, task)) = key
            .strip_prefix("status-task-")
            .and_then(|rest| rest.rsplit_once('-'))
            && let Ok(task) = task.parse::<u32>()
        {
            let tasks = self.tasks.entry(name.to_owned()).or_default();
            match value.map(parse) {
                Some(Some(status)) => {
                    tasks.insert(task, status);
                }
                Some(None) => {
                    warn!("Ignoring the status of task {name}-{task}: it is not readable");
                }
                None => {
                    tasks.remove(&task);
                }
            }
        }
    }
}

fn parse(value: &Bytes) -> Option<Status> {
    let value = json::read(value).ok()?;
    let text = |name: &str| {
        value
            .map_get(name)
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    Some(Status {
        state: text("state")?,
        trace: text("trace"),
        worker_id: text("worker_id")?,
        generation: value
            .map_get("generation")
            .and_then(Value::as_i64)
            .unwrap_or(0),
        version: text("version"),
    })
}

fn render(status: &Status) -> Option<Bytes> {
    let mut fields = vec![
        ("state", Value::string(&status.state)),
        ("trace", json::text_or_null(status.trace.as_deref())),
        ("worker_id", Value::string(&status.worker_id)),
        ("generation", Value::Int64(status.generation)),
    ];
    if let Some(version) = &status.version {
        fields.push(("version", Value::string(version)));
    }
    json::write(&json::map(fields)).ok()
}

/// The worker's store of states: memory, and a topic behind it in distributed mode.
#[derive(Debug)]
pub(crate) struct StatusStore {
    statuses: Arc<Mutex<Statuses>>,
    topic: Option<Queue>,
    worker_id: String,
    generation: i64,
    /// Counted after topics were forgotten.
    topic_resets: AtomicU64,
}

impl StatusStore {
    pub(crate) fn in_memory(worker_id: String) -> Self {
        Self {
            statuses: Arc::default(),
            topic: None,
            worker_id,
            generation: 0,
            topic_resets: AtomicU64::new(0),
        }
    }

    pub(crate) async fn on_topic(
        log: &Arc<dyn Log>,
        worker_props: &Props,
        topic: &StorageTopic,
        worker_id: String,
    ) -> Result<Self, ConnectError> {
        let (statuses, topic) = topic::open::<Statuses>(log, worker_props, topic, "status").await?;
        // Newer than all that earlier workers wrote, so that theirs never count for more.
        let generation = {
            let statuses = statuses.lock().expect("no holder panics");
            let tasks = statuses.tasks.values().flat_map(BTreeMap::values);
            statuses
                .connectors
                .values()
                .chain(tasks)
                .map(|status| status.generation)
                .max()
                .unwrap_or(0)
                + 1
        };
        Ok(Self {
            statuses,
            topic: Some(Queue::start(topic)),
            worker_id,
            generation,
            topic_resets: AtomicU64::new(0),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Statuses> {
        self.statuses.lock().expect("no holder panics")
    }

    /// Seen at once here; the topic follows.
    fn put(&self, key: String, value: Option<Bytes>) {
        {
            let mut statuses = self.lock();
            statuses.apply(&key, value.as_ref());
            statuses.own.insert(key.clone());
        }
        if let Some(topic) = &self.topic {
            topic.push(Bytes::from(key), value);
        }
    }

    fn status(&self, state: &str, trace: Option<String>, version: Option<&str>) -> Status {
        Status {
            state: state.to_owned(),
            trace,
            worker_id: self.worker_id.clone(),
            generation: self.generation,
            version: version.map(str::to_owned),
        }
    }

    pub(crate) fn set_connector(
        &self,
        name: &str,
        state: &str,
        trace: Option<String>,
        version: Option<&str>,
    ) {
        self.put(
            format!("status-connector-{name}"),
            render(&self.status(state, trace, version)),
        );
    }
    pub(crate) fn set_task(
        &self,
        id: &ConnectorTaskId,
        state: &str,
        trace: Option<String>,
        version: Option<&str>,
    ) {
        self.put(
            format!("status-task-{id}"),
            render(&self.status(state, trace, version)),
        );
    }

    /// The connector and all of its tasks that have a status are FAILED.
    pub(crate) fn fail_all(&self, name: &str, trace: &str) {
        let version = self.connector(name).and_then(|status| status.version);
        let failed =
            || render(&self.status(state::FAILED, Some(trace.to_owned()), version.as_deref()));
        for task in self.tasks(name).into_keys() {
            self.put(format!("status-task-{name}-{task}"), failed());
        }
        self.put(format!("status-connector-{name}"), failed());
    }

    /// Forgets tasks from number `from` on.
    pub(crate) fn remove_tasks(&self, name: &str, from: u32) {
        let tasks: Vec<u32> = self
            .lock()
            .tasks
            .get(name)
            .into_iter()
            .flat_map(|tasks| tasks.range(from..))
            .map(|(id, _)| *id)
            .collect();
        for task in tasks {
            self.put(format!("status-task-{name}-{task}"), None);
        }
    }
    pub(crate) fn remove_connector(&self, name: &str) {
        self.remove_tasks(name, 0);
        self.put(format!("status-connector-{name}"), None);
    }

    pub(crate) fn connector(&self, name: &str) -> Option<Status> {
        self.lock().connectors.get(name).cloned()
    }
    pub(crate) fn tasks(&self, name: &str) -> BTreeMap<u32, Status> {
        self.lock().tasks.get(name).cloned().unwrap_or_default()
    }
    /// Connectors that have a status.
    pub(crate) fn connectors(&self) -> Vec<String> {
        self.lock().connectors.keys().cloned().collect()
    }

    pub(crate) fn topics(&self, connector: &str) -> Vec<String> {
        self.lock()
            .topics
            .get(connector)
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    }
    pub(crate) fn reset_topics(&self, connector: &str) {
        for topic in self.topics(connector) {
            self.put(format!("status-topic-{topic}:connector-{connector}"), None);
        }
        self.topic_resets.fetch_add(1, Ordering::Release);
    }

    /// Resolves if statuses are no longer written or read because of a panic.
    pub(crate) async fn failed(&self) -> ConnectError {
        match &self.topic {
            Some(topic) => topic.failed().await,
            None => std::future::pending().await,
        }
    }

    /// Waits a while for what is still to be written, then stops following the topic.
    pub(crate) async fn stop(&self) {
        if let Some(topic) = &self.topic {
            topic.stop().await;
        }
    }
}

impl TopicTracker for StatusStore {
    fn resets(&self) -> u64 {
        self.topic_resets.load(Ordering::Acquire)
    }

    fn record(&self, connector: &str, task: u32, topic: &str) {
        if self
            .lock()
            .topics
            .get(connector)
            .is_some_and(|topics| topics.contains(topic))
        {
            return;
        }
        let value = json::map([(
            "topic",
            json::map([
                ("name", Value::string(topic)),
                ("connector", Value::string(connector)),
                ("task", Value::Int64(task.into())),
                (
                    "discoverTimestamp",
                    Value::Int64(chrono::Utc::now().timestamp_millis()),
                ),
            ]),
        )]);
        self.put(
            format!("status-topic-{topic}:connector-{connector}"),
            json::write(&value).ok(),
        );
    }
}

#[cfg(test)]
mod tests;
