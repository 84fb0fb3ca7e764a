//! A source task: its records become batches of the log, and its offsets follow what the log has acknowledged.
//!
//! Source: `org.apache.kafka.connect.runtime.{AbstractWorkerSourceTask,SubmittedRecords,SourceTaskOffsetCommitter}`.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::BytesMut;
use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use futures::{FutureExt as _, StreamExt as _};
use tidegate_api::{
    ConnectError, OffsetFieldsMap, OffsetStorageReader, Record, SourceOffset, SourcePartition,
    SourceRecord, SourceTask, SourceTaskContext,
};
use tidegate_log::{LogError, Producer, RecordMetadata};
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::clients;
use crate::environment::{OffsetBackingStore, TargetState, TaskEnvironment};
use crate::pipeline::Pipeline;
use crate::tolerance::{ErrorHandling, Failure, Stage, pause_for};
use crate::topic_creation::TopicCreation;

/// Bytes of records that the log has not acknowledged; more make the task wait.
const BYTES_IN_FLIGHT: usize = 16 * 1024 * 1024;
/// A batch is handed to the log in parts of about this size.
const APPEND_BYTES: usize = 1024 * 1024;
/// Space reserved at a time for converted records.
const BUFFER_BYTES: usize = 256 * 1024;

/// Positions by source partition, the last one counts. There are seldom more than a few.
type Positions = Vec<(Arc<SourcePartition>, SourceOffset)>;

fn advance(positions: &mut Positions, partition: &Arc<SourcePartition>, offset: SourceOffset) {
    let same = |known: &Arc<SourcePartition>| Arc::ptr_eq(known, partition) || known == partition;
    // The last one added is the most likely one.
    match positions.iter_mut().rev().find(|(known, _)| same(known)) {
        Some(entry) => entry.1 = offset,
        None => positions.push((Arc::clone(partition), offset)),
    }
}

/// A part of a batch on its way: what the log says of it, and the positions to commit once it is stored.
struct Sent {
    results: Vec<Result<RecordMetadata, LogError>>,
    topics: Vec<Arc<str>>,
    positions: Positions,
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
) -> Result<(), ConnectError> {
    let errors = ErrorHandling::new(environment.id.clone(), &environment.connector_props)?;
    let topic_creation = TopicCreation::new(
        &environment.connector_props,
        environment.settings.topic_creation_enable,
    )?;
    let producer = environment
        .log
        .producer(&clients::producer(environment, "connector-producer"))
        .await?;
    let reader = Arc::new(Offsets {
        connector: Arc::clone(&environment.id.connector),
        store: Arc::clone(&environment.offsets),
    });
    let context = SourceTaskContext {
        task: environment.id.clone(),
        offset_reader: reader,
    };
    task.start(context, environment.task_props.clone()).await?;
    environment.status.on_startup(&environment.id);
    let mut work = Work {
        environment,
        pipeline,
        errors,
        topic_creation,
        producer,
        in_flight: FuturesOrdered::new(),
        bytes_in_flight: 0,
        committable: Vec::new(),
        flush: None,
        tracked: HashSet::new(),
        buffer: BytesMut::new(),
    };
    let result = work.run(task).await;
    // Also after a failure: what the log has acknowledged need not be repeated.
    if !work.environment.cancel.is_cancelled() {
        work.finish(task).await;
    }
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
    /// Acknowledged, not yet stored.
    committable: Positions,
    flush: Option<Flush>,
    tracked: HashSet<Arc<str>>,
    buffer: BytesMut,
}

/// Offsets on their way into the store.
struct Flush {
    positions: Positions,
    done: BoxFuture<'static, Result<(), ConnectError>>,
}

impl Work<'_> {
    async fn run(&mut self, task: &mut dyn SourceTask) -> Result<(), ConnectError> {
        let interval = self.environment.settings.offset_flush_interval;
        let mut flush_at = Instant::now() + interval;
        let mut paused = false;
        loop {
            let wish = *self.environment.target_state.borrow_and_update();
            if (wish != TargetState::Started) != paused {
                paused = !paused;
                let status = &self.environment.status;
                if paused {
                    status.on_pause(&self.environment.id);
                } else {
                    status.on_resume(&self.environment.id);
                }
            }
            let may_poll = !paused && self.bytes_in_flight < BYTES_IN_FLIGHT;
            let idle = self.flush.is_none();
            let flushing = async {
                match &mut self.flush {
                    Some(flush) => (&mut flush.done).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.environment.stop.cancelled() => return Ok(()),
                Some(sent) = self.in_flight.next() => self.acknowledged(sent)?,
                result = flushing => {
                    self.flushed(result, task).await;
                    flush_at = Instant::now() + interval;
                }
                () = tokio::time::sleep_until(flush_at), if idle => {
                    self.begin_flush();
                    if self.flush.is_none() {
                        flush_at = Instant::now() + interval;
                        self.committed(&Vec::new(), task).await;
                    }
                }
                changed = self.environment.target_state.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                }
                batch = task.poll(), if may_poll => match batch {
                    Ok(batch) => self.send(batch).await?,
                    Err(error) if error.is_retriable() => {
                        warn!("{}: {}; trying again", self.environment.id, error.chain());
                        pause_for(RETRY_DELAY, &self.environment.stop).await;
                    }
                    Err(error) => return Err(error),
                },
            }
        }
    }

    async fn send(&mut self, batch: Vec<SourceRecord>) -> Result<(), ConnectError> {
        let mut records = Vec::with_capacity(batch.len());
        let (mut positions, mut topics, mut bytes) = (Positions::new(), Vec::new(), 0);
        for source in batch {
            let SourceRecord {
                record,
                source_partition,
                source_offset,
            } = source;
            let Some(record) = self.convert(record).await? else {
                continue;
            };
            if topics.last() != Some(&record.topic) && !topics.contains(&record.topic) {
                if let Some(creation) = &mut self.topic_creation {
                    creation
                        .ensure(&*self.environment.log, &record.topic)
                        .await?;
                }
                topics.push(Arc::clone(&record.topic));
            }
            bytes += record.size();
            records.push(record);
            advance(&mut positions, &source_partition, source_offset);
            if bytes >= APPEND_BYTES {
                let part = (
                    std::mem::take(&mut records),
                    std::mem::take(&mut positions),
                    std::mem::take(&mut topics),
                );
                self.append(part.0, part.1, part.2, std::mem::take(&mut bytes))
                    .await?;
            }
        }
        if records.is_empty() {
            return Ok(());
        }
        self.append(records, positions, topics, bytes).await
    }

    /// `None` if the record was dropped or its failure tolerated.
    async fn convert(
        &mut self,
        record: Record,
    ) -> Result<Option<tidegate_log::ProducerRecord>, ConnectError> {
        if self.buffer.capacity() < BUFFER_BYTES / 4 {
            self.buffer.reserve(BUFFER_BYTES);
        }
        let topic = Arc::clone(&record.topic);
        let (started, mut attempt) = (Instant::now(), 0);
        let mut record = Some(record);
        loop {
            // A copy is needed only where another attempt may follow.
            let next = if self.errors.retries() {
                record.clone()
            } else {
                record.take()
            };
            let Some(next) = next else { return Ok(None) };
            let failure = match self.pipeline.produce(next, &mut self.buffer) {
                Ok(converted) => return Ok(converted),
                Err(failure) => failure,
            };
            attempt += 1;
            match self.errors.retry_after(&failure.error, attempt, started) {
                Some(delay) if !self.environment.stop.is_cancelled() => {
                    pause_for(delay, &self.environment.stop).await;
                }
                _ => {
                    self.errors.report(&failure, || {
                        format!(", where source record is for topic '{topic}'")
                    });
                    self.errors.tolerate(failure)?;
                    return Ok(None);
                }
            }
        }
    }

    async fn append(
        &mut self,
        records: Vec<tidegate_log::ProducerRecord>,
        positions: Positions,
        topics: Vec<Arc<str>>,
        bytes: usize,
    ) -> Result<(), ConnectError> {
        let receipt = self.producer.append(records).await.map_err(|error| {
            ConnectError::from(error).context("Unrecoverable exception trying to send")
        })?;
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

    fn acknowledged(&mut self, sent: Sent) -> Result<(), ConnectError> {
        self.bytes_in_flight -= sent.bytes;
        for error in sent.results.into_iter().filter_map(Result::err) {
            let failure = Failure {
                stage: Stage::KafkaProduce,
                class: "org.apache.kafka.clients.producer.KafkaProducer",
                error: error.into(),
            };
            self.errors.report(&failure, String::new);
            if !self.errors.tolerate_all {
                return Err(failure
                    .error
                    .context("Unrecoverable exception from producer send callback"));
            }
        }
        if self.environment.settings.topic_tracking_enable {
            for topic in sent.topics {
                if !self.tracked.contains(&topic) {
                    self.environment.topics.record(
                        &self.environment.id.connector,
                        self.environment.id.task,
                        &topic,
                    );
                    self.tracked.insert(topic);
                }
            }
        }
        for (partition, offset) in sent.positions {
            advance(&mut self.committable, &partition, offset);
        }
        Ok(())
    }

    /// Starts storing what may be committed, if there is anything.
    fn begin_flush(&mut self) {
        if self.committable.is_empty() || self.flush.is_some() {
            return;
        }
        let positions = std::mem::take(&mut self.committable);
        let offsets = positions
            .iter()
            .map(|(partition, offset)| (Arc::clone(partition), Some(offset.fields())))
            .collect();
        let (store, connector) = (
            Arc::clone(&self.environment.offsets),
            Arc::clone(&self.environment.id.connector),
        );
        let timeout = self.environment.settings.offset_flush_timeout;
        let done = async move {
            tokio::time::timeout(timeout, store.set(&connector, offsets)).await.unwrap_or_else(|_| {
                Err(ConnectError::retriable(
                    "Timed out waiting to flush offsets to storage; will try again on next flush interval with latest offsets",
                ))
            })
        };
        self.flush = Some(Flush {
            positions,
            done: done.boxed(),
        });
    }

    async fn flushed(&mut self, result: Result<(), ConnectError>, task: &mut dyn SourceTask) {
        let Some(flush) = self.flush.take() else {
            return;
        };
        match result {
            Ok(()) => self.committed(&flush.positions, task).await,
            Err(error) => {
                warn!(
                    "{} Failed to flush offsets to storage: {}",
                    self.environment.id,
                    error.chain()
                );
                // Newer positions stay in front.
                let newer = std::mem::replace(&mut self.committable, flush.positions);
                for (partition, offset) in newer {
                    advance(&mut self.committable, &partition, offset);
                }
            }
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
        let cancel = self.environment.cancel.clone();
        let outstanding = async {
            while let Some(sent) = self.in_flight.next().await {
                self.acknowledged(sent)?;
            }
            Ok::<_, ConnectError>(())
        };
        tokio::select! {
            () = cancel.cancelled() => return,
            outcome = tokio::time::timeout_at(deadline, outstanding) => match outcome {
                Ok(Ok(())) => {}
                Ok(Err(error)) => debug!("a record sent last was refused: {}", error.chain()),
                Err(_) => warn!("{} not all records were acknowledged in time; they will be sent again", self.environment.id),
            },
        }
        for _ in 0..2 {
            // An unfinished flush first, then what came after it.
            self.begin_flush();
            let Some(flush) = &mut self.flush else { break };
            let result = tokio::select! {
                () = cancel.cancelled() => return,
                result = &mut flush.done => result,
            };
            self.flushed(result, task).await;
        }
    }
}

/// Pause before a source that is away is asked again.
const RETRY_DELAY: std::time::Duration = std::time::Duration::from_millis(500);

/// Stored offsets as the task's plugin sees them.
struct Offsets {
    connector: Arc<str>,
    store: Arc<dyn OffsetBackingStore>,
}

#[async_trait]
impl OffsetStorageReader for Offsets {
    async fn offsets(
        &self,
        partitions: &[SourcePartition],
    ) -> Result<Vec<Option<OffsetFieldsMap>>, ConnectError> {
        self.store.get(&self.connector, partitions).await
    }
}
