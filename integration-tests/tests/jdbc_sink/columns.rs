//! Tables, columns and values.

use std::sync::Arc;

use anyhow::Result;
use tidegate_api::{Decimal, SchemaBuilder, Struct, Value, logical};

use super::case::{Case, structure};

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
    case.database
        .exec("INSERT INTO a_orders (id, ten) VALUES (2, 5)")
        .await?;
    case.check(
        "SELECT n::text, list::text, ten::text FROM a_orders ORDER BY id",
        &[&["NULL", "{x}", "12"], &["NULL", "{a,it's}", "5"]],
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

/// Bits of this length, or of none.
fn bits(length: Option<u32>) -> SchemaBuilder {
    let schema = SchemaBuilder::bytes()
        .name("io.debezium.data.Bits")
        .optional();
    match length {
        Some(length) => schema.parameter("length", length.to_string()),
        None => schema,
    }
}

#[tokio::test]
async fn bits_of_any_length_are_written() -> Result<()> {
    const LENGTHS: [Option<u32>; 3] = [None, Some(65_536), Some(70_000)];
    let mut case = Case::start("", &[], true).await?;
    let mut fields = vec![("id".to_owned(), SchemaBuilder::int64())];
    fields.extend((0..).map(|n| format!("c{n}")).zip(LENGTHS.map(bits)));
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, schema)| (name.as_str(), schema.clone()))
        .collect();
    let schema = structure(&fields);
    for (id, byte) in [(0, 0), (6, 6)] {
        let mut values = vec![Value::Int64(id)];
        values.resize(1 + LENGTHS.len(), Value::Bytes(vec![byte].into()));
        let batch = [case.record(id, Struct::new(Arc::clone(&schema), values).into())];
        case.task.put(&batch).await?;
    }
    assert_eq!(*case.reports.0.lock().expect("no holder panics"), []);
    case.check(
        "SELECT c0::text, length(c1)::text, ltrim(c1::text, '0'), length(c2)::text, ltrim(c2::text, '0') FROM a_orders ORDER BY id",
        &[&["", "65536", "", "70000", ""], &["110", "65536", "110", "70000", "110"]],
    )
    .await
}

#[tokio::test]
async fn more_bits_than_a_column_holds_are_told() -> Result<()> {
    let table = "CREATE TABLE a_orders (id bigint PRIMARY KEY, bits bit varying);";
    for setup in ["", table] {
        let mut case = Case::start(setup, &[], false).await?;
        let schema = structure(&[
            ("id", SchemaBuilder::int64()),
            ("bits", bits(Some(83_886_081))),
        ]);
        let values = vec![Value::Int64(1), Value::Bytes(vec![1].into())];
        let batch = [case.record(1, Struct::new(schema, values).into())];
        let (kind, text) = case.refused(&batch).await;
        assert_eq!(kind, tidegate_api::ErrorKind::Data, "{text}");
        for part in ["column bits", "83886081", "at most 83886080 bits"] {
            assert!(text.contains(part), "{text}");
        }
    }
    Ok(())
}
