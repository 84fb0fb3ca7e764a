//! The running original and the worker under test, asked the same.

#[allow(dead_code, reason = "the one test records, the other compares")]
#[path = "rest/generated.rs"]
mod generated;
#[path = "rest/meant.rs"]
mod meant;
#[allow(dead_code, reason = "the one test records, the other compares")]
#[path = "rest/requests.rs"]
mod requests;
#[allow(dead_code, reason = "the one test records, the other compares")]
#[path = "rest/rules.rs"]
mod rules;
#[allow(dead_code, reason = "the one test records, the other compares")]
#[path = "rest/starts.rs"]
mod starts;
#[allow(dead_code, reason = "the one test records, the other compares")]
#[path = "rest/wire.rs"]
mod wire;
#[allow(dead_code, reason = "the one test records, the other compares")]
#[path = "rest/world.rs"]
mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tidegate_integration_tests::{
    ConnectOptions, Exchange, JvmConnect, KafkaBroker, KafkaOptions, Mode, TidegateWorker,
    differences, eventually, read_exchanges, send,
};

const DEADLINE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn both_workers_answer_alike() -> Result<()> {
    let kafka = KafkaBroker::start(KafkaOptions::default()).await?;
    let mut props = kafka.distributed_props();
    for (name, value) in [
        ("group.id", "jvm"),
        ("offset.flush.interval.ms", "1000"),
        ("access.control.allow.origin", "http://a.example"),
        ("access.control.allow.methods", "GET,PUT"),
    ] {
        props.insert(name.to_owned(), value.to_owned());
    }
    let jvm = JvmConnect::start(&props).await?;
    props.retain(|name, _| name != "bootstrap.servers" && !name.contains(".storage."));
    let tidegate = TidegateWorker::start(Mode::Distributed, &props).await?;
    let folders = [tempfile::tempdir()?, tempfile::tempdir()?];
    let [jvm_folder, our_folder] = &folders;
    let place = |folder: &tempfile::TempDir| folder.path().display().to_string();
    let places = (place(jvm_folder), place(our_folder));
    let (mut wrong, mut used) = (Vec::new(), BTreeSet::new());
    // The second one leaves a connector that the original cannot delete.
    for file in ["rest-more.txt", "rest.txt", "rest-offsets.txt"] {
        for folder in &folders {
            std::fs::write(folder.path().join("in.txt"), "one\ntwo\n")?;
        }
        for exchange in read_exchanges(file)? {
            // Statuses of the whole list would show what the two do at different speeds.
            let ask = async |used: &mut BTreeSet<usize>| {
                let java = send(&exchange, jvm.url(), &places.0).await?;
                let ours = send(&exchange, tidegate.url(), &places.1).await?;
                let found = differences(&java, &ours);
                anyhow::Ok(meant::unexpected(&exchange, found, used))
            };
            let mut left = ask(&mut used).await?;
            if !left.is_empty() && exchange.method == "GET" {
                let last = tokio::sync::Mutex::new((&mut used, left));
                let alike = eventually(DEADLINE, &exchange.line, || async {
                    let mut last = last.lock().await;
                    let asked = ask(last.0).await?;
                    last.1 = asked;
                    ensure!(last.1.is_empty(), "it differs");
                    Ok(())
                });
                drop(alike.await);
                left = last.into_inner().1;
            }
            wrong.extend(
                left.into_iter()
                    .map(|found| format!("{}\n  {found:?}", exchange.line)),
            );
            if exchange.method != "GET" {
                settle(&exchange, &[jvm.url(), tidegate.url()]).await?;
            }
        }
        for url in [jvm.url(), tidegate.url()] {
            delete_all(url).await?;
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// With `TIDEGATE_RECORD=1` the original's answers to the generated requests are written, otherwise the recording is held
/// against them.
#[tokio::test]
#[ignore = "asks the original for minutes: what it answered is recorded"]
async fn generated_requests_are_recorded() -> Result<()> {
    let kafka = KafkaBroker::start(KafkaOptions::default()).await?;
    let mut props = kafka.distributed_props();
    props.insert("offset.flush.interval.ms".to_owned(), "1000".to_owned());
    let jvm = JvmConnect::start(&props).await?;
    let folder = tempfile::tempdir()?;
    let place = folder.path().to_str().context("a path")?;
    let world = world::World::new(jvm.url(), place).await?;
    let record = generated::record(&world, requests::all()).await?;
    if std::env::var_os("TIDEGATE_RECORD").is_some() {
        return generated::write(generated::RECORDING, &record);
    }
    let kept = generated::read(generated::RECORDING, requests::all())?;
    let differing = record
        .iter()
        .zip(&kept)
        .filter(|(now, kept)| !differences(&kept.answer, &now.answer).is_empty());
    let lines: Vec<String> = differing.map(|(now, _)| now.request.line()).collect();
    ensure!(
        lines.is_empty(),
        "answered otherwise now:\n{}",
        lines.join("\n")
    );
    Ok(())
}

#[tokio::test]
async fn a_start_that_fails_has_this_exit_status() -> Result<()> {
    let kafka = KafkaBroker::start(KafkaOptions::default()).await?;
    for start in &starts::STARTS {
        let folder = tempfile::tempdir()?;
        let mut props = kafka.distributed_props();
        let mode = start.prepare(folder.path(), &mut props)?;
        let options = ConnectOptions {
            mode,
            ..ConnectOptions::default()
        };
        let started = JvmConnect::start_with(options, &props).await;
        start.ends(started).await?;
    }
    Ok(())
}

/// Waits until a connector that was changed is in the state that it is to have, so that the next request finds it there.
async fn settle(exchange: &Exchange, urls: &[&str]) -> Result<()> {
    for url in urls {
        let rest = tidegate_integration_tests::Rest::new(url);
        eventually(
            DEADLINE,
            &format!("{} is done by {url}", exchange.line),
            || async {
                let all = rest
                    .get("/connectors?expand=status&expand=info")
                    .await?
                    .success()?;
                let names = rest.get("/connectors").await?.success()?;
                for name in names
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                {
                    let one = &all[name];
                    let connector = one["status"]["connector"]["state"].as_str();
                    let connector = connector.with_context(|| format!("{name} has no status"))?;
                    ensure!(!["RESTARTING", "UNASSIGNED"].contains(&connector), "{one}");
                    let wanted = one["info"]["tasks"].as_array().map_or(0, Vec::len);
                    let tasks = one["status"]["tasks"]
                        .as_array()
                        .cloned()
                        .unwrap_or_default();
                    ensure!(tasks.len() == wanted, "{one}");
                    ensure!(connector != "RUNNING" || wanted > 0, "{one}");
                    let settled = |task: &Value| {
                        task["state"] == connector
                            || task["state"] == "FAILED"
                            || connector == "FAILED"
                    };
                    ensure!(tasks.iter().all(settled), "{one}");
                }
                Ok(())
            },
        )
        .await?;
    }
    Ok(())
}

async fn delete_all(url: &str) -> Result<()> {
    let rest = tidegate_integration_tests::Rest::new(url);
    let names = rest.get("/connectors").await?.success()?;
    for name in names
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        // The original takes no encoded slash; such a connector stays.
        if !name.contains('/') {
            rest.delete(name).await?;
        }
    }
    Ok(())
}
