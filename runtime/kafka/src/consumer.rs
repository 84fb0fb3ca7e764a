//! Members of consumer groups.
//!
//! A member's records, rebalances and errors come out of one queue of librdkafka's, in order. There is no thread and no
//! channel between that queue and whoever polls: librdkafka calls back when the queue is no longer empty, which wakes the
//! poller, and `poll` takes what is there. So a record is on its way to the sink as soon as it has arrived, nothing is
//! fetched ahead beyond librdkafka's own bounded queue, `pause` and `seek` hold at once, and `max.poll.interval.ms` measures
//! what it measures in Java: the time between two polls.
//!
//! A rebalance stays with librdkafka until it is answered by an assign or unassign, from any thread. New partitions are
//! assigned after their start offsets were looked up; revoked ones after their owner has dropped `done`. Both happen on
//! threads of their own, as steps that survive a dropped `poll`. While a step is under way the queue is left alone: records
//! of revoked partitions that lie in it become void with the unassign.

mod client;
mod start_offsets;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::topic_partition_list::Offset;
use tidegate_api::TopicPartition;
use tidegate_log::{ClientConfig, ConsumedRecord, Consumer, ConsumerEvent, LogError, Subscription};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::{debug, info, warn};

pub(crate) use self::client::{Client, list};
use self::start_offsets::{Reset, seek, take_over};
use crate::blocking;
use crate::errors;
use crate::native::{self, Event, Failure, Rebalance};
use crate::records::Records;
use crate::settings::{self, GROUP_ID, Kind, MAX_POLL_RECORDS};
use crate::subscription::Topics;

/// Java's default of `max.poll.records`.
const DEFAULT_MAX_POLL_RECORDS: usize = 500;
/// One attempt at a question to the broker.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// What a member does before it goes on with its queue.
enum Step {
    /// Waits for the owner, then gives partitions back.
    Leaving(BoxFuture<'static, Result<(), LogError>>),
    /// Looks up where to start, then takes the partitions.
    Coming(
        Vec<TopicPartition>,
        BoxFuture<'static, Result<Vec<(TopicPartition, i64)>, LogError>>,
    ),
}

/// What was taken from the queue behind records that had to go first.
enum Next {
    Rebalance(Rebalance),
    Failure(Failure),
}

pub(crate) struct KafkaConsumer {
    /// Taken at the end only.
    client: Option<Arc<Client>>,
    group: Arc<str>,
    reset: Reset,
    max_records: usize,
    records: Records,
    topics: Topics,
    listing: Option<BoxFuture<'static, Result<Vec<Arc<str>>, LogError>>>,
    step: Option<Step>,
    next: Option<Next>,
    /// Whether it has been a member already.
    joined: bool,
}

impl fmt::Debug for KafkaConsumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KafkaConsumer({})", self.group)
    }
}

impl KafkaConsumer {
    /// `config` is complete; `base` names the settings that are the worker's.
    pub(crate) async fn open(
        config: &ClientConfig,
        base: &ClientConfig,
        subscription: Subscription,
    ) -> Result<Self, LogError> {
        let group = config
            .get(GROUP_ID)
            .ok_or_else(|| settings::invalid(GROUP_ID, "is missing; a consumer needs one"))?;
        let max_records = match config.get(MAX_POLL_RECORDS) {
            None => DEFAULT_MAX_POLL_RECORDS,
            Some(text) => text
                .trim()
                .parse()
                .ok()
                .filter(|count| *count > 0)
                .ok_or_else(|| settings::invalid(MAX_POLL_RECORDS, "is no positive number"))?,
        };
        let reset = config.get("auto.offset.reset").unwrap_or_default();
        let topics = Topics::new(subscription, config)?;
        let client = Arc::new(Client::open(config, base, Kind::Consumer)?);
        let mut consumer = Self {
            client: Some(client),
            group: Arc::from(group),
            reset: match reset.trim().to_ascii_lowercase().as_str() {
                "latest" => Reset::Latest,
                "none" => Reset::Error,
                _ => Reset::Earliest,
            },
            max_records,
            records: Records::default(),
            topics,
            listing: None,
            step: None,
            next: None,
            joined: false,
        };
        consumer.subscribe().await?;
        Ok(consumer)
    }

    pub(crate) fn client(&self) -> &Arc<Client> {
        self.client.as_ref().expect("taken at the end only")
    }

    async fn subscribe(&mut self) -> Result<(), LogError> {
        let names = self.topics.names().to_vec();
        if names.is_empty() {
            return Ok(());
        }
        let (client, group) = (Arc::clone(self.client()), Arc::clone(&self.group));
        blocking::run(move || {
            let names: Vec<&str> = names.iter().map(|name| &**name).collect();
            let doing = || format!("subscribe to {} in group '{group}'", names.join(", "));
            let subscribed = client.native.subscribe(&names);
            subscribed.map_err(|error| client.error(&doing(), &error))
        })
        .await
    }

    /// Ends the step that is under way, if there is one.
    async fn finish_step(&mut self) -> Result<Option<ConsumerEvent>, LogError> {
        match &mut self.step {
            None => Ok(None),
            Some(Step::Leaving(work)) => {
                let result = work.await;
                self.step = None;
                result.map(|()| None)
            }
            Some(Step::Coming(partitions, work)) => match work.await {
                Ok(assigned) => {
                    self.step = None;
                    self.joined = true;
                    Ok((!assigned.is_empty()).then_some(ConsumerEvent::Assigned(assigned)))
                }
                Err(error) => {
                    // The group waits for an answer; the next poll tries again.
                    let partitions = std::mem::take(partitions);
                    self.come(partitions);
                    Err(error)
                }
            },
        }
    }

    fn come(&mut self, partitions: Vec<TopicPartition>) {
        let (client, group) = (Arc::clone(self.client()), Arc::clone(&self.group));
        let (wanted, reset) = (partitions.clone(), self.reset);
        let work = blocking::run(move || take_over(&client, &group, &wanted, reset)).boxed();
        self.step = Some(Step::Coming(partitions, work));
    }

    /// Takes records until there are enough or something else is next.
    fn take_records(&mut self) -> Vec<ConsumedRecord> {
        let mut taken = Vec::new();
        let queue = &self.client.as_ref().expect("taken at the end only").queue;
        while taken.len() < self.max_records {
            match queue.next() {
                None => break,
                Some(Event::Message(message)) => {
                    let message = message.as_ref();
                    if message.error().is_none() {
                        let (record, _size) = self.records.record(message);
                        taken.push(record);
                    }
                }
                Some(Event::Rebalance(rebalance)) => {
                    self.next = Some(Next::Rebalance(rebalance));
                    break;
                }
                Some(Event::Failure(failure)) => {
                    self.next = Some(Next::Failure(failure));
                    break;
                }
                Some(Event::Other) => {}
            }
        }
        taken
    }

    fn rebalance(&mut self, rebalance: Rebalance) -> Option<ConsumerEvent> {
        let names = rebalance.partitions.iter();
        let partitions: Vec<_> = names
            .map(|(topic, partition)| TopicPartition::new(self.records.topic(topic), *partition))
            .collect();
        if rebalance.assigns {
            self.come(partitions);
            return None;
        }
        let (done, finished) = oneshot::channel::<()>();
        let lost = self.client().native.assignment_lost();
        let (client, gone) = (Arc::clone(self.client()), partitions.clone());
        let leave = async move {
            if !lost {
                // Sent or dropped, it means the same.
                drop(finished.await);
            }
            blocking::run(move || client.unassign(&gone)).await
        };
        self.step = Some(Step::Leaving(leave.boxed()));
        if partitions.is_empty() {
            None
        } else if lost {
            Some(ConsumerEvent::Lost(partitions))
        } else {
            Some(ConsumerEvent::Revoked { partitions, done })
        }
    }

    /// Decides what an error of the client means for its user. Most pass: librdkafka goes on by itself.
    fn failure(&self, failure: &Failure) -> Result<(), LogError> {
        let group = &self.group;
        let doing = match &failure.at {
            Some((topic, partition, _)) if *partition >= 0 => {
                format!("read {topic}-{partition} in group '{group}'")
            }
            _ => format!("read in group '{group}'"),
        };
        let error = || {
            let error = self.client().code(&doing, failure.code);
            with_reason(error, &failure.reason)
        };
        match failure.code {
            _ if failure.fatal => Err(match error() {
                fenced @ LogError::Fenced(_) => fenced,
                other => LogError::Fatal(other.to_string()),
            }),
            Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::InvalidGroupId
            | Code::InvalidSessionTimeout => Err(error()),
            // librdkafka says so once, and reads that partition no further.
            Code::AutoOffsetReset => Err(LogError::Invalid(format!(
                "could not {doing}: the offset there is gone, and auto.offset.reset=none; {}. Set the group's offset, or another auto.offset.reset",
                failure.reason
            ))),
            Code::InconsistentGroupProtocol => Err(LogError::Occupied(format!(
                "group '{group}' on Kafka at {} has members of another kind or with other assignors: {}",
                self.client().servers,
                failure.reason
            ))),
            // A broker that starts may refuse what it accepts a moment later; before the first time it is a mistake.
            code if errors::is_refusal(code, &failure.reason) && !self.joined => Err(error()),
            Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition => {
                debug!(group = &**group, "{}", failure.reason);
                Ok(())
            }
            Code::PollExceeded => {
                warn!(
                    group = &**group,
                    "{}: the group has taken this member's partitions. Lower max.poll.records or raise max.poll.interval.ms (with the prefix consumer. or consumer.override.)",
                    failure.reason
                );
                Ok(())
            }
            _ => {
                self.client().note(failure);
                Ok(())
            }
        }
    }

    /// Lists topics when that is due. Resolves when the subscription was looked at.
    async fn follow_topics(&mut self) -> Result<(), LogError> {
        if self.listing.is_none() {
            match self.topics.due {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
            let client = Arc::clone(self.client());
            let listing = blocking::run(move || {
                let metadata = client.native.fetch_metadata(None, REQUEST_TIMEOUT);
                let metadata = metadata.map_err(|error| client.error("list topics", &error))?;
                let topics = metadata.topics().iter();
                Ok(topics.map(|topic| Arc::from(topic.name())).collect())
            });
            self.listing = Some(listing.boxed());
        }
        let listed = match &mut self.listing {
            Some(listing) => listing.await,
            None => return Ok(()),
        };
        self.listing = None;
        match listed {
            Ok(existing) => {
                if self.topics.update(&existing)? {
                    let names = self.topics.names().join(", ");
                    info!(group = &*self.group, "topics that match: {names}");
                    self.subscribe().await?;
                }
            }
            Err(error) => {
                debug!(group = &*self.group, %error, "topics are looked at later");
                self.topics.not_now();
            }
        }
        Ok(())
    }
}

/// The text of an error, completed by what the client says.
fn with_reason(error: LogError, reason: &str) -> LogError {
    if reason.is_empty() || error.to_string().contains(reason) {
        return error;
    }
    let text = format!("{error}; {reason}");
    match error {
        LogError::Unavailable(_) => LogError::Unavailable(text),
        LogError::NotFound(_) => LogError::NotFound(text),
        LogError::AlreadyExists(_) => LogError::AlreadyExists(text),
        LogError::Unauthorized(_) => LogError::Unauthorized(text),
        LogError::Invalid(_) => LogError::Invalid(text),
        LogError::Fenced(_) => LogError::Fenced(text),
        LogError::Occupied(_) => LogError::Occupied(text),
        LogError::Full(_) => LogError::Full(text),
        LogError::Fatal(_) => LogError::Fatal(text),
    }
}

#[async_trait]
impl Consumer for KafkaConsumer {
    async fn poll(&mut self, timeout: Duration) -> Result<ConsumerEvent, LogError> {
        let deadline = Instant::now() + timeout;
        loop {
            match tokio::time::timeout_at(deadline, self.finish_step()).await {
                Err(_) => return Ok(ConsumerEvent::Idle),
                Ok(result) => {
                    if let Some(event) = result? {
                        return Ok(event);
                    }
                }
            }
            match self.next.take() {
                Some(Next::Rebalance(rebalance)) => {
                    if let Some(event) = self.rebalance(rebalance) {
                        return Ok(event);
                    }
                    continue;
                }
                Some(Next::Failure(failure)) => {
                    self.failure(&failure)?;
                    continue;
                }
                None => {}
            }
            let records = self.take_records();
            if !records.is_empty() {
                return Ok(ConsumerEvent::Records(records));
            }
            if self.next.is_some() {
                continue;
            }
            let ready = Arc::clone(&self.client().ready);
            tokio::select! {
                () = ready.notified() => {}
                result = self.follow_topics() => result?,
                () = tokio::time::sleep_until(deadline) => return Ok(ConsumerEvent::Idle),
            }
        }
    }

    fn commit(
        &mut self,
        offsets: Vec<(TopicPartition, i64)>,
    ) -> BoxFuture<'static, Result<(), LogError>> {
        let (client, group) = (Arc::clone(self.client()), Arc::clone(&self.group));
        blocking::run(move || {
            let doing = format!("commit offsets of group '{group}'");
            let mut list = TopicPartitionList::with_capacity(offsets.len());
            for (partition, offset) in &offsets {
                let offset = Offset::Offset(*offset);
                list.add_partition_offset(&partition.topic, partition.partition, offset)
                    .map_err(|error| client.error(&doing, &error))?;
            }
            native::commit(&client.native, &list, REQUEST_TIMEOUT)
                .map_err(|code| client.code(&doing, code))
        })
        .boxed()
    }

    async fn seek(&mut self, partition: &TopicPartition, offset: i64) -> Result<(), LogError> {
        let (client, partition) = (Arc::clone(self.client()), partition.clone());
        blocking::run(move || seek(&client, &partition, offset)).await
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        let paused = self.client().native.pause(&list(partitions));
        paused.map_err(|error| self.client().error("pause partitions", &error))
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        let resumed = self.client().native.resume(&list(partitions));
        resumed.map_err(|error| self.client().error("resume partitions", &error))
    }

    async fn close(mut self: Box<Self>) -> Result<(), LogError> {
        let Some(end) = self.end() else { return Ok(()) };
        blocking::run(move || {
            end();
            Ok(())
        })
        .await
    }
}

impl KafkaConsumer {
    /// What ends the client, blocking: it leaves the group.
    fn end(&mut self) -> Option<impl FnOnce() + Send + 'static> {
        let client = self.client.take()?;
        let coming = matches!(self.step, Some(Step::Coming(..)))
            || matches!(&self.next, Some(Next::Rebalance(next)) if next.assigns);
        let leaving = matches!(self.step, Some(Step::Leaving(_)))
            || matches!(&self.next, Some(Next::Rebalance(next)) if !next.assigns);
        self.step = None;
        self.listing = None;
        Some(move || {
            // A rebalance without an answer would keep the client from its end.
            let answered = if coming {
                client.assign(&TopicPartitionList::new())
            } else if leaving {
                client.unassign(&client.assignment())
            } else {
                Ok(())
            };
            if let Err(error) = answered {
                debug!(%error, "closing a consumer");
            }
            drop(client);
        })
    }
}

impl Drop for KafkaConsumer {
    fn drop(&mut self) {
        if let Some(end) = self.end() {
            // Without a thread it happens here and now.
            drop(blocking::start("kafka-close", end));
        }
    }
}
