use tidegate_tasks::TargetState::{Started, Stopped};

use crate::testing::{Bench, eventually, tested};

async fn running(setting: &str) -> Bench {
    let bench = Bench::distributed(&[]).await;
    let config = tested("a", setting);
    bench.herder.create("a", config, None).await.unwrap();
    bench.states_become("a", &["RUNNING", "RUNNING"]).await;
    bench
}

#[tokio::test]
async fn a_stop_wins_over_tasks_that_are_being_made() {
    let bench = Bench::distributed(&[]).await;
    let herder = &bench.herder;
    bench.script.connector_starts.shut();
    herder.create("a", tested("a", "1"), None).await.unwrap();
    bench.script.connector_starts.reached().await;
    herder.set_target("a", Stopped).await.unwrap();
    bench.script.connector_starts.open();
    // Its offsets may be changed once it has stopped, which the request waits for.
    herder.reset_offsets("a").await.unwrap();
    assert_eq!(bench.stored_tasks("a"), 0);
    assert_eq!(bench.states("a"), ["STOPPED"]);
    assert_eq!(bench.script.running(), [""; 0]);
    herder.set_target("a", Started).await.unwrap();
    bench.states_become("a", &["RUNNING", "RUNNING"]).await;
}

#[tokio::test]
async fn tasks_of_a_stop_that_was_not_written_are_removed_later() {
    let bench = Bench::distributed(&[]).await;
    let herder = &bench.herder;
    bench.script.connector_starts.shut();
    herder.create("a", tested("a", "1"), None).await.unwrap();
    bench.script.connector_starts.reached().await;
    herder.set_target("a", Stopped).await.unwrap();
    // The first one comes with the tasks that are being made.
    bench.gate.fail_second("commit-a");
    bench.script.connector_starts.open();
    bench.states_become("a", &["STOPPED"]).await;
    eventually("no tasks are stored", || bench.stored_tasks("a") == 0).await;
    herder.reset_offsets("a").await.unwrap();
}

#[tokio::test]
async fn a_connector_stopped_and_resumed_while_it_is_busy_has_its_tasks() {
    let bench = running("1").await;
    let herder = &bench.herder;
    bench.script.task_stops.shut();
    let restart = herder.restart_task("a", 0);
    let toggled = async {
        bench.script.task_stops.reached().await;
        herder.set_target("a", Stopped).await.unwrap();
        herder.set_target("a", Started).await.unwrap();
        bench.script.task_stops.open();
    };
    let (restarted, ()) = tokio::join!(restart, toggled);
    restarted.unwrap();
    let settled = || bench.stored_tasks("a") == 1 && bench.script.running() == ["1"];
    eventually("its task is there", settled).await;
    bench.states_become("a", &["RUNNING", "RUNNING"]).await;
}

#[tokio::test]
async fn a_failed_connector_stopped_and_resumed_while_it_is_busy_starts_again() {
    let bench = Bench::distributed(&[]).await;
    let herder = &bench.herder;
    bench.script.connector_starts.shut();
    bench.script.refuse_next();
    herder.create("a", tested("a", "1"), None).await.unwrap();
    bench.script.connector_starts.reached().await;
    herder.set_target("a", Stopped).await.unwrap();
    herder.set_target("a", Started).await.unwrap();
    bench.script.connector_starts.open();
    bench.states_become("a", &["RUNNING", "RUNNING"]).await;
}

#[tokio::test]
async fn tasks_follow_configurations_whose_write_was_not_answered() {
    let bench = running("1").await;
    bench.gate.lose("commit-a");
    bench.herder.put("a", tested("a", "2")).await.unwrap();
    eventually("the task runs anew", || bench.script.running() == ["2"]).await;
    bench.states_become("a", &["RUNNING", "RUNNING"]).await;
}
