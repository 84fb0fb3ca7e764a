//! What the records of the config topic say, applied one by one.
//!
//! Task configurations count only once a commit record follows a complete set of them: compaction may leave any mixture
//! of old and new records, and a connector whose set is incomplete has no tasks until a new set is committed.
//!
//! Source: `org.apache.kafka.connect.storage.{KafkaConfigBackingStore,ClusterConfigState}`.

use std::collections::{BTreeMap, HashMap};

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::Value;
use tidegate_api::Props;
use tidegate_tasks::TargetState;
use tracing::error;

use super::session_key::SessionKey;

pub(crate) const CONNECTOR: &str = "connector-";
pub(crate) const TARGET_STATE: &str = "target-state-";
pub(crate) const TASK: &str = "task-";
pub(crate) const COMMIT: &str = "commit-";
pub(crate) const RESTART: &str = "restart-connector-";
const TASKS_FENCING: &str = "tasks-fencing-";
pub(crate) const SESSION_KEY: &str = "session-key";
pub(crate) const LOGGER: &str = "logger-cluster-";

/// Connectors, their wished states and their tasks.
#[derive(Debug, Default)]
pub(crate) struct ClusterState {
    connectors: BTreeMap<String, ConnectorConfig>,
    /// May precede the connector's configuration.
    target_states: HashMap<String, TargetState>,
    tasks: HashMap<String, TaskSet>,
    session_key: Option<SessionKey>,
    /// Source of generations; never goes back.
    changes: u64,
}

#[derive(Debug)]
struct ConnectorConfig {
    props: Props,
    generation: u64,
}

#[derive(Debug, Default)]
struct TaskSet {
    /// Waiting for their commit record.
    deferred: BTreeMap<u32, Props>,
    configs: BTreeMap<u32, Props>,
    count: u32,
    is_complete: bool,
    generation: u64,
    /// The connector's configuration when the set was committed.
    applied: Option<Props>,
}

#[derive(Deserialize)]
struct Properties {
    properties: IndexMap<String, Option<String>>,
}
#[derive(Deserialize)]
struct State {
    state: String,
    #[serde(rename = "state.v2")]
    state_v2: Option<String>,
}
#[derive(Deserialize)]
struct Commit {
    tasks: u32,
}

impl ClusterState {
    /// Applies a record; one that cannot be read is logged and skipped.
    pub(crate) fn apply(&mut self, key: &str, value: Option<&[u8]>) {
        self.changes += 1;
        let generation = self.changes;
        let result = if let Some(name) = key.strip_prefix(TARGET_STATE) {
            self.on_target_state(name, value)
        } else if let Some(name) = key.strip_prefix(CONNECTOR) {
            self.on_connector(name, value, generation)
        } else if let Some(task) = key.strip_prefix(TASK) {
            self.on_task(task, value)
        } else if let Some(name) = key.strip_prefix(COMMIT) {
            self.on_commit(name, value, generation)
        } else if key == SESSION_KEY {
            parse::<SessionKey>(value).map(|session_key| self.session_key = Some(session_key))
        } else if [RESTART, TASKS_FENCING, LOGGER].iter().any(|prefix| key.starts_with(prefix)) {
            // Requests count only for the worker that makes them; fencing is for sources with transactions.
            Ok(())
        } else {
            Err("the key is unknown".to_owned())
        };
        if let Err(reason) = result {
            error!(key, reason, "skipped a record of the config topic");
        }
    }

    fn on_target_state(&mut self, name: &str, value: Option<&[u8]>) -> Result<(), String> {
        let state = match value {
            None if self.connectors.contains_key(name) => TargetState::Started,
            None => {
                self.target_states.remove(name);
                return Ok(());
            }
            Some(_) => {
                let State { state, state_v2 } = parse(value)?;
                let state = state_v2.unwrap_or(state);
                target_state(&state).ok_or_else(|| format!("the state '{state}' is unknown"))?
            }
        };
        self.target_states.insert(name.to_owned(), state);
        Ok(())
    }

    fn on_connector(&mut self, name: &str, value: Option<&[u8]>, generation: u64) -> Result<(), String> {
        if value.is_none() {
            self.connectors.remove(name);
            self.tasks.remove(name);
            return Ok(());
        }
        let props = properties(value)?;
        self.connectors.insert(name.to_owned(), ConnectorConfig { props, generation });
        self.target_states.entry(name.to_owned()).or_insert(TargetState::Started);
        Ok(())
    }

    fn on_task(&mut self, task: &str, value: Option<&[u8]>) -> Result<(), String> {
        let (name, index) = task
            .rsplit_once('-')
            .and_then(|(name, index)| Some((name, index.parse().ok()?)))
            .ok_or("the key names no task")?;
        let props = properties(value)?;
        self.tasks.entry(name.to_owned()).or_default().deferred.insert(index, props);
        Ok(())
    }

    fn on_commit(&mut self, name: &str, value: Option<&[u8]>, generation: u64) -> Result<(), String> {
        let Commit { tasks: count } = parse(value)?;
        let Some(connector) = self.connectors.get(name) else {
            self.tasks.remove(name);
            return Ok(());
        };
        let set = self.tasks.entry(name.to_owned()).or_default();
        let deferred = std::mem::take(&mut set.deferred);
        set.count = count;
        set.is_complete = (0..count).all(|index| deferred.contains_key(&index));
        if set.is_complete {
            set.configs.extend(deferred);
            set.generation = generation;
            set.applied = Some(connector.props.clone());
        }
        Ok(())
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.connectors.contains_key(name)
    }
    pub(crate) fn names(&self) -> Vec<String> {
        self.connectors.keys().cloned().collect()
    }
    /// The configuration as posted, placeholders unresolved.
    pub(crate) fn config(&self, name: &str) -> Option<&Props> {
        self.connectors.get(name).map(|connector| &connector.props)
    }
    /// Changes with every write of the configuration.
    pub(crate) fn config_generation(&self, name: &str) -> Option<u64> {
        self.connectors.get(name).map(|connector| connector.generation)
    }
    /// `None` for an unknown connector.
    pub(crate) fn target_state(&self, name: &str) -> Option<TargetState> {
        let state = self.target_states.get(name).copied();
        self.connectors.contains_key(name).then(|| state.unwrap_or(TargetState::Started))
    }
    /// Numbers of the tasks that should exist; none if the set is incomplete.
    pub(crate) fn tasks(&self, name: &str) -> std::ops::Range<u32> {
        match self.tasks.get(name) {
            Some(set) if set.is_complete => 0..set.count,
            _ => 0..0,
        }
    }
    /// Changes with every committed set.
    pub(crate) fn task_generation(&self, name: &str) -> u64 {
        self.tasks.get(name).map_or(0, |set| set.generation)
    }
    pub(crate) fn task_config(&self, name: &str, task: u32) -> Option<&Props> {
        self.tasks.get(name)?.configs.get(&task)
    }
    pub(crate) fn session_key(&self) -> Option<&SessionKey> {
        self.session_key.as_ref()
    }

    /// Whether these task configurations differ from the committed ones, or were committed for another configuration
    /// of the connector: converters and transformations may have changed. Source: `AbstractHerder.taskConfigsChanged`.
    pub(crate) fn would_change(&self, name: &str, configs: &[Props]) -> bool {
        let Some(set) = self.tasks.get(name).filter(|set| set.is_complete) else {
            return true;
        };
        let are_equal = set.count as usize == configs.len()
            && configs.iter().zip(0..).all(|(config, task)| set.configs.get(&task) == Some(config));
        !are_equal || set.applied.as_ref() != self.config(name)
    }
}

pub(crate) fn target_state_name(state: TargetState) -> &'static str {
    match state {
        TargetState::Started => "STARTED",
        TargetState::Paused => "PAUSED",
        TargetState::Stopped => "STOPPED",
    }
}

fn target_state(name: &str) -> Option<TargetState> {
    [TargetState::Started, TargetState::Paused, TargetState::Stopped]
        .into_iter()
        .find(|state| target_state_name(*state) == name)
}

fn parse<'a, T: Deserialize<'a>>(value: Option<&'a [u8]>) -> Result<T, String> {
    let bytes = value.ok_or("the value is null")?;
    // Anything but an object would satisfy a struct given as a sequence.
    match serde_json::from_slice::<Value>(bytes) {
        Ok(Value::Object(_)) => serde_json::from_slice(bytes).map_err(|error| error.to_string()),
        Ok(_) => Err("the value is not an object".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Null values, which no worker accepts over REST any more, count as absent.
fn properties(value: Option<&[u8]>) -> Result<Props, String> {
    let Properties { properties } = parse(value)?;
    Ok(properties.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(records: &[(&str, &str)]) -> ClusterState {
        let mut state = ClusterState::default();
        for (key, value) in records {
            state.apply(key, (!value.is_empty()).then_some(value.as_bytes()));
        }
        state
    }
    const A: (&str, &str) = ("connector-a", r#"{"properties":{"connector.class":"C","name":"a"}}"#);

    fn task<'a>(key: &'a str, value: &'a str) -> (&'a str, &'a str) {
        (key, value)
    }

    #[test]
    fn tasks_count_only_once_they_are_committed() {
        let records = [A, task("task-a-0", r#"{"properties":{"n":"0"}}"#)];
        assert_eq!(state(&records).tasks("a"), 0..0);
        let mut records = records.to_vec();
        records.push(("commit-a", r#"{"tasks":1}"#));
        let state = state(&records);
        assert_eq!(state.tasks("a"), 0..1);
        assert_eq!(state.task_config("a", 0).unwrap().raw("n"), Some("0"));
    }

    #[test]
    fn a_compacted_topic_keeps_the_last_complete_set() {
        let state = state(&[
            A,
            task("task-a-1", r#"{"properties":{"n":"old 1"}}"#),
            task("task-a-0", r#"{"properties":{"n":"new 0"}}"#),
            ("commit-a", r#"{"tasks":1}"#),
        ]);
        assert_eq!(state.tasks("a"), 0..1);
        assert_eq!(state.task_config("a", 0).unwrap().raw("n"), Some("new 0"));
    }

    #[test]
    fn an_incomplete_set_has_no_tasks_until_a_new_one_is_committed() {
        let mut state = state(&[
            A,
            task("task-a-1", r#"{"properties":{}}"#),
            ("commit-a", r#"{"tasks":2}"#),
        ]);
        assert_eq!(state.tasks("a"), 0..0);
        assert!(state.would_change("a", &[Props::new(), Props::new()]));
        for n in 0..2 {
            state.apply(&format!("task-a-{n}"), Some(br#"{"properties":{}}"#));
        }
        state.apply("commit-a", Some(br#"{"tasks":2}"#));
        assert_eq!(state.tasks("a"), 0..2);
    }

    #[test]
    fn records_of_deleted_connectors_are_void() {
        let state = state(&[
            A,
            task("task-a-0", r#"{"properties":{}}"#),
            ("connector-a", ""),
            ("target-state-a", ""),
            ("commit-a", r#"{"tasks":1}"#),
        ]);
        assert!(!state.contains("a"));
        assert_eq!(state.tasks("a"), 0..0);
        assert_eq!(state.target_state("a"), None);
    }

    #[test]
    fn target_states_come_in_two_versions_and_before_the_connector() {
        let check = |value: &str, expected: TargetState| {
            let state = state(&[("target-state-a", value), A]);
            assert_eq!(state.target_state("a"), Some(expected), "{value}");
        };
        check(r#"{"state":"PAUSED","state.v2":"STOPPED"}"#, TargetState::Stopped);
        check(r#"{"state":"PAUSED","state.v2":"PAUSED"}"#, TargetState::Paused);
        check(r#"{"state":"PAUSED"}"#, TargetState::Paused);
        check(r#"{"state":"STARTED","state.v2":"STARTED"}"#, TargetState::Started);
        check("", TargetState::Started);
    }

    #[test]
    fn a_change_of_the_connector_alone_makes_equal_tasks_new() {
        let mut state = state(&[
            A,
            task("task-a-0", r#"{"properties":{"n":"0"}}"#),
            ("commit-a", r#"{"tasks":1}"#),
        ]);
        let configs = [Props::from([("n", "0")])];
        assert!(!state.would_change("a", &configs));
        state.apply("connector-a", Some(br#"{"properties":{"connector.class":"C","x":"y"}}"#));
        assert!(state.would_change("a", &configs));
    }

    #[test]
    fn names_with_dashes_and_unreadable_records_do_no_harm() {
        let state = state(&[
            ("connector-a-0", r#"{"properties":{"x":null,"y":"1"}}"#),
            task("task-a-0-0", r#"{"properties":{}}"#),
            ("commit-a-0", r#"{"tasks":1}"#),
            ("commit-a-0", "[1]"),
            ("connector-b", "{broken"),
            ("task-a", r#"{"properties":{}}"#),
            ("whatever", "{}"),
            ("restart-connector-a-0", r#"{"include-tasks":true}"#),
        ]);
        assert_eq!(state.names(), ["a-0"]);
        assert_eq!(state.tasks("a-0"), 0..1);
        assert_eq!(state.config("a-0"), Some(&Props::from([("y", "1")])));
    }
}
