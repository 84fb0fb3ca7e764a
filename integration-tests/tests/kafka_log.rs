//! The Kafka adapter keeps the rules of the log port, on a real broker that all tests share.

use std::collections::BTreeMap;
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

#[tokio::test]
async fn records_that_are_too_large_are_refused_by_name() {
    let log = open().await;
    let topic = topic(&log).await;
    let producer = log
        .producer(&ClientConfig::default())
        .await
        .expect("a producer");
    let records = ["small", &"x".repeat(2_000_000), "after it"];
    let records = records.map(|value| record(&topic, value.to_owned()));
    let receipt = producer.append(records.to_vec()).await.expect("taken");
    let results = receipt.await;
    assert!(results[0].is_ok(), "{results:?}");
    assert!(results[2].is_err(), "{results:?}");
    let text = results[1].as_ref().expect_err("too large").to_string();
    assert!(text.contains("max.request.size=1048576"), "{text}");
    assert!(text.contains(&*topic), "{text}");
}
