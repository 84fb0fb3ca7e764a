use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use bytes::Bytes;
use tidegate_api::{Props, TimestampType};
use tokio::sync::oneshot;

use super::*;
use crate::testing::{Journal, Stage};

#[tokio::test(start_paused = true)]
async fn a_topic_is_told_of_once_and_again_after_a_reset() {
    let (stage, puts) = sink(&[], vec![]);
    for batch in 0..3 {
        if batch == 2 {
            stage.journal.resets.fetch_add(1, Ordering::Relaxed);
        }
        stage
            .events
            .try_send(records(5 + batch..6 + batch))
            .unwrap();
        puts.wait_for("put", usize::try_from(batch).unwrap() + 1)
            .await;
    }
    let entries = stage.finish().await;
    let told = entries.iter().filter(|entry| *entry == "topic t");
    assert_eq!(told.count(), 2);
}

/// Notes what it is given; fails as the script says.
struct Scripted {
    failures: Arc<Mutex<VecDeque<ConnectError>>>,
    puts: Arc<Journal>,
    /// Puts of nothing since the last one of something.
    idle: u32,
}

#[async_trait]
impl SinkTask for Scripted {
    async fn start(&mut self, _context: SinkTaskContext, _: Props) -> Result<(), ConnectError> {
        Ok(())
    }
    async fn put(&mut self, records: &[SinkRecord]) -> Result<(), ConnectError> {
        if records.is_empty() {
            self.idle += 1;
            return match self.idle {
                1..1000 => Ok(()),
                _ => Err(ConnectError::fatal("it spins")),
            };
        }
        self.idle = 0;
        if let Some(error) = self.failures.lock().unwrap().pop_front() {
            self.puts.note("refused");
            return Err(error);
        }
        let places: Vec<String> = records.iter().map(|r| r.original.to_string()).collect();
        self.puts.note(format!("put {}", places.join(" ")));
        Ok(())
    }
    async fn close(&mut self, partitions: &[TopicPartition]) -> Result<(), ConnectError> {
        self.puts.note(format!("close {}", list(partitions)));
        Ok(())
    }
    async fn stop(&mut self) {}
}

fn sink(props: &[(&str, &str)], failures: Vec<ConnectError>) -> (Stage, Arc<Journal>) {
    let puts = Arc::new(Journal::default());
    let (failures, noted) = (
        Arc::new(Mutex::new(VecDeque::from(failures))),
        Arc::clone(&puts),
    );
    let mut all = vec![("topics", "t")];
    all.extend(props);
    let stage = Stage::sink(&all, move || {
        Box::new(Scripted {
            failures: Arc::clone(&failures),
            puts: Arc::clone(&noted),
            idle: 0,
        })
    });
    stage
        .events
        .try_send(ConsumerEvent::Assigned(vec![(part(0), 5)]))
        .unwrap();
    (stage, puts)
}

fn part(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

fn records(offsets: std::ops::Range<i64>) -> ConsumerEvent {
    let record = |offset| ConsumedRecord {
        topic: Arc::from("t"),
        partition: 0,
        offset,
        timestamp: Some(1),
        timestamp_type: TimestampType::CreateTime,
        key: None,
        value: Some(Bytes::from_static(b"v")),
        headers: tidegate_log::RecordHeaders::new(),
    };
    ConsumerEvent::Records(offsets.map(record).collect())
}

fn commits(entries: &[String]) -> Vec<&str> {
    let commits = entries.iter().filter(|entry| entry.starts_with("commit"));
    commits.map(String::as_str).collect()
}

#[tokio::test(start_paused = true)]
async fn what_was_written_is_committed_and_again_at_the_end() {
    let (stage, puts) = sink(&[], vec![]);
    stage.events.try_send(records(5..7)).unwrap();
    stage.journal.wait_for("commit", 1).await;
    stage.events.try_send(records(7..8)).unwrap();
    puts.wait_for("put", 2).await;
    let entries = stage.finish().await;
    assert_eq!(commits(&entries), ["commit t-0@7", "commit t-0@8"]);
    assert_eq!(
        puts.entries(),
        ["put t-0@5 t-0@6", "put t-0@7", "close t-0"]
    );
    assert!(entries.contains(&"left the group".to_owned()));
    assert_eq!(entries.last().unwrap(), "UNASSIGNED");
}

/// With `auto.offset.reset=latest` the next start would pass over what came to them meanwhile.
#[tokio::test(start_paused = true)]
async fn partitions_without_records_are_committed_with_the_others() {
    let (stage, puts) = sink(&[], vec![]);
    let more = ConsumerEvent::Assigned(vec![(part(1), 0)]);
    stage.events.try_send(more).unwrap();
    stage.events.try_send(records(5..7)).unwrap();
    puts.wait_for("put", 1).await;
    let entries = stage.finish().await;
    assert_eq!(commits(&entries), ["commit t-0@7", "commit t-1@0"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_committed_without_records() {
    let (stage, _) = sink(&[], vec![]);
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!(commits(&stage.finish().await).is_empty());
}

/// Of two commits under way the older could win.
#[tokio::test(start_paused = true)]
async fn a_commit_waits_for_the_one_before_it() {
    let (stage, puts) = sink(&[], vec![]);
    stage.answers.send_replace(false);
    stage.events.try_send(records(5..7)).unwrap();
    stage.journal.wait_for("commit", 1).await;
    stage.events.try_send(records(7..8)).unwrap();
    puts.wait_for("put", 2).await;
    // Long past the next commit's time: the task waits, and does not spin.
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(commits(&stage.journal.entries()), ["commit t-0@7"]);
    stage.answers.send_replace(true);
    stage.journal.wait_for("commit", 2).await;
    let entries = stage.finish().await;
    assert_eq!(commits(&entries), ["commit t-0@7", "commit t-0@8"]);
    assert!(
        !entries.iter().any(|entry| entry.starts_with("FAILED")),
        "{entries:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_end_does_not_overtake_a_commit_that_is_not_answered() {
    let (stage, puts) = sink(&[], vec![]);
    stage.answers.send_replace(false);
    stage.events.try_send(records(5..7)).unwrap();
    stage.journal.wait_for("commit", 1).await;
    stage.events.try_send(records(7..8)).unwrap();
    puts.wait_for("put", 2).await;
    let asked = Instant::now();
    let entries = stage.finish().await;
    assert_eq!(commits(&entries), ["commit t-0@7"]);
    assert_eq!(entries.last().unwrap(), "UNASSIGNED");
    assert!(
        asked.elapsed() < Duration::from_secs(6),
        "{:?}",
        asked.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_refused_batch_is_delivered_again_before_anything_newer() {
    let away = || ConnectError::retriable("PostgreSQL is away");
    let (stage, puts) = sink(&[], vec![away(), away()]);
    stage.events.try_send(records(5..6)).unwrap();
    puts.wait_for("refused", 1).await;
    // Fetched before the pause took effect: it waits, too.
    let refused_at = Instant::now();
    stage.events.try_send(records(6..7)).unwrap();
    puts.wait_for("refused", 2).await;
    assert!(
        refused_at.elapsed() >= RETRY.0 / 2,
        "{:?}",
        refused_at.elapsed()
    );
    puts.wait_for("put", 1).await;
    let entries = stage.finish().await;
    assert_eq!(
        puts.entries(),
        ["refused", "refused", "put t-0@5 t-0@6", "close t-0"]
    );
    assert_eq!(commits(&entries), ["commit t-0@7"]);
    let pauses = entries
        .iter()
        .filter(|entry| entry.starts_with("pause"))
        .count();
    assert_eq!(pauses, 1);
    assert!(entries.iter().any(|entry| entry.starts_with("resume")));
}

/// Writes once it may.
struct Slow {
    may_write: Arc<tokio::sync::Semaphore>,
    puts: Arc<Journal>,
}

#[async_trait]
impl SinkTask for Slow {
    async fn start(&mut self, _context: SinkTaskContext, _: Props) -> Result<(), ConnectError> {
        Ok(())
    }
    async fn put(&mut self, records: &[SinkRecord]) -> Result<(), ConnectError> {
        if !records.is_empty() {
            self.puts.note("begins");
            self.may_write.acquire().await.expect("open").forget();
            self.puts.note(format!("put {}", records.len()));
        }
        Ok(())
    }
    async fn stop(&mut self) {}
}

fn slow() -> (Stage, Arc<Journal>, Arc<tokio::sync::Semaphore>) {
    let puts = Arc::new(Journal::default());
    let may_write = Arc::new(tokio::sync::Semaphore::new(0));
    let (noted, gate) = (Arc::clone(&puts), Arc::clone(&may_write));
    let stage = Stage::sink(&[("topics", "t")], move || {
        Box::new(Slow {
            may_write: Arc::clone(&gate),
            puts: Arc::clone(&noted),
        })
    });
    let assigned = ConsumerEvent::Assigned(vec![(part(0), 5)]);
    stage.events.try_send(assigned).unwrap();
    (stage, puts, may_write)
}

#[tokio::test(start_paused = true)]
async fn one_batch_is_fetched_while_another_is_written() {
    let (stage, puts, may_write) = slow();
    stage.events.try_send(records(5..7)).unwrap();
    puts.wait_for("begins", 1).await;
    stage.events.try_send(records(7..8)).unwrap();
    let taken = async {
        while stage.events.capacity() < stage.events.max_capacity() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), taken)
        .await
        .expect("fetched ahead");
    may_write.add_permits(2);
    puts.wait_for("put 1", 1).await;
    let entries = puts.entries();
    assert_eq!(entries, ["begins", "put 2", "begins", "put 1"]);
    assert_eq!(commits(&stage.finish().await), ["commit t-0@8"]);
}

/// Partitions that go while a batch is written wait for it and for what was fetched before them.
#[tokio::test(start_paused = true)]
async fn partitions_go_after_what_was_fetched_before() {
    let (stage, puts, may_write) = slow();
    stage.events.try_send(records(5..6)).unwrap();
    puts.wait_for("begins", 1).await;
    let (done, given_back) = oneshot::channel();
    let partitions = vec![part(0)];
    stage.events.try_send(records(6..7)).unwrap();
    stage
        .events
        .try_send(ConsumerEvent::Revoked { partitions, done })
        .unwrap();
    may_write.add_permits(2);
    assert!(given_back.await.is_err(), "dropped, not answered");
    assert_eq!(commits(&stage.journal.entries()), ["commit t-0@7"]);
    stage.finish().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_committed_for_a_batch_that_was_never_written() {
    let away = || ConnectError::retriable("PostgreSQL is away");
    let (stage, puts) = sink(&[], (0..100).map(|_| away()).collect());
    stage.events.try_send(records(5..6)).unwrap();
    puts.wait_for("refused", 5).await;
    let entries = stage.finish().await;
    assert!(commits(&entries).is_empty(), "{entries:?}");
}

#[tokio::test(start_paused = true)]
async fn a_fatal_error_fails_the_task_without_committing_its_batch() {
    let bad = ConnectError::data("row 7 of mp_cdc.t");
    let (stage, puts) = sink(&[], vec![bad]);
    stage.events.try_send(records(5..6)).unwrap();
    stage.journal.wait_for("FAILED", 1).await;
    let entries = stage.finish().await;
    assert!(commits(&entries).is_empty(), "{entries:?}");
    let failure = entries
        .iter()
        .find(|entry| entry.starts_with("FAILED"))
        .unwrap();
    assert!(
        failure.contains(UNRECOVERABLE) && failure.contains("row 7 of mp_cdc.t"),
        "{failure}"
    );
    assert_eq!(puts.entries(), ["refused", "close t-0"]);
}

#[tokio::test(start_paused = true)]
async fn partitions_are_committed_and_closed_before_they_are_given_back() {
    let (stage, puts) = sink(&[], vec![]);
    stage.events.try_send(records(5..6)).unwrap();
    puts.wait_for("put", 1).await;
    let (done, given_back) = oneshot::channel();
    let partitions = vec![part(0)];
    stage
        .events
        .try_send(ConsumerEvent::Revoked { partitions, done })
        .unwrap();
    assert!(given_back.await.is_err(), "dropped, not answered");
    assert_eq!(commits(&stage.journal.entries()), ["commit t-0@6"]);
    assert_eq!(puts.entries(), ["put t-0@5", "close t-0"]);
    stage.finish().await;
}

#[tokio::test(start_paused = true)]
async fn lost_partitions_take_their_waiting_records_along() {
    let away = || ConnectError::retriable("PostgreSQL is away");
    let (stage, puts) = sink(&[], vec![away()]);
    stage.events.try_send(records(5..6)).unwrap();
    puts.wait_for("refused", 1).await;
    stage
        .events
        .try_send(ConsumerEvent::Lost(vec![part(0)]))
        .unwrap();
    puts.wait_for("close", 1).await;
    // What was waited for has gone.
    stage.journal.wait_for("RUNNING", 2).await;
    tokio::time::advance(Duration::from_mins(1)).await;
    let entries = stage.finish().await;
    assert!(commits(&entries).is_empty(), "{entries:?}");
    assert!(!puts.entries().iter().any(|entry| entry.starts_with("put")));
}

#[tokio::test(start_paused = true)]
async fn a_paused_sink_commits_and_lets_its_partitions_rest() {
    let (stage, puts) = sink(&[], vec![]);
    stage.events.try_send(records(5..6)).unwrap();
    puts.wait_for("put", 1).await;
    stage.target.send_replace(TargetState::Paused);
    stage.journal.wait_for("PAUSED", 1).await;
    stage.journal.wait_for("commit t-0@6", 1).await;
    stage.target.send_replace(TargetState::Started);
    stage.journal.wait_for("RUNNING", 2).await;
    stage.finish().await;
}

/// An unreadable record goes to the dead letter queue when that is wanted; the rest is written.
#[tokio::test(start_paused = true)]
async fn an_unreadable_record_does_not_hold_up_the_others() {
    let long = "org.apache.kafka.connect.converters.LongConverter";
    let (stage, puts) = sink(
        &[("value.converter", long), ("errors.tolerance", "all")],
        vec![],
    );
    let mut event = records(5..7);
    if let ConsumerEvent::Records(records) = &mut event {
        records[1].value = Some(Bytes::from_static(&[0, 0, 0, 0, 0, 0, 0, 1]));
    }
    stage.events.try_send(event).unwrap();
    puts.wait_for("put t-0@6", 1).await;
    assert_eq!(commits(&stage.finish().await), ["commit t-0@7"]);

    let (stage, _puts) = sink(&[("value.converter", long)], vec![]);
    stage.events.try_send(records(5..6)).unwrap();
    stage.journal.wait_for("FAILED", 1).await;
    let entries = stage.finish().await;
    let failure = entries
        .iter()
        .find(|entry| entry.starts_with("FAILED"))
        .unwrap();
    assert!(
        failure.contains("t-0@5") && failure.contains("VALUE_CONVERTER"),
        "{failure}"
    );
}

/// What the queue did not get must come again.
#[tokio::test(start_paused = true)]
async fn a_dead_letter_waits_for_a_log_that_is_full() {
    let props = [
        (
            "value.converter",
            "org.apache.kafka.connect.converters.LongConverter",
        ),
        ("errors.tolerance", "all"),
        ("errors.deadletterqueue.topic.name", "dead"),
    ];
    let full = || LogError::Full("no space left".to_owned());
    let (mut stage, _puts) = sink(&props, vec![]);
    stage.events.try_send(records(5..6)).unwrap();
    stage.next_append().await.fail(full());
    stage.next_append().await.store();
    stage.journal.wait_for("commit t-0@6", 1).await;
    stage.events.try_send(records(6..7)).unwrap();
    let letter = stage.next_append().await;
    stage.stop.cancel();
    letter.fail(full());
    let entries = stage.finish().await;
    assert_eq!(commits(&entries), ["commit t-0@6"]);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_a_broken_log_does_not_take_fails_the_task() {
    let props = [
        (
            "value.converter",
            "org.apache.kafka.connect.converters.LongConverter",
        ),
        ("errors.tolerance", "all"),
        ("errors.deadletterqueue.topic.name", "dead"),
    ];
    let (mut stage, _puts) = sink(&props, vec![]);
    stage.events.try_send(records(5..6)).unwrap();
    let refused = LogError::Fatal("the login was refused".to_owned());
    stage.next_append().await.fail(refused);
    stage.journal.wait_for("FAILED", 1).await;
    let entries = stage.finish().await;
    assert!(commits(&entries).is_empty(), "{entries:?}");
    let failure = entries.iter().find(|entry| entry.starts_with("FAILED"));
    let failure = failure.expect("a failure");
    assert!(failure.contains("'dead'"), "{failure}");
    assert!(failure.contains("the login was refused"), "{failure}");
}

/// Cannot write, and cannot tell what it has written.
struct Away;

#[async_trait]
impl SinkTask for Away {
    async fn start(&mut self, _context: SinkTaskContext, _: Props) -> Result<(), ConnectError> {
        Ok(())
    }
    async fn put(&mut self, records: &[SinkRecord]) -> Result<(), ConnectError> {
        if records.is_empty() {
            return Ok(());
        }
        Err(ConnectError::retriable("PostgreSQL is away"))
    }
    async fn pre_commit(&mut self, _offsets: Offsets) -> Result<Offsets, ConnectError> {
        Err(ConnectError::retriable("PostgreSQL is away"))
    }
    async fn stop(&mut self) {}
}

#[tokio::test(start_paused = true)]
async fn going_back_ends_the_wait_for_a_batch() {
    let stage = Stage::sink(&[("topics", "t")], || Box::new(Away));
    let assigned = ConsumerEvent::Assigned(vec![(part(0), 5)]);
    stage.events.try_send(assigned).unwrap();
    stage.events.try_send(records(5..6)).unwrap();
    stage.journal.wait_for("WAITING", 1).await;
    stage.journal.wait_for("seek", 1).await;
    stage.journal.wait_for("RUNNING", 2).await;
    stage.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_reading_needs_is_got_once() {
    let props = [
        ("value.converter", "Asking"),
        ("value.converter.fails", "1"),
        ("errors.retry.timeout", "-1"),
    ];
    let (stage, puts) = sink(&props, vec![]);
    stage.events.try_send(records(5..8)).unwrap();
    puts.wait_for("put", 1).await;
    let entries = stage.finish().await;
    let prepared = entries.iter().filter(|entry| entry.starts_with("prepare"));
    assert_eq!(prepared.collect::<Vec<_>>(), ["prepare read t v"; 2]);
    assert_eq!(puts.entries(), ["put t-0@5 t-0@6 t-0@7", "close t-0"]);
}

#[tokio::test(start_paused = true)]
async fn records_whose_reading_cannot_be_prepared_may_be_tolerated() {
    let props = [
        ("value.converter", "Asking"),
        ("value.converter.fails", "2"),
        ("errors.tolerance", "all"),
    ];
    let (stage, puts) = sink(&props, vec![]);
    stage.events.try_send(records(5..8)).unwrap();
    puts.wait_for("put", 1).await;
    assert_eq!(commits(&stage.finish().await), ["commit t-0@8"]);
    assert_eq!(puts.entries(), ["put t-0@7", "close t-0"]);
}
