//! The thread that hands records to librdkafka.
//!
//! It hands over a window of a chunk (see [`lanes`](super::lanes)), tells librdkafka not to wait for more, and goes on when
//! the window is stored; meanwhile the next chunk gathers. An idempotent producer of librdkafka has one request under way
//! per partition in any case, and as long as records that are ready wait for it, its thread spins: this way none do. Nor
//! does a timer hold up a single record.
//!
//! librdkafka fails records of a topic that does not exist or is not ready on its broker yet; Java's producer waits. So
//! topics are looked at before their first record, and created by the question if the cluster allows it.
//!
//! What comes back without being at fault goes out again before any later record: records whose topic has gone, once it
//! is there again; those of a request that was too large, or was refused for one of them, in smaller ones; everything of a client that has failed for good, through a new one. As all of them came back before anything
//! else was handed over, their partitions keep their order.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, Producer as _, PurgeConfig};
use tidegate_api::catch_panic_of;
use tidegate_log::{LogError, ProducerRecord};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tracing::{debug, error, info, warn};

use super::headers::NativeHeaders;
use super::lanes::{Lanes, wire_size};
use super::queue::{Batch, Queue};
use super::reports::{self, Reporter};
use super::returned::{Cause, Return};
use super::{Activity, BATCH_SIZE, Native, is_missing, number};
use crate::deliveries::{Ticket, closed};
use crate::settings::MAX_REQUEST_SIZE;
use crate::{blocking, errors, native, topic_readiness};

/// Between two looks whether the time after the producer's end is over.
const LOOK_FOR_END: Duration = Duration::from_millis(100);
/// Between two looks for a topic that is missing.
const MISSING_TOPIC_PAUSE: Duration = Duration::from_millis(100);
/// So many clients may fail for good before records do with them.
const FAILED_CLIENTS: u32 = 3;
/// Before another client takes over from one that has failed for good.
const NEW_CLIENT_PAUSE: Duration = Duration::from_millis(100);
/// Time for a question about a topic.
const LOOK: Duration = Duration::from_secs(5);
/// librdkafka's name of `max.request.size`.
const MESSAGE_MAX_BYTES: &str = "message.max.bytes";
/// Bytes of a request beside its records, and some to spare.
const REQUEST_OVERHEAD: usize = 200;

/// A client of librdkafka's and the thread that serves its reports.
struct Client {
    native: Arc<Native>,
    finished: Arc<AtomicBool>,
    reports: Option<JoinHandle<()>>,
}

impl Client {
    fn open(
        config: &rdkafka::ClientConfig,
        reporter: &Reporter,
        queue: &Arc<Queue>,
    ) -> Result<Self, LogError> {
        let native: Native = config
            .create_with_context(reporter.clone())
            .map_err(|error| {
                errors::translate("open a producer", &reporter.servers, &error, None)
            })?;
        let (native, finished) = (Arc::new(native), Arc::new(AtomicBool::new(false)));
        let (reporting, stop) = (Arc::clone(&native), Arc::clone(&finished));
        let (watching, queue) = (reporter.clone(), Arc::clone(queue));
        let serve = move || {
            watched("reads delivery reports", &watching, &queue, || {
                reports::serve(&reporting, &stop);
            });
        };
        let reports = Some(blocking::start("kafka-reports", serve)?);
        Ok(Self {
            native,
            finished,
            reports,
        })
    }
}

impl Drop for Client {
    /// Its connections are closed at the end of this.
    fn drop(&mut self) {
        self.finished.store(true, Ordering::Release);
        native::wake(&self.native);
        if let Some(reports) = self.reports.take()
            && reports.join().is_err()
        {
            warn!("the thread of a producer's delivery reports has panicked");
        }
    }
}

/// Does the work of one of a producer's threads. Should it panic, nothing more is sent, and whoever waits for a record
/// hears why.
fn watched(doing: &str, reporter: &Reporter, queue: &Queue, work: impl FnOnce()) {
    let client = &*reporter.reports.client;
    let what = || format!("the thread of producer {client} that {doing}");
    if let Err(panic) = catch_panic_of(what, work) {
        error!("{panic}");
        let failure = LogError::Fatal(panic.text().to_owned());
        reporter.deliveries.fail(&failure);
        queue.clear();
    }
}

/// What became of an attempt to hand a record over.
enum Attempt {
    Sent,
    /// Another window has to begin first.
    Wait,
}

/// What has come back of a request to a partition, which is the only one of its window.
#[derive(Debug, Clone, Copy, Default)]
struct Refused {
    records: usize,
    bytes: usize,
    /// Records that may be at fault, and those that are not.
    accused: usize,
    acquitted: usize,
}

impl Refused {
    fn add(&mut self, record: &ProducerRecord, cause: Cause) {
        match cause {
            Cause::TooLarge(_) => {}
            Cause::Refused(_) => self.accused += 1,
            Cause::Neighbour => self.acquitted += 1,
            Cause::Gone(_) | Cause::Client(_) => return,
        }
        self.records += 1;
        self.bytes += wire_size(record);
    }

    /// Whether the accused are known to be at fault. librdkafka tells the records of a request apart only if the broker has
    /// named several; otherwise all of them bear the error of one.
    fn names_records(self) -> bool {
        self.accused > 0 && self.acquitted > 0
    }
}

pub(super) struct Sender {
    client: Client,
    config: rdkafka::ClientConfig,
    reporter: Reporter,
    queue: Arc<Queue>,
    activity: watch::Sender<Activity>,
    /// For clients whose question creates a topic.
    creating: rdkafka::ClientConfig,
    lanes: Lanes,
    headers: NativeHeaders,
    /// Records in the window.
    in_window: usize,
    /// Records to hand over again, older than any other.
    again: VecDeque<Return>,
    /// Clients in a row that have failed for good.
    failed_clients: u32,
}

impl Sender {
    pub(super) fn open(
        config: rdkafka::ClientConfig,
        reporter: &Reporter,
        queue: Arc<Queue>,
        activity: watch::Sender<Activity>,
    ) -> Result<Self, LogError> {
        let bytes = |name| usize::try_from(number(&config, name)).unwrap_or(usize::MAX);
        let request = bytes(BATCH_SIZE).min(bytes(MESSAGE_MAX_BYTES));
        let mut creating = config.clone();
        creating.set("allow.auto.create.topics", "true");
        Ok(Self {
            client: Client::open(&config, reporter, &queue)?,
            config,
            reporter: reporter.clone(),
            queue,
            activity,
            creating,
            lanes: Lanes::new(request.saturating_sub(REQUEST_OVERHEAD)),
            headers: NativeHeaders::new(),
            in_window: 0,
            again: VecDeque::new(),
            failed_clients: 0,
        })
    }

    /// Runs until the producer is closed and everything is stored or given up.
    pub(super) fn run(mut self) {
        let (reporter, queue) = (self.reporter.clone(), Arc::clone(&self.queue));
        watched("sends records", &reporter, &queue, || {
            self.send_all();
        });
        drop(self.client);
        self.activity.send_replace(Activity::Ended);
    }

    fn send_all(&mut self) {
        while let Some(chunk) = self.queue.next() {
            self.lanes.next_chunk();
            let rooms: Vec<_> = chunk
                .into_iter()
                .map(|batch| self.hand_over(batch))
                .collect();
            self.deliver();
            drop(rooms);
        }
    }

    /// Waits until everything that was handed over is stored or has failed for good, or the producer's time is over.
    fn deliver(&mut self) {
        loop {
            self.flush();
            if self.queue.is_aborted() {
                self.give_up();
                return;
            }
            self.renew_client();
            self.sort_out();
            while let Some(returned) = self.again.pop_front() {
                if self.queue.is_aborted() {
                    self.again.push_front(returned);
                    break;
                }
                match self.try_again(&returned) {
                    Ok(Attempt::Sent) => {}
                    Ok(Attempt::Wait) => {
                        self.again.push_front(returned);
                        break;
                    }
                    Err(error) => self.settle(returned.ticket, error),
                }
            }
            if self.again.is_empty() && self.in_window == 0 {
                self.lanes.end_splits();
                return;
            }
        }
    }

    /// Ends the window: waits until librdkafka has nothing left.
    fn flush(&mut self) {
        while !native::flush(&self.client.native, LOOK_FOR_END) {
            if self.queue.is_overdue() {
                // What has not been sent never will be; what has been may or may not be stored.
                let everything = PurgeConfig::default().queue().inflight();
                self.client.native.purge(everything);
                native::flush(&self.client.native, LOOK_FOR_END);
                let client = &*self.reporter.reports.client;
                warn!(
                    client,
                    "closed a producer with records that no broker has acknowledged"
                );
                break;
            }
        }
        self.in_window = 0;
        self.lanes.next_window();
    }

    fn give_up(&mut self) {
        let returned = self.reporter.returned.take().into_iter();
        for returned in returned.chain(std::mem::take(&mut self.again)) {
            self.settle(returned.ticket, closed());
        }
    }

    /// Puts a new client in the place of one that has failed for good, such as an idempotent one whose records a broker
    /// has lost.
    fn renew_client(&mut self) {
        let Some((code, reason)) = self.client.native.client().fatal_error() else {
            self.failed_clients = 0;
            return;
        };
        let client = &*self.reporter.reports.client;
        self.failed_clients += 1;
        if self.failed_clients > FAILED_CLIENTS || errors::is_unauthorized(code) {
            let error = LogError::Fatal(format!(
                "the producer's client on Kafka at {} has failed for good: {code}: {reason}",
                self.reporter.servers
            ));
            let returned = self.reporter.returned.take().into_iter();
            for returned in returned.chain(std::mem::take(&mut self.again)) {
                self.settle(returned.ticket, error.clone());
            }
        } else {
            warn!(
                client,
                "the producer goes on with a new id after {code}: {reason}"
            );
        }
        while !self.queue.is_overdue() {
            match Client::open(&self.config, &self.reporter, &self.queue) {
                Ok(new) => {
                    self.client = new;
                    return;
                }
                Err(error) => warn!(client, %error, "no new producer; trying again"),
            }
            self.queue.pause(NEW_CLIENT_PAUSE);
        }
    }

    /// Takes what has come back, to be sent again before anything else; what cannot be sent in another way has failed.
    fn sort_out(&mut self) {
        let returned = self.reporter.returned.take();
        if returned.is_empty() {
            return;
        }
        let mut requests: HashMap<(Arc<str>, Option<i32>), Refused> = HashMap::new();
        for Return { record, cause, .. } in &returned {
            let partition = (Arc::clone(&record.topic), record.partition);
            requests.entry(partition).or_default().add(record, *cause);
        }
        let mut again = VecDeque::with_capacity(returned.len());
        for returned in returned {
            let Return { record, cause, .. } = &returned;
            let request = (Arc::clone(&record.topic), record.partition);
            let refused = requests.get(&request).copied().unwrap_or_default();
            let (count, bytes) = (refused.records, refused.bytes);
            match cause {
                Cause::TooLarge(code) if count == 1 => {
                    self.settle(returned.ticket, self.too_large(record, *code));
                    continue;
                }
                Cause::Refused(code) if count == 1 || refused.names_records() => {
                    self.settle(returned.ticket, self.refusal(record, *code));
                    continue;
                }
                Cause::Neighbour if count == 1 => {
                    let code = RDKafkaErrorCode::InvalidRecord;
                    self.settle(returned.ticket, self.refusal(record, code));
                    continue;
                }
                Cause::Refused(_) | Cause::Neighbour => {
                    if !refused.names_records() {
                        self.lanes.split(&record.topic, bytes);
                    }
                }
                Cause::TooLarge(_) => {
                    let limit = self.lanes.narrow(&record.topic, bytes);
                    debug!(
                        topic = &*record.topic,
                        bytes, limit, "a request was too large"
                    );
                }
                Cause::Gone(_) => {
                    let lane = self.lanes.of(&record.topic);
                    if std::mem::take(&mut lane.is_ready) {
                        warn!("topic '{}' has gone; its records wait for it", record.topic);
                    }
                }
                Cause::Client(_) => {}
            }
            again.push_back(returned);
        }
        again.append(&mut self.again);
        self.again = again;
    }

    fn settle(&self, ticket: Ticket, error: LogError) {
        self.reporter.deliveries.settle(ticket, Err(error));
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
            if self.queue.is_aborted() {
                break;
            }
            match self.hand_over_one(record, hand_over.ticket()) {
                Ok(()) => hand_over.sent(),
                Err(error) => hand_over.refuse(error),
            }
        }
        room
    }

    fn hand_over_one(&mut self, record: &ProducerRecord, ticket: Ticket) -> Result<(), LogError> {
        loop {
            match self.attempt(record, ticket)? {
                Attempt::Sent => return Ok(()),
                Attempt::Wait => self.deliver(),
            }
            if self.queue.is_aborted() {
                return Err(closed());
            }
        }
    }

    fn try_again(&mut self, returned: &Return) -> Result<Attempt, LogError> {
        let Return {
            record,
            ticket,
            cause,
        } = returned;
        let attempt = self.attempt(record, *ticket);
        if attempt.is_err() && matches!(cause, Cause::Gone(_)) && record.partition.is_some() {
            // The topic may have come back with fewer partitions.
            let mut anywhere = record.clone();
            anywhere.partition = None;
            // The look at the topic may have outlasted the producer, whose end did not wait for it.
            if self.queue.is_aborted() {
                return Err(closed());
            }
            return self.attempt(&anywhere, *ticket);
        }
        attempt
    }

    /// Hands a record over if the window has room for it.
    fn attempt(&mut self, record: &ProducerRecord, ticket: Ticket) -> Result<Attempt, LogError> {
        let topic = &record.topic;
        if !self.lanes.of(topic).is_ready {
            // Looking for a topic may take long: nothing waits for it in librdkafka.
            if self.in_window > 0 {
                return Ok(Attempt::Wait);
            }
            if let Some(refusal) = self.lanes.refusal(topic) {
                return Err(refusal);
            }
            self.look_for(topic)?;
        }
        if !self.lanes.take_room(topic, wire_size(record)) {
            return Ok(Attempt::Wait);
        }
        match self.send(record, ticket) {
            Ok(()) => {
                self.in_window += 1;
                Ok(Attempt::Sent)
            }
            Err(KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull))
                if self.in_window > 0 =>
            {
                Ok(Attempt::Wait)
            }
            Err(_) if self.client.native.client().fatal_error().is_some() => Ok(Attempt::Wait),
            Err(error) if is_missing(error.rdkafka_error_code()) && self.has_gone(record) => {
                self.lanes.of(topic).is_ready = false;
                self.queue.pause(MISSING_TOPIC_PAUSE);
                Ok(Attempt::Wait)
            }
            Err(error) => {
                let error = self.unsendable(record, &error);
                if matches!(error, LogError::Unauthorized(_)) {
                    // librdkafka remembers that for minutes; the next chunk asks a broker.
                    self.lanes.of(topic).is_ready = false;
                    self.lanes.refuse(topic, error.clone());
                }
                Err(error)
            }
        }
    }

    /// A partition that was asked for and does not exist is the record's own fault.
    fn has_gone(&self, record: &ProducerRecord) -> bool {
        let Some(wanted) = record.partition else {
            return true;
        };
        let native = self.client.native.client();
        match self.ask(|| topic_readiness::partitions(native, &record.topic, LOOK)) {
            Ok(Some(count)) => wanted < count,
            _ => true,
        }
    }

    fn send(&mut self, record: &ProducerRecord, ticket: Ticket) -> Result<(), KafkaError> {
        let mut next = BaseRecord::<[u8], [u8], usize>::with_opaque_to(&record.topic, ticket.0);
        next.partition = record.partition;
        next.timestamp = record.timestamp;
        next.key = record.key.as_deref();
        next.payload = record.value.as_deref();
        next.headers = self.headers.of(&record.headers);
        self.client.native.send(next).map_err(|(error, _)| error)
    }

    /// Blocks for the answer of a broker, which the producer's end does not wait for.
    fn ask<T>(&self, question: impl FnOnce() -> T) -> T {
        self.activity.send_replace(Activity::Asking);
        let answer = question();
        self.activity.send_replace(Activity::Sending);
        answer
    }

    fn look_for(&mut self, topic: &Arc<str>) -> Result<(), LogError> {
        match self.wait_for_topic(topic) {
            Ok(()) => {
                self.lanes.of(topic).is_ready = true;
                Ok(())
            }
            Err(error) => {
                self.lanes.refuse(topic, error.clone());
                Err(error)
            }
        }
    }

    /// Waits until a topic is there and its brokers take records; creates it if the cluster lets clients do so.
    fn wait_for_topic(&self, topic: &Arc<str>) -> Result<(), LogError> {
        let mut told = false;
        while !self.queue.is_overdue() {
            let native = self.client.native.client();
            match self.ask(|| topic_readiness::ready(native, &self.creating, topic)) {
                Ok(true) => {
                    if self.queue.is_overdue() {
                        break;
                    }
                    return Ok(());
                }
                Ok(false) => {}
                Err(error) => {
                    let code = error.rdkafka_error_code();
                    let error = self.error(&format!("append to topic '{topic}'"), &error);
                    let error = errors::of_record(code, error);
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

    /// Why librdkafka does not take a record.
    fn unsendable(&self, record: &ProducerRecord, error: &KafkaError) -> LogError {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageSizeTooLarge) {
            return LogError::Invalid(format!(
                "a record of {} bytes for topic '{}' is larger than the producer's {MAX_REQUEST_SIZE}={}; raise it \
                 (producer.{MAX_REQUEST_SIZE} of the worker or producer.override.{MAX_REQUEST_SIZE} of the connector) \
                 and the topic's max.message.bytes",
                record.size(),
                record.topic,
                number(&self.config, MESSAGE_MAX_BYTES)
            ));
        }
        if matches!(
            error,
            KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)
        ) {
            return LogError::Invalid(format!(
                "a record of {} bytes for topic '{}' is larger than the producer's buffer.memory; raise it",
                record.size(),
                record.topic
            ));
        }
        let code = error.rdkafka_error_code();
        errors::of_record(code, self.error(&doing(record), error))
    }

    /// Why a broker does not take a record that was alone in its request.
    fn too_large(&self, record: &ProducerRecord, code: RDKafkaErrorCode) -> LogError {
        LogError::Invalid(format!(
            "a record of {} bytes for topic '{}' is larger than the topic's max.message.bytes: {code}; raise it (Kafka \
             at {})",
            record.size(),
            record.topic,
            self.reporter.servers
        ))
    }

    /// Why a broker does not take a record, whatever else its request had.
    fn refusal(&self, record: &ProducerRecord, code: RDKafkaErrorCode) -> LogError {
        // What the broker says beyond its code does not reach us.
        let hint = match code {
            RDKafkaErrorCode::InvalidRecord if record.key.is_none() => {
                " a record without key, which a compacted topic does not take"
            }
            _ => "",
        };
        let doing = format!("append to topic '{}'{hint}", record.topic);
        errors::from_code(&doing, &self.reporter.servers, code, None)
    }

    fn error(&self, doing: &str, error: &KafkaError) -> LogError {
        let trouble = Some(&self.reporter.reports.trouble);
        errors::translate(doing, &self.reporter.servers, error, trouble)
    }
}

fn doing(record: &ProducerRecord) -> String {
    let topic = &record.topic;
    match record.partition {
        Some(partition) => format!("append to partition {partition} of topic '{topic}'"),
        None => format!("append to topic '{topic}'"),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tidegate_log::{ClientConfig, Producer as _};

    use super::super::KafkaProducer;
    use super::*;

    /// Nobody restarts the thread: what waits must not wait for ever.
    #[tokio::test]
    async fn a_panic_ends_the_producer_and_tells_its_place() {
        let config = ClientConfig::default().with("bootstrap.servers", "127.0.0.1:1");
        let producer = KafkaProducer::open(&config, &config).expect("a producer");
        let record = || vec![ProducerRecord::new("t", None, Some(Bytes::from("v")))];
        let first = producer.append(record()).await.expect("taken");
        watched("is tested", &producer.reporter, &producer.queue, || {
            panic!("{} is missing", "a wheel")
        });
        for receipt in [first, producer.append(record()).await.expect("taken")] {
            let results = receipt.await;
            let text = match &results[..] {
                [Err(LogError::Fatal(text))] => text,
                other => panic!("{other:?}"),
            };
            assert!(text.contains(file!()), "{text}");
            assert!(text.contains("is tested panicked"), "{text}");
            assert!(text.ends_with("a wheel is missing"), "{text}");
        }
    }
}
