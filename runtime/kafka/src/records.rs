//! Records out of librdkafka's messages.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tidegate_log::{ConsumedRecord, Names, RecordHeader, RecordHeaders};

use crate::native::MessageRef;

/// Keys and values of records that arrive together share buffers of about this size.
const BUFFER_BYTES: usize = 128 * 1024;

/// Makes records; knows the topics that it has seen and a buffer that is not full yet.
#[derive(Debug, Default)]
pub(crate) struct Records {
    topics: Names,
    header_names: Names,
    buffer: BytesMut,
}

impl Records {
    /// A record and its size in bytes.
    pub(crate) fn record(&mut self, message: MessageRef<'_>) -> (ConsumedRecord, usize) {
        let (timestamp, timestamp_type) = message.timestamp();
        let mut size = message.topic().len();
        let key = message.key().map(|key| self.copy(key, &mut size));
        let value = message.payload().map(|value| self.copy(value, &mut size));
        let mut headers = RecordHeaders::new();
        message.headers(|name, value| {
            size += name.len();
            headers.push(RecordHeader {
                key: self.header_names.get(name),
                value: value.map(|value| self.copy(value, &mut size)),
            });
        });
        let record = ConsumedRecord {
            topic: self.topic(message.topic()),
            partition: message.partition(),
            offset: message.offset(),
            timestamp,
            timestamp_type,
            key,
            value,
            headers,
        };
        (record, size)
    }

    /// The one `Arc` of a topic's name.
    pub(crate) fn topic(&mut self, name: &str) -> Arc<str> {
        self.topics.get(name)
    }

    fn copy(&mut self, bytes: &[u8], size: &mut usize) -> Bytes {
        *size += bytes.len();
        if bytes.len() > BUFFER_BYTES / 4 {
            // A buffer for itself; a small record must not keep a large one alive.
            return Bytes::copy_from_slice(bytes);
        }
        if self.buffer.capacity() - self.buffer.len() < bytes.len() {
            self.buffer = BytesMut::with_capacity(BUFFER_BYTES);
        }
        self.buffer.extend_from_slice(bytes);
        self.buffer.split().freeze()
    }
}
