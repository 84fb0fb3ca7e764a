//! Generated columns through both workers: every type, attribute and default, in the snapshot and in the stream.
//!
//! `columns/*.txt` hold what the columns are made of. Which of them the server takes, which the original can read, and what
//! it made of those, is in `../../columns/*.jsonl`. Compared are the schema of the column's field, the values of its rows, and
//! its description in the schema history and in the schema-change records.

mod asking;
mod candidates;
mod meant;
mod recording;
mod survey;
mod tables;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Map, Value, json};
use tidegate_embedded::EmbeddedLog;
use tidegate_integration_tests::{MySqlOptions, MySqlServer, no_differences};

use super::case::{Case, Kind};
use super::masks::Masks;
use super::records;
use super::run::{self, Side};
use super::{Original, Ours, TURN, original, server_with};
use candidates::Candidate;
use meant::{Difference, RULES};
use recording::{Choice, Recording, digest};
use survey::{Facts, Part, survey};
use tables::{Group, Origin};

const CONNECTOR: &str = "all";

fn recording_path(kind: Kind) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("columns")
        .join(format!("{}.jsonl", kind.name()))
}

/// A case out of generated statements.
fn case(name: &str, settings: &Value, setup: String, changes: String) -> Case {
    let connectors = Map::from_iter([(CONNECTOR.to_owned(), settings.clone())]);
    Case {
        name: name.to_owned(),
        directory: PathBuf::new(),
        connectors,
        resume: Map::new(),
        alone: false,
        varies: true,
        meant: Vec::new(),
        setup,
        changes,
        stopped: None,
    }
}

fn columns_case(name: &str, groups: &[Group<'_>]) -> Case {
    let settings = json!({
        "value.converter.schemas.enable": "true",
        "include.schema.comments": "true",
    });
    let mut case = case(name, &settings, String::new(), tables::changes(groups));
    case.setup = tables::setup(&case.database(), groups);
    case
}

/// Where the workers differ, each with what covers it.
fn compare(
    kind: Kind,
    columns: &[&Candidate],
    ours: &BTreeMap<usize, Facts>,
    theirs: &BTreeMap<usize, Facts>,
) -> Result<()> {
    let mut report = String::new();
    let mut uses = vec![0_usize; RULES.len()];
    let (mut different, mut found) = (0, Vec::new());
    let nothing = Facts::new();
    for column in columns {
        let own = ours.get(&column.id).unwrap_or(&nothing);
        let their = theirs.get(&column.id).unwrap_or(&nothing);
        let mut is_different = false;
        for origin in Origin::ALL {
            for part in Part::ALL {
                let text = |facts: &'_ Facts| facts.get(&(origin, part)).cloned();
                let (own_text, their_text) = (text(own), text(their));
                if own_text == their_text {
                    continue;
                }
                is_different = true;
                let difference = Difference {
                    column,
                    origin,
                    part,
                    ours: own_text.as_deref(),
                    theirs: their_text.as_deref(),
                    facts: own,
                    their_facts: their,
                };
                let rule = RULES
                    .iter()
                    .position(|rule| rule.servers.contains(&kind) && (rule.covers)(&difference));
                if let Some(rule) = rule {
                    uses[rule] += 1;
                } else {
                    found.push(format!(
                        "{} {} of {}\n  ours   {}\n  theirs {}",
                        origin.name(),
                        part.name(),
                        column.sql(),
                        own_text.as_deref().unwrap_or("absent"),
                        their_text.as_deref().unwrap_or("absent"),
                    ));
                }
                let line = json!({
                    "id": column.id, "class": column.class, "session": column.session, "column": column.sql(),
                    "origin": origin.name(), "part": part.name(), "ours": own_text, "theirs": their_text,
                    "rule": rule.map(|rule| RULES[rule].because),
                });
                writeln!(report, "{line}")?;
            }
        }
        different += usize::from(is_different);
    }
    let summary = json!({
        "columns": columns.len(), "different": different, "not meant": found.len(),
        "rules": uses.iter().zip(RULES).map(|(uses, rule)| json!([rule.because, uses])).collect::<Vec<_>>(),
    });
    writeln!(report, "{summary}")?;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fidelity");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(
        folder.join(format!("columns-{}.jsonl", kind.name())),
        report,
    )?;
    for (uses, rule) in uses.iter().zip(RULES) {
        if *uses == 0 && rule.servers.contains(&kind) {
            found.push(format!(
                "nothing differs any more because '{}'",
                rule.because
            ));
        }
    }
    no_differences(&found)
}

async fn facts_of_ours(
    ours: &Ours,
    case: &Case,
    groups: &[Group<'_>],
) -> Result<BTreeMap<usize, Facts>> {
    ours.worker.stop().await?;
    let log = EmbeddedLog::open(&ours.data)?;
    let prefix = ours.side().prefix(case, CONNECTOR);
    let records = records::of_embedded(&log, &prefix, &Masks::new()?).await?;
    survey(&records, &case.database(), groups)
}

async fn as_recorded(kind: Kind) -> Result<()> {
    let _turn = TURN.lock().await;
    let candidates = candidates::candidates();
    let recording = Recording::read(&recording_path(kind), &candidates)?;
    let columns = recording.choice.compared(&candidates);
    let groups = tables::groups(&columns, tables::COLUMNS);
    ensure!(
        digest(&groups) == recording.choice.digest,
        "the statements are others than those that were recorded, see columns/README.md"
    );
    let server = server_with(kind, MySqlOptions::default()).await?;
    let ours = Ours::start().await?;
    let case = columns_case("generated-columns", &groups);
    run::run(kind, &server, &case, &[ours.side()]).await?;
    let facts = facts_of_ours(&ours, &case, &groups).await?;
    compare(kind, &columns, &facts, &recording.facts)
}

async fn as_the_original(kind: Kind, letter: char) -> Result<()> {
    let _turn = TURN.lock().await;
    let original = original().await?;
    let server = server_with(kind, MySqlOptions::default()).await?;
    let bootstrap = original.kafka.bootstrap();
    let theirs = Side {
        rest: original.connect.rest(),
        letter,
        history_servers: bootstrap.to_owned(),
        first_server_id: 3000,
    };
    let candidates = candidates::candidates();
    if std::env::var_os("TIDEGATE_RECORD").is_some() {
        return record(kind, &server, original, &theirs, &candidates).await;
    }
    let choice = Recording::read(&recording_path(kind), &candidates)?.choice;
    let columns = choice.compared(&candidates);
    let groups = tables::groups(&columns, tables::COLUMNS);
    let case = columns_case("generated-columns", &groups);
    let ours = Ours::start().await?;
    let sides = [theirs, ours.side()];
    run::run(kind, &server, &case, &sides).await?;
    let facts = facts_of_theirs(bootstrap, &sides[0], &case, &groups).await?;
    run::clear(&server, &case, &sides).await?;
    let own = facts_of_ours(&ours, &case, &groups).await?;
    compare(kind, &columns, &own, &facts)
}

async fn facts_of_theirs(
    bootstrap: &str,
    theirs: &Side,
    case: &Case,
    groups: &[Group<'_>],
) -> Result<BTreeMap<usize, Facts>> {
    let prefix = theirs.prefix(case, CONNECTOR);
    let records = records::of_kafka(bootstrap, &prefix, &Masks::new()?).await?;
    survey(&records, &case.database(), groups)
}

/// How often the original may stop while it is recorded.
const ATTEMPTS: usize = 12;

/// Asks which columns there are, and writes down what the original makes of them. Where its task stops at a value, the
/// columns that may be to blame are left out.
async fn record(
    kind: Kind,
    server: &MySqlServer,
    original: &Original,
    theirs: &Side,
    candidates: &[Candidate],
) -> Result<()> {
    let bootstrap = original.kafka.bootstrap();
    let mut choice = Choice {
        candidates: candidates.len(),
        refused: asking::refused(server, candidates).await?,
        ..Choice::default()
    };
    let accepted = choice.accepted(candidates);
    asking::ask(kind, server, &accepted, theirs, bootstrap, &mut choice).await?;
    for attempt in 0..ATTEMPTS {
        let columns = choice.compared(candidates);
        let groups = tables::groups(&columns, tables::COLUMNS);
        choice.digest = digest(&groups);
        let case = columns_case(&format!("recorded-columns-{attempt}"), &groups);
        let sides = std::slice::from_ref(theirs);
        let ran = run::run(kind, server, &case, sides).await;
        let facts = facts_of_theirs(bootstrap, theirs, &case, &groups).await?;
        run::clear(server, &case, sides).await?;
        let Err(error) = ran else {
            return Recording { choice, facts }.write(&recording_path(kind), candidates);
        };
        let text = format!("{error:#}");
        let culprits = asking::culprits(&text, &columns).or_else(|| {
            let group = asking::exported(&original.connect.log(), &case.database())
                .and_then(|number| groups.get(number))
                .or_else(|| asking::unfinished(&groups, &facts));
            group.map(|group| group.columns.clone())
        });
        let culprits = culprits.context(text)?;
        let ids: Vec<usize> = culprits.iter().map(|column| column.id).collect();
        choice.stopping.extend(ids);
        choice.stopping.sort_unstable();
    }
    bail!("the original's task stops again and again")
}

#[tokio::test]
async fn mariadb_columns_as_recorded() -> Result<()> {
    as_recorded(Kind::MariaDb).await
}

#[tokio::test]
async fn mysql_columns_as_recorded() -> Result<()> {
    as_recorded(Kind::MySql).await
}

#[tokio::test]
#[ignore = "asks the original for minutes: what it answered is recorded"]
async fn mariadb_columns_as_the_original() -> Result<()> {
    as_the_original(Kind::MariaDb, 'c').await
}

#[tokio::test]
#[ignore = "asks the original for minutes: what it answered is recorded"]
async fn mysql_columns_as_the_original() -> Result<()> {
    as_the_original(Kind::MySql, 'd').await
}
