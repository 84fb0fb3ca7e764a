//! Records per second, CPU and memory of the Kafka adapter alone, on a broker that the harness starts.
//!
//! ```text
//! cargo run --release -p tidegate-integration-tests --example kafka_throughput -- [RECORDS [BYTES [NAME=VALUE...]]]
//! ```
//!
//! Further arguments are client settings, e.g. `linger.ms=5` or `max.poll.records=5000`.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use tidegate_integration_tests::{KafkaBroker, KafkaOptions};
use tidegate_kafka::KafkaLog;
use tidegate_log::{
    ClientConfig, Consumer, ConsumerEvent, Log, NewTopic, Producer, ProducerRecord, Subscription,
};

const BATCH: usize = 1000;
const PARTITIONS: i32 = 1;

/// CPU seconds of this process, user and system.
fn cpu_seconds() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .context("fields")?
        .split_whitespace()
        .collect();
    let ticks: f64 = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    Ok(ticks / 100.0)
}

fn peak_memory() -> Result<String> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    Ok(line
        .context("VmHWM")?
        .replace("VmHWM:", "")
        .trim()
        .to_owned())
}

fn report(what: &str, records: usize, start: Instant, cpu: f64) -> Result<()> {
    let seconds = start.elapsed().as_secs_f64();
    let millions = f64::from(u32::try_from(records)?) / 1e6;
    let mut output = std::io::stdout().lock();
    writeln!(
        output,
        "{what}: {:.0} records/s, {:.2} CPU-s per million, peak memory {}",
        millions * 1e6 / seconds,
        (cpu_seconds()? - cpu) / millions,
        peak_memory()?
    )?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize, default: usize| {
        arguments
            .get(index)
            .map_or(Ok(default), |text| text.parse())
    };
    let (records, bytes) = (number(0, 1_000_000)?, number(1, 700)?);
    let mut settings = ClientConfig::default();
    for setting in arguments.iter().skip(2) {
        let (name, value) = setting.split_once('=').context("NAME=VALUE")?;
        settings.set(name, value);
    }
    let kafka = KafkaBroker::start(KafkaOptions::for_measurements()).await?;
    let base = ClientConfig::default().with("bootstrap.servers", kafka.bootstrap());
    let log: Arc<dyn Log> = Arc::new(KafkaLog::new(base)?);
    let topic: Arc<str> = Arc::from("throughput");
    log.create_topic(&NewTopic {
        name: Arc::clone(&topic),
        partitions: Some(PARTITIONS),
        replication_factor: Some(1),
        settings: BTreeMap::new(),
    })
    .await?;
    produce(&log, &settings, &topic, records, bytes).await?;
    let settings = settings.with("group.id", "throughput");
    let topics = Subscription::Topics(vec![Arc::clone(&topic)]);
    let mut consumer = log.consumer(&settings, topics).await?;
    consume(consumer.as_mut(), records).await?;
    latency(&log, consumer.as_mut(), &topic).await?;
    consumer.close().await?;
    Ok(())
}

async fn produce(
    log: &Arc<dyn Log>,
    settings: &ClientConfig,
    topic: &Arc<str>,
    records: usize,
    bytes: usize,
) -> Result<()> {
    let producer = log.producer(settings).await?;
    let value = Bytes::from(vec![b'v'; bytes]);
    let (start, cpu) = (Instant::now(), cpu_seconds()?);
    let mut receipts = Vec::new();
    for batch in 0..records / BATCH {
        let batch = (0..BATCH).map(|n| {
            let key = Bytes::from(format!("{{\"id\":{}}}", batch * BATCH + n));
            ProducerRecord::new(Arc::clone(topic), Some(key), Some(value.clone()))
        });
        receipts.push(producer.append(batch.collect()).await?);
        if receipts.len() == 50 {
            stored(receipts.remove(0).await)?;
        }
    }
    for receipt in receipts {
        stored(receipt.await)?;
    }
    report("produce", records, start, cpu)
}

fn stored<T>(results: Vec<Result<T, tidegate_log::LogError>>) -> Result<()> {
    for result in results {
        result?;
    }
    Ok(())
}

async fn consume(consumer: &mut dyn Consumer, records: usize) -> Result<()> {
    let (mut start, mut cpu, mut count) = (Instant::now(), cpu_seconds()?, 0);
    while count < records {
        match consumer.poll(Duration::from_secs(1)).await? {
            ConsumerEvent::Assigned(_) => (start, cpu) = (Instant::now(), cpu_seconds()?),
            ConsumerEvent::Records(records) => count += records.len(),
            _ => {}
        }
    }
    report("consume", records, start, cpu)
}

/// From append to poll, one record at a time.
async fn latency(log: &Arc<dyn Log>, consumer: &mut dyn Consumer, topic: &Arc<str>) -> Result<()> {
    let producer: Arc<dyn Producer> = log.producer(&ClientConfig::default()).await?;
    let mut times = Vec::new();
    for _ in 0..500 {
        let start = Instant::now();
        let value = Some(Bytes::from_static(b"v"));
        let record = ProducerRecord::new(Arc::clone(topic), None, value);
        drop(producer.append(vec![record]).await?);
        while !matches!(
            consumer.poll(Duration::from_secs(1)).await?,
            ConsumerEvent::Records(_)
        ) {}
        times.push(start.elapsed());
    }
    times.sort();
    let mut output = std::io::stdout().lock();
    let (median, most) = (times[250], times[495]);
    writeln!(output, "append to poll: median {median:?}, 99% {most:?}")?;
    Ok(())
}
