//! Servers for tests: real MariaDB, MySQL, PostgreSQL, Apache Kafka, Kafka Connect, and the worker under test.
//!
//! Each server listens on a free loopback port, keeps its data in a fresh directory and ends with the process that started
//! it, even if that is killed. A server is ready when its `start` returns: readiness is asked over real connections. What a
//! test needs in common with others (a server per test binary) lives in a `tokio::sync::OnceCell`; names of databases and
//! topics are then kept apart by [`unique`].
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use tidegate_integration_tests::{KafkaBroker, KafkaOptions, Mode, TidegateWorker};
//!
//! let kafka = KafkaBroker::start(KafkaOptions::default()).await?;
//! let props = kafka.distributed_props();
//! let worker = TidegateWorker::start(Mode::Distributed, &props).await?;
//! let rest = worker.rest();
//! rest.put_config("numbers", &serde_json::json!({"connector.class": "FileStreamSource"})).await?;
//! rest.wait_running("numbers").await?;
//! worker.kill9();
//! worker.restart().await?;
//! # Ok(())
//! # }
//! ```

mod cases;
mod cdc_pipeline;
mod connect;
mod ddl_statements;
mod directory;
mod installed;
mod kafka;
mod mysql;
mod pgbouncer;
mod ports;
mod postgres;
mod process;
mod program;
mod proxy;
mod recorded;
mod rest;
mod topics;
mod wait;
mod worker;

pub use cases::{CaseFolder, case_folders};
pub use cdc_pipeline::{
    CdcPipeline, PipelineOptions, SINK_PASSWORD, flushed_to_the_kernel, merge, row,
};
pub use connect::{ConnectOptions, JvmConnect};
pub use ddl_statements::{DdlScenario, DdlStep, ddl_scenarios};
pub use directory::{ServerDirectory, unique};
pub use installed::{kafka_libs, mysql_root, plugins};
pub use kafka::{KafkaBroker, KafkaOptions, properties_text};
pub use mysql::{MariaDb, MySql, MySqlOptions, MySqlServer};
pub use pgbouncer::PgBouncer;
pub use ports::free_port;
pub use postgres::{Postgres, PostgresDatabase, PostgresOptions};
pub use process::ServerProcess;
pub use program::exit_code;
pub use proxy::{Direction, Fault, FaultProxy, Traffic};
pub use recorded::{
    Difference, Exchange, Heard, Meant, differences, java_testdata, no_differences, read_exchanges,
    send,
};
pub use rest::{Answer, Rest};
pub use topics::{Message, read_embedded_topic, read_topic, topic_names};
pub use wait::{SERVER_DEADLINE, eventually};
pub use worker::{Mode, TidegateWorker, tidegate_binary};

/// Settings of a worker or broker, in order.
pub type Properties = std::collections::BTreeMap<String, String>;

/// A row as text; `None` is NULL.
pub type TextRow = Vec<Option<String>>;
