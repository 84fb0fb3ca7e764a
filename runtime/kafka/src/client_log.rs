//! What every client of librdkafka reports: its log lines and its troubles.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{DeliveryResult, ProducerContext};
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

/// The last trouble of a client, for error texts: librdkafka's own answers to requests only say that time is over.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trouble(Arc<Mutex<Option<Noted>>>);

#[derive(Debug)]
struct Noted {
    code: RDKafkaErrorCode,
    reason: String,
    at: Instant,
}

/// A trouble that lasts comes again with every attempt at a connection; one that is older has passed.
const LASTS: Duration = Duration::from_mins(1);

impl Trouble {
    pub(crate) fn note(&self, code: RDKafkaErrorCode, reason: &str) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // "all brokers are down" says less than why the last one was.
        if code != RDKafkaErrorCode::AllBrokersDown || last.is_none() {
            *last = Some(Noted {
                code,
                reason: reason.to_owned(),
                at: Instant::now(),
            });
        }
    }

    pub(crate) fn last(&self) -> Option<(RDKafkaErrorCode, String)> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lasting = last.as_ref().filter(|noted| noted.at.elapsed() < LASTS);
        lasting.map(|noted| (noted.code, noted.reason.clone()))
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
        let reason = without_counts(reason);
        let code = error
            .rdkafka_error_code()
            .unwrap_or(RDKafkaErrorCode::Unknown);
        self.trouble.note(code, reason);
        match code {
            // Its own text only counts brokers.
            RDKafkaErrorCode::AllBrokersDown => {
                let last = self.trouble.last();
                let reason = last.map_or_else(|| reason.to_owned(), |(_, reason)| reason);
                warn!(client, "no broker can be reached: {reason}");
            }
            RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::OperationTimedOut => {
                info!(client, "connection trouble: {reason}");
            }
            _ => warn!(client, "{code}: {reason}"),
        }
    }
}

/// librdkafka's text without what differs from attempt to attempt, as in `(after 0ms in state CONNECT, 5 identical error(s)
/// suppressed)`: the same trouble is the same line of the log.
fn without_counts(reason: &str) -> &str {
    match reason.rsplit_once(" (after ") {
        Some((text, counts)) if counts.ends_with(')') => text,
        _ => reason,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_trouble_is_the_same_text() {
        let refused = "kafka:9092/1: Connect to ipv4#10.0.0.1:9092 failed: Connection refused";
        for counts in [
            " (after 0ms in state CONNECT)",
            " (after 12ms in state CONNECT, 30 identical error(s) suppressed)",
            "",
        ] {
            assert_eq!(without_counts(&format!("{refused}{counts}")), refused);
        }
    }
}
