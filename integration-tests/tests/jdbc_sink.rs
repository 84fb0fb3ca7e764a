//! The JDBC sink through the plugin interface on a real PostgreSQL.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use tidegate_api::connector::SinkTaskRequests;
use tidegate_api::{
    ConnectError, ConnectorKind, ConnectorTaskId, Decimal, ErrantRecordReporter, Plugins, Props,
    Record, Schema, SchemaAndValue, SchemaBuilder, SinkRecord, SinkTask, SinkTaskContext, Struct,
    TopicPartition, TopicPartitionOffset, Value, logical,
};
use tidegate_integration_tests::{Postgres, PostgresOptions, TextRow};

struct NoRequests;
impl SinkTaskRequests for NoRequests {
    fn request_commit(&self) {}
    fn set_timeout(&self, _timeout: Duration) {}
    fn rewind(&self, _offsets: BTreeMap<TopicPartition, i64>) {}
}

#[derive(Default)]
struct Reports(Mutex<Vec<(i64, String)>>);
#[async_trait::async_trait]
impl ErrantRecordReporter for Reports {
    async fn report(&self, record: &SinkRecord, error: ConnectError) -> Result<(), ConnectError> {
        let report = (record.original.offset, error.chain());
        self.0.lock().expect("no holder panics").push(report);
        Ok(())
    }
}

/// A database of its own and a task that writes to it.
struct Case {
    postgres: Postgres,
    task: Box<dyn SinkTask>,
    reports: Arc<Reports>,
    offset: i64,
}

impl Case {
    async fn start(setup: &str, settings: &[(&str, &str)], reporting: bool) -> Result<Self> {
        let postgres = Postgres::start(PostgresOptions::default()).await?;
        if !setup.is_empty() {
            postgres.exec("postgres", setup).await?;
        }
        let mut plugins = Plugins::default();
        tidegate_jdbc_sink::register(&mut plugins);
        let ConnectorKind::Sink(new_task) = &plugins.connectors[0].kind else {
            anyhow::bail!("no sink");
        };
        let url = postgres.jdbc_url("postgres") + "?sslmode=disable";
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
            props.set(*name, *value);
        }
        let reports = Arc::new(Reports::default());
        let reporter = Arc::clone(&reports) as Arc<dyn ErrantRecordReporter>;
        let mut task = new_task();
        let context = SinkTaskContext {
            task: ConnectorTaskId {
                connector: "sink".into(),
                task: 0,
            },
            requests: Arc::new(NoRequests),
            errant_record_reporter: reporting.then_some(reporter),
        };
        task.start(context, props).await?;
        Ok(Self {
            postgres,
            task,
            reports,
            offset: 0,
        })
    }

    fn record(&mut self, id: i64, value: SchemaAndValue) -> SinkRecord {
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
                headers: Vec::new(),
            },
            original: TopicPartitionOffset {
                topic,
                partition: 0,
                offset: self.offset,
            },
            timestamp_type: tidegate_api::TimestampType::CreateTime,
        }
    }

    fn row(&mut self, id: i64, note: &str) -> SinkRecord {
        let value = Struct::new(row_schema(), vec![Value::Int64(id), note.into()]);
        self.record(id, value.into())
    }

    fn tombstone(&mut self, id: i64) -> SinkRecord {
        self.record(id, SchemaAndValue::NULL)
    }

    async fn check(&self, sql: &str, expected: &[&[&str]]) -> Result<()> {
        let rows: Vec<TextRow> = self.postgres.rows("postgres", sql).await?;
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

fn row_schema() -> Arc<Schema> {
    SchemaBuilder::structure()
        .field("id", SchemaBuilder::int64().build())
        .field("note", SchemaBuilder::string().optional().build())
        .build()
}

fn envelope(op: &str, before: Option<Struct>, after: Option<Struct>) -> SchemaAndValue {
    let row = row_schema().to_builder().optional().build();
    let schema = SchemaBuilder::structure()
        .name("a.Orders.Envelope")
        .field("before", Arc::clone(&row))
        .field("after", row)
        .field("op", SchemaBuilder::string().build())
        .build();
    Struct::new(schema, vec![before.into(), after.into(), op.into()]).into()
}

const ALL: &str = "SELECT id::text, note FROM a_orders ORDER BY a_orders.id";

#[tokio::test]
async fn the_last_change_of_each_key_counts() -> Result<()> {
    let mut case = Case::start("", &[], false).await?;
    let mut batch = vec![case.row(1, "a"), case.row(2, "b"), case.row(1, "c")];
    batch.extend([
        case.tombstone(2),
        case.row(3, "d"),
        case.tombstone(3),
        case.row(3, "e"),
    ]);
    case.task.put(&batch).await?;
    case.check(ALL, &[&["1", "c"], &["3", "e"]]).await
}

#[tokio::test]
async fn deletes_come_in_all_shapes() -> Result<()> {
    let mut case = Case::start("", &[("truncate.enabled", "true")], false).await?;
    let rows: Vec<_> = (1..=4).map(|id| case.row(id, "x")).collect();
    case.task.put(&rows).await?;
    let before = |id| Struct::new(row_schema(), vec![Value::Int64(id), "x".into()]);
    let batch = [
        case.record(1, envelope("d", Some(before(1)), None)),
        case.tombstone(1),
        case.tombstone(2),
        case.record(3, envelope("d", None, None)),
    ];
    case.task.put(&batch).await?;
    case.check(ALL, &[&["4", "x"]]).await?;
    let batch = [
        case.record(0, envelope("t", None, None)),
        case.record(7, envelope("c", None, Some(before(7)))),
    ];
    case.task.put(&batch).await?;
    case.check(ALL, &[&["7", "x"]]).await
}

#[tokio::test]
async fn tombstones_without_a_table_are_ignored() -> Result<()> {
    let mut case = Case::start("", &[("schema.evolution", "none")], false).await?;
    let batch = [case.tombstone(1)];
    case.task.put(&batch).await?;
    let row = [case.row(1, "a")];
    let error = case.task.put(&row).await.expect_err("no table").chain();
    assert!(error.contains("Could not find table: a_orders"), "{error}");
    assert!(
        error.contains("schema.evolution=basic") && !error.contains("s3cret"),
        "{error}"
    );
    Ok(())
}

#[tokio::test]
async fn large_batches_go_through_copy() -> Result<()> {
    let mut case = Case::start("", &[], false).await?;
    for note in ["first", "second"] {
        let batch: Vec<_> = (0..3000).rev().map(|id| case.row(id, note)).collect();
        case.task.put(&batch).await?;
    }
    let sql = "SELECT count(*)::text, min(note), max(note) FROM a_orders";
    case.check(sql, &[&["3000", "second", "second"]]).await?;
    let batch: Vec<_> = (0..2999).map(|id| case.tombstone(id)).collect();
    case.task.put(&batch).await?;
    case.check(ALL, &[&["2999", "second"]]).await
}

#[tokio::test]
async fn a_bad_row_is_named_and_the_others_are_written() -> Result<()> {
    let table = "CREATE TABLE a_orders (id int PRIMARY KEY, note varchar(5))";
    let mut case = Case::start(table, &[], true).await?;
    let batch: Vec<_> = (0..1000)
        .map(|id| case.row(id, if id == 617 { "too long" } else { "ok" }))
        .collect();
    case.task.put(&batch).await?;
    case.check("SELECT count(*)::text FROM a_orders", &[&["999"]])
        .await?;
    let reports = case.reports.0.lock().expect("no holder panics");
    let [(618, text)] = reports.as_slice() else {
        panic!("{reports:?}");
    };
    for part in [
        "table a_orders",
        "column note",
        "id=617",
        "a.Orders-0@618",
        "22001",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    Ok(())
}

#[tokio::test]
async fn without_a_reporter_a_bad_row_fails_the_task_and_nothing_is_written() -> Result<()> {
    let table = "CREATE TABLE a_orders (id int PRIMARY KEY, note text, must int NOT NULL)";
    let mut case = Case::start(table, &[], false).await?;
    let batch = [case.row(1, "a"), case.row(2, "b")];
    let error = case.task.put(&batch).await.expect_err("a null").chain();
    assert!(
        error.contains("id=1") && error.contains("Give the column a default"),
        "{error}"
    );
    assert!(error.contains("\"must\""), "{error}");
    case.check(ALL, &[]).await
}

#[tokio::test]
async fn unique_values_may_be_swapped_within_a_batch() -> Result<()> {
    let table = "CREATE TABLE a_orders (id bigint PRIMARY KEY, note text UNIQUE)";
    let mut case = Case::start(table, &[], false).await?;
    let batch = [case.row(1, "a"), case.row(2, "b")];
    case.task.put(&batch).await?;
    let batch = [case.row(1, "t"), case.row(2, "a"), case.row(1, "b")];
    case.task.put(&batch).await?;
    case.check(ALL, &[&["1", "b"], &["2", "a"]]).await
}

#[tokio::test]
async fn texts_reach_columns_of_other_types() -> Result<()> {
    let table = "CREATE TYPE \"Mood\" AS ENUM ('ok', 'bad'); CREATE TABLE a_orders (id numeric PRIMARY KEY, note \"Mood\")";
    let mut case = Case::start(table, &[], false).await?;
    let batch = [case.row(1, "ok"), case.row(2, "bad")];
    case.task.put(&batch).await?;
    let batch = [case.tombstone(1)];
    case.task.put(&batch).await?;
    case.check(
        "SELECT id::text, note::text FROM a_orders",
        &[&["2", "bad"]],
    )
    .await
}

#[tokio::test]
async fn types_of_the_sources_arrive() -> Result<()> {
    let mut case = Case::start("", &[], false).await?;
    let named = |builder: SchemaBuilder, name: &'static str| builder.name(name).build();
    let schema = SchemaBuilder::structure()
        .field("id", SchemaBuilder::int64().build())
        .field(
            "price",
            logical::decimal(2)
                .parameter("connect.decimal.precision", "10")
                .build(),
        )
        .field(
            "day",
            named(SchemaBuilder::int32(), "io.debezium.time.Date"),
        )
        .field(
            "at",
            named(SchemaBuilder::int64(), "io.debezium.time.MicroTime"),
        )
        .field(
            "placed",
            named(SchemaBuilder::int64(), "io.debezium.time.Timestamp"),
        )
        .field("cplaced", logical::timestamp().build())
        .field(
            "zoned",
            named(SchemaBuilder::string(), "io.debezium.time.ZonedTimestamp"),
        )
        .field(
            "bits",
            SchemaBuilder::bytes()
                .name("io.debezium.data.Bits")
                .parameter("length", "5")
                .build(),
        )
        .field(
            "doc",
            named(SchemaBuilder::string(), "io.debezium.data.Json"),
        )
        .field("raw", SchemaBuilder::bytes().build())
        .field("flag", SchemaBuilder::boolean().build())
        .field("ratio", SchemaBuilder::float64().build())
        .build();
    let values = vec![
        Value::Int64(1),
        Value::Decimal(Decimal::new(-1250, 2)),
        Value::Int32(18_263),
        Value::Int64(86_400_000_000),
        Value::Int64(1_577_934_245_678),
        Value::Int64(1_577_934_245_678),
        "2020-01-02T03:04:05.120000Z".into(),
        Value::Bytes(vec![0b10011].into()),
        r#"{"a":1}"#.into(),
        Value::Bytes(vec![0, 255].into()),
        Value::Boolean(true),
        Value::Float64(1.5),
    ];
    let batch = [case.record(1, Struct::new(schema, values).into())];
    case.task.put(&batch).await?;
    let sql = "SELECT price::text, day::text, at::text, placed::text, cplaced::text, (zoned AT TIME ZONE 'UTC')::text, bits::text, doc::text, raw::text, flag::text, ratio::text FROM a_orders";
    case.check(
        sql,
        &[&[
            "-12.50",
            "2020-01-02",
            "24:00:00",
            "2020-01-02 03:04:05.678",
            "2020-01-02 03:04:05.678",
            "2020-01-02 03:04:05.12",
            "10011",
            "{\"a\":1}",
            "\\x00ff",
            "true",
            "1.5",
        ]],
    )
    .await
}

fn of_topic(mut record: SinkRecord, topic: &str) -> SinkRecord {
    record.record.topic = topic.into();
    record.original.topic = topic.into();
    record
}

fn structure(fields: &[(&str, SchemaBuilder)]) -> Arc<Schema> {
    let fields = fields.iter().cloned();
    fields
        .fold(SchemaBuilder::structure(), |builder, (name, schema)| {
            builder.field(name, schema.build())
        })
        .build()
}

#[tokio::test]
async fn tables_of_the_same_form_keep_their_rows_apart() -> Result<()> {
    let tables = "CREATE TABLE a_orders (id bigint PRIMARY KEY, note text); CREATE TABLE b (LIKE a_orders INCLUDING ALL)";
    let mut case = Case::start(tables, &[], false).await?;
    for round in ["first", "second"] {
        let mut batch: Vec<_> = (0..12_000).map(|id| case.row(id, round)).collect();
        for id in 0..1000 {
            batch.push(of_topic(case.row(100_000 + id, round), "b"));
        }
        case.task.put(&batch).await?;
        case.check(
            "SELECT count(*)::text, min(id)::text, max(note) FROM a_orders UNION ALL SELECT count(*)::text, min(id)::text, max(note) FROM b",
            &[&["12000", "0", round], &["1000", "100000", round]],
        )
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn tables_of_the_session_outlive_a_batch_that_is_rolled_back() -> Result<()> {
    let table = "CREATE TABLE a_orders (id bigint PRIMARY KEY, note varchar(5))";
    let mut case = Case::start(table, &[], true).await?;
    for _ in 0..2 {
        let batch: Vec<_> = (0..1000)
            .map(|id| case.row(id, if id % 400 == 7 { "too long" } else { "ok" }))
            .collect();
        case.task.put(&batch).await?;
    }
    // The table changes behind the task's back.
    let change = "ALTER TABLE a_orders RENAME COLUMN note TO old";
    case.postgres.exec("postgres", change).await?;
    for _ in 0..2 {
        let batch: Vec<_> = (0..1000).map(|id| case.row(id, "new")).collect();
        case.task.put(&batch).await?;
    }
    assert_eq!(case.reports.0.lock().expect("no holder panics").len(), 6);
    case.check(
        "SELECT count(*)::text, max(note) FROM a_orders",
        &[&["1000", "new"]],
    )
    .await
}

#[tokio::test]
async fn a_bad_row_is_found_where_rows_are_copied_into_the_table() -> Result<()> {
    let table = "CREATE TABLE a_orders (id bigint, note varchar(5))";
    let settings = [("insert.mode", "insert"), ("primary.key.mode", "none")];
    let settings = [settings[0], settings[1], ("delete.enabled", "false")];
    let mut case = Case::start(table, &settings, true).await?;
    let batch: Vec<_> = (0..2000)
        .map(|id| case.row(id, if id == 1999 { "too long" } else { "ok" }))
        .collect();
    case.task.put(&batch).await?;
    case.check(
        "SELECT count(*)::text, count(DISTINCT id)::text FROM a_orders",
        &[&["1999", "1999"]],
    )
    .await?;
    let reports = case.reports.0.lock().expect("no holder panics");
    assert!(
        matches!(reports.as_slice(), [(2000, text)] if text.contains("column note")),
        "{reports:?}"
    );
    Ok(())
}

#[tokio::test]
async fn generated_columns_are_left_to_the_database() -> Result<()> {
    let table = "CREATE TABLE a_orders (note text GENERATED ALWAYS AS ('n' || id::text) STORED, id bigint PRIMARY KEY, more text)";
    let mut case = Case::start(table, &[], false).await?;
    let schema = structure(&[
        ("note", SchemaBuilder::string()),
        ("id", SchemaBuilder::int64()),
        ("more", SchemaBuilder::string()),
    ]);
    let row = |case: &mut Case, id: i64, more: &str| {
        let values = vec!["ignored".into(), Value::Int64(id), more.into()];
        case.record(id, Struct::new(Arc::clone(&schema), values).into())
    };
    let small = [row(&mut case, 1, "a"), row(&mut case, 1, "b")];
    case.task.put(&small).await?;
    let large: Vec<_> = (2..1000).map(|id| row(&mut case, id, "c")).collect();
    case.task.put(&large).await?;
    let batch: Vec<_> = (3..1000).map(|id| case.tombstone(id)).collect();
    case.task.put(&batch).await?;
    let sql = "SELECT id::text, note, more FROM a_orders ORDER BY a_orders.id";
    case.check(sql, &[&["1", "n1", "b"], &["2", "n2", "c"]])
        .await
}

#[tokio::test]
async fn generated_key_columns_are_refused_by_name() -> Result<()> {
    let table =
        "CREATE TABLE a_orders (id bigint GENERATED ALWAYS AS (1) STORED UNIQUE, note text)";
    let mut case = Case::start(table, &[], false).await?;
    let batch = [case.row(1, "a")];
    let error = case.task.put(&batch).await.expect_err("generated").chain();
    assert!(
        error.contains("column id of table a_orders is generated"),
        "{error}"
    );
    Ok(())
}

#[tokio::test]
async fn parents_and_children_come_and_go_in_one_batch() -> Result<()> {
    let tables = "CREATE TABLE a_orders (id bigint PRIMARY KEY, note text); CREATE TABLE child (id bigint PRIMARY KEY REFERENCES a_orders, note text)";
    let mut case = Case::start(tables, &[], false).await?;
    for _ in 0..2 {
        let batch = [
            case.row(1, "p"),
            of_topic(case.row(1, "c"), "child"),
            case.row(2, "p"),
            of_topic(case.row(2, "c"), "child"),
            of_topic(case.tombstone(1), "child"),
            case.tombstone(1),
        ];
        case.task.put(&batch).await?;
    }
    let sql = "SELECT a_orders.id::text, child.note FROM a_orders LEFT JOIN child USING (id)";
    case.check(sql, &[&["2", "c"]]).await?;
    // The other way round: the parent goes after its child, and a new pair comes.
    let batch = [
        of_topic(case.tombstone(2), "child"),
        case.tombstone(2),
        case.row(2, "new"),
        of_topic(case.row(2, "new"), "child"),
    ];
    case.task.put(&batch).await?;
    case.check(sql, &[&["2", "new"]]).await
}

#[tokio::test]
async fn messages_and_truncates_of_missing_tables_are_passed_over() -> Result<()> {
    let mut case = Case::start("", &[("truncate.enabled", "true")], false).await?;
    let batch = [
        case.record(1, envelope("t", None, None)),
        case.record(1, envelope("m", None, None)),
        case.record(1, envelope("d", None, None)),
    ];
    case.task.put(&batch).await?;
    case.check("SELECT to_regclass('a_orders')::text", &[&["NULL"]])
        .await
}

#[tokio::test]
async fn keys_without_a_struct_are_columns() -> Result<()> {
    let mut case = Case::start("", &[("primary.key.fields", "id")], false).await?;
    let schema = structure(&[("note", SchemaBuilder::string())]);
    let mut batch = Vec::new();
    for (id, note) in [(1, "a"), (2, "b"), (1, "c")] {
        let value = Struct::new(Arc::clone(&schema), vec![note.into()]);
        let mut record = case.record(id, value.into());
        record.record.key = SchemaAndValue {
            schema: Some(SchemaBuilder::int64().build()),
            value: Value::Int64(id),
        };
        batch.push(record);
    }
    let mut tombstone = batch[1].clone();
    tombstone.record.value = SchemaAndValue::NULL;
    batch.push(tombstone);
    case.task.put(&batch).await?;
    case.check(ALL, &[&["1", "c"]]).await
}

#[tokio::test]
async fn updates_of_key_columns_alone_change_nothing() -> Result<()> {
    let table = "CREATE TABLE a_orders (id bigint PRIMARY KEY, note text); INSERT INTO a_orders VALUES (1, 'a'), (2, 'b')";
    let mut case = Case::start(table, &[("insert.mode", "update")], false).await?;
    let schema = structure(&[("id", SchemaBuilder::int64())]);
    let value = Struct::new(schema, vec![Value::Int64(1)]);
    let batch = [
        case.record(1, value.into()),
        case.row(2, "c"),
        case.row(3, "none"),
    ];
    case.task.put(&batch).await?;
    case.check(ALL, &[&["1", "a"], &["2", "c"]]).await
}

#[tokio::test]
async fn a_plain_row_may_have_a_field_op() -> Result<()> {
    let mut case = Case::start("", &[], false).await?;
    let schema = structure(&[
        ("id", SchemaBuilder::int64()),
        ("op", SchemaBuilder::string()),
    ]);
    let value = Struct::new(schema, vec![Value::Int64(1), "d".into()]);
    let batch = [case.record(1, value.into())];
    case.task.put(&batch).await?;
    case.check("SELECT id::text, op FROM a_orders", &[&["1", "d"]])
        .await
}

#[tokio::test]
async fn null_with_a_schema_deletes_and_adds_no_columns() -> Result<()> {
    let table =
        "CREATE TABLE a_orders (id bigint PRIMARY KEY); INSERT INTO a_orders VALUES (1), (2)";
    let mut case = Case::start(table, &[], false).await?;
    let value = SchemaAndValue {
        schema: Some(row_schema().to_builder().optional().build()),
        value: Value::Null,
    };
    let batch = [case.record(1, value)];
    case.task.put(&batch).await?;
    case.check(
        "SELECT to_jsonb(a)::text FROM a_orders a",
        &[&["{\"id\": 2}"]],
    )
    .await
}

#[tokio::test]
async fn rows_without_a_tombstone_are_reduced_in_insert_mode() -> Result<()> {
    let settings = [("insert.mode", "insert"), ("use.reduction.buffer", "true")];
    let mut case = Case::start("", &settings, false).await?;
    let batch = [case.row(1, "a"), case.row(2, "b"), case.row(1, "c")];
    case.task.put(&batch).await?;
    case.check(ALL, &[&["1", "c"], &["2", "b"]]).await
}

#[tokio::test]
async fn names_may_be_anything() -> Result<()> {
    let other = "CREATE TABLE axorders (id bigint, note text)";
    let mut case = Case::start(other, &[], false).await?;
    let columns = ["My-Id", "select", "it\"s", "user"];
    let fields: Vec<_> = columns
        .iter()
        .map(|name| (*name, SchemaBuilder::string()))
        .collect();
    let values: Vec<_> = columns.iter().map(Value::string).collect();
    let value = Struct::new(structure(&fields), values);
    let key = Struct::new(
        structure(&[("My-Id", SchemaBuilder::string())]),
        vec!["My-Id".into()],
    );
    let mut record = case.record(1, value.into());
    record.record.key = key.into();
    case.task.put(&[record.clone()]).await?;
    case.task.put(&[record]).await?;
    case.check(
        "SELECT r.* FROM a_orders r",
        &[&["My-Id", "select", "it\"s", "user"]],
    )
    .await
}

#[tokio::test]
async fn values_keep_their_value() -> Result<()> {
    let table = "CREATE EXTENSION hstore; CREATE TABLE a_orders (id bigint PRIMARY KEY, tens numeric, tags hstore, late time(6), addr inet, num int, flag boolean, n smallint, texts text[])";
    let mut case = Case::start(table, &[], false).await?;
    let text = || SchemaBuilder::string().optional().build();
    let schema = structure(&[
        ("id", SchemaBuilder::int64()),
        ("tens", logical::decimal(-1)),
        ("tags", SchemaBuilder::map(text(), text())),
        (
            "late",
            SchemaBuilder::int64().name("io.debezium.time.NanoTime"),
        ),
        ("addr", SchemaBuilder::string()),
        ("num", SchemaBuilder::string()),
        ("flag", SchemaBuilder::int16()),
        ("n", SchemaBuilder::boolean()),
        ("texts", SchemaBuilder::array(text())),
    ]);
    let tags = vec![
        ("a\"b".into(), Value::Null),
        ("NULL".into(), "it's \\ \"quoted\"".into()),
    ];
    let values = vec![
        Value::Int64(1),
        Value::Decimal(Decimal::new(12, -1)),
        Value::Map(tags),
        Value::Int64(86_399_999_999_999),
        "10.0.0.1/8".into(),
        "42".into(),
        Value::Int16(1),
        Value::Boolean(true),
        Value::Array(vec!["a,b".into(), Value::Null, "\"".into()]),
    ];
    let batch = [case.record(1, Struct::new(schema, values).into())];
    case.task.put(&batch).await?;
    case.check(
        r#"SELECT tens::text, (tags -> 'a"b')::text, tags -> 'NULL', late::text, addr::text, num::text, flag::text, n::text, texts::text FROM a_orders"#,
        &[&[
            "120",
            "NULL",
            "it's \\ \"quoted\"",
            "23:59:59.999999",
            "10.0.0.1/8",
            "42",
            "true",
            "1",
            r#"{"a,b",NULL,"\""}"#,
        ]],
    )
    .await
}

#[tokio::test]
async fn tables_are_made_where_the_original_fails() -> Result<()> {
    let mut case = Case::start("", &[], false).await?;
    let schema = structure(&[
        ("id", SchemaBuilder::int64()),
        (
            "n",
            SchemaBuilder::int32()
                .optional()
                .parameter("__debezium.source.column.type", "SERIAL"),
        ),
        (
            "list",
            SchemaBuilder::array(SchemaBuilder::string().build())
                .default_value(Value::Array(vec!["a".into(), "it's".into()])),
        ),
        ("ten", logical::decimal(0)),
    ]);
    let values = vec![
        Value::Int64(1),
        Value::Null,
        Value::Array(vec!["x".into()]),
        Value::Decimal(Decimal::new(12, 0)),
    ];
    let batch = [case.record(1, Struct::new(schema, values).into())];
    case.task.put(&batch).await?;
    case.postgres
        .exec("postgres", "INSERT INTO a_orders (id, ten) VALUES (2, 5)")
        .await?;
    case.check(
        "SELECT n::text, list::text, ten::text FROM a_orders ORDER BY id",
        &[&["NULL", "{x}", "12"], &["NULL", "{a,it's}", "5"]],
    )
    .await
}

#[tokio::test]
async fn keys_that_only_the_database_finds_equal_are_written_one_after_the_other() -> Result<()> {
    let table = "CREATE EXTENSION citext; CREATE TABLE a_orders (id citext PRIMARY KEY, note text)";
    let mut case = Case::start(table, &[], false).await?;
    let key = structure(&[("id", SchemaBuilder::string())]);
    let mut batch = Vec::new();
    for (id, note) in [("a", "1"), ("A", "2"), ("b", "3")] {
        let schema = structure(&[
            ("id", SchemaBuilder::string()),
            ("note", SchemaBuilder::string()),
        ]);
        let value = Struct::new(schema, vec![id.into(), note.into()]);
        let mut record = case.record(0, value.into());
        record.record.key = Struct::new(Arc::clone(&key), vec![id.into()]).into();
        batch.push(record);
    }
    case.task.put(&batch).await?;
    case.check(ALL, &[&["a", "2"], &["b", "3"]]).await
}

#[tokio::test]
async fn locks_and_killed_sessions_are_tried_again() -> Result<()> {
    let table = "CREATE TABLE a_orders (id bigint PRIMARY KEY, note text); ALTER ROLE postgres SET lock_timeout = '100ms'";
    let mut case = Case::start(table, &[], true).await?;
    let locking = async |case: &mut Case, batch: &[SinkRecord]| -> Result<ConnectError> {
        let mut connection = case.postgres.connect("postgres").await?;
        let mut lock = sqlx::Connection::begin(&mut connection).await?;
        sqlx::raw_sql("LOCK TABLE a_orders")
            .execute(&mut *lock)
            .await?;
        Ok(case.task.put(batch).await.expect_err("the lock"))
    };
    let batch = [case.row(1, "a")];
    let error = locking(&mut case, &batch).await?;
    assert_eq!(error.kind(), tidegate_api::ErrorKind::Retriable, "{error}");
    case.task.put(&batch).await?;
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'";
    case.postgres.exec("postgres", kill).await?;
    let batch: Vec<_> = (0..1000).map(|id| case.row(id, "b")).collect();
    let error = case.task.put(&batch).await.expect_err("no session");
    assert_eq!(error.kind(), tidegate_api::ErrorKind::Retriable, "{error}");
    case.task.put(&batch).await?;
    assert!(case.reports.0.lock().expect("no holder panics").is_empty());
    case.check(
        "SELECT count(*)::text, min(note) FROM a_orders",
        &[&["1000", "b"]],
    )
    .await
}

#[tokio::test]
async fn a_table_of_the_same_name_in_another_schema_is_left_alone() -> Result<()> {
    let table = "CREATE SCHEMA other; CREATE TABLE other.a_orders (id bigint, note text)";
    let mut case = Case::start(table, &[], false).await?;
    let batch = [case.row(1, "a")];
    case.task.put(&batch).await?;
    case.check(
        "SELECT (SELECT count(*) FROM other.a_orders)::text, (SELECT count(*) FROM public.a_orders)::text",
        &[&["0", "1"]],
    )
    .await
}

#[tokio::test]
async fn a_table_that_cannot_be_made_says_why() -> Result<()> {
    let settings = [("collection.name.format", "nowhere.t")];
    let mut case = Case::start("", &settings, false).await?;
    let batch = [case.row(1, "a")];
    let error = case.task.put(&batch).await.expect_err("no schema").chain();
    for part in ["'nowhere.t'", "schema \"nowhere\" does not exist"] {
        assert!(error.contains(part), "{part} in {error}");
    }
    Ok(())
}

#[tokio::test]
async fn a_delete_between_inserts_is_not_lost_by_reduction() -> Result<()> {
    let settings = [("insert.mode", "insert"), ("use.reduction.buffer", "true")];
    let mut case = Case::start("", &settings, false).await?;
    let batch = [case.row(1, "a")];
    case.task.put(&batch).await?;
    let batch = [case.tombstone(1), case.row(1, "b"), case.row(1, "c")];
    case.task.put(&batch).await?;
    case.check(ALL, &[&["1", "c"]]).await
}

#[tokio::test]
async fn identities_of_the_database_take_the_sources_values() -> Result<()> {
    let table =
        "CREATE TABLE a_orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text)";
    let mut case = Case::start(table, &[], false).await?;
    let small = [case.row(7000, "a")];
    case.task.put(&small).await?;
    let large: Vec<_> = (0..1000).map(|id| case.row(id, "b")).collect();
    case.task.put(&large).await?;
    case.check(
        "SELECT count(*)::text, max(id)::text FROM a_orders",
        &[&["1001", "7000"]],
    )
    .await
}

#[tokio::test]
async fn a_put_that_fails_leaves_nothing_behind() -> Result<()> {
    let table = "CREATE TABLE a_orders (id bigint PRIMARY KEY, note varchar(5))";
    let settings = [("insert.mode", "insert"), ("batch.size", "100")];
    let mut case = Case::start(table, &settings, false).await?;
    let mut batch: Vec<_> = (0..999).map(|id| case.row(id, "ok")).collect();
    batch.push(case.row(999, "too long"));
    let error = case.task.put(&batch).await.expect_err("too long").chain();
    assert!(error.contains("id=999"), "{error}");
    case.check("SELECT count(*)::text FROM a_orders", &[&["0"]])
        .await
}
