//! Requests and answers of the original's REST API, recorded, and how another worker's answers are held against them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// Where the recorded paths of the file connectors were.
const RECORDED_FOLDER: &str = "/tmp/wk/jvm";
/// Differences that a failed comparison shows.
const SHOWN: usize = 200;

/// Fails with the differences that a comparison has found.
pub fn no_differences(found: &[String]) -> Result<()> {
    let some: Vec<&str> = found.iter().take(SHOWN).map(String::as_str).collect();
    ensure!(
        found.is_empty(),
        "{} differences:\n{}",
        found.len(),
        some.join("\n")
    );
    Ok(())
}

/// The folder of the records, see its README.
pub fn java_testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/worker/testdata/java")
}

/// A request, and its answer when it was recorded.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// `METHOD path arguments`, as in the file.
    pub line: String,
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<String>,
    pub answer: Heard,
}

/// An answer as a client hears it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Heard {
    pub status: u16,
    /// Of [`Heard::HEADERS`] those that are there.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Heard {
    /// Headers that clients look at.
    pub const HEADERS: [&str; 4] = [
        "content-type",
        "location",
        "allow",
        "access-control-allow-origin",
    ];

    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// The exchanges of a file in the order in which they were made.
pub fn read_exchanges(name: &str) -> Result<Vec<Exchange>> {
    let path = java_testdata().join(name);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let blocks = text.strip_prefix("### ").context("it begins with ###")?;
    blocks.split("\n### ").map(exchange).collect()
}

fn exchange(block: &str) -> Result<Exchange> {
    let (line, answer) = block.split_once('\n').unwrap_or((block, ""));
    let mut words = line.splitn(3, ' ');
    let method = words.next().unwrap_or_default().to_owned();
    let path = words.next().context("a path")?.to_owned();
    let arguments = format!(" {}", words.next().unwrap_or_default());
    // A body is the rest of the line.
    let (options, body) = match arguments.split_once(" -d ") {
        Some((options, body)) => (options, Some(body.to_owned())),
        None => (arguments.as_str(), None),
    };
    let mut headers: Vec<(String, String)> = options
        .split(" -H ")
        .filter_map(|header| header.split_once(':'))
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .collect();
    if body.is_some() && !headers.iter().any(|(name, _)| name == "Content-Type") {
        let form = "application/x-www-form-urlencoded";
        headers.push(("Content-Type".to_owned(), form.to_owned()));
    }
    Ok(Exchange {
        line: line.trim_end().to_owned(),
        method,
        path,
        headers,
        body,
        answer: recorded(answer),
    })
}

fn recorded(answer: &str) -> Heard {
    let (head, body) = answer.split_once("\n\n").unwrap_or((answer, ""));
    let mut heard = Heard {
        body: body.trim_end_matches('\n').to_owned(),
        ..Heard::default()
    };
    for line in head.lines() {
        if let Some(status) = line.strip_prefix("HTTP/1.1 ") {
            let code = status.split(' ').next().unwrap_or_default();
            heard.status = code.parse().unwrap_or_default();
        } else if let Some((name, value)) = line.split_once(": ") {
            let name = name.to_ascii_lowercase();
            if Heard::HEADERS.contains(&name.as_str()) {
                heard.headers.push((name, value.to_owned()));
            }
        }
    }
    heard
}

/// Sends a request to another worker; `folder` takes the place of the recorded one.
pub async fn send(exchange: &Exchange, url: &str, folder: &str) -> Result<Heard> {
    let client = reqwest::Client::builder()
        .pool_max_idle_per_host(0)
        .no_proxy()
        .build()?;
    let moved = |text: &str| text.replace(RECORDED_FOLDER, folder);
    let method = reqwest::Method::from_bytes(exchange.method.as_bytes())?;
    let mut request = client.request(method, format!("{url}{}", exchange.path));
    for (name, value) in &exchange.headers {
        request = request.header(name, value);
    }
    if let Some(body) = &exchange.body {
        request = request.body(moved(body));
    } else if ["POST", "PUT", "PATCH"].contains(&exchange.method.as_str()) {
        request = request.header("Content-Length", "0");
    }
    let response = request.send().await.context(exchange.line.clone())?;
    let headers = Heard::HEADERS.iter().filter_map(|name| {
        let value = response.headers().get(*name)?.to_str().ok()?;
        Some(((*name).to_owned(), value.to_owned()))
    });
    let headers = headers.collect();
    let status = response.status().as_u16();
    let body = response.text().await.context(exchange.line.clone())?;
    Ok(Heard {
        status,
        headers,
        body: body.replace(folder, RECORDED_FOLDER),
    })
}

/// One place where two answers differ: `status`, `header NAME`, or a path into the body.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    pub at: String,
    pub java: String,
    pub ours: String,
}

/// Where the answers differ, apart from addresses, documentation texts, stack traces and the order in maps and sets.
pub fn differences(java: &Heard, ours: &Heard) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut note = |at: &str, java: String, ours: String| {
        if java != ours {
            let at = at.to_owned();
            found.push(Difference { at, java, ours });
        }
    };
    note("status", java.status.to_string(), ours.status.to_string());
    for name in Heard::HEADERS {
        let value = |heard: &Heard| match heard.header(name) {
            Some(value) if name == "allow" => {
                let methods: BTreeSet<&str> = value.split(',').map(str::trim).collect();
                format!("{methods:?}")
            }
            Some(value) => without_addresses(value),
            None => "none".to_owned(),
        };
        note(&format!("header {name}"), value(java), value(ours));
    }
    let parse = |heard: &Heard| match heard.body.as_str() {
        "" => Value::Null,
        body => serde_json::from_str(body).unwrap_or_else(|_| Value::String(body.to_owned())),
    };
    compare("", &parse(java), &parse(ours), &mut note);
    found
}

fn compare(at: &str, java: &Value, ours: &Value, note: &mut impl FnMut(&str, String, String)) {
    match (java, ours) {
        (Value::Object(java), Value::Object(ours)) => {
            let names: BTreeSet<&String> = java.keys().chain(ours.keys()).collect();
            for name in names.into_iter().filter(|name| *name != "documentation") {
                let at = format!("{at}/{name}");
                match (java.get(name), ours.get(name)) {
                    (Some(java), Some(ours)) => compare(&at, java, ours, note),
                    (java, ours) => {
                        let text = |value: Option<&Value>| {
                            value.map_or_else(|| "absent".to_owned(), Value::to_string)
                        };
                        note(&at, text(java), text(ours));
                    }
                }
            }
        }
        (Value::Array(java), Value::Array(ours)) if at.ends_with("/configs") => {
            let named = |list: &[Value]| -> serde_json::Map<String, Value> {
                let entries = list.iter().map(|entry| {
                    let name = entry["value"]["name"].as_str().unwrap_or_default();
                    (name.to_owned(), entry.clone())
                });
                entries.collect()
            };
            compare(at, &named(java).into(), &named(ours).into(), note);
        }
        (Value::Array(java), Value::Array(ours)) => {
            let (java, ours) = (in_order(at, java), in_order(at, ours));
            if java.len() != ours.len() {
                let text = |list: Vec<Value>| Value::Array(list).to_string();
                note(at, text(java), text(ours));
                return;
            }
            for (index, (java, ours)) in java.iter().zip(&ours).enumerate() {
                compare(&format!("{at}/{index}"), java, ours, note);
            }
        }
        (Value::String(java), Value::String(ours))
            if java.split(", ").any(|method| method == "OPTIONS") =>
        {
            let methods = |text: &str| text.split(", ").map(str::to_owned).collect::<BTreeSet<_>>();
            note(
                at,
                format!("{:?}", methods(java)),
                format!("{:?}", methods(ours)),
            );
        }
        (Value::String(java), Value::String(ours)) => {
            note(at, readable(java), readable(ours));
        }
        _ => note(at, java.to_string(), ours.to_string()),
    }
}

/// Lists that come out of sets or maps are put in order.
fn in_order(at: &str, list: &[Value]) -> Vec<Value> {
    let mut list = list.to_vec();
    let of_set = list.iter().all(Value::is_string) || at.ends_with("/offsets");
    if of_set {
        list.sort_by_key(|entry| {
            // Members in the order of their names.
            let mut text = String::new();
            if let Some(partition) = entry["partition"].as_object() {
                let mut members: Vec<_> = partition.iter().collect();
                members.sort_by_key(|(name, _)| *name);
                for (name, value) in members {
                    write!(text, "{name}={value} ").expect("a string grows");
                }
            } else {
                text = entry.to_string();
            }
            text
        });
    }
    list
}

/// A text without what differs from run to run: addresses, places of plugins, stack traces.
fn readable(text: &str) -> String {
    let first = match text.split_once("\n\tat ") {
        Some((first, _)) => first,
        None => text,
    };
    let mut rest = without_addresses(first);
    let mut out = String::new();
    while let Some((before, behind)) = rest.split_once("location='") {
        let behind = behind.split_once('\'').map_or("", |(_, behind)| behind);
        out.push_str(before);
        out.push_str("location");
        rest = behind.to_owned();
    }
    out + &rest
}

/// `127.0.0.1:8083` becomes `WORKER`.
fn without_addresses(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("127.0.0.1:") {
        out.push_str(before);
        out.push_str("WORKER");
        rest = behind.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    out + rest
}

/// Differences that are meant: part of the request's line, beginning of the place, and what `DIFFERENCES.md` says of it.
#[derive(Debug)]
pub struct Meant {
    pub request: &'static str,
    pub at: &'static str,
    pub because: &'static str,
}

impl Meant {
    /// Whether this is the reason for that difference.
    pub fn covers(&self, exchange: &Exchange, difference: &Difference) -> bool {
        format!("{} ", exchange.line).contains(self.request) && difference.at.starts_with(self.at)
    }
}
