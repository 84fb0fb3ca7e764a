//! Snapshots that something is in the way of.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use mysql_async::prelude::Queryable as _;
use serde_json::json;
use tidegate_integration_tests::{
    CdcPipeline, MariaDb, MySql, MySqlOptions, PipelineOptions, SERVER_DEADLINE, eventually, row,
};

use crate::assert_names;
use crate::sessions::{create_large, wait_for_session};

const INSERT: &str = "INSERT INTO t (id) SELECT MAX(id) + 1 FROM t";

async fn start_with(options: MySqlOptions) -> Result<CdcPipeline> {
    CdcPipeline::start_from(MariaDb::start(options).await?, PipelineOptions::default()).await
}

fn count(pipeline: &CdcPipeline, text: &str) -> usize {
    pipeline.worker.log().matches(text).count()
}

/// Pauses the source until the server has a session of its snapshot like this, resumes it, and sees it complete at once.
async fn holds_out_until(pipeline: &CdcPipeline, session: &str) -> Result<()> {
    let rest = pipeline.rest();
    rest.pause("source").await?;
    let sessions = format!(
        "SELECT 1 FROM information_schema.processlist WHERE user = 'debezium' AND {session}"
    );
    eventually(Duration::from_mins(1), session, || async {
        ensure!(!pipeline.source.rows("", &sessions).await?.is_empty());
        Ok(())
    })
    .await?;
    rest.resume("source").await?;
    pipeline.log_has("Snapshot completed").await?;
    ensure!(count(pipeline, "Retry 1 of") == 0);
    Ok(())
}

async fn snapshots_are(pipeline: &CdcPipeline, wanted: usize) -> Result<()> {
    eventually(SERVER_DEADLINE, "completed snapshots", || async {
        let completed = count(pipeline, "Snapshot completed");
        ensure!(completed == wanted, "{completed}");
        Ok(())
    })
    .await
}

/// `PAD_CHAR_TO_FULL_LENGTH` would fill CHARs up, the other two are other rules for texts and names in definitions.
#[tokio::test]
async fn neither_hidden_columns_nor_the_servers_sql_mode_have_a_part_in_a_snapshot() -> Result<()> {
    let mode = "--sql-mode=PAD_CHAR_TO_FULL_LENGTH,ANSI_QUOTES,NO_BACKSLASH_ESCAPES";
    let pipeline = start_with(MySqlOptions::default().arg(mode)).await?;
    let setup = r"CREATE TABLE t (id INT PRIMARY KEY, c CHAR(9), d VARCHAR(9) DEFAULT 'a\''b', hidden LONGBLOB);
                  INSERT INTO t (id, c) VALUES (1, 'ab'); CREATE TABLE o (id INT PRIMARY KEY) AS SELECT id, c FROM t";
    pipeline.source.exec("shop", setup).await?;
    // The user's own statement keeps to the server's mode, but for the padding.
    let select = r#"SELECT "id", "c" FROM "shop"."o""#;
    let config = pipeline.source_config(&json!({"column.exclude.list": "shop.t.hidden",
        "snapshot.select.statement.overrides": "shop.o", "snapshot.select.statement.overrides.shop.o": select}));
    let rest = pipeline.rest();
    rest.put_config("source", &config).await?;
    rest.put_config("sink", &pipeline.sink_config(&json!({})))
        .await?;
    let other = "SELECT id::text, c || '|' FROM o";
    pipeline
        .target_becomes(other, &[row(&["1", "ab|"])])
        .await?;
    let texts = "SELECT c || '|', d FROM t";
    pipeline
        .target_becomes(texts, &[row(&["ab|", r"a\'b"])])
        .await?;
    pipeline
        .log_has("select statement: 'SELECT `id`, `c`, `d` FROM `shop`.`t`'")
        .await
}

#[tokio::test]
async fn broken_tables_are_passed_over_unless_they_are_captured() -> Result<()> {
    let pipeline = CdcPipeline::start().await?;
    pipeline.create_t().await?;
    let setup = "CREATE DATABASE other; CREATE TABLE other.broken (id INT PRIMARY KEY) ENGINE=MyISAM; FLUSH TABLES";
    pipeline.source.exec("", setup).await?;
    let directory = pipeline.source.rows("", "SELECT @@datadir").await?;
    let directory = directory[0][0].clone().context("a folder")?;
    std::fs::remove_file(format!("{directory}/other/broken.MYI"))?;
    pipeline.run_both().await?;
    pipeline.target_has("id", &[row(&["1"])]).await?;
    let log = pipeline.worker.log();
    let warning = log
        .lines()
        .find(|line| line.contains("WARN") && line.contains("other.broken"));
    assert_names(warning.unwrap_or_default(), &["not captured"]);
    let captured = json!({"database.include.list": "other", "topic.prefix": "all", "database.server.id": "7002",
        "schema.history.internal.kafka.topic": "all.history"});
    let rest = pipeline.rest();
    rest.put_config("all", &pipeline.source_config(&captured))
        .await?;
    let trace = rest.wait_failed("all").await?;
    assert_names(
        &trace,
        &["Snapshotting of table other.broken failed", "broken"],
    );
    Ok(())
}

#[tokio::test]
async fn a_lock_that_is_not_given_is_asked_for_ever_more_seldom_and_named() -> Result<()> {
    let pipeline = CdcPipeline::start().await?;
    pipeline.create_t().await?;
    let rest = pipeline.rest();
    let mut holder = pipeline.source.connect("shop").await?;
    holder.query_drop("LOCK TABLES t WRITE").await?;
    let short = json!({"snapshot.lock.timeout.ms": "1000"});
    rest.put_config("source", &pipeline.source_config(&short))
        .await?;
    for text in ["did not give the read lock", "Retry 3 of unlimited retries"] {
        pipeline.log_has(text).await?;
    }
    let limited = json!({"snapshot.lock.timeout.ms": "1000", "errors.max.retries": "1", "topic.prefix": "other",
        "database.server.id": "7002", "schema.history.internal.kafka.topic": "other.history"});
    rest.put_config("limited", &pipeline.source_config(&limited))
        .await?;
    let trace = rest.wait_failed("limited").await?;
    let parts = [
        "did not give the read lock",
        "snapshot.lock.timeout.ms",
        "1205",
    ];
    assert_names(&trace, &parts);
    holder.query_drop("UNLOCK TABLES").await?;
    holder.disconnect().await?;
    pipeline.streams("source", INSERT).await
}

#[tokio::test]
async fn what_a_mode_asks_for_at_the_start_is_not_done_again_for_each_connection() -> Result<()> {
    let pipeline = CdcPipeline::start().await?;
    pipeline.create_t().await?;
    let rest = pipeline.rest();
    for (round, mode) in ["always", "recovery"].into_iter().enumerate() {
        let config = pipeline.source_config(&json!({"snapshot.mode": mode}));
        rest.put_config("source", &config).await?;
        wait_for_session(&pipeline, "Binlog Dump").await?;
        snapshots_are(&pipeline, round + 1).await?;
        pipeline.streams("source", INSERT).await?;
        let retries = count(&pipeline, "Retry 1 of");
        let sessions = "SELECT id FROM information_schema.processlist WHERE user = 'debezium' AND command = 'Binlog Dump'";
        for session in pipeline.source.rows("", sessions).await? {
            let kill = format!("KILL {}", session[0].as_deref().unwrap_or_default());
            pipeline.source.exec("", &kill).await?;
        }
        eventually(SERVER_DEADLINE, "another attempt", || async {
            ensure!(count(&pipeline, "Retry 1 of") > retries);
            Ok(())
        })
        .await?;
        pipeline.streams("source", INSERT).await?;
        ensure!(count(&pipeline, "Snapshot completed") == round + 1);
    }
    Ok(())
}

#[tokio::test]
async fn a_snapshot_that_is_held_up_goes_on() -> Result<()> {
    let short = MySqlOptions::default()
        .arg("--net-write-timeout=1")
        .arg("--wait-timeout=1")
        .arg("--idle-transaction-timeout=1")
        .arg("--max-statement-time=2");
    let pipeline = start_with(short).await?;
    create_large(&pipeline).await?;
    let rest = pipeline.rest();
    rest.put_config("source", &pipeline.source_config(&json!({})))
        .await?;
    wait_for_session(&pipeline, "FROM `shop`.`large`").await?;
    holds_out_until(&pipeline, "time >= 5 AND info LIKE '%FROM `shop`.`large`'").await
}

#[tokio::test]
async fn a_snapshot_whose_rows_wait_for_their_turn_keeps_its_session() -> Result<()> {
    let short = MySqlOptions::default()
        .arg("--wait-timeout=1")
        .arg("--idle-readonly-transaction-timeout=1");
    let pipeline = start_with(short).await?;
    let table = "CREATE TABLE many (id INT PRIMARY KEY) AS SELECT seq AS id FROM seq_1_to_60000";
    pipeline.source.exec("shop", table).await?;
    let rest = pipeline.rest();
    let small = json!({"max.batch.size": "1", "max.queue.size": "2"});
    rest.put_config("source", &pipeline.source_config(&small))
        .await?;
    pipeline
        .log_has("Exporting data from table 'shop.many'")
        .await?;
    // The server has sent everything; the reader waits for the queue.
    holds_out_until(&pipeline, "command = 'Sleep' AND time >= 4").await
}

#[tokio::test]
async fn names_of_all_signs_are_read() -> Result<()> {
    for mysql in [false, true] {
        let options = MySqlOptions::default();
        let server = if mysql {
            MySql::start(options).await?
        } else {
            MariaDb::start(options).await?
        };
        let pipeline = CdcPipeline::start_from(server, PipelineOptions::default()).await?;
        pipeline.create_t().await?;
        let names = ["a`b", "c.d", "e f", "g'h\"i", "ж\\-1", "select"];
        let quoted = |name: &str| format!("`{}`", name.replace('`', "``"));
        for name in names {
            let (table, column) = (quoted(name), quoted(&format!("k{name}")));
            let sql = format!(
                "CREATE TABLE {table} ({column} INT PRIMARY KEY); INSERT INTO {table} VALUES (1)"
            );
            pipeline.source.exec("shop", &sql).await?;
        }
        let config = pipeline.source_config(&json!({}));
        pipeline.rest().put_config("source", &config).await?;
        pipeline.streams("source", INSERT).await?;
        for name in names {
            let text = format!("Finished exporting 1 records for table 'shop.{name}'");
            pipeline.log_has(&text).await?;
            let sql = format!("INSERT INTO {} VALUES (2)", quoted(name));
            pipeline.source.exec("shop", &sql).await?;
        }
        pipeline.streams("source", INSERT).await?;
        pipeline.rest().wait_running("source").await?;
    }
    Ok(())
}

/// As the original marks them.
#[tokio::test]
async fn empty_tables_have_their_part_in_the_marks_and_a_snapshot_without_rows_has_an_end()
-> Result<()> {
    let pipeline = CdcPipeline::start().await?;
    let tables = "CREATE TABLE a (id INT PRIMARY KEY); CREATE TABLE b (id INT PRIMARY KEY)";
    pipeline.source.exec("shop", tables).await?;
    let rest = pipeline.rest();
    let config = pipeline.source_config(&json!({}));
    rest.put_config("source", &config).await?;
    eventually(SERVER_DEADLINE, "an offset behind the snapshot", || async {
        let offsets = rest.offsets("source").await?;
        let offset = &offsets["offsets"][0]["offset"];
        ensure!(
            offset.is_object() && offset.get("snapshot").is_none(),
            "{offsets}"
        );
        Ok(())
    })
    .await?;
    pipeline
        .source
        .exec("shop", "INSERT INTO b VALUES (1), (2)")
        .await?;
    let again = json!({"topic.prefix": "again", "database.server.id": "7002",
        "schema.history.internal.kafka.topic": "again.history"});
    rest.put_config("again", &pipeline.source_config(&again))
        .await?;
    snapshots_are(&pipeline, 2).await?;
    pipeline.worker.stop().await?;
    let marks = async |topic: &str| -> Result<Vec<serde_json::Value>> {
        let records = pipeline.topic(topic).await?.into_iter();
        let mark = |json: serde_json::Value| json["payload"]["source"]["snapshot"].clone();
        records
            .map(|record| record.value_json().map(mark))
            .collect()
    };
    assert_eq!(marks("shop").await?.last(), Some(&json!("last")));
    assert_eq!(
        marks("again.shop.b").await?,
        ["first_in_data_collection", "last"]
    );
    Ok(())
}

#[tokio::test]
async fn the_smallest_queue_carries_everything() -> Result<()> {
    let pipeline = CdcPipeline::start().await?;
    pipeline.create_t().await?;
    let rest = pipeline.rest();
    let small = json!({"max.batch.size": "1", "max.queue.size": "2", "max.queue.size.in.bytes": "1", "poll.interval.ms": "1"});
    rest.put_config("source", &pipeline.source_config(&small))
        .await?;
    rest.put_config("sink", &pipeline.sink_config(&json!({})))
        .await?;
    pipeline.streams("source", INSERT).await?;
    let changes =
        "UPDATE t SET id = id + 100; DELETE FROM t WHERE id = 101; INSERT INTO t VALUES (1, 5)";
    pipeline.source.exec("shop", changes).await?;
    pipeline.sides_agree("id, v").await
}

#[tokio::test]
async fn a_server_that_is_away_during_a_snapshot_is_waited_for() -> Result<()> {
    let pipeline = CdcPipeline::start().await?;
    pipeline.create_t().await?;
    create_large(&pipeline).await?;
    let rest = pipeline.rest();
    let config = pipeline.source_config(&json!({"snapshot.locking.mode": "extended"}));
    rest.put_config("source", &config).await?;
    wait_for_session(&pipeline, "FROM `shop`.`large`").await?;
    pipeline.source.kill9();
    pipeline.log_has("Retry 2 of unlimited retries").await?;
    pipeline.source.start_again().await?;
    pipeline.streams("source", INSERT).await?;
    rest.wait_running("source").await.map(drop)
}

#[tokio::test]
async fn a_thousand_tables_are_read() -> Result<()> {
    let pipeline = CdcPipeline::start().await?;
    let tables = |number: usize| {
        format!("CREATE TABLE t{number} (id INT PRIMARY KEY) AS SELECT {number} AS id")
    };
    let statements: Vec<String> = (0..1_000).map(tables).collect();
    pipeline.source.exec("shop", &statements.join(";")).await?;
    let config = pipeline.source_config(&json!({}));
    pipeline.rest().put_config("source", &config).await?;
    pipeline.log_has("(1000 of 1000 tables)").await?;
    let insert = "INSERT INTO t500 SELECT MAX(id) + 1 FROM t500";
    pipeline.streams("source", insert).await
}
