//! The task: makes the reader of a server and hands on what it reads.
//!
//! Source: Debezium `BinlogSourceTask`.

use std::sync::Arc;

use async_trait::async_trait;
use tidegate_api::{
    ConnectError, Headers, Props, SourceRecord, SourceTask, SourceTaskContext, catch_panic,
};
use tidegate_cdc::coordinator::{Coordinator, CoordinatorSettings};
use tidegate_cdc::dispatcher::Dispatcher;
use tidegate_cdc::headers;
use tidegate_cdc::heartbeat::Heartbeat;
use tidegate_cdc::queue::BatchSender;
use tidegate_cdc::reader::{READER, ReaderHandle};
use tidegate_cdc::records::RecordMaker;
use tidegate_cdc::schema_changes::SchemaChangeMaker;
use tidegate_cdc::transactions::{TransactionMonitor, TransactionState};
use tidegate_log::LogProvider;
use tidegate_mysql::Flavor;
use tidegate_mysql::sessions::AtOnce;
use tidegate_mysql::uuid::random_uuid;
use tokio_util::sync::CancellationToken;

use crate::config::Settings;
use crate::flavor::ConnectorNames as _;
use crate::offsets::{self, Position};
use crate::source::BinlogSource;
use crate::source_info::SourceInfo;

pub(crate) struct BinlogTask {
    flavor: Flavor,
    provider: Arc<dyn LogProvider>,
    reader: Option<ReaderHandle>,
}

impl BinlogTask {
    pub(crate) fn new(flavor: Flavor, provider: Arc<dyn LogProvider>) -> Self {
        Self {
            flavor,
            provider,
            reader: None,
        }
    }
}

#[async_trait]
impl SourceTask for BinlogTask {
    async fn start(
        &mut self,
        context: SourceTaskContext,
        props: Props,
    ) -> Result<(), ConnectError> {
        let settings = Arc::new(Settings::new(self.flavor, &props)?);
        let partition = offsets::partition(&settings.naming.prefix);
        let stored = context
            .offset_reader
            .offsets(std::slice::from_ref(&*partition))
            .await?;
        let stored = stored.into_iter().next().flatten();
        let transaction = stored.as_ref().and_then(TransactionState::parse);
        let position = stored
            .inspect(offsets::warn_of_snapshots)
            .map(|fields| Position::parse(&fields))
            .transpose()?;
        let limits = settings.queue;
        let source = SourceInfo::new(self.flavor, &settings.naming.prefix);
        let run = random_uuid();
        let headers = if settings.extended_headers {
            headers::context(
                &settings.naming.prefix,
                &context.task.task.to_string(),
                self.flavor.name(),
                &run,
            )
        } else {
            Headers::new()
        };
        let engine = CoordinatorSettings {
            snapshot_mode: settings.snapshot_mode,
            snapshot_delay: settings.snapshot_delay,
            max_retries: settings.max_retries,
            retry_wait: settings.retry_wait,
        };
        let waits = context.waits;
        let door = |queue| {
            let mut door = dispatcher(self.flavor, &settings, &source, headers, queue);
            door.resume(transaction);
            door
        };
        let read = |queue, stop: CancellationToken| {
            let door = door(queue);
            let source = BinlogSource::new(
                self.flavor,
                Arc::clone(&settings),
                context.task.connector,
                Arc::clone(&self.provider),
                source.clone(),
                Arc::clone(&waits),
            );
            let server = source.server();
            let coordinator = Coordinator::new(source, engine, door, waits, position);
            async move {
                let work = catch_panic(READER, AtOnce::new(coordinator.run()));
                let outcome = tokio::select! {
                    () = stop.cancelled() => Ok(()),
                    outcome = work => outcome.flatten(),
                };
                server.end_cut_off().await;
                outcome
            }
        };
        self.reader = Some(ReaderHandle::spawn(limits, read));
        Ok(())
    }

    async fn poll(&mut self) -> Result<Vec<SourceRecord>, ConnectError> {
        match &mut self.reader {
            Some(reader) => reader.poll().await,
            None => Ok(Vec::new()),
        }
    }

    async fn stop(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.stop().await;
        }
    }
}

/// The door to `queue`.
pub(crate) fn dispatcher(
    flavor: Flavor,
    settings: &Settings,
    source: &SourceInfo,
    headers: Headers,
    queue: BatchSender,
) -> Dispatcher {
    let prefix = &settings.naming.prefix;
    let records = RecordMaker {
        partition: offsets::partition(prefix),
        headers,
        tombstones: settings.tombstones,
    };
    let topic = Arc::clone(&settings.heartbeat_topic);
    Dispatcher::new(
        records,
        SchemaChangeMaker::new(flavor.name(), prefix, &source.schema),
        Heartbeat::new(settings.heartbeat, topic, prefix),
        (settings.transaction_topic.clone()).map(TransactionMonitor::new),
        settings.skips_unchanged,
        queue,
    )
}
