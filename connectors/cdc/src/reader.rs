//! The task of its own on which a source reads: batches while it runs, and how it ended.
//!
//! Source: Debezium `ChangeEventSourceCoordinator`, `ErrorHandler`.

use std::time::Duration;

use tidegate_api::{ConnectError, SourceRecord, catch_panic};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tracing::{Instrument as _, error, warn};

use crate::queue::{self, BatchReceiver, BatchSender, QueueLimits};

/// A reader that has not ended this long after it was asked to is left to itself.
const STOP_LIMIT: Duration = Duration::from_secs(3);

/// What panics, in the text of such an error.
pub const READER: &str = "the reader";

/// Owns the task on which a source reads. Dropped, it asks the task to stop.
#[derive(Debug)]
pub struct ReaderHandle {
    batches: BatchReceiver,
    stop: DropGuard,
    state: State,
}

#[derive(Debug)]
enum State {
    Running(JoinHandle<Result<(), ConnectError>>),
    /// Nothing is left to read, or the reader was stopped.
    Finished,
    Failed(String),
}

impl ReaderHandle {
    /// Starts `read` with its end of the queue and a token that is cancelled when it is to stop. `read` must give up its
    /// end of the queue when it ends.
    pub fn spawn<F>(
        limits: QueueLimits,
        read: impl FnOnce(BatchSender, CancellationToken) -> F,
    ) -> Self
    where
        F: Future<Output = Result<(), ConnectError>> + Send + 'static,
    {
        let (sender, batches) = queue::channel(limits);
        let stop = CancellationToken::new();
        let work = read(sender, stop.clone());
        let work = async { catch_panic(READER, work).await.flatten() }.in_current_span();
        Self {
            batches,
            stop: stop.drop_guard(),
            state: State::Running(TaskTracker::new().spawn(work)),
        }
    }

    /// The next batch; empty if there is none for the limits' `poll_wait`. Cancel-safe: a batch leaves the queue only when
    /// it is returned.
    ///
    /// # Errors
    /// How the reader failed, after all batches before the failure: the error itself once, its text afterwards. A panic is
    /// a failure.
    pub async fn poll(&mut self) -> Result<Vec<SourceRecord>, ConnectError> {
        let wait = self.batches.poll_wait();
        let handle = match &mut self.state {
            State::Running(handle) => handle,
            State::Finished => {
                tokio::time::sleep(wait).await;
                return Ok(Vec::new());
            }
            State::Failed(text) => return Err(ConnectError::fatal(text.clone())),
        };
        let next = async {
            match self.batches.next().await {
                Some(batch) => Next::Batch(batch),
                // Nobody can send any more: the reader has ended or is about to.
                None => Next::End(handle.await),
            }
        };
        match timeout(wait, next).await {
            Err(_) => Ok(Vec::new()),
            Ok(Next::Batch(batch)) => Ok(batch),
            Ok(Next::End(Ok(Ok(())))) => {
                self.state = State::Finished;
                Ok(Vec::new())
            }
            Ok(Next::End(Ok(Err(error)))) => Err(self.failed(error)),
            Ok(Next::End(Err(ended))) => Err(self.failed(ConnectError::fatal(format!(
                "The reader has ended: {ended}"
            )))),
        }
    }

    fn failed(&mut self, error: ConnectError) -> ConnectError {
        error!("Producer failure: {}", error.chain());
        self.state = State::Failed(error.text().to_owned());
        error
    }

    /// Asks the reader to stop and waits for it, for a limited time.
    pub async fn stop(self) {
        let Self {
            batches,
            stop,
            state,
        } = self;
        stop.disarm().cancel();
        drop(batches);
        let State::Running(mut handle) = state else {
            return;
        };
        if timeout(STOP_LIMIT, &mut handle).await.is_err() {
            warn!("The reader has not stopped within {STOP_LIMIT:?}; it is left to itself");
            handle.abort();
        }
    }
}

enum Next {
    Batch(Vec<SourceRecord>),
    End(Result<Result<(), ConnectError>, tokio::task::JoinError>),
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use tidegate_api::{Record, SchemaAndValue, SourceOffset, Value};

    use super::*;

    pub(crate) fn record(number: usize) -> SourceRecord {
        let null = || SchemaAndValue {
            schema: None,
            value: Value::Null,
        };
        SourceRecord {
            record: Record {
                topic: Arc::from(format!("t{number}")),
                kafka_partition: None,
                key: null(),
                value: null(),
                timestamp: None,
                headers: tidegate_api::Headers::new(),
            },
            source_partition: Arc::new(tidegate_api::SourcePartition(Vec::new())),
            source_offset: SourceOffset::new(Vec::new()),
        }
    }

    const LIMITS: QueueLimits = QueueLimits {
        batch_records: 2,
        queue_records: 6,
        queue_bytes: 1 << 20,
        poll_wait: Duration::from_millis(20),
    };

    async fn error_of(reader: &mut ReaderHandle) -> ConnectError {
        for _ in 0..100 {
            if let Err(error) = reader.poll().await {
                return error;
            }
        }
        panic!("the reader did not fail");
    }

    #[tokio::test]
    async fn a_panic_is_a_failure_with_its_text_and_place_behind_all_batches() {
        let mut reader = ReaderHandle::spawn(LIMITS, |mut queue, _| async move {
            queue.push(record(1)).await.unwrap();
            queue.push(record(2)).await.unwrap();
            queue.push(record(3)).await.unwrap();
            panic!("no such {}", "column")
        });
        assert_eq!(reader.poll().await.unwrap().len(), 2);
        let error = error_of(&mut reader).await;
        assert!(error.text().contains("no such column"), "{error:?}");
        assert!(error.text().contains("reader.rs:"), "{error:?}");
        assert_eq!(reader.poll().await.unwrap_err().text(), error.text());
        reader.stop().await;
    }

    #[tokio::test]
    async fn a_failure_comes_behind_the_batches_before_it() {
        let mut reader = ReaderHandle::spawn(LIMITS, |mut queue, _| async move {
            queue.push(record(1)).await?;
            queue.flush().await?;
            Err(ConnectError::fatal("gone"))
        });
        assert_eq!(reader.poll().await.unwrap().len(), 1);
        assert_eq!(error_of(&mut reader).await.text(), "gone");
    }

    #[tokio::test]
    async fn a_reader_that_has_read_everything_leaves_the_task_idle() {
        let mut reader = ReaderHandle::spawn(LIMITS, |queue, _| async move {
            drop(queue);
            Ok(())
        });
        for _ in 0..5 {
            assert!(reader.poll().await.unwrap().is_empty());
        }
        reader.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_does_not_stop_is_not_waited_for_without_end() {
        let reader = ReaderHandle::spawn(LIMITS, |_, _| std::future::pending());
        let began = tokio::time::Instant::now();
        reader.stop().await;
        assert!(began.elapsed() <= STOP_LIMIT + Duration::from_millis(10));
    }

    #[tokio::test]
    async fn a_handle_that_is_dropped_stops_its_reader() {
        let (sender, stopped) = tokio::sync::oneshot::channel();
        let reader = ReaderHandle::spawn(LIMITS, |_, stop| async move {
            stop.cancelled().await;
            sender.send(()).unwrap();
            Ok(())
        });
        drop(reader);
        stopped.await.unwrap();
    }
}
