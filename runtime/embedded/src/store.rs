//! The SQLite file: its tables and the statements on them.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::types::Type;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use tidegate_api::TopicPartition;
use tidegate_log::LogError;

use crate::errors::translate;
use crate::rewrite;
use crate::topics::{Partition, Topic};

const FILE: &str = "log.sqlite";
const LOCK: &str = "lock";
/// Form of the tables; another number is another program's file.
const FORMAT: i64 = 1;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS topics (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, settings TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS partitions (
    topic INTEGER NOT NULL, partition INTEGER NOT NULL, first INTEGER NOT NULL, next INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batches (
    topic INTEGER NOT NULL, partition INTEGER NOT NULL, base INTEGER NOT NULL, next INTEGER NOT NULL,
    max_timestamp INTEGER NOT NULL, bytes INTEGER NOT NULL, data BLOB NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS batches_by_offset ON batches (topic, partition, base);
CREATE TABLE IF NOT EXISTS group_offsets (
    group_id TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL,
    PRIMARY KEY (group_id, topic, partition)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS identity (cluster_id TEXT NOT NULL);
";

/// When tombstones of a compacted batch may go. Files of earlier programs lack it, and get it when it is needed first.
const HORIZONS: &str = "
CREATE TABLE IF NOT EXISTS horizons (
    topic INTEGER NOT NULL, partition INTEGER NOT NULL, base INTEGER NOT NULL, horizon INTEGER NOT NULL,
    PRIMARY KEY (topic, partition, base)) WITHOUT ROWID;
";

/// What an acknowledged batch survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sync {
    /// The end of the process at any moment. Should the machine lose power, the batches of the last moments may be lost,
    /// but never order or consistency: sources read them again.
    #[default]
    Normal,
    /// The loss of power, too: every transaction waits for the disk.
    Full,
}

impl Sync {
    fn pragma(self) -> &'static str {
        match self {
            Self::Normal => "NORMAL",
            Self::Full => "FULL",
        }
    }
}

/// The directory of a log, held by this process alone.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) path: PathBuf,
    /// Locked until dropped; the system unlocks it when the process dies.
    _lock: File,
}

/// What is set before a file has its first table: the size of pages, and that it can shrink.
pub(crate) const LAYOUT: &str = "PRAGMA page_size=16384; PRAGMA auto_vacuum=INCREMENTAL;";

impl Directory {
    pub(crate) fn open(path: &Path) -> Result<Self, LogError> {
        let failed = |error: std::io::Error| {
            LogError::Unauthorized(format!(
                "the embedded log's directory '{}' (embedded.data.dir) cannot be used: {error}",
                path.display()
            ))
        };
        std::fs::create_dir_all(path).map_err(failed)?;
        let lock = File::options()
            .create(true)
            .append(true)
            .open(path.join(LOCK))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(LogError::Occupied(format!(
                "the embedded log in '{}' is in use by another process. Stop it, or set embedded.data.dir to a \
                 directory of this worker's own",
                path.display()
            ))),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.path.join(FILE)
    }

    fn error<'a>(&'a self, doing: &'a str) -> impl Fn(rusqlite::Error) -> LogError + 'a {
        move |error| translate(&self.path, doing, &error)
    }

    /// The one connection that writes. Creates the tables of a new file.
    pub(crate) fn writer(&self, sync: Sync) -> Result<Connection, LogError> {
        let file = self.file();
        let connect = || self.connect(sync).map_err(self.error("open its file"));
        let connection = connect()?;
        let format: i64 = connection
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .map_err(self.error("read its file"))?;
        // Before anything of another program's file is touched.
        if format != 0 && format != FORMAT {
            return Err(LogError::Fatal(format!(
                "'{}' has format {format}, this program reads format {FORMAT}; use the program that wrote it",
                file.display()
            )));
        }
        let connection = match rewrite::can_shrink(&connection) {
            Ok(false) => {
                rewrite::rewrite(&self.path, &file, connection);
                connect()?
            }
            Ok(true) => connection,
            Err(error) => return Err(self.error("read its file")(error)),
        };
        // A log that is there is opened without writing: its disk may be full.
        if format != FORMAT {
            connection
                .execute_batch(&format!(
                    "BEGIN; {TABLES} {HORIZONS} PRAGMA user_version={FORMAT}; COMMIT;"
                ))
                .map_err(self.error("create its tables"))?;
        }
        Ok(connection)
    }

    fn connect(&self, sync: Sync) -> rusqlite::Result<Connection> {
        let connection = Connection::open(self.file())?;
        connection.busy_timeout(Duration::from_secs(5))?;
        // On a file that is there `auto_vacuum` writes its header, for which a full disk has no room.
        let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0))?;
        if pages == 0 {
            connection.execute_batch(LAYOUT)?;
        }
        connection.execute_batch(&format!(
            "PRAGMA journal_mode=WAL; \
             PRAGMA synchronous={}; PRAGMA journal_size_limit=67108864; PRAGMA wal_autocheckpoint=1024; \
             PRAGMA cache_size=-4096;",
            sync.pragma()
        ))?;
        Ok(connection)
    }

    /// A connection that only reads.
    pub(crate) fn reader(&self) -> Result<Connection, LogError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connect = || -> rusqlite::Result<Connection> {
            let connection = Connection::open_with_flags(self.file(), flags)?;
            connection.busy_timeout(Duration::from_secs(5))?;
            connection.execute_batch("PRAGMA cache_size=-1024;")?;
            Ok(connection)
        };
        connect().map_err(self.error("be read"))
    }
}

/// The id of this log, made at its first use.
pub(crate) fn cluster_id(
    connection: &Connection,
    fresh: impl FnOnce() -> String,
) -> rusqlite::Result<String> {
    let known = connection
        .query_row("SELECT cluster_id FROM identity", [], |row| row.get(0))
        .optional()?;
    if let Some(id) = known {
        return Ok(id);
    }
    let id = fresh();
    connection.execute("INSERT INTO identity VALUES (?1)", [&id])?;
    Ok(id)
}

pub(crate) fn load_topics(connection: &Connection) -> rusqlite::Result<Vec<Topic>> {
    let mut topics = connection.prepare("SELECT id, name, settings FROM topics")?;
    let mut partitions = connection
        .prepare("SELECT first, next FROM partitions WHERE topic = ?1 ORDER BY partition")?;
    topics
        .query_map([], |row| {
            Ok((
                row.get(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, String>(2)?,
            ))
        })?
        .map(|row| {
            let (id, name, settings): (i64, String, String) = row?;
            let partitions = partitions
                .query_map([id], |row| Ok(Partition::new(row.get(0)?, row.get(1)?)))?
                .collect::<rusqlite::Result<_>>()?;
            let settings = serde_json::from_str(&settings).map_err(|error| {
                rusqlite::Error::FromSqlConversionFailure(2, Type::Text, Box::new(error))
            })?;
            Ok(Topic::new(id, Arc::from(name), partitions, settings))
        })
        .collect()
}

/// `None` if there is one of this name.
pub(crate) fn create_topic(
    connection: &Connection,
    name: &Arc<str>,
    partitions: i32,
    settings: BTreeMap<String, String>,
) -> rusqlite::Result<Option<Topic>> {
    let text = serde_json::to_string(&settings).unwrap_or_default();
    let inserted = connection.execute(
        "INSERT OR IGNORE INTO topics (name, settings) VALUES (?1, ?2)",
        params![name, text],
    )?;
    if inserted == 0 {
        return Ok(None);
    }
    let id = connection.last_insert_rowid();
    for partition in 0..partitions {
        connection.execute(
            "INSERT INTO partitions VALUES (?1, ?2, 0, 0)",
            params![id, partition],
        )?;
    }
    let partitions = (0..partitions).map(|_| Partition::default()).collect();
    Ok(Some(Topic::new(id, Arc::clone(name), partitions, settings)))
}

pub(crate) fn delete_topic(connection: &Connection, topic: &Topic) -> rusqlite::Result<()> {
    ensure_horizons(connection)?;
    connection.execute("DELETE FROM horizons WHERE topic = ?1", [topic.id])?;
    connection.execute("DELETE FROM batches WHERE topic = ?1", [topic.id])?;
    connection.execute("DELETE FROM partitions WHERE topic = ?1", [topic.id])?;
    connection.execute("DELETE FROM topics WHERE id = ?1", [topic.id])?;
    connection.execute("DELETE FROM group_offsets WHERE topic = ?1", [&*topic.name])?;
    Ok(())
}

/// A batch as stored: `base` is its first offset, `next` the first offset behind it.
pub(crate) struct StoredBatch {
    pub(crate) base: i64,
    pub(crate) next: i64,
    pub(crate) data: Vec<u8>,
}

/// SQLite counts in signed numbers.
pub(crate) fn length(data: &[u8]) -> i64 {
    i64::try_from(data.len()).unwrap_or(i64::MAX)
}

pub(crate) fn insert_batch(
    connection: &Connection,
    topic: i64,
    partition: i32,
    range: std::ops::Range<i64>,
    max_timestamp: i64,
    data: &[u8],
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO batches VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
        .execute(params![
            topic,
            partition,
            range.start,
            range.end,
            max_timestamp,
            length(data),
            data
        ])?;
    connection
        .prepare_cached(
            "UPDATE partitions SET next = ?3 WHERE topic = ?1 AND partition = ?2 AND next < ?3",
        )?
        .execute(params![topic, partition, range.end])?;
    Ok(())
}

/// Puts other records into a stored batch, whose offsets stay.
pub(crate) fn replace_batch(
    connection: &Connection,
    topic: i64,
    partition: i32,
    base: i64,
    data: &[u8],
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE batches SET data = ?4, bytes = ?5 WHERE topic = ?1 AND partition = ?2 AND base = ?3",
        )?
        .execute(params![topic, partition, base, data, length(data)])?;
    Ok(())
}

pub(crate) fn delete_batch(
    connection: &Connection,
    topic: i64,
    partition: i32,
    base: i64,
) -> rusqlite::Result<()> {
    for table in ["batches", "horizons"] {
        let delete =
            format!("DELETE FROM {table} WHERE topic = ?1 AND partition = ?2 AND base = ?3");
        connection
            .prepare_cached(&delete)?
            .execute(params![topic, partition, base])?;
    }
    Ok(())
}

/// Deletes the batches that end before `first`, which becomes the partition's first offset.
/// The batches before an offset. What ends before it also begins before it, which the index knows.
pub(crate) const DELETE_BATCHES: &str =
    "DELETE FROM batches WHERE topic = ?1 AND partition = ?2 AND base < ?3 AND next <= ?3";

pub(crate) fn delete_batches_before(
    connection: &Connection,
    topic: i64,
    partition: i32,
    first: i64,
) -> rusqlite::Result<()> {
    let place = params![topic, partition, first];
    connection.execute(DELETE_BATCHES, place)?;
    connection.execute(
        "DELETE FROM horizons WHERE topic = ?1 AND partition = ?2 AND base < ?3",
        place,
    )?;
    connection.execute(
        "UPDATE partitions SET first = ?3 WHERE topic = ?1 AND partition = ?2",
        place,
    )?;
    Ok(())
}

pub(crate) fn ensure_horizons(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(HORIZONS)
}

/// When the tombstones of a batch may go, in milliseconds since 1970; `None` before it was compacted with some in it.
pub(crate) fn horizon(
    connection: &Connection,
    topic: i64,
    partition: i32,
    base: i64,
) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached(
            "SELECT horizon FROM horizons WHERE topic = ?1 AND partition = ?2 AND base = ?3",
        )?
        .query_row(params![topic, partition, base], |row| row.get(0))
        .optional()
}

pub(crate) fn set_horizon(
    connection: &Connection,
    topic: i64,
    partition: i32,
    base: i64,
    horizon: i64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO horizons VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![topic, partition, base, horizon])?;
    Ok(())
}

/// Bytes of a partition's batches.
pub(crate) fn partition_bytes(
    connection: &Connection,
    topic: i64,
    partition: i32,
) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "SELECT coalesce(sum(bytes), 0) FROM batches WHERE topic = ?1 AND partition = ?2",
        )?
        .query_row(params![topic, partition], |row| row.get::<_, i64>(0))
        .map(|bytes| usize::try_from(bytes).unwrap_or_default())
}

/// Batches from the one that holds `offset`, until their bytes exceed `budget`; always one if there is one.
pub(crate) fn read_batches(
    connection: &Connection,
    topic: i64,
    partition: i32,
    offset: i64,
    budget: usize,
) -> rusqlite::Result<Vec<StoredBatch>> {
    let mut statement = connection.prepare_cached(
        "SELECT base, next, data FROM batches \
         WHERE topic = ?1 AND partition = ?2 AND base >= coalesce((SELECT max(base) FROM batches \
             WHERE topic = ?1 AND partition = ?2 AND base <= ?3), 0) AND next > ?3 ORDER BY base",
    )?;
    let mut rows = statement.query(params![topic, partition, offset])?;
    let (mut batches, mut bytes) = (Vec::new(), 0);
    while bytes < budget
        && let Some(row) = rows.next()?
    {
        let batch = StoredBatch {
            base: row.get(0)?,
            next: row.get(1)?,
            data: row.get(2)?,
        };
        bytes += batch.data.len();
        batches.push(batch);
    }
    Ok(batches)
}

pub(crate) fn group_offsets(
    connection: &Connection,
    group: &str,
) -> rusqlite::Result<Vec<(String, i32, i64)>> {
    connection
        .prepare_cached("SELECT topic, partition, offset FROM group_offsets WHERE group_id = ?1")?
        .query_map([group], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect()
}

/// What a group has read of a partition; `offset` is `None` to forget it.
pub(crate) struct GroupOffset {
    pub(crate) partition: TopicPartition,
    /// Of the topic that was read; `None` for whichever has the name.
    pub(crate) topic_id: Option<i64>,
    pub(crate) offset: Option<i64>,
}

/// Sets or deletes a group's offset. One of a topic that has been deleted is not set.
pub(crate) fn set_group_offset(
    connection: &Connection,
    group: &str,
    offset: &GroupOffset,
) -> rusqlite::Result<()> {
    let (topic, partition) = (&*offset.partition.topic, offset.partition.partition);
    match offset.offset {
        Some(number) => connection
            .prepare_cached(
                "INSERT OR REPLACE INTO group_offsets SELECT ?1, ?2, ?3, ?4 WHERE EXISTS \
                 (SELECT 1 FROM topics WHERE name = ?2 AND id = coalesce(?5, id))",
            )?
            .execute(params![group, topic, partition, number, offset.topic_id])?,
        None => connection
            .prepare_cached(
                "DELETE FROM group_offsets WHERE group_id = ?1 AND topic = ?2 AND partition = ?3",
            )?
            .execute(params![group, topic, partition])?,
    };
    Ok(())
}

pub(crate) fn delete_group(connection: &Connection, group: &str) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM group_offsets WHERE group_id = ?1", [group])?;
    Ok(())
}
