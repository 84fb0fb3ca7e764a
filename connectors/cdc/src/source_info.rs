//! What the `source` blocks of all connectors share.
//!
//! Source: Debezium `AbstractSourceInfoStructMaker`, `SnapshotRecord`.

use tidegate_api::{SourceRecord, Str, Value};

/// Place of a record in the snapshot; streamed records have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotMarker {
    First,
    FirstInTable,
    Within,
    LastInTable,
    Last,
}

impl SnapshotMarker {
    fn text(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::FirstInTable => "first_in_data_collection",
            Self::Within => "true",
            Self::LastInTable => "last_in_data_collection",
            Self::Last => "last",
        }
    }
    pub fn value(self) -> Value {
        Value::String(Str::const_new(self.text()))
    }
}

/// Field `snapshot` of every block.
const SNAPSHOT_FIELD: usize = 4;

/// Sets `source.snapshot` of a record.
pub(crate) fn set_marker(record: &mut SourceRecord, marker: SnapshotMarker) {
    let Value::Struct(value) = &mut record.record.value.value else {
        return;
    };
    let Some(field) = value.schema().field("source").map(|field| field.index) else {
        return;
    };
    if let Value::Struct(source) = &mut value.values_mut()[field] {
        source.values_mut()[SNAPSHOT_FIELD] = marker.value();
    }
}
