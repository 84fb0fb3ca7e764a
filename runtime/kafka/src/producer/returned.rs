//! Records that came back because their topic has gone.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tidegate_log::{ProducerRecord, RecordHeader};

use crate::deliveries::Ticket;
use crate::native::MessageRef;

/// In the order of their delivery reports.
#[derive(Default)]
pub(super) struct Returned {
    records: Mutex<VecDeque<(ProducerRecord, Ticket)>>,
    /// Whether there are some.
    some: AtomicBool,
}

impl Returned {
    pub(super) fn push(&self, message: MessageRef<'_>, ticket: Ticket) {
        let bytes = |slice: Option<&[u8]>| slice.map(Bytes::copy_from_slice);
        let mut headers = Vec::new();
        message.headers(|name, value| {
            headers.push(RecordHeader {
                key: Arc::from(name),
                value: bytes(value),
            });
        });
        let record = ProducerRecord {
            topic: Arc::from(message.topic()),
            partition: (message.partition() >= 0).then(|| message.partition()),
            timestamp: message.timestamp().0,
            key: bytes(message.key()),
            value: bytes(message.payload()),
            headers,
        };
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.push_back((record, ticket));
        self.some.store(true, Ordering::Release);
    }

    pub(super) fn are_some(&self) -> bool {
        self.some.load(Ordering::Acquire)
    }

    pub(super) fn take(&self) -> VecDeque<(ProducerRecord, Ticket)> {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        self.some.store(false, Ordering::Release);
        std::mem::take(&mut *records)
    }
}
