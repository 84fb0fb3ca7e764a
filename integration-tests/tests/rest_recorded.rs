//! Our answers against those that the original gave when they were recorded.

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
use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tidegate_integration_tests::{
    Exchange, Mode, Properties, TidegateWorker, differences, eventually, java_testdata,
    no_differences, read_exchanges, send,
};

const DEADLINE: Duration = Duration::from_mins(1);

/// Settings with which the record was made.
fn properties() -> Properties {
    [
        ("group.id", "jvm"),
        ("offset.flush.interval.ms", "1000"),
        ("access.control.allow.origin", "http://a.example"),
        ("access.control.allow.methods", "GET,PUT"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// Everything that differs without being meant, and which reasons applied.
async fn replay(files: &[&str]) -> Result<(Vec<String>, BTreeSet<usize>)> {
    let worker = TidegateWorker::start(Mode::Distributed, &properties()).await?;
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("in.txt"), "one\ntwo\n")?;
    let place = folder.path().to_str().context("a path")?;
    let (mut wrong, mut used) = (Vec::new(), BTreeSet::new());
    for file in files {
        for exchange in read_exchanges(file)? {
            if exchange.method == "wait" {
                continue;
            }
            let left = hear(&exchange, worker.url(), place, &mut used).await?;
            wrong.extend(
                left.into_iter()
                    .map(|text| format!("{}\n  {text}", exchange.line)),
            );
        }
    }
    Ok((wrong, used))
}

/// What a request changes comes into effect later: until then what is read is read again.
async fn hear(
    exchange: &Exchange,
    url: &str,
    folder: &str,
    used: &mut BTreeSet<usize>,
) -> Result<Vec<String>> {
    let ask = async |used: &mut BTreeSet<usize>| {
        let ours = send(exchange, url, folder).await?;
        let found = differences(&exchange.answer, &ours);
        anyhow::Ok(meant::unexpected(exchange, found, used))
    };
    let mut left = ask(used).await?;
    if exchange.method == "GET" && !left.is_empty() {
        let seen = tokio::sync::Mutex::new((used, left));
        let settled = eventually(DEADLINE, &exchange.line, || async {
            let mut seen = seen.lock().await;
            seen.1 = ask(seen.0).await?;
            ensure!(seen.1.is_empty(), "it differs");
            Ok(())
        });
        drop(settled.await);
        left = seen.into_inner().1;
    }
    Ok(left
        .into_iter()
        .map(|difference| format!("{difference:?}"))
        .collect())
}

#[tokio::test]
async fn answers_are_those_of_the_original() -> Result<()> {
    let (mut wrong, mut used) = replay(&["rest.txt", "rest-offsets.txt"]).await?;
    let (more, more_used) = replay(&["rest-more.txt"]).await?;
    wrong.extend(more);
    used.extend(more_used);
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    let stale: Vec<_> = meant::MEANT
        .iter()
        .enumerate()
        .filter(|(index, _)| !used.contains(index))
        .map(|(_, meant)| meant)
        .collect();
    ensure!(stale.is_empty(), "differences that are none: {stale:#?}");
    Ok(())
}

#[test]
fn every_difference_has_its_reason() -> Result<()> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/DIFFERENCES.md");
    let text = std::fs::read_to_string(path)?;
    let meant = meant::MEANT.iter().map(|meant| meant.because);
    for because in meant.chain(rules::RULES.iter().map(|rule| rule.because)) {
        ensure!(
            text.contains(because),
            "DIFFERENCES.md says nothing of '{because}'"
        );
    }
    Ok(())
}

#[tokio::test]
async fn generated_requests_are_answered_as_by_the_original() -> Result<()> {
    let record = generated::read(generated::RECORDING, requests::all())?;
    let worker = TidegateWorker::start(Mode::Distributed, &properties()).await?;
    let folder = tempfile::tempdir()?;
    let place = folder.path().to_str().context("a path")?;
    let world = world::World::new(worker.url(), place).await?;
    let tally = generated::compare(&world, &record).await?;
    writeln!(std::io::stderr(), "{tally}")?;
    no_differences(&tally.wrong)?;
    let rules = rules::RULES.iter().enumerate();
    let stale: Vec<_> = rules
        .filter(|(number, _)| !tally.used.contains(number))
        .map(|(number, rule)| (number, rule.because))
        .collect();
    ensure!(stale.is_empty(), "rules that cover nothing: {stale:?}");
    Ok(())
}

#[tokio::test]
async fn a_start_that_fails_has_connects_exit_status() -> Result<()> {
    for start in &starts::STARTS {
        let folder = tempfile::tempdir()?;
        let mut props = Properties::new();
        let mode = start.prepare(folder.path(), &mut props)?;
        let started = TidegateWorker::start(mode, &props).await;
        start.check(&start.ends(started).await?)?;
    }
    Ok(())
}

#[tokio::test]
async fn keys_are_described_as_the_original_does() -> Result<()> {
    let worker = TidegateWorker::start(Mode::Distributed, &properties()).await?;
    let rest = worker.rest();
    let known = rest.get("/connector-plugins?connectorsOnly=false").await?;
    let known = known.success()?;
    let known: BTreeSet<&str> = known
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|plugin| plugin["class"].as_str())
        .collect();
    let text = std::fs::read_to_string(java_testdata().join("definitions.txt"))?;
    let mut wrong = Vec::new();
    let mut compared = 0;
    for block in text.split("### ").skip(1) {
        let (class, keys) = block.split_once('\n').context("keys")?;
        if !known.contains(class) {
            continue;
        }
        compared += 1;
        let mut ours = rest
            .get(&format!("/connector-plugins/{class}/config"))
            .await?
            .success()?;
        for key in ours.as_array_mut().into_iter().flatten() {
            let documentation = key
                .as_object_mut()
                .and_then(|key| key.remove("documentation"));
            let text = documentation.as_ref().and_then(Value::as_str);
            let is_text = text.is_some_and(|text| text.ends_with('.'));
            ensure!(is_text, "{class}: {key}");
        }
        let java: Vec<Value> = keys
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<_, _>>()?;
        let ours = ours.as_array().cloned().unwrap_or_default();
        let names = |keys: &[Value]| -> Vec<String> {
            keys.iter().map(|key| key["name"].to_string()).collect()
        };
        if names(&java) != names(&ours) {
            wrong.push(format!(
                "{class}: {:?} instead of {:?}",
                names(&ours),
                names(&java)
            ));
            continue;
        }
        for (java, ours) in java.iter().zip(&ours) {
            if java != ours {
                wrong.push(format!("{class}: {ours} instead of {java}"));
            }
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    ensure!(compared > 20, "only {compared} classes");
    Ok(())
}

#[tokio::test]
async fn validation_answers_tell_what_keys_mean() -> Result<()> {
    let worker = TidegateWorker::start(Mode::Distributed, &properties()).await?;
    let rest = worker.rest();
    let mut seen = 0;
    for class in [
        "io.debezium.connector.mariadb.MariaDbConnector",
        "io.debezium.connector.mysql.MySqlConnector",
        "io.debezium.connector.jdbc.JdbcSinkConnector",
        "io.confluent.connect.jdbc.JdbcSinkConnector",
        "FileStreamSource",
        "FileStreamSink",
    ] {
        let config = json!({
            "name": "c", "connector.class": class, "key.converter": "org.apache.kafka.connect.json.JsonConverter",
            "transforms": "cast", "transforms.cast.type": "org.apache.kafka.connect.transforms.Cast$Value",
            "predicates": "named", "predicates.named.type": "org.apache.kafka.connect.transforms.predicates.TopicNameMatches",
            "topic.delimiter": "!", "producer.override.linger.ms": "5", "consumer.override.fetch.min.bytes": "1",
        });
        let path = format!("/connector-plugins/{class}/config/validate");
        let answer = rest.put(&path, Some(&config)).await?.success()?;
        for key in answer["configs"].as_array().context("keys")? {
            let text = key["definition"]["documentation"].as_str();
            let is_text = text.is_some_and(|text| text.ends_with('.'));
            ensure!(is_text, "{class}: {key}");
            seen += 1;
        }
    }
    ensure!(seen > 300, "{seen}");
    Ok(())
}
