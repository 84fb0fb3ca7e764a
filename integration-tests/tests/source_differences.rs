//! What the sources do better than the originals on purpose, see `DIFFERENCES.md`: snapshot and stream agree, and a restart
//! knows what a rename has done.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tidegate_api::TopicPartition;
use tidegate_embedded::EmbeddedLog;
use tidegate_integration_tests::{
    MariaDb, Mode, MySql, MySqlOptions, MySqlServer, Properties, TidegateWorker, eventually,
};
use tidegate_log::{ClientConfig, Log as _};

const DEADLINE: Duration = Duration::from_mins(2);

const MARIADB: &str = "io.debezium.connector.mariadb.MariaDbConnector";
const MYSQL: &str = "io.debezium.connector.mysql.MySqlConnector";

/// A server with database `shop`, and a worker on a log of its own.
struct Pair {
    server: MySqlServer,
    worker: TidegateWorker,
    data: tempfile::TempDir,
}

impl Pair {
    async fn start(server: MySqlServer) -> Result<Self> {
        let data = tempfile::tempdir()?;
        let props = Properties::from([
            ("offset.flush.interval.ms".to_owned(), "200".to_owned()),
            (
                "embedded.data.dir".to_owned(),
                data.path().display().to_string(),
            ),
        ]);
        let worker = TidegateWorker::start(Mode::Distributed, &props).await?;
        Ok(Self {
            server,
            worker,
            data,
        })
    }

    async fn post(&self, class: &str) -> Result<()> {
        let mut config = json!({
            "connector.class": class, "database.server.id": "7300", "topic.prefix": "d",
            "database.include.list": "shop",
            "schema.history.internal.kafka.bootstrap.servers": "unused:1",
            "schema.history.internal.kafka.topic": "d.history",
            "key.converter": "org.apache.kafka.connect.json.JsonConverter",
            "key.converter.schemas.enable": "false",
            "value.converter": "org.apache.kafka.connect.json.JsonConverter",
            "value.converter.schemas.enable": "false",
        });
        let all = config.as_object_mut().context("an object")?;
        for (name, value) in self.server.connector_props() {
            all.insert(name, value.into());
        }
        self.worker.rest().put_config("d", &config).await.map(drop)
    }

    /// Rows that come before the stream begins belong to the snapshot, so that more than one may be needed.
    async fn marked(&self, table: &str) -> Result<()> {
        let rest = self.worker.rest();
        let rows = self.server.rows("", "SELECT @@global.server_uuid").await;
        let status = match rows {
            Ok(_) => "SHOW BINARY LOG STATUS",
            Err(_) => "SHOW MASTER STATUS",
        };
        let insert = format!("INSERT INTO {table} SELECT COALESCE(MAX(id), 0) + 1 FROM {table}");
        let place = self.server.rows("", status).await?;
        let end: u64 = place[0][1].as_deref().unwrap_or_default().parse()?;
        eventually(DEADLINE, "the stream is behind the mark", || async {
            self.server.exec("shop", &insert).await?;
            let offsets = rest.offsets("d").await?;
            let offset = &offsets["offsets"][0]["offset"];
            ensure!(
                offset["server_id"].is_u64() && offset["pos"].as_u64() >= Some(end),
                "{offsets} {}",
                rest.status("d").await?
            );
            Ok(())
        })
        .await
    }

    /// `after` of a topic's records by their key `id`, when the worker has stopped.
    async fn rows(data: &Path, topic: &str) -> Result<BTreeMap<i64, Value>> {
        let log = EmbeddedLog::open(data)?;
        let partition = TopicPartition::new(topic, 0);
        let bounds = log.offsets(std::slice::from_ref(&partition)).await?;
        let (first, next) = bounds.get(&partition).copied().context("bounds")?;
        let mut reader = log
            .reader(&ClientConfig::default(), &[(partition.clone(), first)])
            .await?;
        let mut rows = BTreeMap::new();
        while reader.position(&partition).is_none_or(|at| at < next) {
            for record in reader.poll(Duration::from_secs(10)).await? {
                let Some(value) = record.value else { continue };
                let mut value: Value = serde_json::from_slice(&value)?;
                let mut after = value["after"].take();
                let id = after["id"].take().as_i64().context("an id")?;
                after.as_object_mut().context("a row")?.remove("id");
                rows.insert(id, after);
            }
        }
        Ok(rows)
    }
}

/// Row 1 is in the snapshot and row 2 in the stream; both are as expected.
async fn agree(
    class: &str,
    server: MySqlServer,
    columns: &str,
    values: &str,
    expected: &Value,
) -> Result<()> {
    let pair = Pair::start(server).await?;
    let mode = "SET NAMES utf8mb4; SET sql_mode=''";
    pair.server
        .exec(
            "",
            &format!(
                "{mode}; CREATE DATABASE shop CHARACTER SET utf8mb4; USE shop; CREATE TABLE mark (id INT PRIMARY KEY);
                 CREATE TABLE t (id INT PRIMARY KEY, {columns}); INSERT INTO t VALUES (1, {values})"
            ),
        )
        .await?;
    pair.post(class).await?;
    pair.marked("mark").await?;
    pair.server
        .exec(
            "shop",
            &format!("{mode}; INSERT INTO t VALUES (2, {values})"),
        )
        .await?;
    pair.marked("mark").await?;
    pair.worker.stop().await?;
    let rows = Pair::rows(pair.data.path(), "d.shop.t").await?;
    for (id, origin) in [(1, "snapshot"), (2, "stream")] {
        let row = rows
            .get(&id)
            .with_context(|| format!("{origin}: {rows:?}"))?;
        ensure!(row == expected, "{origin}: {row} instead of {expected}");
    }
    Ok(())
}

#[tokio::test]
async fn mariadb_values_agree() -> Result<()> {
    let server = MariaDb::start(MySqlOptions::default()).await?;
    let columns =
        "u UUID, i4 INET4, i6 INET6, i6m INET6, jp VARCHAR(20) CHARACTER SET cp932, d DATETIME";
    let values = "'123e4567-e89b-12d3-a456-426655440000', '10.0.0.255', '2001:db8::1:0:0:1', '::ffff:1.2.3.4', '漢字①ｶﾅ', '1582-10-10 00:00:00'";
    let expected = json!({
        "u": "123e4567-e89b-12d3-a456-426655440000",
        "i4": "10.0.0.255",
        "i6": "2001:db8::1:0:0:1",
        "i6m": "::ffff:1.2.3.4",
        "jp": "漢字①ｶﾅ",
        "d": -12_219_724_800_000_i64,
    });
    agree(MARIADB, server, columns, values, &expected).await
}

#[tokio::test]
async fn mysql_values_agree() -> Result<()> {
    let server = MySql::start(MySqlOptions::default()).await?;
    let columns =
        "jp VARCHAR(20) CHARACTER SET cp932, ua VARCHAR(20) CHARACTER SET koi8u, d DATETIME";
    let values = "'漢字①ｶﾅ', 'Їжак ґ', '1582-10-10 00:00:00'";
    let expected = json!({
        "jp": "漢字①ｶﾅ",
        "ua": "Їжак ґ",
        "d": -12_219_724_800_000_i64,
    });
    agree(MYSQL, server, columns, values, &expected).await
}

/// The original passes over such updates without a word.
#[tokio::test]
async fn partial_updates_of_json_are_refused() -> Result<()> {
    let pair = Pair::start(MySql::start(MySqlOptions::default()).await?).await?;
    let rest = pair.worker.rest();
    pair.server
        .exec(
            "",
            "CREATE DATABASE shop; USE shop; CREATE TABLE mark (id INT PRIMARY KEY);
             CREATE TABLE t (id INT PRIMARY KEY, j JSON); INSERT INTO t VALUES (1, '{\"a\": 1, \"b\": 2}')",
        )
        .await?;
    pair.post(MYSQL).await?;
    pair.marked("mark").await?;
    let update = "UPDATE t SET j = JSON_SET(j, '$.a', 2)";
    let partial = "binlog_row_value_options=PARTIAL_JSON";
    pair.server
        .exec("shop", &format!("SET SESSION {partial}; {update}"))
        .await?;
    let trace = rest.wait_failed("d").await?;
    for text in ["The update at mysql-bin.0", partial, "new snapshot"] {
        ensure!(trace.contains(text), "no '{text}' in {trace}");
    }
    pair.server
        .exec("", &format!("SET GLOBAL {partial}"))
        .await?;
    rest.delete("d").await?;
    pair.post(MYSQL).await?;
    let trace = rest.wait_failed("d").await?;
    for text in ["The server writes only the changed parts", partial] {
        ensure!(trace.contains(text), "no '{text}' in {trace}");
    }
    Ok(())
}

/// The old name is free: a table that takes it has its own columns, also after a restart.
#[tokio::test]
async fn a_rename_by_alter_is_known_after_a_restart() -> Result<()> {
    let pair = Pair::start(MariaDb::start(MySqlOptions::default()).await?).await?;
    pair.server
        .exec(
            "",
            "CREATE DATABASE shop; USE shop; CREATE TABLE mark (id INT PRIMARY KEY);
             CREATE TABLE t (id INT PRIMARY KEY, v INT)",
        )
        .await?;
    pair.post(MARIADB).await?;
    pair.marked("mark").await?;
    pair.server
        .exec(
            "shop",
            "ALTER TABLE t RENAME TO old; INSERT INTO old VALUES (1, 1)",
        )
        .await?;
    pair.marked("mark").await?;
    let rest = pair.worker.rest();
    rest.stop("d").await?;
    rest.wait_state("d", "STOPPED").await?;
    pair.server
        .exec(
            "shop",
            "CREATE TABLE t (id INT PRIMARY KEY, other VARCHAR(5), more INT);
             INSERT INTO t VALUES (2, 'two', 2); INSERT INTO old VALUES (3, 3)",
        )
        .await?;
    rest.resume("d").await?;
    pair.marked("mark").await?;
    pair.worker.stop().await?;
    let renamed = Pair::rows(pair.data.path(), "d.shop.old").await?;
    ensure!(
        renamed == BTreeMap::from([(1, json!({"v": 1})), (3, json!({"v": 3}))]),
        "{renamed:?}"
    );
    let new = Pair::rows(pair.data.path(), "d.shop.t").await?;
    ensure!(
        new == BTreeMap::from([(2, json!({"other": "two", "more": 2}))]),
        "{new:?}"
    );
    Ok(())
}
