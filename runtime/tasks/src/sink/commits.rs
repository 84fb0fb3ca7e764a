//! Offsets of a sink: what the plugin has taken, what its group has stored, and what happens to both when partitions go.
//!
//! Only offsets behind records that `put` has accepted and `pre_commit` allows are ever committed.

use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tidegate_api::{ConnectError, SinkTask, TopicPartition};
use tidegate_log::LogError;
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

async fn in_time(
    timeout: Duration,
    commit: BoxFuture<'static, Result<(), LogError>>,
) -> Result<(), LogError> {
    tokio::time::timeout(timeout, commit)
        .await
        .unwrap_or_else(|_| {
            Err(LogError::Unavailable(
                "Commit of offsets timed out".to_owned(),
            ))
        })
}

impl Work<'_> {
    fn commit_timeout(&self) -> Duration {
        self.environment.settings.offset_flush_timeout
    }

    /// Offsets that the plugin allows to commit, without those that are committed already.
    async fn committable(
        &mut self,
        offsets: Offsets,
        task: &mut dyn SinkTask,
    ) -> Result<Offsets, ConnectError> {
        let mut allowed = task.pre_commit(offsets).await?;
        allowed.retain(|partition, offset| match self.current.get(partition) {
            Some(current) if *offset > *current => {
                warn!(
                    "{} ignores the offset {offset} of {partition}: it is ahead of what was delivered",
                    self.environment.id
                );
                false
            }
            Some(_) => self.committed.get(partition) != Some(offset),
            None => {
                warn!(
                    "{} ignores the offset {offset} of {partition}: it is not assigned",
                    self.environment.id
                );
                false
            }
        });
        Ok(allowed)
    }

    pub(super) async fn begin_commit(
        &mut self,
        task: &mut dyn SinkTask,
    ) -> Result<(), ConnectError> {
        match self.committable(self.current.clone(), task).await {
            Ok(offsets) if offsets.is_empty() => Ok(()),
            Ok(offsets) => {
                let done = self.consumer.commit(offsets.clone().into_iter().collect());
                let done = in_time(self.commit_timeout(), done).boxed();
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
            self.resume()?;
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
            Ok(offsets) => {
                let done = self.consumer.commit(offsets.into_iter().collect());
                in_time(self.commit_timeout(), done)
                    .await
                    .map_err(ConnectError::from)
            }
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

    pub(super) async fn close_all(&mut self, task: &mut dyn SinkTask) -> Result<(), ConnectError> {
        if self.commit.is_some() {
            // The commit that follows is newer; this one must only not overtake it.
            let result = Commit::done(&mut self.commit).await;
            self.end_commit(result);
        }
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
        batch
            .next
            .retain(|partition, _| !partitions.contains(partition));
        batch
            .records
            .retain(|record| !partitions.contains(&record.original.topic_partition()));
        if batch.next.is_empty() {
            self.pending = None;
            self.resume()?;
        }
        Ok(())
    }
}
