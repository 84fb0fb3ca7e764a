//! `RegexRouter`: renames topics.

use std::sync::Arc;

use fancy_regex::Regex;
use tidegate_api::config::{ConfigDef, ConfigKey, ConfigValue, Importance, invalid};
use tidegate_api::{ConnectError, Plugins, Props, Record, Transform, TransformPlugin};

pub(crate) static REGEX: ConfigKey<String> = ConfigKey::required("regex")
    .importance(Importance::High)
    .validator(valid_regex)
    .doc("Regular expression to use for matching.");
static REPLACEMENT: ConfigKey<String> = ConfigKey::required("replacement")
    .importance(Importance::High)
    .doc("Replacement string.");

pub(crate) fn valid_regex(name: &str, value: &ConfigValue) -> Result<(), String> {
    match value {
        ConfigValue::String(pattern) => Regex::new(pattern)
            .map(drop)
            .map_err(|error| invalid(name, pattern, &format!("Invalid regex: {error}"))),
        _ => Ok(()),
    }
}

fn config_def() -> ConfigDef {
    ConfigDef::new(&[&REGEX, &REPLACEMENT])
}

pub(crate) fn register(plugins: &mut Plugins) {
    plugins.transforms.push(TransformPlugin {
        class: "org.apache.kafka.connect.transforms.RegexRouter",
        version: crate::VERSION,
        config_def,
        create: |props| Ok(Box::new(RegexRouter::new(props)?)),
    });
}

struct RegexRouter(Replacer);

impl RegexRouter {
    fn new(props: &Props) -> Result<Self, ConnectError> {
        config_def().check(props)?;
        Ok(Self(Replacer::new(
            &props.get(&REGEX)?,
            &props.get(&REPLACEMENT)?,
        )?))
    }
}

impl Transform for RegexRouter {
    fn apply(&self, mut record: Record) -> Result<Option<Record>, ConnectError> {
        if let Some(topic) = self.0.replace(&record.topic)? {
            record.topic = Arc::from(topic);
        }
        Ok(Some(record))
    }
}

/// Java's `matches()` and `replaceFirst`, with Java's notation of replacements.
#[derive(Debug)]
pub(crate) struct Replacer {
    regex: Regex,
    replacement: Vec<Piece>,
}

#[derive(Debug, PartialEq)]
enum Piece {
    Text(String),
    Group(usize),
    Named(String),
}

impl Replacer {
    pub(crate) fn new(pattern: &str, replacement: &str) -> Result<Self, ConnectError> {
        let regex = Regex::new(&format!("^(?:{pattern})$")).map_err(|error| {
            ConnectError::config(format!("'{pattern}' is no regular expression: {error}"))
        })?;
        let groups = regex.captures_len();
        Ok(Self {
            regex,
            replacement: pieces(replacement, groups)?,
        })
    }

    /// `None` if the text does not match as a whole.
    pub(crate) fn replace(&self, text: &str) -> Result<Option<String>, ConnectError> {
        let captures = self.regex.captures(text).map_err(|error| {
            ConnectError::data(format!("matching '{text}' took too long: {error}"))
        })?;
        let Some(captures) = captures else {
            return Ok(None);
        };
        let mut out = String::new();
        for piece in &self.replacement {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Group(index) => {
                    out.push_str(captures.get(*index).map_or("", |found| found.as_str()));
                }
                Piece::Named(name) => {
                    out.push_str(captures.name(name).map_or("", |found| found.as_str()));
                }
            }
        }
        Ok(Some(out))
    }
}

/// `$1`, `$12` (group 12 if there is one, else group 1 and `2`), `${name}`, `\$`.
fn pieces(replacement: &str, groups: usize) -> Result<Vec<Piece>, ConnectError> {
    let wrong = |text: &str| {
        ConnectError::config(format!(
            "Invalid value {replacement} for configuration replacement: {text}"
        ))
    };
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut characters = replacement.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' => text.push(
                characters
                    .next()
                    .ok_or_else(|| wrong("character to be escaped is missing"))?,
            ),
            '$' => {
                let piece = if characters.next_if_eq(&'{').is_some() {
                    let name: String = characters.by_ref().take_while(|c| *c != '}').collect();
                    Piece::Named(name)
                } else {
                    let first = characters
                        .next_if(char::is_ascii_digit)
                        .and_then(|digit| digit.to_digit(10))
                        .ok_or_else(|| wrong("Illegal group reference: group index is missing"))?;
                    let mut group = first as usize;
                    if group >= groups {
                        return Err(wrong(&format!("No group {group}")));
                    }
                    while let Some(digit) = characters.peek().and_then(|c| c.to_digit(10)) {
                        let longer = group * 10 + digit as usize;
                        if longer >= groups {
                            break;
                        }
                        group = longer;
                        characters.next();
                    }
                    Piece::Group(group)
                };
                if !text.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut text)));
                }
                pieces.push(piece);
            }
            other => text.push(other),
        }
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_names_are_replaced_in_javas_notation() {
        fn check(regex: &str, replacement: &str, topic: &str, expected: Option<&str>) {
            let replacer = Replacer::new(regex, replacement).expect(regex);
            assert_eq!(
                replacer.replace(topic).expect("matched").as_deref(),
                expected,
                "{regex}"
            );
        }
        check(
            r"([^.]+)\.([^.]+)\.([^.]+)",
            "$3",
            "srv.inv.orders",
            Some("orders"),
        );
        check("srv", "x", "srv.inv", None);
        check("(?<a>.)(.*)", "${a}_$2\\$$12", "xyz", Some("x_yz$x2"));
        check("((?!x).)*", "y", "abc", Some("y"));
        assert!(Replacer::new("(a)", "$2").is_err());
        assert!(Replacer::new("(a", "$1").is_err());
    }
}
