//! What the original wrote, in a file: a first line about the columns that there are, then a line for each that is compared.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::candidates::Candidate;
use super::survey::{Facts, Part};
use super::tables::{Group, Origin, changes, setup};

/// Which candidates are compared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Choice {
    pub(crate) candidates: usize,
    /// The server does not take them.
    pub(crate) refused: Vec<usize>,
    /// The original passes over their statements.
    pub(crate) unread: Vec<usize>,
    /// The original's task stops at them.
    pub(crate) stopping: Vec<usize>,
    /// Of the statements.
    pub(crate) digest: String,
}

impl Choice {
    /// Columns that server and original take.
    pub(crate) fn compared<'a>(&self, candidates: &'a [Candidate]) -> Vec<&'a Candidate> {
        self.accepted(candidates)
            .into_iter()
            .filter(|column| {
                let id = &column.id;
                self.unread.binary_search(id).is_err() && self.stopping.binary_search(id).is_err()
            })
            .collect()
    }

    /// Columns that the server takes.
    pub(crate) fn accepted<'a>(&self, candidates: &'a [Candidate]) -> Vec<&'a Candidate> {
        candidates
            .iter()
            .filter(|column| self.refused.binary_search(&column.id).is_err())
            .collect()
    }
}

/// A hash of the statements that make and fill the tables.
pub(crate) fn digest(groups: &[Group<'_>]) -> String {
    hash(&(setup("", groups) + &changes(groups)))
}

/// FNV-1a.
pub(crate) fn hash(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

/// Choice and facts by column.
#[derive(Debug)]
pub(crate) struct Recording {
    pub(crate) choice: Choice,
    pub(crate) facts: BTreeMap<usize, Facts>,
}

impl Recording {
    pub(crate) fn write(&self, path: &Path, candidates: &[Candidate]) -> Result<()> {
        let mut text = serde_json::to_string(&self.choice)? + "\n";
        for (id, facts) in &self.facts {
            let column = candidates[*id].sql();
            let line = json!({"id": id, "column": column, "facts": written(facts)});
            writeln!(text, "{line}")?;
        }
        fs::create_dir_all(path.parent().context("a folder")?)?;
        Ok(fs::write(path, text)?)
    }

    /// # Errors
    /// If the recording is not there, or belongs to other columns than there are.
    pub(crate) fn read(path: &Path, candidates: &[Candidate]) -> Result<Self> {
        const CURE: &str = "record it anew, see columns/README.md";
        let text =
            fs::read_to_string(path).with_context(|| format!("{}: {CURE}", path.display()))?;
        let mut lines = text.lines();
        let choice: Choice = serde_json::from_str(lines.next().context("a first line")?)?;
        ensure!(
            choice.candidates == candidates.len(),
            "{}: there were {} columns and are {} now: {CURE}",
            path.display(),
            choice.candidates,
            candidates.len()
        );
        let mut facts = BTreeMap::new();
        for line in lines {
            let line: Value = serde_json::from_str(line)?;
            let id = usize::try_from(line["id"].as_u64().context("a number")?)?;
            let column = candidates.get(id).context("a column")?;
            ensure!(
                line["column"] == column.sql(),
                "{}: column {id} was {} and is {} now: {CURE}",
                path.display(),
                line["column"],
                column.sql()
            );
            facts.insert(id, read_facts(&line["facts"])?);
        }
        Ok(Self { choice, facts })
    }
}

/// The origin whose parts are not repeated.
const fn model(origin: Origin) -> Option<Origin> {
    match origin {
        Origin::Snapshot => None,
        Origin::Create => Some(Origin::Snapshot),
        Origin::Add | Origin::Modify => Some(Origin::Create),
    }
}

/// What a part is if it is not written.
fn implied(facts: &Facts, origin: Origin, part: Part) -> Option<String> {
    if part == Part::Change {
        return facts
            .get(&(origin, Part::History))
            .map(|text| without_default_mark(text));
    }
    facts.get(&(model(origin)?, part)).cloned()
}

/// The schema-change record says what the history says, but for this.
fn without_default_mark(history: &str) -> String {
    history.replace(r#","hasDefaultValue":true"#, "")
}

fn written(facts: &Facts) -> Value {
    let mut all = Map::new();
    for origin in Origin::ALL {
        let mut parts = Map::new();
        for part in Part::ALL {
            let own = facts.get(&(origin, part));
            if own != implied(facts, origin, part).as_ref() {
                parts.insert(part.name().to_owned(), json!(own));
            }
        }
        if !parts.is_empty() {
            all.insert(origin.name().to_owned(), Value::Object(parts));
        }
    }
    Value::Object(all)
}

fn read_facts(json: &Value) -> Result<Facts> {
    let mut facts = Facts::new();
    for origin in Origin::ALL {
        for part in Part::ALL {
            let text = match &json[origin.name()][part.name()] {
                Value::String(text) => Some(text.clone()),
                // Written as null: it is absent, whatever is implied.
                Value::Null if json[origin.name()].get(part.name()).is_some() => None,
                Value::Null => implied(&facts, origin, part),
                other => anyhow::bail!("{other} is no text"),
            };
            facts.extend(text.map(|text| ((origin, part), text)));
        }
    }
    Ok(facts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_as_they_were_written() -> Result<()> {
        let mut facts = Facts::new();
        for (origin, part, text) in [
            (Origin::Snapshot, Part::Schema, "s"),
            (Origin::Create, Part::Schema, "c"),
            (
                Origin::Create,
                Part::History,
                r#"{"a":1,"hasDefaultValue":true}"#,
            ),
            (Origin::Create, Part::Change, r#"{"a":1}"#),
            (Origin::Add, Part::Schema, "c"),
            (Origin::Add, Part::Values, "1,null"),
            (Origin::Modify, Part::Schema, "m"),
        ] {
            facts.insert((origin, part), text.to_owned());
        }
        let json = written(&facts);
        ensure!(json["create"].get("change").is_none(), "{json}");
        ensure!(json["add"].get("schema").is_none(), "{json}");
        ensure!(read_facts(&json)? == facts, "{json}");
        Ok(())
    }
}
