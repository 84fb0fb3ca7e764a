//! Events that cannot be read: whether it is the connection that alters them, or the log that is damaged.

use crate::errors::BinlogError;
use crate::offsets::Position;

/// So often an event is read before it counts as damaged.
const UNREADABLE_TIMES: u32 = 3;

/// An event that could not be read: whether it was the connection that altered it shows when it comes again.
#[derive(Debug, Default)]
pub(crate) struct Unreadable(Option<Seen>);

#[derive(Debug)]
struct Seen {
    /// Where the attempts began again.
    position: Option<Position>,
    /// How many events the last connection had brought before.
    events: u64,
    /// In a row.
    times: u32,
}

impl Unreadable {
    /// The error of an attempt that ended at `position`: final if the same event could not be read several times in a row.
    pub(crate) fn judged(
        &mut self,
        position: Option<&Position>,
        error: BinlogError,
    ) -> BinlogError {
        let before = self.0.take();
        let BinlogError::Unreadable {
            file,
            pos,
            events,
            source,
        } = error
        else {
            return error;
        };
        // A connection that brought more than the one before has passed the event: heartbeats, which have no place.
        let is_same = |seen: &Seen| seen.position.as_ref() == position && events <= seen.events;
        let times = 1 + before.filter(is_same).map_or(0, |seen| seen.times);
        self.0 = Some(Seen {
            position: position.cloned(),
            events,
            times,
        });
        if times < UNREADABLE_TIMES {
            return BinlogError::Unreadable {
                file,
                pos,
                events,
                source,
            };
        }
        BinlogError::Schema(format!(
            "The event of the binary log at {file}/{pos}, or behind it, could not be read {times} times in a row: {source}. \
             Look at it with mysqlbinlog --start-position={pos} --verbose {file}. If the log is damaged, take a new snapshot (delete the connector's offsets), or set the offset to the file and position behind the event"
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use tidegate_api::ErrorKind;

    use super::*;

    fn unreadable(events: u64) -> BinlogError {
        BinlogError::Unreadable {
            file: "mysql-bin.000003".to_owned(),
            pos: 400,
            events,
            source: io::Error::other("what came is no event"),
        }
    }

    #[test]
    fn an_event_that_stays_unreadable_ends_the_task_and_one_that_was_passed_does_not() {
        fn check(errors: Vec<BinlogError>, expected: ErrorKind) {
            let (mut all, position) =
                (Unreadable::default(), Position::at("mysql-bin.000003", 400));
            let kinds: Vec<ErrorKind> = errors
                .into_iter()
                .map(|error| all.judged(Some(&position), error).kind())
                .collect();
            assert_eq!(kinds.last(), Some(&expected), "{kinds:?}");
        }
        let lost = || BinlogError::Connection("lost".to_owned());
        check(vec![unreadable(2), unreadable(2)], ErrorKind::Retriable);
        check(
            vec![unreadable(2), unreadable(2), unreadable(2)],
            ErrorKind::Fatal,
        );
        // The first connection had waited for it.
        check(
            vec![unreadable(90), unreadable(2), unreadable(2)],
            ErrorKind::Fatal,
        );
        check(
            vec![unreadable(2), unreadable(2), lost(), unreadable(2)],
            ErrorKind::Retriable,
        );
        check(
            vec![unreadable(2), unreadable(2), unreadable(90)],
            ErrorKind::Retriable,
        );
    }
}
