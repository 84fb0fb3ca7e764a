//! A task from its configuration to its end.

use std::time::Duration;

use tidegate_api::{ConnectError, ConnectorKind, catch_panic};
use tokio::time::Instant;
use tracing::{Instrument as _, error, info, info_span, warn};

use crate::backoff::Backoff;
use crate::environment::{TargetState, TaskEnvironment};
use crate::pipeline::Pipeline;
use crate::producers::Producers;
use crate::tolerance::pause_for;
use crate::{sink, source};

/// Before a task that failed for something transient is started again; doubles up to the second one.
const RESTART_DELAY: (Duration, Duration) = (Duration::from_secs(2), Duration::from_mins(1));

/// Runs the task until it stops, is cancelled or fails for good; its states go to `environment.status`. A plugin's panic
/// is a failure of its task alone. A failure that may pass by itself, such as a server that is away, shows as FAILED with
/// its trace, and the task is started again after a while.
pub async fn run_task(mut environment: TaskEnvironment) {
    let id = environment.id.clone();
    let cancel = environment.cancel.clone();
    let span = info_span!("task", connector = %id.connector, task = id.task);
    let producers = Producers::default();
    let work = run_with_restarts(&mut environment, &producers).instrument(span.clone());
    tokio::select! {
        () = cancel.cancelled() => {
            span.in_scope(|| error!("Graceful stop of task {id} failed."));
        }
        () = work => {}
    }
    producers.close().await;
}

async fn run_with_restarts(environment: &mut TaskEnvironment, producers: &Producers) {
    let mut backoff = Backoff::new(RESTART_DELAY.0, RESTART_DELAY.1);
    let what = format!("task {}", environment.id);
    loop {
        let started = Instant::now();
        let outcome = catch_panic(&what, run(environment, producers)).await;
        // Before anybody may take the task for ended.
        producers.close().await;
        if !may_run_again(environment, outcome) {
            return;
        }
        if started.elapsed() > RESTART_DELAY.1 {
            backoff.reset();
        }
        let delay = backoff.next_delay();
        info!("task {} will be started again in {delay:?}", environment.id);
        pause_for(delay, &environment.stop).await;
        if environment.stop.is_cancelled() {
            environment.status.on_shutdown(&environment.id);
            return;
        }
    }
}

/// Reports how a run has ended.
fn may_run_again(
    environment: &TaskEnvironment,
    outcome: Result<Result<(), ConnectError>, ConnectError>,
) -> bool {
    let (id, status) = (&environment.id, &environment.status);
    match outcome {
        Ok(Ok(())) => {
            info!("task {id} has stopped");
            status.on_shutdown(id);
        }
        Ok(Err(error)) if environment.stop.is_cancelled() => {
            warn!(
                "After being scheduled for shutdown, task {id} threw an uncaught exception:\n{}",
                error.trace()
            );
            status.on_shutdown(id);
        }
        Ok(Err(error)) if error.is_retriable() => {
            warn!("task {id} failed:\n{}", error.trace());
            status.on_failure(id, &error);
            return true;
        }
        Ok(Err(error)) => {
            error!(
                "Task {id} threw an uncaught and unrecoverable exception. Task is being killed and will not recover \
                 until manually restarted\n{}",
                error.trace()
            );
            status.on_failure(id, &error);
        }
        Err(panic) => {
            error!("{panic}");
            status.on_failure(id, &panic);
        }
    }
    false
}

async fn run(environment: &mut TaskEnvironment, producers: &Producers) -> Result<(), ConnectError> {
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
            let result = source::run(environment, &mut *task, pipeline, producers).await;
            task.stop().await;
            result
        }
        ConnectorKind::Sink(create) => {
            let mut task = create();
            let result = sink::run(environment, &mut *task, pipeline, producers).await;
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
