//! Converters between Connect data and bytes.
//!
//! Source: `org.apache.kafka.connect.storage.{Converter,HeaderConverter}`.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};

use crate::error::ConnectError;
use crate::schema::Schema;
use crate::value::SchemaAndValue;

/// Turns keys or values into bytes and back. One instance serves one task, one record at a time: what it keeps per schema
/// are plain fields.
///
/// Conversions do not wait. A converter that has to ask somebody, such as a schema registry, asks in `prepare` and
/// `prepare_read`, which come before the conversion, and keeps the answers. Their errors count as those of the conversion:
/// a `Retriable` one is tried again as long as `errors.retry.timeout` says.
#[async_trait]
pub trait Converter: Send {
    /// Whether there is anything to prepare. Asked once, and without it never for a record.
    fn needs_preparation(&self) -> bool {
        false
    }

    /// Gets what it takes to write values of this schema to this topic. It is called when the topic or the schema, by its
    /// address, is another one than that of the record before, and after a conversion that failed; not for nulls without
    /// schema. Tables take turns, so that whatever was got before should be found again without asking.
    ///
    /// Dropped if the task is to stop meanwhile.
    async fn prepare(
        &mut self,
        _topic: &str,
        _schema: Option<&Arc<Schema>>,
    ) -> Result<(), ConnectError> {
        Ok(())
    }

    /// Whether `prepare_read` has nothing to do for these bytes. This is asked for each record.
    fn can_read(&self, _topic: &str, _bytes: &Bytes) -> bool {
        true
    }

    /// Gets what it takes to read these bytes of this topic, such as the schema that they name.
    ///
    /// Dropped if the task is to stop meanwhile.
    async fn prepare_read(&mut self, _topic: &str, _bytes: &Bytes) -> Result<(), ConnectError> {
        Ok(())
    }

    /// Appends the serialised form to `out`. `Ok(false)` stands for Kafka's null: nothing was appended.
    ///
    /// # Errors
    /// `Data` if the value does not fit its schema; `out` may then hold a part of the value, which the caller cuts off.
    fn from_connect_data(
        &mut self,
        topic: &str,
        data: &SchemaAndValue,
        out: &mut BytesMut,
    ) -> Result<bool, ConnectError>;

    /// Reads the serialised form; `None` is Kafka's null.
    ///
    /// # Errors
    /// `Data` if the bytes cannot be read.
    fn to_connect_data(
        &mut self,
        topic: &str,
        bytes: Option<&Bytes>,
    ) -> Result<SchemaAndValue, ConnectError>;
}

/// Turns header values into bytes and back. One instance serves one task. What was converted is kept and used again for the
/// same headers of the same topic. For preparations see [`Converter`].
#[async_trait]
pub trait HeaderConverter: Send {
    /// Like [`Converter::needs_preparation`].
    fn needs_preparation(&self) -> bool {
        false
    }

    /// Like [`Converter::prepare`], for the headers of a record one after the other.
    async fn prepare(
        &mut self,
        _topic: &str,
        _schema: Option<&Arc<Schema>>,
    ) -> Result<(), ConnectError> {
        Ok(())
    }

    /// Like [`Converter::can_read`].
    fn can_read(&self, _topic: &str, _bytes: &Bytes) -> bool {
        true
    }

    /// Like [`Converter::prepare_read`].
    async fn prepare_read(&mut self, _topic: &str, _bytes: &Bytes) -> Result<(), ConnectError> {
        Ok(())
    }

    fn from_connect_header(
        &mut self,
        topic: &str,
        key: &str,
        data: &SchemaAndValue,
    ) -> Result<Option<Bytes>, ConnectError>;
    fn to_connect_header(
        &mut self,
        topic: &str,
        key: &str,
        bytes: Option<&Bytes>,
    ) -> Result<SchemaAndValue, ConnectError>;
}

/// A converter of values as one of header values, which is what most of Java's are, too.
#[derive(Debug)]
pub struct AsHeaderConverter<C>(pub C);

#[async_trait]
impl<C: Converter> HeaderConverter for AsHeaderConverter<C> {
    fn needs_preparation(&self) -> bool {
        self.0.needs_preparation()
    }
    async fn prepare(
        &mut self,
        topic: &str,
        schema: Option<&Arc<Schema>>,
    ) -> Result<(), ConnectError> {
        self.0.prepare(topic, schema).await
    }
    fn can_read(&self, topic: &str, bytes: &Bytes) -> bool {
        self.0.can_read(topic, bytes)
    }
    async fn prepare_read(&mut self, topic: &str, bytes: &Bytes) -> Result<(), ConnectError> {
        self.0.prepare_read(topic, bytes).await
    }

    fn from_connect_header(
        &mut self,
        topic: &str,
        _key: &str,
        data: &SchemaAndValue,
    ) -> Result<Option<Bytes>, ConnectError> {
        let mut out = BytesMut::new();
        let some = self.0.from_connect_data(topic, data, &mut out)?;
        Ok(some.then(|| out.freeze()))
    }
    fn to_connect_header(
        &mut self,
        topic: &str,
        _key: &str,
        bytes: Option<&Bytes>,
    ) -> Result<SchemaAndValue, ConnectError> {
        self.0.to_connect_data(topic, bytes)
    }
}
