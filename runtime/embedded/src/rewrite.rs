//! Files of earlier programs cannot give pages back to the file system: they are written anew, once.

use std::fs::File;
use std::io;
use std::path::Path;

use rusqlite::Connection;
use tracing::{info, warn};

use crate::store::LAYOUT;

/// The new file beside the old one, until it is whole.
const REWRITTEN: &str = "log.sqlite.rewritten";
/// What must be free beyond the size of what is kept.
const SPARE_BYTES: u64 = 64 * 1024 * 1024;
/// `PRAGMA auto_vacuum`: pages are given back when that is asked for.
const INCREMENTAL: i64 = 2;

/// Whether free pages of the file can be given back. A file without tables has the setting of the connection.
pub(crate) fn can_shrink(connection: &Connection) -> rusqlite::Result<bool> {
    let mode: i64 = connection.query_row("PRAGMA auto_vacuum", [], |row| row.get(0))?;
    Ok(mode == INCREMENTAL)
}

/// Writes the file anew; without room for that, or should it fail, the old one stays as it is.
pub(crate) fn rewrite(directory: &Path, file: &Path, connection: Connection) {
    let rewritten = directory.join(REWRITTEN);
    // What a process left that was killed in the middle of it.
    std::fs::remove_file(&rewritten).ok();
    let stays = |reason: String| {
        warn!(
            "The embedded log's file '{}' is of an earlier version and cannot shrink; it stays as it is, because {reason}. \
             It is written anew at a later start",
            file.display()
        );
    };
    let bytes = match used_bytes(&connection) {
        Ok(bytes) => bytes,
        Err(error) => return stays(error.to_string()),
    };
    let free = rustix::fs::statvfs(directory)
        .map_or(0, |system| system.f_bavail.saturating_mul(system.f_frsize));
    let needed = bytes.saturating_add(SPARE_BYTES);
    if free < needed {
        return stays(format!(
            "that takes {needed} bytes of disk, of which {free} are free"
        ));
    }
    info!(
        "The embedded log's file '{}' is of an earlier version and cannot shrink; it is written anew once ({bytes} bytes)",
        file.display()
    );
    if let Err(reason) = replace(directory, file, &rewritten, connection) {
        std::fs::remove_file(&rewritten).ok();
        stays(reason);
    }
}

fn used_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let number = |pragma: &str| connection.query_row(pragma, [], |row| row.get::<_, i64>(0));
    let pages = number("PRAGMA page_count")? - number("PRAGMA freelist_count")?;
    Ok(u64::try_from(pages * number("PRAGMA page_size")?).unwrap_or(0))
}

/// Either the old file or the whole new one is there, whatever happens.
fn replace(
    directory: &Path,
    file: &Path,
    rewritten: &Path,
    connection: Connection,
) -> Result<(), String> {
    let text = |error: &dyn std::error::Error| error.to_string();
    let name = rewritten.to_string_lossy();
    connection
        .execute_batch(LAYOUT)
        .map_err(|error| text(&error))?;
    connection
        .execute("VACUUM INTO ?1", [&*name])
        .map_err(|error| text(&error))?;
    let new = Connection::open(rewritten).map_err(|error| text(&error))?;
    let is_whole = can_shrink(&new).map_err(|error| text(&error))?;
    new.close().map_err(|(_, error)| text(&error))?;
    if !is_whole {
        return Err("the new file has not become what it should be".to_owned());
    }
    sync(rewritten).map_err(|error| text(&error))?;
    // What is in the write-ahead log comes into the old file, and the log goes: it would not fit to the new file.
    connection.close().map_err(|(_, error)| text(&error))?;
    let mut ahead = file.as_os_str().to_owned();
    ahead.push("-wal");
    if Path::new(&ahead).exists() {
        return Err("its write-ahead log is in use".to_owned());
    }
    std::fs::rename(rewritten, file).map_err(|error| text(&error))?;
    if let Err(error) = sync(directory) {
        warn!(
            "The embedded log's file '{}' is written anew, but its directory cannot be made durable: {error}; should the \
             machine lose power now, the old file may be there again",
            file.display()
        );
    }
    Ok(())
}

fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
