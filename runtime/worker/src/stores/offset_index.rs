//! Source offsets by connector and partition, with the bytes of their keys.
//!
//! A topic's compaction and Java's lookups compare keys as bytes, and the order of a partition's members is whatever
//! Java's map had. So a key that was read is written back as it was, and lookups compare partitions as values.
//!
//! Source: `org.apache.kafka.connect.storage.{OffsetStorageWriter,OffsetUtils,ConnectorPartitions}`.

use std::collections::{BTreeMap, HashMap};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value as Json};
use tidegate_api::{ConnectError, OffsetFieldsMap, SourcePartition, Str, Value};
use tracing::warn;

use crate::json;

/// Members of a partition or an offset.
pub(crate) type Members = Map<String, Json>;

/// A record for the offsets topic.
pub(super) type Record = (Bytes, Option<Bytes>);

#[derive(Debug, Default)]
pub(super) struct OffsetIndex {
    connectors: HashMap<String, BTreeMap<Vec<u8>, Entry>>,
}

#[derive(Debug)]
struct Entry {
    /// As stored; more than one if writers disagreed about the order of members. The last is the newest.
    keys: Vec<Bytes>,
    value: Bytes,
}

impl OffsetIndex {
    /// Applies a record; one of another shape is skipped with a warning.
    pub(super) fn apply(&mut self, key: Option<&Bytes>, value: Option<&Bytes>) {
        let Some(key) = key else {
            warn!("skipped an offset without a key");
            return;
        };
        let Ok((connector, Json::Object(partition))) = serde_json::from_slice::<(String, Json)>(key) else {
            warn!(key = %String::from_utf8_lossy(key), "Ignoring offset partition key with an unexpected format");
            return;
        };
        let entries = self.connectors.entry(connector).or_default();
        let canonical = canonical(&partition);
        match value {
            Some(value) => {
                let entry = entries.entry(canonical).or_insert_with(|| Entry {
                    keys: Vec::new(),
                    value: Bytes::new(),
                });
                entry.keys.retain(|known| known != key);
                entry.keys.push(key.clone());
                entry.value = value.clone();
            }
            None => {
                if let Some(entry) = entries.get_mut(&canonical) {
                    entry.keys.retain(|known| known != key);
                    if entry.keys.is_empty() {
                        entries.remove(&canonical);
                    }
                }
            }
        }
    }

    pub(super) fn get(
        &self,
        connector: &str,
        partition: &SourcePartition,
    ) -> Result<Option<OffsetFieldsMap>, ConnectError> {
        let canonical = canonical(&members(&partition.0)?);
        let entry = self.connectors.get(connector).and_then(|entries| entries.get(&canonical));
        entry.map(|entry| fields(&entry.value)).transpose()
    }

    /// All partitions and offsets of a connector.
    pub(super) fn list(&self, connector: &str) -> Vec<(Members, Members)> {
        let parse = |entry: &Entry| {
            let (_, partition) = serde_json::from_slice::<(String, Members)>(entry.keys.last()?).ok()?;
            Some((partition, serde_json::from_slice(&entry.value).ok()?))
        };
        let entries = self.connectors.get(connector);
        entries.into_iter().flatten().filter_map(|(_, entry)| parse(entry)).collect()
    }

    /// The records that store an offset: under the key that is there already, else under one with the members in the
    /// order given. Further keys of the same partition are deleted.
    pub(super) fn records(
        &self,
        connector: &str,
        partition: &SourcePartition,
        offset: Option<&OffsetFieldsMap>,
    ) -> Result<Vec<Record>, ConnectError> {
        let partition = members(&partition.0)?;
        let value = offset.map(|fields| Ok::<_, ConnectError>(Bytes::from(json::to_vec(&members(fields)?)))).transpose()?;
        let known = self.connectors.get(connector).and_then(|entries| entries.get(&canonical(&partition)));
        let Some((newest, stale)) = known.and_then(|entry| entry.keys.split_last()) else {
            let key = Bytes::from(json::to_vec(&(connector, partition)));
            return Ok(vec![(key, value)]);
        };
        let mut records: Vec<Record> = stale.iter().map(|key| (key.clone(), None)).collect();
        records.push((newest.clone(), value));
        Ok(records)
    }

    /// Everything, for a file.
    pub(super) fn entries(&self) -> Vec<(&[u8], &[u8])> {
        let entries = self.connectors.values().flat_map(BTreeMap::values);
        entries
            .flat_map(|entry| entry.keys.iter().map(|key| (key.as_ref(), entry.value.as_ref())))
            .collect()
    }
}

fn canonical(partition: &Members) -> Vec<u8> {
    let sorted: BTreeMap<_, _> = partition.iter().collect();
    json::to_vec(&sorted)
}

/// The flat map of names and primitives that an offset or a partition must be.
fn members(fields: &[(Str, Value)]) -> Result<Members, ConnectError> {
    let member = |(name, value): &(Str, Value)| {
        let json = match value {
            Value::Null => Json::Null,
            Value::Boolean(v) => Json::from(*v),
            Value::Int8(_) | Value::Int16(_) | Value::Int32(_) | Value::Int64(_) => Json::from(value.as_i64()),
            Value::Float32(v) => Json::from(f64::from(*v)),
            Value::Float64(v) => Json::from(*v),
            Value::String(v) => Json::from(v.as_str()),
            Value::Bytes(v) => Json::from(STANDARD.encode(v)),
            Value::Decimal(_) | Value::Array(_) | Value::Map(_) | Value::Struct(_) => {
                return Err(not_primitive(name, value.java_class()));
            }
        };
        Ok((name.to_string(), json))
    };
    fields.iter().map(member).collect()
}

/// Source: `OffsetUtils.validateFormat`.
pub(crate) fn not_primitive(name: &str, found: &str) -> ConnectError {
    ConnectError::data(format!(
        "Offsets may only contain primitive types as values, but field {name} contains {found}"
    ))
}

fn fields(value: &[u8]) -> Result<OffsetFieldsMap, ConnectError> {
    let members: Members = serde_json::from_slice(value)
        .map_err(|error| ConnectError::data("a stored offset is not a JSON object").caused_by(error))?;
    from_members(members)
}

/// Members as Connect reads them back: whole numbers have 64 bits.
pub(crate) fn from_members(members: Members) -> Result<OffsetFieldsMap, ConnectError> {
    let field = |(name, json): (String, Json)| {
        let value = match json {
            Json::Null => Value::Null,
            Json::Bool(v) => Value::Boolean(v),
            Json::Number(v) => match v.as_i64() {
                Some(v) => Value::Int64(v),
                None => Value::Float64(v.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(v) => Value::string(v),
            Json::Array(_) => return Err(not_primitive(&name, "ARRAY")),
            Json::Object(_) => return Err(not_primitive(&name, "MAP")),
        };
        Ok((Str::from(name), value))
    };
    members.into_iter().map(field).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(members: &[(&str, &str)]) -> SourcePartition {
        SourcePartition(members.iter().map(|(k, v)| (Str::new(k), Value::string(v))).collect())
    }
    fn apply(index: &mut OffsetIndex, key: &str, value: &str) {
        let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        index.apply(Some(&bytes(key)), (!value.is_empty()).then(|| bytes(value)).as_ref());
    }
    fn text(records: &[Record]) -> Vec<(String, Option<String>)> {
        let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        records.iter().map(|(k, v)| (text(k), v.as_ref().map(text))).collect()
    }

    #[test]
    fn new_keys_keep_the_order_of_their_members() {
        let index = OffsetIndex::default();
        let offset = vec![(Str::new("pos"), Value::Int32(4)), (Str::new("gtids"), Value::Null)];
        let records = index
            .records("mssql", &partition(&[("server", "s"), ("database", "d")]), Some(&offset))
            .unwrap();
        assert_eq!(
            text(&records),
            [(
                r#"["mssql",{"server":"s","database":"d"}]"#.to_owned(),
                Some(r#"{"pos":4,"gtids":null}"#.to_owned())
            )]
        );
    }

    #[test]
    fn a_known_key_is_written_back_as_it_was() {
        let mut index = OffsetIndex::default();
        apply(&mut index, r#"["c", {"b":"2", "a":"1"}]"#, r#"{"pos":7,"x":1.5}"#);
        let asked = partition(&[("a", "1"), ("b", "2")]);
        assert_eq!(
            index.get("c", &asked).unwrap().unwrap(),
            [(Str::new("pos"), Value::Int64(7)), (Str::new("x"), Value::Float64(1.5))]
        );
        let records = index.records("c", &asked, None).unwrap();
        assert_eq!(text(&records), [(r#"["c", {"b":"2", "a":"1"}]"#.to_owned(), None)]);
    }

    #[test]
    fn a_partition_with_two_keys_is_reduced_to_the_newer() {
        let mut index = OffsetIndex::default();
        apply(&mut index, r#"["c",{"a":"1","b":"2"}]"#, r#"{"pos":1}"#);
        apply(&mut index, r#"["c",{"b":"2","a":"1"}]"#, r#"{"pos":2}"#);
        let asked = partition(&[("a", "1"), ("b", "2")]);
        let offset = vec![(Str::new("pos"), Value::Int64(3))];
        assert_eq!(
            text(&index.records("c", &asked, Some(&offset)).unwrap()),
            [
                (r#"["c",{"a":"1","b":"2"}]"#.to_owned(), None),
                (r#"["c",{"b":"2","a":"1"}]"#.to_owned(), Some(r#"{"pos":3}"#.to_owned()))
            ]
        );
    }

    #[test]
    fn tombstones_remove_and_odd_keys_are_skipped() {
        let mut index = OffsetIndex::default();
        apply(&mut index, r#"["c",{"a":"1"}]"#, r#"{"pos":1}"#);
        apply(&mut index, r#"["c",{"a":"2"}]"#, r#"{"pos":2}"#);
        apply(&mut index, r#"["c",{"a":"1"}]"#, "");
        for odd in ["{}", r#"["c"]"#, r#"["c",null]"#, "x"] {
            apply(&mut index, odd, "{}");
        }
        let listed: Vec<_> = index.list("c").into_iter().map(|(p, o)| Json::from_iter([("p", p), ("o", o)])).collect();
        assert_eq!(listed, [serde_json::json!({"p": {"a": "2"}, "o": {"pos": 2}})]);
        assert_eq!(index.get("c", &partition(&[("a", "1")])).unwrap(), None);
        assert_eq!(index.list("other"), []);
    }

    #[test]
    fn offsets_must_be_flat() {
        let nested = vec![(Str::new("x"), Value::Array(Vec::new()))];
        let error = OffsetIndex::default().records("c", &partition(&[]), Some(&nested)).unwrap_err();
        assert_eq!(
            error.text(),
            "Offsets may only contain primitive types as values, but field x contains java.util.ArrayList"
        );
    }
}
