//! Compaction of a partition: the last record of each key stays.
//!
//! It goes in steps, each a transaction of its own, so that appends wait for one step at most, and in rounds, so that
//! memory is bounded however many keys there are: a round takes the offsets of the last records of so many keys from the
//! part that no round has looked at yet, then passes over everything up to there and drops what is older. A key that the
//! round does not know has its last record in front of that part, where an earlier round has left nothing else of it.
//! Offsets never change: a batch keeps its range and loses records, a batch without records loses its row.
//!
//! Source: `kafka.log.LogCleaner`, for the rounds and for what becomes of tombstones.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use bytes::Bytes;
use rusqlite::Connection;
use tidegate_log::{ConsumedRecord, ProducerRecord};

use crate::batch::{self, Records};
use crate::store::{self, StoredBatch};
use crate::topics::{DELETE_RETENTION_MS, Topic};

/// What one round and one step take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Keys of a round, give or take those of a batch: 16 MB.
    pub(crate) keys: usize,
    /// Bytes of batches that a step reads, give or take a batch.
    pub(crate) bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            keys: 250_000,
            bytes: 2 * 1024 * 1024,
        }
    }
}

/// Whether there is more to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    More,
    Done,
}

#[derive(Debug)]
pub(crate) struct Compaction {
    topic: Arc<Topic>,
    partition: i32,
    limits: Limits,
    /// Milliseconds since 1970 when it began.
    now: i64,
    /// Behind the last record that was there when it began.
    end: i64,
    last: LastOffsets,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    /// Takes the keys of the batches from `next` on.
    Map { next: i64 },
    /// Drops what is older than what was taken, from `next` up to `end`.
    Clean { next: i64, end: i64 },
}

/// Offset of the last record of each key of a round. Keys are 128 bits of two keyed hashes: two keys of a log that share
/// them are not to be expected in the life of the machine.
#[derive(Debug, Default)]
struct LastOffsets {
    hashers: (RandomState, RandomState),
    offsets: HashMap<u128, i64>,
}

impl LastOffsets {
    fn hash(&self, key: &Bytes) -> u128 {
        let (first, second) = &self.hashers;
        u128::from(first.hash_one(key)) << 64 | u128::from(second.hash_one(key))
    }
    fn set(&mut self, key: &Bytes, offset: i64) {
        let hash = self.hash(key);
        self.offsets.insert(hash, offset);
    }
    fn is_superseded(&self, key: &Bytes, offset: i64) -> bool {
        let last = self.offsets.get(&self.hash(key));
        last.is_some_and(|last| *last > offset)
    }
}

impl Compaction {
    /// `cleaned` is the offset up to which an earlier compaction has come; what is behind it is new.
    pub(crate) fn new(topic: Arc<Topic>, partition: i32, cleaned: i64, now: i64) -> Option<Self> {
        let bounds = topic.partition(partition)?;
        let (first, end) = (bounds.first(), bounds.next());
        Some(Self {
            topic,
            partition,
            limits: Limits::default(),
            now,
            end,
            last: LastOffsets::default(),
            phase: Phase::Map {
                next: first.max(cleaned),
            },
        })
    }

    #[cfg(test)]
    pub(crate) fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How many keys are in memory.
    #[cfg(test)]
    pub(crate) fn keys(&self) -> usize {
        self.last.offsets.len()
    }

    /// Id of the topic, and the partition.
    pub(crate) fn place(&self) -> (i64, i32) {
        (self.topic.id, self.partition)
    }
    pub(crate) fn end(&self) -> i64 {
        self.end
    }

    /// Does the next piece of the work, in a transaction of its own. What was done before an error stays done.
    pub(crate) fn step(&mut self, connection: &Connection) -> rusqlite::Result<Progress> {
        if self.topic.is_deleted() {
            return Ok(Progress::Done);
        }
        match self.phase {
            Phase::Map { next } => self.map(connection, next),
            Phase::Clean { next, end } => self.clean(connection, next, end),
        }
    }

    fn map(&mut self, connection: &Connection, next: i64) -> rusqlite::Result<Progress> {
        let mut next = next;
        let batches = self.batches(connection, next)?;
        // Batches may have gone since it began, also the last ones.
        let mut is_last = batches.is_empty();
        let mut is_full = false;
        for (stored, records) in batches {
            if stored.base >= self.end {
                is_last = true;
                break;
            }
            if is_full {
                break;
            }
            for record in records.iter().flatten() {
                if let Some(key) = &record.key {
                    self.last.set(key, record.offset);
                }
            }
            next = stored.next;
            is_full = self.last.offsets.len() >= self.limits.keys;
        }
        let first = self.first();
        self.phase = if is_last || is_full || next >= self.end {
            let end = if is_last { self.end } else { next };
            Phase::Clean { next: first, end }
        } else {
            Phase::Map { next }
        };
        Ok(Progress::More)
    }

    fn clean(
        &mut self,
        connection: &Connection,
        next: i64,
        end: i64,
    ) -> rusqlite::Result<Progress> {
        let mut reached = end;
        connection.execute_batch("BEGIN IMMEDIATE")?;
        for (stored, records) in self.batches(connection, next)? {
            if stored.base >= end {
                reached = end;
                break;
            }
            reached = stored.next;
            // A batch that cannot be read is left alone.
            if let Some(records) = records {
                self.clean_batch(connection, &stored, records)?;
            }
        }
        connection.execute_batch("COMMIT")?;
        if reached < end {
            self.phase = Phase::Clean { next: reached, end };
        } else if end < self.end {
            self.last.offsets.clear();
            self.phase = Phase::Map { next: end };
        } else {
            return Ok(Progress::Done);
        }
        Ok(Progress::More)
    }

    /// Drops records that are older than what the round knows, and tombstones whose time has come.
    fn clean_batch(
        &self,
        connection: &Connection,
        stored: &StoredBatch,
        records: Vec<ConsumedRecord>,
    ) -> rusqlite::Result<()> {
        let (topic, partition) = (self.topic.id, self.partition);
        let horizon = store::horizon(connection, topic, partition, stored.base)?;
        let total = records.len();
        let mut kept = records;
        kept.retain(|record| {
            let key = record.key.as_ref();
            !key.is_some_and(|key| self.last.is_superseded(key, record.offset))
        });
        if horizon.is_some_and(|horizon| horizon <= self.now) {
            kept.retain(|record| record.value.is_some());
        } else if horizon.is_none() && kept.iter().any(|record| record.value.is_none()) {
            // From now on: however old a deletion is, readers get this time to see it.
            let retention = self.topic.number(DELETE_RETENTION_MS).max(0);
            let horizon = self.now.saturating_add(retention);
            store::set_horizon(connection, topic, partition, stored.base, horizon)?;
        }
        if kept.len() == total {
            return Ok(());
        }
        if kept.is_empty() {
            return store::delete_batch(connection, topic, partition, stored.base);
        }
        let data = encoded(stored.base, kept);
        store::replace_batch(connection, topic, partition, stored.base, &data)
    }

    fn first(&self) -> i64 {
        let bounds = self.topic.partition(self.partition);
        bounds.map_or(0, crate::topics::Partition::first)
    }

    /// Stored batches from `offset` on with their records; `None` for one that is damaged.
    fn batches(
        &self,
        connection: &Connection,
        offset: i64,
    ) -> rusqlite::Result<Vec<(StoredBatch, Option<Vec<ConsumedRecord>>)>> {
        let (topic, partition) = (&self.topic, self.partition);
        let bytes = self.limits.bytes;
        let batches = store::read_batches(connection, topic.id, partition, offset, bytes)?;
        let batches = batches.into_iter().map(|mut stored| {
            let data = Bytes::from(std::mem::take(&mut stored.data));
            let records = Records::new(Arc::clone(&topic.name), partition, stored.base, data);
            (stored, records.collect::<Result<_, _>>().ok())
        });
        Ok(batches.collect())
    }
}

/// The bytes of a batch with these records.
fn encoded(base: i64, records: Vec<ConsumedRecord>) -> Vec<u8> {
    let mut data = Vec::new();
    for record in records {
        let distance = record.offset.abs_diff(base);
        let timestamp = record.timestamp.unwrap_or(0);
        let record = ProducerRecord {
            topic: record.topic,
            partition: None,
            timestamp: None,
            key: record.key,
            value: record.value,
            headers: record.headers,
        };
        batch::encode(&mut data, distance, timestamp, &record);
    }
    data
}
