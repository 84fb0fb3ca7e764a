//! What the reader of any source does from its start to its end: it decides between snapshot and stream, and comes back after
//! what fails for a time.
//!
//! A database brings a [`Source`]. Order, retries and what is said of them are the coordinator's; every record passes through
//! its [`Dispatcher`].
//!
//! Source: Debezium `ChangeEventSourceCoordinator`, `BaseSourceTask`, `ErrorHandler`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tidegate_api::{ConnectError, ErrorKind, TaskWaits};
use tracing::{info, warn};

use crate::dispatcher::Dispatcher;
use crate::queue::Stopped;
use crate::retries::Retries;
use crate::snapshot_mode::SnapshotMode;

/// Where a source goes on; shown in errors.
pub trait Position: Clone + fmt::Debug + fmt::Display + Send + Sync + 'static {
    /// Whether the initial snapshot had not ended there.
    fn in_snapshot(&self) -> bool;
}

/// What a source's errors say of themselves.
pub trait SourceError: Into<ConnectError> + From<EngineError> + From<Stopped> + Send {
    fn kind(&self) -> ErrorKind;
    /// Nothing is wrong: the task has stopped.
    fn is_stop(&self) -> bool;
    /// The longest wait before the next attempt.
    fn longest_wait(&self) -> Duration {
        Duration::from_mins(1)
    }
}

/// Why a source cannot begin as it is configured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    #[error(
        "Could not find existing redo log information while attempting schema only recovery snapshot. Use snapshot.mode=no_data or initial for a first start"
    )]
    NothingToRecover,
    #[error(
        "The connector previously stopped while taking a snapshot, but now the connector is configured to never allow snapshots. Reconfigure the connector to use snapshots initially or when needed."
    )]
    SnapshotNotAllowed,
    #[error(
        "The db history topic is missing. You may attempt to recover it by reconfiguring the connector to recovery."
    )]
    HistoryMissing,
    #[error(
        "The connector is trying to read change stream starting at {place}, but this is no longer available on the server. Reconfigure the connector to use a snapshot mode when needed. {reason}"
    )]
    PositionLost { place: String, reason: String },
}

/// A snapshot that is to be taken.
#[derive(Debug)]
pub struct SnapshotRequest<P> {
    /// Rows are read, too.
    pub with_data: bool,
    /// The stored position of a recovery of the schema; streaming goes on from there.
    pub keep_position: Option<P>,
}

/// One database. A call may be dropped at any await.
#[async_trait]
pub trait Source: Send {
    type Position: Position;
    type Error: SourceError;
    type Attempt: Attempt<Position = Self::Position, Error = Self::Error>;

    /// An attempt begins.
    async fn begin(&mut self) -> Result<Self::Attempt, Self::Error>;

    /// Whether something lies before `own` that does not lie before `other`.
    fn is_beyond(&self, own: &Self::Position, other: &Self::Position) -> bool;

    /// What an attempt that ended at `position` has failed of, seen together with those before it.
    fn judged(&mut self, _position: Option<&Self::Position>, error: Self::Error) -> Self::Error {
        error
    }

    /// Sees to it that the server does not work on for what was given up.
    async fn clean_up(&mut self);
}

/// One attempt at reading a database. It knows no table yet. A call may be dropped at any await.
#[async_trait]
pub trait Attempt: Send {
    type Position: Position;
    type Error: SourceError;

    /// Whether the schema history has been made.
    async fn has_history(&mut self) -> Result<bool, Self::Error>;

    /// Makes the schema history, if it is not there.
    async fn make_history(&mut self) -> Result<(), Self::Error>;

    /// Rebuilds the tables as they were at a position, from which the stream goes on.
    async fn recover(&mut self, at: &Self::Position) -> Result<(), Self::Error>;

    /// Why the stream cannot go on from a position; `None` if it can.
    async fn unavailable(&mut self, at: &Self::Position) -> Result<Option<String>, Self::Error>;

    /// Where a stream begins that nothing comes before.
    async fn first_position(&mut self) -> Result<Self::Position, Self::Error>;

    /// Takes a snapshot: where the stream begins. `reached` is the stored position, if there is one; an attempt that has handed
    /// rows over leaves there where it began.
    async fn snapshot(
        &mut self,
        request: SnapshotRequest<Self::Position>,
        reached: &mut Option<Self::Position>,
        door: &mut Dispatcher,
    ) -> Result<Self::Position, Self::Error>;

    /// Follows changes until something fails or the task stops; `position` is where a restart would go on.
    async fn stream(
        &mut self,
        position: &mut Self::Position,
        after_snapshot: bool,
        door: &mut Dispatcher,
    ) -> Result<(), Self::Error>;
}

/// The coordinator's settings.
#[derive(Debug, Clone, Copy)]
pub struct CoordinatorSettings {
    pub snapshot_mode: SnapshotMode,
    /// `snapshot.delay.ms`
    pub snapshot_delay: Duration,
    /// `errors.max.retries`: negative for no limit.
    pub max_retries: i32,
    /// `retriable.restart.connector.wait.ms`
    pub retry_wait: Duration,
}

const STOPPED: &str =
    "An exception occurred in the change event producer. This connector will be stopped.";

/// Reads a source on a task of its own.
pub struct Coordinator<S: Source> {
    source: S,
    settings: CoordinatorSettings,
    dispatcher: Dispatcher,
    /// Shows what the reader waits for.
    waits: Arc<dyn TaskWaits>,
    /// Stored, or reached so far.
    position: Option<S::Position>,
    /// What `snapshot.mode` still asks for: `recovery` and `always` are for the task's start, not for each connection.
    mode: SnapshotMode,
    /// Whether it has once been decided how to begin: what goes wrong before that is an error of the task's start.
    has_begun: bool,
    progress: Progress<S::Position>,
}

impl<S: Source> fmt::Debug for Coordinator<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coordinator")
            .field("settings", &self.settings)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

/// How far the attempts have come.
#[derive(Debug)]
struct Progress<P> {
    /// `None` if whatever is reached is new, such as after a snapshot, which may be one of another log.
    furthest: Option<P>,
}

impl<P: Position> Progress<P> {
    /// Nothing before the stored position counts.
    fn from(stored: Option<&P>) -> Self {
        Self {
            furthest: stored.filter(|position| !position.in_snapshot()).cloned(),
        }
    }

    /// Whether an attempt that ended at `position` has got further than all before it. A snapshot that begins anew each time
    /// has not, nor has a stream that comes back to where it was.
    fn is_made(&mut self, position: Option<&P>, is_beyond: impl Fn(&P, &P) -> bool) -> bool {
        let Some(position) = position.filter(|position| !position.in_snapshot()) else {
            return false;
        };
        let furthest = self.furthest.as_ref();
        let is_made = furthest.is_none_or(|furthest| is_beyond(position, furthest));
        if is_made {
            self.furthest = Some(position.clone());
        }
        is_made
    }
}

/// How to begin.
enum Start<P> {
    Stream(P),
    Snapshot(SnapshotRequest<P>),
}

impl<P> Start<P> {
    fn snapshot(with_data: bool) -> Self {
        Self::Snapshot(SnapshotRequest {
            with_data,
            keep_position: None,
        })
    }
}

impl<S: Source> Coordinator<S> {
    /// `position` is the stored one.
    pub fn new(
        source: S,
        settings: CoordinatorSettings,
        dispatcher: Dispatcher,
        waits: Arc<dyn TaskWaits>,
        position: Option<S::Position>,
    ) -> Self {
        Self {
            source,
            settings,
            dispatcher,
            waits,
            progress: Progress::from(position.as_ref()),
            position,
            mode: settings.snapshot_mode,
            has_begun: false,
        }
    }

    /// Until nothing is left to read, the task stops, or something fails for good.
    ///
    /// # Errors
    /// What failed, after all records before it.
    pub async fn run(mut self) -> Result<(), ConnectError> {
        let mut retries = Retries::new(self.settings.max_retries, self.settings.retry_wait);
        loop {
            let error = match self.attempt().await {
                Ok(()) => {
                    info!("Nothing is left to read; the task stays idle");
                    return Ok(());
                }
                Err(error) if error.is_stop() => return Ok(()),
                Err(error) => error,
            };
            // The records so far are good: they come before the failure.
            if self.dispatcher.flush().await.is_err() {
                return Ok(());
            }
            let source = &self.source;
            let is_beyond = |own: &S::Position, other: &S::Position| source.is_beyond(own, other);
            if self.progress.is_made(self.position.as_ref(), is_beyond) {
                retries.reset();
            }
            let error = self.source.judged(self.position.as_ref(), error);
            if error.kind() != ErrorKind::Retriable {
                return Err(self.stopped_by(error.into()));
            }
            let longest = error.longest_wait();
            let error: ConnectError = error.into();
            let Some(retry) = retries.next(longest) else {
                warn!(
                    "The maximum number of {} retries has been attempted (errors.max.retries)",
                    self.settings.max_retries
                );
                return Err(self.stopped_by(error.with_kind(ErrorKind::Fatal)));
            };
            let limit = retries.limit().map_or_else(
                || "unlimited retries".to_owned(),
                |limit| format!("{limit} retries"),
            );
            warn!(
                "{}. Retry {} of {limit} (errors.max.retries) comes in {:.1?} (retriable.restart.connector.wait.ms, doubled each time); failing for {:.0?}",
                error.chain(),
                retry.number,
                retry.wait,
                retry.failing_for
            );
            self.waits.begin(error);
            self.source.clean_up().await;
            tokio::time::sleep(retry.wait).await;
        }
    }

    fn stopped_by(&self, error: ConnectError) -> ConnectError {
        if self.has_begun {
            error.context(STOPPED)
        } else {
            error
        }
    }

    /// From the known position to the end of the connection.
    async fn attempt(&mut self) -> Result<(), S::Error> {
        let mut attempt = self.source.begin().await?;
        let start = self.prepare(&mut attempt).await?;
        self.has_begun = true;
        let after_snapshot = matches!(start, Start::Snapshot(_));
        let position = match start {
            Start::Stream(position) => position,
            Start::Snapshot(request) => self.snapshot(&mut attempt, request).await?,
        };
        let position = self.position.insert(position);
        if !self.settings.snapshot_mode.streams() {
            return Ok(());
        }
        attempt
            .stream(position, after_snapshot, &mut self.dispatcher)
            .await
    }

    async fn snapshot(
        &mut self,
        attempt: &mut S::Attempt,
        request: SnapshotRequest<S::Position>,
    ) -> Result<S::Position, S::Error> {
        attempt.make_history().await?;
        let delay = self.settings.snapshot_delay;
        if !delay.is_zero() {
            info!("The connector will wait for {delay:?} before starting a snapshot");
            tokio::time::sleep(delay).await;
        }
        let position = attempt
            .snapshot(request, &mut self.position, &mut self.dispatcher)
            .await?;
        self.progress = Progress { furthest: None };
        if matches!(self.mode, SnapshotMode::Recovery | SnapshotMode::Always) {
            self.mode = SnapshotMode::Initial;
        }
        Ok(position)
    }

    /// Decides how to begin, and recovers the schema if streaming goes on.
    async fn prepare(&self, attempt: &mut S::Attempt) -> Result<Start<S::Position>, S::Error> {
        let mode = self.mode;
        let with_data = mode.has_data();
        let Some(position) = &self.position else {
            return match mode {
                SnapshotMode::Recovery => Err(EngineError::NothingToRecover.into()),
                SnapshotMode::Never => {
                    attempt.make_history().await?;
                    Ok(Start::Stream(attempt.first_position().await?))
                }
                _ => Ok(Start::snapshot(with_data)),
            };
        };
        if position.in_snapshot() {
            if mode == SnapshotMode::Never {
                return Err(EngineError::SnapshotNotAllowed.into());
            }
            info!("The last snapshot was not completed; it is taken again");
            return Ok(Start::snapshot(with_data));
        }
        if mode == SnapshotMode::Recovery {
            return Ok(Start::Snapshot(SnapshotRequest {
                with_data: false,
                keep_position: Some(position.clone()),
            }));
        }
        if mode == SnapshotMode::Always {
            return Ok(Start::snapshot(with_data));
        }
        if !attempt.has_history().await? {
            return Err(EngineError::HistoryMissing.into());
        }
        if mode.streams()
            && let Some(reason) = attempt.unavailable(position).await?
        {
            if mode == SnapshotMode::WhenNeeded {
                warn!(
                    "Last recorded offset is no longer available on the server. A new snapshot is taken (snapshot.mode=when_needed)"
                );
                return Ok(Start::snapshot(with_data));
            }
            return Err(EngineError::PositionLost {
                place: position.to_string(),
                reason,
            }
            .into());
        }
        attempt.recover(position).await?;
        Ok(Start::Stream(position.clone()))
    }
}

#[cfg(test)]
mod tests;
