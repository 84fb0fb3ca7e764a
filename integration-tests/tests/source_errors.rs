//! What a binlog source says when the server, the log or the schema history is not as it must be: the original's texts,
//! and the cure; never a password.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tidegate_integration_tests::{
    MariaDb, Mode, MySqlOptions, MySqlServer, Properties, Rest, TidegateWorker, eventually,
};

const DEADLINE: Duration = Duration::from_mins(2);

async fn worker() -> Result<TidegateWorker> {
    let props = Properties::from([("offset.flush.interval.ms".to_owned(), "200".to_owned())]);
    TidegateWorker::start(Mode::Distributed, &props).await
}

fn config(server: &MySqlServer, extra: &Value) -> Value {
    let mut config = json!({
        "connector.class": "io.debezium.connector.mariadb.MariaDbConnector",
        "database.server.id": "7100", "topic.prefix": "e", "database.include.list": "shop",
        "schema.history.internal.kafka.bootstrap.servers": "unused:1",
        "schema.history.internal.kafka.topic": "e.history",
    });
    let all = config.as_object_mut().expect("an object");
    for (name, value) in server.connector_props() {
        all.insert(name, value.into());
    }
    all.extend(extra.as_object().expect("an object").clone());
    config
}

/// The trace of the failed task has the texts, and no password.
async fn fails_with(rest: &Rest, server: &MySqlServer, texts: &[&str]) -> Result<()> {
    let trace = rest.wait_failed("e").await?;
    for text in texts {
        ensure!(trace.contains(text), "no '{text}' in {trace}");
    }
    ensure!(
        !trace.contains(&format!("'{}'", server.password())),
        "{trace}"
    );
    Ok(())
}

/// Rows that come before the stream begins belong to the snapshot, so that more than one may be needed.
async fn streaming(rest: &Rest, server: &MySqlServer) -> Result<()> {
    let insert = "INSERT INTO t SELECT COALESCE(MAX(id), 0) + 1 FROM t";
    eventually(DEADLINE, "an offset without a snapshot in it", || async {
        server.exec("shop", insert).await?;
        let offsets = rest.offsets("e").await?;
        let offset = &offsets["offsets"][0]["offset"];
        ensure!(offset["server_id"].is_u64(), "{offsets}");
        Ok(())
    })
    .await
}

/// Connector `e` on table `shop.t`, past its snapshot.
async fn streaming_connector() -> Result<(MySqlServer, TidegateWorker)> {
    let server = MariaDb::start(MySqlOptions::default()).await?;
    server
        .exec(
            "",
            "CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY)",
        )
        .await?;
    let worker = worker().await?;
    let rest = worker.rest();
    rest.put_config("e", &config(&server, &json!({}))).await?;
    rest.wait_running("e").await?;
    streaming(&rest, &server).await?;
    Ok((server, worker))
}

#[tokio::test]
async fn a_server_without_binary_log_is_named() -> Result<()> {
    let server = MariaDb::start(MySqlOptions::default().without_binlog()).await?;
    let worker = worker().await?;
    worker
        .rest()
        .put_config("e", &config(&server, &json!({})))
        .await?;
    fails_with(&worker.rest(), &server, &["log_bin=OFF", "--log-bin"]).await
}

#[tokio::test]
async fn statement_format_is_named() -> Result<()> {
    let options = MySqlOptions::default().arg("--binlog-format=STATEMENT");
    let server = MariaDb::start(options).await?;
    let worker = worker().await?;
    worker
        .rest()
        .put_config("e", &config(&server, &json!({})))
        .await?;
    let text = "The database server is not configured to use a ROW binlog_format, which is required for this connector \
                to work properly. Change the database configuration to use a binlog_format=ROW and restart the connector.";
    fails_with(&worker.rest(), &server, &[text]).await
}

#[tokio::test]
async fn a_missing_history_is_named() -> Result<()> {
    let (server, worker) = streaming_connector().await?;
    let rest = worker.rest();

    // Another history topic is an empty one.
    let other = json!({"schema.history.internal.kafka.topic": "e.other"});
    rest.put_config("e", &config(&server, &other)).await?;
    let text = "The db history topic is missing. You may attempt to recover it by reconfiguring the connector to recovery.";
    fails_with(&rest, &server, &[text]).await
}

#[tokio::test]
async fn a_server_id_that_two_connectors_share_is_named() -> Result<()> {
    let (server, worker) = streaming_connector().await?;
    let rest = worker.rest();
    let other = json!({"topic.prefix": "f", "schema.history.internal.kafka.topic": "f.history"});
    rest.put_config("f", &config(&server, &other)).await?;
    let texts = [
        "A slave with the same server_uuid/server_id",
        "database.server.id",
    ];
    fails_with(&rest, &server, &texts).await?;
    rest.wait_running("f").await.map(drop)
}

#[tokio::test]
async fn a_missing_select_privilege_is_named() -> Result<()> {
    let server = MariaDb::start(MySqlOptions::default()).await?;
    server
        .exec(
            "",
            "CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY);
             CREATE USER poor@'%' IDENTIFIED BY 'dbz'; GRANT INSERT ON shop.t TO poor@'%';
             GRANT RELOAD, BINLOG MONITOR, REPLICATION SLAVE ON *.* TO poor@'%'",
        )
        .await?;
    let worker = worker().await?;
    let rest = worker.rest();
    let poor = json!({"database.user": "poor"});
    rest.put_config("e", &config(&server, &poor)).await?;
    let texts = [
        "command denied to user",
        "`shop`.`t`",
        "Grant the privilege",
    ];
    fails_with(&rest, &server, &texts).await?;
    server
        .exec("", "GRANT SELECT ON shop.t TO poor@'%'")
        .await?;
    rest.restart("e").await?;
    streaming(&rest, &server).await
}

#[tokio::test]
async fn a_table_that_is_dropped_in_mid_stream_stops_nothing() -> Result<()> {
    let (server, worker) = streaming_connector().await?;
    let rest = worker.rest();
    rest.stop("e").await?;
    rest.wait_state("e", "STOPPED").await?;
    let changes = "INSERT INTO t VALUES (1000); DROP TABLE t; CREATE TABLE u (id INT PRIMARY KEY)";
    server.exec("shop", changes).await?;
    let rows = server.rows("", "SHOW MASTER STATUS").await?;
    let end: u64 = rows[0][1].as_deref().unwrap_or_default().parse()?;
    server.exec("shop", "INSERT INTO u VALUES (1)").await?;
    rest.resume("e").await?;
    eventually(DEADLINE, "the offset is behind the drop", || async {
        let offsets = rest.offsets("e").await?;
        let pos = offsets["offsets"][0]["offset"]["pos"].as_u64();
        ensure!(pos >= Some(end), "{offsets} {}", rest.status("e").await?);
        Ok(())
    })
    .await?;
    rest.wait_running("e").await.map(drop)
}
