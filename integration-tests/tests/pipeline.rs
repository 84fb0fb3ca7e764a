//! The main job on real servers: MariaDB to topics to PostgreSQL, with the files of `examples/cdc-pipeline`.

use std::path::{Path, PathBuf};
use std::process::Output;

use anyhow::{Context as _, Result, ensure};
use tidegate_integration_tests::{CdcPipeline, row, tidegate_binary};

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

/// `tidegate connectors …` with the variables of `.env.example` set for these servers.
fn client(pipeline: &CdcPipeline, args: &[&str]) -> Result<Output> {
    let mut command = std::process::Command::new(tidegate_binary()?);
    command
        .arg("connectors")
        .args(args)
        .args(["--url", pipeline.worker.url()])
        .current_dir(example())
        .env("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092")
        .env(
            "SINK_DB_URL",
            pipeline.target.jdbc_url("postgres") + "?sslmode=disable",
        )
        .env("SINK_DB_USER", pipeline.target.user())
        .env("SINK_DB_PASSWORD", "unused");
    for (name, database) in DATABASES {
        command
            .env(format!("{name}_HOST"), "127.0.0.1")
            .env(format!("{name}_PORT"), pipeline.source.port().to_string())
            .env(format!("{name}_USER"), pipeline.source.user())
            .env(format!("{name}_PASS"), pipeline.source.password())
            .env(
                format!("{name}_TABLE_ALLOWLIST"),
                format!("{database}\\..*"),
            );
    }
    Ok(command.output()?)
}

#[tokio::test]
async fn the_example_runs_through_kill_and_schema_change() -> Result<()> {
    let pipeline = CdcPipeline::start().await?;
    pipeline
        .target
        .exec("postgres", "CREATE SCHEMA mp_cdc")
        .await?;
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
    let output = client(&pipeline, &apply)?;
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

#[tokio::test]
async fn a_file_that_is_not_there_is_named() -> Result<()> {
    let pipeline = CdcPipeline::start().await?;
    let output = client(&pipeline, &["apply", "connectors/sources/mariadb/no.json"])?;
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("no.json"), "{text}");
    Ok(())
}
