//! Records of a snapshot say where in it they stand, which the last ones know only once no other follows: one is held back.
//!
//! Source: Debezium `AbstractSnapshotChangeEventSource`, `EventDispatcher.BufferingSnapshotChangeRecordReceiver`.

use tidegate_api::{SourceOffset, SourceRecord};

use crate::source_info::{SnapshotMarker, set_marker};

/// The one place that sets markers.
#[derive(Debug, Default)]
pub(crate) struct Markers {
    held: Option<SourceRecord>,
    /// Rows of the table at hand.
    count: u64,
    /// As in the original: if the first table is empty, no row is `first`.
    is_first_table: bool,
}

impl Markers {
    pub(crate) fn table_begins(&mut self, is_first: bool) {
        self.count = 0;
        self.is_first_table = is_first;
    }

    /// The record before this one.
    pub(crate) fn row(&mut self, mut record: SourceRecord) -> Option<SourceRecord> {
        if self.count == 0 {
            let first = if self.is_first_table {
                SnapshotMarker::First
            } else {
                SnapshotMarker::FirstInTable
            };
            set_marker(&mut record, first);
        }
        self.count += 1;
        self.held.replace(record)
    }

    /// The record before this one, which is no row.
    pub(crate) fn other(&mut self, record: SourceRecord) -> Option<SourceRecord> {
        self.held.replace(record)
    }

    /// How many rows the table had.
    pub(crate) fn table_ends(&mut self) -> u64 {
        // The very first record stays `first`, though it is its table's last one, too.
        if (self.count > 1 || (self.count == 1 && !self.is_first_table))
            && let Some(last) = self.held.as_mut()
        {
            set_marker(last, SnapshotMarker::LastInTable);
        }
        self.count
    }

    /// The last record, if there is any. It says that it is, and its offset that the snapshot is complete.
    pub(crate) fn end(&mut self, done: SourceOffset) -> Option<SourceRecord> {
        let mut record = self.held.take()?;
        set_marker(&mut record, SnapshotMarker::Last);
        record.source_offset = done;
        Some(record)
    }
}
