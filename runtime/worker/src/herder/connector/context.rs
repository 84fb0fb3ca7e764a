//! What a connector may ask of the worker.

use std::sync::Arc;

use tidegate_api::{ConnectError, ConnectorContext, OffsetStorageReader};
use tidegate_tasks::stored_offsets;
use tokio::sync::mpsc;
use tracing::warn;

use super::Command;
use crate::herder::Shared;

pub(super) struct Context {
    pub(super) name: Arc<str>,
    pub(super) shared: Arc<Shared>,
    pub(super) actor: mpsc::WeakSender<Command>,
}

impl Context {
    fn tell(&self, command: Command) {
        if let Some(actor) = self.actor.upgrade()
            && actor.try_send(command).is_err()
        {
            warn!(
                "connector {} has too many requests waiting; one is dropped",
                self.name
            );
        }
    }
}

impl ConnectorContext for Context {
    fn request_task_reconfiguration(&self) {
        self.tell(Command::Reconfigure);
    }
    fn raise_error(&self, error: ConnectError) {
        self.tell(Command::Raised(error));
    }
    fn offset_reader(&self) -> Option<Arc<dyn OffsetStorageReader>> {
        let store = Arc::clone(&self.shared.offsets);
        Some(stored_offsets(Arc::clone(&self.name), store))
    }
}
