//! Predicates.

use fancy_regex::Regex;
use tidegate_api::config::{ConfigDef, ConfigKey, Importance};
use tidegate_api::{ConnectError, Plugins, Predicate, PredicatePlugin, Record};

use crate::regex_router::valid_regex;

static PATTERN: ConfigKey<String> = ConfigKey::required("pattern")
    .importance(Importance::Medium)
    .validator(valid_regex)
    .doc("A Java regular expression for matching against the name of a record's topic.");
static NAME: ConfigKey<String> = ConfigKey::required("name")
    .importance(Importance::Medium)
    .doc("The header name.");

pub(crate) fn register(plugins: &mut Plugins) {
    plugins.predicates.push(PredicatePlugin {
        class: "org.apache.kafka.connect.transforms.predicates.HasHeaderKey",
        version: crate::VERSION,
        config_def: || ConfigDef::new(&[&NAME]),
        create: |props| Ok(Box::new(HasHeaderKey(props.get(&NAME)?))),
    });
    plugins.predicates.push(PredicatePlugin {
        class: "org.apache.kafka.connect.transforms.predicates.RecordIsTombstone",
        version: crate::VERSION,
        config_def: || ConfigDef::new(&[]),
        create: |_| Ok(Box::new(RecordIsTombstone)),
    });
    plugins.predicates.push(PredicatePlugin {
        class: "org.apache.kafka.connect.transforms.predicates.TopicNameMatches",
        version: crate::VERSION,
        config_def: || ConfigDef::new(&[&PATTERN]),
        create: |props| {
            let pattern = props.get(&PATTERN)?;
            let regex = Regex::new(&format!("^(?:{pattern})$")).map_err(|error| {
                ConnectError::config(format!("'{pattern}' is no regular expression: {error}"))
            })?;
            Ok(Box::new(TopicNameMatches(regex)))
        },
    });
}

struct HasHeaderKey(String);
impl Predicate for HasHeaderKey {
    fn test(&self, record: &Record) -> Result<bool, ConnectError> {
        Ok(record.headers.iter().any(|header| *header.key == *self.0))
    }
}

struct RecordIsTombstone;
impl Predicate for RecordIsTombstone {
    fn test(&self, record: &Record) -> Result<bool, ConnectError> {
        Ok(record.is_tombstone())
    }
}

struct TopicNameMatches(Regex);
impl Predicate for TopicNameMatches {
    fn test(&self, record: &Record) -> Result<bool, ConnectError> {
        self.0.is_match(&*record.topic).map_err(|error| {
            ConnectError::data(format!(
                "matching topic '{}' took too long: {error}",
                record.topic
            ))
        })
    }
}
