//! Which lines are written, and when.
//!
//! Lines are the same if level, spans (so connector and task), target and text are; lengths of time in them, which change
//! with every attempt, do not count. Levels below INFO are not limited: whoever asks for them wants all.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, Utc};
use tracing::{Level, Metadata};

/// Between a line and the next one of its kind; each pause is twice the one before it if all were written that may be.
pub(super) const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// A line that has not come for this long after its last pause is news.
const FORGET: Duration = Duration::from_mins(1);
/// Kinds of lines that are remembered.
pub(super) const KINDS: usize = 2048;
/// Bytes of lines that are held back.
pub(super) const HELD_BYTES: usize = 1 << 20;

/// Where connectors and tasks are said to have failed.
pub(super) const FAILURES: [&str; 3] = [
    "tidegate_tasks::run",
    "tidegate_worker::herder",
    "tidegate_cdc::reader",
];

/// How much of a kind is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Policy {
    /// Lines that are written at the start of each pause.
    at_once: u32,
    longest_pause: Duration,
}

impl Policy {
    /// What is odd but recovers, as every attempt does.
    pub(super) const WARNING: Self = Self {
        at_once: 1,
        longest_pause: Duration::from_mins(5),
    };
    /// An alert may wait for it.
    pub(super) const ERROR: Self = Self {
        at_once: 1,
        longest_pause: Duration::from_secs(15),
    };
    /// Each is written, unless there are many a second.
    pub(super) const FAILURE: Self = Self {
        at_once: 4,
        ..Self::ERROR
    };
    /// Some changes follow each other.
    pub(super) const CHANGE: Self = Self {
        at_once: 4,
        ..Self::WARNING
    };

    /// `None` if all are written.
    pub(super) fn of(metadata: &Metadata<'_>) -> Option<Self> {
        let is_in = |module: &&str| {
            let rest = metadata.target().strip_prefix(*module);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        };
        match *metadata.level() {
            Level::ERROR if FAILURES.iter().any(is_in) => Some(Self::FAILURE),
            Level::ERROR => Some(Self::ERROR),
            Level::WARN => Some(Self::WARNING),
            Level::INFO => Some(Self::CHANGE),
            _ => None,
        }
    }
}

/// A line to write, and when it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) time: DateTime<Utc>,
    pub(super) text: String,
}

impl Line {
    pub(super) fn new(text: &str, time: DateTime<Utc>) -> Self {
        Self {
            time,
            text: text.to_owned(),
        }
    }
}

/// Remembers what was written, and what was held back since.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    kinds: HashMap<u128, Kind>,
    /// The earliest end of a pause in which a line was held back.
    due: Option<Instant>,
    /// Of all lines that are held back.
    held_bytes: usize,
    /// When kinds that are past their time were dropped.
    swept: Option<Instant>,
    hashers: (RandomState, RandomState),
}

#[derive(Debug)]
struct Kind {
    policy: Policy,
    pause: Duration,
    until: Instant,
    /// Lines that may still come during the pause.
    at_once: u32,
    held: Option<Held>,
}

/// Lines that were not written: how many, since when, and the last one.
#[derive(Debug)]
struct Held {
    count: u64,
    since: DateTime<Utc>,
    last: Line,
}

impl Held {
    fn line(self) -> Line {
        let mut line = self.last;
        if self.count > 1 {
            let since = self.since.to_rfc3339_opts(SecondsFormat::Secs, true);
            line.text = format!("{} [{} times since {since}]", line.text, self.count);
        }
        line
    }
}

impl Limiter {
    /// The end of the pause of what is held back longest; `None` if nothing is.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// What is to be written now that this line has come: what was held back up to now, and then the line, unless it is
    /// held back itself.
    pub(super) fn admit(
        &mut self,
        line: &str,
        policy: Policy,
        now: Instant,
        time: DateTime<Utc>,
    ) -> Vec<Line> {
        let mut lines = self.overdue(now);
        let key = self.key(line);
        let line = Line::new(line, time);
        match self.kinds.get_mut(&key) {
            Some(kind) if now < kind.until && kind.at_once == 0 => {
                let until = kind.until;
                self.held_bytes += line.text.len();
                match &mut kind.held {
                    Some(held) => {
                        self.held_bytes -= held.last.text.len();
                        held.count += 1;
                        held.last = line;
                    }
                    None => {
                        kind.held = Some(Held {
                            count: 1,
                            since: time,
                            last: line,
                        });
                    }
                }
                self.due = Some(self.due.map_or(until, |due| due.min(until)));
            }
            Some(kind) if now < kind.until => {
                kind.at_once -= 1;
                lines.push(line);
            }
            Some(kind) if now < kind.until + FORGET => {
                *kind = kind.next(now);
                lines.push(line);
            }
            _ => {
                lines.push(line);
                self.kinds.insert(key, Kind::new(policy, FIRST_PAUSE, now));
            }
        }
        lines.extend(self.keep_bounds(now));
        lines
    }

    /// Lines whose pause is over and which have not been written since, the one that came first first.
    pub(super) fn overdue(&mut self, now: Instant) -> Vec<Line> {
        if self.due.is_none_or(|due| now < due) {
            return Vec::new();
        }
        self.take(now, |kind| kind.until <= now)
    }

    /// All lines that are held back, the one that came first first.
    pub(super) fn all(&mut self, now: Instant) -> Vec<Line> {
        self.take(now, |_| true)
    }

    fn take(&mut self, now: Instant, is_wanted: impl Fn(&Kind) -> bool) -> Vec<Line> {
        self.due = None;
        let mut lines = Vec::new();
        for kind in self.kinds.values_mut() {
            if is_wanted(kind)
                && let Some(held) = kind.held.take()
            {
                self.held_bytes -= held.last.text.len();
                lines.push(held.line());
                *kind = kind.next(now);
            } else if kind.held.is_some() {
                self.due = Some(self.due.map_or(kind.until, |due| due.min(kind.until)));
            }
        }
        lines.sort_by_key(|line| line.time);
        lines
    }

    /// Drops kinds that are past their time. Returns what had to give way.
    fn keep_bounds(&mut self, now: Instant) -> Vec<Line> {
        let since = *self.swept.get_or_insert(now);
        if self.kinds.len() > KINDS || now >= since + FORGET {
            self.swept = Some(now);
            self.kinds
                .retain(|_, kind| kind.held.is_some() || now < kind.until + FORGET);
        }
        if self.kinds.len() <= KINDS && self.held_bytes <= HELD_BYTES {
            return Vec::new();
        }
        let lines = self.all(now);
        if self.kinds.len() > KINDS {
            // So many different lines at once are no repetition.
            self.kinds.clear();
        }
        lines
    }

    /// A hash: lines may be long.
    fn key(&self, line: &str) -> u128 {
        let text = without_lengths_of_time(&without_ansi(line));
        let (high, low) = &self.hashers;
        u128::from(high.hash_one(&text)) << 64 | u128::from(low.hash_one(&text))
    }

    #[cfg(test)]
    pub(super) fn kinds(&self) -> usize {
        self.kinds.len()
    }
    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes
    }
}

impl Kind {
    /// One line of the kind was just written.
    fn new(policy: Policy, pause: Duration, now: Instant) -> Self {
        Self {
            policy,
            pause,
            until: now + pause,
            at_once: policy.at_once - 1,
            held: None,
        }
    }

    /// The pause behind the present one.
    fn next(&self, now: Instant) -> Self {
        let pause = if self.at_once == 0 {
            self.policy.longest_pause.min(self.pause * 2)
        } else {
            FIRST_PAUSE
        };
        Self::new(self.policy, pause, now)
    }
}

/// The line without the colours of a terminal.
fn without_ansi(line: &str) -> Cow<'_, str> {
    let mut parts = line.split("\x1b[");
    let first = parts.next().unwrap_or_default();
    if first.len() == line.len() {
        return Cow::Borrowed(line);
    }
    let mut out = first.to_owned();
    for part in parts {
        let numbers = part.trim_start_matches(|char: char| char.is_ascii_digit() || char == ';');
        out.push_str(numbers.strip_prefix('m').unwrap_or(part));
    }
    Cow::Owned(out)
}

/// The line with `#` for each word or value of a field that is a length of time, such as `1.5s` or `(after 30ms`.
pub(super) fn without_lengths_of_time(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for word in line.split_inclusive([' ', '\n', '=']) {
        let bare = word.trim_matches(|char: char| !char.is_ascii_alphanumeric());
        let number = bare.trim_start_matches(|char: char| char.is_ascii_digit() || char == '.');
        if number.len() < bare.len() && ["s", "ms", "µs", "ns"].contains(&number) {
            out.push('#');
        } else {
            out.push_str(word);
        }
    }
    out
}
