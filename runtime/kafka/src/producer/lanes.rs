//! What the sender knows of the topics that it appends to.
//!
//! A window is what librdkafka has at a time: it is handed over, sent and stored before the next one. Of each topic it
//! holds no more than one request carries, so that no partition has two requests under way: when a broker refuses one,
//! nothing that comes later has overtaken its records, and they can go out again in their order.

use std::collections::HashMap;
use std::sync::Arc;

use tidegate_log::{LogError, ProducerRecord};

/// Bytes that a record takes beside its key, value and headers, at most: seven variable integers and the attributes.
const RECORD_OVERHEAD: usize = 36;
/// Lengths of a header's name and value.
const HEADER_OVERHEAD: usize = 10;

/// What a record takes in a request, at most.
pub(super) fn wire_size(record: &ProducerRecord) -> usize {
    record.size() + RECORD_OVERHEAD + record.headers.len() * HEADER_OVERHEAD
}

/// A topic that records go to.
#[derive(Debug)]
pub(super) struct Lane {
    topic: Arc<str>,
    /// Whether the topic is there and its brokers take records.
    pub(super) is_ready: bool,
    /// Why the topic takes no record of this chunk.
    refusal: Option<(u64, LogError)>,
    /// Bytes of records that a window may have.
    limit: usize,
    /// The same until a refused record is found, and the search for which it holds.
    split: Option<(u64, usize)>,
    /// Bytes that the window has.
    bytes: usize,
    window: u64,
}

/// All topics of a producer, by name; the last one is found without a look at the name.
#[derive(Debug)]
pub(super) struct Lanes {
    all: Vec<Lane>,
    places: HashMap<Arc<str>, usize>,
    last: usize,
    /// Limit of topics that have refused nothing.
    limit: usize,
    window: u64,
    chunk: u64,
    /// Counts searches for refused records.
    search: u64,
}

impl Lanes {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            all: Vec::new(),
            places: HashMap::new(),
            last: 0,
            limit,
            window: 0,
            chunk: 0,
            search: 0,
        }
    }

    pub(super) fn of(&mut self, topic: &Arc<str>) -> &mut Lane {
        let is_last = |lane: &Lane| Arc::ptr_eq(&lane.topic, topic);
        if !self.all.get(self.last).is_some_and(is_last) {
            self.last = self.place(topic);
        }
        &mut self.all[self.last]
    }

    fn place(&mut self, topic: &Arc<str>) -> usize {
        if let Some(place) = self.places.get(topic) {
            return *place;
        }
        let place = self.all.len();
        self.places.insert(Arc::clone(topic), place);
        self.all.push(Lane {
            topic: Arc::clone(topic),
            is_ready: false,
            refusal: None,
            limit: self.limit,
            split: None,
            bytes: 0,
            window: 0,
        });
        place
    }

    /// Takes room for a record in the window; false if it has to wait for the next one. A window takes any record as the
    /// first one of its topic.
    pub(super) fn take_room(&mut self, topic: &Arc<str>, bytes: usize) -> bool {
        let (window, search) = (self.window, self.search);
        let lane = self.of(topic);
        let limit = match lane.split {
            Some((of, limit)) if of == search => lane.limit.min(limit),
            _ => lane.limit,
        };
        if lane.window != window {
            (lane.window, lane.bytes) = (window, 0);
        }
        if lane.bytes > 0 && lane.bytes + bytes > limit {
            return false;
        }
        lane.bytes += bytes;
        true
    }

    pub(super) fn next_window(&mut self) {
        self.window += 1;
    }

    /// A broker has refused a request of several records and this size: later ones get half of it.
    pub(super) fn narrow(&mut self, topic: &Arc<str>, refused: usize) -> usize {
        let lane = self.of(topic);
        lane.limit = lane.limit.min((refused / 2).max(1));
        lane.limit
    }

    /// A broker has refused a request of this size for one of its records: its parts go out apart.
    pub(super) fn split(&mut self, topic: &Arc<str>, refused: usize) {
        let search = self.search;
        self.of(topic).split = Some((search, (refused / 2).max(1)));
    }

    /// Every refused record is found.
    pub(super) fn end_splits(&mut self) {
        self.search += 1;
    }

    /// For the rest of the chunk the topic takes nothing.
    pub(super) fn refuse(&mut self, topic: &Arc<str>, error: LogError) {
        let chunk = self.chunk;
        self.of(topic).refusal = Some((chunk, error));
    }

    pub(super) fn refusal(&mut self, topic: &Arc<str>) -> Option<LogError> {
        let chunk = self.chunk;
        let (refused, error) = self.of(topic).refusal.as_ref()?;
        (*refused == chunk).then(|| error.clone())
    }

    pub(super) fn next_chunk(&mut self) {
        self.chunk += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_has_one_request_for_each_topic() {
        let mut lanes = Lanes::new(100);
        let (a, b): (Arc<str>, Arc<str>) = (Arc::from("a"), Arc::from("b"));
        assert!(lanes.take_room(&a, 60) && lanes.take_room(&b, 70));
        assert!(!lanes.take_room(&a, 60) && lanes.take_room(&a, 40));
        assert!(!lanes.take_room(&b, 31));
        lanes.next_window();
        // A record that is larger than a request goes alone.
        assert!(lanes.take_room(&a, 500) && !lanes.take_room(&a, 1));
        assert!(lanes.take_room(&b, 31));
    }

    #[test]
    fn a_refused_request_halves_those_of_its_topic() {
        let mut lanes = Lanes::new(100);
        let (a, b): (Arc<str>, Arc<str>) = (Arc::from("a"), Arc::from("b"));
        assert_eq!(lanes.narrow(&a, 80), 40);
        assert!(lanes.take_room(&a, 30) && !lanes.take_room(&a, 11));
        assert!(lanes.take_room(&b, 30) && lanes.take_room(&b, 11));
        // A larger one that was refused teaches nothing.
        assert_eq!(lanes.narrow(&a, 500), 40);
        assert_eq!(lanes.narrow(&a, 1), 1);
    }

    #[test]
    fn a_request_is_split_until_the_refused_record_is_found() {
        let mut lanes = Lanes::new(100);
        let topic: Arc<str> = Arc::from("a");
        lanes.split(&topic, 80);
        assert!(lanes.take_room(&topic, 30) && !lanes.take_room(&topic, 11));
        lanes.split(&topic, 30);
        lanes.next_window();
        assert!(lanes.take_room(&topic, 10) && !lanes.take_room(&topic, 6));
        lanes.end_splits();
        assert!(lanes.take_room(&topic, 90) && !lanes.take_room(&topic, 1));
    }

    #[test]
    fn a_topic_that_refuses_is_asked_again_for_the_next_chunk() {
        let mut lanes = Lanes::new(100);
        let topic: Arc<str> = Arc::from("a");
        assert_eq!(lanes.refusal(&topic), None);
        let refusal = LogError::Unauthorized("not there".to_owned());
        lanes.refuse(&topic, refusal.clone());
        assert_eq!(lanes.refusal(&Arc::from("a")), Some(refusal));
        lanes.next_chunk();
        assert_eq!(lanes.refusal(&topic), None);
    }
}
