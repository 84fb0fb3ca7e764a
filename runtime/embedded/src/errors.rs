//! From SQLite's errors to those of the log port.

use std::path::Path;

use rusqlite::ErrorCode;
use tidegate_log::LogError;

/// `directory` is the log's, for the text.
pub(crate) fn translate(directory: &Path, doing: &str, error: &rusqlite::Error) -> LogError {
    let place = directory.display();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => LogError::Full(format!(
            "the embedded log in '{place}' cannot {doing}: the disk is full. Free some space; writing then goes on by itself"
        )),
        Some(ErrorCode::SystemIoFailure) => LogError::Full(format!(
            "the embedded log in '{place}' cannot {doing}: {error}. Check the disk and its free space; writing then goes on by itself"
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
