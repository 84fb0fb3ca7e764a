//! The events of a compressed transaction (`binlog_transaction_compression=ON`).

use mysql_async::binlog::events::TransactionPayloadEvent;
use mysql_async::binlog::{EventType, TransactionPayloadCompressionType};

/// Bytes of a compressed transaction whose events have not come yet.
#[derive(Debug, Default)]
pub(super) struct Payload {
    left: u64,
}

impl Payload {
    pub(super) fn new(payload: &TransactionPayloadEvent<'_>) -> Self {
        let left = match payload.algorithm() {
            TransactionPayloadCompressionType::NONE => payload.payload_size(),
            TransactionPayloadCompressionType::ZSTD => payload.uncompressed_size(),
        };
        Self { left }
    }

    /// Whether an event of `size` bytes belongs to the payload.
    ///
    /// # Errors
    /// If the payload's events ended too early, with the bytes that are missing.
    pub(super) fn take_event(&mut self, raw_type: u8, size: u32) -> Result<bool, u64> {
        // These stand between transactions only.
        const OUTSIDE: [EventType; 8] = [
            EventType::ROTATE_EVENT,
            EventType::FORMAT_DESCRIPTION_EVENT,
            EventType::HEARTBEAT_EVENT,
            EventType::GTID_EVENT,
            EventType::GTID_TAGGED_LOG_EVENT,
            EventType::ANONYMOUS_GTID_EVENT,
            EventType::PREVIOUS_GTIDS_EVENT,
            EventType::TRANSACTION_PAYLOAD_EVENT,
        ];
        if self.left == 0 {
            return Ok(false);
        }
        if OUTSIDE.iter().any(|outside| *outside as u8 == raw_type) {
            return Err(self.left);
        }
        match self.left.checked_sub(size.into()) {
            Some(left) => self.left = left,
            None => return Err(self.left),
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_knows_its_events() {
        let zstd = TransactionPayloadCompressionType::ZSTD;
        let mut payload = Payload::new(&TransactionPayloadEvent::new(9, zstd, 100, &b"packed"[..]));
        let (query, gtid) = (EventType::QUERY_EVENT as u8, EventType::GTID_EVENT as u8);
        assert_eq!(payload.take_event(query, 60), Ok(true));
        assert_eq!(payload.take_event(gtid, 40), Err(40));
        assert_eq!(payload.take_event(query, 41), Err(40));
        assert_eq!(payload.take_event(query, 40), Ok(true));
        assert_eq!(payload.take_event(gtid, 80), Ok(false));
    }
}
