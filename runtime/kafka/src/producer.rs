//! Appending records.
//!
//! Records go into librdkafka's queue one after the other, which is bounded in bytes: a full queue makes `append` wait. A
//! thread per producer serves the delivery reports; it counts down per batch (see [`deliveries`](crate::deliveries)), so
//! that no channel or future is touched per record. Order within a partition is that of the calls, because one append at a
//! time hands its records over and librdkafka keeps their order through retries.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::FutureExt as _;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, Message as _, OwnedHeaders};
use rdkafka::producer::{
    BaseProducer, BaseRecord, NoCustomPartitioner, Producer as _, ProducerContext,
};
use tidegate_log::{
    AppendReceipt, ClientConfig, LogError, Producer, ProducerRecord, RecordHeader, RecordMetadata,
};
use tokio::sync::Mutex;
use tracing::warn;

use crate::blocking;
use crate::context::Reports;
use crate::deliveries::{Deliveries, Ticket};
use crate::errors;
use crate::settings::{self, Kind, MAX_REQUEST_SIZE};

/// How long a full queue is left alone; at full speed about a hundredth of it drains meanwhile.
const FULL_QUEUE_PAUSE: Duration = Duration::from_millis(2);
/// Records that are handed over without giving other tasks a turn.
const RECORDS_PER_TURN: usize = 1000;
const POLL: Duration = Duration::from_millis(100);
/// Time for records that were appended before the producer was dropped.
const LINGER_AFTER_DROP: Duration = Duration::from_secs(30);

/// Receives delivery reports.
struct Reporter {
    reports: Reports,
    deliveries: Deliveries,
    servers: Arc<str>,
}

impl ClientContext for Reporter {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, log_message: &str) {
        self.reports.log(level, fac, log_message);
    }
    fn error(&self, error: KafkaError, reason: &str) {
        self.reports.error(error, reason);
    }
}

impl ProducerContext for Reporter {
    /// A [`Ticket`].
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: usize) {
        let result = match result {
            Ok(message) => Ok(RecordMetadata {
                partition: message.partition(),
                offset: message.offset(),
            }),
            Err((error, message)) => {
                let doing = format!("append to topic '{}'", message.topic());
                let trouble = Some(&self.reports.trouble);
                Err(errors::translate(&doing, &self.servers, error, trouble))
            }
        };
        self.deliveries.settle(Ticket(ticket), result);
    }
}

type Native = BaseProducer<Reporter, NoCustomPartitioner>;

pub(crate) struct KafkaProducer {
    native: Arc<Native>,
    order: Mutex<()>,
    max_request_size: Arc<str>,
    closed: Arc<AtomicBool>,
}

impl fmt::Debug for KafkaProducer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KafkaProducer({})", self.native.context().reports.client)
    }
}

impl KafkaProducer {
    /// `config` is complete; `base` names the settings that are the worker's.
    pub(crate) fn open(config: &ClientConfig, base: &ClientConfig) -> Result<Self, LogError> {
        let native_config = settings::translate(config, base, Kind::Producer)?;
        let servers = crate::log::servers(config);
        let reporter = Reporter {
            reports: Reports::new(config.get(settings::CLIENT_ID).unwrap_or("producer")),
            deliveries: Deliveries::new(),
            servers: Arc::clone(&servers),
        };
        let native: Native = native_config
            .create_with_context(reporter)
            .map_err(|error| errors::translate("open a producer", &servers, &error, None))?;
        let native = Arc::new(native);
        let closed = Arc::new(AtomicBool::new(false));
        let (polled, stop) = (Arc::clone(&native), Arc::clone(&closed));
        blocking::start("kafka-producer", move || poll_until_closed(&polled, &stop))?;
        Ok(Self {
            native,
            order: Mutex::new(()),
            max_request_size: Arc::from(config.get(MAX_REQUEST_SIZE).unwrap_or("1048576")),
            closed,
        })
    }

    async fn hand_over(&self, record: &ProducerRecord, ticket: Ticket) -> Result<(), LogError> {
        let mut next = BaseRecord::<[u8], [u8], usize>::with_opaque_to(&record.topic, ticket.0);
        next.partition = record.partition;
        next.timestamp = record.timestamp;
        next.key = record.key.as_deref();
        next.payload = record.value.as_deref();
        if !record.headers.is_empty() {
            next.headers = Some(headers(&record.headers));
        }
        loop {
            match self.native.send(next) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    next = back;
                    tokio::time::sleep(FULL_QUEUE_PAUSE).await;
                }
                Err((error, _)) => return Err(self.refusal(record, &error)),
            }
        }
    }

    fn refusal(&self, record: &ProducerRecord, error: &KafkaError) -> LogError {
        let topic = &record.topic;
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageSizeTooLarge) {
            return LogError::Invalid(format!(
                "a record of {} bytes for topic '{topic}' is larger than the producer's {MAX_REQUEST_SIZE}={}; raise \
                 it (producer.{MAX_REQUEST_SIZE} of the worker or producer.override.{MAX_REQUEST_SIZE} of the \
                 connector) and the topic's max.message.bytes",
                record.size(),
                self.max_request_size
            ));
        }
        let reporter = self.native.context();
        let doing = match record.partition {
            Some(partition) => format!("append to partition {partition} of topic '{topic}'"),
            None => format!("append to topic '{topic}'"),
        };
        let trouble = Some(&reporter.reports.trouble);
        errors::translate(&doing, &reporter.servers, error, trouble)
    }
}

#[async_trait]
impl Producer for KafkaProducer {
    async fn append(&self, records: Vec<ProducerRecord>) -> Result<AppendReceipt, LogError> {
        let turn = self.order.lock().await;
        let (mut hand_over, receipt) = self.native.context().deliveries.open(records.len());
        for (index, record) in records.iter().enumerate() {
            if index % RECORDS_PER_TURN == RECORDS_PER_TURN - 1 {
                tokio::task::yield_now().await;
            }
            self.hand_over(record, hand_over.ticket()).await?;
            hand_over.sent();
        }
        drop((hand_over, turn));
        let count = records.len();
        Ok(async move {
            receipt.await.unwrap_or_else(|_| {
                let closed = LogError::Unavailable("the producer was closed".to_owned());
                vec![Err(closed); count]
            })
        }
        .boxed())
    }

    async fn flush(&self, timeout: Duration) -> Result<(), LogError> {
        let reporter = self.native.context();
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
}

impl Drop for KafkaProducer {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Release);
    }
}

/// Serves delivery reports. After the end of its owner the producer still delivers what was appended, like Java's
/// `close()`.
fn poll_until_closed(native: &Native, closed: &AtomicBool) {
    while !closed.load(Ordering::Acquire) {
        native.poll(POLL);
    }
    let end = Instant::now() + LINGER_AFTER_DROP;
    while native.in_flight_count() > 0 && Instant::now() < end {
        native.poll(POLL.min(end - Instant::now()));
    }
    let lost = native.in_flight_count();
    if lost > 0 {
        let client = &*native.context().reports.client;
        warn!(
            client,
            lost, "closed a producer with records that no broker has taken"
        );
    }
}

fn headers(headers: &[RecordHeader]) -> OwnedHeaders {
    let mut native = OwnedHeaders::new_with_capacity(headers.len());
    for header in headers {
        native = native.insert(Header {
            key: &header.key,
            value: header.value.as_deref(),
        });
    }
    native
}
