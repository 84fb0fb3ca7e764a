//! The binary form of a batch: records one after the other, each with its distance to the batch's base offset.
//!
//! A record is: varint offset distance, zigzag varint timestamp (milliseconds), key, value, varint number of headers,
//! then per header key and value. Byte strings are a varint of their length plus one; 0 is null.

use std::sync::Arc;

use bytes::{Buf, Bytes};
use tidegate_api::TimestampType;
use tidegate_log::{ConsumedRecord, Names, ProducerRecord, RecordHeader};

/// Appends a record to `out`.
pub(crate) fn encode(out: &mut Vec<u8>, distance: u64, timestamp: i64, record: &ProducerRecord) {
    put_varint(out, distance);
    put_varint(out, (timestamp << 1 ^ timestamp >> 63).cast_unsigned());
    put_bytes(out, record.key.as_deref());
    put_bytes(out, record.value.as_deref());
    put_varint(out, record.headers.len() as u64);
    for header in &record.headers {
        put_bytes(out, Some(header.key.as_bytes()));
        put_bytes(out, header.value.as_deref());
    }
}

fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

fn put_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => out.push(0),
        Some(bytes) => {
            put_varint(out, bytes.len() as u64 + 1);
            out.extend_from_slice(bytes);
        }
    }
}

/// Records of a stored batch; keys and values share the batch's buffer.
pub(crate) struct Records {
    topic: Arc<str>,
    partition: i32,
    base: i64,
    data: Bytes,
    header_names: Names,
}

impl Records {
    pub(crate) fn new(topic: Arc<str>, partition: i32, base: i64, data: Bytes) -> Self {
        Self {
            topic,
            partition,
            base,
            data,
            header_names: Names::default(),
        }
    }

    fn read(&mut self) -> Option<ConsumedRecord> {
        let data = &mut self.data;
        let offset = self.base + varint(data)?.cast_signed();
        let timestamp = varint(data)?;
        let timestamp = (timestamp >> 1).cast_signed() ^ -(timestamp & 1).cast_signed();
        let key = byte_string(data)?;
        let value = byte_string(data)?;
        let count = varint(data)?;
        let mut headers = Vec::with_capacity(usize::try_from(count).ok()?.min(64));
        for _ in 0..count {
            let key = byte_string(data)?.unwrap_or_default();
            headers.push(RecordHeader {
                key: self.header_names.get(&String::from_utf8_lossy(&key)),
                value: byte_string(data)?,
            });
        }
        Some(ConsumedRecord {
            topic: Arc::clone(&self.topic),
            partition: self.partition,
            offset,
            timestamp: Some(timestamp),
            timestamp_type: TimestampType::CreateTime,
            key,
            value,
            headers: headers.into(),
        })
    }
}

/// Ends at the end of the batch; a batch that is damaged ends early with `Err`.
impl Iterator for Records {
    type Item = Result<ConsumedRecord, Damaged>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.data.is_empty() {
            return None;
        }
        let record = self.read();
        if record.is_none() {
            self.data.clear();
        }
        Some(record.ok_or(Damaged))
    }
}

/// A batch whose bytes are no records.
#[derive(Debug)]
pub(crate) struct Damaged;

fn varint(data: &mut Bytes) -> Option<u64> {
    let mut number = 0;
    let mut shift = 0;
    loop {
        let byte = *data.first()?;
        data.advance(1);
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte < 0x80 {
            return Some(number);
        }
        shift += 7;
        if shift > 63 {
            return None;
        }
    }
}

#[allow(
    clippy::option_option,
    reason = "the outer one is a damaged batch, the inner one null"
)]
fn byte_string(data: &mut Bytes) -> Option<Option<Bytes>> {
    let Some(length) = varint(data)?.checked_sub(1) else {
        return Some(None);
    };
    let length = usize::try_from(length).ok()?;
    (length <= data.len()).then(|| Some(data.split_to(length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_as_they_were() {
        let mut record = ProducerRecord::new("t", None, Some(Bytes::from_static(b"")));
        record.headers.push(RecordHeader {
            key: Arc::from("h"),
            value: None,
        });
        let tombstone = ProducerRecord::new("t", Some(Bytes::from(vec![7; 300])), None);
        let mut data = Vec::new();
        encode(&mut data, 0, -5, &record);
        encode(&mut data, 1, 1_600_000_000_000, &tombstone);
        let read: Vec<_> = Records::new(Arc::from("t"), 3, 40, data.into())
            .collect::<Result<_, _>>()
            .expect("whole records");
        assert_eq!((read[0].offset, read[0].timestamp), (40, Some(-5)));
        assert_eq!((&read[0].key, &read[0].value), (&record.key, &record.value));
        assert_eq!(read[0].headers, record.headers);
        assert_eq!((read[1].offset, read[1].partition), (41, 3));
        assert_eq!((&read[1].key, &read[1].value), (&tombstone.key, &None));
    }

    #[test]
    fn a_damaged_batch_says_so() {
        let mut data = Vec::new();
        encode(
            &mut data,
            0,
            0,
            &ProducerRecord::new("t", None, Some(Bytes::from_static(b"value"))),
        );
        data.truncate(data.len() - 3);
        let read: Vec<_> = Records::new(Arc::from("t"), 0, 0, data.into()).collect();
        assert!(matches!(read[..], [Err(Damaged)]));
    }
}
