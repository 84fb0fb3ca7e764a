//! Converters and transformations of one task.

use std::collections::HashMap;
use std::sync::Arc;

use tidegate_api::{ConnectError, Plugins, Predicate, Props, Record, SinkRecord, Transform};
use tidegate_log::{ConsumedRecord, ProducerRecord};

use crate::connector_config::{PREDICATES, TRANSFORMS};
use crate::converters::{Converters, Serialized};
use crate::tolerance::{Failure, Stage};

/// One of the task's classes with its Java name.
pub(crate) struct Named<T: ?Sized> {
    pub(crate) class: &'static str,
    pub(crate) plugin: Box<T>,
}

/// Everything between a plugin's records and the log's bytes.
pub(crate) struct Pipeline {
    converters: Converters,
    chain: Chain,
}

/// Transformations in their order.
struct Chain {
    /// Each once, however many transformations name it.
    predicates: Vec<Box<dyn Predicate>>,
    stages: Vec<StageOfChain>,
}

struct StageOfChain {
    transform: Named<dyn Transform>,
    /// The predicate's place in the list, and whether the transformation is for the records of which it does not hold.
    predicate: Option<(usize, bool)>,
}

/// Named where a record fails on its way into the log.
pub(crate) const PRODUCER_CLASS: &str = "org.apache.kafka.clients.producer.KafkaProducer";

impl Chain {
    /// The record after all transformations; `None` if one dropped it.
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, Failure> {
        for StageOfChain {
            transform,
            predicate,
        } in &mut self.stages
        {
            let class = transform.class;
            let failed = |error| Failure {
                stage: Stage::Transformation,
                class,
                error,
            };
            if let Some((place, negate)) = predicate
                && self.predicates[*place].test(&record).map_err(failed)? == *negate
            {
                continue;
            }
            match transform.plugin.apply(record).map_err(failed)? {
                Some(next) => record = next,
                None => return Ok(None),
            }
        }
        Ok(Some(record))
    }
}

impl Pipeline {
    /// # Errors
    /// `Config` for classes that do not exist and settings that they refuse.
    pub(crate) fn new(
        connector: &Props,
        worker: &Props,
        plugins: &Plugins,
    ) -> Result<Self, ConnectError> {
        Ok(Self {
            converters: Converters::new(connector, worker, plugins)?,
            chain: chain(connector, plugins)?,
        })
    }

    /// Whether records have to be prepared at all.
    pub(crate) fn needs_preparation(&self) -> bool {
        self.converters.needs_preparation()
    }

    /// Gets what the converters need to write a record.
    pub(crate) async fn prepare(&mut self, record: &Record) -> Result<(), Failure> {
        self.converters.prepare(record).await
    }

    /// Gets what the converters need to read a record.
    pub(crate) async fn prepare_read(&mut self, consumed: &ConsumedRecord) -> Result<(), Failure> {
        self.converters.prepare_read(consumed).await
    }

    /// The record after all transformations; `None` if one dropped it.
    pub(crate) fn transform(&mut self, record: Record) -> Result<Option<Record>, Failure> {
        self.chain.apply(record)
    }

    /// A transformed record of a source as the log is given it.
    pub(crate) fn serialize(&mut self, record: &Record) -> Result<ProducerRecord, Failure> {
        let timestamp = match record.timestamp {
            Some(-1) => None,
            Some(negative) if negative < 0 => {
                return Err(Failure {
                    stage: Stage::KafkaProduce,
                    class: PRODUCER_CLASS,
                    error: ConnectError::data(format!("Invalid record timestamp {negative}")),
                });
            }
            timestamp => timestamp,
        };
        let Serialized {
            key,
            value,
            headers,
        } = self.converters.serialize(record)?;
        Ok(ProducerRecord {
            topic: Arc::clone(&record.topic),
            partition: record.kafka_partition,
            timestamp,
            key,
            value,
            headers,
        })
    }

    /// A consumed record for the sink; `None` if it was dropped.
    pub(crate) fn consume(
        &mut self,
        consumed: &ConsumedRecord,
    ) -> Result<Option<SinkRecord>, Failure> {
        let record = self.converters.deserialize(consumed)?;
        Ok(self.chain.apply(record)?.map(|record| SinkRecord {
            record,
            original: tidegate_api::TopicPartitionOffset {
                topic: Arc::clone(&consumed.topic),
                partition: consumed.partition,
                offset: consumed.offset,
            },
            timestamp_type: consumed.timestamp_type,
        }))
    }
}

pub(crate) fn unknown(name: &str, class: &str) -> ConnectError {
    ConnectError::config(format!(
        "Invalid value {class} for configuration {name}: Class {class} could not be found."
    ))
}

fn chain(props: &Props, plugins: &Plugins) -> Result<Chain, ConnectError> {
    let mut predicates: Vec<Box<dyn Predicate>> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for alias in props.get(&PREDICATES)? {
        let name = format!("predicates.{alias}.type");
        let class = required(props, &name)?;
        let plugin = plugins
            .predicate(&class)
            .ok_or_else(|| unknown(&name, &class))?;
        let mut options = props.with_prefix(&format!("predicates.{alias}."));
        options.remove("type");
        places.insert(alias, predicates.len());
        predicates.push((plugin.create)(&options)?);
    }
    let build = |alias: String| {
        let name = format!("transforms.{alias}.type");
        let class = required(props, &name)?;
        let plugin = plugins
            .transform(&class)
            .ok_or_else(|| unknown(&name, &class))?;
        let mut options = props.with_prefix(&format!("transforms.{alias}."));
        options.remove("type");
        let negate = options
            .remove("negate")
            .is_some_and(|text| text.trim().eq_ignore_ascii_case("true"));
        let predicate = options.remove("predicate").filter(|name| !name.is_empty());
        let predicate = predicate
            .map(|predicate| {
                let place = places.get(&predicate).ok_or_else(|| {
                    ConnectError::config(format!(
                        "Config 'transforms.{alias}.predicate' names the predicate '{predicate}', which is not in 'predicates'."
                    ))
                })?;
                Ok::<_, ConnectError>((*place, negate))
            })
            .transpose()?;
        Ok::<_, ConnectError>(StageOfChain {
            transform: Named {
                class: plugin.class,
                plugin: (plugin.create)(&options)?,
            },
            predicate,
        })
    };
    let stages = props
        .get(&TRANSFORMS)?
        .into_iter()
        .map(build)
        .collect::<Result<_, _>>()?;
    Ok(Chain { predicates, stages })
}

fn required(props: &Props, name: &str) -> Result<String, ConnectError> {
    props.raw(name).map(str::to_owned).ok_or_else(|| {
        ConnectError::config(format!(
            "Missing required configuration \"{name}\" which has no default value."
        ))
    })
}
