//! What the database refuses and how the server fails: each with the text that leads to the cure.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sqlx::Connection as _;
use tidegate_api::{ErrorKind, SchemaBuilder, SinkRecord, Struct, Value};
use tidegate_integration_tests::{PostgresDatabase, PostgresOptions, eventually};

use super::case::{ALL, Case, database, masked, of_topic, own_server, structure};

const DEADLINE: Duration = Duration::from_mins(2);

/// A row that a table refuses, and the task's whole error.
async fn check_row(setup: &str, expected: &str) -> Result<()> {
    let mut case = Case::start(setup, &[], false).await?;
    let batch = [case.row(1, "a"), case.row(2, "value")];
    let refused = case.refused(&batch).await;
    assert_eq!(refused, (ErrorKind::Data, expected.to_owned()));
    // What came with it is not written either: the offsets are not committed.
    case.check(
        "SELECT count(*)::text FROM a_orders WHERE id = 2",
        &[&["0"]],
    )
    .await
}

/// A batch that the server refuses as a whole.
async fn check_batch(
    setup: &str,
    settings: &[(&str, &str)],
    expected: (ErrorKind, &str),
) -> Result<()> {
    let mut case = Case::start(setup, settings, true).await?;
    let batch = [case.row(1, "a"), case.row(2, "b")];
    let (kind, text) = case.refused(&batch).await;
    assert_eq!((kind, text.as_str()), expected);
    assert!(case.reports.0.lock().expect("no holder panics").is_empty());
    Ok(())
}

#[tokio::test]
async fn a_column_of_another_type_is_named() -> Result<()> {
    check_row(
        "CREATE TABLE a_orders (id bigint PRIMARY KEY, note date)",
        "JDBC sink connector failure: sink-0: table a_orders, column note: the row with key id=1 (record at a.Orders-0@1) is refused: invalid input syntax for type date: \"a\" [SQLSTATE 22007]. Correct the row at its source or the table, or let such records go to a dead letter queue (errors.tolerance=all, errors.deadletterqueue.topic.name)",
    )
    .await
}

#[tokio::test]
async fn a_foreign_key_is_named() -> Result<()> {
    check_row(
        "CREATE TABLE notes (note text PRIMARY KEY); INSERT INTO notes VALUES ('a'); \
         CREATE TABLE a_orders (id bigint PRIMARY KEY, note text REFERENCES notes)",
        "JDBC sink connector failure: sink-0: table a_orders, column note: the row with key id=2 (record at a.Orders-0@2) is refused: insert or update on table \"a_orders\" violates foreign key constraint \"a_orders_note_fkey\" (Key (note)=(value) is not present in table \"notes\".) [SQLSTATE 23503]. Let the same task write the table that is referred to, or drop the constraint. Correct the row at its source or the table, or let such records go to a dead letter queue (errors.tolerance=all, errors.deadletterqueue.topic.name)",
    )
    .await
}

#[tokio::test]
async fn a_column_that_must_not_be_null_is_named() -> Result<()> {
    check_row(
        "CREATE TABLE a_orders (id bigint PRIMARY KEY, note text, must int NOT NULL)",
        "JDBC sink connector failure: sink-0: table a_orders, column must: the row with key id=1 (record at a.Orders-0@1) is refused: null value in column \"must\" of relation \"a_orders\" violates not-null constraint [SQLSTATE 23502]. Give the column a default or let it be null, or send the field. Correct the row at its source or the table, or let such records go to a dead letter queue (errors.tolerance=all, errors.deadletterqueue.topic.name)",
    )
    .await
}

#[tokio::test]
async fn a_value_that_is_there_already_is_named() -> Result<()> {
    check_row(
        "CREATE TABLE a_orders (id bigint PRIMARY KEY, note text UNIQUE); INSERT INTO a_orders VALUES (7, 'value')",
        "JDBC sink connector failure: sink-0: table a_orders, column note: the row with key id=2 (record at a.Orders-0@2) is refused: duplicate key value violates unique constraint \"a_orders_note_key\" (Key (note)=(value) already exists.) [SQLSTATE 23505]. Correct the row at its source or the table, or let such records go to a dead letter queue (errors.tolerance=all, errors.deadletterqueue.topic.name)",
    )
    .await
}

#[tokio::test]
async fn a_value_that_is_too_long_is_named() -> Result<()> {
    check_row(
        "CREATE TABLE a_orders (id bigint PRIMARY KEY, note varchar(3))",
        "JDBC sink connector failure: sink-0: table a_orders, column note: the row with key id=2 (record at a.Orders-0@2) is refused: value too long for type character varying(3) [SQLSTATE 22001]. Correct the row at its source or the table, or let such records go to a dead letter queue (errors.tolerance=all, errors.deadletterqueue.topic.name)",
    )
    .await
}

#[tokio::test]
async fn a_number_that_is_too_large_is_named() -> Result<()> {
    let table = "CREATE TABLE a_orders (id smallint PRIMARY KEY, note text)";
    let mut case = Case::start(table, &[], false).await?;
    let batch = [case.row(1, "a"), case.row(70_000, "b")];
    let refused = case.refused(&batch).await;
    assert_eq!(refused, (ErrorKind::Data, "JDBC sink connector failure: sink-0: table a_orders, column id: the row with key id=70000 (record at a.Orders-0@2) is refused: smallint out of range [SQLSTATE 22003]. Correct the row at its source or the table, or let such records go to a dead letter queue (errors.tolerance=all, errors.deadletterqueue.topic.name)".to_owned()));
    Ok(())
}

#[tokio::test]
async fn a_check_is_named() -> Result<()> {
    check_row(
        "CREATE TABLE a_orders (id bigint PRIMARY KEY, note text CONSTRAINT short CHECK (length(note) < 3))",
        "JDBC sink connector failure: sink-0: table a_orders: the row with key id=2 (record at a.Orders-0@2) is refused: new row for relation \"a_orders\" violates check constraint \"short\" [SQLSTATE 23514]. Correct the row at its source or the table, or let such records go to a dead letter queue (errors.tolerance=all, errors.deadletterqueue.topic.name)",
    )
    .await
}

#[tokio::test]
async fn a_column_that_values_cannot_be_cast_to_is_named() -> Result<()> {
    let table = "CREATE TABLE a_orders (id bigint PRIMARY KEY, note text, at date)";
    let mut case = Case::start(table, &[], false).await?;
    let schema = structure(&[
        ("id", SchemaBuilder::int64()),
        ("at", SchemaBuilder::float64()),
    ]);
    let value = Struct::new(schema, vec![Value::Int64(1), Value::Float64(1.5)]);
    let batch = [case.record(1, value.into())];
    let refused = case.refused(&batch).await;
    assert_eq!(refused, (ErrorKind::Data, "JDBC sink connector failure: sink-0: table a_orders, column at: the row with key id=1 (record at a.Orders-0@1) is refused: invalid input syntax for type date: \"1.5\" [SQLSTATE 22007]. Correct the row at its source or the table, or let such records go to a dead letter queue (errors.tolerance=all, errors.deadletterqueue.topic.name)".to_owned()));
    Ok(())
}

#[tokio::test]
async fn missing_privileges_are_named() -> Result<()> {
    let roles =
        "CREATE ROLE {role} LOGIN; CREATE TABLE a_orders (id bigint PRIMARY KEY, note text); ";
    let user = ("connection.username", "{role}");
    let text = "JDBC sink connector failure: sink-0: records a.Orders-0@1 to a.Orders-0@2 cannot be written: table a_orders: permission denied for table a_orders [SQLSTATE 42501]. Grant the user the privilege; ALTER TABLE needs the table's owner";
    check_batch(roles, &[user], (ErrorKind::Fatal, text)).await?;
    let select = roles.to_owned() + "GRANT SELECT, INSERT ON a_orders TO {role}";
    let text = "JDBC sink connector failure: sink-0: records a.Orders-0@1 to a.Orders-0@2 cannot be written: table a_orders: permission denied for table a_orders [SQLSTATE 42501]. Grant the user the privilege; ALTER TABLE needs the table's owner";
    check_batch(&select, &[user], (ErrorKind::Fatal, text)).await?;
    let text = "JDBC sink connector failure: sink-0: Error while checking and applying table changes for collection 'a_orders' (record at a.Orders-0@1): permission denied for schema public [SQLSTATE 42501]. Grant the user the privilege; ALTER TABLE needs the table's owner";
    check_batch(
        "CREATE ROLE {role} LOGIN",
        &[user],
        (ErrorKind::Fatal, text),
    )
    .await?;
    let narrow = "CREATE ROLE {role} LOGIN; CREATE TABLE a_orders (id bigint PRIMARY KEY); GRANT ALL ON a_orders TO {role}";
    let text = "JDBC sink connector failure: sink-0: Error while checking and applying table changes for collection 'a_orders' (record at a.Orders-0@1): must be owner of table a_orders [SQLSTATE 42501]. Grant the user the privilege; ALTER TABLE needs the table's owner";
    check_batch(narrow, &[user], (ErrorKind::Fatal, text)).await
}

#[tokio::test]
async fn a_missing_table_or_column_without_evolution_is_named() -> Result<()> {
    let none = [("schema.evolution", "none")];
    let text = "JDBC sink connector failure: sink-0: Could not find table: a_orders (record at a.Orders-0@1). Create it, or let the connector do so with schema.evolution=basic";
    check_batch("", &none, (ErrorKind::Fatal, text)).await?;
    let text = "JDBC sink connector failure: sink-0: Cannot alter table a_orders because schema evolution is disabled: it lacks the columns note (record at a.Orders-0@1). Add them, exclude the fields, or set schema.evolution=basic";
    let narrow = "CREATE TABLE a_orders (id bigint PRIMARY KEY)";
    check_batch(narrow, &none, (ErrorKind::Fatal, text)).await
}

#[tokio::test]
async fn a_table_without_the_key_is_named() -> Result<()> {
    let table = "CREATE TABLE a_orders (id bigint, note text)";
    check_batch(table, &[], (ErrorKind::Fatal, "JDBC sink connector failure: sink-0: records a.Orders-0@1 to a.Orders-0@2 cannot be written: table a_orders: there is no unique or exclusion constraint matching the ON CONFLICT specification [SQLSTATE 42P10]. The table needs a primary key or a unique index on exactly the key columns")).await
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_named() -> Result<()> {
    let setup = "CREATE TABLE a_orders (id bigint PRIMARY KEY, note text); \
                 ALTER DATABASE {database} SET default_transaction_read_only = on";
    check_batch(setup, &[], (ErrorKind::Fatal, "JDBC sink connector failure: sink-0: records a.Orders-0@1 to a.Orders-0@2 cannot be written: table a_orders: cannot execute INSERT in a read-only transaction [SQLSTATE 25006]. The server takes no writes: it is a standby, or default_transaction_read_only is on. Let connection.url name the primary")).await
}

/// Blocks a table until the closure's future is done.
async fn locked<T>(
    case: &mut Case,
    sql: &str,
    work: impl AsyncFnOnce(&mut Case) -> T,
) -> Result<T> {
    let mut connection = case.database.connect().await?;
    let mut transaction = connection.begin().await?;
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()))
        .execute(&mut *transaction)
        .await?;
    let done = work(case).await;
    transaction.rollback().await?;
    Ok(done)
}

#[tokio::test]
async fn time_limits_of_statements_and_locks() -> Result<()> {
    for (limit, kind, text) in [
        (
            "lock_timeout",
            ErrorKind::Retriable,
            "sink-0: records a.Orders-0@1 to a.Orders-0@1 cannot be written: table a_orders: canceling statement due to lock timeout [SQLSTATE 55P03]",
        ),
        (
            "statement_timeout",
            ErrorKind::Fatal,
            "JDBC sink connector failure: sink-0: records a.Orders-0@1 to a.Orders-0@1 cannot be written: table a_orders: canceling statement due to statement timeout [SQLSTATE 57014]. Raise statement_timeout for the user (ALTER ROLE … SET statement_timeout), or see what the statement waits for",
        ),
    ] {
        let setup = format!(
            "CREATE TABLE a_orders (id bigint PRIMARY KEY, note text); ALTER DATABASE {{database}} SET {limit} = '200ms'"
        );
        let mut case = Case::start(&setup, &[], true).await?;
        let batch = [case.row(1, "a")];
        let refused = locked(&mut case, "LOCK TABLE a_orders", async |case| {
            case.refused(&batch).await
        });
        assert_eq!(refused.await?, (kind, text.to_owned()));
        case.task.put(&batch).await?;
        case.check(ALL, &[&["1", "a"]]).await?;
    }
    Ok(())
}

#[tokio::test]
async fn deadlocks_are_tried_again() -> Result<()> {
    let setup = "CREATE TABLE a_orders (id bigint PRIMARY KEY, note text); \
                 INSERT INTO a_orders VALUES (1, 'old'), (2, 'old'); \
                 CREATE ROLE {role} LOGIN SUPERUSER; ALTER ROLE {role} SET deadlock_timeout = '3s'";
    let mut case = Case::start(setup, &[("connection.username", "{role}")], true).await?;
    let batch = [case.row(1, "new"), case.row(2, "new")];
    let mut connection = case.database.connect().await?;
    let exec = async |connection: &mut sqlx::PgConnection, sql: &'static str| {
        sqlx::raw_sql(sql).execute(connection).await
    };
    exec(
        &mut connection,
        "SET deadlock_timeout = '1min'; BEGIN; UPDATE a_orders SET note = 'mine' WHERE id = 2",
    )
    .await?;
    let Case { database, task, .. } = &mut case;
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let (put, other) = tokio::join!(task.put(&batch), async {
        eventually(DEADLINE, "the task waits", || async {
            let rows = database.rows(waiting).await?;
            ensure!(rows[0][0].as_deref() == Some("1"), "{rows:?}");
            Ok(())
        })
        .await?;
        exec(
            &mut connection,
            "UPDATE a_orders SET note = 'mine' WHERE id = 1; COMMIT",
        )
        .await?;
        anyhow::Ok(())
    });
    other?;
    let error = put.expect_err("a deadlock");
    let text = error.chain();
    assert_eq!(error.kind(), ErrorKind::Retriable, "{text}");
    let stable = text.split(" (Process").next().context("text")?;
    assert_eq!(
        stable,
        "sink-0: records a.Orders-0@1 to a.Orders-0@2 cannot be written: table a_orders: deadlock detected"
    );
    case.task.put(&batch).await?;
    case.check(ALL, &[&["1", "new"], &["2", "new"]]).await?;
    assert!(case.reports.0.lock().expect("no holder panics").is_empty());
    Ok(())
}

#[tokio::test]
async fn rows_go_where_policies_let_them() -> Result<()> {
    let setup = "CREATE ROLE {role} LOGIN; CREATE TABLE a_orders (id bigint, note text); \
                 ALTER TABLE a_orders ENABLE ROW LEVEL SECURITY; GRANT ALL ON a_orders TO {role}; \
                 CREATE POLICY p ON a_orders TO {role} USING (true) WITH CHECK (note <> 'secret')";
    let settings = [
        ("connection.username", "{role}"),
        ("insert.mode", "insert"),
        ("primary.key.mode", "none"),
        ("delete.enabled", "false"),
    ];
    let mut case = Case::start(setup, &settings, false).await?;
    let batch: Vec<SinkRecord> = (0..1000).map(|id| case.row(id, "open")).collect();
    case.task.put(&batch).await?;
    case.check("SELECT count(*)::text FROM a_orders", &[&["1000"]])
        .await?;
    let batch = [case.row(1, "open"), case.row(2, "secret")];
    let refused = case.refused(&batch).await;
    assert_eq!(refused, (ErrorKind::Data, "JDBC sink connector failure: sink-0: table a_orders: the row with key none (record at a.Orders-0@1002) is refused: new row violates row-level security policy for table \"a_orders\" [SQLSTATE 42501]. Correct the row at its source or the table, or let such records go to a dead letter queue (errors.tolerance=all, errors.deadletterqueue.topic.name)".to_owned()));
    Ok(())
}

#[tokio::test]
async fn a_child_without_its_parent_is_named() -> Result<()> {
    let tables = "CREATE TABLE a_orders (id bigint PRIMARY KEY, note text); \
                  CREATE TABLE child (id bigint PRIMARY KEY REFERENCES a_orders, note text)";
    let mut case = Case::start(tables, &[], true).await?;
    let batch = [case.row(1, "p"), of_topic(case.row(2, "c"), "child")];
    case.task.put(&batch).await?;
    let reports = case.reports.0.lock().expect("no holder panics").clone();
    assert_eq!(reports, [(2, "sink-0: table child, column id: the row with key id=2 (record at child-0@2) is refused: insert or update on table \"child\" violates foreign key constraint \"child_id_fkey\" (Key (id)=(2) is not present in table \"a_orders\".) [SQLSTATE 23503]. Let the same task write the table that is referred to, or drop the constraint. Correct the row at its source or the table, or let such records go to a dead letter queue (errors.tolerance=all, errors.deadletterqueue.topic.name)".to_owned())]);
    Ok(())
}

/// The error with which a task refuses to start.
async fn refuses(
    database: PostgresDatabase,
    settings: &[(&str, &str)],
) -> Result<(ErrorKind, String)> {
    let started = Case::start_on(database.clone(), settings, false).await?;
    let error = started.err().context("the connection is refused")?;
    Ok((error.kind(), masked(&database, &error)))
}

#[tokio::test]
async fn wrong_passwords_and_databases_are_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let rules = folder.path().join("hba.conf");
    std::fs::write(
        &rules,
        "host all app 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n",
    )?;
    for path in [folder.path(), &rules] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(path, mode)?;
    }
    let database = own_server(PostgresOptions {
        settings: vec![format!("hba_file={}", rules.display())],
        ..PostgresOptions::default()
    })
    .await?;
    database
        .exec("CREATE ROLE app LOGIN PASSWORD 'right'")
        .await?;
    let user = ("connection.username", "app");
    let refused = refuses(database.clone(), &[user]).await?;
    assert_eq!(refused, (ErrorKind::Fatal, "sink-0: the database 'postgres' at 127.0.0.1:PORT, user 'app' refuses the connection: password authentication failed for user \"app\" [SQLSTATE 28P01]. Check the user and password of the connection, and pg_hba.conf".to_owned()));
    let url = database.server().jdbc_url("nowhere") + "?sslmode=disable";
    let settings = [
        user,
        ("connection.password", "right"),
        ("connection.url", url.as_str()),
    ];
    let refused = refuses(database, &settings).await?;
    assert_eq!(refused, (ErrorKind::Fatal, "sink-0: the database 'nowhere' at 127.0.0.1:PORT, user 'app' refuses the connection: database \"nowhere\" does not exist [SQLSTATE 3D000]. Create the database, or correct connection.url".to_owned()));
    Ok(())
}

#[tokio::test]
async fn a_host_that_is_not_there_is_waited_for() -> Result<()> {
    let database = database().await?;
    let url = format!(
        "jdbc:postgresql://nowhere.invalid:{}/postgres",
        database.server().port()
    );
    let mut case = Case::start_on(database, &[("connection.url", &url)], false).await??;
    let batch = [case.row(1, "a")];
    let (kind, text) = case.refused(&batch).await;
    assert_eq!(kind, ErrorKind::Retriable);
    assert_eq!(
        text,
        "sink-0: the database 'postgres' at nowhere.invalid:PORT, user 'postgres' cannot be reached: error communicating with database: failed to lookup address information: Name or service not known. It is tried again; see to the server, or correct host and port in connection.url"
    );
    Ok(())
}

#[tokio::test]
async fn a_server_that_is_away_is_waited_for() -> Result<()> {
    let database = own_server(PostgresOptions::default()).await?;
    let mut case = Case::start_on(database, &[], false).await??;
    case.database.server().stop().await?;
    let batch = [case.row(1, "a")];
    let refused = case.refused(&batch).await;
    assert_eq!(refused, (ErrorKind::Retriable, "sink-0: the database 'postgres' at 127.0.0.1:PORT, user 'postgres' cannot be reached: error communicating with database: Connection refused (os error 111). It is tried again; see to the server, or correct host and port in connection.url".to_owned()));
    case.database.server().start_again().await?;
    case.task.put(&batch).await?;
    case.check(ALL, &[&["1", "a"]]).await
}
