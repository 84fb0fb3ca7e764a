use tidegate_api::schema::SchemaBuilder;
use tidegate_api::{Decimal, Struct, logical};

use super::*;

fn converter(props: &[(&str, &str)]) -> JsonConverter {
    JsonConverter::new(&props.iter().copied().collect()).expect("a converter")
}

fn write(converter: &mut JsonConverter, data: &SchemaAndValue) -> Option<String> {
    let mut out = BytesMut::new();
    let some = converter
        .from_connect_data("t", data, &mut out)
        .expect("convertible");
    some.then(|| String::from_utf8(out.to_vec()).expect("text"))
}

fn read(converter: &mut JsonConverter, text: &str) -> Result<SchemaAndValue, ConnectError> {
    converter.to_connect_data("t", Some(&Bytes::copy_from_slice(text.as_bytes())))
}

fn row() -> SchemaAndValue {
    let schema = SchemaBuilder::structure()
        .name("inv.inventory.t.Value")
        .field(
            "id",
            SchemaBuilder::int32()
                .default_value(Value::Int32(0))
                .build(),
        )
        .field(
            "doc",
            SchemaBuilder::string()
                .optional()
                .name("io.debezium.data.Json")
                .version(1)
                .build(),
        )
        .field("price", logical::decimal(2).build())
        .field(
            "m",
            SchemaBuilder::map(
                SchemaBuilder::string().build(),
                SchemaBuilder::int32().optional().build(),
            )
            .build(),
        )
        .build();
    let values = vec![
        Value::Int32(1),
        Value::Null,
        Value::Decimal(Decimal::new(200, 2)),
        Value::Map(vec![(Value::string("a"), Value::Int32(1))]),
    ];
    SchemaAndValue {
        schema: Some(Arc::clone(&schema)),
        value: Value::Struct(Struct::new(schema, values)),
    }
}

const ROW: &str = concat!(
    r#"{"schema":{"type":"struct","fields":[{"type":"int32","optional":false,"default":0,"field":"id"},"#,
    r#"{"type":"string","optional":true,"name":"io.debezium.data.Json","version":1,"field":"doc"},"#,
    r#"{"type":"bytes","optional":false,"name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2"},"field":"price"},"#,
    r#"{"type":"map","keys":{"type":"string","optional":false},"values":{"type":"int32","optional":true},"optional":false,"field":"m"}],"#,
    r#""optional":false,"name":"inv.inventory.t.Value"},"payload":{"id":1,"doc":null,"price":"AMg=","m":{"a":1}}}"#
);

#[test]
fn an_envelope_is_written_as_by_the_original_and_read_back() {
    let mut converter = converter(&[]);
    assert_eq!(write(&mut converter, &row()).as_deref(), Some(ROW));
    let first = read(&mut converter, ROW).expect("readable");
    assert_eq!(first, row());
    let second = read(&mut converter, ROW).expect("readable");
    let (first, second) = (
        first.schema.expect("a schema"),
        second.schema.expect("a schema"),
    );
    assert!(
        Arc::ptr_eq(&first, &second),
        "the same schema bytes give the same schema"
    );
}

#[test]
fn payloads_alone_are_written_without_schemas() {
    let mut converter = converter(&[("schemas.enable", "false"), ("decimal.format", "numeric")]);
    assert_eq!(
        write(&mut converter, &row()).as_deref(),
        Some(r#"{"id":1,"doc":null,"price":2.00,"m":{"a":1}}"#)
    );
}

#[test]
fn nulls_are_tombstones_only_without_schema() {
    let mut with = converter(&[]);
    let mut without = converter(&[("schemas.enable", "false")]);
    let optional = SchemaAndValue {
        schema: Some(SchemaBuilder::string().optional().build()),
        value: Value::Null,
    };
    assert_eq!(write(&mut with, &SchemaAndValue::default()), None);
    assert_eq!(
        write(&mut with, &optional).as_deref(),
        Some(r#"{"schema":{"type":"string","optional":true},"payload":null}"#)
    );
    assert_eq!(write(&mut without, &optional).as_deref(), Some("null"));
    assert_eq!(
        with.to_connect_data("t", None).expect("null"),
        SchemaAndValue::default()
    );
}

#[test]
fn a_null_becomes_the_default_unless_told_otherwise() {
    let schema = SchemaBuilder::int32()
        .optional()
        .default_value(Value::Int32(7))
        .build();
    let data = SchemaAndValue {
        schema: Some(schema),
        value: Value::Null,
    };
    assert_eq!(
        write(&mut converter(&[("schemas.enable", "false")]), &data).as_deref(),
        Some("7")
    );
    let mut keeping = converter(&[
        ("schemas.enable", "false"),
        ("replace.null.with.default", "false"),
    ]);
    assert_eq!(write(&mut keeping, &data).as_deref(), Some("null"));
}

#[test]
fn a_missing_required_value_is_an_error() {
    let schema = SchemaBuilder::int32().build();
    let data = SchemaAndValue {
        schema: Some(schema),
        value: Value::Null,
    };
    let error = converter(&[])
        .from_connect_data("t", &data, &mut BytesMut::new())
        .expect_err("required");
    assert_eq!(
        error.text(),
        "Conversion error: null value for field that is required and has no default value"
    );
}

#[test]
fn values_are_written_as_jackson_writes_them() {
    fn check(value: Value, text: &str) {
        let mut converter = converter(&[("schemas.enable", "false")]);
        assert_eq!(
            write(&mut converter, &SchemaAndValue::schemaless(value)).as_deref(),
            Some(text)
        );
    }
    check(Value::Float64(1.0), "1.0");
    check(Value::Float64(1.0e10), "1.0E10");
    check(Value::Float32(0.1), "0.1");
    check(Value::Float64(f64::NAN), "\"NaN\"");
    check(Value::Float64(f64::NEG_INFINITY), "\"-Infinity\"");
    check(
        Value::string("a\"\\/\u{1f}\n😀é"),
        "\"a\\\"\\\\/\\u001F\\n\\uD83D\\uDE00é\"",
    );
    check(Value::Bytes(Bytes::from_static(b"\x00\xff")), "\"AP8=\"");
    check(Value::Int64(i64::MIN), "-9223372036854775808");
    check(
        Value::Map(vec![(Value::Int32(1), Value::Boolean(true))]),
        "[[1,true]]",
    );
    check(
        Value::Array(vec![Value::Null, Value::Int8(-1)]),
        "[null,-1]",
    );
    check(Value::Map(vec![]), "{}");
}

#[test]
fn schemaless_texts_are_read() {
    fn check(text: &str, value: Value) {
        let mut converter = converter(&[("schemas.enable", "false")]);
        assert_eq!(
            read(&mut converter, text).expect("readable"),
            SchemaAndValue::schemaless(value)
        );
    }
    check(" 12 ", Value::Int64(12));
    check("1.5", Value::Float64(1.5));
    check("9223372036854775808", Value::Int64(i64::MIN));
    check(r#""\u00e9\ud83d\ude00\n""#, Value::string("é😀\n"));
    check(
        r#"{"a":[1,{"b":null}]}"#,
        Value::Map(vec![(
            Value::string("a"),
            Value::Array(vec![
                Value::Int64(1),
                Value::Map(vec![(Value::string("b"), Value::Null)]),
            ]),
        )]),
    );
}

#[test]
fn what_is_no_envelope_is_refused_with_the_originals_text() {
    let mut converter = converter(&[]);
    for text in [
        "{}",
        "1",
        r#"{"schema":null}"#,
        r#"{"schema":null,"payload":1,"more":2}"#,
        r#"{"a":1}"#,
    ] {
        assert_eq!(
            read(&mut converter, text).expect_err(text).text(),
            NOT_AN_ENVELOPE,
            "{text}"
        );
    }
    for text in [
        "{",
        "tru",
        "[broken",
        "[1] 2",
        r#"{"schema":null,"payload":1"#,
        r#"{"schema":null,"payload":1}x"#,
    ] {
        let error = read(&mut converter, text).expect_err(text);
        assert_eq!(
            error.text(),
            "Converting byte[] to Kafka Connect data failed due to serialization error: ",
            "{text}"
        );
    }
}

#[test]
fn members_may_come_in_any_order() {
    let mut converter = converter(&[]);
    let data = read(
        &mut converter,
        r#"{ "payload": 5, "schema": {"type":"int8"} }"#,
    )
    .expect("readable");
    assert_eq!(data.value, Value::Int8(5));
}

#[test]
fn null_stays_null_where_it_is_not_to_become_the_default() {
    let text = r#"{"schema":{"type":"struct","fields":[{"type":"int32","optional":true,"default":3,"field":"a"},{"type":"int32","optional":true,"default":4,"field":"b"}]},"payload":{"a":null}}"#;
    for (replace, expected) in [
        ("true", [Value::Int32(3), Value::Int32(4)]),
        ("false", [Value::Null, Value::Null]),
    ] {
        let mut converter = converter(&[("replace.null.with.default", replace)]);
        let data = read(&mut converter, text).expect("readable");
        assert_eq!(data.value.as_struct().expect("a struct").values(), expected);
    }
}

#[test]
fn absent_fields_take_their_default() {
    let mut converter = converter(&[]);
    let text = r#"{"schema":{"type":"struct","fields":[{"type":"int32","default":3,"field":"a"},{"type":"string","optional":true,"field":"b"}]},"payload":{"extra":[1]}}"#;
    let data = read(&mut converter, text).expect("readable");
    assert_eq!(
        data.value.as_struct().expect("a struct").values(),
        [Value::Int32(3), Value::Null]
    );
    let missing = text.replace("\"default\":3,", "");
    let error = read(&mut converter, &missing).expect_err("required");
    assert_eq!(
        error.text(),
        "Invalid null value for required INT32 field (field 'a')"
    );
}

/// However the members of a struct are written, they are the same struct.
#[test]
fn fields_are_found_by_name() {
    let mut converter = converter(&[]);
    let mut read_payload = |payload: &str| {
        let fields = r#"{"type":"int32","field":"a"},{"type":"string","optional":true,"field":"b\"é"},{"type":"boolean","optional":true,"field":"c"}"#;
        let text =
            format!(r#"{{"schema":{{"type":"struct","fields":[{fields}]}},"payload":{payload}}}"#);
        let data = read(&mut converter, &text).expect(payload);
        data.value.as_struct().expect("a struct").values().to_vec()
    };
    let all = [Value::Int32(7), Value::string("x"), Value::Boolean(true)];
    for payload in [
        r#"{"a":7,"b\"é":"x","c":true}"#,
        r#"{ "a" : 7 , "b\"é" : "x" , "c" : true }"#,
        r#"{"c":true,"a":7,"b\"é":"x"}"#,
        r#"{"a":7,"c":true,"b\u0022\u00e9":"x"}"#,
        r#"{"a":7,"strange":[{"a":1}],"b\"é":"x","c":true}"#,
        r#"{"a":7,"b\"é":"x","c":true,"strange":{}}"#,
        // Of two of one name the last one counts.
        r#"{"a":1,"b\"é":"x","c":true,"a":7}"#,
        r#"{"a":1,"a":7,"b\"é":"x","c":true}"#,
    ] {
        assert_eq!(read_payload(payload), all, "{payload}");
    }
    assert_eq!(
        read_payload(r#"{"a":7}"#),
        [Value::Int32(7), Value::Null, Value::Null]
    );
}

#[test]
fn bytes_that_are_no_text_are_refused_with_their_place() {
    let mut converter = JsonConverter::new(&Props::default()).expect("a converter");
    let bytes = Bytes::from_static(b"{\"schema\":null,\"payload\":\"\xff\"}");
    let error = converter
        .to_connect_data("t", Some(&bytes))
        .expect_err("no UTF-8");
    assert!(
        error.chain().contains("Invalid UTF-8 at byte 26"),
        "{}",
        error.chain()
    );
}

/// On a thread with the stack that the worker gives to its own.
fn with_workers_stack(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(16 * 1024 * 1024);
    let result = thread.spawn(test).expect("a thread").join();
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

fn nested(open: &str, inner: &str, close: &str, levels: usize) -> String {
    format!("{}{inner}{}", open.repeat(levels), close.repeat(levels))
}

/// The text of the error that Jackson's is the cause of.
#[track_caller]
fn check_cause(result: Result<SchemaAndValue, ConnectError>, direction: &str, cause: &str) {
    let error = result.expect_err(cause);
    assert_eq!(
        error.text(),
        format!("Converting {direction} failed due to serialization error: ")
    );
    let source = std::error::Error::source(&error).expect("a cause");
    assert_eq!(source.to_string(), cause);
}

const READING: &str = "byte[] to Kafka Connect data";
const WRITING: &str = "Kafka Connect data to byte[]";
const TOO_DEEP: &str = "Document nesting depth (1001) exceeds the maximum allowed (1000)";

#[test]
fn texts_may_be_nested_as_deep_as_jackson_reads_them() {
    with_workers_stack(|| {
        let mut with = converter(&[]);
        let mut without = converter(&[("schemas.enable", "false")]);
        let list = |levels| nested("[", "", "]", levels);
        let object = |levels| nested(r#"{"a":"#, "1", "}", levels);
        let lists = |levels| {
            let open = r#"{"type":"array","items":"#;
            nested(open, r#"{"type":"int32"}"#, "}", levels)
        };
        let structs = |levels| {
            let open = r#"{"type":"struct","field":"a","fields":["#;
            nested(open, "", "]}", levels)
        };
        let envelope =
            |schema: &str, payload: &str| format!(r#"{{"schema":{schema},"payload":{payload}}}"#);
        let empty = r#"{"type":"struct","fields":[]}"#;
        let unknown = |levels| envelope(empty, &format!(r#"{{"x":{}}}"#, list(levels)));
        let readable = |converter: &mut JsonConverter, text: &str| {
            read(converter, text).expect("not too deep");
        };
        readable(&mut without, &list(1000));
        readable(&mut without, &object(1000));
        readable(&mut with, &envelope("null", &list(999)));
        readable(&mut with, &unknown(998));
        readable(&mut with, &envelope(&lists(998), &list(998)));
        let payload = nested(r#"{"a":"#, "{}", "}", 498);
        readable(&mut with, &envelope(&structs(499), &payload));
        for levels in [1001, 100_000] {
            let too_deep = |converter: &mut JsonConverter, text: &str| {
                check_cause(read(converter, text), READING, TOO_DEEP);
            };
            too_deep(&mut without, &list(levels));
            too_deep(&mut without, &"[".repeat(levels));
            too_deep(&mut without, &object(levels));
            too_deep(&mut with, &list(levels));
            too_deep(&mut with, &envelope("null", &list(levels - 1)));
            too_deep(&mut with, &unknown(levels - 2));
            too_deep(&mut with, &envelope(&lists(levels - 2), "[]"));
            let content = lists(levels);
            let props = [("schema.content", content.as_str())].into_iter().collect();
            JsonConverter::new(&props).expect_err("too deep");
        }
    });
}

#[test]
fn values_may_be_nested_as_deep_as_jackson_writes_them() {
    with_workers_stack(|| {
        let mut without = converter(&[("schemas.enable", "false")]);
        let deep = |levels: usize| {
            let start = (SchemaBuilder::int32().build(), Value::Int32(1));
            (0..levels).fold(start, |(schema, value), _| {
                (
                    SchemaBuilder::array(schema).build(),
                    Value::Array(vec![value]),
                )
            })
        };
        let text = nested("[", "1", "]", 1000);
        let (schema, value) = deep(1000);
        let schemaless = SchemaAndValue::schemaless(value.clone());
        assert_eq!(write(&mut without, &schemaless).as_ref(), Some(&text));
        let whole = SchemaAndValue::new(schema, value);
        assert_eq!(write(&mut without, &whole).as_ref(), Some(&text));
        let (schema, value) = deep(1001);
        let schemaless = SchemaAndValue::schemaless(value.clone());
        for data in [schemaless, SchemaAndValue::new(schema, value)] {
            let result = without.from_connect_data("t", &data, &mut BytesMut::new());
            check_cause(result.map(|_| data), WRITING, TOO_DEEP);
        }
    });
}

#[test]
fn numbers_of_more_digits_than_jackson_reads_are_errors() {
    let mut without = converter(&[("schemas.enable", "false")]);
    let longest = read(&mut without, &"9".repeat(1000)).expect("a number");
    assert_eq!(longest.value, Value::Int64(-1));
    for text in [
        "9".repeat(1001),
        format!("0.{}", "9".repeat(1000)),
        format!("-1e{}", "0".repeat(1000)),
    ] {
        let cause = "Number value length (1001) exceeds the maximum allowed (1000)";
        check_cause(read(&mut without, &text), READING, cause);
    }
}

#[test]
fn exponents_are_read_exactly_and_within_bounds() {
    let mut with = converter(&[]);
    let mut read_as = |schema: &str, payload: &str| {
        read(
            &mut with,
            &format!(r#"{{"schema":{schema},"payload":{payload}}}"#),
        )
    };
    let decimal = r#"{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2"}}"#;
    for text in ["1E+2", "1.5", "0.1000000000000000055511151231257827"] {
        let read = read_as(decimal, text).expect(text).value;
        assert_eq!(read, Value::Decimal(text.parse().expect(text)));
    }
    for text in ["5e99999999", "5e-99999999"] {
        let error = read_as(decimal, text).expect_err(text);
        let what = "magnitude exceeds the maximum allowed (100000)";
        assert!(error.text().ends_with(what), "{error}");
        let double = read_as(r#"{"type":"double"}"#, text).expect(text).value;
        assert!(matches!(double, Value::Float64(0.0 | f64::INFINITY)));
    }
    let long = r#"{"type":"int64"}"#;
    let mut value = |text: &str| read_as(long, text).map(|read| read.value).ok();
    assert_eq!(value("1e2"), Some(Value::Int64(100)));
    assert_eq!(value("-1.9"), Some(Value::Int64(-1)));
    assert_eq!(
        value("9007199254740993.0"),
        Some(Value::Int64(9_007_199_254_740_993))
    );
    assert_eq!(value("5e-99999999"), Some(Value::Int64(0)));
    assert_eq!(value("5e99999999"), None);
}

/// As recorded from the original, which writes the defaults of schemas in the format of values.
#[test]
fn defaults_of_decimals_are_written_in_the_format_of_values() {
    const SCHEMA: &str = r#"{"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":"#;
    let mut numeric = converter(&[("decimal.format", "NUMERIC")]);
    let mut base64 = converter(&[]);
    let check = |converter: &mut JsonConverter, default: &str, parameters: &str, written: &str| {
        let default: Decimal = default.parse().expect(default);
        let schema = logical::decimal(default.scale())
            .optional()
            .default_value(Value::Decimal(default.clone()))
            .build();
        let data = SchemaAndValue::new(Arc::clone(&schema), Value::Null);
        let text = write(converter, &data).expect("text");
        let expected = format!(
            r#"{{"schema":{SCHEMA}{parameters},"default":{written}}},"payload":{written}}}"#
        );
        assert_eq!(text, expected);
        let read = read(converter, &text).expect("readable");
        assert_eq!(read, SchemaAndValue::new(schema, Value::Decimal(default)));
    };
    check(&mut numeric, "1.50", r#"{"scale":"2"}"#, "1.50");
    check(&mut numeric, "1E+3", r#"{"scale":"-3"}"#, "1E+3");
    check(&mut numeric, "0.00000010", r#"{"scale":"8"}"#, "1.0E-7");
    let long = "12345678901234567890.1000000000000000000";
    check(&mut numeric, long, r#"{"scale":"19"}"#, long);
    check(&mut base64, "1.50", r#"{"scale":"2"}"#, "\"AJY=\"");
    check(&mut base64, "-1.5", r#"{"scale":"1"}"#, "\"8Q==\"");
}

#[test]
fn only_unscaled_bytes_need_the_scale_of_their_schema() {
    let data = SchemaAndValue::new(logical::decimal(3).build(), Decimal::new(25, 1));
    let props = [("schemas.enable", "false"), ("decimal.format", "NUMERIC")];
    assert_eq!(write(&mut converter(&props), &data).as_deref(), Some("2.5"));
    let error = converter(&[]).from_connect_data("t", &data, &mut BytesMut::new());
    let error = error.expect_err("another scale");
    let text = "Decimal value has mismatching scale for given Decimal schema. Schema has scale 3, value has scale 1.";
    assert_eq!(error.text(), text);
}

/// As recorded from the original.
#[test]
fn maps_whose_keys_are_texts_are_objects() {
    let mut converter = converter(&[("schemas.enable", "false")]);
    let map = |keys: &Arc<Schema>, key: Value| {
        let schema = SchemaBuilder::map(Arc::clone(keys), SchemaBuilder::int32().build()).build();
        SchemaAndValue::new(schema, Value::Map(vec![(key, Value::Int32(1))]))
    };
    let mut written = |keys: &Arc<Schema>, key: Value| {
        let mut out = BytesMut::new();
        converter
            .from_connect_data("t", &map(keys, key), &mut out)
            .map(|_| String::from_utf8(out.to_vec()).expect("text"))
            .map_err(|error| error.text().to_owned())
    };
    let required = SchemaBuilder::string().build();
    let optional = SchemaBuilder::string().optional().build();
    let defaulted = SchemaBuilder::string()
        .optional()
        .default_value("d".into())
        .build();
    for keys in [&required, &optional, &defaulted] {
        assert_eq!(written(keys, "k".into()).as_deref(), Ok(r#"{"k":1}"#));
        let error = written(keys, Value::Int32(7)).expect_err("no text");
        assert_eq!(error, "Invalid type for STRING: class java.lang.Integer");
    }
    let error = written(&required, Value::Null).expect_err("required");
    assert!(error.starts_with("Conversion error: null value for field that is required"));
    assert_eq!(
        written(&optional, Value::Null).as_deref(),
        Ok(r#"{"null":1}"#)
    );
    assert_eq!(
        written(&defaulted, Value::Null).as_deref(),
        Ok(r#"{"d":1}"#)
    );
    let number = SchemaBuilder::int32().build();
    assert_eq!(written(&number, Value::Int32(7)).as_deref(), Ok("[[7,1]]"));
}

#[test]
fn maps_are_read_in_the_form_of_their_keys() {
    let mut converter = converter(&[]);
    let mut value = |keys: &str, payload: &str| {
        let text = format!(
            r#"{{"schema":{{"type":"map","keys":{keys},"values":{{"type":"int32"}}}},"payload":{payload}}}"#
        );
        let read = read(&mut converter, &text).map(|read| read.value);
        read.map_err(|error| error.text().to_owned())
    };
    let entries = |key: Value| Ok(Value::Map(vec![(key, Value::Int32(1))]));
    for keys in [
        r#"{"type":"string"}"#,
        r#"{"type":"string","optional":true}"#,
    ] {
        assert_eq!(value(keys, r#"{"k":1}"#), entries("k".into()));
        let error = "Maps with string fields should be encoded as JSON objects, but found ARRAY";
        assert_eq!(value(keys, r#"[["k",1]]"#), Err(error.to_owned()));
    }
    let optional = r#"{"type":"int32","optional":true}"#;
    assert_eq!(value(optional, "[[7,1]]"), entries(Value::Int32(7)));
    assert_eq!(value(optional, "[[null,1]]"), entries(Value::Null));
    let error =
        "Maps with non-string fields should be encoded as JSON array of tuples, but found OBJECT";
    assert_eq!(value(optional, r#"{"7":1}"#), Err(error.to_owned()));
}

/// As Jackson reads them, and Java's maps.
#[test]
fn of_two_members_of_one_name_the_last_counts() {
    fn check(text: &str, expected: &[(&str, i64)]) {
        let mut converter = converter(&[("schemas.enable", "false")]);
        let entries = expected.iter();
        let entries = entries.map(|(name, number)| (Value::string(name), Value::Int64(*number)));
        let value = read(&mut converter, text).expect(text).value;
        assert_eq!(value, Value::Map(entries.collect()), "{text}");
    }
    check(r#"{"id":1,"id":2}"#, &[("id", 2)]);
    check(r#"{"a":1,"b":2,"a":3}"#, &[("a", 3), ("b", 2)]);
    let many: Vec<String> = (0..1_000)
        .map(|n| format!("\"k{}\":{n}", n % 100))
        .collect();
    let names: Vec<String> = (0..100).map(|n| format!("k{n}")).collect();
    let last: Vec<(&str, i64)> = names.iter().map(String::as_str).zip(900..).collect();
    check(&format!("{{{}}}", many.join(",")), &last);
    let read = |text: &str| read(&mut converter(&[]), text).expect(text).value;
    let map = r#"{"schema":{"type":"map","keys":{"type":"string"},"values":{"type":"int32"}},"payload":{"a":1,"a":2}}"#;
    assert_eq!(read(map), Value::Map(vec![("a".into(), Value::Int32(2))]));
    let pairs = r#"{"schema":{"type":"map","keys":{"type":"int32"},"values":{"type":"int32"}},"payload":[[1,1],[1,2]]}"#;
    assert_eq!(
        read(pairs),
        Value::Map(vec![(Value::Int32(1), Value::Int32(2))])
    );
    // Keys of bytes and of arrays are told apart, however many there are.
    for (keys, key) in [
        (
            r#"{"type":"bytes"}"#,
            (|n| format!("\"{n:04}\"")) as fn(i32) -> String,
        ),
        (
            r#"{"type":"array","items":{"type":"string"}}"#,
            |n| match n % 2 {
                0 => format!(r#"["{n}, {n}"]"#),
                _ => format!(r#"["{}","{}"]"#, n - 1, n - 1),
            },
        ),
    ] {
        let pairs: Vec<String> = (0..60).map(|n| format!("[{},{n}]", key(n))).collect();
        let schema = format!(r#"{{"type":"map","keys":{keys},"values":{{"type":"int32"}}}}"#);
        let text = format!(r#"{{"schema":{schema},"payload":[{}]}}"#, pairs.join(","));
        let Value::Map(entries) = read(&text) else {
            panic!("no map");
        };
        assert_eq!(entries.len(), 60, "{keys}");
    }
    let int = r#"{"type":"int32"}"#;
    let envelope = format!(r#"{{"schema":{int},"payload":1,"payload":2}}"#);
    assert_eq!(read(&envelope), Value::Int32(2));
    let envelope = format!(r#"{{"schema":null,"schema":{int},"payload":2}}"#);
    assert_eq!(read(&envelope), Value::Int32(2));
}

#[test]
fn topics_that_alternate_keep_their_schemas() {
    let mut converter = converter(&[("schemas.cache.size", "8")]);
    let text = |table: usize| {
        format!(r#"{{"schema":{{"type":"int32","name":"t{table}"}},"payload":{table}}}"#)
    };
    let mut read = |topic: usize| {
        let bytes = Bytes::from(text(topic));
        let data = converter.to_connect_data(&format!("t{topic}"), Some(&bytes));
        data.expect("a value").schema.expect("a schema")
    };
    let first: Vec<_> = (0..3).map(&mut read).collect();
    for round in 0..50 {
        for (table, schema) in first.iter().enumerate() {
            assert!(Arc::ptr_eq(schema, &read(table)), "{round}");
        }
        // One schema that never comes again.
        read(10 + round);
    }
}

proptest::proptest! {
    /// No bytes panic, take long, or become more than a small multiple of themselves.
    #[test]
    fn any_bytes_are_read_or_refused(
        pieces in proptest::collection::vec(
            proptest::sample::select(vec![
                "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u", "d83d", "\"schema\":", "\"payload\":", "{\"schema\":", "\"type\":",
                "\"struct\"", "\"map\"", "\"array\"", "\"bytes\"", "\"int32\"", "\"fields\":[", "\"field\":\"a\"", "\"items\":", "\"keys\":",
                "\"values\":", "\"name\":\"org.apache.kafka.connect.data.Decimal\"", "\"parameters\":{\"scale\":\"-2147483648\"}",
                "\"default\":", "\"version\":99999999999", "null", "true", "1", "-", "1e999999999", "9223372036854775808", "\"AQ==\"", "\"a\":",
                " ", "é", "\n", "\u{0}",
            ]),
            0..32,
        ),
    ) {
        let text = pieces.concat();
        for settings in [[("schemas.enable", "true")], [("schemas.enable", "false")]] {
            if let Ok(data) = read(&mut converter(&settings), &text) {
                proptest::prop_assert!(data.value.approximate_size() <= 100 * (text.len() + 1));
                drop(write_any(&mut converter(&settings), &data));
            }
        }
    }

    #[test]
    fn any_payload_of_a_schema_is_read_or_refused(payload in r#"[\[\]{},:\"a-c0-9eE.+\- nul]{0,40}"#) {
        let schema = ROW.split_once(r#","payload""#).expect("an envelope").0;
        drop(read(&mut converter(&[]), &format!("{schema},\"payload\":{payload}}}")));
    }
}

fn write_any(converter: &mut JsonConverter, data: &SchemaAndValue) -> Result<bool, ConnectError> {
    converter.from_connect_data("t", data, &mut BytesMut::new())
}
