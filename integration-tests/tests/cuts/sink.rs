//! The JDBC sink and PostgreSQL.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tidegate_api::connector::SinkTaskRequests;
use tidegate_api::{
    ConnectError, ConnectorKind, ConnectorTaskId, ErrorKind, Plugins, Props, Record, SchemaBuilder,
    SinkRecord, SinkTask, SinkTaskContext, Struct, TimestampType, TopicPartition,
    TopicPartitionOffset, Value,
};
use tidegate_integration_tests::{
    Direction, Fault, FaultProxy, Postgres, PostgresOptions, Traffic,
};

use Direction::{ToClient, ToServer};

/// What the URL lets an answer take is far less.
const DEADLINE: Duration = Duration::from_secs(20);
const LIMITS: &str = "connectTimeout=1&loginTimeout=1&socketTimeout=1";

struct NoRequests;
impl SinkTaskRequests for NoRequests {
    fn request_commit(&self) {}
    fn set_timeout(&self, _timeout: Duration) {}
    fn rewind(&self, _offsets: BTreeMap<TopicPartition, i64>) {}
}

/// PostgreSQL behind a proxy.
struct Target {
    postgres: Postgres,
    proxy: FaultProxy,
}

impl Target {
    async fn start() -> Result<Self> {
        let postgres = Postgres::start(PostgresOptions::default()).await?;
        let table = "CREATE TABLE rows (id bigint PRIMARY KEY, note text)";
        postgres.exec("postgres", table).await?;
        let proxy = FaultProxy::start(postgres.port()).await?;
        Ok(Self { postgres, proxy })
    }

    /// A new task; the error with which it refuses to start.
    async fn task(&self) -> Result<Result<Box<dyn SinkTask>, ConnectError>> {
        let mut plugins = Plugins::default();
        tidegate_jdbc_sink::register(&mut plugins);
        let kinds = plugins.connectors.iter().map(|plugin| &plugin.kind);
        let sinks = kinds.filter_map(|kind| match kind {
            ConnectorKind::Sink(new_task) => Some(new_task),
            ConnectorKind::Source(_) => None,
        });
        let mut task = sinks.into_iter().next().context("a sink")?();
        let port = self.proxy.port();
        let url = format!("jdbc:postgresql://127.0.0.1:{port}/postgres?sslmode=disable&{LIMITS}");
        let props = Props::from([
            ("connection.url", url.as_str()),
            ("connection.username", self.postgres.user()),
            ("connection.password", "unused"),
            ("insert.mode", "upsert"),
            ("primary.key.mode", "record_key"),
        ]);
        let context = SinkTaskContext {
            task: ConnectorTaskId {
                connector: "sink".into(),
                task: 0,
            },
            requests: Arc::new(NoRequests),
            errant_record_reporter: None,
        };
        let started = tokio::time::timeout(DEADLINE, task.start(context, props));
        Ok(started.await.context("start")?.map(|()| task))
    }

    /// Starts a task on a connection with a fault and puts rows, again if they fail: the errors on the way.
    async fn survive(&self, fault: Fault, rows: &[SinkRecord]) -> Result<Vec<ConnectError>> {
        self.proxy.inject([fault]);
        let mut errors = Vec::new();
        let mut task = match self.task().await? {
            Ok(task) => task,
            Err(error) => {
                errors.push(error);
                self.task().await??
            }
        };
        for _ in 0..3 {
            let put = tokio::time::timeout(DEADLINE, task.put(rows));
            match put.await.with_context(|| format!("{fault:?}"))? {
                Ok(()) => {
                    task.stop().await;
                    return Ok(errors);
                }
                Err(error) => errors.push(error),
            }
        }
        let errors: Vec<String> = errors.iter().map(ConnectError::chain).collect();
        anyhow::bail!("{fault:?}: {errors:#?}")
    }

    /// As [`Self::survive`]; every error must let the task try again and name the server.
    async fn survive_cut(&self, fault: Fault, rows: &[SinkRecord]) -> Result<usize> {
        let errors = self.survive(fault, rows).await?;
        for error in &errors {
            let text = error.chain();
            ensure!(error.kind() == ErrorKind::Retriable, "{fault:?}: {text}");
            ensure!(text.starts_with("sink-0: "), "{fault:?}: {text}");
        }
        Ok(errors.len())
    }

    async fn has(&self, rows: usize, note: &str) -> Result<()> {
        let sql = format!("SELECT count(*) FROM rows WHERE note = '{note}'");
        let found = self.postgres.rows("postgres", &sql).await?;
        ensure!(found == [[Some(rows.to_string())]], "{note}: {found:?}");
        Ok(())
    }

    /// What one undisturbed task sends and hears.
    async fn undisturbed(&self, rows: &[SinkRecord]) -> Result<Traffic> {
        let before = self.proxy.traffic();
        let mut task = self.task().await??;
        if !rows.is_empty() {
            task.put(rows).await?;
        }
        task.stop().await;
        let after = self.proxy.traffic();
        Ok(Traffic {
            connections: after.connections - before.connections,
            struck: 0,
            to_server: after.to_server - before.to_server,
            to_client: after.to_client - before.to_client,
        })
    }
}

fn rows(count: i64, note: &str) -> Vec<SinkRecord> {
    let key = SchemaBuilder::structure()
        .field("id", SchemaBuilder::int64().build())
        .build();
    let schema = SchemaBuilder::structure()
        .field("id", SchemaBuilder::int64().build())
        .field("note", SchemaBuilder::string().build())
        .build();
    let row = |id: i64| SinkRecord {
        record: Record {
            topic: "rows".into(),
            kafka_partition: Some(0),
            key: Struct::new(Arc::clone(&key), vec![Value::Int64(id)]).into(),
            value: Struct::new(Arc::clone(&schema), vec![Value::Int64(id), note.into()]).into(),
            timestamp: None,
            headers: tidegate_api::Headers::new(),
        },
        original: TopicPartitionOffset {
            topic: "rows".into(),
            partition: 0,
            offset: id,
        },
        timestamp_type: TimestampType::CreateTime,
    };
    (0..count).map(row).collect()
}

/// About `count` places from 0 up to `end`, the first ones among them.
fn places(end: u64, count: u64) -> impl Iterator<Item = u64> {
    let step = usize::try_from((end / count).max(1)).unwrap_or(1);
    (0..end).step_by(step)
}

#[tokio::test]
async fn a_connection_cut_at_any_byte_is_made_again() -> Result<()> {
    /// Beyond the beginning of a session, between its messages.
    const STEP: usize = 13;
    let target = Target::start().await?;
    let opening = target.undisturbed(&[]).await?;
    ensure!(opening.connections == 1, "{opening:?}");
    let all = target.undisturbed(&rows(1, "first")).await?;
    let struck = target.proxy.traffic().struck;
    let mut cuts = 0;
    for (direction, opened, end) in [
        (ToClient, opening.to_client, all.to_client),
        (ToServer, opening.to_server, all.to_server),
    ] {
        for at in (0..opened).chain((opened..end).step_by(STEP)) {
            let note = format!("{direction:?} {at}");
            let fault = Fault::Cut(direction, at);
            target.survive_cut(fault, &rows(1, &note)).await?;
            target.has(1, &note).await?;
            cuts += 1;
        }
    }
    let struck = target.proxy.traffic().struck - struck;
    // What a session says at its end differs a little from one to the next.
    ensure!(
        struck + 10 > cuts && struck > 300,
        "{struck} of {cuts} cuts"
    );
    Ok(())
}

#[tokio::test]
async fn many_rows_are_complete_wherever_they_are_cut() -> Result<()> {
    const ROWS: i64 = 3000;
    let target = Target::start().await?;
    let traffic = target.undisturbed(&rows(ROWS, "first")).await?;
    for (direction, end) in [(ToClient, traffic.to_client), (ToServer, traffic.to_server)] {
        for at in places(end, 25) {
            let note = format!("{direction:?} {at}");
            let fault = Fault::Cut(direction, at);
            target.survive_cut(fault, &rows(ROWS, &note)).await?;
            target.has(usize::try_from(ROWS)?, &note).await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_server_that_falls_silent_is_waited_for_as_long_as_the_url_says() -> Result<()> {
    let target = Target::start().await?;
    let traffic = target.undisturbed(&rows(1, "first")).await?;
    for (direction, end) in [(ToClient, traffic.to_client), (ToServer, traffic.to_server)] {
        for at in places(end, 6) {
            let note = format!("{direction:?} {at}");
            let fault = Fault::Stall(direction, at);
            target.survive_cut(fault, &rows(1, &note)).await?;
            target.has(1, &note).await?;
        }
    }
    Ok(())
}

/// What kind of error it is depends on what the bytes happen to mean; the rows come in the end.
#[tokio::test]
async fn garbage_is_an_error() -> Result<()> {
    let target = Target::start().await?;
    let traffic = target.undisturbed(&rows(1, "first")).await?;
    for at in places(traffic.to_client, 60) {
        let note = format!("garbage {at}");
        let fault = Fault::Garble(ToClient, at);
        for error in target.survive(fault, &rows(1, &note)).await? {
            let text = error.chain();
            ensure!(text.contains("sink-0: "), "{fault:?}: {text}");
        }
        target.has(1, &note).await?;
    }
    Ok(())
}
