//! What every adapter of the port must do, as tests over a log. Topics and groups have fresh names, so that the suite
//! can run against a log that others use.
//!
//! An adapter's test target calls [`conformance_tests`](crate::conformance_tests) with an expression that opens a log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tidegate_api::TopicPartition;

use crate::{
    ClientConfig, ConsumedRecord, Consumer, ConsumerEvent, Log, LogError, NewTopic, ProducerRecord,
    RecordHeader, RecordHeaders, Subscription, TopicCreation, TopicLog, partitioner,
};

/// Time for anything that a log does without a person's help.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(200);

/// Declares one test per rule; `$open` is an expression of type `Arc<dyn Log>`, awaited where needed.
#[macro_export]
macro_rules! conformance_tests {
    ($open:expr => $($rule:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $rule() {
                $crate::conformance::$rule($open).await;
            }
        )+
    };
    ($open:expr) => {
        $crate::conformance_tests!($open =>
            records_come_back_in_order_with_all_their_parts,
            headers_that_records_share_keep_their_places,
            keyed_records_go_to_javas_partition,
            topics_are_created_once_with_their_settings,
            what_does_not_exist_is_not_found,
            a_group_continues_where_it_committed,
            a_group_without_offsets_starts_where_it_is_told,
            members_share_partitions_and_inherit_them,
            a_partition_is_the_members_until_it_has_let_it_go,
            patterns_pick_up_new_topics,
            paused_partitions_deliver_nothing_and_seek_goes_back,
            group_offsets_can_be_read_and_altered,
            a_group_has_one_worker,
            readers_start_where_they_are_told,
            a_topic_log_reads_to_the_end,
            large_batches_pass,
            a_refused_record_takes_no_other_with_it,
            nothing_comes_after_a_producers_close,
        );
    };
}

fn fresh(what: &str) -> Arc<str> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let nanos = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_nanos();
    Arc::from(format!(
        "{what}-{nanos}-{}",
        COUNT.fetch_add(1, Ordering::Relaxed)
    ))
}

async fn topic(log: &Arc<dyn Log>, partitions: i32) -> Arc<str> {
    let name = fresh("topic");
    let new = NewTopic {
        name: Arc::clone(&name),
        partitions: Some(partitions),
        replication_factor: Some(1),
        settings: BTreeMap::new(),
    };
    log.create_topic(&new).await.expect("the topic is created");
    name
}

fn record(topic: &Arc<str>, key: &str, value: &str) -> ProducerRecord {
    let bytes = |text: &str| Some(Bytes::copy_from_slice(text.as_bytes()));
    ProducerRecord::new(Arc::clone(topic), bytes(key), bytes(value))
}

async fn append(log: &Arc<dyn Log>, records: Vec<ProducerRecord>) -> Vec<crate::RecordMetadata> {
    let producer = log
        .producer(&ClientConfig::default())
        .await
        .expect("a producer");
    let receipt = producer.append(records).await.expect("the batch is taken");
    receipt
        .await
        .into_iter()
        .map(|result| result.expect("the record is stored"))
        .collect()
}

async fn read(
    log: &Arc<dyn Log>,
    topic: &Arc<str>,
    partition: i32,
    count: usize,
) -> Vec<ConsumedRecord> {
    let start = [(TopicPartition::new(Arc::clone(topic), partition), 0)];
    let mut reader = log
        .reader(&ClientConfig::default(), &start)
        .await
        .expect("a reader");
    let all = async {
        let mut records = Vec::new();
        while records.len() < count {
            records.extend(reader.poll(POLL).await.expect("records"));
        }
        records
    };
    tokio::time::timeout(PATIENCE, all)
        .await
        .expect("all records in time")
}

fn group_config(group: &str) -> ClientConfig {
    ClientConfig::default()
        .with("group.id", group)
        .with("auto.offset.reset", "earliest")
}

async fn member(log: &Arc<dyn Log>, group: &str, topic: &Arc<str>) -> Box<dyn Consumer> {
    let topics = Subscription::Topics(vec![Arc::clone(topic)]);
    log.consumer(&group_config(group), topics)
        .await
        .expect("a consumer")
}

/// Polls until `done` holds; gives partitions back as they are revoked.
async fn poll_until(
    consumer: &mut Box<dyn Consumer>,
    seen: &mut Seen,
    done: impl Fn(&Seen) -> bool + Send,
) {
    let all = async {
        while !done(seen) {
            match consumer.poll(POLL).await.expect("an event") {
                ConsumerEvent::Records(records) => seen.records.extend(records),
                ConsumerEvent::Assigned(partitions) => seen.assigned.extend(partitions),
                ConsumerEvent::Revoked { partitions, done } => {
                    for partition in partitions {
                        seen.assigned.remove(&partition);
                    }
                    drop(done);
                }
                ConsumerEvent::Lost(partitions) => {
                    for partition in partitions {
                        seen.assigned.remove(&partition);
                    }
                }
                ConsumerEvent::Idle => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, all)
        .await
        .expect("the condition in time");
}

#[derive(Default)]
struct Seen {
    records: Vec<ConsumedRecord>,
    assigned: BTreeMap<TopicPartition, i64>,
}

pub async fn records_come_back_in_order_with_all_their_parts(log: Arc<dyn Log>) {
    let topic = topic(&log, 1).await;
    let mut full = record(&topic, "k", "v");
    full.timestamp = Some(1_600_000_000_123);
    full.headers = RecordHeaders::from(vec![
        RecordHeader {
            key: Arc::from("h"),
            value: Some(Bytes::from_static(b"1")),
        },
        RecordHeader {
            key: Arc::from("h"),
            value: None,
        },
    ]);
    let mut bare = ProducerRecord::new(Arc::clone(&topic), None, None);
    bare.partition = Some(0);
    let empty = ProducerRecord::new(Arc::clone(&topic), Some(Bytes::new()), Some(Bytes::new()));
    let tombstone = ProducerRecord::new(Arc::clone(&topic), full.key.clone(), None);
    let stored = append(&log, vec![full.clone(), bare, empty, tombstone]).await;
    assert_eq!(
        stored.iter().map(|at| at.offset).collect::<Vec<_>>(),
        [0, 1, 2, 3]
    );
    let read = read(&log, &topic, 0, 4).await;
    assert_eq!(
        read.iter().map(|record| record.offset).collect::<Vec<_>>(),
        [0, 1, 2, 3]
    );
    assert_eq!((&read[3].key, &read[3].value), (&full.key, &None));
    assert_eq!((&read[0].key, &read[0].value), (&full.key, &full.value));
    assert_eq!(
        (read[0].timestamp, &read[0].headers),
        (full.timestamp, &full.headers)
    );
    assert_eq!((&read[1].key, &read[1].value), (&None, &None));
    assert!(
        read[1]
            .timestamp
            .is_some_and(|timestamp| timestamp > 1_600_000_000_123)
    );
    assert_eq!(
        (&read[2].key, &read[2].value),
        (&Some(Bytes::new()), &Some(Bytes::new()))
    );
}

pub async fn headers_that_records_share_keep_their_places(log: Arc<dyn Log>) {
    let topic = topic(&log, 1).await;
    let header = |key: &str, value: &'static str| RecordHeader {
        key: Arc::from(key),
        value: Some(Bytes::from(value)),
    };
    let shared: Arc<[_]> = Arc::from([header("s", "1"), header("own", "2")]);
    let records: Vec<_> = (0..12)
        .map(|n| {
            let before = (n % 2 == 1).then(|| header("own", "0"));
            let after = (n % 3 == 1).then(|| header("t", "3"));
            let mut record = record(&topic, "k", "v");
            record.headers = RecordHeaders::from_parts(
                before.into_iter().collect(),
                (n % 5 > 0).then(|| Arc::clone(&shared)),
                after,
            );
            record
        })
        .collect();
    let headers: Vec<_> = records
        .iter()
        .map(|record| record.headers.clone())
        .collect();
    append(&log, records).await;
    let read = read(&log, &topic, 0, headers.len()).await;
    let found: Vec<_> = read.into_iter().map(|record| record.headers).collect();
    assert_eq!(found, headers);
}

pub async fn keyed_records_go_to_javas_partition(log: Arc<dyn Log>) {
    let topic = topic(&log, 7).await;
    let records: Vec<_> = (0..50)
        .map(|n| record(&topic, &format!("key-{n}"), "v"))
        .collect();
    let expected: Vec<i32> = records
        .iter()
        .map(|r| partitioner::partition_for_key(r.key.as_deref().unwrap_or_default(), 7))
        .collect();
    let stored = append(&log, records).await;
    assert_eq!(
        stored.iter().map(|at| at.partition).collect::<Vec<_>>(),
        expected
    );
}

pub async fn topics_are_created_once_with_their_settings(log: Arc<dyn Log>) {
    let new = NewTopic {
        name: fresh("compacted"),
        partitions: Some(3),
        replication_factor: Some(1),
        settings: BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]),
    };
    assert_eq!(log.create_topic(&new).await, Ok(TopicCreation::Created));
    assert_eq!(log.create_topic(&new).await, Ok(TopicCreation::Existed));
    let description = log
        .describe_topic(&new.name)
        .await
        .expect("an answer")
        .expect("a topic");
    assert_eq!(
        (description.partitions, description.replication_factor),
        (3, 1)
    );
    let settings = log.topic_settings(&new.name).await.expect("settings");
    assert_eq!(
        settings.get("cleanup.policy").map(String::as_str),
        Some("compact")
    );
    assert!(settings.contains_key("retention.ms"));
    assert!(log.topics().await.expect("topics").contains(&new.name));
    log.delete_topic(&new.name)
        .await
        .expect("the topic is deleted");
}

pub async fn what_does_not_exist_is_not_found(log: Arc<dyn Log>) {
    let name = fresh("nothing");
    assert_eq!(log.describe_topic(&name).await, Ok(None));
    assert!(matches!(
        log.topic_settings(&name).await,
        Err(LogError::NotFound(_))
    ));
    assert!(matches!(
        log.delete_topic(&name).await,
        Err(LogError::NotFound(_))
    ));
    assert_eq!(log.group_offsets(&name).await, Ok(BTreeMap::new()));
    assert!(log.cluster_id().await.is_ok_and(|id| !id.is_empty()));
}

pub async fn a_group_continues_where_it_committed(log: Arc<dyn Log>) {
    let (topic, group) = (topic(&log, 1).await, fresh("group"));
    append(
        &log,
        (0..10)
            .map(|n| record(&topic, "k", &n.to_string()))
            .collect(),
    )
    .await;
    let mut first = member(&log, &group, &topic).await;
    let mut seen = Seen::default();
    poll_until(&mut first, &mut seen, |seen| seen.records.len() == 10).await;
    let partition = TopicPartition::new(Arc::clone(&topic), 0);
    first
        .commit(vec![(partition.clone(), 4)])
        .await
        .expect("committed");
    first.close().await.expect("closed");
    let mut second = member(&log, &group, &topic).await;
    let mut seen = Seen::default();
    poll_until(&mut second, &mut seen, |seen| seen.records.len() == 6).await;
    assert_eq!(seen.assigned.get(&partition), Some(&4));
    assert_eq!(seen.records[0].offset, 4);
    second.close().await.expect("closed");
}

pub async fn a_group_without_offsets_starts_where_it_is_told(log: Arc<dyn Log>) {
    let (topic, group) = (topic(&log, 1).await, fresh("group"));
    append(&log, vec![record(&topic, "k", "old")]).await;
    let config = group_config(&group).with("auto.offset.reset", "latest");
    let mut consumer = log
        .consumer(&config, Subscription::Topics(vec![Arc::clone(&topic)]))
        .await
        .expect("a consumer");
    let mut seen = Seen::default();
    poll_until(&mut consumer, &mut seen, |seen| !seen.assigned.is_empty()).await;
    append(&log, vec![record(&topic, "k", "new")]).await;
    poll_until(&mut consumer, &mut seen, |seen| !seen.records.is_empty()).await;
    assert_eq!(seen.records[0].value.as_deref(), Some(&b"new"[..]));
    consumer.close().await.expect("closed");
}

pub async fn members_share_partitions_and_inherit_them(log: Arc<dyn Log>) {
    let (topic, group) = (topic(&log, 4).await, fresh("group"));
    let mut first = member(&log, &group, &topic).await;
    let mut seen = Seen::default();
    poll_until(&mut first, &mut seen, |seen| seen.assigned.len() == 4).await;
    let mut second = member(&log, &group, &topic).await;
    let mut others = Seen::default();
    let shared = AtomicBool::new(false);
    let both = async {
        poll_until(&mut second, &mut others, |seen| seen.assigned.len() == 2).await;
        shared.store(true, Ordering::Release);
    };
    // The first one goes on polling until the second has its half.
    tokio::join!(
        poll_until(&mut first, &mut seen, |_| shared.load(Ordering::Acquire)),
        both
    );
    assert_eq!(seen.assigned.len(), 2);
    assert!(
        seen.assigned
            .keys()
            .all(|partition| !others.assigned.contains_key(partition))
    );
    second.close().await.expect("closed");
    poll_until(&mut first, &mut seen, |seen| seen.assigned.len() == 4).await;
    first.close().await.expect("closed");
}

pub async fn a_partition_is_the_members_until_it_has_let_it_go(log: Arc<dyn Log>) {
    let (topic, group) = (topic(&log, 2).await, fresh("group"));
    let mut first = member(&log, &group, &topic).await;
    let mut seen = Seen::default();
    poll_until(&mut first, &mut seen, |seen| seen.assigned.len() == 2).await;
    let mut second = member(&log, &group, &topic).await;
    let mut others = Seen::default();
    let shared = AtomicBool::new(false);
    let gives_back = async {
        let (partitions, done) = loop {
            if let ConsumerEvent::Revoked { partitions, done } =
                first.poll(POLL).await.expect("an event")
            {
                break (partitions, done);
            }
        };
        for partition in &partitions {
            let mut late = record(&topic, "k", "late");
            late.partition = Some(partition.partition);
            append(&log, vec![late]).await;
            first.seek(partition, 0).await.expect("moved");
        }
        first.pause(&partitions).expect("paused");
        first.resume(&partitions).expect("resumed");
        assert!(matches!(first.poll(POLL).await, Ok(ConsumerEvent::Idle)));
        first
            .commit(partitions.into_iter().map(|one| (one, 1)).collect())
            .await
            .expect("committed");
        drop(done);
        poll_until(&mut first, &mut seen, |_| shared.load(Ordering::Acquire)).await;
    };
    let takes_over = async {
        poll_until(&mut second, &mut others, |seen| !seen.assigned.is_empty()).await;
        shared.store(true, Ordering::Release);
    };
    tokio::time::timeout(PATIENCE, async { tokio::join!(gives_back, takes_over) })
        .await
        .expect("the hand-over in time");
    assert_eq!(others.assigned.into_values().collect::<Vec<_>>(), [1]);
    first.close().await.expect("closed");
    second.close().await.expect("closed");
}

pub async fn patterns_pick_up_new_topics(log: Arc<dyn Log>) {
    let (prefix, group) = (fresh("pattern"), fresh("group"));
    let config = group_config(&group).with("metadata.max.age.ms", "500");
    let pattern = Subscription::Pattern(format!("{prefix}\\.(?!hidden).*"));
    let mut consumer = log.consumer(&config, pattern).await.expect("a consumer");
    let mut seen = Seen::default();
    for name in ["shown", "hidden"] {
        let new = NewTopic {
            name: Arc::from(format!("{prefix}.{name}")),
            partitions: Some(1),
            replication_factor: Some(1),
            settings: BTreeMap::new(),
        };
        log.create_topic(&new).await.expect("created");
        append(&log, vec![record(&new.name, "k", name)]).await;
    }
    poll_until(&mut consumer, &mut seen, |seen| !seen.records.is_empty()).await;
    assert!(
        seen.assigned
            .keys()
            .all(|partition| partition.topic.ends_with("shown")),
        "{:?}",
        seen.assigned
    );
    consumer.close().await.expect("closed");
}

pub async fn paused_partitions_deliver_nothing_and_seek_goes_back(log: Arc<dyn Log>) {
    let (topic, group) = (topic(&log, 1).await, fresh("group"));
    append(
        &log,
        (0..3)
            .map(|n| record(&topic, "k", &n.to_string()))
            .collect(),
    )
    .await;
    let mut consumer = member(&log, &group, &topic).await;
    let mut seen = Seen::default();
    poll_until(&mut consumer, &mut seen, |seen| seen.records.len() == 3).await;
    let partition = TopicPartition::new(Arc::clone(&topic), 0);
    consumer
        .pause(std::slice::from_ref(&partition))
        .expect("paused");
    append(&log, vec![record(&topic, "k", "3")]).await;
    assert!(matches!(consumer.poll(POLL).await, Ok(ConsumerEvent::Idle)));
    consumer.seek(&partition, 1).await.expect("moved");
    consumer
        .resume(std::slice::from_ref(&partition))
        .expect("resumed");
    seen.records.clear();
    poll_until(&mut consumer, &mut seen, |seen| seen.records.len() == 3).await;
    assert_eq!(
        seen.records.iter().map(|r| r.offset).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    consumer.close().await.expect("closed");
}

pub async fn group_offsets_can_be_read_and_altered(log: Arc<dyn Log>) {
    let (topic, group) = (topic(&log, 2).await, fresh("group"));
    append(
        &log,
        (0..20)
            .map(|n| record(&topic, &n.to_string(), "v"))
            .collect(),
    )
    .await;
    let at = |partition| TopicPartition::new(Arc::clone(&topic), partition);
    log.alter_group_offsets(&group, &[(at(0), Some(2)), (at(1), Some(1))])
        .await
        .expect("set");
    assert_eq!(
        log.group_offsets(&group).await,
        Ok(BTreeMap::from([(at(0), 2), (at(1), 1)]))
    );
    log.alter_group_offsets(&group, &[(at(1), None)])
        .await
        .expect("deleted");
    assert_eq!(
        log.group_offsets(&group).await,
        Ok(BTreeMap::from([(at(0), 2)]))
    );
    log.delete_group(&group).await.expect("deleted");
    assert_eq!(log.group_offsets(&group).await, Ok(BTreeMap::new()));
}

pub async fn a_group_has_one_worker(log: Arc<dyn Log>) {
    let (topic, group) = (topic(&log, 1).await, fresh("group"));
    // The shortest that brokers take by default.
    let session = Duration::from_secs(6);
    let claim = async |member: &str| log.claim_group(&group, member, &topic, session).await;
    let mut first = claim("worker-1").await.expect("the group is free");
    let second = tokio::time::timeout(PATIENCE, claim("worker-2"))
        .await
        .expect("an answer in time");
    assert!(
        matches!(&second, Err(LogError::Occupied(text)) if text.contains(&*group)),
        "{second:?}"
    );
    assert!(first.lost.try_recv().is_err(), "the first one keeps it");
    drop(first);
    let freed = tokio::time::timeout(PATIENCE, claim("worker-2")).await;
    freed
        .expect("an answer in time")
        .expect("the group is free again");
}

pub async fn readers_start_where_they_are_told(log: Arc<dyn Log>) {
    let topic = topic(&log, 2).await;
    let numbered = |partition: i32, n: i64| {
        let mut record = record(&topic, "k", &n.to_string());
        record.partition = Some(partition);
        record
    };
    append(&log, (0..5).map(|n| numbered(0, n)).collect()).await;
    append(&log, (0..3).map(|n| numbered(1, n)).collect()).await;
    let at = |partition| TopicPartition::new(Arc::clone(&topic), partition);
    let bounds = log.offsets(&[at(0), at(1)]).await.expect("offsets");
    assert_eq!((bounds[&at(0)], bounds[&at(1)]), ((0, 5), (0, 3)));
    let mut reader = log
        .reader(&ClientConfig::default(), &[(at(0), 3), (at(1), 3)])
        .await
        .expect("a reader");
    let mut offsets = Vec::new();
    let both = async {
        while offsets.len() < 2 {
            let records = reader.poll(POLL).await.expect("records");
            offsets.extend(
                records
                    .iter()
                    .map(|record| (record.partition, record.offset)),
            );
        }
        // Nothing is left; what comes later wakes the reader.
        assert!(reader.poll(POLL).await.expect("nothing").is_empty());
        append(&log, vec![numbered(1, 3)]).await;
        while offsets.len() < 3 {
            let records = reader.poll(POLL).await.expect("records");
            offsets.extend(
                records
                    .iter()
                    .map(|record| (record.partition, record.offset)),
            );
        }
    };
    tokio::time::timeout(PATIENCE, both)
        .await
        .expect("all records in time");
    assert_eq!(offsets, [(0, 3), (0, 4), (1, 3)]);
    assert_eq!(
        (reader.position(&at(0)), reader.position(&at(1))),
        (Some(5), Some(4))
    );
}

pub async fn a_topic_log_reads_to_the_end(log: Arc<dyn Log>) {
    let topic = topic(&log, 3).await;
    append(&log, vec![record(&topic, "before", "1")]).await;
    let (sender, receiver) = std::sync::mpsc::channel();
    let config = ClientConfig::default();
    let followed = TopicLog::start(Arc::clone(&log), &topic, &config, &config, move |record| {
        // The receiver lives until the end of the test.
        drop(sender.send(record.key));
    })
    .await
    .expect("the log starts");
    let seen = || {
        receiver
            .try_iter()
            .map(|key| String::from_utf8_lossy(&key.unwrap_or_default()).into_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(seen(), ["before"]);
    let bytes = |text: &str| Some(Bytes::copy_from_slice(text.as_bytes()));
    followed
        .send_all(vec![(bytes("a"), bytes("1")), (bytes("b"), None)])
        .await
        .expect("stored");
    followed.read_to_end().await.expect("the end");
    let mut keys = seen();
    keys.sort();
    assert_eq!(keys, ["a", "b"]);
    followed.stop().await;
}

pub async fn large_batches_pass(log: Arc<dyn Log>) {
    let topic = topic(&log, 1).await;
    let value = Bytes::from(vec![b'x'; 1000]);
    let producer = log
        .producer(&ClientConfig::default())
        .await
        .expect("a producer");
    let mut receipts = Vec::new();
    for _ in 0..10 {
        let records = (0..1000)
            .map(|n: u32| {
                ProducerRecord::new(
                    Arc::clone(&topic),
                    Some(n.to_be_bytes().to_vec().into()),
                    Some(value.clone()),
                )
            })
            .collect();
        receipts.push(producer.append(records).await.expect("taken"));
    }
    producer.flush(PATIENCE).await.expect("flushed");
    for receipt in receipts {
        assert!(receipt.await.iter().all(Result::is_ok));
    }
    let read = read(&log, &topic, 0, 10_000).await;
    assert!(
        read.iter()
            .enumerate()
            .all(|(n, record)| usize::try_from(record.offset) == Ok(n))
    );
}

/// A partition that does not exist stands for whatever a log may have against a record.
pub async fn a_refused_record_takes_no_other_with_it(log: Arc<dyn Log>) {
    let topic = topic(&log, 1).await;
    let mut records: Vec<_> = ["a", "b", "c", "d"]
        .iter()
        .map(|value| record(&topic, "key", value))
        .collect();
    records[1].partition = Some(7);
    let producer = log
        .producer(&ClientConfig::default())
        .await
        .expect("a producer");
    let receipt = producer.append(records).await.expect("the batch is taken");
    let results = tokio::time::timeout(PATIENCE, receipt).await;
    let results = results.expect("results in time");
    let offsets: Vec<_> = results
        .iter()
        .map(|result| result.as_ref().ok().map(|stored| stored.offset))
        .collect();
    assert_eq!(offsets, [Some(0), None, Some(1), Some(2)], "{results:?}");
    let refusal = results[1].as_ref().expect_err("there is no such partition");
    assert!(!refusal.is_retriable(), "{refusal}");
    assert!(refusal.to_string().contains(&*topic), "{refusal}");
    assert_eq!(read(&log, &topic, 0, 3).await.len(), 3);
}

/// Whether or not what was appended before the close is stored: it lies before what another producer appends then.
pub async fn nothing_comes_after_a_producers_close(log: Arc<dyn Log>) {
    let topic = topic(&log, 1).await;
    for grace in [Duration::ZERO, PATIENCE] {
        let producer = log
            .producer(&ClientConfig::default())
            .await
            .expect("a producer");
        let mut receipts = Vec::new();
        for _ in 0..20 {
            let records = (0..100).map(|_| record(&topic, "key", "old"));
            receipts.push(producer.append(records.collect()).await.expect("taken"));
        }
        producer.close(grace).await;
        let last = append(&log, vec![record(&topic, "key", "new")]).await;
        let mut stored = 0;
        for receipt in receipts {
            let results = tokio::time::timeout(PATIENCE, receipt).await;
            for result in results.expect("an answer in time") {
                match result {
                    Ok(old) => {
                        stored += 1;
                        assert!(old.offset < last[0].offset, "{old:?} came after {last:?}");
                    }
                    Err(error) => assert!(error.is_retriable(), "{error}"),
                }
            }
        }
        if !grace.is_zero() {
            assert_eq!(stored, 2000);
        }
        let partition = TopicPartition::new(Arc::clone(&topic), 0);
        let ends = log.offsets(std::slice::from_ref(&partition)).await;
        let (_, end) = ends.expect("offsets")[&partition];
        assert_eq!(end, last[0].offset + 1);
    }
}
