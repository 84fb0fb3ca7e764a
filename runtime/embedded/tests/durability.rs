//! What survives: restarts, the death of the process, a full disk.

#![allow(
    clippy::cast_possible_wrap,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small counts"
)]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tidegate_api::TopicPartition;
use tidegate_embedded::EmbeddedLog;
use tidegate_log::{
    ClientConfig, ConsumedRecord, Log, LogError, NewTopic, Producer, ProducerRecord,
};

async fn read_all(log: &EmbeddedLog, topic: &str) -> Vec<ConsumedRecord> {
    let partition = TopicPartition::new(topic, 0);
    let end = log
        .offsets(std::slice::from_ref(&partition))
        .await
        .expect("offsets")[&partition]
        .1;
    let mut reader = log
        .reader(&ClientConfig::default(), &[(partition.clone(), 0)])
        .await
        .expect("a reader");
    let mut records = Vec::new();
    while reader.position(&partition).expect("assigned") < end {
        records.extend(
            reader
                .poll(Duration::from_millis(50))
                .await
                .expect("records"),
        );
    }
    records
}

/// Makes a topic of one partition with this setting.
async fn producer_of(
    log: &EmbeddedLog,
    topic: &Arc<str>,
    (setting, value): (&str, &str),
) -> Arc<dyn Producer> {
    let new = NewTopic {
        name: Arc::clone(topic),
        partitions: Some(1),
        replication_factor: None,
        settings: BTreeMap::from([(setting.to_owned(), value.to_owned())]),
    };
    log.create_topic(&new).await.expect("created");
    let producer = log.producer(&ClientConfig::default()).await;
    producer.expect("a producer")
}

#[tokio::test]
async fn a_second_process_is_refused_by_name_of_the_directory() {
    let directory = tempfile::tempdir().expect("a directory");
    let _first = EmbeddedLog::open(directory.path()).expect("a log");
    let error = EmbeddedLog::open(directory.path()).expect_err("in use");
    assert!(
        matches!(&error, LogError::Occupied(text) if text.contains(&directory.path().display().to_string()))
    );
}

#[tokio::test]
async fn compaction_keeps_the_last_record_of_each_key_and_all_offsets() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = EmbeddedLog::open(directory.path()).expect("a log");
    let name: Arc<str> = Arc::from("compacted");
    let producer = producer_of(&log, &name, ("cleanup.policy", "compact")).await;
    let value = Bytes::from(vec![b'x'; 10_000]);
    for _ in 0..10 {
        let records = (0..100_u8)
            .map(|key| {
                ProducerRecord::new(
                    Arc::clone(&name),
                    Some(vec![key].into()),
                    Some(value.clone()),
                )
            })
            .collect();
        let results = producer.append(records).await.expect("taken").await;
        assert!(results.iter().all(Result::is_ok));
    }
    let keyless = ProducerRecord::new(Arc::clone(&name), None, Some(value));
    let results = producer.append(vec![keyless]).await.expect("taken").await;
    assert!(matches!(results[..], [Err(LogError::Invalid(_))]));
    // Compaction runs by itself once enough has been written.
    let compacted = async {
        loop {
            let records = read_all(&log, "compacted").await;
            if records.len() == 100 {
                return records;
            }
            tokio::task::yield_now().await;
        }
    };
    let records = tokio::time::timeout(Duration::from_secs(30), compacted)
        .await
        .expect("compacted in time");
    assert_eq!(
        records
            .iter()
            .map(|record| record.offset)
            .collect::<Vec<_>>(),
        (900..1000).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn old_records_are_deleted_and_offsets_go_on() {
    let directory = tempfile::tempdir().expect("a directory");
    let name: Arc<str> = Arc::from("short");
    let partition = TopicPartition::new("short", 0);
    let log = EmbeddedLog::open(directory.path()).expect("a log");
    let producer = producer_of(&log, &name, ("retention.ms", "1000")).await;
    let mut old = ProducerRecord::new(Arc::clone(&name), None, Some(Bytes::from_static(b"old")));
    old.timestamp = Some(1000);
    producer.append(vec![old]).await.expect("taken").await;
    let deleted = async {
        while log
            .offsets(std::slice::from_ref(&partition))
            .await
            .expect("offsets")[&partition]
            != (1, 1)
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), deleted)
        .await
        .expect("deleted in time");
}

/// Set for the copy of this test program that appends until it is killed.
const VICTIM: &str = "TIDEGATE_EMBEDDED_VICTIM";

#[tokio::test]
async fn whatever_was_acknowledged_survives_kill_9() {
    if let Ok(directory) = std::env::var(VICTIM) {
        append_for_ever(Path::new(&directory)).await;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let mut acknowledged = 0;
    for round in 1..=8 {
        let mut victim = Command::new(std::env::current_exe().expect("this program"))
            .args([
                "--exact",
                "whatever_was_acknowledged_survives_kill_9",
                "--nocapture",
            ])
            .env(VICTIM, directory.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a victim");
        let lines = BufReader::new(victim.stdout.take().expect("its output")).lines();
        let mut counts = lines
            .map_while(Result::ok)
            .filter_map(|line| line.strip_prefix("stored ")?.parse::<i64>().ok());
        counts
            .nth(round * 7)
            .expect("the victim appends until it is killed");
        let refused = EmbeddedLog::open(directory.path()).expect_err("the victim has it");
        assert!(matches!(refused, LogError::Occupied(_)), "{refused}");
        // Somewhere within the next appends.
        let moment = Instant::now() + Duration::from_micros(rand::random_range(0..5000));
        while Instant::now() < moment {
            std::hint::spin_loop();
        }
        victim.kill().expect("killed");
        acknowledged = counts.last().unwrap_or(acknowledged);
        victim.wait().expect("gone");
        let log = EmbeddedLog::open(directory.path()).expect("the log opens again");
        let records = read_all(&log, "t").await;
        assert!(
            records.len() as i64 >= acknowledged,
            "{} of {acknowledged} records",
            records.len()
        );
        assert!(
            records
                .iter()
                .enumerate()
                .all(|(n, record)| record.offset == n as i64)
        );
        assert!(
            records
                .iter()
                .enumerate()
                .all(|(n, record)| record.value.as_deref() == Some(&n.to_be_bytes()[..]))
        );
    }
}

#[allow(clippy::print_stdout, reason = "the parent reads it")]
async fn append_for_ever(directory: &Path) -> ! {
    let log = EmbeddedLog::open(directory).expect("a log");
    let producer = log
        .producer(&ClientConfig::default())
        .await
        .expect("a producer");
    let name: Arc<str> = Arc::from("t");
    let partition = TopicPartition::new("t", 0);
    let known = log.offsets(std::slice::from_ref(&partition)).await;
    let mut next = known.map_or(0, |offsets| offsets[&partition].1 as usize);
    loop {
        let records = (next..next + 100)
            .map(|n| {
                ProducerRecord::new(
                    Arc::clone(&name),
                    None,
                    Some(n.to_be_bytes().to_vec().into()),
                )
            })
            .collect();
        let results = producer.append(records).await.expect("taken").await;
        assert!(results.iter().all(Result::is_ok));
        next += 100;
        println!("stored {next}");
    }
}
