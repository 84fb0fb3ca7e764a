use std::collections::VecDeque;
use std::sync::Mutex;

use tidegate_api::{Props, SchemaAndValue, SchemaBuilder, Str, Value};

use super::*;
use crate::testing::Stage;

/// What a scripted source does at its next poll.
enum Step {
    Batch(&'static [(&'static str, i64)]),
    Error(ConnectError),
}

/// Follows a script that outlives its instances, then has nothing more.
struct Scripted(Arc<Mutex<VecDeque<Step>>>);

fn script(steps: Vec<Step>) -> impl Fn() -> Box<dyn SourceTask> + Send + Sync {
    let steps = Arc::new(Mutex::new(VecDeque::from(steps)));
    move || Box::new(Scripted(Arc::clone(&steps)))
}

#[async_trait]
impl SourceTask for Scripted {
    async fn start(&mut self, _context: SourceTaskContext, _: Props) -> Result<(), ConnectError> {
        Ok(())
    }
    async fn poll(&mut self) -> Result<Vec<SourceRecord>, ConnectError> {
        let step = self.0.lock().unwrap().pop_front();
        match step {
            Some(Step::Batch(records)) => Ok(records
                .iter()
                .map(|(text, position)| record(text, *position))
                .collect()),
            Some(Step::Error(error)) => Err(error),
            None => std::future::pending().await,
        }
    }
    async fn stop(&mut self) {}
}

fn record(text: &str, position: i64) -> SourceRecord {
    SourceRecord {
        record: Record {
            topic: Arc::from("t"),
            kafka_partition: None,
            key: SchemaAndValue::NULL,
            value: SchemaAndValue::new(SchemaBuilder::string().build(), Value::string(text)),
            timestamp: None,
            headers: Vec::new(),
        },
        source_partition: Arc::new(SourcePartition::single("file", "f")),
        source_offset: SourceOffset::new(vec![(Str::new("at"), Value::Int64(position))]),
    }
}

fn offsets(entries: &[String]) -> Vec<&str> {
    let offsets = entries.iter().filter(|entry| entry.starts_with("offset"));
    offsets.map(String::as_str).collect()
}

#[tokio::test(start_paused = true)]
async fn only_an_acknowledged_prefix_is_committed() {
    let steps = vec![Step::Batch(&[("a", 1), ("b", 2)]), Step::Batch(&[("c", 3)])];
    let mut stage = Stage::source(&[], script(steps));
    let first = stage.next_append().await;
    let second = stage.next_append().await;
    assert_eq!(
        (first.values(), second.values()),
        (vec!["a".into(), "b".into()], vec!["c".into()])
    );
    // The later batch is stored first: nothing may be committed before the earlier one is.
    second.store();
    tokio::time::advance(Duration::from_secs(30)).await;
    tokio::task::yield_now().await;
    assert!(offsets(&stage.journal.entries()).is_empty());
    first.store();
    stage.journal.wait_for("offset", 1).await;
    let entries = stage.finish().await;
    assert_eq!(offsets(&entries), ["offset {at=3}"]);
    assert_eq!(entries.first().unwrap(), "RUNNING");
    assert_eq!(entries.last().unwrap(), "UNASSIGNED");
    assert!(entries.contains(&"topic t".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_acknowledgements_and_commits_them() {
    let mut stage = Stage::source(&[], script(vec![Step::Batch(&[("a", 1)])]));
    let batch = stage.next_append().await;
    stage.stop.cancel();
    batch.store();
    assert_eq!(offsets(&stage.finish().await), ["offset {at=1}"]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_record_fails_the_task_and_nothing_behind_it_is_committed() {
    let steps = vec![
        Step::Batch(&[("a", 1)]),
        Step::Batch(&[("b", 2)]),
        Step::Batch(&[("c", 3)]),
    ];
    let mut stage = Stage::source(&[], script(steps));
    let (first, second, third) = (
        stage.next_append().await,
        stage.next_append().await,
        stage.next_append().await,
    );
    third.store();
    first.store();
    second.fail(LogError::Invalid("too large".to_owned()));
    stage.journal.wait_for("FAILED", 1).await;
    let entries = stage.finish().await;
    assert_eq!(offsets(&entries), ["offset {at=1}"]);
    let failure = entries
        .iter()
        .find(|entry| entry.starts_with("FAILED"))
        .unwrap();
    assert!(
        failure.contains("Unrecoverable exception from producer send callback"),
        "{failure}"
    );
    assert!(failure.contains("too large"), "{failure}");
}

#[tokio::test(start_paused = true)]
async fn a_tolerated_refusal_is_skipped() {
    let steps = vec![Step::Batch(&[("a", 1)]), Step::Batch(&[("b", 2)])];
    let mut stage = Stage::source(&[("errors.tolerance", "all")], script(steps));
    stage
        .next_append()
        .await
        .fail(LogError::Invalid("too large".to_owned()));
    stage.next_append().await.store();
    stage.journal.wait_for("offset", 1).await;
    assert_eq!(offsets(&stage.finish().await), ["offset {at=2}"]);
}

#[tokio::test(start_paused = true)]
async fn a_full_log_is_never_tolerated() {
    let steps = vec![Step::Batch(&[("a", 1)]), Step::Batch(&[("b", 2)])];
    let mut stage = Stage::source(&[("errors.tolerance", "all")], script(steps));
    let (first, second) = (stage.next_append().await, stage.next_append().await);
    first.fail(LogError::Full("no space left".to_owned()));
    second.store();
    stage.journal.wait_for("FAILED", 1).await;
    let entries = stage.finish().await;
    assert_eq!(offsets(&entries), [""; 0]);
    assert!(
        entries.iter().any(|entry| entry.contains("no space left")),
        "{entries:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_away_is_polled_again() {
    let away = Step::Error(ConnectError::retriable("the database is away"));
    let mut stage = Stage::source(&[], script(vec![away, Step::Batch(&[("a", 1)])]));
    stage.next_append().await.store();
    let entries = stage.finish().await;
    assert_eq!(offsets(&entries), ["offset {at=1}"]);
    assert!(
        !entries.iter().any(|entry| entry.starts_with("FAILED")),
        "{entries:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_log_that_gives_up_fails_the_task_which_comes_back_by_itself() {
    let steps = vec![Step::Batch(&[("a", 1)]), Step::Batch(&[("a", 1)])];
    let mut stage = Stage::source(&[], script(steps));
    let (first, second) = (stage.next_append().await, stage.next_append().await);
    drop(second);
    first.fail(LogError::Unavailable("no broker answers".to_owned()));
    stage.journal.wait_for("FAILED", 1).await;
    stage.journal.wait_for("RUNNING", 2).await;
    let entries = stage.finish().await;
    assert!(offsets(&entries).is_empty(), "{entries:?}");
    assert_eq!(entries.last().unwrap(), "UNASSIGNED");
}

#[tokio::test(start_paused = true)]
async fn a_fatal_error_stays() {
    let gone = Step::Error(ConnectError::fatal("the binlog is gone"));
    let mut stage = Stage::source(&[], script(vec![gone, Step::Batch(&[("a", 1)])]));
    stage.journal.wait_for("FAILED", 1).await;
    tokio::time::advance(Duration::from_hours(1)).await;
    assert!(stage.appended.try_recv().is_err());
    assert_eq!(
        stage.journal.entries(),
        ["RUNNING", "FAILED the binlog is gone"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_paused_source_is_not_polled() {
    let mut stage = Stage::source(&[], script(vec![Step::Batch(&[("a", 1)])]));
    stage.next_append().await.store();
    stage.target.send_replace(TargetState::Paused);
    stage.journal.wait_for("PAUSED", 1).await;
    stage.target.send_replace(TargetState::Started);
    stage.journal.wait_for("RUNNING", 2).await;
    assert_eq!(offsets(&stage.finish().await), ["offset {at=1}"]);
}
