//! What becomes of records that were handed over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::producer::{DeliveryResult, Producer as _, ProducerContext};
use tidegate_log::{LogError, RecordMetadata};

use super::returned::Returned;
use super::{Native, is_missing};
use crate::context::Reports;
use crate::deliveries::{Deliveries, Ticket};
use crate::errors;
use crate::native::{Delivery, Report, ReportQueue};

/// Reports are served as they come; without any, the thread looks this often whether it is still needed.
const LOOK_FOR_END: Duration = Duration::from_secs(1);

/// Receives reports.
pub(super) struct Reporter {
    pub(super) reports: Reports,
    pub(super) deliveries: Arc<Deliveries>,
    pub(super) servers: Arc<str>,
    pub(super) returned: Returned,
}

impl Reporter {
    /// `None` for a record that goes out again.
    fn end_of(
        &self,
        delivery: &Delivery<'_>,
    ) -> Option<(Ticket, Result<RecordMetadata, LogError>)> {
        let ticket = Ticket(delivery.opaque);
        let result = match delivery.result {
            Ok((partition, offset)) => Ok(RecordMetadata { partition, offset }),
            Err(code) if is_missing(Some(code)) => {
                self.returned.push(delivery.message, ticket);
                return None;
            }
            Err(code) => {
                let doing = format!("append to topic '{}'", delivery.message.topic());
                let trouble = Some(&self.reports.trouble);
                Err(errors::from_code(&doing, &self.servers, code, trouble))
            }
        };
        Some((ticket, result))
    }
}

impl ClientContext for Reporter {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, log_message: &str) {
        self.reports.log(level, fac, log_message);
    }
    fn error(&self, error: KafkaError, reason: &str) {
        self.reports.error(error, reason);
    }
}

/// Reports come through [`serve`]; only at the end of a producer that is given up does rdkafka serve those of records that
/// it then purges.
impl ProducerContext for Reporter {
    /// A [`Ticket`].
    type DeliveryOpaque = usize;

    fn delivery(&self, _: &DeliveryResult<'_>, ticket: usize) {
        let closed = LogError::Unavailable("the producer was closed".to_owned());
        self.deliveries.settle(Ticket(ticket), Err(closed));
    }
}

/// Serves reports until the sender has finished.
pub(super) fn serve(native: &Native, finished: &AtomicBool) {
    let queue = ReportQueue::of(native);
    let reporter: &Reporter = native.context();
    while !finished.load(Ordering::Acquire) {
        match queue.next(LOOK_FOR_END) {
            Some(Report::Deliveries(mut deliveries)) => {
                let ends = std::iter::from_fn(|| Some(reporter.end_of(&deliveries.next()?)));
                reporter.deliveries.settle_all(ends.flatten());
            }
            Some(Report::Failure(failure)) => {
                reporter.error(KafkaError::Global(failure.code), &failure.reason);
            }
            Some(Report::Log {
                level,
                facility,
                text,
            }) => reporter.log(level, facility.trim(), text.trim()),
            Some(Report::Other) | None => {}
        }
    }
}
