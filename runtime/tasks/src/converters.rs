//! The converters of one task.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tidegate_api::{
    ConnectError, Converter, HeaderConverter, Plugins, Props, Record, SchemaAndValue,
};
use tidegate_log::{ConsumedRecord, RecordHeaders};

use crate::headers::{ToConnect, ToLog};
use crate::pipeline::{Named, unknown};
use crate::tolerance::{Failure, Stage};

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

/// Space reserved at a time for converted records.
const BUFFER_BYTES: usize = 256 * 1024;

/// What the log is given of a record.
pub(crate) struct Serialized {
    pub(crate) key: Option<Bytes>,
    pub(crate) value: Option<Bytes>,
    pub(crate) headers: RecordHeaders,
}

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
    pub(crate) fn deserialize(&mut self, consumed: &ConsumedRecord) -> Result<Record, Failure> {
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
