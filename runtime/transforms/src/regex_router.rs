//! `RegexRouter`: renames topics.

use std::sync::Arc;

use tidegate_api::config::{ConfigDef, ConfigKey, ConfigValue, Importance, invalid};
use tidegate_api::java_regex::Replacer;
use tidegate_api::{ConnectError, JavaRegex, Plugins, Props, Record, Transform, TransformPlugin};

pub(crate) static REGEX: ConfigKey<String> = ConfigKey::required("regex")
    .importance(Importance::High)
    .validator(valid_regex)
    .doc(
        "Regular expression in Java's syntax that must match the whole name of a topic. Records \
         of other topics stay as they are.",
    );
static REPLACEMENT: ConfigKey<String> = ConfigKey::required("replacement")
    .importance(Importance::High)
    .doc("Name of the new topic; '$1' and '${name}' stand for groups of the expression.");

pub(crate) fn valid_regex(name: &str, value: &ConfigValue) -> Result<(), String> {
    match value {
        ConfigValue::String(pattern) => JavaRegex::new(pattern)
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
        create: Arc::new(|props| Ok(Box::new(RegexRouter::new(props)?))),
    });
}

struct RegexRouter(TopicReplacer);

impl RegexRouter {
    fn new(props: &Props) -> Result<Self, ConnectError> {
        config_def().check(props)?;
        Ok(Self(TopicReplacer::new(
            &props.get(&REGEX)?,
            &props.get(&REPLACEMENT)?,
        )?))
    }
}

impl Transform for RegexRouter {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, ConnectError> {
        if let Some(topic) = self.0.replace(&record.topic)? {
            record.topic = topic;
        }
        Ok(Some(record))
    }
}

/// Replaces topics, of which one usually follows itself.
#[derive(Debug)]
pub(crate) struct TopicReplacer {
    replacer: Replacer,
    /// The last topic and what became of it.
    last: Option<(Arc<str>, Option<Arc<str>>)>,
}

impl TopicReplacer {
    pub(crate) fn new(pattern: &str, replacement: &str) -> Result<Self, ConnectError> {
        Ok(Self {
            replacer: Replacer::new(pattern, replacement)?,
            last: None,
        })
    }

    /// `None` if the topic does not match as a whole.
    pub(crate) fn replace(&mut self, topic: &Arc<str>) -> Result<Option<Arc<str>>, ConnectError> {
        if let Some((known, replaced)) = &self.last
            && (Arc::ptr_eq(known, topic) || known == topic)
        {
            return Ok(replaced.clone());
        }
        let replaced = self.replacer.replace(topic)?.map(Arc::from);
        self.last = Some((Arc::clone(topic), replaced.clone()));
        Ok(replaced)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_named_as_java_names_them() {
        fn check(regex: &str, replacement: &str, topics: &[(&str, Option<&str>)]) {
            let mut replacer = TopicReplacer::new(regex, replacement).expect(regex);
            for (topic, expected) in topics {
                for _ in 0..2 {
                    let replaced = replacer.replace(&Arc::from(*topic)).expect("matched");
                    assert_eq!(replaced.as_deref(), *expected, "{regex}");
                }
            }
        }
        check(
            r"([^.]+)\.([^.]+)\.([^.]+)",
            "$3",
            &[("srv.inv.orders", Some("orders")), ("srv.inv", None)],
        );
        check(
            r"(\w+?)_(\w+?)",
            "$2_$1",
            &[("ab_cd", Some("c_abd")), ("abcd", None)],
        );
        check("a|ab", "x", &[("ab", Some("xb")), ("a", Some("x"))]);
        check(
            "(\\w+)",
            "x.$1",
            &[("orders", Some("x.orders")), ("größe", None)],
        );
        assert!(TopicReplacer::new("(a)", "$2").is_err());
        assert!(TopicReplacer::new("(a", "$1").is_err());
    }
}
