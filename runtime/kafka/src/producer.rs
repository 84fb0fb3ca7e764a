//! Appending records.
//!
//! Records go into librdkafka's queue one after the other, which is bounded in bytes: a full queue makes `append` wait. A
//! thread per producer serves the delivery reports; it counts down per batch (see [`deliveries`](crate::deliveries)), so
//! that no channel or future is touched per record. Order within a partition is that of the calls, because one append at a
//! time hands its records over and librdkafka keeps their order through retries.
//!
//! librdkafka fails records of a topic that does not exist or is not ready on its broker yet; Java's producer waits. So
//! topics are looked at before their first record, and created by the question if the cluster allows it. Records that come
//! back because their topic has gone are kept, and go out again in their order before any later one, once nothing else is
//! under way and the topic is there again.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::FutureExt as _;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{
    BorrowedMessage, DeliveryResult, Header, Headers as _, Message as _, OwnedHeaders,
};
use rdkafka::producer::{
    BaseProducer, BaseRecord, NoCustomPartitioner, Producer as _, ProducerContext,
};
use tidegate_log::{
    AppendReceipt, ClientConfig, LogError, Producer, ProducerRecord, RecordHeader, RecordMetadata,
};
use tokio::sync::{Mutex, Notify};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

use crate::blocking;
use crate::context::Reports;
use crate::deliveries::{Deliveries, Ticket};
use crate::errors;
use crate::settings::{self, Kind, MAX_REQUEST_SIZE};
use crate::topics;

/// How long a full queue is left alone; at full speed about a hundredth of it drains meanwhile.
const FULL_QUEUE_PAUSE: Duration = Duration::from_millis(2);
/// Records that are handed over without giving other tasks a turn.
const RECORDS_PER_TURN: usize = 1000;
const POLL: Duration = Duration::from_millis(100);
/// Time for records that were appended before the producer was dropped.
const LINGER_AFTER_DROP: Duration = Duration::from_secs(30);

/// Between two looks for a topic that is missing.
const MISSING_TOPIC_PAUSE: Duration = Duration::from_millis(100);
/// Time for a question about a topic.
const LOOK: Duration = Duration::from_secs(5);
const DRAIN_PAUSE: Duration = Duration::from_millis(5);

/// Receives delivery reports.
struct Reporter {
    reports: Reports,
    deliveries: Deliveries,
    servers: Arc<str>,
    returned: Returned,
}

/// Records whose topic has gone, in the order of their delivery reports.
#[derive(Default)]
struct Returned {
    records: std::sync::Mutex<VecDeque<(ProducerRecord, Ticket)>>,
    /// Whether there are some.
    some: AtomicBool,
    arrived: Notify,
}

impl Returned {
    fn push(&self, message: &BorrowedMessage<'_>, ticket: Ticket) {
        let bytes = |slice: Option<&[u8]>| slice.map(bytes::Bytes::copy_from_slice);
        let headers = message.headers().map_or_else(Vec::new, |headers| {
            let headers = headers.iter().map(|header| RecordHeader {
                key: tidegate_api::Str::new(header.key),
                value: bytes(header.value),
            });
            headers.collect()
        });
        let record = ProducerRecord {
            topic: Arc::from(message.topic()),
            partition: (message.partition() >= 0).then(|| message.partition()),
            timestamp: message.timestamp().to_millis(),
            key: bytes(message.key()),
            value: bytes(message.payload()),
            headers,
        };
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.push_back((record, ticket));
        self.some.store(true, Ordering::Release);
        drop(records);
        self.arrived.notify_one();
    }

    fn are_some(&self) -> bool {
        self.some.load(Ordering::Acquire)
    }

    fn take(&self) -> VecDeque<(ProducerRecord, Ticket)> {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        self.some.store(false, Ordering::Release);
        std::mem::take(&mut *records)
    }
}

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
            Err((error, message)) if is_missing(error.rdkafka_error_code()) => {
                return self.returned.push(message, Ticket(ticket));
            }
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
    sender: Arc<Sender>,
    closed: Arc<AtomicBool>,
    /// Ends the task that looks after returned records.
    _recovery: DropGuard,
}

impl fmt::Debug for KafkaProducer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "KafkaProducer({})",
            self.sender.reporter().reports.client
        )
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
            returned: Returned::default(),
        };
        let native: Native = native_config
            .create_with_context(reporter)
            .map_err(|error| errors::translate("open a producer", &servers, &error, None))?;
        let native = Arc::new(native);
        let closed = Arc::new(AtomicBool::new(false));
        let (polled, stop) = (Arc::clone(&native), Arc::clone(&closed));
        blocking::start("kafka-producer", move || poll_until_closed(&polled, &stop))?;
        let mut creating = native_config;
        creating.set("allow.auto.create.topics", "true");
        let sender = Arc::new(Sender {
            native,
            creating,
            known: Mutex::default(),
            max_request_size: Arc::from(config.get(MAX_REQUEST_SIZE).unwrap_or("1048576")),
        });
        let stop = CancellationToken::new();
        let (recovering, stopped) = (Arc::clone(&sender), stop.clone());
        TaskTracker::new().spawn(async move {
            let recovery = async {
                loop {
                    recovering.reporter().returned.arrived.notified().await;
                    let mut known = recovering.known.lock().await;
                    recovering.send_again(&mut known).await;
                }
            };
            stopped.run_until_cancelled(recovery).await;
        });
        Ok(Self {
            sender,
            closed,
            _recovery: stop.drop_guard(),
        })
    }
}

/// Hands records over.
struct Sender {
    native: Arc<Native>,
    /// For clients whose question creates a topic.
    creating: rdkafka::ClientConfig,
    /// Topics that are there. Holding it is the right to hand over.
    known: Mutex<HashSet<Arc<str>>>,
    max_request_size: Arc<str>,
}

impl Sender {
    fn reporter(&self) -> &Reporter {
        self.native.context()
    }

    async fn hand_over(
        &self,
        known: &mut HashSet<Arc<str>>,
        record: &ProducerRecord,
        ticket: Ticket,
    ) -> Result<(), LogError> {
        loop {
            if self.reporter().returned.are_some() {
                self.send_again(known).await;
            }
            if !known.contains(&record.topic) {
                self.wait_for_topic(&record.topic).await?;
                known.insert(Arc::clone(&record.topic));
            }
            match self.send(record, ticket).await {
                Err(error) if is_missing(error.rdkafka_error_code()) => {
                    if !self.has_gone(record).await {
                        return Err(self.refusal(record, &error));
                    }
                    known.remove(&record.topic);
                    tokio::time::sleep(MISSING_TOPIC_PAUSE).await;
                }
                Err(error) => return Err(self.refusal(record, &error)),
                Ok(()) => return Ok(()),
            }
        }
    }

    /// A partition that was asked for and does not exist is the record's own fault.
    async fn has_gone(&self, record: &ProducerRecord) -> bool {
        let Some(wanted) = record.partition else {
            return true;
        };
        let (native, topic) = (Arc::clone(&self.native), Arc::clone(&record.topic));
        let count =
            blocking::run(move || Ok(topics::partitions(native.client(), &topic, LOOK))).await;
        match count {
            Ok(Ok(Some(count))) => wanted < count,
            _ => true,
        }
    }

    /// Waits while the queue is full.
    async fn send(&self, record: &ProducerRecord, ticket: Ticket) -> Result<(), KafkaError> {
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
                Err((error, _)) => return Err(error),
            }
        }
    }

    /// Waits until a topic is there and its brokers take records; creates it if the cluster lets clients do so.
    async fn wait_for_topic(&self, topic: &Arc<str>) -> Result<(), LogError> {
        let mut told = false;
        loop {
            let (native, name) = (Arc::clone(&self.native), Arc::clone(topic));
            let creating = self.creating.clone();
            let ready = blocking::run(move || Ok(topics::ready(native.client(), &creating, &name)));
            match ready.await? {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) => {
                    let reporter = self.reporter();
                    let doing = format!("append to topic '{topic}'");
                    let trouble = Some(&reporter.reports.trouble);
                    let error = errors::translate(&doing, &reporter.servers, &error, trouble);
                    if !error.is_retriable() {
                        return Err(error);
                    }
                    debug!(%error, "waiting for topic '{topic}'");
                }
            }
            if !told {
                told = true;
                info!("waiting for topic '{topic}' to be there");
            }
            tokio::time::sleep(MISSING_TOPIC_PAUSE).await;
        }
    }

    /// Sends returned records in their order, once nothing else is under way.
    async fn send_again(&self, known: &mut HashSet<Arc<str>>) {
        let reporter = self.reporter();
        while reporter.returned.are_some() {
            while self.native.in_flight_count() > 0 {
                tokio::time::sleep(DRAIN_PAUSE).await;
            }
            known.clear();
            let records = reporter.returned.take();
            let count = records.len();
            for (mut record, ticket) in records {
                if !known.contains(&record.topic) {
                    warn!(
                        "topic '{}' has gone; {count} records wait for it",
                        record.topic
                    );
                    if let Err(error) = self.wait_for_topic(&record.topic).await {
                        reporter.deliveries.settle(ticket, Err(error));
                        continue;
                    }
                    known.insert(Arc::clone(&record.topic));
                }
                let mut sent = self.send(&record, ticket).await;
                if sent.is_err() && record.partition.is_some() {
                    // The topic may have come back with fewer partitions.
                    record.partition = None;
                    sent = self.send(&record, ticket).await;
                }
                if let Err(error) = sent {
                    let refusal = self.refusal(&record, &error);
                    reporter.deliveries.settle(ticket, Err(refusal));
                }
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
        let reporter = self.reporter();
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
        let mut known = self.sender.known.lock().await;
        let deliveries = &self.sender.reporter().deliveries;
        let (mut hand_over, receipt) = deliveries.open(records.len());
        for (index, record) in records.iter().enumerate() {
            if index % RECORDS_PER_TURN == RECORDS_PER_TURN - 1 {
                tokio::task::yield_now().await;
            }
            let ticket = hand_over.ticket();
            self.sender.hand_over(&mut known, record, ticket).await?;
            hand_over.sent();
        }
        drop((hand_over, known));
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
        let reporter = self.sender.reporter();
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
