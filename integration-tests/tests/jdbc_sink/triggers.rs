//! Tables with triggers and rules see every change of a key, unless the settings ask for the last one alone.

use anyhow::Result;
use tidegate_api::{SchemaAndValue, SinkRecord};

use super::case::{Case, envelope, of_topic};
use super::confluent;

const AUDITED: &str = "CREATE TABLE a_orders (id bigint PRIMARY KEY, note text); \
    CREATE TABLE seen (n bigserial, what text); \
    CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
    INSERT INTO seen (what) VALUES (TG_OP || ' ' || coalesce(NEW.id, OLD.id) || ' ' || coalesce(NEW.note, OLD.note)); \
    RETURN coalesce(NEW, OLD); END $$;";
const TRIGGER: &str = "CREATE TRIGGER t AFTER INSERT OR UPDATE OR DELETE ON a_orders FOR EACH ROW EXECUTE FUNCTION see();";

const SEEN: &str = "SELECT string_agg(what, ', ' ORDER BY n) FROM seen";

/// Changes of two keys: 1 is made, changed twice, deleted and made again; 2 is made and deleted.
fn changes(case: &mut Case) -> Vec<SinkRecord> {
    vec![
        case.row(1, "a"),
        case.row(1, "b"),
        case.row(2, "x"),
        case.row(1, "c"),
        case.tombstone(1),
        case.tombstone(2),
        case.row(1, "d"),
    ]
}

async fn check(setup: &str, settings: &[(&str, &str)], expected: &str) -> Result<()> {
    let mut case = Case::start(&(AUDITED.to_owned() + setup), settings, false).await?;
    let batch = changes(&mut case);
    case.task.put(&batch).await?;
    case.check(SEEN, &[&[expected]]).await?;
    let rows = "SELECT id::text, note FROM a_orders";
    case.check(rows, &[&["1", "d"]]).await
}

const EACH: &str =
    "INSERT 1 a, UPDATE 1 b, INSERT 2 x, UPDATE 1 c, DELETE 1 c, DELETE 2 x, INSERT 1 d";

#[tokio::test]
async fn a_row_trigger_sees_every_change() -> Result<()> {
    check(TRIGGER, &[], EACH).await
}

#[tokio::test]
async fn with_the_reduction_buffer_it_sees_the_last_one() -> Result<()> {
    let settings = [("use.reduction.buffer", "true")];
    check(TRIGGER, &settings, "INSERT 1 d").await
}

#[tokio::test]
async fn a_trigger_of_a_partition_sees_every_change() -> Result<()> {
    let partitions = "DROP TABLE a_orders; CREATE TABLE a_orders (id bigint PRIMARY KEY, note text) PARTITION BY RANGE (id); \
        CREATE TABLE low PARTITION OF a_orders FOR VALUES FROM (0) TO (100); \
        CREATE TRIGGER t AFTER INSERT OR UPDATE OR DELETE ON low FOR EACH ROW EXECUTE FUNCTION see();";
    check(partitions, &[], EACH).await
}

#[tokio::test]
async fn disabled_triggers_and_those_of_foreign_keys_do_not_count() -> Result<()> {
    let setup = AUDITED.to_owned()
        + TRIGGER
        + "ALTER TABLE a_orders DISABLE TRIGGER t; CREATE TABLE child (id bigint REFERENCES a_orders);";
    let mut case = Case::start(&setup, &[], false).await?;
    let batch: Vec<_> = (0..50).map(|_| case.row(1, "a")).collect();
    case.task.put(&batch).await?;
    // The row's first version is its only one.
    case.check(
        "SELECT (ctid = '(0,1)')::text, (SELECT count(*) FROM seen)::text FROM a_orders",
        &[&["true", "0"]],
    )
    .await
}

/// A trigger that comes while the sink runs counts from the next change on.
#[tokio::test]
async fn a_trigger_that_comes_later_sees_every_change() -> Result<()> {
    let mut case = Case::start(AUDITED, &[], false).await?;
    let first = [case.row(1, "z"), case.tombstone(1)];
    case.task.put(&first).await?;
    case.database.exec(TRIGGER).await?;
    let batch = changes(&mut case);
    case.task.put(&batch).await?;
    case.check(SEEN, &[&[EACH]]).await?;
    case.database
        .exec("DROP TRIGGER t ON a_orders; TRUNCATE a_orders, seen")
        .await?;
    let batch = changes(&mut case);
    case.task.put(&batch).await?;
    // Nobody sees the changes, so the row's first version is its only one.
    case.check(
        "SELECT (ctid = '(0,1)')::text, note, (SELECT count(*) FROM seen)::text FROM a_orders",
        &[&["true", "d", "0"]],
    )
    .await
}

#[tokio::test]
async fn a_trigger_of_a_partition_that_comes_later_sees_every_change() -> Result<()> {
    let partitions = AUDITED.to_owned()
        + "DROP TABLE a_orders; CREATE TABLE a_orders (id bigint PRIMARY KEY, note text) PARTITION BY RANGE (id); \
        CREATE TABLE low PARTITION OF a_orders FOR VALUES FROM (0) TO (100) PARTITION BY RANGE (id); \
        CREATE TABLE lowest PARTITION OF low FOR VALUES FROM (0) TO (10);";
    for partition in ["low", "lowest"] {
        let mut case = Case::start(&partitions, &[], false).await?;
        let first = [case.row(1, "z"), case.tombstone(1)];
        case.task.put(&first).await?;
        let trigger = TRIGGER.replace("ON a_orders", &format!("ON {partition}"));
        case.database.exec(&trigger).await?;
        let batch = changes(&mut case);
        case.task.put(&batch).await?;
        case.check(SEEN, &[&[EACH]]).await?;
    }
    Ok(())
}

#[tokio::test]
async fn rows_behind_a_view_are_changed_one_by_one() -> Result<()> {
    let view = "ALTER TABLE a_orders RENAME TO base; CREATE VIEW a_orders AS SELECT * FROM base; \
        CREATE TRIGGER t AFTER INSERT OR UPDATE OR DELETE ON base FOR EACH ROW EXECUTE FUNCTION see();";
    check(view, &[], EACH).await
}

/// COPY passes rules by; with them rows go through statements however many there are.
#[tokio::test]
async fn rules_see_every_row() -> Result<()> {
    let rule = AUDITED.to_owned()
        + "CREATE RULE r AS ON INSERT TO a_orders DO ALSO INSERT INTO seen (what) VALUES (NEW.note)";
    let settings = [("insert.mode", "insert")];
    let mut case = Case::start(&rule, &settings, false).await?;
    let batch: Vec<_> = (0..1000).map(|id| case.row(id, "r")).collect();
    case.task.put(&batch).await?;
    case.check(
        "SELECT (SELECT count(*) FROM seen)::text, count(*)::text FROM a_orders",
        &[&["1000", "1000"]],
    )
    .await
}

#[tokio::test]
async fn confluents_sink_shows_a_trigger_every_change() -> Result<()> {
    let setup = AUDITED.to_owned() + TRIGGER;
    let settings = [
        ("pk.mode", "record_key"),
        ("table.name.format", "a_orders"),
        ("delete.enabled", "true"),
    ];
    let mut case = confluent::start(&setup, &settings, false).await?;
    let batch = changes(&mut case);
    case.task.put(&batch).await?;
    case.check(SEEN, &[&[EACH]]).await
}

/// More than one COPY's worth of rows, with the same keys again and again.
#[tokio::test]
async fn a_trigger_sees_every_change_of_a_large_batch() -> Result<()> {
    let setup = AUDITED.to_owned() + TRIGGER;
    let mut case = Case::start(&setup, &[], false).await?;
    let mut batch: Vec<SinkRecord> = Vec::new();
    for round in 0..3 {
        batch.extend((0..600).map(|id| case.row(id, &format!("r{round}"))));
    }
    let mut last = case.row(0, "");
    last.record.value = SchemaAndValue::NULL;
    batch.push(last);
    case.task.put(&batch).await?;
    case.check(
        "SELECT count(*)::text, min(n) FILTER (WHERE what LIKE 'DELETE%')::text, (SELECT count(*) FROM a_orders)::text FROM seen",
        &[&["1801", "1801", "599"]],
    )
    .await
}

/// Every change of the parent is made, and what refers to it comes after its last one.
#[tokio::test]
async fn rows_are_not_lost_with_an_earlier_row_that_they_refer_to() -> Result<()> {
    const CHILD: &str = "CREATE TABLE child (id bigint PRIMARY KEY REFERENCES a_orders ON DELETE CASCADE, note text);";
    const GRANDCHILD: &str = "CREATE TABLE grandchild (id bigint PRIMARY KEY REFERENCES child ON DELETE CASCADE, note text);";
    let setup = AUDITED.to_owned() + TRIGGER + CHILD + GRANDCHILD;
    for begin in [false, true] {
        let mut case = Case::start(&setup, &[], false).await?;
        if begin {
            let there = [case.row(1, "p")];
            case.task.put(&there).await?;
        }
        let batch = [
            case.row(1, "updated"),
            case.tombstone(1),
            case.row(1, "new"),
            of_topic(case.row(1, "c"), "child"),
            of_topic(case.row(1, "g"), "grandchild"),
        ];
        case.task.put(&batch).await?;
        case.check(
            "SELECT a_orders.note, child.note, grandchild.note FROM a_orders LEFT JOIN child USING (id) LEFT JOIN grandchild USING (id)",
            &[&["new", "c", "g"]],
        )
        .await?;
        // The children first: the parent's delete takes them along.
        let batch = [
            of_topic(case.row(1, "c2"), "child"),
            of_topic(case.row(1, "g2"), "grandchild"),
            case.row(1, "updated"),
            case.tombstone(1),
            case.row(1, "newer"),
        ];
        case.task.put(&batch).await?;
        case.check(
            "SELECT note, (SELECT count(*) FROM child)::text, (SELECT count(*) FROM grandchild)::text FROM a_orders",
            &[&["newer", "0", "0"]],
        )
        .await?;
    }
    Ok(())
}

/// Debezium's source sends a delete and a tombstone for each row that goes.
#[tokio::test]
async fn deletes_and_their_tombstones_are_one_statement() -> Result<()> {
    const COUNTED: &str =
        "CREATE TRIGGER s AFTER DELETE ON a_orders FOR EACH STATEMENT EXECUTE FUNCTION count_it();";
    let function = AUDITED.to_owned()
        + "CREATE FUNCTION count_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
        INSERT INTO seen (what) VALUES (TG_OP); RETURN NULL; END $$;";
    let table = function.clone() + COUNTED;
    let view = function
        + COUNTED
        + "ALTER TABLE a_orders RENAME TO base; CREATE VIEW a_orders AS SELECT * FROM base;";
    for setup in [table, view] {
        let mut case = Case::start(&setup, &[], false).await?;
        let mut batch: Vec<_> = (0..20).map(|id| case.row(id, "a")).collect();
        for id in 0..19 {
            batch.push(case.record(id, envelope("d", None, None)));
            batch.push(case.tombstone(id));
        }
        case.task.put(&batch).await?;
        let counted =
            "SELECT count(*)::text, (SELECT string_agg(id::text, ' ') FROM a_orders) FROM seen";
        case.check(counted, &[&["1", "19"]]).await?;
        // Keys of a round that is over do not begin another one.
        let batch = [case.row(1, "b"), case.tombstone(19), case.tombstone(1)];
        case.task.put(&batch).await?;
        case.check(counted, &[&["2", "NULL"]]).await?;
    }
    Ok(())
}
