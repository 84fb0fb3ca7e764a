//! Waits between attempts: each twice the one before it, up to a limit, with jitter.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use rand::RngExt as _;

/// Says how long to wait before each attempt.
#[derive(Debug)]
pub struct Backoff {
    first: Duration,
    limit: Duration,
    next: Duration,
    /// When the first of the attempts failed that have failed since the last success.
    since: Option<DateTime<Utc>>,
}

impl Backoff {
    /// `first` before the second attempt, never more than `limit`.
    pub fn new(first: Duration, limit: Duration) -> Self {
        Self {
            first,
            limit,
            next: first,
            since: None,
        }
    }

    /// The wait before the next attempt, up to a fifth shorter than its nominal length.
    pub fn next_delay(&mut self) -> Duration {
        let nominal = self.next;
        self.next = (nominal * 2).min(self.limit);
        self.since.get_or_insert_with(Utc::now);
        nominal.mul_f64(rand::rng().random_range(0.8..=1.0))
    }

    /// For the log, with the wait before the next attempt: since when attempts fail, and when the next one comes.
    pub fn wait(&mut self, delay: Duration) -> String {
        let since = self.since.get_or_insert_with(Utc::now);
        let since = since.to_rfc3339_opts(SecondsFormat::Secs, true);
        format!("waiting since {since}, next attempt in {delay:?}")
    }

    /// After a success.
    pub fn reset(&mut self) {
        self.next = self.first;
        self.since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_limit_and_start_again_after_a_success() {
        let second = Duration::from_secs(1);
        let mut backoff = Backoff::new(second, second * 5);
        let check = |nominal: u32, backoff: &mut Backoff| {
            let delay = backoff.next_delay();
            assert!(delay <= second * nominal && delay >= second.mul_f64(0.79) * nominal);
        };
        for nominal in [1, 2, 4, 5, 5] {
            check(nominal, &mut backoff);
        }
        let before = backoff.since.expect("attempts have failed");
        assert!(backoff.wait(second).ends_with("Z, next attempt in 1s"));
        backoff.reset();
        assert_eq!(backoff.since, None);
        check(1, &mut backoff);
        assert!(backoff.since.expect("another one has failed") >= before);
    }
}
