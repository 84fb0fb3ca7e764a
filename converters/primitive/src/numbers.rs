//! Converters of fixed width: numbers in big-endian order, and booleans.
//!
//! Source: `org.apache.kafka.connect.converters.{NumberConverter,BooleanConverter}` and Kafka's serializers.

use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use tidegate_api::config::ConfigDef;
use tidegate_api::plugin::{ConverterPlugin, HeaderConverterPlugin};
use tidegate_api::{
    AsHeaderConverter, ConnectError, Converter, Kind, Plugins, Schema, SchemaAndValue,
    SchemaBuilder, Value,
};

fn config_def() -> ConfigDef {
    ConfigDef::new(&[])
}

macro_rules! fixed {
    ($($make:ident $class:literal $kind:ident $width:literal;)*) => {
        pub(crate) fn register(plugins: &mut Plugins) {
            $(
                plugins.converters.push(ConverterPlugin {
                    class: concat!("org.apache.kafka.connect.converters.", $class),
                    version: crate::VERSION,
                    config_def,
                    create: Arc::new(|_, _| Ok(Box::new($make()))),
                });
                plugins.header_converters.push(HeaderConverterPlugin {
                    class: concat!("org.apache.kafka.connect.converters.", $class),
                    version: crate::VERSION,
                    config_def,
                    create: Arc::new(|_| Ok(Box::new(AsHeaderConverter($make())))),
                });
            )*
        }
        $(fn $make() -> FixedConverter {
            FixedConverter {
                name: $class,
                width: $width,
                schema: SchemaBuilder::new(Kind::$kind).optional().build(),
            }
        })*
    };
}
fixed! {
    short "ShortConverter" Int16 2;
    integer "IntegerConverter" Int32 4;
    long "LongConverter" Int64 8;
    float "FloatConverter" Float32 4;
    double "DoubleConverter" Float64 8;
    boolean "BooleanConverter" Boolean 1;
}

struct FixedConverter {
    name: &'static str,
    width: usize,
    schema: Arc<Schema>,
}

impl FixedConverter {
    fn wrong(&self, what: &str) -> ConnectError {
        ConnectError::data(format!("{}: {what}", self.name))
    }

    fn decode(&self, bytes: &[u8]) -> Option<Value> {
        Some(match self.schema.kind {
            Kind::Int16 => Value::Int16(i16::from_be_bytes(bytes.try_into().ok()?)),
            Kind::Int32 => Value::Int32(i32::from_be_bytes(bytes.try_into().ok()?)),
            Kind::Int64 => Value::Int64(i64::from_be_bytes(bytes.try_into().ok()?)),
            Kind::Float32 => Value::Float32(f32::from_be_bytes(bytes.try_into().ok()?)),
            Kind::Float64 => Value::Float64(f64::from_be_bytes(bytes.try_into().ok()?)),
            _ => match bytes {
                [0] => Value::Boolean(false),
                [1] => Value::Boolean(true),
                _ => return None,
            },
        })
    }
}

impl Converter for FixedConverter {
    fn from_connect_data(
        &mut self,
        _topic: &str,
        data: &SchemaAndValue,
        out: &mut BytesMut,
    ) -> Result<bool, ConnectError> {
        match (&self.schema.kind, &data.value) {
            (_, Value::Null) => return Ok(false),
            (Kind::Int16, Value::Int16(number)) => out.put_i16(*number),
            (Kind::Int32, Value::Int32(number)) => out.put_i32(*number),
            (Kind::Int64, Value::Int64(number)) => out.put_i64(*number),
            (Kind::Float32, Value::Float32(number)) => out.put_f32(*number),
            (Kind::Float64, Value::Float64(number)) => out.put_f64(*number),
            (Kind::Boolean, Value::Boolean(flag)) => out.put_u8(u8::from(*flag)),
            (_, other) => {
                return Err(self.wrong(&format!(
                    "Failed to serialize to {}: the value is of class {}",
                    self.schema.kind.type_name(),
                    other.java_class()
                )));
            }
        }
        Ok(true)
    }

    fn to_connect_data(
        &mut self,
        _topic: &str,
        bytes: Option<&Bytes>,
    ) -> Result<SchemaAndValue, ConnectError> {
        let value = match bytes {
            None => Value::Null,
            Some(bytes) => self.decode(bytes).ok_or_else(|| {
                self.wrong(&format!(
                    "Failed to deserialize {}: {} bytes received, {} expected",
                    self.schema.kind.type_name(),
                    bytes.len(),
                    self.width
                ))
            })?,
        };
        Ok(SchemaAndValue {
            schema: Some(Arc::clone(&self.schema)),
            value,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_from_their_bytes() {
        fn check(mut converter: FixedConverter, value: Value, bytes: &'static [u8]) {
            let mut out = BytesMut::new();
            assert!(
                converter
                    .from_connect_data("t", &SchemaAndValue::schemaless(value.clone()), &mut out)
                    .expect("bytes")
            );
            assert_eq!(&out[..], bytes);
            assert_eq!(
                converter
                    .to_connect_data("t", Some(&Bytes::from_static(bytes)))
                    .expect("a value")
                    .value,
                value
            );
            assert!(
                converter
                    .to_connect_data("t", Some(&Bytes::from_static(b"123")))
                    .is_err()
            );
        }
        check(short(), Value::Int16(-2), b"\xff\xfe");
        check(integer(), Value::Int32(1), b"\0\0\0\x01");
        check(long(), Value::Int64(-1), &[0xff; 8]);
        check(float(), Value::Float32(1.0), b"\x3f\x80\0\0");
        check(double(), Value::Float64(1.0), b"\x3f\xf0\0\0\0\0\0\0");
        check(boolean(), Value::Boolean(true), b"\x01");
    }
}
