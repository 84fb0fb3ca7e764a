//! A source connector without a source.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tidegate_api::config::ConfigInfo;
use tidegate_api::{
    ConfigDef, ConnectError, Connector, ConnectorContext, ConnectorKind, ConnectorPlugin,
    OffsetChange, Props, SourceRecord, SourceTask, SourceTaskContext,
};
use tokio::sync::watch;

/// A place that is passed at once, or, while it is shut, when the test opens it.
#[derive(Debug)]
pub(crate) struct Door {
    open: watch::Sender<bool>,
    arrived: watch::Sender<usize>,
}

impl Default for Door {
    fn default() -> Self {
        Self {
            open: watch::Sender::new(true),
            arrived: watch::Sender::new(0),
        }
    }
}

impl Door {
    pub(crate) fn shut(&self) {
        self.open.send_replace(false);
        self.arrived.send_replace(0);
    }
    pub(crate) fn open(&self) {
        self.open.send_replace(true);
    }
    /// Once somebody has come to it since it was shut.
    pub(crate) async fn reached(&self) {
        let mut arrived = self.arrived.subscribe();
        arrived.wait_for(|count| *count > 0).await.unwrap();
    }
    pub(crate) async fn pass(&self) {
        self.arrived.send_modify(|count| *count += 1);
        let mut open = self.open.subscribe();
        open.wait_for(|open| *open).await.unwrap();
    }
}

/// What connectors of the class `Tested` do, and what they have done.
#[derive(Debug, Default)]
pub(crate) struct Script {
    pub(crate) connector_starts: Door,
    pub(crate) task_configs: Door,
    /// The method of connectors that panics.
    panics_in: Mutex<Option<&'static str>>,
    pub(crate) task_stops: Door,
    refuses_next: AtomicBool,
    /// Values of `setting` that tasks which run were started with.
    running: Mutex<Vec<String>>,
}

impl Script {
    pub(crate) fn plugin(self: &Arc<Self>) -> ConnectorPlugin {
        let (own, tasks) = (Arc::clone(self), Arc::clone(self));
        ConnectorPlugin {
            class: "Tested",
            task_class: "TestedTask",
            version: "1",
            kind: ConnectorKind::Source(Arc::new(move || {
                Box::new(TestedTask {
                    script: Arc::clone(&tasks),
                    setting: String::new(),
                })
            })),
            config_def: || ConfigDef::new(&[]),
            create: Arc::new(move || {
                Box::new(TestedConnector {
                    script: Arc::clone(&own),
                    setting: String::new(),
                })
            }),
        }
    }

    /// The next connector does not start.
    pub(crate) fn refuse_next(&self) {
        self.refuses_next.store(true, Ordering::Relaxed);
    }

    /// From now on connectors panic in this method.
    pub(crate) fn panic_in(&self, method: &'static str) {
        *self.panics_in.lock().unwrap() = Some(method);
    }
    fn entered(&self, method: &'static str) {
        let panics = *self.panics_in.lock().unwrap() == Some(method);
        assert!(!panics, "the test wants it");
    }

    pub(crate) fn running(&self) -> Vec<String> {
        self.running.lock().unwrap().clone()
    }
}

struct TestedConnector {
    script: Arc<Script>,
    setting: String,
}

#[async_trait]
impl Connector for TestedConnector {
    async fn start(
        &mut self,
        _context: Arc<dyn ConnectorContext>,
        props: &Props,
    ) -> Result<(), ConnectError> {
        self.script.connector_starts.pass().await;
        self.setting = props.raw("setting").unwrap_or_default().to_owned();
        self.script.entered("start");
        if self.script.refuses_next.swap(false, Ordering::Relaxed) {
            return Err(ConnectError::config("the test wants it"));
        }
        Ok(())
    }
    async fn task_configs(&mut self, _max: usize) -> Result<Vec<Props>, ConnectError> {
        self.script.task_configs.pass().await;
        self.script.entered("task_configs");
        Ok(vec![Props::from([("setting", self.setting.as_str())])])
    }
    async fn stop(&mut self) {
        self.script.entered("stop");
    }
    async fn validate(
        &self,
        definition: &ConfigDef,
        props: &Props,
    ) -> Result<Vec<ConfigInfo>, ConnectError> {
        self.script.entered("validate");
        Ok(definition.validate(props))
    }
    async fn alter_offsets(
        &self,
        _props: &Props,
        _offsets: OffsetChange<'_>,
    ) -> Result<bool, ConnectError> {
        self.script.entered("alter_offsets");
        Ok(false)
    }
}

struct TestedTask {
    script: Arc<Script>,
    setting: String,
}

#[async_trait]
impl SourceTask for TestedTask {
    async fn start(
        &mut self,
        _context: SourceTaskContext,
        props: Props,
    ) -> Result<(), ConnectError> {
        self.setting = props.raw("setting").unwrap_or_default().to_owned();
        self.script
            .running
            .lock()
            .unwrap()
            .push(self.setting.clone());
        Ok(())
    }
    async fn poll(&mut self) -> Result<Vec<SourceRecord>, ConnectError> {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok(Vec::new())
    }
    async fn stop(&mut self) {
        self.script.task_stops.pass().await;
    }
}

impl Drop for TestedTask {
    fn drop(&mut self) {
        let mut running = self.script.running.lock().unwrap();
        if let Some(index) = running.iter().position(|setting| *setting == self.setting) {
            running.remove(index);
        }
    }
}
