//! Orders to the cluster through a client that is there anyway. rdkafka's admin client is one of its own for each order,
//! whose end blocks for up to a tenth of a second. All of these calls block.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_int};
use std::ptr;
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::bindings as rd;
use rdkafka::client::Client;
use rdkafka::error::RDKafkaErrorCode;

use super::{Guard, millis};

type Operation = rd::rd_kafka_admin_op_t;

/// A broker's refusal, with its explanation if it gives one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: RDKafkaErrorCode,
    pub(crate) reason: Option<String>,
}

impl From<RDKafkaErrorCode> for Refusal {
    fn from(code: RDKafkaErrorCode) -> Self {
        Self { code, reason: None }
    }
}

/// A topic to create; -1 leaves the broker's default.
#[derive(Debug)]
pub(crate) struct TopicOrder<'a> {
    pub(crate) name: &'a str,
    pub(crate) partitions: i32,
    pub(crate) replication_factor: i32,
    pub(crate) settings: &'a BTreeMap<String, String>,
}

/// Sends a request and waits for its answer.
pub(super) fn answer<C: ClientContext>(
    client: &Client<C>,
    operation: Operation,
    timeout: Duration,
    send: impl FnOnce(
        *mut rd::rd_kafka_t,
        *const rd::rd_kafka_AdminOptions_t,
        *mut rd::rd_kafka_queue_t,
    ),
) -> Result<Answer, Refusal> {
    let rk = client.native_ptr();
    // SAFETY: the client is alive during all of this. Queue and options are destroyed by their guards, in the order that
    // librdkafka wants (the reverse of creation); the answer stays alive without them.
    unsafe {
        let queue = Guard::new(rd::rd_kafka_queue_new(rk), rd::rd_kafka_queue_destroy);
        let options = Guard::new(
            rd::rd_kafka_AdminOptions_new(rk, operation),
            rd::rd_kafka_AdminOptions_destroy,
        );
        let mut text = [0; 128];
        let set = rd::rd_kafka_AdminOptions_set_request_timeout(
            options.0,
            millis(timeout),
            text.as_mut_ptr(),
            text.len(),
        );
        check(set)?;
        send(rk, options.0, queue.0);
        let event = rd::rd_kafka_queue_poll(queue.0, millis(timeout));
        if event.is_null() {
            return Err(RDKafkaErrorCode::OperationTimedOut.into());
        }
        let event = Guard::new(event, rd::rd_kafka_event_destroy);
        match rd::rd_kafka_event_error(event.0) {
            rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(Answer(event)),
            error => Err(Refusal {
                code: error.into(),
                reason: text_of(rd::rd_kafka_event_error_string(event.0)),
            }),
        }
    }
}

/// The answer to a request.
pub(super) struct Answer(pub(super) Guard<rd::rd_kafka_event_t>);

pub(crate) fn create_topic<C: ClientContext>(
    client: &Client<C>,
    order: &TopicOrder<'_>,
    timeout: Duration,
) -> Result<(), Refusal> {
    let name = c_text(order.name)?;
    let mut text = [0; 256];
    // SAFETY: all texts live during the call, which copies them; the new topic is destroyed by its guard.
    let topic = unsafe {
        let topic = rd::rd_kafka_NewTopic_new(
            name.as_ptr(),
            c_int::from(order.partitions),
            c_int::from(order.replication_factor),
            text.as_mut_ptr(),
            text.len(),
        );
        if topic.is_null() {
            return Err(Refusal {
                code: RDKafkaErrorCode::InvalidArgument,
                reason: text_of(text.as_ptr()),
            });
        }
        Guard::new(topic, rd::rd_kafka_NewTopic_destroy)
    };
    for (name, value) in order.settings {
        let (name, value) = (c_text(name)?, c_text(value)?);
        // SAFETY: topic and texts are alive; the call copies the texts.
        check(unsafe { rd::rd_kafka_NewTopic_set_config(topic.0, name.as_ptr(), value.as_ptr()) })?;
    }
    let mut topic = topic.0;
    let answer = answer(
        client,
        Operation::RD_KAFKA_ADMIN_OP_CREATETOPICS,
        timeout,
        // SAFETY: as `answer` says; the topic is alive and copied.
        |rk, options, queue| unsafe {
            rd::rd_kafka_CreateTopics(rk, &raw mut topic, 1, options, queue);
        },
    )?;
    // SAFETY: the answer is one to this request, and alive while its topics are looked at.
    unsafe {
        let result = rd::rd_kafka_event_CreateTopics_result(answer.0.0);
        let mut count = 0;
        topic_result(
            rd::rd_kafka_CreateTopics_result_topics(result, &raw mut count),
            count,
        )
    }
}

pub(crate) fn delete_topic<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    timeout: Duration,
) -> Result<(), Refusal> {
    let name = c_text(topic)?;
    // SAFETY: as in `create_topic`.
    unsafe {
        let topic = Guard::new(
            rd::rd_kafka_DeleteTopic_new(name.as_ptr()),
            rd::rd_kafka_DeleteTopic_destroy,
        );
        let mut request = topic.0;
        let answer = answer(
            client,
            Operation::RD_KAFKA_ADMIN_OP_DELETETOPICS,
            timeout,
            |rk, options, queue| {
                rd::rd_kafka_DeleteTopics(rk, &raw mut request, 1, options, queue);
            },
        )?;
        let result = rd::rd_kafka_event_DeleteTopics_result(answer.0.0);
        let mut count = 0;
        topic_result(
            rd::rd_kafka_DeleteTopics_result_topics(result, &raw mut count),
            count,
        )
    }
}

pub(crate) fn delete_group<C: ClientContext>(
    client: &Client<C>,
    group: &str,
    timeout: Duration,
) -> Result<(), Refusal> {
    let name = c_text(group)?;
    // SAFETY: as in `create_topic`.
    unsafe {
        let group = Guard::new(
            rd::rd_kafka_DeleteGroup_new(name.as_ptr()),
            rd::rd_kafka_DeleteGroup_destroy,
        );
        let mut request = group.0;
        let answer = answer(
            client,
            Operation::RD_KAFKA_ADMIN_OP_DELETEGROUPS,
            timeout,
            |rk, options, queue| {
                rd::rd_kafka_DeleteGroups(rk, &raw mut request, 1, options, queue);
            },
        )?;
        let result = rd::rd_kafka_event_DeleteGroups_result(answer.0.0);
        let mut count = 0;
        let groups = rd::rd_kafka_DeleteGroups_result_groups(result, &raw mut count);
        if groups.is_null() || count == 0 {
            return Err(RDKafkaErrorCode::Unknown.into());
        }
        let error = rd::rd_kafka_group_result_error(*groups);
        if error.is_null() {
            return Ok(());
        }
        Err(Refusal {
            code: rd::rd_kafka_error_code(error).into(),
            reason: text_of(rd::rd_kafka_error_string(error)),
        })
    }
}

/// Settings of a topic that have a value, defaults included.
pub(crate) fn topic_settings<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    timeout: Duration,
) -> Result<BTreeMap<String, String>, Refusal> {
    let name = c_text(topic)?;
    // SAFETY: as in `create_topic`. An entry's texts are the answer's; they are copied.
    unsafe {
        let resource = Guard::new(
            rd::rd_kafka_ConfigResource_new(
                rd::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC,
                name.as_ptr(),
            ),
            rd::rd_kafka_ConfigResource_destroy,
        );
        let mut request = resource.0;
        let answer = answer(
            client,
            Operation::RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS,
            timeout,
            |rk, options, queue| {
                rd::rd_kafka_DescribeConfigs(rk, &raw mut request, 1, options, queue);
            },
        )?;
        let result = rd::rd_kafka_event_DescribeConfigs_result(answer.0.0);
        let mut count = 0;
        let resources = rd::rd_kafka_DescribeConfigs_result_resources(result, &raw mut count);
        if resources.is_null() || count == 0 {
            return Err(RDKafkaErrorCode::Unknown.into());
        }
        let resource = *resources;
        let error = rd::rd_kafka_ConfigResource_error(resource);
        if error != rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Err(Refusal {
                code: error.into(),
                reason: text_of(rd::rd_kafka_ConfigResource_error_string(resource)),
            });
        }
        let mut count = 0;
        let entries = rd::rd_kafka_ConfigResource_configs(resource, &raw mut count);
        if entries.is_null() {
            return Ok(BTreeMap::new());
        }
        let entries = std::slice::from_raw_parts(entries, count).iter();
        Ok(entries
            .filter_map(|entry| {
                let name = text_of(rd::rd_kafka_ConfigEntry_name(*entry))?;
                Some((name, text_of(rd::rd_kafka_ConfigEntry_value(*entry))?))
            })
            .collect())
    }
}

/// # Safety
/// `topics` is null or has `count` valid elements.
unsafe fn topic_result(
    topics: *mut *const rd::rd_kafka_topic_result_t,
    count: usize,
) -> Result<(), Refusal> {
    if topics.is_null() || count == 0 {
        return Err(RDKafkaErrorCode::Unknown.into());
    }
    // SAFETY: as the caller promises.
    unsafe {
        let topic = *topics;
        match rd::rd_kafka_topic_result_error(topic) {
            rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
            error => Err(Refusal {
                code: error.into(),
                reason: text_of(rd::rd_kafka_topic_result_error_string(topic)),
            }),
        }
    }
}

fn check(error: rd::rd_kafka_resp_err_t) -> Result<(), Refusal> {
    match error {
        rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
        error => Err(RDKafkaErrorCode::from(error).into()),
    }
}

/// A text for a C function, which ends with a zero byte and has no other.
fn c_text(text: &str) -> Result<CString, Refusal> {
    CString::new(text).map_err(|_| RDKafkaErrorCode::InvalidArgument.into())
}

/// # Safety
/// `text` is null or ends with a zero byte.
unsafe fn text_of(text: *const std::ffi::c_char) -> Option<String> {
    if ptr::eq(text, ptr::null()) {
        return None;
    }
    // SAFETY: as the caller promises.
    let text = unsafe { CStr::from_ptr(text) };
    Some(text.to_string_lossy().into_owned())
}
