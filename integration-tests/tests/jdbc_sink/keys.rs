//! Keys of every form find their rows again.

use anyhow::Result;
use tidegate_api::{SchemaAndValue, SchemaBuilder, Struct, Value};

use super::case::{Case, of_topic, structure};

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
    let setup = "ALTER ROLE postgres SET timezone = 'Asia/Tokyo';".to_owned() + &tables.concat();
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
