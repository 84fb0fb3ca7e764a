//! The dead letter queue, and the reporter that sinks use.
//!
//! Source: `org.apache.kafka.connect.runtime.errors.{DeadLetterQueueReporter,WorkerErrantRecordReporter}`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tidegate_api::{
    ConnectError, ConnectorTaskId, ErrantRecordReporter, SinkRecord, TimestampType,
    TopicPartitionOffset,
};
use tidegate_log::{
    ConsumedRecord, Log, LogError, NewTopic, Producer, ProducerRecord, RecordHeader,
};
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::backoff::Backoff;
use crate::client_settings;
use crate::connector_config::{
    ERRORS_DEAD_LETTER_HEADERS, ERRORS_DEAD_LETTER_REPLICATION, ERRORS_DEAD_LETTER_TOPIC,
};
use crate::converters::Converters;
use crate::environment::TaskEnvironment;
use crate::producers::Producers;
use crate::tolerance::{ErrorHandling, Failure, Stage, TOLERANCE_EXCEEDED, pause_for};

pub(crate) struct DeadLetterQueue {
    task: ConnectorTaskId,
    topic: Arc<str>,
    producer: Arc<dyn Producer>,
    with_headers: bool,
    stop: CancellationToken,
}

/// Before a log that is full or away is given a dead letter again.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

impl DeadLetterQueue {
    /// `None` if the connector has none. The topic is created if it does not exist.
    pub(crate) async fn open(
        environment: &TaskEnvironment,
        producers: &Producers,
    ) -> Result<Option<Self>, ConnectError> {
        let props = &environment.connector_props;
        let topic = props.get(&ERRORS_DEAD_LETTER_TOPIC)?;
        if topic.is_empty() {
            return Ok(None);
        }
        let new = NewTopic {
            name: Arc::from(topic.as_str()),
            partitions: Some(1),
            replication_factor: Some(props.get(&ERRORS_DEAD_LETTER_REPLICATION)?),
            settings: BTreeMap::new(),
        };
        client_settings::warn_about_admin_settings(environment);
        ensure(&*environment.log, &new).await.map_err(|error| {
            ConnectError::from(error).context(format!(
                "Could not initialize dead letter queue with topic={topic}"
            ))
        })?;
        let producer = producers
            .open(environment, "connector-dlq-producer")
            .await?;
        Ok(Some(Self {
            task: environment.id.clone(),
            topic: new.name,
            producer,
            with_headers: props.get(&ERRORS_DEAD_LETTER_HEADERS)?,
            stop: environment.stop.clone(),
        }))
    }

    /// Appends the record as it was consumed. A letter that the log refuses for itself or for its topic is logged, as in
    /// the original; a log that takes none at the time is waited for.
    ///
    /// # Errors
    /// If the log takes nothing any more, or the task is to stop meanwhile: the record must come again.
    pub(crate) async fn report(
        &self,
        consumed: &ConsumedRecord,
        failure: &Failure,
    ) -> Result<(), ConnectError> {
        let mut record = ProducerRecord {
            topic: Arc::clone(&self.topic),
            partition: None,
            timestamp: consumed.timestamp,
            key: consumed.key.clone(),
            value: consumed.value.clone(),
            headers: consumed.headers.clone(),
        };
        if self.with_headers {
            record.headers.extend(self.context(consumed, failure));
        }
        let mut backoff = Backoff::new(RETRY.0, RETRY.1);
        while let Err(error) = self.append(record.clone()).await {
            error!(
                "Could not produce message to dead letter queue. topic={}: {error}",
                self.topic
            );
            if error.is_of_record() {
                break;
            }
            if !error.is_retriable() {
                return Err(ConnectError::from(error).context(format!(
                    "the dead letter queue '{}' takes no record",
                    self.topic
                )));
            }
            pause_for(backoff.next_delay(), &self.stop).await;
            if self.stop.is_cancelled() {
                return Err(error.into());
            }
        }
        Ok(())
    }

    async fn append(&self, record: ProducerRecord) -> Result<(), LogError> {
        let results = self.producer.append(vec![record]).await?.await;
        results.into_iter().try_for_each(|result| result.map(drop))
    }

    fn context(&self, consumed: &ConsumedRecord, failure: &Failure) -> Vec<RecordHeader> {
        let header = |name: &str, value: String| RecordHeader {
            key: Arc::from(format!("__connect.errors.{name}")),
            value: Some(Bytes::from(value)),
        };
        let cause = &failure.error;
        let mut message = header("exception.message", cause.text().to_owned());
        message.value = message.value.filter(|text| !text.is_empty());
        vec![
            header("topic", consumed.topic.to_string()),
            header("partition", consumed.partition.to_string()),
            header("offset", consumed.offset.to_string()),
            header("connector.name", self.task.connector.to_string()),
            header("task.id", self.task.task.to_string()),
            header("stage", failure.stage.name().to_owned()),
            header("class.name", failure.class.to_owned()),
            header("exception.class.name", cause.java_class().to_owned()),
            message,
            header("exception.stacktrace", cause.trace()),
        ]
    }
}

/// Whoever may not create topics may still use one that exists.
async fn ensure(log: &dyn Log, topic: &NewTopic) -> Result<(), LogError> {
    if log.describe_topic(&topic.name).await?.is_none() {
        log.create_topic(topic).await?;
    }
    Ok(())
}

/// Reports a sink's failed records: to the log and to the dead letter queue.
pub(crate) struct Reporter {
    errors: ErrorHandling,
    queue: Option<DeadLetterQueue>,
    /// For records of earlier batches. Of its own: those of the task convert the next batch meanwhile.
    converters: tokio::sync::Mutex<Converters>,
    /// The batch at hand as it was consumed.
    consumed: Mutex<Vec<ConsumedRecord>>,
    /// Why a record that the plugin reported ends the task.
    refusal: Mutex<Option<String>>,
}

impl Reporter {
    pub(crate) fn new(
        errors: ErrorHandling,
        queue: Option<DeadLetterQueue>,
        converters: Converters,
    ) -> Self {
        Self {
            errors,
            queue,
            converters: tokio::sync::Mutex::new(converters),
            consumed: Mutex::default(),
            refusal: Mutex::default(),
        }
    }

    /// Whether sinks get a reporter at all.
    pub(crate) fn is_active(&self) -> bool {
        self.queue.is_some() || self.errors.log
    }

    pub(crate) fn errors(&self) -> &ErrorHandling {
        &self.errors
    }

    pub(crate) fn set_batch(&self, consumed: Vec<ConsumedRecord>) {
        *self.consumed.lock().expect(NO_PANIC) = consumed;
    }

    pub(crate) fn take_batch(&self) -> Vec<ConsumedRecord> {
        std::mem::take(&mut *self.consumed.lock().expect(NO_PANIC))
    }

    /// The error of a report that was refused since the last call.
    pub(crate) fn refusal(&self) -> Option<ConnectError> {
        let refusal = self.refusal.lock().expect(NO_PANIC).take()?;
        Some(ConnectError::fatal(refusal).context(TOLERANCE_EXCEEDED))
    }

    /// Reports and decides: `Ok` if the record may be skipped.
    pub(crate) async fn failed(
        &self,
        consumed: &ConsumedRecord,
        failure: Failure,
    ) -> Result<(), ConnectError> {
        self.errors.report(&failure, || {
            format!(", where consumed record is {}", describe(consumed))
        });
        if let Some(queue) = &self.queue {
            queue.report(consumed, &failure).await?;
        }
        self.errors.tolerate(failure, || {
            let (topic, partition) = (&consumed.topic, consumed.partition);
            format!("the record at {topic}-{partition}@{}", consumed.offset)
        })
    }

    fn consumed(&self, place: &TopicPartitionOffset) -> Option<ConsumedRecord> {
        let consumed = self.consumed.lock().expect(NO_PANIC);
        let at = |record: &&ConsumedRecord| {
            record.offset == place.offset
                && record.partition == place.partition
                && record.topic == place.topic
        };
        consumed.iter().find(at).cloned()
    }

    /// A record of an earlier batch, as the converters write it.
    async fn written_again(&self, record: &SinkRecord) -> Result<ConsumedRecord, ConnectError> {
        let mut converters = self.converters.lock().await;
        let failed = |failure: Failure| failure.error.context("a failed record cannot be reported");
        converters.prepare(&record.record).await.map_err(failed)?;
        let serialized = converters.serialize(&record.record).map_err(failed)?;
        Ok(ConsumedRecord {
            topic: Arc::clone(&record.original.topic),
            partition: record.original.partition,
            offset: record.original.offset,
            timestamp: record.record.timestamp,
            timestamp_type: record.timestamp_type,
            key: serialized.key,
            value: serialized.value,
            headers: serialized.headers,
        })
    }
}

/// As Java's `ProcessingContext` prints it.
fn describe(record: &ConsumedRecord) -> String {
    let kind = match record.timestamp_type {
        TimestampType::NoTimestampType => None,
        TimestampType::CreateTime => Some("CreateTime"),
        TimestampType::LogAppendTime => Some("LogAppendTime"),
    };
    let time = kind.map(|kind| {
        let timestamp = record.timestamp.unwrap_or(-1);
        format!(", timestamp={timestamp}, timestampType={kind}")
    });
    format!(
        "{{topic='{}', partition={}, offset={}{}}}",
        record.topic,
        record.partition,
        record.offset,
        time.unwrap_or_default()
    )
}

#[async_trait]
impl ErrantRecordReporter for Reporter {
    async fn report(&self, record: &SinkRecord, error: ConnectError) -> Result<(), ConnectError> {
        let failure = Failure {
            stage: Stage::TaskPut,
            class: "org.apache.kafka.connect.sink.SinkTask",
            error,
        };
        let consumed = match self.consumed(&record.original) {
            Some(consumed) => consumed,
            None => self.written_again(record).await?,
        };
        let reported = self.failed(&consumed, failure).await;
        if let Err(refusal) = &reported {
            *self.refusal.lock().expect(NO_PANIC) = Some(refusal.chain());
        }
        reported
    }
}

const NO_PANIC: &str = "no holder panics";
