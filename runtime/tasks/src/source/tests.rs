use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use tidegate_api::{Props, SchemaAndValue, SchemaBuilder, Str, Value};

use super::*;
use crate::testing::Stage;

/// What a scripted source does at its next poll.
enum Step {
    Batch(&'static [(&'static str, i64)]),
    Records(Vec<SourceRecord>),
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
            Some(Step::Records(records)) => Ok(records),
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
            headers: tidegate_api::Headers::new(),
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
async fn a_topic_is_told_of_once_and_again_after_a_reset() {
    let batches = [&[("a", 1)], &[("b", 2)], &[("c", 3)]].map(|batch| Step::Batch(batch));
    let mut stage = Stage::source(&[], script(batches.into()));
    for batch in 0..2 {
        stage.next_append().await.store();
        stage.journal.wait_for("topic t", 1).await;
        if batch == 1 {
            stage.journal.resets.fetch_add(1, Ordering::Relaxed);
        }
    }
    stage.next_append().await.store();
    stage.journal.wait_for("topic t", 2).await;
    let entries = stage.finish().await;
    let told = entries.iter().filter(|entry| *entry == "topic t");
    assert_eq!(told.count(), 2);
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

/// Each record counts for itself: those around a refused one are stored and passed, in batches of any size.
#[tokio::test(start_paused = true)]
async fn only_the_refused_record_is_skipped() {
    let batch = Step::Batch(&[("a", 1), ("b", 2), ("c", 3)]);
    let mut stage = Stage::source(&[("errors.tolerance", "all")], script(vec![batch]));
    let appended = stage.next_append().await;
    assert_eq!(appended.values(), ["a", "b", "c"]);
    appended.store_except(&[1], &LogError::Invalid("too large".to_owned()));
    stage.journal.wait_for("offset", 1).await;
    assert_eq!(offsets(&stage.finish().await), ["offset {at=3}"]);
}

#[tokio::test(start_paused = true)]
async fn positions_before_a_refused_record_of_a_batch_are_committed() {
    let batch = Step::Batch(&[("a", 1), ("b", 2), ("c", 3), ("d", 4)]);
    let mut stage = Stage::source(&[], script(vec![batch]));
    let appended = stage.next_append().await;
    appended.store_except(&[2], &LogError::Invalid("too large".to_owned()));
    stage.journal.wait_for("FAILED", 1).await;
    let entries = stage.finish().await;
    assert_eq!(offsets(&entries), ["offset {at=2}"]);
    let failure = entries.iter().find(|entry| entry.starts_with("FAILED"));
    let failure = failure.unwrap();
    assert!(
        failure.contains("the record at {at=3} of {file=f} was not stored"),
        "{failure}"
    );
}

/// A log that leaves results out has not said that it has stored anything.
#[tokio::test(start_paused = true)]
async fn a_record_without_an_answer_is_not_stored() {
    let batch = Step::Batch(&[("a", 1), ("b", 2)]);
    let mut stage = Stage::source(&[], script(vec![batch]));
    drop(stage.next_append().await);
    stage.journal.wait_for("FAILED", 1).await;
    assert!(offsets(&stage.finish().await).is_empty());
}

/// As with Kafka Connect: lines 10 and 20 are there when the third one cannot be cast.
#[tokio::test(start_paused = true)]
async fn records_before_one_that_cannot_be_converted_are_stored() {
    let batch = Step::Batch(&[("10", 1), ("20", 2), ("x", 3), ("30", 4)]);
    let props = [
        ("transforms", "refuse"),
        ("transforms.refuse.type", "RefuseX"),
    ];
    let mut stage = Stage::source(&props, script(vec![batch]));
    let appended = stage.next_append().await;
    assert_eq!(appended.values(), ["10", "20"]);
    appended.store();
    stage.journal.wait_for("FAILED", 1).await;
    assert_eq!(offsets(&stage.finish().await), ["offset {at=2}"]);
}

/// What a producer still had would come behind records of the task's successor.
#[tokio::test(start_paused = true)]
async fn the_producer_is_closed_before_the_task_has_ended() {
    let mut stage = Stage::source(&[], script(vec![Step::Batch(&[("a", 1)])]));
    let unanswered = stage.next_append().await;
    let entries = stage.finish().await;
    assert_eq!(
        entries,
        ["RUNNING", "closed a producer", "UNASSIGNED"],
        "{entries:?}"
    );
    drop(unanswered);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_task_closes_its_producer() {
    let mut stage = Stage::source(&[], script(vec![Step::Batch(&[("a", 1)])]));
    let unanswered = stage.next_append().await;
    stage.cancel.cancel();
    assert_eq!(stage.finish().await, ["RUNNING", "closed a producer"]);
    drop(unanswered);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_takes_nothing_is_never_tolerated() {
    let cause = || "no space left".to_owned();
    for error in [LogError::Full(cause()), LogError::Fatal(cause())] {
        let steps = vec![Step::Batch(&[("a", 1)]), Step::Batch(&[("b", 2)])];
        let mut stage = Stage::source(&[("errors.tolerance", "all")], script(steps));
        let (first, second) = (stage.next_append().await, stage.next_append().await);
        first.fail(error);
        second.store();
        stage.journal.wait_for("FAILED", 1).await;
        let entries = stage.finish().await;
        assert_eq!(offsets(&entries), [""; 0]);
        assert!(
            entries.iter().any(|entry| entry.contains(&cause())),
            "{entries:?}"
        );
    }
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
async fn a_log_that_acknowledges_nothing_for_long_is_told_of_until_it_does() {
    let steps = vec![Step::Batch(&[("a", 1)]), Step::Batch(&[("b", 2)])];
    let mut stage = Stage::source(&[], script(steps));
    let (first, second) = (stage.next_append().await, stage.next_append().await);
    let begun = Instant::now();
    let wait = "WAITING the log (bootstrap.servers) has acknowledged no record for 10s; 2 batches";
    stage.journal.wait_for(wait, 1).await;
    assert!(begun.elapsed() >= STALLED, "{:?}", begun.elapsed());
    first.store();
    stage.journal.wait_for("RUNNING", 2).await;
    // Each batch has its own time.
    stage.journal.wait_for("WAITING", 2).await;
    second.store();
    stage.journal.wait_for("RUNNING", 3).await;
    let entries = stage.finish().await;
    assert_eq!(offsets(&entries).last(), Some(&"offset {at=2}"));
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
        ["RUNNING", "closed a producer", "FAILED the binlog is gone"]
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

/// Texts of a topic in schemas by their names; one schema for each name. The text of a record is its position.
fn told(places: &[(&str, &str)]) -> Vec<SourceRecord> {
    let schema = |name: &str| SchemaBuilder::string().optional().name(name).build();
    let schemas: BTreeMap<&str, _> = places
        .iter()
        .map(|(_, name)| (*name, schema(name)))
        .collect();
    let topics: BTreeMap<&str, Arc<str>> = places
        .iter()
        .map(|(topic, _)| (*topic, Arc::from(*topic)))
        .collect();
    let made = (1..).zip(places).map(|(position, (topic, name))| {
        let mut made = record(&position.to_string(), position);
        made.record.topic = Arc::clone(&topics[topic]);
        if name.is_empty() {
            made.record.value = SchemaAndValue::NULL;
        } else {
            made.record.value.schema = Some(Arc::clone(&schemas[name]));
        }
        made
    });
    made.collect()
}

fn preparations(entries: &[String]) -> Vec<&str> {
    let made = entries.iter().filter(|entry| entry.starts_with("prepare"));
    made.map(String::as_str).collect()
}

const ASKING: (&str, &str) = ("value.converter", "Asking");

#[tokio::test(start_paused = true)]
async fn what_a_schema_needs_is_got_when_topic_or_schema_change() {
    let records = told(&[
        ("t", "a"),
        ("t", "a"),
        ("u", "a"),
        ("u", "b"),
        ("u", ""),
        ("u", "b"),
        ("t", "a"),
    ]);
    let mut stage = Stage::source(&[ASKING], script(vec![Step::Records(records)]));
    let appended = stage.next_append().await;
    assert_eq!(appended.values(), ["1", "2", "3", "4", "", "6", "7"]);
    appended.store();
    let entries = stage.finish().await;
    assert_eq!(
        preparations(&entries),
        ["prepare t a", "prepare u a", "prepare u b", "prepare t a"]
    );
    assert_eq!(offsets(&entries), ["offset {at=7}"]);
}

#[tokio::test(start_paused = true)]
async fn converters_that_need_nothing_are_not_asked() {
    let props = [ASKING, ("value.converter.needy", "false")];
    let mut stage = Stage::source(&props, script(vec![Step::Records(told(&[("t", "bad")]))]));
    assert_eq!(stage.next_append().await.values(), ["1"]);
    assert_eq!(preparations(&stage.finish().await), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn preparations_are_tried_again_as_conversions_are() {
    let props = [
        ASKING,
        ("value.converter.fails", "2"),
        ("errors.retry.timeout", "60000"),
    ];
    let records = || vec![Step::Records(told(&[("t", "a"), ("t", "a")]))];
    let mut stage = Stage::source(&props, script(records()));
    let begun = Instant::now();
    assert_eq!(stage.next_append().await.values(), ["1", "2"]);
    assert_eq!(begun.elapsed(), Duration::from_millis(300 + 600));
    assert_eq!(preparations(&stage.finish().await), ["prepare t a"; 3]);
    // Without time for that, its task fails, and begins again by itself.
    let stage = Stage::source(&props[..2], script(records()));
    stage.journal.wait_for("FAILED", 1).await;
    let entries = stage.finish().await;
    let failure = entries.iter().find(|entry| entry.starts_with("FAILED"));
    let failure = failure.unwrap();
    assert!(
        failure.contains("stage VALUE_CONVERTER (Asking) failed for the record for topic 't'"),
        "{failure}"
    );
    assert!(failure.contains("the registry is away"), "{failure}");
}

#[tokio::test(start_paused = true)]
async fn records_that_cannot_be_prepared_may_be_tolerated() {
    let props = [ASKING, ("errors.tolerance", "all")];
    let records = told(&[("t", "a"), ("t", "bad"), ("t", "bad"), ("t", "a")]);
    let mut stage = Stage::source(&props, script(vec![Step::Records(records)]));
    let appended = stage.next_append().await;
    assert_eq!(appended.values(), ["1", "4"]);
    appended.store();
    let entries = stage.finish().await;
    assert_eq!(
        preparations(&entries),
        ["prepare t a", "prepare t bad", "prepare t bad"]
    );
    assert_eq!(offsets(&entries), ["offset {at=4}"]);
}

/// Nor does a record count as tolerated then.
#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_preparations() {
    let props = [ASKING, ("errors.tolerance", "all")];
    let records = told(&[("t", "a"), ("t", "slow"), ("t", "a")]);
    let mut stage = Stage::source(&props, script(vec![Step::Records(records)]));
    stage.journal.wait_for("prepare t slow", 1).await;
    stage.stop.cancel();
    let appended = stage.next_append().await;
    assert_eq!(appended.values(), ["1"]);
    appended.store();
    let entries = stage.finish().await;
    assert_eq!(offsets(&entries), ["offset {at=1}"]);
    assert_eq!(entries.last().unwrap(), "UNASSIGNED");
}

#[tokio::test(start_paused = true)]
async fn keys_and_headers_are_prepared_too() {
    let props = [
        ("key.converter", "Asking"),
        ("header.converter", "Asking"),
        ("header.converter.fails", "1"),
        ("errors.retry.timeout", "-1"),
    ];
    let mut records = told(&[("t", "a"), ("t", "b"), ("u", "b")]);
    let schema = |name: &str| SchemaBuilder::string().name(name).build();
    let header = |name: &str| tidegate_api::Header {
        key: Arc::from(name),
        value: SchemaAndValue::new(schema(name), Value::string(name)),
    };
    let headers = tidegate_api::Headers::shared([header("h")]);
    let key = SchemaAndValue::new(schema("k"), Value::string("key"));
    for source in &mut records {
        source.record.headers = headers.clone();
        source.record.key = key.clone();
    }
    let mut stage = Stage::source(&props, script(vec![Step::Records(records)]));
    assert_eq!(stage.next_append().await.values(), ["1", "2", "3"]);
    assert_eq!(
        preparations(&stage.finish().await),
        [
            "prepare t h",
            "prepare t h",
            "prepare t k",
            "prepare u h",
            "prepare u k"
        ]
    );
}
