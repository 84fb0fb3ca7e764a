//! Batches between a source's reader, which runs on its own, and the task's `poll`.
//!
//! A batch may end between any two records: one that is full goes, whatever comes next. The sender must therefore give
//! every record an offset at which a restart may begin, also between records that belong together, such as a delete and
//! its tombstone.
//!
//! Source: Debezium `ChangeEventQueue`; here batches travel, not records, and nobody waits for a clock.

use std::sync::Arc;
use std::time::Duration;

use tidegate_api::{ConnectError, SourceRecord};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// How much a queue may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLimits {
    /// Records of a batch: `max.batch.size`.
    pub batch_records: usize,
    /// Records of all batches, the one that is being filled among them: `max.queue.size`. One batch at least is held.
    pub queue_records: usize,
    /// Bytes of the batches that are full: `max.queue.size.in.bytes`. A batch that is larger goes alone.
    pub queue_bytes: usize,
    /// An empty `poll` takes this long: `poll.interval.ms`.
    pub poll_wait: Duration,
}

/// A batch ends at this size.
const BATCH_BYTES: usize = 512 * 1024;
/// Bytes of a queue whose settings have no limit.
pub const DEFAULT_QUEUE_BYTES: usize = 4 * BATCH_BYTES;

/// A batch, and its share of the queue's bytes, which is free again once the batch is taken.
type Sent = (Vec<SourceRecord>, OwnedSemaphorePermit);

/// Both ends.
pub fn channel(limits: QueueLimits) -> (BatchSender, BatchReceiver) {
    let batch_records = limits.batch_records.max(1);
    let full_batches = (limits.queue_records / batch_records).saturating_sub(1);
    let most = Semaphore::MAX_PERMITS >> 1;
    let (sender, receiver) = mpsc::channel(full_batches.clamp(1, most));
    let queue_bytes = limits.queue_bytes.clamp(1, u32::MAX as usize >> 1);
    let sender = BatchSender {
        sender,
        space: Arc::new(Semaphore::new(queue_bytes)),
        batch: Vec::new(),
        bytes: 0,
        batch_records,
        queue_bytes,
    };
    let receiver = BatchReceiver {
        receiver,
        poll_wait: limits.poll_wait,
    };
    (sender, receiver)
}

/// Collects records and hands them over as batches.
#[derive(Debug)]
pub struct BatchSender {
    sender: mpsc::Sender<Sent>,
    /// One permit per byte.
    space: Arc<Semaphore>,
    batch: Vec<SourceRecord>,
    bytes: usize,
    batch_records: usize,
    queue_bytes: usize,
}

/// The task is gone; whoever sends may stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the task has stopped")]
pub struct Stopped;

impl From<Stopped> for ConnectError {
    fn from(stopped: Stopped) -> Self {
        Self::fatal(stopped.to_string())
    }
}

impl BatchSender {
    /// Adds a record; waits if the batch is full and the queue has no place for it. Cancel-safe: the record belongs to the
    /// batch in any case.
    ///
    /// # Errors
    /// If nobody takes batches any more.
    pub async fn push(&mut self, record: SourceRecord) -> Result<(), Stopped> {
        self.bytes += record.record.approximate_size();
        self.batch.push(record);
        if self.batch.len() >= self.batch_records || self.bytes >= BATCH_BYTES {
            return self.flush().await;
        }
        Ok(())
    }

    /// Hands over the records so far. Cancel-safe: they leave the batch once the queue has a place for them.
    ///
    /// # Errors
    /// If nobody takes batches any more.
    pub async fn flush(&mut self) -> Result<(), Stopped> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let place = self.sender.reserve().await.map_err(|_| Stopped)?;
        let bytes = u32::try_from(self.bytes.min(self.queue_bytes)).unwrap_or(u32::MAX);
        // The receiver does not close the semaphore; it frees the bytes of what it takes, or of all when it goes.
        let space = Arc::clone(&self.space);
        let space = space.acquire_many_owned(bytes).await.map_err(|_| Stopped)?;
        self.bytes = 0;
        // As large as this one: full batches follow each other, and so do single records.
        let next = Vec::with_capacity(self.batch.len());
        place.send((std::mem::replace(&mut self.batch, next), space));
        Ok(())
    }
}

/// The task's end.
#[derive(Debug)]
pub struct BatchReceiver {
    receiver: mpsc::Receiver<Sent>,
    poll_wait: Duration,
}

impl BatchReceiver {
    /// The next batch; `None` once the sender is gone and everything was taken. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<Vec<SourceRecord>> {
        self.receiver.recv().await.map(|(batch, _)| batch)
    }

    pub(crate) fn poll_wait(&self) -> Duration {
        self.poll_wait
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;
    use crate::reader::tests::record;

    fn limits(batch_records: usize, queue_records: usize, queue_bytes: usize) -> QueueLimits {
        QueueLimits {
            batch_records,
            queue_records,
            queue_bytes,
            poll_wait: Duration::from_millis(1),
        }
    }

    fn topics(batch: &[SourceRecord]) -> Vec<&str> {
        batch.iter().map(|record| &*record.record.topic).collect()
    }

    #[tokio::test]
    async fn a_flush_that_is_given_up_loses_no_record() {
        let (mut sender, mut receiver) = channel(limits(1, 2, 1 << 20));
        sender.push(record(1)).await.unwrap();
        assert!(sender.push(record(2)).now_or_never().is_none());
        assert!(sender.flush().now_or_never().is_none());
        assert_eq!(topics(&receiver.next().await.unwrap()), ["t1"]);
        sender.flush().await.unwrap();
        drop(sender);
        assert_eq!(topics(&receiver.next().await.unwrap()), ["t2"]);
        assert!(receiver.next().await.is_none());
    }

    #[tokio::test]
    async fn a_queue_holds_no_more_records_than_its_limit() {
        let (mut sender, mut receiver) = channel(limits(2, 6, 1 << 20));
        for number in 0..5 {
            sender.push(record(number)).await.unwrap();
        }
        assert!(sender.push(record(5)).now_or_never().is_none());
        assert_eq!(receiver.next().await.unwrap().len(), 2);
        sender.flush().await.unwrap();
    }

    #[tokio::test]
    async fn a_queue_holds_no_more_bytes_than_its_limit_and_one_large_batch_goes_alone() {
        let (mut sender, mut receiver) = channel(limits(1, 100, 1));
        sender.push(record(1)).await.unwrap();
        assert!(sender.push(record(2)).now_or_never().is_none());
        receiver.next().await.unwrap();
        sender.flush().await.unwrap();
        receiver.next().await.unwrap();
    }

    #[tokio::test]
    async fn a_receiver_that_goes_ends_the_wait_for_space() {
        let (mut sender, receiver) = channel(limits(1, 100, 1));
        sender.push(record(1)).await.unwrap();
        {
            let waiting = sender.push(record(2));
            tokio::pin!(waiting);
            assert!(waiting.as_mut().now_or_never().is_none());
            drop(receiver);
            waiting.await.ok();
        }
        assert_eq!(sender.push(record(3)).await, Err(Stopped));
    }
}
