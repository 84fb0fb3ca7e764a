//! `StringConverter`: any value as its text.
//!
//! Source: `org.apache.kafka.connect.storage.StringConverter`.

use bytes::{Bytes, BytesMut};
use encoding_rs::{Encoding, UTF_8};
use tidegate_api::config::{ConfigDef, ConfigKey, ConfigValue, Importance, Width};
use tidegate_api::plugin::{ConverterPlugin, HeaderConverterPlugin};
use tidegate_api::{
    AsHeaderConverter, ConnectError, Converter, Plugins, Props, SchemaAndValue, SchemaBuilder, Str,
    Value, java_text,
};

const CLASS: &str = "org.apache.kafka.connect.storage.StringConverter";

static ENCODING: ConfigKey<String> = ConfigKey::new("converter.encoding", "UTF-8")
    .importance(Importance::High)
    .width(Width::Medium)
    .display_name("Encoding")
    .validator(known_encoding)
    .doc("The name of the Java character set to use for encoding strings as byte arrays.");

fn known_encoding(name: &str, value: &ConfigValue) -> Result<(), String> {
    match value {
        ConfigValue::String(label) if encoding(label).is_none() => Err(
            tidegate_api::config::invalid(name, label, "not a supported character set"),
        ),
        _ => Ok(()),
    }
}

fn encoding(label: &str) -> Option<&'static Encoding> {
    Encoding::for_label(label.trim().as_bytes())
}

fn config_def() -> ConfigDef {
    ConfigDef::new(&[&ENCODING])
}

pub(crate) fn register(plugins: &mut Plugins) {
    plugins.converters.push(ConverterPlugin {
        class: CLASS,
        version: crate::VERSION,
        config_def,
        create: |props, _| Ok(Box::new(StringConverter::new(props)?)),
    });
    plugins.header_converters.push(HeaderConverterPlugin {
        class: CLASS,
        version: crate::VERSION,
        config_def,
        create: |props| Ok(Box::new(AsHeaderConverter(StringConverter::new(props)?))),
    });
}

struct StringConverter {
    encoding: &'static Encoding,
    schema: std::sync::Arc<tidegate_api::Schema>,
}

impl StringConverter {
    fn new(props: &Props) -> Result<Self, ConnectError> {
        let label = props.get(&ENCODING)?;
        Ok(Self {
            encoding: encoding(&label).unwrap_or(UTF_8),
            schema: SchemaBuilder::string().optional().build(),
        })
    }
}

impl Converter for StringConverter {
    fn from_connect_data(
        &self,
        _topic: &str,
        data: &SchemaAndValue,
        out: &mut BytesMut,
    ) -> Result<bool, ConnectError> {
        let put = |out: &mut BytesMut, text: &str| {
            if self.encoding == UTF_8 {
                out.extend_from_slice(text.as_bytes());
            } else {
                out.extend_from_slice(&self.encoding.encode(text).0);
            }
        };
        match &data.value {
            Value::Null => return Ok(false),
            Value::String(text) => put(out, text),
            other => put(out, &java_text::value(other)),
        }
        Ok(true)
    }

    fn to_connect_data(
        &self,
        _topic: &str,
        bytes: Option<&Bytes>,
    ) -> Result<SchemaAndValue, ConnectError> {
        let value = bytes.map_or(Value::Null, |bytes| {
            Value::String(Str::from(
                self.encoding.decode_without_bom_handling(bytes).0,
            ))
        });
        Ok(SchemaAndValue {
            schema: Some(std::sync::Arc::clone(&self.schema)),
            value,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_their_texts() {
        let converter = StringConverter::new(&Props::new()).expect("a converter");
        let text = |value: Value| {
            let mut out = BytesMut::new();
            let some = converter
                .from_connect_data("t", &SchemaAndValue::schemaless(value), &mut out)
                .expect("text");
            some.then(|| String::from_utf8_lossy(&out).into_owned())
        };
        assert_eq!(text(Value::Int32(7)).as_deref(), Some("7"));
        assert_eq!(
            text(Value::Array(vec![Value::string("a"), Value::Null])).as_deref(),
            Some("[a, null]")
        );
        assert_eq!(text(Value::Null), None);
        let read = converter
            .to_connect_data("t", Some(&Bytes::from_static(b"caf\xc3\xa9")))
            .expect("text");
        assert_eq!(read.value, Value::string("café"));
    }

    #[test]
    fn other_encodings_are_used_and_unknown_ones_refused() {
        let props = Props::from([("converter.encoding", "ISO-8859-1")]);
        let converter = StringConverter::new(&props).expect("a converter");
        let read = converter
            .to_connect_data("t", Some(&Bytes::from_static(b"caf\xe9")))
            .expect("text");
        assert_eq!(read.value, Value::string("café"));
        assert!(StringConverter::new(&Props::from([("converter.encoding", "X-none")])).is_err());
    }
}
