//! What the herder's loop is asked to do, by REST and by the instances it runs.

use std::sync::Arc;

use tidegate_api::{ConnectError, ConnectorTaskId, OffsetFieldsMap, Props};
use tidegate_tasks::TargetState;
use tokio::sync::oneshot;

use super::entities::{ConnectorInfo, ConnectorStateInfo};
use crate::stores::status_store::Subject;

pub(crate) type Reply<T> = oneshot::Sender<Result<T, ConnectError>>;

/// A connector's configuration was stored; whether it is new.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) created: bool,
    pub(crate) info: ConnectorInfo,
}

/// Which instances of a connector to restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RestartScope {
    pub(crate) include_tasks: bool,
    pub(crate) only_failed: bool,
}

/// New offsets of a connector.
#[derive(Debug)]
pub(crate) enum OffsetChange {
    /// Partition and offset, as given: their meaning depends on the connector's type. `None` deletes an offset.
    Alter(Vec<(Option<OffsetFieldsMap>, Option<OffsetFieldsMap>)>),
    Reset,
}

pub(crate) enum Command {
    Put {
        name: String,
        props: Props,
        state: Option<TargetState>,
        allow_replace: bool,
        reply: Reply<Stored>,
    },
    Delete {
        name: String,
        reply: Reply<()>,
    },
    /// STARTED or PAUSED.
    SetTargetState {
        name: String,
        state: TargetState,
        reply: Reply<()>,
    },
    Stop {
        name: String,
        reply: Reply<()>,
    },
    RestartConnector {
        name: String,
        reply: Reply<()>,
    },
    RestartTask {
        id: ConnectorTaskId,
        reply: Reply<()>,
    },
    Restart {
        name: String,
        scope: RestartScope,
        reply: Reply<ConnectorStateInfo>,
    },
    ChangeOffsets {
        name: String,
        change: OffsetChange,
        reply: Reply<&'static str>,
    },
    SetLoggerLevel {
        logger: String,
        level: String,
        reply: Reply<()>,
    },
    /// Answers as soon as the loop is free.
    Ping {
        reply: Reply<()>,
    },
    /// A connector has split its work.
    TaskConfigs {
        name: Arc<str>,
        generation: u64,
        configs: Vec<Props>,
        reply: Reply<()>,
    },
    /// An instance has ended.
    Gone(Subject),
}
