//! Recorded answers: the first of a base as it was, of the others what differs from it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Map, Value, json};
use tidegate_integration_tests::java_testdata;

use crate::bases::Base;
use crate::compare::{Answer, leaves};
use crate::generate::Request;

/// What the original answered to a base's requests.
pub(crate) struct Recording {
    pub(crate) base: Answer,
    pub(crate) answers: Vec<(Request, Answer)>,
}

fn file(base: &Base) -> PathBuf {
    let name = format!("{}.jsonl", base.name);
    java_testdata().join("validations").join(name)
}

impl Recording {
    /// Writes one JSON text per line: the base's answer, then each request with what differs; one that was refused
    /// altogether has its own answer.
    pub(crate) fn write(&self, base: &Base) -> Result<()> {
        let mut text = format!(
            "{}\n",
            json!({"config": base.config, "answer": self.base.0})
        );
        for (request, answer) in &self.answers {
            let said = match answer.0["status"].as_u64() {
                Some(200) => delta(&self.base, answer),
                _ => answer.0.clone(),
            };
            let line = json!([request.set, request.unset, said]);
            writeln!(text, "{line}")?;
        }
        let path = file(base);
        fs::create_dir_all(path.parent().context("a folder")?)?;
        Ok(fs::write(path, text)?)
    }

    pub(crate) fn read(base: &Base) -> Result<Self> {
        let path = file(base);
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let mut lines = text.lines();
        let first: Value = serde_json::from_str(lines.next().context("a first line")?)?;
        ensure!(
            first["config"] == json!(base.config),
            "{} was recorded with another configuration",
            base.name
        );
        let first = Answer::from(first["answer"].clone());
        let mut answers = Vec::new();
        for line in lines {
            let (set, unset, said): (BTreeMap<String, Value>, Vec<String>, Value) =
                serde_json::from_str(line)?;
            let request = Request::new(base, set, unset);
            let answer = if said.get("status").is_some() {
                said.into()
            } else {
                applied(&first, &said)?
            };
            answers.push((request, answer));
        }
        Ok(Self {
            base: first,
            answers,
        })
    }
}

/// Leaves that differ by their paths; a list with nothing in it stands for one, or for an entry, that is gone.
fn delta(base: &Answer, answer: &Answer) -> Value {
    let (before, after) = (leaves(base), leaves(answer));
    let mut changed = Map::new();
    for (at, value) in &after {
        if before.get(at) != Some(value) {
            changed.insert(at.clone(), json!([value]));
        }
    }
    for at in before.keys().filter(|at| !after.contains_key(*at)) {
        changed.insert(at.clone(), json!([]));
    }
    let left: Vec<&String> = answer.entries().map(|(name, _)| name).collect();
    for (name, _) in base.entries().filter(|(name, _)| !left.contains(name)) {
        let entry = format!("/configs/{name}");
        changed.retain(|at, _| !is_within(at, &entry));
        changed.insert(entry, json!([]));
    }
    Value::Object(changed)
}

fn is_within(at: &str, entry: &str) -> bool {
    at.strip_prefix(entry)
        .is_some_and(|rest| rest.starts_with('/'))
}

fn applied(base: &Answer, delta: &Value) -> Result<Answer> {
    let mut answer = base.0.clone();
    for (at, value) in delta.as_object().context("changes by path")? {
        let (parent, last) = at.rsplit_once('/').context("a path")?;
        match value.as_array().context("a list")?.first() {
            Some(value) => {
                let steps = parent.split('/').skip(1);
                let place = steps.fold(&mut answer, |place, step| &mut place[step]);
                place[last] = value.clone();
            }
            None => {
                let parent = answer.pointer_mut(parent).and_then(Value::as_object_mut);
                parent.map(|members| members.remove(last));
            }
        }
    }
    Ok(answer.into())
}
