//! The thread that hands records to librdkafka.
//!
//! It hands over a chunk, tells librdkafka not to wait for more, and goes on when the chunk is stored; meanwhile the next
//! one gathers. An idempotent producer of librdkafka has one request under way per partition in any case, and as long as
//! records that are ready wait for it, its thread spins: this way none do. Nor does a timer hold up a single record.
//!
//! librdkafka fails records of a topic that does not exist or is not ready on its broker yet; Java's producer waits. So
//! topics are looked at before their first record, and created by the question if the cluster allows it. Records that come
//! back because their topic has gone go out again in their order before any later one, once the topic is there again.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _};
use tidegate_log::{ClientConfig, LogError, ProducerRecord, RecordHeader};
use tokio::sync::OwnedSemaphorePermit;
use tracing::{debug, info, warn};

use super::queue::{Batch, Queue};
use super::reports::Reporter;
use super::{Native, is_missing};
use crate::deliveries::Ticket;
use crate::settings::MAX_REQUEST_SIZE;
use crate::{errors, native, topics};

/// librdkafka's queue is full: time for some of it to drain.
const FULL_QUEUE_PAUSE: Duration = Duration::from_millis(2);
/// Between two looks whether the time after the producer's end is over.
const LOOK_FOR_END: Duration = Duration::from_secs(1);
/// Between two looks for a topic that is missing.
const MISSING_TOPIC_PAUSE: Duration = Duration::from_millis(100);
/// Time for a question about a topic.
const LOOK: Duration = Duration::from_secs(5);

pub(super) struct Sender {
    native: Arc<Native>,
    queue: Arc<Queue>,
    /// For clients whose question creates a topic.
    creating: rdkafka::ClientConfig,
    /// Topics that are there.
    known: HashSet<Arc<str>>,
    max_request_size: Arc<str>,
}

impl Sender {
    pub(super) fn new(
        native: Arc<Native>,
        queue: Arc<Queue>,
        mut creating: rdkafka::ClientConfig,
        config: &ClientConfig,
    ) -> Self {
        creating.set("allow.auto.create.topics", "true");
        Self {
            native,
            queue,
            creating,
            known: HashSet::new(),
            max_request_size: Arc::from(config.get(MAX_REQUEST_SIZE).unwrap_or("1048576")),
        }
    }

    /// Runs until the producer is closed and everything is stored or the time for that is over.
    pub(super) fn run(mut self) {
        while let Some(chunk) = self.queue.next() {
            let rooms: Vec<_> = chunk
                .into_iter()
                .map(|batch| self.hand_over(batch))
                .collect();
            self.deliver();
            while self.returned_some() {
                self.send_again();
                self.deliver();
            }
            drop(rooms);
        }
        let lost = self.native.in_flight_count();
        if lost > 0 {
            let client = &*self.reporter().reports.client;
            warn!(
                client,
                lost, "closed a producer with records that no broker has taken"
            );
        }
    }

    fn reporter(&self) -> &Reporter {
        self.native.context()
    }

    fn returned_some(&self) -> bool {
        self.reporter().returned.are_some() && !self.queue.is_overdue()
    }

    /// Waits until everything that was handed over is stored or has failed.
    fn deliver(&self) {
        while !native::flush(&self.native, LOOK_FOR_END) && !self.queue.is_overdue() {}
    }

    /// Returns the batch's room in the buffer, which librdkafka's copy takes now.
    fn hand_over(&mut self, batch: Batch) -> OwnedSemaphorePermit {
        let Batch {
            records,
            mut hand_over,
            room,
            ..
        } = batch;
        for record in &records {
            match self.hand_over_one(record, hand_over.ticket()) {
                Ok(()) => hand_over.sent(),
                Err(error) => {
                    hand_over.refuse(error);
                    break;
                }
            }
        }
        room
    }

    fn hand_over_one(&mut self, record: &ProducerRecord, ticket: Ticket) -> Result<(), LogError> {
        loop {
            if self.reporter().returned.are_some() {
                self.deliver();
                self.send_again();
            }
            if !self.known.contains(&record.topic) {
                self.wait_for_topic(&record.topic)?;
                self.known.insert(Arc::clone(&record.topic));
            }
            match self.send(record, ticket) {
                Err(error) if is_missing(error.rdkafka_error_code()) => {
                    if !self.has_gone(record) {
                        return Err(self.refusal(record, &error));
                    }
                    self.known.remove(&record.topic);
                    self.queue.pause(MISSING_TOPIC_PAUSE);
                }
                Err(error) => return Err(self.refusal(record, &error)),
                Ok(()) => return Ok(()),
            }
        }
    }

    /// A partition that was asked for and does not exist is the record's own fault.
    fn has_gone(&self, record: &ProducerRecord) -> bool {
        let Some(wanted) = record.partition else {
            return true;
        };
        match topics::partitions(self.native.client(), &record.topic, LOOK) {
            Ok(Some(count)) => wanted < count,
            _ => true,
        }
    }

    /// Waits while librdkafka's queue is full.
    fn send(&self, record: &ProducerRecord, ticket: Ticket) -> Result<(), KafkaError> {
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
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back))
                    if !self.queue.is_overdue() =>
                {
                    next = back;
                    native::flush(&self.native, FULL_QUEUE_PAUSE);
                }
                Err((error, _)) => return Err(error),
            }
        }
    }

    /// Waits until a topic is there and its brokers take records; creates it if the cluster lets clients do so.
    fn wait_for_topic(&self, topic: &Arc<str>) -> Result<(), LogError> {
        let mut told = false;
        while !self.queue.is_overdue() {
            match topics::ready(self.native.client(), &self.creating, topic) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) => {
                    let error = self.error(&format!("append to topic '{topic}'"), &error);
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
            self.queue.pause(MISSING_TOPIC_PAUSE);
        }
        Err(LogError::Unavailable(format!(
            "the producer was closed while topic '{topic}' was missing"
        )))
    }

    /// Sends returned records in their order. Nothing else is under way.
    fn send_again(&mut self) {
        self.known.clear();
        let records = self.reporter().returned.take();
        let count = records.len();
        for (mut record, ticket) in records {
            if !self.known.contains(&record.topic) {
                warn!(
                    "topic '{}' has gone; {count} records wait for it",
                    record.topic
                );
                if let Err(error) = self.wait_for_topic(&record.topic) {
                    self.reporter().deliveries.settle(ticket, Err(error));
                    continue;
                }
                self.known.insert(Arc::clone(&record.topic));
            }
            let mut sent = self.send(&record, ticket);
            if sent.is_err() && record.partition.is_some() {
                // The topic may have come back with fewer partitions.
                record.partition = None;
                sent = self.send(&record, ticket);
            }
            if let Err(error) = sent {
                let refusal = self.refusal(&record, &error);
                self.reporter().deliveries.settle(ticket, Err(refusal));
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
        let doing = match record.partition {
            Some(partition) => format!("append to partition {partition} of topic '{topic}'"),
            None => format!("append to topic '{topic}'"),
        };
        self.error(&doing, error)
    }

    fn error(&self, doing: &str, error: &KafkaError) -> LogError {
        let reporter = self.reporter();
        let trouble = Some(&reporter.reports.trouble);
        errors::translate(doing, &reporter.servers, error, trouble)
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
