//! A source task: its records become batches of the log, and its offsets follow what the log has acknowledged.
//!
//! Batches go to the log one after the other without waiting for each other's acknowledgement. Their receipts are looked
//! at in the order of sending, so that the positions handed to the [`OffsetWriter`] always stand behind a prefix of the
//! source that is stored without a gap.
//!
//! Source: `org.apache.kafka.connect.runtime.{AbstractWorkerSourceTask,SubmittedRecords}`.

mod offset_writer;
#[cfg(test)]
mod tests;

use std::iter::repeat_with;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use futures::{FutureExt as _, StreamExt as _};
use tidegate_api::{
    ConnectError, OffsetFieldsMap, OffsetStorageReader, Record, SourceOffset, SourcePartition,
    SourceRecord, SourceTask, SourceTaskContext, TaskWaits,
};
use tidegate_log::{LogError, Producer, ProducerRecord, RecordMetadata};
use tokio::task::coop::consume_budget;
use tokio::time::Instant;
use tracing::{debug, warn};

use self::offset_writer::{OffsetWriter, Positions, advance};
use crate::backoff::Backoff;
use crate::client_settings;
use crate::environment::{OffsetBackingStore, TargetState, TaskEnvironment};
use crate::pipeline::{PRODUCER_CLASS, Pipeline};
use crate::producers::Producers;
use crate::record_text;
use crate::tolerance::{Attempts, ErrorHandling, Failure, Stage, pause_for, unless_stopped};
use crate::topic_creation::TopicCreation;
use crate::tracked_topics::TrackedTopics;
use crate::waiting::{Waiter, Waiting};

/// Bytes of records that the log has not acknowledged; more make the task wait.
const BYTES_IN_FLIGHT: usize = 4 * 1024 * 1024;
/// A batch is handed to the log in parts of about this size, which is what one request to a broker may carry.
const APPEND_BYTES: usize = 900 * 1000;
/// A log that acknowledges nothing for this long is waited for, and the status says so.
const STALLED: Duration = Duration::from_secs(10);
/// Before a source that is away is asked again.
const POLL_RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// Before a log that is away is asked again for a topic.
const TOPIC_RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// Records of a batch that are converted and wait for the log, each with its position.
#[derive(Default)]
struct Part {
    records: Vec<ProducerRecord>,
    topics: Vec<Arc<str>>,
    positions: Vec<(Arc<SourcePartition>, SourceOffset)>,
    bytes: usize,
}

/// A part on its way: what the log says of its records, and their positions, to be committed once they are stored.
struct Sent {
    results: Vec<Result<RecordMetadata, LogError>>,
    topics: Vec<Arc<str>>,
    positions: Vec<(Arc<SourcePartition>, SourceOffset)>,
    bytes: usize,
}

/// Runs the task until it is to stop.
///
/// # Errors
/// What made it fail.
pub(crate) async fn run(
    environment: &mut TaskEnvironment,
    task: &mut dyn SourceTask,
    pipeline: Pipeline,
    producers: &Producers,
) -> Result<(), ConnectError> {
    let errors = ErrorHandling::new(environment.id.clone(), &environment.connector_props)?;
    let topic_creation = TopicCreation::new(
        &environment.connector_props,
        environment.settings.topic_creation_enable,
    )?;
    if topic_creation.is_some() {
        client_settings::warn_about_admin_settings(environment);
    }
    let producer = producers.open(environment, "connector-producer").await?;
    let reader = stored_offsets(
        Arc::clone(&environment.id.connector),
        Arc::clone(&environment.offsets),
    );
    let waiting = Waiting::new(environment);
    let context = SourceTaskContext {
        task: environment.id.clone(),
        offset_reader: reader,
        waits: Arc::clone(&waiting) as Arc<dyn TaskWaits>,
    };
    task.start(context, environment.task_props.clone()).await?;
    environment.status.on_startup(&environment.id);
    let mut work = Work {
        offsets: OffsetWriter::new(environment),
        environment,
        pipeline,
        errors,
        topic_creation,
        producer,
        in_flight: FuturesOrdered::new(),
        bytes_in_flight: 0,
        progress: Instant::now(),
        waiting,
        tracked: TrackedTopics::default(),
    };
    let result = work.run(task).await;
    // Also after a failure: what the log has acknowledged need not be repeated.
    work.finish(task).await;
    result
}

struct Work<'a> {
    environment: &'a mut TaskEnvironment,
    pipeline: Pipeline,
    errors: ErrorHandling,
    topic_creation: Option<TopicCreation>,
    producer: Arc<dyn Producer>,
    in_flight: FuturesOrdered<BoxFuture<'static, Sent>>,
    bytes_in_flight: usize,
    /// When the log has last acknowledged something, or begun to be waited for.
    progress: Instant,
    waiting: Arc<Waiting>,
    offsets: OffsetWriter,
    tracked: TrackedTopics,
}

impl Work<'_> {
    async fn run(&mut self, task: &mut dyn SourceTask) -> Result<(), ConnectError> {
        let interval = self.environment.settings.offset_flush_interval;
        let flush_timer = tokio::time::sleep(interval);
        tokio::pin!(flush_timer);
        let mut paused = false;
        let mut backoff = Backoff::new(POLL_RETRY.0, POLL_RETRY.1);
        let mut poll_again: Option<Instant> = None;
        loop {
            let wish = *self.environment.target_state.borrow_and_update();
            if (wish != TargetState::Started) != paused {
                paused = !paused;
                self.waiting.set_paused(paused);
            }
            let may_poll =
                !paused && poll_again.is_none() && self.bytes_in_flight < BYTES_IN_FLIGHT;
            let is_flushing = self.offsets.is_flushing();
            tokio::select! {
                biased;
                () = self.environment.stop.cancelled() => return Ok(()),
                Some(sent) = next_sent(&mut self.in_flight, self.progress, &self.waiting) => {
                    self.acknowledged(sent)?;
                }
                result = self.offsets.flushed(), if is_flushing => {
                    self.flushed(result, task).await;
                    flush_timer.as_mut().reset(Instant::now() + interval);
                }
                () = &mut flush_timer, if !is_flushing => {
                    if !self.offsets.begin() {
                        self.committed(&Positions::new(), task).await;
                        flush_timer.as_mut().reset(Instant::now() + interval);
                    }
                }
                changed = self.environment.target_state.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                }
                () = sleep_until(poll_again), if poll_again.is_some() => poll_again = None,
                batch = task.poll(), if may_poll => match batch {
                    Ok(batch) => {
                        backoff.reset();
                        self.waiting.end(Waiter::Poll);
                        self.send(batch).await?;
                    }
                    Err(error) if error.is_retriable() => {
                        let delay = backoff.next_delay();
                        let wait = backoff.wait(delay);
                        warn!("{}: {}; {wait}", self.environment.id, error.chain());
                        self.waiting.begin(Waiter::Poll, error);
                        poll_again = Some(Instant::now() + delay);
                    }
                    Err(error) => return Err(error),
                },
            }
        }
    }

    /// Converts a batch and hands it to the log. Records before one that fails the task are stored all the same.
    async fn send(&mut self, batch: Vec<SourceRecord>) -> Result<(), ConnectError> {
        let mut part = Part::default();
        part.records.reserve(batch.len());
        part.positions.reserve(batch.len());
        let prepared = self.prepare(batch, &mut part).await;
        let appended = if part.records.is_empty() {
            Ok(())
        } else {
            self.append(part).await
        };
        prepared.and(appended)
    }

    /// Converts a batch. What is left in `part` is to be handed to the log, also after an error.
    async fn prepare(
        &mut self,
        batch: Vec<SourceRecord>,
        part: &mut Part,
    ) -> Result<(), ConnectError> {
        for source in batch {
            // Other tasks of this thread get their turn.
            consume_budget().await;
            let SourceRecord {
                record,
                source_partition,
                source_offset,
            } = source;
            let converted = self.convert(record, &source_partition, &source_offset);
            let Some(record) = converted.await? else {
                continue;
            };
            if part.topics.last() != Some(&record.topic) && !part.topics.contains(&record.topic) {
                if !self.ensure_topic(&record.topic).await? {
                    return Ok(());
                }
                part.topics.push(Arc::clone(&record.topic));
            }
            part.bytes += record.size() + size_of::<ProducerRecord>();
            part.records.push(record);
            part.positions.push((source_partition, source_offset));
            if part.bytes >= APPEND_BYTES {
                self.append(std::mem::take(part)).await?;
            }
        }
        Ok(())
    }

    /// `None` if the record was dropped or its failure tolerated.
    async fn convert(
        &mut self,
        record: Record,
        partition: &SourcePartition,
        offset: &SourceOffset,
    ) -> Result<Option<ProducerRecord>, ConnectError> {
        // A copy is needed only where another attempt or the record's text may follow.
        let copy = self.errors.needs_records().then(|| record.clone());
        let topic = Arc::clone(&record.topic);
        let converted = match self.transform(record, copy.as_ref()).await {
            Ok(None) => return Ok(None),
            Ok(Some(record)) => self.serialize(&record).await?,
            Err(failure) => Err(failure),
        };
        let failure = match converted {
            Ok(converted) => return Ok(Some(converted)),
            Err(failure) => failure,
        };
        self.errors.report(&failure, || {
            let text = copy
                .as_ref()
                .map(|record| record_text::source_record(record, partition, offset));
            format!(", where source record is = {}", text.unwrap_or_default())
        });
        self.errors.tolerate(failure, || {
            format!(
                "the record for topic '{topic}' at {} of {}",
                record_text::fields(&offset.fields()),
                record_text::fields(&partition.0)
            )
        })?;
        Ok(None)
    }

    /// The record after all transformations, `None` if one dropped it. Another attempt begins with the copy.
    async fn transform(
        &mut self,
        record: Record,
        copy: Option<&Record>,
    ) -> Result<Option<Record>, Failure> {
        let (mut attempts, mut next) = (Attempts::default(), record);
        loop {
            let failure = match self.pipeline.transform(next) {
                Ok(transformed) => return Ok(transformed),
                Err(failure) => failure,
            };
            let Some(copy) = copy else {
                return Err(failure);
            };
            let (error, stop) = (&failure.error, &self.environment.stop);
            if !self.errors.wait_for_retry(error, &mut attempts, stop).await {
                return Err(failure);
            }
            next = copy.clone();
        }
    }

    /// The record as the log is given it. What its converters need is got first.
    ///
    /// # Errors
    /// If the task is to stop before they have it.
    async fn serialize(
        &mut self,
        record: &Record,
    ) -> Result<Result<ProducerRecord, Failure>, ConnectError> {
        let (mut attempts, stop) = (Attempts::default(), &self.environment.stop);
        loop {
            let prepared = if self.pipeline.needs_preparation() {
                attempts.begin();
                unless_stopped(stop, self.pipeline.prepare(record)).await?
            } else {
                Ok(())
            };
            let failure = match prepared.and_then(|()| self.pipeline.serialize(record)) {
                Ok(serialized) => return Ok(Ok(serialized)),
                Err(failure) => failure,
            };
            let error = &failure.error;
            if !self.errors.wait_for_retry(error, &mut attempts, stop).await {
                return Ok(Err(failure));
            }
        }
    }

    /// Creates the topic if that is this connector's business. False if the task is to stop before the log answers.
    async fn ensure_topic(&mut self, topic: &Arc<str>) -> Result<bool, ConnectError> {
        let Some(creation) = &mut self.topic_creation else {
            return Ok(true);
        };
        let mut backoff = Backoff::new(TOPIC_RETRY.0, TOPIC_RETRY.1);
        loop {
            match creation.ensure(&*self.environment.log, topic).await {
                Ok(()) => {
                    if self.in_flight.is_empty() {
                        self.waiting.end(Waiter::Log);
                    }
                    return Ok(true);
                }
                Err(error) if error.is_retriable() => {
                    let delay = backoff.next_delay();
                    let wait = backoff.wait(delay);
                    warn!("{}: {}; {wait}", self.environment.id, error.chain());
                    self.waiting.begin(Waiter::Log, error);
                    pause_for(delay, &self.environment.stop).await;
                    if self.environment.stop.is_cancelled() {
                        return Ok(false);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until there is room.
    async fn append(&mut self, part: Part) -> Result<(), ConnectError> {
        while self.bytes_in_flight + part.bytes > BYTES_IN_FLIGHT
            && let Some(sent) = next_sent(&mut self.in_flight, self.progress, &self.waiting).await
        {
            self.acknowledged(sent)?;
        }
        if self.in_flight.is_empty() {
            self.progress = Instant::now();
        }
        let receipt = self.producer.append(part.records).await.map_err(|error| {
            ConnectError::from(error).context("Unrecoverable exception trying to send")
        })?;
        let (topics, positions, bytes) = (part.topics, part.positions, part.bytes);
        self.bytes_in_flight += bytes;
        self.in_flight.push_back(
            async move {
                Sent {
                    results: receipt.await,
                    topics,
                    positions,
                    bytes,
                }
            }
            .boxed(),
        );
        Ok(())
    }

    /// Takes note of a part's end.
    ///
    /// # Errors
    /// The first failure that is not tolerated. Positions before it are committed, none behind it ever are.
    fn acknowledged(&mut self, sent: Sent) -> Result<(), ConnectError> {
        self.bytes_in_flight -= sent.bytes;
        self.progress = Instant::now();
        self.waiting.end(Waiter::Log);
        let missing = || Err(LogError::Fatal("the log has not answered".to_owned()));
        let results = sent.results.into_iter().chain(repeat_with(missing));
        let mut stored = Positions::new();
        for (result, (partition, offset)) in results.zip(sent.positions) {
            if let Err(error) = result
                && let Err(error) = self.not_stored(error, &partition, &offset)
            {
                self.in_flight = FuturesOrdered::new();
                self.offsets.acknowledged(stored);
                return Err(error);
            }
            advance(&mut stored, partition, offset);
        }
        for topic in &sent.topics {
            self.tracked.track(self.environment, topic);
        }
        self.offsets.acknowledged(stored);
        Ok(())
    }

    /// `Ok` if the record may be passed over.
    fn not_stored(
        &self,
        error: LogError,
        partition: &SourcePartition,
        offset: &SourceOffset,
    ) -> Result<(), ConnectError> {
        // Tolerance is for records that can never be stored, not for a log that cannot store any.
        let may_pass = self.errors.tolerate_all && error.is_of_record();
        let failure = Failure {
            stage: Stage::KafkaProduce,
            class: PRODUCER_CLASS,
            error: error.into(),
        };
        let place = || {
            format!(
                "the record at {} of {}",
                record_text::fields(&offset.fields()),
                record_text::fields(&partition.0)
            )
        };
        self.errors
            .report(&failure, || format!(", where source record is {}", place()));
        if may_pass {
            return Ok(());
        }
        Err(failure
            .error
            .context(format!("{} was not stored", place()))
            .context("Unrecoverable exception from producer send callback"))
    }

    async fn flushed(
        &mut self,
        result: Result<Positions, ConnectError>,
        task: &mut dyn SourceTask,
    ) {
        match result {
            Ok(positions) => self.committed(&positions, task).await,
            Err(error) => warn!(
                "{} Failed to flush offsets to storage: {}",
                self.environment.id,
                error.chain()
            ),
        }
    }

    async fn committed(&mut self, positions: &Positions, task: &mut dyn SourceTask) {
        if let Err(error) = task.commit(positions).await {
            warn!(
                "{} the task could not take note of committed offsets: {}",
                self.environment.id,
                error.chain()
            );
        }
    }

    /// Waits for what is under way and stores the last offsets.
    async fn finish(&mut self, task: &mut dyn SourceTask) {
        let deadline = Instant::now() + self.environment.settings.offset_flush_timeout;
        let outstanding = async {
            while let Some(sent) = self.in_flight.next().await {
                self.acknowledged(sent)?;
            }
            Ok::<_, ConnectError>(())
        };
        match tokio::time::timeout_at(deadline, outstanding).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!("a record sent last was refused: {}", error.chain()),
            Err(_) => warn!(
                "{} not all records were acknowledged in time; they will be sent again",
                self.environment.id
            ),
        }
        // A flush that is under way first, then what came after it.
        for _ in 0..2 {
            if !self.offsets.begin() {
                break;
            }
            let result = self.offsets.flushed().await;
            self.flushed(result, task).await;
        }
    }
}

/// The next part that has an end; `None` if none is on its way. Says so if that takes long. Cancel-safe.
async fn next_sent(
    in_flight: &mut FuturesOrdered<BoxFuture<'static, Sent>>,
    progress: Instant,
    waiting: &Waiting,
) -> Option<Sent> {
    if !in_flight.is_empty() && !waiting.is_waiting(Waiter::Log) {
        if let Ok(sent) = tokio::time::timeout_at(progress + STALLED, in_flight.next()).await {
            return sent;
        }
        waiting.begin(
            Waiter::Log,
            ConnectError::retriable(format!(
                "the log (bootstrap.servers) has acknowledged no record for {STALLED:?}; {} batches are on their way",
                in_flight.len()
            )),
        );
    }
    in_flight.next().await
}

/// For ever without an instant.
async fn sleep_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// A connector's stored offsets as plugins see them.
pub fn stored_offsets(
    connector: Arc<str>,
    store: Arc<dyn OffsetBackingStore>,
) -> Arc<dyn OffsetStorageReader> {
    Arc::new(StoredOffsets { connector, store })
}

struct StoredOffsets {
    connector: Arc<str>,
    store: Arc<dyn OffsetBackingStore>,
}

#[async_trait]
impl OffsetStorageReader for StoredOffsets {
    async fn offsets(
        &self,
        partitions: &[SourcePartition],
    ) -> Result<Vec<Option<OffsetFieldsMap>>, ConnectError> {
        self.store.get(&self.connector, partitions).await
    }
}
