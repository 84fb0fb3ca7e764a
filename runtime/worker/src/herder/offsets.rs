//! Offsets of connectors through REST.
//!
//! Source: `org.apache.kafka.connect.runtime.Worker.{connectorOffsets,modifyConnectorOffsets}`, KIP-875.

use std::sync::Arc;

use serde_json::{Value as Json, json};
use tidegate_api::{
    ConnectorKind, OffsetChange, Props, SourcePartition, TopicPartition, Value, catch_panic,
};
use tidegate_log::LogError;
use tidegate_tasks::{OffsetBackingStore as _, TargetState, sink_group_id};

use crate::errors::WorkerError;
use crate::herder::Herder;
use crate::stores::json;
use crate::validation::plugin;

const NOT_STOPPED: &str = "Connectors must be in the STOPPED state before their offsets can be modified. This can be done for the specified connector by issuing a 'PUT' request to the '/connectors/{}/stop' endpoint";
const OWN: &str = "The offsets for this connector have been {} successfully";
const FRAMEWORKS: &str =
    "The Connect framework-managed offsets for this connector have been {} successfully.";
const EXTERNAL: &str = "However, if this connector manages offsets externally, they will need to be manually altered in the system that the connector uses.";

/// An integer beyond 64 bits, which the original reads as one of that class: the name of the one member of an object whose
/// value is its text.
pub(crate) const BIG_INTEGER: &str = "java.math.BigInteger";

fn big_integer(json: &Json) -> Option<&str> {
    json.as_object()?.get(BIG_INTEGER)?.as_str()
}

impl Herder {
    fn is_sink(&self, config: &Props) -> Result<bool, WorkerError> {
        let class = config.raw("connector.class").unwrap_or_default();
        Ok(matches!(
            plugin(&self.shared.plugins, class)?.kind,
            ConnectorKind::Sink(_)
        ))
    }

    fn group(&self, name: &str, config: &Props) -> String {
        sink_group_id(name, config, &self.shared.config.props)
    }

    pub(crate) async fn offsets(&self, name: &str) -> Result<Json, WorkerError> {
        let config = self.config(name)?;
        let offsets: Vec<Json> = if self.is_sink(&config)? {
            let offsets = self.shared.log.group_offsets(&self.group(name, &config)).await.map_err(|error| {
                WorkerError::internal(format!("Failed to retrieve consumer group offsets for sink connector {name}: {error}"))
            })?;
            offsets
                .into_iter()
                .map(|(partition, offset)| {
                    json!({
                        "partition": {"kafka_topic": &*partition.topic, "kafka_partition": partition.partition},
                        "offset": {"kafka_offset": offset},
                    })
                })
                .collect()
        } else {
            let offsets = self.shared.offsets.all(name).await.map_err(|error| {
                WorkerError::internal(format!(
                    "Failed to retrieve offsets for source connector {name}: {}",
                    error.chain()
                ))
            })?;
            let map = |fields: Vec<(tidegate_api::Str, Value)>| {
                json::to_json(&Value::Map(
                    fields
                        .into_iter()
                        .map(|(name, value)| (Value::String(name), value))
                        .collect(),
                ))
            };
            offsets.into_iter().map(|(partition, offset)| json!({"partition": map(partition.0), "offset": map(offset)})).collect()
        };
        Ok(json!({"offsets": offsets}))
    }

    /// The configuration of a connector whose tasks have ended.
    async fn check_stopped(&self, name: &str) -> Result<Props, WorkerError> {
        let not_stopped = || WorkerError::bad_request(NOT_STOPPED.replace("{}", name));
        self.entry(name)?;
        if self.shared.configs.target(name) != TargetState::Stopped {
            return Err(not_stopped());
        }
        // Its tasks may still be on their way out.
        self.settled(name).await?;
        let entry = self.entry(name)?;
        if !entry.tasks.is_empty() {
            return Err(not_stopped());
        }
        Ok(entry.config)
    }

    /// Asks the connector whether it agrees; the answer to the request if all goes well.
    async fn announce(
        &self,
        config: &Props,
        change: OffsetChange<'_>,
        what: &str,
    ) -> Result<Json, WorkerError> {
        let props = self.shared.providers.resolve(config)?;
        let class = props.raw("connector.class").unwrap_or_default();
        let plugin = plugin(&self.shared.plugins, class)?;
        let connector = (plugin.create)();
        let method = format!("alterOffsets of {}", plugin.class);
        let agreed = catch_panic(&method, connector.alter_offsets(&props, change)).await??;
        let message = if agreed {
            OWN.replace("{}", what)
        } else {
            format!("{} {EXTERNAL}", FRAMEWORKS.replace("{}", what))
        };
        Ok(json!({"message": message}))
    }

    /// Sets offsets; a null offset deletes one.
    pub(crate) async fn alter_offsets(&self, name: &str, body: &Json) -> Result<Json, WorkerError> {
        let entries = body
            .get("offsets")
            .and_then(Json::as_array)
            .filter(|entries| !entries.is_empty())
            .ok_or_else(|| {
                WorkerError::bad_request(
                    "Partitions / offsets need to be provided for an alter offsets request",
                )
            })?;
        check_members("the body", body, &["offsets"])?;
        for (index, entry) in entries.iter().enumerate() {
            let what = format!("offsets[{index}]");
            check_members(&what, entry, &["partition", "offset"])?;
        }
        let config = self.check_stopped(name).await?;
        if self.is_sink(&config)? {
            let offsets = entries
                .iter()
                .map(sink_offset)
                .collect::<Result<Vec<_>, _>>()?;
            let answer = self
                .announce(&config, OffsetChange::Sink(&offsets), "altered")
                .await?;
            for (partition, _) in &offsets {
                let found = self.shared.log.describe_topic(&partition.topic).await?;
                check_partition(name, partition, found.map(|found| found.partitions))?;
            }
            let group = self.group(name, &config);
            let result = self.shared.log.alter_group_offsets(&group, &offsets).await;
            result.map_err(|error| modification_failed("alter", name, &error))?;
            Ok(answer)
        } else {
            let mut offsets = Vec::new();
            for entry in entries {
                let partition = fields(entry.get("partition"), "partition")?
                    .ok_or_else(|| WorkerError::internal("Partition objects cannot be null"))?;
                offsets.push((
                    Arc::new(SourcePartition(partition)),
                    fields(entry.get("offset"), "offset")?,
                ));
            }
            let answer = self
                .announce(&config, OffsetChange::Source(&offsets), "altered")
                .await?;
            self.shared.offsets.set(name, offsets).await?;
            Ok(answer)
        }
    }

    pub(crate) async fn reset_offsets(&self, name: &str) -> Result<Json, WorkerError> {
        let config = self.check_stopped(name).await?;
        if self.is_sink(&config)? {
            let group = self.group(name, &config);
            let known = self.shared.log.group_offsets(&group).await?;
            let removed: Vec<_> = known
                .into_keys()
                .map(|partition| (partition, None))
                .collect();
            let answer = self
                .announce(&config, OffsetChange::Sink(&removed), "reset")
                .await?;
            match self.shared.log.delete_group(&group).await {
                Ok(()) | Err(LogError::NotFound(_)) => Ok(answer),
                Err(error) => Err(modification_failed("reset", name, &error)),
            }
        } else {
            let known = self.shared.offsets.all(name).await?;
            let tombstones: Vec<_> = known
                .into_iter()
                .map(|(partition, _)| (Arc::new(partition), None))
                .collect();
            let answer = self
                .announce(&config, OffsetChange::Source(&tombstones), "reset")
                .await?;
            self.shared.offsets.set(name, tombstones).await?;
            Ok(answer)
        }
    }
}

fn modification_failed(what: &str, name: &str, error: &LogError) -> WorkerError {
    WorkerError::internal(format!(
        "Failed to {what} consumer group offsets for connector {name} either because its tasks haven't stopped completely \
         yet or the connector was resumed before the request to {what} its offsets could be successfully completed. If the \
         connector is in a stopped state, this operation can be safely retried. If it doesn't eventually succeed, the \
         Connect cluster may need to be restarted to get rid of the zombie sink tasks. ({error})"
    ))
}

/// A slip in a name must not pass for a member that is left out: an offset that is missing is deleted.
fn check_members(what: &str, json: &Json, known: &[&str]) -> Result<(), WorkerError> {
    let names = json
        .as_object()
        .into_iter()
        .flat_map(|object| object.keys());
    for name in names {
        if !known.contains(&name.as_str()) {
            return Err(WorkerError::bad_request(format!(
                "{what} has the unknown member '{name}'; known are {}",
                known.join(", ")
            )));
        }
    }
    Ok(())
}

fn check_partition(
    name: &str,
    partition: &TopicPartition,
    partitions: Option<i32>,
) -> Result<(), WorkerError> {
    let (topic, number) = (&partition.topic, partition.partition);
    let reason = match partitions {
        None => format!("there is no topic '{topic}'"),
        Some(count) if !(0..count).contains(&number) => {
            format!("topic '{topic}' has no partition {number}, but {count} from 0 on")
        }
        Some(_) => return Ok(()),
    };
    Err(WorkerError::internal(format!(
        "Failed to alter consumer group offsets for connector {name}: {reason}"
    )))
}

/// A flat map; null is `None`.
fn fields(
    json: Option<&Json>,
    what: &str,
) -> Result<Option<Vec<(tidegate_api::Str, Value)>>, WorkerError> {
    let Some(json) = json.filter(|json| !json.is_null()) else {
        return Ok(None);
    };
    let object = json
        .as_object()
        .ok_or_else(|| WorkerError::bad_request(format!("the {what} must be an object")))?;
    let no_primitive = |value: &Json| match value {
        _ if big_integer(value).is_some() => Some("class java.math.BigInteger"),
        Json::Array(_) => Some("ARRAY"),
        Json::Object(_) => Some("MAP"),
        Json::Number(number) if number.is_u64() && !number.is_i64() => {
            Some("class java.math.BigInteger")
        }
        _ => None,
    };
    let mut members = object.iter();
    let found = members.find_map(|(name, value)| Some((name, no_primitive(value)?)));
    if let Some((name, kind)) = found {
        return Err(WorkerError::internal(format!(
            "Offsets may only contain primitive types as values, but field {name} contains {kind}"
        )));
    }
    json::to_fields(json::from_json(json)?)
        .map(Some)
        .ok_or_else(|| WorkerError::bad_request(format!("the {what} must be an object")))
}

fn sink_offset(entry: &Json) -> Result<(TopicPartition, Option<i64>), WorkerError> {
    let bad = WorkerError::bad_request;
    let partition = entry
        .get("partition")
        .and_then(Json::as_object)
        .ok_or_else(|| {
            bad("The partition for a sink connector offset cannot be null or missing")
        })?;
    let (Some(topic), Some(number)) = (
        partition.get("kafka_topic"),
        partition.get("kafka_partition"),
    ) else {
        return Err(bad(
            "The partition for a sink connector offset must contain the keys 'kafka_topic' and 'kafka_partition'",
        ));
    };
    let topic = topic
        .as_str()
        .ok_or_else(|| bad("Kafka topic names must be valid strings and may not be null"))?;
    if number.is_null() {
        return Err(bad(
            "Kafka partitions must be valid numbers and may not be null",
        ));
    }
    let number = integer(number).and_then(|number| i32::try_from(number).ok()).ok_or_else(|| {
        WorkerError::bad_request(format!("Failed to parse the following Kafka partition value in the provided offsets: '{}'. Partition values for sink connectors need to be integers.", plain(number)))
    })?;
    let offset = match entry.get("offset").filter(|offset| !offset.is_null()) {
        None => None,
        Some(offset) => {
            let offset = offset.get("kafka_offset").ok_or_else(|| {
                bad("The offset for a sink connector should either be null or contain the key 'kafka_offset'")
            })?;
            let number = integer(offset).ok_or_else(|| {
                WorkerError::bad_request(format!("Failed to parse the following Kafka offset value in the provided offsets: '{}'. Offset values for sink connectors need to be integers.", plain(offset)))
            })?;
            if number < 0 {
                return Err(WorkerError::bad_request(format!(
                    "The offset {number} of {topic}-{partition} is negative",
                    partition = plain(&partition["kafka_partition"])
                )));
            }
            Some(number)
        }
    };
    Ok((TopicPartition::new(topic, number), offset))
}

/// `10` and `"10"`.
fn integer(json: &Json) -> Option<i64> {
    json.as_i64().or_else(|| json.as_str()?.parse().ok())
}

fn plain(json: &Json) -> String {
    json.as_str()
        .or_else(|| big_integer(json))
        .map_or_else(|| json.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, tested};

    #[tokio::test]
    async fn a_slip_in_a_name_deletes_no_offset() {
        let bench = Bench::standalone(&[]).await;
        let herder = &bench.herder;
        let stopped = Some(TargetState::Stopped);
        let created = herder.create("a", tested("a", "1"), stopped).await;
        created.unwrap();
        let partition = json!({"file": "f"});
        let offsets = |offset: Json| json!({"offsets": [offset]});
        let stored = offsets(json!({"partition": partition, "offset": {"position": 5}}));
        herder.alter_offsets("a", &stored).await.unwrap();
        let mut slips = vec![
            offsets(json!({"partition": partition, "ofset": {"position": 6}})),
            stored.clone(),
        ];
        slips[1]["ofsets"] = json!([]);
        for slip in slips {
            let error = herder.alter_offsets("a", &slip).await.unwrap_err();
            assert_eq!(error.status, 400);
            assert!(error.message.contains("unknown member 'ofset"), "{error}");
        }
        assert_eq!(herder.offsets("a").await.unwrap(), stored);
    }

    #[test]
    fn partitions_and_offsets_that_cannot_be_are_named() {
        let partition = TopicPartition::new("t", 99);
        let error = check_partition("a", &partition, Some(2)).unwrap_err();
        let text = "topic 't' has no partition 99, but 2 from 0 on";
        assert!(error.message.ends_with(text), "{error}");
        let entry = json!({
            "partition": {"kafka_topic": "t", "kafka_partition": 0},
            "offset": {"kafka_offset": -1},
        });
        let error = sink_offset(&entry).unwrap_err();
        assert_eq!(error.message, "The offset -1 of t-0 is negative");
    }
}
