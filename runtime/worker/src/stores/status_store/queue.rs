//! Status updates on their way to the topic, in the order in which they were made: the last one must win there, too.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use tidegate_log::TopicLog;
use tidegate_tasks::Backoff;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, warn};

/// Before updates that could not be written are tried again.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));
/// At the end, what could not be written within this time is lost.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// Key and value, `None` for a tombstone.
type Update = (Bytes, Option<Bytes>);

#[derive(Debug)]
pub(super) struct Queue {
    updates: Arc<Updates>,
    stop: CancellationToken,
    writer: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Updates {
    topic: TopicLog,
    waiting: Mutex<Vec<Update>>,
    more: Notify,
}

impl Queue {
    /// Starts to write what will be pushed.
    pub(super) fn start(topic: TopicLog) -> Self {
        let updates = Arc::new(Updates {
            topic,
            waiting: Mutex::default(),
            more: Notify::new(),
        });
        let stop = CancellationToken::new();
        let writer = TaskTracker::new().spawn(Arc::clone(&updates).follow(stop.clone()));
        Self {
            updates,
            stop,
            writer: Mutex::new(Some(writer)),
        }
    }

    pub(super) fn push(&self, key: Bytes, value: Option<Bytes>) {
        self.updates.waiting().push((key, value));
        self.updates.more.notify_one();
    }

    /// Ends once everything is written or [`STOP_GRACE`] is over.
    pub(super) async fn stop(&self) {
        self.stop.cancel();
        let writer = self.writer.lock().expect("no holder panics").take();
        if let Some(mut writer) = writer
            && tokio::time::timeout(STOP_GRACE, &mut writer).await.is_err()
        {
            writer.abort();
            error!(
                "Some states of connectors and tasks could not be written within {STOP_GRACE:?}; the status topic shows older ones"
            );
        }
        self.updates.topic.stop().await;
    }
}

impl Updates {
    fn waiting(&self) -> MutexGuard<'_, Vec<Update>> {
        self.waiting.lock().expect("no holder panics")
    }

    async fn follow(self: Arc<Self>, stop: CancellationToken) {
        loop {
            self.write_all().await;
            tokio::select! {
                () = self.more.notified() => {}
                () = stop.cancelled() => break,
            }
        }
        self.write_all().await;
    }

    /// Returns when nothing waits any more.
    async fn write_all(&self) {
        let mut backoff = Backoff::new(RETRY.0, RETRY.1);
        loop {
            let updates = latest(std::mem::take(&mut *self.waiting()));
            if updates.is_empty() {
                return;
            }
            let mut left = self.write(updates).await;
            if left.is_empty() {
                backoff.reset();
                continue;
            }
            let delay = backoff.next_delay();
            warn!(
                "{} status updates could not be written, next attempt in {delay:?}",
                left.len()
            );
            {
                // In front of what has come since.
                let mut waiting = self.waiting();
                left.append(&mut waiting);
                *waiting = left;
            }
            tokio::time::sleep(delay).await;
        }
    }

    /// What is to be tried again.
    async fn write(&self, updates: Vec<Update>) -> Vec<Update> {
        let records = |updates: &[Update]| {
            let records = updates.iter().cloned();
            records.map(|(key, value)| (Some(key), value)).collect()
        };
        match self.topic.send_all(records(&updates)).await {
            Ok(()) => Vec::new(),
            Err(error) if error.is_retriable() => {
                warn!("The status topic cannot be written: {error}");
                updates
            }
            Err(error) if updates.len() == 1 => {
                error!("Failed to write a status update: {error}");
                Vec::new()
            }
            // One by one, so that the refused one takes no other with it.
            Err(_) => {
                let mut left = Vec::new();
                for update in updates {
                    match self
                        .topic
                        .send_all(records(std::slice::from_ref(&update)))
                        .await
                    {
                        Ok(()) => {}
                        Err(error) if error.is_retriable() => left.push(update),
                        Err(error) => error!("Failed to write a status update: {error}"),
                    }
                }
                left
            }
        }
    }
}

/// Of several updates of one key the last stands for all.
fn latest(updates: Vec<Update>) -> Vec<Update> {
    let mut seen = HashSet::new();
    let newest_first = updates.into_iter().rev();
    let mut latest: Vec<Update> = newest_first
        .filter(|(key, _)| seen.insert(key.clone()))
        .collect();
    latest.reverse();
    latest
}
