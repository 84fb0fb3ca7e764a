//! Bad input and faults: what the worker says, and how it comes back.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tidegate_integration_tests::{
    Answer, MariaDb, Mode, MySqlOptions, MySqlServer, Postgres, PostgresOptions, Properties, Rest,
    TextRow, TidegateWorker, eventually, free_port,
};

const DEADLINE: Duration = Duration::from_mins(2);
const SECRET: &str = "s3cret-Zq81";

struct Pipeline {
    source: MySqlServer,
    target: Postgres,
    worker: TidegateWorker,
}

impl Pipeline {
    async fn start() -> Result<Self> {
        let options = MySqlOptions::default().arg("--innodb-flush-log-at-trx-commit=2");
        Self::start_from(MariaDb::start(options).await?).await
    }

    async fn start_from(source: MySqlServer) -> Result<Self> {
        let durable = PostgresOptions {
            durable: true,
            ..PostgresOptions::default()
        };
        let target = Postgres::start(durable).await?;
        let props = Properties::from([("offset.flush.interval.ms".to_owned(), "300".to_owned())]);
        let worker = TidegateWorker::start(Mode::Distributed, &props).await?;
        source.exec("", "CREATE DATABASE shop").await?;
        Ok(Self {
            source,
            target,
            worker,
        })
    }

    fn rest(&self) -> Rest {
        self.worker.rest()
    }

    fn source_config(&self, extra: &Value) -> Value {
        let mut config = json!({
            "connector.class": "io.debezium.connector.mariadb.MariaDbConnector",
            "database.server.id": "7001", "topic.prefix": "shop", "database.include.list": "shop",
            "schema.history.internal.kafka.bootstrap.servers": "unused:1",
            "schema.history.internal.kafka.topic": "shop.history",
            "retriable.restart.connector.wait.ms": "500",
        });
        for (name, value) in self.source.connector_props() {
            config[name] = value.into();
        }
        merge(config, extra)
    }

    fn sink_config(&self, extra: &Value) -> Value {
        let config = json!({
            "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
            "connection.url": self.target.jdbc_url("postgres") + "?sslmode=disable",
            "connection.username": self.target.user(), "connection.password": SECRET,
            "topics.regex": "shop\\.shop\\..*", "insert.mode": "upsert", "primary.key.mode": "record_key",
            "delete.enabled": "true", "schema.evolution": "basic", "transforms": "route",
            "transforms.route.type": "org.apache.kafka.connect.transforms.RegexRouter",
            "transforms.route.regex": "shop\\.shop\\.(.*)", "transforms.route.replacement": "$1",
        });
        merge(config, extra)
    }

    async fn run_both(&self, sink: &Value) -> Result<()> {
        let (rest, source) = (self.rest(), self.source_config(&json!({})));
        rest.put_config("source", &source).await?;
        rest.put_config("sink", &self.sink_config(sink)).await?;
        Ok(())
    }

    /// All rows of `t` in the target, until they are these.
    async fn target_has(&self, columns: &str, expected: &[TextRow]) -> Result<()> {
        let sql = format!("SELECT {columns} FROM t ORDER BY t.id");
        eventually(DEADLINE, &sql, || async {
            let rows = self.target.rows("postgres", &sql).await?;
            let more: Vec<_> = rows.iter().filter(|row| !expected.contains(row)).collect();
            let less: Vec<_> = expected.iter().filter(|row| !rows.contains(row)).collect();
            ensure!(
                rows == expected,
                "{more:?} too much, {less:?} missing; the worker's log ends with\n{}",
                self.worker.log_tail()
            );
            Ok(())
        })
        .await
    }

    async fn create_t(&self) -> Result<()> {
        let sql = "CREATE TABLE t (id INT PRIMARY KEY, v INT); INSERT INTO t VALUES (1, 1)";
        self.source.exec("shop", sql).await
    }
}

fn merge(mut config: Value, extra: &Value) -> Value {
    for (name, value) in extra.as_object().into_iter().flatten() {
        config[name] = value.clone();
    }
    config
}

fn row(values: &[&str]) -> TextRow {
    values.iter().map(|text| Some((*text).to_owned())).collect()
}

#[track_caller]
fn assert_names(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "'{part}' is not in: {text}");
    }
}

async fn put(rest: &Rest, name: &str, config: &Value) -> Result<Answer> {
    let path = format!("/connectors/{name}/config");
    rest.put(&path, Some(config)).await
}

/// Errors by the key that they stand on.
async fn errors_by_key(rest: &Rest, config: &Value) -> Result<BTreeMap<String, String>> {
    let class = config["connector.class"].as_str().context("a class")?;
    let path = format!("/connector-plugins/{class}/config/validate");
    let answer = rest.put(&path, Some(config)).await?.success()?;
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
    let pipeline = Pipeline::start().await?;
    let rest = pipeline.rest();
    let wrong = json!({"connector.class": "io.debezium.connector.mariadb.MariaDbConector"});
    let answer = put(&rest, "source", &pipeline.source_config(&wrong)).await?;
    assert_eq!(answer.status, 400, "{}", answer.body);
    let known = "io.debezium.connector.mariadb.MariaDbConnector";
    assert_names(
        &answer.body.to_string(),
        &["MariaDbConector", known, "did you mean"],
    );

    let check = async |extra: Value, key: &str, parts: &[&str]| -> Result<()> {
        let config = pipeline.source_config(&merge(json!({"name": "source"}), &extra));
        let began = Instant::now();
        let errors = errors_by_key(&rest, &config).await?;
        let found = errors
            .get(key)
            .with_context(|| format!("{key} is not among {errors:?}"))?;
        assert_names(found, parts);
        ensure!(
            began.elapsed() < Duration::from_mins(1),
            "{:?}",
            began.elapsed()
        );
        let answer = put(&rest, "source", &config).await?;
        assert_eq!(answer.status, 400, "{}", answer.body);
        Ok(())
    };
    check(
        json!({"snapshot.mode": "sometimes"}),
        "snapshot.mode",
        &["sometimes"],
    )
    .await?;
    let port = free_port().to_string();
    check(
        json!({"database.port": port}),
        "database.hostname",
        &[&port, "Unable to connect"],
    )
    .await?;
    // An address that swallows every packet.
    let silent = json!({"database.hostname": "192.0.2.1", "connect.timeout.ms": "2000"});
    check(silent, "database.hostname", &["192.0.2.1"]).await?;
    let password = json!({"database.password": SECRET});
    check(
        password,
        "database.hostname",
        &["Access denied", "database.password"],
    )
    .await?;

    let path = "/connectors/source/status";
    assert_eq!(rest.get(path).await?.status, 404);
    let log = pipeline.worker.log();
    assert!(!log.contains(SECRET), "{log}");
    Ok(())
}

#[tokio::test]
async fn servers_that_write_no_rows_and_users_without_privileges_are_told_so() -> Result<()> {
    for (arg, parts) in [
        ("--skip-log-bin", ["log_bin", "--log-bin"]),
        (
            "--binlog-format=STATEMENT",
            ["binlog_format=ROW", "STATEMENT"],
        ),
        (
            "--binlog-row-image=MINIMAL",
            ["binlog_row_image=FULL", "MINIMAL"],
        ),
    ] {
        let source = MariaDb::start(MySqlOptions::default().arg(arg)).await?;
        let pipeline = Pipeline::start_from(source).await?;
        let rest = pipeline.rest();
        rest.put_config("source", &pipeline.source_config(&json!({})))
            .await?;
        assert_names(&rest.wait_failed("source").await?, &parts);
    }
    let pipeline = Pipeline::start().await?;
    pipeline.create_t().await?;
    let grants = "CREATE USER poor@'%' IDENTIFIED BY 'p'; GRANT SELECT, RELOAD, BINLOG MONITOR ON *.* TO poor@'%'";
    pipeline.source.exec("", grants).await?;
    let poor = json!({"database.user": "poor", "database.password": "p"});
    let rest = pipeline.rest();
    rest.put_config("source", &pipeline.source_config(&poor))
        .await?;
    assert_names(&rest.wait_failed("source").await?, &["REPLICATION"]);
    // Recovery: the privilege, and a restart.
    let grant = "GRANT REPLICATION SLAVE ON *.* TO poor@'%'";
    pipeline.source.exec("", grant).await?;
    rest.restart("source").await?;
    rest.put_config("sink", &pipeline.sink_config(&json!({})))
        .await?;
    pipeline
        .source
        .exec("shop", "INSERT INTO t VALUES (2, 2)")
        .await?;
    pipeline.target_has("id", &[row(&["1"]), row(&["2"])]).await
}

#[tokio::test]
async fn a_purged_binlog_is_named_and_when_needed_cures_it() -> Result<()> {
    let pipeline = Pipeline::start().await?;
    pipeline.create_t().await?;
    pipeline.run_both(&json!({})).await?;
    pipeline.target_has("id", &[row(&["1"])]).await?;
    let rest = pipeline.rest();
    rest.stop("source").await?;
    rest.wait_state("source", "STOPPED").await?;
    let stored = rest.offsets("source").await?.to_string();
    let logs = async || pipeline.source.rows("", "SHOW BINARY LOGS").await;
    let first = logs().await?[0][0].clone().context("a name")?;
    assert_names(&stored, &[&first]);
    let changes = "INSERT INTO t VALUES (2, 2); FLUSH BINARY LOGS";
    pipeline.source.exec("shop", changes).await?;
    // A log that a session still reads stays.
    eventually(DEADLINE, "the log is purged", || async {
        let last = logs().await?.last().and_then(|log| log[0].clone());
        let purge = format!("PURGE BINARY LOGS TO '{}'", last.context("a log")?);
        pipeline.source.exec("", &purge).await?;
        ensure!(logs().await?[0][0].as_ref() != Some(&first), "still there");
        Ok(())
    })
    .await?;
    rest.resume("source").await?;
    let trace = rest.wait_failed("source").await?;
    assert_names(
        &trace,
        &["no longer available on the server", &first, "when needed"],
    );
    let cure = pipeline.source_config(&json!({"snapshot.mode": "when_needed"}));
    rest.put_config("source", &cure).await?;
    pipeline.target_has("id", &[row(&["1"]), row(&["2"])]).await
}

#[tokio::test]
async fn a_row_that_the_target_refuses_is_named_or_set_aside() -> Result<()> {
    let pipeline = Pipeline::start().await?;
    pipeline.create_t().await?;
    let table = "CREATE TABLE t (id INT PRIMARY KEY, v INT CHECK (v < 100))";
    pipeline.target.exec("postgres", table).await?;
    pipeline.run_both(&json!({})).await?;
    pipeline.target_has("id", &[row(&["1"])]).await?;
    let rows = "INSERT INTO t VALUES (2, 2), (3, 300), (4, 4)";
    pipeline.source.exec("shop", rows).await?;
    let rest = pipeline.rest();
    let trace = rest.wait_failed("sink").await?;
    assert_names(
        &trace,
        &[
            "sink-0",
            "table t",
            "id=3",
            "shop.shop.t-0@2",
            "t_v_check",
            "errors.tolerance=all",
        ],
    );
    let tolerant = json!({"errors.tolerance": "all", "errors.deadletterqueue.topic.name": "dead",
        "errors.deadletterqueue.topic.replication.factor": "1", "errors.deadletterqueue.context.headers.enable": "true"});
    rest.put_config("sink", &pipeline.sink_config(&tolerant))
        .await?;
    pipeline
        .target_has("id", &[row(&["1"]), row(&["2"]), row(&["4"])])
        .await?;
    let sink = json!({"connector.class": "FileStreamSink", "topics": "dead", "file": pipeline.worker.directory().join("dead").display().to_string(),
        "value.converter": "org.apache.kafka.connect.storage.StringConverter"});
    rest.put_config("dead", &sink).await?;
    let file = pipeline.worker.directory().join("dead");
    eventually(DEADLINE, "one dead letter", || async {
        let text = std::fs::read_to_string(&file)?;
        ensure!(text.lines().count() == 1 && text.contains("300"), "{text}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn lost_connections_come_back_without_a_person() -> Result<()> {
    let pipeline = Pipeline::start().await?;
    pipeline.create_t().await?;
    pipeline.run_both(&json!({})).await?;
    let mut expected = vec![row(&["1", "1"])];
    pipeline.target_has("id, v", &expected).await?;
    for id in 2..30 {
        let text = id.to_string();
        let sql = format!("INSERT INTO t VALUES ({id}, {id})");
        pipeline.source.exec("shop", &sql).await?;
        expected.push(row(&[&text, &text]));
        if id % 3 == 0 {
            let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tidegate'";
            pipeline.target.exec("postgres", kill).await?;
        }
    }
    pipeline.target_has("id, v", &sorted(&expected)).await?;
    pipeline.target.stop().await?;
    pipeline
        .source
        .exec("shop", "UPDATE t SET v = 0 WHERE id = 1")
        .await?;
    let log = || async {
        ensure!(
            pipeline.worker.log().contains("trying again"),
            "no retry yet"
        );
        Ok(())
    };
    eventually(DEADLINE, "the sink tries again", log).await?;
    pipeline.source.restart().await?;
    pipeline.target.start_again().await?;
    pipeline
        .source
        .exec("shop", "INSERT INTO t VALUES (40, 40)")
        .await?;
    expected[0] = row(&["1", "0"]);
    expected.push(row(&["40", "40"]));
    pipeline.target_has("id, v", &sorted(&expected)).await?;
    for name in ["source", "sink"] {
        pipeline.rest().wait_running(name).await?;
    }
    // Passwords are in both configurations; the log has none of them.
    assert!(!pipeline.worker.log().contains(SECRET));
    Ok(())
}

fn sorted(rows: &[TextRow]) -> Vec<TextRow> {
    let mut rows = rows.to_vec();
    let number = |row: &TextRow| row[0].as_deref().and_then(|text| text.parse::<i64>().ok());
    rows.sort_by_key(number);
    rows
}

/// Deletes between two attempts at a snapshot reach the target.
#[tokio::test]
async fn twenty_kills_lose_nothing() -> Result<()> {
    let pipeline = Pipeline::start().await?;
    let table = "CREATE TABLE t (id INT PRIMARY KEY, v INT);
                 INSERT INTO t WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) SELECT i, 0 FROM n";
    pipeline.source.exec("shop", table).await?;
    let mut seed = u64::from(std::process::id()) + 1;
    #[expect(clippy::print_stdout, reason = "a failed test shows it")]
    {
        println!("seed {seed}");
    }
    let mut random = |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    pipeline.run_both(&json!({})).await?;
    for round in 0..20 {
        let kill_at = random(12);
        for step in 0..12 {
            let (a, b, c) = (random(900) + 1, random(900) + 1, 1000 + round * 12 + step);
            let sql = format!(
                "UPDATE t SET v = v + 1 WHERE id % 50 = {step}; DELETE FROM t WHERE id = {a}; \
                 INSERT INTO t VALUES ({c}, 0); UPDATE t SET id = id + 5000 WHERE id = {b}"
            );
            pipeline.source.exec("shop", &sql).await?;
            if step == kill_at {
                pipeline.worker.kill9();
            }
        }
        pipeline.worker.start_again().await?;
    }
    let rows = pipeline
        .source
        .rows("shop", "SELECT id, v FROM t ORDER BY id")
        .await?;
    pipeline.target_has("id, v", &rows).await
}

#[tokio::test]
async fn an_orderly_stop_leaves_nothing_to_repeat() -> Result<()> {
    let pipeline = Pipeline::start().await?;
    pipeline.create_t().await?;
    let rest = pipeline.rest();
    rest.put_config("source", &pipeline.source_config(&json!({})))
        .await?;
    let file = pipeline.worker.directory().join("copy");
    let sink = json!({"connector.class": "FileStreamSink", "topics": "shop.shop.t", "file": file.display().to_string(),
        "value.converter": "org.apache.kafka.connect.storage.StringConverter"});
    rest.put_config("copy", &sink).await?;
    let lines = async |count: usize| {
        eventually(DEADLINE, "all records are copied", || async {
            let text = std::fs::read_to_string(&file)?;
            ensure!(
                text.lines().count() == count,
                "{} lines",
                text.lines().count()
            );
            Ok(())
        })
        .await
    };
    lines(1).await?;
    pipeline
        .source
        .exec("shop", "INSERT INTO t VALUES (2, 2), (3, 3)")
        .await?;
    lines(3).await?;
    pipeline.worker.restart().await?;
    rest.wait_running("source").await?;
    pipeline
        .source
        .exec("shop", "INSERT INTO t VALUES (4, 4)")
        .await?;
    lines(4).await
}
