//! Reading records of assigned partitions, shared by group members and plain readers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use tidegate_api::TopicPartition;
use tidegate_log::{ConsumedRecord, LogError};

use crate::batch::Records;
use crate::core::Core;
use crate::errors::translate;
use crate::store;

/// Bytes of batches read at a time.
pub(crate) const READ_BYTES: usize = 1024 * 1024;

/// Positions in partitions and the records read ahead of them.
///
/// Only one partition has records read ahead at a time, so that memory is bounded by [`READ_BYTES`] and a batch, however
/// many partitions there are. It keeps its turn until they are returned.
#[derive(Debug)]
pub(crate) struct Fetcher {
    core: Arc<Core>,
    partitions: BTreeMap<TopicPartition, Cursor>,
    /// Where the next round starts, so that every partition gets its turn.
    turn: usize,
    max_records: usize,
    /// Whether a position has moved over offsets without records.
    skipped: bool,
}

#[derive(Debug)]
struct Cursor {
    /// Id of the topic that is read; another one of the same name is not. `None` takes whichever there is.
    topic: Option<i64>,
    /// Next offset to return.
    position: i64,
    ahead: VecDeque<ConsumedRecord>,
    paused: bool,
    /// On its way to another member: still this one's, without records.
    leaving: bool,
}

impl Fetcher {
    pub(crate) fn new(core: Arc<Core>, max_records: usize) -> Self {
        Self {
            core,
            partitions: BTreeMap::new(),
            turn: 0,
            max_records: max_records.max(1),
            skipped: false,
        }
    }

    pub(crate) fn assign(&mut self, partition: TopicPartition, topic: Option<i64>, position: i64) {
        self.forget_ahead();
        self.partitions.insert(
            partition,
            Cursor {
                topic,
                position,
                ahead: VecDeque::new(),
                paused: false,
                leaving: false,
            },
        );
    }
    pub(crate) fn leave(&mut self, partition: &TopicPartition) {
        if let Some(cursor) = self.partitions.get_mut(partition) {
            cursor.leaving = true;
            cursor.ahead.clear();
        }
    }
    pub(crate) fn unassign(&mut self, partition: &TopicPartition) {
        self.forget_ahead();
        self.partitions.remove(partition);
    }
    #[cfg(test)]
    pub(crate) fn bytes_ahead(&self) -> usize {
        let records = self.partitions.values().flat_map(|cursor| &cursor.ahead);
        records
            .map(|record| record.value.as_ref().map_or(0, Bytes::len))
            .sum()
    }
    /// Turns go by place, and places change.
    fn forget_ahead(&mut self) {
        for cursor in self.partitions.values_mut() {
            cursor.ahead.clear();
        }
    }
    pub(crate) fn topic_id(&self, partition: &TopicPartition) -> Option<i64> {
        self.partitions.get(partition)?.topic
    }
    pub(crate) fn position(&self, partition: &TopicPartition) -> Option<i64> {
        self.partitions.get(partition).map(|cursor| cursor.position)
    }
    pub(crate) fn seek(&mut self, partition: &TopicPartition, offset: i64) -> Result<(), LogError> {
        let cursor = self.cursor(partition)?;
        cursor.position = offset;
        cursor.ahead.clear();
        Ok(())
    }
    pub(crate) fn set_paused(
        &mut self,
        partition: &TopicPartition,
        paused: bool,
    ) -> Result<(), LogError> {
        let cursor = self.cursor(partition)?;
        cursor.paused = paused;
        // Read again later: another partition gets the turn, and the memory.
        cursor.ahead.clear();
        Ok(())
    }
    /// Whether a position has moved without a record since the last call.
    pub(crate) fn take_skipped(&mut self) -> bool {
        std::mem::take(&mut self.skipped)
    }
    fn cursor(&mut self, partition: &TopicPartition) -> Result<&mut Cursor, LogError> {
        self.partitions.get_mut(partition).ok_or_else(|| {
            LogError::Invalid(format!(
                "partition {partition} is not assigned to this consumer"
            ))
        })
    }

    /// The next partition with records that were not returned, from the one whose turn it is: its place, name and
    /// position.
    fn due(&self) -> Option<(usize, TopicPartition, i64)> {
        let count = self.partitions.len();
        let unread = |(place, (partition, cursor)): (usize, (&TopicPartition, &Cursor))| {
            let topic = self.core.topics.get(&partition.topic)?;
            if cursor.topic.is_some_and(|id| id != topic.id) {
                return None;
            }
            let bounds = topic.partition(partition.partition)?;
            let unread = !cursor.paused && !cursor.leaving && cursor.position < bounds.next();
            unread.then(|| {
                (
                    place,
                    partition.clone(),
                    cursor.position.max(bounds.first()),
                )
            })
        };
        self.partitions
            .iter()
            .enumerate()
            .cycle()
            .skip(self.turn)
            .take(count)
            .find_map(unread)
    }

    /// The next records without waiting; empty if there are none.
    pub(crate) async fn records(&mut self) -> Result<Vec<ConsumedRecord>, LogError> {
        while let Some((place, partition, position)) = self.due() {
            let is_empty = self.cursor(&partition)?.ahead.is_empty();
            if is_empty {
                self.read_ahead(&partition, position).await?;
            }
            let max_records = self.max_records;
            let cursor = self.cursor(&partition)?;
            let count = cursor.ahead.len().min(max_records);
            let records: Vec<_> = cursor.ahead.drain(..count).collect();
            if let Some(last) = records.last() {
                cursor.position = last.offset + 1;
            }
            let has_more = !cursor.ahead.is_empty();
            self.turn = (place + usize::from(!has_more)) % self.partitions.len();
            if !records.is_empty() {
                return Ok(records);
            }
            self.skipped = true;
        }
        Ok(Vec::new())
    }

    /// Fills `ahead`, or moves the position to the end if nothing is left before it.
    async fn read_ahead(
        &mut self,
        partition: &TopicPartition,
        position: i64,
    ) -> Result<(), LogError> {
        let Some(topic) = self.core.topics.get(&partition.topic) else {
            return Ok(());
        };
        let end = topic
            .partition(partition.partition)
            .map_or(0, crate::topics::Partition::next);
        let connection = self.core.take_reader()?;
        let number = partition.partition;
        let id = topic.id;
        let (connection, batches) = tokio::task::spawn_blocking(move || {
            let batches = store::read_batches(&connection, id, number, position, READ_BYTES);
            (connection, batches)
        })
        .await
        .map_err(|error| {
            LogError::Fatal(format!("reading the embedded log was interrupted: {error}"))
        })?;
        self.core.return_reader(connection);
        let batches =
            batches.map_err(|error| translate(&self.core.directory.path, "be read", &error))?;
        let read_to = batches.last().map_or(end, |batch| batch.next);
        let mut ahead = VecDeque::new();
        for batch in batches {
            let base = batch.base;
            for record in Records::new(
                Arc::clone(&partition.topic),
                number,
                base,
                Bytes::from(batch.data),
            ) {
                let record = record.map_err(|_| {
                    LogError::Fatal(format!(
                        "the embedded log in '{}' is damaged: the batch at offset {base} of {partition} cannot be read",
                        self.core.directory.path.display()
                    ))
                })?;
                if record.offset >= position {
                    ahead.push_back(record);
                }
            }
        }
        let cursor = self.cursor(partition)?;
        if ahead.is_empty() {
            cursor.position = read_to;
        }
        cursor.ahead = ahead;
        Ok(())
    }
}
