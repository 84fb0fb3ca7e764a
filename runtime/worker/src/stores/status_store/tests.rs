use std::sync::Arc;
use std::time::Duration;

use tidegate_log::Log;

use super::*;
use crate::testing::{Answers, Bench};

async fn reopened(bench: &Bench) -> StatusStore {
    let config = &bench.config;
    let id = "other:8083".to_owned();
    let store = StatusStore::on_topic(&bench.log, &config.props, &config.status_topic, id);
    store.await.unwrap()
}

fn state_of(store: &StatusStore, task: u32) -> Option<String> {
    let tasks = store.tasks("a");
    tasks.get(&task).map(|status| status.state.clone())
}

fn id(task: u32) -> ConnectorTaskId {
    ConnectorTaskId {
        connector: "a".into(),
        task,
    }
}

/// How many records the status topic has.
async fn records(log: &Arc<dyn Log>, topic: &str) -> i64 {
    let partition = tidegate_api::TopicPartition::new(topic, 0);
    let ends = log.offsets(std::slice::from_ref(&partition)).await.unwrap();
    ends[&partition].1
}

#[tokio::test]
async fn updates_that_could_not_be_written_follow_later() {
    let bench = Bench::distributed(&[]).await;
    let statuses = &bench.herder.shared.statuses;
    bench.gate.set(Answers::Full);
    for task in 0..3 {
        statuses.set_task(&id(task), state::RUNNING, None, None);
    }
    bench.gate.refused().await;
    statuses.set_task(&id(0), state::FAILED, Some("why".to_owned()), None);
    statuses.set_task(&id(1), state::PAUSED, None, None);
    bench.gate.set(Answers::Yes);
    statuses.stop().await;
    let later = reopened(&bench).await;
    assert_eq!(state_of(&later, 0).as_deref(), Some(state::FAILED));
    assert_eq!(state_of(&later, 1).as_deref(), Some(state::PAUSED));
    assert_eq!(state_of(&later, 2).as_deref(), Some(state::RUNNING));
    // What was superseded meanwhile is not written at all.
    assert_eq!(
        records(&bench.log, &bench.config.status_topic.name).await,
        3
    );
}

#[tokio::test]
async fn no_more_waits_than_there_are_tasks() {
    let bench = Bench::distributed(&[]).await;
    let statuses = &bench.herder.shared.statuses;
    bench.gate.set(Answers::Later);
    statuses.set_task(&id(0), state::RUNNING, None, None);
    bench.gate.reached().await;
    let trace = "a trace of a task that is started again and again".repeat(100);
    for attempt in 0..10_000 {
        statuses.set_task(&id(attempt % 2), state::FAILED, Some(trace.clone()), None);
    }
    assert_eq!(statuses.topic.as_ref().unwrap().waiting(), 2);
    bench.gate.set(Answers::Yes);
    statuses.stop().await;
    let later = reopened(&bench).await;
    assert_eq!(state_of(&later, 1).as_deref(), Some(state::FAILED));
}

#[tokio::test]
async fn an_update_that_is_refused_takes_no_other_with_it() {
    let bench = Bench::distributed(&[]).await;
    let statuses = &bench.herder.shared.statuses;
    bench.gate.refuse("status-task-a-0");
    statuses.set_task(&id(0), state::RUNNING, None, None);
    statuses.set_task(&id(1), state::RUNNING, None, None);
    statuses.stop().await;
    let later = reopened(&bench).await;
    assert_eq!(state_of(&later, 0), None);
    assert_eq!(state_of(&later, 1).as_deref(), Some(state::RUNNING));
}

#[tokio::test]
async fn the_end_does_not_wait_for_a_log_that_is_away() {
    let bench = Bench::distributed(&[]).await;
    bench.gate.set(Answers::Later);
    let statuses = &bench.herder.shared.statuses;
    statuses.set_task(&id(0), state::RUNNING, None, None);
    bench.gate.reached().await;
    tokio::time::pause();
    let stopped = tokio::time::timeout(Duration::from_secs(30), statuses.stop());
    stopped.await.expect("an end");
}

#[tokio::test]
async fn what_the_topic_gives_back_later_is_no_news() {
    let bench = Bench::distributed(&[]).await;
    let statuses = &bench.herder.shared.statuses;
    statuses.set_task(&id(0), state::RUNNING, None, None);
    let running = render(&statuses.tasks("a")[&0]);
    statuses.set_task(&id(0), state::FAILED, None, None);
    let replay = |task: u32| {
        let key = Bytes::from(format!("status-task-a-{task}"));
        statuses.lock().replay(&key, running.as_ref());
    };
    replay(0);
    assert_eq!(state_of(statuses, 0).as_deref(), Some(state::FAILED));
    statuses.remove_tasks("a", 0);
    replay(0);
    assert_eq!(state_of(statuses, 0), None);
    // The worker before this one may have written last.
    replay(1);
    assert_eq!(state_of(statuses, 1).as_deref(), Some(state::RUNNING));
}
