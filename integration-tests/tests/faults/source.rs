//! What the source says when the server's log or the schema history is not as it must be: the original's texts, and the
//! cure. What the original did was seen with Debezium MariaDB 3.5.0.Final.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tidegate_integration_tests::{CdcPipeline, Rest, SERVER_DEADLINE, eventually, merge, row};

use crate::assert_names;

/// Adds a row to `t`, whatever is in it.
const INSERT: &str = "INSERT INTO t (id) SELECT COALESCE(MAX(id), 0) + 1 FROM t";
const MODES: [&str; 3] = ["fail", "warn", "skip"];

/// Another connector on database `shop`, with topics below its own name.
fn named(pipeline: &CdcPipeline, name: &str, server_id: usize, extra: &Value) -> Value {
    let own = json!({"topic.prefix": name, "database.server.id": server_id.to_string(),
        "schema.history.internal.kafka.topic": format!("{name}.history")});
    pipeline.source_config(&merge(own, extra))
}

/// Connector `source` on `t`, past its snapshot.
async fn streaming() -> Result<CdcPipeline> {
    let pipeline = CdcPipeline::start().await?;
    pipeline.create_t().await?;
    let config = pipeline.source_config(&json!({}));
    pipeline.rest().put_config("source", &config).await?;
    pipeline.streams("source", INSERT).await?;
    Ok(pipeline)
}

/// The connectors `fail`, `warn` and `skip` on `t`, with this property set to their name, past their snapshots.
async fn streaming_in_each_mode(pipeline: &CdcPipeline, property: &str) -> Result<()> {
    for (number, mode) in MODES.into_iter().enumerate() {
        let config = named(pipeline, mode, 7200 + number, &json!({property: mode}));
        pipeline.rest().put_config(mode, &config).await?;
        pipeline.streams(mode, INSERT).await?;
    }
    Ok(())
}

/// Stops the worker; the rows in the topic of `t` of a connector, in order.
async fn rows_in_topic(pipeline: &CdcPipeline, connector: &str) -> Result<Vec<Value>> {
    if pipeline.worker.is_running() {
        pipeline.worker.stop().await?;
    }
    let records = pipeline.topic(&format!("{connector}.shop.t")).await?;
    let row = |json: Value| json["payload"]["after"].clone();
    records
        .iter()
        .map(|record| record.value_json().map(row))
        .collect()
}

/// Waits until the stored offset is behind the server's present position.
async fn caught_up(pipeline: &CdcPipeline, connector: &str) -> Result<()> {
    let status = pipeline.source.rows("", "SHOW MASTER STATUS").await?;
    let end: u64 = status[0][1].as_deref().context("a position")?.parse()?;
    pipeline.source.exec("shop", "CREATE TABLE IF NOT EXISTS last (id INT AUTO_INCREMENT PRIMARY KEY); INSERT INTO last VALUES ()").await?;
    let rest = pipeline.rest();
    eventually(
        SERVER_DEADLINE,
        "the offset is behind the changes",
        || async {
            let offsets = rest.offsets(connector).await?;
            let pos = offsets["offsets"][0]["offset"]["pos"].as_u64();
            ensure!(
                pos >= Some(end),
                "{offsets} {}",
                rest.status(connector).await?
            );
            Ok(())
        },
    )
    .await?;
    rest.wait_running(connector).await.map(drop)
}

async fn stopped(rest: &Rest, name: &str) -> Result<()> {
    rest.stop(name).await?;
    rest.wait_state(name, "STOPPED").await.map(drop)
}

#[tokio::test]
async fn a_purged_binlog_is_named_and_when_needed_cures_it() -> Result<()> {
    let pipeline = CdcPipeline::start().await?;
    pipeline.create_t().await?;
    pipeline.run_both().await?;
    pipeline.target_has("id", &[row(&["1"])]).await?;
    let rest = pipeline.rest();
    stopped(&rest, "source").await?;
    let stored = rest.offsets("source").await?.to_string();
    let logs = async || pipeline.source.rows("", "SHOW BINARY LOGS").await;
    let first = logs().await?[0][0].clone().context("a name")?;
    assert_names(&stored, &[&first]);
    let changes = "INSERT INTO t VALUES (2, 2); FLUSH BINARY LOGS";
    pipeline.source.exec("shop", changes).await?;
    // A log that a session still reads stays.
    eventually(SERVER_DEADLINE, "the log is purged", || async {
        let last = logs().await?.last().and_then(|log| log[0].clone());
        let purge = format!("PURGE BINARY LOGS TO '{}'", last.context("a log")?);
        pipeline.source.exec("", &purge).await?;
        ensure!(logs().await?[0][0].as_ref() != Some(&first), "still there");
        Ok(())
    })
    .await?;
    rest.resume("source").await?;
    let trace = rest.wait_failed("source").await?;
    let parts = [
        "no longer available on the server",
        &first,
        "when needed",
        "mysql-bin.000002",
    ];
    assert_names(&trace, &parts);
    let cure = json!({"snapshot.mode": "when_needed"});
    rest.put_config("source", &pipeline.source_config(&cure))
        .await?;
    pipeline.target_has("id", &[row(&["1"]), row(&["2"])]).await
}

#[tokio::test]
async fn a_binlog_that_is_reset_is_named_and_when_needed_cures_it() -> Result<()> {
    let pipeline = streaming().await?;
    let rest = pipeline.rest();
    let trace_has_position = |trace: &str| {
        assert_names(
            trace,
            &[
                "no longer available on the server",
                "mysql-bin.00000",
                "when needed",
            ],
        );
    };
    // Under a running connector the server says so in its stream, unless it still reads a file of the new file's name.
    pipeline.source.exec("shop", "FLUSH BINARY LOGS").await?;
    pipeline.source.exec("shop", INSERT).await?;
    eventually(SERVER_DEADLINE, "the second file is read", || async {
        let offsets = rest.offsets("source").await?.to_string();
        ensure!(offsets.contains("mysql-bin.000002"), "{offsets}");
        Ok(())
    })
    .await?;
    pipeline.source.exec("shop", "RESET MASTER").await?;
    pipeline.source.exec("shop", INSERT).await?;
    let trace = rest.wait_failed("source").await?;
    trace_has_position(&trace);
    assert_names(&trace, &["Error code: 1236"]);
    let cure = pipeline.source_config(&json!({"snapshot.mode": "when_needed"}));
    rest.put_config("source", &cure).await?;
    rest.put_config("sink", &pipeline.sink_config(&json!({})))
        .await?;
    pipeline.sides_agree("id, v").await?;
    pipeline.streams("source", INSERT).await?;
    // Under a stopped one the position is looked for at its start. The new log must not have reached its number yet.
    for _ in 0..5 {
        pipeline.source.exec("shop", INSERT).await?;
    }
    caught_up(&pipeline, "source").await?;
    stopped(&rest, "source").await?;
    pipeline.source.exec("shop", "RESET MASTER").await?;
    pipeline.source.exec("shop", INSERT).await?;
    rest.put_config("source", &pipeline.source_config(&json!({})))
        .await?;
    rest.resume("source").await?;
    trace_has_position(&rest.wait_failed("source").await?);
    rest.put_config("source", &cure).await?;
    pipeline.sides_agree("id, v").await
}

#[tokio::test]
async fn a_missing_history_is_named_and_recovery_cures_it() -> Result<()> {
    let pipeline = streaming().await?;
    let rest = pipeline.rest();
    // Another history topic is an empty one.
    let other = json!({"schema.history.internal.kafka.topic": "other"});
    let config = pipeline.source_config(&other);
    rest.put_config("source", &config).await?;
    let text = "The db history topic is missing. You may attempt to recover it by reconfiguring the connector to recovery.";
    let trace = rest.wait_failed("source").await?;
    ensure!(
        trace.starts_with(&format!("io.debezium.DebeziumException: {text}")),
        "{trace}"
    );
    let recovery = merge(config, &json!({"snapshot.mode": "recovery"}));
    rest.put_config("source", &recovery).await?;
    rest.put_config("sink", &pipeline.sink_config(&json!({})))
        .await?;
    pipeline.source.exec("shop", INSERT).await?;
    pipeline.sides_agree("id, v").await
}

#[tokio::test]
async fn a_server_id_that_two_connectors_share_is_named() -> Result<()> {
    let pipeline = streaming().await?;
    let rest = pipeline.rest();
    rest.put_config("other", &named(&pipeline, "other", 7001, &json!({})))
        .await?;
    let trace = rest.wait_failed("source").await?;
    assert_names(
        &trace,
        &[
            "A slave with the same server_uuid/server_id",
            "database.server.id",
        ],
    );
    rest.wait_running("other").await.map(drop)
}

/// As with the original, `inconsistent.schema.handling.mode` decides.
#[tokio::test]
async fn rows_of_a_table_that_the_history_does_not_have_follow_their_mode() -> Result<()> {
    let pipeline = CdcPipeline::start().await?;
    pipeline.create_t().await?;
    streaming_in_each_mode(&pipeline, "inconsistent.schema.handling.mode").await?;
    let changes = "SET sql_log_bin=0; CREATE TABLE u (id INT PRIMARY KEY); SET sql_log_bin=1; INSERT INTO u VALUES (1); \
                   INSERT INTO t VALUES (1000, 7)";
    pipeline.source.exec("shop", changes).await?;
    let trace = pipeline.rest().wait_failed("fail").await?;
    let parts = [
        "Encountered change event for table shop.u whose schema isn't known to this connector",
        "Take a new snapshot",
        "snapshot.mode=recovery",
        "mysqlbinlog --start-position=",
        "mysql-bin.000001",
    ];
    assert_names(&trace, &parts);
    for mode in ["warn", "skip"] {
        caught_up(&pipeline, mode).await?;
    }
    let ignored = "shop.u whose schema isn't known to this connector";
    let log = pipeline.worker.log();
    let warnings = log
        .lines()
        .filter(|line| line.contains(ignored) && line.contains("The event will be ignored"));
    assert_eq!(warnings.count(), 1, "{}", pipeline.worker.log_tail());
    let last = json!({"id": 1000, "v": 7});
    assert!(!rows_in_topic(&pipeline, "fail").await?.contains(&last));
    for mode in ["warn", "skip"] {
        assert!(
            rows_in_topic(&pipeline, mode).await?.contains(&last),
            "{mode}"
        );
    }
    Ok(())
}

/// As with the original, no mode lets rows pass whose columns are not those of the history: they would be lost.
#[tokio::test]
async fn rows_with_other_columns_than_the_history_stop_the_task_and_recovery_cures_it() -> Result<()>
{
    let pipeline = CdcPipeline::start().await?;
    pipeline.create_t().await?;
    let rest = pipeline.rest();
    streaming_in_each_mode(&pipeline, "event.processing.failure.handling.mode").await?;
    let changes = "SET sql_log_bin=0; ALTER TABLE t ADD COLUMN w INT; SET sql_log_bin=1; INSERT INTO t VALUES (1000, 7, 8)";
    pipeline.source.exec("shop", changes).await?;
    for mode in MODES {
        let trace = rest.wait_failed(mode).await?;
        let parts = [
            "Error processing row in t, internal schema size 2, but row size 3 , restart connector with schema recovery mode.",
            "shop.t",
            "mysql-bin.000001",
            "snapshot.mode=recovery",
            "An exception occurred in the change event producer. This connector will be stopped.",
        ];
        assert_names(&trace, &parts);
    }
    let recovery = json!({"snapshot.mode": "recovery"});
    rest.put_config("fail", &named(&pipeline, "fail", 7200, &recovery))
        .await?;
    caught_up(&pipeline, "fail").await?;
    let rows = rows_in_topic(&pipeline, "fail").await?;
    assert_eq!(rows.last(), Some(&json!({"id": 1000, "v": 7, "w": 8})));
    Ok(())
}

/// A date that is none: `event.processing.failure.handling.mode` decides, and where it lets the row pass the value is the
/// epoch, as the original's.
#[tokio::test]
async fn rows_that_cannot_be_decoded_follow_their_mode() -> Result<()> {
    let pipeline = CdcPipeline::start().await?;
    let table = "CREATE TABLE t (id INT PRIMARY KEY, d DATE, dt DATETIME(3))";
    pipeline.source.exec("shop", table).await?;
    streaming_in_each_mode(&pipeline, "event.processing.failure.handling.mode").await?;
    let rows = "SET sql_mode='ALLOW_INVALID_DATES'; \
                INSERT INTO t VALUES (1000, '2021-01-31', NULL), (1001, '2021-02-31', '2021-02-31 01:02:03'), (1002, '2021-01-31', NULL)";
    pipeline.source.exec("shop", rows).await?;
    let trace = pipeline.rest().wait_failed("fail").await?;
    let parts = [
        "Error while deserializing binlog",
        "shop.t",
        "'d'",
        "mysqlbinlog --start-position=",
        "mysql-bin.000001",
        "event.processing.failure.handling.mode",
    ];
    assert_names(&trace, &parts);
    for mode in ["warn", "skip"] {
        caught_up(&pipeline, mode).await?;
    }
    let log = pipeline.worker.log();
    assert!(
        log.lines()
            .any(|line| line.contains("WARN") && line.contains("shop.t.d")),
        "{}",
        pipeline.worker.log_tail()
    );
    let expected = [
        json!({"id": 1000, "d": 18658, "dt": null}),
        json!({"id": 1001, "d": 0, "dt": 0}),
        json!({"id": 1002, "d": 18658, "dt": null}),
    ];
    for mode in ["warn", "skip"] {
        let rows = rows_in_topic(&pipeline, mode).await?;
        assert!(rows.ends_with(&expected), "{mode}: {rows:?}");
    }
    assert!(
        !rows_in_topic(&pipeline, "fail")
            .await?
            .contains(&expected[1])
    );
    Ok(())
}

#[tokio::test]
async fn a_table_that_is_dropped_and_made_again_with_other_columns_goes_on() -> Result<()> {
    let pipeline = streaming().await?;
    let rest = pipeline.rest();
    rest.put_config("sink", &pipeline.sink_config(&json!({})))
        .await?;
    pipeline.sides_agree("id, v").await?;
    // Both while it streams and while it is stopped.
    let again = "INSERT INTO t VALUES (1000, 1); DROP TABLE t; CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(9), n BIGINT); \
                 INSERT INTO t VALUES (1001, 'one', 5000000000)";
    pipeline.source.exec("shop", again).await?;
    let columns = "SELECT id, name, n FROM t WHERE id > 1000 ORDER BY t.id";
    pipeline
        .target_becomes(columns, &[row(&["1001", "one", "5000000000"])])
        .await?;
    stopped(&rest, "source").await?;
    let again = "INSERT INTO t VALUES (1002, 'two', 2); DROP TABLE t; CREATE TABLE t (id INT PRIMARY KEY, v INT, d DATE); \
                 INSERT INTO t VALUES (1003, 3, '2026-01-02'); DROP TABLE t; CREATE TABLE u (id INT PRIMARY KEY)";
    pipeline.source.exec("shop", again).await?;
    rest.resume("source").await?;
    let last = "SELECT id, v, d::text, name FROM t WHERE id > 1001 ORDER BY t.id";
    let mut rows = [
        row(&["1002", "", "", "two"]),
        row(&["1003", "3", "2026-01-02", ""]),
    ];
    (rows[0][1], rows[0][2], rows[1][3]) = (None, None, None);
    pipeline.target_becomes(last, &rows).await?;
    caught_up(&pipeline, "source").await?;
    rest.wait_running("sink").await.map(drop)
}
