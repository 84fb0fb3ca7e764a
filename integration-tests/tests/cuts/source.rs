//! The binlog source and MariaDB.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tidegate_integration_tests::{
    Direction, Fault, FaultProxy, MariaDb, Mode, MySqlOptions, MySqlServer, Properties, Rest,
    SERVER_DEADLINE, TidegateWorker, eventually,
};

use Direction::{ToClient, ToServer};

/// What a check of a configuration may take: `connect.timeout.ms` is far less.
const DEADLINE: Duration = Duration::from_secs(20);
const CLASS: &str = "io.debezium.connector.mariadb.MariaDbConnector";
/// A row that does not fit into one read of the socket.
const LARGE: usize = 300_000;

/// MariaDB behind a proxy, and a worker whose source writes its rows' ids to a file.
struct Line {
    server: MySqlServer,
    proxy: FaultProxy,
    worker: TidegateWorker,
    folder: tempfile::TempDir,
    rows: std::cell::Cell<u32>,
}

impl Line {
    async fn start() -> Result<Self> {
        let server = MariaDb::start(MySqlOptions::default()).await?;
        let table = "CREATE DATABASE shop; \
                     CREATE TABLE shop.t (id INT PRIMARY KEY, pad LONGTEXT)";
        server.exec("", table).await?;
        let proxy = FaultProxy::start(server.port()).await?;
        let props = Properties::from([("offset.flush.interval.ms".to_owned(), "200".to_owned())]);
        Ok(Self {
            server,
            proxy,
            worker: TidegateWorker::start(Mode::Distributed, &props).await?,
            folder: tempfile::tempdir()?,
            rows: 0.into(),
        })
    }

    fn rest(&self) -> Rest {
        self.worker.rest()
    }

    fn config(&self) -> Value {
        json!({
            "name": "source", "connector.class": CLASS, "tasks.max": "1",
            "database.hostname": "127.0.0.1", "database.port": self.proxy.port().to_string(),
            "database.user": self.server.user(), "database.password": self.server.password(),
            "database.server.id": "7400", "topic.prefix": "c", "database.include.list": "shop",
            "database.ssl.mode": "disable", "connect.timeout.ms": "1000",
            "retriable.restart.connector.wait.ms": "100",
            "schema.history.internal.kafka.bootstrap.servers": "unused:1",
            "schema.history.internal.kafka.topic": "c.history",
            "include.schema.changes": "false", "tombstones.on.delete": "false",
            "key.converter": "org.apache.kafka.connect.json.JsonConverter",
            "key.converter.schemas.enable": "false",
            "value.converter": "org.apache.kafka.connect.json.JsonConverter",
            "value.converter.schemas.enable": "false",
            // A line in the file is the row's id.
            "transforms": "row,id",
            "transforms.row.type": "io.debezium.transforms.ExtractNewRecordState",
            "transforms.id.type": "org.apache.kafka.connect.transforms.ExtractField$Value",
            "transforms.id.field": "id",
        })
    }

    /// Errors that the check of the configuration finds.
    async fn check(&self) -> Result<Vec<String>> {
        let path = format!("/connector-plugins/{CLASS}/config/validate");
        let (rest, config) = (self.rest(), self.config());
        let answer = tokio::time::timeout(DEADLINE, rest.put(&path, Some(&config)));
        let answer = answer.await.context("no answer")??.success()?;
        let keys = answer["configs"].as_array().context("configs")?;
        let errors = keys
            .iter()
            .filter_map(|key| key["value"]["errors"].as_array());
        let errors = errors.flatten().filter_map(Value::as_str);
        Ok(errors.map(str::to_owned).collect())
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("ids")
    }

    /// Starts the source and what writes its rows to the file.
    async fn stream(&self) -> Result<()> {
        self.rest().put_config("source", &self.config()).await?;
        let sink = json!({
            "connector.class": "FileStreamSink", "topics": "c.shop.t", "file": self.file().display().to_string(),
            "value.converter": "org.apache.kafka.connect.json.JsonConverter",
            "value.converter.schemas.enable": "false",
            "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        });
        self.rest().put_config("sink", &sink).await?;
        self.insert(1).await?;
        self.complete().await
    }

    /// Inserts rows: the last one is large.
    async fn insert(&self, count: u32) -> Result<()> {
        let first = self.rows.get();
        for id in first..first + count {
            let length = if id + 1 == first + count { LARGE } else { 10 };
            let row = format!("INSERT INTO t VALUES ({id}, repeat('x', {length}))");
            self.server.exec("shop", &row).await?;
        }
        self.rows.set(first + count);
        Ok(())
    }

    /// Waits until all rows are in the file; a task that has failed says what with, and is started again as a person would.
    async fn complete(&self) -> Result<()> {
        let wanted: BTreeSet<String> = (0..self.rows.get()).map(|id| id.to_string()).collect();
        eventually(SERVER_DEADLINE, "all rows are there", || async {
            let status = self.rest().status("source").await?;
            let task = &status["tasks"][0];
            if task["state"] == "FAILED" {
                let trace = task["trace"].as_str().unwrap_or_default();
                ensure!(
                    trace.contains("127.0.0.1"),
                    "an error of no server: {trace}"
                );
                self.rest().restart("source").await?;
            }
            let text = std::fs::read_to_string(self.file()).unwrap_or_default();
            let found: BTreeSet<String> = text.lines().map(str::to_owned).collect();
            let missing: Vec<&String> = wanted.difference(&found).collect();
            ensure!(missing.is_empty(), "{missing:?} are missing: {status}");
            Ok(())
        })
        .await
    }

    /// Errors of the check while the proxy does this to its connection.
    async fn check_with(&self, fault: Fault) -> Result<Vec<String>> {
        self.proxy.inject([fault]);
        self.check().await.with_context(|| format!("{fault:?}"))
    }

    /// What one check without a fault sends in both directions.
    async fn traffic_of_check(&self) -> Result<(u64, u64)> {
        let before = self.proxy.traffic();
        ensure!(self.check().await?.is_empty());
        let after = self.proxy.traffic();
        let to_client = after.to_client - before.to_client;
        Ok((to_client, after.to_server - before.to_server))
    }

    /// The proxy does this to the next connection of the stream; rows that come meanwhile are complete all the same.
    async fn stream_with(&self, fault: Fault) -> Result<()> {
        self.proxy.inject([fault]);
        self.proxy.cut_all();
        self.insert(3).await?;
        self.complete()
            .await
            .with_context(|| format!("{fault:?}"))?;
        self.unblock().await
    }

    /// MariaDB blocks a host after a hundred broken connections.
    async fn unblock(&self) -> Result<()> {
        self.server.exec("", "FLUSH HOSTS").await
    }

    /// A check finds no error any more, and nothing has panicked.
    async fn recovers(&self) -> Result<()> {
        self.unblock().await?;
        ensure!(self.check().await?.is_empty());
        self.calm()
    }

    /// Nothing has panicked in the worker.
    fn calm(&self) -> Result<()> {
        let log = self.worker.log();
        ensure!(!log.contains("panicked"), "{}", self.worker.log_tail());
        Ok(())
    }

    /// Processor time that the worker has taken.
    fn cpu(&self) -> Result<Duration> {
        let pid = self.worker.pid().context("it runs")?;
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // Behind the name in brackets: the 12th and 13th are ticks of a hundredth of a second.
        let (_, fields) = text.rsplit_once(") ").context("fields")?;
        let ticks = fields.split(' ').skip(11).take(2);
        let ticks: u64 = ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
        Ok(Duration::from_millis(ticks * 10))
    }
}

#[tokio::test]
async fn a_check_cut_at_any_byte_says_so() -> Result<()> {
    /// Bytes of the login, and more; what follows are answers of one kind.
    const OPENING: u64 = 250;
    let line = Line::start().await?;
    let (to_client, to_server) = line.traffic_of_check().await?;
    let mut refused = 0;
    for (direction, end) in [(ToClient, to_client), (ToServer, to_server)] {
        for at in (0..OPENING).chain((OPENING..end).step_by(7)) {
            let fault = Fault::Cut(direction, at);
            let errors = line.check_with(fault).await?;
            refused += usize::from(!errors.is_empty());
            for error in errors {
                ensure!(
                    error.contains("127.0.0.1") && !error.contains(line.server.password()),
                    "{fault:?}: {error}"
                );
            }
        }
    }
    ensure!(refused > 100, "{refused} cuts were noticed");
    line.recovers().await
}

#[tokio::test]
async fn garbage_and_silence_are_errors_of_the_check() -> Result<()> {
    let line = Line::start().await?;
    let (end, _) = line.traffic_of_check().await?;
    let step = usize::try_from(end / 80).unwrap_or(1).max(1);
    for at in (0..end).step_by(step) {
        let fault = Fault::Garble(ToClient, at);
        let errors = line.check_with(fault).await?;
        ensure!(at > 0 || !errors.is_empty(), "{fault:?} is no error");
    }
    for (direction, at) in [(ToClient, 0), (ToClient, end / 3), (ToServer, 20)] {
        let fault = Fault::Stall(direction, at);
        let errors = line.check_with(fault).await?;
        ensure!(!errors.is_empty(), "{fault:?} is no error");
    }
    line.recovers().await
}

#[tokio::test]
async fn rows_are_complete_wherever_the_stream_is_cut() -> Result<()> {
    let line = Line::start().await?;
    line.stream().await?;
    // What a connection brings that begins anew, with the rows that come then.
    let before = line.proxy.traffic();
    line.proxy.cut_all();
    line.insert(3).await?;
    line.complete().await?;
    let after = line.proxy.traffic();
    let connections = u64::try_from(after.connections - before.connections)?.max(1);
    ensure!(after.connections > before.connections, "{after:?}");
    let to_client = after.to_client - before.to_client;
    let to_server = (after.to_server - before.to_server) / connections;
    let early = (0..6).map(|step| Fault::Cut(ToClient, step * 71));
    let late = (0..6).map(|step| Fault::Cut(ToClient, to_client * step / 6 + 11));
    let sent = (0..4).map(|step| Fault::Cut(ToServer, to_server * step / 4));
    for fault in early.chain(late).chain(sent) {
        line.stream_with(fault).await?;
    }
    line.calm()
}

#[tokio::test]
async fn rows_are_complete_after_garbage_in_the_stream() -> Result<()> {
    let line = Line::start().await?;
    line.stream().await?;
    for at in [0, 3, 4, 50, 100, 400, 900, 2_000, 20_000, 200_000] {
        // A connection that waits for the rest of what the garbage announces is not told from a quiet one.
        line.stream_with(Fault::Garble(ToClient, at)).await?;
    }
    line.calm()
}

#[tokio::test]
async fn a_server_that_only_cuts_keeps_no_processor_busy() -> Result<()> {
    const WATCHED: Duration = Duration::from_secs(5);
    let line = Line::start().await?;
    line.stream().await?;
    let (cpu, begin, before) = (line.cpu()?, Instant::now(), line.proxy.traffic());
    line.proxy
        .inject((0..100_000).map(|number| Fault::Cut(ToClient, number % 90)));
    line.proxy.cut_all();
    eventually(SERVER_DEADLINE, "the time is over", || async {
        ensure!(begin.elapsed() > WATCHED);
        Ok(())
    })
    .await?;
    let (spent, passed) = (line.cpu()?.saturating_sub(cpu), begin.elapsed());
    let connections = line.proxy.traffic().connections - before.connections;
    ensure!(
        spent < passed / 2 && connections < 200,
        "{spent:?} of {passed:?}, {connections} connections"
    );
    line.proxy.inject([]);
    line.unblock().await?;
    line.insert(3).await?;
    line.complete().await?;
    line.calm()
}
