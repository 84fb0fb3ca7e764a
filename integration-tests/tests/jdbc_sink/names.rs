//! Names that the database cuts, and names that become one.

use anyhow::Result;
use tidegate_api::{
    ErrorKind, Header, Headers, SchemaAndValue, SchemaBuilder, SinkRecord, Struct, Value,
};

use super::case::{Case, of_topic, structure};
use super::confluent;

const CONFLUENT: [(&str, &str); 5] = [
    (
        "connector.class",
        "io.confluent.connect.jdbc.JdbcSinkConnector",
    ),
    ("connection.user", "postgres"),
    ("pk.mode", "record_key"),
    ("auto.create", "true"),
    ("table.name.format", "a_orders"),
];

/// A row whose key field and other field have these names.
fn record(case: &mut Case, [key, field]: [&str; 2]) -> SinkRecord {
    let id = || SchemaBuilder::int64();
    let row = structure(&[(key, id()), (field, SchemaBuilder::string().optional())]);
    let row = Struct::new(row, vec![Value::Int64(1), "v".into()]);
    let key = Struct::new(structure(&[(key, id())]), vec![Value::Int64(1)]);
    case.keyed(key, row.into())
}

#[tokio::test]
async fn long_names_of_columns_are_cut_throughout() -> Result<()> {
    for settings in [&[][..], &CONFLUENT] {
        for (letter, bytes) in [("x", 63), ("ж", 62)] {
            let (key, field) = ("k".to_owned() + &letter.repeat(64), letter.repeat(64));
            let mut case = Case::start("", settings, false).await?;
            for _ in 0..2 {
                let batch = [record(&mut case, [&key, &field])];
                case.task.put(&batch).await?;
            }
            let mut tombstone = record(&mut case, [&key, &field]);
            tombstone.record.value = SchemaAndValue::NULL;
            let columns = "SELECT string_agg(octet_length(attname)::text, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'a_orders'::regclass AND attnum > 0";
            case.check(columns, &[&[&format!("63 {bytes}")]]).await?;
            let count = "SELECT count(*)::text FROM a_orders";
            case.check(count, &[&["1"]]).await?;
            case.task.put(&[tombstone]).await?;
            case.check(count, &[&["0"]]).await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn fields_that_become_one_column_are_refused() -> Result<()> {
    let long = "x".repeat(63);
    for [one, other] in [
        [long.clone() + "1", long + "2"],
        ["Note".to_owned(), "NOTE".to_owned()],
    ] {
        let row = structure(&[
            ("id", SchemaBuilder::int64()),
            (&one, SchemaBuilder::string()),
            (&other, SchemaBuilder::string()),
        ]);
        let mut case = Case::start("", &[], false).await?;
        let row = Struct::new(row, vec![Value::Int64(1), "a".into(), "b".into()]);
        let batch = [case.record(1, row.into())];
        let (kind, text) = case.refused(&batch).await;
        assert_eq!(kind, ErrorKind::Data);
        let expected =
            format!("the fields '{one}' and '{other}' of topic 'a.Orders' both become the column");
        assert!(text.contains(&expected), "{text}");
    }
    Ok(())
}

/// As much of a name of one-byte letters as PostgreSQL's names have.
fn cut(name: &str) -> &str {
    name.get(..63).expect("one byte each")
}

/// Two topics whose tables would be one must not mix their rows.
#[tokio::test]
async fn topics_that_become_one_table_by_a_cut_are_refused() -> Result<()> {
    let long = "t".repeat(63);
    for others in [long.clone() + "2", long.clone()] {
        let mut case = confluent::start(
            "",
            &[("pk.mode", "record_key"), ("table.name.format", "${topic}")],
            true,
        )
        .await?;
        let batch = [
            of_topic(case.row(1, "a"), &(long.clone() + "1")),
            of_topic(case.row(2, "b"), &others),
        ];
        case.task.put(&batch).await?;
        let rows = format!("SELECT note FROM {long}");
        case.check(&rows, &[&["a"]]).await?;
        let reports = case.reports.0.lock().expect("no holder panics");
        assert_eq!(reports.len(), 1);
        let text = &reports[0].1;
        for part in [others.as_str(), "both become the table", "at most 63 bytes"] {
            assert!(text.contains(part), "{text}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_name_of_a_table_that_is_too_long_says_so() -> Result<()> {
    for letter in ["t", "ж"] {
        let name = letter.repeat(64);
        let format = [("collection.name.format", name.as_str())];
        let mut case = Case::start("", &format, false).await?;
        let batch = [case.row(1, "a")];
        let (kind, text) = case.refused(&batch).await;
        assert_eq!(kind, ErrorKind::Data);
        for part in [&name, &format!("has {} bytes", name.len()), "at most 63"] {
            assert!(text.contains(part), "{text}");
        }
    }
    Ok(())
}

/// Settings name fields, not the columns that these become.
#[tokio::test]
async fn fields_with_long_or_folded_names_are_found_by_settings() -> Result<()> {
    let long = "At".to_owned() + &"x".repeat(64);
    let settings = [
        ("timestamp.fields.list", long.as_str()),
        ("quote.sql.identifiers", "never"),
        ("table.name.format", "a_orders"),
        ("pk.mode", "record_key"),
    ];
    let mut case = confluent::start("", &settings, false).await?;
    let schema = structure(&[
        ("id", SchemaBuilder::int64()),
        (&long, SchemaBuilder::int64()),
    ]);
    let row = Struct::new(schema, vec![Value::Int64(1), Value::Int64(1_000_000)]);
    let batch = [case.record(1, row.into())];
    case.task.put(&batch).await?;
    let column = cut(&long).to_lowercase();
    let sql = format!("SELECT {column}::text FROM a_orders");
    case.check(&sql, &[&["1970-01-01 00:00:01"]]).await
}

#[tokio::test]
async fn keys_of_headers_and_values_with_long_names_are_cut_too() -> Result<()> {
    let long = "k".repeat(70);
    for mode in ["record_value", "record_header"] {
        let settings = [
            ("primary.key.mode", mode),
            ("primary.key.fields", long.as_str()),
        ];
        let mut case = Case::start("", &settings, false).await?;
        for note in ["a", "b"] {
            let schema = structure(&[
                (&long, SchemaBuilder::int64()),
                ("note", SchemaBuilder::string()),
            ]);
            let row = Struct::new(schema, vec![Value::Int64(1), note.into()]);
            let mut record = case.record(1, row.into());
            record.record.headers = Headers::shared([Header {
                key: long.as_str().into(),
                value: SchemaAndValue {
                    schema: Some(SchemaBuilder::int64().build()),
                    value: Value::Int64(1),
                },
            }]);
            case.task.put(&[record]).await?;
        }
        let sql = format!("SELECT {}::text, note FROM a_orders", cut(&long));
        case.check(&sql, &[&["1", "b"]]).await?;
    }
    Ok(())
}

/// Without the right to add columns the limit is told where the table lacks one.
#[tokio::test]
async fn a_long_name_that_the_table_lacks_says_so() -> Result<()> {
    let table = "CREATE TABLE a_orders (id bigint PRIMARY KEY)";
    let mut case = Case::start(table, &[("schema.evolution", "none")], false).await?;
    let long = "x".repeat(70);
    let schema = structure(&[
        ("id", SchemaBuilder::int64()),
        (&long, SchemaBuilder::string().optional()),
    ]);
    let row = Struct::new(schema, vec![Value::Int64(1), "v".into()]);
    let batch = [case.record(1, row.into())];
    let (_, text) = case.refused(&batch).await;
    let cut = format!(
        "'{long}' cut to '{}', names have at most 63 bytes",
        cut(&long)
    );
    assert!(text.contains(&cut), "{text}");
    Ok(())
}

/// Records of two forms whose fields would be one column must not mix their values.
#[tokio::test]
async fn fields_of_several_schemas_that_become_one_column_are_refused() -> Result<()> {
    let long = "x".repeat(63);
    for (letter, others) in [
        ("x", long.clone() + "2"),
        ("x", long.clone()),
        ("ж", "ж".repeat(31)),
    ] {
        let one = if letter == "x" {
            long.clone() + "1"
        } else {
            letter.repeat(32)
        };
        for settings in [&[][..], &CONFLUENT] {
            let mut case = Case::start("", settings, true).await?;
            for _ in 0..2 {
                let batch = [
                    record(&mut case, ["id", &one]),
                    record(&mut case, ["id", &others]),
                    of_topic(record(&mut case, ["id", &others]), "a.orders"),
                ];
                case.task.put(&batch).await?;
            }
            case.check("SELECT count(*)::text FROM a_orders", &[&["1"]])
                .await?;
            let reports = case.reports.0.lock().expect("no holder panics");
            assert_eq!(reports.len(), 4);
            for part in [
                one.as_str(),
                &others,
                "both become the column",
                "at most 63 bytes",
            ] {
                assert!(reports[0].1.contains(part), "{}", reports[0].1);
            }
        }
    }
    Ok(())
}

/// A field of the key and one of the row are one column if they have one name, not if a cut has made it one.
#[tokio::test]
async fn a_key_and_a_field_that_become_one_column_are_refused() -> Result<()> {
    let long = "x".repeat(63);
    let [key, field] = [long.clone() + "1", long + "2"];
    let mut case = Case::start("", &[], false).await?;
    let row = structure(&[(&field, SchemaBuilder::int64())]);
    let row = Struct::new(row, vec![Value::Int64(2)]);
    let key = Struct::new(
        structure(&[(&key, SchemaBuilder::int64())]),
        vec![Value::Int64(1)],
    );
    let batch = [case.keyed(key, row.into())];
    let (kind, text) = case.refused(&batch).await;
    assert_eq!(kind, ErrorKind::Data);
    assert!(text.contains("both become the column"), "{text}");
    Ok(())
}
