//! What validations answer: each key of the connectors, converters, transformations, predicates and client overrides,
//! missing, empty, null and of many values, held against the original.
//!
//! `as_recorded` compares with what the original answered when it was recorded (`runtime/worker/testdata/java/validations`)
//! and needs the databases alone. `as_the_original` asks the original itself; `TIDEGATE_RECORD=1` makes it write the
//! recordings. Requests are generated from what the original says of its own keys; see [`generate`].

mod bases;
mod compare;
mod generate;
mod recording;
mod rules;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tidegate_integration_tests::{
    JvmConnect, KafkaBroker, KafkaOptions, MariaDb, Mode, MySql, MySqlOptions, MySqlServer,
    Properties, TidegateWorker, no_differences,
};

use bases::{Base, Servers};
use compare::{Answer, differences};
use generate::Request;
use recording::Recording;
use rules::{Case, RULES};

/// Requests on their way at a time.
const CONCURRENCY: usize = 16;

struct Databases {
    mariadb: MySqlServer,
    mysql: MySqlServer,
}

impl Databases {
    async fn start() -> Result<Self> {
        let (mariadb, mysql) = tokio::try_join!(
            MariaDb::start(MySqlOptions::default()),
            MySql::start(MySqlOptions::default())
        )?;
        Ok(Self { mariadb, mysql })
    }

    fn of(&self, url: &str) -> Servers {
        Servers::new(url, self.mariadb.port(), self.mysql.port())
    }
}

/// Settings of both workers.
fn properties() -> Properties {
    let json = "org.apache.kafka.connect.json.JsonConverter";
    [
        ("group.id", "jvm"),
        ("key.converter", json),
        ("value.converter", json),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// Answers to requests, in their order.
async fn answers(servers: &Servers, requests: &[Request]) -> Result<Vec<Answer>> {
    let asked = requests.iter().map(|request| servers.ask(request));
    stream::iter(asked)
        .buffered(CONCURRENCY)
        .try_collect()
        .await
}

async fn record(base: &Base, servers: &Servers) -> Result<Recording> {
    let first = servers.ask(&base.request()).await?;
    let requests = generate::requests(base, &first);
    let answers = answers(servers, &requests).await?;
    Ok(Recording {
        base: first,
        answers: requests.into_iter().zip(answers).collect(),
    })
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "asks the original for minutes: what it answered is recorded"]
async fn as_the_original() -> Result<()> {
    let bases = bases::all()?;
    let databases = Databases::start().await?;
    let kafka = KafkaBroker::start(KafkaOptions::default()).await?;
    let mut props = kafka.distributed_props();
    props.extend(properties());
    let jvm = JvmConnect::start(&props).await?;
    let servers = databases.of(jvm.url());
    let mut wrong = Vec::new();
    for base in bases {
        let live = record(&base, &servers).await.context(base.name.clone())?;
        if std::env::var_os("TIDEGATE_RECORD").is_some() {
            live.write(&base)?;
            continue;
        }
        let recorded = Recording::read(&base)?;
        for ((request, live), (_, recorded)) in live.answers.iter().zip(&recorded.answers) {
            let found = differences(live, recorded);
            wrong.extend(found.iter().map(|found| found.text(request)));
        }
    }
    no_differences(&wrong)
}

/// What a comparison has come to.
#[derive(Default)]
struct Count {
    requests: usize,
    /// Members of entries in the original's answers; an answer that is a failure counts as one.
    compared: usize,
    /// Differences that are meant, by the number of their rule.
    meant: BTreeMap<usize, usize>,
    wrong: Vec<String>,
}

impl Count {
    /// `base` is what we answer to the base of the request.
    fn add(&mut self, request: &Request, base: &Answer, java: &Answer, ours: &Answer) {
        self.requests += 1;
        self.compared += java.size();
        for difference in differences(java, ours) {
            let case = Case {
                request,
                base,
                java,
                ours,
                difference: &difference,
            };
            let covering = rules::covering(&case);
            if covering.is_empty() {
                self.wrong.push(difference.text(request));
            }
            for index in covering {
                *self.meant.entry(index).or_default() += 1;
            }
        }
    }

    /// What was compared, and how many differences each rule means.
    fn summary(&self) -> String {
        let mut text = String::new();
        for (index, rule) in RULES.iter().enumerate() {
            let meant = self.meant.get(&index).copied().unwrap_or(0);
            writeln!(text, "{meant:8} {}", rule.because).expect("writing to a string never fails");
        }
        let (requests, compared, wrong) = (self.requests, self.compared, self.wrong.len());
        let meant: usize = self.meant.values().sum();
        write!(
            text,
            "{requests} requests, {compared} items compared, {meant} differences meant by {} rules, {wrong} unmeant",
            RULES.len()
        )
        .expect("writing to a string never fails");
        text
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn as_recorded() -> Result<()> {
    let databases = Databases::start().await?;
    let worker = TidegateWorker::start(Mode::Distributed, &properties()).await?;
    let servers = databases.of(worker.url());
    let mut count = Count::default();
    for base in bases::all()? {
        let begun = Instant::now();
        let recorded = Recording::read(&base)?;
        let generated = generate::requests(&base, &recorded.base);
        let known: Vec<&Request> = recorded
            .answers
            .iter()
            .map(|(request, _)| request)
            .collect();
        ensure!(
            generated.iter().eq(known),
            "{} was recorded with other requests; TIDEGATE_RECORD=1 with as_the_original records again",
            base.name
        );
        let own = servers.ask(&base.request()).await?;
        count.add(&base.request(), &own, &recorded.base, &own);
        let ours = answers(&servers, &generated).await?;
        for ((request, java), ours) in recorded.answers.iter().zip(&ours) {
            count.add(request, &own, java, ours);
        }
        let (name, requests, took) = (&base.name, generated.len(), begun.elapsed());
        writeln!(std::io::stdout(), "{took:10.1?} {requests:5} {name}")?;
    }
    writeln!(std::io::stdout(), "{}", count.summary())?;
    no_differences(&count.wrong)?;
    let stale = RULES.iter().enumerate();
    let stale = stale.filter(|(index, _)| !count.meant.contains_key(index));
    let stale: Vec<&str> = stale.map(|(_, rule)| rule.because).collect();
    ensure!(
        stale.is_empty(),
        "rules that cover nothing any more: {stale:#?}"
    );
    Ok(())
}

#[test]
fn every_rule_has_its_reason() -> Result<()> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/DIFFERENCES.md");
    let text = fs::read_to_string(path)?;
    for rule in RULES {
        let because = rule.because;
        ensure!(
            text.contains(because),
            "DIFFERENCES.md says nothing of '{because}'"
        );
    }
    Ok(())
}
