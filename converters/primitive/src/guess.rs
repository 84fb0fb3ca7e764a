//! A text whose type is guessed: what it reads as, else a string.
//!
//! Source: `org.apache.kafka.connect.data.Values.parseString`, with its leniency: a number, list or map may be followed by
//! whatever begins with a delimiter, and a quoted text inside of a list or map keeps the backslashes of its escapes.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use tidegate_api::{
    DateFormat, Decimal, Kind, Schema, SchemaAndValue, SchemaBuilder, Value, date_format,
    java_text, logical,
};

/// Lists and maps inside one another. The original goes on until its stack overflows, at about this depth.
const MAX_DEPTH: usize = 1000;
const MILLIS_PER_DAY: i64 = 86_400_000;

/// The text has lists or maps too deep inside one another.
#[derive(Debug)]
pub(crate) struct TooDeep;

/// Why a list or map is none.
enum Failure {
    /// It stands for itself.
    Invalid,
    TooDeep,
}

/// Null has no schema; lists and maps have none if their items have none in common.
pub(crate) fn guess(text: &str) -> Result<SchemaAndValue, TooDeep> {
    let may_be_more =
        |first: char| first <= ' ' || first.is_ascii_digit() || "[{+-ntf".contains(first);
    if !text.starts_with(may_be_more) {
        return Ok(string(text));
    }
    let mut parser = Parser {
        text,
        position: 0,
        peeked: None,
        depth: 0,
    };
    match parser.value(false) {
        Ok(guessed) => Ok(guessed.unwrap_or_default()),
        Err(Failure::Invalid) => Ok(string(text)),
        Err(Failure::TooDeep) => Err(TooDeep),
    }
}

fn string(text: &str) -> SchemaAndValue {
    SchemaAndValue::new(SchemaBuilder::string().build(), Value::string(text))
}

fn of_kind(kind: Kind, value: Value) -> SchemaAndValue {
    SchemaAndValue::new(SchemaBuilder::new(kind).build(), value)
}

/// `String.trim`
fn trimmed(text: &str) -> &str {
    text.trim_matches(|character| character <= ' ')
}

/// Whole numbers of up to 64 bits in the smallest type; others as floats, unless they are too large or have no exponent or
/// fraction. Never costs more than its text, whatever the exponent.
fn number(text: &str) -> Option<SchemaAndValue> {
    let decimal: Decimal = text.parse().ok()?;
    if let Some(whole) = decimal.whole_i64() {
        return Some(if let Ok(number) = i8::try_from(whole) {
            of_kind(Kind::Int8, Value::Int8(number))
        } else if let Ok(number) = i16::try_from(whole) {
            of_kind(Kind::Int16, Value::Int16(number))
        } else if let Ok(number) = i32::try_from(whole) {
            of_kind(Kind::Int32, Value::Int32(number))
        } else {
            of_kind(Kind::Int64, Value::Int64(whole))
        });
    }
    let (single, double) = (decimal.to_f32(), decimal.to_f64());
    if single.is_finite() && decimal.scale() != 0 {
        return Some(of_kind(Kind::Float32, Value::Float32(single)));
    }
    if double.is_finite() && decimal.scale() != 0 {
        return Some(of_kind(Kind::Float64, Value::Float64(double)));
    }
    let schema = logical::decimal(decimal.scale()).build();
    Some(SchemaAndValue::new(schema, decimal))
}

/// Dates, times and timestamps are told by their length in UTF-16.
fn temporal(text: &str) -> Option<SchemaAndValue> {
    const MOST_BYTES: usize = 4 * 24;
    static TIME: LazyLock<Option<DateFormat>> =
        LazyLock::new(|| DateFormat::new(date_format::CONNECT_TIME));
    static DATE: LazyLock<Option<DateFormat>> =
        LazyLock::new(|| DateFormat::new(date_format::CONNECT_DATE));
    static TIMESTAMP: LazyLock<Option<DateFormat>> =
        LazyLock::new(|| DateFormat::new(date_format::CONNECT_TIMESTAMP));
    if text.len() > MOST_BYTES {
        return None;
    }
    let text = text.replace("\\:", ":");
    Some(match text.encode_utf16().count() {
        10 => {
            let days = DATE.as_ref()?.parse(&text)?.div_euclid(MILLIS_PER_DAY);
            let days = i32::try_from(days).ok()?;
            SchemaAndValue::new(logical::date().build(), days)
        }
        13 => {
            let millis = i32::try_from(TIME.as_ref()?.parse(&text)?).ok()?;
            SchemaAndValue::new(logical::time().build(), millis)
        }
        24 => {
            let millis = TIMESTAMP.as_ref()?.parse(&text)?;
            SchemaAndValue::new(logical::timestamp().build(), millis)
        }
        _ => return None,
    })
}

/// Tokens are delimiters and what is between them.
struct Parser<'a> {
    text: &'a str,
    position: usize,
    /// A token that was looked at.
    peeked: Option<&'a str>,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn at_end(&self) -> bool {
        self.position >= self.text.len()
    }

    fn has_next(&self) -> bool {
        self.peeked.is_some() || !self.at_end()
    }

    /// Up to a delimiter without backslash, or that.
    fn take_token(&mut self) -> &'a str {
        let rest = self.text.get(self.position..).unwrap_or_default();
        let mut is_escaped = false;
        let mut length = rest.len();
        for (index, byte) in rest.bytes().enumerate() {
            match byte {
                b'\\' => is_escaped = !is_escaped,
                b'"' | b',' | b':' | b'[' | b']' | b'{' | b'}' if !is_escaped => {
                    length = index.max(1);
                    break;
                }
                _ => is_escaped = false,
            }
        }
        self.position += length;
        rest.get(..length).unwrap_or_default()
    }

    fn next(&mut self) -> &'a str {
        match self.peeked.take() {
            Some(token) => token,
            None => self.take_token(),
        }
    }

    /// Whether the next token but blanks is the expected one, which is taken then. Blanks are taken in any case.
    fn eat(&mut self, expected: &str) -> bool {
        if !self.has_next() {
            return false;
        }
        let mut token = self.next();
        while trimmed(token).is_empty() && !self.at_end() {
            token = self.take_token();
        }
        let is_expected = trimmed(token) == expected;
        self.peeked = (!is_expected).then_some(token);
        is_expected
    }

    fn mark(&self) -> usize {
        self.position - self.peeked.map_or(0, str::len)
    }

    fn rewind(&mut self, mark: usize) {
        self.position = mark;
        self.peeked = None;
    }

    /// `embedded` values are inside of a list or map.
    fn value(&mut self, embedded: bool) -> Result<Option<SchemaAndValue>, Failure> {
        if !self.has_next() {
            return Ok(None);
        }
        if embedded && self.eat("\"") {
            return Ok(Some(self.quoted()));
        }
        if self.eat_literal("null", embedded) {
            return Ok(None);
        }
        for (word, flag) in [("true", true), ("false", false)] {
            if self.eat_literal(word, embedded) {
                return Ok(Some(of_kind(Kind::Boolean, Value::Boolean(flag))));
            }
        }
        let start = self.mark();
        let inside = if self.eat("[") {
            Some(self.inside(Self::list))
        } else if self.eat("{") {
            Some(self.inside(Self::map))
        } else {
            None
        };
        match inside {
            Some(Ok(value)) => return Ok(Some(value)),
            Some(Err(Failure::TooDeep)) => return Err(Failure::TooDeep),
            Some(Err(Failure::Invalid)) => self.rewind(start),
            None => {}
        }
        let token = self.next();
        if trimmed(token).is_empty() {
            return Ok(Some(string(token)));
        }
        match self.scalar(trimmed(token)) {
            Some(scalar) => Ok(Some(scalar)),
            None if embedded => Err(Failure::Invalid),
            None => Ok(Some(string(self.text))),
        }
    }

    fn eat_literal(&mut self, word: &str, embedded: bool) -> bool {
        let mark = self.mark();
        if self.eat(word) && (embedded || !self.has_next()) {
            return true;
        }
        self.rewind(mark);
        false
    }

    fn inside(
        &mut self,
        read: fn(&mut Self) -> Result<SchemaAndValue, Failure>,
    ) -> Result<SchemaAndValue, Failure> {
        if self.depth == MAX_DEPTH {
            return Err(Failure::TooDeep);
        }
        self.depth += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn scalar(&mut self, token: &str) -> Option<SchemaAndValue> {
        let is_number = token.starts_with(|first: char| first.is_ascii_digit());
        if is_number && let Some(temporal) = self.tokens_of_time(token) {
            return Some(temporal);
        }
        if is_number || token.starts_with(['+', '-']) {
            number(token)
        } else {
            None
        }
    }

    /// A time of day has two colons, and so five tokens.
    fn tokens_of_time(&mut self, first: &str) -> Option<SchemaAndValue> {
        let mark = self.mark();
        let has_others = (0..4).all(|_| {
            let has_next = self.has_next();
            if has_next {
                self.next();
            }
            has_next
        });
        let others = self.text.get(mark..self.position).unwrap_or_default();
        if has_others && let Some(whole) = temporal(&format!("{first}{others}")) {
            return Some(whole);
        }
        self.rewind(mark);
        temporal(first)
    }

    /// Behind a quote.
    fn quoted(&mut self) -> SchemaAndValue {
        let mut text = String::new();
        while self.has_next() && !self.eat("\"") {
            text.push_str(self.next());
        }
        temporal(&text).unwrap_or_else(|| string(&text))
    }

    fn list(&mut self) -> Result<SchemaAndValue, Failure> {
        let (mut items, mut common) = (Vec::new(), Common::Nothing);
        while self.has_next() {
            if self.eat("]") {
                let schema = common
                    .schema()
                    .map(|items| SchemaBuilder::array(items).build());
                return Ok(SchemaAndValue {
                    schema,
                    value: Value::Array(common.align(items)?),
                });
            }
            if self.eat(",") {
                return Err(Failure::Invalid);
            }
            let item = self.value(true)?;
            common.merge(item.as_ref());
            items.push(item.unwrap_or_default());
            let mark = self.mark();
            if self.eat("]") {
                self.rewind(mark);
            } else if !self.eat(",") {
                return Err(Failure::Invalid);
            }
        }
        Err(Failure::Invalid)
    }

    fn map(&mut self) -> Result<SchemaAndValue, Failure> {
        let (mut keys, mut key_schema) = (Vec::new(), Common::Nothing);
        let (mut values, mut value_schema) = (Vec::new(), Common::Nothing);
        let mut places = HashMap::new();
        while self.has_next() {
            if self.eat("}") {
                let schema = key_schema.schema().zip(value_schema.schema());
                let schema = schema.map(|(keys, values)| SchemaBuilder::map(keys, values).build());
                // Values are left alone if the keys have nothing in common.
                if !matches!(key_schema, Common::Schema(..)) {
                    value_schema = Common::Different;
                }
                let keys = key_schema.align(keys)?;
                let values = value_schema.align(values)?;
                return Ok(SchemaAndValue {
                    schema,
                    value: Value::Map(keys.into_iter().zip(values).collect()),
                });
            }
            if self.eat(",") {
                return Err(Failure::Invalid);
            }
            let key = self.value(true)?.ok_or(Failure::Invalid)?;
            if !self.eat(":") {
                return Err(Failure::Invalid);
            }
            let value = self.value(true)?;
            self.eat(",");
            key_schema.merge(Some(&key));
            value_schema.merge(value.as_ref());
            let value = value.unwrap_or_default();
            let same = (
                std::mem::discriminant(&key.value),
                java_text::value(&key.value),
            );
            match places.get(&same) {
                Some(place) => values[*place] = value,
                None => {
                    places.insert(same, keys.len());
                    keys.push(key);
                    values.push(value);
                }
            }
        }
        Err(Failure::Invalid)
    }
}

/// The schema that the items of a list have in common, of those that are not null.
enum Common {
    Nothing,
    /// Of lists and maps the schema may be missing.
    Schema(Type, Option<Arc<Schema>>),
    Different,
}

/// Numbers are ordered by what they can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Type {
    Number(u8),
    Boolean,
    String,
    Bytes,
    Array,
    Map,
}

fn type_of(value: &Value) -> Type {
    match value {
        Value::Int8(_) => Type::Number(0),
        Value::Int16(_) => Type::Number(1),
        Value::Int32(_) => Type::Number(2),
        Value::Int64(_) => Type::Number(3),
        Value::Float32(_) => Type::Number(4),
        Value::Float64(_) => Type::Number(5),
        Value::Boolean(_) => Type::Boolean,
        Value::Array(_) => Type::Array,
        Value::Map(_) => Type::Map,
        Value::Bytes(_) | Value::Decimal(_) => Type::Bytes,
        _ => Type::String,
    }
}

impl Common {
    /// Of two of one type the later schema holds, whatever else they are.
    fn merge(&mut self, item: Option<&SchemaAndValue>) {
        let Some(item) = item else { return };
        let new = type_of(&item.value);
        match self {
            Self::Schema(Type::Number(old), _) if matches!(new, Type::Number(new) if *old > new) => {
            }
            Self::Schema(old, _)
                if !matches!((*old, new), (Type::Number(_), Type::Number(_))) && *old != new =>
            {
                *self = Self::Different;
            }
            Self::Different => {}
            _ => *self = Self::Schema(new, item.schema.clone()),
        }
    }

    fn schema(&self) -> Option<Arc<Schema>> {
        match self {
            Self::Schema(_, schema) => schema.clone(),
            _ => None,
        }
    }

    /// The items' values as the schema has them, which holds no null. No date becomes a mere number.
    fn align(&self, items: Vec<SchemaAndValue>) -> Result<Vec<Value>, Failure> {
        let Self::Schema(common, schema) = self else {
            return Ok(items.into_iter().map(|item| item.value).collect());
        };
        let is_named = |schema: &Option<Arc<Schema>>| {
            schema.as_ref().is_some_and(|schema| schema.name.is_some())
        };
        let is_mere = !is_named(schema);
        let values = items.into_iter().map(|item| match common {
            _ if item.value.is_null() || (is_mere && is_named(&item.schema)) => {
                Err(Failure::Invalid)
            }
            Type::Number(to) => Ok(widened(item.value, *to)),
            _ => Ok(item.value),
        });
        values.collect()
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "Java's conversions by way of long and double"
)]
fn widened(value: Value, to: u8) -> Value {
    let float = match &value {
        Value::Float32(number) => f64::from(*number),
        Value::Float64(number) => *number,
        whole => whole.as_i64().unwrap_or_default() as f64,
    };
    match (to, value.as_i64()) {
        (1, Some(number)) => Value::Int16(number as i16),
        (2, Some(number)) => Value::Int32(number as i32),
        (3, Some(number)) => Value::Int64(number),
        (4, _) => Value::Float32(float as f32),
        (5, _) => Value::Float64(float),
        _ => value,
    }
}
