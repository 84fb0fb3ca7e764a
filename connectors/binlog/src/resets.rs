//! Offsets that a user removes.
//!
//! A source without any offset, whose schema history ends with a snapshot, takes that snapshot for one that was interrupted
//! before its first offset was stored, and begins its stream where that one began. Whoever removes the offsets wants
//! nothing from before, so that the history must end with something else.

use std::sync::Arc;

use serde_json::json;
use tidegate_api::{ConnectError, Props};
use tidegate_cdc::history::{HistoryRecord, SchemaHistory};
use tidegate_log::LogProvider;
use tidegate_mysql::Flavor;
use tracing::warn;

use crate::config::Settings;
use crate::offsets::Position;

/// Sees to it that no snapshot before this moment is taken for an interrupted one. Offsets may be removed without it: at
/// worst changes come twice.
pub(crate) async fn forget_snapshots(flavor: Flavor, provider: &dyn LogProvider, props: &Props) {
    if let Err(error) = mark(flavor, provider, props).await {
        warn!(
            "The schema history could not be told that offsets are removed: {}. A new snapshot may be followed by changes from before it",
            error.chain()
        );
    }
}

/// Repeats the first record of the snapshot that the history ends with, which sets the server's character sets, at the
/// same position, but outside of a snapshot. Any reader takes it for what it is.
async fn mark(
    flavor: Flavor,
    provider: &dyn LogProvider,
    props: &Props,
) -> Result<(), ConnectError> {
    let settings = Settings::new(flavor, props)?;
    let history = &settings.history;
    let history = SchemaHistory::open(
        provider,
        &history.client,
        &history.producer,
        &history.topic,
        Arc::from(props.raw("name").unwrap_or_default()),
        history.limits,
    )
    .await?;
    if !history.exists().await? {
        return Ok(());
    }
    let server = json!(&*settings.naming.prefix);
    let (mut first, mut ends_in_snapshot) = (None, false);
    history
        .replay(|record| {
            if record.source.get("server") == Some(&server) {
                ends_in_snapshot = is_of_snapshot(&record);
                if begins_snapshot(&record) {
                    first = Some(record);
                }
            }
            Ok(())
        })
        .await?;
    let Some(mut record) = first.filter(|_| ends_in_snapshot) else {
        return Ok(());
    };
    record.position.remove("snapshot");
    record.ts_ms = chrono::Utc::now().timestamp_millis();
    history.record(&[record]).await
}

/// A snapshot begins with the server's character sets.
pub(crate) fn begins_snapshot(record: &HistoryRecord) -> bool {
    record.database.is_empty()
        && record.ddl.starts_with("SET character_set_server=")
        && is_of_snapshot(record)
}

fn is_of_snapshot(record: &HistoryRecord) -> bool {
    Position::from_json(&record.position).is_some_and(|position| position.in_snapshot)
}
