//! Questions and orders to the cluster: topics, offsets, groups. All go through one client that stays, on threads that may
//! wait (see [`blocking`](crate::blocking)).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::client::Client;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::producer::{BaseProducer, Producer as _};
use rdkafka::topic_partition_list::Offset;
use tidegate_api::TopicPartition;
use tidegate_log::{ClientConfig, LogError, NewTopic, TopicCreation, TopicDescription};

use crate::blocking;
use crate::client_log::Reports;
use crate::errors;
use crate::native::{self, GroupOffsets, Refusal, TopicOrder};
use crate::settings::{self, CLIENT_ID, Kind, servers};

/// Java's `default.api.timeout.ms`.
const API_TIMEOUT: Duration = Duration::from_mins(1);
/// The first attempt at a question ends after this time, so that a refused login is noticed soon; each later one has
/// twice the time.
const FIRST_ATTEMPT: Duration = Duration::from_secs(1);
/// How often the client's thread looks whether it is needed any longer.
const POLL: Duration = Duration::from_secs(1);
/// Until a topic that was created is known to all brokers.
const PROPAGATION: Duration = Duration::from_secs(10);
const PROPAGATION_PAUSE: Duration = Duration::from_millis(20);

pub(crate) struct Admin {
    client: Arc<BaseProducer<Reports>>,
    reports: Reports,
    closed: Arc<AtomicBool>,
    pub(crate) servers: Arc<str>,
    timeout: Duration,
}

/// A member of a group as its coordinator describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) client_id: String,
    pub(crate) host: String,
    pub(crate) metadata: Vec<u8>,
    pub(crate) assignment: Vec<u8>,
}

/// A group as its coordinator describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) protocol_type: String,
    pub(crate) members: Vec<Member>,
}

impl Admin {
    pub(crate) fn open(config: &ClientConfig) -> Result<Self, LogError> {
        let native_config = settings::translate(config, config, Kind::Admin)?;
        let reports = Reports::new(config.get(CLIENT_ID).unwrap_or("admin"));
        let servers = servers(config);
        let client: BaseProducer<Reports> = native_config
            .create_with_context(reports.clone())
            .map_err(|error| errors::translate("open an admin client", &servers, &error, None))?;
        let (client, closed) = (Arc::new(client), Arc::new(AtomicBool::new(false)));
        let (polled, stop) = (Arc::clone(&client), Arc::clone(&closed));
        drop(blocking::start("kafka-admin", move || {
            while !stop.load(Ordering::Acquire) {
                polled.poll(POLL);
            }
        })?);
        let timeout = config
            .get("default.api.timeout.ms")
            .and_then(|text| text.trim().parse().ok())
            .map_or(API_TIMEOUT, Duration::from_millis);
        Ok(Self {
            client,
            reports,
            closed,
            servers,
            timeout,
        })
    }

    /// Gives an order once; what follows from a failure is the caller's business.
    async fn order<T: Send + 'static>(
        self: &Arc<Self>,
        order: impl FnOnce(&Client<Reports>, Duration) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<Result<T, Refusal>, LogError> {
        let this = Arc::clone(self);
        blocking::run(move || Ok(order(this.client.client(), this.timeout))).await
    }

    fn refusal(&self, doing: &str, refusal: &Refusal) -> LogError {
        match &refusal.reason {
            Some(reason) => self.code(&format!("{doing} ({reason})"), refusal.code),
            None => self.code(doing, refusal.code),
        }
    }

    fn error(&self, doing: &str, error: &KafkaError) -> LogError {
        let trouble = Some(&self.reports.trouble);
        errors::translate(doing, &self.servers, error, trouble)
    }

    pub(crate) fn code(&self, doing: &str, code: Code) -> LogError {
        let trouble = Some(&self.reports.trouble);
        errors::from_code(doing, &self.servers, code, trouble)
    }

    /// Asks until there is an answer or the time is over; a refusal ends it at once.
    async fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        doing: String,
        question: impl Fn(&Client<Reports>, Duration) -> Result<T, KafkaError> + Send + 'static,
    ) -> Result<T, LogError> {
        let this = Arc::clone(self);
        blocking::run(move || {
            let end = Instant::now() + this.timeout;
            let mut patience = FIRST_ATTEMPT;
            let ask_once = || {
                let left = end.saturating_duration_since(Instant::now());
                let attempt = patience.min(left);
                patience *= 2;
                let answer = question(this.client.client(), attempt);
                answer.map_err(|error| this.error(&doing, &error))
            };
            blocking::until_answered(end, ask_once, LogError::is_retriable)
        })
        .await
    }

    pub(crate) async fn cluster_id(self: &Arc<Self>) -> Result<String, LogError> {
        self.ask("ask for the cluster's id".to_owned(), |native, timeout| {
            // The id comes with metadata; asking for that gives the reason if there is none.
            native.fetch_metadata(Some("__consumer_offsets"), timeout)?;
            let id = native.fetch_cluster_id(timeout);
            id.ok_or(KafkaError::MetadataFetch(Code::OperationTimedOut))
        })
        .await
    }

    pub(crate) async fn create_topic(
        self: &Arc<Self>,
        topic: &NewTopic,
    ) -> Result<TopicCreation, LogError> {
        let doing = format!("create topic '{}'", topic.name);
        let new = topic.clone();
        let created = self.order(move |native, timeout| {
            let order = TopicOrder {
                name: &new.name,
                partitions: new.partitions.unwrap_or(-1),
                replication_factor: i32::from(new.replication_factor.unwrap_or(-1)),
                settings: &new.settings,
            };
            native::create_topic(native, &order, timeout)
        });
        match created.await? {
            Ok(()) => {}
            Err(refusal) if refusal.code == Code::TopicAlreadyExists => {
                return Ok(TopicCreation::Existed);
            }
            Err(refusal) => return Err(self.refusal(&doing, &refusal)),
        }
        let end = tokio::time::Instant::now() + PROPAGATION;
        while self.describe_topic(&topic.name).await?.is_none() && tokio::time::Instant::now() < end
        {
            tokio::time::sleep(PROPAGATION_PAUSE).await;
        }
        Ok(TopicCreation::Created)
    }

    pub(crate) async fn describe_topic(
        self: &Arc<Self>,
        topic: &str,
    ) -> Result<Option<TopicDescription>, LogError> {
        let name: Arc<str> = Arc::from(topic);
        self.ask(
            format!("describe topic '{topic}'"),
            move |native, timeout| {
                let metadata = native.fetch_metadata(Some(&name), timeout)?;
                let found = metadata
                    .topics()
                    .iter()
                    .find(|found| found.name() == &*name);
                let Some(found) = found else { return Ok(None) };
                match found.error().map(Code::from) {
                    None | Some(Code::LeaderNotAvailable) => {}
                    Some(
                        Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::InvalidTopic,
                    ) => {
                        return Ok(None);
                    }
                    Some(code) => return Err(KafkaError::MetadataFetch(code)),
                }
                let count = |length: usize| i32::try_from(length).unwrap_or(i32::MAX);
                let replicas = found.partitions().first().map_or(0, |p| p.replicas().len());
                Ok((!found.partitions().is_empty()).then(|| TopicDescription {
                    name: Arc::clone(&name),
                    partitions: count(found.partitions().len()),
                    replication_factor: i16::try_from(replicas).unwrap_or(i16::MAX),
                }))
            },
        )
        .await
    }

    pub(crate) async fn topic_settings(
        self: &Arc<Self>,
        topic: &str,
    ) -> Result<BTreeMap<String, String>, LogError> {
        // The broker's own answer does not say so.
        if self.describe_topic(topic).await?.is_none() {
            return Err(LogError::NotFound(format!(
                "topic '{topic}' does not exist on Kafka at {}",
                self.servers
            )));
        }
        let doing = format!("read the settings of topic '{topic}'");
        let name = topic.to_owned();
        let settings =
            self.order(move |native, timeout| native::topic_settings(native, &name, timeout));
        let settings = settings.await?;
        settings.map_err(|refusal| self.refusal(&doing, &refusal))
    }

    pub(crate) async fn topics(self: &Arc<Self>) -> Result<Vec<Arc<str>>, LogError> {
        self.ask("list topics".to_owned(), |native, timeout| {
            let metadata = native.fetch_metadata(None, timeout)?;
            let topics = metadata.topics().iter();
            Ok(topics.map(|topic| Arc::from(topic.name())).collect())
        })
        .await
    }

    pub(crate) async fn delete_topic(self: &Arc<Self>, topic: &str) -> Result<(), LogError> {
        let doing = format!("delete topic '{topic}'");
        let name = topic.to_owned();
        let deleted =
            self.order(move |native, timeout| native::delete_topic(native, &name, timeout));
        let deleted = deleted.await?;
        deleted.map_err(|refusal| self.refusal(&doing, &refusal))
    }

    pub(crate) async fn offsets(
        self: &Arc<Self>,
        partitions: &[TopicPartition],
    ) -> Result<HashMap<TopicPartition, (i64, i64)>, LogError> {
        if partitions.is_empty() {
            return Ok(HashMap::new());
        }
        let names: Vec<String> = partitions.iter().map(ToString::to_string).collect();
        let doing = format!("read the offsets of {}", names.join(", "));
        let partitions = partitions.to_vec();
        self.ask(doing, move |native, timeout| {
            bounds(&partitions, |list| {
                native::offsets_for_times(native, list, timeout)
            })
            .map_err(KafkaError::OffsetFetch)
        })
        .await
    }

    pub(crate) async fn group_offsets(
        self: &Arc<Self>,
        group: &str,
    ) -> Result<BTreeMap<TopicPartition, i64>, LogError> {
        let doing = format!("read the offsets of consumer group '{group}'");
        let group = group.to_owned();
        let offsets = self
            .ask(doing, move |native, timeout| {
                native::group_offsets(native, &group, &GroupOffsets::List, timeout)
                    .map_err(KafkaError::OffsetFetch)
            })
            .await?;
        Ok(offsets
            .into_iter()
            .filter_map(|(topic, partition, offset)| {
                let offset = offset.ok().filter(|offset| *offset >= 0)?;
                Some((TopicPartition::new(topic, partition), offset))
            })
            .collect())
    }

    pub(crate) async fn alter_group_offsets(
        self: &Arc<Self>,
        group: &str,
        offsets: &[(TopicPartition, Option<i64>)],
    ) -> Result<(), LogError> {
        let (mut set, mut delete) = (TopicPartitionList::new(), TopicPartitionList::new());
        for (partition, offset) in offsets {
            let (topic, partition) = (&*partition.topic, partition.partition);
            match offset {
                Some(offset) => set
                    .add_partition_offset(topic, partition, Offset::Offset(*offset))
                    .map_err(|error| self.error("set offsets", &error))?,
                None => drop(delete.add_partition(topic, partition)),
            }
        }
        let this = Arc::clone(self);
        let group = group.to_owned();
        blocking::run(move || {
            if set.count() > 0 {
                this.change_offsets(&group, &GroupOffsets::Alter(&set))?;
            }
            if delete.count() > 0 {
                this.change_offsets(&group, &GroupOffsets::Delete(&delete))?;
            }
            Ok(())
        })
        .await
    }

    fn change_offsets(&self, group: &str, action: &GroupOffsets<'_>) -> Result<(), LogError> {
        let doing = format!("change the offsets of consumer group '{group}'");
        let client = self.client.client();
        let results = native::group_offsets(client, group, action, self.timeout);
        let results = match results {
            // Deleting what is not there.
            Err(Code::GroupIdNotFound) if matches!(action, GroupOffsets::Delete(_)) => Vec::new(),
            other => other.map_err(|code| self.group_error(&doing, group, code))?,
        };
        for (topic, partition, result) in results {
            if let Err(code) = result {
                let doing = format!("{doing} at {topic}-{partition}");
                return Err(self.group_error(&doing, group, code));
            }
        }
        Ok(())
    }

    fn group_error(&self, doing: &str, group: &str, code: Code) -> LogError {
        match code {
            Code::NonEmptyGroup
            | Code::GroupSubscribedToTopic
            | Code::UnknownMemberId
            | Code::IllegalGeneration => LogError::Unavailable(format!(
                "could not {doing}: consumer group '{group}' has members: stop them first"
            )),
            code => self.code(doing, code),
        }
    }

    pub(crate) async fn delete_group(self: &Arc<Self>, group: &str) -> Result<(), LogError> {
        let doing = format!("delete consumer group '{group}'");
        let name = group.to_owned();
        let deleted =
            self.order(move |native, timeout| native::delete_group(native, &name, timeout));
        let deleted = deleted.await?;
        deleted.map_err(|refusal| self.group_error(&doing, group, refusal.code))
    }

    /// A group with its members; without any if there is no such group.
    pub(crate) async fn group(self: &Arc<Self>, group: &str) -> Result<Group, LogError> {
        let name = group.to_owned();
        self.ask(
            format!("describe group '{group}'"),
            move |native, timeout| describe(native, &name, timeout),
        )
        .await
    }

    /// As [`Self::group`], without another try. Blocks.
    pub(crate) fn group_now(&self, group: &str, timeout: Duration) -> Option<Group> {
        describe(self.client.client(), group, timeout).ok()
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Release);
    }
}

fn describe(native: &Client<Reports>, group: &str, timeout: Duration) -> Result<Group, KafkaError> {
    let list = native.fetch_group_list(Some(group), timeout)?;
    let found = list.groups().iter().find(|found| found.name() == group);
    Ok(found.map_or_else(Group::default, |found| Group {
        protocol_type: found.protocol_type().to_owned(),
        members: found
            .members()
            .iter()
            .map(|member| Member {
                client_id: member.client_id().to_owned(),
                host: member.client_host().trim_start_matches('/').to_owned(),
                metadata: member.metadata().unwrap_or_default().to_vec(),
                assignment: member.assignment().unwrap_or_default().to_vec(),
            })
            .collect(),
    }))
}

/// First and next offset of each partition; `lookup` replaces logical offsets by real ones.
pub(crate) fn bounds(
    partitions: &[TopicPartition],
    lookup: impl Fn(&TopicPartitionList) -> Result<(), Code>,
) -> Result<HashMap<TopicPartition, (i64, i64)>, Code> {
    let find = |offset: Offset| {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            list.add_partition_offset(&partition.topic, partition.partition, offset)
                .map_err(|_| Code::InvalidArgument)?;
        }
        lookup(&list)?;
        partitions
            .iter()
            .map(|partition| {
                let found = list.find_partition(&partition.topic, partition.partition);
                let found = found.ok_or(Code::UnknownPartition)?;
                if let Err(error) = found.error() {
                    return Err(error.rdkafka_error_code().unwrap_or(Code::Unknown));
                }
                match found.offset() {
                    Offset::Offset(offset) => Ok(offset),
                    _ => Err(Code::LeaderNotAvailable),
                }
            })
            .collect::<Result<Vec<_>, Code>>()
    };
    // The end first: records that come in between must not seem to lie before the beginning.
    let ends = find(Offset::End)?;
    let starts = find(Offset::Beginning)?;
    let bounds = starts.into_iter().zip(ends);
    let bounds = bounds.map(|(start, end)| (start, end.max(start)));
    Ok(partitions.iter().cloned().zip(bounds).collect())
}
