//! What comes again and again is written at once, then with growing pauses: a broker or disk that is away makes the same
//! line with every attempt. What was held back is written at the end of the pause, with the time of its last line and how
//! many there were; the end of the process writes the rest.

mod limiter;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use chrono::{SecondsFormat, Utc};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{self, Format, Full, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use self::limiter::{Limiter, Line, Policy};

/// Writes events as [`Format`] does, unless they were written just now.
#[derive(Debug)]
pub(super) struct Limited {
    format: Format<Full, ()>,
    held_back: Arc<HeldBack>,
}

impl Limited {
    pub(super) fn new(held_back: Arc<HeldBack>) -> Self {
        Self {
            format: format::format().without_time().with_ansi(held_back.ansi),
            held_back,
        }
    }
}

impl<S, N> FormatEvent<S, N> for Limited
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::new();
        self.format
            .format_event(context, Writer::new(&mut line), event)?;
        let line = line.trim_end();
        let lines = match Policy::of(event.metadata()) {
            Some(policy) => self.held_back.admit(line, policy),
            None => vec![Line::new(line, Utc::now())],
        };
        lines
            .iter()
            .try_for_each(|line| writer.write_str(&self.held_back.text(line)))
    }
}

/// The lines that were not written yet, for those who make lines and for the thread that writes the overdue ones.
#[derive(Debug)]
pub(super) struct HeldBack {
    ansi: bool,
    state: Mutex<State>,
    /// A pause ends earlier than all before, or nothing is held back any more.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    limiter: Limiter,
    /// Lines are written as they come.
    closed: bool,
}

impl HeldBack {
    pub(super) fn new(ansi: bool) -> Arc<Self> {
        Arc::new(Self {
            ansi,
            state: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    /// Writes lines whose pause has ended, each in one call, until [`Self::close`].
    pub(super) fn write_overdue(&self, mut write: impl FnMut(&str)) {
        let mut state = self.lock();
        while !state.closed {
            let now = Instant::now();
            let lines = state.limiter.overdue(now);
            if !lines.is_empty() {
                drop(state);
                for line in &lines {
                    write(&self.text(line));
                }
                state = self.lock();
                continue;
            }
            let changed = &self.changed;
            state = match state.limiter.due() {
                None => changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(due) => {
                    let waited = changed.wait_timeout(state, due.saturating_duration_since(now));
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Writes what is held back; from then on nothing is.
    pub(super) fn close(&self, mut write: impl FnMut(&str)) {
        let lines = {
            let mut state = self.lock();
            state.closed = true;
            state.limiter.all(Instant::now())
        };
        self.changed.notify_all();
        for line in &lines {
            write(&self.text(line));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admit(&self, line: &str, policy: Policy) -> Vec<Line> {
        let mut state = self.lock();
        let (now, time) = (Instant::now(), Utc::now());
        if state.closed {
            return vec![Line::new(line, time)];
        }
        let before = state.limiter.due();
        let lines = state.limiter.admit(line, policy, now, time);
        let due = state.limiter.due();
        if due.is_some_and(|due| before.is_none_or(|before| due < before)) {
            self.changed.notify_all();
        }
        lines
    }

    fn text(&self, line: &Line) -> String {
        let time = line.time.to_rfc3339_opts(SecondsFormat::Micros, true);
        if self.ansi {
            format!("\x1b[2m{time}\x1b[0m {}\n", line.text)
        } else {
            format!("{time} {}\n", line.text)
        }
    }
}
