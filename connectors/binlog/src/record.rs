//! Change records of rows.
//!
//! Source: Debezium `RelationalChangeRecordEmitter`, `EventDispatcher`.

use std::sync::Arc;

use tidegate_api::{
    Header, Headers, Record, Schema, SchemaAndValue, SourceOffset, SourcePartition, SourceRecord,
    Str, Struct, Value,
};
use tidegate_cdc::envelope::{self, Operation};
use tidegate_cdc::headers;
use tidegate_relational::Row;

use tidegate_mysql::rows::TablePlan;

/// A captured table with everything that its records share.
#[derive(Debug)]
pub(crate) struct CapturedTable {
    pub(crate) plan: Arc<TablePlan>,
    pub(crate) envelope: Arc<Schema>,
    pub(crate) topic: Arc<str>,
    pub(crate) database: Str,
    pub(crate) name: Str,
}

/// Offsets around a row. A restart at the one behind it does not bring the row again, so that only the last record of a row
/// may have that one.
#[derive(Debug)]
pub(crate) struct RowOffsets<'a> {
    pub(crate) before: &'a SourceOffset,
    pub(crate) behind: SourceOffset,
}

/// Makes the records of one connector.
#[derive(Debug, Clone)]
pub(crate) struct RecordMaker {
    pub(crate) partition: Arc<SourcePartition>,
    pub(crate) headers: Headers,
    pub(crate) tombstones: bool,
}

impl RecordMaker {
    fn record(
        &self,
        table: &CapturedTable,
        key: Option<Struct>,
        value: SchemaAndValue,
        extra: Option<Header>,
        offset: SourceOffset,
    ) -> SourceRecord {
        let key = match key {
            Some(key) => SchemaAndValue {
                schema: Some(Arc::clone(key.schema())),
                value: Value::Struct(key),
            },
            None => SchemaAndValue::default(),
        };
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
    pub(crate) fn insert(
        &self,
        table: &CapturedTable,
        operation: Operation,
        row: Row,
        source: Struct,
        offset: SourceOffset,
    ) -> SourceRecord {
        let value = envelope::event(&table.envelope, operation, None, Some(row.value), source);
        self.record(table, row.key, value, None, offset)
    }

    /// `d` and its tombstone.
    pub(crate) fn delete(
        &self,
        table: &CapturedTable,
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
    fn deletion(
        &self,
        table: &CapturedTable,
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
    pub(crate) fn update(
        &self,
        table: &CapturedTable,
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

    pub(crate) fn truncate(
        &self,
        table: &CapturedTable,
        source: Struct,
        offset: SourceOffset,
    ) -> SourceRecord {
        let value = envelope::event(&table.envelope, Operation::Truncate, None, None, source);
        self.record(table, None, value, None, offset)
    }
}
