//! The Kafka adapter keeps the rules of the log port, on a real broker that all tests share.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tidegate_api::TopicPartition;
use tidegate_integration_tests::{KafkaBroker, KafkaOptions, unique};
use tidegate_kafka::KafkaLog;
use tidegate_log::{
    ClientConfig, ConsumerEvent, Log, LogError, NewTopic, ProducerRecord, Subscription,
};
use tokio::sync::OnceCell;

async fn broker() -> &'static KafkaBroker {
    static BROKER: OnceCell<KafkaBroker> = OnceCell::const_new();
    let start = || async { KafkaBroker::start(KafkaOptions::default()).await };
    BROKER.get_or_try_init(start).await.expect("a broker")
}

async fn open() -> Arc<dyn Log> {
    let servers = broker().await.bootstrap();
    let config = ClientConfig::default().with("bootstrap.servers", servers);
    Arc::new(KafkaLog::new(config).expect("a log"))
}

tidegate_log::conformance_tests!(open().await);

async fn topic(log: &Arc<dyn Log>) -> Arc<str> {
    let new = NewTopic {
        name: Arc::from(unique("topic")),
        partitions: Some(1),
        replication_factor: Some(1),
        settings: BTreeMap::new(),
    };
    log.create_topic(&new).await.expect("a topic");
    new.name
}

fn record(topic: &Arc<str>, value: String) -> ProducerRecord {
    ProducerRecord::new(Arc::clone(topic), None, Some(Bytes::from(value)))
}

/// A record reaches a waiting member without any interval of polling in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_wakes_its_reader() {
    let log = open().await;
    let topic = topic(&log).await;
    let config = ClientConfig::default().with("group.id", unique("group"));
    let mut consumer = log
        .consumer(&config, Subscription::Topics(vec![Arc::clone(&topic)]))
        .await
        .expect("a consumer");
    loop {
        let event = consumer
            .poll(Duration::from_secs(1))
            .await
            .expect("an event");
        if matches!(event, ConsumerEvent::Assigned(_)) {
            break;
        }
    }
    let producer = log
        .producer(&ClientConfig::default())
        .await
        .expect("a producer");
    let mut times = Vec::new();
    for n in 0..50 {
        let start = Instant::now();
        let sent = producer.append(vec![record(&topic, n.to_string())]).await;
        drop(sent.expect("taken"));
        loop {
            match consumer.poll(Duration::from_secs(30)).await {
                Ok(ConsumerEvent::Records(_)) => break,
                Ok(_) => {}
                Err(error) => panic!("{error}"),
            }
        }
        times.push(start.elapsed());
    }
    times.sort();
    // Far above what it takes on an idle machine, far below any polling interval.
    assert!(times[25] < Duration::from_millis(50), "{times:?}");
    consumer.close().await.expect("closed");
}

#[tokio::test]
async fn what_nobody_serves_is_named() {
    let config = ClientConfig::default()
        .with("bootstrap.servers", "127.0.0.1:1")
        .with("default.api.timeout.ms", "2000");
    let log = KafkaLog::new(config).expect("nothing is sent yet");
    let error = log.cluster_id().await.expect_err("nobody listens");
    let text = error.to_string();
    assert!(matches!(error, LogError::Unavailable(_)), "{text}");
    assert!(
        text.contains("127.0.0.1:1") && text.contains("refused"),
        "{text}"
    );
}

/// Records of a topic that is deleted under way wait for it, and keep their order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_disappears_loses_nothing() {
    let log = open().await;
    let topic = topic(&log).await;
    let producer = log
        .producer(&ClientConfig::default())
        .await
        .expect("a producer");
    let mut receipts = Vec::new();
    for batch in 0..40 {
        if batch == 20 {
            log.delete_topic(&topic).await.expect("deleted");
        }
        let records = (0..50).map(|n| record(&topic, (batch * 50 + n).to_string()));
        receipts.push(producer.append(records.collect()).await.expect("taken"));
    }
    let mut stored = Vec::new();
    for receipt in receipts {
        let results = receipt.await.into_iter();
        stored.extend(results.map(|result| result.expect("stored").offset));
    }
    // Those that the new topic has are the last ones, without a gap.
    let again = stored
        .iter()
        .rposition(|offset| *offset == 0)
        .expect("a first record");
    assert!(again <= 20 * 50, "{again}");
    assert!(
        stored[again..]
            .iter()
            .zip(0..)
            .all(|(offset, n)| *offset == n)
    );
}

/// Without a policy of where to go on, a member whose place is gone must not seem to wait for records.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_that_is_gone_is_an_error_without_a_policy() {
    let log = open().await;
    let (topic, group) = (topic(&log).await, unique("group"));
    let partition = TopicPartition::new(Arc::clone(&topic), 0);
    log.alter_group_offsets(&group, &[(partition.clone(), Some(0))])
        .await
        .expect("stored");
    let config = ClientConfig::default()
        .with("group.id", &group)
        .with("auto.offset.reset", "none");
    let mut consumer = log
        .consumer(&config, Subscription::Topics(vec![topic]))
        .await
        .expect("a consumer");
    let second = Duration::from_secs(1);
    while !matches!(consumer.poll(second).await, Ok(ConsumerEvent::Assigned(_))) {}
    consumer.seek(&partition, 7).await.expect("moved");
    let failed = async {
        loop {
            if let Err(error) = consumer.poll(second).await {
                break error;
            }
        }
    };
    let error = tokio::time::timeout(Duration::from_mins(1), failed)
        .await
        .expect("an error in time");
    let text = error.to_string();
    assert!(matches!(error, LogError::Invalid(_)), "{text}");
    for part in [&*partition.to_string(), &group, "auto.offset.reset=none"] {
        assert!(text.contains(part), "'{part}' is not in: {text}");
    }
    consumer.close().await.expect("closed");
}

async fn topic_with(log: &Arc<dyn Log>, settings: &[(&str, &str)]) -> Arc<str> {
    let settings = settings.iter();
    let new = NewTopic {
        name: Arc::from(unique("topic")),
        partitions: Some(1),
        replication_factor: Some(1),
        settings: settings
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    };
    log.create_topic(&new).await.expect("a topic");
    new.name
}

async fn append(log: &Arc<dyn Log>, records: Vec<ProducerRecord>) -> Vec<Result<i64, String>> {
    let producer = log
        .producer(&ClientConfig::default())
        .await
        .expect("a producer");
    let receipt = producer.append(records).await.expect("taken");
    let results = tokio::time::timeout(Duration::from_mins(2), receipt).await;
    let results = results.expect("an answer in time").into_iter();
    results
        .map(|result| match result {
            Ok(stored) => Ok(stored.offset),
            Err(error) => Err(error.to_string()),
        })
        .collect()
}

/// Values of a topic's only partition.
async fn values(log: &Arc<dyn Log>, topic: &Arc<str>, count: usize) -> Vec<String> {
    let partition = TopicPartition::new(Arc::clone(topic), 0);
    let ends = log.offsets(std::slice::from_ref(&partition)).await;
    let (_, end) = ends.expect("offsets")[&partition];
    assert_eq!(end, i64::try_from(count).expect("a count"), "of {topic}");
    let mut reader = log
        .reader(&ClientConfig::default(), &[(partition, 0)])
        .await
        .expect("a reader");
    let mut values = Vec::new();
    while values.len() < count {
        let records = reader.poll(Duration::from_secs(10)).await.expect("records");
        values.extend(records.into_iter().map(|record| {
            String::from_utf8(record.value.unwrap_or_default().to_vec()).expect("text")
        }));
    }
    values
}

#[tokio::test]
async fn a_record_that_is_too_large_is_refused_alone_and_by_name() {
    let log = open().await;
    let topic = topic(&log).await;
    let records = ["small", &"x".repeat(2_000_000), "after it"];
    let records = records.map(|value| record(&topic, value.to_owned()));
    let results = append(&log, records.to_vec()).await;
    assert_eq!(results[0], Ok(0), "{results:?}");
    assert_eq!(results[2], Ok(1), "{results:?}");
    let text = results[1].as_ref().expect_err("too large");
    assert!(text.contains("max.request.size=1048576"), "{text}");
    assert!(text.contains(&*topic), "{text}");
    assert_eq!(values(&log, &topic, 2).await, ["small", "after it"]);
}

/// A broker refuses a whole request for one record, here one without a key for a compacted topic.
#[tokio::test]
async fn a_record_that_a_broker_refuses_takes_no_other_with_it() {
    let log = open().await;
    let topic = topic_with(&log, &[("cleanup.policy", "compact")]).await;
    let records = (0..300).map(|n| {
        let mut record = record(&topic, n.to_string());
        record.key = (n % 100 != 50).then(|| Bytes::from("same key"));
        record
    });
    let results = append(&log, records.collect()).await;
    let refused: Vec<_> = (0..300).filter(|n| results[*n].is_err()).collect();
    assert_eq!(refused, [50, 150, 250], "{results:?}");
    let text = results[50].as_ref().expect_err("no key");
    assert!(text.contains(&*topic) && text.contains("key"), "{text}");
    let expected = (0..300).filter(|n| n % 100 != 50).map(|n| n.to_string());
    assert_eq!(
        values(&log, &topic, 297).await,
        expected.collect::<Vec<_>>()
    );
}

/// Told apart only if several are refused: one without key must not take the others with it, which keep their time.
#[tokio::test]
async fn records_beside_a_single_refused_one_are_stored() {
    let log = open().await;
    for (bad, count) in [(0, 2), (1, 2), (0, 1), (37, 100)] {
        let topic = topic_with(&log, &[("cleanup.policy", "compact")]).await;
        let records = (0..count).map(|n| {
            let mut record = record(&topic, n.to_string());
            record.key = (n != bad).then(|| Bytes::from(n.to_string()));
            record.timestamp = Some(1000 + n);
            record
        });
        let results = append(&log, records.collect()).await;
        let good: Vec<_> = (0..count).filter(|n| *n != bad).collect();
        for (n, result) in (0..count).zip(&results) {
            assert_eq!(result.is_ok(), n != bad, "{n} of {count}: {results:?}");
        }
        let expected: Vec<_> = good.iter().map(ToString::to_string).collect();
        assert_eq!(values(&log, &topic, good.len()).await, expected);
        let times: Vec<_> = good.iter().map(|n| 1000 + n).collect();
        assert_eq!(timestamps(&log, &topic, good.len()).await, times);
    }
}

/// Of the records of a topic's only partition.
async fn timestamps(log: &Arc<dyn Log>, topic: &Arc<str>, count: usize) -> Vec<i64> {
    let start = (TopicPartition::new(Arc::clone(topic), 0), 0);
    let mut reader = log
        .reader(&ClientConfig::default(), &[start])
        .await
        .expect("a reader");
    let mut times = Vec::new();
    while times.len() < count {
        let records = reader.poll(Duration::from_secs(10)).await.expect("records");
        times.extend(records.into_iter().filter_map(|record| record.timestamp));
    }
    times
}

/// A topic may take less at a time than the producer sends. Only a record that does not fit by itself is refused.
#[tokio::test]
async fn a_topic_of_small_requests_takes_everything_in_order() {
    let log = open().await;
    let small = topic_with(&log, &[("max.message.bytes", "100000")]).await;
    let other = topic(&log).await;
    let value = |n: usize| match n {
        1700 => "x".repeat(150_000),
        n => format!("{n:01000}"),
    };
    let records = (0..3000).map(|n| record(if n % 10 == 9 { &other } else { &small }, value(n)));
    let results = append(&log, records.collect()).await;
    let refused: Vec<_> = (0..3000).filter(|n| results[*n].is_err()).collect();
    assert_eq!(refused, [1700], "{:?}", results[refused[0]]);
    let text = results[1700].as_ref().expect_err("too large");
    for part in ["150000 bytes", &small, "max.message.bytes"] {
        assert!(text.contains(part), "'{part}' is not in: {text}");
    }
    let expected = (0..3000).filter(|n| n % 10 != 9 && *n != 1700).map(value);
    assert_eq!(
        values(&log, &small, 2699).await,
        expected.collect::<Vec<_>>()
    );
    let expected = (0..3000).filter(|n| n % 10 == 9).map(value);
    assert_eq!(
        values(&log, &other, 300).await,
        expected.collect::<Vec<_>>()
    );
}

/// What a broker that does not answer has not taken when its producer is closed never comes behind what a later producer
/// appends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_producer_sends_nothing_to_a_broker_that_wakes_up() {
    let broker = KafkaBroker::start(KafkaOptions::default()).await;
    let broker = broker.expect("a broker");
    let config = ClientConfig::default().with("bootstrap.servers", broker.bootstrap());
    let log: Arc<dyn Log> = Arc::new(KafkaLog::new(config).expect("a log"));
    let topic = topic(&log).await;
    let producer = log
        .producer(&ClientConfig::default())
        .await
        .expect("a producer");
    let warm = producer.append(vec![record(&topic, "warm".to_owned())]);
    warm.await.expect("taken").await[0]
        .as_ref()
        .expect("stored");
    broker.freeze();
    let mut receipts = Vec::new();
    for n in 0..50 {
        let records = (0..100).map(|m| record(&topic, format!("old {n} {m} {:1000}", "")));
        receipts.push(producer.append(records.collect()).await.expect("taken"));
    }
    let start = Instant::now();
    producer.close(Duration::from_millis(500)).await;
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    broker.thaw();
    let new = append(&log, vec![record(&topic, "new".to_owned())]).await;
    let new = new[0].clone().expect("stored");
    let mut given_up = 0;
    for receipt in receipts {
        for result in receipt.await {
            match result {
                Ok(old) => assert!(old.offset < new, "{old:?} came after {new}"),
                Err(error) => {
                    given_up += 1;
                    assert!(error.is_retriable(), "{error}");
                }
            }
        }
    }
    assert!(given_up > 4000, "{given_up}");
    // Nothing comes later, either.
    let another = append(&log, vec![record(&topic, "newer".to_owned())]).await;
    assert_eq!(another, [Ok(new + 1)]);
}

fn copy(from: &Path, to: &Path) {
    let status = std::process::Command::new("cp")
        .args(["-a", "--no-target-directory"])
        .args([from, to])
        .status();
    assert!(status.expect("cp").success());
}

/// A broker that comes back without its last records no longer follows an idempotent producer's sequence. The producer
/// goes on with a new id.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_has_lost_records_takes_new_ones() {
    let directory = tempfile::tempdir().expect("a directory");
    let options = KafkaOptions {
        directory: Some(directory.path().to_owned()),
        ..KafkaOptions::default()
    };
    let broker = KafkaBroker::start(options).await.expect("a broker");
    let config = ClientConfig::default().with("bootstrap.servers", broker.bootstrap());
    let log: Arc<dyn Log> = Arc::new(KafkaLog::new(config).expect("a log"));
    let topic = topic(&log).await;
    let producer = log
        .producer(&ClientConfig::default())
        .await
        .expect("a producer");
    let append = async |part: &str| {
        let records = (0..10).map(|n| record(&topic, format!("{part} {n}")));
        let receipt = producer.append(records.collect()).await.expect("taken");
        let results = tokio::time::timeout(Duration::from_mins(3), receipt).await;
        for result in results.expect("an answer in time") {
            result.expect("stored");
        }
    };
    append("kept").await;
    let data = directory.path().join("kafka").join("data");
    let saved = directory.path().join("saved");
    broker.stop().await.expect("stopped");
    copy(&data, &saved);
    broker.start_again().await.expect("started");
    append("lost").await;
    broker.stop().await.expect("stopped");
    std::fs::remove_dir_all(&data).expect("removed");
    copy(&saved, &data);
    broker.start_again().await.expect("started");
    append("new").await;
    let values = values(&log, &topic, 20).await;
    assert_eq!(values[9..11], ["kept 9", "new 0"]);
}
