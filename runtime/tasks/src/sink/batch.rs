//! A sink's batches.

use tidegate_api::{SinkRecord, TopicPartition};
use tidegate_log::ConsumedRecord;
use tokio::time::Instant;

use super::{Offsets, RETRY};
use crate::backoff::Backoff;

/// A batch that the plugin has not taken yet, and the offsets behind it.
pub(super) struct Batch {
    pub(super) records: Vec<SinkRecord>,
    /// The records as they were consumed, if somebody may report them.
    pub(super) consumed: Vec<ConsumedRecord>,
    pub(super) next: Offsets,
    pub(super) retry_at: Instant,
    pub(super) attempts: u32,
    pub(super) backoff: Backoff,
}

impl Batch {
    pub(super) fn of(
        records: Vec<SinkRecord>,
        consumed: Vec<ConsumedRecord>,
        next: Offsets,
    ) -> Self {
        Self {
            records,
            consumed,
            next,
            retry_at: Instant::now(),
            attempts: 0,
            backoff: Backoff::new(RETRY.0, RETRY.1),
        }
    }

    /// Takes a partition's records out.
    pub(super) fn remove(&mut self, partition: &TopicPartition) {
        let is_other =
            |topic: &str, number: i32| number != partition.partition || *topic != *partition.topic;
        self.records
            .retain(|record| is_other(&record.original.topic, record.original.partition));
        self.consumed
            .retain(|record| is_other(&record.topic, record.partition));
        self.next.remove(partition);
    }

    /// Adds what was consumed behind it.
    pub(super) fn append(&mut self, mut later: Self) {
        self.records.append(&mut later.records);
        self.consumed.append(&mut later.consumed);
        self.next.append(&mut later.next);
    }
}
