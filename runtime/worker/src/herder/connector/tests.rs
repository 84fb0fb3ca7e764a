use tidegate_api::{ConnectorTaskId, Props};
use tidegate_tasks::TargetState::{self, Started, Stopped};

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
    bench.states_become("a", &["STOPPED"]).await;
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

/// What a worker that was killed has left: `configured` tasks, and states of `states` ones.
async fn prepared(config: Props, target: TargetState, configured: usize, states: u32) -> Bench {
    let provider = "org.apache.kafka.common.config.provider.FileConfigProvider";
    let providers = [
        ("config.providers", "file"),
        ("config.providers.file.class", provider),
    ];
    let bench = Bench::distributed(&providers).await;
    let shared = &bench.herder.shared;
    let task = Props::from([("task.class", "TestedTask"), ("setting", "1")]);
    let (configs, tasks) = (&shared.configs, vec![task; configured]);
    configs.put_connector("a", &config, None).await.unwrap();
    configs.put_tasks("a", &tasks).await.unwrap();
    configs.put_target("a", target).await.unwrap();
    shared.statuses.set_connector("a", "RUNNING", None, None);
    for task in 0..states {
        let id = ConnectorTaskId {
            connector: "a".into(),
            task,
        };
        shared.statuses.set_task(&id, "RUNNING", None, None);
    }
    bench
}

async fn left_behind(config: Props, target: TargetState, configured: usize, states: u32) -> Bench {
    let bench = prepared(config, target, configured, states).await;
    bench.herder.start();
    bench
}

#[tokio::test]
async fn tasks_that_cannot_run_after_a_crash_show_it() {
    let mut config = tested("a", "1");
    config.set("secret", "${file:/no/such/file:key}");
    let bench = left_behind(config, Started, 2, 2).await;
    bench.states_become("a", &["FAILED"; 3]).await;
    let traces = bench.herder.shared.statuses.tasks("a").into_values();
    for trace in traces.filter_map(|status| status.trace) {
        assert!(trace.contains("/no/such/file"), "{trace}");
    }

    let mut config = tested("a", "1");
    config.set("connector.class", "Gone");
    let bench = left_behind(config, Started, 1, 1).await;
    bench.states_become("a", &["FAILED"; 2]).await;
    let status = bench.herder.shared.statuses.tasks("a").remove(&0).unwrap();
    assert!(status.trace.unwrap().contains("Gone"));
}

#[tokio::test]
async fn tasks_run_though_their_connector_does_not_start() {
    let bench = prepared(tested("a", "1"), Started, 1, 1).await;
    bench.script.refuse_next();
    bench.herder.start();
    bench.states_become("a", &["FAILED", "RUNNING"]).await;
    eventually("its task runs", || bench.script.running() == ["1"]).await;
}

#[tokio::test]
async fn states_of_tasks_that_are_no_longer_configured_go() {
    let bench = left_behind(tested("a", "1"), Stopped, 0, 2).await;
    bench.states_become("a", &["STOPPED"]).await;
    let bench = left_behind(tested("a", "1"), Stopped, 2, 2).await;
    bench.states_become("a", &["STOPPED"]).await;
    eventually("no tasks are stored", || bench.stored_tasks("a") == 0).await;
    let bench = left_behind(tested("a", "1"), TargetState::Paused, 1, 3).await;
    bench.states_become("a", &["PAUSED"; 2]).await;
    let bench = left_behind(tested("a", "1"), Started, 1, 3).await;
    bench.states_become("a", &["RUNNING"; 2]).await;
}
