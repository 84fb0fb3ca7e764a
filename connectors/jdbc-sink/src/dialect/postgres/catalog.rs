//! What the database says of its tables and types.

use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use crate::errors::SinkError;
use crate::table::{ExistingColumn, ExistingTable, TableName};

/// Looks the table up by its exact name, through the search path if it has no schema; `None` if there is no such table.
pub(crate) async fn describe(
    connection: &mut PgConnection,
    name: &TableName,
) -> Result<Option<ExistingTable>, SinkError> {
    const SQL: &str = "SELECT a.attname::text, coalesce(b.typname, t.typname)::text, format_type(a.atttypid, NULL), \
                       format_type(a.atttypid, a.atttypmod), a.attidentity::text = 'a', a.attgenerated::text <> '', \
                       a.attnotnull, c.relkind::text, row_security_active(c.oid) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid \
                       JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_type b ON t.typtype = 'd' AND b.oid = t.typbasetype \
                       WHERE c.oid = to_regclass($1) AND c.relkind IN ('r', 'p', 'v', 'f') AND a.attnum > 0 \
                       AND NOT a.attisdropped ORDER BY a.attnum";
    let rows = sqlx::query(SQL)
        .bind(name.sql())
        .fetch_all(connection)
        .await?;
    let mut table = ExistingTable::default();
    for row in rows {
        table.columns.push(ExistingColumn {
            name: row.try_get(0)?,
            base_type: row.try_get(1)?,
            cast: row.try_get(2)?,
            sql_type: row.try_get(3)?,
            always_identity: row.try_get(4)?,
            generated: row.try_get(5)?,
            not_null: row.try_get(6)?,
        });
        // The same in each row.
        table.relation = row.try_get(7)?;
        table.row_security = row.try_get(8)?;
    }
    Ok((!table.columns.is_empty()).then_some(table))
}

/// Whether the database has a type of this name: those of extensions may be missing.
pub(crate) async fn has_type(connection: &mut PgConnection, name: &str) -> Result<bool, SinkError> {
    let sql = "SELECT to_regtype($1) IS NOT NULL";
    Ok(sqlx::query_scalar(sql)
        .bind(name)
        .fetch_one(connection)
        .await?)
}
