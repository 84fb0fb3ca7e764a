//! Tables that others change while the sink runs: every batch is written by what its table is at that moment.

use anyhow::Result;
use tidegate_api::{SchemaBuilder, SinkRecord, Struct, Value};

use super::case::{Case, structure};

/// What is sent through arrays, and what goes by COPY.
const SIZES: [i64; 2] = [3, 1000];

const INSERT: [(&str, &str); 3] = [
    ("insert.mode", "insert"),
    ("primary.key.mode", "none"),
    ("delete.enabled", "false"),
];
const UPSERT: [(&str, &str); 1] = [("insert.mode", "upsert")];

async fn exec(case: &Case, sql: &str) -> Result<()> {
    case.database.exec(sql).await
}

/// Rows with ids from 0 on and the same `v`.
fn rows(case: &mut Case, count: i64, schema: &SchemaBuilder, value: &Value) -> Vec<SinkRecord> {
    let row = structure(&[("id", SchemaBuilder::int64()), ("v", schema.clone())]);
    let row = |id| {
        Struct::new(
            std::sync::Arc::clone(&row),
            vec![Value::Int64(id), value.clone()],
        )
    };
    (0..count)
        .map(|id| case.record(id, row(id).into()))
        .collect()
}

/// Writes rows, changes the table by `change`, and writes rows again; then `v` is the text of all rows.
async fn check(
    settings: &[(&str, &str)],
    (before, change): (&str, &str),
    (schema, value): (SchemaBuilder, Value),
    expected: &str,
) -> Result<()> {
    for size in SIZES {
        let mut case = Case::start(before, settings, true).await?;
        let batch = rows(&mut case, size, &schema, &value);
        case.task.put(&batch).await?;
        exec(&case, change).await?;
        exec(&case, "TRUNCATE a_orders").await?;
        case.task.put(&batch).await?;
        let count = size.to_string();
        let found = "SELECT count(*)::text, min(v::text), max(v::text) FROM a_orders";
        case.check(found, &[&[&count, expected, expected]]).await?;
        let reports = case.reports.0.lock().expect("no holder panics").clone();
        assert!(reports.is_empty(), "{change}: {:?}", reports.first());
    }
    Ok(())
}

fn table(sql_type: &str) -> String {
    format!("CREATE TABLE a_orders (id bigint PRIMARY KEY, v {sql_type})")
}

fn to(sql_type: &str, using: &str) -> String {
    format!("ALTER TABLE a_orders ALTER v TYPE {sql_type} USING {using}")
}

#[tokio::test]
async fn values_keep_their_meaning_when_a_column_takes_another_type() -> Result<()> {
    let int64 = || (SchemaBuilder::int64(), Value::Int64(7));
    let text = |text: &str| (SchemaBuilder::string(), Value::from(text));
    for settings in [&INSERT[..], &UPSERT] {
        for (from, into, using, sent, expected) in [
            ("bigint", "double precision", "v", int64(), "7"),
            (
                "bigint",
                "timestamp",
                "now()",
                {
                    let micros = SchemaBuilder::int64().name("io.debezium.time.MicroTimestamp");
                    (micros, Value::Int64(0))
                },
                "1970-01-01 00:00:00",
            ),
            (
                "integer",
                "real",
                "v",
                (SchemaBuilder::int32(), Value::Int32(7)),
                "7",
            ),
            ("bigint", "integer", "v", int64(), "7"),
            ("bigint", "numeric", "v", int64(), "7"),
            ("bigint", "text", "v", int64(), "7"),
            ("text", "bytea", "''", text("a"), "\\x61"),
            // A cast to inet would give the text a mask.
            ("inet", "text", "host(v)", text("10.0.0.1"), "10.0.0.1"),
            ("text", "date", "NULL", text("2024-02-29"), "2024-02-29"),
        ] {
            let change = (table(from), to(into, using));
            check(settings, (&change.0, &change.1), sent, expected).await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_type_of_the_users_own_is_found_when_a_column_takes_it() -> Result<()> {
    let text = || (SchemaBuilder::string(), Value::from("b"));
    let mood = "CREATE TYPE mood AS ENUM ('a', 'b');".to_owned() + &table("text");
    let short = "CREATE DOMAIN short AS text CHECK (length(value) < 3);".to_owned() + &table("int");
    let seven = || (SchemaBuilder::int64(), Value::Int64(7));
    for settings in [&INSERT[..], &UPSERT] {
        let change = (mood.as_str(), to("mood", "v::mood"));
        check(settings, (change.0, &change.1), text(), "b").await?;
        let change = (short.as_str(), to("short", "v::text"));
        check(settings, (change.0, &change.1), seven(), "7").await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_table_that_is_made_anew_is_looked_at_anew() -> Result<()> {
    let seven = || (SchemaBuilder::int64(), Value::Int64(7));
    for settings in [&INSERT[..], &UPSERT] {
        for again in [
            "DROP TABLE a_orders; CREATE TABLE a_orders (v double precision, id bigint PRIMARY KEY)",
            "ALTER TABLE a_orders RENAME TO old; CREATE TABLE a_orders (id bigint PRIMARY KEY, v float8)",
            "ALTER TABLE a_orders RENAME v TO w; ALTER TABLE a_orders ADD v float8",
            "CREATE SCHEMA postgres; CREATE TABLE postgres.a_orders (id bigint PRIMARY KEY, v float8)",
        ] {
            check(settings, (&table("bigint"), again), seven(), "7").await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_table_that_becomes_a_view_is_written_through() -> Result<()> {
    let view = "ALTER TABLE a_orders RENAME TO base; ALTER TABLE base ALTER v TYPE float8; \
                CREATE VIEW a_orders AS SELECT id, v FROM base";
    for size in SIZES {
        let mut case = Case::start(&table("bigint"), &INSERT, true).await?;
        let batch = rows(&mut case, size, &SchemaBuilder::int64(), &Value::Int64(7));
        case.task.put(&batch).await?;
        exec(&case, &format!("{view}; TRUNCATE base")).await?;
        case.task.put(&batch).await?;
        let count = size.to_string();
        let found = "SELECT count(*)::text, min(v::text) FROM base";
        case.check(found, &[&[&count, "7"]]).await?;
    }
    Ok(())
}

/// A key of another type is compared as that type, and the delete is not lost.
#[tokio::test]
async fn deletes_find_their_rows_when_the_key_takes_another_type() -> Result<()> {
    for (column, name) in [("text", "text"), ("numeric(20, 2)", "numeric")] {
        let table = "CREATE TABLE a_orders (id bigint PRIMARY KEY, note text)";
        let mut case = Case::start(table, &[], false).await?;
        let batch = [case.row(1, "a"), case.row(2, "b"), case.tombstone(3)];
        case.task.put(&batch).await?;
        exec(
            &case,
            &format!("ALTER TABLE a_orders ALTER id TYPE {column}"),
        )
        .await?;
        let batch = [case.tombstone(1)];
        case.task.put(&batch).await?;
        let found = format!("SELECT id::{name}::text FROM a_orders");
        let expected = if name == "text" { "2" } else { "2.00" };
        case.check(&found, &[&[expected]]).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_column_that_is_no_longer_generated_is_written() -> Result<()> {
    let table = "CREATE TABLE a_orders (id bigint PRIMARY KEY, v bigint GENERATED ALWAYS AS (id * 2) STORED)";
    for settings in [&INSERT[..], &UPSERT] {
        let change = (table, "ALTER TABLE a_orders ALTER v DROP EXPRESSION");
        check(
            settings,
            change,
            (SchemaBuilder::int64(), Value::Int64(7)),
            "7",
        )
        .await?;
    }
    Ok(())
}

/// A row that comes back after a delete does not keep what a column had that was added by hand.
#[tokio::test]
async fn a_column_that_was_added_by_hand_is_reset_by_a_delete() -> Result<()> {
    let table = "CREATE TABLE a_orders (id bigint PRIMARY KEY, note text)";
    let mut case = Case::start(table, &[], false).await?;
    let batch = [case.row(1, "a"), case.tombstone(2)];
    case.task.put(&batch).await?;
    exec(
        &case,
        "ALTER TABLE a_orders ADD mark text; UPDATE a_orders SET mark = 'old'",
    )
    .await?;
    let batch = [case.tombstone(1), case.row(1, "b")];
    case.task.put(&batch).await?;
    let found = "SELECT id::text, note, mark FROM a_orders";
    case.check(found, &[&["1", "b", "NULL"]]).await
}

/// Grants on columns alone do not let the user lock the table; its rows then go through the session's table.
#[tokio::test]
async fn grants_on_columns_are_enough() -> Result<()> {
    let table = "CREATE ROLE {role} LOGIN; CREATE TABLE a_orders (id bigint, v bigint, hidden text); \
                 GRANT INSERT (id, v) ON a_orders TO {role}";
    let mut settings = INSERT.to_vec();
    settings.push(("connection.username", "{role}"));
    let mut case = Case::start(table, &settings, false).await?;
    let batch = rows(&mut case, 1000, &SchemaBuilder::int64(), &Value::Int64(7));
    case.task.put(&batch).await?;
    case.check("SELECT count(*)::text FROM a_orders", &[&["1000"]])
        .await
}

/// The table is changed between the put's look at it and its statement: DDL that waits is always first.
#[tokio::test]
async fn a_change_that_commits_while_the_batch_waits_for_its_lock_is_seen() -> Result<()> {
    for (settings, isolation) in [
        (&INSERT[..], "read committed"),
        (&UPSERT, "read committed"),
        (&UPSERT, "repeatable read"),
    ] {
        for size in SIZES {
            let setup = format!(
                "ALTER DATABASE {{database}} SET default_transaction_isolation = '{isolation}'; {}",
                table("inet")
            );
            let mut case = Case::start(&setup, settings, false).await?;
            let address = Value::from("10.0.0.1");
            let batch = rows(&mut case, size, &SchemaBuilder::string(), &address);
            case.task.put(&batch).await?;
            let mut other = case.database.connect().await?;
            sqlx::raw_sql("BEGIN; TRUNCATE a_orders; ALTER TABLE a_orders ALTER v TYPE text")
                .execute(&mut other)
                .await?;
            let Case { database, task, .. } = &mut case;
            let (put, done) = tokio::join!(task.put(&batch), async {
                waits(database).await?;
                sqlx::raw_sql("COMMIT").execute(&mut other).await?;
                anyhow::Ok(())
            });
            done?;
            put?;
            let count = size.to_string();
            let found = "SELECT count(*)::text, min(v), max(v) FROM a_orders";
            case.check(found, &[&[&count, "10.0.0.1", "10.0.0.1"]])
                .await?;
        }
    }
    Ok(())
}

async fn waits(database: &tidegate_integration_tests::PostgresDatabase) -> Result<()> {
    let deadline = std::time::Duration::from_mins(1);
    tidegate_integration_tests::eventually(deadline, "the task waits for a lock", || async {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let rows = database.rows(waiting).await?;
        anyhow::ensure!(rows[0][0].as_deref() == Some("1"), "{rows:?}");
        Ok(())
    })
    .await
}

/// A batch that is tried again on a table that has changed reports what cannot be written once.
#[tokio::test]
async fn a_record_is_reported_once_though_its_batch_is_tried_twice() -> Result<()> {
    let mut case = Case::start(&table("bigint"), &[], true).await?;
    let key = structure(&[("id", SchemaBuilder::int64().optional())]);
    let key = Struct::new(key, vec![Value::Null]);
    for sql_type in ["numeric", "text", "bigint"] {
        let mut batch = rows(&mut case, 3, &SchemaBuilder::int64(), &Value::Int64(7));
        batch.push(case.keyed(key.clone(), tidegate_api::SchemaAndValue::NULL));
        case.task.put(&batch).await?;
        exec(&case, &to(sql_type, &format!("v::{sql_type}"))).await?;
    }
    let reports = case.reports.0.lock().expect("no holder panics").len();
    assert_eq!(reports, 3);
    Ok(())
}
