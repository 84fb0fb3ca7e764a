//! A worker of the tests' own: a log whose acknowledgements and events the test hands out, offsets and states in memory.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tidegate_api::{
    AsHeaderConverter, ConfigDef, ConnectError, Connector, ConnectorKind, ConnectorPlugin,
    ConnectorTaskId, Converter, ConverterPlugin, HeaderConverterPlugin, OffsetFieldsMap, Plugins,
    Props, Record, Schema, SchemaAndValue, SinkTask, SourcePartition, SourceTask, TopicPartition,
    Transform, TransformPlugin, Value,
};
use tidegate_log::{
    AppendReceipt, ClientConfig, Consumer, ConsumerEvent, GroupClaim, Log, LogError, NewTopic,
    Producer, ProducerRecord, Reader, RecordMetadata, Subscription, TopicCreation,
    TopicDescription,
};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::environment::{
    OffsetBackingStore, TargetState, TaskEnvironment, TaskSettings, TaskStatusListener,
    TopicTracker,
};

/// Everything that a task tells the worker, in order: states, stored offsets, committed offsets.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    entries: Mutex<Vec<String>>,
    changed: Notify,
    /// Of topics.
    pub(crate) resets: AtomicU64,
}

impl Journal {
    pub(crate) fn note(&self, entry: impl Into<String>) {
        self.entries.lock().unwrap().push(entry.into());
        self.changed.notify_waiters();
    }

    pub(crate) fn entries(&self) -> Vec<String> {
        self.entries.lock().unwrap().clone()
    }

    /// Waits until an entry that starts so has come `times` times. Time is the test's: it passes as soon as nothing runs.
    pub(crate) async fn wait_for(&self, start: &str, times: usize) {
        let seen = async {
            loop {
                let changed = self.changed.notified();
                let count = self
                    .entries()
                    .iter()
                    .filter(|e| e.starts_with(start))
                    .count();
                if count >= times {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(Duration::from_hours(1), seen)
            .await
            .unwrap_or_else(|_| panic!("no {times} × '{start}' in {:#?}", self.entries()));
    }
}

impl TaskStatusListener for Journal {
    fn on_startup(&self, _id: &ConnectorTaskId) {
        self.note("RUNNING");
    }
    fn on_pause(&self, _id: &ConnectorTaskId) {
        self.note("PAUSED");
    }
    fn on_resume(&self, _id: &ConnectorTaskId) {
        self.note("RUNNING");
    }
    fn on_failure(&self, _id: &ConnectorTaskId, error: &ConnectError) {
        self.note(format!("FAILED {}", error.chain()));
    }
    fn on_wait(&self, _id: &ConnectorTaskId, _since: SystemTime, error: &ConnectError) {
        self.note(format!("WAITING {}", error.chain()));
    }
    fn on_shutdown(&self, _id: &ConnectorTaskId) {
        self.note("UNASSIGNED");
    }
}

impl TopicTracker for Journal {
    fn record(&self, _connector: &str, _task: u32, topic: &str) {
        self.note(format!("topic {topic}"));
    }
    fn resets(&self) -> u64 {
        self.resets.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl OffsetBackingStore for Journal {
    async fn get(
        &self,
        _connector: &str,
        partitions: &[SourcePartition],
    ) -> Result<Vec<Option<OffsetFieldsMap>>, ConnectError> {
        Ok(vec![None; partitions.len()])
    }
    async fn set(
        &self,
        _connector: &str,
        offsets: Vec<(Arc<SourcePartition>, Option<OffsetFieldsMap>)>,
    ) -> Result<(), ConnectError> {
        for (_, offset) in offsets {
            let text = offset.map(|fields| crate::record_text::fields(&fields));
            self.note(format!("offset {}", text.unwrap_or_default()));
        }
        Ok(())
    }
}

/// A batch that was appended: the test says what becomes of it.
pub(crate) struct Appended {
    pub(crate) records: Vec<ProducerRecord>,
    pub(crate) settle: oneshot::Sender<Vec<Result<RecordMetadata, LogError>>>,
}

impl Appended {
    pub(crate) fn values(&self) -> Vec<String> {
        let value = |record: &ProducerRecord| {
            String::from_utf8(record.value.clone().unwrap_or_default().to_vec()).unwrap()
        };
        self.records.iter().map(value).collect()
    }

    pub(crate) fn store(self) {
        let stored = RecordMetadata {
            partition: 0,
            offset: 0,
        };
        self.settle
            .send(vec![Ok(stored); self.records.len()])
            .unwrap();
    }

    /// Stores the records but those at some places, which fail.
    pub(crate) fn store_except(self, failed: &[usize], error: &LogError) {
        let stored = RecordMetadata {
            partition: 0,
            offset: 0,
        };
        let result = |place| {
            if failed.contains(&place) {
                Err(error.clone())
            } else {
                Ok(stored)
            }
        };
        let results = (0..self.records.len()).map(result).collect();
        self.settle.send(results).unwrap();
    }

    pub(crate) fn fail(self, error: LogError) {
        self.settle
            .send(vec![Err(error); self.records.len()])
            .unwrap();
    }
}

struct FakeProducer {
    appended: mpsc::Sender<Appended>,
    journal: Arc<Journal>,
}

#[async_trait]
impl Producer for FakeProducer {
    async fn append(&self, records: Vec<ProducerRecord>) -> Result<AppendReceipt, LogError> {
        let (settle, settled) = oneshot::channel();
        self.appended
            .try_send(Appended { records, settle })
            .unwrap();
        Ok(async move { settled.await.unwrap_or_default() }.boxed())
    }
    async fn flush(&self, _timeout: Duration) -> Result<(), LogError> {
        Ok(())
    }
    async fn close(&self, _grace: Duration) {
        self.journal.note("closed a producer");
    }
}

struct FakeConsumer {
    events: mpsc::Receiver<ConsumerEvent>,
    answers: watch::Receiver<bool>,
    journal: Arc<Journal>,
}

#[async_trait]
impl Consumer for FakeConsumer {
    async fn poll(&mut self, timeout: Duration) -> Result<ConsumerEvent, LogError> {
        match tokio::time::timeout(timeout, self.events.recv()).await {
            Ok(Some(event)) => Ok(event),
            Ok(None) => std::future::pending().await,
            Err(_) => Ok(ConsumerEvent::Idle),
        }
    }
    fn commit(
        &mut self,
        offsets: Vec<(TopicPartition, i64)>,
    ) -> BoxFuture<'static, Result<(), LogError>> {
        for (partition, offset) in offsets {
            self.journal.note(format!("commit {partition}@{offset}"));
        }
        let mut answers = self.answers.clone();
        async move {
            drop(answers.wait_for(|answers| *answers).await);
            Ok(())
        }
        .boxed()
    }
    async fn seek(&mut self, partition: &TopicPartition, offset: i64) -> Result<(), LogError> {
        self.journal.note(format!("seek {partition}@{offset}"));
        Ok(())
    }
    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.journal.note(format!("pause {partitions:?}"));
        Ok(())
    }
    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.journal.note(format!("resume {partitions:?}"));
        Ok(())
    }
    async fn close(self: Box<Self>) -> Result<(), LogError> {
        self.journal.note("left the group");
        Ok(())
    }
}

/// Has every topic; gives one consumer, and producers that all append to the same channel.
struct FakeLog {
    appended: mpsc::Sender<Appended>,
    journal: Arc<Journal>,
    consumers: Mutex<VecDeque<FakeConsumer>>,
}

impl std::fmt::Debug for FakeLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FakeLog")
    }
}

fn not_here<T>() -> Result<T, LogError> {
    Err(LogError::Fatal(
        "tasks do not ask this of the log".to_owned(),
    ))
}

#[async_trait]
impl Log for FakeLog {
    async fn cluster_id(&self) -> Result<String, LogError> {
        not_here()
    }
    async fn create_topic(&self, _topic: &NewTopic) -> Result<TopicCreation, LogError> {
        not_here()
    }
    async fn describe_topic(&self, topic: &str) -> Result<Option<TopicDescription>, LogError> {
        Ok(Some(TopicDescription {
            name: Arc::from(topic),
            partitions: 1,
            replication_factor: 1,
        }))
    }
    async fn topic_settings(&self, _topic: &str) -> Result<BTreeMap<String, String>, LogError> {
        not_here()
    }
    async fn topics(&self) -> Result<Vec<Arc<str>>, LogError> {
        not_here()
    }
    async fn delete_topic(&self, _topic: &str) -> Result<(), LogError> {
        not_here()
    }
    async fn offsets(
        &self,
        _partitions: &[TopicPartition],
    ) -> Result<HashMap<TopicPartition, (i64, i64)>, LogError> {
        not_here()
    }
    async fn producer(&self, _config: &ClientConfig) -> Result<Arc<dyn Producer>, LogError> {
        Ok(Arc::new(FakeProducer {
            appended: self.appended.clone(),
            journal: Arc::clone(&self.journal),
        }))
    }
    async fn consumer(
        &self,
        _config: &ClientConfig,
        _subscription: Subscription,
    ) -> Result<Box<dyn Consumer>, LogError> {
        match self.consumers.lock().unwrap().pop_front() {
            Some(consumer) => Ok(Box::new(consumer)),
            None => not_here(),
        }
    }
    async fn reader(
        &self,
        _config: &ClientConfig,
        _start: &[(TopicPartition, i64)],
    ) -> Result<Box<dyn Reader>, LogError> {
        not_here()
    }
    async fn group_offsets(&self, _group: &str) -> Result<BTreeMap<TopicPartition, i64>, LogError> {
        not_here()
    }
    async fn alter_group_offsets(
        &self,
        _group: &str,
        _offsets: &[(TopicPartition, Option<i64>)],
    ) -> Result<(), LogError> {
        not_here()
    }
    async fn delete_group(&self, _group: &str) -> Result<(), LogError> {
        not_here()
    }
    async fn claim_group(
        &self,
        _group: &str,
        _member: &str,
        _topic: &str,
        _session_timeout: Duration,
    ) -> Result<GroupClaim, LogError> {
        not_here()
    }
}

struct NoConnector;

#[async_trait]
impl Connector for NoConnector {
    async fn start(
        &mut self,
        _context: Arc<dyn tidegate_api::ConnectorContext>,
        _props: &Props,
    ) -> Result<(), ConnectError> {
        Ok(())
    }
    async fn task_configs(&mut self, _max: usize) -> Result<Vec<Props>, ConnectError> {
        Ok(Vec::new())
    }
    async fn stop(&mut self) {}
}

/// Fails for records whose value is "x".
struct RefuseX;

impl Transform for RefuseX {
    fn apply(&mut self, record: Record) -> Result<Option<Record>, ConnectError> {
        match &record.value.value {
            Value::String(text) if &**text == "x" => Err(ConnectError::data("an x")),
            _ => Ok(Some(record)),
        }
    }
}

/// Writes and reads texts, but only after it was told of their schema, or of what they begin with. Notes what it is told.
/// It fails as often as `fails` says before it takes anything in, always for the schema `bad`, and never ends for `slow`.
struct Asking {
    journal: Arc<Journal>,
    is_needy: bool,
    failures: usize,
    schemas: HashSet<String>,
    letters: HashSet<u8>,
}

impl Asking {
    fn new(props: &Props, journal: &Arc<Journal>) -> Self {
        let fails = props.raw("fails").and_then(|text| text.parse().ok());
        Self {
            journal: Arc::clone(journal),
            is_needy: props.raw("needy") != Some("false"),
            failures: fails.unwrap_or(0),
            schemas: HashSet::new(),
            letters: HashSet::new(),
        }
    }

    fn fail(&mut self) -> Result<(), ConnectError> {
        match self.failures.checked_sub(1) {
            None => Ok(()),
            Some(left) => {
                self.failures = left;
                Err(ConnectError::retriable("the registry is away"))
            }
        }
    }

    fn subject(topic: &str, schema: Option<&Arc<Schema>>) -> String {
        let name = schema.and_then(|schema| schema.name.as_deref());
        format!("{topic} {}", name.unwrap_or("without"))
    }
}

#[async_trait]
impl Converter for Asking {
    fn needs_preparation(&self) -> bool {
        self.is_needy
    }

    async fn prepare(
        &mut self,
        topic: &str,
        schema: Option<&Arc<Schema>>,
    ) -> Result<(), ConnectError> {
        let subject = Self::subject(topic, schema);
        self.journal.note(format!("prepare {subject}"));
        self.fail()?;
        if subject.ends_with("bad") {
            return Err(ConnectError::data("incompatible schema"));
        }
        if subject.ends_with("slow") {
            std::future::pending::<()>().await;
        }
        self.schemas.insert(subject);
        Ok(())
    }

    fn can_read(&self, _topic: &str, bytes: &Bytes) -> bool {
        bytes
            .first()
            .is_none_or(|first| self.letters.contains(first))
    }

    async fn prepare_read(&mut self, topic: &str, bytes: &Bytes) -> Result<(), ConnectError> {
        let text = String::from_utf8_lossy(bytes);
        self.journal.note(format!("prepare read {topic} {text}"));
        self.fail()?;
        self.letters.extend(bytes.first());
        Ok(())
    }

    fn from_connect_data(
        &mut self,
        topic: &str,
        data: &SchemaAndValue,
        out: &mut BytesMut,
    ) -> Result<bool, ConnectError> {
        let Some(text) = data.value.as_str() else {
            return Ok(false);
        };
        let subject = Self::subject(topic, data.schema.as_ref());
        if self.is_needy && !self.schemas.contains(&subject) {
            return Err(ConnectError::data(format!("{subject} was not prepared")));
        }
        out.extend_from_slice(text.as_bytes());
        Ok(true)
    }

    fn to_connect_data(
        &mut self,
        topic: &str,
        bytes: Option<&Bytes>,
    ) -> Result<SchemaAndValue, ConnectError> {
        let Some(bytes) = bytes else {
            return Ok(SchemaAndValue::NULL);
        };
        if self.is_needy && !self.can_read(topic, bytes) {
            return Err(ConnectError::data(format!("{topic} was not prepared")));
        }
        let text = String::from_utf8_lossy(bytes);
        Ok(SchemaAndValue::schemaless(Value::string(&text)))
    }
}

fn register_asking(plugins: &mut Plugins, journal: &Arc<Journal>) {
    let (one, other) = (Arc::clone(journal), Arc::clone(journal));
    plugins.converters.push(ConverterPlugin {
        class: "Asking",
        version: "1",
        config_def: || ConfigDef::new(&[]),
        create: Arc::new(move |props, _| Ok(Box::new(Asking::new(props, &one)))),
    });
    plugins.header_converters.push(HeaderConverterPlugin {
        class: "Asking",
        version: "1",
        config_def: || ConfigDef::new(&[]),
        create: Arc::new(move |props| Ok(Box::new(AsHeaderConverter(Asking::new(props, &other))))),
    });
}

/// One running task and what the test needs to lead it.
pub(crate) struct Stage {
    pub(crate) journal: Arc<Journal>,
    pub(crate) appended: mpsc::Receiver<Appended>,
    pub(crate) events: mpsc::Sender<ConsumerEvent>,
    /// Whether commits are answered.
    pub(crate) answers: watch::Sender<bool>,
    pub(crate) target: watch::Sender<TargetState>,
    pub(crate) stop: CancellationToken,
    pub(crate) cancel: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Stage {
    pub(crate) fn source(
        props: &[(&str, &str)],
        task: impl Fn() -> Box<dyn SourceTask> + Send + Sync + 'static,
    ) -> Self {
        Self::start(props, ConnectorKind::Source(Arc::new(task)))
    }

    pub(crate) fn sink(
        props: &[(&str, &str)],
        task: impl Fn() -> Box<dyn SinkTask> + Send + Sync + 'static,
    ) -> Self {
        Self::start(props, ConnectorKind::Sink(Arc::new(task)))
    }

    fn start(props: &[(&str, &str)], kind: ConnectorKind) -> Self {
        let journal = Arc::new(Journal::default());
        let (appended_sender, appended) = mpsc::channel(64);
        let (events, events_receiver) = mpsc::channel(64);
        let answers = watch::Sender::new(true);
        let consumer = FakeConsumer {
            events: events_receiver,
            answers: answers.subscribe(),
            journal: Arc::clone(&journal),
        };
        let mut plugins = Plugins::default();
        tidegate_primitive::register(&mut plugins);
        register_asking(&mut plugins, &journal);
        plugins.transforms.push(TransformPlugin {
            class: "RefuseX",
            version: "1",
            config_def: || ConfigDef::new(&[]),
            create: Arc::new(|_| Ok(Box::new(RefuseX))),
        });
        plugins.connectors.push(ConnectorPlugin {
            class: "Tested",
            task_class: "TestedTask",
            version: "1",
            kind,
            config_def: || ConfigDef::new(&[]),
            create: Arc::new(|| Box::new(NoConnector)),
        });
        let target = watch::Sender::new(TargetState::Started);
        let (stop, cancel) = (CancellationToken::new(), CancellationToken::new());
        let converter = "org.apache.kafka.connect.storage.StringConverter";
        let mut connector_props: Props = [
            ("connector.class", "Tested"),
            ("key.converter", converter),
            ("value.converter", converter),
        ]
        .into_iter()
        .collect();
        for (name, value) in props {
            connector_props.set(*name, *value);
        }
        let environment = TaskEnvironment {
            id: ConnectorTaskId {
                connector: "tested".into(),
                task: 0,
            },
            connector_props,
            task_props: Props::new(),
            plugins: Arc::new(plugins),
            log: Arc::new(FakeLog {
                appended: appended_sender,
                journal: Arc::clone(&journal),
                consumers: Mutex::new(VecDeque::from([consumer])),
            }),
            settings: TaskSettings {
                worker_props: Props::new(),
                offset_flush_interval: Duration::from_secs(10),
                offset_flush_timeout: Duration::from_secs(5),
                topic_creation_enable: true,
                topic_tracking_enable: true,
            },
            offsets: Arc::clone(&journal) as _,
            topics: Arc::clone(&journal) as _,
            status: Arc::clone(&journal) as _,
            target_state: target.subscribe(),
            stop: stop.clone(),
            cancel: cancel.clone(),
        };
        let tracker = TaskTracker::new();
        let task = tracker.spawn(crate::run_task(environment));
        Self {
            journal,
            appended,
            events,
            answers,
            target,
            stop,
            cancel,
            task,
        }
    }

    pub(crate) async fn next_append(&mut self) -> Appended {
        let next = tokio::time::timeout(Duration::from_hours(1), self.appended.recv());
        next.await.expect("a batch in time").expect("a producer")
    }

    /// Stops the task; all that it told the worker.
    pub(crate) async fn finish(self) -> Vec<String> {
        self.stop.cancel();
        self.task.await.unwrap();
        self.journal.entries()
    }
}
