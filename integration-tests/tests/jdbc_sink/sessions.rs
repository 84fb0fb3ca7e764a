//! Sessions that end, servers that take no writes, and poolers that hand sessions around.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tidegate_api::ErrorKind;
use tidegate_integration_tests::{
    PgBouncer, Postgres, PostgresDatabase, PostgresOptions, eventually,
};

use super::case::{ALL, Case, database, own_server};

const DEADLINE: Duration = Duration::from_mins(2);
/// A put that must not fail even once.
const NO_RETRY: (&str, &str) = ("flush.max.retries", "0");
const TABLE: &str = "CREATE TABLE a_orders (id bigint PRIMARY KEY, note text);";

/// Waits until the sink has no session any more.
async fn ended(database: &PostgresDatabase) -> Result<()> {
    eventually(DEADLINE, "the sink's session ends", || async {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'tidegate'";
        let rows = database.rows(sql).await?;
        ensure!(rows[0][0].as_deref() == Some("0"), "{rows:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_session_that_ended_while_it_had_nothing_to_do_is_opened_again() -> Result<()> {
    let idle = TABLE.to_owned() + "ALTER DATABASE {database} SET idle_session_timeout = '200ms'";
    let mut case = Case::start(&idle, &[NO_RETRY], true).await?;
    for id in [1, 2] {
        ended(&case.database).await?;
        let batch = [case.row(id, "a")];
        case.task.put(&batch).await?;
    }
    case.check(ALL, &[&["1", "a"], &["2", "a"]]).await?;
    let mut case = Case::start(TABLE, &[NO_RETRY], true).await?;
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    case.database.exec(kill).await?;
    ended(&case.database).await?;
    let batch: Vec<_> = (0..1000).map(|id| case.row(id, "a")).collect();
    case.task.put(&batch).await?;
    let count = "SELECT count(*)::text FROM a_orders";
    case.check(count, &[&["1000"]]).await
}

/// What follows from each kind of error, which a trigger raises with the row's text for its code.
#[tokio::test]
async fn every_class_of_errors_is_sorted_out() -> Result<()> {
    let trigger = "CREATE FUNCTION raise() RETURNS trigger LANGUAGE plpgsql AS \
                   'BEGIN RAISE EXCEPTION ''no'' USING ERRCODE = NEW.note; END'; \
                   CREATE TRIGGER raise BEFORE INSERT ON a_orders FOR EACH ROW EXECUTE FUNCTION raise()";
    let mut case = Case::start(&(TABLE.to_owned() + trigger), &[], false).await?;
    for (codes, kind) in [
        (
            "08000 08003 08006 08001 08004 08007 08P01 25000 25001 25P01 25P02 25P03 25P04 26000 42P05 34000 3B001 2D000 24000 \
             40000 40001 40002 40003 40P01 53000 53100 53200 53300 53400 55P03 55006 57000 57P01 57P02 57P03 57P04 57P05 58000 \
             58030 58P01 58P02",
            ErrorKind::Retriable,
        ),
        (
            "09000 21000 22000 22003 22P02 23000 23505 23514 23P01 27000 2F002 38000 39000 44000 54000 54011 P0001 P0002 P0004 MY001 99ABC XX000",
            ErrorKind::Data,
        ),
        (
            "0A000 28000 28P01 25006 42501 42601 42P01 42804 42883 54001 54023 55000 57014 72000 F0000 XX001 XX002",
            ErrorKind::Fatal,
        ),
    ] {
        for code in codes.split_whitespace() {
            let batch = [case.row(1, code)];
            let (found, text) = case.refused(&batch).await;
            assert_eq!(found, kind, "{code}: {text}");
            assert!(text.contains(&format!("SQLSTATE {code}")), "{text}");
        }
    }
    Ok(())
}

/// Makes a server a standby, which follows nobody, until it is promoted.
async fn demote(server: &Postgres) -> Result<()> {
    server.stop().await?;
    let folder = server.log_file().parent().context("a folder")?;
    fs::write(folder.join("data/standby.signal"), "")?;
    server.start_again().await
}

async fn promote(server: &Postgres) -> Result<()> {
    let sql = "SELECT pg_promote()";
    server.exec("postgres", sql).await
}

async fn two_servers() -> Result<[PostgresDatabase; 2]> {
    let servers = [
        own_server(PostgresOptions::default()).await?,
        own_server(PostgresOptions::default()).await?,
    ];
    for server in &servers {
        server.exec(TABLE).await?;
    }
    Ok(servers)
}

fn url_of(servers: &[&PostgresDatabase], query: &str) -> String {
    let hosts: Vec<String> = servers
        .iter()
        .map(|server| format!("127.0.0.1:{}", server.server().port()))
        .collect();
    let hosts = hosts.join(",");
    format!("jdbc:postgresql://{hosts}/postgres?sslmode=disable&{query}")
}

async fn notes(server: &PostgresDatabase) -> Result<String> {
    let sql = "SELECT coalesce(string_agg(note, ' ' ORDER BY id), '') FROM a_orders";
    let rows = server.rows(sql).await?;
    Ok(rows[0][0].clone().unwrap_or_default())
}

#[tokio::test]
async fn the_primary_is_found_among_several_hosts() -> Result<()> {
    let [a, b] = two_servers().await?;
    let both = [&a, &b];
    demote(a.server()).await?;
    for query in [
        "",
        "targetServerType=any",
        "targetServerType=primary",
        "targetServerType=master&loadBalanceHosts=true&hostRecheckSeconds=0",
        "targetServerType=preferPrimary",
    ] {
        let url = url_of(&both, query);
        let settings = [("connection.url", url.as_str()), NO_RETRY];
        let mut case = Case::start_on(b.clone(), &settings, false).await??;
        let batch = [case.row(1, query)];
        case.task.put(&batch).await?;
        assert_eq!(notes(&b).await?, query);
        case.task.stop().await;
    }
    // A failover while the sink runs: the row is written by the same put.
    let url = url_of(&both, "targetServerType=any");
    let settings = [("connection.url", url.as_str()), NO_RETRY];
    let mut case = Case::start_on(b.clone(), &settings, false).await??;
    let batch = [case.row(1, "before")];
    case.task.put(&batch).await?;
    demote(b.server()).await?;
    promote(a.server()).await?;
    let batch = [case.row(1, "after")];
    case.task.put(&batch).await?;
    assert_eq!(
        (notes(&a).await?, notes(&b).await?),
        ("after".into(), "before".into())
    );
    Ok(())
}

#[tokio::test]
async fn a_standby_is_waited_for_until_it_takes_writes() -> Result<()> {
    let server = own_server(PostgresOptions::default()).await?;
    server.exec(TABLE).await?;
    demote(server.server()).await?;
    for (query, expected) in [
        (
            "targetServerType=primary",
            "sink-0: 127.0.0.1:PORT is a standby, and targetServerType of connection.url asks for another server. It is looked for again; see to the servers, or add the host to connection.url",
        ),
        (
            "",
            "sink-0: records a.Orders-0@1 to a.Orders-0@1 cannot be written: table a_orders: cannot execute INSERT in a read-only transaction [SQLSTATE 25006]. The server takes no writes: it is a standby, or default_transaction_read_only is on. Let connection.url name the primary",
        ),
    ] {
        let url = url_of(&[&server], query);
        let settings = [("connection.url", url.as_str())];
        let mut case = Case::start_on(server.clone(), &settings, false).await??;
        let batch = [case.row(1, "a")];
        let refused = case.refused(&batch).await;
        assert_eq!(refused, (ErrorKind::Retriable, expected.to_owned()));
        promote(server.server()).await?;
        case.task.put(&batch).await?;
        case.check(ALL, &[&["1", "a"]]).await?;
        server.exec("TRUNCATE a_orders").await?;
        demote(server.server()).await?;
    }
    let url = url_of(&[&server], "targetServerType=first");
    let settings = [("connection.url", url.as_str())];
    let refused = Case::start_on(server, &settings, false).await?.err();
    let text = refused.context("no server type")?.chain();
    assert!(
        text.contains("targetServerType is one of any, primary"),
        "{text}"
    );
    Ok(())
}

/// Tasks that share sessions of the server, some of which have statements and tables of others; each writes rows of its own.
async fn check_pool(sessions: usize, query: &str) -> Result<()> {
    const TASKS: usize = 4;
    let database = database().await?;
    database.exec(TABLE).await?;
    database
        .exec("CREATE TABLE appended (id bigint, note text)")
        .await?;
    let pooler = PgBouncer::start(database.server(), sessions).await?;
    let url = format!(
        "{}?sslmode=disable&{query}",
        pooler.jdbc_url(database.name())
    );
    let url = ("connection.url", url.as_str());
    for round in ["first", "second"] {
        let work = (0..TASKS).map(|task| {
            let appended = ("collection.name.format", "appended");
            let insert = [
                url,
                NO_RETRY,
                appended,
                ("insert.mode", "insert"),
                ("primary.key.mode", "none"),
                ("delete.enabled", "false"),
            ];
            let upsert = [url, NO_RETRY];
            let settings = if task % 2 == 0 {
                upsert.to_vec()
            } else {
                insert.to_vec()
            };
            let database = database.clone();
            async move {
                let mut case = Case::start_on(database, &settings, false).await??;
                let start = i64::try_from(task)? * 10_000;
                for rows in [1, 1000, 3] {
                    let batch: Vec<_> = (0..rows).map(|id| case.row(start + id, round)).collect();
                    case.task.put(&batch).await?;
                }
                case.task.stop().await;
                anyhow::Ok(())
            }
        });
        futures::future::try_join_all(work).await?;
    }
    let sql = "SELECT count(*)::text, min(note), count(DISTINCT id)::text FROM a_orders";
    let rows = database.rows(sql).await?;
    assert_eq!(
        rows,
        [["2000", "second", "2000"].map(|text| Some(text.to_owned()))]
    );
    let sql = "SELECT count(*)::text, count(*) FILTER (WHERE note = 'first')::text, count(DISTINCT id)::text FROM appended";
    let rows = database.rows(sql).await?;
    assert_eq!(
        rows,
        [["4016", "2008", "2000"].map(|text| Some(text.to_owned()))]
    );
    Ok(())
}

#[tokio::test]
async fn a_pooler_of_transactions_is_written_through() -> Result<()> {
    for sessions in [1, 5] {
        check_pool(sessions, "prepareThreshold=0").await?;
        check_pool(sessions, "preferQueryMode=extended").await?;
    }
    Ok(())
}

/// Users who do not know of the parameter: the sink finds out by itself that statements go to other sessions.
#[tokio::test]
async fn a_pooler_of_transactions_is_found_out() -> Result<()> {
    for sessions in [1, 5] {
        check_pool(sessions, "").await?;
    }
    Ok(())
}
