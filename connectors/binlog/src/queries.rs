//! What a connector asks of the server.

use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;

use crate::errors::BinlogError;
use crate::flavor::Flavor;

/// A name in back-quotes.
pub(crate) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A global variable; `None` if the server does not have it.
pub(crate) async fn variable(conn: &mut Conn, name: &str) -> Result<Option<String>, BinlogError> {
    let row: Option<(String, String)> = conn
        .query_first(format!("SHOW GLOBAL VARIABLES LIKE '{name}'"))
        .await?;
    Ok(row.map(|(_, value)| value))
}

/// Where the server writes now.
#[derive(Debug, Clone, Default)]
pub(crate) struct MasterStatus {
    pub(crate) file: String,
    pub(crate) pos: u64,
    pub(crate) gtids: Option<String>,
}

pub(crate) async fn master_status(
    conn: &mut Conn,
    flavor: Flavor,
) -> Result<MasterStatus, BinlogError> {
    let row: Option<mysql_async::Row> = match conn.query_first("SHOW MASTER STATUS").await {
        Ok(row) => row,
        // The name since MySQL 8.4.
        Err(mysql_async::Error::Server(error)) if error.code == 1064 => {
            conn.query_first("SHOW BINARY LOG STATUS").await?
        }
        Err(error) => return Err(error.into()),
    };
    let row = row.ok_or(BinlogError::NoBinlog)?;
    let text = |index: usize| row.get_opt::<String, usize>(index).and_then(Result::ok);
    let gtids = match flavor {
        Flavor::MySql => text(4)
            .map(|set| set.replace(['\n', ' '], ""))
            .filter(|set| !set.is_empty()),
        Flavor::MariaDb => variable(conn, "GTID_BINLOG_POS")
            .await?
            .filter(|set| !set.is_empty()),
    };
    Ok(MasterStatus {
        file: text(0).unwrap_or_default(),
        pos: row
            .get_opt::<u64, usize>(1)
            .and_then(Result::ok)
            .unwrap_or(4),
        gtids,
    })
}

/// Names of the binary logs that are still there.
pub(crate) async fn binary_logs(conn: &mut Conn) -> Result<Vec<String>, BinlogError> {
    let rows: Vec<mysql_async::Row> = conn.query("SHOW BINARY LOGS").await?;
    Ok(rows
        .iter()
        .filter_map(|row| row.get_opt::<String, usize>(0)?.ok())
        .collect())
}

/// MariaDB's transactions before a binary log: the last one of each domain; empty if there are none.
pub(crate) async fn gtids_before(conn: &mut Conn, file: &str) -> Result<String, BinlogError> {
    let set: Option<Option<String>> = conn
        .exec_first("SELECT BINLOG_GTID_POS(?, 4)", (file,))
        .await?;
    Ok(set.flatten().unwrap_or_default())
}

/// Tables of all databases but the server's own, without views.
pub(crate) async fn tables(
    conn: &mut Conn,
    builtin: &[&str],
) -> Result<Vec<(String, String)>, BinlogError> {
    let databases: Vec<String> = conn.query("SHOW DATABASES").await?;
    let mut tables = Vec::new();
    for database in databases
        .into_iter()
        .filter(|name| !builtin.iter().any(|b| b.eq_ignore_ascii_case(name)))
    {
        let rows: Vec<(String, String)> = conn
            .query(format!(
                "SHOW FULL TABLES IN {} WHERE Table_Type IN ('BASE TABLE', 'SYSTEM VERSIONED')",
                quoted(&database)
            ))
            .await?;
        tables.extend(rows.into_iter().map(|(name, _)| (database.clone(), name)));
    }
    Ok(tables)
}

pub(crate) async fn show_create_table(
    conn: &mut Conn,
    database: &str,
    table: &str,
) -> Result<String, BinlogError> {
    let sql = format!("SHOW CREATE TABLE {}.{}", quoted(database), quoted(table));
    let row: Option<(String, String)> = conn.query_first(sql).await?;
    row.map(|(_, text)| text)
        .ok_or_else(|| BinlogError::Server(format!("Table '{database}.{table}' has no definition")))
}

/// Charset and collation of a database.
pub(crate) async fn database_charset(
    conn: &mut Conn,
    database: &str,
) -> Result<Option<(String, String)>, BinlogError> {
    let sql = "SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?";
    Ok(conn.exec_first(sql, (database,)).await?)
}
