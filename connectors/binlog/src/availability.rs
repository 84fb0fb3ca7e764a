//! Whether a stored position can still be read from the server.
//!
//! Source: Debezium `BinlogSourceTask`.

use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;
use tracing::warn;

use crate::config::Settings;
use crate::errors::BinlogError;
use crate::flavor::Flavor;
use crate::gtid::GtidSet;
use crate::offsets::Position;
use crate::{connection, queries};

/// Why the stored position can no longer be read; `None` if it can.
pub(crate) async fn unavailable(
    settings: &Settings,
    flavor: Flavor,
    position: &Position,
) -> Result<Option<String>, BinlogError> {
    let mut conn = connection::open(settings).await?;
    let gtids = position.gtids.as_deref();
    let reason = match (gtids, flavor) {
        (Some(stored), Flavor::MySql) => missing_in_mysql(&mut conn, stored).await?,
        (Some(stored), Flavor::MariaDb) => match missing_in_mariadb(&mut conn, stored).await? {
            None => missing_file(&mut conn, position).await?,
            reason => reason,
        },
        (None, _) => missing_file(&mut conn, position).await?,
    };
    conn.disconnect().await?;
    if let Some(reason) = &reason {
        warn!("{reason}");
    }
    Ok(reason)
}

async fn missing_file(conn: &mut Conn, position: &Position) -> Result<Option<String>, BinlogError> {
    let logs = queries::binary_logs(conn).await?;
    let found = position.file.is_empty() || logs.iter().any(|log| *log == *position.file);
    Ok((!found).then(|| {
        format!(
            "Connector requires binlog file '{}', but server only has {}",
            position.file,
            logs.join(", ")
        )
    }))
}

async fn missing_in_mysql(conn: &mut Conn, stored: &str) -> Result<Option<String>, BinlogError> {
    let status = queries::master_status(conn, Flavor::MySql).await?;
    let server = status.gtids.unwrap_or_default();
    if server.is_empty() {
        return Ok(Some(
            "Connector used GTIDs previously, but server does not know of any GTIDs or they are not enabled".to_owned(),
        ));
    }
    // What the server has and the connector has not must not have been purged.
    let sql = "SELECT GTID_SUBSET(?, ?), GTID_SUBTRACT(GTID_SUBTRACT(?, ?), @@global.gtid_purged) = GTID_SUBTRACT(?, ?)";
    let row: Option<(i64, i64)> = conn
        .exec_first(sql, (stored, &server, &server, stored, &server, stored))
        .await?;
    Ok(match row.unwrap_or((0, 0)) {
        (1, 1) => None,
        (1, _) => Some(format!(
            "Some of the GTIDs needed to replicate have been already purged: connector last known GTIDs are '{stored}'"
        )),
        _ => Some(unknown_gtids(stored, &server)),
    })
}

/// After `RESET MASTER` the numbers begin anew. A server that is asked for one that it has not reached waits for it and
/// passes over everything before.
async fn missing_in_mariadb(conn: &mut Conn, stored: &str) -> Result<Option<String>, BinlogError> {
    let status = queries::master_status(conn, Flavor::MariaDb).await?;
    let server = status.gtids.unwrap_or_default();
    let sets = (
        GtidSet::parse(Flavor::MariaDb, stored),
        GtidSet::parse(Flavor::MariaDb, &server),
    );
    let known = match &sets {
        (Some(stored), Some(server)) => server.contains(stored),
        (Some(stored), None) => stored.is_empty(),
        // The server says what is wrong with it.
        (None, _) => true,
    };
    Ok((!known).then(|| unknown_gtids(stored, &server)))
}

fn unknown_gtids(stored: &str, server: &str) -> String {
    format!("Connector last known GTIDs are '{stored}', but server has '{server}'")
}
