//! Differences that are meant. `DIFFERENCES.md` gives the reasons.
//!
//! A rule covers the kind that it describes and nothing beside it: of a list of errors it takes away what it means, and what
//! is left on either side is a difference. Where the original fails altogether, our answer is held against the one that we
//! give to the base.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::compare::{Answer, Difference};
use crate::generate::Request;

/// A difference, and what it is seen in.
pub(crate) struct Case<'a> {
    pub(crate) request: &'a Request,
    /// What we answer to the base of the request.
    pub(crate) base: &'a Answer,
    pub(crate) java: &'a Answer,
    pub(crate) ours: &'a Answer,
    pub(crate) difference: &'a Difference,
}

/// Errors of a key that only one of the answers has.
pub(crate) struct Errors {
    pub(crate) java: Vec<String>,
    pub(crate) ours: Vec<String>,
}

impl Errors {
    fn is_empty(&self) -> bool {
        self.java.is_empty() && self.ours.is_empty()
    }
    fn len(&self) -> usize {
        self.java.len() + self.ours.len()
    }
    /// Takes away one error of the original and one of ours that belong together, as often as there are such.
    fn take_pairs(&mut self, belong: impl Fn(&str, &str) -> bool) {
        let ours = &mut self.ours;
        self.java.retain(|java| {
            let place = ours.iter().position(|ours| belong(java, ours));
            place.map(|place| ours.remove(place)).is_none()
        });
    }
}

enum Covers {
    /// A difference as a whole.
    All(fn(&Case<'_>) -> bool),
    /// Takes away the errors that it means.
    Some(fn(&Case<'_>, &mut Errors)),
}

/// What is different on purpose, by its reason.
pub(crate) struct Rule {
    /// A row of `DIFFERENCES.md`.
    pub(crate) because: &'static str,
    covers: Covers,
}

const fn rule(because: &'static str, covers: fn(&Case<'_>) -> bool) -> Rule {
    let covers = Covers::All(covers);
    Rule { because, covers }
}

const fn errors(because: &'static str, covers: fn(&Case<'_>, &mut Errors)) -> Rule {
    let covers = Covers::Some(covers);
    Rule { because, covers }
}

/// The numbers of the rules that say why the answers differ there; none if anything is left that no rule means.
pub(crate) fn covering(case: &Case<'_>) -> BTreeSet<usize> {
    let mut covering = BTreeSet::new();
    let mut left = case.difference.errors();
    for (number, rule) in RULES.iter().enumerate() {
        match rule.covers {
            Covers::All(covers) if covers(case) => return BTreeSet::from([number]),
            Covers::Some(covers) if case.member() == "value/errors" => {
                let before = left.len();
                covers(case, &mut left);
                if left.len() < before {
                    covering.insert(number);
                }
            }
            _ => {}
        }
    }
    if case.member() != "value/errors" || !left.is_empty() {
        covering.clear();
    }
    covering
}

const NULL: &str = "Null value can not be supplied as the configuration value.";
/// What stands in place of a range, a class or a list of words when the value before it has become null.
const OF_NULL: [&str; 3] = [
    "Invalid value null for configuration ",
    "Must specify at least one field to cast.",
    "Must configure one of ",
];
/// Words that the original's sources recommend, and that it refuses itself, or that need a class.
const WORDS_NOT_TAKEN: [&str; 3] = ["adaptive", "configuration_based", "custom"];
/// Modes of earlier releases, and of one of the two sources.
const EARLIER_MODES: [&str; 3] = ["schema_only", "schema_only_recovery", "never"];
const ONE_OF: &str = "Value must be one of ";
const VERSION_RANGE: &str = " not found that matches the version range ";
/// Settings of transformations before the releases that were recorded.
const EARLIER_SETTINGS: [&str; 8] = [
    "delete.handling.mode",
    "delete.tombstone.handling.mode",
    "drop.tombstones",
    "key.field.name",
    "key.field.regex",
    "key.field.replacement",
    "replace.null.with.default",
    "schema.name.adjustment.mode",
];

const SHOWN: &str = "A source's values are shown";
const RECOMMENDED: &str = "Only words that are taken are recommended";
const ONCE: &str = "A mistake is reported once";
const NULLS: &str = "Null is an error for every property";
const NAMES: &str = "Errors name the whole property";
const TEXTS: &str = "Patterns have their own error texts";
const PATTERNS: &str = "Patterns are checked when they are given";
const GROUP: &str = "An override has one entry";
const OVERRIDES: &str = "Overrides are checked as the client checks them";
const VERSIONS: &str = "Versions that are not here are described like any mistake";
const SECRETS: &str = "Configurations are not repeated in errors";
const BLANKS: &str = "Blanks around a value are no mistake";
const EMPTY: &str = "Empty settings are none";
const REFUSED: &str = "Settings that this version does not have are refused";
const CANNOT_RUN: &str = "What cannot run is refused by the validation";
const CLASSES: &str = "Classes that are not here";
const CONNECTIONS: &str = "Failures of a connection have their own texts";
const EARLIER_WORDS: &str = "Words of earlier releases are taken";
const BODIES: &str = "Bad bodies are bad requests";
const PLUGINS: &str = "Plugins are those of this worker";
const EARLIER: &str = "Settings of earlier releases are shown";

pub(crate) static RULES: &[Rule] = &[
    rule(SHOWN, |case| {
        case.is_source()
            && case.member() == "value/value"
            && case.difference.java == Some(Value::Null)
            && case.is_as_given()
    }),
    // A key that Debezium makes out of another one has no value there at all, and its errors are at that one.
    rule(SHOWN, |case| {
        let java = case.difference.java.as_ref();
        case.is_source()
            && case.key().starts_with("internal.")
            && case.member() == "value"
            && java.is_none_or(Value::is_null)
    }),
    errors(SHOWN, |case, left| {
        let key = case.key();
        let ours = case.ours.errors(&format!("internal.{key}"));
        let java = |text: &String| text.replace(key, &format!("internal.{key}"));
        left.java.retain(|text| ours != [java(text)]);
    }),
    rule(RECOMMENDED, |case| {
        let words = |value: &Option<Value>| -> Vec<String> {
            let list = value.as_ref().and_then(Value::as_array);
            let texts = list.into_iter().flatten().filter_map(Value::as_str);
            texts.map(str::to_owned).collect()
        };
        let (mut java, ours) = (words(&case.difference.java), words(&case.difference.ours));
        java.retain(|word| !WORDS_NOT_TAKEN.contains(&word.as_str()));
        case.is_source() && case.member() == "value/recommended_values" && java == ours
    }),
    errors(RECOMMENDED, |case, left| {
        let value = case.request.value(case.key()).unwrap_or_default();
        let is_not_taken = WORDS_NOT_TAKEN.contains(&value.trim().to_lowercase().as_str());
        if !case.is_source() {
            return;
        }
        if is_not_taken && case.errors(case.java).is_empty() {
            left.ours.retain(|text| {
                !text.contains(ONE_OF)
                    && !text.ends_with("time.precision.mode is no longer supported")
            });
            return;
        }
        let is_like = |java: &str, ours: &str| {
            let words = |text: &str| -> Option<Vec<String>> {
                let (_, list) = text.split_once(ONE_OF)?;
                let words = list.split(", ").filter(|word| {
                    !WORDS_NOT_TAKEN.contains(word) && !EARLIER_MODES.contains(word)
                });
                Some(words.map(str::to_owned).collect())
            };
            words(java).is_some() && words(java) == words(ours)
        };
        let ours = left.ours.clone();
        if let Some(alike) = ours
            .iter()
            .find(|ours| left.java.iter().any(|java| is_like(java, ours)))
        {
            let valid = format!("Must be a valid {} value", case.key());
            left.java
                .retain(|java| !is_like(java, alike) && !java.ends_with(&valid));
            left.ours.retain(|ours| ours != alike);
        }
    }),
    errors(EARLIER_WORDS, |case, left| {
        let mode = case.request.value("snapshot.mode").unwrap_or_default();
        let is_earlier = EARLIER_MODES.contains(&mode.trim().to_lowercase().as_str());
        if case.key() == "snapshot.mode" && is_earlier && case.errors(case.ours).is_empty() {
            left.java.retain(|java| !java.contains(ONE_OF));
        }
    }),
    rule(SECRETS, |case| {
        let ours = case.ours.message();
        let mut names = case.request.config.keys();
        case.java
            .message()
            .contains("BadRequestException: Connector config {")
            && case.ours.0["status"] == 400
            && names.all(|name| case.is_null(name) || ours.contains(&format!("{name}=…")))
    }),
    rule(OVERRIDES, |case| {
        let java = case.java.message();
        let invalid = java.strip_prefix("org.apache.kafka.common.config.ConfigException: ");
        invalid.is_some_and(|invalid| {
            case.is_base_but_for(|key, error| {
                let Some((_, setting)) = key.split_once(".override.") else {
                    return false;
                };
                let plain = format!("configuration {setting}:");
                let whole = format!("configuration {key}:");
                error == invalid.replace(&plain, &whole)
            })
        })
    }),
    errors(OVERRIDES, |case, left| {
        let key = case.key();
        let value = case.request.value(key).unwrap_or_default();
        let start = format!("Invalid value {value} for configuration {key}: ");
        if key.contains(".override.") && case.request.sets(key) && left.java.is_empty() {
            left.ours.retain(|ours| !ours.starts_with(&start));
        }
    }),
    errors(GROUP, |case, left| {
        let conflict = "Consumer group jvm conflicts with Connect worker group jvm";
        if case.key() == "consumer.override.group.id" {
            left.ours.retain(|ours| ours != conflict);
        }
    }),
    rule(NULLS, |case| {
        case.java
            .message()
            .starts_with("java.lang.NullPointerException: ")
            && case.is_base_but_for(|key, error| case.is_null(key) && error == NULL)
    }),
    rule(NULLS, |case| {
        case.is_null(case.key())
            && case.member() == "value/value"
            && case.difference.ours == Some(Value::Null)
    }),
    errors(NULLS, |case, left| {
        if case.is_null(case.key()) {
            left.ours.retain(|ours| ours != NULL);
            left.java.retain(|java| {
                !is_of_null(java) && !java.ends_with("value is invalid: A value is required")
            });
        }
        let mut nulls = case.request.set.keys().filter(|key| case.is_null(key));
        if let Some(null) = nulls.next() {
            let negation = format!("Config '{null}' was provided but there is no config ");
            left.java.retain(|java| !java.starts_with(&negation));
        }
    }),
    rule(PATTERNS, |case| {
        let failed = "java.util.regex.PatternSyntaxException: ";
        case.java.message().starts_with(failed)
            && case.is_base_but_for(|_, error| error.contains(" is no regular expression: "))
    }),
    errors(PATTERNS, |case, left| {
        if case.errors(case.java).is_empty() {
            left.ours
                .retain(|ours| !ours.contains(" is no regular expression: "));
        }
    }),
    rule(REFUSED, |case| {
        case.java.0["status"] == 500
            && case.is_base_but_for(|_, error| {
                error.contains(": this version supports ")
                    || error.contains(": this version does not ")
            })
    }),
    errors(REFUSED, |case, left| {
        let is_refusal = |text: &str| text.contains(": this version ");
        let refused = left.ours.iter().position(|ours| is_refusal(ours));
        if let Some(refused) = refused {
            left.ours.remove(refused);
            left.java.clear();
        }
        // The class of a mode that is refused by name.
        if let Some(mode) = case.key().strip_suffix(".custom.name")
            && (case.ours.errors(mode).iter()).any(|text| is_refusal(text) || text.contains(ONE_OF))
        {
            let end = format!(" cannot be empty when {mode} 'custom' is defined");
            left.java.retain(|java| !java.ends_with(&end));
        }
    }),
    rule(VERSIONS, |case| {
        let wrong = "BadRequestException: Unbounded range: ";
        case.java.message().contains(wrong)
            && case.is_base_but_for(|_, error| error.contains(VERSION_RANGE))
    }),
    rule(VERSIONS, |case| {
        let java = case.difference.java.as_ref();
        let is_nothing = java.is_none_or(|java| {
            java.is_null()
                || *java == Value::Bool(false)
                || java.as_array().is_some_and(Vec::is_empty)
        });
        let is_said =
            |key: &String| key.ends_with(".plugin.version") && !case.ours.errors(key).is_empty();
        case.request.set.keys().any(is_said)
            && (is_nothing || case.difference.at == "/groups")
            && case.difference.ours.as_ref() == case.base.0.pointer(&case.difference.at)
    }),
    errors(VERSIONS, |_, left| {
        let wanted = |text: &str| {
            text.split_once(", available versions: ")
                .map(|(wanted, _)| wanted.to_owned())
        };
        left.take_pairs(|java, ours| wanted(java).is_some() && wanted(java) == wanted(ours));
    }),
    // Such as `java.lang.String`: a class of Java's own, and none that is wanted.
    rule(CLASSES, |case| {
        let converter = case.key().strip_suffix(".plugin.version");
        let of = |key: &str| {
            let java = case.java.errors(key);
            java.iter()
                .any(|text| text.contains(" does not implement the "))
                && case.is_not_found(key)
        };
        case.member() == "value/value"
            && of(case.key())
            && case.difference.ours == Some(Value::Null)
            || case.member() == "value/visible" && converter.is_some_and(of)
    }),
    rule(CLASSES, |case| {
        case.request.base == "jdbc"
            && case.member() == "value/value"
            && case.difference.java == Some(Value::Null)
            && (case.errors(case.java).iter()).any(|text| text.ends_with(" could not be found."))
            && case.is_as_given()
    }),
    errors(CLASSES, |_, left| {
        left.take_pairs(|java, ours| {
            let is_java =
                java.contains(" does not implement the ") || java.ends_with(" could not be found.");
            is_java && ours.ends_with(" could not be found.")
        });
    }),
    // A plugin path may have several versions of a class.
    rule(PLUGINS, |case| {
        let list = |value: &Option<Value>| value.as_ref().and_then(Value::as_array).cloned();
        let (java, ours) = (list(&case.difference.java), list(&case.difference.ours));
        let is_part = |ours: Vec<Value>| {
            let java = java.unwrap_or_default();
            !ours.is_empty() && ours.iter().all(|version| java.contains(version))
        };
        case.member() == "value/recommended_values"
            && case.key().ends_with(".plugin.version")
            && ours.is_some_and(is_part)
    }),
    rule(PLUGINS, |case| {
        let Some(plugin) = case.plugin_elsewhere() else {
            return false;
        };
        let prefix = format!("{}.", plugin.strip_suffix(".type").unwrap_or(&plugin));
        let version = format!("{prefix}plugin.version");
        let ours = case.difference.ours.as_ref();
        let is_nothing = ours.is_none_or(|ours| {
            ours.is_null()
                || *ours == Value::Bool(false)
                || ours.as_array().is_some_and(Vec::is_empty)
        });
        let is_place = match case.member() {
            "" | "definition" => case.key().starts_with(&prefix),
            "value/value" => [&plugin, &version].contains(&&case.key().to_owned()),
            "value/recommended_values" | "value/visible" | "definition/default_value" => {
                case.key() == version
            }
            _ => false,
        };
        is_place && is_nothing
    }),
    errors(PLUGINS, |case, left| {
        let Some(plugin) = case.plugin_elsewhere() else {
            return;
        };
        let prefix = plugin.strip_suffix(".type").unwrap_or(&plugin);
        if case.key() == plugin {
            left.ours
                .retain(|ours| !ours.ends_with(" could not be found."));
        }
        if case.key().starts_with(prefix) {
            left.java.retain(|java| !java.contains(VERSION_RANGE));
        }
    }),
    rule(EARLIER, |case| {
        let key = case.key().strip_prefix("transforms.a.").unwrap_or_default();
        let number = |value: &Option<Value>| value.as_ref().and_then(Value::as_i64);
        let is_further = number(&case.difference.ours) > number(&case.difference.java);
        case.has_earlier_settings()
            && (case.member() == "definition/order_in_group" && is_further
                || EARLIER_SETTINGS.contains(&key) && case.member() != "value/errors")
    }),
    errors(EARLIER, |case, left| {
        let key = case.key().strip_prefix("transforms.a.").unwrap_or_default();
        if case.has_earlier_settings() && EARLIER_SETTINGS.contains(&key) {
            left.take_pairs(|java, ours| java.contains(ONE_OF) && ours.contains(ONE_OF));
        }
    }),
    errors(NAMES, |case, left| {
        left.take_pairs(|java, ours| case.whole(java) == ours);
    }),
    errors(TEXTS, |case, left| {
        left.take_pairs(|java, ours| {
            let java = case.whole(java);
            let of_enum = "Invalid value java.lang.IllegalArgumentException: No enum constant ";
            is_same_pattern(&java, ours)
                || java.starts_with(of_enum)
                    && java.ends_with(&format!(" for configuration {ours}"))
        });
    }),
    errors(ONCE, |case, left| {
        let ours = case.errors(case.ours);
        let is_said = |java: &str| {
            let java = case.whole(java);
            ours.iter()
                .any(|ours| *ours == java || is_same_pattern(&java, ours))
        };
        let is_no_value = ours.iter().any(|text| {
            text.ends_with(" is expected")
                || text.ends_with(": A value is required")
                || text.ends_with(": A positive queue size is required")
                || text.contains(": Not a number of type ")
                || text.starts_with("Missing required configuration ")
        });
        left.java.retain(|java| {
            let follows = is_of_null(java)
                || java.ends_with(" is expected")
                || java.ends_with(": A value is required")
                || java.ends_with(" characters are allowed)")
                || java.ends_with(": Must be larger than the maximum batch size");
            !(is_said(java) || is_no_value && follows)
        });
    }),
    errors(CONNECTIONS, |case, left| {
        if case.key() != "database.hostname" {
            return;
        }
        left.take_pairs(|java, ours| is_failure(java) && is_failure(ours));
        // What has no effect here, or is refused before a connection is made.
        let without_effect = [
            "connection.validation.timeout.ms",
            "database.jdbc.driver",
            "database.protocol",
        ];
        let is_reason = |key: &String| {
            without_effect.contains(&key.as_str()) || !case.ours.errors(key).is_empty()
        };
        if case.request.set.keys().any(is_reason) {
            left.java.retain(|java| !is_failure(java));
        }
        // A few milliseconds are enough on one day and not on another.
        let limits = ["connect.timeout.ms", "database.query.timeout.ms"];
        if limits.iter().any(|limit| case.request.sets(limit)) {
            let late = ["Timed out after ", "has not answered for "];
            left.ours
                .retain(|ours| !is_failure(ours) || !late.iter().any(|text| ours.contains(text)));
        }
    }),
    rule(BLANKS, |case| {
        let java = case.difference.java.as_ref();
        let is_nothing = java.is_none_or(Value::is_null);
        let is_loaded = |key: &String| {
            let java = case.java.errors(key);
            java.iter()
                .any(|text| text.starts_with("Failed to load class "))
                && case.is_padded(key)
                && case.ours.errors(key).is_empty()
                && (case.key().starts_with(&format!("{key}.")) && is_nothing
                    || case.difference.at == "/groups")
        };
        case.request.set.keys().any(is_loaded)
    }),
    errors(BLANKS, |case, left| {
        let key = case.key();
        if key == "database.hostname" {
            let is_taken = |key: &String| {
                case.is_padded(key)
                    && case.ours.errors(key).is_empty()
                    && !case.java.errors(key).is_empty()
            };
            if case.request.set.keys().any(is_taken) {
                left.ours.retain(|ours| !is_failure(ours));
            }
        }
        if !case.is_padded(key) {
            return;
        }
        let value = case.request.value(key).unwrap_or_default();
        left.take_pairs(|java, ours| java.replace(value, value.trim()) == ours);
        let is_of_blanks = |java: &str| {
            java.ends_with(" is expected")
                || java.ends_with(" characters are allowed)")
                || java.starts_with("Failed to load class ")
        };
        // The value without them may have a mistake of its own.
        left.take_pairs(|java, ours| {
            is_of_blanks(java)
                && (is_failure(ours) || ours.ends_with("larger than the maximum batch size"))
        });
        if case.errors(case.ours).is_empty() {
            left.java.retain(|java| !is_of_blanks(java));
        }
    }),
    errors(EMPTY, |case, left| {
        let is_empty = |value: &Value| {
            let text = value.as_str();
            text.is_some_and(|text| text.trim_matches([',', ' ', ';']).is_empty())
        };
        if case.request.set.values().any(is_empty) && case.ours.0["error_count"] == 0 {
            left.java.clear();
        }
    }),
    rule(BODIES, |case| {
        let failed = "java.lang.IllegalArgumentException: Collection is empty";
        case.java.message() == failed
            && case.is_base_but_for(|_, error| error.ends_with(": Invalid operation"))
    }),
    // The original reads settings of the schema history, and names with parts of their own, when the task starts.
    rule(CANNOT_RUN, |case| {
        let ours = case.errors(case.ours);
        case.is_source()
            && case.member().is_empty()
            && case.difference.java.is_none()
            && ours.len() == 1
            && (case.key().starts_with("schema.history.internal.")
                || case.key().starts_with("column."))
    }),
    // What must be given is said to be so, and comes first.
    rule(CANNOT_RUN, |case| {
        let required =
            |answer: &Answer| answer.0["configs"][case.key()]["definition"]["required"] == true;
        ["definition/required", "definition/order_in_group"].contains(&case.member())
            && !required(case.java)
            && required(case.ours)
    }),
    errors(CANNOT_RUN, |case, left| {
        let parts = [
            "Value must be one of ",
            ": Invalid time zone: ",
            " names no database that this version can write to; ",
            "When using UPSERT, please define ",
            "When 'delete.enabled' is set to 'true', ",
            "Cannot define both ",
            "Missing required configuration ",
            ": the port is not a number from ",
            ": ids of servers are numbers up to ",
            ": the file cannot be used: ",
            ": not a supported character set",
            "'database.query.timeout.ms' value is invalid: An non-negative integer is expected",
        ];
        if case.errors(case.java).is_empty() && left.ours.len() == 1 {
            left.ours
                .retain(|ours| !parts.iter().any(|part| ours.contains(part)));
        }
    }),
];

/// Whether an error is about the null that a mistake has left.
fn is_of_null(java: &str) -> bool {
    OF_NULL.iter().any(|start| java.starts_with(start))
        || java.ends_with("values must not be null.")
}

/// Whether an error is that of a connection that was tried.
fn is_failure(text: &str) -> bool {
    let starts = [
        "Unable to connect: ",
        "Error during connection validation: ",
        "Connection validation timed out after ",
    ];
    starts.iter().any(|start| text.starts_with(start))
}

/// Whether both say the same of a pattern.
fn is_same_pattern(java: &str, ours: &str) -> bool {
    let first = java.lines().next().unwrap_or_default();
    java.lines().count() > 1 && first == without_pattern(ours)
}

/// An error of ours without the words that repeat the pattern.
fn without_pattern(text: &str) -> String {
    let Some((before, after)) = text.split_once(" is no regular expression: ") else {
        return text.to_owned();
    };
    let start = before.rfind(" '").map_or(0, |start| start + 1);
    let (kept, _) = before.split_at(start);
    format!("{kept}{after}")
}

impl Case<'_> {
    fn is_source(&self) -> bool {
        ["mariadb", "mysql"].contains(&self.request.base.as_str())
    }
    fn key(&self) -> &str {
        self.difference.key().map_or("", |(key, _)| key)
    }
    fn member(&self) -> &str {
        self.difference.key().map_or("", |(_, member)| member)
    }
    fn is_null(&self, key: &str) -> bool {
        self.request.set.get(key).is_some_and(Value::is_null)
    }
    /// The errors of the key in one of the answers.
    fn errors<'a>(&self, answer: &'a Answer) -> Vec<&'a str> {
        answer.errors(self.key())
    }
    /// Whether our value is the one that was given, or the default.
    fn is_as_given(&self) -> bool {
        let entry = &self.ours.0["configs"][self.key()];
        let default = entry["definition"]["default_value"].as_str();
        let given = match self.request.config.get(self.key()) {
            Some(value) => value.as_str(),
            None => default,
        };
        let ours = self.difference.ours.as_ref().and_then(Value::as_str);
        let kind = entry["definition"]["type"].as_str();
        if kind == Some("PASSWORD") {
            return ours == Some("[hidden]");
        }
        let plain = |text: &str| match kind {
            Some("LIST") => {
                let entries: Vec<&str> = text.split(',').map(str::trim).collect();
                entries.join(",")
            }
            Some("BOOLEAN") => text.trim().to_lowercase(),
            Some("INT" | "LONG") => text.trim().trim_start_matches('+').to_owned(),
            _ => text.trim().to_owned(),
        };
        // Of a name of earlier releases the value is shown at today's name.
        let mut set = self.request.set.values().filter_map(Value::as_str);
        ours.map(plain) == given.map(plain) || ours.is_some_and(|ours| set.any(|set| set == ours))
    }
    /// Whether a value was given with blanks around it.
    fn is_padded(&self, key: &str) -> bool {
        let value = self.request.value(key).unwrap_or_default();
        value != value.trim() && !value.trim().is_empty()
    }
    /// Whether we say of the class that a key names that it could not be found.
    fn is_not_found(&self, key: &str) -> bool {
        let ours = self.ours.errors(key);
        ours.iter()
            .any(|text| text.ends_with(" could not be found."))
    }
    /// The key of a class that the original has and we do not.
    fn plugin_elsewhere(&self) -> Option<String> {
        let kept = [
            "transforms.a.type",
            "key.converter",
            "value.converter",
            "header.converter",
        ];
        let found = kept.into_iter().find(|key| {
            let java = self.java.errors(key);
            let is_missing = java.iter().any(|text| {
                text.ends_with(" could not be found.") || text.contains(" does not implement the ")
            });
            self.is_not_found(key) && !is_missing
        });
        found.map(str::to_owned)
    }
    fn has_earlier_settings(&self) -> bool {
        [
            "transforms-ExtractNewRecordState",
            "transforms-ByLogicalTableRouter",
        ]
        .contains(&self.request.base.as_str())
    }
    /// An error of an embedded plugin with the whole name of the key.
    fn whole(&self, java: &str) -> String {
        let key = self.key();
        let plain = key.rsplit_once(".a.").map(|(_, plain)| plain);
        let plain = plain.or_else(|| {
            let roles = ["key.converter.", "value.converter.", "header.converter."];
            roles.iter().find_map(|role| key.strip_prefix(role))
        });
        let Some(plain) = plain else {
            return java.to_owned();
        };
        let of = |name: &str| {
            [
                format!("configuration {name}:"),
                format!("Configuration '{name}' "),
            ]
        };
        let pairs = of(plain).into_iter().zip(of(key));
        pairs.fold(java.to_owned(), |text, (plain, whole)| {
            text.replace(&plain, &whole)
        })
    }
    /// Whether our answer is that to the base, but for the keys that the request sets, and the class whose version one of
    /// them is: there is a mistake, and each is one that is `expected`, or one of an override.
    fn is_base_but_for(&self, expected: impl Fn(&str, &str) -> bool) -> bool {
        let mut found = 0;
        for (key, entry) in self.ours.entries() {
            let before = self.base.0["configs"].get(key);
            let version = format!("{}.plugin.version", key.trim_end_matches(".class"));
            if !self.request.sets(key) && !self.request.sets(&version) {
                if before != Some(entry) {
                    return false;
                }
                continue;
            }
            let value = self.request.value(key).unwrap_or_default();
            let own = format!("Invalid value {value} for configuration {key}: ");
            for error in self.ours.errors(key) {
                if expected(key, error) {
                    found += 1;
                } else if !key.contains(".override.") || !error.starts_with(&own) {
                    return false;
                }
            }
        }
        found > 0
    }
}
