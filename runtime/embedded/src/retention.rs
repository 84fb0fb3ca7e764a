//! `retention.ms` and `retention.bytes`: a partition's oldest batches go, in steps that each look at a few batches.

use std::sync::Arc;

use rusqlite::{Connection, params};

use crate::compaction::Progress;
use crate::store;
use crate::topics::{RETENTION_BYTES, RETENTION_MS, Topic};

/// Batches that one step deletes.
const DELETED_BATCHES: i64 = 16;
/// Batches that one step adds up.
const COUNTED_BATCHES: i64 = 256;

/// Deletes what a partition keeps no longer. Negative settings keep everything.
#[derive(Debug)]
pub(crate) struct Retention {
    topic: Arc<Topic>,
    partition: i32,
    /// Batches whose records are all older may go; in milliseconds since 1970.
    oldest: Option<i64>,
    phase: Phase,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    /// The newest batches, down to the one at `base`, have `bytes` together.
    Count { base: i64, bytes: i64 },
    /// Whatever is before `end` goes because of the size, and behind it what is too old.
    Delete { end: i64 },
}

impl Retention {
    pub(crate) fn new(topic: Arc<Topic>, partition: i32, now: i64) -> Self {
        let (millis, bytes) = (topic.number(RETENTION_MS), topic.number(RETENTION_BYTES));
        let phase = if bytes < 0 {
            Phase::Delete { end: 0 }
        } else {
            Phase::Count {
                base: i64::MAX,
                bytes: 0,
            }
        };
        Self {
            topic,
            partition,
            oldest: (millis >= 0).then(|| now.saturating_sub(millis)),
            phase,
        }
    }

    /// Does the next piece of the work. What was done before an error stays done.
    pub(crate) fn step(&mut self, connection: &Connection) -> rusqlite::Result<Progress> {
        if self.topic.is_deleted() {
            return Ok(Progress::Done);
        }
        match self.phase {
            Phase::Count { base, bytes } => self.count(connection, base, bytes),
            Phase::Delete { end } => self.delete(connection, end),
        }
    }

    /// The newest batches that reach the size together stay, at least one.
    fn count(
        &mut self,
        connection: &Connection,
        base: i64,
        bytes: i64,
    ) -> rusqlite::Result<Progress> {
        let kept = self.topic.number(RETENTION_BYTES).max(1);
        let (mut base, mut bytes) = (base, bytes);
        let mut newest = connection.prepare_cached(
            "SELECT base, bytes FROM batches WHERE topic = ?1 AND partition = ?2 AND base < ?3 \
             ORDER BY base DESC LIMIT ?4",
        )?;
        let place = params![self.topic.id, self.partition, base, COUNTED_BATCHES];
        let mut rows = newest.query(place)?;
        let mut is_first = true;
        while let Some(row) = rows.next()? {
            if bytes >= kept {
                self.phase = Phase::Delete { end: base };
                return Ok(Progress::More);
            }
            is_first = false;
            base = row.get(0)?;
            bytes = bytes.saturating_add(row.get(1)?);
        }
        self.phase = if is_first {
            Phase::Delete { end: 0 }
        } else {
            Phase::Count { base, bytes }
        };
        Ok(Progress::More)
    }

    fn delete(&self, connection: &Connection, end: i64) -> rusqlite::Result<Progress> {
        let mut oldest = connection.prepare_cached(
            "SELECT next, max_timestamp FROM batches WHERE topic = ?1 AND partition = ?2 ORDER BY base LIMIT ?3",
        )?;
        let place = params![self.topic.id, self.partition, DELETED_BATCHES];
        let mut rows = oldest.query(place)?;
        let (mut first, mut count) = (None, 0);
        while let Some(row) = rows.next()? {
            let (next, time): (i64, i64) = (row.get(0)?, row.get(1)?);
            // Batches are deleted from the front only, up to the first one that is to stay.
            if next > end && self.oldest.is_none_or(|oldest| time >= oldest) {
                break;
            }
            first = Some(next);
            count += 1;
        }
        drop(rows);
        let Some(first) = first else {
            return Ok(Progress::Done);
        };
        connection.execute_batch("BEGIN IMMEDIATE")?;
        store::delete_batches_before(connection, self.topic.id, self.partition, first)?;
        connection.execute_batch("COMMIT")?;
        if let Some(bounds) = self.topic.partition(self.partition) {
            bounds.advance_first(first);
        }
        Ok(if count == DELETED_BATCHES {
            Progress::More
        } else {
            Progress::Done
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rusqlite::StatementStatus;

    use super::*;
    use crate::store::{Directory, Sync};
    use crate::topics::Partition;

    const BATCHES: i64 = 4000;

    /// A file with many batches of one record and one byte, each a millisecond younger than the one before.
    fn filled(settings: &[(&str, &str)]) -> (tempfile::TempDir, Connection, Arc<Topic>) {
        let path = tempfile::tempdir().unwrap();
        let directory = Directory::open(path.path()).unwrap();
        let connection = directory.writer(Sync::Normal).unwrap();
        connection
            .execute_batch(&format!(
                "WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < {BATCHES} - 1) \
                 INSERT INTO batches SELECT 1, 0, n, n + 1, n, 1, x'00' FROM n"
            ))
            .unwrap();
        let settings = settings.iter();
        let settings: BTreeMap<_, _> = settings
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let partitions = Box::new([Partition::new(0, BATCHES)]);
        let topic = Topic::new(1, Arc::from("t"), partitions, settings);
        (path, connection, Arc::new(topic))
    }

    /// How many steps it took, and the first offset that is left.
    #[track_caller]
    fn check(settings: &[(&str, &str)], first: i64, steps: i64) {
        let (_directory, connection, topic) = filled(settings);
        let mut retention = Retention::new(Arc::clone(&topic), 0, BATCHES);
        let mut taken = 1;
        while retention.step(&connection).unwrap() == Progress::More {
            taken += 1;
        }
        let left: Option<i64> = connection
            .query_row("SELECT min(base) FROM batches", [], |row| row.get(0))
            .unwrap();
        assert_eq!(left.unwrap_or(BATCHES), first);
        assert_eq!(topic.partition(0).unwrap().first(), first);
        assert!(taken <= steps, "{taken} steps");
    }

    #[test]
    fn batches_that_are_too_old_or_too_many_go() {
        check(&[("retention.ms", "-1")], 0, 1);
        check(&[("retention.ms", "3000")], 1000, 64);
        check(&[("retention.ms", "0")], BATCHES, BATCHES / 16 + 1);
        let size = |bytes| [("retention.ms", "-1"), ("retention.bytes", bytes)];
        check(&size("3990"), 10, 17);
        check(&size("5000"), 0, 18);
        check(&size("0"), BATCHES - 1, BATCHES / 16 + 2);
        let both = [("retention.ms", "3000"), ("retention.bytes", "3500")];
        check(&both, 1000, 80);
    }

    /// Appends wait for a step.
    #[test]
    fn a_deletion_looks_at_what_it_deletes() {
        let (_directory, connection, _topic) = filled(&[]);
        let work = |first: i64| {
            let mut delete = connection.prepare(store::DELETE_BATCHES).unwrap();
            delete.execute(params![1, 0, first]).unwrap();
            delete.get_status(StatementStatus::VmStep)
        };
        let work = work(16);
        assert!(work < 2000, "{work} steps of SQLite's machine");
    }
}
