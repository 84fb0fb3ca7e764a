//! From a column's declared type to its Connect schema, and from its cells to values of that schema.
//!
//! The declared type of the DDL decides, as in the original: neither the binary log's types nor a driver's are asked.
//! Source: Debezium `BinlogValueConverters`, `JdbcValueConverters`; TYPES.md has the table.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use bytes::Bytes;
use compact_str::ToCompactString as _;
use tidegate_api::{Decimal, Schema, SchemaBuilder, Str, Struct, Value, logical};
use tidegate_relational::table_plan::{FieldType, PlanError};
use tidegate_relational::{Column, Table};

use super::charset::Charset;
use super::raw::Raw;
use super::temporal::{self, CivilDate, DateForm, DateTimeForm, Fraction, TimeForm};
use super::{
    BigIntUnsigned, BinaryHandling, DecimalHandling, FailureHandling, TimePrecision, ValueConfig,
};
use super::{defaults, json_text};

/// Where a cell comes from; a few forms differ in the original.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Snapshot,
    Stream,
}

/// What a column becomes.
#[derive(Debug, Clone)]
pub enum Target {
    Boolean,
    Int16,
    Int32,
    Int64,
    /// BIGINT UNSIGNED as a Decimal of scale 0.
    UnsignedDecimal,
    Float32,
    Float64,
    /// FLOAT(M,D): single precision, widened.
    FloatAsFloat64,
    Decimal {
        precision: i32,
        scale: i32,
    },
    DecimalAsFloat64,
    DecimalAsString {
        scale: i32,
    },
    String(Charset),
    Bytes(BytesForm),
    Bit,
    Bits {
        bits: i32,
    },
    /// Texts of the options.
    Enum(Arc<[Str]>),
    Set(Arc<[Str]>),
    Json,
    Year,
    Date(DateForm),
    Time(TimeForm),
    DateTime(DateTimeForm),
    /// Always a ZonedTimestamp; digits of the fraction as declared.
    Timestamp {
        digits: u8,
        /// Whether a zero timestamp of the stream is the epoch, not null.
        zero_is_epoch: bool,
    },
    /// Schema of a POINT.
    Point(Arc<Schema>),
    Geometry(Arc<Schema>),
    FloatVector,
    Uuid,
    Inet4,
    Inet6,
}

/// How binary columns appear, and the length that BINARY is padded to.
#[derive(Debug, Clone, Copy)]
pub struct BytesForm {
    pub handling: BinaryHandling,
    pub padded_to: usize,
}

/// WKB of `GEOMETRYCOLLECTION EMPTY`, in place of a missing value of a NOT NULL column.
const EMPTY_COLLECTION: [u8; 9] = [1, 7, 0, 0, 0, 0, 0, 0, 0];

impl Target {
    /// `None` for a type that has no mapping; an error says what is wrong with a known type.
    pub(crate) fn of(column: &Column, config: ValueConfig) -> Result<Option<Self>, String> {
        let type_name = column.type_name.to_ascii_uppercase();
        let mut words = type_name.split([' ', '(']);
        let base = words.next().unwrap_or_default();
        let unsigned = is_unsigned(&type_name);
        let bytes = |padded_to: usize| {
            Self::Bytes(BytesForm {
                handling: config.binary,
                padded_to,
            })
        };
        let length = column.length.unwrap_or(-1);
        Ok(Some(match base {
            "BOOLEAN" | "BOOL" => Self::Boolean,
            "BIT" if length > 64 => return Err(format!("BIT({length}) has more than 64 bits")),
            "BIT" if length > 1 => Self::Bits { bits: length },
            "BIT" => Self::Bit,
            "TINYINT" | "INT1" => Self::Int16,
            "SMALLINT" | "INT2" if unsigned => Self::Int32,
            "SMALLINT" | "INT2" => Self::Int16,
            "MEDIUMINT" | "INT3" | "MIDDLEINT" => Self::Int32,
            "INT" | "INTEGER" | "INT4" if unsigned => Self::Int64,
            "INT" | "INTEGER" | "INT4" => Self::Int32,
            "BIGINT" | "INT8" | "SERIAL"
                if unsigned && config.bigint_unsigned == BigIntUnsigned::Precise =>
            {
                Self::UnsignedDecimal
            }
            "BIGINT" | "INT8" | "SERIAL" => Self::Int64,
            "FLOAT" | "FLOAT4" if column.scale.is_some() => Self::FloatAsFloat64,
            "FLOAT" if length > 24 => Self::Float64,
            "FLOAT" | "FLOAT4" | "REAL" => Self::Float32,
            "DOUBLE" | "FLOAT8" => Self::Float64,
            "DECIMAL" | "NUMERIC" | "DEC" | "FIXED" => {
                let (precision, scale) = (column.length.unwrap_or(10), column.scale.unwrap_or(0));
                match config.decimal {
                    DecimalHandling::Precise => Self::Decimal { precision, scale },
                    DecimalHandling::Double => Self::DecimalAsFloat64,
                    DecimalHandling::String => Self::DecimalAsString { scale },
                }
            }
            "LONG" if words.next() == Some("VARBINARY") => bytes(0),
            // What the server makes of them: BINARY, VARBINARY and BLOBs.
            "CHAR" | "CHARACTER" if is_binary(column) => {
                bytes(usize::try_from(length).unwrap_or(1))
            }
            "VARCHAR" | "VARCHARACTER" | "LONG" | "TINYTEXT" | "TEXT" | "MEDIUMTEXT"
            | "LONGTEXT"
                if is_binary(column) =>
            {
                bytes(0)
            }
            "CHAR" | "CHARACTER" | "VARCHAR" | "VARCHARACTER" | "NCHAR" | "NVARCHAR"
            | "NATIONAL" | "LONG" | "TINYTEXT" | "TEXT" | "MEDIUMTEXT" | "LONGTEXT" => {
                Self::String(charset(column)?)
            }
            "BINARY" if length > 255 => {
                return Err(format!("BINARY({length}) has more than 255 bytes"));
            }
            "BINARY" => bytes(usize::try_from(length).unwrap_or(1)),
            "VARBINARY" | "TINYBLOB" | "BLOB" | "MEDIUMBLOB" | "LONGBLOB" => bytes(0),
            "ENUM" => Self::Enum(options(column)),
            "SET" => Self::Set(options(column)),
            "JSON" => Self::Json,
            "YEAR" => Self::Year,
            "DATE" => Self::Date(match config.time_precision {
                TimePrecision::IsoString => DateForm::Iso,
                _ => DateForm::Days,
            }),
            "TIME" => Self::Time(match config.time_precision {
                TimePrecision::Connect => TimeForm::ConnectMillis,
                TimePrecision::Nanoseconds => TimeForm::Nanos,
                TimePrecision::IsoString => TimeForm::Iso,
                TimePrecision::AdaptiveTimeMicroseconds | TimePrecision::Microseconds => {
                    TimeForm::Micros
                }
            }),
            "DATETIME" => Self::DateTime(match config.time_precision {
                TimePrecision::AdaptiveTimeMicroseconds if length > 3 => DateTimeForm::Micros,
                TimePrecision::AdaptiveTimeMicroseconds | TimePrecision::Connect => {
                    DateTimeForm::Millis
                }
                TimePrecision::Microseconds => DateTimeForm::Micros,
                TimePrecision::Nanoseconds => DateTimeForm::Nanos,
                TimePrecision::IsoString => DateTimeForm::Iso,
            }),
            "TIMESTAMP" => Self::Timestamp {
                digits: u8::try_from(length).unwrap_or(0),
                zero_is_epoch: config.zero_timestamp_is_epoch,
            },
            "POINT" => Self::Point(point_schema().set_optional(column.optional).build()),
            "GEOMETRY" | "LINESTRING" | "POLYGON" | "MULTIPOINT" | "MULTILINESTRING"
            | "MULTIPOLYGON" | "GEOMETRYCOLLECTION" | "GEOMCOLLECTION" => {
                Self::Geometry(geometry_schema().build())
            }
            "VECTOR" => Self::FloatVector,
            "UUID" => Self::Uuid,
            "INET4" => Self::Inet4,
            "INET6" => Self::Inet6,
            _ => return Ok(None),
        }))
    }

    /// The value of a cell; `None` for zero dates, which have no value. An error says what the cell holds instead.
    pub(crate) fn value(
        &self,
        raw: Raw<'_>,
        origin: Origin,
        time_adjuster: bool,
    ) -> Result<Option<Value>, String> {
        let adjusted = |date: CivilDate| if time_adjuster { date.adjusted() } else { date };
        let value = match (self, raw) {
            (Self::Boolean, Raw::Integer(number)) => Value::Boolean(number != 0),
            (Self::Int16, Raw::Integer(number)) => Value::Int16(narrow(number)?),
            (Self::Int32, Raw::Integer(number)) => Value::Int32(narrow(number)?),
            (Self::Int64, Raw::Integer(number)) => Value::Int64(number),
            (Self::UnsignedDecimal, Raw::Integer(number)) => {
                Value::Decimal(match u64::try_from(number) {
                    Ok(_) => Decimal::new(number, 0),
                    Err(_) => Decimal::from_big(number.cast_unsigned().into(), 0),
                })
            }
            (Self::Float32, Raw::Float(number)) => Value::Float32(number),
            #[allow(
                clippy::cast_possible_truncation,
                reason = "REAL is declared single and stored double; the original narrows"
            )]
            (Self::Float32, Raw::Double(number)) => Value::Float32(number as f32),
            (Self::Float64 | Self::FloatAsFloat64, Raw::Float(number)) => {
                Value::Float64(number.into())
            }
            (Self::Float64 | Self::FloatAsFloat64, Raw::Double(number)) => Value::Float64(number),
            (Self::Decimal { scale, .. }, Raw::Decimal(number)) => {
                Value::Decimal(with_scale(number, *scale)?)
            }
            (Self::DecimalAsFloat64, Raw::Decimal(number)) => Value::Float64(number.to_f64()),
            (Self::DecimalAsString { scale }, Raw::Decimal(number)) => {
                Value::String(with_scale(number, *scale)?.to_plain_string().into())
            }
            (Self::String(charset), Raw::Bytes(bytes)) => Value::String(charset.decode(&bytes)),
            (
                Self::String(_)
                | Self::Enum(_)
                | Self::Set(_)
                | Self::Uuid
                | Self::Inet4
                | Self::Inet6,
                Raw::Text(text),
            ) => Value::String(text.into()),
            (Self::Bytes(form), Raw::Bytes(bytes)) => form.value(&bytes),
            (Self::Bit, Raw::Bytes(bytes)) => Value::Boolean(bytes.iter().any(|byte| *byte != 0)),
            (Self::Bits { bits }, Raw::Bytes(bytes)) => {
                Value::Bytes(little_endian_bits(&bytes, *bits))
            }
            (Self::Enum(options), Raw::EnumIndex(index)) => {
                Value::String(enum_text(options, index)?)
            }
            (Self::Set(options), Raw::SetMembers(members)) => {
                Value::String(set_text(options, members)?)
            }
            (Self::Json, Raw::BinaryJson([])) => return Ok(None),
            (Self::Json, Raw::BinaryJson(bytes)) => {
                Value::String(json_text::render(bytes).map_err(|error| error.to_string())?)
            }
            (Self::Json, Raw::Text(text)) => Value::String(text.into()),
            // MariaDB's JSON is a text column.
            (Self::Json, Raw::Bytes(bytes)) => Value::String(Charset::Utf8.decode(&bytes)),
            (Self::Year, Raw::Year(year)) if time_adjuster => {
                Value::Int32(temporal::adjusted_year(year))
            }
            (Self::Year, Raw::Year(year)) => Value::Int32(year),
            (Self::Date(form), Raw::Date(date)) => match checked_date(date, origin)? {
                Some(date) => form.value(adjusted(date)).ok_or("a date out of range")?,
                None => return Ok(None),
            },
            (Self::Time(form), Raw::Time(micros)) => form
                .value(micros)
                .ok_or("a time outside of one day, which time.precision.mode cannot express")?,
            (Self::DateTime(form), Raw::DateTime(at)) => match checked_date(at.date, origin)? {
                Some(date) => {
                    let at = temporal::CivilDateTime {
                        date: adjusted(date),
                        ..at
                    };
                    form.value(at.epoch_micros())
                }
                None => return Ok(None),
            },
            (Self::Timestamp { zero_is_epoch, .. }, Raw::Timestamp { zero: true, .. })
                if origin == Origin::Snapshot || !zero_is_epoch =>
            {
                return Ok(None);
            }
            (Self::Timestamp { digits, .. }, Raw::Timestamp { epoch_micros, .. }) => {
                let fraction = match origin {
                    Origin::Snapshot => Fraction::Shortest,
                    Origin::Stream => Fraction::Exactly(*digits),
                };
                Value::String(temporal::iso_timestamp(epoch_micros, fraction))
            }
            (Self::Point(schema), Raw::Bytes(bytes)) => point(schema, &bytes)?,
            (Self::Geometry(schema), Raw::Bytes(bytes)) => geometry(schema, &bytes)?,
            (Self::FloatVector, Raw::Bytes(bytes)) => Value::Array(
                bytes
                    .as_chunks::<4>()
                    .0
                    .iter()
                    .map(|number| Value::Float32(f32::from_le_bytes(*number)))
                    .collect(),
            ),
            (Self::Uuid, Raw::Bytes(bytes)) => Value::String(uuid_of(&bytes)),
            (Self::Inet4, Raw::Bytes(bytes)) => {
                Value::String(Ipv4Addr::from(padded(&bytes)?).to_compact_string())
            }
            (Self::Inet6, Raw::Bytes(bytes)) => {
                Value::String(Ipv6Addr::from(padded(&bytes)?).to_compact_string())
            }
            (_, raw) => return Err(format!("the cell holds {}", describe(&raw))),
        };
        Ok(Some(value))
    }
}

impl FieldType for Target {
    type Settings = ValueConfig;

    fn of_column(
        table: &Table,
        column: &Column,
        config: ValueConfig,
    ) -> Result<Option<Self>, PlanError> {
        let target = Self::of(column, config).map_err(|problem| PlanError::Column {
            table: table.id.to_string(),
            column: column.name.to_string(),
            type_name: column.type_name.to_string(),
            problem,
        })?;
        if target.is_none() {
            tracing::warn!(
                "Table '{}': unexpected JDBC type '{}' for column '{}' of type {} that will be ignored",
                table.id,
                column.jdbc_type,
                column.name,
                column.type_name
            );
        }
        Ok(target)
    }

    fn schema(&self, config: ValueConfig) -> SchemaBuilder {
        let connect = config.time_precision == TimePrecision::Connect;
        match self {
            Self::Boolean | Self::Bit => SchemaBuilder::boolean(),
            Self::Int16 => SchemaBuilder::int16(),
            Self::Int32 => SchemaBuilder::int32(),
            Self::Int64 => SchemaBuilder::int64(),
            Self::UnsignedDecimal => logical::decimal(0).parameter(DECIMAL_PRECISION, "20"),
            Self::Float32 => SchemaBuilder::float32(),
            Self::Float64 | Self::FloatAsFloat64 | Self::DecimalAsFloat64 => {
                SchemaBuilder::float64()
            }
            Self::Decimal { precision, scale } => {
                logical::decimal(*scale).parameter(DECIMAL_PRECISION, precision.to_string())
            }
            Self::DecimalAsString { .. } | Self::String(_) | Self::Inet4 | Self::Inet6 => {
                SchemaBuilder::string()
            }
            Self::Bytes(form) if form.handling == BinaryHandling::Bytes => SchemaBuilder::bytes(),
            Self::Bytes(_) => SchemaBuilder::string(),
            Self::Bits { bits } => named(SchemaBuilder::bytes(), "io.debezium.data.Bits")
                .parameter("length", bits.to_string()),
            Self::Enum(options) => named(SchemaBuilder::string(), "io.debezium.data.Enum")
                .parameter("allowed", options.join(",")),
            Self::Set(options) => named(SchemaBuilder::string(), "io.debezium.data.EnumSet")
                .parameter("allowed", options.join(",")),
            Self::Json => named(SchemaBuilder::string(), "io.debezium.data.Json"),
            Self::Year => named(SchemaBuilder::int32(), "io.debezium.time.Year"),
            Self::Date(DateForm::Days) if connect => logical::date(),
            Self::Date(DateForm::Days) => named(SchemaBuilder::int32(), "io.debezium.time.Date"),
            Self::Date(DateForm::Iso) => named(SchemaBuilder::string(), "io.debezium.time.IsoDate"),
            Self::Time(TimeForm::Micros) => {
                named(SchemaBuilder::int64(), "io.debezium.time.MicroTime")
            }
            Self::Time(TimeForm::Nanos) => {
                named(SchemaBuilder::int64(), "io.debezium.time.NanoTime")
            }
            Self::Time(TimeForm::ConnectMillis) => logical::time(),
            Self::Time(TimeForm::Iso) => named(SchemaBuilder::string(), "io.debezium.time.IsoTime"),
            Self::DateTime(DateTimeForm::Millis) if connect => logical::timestamp(),
            Self::DateTime(DateTimeForm::Millis) => {
                named(SchemaBuilder::int64(), "io.debezium.time.Timestamp")
            }
            Self::DateTime(DateTimeForm::Micros) => {
                named(SchemaBuilder::int64(), "io.debezium.time.MicroTimestamp")
            }
            Self::DateTime(DateTimeForm::Nanos) => {
                named(SchemaBuilder::int64(), "io.debezium.time.NanoTimestamp")
            }
            Self::DateTime(DateTimeForm::Iso) => {
                named(SchemaBuilder::string(), "io.debezium.time.IsoTimestamp")
            }
            Self::Timestamp { .. } => {
                named(SchemaBuilder::string(), "io.debezium.time.ZonedTimestamp")
            }
            Self::Point(_) => point_schema(),
            Self::Geometry(_) => geometry_schema(),
            Self::FloatVector => named(
                SchemaBuilder::array(SchemaBuilder::float32().build()),
                "io.debezium.data.FloatVector",
            ),
            Self::Uuid => named(SchemaBuilder::string(), "io.debezium.data.Uuid"),
        }
    }

    /// With the schema of the field, which its structs carry: a comment is part of it.
    fn with_schema(self, schema: &Arc<Schema>) -> Self {
        match self {
            Self::Point(_) => Self::Point(Arc::clone(schema)),
            Self::Geometry(_) => Self::Geometry(Arc::clone(schema)),
            other => other,
        }
    }

    /// Geometries may be null even in NOT NULL columns.
    fn is_always_optional(&self) -> bool {
        matches!(self, Self::Geometry(_))
    }

    fn default_of(
        &self,
        table: &Table,
        column: &Column,
        config: ValueConfig,
    ) -> Result<Option<Value>, PlanError> {
        defaults::of(column, self, config).or_else(|problem| {
            let error = PlanError::Default {
                table: table.id.to_string(),
                column: column.name.to_string(),
                type_name: column.type_name.to_string(),
                problem,
            };
            match config.conversion_failure {
                FailureHandling::Fail => return Err(error),
                FailureHandling::Warn => tracing::warn!("{error}; the field has no default"),
                FailureHandling::Skip => tracing::debug!("{error}; the field has no default"),
            }
            Ok(None)
        })
    }

    fn fallback(&self) -> Value {
        match self {
            Self::Boolean | Self::Bit => Value::Boolean(false),
            Self::Int16 => Value::Int16(0),
            Self::Int32
            | Self::Year
            | Self::Date(DateForm::Days)
            | Self::Time(TimeForm::ConnectMillis) => Value::Int32(0),
            Self::Int64
            | Self::Time(TimeForm::Micros | TimeForm::Nanos)
            | Self::DateTime(DateTimeForm::Millis | DateTimeForm::Micros | DateTimeForm::Nanos) => {
                Value::Int64(0)
            }
            Self::UnsignedDecimal => Value::Decimal(Decimal::new(0, 0)),
            Self::Float32 => Value::Float32(0.0),
            Self::Float64 | Self::FloatAsFloat64 | Self::DecimalAsFloat64 => Value::Float64(0.0),
            Self::Decimal { scale, .. } => Value::Decimal(Decimal::new(0, *scale)),
            Self::DecimalAsString { scale } => {
                Value::string(Decimal::new(0, *scale).to_plain_string())
            }
            Self::String(_)
            | Self::Enum(_)
            | Self::Set(_)
            | Self::Uuid
            | Self::Inet4
            | Self::Inet6 => Value::string(""),
            Self::Bytes(form) if form.handling == BinaryHandling::Bytes => {
                Value::Bytes(Bytes::new())
            }
            Self::Bytes(_) => Value::string(""),
            Self::Bits { .. } => Value::Bytes(Bytes::new()),
            Self::Json => Value::string("{}"),
            Self::Date(DateForm::Iso) => Value::string("1970-01-01Z"),
            Self::Time(TimeForm::Iso) => Value::string("00:00:00Z"),
            Self::DateTime(DateTimeForm::Iso) | Self::Timestamp { .. } => {
                Value::string("1970-01-01T00:00:00Z")
            }
            Self::Point(_) => Value::Null,
            Self::Geometry(schema) => wkb_struct(schema, &EMPTY_COLLECTION, None),
            Self::FloatVector => Value::Array(Vec::new()),
        }
    }
}

/// Schema parameter with a decimal column's number of digits.
const DECIMAL_PRECISION: &str = "connect.decimal.precision";

impl BytesForm {
    pub(crate) fn value(self, bytes: &[u8]) -> Value {
        let padded;
        let bytes = if bytes.len() < self.padded_to {
            let mut copy = bytes.to_vec();
            copy.resize(self.padded_to, 0);
            padded = copy;
            &padded
        } else {
            bytes
        };
        match self.handling {
            BinaryHandling::Bytes => Value::Bytes(Bytes::copy_from_slice(bytes)),
            BinaryHandling::Base64 => Value::String(STANDARD.encode(bytes).into()),
            BinaryHandling::Base64UrlSafe => Value::String(URL_SAFE.encode(bytes).into()),
            BinaryHandling::Hex => Value::String(hex(bytes)),
        }
    }
}

pub(crate) fn is_unsigned(type_name: &str) -> bool {
    type_name.contains("UNSIGNED") || type_name.contains("ZEROFILL") || type_name == "SERIAL"
}

fn named(builder: SchemaBuilder, name: &'static str) -> SchemaBuilder {
    builder.name(name).version(1)
}

/// Whether the column, its table or database has the character set `binary`.
fn is_binary(column: &Column) -> bool {
    column.charset.as_deref() == Some("binary")
}

fn charset(column: &Column) -> Result<Charset, String> {
    let Some(name) = column.charset.as_deref() else {
        tracing::warn!(
            "Using UTF-8 charset by default for column without charset: {}",
            column.name
        );
        return Ok(Charset::Utf8);
    };
    Charset::named(name).ok_or_else(|| {
        format!("its character set '{name}' cannot be decoded; exclude the column or convert it to utf8mb4")
    })
}

/// Option texts without their SQL quotes.
fn options(column: &Column) -> Arc<[Str]> {
    column
        .enum_values
        .iter()
        .map(|option| {
            let between = |quote| option.strip_prefix(quote)?.strip_suffix(quote);
            let inner = between('\'').or_else(|| between('"')).unwrap_or(option);
            // The original escapes the separator of the list of options in the options themselves.
            let text = inner.replace("\\'", "'").replace("''", "'");
            Str::from(text.replace(',', "\\,"))
        })
        .collect()
}

fn narrow<T: TryFrom<i64>>(number: i64) -> Result<T, String> {
    T::try_from(number).map_err(|_| format!("{number} is out of the type's range"))
}

fn with_scale(number: Decimal, scale: i32) -> Result<Decimal, String> {
    if number.scale() == scale {
        return Ok(number);
    }
    number.with_scale(scale).ok_or_else(|| {
        format!(
            "{} has more than {scale} decimals",
            number.to_plain_string()
        )
    })
}

/// `None` for zero dates. In snapshots the original takes year 0 for a year, and the days beyond a month's end
/// (`ALLOW_INVALID_DATES`) for the first ones of the next.
fn checked_date(date: CivilDate, origin: Origin) -> Result<Option<CivilDate>, String> {
    if date.is_zero() || (date.year == 0 && origin == Origin::Stream) {
        return Ok(None);
    }
    // Further years are of a broken cell.
    let may_roll_over = origin == Origin::Snapshot
        && (0..=9999).contains(&date.year)
        && date.month <= 12
        && date.day <= 31;
    if !date.exists() && may_roll_over {
        let rolled = CivilDate::from_epoch_days(date.epoch_days());
        // The original's calendar has a first year before Christ in its place, and loses the era.
        let year = rolled.year.max(1);
        return Ok(Some(CivilDate { year, ..rolled }));
    }
    if !date.exists() {
        return Err(format!(
            "{:04}-{:02}-{:02} is no date",
            date.year, date.month, date.day
        ));
    }
    Ok(Some(date))
}

fn enum_text(options: &[Str], index: u64) -> Result<Str, String> {
    if index == 0 {
        return Ok(Str::default());
    }
    usize::try_from(index - 1)
        .ok()
        .and_then(|at| options.get(at))
        .cloned()
        .ok_or_else(|| format!("option {index} of {}", options.len()))
}

fn set_text(options: &[Str], members: u64) -> Result<Str, String> {
    if options.len() < 64 && members >> options.len() != 0 {
        return Err(format!("members {members:#b} of {} options", options.len()));
    }
    let mut text = Str::default();
    let mut is_first = true;
    // A SET has 64 members at most; one of them may be empty.
    for (position, option) in options.iter().enumerate().take(64) {
        if members >> position & 1 == 1 {
            if !is_first {
                text.push(',');
            }
            text.push_str(option);
            is_first = false;
        }
    }
    Ok(text)
}

/// Bits come with the most significant byte first and leave with the least significant first.
fn little_endian_bits(bytes: &[u8], bits: i32) -> Bytes {
    let mut reversed: Vec<u8> = bytes.iter().rev().copied().collect();
    reversed.resize(usize::try_from(bits).unwrap_or(1).div_ceil(8), 0);
    reversed.into()
}

fn hex(bytes: &[u8]) -> Str {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 0xf])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

/// The log leaves zeros at the end out.
fn uuid_of(bytes: &[u8]) -> Str {
    let mut whole = [0; 16];
    let length = bytes.len().min(16);
    whole[..length].copy_from_slice(&bytes[..length]);
    crate::uuid::uuid_text(&whole).into()
}

/// An address; the log does not have its last bytes if they are zero.
fn padded<const N: usize>(bytes: &[u8]) -> Result<[u8; N], String> {
    let mut whole = [0; N];
    whole
        .get_mut(..bytes.len())
        .ok_or_else(|| format!("{} bytes are no address", bytes.len()))?
        .copy_from_slice(bytes);
    Ok(whole)
}

fn geometry_schema() -> SchemaBuilder {
    named(
        SchemaBuilder::structure(),
        "io.debezium.data.geometry.Geometry",
    )
    .doc("Geometry")
    .optional()
    .field("wkb", SchemaBuilder::bytes().build())
    .field("srid", SchemaBuilder::int32().optional().build())
}

fn point_schema() -> SchemaBuilder {
    named(
        SchemaBuilder::structure(),
        "io.debezium.data.geometry.Point",
    )
    .doc("Geometry (POINT)")
    .field("x", SchemaBuilder::float64().build())
    .field("y", SchemaBuilder::float64().build())
    .field("wkb", SchemaBuilder::bytes().optional().build())
    .field("srid", SchemaBuilder::int32().optional().build())
}

/// The server's own form: four bytes of SRID (0 for none), then WKB.
fn split_srid(bytes: &[u8]) -> Result<(Option<i32>, &[u8]), String> {
    let (srid, wkb) = bytes
        .split_first_chunk::<4>()
        .ok_or("a geometry of less than four bytes")?;
    let srid = i32::from_le_bytes(*srid);
    Ok(((srid != 0).then_some(srid), wkb))
}

fn geometry(schema: &Arc<Schema>, bytes: &[u8]) -> Result<Value, String> {
    let (srid, wkb) = split_srid(bytes)?;
    Ok(wkb_struct(schema, wkb, srid))
}

fn wkb_struct(schema: &Arc<Schema>, wkb: &[u8], srid: Option<i32>) -> Value {
    Value::Struct(Struct::new(
        Arc::clone(schema),
        vec![
            Value::Bytes(Bytes::copy_from_slice(wkb)),
            srid.map_or(Value::Null, Value::Int32),
        ],
    ))
}

fn point(schema: &Arc<Schema>, bytes: &[u8]) -> Result<Value, String> {
    let (srid, wkb) = split_srid(bytes)?;
    let coordinate = |at: usize| {
        let bytes = *wkb.get(at..)?.first_chunk::<8>()?;
        Some(if wkb[0] == 1 {
            f64::from_le_bytes(bytes)
        } else {
            f64::from_be_bytes(bytes)
        })
    };
    let is_point = matches!(wkb, [1, 1, 0, 0, 0, ..] | [0, 0, 0, 0, 1, ..]);
    match (is_point, coordinate(5), coordinate(13)) {
        (true, Some(x), Some(y)) => Ok(Value::Struct(Struct::new(
            Arc::clone(schema),
            vec![
                Value::Float64(x),
                Value::Float64(y),
                Value::Bytes(Bytes::copy_from_slice(wkb)),
                srid.map_or(Value::Null, Value::Int32),
            ],
        ))),
        _ => Err("Failed to parse and read a value of type POINT".to_owned()),
    }
}

/// A cell's kind for error texts; never its content.
fn describe(raw: &Raw<'_>) -> &'static str {
    match raw {
        Raw::Integer(_) => "an integer",
        Raw::Float(_) | Raw::Double(_) => "a floating-point number",
        Raw::Decimal(_) => "a decimal number",
        Raw::Bytes(_) | Raw::Text(_) => "text or bytes",
        Raw::BinaryJson(_) => "JSON",
        Raw::EnumIndex(_) => "an ENUM index",
        Raw::SetMembers(_) => "SET members",
        Raw::Year(_) => "a year",
        Raw::Date(_) => "a date",
        Raw::Time(_) => "a time",
        Raw::DateTime(_) => "a date and time",
        Raw::Timestamp { .. } => "a timestamp",
    }
}
