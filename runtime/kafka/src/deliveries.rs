//! Batches under way: which records of them are stored, counted per batch.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidegate_log::{LogError, RecordMetadata};
use tokio::sync::{oneshot, watch};

pub(crate) type Results = Vec<Result<RecordMetadata, LogError>>;

/// Names a record of a batch in librdkafka's opaque: the slot in the upper half, the record's index in the lower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket(pub(crate) usize);

/// The end of a record that its producer has given up.
pub(crate) fn closed() -> LogError {
    LogError::Unavailable("the producer was closed".to_owned())
}

const INDEX_BITS: u32 = 32;
const _: () = assert!(usize::BITS == 64, "a ticket has two halves of 32 bits");

/// Where a record is that has no result yet.
const NOWHERE: RecordMetadata = RecordMetadata {
    partition: -1,
    offset: -1,
};

struct Batch {
    results: Results,
    /// Records without a result, and one more while records are being handed over.
    open: usize,
    done: oneshot::Sender<Results>,
}

impl Batch {
    /// Records that have their result keep it.
    fn fail(mut self, failure: &LogError) {
        for result in &mut self.results {
            if *result == Ok(NOWHERE) {
                *result = Err(failure.clone());
            }
        }
        // Nobody has to wait for the receipt.
        drop(self.done.send(self.results));
    }
}

#[derive(Default)]
struct Slots {
    batches: Vec<Option<Batch>>,
    free: Vec<usize>,
    /// Why no record is stored any more.
    failure: Option<LogError>,
}

impl Slots {
    /// The batch if it is complete with these records.
    fn close(&mut self, slot: usize, records: usize) -> Option<Batch> {
        if self.failure.is_some() {
            return None;
        }
        let place = self.batches.get_mut(slot).expect("a ticket names a slot");
        let batch = place.as_mut().expect("a batch stays until its last record");
        batch.open -= records;
        if batch.open > 0 {
            return None;
        }
        self.free.push(slot);
        place.take()
    }
}

/// All batches of a producer.
pub(crate) struct Deliveries {
    slots: Mutex<Slots>,
    /// Batches under way.
    count: watch::Sender<usize>,
}

impl Deliveries {
    pub(crate) fn new() -> Self {
        Self {
            slots: Mutex::default(),
            count: watch::Sender::new(0),
        }
    }

    /// A batch of `records` records; it is complete when each has its result and `HandOver` is gone.
    pub(crate) fn open(self: &Arc<Self>, records: usize) -> (HandOver, oneshot::Receiver<Results>) {
        let (done, receipt) = oneshot::channel();
        let batch = Batch {
            results: vec![Ok(NOWHERE); records],
            open: records + 1,
            done,
        };
        let mut slots = self.lock();
        if let Some(failure) = &slots.failure {
            batch.fail(failure);
            let hand_over = HandOver {
                deliveries: Arc::clone(self),
                slot: 0,
                sent: records,
                records,
            };
            return (hand_over, receipt);
        }
        let slot = slots.free.pop().unwrap_or_else(|| {
            slots.batches.push(None);
            slots.batches.len() - 1
        });
        slots.batches[slot] = Some(batch);
        drop(slots);
        self.count.send_modify(|count| *count += 1);
        let hand_over = HandOver {
            deliveries: Arc::clone(self),
            slot,
            sent: 0,
            records,
        };
        (hand_over, receipt)
    }

    /// Notes a record's end.
    pub(crate) fn settle(&self, ticket: Ticket, result: Result<RecordMetadata, LogError>) {
        self.settle_all(std::iter::once((ticket, result)));
    }

    /// Notes the ends of records.
    pub(crate) fn settle_all(
        &self,
        ends: impl Iterator<Item = (Ticket, Result<RecordMetadata, LogError>)>,
    ) {
        let mut slots = self.lock();
        let mut complete = Vec::new();
        for (ticket, result) in ends {
            let index = ticket.0 & ((1 << INDEX_BITS) - 1);
            let slot = ticket.0 >> INDEX_BITS;
            if let Some(batch) = slots.batches.get_mut(slot).and_then(Option::as_mut)
                && let Some(place) = batch.results.get_mut(index)
            {
                *place = result;
            }
            complete.extend(slots.close(slot, 1));
        }
        drop(slots);
        for batch in complete {
            self.finish(batch);
        }
    }

    /// Fails every record that is under way and all that come.
    pub(crate) fn fail(&self, failure: &LogError) {
        let mut slots = self.lock();
        slots.failure.get_or_insert_with(|| failure.clone());
        let open: Vec<_> = slots.batches.iter_mut().filter_map(Option::take).collect();
        drop(slots);
        for batch in open {
            batch.fail(failure);
        }
        self.count.send_replace(0);
    }

    /// Why no record is stored any more.
    pub(crate) fn failure(&self) -> Option<LogError> {
        self.lock().failure.clone()
    }

    fn finish(&self, batch: Batch) {
        // Nobody has to wait for the receipt.
        drop(batch.done.send(batch.results));
        self.count
            .send_modify(|count| *count = count.saturating_sub(1));
    }

    /// Waits until no batch is under way.
    pub(crate) async fn none_left(&self) {
        let mut count = self.count.subscribe();
        // The sender lives as long as `self`.
        drop(count.wait_for(|count| *count == 0).await);
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The handing over of a batch's records, in order; over when dropped. Records that were not handed over by then have failed.
pub(crate) struct HandOver {
    deliveries: Arc<Deliveries>,
    slot: usize,
    sent: usize,
    records: usize,
}

impl HandOver {
    /// For the next record.
    pub(crate) fn ticket(&self) -> Ticket {
        Ticket(self.slot << INDEX_BITS | self.sent)
    }
    /// The record is librdkafka's now.
    pub(crate) fn sent(&mut self) {
        self.sent += 1;
    }
    /// The record has failed; those after it have not.
    pub(crate) fn refuse(&mut self, error: LogError) {
        self.deliveries.settle(self.ticket(), Err(error));
        self.sent += 1;
    }
}

impl Drop for HandOver {
    fn drop(&mut self) {
        // Whoever catches the panic fails what is open.
        if std::thread::panicking() {
            return;
        }
        let unsent = self.records - self.sent;
        let mut slots = self.deliveries.lock();
        if unsent > 0
            && let Some(batch) = slots.batches.get_mut(self.slot).and_then(Option::as_mut)
        {
            batch.results[self.sent..].fill(Err(closed()));
        }
        let complete = slots.close(self.slot, unsent + 1);
        drop(slots);
        if let Some(batch) = complete {
            self.deliveries.finish(batch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: i64) -> RecordMetadata {
        RecordMetadata {
            partition: 0,
            offset,
        }
    }

    #[test]
    fn a_batch_is_complete_with_its_last_record_in_any_order() {
        let deliveries = Arc::new(Deliveries::new());
        let (mut hand_over, mut receipt) = deliveries.open(2);
        let first = hand_over.ticket();
        hand_over.sent();
        let second = hand_over.ticket();
        hand_over.sent();
        deliveries.settle(second, Ok(at(8)));
        drop(hand_over);
        assert!(receipt.try_recv().is_err());
        let failed = LogError::Unavailable("gone".to_owned());
        deliveries.settle(first, Err(failed.clone()));
        assert_eq!(receipt.try_recv().unwrap(), [Err(failed), Ok(at(8))]);
    }

    #[test]
    fn results_may_come_before_the_last_record_is_handed_over() {
        let deliveries = Arc::new(Deliveries::new());
        let (mut hand_over, mut receipt) = deliveries.open(2);
        for offset in [3, 4] {
            let ticket = hand_over.ticket();
            hand_over.sent();
            deliveries.settle(ticket, Ok(at(offset)));
            assert!(receipt.try_recv().is_err());
        }
        drop(hand_over);
        assert_eq!(receipt.try_recv().unwrap(), [Ok(at(3)), Ok(at(4))]);
    }

    #[test]
    fn a_refused_record_fails_alone() {
        let deliveries = Arc::new(Deliveries::new());
        let (mut hand_over, mut receipt) = deliveries.open(4);
        let first = hand_over.ticket();
        hand_over.sent();
        let refusal = LogError::Invalid("too large".to_owned());
        hand_over.refuse(refusal.clone());
        let third = hand_over.ticket();
        hand_over.sent();
        // The producer is closed before the last one.
        drop(hand_over);
        deliveries.settle(first, Ok(at(5)));
        deliveries.settle(third, Ok(at(6)));
        assert_eq!(
            receipt.try_recv().unwrap(),
            [Ok(at(5)), Err(refusal), Ok(at(6)), Err(closed())]
        );
    }

    #[tokio::test]
    async fn a_failure_ends_what_is_under_way_and_what_comes() {
        let deliveries = Arc::new(Deliveries::new());
        let (mut hand_over, mut receipt) = deliveries.open(2);
        let first = hand_over.ticket();
        hand_over.sent();
        let second = hand_over.ticket();
        hand_over.sent();
        deliveries.settle(first, Ok(at(8)));
        let failure = LogError::Fatal("a panic".to_owned());
        deliveries.fail(&failure);
        assert_eq!(
            receipt.try_recv().unwrap(),
            [Ok(at(8)), Err(failure.clone())]
        );
        // What still comes is too late.
        deliveries.settle(second, Ok(at(9)));
        drop(hand_over);
        let (_hand_over, mut receipt) = deliveries.open(1);
        assert_eq!(receipt.try_recv().unwrap(), [Err(failure)]);
        deliveries.none_left().await;
    }

    #[tokio::test]
    async fn an_abandoned_batch_leaves_nothing_behind() {
        let deliveries = Arc::new(Deliveries::new());
        let (mut hand_over, receipt) = deliveries.open(3);
        let ticket = hand_over.ticket();
        hand_over.sent();
        drop((hand_over, receipt));
        deliveries.settle(ticket, Ok(at(0)));
        deliveries.none_left().await;
        // The slot is used again.
        let (hand_over, _receipt) = deliveries.open(1);
        assert_eq!(hand_over.ticket(), ticket);
    }
}
