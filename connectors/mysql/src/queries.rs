//! What is asked of the server.

use mysql_async::{Row, Value};
use tidegate_relational::TableId;

use crate::Flavor;
use crate::MySqlError;
use crate::sessions::{Session, SessionId};

/// A name in back-quotes.
pub fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A table's name with its database's.
pub fn quoted_id(id: &TableId) -> String {
    let parts: Vec<String> = id.parts().map(quoted).collect();
    parts.join(".")
}

/// A cell as text, bytes that are not UTF-8 replaced; `None` for NULL and for a cell that the row does not have.
///
/// The client library's own conversions panic on such bytes, which a definition may contain: MariaDB prints the bytes of a
/// binary default as they are.
fn text(row: &Row, index: usize) -> Option<String> {
    match row.as_ref(index)? {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        number => Some(number.as_sql(true)),
    }
}

/// A global variable; `None` if the server does not have it.
pub async fn variable(conn: &mut Session, name: &str) -> Result<Option<String>, MySqlError> {
    let row: Option<Row> = conn
        .query_first(format!("SHOW GLOBAL VARIABLES LIKE '{name}'"))
        .await?;
    Ok(row.and_then(|row| text(&row, 1)))
}

/// A session as the server lists it; `None` if the server does not tell.
pub async fn own_session(conn: &mut Session) -> Result<Option<SessionId>, MySqlError> {
    let sql = "SELECT ID, HOST FROM information_schema.PROCESSLIST WHERE ID = CONNECTION_ID()";
    let row: Option<Row> = match conn.query_first(sql).await {
        Ok(row) => row,
        Err(mysql_async::Error::Server(_)) => None,
        Err(error) => return Err(error.into()),
    };
    Ok(row.and_then(|row| {
        Some(SessionId {
            number: text(&row, 0)?.parse().ok()?,
            host: text(&row, 1)?,
        })
    }))
}

/// Ends a session; `false` if it has ended already.
pub async fn kill(conn: &mut Session, id: &SessionId) -> Result<bool, MySqlError> {
    let listed = "SELECT ID FROM information_schema.PROCESSLIST WHERE ID = ? AND HOST = ?";
    let found: Option<Row> = conn.exec_first(listed, (id.number, &id.host)).await?;
    if found.is_none() {
        return Ok(false);
    }
    match conn.query_drop(format!("KILL {}", id.number)).await {
        Ok(()) => Ok(true),
        Err(mysql_async::Error::Server(error)) if error.code == ER_NO_SUCH_THREAD => Ok(false),
        Err(error) => Err(error.into()),
    }
}

const ER_NO_SUCH_THREAD: u16 = 1094;

/// Where the server writes its log.
#[derive(Debug, Clone, Default)]
pub struct MasterStatus {
    pub file: String,
    pub pos: u64,
    pub gtids: Option<String>,
}

/// Where the server writes now; `None` if it writes no log, or does not tell this user.
pub async fn master_status(
    conn: &mut Session,
    flavor: Flavor,
) -> Result<Option<MasterStatus>, MySqlError> {
    let row: Option<Row> = match conn.query_first("SHOW MASTER STATUS").await {
        Ok(row) => row,
        // The name since MySQL 8.4.
        Err(mysql_async::Error::Server(error)) if error.code == 1064 => {
            conn.query_first("SHOW BINARY LOG STATUS").await?
        }
        Err(error) => return Err(error.into()),
    };
    let Some(row) = row else {
        return Ok(None);
    };
    let gtids = match flavor {
        Flavor::MySql => text(&row, 4)
            .map(|set| set.replace(['\n', ' '], ""))
            .filter(|set| !set.is_empty()),
        Flavor::MariaDb => variable(conn, "GTID_BINLOG_POS")
            .await?
            .filter(|set| !set.is_empty()),
    };
    Ok(Some(MasterStatus {
        file: text(&row, 0).unwrap_or_default(),
        pos: text(&row, 1).and_then(|pos| pos.parse().ok()).unwrap_or(4),
        gtids,
    }))
}

/// MySQL's transactions whose logs are gone.
pub async fn gtid_purged(conn: &mut Session) -> Result<Option<String>, MySqlError> {
    let row: Option<Row> = conn.query_first("SELECT @@global.gtid_purged").await?;
    Ok(row.and_then(|row| text(&row, 0)))
}

/// The server's clock, in whole seconds since 1970.
pub async fn unix_seconds(conn: &mut Session) -> Result<i64, MySqlError> {
    let row: Option<Row> = conn.query_first("SELECT UNIX_TIMESTAMP()").await?;
    let seconds = row.and_then(|row| text(&row, 0)?.parse().ok());
    Ok(seconds.unwrap_or(0))
}

/// Names of the binary logs that are still there.
pub async fn binary_logs(conn: &mut Session) -> Result<Vec<String>, MySqlError> {
    let rows: Vec<Row> = conn.query("SHOW BINARY LOGS").await?;
    Ok(rows.iter().filter_map(|row| text(row, 0)).collect())
}

/// MariaDB's transactions before a binary log: the last one of each domain; empty if there are none.
pub async fn gtids_before(conn: &mut Session, file: &str) -> Result<String, MySqlError> {
    let row: Option<Row> = conn
        .exec_first("SELECT BINLOG_GTID_POS(?, 4)", (file,))
        .await?;
    Ok(row.and_then(|row| text(&row, 0)).unwrap_or_default())
}

pub async fn databases(conn: &mut Session) -> Result<Vec<String>, MySqlError> {
    let rows: Vec<Row> = conn.query("SHOW DATABASES").await?;
    Ok(rows.iter().filter_map(|row| text(row, 0)).collect())
}

/// Tables of a database, without views.
pub async fn tables(conn: &mut Session, database: &str) -> Result<Vec<String>, MySqlError> {
    let sql = format!(
        "SHOW FULL TABLES IN {} WHERE Table_Type IN ('BASE TABLE', 'SYSTEM VERSIONED')",
        quoted(database)
    );
    let rows: Vec<Row> = conn.query(sql).await?;
    Ok(rows.iter().filter_map(|row| text(row, 0)).collect())
}

/// The statement that makes a table.
pub async fn show_create_table(conn: &mut Session, id: &TableId) -> Result<String, MySqlError> {
    let sql = format!("SHOW CREATE TABLE {}", quoted_id(id));
    let row: Option<Row> = conn.query_first(sql).await?;
    row.and_then(|row| text(&row, 1))
        .ok_or_else(|| MySqlError::Server(format!("Table '{id}' has no definition")))
}

/// The character sets of collations by their numbers.
pub async fn collations(
    conn: &mut Session,
    flavor: Flavor,
) -> Result<Vec<(u16, String)>, MySqlError> {
    let table = match flavor {
        // COLLATIONS has no numbers of those that belong to several character sets.
        Flavor::MariaDb => "COLLATION_CHARACTER_SET_APPLICABILITY",
        Flavor::MySql => "COLLATIONS",
    };
    let columns = "ID, CHARACTER_SET_NAME";
    let sql = |table: &str| format!("SELECT {columns} FROM information_schema.{table}");
    let rows: Vec<Row> = match conn.query(sql(table)).await {
        Ok(rows) => rows,
        // Servers before MariaDB 10.10.
        Err(mysql_async::Error::Server(error)) if error.code == ER_BAD_FIELD => {
            conn.query(sql("COLLATIONS")).await?
        }
        Err(error) => return Err(error.into()),
    };
    let named = |row: &Row| Some((text(row, 0)?.parse().ok()?, text(row, 1)?));
    Ok(rows.iter().filter_map(named).collect())
}

const ER_BAD_FIELD: u16 = 1054;

/// Each database and its charset.
pub async fn database_charsets(conn: &mut Session) -> Result<Vec<(String, String)>, MySqlError> {
    let sql = "SELECT SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME FROM information_schema.SCHEMATA";
    let rows: Vec<Row> = conn.query(sql).await?;
    let named = |row: &Row| text(row, 0).zip(text(row, 1));
    Ok(rows.iter().filter_map(named).collect())
}

/// Charset and collation of a database.
pub async fn database_charset(
    conn: &mut Session,
    database: &str,
) -> Result<Option<(String, String)>, MySqlError> {
    let sql = "SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?";
    let row: Option<Row> = conn.exec_first(sql, (database,)).await?;
    Ok(row.and_then(|row| text(&row, 0).zip(text(&row, 1))))
}
