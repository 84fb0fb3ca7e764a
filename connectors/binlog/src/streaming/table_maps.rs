//! Tables by their numbers in the log.

use std::collections::HashMap;

use super::rows::Mapped;

/// Bytes of table maps that are kept from one statement to the next. A server that opens a table again gives it another
/// number, and the old one never comes again.
const KEPT_BYTES: usize = 4 << 20;
/// Bytes of table maps after which the connection is opened again: the driver keeps a copy of each until the log's file ends.
const DRIVER_BYTES: usize = 64 << 20;

/// What the table maps of the log stand for. Rows belong to maps of their own statement, which repeats them all; those of
/// statements before it only save the work of reading them again.
#[derive(Default)]
pub(super) struct TableMaps {
    /// With the event that announced them.
    maps: HashMap<u64, (Box<[u8]>, Mapped)>,
    kept: usize,
    /// Bytes of all maps since the file or the connection began.
    announced: usize,
}

impl TableMaps {
    /// Whether `map` announced this number already.
    pub(super) fn knows(&self, number: u64, map: &[u8]) -> bool {
        let known = self.maps.get(&number);
        known.is_some_and(|(known, _)| **known == *map)
    }

    pub(super) fn insert(&mut self, number: u64, map: &[u8], mapped: Mapped) {
        self.announced += map.len();
        self.kept += map.len();
        if let Some((before, _)) = self.maps.insert(number, (map.into(), mapped)) {
            self.kept -= before.len();
        }
    }

    pub(super) fn get(&self, number: u64) -> Option<&Mapped> {
        self.maps.get(&number).map(|(_, mapped)| mapped)
    }

    /// The next statement brings its own.
    pub(super) fn statement_ends(&mut self) {
        if self.kept > KEPT_BYTES {
            self.forget();
        }
    }

    /// The tables are others now.
    pub(super) fn forget(&mut self) {
        self.maps.clear();
        self.kept = 0;
    }

    /// A file or a connection begins.
    pub(super) fn begin(&mut self) {
        self.forget();
        self.announced = 0;
    }

    pub(super) fn fill_the_driver(&self) -> bool {
        self.announced > DRIVER_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_never_come_again_are_forgotten() {
        let mut maps = TableMaps::default();
        let map = [7; 1024];
        for number in 0..100_000 {
            maps.insert(number, &map, Mapped::NotCaptured);
            assert!(maps.knows(number, &map) && maps.get(number).is_some());
            maps.statement_ends();
            assert!(maps.maps.len() <= KEPT_BYTES / map.len());
        }
        assert!(maps.fill_the_driver());
        maps.begin();
        assert!(!maps.fill_the_driver() && maps.get(99_999).is_none());
    }

    #[test]
    fn maps_of_a_statement_stay_to_its_end() {
        let mut maps = TableMaps::default();
        let map = vec![7; KEPT_BYTES];
        for number in 0..3 {
            maps.insert(number, &map, Mapped::NotCaptured);
        }
        assert!((0..3).all(|number| maps.get(number).is_some()));
        // A table map that comes again takes no room.
        maps.insert(2, &map[..1], Mapped::NotCaptured);
        assert_eq!(maps.kept, 2 * KEPT_BYTES + 1);
        maps.statement_ends();
        assert!(maps.get(2).is_none());
    }
}
