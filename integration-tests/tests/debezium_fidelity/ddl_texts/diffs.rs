//! Single values that differ between what both wrote for a statement.

use serde_json::Value;

use super::answers::{ALL, Answer, Line};

/// Two values at the same place.
#[derive(Debug)]
pub(super) struct Diff<'a> {
    /// The connector, the topic, and the members that lead to the value, without the indexes of lists.
    pub(super) path: Vec<&'a str>,
    pub(super) ours: &'a Value,
    pub(super) theirs: &'a Value,
    /// The objects around the value, from the record to the innermost, of both.
    pub(super) around: Vec<(&'a Value, &'a Value)>,
}

impl Diff<'_> {
    /// The member's name; for values in lists that of the list.
    pub(super) fn leaf(&self) -> &str {
        self.path.last().copied().unwrap_or_default()
    }

    pub(super) fn is_of_all(&self) -> bool {
        self.path.first() == Some(&ALL)
    }

    pub(super) fn text(&self) -> String {
        format!(
            "{}\n    ours   {}\n    theirs {}",
            self.path.join("."),
            shown(self.ours),
            shown(self.theirs)
        )
    }

    /// A member of our column, or of whatever stands around the value.
    pub(super) fn own(&self, member: &str) -> &Value {
        self.around
            .last()
            .map_or(&Value::Null, |(own, _)| &own[member])
    }

    pub(super) fn their(&self, member: &str) -> &Value {
        self.around
            .last()
            .map_or(&Value::Null, |(_, their)| &their[member])
    }

    /// A member of our table.
    pub(super) fn own_table(&self, member: &str) -> &Value {
        let tables = self.around.iter().map(|(own, _)| &own[member]);
        tables
            .rev()
            .find(|value| !value.is_null())
            .unwrap_or(&Value::Null)
    }
}

fn shown(value: &Value) -> String {
    const LONGEST: usize = 400;
    let text = value.to_string();
    if text.chars().count() <= LONGEST {
        return text;
    }
    text.chars().take(LONGEST).chain(['…']).collect()
}

/// A line's records as values.
pub(super) fn values(line: &Line) -> Value {
    let list = |records: &[Value]| Value::Array(records.to_vec());
    let of = |answer: &Answer| serde_json::json!({"published": list(&answer.published), "history": list(&answer.history)});
    let answers = line.answers.iter();
    Value::Object(
        answers
            .map(|(connector, answer)| (connector.clone(), of(answer)))
            .collect(),
    )
}

/// All differences, those of the connector that keeps everything first.
pub(super) fn diffs<'a>(ours: &'a Value, theirs: &'a Value) -> Vec<Diff<'a>> {
    let mut found = Vec::new();
    collect(&mut Vec::new(), &mut Vec::new(), ours, theirs, &mut found);
    found.sort_by_key(|diff| !diff.is_of_all());
    found
}

fn collect<'a>(
    path: &mut Vec<&'a str>,
    around: &mut Vec<(&'a Value, &'a Value)>,
    ours: &'a Value,
    theirs: &'a Value,
    found: &mut Vec<Diff<'a>>,
) {
    match (ours, theirs) {
        _ if ours == theirs => {}
        (Value::Object(own), Value::Object(their)) => {
            around.push((ours, theirs));
            let added = their.iter().filter(|(name, _)| !own.contains_key(*name));
            for (name, _) in own.iter().chain(added) {
                path.push(name);
                collect(path, around, &ours[name], &theirs[name], found);
                path.pop();
            }
            around.pop();
        }
        (Value::Array(own), Value::Array(their)) if own.len() == their.len() => {
            for (own, their) in own.iter().zip(their) {
                collect(path, around, own, their, found);
            }
        }
        _ => found.push(Diff {
            path: path.clone(),
            ours,
            theirs,
            around: around.clone(),
        }),
    }
}
