//! The task: hands batches to the writer and says what follows from its errors.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tidegate_api::connector::SinkTaskRequests;
use tidegate_api::{ConnectError, Props, SinkRecord, SinkTask, SinkTaskContext};

use crate::config::{Settings, Style};
use crate::errors::SinkError;
use crate::writer::Writer;

pub(crate) struct JdbcSinkTask {
    style: Style,
    writer: Option<Writer>,
    requests: Option<Arc<dyn SinkTaskRequests>>,
    retry_delay: Duration,
}

impl JdbcSinkTask {
    pub(crate) fn new(style: Style) -> Self {
        Self {
            style,
            writer: None,
            requests: None,
            retry_delay: Duration::from_secs(1),
        }
    }
}

#[async_trait]
impl SinkTask for JdbcSinkTask {
    async fn start(&mut self, context: SinkTaskContext, props: Props) -> Result<(), ConnectError> {
        let settings = Settings::new(self.style, &props)?;
        self.retry_delay = settings.retry_delay;
        self.requests = Some(context.requests);
        let mut writer = Writer::new(settings, context.task, context.errant_record_reporter)?;
        match writer.connect().await {
            // A server that is away now may be there for the first batch.
            Ok(()) | Err(SinkError::Transient(_)) => {}
            Err(error) => return Err(error.into()),
        }
        self.writer = Some(writer);
        Ok(())
    }

    async fn put(&mut self, records: &[SinkRecord]) -> Result<(), ConnectError> {
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        if records.is_empty() {
            return Ok(());
        }
        writer.write(records).await.map_err(|error| {
            if let (SinkError::Transient(_), Some(requests)) = (&error, &self.requests) {
                requests.set_timeout(self.retry_delay);
            }
            let error = ConnectError::from(error);
            if error.is_retriable() {
                error
            } else {
                error.context("JDBC sink connector failure")
            }
        })
    }

    async fn stop(&mut self) {
        if let Some(mut writer) = self.writer.take() {
            writer.close().await;
        }
    }
}
