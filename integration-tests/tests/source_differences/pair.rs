//! A server and a worker.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use mysql_async::prelude::Queryable as _;
use serde_json::{Value, json};
use tidegate_api::TopicPartition;
use tidegate_embedded::EmbeddedLog;
use tidegate_integration_tests::{
    Mode, MySqlServer, Properties, Rest, SERVER_DEADLINE, TidegateWorker, eventually, merge,
};
use tidegate_log::{ClientConfig, Log as _};

/// A server with database `shop`, and a worker on a log of its own.
pub(crate) struct Pair {
    pub(crate) server: MySqlServer,
    pub(crate) worker: TidegateWorker,
    data: tempfile::TempDir,
}

impl Pair {
    pub(crate) async fn start(server: MySqlServer) -> Result<Self> {
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

    /// The pair with database `shop`, in it table `mark` and what `sql` makes, and a connector that streams.
    pub(crate) async fn streaming(server: MySqlServer, sql: &str) -> Result<Self> {
        Self::streaming_with(server, sql, &json!({})).await
    }

    /// The same with settings of the connector.
    pub(crate) async fn streaming_with(
        server: MySqlServer,
        sql: &str,
        extra: &Value,
    ) -> Result<Self> {
        let pair = Self::start(server).await?;
        let setup = format!(
            "CREATE DATABASE shop; USE shop; CREATE TABLE mark (id INT PRIMARY KEY); {sql}"
        );
        pair.server.exec("", &setup).await?;
        pair.post(extra).await?;
        pair.marked("mark").await?;
        Ok(pair)
    }

    /// Stops the connector and starts it again.
    pub(crate) async fn restart(&self) -> Result<()> {
        self.stop().await?;
        self.rest().resume("d").await?;
        self.rest().wait_running("d").await.map(drop)
    }

    /// Runs statements whose texts are any bytes in one session.
    pub(crate) async fn exec_bytes(&self, database: &str, statements: &[&[u8]]) -> Result<()> {
        let mut session = self.server.connect(database).await?;
        for statement in statements {
            let done = session.query_drop(statement.to_vec()).await;
            done.with_context(|| String::from_utf8_lossy(statement).into_owned())?;
        }
        Ok(session.disconnect().await?)
    }

    /// Lines of the worker's log with a text.
    pub(crate) fn log_lines(&self, text: &str) -> Vec<String> {
        let log = self.worker.log();
        let lines = log.lines().filter(|line| line.contains(text));
        lines.map(str::to_owned).collect()
    }

    pub(crate) fn rest(&self) -> Rest {
        self.worker.rest()
    }

    /// Connector `d` on database `shop`, with topics below `d.shop`.
    pub(crate) async fn post(&self, extra: &Value) -> Result<()> {
        let mut config = json!({
            "connector.class": self.server.connector_class(), "database.server.id": "7300", "topic.prefix": "d",
            "database.include.list": "shop",
            "schema.history.internal.kafka.bootstrap.servers": "unused:1",
            "schema.history.internal.kafka.topic": "d.history",
            "key.converter": "org.apache.kafka.connect.json.JsonConverter",
            "key.converter.schemas.enable": "false",
            "value.converter": "org.apache.kafka.connect.json.JsonConverter",
            "value.converter.schemas.enable": "false",
        });
        for (name, value) in self.server.connector_props() {
            config[name] = value.into();
        }
        let config = merge(config, extra);
        self.rest().put_config("d", &config).await.map(drop)
    }

    /// Where the server's log ends: file and position.
    pub(crate) async fn end_of_log(&self) -> Result<(String, u64)> {
        let rows = self.server.rows("", "SELECT @@global.server_uuid").await;
        let status = match rows {
            Ok(_) => "SHOW BINARY LOG STATUS",
            Err(_) => "SHOW MASTER STATUS",
        };
        let place = self.server.rows("", status).await?;
        let text = |index: usize| place[0][index].clone().unwrap_or_default();
        Ok((text(0), text(1).parse()?))
    }

    /// Rows that come before the stream begins belong to the snapshot, so that more than one may be needed.
    pub(crate) async fn marked(&self, table: &str) -> Result<()> {
        let insert = format!("INSERT INTO {table} SELECT COALESCE(MAX(id), 0) + 1 FROM {table}");
        let (file, end) = self.end_of_log().await?;
        eventually(SERVER_DEADLINE, "the stream is behind the mark", || async {
            self.server.exec("shop", &insert).await?;
            let offset = self.offset().await?;
            let place = (offset["file"].as_str(), offset["pos"].as_u64());
            ensure!(
                offset["server_id"].is_u64() && place >= (Some(&*file), Some(end)),
                "{offset} {}",
                self.rest().status("d").await?
            );
            Ok(())
        })
        .await
    }

    /// Runs a statement; returns when the stored offset is its schema change's, or one behind it.
    pub(crate) async fn change_schema(&self, sql: &str) -> Result<()> {
        let (file, end) = self.end_of_log().await?;
        self.server.exec("shop", sql).await?;
        eventually(SERVER_DEADLINE, sql, || async {
            let offset = self.offset().await?;
            let place = (offset["file"].as_str(), offset["pos"].as_u64());
            ensure!(place >= (Some(&*file), Some(end)), "{offset}");
            Ok(())
        })
        .await
    }

    /// The offset that is stored.
    pub(crate) async fn offset(&self) -> Result<Value> {
        let offsets = self.rest().offsets("d").await?;
        Ok(offsets["offsets"][0]["offset"].clone())
    }

    pub(crate) async fn stop(&self) -> Result<()> {
        self.rest().stop("d").await?;
        self.rest().wait_state("d", "STOPPED").await.map(drop)
    }

    /// Stops the worker; keys and values of a table's records, null for a tombstone. `table` is in database `shop` if it
    /// names no other.
    pub(crate) async fn messages(&self, table: &str) -> Result<Vec<(Value, Value)>> {
        if self.worker.is_running() {
            self.worker.stop().await?;
        }
        let log = EmbeddedLog::open(self.data.path())?;
        let topic = if table.contains('.') {
            format!("d.{table}")
        } else {
            format!("d.shop.{table}")
        };
        let partition = TopicPartition::new(topic, 0);
        let bounds = log.offsets(std::slice::from_ref(&partition)).await?;
        let (first, next) = bounds.get(&partition).copied().context("bounds")?;
        let mut reader = log
            .reader(&ClientConfig::default(), &[(partition.clone(), first)])
            .await?;
        let mut records = Vec::new();
        while reader.position(&partition).is_none_or(|at| at < next) {
            for record in reader.poll(Duration::from_secs(10)).await? {
                let json = |bytes: Option<bytes::Bytes>| match bytes {
                    Some(bytes) => serde_json::from_slice(&bytes),
                    None => Ok(Value::Null),
                };
                records.push((json(record.key)?, json(record.value)?));
            }
        }
        Ok(records)
    }

    /// Stops the worker; the records of a table without tombstones.
    async fn records(&self, table: &str) -> Result<Vec<Value>> {
        let messages = self.messages(table).await?.into_iter();
        let values = messages.map(|(_, value)| value);
        Ok(values.filter(|value| !value.is_null()).collect())
    }

    /// Stops the worker; operation and key of a table's records.
    pub(crate) async fn operations(&self, table: &str) -> Result<Vec<String>> {
        let records = self.records(table).await?;
        let line = |record: &Value| {
            let id = record["after"].get("id").unwrap_or(&record["before"]["id"]);
            format!("{} {id}", record["op"].as_str().unwrap_or_default())
        };
        Ok(records.iter().map(line).collect())
    }

    /// Stops the worker; `after` of the records of a table by their key `id`.
    pub(crate) async fn rows(&self, table: &str) -> Result<BTreeMap<i64, Value>> {
        let mut rows = BTreeMap::new();
        for mut record in self.records(table).await? {
            let mut after = record["after"].take();
            if after.is_null() {
                continue;
            }
            let id = after["id"].take().as_i64().context("an id")?;
            after.as_object_mut().context("a row")?.remove("id");
            rows.insert(id, after);
        }
        Ok(rows)
    }
}
