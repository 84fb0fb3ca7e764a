//! A consumer of librdkafka's, with the texts of its errors.

use std::sync::Arc;

use rdkafka::ClientContext as _;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer as _, RebalanceProtocol};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use tidegate_api::TopicPartition;
use tidegate_log::{ClientConfig, LogError};
use tokio::sync::Notify;

use crate::client_log::Reports;
use crate::errors;
use crate::native::{Failure, Queue};
use crate::settings::servers;
use crate::settings::{self, CLIENT_ID, GROUP_ID, Kind};

/// A consumer of librdkafka's with its queue.
pub(crate) struct Client {
    /// First, so that it ends before the consumer.
    pub(crate) queue: Queue,
    pub(crate) native: BaseConsumer<Reports>,
    /// Told when the queue is no longer empty.
    pub(crate) ready: Arc<Notify>,
    pub(crate) servers: Arc<str>,
}

impl Client {
    pub(crate) fn open(
        config: &ClientConfig,
        base: &ClientConfig,
        kind: Kind,
    ) -> Result<Self, LogError> {
        let native_config = settings::translate(config, base, kind)?;
        let servers = servers(config);
        let reports = Reports::new(config.get(CLIENT_ID).unwrap_or("consumer"));
        let mut native: BaseConsumer<Reports> = native_config
            .create_with_context(reports)
            .map_err(|error| errors::translate("open a consumer", &servers, &error, None))?;
        let queue = Queue::of(&native)
            .ok_or_else(|| settings::invalid(GROUP_ID, "is missing; a consumer needs one"))?;
        let ready = Arc::new(Notify::new());
        let wake = Arc::clone(&ready);
        native.set_nonempty_callback(move || wake.notify_one());
        Ok(Self {
            queue,
            native,
            ready,
            servers,
        })
    }

    pub(crate) fn code(&self, doing: &str, code: Code) -> LogError {
        let trouble = Some(&self.native.context().trouble);
        errors::from_code(doing, &self.servers, code, trouble)
    }

    pub(crate) fn error(&self, doing: &str, error: &KafkaError) -> LogError {
        let trouble = Some(&self.native.context().trouble);
        errors::translate(doing, &self.servers, error, trouble)
    }

    /// Logs it, and keeps it as the reason for what fails next.
    pub(crate) fn note(&self, failure: &Failure) {
        let error = KafkaError::Global(failure.code);
        self.native.context().error(error, &failure.reason);
    }

    fn is_cooperative(&self) -> bool {
        matches!(
            self.native.rebalance_protocol(),
            RebalanceProtocol::Cooperative
        )
    }

    /// Answers a rebalance that gives partitions.
    pub(crate) fn assign(&self, partitions: &TopicPartitionList) -> Result<(), LogError> {
        let assigned = if self.is_cooperative() {
            self.native.incremental_assign(partitions)
        } else {
            self.native.assign(partitions)
        };
        assigned.map_err(|error| self.error("take partitions", &error))
    }

    pub(crate) fn assignment(&self) -> Vec<TopicPartition> {
        let Ok(list) = self.native.assignment() else {
            return Vec::new();
        };
        let elements = list.elements();
        let names = elements.iter();
        names
            .map(|at| TopicPartition::new(at.topic(), at.partition()))
            .collect()
    }

    /// Answers a rebalance that takes partitions.
    pub(crate) fn unassign(&self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        let unassigned = if self.is_cooperative() {
            self.native.incremental_unassign(&list(partitions))
        } else {
            self.native.unassign()
        };
        unassigned.map_err(|error| self.error("give partitions back", &error))
    }
}

/// Partitions without offsets.
pub(crate) fn list(partitions: &[TopicPartition]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        list.add_partition(&partition.topic, partition.partition);
    }
    list
}
