//! A consumer's queue: messages, rebalances and errors in the order in which they happened.

use std::ffi::CStr;
use std::marker::PhantomData;
use std::ptr::NonNull;

use rdkafka::bindings as rd;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::RDKafkaErrorCode;

use super::{Guard, MessageRef, partition_offsets};

/// What a consumer's queue holds.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    Message(Fetched<'a>),
    Rebalance(Rebalance),
    Failure(Failure),
    /// Answers to nobody.
    Other,
}

/// A message taken from a queue.
pub(crate) struct Fetched<'a> {
    message: NonNull<rd::rd_kafka_message_t>,
    /// Owns the message.
    _event: Guard<rd::rd_kafka_event_t>,
    queue: PhantomData<&'a Queue>,
}

/// A change of the assignment, which waits for the application's assign or unassign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rebalance {
    /// Otherwise partitions are taken away.
    pub(crate) assigns: bool,
    pub(crate) partitions: Vec<(String, i32)>,
}

/// An error that a client reports; also the end of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: RDKafkaErrorCode,
    pub(crate) reason: String,
    /// The client is unusable from now on.
    pub(crate) fatal: bool,
    /// Topic, partition and offset where there are some.
    pub(crate) at: Option<(String, i32, i64)>,
}

/// The queue that everything of a consumer goes through. It must not outlive its consumer.
#[derive(Debug)]
pub(crate) struct Queue(NonNull<rd::rd_kafka_queue_t>);

// SAFETY: librdkafka's queues may be used from any thread.
unsafe impl Send for Queue {}
// SAFETY: as above.
unsafe impl Sync for Queue {}

impl Queue {
    /// `None` for a consumer without a group's id.
    pub(crate) fn of<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> Option<Self> {
        // SAFETY: the client is alive; the reference to its queue is ours.
        let queue = unsafe { rd::rd_kafka_queue_get_consumer(consumer.client().native_ptr()) };
        NonNull::new(queue).map(Self)
    }

    /// The next event, without waiting. Counts as a poll for `max.poll.interval.ms`.
    pub(crate) fn next(&self) -> Option<Event<'_>> {
        // SAFETY: the queue is alive; the event is ours until its guard destroys it.
        let event = unsafe { rd::rd_kafka_queue_poll(self.0.as_ptr(), 0) };
        if event.is_null() {
            return None;
        }
        let event = Guard::new(event, rd::rd_kafka_event_destroy);
        // SAFETY: the event is alive.
        let kind = unsafe { rd::rd_kafka_event_type(event.0) };
        Some(match kind {
            rd::RD_KAFKA_EVENT_FETCH => {
                // SAFETY: an event of this kind has one message, which lives as long as the event.
                let message = unsafe { rd::rd_kafka_event_message_next(event.0) };
                match NonNull::new(message.cast_mut()) {
                    Some(message) => Event::Message(Fetched {
                        message,
                        _event: event,
                        queue: PhantomData,
                    }),
                    None => Event::Other,
                }
            }
            rd::RD_KAFKA_EVENT_REBALANCE => Event::Rebalance(rebalance(&event)),
            rd::RD_KAFKA_EVENT_ERROR => Event::Failure(failure(&event)),
            _ => Event::Other,
        })
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: the reference is ours, and let go once.
        unsafe { rd::rd_kafka_queue_destroy(self.0.as_ptr()) }
    }
}

impl Fetched<'_> {
    pub(crate) fn as_ref(&self) -> MessageRef<'_> {
        // SAFETY: the message lives as long as its event.
        MessageRef(unsafe { self.message.as_ref() })
    }
}

impl std::fmt::Debug for Fetched<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fetched")
    }
}

fn rebalance(event: &Guard<rd::rd_kafka_event_t>) -> Rebalance {
    // SAFETY: the event is alive; the list is its own and is copied.
    let (code, list) = unsafe {
        let list = rd::rd_kafka_event_topic_partition_list(event.0);
        (rd::rd_kafka_event_error(event.0), partition_offsets(list))
    };
    Rebalance {
        assigns: code == rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS,
        partitions: list
            .into_iter()
            .map(|(topic, partition, _)| (topic, partition))
            .collect(),
    }
}

pub(super) fn failure(event: &Guard<rd::rd_kafka_event_t>) -> Failure {
    // SAFETY: the event is alive; its text is copied. The partition is ours and destroyed by its guard.
    unsafe {
        let text = rd::rd_kafka_event_error_string(event.0);
        let reason = if text.is_null() {
            String::new()
        } else {
            CStr::from_ptr(text).to_string_lossy().into_owned()
        };
        let place = rd::rd_kafka_event_topic_partition(event.0);
        let place = Guard::new(place, rd::rd_kafka_topic_partition_destroy);
        let at = place.0.as_ref().map(|place| {
            let topic = CStr::from_ptr(place.topic).to_string_lossy().into_owned();
            (topic, place.partition, place.offset)
        });
        Failure {
            code: rd::rd_kafka_event_error(event.0).into(),
            reason,
            fatal: rd::rd_kafka_event_error_is_fatal(event.0) != 0,
            at,
        }
    }
}
