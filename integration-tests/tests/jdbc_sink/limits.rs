//! What is larger than PostgreSQL takes, and what is as large as it takes.

use std::sync::Arc;

use anyhow::Result;
use tidegate_api::{ErrorKind, Schema, SchemaBuilder, SinkRecord, Struct, Value};

use super::case::{Case, of_topic};
use super::confluent;

/// A row of so many small columns, `id` among them.
fn wide(columns: usize) -> Arc<Schema> {
    let id = SchemaBuilder::structure().field("id", SchemaBuilder::int64().build());
    let more = (1..columns).fold(id, |builder, number| {
        let small = SchemaBuilder::int16().optional().build();
        builder.field(format!("c{number}"), small)
    });
    more.build()
}

fn row(case: &mut Case, schema: &Arc<Schema>, id: i64) -> SinkRecord {
    let values = (1..schema.fields().len())
        .map(|number| Value::Int16(i16::try_from(number).expect("a small number")));
    let values: Vec<Value> = std::iter::once(Value::Int64(id)).chain(values).collect();
    case.record(id, Struct::new(Arc::clone(schema), values).into())
}

/// More values than one statement has parameters, by arrays and by COPY.
#[tokio::test]
async fn tables_of_a_thousand_columns_are_written() -> Result<()> {
    for insert_mode in ["upsert", "insert"] {
        let mut case = Case::start("", &[("insert.mode", insert_mode)], false).await?;
        let schema = wide(1000);
        for (from, to) in [(0, 70), (70, 600)] {
            let batch: Vec<_> = (from..to).map(|id| row(&mut case, &schema, id)).collect();
            case.task.put(&batch).await?;
        }
        let sql = "SELECT count(*)::text, sum(c999)::text FROM a_orders";
        case.check(sql, &[&["600", "599400"]]).await?;
    }
    Ok(())
}

#[tokio::test]
async fn more_columns_than_a_table_has_are_told() -> Result<()> {
    for columns in [1600, 1601] {
        let mut case = Case::start("", &[("collection.name.format", "${topic}")], true).await?;
        let (large, small) = (wide(columns), wide(2));
        let batch = [
            of_topic(row(&mut case, &large, 1), "large"),
            of_topic(row(&mut case, &small, 1), "small"),
        ];
        case.task.put(&batch).await?;
        case.check("SELECT count(*)::text FROM small", &[&["1"]])
            .await?;
        let reports = case.reports.0.lock().expect("no holder panics").clone();
        if columns == 1600 {
            assert!(reports.is_empty(), "{reports:?}");
            continue;
        }
        assert_eq!(reports.len(), 1);
        let text = &reports[0].1;
        for part in ["table large", "at most 1600 columns", "field.exclude.list"] {
            assert!(text.contains(part), "{text}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn columns_beyond_the_limit_are_not_added() -> Result<()> {
    let mut case = Case::start("", &[], false).await?;
    let schema = wide(1600);
    let batch = [row(&mut case, &schema, 1)];
    case.task.put(&batch).await?;
    let more = schema
        .to_builder()
        .field("more", SchemaBuilder::string().optional().build())
        .build();
    let mut values: Vec<Value> = vec![Value::Int64(2)];
    values.resize(1601, Value::Null);
    let batch = [case.record(2, Struct::new(more, values).into())];
    let (kind, text) = case.refused(&batch).await;
    assert_eq!(kind, ErrorKind::Data);
    assert!(text.contains("at most 1600 columns"), "{text}");
    Ok(())
}

#[tokio::test]
async fn large_texts_and_bytes_are_written() -> Result<()> {
    const SIZE: usize = 20 << 20;
    let schema = SchemaBuilder::structure()
        .field("id", SchemaBuilder::int64().build())
        .field("note", SchemaBuilder::string().build())
        .field("raw", SchemaBuilder::bytes().build())
        .build();
    for settings in [&[][..], &[("insert.mode", "insert")]] {
        let mut case = Case::start("", settings, false).await?;
        let mut batch = Vec::new();
        for id in 0..2 {
            let values = vec![
                Value::Int64(id),
                Value::from("ж".repeat(SIZE / 2).as_str()),
                Value::Bytes(vec![7; SIZE].into()),
            ];
            batch.push(case.record(id, Struct::new(Arc::clone(&schema), values).into()));
        }
        case.task.put(&batch).await?;
        let sql = "SELECT id::text, octet_length(note)::text, octet_length(raw)::text FROM a_orders ORDER BY 1";
        let size = SIZE.to_string();
        case.check(sql, &[&["0", &size, &size], &["1", &size, &size]])
            .await?;
    }
    Ok(())
}

/// An index takes less than a third of a page.
#[tokio::test]
async fn keys_that_no_index_takes_are_dead_letters() -> Result<()> {
    let mut case = Case::start(
        "",
        &[
            ("primary.key.mode", "record_value"),
            ("primary.key.fields", "note"),
        ],
        true,
    )
    .await?;
    let noise: String = (0..20_000_u32)
        .map(|n| char::from_u32(0x4e00 + n * 7919 % 20_000).expect("a character"))
        .collect();
    let batch = [case.row(1, "short"), case.row(2, &noise)];
    case.task.put(&batch).await?;
    case.check("SELECT note FROM a_orders", &[&["short"]])
        .await?;
    let reports = case.reports.0.lock().expect("no holder panics");
    assert_eq!(reports.len(), 1);
    assert!(reports[0].1.contains("index row"), "{}", reports[0].1);
    Ok(())
}

/// Quotes of every kind, and four-byte characters up to the last byte of a name.
#[tokio::test]
async fn names_of_all_characters_are_written() -> Result<()> {
    let names = [
        "a\"b",
        "\"",
        "a'b",
        "a;DROP TABLE x;--",
        "a\\b",
        "${topic}",
        "$1",
        "😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀",
        "a\u{0}b",
    ];
    for name in names {
        for confluents in [false, true] {
            let schema = SchemaBuilder::structure()
                .field("id", SchemaBuilder::int64().build())
                .field(name, SchemaBuilder::string().build())
                .build();
            let mut case = if confluents {
                confluent::start(
                    "",
                    &[("pk.mode", "record_key"), ("table.name.format", "a_orders")],
                    true,
                )
                .await?
            } else {
                Case::start(
                    "",
                    &[
                        ("quote.identifiers", "true"),
                        ("collection.name.format", "a_orders"),
                    ],
                    true,
                )
                .await?
            };
            let row = Struct::new(schema, vec![Value::Int64(1), "v".into()]);
            let batch = [case.record(1, row.into())];
            case.task.put(&batch).await?;
            let reports = case.reports.0.lock().expect("no holder panics").clone();
            if name.contains('\u{0}') {
                assert!(
                    reports.len() == 1 && reports[0].1.contains("U+0000"),
                    "{reports:?}"
                );
                continue;
            }
            assert!(reports.is_empty(), "{reports:?}");
            let quoted = name.replace('"', "\"\"");
            case.check(&format!("SELECT \"{quoted}\" FROM a_orders"), &[&["v"]])
                .await?;
        }
    }
    Ok(())
}

/// DDL that counts how often tables are to be created or altered; a sequence remembers what a transaction forgets.
const TRIED: &str = "CREATE SEQUENCE tried; CREATE FUNCTION try() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN \
    PERFORM nextval('tried'); END $$;";
const TRY: &str = "CREATE EVENT TRIGGER t ON ddl_command_start WHEN TAG IN ('CREATE TABLE', 'ALTER TABLE') EXECUTE FUNCTION try();";

#[tokio::test]
async fn a_table_beyond_the_limit_is_tried_once_for_a_batch() -> Result<()> {
    let setup = TRIED.to_owned() + TRY;
    let mut case = Case::start(&setup, &[], true).await?;
    let schema = wide(1601);
    let batch: Vec<_> = (0..5).map(|id| row(&mut case, &schema, id)).collect();
    case.task.put(&batch).await?;
    assert_eq!(case.reports.0.lock().expect("no holder panics").len(), 5);
    case.check("SELECT last_value::text FROM tried", &[&["1"]])
        .await?;
    // Records of another form have their table.
    let batch = [row(&mut case, &schema, 6), case.row(7, "a")];
    case.task.put(&batch).await?;
    case.check("SELECT id::text FROM a_orders", &[&["7"]]).await
}

/// What refuses DDL is not to blame on records, which would be passed over one after the other.
#[tokio::test]
async fn an_event_trigger_that_refuses_a_table_ends_the_task() -> Result<()> {
    let refusing = TRIED.replace(
        "PERFORM nextval('tried');",
        "RAISE EXCEPTION 'tables are made on Mondays';",
    );
    for table in ["", "CREATE TABLE a_orders (id bigint PRIMARY KEY);"] {
        let mut case = Case::start(&(refusing.clone() + table + TRY), &[], true).await?;
        let batch = [case.row(1, "a")];
        let (kind, text) = case.refused(&batch).await;
        assert_eq!(kind, ErrorKind::Fatal, "{text}");
        assert!(text.contains("tables are made on Mondays"), "{text}");
        assert!(case.reports.0.lock().expect("no holder panics").is_empty());
    }
    Ok(())
}
