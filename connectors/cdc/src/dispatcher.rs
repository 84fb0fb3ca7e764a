//! The one door through which everything that a source has read passes on its way to the queue: rows of snapshots and of the
//! stream, schema changes, boundaries of transactions, heartbeats.
//!
//! A source says what happened and where in the source a restart would go on. The door makes the records, gives every one its
//! offset, and adds what is the engine's own to each.
//!
//! Source: Debezium `EventDispatcher`, `RelationalChangeRecordEmitter`.

use std::sync::Arc;

use tidegate_api::{SourceOffset, SourceRecord, Str, Struct};
use tidegate_relational::Row;

use crate::envelope::Operation;
use crate::heartbeat::Heartbeat;
use crate::queue::{BatchSender, Stopped};
use crate::records::{CapturedTable, RecordMaker, RowOffsets};
use crate::schema_changes::{SchemaChangeMaker, Statement};
use crate::snapshot::Markers;
use crate::transactions::{TransactionMonitor, TransactionState};

/// What the stream says of a row.
#[derive(Debug)]
pub enum RowChange {
    Created(Row),
    Updated { before: Row, after: Row },
    Deleted(Row),
}

/// Makes the records of one connector and hands them over.
#[derive(Debug)]
pub struct Dispatcher {
    records: RecordMaker,
    schema_changes: SchemaChangeMaker,
    heartbeat: Heartbeat,
    /// `skip.messages.without.change`: updates that change nothing that is shown are no changes.
    skips_unchanged: bool,
    /// `None`: nobody wants to know of transactions.
    transactions: Option<TransactionMonitor>,
    /// The transaction as it was before the event at hand.
    before_event: Option<Arc<TransactionState>>,
    markers: Markers,
    /// Changes of the event at hand.
    changes: Vec<SourceRecord>,
    queue: BatchSender,
}

impl Dispatcher {
    pub fn new(
        records: RecordMaker,
        schema_changes: SchemaChangeMaker,
        heartbeat: Heartbeat,
        transactions: Option<TransactionMonitor>,
        skips_unchanged: bool,
        queue: BatchSender,
    ) -> Self {
        Self {
            records,
            schema_changes,
            heartbeat,
            skips_unchanged,
            transactions,
            before_event: None,
            markers: Markers::default(),
            changes: Vec::new(),
            queue,
        }
    }

    /// A snapshot begins; what an earlier one has held back is gone.
    pub fn begin_snapshot(&mut self) {
        self.resume(None);
        self.markers = Markers::default();
    }

    /// The rows that follow are those of one table.
    pub fn begin_table(&mut self, is_first: bool) {
        self.markers.table_begins(is_first);
    }

    /// A row of the snapshot. Cancel-safe, but for the row itself.
    ///
    /// # Errors
    /// If the task is gone.
    pub async fn snapshot_row<P>(
        &mut self,
        table: &CapturedTable<P>,
        row: Row,
        source: Struct,
        offset: SourceOffset,
    ) -> Result<(), Stopped> {
        let record = self
            .records
            .insert(table, Operation::Read, row, source, offset);
        match self.markers.row(record) {
            Some(before) => self.queue.push(before).await,
            None => Ok(()),
        }
    }

    /// How many rows the table had.
    pub fn end_table(&mut self) -> u64 {
        self.markers.table_ends()
    }

    /// A statement that a snapshot has made of the structure of the source.
    ///
    /// # Errors
    /// If the task is gone.
    pub async fn snapshot_statement(
        &mut self,
        source: Struct,
        statement: Statement<'_>,
        offset: SourceOffset,
    ) -> Result<(), Stopped> {
        let record = self
            .schema_changes
            .record(&self.records, source, statement, offset);
        match self.markers.other(record) {
            Some(before) => self.queue.push(before).await,
            None => Ok(()),
        }
    }

    /// The snapshot is complete: its last record is handed over, with the offset at which the stream begins.
    ///
    /// # Errors
    /// If the task is gone.
    pub async fn end_snapshot(&mut self, done: SourceOffset) -> Result<(), Stopped> {
        if let Some(last) = self.markers.end(done) {
            self.queue.push(last).await?;
        }
        self.queue.flush().await
    }

    /// The stream goes on at a stored offset, inside of a transaction or not.
    pub fn resume(&mut self, transaction: Option<TransactionState>) {
        if let Some(transactions) = &mut self.transactions {
            transactions.resume(transaction);
        }
    }

    /// Whether anybody wants to know of transactions.
    pub fn follows_transactions(&self) -> bool {
        self.transactions.is_some()
    }

    /// Id of the open transaction, if anybody wants to know of transactions: records of the schema history have it.
    pub fn transaction_id(&self) -> Option<Str> {
        let open = self.transactions.as_ref()?.open()?;
        Some(open.id.clone())
    }

    /// A place in the source with what is the engine's of an offset.
    fn at(&self, place: SourceOffset) -> SourceOffset {
        match &self.transactions {
            Some(transactions) => transactions.at(place),
            None => place,
        }
    }

    /// A transaction begins; [`Dispatcher::hand_over`] follows. `millis` is the time of that, since 1970. `goes_on`: the stored
    /// offset lies in it, and a part of it was handed over.
    pub fn begin_transaction(&mut self, id: &str, goes_on: bool, millis: i64, place: SourceOffset) {
        if let Some(transactions) = &mut self.transactions {
            let partition = &self.records.partition;
            let record = transactions.begin(id, goes_on, millis, partition, place);
            self.changes.extend(record);
        }
    }

    /// The transaction ends; [`Dispatcher::hand_over`] follows. `place` lies inside of it.
    pub fn end_transaction(&mut self, millis: i64, place: SourceOffset) {
        if let Some(transactions) = &mut self.transactions {
            let record = transactions.end(millis, &self.records.partition, place);
            self.changes.extend(record);
        }
    }

    /// A stream begins. What was not handed over of an event comes again.
    pub fn begin_stream(&mut self, after_snapshot: bool) {
        self.changes.clear();
        self.heartbeat.begin(after_snapshot);
    }

    /// A row of the event at hand; [`Dispatcher::hand_over`] follows.
    pub fn row<P>(
        &mut self,
        table: &CapturedTable<P>,
        change: RowChange,
        source: Struct,
        offsets: RowOffsets<'_>,
    ) {
        if self.skips_unchanged
            && let RowChange::Updated { before, after } = &change
            && before.value == after.value
        {
            return;
        }
        if self.changes.is_empty() {
            self.before_event = self
                .transactions
                .as_ref()
                .and_then(TransactionMonitor::open);
        }
        let before = offsets.before;
        let first = self.changes.len();
        let out = &mut self.changes;
        match change {
            RowChange::Created(row) => {
                let behind = offsets.behind;
                let record = self
                    .records
                    .insert(table, Operation::Create, row, source, behind);
                out.push(record);
            }
            RowChange::Updated { before, after } => {
                self.records
                    .update(table, before, after, source, offsets, out);
            }
            RowChange::Deleted(row) => self.records.delete(table, row, source, offsets, out),
        }
        self.count_changes(first, &table.id, before);
    }

    /// All rows of a table are gone; [`Dispatcher::hand_over`] follows.
    pub fn truncated<P>(&mut self, table: &CapturedTable<P>, source: Struct, offset: SourceOffset) {
        let first = self.changes.len();
        let record = self.records.truncate(table, source, offset.clone());
        self.changes.push(record);
        self.count_changes(first, &table.id, &offset);
    }

    /// Tells the changes from `first` on, those of one row, their places in the transaction. A restart that brings the row again
    /// counts it again.
    fn count_changes(&mut self, first: usize, table: &Str, before: &SourceOffset) {
        let Some(transactions) = &mut self.transactions else {
            return;
        };
        let Some((last, others)) = self.changes[first..].split_last_mut() else {
            return;
        };
        let before_row = transactions.at(before.clone());
        for record in others {
            transactions.change(record, table);
            record.source_offset = before_row.clone();
        }
        transactions.change(last, table);
        last.source_offset = transactions.at(last.source_offset.clone());
    }

    /// A statement of the stream; [`Dispatcher::hand_over`] follows.
    pub fn schema_change(
        &mut self,
        source: Struct,
        statement: Statement<'_>,
        offset: SourceOffset,
    ) {
        let record = self
            .schema_changes
            .record(&self.records, source, statement, self.at(offset));
        self.changes.push(record);
    }

    /// The last record of the event at hand is the last of its kind: a restart goes on at `offset`.
    pub fn last_change_at(&mut self, offset: SourceOffset) {
        let offset = self.at(offset);
        if let Some(last) = self.changes.last_mut() {
            last.source_offset = offset;
        }
    }

    /// The event at hand could not be read to its end: nothing of it is handed over.
    pub fn discard(&mut self) {
        if let Some(transactions) = &mut self.transactions
            && !self.changes.is_empty()
        {
            transactions.put_back(self.before_event.take());
        }
        self.changes.clear();
    }

    /// Hands over the changes of the event at hand; how many records they are.
    ///
    /// # Errors
    /// If the task is gone.
    pub async fn hand_over(&mut self) -> Result<usize, Stopped> {
        let count = self.changes.len();
        for record in self.changes.drain(..) {
            self.queue.push(record).await?;
        }
        Ok(count)
    }

    /// Whether a heartbeat is due, which is asked behind every event.
    pub fn is_heartbeat_due(&mut self) -> bool {
        self.heartbeat.is_due()
    }

    /// A heartbeat: `offset` becomes the stored one, though nothing happened.
    ///
    /// # Errors
    /// If the task is gone.
    pub async fn heartbeat(&mut self, offset: SourceOffset) -> Result<(), Stopped> {
        let record = self
            .heartbeat
            .record(&self.records.partition, self.at(offset));
        self.queue.push(record).await?;
        self.queue.flush().await
    }

    /// What was handed over reaches the task now.
    ///
    /// # Errors
    /// If the task is gone.
    pub async fn flush(&mut self) -> Result<(), Stopped> {
        self.queue.flush().await
    }
}
