//! From JSON to values, by a plan per schema.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tidegate_api::schema::{Kind, Schema};
use tidegate_api::{ConnectError, Decimal, Str, Struct, Value, logical};

use crate::out::Out;
use crate::text::{Reader, Token, put_string};

/// How values of one schema are read.
#[derive(Debug)]
pub(crate) struct Plan {
    schema: Arc<Schema>,
    parts: Parts,
    /// `replace.null.with.default`
    replace_null: bool,
}

#[derive(Debug)]
enum Parts {
    None,
    Decimal { scale: i32 },
    Items(Box<Plan>),
    Entries(Box<Plan>, Box<Plan>),
    Fields(Box<[FieldPlan]>),
}

#[derive(Debug)]
struct FieldPlan {
    /// The name in quotes and a colon.
    head: Box<[u8]>,
    plan: Plan,
}

impl Plan {
    /// `replace_null`: null stands for the field's default.
    pub(crate) fn of(schema: &Arc<Schema>, replace_null: bool) -> Self {
        let of = |schema: &Arc<Schema>| Self::of(schema, replace_null);
        let parts = match &schema.kind {
            Kind::Bytes => {
                logical::decimal_scale(schema).map_or(Parts::None, |scale| Parts::Decimal { scale })
            }
            Kind::Array(items) => Parts::Items(Box::new(of(items))),
            Kind::Map(keys, values) => Parts::Entries(Box::new(of(keys)), Box::new(of(values))),
            Kind::Struct(fields) => Parts::Fields(
                fields
                    .as_slice()
                    .iter()
                    .map(|field| {
                        let mut head = Out::default();
                        put_string(&mut head, &field.name);
                        head.put_u8(b':');
                        FieldPlan {
                            head: head.as_slice().into(),
                            plan: of(&field.schema),
                        }
                    })
                    .collect(),
            ),
            _ => Parts::None,
        };
        Self {
            schema: Arc::clone(schema),
            parts,
            replace_null,
        }
    }

    pub(crate) fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// What an absent or null member becomes.
    fn null(&self) -> Result<Value, ConnectError> {
        match &self.schema.default {
            Some(default) if self.replace_null => Ok(default.clone()),
            _ if self.schema.optional => Ok(Value::Null),
            _ => Err(ConnectError::data(format!(
                "Invalid null value for required {} field",
                self.schema.kind.type_name()
            ))),
        }
    }

    pub(crate) fn read(&self, reader: &mut Reader<'_>) -> Result<Value, ConnectError> {
        let token = reader.token()?;
        let value = match (&self.schema.kind, &self.parts, token) {
            (_, _, Token::Null) => return self.null(),
            (Kind::Boolean, _, Token::Boolean(flag)) => Value::Boolean(flag),
            (Kind::Int8, _, Token::Number(text)) => Value::Int8(self.integer(text)?),
            (Kind::Int16, _, Token::Number(text)) => Value::Int16(self.integer(text)?),
            (Kind::Int32, _, Token::Number(text)) => Value::Int32(self.integer(text)?),
            (Kind::Int64, _, Token::Number(text)) => Value::Int64(self.integer(text)?),
            (Kind::Float32, _, token) => Value::Float32(narrow(self.float(&token)?)),
            (Kind::Float64, _, token) => Value::Float64(self.float(&token)?),
            (Kind::String, _, Token::String(text)) => Value::String(Str::from(text)),
            (Kind::Bytes, Parts::Decimal { scale }, Token::String(text)) => {
                let bytes = base64(&text)?;
                let decimal = Decimal::from_unscaled_bytes(&bytes, *scale);
                Value::Decimal(decimal.map_err(|error| ConnectError::data(error.to_string()))?)
            }
            (Kind::Bytes, Parts::Decimal { .. }, Token::Number(text)) => {
                Value::Decimal(decimal(text)?)
            }
            (Kind::Bytes, _, Token::String(text)) => Value::Bytes(base64(&text)?.into()),
            (_, Parts::Items(items), Token::Array) => {
                let (mut values, mut first) = (Vec::new(), true);
                while reader.next_item(&mut first)? {
                    values.push(items.read(reader)?);
                }
                Value::Array(values)
            }
            (_, Parts::Entries(keys, values), Token::Object) => {
                if keys.schema.kind != Kind::String {
                    return Err(ConnectError::data(
                        "Maps with non-string fields should be encoded as JSON array of tuples, but found OBJECT",
                    ));
                }
                let (mut entries, mut first) = (Entries::default(), true);
                while let Some(name) = reader.next_member(&mut first)? {
                    let value = values.read(reader)?;
                    entries.put(Value::string(name), value);
                }
                entries.into_map()
            }
            (_, Parts::Entries(keys, values), Token::Array) => {
                if keys.schema.kind == Kind::String {
                    return Err(ConnectError::data(
                        "Maps with string fields should be encoded as JSON objects, but found ARRAY",
                    ));
                }
                self.pairs(reader, keys, values)?
            }
            (_, Parts::Fields(plans), Token::Object) => {
                Value::Struct(self.structure(reader, plans)?)
            }
            (_, _, token) => return Err(self.unfit(name(&token))),
        };
        Ok(value)
    }

    fn unfit(&self, found: &str) -> ConnectError {
        ConnectError::data(format!(
            "Invalid type for {}, underlying representation should be {} but was {found}",
            self.schema.kind.type_name(),
            expected(&self.schema.kind)
        ))
    }

    fn integer<T: TryFrom<i64>>(&self, text: &str) -> Result<T, ConnectError> {
        let number = match text.parse::<i64>() {
            Ok(number) => number,
            // Fractions are cut off, as Java's number nodes do.
            Err(_) => text
                .parse::<Decimal>()
                .ok()
                .and_then(|decimal| decimal.truncated_i64())
                .ok_or_else(|| self.unfit(&format!("{text}, which is no integer of 64 bits")))?,
        };
        T::try_from(number).map_err(|_| {
            ConnectError::data(format!(
                "{number} is out of the range of {}",
                self.schema.kind.type_name()
            ))
        })
    }

    fn float(&self, token: &Token<'_>) -> Result<f64, ConnectError> {
        match token {
            Token::Number(text) => text.parse().map_err(|_| self.unfit("no number")),
            Token::String(text) if text == "NaN" => Ok(f64::NAN),
            Token::String(text) if text == "Infinity" => Ok(f64::INFINITY),
            Token::String(text) if text == "-Infinity" => Ok(f64::NEG_INFINITY),
            other => Err(self.unfit(name(other))),
        }
    }

    fn pairs(
        &self,
        reader: &mut Reader<'_>,
        keys: &Plan,
        values: &Plan,
    ) -> Result<Value, ConnectError> {
        let (mut entries, mut first) = (Entries::default(), true);
        while reader.next_item(&mut first)? {
            if reader.token()? != Token::Array {
                return Err(self.unfit("an array of something else than pairs"));
            }
            let mut first_of_pair = true;
            let mut part = |plan: &Plan, reader: &mut Reader<'_>| {
                if reader.next_item(&mut first_of_pair)? {
                    plan.read(reader)
                } else {
                    Err(self.unfit("a pair of less than two items"))
                }
            };
            let entry = (part(keys, reader)?, part(values, reader)?);
            if reader.next_item(&mut first_of_pair)? {
                return Err(self.unfit("a pair of more than two items"));
            }
            entries.put(entry.0, entry.1);
        }
        Ok(entries.into_map())
    }

    /// Members usually come in the order of the schema and without space between them.
    fn structure(
        &self,
        reader: &mut Reader<'_>,
        plans: &[FieldPlan],
    ) -> Result<Struct, ConnectError> {
        let fields = self.schema.fields();
        let mut values = Vec::with_capacity(plans.len());
        let mut first = true;
        for (field, FieldPlan { head, plan }) in fields.iter().zip(plans) {
            if !reader.take_member(&mut first, head) {
                break;
            }
            let value = plan.read(reader);
            values.push(value.map_err(|error| in_field(&error, &field.name))?);
        }
        if values.len() == plans.len() && reader.take_end() {
            return Ok(Struct::new(Arc::clone(&self.schema), values));
        }
        self.other_members(reader, plans, values, first)
    }

    /// The rest of an object by the names of its members. Java takes the last of two of one name, and passes over those that
    /// it does not know.
    fn other_members(
        &self,
        reader: &mut Reader<'_>,
        plans: &[FieldPlan],
        known: Vec<Value>,
        mut first: bool,
    ) -> Result<Struct, ConnectError> {
        let fields = self.schema.fields();
        let mut values: Vec<Option<Value>> = known.into_iter().map(Some).collect();
        values.resize(fields.len(), None);
        while let Some(member) = reader.next_member(&mut first)? {
            match self.schema.field(&member).map(|field| field.index) {
                Some(index) => {
                    let value = plans[index].plan.read(reader);
                    let value = value.map_err(|error| in_field(&error, &fields[index].name))?;
                    values[index] = Some(value);
                }
                None => reader.skip()?,
            }
        }
        let values = values
            .into_iter()
            .zip(plans)
            .zip(fields)
            .map(|((value, FieldPlan { plan, .. }), field)| match value {
                Some(value) => Ok(value),
                None => plan.null().map_err(|error| in_field(&error, &field.name)),
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Struct::new(Arc::clone(&self.schema), values))
    }
}

/// Entries of a map in the order of their keys' first appearance. Of two with one key the last counts, as in Java's maps.
#[derive(Default)]
struct Entries {
    list: Vec<(Value, Value)>,
    /// Places by the keys' [`exact_text`], once there are more than are quickly looked through.
    places: HashMap<Str, usize>,
}

impl Entries {
    const FEW: usize = 16;

    fn put(&mut self, key: Value, value: Value) {
        match self.place(&key) {
            Some(place) => self.list[place].1 = value,
            None => self.list.push((key, value)),
        }
    }

    /// Where the key is; if it is not, it is noted to come next.
    fn place(&mut self, key: &Value) -> Option<usize> {
        if self.list.len() < Self::FEW {
            return self.list.iter().position(|(known, _)| known == key);
        }
        if self.places.is_empty() {
            let known = self.list.iter().enumerate();
            self.places = known
                .map(|(place, (key, _))| (exact_text(key), place))
                .collect();
        }
        match self.places.entry(exact_text(key)) {
            Entry::Occupied(place) => Some(*place.get()),
            Entry::Vacant(place) => {
                place.insert(self.list.len());
                None
            }
        }
    }

    fn into_map(self) -> Value {
        Value::Map(self.list)
    }
}

/// A text that no other key of the same type has; all keys of a map are of one type.
fn exact_text(key: &Value) -> Str {
    match key {
        Value::String(text) => text.clone(),
        other => Str::from(format!("{other:?}")),
    }
}

fn in_field(error: &ConnectError, field: &str) -> ConnectError {
    ConnectError::data(format!("{} (field '{field}')", error.text()))
}

/// A value without schema: whole numbers are 64-bit, others doubles.
pub(crate) fn read_schemaless(reader: &mut Reader<'_>) -> Result<Value, ConnectError> {
    Ok(match reader.token()? {
        Token::Null => Value::Null,
        Token::Boolean(flag) => Value::Boolean(flag),
        Token::Number(text) => match text.parse::<i64>() {
            Ok(number) => Value::Int64(number),
            Err(_) if text.contains(['.', 'e', 'E']) => {
                Value::Float64(text.parse().map_err(|_| reader.error("Invalid number"))?)
            }
            Err(_) => Value::Int64(wrapped(text).ok_or_else(|| reader.error("Invalid number"))?),
        },
        Token::String(text) => Value::String(Str::from(text)),
        Token::Array => {
            let (mut values, mut first) = (Vec::new(), true);
            while reader.next_item(&mut first)? {
                values.push(read_schemaless(reader)?);
            }
            Value::Array(values)
        }
        Token::Object => {
            let (mut entries, mut first) = (Entries::default(), true);
            while let Some(name) = reader.next_member(&mut first)? {
                let value = read_schemaless(reader)?;
                entries.put(Value::string(name), value);
            }
            entries.into_map()
        }
    })
}

/// The low 64 bits of an integer of any length, as `BigInteger.longValue`.
fn wrapped(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let mut number = 0_i64;
    for digit in digits.bytes() {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number = number.wrapping_mul(10).wrapping_add(digit.into());
    }
    Some(if negative {
        number.wrapping_neg()
    } else {
        number
    })
}

/// A number of whatever digits. Its power of ten is kept within bounds (those of Jackson, where it makes integers of decimals),
/// because whoever writes the number without exponent has to write all its zeros.
fn decimal(text: &str) -> Result<Decimal, ConnectError> {
    const MAX_SCALE: u32 = 100_000;
    let decimal: Decimal = text
        .parse()
        .map_err(|_| ConnectError::data(format!("{text} is no decimal number")))?;
    if decimal.scale().unsigned_abs() > MAX_SCALE {
        return Err(ConnectError::data(format!(
            "BigDecimal scale ({}) magnitude exceeds the maximum allowed ({MAX_SCALE})",
            decimal.scale()
        )));
    }
    Ok(decimal)
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "a FLOAT32's own text comes back to itself"
)]
fn narrow(number: f64) -> f32 {
    number as f32
}

fn base64(text: &str) -> Result<Vec<u8>, ConnectError> {
    STANDARD
        .decode(text.as_bytes())
        .map_err(|error| ConnectError::data(format!("Invalid bytes field: not base64: {error}")))
}

fn expected(kind: &Kind) -> &'static str {
    match kind {
        Kind::Boolean => "a boolean",
        Kind::String => "a string",
        Kind::Bytes => "a base64 string",
        Kind::Array(_) => "an array",
        Kind::Map(..) => "an object or an array of pairs",
        Kind::Struct(_) => "an object",
        _ => "a number",
    }
}

fn name(token: &Token<'_>) -> &'static str {
    match token {
        Token::Null => "null",
        Token::Boolean(_) => "a boolean",
        Token::Number(_) => "a number",
        Token::String(_) => "a string",
        Token::Array => "an array",
        Token::Object => "an object",
    }
}
