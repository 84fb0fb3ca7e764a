//! The embedded log keeps the rules of the port.

use std::cell::RefCell;
use std::sync::Arc;

use tempfile::TempDir;
use tidegate_embedded::EmbeddedLog;
use tidegate_log::Log;

thread_local! {
    /// Removed with the test's thread, after its log.
    static DIRECTORY: RefCell<Option<TempDir>> = const { RefCell::new(None) };
}

fn open() -> Arc<dyn Log> {
    let directory = tempfile::tempdir().expect("a directory");
    let log = EmbeddedLog::open(directory.path()).expect("a log");
    DIRECTORY.with_borrow_mut(|kept| *kept = Some(directory));
    Arc::new(log)
}

tidegate_log::conformance_tests!(open());
