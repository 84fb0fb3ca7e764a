//! Records that librdkafka gave back, to go out again.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use rdkafka::error::RDKafkaErrorCode;
use tidegate_log::{ProducerRecord, RecordHeader, RecordHeaders};

use crate::deliveries::Ticket;
use crate::native::MessageRef;

/// Why a record came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// Its topic or partition has gone.
    Gone(RDKafkaErrorCode),
    /// A broker refused the request that it was part of as too large.
    TooLarge(RDKafkaErrorCode),
    /// A broker refused the request that it was part of because of this record, or of one among all of them.
    Refused(RDKafkaErrorCode),
    /// A broker refused the request that it was part of because of other records.
    Neighbour,
    /// The client has failed for good.
    Client(RDKafkaErrorCode),
}

impl Cause {
    /// `None` for an error that is the record's own, or the log's.
    pub(super) fn of(code: RDKafkaErrorCode) -> Option<Self> {
        match code {
            code if super::is_missing(Some(code)) => Some(Self::Gone(code)),
            RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::MessageBatchTooLarge => {
                Some(Self::TooLarge(code))
            }
            RDKafkaErrorCode::InvalidRecord | RDKafkaErrorCode::InvalidTimestamp => {
                Some(Self::Refused(code))
            }
            RDKafkaErrorCode::InvalidDifferentRecord => Some(Self::Neighbour),
            _ => None,
        }
    }
}

/// A record that came back.
#[derive(Debug)]
pub(super) struct Return {
    pub(super) record: ProducerRecord,
    pub(super) ticket: Ticket,
    pub(super) cause: Cause,
}

impl Return {
    /// A copy of what librdkafka has.
    pub(super) fn new(message: MessageRef<'_>, ticket: Ticket, cause: Cause) -> Self {
        let bytes = |slice: Option<&[u8]>| slice.map(Bytes::copy_from_slice);
        let mut headers = RecordHeaders::new();
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
        Self {
            record,
            ticket,
            cause,
        }
    }
}

/// In the order of their delivery reports, which is that of their partitions.
#[derive(Debug, Default)]
pub(super) struct Returned(Mutex<Vec<Return>>);

impl Returned {
    pub(super) fn push(&self, record: Return) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(record);
    }

    pub(super) fn take(&self) -> Vec<Return> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
