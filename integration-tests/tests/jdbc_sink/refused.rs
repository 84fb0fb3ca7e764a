//! Rows that the database refuses, and what is tried again.

use anyhow::Result;
use tidegate_api::{ConnectError, SinkRecord};

use super::case::{ALL, Case};

#[tokio::test]
async fn a_bad_row_is_named_and_the_others_are_written() -> Result<()> {
    let table = "CREATE TABLE a_orders (id int PRIMARY KEY, note varchar(5))";
    let mut case = Case::start(table, &[], true).await?;
    let batch: Vec<_> = (0..1000)
        .map(|id| case.row(id, if id == 617 { "too long" } else { "ok" }))
        .collect();
    case.task.put(&batch).await?;
    case.check("SELECT count(*)::text FROM a_orders", &[&["999"]])
        .await?;
    let reports = case.reports.0.lock().expect("no holder panics");
    let [(618, text)] = reports.as_slice() else {
        panic!("{reports:?}");
    };
    for part in [
        "table a_orders",
        "column note",
        "id=617",
        "a.Orders-0@618",
        "22001",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    Ok(())
}

#[tokio::test]
async fn without_a_reporter_a_bad_row_fails_the_task_and_nothing_is_written() -> Result<()> {
    let table = "CREATE TABLE a_orders (id int PRIMARY KEY, note text, must int NOT NULL)";
    let mut case = Case::start(table, &[], false).await?;
    let batch = [case.row(1, "a"), case.row(2, "b")];
    let error = case.task.put(&batch).await.expect_err("a null").chain();
    assert!(
        error.contains("id=1") && error.contains("Give the column a default"),
        "{error}"
    );
    assert!(error.contains("\"must\""), "{error}");
    case.check(ALL, &[]).await
}

#[tokio::test]
async fn tables_of_the_session_outlive_a_batch_that_is_rolled_back() -> Result<()> {
    let table = "CREATE TABLE a_orders (id bigint PRIMARY KEY, note varchar(5))";
    let mut case = Case::start(table, &[], true).await?;
    for _ in 0..2 {
        let batch: Vec<_> = (0..1000)
            .map(|id| case.row(id, if id % 400 == 7 { "too long" } else { "ok" }))
            .collect();
        case.task.put(&batch).await?;
    }
    // The table changes behind the task's back.
    let change = "ALTER TABLE a_orders RENAME COLUMN note TO old";
    case.database.exec(change).await?;
    for _ in 0..2 {
        let batch: Vec<_> = (0..1000).map(|id| case.row(id, "new")).collect();
        case.task.put(&batch).await?;
    }
    assert_eq!(case.reports.0.lock().expect("no holder panics").len(), 6);
    case.check(
        "SELECT count(*)::text, max(note) FROM a_orders",
        &[&["1000", "new"]],
    )
    .await
}

#[tokio::test]
async fn a_bad_row_is_found_where_rows_are_copied_into_the_table() -> Result<()> {
    let table = "CREATE TABLE a_orders (id bigint, note varchar(5))";
    let settings = [("insert.mode", "insert"), ("primary.key.mode", "none")];
    let settings = [settings[0], settings[1], ("delete.enabled", "false")];
    let mut case = Case::start(table, &settings, true).await?;
    let batch: Vec<_> = (0..2000)
        .map(|id| case.row(id, if id == 1999 { "too long" } else { "ok" }))
        .collect();
    case.task.put(&batch).await?;
    case.check(
        "SELECT count(*)::text, count(DISTINCT id)::text FROM a_orders",
        &[&["1999", "1999"]],
    )
    .await?;
    let reports = case.reports.0.lock().expect("no holder panics");
    assert!(
        matches!(reports.as_slice(), [(2000, text)] if text.contains("column note")),
        "{reports:?}"
    );
    Ok(())
}

#[tokio::test]
async fn locks_and_killed_sessions_are_tried_again() -> Result<()> {
    let table = "CREATE TABLE a_orders (id bigint PRIMARY KEY, note text); ALTER DATABASE {database} SET lock_timeout = '100ms'";
    let mut case = Case::start(table, &[], true).await?;
    let locking = async |case: &mut Case, batch: &[SinkRecord]| -> Result<ConnectError> {
        let mut connection = case.database.connect().await?;
        let mut lock = sqlx::Connection::begin(&mut connection).await?;
        sqlx::raw_sql("LOCK TABLE a_orders")
            .execute(&mut *lock)
            .await?;
        Ok(case.task.put(batch).await.expect_err("the lock"))
    };
    let batch = [case.row(1, "a")];
    let error = locking(&mut case, &batch).await?;
    assert_eq!(error.kind(), tidegate_api::ErrorKind::Retriable, "{error}");
    case.task.put(&batch).await?;
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()";
    case.database.exec(kill).await?;
    let batch: Vec<_> = (0..1000).map(|id| case.row(id, "b")).collect();
    case.task.put(&batch).await?;
    assert!(case.reports.0.lock().expect("no holder panics").is_empty());
    case.check(
        "SELECT count(*)::text, min(note) FROM a_orders",
        &[&["1000", "b"]],
    )
    .await
}

#[tokio::test]
async fn a_put_that_fails_leaves_nothing_behind() -> Result<()> {
    let table = "CREATE TABLE a_orders (id bigint PRIMARY KEY, note varchar(5))";
    let settings = [("insert.mode", "insert"), ("batch.size", "100")];
    let mut case = Case::start(table, &settings, false).await?;
    let mut batch: Vec<_> = (0..999).map(|id| case.row(id, "ok")).collect();
    batch.push(case.row(999, "too long"));
    let error = case.task.put(&batch).await.expect_err("too long").chain();
    assert!(error.contains("id=999"), "{error}");
    case.check("SELECT count(*)::text FROM a_orders", &[&["0"]])
        .await
}

#[tokio::test]
async fn rows_that_an_index_or_a_trigger_refuses_are_found() -> Result<()> {
    let table = "CREATE TABLE a_orders (id bigint PRIMARY KEY, note text); CREATE INDEX ON a_orders (note); \
                 CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                 IF NEW.note = 'bad' THEN RAISE EXCEPTION 'not today'; END IF; RETURN NEW; END $$; \
                 CREATE TRIGGER no BEFORE INSERT ON a_orders FOR EACH ROW EXECUTE FUNCTION no()";
    let mut case = Case::start(table, &[], true).await?;
    // Nothing that could be compressed.
    let mut state = 1_u32;
    let long: String = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'!' + u8::try_from((state >> 24) % 90).unwrap_or(0))
    })
    .take(20_000)
    .collect();
    let batch = [
        case.row(1, "a"),
        case.row(2, &long),
        case.row(3, "bad"),
        case.row(4, "b"),
    ];
    case.task.put(&batch).await?;
    case.check(ALL, &[&["1", "a"], &["4", "b"]]).await?;
    let reports = case.reports.0.lock().expect("no holder panics").clone();
    let [(2, index), (3, trigger)] = reports.as_slice() else {
        panic!("{reports:?}");
    };
    assert!(index.contains("id=2") && index.contains("54000"), "{index}");
    assert!(
        trigger.contains("id=3") && trigger.contains("not today [SQLSTATE P0001]"),
        "{trigger}"
    );
    Ok(())
}

#[tokio::test]
async fn a_put_of_few_large_rows_that_fails_leaves_nothing_behind() -> Result<()> {
    let table = "CREATE TABLE a_orders (id bigint PRIMARY KEY, note text); INSERT INTO a_orders VALUES (7, 'old')";
    let mut case = Case::start(table, &[("insert.mode", "insert")], false).await?;
    let large = "x".repeat(7 << 20);
    let batch = [
        case.row(1, &large),
        case.row(2, &large),
        case.row(7, &large),
    ];
    let error = case
        .task
        .put(&batch)
        .await
        .expect_err("a duplicate")
        .chain();
    assert!(error.contains("id=7"), "{error}");
    case.check(ALL, &[&["7", "old"]]).await
}
