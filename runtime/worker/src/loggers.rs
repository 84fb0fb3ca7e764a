//! Levels of the log by the names of Java's loggers, read and changed while the worker runs.
//!
//! Source: `org.apache.kafka.connect.runtime.Loggers`, KIP-495 and KIP-976.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value as Json, json};

const ROOT: &str = "root";

/// Loggers that are kept; the original keeps each name that was ever given.
const MOST_LOGGERS: usize = 500;

/// Log4j's levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Off,
    Fatal,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
    All,
}

impl Level {
    const ALL: [(Self, &'static str, &'static str); 8] = [
        (Self::Off, "OFF", "off"),
        (Self::Fatal, "FATAL", "error"),
        (Self::Error, "ERROR", "error"),
        (Self::Warn, "WARN", "warn"),
        (Self::Info, "INFO", "info"),
        (Self::Debug, "DEBUG", "debug"),
        (Self::Trace, "TRACE", "trace"),
        (Self::All, "ALL", "trace"),
    ];

    /// In any case.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        let found = all.find(|(_, name, _)| name.eq_ignore_ascii_case(text.trim()));
        found.map(|(level, _, _)| level)
    }

    fn row(self) -> (Self, &'static str, &'static str) {
        let mut all = Self::ALL.into_iter();
        let found = all.find(|(level, _, _)| *level == self);
        found.expect("the table has all levels")
    }
    pub(crate) fn name(self) -> &'static str {
        self.row().1
    }
    /// As a directive of `tracing` has it.
    fn directive(self) -> &'static str {
        self.row().2
    }
}

/// A level, and when it was set through REST.
#[derive(Debug, Clone, Copy)]
struct Logger {
    level: Level,
    /// Milliseconds since 1970; `None` if it has been so from the start.
    last_modified: Option<i64>,
    /// Number of the change that set it; 0 if it has been so from the start.
    change: u64,
}

impl Logger {
    fn json(self) -> Json {
        json!({"level": self.level.name(), "last_modified": self.last_modified})
    }
}

/// Puts levels into effect, given as a list of `tracing`'s directives.
type Apply = dyn Fn(&str) + Send + Sync;

/// The loggers of this process. Clones are the same.
#[derive(Clone)]
pub struct Loggers {
    state: Arc<Mutex<State>>,
    apply: Arc<Apply>,
}

impl fmt::Debug for Loggers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lock().fmt(f)
    }
}

#[derive(Debug)]
struct State {
    /// Directives with which the process has started.
    initial: String,
    /// Java's loggers, each with the target of `tracing` that it steers.
    targets: &'static [(&'static str, &'static str)],
    loggers: BTreeMap<String, Logger>,
    root: Logger,
    /// Changes up to now.
    changes: u64,
}

impl Loggers {
    /// `initial` are directives that are in effect, `targets` the loggers that there are, each with the target of
    /// `tracing` that it steers. `apply` is given all directives after a change.
    pub fn new(
        initial: &str,
        targets: &'static [(&'static str, &'static str)],
        apply: impl Fn(&str) + Send + Sync + 'static,
    ) -> Self {
        let level = |wanted: Option<&str>| {
            let mut directives = initial.split(',').map(|one| one.trim().split_once('='));
            let texts = initial.split(',').map(str::trim);
            let found = match wanted {
                None => texts.rev().find(|text| !text.contains('=')),
                Some(target) => directives
                    .rfind(|found| found.is_some_and(|(name, _)| name == target))
                    .flatten()
                    .map(|(_, level)| level),
            };
            found.and_then(Level::parse)
        };
        let root = level(None).unwrap_or(Level::Error);
        let logger = |level| Logger {
            level,
            last_modified: None,
            change: 0,
        };
        let loggers = targets.iter().map(|(name, target)| {
            let level = level(Some(target)).unwrap_or(root);
            ((*name).to_owned(), logger(level))
        });
        Self {
            state: Arc::new(Mutex::new(State {
                initial: initial.to_owned(),
                targets,
                loggers: loggers.collect(),
                root: logger(root),
                changes: 0,
            })),
            apply: Arc::new(apply),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All loggers, by name.
    pub(crate) fn all(&self) -> Json {
        let state = self.lock();
        let mut all = state.loggers.clone();
        all.insert(ROOT.to_owned(), state.root);
        let members = all.into_iter().map(|(name, logger)| (name, logger.json()));
        Json::Object(members.collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<Json> {
        let state = self.lock();
        let found = state.loggers.get(name).copied();
        let root = name.eq_ignore_ascii_case(ROOT).then_some(state.root);
        Some(root.or(found)?.json())
    }

    /// Sets the level of a logger and of all below it, all for `root`; one that is not there is made. Returns the names
    /// of those whose level has changed, in order. `now` is in milliseconds since 1970.
    pub(crate) fn set(&self, name: &str, level: Level, now: i64) -> Vec<String> {
        // Under the lock: what is applied last is what was set last.
        let mut state = self.lock();
        let changed = state.set(name, level, now);
        if !changed.is_empty() {
            (self.apply)(&state.directives());
        }
        changed
    }
}

impl State {
    fn set(&mut self, name: &str, level: Level, now: i64) -> Vec<String> {
        self.changes += 1;
        let change = self.changes;
        let is_root = name.eq_ignore_ascii_case(ROOT);
        if !is_root && !self.loggers.contains_key(name) {
            let logger = Logger {
                level: self.inherited(name),
                last_modified: None,
                change,
            };
            self.make_room();
            self.loggers.insert(name.to_owned(), logger);
        }
        let below = |other: &str| is_root || is_at_or_below(other, name);
        let mut changed = Vec::new();
        let root = is_root.then_some((ROOT.to_owned(), &mut self.root));
        let others = self.loggers.iter_mut();
        let others = others.map(|(name, logger)| (name.clone(), logger));
        for (name, logger) in others.filter(|(name, _)| below(name)).chain(root) {
            if logger.level != level {
                *logger = Logger {
                    level,
                    last_modified: Some(now),
                    change,
                };
                changed.push(name);
            }
        }
        changed.sort_unstable();
        changed
    }

    /// Drops the logger that was set longest ago, if there are many and it is none of this program.
    fn make_room(&mut self) {
        if self.loggers.len() < MOST_LOGGERS {
            return;
        }
        let is_own = |name: &str| self.targets.iter().any(|(own, _)| *own == name);
        let made = self.loggers.iter().filter(|(name, _)| !is_own(name));
        let oldest = made.min_by_key(|(_, logger)| logger.change);
        if let Some(name) = oldest.map(|(name, _)| name.clone()) {
            self.loggers.remove(&name);
        }
    }

    /// The level of the nearest logger above.
    fn inherited(&self, name: &str) -> Level {
        let above = self.loggers.iter().rev();
        let mut above = above.filter(|(other, _)| is_at_or_below(name, other));
        above
            .next()
            .map_or(self.root.level, |(_, logger)| logger.level)
    }

    /// Those of the start, and for everything that was changed its own: later ones of the same target count.
    fn directives(&self) -> String {
        let mut all = vec![self.initial.clone()];
        if self.root.last_modified.is_some() {
            all.push(self.root.level.directive().to_owned());
        }
        let mut changed: Vec<_> = self
            .loggers
            .iter()
            .filter(|(_, logger)| logger.last_modified.is_some())
            .collect();
        changed.sort_by_key(|(_, logger)| logger.change);
        for (name, logger) in changed {
            for target in self.steered(name) {
                all.push(format!("{target}={}", logger.level.directive()));
            }
        }
        all.join(",")
    }

    /// The targets of a logger: its own, those of its package if it is a class that is not here, or itself if it is named
    /// like a target.
    fn steered(&self, name: &str) -> Vec<String> {
        let of = |wanted: &str| -> Vec<String> {
            let targets = self.targets.iter();
            let found = targets.filter(|(java, _)| is_at_or_below(java, wanted));
            found.map(|(_, target)| (*target).to_owned()).collect()
        };
        let own = of(name);
        if !own.is_empty() {
            return own;
        }
        if let Some((package, class)) = name.rsplit_once('.')
            && class.starts_with(char::is_uppercase)
        {
            return of(package);
        }
        let target = name.replace('.', "::");
        let is_target = target
            .chars()
            .all(|char| char.is_ascii_alphanumeric() || "_:".contains(char));
        is_target.then_some(target).into_iter().collect()
    }
}

fn is_at_or_below(name: &str, above: &str) -> bool {
    let rest = name.strip_prefix(above);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGETS: &[(&str, &str)] = &[
        ("org.a.Herder", "worker::herder"),
        ("org.a.rest.Server", "worker::rest"),
        ("org.b.Task", "tasks"),
    ];

    /// Loggers, and the directives that were applied last.
    fn loggers(initial: &str) -> (Loggers, Arc<Mutex<String>>) {
        let applied = Arc::new(Mutex::new(String::new()));
        let last = Arc::clone(&applied);
        let apply = move |levels: &str| levels.clone_into(&mut last.lock().unwrap());
        (Loggers::new(initial, TARGETS, apply), applied)
    }

    fn level(loggers: &Loggers, name: &str) -> Option<String> {
        Some(loggers.get(name)?["level"].as_str()?.to_owned())
    }

    #[test]
    fn levels_are_those_of_the_start_until_they_are_set() {
        let (loggers, _) = loggers("warn,tasks=debug,sqlx=error");
        assert_eq!(level(&loggers, "root").as_deref(), Some("WARN"));
        assert_eq!(level(&loggers, "org.a.Herder").as_deref(), Some("WARN"));
        assert_eq!(level(&loggers, "org.b.Task").as_deref(), Some("DEBUG"));
        assert_eq!(level(&loggers, "org.a"), None);
        assert_eq!(loggers.all().as_object().unwrap().len(), 4);
    }

    #[test]
    fn a_level_reaches_everything_below() {
        let (loggers, applied) = loggers("info");
        let set = |name: &str, level: &str| loggers.set(name, Level::parse(level).unwrap(), 7);
        assert_eq!(
            set("org.a", "debug"),
            ["org.a", "org.a.Herder", "org.a.rest.Server"]
        );
        assert_eq!(set("org.a", "debug"), [""; 0]);
        assert_eq!(set("org.a.rest", "Debug"), [""; 0]);
        assert_eq!(
            set("org", "info"),
            ["org.a", "org.a.Herder", "org.a.rest", "org.a.rest.Server"]
        );
        assert_eq!(
            set("root", "off"),
            [
                "org",
                "org.a",
                "org.a.Herder",
                "org.a.rest",
                "org.a.rest.Server",
                "org.b.Task",
                "root"
            ]
        );
        assert_eq!(
            loggers.get("org.b.Task").unwrap(),
            json!({"level": "OFF", "last_modified": 7})
        );
        assert!(applied.lock().unwrap().starts_with("info,off,"));
        assert!(applied.lock().unwrap().ends_with("tasks=off"));
    }

    #[test]
    fn loggers_steer_targets() {
        let applied_by = |name: &str| {
            let (loggers, applied) = loggers("info");
            loggers.set(name, Level::Trace, 7);
            applied.lock().unwrap().clone()
        };
        assert_eq!(applied_by("org.b.Task"), "info,tasks=trace");
        // A class that is none here stands for its package.
        assert_eq!(applied_by("org.a.rest.Client"), "info,worker::rest=trace");
        assert_eq!(
            applied_by("tidegate_kafka::admin"),
            "info,tidegate_kafka::admin=trace"
        );
        assert_eq!(applied_by("tidegate_kafka"), "info,tidegate_kafka=trace");
        assert_eq!(applied_by("no name"), "info");
    }

    #[test]
    fn what_was_set_last_counts_whatever_the_clock_says() {
        let (loggers, applied) = loggers("info");
        loggers.set("org.a.rest", Level::Debug, 9);
        loggers.set("org.a", Level::Error, 8);
        let directives = applied.lock().unwrap().clone();
        assert!(directives.ends_with("worker::rest=error"), "{directives}");
        // A class of that package and the package steer the same target.
        loggers.set("org.a.rest.Client", Level::Trace, 7);
        let directives = applied.lock().unwrap().clone();
        assert!(directives.ends_with("worker::rest=trace"), "{directives}");
    }

    #[test]
    fn levels_are_applied_in_the_order_in_which_they_are_set() {
        // While a change is applied no other one gets through.
        let during = Arc::new(Mutex::new(None::<Loggers>));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (inner, locked) = (Arc::clone(&during), Arc::clone(&seen));
        let loggers = Loggers::new("info", TARGETS, move |_| {
            let loggers = inner.lock().unwrap().clone().expect("it is set");
            locked
                .lock()
                .unwrap()
                .push(loggers.state.try_lock().is_err());
        });
        *during.lock().unwrap() = Some(loggers.clone());
        loggers.set("org.a", Level::Debug, 1);
        assert_eq!(*seen.lock().unwrap(), [true]);
        // A circle of owners.
        during.lock().unwrap().take();
    }

    #[test]
    fn names_that_mean_nothing_here_are_bounded() {
        let (loggers, applied) = loggers("info");
        for number in 0..2 * MOST_LOGGERS {
            loggers.set(&format!("no name {number}"), Level::Debug, 7);
        }
        assert_eq!(loggers.lock().loggers.len(), MOST_LOGGERS);
        assert_eq!(level(&loggers, "no name 0"), None);
        assert_eq!(level(&loggers, "org.b.Task").as_deref(), Some("INFO"));
        assert_eq!(*applied.lock().unwrap(), "info");
    }
}
