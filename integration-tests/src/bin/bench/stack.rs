//! The servers around the worker, and the worker itself.

use std::ops::Deref;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};
use tidegate_integration_tests::{
    JvmConnect, KafkaBroker, KafkaOptions, MariaDb, Mode, MySqlOptions, MySqlServer, Postgres,
    PostgresOptions, Properties, Rest, ServerProcess, TidegateWorker, tidegate_binary,
};

use crate::options::{LogKind, Options, WorkerKind};
use crate::say;
use crate::table::DATABASE;
use crate::topics::{self, Topics};

pub(crate) struct Stack {
    pub(crate) source: MySqlServer,
    pub(crate) target: Postgres,
    kafka: Option<KafkaBroker>,
}

impl Stack {
    pub(crate) async fn start(options: &Options) -> Result<Self> {
        let source = MySqlOptions::default()
            .arg("--innodb-buffer-pool-size=2G")
            .arg("--innodb-flush-log-at-trx-commit=2");
        let target = PostgresOptions {
            settings: vec![
                "shared_buffers=1GB".to_owned(),
                "max_wal_size=4GB".to_owned(),
            ],
            durable: true,
            ..PostgresOptions::default()
        };
        let kafka = if options.log == LogKind::Kafka || options.jvm {
            let broker = KafkaBroker::start(KafkaOptions::for_measurements()).await?;
            say("Warming up the broker …");
            topics::warm_up(broker.bootstrap()).await?;
            Some(broker)
        } else {
            None
        };
        Ok(Self {
            source: MariaDb::start(source).await?,
            target: Postgres::start(target).await?,
            kafka,
        })
    }
}

/// A worker with the topics that it writes.
pub(crate) struct Side {
    pub(crate) kind: WorkerKind,
    pub(crate) worker: Worker,
    pub(crate) topics: Topics,
    /// What the schema history's properties name.
    bootstrap: String,
}

pub(crate) enum Worker {
    Tidegate(TidegateWorker),
    Jvm(JvmConnect),
}

impl Deref for Worker {
    type Target = ServerProcess;
    fn deref(&self) -> &ServerProcess {
        match self {
            Self::Tidegate(worker) => worker,
            Self::Jvm(worker) => worker,
        }
    }
}

impl Worker {
    pub(crate) fn rest(&self) -> Rest {
        match self {
            Self::Tidegate(worker) => worker.rest(),
            Self::Jvm(worker) => worker.rest(),
        }
    }
}

impl Side {
    pub(crate) async fn start(stack: &Stack, options: &Options, kind: WorkerKind) -> Result<Self> {
        say(&format!("Starting {} …", kind.name()));
        let on_kafka = kind == WorkerKind::Jvm || options.log == LogKind::Kafka;
        let kafka = stack.kafka.as_ref().filter(|_| on_kafka);
        let props = kafka.map_or_else(Properties::new, KafkaBroker::distributed_props);
        let worker = match kind {
            WorkerKind::Jvm => Worker::Jvm(JvmConnect::start(&props).await?),
            WorkerKind::Tidegate => {
                let binary = match &options.worker {
                    Some(binary) => binary.clone(),
                    None => tidegate_binary()?,
                };
                Worker::Tidegate(
                    TidegateWorker::start_binary(&binary, Mode::Distributed, &props, &[]).await?,
                )
            }
        };
        let topics = match (kafka, &worker) {
            (Some(broker), _) => Topics::kafka(broker.bootstrap())?,
            (None, Worker::Tidegate(worker)) => Topics::Embedded(worker.directory().join("log")),
            (None, Worker::Jvm(_)) => anyhow::bail!("Kafka Connect needs a broker"),
        };
        Ok(Self {
            kind,
            worker,
            topics,
            bootstrap: kafka.map_or_else(
                || "127.0.0.1:9092".to_owned(),
                |broker| broker.bootstrap().to_owned(),
            ),
        })
    }

    pub(crate) fn broker_pid(&self, stack: &Stack) -> Option<u32> {
        stack
            .kafka
            .as_ref()
            .filter(|_| !self.topics.is_private())?
            .pid()
    }

    /// A name that this side alone uses.
    pub(crate) fn name(&self, purpose: &str) -> String {
        format!("{purpose}_{}", self.kind.name())
    }

    /// The topic of a source's table.
    pub(crate) fn topic(&self, purpose: &str, table: &str) -> String {
        format!("{}.{DATABASE}.{table}", self.name(purpose))
    }

    /// Registers a source of one table, named and with the topic prefix `name(purpose)`.
    pub(crate) async fn register_source(
        &self,
        stack: &Stack,
        purpose: &str,
        table: &str,
        extra: Value,
    ) -> Result<()> {
        let name = self.name(purpose);
        let mut config = json!({
            "connector.class": "io.debezium.connector.mariadb.MariaDbConnector",
            "database.server.id": (5000 + std::process::id() % 1000).to_string(),
            "topic.prefix": name,
            "database.include.list": DATABASE,
            "table.include.list": format!("{DATABASE}.{table}"),
            "schema.history.internal.kafka.bootstrap.servers": self.bootstrap,
            "schema.history.internal.kafka.topic": format!("{name}.history"),
        });
        let all = config.as_object_mut().context("an object")?;
        for (name, value) in stack.source.connector_props() {
            all.insert(name, value.into());
        }
        all.extend(object(extra)?);
        self.worker.rest().put_config(&name, &config).await?;
        Ok(())
    }

    /// Registers a sink of one topic into a table of the target.
    pub(crate) async fn register_sink(
        &self,
        stack: &Stack,
        name: &str,
        topic: &str,
        table: &str,
    ) -> Result<()> {
        let config = json!({
            "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
            "connection.url": stack.target.jdbc_url("postgres"),
            "connection.username": stack.target.user(),
            "connection.password": "unused",
            "topics": topic,
            "insert.mode": "upsert",
            "primary.key.mode": "record_key",
            "schema.evolution": "basic",
            "collection.name.format": table,
        });
        self.worker.rest().put_config(name, &config).await?;
        Ok(())
    }

    /// Fails if a connector has.
    pub(crate) async fn check_running(&self, name: &str) -> Result<()> {
        self.worker.rest().wait_running(name).await.map(drop)
    }
}

/// Converter settings for JSON without schemas.
pub(crate) fn without_schemas() -> Value {
    let class = "org.apache.kafka.connect.json.JsonConverter";
    json!({
        "key.converter": class, "key.converter.schemas.enable": "false",
        "value.converter": class, "value.converter.schemas.enable": "false",
    })
}

fn object(value: Value) -> Result<Map<String, Value>> {
    match value {
        Value::Object(map) => Ok(map),
        other => anyhow::bail!("{other} is no object"),
    }
}

/// Two objects as one.
pub(crate) fn merged(one: Value, other: Value) -> Result<Value> {
    let mut all = object(one)?;
    all.extend(object(other)?);
    Ok(Value::Object(all))
}
