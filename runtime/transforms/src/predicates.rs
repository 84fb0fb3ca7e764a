//! Predicates.

use std::sync::Arc;

use tidegate_api::config::{ConfigDef, ConfigKey, Importance};
use tidegate_api::{ConnectError, JavaRegex, Plugins, Predicate, PredicatePlugin, Record};

use crate::part::not_empty;
use crate::regex_router::valid_regex;

static PATTERN: ConfigKey<String> = ConfigKey::required("pattern")
    .importance(Importance::Medium)
    .validator(valid_regex)
    .doc(
        "Regular expression in Java's syntax that must match the whole name of the record's \
         topic.",
    );
static NAME: ConfigKey<String> = ConfigKey::required("name")
    .importance(Importance::Medium)
    .validator(not_empty)
    .doc("Header that a record must have at least once.");

pub(crate) fn register(plugins: &mut Plugins) {
    plugins.predicates.push(PredicatePlugin {
        class: "org.apache.kafka.connect.transforms.predicates.HasHeaderKey",
        version: crate::VERSION,
        config_def: || ConfigDef::new(&[&NAME]),
        create: Arc::new(|props| {
            ConfigDef::new(&[&NAME]).check(props)?;
            Ok(Box::new(HasHeaderKey(props.get(&NAME)?)))
        }),
    });
    plugins.predicates.push(PredicatePlugin {
        class: "org.apache.kafka.connect.transforms.predicates.RecordIsTombstone",
        version: crate::VERSION,
        config_def: || ConfigDef::new(&[]),
        create: Arc::new(|_| Ok(Box::new(RecordIsTombstone))),
    });
    plugins.predicates.push(PredicatePlugin {
        class: "org.apache.kafka.connect.transforms.predicates.TopicNameMatches",
        version: crate::VERSION,
        config_def: || ConfigDef::new(&[&PATTERN]),
        create: Arc::new(|props| {
            let pattern = JavaRegex::new(&props.get(&PATTERN)?)?;
            Ok(Box::new(TopicNameMatches(pattern)))
        }),
    });
}

struct HasHeaderKey(String);
impl Predicate for HasHeaderKey {
    fn test(&mut self, record: &Record) -> Result<bool, ConnectError> {
        Ok(record.headers.iter().any(|header| *header.key == *self.0))
    }
}

struct RecordIsTombstone;
impl Predicate for RecordIsTombstone {
    fn test(&mut self, record: &Record) -> Result<bool, ConnectError> {
        Ok(record.is_tombstone())
    }
}

struct TopicNameMatches(JavaRegex);
impl Predicate for TopicNameMatches {
    fn test(&mut self, record: &Record) -> Result<bool, ConnectError> {
        Ok(self.0.matches(&record.topic)?)
    }
}

#[cfg(test)]
mod tests {
    use tidegate_api::Props;

    use super::*;

    /// As recorded from the original.
    #[test]
    fn a_header_needs_a_name() {
        fn check(props: &[(&str, &str)], expected: &str) {
            let mut plugins = Plugins::default();
            register(&mut plugins);
            let class = "org.apache.kafka.connect.transforms.predicates.HasHeaderKey";
            let plugin = plugins.predicate(class).expect("registered");
            let props: Props = props.iter().copied().collect();
            let error = (plugin.create)(&props).err().expect("refused");
            assert_eq!(error.text(), expected);
        }
        check(
            &[("name", "")],
            "Invalid value  for configuration name: String must be non-empty",
        );
        check(
            &[],
            "Missing required configuration \"name\" which has no default value.",
        );
    }
}
