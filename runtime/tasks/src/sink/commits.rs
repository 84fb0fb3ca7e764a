//! Offsets of a sink: what the plugin has taken, what its group has stored, and what happens to both when partitions go.
//!
//! Only offsets behind records that `put` has accepted and `pre_commit` allows are ever committed.

use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tidegate_api::{ConnectError, SinkTask, TopicPartition};
use tidegate_log::LogError;
use tokio::time::Instant;
use tracing::warn;

use super::{Next, Offsets, Work};

/// Offsets on their way to the group.
pub(super) struct Commit {
    offsets: Offsets,
    done: BoxFuture<'static, Result<(), LogError>>,
}

impl Commit {
    /// Waits for ever if there is none. Cancel-safe: a commit stays until its end has been seen.
    pub(super) async fn done(commit: &mut Option<Self>) -> Result<(), LogError> {
        match commit {
            Some(commit) => (&mut commit.done).await,
            None => std::future::pending().await,
        }
    }
}

impl Work<'_> {
    fn commit_timeout(&self) -> Duration {
        self.environment.settings.offset_flush_timeout
    }

    /// Offsets to commit: those that the plugin allows, and with them where the other partitions of `offsets` stand, also
    /// those without any record yet: a group that has no offset of a partition would begin it anew at every start. Empty
    /// if all is committed.
    ///
    /// Source: `org.apache.kafka.connect.runtime.WorkerSinkTask.commitOffsets`.
    async fn committable(
        &mut self,
        offsets: Offsets,
        task: &mut dyn SinkTask,
    ) -> Result<Offsets, ConnectError> {
        let known = |(partition, committed): (&TopicPartition, &i64)| {
            let asked = offsets.contains_key(partition);
            asked.then(|| (partition.clone(), *committed))
        };
        let mut committable: Offsets = self.committed.iter().filter_map(known).collect();
        let mut is_new = false;
        for (partition, offset) in task.pre_commit(offsets).await? {
            match self.current.get(&partition) {
                Some(current) if offset > *current => warn!(
                    "{} ignores the offset {offset} of {partition}: it is ahead of what was delivered",
                    self.environment.id
                ),
                Some(_) if self.committed.get(&partition) == Some(&offset) => {}
                Some(_) => {
                    is_new = true;
                    committable.insert(partition, offset);
                }
                None => warn!(
                    "{} ignores the offset {offset} of {partition}: it is not assigned",
                    self.environment.id
                ),
            }
        }
        if !is_new {
            committable.clear();
        }
        Ok(committable)
    }

    pub(super) async fn begin_commit(
        &mut self,
        task: &mut dyn SinkTask,
    ) -> Result<(), ConnectError> {
        match self.committable(self.current.clone(), task).await {
            Ok(offsets) if offsets.is_empty() => Ok(()),
            Ok(offsets) => {
                let mut done = self.consumer.commit(offsets.clone().into_iter().collect());
                let (id, timeout) = (self.environment.id.clone(), self.commit_timeout());
                let done = async move {
                    if let Ok(result) = tokio::time::timeout(timeout, &mut done).await {
                        return result;
                    }
                    // Another commit could be overtaken by this one, so that none begins before its end.
                    warn!("{id} Commit of offsets timed out, waiting for its end");
                    done.await
                };
                let done = done.boxed();
                self.commit = Some(Commit { offsets, done });
                Ok(())
            }
            Err(error) => {
                warn!(
                    "{} Commit of offsets failed, going back to the last committed offsets: {}",
                    self.environment.id,
                    error.chain()
                );
                self.go_back().await
            }
        }
    }

    /// Continues behind what is committed; a batch that waits to be written again comes anew from there.
    async fn go_back(&mut self) -> Result<(), ConnectError> {
        for (partition, offset) in self.committed.clone() {
            self.consumer.seek(&partition, offset).await?;
            self.current.insert(partition, offset);
        }
        if let Some(Ok(Next::Batch(_))) = &self.ahead {
            self.ahead = None;
        }
        if self.pending.take().is_some() {
            self.end_wait()?;
        }
        Ok(())
    }

    pub(super) fn end_commit(&mut self, result: Result<(), LogError>) {
        let Some(commit) = self.commit.take() else {
            return;
        };
        match result {
            Ok(()) => {
                for (partition, offset) in commit.offsets {
                    if let Some(known) = self.committed.get_mut(&partition) {
                        *known = offset;
                    }
                }
            }
            Err(error) => warn!(
                "{} Commit of offsets failed, will be tried again: {error}",
                self.environment.id
            ),
        }
    }

    /// Commits and closes partitions that go.
    pub(super) async fn close(
        &mut self,
        partitions: &[TopicPartition],
        task: &mut dyn SinkTask,
    ) -> Result<(), ConnectError> {
        let leaving = self
            .current
            .iter()
            .filter(|(partition, _)| partitions.contains(partition));
        let offsets = leaving
            .map(|(partition, offset)| (partition.clone(), *offset))
            .collect();
        let committable = self.committable(offsets, task).await;
        let closed = task.close(partitions).await;
        let committed = match committable {
            Ok(offsets) if offsets.is_empty() => Ok(()),
            Ok(offsets) => self.commit_now(offsets).await.map_err(ConnectError::from),
            Err(error) => Err(error),
        };
        if let Err(error) = committed {
            warn!(
                "{} the last offsets were not committed: {}",
                self.environment.id,
                error.chain()
            );
        }
        self.forget(partitions)?;
        closed
    }

    /// Commits offsets behind a commit that may be under way; both together have the time of one.
    async fn commit_now(&mut self, offsets: Offsets) -> Result<(), LogError> {
        let timed_out = |_| LogError::Unavailable("Commit of offsets timed out".to_owned());
        let deadline = Instant::now() + self.commit_timeout();
        if self.commit.is_some() {
            let earlier = Commit::done(&mut self.commit);
            let result = tokio::time::timeout_at(deadline, earlier).await;
            self.end_commit(result.map_err(timed_out)?);
        }
        let commit = self.consumer.commit(offsets.into_iter().collect());
        let result = tokio::time::timeout_at(deadline, commit).await;
        result.map_err(timed_out)?
    }

    pub(super) async fn close_all(&mut self, task: &mut dyn SinkTask) -> Result<(), ConnectError> {
        self.close(&self.assignment(), task).await
    }

    /// Partitions that are no longer this task's, with their records of a batch that waits.
    pub(super) fn forget(&mut self, partitions: &[TopicPartition]) -> Result<(), ConnectError> {
        for partition in partitions {
            self.current.remove(partition);
            self.committed.remove(partition);
        }
        let Some(batch) = &mut self.pending else {
            return Ok(());
        };
        for partition in partitions {
            batch.remove(partition);
        }
        if batch.next.is_empty() {
            self.pending = None;
            self.end_wait()?;
        }
        Ok(())
    }
}
