//! Topics that a member wants, and those of them that exist.
//!
//! librdkafka's own patterns are POSIX ones; Connect's users write Java's. So patterns are matched here, against all
//! topics of the cluster, and the member subscribes to the names. Topics that are missing are looked for in the same way:
//! a list of all topics makes librdkafka look at its subscription again, long before `metadata.max.age.ms` is over.

use std::sync::Arc;
use std::time::Duration;

use tidegate_api::JavaRegex;
use tidegate_log::{ClientConfig, LogError, Subscription};
use tokio::time::Instant;

use crate::settings::METADATA_MAX_AGE_MS;

/// Between two looks at the topics: first and after a change, then twice as long each time.
const FIRST_INTERVAL: Duration = Duration::from_millis(500);
/// The longest, unless `metadata.max.age.ms` is lower. Java's default of five minutes leaves new tables unread for as long.
const MAX_INTERVAL: Duration = Duration::from_secs(5);
/// Kafka's own topics, which no pattern means.
const INTERNAL: [&str; 2] = ["__consumer_offsets", "__transaction_state"];

#[derive(Debug)]
pub(crate) struct Topics {
    wanted: Wanted,
    /// What the member has subscribed to.
    names: Vec<Arc<str>>,
    interval: Duration,
    max_interval: Duration,
    /// When topics are listed next; `None`: never again.
    pub(crate) due: Option<Instant>,
}

#[derive(Debug)]
enum Wanted {
    Names,
    Pattern(JavaRegex),
}

impl Topics {
    pub(crate) fn new(subscription: Subscription, config: &ClientConfig) -> Result<Self, LogError> {
        let max_age = config
            .get(METADATA_MAX_AGE_MS)
            .and_then(|text| text.trim().parse().ok())
            .map_or(MAX_INTERVAL, |millis: u64| {
                Duration::from_millis(millis.max(100))
            });
        let (wanted, names) = match subscription {
            Subscription::Topics(names) => (Wanted::Names, names),
            Subscription::Pattern(pattern) => {
                let pattern = JavaRegex::new(&pattern);
                let pattern = pattern.map_err(|error| LogError::Invalid(error.to_string()))?;
                (Wanted::Pattern(pattern), Vec::new())
            }
        };
        Ok(Self {
            wanted,
            names,
            interval: FIRST_INTERVAL,
            max_interval: max_age.min(MAX_INTERVAL),
            due: Some(Instant::now()),
        })
    }

    pub(crate) fn names(&self) -> &[Arc<str>] {
        &self.names
    }

    /// Takes note of all topics that exist. Returns whether the member has to subscribe anew.
    ///
    /// # Errors
    /// `Invalid` if the pattern takes too long to say which of them it means.
    pub(crate) fn update(&mut self, existing: &[Arc<str>]) -> Result<bool, LogError> {
        match &self.wanted {
            Wanted::Names => {
                let missing = self.names.iter().any(|name| !existing.contains(name));
                self.due = None;
                if missing {
                    self.not_now();
                }
                Ok(false)
            }
            Wanted::Pattern(pattern) => {
                let mut names = Vec::new();
                for topic in existing {
                    let matches = pattern.matches(topic);
                    let matches = matches.map_err(|error| LogError::Invalid(error.to_string()))?;
                    if matches && !INTERNAL.contains(&&**topic) {
                        names.push(Arc::clone(topic));
                    }
                }
                names.sort();
                let changed = names != self.names;
                self.names = names;
                if changed {
                    self.interval = FIRST_INTERVAL;
                }
                self.not_now();
                Ok(changed)
            }
        }
    }

    /// Another look is needed.
    pub(crate) fn not_now(&mut self) {
        let interval = self.interval.min(self.max_interval);
        self.due = Some(Instant::now() + interval);
        self.interval = interval * 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(names: &[&str]) -> Vec<Arc<str>> {
        names.iter().map(|name| Arc::from(*name)).collect()
    }

    #[tokio::test]
    async fn patterns_are_javas_and_match_whole_names() {
        let pattern = Subscription::Pattern(r"shop\.(?!hidden).*|a".to_owned());
        let mut wanted = Topics::new(pattern, &ClientConfig::default()).unwrap();
        let existing = topics(&[
            "shop.b",
            "shop.hidden",
            "shop.a",
            "a",
            "ab",
            "__consumer_offsets",
        ]);
        assert!(wanted.update(&existing).unwrap());
        assert_eq!(wanted.names(), topics(&["a", "shop.a", "shop.b"]));
        assert!(!wanted.update(&existing).unwrap());
        assert!(wanted.update(&topics(&["a"])).unwrap());
        let error = Topics::new(
            Subscription::Pattern("(".to_owned()),
            &ClientConfig::default(),
        );
        assert!(matches!(error, Err(LogError::Invalid(_))));
    }

    #[tokio::test]
    async fn named_topics_are_looked_for_until_all_are_there() {
        let names = Subscription::Topics(topics(&["a", "b"]));
        let mut wanted = Topics::new(names, &ClientConfig::default()).unwrap();
        assert!(!wanted.update(&topics(&["a"])).unwrap());
        assert!(wanted.due.is_some());
        assert!(!wanted.update(&topics(&["b", "a"])).unwrap());
        assert_eq!(wanted.due, None);
    }
}
