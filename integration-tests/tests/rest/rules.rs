//! Differences between the original's answers to the generated requests and ours that are meant, as rules.
//! `DIFFERENCES.md` gives the reasons.

use std::collections::BTreeSet;

use serde_json::Value;
use tidegate_integration_tests::{Difference, Heard};

use crate::generated::Exchange;

/// What a rule looks at: a request, both answers, and one place where they differ.
pub(crate) struct Case<'a> {
    pub(crate) exchange: &'a Exchange,
    pub(crate) java: &'a Heard,
    pub(crate) ours: &'a Heard,
    pub(crate) difference: &'a Difference,
}

/// A kind of differences, and what `DIFFERENCES.md` says of it.
pub(crate) struct Rule {
    pub(crate) because: &'static str,
    covers: fn(&Case) -> bool,
}

const fn rule(because: &'static str, covers: fn(&Case) -> bool) -> Rule {
    Rule { because, covers }
}

const CONTAINER: &str = "Errors of the container are JSON";
const BODIES: &str = "Bad bodies are bad requests";
const SLASHES: &str = "A slash in a name may be encoded";
const SECRETS: &str = "Configurations are not repeated in errors";
const PLUGINS: &str = "Plugins are those of this worker";
const ONCE: &str = "A mistake is reported once";
const CAUSES: &str = "Failures name their cause";
const IDENTITY: &str = "The worker's identity is its own";
const MOMENTS: &str = "States pass at other moments";
const ECHOES: &str = "Parameters of Accept are not repeated";
const READABLE: &str = "Offsets of a connector that cannot start can be read";
const NO_TASK: &str = "A task that is no more is not found";
const RENAMES: &str = "A patch does not rename";
const TEXTS: &str = "Texts are texts";
const LOGGERS: &str = "Loggers are those of this worker";
const WIRE: &str = "What is no HTTP/1 is refused without a body";
const BRACES: &str = "A brace in a name is a character";
const VERSIONS: &str = "Versions that are not here are described like any mistake";
const NULLS: &str = "Null is an error for every property";
const NUMBERS: &str = "Numbers of tasks that cannot be are not found";
const SINKS: &str = "What the offset of a sink names is checked";
const METHODS: &str = "OPTIONS is answered as text";
const NOWHERE: &str = "An offset has a partition";
const LAST: &str = "Of members that come twice the last one counts";

pub(crate) static RULES: &[Rule] = &[
    rule(CONTAINER, |case| {
        let bare = case.java.header("content-type").is_none();
        case.at("header content-type") && bare && case.java.status >= 400 && case.is_json()
    }),
    rule(CONTAINER, |case| {
        case.at("header allow") && case.java.status == 405 && case.ours.status == 405
    }),
    // What Jetty refuses by itself is HTML, text, JSON of its own, or has no body.
    rule(CONTAINER, |case| {
        case.is_jettys() && case.ours.status == case.java.status
    }),
    rule(BODIES, |case| case.is_parsers() && case.ours.status >= 400),
    rule(SLASHES, |case| {
        case.is_jettys() && case.has_escape() && case.ours.status != 400
    }),
    rule(SECRETS, |case| {
        case.at("/message") && case.java.body.contains("\"message\":\"Connector config {")
    }),
    rule(ONCE, |case| {
        let (Some(java), Some(ours)) = (
            mistakes(&case.difference.java),
            mistakes(&case.difference.ours),
        ) else {
            return false;
        };
        // What follows from the null that a mistake has left.
        let follows = |text: &String| text.starts_with("Invalid value null for configuration ");
        let in_java: BTreeSet<&String> = java.iter().filter(|text| !follows(text)).collect();
        let in_ours: BTreeSet<&String> = ours.iter().collect();
        case.at("/message")
            && ours.len() < java.len()
            && in_java == in_ours
            && in_ours.len() == ours.len()
    }),
    rule(CAUSES, |case| {
        case.at("/message")
            && case
                .difference
                .ours
                .starts_with(&format!("{}: ", case.difference.java))
    }),
    rule(IDENTITY, |case| {
        ["/commit", "/kafka_cluster_id"]
            .iter()
            .any(|at| case.at(at))
    }),
    rule(PLUGINS, |case| {
        case.exchange
            .request
            .target
            .starts_with("/connector-plugins")
            && case.ours.status == 200
            && case.java.status == 200
    }),
    rule(ECHOES, |case| {
        let kept = case.java.header("content-type").unwrap_or_default();
        case.at("header content-type") && kept.starts_with("application/json;")
    }),
    rule(READABLE, |case| {
        case.exchange.request.target == "/connectors/broken/offsets"
    }),
    rule(NO_TASK, |case| {
        case.java.status == 409 && case.ours.body.contains("Unknown task: ")
    }),
    rule(RENAMES, |case| {
        let refused = case
            .ours
            .body
            .contains("doesn't match connector name in the URL");
        case.exchange.request.method == "PATCH" && refused
    }),
    rule(TEXTS, |case| {
        case.java.status == 200
            && case.ours.status == 400
            && case.ours.body.contains("the body is no JSON")
    }),
    rule(LAST, |case| case.is_parsers() && case.ours.status < 300),
    rule(BRACES, |case| {
        ["a{b}", "a%7Bb%7D"]
            .iter()
            .any(|name| case.exchange.request.line().contains(name))
    }),
    // Requests that hyper does not take for HTTP/1.
    rule(WIRE, |case| {
        case.ours.status == 400 && case.ours.body.is_empty()
    }),
    rule(LOGGERS, |case| {
        case.exchange.request.target.starts_with("/admin/loggers/")
            && case.ours.body.starts_with('[')
    }),
    rule(LOGGERS, |case| {
        case.at("/level")
            && case
                .exchange
                .request
                .target
                .starts_with("/admin/loggers/root")
    }),
    rule(NUMBERS, |case| {
        let tasks = ["/tasks/-1/", "/tasks/2147483648/"];
        case.at("/message")
            && tasks
                .iter()
                .any(|task| case.exchange.request.target.contains(task))
    }),
    rule(SECRETS, |case| {
        case.java
            .body
            .contains("BadRequestException: Connector config {")
            && case.ours.status == 400
    }),
    rule(TEXTS, |case| {
        case.java.status == 400 && case.ours.body.contains("the body is no JSON")
    }),
    rule(BODIES, |case| {
        let signed = "Internal request missing required signature";
        case.at("/message") && case.difference.java == signed && case.ours.status == 400
    }),
    rule(PLUGINS, |case| {
        case.at("/message")
            && case
                .java
                .body
                .contains("Failed to find any class that implements")
    }),
    rule(VERSIONS, |case| {
        let unknown = "not found that matches the version range";
        case.at("/message") && case.java.body.contains(unknown) && case.ours.body.contains(unknown)
    }),
    rule(NULLS, |case| {
        case.java.status == 200 && case.ours.body.contains("Null value can not be supplied")
    }),
    rule(SINKS, |case| {
        let failed = [
            "Failed to alter consumer group offsets for",
            "Failed to modify offsets for sink",
        ];
        case.java.status == 500 && failed.iter().any(|text| case.java.body.contains(text))
    }),
    // A map is shown as it was given, not as Java prints it.
    rule(SINKS, |case| {
        case.at("/message")
            && case
                .java
                .body
                .contains("Failed to parse the following Kafka")
    }),
    rule(METHODS, |case| {
        case.exchange.request.method == "OPTIONS"
            && case.java.header("content-type") == Some("text/html")
    }),
    // An instance that could not start has no version there.
    rule(MOMENTS, |case| {
        case.difference.at.ends_with("/connector/version") && case.difference.java == "null"
    }),
    rule(PLUGINS, |case| {
        case.java.body.contains("Instantiation error") && case.ours.body.contains("Unknown plugin ")
    }),
    rule(NOWHERE, |case| {
        case.java.status == 200 && case.ours.body.contains("Partition objects cannot be null")
    }),
];

/// The errors that the refusal of a configuration lists; `None` for other messages.
fn mistakes(message: &str) -> Option<Vec<String>> {
    let start = "Connector configuration is invalid and contains the following ";
    let (_, list) = message.strip_prefix(start)?.split_once(" error(s):\n")?;
    let (list, _) = list.split_once("\nYou can also find the above list of errors at ")?;
    Some(list.lines().map(str::to_owned).collect())
}

impl Case<'_> {
    fn at(&self, place: &str) -> bool {
        self.difference.at == place
    }
    fn asks(&self, method: &str, target: &str) -> bool {
        let request = &self.exchange.request;
        request.method == method && request.target == target
    }
    fn is_json(&self) -> bool {
        self.ours.header("content-type") == Some("application/json")
    }
    /// Whether the container refused it before Connect saw it.
    fn is_jettys(&self) -> bool {
        let body = &self.java.body;
        let own = ["<html>", "HTTP ERROR ", "{\n\"message\":"];
        self.java.status >= 400
            && (body.is_empty() || own.iter().any(|start| body.starts_with(start)))
    }
    /// Whether the text is one of Jackson's, or of an exception that nobody expected.
    fn is_parsers(&self) -> bool {
        let parts = [
            " at [Source: ",
            "Cannot invoke ",
            "No content to map",
            "Document nesting depth",
            "Early EOF",
            "Should never call `set()`",
            "Illegal null or empty Level name",
        ];
        self.java.status == 500
            && (self.java.body.is_empty() || parts.iter().any(|part| self.java.body.contains(part)))
    }
    fn has_escape(&self) -> bool {
        self.exchange.request.target.contains('%')
    }
}

/// The numbers of the rules that say why the answers differ there.
pub(crate) fn covering(exchange: &Exchange, ours: &Heard, difference: &Difference) -> Vec<usize> {
    let case = Case {
        exchange,
        java: &exchange.answer,
        ours,
        difference,
    };
    let rules = RULES.iter().enumerate();
    rules
        .filter(|(_, rule)| (rule.covers)(&case))
        .map(|(number, _)| number)
        .collect()
}

/// An answer without what differs from run to run: addresses, stack traces, times, loggers of single classes.
pub(crate) fn masked(mut heard: Heard, address: &str) -> Heard {
    heard.body = without_documentation(&without_traces(&heard.body.replace(address, "WORKER")));
    for (_, value) in &mut heard.headers {
        *value = value.replace(address, "WORKER");
    }
    if heard.body.contains("last_modified")
        && let Ok(Value::Object(mut loggers)) = serde_json::from_str(&heard.body)
    {
        loggers.retain(|name, _| {
            !["org.", "io.", "com."]
                .iter()
                .any(|of| name.starts_with(of))
        });
        let mut json = Value::Object(loggers);
        without_times(&mut json);
        heard.body = json.to_string();
    }
    heard
}

/// A JSON text whose strings end where a stack trace begins.
fn without_traces(json: &str) -> String {
    cut(&cut(json, "\\n\\tat ", ""), "\\nCaused by: ", "")
}

/// Texts of other projects are no part of a recording.
fn without_documentation(json: &str) -> String {
    let start = "\"documentation\":\"";
    cut(json, start, start)
}

/// The text with `instead` for each `start`, and without what follows that up to the end of the JSON string.
fn cut(json: &str, start: &str, instead: &str) -> String {
    let mut out = String::new();
    let mut rest = json;
    while let Some((before, string)) = rest.split_once(start) {
        out.push_str(before);
        out.push_str(instead);
        let mut escaped = false;
        let end = string.find(|char| {
            let ends = char == '"' && !escaped;
            escaped = char == '\\' && !escaped;
            ends
        });
        rest = end.and_then(|end| string.get(end..)).unwrap_or_default();
    }
    out + rest
}

fn without_times(json: &mut Value) {
    for (name, value) in json.as_object_mut().into_iter().flatten() {
        if name == "last_modified" && value.is_number() {
            *value = 0.into();
        }
        without_times(value);
    }
}
