//! A topic read from beginning to end and then followed: how Connect keeps configurations, offsets and statuses.
//!
//! Source: `org.apache.kafka.connect.util.KafkaBasedLog`.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidegate_api::{TopicPartition, catch_panic};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, debug, error, info_span, warn};

use crate::error::LogError;
use crate::port::{
    AppendReceipt, ClientConfig, ConsumedRecord, Log, Producer, ProducerRecord, Reader,
};

/// How long one wait for records lasts at most; requests to read to the end interrupt it.
const POLL_TIMEOUT: Duration = Duration::from_secs(1);
/// Requests to read to the end that may wait at a time; further ones wait in turn.
const PENDING_REQUESTS: usize = 64;

/// Follows all partitions of a topic and hands every record to a callback, in order, on one task.
///
/// [`TopicLog::read_to_end`] returns once everything that was in the topic at the time of the call has been handed over.
pub struct TopicLog {
    topic: Arc<str>,
    producer: Arc<dyn Producer>,
    requests: mpsc::Sender<oneshot::Sender<Result<(), LogError>>>,
    stop: CancellationToken,
    tasks: TaskTracker,
    /// Why the topic is no longer followed, if its follower has panicked.
    failure: watch::Receiver<Option<String>>,
}

impl fmt::Debug for TopicLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopicLog")
            .field("topic", &self.topic)
            .finish_non_exhaustive()
    }
}

impl TopicLog {
    /// Opens the topic, which must exist, and reads it to its end before returning.
    pub async fn start(
        log: Arc<dyn Log>,
        topic: &str,
        producer_config: &ClientConfig,
        reader_config: &ClientConfig,
        mut on_record: impl FnMut(ConsumedRecord) + Send + 'static,
    ) -> Result<Self, LogError> {
        let description = log
            .describe_topic(topic)
            .await?
            .ok_or_else(|| LogError::NotFound(format!("topic '{topic}' does not exist")))?;
        let topic: Arc<str> = Arc::from(topic);
        let partitions: Vec<TopicPartition> = (0..description.partitions)
            .map(|p| TopicPartition::new(Arc::clone(&topic), p))
            .collect();
        let ends = log.offsets(&partitions).await?;
        let start: Vec<(TopicPartition, i64)> = partitions
            .iter()
            .map(|tp| (tp.clone(), ends.get(tp).map_or(0, |(first, _)| *first)))
            .collect();
        let mut reader = log.reader(reader_config, &start).await?;
        let producer = log.producer(producer_config).await?;
        read_until(reader.as_mut(), &ends, &mut on_record).await?;

        let (requests, inbox) = mpsc::channel(PENDING_REQUESTS);
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let follower = Follower {
            log,
            topic: Arc::clone(&topic),
            partitions,
            reader,
            inbox,
            stop: stop.clone(),
        };
        let span = info_span!("topic_log", topic = %topic);
        let (fail, failure) = watch::channel(None);
        let what = format!("the follower of topic '{topic}'");
        let follow = async move {
            if let Err(panic) = catch_panic(&what, follower.run(on_record)).await {
                error!("{panic}");
                fail.send_replace(Some(panic.text().to_owned()));
            }
        };
        tasks.spawn(follow.instrument(span));
        tasks.close();
        Ok(Self {
            topic,
            producer,
            requests,
            stop,
            tasks,
            failure,
        })
    }

    /// Resolves if the topic is no longer followed because `on_record` or the reader has panicked: what the callback
    /// keeps is then incomplete for good.
    pub async fn failed(&self) -> LogError {
        let mut failure = self.failure.clone();
        let failed = failure.wait_for(Option::is_some).await;
        let text = failed.ok().and_then(|text| text.clone());
        match text {
            Some(text) => LogError::Fatal(text),
            // It has ended in peace.
            None => std::future::pending().await,
        }
    }

    /// Appends one record; the receipt resolves when it is durable.
    pub async fn send(
        &self,
        key: Option<Bytes>,
        value: Option<Bytes>,
    ) -> Result<AppendReceipt, LogError> {
        self.producer
            .append(vec![ProducerRecord::new(
                Arc::clone(&self.topic),
                key,
                value,
            )])
            .await
    }

    /// Appends records and waits until all are durable.
    pub async fn send_all(
        &self,
        records: Vec<(Option<Bytes>, Option<Bytes>)>,
    ) -> Result<(), LogError> {
        let records = records
            .into_iter()
            .map(|(key, value)| ProducerRecord::new(Arc::clone(&self.topic), key, value))
            .collect();
        let results = self.producer.append(records).await?.await;
        results.into_iter().try_for_each(|result| result.map(drop))
    }

    /// Returns once every record that was in the topic when this was called has been handed to the callback.
    pub async fn read_to_end(&self) -> Result<(), LogError> {
        let stopped = || match &*self.failure.borrow() {
            Some(text) => LogError::Fatal(text.clone()),
            None => LogError::Unavailable(format!("topic '{}' is no longer followed", self.topic)),
        };
        let (answer, result) = oneshot::channel();
        self.requests.send(answer).await.map_err(|_| stopped())?;
        result.await.map_err(|_| stopped())?
    }

    /// Stops following the topic, also in the middle of a [`Self::read_to_end`], which then fails.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

impl Drop for TopicLog {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

struct Follower {
    log: Arc<dyn Log>,
    topic: Arc<str>,
    partitions: Vec<TopicPartition>,
    reader: Box<dyn Reader>,
    inbox: mpsc::Receiver<oneshot::Sender<Result<(), LogError>>>,
    stop: CancellationToken,
}

impl Follower {
    async fn run(mut self, mut on_record: impl FnMut(ConsumedRecord) + Send + 'static) {
        let stop = self.stop.clone();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                request = self.inbox.recv() => {
                    let Some(request) = request else { break };
                    let result = tokio::select! {
                        // A log that is away must not hold up the end.
                        () = stop.cancelled() => break,
                        result = self.read_to_end(&mut on_record) => result,
                    };
                    if request.send(result).is_err() {
                        debug!("whoever asked for the end of the topic is gone");
                    }
                }
                records = self.reader.poll(POLL_TIMEOUT) => match records {
                    Ok(records) => records.into_iter().for_each(&mut on_record),
                    Err(error) => {
                        warn!(%error, "could not read the topic; trying again");
                        if tokio::time::timeout(POLL_TIMEOUT, stop.cancelled()).await.is_ok() {
                            break;
                        }
                    }
                },
            }
        }
        debug!(topic = %self.topic, "no longer following the topic");
    }

    async fn read_to_end(
        &mut self,
        on_record: &mut impl FnMut(ConsumedRecord),
    ) -> Result<(), LogError> {
        let ends = self.log.offsets(&self.partitions).await?;
        read_until(self.reader.as_mut(), &ends, on_record).await
    }
}

/// Reads until every partition has reached its end in `ends`.
async fn read_until(
    reader: &mut dyn Reader,
    ends: &HashMap<TopicPartition, (i64, i64)>,
    on_record: &mut impl FnMut(ConsumedRecord),
) -> Result<(), LogError> {
    let behind = |reader: &dyn Reader| {
        ends.iter().any(|(partition, (first, end))| {
            end > first
                && reader
                    .position(partition)
                    .is_none_or(|position| position < *end)
        })
    };
    while behind(reader) {
        reader
            .poll(POLL_TIMEOUT)
            .await?
            .into_iter()
            .for_each(&mut *on_record);
    }
    Ok(())
}
