//! Records as Java prints them, for `errors.log.include.messages`.
//!
//! Source: `toString` of `org.apache.kafka.connect.{source.SourceRecord,connector.ConnectRecord}`.

use std::fmt::Write as _;

use tidegate_api::{
    Record, Schema, SchemaAndValue, SourceOffset, SourcePartition, Str, Value, java_text,
};

/// A source's record with everything in it.
pub(crate) fn source_record(
    record: &Record,
    partition: &SourcePartition,
    offset: &SourceOffset,
) -> String {
    let mut text = format!(
        "SourceRecord{{sourcePartition={}, sourceOffset={}}} ConnectRecord{{topic='{}', kafkaPartition=",
        fields(&partition.0),
        fields(&offset.fields()),
        record.topic
    );
    or_null(&mut text, record.kafka_partition);
    let mut part = |name: &str, data: &SchemaAndValue| {
        let (value, schema) = (
            java_text::value_of(data.schema.as_deref(), &data.value),
            schema(data.schema.as_deref()),
        );
        write!(text, ", {name}={value}, {name}Schema={schema}").expect(WRITES);
    };
    part("key", &record.key);
    part("value", &record.value);
    text.push_str(", timestamp=");
    or_null(&mut text, record.timestamp);
    let headers: Vec<String> = record
        .headers
        .iter()
        .map(|header| {
            format!(
                "ConnectHeader(key={}, value={}, schema={})",
                header.key,
                java_text::value_of(header.value.schema.as_deref(), &header.value.value),
                schema(header.value.schema.as_deref())
            )
        })
        .collect();
    let headers = match headers.as_slice() {
        [] => String::new(),
        headers => format!("[{}]", headers.join(", ")),
    };
    write!(text, ", headers=ConnectHeaders(headers={headers})}}").expect(WRITES);
    text
}

/// Names and values as Java prints a map.
pub(crate) fn fields(fields: &[(Str, Value)]) -> String {
    let entries: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", java_text::value(value)))
        .collect();
    format!("{{{}}}", entries.join(", "))
}

fn schema(schema: Option<&Schema>) -> String {
    match schema {
        None => "null".to_owned(),
        Some(schema) => match &schema.name {
            Some(name) => format!("Schema{{{name}:{}}}", schema.kind.type_name()),
            None => format!("Schema{{{}}}", schema.kind.type_name()),
        },
    }
}

fn or_null<T: std::fmt::Display>(text: &mut String, value: Option<T>) {
    match value {
        Some(value) => write!(text, "{value}").expect(WRITES),
        None => text.push_str("null"),
    }
}

const WRITES: &str = "writing to a string never fails";

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tidegate_api::{Header, Headers, SchemaBuilder, logical};

    use super::*;

    #[test]
    fn records_are_printed_as_java_prints_them() {
        let mut record = Record {
            topic: Arc::from("t"),
            kafka_partition: None,
            key: SchemaAndValue::NULL,
            value: SchemaAndValue::new(SchemaBuilder::string().build(), Value::string("line")),
            timestamp: Some(7),
            headers: Headers::new(),
        };
        let partition = SourcePartition::single("filename", "f");
        let offset = SourceOffset::new(vec![(Str::new("position"), Value::Int64(5))]);
        assert_eq!(
            source_record(&record, &partition, &offset),
            "SourceRecord{sourcePartition={filename=f}, sourceOffset={position=5}} ConnectRecord{topic='t', \
             kafkaPartition=null, key=null, keySchema=null, value=line, valueSchema=Schema{STRING}, timestamp=7, \
             headers=ConnectHeaders(headers=)}"
        );
        record.headers.push(Header {
            key: Arc::from("h"),
            value: SchemaAndValue::schemaless(Value::Int32(1)),
        });
        assert!(source_record(&record, &partition, &offset).ends_with(
            "headers=ConnectHeaders(headers=[ConnectHeader(key=h, value=1, schema=null)])}"
        ));
        record.key = SchemaAndValue::new(logical::timestamp().build(), Value::Int64(86_400_000));
        record.headers = Headers::shared([Header {
            key: Arc::from("h"),
            value: SchemaAndValue::new(logical::date().build(), Value::Int32(0)),
        }]);
        let text = source_record(&record, &partition, &offset);
        for part in [
            "key=Fri Jan 02 00:00:00 UTC 1970, keySchema=Schema{org.apache.kafka.connect.data.Timestamp:INT64}",
            "ConnectHeader(key=h, value=Thu Jan 01 00:00:00 UTC 1970,",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }
}
