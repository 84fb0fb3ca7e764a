//! The demonstration of `make demo`: a small shop in MariaDB, its rows in PostgreSQL, live.
//!
//! ```text
//! demo CLIENT_AND_WORKER_BINARY FOLDER_OF_THE_CONNECTORS [kafka]
//! ```
//!
//! With `kafka` the topics are on a broker, otherwise on the embedded log.
//!
//! Starts private servers and the worker, posts the folder's `source.json` and `sink.json` with curl, changes rows for 20 s
//! and compares source and target row by row. Ends everything that it started, and so does Ctrl-C.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use mysql_async::prelude::Queryable as _;
use tidegate_integration_tests::{
    KafkaBroker, KafkaOptions, MariaDb, Mode, MySqlOptions, MySqlServer, Postgres, PostgresOptions,
    Properties, TextRow, TidegateWorker, eventually, exit_code,
};
use tokio::time::{MissedTickBehavior, interval};

const DURATION: Duration = Duration::from_secs(20);
const TABLES: [&str; 3] = ["customers", "orders", "order_lines"];
const SHOP: &str = "CREATE DATABASE shop; USE shop; \
    CREATE TABLE customers (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(60) NOT NULL, city VARCHAR(40)); \
    CREATE TABLE orders (id INT PRIMARY KEY AUTO_INCREMENT, customer INT NOT NULL, status VARCHAR(10) NOT NULL, placed DATETIME(3) NOT NULL); \
    CREATE TABLE order_lines (order_id INT, line INT, article VARCHAR(20), price DECIMAL(10,2), PRIMARY KEY (order_id, line)); \
    INSERT INTO customers (name, city) SELECT concat('Customer ', seq), 'Porto' FROM seq_1_to_500; \
    INSERT INTO orders (customer, status, placed) SELECT seq % 500 + 1, 'new', now(3) FROM seq_1_to_2000; \
    INSERT INTO order_lines SELECT seq % 2000 + 1, seq DIV 2000, concat('article ', seq % 90), seq % 100 + 0.99 FROM seq_0_to_5999";

#[tokio::main]
async fn main() -> ExitCode {
    exit_code("demo", Box::pin(run())).await
}

fn say(text: &str) -> Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{text}")?;
    Ok(output.flush()?)
}

async fn run() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(binary), Some(folder)) = (arguments.next(), arguments.next()) else {
        bail!("usage: demo BINARY FOLDER [kafka]");
    };
    let on_kafka = match arguments.next() {
        None => false,
        Some(log) if log.as_os_str() == "kafka" => true,
        Some(other) => bail!("'{}' is no log; 'kafka' is", other.display()),
    };
    let binary = std::path::absolute(binary)?;
    let kafka = if on_kafka {
        say("Starting Apache Kafka on a free port of 127.0.0.1 …")?;
        Some(KafkaBroker::start(KafkaOptions::default()).await?)
    } else {
        None
    };
    say("Starting MariaDB, PostgreSQL and the worker on free ports of 127.0.0.1 …")?;
    let source = MariaDb::start(MySqlOptions::default()).await?;
    let target = Postgres::start(PostgresOptions::default()).await?;
    let mut props = kafka
        .as_ref()
        .map_or_else(Properties::new, KafkaBroker::distributed_props);
    props.insert("offset.flush.interval.ms".to_owned(), "500".to_owned());
    let brokers = kafka
        .as_ref()
        .map_or("127.0.0.1:9092", KafkaBroker::bootstrap);
    let worker = TidegateWorker::start_binary(&binary, Mode::Distributed, &props, &[]).await?;
    say(&format!(
        "  MariaDB {}, PostgreSQL {}, worker {}, 8,500 rows to copy",
        source.port(),
        target.port(),
        worker.url()
    ))?;
    source.exec("", SHOP).await?;
    target.exec("postgres", "CREATE SCHEMA shop").await?;
    for file in ["source.json", "sink.json"] {
        post(&folder.join(file), &worker, &source, &target, brokers)?;
    }
    for name in ["shop-source", "shop-sink"] {
        worker.rest().wait_running(name).await?;
    }
    say("\n  time   rows in source   events by topics   rows in target   lag in ms")?;
    let changes = live(&source, &target, &worker).await?;
    compare(&source, &target).await?;
    say(&format!(
        "After {changes} changes and one ALTER TABLE source and target are equal, row by row."
    ))?;
    worker.stop().await?;
    target.stop().await?;
    source.stop().await?;
    Ok(())
}

/// Posts a file with the servers' addresses in it, as a user would.
fn post(
    file: &Path,
    worker: &TidegateWorker,
    source: &MySqlServer,
    target: &Postgres,
    brokers: &str,
) -> Result<()> {
    let mut text = std::fs::read_to_string(file).with_context(|| format!("{}", file.display()))?;
    for (name, value) in [
        ("MARIADB_PORT", source.port().to_string()),
        ("MARIADB_USER", source.user().to_owned()),
        ("MARIADB_PASSWORD", source.password().to_owned()),
        ("POSTGRES_PORT", target.port().to_string()),
        ("POSTGRES_USER", target.user().to_owned()),
        ("KAFKA_BOOTSTRAP_SERVERS", brokers.to_owned()),
    ] {
        text = text.replace(&format!("${{{name}}}"), &value);
    }
    let url = format!("{}/connectors", worker.url());
    say(&format!(
        "  curl -X POST -H 'Content-Type: application/json' -d @{} {url}",
        file.display()
    ))?;
    let output = Command::new("curl")
        .args(["-sS", "--fail-with-body", "--noproxy", "*", "-X", "POST"])
        .args(["-H", "Content-Type: application/json", "-d", &text, &url])
        .output()
        .context("curl")?;
    ensure!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// Changes rows for a while and shows what arrives; the number of changes.
async fn live(source: &MySqlServer, target: &Postgres, worker: &TidegateWorker) -> Result<u64> {
    let mut shop = source.connect("shop").await?;
    let mut tick = interval(Duration::from_millis(20));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let start = Instant::now();
    let (mut changes, mut shown, mut altered) = (0, 0, false);
    while start.elapsed() < DURATION {
        tick.tick().await;
        changes += 3;
        let article = format!("article {}", changes % 90);
        shop.query_drop("INSERT INTO orders (customer, status, placed) VALUES (1 + rand() * 499, 'new', now(3))").await?;
        let order = shop.last_insert_id().context("an order has a number")?;
        shop.exec_drop(
            "INSERT INTO order_lines (order_id, line, article, price) VALUES (?, 1, ?, 9.99)",
            (order, &article),
        )
        .await?;
        if order % 4 == 0 {
            shop.exec_drop("DELETE FROM order_lines WHERE order_id = ?", (order / 4,))
                .await?;
        } else {
            shop.exec_drop(
                "UPDATE orders SET status = 'paid' WHERE id = ?",
                (order / 2,),
            )
            .await?;
        }
        if !altered && start.elapsed() > DURATION / 2 {
            altered = true;
            let alter = "ALTER TABLE customers ADD COLUMN points INT NOT NULL DEFAULT 5";
            shop.query_drop(alter).await?;
            shop.query_drop("UPDATE customers SET points = id").await?;
            changes += 500;
            say(&format!("         {alter}"))?;
        }
        if start.elapsed().as_secs() > shown {
            shown = start.elapsed().as_secs();
            let lag = lag(target, order).await?;
            let events = events(worker).await?;
            say(&format!(
                "{:>4} s {:>16} {:>18} {:>16} {:>11}",
                shown,
                count_source(source).await?,
                events,
                count_target(target).await?,
                lag
            ))?;
        }
    }
    shop.disconnect().await?;
    Ok(changes)
}

/// Milliseconds until an order just written is in the target, as seen from here.
async fn lag(target: &Postgres, order: u64) -> Result<u128> {
    let start = Instant::now();
    let sql = format!("SELECT 1 FROM shop.orders WHERE id = {order}");
    eventually(Duration::from_secs(30), "the order arrives", || async {
        let rows = target.rows("postgres", &sql).await;
        ensure!(rows.is_ok_and(|rows| !rows.is_empty()), "not there");
        Ok(())
    })
    .await?;
    Ok(start.elapsed().as_millis())
}

/// Events that have passed from the topics to the sink, by its committed offsets.
async fn events(worker: &TidegateWorker) -> Result<u64> {
    let offsets = worker.rest().offsets("shop-sink").await?;
    let partitions = offsets["offsets"].as_array().into_iter().flatten();
    Ok(partitions
        .filter_map(|partition| partition["offset"]["kafka_offset"].as_u64())
        .sum())
}

async fn count_source(source: &MySqlServer) -> Result<u64> {
    let mut count = 0;
    for table in TABLES {
        let sql = format!("SELECT count(*) FROM {table}");
        count += number(&source.rows("shop", &sql).await?)?;
    }
    Ok(count)
}

async fn count_target(target: &Postgres) -> Result<u64> {
    let mut count = 0;
    for table in TABLES {
        let sql = format!("SELECT count(*) FROM shop.{table}");
        // Before its first row the table is missing.
        if let Ok(rows) = target.rows("postgres", &sql).await {
            count += number(&rows)?;
        }
    }
    Ok(count)
}

fn number(rows: &[TextRow]) -> Result<u64> {
    let text = rows.first().and_then(|row| row.first()?.as_deref());
    Ok(text.context("one number")?.parse()?)
}

/// Waits until each table of the target has the source's rows, value by value.
async fn compare(source: &MySqlServer, target: &Postgres) -> Result<()> {
    for (table, columns, target_columns, order) in [
        (
            "customers",
            "id, name, city, points",
            "id::text, name, city, points::text",
            "id",
        ),
        (
            "orders",
            "id, customer, status, placed",
            "id::text, customer::text, status, to_char(placed, 'YYYY-MM-DD HH24:MI:SS.MS')",
            "id",
        ),
        (
            "order_lines",
            "order_id, line, article, price",
            "order_id::text, line::text, article, price::text",
            "order_id, line",
        ),
    ] {
        let sql = format!("SELECT {columns} FROM {table} ORDER BY {order}");
        let expected = source.rows("shop", &sql).await?;
        let sql = format!(
            "SELECT {target_columns} FROM shop.{table} t ORDER BY {}",
            by(order)
        );
        eventually(
            Duration::from_secs(30),
            &format!("{table} is equal"),
            || async {
                let rows = target.rows("postgres", &sql).await?;
                let different = expected.iter().zip(&rows).find(|(a, b)| a != b);
                ensure!(
                    rows.len() == expected.len() && different.is_none(),
                    "{} rows instead of {}; {different:?}",
                    rows.len(),
                    expected.len()
                );
                Ok(())
            },
        )
        .await?;
    }
    Ok(())
}

/// Columns to order by, as the table's own: the selected ones are text.
fn by(order: &str) -> String {
    order
        .split(", ")
        .map(|column| format!("t.{column}"))
        .collect::<Vec<_>>()
        .join(", ")
}
