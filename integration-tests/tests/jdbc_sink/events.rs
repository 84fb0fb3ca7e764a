//! CloudEvents, whose field `data` stands for the record's value.

use anyhow::Result;
use tidegate_api::{ErrorKind, SchemaAndValue, SchemaBuilder, SinkRecord, Struct, Value};

use super::case::{ALL, Case, envelope, row_schema};

/// An event of this name around what `data` is.
fn event(case: &mut Case, id: i64, name: &'static str, data: SchemaAndValue) -> SinkRecord {
    let schema = data
        .schema
        .expect("a schema")
        .to_builder()
        .optional()
        .build();
    let event = SchemaBuilder::structure()
        .name(name)
        .field("id", SchemaBuilder::string().build())
        .field("data", schema)
        .build();
    let value = Struct::new(event, vec!["e".into(), data.value]);
    case.record(id, value.into())
}

fn row(id: i64, note: &str) -> Struct {
    Struct::new(row_schema(), vec![Value::Int64(id), note.into()])
}

#[tokio::test]
async fn the_data_of_an_event_is_the_row() -> Result<()> {
    const NAME: &str = "my.CloudEvents.Envelope";
    let mut case = Case::start("", &[], false).await?;
    let batch = [
        event(&mut case, 1, NAME, row(1, "plain").into()),
        event(
            &mut case,
            2,
            NAME,
            envelope("c", None, Some(row(2, "created"))),
        ),
        event(&mut case, 3, NAME, envelope("c", None, Some(row(3, "x")))),
        event(&mut case, 3, NAME, envelope("d", Some(row(3, "x")), None)),
        case.tombstone(3),
    ];
    case.task.put(&batch).await?;
    case.check(ALL, &[&["1", "plain"], &["2", "created"]]).await
}

#[tokio::test]
async fn names_of_events_are_those_of_the_pattern() -> Result<()> {
    let pattern = [("cloud.events.schema.name.pattern", "(?i)acme\\..*event")];
    let mut case = Case::start("", &pattern, true).await?;
    let batch = [event(&mut case, 1, "Acme.OrderEvent", row(1, "a").into())];
    case.task.put(&batch).await?;
    case.check(ALL, &[&["1", "a"]]).await?;
    // Of another name: `data` is a struct in a row, which no column can hold.
    let batch = [event(
        &mut case,
        2,
        "my.CloudEvents.Envelope",
        row(2, "b").into(),
    )];
    case.task.put(&batch).await?;
    let reports = case.reports.0.lock().expect("no holder panics");
    assert_eq!(reports.len(), 1);
    assert!(reports[0].1.contains("STRUCT"), "{}", reports[0].1);
    Ok(())
}

#[tokio::test]
async fn events_without_a_row_are_refused() -> Result<()> {
    let mut case = Case::start("", &[], false).await?;
    let text = SchemaAndValue {
        schema: Some(SchemaBuilder::string().build()),
        value: "{}".into(),
    };
    let name = "CloudEvents.Envelope";
    let none = SchemaAndValue {
        schema: Some(row_schema()),
        value: Value::Null,
    };
    for (data, expected) in [
        (
            text,
            "the field 'data' of a CloudEvent is STRING, a struct is expected",
        ),
        (none, "the field 'data' of a CloudEvent is null"),
    ] {
        let batch = [event(&mut case, 1, name, data)];
        let (kind, text) = case.refused(&batch).await;
        assert_eq!(kind, ErrorKind::Data);
        assert!(text.contains(expected), "{text}");
    }
    let schema = SchemaBuilder::structure()
        .name(name)
        .field("id", SchemaBuilder::string().build())
        .build();
    let batch = [case.record(1, Struct::new(schema, vec!["e".into()]).into())];
    let (_, text) = case.refused(&batch).await;
    assert!(text.contains("data is not a valid field name"), "{text}");
    Ok(())
}
