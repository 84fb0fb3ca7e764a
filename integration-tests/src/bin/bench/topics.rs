//! The topics that workers write: how far they reach, and what is in them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};
use tidegate_api::TopicPartition;
use tidegate_embedded::EmbeddedLog;
use tidegate_log::Log as _;

const REQUEST: Duration = Duration::from_secs(20);
/// A topic that does not exist yet is asked for this long.
const LOOK: Duration = Duration::from_secs(1);
/// Between two looks at a topic's end.
const POLL: Duration = Duration::from_millis(20);
const WARM_UP_RECORDS: u64 = 1_000_000;
const WARM_UP_BYTES: usize = 700;

/// Topics of one partition.
#[derive(Clone)]
pub(crate) enum Topics {
    Kafka {
        consumer: Arc<BaseConsumer>,
        bootstrap: Arc<str>,
    },
    /// The folder of an embedded log. Its ends can be seen while the worker runs, records only while it does not.
    Embedded(PathBuf),
}

impl Topics {
    pub(crate) fn kafka(bootstrap: &str) -> Result<Self> {
        Ok(Self::Kafka {
            consumer: Arc::new(client(bootstrap)?),
            bootstrap: Arc::from(bootstrap),
        })
    }

    /// The offset behind the last record; 0 if there is no such topic.
    pub(crate) async fn end(&self, topic: &str) -> Result<u64> {
        let (topics, topic) = (self.clone(), topic.to_owned());
        let end = tokio::task::spawn_blocking(move || match &topics {
            Self::Kafka {
                consumer,
                bootstrap,
            } => {
                // A client that has asked for a topic too early may not see it for minutes.
                let ends = consumer
                    .fetch_watermarks(&topic, 0, LOOK)
                    .or_else(|_| client(bootstrap)?.fetch_watermarks(&topic, 0, LOOK));
                Ok(ends.map_or(0, |(_, end)| end))
            }
            Self::Embedded(folder) => embedded_end(folder, &topic),
        });
        Ok(u64::try_from(end.await??)?)
    }

    /// Waits until the topic has `count` records. Fails if none come for a long time.
    pub(crate) async fn wait_for(&self, topic: &str, count: u64) -> Result<()> {
        const PATIENCE: Duration = Duration::from_mins(3);
        let (mut last, mut moved) = (0, Instant::now());
        loop {
            let end = self.end(topic).await?;
            if end >= count {
                return Ok(());
            }
            if end != last {
                (last, moved) = (end, Instant::now());
            }
            ensure!(
                moved.elapsed() < PATIENCE,
                "topic {topic} stays at {end} of {count} records"
            );
            tokio::time::sleep(POLL).await;
        }
    }

    /// Hands values from offset `from` to the present end to `take`, in order.
    pub(crate) async fn scan<T: Send + 'static>(
        &self,
        topic: &str,
        from: u64,
        mut state: T,
        take: fn(&mut T, &[u8]) -> Result<()>,
    ) -> Result<T> {
        match self {
            Self::Kafka { bootstrap, .. } => {
                let (consumer, topic) = (client(bootstrap)?, topic.to_owned());
                tokio::task::spawn_blocking(move || {
                    scan_kafka(&consumer, &topic, from, |value| take(&mut state, value))?;
                    Ok(state)
                })
                .await?
            }
            Self::Embedded(folder) => {
                let log = EmbeddedLog::open(folder)?;
                let partition = TopicPartition::new(Arc::<str>::from(topic), 0);
                let end = log.offsets(std::slice::from_ref(&partition)).await?;
                let end = end.get(&partition).map_or(0, |(_, end)| *end);
                let start = [(partition, i64::try_from(from)?)];
                let config = tidegate_log::ClientConfig::default();
                let mut reader = log.reader(&config, &start).await?;
                let mut position = start[0].1;
                while position < end {
                    let batch = reader.poll(REQUEST).await?;
                    ensure!(!batch.is_empty(), "topic {topic} ends at {position}");
                    for record in batch {
                        position = record.offset + 1;
                        take(&mut state, record.value.as_deref().unwrap_or_default())?;
                    }
                }
                Ok(state)
            }
        }
    }

    /// Whether [`Self::scan`] needs the worker to be stopped.
    pub(crate) fn is_private(&self) -> bool {
        matches!(self, Self::Embedded(_))
    }
}

fn client(bootstrap: &str) -> Result<BaseConsumer, KafkaError> {
    ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "none")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("log_level", "0")
        .create()
}

fn embedded_end(folder: &Path, topic: &str) -> Result<i64> {
    let file = folder.join("log.sqlite");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(REQUEST)?;
    let sql = "SELECT next FROM batches WHERE topic = (SELECT id FROM topics WHERE name = ?1) AND partition = 0 \
               ORDER BY base DESC LIMIT 1";
    let end = connection
        .query_row(sql, [topic], |row| row.get(0))
        .optional()?;
    Ok(end.unwrap_or(0))
}

fn scan_kafka(
    consumer: &BaseConsumer,
    topic: &str,
    from: u64,
    mut take: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let (_, end) = consumer.fetch_watermarks(topic, 0, REQUEST)?;
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(topic, 0, Offset::Offset(i64::try_from(from)?))?;
    consumer.assign(&assignment)?;
    let mut position = i64::try_from(from)?;
    while position < end {
        let message = match consumer.poll(REQUEST) {
            Some(Ok(message)) => message,
            Some(Err(rdkafka::error::KafkaError::PartitionEOF(_))) => continue,
            Some(Err(error)) => bail!(error),
            None => bail!("topic {topic} ends at {position}"),
        };
        position = message.offset() + 1;
        take(message.payload().unwrap_or_default())?;
    }
    Ok(consumer.unassign()?)
}

/// Appends and reads records until the broker's own code is compiled.
pub(crate) async fn warm_up(bootstrap: &str) -> Result<()> {
    let bootstrap = bootstrap.to_owned();
    tokio::task::spawn_blocking(move || {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", &bootstrap)
            .set("linger.ms", "5")
            .create()?;
        let value = [b'x'; WARM_UP_BYTES];
        for number in 0..WARM_UP_RECORDS {
            let key = number.to_be_bytes();
            let mut record = BaseRecord::to("warm-up").key(&key).payload(&value);
            while let Err((error, back)) = producer.send(record) {
                let full = rdkafka::types::RDKafkaErrorCode::QueueFull;
                ensure!(error.rdkafka_error_code() == Some(full), error);
                producer.poll(Duration::from_millis(10));
                record = back;
            }
            if number % 1000 == 0 {
                producer.poll(Duration::ZERO);
            }
        }
        producer.flush(REQUEST)?;
        let Topics::Kafka { consumer, .. } = Topics::kafka(&bootstrap)? else {
            bail!("these are Kafka's");
        };
        scan_kafka(&consumer, "warm-up", 0, |_| Ok(()))
    })
    .await?
    .context("the broker's warm-up")
}
