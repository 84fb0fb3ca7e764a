//! Positions of a source on their way into the offset store.
//!
//! Whoever owns the writer hands positions over in the order of the source, and only once the log has acknowledged every
//! record up to them. One flush runs at a time; what it could not store is put back behind what came meanwhile, so that
//! a position never goes backwards.
//!
//! Source: `org.apache.kafka.connect.{runtime.SourceTaskOffsetCommitter,storage.OffsetStorageWriter}`.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tidegate_api::{ConnectError, SourceOffset, SourcePartition};

use crate::environment::{OffsetBackingStore, TaskEnvironment};

/// Positions by source partition, the last one counts. There are seldom more than a few.
pub(super) type Positions = Vec<(Arc<SourcePartition>, SourceOffset)>;

pub(super) fn advance(
    positions: &mut Positions,
    partition: Arc<SourcePartition>,
    offset: SourceOffset,
) {
    let same = |known: &Arc<SourcePartition>| Arc::ptr_eq(known, &partition) || *known == partition;
    // The last one added is the most likely one.
    match positions.iter_mut().rev().find(|(known, _)| same(known)) {
        Some(entry) => entry.1 = offset,
        None => positions.push((partition, offset)),
    }
}

pub(super) struct OffsetWriter {
    connector: Arc<str>,
    store: Arc<dyn OffsetBackingStore>,
    timeout: Duration,
    /// Acknowledged, not yet stored.
    committable: Positions,
    flush: Option<Flush>,
}

/// Offsets on their way into the store.
struct Flush {
    positions: Positions,
    done: BoxFuture<'static, Result<(), ConnectError>>,
}

impl OffsetWriter {
    pub(super) fn new(environment: &TaskEnvironment) -> Self {
        Self {
            connector: Arc::clone(&environment.id.connector),
            store: Arc::clone(&environment.offsets),
            timeout: environment.settings.offset_flush_timeout,
            committable: Positions::new(),
            flush: None,
        }
    }

    pub(super) fn acknowledged(&mut self, positions: Positions) {
        for (partition, offset) in positions {
            advance(&mut self.committable, partition, offset);
        }
    }

    pub(super) fn is_flushing(&self) -> bool {
        self.flush.is_some()
    }

    /// Starts storing; false if there is nothing to store.
    pub(super) fn begin(&mut self) -> bool {
        if self.committable.is_empty() || self.is_flushing() {
            return self.is_flushing();
        }
        let positions = std::mem::take(&mut self.committable);
        let offsets = positions
            .iter()
            .map(|(partition, offset)| (Arc::clone(partition), Some(offset.fields())))
            .collect();
        let (store, connector) = (Arc::clone(&self.store), Arc::clone(&self.connector));
        let timeout = self.timeout;
        let done = async move {
            let stored = tokio::time::timeout(timeout, store.set(&connector, offsets)).await;
            stored.unwrap_or_else(|_| Err(ConnectError::retriable(TIMED_OUT)))
        };
        self.flush = Some(Flush {
            positions,
            done: done.boxed(),
        });
        true
    }

    /// The positions that the flush under way has stored. Waits for ever if there is none. Cancel-safe: the flush
    /// stays until its end has been seen.
    ///
    /// # Errors
    /// What kept the store from taking them; the next flush tries again.
    pub(super) async fn flushed(&mut self) -> Result<Positions, ConnectError> {
        let Some(flush) = &mut self.flush else {
            return std::future::pending().await;
        };
        let result = (&mut flush.done).await;
        let positions = self
            .flush
            .take()
            .map(|flush| flush.positions)
            .unwrap_or_default();
        match result {
            Ok(()) => Ok(positions),
            Err(error) => {
                let newer = std::mem::replace(&mut self.committable, positions);
                self.acknowledged(newer);
                Err(error)
            }
        }
    }
}

const TIMED_OUT: &str = "Timed out waiting to flush offsets to storage; will try again on next flush interval with latest offsets";
