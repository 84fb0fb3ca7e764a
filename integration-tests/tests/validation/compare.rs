//! Answers of validations, and where two differ.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::generate::Request;
use crate::rules::Errors;

/// An answer in a form that can be compared: entries by name, sets in order, documentation as whether there is one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer(pub(crate) Value);

/// Texts before lists whose order is that of a set.
const SETS: [&str; 4] = [
    "Value must be one of ",
    "String must be one of: ",
    "String must be one of (case insensitive): ",
    "Permitted values are ",
];

/// An error's text with the words of a set in order.
fn in_order(text: &str) -> String {
    for set in SETS {
        if let Some((before, list)) = text.split_once(set) {
            let mut words: Vec<&str> = list.split(", ").collect();
            words.sort_unstable();
            return format!("{before}{set}{}", words.join(", "));
        }
    }
    text.to_owned()
}

/// Classes that a worker has are its own affair: whether any are recommended is what is compared.
fn without_classes(list: &mut Value) {
    let is_class = |entry: &Value| {
        entry
            .as_str()
            .is_some_and(|text| text.contains(".kafka.connect."))
    };
    if list
        .as_array()
        .is_some_and(|list| list.iter().any(is_class))
    {
        *list = json!("classes");
    }
}

fn sorted_texts(list: &mut Value) {
    if let Some(list) = list.as_array_mut() {
        for entry in list.iter_mut() {
            if let Some(text) = entry.as_str() {
                *entry = in_order(text).into();
            }
        }
        list.sort_by_key(Value::to_string);
    }
}

impl Answer {
    /// Takes the body of an answer apart.
    pub(crate) fn new(status: u16, mut body: Value) -> Self {
        let Some(configs) = body.get_mut("configs").map(Value::take) else {
            let message = body.get("message").cloned().unwrap_or(body);
            return Self(json!({"status": status, "message": message}));
        };
        let mut entries = Map::new();
        let Value::Array(configs) = configs else {
            return Self(json!({"status": status, "message": configs}));
        };
        for mut entry in configs {
            if let Some(definition) = entry["definition"].as_object_mut() {
                let documentation = definition.remove("documentation").unwrap_or_default();
                let is_there = documentation.as_str().is_some_and(|text| !text.is_empty());
                definition.insert("documented".to_owned(), is_there.into());
            }
            if entry["value"].is_object() {
                sorted_texts(&mut entry["value"]["errors"]);
                sorted_texts(&mut entry["value"]["recommended_values"]);
                without_classes(&mut entry["value"]["recommended_values"]);
            }
            let named = [&entry["value"]["name"], &entry["definition"]["name"]];
            let name = named
                .into_iter()
                .find_map(Value::as_str)
                .unwrap_or_default()
                .to_owned();
            entries.insert(name, entry);
        }
        sorted_texts(&mut body["groups"]);
        json!({"status": status, "name": body["name"], "groups": body["groups"],
               "error_count": body["error_count"], "configs": entries})
        .into()
    }

    /// How many members there are to compare; 1 for a failure.
    pub(crate) fn size(&self) -> usize {
        let parts = |entry: &Value| {
            let parts = entry.as_object().into_iter().flat_map(Map::values);
            parts
                .map(|part| part.as_object().map_or(1, Map::len))
                .sum::<usize>()
        };
        let entries = self.entries().map(|(_, entry)| parts(entry));
        entries.sum::<usize>().max(1)
    }

    /// What a failure says.
    pub(crate) fn message(&self) -> &str {
        self.0["message"].as_str().unwrap_or_default()
    }

    /// The errors of a key.
    pub(crate) fn errors(&self, key: &str) -> Vec<&str> {
        let errors = self.0["configs"][key]["value"]["errors"].as_array();
        let errors = errors.into_iter().flatten();
        errors.filter_map(Value::as_str).collect()
    }

    /// The entries by name.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.0["configs"].as_object().into_iter().flatten()
    }
}

impl From<Value> for Answer {
    fn from(value: Value) -> Self {
        Self(value)
    }
}

/// The leaves of an answer by their path; a list is a leaf.
pub(crate) fn leaves(answer: &Answer) -> BTreeMap<String, &Value> {
    let mut found = BTreeMap::new();
    collect("", &answer.0, &mut found);
    found
}

fn collect<'a>(at: &str, value: &'a Value, found: &mut BTreeMap<String, &'a Value>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                collect(&format!("{at}/{name}"), value, found);
            }
        }
        leaf => {
            found.insert(at.to_owned(), leaf);
        }
    }
}

/// One place where two answers differ: a path, and both values; `None` where there is none.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Difference {
    pub(crate) at: String,
    pub(crate) java: Option<Value>,
    pub(crate) ours: Option<Value>,
}

impl Difference {
    fn new(at: &str, java: Option<&Value>, ours: Option<&Value>) -> Self {
        Self {
            at: at.to_owned(),
            java: java.cloned(),
            ours: ours.cloned(),
        }
    }

    pub(crate) fn text(&self, request: &Request) -> String {
        let shown = |value: &Option<Value>| match value {
            Some(value) => value.to_string(),
            None => "absent".to_owned(),
        };
        let (java, ours) = (shown(&self.java), shown(&self.ours));
        format!("{request}\t{}\t{java}\t{ours}", self.at)
    }

    /// The key and the member of its entry, such as `value/errors`.
    pub(crate) fn key(&self) -> Option<(&str, &str)> {
        let rest = self.at.strip_prefix("/configs/")?;
        let members = ["/value/", "/definition/", "/value", "/definition"];
        let start = members.iter().find_map(|member| rest.find(member));
        let (key, member) = rest.split_at(start.unwrap_or(rest.len()));
        Some((key, member.trim_start_matches('/')))
    }

    /// The errors of either side that the other one does not have.
    pub(crate) fn errors(&self) -> Errors {
        fn list(value: Option<&Value>) -> Vec<&str> {
            let list = value.and_then(Value::as_array);
            list.into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect()
        }
        let (java, ours) = (list(self.java.as_ref()), list(self.ours.as_ref()));
        let owned = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect();
        Errors {
            java: owned(without(&java, &ours)),
            ours: owned(without(&ours, &java)),
        }
    }
}

/// The texts of a list that are not in another one; of two that are equal, one takes one.
fn without<'a>(list: &[&'a str], other: &[&str]) -> Vec<&'a str> {
    let mut other = other.to_vec();
    let mut kept = list.to_vec();
    kept.retain(|text| match other.iter().position(|known| known == text) {
        Some(place) => {
            other.remove(place);
            false
        }
        None => true,
    });
    kept
}

/// Where the answers differ. Counts of errors follow from the errors, so that they are no difference by themselves. Answers
/// of which one is a failure differ as a whole, and so do entries that only one answer has.
pub(crate) fn differences(java: &Answer, ours: &Answer) -> Vec<Difference> {
    let mut found = Vec::new();
    let is_failure = |answer: &Answer| answer.0["status"] != 200;
    if is_failure(java) || is_failure(ours) {
        if java != ours {
            found.push(Difference::new("/status", Some(&java.0), Some(&ours.0)));
        }
        return found;
    }
    for name in members(&java.0, &ours.0) {
        let (java, ours) = (java.0.get(name), ours.0.get(name));
        let at = format!("/{name}");
        match (java, ours) {
            _ if name == "error_count" => {}
            (Some(java), Some(ours)) => compare(&at, java, ours, &mut found),
            _ => found.push(Difference::new(&at, java, ours)),
        }
    }
    found
}

/// Names of the members of either object, in order.
fn members<'a>(one: &'a Value, other: &'a Value) -> BTreeSet<&'a String> {
    let objects = [one.as_object(), other.as_object()];
    objects.into_iter().flatten().flat_map(Map::keys).collect()
}

fn compare(at: &str, java: &Value, ours: &Value, found: &mut Vec<Difference>) {
    if java == ours {
        return;
    }
    if !java.is_object() || !ours.is_object() {
        found.push(Difference::new(at, Some(java), Some(ours)));
        return;
    }
    for name in members(java, ours) {
        match (java.get(name), ours.get(name)) {
            (Some(java), Some(ours)) if java == ours => {}
            (Some(java), Some(ours)) => compare(&format!("{at}/{name}"), java, ours, found),
            (java, ours) => found.push(Difference::new(&format!("{at}/{name}"), java, ours)),
        }
    }
}
