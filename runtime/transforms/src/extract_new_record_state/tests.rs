use super::*;

fn envelope(before: Option<i32>, after: Option<i32>, op: &str) -> Record {
    let row = SchemaBuilder::structure()
        .name("srv.t.Value")
        .optional()
        .field("id", SchemaBuilder::int32().build())
        .build();
    let source = SchemaBuilder::structure()
        .field("table", SchemaBuilder::string().build())
        .field("ts_ms", SchemaBuilder::int64().build())
        .build();
    let schema = SchemaBuilder::structure()
        .name("srv.t.Envelope")
        .field("before", Arc::clone(&row))
        .field("after", Arc::clone(&row))
        .field("source", Arc::clone(&source))
        .field("op", SchemaBuilder::string().build())
        .field("ts_ms", SchemaBuilder::int64().optional().build())
        .build();
    let of = |id: Option<i32>| {
        id.map_or(Value::Null, |id| {
            Value::Struct(Struct::new(Arc::clone(&row), vec![Value::Int32(id)]))
        })
    };
    let source = Value::Struct(Struct::new(
        source,
        vec![Value::string("t"), Value::Int64(5)],
    ));
    let values = vec![
        of(before),
        of(after),
        source,
        Value::string(op),
        Value::Int64(9),
    ];
    Record {
        topic: Arc::from("srv.t"),
        kafka_partition: None,
        key: SchemaAndValue::default(),
        value: SchemaAndValue {
            schema: Some(Arc::clone(&schema)),
            value: Value::Struct(Struct::new(schema, values)),
        },
        timestamp: None,
        headers: Vec::new(),
    }
}

fn apply(props: &[(&str, &str)], record: Record) -> Option<Record> {
    ExtractNewRecordState::new(&props.iter().copied().collect())
        .expect("valid")
        .apply(record)
        .expect("applied")
}

fn fields(record: &Record) -> Vec<(String, Value)> {
    let row = record.value.value.as_struct().expect("a row");
    row.fields()
        .map(|(field, value)| (field.name.to_string(), value.clone()))
        .collect()
}

#[test]
fn rows_come_out_with_what_is_added() {
    let props = [
        ("delete.tombstone.handling.mode", "rewrite"),
        ("add.fields", "op,table,source.ts_ms,nothing"),
        ("add.headers", "op"),
    ];
    let record = apply(&props, envelope(None, Some(1), "c")).expect("kept");
    let expected = [
        ("id", Value::Int32(1)),
        ("__deleted", Value::string("false")),
        ("__op", Value::string("c")),
        ("__table", Value::string("t")),
        ("__source_ts_ms", Value::Int64(5)),
    ];
    assert_eq!(
        fields(&record),
        expected.map(|(name, value)| (name.to_owned(), value))
    );
    assert_eq!(&*record.headers[0].key, "__op");
    let schema = record.value.schema.expect("a schema");
    assert_eq!(
        (schema.name.as_deref(), schema.optional),
        (Some("srv.t.Value"), false)
    );
    let deleted = apply(&props, envelope(Some(1), None, "d")).expect("kept");
    assert_eq!(fields(&deleted)[1].1, Value::string("true"));
}

#[test]
fn deletes_and_tombstones_follow_the_mode() {
    fn check(
        props: &[(&str, &str)],
        delete: Option<bool>,
        tombstone_kept: bool,
        tombstone: Record,
    ) {
        // `Some(true)`: a null with the row's schema; `Some(false)`: a true tombstone.
        let found =
            apply(props, envelope(Some(1), None, "d")).map(|record| record.value.schema.is_some());
        assert_eq!(found, delete, "{props:?}");
        assert_eq!(
            apply(props, tombstone).is_some(),
            tombstone_kept,
            "{props:?}"
        );
    }
    let tombstone = || Record {
        value: SchemaAndValue::default(),
        ..envelope(None, None, "d")
    };
    check(&[], Some(true), false, tombstone());
    check(
        &[("delete.tombstone.handling.mode", "drop")],
        None,
        false,
        tombstone(),
    );
    check(
        &[("delete.tombstone.handling.mode", "delete-to-tombstone")],
        Some(false),
        false,
        tombstone(),
    );
    check(&[("drop.tombstones", "false")], None, true, tombstone());
    check(
        &[
            ("drop.tombstones", "true"),
            ("delete.handling.mode", "none"),
        ],
        Some(true),
        false,
        tombstone(),
    );
    assert!(apply(&[], envelope(None, None, "t")).is_none());
}

#[test]
fn other_records_pass_untouched() {
    let mut heartbeat = envelope(None, Some(1), "c");
    heartbeat.value = SchemaAndValue::schemaless(Value::string("x"));
    assert_eq!(apply(&[], heartbeat.clone()), Some(heartbeat));
}
