//! Source offsets.
//!
//! Source: `org.apache.kafka.connect.storage.{KafkaOffsetBackingStore,FileOffsetBackingStore,OffsetStorageWriter}`.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use bytes::Bytes;
use tidegate_api::{ConnectError, OffsetFieldsMap, Props, SourcePartition, Str, Value};
use tidegate_log::{Log, TopicLog};
use tidegate_tasks::OffsetBackingStore;
use tokio::sync::OwnedMutexGuard;
use tracing::warn;

use crate::config::StorageTopic;
use crate::stores::topic::{self, Replay};
use crate::stores::{java_map, json};

/// All offsets, by connector and by partition as a value: the order of a partition's members does not matter here, but
/// an update keeps the bytes of the key that is there.
#[derive(Debug, Default)]
struct Offsets(BTreeMap<String, BTreeMap<String, Entry>>);

#[derive(Debug, Clone)]
struct Entry {
    key: Bytes,
    partition: SourcePartition,
    offset: Option<OffsetFieldsMap>,
}

/// The partition's members in alphabetical order.
fn identity(partition: &SourcePartition) -> String {
    let mut members: Vec<String> = partition
        .0
        .iter()
        .map(|(name, value)| format!("{name:?}={value:?}"))
        .collect();
    members.sort();
    members.join(",")
}

impl Replay for Offsets {
    fn replay(&mut self, key: &Bytes, value: Option<&Bytes>) {
        let Some((connector, partition)) = parse_key(key) else {
            warn!(
                "Ignoring offset partition key with an unexpected format: {}",
                String::from_utf8_lossy(key)
            );
            return;
        };
        let offset = match value.map(json::read).transpose() {
            Ok(offset) => offset.and_then(json::to_fields),
            Err(error) => {
                warn!(
                    "Ignoring an offset of connector {connector} that is no JSON: {}",
                    error.chain()
                );
                return;
            }
        };
        let partitions = self.0.entry(connector).or_default();
        partitions.insert(
            identity(&partition),
            Entry {
                key: key.clone(),
                partition,
                offset,
            },
        );
    }
}

impl Offsets {
    fn get(&self, connector: &str, partition: &SourcePartition) -> Option<&Entry> {
        self.0.get(connector)?.get(&identity(partition))
    }
}

fn parse_key(key: &Bytes) -> Option<(String, SourcePartition)> {
    let Ok(Value::Array(parts)) = json::read(key) else {
        return None;
    };
    let [connector, partition] = <[Value; 2]>::try_from(parts).ok()?;
    Some((
        connector.as_str()?.to_owned(),
        SourcePartition(json::to_fields(partition)?),
    ))
}

fn key_of(connector: &str, partition: &SourcePartition) -> Result<Bytes, ConnectError> {
    json::write(&Value::Array(vec![
        Value::string(connector),
        fields(&partition.0),
    ]))
}

fn fields(fields: &[(Str, Value)]) -> Value {
    Value::Map(
        fields
            .iter()
            .map(|(name, value)| (Value::String(name.clone()), value.clone()))
            .collect(),
    )
}

/// Where offsets are durable.
#[derive(Debug)]
enum Storage {
    Topic(TopicLog),
    File(OffsetFile),
}

/// The file of a standalone worker's offsets.
#[derive(Debug)]
struct OffsetFile {
    path: PathBuf,
    /// Held by whoever writes the file, also when nobody waits for that any longer.
    writing: Arc<tokio::sync::Mutex<()>>,
}

/// The worker's store of source offsets.
#[derive(Debug)]
pub(crate) struct OffsetStore {
    offsets: Arc<Mutex<Offsets>>,
    storage: Storage,
}

impl OffsetStore {
    pub(crate) async fn on_topic(
        log: &Arc<dyn Log>,
        worker_props: &Props,
        topic: &StorageTopic,
    ) -> Result<Self, ConnectError> {
        let (offsets, topic) = topic::open::<Offsets>(log, worker_props, topic, "offset").await?;
        Ok(Self {
            offsets,
            storage: Storage::Topic(topic),
        })
    }

    /// A missing or empty file is an empty store.
    pub(crate) fn in_file(path: PathBuf) -> Result<Self, ConnectError> {
        let failed = |what: &str| {
            ConnectError::config(format!(
                "the file of offsets '{}' (offset.storage.file.filename) {what}",
                path.display()
            ))
        };
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed(&format!("cannot be read: {error}"))),
        };
        let mut offsets = Offsets::default();
        if !bytes.is_empty() {
            let entries =
                java_map::read(&bytes).ok_or_else(|| failed("is not a Java map of byte arrays"))?;
            for (key, value) in entries {
                offsets.replay(&key.into(), value.map(Bytes::from).as_ref());
            }
        }
        Ok(Self {
            offsets: Arc::new(Mutex::new(offsets)),
            storage: Storage::File(OffsetFile {
                path,
                writing: Arc::default(),
            }),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Offsets> {
        self.offsets.lock().expect("no holder panics")
    }

    async fn refresh(&self) -> Result<(), ConnectError> {
        match &self.storage {
            Storage::Topic(topic) => Ok(topic.read_to_end().await?),
            Storage::File(_) => Ok(()),
        }
    }

    /// Everything known of a connector.
    pub(crate) async fn all(
        &self,
        connector: &str,
    ) -> Result<Vec<(SourcePartition, OffsetFieldsMap)>, ConnectError> {
        self.refresh().await?;
        let offsets = self.lock();
        let Some(partitions) = offsets.0.get(connector) else {
            return Ok(Vec::new());
        };
        Ok(partitions
            .values()
            .filter_map(|entry| Some((entry.partition.clone(), entry.offset.clone()?)))
            .collect())
    }

    /// Resolves if offsets are no longer read because of a panic.
    pub(crate) async fn failed(&self) -> ConnectError {
        match &self.storage {
            Storage::Topic(topic) => topic.failed().await.into(),
            Storage::File(_) => std::future::pending().await,
        }
    }

    pub(crate) async fn stop(&self) {
        if let Storage::Topic(topic) = &self.storage {
            topic.stop().await;
        }
    }
}

#[async_trait]
impl OffsetBackingStore for OffsetStore {
    async fn get(
        &self,
        connector: &str,
        partitions: &[SourcePartition],
    ) -> Result<Vec<Option<OffsetFieldsMap>>, ConnectError> {
        self.refresh().await?;
        let offsets = self.lock();
        Ok(partitions
            .iter()
            .map(|partition| {
                offsets
                    .get(connector, partition)
                    .and_then(|entry| entry.offset.clone())
            })
            .collect())
    }

    async fn set(
        &self,
        connector: &str,
        new: Vec<(Arc<SourcePartition>, Option<OffsetFieldsMap>)>,
    ) -> Result<(), ConnectError> {
        let mut records = Vec::with_capacity(new.len());
        for (partition, offset) in new {
            let known = self
                .lock()
                .get(connector, &partition)
                .map(|entry| entry.key.clone());
            let key = match known {
                Some(key) => key,
                None => key_of(connector, &partition)?,
            };
            let value = offset
                .map(|offset| json::write(&fields(&offset)))
                .transpose()?;
            records.push((key, value));
        }
        match &self.storage {
            Storage::Topic(topic) => {
                let records = records
                    .into_iter()
                    .map(|(key, value)| (Some(key), value))
                    .collect();
                Ok(topic.send_all(records).await?)
            }
            Storage::File(file) => {
                // One write after the other, each with all offsets of its time.
                let writing = Arc::clone(&file.writing).lock_owned().await;
                let bytes = self.note(&records)?;
                file.write(bytes, writing).await
            }
        }
    }
}

impl OffsetStore {
    /// Takes offsets over; all of them as the file holds them.
    fn note(&self, records: &[(Bytes, Option<Bytes>)]) -> Result<Vec<u8>, ConnectError> {
        let mut offsets = self.lock();
        for (key, value) in records {
            offsets.replay(key, value.as_ref());
        }
        let entries = offsets.0.values().flat_map(BTreeMap::values).map(|entry| {
            let value = entry
                .offset
                .as_ref()
                .map(|offset| json::write(&fields(offset)))
                .transpose()?;
            Ok((entry.key.to_vec(), value.map(|value| value.to_vec())))
        });
        Ok(java_map::write(
            &entries.collect::<Result<_, ConnectError>>()?,
        ))
    }
}

impl OffsetFile {
    /// Writing waits for the disk, for which the runtime has threads of its own.
    async fn write(
        &self,
        bytes: Vec<u8>,
        writing: OwnedMutexGuard<()>,
    ) -> Result<(), ConnectError> {
        let path = self.path.clone();
        let written = tokio::task::spawn_blocking(move || {
            let written = replace(&path, &bytes);
            drop(writing);
            written
        });
        let written = written.await.unwrap_or_else(|error| Err(error.into()));
        written.map_err(|error| {
            ConnectError::retriable(format!(
                "the file of offsets '{}' (offset.storage.file.filename) cannot be written: {error}",
                self.path.display()
            ))
        })
    }
}

/// Either the old file or the whole new one is there, whatever happens.
fn replace(path: &PathBuf, bytes: &[u8]) -> std::io::Result<()> {
    let mut beside = path.clone().into_os_string();
    beside.push(".tmp");
    std::fs::write(&beside, bytes)?;
    File::open(&beside)?.sync_all()?;
    std::fs::rename(&beside, path)?;
    // The new name, too, must outlast a loss of power.
    let directory = path.parent().filter(|path| !path.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_keeps_offsets_under_their_own_keys() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("offsets");
        let partition = Arc::new(SourcePartition(vec![
            (Str::new("server"), Value::string("s")),
            (Str::new("database"), Value::string("d")),
        ]));
        let turned = SourcePartition(partition.0.iter().rev().cloned().collect());
        let offset = vec![(Str::new("pos"), Value::Int64(5))];
        let store = OffsetStore::in_file(path.clone()).expect("a store");
        store
            .set("c", vec![(Arc::clone(&partition), Some(offset.clone()))])
            .await
            .expect("stored");
        let again = OffsetStore::in_file(path.clone()).expect("a store");
        assert_eq!(
            again
                .get("c", std::slice::from_ref(&turned))
                .await
                .expect("read"),
            [Some(offset)]
        );
        // An update under another order of members replaces the same key.
        let newer = vec![(Str::new("pos"), Value::Int64(6))];
        again
            .set("c", vec![(Arc::new(turned), Some(newer.clone()))])
            .await
            .expect("stored");
        let third = OffsetStore::in_file(path.clone()).expect("a store");
        assert_eq!(
            third.all("c").await.expect("all"),
            [((*partition).clone(), newer)]
        );
        std::fs::write(&path, b"nonsense").expect("written");
        let error = OffsetStore::in_file(path).expect_err("not a map");
        assert!(error.text().contains("is not a Java map"));
    }
}
