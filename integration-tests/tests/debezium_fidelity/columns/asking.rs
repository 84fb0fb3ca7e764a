//! Which columns can be compared: servers and originals are asked.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, Result, ensure};
use mysql_async::prelude::Queryable as _;
use serde_json::json;
use tidegate_integration_tests::MySqlServer;

use super::super::case::Kind;
use super::super::masks::Masks;
use super::super::records;
use super::super::run::{self, Side};
use super::candidates::Candidate;
use super::recording::Choice;
use super::survey::{Facts, Part, survey};
use super::tables::{self, Group, Origin};
use super::{CONNECTOR, case};

/// Numbers of the candidates that the server refuses in one of the ways in which tables are made.
pub(crate) async fn refused(server: &MySqlServer, candidates: &[Candidate]) -> Result<Vec<usize>> {
    server
        .exec("", "CREATE DATABASE trial CHARACTER SET utf8mb4")
        .await?;
    let mut refused = Vec::new();
    let mut session = server.connect("trial").await?;
    for column in candidates {
        for statement in tables::trial(column) {
            if session.query_drop(&statement).await.is_err() {
                refused.push(column.id);
                session.disconnect().await?;
                session = server.connect("trial").await?;
                break;
            }
        }
    }
    session.disconnect().await?;
    server.exec("", "DROP DATABASE trial").await?;
    Ok(refused)
}

/// For each group the statement that makes its table, and that as which the server shows it then.
async fn both_statements(server: &MySqlServer, groups: &[Group<'_>]) -> Result<String> {
    let mut session = server.connect("").await?;
    let mut all = String::new();
    for (number, group) in groups.iter().enumerate() {
        all.push_str(&group.make(Origin::Create, number));
        let (create, show) = group.shown(number);
        session.query_drop(create).await?;
        let (_, text): (String, Vec<u8>) = session.query_first(show).await?.context("a table")?;
        match String::from_utf8(text) {
            Ok(text) => writeln!(all, "{};", text.replacen("TEMPORARY ", "", 1))?,
            // No statement could be made of it.
            Err(_) => all.push_str(&group.make(Origin::Snapshot, number)),
        }
    }
    session.query_drop("DROP DATABASE IF EXISTS trial").await?;
    session.disconnect().await?;
    Ok(all)
}

/// Which of the columns the original cannot read: statements that make them, or as which the server shows them, are passed
/// over (`unread`) or stop its task (`stopping`). Tables of many columns are asked first, and what they consist of where
/// they cannot be read.
pub(crate) async fn ask(
    kind: Kind,
    server: &MySqlServer,
    columns: &[&Candidate],
    theirs: &Side,
    bootstrap: &str,
    choice: &mut Choice,
) -> Result<()> {
    let mut suspects = columns.to_vec();
    let mut runs = 0;
    for size in [tables::COLUMNS, 7, 1] {
        let mut asked = std::mem::take(&mut suspects);
        while !asked.is_empty() {
            let groups = tables::groups(&asked, size);
            let name = format!("asked-columns-{runs}");
            runs += 1;
            let answer = answer(kind, server, &name, &groups, theirs, bootstrap).await?;
            let end = answer.end(&groups);
            asked.clear();
            for (number, group) in groups.iter().enumerate() {
                for column in &group.columns {
                    match answer.verdict(column, number.cmp(&end), group.columns.len() == 1) {
                        Verdict::Read => {}
                        Verdict::Next => asked.push(column),
                        Verdict::Suspect => suspects.push(column),
                        Verdict::Unread => choice.unread.push(column.id),
                        Verdict::Stopping => choice.stopping.push(column.id),
                    }
                }
            }
        }
    }
    choice.unread.sort_unstable();
    choice.stopping.sort_unstable();
    Ok(())
}

/// What becomes of a column that was asked about.
enum Verdict {
    Read,
    /// Asked again, as its turn did not come.
    Next,
    /// Asked again in a smaller table.
    Suspect,
    Unread,
    Stopping,
}

/// What the original has said of tables.
struct Answer {
    facts: BTreeMap<usize, Facts>,
    stopped: Option<Stop>,
}

impl Answer {
    fn has(&self, column: &Candidate, origin: Origin) -> bool {
        let facts = self.facts.get(&column.id);
        facts.is_some_and(|facts| facts.contains_key(&(origin, Part::History)))
    }

    fn is_read(&self, column: &Candidate) -> bool {
        self.has(column, Origin::Snapshot) && self.has(column, Origin::Create)
    }

    /// Number of the table at which the task has stopped.
    fn end(&self, groups: &[Group<'_>]) -> usize {
        match &self.stopped {
            None => groups.len(),
            Some(Stop {
                table: Some(number),
                ..
            }) => *number,
            // The one behind the last one that it has read, or this one.
            Some(_) => {
                let begins = |group: &Group<'_>| {
                    let mut columns = group.columns.iter();
                    columns.any(|column| self.has(column, Origin::Create))
                };
                groups.iter().rposition(begins).map_or(0, |last| {
                    let mut columns = groups[last].columns.iter();
                    last + usize::from(columns.any(|column| self.is_read(column)))
                })
            }
        }
    }

    /// `order` is where the column's table stands to that at which the task has stopped.
    fn verdict(&self, column: &Candidate, order: Ordering, is_alone: bool) -> Verdict {
        let culprit = self.stopped.as_ref().and_then(|stop| stop.column.as_ref());
        match order {
            Ordering::Greater => Verdict::Next,
            Ordering::Equal if is_alone || culprit == Some(&column.plain_name()) => {
                Verdict::Stopping
            }
            Ordering::Equal if culprit.is_some() => Verdict::Next,
            Ordering::Equal => Verdict::Suspect,
            Ordering::Less if self.is_read(column) => Verdict::Read,
            Ordering::Less if is_alone => Verdict::Unread,
            Ordering::Less => Verdict::Suspect,
        }
    }
}

/// Where its task has stopped, if its words tell.
#[derive(Debug)]
struct Stop {
    table: Option<usize>,
    column: Option<String>,
}

async fn answer(
    kind: Kind,
    server: &MySqlServer,
    name: &str,
    groups: &[Group<'_>],
    theirs: &Side,
    bootstrap: &str,
) -> Result<Answer> {
    let settings = json!({
        "schema.history.internal.skip.unparseable.ddl": "true",
        "include.schema.changes": "false",
        "include.schema.comments": "true",
    });
    let database = name.replace('-', "_");
    // Without a row no offset is stored.
    let setup = format!(
        "CREATE DATABASE {database} CHARACTER SET utf8mb4; \
         CREATE TABLE {database}.first (id INT PRIMARY KEY); INSERT INTO {database}.first VALUES (1)"
    );
    let changes = tables::FILLING.to_owned() + &both_statements(server, groups).await?;
    let case = case(name, &settings, setup, changes);
    let sides = std::slice::from_ref(theirs);
    let ran = run::run(kind, server, &case, sides).await;
    let prefix = theirs.prefix(&case, CONNECTOR);
    let read = records::of_kafka(bootstrap, &prefix, &Masks::new()?).await?;
    run::clear(server, &case, sides).await?;
    let facts = survey(&read, &database, groups)?;
    let stopped = match ran {
        Ok(_) => None,
        Err(error) => {
            let text = format!("{error:#}");
            ensure!(text.contains("has failed"), "{text}");
            let place = format!(r"'{database}\.[cs](\d+)\.(.*?)' of type");
            let place = fancy_regex::Regex::new(&place)?;
            let found = place.captures(text.as_str())?;
            let number = found.as_ref().map(|found| found[1].parse()).transpose()?;
            Some(Stop {
                table: number,
                column: found.map(|found| found[2].to_owned()),
            })
        }
    };
    Ok(Answer { facts, stopped })
}

/// The column that the error names, and all of its type that take no null either.
pub(crate) fn culprits<'a>(error: &str, columns: &[&'a Candidate]) -> Option<Vec<&'a Candidate>> {
    let (_, rest) = error.split_once("null used for required field: \"")?;
    let name = rest.split('"').next()?;
    let found = columns.iter().find(|column| column.plain_name() == name)?;
    let of_type = |column: &&&'a Candidate| {
        let word = |column: &Candidate| {
            let end = column.definition.find([' ', '(']);
            let word = column
                .definition
                .get(..end.unwrap_or(column.definition.len()));
            word.map(str::to_ascii_uppercase)
        };
        column.is_not_null() && word(column) == word(found)
    };
    Some(columns.iter().filter(of_type).copied().collect())
}

/// Number of the table that a snapshot has read last, if the stream has not begun.
pub(crate) fn exported(log: &str, database: &str) -> Option<usize> {
    let (_, rest) = log.rsplit_once(&format!("Exporting data from table '{database}.s"))?;
    if rest.contains("Snapshot ended with SnapshotResult [status=COMPLETED") {
        return None;
    }
    rest.split('\'').next()?.parse().ok()
}

/// The first table, in the order in which they are made, of which not everything has come.
pub(crate) fn unfinished<'a, 'b>(
    groups: &'b [Group<'a>],
    facts: &BTreeMap<usize, Facts>,
) -> Option<&'b Group<'a>> {
    let lacks = |group: &Group<'_>, origin, part| {
        let has = |column: &&Candidate| {
            let facts = facts.get(&column.id);
            facts.is_some_and(|facts| facts.contains_key(&(origin, part)))
        };
        !group.columns.iter().all(has)
    };
    let first = |origins: &[Origin], part| {
        let mut numbers: Vec<usize> = (0..groups.len()).collect();
        // Snapshots go by name.
        if origins.contains(&Origin::Snapshot) {
            numbers.sort_by_key(|number| Origin::Snapshot.table(*number));
        }
        let all = numbers.into_iter().map(|number| &groups[number]);
        let mut lacking =
            all.filter(|group| origins.iter().any(|origin| lacks(group, *origin, part)));
        lacking.next()
    };
    let streamed = &Origin::ALL[1..];
    first(&[Origin::Snapshot], Part::History)
        .or_else(|| first(&[Origin::Snapshot], Part::Values))
        .or_else(|| first(streamed, Part::History))
        .or_else(|| first(streamed, Part::Values))
}
