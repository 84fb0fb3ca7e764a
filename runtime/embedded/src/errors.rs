//! From SQLite's errors to those of the log port.

use std::path::Path;

use rusqlite::ErrorCode;
use tidegate_log::LogError;

/// `directory` is the log's, for the text.
pub(crate) fn translate(directory: &Path, doing: &str, error: &rusqlite::Error) -> LogError {
    let place = directory.display();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => LogError::Full(format!(
            "the embedded log in '{place}' cannot {doing}: the disk is full{}. Make room there; writing then goes on by itself",
            free_space(directory)
        )),
        // Quotas and limits on the size of files look like this, too.
        Some(ErrorCode::SystemIoFailure) => LogError::Full(format!(
            "the embedded log in '{place}' cannot {doing}: {error}{}. Make room there, or raise the quota or the limit on the \
             size of files (ulimit -f), or check the disk; writing then goes on by itself",
            free_space(directory)
        )),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => LogError::Unavailable(
            format!("the embedded log in '{place}' is busy and cannot {doing}: {error}"),
        ),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            LogError::Unauthorized(format!(
                "the embedded log in '{place}' cannot {doing}: {error}. The directory and its files must be writable"
            ))
        }
        _ => LogError::Fatal(format!(
            "the embedded log in '{place}' cannot {doing}: {error}"
        )),
    }
}

/// What is left on the directory's file system, for the text; empty if the system does not say.
fn free_space(directory: &Path) -> String {
    rustix::fs::statvfs(directory).map_or_else(
        |_| String::new(),
        |system| {
            let megabytes = system.f_bavail.saturating_mul(system.f_frsize) / 1_000_000;
            format!(" ({megabytes} MB are free)")
        },
    )
}
