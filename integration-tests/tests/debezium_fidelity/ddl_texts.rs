//! Statements of all kinds that the servers know, made by [`ddl_scenarios`], through the connectors: what stands in the
//! schema change topic and in the schema history for each of them.
//!
//! `ddl-texts/<server>.jsonl` has what the original wrote. Differences that are meant are rules, see [`meant`].

mod answers;
mod diffs;
mod meant;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Row};
use serde_json::{Map, json};
use tidegate_embedded::EmbeddedLog;
use tidegate_integration_tests::{MySqlOptions, MySqlServer, ddl_scenarios, no_differences};

use self::answers::{Line, Place};
use super::case::{Case, Kind};
use super::masks::{Base, Masks};
use super::run::{self, Side};
use super::{Ours, TURN, original, records, server_with};

/// What all connectors see.
const OBJECTS: &str = "CREATE DATABASE ddl_texts CHARACTER SET utf8mb4; CREATE DATABASE ddl_other; \
     CREATE TABLE ddl_texts.zz_like (id INT NOT NULL PRIMARY KEY, v VARCHAR(9))";
const SEQUENCE: &str = "CREATE SEQUENCE ddl_texts.zz_seq";

/// A connector that keeps everything, and two that keep less.
fn case() -> Case {
    let connectors = json!({
        "all": {"database.include.list": ""},
        "databases": {"schema.history.internal.store.only.captured.databases.ddl": "true"},
        "tables": {
            "table.include.list": "ddl_texts\\.[abz].*",
            "schema.history.internal.store.only.captured.tables.ddl": "true",
        },
    });
    let common = json!({
        "snapshot.mode": "no_data",
        "skipped.operations": "none",
        "schema.history.internal.skip.unparseable.ddl": "true",
    });
    let mut connectors = connectors.as_object().cloned().unwrap_or_default();
    for settings in connectors.values_mut() {
        if let (Some(settings), Some(common)) = (settings.as_object_mut(), common.as_object()) {
            settings.extend(common.clone());
        }
    }
    Case {
        name: "ddl-texts".to_owned(),
        directory: PathBuf::new(),
        connectors,
        resume: Map::new(),
        varies: false,
        setup: String::new(),
        changes: String::new(),
        stopped: None,
        alone: false,
        meant: Vec::new(),
    }
}

fn recording(kind: Kind) -> PathBuf {
    let name = format!("{}.jsonl", kind.name());
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("ddl-texts")
        .join(name)
}

/// Starts the connectors and has the server execute all statements.
async fn run(kind: Kind, server: &MySqlServer, case: &Case, side: &Side) -> Result<Vec<Line>> {
    server.exec("", OBJECTS).await?;
    if kind == Kind::MariaDb {
        server.exec("", SEQUENCE).await?;
    }
    for (connector, index) in case.connectors.keys().zip(0..) {
        let config = side.config(kind, server, case, connector, index);
        let name = side.prefix(case, connector);
        side.rest.put_config(&name, &config).await?;
    }
    for connector in case.connectors.keys() {
        run::snapshot_done(side, &side.prefix(case, connector)).await?;
    }
    execute(kind, server).await
}

/// Waits until all connectors have read everything.
async fn finish(kind: Kind, server: &MySqlServer, case: &Case, side: &Side) -> Result<()> {
    let end = Base::read(kind, server).await?;
    server
        .exec("ddl_texts", "INSERT INTO zz_like VALUES (1, 'end')")
        .await?;
    for connector in case.connectors.keys() {
        run::reached(side, &side.prefix(case, connector), &end).await?;
    }
    Ok(())
}

/// File and position.
async fn end_of_log(kind: Kind, session: &mut Conn) -> Result<(String, u64)> {
    let status = match kind {
        Kind::MariaDb => "SHOW MASTER STATUS",
        Kind::MySql => "SHOW BINARY LOG STATUS",
    };
    let row: Option<Row> = session.query_first(status).await?;
    let mut row = row.context("a place")?;
    row.take(0).zip(row.take(1)).context("file and position")
}

/// Has the server execute all statements; those that it has logged.
async fn execute(kind: Kind, server: &MySqlServer) -> Result<Vec<Line>> {
    let scenarios = ddl_scenarios(kind == Kind::MySql)?;
    let (mut lines, mut refused) = (Vec::new(), Vec::new());
    let mut watch = server.connect("").await?;
    let mut before = end_of_log(kind, &mut watch).await?;
    for (scenario, number) in scenarios.iter().zip(0_usize..) {
        let mut session = server.connect("ddl_texts").await?;
        let mut mode = String::new();
        for step in &scenario.steps {
            if let Err(error) = session.query_drop(scenario.encoded(step)?).await {
                refused.push(format!("{}: {}\n    {error}", scenario.kind, step.sql));
            }
            if step.prepares && step.sql.starts_with("SET sql_mode") {
                let found = session.query_first("SELECT @@sql_mode").await?;
                mode = found.context("a mode")?;
            }
            let after = end_of_log(kind, &mut watch).await?;
            ensure!(after.0 == before.0, "the log has one file");
            if after.1 > before.1 {
                lines.push(Line {
                    kind: scenario.kind.clone(),
                    sql: step.sql.clone(),
                    mode: mode.clone(),
                    place: Place {
                        from: before.1,
                        to: after.1,
                    },
                    answers: BTreeMap::new(),
                    scenario: number,
                    failed: false,
                    encoded: scenario.is_encoded(step),
                });
            }
            before = after;
        }
        session.disconnect().await?;
    }
    watch.disconnect().await?;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fidelity");
    fs::create_dir_all(&folder)?;
    fs::write(
        folder.join(format!("{}-ddl-texts.refused", kind.name())),
        refused.join("\n"),
    )?;
    Ok(lines)
}

async fn as_recorded(kind: Kind) -> Result<()> {
    let _turn = TURN.lock().await;
    let server = server_with(kind, MySqlOptions::default()).await?;
    let (ours, masks, case) = (Ours::start().await?, Masks::new()?, case());
    let side = ours.side();
    let mut lines = run(kind, &server, &case, &side).await?;
    finish(kind, &server, &case, &side).await?;
    for connector in case.connectors.keys() {
        side.rest.delete(&side.prefix(&case, connector)).await?;
    }
    ours.worker.stop().await?;
    let log = EmbeddedLog::open(&ours.data)?;
    for connector in case.connectors.keys() {
        let read = records::of_embedded(&log, &side.prefix(&case, connector), &masks).await?;
        answers::attribute(kind, &mut lines, connector, &read)?;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fidelity");
    answers::write(
        &folder.join(format!("{}-ddl-texts.ours.jsonl", kind.name())),
        &lines,
    )?;
    let theirs = answers::read(&recording(kind))?;
    let compared = meant::compare(kind, &lines, &theirs)?;
    fs::write(
        folder.join(format!("{}-ddl-texts.counts", kind.name())),
        compared.counts(),
    )?;
    no_differences(&compared.differences)
}

/// Writes what the original answers.
async fn record(kind: Kind, letter: char) -> Result<()> {
    let _turn = TURN.lock().await;
    let original = original().await?;
    let server = server_with(kind, MySqlOptions::default()).await?;
    let case = case();
    let side = Side {
        rest: original.connect.rest(),
        letter,
        history_servers: original.kafka.bootstrap().to_owned(),
        first_server_id: 1000,
    };
    let log_before = original.connect.log().len();
    let mut lines = run(kind, &server, &case, &side).await?;
    finish(kind, &server, &case, &side).await?;
    let masks = Masks::new()?;
    for connector in case.connectors.keys() {
        let prefix = side.prefix(&case, connector);
        let read = records::of_kafka(&side.history_servers, &prefix, &masks).await?;
        answers::attribute(kind, &mut lines, connector, &read)?;
        side.rest.delete(&prefix).await?;
    }
    let log = original.connect.log();
    let log = log.get(log_before..).unwrap_or_default();
    for line in &mut lines {
        let failed = line
            .texts()
            .any(|ddl| log.contains(&format!("Ignoring unparseable DDL statement '{ddl}'")));
        line.failed = failed;
    }
    answers::write(&recording(kind), &lines)
}

#[tokio::test]
async fn mariadb_ddl_texts_as_recorded() -> Result<()> {
    as_recorded(Kind::MariaDb).await
}

#[tokio::test]
async fn mysql_ddl_texts_as_recorded() -> Result<()> {
    as_recorded(Kind::MySql).await
}

#[tokio::test]
#[ignore = "writes what the original answers"]
async fn record_mariadb_ddl_texts() -> Result<()> {
    record(Kind::MariaDb, 'm').await
}

#[tokio::test]
#[ignore = "writes what the original answers"]
async fn record_mysql_ddl_texts() -> Result<()> {
    record(Kind::MySql, 'n').await
}
