//! What the database says of its tables and types.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor as _, Row as _};

use crate::errors::SinkError;
use crate::table::{ExistingColumn, ExistingTable, Reaction, TableName, TableVersion};

/// Of the columns of `pg_attribute` rows, and of the table's triggers and rules: all that statements for a table depend on.
/// `triggers_of` says which oids are of the table and of its partitions.
fn columns_hash(oid: &str, triggers_of: &str) -> String {
    format!(
        "hashtextextended(concat(string_agg(concat_ws(' ', attnum, attname, atttypid, atttypmod, attidentity, attgenerated), ',' ORDER BY attnum), {}, {}), 0)",
        has_triggers(triggers_of),
        has_rules(oid)
    )
}

/// Whether a user's trigger is fired by changes of tables whose oid is so.
fn has_triggers(oid: &str) -> String {
    format!(
        "EXISTS (SELECT FROM pg_trigger WHERE tgrelid {oid} AND NOT tgisinternal AND tgenabled IN ('O', 'A'))"
    )
}

fn has_rules(oid: &str) -> String {
    format!(
        "EXISTS (SELECT FROM pg_rewrite WHERE ev_class = {oid} AND ev_type <> '1' AND ev_enabled IN ('O', 'A'))"
    )
}

/// Looks the table up by its exact name, through the search path if it has no schema; `None` if there is no such table.
pub(crate) async fn describe(
    connection: &mut PgConnection,
    name: &TableName,
) -> Result<Option<ExistingTable>, SinkError> {
    let name = literal(&name.sql());
    let with_partitions = "IN (SELECT c.oid UNION ALL SELECT relid FROM pg_partition_tree(c.oid))";
    let columns_hash = columns_hash("c.oid", with_partitions);
    let has_rules = has_rules("c.oid");
    let has_triggers = has_triggers(with_partitions);
    let sql = format!(
        "WITH t AS (SELECT c.oid, c.relkind, row_security_active(c.oid) AS row_security, has_table_privilege(c.oid, 'INSERT') AS may_lock, \
         (SELECT {columns_hash} FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped) AS columns_hash, \
         c.relkind IN ('v', 'f') OR {has_rules} AS has_rules, {has_triggers} AS has_triggers, \
         (SELECT string_agg(confrelid::int8::text, ' ') FROM pg_constraint WHERE conrelid = c.oid AND contype = 'f') AS parents \
         FROM pg_class c WHERE c.oid = to_regclass({name}) AND c.relkind IN ('r', 'p', 'v', 'f')) \
         SELECT a.attname::text, coalesce(b.typname, t.typname)::text, format_type(a.atttypid, NULL), \
         format_type(a.atttypid, a.atttypmod), a.attidentity::text = 'a', a.attgenerated::text <> '', \
         c.oid::int8, c.columns_hash, c.relkind::text, c.row_security, c.may_lock, c.parents, c.has_rules, c.has_triggers \
         FROM t AS c JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid \
         LEFT JOIN pg_type b ON t.typtype = 'd' AND b.oid = t.typbasetype \
         WHERE a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
    );
    // Without parameters nothing is prepared: it is one message, and a pooler may answer it on any session.
    let rows = connection
        .fetch_all(sqlx::raw_sql(AssertSqlSafe(sql)))
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
        });
        // The same in each row.
        table.version = TableVersion {
            oid: row.try_get(6)?,
            columns_hash: row.try_get(7)?,
        };
        table.relation = row.try_get(8)?;
        table.row_security = row.try_get(9)?;
        table.may_lock = row.try_get(10)?;
        let parents: Option<String> = row.try_get(11)?;
        let parents = parents.unwrap_or_default();
        let parents = parents.split(' ').filter_map(|oid| oid.parse().ok());
        table.parents = parents.collect();
        table.reaction = match (row.try_get(12)?, row.try_get(13)?) {
            (true, _) => Reaction::Rules,
            (false, true) => Reaction::Triggers,
            (false, false) => Reaction::None,
        };
    }
    Ok((!table.columns.is_empty()).then_some(table))
}

/// A condition of SQL that is true as long as a table's columns, triggers and rules are what [`describe`] found, and fails with
/// `undefined_table` (42P01) otherwise: what was bound to the columns must not be used then.
///
/// It holds for a statement that has its lock on the table, which excludes ALTER, and the snapshot of its transaction
/// later than that: those of READ COMMITTED have one for each statement. The database computes it once per statement.
pub(crate) fn unchanged(name: &TableName, table: &ExistingTable) -> String {
    let TableVersion { oid, columns_hash } = table.version;
    // Other kinds of tables have no partitions, and need not have them looked for.
    let triggers_of = if table.relation == "p" {
        format!("IN (SELECT relid FROM pg_partition_tree({oid}))")
    } else {
        format!("= {oid}")
    };
    let hash_now = self::columns_hash(&oid.to_string(), &triggers_of);
    let name = literal(&name.sql());
    format!(
        "(SELECT CASE {IDENTITY}WHEN {hash_now} = {columns_hash} THEN true \
         ELSE format('\"the table as it was, now with %s columns\"', count(*))::regclass IS NULL END \
         FROM pg_attribute WHERE attrelid = {oid} AND attrelid = to_regclass({name}) AND attnum > 0 AND NOT attisdropped)"
    )
}

/// Stands in [`unchanged`] for a further case that [`identified`] may put there.
const IDENTITY: &str = "{identity}";

/// Words of an error of [`identified`] statements.
pub(crate) const OTHER_STATEMENT: &str = "a statement of another session";

/// The statement with a further parameter, the one of this number, and the value for it, which no other statement takes.
///
/// Where a pooler hands sessions around, the name of a prepared statement may be another client's on the session at hand, and
/// rows would go into the other's table.
pub(crate) fn identified(sql: &str, parameter: usize) -> (String, i64) {
    let mut hasher = DefaultHasher::new();
    sql.hash(&mut hasher);
    let identity = hasher.finish().cast_signed();
    let case = format!(
        "WHEN ${parameter}::int8 <> '{identity}' THEN ('\"{OTHER_STATEMENT}\"' || left(${parameter}::int8::text, 0))::regclass IS NULL "
    );
    (sql.replace(IDENTITY, &case), identity)
}

/// A statement that is not prepared.
pub(crate) fn unidentified(sql: &str) -> String {
    sql.replace(IDENTITY, "")
}

/// A text between quotes. `E''` reads backslashes alike whatever `standard_conforming_strings` is.
fn literal(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('\'', "''");
    format!("E'{text}'")
}

/// Whether the database has a type of this name: those of extensions may be missing.
pub(crate) async fn has_type(connection: &mut PgConnection, name: &str) -> Result<bool, SinkError> {
    let sql = format!("SELECT to_regtype({}) IS NOT NULL", literal(name));
    let row = connection
        .fetch_one(sqlx::raw_sql(AssertSqlSafe(sql)))
        .await?;
    Ok(row.try_get(0)?)
}
