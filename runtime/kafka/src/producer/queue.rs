//! Batches on their way to the sender's thread.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tidegate_log::ProducerRecord;
use tokio::sync::OwnedSemaphorePermit;

use crate::deliveries::HandOver;

/// Bytes of a chunk of many topics.
const CHUNK_BYTES: usize = 8 << 20;

/// What one call of `append` brings.
pub(super) struct Batch {
    pub(super) records: Vec<ProducerRecord>,
    pub(super) bytes: usize,
    pub(super) hand_over: HandOver,
    /// Given back when the batch is stored or given up.
    pub(super) room: OwnedSemaphorePermit,
}

impl Batch {
    fn topic(&self) -> Option<&Arc<str>> {
        self.records.last().map(|record| &record.topic)
    }
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Batch>,
    /// When what was appended is given up; `None` while the producer is open.
    deadline: Option<Instant>,
}

pub(super) struct Queue {
    state: Mutex<State>,
    arrived: Condvar,
    /// Nothing is to be sent any more.
    aborted: AtomicBool,
    /// Bytes that one request takes to a partition.
    batch_bytes: usize,
    linger: Duration,
}

impl Queue {
    pub(super) fn new(batch_bytes: usize, linger: Duration) -> Self {
        Self {
            state: Mutex::default(),
            arrived: Condvar::new(),
            aborted: AtomicBool::new(false),
            batch_bytes,
            linger,
        }
    }

    /// A batch that comes after the end is given up at once.
    pub(super) fn push(&self, batch: Batch) {
        let mut state = self.lock();
        if state.deadline.is_some() {
            drop(state);
            drop(batch);
            return;
        }
        state.waiting.push_back(batch);
        drop(state);
        self.arrived.notify_one();
    }

    /// Nothing more comes; what is here has `grace`.
    pub(super) fn close(&self, grace: Duration) {
        self.lock().deadline = Instant::now().checked_add(grace);
        self.arrived.notify_one();
    }

    /// Gives up what is here.
    pub(super) fn abort(&self) {
        self.aborted.store(true, Ordering::Release);
        self.close(Duration::ZERO);
    }

    /// Gives up what is here, for want of a thread that takes it.
    pub(super) fn clear(&self) {
        self.abort();
        let given_up = std::mem::take(&mut self.lock().waiting);
        drop(given_up);
    }

    /// Whether everything is given up. Costs nothing.
    pub(super) fn is_aborted(&self) -> bool {
        self.aborted.load(Ordering::Acquire)
    }

    /// Whether the time after the end is over, which gives everything up.
    pub(super) fn is_overdue(&self) -> bool {
        let deadline = self.lock().deadline;
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            self.aborted.store(true, Ordering::Release);
        }
        self.is_aborted()
    }

    /// Lets some time go by, less if something happens here.
    pub(super) fn pause(&self, time: Duration) {
        let woken = self.arrived.wait_timeout(self.lock(), time);
        drop(woken.unwrap_or_else(PoisonError::into_inner));
    }

    /// Waits for batches; `None` once the queue is closed and empty. Together they are about what a topic takes at once,
    /// and more for several topics.
    pub(super) fn next(&self) -> Option<Vec<Batch>> {
        let mut state = self.lock();
        while state.waiting.is_empty() {
            if state.deadline.is_some() {
                return None;
            }
            let woken = self.arrived.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
        if !self.linger.is_zero() {
            state = self.wait_for_more(state);
        }
        let mut chunk = Vec::with_capacity(1);
        let mut of_topics: Vec<(Arc<str>, usize)> = Vec::new();
        let mut bytes = 0;
        while let Some(batch) = state.waiting.front() {
            bytes += batch.bytes;
            let of_topic = match batch.topic() {
                Some(topic) => sum_up(&mut of_topics, topic, batch.bytes),
                None => 0,
            };
            if !chunk.is_empty() && (of_topic > self.batch_bytes || bytes > CHUNK_BYTES) {
                break;
            }
            chunk.extend(state.waiting.pop_front());
        }
        Some(chunk)
    }

    /// Waits until the user's `linger.ms` is over or a request is full.
    fn wait_for_more<'a>(&'a self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let is_short = |state: &mut State| {
            let bytes: usize = state.waiting.iter().map(|batch| batch.bytes).sum();
            state.deadline.is_none() && bytes < self.batch_bytes
        };
        let waited = self
            .arrived
            .wait_timeout_while(state, self.linger, is_short);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sum of a topic with `bytes` more.
fn sum_up(of_topics: &mut Vec<(Arc<str>, usize)>, topic: &Arc<str>, bytes: usize) -> usize {
    let found = of_topics.iter_mut().rfind(|(known, _)| known == topic);
    if let Some((_, sum)) = found {
        *sum += bytes;
        return *sum;
    }
    of_topics.push((Arc::clone(topic), bytes));
    bytes
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::deliveries::Deliveries;

    fn batch(topic: &str, bytes: usize) -> Batch {
        let value = Bytes::from(vec![0; bytes]);
        let (hand_over, _receipt) = Arc::new(Deliveries::new()).open(1);
        let room = Arc::new(Semaphore::new(1));
        Batch {
            records: vec![ProducerRecord::new(topic, None, Some(value))],
            bytes,
            hand_over,
            room: room.try_acquire_owned().expect("room"),
        }
    }

    fn sizes(chunk: Option<Vec<Batch>>) -> Option<Vec<usize>> {
        chunk.map(|chunk| chunk.iter().map(|batch| batch.bytes).collect())
    }

    #[test]
    fn a_chunk_is_what_a_request_to_each_topic_takes() {
        let queue = Queue::new(1000, Duration::ZERO);
        for (topic, bytes) in [
            ("a", 600),
            ("b", 900),
            ("a", 400),
            ("a", 1),
            ("b", 5000),
            ("c", 1),
        ] {
            queue.push(batch(topic, bytes));
        }
        queue.close(Duration::from_mins(1));
        assert_eq!(sizes(queue.next()), Some(vec![600, 900, 400]));
        assert_eq!(sizes(queue.next()), Some(vec![1]));
        // A batch is never split.
        assert_eq!(sizes(queue.next()), Some(vec![5000, 1]));
        assert_eq!(sizes(queue.next()), None);
    }

    #[test]
    fn lingering_ends_with_a_full_request_or_the_close() {
        let queue = Queue::new(1000, Duration::from_mins(10));
        queue.push(batch("a", 600));
        queue.push(batch("a", 400));
        assert_eq!(sizes(queue.next()), Some(vec![600, 400]));
        queue.push(batch("a", 1));
        queue.close(Duration::from_mins(1));
        assert_eq!(sizes(queue.next()), Some(vec![1]));
    }
}
