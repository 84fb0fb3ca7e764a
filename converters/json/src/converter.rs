//! The converter: settings, and the plans that it keeps.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tidegate_api::config::{ConfigDef, ConfigKey, ConfigValue, Importance, Width, invalid};
use tidegate_api::plugin::{ConverterPlugin, HeaderConverterPlugin};
use tidegate_api::schema::Schema;
use tidegate_api::{
    AsHeaderConverter, ConnectError, Converter, Plugins, Props, RecentMap, SchemaAndValue,
    SchemaCache, Value,
};

use crate::encode::{self, DecimalFormat, Format};
use crate::out::Out;
use crate::text::Reader;
use crate::{decode, schema_text};

const CLASS: &str = "org.apache.kafka.connect.json.JsonConverter";
const VERSION: &str = "4.3.0";
const SCHEMAS_GROUP: &str = "Schemas";
const SERIALIZATION_GROUP: &str = "Serialization";

static SCHEMAS_ENABLE: ConfigKey<bool> = ConfigKey::new("schemas.enable", "true")
    .group(SCHEMAS_GROUP)
    .order_in_group(0)
    .importance(Importance::High)
    .width(Width::Medium)
    .display_name("Enable Schemas")
    .doc(
        "Whether every key and value on a topic is an object of its schema and its payload. \
         With 'false' it is the payload alone, and what is read has no schema.",
    );
static SCHEMAS_CACHE_SIZE: ConfigKey<i32> = ConfigKey::new("schemas.cache.size", "1000")
    .group(SCHEMAS_GROUP)
    .order_in_group(1)
    .importance(Importance::High)
    .width(Width::Medium)
    .display_name("Schema Cache Size")
    .doc("Number of schemas whose text is remembered.");
static SCHEMA_CONTENT: ConfigKey<Option<String>> = ConfigKey::nullable("schema.content")
    .group(SCHEMAS_GROUP)
    .order_in_group(2)
    .importance(Importance::High)
    .width(Width::Medium)
    .display_name("Schema Content")
    .doc(
        "JSON text of the schema of everything on the topic, so that payloads come and go without \
         it. Without this setting the schema is beside each payload.",
    );
static DECIMAL_FORMAT: ConfigKey<String> = ConfigKey::new("decimal.format", "BASE64")
    .group(SERIALIZATION_GROUP)
    .order_in_group(0)
    .importance(Importance::Low)
    .width(Width::Medium)
    .display_name("Decimal Format")
    .validator(decimal_format)
    .doc(
        "How decimals are written, in any case of letters. 'BASE64': as bytes in Base64; \
         'NUMERIC': as numbers. Both are understood when reading.",
    );
static REPLACE_NULL_WITH_DEFAULT: ConfigKey<bool> =
    ConfigKey::new("replace.null.with.default", "true")
        .group(SERIALIZATION_GROUP)
        .order_in_group(1)
        .importance(Importance::Low)
        .width(Width::Medium)
        .display_name("Replace null with default")
        .doc(
            "Whether a field that is null and has a default in its schema is written as the \
             default. With 'false' as null.",
        );

fn decimal_format(name: &str, value: &ConfigValue) -> Result<(), String> {
    match value {
        ConfigValue::String(text) if parse_decimal_format(text).is_none() => Err(invalid(
            name,
            text,
            "String must be one of (case insensitive): NUMERIC, BASE64",
        )),
        _ => Ok(()),
    }
}

fn parse_decimal_format(text: &str) -> Option<DecimalFormat> {
    match text.to_ascii_uppercase().as_str() {
        "BASE64" => Some(DecimalFormat::Base64),
        "NUMERIC" => Some(DecimalFormat::Numeric),
        _ => None,
    }
}

fn config_def() -> ConfigDef {
    ConfigDef::new(&[
        &SCHEMAS_ENABLE,
        &SCHEMAS_CACHE_SIZE,
        &SCHEMA_CONTENT,
        &DECIMAL_FORMAT,
        &REPLACE_NULL_WITH_DEFAULT,
    ])
}

/// Adds the converter, for keys, values and headers.
pub fn register(plugins: &mut Plugins) {
    plugins.converters.push(ConverterPlugin {
        class: CLASS,
        version: VERSION,
        config_def,
        create: Arc::new(|props, _| Ok(Box::new(JsonConverter::new(props)?))),
    });
    plugins.header_converters.push(HeaderConverterPlugin {
        class: CLASS,
        version: VERSION,
        config_def,
        create: Arc::new(|props| Ok(Box::new(AsHeaderConverter(JsonConverter::new(props)?)))),
    });
}

/// JSON with (`schemas.enable`) or without the schema beside the payload.
#[derive(Debug)]
pub struct JsonConverter {
    schemas_enable: bool,
    format: Format,
    /// `schema.content`: payloads come and go without their schema, which is this one.
    fixed: Option<decode::Plan>,
    encoders: SchemaCache<Encoder>,
    decoders: Decoders,
    /// What a record is written into.
    buffer: Out,
}

/// What is written for a schema.
#[derive(Debug)]
struct Encoder {
    head: Bytes,
    plan: encode::Plan,
}

impl Encoder {
    fn of(schema: &Arc<Schema>, format: Format) -> Result<Self, ConnectError> {
        let plan = encode::Plan::of(schema, format)?;
        Ok(Self {
            head: envelope_head(schema, format)?,
            plan,
        })
    }
}

/// Plans by the bytes before the payload. What came last, and what came last from the same topic, is found by comparing these
/// bytes; for others the schema has to be read as far as its end.
#[derive(Debug)]
struct Decoders {
    last: Option<Arc<Decoder>>,
    by_topic: RecentMap<Box<str>, Arc<Decoder>>,
    all: RecentMap<Bytes, Arc<Decoder>>,
}

impl Decoders {
    /// `None` if the payload is not the second member.
    fn get(
        &mut self,
        topic: &str,
        bytes: &[u8],
        format: Format,
    ) -> Result<Option<&Decoder>, ConnectError> {
        let is_last = |last: &Arc<Decoder>| bytes.starts_with(&last.head);
        if !self.last.as_ref().is_some_and(is_last) {
            let Some(found) = self.find(topic, bytes, format)? else {
                return Ok(None);
            };
            self.last = Some(found);
        }
        Ok(self.last.as_deref())
    }

    fn find(
        &mut self,
        topic: &str,
        bytes: &[u8],
        format: Format,
    ) -> Result<Option<Arc<Decoder>>, ConnectError> {
        if let Some(known) = self.by_topic.get(topic)
            && bytes.starts_with(&known.head)
        {
            return Ok(Some(Arc::clone(known)));
        }
        let Some((schema, payload)) = envelope(bytes)? else {
            return Ok(None);
        };
        let head = &bytes[..payload];
        let decoder = match self.all.get(head) {
            Some(known) => Arc::clone(known),
            None => {
                let schema = schema_text::parse(&bytes[schema])?;
                let new = Arc::new(Decoder {
                    head: Bytes::copy_from_slice(head),
                    plan: schema.map(|schema| decoding(&schema, format)),
                });
                self.all.insert(new.head.clone(), Arc::clone(&new));
                new
            }
        };
        self.by_topic.insert(Box::from(topic), Arc::clone(&decoder));
        Ok(Some(decoder))
    }
}

#[derive(Debug)]
struct Decoder {
    /// `{"schema":…,"payload":`
    head: Bytes,
    plan: Option<decode::Plan>,
}

const NOT_AN_ENVELOPE: &str = "JsonConverter with schemas.enable requires \"schema\" and \"payload\" fields and may not contain \
     additional fields. If you are trying to deserialize plain JSON data, set schemas.enable=false in your converter configuration.";

impl JsonConverter {
    /// # Errors
    /// `Config` for settings out of their range.
    pub fn new(props: &Props) -> Result<Self, ConnectError> {
        let content = props
            .get(&SCHEMA_CONTENT)?
            .filter(|content| !content.is_empty());
        let fixed = content
            .map(|content| schema_text::parse(content.as_bytes()))
            .transpose()
            .map_err(|error| {
                ConnectError::config(format!("{}: {}", SCHEMA_CONTENT.name(), error.text()))
            })?
            .flatten();
        let replace_null = props.get(&REPLACE_NULL_WITH_DEFAULT)?;
        let cache_size = usize::try_from(props.get(&SCHEMAS_CACHE_SIZE)?).unwrap_or(0);
        Ok(Self {
            schemas_enable: props.get(&SCHEMAS_ENABLE)?,
            format: Format {
                decimals: parse_decimal_format(&props.get(&DECIMAL_FORMAT)?)
                    .unwrap_or(DecimalFormat::Base64),
                replace_null_with_default: replace_null,
            },
            fixed: fixed.map(|schema| decode::Plan::of(&schema, replace_null)),
            encoders: SchemaCache::by_address(cache_size),
            decoders: Decoders {
                last: None,
                by_topic: RecentMap::new(cache_size),
                all: RecentMap::new(cache_size),
            },
            buffer: Out::default(),
        })
    }

    fn read(&mut self, topic: &str, bytes: &[u8]) -> Result<SchemaAndValue, ConnectError> {
        if let Some(plan) = &self.fixed {
            let mut reader = Reader::new(bytes)?;
            let value = plan.read(&mut reader)?;
            reader.finish()?;
            return Ok(SchemaAndValue {
                schema: Some(Arc::clone(plan.schema())),
                value,
            });
        }
        if !self.schemas_enable {
            return Ok(SchemaAndValue::schemaless(payload_alone(bytes)?));
        }
        if !starts_in_order(bytes) {
            return self.read_in_any_order(bytes);
        }
        let Some(decoder) = self.decoders.get(topic, bytes, self.format)? else {
            return self.read_in_any_order(bytes);
        };
        let mut reader = Reader::at(bytes, decoder.head.len(), 1)?;
        let value = read_payload(decoder.plan.as_ref(), &mut reader)?;
        let mut first = false;
        if reader.next_member(&mut first)?.is_some() {
            // Another schema or payload takes the place of the first.
            return self.read_in_any_order(bytes);
        }
        reader.finish()?;
        Ok(SchemaAndValue {
            schema: decoder.plan.as_ref().map(|plan| Arc::clone(plan.schema())),
            value,
        })
    }

    fn write(&mut self, data: &SchemaAndValue, out: &mut BytesMut) -> Result<bool, ConnectError> {
        let format = self.format;
        let encoder = match &data.schema {
            Some(schema) => Some(self.encoders.get(schema, || Encoder::of(schema, format))?),
            None => None,
        };
        let payload = &mut self.buffer;
        payload.clear();
        match encoder {
            Some(encoder) => encoder.plan.put(payload, &data.value)?,
            None => encode::put_schemaless(payload, &data.value, format)?,
        }
        let payload = payload.as_slice();
        if self.schemas_enable && self.fixed.is_none() {
            let head: &[u8] = match encoder {
                Some(encoder) => &encoder.head,
                None => b"{\"schema\":null,\"payload\":",
            };
            out.reserve(head.len() + payload.len() + 1);
            out.extend_from_slice(head);
            out.extend_from_slice(payload);
            out.extend_from_slice(b"}");
        } else {
            out.extend_from_slice(payload);
        }
        Ok(true)
    }

    /// The payload may come before the schema; seldom, and without cache.
    fn read_in_any_order(&self, bytes: &[u8]) -> Result<SchemaAndValue, ConnectError> {
        let mut whole = Reader::new(bytes)?;
        let mut reader = whole.clone();
        if reader.token()? != crate::text::Token::Object {
            whole.skip()?;
            whole.finish()?;
            return Err(ConnectError::data(NOT_AN_ENVELOPE));
        }
        let (mut schema, mut payload, mut first) = (None, None, true);
        while let Some(name) = reader.next_member(&mut first)? {
            let start = reader.position();
            reader.skip()?;
            match &*name {
                "schema" => schema = Some(start..reader.position()),
                "payload" => payload = Some(start),
                _ => return Err(ConnectError::data(NOT_AN_ENVELOPE)),
            }
        }
        reader.finish()?;
        let (Some(schema), Some(payload)) = (schema, payload) else {
            return Err(ConnectError::data(NOT_AN_ENVELOPE));
        };
        let plan = schema_text::parse(&bytes[schema])?.map(|schema| decoding(&schema, self.format));
        let value = read_payload(plan.as_ref(), &mut Reader::at(bytes, payload, 1)?)?;
        Ok(SchemaAndValue {
            schema: plan.map(|plan| Arc::clone(plan.schema())),
            value,
        })
    }
}

/// A value without schema in the form of a converter with `schemas.enable=false`. Null is nothing.
///
/// # Errors
/// `Data` for what JSON cannot hold.
pub fn write_schemaless(value: &Value) -> Result<Bytes, ConnectError> {
    let mut out = Out::default();
    if !value.is_null() {
        let format = Format {
            decimals: DecimalFormat::Base64,
            replace_null_with_default: true,
        };
        encode::put_schemaless(&mut out, value, format)
            .map_err(|error| serialization_error(error, NOT_WRITTEN))?;
    }
    Ok(out.to_bytes())
}

/// Reads what [`write_schemaless`] wrote, and all other JSON.
///
/// # Errors
/// `Data` for what is no JSON.
pub fn read_schemaless(bytes: &[u8]) -> Result<Value, ConnectError> {
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    payload_alone(bytes).map_err(|error| serialization_error(error, NOT_READ))
}

fn payload_alone(bytes: &[u8]) -> Result<Value, ConnectError> {
    let mut reader = Reader::new(bytes)?;
    let value = decode::read_schemaless(&mut reader)?;
    reader.finish()?;
    Ok(value)
}

/// Everything of an envelope before the payload. The schema's plan was made before, so that it is not too deep.
fn envelope_head(schema: &Schema, format: Format) -> Result<Bytes, ConnectError> {
    let mut head = Out::default();
    head.put_slice(b"{\"schema\":");
    schema_text::put(&mut head, schema, None, format)?;
    head.put_slice(b",\"payload\":");
    Ok(head.to_bytes())
}

fn decoding(schema: &Arc<Schema>, format: Format) -> decode::Plan {
    decode::Plan::of(schema, format.replace_null_with_default)
}

fn read_payload(
    plan: Option<&decode::Plan>,
    reader: &mut Reader<'_>,
) -> Result<Value, ConnectError> {
    match plan {
        Some(plan) => plan.read(reader),
        None => decode::read_schemaless(reader),
    }
}

fn starts_in_order(bytes: &[u8]) -> bool {
    bytes.starts_with(b"{\"schema\":")
}

/// Where the schema lies in an envelope that begins with it, and where the payload begins, if that comes next.
fn envelope(bytes: &[u8]) -> Result<Option<(std::ops::Range<usize>, usize)>, ConnectError> {
    let mut reader = Reader::new(bytes)?;
    let mut first = true;
    reader.token()?;
    reader.next_member(&mut first)?;
    let start = reader.position();
    reader.skip()?;
    let schema = start..reader.position();
    let is_payload = reader.next_member(&mut first)?.as_deref() == Some("payload");
    Ok(is_payload.then(|| (schema, reader.position())))
}

impl Converter for JsonConverter {
    fn from_connect_data(
        &mut self,
        _topic: &str,
        data: &SchemaAndValue,
        out: &mut BytesMut,
    ) -> Result<bool, ConnectError> {
        if data.is_null() {
            return Ok(false);
        }
        self.write(data, out)
            .map_err(|error| serialization_error(error, NOT_WRITTEN))
    }

    fn to_connect_data(
        &mut self,
        topic: &str,
        bytes: Option<&Bytes>,
    ) -> Result<SchemaAndValue, ConnectError> {
        let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) else {
            return Ok(SchemaAndValue::default());
        };
        self.read(topic, bytes)
            .map_err(|error| serialization_error(error, NOT_READ))
    }
}

const NOT_WRITTEN: &str =
    "Converting Kafka Connect data to byte[] failed due to serialization error: ";
const NOT_READ: &str =
    "Converting byte[] to Kafka Connect data failed due to serialization error: ";

/// What Jackson throws comes as the cause of a `DataException`.
fn serialization_error(error: ConnectError, text: &str) -> ConnectError {
    if error.java_class().starts_with("com.fasterxml") {
        ConnectError::data(text).caused_by(error)
    } else {
        error
    }
}

#[cfg(test)]
mod tests;
