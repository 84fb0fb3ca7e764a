//! Mistakes in configurations, servers that are set up wrongly, users without privileges.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tidegate_integration_tests::{
    CdcPipeline, MariaDb, MySqlOptions, PipelineOptions, Rest, SINK_PASSWORD, free_port, merge, row,
};

use crate::{assert_names, put, validate};

/// Errors by the key that they stand on.
async fn errors_by_key(rest: &Rest, config: &Value) -> Result<BTreeMap<String, String>> {
    let answer = validate(rest, config).await?;
    let infos = answer["configs"].as_array().context("configs")?;
    let named = infos.iter().map(|info| {
        let value = &info["value"];
        let name = value["name"].as_str().unwrap_or_default().to_owned();
        (name, value["errors"].to_string())
    });
    Ok(named.filter(|(_, errors)| errors != "[]").collect())
}

#[tokio::test]
async fn mistakes_in_configurations_stand_on_their_key_and_show_no_secret() -> Result<()> {
    let pipeline = CdcPipeline::start().await?;
    let rest = pipeline.rest();
    let wrong = json!({"connector.class": "io.debezium.connector.mariadb.MariaDbConector"});
    let answer = put(&rest, "source", &pipeline.source_config(&wrong)).await?;
    assert_eq!(answer.status, 400, "{}", answer.body);
    let known = "io.debezium.connector.mariadb.MariaDbConnector";
    let parts = ["MariaDbConector", known, "did you mean"];
    assert_names(&answer.body.to_string(), &parts);

    let check = async |extra: Value, key: &str, parts: &[&str]| -> Result<()> {
        let config = pipeline.source_config(&merge(json!({"name": "source"}), &extra));
        let began = Instant::now();
        let errors = errors_by_key(&rest, &config).await?;
        let found = errors
            .get(key)
            .with_context(|| format!("{key} is not among {errors:?}"))?;
        assert_names(found, parts);
        let took = began.elapsed();
        ensure!(took < Duration::from_mins(1), "{took:?}");
        let answer = put(&rest, "source", &config).await?;
        assert_eq!(answer.status, 400, "{}", answer.body);
        Ok(())
    };
    let sometimes = json!({"snapshot.mode": "sometimes"});
    let parts = [
        "'snapshot.mode' value is invalid",
        "must be one of",
        "schema_only",
    ];
    check(sometimes, "snapshot.mode", &parts).await?;
    let missing = json!({"topic.prefix": ""});
    check(missing, "topic.prefix", &["topic.prefix"]).await?;
    let port = free_port().to_string();
    let unreachable = json!({"database.port": port});
    let parts = [port.as_str(), "Unable to connect"];
    check(unreachable, "database.hostname", &parts).await?;
    // A server that never says a word.
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let address = silent.local_addr()?;
    let port = address.port().to_string();
    let hangs = json!({"database.hostname": "127.0.0.1", "database.port": port, "connect.timeout.ms": "2000"});
    let parts = [&*address.to_string(), "Timed out after 2 seconds"];
    check(hangs, "database.hostname", &parts).await?;
    let password = json!({"database.password": SINK_PASSWORD});
    let parts = ["Access denied", "database.password"];
    check(password, "database.hostname", &parts).await?;

    let path = "/connectors/source/status";
    assert_eq!(rest.get(path).await?.status, 404);
    let log = pipeline.worker.log();
    assert!(!log.contains(SINK_PASSWORD), "{log}");
    Ok(())
}

/// As with the original, validation asks the server for nothing but a connection: such a configuration is taken, and its
/// task fails before anything is read.
#[tokio::test]
async fn servers_that_write_no_rows_fail_the_task_before_a_snapshot() -> Result<()> {
    for (arg, parts) in [
        (
            "--skip-log-bin",
            [
                "Cannot read the binlog filename and position",
                "log_bin=OFF",
                "--log-bin",
            ],
        ),
        (
            "--binlog-format=STATEMENT",
            [
                "The database server is not configured to use a ROW binlog_format, which is required for this connector \
                 to work properly. Change the database configuration to use a binlog_format=ROW and restart the connector.",
                "STATEMENT",
                "io.debezium.DebeziumException",
            ],
        ),
        (
            "--binlog-row-image=MINIMAL",
            [
                "The database server is not configured to use a FULL binlog_row_image, which is required for this connector \
                 to work properly. Change the database configuration to use a binlog_row_image=FULL and restart the connector.",
                "MINIMAL",
                "io.debezium.DebeziumException",
            ],
        ),
    ] {
        let source = MariaDb::start(MySqlOptions::default().arg(arg)).await?;
        let pipeline = CdcPipeline::start_from(source, PipelineOptions::default()).await?;
        pipeline.create_t().await?;
        let rest = pipeline.rest();
        let config = pipeline.source_config(&json!({"name": "source"}));
        let errors = errors_by_key(&rest, &config).await?;
        assert!(errors.is_empty(), "{errors:?}");
        let answer = put(&rest, "source", &config).await?;
        assert_eq!(answer.status, 201, "{}", answer.body);
        assert_names(&rest.wait_failed("source").await?, &parts);
        let status = rest.status("source").await?;
        assert_eq!(status["connector"]["state"], "RUNNING", "{status}");
        pipeline.worker.stop().await?;
        assert!(pipeline.topic("shop.shop.t").await?.is_empty());
    }
    Ok(())
}

/// A snapshot alone needs no binary log.
#[tokio::test]
async fn a_server_without_binary_log_can_be_copied_once() -> Result<()> {
    let source = MariaDb::start(MySqlOptions::default().without_binlog()).await?;
    let pipeline = CdcPipeline::start_from(source, PipelineOptions::default()).await?;
    pipeline.create_t().await?;
    let rest = pipeline.rest();
    let once = pipeline.source_config(&json!({"snapshot.mode": "initial_only"}));
    rest.put_config("source", &once).await?;
    rest.put_config("sink", &pipeline.sink_config(&json!({})))
        .await?;
    pipeline.target_has("id, v", &[row(&["1", "1"])]).await?;
    rest.wait_running("source").await.map(drop)
}

#[tokio::test]
async fn missing_privileges_are_named_and_granting_them_is_enough() -> Result<()> {
    let pipeline = CdcPipeline::start().await?;
    pipeline.create_t().await?;
    let rest = pipeline.rest();
    for (number, (granted, missing, parts)) in [
        (
            "SELECT, RELOAD, BINLOG MONITOR ON *.*",
            "REPLICATION SLAVE ON *.*",
            &[
                "REPLICATION SLAVE",
                "GRANT REPLICATION SLAVE ON *.* TO 'poor0'",
            ][..],
        ),
        (
            "SELECT, RELOAD, REPLICATION SLAVE ON *.*",
            "BINLOG MONITOR ON *.*",
            &["BINLOG MONITOR", "database.user"],
        ),
        (
            "INSERT, RELOAD, BINLOG MONITOR, REPLICATION SLAVE ON *.*",
            "SELECT ON shop.t",
            &[
                "command denied to user 'poor2'",
                "`shop`.`t`",
                "Grant the privilege",
            ],
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let user = format!("poor{number}");
        let create =
            format!("CREATE USER {user}@'%' IDENTIFIED BY 'p'; GRANT {granted} TO {user}@'%'");
        pipeline.source.exec("", &create).await?;
        // Each connector writes the topics of its own prefix.
        let poor = json!({"database.user": user, "database.password": "p", "topic.prefix": format!("shop{number}"),
            "database.server.id": format!("71{number}"), "name": user});
        let config = merge(
            pipeline.source_config(&poor),
            &json!({"schema.history.internal.kafka.topic": format!("{user}.history")}),
        );
        assert!(errors_by_key(&rest, &config).await?.is_empty());
        rest.put_config(&user, &config).await?;
        let trace = rest.wait_failed(&user).await?;
        assert_names(&trace, parts);
        let grant = format!("GRANT {missing} TO {user}@'%'");
        pipeline.source.exec("", &grant).await?;
        rest.restart(&user).await?;
        let insert = "INSERT INTO t (id) SELECT MAX(id) + 1 FROM t";
        pipeline.streams(&user, insert).await?;
        rest.wait_running(&user).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_snapshot_that_loses_its_privilege_continues_with_it() -> Result<()> {
    let pipeline = CdcPipeline::start().await?;
    let tables = "CREATE TABLE a (id INT PRIMARY KEY); CREATE TABLE t (id INT PRIMARY KEY, v INT); \
                  INSERT INTO a VALUES (1); INSERT INTO t VALUES (1, 1); CREATE USER poor@'%' IDENTIFIED BY 'p'; \
                  GRANT RELOAD, BINLOG MONITOR, REPLICATION SLAVE ON *.* TO poor@'%'; GRANT SELECT ON shop.a TO poor@'%'; \
                  GRANT INSERT ON shop.t TO poor@'%'";
    pipeline.source.exec("shop", tables).await?;
    let rest = pipeline.rest();
    let poor = json!({"database.user": "poor", "database.password": "p"});
    rest.put_config("source", &pipeline.source_config(&poor))
        .await?;
    let trace = rest.wait_failed("source").await?;
    assert_names(
        &trace,
        &["command denied", "`shop`.`t`", "Grant the privilege"],
    );
    let grant = "GRANT SELECT ON shop.t TO poor@'%'";
    pipeline.source.exec("", grant).await?;
    rest.restart("source").await?;
    rest.put_config("sink", &pipeline.sink_config(&json!({})))
        .await?;
    pipeline.target_has("id, v", &[row(&["1", "1"])]).await
}
