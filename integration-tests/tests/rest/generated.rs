//! The generated requests, and the original's answers to them as recorded.
//!
//! A recording is a table of answers, each once, and the lines of the requests in their order, each with the number of its
//! answer.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tidegate_integration_tests::{Difference, Heard, differences, eventually, java_testdata};

use crate::requests::Section;
use crate::rules;
use crate::wire::Request;
use crate::world::World;

/// A change takes its time; what is read after it is read again until then.
const SETTLING: Duration = Duration::from_secs(5);

/// A request and what it was answered.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    pub(crate) request: Request,
    pub(crate) section: &'static str,
    pub(crate) answer: Heard,
}

/// The recording of all requests.
pub(crate) const RECORDING: &str = "generated.txt";

/// How often requests were compared, and what came of it.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) compared: usize,
    pub(crate) meant: usize,
    pub(crate) wrong: Vec<String>,
    pub(crate) used: BTreeSet<usize>,
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let wrong = self.wrong.len();
        write!(
            f,
            "{} requests compared, {} differ as meant, {wrong} otherwise",
            self.compared, self.meant
        )
    }
}

/// Asks everything once, and puts the worker right again after each change.
pub(crate) async fn record(world: &World, sections: Vec<Section>) -> Result<Vec<Exchange>> {
    let mut all = Vec::new();
    for Section { name, requests } in sections {
        for request in requests {
            let answer = world.asked.ask(&request).await?;
            if request.may_change() && (200..300).contains(&answer.status) {
                world.restore().await?;
            }
            all.push(Exchange {
                request,
                section: name,
                answer: rules::masked(answer, &world.asked.address),
            });
        }
    }
    Ok(all)
}

/// Holds a worker's answers against those of the record.
pub(crate) async fn compare(world: &World, record: &[Exchange]) -> Result<Tally> {
    let mut tally = Tally::default();
    // Since the last change nothing was read.
    let mut fresh = true;
    for exchange in record {
        let changed = |status: u16| exchange.request.may_change() && (200..300).contains(&status);
        let ask = async || {
            let ours = world.asked.ask(&exchange.request).await?;
            let ours = rules::masked(ours, &world.asked.address);
            let found = differences(&exchange.answer, &ours);
            anyhow::Ok((ours, found))
        };
        let (mut ours, mut found) = ask().await?;
        let mut left = unexpected(exchange, &ours, &found);
        if !left.is_empty() && exchange.request.method == "GET" && std::mem::take(&mut fresh) {
            let line = exchange.request.line();
            let again = eventually(SETTLING, &line, || async {
                let (ours, found) = ask().await?;
                let left = unexpected(exchange, &ours, &found);
                ensure!(left.is_empty(), "it differs");
                Ok((ours, found))
            });
            if let Ok((later, differing)) = again.await {
                (ours, found) = (later, differing);
                left.clear();
            }
        }
        tally.compared += 1;
        tally.meant += usize::from(left.is_empty() && !found.is_empty());
        for difference in &found {
            let covering = rules::covering(exchange, &ours, difference);
            tally.used.extend(covering);
        }
        if !left.is_empty() {
            let line = exchange.request.line();
            tally
                .wrong
                .push(format!("[{}] {line}\n  {left:?}", exchange.section));
        }
        if changed(ours.status) || changed(exchange.answer.status) {
            world.restore().await?;
            fresh = true;
        }
    }
    Ok(tally)
}

fn unexpected(exchange: &Exchange, ours: &Heard, found: &[Difference]) -> Vec<Difference> {
    let covered = |difference: &&Difference| rules::covering(exchange, ours, difference).is_empty();
    found.iter().filter(covered).cloned().collect()
}

fn file(name: &str) -> PathBuf {
    java_testdata().join(name)
}

/// Writes a recording.
pub(crate) fn write(name: &str, exchanges: &[Exchange]) -> Result<()> {
    let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
    let (mut answers, mut lines) = (String::new(), String::new());
    let mut section = "";
    for exchange in exchanges {
        let Heard {
            status,
            headers,
            body,
        } = &exchange.answer;
        let headers: String = headers.iter().fold(String::new(), |all, (name, value)| {
            all + name + ": " + value + "\n"
        });
        let answer = format!("HTTP/1.1 {status}\n{headers}\n{body}\n");
        let next = numbers.len();
        let number = *numbers.entry(answer.clone()).or_insert_with(|| {
            write!(answers, "### {next}\n{answer}").expect("a string grows");
            next
        });
        if exchange.section != section {
            section = exchange.section;
            writeln!(lines, "## {section}").expect("a string grows");
        }
        writeln!(lines, "{number} {}", exchange.request.line()).expect("a string grows");
    }
    fs::write(file(name), format!("{answers}=== requests\n{lines}"))?;
    Ok(())
}

/// Reads a recording of these requests.
///
/// # Errors
/// If it is of other ones.
pub(crate) fn read(name: &str, sections: Vec<Section>) -> Result<Vec<Exchange>> {
    let path = file(name);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let (answers, lines) = text.split_once("=== requests\n").context("requests")?;
    let answers: Vec<Heard> = answers
        .split("### ")
        .skip(1)
        .map(|block| {
            let (_, block) = block.split_once('\n').context("a number")?;
            let (head, body) = block.split_once("\n\n").context("a head")?;
            let mut head = head.lines();
            let status = head.next().and_then(|line| line.strip_prefix("HTTP/1.1 "));
            let pairs = head.filter_map(|line| line.split_once(": "));
            Ok(Heard {
                status: status.context("a status")?.parse()?,
                headers: pairs
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect(),
                body: body.strip_suffix('\n').unwrap_or(body).to_owned(),
            })
        })
        .collect::<Result<_>>()?;
    let mut lines = lines.lines().filter(|line| !line.starts_with("## "));
    let mut exchanges = Vec::new();
    for Section { name, requests } in sections {
        for request in requests {
            let line = lines
                .next()
                .context("there are more requests than in the recording")?;
            let (number, recorded) = line.split_once(' ').context("a number")?;
            let made = request.line();
            ensure!(
                recorded == made,
                "recorded is\n{recorded}\nbut asked is\n{made}"
            );
            let answer = answers.get(number.parse::<usize>()?).context("an answer")?;
            exchanges.push(Exchange {
                request,
                section: name,
                answer: answer.clone(),
            });
        }
    }
    ensure!(
        lines.next().is_none(),
        "there are fewer requests than in the recording"
    );
    Ok(exchanges)
}
