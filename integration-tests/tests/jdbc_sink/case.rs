//! A database of its own, a task that writes to it, and records.
//!
//! The databases are those of one server, which all tests of this binary share: `{database}` and `{role}` in a test's SQL and
//! settings stand for names that no other test has, and settings of the server are made for `DATABASE {database}` alone. A
//! test that stops the server, or needs one with other options, starts its own ([`own_server`]).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Result, ensure};
use tidegate_api::connector::SinkTaskRequests;
use tidegate_api::{
    ConnectError, ConnectorKind, ConnectorTaskId, ErrantRecordReporter, ErrorKind, Plugins, Props,
    Record, Schema, SchemaAndValue, SchemaBuilder, SinkRecord, SinkTask, SinkTaskContext, Struct,
    TopicPartition, TopicPartitionOffset, Value,
};
use tidegate_integration_tests::{Postgres, PostgresDatabase, PostgresOptions, TextRow};
use tokio::sync::OnceCell;

/// Ends with this process, as every server does.
static SERVER: OnceCell<Arc<Postgres>> = OnceCell::const_new();

/// A database of its own on the server that the tests share.
pub(crate) async fn database() -> Result<PostgresDatabase> {
    let server = SERVER.get_or_try_init(|| async {
        let server = Postgres::start(PostgresOptions::default()).await?;
        anyhow::Ok(Arc::new(server))
    });
    PostgresDatabase::create(Arc::clone(server.await?), "sink").await
}

/// A server for one test alone.
pub(crate) async fn own_server(options: PostgresOptions) -> Result<PostgresDatabase> {
    let server = Arc::new(Postgres::start(options).await?);
    Ok(PostgresDatabase::first_of(server))
}

/// A text of a test with the names that only this database has.
pub(crate) fn named(database: &PostgresDatabase, text: &str) -> String {
    text.replace("{database}", database.name())
        .replace("{role}", &role(database))
}

/// The name of a role that belongs to a database's test.
fn role(database: &PostgresDatabase) -> String {
    format!("{}_role", database.name())
}

struct NoRequests;
impl SinkTaskRequests for NoRequests {
    fn request_commit(&self) {}
    fn set_timeout(&self, _timeout: Duration) {}
    fn rewind(&self, _offsets: BTreeMap<TopicPartition, i64>) {}
}

#[derive(Default)]
pub(crate) struct Reports(pub(crate) Mutex<Vec<(i64, String)>>);
#[async_trait::async_trait]
impl ErrantRecordReporter for Reports {
    async fn report(&self, record: &SinkRecord, error: ConnectError) -> Result<(), ConnectError> {
        let report = (record.original.offset, error.chain());
        self.0.lock().expect("no holder panics").push(report);
        Ok(())
    }
}

/// A database of its own and a task that writes to it.
pub(crate) struct Case {
    pub(crate) database: PostgresDatabase,
    pub(crate) task: Box<dyn SinkTask>,
    pub(crate) reports: Arc<Reports>,
    offset: i64,
}

impl Case {
    pub(crate) async fn start(
        setup: &str,
        settings: &[(&str, &str)],
        reporting: bool,
    ) -> Result<Self> {
        let database = database().await?;
        for others in ["ALTER SYSTEM", "ALTER ROLE postgres", "ROLE app"] {
            ensure!(
                !setup.contains(others),
                "{others}: other tests share the server; ALTER DATABASE {{database}}, CREATE ROLE {{role}}, or own_server()"
            );
        }
        if !setup.is_empty() {
            database.exec(&named(&database, setup)).await?;
        }
        Ok(Self::start_on(database, settings, reporting).await??)
    }

    /// Starts a task; the error with which it refuses to.
    pub(crate) async fn start_on(
        database: PostgresDatabase,
        settings: &[(&str, &str)],
        reporting: bool,
    ) -> Result<Result<Self, ConnectError>> {
        let reports = Arc::new(Reports::default());
        let reporter = Arc::clone(&reports) as Arc<dyn ErrantRecordReporter>;
        let reporter = reporting.then_some(reporter);
        let task = match start_task(&database, settings, reporter).await? {
            Ok(task) => task,
            Err(error) => return Ok(Err(error)),
        };
        Ok(Ok(Self {
            database,
            task,
            reports,
            offset: 0,
        }))
    }

    pub(crate) fn record(&mut self, id: i64, value: SchemaAndValue) -> SinkRecord {
        let schema = SchemaBuilder::structure()
            .field("id", SchemaBuilder::int64().build())
            .build();
        self.offset += 1;
        let topic: Arc<str> = "a.Orders".into();
        SinkRecord {
            record: Record {
                topic: Arc::clone(&topic),
                kafka_partition: Some(0),
                key: Struct::new(schema, vec![Value::Int64(id)]).into(),
                value,
                timestamp: None,
                headers: tidegate_api::Headers::new(),
            },
            original: TopicPartitionOffset {
                topic,
                partition: 0,
                offset: self.offset,
            },
            timestamp_type: tidegate_api::TimestampType::CreateTime,
        }
    }

    pub(crate) fn row(&mut self, id: i64, note: &str) -> SinkRecord {
        let value = Struct::new(row_schema(), vec![Value::Int64(id), note.into()]);
        self.record(id, value.into())
    }

    /// A row under a key of any form.
    pub(crate) fn keyed(&mut self, key: Struct, value: SchemaAndValue) -> SinkRecord {
        let mut record = self.record(0, value);
        record.record.key = key.into();
        record
    }

    pub(crate) fn tombstone(&mut self, id: i64) -> SinkRecord {
        self.record(id, SchemaAndValue::NULL)
    }

    /// Rows that must be refused: how, and the text with the server's own names masked.
    pub(crate) async fn refused(&mut self, batch: &[SinkRecord]) -> (ErrorKind, String) {
        let error = self
            .task
            .put(batch)
            .await
            .expect_err("the rows are refused");
        (error.kind(), self.masked(&error))
    }

    pub(crate) fn masked(&self, error: &ConnectError) -> String {
        masked(&self.database, error)
    }

    pub(crate) async fn check(&self, sql: &str, expected: &[&[&str]]) -> Result<()> {
        let rows: Vec<TextRow> = self.database.rows(&named(&self.database, sql)).await?;
        let rows: Vec<Vec<String>> = rows
            .into_iter()
            .map(|row| {
                row.into_iter()
                    .map(|text| text.unwrap_or("NULL".to_owned()))
                    .collect()
            })
            .collect();
        assert_eq!(rows, expected);
        Ok(())
    }
}

/// Starts a task on a server; the error with which it refuses to.
pub(crate) async fn start_task(
    database: &PostgresDatabase,
    settings: &[(&str, &str)],
    reporter: Option<Arc<dyn ErrantRecordReporter>>,
) -> Result<Result<Box<dyn SinkTask>, ConnectError>> {
    let mut plugins = Plugins::default();
    tidegate_jdbc_sink::register(&mut plugins);
    // Debezium's is the first.
    let class = settings.iter().find(|(name, _)| *name == "connector.class");
    let plugin = plugins
        .connectors
        .iter()
        .find(|plugin| class.is_none_or(|(_, class)| plugin.class == *class));
    let Some(ConnectorKind::Sink(new_task)) = plugin.map(|plugin| &plugin.kind) else {
        anyhow::bail!("no sink");
    };
    let url = database.jdbc_url() + "?sslmode=disable";
    let mut props = Props::from([
        ("connection.url", url.as_str()),
        ("connection.username", "postgres"),
        ("connection.password", "s3cret"),
        ("insert.mode", "upsert"),
        ("primary.key.mode", "record_key"),
        ("schema.evolution", "basic"),
        ("delete.enabled", "true"),
    ]);
    for (name, value) in settings {
        props.set(*name, named(database, value));
    }
    let mut task = new_task();
    let context = SinkTaskContext {
        task: ConnectorTaskId {
            connector: "sink".into(),
            task: 0,
        },
        requests: Arc::new(NoRequests),
        errant_record_reporter: reporter,
    };
    Ok(task.start(context, props).await.map(|()| task))
}

/// The whole text of an error: `PORT` for the server's, `{database}` and `{role}` for the test's own.
pub(crate) fn masked(database: &PostgresDatabase, error: &ConnectError) -> String {
    let text = error.chain();
    let text = text.replace(&role(database), "{role}");
    let text = match database.name() {
        // A word that is no name of this test's.
        "postgres" => text,
        name => text.replace(name, "{database}"),
    };
    text.replace(&database.server().port().to_string(), "PORT")
}

pub(crate) fn row_schema() -> Arc<Schema> {
    SchemaBuilder::structure()
        .field("id", SchemaBuilder::int64().build())
        .field("note", SchemaBuilder::string().optional().build())
        .build()
}

pub(crate) fn envelope(op: &str, before: Option<Struct>, after: Option<Struct>) -> SchemaAndValue {
    let row = row_schema().to_builder().optional().build();
    let schema = SchemaBuilder::structure()
        .name("a.Orders.Envelope")
        .field("before", Arc::clone(&row))
        .field("after", row)
        .field("op", SchemaBuilder::string().build())
        .build();
    Struct::new(schema, vec![before.into(), after.into(), op.into()]).into()
}

pub(crate) const ALL: &str = "SELECT id::text, note FROM a_orders ORDER BY a_orders.id";

pub(crate) fn of_topic(mut record: SinkRecord, topic: &str) -> SinkRecord {
    record.record.topic = topic.into();
    record.original.topic = topic.into();
    record
}

pub(crate) fn structure(fields: &[(&str, SchemaBuilder)]) -> Arc<Schema> {
    let fields = fields.iter().cloned();
    fields
        .fold(SchemaBuilder::structure(), |builder, (name, schema)| {
            builder.field(name, schema.build())
        })
        .build()
}
