//! A sink task: batches of the log become records for the plugin, and the group's offsets follow what it has written.
//!
//! Source: `org.apache.kafka.connect.runtime.WorkerSinkTask`.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use tidegate_api::connector::SinkTaskRequests;
use tidegate_api::{
    ConnectError, ErrantRecordReporter, SinkRecord, SinkTask, SinkTaskContext, TopicPartition,
};
use tidegate_log::{ConsumedRecord, Consumer, ConsumerEvent, LogError, Subscription};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::clients;
use crate::connector_config::{TOPICS, TOPICS_REGEX};
use crate::dead_letter::{DeadLetterQueue, Reporter};
use crate::environment::{TargetState, TaskEnvironment};
use crate::pipeline::Pipeline;
use crate::tolerance::{ErrorHandling, pause_for};

/// Longest wait for records; signals of the worker interrupt it.
const POLL_TIMEOUT: Duration = Duration::from_secs(1);
/// Between two attempts at a batch, unless the plugin asks for another time.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Next offset to read of each partition.
type Offsets = BTreeMap<TopicPartition, i64>;

/// Runs the task until it is to stop.
///
/// # Errors
/// What made it fail.
pub(crate) async fn run(
    environment: &mut TaskEnvironment,
    task: &mut dyn SinkTask,
    pipeline: Pipeline,
) -> Result<(), ConnectError> {
    let errors = ErrorHandling::new(environment.id.clone(), &environment.connector_props)?;
    let reporter = Arc::new(Reporter::new(
        errors,
        DeadLetterQueue::open(environment).await?,
    ));
    let requests = Arc::new(Requests::default());
    let context = SinkTaskContext {
        task: environment.id.clone(),
        requests: Arc::clone(&requests) as Arc<dyn SinkTaskRequests>,
        errant_record_reporter: reporter
            .is_active()
            .then(|| Arc::clone(&reporter) as Arc<dyn ErrantRecordReporter>),
    };
    let consumer = environment
        .log
        .consumer(&clients::consumer(environment), subscription(environment)?)
        .await?;
    task.start(context, environment.task_props.clone()).await?;
    environment.status.on_startup(&environment.id);
    let mut work = Work {
        environment,
        pipeline,
        reporter,
        requests,
        consumer,
        current: Offsets::new(),
        committed: Offsets::new(),
        commit: None,
        pending: None,
        paused: false,
        tracked: HashSet::new(),
    };
    let result = work.run(task).await;
    let result = match result {
        Ok(()) if !work.environment.cancel.is_cancelled() => work.close_all(task).await,
        other => other,
    };
    if let Err(error) = work.consumer.close().await {
        debug!("the consumer did not close cleanly: {error}");
    }
    result
}

fn subscription(environment: &TaskEnvironment) -> Result<Subscription, ConnectError> {
    let props = &environment.connector_props;
    let pattern = props.get(&TOPICS_REGEX)?;
    if !pattern.is_empty() {
        return Ok(Subscription::Pattern(pattern));
    }
    let mut topics: Vec<Arc<str>> = Vec::new();
    for topic in props
        .get(&TOPICS)?
        .into_iter()
        .filter(|topic| !topic.is_empty())
    {
        if !topics.iter().any(|known| **known == *topic) {
            topics.push(Arc::from(topic));
        }
    }
    if topics.is_empty() {
        return Err(ConnectError::config(
            "Must configure one of topics or topics.regex",
        ));
    }
    Ok(Subscription::Topics(topics))
}

/// What the plugin asked for since it was last looked at.
#[derive(Default)]
struct Requests {
    commit: AtomicBool,
    timeout: Mutex<Option<Duration>>,
    rewind: Mutex<Offsets>,
}

impl SinkTaskRequests for Requests {
    fn request_commit(&self) {
        self.commit.store(true, Ordering::Release);
    }
    fn set_timeout(&self, timeout: Duration) {
        *self.timeout.lock().expect("no holder panics") = Some(timeout);
    }
    fn rewind(&self, offsets: Offsets) {
        self.rewind
            .lock()
            .expect("no holder panics")
            .extend(offsets);
    }
}

/// A batch that the plugin has not taken yet, and the offsets behind it.
struct Batch {
    records: Vec<SinkRecord>,
    next: Offsets,
    retry_at: Instant,
    attempts: u32,
}

/// Offsets on their way to the group.
struct Commit {
    offsets: Offsets,
    done: BoxFuture<'static, Result<(), LogError>>,
}

struct Work<'a> {
    environment: &'a mut TaskEnvironment,
    pipeline: Pipeline,
    reporter: Arc<Reporter>,
    requests: Arc<Requests>,
    consumer: Box<dyn Consumer>,
    /// Behind what the plugin has taken.
    current: Offsets,
    committed: Offsets,
    commit: Option<Commit>,
    pending: Option<Batch>,
    paused: bool,
    tracked: HashSet<Arc<str>>,
}

impl Work<'_> {
    async fn run(&mut self, task: &mut dyn SinkTask) -> Result<(), ConnectError> {
        let interval = self.environment.settings.offset_flush_interval;
        let mut commit_at = Instant::now() + interval;
        loop {
            self.follow_target_state()?;
            if (Instant::now() >= commit_at || self.requests.commit.load(Ordering::Acquire))
                && self.commit.is_none()
            {
                self.requests.commit.store(false, Ordering::Release);
                self.begin_commit(task).await?;
                commit_at = Instant::now() + interval;
            }
            self.rewind().await?;
            let wake = match &self.pending {
                Some(batch) => batch.retry_at,
                None => Instant::now() + POLL_TIMEOUT,
            };
            let timeout = wake
                .min(commit_at)
                .saturating_duration_since(Instant::now());
            let committing = async {
                match &mut self.commit {
                    Some(commit) => (&mut commit.done).await,
                    None => std::future::pending().await,
                }
            };
            let event = tokio::select! {
                biased;
                () = self.environment.stop.cancelled() => return Ok(()),
                changed = self.environment.target_state.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    continue;
                }
                result = committing => {
                    self.end_commit(result);
                    continue;
                }
                event = self.consumer.poll(timeout) => event,
            };
            match event {
                Ok(event) => self.handle(event, task).await?,
                Err(error) if error.is_retriable() => {
                    warn!("{}: {error}; trying again", self.environment.id);
                    pause_for(RETRY_DELAY, &self.environment.stop).await;
                }
                Err(error) => return Err(ConnectError::from(error).context(UNRECOVERABLE)),
            }
        }
    }

    fn follow_target_state(&mut self) -> Result<(), ConnectError> {
        let wish = *self.environment.target_state.borrow_and_update();
        let pause = wish != TargetState::Started;
        if pause == self.paused {
            return Ok(());
        }
        self.paused = pause;
        if pause {
            self.consumer.pause(&self.assignment())?;
            self.requests.request_commit();
            self.environment.status.on_pause(&self.environment.id);
        } else {
            if self.pending.is_none() {
                self.consumer.resume(&self.assignment())?;
            }
            self.environment.status.on_resume(&self.environment.id);
        }
        Ok(())
    }

    fn assignment(&self) -> Vec<TopicPartition> {
        self.current.keys().cloned().collect()
    }

    async fn handle(
        &mut self,
        event: ConsumerEvent,
        task: &mut dyn SinkTask,
    ) -> Result<(), ConnectError> {
        match event {
            ConsumerEvent::Records(records) => {
                let batch = self.convert(records).await?;
                self.deliver(batch, task).await
            }
            ConsumerEvent::Idle => match self.pending.take() {
                Some(batch) if Instant::now() >= batch.retry_at => self.deliver(batch, task).await,
                Some(batch) => {
                    self.pending = Some(batch);
                    Ok(())
                }
                // Plugins that buffer by time count on empty batches.
                None => {
                    self.deliver(Batch::of(Vec::new(), Offsets::new()), task)
                        .await
                }
            },
            ConsumerEvent::Assigned(partitions) => {
                let names: Vec<_> = partitions
                    .iter()
                    .map(|(partition, _)| partition.clone())
                    .collect();
                for (partition, start) in partitions {
                    self.committed.insert(partition.clone(), start);
                    self.current.insert(partition, start);
                }
                task.open(&names)
                    .await
                    .map_err(|error| error.context(UNRECOVERABLE))?;
                if self.paused || self.pending.is_some() {
                    self.consumer.pause(&names)?;
                }
                info!("{} got partitions {}", self.environment.id, list(&names));
                Ok(())
            }
            ConsumerEvent::Revoked { partitions, done } => {
                let result = self.close(&partitions, task).await;
                drop(done);
                info!(
                    "{} gave back partitions {}",
                    self.environment.id,
                    list(&partitions)
                );
                result
            }
            ConsumerEvent::Lost(partitions) => {
                self.forget(&partitions);
                task.close(&partitions)
                    .await
                    .map_err(|error| error.context(UNRECOVERABLE))
            }
        }
    }

    async fn convert(&mut self, consumed: Vec<ConsumedRecord>) -> Result<Batch, ConnectError> {
        let mut records = Vec::with_capacity(consumed.len());
        let mut next = Offsets::new();
        let mut last: Option<(Arc<str>, i32, i64)> = None;
        for record in &consumed {
            match &mut last {
                Some((topic, partition, offset))
                    if *partition == record.partition && *topic == record.topic =>
                {
                    *offset = record.offset;
                }
                _ => {
                    if let Some((topic, partition, offset)) = last.take() {
                        next.insert(TopicPartition { topic, partition }, offset + 1);
                    }
                    last = Some((Arc::clone(&record.topic), record.partition, record.offset));
                    self.track(&record.topic);
                }
            }
            if let Some(converted) = self.convert_one(record).await? {
                records.push(converted);
            }
        }
        if let Some((topic, partition, offset)) = last {
            next.insert(TopicPartition { topic, partition }, offset + 1);
        }
        if self.reporter.is_active() {
            self.reporter.set_batch(consumed);
        }
        Ok(Batch::of(records, next))
    }

    async fn convert_one(
        &mut self,
        record: &ConsumedRecord,
    ) -> Result<Option<SinkRecord>, ConnectError> {
        let (started, mut attempt) = (Instant::now(), 0);
        loop {
            let failure = match self.pipeline.consume(record) {
                Ok(converted) => return Ok(converted),
                Err(failure) => failure,
            };
            attempt += 1;
            match self.reporter.retry_after(&failure.error, attempt, started) {
                Some(delay) if !self.environment.stop.is_cancelled() => {
                    pause_for(delay, &self.environment.stop).await;
                }
                _ => {
                    self.reporter
                        .failed(record, failure)
                        .await
                        .map_err(|error| {
                            error.context(format!(
                                "{} could not read the record at {}-{}@{}",
                                self.environment.id, record.topic, record.partition, record.offset
                            ))
                        })?;
                    return Ok(None);
                }
            }
        }
    }

    fn track(&mut self, topic: &Arc<str>) {
        if self.environment.settings.topic_tracking_enable && !self.tracked.contains(topic) {
            self.environment.topics.record(
                &self.environment.id.connector,
                self.environment.id.task,
                topic,
            );
            self.tracked.insert(Arc::clone(topic));
        }
    }

    async fn deliver(
        &mut self,
        mut batch: Batch,
        task: &mut dyn SinkTask,
    ) -> Result<(), ConnectError> {
        match task.put(&batch.records).await {
            Ok(()) => {
                for (partition, offset) in batch.next {
                    // A partition may have gone meanwhile.
                    if let Some(current) = self.current.get_mut(&partition) {
                        *current = offset;
                    }
                }
                if batch.attempts > 0 && !self.paused {
                    info!(
                        "{} wrote its batch at attempt {}",
                        self.environment.id,
                        batch.attempts + 1
                    );
                    self.consumer.resume(&self.assignment())?;
                }
                Ok(())
            }
            Err(error) if error.is_retriable() => {
                let delay = self
                    .requests
                    .timeout
                    .lock()
                    .expect("no holder panics")
                    .take()
                    .unwrap_or(RETRY_DELAY);
                if batch.attempts == 0 {
                    self.consumer.pause(&self.assignment())?;
                }
                batch.attempts += 1;
                warn!(
                    "{} could not write {} records, attempt {}: {}; trying again in {delay:?}",
                    self.environment.id,
                    batch.records.len(),
                    batch.attempts,
                    error.chain()
                );
                batch.retry_at = Instant::now() + delay;
                self.pending = Some(batch);
                Ok(())
            }
            Err(error) => Err(error.context(UNRECOVERABLE)),
        }
    }

    /// Goes back where the plugin asked for it.
    async fn rewind(&mut self) -> Result<(), ConnectError> {
        let wanted = std::mem::take(&mut *self.requests.rewind.lock().expect("no holder panics"));
        for (partition, offset) in wanted {
            if self.current.contains_key(&partition) {
                self.consumer.seek(&partition, offset).await?;
                self.current.insert(partition.clone(), offset);
                self.committed.insert(partition, offset);
            }
        }
        Ok(())
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
                warn!("{} ignores the offset {offset} of {partition}: it is ahead of what was delivered", self.environment.id);
                false
            }
            Some(_) => self.committed.get(partition) != Some(offset),
            None => false,
        });
        Ok(allowed)
    }

    async fn begin_commit(&mut self, task: &mut dyn SinkTask) -> Result<(), ConnectError> {
        match self.committable(self.current.clone(), task).await {
            Ok(offsets) if offsets.is_empty() => {}
            Ok(offsets) => {
                let done = self.consumer.commit(
                    offsets
                        .iter()
                        .map(|(partition, offset)| (partition.clone(), *offset))
                        .collect(),
                );
                self.commit = Some(Commit { offsets, done });
            }
            Err(error) => {
                warn!(
                    "{} offset commit failed, going back to the last committed offsets: {}",
                    self.environment.id,
                    error.chain()
                );
                self.pending = None;
                for (partition, offset) in self.committed.clone() {
                    self.consumer.seek(&partition, offset).await?;
                    self.current.insert(partition, offset);
                }
            }
        }
        Ok(())
    }

    fn end_commit(&mut self, result: Result<(), LogError>) {
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
    async fn close(
        &mut self,
        partitions: &[TopicPartition],
        task: &mut dyn SinkTask,
    ) -> Result<(), ConnectError> {
        let offsets = self
            .current
            .iter()
            .filter(|(partition, _)| partitions.contains(partition));
        let offsets = offsets
            .map(|(partition, offset)| (partition.clone(), *offset))
            .collect();
        let committable = self
            .committable(offsets, task)
            .await
            .unwrap_or_else(|error| {
                warn!(
                    "{} the last offsets are not committed: {}",
                    self.environment.id,
                    error.chain()
                );
                Offsets::new()
            });
        let closed = task.close(partitions).await;
        if !committable.is_empty() {
            let timeout = self.environment.settings.offset_flush_timeout;
            match tokio::time::timeout(
                timeout,
                self.consumer.commit(committable.into_iter().collect()),
            )
            .await
            {
                Ok(Ok(())) => {}
                Ok(Err(error)) => warn!(
                    "{} the last offsets were not committed: {error}",
                    self.environment.id
                ),
                Err(_) => warn!("{} Commit of offsets timed out", self.environment.id),
            }
        }
        self.forget(partitions);
        closed.map_err(|error| error.context(UNRECOVERABLE))
    }

    async fn close_all(&mut self, task: &mut dyn SinkTask) -> Result<(), ConnectError> {
        if let Some(commit) = self.commit.take() {
            // The commit that follows is newer; this one must only not overtake it.
            let timeout = self.environment.settings.offset_flush_timeout;
            drop(tokio::time::timeout(timeout, commit.done).await);
        }
        self.close(&self.assignment(), task).await
    }

    fn forget(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            self.current.remove(partition);
            self.committed.remove(partition);
        }
        let mut resume = false;
        if let Some(batch) = &mut self.pending {
            batch
                .next
                .retain(|partition, _| !partitions.contains(partition));
            batch
                .records
                .retain(|record| !partitions.contains(&record.original.topic_partition()));
            resume = batch.next.is_empty();
        }
        if resume {
            self.pending = None;
            if !self.paused
                && let Err(error) = self.consumer.resume(&self.assignment())
            {
                warn!("{}: {error}", self.environment.id);
            }
        }
    }
}

const UNRECOVERABLE: &str = "Exiting WorkerSinkTask due to unrecoverable exception.";

impl Batch {
    fn of(records: Vec<SinkRecord>, next: Offsets) -> Self {
        Self {
            records,
            next,
            retry_at: Instant::now(),
            attempts: 0,
        }
    }
}

fn list(partitions: &[TopicPartition]) -> String {
    partitions
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
