//! Tables are read by ranges of their keys on one view, and a reader that is dropped leaves nothing on the server.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tidegate_api::Value;
use tidegate_api::config::Password;
use tidegate_integration_tests::{
    MariaDb, MySql, MySqlOptions, MySqlServer, SERVER_DEADLINE, eventually,
};
use tidegate_mysql::ConnectionSettings;
use tidegate_mysql::connection::Server;
use tidegate_mysql::rows::TablePlan;
use tidegate_mysql::table_reader::MySqlReader;
use tidegate_mysql::tls::{SslMode, SslSettings};
use tidegate_mysql::values::ValueConfig;
use tidegate_mysql_ddl::Schemas;
use tidegate_relational::TableId;
use tidegate_relational::table_reader::{KeyBound, KeyRange, TableReader as _};

const TABLE: &str = "CREATE TABLE `o``x` (t VARCHAR(9) NOT NULL, at DATETIME(6) NOT NULL, n BIGINT NOT NULL, v TEXT, PRIMARY KEY (t, at, n))";

#[tokio::test]
async fn ranges_of_mariadb_have_all_rows_of_one_view() -> Result<()> {
    check(&MariaDb::start(MySqlOptions::default()).await?).await
}

#[tokio::test]
async fn ranges_of_mysql_have_all_rows_of_one_view() -> Result<()> {
    check(&MySql::start(MySqlOptions::default()).await?).await
}

fn settings(server: &MySqlServer) -> ConnectionSettings {
    ConnectionSettings {
        hostname: "127.0.0.1".to_owned(),
        port: server.port(),
        user: server.user().to_owned(),
        password: Password::new(server.password()),
        ssl: SslSettings {
            mode: SslMode::Preferred,
            mode_name: "preferred".to_owned(),
            truststore: None,
            keystore: None,
        },
        connect_timeout: Duration::from_secs(30),
        query_timeout: None,
    }
}

fn plan(database: &str) -> Result<TablePlan> {
    let mut schemas = Schemas::default();
    schemas.apply(database, TABLE)?;
    let table = schemas.table(&TableId::in_database(database, "o`x"));
    Ok(TablePlan::build(
        Arc::clone(table.context("a table")?),
        ValueConfig::default(),
        "t.Value",
        "t.Key",
        &|column| &*column.name == "v",
        Some(&[]),
        &|_| None,
    )?)
}

/// Numbers of the rows of a range, read in batches of 7.
async fn numbers(
    reader: &mut MySqlReader,
    plan: &TablePlan,
    range: &KeyRange,
) -> Result<(Vec<i64>, Option<KeyBound>)> {
    let (mut numbers, mut last) = (Vec::new(), None);
    let mut rows = reader.read(plan, range).await?;
    loop {
        let batch = rows.next(7).await?;
        if batch.rows.is_empty() {
            return Ok((numbers, last));
        }
        ensure!(batch.rows.len() <= 7, "{} rows at once", batch.rows.len());
        last = batch.last;
        for row in batch.rows {
            match row.value.values() {
                [Value::String(text)] => numbers.push(text.parse()?),
                other => anyhow::bail!("{other:?}"),
            }
        }
    }
}

async fn check(server: &MySqlServer) -> Result<()> {
    let database = server.create_database("reader").await?;
    server.exec(&database, TABLE).await?;
    // Keys that many rows share in part, with signs that literals have to escape.
    let mut rows = Vec::new();
    for number in 0..200 {
        let text = ["a", "B", "\\\\", "''", "\u{e4}"][number % 5];
        let day = number % 3 + 1;
        rows.push(format!(
            "('{text}', '2024-01-0{day} 00:00:00.00000{day}', {number} - 100, '{number}')"
        ));
    }
    let insert = format!("INSERT INTO `o``x` VALUES {}", rows.join(", "));
    server.exec(&database, &insert).await?;
    let plan = plan(&database)?;
    let remote = Server::new(Arc::new(settings(server)));
    let (mut reader, number) = begin(&remote).await?;
    server
        .exec(&database, "DELETE FROM `o``x` WHERE n > 50")
        .await?;
    server
        .exec(
            &database,
            "INSERT INTO `o``x` VALUES ('A', NOW(), 1000, '1000')",
        )
        .await?;

    let (whole, end) = numbers(&mut reader, &plan, &KeyRange::default()).await?;
    let mut sorted = whole.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..200).collect::<Vec<i64>>());

    let mut pieces = Vec::new();
    let mut after = None;
    loop {
        let range = KeyRange {
            after: after.clone(),
            up_to: None,
            limit: Some(30),
        };
        let (piece, last) = numbers(&mut reader, &plan, &range).await?;
        if piece.is_empty() {
            break;
        }
        // The same range, by both of its ends.
        let range = KeyRange {
            after: after.clone(),
            up_to: last.clone(),
            limit: None,
        };
        let (again, _) = numbers(&mut reader, &plan, &range).await?;
        assert_eq!(piece, again);
        pieces.extend(piece);
        after = last;
    }
    assert_eq!((pieces, after), (whole, end));

    // Rows that nobody reads end the session; nothing of it stays.
    let mut batches = reader.read(&plan, &KeyRange::default()).await?;
    assert_eq!(batches.next(1).await?.rows.len(), 1);
    ensure!(
        is_listed(server, &number).await?,
        "session {number} is not listed"
    );
    drop(batches);
    let error = reader.read(&plan, &KeyRange::default()).await.err();
    let text = error.context("an error")?.to_string();
    ensure!(text.contains("not read to their end"), "{text}");
    nothing_stays(server, &number).await?;

    let (reader, number) = begin(&remote).await?;
    ensure!(
        is_listed(server, &number).await?,
        "session {number} is not listed"
    );
    drop(reader);
    nothing_stays(server, &number).await
}

/// A reader, and the number of its session.
async fn begin(remote: &Server) -> Result<(MySqlReader, String)> {
    let mut session = remote.open().await?;
    let row = session.query_first("SELECT CONNECTION_ID()").await?;
    let row = row.context("a row")?;
    let number = row.as_ref(0).context("a cell")?.as_sql(true);
    Ok((MySqlReader::begin(session).await?, number.replace('\'', "")))
}

async fn is_listed(server: &MySqlServer, number: &str) -> Result<bool> {
    let sql = format!("SELECT ID FROM information_schema.PROCESSLIST WHERE ID = {number}");
    Ok(!server.rows("", &sql).await?.is_empty())
}

async fn nothing_stays(server: &MySqlServer, number: &str) -> Result<()> {
    eventually(SERVER_DEADLINE, "the reader's session to end", || async {
        ensure!(
            !is_listed(server, number).await?,
            "session {number} is listed"
        );
        Ok(())
    })
    .await
}
