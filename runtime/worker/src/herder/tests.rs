use tidegate_tasks::TargetState;

use super::*;
use crate::testing::{Answers, Bench, tested};

/// The worker's end, in virtual time.
async fn stopped(bench: &Bench) {
    tokio::time::pause();
    let stopped = tokio::time::timeout(Duration::from_secs(40), bench.herder.stop());
    stopped.await.expect("an end");
}

#[tokio::test]
async fn the_end_does_not_wait_for_a_log_that_is_away() {
    let bench = Bench::distributed(&[]).await;
    let herder = &bench.herder;
    herder.create("a", tested("a", "1"), None).await.unwrap();
    bench.states_become("a", &["RUNNING", "RUNNING"]).await;
    // One connector's actor is about to store task configurations, another's change waits for the topic to be read.
    bench.script.connector_starts.shut();
    herder.put("a", tested("a", "2")).await.unwrap();
    bench.script.connector_starts.reached().await;
    bench.gate.set(Answers::Later);
    bench.script.connector_starts.open();
    bench.gate.reached().await;
    let reading = herder.clone();
    herder
        .shared
        .tasks
        .spawn(async move { reading.shared.configs.refresh().await });
    stopped(&bench).await;
    // Its task has been told, though its actor could not.
    assert_eq!(bench.script.running(), [""; 0]);
}

#[tokio::test]
async fn nothing_starts_after_the_end() {
    let bench = Bench::distributed(&[]).await;
    bench.herder.stop().await;
    let created = bench.herder.create("a", tested("a", "1"), None).await;
    let error = created.expect_err("it has ended");
    assert_eq!(error.status, 500);
    let paused = bench.herder.set_target("a", TargetState::Paused).await;
    paused.expect_err("it has ended");
    assert_eq!(bench.script.running(), [""; 0]);
}
