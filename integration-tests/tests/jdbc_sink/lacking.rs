//! Records that lack what their change takes are refused; no other row is touched, and none is passed over.

use std::sync::Arc;

use anyhow::Result;
use tidegate_api::{
    ErrorKind, Header, Headers, Schema, SchemaAndValue, SchemaBuilder, SinkRecord, Struct, Value,
};

use super::case::{ALL, Case, structure};

const TABLE: &str = "CREATE TABLE a_orders (id bigint PRIMARY KEY, note text); \
                     INSERT INTO a_orders VALUES (1, 'a'), (7, 'seven')";
const BOTH: &[&[&str]] = &[&["1", "a"], &["7", "seven"]];

/// A field with 7 for its default.
fn seven() -> SchemaBuilder {
    SchemaBuilder::int64().default_value(Value::Int64(7))
}

fn row_of(id: &SchemaBuilder) -> Arc<Schema> {
    structure(&[
        ("id", id.clone()),
        ("note", SchemaBuilder::string().optional()),
    ])
}

/// An envelope whose `source` has the fields `db` and `ts`.
fn envelope(op: &str, row: &Arc<Schema>, after: Option<Struct>, db: Value) -> SchemaAndValue {
    let row = row.to_builder().optional().build();
    let source = structure(&[
        ("db", SchemaBuilder::string().optional()),
        ("ts", SchemaBuilder::int64()),
    ]);
    let schema = SchemaBuilder::structure()
        .name("a.Orders.Envelope")
        .field("before", Arc::clone(&row))
        .field("after", row)
        .field("source", Arc::clone(&source))
        .field("op", SchemaBuilder::string().build())
        .build();
    let source = Struct::new(source, vec![db, Value::Int64(5)]);
    let values = vec![Value::Null, after.into(), source.into(), op.into()];
    Struct::new(schema, values).into()
}

/// A record that is refused with this text, behind a row that is written where a dead letter queue takes the other.
async fn check(
    settings: &[(&str, &str)],
    record: impl Fn(&mut Case) -> SinkRecord,
    expected: &str,
) -> Result<()> {
    let mut case = Case::start(TABLE, settings, false).await?;
    let batch = [record(&mut case)];
    let (kind, text) = case.refused(&batch).await;
    assert_eq!(kind, ErrorKind::Data, "{text}");
    let located = "sink-0: the record at a.Orders-0@1 cannot be written: ".to_owned() + expected;
    assert!(text.contains(&located), "{text}");
    case.check(ALL, BOTH).await?;

    let mut case = Case::start(TABLE, settings, true).await?;
    let batch = [record(&mut case)];
    case.task.put(&batch).await?;
    case.check(ALL, BOTH).await?;
    let reports = case.reports.0.lock().expect("no holder panics").clone();
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert!(reports[0].1.contains(expected), "{reports:?}");
    Ok(())
}

/// A record without a key.
fn unkeyed(case: &mut Case, value: SchemaAndValue) -> SinkRecord {
    let mut record = case.record(1, value);
    record.record.key = SchemaAndValue::NULL;
    record
}

#[tokio::test]
async fn a_delete_without_its_row_deletes_no_other() -> Result<()> {
    let by_value = [
        ("primary.key.mode", "record_value"),
        ("primary.key.fields", "id"),
    ];
    let text = "Cannot extract primary key from a null record value";
    for id in [seven(), seven().optional(), SchemaBuilder::int64()] {
        let row = row_of(&id);
        let delete = |case: &mut Case| case.record(1, envelope("d", &row, None, "d".into()));
        check(&by_value, delete, text).await?;
        let null = |case: &mut Case| {
            let schema = Some(row.to_builder().optional().build());
            unkeyed(
                case,
                SchemaAndValue {
                    schema,
                    value: Value::Null,
                },
            )
        };
        check(&by_value, null, text).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_key_that_is_null_is_not_its_default() -> Result<()> {
    let text = "Configured primary key mode 'record_key' cannot have null key";
    let whole = [("primary.key.fields", "id")];
    for (settings, schema) in [
        (
            &[][..],
            structure(&[("id", seven())])
                .to_builder()
                .optional()
                .build(),
        ),
        (&whole, seven().optional().build()),
        (&whole, seven().build()),
    ] {
        for with_row in [false, true] {
            let record = |case: &mut Case| {
                let row = Struct::new(
                    row_of(&SchemaBuilder::int64()),
                    vec![Value::Int64(1), "b".into()],
                );
                let value = if with_row {
                    row.into()
                } else {
                    SchemaAndValue::NULL
                };
                let mut record = case.record(1, value);
                record.record.key = SchemaAndValue {
                    schema: Some(Arc::clone(&schema)),
                    value: Value::Null,
                };
                record
            };
            check(settings, record, text).await?;
        }
    }
    // A field of the key that is optional, and null.
    let key = structure(&[("id", seven().optional())]);
    let tombstone = |case: &mut Case| {
        let key = Struct::new(Arc::clone(&key), vec![Value::Null]);
        case.keyed(key, SchemaAndValue::NULL)
    };
    let text = "table a_orders: column id: the key's value is null, and no row can be found by it";
    check(&[], tombstone, text).await?;
    let update = |case: &mut Case| {
        let key = Struct::new(Arc::clone(&key), vec![Value::Null]);
        let row = Struct::new(
            structure(&[("note", SchemaBuilder::string())]),
            vec!["b".into()],
        );
        case.keyed(key, row.into())
    };
    check(&[("insert.mode", "update")], update, text).await
}

#[tokio::test]
async fn a_delete_without_any_key_field_is_refused() -> Result<()> {
    let text = "Cannot delete a row with no key fields defined";
    let insert = ("insert.mode", "insert");
    let settings = [insert, ("primary.key.fields", "other")];
    check(&settings, |case| case.tombstone(1), text).await?;
    let settings = [
        insert,
        ("primary.key.fields", "other"),
        ("primary.key.mode", "record_value"),
    ];
    let row = row_of(&SchemaBuilder::int64());
    let delete = |case: &mut Case| {
        let before = Struct::new(Arc::clone(&row), vec![Value::Int64(1), Value::Null]);
        let mut record = case.record(1, envelope("d", &row, None, "d".into()));
        if let Value::Struct(envelope) = &mut record.record.value.value {
            envelope.put("before", before).expect("a field");
        }
        record
    };
    check(&settings, delete, text).await
}

#[tokio::test]
async fn an_update_without_any_key_changes_no_row() -> Result<()> {
    let settings = [("insert.mode", "update"), ("primary.key.fields", "other")];
    let mut case = Case::start(TABLE, &settings, true).await?;
    let batch = [case.row(1, "b")];
    let (kind, text) = case.refused(&batch).await;
    assert_eq!(kind, ErrorKind::Fatal);
    assert!(
        text.contains("Cannot write to table a_orders with no key fields defined"),
        "{text}"
    );
    case.check(ALL, BOTH).await
}

#[tokio::test]
async fn keys_in_headers_find_the_row_of_a_null() -> Result<()> {
    let mut case = Case::start(TABLE, &[("primary.key.mode", "record_header")], false).await?;
    let schema = row_of(&SchemaBuilder::int64())
        .to_builder()
        .optional()
        .build();
    let mut record = case.record(
        0,
        SchemaAndValue {
            schema: Some(schema),
            value: Value::Null,
        },
    );
    record.record.headers = Headers::shared([Header {
        key: "id".into(),
        value: SchemaAndValue {
            schema: Some(SchemaBuilder::int64().build()),
            value: Value::Int64(1),
        },
    }]);
    case.task.put(&[record]).await?;
    case.check(ALL, &[&["7", "seven"]]).await
}

#[tokio::test]
async fn a_table_that_no_field_of_the_source_names_is_an_error() -> Result<()> {
    let row = row_of(&SchemaBuilder::int64());
    let after = || {
        Some(Struct::new(
            Arc::clone(&row),
            vec![Value::Int64(2), Value::Null],
        ))
    };
    let of = |db: Value| {
        let row = Arc::clone(&row);
        let after = after();
        move |case: &mut Case| case.record(2, envelope("c", &row, after.clone(), db.clone()))
    };
    let format = |format| [("collection.name.format", format)];
    check(
        &format("${source.tabel}_copy"),
        of("d".into()),
        "tabel is not a valid field name: collection.name.format is ${source.tabel}_copy, and the fields of 'source' are db, ts",
    )
    .await?;
    check(
        &format("${source.db}"),
        of(Value::Null),
        "Field 'db' of 'source' is null",
    )
    .await?;
    check(
        &format("${source.ts}"),
        of("d".into()),
        "Field 'ts' is not of type STRING",
    )
    .await?;
    let flat = |case: &mut Case| case.row(2, "b");
    let text = "the table's name cannot be resolved: collection.name.format is ${source.db}_x, and the record has no field 'source'";
    check(&format("${source.db}_x"), flat, text).await?;
    // Tombstones say nothing of their table; the delete before them does.
    let mut case = Case::start("", &format("${source.db}_${topic}"), false).await?;
    let mut batch = vec![of("d".into())(&mut case), case.tombstone(2)];
    batch.push(of("e".into())(&mut case));
    case.task.put(&batch).await?;
    let found =
        "SELECT (SELECT count(*) FROM d_a_orders)::text, (SELECT count(*) FROM e_a_orders)::text";
    case.check(found, &[&["1", "1"]]).await
}

#[tokio::test]
async fn an_envelope_without_the_row_that_its_operation_has_is_an_error() -> Result<()> {
    let row = row_of(&SchemaBuilder::int64());
    for op in ["c", "u", "r"] {
        let record = |case: &mut Case| case.record(1, envelope(op, &row, None, "d".into()));
        let text = format!("the envelope's field 'after' is null, but its 'op' is '{op}'");
        check(&[], record, &text).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_record_without_a_key_names_the_cures() -> Result<()> {
    let row = || {
        Struct::new(
            row_of(&SchemaBuilder::int64()),
            vec![Value::Int64(1), "b".into()],
        )
    };
    let text = "Configured primary key mode 'record_key' cannot have null schema. The record has no key: let the source send one (message.key.columns), or take primary.key.mode=record_value";
    check(&[], |case| unkeyed(case, row().into()), text).await
}
