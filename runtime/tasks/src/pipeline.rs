//! Converters and transformations of one task.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tidegate_api::{
    ConnectError, Converter, HeaderConverter, Plugins, Predicate, Props, Record, SchemaAndValue,
    SinkRecord, Transform,
};
use tidegate_log::{ConsumedRecord, ProducerRecord, RecordHeaders};

use crate::connector_config::{PREDICATES, TRANSFORMS};
use crate::headers::{ToConnect, ToLog};
use crate::tolerance::{Failure, Stage};

/// One of the task's classes with its Java name.
struct Named<T: ?Sized> {
    class: &'static str,
    plugin: Box<T>,
}

/// Everything between a plugin's records and the log's bytes.
pub(crate) struct Pipeline {
    converters: Converters,
    chain: Chain,
}

/// The converters of a task, and what they keep from record to record.
pub(crate) struct Converters {
    key: Named<dyn Converter>,
    value: Named<dyn Converter>,
    header: Named<dyn HeaderConverter>,
    /// Where keys and values are written.
    buffer: BytesMut,
    to_log: ToLog,
    to_connect: ToConnect,
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

/// Space reserved at a time for converted records.
const BUFFER_BYTES: usize = 256 * 1024;

/// What the log is given of a record.
pub(crate) struct Serialized {
    pub(crate) key: Option<Bytes>,
    pub(crate) value: Option<Bytes>,
    pub(crate) headers: RecordHeaders,
}

/// Named where a record fails on its way into the log.
pub(crate) const PRODUCER_CLASS: &str = "org.apache.kafka.clients.producer.KafkaProducer";

const DEFAULT_HEADER_CONVERTER: &str = "org.apache.kafka.connect.storage.SimpleHeaderConverter";

impl Converters {
    /// # Errors
    /// `Config` for classes that do not exist and settings that they refuse.
    pub(crate) fn new(
        connector: &Props,
        worker: &Props,
        plugins: &Plugins,
    ) -> Result<Self, ConnectError> {
        let (class, options) = chosen(
            "header.converter",
            connector,
            worker,
            Some(DEFAULT_HEADER_CONVERTER),
        )?;
        let header = plugins
            .header_converter(&class)
            .ok_or_else(|| unknown("header.converter", &class))?;
        Ok(Self {
            key: converter("key.converter", true, connector, worker, plugins)?,
            value: converter("value.converter", false, connector, worker, plugins)?,
            header: Named {
                class: header.class,
                plugin: (header.create)(&options)?,
            },
            buffer: BytesMut::new(),
            to_log: ToLog::default(),
            to_connect: ToConnect::default(),
        })
    }

    /// A record's key, value and headers as bytes.
    pub(crate) fn serialize(&mut self, record: &Record) -> Result<Serialized, Failure> {
        let topic = &record.topic;
        let headers = self
            .to_log
            .convert(&mut *self.header.plugin, topic, &record.headers);
        let headers = headers.map_err(|error| self.header_failure(error))?;
        let buffer = &mut self.buffer;
        if buffer.capacity() < BUFFER_BYTES / 4 {
            buffer.reserve(BUFFER_BYTES);
        }
        Ok(Serialized {
            key: write(
                &mut self.key,
                Stage::KeyConverter,
                topic,
                &record.key,
                buffer,
            )?,
            value: write(
                &mut self.value,
                Stage::ValueConverter,
                topic,
                &record.value,
                buffer,
            )?,
            headers,
        })
    }

    /// A record of the log as plugins see it.
    fn deserialize(&mut self, consumed: &ConsumedRecord) -> Result<Record, Failure> {
        let topic = &consumed.topic;
        let (key, value) = (consumed.key.as_ref(), consumed.value.as_ref());
        Ok(Record {
            topic: Arc::clone(topic),
            kafka_partition: Some(consumed.partition),
            key: read(&mut self.key, Stage::KeyConverter, topic, key)?,
            value: read(&mut self.value, Stage::ValueConverter, topic, value)?,
            timestamp: consumed.timestamp,
            headers: self
                .to_connect
                .convert(&mut *self.header.plugin, topic, &consumed.headers)
                .map_err(|error| self.header_failure(error))?,
        })
    }

    fn header_failure(&self, error: ConnectError) -> Failure {
        Failure {
            stage: Stage::HeaderConverter,
            class: self.header.class,
            error,
        }
    }
}

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

    /// A source's record as bytes. `None` if it was dropped.
    pub(crate) fn produce(&mut self, record: Record) -> Result<Option<ProducerRecord>, Failure> {
        let Some(record) = self.chain.apply(record)? else {
            return Ok(None);
        };
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
        } = self.converters.serialize(&record)?;
        Ok(Some(ProducerRecord {
            topic: record.topic,
            partition: record.kafka_partition,
            timestamp,
            key,
            value,
            headers,
        }))
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

fn read(
    converter: &mut Named<dyn Converter>,
    stage: Stage,
    topic: &str,
    bytes: Option<&Bytes>,
) -> Result<SchemaAndValue, Failure> {
    let data = converter.plugin.to_connect_data(topic, bytes);
    data.map_err(|error| Failure {
        stage,
        class: converter.class,
        error,
    })
}

/// What was half written by a failed conversion is cut off.
fn write(
    converter: &mut Named<dyn Converter>,
    stage: Stage,
    topic: &str,
    data: &SchemaAndValue,
    buffer: &mut BytesMut,
) -> Result<Option<Bytes>, Failure> {
    match converter.plugin.from_connect_data(topic, data, buffer) {
        Ok(true) => Ok(Some(buffer.split().freeze())),
        Ok(false) => Ok(None),
        Err(error) => {
            buffer.clear();
            Err(Failure {
                stage,
                class: converter.class,
                error,
            })
        }
    }
}

/// The class and its options: all of the connector's, or all of the worker's.
fn chosen(
    name: &str,
    connector: &Props,
    worker: &Props,
    default: Option<&str>,
) -> Result<(String, Props), ConnectError> {
    let prefix = format!("{name}.");
    if let Some(class) = connector.raw(name) {
        return Ok((class.to_owned(), connector.with_prefix(&prefix)));
    }
    match worker.raw(name).or(default) {
        Some(class) => Ok((class.to_owned(), worker.with_prefix(&prefix))),
        None => Err(ConnectError::config(format!(
            "Missing required configuration \"{name}\" which has no default value."
        ))),
    }
}

fn unknown(name: &str, class: &str) -> ConnectError {
    ConnectError::config(format!(
        "Invalid value {class} for configuration {name}: Class {class} could not be found."
    ))
}

fn converter(
    name: &str,
    is_key: bool,
    connector: &Props,
    worker: &Props,
    plugins: &Plugins,
) -> Result<Named<dyn Converter>, ConnectError> {
    let (class, options) = chosen(name, connector, worker, None)?;
    let plugin = plugins
        .converter(&class)
        .ok_or_else(|| unknown(name, &class))?;
    Ok(Named {
        class: plugin.class,
        plugin: (plugin.create)(&options, is_key)?,
    })
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
