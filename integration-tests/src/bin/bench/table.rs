//! The table that is measured with: eleven columns of the usual kinds.

use anyhow::Result;
use mysql_async::prelude::Queryable as _;
use tidegate_integration_tests::MySqlServer;

pub(crate) const DATABASE: &str = "bench";
/// Rows that are there before a connector comes.
pub(crate) const ORDERS: &str = "orders";
/// Rows that are written while a connector is stopped.
pub(crate) const CHANGES: &str = "changes";
/// Rows that are written while it runs.
pub(crate) const LIVE: &str = "live";

/// Rows of one transaction.
pub(crate) const TRANSACTION_ROWS: u64 = 200_000;

pub(crate) const COLUMNS: &str =
    "id, customer, email, amount, weight, active, country, due, placed, changed, note";

const DEFINITION: &str = "(id BIGINT PRIMARY KEY, customer VARCHAR(40) NOT NULL, email VARCHAR(80) NOT NULL, \
     amount DECIMAL(12,2) NOT NULL, weight DOUBLE NOT NULL, active TINYINT NOT NULL, country CHAR(2) NOT NULL, \
     due DATE NOT NULL, placed DATETIME(3) NOT NULL, changed TIMESTAMP(6) NOT NULL DEFAULT '2020-01-01 00:00:00', \
     note TEXT) CHARACTER SET utf8mb4";

/// Values of a row as expressions of its number `seq`.
pub(crate) const EXPRESSIONS: &str = "CAST(seq AS SIGNED), CONCAT('Customer number ', seq), CONCAT('customer', seq, '@example.com'), \
     (CAST(seq * 7919 % 2000000 AS SIGNED) - 1000000) / 100, seq / 7e0, seq % 2, ELT(1 + seq % 4, 'PT', 'DE', 'SE', 'ÅL'), \
     '2000-01-01' + INTERVAL seq % 9000 DAY, '2020-01-01' + INTERVAL seq * 1013 * 1000 MICROSECOND, \
     '2021-01-01' + INTERVAL seq * 10007 MICROSECOND, \
     IF(seq % 3 = 0, NULL, CONCAT('To be delivered before noon, number ', seq, '; ring \"twice\"'))";

pub(crate) async fn create(server: &MySqlServer, table: &str) -> Result<()> {
    server
        .exec(
            "",
            &format!(
                "CREATE DATABASE IF NOT EXISTS {DATABASE}; CREATE TABLE {DATABASE}.{table} {DEFINITION}"
            ),
        )
        .await
}

/// Rows 1 to `rows`, in transactions of [`TRANSACTION_ROWS`].
pub(crate) async fn fill(server: &MySqlServer, table: &str, rows: u64) -> Result<()> {
    let mut from = 1;
    while from <= rows {
        let to = rows.min(from + TRANSACTION_ROWS - 1);
        insert(server, table, from, to).await?;
        from = to + 1;
    }
    Ok(())
}

/// Rows `from` to `to` in one transaction.
pub(crate) async fn insert(server: &MySqlServer, table: &str, from: u64, to: u64) -> Result<()> {
    let sql = format!(
        "SET time_zone = '+00:00'; INSERT INTO {table} ({COLUMNS}) SELECT {EXPRESSIONS} FROM seq_{from}_to_{to}"
    );
    server.exec(DATABASE, &sql).await
}

/// Changes rows 1 to `rows`, each in a transaction of its own.
pub(crate) async fn update_one_by_one(server: &MySqlServer, table: &str, rows: u64) -> Result<()> {
    let mut connection = server.connect(DATABASE).await?;
    connection
        .query_drop(format!(
            "BEGIN NOT ATOMIC FOR number IN 1 .. {rows} DO \
             UPDATE {table} SET amount = amount + 1, active = 1 - active, changed = changed + INTERVAL 1 SECOND WHERE id = number; \
             END FOR; END"
        ))
        .await?;
    Ok(connection.disconnect().await?)
}
