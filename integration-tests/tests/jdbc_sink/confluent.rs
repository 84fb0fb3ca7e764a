//! What Confluent's sink does in another way than Debezium's.

use anyhow::Result;
use tidegate_api::{ErrorKind, SchemaBuilder, SinkRecord, Struct, Value};

use super::case::{Case, of_topic, structure};

const CONFLUENT: [(&str, &str); 6] = [
    (
        "connector.class",
        "io.confluent.connect.jdbc.JdbcSinkConnector",
    ),
    ("connection.user", "postgres"),
    ("pk.mode", "record_value"),
    ("table.name.format", "orders"),
    ("auto.create", "true"),
    ("delete.enabled", "false"),
];

/// A task of Confluent's style.
pub(crate) async fn start(setup: &str, settings: &[(&str, &str)], reporting: bool) -> Result<Case> {
    let settings = [&CONFLUENT, settings].concat();
    Case::start(setup, &settings, reporting).await
}

/// A row of the fields `note`, `at`, `id` under a key of `region`, `id`.
fn record(case: &mut Case) -> SinkRecord {
    let row = structure(&[
        ("note", SchemaBuilder::string().optional()),
        ("at", SchemaBuilder::int64()),
        ("id", SchemaBuilder::int64()),
    ]);
    let row = Struct::new(row, vec!["a".into(), Value::Int64(5), Value::Int64(1)]);
    let key = structure(&[
        ("region", SchemaBuilder::string()),
        ("id", SchemaBuilder::int64()),
    ]);
    let key = Struct::new(key, vec!["north".into(), Value::Int64(1)]);
    case.keyed(key, row.into())
}

#[tokio::test]
async fn columns_of_a_new_table_are_in_the_order_of_the_value() -> Result<()> {
    for (settings, columns, key) in [
        (&[("pk.fields", "id")][..], "note at id", "PRIMARY KEY (id)"),
        (
            &[("pk.mode", "record_key")],
            "note at id region",
            "PRIMARY KEY (id, region)",
        ),
        (
            &[("pk.mode", "kafka")],
            "__connect_topic __connect_partition __connect_offset note at id",
            "PRIMARY KEY (__connect_topic, __connect_partition, __connect_offset)",
        ),
        (
            &[("pk.mode", "kafka"), ("pk.fields", "t,p,o")],
            "t p o note at id",
            "PRIMARY KEY (t, p, o)",
        ),
    ] {
        let mut case = start("", settings, false).await?;
        let batch = [record(&mut case)];
        case.task.put(&batch).await?;
        let found = "SELECT (SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = c.conrelid AND attnum > 0), \
                     pg_get_constraintdef(c.oid) FROM pg_constraint c WHERE conrelid = 'orders'::regclass";
        case.check(found, &[&[columns, key]]).await?;
        case.check(
            "SELECT note, at::text, id::text FROM orders",
            &[&["a", "5", "1"]],
        )
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn kafkas_key_has_three_fields_or_none() -> Result<()> {
    for fields in ["t", "t,p", "t,p,o,x"] {
        let mut case = start("", &[("pk.mode", "kafka"), ("pk.fields", fields)], false).await?;
        let batch = [record(&mut case)];
        let (kind, text) = case.refused(&batch).await;
        assert_eq!(kind, ErrorKind::Data);
        let expected = format!(
            "PK mode for table 'a.Orders' is KAFKA so there should either be no field names defined for defaults [__connect_topic, __connect_partition, __connect_offset] to be applicable, or exactly 3, defined fields are: [{}]",
            fields.replace(',', ", ")
        );
        assert!(text.contains(&expected), "{text}");
    }
    Ok(())
}

#[tokio::test]
async fn missing_tables_and_columns_are_named_as_in_the_original() -> Result<()> {
    let by_id = ("pk.fields", "id");
    let evolve = ("auto.evolve", "true");
    for (setup, settings, expected) in [
        (
            "",
            &[by_id, ("auto.create", "false")][..],
            "Table \"orders\" is missing and auto-creation is disabled (record at a.Orders-0@1). Create it, or let the connector do so with auto.create=true",
        ),
        (
            "CREATE TABLE orders (id bigint PRIMARY KEY, at bigint)",
            &[by_id],
            "Table \"orders\" is missing fields ([SinkRecordField{schema=Schema{STRING}, name='note', isPrimaryKey=false}]) and auto-evolution is disabled (record at a.Orders-0@1). Add the columns, leave the fields out of fields.whitelist, or set auto.evolve=true",
        ),
        (
            "CREATE TABLE orders (id bigint PRIMARY KEY, note text)",
            &[by_id, evolve],
            "Cannot ALTER TABLE \"orders\" to add missing field SinkRecordField{schema=Schema{INT64}, name='at', isPrimaryKey=false}, as the field is not optional and does not have a default value",
        ),
    ] {
        let mut case = start(setup, settings, false).await?;
        let batch = [record(&mut case)];
        let (kind, text) = case.refused(&batch).await;
        assert_eq!(kind, ErrorKind::Fatal);
        assert!(text.contains(expected), "{text}");
    }
    Ok(())
}

#[tokio::test]
async fn a_tombstone_without_deletes_names_the_cures() -> Result<()> {
    let mut case = start("", &[("pk.mode", "record_key")], false).await?;
    let batch = [case.tombstone(1)];
    let (_, text) = case.refused(&batch).await;
    assert!(
        text.contains("with a null value and null value schema. Set delete.enabled=true"),
        "{text}"
    );
    Ok(())
}

/// A field that no column can hold concerns its record alone, also where the table is yet to be made.
#[tokio::test]
async fn a_record_that_cannot_have_a_table_lets_others_be_written() -> Result<()> {
    for debezium in [false, true] {
        let mut case = if debezium {
            Case::start("", &[("collection.name.format", "${topic}")], true).await?
        } else {
            start(
                "",
                &[("pk.mode", "record_key"), ("table.name.format", "${topic}")],
                true,
            )
            .await?
        };
        let inner = structure(&[("x", SchemaBuilder::int32())]);
        let bad = structure(&[("k", SchemaBuilder::int32()), ("s", inner.to_builder())]);
        let good = structure(&[("k", SchemaBuilder::int32())]);
        let struct_value = Struct::new(inner, vec![Value::Int32(1)]);
        let bad = Struct::new(bad, vec![Value::Int32(1), struct_value.into()]);
        let good = Struct::new(good, vec![Value::Int32(1)]);
        let batch = [
            of_topic(case.record(1, bad.into()), "bad"),
            of_topic(case.record(1, good.into()), "good"),
        ];
        case.task.put(&batch).await?;
        case.check(
            "SELECT k::text, to_regclass('bad')::text FROM good",
            &[&["1", "NULL"]],
        )
        .await?;
        let reports = case.reports.0.lock().expect("no holder panics").clone();
        assert!(
            matches!(reports.as_slice(), [(1, text)] if text.contains("column 's'")),
            "{reports:?}"
        );
    }
    Ok(())
}

/// A URL of a port where nobody listens.
fn dead_url() -> String {
    let port = tidegate_integration_tests::free_port();
    format!("jdbc:postgresql://127.0.0.1:{port}/postgres")
}

#[tokio::test]
async fn attempts_to_connect_are_counted_if_the_user_says_so() -> Result<()> {
    let url = dead_url();
    let url = ("connection.url", url.as_str());
    let backoff = ("connection.backoff.ms", "1");
    let one = start("", &[url, backoff, ("connection.attempts", "1")], false).await;
    let text = one.err().expect("nobody listens").to_string();
    assert!(
        text.contains("That was attempt 1 of 1 (connection.attempts)"),
        "{text}"
    );
    let none = start("", &[url, ("connection.attempts", "0")], false).await;
    let text = none.err().expect("no attempt").to_string();
    assert!(
        text.contains("Invalid value 0 for configuration connection.attempts"),
        "{text}"
    );
    // What is sent and what is not: a sink without records tries to connect as well.
    for with_record in [false, true] {
        let settings = [
            url,
            backoff,
            ("connection.attempts", "3"),
            ("max.retries", "0"),
        ];
        let mut case = start("", &settings, false).await?;
        let batch = [record(&mut case)];
        let batch = if with_record { &batch[..] } else { &[] };
        let (kind, _) = case.refused(batch).await;
        assert_eq!(kind, ErrorKind::Retriable);
        let (kind, text) = case.refused(batch).await;
        assert_eq!(kind, ErrorKind::Fatal);
        assert!(
            text.contains("That was attempt 3 of 3 (connection.attempts)"),
            "{text}"
        );
        let mut case = start("", &[url, backoff], false).await?;
        for _ in 0..5 {
            let (kind, _) = case.refused(batch).await;
            assert_eq!(kind, ErrorKind::Retriable);
        }
    }
    Ok(())
}

#[tokio::test]
async fn further_keys_of_the_connection_are_parameters_of_the_url() -> Result<()> {
    let named = |name| {
        format!(
            "SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database() AND application_name = '{name}'"
        )
    };
    let settings = [
        ("connection.ApplicationName", "named"),
        ("connection.sslmode", "disable"),
    ];
    let mut case = start("", &settings, false).await?;
    case.check(&named("named"), &[&["1"]]).await?;
    case.task.stop().await;
    // Those of the URL count more.
    let url = case.database.jdbc_url() + "?ApplicationName=other";
    let settings = [settings[0], ("connection.url", url.as_str())];
    let settings = [&CONFLUENT[..], &settings].concat();
    let case = Case::start_on(case.database, &settings, false).await??;
    case.check(&named("other"), &[&["1"]]).await?;
    let refused = start("", &[("connection.socketTimeout", "1m")], false).await;
    let text = refused.err().expect("no number").to_string();
    assert!(text.contains("socketTimeout is a number"), "{text}");
    Ok(())
}
