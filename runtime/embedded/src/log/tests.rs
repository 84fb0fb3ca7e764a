//! What needs a look inside: a full disk, limits, retention, memory of readers.

use bytes::Bytes;
use tempfile::TempDir;
use tidegate_log::{ConsumerEvent, ProducerRecord};

use super::*;
use crate::fetch::{Fetcher, READ_BYTES};
use crate::maintenance;
use crate::producer::BATCH_BYTES;

fn open() -> (TempDir, EmbeddedLog) {
    let directory = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(directory.path()).unwrap();
    (directory, log)
}

async fn create(
    log: &EmbeddedLog,
    name: &str,
    partitions: i32,
    settings: &[(&str, &str)],
) -> Result<TopicCreation, LogError> {
    let settings = settings
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    log.create_topic(&NewTopic {
        name: Arc::from(name),
        partitions: Some(partitions),
        replication_factor: None,
        settings: settings.collect(),
    })
    .await
}

fn record(partition: i32, size: usize) -> ProducerRecord {
    let mut record = ProducerRecord::new("t", None, Some(Bytes::from(vec![b'x'; size])));
    record.partition = Some(partition);
    record
}

/// Appends each record as a batch of its own; the offset of the last one, or the first error.
async fn append(log: &EmbeddedLog, records: Vec<ProducerRecord>) -> Result<i64, LogError> {
    let producer = log.producer(&ClientConfig::default()).await?;
    let mut offset = -1;
    for record in records {
        for result in producer.append(vec![record]).await?.await {
            offset = result?.offset;
        }
    }
    Ok(offset)
}

/// Runs SQL on the connection that writes.
async fn execute(log: &EmbeddedLog, sql: &'static str) {
    let run = move |connection: &rusqlite::Connection| {
        // Pragmas answer with a row.
        connection.prepare(sql)?.query([])?.next().map(|_| ())
    };
    log.0.writer.execute(run, |()| ()).await.unwrap();
}

/// Keeps the writer's thread in one statement until the gate is dropped.
async fn hold_writer(log: &EmbeddedLog) -> std::sync::mpsc::Sender<()> {
    let (gate, closed) = std::sync::mpsc::channel::<()>();
    let held = crate::writer::Request::Execute {
        statement: Box::new(move |_| {
            closed.recv().ok();
            Ok(Box::new(|| ()))
        }),
        refused: Box::new(drop),
    };
    log.0.writer.send(held).await.unwrap();
    gate
}

fn maintain(log: &EmbeddedLog, work: fn(&rusqlite::Connection, &crate::topics::Topic)) {
    let topic = log.0.topics.get("t").unwrap();
    let connection = rusqlite::Connection::open(log.0.directory.file()).unwrap();
    work(&connection, &topic);
}

#[tokio::test]
async fn a_full_disk_is_named_and_the_log_goes_on_when_there_is_room() {
    let (directory, log) = open();
    create(&log, "t", 1, &[]).await.unwrap();
    assert_eq!(append(&log, vec![record(0, 1000)]).await, Ok(0));
    execute(&log, "PRAGMA max_page_count = 40").await;
    let producer = log.producer(&ClientConfig::default()).await.unwrap();
    // All in one transaction, appends and commits of offsets by turns.
    let gate = hold_writer(&log).await;
    let partition = TopicPartition::new("t", 0);
    let (mut receipts, mut commits) = (Vec::new(), Vec::new());
    for n in 0..20_i64 {
        receipts.push(producer.append(vec![record(0, 100_000)]).await.unwrap());
        let (log, partition) = (log.clone(), partition.clone());
        let mut commit = Box::pin(async move {
            let offsets = [(partition, Some(n))];
            log.alter_group_offsets(&format!("g{n}"), &offsets).await
        });
        assert!(futures::poll!(&mut commit).is_pending());
        commits.push(commit);
    }
    drop(gate);
    let mut stored = 0;
    for receipt in receipts {
        match receipt.await.remove(0) {
            Ok(at) => {
                stored += 1;
                assert_eq!(at.offset, stored, "no gap");
            }
            Err(LogError::Full(text)) => {
                assert!(text.contains(&directory.path().display().to_string()));
                assert!(
                    text.contains("the disk is full (") && text.contains("MB are free). Make room"),
                    "{text}"
                );
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!((1..20).contains(&stored), "{stored} fit");
    for (n, commit) in commits.into_iter().enumerate() {
        let result = commit.await;
        let kept = log.group_offsets(&format!("g{n}")).await.unwrap();
        match result {
            Ok(()) => assert_eq!(kept.get(&partition).copied(), i64::try_from(n).ok()),
            Err(LogError::Full(_)) => assert!(kept.is_empty()),
            Err(other) => panic!("{other:?}"),
        }
    }
    execute(&log, "PRAGMA max_page_count = 100000").await;
    assert_eq!(append(&log, vec![record(0, 100_000)]).await, Ok(stored + 1));
    drop((log, producer));
    let log = EmbeddedLog::open(directory.path()).unwrap();
    assert_eq!(append(&log, vec![record(0, 1)]).await, Ok(stored + 2));
}

#[tokio::test]
async fn reopening_in_the_same_process_waits_for_what_was_sent() {
    let (directory, log) = open();
    let producer = log.producer(&ClientConfig::default()).await.unwrap();
    let mut receipts = Vec::new();
    for _ in 0..50 {
        receipts.push(producer.append(vec![record(0, 10_000)]).await.unwrap());
    }
    drop((log, producer));
    let log = EmbeddedLog::open(directory.path()).unwrap();
    assert_eq!(append(&log, vec![record(0, 1)]).await, Ok(50));
}

#[tokio::test]
async fn a_deleted_topic_takes_nothing_and_comes_back_empty() {
    let (_directory, log) = open();
    append(&log, vec![record(0, 1)]).await.unwrap();
    let topic = log.0.topics.get("t").unwrap();
    log.delete_topic("t").await.unwrap();
    let part = crate::writer::Part {
        topic,
        partition: 0,
        count: 1,
        max_timestamp: 0,
        data: vec![0; 6],
    };
    let (done, result) = oneshot::channel();
    let late = crate::writer::Request::Append {
        parts: vec![part],
        done,
    };
    log.0.writer.send(late).await.unwrap();
    assert!(matches!(result.await.unwrap(), Err(LogError::NotFound(_))));
    assert_eq!(append(&log, vec![record(0, 1)]).await, Ok(0));
}

#[tokio::test]
async fn settings_that_cannot_be_kept_are_refused_by_name() {
    let (_directory, log) = open();
    let check = async |name: &str, value: &str| {
        let error = create(&log, "t", 1, &[(name, value)]).await.unwrap_err();
        assert!(
            matches!(&error, LogError::Invalid(text) if text.contains(name)),
            "{error}"
        );
    };
    check("retention.ms", "soon").await;
    check("cleanup.policy", "shred").await;
    check("message.timestamp.type", "LogAppendTime").await;
    check("retention.hours", "1").await;
    let config = ClientConfig::default().with("group.id", "g");
    for (name, value) in [("auto.offset.reset", "none"), ("max.poll.records", "few")] {
        let topics = Subscription::Topics(Vec::new());
        let error = log
            .consumer(&config.clone().with(name, value), topics)
            .await;
        assert!(matches!(error.err(), Some(LogError::Invalid(text)) if text.contains(name)));
    }
    create(
        &log,
        "t",
        1,
        &[("max.message.bytes", "100"), ("segment.ms", "1")],
    )
    .await
    .unwrap();
    let error = append(&log, vec![record(0, 101)]).await.unwrap_err();
    assert!(matches!(&error, LogError::Invalid(text) if text.contains("max.message.bytes")));
}

#[tokio::test]
async fn retention_by_size_keeps_the_newest_batches_that_reach_it() {
    let (_directory, log) = open();
    create(&log, "t", 1, &[("retention.bytes", "2500")])
        .await
        .unwrap();
    append(&log, (0..10).map(|_| record(0, 1000)).collect())
        .await
        .unwrap();
    maintain(&log, |connection, topic| {
        maintenance::delete_old(connection, topic, 0, maintenance::now()).unwrap();
    });
    let partition = TopicPartition::new("t", 0);
    let bounds = log.offsets(std::slice::from_ref(&partition)).await.unwrap()[&partition];
    assert_eq!(bounds, (7, 10));
    // A member that committed before that start goes on at the first record left.
    let group = Arc::from("g");
    log.0
        .set_group_offsets(&group, vec![(partition.clone(), Some(2))])
        .await
        .unwrap();
    let config = ClientConfig::default().with("group.id", "g");
    let topics = Subscription::Topics(vec![Arc::from("t")]);
    let mut member = log.consumer(&config, topics).await.unwrap();
    let event = member.poll(Duration::from_secs(5)).await.unwrap();
    assert!(matches!(event, ConsumerEvent::Assigned(at) if at == [(partition, 7)]));
}

#[tokio::test]
async fn a_reader_comes_to_the_end_over_compacted_records() {
    let (_directory, log) = open();
    let policy = [("cleanup.policy", "compact"), ("delete.retention.ms", "0")];
    create(&log, "t", 1, &policy).await.unwrap();
    let keyed = |value: Option<&'static [u8]>| {
        let key = Some(Bytes::from_static(b"k"));
        let mut record = ProducerRecord::new("t", key, value.map(Bytes::from_static));
        record.timestamp = Some(1000);
        record
    };
    append(
        &log,
        vec![keyed(Some(b"1")), keyed(Some(b"2")), keyed(None)],
    )
    .await
    .unwrap();
    maintain(&log, |connection, topic| {
        maintenance::compact(connection, topic, 0, maintenance::now()).unwrap();
    });
    let partition = TopicPartition::new("t", 0);
    let mut reader = log
        .reader(&ClientConfig::default(), &[(partition.clone(), 0)])
        .await
        .unwrap();
    let started = std::time::Instant::now();
    let records = reader.poll(Duration::from_mins(1)).await.unwrap();
    assert_eq!((records.len(), reader.position(&partition)), (0, Some(3)));
    assert!(
        started.elapsed() < Duration::from_secs(30),
        "it need not wait"
    );
    assert_eq!(append(&log, vec![keyed(Some(b"3"))]).await, Ok(3));
}

#[tokio::test]
async fn readers_hold_the_bytes_of_one_read_however_many_partitions_there_are() {
    let (_directory, log) = open();
    create(&log, "t", 8, &[]).await.unwrap();
    let partitions = 0..8;
    for partition in partitions.clone() {
        append(&log, (0..30).map(|_| record(partition, 100_000)).collect())
            .await
            .unwrap();
    }
    let mut fetcher = Fetcher::new(Arc::clone(&log.0), 3);
    for partition in partitions {
        fetcher.assign(TopicPartition::new("t", partition), 0);
    }
    let mut next = [0; 8];
    for poll in 0.. {
        let records = fetcher.records().await.unwrap();
        assert!(fetcher.bytes_ahead() <= READ_BYTES + BATCH_BYTES);
        for record in &records {
            let next = &mut next[usize::try_from(record.partition).unwrap()];
            assert_eq!(record.offset, *next);
            *next += 1;
        }
        if poll == 40 {
            assert!(
                next.iter().all(|next| *next > 0),
                "everyone gets a turn: {next:?}"
            );
        }
        if records.is_empty() {
            break;
        }
    }
    assert_eq!(next, [30; 8]);
}

#[tokio::test]
async fn a_cancelled_poll_loses_no_assignment() {
    let (_directory, log) = open();
    create(&log, "t", 3, &[]).await.unwrap();
    let config = ClientConfig::default().with("group.id", "g");
    let topics = Subscription::Topics(vec![Arc::from("t")]);
    let mut member = log.consumer(&config, topics).await.unwrap();
    // Polled once and dropped: the committed offsets are being read.
    let gate = hold_writer(&log).await;
    assert!(futures::poll!(member.poll(Duration::from_secs(5))).is_pending());
    drop(gate);
    let event = member.poll(Duration::from_secs(5)).await.unwrap();
    assert!(matches!(event, ConsumerEvent::Assigned(at) if at.len() == 3));
}
