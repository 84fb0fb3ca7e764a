//! The main job on real servers: MariaDB or MySQL to topics to PostgreSQL, with the files of `examples/cdc-pipeline`.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tidegate_integration_tests::{
    MariaDb, Mode, MySql, MySqlOptions, MySqlServer, Postgres, PostgresOptions, Properties,
    TextRow, TidegateWorker, eventually, tidegate_binary,
};

const DEADLINE: Duration = Duration::from_mins(1);
const DATABASES: [(&str, &str); 8] = [
    ("TRADING", "xchange_trading"),
    ("FINANCE", "xchange_finance"),
    ("LIVE", "xchangelive"),
    ("CHAT", "xchange_chat"),
    ("PERFORMANCE", "xchange_performance"),
    ("CONCONTROL", "xchange_concontrol"),
    ("CLAIM", "xchange_claim"),
    ("PAYMENT", "xchange_payment"),
];

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/cdc-pipeline")
}

struct Pipeline {
    source: MySqlServer,
    target: Postgres,
    worker: TidegateWorker,
}

impl Pipeline {
    async fn start() -> Result<Self> {
        Self::start_from(MariaDb::start(flushed_to_the_kernel()).await?).await
    }

    async fn start_from(source: MySqlServer) -> Result<Self> {
        // What the target has committed is to survive its own `kill -9`.
        let durable = PostgresOptions {
            durable: true,
            ..PostgresOptions::default()
        };
        let target = Postgres::start(durable).await?;
        target.exec("postgres", "CREATE SCHEMA mp_cdc").await?;
        let props = Properties::from([("offset.flush.interval.ms".to_owned(), "200".to_owned())]);
        let worker = TidegateWorker::start(Mode::Distributed, &props).await?;
        Ok(Self {
            source,
            target,
            worker,
        })
    }

    /// `tidegate connectors …` with the variables of `.env.example` set for these servers.
    fn client(&self, args: &[&str]) -> Result<Output> {
        let mut command = std::process::Command::new(tidegate_binary()?);
        command
            .arg("connectors")
            .args(args)
            .args(["--url", self.worker.url()])
            .current_dir(example())
            .env("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092")
            .env(
                "SINK_DB_URL",
                self.target.jdbc_url("postgres") + "?sslmode=disable",
            )
            .env("SINK_DB_USER", self.target.user())
            .env("SINK_DB_PASSWORD", "unused");
        for (name, database) in DATABASES {
            command
                .env(format!("{name}_HOST"), "127.0.0.1")
                .env(format!("{name}_PORT"), self.source.port().to_string())
                .env(format!("{name}_USER"), self.source.user())
                .env(format!("{name}_PASS"), self.source.password())
                .env(
                    format!("{name}_TABLE_ALLOWLIST"),
                    format!("{database}\\..*"),
                );
        }
        Ok(command.output()?)
    }

    async fn target_becomes(&self, sql: &str, expected: &[TextRow]) -> Result<()> {
        eventually(DEADLINE, sql, || async {
            let rows = self.target.rows("postgres", sql).await?;
            let (more, less): (Vec<_>, Vec<_>) = (
                rows.iter().filter(|row| !expected.contains(row)).collect(),
                expected.iter().filter(|row| !rows.contains(row)).collect(),
            );
            ensure!(
                rows == expected,
                "{more:?} too much, {less:?} missing; the worker's log ends with\n{}",
                self.worker.log_tail()
            );
            Ok(())
        })
        .await
    }

    fn source_config(&self, extra: Value) -> Value {
        let mut config = json!({
            "connector.class": "io.debezium.connector.mariadb.MariaDbConnector",
            "database.server.id": "7001", "topic.prefix": "shop", "database.include.list": "shop",
            "schema.history.internal.kafka.bootstrap.servers": "unused:1",
            "schema.history.internal.kafka.topic": "shop.history",
        });
        let all = config.as_object_mut().expect("an object");
        for (name, value) in self.source.connector_props() {
            all.insert(name, value.into());
        }
        all.extend(extra.as_object().expect("an object").clone());
        config
    }

    fn sink_config(&self) -> Value {
        json!({
            "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
            "connection.url": self.target.jdbc_url("postgres") + "?sslmode=disable",
            "connection.username": self.target.user(), "connection.password": "unused",
            "topics.regex": "shop\\.shop\\..*", "insert.mode": "upsert", "primary.key.mode": "record_key",
            "delete.enabled": "true", "schema.evolution": "basic",
            "collection.name.format": "mp_cdc.${topic}", "transforms": "route",
            "transforms.route.type": "org.apache.kafka.connect.transforms.RegexRouter",
            "transforms.route.regex": "shop\\.shop\\.(.*)", "transforms.route.replacement": "$1",
        })
    }
}

fn row(values: &[&str]) -> TextRow {
    values.iter().map(|text| Some((*text).to_owned())).collect()
}

// What is not written to the disk before `kill -9` of the process alone stays in the kernel's memory.
fn flushed_to_the_kernel() -> MySqlOptions {
    MySqlOptions::default().arg("--innodb-flush-log-at-trx-commit=2")
}

#[tokio::test]
async fn the_example_runs_through_kill_and_schema_change() -> Result<()> {
    let pipeline = Pipeline::start().await?;
    for (_, database) in DATABASES {
        let sql = format!("CREATE DATABASE {database}");
        pipeline.source.exec("", &sql).await?;
        let table = "CREATE TABLE orders (id INT PRIMARY KEY, total DECIMAL(10,2), active BIT(1), note TEXT)";
        pipeline.source.exec(database, table).await?;
    }
    let mut files = Vec::new();
    for folder in ["connectors/sources/mariadb", "connectors/sinks/postgres"] {
        for entry in std::fs::read_dir(example().join(folder))? {
            let name = entry?.file_name();
            files.push(format!("{folder}/{}", name.to_str().context("a name")?));
        }
    }
    assert_eq!(files.len(), 16);
    let mut apply = vec!["apply"];
    apply.extend(files.iter().map(String::as_str));
    let output = pipeline.client(&apply)?;
    ensure!(output.status.success(), "{output:?}");

    // `schema_only`: rows from before the connector are not copied, so changes come after it.
    let trading = "xchange_trading";
    let insert = "INSERT INTO orders VALUES (1, 10.50, b'1', 'a'), (2, 20.00, b'0', NULL), (3, 0.01, b'1', 'c')";
    pipeline.source.exec(trading, insert).await?;
    let change = "UPDATE orders SET note = 'ä€' WHERE id = 1; DELETE FROM orders WHERE id = 2";
    pipeline.source.exec(trading, change).await?;
    let target = "SELECT id::text, total::text, active::text, note FROM mp_cdc.orders ORDER BY id";
    let first = [
        row(&["1", "10.50", "true", "ä€"]),
        row(&["3", "0.01", "true", "c"]),
    ];
    pipeline.target_becomes(target, &first).await?;

    pipeline.worker.kill9();
    let change = "ALTER TABLE orders ADD COLUMN placed DATETIME(3); \
                  INSERT INTO orders VALUES (4, 4, b'0', 'd', '2026-01-02 03:04:05.678'); UPDATE orders SET id = 9 WHERE id = 3";
    pipeline.source.exec(trading, change).await?;
    pipeline.worker.start_again().await?;
    let target = "SELECT id::text, note, placed::text FROM mp_cdc.orders ORDER BY mp_cdc.orders.id";
    let rows = [
        [row(&["1", "ä€"]), vec![None]].concat(),
        row(&["4", "d", "2026-01-02 03:04:05.678"]),
        [row(&["9", "c"]), vec![None]].concat(),
    ];
    pipeline.target_becomes(target, &rows).await
}

/// Snapshot, stream and key change give the target that the source has; the worker is killed again and again meanwhile.
async fn nothing_is_lost(source: MySqlServer, class: &str) -> Result<()> {
    let pipeline = Pipeline::start_from(source).await?;
    let table = "CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY, v BIGINT UNSIGNED, s VARCHAR(40));
                 INSERT INTO shop.t WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
                 SELECT i, i * 7, concat('row ', i) FROM n";
    pipeline.source.exec("", table).await?;
    let rest = pipeline.worker.rest();
    let source = pipeline.source_config(json!({"connector.class": class}));
    rest.put_config("source", &source).await?;
    rest.put_config("sink", &pipeline.sink_config()).await?;
    for round in 0..4 {
        rest.wait_running("source").await?;
        rest.wait_running("sink").await?;
        let from = 1000 * (round + 1);
        for step in 0..20 {
            let id = from + step;
            let sql = format!(
                "INSERT INTO t VALUES ({id}, {id}, 'new'); UPDATE t SET v = v + 1, s = 'round {round}' WHERE id % 20 = {step}; \
                 DELETE FROM t WHERE id = {}",
                round * 20 + step + 1
            );
            pipeline.source.exec("shop", &sql).await?;
            if step == 10 {
                pipeline.worker.kill9();
            }
        }
        pipeline.worker.start_again().await?;
    }
    let source = pipeline
        .source
        .rows("shop", "SELECT id, v, s FROM t ORDER BY id")
        .await?;
    let target = "SELECT id::text, v::text, s FROM mp_cdc.t ORDER BY mp_cdc.t.id";
    pipeline.target_becomes(target, &source).await
}

#[tokio::test]
async fn nothing_is_lost_from_mariadb() -> Result<()> {
    let source = MariaDb::start(flushed_to_the_kernel()).await?;
    nothing_is_lost(source, "io.debezium.connector.mariadb.MariaDbConnector").await
}

#[tokio::test]
async fn nothing_is_lost_from_mysql() -> Result<()> {
    let source = MySql::start(flushed_to_the_kernel()).await?;
    nothing_is_lost(source, "io.debezium.connector.mysql.MySqlConnector").await
}

#[tokio::test]
async fn lost_servers_are_waited_for() -> Result<()> {
    let pipeline = Pipeline::start().await?;
    pipeline
        .source
        .exec(
            "",
            "CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY)",
        )
        .await?;
    let rest = pipeline.worker.rest();
    let source = pipeline.source_config(json!({}));
    rest.put_config("source", &source).await?;
    rest.put_config("sink", &pipeline.sink_config()).await?;
    pipeline
        .source
        .exec("shop", "INSERT INTO t VALUES (1)")
        .await?;
    let ids = "SELECT id::text FROM mp_cdc.t ORDER BY mp_cdc.t.id";
    pipeline.target_becomes(ids, &[row(&["1"])]).await?;
    pipeline.target.kill9();
    pipeline.source.kill9();
    pipeline.source.start_again().await?;
    pipeline
        .source
        .exec("shop", "INSERT INTO t VALUES (2)")
        .await?;
    pipeline.target.start_again().await?;
    pipeline
        .target_becomes(ids, &[row(&["1"]), row(&["2"])])
        .await
}

#[tokio::test]
async fn mistakes_are_named() -> Result<()> {
    let pipeline = Pipeline::start().await?;
    let rest = pipeline.worker.rest();
    let wrong = pipeline.source_config(json!({"database.password": "secret-that-is-wrong"}));
    let error = rest
        .put_config("source", &wrong)
        .await
        .expect_err("wrong password");
    let error = format!("{error:?}");
    assert!(error.contains("Access denied"), "{error}");
    assert!(!error.contains("secret-that-is-wrong"), "{error}");

    let unknown = pipeline.source_config(json!({"snapshot.mode": "sometimes"}));
    let error = rest
        .put_config("source", &unknown)
        .await
        .expect_err("unknown mode");
    assert!(format!("{error:?}").contains("snapshot.mode"), "{error:?}");

    let output = pipeline.client(&["apply", "connectors/sources/mariadb/no.json"])?;
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("no.json"), "{text}");
    Ok(())
}
