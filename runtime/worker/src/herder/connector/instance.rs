//! The plugin's side of a connector. What it is asked runs on a task of its own, so that the actor goes on hearing
//! commands whatever the plugin does, and a panic of the plugin is an error.

use std::sync::Arc;

use futures::future::BoxFuture;
use tidegate_api::{ConnectError, Connector, Props, catch_panic};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tracing::{Instrument as _, error, info, warn};

use super::context::Context;
use super::{CONNECTOR_STOP_TIMEOUT, Command, ConnectorActor};

/// A plugin's instance that nothing is asked of at the moment.
pub(super) struct Instance {
    connector: Box<dyn Connector>,
    /// Whether its `start` has succeeded.
    pub(super) started: bool,
}

impl Instance {
    pub(super) fn new(connector: Box<dyn Connector>) -> Self {
        Self {
            connector,
            started: false,
        }
    }
}

/// What a call leaves: the instance, unless it has panicked, and its answer.
type Answered<T> = (Option<Instance>, Result<T, ConnectError>);

/// Asks the instance on a task of its own.
fn ask<T, F>(tasks: &TaskTracker, what: String, mut instance: Instance, call: F) -> Call<T>
where
    T: Send + 'static,
    F: for<'a> FnOnce(&'a mut dyn Connector) -> BoxFuture<'a, Result<T, ConnectError>>
        + Send
        + 'static,
{
    let asked = what.clone();
    let work = async move {
        let answer = catch_panic(&asked, async {
            let answer = call(&mut *instance.connector).await;
            (instance, answer)
        });
        match answer.await {
            Ok((instance, answer)) => (Some(instance), answer),
            Err(panic) => (None, Err(panic)),
        }
    };
    Call {
        what,
        running: tasks.spawn(work.in_current_span()),
    }
}

struct Call<T> {
    /// Of the connector, for texts.
    what: String,
    running: JoinHandle<Answered<T>>,
}

impl<T> Call<T> {
    async fn answer(&mut self) -> Answered<T> {
        let answered = (&mut self.running).await;
        answered.unwrap_or_else(|error| {
            let error = ConnectError::fatal(format!("{} ended early: {error}", self.what));
            (None, Err(error))
        })
    }

    /// Nobody waits for it any more; it ends where it waits next.
    fn abandon(&self) -> ConnectError {
        self.running.abort();
        ConnectError::fatal(format!(
            "{} has not returned, and {CONNECTOR_STOP_TIMEOUT:?} after a later request it is abandoned",
            self.what
        ))
    }
}

impl ConnectorActor {
    fn what(&self, method: &str) -> String {
        format!("{method} of connector {}", self.name)
    }

    pub(super) async fn start_instance(&mut self, props: &Props) -> Result<(), ConnectError> {
        let context = Arc::new(Context {
            name: Arc::clone(&self.name),
            shared: Arc::clone(&self.shared),
            actor: self.own_address.clone(),
        });
        let props = props.clone();
        self.ask_instance("start", move |connector| {
            Box::pin(async move { connector.start(context, &props).await })
        })
        .await?;
        if let Some(instance) = &mut self.instance {
            instance.started = true;
        }
        Ok(())
    }

    pub(super) async fn made_task_configs(
        &mut self,
        max: usize,
    ) -> Result<Vec<Props>, ConnectError> {
        self.ask_instance("taskConfigs", move |connector| connector.task_configs(max))
            .await
    }

    /// Asks the instance, if there is one, and hears commands meanwhile. An instance that a later command wants out of
    /// the way has [`CONNECTOR_STOP_TIMEOUT`] to answer; then it is abandoned.
    ///
    /// Source: `Worker.stopAndAwaitConnector`, which leaves behind the thread of a connector that does not return.
    async fn ask_instance<T, F>(&mut self, method: &str, call: F) -> Result<T, ConnectError>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a mut dyn Connector) -> BoxFuture<'a, Result<T, ConnectError>>
            + Send
            + 'static,
    {
        let Some(instance) = self.instance.take() else {
            return Err(ConnectError::fatal(format!(
                "connector {} has no instance",
                self.name
            )));
        };
        let mut call = ask(&self.shared.tasks, self.what(method), instance, call);
        let mut abandon_at = self.is_replaced().then(deadline);
        loop {
            let abandoned = async move {
                match abandon_at {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                (instance, answer) = call.answer() => {
                    self.instance = instance;
                    return answer;
                }
                () = abandoned => return Err(call.abandon()),
                command = self.commands.recv(), if !self.orphaned => {
                    self.hear(command).await;
                    if abandon_at.is_none() && self.is_replaced() {
                        abandon_at = Some(deadline());
                    }
                }
            }
        }
    }

    /// Takes a command while the instance is busy: tasks are restarted at once, the rest waits for the instance.
    async fn hear(&mut self, command: Option<Command>) {
        match command {
            None => self.orphaned = true,
            Some(Command::RestartTask { task, done }) if !self.is_replaced() => {
                self.restart_tasks(&[task]).await;
                done.send(()).ok();
            }
            Some(Command::Restart {
                connector: false,
                tasks,
            }) if !self.is_replaced() => self.restart_shown(&tasks).await,
            // A connector that asks again and again is asked once.
            Some(Command::Reconfigure) => {
                self.waiting
                    .retain(|waiting| !matches!(waiting, Command::Reconfigure));
                self.waiting.push_back(Command::Reconfigure);
            }
            Some(Command::Raised(error)) => {
                self.waiting
                    .retain(|waiting| !matches!(waiting, Command::Raised(_)));
                self.waiting.push_back(Command::Raised(error));
            }
            Some(command) => self.waiting.push_back(command),
        }
    }

    /// Whether the instance is to go, by a command that has come since the one that is being obeyed.
    pub(super) fn is_replaced(&self) -> bool {
        self.orphaned || self.waiting.iter().any(Command::replaces_instance)
    }

    pub(super) async fn stop_instance(&mut self) {
        self.retry = None;
        let Some(instance) = self.instance.take().filter(|instance| instance.started) else {
            return;
        };
        let mut call = ask(
            &self.shared.tasks,
            self.what("stop"),
            instance,
            |connector| {
                Box::pin(async move {
                    connector.stop().await;
                    Ok(())
                })
            },
        );
        match tokio::time::timeout(CONNECTOR_STOP_TIMEOUT, call.answer()).await {
            Ok((_, Ok(()))) => info!("connector {} has stopped", self.name),
            Ok((_, Err(error))) => error!("{error}"),
            Err(_) => {
                call.running.abort();
                warn!(
                    "connector {} did not stop within {CONNECTOR_STOP_TIMEOUT:?}; it is abandoned",
                    self.name
                );
            }
        }
    }
}

fn deadline() -> Instant {
    Instant::now() + CONNECTOR_STOP_TIMEOUT
}
