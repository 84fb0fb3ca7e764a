//! How the values of a schema reach a column that is there: the form they are sent in and the expression around them.
//!
//! Values are sent in a type of their own where an assignment turns it into the column's type with a check, so that
//! nothing is cut or rounded in silence; a cast is written only where PostgreSQL has no such assignment.

use tidegate_api::{ConnectError, Kind};

use crate::config::Settings;
use crate::meaning::Meaning;
use crate::plan::Column;
use crate::table::ExistingColumn;
use crate::text::Form;
use crate::wire::{Encoder, Wire};

/// How values reach a column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Binding {
    pub(crate) encoder: Encoder,
    /// Around the sent value.
    pub(crate) prefix: String,
    pub(crate) suffix: String,
}

impl Binding {
    fn plain(encoder: Encoder) -> Self {
        Self::wrapped("", encoder, "")
    }
    fn wrapped(prefix: &str, encoder: Encoder, suffix: &str) -> Self {
        Self {
            encoder,
            prefix: prefix.to_owned(),
            suffix: suffix.to_owned(),
        }
    }
    pub(crate) fn expression(&self, element: &str) -> String {
        format!("{}{element}{}", self.prefix, self.suffix)
    }
    /// Whether the sent bytes are those of the column itself.
    pub(crate) fn is_direct(&self, target: &ExistingColumn) -> bool {
        self.prefix.is_empty()
            && self.suffix.is_empty()
            && (self.encoder.wire().sql() == target.base_type
                || self.encoder.wire() == Wire::Text
                    && matches!(target.base_type.as_str(), "varchar" | "bpchar"))
    }
}

/// Of a value that is compared with the column.
pub(crate) fn key_cast(binding: &Binding, target: &ExistingColumn) -> String {
    match target.base_type.as_str() {
        "bpchar" => "::bpchar".to_owned(),
        "bit" | "varbit" | "varchar" | "text" => String::new(),
        base if base == binding.encoder.wire().sql() && binding.suffix.is_empty() => String::new(),
        _ => format!("::{}", target.cast),
    }
}

const CAST_TO_BITS: &str = "::bit varying";

/// # Errors
/// `Data` if values of this schema have no form in a database.
pub(crate) fn bind(
    column: &Column,
    target: &ExistingColumn,
    settings: &Settings,
) -> Result<Binding, ConnectError> {
    let schema = &*column.schema;
    let debezium = settings.is_debezium();
    let meaning = Meaning::of(schema, debezium);
    let target = Target::of(target);
    let by_meaning = match meaning {
        Meaning::Decimal | Meaning::VariableScaleDecimal => Some(number(&target, meaning)),
        Meaning::Date | Meaning::Time(_) | Meaning::Timestamp(_) | Meaning::Duration(_) => {
            temporal(&target, meaning, settings)
        }
        Meaning::ZonedTimestamp => Some(zoned(&target)),
        // As the database prints them.
        Meaning::ZonedTime if target.is_text() => Some(Binding::wrapped(
            "",
            Encoder::Text(Form::Of(meaning)),
            "::timetz::text",
        )),
        Meaning::ZonedTime => Some(target.cast(Form::Of(meaning))),
        Meaning::Bits(_) => Some(bits(&target, meaning)),
        Meaning::Json if target.is("hstore") => Some(target.cast(Form::Hstore)),
        Meaning::Json
            if target.is_text()
                && schema.parameter("__debezium.source.column.type") == Some("HSTORE") =>
        {
            Some(target.cast(Form::Hstore))
        }
        Meaning::Point | Meaning::Geometry | Meaning::Geography => Some(geometry(&target, meaning)),
        Meaning::FloatVector | Meaning::DoubleVector
            if matches!(target.base, "vector" | "halfvec") =>
        {
            Some(target.cast(Form::Vector))
        }
        _ => None,
    };
    match by_meaning {
        Some(binding) => Ok(binding),
        None => by_kind(&target, column, debezium, settings),
    }
}

struct Target<'a> {
    base: &'a str,
    column: &'a ExistingColumn,
}

impl<'a> Target<'a> {
    fn of(column: &'a ExistingColumn) -> Self {
        Self {
            base: &column.base_type,
            column,
        }
    }
    fn is(&self, base: &str) -> bool {
        self.base == base
    }
    fn is_text(&self) -> bool {
        matches!(self.base, "text" | "varchar" | "bpchar" | "name" | "citext")
    }
    fn is_number(&self) -> bool {
        matches!(
            self.base,
            "int2" | "int4" | "int8" | "numeric" | "float4" | "float8"
        )
    }
    fn is_bits(&self) -> bool {
        matches!(self.base, "bit" | "varbit")
    }
    fn is_array(&self) -> bool {
        self.base.starts_with('_')
    }

    /// A text that the database reads as the column's type.
    fn cast(&self, form: Form) -> Binding {
        // A cast to bit, character or arrays of them would cut; their assignments check.
        let suffix = match self.base {
            _ if self.is_text() => String::new(),
            "bit" | "varbit" => CAST_TO_BITS.to_owned(),
            "_varchar" | "_bpchar" => "::text[]".to_owned(),
            "_bit" | "_varbit" => format!("{CAST_TO_BITS}[]"),
            _ => format!("::{}", self.column.cast),
        };
        Binding::wrapped("", Encoder::Text(form), &suffix)
    }
}

fn number(target: &Target<'_>, meaning: Meaning) -> Binding {
    if target.is_number() || target.is("money") {
        Binding::plain(Encoder::Numeric)
    } else if meaning == Meaning::VariableScaleDecimal {
        target.cast(Form::Of(meaning))
    } else {
        target.cast(Form::Plain)
    }
}

fn temporal(target: &Target<'_>, meaning: Meaning, settings: &Settings) -> Option<Binding> {
    if target.is_number() {
        return None;
    }
    let plain = match (meaning, target.base) {
        (Meaning::Date, "date" | "timestamp") => Some(Binding::plain(Encoder::Date)),
        (Meaning::Date, "timestamptz") => Some(Binding::wrapped(
            "",
            Encoder::Date,
            "::timestamp AT TIME ZONE 'UTC'",
        )),
        (Meaning::Time(unit), "time") => Some(Binding::plain(Encoder::Time(unit))),
        (Meaning::Time(unit), "timetz") => Some(Binding::wrapped(
            "(",
            Encoder::Time(unit),
            "::text || 'Z')::timetz",
        )),
        (Meaning::Time(unit) | Meaning::Duration(unit), "interval") => {
            Some(Binding::plain(Encoder::Interval(unit)))
        }
        (Meaning::Duration(unit), _) if target.is_text() => {
            Some(Binding::wrapped("", Encoder::Interval(unit), "::text"))
        }
        (Meaning::Timestamp(unit), "timestamp" | "date" | "time") => Some(Binding::plain(
            Encoder::Timestamp(unit, settings.wall_clock()),
        )),
        (Meaning::Timestamp(unit), "timestamptz") => Some(Binding::wrapped(
            "",
            Encoder::Timestamp(unit, None),
            " AT TIME ZONE 'UTC'",
        )),
        _ => None,
    };
    plain.or_else(|| Some(target.cast(Form::Of(meaning))))
}

fn zoned(target: &Target<'_>) -> Binding {
    match target.base {
        "timestamptz" => Binding::plain(Encoder::Zoned),
        "timestamp" | "date" | "time" => {
            Binding::wrapped("", Encoder::Zoned, " AT TIME ZONE 'UTC'")
        }
        "timetz" => Binding::wrapped(
            "((",
            Encoder::Zoned,
            " AT TIME ZONE 'UTC')::time::text || 'Z')::timetz",
        ),
        _ if target.is_text() => Binding::wrapped("", Encoder::Zoned, "::text"),
        _ => target.cast(Form::Plain),
    }
}

fn bits(target: &Target<'_>, meaning: Meaning) -> Binding {
    match target.base {
        "bytea" => Binding::plain(Encoder::Bytes),
        _ if target.is_number() => Binding::plain(Encoder::BitsNumber),
        _ => target.cast(Form::Of(meaning)),
    }
}

fn geometry(target: &Target<'_>, meaning: Meaning) -> Binding {
    match target.base {
        "geometry" | "geography" => target.cast(Form::Ewkb),
        "bytea" => target.cast(Form::Of(Meaning::Geometry)),
        _ if meaning == Meaning::Point => target.cast(Form::Of(Meaning::Point)),
        _ => target.cast(Form::Ewkb),
    }
}

fn by_kind(
    target: &Target<'_>,
    column: &Column,
    debezium: bool,
    settings: &Settings,
) -> Result<Binding, ConnectError> {
    let schema = &*column.schema;
    let integer = |wire| {
        if target.is_number() {
            Binding::plain(Encoder::Integer(wire))
        } else if target.is("bool") {
            Binding::wrapped("(", Encoder::Integer(wire), " <> 0)")
        } else {
            target.cast(Form::Plain)
        }
    };
    let floating = |encoder| match target.base {
        "float4" | "float8" | "int2" | "int4" | "int8" => Binding::plain(encoder),
        "money" => Binding::wrapped("", encoder, "::numeric::money"),
        _ if target.is_text() => Binding::wrapped("", encoder, "::text"),
        _ => target.cast(Form::Plain),
    };
    Ok(match &schema.kind {
        Kind::Boolean => match target.base {
            "bool" => Binding::plain(Encoder::Boolean),
            _ if target.is_number() => Binding::plain(Encoder::BooleanNumber),
            _ if target.is_bits() || target.column.sql_type.ends_with("(1)") => {
                target.cast(Form::Flag)
            }
            _ => target.cast(Form::Plain),
        },
        Kind::Int8 | Kind::Int16 => integer(Wire::SmallInt),
        Kind::Int32 => integer(Wire::Integer),
        Kind::Int64 if target.is("timestamp") && column.as_timestamp => {
            let unit = settings.timestamp_unit;
            Binding::plain(Encoder::Timestamp(unit, settings.wall_clock()))
        }
        Kind::Int64 => integer(Wire::BigInt),
        Kind::Float32 => floating(Encoder::Real),
        Kind::Float64 => floating(Encoder::Double),
        Kind::String => match target.base {
            "bytea" if !settings.untyped_texts => {
                Binding::wrapped("convert_to(", Encoder::Text(Form::Plain), ", 'UTF8')")
            }
            "timestamp" | "timestamptz"
                if !debezium && (!settings.untyped_texts || column.as_timestamp) =>
            {
                Binding::plain(Encoder::TimestampText(settings.zone))
            }
            _ => target.cast(Form::Plain),
        },
        Kind::Bytes => match target.base {
            "uuid" => Binding::wrapped("encode(", Encoder::Bytes, ", 'hex')::uuid"),
            _ => Binding::plain(Encoder::Bytes),
        },
        Kind::Array(_) if target.is_array() => target.cast(Form::of(schema, debezium)),
        Kind::Map(..) if target.is("hstore") => target.cast(Form::Hstore),
        Kind::Array(_) | Kind::Map(..) => target.cast(Form::Json),
        Kind::Struct(_) => {
            return Err(ConnectError::data(format!(
                "Failed to resolve column type for schema: STRUCT ({}) of column '{}'. Exclude the field (field.exclude.list) or flatten it with a transformation",
                schema.name.as_deref().unwrap_or("null"),
                target.column.name
            )));
        }
    })
}
