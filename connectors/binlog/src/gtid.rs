//! Sets of global transaction ids.
//!
//! Source: Debezium `MySqlGtidSet`, `MariaDbGtidSet`.

use std::collections::BTreeMap;
use std::fmt;

use crate::flavor::Flavor;

/// The transactions that were seen, in the server's notation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GtidSet {
    /// Intervals, both ends included, by `uuid` or `uuid:tag`.
    MySql(BTreeMap<String, Vec<(u64, u64)>>),
    /// Highest sequence by domain and server.
    MariaDb(BTreeMap<(u32, u32), u64>),
}

impl GtidSet {
    pub(crate) fn empty(flavor: Flavor) -> Self {
        match flavor {
            Flavor::MySql => Self::MySql(BTreeMap::new()),
            Flavor::MariaDb => Self::MariaDb(BTreeMap::new()),
        }
    }

    /// `None` if the text is no set.
    pub(crate) fn parse(flavor: Flavor, text: &str) -> Option<Self> {
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

    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::MySql(sets) => sets.is_empty(),
            Self::MariaDb(sequences) => sequences.is_empty(),
        }
    }

    /// Both ends included.
    pub(crate) fn add_mysql(&mut self, source: &str, first: u64, last: u64) {
        if let Self::MySql(sets) = self {
            match sets.get_mut(source) {
                Some(intervals) => add_interval(intervals, (first, last)),
                None => drop(sets.insert(source.to_owned(), vec![(first, last)])),
            }
        }
    }

    /// A later transaction of a domain replaces an earlier one, whichever server wrote it.
    pub(crate) fn add_mariadb(&mut self, domain: u32, server: u32, sequence: u64) {
        if let Self::MariaDb(sequences) = self {
            sequences.retain(|(known, other), _| *known != domain || *other == server);
            sequences.insert((domain, server), sequence);
        }
    }

    /// Whether all transactions of `other` are in this set.
    pub(crate) fn contains(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::MySql(own), Self::MySql(other)) => other.iter().all(|(source, intervals)| {
                intervals.iter().all(|(first, last)| {
                    own.get(source)
                        .is_some_and(|own| own.iter().any(|(a, b)| a <= first && last <= b))
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
    // Almost always the next number of the last interval.
    if let Some(last) = intervals.last_mut()
        && new.0 == last.1 + 1
    {
        last.1 = new.1;
        return;
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
        let mut separator = "";
        match self {
            Self::MySql(sets) => {
                for (source, intervals) in sets {
                    write!(f, "{separator}{source}")?;
                    separator = ",";
                    for (first, last) in intervals {
                        if first == last {
                            write!(f, ":{first}")?;
                        } else {
                            write!(f, ":{first}-{last}")?;
                        }
                    }
                }
            }
            Self::MariaDb(sequences) => {
                for ((domain, server), sequence) in sequences {
                    write!(f, "{separator}{domain}-{server}-{sequence}")?;
                    separator = ",";
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "24bc7850-2c16-11e6-a073-0242ac110002";

    fn set(flavor: Flavor, text: &str) -> GtidSet {
        GtidSet::parse(flavor, text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn sets_grow_and_print_as_servers_print_them() {
        let mut mysql = set(Flavor::MySql, &format!("{UUID}:1-5:7,\n{UUID}:tag:1"));
        assert_eq!(mysql.to_string(), format!("{UUID}:1-5:7,{UUID}:tag:1"));
        mysql.add_mysql(UUID, 6, 6);
        mysql.add_mysql(UUID, 8, 8);
        assert_eq!(mysql.to_string(), format!("{UUID}:1-8,{UUID}:tag:1"));
        let mut mariadb = set(Flavor::MariaDb, "0-1-5,1-2-3");
        mariadb.add_mariadb(0, 1, 6);
        assert_eq!(mariadb.to_string(), "0-1-6,1-2-3");
        mariadb.add_mariadb(0, 9, 7);
        assert_eq!(mariadb.to_string(), "0-9-7,1-2-3");
        assert!(GtidSet::parse(Flavor::MariaDb, "nonsense").is_none());
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
