//! The port's [`Log`] on a cluster.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tidegate_api::TopicPartition;
use tidegate_log::{
    ClientConfig, Consumer, GroupClaim, Log, LogError, LogProvider, NewTopic, Producer, Reader,
    Subscription, TopicCreation, TopicDescription,
};
use tracing::info;

use crate::admin::Admin;
use crate::claim;
use crate::consumer::KafkaConsumer;
use crate::producer::KafkaProducer;
use crate::reader::KafkaReader;
use crate::settings::{BOOTSTRAP_SERVERS, servers};

/// Families of settings that say how to get in.
const SECURITY: [&str; 3] = ["security.", "sasl.", "ssl."];

/// A cluster as a log. Clones share their admin client.
#[derive(Clone)]
pub struct KafkaLog {
    base: ClientConfig,
    admin: Arc<Admin>,
}

impl fmt::Debug for KafkaLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KafkaLog({})", servers(&self.base))
    }
}

impl KafkaLog {
    /// `config` has `bootstrap.servers` and whatever clients need to get in. Nothing is sent yet.
    ///
    /// # Errors
    /// `Invalid` for a setting that cannot be followed.
    pub fn new(config: ClientConfig) -> Result<Self, LogError> {
        let admin = Arc::new(Admin::open(&config)?);
        Ok(Self {
            base: config,
            admin,
        })
    }

    /// Settings that name servers stand for themselves, as with Connect's `producer.` and `consumer.`; others are added to
    /// the log's own.
    fn layered(&self, config: &ClientConfig) -> ClientConfig {
        complete(&self.base, config)
    }
}

/// `config`, completed by `base`.
///
/// Connect does not hand a worker's security settings to the clients of its connectors, and users repeat them under
/// `producer.` and `consumer.`. Where they have not, and the servers are the same, the client could never get in; it gets
/// them.
pub(crate) fn complete(base: &ClientConfig, config: &ClientConfig) -> ClientConfig {
    let is_security = |name: &str| SECURITY.iter().any(|family| name.starts_with(family));
    if config.get(BOOTSTRAP_SERVERS).is_none_or(str::is_empty) {
        let mut complete = base.clone();
        for (name, value) in &config.0 {
            complete.set(name.clone(), value.clone());
        }
        return complete;
    }
    let mut complete = config.clone();
    if config.get(BOOTSTRAP_SERVERS) == base.get(BOOTSTRAP_SERVERS)
        && !config.0.keys().any(|name| is_security(name))
    {
        for (name, value) in base.0.iter().filter(|(name, _)| is_security(name)) {
            complete.set(name.clone(), value.clone());
        }
    }
    complete
}

#[async_trait]
impl Log for KafkaLog {
    async fn cluster_id(&self) -> Result<String, LogError> {
        self.admin.cluster_id().await
    }
    async fn create_topic(&self, topic: &NewTopic) -> Result<TopicCreation, LogError> {
        self.admin.create_topic(topic).await
    }
    async fn describe_topic(&self, topic: &str) -> Result<Option<TopicDescription>, LogError> {
        self.admin.describe_topic(topic).await
    }
    async fn topic_settings(&self, topic: &str) -> Result<BTreeMap<String, String>, LogError> {
        self.admin.topic_settings(topic).await
    }
    async fn topics(&self) -> Result<Vec<Arc<str>>, LogError> {
        self.admin.topics().await
    }
    async fn delete_topic(&self, topic: &str) -> Result<(), LogError> {
        self.admin.delete_topic(topic).await
    }
    async fn offsets(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<HashMap<TopicPartition, (i64, i64)>, LogError> {
        self.admin.offsets(partitions).await
    }
    async fn producer(&self, config: &ClientConfig) -> Result<Arc<dyn Producer>, LogError> {
        let producer = KafkaProducer::open(&self.layered(config), &self.base)?;
        Ok(Arc::new(producer))
    }
    async fn consumer(
        &self,
        config: &ClientConfig,
        subscription: Subscription,
    ) -> Result<Box<dyn Consumer>, LogError> {
        let config = self.layered(config);
        let consumer = KafkaConsumer::open(&config, &self.base, subscription).await?;
        Ok(Box::new(consumer))
    }
    async fn reader(
        &self,
        config: &ClientConfig,
        start: &[(TopicPartition, i64)],
    ) -> Result<Box<dyn Reader>, LogError> {
        let reader = KafkaReader::open(&self.layered(config), &self.base, start).await?;
        Ok(Box::new(reader))
    }
    async fn group_offsets(&self, group: &str) -> Result<BTreeMap<TopicPartition, i64>, LogError> {
        self.admin.group_offsets(group).await
    }
    async fn alter_group_offsets(
        &self,
        group: &str,
        offsets: &[(TopicPartition, Option<i64>)],
    ) -> Result<(), LogError> {
        self.admin.alter_group_offsets(group, offsets).await
    }
    async fn delete_group(&self, group: &str) -> Result<(), LogError> {
        self.admin.delete_group(group).await
    }
    async fn claim_group(
        &self,
        group: &str,
        member: &str,
        topic: &str,
        session_timeout: Duration,
    ) -> Result<GroupClaim, LogError> {
        let wish = claim::Wish {
            group: Arc::from(group),
            member: Arc::from(member),
            topic: Arc::from(topic),
            session_timeout,
        };
        claim::claim(&self.base, Arc::clone(&self.admin), wish).await
    }
}

/// Opens logs on the clusters that settings name; without servers it is the worker's own.
#[derive(Clone)]
pub struct KafkaProvider {
    worker: ClientConfig,
}

impl fmt::Debug for KafkaProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KafkaProvider({})", servers(&self.worker))
    }
}

impl KafkaProvider {
    /// `worker` are the worker's own settings.
    pub fn new(worker: ClientConfig) -> Self {
        Self { worker }
    }
}

#[async_trait]
impl LogProvider for KafkaProvider {
    async fn connect(&self, config: &ClientConfig) -> Result<Arc<dyn Log>, LogError> {
        let config = complete(&self.worker, config);
        info!("Topics are on Kafka at {}", servers(&config));
        Ok(Arc::new(KafkaLog::new(config)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(settings: &[(&str, &str)]) -> ClientConfig {
        let pairs = settings.iter();
        pairs
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn settings_with_servers_stand_for_themselves() {
        let base = config(&[
            ("bootstrap.servers", "a:1"),
            ("security.protocol", "SASL_PLAINTEXT"),
            ("sasl.mechanism", "PLAIN"),
            ("client.id", "worker"),
        ]);
        let check = |own: &[(&str, &str)], expected: &[(&str, &str)]| {
            let mut complete: Vec<_> = complete(&base, &config(own)).0.into_iter().collect();
            complete.sort();
            let mut expected: Vec<_> = config(expected).0.into_iter().collect();
            expected.sort();
            assert_eq!(complete, expected);
        };
        check(
            &[("acks", "1")],
            &[
                ("acks", "1"),
                ("bootstrap.servers", "a:1"),
                ("client.id", "worker"),
                ("sasl.mechanism", "PLAIN"),
                ("security.protocol", "SASL_PLAINTEXT"),
            ],
        );
        check(
            &[("bootstrap.servers", "a:1")],
            &[
                ("bootstrap.servers", "a:1"),
                ("sasl.mechanism", "PLAIN"),
                ("security.protocol", "SASL_PLAINTEXT"),
            ],
        );
        let other = [("bootstrap.servers", "b:1")];
        check(&other, &other);
        let own = [("bootstrap.servers", "a:1"), ("security.protocol", "SSL")];
        check(&own, &own);
    }
}
