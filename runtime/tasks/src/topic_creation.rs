//! Topics that a source's records need.
//!
//! Source: `org.apache.kafka.connect.util.TopicCreation`, KIP-158.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use tidegate_api::config::invalid;
use tidegate_api::{ConnectError, JavaRegex, Props};
use tidegate_log::{Log, LogError, NewTopic};

use crate::connector_config::TOPIC_CREATION_GROUPS;

const PREFIX: &str = "topic.creation.";
const DEFAULT_GROUP: &str = "default";

/// `topic.creation.*` of a connector. Without any such key topics are left to the log.
#[derive(Debug)]
pub(crate) struct TopicCreation {
    groups: Vec<Group>,
    /// Topics that are known to exist.
    known: HashSet<Arc<str>>,
}

#[derive(Debug)]
struct Group {
    include: Option<JavaRegex>,
    exclude: Option<JavaRegex>,
    partitions: Option<i32>,
    replication_factor: Option<i16>,
    settings: BTreeMap<String, String>,
}

/// Checks `topic.creation.*` of a source connector, as its start does.
///
/// # Errors
/// `Config` with Connect's text.
pub fn check_topic_creation(props: &Props, enabled: bool) -> Result<(), ConnectError> {
    TopicCreation::new(props, enabled).map(drop)
}

impl TopicCreation {
    /// `None` if the connector does not create topics.
    pub(crate) fn new(props: &Props, enabled: bool) -> Result<Option<Self>, ConnectError> {
        if !enabled || !props.iter().any(|(name, _)| name.starts_with(PREFIX)) {
            return Ok(None);
        }
        let default = Group::of(props, DEFAULT_GROUP, None)?;
        let mut groups = Vec::new();
        for name in props
            .get(&TOPIC_CREATION_GROUPS)?
            .into_iter()
            .filter(|name| name != DEFAULT_GROUP)
        {
            groups.push(Group::of(props, &name, Some(&default))?);
        }
        groups.push(default);
        Ok(Some(Self {
            groups,
            known: HashSet::new(),
        }))
    }

    pub(crate) async fn ensure(
        &mut self,
        log: &dyn Log,
        topic: &Arc<str>,
    ) -> Result<(), ConnectError> {
        if self.known.contains(topic) {
            return Ok(());
        }
        if log.describe_topic(topic).await?.is_none() {
            let group = self.group_of(topic)?;
            let new = NewTopic {
                name: Arc::clone(topic),
                partitions: group.partitions,
                replication_factor: group.replication_factor,
                settings: group.settings.clone(),
            };
            log.create_topic(&new)
                .await
                .map_err(|error| not_created(topic, error))?;
        }
        self.known.insert(Arc::clone(topic));
        Ok(())
    }
}

/// Says why a topic was not made, and what helps.
fn not_created(topic: &str, error: LogError) -> ConnectError {
    let context = match error {
        LogError::Unauthorized(_) => format!(
            "Task failed to create new topic '{topic}'. Ensure that the task is authorized to create topics or that the \
             topic exists and restart the task"
        ),
        LogError::Invalid(_) => format!(
            "Error while attempting to create/find topic(s) '{topic}': topic.creation.* of the connector has a setting \
             that the broker refuses"
        ),
        _ => format!("Error while attempting to create/find topic(s) '{topic}'"),
    };
    ConnectError::from(error).context(context)
}

impl TopicCreation {
    fn group_of(&self, topic: &str) -> Result<&Group, ConnectError> {
        for group in &self.groups {
            if group.matches(topic)? {
                return Ok(group);
            }
        }
        Err(ConnectError::fatal(format!(
            "no group of topic.creation matches topic '{topic}'"
        )))
    }
}

impl Group {
    fn of(props: &Props, name: &str, default: Option<&Self>) -> Result<Self, ConnectError> {
        let mut own = props.with_prefix(&format!("{PREFIX}{name}."));
        let mut pattern = |key: &str| {
            let property = format!("{PREFIX}{name}.{key}");
            own.remove(key)
                .map(|list| patterns(&property, &list))
                .transpose()
        };
        let (include, exclude) = (pattern("include")?, pattern("exclude")?);
        let number = |key: &str, value: Option<String>, inherited: Option<i32>, rule: &str| {
            match value {
                None => match default {
                    Some(_) => Ok(inherited),
                    None => Err(ConnectError::config(format!(
                        "Missing required configuration \"{PREFIX}{name}.{key}\" which has no default value."
                    ))),
                },
                Some(text) => match text.trim().parse::<i32>() {
                    Ok(-1) => Ok(None),
                    Ok(number) if number >= 1 => Ok(Some(number)),
                    _ => Err(ConnectError::config(format!(
                        "Invalid value {text} for configuration {PREFIX}{name}.{key}: {rule}"
                    ))),
                },
            }
        };
        let replication_factor = number(
            "replication.factor",
            own.remove("replication.factor"),
            default
                .and_then(|group| group.replication_factor)
                .map(i32::from),
            "Replication factor must be positive and not larger than the number of brokers in the Kafka cluster, or -1 to use the broker's default",
        )?;
        let partitions = number(
            "partitions",
            own.remove("partitions"),
            default.and_then(|group| group.partitions),
            "Number of partitions must be positive, or -1 to use the broker's default",
        )?;
        Ok(Self {
            include,
            exclude: if default.is_some() { exclude } else { None },
            partitions,
            replication_factor: replication_factor.and_then(|factor| i16::try_from(factor).ok()),
            settings: own
                .iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        })
    }

    fn matches(&self, topic: &str) -> Result<bool, ConnectError> {
        let matched = |pattern: &Option<JavaRegex>, without: bool| match pattern {
            Some(pattern) => pattern.matches(topic),
            None => Ok(without),
        };
        Ok(matched(&self.include, true)? && !matched(&self.exclude, false)?)
    }
}

fn patterns(property: &str, list: &str) -> Result<JavaRegex, ConnectError> {
    let alternatives = list.split(',').map(str::trim).collect::<Vec<_>>().join("|");
    JavaRegex::new(&alternatives)
        .map_err(|error| ConnectError::config(invalid(property, list, &error.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_match_in_order_and_inherit() {
        let props = Props::from([
            ("topic.creation.groups", "big, odd"),
            ("topic.creation.default.replication.factor", "-1"),
            ("topic.creation.default.partitions", "2"),
            ("topic.creation.big.include", "big\\..*, huge"),
            ("topic.creation.big.exclude", "big\\.not"),
            ("topic.creation.big.partitions", "10"),
            ("topic.creation.big.cleanup.policy", "compact"),
            ("topic.creation.odd.include", "odd"),
        ]);
        let creation = TopicCreation::new(&props, true)
            .expect("valid")
            .expect("configured");
        let group = |topic: &str| creation.group_of(topic).expect("a group");
        assert_eq!(
            (
                group("big.a").partitions,
                group("big.a").settings["cleanup.policy"].as_str()
            ),
            (Some(10), "compact")
        );
        assert_eq!(group("huge").partitions, Some(10));
        assert_eq!(group("big.not").partitions, Some(2));
        assert_eq!(
            (group("odd").partitions, group("odd").replication_factor),
            (Some(2), None)
        );
    }

    #[test]
    fn a_topic_that_was_not_made_says_why() {
        let text = |error: LogError| not_created("t", error).chain();
        let refused = text(LogError::Unauthorized("no CREATE".to_owned()));
        assert!(
            refused.contains("authorized") && refused.contains("no CREATE"),
            "{refused}"
        );
        for error in [
            LogError::Invalid("Unable to replicate the partition 5 time(s)".to_owned()),
            LogError::Unavailable("the broker is away".to_owned()),
        ] {
            let reason = error.to_string();
            let text = text(error);
            assert!(
                !text.contains("authorized") && text.contains(&reason),
                "{text}"
            );
        }
    }

    #[test]
    fn a_broken_pattern_is_named_with_its_property() {
        let props = Props::from([
            ("topic.creation.groups", "g"),
            ("topic.creation.default.replication.factor", "-1"),
            ("topic.creation.default.partitions", "2"),
            ("topic.creation.g.include", "ok, (a"),
        ]);
        let error = TopicCreation::new(&props, true).expect_err("broken");
        let start = "Invalid value ok, (a for configuration topic.creation.g.include: ";
        assert!(error.text().starts_with(start), "{error}");
    }

    #[test]
    fn the_default_group_must_be_complete() {
        let props = Props::from([("topic.creation.default.partitions", "1")]);
        let error = TopicCreation::new(&props, true).expect_err("incomplete");
        assert_eq!(
            error.text(),
            "Missing required configuration \"topic.creation.default.replication.factor\" which has no default value."
        );
        assert!(
            TopicCreation::new(&Props::new(), true)
                .expect("valid")
                .is_none()
        );
    }
}
