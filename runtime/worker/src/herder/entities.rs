//! What the herder answers; field by field in the order in which REST writes it.
//!
//! Source: `org.apache.kafka.connect.runtime.rest.entities`.

use indexmap::IndexMap;
use serde::Serialize;
use tidegate_api::{Plugins, Props};

use crate::stores::status_store::{State, Status};

#[derive(Debug, Clone, Serialize)]
pub(crate) struct ConnectorInfo {
    pub(crate) name: String,
    /// As posted: placeholders unresolved.
    pub(crate) config: IndexMap<String, String>,
    pub(crate) tasks: Vec<TaskId>,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct TaskId {
    pub(crate) connector: String,
    pub(crate) task: u32,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct TaskInfo {
    pub(crate) id: TaskId,
    pub(crate) config: IndexMap<String, String>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct ConnectorStateInfo {
    pub(crate) name: String,
    pub(crate) connector: StateInfo,
    pub(crate) tasks: Vec<TaskState>,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct StateInfo {
    pub(crate) state: State,
    worker_id: String,
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct TaskState {
    pub(crate) id: u32,
    #[serde(flatten)]
    pub(crate) state: StateInfo,
}

impl From<Status> for StateInfo {
    fn from(status: Status) -> Self {
        Self {
            state: status.state,
            worker_id: status.worker_id,
            version: status.version,
            trace: status.trace.filter(|trace| !trace.is_empty()),
        }
    }
}

/// `source`, `sink` or `unknown`.
pub(crate) fn connector_kind(plugins: &Plugins, props: Option<&Props>) -> &'static str {
    props
        .and_then(|props| props.raw(CONNECTOR_CLASS))
        .and_then(|class| plugins.connector(class))
        .map_or("unknown", |plugin| plugin.kind.name())
}

/// `connector.class`
pub(crate) const CONNECTOR_CLASS: &str = "connector.class";
/// `name`
pub(crate) const NAME: &str = "name";

pub(crate) fn map_of(props: &Props) -> IndexMap<String, String> {
    props.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
