//! Topics in memory: what readers and producers ask without touching the file.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, RwLock};

/// A topic. Offsets move forward only.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) id: i64,
    pub(crate) name: Arc<str>,
    pub(crate) partitions: Box<[Partition]>,
    /// As given at creation.
    pub(crate) settings: BTreeMap<String, String>,
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

/// Defaults of the settings that mean something here.
const DEFAULTS: [(&str, &str); 6] = [
    ("cleanup.policy", "delete"),
    ("delete.retention.ms", "86400000"),
    ("max.message.bytes", "1048588"),
    ("min.insync.replicas", "1"),
    ("retention.bytes", "-1"),
    ("retention.ms", "604800000"),
];

impl Topic {
    pub(crate) fn partition(&self, partition: i32) -> Option<&Partition> {
        self.partitions.get(usize::try_from(partition).ok()?)
    }
    pub(crate) fn partition_count(&self) -> i32 {
        i32::try_from(self.partitions.len()).unwrap_or(i32::MAX)
    }
    pub(crate) fn setting(&self, name: &str) -> Option<&str> {
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
    pub(crate) fn is_compacted(&self) -> bool {
        self.setting("cleanup.policy")
            .is_some_and(|policy| policy.contains("compact"))
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
