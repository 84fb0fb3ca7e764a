//! Whether a topic is there. All of this blocks.

use std::time::Duration;

use rdkafka::client::Client;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::producer::{BaseProducer, Producer as _};
use rdkafka::{ClientConfig as NativeConfig, ClientContext};
use tidegate_api::TopicPartition;

use crate::admin::bounds;
use crate::client_log::Reports;
use crate::errors::{is_unknown, is_without_leader};
use crate::native;

const TIMEOUT: Duration = Duration::from_secs(10);

/// How many partitions a topic has; `None` if it does not exist.
pub(crate) fn partitions<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    timeout: Duration,
) -> Result<Option<i32>, KafkaError> {
    let metadata = client.fetch_metadata(Some(topic), timeout)?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    let Some(found) = found else { return Ok(None) };
    match found.error().map(Code::from) {
        None | Some(Code::LeaderNotAvailable) => {}
        Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => return Ok(None),
        Some(code) => return Err(KafkaError::MetadataFetch(code)),
    }
    let count = i32::try_from(found.partitions().len()).unwrap_or(i32::MAX);
    Ok((count > 0).then_some(count))
}

/// Whether each partition has a broker that knows it. A topic that does not exist is asked for with a client of `creating`,
/// which makes it where clusters create topics by themselves.
pub(crate) fn ready<C: ClientContext>(
    client: &Client<C>,
    creating: &NativeConfig,
    topic: &str,
) -> Result<bool, KafkaError> {
    let Some(count) = partitions(client, topic, TIMEOUT)? else {
        let asking: BaseProducer<Reports> = creating.create_with_context(Reports::new("topics"))?;
        partitions(asking.client(), topic, TIMEOUT)?;
        return Ok(false);
    };
    let all: Vec<_> = (0..count)
        .map(|partition| TopicPartition::new(topic, partition))
        .collect();
    match bounds(&all, |list| {
        native::offsets_for_times(client, list, TIMEOUT)
    }) {
        Ok(_) => Ok(true),
        Err(code) if is_unknown(code) || is_without_leader(code) => Ok(false),
        Err(code) => Err(KafkaError::OffsetFetch(code)),
    }
}
