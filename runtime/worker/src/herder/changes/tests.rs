use std::time::Duration;

use super::*;
use crate::testing::{Answers, Bench, eventually, tested};

/// Asks, and goes away once it is at work.
async fn given_up<T>(request: impl Future<Output = T>, at_work: impl Future<Output = ()>) {
    tokio::select! {
        biased;
        _ = request => panic!("it was answered"),
        () = at_work => {}
    }
}

async fn in_time<T>(request: impl Future<Output = T>) -> T {
    let answer = tokio::time::timeout(Duration::from_secs(30), request).await;
    answer.expect("an answer in time")
}

/// Longer than any test: a task that does not stop is waited for.
const GRACEFUL: (&str, &str) = ("task.shutdown.graceful.timeout.ms", "600000");

async fn running(setting: &str) -> Bench {
    let bench = Bench::distributed(&[GRACEFUL]).await;
    let config = tested("a", setting);
    bench.herder.create("a", config, None).await.unwrap();
    bench.states_become("a", &["RUNNING", "RUNNING"]).await;
    bench
}

#[tokio::test]
async fn a_deletion_that_its_client_gave_up_ends() {
    let bench = running("old").await;
    let herder = &bench.herder;
    bench.script.task_stops.shut();
    given_up(herder.delete("a"), bench.script.task_stops.reached()).await;
    bench.script.task_stops.open();
    let created = in_time(herder.create("a", tested("a", "new"), None)).await;
    created.unwrap();
    bench.states_become("a", &["RUNNING", "RUNNING"]).await;
    assert_eq!(bench.script.running(), ["new"]);
    in_time(herder.put("a", tested("a", "newer")))
        .await
        .unwrap();
    in_time(herder.delete("a")).await.unwrap();
    bench.states_become("a", &[]).await;
}

#[tokio::test]
async fn a_change_that_its_client_gave_up_takes_effect() {
    let bench = running("old").await;
    bench.gate.set(Answers::Later);
    let put = bench.herder.put("a", tested("a", "new"));
    given_up(put, bench.gate.reached()).await;
    bench.gate.set(Answers::Yes);
    eventually("the task runs anew", || bench.script.running() == ["new"]).await;
}

#[tokio::test]
async fn a_change_whose_write_was_not_answered_takes_effect() {
    let bench = running("old").await;
    bench.gate.lose("connector-a");
    let put = bench.herder.put("a", tested("a", "new")).await;
    let error = put.expect_err("no answer");
    assert_eq!(error.status, 500);
    let text = "Error writing connector configuration to Kafka";
    assert!(error.message.starts_with(text), "{error}");
    eventually("the task runs anew", || bench.script.running() == ["new"]).await;
    bench.gate.lose("connector-a");
    bench.herder.delete("a").await.expect_err("no answer");
    eventually("nothing runs", || bench.script.running().is_empty()).await;
    bench.gate.lose("connector-a");
    let create = bench.herder.create("a", tested("a", "again"), None).await;
    create.expect_err("no answer");
    eventually("it runs again", || bench.script.running() == ["again"]).await;
    bench.gate.lose("target-state-a");
    let stop = bench.herder.set_target("a", TargetState::Stopped).await;
    stop.expect_err("no answer");
    bench.states_become("a", &["STOPPED"]).await;
}

#[tokio::test]
async fn a_connector_that_takes_its_time_holds_up_no_other() {
    let bench = running("old").await;
    bench.script.task_stops.shut();
    let mut deletion = std::pin::pin!(bench.herder.delete("a"));
    given_up(&mut deletion, bench.script.task_stops.reached()).await;
    let created = in_time(bench.herder.create("b", tested("b", "new"), None)).await;
    created.unwrap();
    bench.states_become("b", &["RUNNING", "RUNNING"]).await;
    bench.script.task_stops.open();
    in_time(deletion).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_change_that_takes_long_is_answered_and_goes_on() {
    let bench = Bench::standalone(&[GRACEFUL]).await;
    let herder = &bench.herder;
    herder.create("a", tested("a", "old"), None).await.unwrap();
    bench.states_become("a", &["RUNNING", "RUNNING"]).await;
    bench.script.task_stops.shut();
    let error = herder.delete("a").await.expect_err("it takes long");
    assert_eq!(error.status, 500);
    let text = "Request timed out. The worker is currently removing the config for connector a from the config topic, which began at ";
    assert!(error.message.starts_with(text), "{error}");
    bench.script.task_stops.open();
    herder.create("a", tested("a", "new"), None).await.unwrap();
    bench.states_become("a", &["RUNNING", "RUNNING"]).await;
}

#[tokio::test]
async fn a_connector_that_panicked_can_be_changed() {
    let bench = running("old").await;
    let herder = &bench.herder;
    herder.put("a", tested("a", "panic")).await.unwrap();
    eventually("its task has ended", || bench.script.running().is_empty()).await;
    in_time(herder.put("a", tested("a", "new"))).await.unwrap();
    eventually("the task runs anew", || bench.script.running() == ["new"]).await;
    in_time(herder.delete("a")).await.unwrap();
    bench.states_become("a", &[]).await;
}
