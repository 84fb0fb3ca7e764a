//! What the sources do better than the originals on purpose, see `DIFFERENCES.md`.

mod images;
mod offsets;
mod pair;
mod restarts;
mod snapshots;
mod values;
