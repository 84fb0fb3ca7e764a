//! Transaction metadata: records of where transactions begin and end, and each change's place in its transaction
//! (`provide.transaction.metadata`).
//!
//! Source: Debezium `TransactionMonitor`, `TransactionContext`, `DefaultTransactionStructMaker`.

use std::sync::Arc;

use tidegate_api::{
    Headers, OffsetFields, OffsetFieldsMap, Record, Schema, SchemaBuilder, SourceOffset,
    SourcePartition, SourceRecord, Str, Struct, Value,
};

use crate::{envelope, java_order};

const ID: &str = "transaction_id";
/// Before the name of a table.
const ORDER: &str = "transaction_data_collection_order_";

/// An open transaction: what the offsets of its changes have of it.
#[derive(Debug, Clone, PartialEq)]
pub struct TransactionState {
    pub id: Str,
    /// Changes of each table so far, in the order of their first ones.
    tables: Vec<(Str, i64)>,
}

impl TransactionState {
    fn new(id: Str) -> Self {
        Self {
            id,
            tables: Vec::new(),
        }
    }

    /// From a stored offset; `None` if no transaction was open there, or nobody counted.
    pub fn parse(fields: &OffsetFieldsMap) -> Option<Self> {
        let (_, id) = fields.iter().find(|(name, _)| name == ID)?;
        let count = |(name, value): &(Str, Value)| {
            Some((Str::new(name.strip_prefix(ORDER)?), value.as_i64()?))
        };
        Some(Self {
            id: Str::new(id.as_str()?),
            tables: fields.iter().filter_map(count).collect(),
        })
    }

    fn total(&self) -> i64 {
        self.tables.iter().map(|(_, count)| count).sum()
    }

    /// Counts a change; its place in the transaction and among those of its table, both from 1.
    fn count(&mut self, table: &Str) -> (i64, i64) {
        let known = self.tables.iter().position(|(name, _)| name == table);
        let index = known.unwrap_or_else(|| {
            self.tables.push((table.clone(), 0));
            self.tables.len() - 1
        });
        self.tables[index].1 += 1;
        (self.total(), self.tables[index].1)
    }

    fn fields(&self) -> impl Iterator<Item = (Str, Value)> {
        let id = (Str::const_new(ID), Value::String(self.id.clone()));
        let tables = self.tables.iter();
        let orders = tables
            .map(|(table, count)| (Str::from(format!("{ORDER}{table}")), Value::Int64(*count)));
        std::iter::once(id).chain(orders)
    }
}

/// A place in the source with the transaction that is open there.
#[derive(Debug)]
struct InTransaction {
    place: SourceOffset,
    transaction: Arc<TransactionState>,
}

impl OffsetFields for InTransaction {
    fn fields(&self) -> Vec<(Str, Value)> {
        let mut fields = self.place.fields();
        fields.extend(self.transaction.fields());
        fields
    }
}

/// Follows transactions.
#[derive(Debug)]
pub struct TransactionMonitor {
    topic: Arc<str>,
    key: Arc<Schema>,
    value: Arc<Schema>,
    collection: Arc<Schema>,
    block: Arc<Schema>,
    open: Option<Arc<TransactionState>>,
}

/// A boundary of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Begin,
    End,
}

impl TransactionMonitor {
    /// `topic` is that of the boundaries.
    pub fn new(topic: Arc<str>) -> Self {
        const PREFIX: &str = "io.debezium.connector.common.TransactionMetadata";
        let collection = SchemaBuilder::structure()
            .name("event.collection")
            .version(1)
            .optional()
            .field("data_collection", SchemaBuilder::string().build())
            .field("event_count", SchemaBuilder::int64().build())
            .build();
        let key = SchemaBuilder::structure()
            .name(format!("{PREFIX}Key"))
            .version(1)
            .field("id", SchemaBuilder::string().build())
            .build();
        let value = SchemaBuilder::structure()
            .name(format!("{PREFIX}Value"))
            .version(1)
            .field("status", SchemaBuilder::string().build())
            .field("id", SchemaBuilder::string().build())
            .field("event_count", SchemaBuilder::int64().optional().build())
            .field(
                "data_collections",
                SchemaBuilder::array(Arc::clone(&collection))
                    .optional()
                    .build(),
            )
            .field("ts_ms", SchemaBuilder::int64().build())
            .build();
        Self {
            topic,
            key,
            value,
            collection,
            block: envelope::transaction_schema(),
            open: None,
        }
    }

    /// The stream goes on where an offset says; what was open there.
    pub(crate) fn resume(&mut self, stored: Option<TransactionState>) {
        self.open = stored.map(Arc::new);
    }

    /// An offset has the transaction that is open.
    pub(crate) fn at(&self, place: SourceOffset) -> SourceOffset {
        match &self.open {
            Some(open) => SourceOffset::new(InTransaction {
                place,
                transaction: Arc::clone(open),
            }),
            None => place,
        }
    }

    /// A transaction begins, and the one before it is over, if it was open. `goes_on`: it is the one that the stored offset lies
    /// in, of which a part was handed over; its changes are counted on, and it begins no second time.
    pub(crate) fn begin(
        &mut self,
        id: &str,
        goes_on: bool,
        millis: i64,
        partition: &Arc<SourcePartition>,
        place: SourceOffset,
    ) -> Option<SourceRecord> {
        if goes_on && self.open.as_ref().is_some_and(|open| open.id == id) {
            return None;
        }
        self.open = Some(Arc::new(TransactionState::new(Str::new(id))));
        self.record(Status::Begin, millis, partition, place)
    }

    /// The open transaction ends. `place` lies inside of it.
    pub(crate) fn end(
        &mut self,
        millis: i64,
        partition: &Arc<SourcePartition>,
        place: SourceOffset,
    ) -> Option<SourceRecord> {
        let record = self.record(Status::End, millis, partition, place);
        self.open = None;
        record
    }

    fn record(
        &self,
        status: Status,
        millis: i64,
        partition: &Arc<SourcePartition>,
        place: SourceOffset,
    ) -> Option<SourceRecord> {
        let open = self.open.as_ref()?;
        let id = || Value::String(open.id.clone());
        let (name, count, tables) = match status {
            Status::Begin => ("BEGIN", Value::Null, Value::Null),
            Status::End => (
                "END",
                Value::Int64(open.total()),
                Value::Array(self.collections(open)),
            ),
        };
        let values = vec![
            Value::String(Str::const_new(name)),
            id(),
            count,
            tables,
            Value::Int64(millis),
        ];
        Some(SourceRecord {
            record: Record {
                topic: Arc::clone(&self.topic),
                kafka_partition: None,
                key: Struct::new(Arc::clone(&self.key), vec![id()]).into(),
                value: Struct::new(Arc::clone(&self.value), values).into(),
                timestamp: None,
                headers: Headers::new(),
            },
            source_partition: Arc::clone(partition),
            source_offset: self.at(place),
        })
    }

    fn collections(&self, open: &TransactionState) -> Vec<Value> {
        let mut tables: Vec<&(Str, i64)> = open.tables.iter().collect();
        let buckets = java_order::buckets_of_map(tables.len());
        java_order::sort(&mut tables, buckets, |(name, _)| name.to_string());
        let collection = |(name, count): &(Str, i64)| {
            let values = vec![Value::String(name.clone()), Value::Int64(*count)];
            Value::Struct(Struct::new(Arc::clone(&self.collection), values))
        };
        tables.into_iter().map(collection).collect()
    }

    /// Counts a change of `table` and tells its record so.
    pub(crate) fn change(&mut self, record: &mut SourceRecord, table: &Str) {
        let Some(open) = &mut self.open else {
            return;
        };
        let Value::Struct(event) = &mut record.record.value.value else {
            return;
        };
        let (total, own) = Arc::make_mut(open).count(table);
        let values = vec![
            Value::String(open.id.clone()),
            Value::Int64(total),
            Value::Int64(own),
        ];
        event.values_mut()[envelope::TRANSACTION_FIELD] =
            Value::Struct(Struct::new(Arc::clone(&self.block), values));
    }

    /// What is open, to be put back if the event at hand cannot be read to its end.
    pub(crate) fn open(&self) -> Option<Arc<TransactionState>> {
        self.open.clone()
    }

    pub(crate) fn put_back(&mut self, open: Option<Arc<TransactionState>>) {
        self.open = open;
    }
}
