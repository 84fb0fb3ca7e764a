//! Batches between a source's reader, which runs on its own, and the task's `poll`.
//!
//! Source: Debezium `ChangeEventQueue`; here batches travel, not records, and nobody waits for a clock.

use std::time::Duration;

use tidegate_api::{ConnectError, SourceRecord};
use tokio::sync::mpsc;

/// Batches under way; each is bounded by the sender.
const BATCHES: usize = 2;
/// An idle `poll` returns after this.
const POLL_TIMEOUT: Duration = Duration::from_millis(500);

/// Both ends.
pub fn channel(max_records: usize) -> (BatchSender, BatchReceiver) {
    let (sender, receiver) = mpsc::channel(BATCHES);
    let sender = BatchSender {
        sender,
        batch: Vec::new(),
        bytes: 0,
        max_records: max_records.max(1),
    };
    (
        sender,
        BatchReceiver {
            receiver,
            failure: None,
        },
    )
}

/// Collects records and hands them over as batches.
#[derive(Debug)]
pub struct BatchSender {
    sender: mpsc::Sender<Result<Vec<SourceRecord>, ConnectError>>,
    batch: Vec<SourceRecord>,
    bytes: usize,
    max_records: usize,
}

/// The task is gone; whoever sends may stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the task has stopped")]
pub struct Stopped;

/// A batch ends at this size.
const BATCH_BYTES: usize = 512 * 1024;

impl BatchSender {
    /// Adds a record; waits if the batch is full and those before it were not taken yet.
    pub async fn push(&mut self, record: SourceRecord) -> Result<(), Stopped> {
        self.bytes += record.record.approximate_size();
        self.batch.push(record);
        if self.batch.len() >= self.max_records || self.bytes >= BATCH_BYTES {
            return self.flush().await;
        }
        Ok(())
    }

    pub fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// The record added last, unless it was handed over.
    pub fn last_mut(&mut self) -> Option<&mut SourceRecord> {
        self.batch.last_mut()
    }

    /// Hands over what there is.
    pub async fn flush(&mut self) -> Result<(), Stopped> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.bytes = 0;
        let batch = std::mem::replace(
            &mut self.batch,
            Vec::with_capacity(self.max_records.min(2048)),
        );
        self.sender.send(Ok(batch)).await.map_err(|_| Stopped)
    }

    /// Ends with an error, after all records before it. No retriable one: nobody reads any more.
    pub async fn fail(mut self, error: ConnectError) {
        // Without a task there is nobody to tell.
        if self.flush().await.is_ok() {
            self.sender.send(Err(error)).await.ok();
        }
    }
}

/// The task's end.
#[derive(Debug)]
pub struct BatchReceiver {
    receiver: mpsc::Receiver<Result<Vec<SourceRecord>, ConnectError>>,
    failure: Option<String>,
}

impl BatchReceiver {
    /// The next batch; empty if there is none for a while. Cancel-safe.
    ///
    /// # Errors
    /// The reader's, once; afterwards that it has ended.
    pub async fn poll(&mut self) -> Result<Vec<SourceRecord>, ConnectError> {
        if let Some(failure) = &self.failure {
            return Err(ConnectError::fatal(failure.clone()));
        }
        match tokio::time::timeout(POLL_TIMEOUT, self.receiver.recv()).await {
            Err(_) => Ok(Vec::new()),
            Ok(Some(Ok(batch))) => Ok(batch),
            Ok(Some(Err(error))) => {
                self.failure = Some(error.text().to_owned());
                Err(error)
            }
            // A reader that has nothing more to read has ended in peace.
            Ok(None) => {
                tokio::time::sleep(POLL_TIMEOUT).await;
                Ok(Vec::new())
            }
        }
    }
}
