//! What producers, consumers and the log share: the writer, the topics and the groups.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use tidegate_api::TopicPartition;
use tidegate_log::{LogError, NewTopic, TopicCreation};
use tokio::sync::watch;

use crate::groups::Groups;
use crate::store::{self, Directory, GroupOffset};
use crate::topics::{Topics, check_settings};
use crate::writer::Writer;

/// What producers, consumers and the log share.
#[derive(Debug)]
pub(crate) struct Core {
    /// Connections that nobody reads with at the moment: as many as have been in use at a time. First, so that the writer
    /// closes the file as the last and tidies it up.
    pub(crate) readers: Mutex<Vec<Connection>>,
    /// Before the directory, so that it ends before that is let go.
    pub(crate) writer: Writer,
    pub(crate) directory: Directory,
    pub(crate) topics: Arc<Topics>,
    pub(crate) groups: Groups,
    /// Counts commits of the file.
    pub(crate) commits: watch::Sender<u64>,
    pub(crate) claims: Arc<Mutex<HashSet<String>>>,
    pub(crate) cluster_id: String,
}

impl Core {
    /// A connection for one read.
    pub(crate) fn take_reader(&self) -> Result<Connection, LogError> {
        let idle = self.readers.lock().expect("no holder panics").pop();
        idle.map_or_else(|| self.directory.reader(), Ok)
    }
    pub(crate) fn return_reader(&self, connection: Connection) {
        let mut readers = self.readers.lock().expect("no holder panics");
        readers.push(connection);
    }

    pub(crate) async fn create_topic(&self, topic: &NewTopic) -> Result<TopicCreation, LogError> {
        check_name(&topic.name)?;
        if self.topics.get(&topic.name).is_some() {
            return Ok(TopicCreation::Existed);
        }
        let partitions = topic.partitions.unwrap_or(1);
        if partitions < 1 {
            return Err(LogError::Invalid(format!(
                "topic '{}': Number of partitions must be larger than 0.",
                topic.name
            )));
        }
        check_settings(&topic.name, &topic.settings)?;
        let (name, settings) = (Arc::clone(&topic.name), topic.settings.clone());
        let topics = Arc::clone(&self.topics);
        let created = self
            .writer
            .execute(
                move |connection| {
                    Ok(store::create_topic(connection, &name, partitions, settings)?.map(Arc::new))
                },
                move |created| {
                    if let Some(topic) = created {
                        topics.insert(Arc::clone(topic));
                    }
                },
            )
            .await?;
        self.groups.topics_changed();
        Ok(if created.is_some() {
            TopicCreation::Created
        } else {
            TopicCreation::Existed
        })
    }

    pub(crate) async fn group_offsets(
        &self,
        group: &str,
    ) -> Result<BTreeMap<TopicPartition, i64>, LogError> {
        let group = group.to_owned();
        let rows = self
            .writer
            .execute(
                move |connection| store::group_offsets(connection, &group),
                |_| (),
            )
            .await?;
        Ok(rows
            .into_iter()
            .map(|(topic, partition, offset)| (TopicPartition::new(topic, partition), offset))
            .collect())
    }

    /// Offsets of topics that are no longer there are passed over: they would come back with a topic of the same name.
    pub(crate) async fn set_group_offsets(
        &self,
        group: &Arc<str>,
        offsets: Vec<GroupOffset>,
    ) -> Result<(), LogError> {
        let group = Arc::clone(group);
        self.writer
            .execute(
                move |connection| {
                    offsets
                        .iter()
                        .try_for_each(|offset| store::set_group_offset(connection, &group, offset))
                },
                |()| (),
            )
            .await
    }
}

/// Kafka's rule for names of topics.
fn check_name(name: &str) -> Result<(), LogError> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty()
        || name.len() > 249
        || name == "."
        || name == ".."
        || !name.chars().all(legal)
    {
        return Err(LogError::Invalid(format!(
            "topic name '{name}' is illegal: 1 to 249 ASCII letters, digits, '.', '_' and '-'"
        )));
    }
    Ok(())
}
