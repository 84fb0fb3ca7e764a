//! The embedded log keeps the rules of the port.

use std::sync::Arc;

use tidegate_embedded::EmbeddedLog;
use tidegate_log::Log;

/// A log in a directory that goes with the process.
fn open() -> Arc<dyn Log> {
    let directory = tempfile::tempdir().expect("a directory").keep();
    Arc::new(EmbeddedLog::open(&directory).expect("a log"))
}

tidegate_log::conformance_tests!(open());
