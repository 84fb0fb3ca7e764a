//! `SimpleHeaderConverter`: values as text, their types guessed when read.
//!
//! Source: `org.apache.kafka.connect.storage.SimpleHeaderConverter`, `org.apache.kafka.connect.data.Values`.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use tidegate_api::config::ConfigDef;
use tidegate_api::plugin::HeaderConverterPlugin;
use tidegate_api::{
    ConnectError, HeaderConverter, Kind, Plugins, Schema, SchemaAndValue, SchemaBuilder, Value,
    date_format, java_text,
};

use crate::guess::{self, guess};

const CLASS: &str = "org.apache.kafka.connect.storage.SimpleHeaderConverter";

fn config_def() -> ConfigDef {
    ConfigDef::new(&[])
}

pub(crate) fn register(plugins: &mut Plugins) {
    plugins.header_converters.push(HeaderConverterPlugin {
        class: CLASS,
        version: crate::VERSION,
        config_def,
        create: Arc::new(|_| Ok(Box::new(SimpleHeaderConverter))),
    });
}

/// The default header converter of a worker.
#[derive(Debug)]
pub struct SimpleHeaderConverter;

impl HeaderConverter for SimpleHeaderConverter {
    fn from_connect_header(
        &mut self,
        _topic: &str,
        _key: &str,
        data: &SchemaAndValue,
    ) -> Result<Option<Bytes>, ConnectError> {
        if data.value.is_null() {
            return Ok(None);
        }
        let mut text = String::new();
        push(&mut text, data.schema.as_deref(), &data.value, false);
        Ok(Some(text.into()))
    }

    fn to_connect_header(
        &mut self,
        topic: &str,
        key: &str,
        bytes: Option<&Bytes>,
    ) -> Result<SchemaAndValue, ConnectError> {
        let Some(bytes) = bytes else {
            return Ok(SchemaAndValue::default());
        };
        let guessed = std::str::from_utf8(bytes).ok().map(guess);
        Ok(match guessed {
            Some(Ok(guessed)) => guessed,
            // What is no text, too, keeps its bytes.
            Some(Err(guess::TooDeep)) | None => {
                tracing::warn!(
                    "the value of header '{key}' on topic '{topic}' is no text that can be read; its bytes are kept"
                );
                let schema = SchemaBuilder::bytes().build();
                SchemaAndValue::new(schema, Value::Bytes(bytes.clone()))
            }
        })
    }
}

/// `embedded` values are inside of a list or map, where texts have quotes.
fn push(text: &mut String, schema: Option<&Schema>, value: &Value, embedded: bool) {
    match value {
        Value::String(string) if embedded => {
            text.push('"');
            text.push_str(&string.replace('\\', "\\\\").replace('"', "\\\""));
            text.push('"');
        }
        Value::String(string) => text.push_str(string),
        Value::Bytes(bytes) if embedded => {
            text.push('"');
            STANDARD.encode_string(bytes, text);
            text.push('"');
        }
        Value::Bytes(bytes) => STANDARD.encode_string(bytes, text),
        Value::Array(items) => {
            let item_schema = schema.and_then(|schema| match &schema.kind {
                Kind::Array(items) => Some(&**items),
                _ => None,
            });
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { "," });
                push(text, item_schema, item, true);
            }
            text.push(']');
        }
        Value::Map(entries) => {
            text.push('{');
            for (index, (key, value)) in entries.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { "," });
                push(text, None, key, true);
                text.push(':');
                push(text, None, value, true);
            }
            text.push('}');
        }
        Value::Struct(structure) => {
            text.push('{');
            for (index, (field, value)) in structure.fields().enumerate() {
                text.push_str(if index == 0 { "" } else { "," });
                push(text, None, &Value::string(&field.name), true);
                text.push(':');
                push(text, Some(&field.schema), value, true);
            }
            text.push('}');
        }
        other => {
            let logical = date_format::logical_text(schema, other);
            text.push_str(&logical.unwrap_or_else(|| java_text::value(other)));
        }
    }
}

#[cfg(test)]
mod tests {
    use tidegate_api::logical;

    use super::*;

    fn read(text: &str) -> SchemaAndValue {
        SimpleHeaderConverter
            .to_connect_header("t", "h", Some(&Bytes::copy_from_slice(text.as_bytes())))
            .expect("a value")
    }
    fn write(data: &SchemaAndValue) -> Option<String> {
        let bytes = SimpleHeaderConverter
            .from_connect_header("t", "h", data)
            .expect("bytes");
        bytes.map(|bytes| String::from_utf8(bytes.to_vec()).expect("text"))
    }

    #[test]
    fn types_are_guessed() {
        fn check(text: &str, value: Value) {
            assert_eq!(read(text).value, value, "{text}");
        }
        check("123", Value::Int8(123));
        check("1.0", Value::Int8(1));
        check("300", Value::Int16(300));
        check("70000", Value::Int32(70_000));
        check("-5000000000", Value::Int64(-5_000_000_000));
        check(
            "92233720368547758080",
            Value::Decimal("92233720368547758080".parse().expect("a decimal")),
        );
        check("1.5", Value::Float32(1.5));
        check("1.5e-300", Value::Float32(0.0));
        check("true", Value::Boolean(true));
        check("null", Value::Null);
        check("text", Value::string("text"));
        check("\"text\"", Value::string("\"text\""));
        check("12 monkeys", Value::string("12 monkeys"));
        check("2020-01-02", Value::Int32(18_263));
        check("03:04:05.678Z", Value::Int32(11_045_678));
        check("2020-01-02T03:04:05.678Z", Value::Int64(1_577_934_245_678));
        check(
            "[1, 300]",
            Value::Array(vec![Value::Int16(1), Value::Int16(300)]),
        );
        check("[1, oops]", Value::string("[1, oops]"));
        check(
            r#"{"a\"b":1}"#,
            Value::Map(vec![(Value::string("a\\\"b"), Value::Int8(1))]),
        );
        check("[]", Value::Array(vec![]));
    }

    /// As recorded from the original.
    #[test]
    fn numbers_are_guessed_by_their_size() {
        let float = |number: f32| Value::Float32(number);
        let decimal = |text: &str| Value::Decimal(text.parse().expect(text));
        for (text, value) in [
            ("1e2", Value::Int8(100)),
            ("1000e-3", Value::Int8(1)),
            ("1e18", Value::Int64(1_000_000_000_000_000_000)),
            ("0e2147483647", Value::Int8(0)),
            ("-0.0", Value::Int8(0)),
            ("1.", Value::Int8(1)),
            ("+.5", float(0.5)),
            ("007", Value::Int8(7)),
            ("1,2", Value::Int8(1)),
            (" 1 ", Value::Int8(1)),
            ("1e19", float(1e19)),
            ("1e30", float(1e30)),
            ("3.5e38", Value::Float64(3.5e38)),
            ("-1e300", Value::Float64(-1e300)),
            ("1.8e308", decimal("1.8e308")),
            ("16777217.5", float(16_777_218.0)),
            ("9223372036854775807.0", Value::Int64(i64::MAX)),
            ("9223372036854775807.5", float(9.223_372e18)),
            ("-9223372036854775809", decimal("-9223372036854775809")),
            ("5e99999999", decimal("5e99999999")),
            ("1e2147483647", decimal("1e2147483647")),
            ("5e-99999999", float(0.0)),
            ("1e-2147483647", float(0.0)),
        ] {
            assert_eq!(read(text).value, value, "{text}");
        }
        for text in [
            "1e2147483648",
            "1e-2147483648",
            "1e",
            "+-5",
            "1_000",
            "0x10",
            ".5",
            "1.2.3",
            "1f",
            "NaN",
            "-Infinity",
        ] {
            assert_eq!(read(text).value, Value::string(text));
        }
    }

    /// As recorded from the original.
    #[test]
    fn lists_and_maps_are_guessed_with_what_their_items_have_in_common() {
        fn check(text: &str, items: &SchemaBuilder, values: Vec<Value>) {
            let schema = SchemaBuilder::array(items.clone().build()).build();
            let list = SchemaAndValue::new(schema, Value::Array(values));
            assert_eq!(read(text), list, "{text}");
        }
        let float = SchemaBuilder::float32();
        check(
            "[1,1.5]",
            &float,
            vec![Value::Float32(1.0), Value::Float32(1.5)],
        );
        let double = SchemaBuilder::float64();
        check(
            "[1.5,1e300]",
            &double,
            vec![Value::Float64(1.5), Value::Float64(1e300)],
        );
        check("[1,]", &SchemaBuilder::int8(), vec![Value::Int8(1)]);
        check("[1]x", &SchemaBuilder::int8(), vec![Value::Int8(1)]);
        check(
            "[\"a\\\"b\"]",
            &SchemaBuilder::string(),
            vec!["a\\\"b".into()],
        );
        check("[2020-01-02]", &logical::date(), vec![Value::Int32(18_263)]);
        let time = vec![Value::Int32(11_045_678)];
        check("[03:04:05.678Z]", &logical::time(), time);
        let mixed = read("[\"a\",1]");
        let values = vec!["a".into(), Value::Int8(1)];
        assert_eq!(mixed, SchemaAndValue::schemaless(Value::Array(values)));
        for text in [
            "[1,null]", "[a]", "[1", "[,1]", "[1,,2]", "[1 2]", "{1}", "{null:1}", "{:1}",
        ] {
            assert_eq!(read(text).value, Value::string(text));
        }
        let date = "[2020-01-02,5000000000]";
        assert_eq!(read(date).value, Value::string(date));
        // Keys without a common type leave the values as they are.
        let map = read("{\"a\":1,1:1.5,true:null}").value;
        let entries = vec![
            ("a".into(), Value::Int8(1)),
            (Value::Int8(1), Value::Float32(1.5)),
            (Value::Boolean(true), Value::Null),
        ];
        assert_eq!(map, Value::Map(entries));
        let map = read("{\"a\":1,\"b\":\"x\",\"a\":2}").value;
        let entries = vec![("a".into(), Value::Int8(2)), ("b".into(), "x".into())];
        assert_eq!(map, Value::Map(entries));
    }

    #[test]
    fn dates_are_as_lenient_as_in_java() {
        assert_eq!(read("2020-13-45").value, Value::Int32(18_672));
        assert_eq!(read("2020-01-0a").value, Value::Int32(18_261));
        assert_eq!(read("99:99:99.999Z").value, Value::Int32(362_439_999));
        assert_eq!(read("2020-1-2").value, Value::string("2020-1-2"));
    }

    #[test]
    fn what_is_nested_too_deep_keeps_its_bytes() {
        // On a thread with the stack that the worker gives to its own.
        let thread = std::thread::Builder::new().stack_size(16 * 1024 * 1024);
        let result = thread.spawn(|| {
            for (open, inner, close) in [("[", "", "]"), ("{\"a\":", "1", "}")] {
                let text =
                    |levels| format!("{}{inner}{}", open.repeat(levels), close.repeat(levels));
                let deepest = read(&text(1000));
                assert!(matches!(deepest.value, Value::Array(_) | Value::Map(_)));
                for text in [text(1001), text(50_000), open.repeat(50_000)] {
                    let bytes = Bytes::from(text);
                    let read = SimpleHeaderConverter.to_connect_header("t", "h", Some(&bytes));
                    assert_eq!(read.expect("bytes").value, Value::Bytes(bytes));
                }
                let open = open.repeat(1000);
                assert_eq!(read(&open).value, Value::string(&open));
            }
        });
        if let Err(panic) = result.expect("a thread").join() {
            std::panic::resume_unwind(panic);
        }
    }

    #[test]
    fn values_become_texts_that_read_back() {
        let list = SchemaAndValue::schemaless(Value::Array(vec![
            Value::string("a\"b"),
            Value::Int8(1),
            Value::Null,
        ]));
        assert_eq!(write(&list).as_deref(), Some(r#"["a\"b",1,null]"#));
        assert_eq!(
            write(&SchemaAndValue::schemaless(Value::string("plain"))).as_deref(),
            Some("plain")
        );
        assert_eq!(write(&SchemaAndValue::default()), None);
        for text in [
            "2020-01-02",
            "03:04:05.678Z",
            "2020-01-02T03:04:05.678Z",
            "-1.5",
            "true",
        ] {
            assert_eq!(write(&read(text)).as_deref(), Some(text));
        }
    }

    #[test]
    fn bytes_that_are_no_text_stay_bytes() {
        let read = SimpleHeaderConverter
            .to_connect_header("t", "h", Some(&Bytes::from_static(b"\xff")))
            .expect("bytes");
        assert_eq!(read.value, Value::Bytes(Bytes::from_static(b"\xff")));
    }

    proptest::proptest! {
        /// No text panics; what is no value is a string.
        #[test]
        fn any_header_is_read(text in r#"[\[\]{},:\"\\a-c0-9eE.+\- nultrf]{0,60}"#) {
            let data = read(&text);
            proptest::prop_assert!(data.value.approximate_size() <= 100 * (text.len() + 1));
            drop(write(&data));
        }
    }

    #[test]
    fn long_headers_are_read_in_time_that_grows_with_their_length() {
        // On a thread with the stack that the worker gives to its own.
        let thread = std::thread::Builder::new().stack_size(16 * 1024 * 1024);
        let result = thread.spawn(|| {
            let started = std::time::Instant::now();
            for piece in [
                "1,", "12:", "\"a\",", "9", "{1:", "[1,", " ", "\\\"", "1:2:", "true,", "\"\"", "-",
            ] {
                for start in ["", "[", "{"] {
                    let text = format!("{start}{}", piece.repeat(200_000 / piece.len()));
                    let bytes = Bytes::from(text);
                    drop(SimpleHeaderConverter.to_connect_header("t", "h", Some(&bytes)));
                }
            }
            assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
        });
        if let Err(panic) = result.expect("a thread").join() {
            std::panic::resume_unwind(panic);
        }
    }
}
