use tidegate_api::Headers;

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
        headers: Headers::new(),
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
    assert_eq!(
        record.headers.get(0).map(|header| &*header.key),
        Some("__op")
    );
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

/// Headers of a delete event and of the tombstone behind it, as text; `None` for what is dropped.
fn headers_of_a_delete(props: &[(&str, &str)], timestamp: Option<i64>) -> [Option<String>; 2] {
    let mut transform =
        ExtractNewRecordState::new(&props.iter().copied().collect()).expect("valid");
    let own = Header {
        key: Arc::from("own"),
        value: SchemaAndValue {
            schema: None,
            value: Value::string("x"),
        },
    };
    let delete = Record {
        timestamp,
        headers: vec![own].into(),
        ..envelope(Some(1), None, "d")
    };
    let tombstone = Record {
        value: SchemaAndValue::default(),
        ..delete.clone()
    };
    [delete, tombstone].map(|record| {
        let record = transform.apply(record).expect("applied")?;
        let texts = record
            .headers
            .iter()
            .map(|header| match &header.value.value {
                Value::String(text) => format!("{} {text}", header.key),
                other => format!("{} {other:?}", header.key),
            });
        Some(texts.collect::<Vec<_>>().join(", "))
    })
}

#[test]
fn a_tombstone_of_a_source_has_the_headers_of_its_delete_too() {
    let text = |text: &str| Some(text.to_owned());
    let add = ("add.headers", "op,table");
    let mode = ("delete.tombstone.handling.mode", "rewrite-with-tombstone");
    let delete = text("own x, __op d, __table t");
    assert_eq!(
        headers_of_a_delete(&[mode, add], None),
        [delete.clone(), text("own x, __op d, __table t, __op d")]
    );
    // Also where the delete itself is dropped, and with settings of earlier releases.
    let kept = ("drop.tombstones", "false");
    assert_eq!(
        headers_of_a_delete(&[kept, add], None),
        [None, text("own x, __op d, __table t, __op d")]
    );
    let rewrite = ("delete.handling.mode", "rewrite");
    assert_eq!(
        headers_of_a_delete(&[kept, rewrite, add], None),
        [delete.clone(), text("own x, __op d, __table t, __op d")]
    );
    // Records of the log share nothing.
    assert_eq!(
        headers_of_a_delete(&[mode, add], Some(7)),
        [delete, text("own x, __op d")]
    );
    assert_eq!(
        headers_of_a_delete(&[mode], None),
        [text("own x"), text("own x")]
    );
}

#[test]
fn headers_of_a_delete_reach_its_own_tombstone_alone() {
    let props = [
        ("delete.tombstone.handling.mode", "rewrite-with-tombstone"),
        ("add.headers", "op,table"),
    ];
    let mut transform =
        ExtractNewRecordState::new(&props.iter().copied().collect()).expect("valid");
    let mut apply = |record| transform.apply(record).expect("applied").expect("kept");
    let tombstone = Record {
        value: SchemaAndValue::default(),
        ..envelope(None, None, "d")
    };
    assert_eq!(apply(tombstone.clone()).headers.len(), 1);
    apply(envelope(Some(1), None, "d"));
    let other = Record {
        topic: Arc::from("srv.u"),
        ..tombstone.clone()
    };
    assert_eq!(apply(other).headers.len(), 1);
    apply(envelope(Some(1), None, "d"));
    apply(envelope(None, Some(1), "c"));
    assert_eq!(apply(tombstone).headers.len(), 1);
}

/// In the original these give a record a list of headers of its own: behind them, what is added to a delete is not on its
/// tombstone. What does not copy the list in the original needs no such care.
#[test]
fn no_transformation_copies_the_list_of_headers() {
    let mut plugins = Plugins::default();
    crate::register(&mut plugins);
    for plugin in &plugins.transforms {
        let name = plugin.class.rsplit('.').next().unwrap_or_default();
        let copies = ["InsertHeader", "DropHeaders", "HeaderFrom"]
            .iter()
            .any(|start| name.starts_with(start));
        assert!(
            !copies,
            "{name} before ExtractNewRecordState: `LastDelete` is to know of it"
        );
    }
}
