//! How many records per second the embedded log stores and reads: `log_speed [records] [directory]`.
//!
//! Records of 500 bytes go in as batches of 500, as a source task sends them, several on their way at a time; then one
//! reader takes them all.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tidegate_api::TopicPartition;
use tidegate_embedded::EmbeddedLog;
use tidegate_log::{ClientConfig, Log, LogError, ProducerRecord};

const RECORD_BYTES: usize = 500;
const BATCH_RECORDS: u64 = 500;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let records: u64 = arguments
        .next()
        .map_or(Ok(2_000_000), |text| text.parse())?;
    let fresh = tempfile::tempdir()?;
    let directory = arguments
        .next()
        .map_or_else(|| fresh.path().to_owned(), PathBuf::from);
    let log = EmbeddedLog::open(&directory)?;
    let topic: Arc<str> = Arc::from("log_speed");

    let stored = timed(append(&log, &topic, records)).await?;
    report("appended", records, stored)?;
    let read = timed(read(&log, &topic, records)).await?;
    report("read", records, read)?;
    Ok(())
}

async fn timed(work: impl Future<Output = Result<(), LogError>>) -> Result<Duration, LogError> {
    let started = Instant::now();
    work.await?;
    Ok(started.elapsed())
}

fn report(what: &str, records: u64, time: Duration) -> std::io::Result<()> {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1);
    writeln!(
        std::io::stdout(),
        "{what} {records} records of {RECORD_BYTES} bytes in {time:.2?}: {} records/s",
        records * 1_000_000 / micros
    )
}

async fn append(log: &EmbeddedLog, topic: &Arc<str>, records: u64) -> Result<(), LogError> {
    let producer = log.producer(&ClientConfig::default()).await?;
    let mut receipts = std::collections::VecDeque::new();
    let mut sent = 0;
    while sent < records {
        let batch: Vec<_> = (sent..records.min(sent + BATCH_RECORDS))
            .map(|n| {
                let key = Bytes::copy_from_slice(&n.to_be_bytes());
                let value = Bytes::from(vec![b'x'; RECORD_BYTES - key.len()]);
                ProducerRecord::new(Arc::clone(topic), Some(key), Some(value))
            })
            .collect();
        sent += batch.len() as u64;
        receipts.push_back(producer.append(batch).await?);
        if receipts.len() > 20
            && let Some(receipt) = receipts.pop_front()
        {
            receipt
                .await
                .into_iter()
                .try_for_each(|result| result.map(drop))?;
        }
    }
    for receipt in receipts {
        receipt
            .await
            .into_iter()
            .try_for_each(|result| result.map(drop))?;
    }
    Ok(())
}

async fn read(log: &EmbeddedLog, topic: &Arc<str>, records: u64) -> Result<(), LogError> {
    let start = [(TopicPartition::new(Arc::clone(topic), 0), 0)];
    let mut reader = log.reader(&ClientConfig::default(), &start).await?;
    let mut seen = 0;
    while seen < records {
        let batch = reader.poll(Duration::from_secs(10)).await?;
        if batch.is_empty() {
            return Err(LogError::Fatal(format!("only {seen} records came back")));
        }
        seen += batch.len() as u64;
    }
    Ok(())
}
