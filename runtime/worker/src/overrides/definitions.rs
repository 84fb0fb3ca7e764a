//! The settings of Kafka's clients: type, default and what their values must be.
//!
//! Source: `org.apache.kafka.clients.{producer.ProducerConfig,consumer.ConsumerConfig,admin.AdminClientConfig}`; the table
//! is what their definitions print.

use std::collections::HashMap;
use std::sync::LazyLock;

use tidegate_api::Props;
use tidegate_api::config::{
    ConfigInfo, ConfigType, ConfigValue, DefaultValue, Importance, KeySpec, invalid,
};

/// Columns: client, name, type, default (`!` for none, `\N` for null), importance, check.
static CLIENTS: LazyLock<HashMap<(&str, &str), Definition>> = LazyLock::new(|| {
    let lines = include_str!("clients.tsv").lines();
    let lines = lines.filter(|line| !line.starts_with('#'));
    lines
        .map(|line| definition(line).unwrap_or_else(|| panic!("clients.tsv: '{line}'")))
        .collect()
});

struct Definition {
    key: KeySpec,
    check: Check,
}

/// What a value must be, as the original's validators print themselves.
enum Check {
    Nothing,
    NotEmpty,
    Range {
        least: f64,
        most: Option<f64>,
        /// A value beside the range, and the validator's text.
        or: Option<(f64, &'static str)>,
        /// The bounds as the original writes them.
        texts: (&'static str, &'static str),
    },
    OneOf {
        words: Vec<&'static str>,
        ignoring_case: bool,
    },
}

fn definition(line: &'static str) -> Option<((&'static str, &'static str), Definition)> {
    let columns: Vec<&'static str> = line.split('\t').collect();
    let [client, name, kind, default, importance, check] = columns[..] else {
        return None;
    };
    let default = match default {
        "!" => DefaultValue::Required,
        "\\N" => DefaultValue::Null,
        text => DefaultValue::Text(text.into()),
    };
    let mut key = KeySpec::dynamic(name.to_owned(), ConfigType::named(kind)?, default);
    key.importance = Importance::named(importance)?;
    let check = Check::parse(check)?;
    Some(((client, name), Definition { key, check }))
}

impl Check {
    fn parse(text: &'static str) -> Option<Self> {
        if matches!(text, "null" | "") {
            return Some(Self::Nothing);
        }
        if text == "non-empty string" {
            return Some(Self::NotEmpty);
        }
        let (ignoring_case, list) = match text.strip_prefix("(case insensitive) ") {
            Some(list) => (true, list),
            None => (false, text),
        };
        let (list, or) = list.strip_prefix('[')?.split_once(']')?;
        let Some((least, most)) = list.split_once(",...") else {
            let words = list.split(", ").collect();
            return Some(Self::OneOf {
                words,
                ignoring_case,
            });
        };
        let most = most.strip_prefix(',').unwrap_or(most);
        let or = match or.strip_prefix(" or ") {
            Some(number) => Some((number.parse().ok()?, text)),
            None => None,
        };
        Some(Self::Range {
            least: least.parse().ok()?,
            most: if most.is_empty() {
                None
            } else {
                Some(most.parse().ok()?)
            },
            or,
            texts: (least, most),
        })
    }

    fn problem(&self, value: &ConfigValue) -> Option<String> {
        match self {
            Self::Nothing => None,
            Self::NotEmpty => matches!(value, ConfigValue::String(text) if text.is_empty())
                .then(|| "String must be non-empty".to_owned()),
            Self::Range {
                least,
                most,
                or,
                texts,
            } => {
                let number: f64 = value.to_string().parse().ok()?;
                if or.is_some_and(|(also, _)| number.total_cmp(&also).is_eq()) {
                    return None;
                }
                let is_less = number < *least;
                let is_more = most.is_some_and(|most| number > most);
                let of_both = or.map(|(_, text)| format!("Value must be in {text}"));
                (is_less || is_more).then(|| match (of_both, is_less) {
                    (Some(text), _) => text,
                    (None, true) => format!("Value must be at least {}", texts.0),
                    (None, false) => format!("Value must be no more than {}", texts.1),
                })
            }
            Self::OneOf {
                words,
                ignoring_case,
            } => {
                let ConfigValue::String(text) = value else {
                    return None;
                };
                let is = |word: &str| match word.split_once(':') {
                    // A word with something behind it, such as a duration.
                    Some((first, _)) => text
                        .split_once(':')
                        .is_some_and(|(given, _)| given == first),
                    None if *ignoring_case => word.eq_ignore_ascii_case(text),
                    None => word == text,
                };
                if words.iter().any(|word| is(word)) {
                    return None;
                }
                let case = if *ignoring_case {
                    " (case insensitive)"
                } else {
                    ""
                };
                Some(format!("String must be one of{case}: {}", words.join(", ")))
            }
        }
    }
}

/// What is said of one setting of a client; `None` for a setting that the client does not have.
pub(super) fn info(client: &str, setting: &str, name: &str, value: &str) -> Option<ConfigInfo> {
    let definition = CLIENTS.get(&(client, setting))?;
    let mut info = ConfigInfo::of(&definition.key, &Props::from([(setting, value)]));
    if info.errors.is_empty()
        && let Ok(parsed) = definition.key.parse(value)
    {
        let problem = definition.check.problem(&parsed);
        let missing = is_missing_class(&parsed, definition.key.kind)
            .then(|| format!("Class {value} could not be found."));
        info.errors.extend(
            problem
                .or(missing)
                .map(|problem| invalid(setting, value, &problem)),
        );
    }
    for error in &mut info.errors {
        let (plain, whole) = (
            format!("configuration {setting}:"),
            format!("configuration {name}:"),
        );
        *error = error.replace(&plain, &whole);
    }
    info.key.name = name.to_owned().into();
    Some(info)
}

/// A setting without a value; `None` for one that the client does not have.
pub(super) fn null(client: &str, setting: &str, name: &str) -> Option<ConfigInfo> {
    let definition = CLIENTS.get(&(client, setting))?;
    let mut key = definition.key.clone();
    key.name = name.to_owned().into();
    Some(ConfigInfo {
        key,
        value: None,
        recommended_values: Vec::new(),
        errors: Vec::new(),
        visible: true,
    })
}

/// Classes that the clients of the original bring along, or that stand for something here; others are nowhere.
fn is_missing_class(value: &ConfigValue, kind: ConfigType) -> bool {
    let ConfigValue::String(class) = value else {
        return false;
    };
    kind == ConfigType::Class && !class.starts_with("org.apache.kafka.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_checked_as_the_client_does() {
        fn check(client: &str, setting: &str, value: &str, problem: &str) {
            let name = format!("{client}.override.{setting}");
            let info = info(client, setting, &name, value).expect(setting);
            let expected = invalid(&name, value, problem);
            let expected = if problem.is_empty() {
                vec![]
            } else {
                vec![expected]
            };
            assert_eq!(info.errors, expected, "{setting}={value}");
        }
        check("producer", "batch.size", "big", "Not a number of type INT");
        check("producer", "batch.size", "-1", "Value must be at least 0");
        check("producer", "batch.size", "0", "");
        let level = "Value must be in [1,...,9] or -1";
        check("producer", "compression.gzip.level", "0", level);
        check("producer", "compression.gzip.level", "-1", "");
        let level = "Value must be no more than 17";
        check("producer", "compression.lz4.level", "18", level);
        check(
            "producer",
            "acks",
            "9",
            "String must be one of: all, -1, 0, 1",
        );
        check("producer", "security.protocol", "ssl", "");
        check("consumer", "auto.offset.reset", "by_duration:P1D", "");
        let list = "String must be one of: latest, earliest, none, by_duration:PnDTnHnMn.nS";
        check("consumer", "auto.offset.reset", "LATEST", list);
        let missing = "Class com.example.Nope could not be found.";
        check("producer", "partitioner.class", "com.example.Nope", missing);
        check("consumer", "share.acquire.mode", "BATCH_OPTIMIZED", "");
        check("admin", "retries", "x", "Not a number of type INT");
        let factor = "Value must be at least 0.5";
        check("admin", "sasl.login.refresh.window.factor", "0.2", factor);
    }

    #[test]
    fn every_line_of_the_table_can_be_read() {
        assert!(CLIENTS.len() > 300, "{}", CLIENTS.len());
        assert!(info("producer", "queue.buffering.max.ms", "x", "1").is_none());
    }
}
