//! `ByteArrayConverter`: bytes as they are.
//!
//! Source: `org.apache.kafka.connect.converters.ByteArrayConverter`.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tidegate_api::config::ConfigDef;
use tidegate_api::plugin::{ConverterPlugin, HeaderConverterPlugin};
use tidegate_api::{
    AsHeaderConverter, ConnectError, Converter, Kind, Plugins, SchemaAndValue, SchemaBuilder, Value,
};

const CLASS: &str = "org.apache.kafka.connect.converters.ByteArrayConverter";

fn config_def() -> ConfigDef {
    ConfigDef::new(&[])
}

pub(crate) fn register(plugins: &mut Plugins) {
    plugins.converters.push(ConverterPlugin {
        class: CLASS,
        version: crate::VERSION,
        config_def,
        create: Arc::new(|_, _| Ok(Box::new(ByteArrayConverter))),
    });
    plugins.header_converters.push(HeaderConverterPlugin {
        class: CLASS,
        version: crate::VERSION,
        config_def,
        create: Arc::new(|_| Ok(Box::new(AsHeaderConverter(ByteArrayConverter)))),
    });
}

struct ByteArrayConverter;

impl Converter for ByteArrayConverter {
    fn from_connect_data(
        &mut self,
        _topic: &str,
        data: &SchemaAndValue,
        out: &mut BytesMut,
    ) -> Result<bool, ConnectError> {
        if let Some(schema) = data
            .schema
            .as_ref()
            .filter(|schema| schema.kind != Kind::Bytes)
        {
            return Err(ConnectError::data(format!(
                "Invalid schema type for ByteArrayConverter: {}",
                schema.kind.type_name()
            )));
        }
        match &data.value {
            Value::Null => Ok(false),
            Value::Bytes(bytes) => {
                out.extend_from_slice(bytes);
                Ok(true)
            }
            other => Err(ConnectError::data(format!(
                "ByteArrayConverter is not compatible with objects of type class {}",
                other.java_class()
            ))),
        }
    }

    fn to_connect_data(
        &mut self,
        _topic: &str,
        bytes: Option<&Bytes>,
    ) -> Result<SchemaAndValue, ConnectError> {
        Ok(SchemaAndValue {
            schema: Some(SchemaBuilder::bytes().optional().build()),
            value: bytes.map_or(Value::Null, |bytes| Value::Bytes(bytes.clone())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bytes_pass() {
        let mut out = BytesMut::new();
        let text = SchemaAndValue::new(SchemaBuilder::string().build(), Value::string("x"));
        let error = ByteArrayConverter
            .from_connect_data("t", &text, &mut out)
            .expect_err("no bytes");
        assert_eq!(
            error.text(),
            "Invalid schema type for ByteArrayConverter: STRING"
        );
        let bytes = SchemaAndValue::schemaless(Value::Bytes(Bytes::from_static(b"x")));
        assert!(
            ByteArrayConverter
                .from_connect_data("t", &bytes, &mut out)
                .expect("bytes")
        );
        assert_eq!(&out[..], b"x");
    }
}
