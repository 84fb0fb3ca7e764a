//! Texts in columns of every type: with `stringtype=unspecified` they are what the database itself reads them as.

use anyhow::Result;
use tidegate_api::{SchemaBuilder, Struct, Value};

use super::case::{Case, database, structure};

const TEXTS: [&str; 64] = [
    "",
    " ",
    "a",
    "abc",
    "abcdef",
    "ab   ",
    "\\x00ff",
    "\\000a",
    "\\\\",
    "\\x0",
    "\\",
    "\\xZZ",
    "ж😀",
    "0",
    "1",
    "-1",
    "+7",
    " 42 ",
    "1.5",
    "1e3",
    "NaN",
    "Infinity",
    "-Infinity",
    "infinity",
    "-infinity",
    "99999",
    "2147483648",
    "9223372036854775808",
    "0x1F",
    "1_000",
    "12.345",
    "t",
    "true",
    "yes",
    "off",
    "FALSE",
    "2024-01-01",
    "20240101",
    "2024-01-01 10:00",
    "2024-01-01 00:00:00+02",
    "2024-01-01 00:00:00+02:00",
    "2024-01-01 00:00:00 +0230",
    "2024-01-01 00:00:00 UTC",
    "2024-01-01T10:00:00.1234567Z",
    "2024-02-30",
    "01/02/2024",
    "24:00:00",
    "10:20:30.1234567",
    "10:20",
    "epoch",
    "1 day 02:03:04",
    "P1DT2H",
    "550e8400-e29b-41d4-a716-446655440000",
    "10.0.0.1",
    "10.0.0.0/8",
    "08:00:2b:01:02:03",
    "{\"a\": 1}",
    "null",
    "<a>b</a>",
    "101",
    "{1,2,NULL}",
    "(1,2)",
    "[1,5)",
    "happy",
];

const TYPES: [&str; 36] = [
    "text",
    "varchar(5)",
    "char(3)",
    "name",
    "bytea",
    "boolean",
    "smallint",
    "integer",
    "bigint",
    "numeric",
    "numeric(5,2)",
    "real",
    "double precision",
    "money",
    "date",
    "time",
    "time(2)",
    "timetz",
    "timestamp",
    "timestamp(0)",
    "timestamptz",
    "interval",
    "uuid",
    "inet",
    "cidr",
    "macaddr",
    "json",
    "jsonb",
    "xml",
    "bit(3)",
    "bit varying(4)",
    "int[]",
    "text[]",
    "int4range",
    "mood",
    "small",
];

/// Whatever a statement with the text between quotes stores, and nothing where it fails.
const READ: &str = "CREATE TYPE mood AS ENUM ('happy', 'a'); CREATE DOMAIN small AS int CHECK (value < 100); \
    CREATE FUNCTION store(id bigint, v text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN \
    EXECUTE format('INSERT INTO expected VALUES (%s, %L)', id, v); EXCEPTION WHEN OTHERS THEN NULL; END $$;";

async fn check(class: &[(&str, &str)]) -> Result<()> {
    let database = database().await?;
    database.exec(READ).await?;
    let url = database.jdbc_url() + "?sslmode=disable&stringtype=unspecified";
    let mut settings = class.to_vec();
    settings.push(("connection.url", url.as_str()));
    let mut case = Case::start_on(database.clone(), &settings, true).await??;
    let row = structure(&[
        ("id", SchemaBuilder::int64()),
        ("v", SchemaBuilder::string()),
    ]);
    let quoted = TEXTS.iter().enumerate().map(|(id, text)| {
        let text = text.replace('\'', "''");
        format!("store({id}, '{text}')")
    });
    let stored = format!("SELECT {}", quoted.collect::<Vec<_>>().join(", "));
    let mut wrong = Vec::new();
    for sql_type in TYPES {
        let tables = format!(
            "DROP TABLE IF EXISTS a_orders, expected; CREATE TABLE a_orders (id bigint PRIMARY KEY, v {sql_type}); CREATE TABLE expected (LIKE a_orders)"
        );
        database.exec(&tables).await?;
        database.exec(&stored).await?;
        let mut batch = Vec::new();
        for (id, text) in TEXTS.iter().enumerate() {
            let id = i64::try_from(id)?;
            let row = Struct::new(
                std::sync::Arc::clone(&row),
                vec![Value::Int64(id), (*text).into()],
            );
            batch.push(case.record(id, row.into()));
        }
        case.task.put(&batch).await?;
        let differences = "SELECT id::text, a.v::text, e.v::text FROM a_orders a FULL JOIN expected e USING (id) \
                           WHERE a.v::text IS DISTINCT FROM e.v::text ORDER BY id";
        for difference in database.rows(differences).await? {
            let id: usize = difference[0].as_deref().unwrap_or_default().parse()?;
            wrong.push(format!(
                "{sql_type} of {:?}: {:?} instead of {:?}",
                TEXTS[id], difference[1], difference[2]
            ));
        }
        let missing = "SELECT count(*)::text FROM a_orders";
        let rows = database.rows(missing).await?;
        let written: usize = rows[0][0].as_deref().unwrap_or_default().parse()?;
        let refused = case
            .reports
            .0
            .lock()
            .expect("no holder panics")
            .drain(..)
            .count();
        assert_eq!(written + refused, TEXTS.len(), "{sql_type}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[tokio::test]
async fn texts_are_read_as_the_database_reads_them() -> Result<()> {
    check(&[]).await
}

#[tokio::test]
async fn confluents_texts_are_read_as_the_database_reads_them() -> Result<()> {
    check(&[
        (
            "connector.class",
            "io.confluent.connect.jdbc.JdbcSinkConnector",
        ),
        ("connection.user", "postgres"),
        ("pk.mode", "record_key"),
        ("table.name.format", "a_orders"),
        ("delete.enabled", "false"),
    ])
    .await
}
