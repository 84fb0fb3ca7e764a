//! Whether a stored position can still be read from the server.
//!
//! Source: Debezium `BinlogSourceTask`.

use mysql_async::Row;
use tracing::warn;

use crate::errors::BinlogError;
use crate::offsets::Position;
use tidegate_mysql::connection::Server;
use tidegate_mysql::gtid::GtidSet;
use tidegate_mysql::sessions::Session;
use tidegate_mysql::{Flavor, queries};

/// Why the stored position can no longer be read; `None` if it can.
pub(crate) async fn unavailable(
    server: &Server,
    flavor: Flavor,
    position: &Position,
) -> Result<Option<String>, BinlogError> {
    let mut conn = server.open().await?;
    let gtids = position.gtids.as_deref();
    let reason = match (gtids, flavor) {
        (Some(stored), Flavor::MySql) => missing_in_mysql(&mut conn, stored).await?,
        (Some(stored), Flavor::MariaDb) => missing_in_mariadb(&mut conn, stored).await?,
        (None, _) => missing_file(&mut conn, position).await?,
    };
    conn.disconnect().await;
    if let Some(reason) = &reason {
        warn!("{reason}");
    }
    Ok(reason)
}

async fn missing_file(
    conn: &mut Session,
    position: &Position,
) -> Result<Option<String>, BinlogError> {
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

async fn missing_in_mysql(conn: &mut Session, stored: &str) -> Result<Option<String>, BinlogError> {
    let status = queries::master_status(conn, Flavor::MySql).await?;
    let status = status.ok_or(BinlogError::NoBinlog)?;
    let server = status.gtids.unwrap_or_default();
    if server.is_empty() {
        return Ok(Some(
            "Connector used GTIDs previously, but server does not know of any GTIDs or they are not enabled".to_owned(),
        ));
    }
    // What the server has and the connector has not must not have been purged.
    let sql = "SELECT GTID_SUBSET(?, ?), GTID_SUBTRACT(GTID_SUBTRACT(?, ?), @@global.gtid_purged) = GTID_SUBTRACT(?, ?)";
    let row: Option<Row> = conn
        .exec_first(sql, (stored, &server, &server, stored, &server, stored))
        .await?;
    let flag = |index: usize| row.as_ref()?.get_opt::<i64, usize>(index)?.ok();
    Ok(match (flag(0).unwrap_or(0), flag(1).unwrap_or(0)) {
        (1, 1) => None,
        (1, _) => Some(format!(
            "Some of the GTIDs needed to replicate have been already purged: connector last known GTIDs are '{stored}'"
        )),
        _ => Some(unknown_gtids(stored, &server)),
    })
}

/// File and position are not asked for: after a failover they are those of another server.
async fn missing_in_mariadb(
    conn: &mut Session,
    stored: &str,
) -> Result<Option<String>, BinlogError> {
    let status = queries::master_status(conn, Flavor::MariaDb).await?;
    let status = status.ok_or(BinlogError::NoBinlog)?;
    let server = status.gtids.unwrap_or_default();
    // The server says what is wrong with a set that is none.
    let Some(set) = GtidSet::parse(Flavor::MariaDb, stored) else {
        return Ok(None);
    };
    // After `RESET MASTER` the numbers begin anew. A server that is asked for one that it has not reached waits for it and
    // passes over everything before.
    let is_known = GtidSet::parse(Flavor::MariaDb, &server).is_none_or(|all| all.contains(&set));
    if !is_known {
        return Ok(Some(unknown_gtids(stored, &server)));
    }
    let Some(first) = queries::binary_logs(conn).await?.into_iter().next() else {
        return Ok(None);
    };
    let before_first = queries::gtids_before(conn, &first).await?;
    let has_all =
        GtidSet::parse(Flavor::MariaDb, &before_first).is_none_or(|gone| set.contains(&gone));
    Ok((!has_all).then(|| {
        format!(
            "Connector last known GTIDs are '{stored}', but the server's first binlog file '{first}' begins after '{before_first}': those between have been purged"
        )
    }))
}

fn unknown_gtids(stored: &str, server: &str) -> String {
    format!("Connector last known GTIDs are '{stored}', but server has '{server}'")
}
