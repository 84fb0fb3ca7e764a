//! A worker's sink whose database is away: its status says since when and why it waits.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use tidegate_integration_tests::{Mode, PostgresOptions, Properties, TidegateWorker, eventually};

use super::case::own_server;

const DEADLINE: Duration = Duration::from_mins(2);

#[tokio::test]
async fn a_sink_that_never_had_a_connection_says_why_it_waits() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let database = own_server(PostgresOptions::default()).await?;
    database.server().stop().await?;
    let data = folder.path().display().to_string();
    let props = Properties::from([("embedded.data.dir".to_owned(), data)]);
    let worker = TidegateWorker::start(Mode::Distributed, &props).await?;
    let rest = worker.rest();
    let config = json!({
        "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
        "topics": "rows",
        "connection.url": database.jdbc_url() + "?sslmode=disable",
        "connection.username": "postgres",
        "connection.password": "s3cret",
        "flush.retry.delay.ms": "50",
    });
    rest.put_config("sink", &config).await?;
    let trace = async || {
        let status = rest.status("sink").await?;
        let task = &status["tasks"][0];
        ensure!(task["state"] == "RUNNING", "{status}");
        anyhow::Ok(task["trace"].as_str().unwrap_or_default().to_owned())
    };
    eventually(DEADLINE, "the task says why it waits", || async {
        let text = trace().await?;
        ensure!(text.starts_with("Waiting since 2"), "{text}");
        ensure!(
            text.contains("cannot be reached")
                && text.contains("correct host and port in connection.url"),
            "{text}"
        );
        ensure!(!text.contains("s3cret"), "{text}");
        Ok(())
    })
    .await?;
    database.server().start_again().await?;
    eventually(DEADLINE, "the task waits no more", || async {
        let text = trace().await?;
        ensure!(text.is_empty(), "{text}");
        Ok(())
    })
    .await?;
    worker.stop().await?;
    Ok(())
}
