//! Topics in memory: what readers and producers ask without touching the file.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, RwLock};

use tidegate_log::LogError;

/// A topic. Offsets move forward only.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) id: i64,
    pub(crate) name: Arc<str>,
    pub(crate) partitions: Box<[Partition]>,
    /// As given at creation.
    pub(crate) settings: BTreeMap<String, String>,
    /// Bytes of a record's key, value and headers, at most.
    pub(crate) max_message_bytes: usize,
    pub(crate) is_compacted: bool,
    deleted: AtomicBool,
}

#[derive(Debug, Default)]
pub(crate) struct Partition {
    first: AtomicI64,
    next: AtomicI64,
}

impl Partition {
    pub(crate) fn new(first: i64, next: i64) -> Self {
        Self {
            first: first.into(),
            next: next.into(),
        }
    }
    /// Offset of the oldest record that may still be there.
    pub(crate) fn first(&self) -> i64 {
        self.first.load(Ordering::Acquire)
    }
    /// Offset of the record to come.
    pub(crate) fn next(&self) -> i64 {
        self.next.load(Ordering::Acquire)
    }
    pub(crate) fn advance_first(&self, first: i64) {
        self.first.fetch_max(first, Ordering::AcqRel);
    }
    pub(crate) fn advance_next(&self, next: i64) {
        self.next.fetch_max(next, Ordering::AcqRel);
    }
}

pub(crate) const CLEANUP_POLICY: &str = "cleanup.policy";
pub(crate) const DELETE_RETENTION_MS: &str = "delete.retention.ms";
pub(crate) const MAX_MESSAGE_BYTES: &str = "max.message.bytes";
pub(crate) const RETENTION_BYTES: &str = "retention.bytes";
pub(crate) const RETENTION_MS: &str = "retention.ms";

/// Defaults of the settings that mean something here; Kafka's, but for the larger `max.message.bytes`.
const DEFAULTS: [(&str, &str); 6] = [
    (CLEANUP_POLICY, "delete"),
    (DELETE_RETENTION_MS, "86400000"),
    (MAX_MESSAGE_BYTES, "104857600"),
    ("min.insync.replicas", "1"),
    (RETENTION_BYTES, "-1"),
    (RETENTION_MS, "604800000"),
];
const NUMBERS: [&str; 5] = [
    DELETE_RETENTION_MS,
    MAX_MESSAGE_BYTES,
    "min.insync.replicas",
    RETENTION_BYTES,
    RETENTION_MS,
];

/// Settings of Kafka's that tune its files and replicas: kept and shown, without effect here.
const WITHOUT_EFFECT: [&str; 22] = [
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.type",
    "compression.zstd.level",
    "file.delete.delay.ms",
    "flush.messages",
    "flush.ms",
    "follower.replication.throttled.replicas",
    "index.interval.bytes",
    "leader.replication.throttled.replicas",
    "local.retention.bytes",
    "local.retention.ms",
    "max.compaction.lag.ms",
    "message.downconversion.enable",
    "min.cleanable.dirty.ratio",
    "min.compaction.lag.ms",
    "preallocate",
    "segment.bytes",
    "segment.index.bytes",
    "segment.jitter.ms",
    "segment.ms",
    "unclean.leader.election.enable",
];

/// Refuses settings that are unknown, wrong or would change what is stored in a way that this log does not offer.
pub(crate) fn check_settings(
    topic: &str,
    settings: &BTreeMap<String, String>,
) -> Result<(), LogError> {
    for (name, value) in settings {
        let fits = match name.as_str() {
            CLEANUP_POLICY => value
                .split(',')
                .all(|policy| matches!(policy.trim(), "compact" | "delete")),
            "message.timestamp.type" => value == "CreateTime",
            number if NUMBERS.contains(&number) => value.parse::<i64>().is_ok(),
            other => {
                if !WITHOUT_EFFECT.contains(&other) {
                    return Err(LogError::Invalid(format!(
                        "topic '{topic}': the embedded log does not know the setting '{name}'"
                    )));
                }
                true
            }
        };
        if !fits {
            return Err(LogError::Invalid(format!(
                "topic '{topic}': the embedded log does not take '{value}' for the setting '{name}'"
            )));
        }
    }
    Ok(())
}

impl Topic {
    pub(crate) fn new(
        id: i64,
        name: Arc<str>,
        partitions: Box<[Partition]>,
        settings: BTreeMap<String, String>,
    ) -> Self {
        let mut topic = Self {
            id,
            name,
            partitions,
            settings,
            max_message_bytes: 0,
            is_compacted: false,
            deleted: AtomicBool::new(false),
        };
        topic.max_message_bytes =
            usize::try_from(topic.number(MAX_MESSAGE_BYTES)).unwrap_or_default();
        topic.is_compacted = topic.has_policy("compact");
        topic
    }
    pub(crate) fn partition(&self, partition: i32) -> Option<&Partition> {
        self.partitions.get(usize::try_from(partition).ok()?)
    }
    pub(crate) fn partition_count(&self) -> i32 {
        i32::try_from(self.partitions.len()).unwrap_or(i32::MAX)
    }
    /// Set by the writer's thread, between two appends.
    pub(crate) fn is_deleted(&self) -> bool {
        self.deleted.load(Ordering::Acquire)
    }
    pub(crate) fn set_deleted(&self) {
        self.deleted.store(true, Ordering::Release);
    }
    fn setting(&self, name: &str) -> Option<&str> {
        let default = || {
            DEFAULTS
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| *value)
        };
        self.settings.get(name).map(String::as_str).or_else(default)
    }
    pub(crate) fn all_settings(&self) -> BTreeMap<String, String> {
        let mut all: BTreeMap<_, _> = DEFAULTS
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        all.extend(self.settings.clone());
        all
    }
    /// A setting of [`NUMBERS`]; they were checked when the topic was created.
    pub(crate) fn number(&self, name: &str) -> i64 {
        self.setting(name)
            .and_then(|text| text.parse().ok())
            .unwrap_or(-1)
    }
    pub(crate) fn has_policy(&self, policy: &str) -> bool {
        self.setting(CLEANUP_POLICY)
            .is_some_and(|policies| policies.contains(policy))
    }
}

/// All topics by name.
#[derive(Debug, Default)]
pub(crate) struct Topics(RwLock<HashMap<Arc<str>, Arc<Topic>>>);

impl Topics {
    pub(crate) fn get(&self, name: &str) -> Option<Arc<Topic>> {
        self.0.read().expect("no writer panics").get(name).cloned()
    }
    pub(crate) fn insert(&self, topic: Arc<Topic>) {
        self.0
            .write()
            .expect("no writer panics")
            .insert(Arc::clone(&topic.name), topic);
    }
    pub(crate) fn remove(&self, name: &str) {
        self.0.write().expect("no writer panics").remove(name);
    }
    /// In the order of names.
    pub(crate) fn all(&self) -> Vec<Arc<Topic>> {
        let mut all: Vec<_> = self
            .0
            .read()
            .expect("no writer panics")
            .values()
            .cloned()
            .collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }
}
