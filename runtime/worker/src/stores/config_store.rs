//! Configurations of connectors and tasks, and the states that people want.
//!
//! Source: `org.apache.kafka.connect.storage.{KafkaConfigBackingStore,MemoryConfigBackingStore}`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use chrono::Utc;
use tidegate_api::{ConnectError, Props, Value};
use tidegate_log::{Log, TopicLog};
use tidegate_tasks::TargetState;
use tracing::{error, warn};

use crate::config::StorageTopic;
use crate::loggers::{Level, Loggers};
use crate::stores::json;
use crate::stores::topic::{self, Replay};

/// A connector as configured.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ConnectorEntry {
    pub(crate) config: Props,
    /// Configurations of its tasks; empty while they are not complete.
    pub(crate) tasks: Vec<Props>,
    /// The connector's configuration when the tasks' were made.
    pub(crate) applied: Option<Props>,
}

/// The state of all records read so far.
#[derive(Debug, Default)]
struct Configs {
    connectors: BTreeMap<String, ConnectorEntry>,
    targets: BTreeMap<String, TargetState>,
    /// Task configurations that wait for their commit record.
    deferred: BTreeMap<String, BTreeMap<u32, Props>>,
    /// Task configurations by number, complete or not.
    committed: BTreeMap<String, BTreeMap<u32, Props>>,
    /// Where levels of loggers go; `None` while history is read, whose levels are those of other days.
    loggers: Option<Loggers>,
}

impl Replay for Configs {
    fn replay(&mut self, key: &Bytes, value: Option<&Bytes>) {
        if let Ok(key) = std::str::from_utf8(key) {
            self.apply(key, value);
        }
    }
}

impl Configs {
    fn apply(&mut self, key: &str, value: Option<&Bytes>) {
        let parsed = match value.map(json::read).transpose() {
            Ok(parsed) => parsed,
            Err(error) => {
                error!(
                    "Failed to convert config data of '{key}' to Kafka Connect format: {}",
                    error.chain()
                );
                return;
            }
        };
        let props = |value: &Value| value.map_get("properties").and_then(json::to_props);
        if let Some(name) = key.strip_prefix("target-state-") {
            self.apply_target(name, parsed.as_ref());
        } else if let Some(name) = key.strip_prefix("connector-") {
            match parsed.as_ref().map(props) {
                Some(Some(config)) => {
                    self.connectors.entry(name.to_owned()).or_default().config = config;
                    self.targets
                        .entry(name.to_owned())
                        .or_insert(TargetState::Started);
                }
                Some(None) => error!(
                    "Ignoring configuration for connector '{name}' because it is not a map of properties"
                ),
                None => {
                    self.connectors.remove(name);
                    self.deferred.remove(name);
                    self.committed.remove(name);
                }
            }
        } else if let Some((name, task)) = key
            .strip_prefix("task-")
            .and_then(|rest| rest.rsplit_once('-'))
        {
            match (task.parse(), parsed.as_ref().and_then(props)) {
                (Ok(task), Some(config)) => {
                    self.deferred
                        .entry(name.to_owned())
                        .or_default()
                        .insert(task, config);
                }
                _ => {
                    error!("Ignoring task configuration '{key}' because it is in the wrong format");
                }
            }
        } else if let Some(name) = key.strip_prefix("commit-") {
            let count = parsed
                .as_ref()
                .and_then(|value| value.map_get("tasks"))
                .and_then(Value::as_i64);
            match count.and_then(|count| u32::try_from(count).ok()) {
                Some(count) => self.commit(name, count),
                None => error!(
                    "Ignoring connector tasks configuration commit for connector '{name}' because it is in the wrong format"
                ),
            }
        } else if let Some(logger) = key.strip_prefix("logger-cluster-") {
            self.apply_level(logger, parsed.as_ref());
        } else if !["restart-connector-", "tasks-fencing-", "session-key"]
            .iter()
            .any(|known| key.starts_with(known))
        {
            error!("Discarding config update record with invalid key: {key}");
        }
    }

    /// Source: `KafkaConfigBackingStore.processLoggerLevelRecord`.
    fn apply_level(&self, logger: &str, value: Option<&Value>) {
        let Some(loggers) = &self.loggers else {
            return;
        };
        let level = value.and_then(|value| value.map_get("level")?.as_str());
        match level.and_then(Level::parse) {
            Some(level) => {
                loggers.set(logger, level, Utc::now().timestamp_millis());
            }
            None => error!("Ignoring logging level of '{logger}': the record names none"),
        }
    }

    fn apply_target(&mut self, name: &str, value: Option<&Value>) {
        let Some(value) = value else {
            self.targets.remove(name);
            if self.connectors.contains_key(name) {
                self.targets.insert(name.to_owned(), TargetState::Started);
            }
            return;
        };
        let state = value
            .map_get("state.v2")
            .or_else(|| value.map_get("state"))
            .and_then(Value::as_str);
        match state {
            Some("STARTED") => self.targets.insert(name.to_owned(), TargetState::Started),
            Some("PAUSED") => self.targets.insert(name.to_owned(), TargetState::Paused),
            Some("STOPPED") => self.targets.insert(name.to_owned(), TargetState::Stopped),
            other => {
                error!("Ignoring target state for connector '{name}': {other:?} is no state");
                None
            }
        };
    }

    fn commit(&mut self, name: &str, count: u32) {
        let deferred = self.deferred.remove(name).unwrap_or_default();
        let Some(connector) = self.connectors.get_mut(name) else {
            return;
        };
        let all = self.committed.entry(name.to_owned()).or_default();
        if !(0..count).all(|task| deferred.contains_key(&task)) {
            warn!(
                "The task configurations of connector '{name}' are incomplete; they will be made again"
            );
            connector.tasks.clear();
            connector.applied = None;
            return;
        }
        all.extend(deferred);
        all.retain(|task, _| *task < count);
        connector.tasks = all.values().cloned().collect();
        connector.applied = Some(connector.config.clone());
    }
}

/// The worker's store of configurations: memory, and a topic behind it in distributed mode.
#[derive(Debug)]
pub(crate) struct ConfigStore {
    configs: Arc<Mutex<Configs>>,
    topic: Option<TopicLog>,
}

impl ConfigStore {
    pub(crate) fn in_memory() -> Self {
        Self {
            configs: Arc::default(),
            topic: None,
        }
    }

    pub(crate) async fn on_topic(
        log: &Arc<dyn Log>,
        worker_props: &Props,
        topic: &StorageTopic,
    ) -> Result<Self, ConnectError> {
        let (configs, topic) = topic::open::<Configs>(log, worker_props, topic, "config").await?;
        Ok(Self {
            configs,
            topic: Some(topic),
        })
    }

    /// From now on levels of loggers that any worker of the group sets for all of them go to `loggers`.
    pub(crate) fn follow_levels(&self, loggers: &Loggers) {
        self.lock().loggers = Some(loggers.clone());
    }

    fn lock(&self) -> MutexGuard<'_, Configs> {
        self.configs.lock().expect("no holder panics")
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.lock().connectors.keys().cloned().collect()
    }
    pub(crate) fn connector(&self, name: &str) -> Option<ConnectorEntry> {
        self.lock().connectors.get(name).cloned()
    }
    pub(crate) fn target(&self, name: &str) -> TargetState {
        self.lock()
            .targets
            .get(name)
            .copied()
            .unwrap_or(TargetState::Started)
    }

    /// Reads what others have written.
    pub(crate) async fn refresh(&self) -> Result<(), ConnectError> {
        match &self.topic {
            Some(topic) => Ok(topic.read_to_end().await?),
            None => Ok(()),
        }
    }

    /// Writes records in order and returns once they are read back.
    async fn write(&self, records: Vec<(String, Option<Value>)>) -> Result<(), ConnectError> {
        let mut bytes = Vec::with_capacity(records.len());
        for (key, value) in records {
            bytes.push((key, value.as_ref().map(json::write).transpose()?));
        }
        match &self.topic {
            None => {
                let mut configs = self.lock();
                for (key, value) in &bytes {
                    configs.apply(key, value.as_ref());
                }
                Ok(())
            }
            Some(topic) => {
                let records = bytes
                    .into_iter()
                    .map(|(key, value)| (Some(Bytes::from(key)), value))
                    .collect();
                let stored = async {
                    topic.send_all(records).await?;
                    topic.read_to_end().await
                };
                stored.await.map_err(|error| {
                    ConnectError::from(error)
                        .context("Error writing connector configuration to Kafka")
                })
            }
        }
    }

    /// Tells all workers of a logger's level, this one included.
    pub(crate) async fn put_level(&self, logger: &str, level: &str) -> Result<(), ConnectError> {
        let value = json::map([("level", Value::string(level))]);
        let key = format!("logger-cluster-{logger}");
        self.write(vec![(key, Some(value))]).await
    }

    pub(crate) async fn put_connector(
        &self,
        name: &str,
        config: &Props,
        initial: Option<TargetState>,
    ) -> Result<(), ConnectError> {
        let mut records = Vec::new();
        if let Some(state) = initial {
            records.push((format!("target-state-{name}"), Some(target_value(state))));
        }
        records.push((
            format!("connector-{name}"),
            Some(json::map([("properties", json::props(config))])),
        ));
        self.write(records).await
    }

    pub(crate) async fn remove_connector(&self, name: &str) -> Result<(), ConnectError> {
        self.write(vec![
            (format!("connector-{name}"), None),
            (format!("target-state-{name}"), None),
        ])
        .await
    }

    pub(crate) async fn put_tasks(&self, name: &str, tasks: &[Props]) -> Result<(), ConnectError> {
        let records: Vec<_> = tasks
            .iter()
            .enumerate()
            .map(|(task, config)| {
                (
                    format!("task-{name}-{task}"),
                    Some(json::map([("properties", json::props(config))])),
                )
            })
            .collect();
        if !records.is_empty() {
            self.write(records).await?;
        }
        let count = i64::try_from(tasks.len()).unwrap_or(i64::MAX);
        self.write(vec![(
            format!("commit-{name}"),
            Some(json::map([("tasks", Value::Int64(count))])),
        )])
        .await
    }

    pub(crate) async fn put_target(
        &self,
        name: &str,
        state: TargetState,
    ) -> Result<(), ConnectError> {
        self.write(vec![(
            format!("target-state-{name}"),
            Some(target_value(state)),
        )])
        .await
    }

    /// Resolves if configurations are no longer read because of a panic.
    pub(crate) async fn failed(&self) -> ConnectError {
        match &self.topic {
            Some(topic) => topic.failed().await.into(),
            None => std::future::pending().await,
        }
    }

    pub(crate) async fn stop(&self) {
        if let Some(topic) = &self.topic {
            topic.stop().await;
        }
    }
}

/// `state` is for workers before 3.5, which know no STOPPED.
fn target_value(state: TargetState) -> Value {
    let (old, new) = match state {
        TargetState::Started => ("STARTED", "STARTED"),
        TargetState::Paused => ("PAUSED", "PAUSED"),
        TargetState::Stopped => ("PAUSED", "STOPPED"),
    };
    json::map([
        ("state", Value::string(old)),
        ("state.v2", Value::string(new)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replay(records: &[(&str, Option<&str>)]) -> Configs {
        let mut configs = Configs::default();
        for (key, value) in records {
            configs.apply(
                key,
                value
                    .map(|value| Bytes::copy_from_slice(value.as_bytes()))
                    .as_ref(),
            );
        }
        configs
    }
    const CONNECTOR: (&str, Option<&str>) = ("connector-a", Some(r#"{"properties":{"name":"a"}}"#));

    #[test]
    fn levels_take_effect_when_they_are_set_and_not_as_history() {
        let loggers = Loggers::new("info", &[], |_| {});
        let level = |logger: &str| Some(loggers.get(logger)?["level"].as_str()?.to_owned());
        let store = ConfigStore::in_memory();
        let record = |logger: &str, level: &str| {
            let value = Bytes::from(format!(r#"{{"level":"{level}"}}"#));
            store
                .lock()
                .apply(&format!("logger-cluster-{logger}"), Some(&value));
        };
        record("a.b", "TRACE");
        store.follow_levels(&loggers);
        assert_eq!(level("a.b"), None);
        record("a.b", "DEBUG");
        assert_eq!(level("a.b").as_deref(), Some("DEBUG"));
        record("a.b", "nonsense");
        assert_eq!(level("a.b").as_deref(), Some("DEBUG"));
    }

    #[test]
    fn tasks_take_effect_with_their_commit_only() {
        let task = ("task-a-0", Some(r#"{"properties":{"n":"0"}}"#));
        assert!(replay(&[CONNECTOR, task]).connectors["a"].tasks.is_empty());
        let configs = replay(&[CONNECTOR, task, ("commit-a", Some(r#"{"tasks":1}"#))]);
        assert_eq!(configs.connectors["a"].tasks, [Props::from([("n", "0")])]);
        assert_eq!(
            configs.connectors["a"].applied,
            Some(Props::from([("name", "a")]))
        );
    }

    #[test]
    fn a_compacted_topic_gives_the_newer_tasks() {
        let configs = replay(&[
            CONNECTOR,
            ("task-a-1", Some(r#"{"properties":{"n":"old"}}"#)),
            ("task-a-0", Some(r#"{"properties":{"n":"new"}}"#)),
            ("commit-a", Some(r#"{"tasks":1}"#)),
        ]);
        assert_eq!(configs.connectors["a"].tasks, [Props::from([("n", "new")])]);
    }

    #[test]
    fn an_incomplete_commit_leaves_no_tasks() {
        let configs = replay(&[
            CONNECTOR,
            ("task-a-1", Some(r#"{"properties":{"n":"1"}}"#)),
            ("commit-a", Some(r#"{"tasks":2}"#)),
        ]);
        assert!(configs.connectors["a"].tasks.is_empty());
    }

    #[test]
    fn what_is_left_of_a_deleted_connector_is_ignored() {
        let configs = replay(&[
            CONNECTOR,
            ("connector-a", None),
            ("target-state-a", None),
            ("task-a-0", Some(r#"{"properties":{}}"#)),
            ("commit-a", Some(r#"{"tasks":1}"#)),
            ("nonsense", Some("{}")),
            ("connector-b", Some("no json")),
        ]);
        assert!(configs.connectors.is_empty() && configs.targets.is_empty());
    }

    #[test]
    fn target_states_of_old_and_new_workers_are_read() {
        fn check(value: &str, state: TargetState) {
            assert_eq!(
                replay(&[CONNECTOR, ("target-state-a", Some(value))]).targets["a"],
                state
            );
        }
        check(r#"{"state":"PAUSED"}"#, TargetState::Paused);
        check(
            r#"{"state":"PAUSED","state.v2":"STOPPED"}"#,
            TargetState::Stopped,
        );
        check(
            r#"{"state":"STARTED","state.v2":"STARTED"}"#,
            TargetState::Started,
        );
        assert_eq!(
            replay(&[CONNECTOR, ("target-state-a", None)]).targets["a"],
            TargetState::Started
        );
        let bytes = json::write(&target_value(TargetState::Stopped)).expect("json");
        assert_eq!(&bytes[..], br#"{"state":"PAUSED","state.v2":"STOPPED"}"#);
    }
}
