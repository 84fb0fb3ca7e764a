//! Change records of rows.
//!
//! Source: Debezium `RelationalChangeRecordEmitter`, `EventDispatcher`.

use std::sync::Arc;

use tidegate_api::{
    Header, Headers, Record, Schema, SchemaAndValue, SourceOffset, SourcePartition, SourceRecord,
    Str, Struct,
};
use tidegate_relational::Row;

use crate::envelope::{self, Operation};
use crate::headers;

/// A captured table with everything that its records share; `P` is how its rows are read.
#[derive(Debug)]
pub struct CapturedTable<P> {
    pub plan: Arc<P>,
    pub envelope: Arc<Schema>,
    pub topic: Arc<str>,
    /// All parts of the name, as filters have it.
    pub id: Str,
    pub database: Str,
    pub name: Str,
}

/// Offsets around a row. A restart at the one behind it does not bring the row again, so that only the last record of a row
/// may have that one.
#[derive(Debug)]
pub struct RowOffsets<'a> {
    pub before: &'a SourceOffset,
    pub behind: SourceOffset,
}

/// Makes the records of one connector.
#[derive(Debug, Clone)]
pub struct RecordMaker {
    pub partition: Arc<SourcePartition>,
    pub headers: Headers,
    pub tombstones: bool,
}

impl RecordMaker {
    fn record<P>(
        &self,
        table: &CapturedTable<P>,
        key: Option<Struct>,
        value: SchemaAndValue,
        extra: Option<Header>,
        offset: SourceOffset,
    ) -> SourceRecord {
        let key = key.map(SchemaAndValue::from).unwrap_or_default();
        let mut headers = self.headers.clone();
        if let Some(extra) = extra {
            headers.push_front(extra);
        }
        SourceRecord {
            record: Record {
                topic: Arc::clone(&table.topic),
                kafka_partition: None,
                key,
                value,
                timestamp: None,
                headers,
            },
            source_partition: Arc::clone(&self.partition),
            source_offset: offset,
        }
    }

    /// `r` and `c`.
    pub fn insert<P>(
        &self,
        table: &CapturedTable<P>,
        operation: Operation,
        row: Row,
        source: Struct,
        offset: SourceOffset,
    ) -> SourceRecord {
        let value = envelope::event(&table.envelope, operation, None, Some(row.value), source);
        self.record(table, row.key, value, None, offset)
    }

    /// `d` and its tombstone.
    pub fn delete<P>(
        &self,
        table: &CapturedTable<P>,
        row: Row,
        source: Struct,
        offsets: RowOffsets<'_>,
        out: &mut Vec<SourceRecord>,
    ) {
        self.deletion(table, row, source, offsets.before, None, out);
        if let Some(last) = out.last_mut() {
            last.source_offset = offsets.behind;
        }
    }

    /// `d` and its tombstone with one offset; `new_key` is where the row goes on.
    fn deletion<P>(
        &self,
        table: &CapturedTable<P>,
        row: Row,
        source: Struct,
        offset: &SourceOffset,
        new_key: Option<&Struct>,
        out: &mut Vec<SourceRecord>,
    ) {
        let header = || new_key.map(|key| headers::key(headers::NEW_KEY, key));
        let value = envelope::event(
            &table.envelope,
            Operation::Delete,
            Some(row.value),
            None,
            source,
        );
        let tombstone = self.tombstones.then(|| {
            self.record(
                table,
                row.key.clone(),
                SchemaAndValue::default(),
                header(),
                offset.clone(),
            )
        });
        out.push(self.record(table, row.key, value, header(), offset.clone()));
        out.extend(tombstone);
    }

    /// `u`; a changed key is a delete of the old one and a create of the new one.
    pub fn update<P>(
        &self,
        table: &CapturedTable<P>,
        before: Row,
        after: Row,
        source: Struct,
        offsets: RowOffsets<'_>,
        out: &mut Vec<SourceRecord>,
    ) {
        if let (Some(old), Some(new)) = (&before.key, &after.key)
            && old.values() != new.values()
        {
            let (old, new) = (old.clone(), new.clone());
            self.deletion(
                table,
                before,
                source.clone(),
                offsets.before,
                Some(&new),
                out,
            );
            let value = envelope::event(
                &table.envelope,
                Operation::Create,
                None,
                Some(after.value),
                source,
            );
            out.push(self.record(
                table,
                Some(new),
                value,
                Some(headers::key(headers::OLD_KEY, &old)),
                offsets.behind,
            ));
            return;
        }
        let value = envelope::event(
            &table.envelope,
            Operation::Update,
            Some(before.value),
            Some(after.value),
            source,
        );
        out.push(self.record(table, after.key, value, None, offsets.behind));
    }

    pub fn truncate<P>(
        &self,
        table: &CapturedTable<P>,
        source: Struct,
        offset: SourceOffset,
    ) -> SourceRecord {
        let value = envelope::event(&table.envelope, Operation::Truncate, None, None, source);
        self.record(table, None, value, None, offset)
    }
}
