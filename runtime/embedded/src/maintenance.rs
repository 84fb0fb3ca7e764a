//! What the writer's thread does beside appends: retention, compaction, and giving pages back to the file system. All of
//! it in steps between the writer's transactions, so that appends wait for one step at most.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::Connection;

use crate::compaction::{Compaction, Progress};
use crate::retention::Retention;
use crate::store;
use crate::topics::{Topic, Topics};

/// Bytes appended to a compacted partition before it is compacted again, at least.
const COMPACTION_BYTES: usize = 4 * 1024 * 1024;
/// One n-th of the partition must be new, so that the work stays in proportion to what is written. Kafka's
/// `min.cleanable.dirty.ratio` is a half, too.
const DIRTY_SHARE: usize = 2;
/// Pages that one step gives back: 1 MB.
const VACUUM_PAGES: i64 = 64;
/// Free pages that the file may keep for what comes: an eighth of what is in use, between 1 and 64 MB.
const SLACK: (i64, i64) = (64, 4096);

/// A partition of a topic, by the topic's id: one of the same name may have been deleted before.
type Place = (i64, i32);

#[derive(Debug, Default)]
pub(crate) struct State {
    /// Bytes appended to compacted partitions since their last compaction.
    dirty: HashMap<Place, usize>,
    /// Offsets up to which partitions have been compacted.
    cleaned: HashMap<Place, i64>,
    work: VecDeque<Work>,
}

#[derive(Debug)]
enum Work {
    Retention(Retention),
    Compaction(Box<Compaction>),
    Vacuum,
}

impl State {
    /// What a file held when it was opened counts as new: nobody knows whether it was compacted.
    pub(crate) fn load(connection: &Connection, topics: &Topics) -> rusqlite::Result<Self> {
        let mut state = Self::default();
        for topic in topics.all().iter().filter(|topic| topic.is_compacted) {
            for partition in 0..topic.partition_count() {
                let bytes = store::partition_bytes(connection, topic.id, partition)?;
                state.appended(topic, partition, bytes);
            }
        }
        Ok(state)
    }

    pub(crate) fn appended(&mut self, topic: &Topic, partition: i32, bytes: usize) {
        if topic.is_compacted {
            *self.dirty.entry((topic.id, partition)).or_default() += bytes;
        }
    }

    /// Whether there is work for [`Self::step`].
    pub(crate) fn is_busy(&self) -> bool {
        !self.work.is_empty()
    }

    /// Looks what there is to do, unless the last look's work is not done yet.
    pub(crate) fn look(
        &mut self,
        connection: &Connection,
        topics: &Topics,
    ) -> rusqlite::Result<()> {
        if self.is_busy() {
            return Ok(());
        }
        store::ensure_horizons(connection)?;
        for topic in topics.all() {
            for partition in 0..topic.partition_count() {
                if topic.has_policy("delete") {
                    let retention = Retention::new(Arc::clone(&topic), partition, now());
                    self.work.push_back(Work::Retention(retention));
                }
            }
        }
        self.look_for_dirt(connection, topics)?;
        self.work.push_back(Work::Vacuum);
        Ok(())
    }

    fn look_for_dirt(&mut self, connection: &Connection, topics: &Topics) -> rusqlite::Result<()> {
        let (topics, now) = (topics.all(), now());
        let known: HashSet<i64> = topics.iter().map(|topic| topic.id).collect();
        self.dirty.retain(|(topic, _), _| known.contains(topic));
        self.cleaned.retain(|(topic, _), _| known.contains(topic));
        for topic in topics {
            for partition in 0..topic.partition_count() {
                let place = (topic.id, partition);
                let Some(dirty) = self.dirty.get_mut(&place) else {
                    continue;
                };
                if *dirty < COMPACTION_BYTES
                    || *dirty
                        < store::partition_bytes(connection, topic.id, partition)? / DIRTY_SHARE
                {
                    continue;
                }
                *dirty = 0;
                let cleaned = self.cleaned.get(&place).copied().unwrap_or(0);
                let compaction = Compaction::new(Arc::clone(&topic), partition, cleaned, now);
                let compaction =
                    compaction.map(|compaction| Work::Compaction(Box::new(compaction)));
                self.work.extend(compaction);
            }
        }
        Ok(())
    }

    /// Does a piece of the work that there is. What failed is tried again after the next look.
    pub(crate) fn step(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let Some(mut work) = self.work.pop_front() else {
            return Ok(());
        };
        let progress = match &mut work {
            Work::Retention(retention) => retention.step(connection),
            Work::Compaction(compaction) => compaction.step(connection),
            Work::Vacuum => vacuum(connection),
        };
        match (progress, &work) {
            (Ok(Progress::More), _) => self.work.push_front(work),
            (Ok(Progress::Done), Work::Compaction(compaction)) => {
                self.cleaned.insert(compaction.place(), compaction.end());
            }
            (Ok(Progress::Done), _) => {}
            (Err(error), work) => {
                if let Work::Compaction(compaction) = work {
                    self.dirty.insert(compaction.place(), usize::MAX / 2);
                }
                return Err(error);
            }
        }
        Ok(())
    }
}

pub(crate) fn now() -> i64 {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}

/// Gives a few free pages back to the file system, if there are more than the file may keep.
fn vacuum(connection: &Connection) -> rusqlite::Result<Progress> {
    let number = |pragma: &str| connection.query_row(pragma, [], |row| row.get::<_, i64>(0));
    let free = number("PRAGMA freelist_count")?;
    let used = number("PRAGMA page_count")? - free;
    let slack = (used / 8).clamp(SLACK.0, SLACK.1);
    if free <= slack {
        return Ok(Progress::Done);
    }
    {
        // A row for each page: the statement does no more than is asked for.
        let sql = format!("PRAGMA incremental_vacuum({VACUUM_PAGES})");
        let mut pages = connection.prepare(&sql)?;
        let mut rows = pages.query([])?;
        while rows.next()?.is_some() {}
    }
    let left = number("PRAGMA freelist_count")?;
    if left < free && left > slack {
        return Ok(Progress::More);
    }
    // The file itself becomes shorter with a checkpoint; what readers hold up follows with the next one.
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
    Ok(Progress::Done)
}
