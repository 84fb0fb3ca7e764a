//! Transactions are held back until their end is known (`binlog.buffer.size`): one that is rolled back hands nothing over.
//!
//! A rolled-back transaction is in the log if it has touched something that cannot be undone, such as a temporary table with
//! `binlog_format=MIXED`: its rows come first, and `ROLLBACK` behind them. So is what `ROLLBACK TO` a savepoint undoes.
//!
//! Source: Debezium `EventBuffer`, which reads the part of a transaction that does not fit a second time. Here it lies in a
//! file without a name, which goes with the task.

use std::collections::VecDeque;
use std::io::{self, SeekFrom};
use std::ops::Range;

use mysql_async::binlog::EventType;
use mysql_async::binlog::events::{BinlogEventHeader, Event, FormatDescriptionEvent, QueryEvent};
use mysql_common::proto::MySerialize as _;
use tidegate_mysql::{Flavor, compressed};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _, BufReader, BufWriter};
use tracing::{debug, warn};

use super::savepoints::{Savepoint, Savepoints};
use super::{Streaming, mariadb};
use crate::errors::BinlogError;

/// Bytes of events that are held in memory, however few they are.
const HELD_BYTES: usize = 64 << 20;
/// What an event takes beside its data: its header, a copy of the log's format, and their allocations.
const EVENT_BYTES: usize = 512;
const MARIADB_STANDALONE: u8 = 1;

/// What an event means for the transaction around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Begin,
    Commit,
    Rollback,
    /// Stands between transactions only.
    Outside,
    /// Made up by the server while it sends.
    Made,
    Inside,
}

impl Part {
    pub(super) fn of(event: &Event, flavor: Flavor) -> Self {
        const HEARTBEAT_V2: u8 = 41;
        const MADE: [u8; 2] = [EventType::HEARTBEAT_EVENT as u8, HEARTBEAT_V2];
        const COMMITS: [u8; 2] = [
            EventType::XID_EVENT as u8,
            EventType::XA_PREPARE_LOG_EVENT as u8,
        ];
        const OUTSIDE: [u8; 5] = [
            EventType::ROTATE_EVENT as u8,
            EventType::FORMAT_DESCRIPTION_EVENT as u8,
            EventType::GTID_EVENT as u8,
            EventType::GTID_TAGGED_LOG_EVENT as u8,
            EventType::ANONYMOUS_GTID_EVENT as u8,
        ];
        let header = event.header();
        match header.event_type_raw() {
            mariadb::GTID if flavor == Flavor::MariaDb => match event.data().get(12) {
                Some(flags) if flags & MARIADB_STANDALONE == 0 => Self::Begin,
                _ => Self::Outside,
            },
            kind if MADE.contains(&kind) => Self::Made,
            kind if OUTSIDE.contains(&kind) && header.log_pos() == 0 => Self::Made,
            kind if OUTSIDE.contains(&kind) => Self::Outside,
            kind if COMMITS.contains(&kind) => Self::Commit,
            kind if kind == EventType::QUERY_EVENT as u8 => Self::of_query(event, flavor),
            _ => Self::Inside,
        }
    }

    fn of_query(event: &Event, flavor: Flavor) -> Self {
        let Ok(query) = event.read_event::<QueryEvent<'_>>() else {
            return Self::Inside;
        };
        let is = |word: &str| {
            query
                .query_raw()
                .trim_ascii()
                .eq_ignore_ascii_case(word.as_bytes())
        };
        let starts = |word: &str| {
            let start = query.query_raw().get(..word.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()))
        };
        if is("COMMIT") {
            Self::Commit
        } else if is("ROLLBACK") {
            Self::Rollback
        } else if flavor == Flavor::MySql && (is("BEGIN") || starts("XA START")) {
            Self::Begin
        } else {
            Self::Inside
        }
    }
}

/// The events of one transaction whose end has not come.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    events: Vec<Event>,
    bytes: usize,
    spilled: Option<Spilled>,
    savepoints: Savepoints,
    /// Events, by number, that `ROLLBACK TO` a savepoint has undone: in order, and none within another.
    undone: VecDeque<Range<usize>>,
}

/// Events behind those in memory.
#[derive(Debug)]
struct Spilled {
    file: BufWriter<File>,
    count: usize,
    format: FormatDescriptionEvent<'static>,
}

impl Transaction {
    fn count(&self) -> usize {
        let spilled = self.spilled.as_ref();
        self.events.len() + spilled.map_or(0, |spilled| spilled.count)
    }

    /// What the next event means for those before it.
    fn savepoint(&mut self, savepoint: Savepoint) {
        let count = self.count();
        match savepoint {
            Savepoint::Set(name) => self.savepoints.set(name, count),
            Savepoint::RollBackTo(name) => {
                let Some(from) = self.savepoints.roll_back_to(&name) else {
                    return;
                };
                while self.undone.back().is_some_and(|last| last.start >= from) {
                    self.undone.pop_back();
                }
                self.undone.push_back(from..count);
            }
        }
    }

    /// Holds an event, in memory if there is room for `size` events.
    async fn push(&mut self, event: Event, size: usize) -> io::Result<()> {
        if let Some(spilled) = &mut self.spilled {
            return spilled.push(&event).await;
        }
        if self.events.len() < size && self.bytes < HELD_BYTES {
            self.bytes += event.data().len() + EVENT_BYTES;
            self.events.push(event);
            return Ok(());
        }
        debug!(
            "a transaction has more than {} events; the others lie in a file",
            self.events.len()
        );
        let file = tokio::task::spawn_blocking(tempfile::tempfile).await??;
        let mut spilled = Spilled {
            file: BufWriter::new(File::from_std(file)),
            count: 0,
            format: event.fde().clone(),
        };
        spilled.push(&event).await?;
        self.spilled = Some(spilled);
        Ok(())
    }
}

impl Spilled {
    async fn push(&mut self, event: &Event) -> io::Result<()> {
        let header = event.header();
        let size = usize::try_from(header.event_size()).unwrap_or(usize::MAX);
        let checksum = size.saturating_sub(BinlogEventHeader::LEN + event.data().len());
        let mut bytes = Vec::with_capacity(BinlogEventHeader::LEN);
        header.serialize(&mut bytes);
        self.file.write_all(&bytes).await?;
        self.file.write_all(event.data()).await?;
        self.file.write_all(&vec![0; checksum]).await?;
        self.count += 1;
        Ok(())
    }

    async fn begin_again(mut self) -> io::Result<Written> {
        self.file.flush().await?;
        let mut file = self.file.into_inner();
        file.seek(SeekFrom::Start(0)).await?;
        Ok(Written {
            file: BufReader::new(file),
            left: self.count,
            format: self.format,
        })
    }
}

/// The same, to be read.
struct Written {
    file: BufReader<File>,
    left: usize,
    format: FormatDescriptionEvent<'static>,
}

impl Written {
    async fn next(&mut self) -> io::Result<Option<Event>> {
        const SIZE: std::ops::Range<usize> = 9..13;
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let mut bytes = vec![0; BinlogEventHeader::LEN];
        self.file.read_exact(&mut bytes).await?;
        let mut size = [0; 4];
        size.copy_from_slice(&bytes[SIZE]);
        let size = usize::try_from(u32::from_le_bytes(size)).unwrap_or(usize::MAX);
        bytes.resize(size.max(BinlogEventHeader::LEN), 0);
        self.file
            .read_exact(&mut bytes[BinlogEventHeader::LEN..])
            .await?;
        Event::read(&self.format, &bytes[..]).map(Some)
    }
}

impl Streaming<'_> {
    /// Handles an event, or holds it back until its transaction ends.
    pub(super) async fn take(&mut self, event: Event) -> Result<(), BinlogError> {
        let size = self.settings.transaction_buffer;
        if size == 0 {
            return self.handle(&event).await;
        }
        let part = Part::of(&event, self.flavor);
        if part == Part::Made && self.names_another_file(&event) {
            self.end_unfinished().await?;
        }
        let is_open = self.transaction.is_some();
        match part {
            Part::Begin => {
                self.end_unfinished().await?;
                self.transaction = Some(Transaction::default());
                self.hold(event, size).await
            }
            Part::Outside => {
                self.end_unfinished().await?;
                self.handle(&event).await
            }
            Part::Made => self.handle(&event).await,
            Part::Inside if is_open => self.hold(event, size).await,
            Part::Commit | Part::Rollback if is_open => {
                self.hold(event, size).await?;
                self.hand_over(part == Part::Rollback).await
            }
            Part::Inside | Part::Commit | Part::Rollback => self.handle(&event).await,
        }
    }

    /// No transaction goes on in another file.
    fn names_another_file(&self, event: &Event) -> bool {
        const PLACE: usize = 8;
        let own = self.context.event_file.as_bytes();
        let name = event.data().get(PLACE..);
        event.header().event_type_raw() == EventType::ROTATE_EVENT as u8
            && name.is_some_and(|name| !name.starts_with(own))
    }

    async fn hold(&mut self, event: Event, size: usize) -> Result<(), BinlogError> {
        let savepoint = savepoint(&event, self.flavor);
        let transaction = self.transaction.get_or_insert_default();
        if let Some(savepoint) = savepoint {
            transaction.savepoint(savepoint);
        }
        transaction.push(event, size).await.map_err(spill_error)
    }

    /// The transaction that is held has no end: the server died while it wrote it, and has undone it since.
    async fn end_unfinished(&mut self) -> Result<(), BinlogError> {
        if self.transaction.is_none() {
            return Ok(());
        }
        warn!(
            "The transaction behind {}/{} has no end in the log: the server has not committed it, and nothing of it is taken",
            self.context.event_file, self.context.restart.pos
        );
        self.hand_over(true).await?;
        self.context.abandon(self.flavor);
        self.warnings.transaction_begins();
        Ok(())
    }

    /// Another file begins, or another transaction: one that is open has no end.
    pub(super) fn warn_of_unfinished(&mut self) {
        let rows = self.warnings.rows();
        if !self.context.in_transaction || rows == 0 {
            return;
        }
        warn!(
            "The transaction at {}/{} has no end in the log: the server has not committed it, but {rows} records of it have been handed over: its rows stay in the target. Set binlog.buffer.size, which holds transactions back until their end is known, and compare the tables with the source",
            self.context.restart.file, self.context.restart.pos
        );
        self.context.abandon(self.flavor);
        self.warnings.transaction_begins();
    }

    /// Handles what was held. Of a transaction that was rolled back, or a part of one, only the place in the log counts.
    async fn hand_over(&mut self, is_rolled_back: bool) -> Result<(), BinlogError> {
        let Some(transaction) = self.transaction.take() else {
            return Ok(());
        };
        let mut undone = transaction.undone;
        let mut numbers = 0_usize..;
        let mut is_undone = || {
            let number = numbers.next().unwrap_or_default();
            while undone.front().is_some_and(|first| first.end <= number) {
                undone.pop_front();
            }
            is_rolled_back || undone.front().is_some_and(|first| first.contains(&number))
        };
        for event in &transaction.events {
            self.is_rolled_back = is_undone();
            self.handle(event).await?;
        }
        drop(transaction.events);
        if let Some(spilled) = transaction.spilled {
            let mut written = spilled.begin_again().await.map_err(spill_error)?;
            while let Some(event) = written.next().await.map_err(spill_error)? {
                self.is_rolled_back = is_undone();
                self.handle(&event).await?;
            }
        }
        self.is_rolled_back = false;
        Ok(())
    }
}

/// What an event says of a savepoint.
fn savepoint(event: &Event, flavor: Flavor) -> Option<Savepoint> {
    let plain = match flavor {
        Flavor::MariaDb => compressed::uncompressed(event).ok()?,
        Flavor::MySql => None,
    };
    let event = plain.as_ref().unwrap_or(event);
    if event.header().event_type_raw() != EventType::QUERY_EVENT as u8 {
        return None;
    }
    let query = event.read_event::<QueryEvent<'_>>().ok()?;
    Savepoint::of(&String::from_utf8_lossy(query.query_raw()))
}

fn spill_error(source: io::Error) -> BinlogError {
    BinlogError::Spill {
        folder: std::env::temp_dir().display().to_string(),
        source,
    }
}
