//! `snapshot.mode`.
//!
//! Source: Debezium `BinlogConnectorConfig.SnapshotMode`, `io.debezium.spi.snapshot.Snapshotter`.

/// What is read before the stream, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotMode {
    Always,
    Initial,
    InitialOnly,
    NoData,
    Never,
    WhenNeeded,
    Recovery,
}

impl SnapshotMode {
    /// Whether a snapshot reads rows, too.
    pub fn has_data(self) -> bool {
        matches!(
            self,
            Self::Always | Self::Initial | Self::InitialOnly | Self::WhenNeeded
        )
    }
    pub fn streams(self) -> bool {
        self != Self::InitialOnly
    }
}
