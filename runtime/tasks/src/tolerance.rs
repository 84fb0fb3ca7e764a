//! What happens to a record that cannot be converted or transformed: retries, tolerance, reports.
//!
//! Source: `org.apache.kafka.connect.runtime.errors.{RetryWithToleranceOperator,LogReporter}`.

use std::time::Duration;

use rand::RngExt as _;
use tidegate_api::{ConnectError, ConnectorTaskId, ErrorKind, Props};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::connector_config::{
    ERRORS_LOG_ENABLE, ERRORS_LOG_INCLUDE_MESSAGES, ERRORS_RETRY_DELAY_MAX, ERRORS_RETRY_TIMEOUT,
    ERRORS_TOLERANCE,
};

/// Where in its way a record failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    TaskPut,
    Transformation,
    KeyConverter,
    ValueConverter,
    HeaderConverter,
    KafkaProduce,
}

impl Stage {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::TaskPut => "TASK_PUT",
            Self::Transformation => "TRANSFORMATION",
            Self::KeyConverter => "KEY_CONVERTER",
            Self::ValueConverter => "VALUE_CONVERTER",
            Self::HeaderConverter => "HEADER_CONVERTER",
            Self::KafkaProduce => "KAFKA_PRODUCE",
        }
    }
}

/// A record's failure: where, in which class, and why.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) stage: Stage,
    pub(crate) class: &'static str,
    pub(crate) error: ConnectError,
}

/// `errors.*` of a connector.
#[derive(Debug, Clone)]
pub(crate) struct ErrorHandling {
    task: ConnectorTaskId,
    pub(crate) tolerate_all: bool,
    /// `None`: for ever.
    retry_timeout: Option<Duration>,
    retry_delay_max: Duration,
    pub(crate) log: bool,
    log_messages: bool,
}

/// Attempts at one operation.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    failed: u32,
    started: Option<Instant>,
}

impl Attempts {
    /// The time for another attempt is counted from here, else from the first failure.
    pub(crate) fn begin(&mut self) -> Instant {
        *self.started.get_or_insert_with(Instant::now)
    }
}

/// First line of the trace of a task that ends by an error which it does not tolerate.
pub(crate) const TOLERANCE_EXCEEDED: &str = "Tolerance exceeded in error handler";

const FIRST_RETRY_DELAY: Duration = Duration::from_millis(300);

impl ErrorHandling {
    pub(crate) fn new(task: ConnectorTaskId, props: &Props) -> Result<Self, ConnectError> {
        let millis = |millis: i64| u64::try_from(millis).ok().map(Duration::from_millis);
        Ok(Self {
            task,
            tolerate_all: props.get(&ERRORS_TOLERANCE)? == "all",
            retry_timeout: millis(props.get(&ERRORS_RETRY_TIMEOUT)?),
            retry_delay_max: millis(props.get(&ERRORS_RETRY_DELAY_MAX)?).unwrap_or_default(),
            log: props.get(&ERRORS_LOG_ENABLE)?,
            log_messages: props.get(&ERRORS_LOG_INCLUDE_MESSAGES)?,
        })
    }

    /// Whether a record may be needed after it has failed: for another attempt, or for its text.
    pub(crate) fn needs_records(&self) -> bool {
        self.retry_timeout.is_none_or(|timeout| !timeout.is_zero())
            || (self.log && self.log_messages)
    }

    /// Waits for the next attempt at an operation that has failed. False if there is to be none.
    pub(crate) async fn wait_for_retry(
        &self,
        error: &ConnectError,
        attempts: &mut Attempts,
        stop: &CancellationToken,
    ) -> bool {
        let started = attempts.begin();
        attempts.failed += 1;
        match self.retry_after(error, attempts.failed, started) {
            Some(delay) if !stop.is_cancelled() => {
                pause_for(delay, stop).await;
                true
            }
            _ => false,
        }
    }

    /// Whether an operation that failed is worth waiting for, and how long; `attempt` counts from 1.
    fn retry_after(
        &self,
        error: &ConnectError,
        attempt: u32,
        started: Instant,
    ) -> Option<Duration> {
        if error.kind() != ErrorKind::Retriable {
            return None;
        }
        let mut delay = FIRST_RETRY_DELAY.saturating_mul(1 << (attempt - 1).min(20));
        if delay > self.retry_delay_max {
            delay = self
                .retry_delay_max
                .mul_f64(rand::rng().random_range(0.0..1.0));
        }
        match self.retry_timeout {
            None => Some(delay),
            Some(timeout) => {
                let left = timeout.checked_sub(started.elapsed())?;
                (!left.is_zero()).then(|| delay.min(left))
            }
        }
    }

    /// Writes the failure to the log if the connector wants it. `record` describes the record, for connectors that want
    /// that, too.
    pub(crate) fn report(&self, failure: &Failure, record: impl FnOnce() -> String) {
        if !self.log {
            return;
        }
        let record = if self.log_messages {
            record()
        } else {
            String::new()
        };
        error!(
            "Error encountered in task {}. Executing stage '{}' with class '{}'{record}.\n{}",
            self.task,
            failure.stage.name(),
            failure.class,
            failure.error.trace()
        );
    }

    /// `Ok` if the record may be skipped; else the error that ends the task. `record` says which record it is.
    pub(crate) fn tolerate(
        &self,
        failure: Failure,
        record: impl FnOnce() -> String,
    ) -> Result<(), ConnectError> {
        if self.tolerate_all {
            return Ok(());
        }
        let Failure {
            stage,
            class,
            error,
        } = failure;
        let place = format!("stage {} ({class}) failed for {}", stage.name(), record());
        Err(error.context(place).context(TOLERANCE_EXCEEDED))
    }
}

/// Waits, unless the task is to stop.
pub(crate) async fn pause_for(delay: Duration, stop: &CancellationToken) {
    // Running out of time is what is waited for.
    drop(tokio::time::timeout(delay, stop.cancelled()).await);
}

/// Waits for something that may take long.
///
/// # Errors
/// If the task is to stop meanwhile.
pub(crate) async fn unless_stopped<T>(
    stop: &CancellationToken,
    work: impl Future<Output = T>,
) -> Result<T, ConnectError> {
    tokio::select! {
        biased;
        done = work => Ok(done),
        () = stop.cancelled() => Err(ConnectError::retriable("the task is to stop")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handling(props: &[(&str, &str)]) -> ErrorHandling {
        let task = ConnectorTaskId {
            connector: "c".into(),
            task: 0,
        };
        ErrorHandling::new(task, &props.iter().copied().collect()).expect("settings")
    }

    #[tokio::test]
    async fn only_transient_errors_are_retried_and_only_for_so_long() {
        let patient = handling(&[
            ("errors.retry.timeout", "-1"),
            ("errors.retry.delay.max.ms", "1000"),
        ]);
        let now = Instant::now();
        let transient = ConnectError::retriable("away");
        assert_eq!(
            patient.retry_after(&transient, 1, now),
            Some(Duration::from_millis(300))
        );
        assert_eq!(
            patient.retry_after(&transient, 2, now),
            Some(Duration::from_millis(600))
        );
        assert!(
            patient
                .retry_after(&transient, 9, now)
                .is_some_and(|delay| delay < Duration::from_secs(1))
        );
        assert_eq!(
            patient.retry_after(&ConnectError::data("bad"), 1, now),
            None
        );
        assert_eq!(handling(&[]).retry_after(&transient, 1, now), None);
    }

    #[test]
    fn tolerance_decides() {
        let failure = || Failure {
            stage: Stage::ValueConverter,
            class: "C",
            error: ConnectError::data("bad"),
        };
        assert!(
            handling(&[("errors.tolerance", "all")])
                .tolerate(failure(), String::new)
                .is_ok()
        );
        let error = handling(&[])
            .tolerate(failure(), || "the record at t-0@5".to_owned())
            .expect_err("not tolerated");
        assert_eq!(
            error.trace(),
            "org.apache.kafka.connect.errors.ConnectException: Tolerance exceeded in error handler\n\
             Caused by: org.apache.kafka.connect.errors.ConnectException: stage VALUE_CONVERTER (C) failed for the record at t-0@5\n\
             Caused by: org.apache.kafka.connect.errors.DataException: bad"
        );
    }
}
