//! Every server of the harness starts, answers, survives `kill -9` with its data and port, and ends with its owner.

use anyhow::Result;
use tidegate_integration_tests::{
    ConnectOptions, JvmConnect, KafkaBroker, KafkaOptions, MariaDb, Message, Mode, MySql,
    MySqlOptions, MySqlServer, Postgres, PostgresOptions, eventually, read_topic, topic_names,
};

async fn check_mysql(server: &MySqlServer) -> Result<()> {
    let database = server.create_database("harness").await?;
    server
        .exec(
            &database,
            "CREATE TABLE t (a INT); INSERT INTO t VALUES (1), (NULL)",
        )
        .await?;
    server.kill9();
    server.start_again().await?;
    let rows = server.rows(&database, "SELECT a FROM t ORDER BY a").await?;
    assert_eq!(rows, [[None], [Some("1".to_owned())]]);
    let variables = "SELECT @@log_bin, @@binlog_format, @@server_id";
    let rows = server.rows("", variables).await?;
    assert_eq!(rows, [["1", "ROW", "1"].map(|text| Some(text.to_owned()))]);
    let account = server.rows(
        "",
        "SELECT count(*) FROM mysql.user WHERE user = 'debezium'",
    );
    assert_eq!(account.await?, [[Some("1".to_owned())]]);
    server.stop().await?;
    Ok(())
}

// What is not written to the disk before `kill -9` of the process alone stays in the kernel's memory.
fn flushed_to_the_kernel() -> MySqlOptions {
    MySqlOptions::default().arg("--innodb-flush-log-at-trx-commit=2")
}

#[tokio::test]
async fn mariadb_answers() -> Result<()> {
    check_mysql(&MariaDb::start(flushed_to_the_kernel()).await?).await
}

#[tokio::test]
async fn mysql_answers() -> Result<()> {
    check_mysql(&MySql::start(flushed_to_the_kernel()).await?).await
}

/// It is in transaction ids, and these are in recordings.
#[tokio::test]
async fn mysql_servers_have_one_identity_on_every_machine() -> Result<()> {
    let server = MySql::start(MySqlOptions::default()).await?;
    let rows = server.rows("", "SELECT @@server_uuid").await?;
    let identity = "71de6a7e-0000-4000-8000-000000000001";
    assert_eq!(rows, [[Some(identity.to_owned())]]);
    Ok(())
}

#[tokio::test]
async fn options_of_mariadb_win_over_the_harness() -> Result<()> {
    let options = MySqlOptions::default().arg("--binlog-format=STATEMENT");
    let server = MariaDb::start(options).await?;
    let rows = server.rows("", "SELECT @@binlog_format").await?;
    assert_eq!(rows, [[Some("STATEMENT".to_owned())]]);
    let server = MariaDb::start(MySqlOptions::default().without_binlog()).await?;
    assert_eq!(
        server.rows("", "SELECT @@log_bin").await?,
        [[Some("0".to_owned())]]
    );
    Ok(())
}

#[tokio::test]
async fn postgres_answers() -> Result<()> {
    let server = Postgres::start(PostgresOptions::default()).await?;
    let database = server.create_database("harness").await?;
    server
        .exec(
            &database,
            "CREATE TABLE t (a int, b text); INSERT INTO t VALUES (1, NULL)",
        )
        .await?;
    server.restart().await?;
    let rows = server.rows(&database, "SELECT * FROM t").await?;
    assert_eq!(rows, [[Some("1".to_owned()), None]]);
    Ok(())
}

#[tokio::test]
async fn what_cannot_start_shows_the_end_of_its_log() {
    let options = MySqlOptions::default().arg("--no-such-option");
    let error = MariaDb::start(options).await.expect_err("a wrong option");
    assert!(
        format!("{error:?}").contains("unknown option '--no-such-option'"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_dropped_server_is_gone() -> Result<()> {
    let server = Postgres::start(PostgresOptions::default()).await?;
    let pid = server.pid().expect("it runs");
    drop(server);
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    Ok(())
}

#[tokio::test]
async fn kafka_and_connect_answer() -> Result<()> {
    let kafka = KafkaBroker::start(KafkaOptions::default()).await?;
    let connect = JvmConnect::start(&kafka.distributed_props()).await?;
    let input = connect.log_file().with_file_name("input.txt");
    std::fs::write(&input, "one\ntwo\n")?;
    let config = serde_json::json!({
        "connector.class": "FileStreamSource", "topic": "lines", "file": input,
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
    });
    connect.rest().put_config("lines", &config).await?;
    connect.rest().wait_running("lines").await?;
    let lines = eventually(std::time::Duration::from_secs(30), "two lines", || async {
        let lines = read_topic(kafka.bootstrap(), "lines").await?;
        anyhow::ensure!(lines.len() == 2, "{lines:?}");
        Ok(lines)
    });
    let lines: Vec<String> = lines.await?.iter().map(Message::value_text).collect();
    assert_eq!(lines, ["one", "two"]);
    connect.kill9();
    kafka.restart().await?;
    assert!(
        topic_names(kafka.bootstrap())
            .await?
            .contains(&"lines".to_owned())
    );
    Ok(())
}

#[tokio::test]
async fn connect_runs_standalone() -> Result<()> {
    let kafka = KafkaBroker::start(KafkaOptions::default()).await?;
    let folder = tempfile::tempdir()?;
    let (connector, input) = (
        folder.path().join("lines.properties"),
        folder.path().join("in"),
    );
    std::fs::write(&input, "one\n")?;
    let text = format!(
        "name=lines\nconnector.class=FileStreamSource\ntopic=lines\nfile={}\n",
        input.display()
    );
    std::fs::write(&connector, text)?;
    let mut props = kafka.distributed_props();
    props.retain(|name, _| !name.contains("storage") && name != "group.id");
    let options = ConnectOptions {
        mode: Mode::Standalone(vec![connector]),
        ..ConnectOptions::default()
    };
    let connect = JvmConnect::start_with(options, &props).await?;
    connect.rest().wait_running("lines").await?;
    Ok(())
}
