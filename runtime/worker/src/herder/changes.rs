//! Changes of connectors: made, changed, deleted, paused, resumed, stopped.
//!
//! A change that has begun runs to its end, whatever becomes of the client that asked for it: what is on the topic and
//! what the connector's actor does must not part ways.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use chrono::{SecondsFormat, Utc};
use serde_json::Value as Json;
use tidegate_api::{ConnectError, Props, catch_panic};
use tidegate_tasks::{Backoff, TargetState};
use tokio::sync::oneshot;
use tracing::{info, warn};

use super::connector::Command;
use super::{Herder, REQUEST_TIMEOUT};
use crate::config::Mode;
use crate::errors::WorkerError;
use crate::loggers::Level;

/// Before a topic that cannot be read is asked again what became of a write.
const READ_RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

/// Whether a request made a connector or changed one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    Created,
    Updated,
}

/// A lock for each connector that is being changed: its changes happen one after the other, and none waits for another
/// connector's.
#[derive(Debug, Default)]
pub(super) struct Changing(Mutex<BTreeMap<String, Weak<tokio::sync::Mutex<()>>>>);

impl Changing {
    fn lock_of(&self, name: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.0.lock().expect("no holder panics");
        locks.retain(|_, lock| lock.strong_count() > 0);
        if let Some(lock) = locks.get(name).and_then(Weak::upgrade) {
            return lock;
        }
        let lock = Arc::default();
        locks.insert(name.to_owned(), Arc::downgrade(&lock));
        lock
    }
}

impl Herder {
    /// Runs a change to its end, after those of the connector that were asked for before. Whoever asked is told how it
    /// ended, or after [`REQUEST_TIMEOUT`] that it goes on; `stage` says what the worker is doing.
    async fn change<T: Send + 'static, F>(
        &self,
        name: &str,
        stage: String,
        change: impl FnOnce(Self, String) -> F,
    ) -> Result<T, WorkerError>
    where
        F: Future<Output = Result<T, WorkerError>> + Send + 'static,
    {
        self.shared.membership.check()?;
        let lock = self.changing.lock_of(name);
        let change = change(self.clone(), name.to_owned());
        let began = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
        let what = stage.clone();
        let running = self.shared.tasks.spawn(async move {
            let _one_at_a_time = lock.lock().await;
            catch_panic(&what, change).await?
        });
        let ended = tokio::time::timeout(REQUEST_TIMEOUT, running).await;
        let ended = ended.map_err(|_| {
            WorkerError::internal(format!(
                "Request timed out. The worker is currently {stage}, which began at {began}."
            ))
        })?;
        ended.map_err(|_| self.gone(name))?
    }

    /// What has become of a write, once it can be read: one that was not answered may be stored all the same.
    async fn outcome(&self, written: Result<(), ConnectError>) -> Result<(), ConnectError> {
        let mut backoff = Backoff::new(READ_RETRY.0, READ_RETRY.1);
        while written.is_err()
            && let Err(error) = self.shared.configs.refresh().await
        {
            let delay = backoff.next_delay();
            warn!(
                "The config topic cannot be read, {}: {}",
                backoff.wait(delay),
                error.chain()
            );
            tokio::select! {
                () = self.shared.stopping.cancelled() => break,
                () = tokio::time::sleep(delay) => {}
            }
        }
        written
    }

    /// Creates the connector with a configuration that was checked; an existing one is refused.
    pub(crate) async fn create(
        &self,
        name: &str,
        config: Props,
        initial: Option<TargetState>,
    ) -> Result<Json, WorkerError> {
        let stage = writing_config(name);
        self.change(name, stage, move |herder, name| async move {
            if herder.shared.configs.connector(&name).is_some() {
                return Err(WorkerError::conflict(format!(
                    "Connector {name} already exists"
                )));
            }
            Ok(herder.write_config(&name, &config, initial).await?.1)
        })
        .await
    }

    /// Creates the connector or changes its configuration, which was checked.
    pub(crate) async fn put(&self, name: &str, config: Props) -> Result<(Put, Json), WorkerError> {
        let stage = writing_config(name);
        self.change(name, stage, move |herder, name| async move {
            herder.write_config(&name, &config, None).await
        })
        .await
    }

    /// Stores a configuration, and has the connector follow it. The description has the tasks that were there before it does:
    /// none of a new one, as the original answers.
    async fn write_config(
        &self,
        name: &str,
        config: &Props,
        initial: Option<TargetState>,
    ) -> Result<(Put, Json), WorkerError> {
        let configs = &self.shared.configs;
        let put = match configs.connector(name) {
            Some(_) => Put::Updated,
            None => Put::Created,
        };
        let written = configs.put_connector(name, config, initial).await;
        let written = self.outcome(written).await;
        let stored = configs.connector(name);
        let description = self.info(name);
        match put {
            _ if stored.is_none_or(|stored| stored.config != *config) => {}
            Put::Updated => {
                info!("configuration of connector {name} has changed");
                self.tell(name, Command::ConfigUpdated).await?;
            }
            Put::Created => {
                info!("connector {name} was created");
                self.actor(name)?;
            }
        }
        written?;
        Ok((put, description?))
    }

    /// Changes some properties; null removes one.
    pub(crate) async fn patch(
        &self,
        name: &str,
        patch: Vec<(String, Option<String>)>,
    ) -> Result<Json, WorkerError> {
        let mut config = self.config(name)?;
        for (key, value) in patch {
            match value {
                Some(value) => config.set(key, value),
                None => drop(config.remove(&key)),
            }
        }
        if let Some(other) = config.raw("name").filter(|other| *other != name) {
            return Err(WorkerError::bad_request(format!(
                "Connector name configuration ({other}) doesn't match connector name in the URL ({name})"
            )));
        }
        self.check(&config, &[]).await?;
        Ok(self.put(name, config).await?.1)
    }

    pub(crate) async fn delete(&self, name: &str) -> Result<(), WorkerError> {
        let stage = format!("removing the config for connector {name} from the config topic");
        self.change(name, stage, |herder, name| async move {
            herder.entry(&name)?;
            let removed = herder.shared.configs.remove_connector(&name).await;
            let removed = herder.outcome(removed).await;
            if herder.shared.configs.connector(&name).is_none() {
                herder.end(&name).await;
                info!("connector {name} was deleted");
            }
            Ok(removed?)
        })
        .await
    }

    /// Stops a connector that is no longer configured, for however long that takes, and forgets it.
    async fn end(&self, name: &str) {
        let actors = || self.actors.lock().expect("no holder panics");
        let actor = actors().get(name).cloned();
        let ended = async {
            let (done, ended) = oneshot::channel();
            let shutdown = Command::Shutdown {
                deleted: true,
                done,
            };
            actor?.send(shutdown).await.ok()?;
            ended.await.ok()
        };
        if ended.await.is_none() {
            // Its actor has ended early and left its states.
            self.shared.statuses.remove_connector(name);
            self.shared.statuses.reset_topics(name);
        }
        actors().remove(name);
    }

    /// Sets the level of a logger for all workers of the group, as each reads of it.
    pub(crate) async fn set_cluster_level(
        &self,
        logger: &str,
        level: Level,
    ) -> Result<(), WorkerError> {
        Ok(self.shared.configs.put_level(logger, level.name()).await?)
    }

    /// The description of a connector that was just made or changed. A worker in standalone mode starts it first: then the
    /// description has its tasks.
    pub(crate) async fn described(&self, name: &str, info: Json) -> Result<Json, WorkerError> {
        if self.shared.mode == Mode::Distributed {
            return Ok(info);
        }
        self.settled(name).await?;
        self.info(name)
    }

    /// Pauses, resumes or stops.
    pub(crate) async fn set_target(
        &self,
        name: &str,
        target: TargetState,
    ) -> Result<(), WorkerError> {
        let stage = format!("writing the target state of connector {name} to the config topic");
        self.change(name, stage, move |herder, name| async move {
            let configs = &herder.shared.configs;
            if configs.connector(&name).is_none() {
                return Err(WorkerError::not_found(format!("Unknown connector {name}")));
            }
            let written = async {
                if target == TargetState::Stopped {
                    configs.put_tasks(&name, &[]).await?;
                }
                configs.put_target(&name, target).await
            };
            let written = herder.outcome(written.await).await;
            let target = configs.target(&name);
            let command = Command::TargetStateChanged(target);
            herder.tell(&name, command).await?;
            Ok(written?)
        })
        .await
    }
}

fn writing_config(name: &str) -> String {
    format!("writing a config for connector {name} to the config topic")
}

#[cfg(test)]
mod tests;
