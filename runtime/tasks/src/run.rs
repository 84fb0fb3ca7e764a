//! A task from its configuration to its end.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt as _;
use tidegate_api::{ConnectError, ConnectorKind};
use tracing::{Instrument as _, error, info, info_span};

use crate::environment::{TargetState, TaskEnvironment};
use crate::pipeline::Pipeline;
use crate::{sink, source};

/// Runs the task until it stops, fails or is cancelled; its states go to `environment.status`. A plugin's panic is a
/// failure of its task alone.
pub async fn run_task(mut environment: TaskEnvironment) {
    let (id, status, cancel) = (
        environment.id.clone(),
        Arc::clone(&environment.status),
        environment.cancel.clone(),
    );
    let span = info_span!("task", connector = %id.connector, task = id.task);
    let work = AssertUnwindSafe(run(&mut environment))
        .catch_unwind()
        .instrument(span.clone());
    let outcome = tokio::select! {
        () = cancel.cancelled() => {
            span.in_scope(|| error!("Graceful stop of task {id} failed."));
            return;
        }
        outcome = work => outcome,
    };
    let _entered = span.entered();
    match outcome {
        Ok(Ok(())) => {
            info!("task {id} has stopped");
            status.on_shutdown(&id);
        }
        Ok(Err(error)) => {
            error!(
                "task {id} failed and will not recover until it is restarted:\n{}",
                error.trace()
            );
            status.on_failure(&id, &error);
        }
        Err(panic) => {
            let error = ConnectError::fatal(format!("task {id} panicked: {}", message(&*panic)));
            error!("{error}");
            status.on_failure(&id, &error);
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
}

async fn run(environment: &mut TaskEnvironment) -> Result<(), ConnectError> {
    let class = environment
        .connector_props
        .raw("connector.class")
        .unwrap_or_default();
    let plugin = environment
        .plugins
        .connector(class)
        .ok_or_else(|| ConnectError::config(format!("connector class '{class}' is not known")))?;
    let kind = plugin.kind.clone();
    let pipeline = Pipeline::new(
        &environment.connector_props,
        &environment.settings.worker_props,
        &environment.plugins,
    )?;
    if !wait_for_start(environment).await {
        return Ok(());
    }
    match kind {
        ConnectorKind::Source(create) => {
            let mut task = create();
            let result = source::run(environment, &mut *task, pipeline).await;
            task.stop().await;
            result
        }
        ConnectorKind::Sink(create) => {
            let mut task = create();
            let result = sink::run(environment, &mut *task, pipeline).await;
            task.stop().await;
            result
        }
    }
}

/// A paused task is not started before it is resumed; false if it is to stop meanwhile.
async fn wait_for_start(environment: &mut TaskEnvironment) -> bool {
    let wanted = |state: &TargetState| *state == TargetState::Started;
    if wanted(&environment.target_state.borrow_and_update()) {
        return !environment.stop.is_cancelled();
    }
    environment.status.on_pause(&environment.id);
    tokio::select! {
        () = environment.stop.cancelled() => false,
        changed = environment.target_state.wait_for(wanted) => changed.is_ok(),
    }
}
