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

/// A connector that does not come back from `start` or from `task_configs`.
async fn stuck(in_start: bool) -> Bench {
    let bench = Bench::standalone(&[]).await;
    let script = &bench.script;
    let door = if in_start {
        &script.connector_starts
    } else {
        &script.task_configs
    };
    door.shut();
    let created = bench.herder.create("a", tested("a", "old"), None).await;
    created.unwrap();
    door.reached().await;
    bench
}

#[tokio::test(start_paused = true)]
async fn a_connector_that_hangs_is_paused_stopped_and_deleted() {
    for in_start in [true, false] {
        let bench = stuck(in_start).await;
        let herder = &bench.herder;
        herder.set_target("a", TargetState::Paused).await.unwrap();
        bench.states_become("a", &["PAUSED"]).await;
        herder.set_target("a", TargetState::Started).await.unwrap();
        herder.set_target("a", TargetState::Stopped).await.unwrap();
        bench.states_become("a", &["STOPPED"]).await;
        in_time(herder.reset_offsets("a")).await.unwrap();
        herder.set_target("a", TargetState::Started).await.unwrap();
        in_time(herder.delete("a")).await.unwrap();
        bench.states_become("a", &[]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_connector_that_hangs_is_given_another_configuration() {
    for in_start in [true, false] {
        let bench = stuck(in_start).await;
        let (herder, script) = (&bench.herder, &bench.script);
        herder.put("a", tested("a", "new")).await.unwrap();
        script.connector_starts.open();
        script.task_configs.open();
        bench.states_become("a", &["RUNNING", "RUNNING"]).await;
        assert_eq!(script.running(), ["new"]);
    }
}

#[tokio::test(start_paused = true)]
async fn tasks_of_a_connector_that_hangs_can_be_restarted() {
    let bench = Bench::standalone(&[]).await;
    let (herder, script) = (&bench.herder, &bench.script);
    herder.create("a", tested("a", "old"), None).await.unwrap();
    bench.states_become("a", &["RUNNING", "RUNNING"]).await;
    script.connector_starts.shut();
    herder.put("a", tested("a", "new")).await.unwrap();
    script.connector_starts.reached().await;
    in_time(herder.restart_task("a", 0)).await.unwrap();
    script.connector_starts.open();
    eventually("the task runs anew", || script.running() == ["new"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_with_a_connector_that_hangs_ends() {
    let bench = stuck(true).await;
    in_time(bench.herder.stop()).await;
    assert_eq!(bench.states("a"), ["UNASSIGNED"]);
}

/// Where the panic was, and that it was wanted.
fn check_panic(text: &str) {
    let place = " panicked at runtime/worker/src/testing/tested_connector.rs:";
    assert!(text.contains(place), "{text}");
    assert!(text.contains("the test wants it"), "{text}");
}

#[tokio::test]
async fn a_connector_that_panics_has_failed_and_tells_where() {
    for method in ["start", "task_configs"] {
        let bench = running("old").await;
        let herder = &bench.herder;
        bench.script.panic_in(method);
        herder.put("a", tested("a", "new")).await.unwrap();
        bench.states_become("a", &["FAILED", "RUNNING"]).await;
        let status = herder.shared.statuses.connector("a").unwrap();
        check_panic(&status.trace.unwrap());
        bench.script.panic_in("nothing");
        in_time(herder.put("a", tested("a", "newer")))
            .await
            .unwrap();
        eventually("the task runs anew", || bench.script.running() == ["newer"]).await;
        bench.script.panic_in("stop");
        in_time(herder.delete("a")).await.unwrap();
        bench.states_become("a", &[]).await;
    }
}

#[tokio::test]
async fn a_request_whose_connector_panics_is_answered() {
    let bench = running("old").await;
    let herder = &bench.herder;
    bench.script.panic_in("validate");
    let config = tested("a", "new");
    let error = herder.check(&config, &[]).await.expect_err("it panics");
    check_panic(&error.message);
    bench.script.panic_in("alter_offsets");
    herder.set_target("a", TargetState::Stopped).await.unwrap();
    let error = herder.reset_offsets("a").await.expect_err("it panics");
    check_panic(&error.message);
}
