//! Sets of global transaction ids, with the texts that the original's client makes of them: offsets and the schema history
//! have these.
//!
//! Source: `com.github.shyiko.mysql.binlog.{GtidSet,MariadbGtidSet}`.

use std::fmt;

use indexmap::IndexMap;

use crate::Flavor;
use crate::uuid::uuid_text;

/// The transactions that were seen. Two sets are equal in whatever order their parts came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GtidSet {
    /// Intervals, both ends included, by `uuid` or `uuid:tag`, in the order in which they came.
    MySql(IndexMap<String, Vec<(u64, u64)>>),
    /// Highest sequence by domain and server, in the order in which they came.
    MariaDb(IndexMap<(u32, u32), u64>),
}

impl GtidSet {
    pub fn empty(flavor: Flavor) -> Self {
        match flavor {
            Flavor::MySql => Self::MySql(IndexMap::new()),
            Flavor::MariaDb => Self::MariaDb(IndexMap::new()),
        }
    }

    /// `None` if the text is no set.
    pub fn parse(flavor: Flavor, text: &str) -> Option<Self> {
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let mut set = Self::empty(flavor);
        for part in text.split(',').filter(|part| !part.is_empty()) {
            match &mut set {
                Self::MySql(sets) => {
                    let mut pieces = part.split(':');
                    let mut source = pieces.next()?.to_ascii_lowercase();
                    for piece in pieces {
                        if piece.starts_with(|c: char| c.is_ascii_digit()) {
                            let (first, last) = piece.split_once('-').unwrap_or((piece, piece));
                            let interval = (first.parse().ok()?, last.parse().ok()?);
                            add_interval(sets.entry(source.clone()).or_default(), interval);
                        } else {
                            let uuid = source.split(':').next()?;
                            source = format!("{uuid}:{piece}");
                        }
                    }
                }
                Self::MariaDb(sequences) => {
                    let mut numbers = part.split('-');
                    let key = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
                    let sequence: u64 = numbers.next()?.parse().ok()?;
                    let known = sequences.entry(key).or_default();
                    *known = sequence.max(*known);
                }
            }
        }
        Some(set)
    }

    /// The set that a file of MySQL begins with: number of sources; of each its UUID, its tag if the format has tags, and its
    /// intervals, whose ends are not included. `None` if the event is broken.
    ///
    /// Source: MySQL `Gtid_set::add_gtid_encoding`.
    pub fn of_previous(data: &[u8]) -> Option<Self> {
        fn take<'a, const N: usize>(data: &mut &'a [u8]) -> Option<&'a [u8; N]> {
            let (head, rest) = data.split_first_chunk()?;
            *data = rest;
            Some(head)
        }
        let mut rest = data;
        let number = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
        let head = number(take(&mut rest)?);
        let has_tags = head >> 56 != 0;
        let sources = if has_tags {
            head >> 8 & 0xffff_ffff_ffff
        } else {
            head
        };
        let mut set = Self::empty(Flavor::MySql);
        for _ in 0..sources {
            let mut source = uuid_text(take(&mut rest)?);
            if has_tags {
                // Twice the length; a tag has 32 characters at most.
                let [length] = *take(&mut rest)?;
                let tag = rest.split_off(..usize::from(length / 2))?;
                if !tag.is_empty() {
                    source = format!("{source}:{}", std::str::from_utf8(tag).ok()?);
                }
            }
            for _ in 0..number(take(&mut rest)?) {
                let (first, end) = (number(take(&mut rest)?), number(take(&mut rest)?));
                set.add_mysql(&source, first, end.checked_sub(1)?);
            }
        }
        rest.is_empty().then_some(set)
    }

    /// Puts the parts in the order in which the original begins a stream with them; their text in that order.
    ///
    /// Source: Debezium `MySqlGtidSet`, `MariaDbGtidSet`, which are sorted.
    pub fn sort(&mut self) -> String {
        match self {
            Self::MySql(sets) => {
                sets.sort_unstable_keys();
                self.to_string()
            }
            Self::MariaDb(sequences) => {
                sequences.sort_unstable_keys();
                let texts: Vec<String> = sequences
                    .iter()
                    .map(|((domain, server), sequence)| format!("{domain}-{server}-{sequence}"))
                    .collect();
                texts.join(",")
            }
        }
    }

    /// Adds whatever `other` has of sources that are not in this set.
    pub fn add_unknown(&mut self, other: Self) {
        if let (Self::MySql(own), Self::MySql(other)) = (self, other) {
            for (source, intervals) in other {
                own.entry(source).or_insert(intervals);
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        match self {
            Self::MySql(sets) => sets.is_empty(),
            Self::MariaDb(sequences) => sequences.is_empty(),
        }
    }

    /// Both ends included.
    pub fn add_mysql(&mut self, source: &str, first: u64, last: u64) {
        if let Self::MySql(sets) = self {
            match sets.get_mut(source) {
                Some(intervals) => add_interval(intervals, (first, last)),
                None => drop(sets.insert(source.to_owned(), vec![(first, last)])),
            }
        }
    }

    /// A later transaction of a domain replaces an earlier one, whichever server wrote it.
    pub fn add_mariadb(&mut self, domain: u32, server: u32, sequence: u64) {
        if let Self::MariaDb(sequences) = self {
            // Java's map keeps the place of a domain whose server is another one now.
            let place = sequences.keys().position(|(known, _)| *known == domain);
            sequences.retain(|(known, _), _| *known != domain);
            let place = place.unwrap_or(sequences.len());
            sequences.shift_insert(place, (domain, server), sequence);
        }
    }

    /// Whether all transactions of `other` are in this set.
    pub fn contains(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::MySql(own), Self::MySql(other)) => other.iter().all(|(source, intervals)| {
                let own = own.get(source).map_or(&[][..], Vec::as_slice);
                intervals.iter().all(|(first, last)| {
                    let begun = own.partition_point(|(begin, _)| begin <= first);
                    own[..begun].last().is_some_and(|(_, end)| last <= end)
                })
            }),
            (Self::MariaDb(own), Self::MariaDb(other)) => {
                other.iter().all(|((domain, _), sequence)| {
                    own.iter()
                        .any(|((known, _), highest)| known == domain && highest >= sequence)
                })
            }
            _ => false,
        }
    }
}

/// Keeps intervals sorted and apart.
fn add_interval(intervals: &mut Vec<(u64, u64)>, new: (u64, u64)) {
    // Almost always the next number of the last interval, or one behind it.
    match intervals.last_mut() {
        Some(last) if Some(new.0) == last.1.checked_add(1) => {
            last.1 = new.1;
            return;
        }
        Some(last) if new.0 <= last.1 => {}
        _ => return intervals.push(new),
    }
    intervals.push(new);
    intervals.sort_unstable();
    let mut merged: Vec<(u64, u64)> = Vec::with_capacity(intervals.len());
    for (first, last) in intervals.drain(..) {
        match merged.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            _ => merged.push((first, last)),
        }
    }
    *intervals = merged;
}

impl fmt::Display for GtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MySql(sets) => {
                let mut by_uuid: IndexMap<&str, Vec<(&str, &[(u64, u64)])>> = IndexMap::new();
                for (source, intervals) in sets {
                    let (uuid, tag) = source.split_once(':').unwrap_or((source, ""));
                    by_uuid.entry(uuid).or_default().push((tag, intervals));
                }
                for (index, (uuid, sets)) in by_uuid.into_iter().enumerate() {
                    write!(f, "{}{uuid}", if index == 0 { "" } else { "," })?;
                    for (tag, intervals) in sets {
                        if !tag.is_empty() {
                            write!(f, ":{tag}")?;
                        }
                        for (first, last) in intervals {
                            write!(f, ":{first}-{last}")?;
                        }
                    }
                }
            }
            Self::MariaDb(sequences) => {
                let mut sequences: Vec<_> = sequences.iter().collect();
                let buckets = java_buckets(sequences.len());
                sequences.sort_by_key(|((domain, _), _)| (domain ^ domain >> 16) & (buckets - 1));
                for (index, ((domain, server), sequence)) in sequences.into_iter().enumerate() {
                    let separator = if index == 0 { "" } else { "," };
                    write!(f, "{separator}{domain}-{server}-{sequence}")?;
                }
            }
        }
        Ok(())
    }
}

/// Buckets of a Java `HashMap` that has grown to `entries`.
fn java_buckets(entries: usize) -> u32 {
    let mut buckets = 16;
    while entries > (buckets / 4 * 3) as usize {
        buckets *= 2;
    }
    buckets
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    const UUID: &str = "24bc7850-2c16-11e6-a073-0242ac110002";

    fn set(flavor: Flavor, text: &str) -> GtidSet {
        GtidSet::parse(flavor, text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn sets_grow_and_print_as_the_originals_client_prints_them() {
        let mut mysql = set(Flavor::MySql, &format!("{UUID}:1-5:7,\n{UUID}:tag:1"));
        assert_eq!(mysql.to_string(), format!("{UUID}:1-5:7-7:tag:1-1"));
        mysql.add_mysql(UUID, 6, 6);
        mysql.add_mysql(UUID, 8, 8);
        assert_eq!(mysql.to_string(), format!("{UUID}:1-8:tag:1-1"));
        let other = "14bc7850-2c16-11e6-a073-0242ac110002";
        mysql.add_mysql(other, 5, 5);
        mysql.add_mysql(&format!("{UUID}:a"), 2, 3);
        let text = format!("{UUID}:1-8:tag:1-1:a:2-3,{other}:5-5");
        assert_eq!(mysql.to_string(), text);
        assert_eq!(set(Flavor::MySql, &text), mysql);
        assert_eq!(
            mysql.clone().sort(),
            format!("{other}:5-5,{UUID}:1-8:a:2-3:tag:1-1")
        );
        let purged = set(Flavor::MySql, &format!("{UUID}:1-3,{UUID}:x:1-4"));
        mysql.add_unknown(purged);
        let text = format!("{UUID}:1-8:tag:1-1:a:2-3:x:1-4,{other}:5-5");
        assert_eq!(mysql.to_string(), text);
        mysql = set(
            Flavor::MySql,
            &format!("{UUID}:1-8:tag:1-1:a:2-3,{other}:5-5"),
        );
        // As servers print it.
        let sorted = format!("{other}:5,{UUID}:1-8,{UUID}:a:2-3,{UUID}:tag:1");
        assert_eq!(set(Flavor::MySql, &sorted), mysql);
        let mut mariadb = set(Flavor::MariaDb, "0-1-5,1-2-3");
        mariadb.add_mariadb(0, 1, 6);
        assert_eq!(mariadb.to_string(), "0-1-6,1-2-3");
        mariadb.add_mariadb(0, 9, 7);
        assert_eq!(mariadb.to_string(), "0-9-7,1-2-3");
        let mut domains = set(Flavor::MariaDb, "17-1-1,3-1-2,1-1-3");
        assert_eq!(domains.sort(), "1-1-3,3-1-2,17-1-1");
        // Domains come in the order of Java's hashes.
        for (text, printed) in [
            ("17-1-1,3-1-2,1-1-3", "17-1-1,1-1-3,3-1-2"),
            ("1-1-3,17-1-1,16-1-4", "16-1-4,1-1-3,17-1-1"),
            (
                "65536-1-1,0-1-2,4294967295-1-3",
                "0-1-2,4294967295-1-3,65536-1-1",
            ),
        ] {
            assert_eq!(set(Flavor::MariaDb, text).to_string(), printed);
        }
        let many: Vec<String> = (0..13).rev().map(|n| format!("{}-1-1", n * 16)).collect();
        let printed = set(Flavor::MariaDb, &many.join(",")).to_string();
        assert!(printed.starts_with("192-1-1,160-1-1,128-1-1,"), "{printed}");
        assert!(printed.contains(",0-1-1,176-1-1,144-1-1,"), "{printed}");
        assert!(GtidSet::parse(Flavor::MariaDb, "nonsense").is_none());
    }

    #[test]
    fn the_set_that_a_file_begins_with_is_read() {
        let number = |number: u64| number.to_le_bytes();
        let id: Vec<u8> = (0..16).collect();
        let name = "00010203-0405-0607-0809-0a0b0c0d0e0f";
        let plain = [
            &number(1)[..],
            &id,
            &number(2),
            &number(1),
            &number(6),
            &number(8),
            &number(9),
        ]
        .concat();
        let text = |data: &[u8]| GtidSet::of_previous(data).map(|set| set.to_string());
        assert_eq!(text(&plain), Some(format!("{name}:1-5:8-8")));
        let tagged = [
            &number(1 << 56 | 1 << 8 | 1)[..],
            &id,
            &[6],
            b"abc",
            &number(1),
            &number(1),
            &number(3),
        ]
        .concat();
        assert_eq!(text(&tagged), Some(format!("{name}:abc:1-2")));
        assert_eq!(text(&number(0)), Some(String::new()));
        for length in 0..plain.len() {
            assert_eq!(text(&plain[..length]), None, "{length}");
        }
        assert_eq!(text(&number(u64::MAX >> 8)), None);
        assert_eq!(
            text(&[&number(1)[..], &id, &number(u64::MAX)].concat()),
            None
        );
    }

    #[test]
    fn a_set_in_many_pieces_is_read_in_time() {
        let pieces: Vec<String> = (1..=100_000)
            .map(|number| format!("{0}-{0}", 2 * number))
            .collect();
        let text = format!("{UUID}:{}", pieces.join(":"));
        let start = Instant::now();
        let many = set(Flavor::MySql, &text);
        assert!(many.contains(&many));
        assert_eq!(many.to_string(), text);
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "{:?}",
            start.elapsed()
        );
    }

    #[test]
    fn containment_is_by_source() {
        fn check(flavor: Flavor, own: &str, other: &str, expected: bool) {
            assert_eq!(
                set(flavor, own).contains(&set(flavor, other)),
                expected,
                "{own} {other}"
            );
        }
        check(
            Flavor::MySql,
            &format!("{UUID}:1-10"),
            &format!("{UUID}:2-5:7"),
            true,
        );
        check(
            Flavor::MySql,
            &format!("{UUID}:1-5"),
            &format!("{UUID}:2-6"),
            false,
        );
        check(Flavor::MySql, "", &format!("{UUID}:1"), false);
        check(Flavor::MariaDb, "0-1-10", "0-2-9", true);
        check(Flavor::MariaDb, "0-1-10", "0-1-11", false);
    }
}
