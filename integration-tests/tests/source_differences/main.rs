//! What the sources do better than the originals on purpose, see `DIFFERENCES.md`.

mod batches;
mod charsets;
mod heartbeats;
mod images;
mod offsets;
mod pair;
mod renames;
mod restarts;
mod snapshots;
mod statements;
mod transactions;
mod values;
mod waiting;
