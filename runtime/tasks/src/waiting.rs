//! What a task waits for, and since when: its status says so, and the log when it begins and when it ends.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tidegate_api::{ConnectError, ConnectorTaskId, TaskWaits};
use tracing::{info, warn};

use crate::environment::{TaskEnvironment, TaskStatusListener};

/// Who waits for something; each for one thing at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waiter {
    /// The plugin, for its server or whatever else it needs.
    Plugin,
    /// A batch that the sink's target does not take.
    Batch,
    /// Calls of the source.
    Poll,
    /// Records on their way to the log.
    Log,
}

/// The waits of one task. While a person has paused it, it shows that.
pub(crate) struct Waiting {
    id: ConnectorTaskId,
    status: Arc<dyn TaskStatusListener>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    is_paused: bool,
    /// The oldest first, which is the one that the status shows.
    waits: Vec<Wait>,
}

struct Wait {
    waiter: Waiter,
    since: SystemTime,
    error: ConnectError,
}

impl Waiting {
    pub(crate) fn new(environment: &TaskEnvironment) -> Arc<Self> {
        Arc::new(Self {
            id: environment.id.clone(),
            status: Arc::clone(&environment.status),
            state: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The task is paused, or runs again.
    pub(crate) fn set_paused(&self, is_paused: bool) {
        let mut state = self.state();
        state.is_paused = is_paused;
        if is_paused {
            self.status.on_pause(&self.id);
        } else {
            self.show(&state);
        }
    }

    fn show(&self, state: &State) {
        if state.is_paused {
            return;
        }
        match state.waits.first() {
            Some(wait) => self.status.on_wait(&self.id, wait.since, &wait.error),
            None => self.status.on_resume(&self.id),
        }
    }

    /// Begins to wait, or goes on for another reason: since the first time, for the last reason.
    pub(crate) fn begin(&self, waiter: Waiter, error: ConnectError) {
        let mut state = self.state();
        let place = state.waits.iter().position(|wait| wait.waiter == waiter);
        let is_shown = match place {
            Some(place) => {
                let is_other = state.waits[place].error.chain() != error.chain();
                state.waits[place].error = error;
                is_other && place == 0
            }
            None => {
                warn!("task {} waits: {}", self.id, error.chain());
                let since = SystemTime::now();
                state.waits.push(Wait {
                    waiter,
                    since,
                    error,
                });
                state.waits.len() == 1
            }
        };
        if is_shown {
            self.show(&state);
        }
    }

    /// Ends a wait, if there is one.
    pub(crate) fn end(&self, waiter: Waiter) {
        let mut state = self.state();
        let Some(place) = state.waits.iter().position(|wait| wait.waiter == waiter) else {
            return;
        };
        let wait = state.waits.remove(place);
        let time = wait.since.elapsed().unwrap_or_default();
        info!("task {} goes on; it has waited for {time:.0?}", self.id);
        if place == 0 {
            self.show(&state);
        }
    }

    pub(crate) fn is_waiting(&self, waiter: Waiter) -> bool {
        self.state().waits.iter().any(|wait| wait.waiter == waiter)
    }
}

impl TaskWaits for Waiting {
    fn begin(&self, error: ConnectError) {
        Self::begin(self, Waiter::Plugin, error);
    }
    fn end(&self) {
        Self::end(self, Waiter::Plugin);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Journal;

    fn waiting() -> (Waiting, Arc<Journal>) {
        let journal = Arc::new(Journal::default());
        let waiting = Waiting {
            id: ConnectorTaskId {
                connector: Arc::from("c"),
                task: 0,
            },
            status: Arc::clone(&journal) as Arc<dyn TaskStatusListener>,
            state: Mutex::default(),
        };
        (waiting, journal)
    }

    #[test]
    fn the_oldest_wait_is_shown_until_all_have_ended() {
        let (waiting, journal) = waiting();
        let away = |what: &str| ConnectError::retriable(format!("{what} is away"));
        waiting.begin(Waiter::Plugin, away("server"));
        waiting.begin(Waiter::Log, away("log"));
        waiting.begin(Waiter::Plugin, away("server"));
        waiting.begin(Waiter::Plugin, away("lock"));
        waiting.end(Waiter::Plugin);
        waiting.end(Waiter::Plugin);
        waiting.set_paused(true);
        waiting.begin(Waiter::Poll, away("poll"));
        waiting.set_paused(false);
        waiting.end(Waiter::Poll);
        waiting.end(Waiter::Log);
        assert_eq!(
            journal.entries(),
            [
                "WAITING server is away",
                "WAITING lock is away",
                "WAITING log is away",
                "PAUSED",
                "WAITING log is away",
                "RUNNING",
            ]
        );
    }

    #[test]
    fn a_wait_that_ends_in_a_pause_shows_the_pause() {
        let (waiting, journal) = waiting();
        waiting.begin(Waiter::Batch, ConnectError::retriable("away"));
        waiting.set_paused(true);
        waiting.end(Waiter::Batch);
        assert!(!waiting.is_waiting(Waiter::Batch));
        assert_eq!(journal.entries(), ["WAITING away", "PAUSED"]);
        waiting.set_paused(false);
        assert_eq!(
            journal.entries().last().map(String::as_str),
            Some("RUNNING")
        );
    }
}
