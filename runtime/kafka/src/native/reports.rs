//! A producer's queue: delivery reports, errors and log lines. rdkafka's own loop over it asks without waiting during each
//! last millisecond of its timeout, which costs an idle producer a hundredth of a core.

use std::ffi::CStr;
use std::time::Duration;

use rdkafka::bindings as rd;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{BaseProducer, NoCustomPartitioner, Producer as _, ProducerContext};

use super::queue::{Failure, failure};
use super::{Guard, MessageRef, millis};

/// What a producer has to say.
pub(crate) enum Report {
    Deliveries(Deliveries),
    Failure(Failure),
    Log {
        level: RDKafkaLogLevel,
        facility: String,
        text: String,
    },
    /// Concerns nobody.
    Other,
}

/// Ends of records, in order for each partition.
pub(crate) struct Deliveries(Guard<rd::rd_kafka_event_t>);

/// The end of one record.
pub(crate) struct Delivery<'a> {
    /// What the record was sent with.
    pub(crate) opaque: usize,
    /// Partition and offset.
    pub(crate) result: Result<(i32, i64), RDKafkaErrorCode>,
    pub(crate) message: MessageRef<'a>,
}

/// It must not outlive its producer.
pub(crate) struct ReportQueue(Guard<rd::rd_kafka_queue_t>);

impl ReportQueue {
    pub(crate) fn of<C: ProducerContext>(producer: &BaseProducer<C, NoCustomPartitioner>) -> Self {
        // SAFETY: the client is alive; the reference to its queue, which every client has, is ours.
        let queue = unsafe { rd::rd_kafka_queue_get_main(producer.client().native_ptr()) };
        Self(Guard::new(queue, rd::rd_kafka_queue_destroy))
    }

    /// Waits for the next report; `None` if there was none for the whole time.
    pub(crate) fn next(&self, timeout: Duration) -> Option<Report> {
        // SAFETY: the queue is alive; the event is ours until its guard destroys it.
        let event = unsafe { rd::rd_kafka_queue_poll(self.0.0, millis(timeout)) };
        if event.is_null() {
            return None;
        }
        let event = Guard::new(event, rd::rd_kafka_event_destroy);
        // SAFETY: the event is alive.
        let kind = unsafe { rd::rd_kafka_event_type(event.0) };
        Some(match kind {
            rd::RD_KAFKA_EVENT_DR => Report::Deliveries(Deliveries(event)),
            rd::RD_KAFKA_EVENT_ERROR => Report::Failure(failure(&event)),
            rd::RD_KAFKA_EVENT_LOG => log(&event),
            _ => Report::Other,
        })
    }
}

/// Ends the wait of whoever serves a producer's reports.
pub(crate) fn wake<C: ProducerContext>(producer: &BaseProducer<C, NoCustomPartitioner>) {
    let queue = ReportQueue::of(producer);
    // SAFETY: the queue is alive.
    unsafe { rd::rd_kafka_queue_yield(queue.0.0) }
}

impl Deliveries {
    /// Each once.
    pub(crate) fn next(&mut self) -> Option<Delivery<'_>> {
        // SAFETY: the event is alive.
        let message = unsafe { rd::rd_kafka_event_message_next(self.0.0) }.cast_mut();
        // librdkafka tells no timestamp of a message with an error, and a record that goes out again keeps its own.
        // SAFETY: the message is null, or lives as long as the event, which is ours alone; nothing else refers to it.
        let error = std::mem::replace(
            unsafe { &mut message.as_mut()?.err },
            rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR,
        );
        // SAFETY: as before; from here on the message is only read.
        let message = unsafe { message.as_ref()? };
        let result = match error {
            rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => {
                Ok((message.partition, message.offset))
            }
            error => Err(error.into()),
        };
        Some(Delivery {
            opaque: message._private.addr(),
            result,
            message: MessageRef(message),
        })
    }
}

fn log(event: &Guard<rd::rd_kafka_event_t>) -> Report {
    let (mut facility, mut text, mut level) = (std::ptr::null(), std::ptr::null(), 0);
    // SAFETY: the event is alive, the pointers are valid; the texts are the event's, end with zero bytes and are copied.
    unsafe {
        if rd::rd_kafka_event_log(event.0, &raw mut facility, &raw mut text, &raw mut level) != 0 {
            return Report::Other;
        }
        Report::Log {
            level: level_of(level),
            facility: CStr::from_ptr(facility).to_string_lossy().into_owned(),
            text: CStr::from_ptr(text).to_string_lossy().into_owned(),
        }
    }
}

/// Levels are those of syslog.
fn level_of(level: i32) -> RDKafkaLogLevel {
    match level {
        0 => RDKafkaLogLevel::Emerg,
        1 => RDKafkaLogLevel::Alert,
        2 => RDKafkaLogLevel::Critical,
        3 => RDKafkaLogLevel::Error,
        4 => RDKafkaLogLevel::Warning,
        5 => RDKafkaLogLevel::Notice,
        6 => RDKafkaLogLevel::Info,
        _ => RDKafkaLogLevel::Debug,
    }
}
