//! Converters between Connect data and bytes.
//!
//! Source: `org.apache.kafka.connect.storage.{Converter,HeaderConverter}`.

use bytes::{Bytes, BytesMut};

use crate::error::ConnectError;
use crate::value::SchemaAndValue;

/// Turns keys or values into bytes and back. One instance serves one task, one record at a time: what it keeps per schema
/// are plain fields.
pub trait Converter: Send {
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

/// Turns header values into bytes and back. One instance serves one task.
pub trait HeaderConverter: Send {
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

impl<C: Converter> HeaderConverter for AsHeaderConverter<C> {
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
