//! A sink task: batches of the log become records for the plugin, and the group's offsets follow what it has written.
//! While the plugin writes a batch, and mostly waits for its database, the next one is fetched and converted.
//!
//! Source: `org.apache.kafka.connect.runtime.WorkerSinkTask`.

mod batch;
mod commits;
mod requests;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tidegate_api::connector::SinkTaskRequests;
use tidegate_api::{
    ConnectError, ErrantRecordReporter, SinkRecord, SinkTask, SinkTaskContext, TopicPartition,
};
use tidegate_log::{ConsumedRecord, Consumer, ConsumerEvent, LogError, Subscription};
use tokio::sync::oneshot;
use tokio::task::coop::consume_budget;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use self::batch::Batch;
use self::commits::Commit;
use self::requests::Requests;
use crate::backoff::Backoff;
use crate::client_settings;
use crate::connector_config::{TOPICS, TOPICS_REGEX};
use crate::converters::Converters;
use crate::dead_letter::{DeadLetterQueue, Reporter};
use crate::environment::{TargetState, TaskEnvironment};
use crate::pipeline::Pipeline;
use crate::producers::Producers;
use crate::tolerance::{Attempts, ErrorHandling, pause_for, unless_stopped};
use crate::tracked_topics::TrackedTopics;
use crate::waiting::{Waiter, Waiting};

/// Longest wait for records; signals of the worker interrupt it.
const POLL_TIMEOUT: Duration = Duration::from_secs(1);
/// Between two attempts at a batch, unless the plugin asks for another time, and at a log that is away.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

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
    producers: &Producers,
) -> Result<(), ConnectError> {
    let errors = ErrorHandling::new(environment.id.clone(), &environment.connector_props)?;
    let reporter = Arc::new(Reporter::new(
        errors,
        DeadLetterQueue::open(environment, producers).await?,
        Converters::new(
            &environment.connector_props,
            &environment.settings.worker_props,
            &environment.plugins,
        )?,
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
        .consumer(
            &client_settings::consumer(environment),
            subscription(environment)?,
        )
        .await?;
    task.start(context, environment.task_props.clone()).await?;
    environment.status.on_startup(&environment.id);
    let mut work = Work {
        waiting: Waiting::new(environment),
        environment,
        pipeline,
        reporter,
        requests,
        consumer,
        current: Offsets::new(),
        committed: Offsets::new(),
        commit: None,
        pending: None,
        ahead: None,
        paused: false,
        log_backoff: Backoff::new(RETRY.0, RETRY.1),
        tracked: TrackedTopics::default(),
    };
    let result = work.run(task).await;
    // Also after a failure: what the plugin has taken need not be repeated.
    let closed = work.close_all(task).await;
    if let (Err(_), Err(error)) = (&result, &closed) {
        warn!("{}: {}", work.environment.id, error.chain());
    }
    if let Err(error) = work.consumer.close().await {
        debug!("the consumer did not close cleanly: {error}");
    }
    result.and(closed)
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

/// What the log had, ready to be acted upon in its turn.
enum Next {
    Batch(Batch),
    Idle,
    Assigned(Vec<(TopicPartition, i64)>),
    Revoked {
        partitions: Vec<TopicPartition>,
        done: oneshot::Sender<()>,
    },
    Lost(Vec<TopicPartition>),
    /// The log did not answer.
    Trouble(LogError),
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
    /// Waits to be written again; all partitions are paused meanwhile.
    pending: Option<Batch>,
    /// Came while the plugin wrote.
    ahead: Option<Result<Next, ConnectError>>,
    paused: bool,
    waiting: Arc<Waiting>,
    log_backoff: Backoff,
    tracked: TrackedTopics,
}

impl Work<'_> {
    async fn run(&mut self, task: &mut dyn SinkTask) -> Result<(), ConnectError> {
        let interval = self.environment.settings.offset_flush_interval;
        let mut commit_at = Instant::now() + interval;
        loop {
            if self.environment.stop.is_cancelled() {
                return Ok(());
            }
            self.follow_target_state()?;
            if (Instant::now() >= commit_at || self.requests.wants_commit())
                && self.commit.is_none()
            {
                self.requests.commit_begins();
                self.begin_commit(task).await?;
                commit_at = Instant::now() + interval;
            }
            self.rewind().await?;
            if let Some(next) = self.ahead.take() {
                if self.commit.is_some()
                    && let Some(result) = Commit::done(&mut self.commit).now_or_never()
                {
                    self.end_commit(result);
                }
                self.act(next?, task).await?;
                continue;
            }
            let is_committing = self.commit.is_some();
            let mut wake = match &self.pending {
                Some(batch) => batch.retry_at,
                None => Instant::now() + POLL_TIMEOUT,
            };
            // The next commit waits for the end of one that is under way.
            if !is_committing {
                wake = wake.min(commit_at);
            }
            let timeout = wake.saturating_duration_since(Instant::now());
            let event = tokio::select! {
                biased;
                () = self.environment.stop.cancelled() => return Ok(()),
                changed = self.environment.target_state.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    continue;
                }
                result = Commit::done(&mut self.commit), if is_committing => {
                    self.end_commit(result);
                    continue;
                }
                event = self.consumer.poll(timeout) => event,
            };
            let next = self.prepare(event).await?;
            self.act(next, task).await?;
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
        } else {
            self.resume()?;
        }
        self.waiting.set_paused(pause);
        Ok(())
    }

    /// Lets records come again, unless a person or a batch that waits says otherwise.
    fn resume(&mut self) -> Result<(), ConnectError> {
        if !self.paused && self.pending.is_none() {
            self.consumer.resume(&self.assignment())?;
        }
        Ok(())
    }

    /// No batch waits to be written again any more.
    fn end_wait(&mut self) -> Result<(), ConnectError> {
        self.waiting.end(Waiter::Batch);
        self.resume()
    }

    fn assignment(&self) -> Vec<TopicPartition> {
        self.current.keys().cloned().collect()
    }

    /// Converts records; everything else waits for its turn as it is.
    async fn prepare(
        &mut self,
        event: Result<ConsumerEvent, LogError>,
    ) -> Result<Next, ConnectError> {
        Ok(match event {
            Ok(ConsumerEvent::Records(records)) => Next::Batch(self.convert(records).await?),
            Ok(ConsumerEvent::Idle) => Next::Idle,
            Ok(ConsumerEvent::Assigned(partitions)) => Next::Assigned(partitions),
            Ok(ConsumerEvent::Revoked { partitions, done }) => Next::Revoked { partitions, done },
            Ok(ConsumerEvent::Lost(partitions)) => Next::Lost(partitions),
            Err(error) => Next::Trouble(error),
        })
    }

    async fn act(&mut self, next: Next, task: &mut dyn SinkTask) -> Result<(), ConnectError> {
        if !matches!(next, Next::Trouble(_)) {
            self.log_backoff.reset();
        }
        match next {
            Next::Batch(batch) => match self.pending.take() {
                // Fetched before the pause took effect: they come behind what waits.
                Some(mut pending) => {
                    pending.append(batch);
                    self.deliver_again(pending, task).await
                }
                None => self.deliver(batch, task).await,
            },
            Next::Idle => match self.pending.take() {
                Some(pending) => self.deliver_again(pending, task).await,
                // Plugins that buffer by time count on empty batches.
                None => {
                    let nothing = Batch::of(Vec::new(), Vec::new(), Offsets::new());
                    self.deliver(nothing, task).await
                }
            },
            Next::Assigned(partitions) => self.open(partitions, task).await,
            Next::Revoked { partitions, done } => {
                let result = self.close(&partitions, task).await;
                drop(done);
                info!(
                    "{} gave back partitions {}",
                    self.environment.id,
                    list(&partitions)
                );
                result
            }
            Next::Lost(partitions) => {
                self.forget(&partitions)?;
                task.close(&partitions).await
            }
            Next::Trouble(error) if error.is_retriable() => {
                let delay = self.log_backoff.next_delay();
                let wait = self.log_backoff.wait(delay);
                warn!("{}: {error}; {wait}", self.environment.id);
                pause_for(delay, &self.environment.stop).await;
                Ok(())
            }
            Next::Trouble(error) => Err(error.into()),
        }
    }

    async fn open(
        &mut self,
        partitions: Vec<(TopicPartition, i64)>,
        task: &mut dyn SinkTask,
    ) -> Result<(), ConnectError> {
        let names: Vec<_> = partitions
            .iter()
            .map(|(partition, _)| partition.clone())
            .collect();
        for (partition, start) in partitions {
            self.committed.insert(partition.clone(), start);
            self.current.insert(partition, start);
        }
        task.open(&names).await?;
        if self.paused || self.pending.is_some() {
            self.consumer.pause(&names)?;
        }
        info!("{} got partitions {}", self.environment.id, list(&names));
        Ok(())
    }

    async fn convert(&mut self, consumed: Vec<ConsumedRecord>) -> Result<Batch, ConnectError> {
        let mut records = Vec::with_capacity(consumed.len());
        let mut next = Offsets::new();
        let mut last: Option<(Arc<str>, i32, i64)> = None;
        for record in &consumed {
            // Other tasks of this thread get their turn.
            consume_budget().await;
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
                    self.tracked.track(self.environment, &record.topic);
                }
            }
            if let Some(converted) = self.convert_one(record).await? {
                records.push(converted);
            }
        }
        if let Some((topic, partition, offset)) = last {
            next.insert(TopicPartition { topic, partition }, offset + 1);
        }
        let consumed = if self.reporter.is_active() {
            consumed
        } else {
            Vec::new()
        };
        Ok(Batch::of(records, consumed, next))
    }

    async fn convert_one(
        &mut self,
        record: &ConsumedRecord,
    ) -> Result<Option<SinkRecord>, ConnectError> {
        let (mut attempts, stop) = (Attempts::default(), &self.environment.stop);
        loop {
            let prepared = if self.pipeline.needs_preparation() {
                attempts.begin();
                unless_stopped(stop, self.pipeline.prepare_read(record)).await?
            } else {
                Ok(())
            };
            let failure = match prepared.and_then(|()| self.pipeline.consume(record)) {
                Ok(converted) => return Ok(converted),
                Err(failure) => failure,
            };
            let reporter = &self.reporter;
            let again = reporter
                .errors()
                .wait_for_retry(&failure.error, &mut attempts, stop);
            if !again.await {
                reporter.failed(record, failure).await?;
                return Ok(None);
            }
        }
    }

    /// Once its time has come.
    async fn deliver_again(
        &mut self,
        batch: Batch,
        task: &mut dyn SinkTask,
    ) -> Result<(), ConnectError> {
        if Instant::now() >= batch.retry_at {
            return self.deliver(batch, task).await;
        }
        self.pending = Some(batch);
        Ok(())
    }

    async fn deliver(
        &mut self,
        mut batch: Batch,
        task: &mut dyn SinkTask,
    ) -> Result<(), ConnectError> {
        if !batch.consumed.is_empty() {
            self.reporter.set_batch(std::mem::take(&mut batch.consumed));
        }
        let written = match self.write(&batch.records, task).await {
            // A plugin may have swallowed that one of its records was refused.
            Ok(()) => self.reporter.refusal().map_or(Ok(()), Err),
            Err(error) => Err(error),
        };
        match written {
            Ok(()) => {
                for (partition, offset) in batch.next {
                    // A partition may have gone meanwhile.
                    if let Some(current) = self.current.get_mut(&partition) {
                        *current = offset;
                    }
                }
                if batch.attempts > 0 {
                    info!(
                        "{} wrote its batch at attempt {}",
                        self.environment.id,
                        batch.attempts + 1
                    );
                    self.end_wait()?;
                }
                Ok(())
            }
            Err(error) if error.is_retriable() => {
                let delay = self
                    .requests
                    .take_timeout()
                    .unwrap_or_else(|| batch.backoff.next_delay());
                if batch.attempts == 0 {
                    self.consumer.pause(&self.assignment())?;
                }
                batch.attempts += 1;
                // Without the number of the attempt, which would make each a line of its own.
                warn!(
                    "{} could not write {} records: {}; {}",
                    self.environment.id,
                    batch.records.len(),
                    error.chain(),
                    batch.backoff.wait(delay)
                );
                self.waiting.begin(Waiter::Batch, error);
                batch.retry_at = Instant::now() + delay;
                batch.consumed = self.reporter.take_batch();
                self.pending = Some(batch);
                Ok(())
            }
            Err(error) => Err(error.context(UNRECOVERABLE)),
        }
    }

    /// Hands records to the plugin, and looks ahead until it has written them.
    async fn write(
        &mut self,
        records: &[SinkRecord],
        task: &mut dyn SinkTask,
    ) -> Result<(), ConnectError> {
        let mut put = task.put(records);
        if records.is_empty() || self.ahead.is_some() {
            return put.await;
        }
        let event = tokio::select! {
            biased;
            written = &mut put => return written,
            event = self.consumer.poll(POLL_TIMEOUT) => event,
        };
        // What was polled must not get lost: it is prepared to the end.
        let (written, ahead) = tokio::join!(biased; put, self.prepare(event));
        self.ahead = Some(ahead);
        written
    }

    /// Goes where the plugin asked for.
    async fn rewind(&mut self) -> Result<(), ConnectError> {
        for (partition, offset) in self.requests.take_rewind() {
            if let Some(Ok(Next::Batch(ahead))) = &mut self.ahead {
                ahead.remove(&partition);
            }
            if self.current.contains_key(&partition) {
                self.consumer.seek(&partition, offset).await?;
                self.current.insert(partition.clone(), offset);
                self.committed.insert(partition, offset);
            }
        }
        Ok(())
    }
}

/// First line of the trace of a sink whose `put` has failed.
const UNRECOVERABLE: &str = "Exiting WorkerSinkTask due to unrecoverable exception.";

fn list(partitions: &[TopicPartition]) -> String {
    partitions
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
