//! The calls of librdkafka that rdkafka does not wrap, or not as they are: a consumer's queue without a wrapper's cost per
//! message, a producer's flush that ends with the last report, offsets by time for any client, committed offsets of groups.
//!
//! This and its submodules are the crate's only modules with unsafe code. Their functions take only live objects of rdkafka's
//! or pointers that they made themselves, and free what librdkafka hands over exactly once, in `Drop`.
#![expect(unsafe_code, reason = "calls of a C library")]

mod orders;
mod queue;
mod reports;

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr;
use std::time::Duration;

use rdkafka::bindings as rd;
use rdkafka::client::Client;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{BaseProducer, NoCustomPartitioner, Producer as _, ProducerContext};
use rdkafka::{ClientContext, TopicPartitionList};
use tidegate_api::TimestampType;

pub(crate) use orders::{
    Refusal, TopicOrder, create_topic, delete_group, delete_topic, topic_settings,
};
pub(crate) use queue::{Event, Failure, Queue, Rebalance};
pub(crate) use reports::{Delivery, Report, ReportQueue, wake};

/// Makes a producer send what it has without lingering, and waits until all of it is stored or has failed and another
/// thread has served the reports. False if the time was too short.
pub(crate) fn flush<C: ProducerContext>(
    producer: &BaseProducer<C, NoCustomPartitioner>,
    timeout: Duration,
) -> bool {
    // SAFETY: the producer lives during the call.
    let result = unsafe { rd::rd_kafka_flush(producer.client().native_ptr(), millis(timeout)) };
    result == rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
}

/// Parts of a message that librdkafka owns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MessageRef<'a>(&'a rd::rd_kafka_message_t);

impl<'a> MessageRef<'a> {
    pub(crate) fn error(self) -> Option<RDKafkaErrorCode> {
        (self.0.err != rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR)
            .then(|| self.0.err.into())
    }

    /// Empty for an error that concerns no topic.
    pub(crate) fn topic(self) -> &'a str {
        if self.0.rkt.is_null() {
            return "";
        }
        // SAFETY: the topic's name lives as long as the message; it ends with a zero byte.
        let name = unsafe { CStr::from_ptr(rd::rd_kafka_topic_name(self.0.rkt)) };
        name.to_str().unwrap_or_default()
    }
    pub(crate) fn partition(self) -> i32 {
        self.0.partition
    }
    pub(crate) fn offset(self) -> i64 {
        self.0.offset
    }
    pub(crate) fn key(self) -> Option<&'a [u8]> {
        // SAFETY: the message says where its key is and how long.
        unsafe { slice(self.0.key, self.0.key_len) }
    }
    /// The value; the text of an error.
    pub(crate) fn payload(self) -> Option<&'a [u8]> {
        // SAFETY: the message says where its payload is and how long.
        unsafe { slice(self.0.payload, self.0.len) }
    }

    /// Milliseconds since 1970-01-01T00:00:00Z, and what they mean.
    pub(crate) fn timestamp(self) -> (Option<i64>, TimestampType) {
        let mut kind = rd::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: both pointers are valid for the call.
        let time = unsafe { rd::rd_kafka_message_timestamp(self.0, &raw mut kind) };
        match kind {
            rd::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_CREATE_TIME => {
                (Some(time), TimestampType::CreateTime)
            }
            rd::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME => {
                (Some(time), TimestampType::LogAppendTime)
            }
            rd::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE => {
                (None, TimestampType::NoTimestampType)
            }
        }
    }

    /// Calls `each` with name and value of every header, in order.
    pub(crate) fn headers(self, mut each: impl FnMut(&str, Option<&[u8]>)) {
        let mut headers = ptr::null_mut();
        // SAFETY: the headers stay the message's. The call parses them into it, for which C drops the `const`.
        let answer = unsafe { rd::rd_kafka_message_headers(self.0, &raw mut headers) };
        if answer != rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return;
        }
        for index in 0.. {
            let mut name: *const c_char = ptr::null();
            let mut value: *const c_void = ptr::null();
            let mut size = 0;
            // SAFETY: `headers` is valid; the answers live as long as the message.
            let found = unsafe {
                let (name, value) = (&raw mut name, &raw mut value);
                rd::rd_kafka_header_get_all(headers, index, name, value, &raw mut size)
            };
            if found != rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                return;
            }
            // SAFETY: a header's name ends with a zero byte, its value has `size` bytes.
            let (name, value) = unsafe { (CStr::from_ptr(name), slice(value, size)) };
            each(&name.to_string_lossy(), value);
        }
    }
}

/// # Safety
/// Unless null, `start` points at `length` bytes that live for 'a.
unsafe fn slice<'a>(start: *const c_void, length: usize) -> Option<&'a [u8]> {
    if start.is_null() {
        return None;
    }
    // SAFETY: as the caller promises.
    Some(unsafe { std::slice::from_raw_parts(start.cast::<u8>(), length) })
}

/// Replaces each "offset" of the list, which is a time or one of librdkafka's logical offsets, by the offset there.
pub(crate) fn offsets_for_times<C: ClientContext>(
    client: &Client<C>,
    list: &TopicPartitionList,
    timeout: Duration,
) -> Result<(), RDKafkaErrorCode> {
    // SAFETY: client and list are alive; the list is ours to change.
    let answer =
        unsafe { rd::rd_kafka_offsets_for_times(client.native_ptr(), list.ptr(), millis(timeout)) };
    match answer {
        rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
        error => Err(error.into()),
    }
}

/// Commits offsets of a consumer's group. Blocks, without needing anybody who polls the consumer.
pub(crate) fn commit<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    offsets: &TopicPartitionList,
    timeout: Duration,
) -> Result<(), RDKafkaErrorCode> {
    let rk = consumer.client().native_ptr();
    // SAFETY: client and list are alive during the call; queue and event are destroyed by their guards, the event first.
    unsafe {
        let queue = Guard::new(rd::rd_kafka_queue_new(rk), rd::rd_kafka_queue_destroy);
        let sent = rd::rd_kafka_commit_queue(rk, offsets.ptr(), queue.0, None, ptr::null_mut());
        if sent != rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Err(sent.into());
        }
        let event = rd::rd_kafka_queue_poll(queue.0, millis(timeout));
        if event.is_null() {
            return Err(RDKafkaErrorCode::OperationTimedOut);
        }
        let event = Guard::new(event, rd::rd_kafka_event_destroy);
        match rd::rd_kafka_event_error(event.0) {
            rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
            error => Err(error.into()),
        }
    }
}

/// What to do with a group's committed offsets.
#[derive(Debug)]
pub(crate) enum GroupOffsets<'a> {
    List,
    Alter(&'a TopicPartitionList),
    Delete(&'a TopicPartitionList),
}

/// A committed offset or the partition's error.
pub(crate) type PartitionOffset = (String, i32, Result<i64, RDKafkaErrorCode>);

/// Lists or changes committed offsets of a group. Blocks.
pub(crate) fn group_offsets<C: ClientContext>(
    client: &Client<C>,
    group: &str,
    action: &GroupOffsets<'_>,
    timeout: Duration,
) -> Result<Vec<PartitionOffset>, RDKafkaErrorCode> {
    let group = CString::new(group).map_err(|_| RDKafkaErrorCode::InvalidGroupId)?;
    let operation = match action {
        GroupOffsets::List => rd::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS,
        GroupOffsets::Alter(_) => {
            rd::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_ALTERCONSUMERGROUPOFFSETS
        }
        GroupOffsets::Delete(_) => {
            rd::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DELETECONSUMERGROUPOFFSETS
        }
    };
    // SAFETY: group and list live during the calls. Requests are destroyed right after the call, which copies them.
    let answer = orders::answer(client, operation, timeout, |rk, options, queue| unsafe {
        match action {
            GroupOffsets::List => {
                let mut request =
                    rd::rd_kafka_ListConsumerGroupOffsets_new(group.as_ptr(), ptr::null());
                rd::rd_kafka_ListConsumerGroupOffsets(rk, &raw mut request, 1, options, queue);
                rd::rd_kafka_ListConsumerGroupOffsets_destroy(request);
            }
            GroupOffsets::Alter(list) => {
                let mut request =
                    rd::rd_kafka_AlterConsumerGroupOffsets_new(group.as_ptr(), list.ptr());
                rd::rd_kafka_AlterConsumerGroupOffsets(rk, &raw mut request, 1, options, queue);
                rd::rd_kafka_AlterConsumerGroupOffsets_destroy(request);
            }
            GroupOffsets::Delete(list) => {
                let mut request =
                    rd::rd_kafka_DeleteConsumerGroupOffsets_new(group.as_ptr(), list.ptr());
                rd::rd_kafka_DeleteConsumerGroupOffsets(rk, &raw mut request, 1, options, queue);
                rd::rd_kafka_DeleteConsumerGroupOffsets_destroy(request);
            }
        }
    });
    let event = answer.map_err(|refusal| refusal.code)?.0;
    // SAFETY: the answer is one to this request. The lists of results live as long as it and are copied before its end.
    unsafe {
        let mut count = 0;
        let groups = match action {
            GroupOffsets::List => rd::rd_kafka_ListConsumerGroupOffsets_result_groups(
                rd::rd_kafka_event_ListConsumerGroupOffsets_result(event.0),
                &raw mut count,
            ),
            GroupOffsets::Alter(_) => rd::rd_kafka_AlterConsumerGroupOffsets_result_groups(
                rd::rd_kafka_event_AlterConsumerGroupOffsets_result(event.0),
                &raw mut count,
            ),
            GroupOffsets::Delete(_) => rd::rd_kafka_DeleteConsumerGroupOffsets_result_groups(
                rd::rd_kafka_event_DeleteConsumerGroupOffsets_result(event.0),
                &raw mut count,
            ),
        };
        if groups.is_null() || count == 0 {
            return Ok(Vec::new());
        }
        let result = *groups;
        let error = rd::rd_kafka_group_result_error(result);
        if !error.is_null() {
            return Err(rd::rd_kafka_error_code(error).into());
        }
        Ok(partition_offsets(rd::rd_kafka_group_result_partitions(
            result,
        )))
    }
}

/// # Safety
/// `list` is null or a valid list.
unsafe fn partition_offsets(
    list: *const rd::rd_kafka_topic_partition_list_t,
) -> Vec<PartitionOffset> {
    if list.is_null() {
        return Vec::new();
    }
    // SAFETY: a list has `cnt` elements, each with a topic name that ends with a zero byte.
    unsafe {
        let count = usize::try_from((*list).cnt).unwrap_or(0);
        if count == 0 {
            return Vec::new();
        }
        let elements = std::slice::from_raw_parts((*list).elems, count);
        elements
            .iter()
            .map(|element| {
                let topic = CStr::from_ptr(element.topic).to_string_lossy().into_owned();
                let offset = match element.err {
                    rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(element.offset),
                    error => Err(error.into()),
                };
                (topic, element.partition, offset)
            })
            .collect()
    }
}

/// Destroys an object of librdkafka's at the end of its scope.
struct Guard<T>(*mut T, unsafe extern "C" fn(*mut T));

impl<T> Guard<T> {
    fn new(object: *mut T, destroy: unsafe extern "C" fn(*mut T)) -> Self {
        Self(object, destroy)
    }
}

impl<T> Drop for Guard<T> {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: the object was handed over to us, and `1` is its destructor.
            unsafe { (self.1)(self.0) }
        }
    }
}

fn millis(timeout: Duration) -> c_int {
    c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX)
}
