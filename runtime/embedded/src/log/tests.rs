//! What needs a look inside: a full disk, limits, retention, memory of readers.

use bytes::Bytes;
use tempfile::TempDir;
use tidegate_log::{ConsumedRecord, ConsumerEvent, ProducerRecord};

use super::*;
use crate::compaction::{Compaction, Limits, Progress};
use crate::fetch::{Fetcher, READ_BYTES};
use crate::maintenance;
use crate::producer::BATCH_BYTES;
use crate::retention::Retention;

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

/// Compacts partition 0 of topic `t` at a time; how many steps it took.
fn compact(log: &EmbeddedLog, now: i64, limits: Limits) -> usize {
    let topic = log.0.topics.get("t").unwrap();
    let connection = rusqlite::Connection::open(log.0.directory.file()).unwrap();
    let compaction = Compaction::new(topic, 0, 0, now).unwrap();
    let mut compaction = compaction.with_limits(limits);
    let mut steps = 1;
    while compaction.step(&connection).unwrap() == Progress::More {
        steps += 1;
        assert!(compaction.keys() <= limits.keys, "memory is bounded");
    }
    steps
}

async fn read(log: &EmbeddedLog) -> Vec<ConsumedRecord> {
    let partition = TopicPartition::new("t", 0);
    let end = log.0.topics.get("t").unwrap().partitions[0].next();
    let start = [(partition.clone(), 0)];
    let mut reader = log.reader(&ClientConfig::default(), &start).await.unwrap();
    let mut records = Vec::new();
    while reader.position(&partition).unwrap() < end {
        records.extend(reader.poll(Duration::from_secs(5)).await.unwrap());
    }
    records
}

fn keyed(key: &str, value: Option<&str>) -> ProducerRecord {
    let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    let mut record = ProducerRecord::new("t", Some(bytes(key)), value.map(bytes));
    record.timestamp = Some(1000);
    record
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
    // Not a record's own: the append may have others, for topics that are there.
    let error = result.await.unwrap().unwrap_err();
    assert!(error.is_retriable() && !error.is_of_record(), "{error:?}");
    assert_eq!(append(&log, vec![record(0, 1)]).await, Ok(0));
}

#[tokio::test]
async fn offsets_of_a_deleted_topic_do_not_come_back() {
    let (_directory, log) = open();
    append(&log, vec![record(0, 1), record(0, 1)])
        .await
        .unwrap();
    let config = ClientConfig::default().with("group.id", "g");
    let topics = Subscription::Topics(vec![Arc::from("t")]);
    let mut member = log.consumer(&config, topics).await.unwrap();
    let partition = TopicPartition::new("t", 0);
    let timeout = Duration::from_secs(5);
    let event = member.poll(timeout).await.unwrap();
    assert!(matches!(event, ConsumerEvent::Assigned(at) if at == [(partition.clone(), 0)]));
    log.delete_topic("t").await.unwrap();
    // A sink commits what it has delivered when the partition is revoked.
    let committed = vec![(partition.clone(), 2)];
    member.commit(committed.clone()).await.unwrap();
    assert!(log.group_offsets("g").await.unwrap().is_empty());
    // Also if there is another topic of that name by then, which is read from its start.
    append(&log, vec![record(0, 7), record(0, 8), record(0, 9)])
        .await
        .unwrap();
    member.commit(committed).await.unwrap();
    assert!(log.group_offsets("g").await.unwrap().is_empty());
    let ConsumerEvent::Revoked { partitions, done } = member.poll(timeout).await.unwrap() else {
        panic!("the partition of the deleted topic is revoked");
    };
    assert_eq!(partitions, std::slice::from_ref(&partition));
    done.send(()).unwrap();
    let event = member.poll(timeout).await.unwrap();
    assert!(matches!(event, ConsumerEvent::Assigned(at) if at == [(partition, 0)]));
    let ConsumerEvent::Records(records) = member.poll(timeout).await.unwrap() else {
        panic!("records are next");
    };
    let sizes = records
        .iter()
        .map(|record| record.value.as_ref().unwrap().len());
    assert_eq!(sizes.collect::<Vec<_>>(), [7, 8, 9]);
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
    let topic = log.0.topics.get("t").unwrap();
    let connection = rusqlite::Connection::open(log.0.directory.file()).unwrap();
    let mut retention = Retention::new(topic, 0, maintenance::now());
    while retention.step(&connection).unwrap() == Progress::More {}
    let partition = TopicPartition::new("t", 0);
    let bounds = log.offsets(std::slice::from_ref(&partition)).await.unwrap()[&partition];
    assert_eq!(bounds, (7, 10));
    // A member that committed before that start goes on at the first record left.
    let group = Arc::from("g");
    let committed = GroupOffset {
        partition: partition.clone(),
        topic_id: None,
        offset: Some(2),
    };
    log.0
        .set_group_offsets(&group, vec![committed])
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
    let records = [Some("1"), Some("2"), None].map(|value| keyed("k", value));
    append(&log, records.to_vec()).await.unwrap();
    for _ in 0..2 {
        compact(&log, maintenance::now(), Limits::default());
    }
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
    assert_eq!(append(&log, vec![keyed("k", Some("3"))]).await, Ok(3));
}

#[tokio::test]
async fn deletions_stay_for_their_time_after_they_were_compacted_first() {
    let (_directory, log) = open();
    let policy = [
        ("cleanup.policy", "compact"),
        ("delete.retention.ms", "60000"),
    ];
    create(&log, "t", 1, &policy).await.unwrap();
    append(&log, vec![keyed("k", Some("1")), keyed("k", None)])
        .await
        .unwrap();
    // The deletion itself is older than the retention.
    let now = maintenance::now();
    for (later, left) in [(0, 1), (59_999, 1), (60_000, 0)] {
        compact(&log, now + later, Limits::default());
        assert_eq!(read(&log).await.len(), left, "after {later} ms");
    }
}

#[tokio::test]
async fn compaction_keeps_the_last_records_however_little_it_keeps_in_memory() {
    let (_directory, log) = open();
    create(&log, "t", 1, &[("cleanup.policy", "compact")])
        .await
        .unwrap();
    let mut last = BTreeMap::new();
    let mut records = Vec::new();
    for number in 0..300_usize {
        // Some keys come often, some once, some are deleted at last.
        let key = format!("key{}", number * number % 41);
        let value = (number % 7 != 0).then(|| number.to_string());
        records.push(keyed(&key, value.as_deref()));
        last.insert(key, (number, value));
    }
    append(&log, records).await.unwrap();
    let limits = Limits {
        keys: 5,
        bytes: 100,
    };
    let steps = compact(&log, maintenance::now(), limits);
    assert!(steps > 50, "{steps} steps");
    let mut kept: Vec<_> = last.into_iter().collect();
    kept.sort_by_key(|(_, (number, _))| *number);
    let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    let found = read(&log).await.into_iter().map(|record| {
        let number = usize::try_from(record.offset).unwrap();
        let key = text(record.key.as_ref().unwrap());
        (key, (number, record.value.as_ref().map(text)))
    });
    assert_eq!(found.collect::<Vec<_>>(), kept);
}

#[tokio::test]
async fn compaction_ends_though_its_last_batches_have_gone() {
    let (_directory, log) = open();
    create(&log, "t", 1, &[("cleanup.policy", "compact")])
        .await
        .unwrap();
    let three = || ["a", "b", "c"].map(|key| keyed(key, Some("1"))).to_vec();
    append(&log, three()).await.unwrap();
    let topic = log.0.topics.get("t").unwrap();
    let mut compaction = Compaction::new(topic, 0, 0, maintenance::now()).unwrap();
    execute(&log, "DELETE FROM batches WHERE base > 0").await;
    append(&log, three()).await.unwrap();
    let connection = rusqlite::Connection::open(log.0.directory.file()).unwrap();
    let mut steps = 0;
    while compaction.step(&connection).unwrap() == Progress::More {
        steps += 1;
        assert!(steps < 10, "it goes on for ever");
    }
    assert_eq!(read(&log).await.len(), 4);
}

async fn pragma(log: &EmbeddedLog, name: &'static str) -> i64 {
    let ask = move |connection: &rusqlite::Connection| {
        connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))
    };
    log.0.writer.execute(ask, |_| ()).await.unwrap()
}

#[tokio::test]
async fn the_file_shrinks_when_records_go() {
    let (_directory, log) = open();
    create(&log, "t", 1, &[("retention.bytes", "1")])
        .await
        .unwrap();
    let file = log.0.directory.file();
    let bytes = || std::fs::metadata(&file).unwrap().len();
    append(&log, (0..40).map(|_| record(0, 1_000_000)).collect())
        .await
        .unwrap();
    assert!(bytes() > 20_000_000, "{} bytes", bytes());
    let shrunk = async {
        while bytes() > 4_000_000 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let shrunk = tokio::time::timeout(Duration::from_mins(1), shrunk).await;
    shrunk.unwrap_or_else(|_| panic!("{} bytes", bytes()));
}

#[tokio::test]
async fn a_file_of_an_earlier_program_is_written_anew_once() {
    let (directory, log) = open();
    append(&log, vec![record(0, 7), record(0, 8)])
        .await
        .unwrap();
    let (file, id) = (log.0.directory.file(), log.cluster_id().await.unwrap());
    drop(log);
    let old = rusqlite::Connection::open(&file).unwrap();
    old.execute_batch("DROP TABLE horizons; PRAGMA auto_vacuum=NONE; VACUUM")
        .unwrap();
    old.close().unwrap();
    std::fs::write(directory.path().join("log.sqlite.rewritten"), "half").unwrap();
    let log = EmbeddedLog::open(directory.path()).unwrap();
    assert_eq!(pragma(&log, "auto_vacuum").await, 2);
    assert_eq!(pragma(&log, "page_size").await, 16384);
    assert_eq!(log.cluster_id().await.unwrap(), id);
    assert_eq!(read(&log).await.len(), 2);
    log.delete_topic("t").await.unwrap();
    let names = std::fs::read_dir(directory.path()).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name == "log.sqlite.rewritten"));
}

#[tokio::test]
async fn a_file_of_another_format_stays_as_it_is() {
    let (directory, log) = open();
    let file = log.0.directory.file();
    drop(log);
    let other = rusqlite::Connection::open(&file).unwrap();
    other
        .execute_batch("PRAGMA auto_vacuum=NONE; VACUUM; PRAGMA user_version=7")
        .unwrap();
    other.close().unwrap();
    let error = EmbeddedLog::open(directory.path()).err().unwrap();
    assert!(error.to_string().contains("format 7"), "{error}");
    let other = rusqlite::Connection::open(&file).unwrap();
    let mode: i64 = other
        .query_row("PRAGMA auto_vacuum", [], |row| row.get(0))
        .unwrap();
    assert_eq!(mode, 0, "not written anew");
}

#[tokio::test]
async fn transactions_wait_for_the_disk_where_that_is_wanted() {
    for (sync, expected) in [(Sync::Normal, 1), (Sync::Full, 2)] {
        let directory = tempfile::tempdir().unwrap();
        let log = EmbeddedLog::open_with(directory.path(), sync).unwrap();
        assert_eq!(pragma(&log, "synchronous").await, expected);
    }
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
        fetcher.assign(TopicPartition::new("t", partition), None, 0);
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
