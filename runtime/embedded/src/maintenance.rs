//! Retention and compaction, in small steps between the writer's transactions.
//!
//! Offsets never change: a compacted batch keeps its range and loses records, a batch without records loses its row.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use rusqlite::{Connection, params};
use tidegate_log::ProducerRecord;

use crate::batch::{self, Records};
use crate::store;
use crate::topics::{DELETE_RETENTION_MS, RETENTION_BYTES, RETENTION_MS, Topic, Topics};

/// Bytes appended to a compacted partition before it is compacted again, at least.
const COMPACTION_BYTES: usize = 4 * 1024 * 1024;
/// One n-th of the partition must be new, so that the work stays in proportion to what is written. Kafka's
/// `min.cleanable.dirty.ratio` is a half, too.
const DIRTY_SHARE: usize = 2;
const READ_BYTES: usize = 4 * 1024 * 1024;

/// Bytes appended since the last compaction.
#[derive(Debug, Default)]
pub(crate) struct State {
    dirty: HashMap<(Arc<str>, i32), usize>,
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
            *self
                .dirty
                .entry((Arc::clone(&topic.name), partition))
                .or_default() += bytes;
        }
    }

    pub(crate) fn run(&mut self, connection: &Connection, topics: &Topics) -> rusqlite::Result<()> {
        let now = now();
        for topic in topics.all() {
            if topic.has_policy("delete") {
                for partition in 0..topic.partition_count() {
                    delete_old(connection, &topic, partition, now)?;
                }
            }
        }
        let due: Vec<_> = self
            .dirty
            .iter()
            .filter(|(_, bytes)| **bytes >= COMPACTION_BYTES)
            .map(|(key, _)| key.clone())
            .collect();
        for (name, partition) in due {
            if let Some(topic) = topics.get(&name) {
                let total = store::partition_bytes(connection, topic.id, partition)?;
                if self.dirty[&(Arc::clone(&name), partition)] < total / DIRTY_SHARE {
                    continue;
                }
                compact(connection, &topic, partition, now)?;
            }
            self.dirty.remove(&(name, partition));
        }
        connection.execute_batch("PRAGMA incremental_vacuum(256)")
    }
}

pub(crate) fn now() -> i64 {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}

/// `retention.ms` and `retention.bytes`; negative values keep everything.
pub(crate) fn delete_old(
    connection: &Connection,
    topic: &Topic,
    partition: i32,
    now: i64,
) -> rusqlite::Result<()> {
    let (millis, bytes) = (topic.number(RETENTION_MS), topic.number(RETENTION_BYTES));
    let mut end = None;
    if millis >= 0 {
        // Batches are deleted from the front only, up to the first one that is young enough.
        end = connection.query_row(
            "SELECT coalesce((SELECT min(base) FROM batches WHERE topic = ?1 AND partition = ?2 AND max_timestamp >= ?3), \
             (SELECT max(next) FROM batches WHERE topic = ?1 AND partition = ?2))",
            params![topic.id, partition, now.saturating_sub(millis)],
            |row| row.get::<_, Option<i64>>(0),
        )?;
    }
    if bytes >= 0 {
        // The newest batches that reach the size together; at least one.
        let kept = connection.query_row(
            "SELECT min(base) FROM (SELECT base, bytes, sum(bytes) OVER (ORDER BY base DESC) AS total FROM batches \
             WHERE topic = ?1 AND partition = ?2) WHERE total - bytes < ?3",
            params![topic.id, partition, bytes.max(1)],
            |row| row.get::<_, Option<i64>>(0),
        )?;
        end = end.max(kept);
    }
    let Some(first) =
        end.filter(|end| topic.partition(partition).is_some_and(|p| *end > p.first()))
    else {
        return Ok(());
    };
    connection.execute_batch("BEGIN IMMEDIATE")?;
    connection.execute(
        "DELETE FROM batches WHERE topic = ?1 AND partition = ?2 AND next <= ?3",
        params![topic.id, partition, first],
    )?;
    connection.execute(
        "UPDATE partitions SET first = ?3 WHERE topic = ?1 AND partition = ?2",
        params![topic.id, partition, first],
    )?;
    connection.execute_batch("COMMIT")?;
    if let Some(partition) = topic.partition(partition) {
        partition.advance_first(first);
    }
    Ok(())
}

/// Keeps the last record of each key; tombstones stay for `delete.retention.ms`.
pub(crate) fn compact(
    connection: &Connection,
    topic: &Topic,
    partition: i32,
    now: i64,
) -> rusqlite::Result<()> {
    let Some(bounds) = topic.partition(partition) else {
        return Ok(());
    };
    let end = bounds.next();
    let retention = topic.number(DELETE_RETENTION_MS);
    let mut last: HashMap<Bytes, i64> = HashMap::new();
    each_batch(connection, topic, partition, end, |_, records| {
        for record in records {
            if let Some(key) = record.key {
                last.insert(Bytes::copy_from_slice(&key), record.offset);
            }
        }
        Ok(())
    })?;
    connection.execute_batch("BEGIN IMMEDIATE")?;
    each_batch(connection, topic, partition, end, |stored, records| {
        let total = records.len();
        let kept: Vec<_> = records
            .into_iter()
            .filter(|record| {
                let is_last = record
                    .key
                    .as_ref()
                    .is_none_or(|key| last.get(key) == Some(&record.offset));
                let is_old_tombstone = record.value.is_none()
                    && record.timestamp.unwrap_or(0) < now.saturating_sub(retention);
                is_last && !is_old_tombstone
            })
            .collect();
        if kept.len() == total {
            return Ok(());
        }
        if kept.is_empty() {
            connection.execute(
                "DELETE FROM batches WHERE topic = ?1 AND partition = ?2 AND base = ?3",
                params![topic.id, partition, stored.base],
            )?;
            return Ok(());
        }
        let mut data = Vec::new();
        for record in kept {
            let distance = record.offset.abs_diff(stored.base);
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
        connection.execute(
            "UPDATE batches SET data = ?4, bytes = ?5 WHERE topic = ?1 AND partition = ?2 AND base = ?3",
            params![topic.id, partition, stored.base, data, store::length(&data)],
        )?;
        Ok(())
    })?;
    connection.execute_batch("COMMIT")
}

/// Calls `visit` with each stored batch below `end` and its records. Damaged batches are left alone.
fn each_batch(
    connection: &Connection,
    topic: &Topic,
    partition: i32,
    end: i64,
    mut visit: impl FnMut(
        &store::StoredBatch,
        Vec<tidegate_log::ConsumedRecord>,
    ) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mut offset = topic
        .partition(partition)
        .map_or(0, crate::topics::Partition::first);
    while offset < end {
        let mut batches = store::read_batches(connection, topic.id, partition, offset, READ_BYTES)?;
        if batches.is_empty() {
            break;
        }
        for stored in &mut batches {
            let data = Bytes::from(std::mem::take(&mut stored.data));
            let records: Result<Vec<_>, _> =
                Records::new(Arc::clone(&topic.name), partition, stored.base, data).collect();
            if let Ok(records) = records {
                visit(stored, records)?;
            }
            offset = stored.next;
        }
    }
    Ok(())
}
