//! The converters of one task.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tidegate_api::{
    ConnectError, Converter, HeaderConverter, Plugins, Props, Record, Schema, SchemaAndValue,
};
use tidegate_log::{ConsumedRecord, RecordHeaders};

use crate::headers::{ToConnect, ToLog};
use crate::pipeline::{Named, unknown};
use crate::tolerance::{Failure, Stage};

/// The converters of a task, and what they keep from record to record.
pub(crate) struct Converters {
    key: ValueConverter,
    value: ValueConverter,
    header: Named<dyn HeaderConverter>,
    headers_prepared: Option<Preparation>,
    /// Of any of them.
    needs_preparation: bool,
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
        let header = Named {
            class: header.class,
            plugin: (header.create)(&options)?,
        };
        let stages = [Stage::KeyConverter, Stage::ValueConverter];
        let [key, value] =
            stages.map(|stage| ValueConverter::new(stage, connector, worker, plugins));
        let (key, value) = (key?, value?);
        Ok(Self {
            needs_preparation: header.plugin.needs_preparation()
                || key.needs_preparation
                || value.needs_preparation,
            key,
            value,
            header,
            headers_prepared: None,
            buffer: BytesMut::new(),
            to_log: ToLog::default(),
            to_connect: ToConnect::default(),
        })
    }

    pub(crate) fn needs_preparation(&self) -> bool {
        self.needs_preparation
    }

    /// Gets what is needed to write a record, unless it was the same for the one before.
    pub(crate) async fn prepare(&mut self, record: &Record) -> Result<(), Failure> {
        let topic = &record.topic;
        if self.header.plugin.needs_preparation() {
            for header in &record.headers {
                let schema = header.value.schema.as_ref();
                if is_prepared(self.headers_prepared.as_ref(), topic, schema) {
                    continue;
                }
                let prepared = self.header.plugin.prepare(topic, schema).await;
                prepared.map_err(|error| self.header_failure(error))?;
                self.headers_prepared = Some((Arc::clone(topic), schema.cloned()));
            }
        }
        self.key.prepare(topic, &record.key).await?;
        self.value.prepare(topic, &record.value).await
    }

    /// Gets what is needed to read a record.
    pub(crate) async fn prepare_read(&mut self, consumed: &ConsumedRecord) -> Result<(), Failure> {
        let topic = &consumed.topic;
        self.key.prepare_read(topic, consumed.key.as_ref()).await?;
        let value = consumed.value.as_ref();
        self.value.prepare_read(topic, value).await?;
        if self.header.plugin.needs_preparation() {
            for header in &consumed.headers {
                if let Some(bytes) = &header.value
                    && !self.header.plugin.can_read(topic, bytes)
                {
                    let prepared = self.header.plugin.prepare_read(topic, bytes).await;
                    prepared.map_err(|error| self.header_failure(error))?;
                }
            }
        }
        Ok(())
    }

    /// A record's key, value and headers as bytes.
    pub(crate) fn serialize(&mut self, record: &Record) -> Result<Serialized, Failure> {
        let serialized = self.write(record);
        if serialized.is_err() {
            self.headers_prepared = None;
            self.key.prepared = None;
            self.value.prepared = None;
        }
        serialized
    }

    fn write(&mut self, record: &Record) -> Result<Serialized, Failure> {
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
            key: self.key.write(topic, &record.key, buffer)?,
            value: self.value.write(topic, &record.value, buffer)?,
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
            key: self.key.read(topic, key)?,
            value: self.value.read(topic, value)?,
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

/// What a converter was prepared for last.
type Preparation = (Arc<str>, Option<Arc<Schema>>);

fn is_prepared(last: Option<&Preparation>, topic: &Arc<str>, schema: Option<&Arc<Schema>>) -> bool {
    let Some((known_topic, known_schema)) = last else {
        return false;
    };
    let is_same_schema = match (known_schema, schema) {
        (Some(known), Some(schema)) => Arc::ptr_eq(known, schema),
        (known, schema) => known.is_none() && schema.is_none(),
    };
    is_same_schema && (Arc::ptr_eq(known_topic, topic) || known_topic == topic)
}

/// The converter of keys or of values.
struct ValueConverter {
    stage: Stage,
    converter: Named<dyn Converter>,
    needs_preparation: bool,
    prepared: Option<Preparation>,
}

impl ValueConverter {
    fn new(
        stage: Stage,
        connector: &Props,
        worker: &Props,
        plugins: &Plugins,
    ) -> Result<Self, ConnectError> {
        let is_key = stage == Stage::KeyConverter;
        let name = if is_key {
            "key.converter"
        } else {
            "value.converter"
        };
        let (class, options) = chosen(name, connector, worker, None)?;
        let plugin = plugins
            .converter(&class)
            .ok_or_else(|| unknown(name, &class))?;
        let converter = Named {
            class: plugin.class,
            plugin: (plugin.create)(&options, is_key)?,
        };
        Ok(Self {
            stage,
            needs_preparation: converter.plugin.needs_preparation(),
            converter,
            prepared: None,
        })
    }

    async fn prepare(&mut self, topic: &Arc<str>, data: &SchemaAndValue) -> Result<(), Failure> {
        let schema = data.schema.as_ref();
        if !self.needs_preparation
            || data.is_null()
            || is_prepared(self.prepared.as_ref(), topic, schema)
        {
            return Ok(());
        }
        let prepared = self.converter.plugin.prepare(topic, schema).await;
        prepared.map_err(|error| self.failure(error))?;
        self.prepared = Some((Arc::clone(topic), schema.cloned()));
        Ok(())
    }

    async fn prepare_read(&mut self, topic: &str, bytes: Option<&Bytes>) -> Result<(), Failure> {
        let plugin = &mut self.converter.plugin;
        let Some(bytes) = bytes else {
            return Ok(());
        };
        if !self.needs_preparation || plugin.can_read(topic, bytes) {
            return Ok(());
        }
        let prepared = plugin.prepare_read(topic, bytes).await;
        prepared.map_err(|error| self.failure(error))
    }

    /// What was half written by a failed conversion is cut off.
    fn write(
        &mut self,
        topic: &str,
        data: &SchemaAndValue,
        buffer: &mut BytesMut,
    ) -> Result<Option<Bytes>, Failure> {
        match self.converter.plugin.from_connect_data(topic, data, buffer) {
            Ok(true) => Ok(Some(buffer.split().freeze())),
            Ok(false) => Ok(None),
            Err(error) => {
                buffer.clear();
                Err(self.failure(error))
            }
        }
    }

    fn read(&mut self, topic: &str, bytes: Option<&Bytes>) -> Result<SchemaAndValue, Failure> {
        let data = self.converter.plugin.to_connect_data(topic, bytes);
        data.map_err(|error| self.failure(error))
    }

    fn failure(&self, error: ConnectError) -> Failure {
        Failure {
            stage: self.stage,
            class: self.converter.class,
            error,
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
