//! The main job as tests run it: a MariaDB or MySQL server, a worker, a PostgreSQL server.

use std::collections::HashSet;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::topics::{Message, read_embedded_topic, read_topic};
use crate::{
    KafkaBroker, KafkaOptions, MariaDb, Mode, MySqlOptions, MySqlServer, Postgres, PostgresOptions,
    Properties, Rest, SERVER_DEADLINE, TextRow, TidegateWorker, eventually, tidegate_binary,
};

/// Password of the sink's account; the target takes any.
pub const SINK_PASSWORD: &str = "s3cret-Zq81";

/// What the worker runs on, and with.
#[derive(Debug, Default)]
pub struct PipelineOptions {
    /// A real broker instead of the embedded log.
    pub kafka: bool,
    /// Worker properties beyond the harness's own.
    pub worker: Properties,
    /// Variables in the worker's environment.
    pub env: Vec<(&'static str, &'static str)>,
    /// Bytes that a file of the worker may have at most, see `RLIMIT_FSIZE`: what a full disk is to it.
    pub file_bytes: Option<u64>,
}

impl PipelineOptions {
    pub fn on_kafka() -> Self {
        Self {
            kafka: true,
            ..Self::default()
        }
    }
}

/// Source, worker and target, with database `shop` in the source.
#[derive(Debug)]
pub struct CdcPipeline {
    pub source: MySqlServer,
    pub target: Postgres,
    pub worker: TidegateWorker,
    pub kafka: Option<KafkaBroker>,
}

impl CdcPipeline {
    /// MariaDB and the embedded log.
    pub async fn start() -> Result<Self> {
        let source = MariaDb::start(flushed_to_the_kernel()).await?;
        Self::start_from(source, PipelineOptions::default()).await
    }

    pub async fn start_from(source: MySqlServer, options: PipelineOptions) -> Result<Self> {
        // What the target has committed is to survive its own `kill -9`.
        let durable = PostgresOptions {
            durable: true,
            ..PostgresOptions::default()
        };
        let target = Postgres::start(durable).await?;
        let (kafka, mut props) = if options.kafka {
            let sessions = "group.min.session.timeout.ms";
            let kafka = KafkaBroker::start(KafkaOptions::default().property(sessions, "1000"));
            let kafka = kafka.await?;
            let mut props = kafka.distributed_props();
            // The end of a killed worker's sessions comes soon.
            for (name, value) in [
                ("session.timeout.ms", "6000"),
                ("consumer.session.timeout.ms", "2000"),
                ("consumer.heartbeat.interval.ms", "500"),
            ] {
                props.insert(name.to_owned(), value.to_owned());
            }
            (Some(kafka), props)
        } else {
            (None, Properties::new())
        };
        props.insert("offset.flush.interval.ms".to_owned(), "200".to_owned());
        props.extend(options.worker);
        let binary = tidegate_binary()?;
        let worker = TidegateWorker::start_limited(
            &binary,
            Mode::Distributed,
            &props,
            &options.env,
            options.file_bytes,
        );
        let worker = worker.await?;
        source.exec("", "CREATE DATABASE shop").await?;
        Ok(Self {
            source,
            target,
            worker,
            kafka,
        })
    }

    pub fn rest(&self) -> Rest {
        self.worker.rest()
    }

    /// A source connector on database `shop`, with topics below `shop.shop`.
    pub fn source_config(&self, extra: &Value) -> Value {
        let unused = "unused:1";
        let bootstrap = self.kafka.as_ref().map_or(unused, KafkaBroker::bootstrap);
        let mut config = json!({
            "connector.class": self.source.connector_class(),
            "database.server.id": "7001", "topic.prefix": "shop", "database.include.list": "shop",
            "schema.history.internal.kafka.bootstrap.servers": bootstrap,
            "schema.history.internal.kafka.topic": "shop.history",
            "retriable.restart.connector.wait.ms": "500",
        });
        for (name, value) in self.source.connector_props() {
            config[name] = value.into();
        }
        merge(config, extra)
    }

    /// A sink that writes topic `shop.shop.x` to table `x`.
    pub fn sink_config(&self, extra: &Value) -> Value {
        let config = json!({
            "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
            "connection.url": self.target.jdbc_url("postgres") + "?sslmode=disable",
            "connection.username": self.target.user(), "connection.password": SINK_PASSWORD,
            "topics.regex": "shop\\.shop\\..*", "insert.mode": "upsert", "primary.key.mode": "record_key",
            "delete.enabled": "true", "schema.evolution": "basic", "transforms": "route",
            "transforms.route.type": "org.apache.kafka.connect.transforms.RegexRouter",
            "transforms.route.regex": "shop\\.shop\\.(.*)", "transforms.route.replacement": "$1",
            "consumer.override.metadata.max.age.ms": "1000",
        });
        merge(config, extra)
    }

    /// Posts both connectors, `source` and `sink`.
    pub async fn run_both(&self) -> Result<()> {
        let rest = self.rest();
        let (source, sink) = (self.source_config(&json!({})), self.sink_config(&json!({})));
        rest.put_config("source", &source).await?;
        rest.put_config("sink", &sink).await?;
        Ok(())
    }

    /// Waits until a query on the target gives these rows.
    pub async fn target_becomes(&self, sql: &str, expected: &[TextRow]) -> Result<()> {
        eventually(SERVER_DEADLINE, sql, || async {
            let rows = self.target.rows("postgres", sql).await?;
            let more = only_in(&rows, expected);
            let less = only_in(expected, &rows);
            ensure!(
                rows == expected,
                "{more:?} too much, {less:?} missing; the worker's log ends with\n{}",
                self.worker.log_tail()
            );
            Ok(())
        })
        .await
    }

    /// Waits until columns of table `t`, ordered by its `id`, are these in the target.
    pub async fn target_has(&self, columns: &str, expected: &[TextRow]) -> Result<()> {
        let sql = format!("SELECT {columns} FROM t ORDER BY t.id");
        self.target_becomes(&sql, expected).await
    }

    /// Waits until these columns of `t` are the same on both sides; nobody may write meanwhile.
    pub async fn sides_agree(&self, columns: &str) -> Result<()> {
        let sql = format!("SELECT {columns} FROM t ORDER BY t.id");
        let rows = self.source.rows("shop", &sql).await?;
        self.target_becomes(&sql, &rows).await
    }

    /// Table `t` with one row.
    pub async fn create_t(&self) -> Result<()> {
        let sql = "CREATE TABLE t (id INT PRIMARY KEY, v INT); INSERT INTO t VALUES (1, 1)";
        self.source.exec("shop", sql).await
    }

    /// All records of a topic. Without a broker the worker must be stopped.
    pub async fn topic(&self, name: &str) -> Result<Vec<Message>> {
        match &self.kafka {
            Some(kafka) => read_topic(kafka.bootstrap(), name).await,
            None => read_embedded_topic(&self.worker.directory().join("log"), name).await,
        }
    }

    /// Waits until the worker's log has a text.
    pub async fn log_has(&self, text: &str) -> Result<()> {
        eventually(SERVER_DEADLINE, text, || async {
            ensure!(
                self.worker.log().contains(text),
                "{}",
                self.worker.log_tail()
            );
            Ok(())
        })
        .await
    }

    /// Waits until a connector's stored offset is one of the stream. Changes that come before that belong to the
    /// snapshot, so that `insert`, which adds a row, may run more than once.
    pub async fn streams(&self, connector: &str, insert: &str) -> Result<()> {
        let rest = self.rest();
        eventually(SERVER_DEADLINE, "an offset of the stream", || async {
            self.source.exec("shop", insert).await?;
            let offsets = rest.offsets(connector).await?;
            let offset = offsets["offsets"].get(0).context("no offset yet")?;
            ensure!(offset["offset"]["server_id"].is_u64(), "{offsets}");
            Ok(())
        })
        .await
    }
}

/// Some of the rows of `these` that `those` do not have.
fn only_in<'a>(these: &'a [TextRow], those: &[TextRow]) -> Vec<&'a TextRow> {
    let those: HashSet<&TextRow> = those.iter().collect();
    let missing = these.iter().filter(|row| !those.contains(row));
    missing.take(20).collect()
}

/// What is not written to the disk before `kill -9` of the process alone stays in the kernel's memory.
pub fn flushed_to_the_kernel() -> MySqlOptions {
    MySqlOptions::default().arg("--innodb-flush-log-at-trx-commit=2")
}

/// `config` with the members of `extra` on top.
pub fn merge(mut config: Value, extra: &Value) -> Value {
    for (name, value) in extra.as_object().into_iter().flatten() {
        config[name] = value.clone();
    }
    config
}

/// A row without NULLs.
pub fn row(values: &[&str]) -> TextRow {
    values.iter().map(|text| Some((*text).to_owned())).collect()
}
