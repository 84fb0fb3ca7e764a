//! What changes of keys become.

use std::sync::Arc;

use anyhow::Result;
use tidegate_api::{SchemaAndValue, SchemaBuilder, Struct, Value};

use super::case::{ALL, Case, envelope, of_topic, row_schema, structure};

#[tokio::test]
async fn the_last_change_of_each_key_counts() -> Result<()> {
    let mut case = Case::start("", &[], false).await?;
    let mut batch = vec![case.row(1, "a"), case.row(2, "b"), case.row(1, "c")];
    batch.extend([
        case.tombstone(2),
        case.row(3, "d"),
        case.tombstone(3),
        case.row(3, "e"),
    ]);
    case.task.put(&batch).await?;
    case.check(ALL, &[&["1", "c"], &["3", "e"]]).await
}

#[tokio::test]
async fn deletes_come_in_all_shapes() -> Result<()> {
    let mut case = Case::start("", &[("truncate.enabled", "true")], false).await?;
    let rows: Vec<_> = (1..=4).map(|id| case.row(id, "x")).collect();
    case.task.put(&rows).await?;
    let before = |id| Struct::new(row_schema(), vec![Value::Int64(id), "x".into()]);
    let batch = [
        case.record(1, envelope("d", Some(before(1)), None)),
        case.tombstone(1),
        case.tombstone(2),
        case.record(3, envelope("d", None, None)),
    ];
    case.task.put(&batch).await?;
    case.check(ALL, &[&["4", "x"]]).await?;
    let batch = [
        case.record(0, envelope("t", None, None)),
        case.record(7, envelope("c", None, Some(before(7)))),
    ];
    case.task.put(&batch).await?;
    case.check(ALL, &[&["7", "x"]]).await
}

#[tokio::test]
async fn tombstones_without_a_table_are_ignored() -> Result<()> {
    let mut case = Case::start("", &[("schema.evolution", "none")], false).await?;
    let batch = [case.tombstone(1)];
    case.task.put(&batch).await?;
    let row = [case.row(1, "a")];
    let error = case.task.put(&row).await.expect_err("no table").chain();
    assert!(error.contains("Could not find table: a_orders"), "{error}");
    assert!(
        error.contains("schema.evolution=basic") && !error.contains("s3cret"),
        "{error}"
    );
    Ok(())
}

#[tokio::test]
async fn large_batches_go_through_copy() -> Result<()> {
    let mut case = Case::start("", &[], false).await?;
    for note in ["first", "second"] {
        let batch: Vec<_> = (0..3000).rev().map(|id| case.row(id, note)).collect();
        case.task.put(&batch).await?;
    }
    let sql = "SELECT count(*)::text, min(note), max(note) FROM a_orders";
    case.check(sql, &[&["3000", "second", "second"]]).await?;
    let batch: Vec<_> = (0..2999).map(|id| case.tombstone(id)).collect();
    case.task.put(&batch).await?;
    case.check(ALL, &[&["2999", "second"]]).await
}

#[tokio::test]
async fn unique_values_may_be_swapped_within_a_batch() -> Result<()> {
    let table = "CREATE TABLE a_orders (id bigint PRIMARY KEY, note text UNIQUE)";
    let mut case = Case::start(table, &[], false).await?;
    let batch = [case.row(1, "a"), case.row(2, "b")];
    case.task.put(&batch).await?;
    let batch = [case.row(1, "t"), case.row(2, "a"), case.row(1, "b")];
    case.task.put(&batch).await?;
    case.check(ALL, &[&["1", "b"], &["2", "a"]]).await
}

#[tokio::test]
async fn tables_of_the_same_form_keep_their_rows_apart() -> Result<()> {
    let tables = "CREATE TABLE a_orders (id bigint PRIMARY KEY, note text); CREATE TABLE b (LIKE a_orders INCLUDING ALL)";
    let mut case = Case::start(tables, &[], false).await?;
    for round in ["first", "second"] {
        let mut batch: Vec<_> = (0..12_000).map(|id| case.row(id, round)).collect();
        for id in 0..1000 {
            batch.push(of_topic(case.row(100_000 + id, round), "b"));
        }
        case.task.put(&batch).await?;
        case.check(
            "SELECT count(*)::text, min(id)::text, max(note) FROM a_orders UNION ALL SELECT count(*)::text, min(id)::text, max(note) FROM b",
            &[&["12000", "0", round], &["1000", "100000", round]],
        )
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn parents_and_children_come_and_go_in_one_batch() -> Result<()> {
    let tables = "CREATE TABLE a_orders (id bigint PRIMARY KEY, note text); CREATE TABLE child (id bigint PRIMARY KEY REFERENCES a_orders, note text)";
    let mut case = Case::start(tables, &[], false).await?;
    for _ in 0..2 {
        let batch = [
            case.row(1, "p"),
            of_topic(case.row(1, "c"), "child"),
            case.row(2, "p"),
            of_topic(case.row(2, "c"), "child"),
            of_topic(case.tombstone(1), "child"),
            case.tombstone(1),
        ];
        case.task.put(&batch).await?;
    }
    let sql = "SELECT a_orders.id::text, child.note FROM a_orders LEFT JOIN child USING (id)";
    case.check(sql, &[&["2", "c"]]).await?;
    // The other way round: the parent goes after its child, and a new pair comes.
    let batch = [
        of_topic(case.tombstone(2), "child"),
        case.tombstone(2),
        case.row(2, "new"),
        of_topic(case.row(2, "new"), "child"),
    ];
    case.task.put(&batch).await?;
    case.check(sql, &[&["2", "new"]]).await
}

#[tokio::test]
async fn messages_and_truncates_of_missing_tables_are_passed_over() -> Result<()> {
    let mut case = Case::start("", &[("truncate.enabled", "true")], false).await?;
    let batch = [
        case.record(1, envelope("t", None, None)),
        case.record(1, envelope("m", None, None)),
        case.record(1, envelope("d", None, None)),
    ];
    case.task.put(&batch).await?;
    case.check("SELECT to_regclass('a_orders')::text", &[&["NULL"]])
        .await
}

#[tokio::test]
async fn keys_without_a_struct_are_columns() -> Result<()> {
    let mut case = Case::start("", &[("primary.key.fields", "id")], false).await?;
    let schema = structure(&[("note", SchemaBuilder::string())]);
    let mut batch = Vec::new();
    for (id, note) in [(1, "a"), (2, "b"), (1, "c")] {
        let value = Struct::new(Arc::clone(&schema), vec![note.into()]);
        let mut record = case.record(id, value.into());
        record.record.key = SchemaAndValue {
            schema: Some(SchemaBuilder::int64().build()),
            value: Value::Int64(id),
        };
        batch.push(record);
    }
    let mut tombstone = batch[1].clone();
    tombstone.record.value = SchemaAndValue::NULL;
    batch.push(tombstone);
    case.task.put(&batch).await?;
    case.check(ALL, &[&["1", "c"]]).await
}

#[tokio::test]
async fn updates_of_key_columns_alone_change_nothing() -> Result<()> {
    let table = "CREATE TABLE a_orders (id bigint PRIMARY KEY, note text); INSERT INTO a_orders VALUES (1, 'a'), (2, 'b')";
    let mut case = Case::start(table, &[("insert.mode", "update")], false).await?;
    let schema = structure(&[("id", SchemaBuilder::int64())]);
    let value = Struct::new(schema, vec![Value::Int64(1)]);
    let batch = [
        case.record(1, value.into()),
        case.row(2, "c"),
        case.row(3, "none"),
    ];
    case.task.put(&batch).await?;
    case.check(ALL, &[&["1", "a"], &["2", "c"]]).await
}

#[tokio::test]
async fn null_with_a_schema_deletes_and_adds_no_columns() -> Result<()> {
    let table =
        "CREATE TABLE a_orders (id bigint PRIMARY KEY); INSERT INTO a_orders VALUES (1), (2)";
    let mut case = Case::start(table, &[], false).await?;
    let value = SchemaAndValue {
        schema: Some(row_schema().to_builder().optional().build()),
        value: Value::Null,
    };
    let batch = [case.record(1, value)];
    case.task.put(&batch).await?;
    case.check(
        "SELECT to_jsonb(a)::text FROM a_orders a",
        &[&["{\"id\": 2}"]],
    )
    .await
}

#[tokio::test]
async fn rows_without_a_tombstone_are_reduced_in_insert_mode() -> Result<()> {
    let settings = [("insert.mode", "insert"), ("use.reduction.buffer", "true")];
    let mut case = Case::start("", &settings, false).await?;
    let batch = [case.row(1, "a"), case.row(2, "b"), case.row(1, "c")];
    case.task.put(&batch).await?;
    case.check(ALL, &[&["1", "c"], &["2", "b"]]).await
}

#[tokio::test]
async fn keys_that_only_the_database_finds_equal_are_written_one_after_the_other() -> Result<()> {
    let table = "CREATE EXTENSION citext; CREATE TABLE a_orders (id citext PRIMARY KEY, note text)";
    let mut case = Case::start(table, &[], false).await?;
    let key = structure(&[("id", SchemaBuilder::string())]);
    let mut batch = Vec::new();
    for (id, note) in [("a", "1"), ("A", "2"), ("b", "3")] {
        let schema = structure(&[
            ("id", SchemaBuilder::string()),
            ("note", SchemaBuilder::string()),
        ]);
        let value = Struct::new(schema, vec![id.into(), note.into()]);
        let mut record = case.record(0, value.into());
        record.record.key = Struct::new(Arc::clone(&key), vec![id.into()]).into();
        batch.push(record);
    }
    case.task.put(&batch).await?;
    case.check(ALL, &[&["a", "2"], &["b", "3"]]).await
}

#[tokio::test]
async fn a_delete_between_inserts_is_not_lost_by_reduction() -> Result<()> {
    let settings = [("insert.mode", "insert"), ("use.reduction.buffer", "true")];
    let mut case = Case::start("", &settings, false).await?;
    let batch = [case.row(1, "a")];
    case.task.put(&batch).await?;
    let batch = [case.tombstone(1), case.row(1, "b"), case.row(1, "c")];
    case.task.put(&batch).await?;
    case.check(ALL, &[&["1", "c"]]).await
}

/// With foreign keys the order of tables is that of the keys, whatever came first; no part of the batch is tried twice.
#[tokio::test]
async fn parents_are_written_before_and_deleted_after_their_children() -> Result<()> {
    let tables = "CREATE TABLE a_orders (id bigint PRIMARY KEY, note text); \
                  CREATE TABLE child (id bigint PRIMARY KEY REFERENCES a_orders, note text); \
                  CREATE TABLE grandchild (id bigint PRIMARY KEY REFERENCES child, note text, self bigint REFERENCES grandchild); \
                  CREATE TABLE deletes (transaction text); \
                  CREATE FUNCTION log() RETURNS trigger LANGUAGE plpgsql AS \
                  'BEGIN INSERT INTO deletes VALUES (pg_current_xact_id()); RETURN NULL; END'; \
                  CREATE TRIGGER log AFTER DELETE ON a_orders FOR EACH ROW EXECUTE FUNCTION log()";
    let mut case = Case::start(tables, &[], false).await?;
    let families: Vec<_> = (1..=2)
        .flat_map(|id| {
            [
                of_topic(case.row(id, "g"), "grandchild"),
                of_topic(case.row(id, "c"), "child"),
                case.row(id, "p"),
            ]
        })
        .collect();
    case.task.put(&families).await?;
    // Updates of the parent come first, and deletes of one family stand between those of the other.
    let mut batch = vec![case.row(1, "updated")];
    for id in [1, 2] {
        batch.push(of_topic(case.tombstone(id), "grandchild"));
        batch.push(of_topic(case.tombstone(id), "child"));
        batch.push(case.tombstone(id));
    }
    batch.push(of_topic(case.tombstone(3), "child"));
    case.task.put(&batch).await?;
    case.check(ALL, &[]).await?;
    // A part of a batch that is tried behind a savepoint has a transaction of its own within the batch's.
    let whole = "SELECT count(*)::text, bool_and(xmin::text = transaction)::text FROM deletes";
    case.check(whole, &[&["2", "true"]]).await
}

/// A delete for a table that is not there has nothing to do, and the table is found as soon as it is there.
#[tokio::test]
async fn a_table_that_appears_is_found_by_the_next_batch() -> Result<()> {
    let mut case = Case::start("", &[], false).await?;
    let batch: Vec<_> = (0..1000).map(|id| case.tombstone(id)).collect();
    case.task.put(&batch).await?;
    let table = "CREATE TABLE a_orders (id bigint PRIMARY KEY, note text); INSERT INTO a_orders VALUES (1, 'a'), (2000, 'b')";
    case.database.exec(table).await?;
    case.task.put(&batch).await?;
    case.check(ALL, &[&["2000", "b"]]).await?;
    case.database.exec("DROP TABLE a_orders").await?;
    let batch = [case.tombstone(1), case.row(1, "new")];
    case.task.put(&batch).await?;
    case.check(ALL, &[&["1", "new"]]).await
}

/// Rows of other schemas in mid-batch, and those of the first one again: each is written by its own, in the order of the
/// keys' changes.
#[tokio::test]
async fn schemas_that_change_in_mid_batch_are_each_written_by_their_own() -> Result<()> {
    let mut case = Case::start("", &[("schema.evolution", "basic")], false).await?;
    let wide = structure(&[
        ("id", SchemaBuilder::int64()),
        ("extra", SchemaBuilder::float64().optional()),
        ("note", SchemaBuilder::string().optional()),
    ]);
    let wide = |id: i64, extra: f64, note: &str| {
        Struct::new(
            Arc::clone(&wide),
            vec![id.into(), extra.into(), note.into()],
        )
    };
    // The columns stand in another order, and the note is a number.
    let turned = structure(&[
        ("note", SchemaBuilder::int32()),
        ("id", SchemaBuilder::int64()),
    ]);
    let turned = Struct::new(turned, vec![Value::Int32(33), Value::Int64(3)]);
    let mut batch = vec![case.row(1, "a"), case.row(2, "b")];
    batch.push(case.record(2, wide(2, 2.5, "c").into()));
    batch.push(case.row(1, "d"));
    batch.push(case.record(3, turned.into()));
    batch.push(case.record(1, wide(1, 1.5, "e").into()));
    batch.push(case.row(4, "f"));
    batch.push(case.row(2, "g"));
    case.task.put(&batch).await?;
    let all = "SELECT id::text, note, extra::text FROM a_orders ORDER BY id";
    let expected: [&[&str]; 4] = [
        &["1", "e", "1.5"],
        &["2", "g", "2.5"],
        &["3", "33", "NULL"],
        &["4", "f", "NULL"],
    ];
    case.check(all, &expected).await
}
