//! Attempts of a reader to come back: how many, and after which waits.
//!
//! Source: Debezium `ErrorHandler` (`errors.max.retries`), `BaseSourceTask` (`retriable.restart.connector.wait.ms`). There
//! all waits are equal; here they double, so that whatever each attempt costs the server comes ever more seldom.

use std::time::Duration;

use rand::RngExt as _;
use tokio::time::Instant;

/// Retries since the reader last got on.
#[derive(Debug)]
pub struct Retries {
    /// `None`: without end.
    limit: Option<u32>,
    first_wait: Duration,
    made: u32,
    since: Option<Instant>,
}

/// What comes next after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// 1 for the first.
    pub number: u32,
    pub wait: Duration,
    /// Since the first failure of this row.
    pub failing_for: Duration,
}

impl Retries {
    /// `max` is `errors.max.retries`: negative for no limit, 0 for no retry at all.
    pub fn new(max: i32, first_wait: Duration) -> Self {
        Self {
            limit: u32::try_from(max).ok(),
            first_wait,
            made: 0,
            since: None,
        }
    }

    pub fn limit(&self) -> Option<u32> {
        self.limit
    }

    /// The next attempt, after a wait of at most `longest` (or the first wait, if that is longer), a tenth more or less;
    /// `None` if all have been made.
    pub fn next(&mut self, longest: Duration) -> Option<Retry> {
        let since = *self.since.get_or_insert_with(Instant::now);
        if self.limit.is_some_and(|limit| self.made >= limit) {
            return None;
        }
        let doubled = self.first_wait.saturating_mul(1 << self.made.min(20));
        let wait = doubled.min(longest.max(self.first_wait));
        self.made = self.made.saturating_add(1);
        Some(Retry {
            number: self.made,
            wait: wait.mul_f64(rand::rng().random_range(0.9..=1.1)),
            failing_for: since.elapsed(),
        })
    }

    /// The reader has got on: the next failure is the first one of its row.
    pub fn reset(&mut self) {
        self.made = 0;
        self.since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The waits of the next retries, in tens of seconds.
    fn waits(retries: &mut Retries, count: usize) -> Vec<u128> {
        let longest = Duration::from_mins(1);
        let all = std::iter::from_fn(|| retries.next(longest)).take(count);
        all.map(|retry| (retry.wait.as_millis() + 5_000) / 10_000)
            .collect()
    }

    #[test]
    fn waits_double_up_to_the_longest_and_begin_anew_after_progress() {
        let mut retries = Retries::new(-1, Duration::from_secs(10));
        assert_eq!(waits(&mut retries, 3), [1, 2, 4]);
        let later = waits(&mut retries, 40);
        assert!(later.iter().all(|wait| (5..=7).contains(wait)), "{later:?}");
        retries.reset();
        assert_eq!(waits(&mut retries, 1), [1]);
    }

    #[test]
    fn a_limit_is_kept() {
        let count = |max| waits(&mut Retries::new(max, Duration::from_secs(10)), 9).len();
        assert_eq!((count(0), count(2), count(-7)), (0, 2, 9));
    }

    #[test]
    fn a_first_wait_beyond_the_longest_stays() {
        let mut retries = Retries::new(-1, Duration::from_secs(100));
        assert_eq!(waits(&mut retries, 1).len(), 1);
        assert!(
            retries
                .next(Duration::from_secs(1))
                .is_some_and(|retry| retry.wait.as_secs() >= 90)
        );
    }
}
