//! `StringConverter`: any value as its text.
//!
//! Source: `org.apache.kafka.connect.storage.StringConverter`.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tidegate_api::config::{ConfigDef, ConfigKey, ConfigValue, Importance, Width, invalid};
use tidegate_api::plugin::{ConverterPlugin, HeaderConverterPlugin};
use tidegate_api::{
    AsHeaderConverter, ConnectError, Converter, Plugins, Props, SchemaAndValue, SchemaBuilder, Str,
    Value, java_text,
};

use crate::charset::Charset;

const CLASS: &str = "org.apache.kafka.connect.storage.StringConverter";

static ENCODING: ConfigKey<String> = ConfigKey::new("converter.encoding", "UTF-8")
    .importance(Importance::High)
    .width(Width::Medium)
    .display_name("Encoding")
    .validator(known_encoding)
    .doc(
        "Character set of the texts on topics, by the name that Java has for it, such as UTF-8 \
         or ISO-8859-1.",
    );

fn known_encoding(name: &str, value: &ConfigValue) -> Result<(), String> {
    match value {
        ConfigValue::String(label) if Charset::named(label).is_none() => {
            Err(invalid(name, label, "not a supported character set"))
        }
        _ => Ok(()),
    }
}

fn config_def() -> ConfigDef {
    ConfigDef::new(&[&ENCODING])
}

pub(crate) fn register(plugins: &mut Plugins) {
    plugins.converters.push(ConverterPlugin {
        class: CLASS,
        version: crate::VERSION,
        config_def,
        create: Arc::new(|props, _| Ok(Box::new(StringConverter::new(props)?))),
    });
    plugins.header_converters.push(HeaderConverterPlugin {
        class: CLASS,
        version: crate::VERSION,
        config_def,
        create: Arc::new(|props| Ok(Box::new(AsHeaderConverter(StringConverter::new(props)?)))),
    });
}

struct StringConverter {
    charset: Charset,
    schema: Arc<tidegate_api::Schema>,
}

impl StringConverter {
    fn new(props: &Props) -> Result<Self, ConnectError> {
        let name = props.get(&ENCODING)?;
        let charset = Charset::named(&name).ok_or_else(|| {
            ConnectError::config(invalid(
                ENCODING.name(),
                &name,
                "not a supported character set",
            ))
        })?;
        Ok(Self {
            charset,
            schema: SchemaBuilder::string().optional().build(),
        })
    }
}

impl Converter for StringConverter {
    fn from_connect_data(
        &mut self,
        _topic: &str,
        data: &SchemaAndValue,
        out: &mut BytesMut,
    ) -> Result<bool, ConnectError> {
        let put = |out: &mut BytesMut, text: &str| {
            if self.charset == Charset::Utf8 {
                out.extend_from_slice(text.as_bytes());
            } else {
                self.charset.encode(text, out);
            }
        };
        match &data.value {
            Value::Null => return Ok(false),
            Value::String(text) => put(out, text),
            other => put(out, &java_text::value_of(data.schema.as_deref(), other)),
        }
        Ok(true)
    }

    fn to_connect_data(
        &mut self,
        _topic: &str,
        bytes: Option<&Bytes>,
    ) -> Result<SchemaAndValue, ConnectError> {
        let value = bytes.map_or(Value::Null, |bytes| {
            Value::String(Str::from(self.charset.decode(bytes)))
        });
        Ok(SchemaAndValue {
            schema: Some(Arc::clone(&self.schema)),
            value,
        })
    }
}

#[cfg(test)]
mod tests {
    use tidegate_api::{Struct, logical};

    use super::*;

    #[test]
    fn values_become_their_texts() {
        let mut converter = StringConverter::new(&Props::new()).expect("a converter");
        let mut text = |value: Value| {
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
        let mut converter = StringConverter::new(&props).expect("a converter");
        let read = converter
            .to_connect_data("t", Some(&Bytes::from_static(b"caf\xe9")))
            .expect("text");
        assert_eq!(read.value, Value::string("café"));
        assert!(StringConverter::new(&Props::from([("converter.encoding", "X-none")])).is_err());
    }

    /// As recorded from the original; the worker's time zone is UTC.
    #[test]
    fn times_are_written_as_java_writes_them() {
        let time = SchemaBuilder::array(logical::timestamp().build()).build();
        let schema = SchemaBuilder::structure()
            .field("d", logical::date().build())
            .field("t", logical::time().build())
            .field("ts", logical::timestamp().build())
            .field("arr", Arc::clone(&time))
            .field(
                "m",
                SchemaBuilder::map(SchemaBuilder::string().build(), logical::date().build())
                    .build(),
            )
            .build();
        let values = vec![
            Value::Int32(1),
            Value::Int32(3_723_004),
            Value::Int64(86_400_000),
            Value::Array(vec![Value::Int64(0)]),
            Value::Map(vec![("k".into(), Value::Int32(0))]),
        ];
        let row = Value::Struct(Struct::new(Arc::clone(&schema), values));
        let mut converter = StringConverter::new(&Props::new()).expect("a converter");
        let mut text = |schema: &Arc<tidegate_api::Schema>, value: Value| {
            let mut out = BytesMut::new();
            let data = SchemaAndValue::new(Arc::clone(schema), value);
            converter
                .from_connect_data("t", &data, &mut out)
                .expect("text");
            String::from_utf8_lossy(&out).into_owned()
        };
        assert_eq!(
            text(&schema, row),
            "Struct{d=Fri Jan 02 00:00:00 UTC 1970,t=Thu Jan 01 01:02:03 UTC 1970,ts=Fri Jan 02 00:00:00 UTC 1970,\
             arr=[Thu Jan 01 00:00:00 UTC 1970],m={k=Thu Jan 01 00:00:00 UTC 1970}}"
        );
        let timestamp = logical::timestamp().build();
        for (millis, expected) in [
            (-62_170_156_800_000, "Sun Nov 30 00:00:00 UTC 2"),
            (253_402_300_800_000, "Sat Jan 01 00:00:00 UTC 10000"),
            (i64::MAX, "Sun Aug 17 07:12:55 UTC 292278994"),
            (i64::MIN, "Sun Dec 02 16:47:04 UTC 292269055"),
            (-12_219_292_800_001, "Thu Oct 04 23:59:59 UTC 1582"),
        ] {
            assert_eq!(text(&timestamp, Value::Int64(millis)), expected);
        }
    }
}
