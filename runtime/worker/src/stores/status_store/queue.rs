//! Status updates on their way to the topic. Of several updates of one key only the last waits: it must win there, too,
//! and while the log is away no more waits than there are connectors, tasks and topics.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use indexmap::IndexMap;
use tidegate_api::{ConnectError, catch_panic};
use tidegate_log::TopicLog;
use tidegate_tasks::Backoff;
use tokio::sync::{Notify, watch};
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
    tasks: TaskTracker,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// What the writer has said when it panicked.
    panic: watch::Receiver<Option<String>>,
}

#[derive(Debug)]
struct Updates {
    topic: TopicLog,
    waiting: Mutex<IndexMap<Bytes, Option<Bytes>>>,
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
        let (fail, panic) = watch::channel(None);
        let follow = Arc::clone(&updates).follow(stop.clone());
        let write = async move {
            if let Err(panic) = catch_panic("the writer of statuses", follow).await {
                error!("{panic}");
                fail.send_replace(Some(panic.text().to_owned()));
            }
        };
        let tasks = TaskTracker::new();
        let writer = tasks.spawn(write);
        tasks.close();
        Self {
            updates,
            stop,
            tasks,
            writer: Mutex::new(Some(writer)),
            panic,
        }
    }

    pub(super) fn push(&self, key: Bytes, value: Option<Bytes>) {
        self.updates.waiting().insert(key, value);
        self.updates.more.notify_one();
    }

    /// How many updates are not on the topic yet, beside those that are being written.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.updates.waiting().len()
    }

    /// Resolves if statuses are no longer written or read because of a panic.
    pub(super) async fn failed(&self) -> ConnectError {
        let mut panic = self.panic.clone();
        tokio::select! {
            error = self.updates.topic.failed() => error.into(),
            Ok(panic) = panic.wait_for(Option::is_some) => {
                ConnectError::fatal(panic.clone().unwrap_or_default())
            }
        }
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
        self.tasks.wait().await;
        self.updates.topic.stop().await;
    }
}

impl Updates {
    fn waiting(&self) -> MutexGuard<'_, IndexMap<Bytes, Option<Bytes>>> {
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
            let updates: Vec<Update> = self.waiting().drain(..).collect();
            if updates.is_empty() {
                return;
            }
            let left = self.write(updates).await;
            if left.is_empty() {
                backoff.reset();
                continue;
            }
            let delay = backoff.next_delay();
            let wait = backoff.wait(delay);
            warn!("{} status updates could not be written, {wait}", left.len());
            {
                let mut waiting = self.waiting();
                for (key, value) in left {
                    // What has come since is newer.
                    waiting.entry(key).or_insert(value);
                }
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
