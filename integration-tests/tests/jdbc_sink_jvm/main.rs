//! The JDBC sink against the original: the same records, and tables that are equal in names, types, defaults and rows.
//!
//! `as_recorded` compares with what the original made of the records when it was recorded (`sink-cases/*/expected`); it
//! needs PostgreSQL alone. `as_the_original` runs the original beside it on the same topics of a broker.
//! `TIDEGATE_RECORD=1` makes the latter write the recordings and the former the differences that are meant;
//! `TIDEGATE_CASES=a,b` chooses cases. See `sink-cases/README.md`.

mod case;
mod generated;
mod run;
mod tables;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use tidegate_embedded::EmbeddedLog;
use tidegate_integration_tests::{
    JvmConnect, KafkaBroker, KafkaOptions, Mode, Postgres, PostgresOptions, Properties,
    TidegateWorker, no_differences,
};
use tidegate_kafka::KafkaLog;
use tidegate_log::ClientConfig;

use case::Case;
use run::Side;
use tables::Content;

async fn postgres() -> Result<Postgres> {
    Postgres::start(PostgresOptions {
        settings: ["max_connections=500", "timezone=UTC"]
            .map(str::to_owned)
            .to_vec(),
        ..PostgresOptions::default()
    })
    .await
}

fn is_recording() -> bool {
    std::env::var_os("TIDEGATE_RECORD").is_some()
}

/// Compares what is here with what the original did, apart from what is known to differ; the patterns of `meant` that it
/// took for that.
fn compare<'a>(
    case: &'a Case,
    connector: &str,
    ours: &Content,
    found: &mut Vec<String>,
) -> Result<Vec<&'a str>> {
    let original = case.recorded(connector)?;
    let place = |text: &str| format!("{}/{connector}/{text}", case.name);
    let different = original.different(ours);
    let mut used = Vec::new();
    for (at, what) in different.places() {
        let meant = case.meant(connector, at)?;
        if meant.is_empty() && !at.starts_with("error/") {
            let theirs = original.places().find(|(place, _)| *place == at);
            let theirs = theirs.map_or("absent", |(_, what)| what);
            found.push(place(&format!("{at}: {what} instead of {theirs}")));
        }
        used.extend(meant);
    }
    if is_recording() {
        case.record_different(connector, &different)?;
    } else {
        let known = case.different(connector)?;
        found.extend(known.explain(&different).iter().map(|text| place(text)));
    }
    Ok(used)
}

/// Compares all connectors of a case, with the reasons that `case.json` gives.
fn compare_all(
    case: &Case,
    contents: BTreeMap<String, Content>,
    found: &mut Vec<String>,
) -> Result<()> {
    let mut used = BTreeSet::new();
    for (connector, content) in contents {
        used.extend(compare(case, &connector, &content, found)?);
    }
    let stale = case.stale(&used).into_iter();
    found.extend(stale.map(|pattern| {
        let name = &case.name;
        format!("{name}: the pattern '{pattern}' of meant covers no difference any more")
    }));
    Ok(())
}

/// Keeps what a case came to, or notes why it came to nothing: the other cases go on.
fn noted<T>(result: Result<T>, case: &Case, found: &mut Vec<String>) -> Option<T> {
    result
        .inspect_err(|error| found.push(format!("case {}: {error:#}", case.name)))
        .ok()
}

#[tokio::test]
async fn as_recorded() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let cases = Case::all()?;
    // Old records would not stay in the queues.
    let start = chrono::Utc::now().timestamp_millis();
    {
        let log = EmbeddedLog::open(folder.path())?;
        for case in &cases {
            run::fill(&log, case, start).await?;
        }
    }
    let postgres = postgres().await?;
    let data = folder.path().display().to_string();
    let props = Properties::from([
        ("offset.flush.interval.ms".to_owned(), "200".to_owned()),
        ("embedded.data.dir".to_owned(), data),
    ]);
    let worker = TidegateWorker::start(Mode::Distributed, &props).await?;
    let side = Side {
        name: "ours",
        rest: worker.rest(),
    };
    let mut found = Vec::new();
    let mut all = Vec::new();
    for case in &cases {
        let contents = run::run(&side, &postgres, case).await;
        all.extend(noted(contents, case, &mut found).map(|contents| (case, contents)));
    }
    worker.stop().await?;
    let log = EmbeddedLog::open(folder.path())?;
    for (case, mut contents) in all {
        let compared = async {
            run::add_dead_letters(&log, &side, case, &mut contents, start).await?;
            compare_all(case, contents, &mut found)
        };
        let compared = compared.await;
        noted(compared, case, &mut found);
    }
    no_differences(&found)
}

#[tokio::test]
async fn as_the_original() -> Result<()> {
    let postgres = postgres().await?;
    let kafka = KafkaBroker::start(KafkaOptions::default()).await?;
    let config = ClientConfig::default().with("bootstrap.servers", kafka.bootstrap());
    let log = KafkaLog::new(config)?;
    let mut cases = Case::all()?;
    // The original takes minutes for those that are generated, and is asked for them when they are recorded or chosen.
    if !is_recording() && std::env::var_os("TIDEGATE_CASES").is_none() {
        cases.retain(|case| !case.is_generated());
    }
    // Old records would not stay in the queues.
    let start = chrono::Utc::now().timestamp_millis();
    for case in &cases {
        run::fill(&log, case, start).await?;
    }
    let flush = ("offset.flush.interval.ms".to_owned(), "200".to_owned());
    let mut props = kafka.distributed_props();
    props.extend([flush.clone()]);
    let original = JvmConnect::start(&props).await?;
    let side = Side {
        name: "original",
        rest: original.rest(),
    };
    let mut found = Vec::new();
    for case in &cases {
        let compared = async {
            let mut contents = run::run(&side, &postgres, case).await?;
            run::add_dead_letters(&log, &side, case, &mut contents, start).await?;
            for (connector, content) in contents {
                if is_recording() {
                    case.record(&connector, &content)?;
                    continue;
                }
                let lines = case.recorded(&connector)?.explain(&content);
                let place = format!("original: {}/{connector}", case.name);
                found.extend(lines.iter().map(|line| format!("{place}/{line}")));
            }
            anyhow::Ok(())
        };
        let compared = compared.await;
        noted(compared, case, &mut found);
    }
    original.stop().await?;
    if is_recording() {
        return no_differences(&found);
    }
    let mut props = kafka.distributed_props();
    props.extend([flush]);
    let worker = TidegateWorker::start(Mode::Distributed, &props).await?;
    let side = Side {
        name: "ours",
        rest: worker.rest(),
    };
    for case in &cases {
        let compared = async {
            let mut contents = run::run(&side, &postgres, case).await?;
            run::add_dead_letters(&log, &side, case, &mut contents, start).await?;
            compare_all(case, contents, &mut found)
        };
        let compared = compared.await;
        noted(compared, case, &mut found);
    }
    worker.stop().await?;
    no_differences(&found)
}
