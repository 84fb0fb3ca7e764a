//! What validations answer: each key of the connectors, converters, transformations, predicates and client overrides,
//! missing, empty, null and of many values, held against the original.
//!
//! `as_recorded` compares with what the original answered when it was recorded (`runtime/worker/testdata/java/validations`)
//! and needs the databases alone. `as_the_original` asks the original itself; `TIDEGATE_RECORD=1` makes it write the
//! recordings. Requests are generated from what the original says of its own keys; see [`generate`].

mod bases;
mod compare;
mod generate;
mod known;
mod recording;
mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
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
    alike: usize,
    meant: usize,
    by_rule: BTreeMap<usize, usize>,
    wrong: Vec<String>,
    /// What rules cover, after their names.
    covered: Vec<String>,
}

impl Count {
    fn add(&mut self, request: &Request, java: &Answer, ours: &Answer) {
        self.requests += 1;
        let found = differences(java, ours);
        let mut different = false;
        let mut is_meant = false;
        for difference in found {
            let case = Case {
                request,
                java,
                ours,
                difference: &difference,
            };
            let covering = RULES.iter().enumerate();
            let covering = covering.filter(|(_, rule)| (rule.covers)(&case));
            let covering: BTreeSet<usize> = covering.map(|(index, _)| index).collect();
            let text = difference.text(request);
            if covering.is_empty() {
                different = true;
                self.wrong.push(text);
            } else {
                let because: Vec<&str> = covering.iter().map(|i| RULES[*i].because).collect();
                self.covered.push(format!("{}\t{text}", because.join("|")));
                is_meant = true;
            }
            for index in covering {
                *self.by_rule.entry(index).or_default() += 1;
            }
        }
        match (different, is_meant) {
            (false, false) => self.alike += 1,
            (false, true) => self.meant += 1,
            _ => {}
        }
    }

    fn summary(&self) -> String {
        let (requests, alike, meant) = (self.requests, self.alike, self.meant);
        let different = requests - alike - meant;
        format!(
            "{requests} requests: {alike} alike, {meant} different on purpose, {different} different"
        )
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
        let ours = servers.ask(&base.request()).await?;
        count.add(&base.request(), &recorded.base, &ours);
        let ours = answers(&servers, &generated).await?;
        for ((request, java), ours) in recorded.answers.iter().zip(&ours) {
            count.add(request, java, ours);
        }
        let (name, requests, took) = (&base.name, generated.len(), begun.elapsed());
        writeln!(std::io::stdout(), "{took:10.1?} {requests:5} {name}")?;
    }
    let mut table = format!("\n{}", count.summary());
    for (index, rule) in RULES.iter().enumerate() {
        let covered = count.by_rule.get(&index).copied().unwrap_or(0);
        write!(table, "\n{covered:6} {}", rule.because)?;
    }
    writeln!(std::io::stdout(), "{table}")?;
    let meant = Path::new(env!("CARGO_TARGET_TMPDIR")).join("validation_meant.tsv");
    fs::write(meant, count.covered.join("\n"))?;
    known::check(&count.wrong).context(count.summary())?;
    let stale = RULES.iter().enumerate();
    let stale = stale.filter(|(index, _)| !count.by_rule.contains_key(index));
    let stale: Vec<&str> = stale.map(|(_, rule)| rule.because).collect();
    ensure!(
        stale.is_empty(),
        "rules that cover nothing any more: {stale:#?}"
    );
    ensure!(count.requests > 1_500, "{}", count.summary());
    Ok(())
}

#[test]
fn every_rule_has_its_reason() -> Result<()> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/DIFFERENCES.md");
    let text = fs::read_to_string(path)?;
    for rule in &RULES {
        let because = rule.because;
        ensure!(
            text.contains(because),
            "DIFFERENCES.md says nothing of '{because}'"
        );
    }
    Ok(())
}
