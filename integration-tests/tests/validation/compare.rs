//! Answers of validations, and where two differ.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::generate::Request;

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

    /// The errors of one side that the other does not have.
    pub(crate) fn errors(&self) -> (Vec<&str>, Vec<&str>) {
        fn list(value: &Option<Value>) -> Vec<&str> {
            let list = value.as_ref().and_then(Value::as_array);
            list.into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect()
        }
        let (java, ours) = (list(&self.java), list(&self.ours));
        (without(&java, &ours), without(&ours, &java))
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

/// Where the answers differ. Counts of errors follow from the errors, so that they are no difference by themselves.
///
/// Entries that are equal as a whole, nearly all, are not taken apart.
pub(crate) fn differences(java: &Answer, ours: &Answer) -> Vec<Difference> {
    let mut found = Vec::new();
    for name in members(&java.0, &ours.0) {
        let (java, ours) = (java.0.get(name), ours.0.get(name));
        let at = format!("/{name}");
        match (java, ours) {
            _ if name == "error_count" => {}
            (Some(java @ Value::Object(_)), Some(ours @ Value::Object(_))) => {
                for entry in members(java, ours) {
                    let at = format!("{at}/{entry}");
                    compare(&at, java.get(entry), ours.get(entry), &mut found);
                }
            }
            _ => compare(&at, java, ours, &mut found),
        }
    }
    found
}

/// Names of the members of either object, in order.
fn members<'a>(one: &'a Value, other: &'a Value) -> BTreeSet<&'a String> {
    let objects = [one.as_object(), other.as_object()];
    objects.into_iter().flatten().flat_map(Map::keys).collect()
}

fn compare(at: &str, java: Option<&Value>, ours: Option<&Value>, found: &mut Vec<Difference>) {
    if java == ours {
        return;
    }
    let (mut of_java, mut of_ours) = (BTreeMap::new(), BTreeMap::new());
    for (value, leaves) in [(java, &mut of_java), (ours, &mut of_ours)] {
        if let Some(value) = value {
            collect(at, value, leaves);
        }
    }
    let places: BTreeSet<&String> = of_java.keys().chain(of_ours.keys()).collect();
    for at in places {
        let (java, ours) = (of_java.get(at), of_ours.get(at));
        if java != ours {
            found.push(Difference {
                at: at.clone(),
                java: java.map(|value| (*value).clone()),
                ours: ours.map(|value| (*value).clone()),
            });
        }
    }
}
