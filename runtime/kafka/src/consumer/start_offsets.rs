//! Where a member begins to read a partition, and moves to. All of this blocks.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::topic_partition_list::Offset;
use tidegate_api::TopicPartition;
use tidegate_log::LogError;
use tracing::{debug, warn};

use super::REQUEST_TIMEOUT;
use super::client::{Client, list};
use crate::admin::bounds;
use crate::blocking;
use crate::errors::{is_unknown, is_without_leader};
use crate::native;

/// A partition that was just assigned cannot be moved yet.
const SEEK_ATTEMPTS: u32 = 200;
const SEEK_PAUSE: Duration = Duration::from_millis(10);

/// Where a partition without a committed offset starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reset {
    Earliest,
    Latest,
    Error,
}

/// Finds where to start and takes the partitions.
pub(super) fn take_over(
    client: &Client,
    group: &str,
    partitions: &[TopicPartition],
    reset: Reset,
) -> Result<Vec<(TopicPartition, i64)>, LogError> {
    let starts = if partitions.is_empty() {
        Vec::new()
    } else {
        starts(client, group, partitions, reset)?
    };
    let mut assignment = TopicPartitionList::with_capacity(starts.len());
    for (partition, offset) in &starts {
        let offset = Offset::Offset(*offset);
        assignment
            .add_partition_offset(&partition.topic, partition.partition, offset)
            .map_err(|error| client.error("take partitions", &error))?;
    }
    client.assign(&assignment)?;
    Ok(starts)
}

/// Committed offsets, or where there is none or the partition no longer reaches there, what `auto.offset.reset` says.
fn starts(
    client: &Client,
    group: &str,
    partitions: &[TopicPartition],
    reset: Reset,
) -> Result<Vec<(TopicPartition, i64)>, LogError> {
    let doing = format!("read the committed offsets of group '{group}'");
    let committed = client
        .native
        .committed_offsets(list(partitions), REQUEST_TIMEOUT)
        .map_err(|error| client.error(&doing, &error))?;
    let mut found = HashMap::new();
    for element in committed.elements() {
        element
            .error()
            .map_err(|error| client.error(&doing, &error))?;
        if let Offset::Offset(offset) = element.offset() {
            found.insert((element.topic().to_owned(), element.partition()), offset);
        }
    }
    let bounds = readable(client, partitions)?;
    let start = |partition: &TopicPartition| {
        let committed = found.get(&(partition.topic.to_string(), partition.partition));
        let Some((first, next)) = bounds.get(partition).copied() else {
            return Ok(committed.copied().unwrap_or(0));
        };
        match (committed, reset) {
            (Some(offset), _) if (first..=next).contains(offset) => Ok(*offset),
            (_, Reset::Earliest) => Ok(first),
            (_, Reset::Latest) => Ok(next),
            (_, Reset::Error) => Err(LogError::Invalid(format!(
                "group '{group}' has no committed offset for {partition}, and auto.offset.reset=none"
            ))),
        }
    };
    let starts = partitions.iter().map(|partition| {
        let start = start(partition)?;
        if let Some(lost) = found
            .get(&(partition.topic.to_string(), partition.partition))
            .filter(|committed| **committed != start)
        {
            warn!("the committed offset {lost} of {partition} in group '{group}' does not exist; reading starts at {start} (auto.offset.reset)");
        }
        Ok((partition.clone(), start))
    });
    starts.collect()
}

/// First and next offset of each partition whose broker knows it: one of a new topic may not know it yet, one of a topic that
/// was deleted no longer does.
fn readable(
    client: &Client,
    partitions: &[TopicPartition],
) -> Result<HashMap<TopicPartition, (i64, i64)>, LogError> {
    let end = Instant::now() + REQUEST_TIMEOUT;
    let of = |partitions: &[TopicPartition]| {
        let ask_once = || {
            bounds(partitions, |list| {
                native::offsets_for_times(client.native.client(), list, REQUEST_TIMEOUT)
            })
        };
        // As the Java client does.
        blocking::until_answered(end, ask_once, |code| is_without_leader(*code))
    };
    let error = |partitions: &[TopicPartition], code| {
        let names: Vec<String> = partitions.iter().map(ToString::to_string).collect();
        client.code(&format!("read the offsets of {}", names.join(", ")), code)
    };
    match of(partitions) {
        Ok(bounds) => return Ok(bounds),
        Err(code) if !is_unknown(code) => return Err(error(partitions, code)),
        Err(_) => {}
    }
    let mut known = HashMap::new();
    for partition in partitions {
        let one = std::slice::from_ref(partition);
        match of(one) {
            Ok(bounds) => known.extend(bounds),
            Err(code) if is_unknown(code) => debug!("no broker knows {partition}"),
            Err(code) => return Err(error(one, code)),
        }
    }
    Ok(known)
}

/// Moves a partition.
pub(super) fn seek(
    client: &Client,
    partition: &TopicPartition,
    offset: i64,
) -> Result<(), LogError> {
    let doing = format!("continue {partition} at offset {offset}");
    let mut attempt = 0;
    loop {
        let mut place = TopicPartitionList::new();
        place
            .add_partition_offset(
                &partition.topic,
                partition.partition,
                Offset::Offset(offset),
            )
            .map_err(|error| client.error(&doing, &error))?;
        let moved = client
            .native
            .seek_partitions(place, REQUEST_TIMEOUT)
            .and_then(|place| place.elements()[0].error());
        let error = match moved {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        attempt += 1;
        if error.rdkafka_error_code() != Some(Code::State) || attempt == SEEK_ATTEMPTS {
            return Err(client.error(&doing, &error));
        }
        std::thread::park_timeout(SEEK_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::mocking::MockCluster;
    use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
    use tidegate_log::ClientConfig;

    use super::*;
    use crate::settings::Kind;

    /// The broker of a new topic may not know it yet when the group has already given its partitions.
    #[test]
    fn a_partition_that_no_broker_knows_yet_is_taken_from_its_beginning() {
        let cluster = MockCluster::new(1).expect("a cluster");
        cluster.create_topic("t", 2, 1).expect("a topic");
        let config = ClientConfig::default()
            .with("bootstrap.servers", cluster.bootstrap_servers())
            .with("group.id", "g");
        let client =
            Client::open(&config, &ClientConfig::default(), Kind::Consumer).expect("a client");
        let partitions = [0, 1].map(|number| TopicPartition::new("t", number));
        let unknown = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
        cluster.request_errors(RDKafkaApiKey::ListOffsets, &[unknown; 20]);
        let taken = take_over(&client, "g", &partitions, Reset::Earliest).expect("taken");
        assert_eq!(taken, partitions.map(|partition| (partition, 0)));
    }
}
