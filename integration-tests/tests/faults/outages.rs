//! Servers that go away and come back: the tasks do, too, without a person.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;
use tidegate_integration_tests::{
    CdcPipeline, MariaDb, Message, PipelineOptions, SERVER_DEADLINE, SINK_PASSWORD, eventually,
    flushed_to_the_kernel, row,
};

use crate::load::Load;

/// Rows that are there before the connector.
const ROWS: u64 = 500;

impl Load {
    /// Changes go on for this long.
    async fn goes_on(&mut self, pipeline: &CdcPipeline, time: Duration) -> Result<()> {
        let mut tick = tokio::time::interval(Duration::from_millis(50));
        let began = Instant::now();
        while began.elapsed() < time {
            tick.tick().await;
            self.step(pipeline).await?;
        }
        Ok(())
    }
}

async fn both_run(pipeline: &CdcPipeline) -> Result<()> {
    for name in ["source", "sink"] {
        pipeline.rest().wait_running(name).await?;
    }
    Ok(())
}

#[tokio::test]
async fn sessions_that_are_ended_are_opened_again() -> Result<()> {
    let pipeline = CdcPipeline::start().await?;
    let mut load = Load::start(&pipeline, ROWS).await?;
    pipeline.run_both().await?;
    load.arrives(&pipeline).await?;
    for round in 0..12 {
        load.step(&pipeline).await?;
        let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tidegate'";
        pipeline.target.exec("postgres", kill).await?;
        if round % 4 == 0 {
            let sessions = "SELECT id FROM information_schema.processlist WHERE user = 'debezium'";
            for session in pipeline.source.rows("", sessions).await? {
                let kill = format!("KILL {}", session[0].as_deref().unwrap_or_default());
                // It may have ended by itself.
                pipeline.source.exec("", &kill).await.ok();
            }
        }
    }
    load.arrives(&pipeline).await?;
    both_run(&pipeline).await?;
    load.nothing_is_lost(&pipeline).await
}

#[tokio::test]
async fn a_target_that_stops_for_half_a_minute_is_waited_for() -> Result<()> {
    let pipeline = CdcPipeline::start().await?;
    let mut load = Load::start(&pipeline, ROWS).await?;
    pipeline.run_both().await?;
    load.arrives(&pipeline).await?;
    pipeline.target.stop().await?;
    load.goes_on(&pipeline, Duration::from_secs(30)).await?;
    let log = pipeline.worker.log();
    let address = format!("127.0.0.1:{}", pipeline.target.port());
    let warned = log.lines().any(|line| {
        ["WARN", "sink-0", "tried again", &address]
            .iter()
            .all(|part| line.contains(part))
    });
    assert!(warned, "{}", pipeline.worker.log_tail());
    // The sink waits; it has not failed.
    let status = pipeline.rest().status("sink").await?;
    assert_eq!(status["tasks"][0]["state"], "RUNNING", "{status}");
    pipeline.target.start_again().await?;
    load.arrives(&pipeline).await?;
    both_run(&pipeline).await?;
    assert!(!pipeline.worker.log().contains(SINK_PASSWORD));
    load.nothing_is_lost(&pipeline).await
}

#[tokio::test]
async fn a_source_that_is_restarted_under_load_is_followed_again() -> Result<()> {
    let pipeline = CdcPipeline::start().await?;
    let mut load = Load::start(&pipeline, ROWS).await?;
    pipeline.run_both().await?;
    load.arrives(&pipeline).await?;
    for in_order in [true, false] {
        load.goes_on(&pipeline, Duration::from_secs(2)).await?;
        if in_order {
            pipeline.source.stop().await?;
        } else {
            pipeline.source.kill9();
        }
        let log = pipeline.worker.log();
        let warnings = log.matches("retriable.restart.connector.wait.ms").count();
        eventually(SERVER_DEADLINE, "the source tries again", || async {
            let log = pipeline.worker.log();
            let now = log.matches("retriable.restart.connector.wait.ms").count();
            ensure!(now > warnings, "{}", pipeline.worker.log_tail());
            Ok(())
        })
        .await?;
        pipeline.source.start_again().await?;
        load.goes_on(&pipeline, Duration::from_secs(2)).await?;
        load.arrives(&pipeline).await?;
    }
    both_run(&pipeline).await?;
    let address = format!("127.0.0.1:{}", pipeline.source.port());
    assert!(
        pipeline.worker.log().contains(&address),
        "{}",
        pipeline.worker.log_tail()
    );
    load.nothing_is_lost(&pipeline).await
}

#[tokio::test]
async fn both_databases_and_the_worker_may_be_away_at_once() -> Result<()> {
    let pipeline = CdcPipeline::start().await?;
    let mut load = Load::start(&pipeline, ROWS).await?;
    pipeline.run_both().await?;
    load.arrives(&pipeline).await?;
    pipeline.target.kill9();
    load.step(&pipeline).await?;
    pipeline.source.kill9();
    pipeline.worker.kill9();
    // It starts though neither of them answers.
    pipeline.worker.start_again().await?;
    pipeline.source.start_again().await?;
    load.step(&pipeline).await?;
    pipeline.target.start_again().await?;
    load.arrives(&pipeline).await?;
    both_run(&pipeline).await?;
    load.nothing_is_lost(&pipeline).await
}

#[tokio::test]
async fn a_broker_that_stops_is_waited_for() -> Result<()> {
    let source = MariaDb::start(flushed_to_the_kernel()).await?;
    let pipeline = CdcPipeline::start_from(source, PipelineOptions::on_kafka()).await?;
    let mut load = Load::start(&pipeline, ROWS).await?;
    pipeline.run_both().await?;
    load.arrives(&pipeline).await?;
    let kafka = pipeline.kafka.as_ref().expect("asked for");
    for in_order in [true, false] {
        load.goes_on(&pipeline, Duration::from_secs(1)).await?;
        if in_order {
            kafka.stop().await?;
        } else {
            kafka.kill9();
        }
        load.goes_on(&pipeline, Duration::from_secs(8)).await?;
        kafka.start_again().await?;
        load.goes_on(&pipeline, Duration::from_secs(1)).await?;
        load.arrives(&pipeline).await?;
    }
    both_run(&pipeline).await?;
    load.nothing_is_lost(&pipeline).await
}

#[tokio::test]
async fn an_orderly_stop_leaves_nothing_to_repeat() -> Result<()> {
    let pipeline = CdcPipeline::start().await?;
    pipeline.create_t().await?;
    let rest = pipeline.rest();
    let source = pipeline.source_config(&json!({}));
    rest.put_config("source", &source).await?;
    let file = pipeline.worker.directory().join("copy");
    let sink = json!({"connector.class": "FileStreamSink", "topics": "shop.shop.t", "file": file.display().to_string(),
        "value.converter": "org.apache.kafka.connect.storage.StringConverter"});
    rest.put_config("copy", &sink).await?;
    let lines = async |count: usize| {
        eventually(SERVER_DEADLINE, "all records are copied", || async {
            let lines = std::fs::read_to_string(&file)?.lines().count();
            ensure!(lines == count, "{lines} lines");
            Ok(())
        })
        .await
    };
    lines(1).await?;
    let insert = "INSERT INTO t VALUES (2, 2), (3, 3)";
    pipeline.source.exec("shop", insert).await?;
    lines(3).await?;
    pipeline.worker.restart().await?;
    rest.wait_running("source").await?;
    let insert = "INSERT INTO t VALUES (4, 4)";
    pipeline.source.exec("shop", insert).await?;
    lines(4).await
}

#[tokio::test]
async fn a_row_that_the_target_refuses_is_named_or_set_aside() -> Result<()> {
    let pipeline = CdcPipeline::start().await?;
    pipeline.create_t().await?;
    let table = "CREATE TABLE t (id INT PRIMARY KEY, v INT CHECK (v < 100))";
    pipeline.target.exec("postgres", table).await?;
    pipeline.run_both().await?;
    pipeline.target_has("id", &[row(&["1"])]).await?;
    let rows = "INSERT INTO t VALUES (2, 2), (3, 300), (4, 4)";
    pipeline.source.exec("shop", rows).await?;
    let rest = pipeline.rest();
    let trace = rest.wait_failed("sink").await?;
    for part in [
        "sink-0",
        "table t",
        "id=3",
        "shop.shop.t-0@2",
        "t_v_check",
        "errors.tolerance=all",
    ] {
        assert!(trace.contains(part), "'{part}' is not in: {trace}");
    }
    let tolerant = json!({"errors.tolerance": "all", "errors.deadletterqueue.topic.name": "dead",
        "errors.deadletterqueue.topic.replication.factor": "1", "errors.deadletterqueue.context.headers.enable": "true"});
    rest.put_config("sink", &pipeline.sink_config(&tolerant))
        .await?;
    let written = [row(&["1"]), row(&["2"]), row(&["4"])];
    pipeline.target_has("id", &written).await?;
    pipeline.worker.stop().await?;
    let dead = pipeline.topic("dead").await?;
    let texts: Vec<_> = dead.iter().map(Message::value_text).collect();
    assert!(texts.len() == 1 && texts[0].contains("300"), "{texts:?}");
    Ok(())
}
