//! What becomes of records that were handed over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::producer::{DeliveryResult, Producer as _, ProducerContext};
use tidegate_log::{LogError, RecordMetadata};

use super::Native;
use super::returned::{Cause, Return, Returned};
use crate::client_log::Reports;
use crate::deliveries::{Deliveries, Ticket, closed};
use crate::errors;
use crate::native::{Delivery, Report, ReportQueue};

/// Reports are served as they come; without any, the thread looks this often whether it is still needed.
const LOOK_FOR_END: Duration = Duration::from_secs(1);

/// Receives reports. Clones share what they note.
#[derive(Clone)]
pub(super) struct Reporter {
    pub(super) reports: Reports,
    pub(super) deliveries: Arc<Deliveries>,
    pub(super) servers: Arc<str>,
    pub(super) returned: Arc<Returned>,
}

impl Reporter {
    /// `None` for a record that goes out again.
    fn end_of(
        &self,
        delivery: &Delivery<'_>,
        native: &Native,
    ) -> Option<(Ticket, Result<RecordMetadata, LogError>)> {
        let ticket = Ticket(delivery.opaque);
        let code = match delivery.result {
            Ok((partition, offset)) => {
                return Some((ticket, Ok(RecordMetadata { partition, offset })));
            }
            Err(code) => code,
        };
        let message = delivery.message;
        // A client that has failed for good fails everything that it has.
        let is_dead = native.client().fatal_error().is_some();
        let cause = if is_dead {
            Some(Cause::Client(code))
        } else {
            Cause::of(code)
        };
        if let Some(cause) = cause {
            self.returned.push(Return::new(message, ticket, cause));
            return None;
        }
        let doing = format!("append to topic '{}'", message.topic());
        let trouble = Some(&self.reports.trouble);
        let error = errors::from_code(&doing, &self.servers, code, trouble);
        Some((ticket, Err(errors::of_record(Some(code), error))))
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
        self.deliveries.settle(Ticket(ticket), Err(closed()));
    }
}

/// Serves reports until the client is not needed any more.
pub(super) fn serve(native: &Native, finished: &AtomicBool) {
    let queue = ReportQueue::of(native);
    let reporter: &Reporter = native.context();
    while !finished.load(Ordering::Acquire) {
        match queue.next(LOOK_FOR_END) {
            Some(Report::Deliveries(mut deliveries)) => {
                let ends =
                    std::iter::from_fn(|| Some(reporter.end_of(&deliveries.next()?, native)));
                // Before any is settled: a panic must find all of them open.
                let ends: Vec<_> = ends.flatten().collect();
                reporter.deliveries.settle_all(ends.into_iter());
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
