//! Appending records.
//!
//! Batches wait in a queue, bounded in bytes, for a thread that hands them to librdkafka in chunks (see [`sender`]) while
//! the tasks go on. A second thread serves the delivery reports; they count down per batch (see
//! [`deliveries`](crate::deliveries)), so that no channel or future is touched per record.

mod headers;
mod lanes;
mod queue;
mod reports;
mod returned;
mod sender;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt as _;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{BaseProducer, NoCustomPartitioner};
use tidegate_log::{AppendReceipt, ClientConfig, LogError, Producer, ProducerRecord};
use tokio::sync::{Semaphore, watch};

use self::queue::{Batch, Queue};
use self::reports::Reporter;
use self::sender::Sender;
use crate::blocking;
use crate::client_log::Reports;
use crate::deliveries::{Deliveries, closed};
use crate::errors;
use crate::settings::{self, Kind};

/// librdkafka's own name.
const BATCH_SIZE: &str = "batch.size";
const LINGER_MS: &str = "linger.ms";
const BUFFERING_MAX_KBYTES: &str = "queue.buffering.max.kbytes";
/// How long librdkafka waits for more of a window, should it miss the sender's word that the window is complete. A thread
/// that is held up meanwhile must not make it two requests.
const NATIVE_LINGER_MS: &str = "1000";

/// Whether an error says that a topic or partition is not there.
fn is_missing(code: Option<RDKafkaErrorCode>) -> bool {
    matches!(
        code,
        Some(
            RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownPartition
        )
    )
}

type Native = BaseProducer<Reporter, NoCustomPartitioner>;

/// What the sender's thread is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Activity {
    /// It may hand something over.
    Sending,
    /// It waits for a broker's answer about a topic, and hands nothing over before it has looked for the producer's end.
    Asking,
    Ended,
}

pub(crate) struct KafkaProducer {
    reporter: Reporter,
    queue: Arc<Queue>,
    activity: watch::Receiver<Activity>,
    /// KiB of the buffer that are free.
    room: Arc<Semaphore>,
    buffer_kib: u32,
}

impl fmt::Debug for KafkaProducer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KafkaProducer({})", self.reporter.reports.client)
    }
}

impl KafkaProducer {
    /// `config` is complete; `base` names the settings that are the worker's.
    pub(crate) fn open(config: &ClientConfig, base: &ClientConfig) -> Result<Self, LogError> {
        let mut native_config = settings::translate(config, base, Kind::Producer)?;
        let linger = number(&native_config, LINGER_MS);
        native_config.set(LINGER_MS, NATIVE_LINGER_MS);
        let reporter = Reporter {
            reports: Reports::new(config.get(settings::CLIENT_ID).unwrap_or("producer")),
            deliveries: Arc::new(Deliveries::new()),
            servers: settings::servers(config),
            returned: Arc::default(),
        };
        let buffer_kib = u32::try_from(number(&native_config, BUFFERING_MAX_KBYTES))
            .unwrap_or(u32::MAX)
            .clamp(1, u32::MAX >> 4);
        let batch_bytes = usize::try_from(number(&native_config, BATCH_SIZE)).unwrap_or(usize::MAX);
        let queue = Arc::new(Queue::new(batch_bytes, Duration::from_millis(linger)));
        let (sending, activity) = watch::channel(Activity::Sending);
        let sender = Sender::open(native_config, &reporter, Arc::clone(&queue), sending)?;
        drop(blocking::start("kafka-producer", move || sender.run())?);
        Ok(Self {
            reporter,
            queue,
            activity,
            room: Arc::new(Semaphore::new(buffer_kib as usize)),
            buffer_kib,
        })
    }
}

/// A setting that is always there, being one of the defaults, and a number, having been checked or being one of ours.
fn number(config: &rdkafka::ClientConfig, name: &str) -> u64 {
    config
        .get(name)
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or_default()
}

#[async_trait]
impl Producer for KafkaProducer {
    async fn append(&self, records: Vec<ProducerRecord>) -> Result<AppendReceipt, LogError> {
        let bytes = records.iter().map(ProducerRecord::size).sum::<usize>();
        let kib = u32::try_from(bytes >> 10)
            .unwrap_or(u32::MAX)
            .saturating_add(1);
        let room = Arc::clone(&self.room)
            .acquire_many_owned(kib.min(self.buffer_kib))
            .await
            .map_err(|_| LogError::Fatal("the producer's buffer is closed".to_owned()))?;
        let count = records.len();
        let (hand_over, receipt) = self.reporter.deliveries.open(count);
        self.queue.push(Batch {
            records,
            bytes,
            hand_over,
            room,
        });
        let deliveries = Arc::clone(&self.reporter.deliveries);
        Ok(async move {
            receipt.await.unwrap_or_else(|_| {
                let cause = deliveries.failure().unwrap_or_else(closed);
                vec![Err(cause); count]
            })
        }
        .boxed())
    }

    async fn flush(&self, timeout: Duration) -> Result<(), LogError> {
        let reporter = &self.reporter;
        let flushed = tokio::time::timeout(timeout, reporter.deliveries.none_left());
        flushed.await.map_err(|_| {
            errors::from_code(
                &format!("store all records within {timeout:?}"),
                &reporter.servers,
                RDKafkaErrorCode::OperationTimedOut,
                Some(&reporter.reports.trouble),
            )
        })
    }

    async fn close(&self, grace: Duration) {
        self.queue.close(grace);
        let mut activity = self.activity.clone();
        let ended = activity.wait_for(|activity| *activity == Activity::Ended);
        if tokio::time::timeout(grace, ended).await.is_ok() {
            return;
        }
        self.queue.abort();
        // A sender that is gone sends nothing either.
        drop(
            activity
                .wait_for(|activity| *activity != Activity::Sending)
                .await,
        );
    }
}

impl Drop for KafkaProducer {
    fn drop(&mut self) {
        self.queue.abort();
    }
}
