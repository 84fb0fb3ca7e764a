//! What a sink's plugin asks of its task between two calls.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tidegate_api::connector::SinkTaskRequests;

use super::Offsets;

#[derive(Default)]
pub(super) struct Requests {
    commit: AtomicBool,
    timeout: Mutex<Option<Duration>>,
    rewind: Mutex<Offsets>,
}

impl Requests {
    pub(super) fn wants_commit(&self) -> bool {
        self.commit.load(Ordering::Acquire)
    }
    pub(super) fn commit_begins(&self) {
        self.commit.store(false, Ordering::Release);
    }
    pub(super) fn take_timeout(&self) -> Option<Duration> {
        self.timeout.lock().expect(NO_PANIC).take()
    }
    pub(super) fn take_rewind(&self) -> Offsets {
        std::mem::take(&mut *self.rewind.lock().expect(NO_PANIC))
    }
}

impl SinkTaskRequests for Requests {
    fn request_commit(&self) {
        self.commit.store(true, Ordering::Release);
    }
    fn set_timeout(&self, timeout: Duration) {
        *self.timeout.lock().expect(NO_PANIC) = Some(timeout);
    }
    fn rewind(&self, offsets: Offsets) {
        self.rewind.lock().expect(NO_PANIC).extend(offsets);
    }
}

const NO_PANIC: &str = "no holder panics";
