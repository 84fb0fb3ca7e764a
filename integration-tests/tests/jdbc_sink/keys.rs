//! Keys of every form find their rows again.

use std::sync::Arc;

use anyhow::Result;
use tidegate_api::{
    Decimal, ErrorKind, Schema, SchemaAndValue, SchemaBuilder, Struct, Value, logical,
};

use super::case::{ALL, Case, of_topic, structure};

#[tokio::test]
async fn temporal_keys_find_their_rows_in_columns_of_another_zone() -> Result<()> {
    let micros = || SchemaBuilder::int64().name("io.debezium.time.MicroTimestamp");
    let zoned = || SchemaBuilder::string().name("io.debezium.time.ZonedTimestamp");
    let date = || SchemaBuilder::int32().name("io.debezium.time.Date");
    let at = Value::Int64(1_577_934_245_678_901);
    let text = Value::from("2020-01-02T03:04:05.678901Z");
    let forms = [
        ("timestamptz", micros(), at, "2020-01-02T03:04:05.678901Z"),
        (
            "timestamp",
            zoned(),
            text.clone(),
            "2020-01-02T03:04:05.678901",
        ),
        ("date", zoned(), text.clone(), "2020-01-02"),
        ("time", zoned(), text, "03:04:05.678901"),
        (
            "timestamptz",
            date(),
            Value::Int32(18_263),
            "2020-01-02T00:00Z",
        ),
    ];
    let tables: Vec<String> = forms
        .iter()
        .enumerate()
        .map(|(index, (sql_type, _, _, stored))| {
            format!(
                "CREATE TABLE k{index} (at {sql_type} PRIMARY KEY, note text); INSERT INTO k{index} VALUES ('{stored}', 'old');"
            )
        })
        .collect();
    let setup =
        "ALTER DATABASE {database} SET timezone = 'Asia/Tokyo';".to_owned() + &tables.concat();
    for mode in ["upsert", "update"] {
        let mut case = Case::start(&setup, &[("insert.mode", mode)], false).await?;
        for (index, (_, schema, value, _)) in forms.iter().enumerate() {
            let key = Struct::new(structure(&[("at", schema.clone())]), vec![value.clone()]);
            let row = structure(&[("at", schema.clone()), ("note", SchemaBuilder::string())]);
            let row = Struct::new(row, vec![value.clone(), "new".into()]);
            let table = format!("k{index}");
            let batch = [of_topic(case.keyed(key.clone(), row.into()), &table)];
            case.task.put(&batch).await?;
            let notes = format!("SELECT note FROM {table}");
            case.check(&notes, &[&["new"]]).await?;
            let batch = [of_topic(case.keyed(key, SchemaAndValue::NULL), &table)];
            case.task.put(&batch).await?;
            case.check(&notes, &[]).await?;
        }
    }
    Ok(())
}

fn key(fields: &[(&str, SchemaBuilder, Value)]) -> Struct {
    let schemas: Vec<_> = fields
        .iter()
        .map(|(name, schema, _)| (*name, schema.clone()))
        .collect();
    let values = fields.iter().map(|(_, _, value)| value.clone());
    Struct::new(structure(&schemas), values.collect::<Vec<_>>())
}

fn variable(unscaled: i64, scale: i32) -> (SchemaBuilder, Value) {
    let schema = SchemaBuilder::structure()
        .name("io.debezium.data.VariableScaleDecimal")
        .field("scale", SchemaBuilder::int32().build())
        .field("value", SchemaBuilder::bytes().build());
    let bytes = Decimal::new(unscaled, scale).with_unscaled_bytes(<[u8]>::to_vec);
    let value = Struct::new(
        schema.clone().build(),
        vec![Value::Int32(scale), Value::Bytes(bytes.into())],
    );
    (schema, value.into())
}

/// Two forms of the key of the row with id 100 and line 0.
fn forms_of_a_key() -> Vec<[Struct; 2]> {
    let id = |schema: SchemaBuilder, value: Value| key(&[("id", schema, value)]);
    let int32 = || id(SchemaBuilder::int32(), Value::Int32(100));
    let int64 = || id(SchemaBuilder::int64(), Value::Int64(100));
    let decimal = |unscaled, scale| {
        id(
            logical::decimal(scale),
            Value::Decimal(Decimal::new(unscaled, scale)),
        )
    };
    let of_any_scale = |unscaled, scale| {
        let (schema, value) = variable(unscaled, scale);
        id(schema, value)
    };
    let with_line = || {
        key(&[
            ("id", SchemaBuilder::int32(), Value::Int32(100)),
            ("line", SchemaBuilder::int32(), Value::Int32(0)),
        ])
    };
    vec![
        [int32(), int64()],
        [int32(), with_line()],
        [with_line(), int32()],
        [int32(), decimal(100, 0)],
        [decimal(100, 0), decimal(10_000, 2)],
        [of_any_scale(100, 0), of_any_scale(1_000_000, 4)],
        [of_any_scale(1, -2), of_any_scale(1000, 1)],
    ]
}

fn row_of(line: i32, note: &str) -> SchemaAndValue {
    let schema = structure(&[
        ("id", SchemaBuilder::int64()),
        ("line", SchemaBuilder::int32()),
        ("note", SchemaBuilder::string()),
    ]);
    Struct::new(
        schema,
        vec![Value::Int64(100), Value::Int32(line), note.into()],
    )
    .into()
}

#[tokio::test]
async fn changes_of_a_row_keep_their_order_where_the_form_of_its_key_changes() -> Result<()> {
    let table = "CREATE TABLE a_orders (id numeric UNIQUE, line int, note text, UNIQUE (id, line))";
    let mut case = Case::start(table, &[], false).await?;
    for [first, second] in forms_of_a_key() {
        let batch = [
            case.keyed(first.clone(), row_of(0, "a")),
            case.keyed(second.clone(), SchemaAndValue::NULL),
        ];
        case.task.put(&batch).await?;
        case.check(ALL, &[]).await?;
        let batch = [
            case.keyed(first.clone(), row_of(0, "a")),
            case.keyed(second.clone(), SchemaAndValue::NULL),
            case.keyed(first.clone(), row_of(0, "b")),
            case.keyed(second.clone(), row_of(0, "c")),
        ];
        case.task.put(&batch).await?;
        case.check("SELECT note FROM a_orders", &[&["c"]]).await?;
        let batch = [
            case.keyed(first.clone(), SchemaAndValue::NULL),
            case.keyed(second.clone(), row_of(0, "d")),
            case.keyed(first, SchemaAndValue::NULL),
        ];
        case.task.put(&batch).await?;
        case.check(ALL, &[]).await?;
    }
    Ok(())
}

#[tokio::test]
async fn key_fields_that_a_record_lacks_are_left_out() -> Result<()> {
    let settings = [("primary.key.fields", "line,id")];
    let mut case = Case::start("", &settings, false).await?;
    let id = || key(&[("id", SchemaBuilder::int64(), Value::Int64(100))]);
    let both = || {
        key(&[
            ("id", SchemaBuilder::int64(), Value::Int64(100)),
            ("line", SchemaBuilder::int32(), Value::Int32(1)),
        ])
    };
    let batch = [
        case.keyed(both(), row_of(1, "a")),
        of_topic(case.keyed(id(), row_of(1, "a")), "heads"),
    ];
    case.task.put(&batch).await?;
    let keys = "SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'p' AND connamespace = 'public'::regnamespace ORDER BY 1";
    case.check(
        keys,
        &[
            &["a_orders", "PRIMARY KEY (id, line)"],
            &["heads", "PRIMARY KEY (id)"],
        ],
    )
    .await?;
    let batch = [
        case.keyed(both(), row_of(1, "b")),
        of_topic(case.keyed(id(), SchemaAndValue::NULL), "heads"),
    ];
    case.task.put(&batch).await?;
    let sql = "SELECT note, (SELECT count(*) FROM heads)::text FROM a_orders";
    case.check(sql, &[&["b", "0"]]).await
}

const CONFLUENT: [(&str, &str); 6] = [
    (
        "connector.class",
        "io.confluent.connect.jdbc.JdbcSinkConnector",
    ),
    ("connection.user", "postgres"),
    ("pk.mode", "record_key"),
    ("auto.create", "true"),
    ("table.name.format", "\"a_orders\""),
    ("delete.enabled", "false"),
];

#[tokio::test]
async fn confluents_key_fields_must_be_there() -> Result<()> {
    let mut settings = CONFLUENT.to_vec();
    settings.push(("pk.fields", "id,other"));
    let mut case = Case::start("", &settings, false).await?;
    let batch = [case.row(1, "a")];
    let (kind, text) = case.refused(&batch).await;
    assert_eq!(kind, ErrorKind::Data);
    assert!(
        text.contains("PK mode for table 'a.Orders' is RECORD_KEY with configured PK fields [id, other], but record key schema does not contain field: other"),
        "{text}"
    );
    Ok(())
}

fn optional(schema: &Arc<Schema>) -> Arc<Schema> {
    schema.to_builder().optional().build()
}

#[tokio::test]
async fn confluents_rules_hold_for_every_record() -> Result<()> {
    let mut case = Case::start("", &CONFLUENT, false).await?;
    let schema = optional(&super::case::row_schema());
    let row = Struct::new(Arc::clone(&schema), vec![Value::Int64(1), "a".into()]);
    let batch = [case.record(1, row.into())];
    case.task.put(&batch).await?;
    let null = SchemaAndValue {
        schema: Some(schema),
        value: Value::Null,
    };
    let batch = [case.record(1, null)];
    let (kind, text) = case.refused(&batch).await;
    assert_eq!(kind, ErrorKind::Data);
    assert!(
        text.contains("requires records with a non-null Struct or String value and non-null Struct or String schema, but found record at (topic='a.Orders',partition=0,offset=2,timestamp=-1) with a null value and STRUCT value schema."),
        "{text}"
    );
    case.check(ALL, &[&["1", "a"]]).await
}

#[tokio::test]
async fn values_without_a_schema_are_no_tombstones() -> Result<()> {
    let table = "CREATE TABLE a_orders (id bigint PRIMARY KEY, note text); INSERT INTO a_orders VALUES (1, 'a'), (2, 'b')";
    for enabled in ["true", "false"] {
        let mut case = Case::start(table, &[("delete.enabled", enabled)], false).await?;
        let schemaless = SchemaAndValue {
            schema: None,
            value: Value::Map(vec![("id".into(), Value::Int64(2))]),
        };
        let batch = [case.tombstone(3)];
        case.task.put(&batch).await?;
        let batch = [case.tombstone(3), case.record(2, schemaless)];
        let (kind, text) = case.refused(&batch).await;
        assert_eq!(kind, ErrorKind::Data);
        assert!(
            text.contains("a.Orders-0@3 cannot be written: the sink requires a schema"),
            "{text}"
        );
        case.check(ALL, &[&["1", "a"], &["2", "b"]]).await?;
    }
    Ok(())
}
