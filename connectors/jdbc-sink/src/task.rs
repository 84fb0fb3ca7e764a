//! The task: hands batches to the writer and says what follows from its errors.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tidegate_api::connector::SinkTaskRequests;
use tidegate_api::{ConnectError, Props, SinkRecord, SinkTask, SinkTaskContext};
use tracing::warn;

use crate::config::{Settings, Style};
use crate::writer::Writer;

pub(crate) struct JdbcSinkTask {
    style: Style,
    writer: Option<Writer>,
    requests: Option<Arc<dyn SinkTaskRequests>>,
    retry_delay: Duration,
    max_retries: Option<u32>,
    retries: u32,
}

impl JdbcSinkTask {
    pub(crate) fn new(style: Style) -> Self {
        Self {
            style,
            writer: None,
            requests: None,
            retry_delay: Duration::from_secs(1),
            max_retries: None,
            retries: 0,
        }
    }

    /// The original's fixed delay where retries are counted; without a limit it grows up to half a minute.
    fn delay(&self) -> Duration {
        const LONGEST: Duration = Duration::from_secs(30);
        if self.max_retries.is_some() {
            return self.retry_delay;
        }
        let factor = 1 << self.retries.saturating_sub(1).min(5);
        (self.retry_delay * factor).min(LONGEST.max(self.retry_delay))
    }
}

#[async_trait]
impl SinkTask for JdbcSinkTask {
    async fn start(&mut self, context: SinkTaskContext, props: Props) -> Result<(), ConnectError> {
        let settings = Settings::new(self.style, &props)?;
        self.retry_delay = settings.retry_delay;
        self.max_retries = settings.max_retries;
        self.requests = Some(context.requests);
        let mut writer = Writer::new(settings, context.task, context.errant_record_reporter)?;
        match writer.connect().await {
            // A server that is away now may be there for the first batch.
            Ok(()) => {}
            Err(error) if error.is_transient() => warn!("{error}"),
            Err(error) => return Err(error.into()),
        }
        self.writer = Some(writer);
        Ok(())
    }

    async fn put(&mut self, records: &[SinkRecord]) -> Result<(), ConnectError> {
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        let done = if records.is_empty() {
            writer.connect_at_first().await
        } else {
            writer.write(records).await
        };
        let Err(error) = done else {
            self.retries = 0;
            return Ok(());
        };
        let connection_backoff = writer.connection_backoff();
        let transient = error.is_transient();
        let error = ConnectError::from(error);
        if !transient {
            return Err(error.context("JDBC sink connector failure"));
        }
        if let Some(backoff) = connection_backoff {
            // The writer counts.
            if let Some(requests) = &self.requests {
                requests.set_timeout(backoff);
            }
            return Err(error);
        }
        if let Some(limit) = self.max_retries.filter(|limit| self.retries >= *limit) {
            let text = format!(
                "Exceeded max retries {limit} times, failed to flush records: {}",
                error.text()
            );
            return Err(ConnectError::fatal(text).context("JDBC sink connector failure"));
        }
        self.retries += 1;
        if let Some(requests) = &self.requests {
            requests.set_timeout(self.delay());
        }
        Err(error)
    }

    async fn stop(&mut self) {
        if let Some(mut writer) = self.writer.take() {
            writer.close().await;
        }
    }
}
