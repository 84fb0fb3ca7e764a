//! What every client of librdkafka reports: its log lines and its troubles.

use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{DeliveryResult, ProducerContext};
use tracing::{debug, error, info, warn};

/// The last trouble of a client, for error texts: librdkafka's own answers to requests only say that time is over.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trouble(Arc<Mutex<Option<(RDKafkaErrorCode, String)>>>);

impl Trouble {
    pub(crate) fn note(&self, code: RDKafkaErrorCode, reason: &str) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // "all brokers are down" says less than why the last one was.
        if code != RDKafkaErrorCode::AllBrokersDown || last.is_none() {
            *last = Some((code, reason.to_owned()));
        }
    }

    pub(crate) fn last(&self) -> Option<(RDKafkaErrorCode, String)> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone()
    }
}

/// Context of clients that need no callbacks of their own.
#[derive(Debug, Clone)]
pub(crate) struct Reports {
    /// For the log.
    pub(crate) client: Arc<str>,
    pub(crate) trouble: Trouble,
}

impl Reports {
    pub(crate) fn new(client: &str) -> Self {
        Self {
            client: Arc::from(client),
            trouble: Trouble::default(),
        }
    }
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, log_message: &str) {
        let client = &*self.client;
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                error!(client, "{fac}: {log_message}");
            }
            // Lost connections are reported here and as errors below.
            _ => debug!(client, "{fac}: {log_message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let client = &*self.client;
        let code = error
            .rdkafka_error_code()
            .unwrap_or(RDKafkaErrorCode::Unknown);
        self.trouble.note(code, reason);
        match code {
            RDKafkaErrorCode::AllBrokersDown => warn!(client, "no broker can be reached: {reason}"),
            RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::OperationTimedOut => {
                info!(client, "connection trouble: {reason}");
            }
            _ => warn!(client, "{code}: {reason}"),
        }
    }
}

/// Rebalances are served from the queue, see [`Client`](crate::consumer::Client); only a consumer that is being closed uses
/// this one's default.
impl ConsumerContext for Reports {}

/// For clients that ask and never append.
impl ProducerContext for Reports {
    type DeliveryOpaque = ();
    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}
