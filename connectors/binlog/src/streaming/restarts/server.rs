//! What a server sends of its recorded log.

use std::path::{Path, PathBuf};

use mysql_async::binlog::events::{Event, GtidEvent, TransactionPayloadEvent};
use mysql_async::binlog::{BinlogVersion, EventType};
use mysql_common::binlog::EventStreamReader;
use mysql_common::binlog::events::BinlogEventHeader;
use tidegate_mysql::Flavor;
use tidegate_mysql::gtid::GtidSet;

use super::super::{CHECKSUM_BYTES, gtid_source, mariadb};
use crate::offsets::Position;

const MAGIC_BYTES: usize = 4;
/// Where the header of an event has the place behind the event.
const LOG_POS: usize = 13;

/// A recorded log, see `testdata/logs`.
#[derive(Debug, Clone)]
pub(super) struct RecordedServer {
    pub(super) flavor: Flavor,
    /// Whether a heartbeat follows each event.
    pub(super) beats: bool,
    files: Vec<LogFile>,
}

#[derive(Debug, Clone)]
struct LogFile {
    name: String,
    format: Event,
    /// Events about the file that follow its format.
    head: Vec<Event>,
    groups: Vec<Group>,
    /// Its rotation to the next file.
    tail: Vec<Event>,
}

/// A transaction, or a statement that is none, with the event that announces it.
#[derive(Debug, Clone)]
pub(super) struct Group {
    /// With this transaction alone; `None` for an anonymous one.
    gtid: Option<GtidSet>,
    /// Each with where it begins.
    events: Vec<(u64, Event)>,
}

impl RecordedServer {
    pub(super) fn open(folder: &str) -> Self {
        let flavor = if folder.starts_with("mariadb") {
            Flavor::MariaDb
        } else {
            Flavor::MySql
        };
        let logs = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/logs");
        let file = |name: &str| LogFile::read(flavor, logs.join(folder).join(name), name);
        Self {
            flavor,
            beats: false,
            files: ["mysql-bin.000001", "mysql-bin.000002"].map(file).to_vec(),
        }
    }

    pub(super) fn has_file(&self, name: &str) -> bool {
        self.files.iter().any(|file| file.name == name)
    }

    /// What it sends to who asks from `position`: by transactions if that has their ids, otherwise by place.
    pub(super) fn send(&self, position: &Position) -> Vec<Event> {
        let mut events = Vec::new();
        let known = position
            .gtids
            .as_deref()
            .map(|text| GtidSet::parse(self.flavor, text).expect("a set"));
        let first = match &known {
            Some(known) => self.first_file(known),
            None => self
                .files
                .iter()
                .position(|file| *file.name == *position.file)
                .expect("a file"),
        };
        for (index, file) in self.files.iter().enumerate().skip(first) {
            let from = match &known {
                None if index == first => position.pos,
                _ => 0,
            };
            events.push(file.named());
            events.push(file.format.clone());
            if from <= 4 {
                events.extend(file.head.iter().cloned());
            }
            for group in &file.groups {
                let is_known = match (&known, &group.gtid) {
                    (Some(known), Some(gtid)) => known.contains(gtid),
                    _ => false,
                };
                let asked = |(start, _): &&(u64, Event)| !is_known && *start >= from;
                events.extend(
                    group
                        .events
                        .iter()
                        .filter(asked)
                        .map(|(_, event)| event.clone()),
                );
            }
            events.extend(file.tail.iter().cloned());
        }
        if !self.beats {
            return events;
        }
        let heartbeat = self.files[0].made_up(EventType::HEARTBEAT_EVENT, b"mysql-bin.000001");
        let beat = |event| [event, heartbeat.clone()];
        events.into_iter().flat_map(beat).collect()
    }

    /// Another server with the same transactions, which has the one that follows `gtid` before it: it had no need to wait.
    /// That one begins where the other one did here.
    pub(super) fn failed_over(&self, gtid: &str) -> Self {
        let gtid = GtidSet::parse(self.flavor, gtid);
        let mut other = self.clone();
        for file in &mut other.files {
            let groups = &mut file.groups;
            let at = groups.iter().position(|group| group.gtid == gtid);
            if let Some(at) = at.filter(|at| at + 1 < groups.len()) {
                let begin = groups[at].events[0].0;
                groups.swap(at, at + 1);
                if self.flavor == Flavor::MariaDb {
                    groups[at].move_to_domain(1);
                }
                let end = groups[at].move_to(begin);
                groups[at + 1].move_to(end);
            }
        }
        other
    }

    /// The last file before which there is nothing new.
    fn first_file(&self, known: &GtidSet) -> usize {
        let has_news = |file: &LogFile| {
            let mut gtids = file.groups.iter().filter_map(|group| group.gtid.as_ref());
            gtids.any(|gtid| !known.contains(gtid))
        };
        let news = self.files.iter().position(has_news);
        news.unwrap_or(self.files.len() - 1)
    }
}

impl LogFile {
    fn read(flavor: Flavor, path: PathBuf, name: &str) -> Self {
        let bytes = std::fs::read(&path).expect("a recorded log");
        let mut reader = EventStreamReader::new(BinlogVersion::Version4);
        let (mut format, mut head, mut groups, mut tail) =
            (None, Vec::new(), Vec::<Group>::new(), Vec::new());
        let mut at = MAGIC_BYTES;
        while at < bytes.len() {
            let size = u32::from_le_bytes(*bytes[at + 9..].first_chunk().expect("a size"));
            let end = at + usize::try_from(size).expect("a size");
            let events = decode(&mut reader, &bytes[at..end]);
            let start = u64::try_from(at).expect("a place");
            at = end;
            let event = &events[0];
            let raw_type = event.header().event_type_raw();
            match raw_type {
                _ if raw_type == EventType::FORMAT_DESCRIPTION_EVENT as u8 => {
                    format = events.into_iter().next();
                }
                _ if raw_type == EventType::ROTATE_EVENT as u8 => tail.extend(events),
                // Only who asks for them gets them.
                mariadb::ANNOTATE_ROWS => {}
                _ => {
                    groups.extend(announced_by(flavor, event));
                    match groups.last_mut() {
                        Some(group) => group
                            .events
                            .extend(events.into_iter().map(|event| (start, event))),
                        None => head.extend(events),
                    }
                }
            }
        }
        Self {
            name: name.to_owned(),
            format: format.expect("a format"),
            head,
            groups,
            tail,
        }
    }

    /// The event that names the file, which no log has.
    fn named(&self) -> Event {
        let data = [&4_u64.to_le_bytes()[..], self.name.as_bytes()].concat();
        self.made_up(EventType::ROTATE_EVENT, &data)
    }

    /// An event that has no place in the log.
    fn made_up(&self, kind: EventType, data: &[u8]) -> Event {
        let mut bytes = vec![0, 0, 0, 0, kind as u8, 1, 0, 0, 0];
        let size = BinlogEventHeader::LEN + data.len() + CHECKSUM_BYTES;
        bytes.extend(u32::try_from(size).expect("short").to_le_bytes());
        bytes.extend([0, 0, 0, 0, 0x20, 0]);
        bytes.extend(data);
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        Event::read(self.format.fde(), &bytes[..]).expect("an event")
    }
}

impl Group {
    /// Lets it begin at another place; returns its end.
    fn move_to(&mut self, begin: u64) -> u64 {
        let mut at = begin;
        for (start, event) in &mut self.events {
            // What is inside of another event has no place of its own.
            if event.header().log_pos() == 0 {
                continue;
            }
            *start = at;
            at += u64::from(event.header().event_size());
            let end = u32::try_from(at).expect("a short log").to_le_bytes();
            *event = changed(event, |bytes| {
                bytes[LOG_POS..LOG_POS + 4].copy_from_slice(&end);
            });
        }
        at
    }

    /// Another domain of MariaDB, whose transactions have an order of their own.
    fn move_to_domain(&mut self, domain: u32) {
        let event = &mut self.events[0].1;
        let at = BinlogEventHeader::LEN + 8;
        *event = changed(event, |bytes| {
            bytes[at..at + 4].copy_from_slice(&domain.to_le_bytes());
        });
        self.gtid = announced_by(Flavor::MariaDb, event).and_then(|group| group.gtid);
    }
}

fn changed(event: &Event, change: impl FnOnce(&mut [u8])) -> Event {
    let mut bytes = Vec::new();
    event
        .write(BinlogVersion::Version4, &mut bytes)
        .expect("memory");
    change(&mut bytes);
    Event::read(event.fde(), &bytes[..]).expect("an event")
}

/// The event, and those inside of it.
fn decode(reader: &mut EventStreamReader, bytes: &[u8]) -> Vec<Event> {
    let event = reader.read(bytes).expect("readable").expect("an event");
    let mut events = vec![event];
    if events[0].header().event_type_raw() == EventType::TRANSACTION_PAYLOAD_EVENT as u8 {
        let payload: TransactionPayloadEvent<'_> = events[0].read_event().expect("a payload");
        let plain = payload.danger_decompress();
        let mut plain = std::io::Cursor::new(plain);
        while let Some(event) = reader.read_decompressed(&mut plain).expect("readable") {
            events.push(event);
        }
    }
    events
}

/// The transaction that an event announces, if any.
fn announced_by(flavor: Flavor, event: &Event) -> Option<Group> {
    let raw_type = event.header().event_type_raw();
    let mut set = GtidSet::empty(flavor);
    match flavor {
        Flavor::MariaDb if raw_type == mariadb::GTID => {
            let data = event.data();
            let sequence = u64::from_le_bytes(*data.first_chunk()?);
            let domain = u32::from_le_bytes(*data[8..].first_chunk()?);
            set.add_mariadb(domain, event.header().server_id(), sequence);
        }
        Flavor::MySql if raw_type == EventType::GTID_EVENT as u8 => {
            let gtid: GtidEvent = event.read_event().expect("a transaction's id");
            set.add_mysql(
                &gtid_source(&gtid.sid(), gtid.tag()),
                gtid.gno(),
                gtid.gno(),
            );
        }
        Flavor::MySql if raw_type == EventType::ANONYMOUS_GTID_EVENT as u8 => {}
        _ => return None,
    }
    Some(Group {
        gtid: (!set.is_empty()).then_some(set),
        events: Vec::new(),
    })
}
