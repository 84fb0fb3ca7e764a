//! Members of consumer groups, and readers outside of groups.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tidegate_api::TopicPartition;
use tidegate_log::{ClientConfig, ConsumedRecord, Consumer, ConsumerEvent, LogError, Reader};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use crate::core::Core;
use crate::fetch::Fetcher;
use crate::groups::TopicFilter;
use crate::store::GroupOffset;

/// Java's default of `max.poll.records`.
const MAX_POLL_RECORDS: usize = 500;

pub(crate) struct EmbeddedConsumer {
    core: Arc<Core>,
    group: Arc<str>,
    member: u64,
    fetcher: Fetcher,
    from_latest: bool,
    /// Partitions on their way out, until their owner has finished with them.
    leaving: Option<(Vec<TopicPartition>, oneshot::Receiver<()>)>,
    /// Partitions that are this member's but whose start is not known yet, with the ids of their topics.
    coming: Vec<(TopicPartition, i64)>,
    commits: watch::Receiver<u64>,
    changes: watch::Receiver<u64>,
}

impl EmbeddedConsumer {
    pub(crate) fn new(
        core: Arc<Core>,
        group: Arc<str>,
        subscription: TopicFilter,
        config: &ClientConfig,
    ) -> Result<Self, LogError> {
        let max_records = match config.get("max.poll.records") {
            None => MAX_POLL_RECORDS,
            Some(text) => text
                .parse()
                .map_err(|_| unsupported("max.poll.records", text))?,
        };
        let from_latest = match config.get("auto.offset.reset") {
            None | Some("earliest") => false,
            Some("latest") => true,
            Some(other) => return Err(unsupported("auto.offset.reset", other)),
        };
        let (commits, changes) = (core.commits.subscribe(), core.groups.changes());
        let member = core.groups.join(&group, subscription);
        Ok(Self {
            fetcher: Fetcher::new(Arc::clone(&core), max_records),
            from_latest,
            leaving: None,
            coming: Vec::new(),
            core,
            group,
            member,
            commits,
            changes,
        })
    }

    /// A change of the assignment that is due, if any. Cancel-safe: what the group has given waits in `coming`.
    async fn assignment_event(&mut self) -> Result<Option<ConsumerEvent>, LogError> {
        if self.leaving.is_some() {
            return Ok(None);
        }
        // What a member has to do changes only with its group and with the topics.
        if self.changes.has_changed().unwrap_or(true)
            && let Some(revoked) = self.next_step()?
        {
            return Ok(Some(revoked));
        }
        self.assign_coming().await
    }

    /// Asks the group what is to be given up, which comes first, and what may be taken, which waits in `coming`.
    fn next_step(&mut self) -> Result<Option<ConsumerEvent>, LogError> {
        // Marked as seen before looking, so that no change in between is missed.
        self.changes.mark_unchanged();
        let topics = &self.core.topics;
        let step = self.core.groups.step(&self.group, self.member, topics);
        // A pattern that cannot be matched is an error each time.
        let step = step.inspect_err(|_| self.changes.mark_changed())?;
        if !step.give_up.is_empty() {
            self.coming
                .retain(|(partition, _)| !step.give_up.contains(partition));
            for partition in &step.give_up {
                self.fetcher.leave(partition);
            }
            let (done, finished) = oneshot::channel();
            self.leaving = Some((step.give_up.clone(), finished));
            return Ok(Some(ConsumerEvent::Revoked {
                partitions: step.give_up,
                done,
            }));
        }
        self.coming.extend(step.take);
        Ok(None)
    }

    async fn assign_coming(&mut self) -> Result<Option<ConsumerEvent>, LogError> {
        if self.coming.is_empty() {
            return Ok(None);
        }
        let committed = self.core.group_offsets(&self.group).await?;
        let mut assigned = Vec::with_capacity(self.coming.len());
        for (partition, id) in std::mem::take(&mut self.coming) {
            let topic = self.core.topics.get(&partition.topic);
            let Some(topic) = topic.filter(|topic| topic.id == id) else {
                continue;
            };
            let Some(bounds) = topic.partition(partition.partition) else {
                continue;
            };
            let start = committed
                .get(&partition)
                .copied()
                .filter(|offset| (bounds.first()..=bounds.next()).contains(offset))
                .unwrap_or(if self.from_latest {
                    bounds.next()
                } else {
                    bounds.first()
                });
            self.fetcher.assign(partition.clone(), Some(id), start);
            assigned.push((partition, start));
        }
        Ok((!assigned.is_empty()).then_some(ConsumerEvent::Assigned(assigned)))
    }

    /// Waits for new records, a change of the group or a partition that is free to go.
    async fn wait(&mut self) {
        // A change of the group waits until the partitions have left.
        let is_settled = self.leaving.is_none();
        let left = async {
            match &mut self.leaving {
                Some((_, finished)) => drop(finished.await),
                None => std::future::pending().await,
            }
        };
        let gone = tokio::select! {
            () = left => true,
            _ = self.commits.changed() => false,
            _ = self.changes.changed(), if is_settled => {
                // Seen by whoever waits, not by the member yet.
                self.changes.mark_changed();
                false
            }
        };
        if gone && let Some((partitions, _)) = self.leaving.take() {
            for partition in &partitions {
                self.fetcher.unassign(partition);
            }
            self.core
                .groups
                .release(&self.group, self.member, &partitions);
        }
    }
}

#[async_trait]
impl Consumer for EmbeddedConsumer {
    async fn poll(&mut self, timeout: Duration) -> Result<ConsumerEvent, LogError> {
        let deadline = Instant::now() + timeout;
        loop {
            // Marked as seen before looking, so that nothing that comes in between is missed.
            self.commits.mark_unchanged();
            if let Some(event) = self.assignment_event().await? {
                return Ok(event);
            }
            let records = self.fetcher.records().await?;
            if !records.is_empty() {
                return Ok(ConsumerEvent::Records(records));
            }
            if tokio::time::timeout_at(deadline, self.wait())
                .await
                .is_err()
            {
                return Ok(ConsumerEvent::Idle);
            }
        }
    }

    fn commit(
        &mut self,
        offsets: Vec<(TopicPartition, i64)>,
    ) -> BoxFuture<'static, Result<(), LogError>> {
        let (core, group) = (Arc::clone(&self.core), Arc::clone(&self.group));
        let offsets = offsets
            .into_iter()
            .map(|(partition, offset)| GroupOffset {
                topic_id: self.fetcher.topic_id(&partition),
                partition,
                offset: Some(offset),
            })
            .collect();
        async move { core.set_group_offsets(&group, offsets).await }.boxed()
    }

    async fn seek(&mut self, partition: &TopicPartition, offset: i64) -> Result<(), LogError> {
        self.fetcher.seek(partition, offset)
    }
    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        partitions
            .iter()
            .try_for_each(|partition| self.fetcher.set_paused(partition, true))
    }
    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        partitions
            .iter()
            .try_for_each(|partition| self.fetcher.set_paused(partition, false))
    }
    async fn close(self: Box<Self>) -> Result<(), LogError> {
        Ok(())
    }
}

impl Drop for EmbeddedConsumer {
    fn drop(&mut self) {
        self.core.groups.leave(&self.group, self.member);
    }
}

fn unsupported(setting: &str, value: &str) -> LogError {
    LogError::Invalid(format!(
        "the embedded log does not take '{value}' for the consumer setting '{setting}'"
    ))
}

pub(crate) struct EmbeddedReader {
    fetcher: Fetcher,
    commits: watch::Receiver<u64>,
}

impl EmbeddedReader {
    pub(crate) fn new(core: &Arc<Core>, start: &[(TopicPartition, i64)]) -> Self {
        let mut fetcher = Fetcher::new(Arc::clone(core), usize::MAX);
        for (partition, offset) in start {
            let topic = core.topics.get(&partition.topic);
            fetcher.assign(partition.clone(), topic.map(|topic| topic.id), *offset);
        }
        Self {
            fetcher,
            commits: core.commits.subscribe(),
        }
    }
}

#[async_trait]
impl Reader for EmbeddedReader {
    async fn poll(&mut self, timeout: Duration) -> Result<Vec<ConsumedRecord>, LogError> {
        let deadline = Instant::now() + timeout;
        loop {
            self.commits.mark_unchanged();
            let records = self.fetcher.records().await?;
            // Also without records when the position has moved over compacted ones: that may be the end.
            if !records.is_empty() || self.fetcher.take_skipped() {
                return Ok(records);
            }
            if tokio::time::timeout_at(deadline, self.commits.changed())
                .await
                .is_err()
            {
                return Ok(Vec::new());
            }
        }
    }
    fn position(&self, partition: &TopicPartition) -> Option<i64> {
        self.fetcher.position(partition)
    }
}
