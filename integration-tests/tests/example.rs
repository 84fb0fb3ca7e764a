//! `examples/cdc-pipeline` as its users run it: by its Makefile, from `.env`.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;
use tidegate_integration_tests::{
    MariaDb, Mode, MySqlOptions, MySqlServer, Postgres, PostgresOptions, Properties, TextRow,
    TidegateWorker, eventually, tidegate_binary,
};

const DEADLINE: Duration = Duration::from_mins(2);
const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/cdc-pipeline");

struct Example {
    source: MySqlServer,
    target: Postgres,
    worker: TidegateWorker,
    folder: TempDir,
}

impl Example {
    async fn start() -> Result<Self> {
        let source = MariaDb::start(MySqlOptions::default()).await?;
        let target = Postgres::start(PostgresOptions::default()).await?;
        target.exec("postgres", "CREATE SCHEMA mp_cdc").await?;
        let props = Properties::from([("offset.flush.interval.ms".to_owned(), "200".to_owned())]);
        let worker = TidegateWorker::start(Mode::Distributed, &props).await?;
        let folder = tempfile::tempdir()?;
        let copied = Command::new("cp")
            .args(["-r", &format!("{EXAMPLE}/."), "."])
            .current_dir(folder.path())
            .status()?;
        ensure!(copied.success(), "the example could not be copied");
        let example = Self {
            source,
            target,
            worker,
            folder,
        };
        example.write_env(&[])?;
        Ok(example)
    }

    /// `.env` out of `.env.example`, for these servers.
    fn write_env(&self, changes: &[(&str, &str)]) -> Result<()> {
        let text = std::fs::read_to_string(Path::new(EXAMPLE).join(".env.example"))?;
        let (port, url) = (self.source.port().to_string(), self.worker.url());
        let target = self.target.jdbc_url("postgres") + "?sslmode=disable";
        let mut env = Vec::new();
        for line in text.lines() {
            let name = line.split('=').next().unwrap_or_default();
            let changed = changes.iter().find(|(changed, _)| *changed == name);
            let value = match name {
                _ if changed.is_some() => changed.map(|(_, value)| *value),
                "DEBEZIUM_URL" => Some(url),
                "SINK_DB_URL" => Some(target.as_str()),
                "SINK_DB_USER" => Some(self.target.user()),
                name if name.ends_with("_PORT") => Some(port.as_str()),
                name if name.ends_with("_USER") => Some(self.source.user()),
                name if name.ends_with("_PASS") => Some(self.source.password()),
                _ => None,
            };
            match value {
                Some(value) => env.push(format!("{name}={value}")),
                None => env.push(line.to_owned()),
            }
        }
        Ok(std::fs::write(
            self.folder.path().join(".env"),
            env.join("\n"),
        )?)
    }

    fn make(&self, targets: &[&str]) -> Result<Output> {
        Ok(Command::new("make")
            .args(targets)
            .current_dir(self.folder.path())
            .env("TIDEGATE", tidegate_binary()?)
            .env_remove("DEBEZIUM_URL")
            .output()?)
    }

    fn made(&self, targets: &[&str]) -> Result<String> {
        let output = self.make(targets)?;
        ensure!(output.status.success(), "make {targets:?}: {output:?}");
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Puts another snapshot mode into the source's file, as a person would.
    fn set_snapshot_mode(&self, from: &str, to: &str) -> Result<()> {
        let file = self
            .folder
            .path()
            .join("connectors/sources/mariadb/trading.json");
        let text = std::fs::read_to_string(&file)?;
        let mode = |mode: &str| format!("\"snapshot.mode\": \"{mode}\"");
        ensure!(text.contains(&mode(from)), "{text}");
        Ok(std::fs::write(file, text.replace(&mode(from), &mode(to)))?)
    }

    async fn target_becomes(&self, sql: &str, expected: &[&[&str]]) -> Result<()> {
        let expected: Vec<TextRow> = expected
            .iter()
            .map(|row| row.iter().map(|text| Some((*text).to_owned())).collect())
            .collect();
        eventually(DEADLINE, sql, || async {
            let rows = self.target.rows("postgres", sql).await?;
            ensure!(rows == expected, "{rows:?} instead of {expected:?}");
            Ok(())
        })
        .await
    }
}

#[tokio::test]
async fn the_makefile_does_what_it_says() -> Result<()> {
    let example = Example::start().await?;
    let source = &example.source;
    for sql in [
        "CREATE DATABASE xchange_trading",
        "CREATE TABLE xchange_trading.orders (id INT PRIMARY KEY, active TINYINT(1), deleted BIT(1))",
        "CREATE TABLE xchange_trading.notes (id INT PRIMARY KEY, text VARCHAR(20))",
        "INSERT INTO xchange_trading.orders VALUES (1, 1, b'0')",
    ] {
        source.exec("", sql).await?;
    }
    example.made(&["register-trading-source", "register-trading-sink"])?;
    let list = example.made(&["connectors"])?;
    for name in ["mariadb-trading-connector", "postgres-sink-trading"] {
        ensure!(list.contains(name), "{list}");
        let status = example.made(&["connector-status", &format!("C={name}")])?;
        ensure!(status.contains("RUNNING"), "{status}");
    }
    ensure!(
        example.worker.log().contains("today it is 'no_data'"),
        "no hint"
    );
    // `schema_only` leaves the first row out. The table of notes has no column to cast.
    source
        .exec(
            "xchange_trading",
            "INSERT INTO orders VALUES (2, 0, b'1'); INSERT INTO notes VALUES (1, 'a')",
        )
        .await?;
    let orders =
        "SELECT id::text, active::text, deleted::text FROM mp_cdc.orders ORDER BY mp_cdc.orders.id";
    example
        .target_becomes(orders, &[&["2", "0", "true"]])
        .await?;
    let notes = "SELECT id::text, text FROM mp_cdc.notes ORDER BY mp_cdc.notes.id";
    example.target_becomes(notes, &[&["1", "a"]]).await?;

    // A restart keeps the position: what happens meanwhile arrives, once.
    example.made(&["unregister-trading-sink"])?;
    source
        .exec("xchange_trading", "INSERT INTO notes VALUES (2, 'b')")
        .await?;
    example.made(&["restart-trading-source"])?;
    source
        .exec("xchange_trading", "DELETE FROM notes WHERE id = 1")
        .await?;
    example.made(&["restart-trading-sink"])?;
    example.target_becomes(notes, &[&["2", "b"]]).await?;

    example.made(&["unregister-trading-source", "unregister-trading-sink"])?;
    let list = example.made(&["connectors"])?;
    ensure!(!list.contains("trading"), "{list}");
    let failed = example.make(&["connector-status", "C=mariadb-trading-connector"])?;
    ensure!(!failed.status.success(), "{failed:?}");

    // The offsets are still there: what was missed comes now.
    source
        .exec("xchange_trading", "INSERT INTO notes VALUES (3, 'c')")
        .await?;
    example.made(&["register-trading-source", "register-trading-sink"])?;
    example
        .target_becomes(notes, &[&["2", "b"], &["3", "c"]])
        .await
}

#[tokio::test]
async fn a_table_is_added_by_recovery() -> Result<()> {
    let example = Example::start().await?;
    let source = &example.source;
    for sql in [
        "CREATE DATABASE xchange_trading",
        "CREATE TABLE xchange_trading.orders (id INT PRIMARY KEY, note VARCHAR(20))",
        "CREATE TABLE xchange_trading.trades (id INT PRIMARY KEY, price DECIMAL(10,2), active BIT(1))",
    ] {
        source.exec("", sql).await?;
    }
    let list = "TRADING_TABLE_ALLOWLIST";
    example.write_env(&[(list, "xchange_trading.orders")])?;
    example.made(&["register-trading-source", "register-trading-sink"])?;
    // What lies before the position of the connector's last record stays out.
    let both = "INSERT INTO trades VALUES (1, 1, b'1'); INSERT INTO orders VALUES (1, 'a')";
    source.exec("xchange_trading", both).await?;
    let orders = "SELECT id::text, note FROM mp_cdc.orders ORDER BY mp_cdc.orders.id";
    example.target_becomes(orders, &[&["1", "a"]]).await?;

    example.write_env(&[(list, "xchange_trading.orders,xchange_trading.trades")])?;
    example.set_snapshot_mode("schema_only", "recovery")?;
    example.made(&["restart-trading-source", "restart-trading-sink"])?;
    let both = "INSERT INTO orders VALUES (2, 'b'); INSERT INTO trades VALUES (2, 2.50, b'0')";
    source.exec("xchange_trading", both).await?;
    let trades =
        "SELECT id::text, price::text, active::text FROM mp_cdc.trades ORDER BY mp_cdc.trades.id";
    example
        .target_becomes(trades, &[&["2", "2.50", "false"]])
        .await?;

    example.set_snapshot_mode("recovery", "schema_only")?;
    example.made(&["restart-trading-source"])?;
    let both = "UPDATE orders SET note = 'c' WHERE id = 1; INSERT INTO trades VALUES (3, 3, b'1')";
    source.exec("xchange_trading", both).await?;
    example
        .target_becomes(trades, &[&["2", "2.50", "false"], &["3", "3.00", "true"]])
        .await?;
    example
        .target_becomes(orders, &[&["1", "c"], &["2", "b"]])
        .await
}

#[tokio::test]
async fn a_variable_that_is_missing_is_named() -> Result<()> {
    let example = Example::start().await?;
    let file = example.folder.path().join(".env");
    let env = std::fs::read_to_string(&file)?;
    let without: Vec<&str> = env
        .lines()
        .filter(|line| !line.starts_with("TRADING_PASS="))
        .collect();
    std::fs::write(&file, without.join("\n"))?;
    let failed = example.make(&["register-trading-source"])?;
    let error = String::from_utf8_lossy(&failed.stderr).into_owned();
    ensure!(!failed.status.success(), "it was registered");
    ensure!(error.contains("TRADING_PASS"), "{error}");
    let connectors = example.worker.rest().get("/connectors").await?.success()?;
    ensure!(
        connectors.as_array().context("a list")?.is_empty(),
        "{connectors}"
    );
    Ok(())
}
