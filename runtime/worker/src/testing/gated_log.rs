//! A log that answers when the test lets it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt as _;
use tidegate_api::TopicPartition;
use tidegate_log::{
    AppendReceipt, ClientConfig, Consumer, GroupClaim, Log, LogError, NewTopic, Producer,
    ProducerRecord, Reader, Subscription, TopicCreation, TopicDescription,
};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

/// What the log does when it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answers {
    /// At once.
    Yes,
    /// Nothing is stored and nothing answered before that changes: a broker that is away.
    Later,
    /// Nothing is stored, and it says so: a full disk.
    Full,
}

#[derive(Debug)]
pub(crate) struct Gate {
    answers: watch::Sender<Answers>,
    waiting: watch::Sender<usize>,
    /// The next batch with a key that starts so is stored, but called unavailable.
    lost: Mutex<Option<String>>,
    /// After so many batches with a key that starts so, one is not stored.
    failing: Mutex<Option<(String, usize)>>,
    /// Batches with a key that starts so are refused.
    refused: Mutex<Option<String>>,
    /// Batches that were not taken for lack of room.
    full: watch::Sender<usize>,
    appends: TaskTracker,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            answers: watch::Sender::new(Answers::Yes),
            waiting: watch::Sender::new(0),
            lost: Mutex::default(),
            failing: Mutex::default(),
            refused: Mutex::default(),
            full: watch::Sender::new(0),
            appends: TaskTracker::new(),
        }
    }
}

impl Gate {
    pub(crate) fn guard(self: &Arc<Self>, inner: Arc<dyn Log>) -> Arc<dyn Log> {
        Arc::new(GatedLog {
            inner,
            gate: Arc::clone(self),
        })
    }

    pub(crate) fn set(&self, answers: Answers) {
        self.waiting.send_replace(0);
        self.answers.send_replace(answers);
    }

    /// Once somebody waits for an answer.
    pub(crate) async fn reached(&self) {
        let mut waiting = self.waiting.subscribe();
        waiting.wait_for(|count| *count > 0).await.unwrap();
    }

    /// The answer to the next batch with a key that starts so is lost.
    pub(crate) fn lose(&self, key: &str) {
        *self.lost.lock().unwrap() = Some(key.to_owned());
    }

    /// The second batch from now on with a key that starts so is not stored.
    pub(crate) fn fail_second(&self, key: &str) {
        *self.failing.lock().unwrap() = Some((key.to_owned(), 1));
    }

    fn fails(&self, records: &[ProducerRecord]) -> bool {
        let mut failing = self.failing.lock().unwrap();
        let Some((_, left)) = failing
            .as_mut()
            .filter(|(key, _)| starts_with(records, Some(key.as_str())))
        else {
            return false;
        };
        let fails = *left == 0;
        *left = left.saturating_sub(1);
        if fails {
            *failing = None;
        }
        fails
    }

    /// Batches with a key that starts so are refused.
    pub(crate) fn refuse(&self, key: &str) {
        *self.refused.lock().unwrap() = Some(key.to_owned());
    }

    /// Once a batch was not taken for lack of room.
    pub(crate) async fn refused(&self) {
        let mut full = self.full.subscribe();
        full.wait_for(|count| *count > 0).await.unwrap();
    }

    fn loses(&self, records: &[ProducerRecord]) -> bool {
        let mut lost = self.lost.lock().unwrap();
        let found = starts_with(records, lost.as_deref());
        if found {
            *lost = None;
        }
        found
    }

    async fn opened(&self) {
        let mut answers = self.answers.subscribe();
        if *answers.borrow_and_update() == Answers::Later {
            self.waiting.send_modify(|count| *count += 1);
        }
        let opened = answers.wait_for(|answers| *answers != Answers::Later);
        opened.await.unwrap();
    }
}

fn starts_with(records: &[ProducerRecord], start: Option<&str>) -> bool {
    let Some(start) = start else { return false };
    let mut keys = records.iter().filter_map(|record| record.key.as_ref());
    keys.any(|key| key.starts_with(start.as_bytes()))
}

fn away() -> LogError {
    LogError::Unavailable("the answer was lost".to_owned())
}

#[derive(Debug)]
struct GatedLog {
    inner: Arc<dyn Log>,
    gate: Arc<Gate>,
}

struct GatedProducer {
    inner: Arc<dyn Producer>,
    gate: Arc<Gate>,
}

#[async_trait]
impl Producer for GatedProducer {
    async fn append(&self, records: Vec<ProducerRecord>) -> Result<AppendReceipt, LogError> {
        let count = records.len();
        if *self.gate.answers.borrow() == Answers::Full {
            self.gate.full.send_modify(|count| *count += 1);
            let full = LogError::Full("the disk is full".to_owned());
            return Ok(async move { vec![Err(full); count] }.boxed());
        }
        if starts_with(&records, self.gate.refused.lock().unwrap().as_deref()) {
            return Err(LogError::Invalid("the record is too large".to_owned()));
        }
        if self.gate.fails(&records) {
            return Ok(async move { vec![Err(away()); count] }.boxed());
        }
        let lost = self.gate.loses(&records);
        let (inner, gate) = (Arc::clone(&self.inner), Arc::clone(&self.gate));
        // As with a broker's client: what is handed over is stored, whether or not anybody waits for it.
        let stored = self.gate.appends.spawn(async move {
            gate.opened().await;
            match inner.append(records).await {
                Ok(receipt) => receipt.await,
                Err(error) => vec![Err(error); count],
            }
        });
        Ok(async move {
            let results = stored.await.unwrap();
            if lost {
                vec![Err(away()); count]
            } else {
                results
            }
        }
        .boxed())
    }
    async fn flush(&self, timeout: Duration) -> Result<(), LogError> {
        self.inner.flush(timeout).await
    }
    async fn close(&self, grace: Duration) {
        self.inner.close(grace).await;
    }
}

#[async_trait]
impl Log for GatedLog {
    async fn cluster_id(&self) -> Result<String, LogError> {
        self.inner.cluster_id().await
    }
    async fn create_topic(&self, topic: &NewTopic) -> Result<TopicCreation, LogError> {
        self.inner.create_topic(topic).await
    }
    async fn describe_topic(&self, topic: &str) -> Result<Option<TopicDescription>, LogError> {
        self.inner.describe_topic(topic).await
    }
    async fn topic_settings(&self, topic: &str) -> Result<BTreeMap<String, String>, LogError> {
        self.inner.topic_settings(topic).await
    }
    async fn topics(&self) -> Result<Vec<Arc<str>>, LogError> {
        self.inner.topics().await
    }
    async fn delete_topic(&self, topic: &str) -> Result<(), LogError> {
        self.inner.delete_topic(topic).await
    }
    async fn offsets(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<HashMap<TopicPartition, (i64, i64)>, LogError> {
        self.gate.opened().await;
        self.inner.offsets(partitions).await
    }
    async fn producer(&self, config: &ClientConfig) -> Result<Arc<dyn Producer>, LogError> {
        Ok(Arc::new(GatedProducer {
            inner: self.inner.producer(config).await?,
            gate: Arc::clone(&self.gate),
        }))
    }
    async fn consumer(
        &self,
        config: &ClientConfig,
        subscription: Subscription,
    ) -> Result<Box<dyn Consumer>, LogError> {
        self.inner.consumer(config, subscription).await
    }
    async fn reader(
        &self,
        config: &ClientConfig,
        start: &[(TopicPartition, i64)],
    ) -> Result<Box<dyn Reader>, LogError> {
        self.inner.reader(config, start).await
    }
    async fn group_offsets(&self, group: &str) -> Result<BTreeMap<TopicPartition, i64>, LogError> {
        self.inner.group_offsets(group).await
    }
    async fn alter_group_offsets(
        &self,
        group: &str,
        offsets: &[(TopicPartition, Option<i64>)],
    ) -> Result<(), LogError> {
        self.inner.alter_group_offsets(group, offsets).await
    }
    async fn delete_group(&self, group: &str) -> Result<(), LogError> {
        self.inner.delete_group(group).await
    }
    async fn claim_group(
        &self,
        group: &str,
        member: &str,
        topic: &str,
        session_timeout: Duration,
    ) -> Result<GroupClaim, LogError> {
        self.inner
            .claim_group(group, member, topic, session_timeout)
            .await
    }
}
