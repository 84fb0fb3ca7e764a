//! The log itself: the port's [`Log`] on a directory.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tidegate_api::TopicPartition;
use tidegate_log::{
    ClientConfig, Consumer, GroupClaim, Log, LogError, LogProvider, NewTopic, Producer, Reader,
    Subscription, TopicCreation, TopicDescription,
};
use tokio::sync::{oneshot, watch};

use crate::consumer::{EmbeddedConsumer, EmbeddedReader};
use crate::core::Core;
use crate::errors::translate;
use crate::groups::{Groups, TopicFilter};
use crate::producer::EmbeddedProducer;
use crate::store::{self, Directory, GroupOffset, Sync};
use crate::topics::Topics;
use crate::writer::{Shared, Writer};

#[cfg(test)]
mod tests;

/// A log in a directory. All handles to a directory share one.
#[derive(Debug, Clone)]
pub struct EmbeddedLog(Arc<Core>);

impl EmbeddedLog {
    /// Opens or creates the log; what is acknowledged survives the end of the process.
    ///
    /// # Errors
    /// As [`Self::open_with`].
    pub fn open(directory: &Path) -> Result<Self, LogError> {
        Self::open_with(directory, Sync::default())
    }

    /// Opens or creates the log.
    ///
    /// # Errors
    /// `Occupied` if another process has it open; `Unauthorized` if the directory cannot be written.
    pub fn open_with(directory: &Path, sync: Sync) -> Result<Self, LogError> {
        let directory = Directory::open(directory)?;
        let connection = directory.writer(sync)?;
        let read = |error: rusqlite::Error| translate(&directory.path, "read its topics", &error);
        let fresh = || URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>());
        let cluster_id = store::cluster_id(&connection, fresh).map_err(read)?;
        let topics = Arc::new(Topics::default());
        for topic in store::load_topics(&connection).map_err(read)? {
            topics.insert(Arc::new(topic));
        }
        let commits = watch::Sender::new(0);
        let shared = Shared {
            directory: directory.path.clone(),
            topics: Arc::clone(&topics),
            commits: commits.clone(),
        };
        let writer = Writer::start(connection, shared)?;
        Ok(Self(Arc::new(Core {
            writer,
            directory,
            topics,
            groups: Groups::new(),
            commits,
            claims: Arc::default(),
            cluster_id,
            readers: Mutex::default(),
        })))
    }
}

#[async_trait]
impl Log for EmbeddedLog {
    async fn cluster_id(&self) -> Result<String, LogError> {
        Ok(self.0.cluster_id.clone())
    }
    async fn create_topic(&self, topic: &NewTopic) -> Result<TopicCreation, LogError> {
        self.0.create_topic(topic).await
    }
    async fn describe_topic(&self, topic: &str) -> Result<Option<TopicDescription>, LogError> {
        Ok(self.0.topics.get(topic).map(|topic| TopicDescription {
            name: Arc::clone(&topic.name),
            partitions: topic.partition_count(),
            replication_factor: 1,
        }))
    }
    async fn topic_settings(&self, topic: &str) -> Result<BTreeMap<String, String>, LogError> {
        let found = self.0.topics.get(topic);
        found
            .map(|topic| topic.all_settings())
            .ok_or_else(|| no_topic(topic))
    }
    async fn topics(&self) -> Result<Vec<Arc<str>>, LogError> {
        Ok(self
            .0
            .topics
            .all()
            .iter()
            .map(|topic| Arc::clone(&topic.name))
            .collect())
    }
    async fn delete_topic(&self, topic: &str) -> Result<(), LogError> {
        let found = self.0.topics.get(topic).ok_or_else(|| no_topic(topic))?;
        let (topics, deleted) = (Arc::clone(&self.0.topics), Arc::clone(&found));
        self.0
            .writer
            .execute(
                move |connection| store::delete_topic(connection, &found),
                move |()| {
                    deleted.set_deleted();
                    topics.remove(&deleted.name);
                },
            )
            .await?;
        self.0.groups.topics_changed();
        Ok(())
    }
    async fn offsets(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<HashMap<TopicPartition, (i64, i64)>, LogError> {
        partitions
            .iter()
            .map(|partition| {
                let topic = self
                    .0
                    .topics
                    .get(&partition.topic)
                    .ok_or_else(|| no_topic(&partition.topic))?;
                let bounds = topic.partition(partition.partition).ok_or_else(|| {
                    LogError::NotFound(format!("partition {partition} does not exist"))
                })?;
                Ok((partition.clone(), (bounds.first(), bounds.next())))
            })
            .collect()
    }
    async fn producer(&self, _config: &ClientConfig) -> Result<Arc<dyn Producer>, LogError> {
        Ok(Arc::new(EmbeddedProducer::new(Arc::clone(&self.0))))
    }
    async fn consumer(
        &self,
        config: &ClientConfig,
        subscription: Subscription,
    ) -> Result<Box<dyn Consumer>, LogError> {
        let group = config
            .get("group.id")
            .ok_or_else(|| LogError::Invalid("a consumer needs a group.id".to_owned()))?;
        let filter = TopicFilter::of(subscription)?;
        let member = EmbeddedConsumer::new(Arc::clone(&self.0), Arc::from(group), filter, config)?;
        Ok(Box::new(member))
    }
    async fn reader(
        &self,
        _config: &ClientConfig,
        start: &[(TopicPartition, i64)],
    ) -> Result<Box<dyn Reader>, LogError> {
        Ok(Box::new(EmbeddedReader::new(&self.0, start)))
    }
    async fn group_offsets(&self, group: &str) -> Result<BTreeMap<TopicPartition, i64>, LogError> {
        self.0.group_offsets(group).await
    }
    async fn alter_group_offsets(
        &self,
        group: &str,
        offsets: &[(TopicPartition, Option<i64>)],
    ) -> Result<(), LogError> {
        self.check_empty(group)?;
        let offsets = offsets.iter().map(|(partition, offset)| GroupOffset {
            partition: partition.clone(),
            topic_id: None,
            offset: *offset,
        });
        self.0
            .set_group_offsets(&Arc::from(group), offsets.collect())
            .await
    }
    async fn delete_group(&self, group: &str) -> Result<(), LogError> {
        self.check_empty(group)?;
        let group = group.to_owned();
        self.0
            .writer
            .execute(
                move |connection| store::delete_group(connection, &group),
                |()| (),
            )
            .await
    }
    async fn claim_group(
        &self,
        group: &str,
        _member: &str,
        _topic: &str,
        _session_timeout: Duration,
    ) -> Result<GroupClaim, LogError> {
        // Another process cannot even open the directory; within this one a second worker is a mistake.
        let mut claims = self.0.claims.lock().expect("no holder panics");
        if !claims.insert(group.to_owned()) {
            return Err(LogError::Occupied(format!(
                "group '{group}' has a worker in this process already"
            )));
        }
        let (lose, lost) = oneshot::channel();
        let (hold, held) = watch::channel(true);
        let guard = Claim {
            claims: Arc::clone(&self.0.claims),
            group: group.to_owned(),
            _lose: lose,
            _hold: hold,
        };
        Ok(GroupClaim {
            lost,
            held,
            guard: Box::new(guard),
        })
    }
}

impl EmbeddedLog {
    fn check_empty(&self, group: &str) -> Result<(), LogError> {
        if self.0.groups.has_members(group) {
            return Err(LogError::Unavailable(format!(
                "consumer group '{group}' has members: stop them first"
            )));
        }
        Ok(())
    }
}

fn no_topic(topic: &str) -> LogError {
    LogError::NotFound(format!("topic '{topic}' does not exist"))
}

struct Claim {
    claims: Arc<Mutex<HashSet<String>>>,
    group: String,
    /// Never sent: a claim in one process cannot be lost.
    _lose: oneshot::Sender<LogError>,
    _hold: watch::Sender<bool>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Ok(mut claims) = self.claims.lock() {
            claims.remove(&self.group);
        }
    }
}

/// Every client of this process gets the one log of the directory, whatever servers its settings name.
#[derive(Debug, Clone)]
pub struct EmbeddedProvider {
    log: EmbeddedLog,
}

impl EmbeddedProvider {
    /// # Errors
    /// As [`EmbeddedLog::open_with`].
    pub fn open(directory: impl Into<PathBuf>, sync: Sync) -> Result<Self, LogError> {
        Ok(Self {
            log: EmbeddedLog::open_with(&directory.into(), sync)?,
        })
    }
}

#[async_trait]
impl LogProvider for EmbeddedProvider {
    async fn connect(&self, _config: &ClientConfig) -> Result<Arc<dyn Log>, LogError> {
        Ok(Arc::new(self.log.clone()))
    }
}
