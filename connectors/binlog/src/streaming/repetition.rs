//! Rows that were handed over before a restart, and come again after it.
//!
//! An offset inside of a transaction has the place where the transaction begins, how many of its events were handled
//! (`event`), and how many rows of the event behind those were handed over (`row`). The server sends the transaction from
//! its beginning, and what the counts say is passed over. No row is lost by that:
//!
//! 1. Whoever stored the offset had delivered every record before it, and a row counts in `row` only with the last of its
//!    records: those before it (a delete and its tombstone, where a key changes) have the offset in front of the row.
//! 2. The counts are applied to the transaction that they were taken from and to no other: it begins at the same place of
//!    the same file, and has the same id if it has one. A server that is asked for transactions may send others first.
//! 3. At that place the log has the same bytes as before, so that the n-th event of the transaction is the n-th again.
//!    Events that the server makes up while it sends (heartbeats, names of files) have no place in the log, and do not count.
//!    Another server may have cut the transaction into other events: it has it at another place, and so it comes whole.
//! 4. What is left of the counts ends with the transaction.
//!
//! Where the counts are not applied, rows come twice; that is allowed.
//!
//! Source: Debezium `BinlogStreamingChangeEventSource`, which applies the counts to the first transaction that comes.

use std::sync::Arc;

use tracing::info;

use crate::offsets::Position;

/// How far the stream is with what comes again.
#[derive(Debug)]
pub(super) enum Repetition {
    /// Everything is new.
    Over,
    /// The transaction that the offset lies in has not come yet; what comes before it is new.
    Awaited(Interrupted),
    /// Inside of that transaction.
    Within { events: u64, rows: u64 },
}

/// A transaction of which a part was handed over.
#[derive(Debug)]
pub(super) struct Interrupted {
    file: Arc<str>,
    pos: u64,
    /// Its id, if it has one and the offset tells it: the original's offsets do not.
    transaction: Option<Arc<str>>,
    events: u64,
    rows: u64,
    /// Whether another transaction came first.
    is_late: bool,
}

impl Interrupted {
    /// Offsets that were set by hand may have the place where the transaction is announced.
    fn begins_at(&self, begin: &Position, announced: Option<u64>) -> bool {
        let is_other = match (&self.transaction, &begin.transaction) {
            (Some(own), Some(other)) => own != other,
            // Who asks for a place does not see the id, which stands before the beginning.
            _ => false,
        };
        let is_here = self.pos == begin.pos || Some(self.pos) == announced;
        !is_other && is_here && self.file == begin.file
    }
}

impl Repetition {
    /// After a restart at a stored offset. Rows count only inside of a transaction: the original's offsets have them for XA
    /// transactions, too, but behind the rows and without a number of events.
    pub(super) fn after(stored: &Position) -> Self {
        if stored.events == 0 {
            return Self::Over;
        }
        info!("Skip {} events on streaming start", stored.events);
        if stored.rows > 0 {
            info!("Skip {} rows on streaming start", stored.rows);
        }
        Self::Awaited(Interrupted {
            file: Arc::clone(&stored.file),
            pos: stored.pos,
            transaction: stored.transaction.clone(),
            events: stored.events,
            rows: stored.rows,
            is_late: false,
        })
    }

    /// A transaction begins; `begin` is the offset of its beginning, `announced` where the event in front of it begins that
    /// has its id.
    pub(super) fn transaction_begins(&mut self, begin: &Position, announced: Option<u64>) {
        let interrupted = match self {
            Self::Awaited(interrupted) => interrupted,
            Self::Within { .. } | Self::Over => {
                *self = Self::Over;
                return;
            }
        };
        if interrupted.begins_at(begin, announced) {
            let (events, rows) = (interrupted.events, interrupted.rows);
            *self = Self::Within { events, rows };
            return;
        }
        if !interrupted.is_late {
            interrupted.is_late = true;
            info!(
                "The transaction at {}/{} is not the one that the offset lies in, at {}/{}: nothing of it is skipped",
                begin.file, begin.pos, interrupted.file, interrupted.pos
            );
        }
        if begin.transaction.is_some() && begin.transaction == interrupted.transaction {
            // At another place, so that it comes whole.
            *self = Self::Over;
        }
    }

    /// Inside of the transaction that the offset lies in.
    pub(super) fn is_within(&self) -> bool {
        matches!(self, Self::Within { .. })
    }

    pub(super) fn transaction_ends(&mut self) {
        if matches!(self, Self::Within { .. }) {
            *self = Self::Over;
        }
    }

    /// An event of the log was handled.
    pub(super) fn event_done(&mut self) {
        if let Self::Within { events, .. } = self {
            *events = events.saturating_sub(1);
        }
    }

    /// How many rows of the rows event at hand were handed over; `None` if all of them were.
    pub(super) fn rows_of_event(&mut self) -> Option<u64> {
        match self {
            Self::Within { events: 0, rows } => Some(std::mem::take(rows)),
            Self::Within { .. } => None,
            Self::Over | Self::Awaited(_) => Some(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(pos: u64, transaction: Option<&str>, events: u64, rows: u64) -> Position {
        Position {
            pos,
            transaction: transaction.map(Arc::from),
            events,
            rows,
            ..Position::at("mysql-bin.000003", 4)
        }
    }

    /// Rows that are passed over in the first rows events of a transaction, which its second and third events are.
    fn check(stored: Position, begin: Position, expected: [Option<u64>; 2]) {
        let mut repetition = Repetition::after(&stored);
        repetition.transaction_begins(&begin, begin.pos.checked_sub(77));
        repetition.event_done();
        repetition.event_done();
        let first = repetition.rows_of_event();
        repetition.event_done();
        let second = repetition.rows_of_event();
        assert_eq!([first, second], expected, "{stored:?} {begin:?}");
        repetition.transaction_ends();
        repetition.transaction_begins(&position(900, None, 0, 0), None);
        assert_eq!(repetition.rows_of_event(), Some(0), "{stored:?} {begin:?}");
    }

    #[test]
    fn only_the_transaction_of_the_offset_is_passed_over() {
        let begin = |transaction| position(197, transaction, 0, 0);
        let stored = |transaction| position(197, transaction, 2, 3);
        let (passed, whole) = ([Some(3), Some(0)], [Some(0), Some(0)]);
        check(stored(Some("0-1-21")), begin(Some("0-1-21")), passed);
        check(stored(Some("0-1-21")), begin(Some("0-1-22")), whole);
        check(stored(Some("0-1-21")), begin(None), passed);
        // The original does not tell the id.
        check(stored(None), begin(Some("0-1-21")), passed);
        check(stored(None), begin(None), passed);
        // Another server.
        check(
            stored(Some("0-1-21")),
            position(400, Some("0-1-21"), 0, 0),
            whole,
        );
        check(stored(None), position(400, None, 0, 0), whole);
        // Set by hand.
        check(position(120, None, 2, 3), begin(Some("0-1-21")), passed);
        // In the second rows event.
        check(position(197, None, 3, 1), begin(None), [None, Some(1)]);
        check(position(197, None, 9, 1), begin(None), [None, None]);
        // The original's offset of an XA transaction.
        check(position(197, None, 0, 3), begin(None), whole);
    }

    #[test]
    fn the_transaction_of_the_offset_may_come_later() {
        let mut repetition = Repetition::after(&position(197, Some("0-1-21"), 2, 3));
        repetition.transaction_begins(&position(300, Some("1-1-5"), 0, 0), None);
        repetition.event_done();
        repetition.event_done();
        assert_eq!(repetition.rows_of_event(), Some(0));
        repetition.transaction_ends();
        repetition.transaction_begins(&position(197, Some("0-1-21"), 0, 0), None);
        repetition.event_done();
        repetition.event_done();
        assert_eq!(repetition.rows_of_event(), Some(3));
    }
}
