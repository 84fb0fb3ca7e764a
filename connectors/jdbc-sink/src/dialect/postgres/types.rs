//! Types of new columns and the statements that make them.

use tidegate_api::{ConnectError, Kind, Schema, Value, logical};
use tracing::warn;

use crate::config::Settings;
use crate::meaning::Meaning;
use crate::table::{TableName, quoted};
use crate::text::{self, Form, LONGEST_BITS, too_many_bits};

/// A column that a record brings.
#[derive(Debug, Clone)]
pub(crate) struct NewColumn<'a> {
    pub(crate) name: &'a str,
    /// What the record calls it.
    pub(crate) field: &'a str,
    pub(crate) schema: &'a Schema,
    pub(crate) is_key: bool,
    /// Whether the settings make a timestamp of it.
    pub(crate) as_timestamp: bool,
}

/// The type of a new column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChosenType {
    pub(crate) sql: String,
    /// For types of extensions: the type's name, and what is taken where the database lacks it.
    pub(crate) extension: Option<(String, String)>,
}

impl ChosenType {
    fn of_extension(name: &str, modifier: &str, instead: &str) -> Self {
        Self {
            sql: format!("{name}{modifier}"),
            extension: Some((name.to_owned(), instead.to_owned())),
        }
    }
}

impl From<&str> for ChosenType {
    fn from(sql: &str) -> Self {
        sql.to_owned().into()
    }
}
impl From<String> for ChosenType {
    fn from(sql: String) -> Self {
        Self {
            sql,
            extension: None,
        }
    }
}

/// # Errors
/// `Data` if the schema has no type.
pub(crate) fn column_type(
    column: &NewColumn<'_>,
    settings: &Settings,
) -> Result<ChosenType, ConnectError> {
    let schema = column.schema;
    let debezium = settings.is_debezium();
    if let Meaning::Bits(Some(length)) = Meaning::of(schema, debezium)
        && length > LONGEST_BITS
    {
        return Err(ConnectError::data(format!(
            "column {}: {}. Exclude the field (field.exclude.list)",
            column.name,
            too_many_bits(length)
        )));
    }
    if let Some(chosen) = by_meaning(schema, settings) {
        return Ok(chosen);
    }
    if debezium && let Some(chosen) = by_source_type(schema) {
        return Ok(chosen);
    }
    Ok(match &schema.kind {
        Kind::Boolean => "boolean".into(),
        Kind::Int8 | Kind::Int16 => "smallint".into(),
        Kind::Int32 => "integer".into(),
        Kind::Int64 | Kind::String if column.as_timestamp => "timestamp".into(),
        Kind::Int64 => "bigint".into(),
        Kind::Float32 => "real".into(),
        Kind::Float64 => "double precision".into(),
        Kind::String => "text".into(),
        Kind::Bytes => "bytea".into(),
        Kind::Map(..) if debezium => ChosenType::of_extension("hstore", "", "jsonb"),
        Kind::Array(items) => {
            let items = NewColumn {
                schema: items,
                as_timestamp: false,
                ..column.clone()
            };
            let element = column_type(&items, settings)?;
            let of = |sql: &str| format!("{}[]", sql.trim_end_matches("[]"));
            ChosenType {
                sql: match Meaning::of(items.schema, debezium) {
                    // Numbers of any scale keep it here; a single column has the original's type.
                    Meaning::VariableScaleDecimal => "numeric[]".to_owned(),
                    _ => of(&element.sql),
                },
                extension: element
                    .extension
                    .map(|(name, instead)| (name, of(&instead))),
            }
        }
        kind if debezium => {
            return Err(ConnectError::data(format!(
                "Failed to resolve column type for schema: {} ({}) of column '{}'. Exclude the field (field.exclude.list) or flatten it with a transformation",
                kind.type_name(),
                schema.name.as_deref().unwrap_or("null"),
                column.name
            )));
        }
        kind => {
            return Err(ConnectError::data(format!(
                "{} ({}) type doesn't have a mapping to the SQL database column type (column '{}'). Leave the field out of fields.whitelist or flatten it (Flatten); envelopes of Debezium become rows by the transformation io.debezium.transforms.ExtractNewRecordState",
                schema.name.as_deref().unwrap_or("null"),
                kind.type_name(),
                column.name
            )));
        }
    })
}

fn number_parameter(schema: &Schema, name: &str) -> Option<u32> {
    schema
        .parameter(name)
        .and_then(|text| text.parse::<u32>().ok())
}

fn by_meaning(schema: &Schema, settings: &Settings) -> Option<ChosenType> {
    let debezium = settings.is_debezium();
    let meaning = Meaning::of(schema, debezium);
    if !debezium {
        return match meaning {
            Meaning::Decimal => Some("DECIMAL".into()),
            Meaning::Date => Some("date".into()),
            Meaning::Time(_) => Some("time".into()),
            Meaning::Timestamp(_) => Some("timestamp".into()),
            _ => None,
        };
    }
    let source = |name| number_parameter(schema, name).filter(|digits| (1..=6).contains(digits));
    let digits = source("__debezium.source.column.scale")
        .or_else(|| source("__debezium.source.column.length"))
        .unwrap_or(6);
    let source_type = schema.parameter("__debezium.source.column.type");
    let length = number_parameter(schema, "length").filter(|length| *length != 2_147_483_647);
    let sized = length
        .map(|length| format!("({length})"))
        .unwrap_or_default();
    let postgis = |name: &str| format!("{}.{name}", settings.postgis_schema);
    Some(match meaning {
        Meaning::Decimal => decimal(schema).into(),
        Meaning::VariableScaleDecimal => "double precision".into(),
        Meaning::Date => "date".into(),
        Meaning::Time(_) => format!("time({digits})").into(),
        Meaning::Timestamp(_) => format!("timestamp({digits})").into(),
        Meaning::ZonedTimestamp => format!("timestamp({digits}) with time zone").into(),
        Meaning::ZonedTime => format!("time({digits}) with time zone").into(),
        Meaning::Duration(_) => "interval".into(),
        Meaning::Uuid => "uuid".into(),
        Meaning::Json => match source_type {
            Some("JSONB") => "jsonb".into(),
            Some("HSTORE") => ChosenType::of_extension("hstore", "", "jsonb"),
            _ => "json".into(),
        },
        Meaning::Xml => "xml".into(),
        Meaning::Bits(_) => match (length, source_type) {
            (Some(length), Some("VARBIT")) => format!("bit varying({length})").into(),
            (Some(length), _) => format!("bit({length})").into(),
            (None, _) => "bit varying".into(),
        },
        Meaning::Enum => {
            warn!(
                "Cannot create enum types automatically, please create the table by hand. Using STRING fallback."
            );
            return None;
        }
        Meaning::Ltree => ChosenType::of_extension("ltree", "", "text"),
        Meaning::TsVector => "tsvector".into(),
        Meaning::Point => "point".into(),
        Meaning::Geometry => match source_type {
            Some(native @ ("BOX" | "LSEG" | "PATH" | "POLYGON")) => native.to_lowercase().into(),
            _ => ChosenType::of_extension(&postgis("geometry"), "", "bytea"),
        },
        Meaning::Geography => ChosenType::of_extension(&postgis("geography"), "", "bytea"),
        Meaning::FloatVector => ChosenType::of_extension("halfvec", &sized, "real[]"),
        Meaning::DoubleVector => ChosenType::of_extension("vector", &sized, "double precision[]"),
        Meaning::Plain => return None,
    })
}

/// Without precision as many digits as the original allows. It also caps precision at 38 and so refuses what MySQL's
/// `DECIMAL(65,30)` holds; the source's precision is kept here.
fn decimal(schema: &Schema) -> String {
    let scale = schema
        .parameter(logical::DECIMAL_SCALE)
        .and_then(|text| text.parse::<i32>().ok())
        .unwrap_or(0)
        .max(0);
    match number_parameter(schema, "connect.decimal.precision") {
        Some(precision) => format!("numeric({},{scale})", precision.clamp(1, 1000)),
        None => format!("numeric(38,{scale})"),
    }
}

/// Types that the source has written into the schema (`column.propagate.source.type`).
///
/// Source: Debezium `PostgresDatabaseDialect.registerTypes`, which knows names of PostgreSQL's types in upper case only;
/// `ConnectStringType`, which knows those of texts in any case.
fn by_source_type(schema: &Schema) -> Option<ChosenType> {
    let source_type = schema.parameter("__debezium.source.column.type")?;
    let is_integer = matches!(
        schema.kind,
        Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64
    );
    let is_number = is_integer || matches!(schema.kind, Kind::Float32 | Kind::Float64);
    let text = schema.kind == Kind::String;
    Some(match source_type {
        "INET" | "CIDR" | "MACADDR" | "XML" | "INT4RANGE" | "INT8RANGE" | "NUMRANGE"
        | "TSRANGE" | "TSTZRANGE" | "DATERANGE"
            if text =>
        {
            source_type.to_lowercase().into()
        }
        "CITEXT" if text => ChosenType::of_extension("citext", "", "text"),
        "MONEY" if text || is_number => "money".into(),
        "OID" if is_integer => "oid".into(),
        "BIT" | "VARBIT" if schema.kind == Kind::Boolean && schema.name.is_none() => {
            "bit(1)".into()
        }
        // A serial column refuses to be nullable.
        "SMALLSERIAL" | "SERIAL" | "BIGSERIAL" if is_integer && !schema.optional => {
            source_type.to_lowercase().into()
        }
        _ if text => return text_type(schema, source_type),
        _ => return None,
    })
}

/// A text with the length that the source gives it, national or not.
fn text_type(schema: &Schema, source_type: &str) -> Option<ChosenType> {
    const LONGEST_VARCHAR: u32 = 10_485_760;
    let is = |names: &[&str]| {
        names
            .iter()
            .any(|name| name.eq_ignore_ascii_case(source_type))
    };
    let length = number_parameter(schema, "__debezium.source.column.length").unwrap_or(0);
    if is(&["CHAR", "CHARACTER", "BPCHAR", "NCHAR"]) && length <= LONGEST_VARCHAR {
        return Some(format!("char({})", length.max(1)).into());
    }
    let varying = &[
        "VARCHAR",
        "VARCHAR2",
        "CHARACTER VARYING",
        "NVARCHAR",
        "NVARCHAR2",
    ];
    (is(varying) && (1..=LONGEST_VARCHAR).contains(&length))
        .then(|| format!("varchar({length})").into())
}

/// ` DEFAULT …`, where the schema has one that can be said in SQL.
fn default_clause(schema: &Schema, sql_type: &str, debezium: bool) -> Option<String> {
    let default = schema
        .default
        .as_ref()
        .filter(|default| !default.is_null())?;
    if sql_type.ends_with("serial") {
        return None;
    }
    let form = Form::of(schema, debezium);
    let literal = match (default, &form) {
        (Value::Struct(_) | Value::Map(_), _) | (_, Form::Of(Meaning::Bits(_))) => return None,
        (Value::Boolean(_), _) if sql_type.starts_with("bit") => return None,
        (Value::Boolean(flag), _) => if *flag { "TRUE" } else { "FALSE" }.to_owned(),
        (
            Value::Int8(_)
            | Value::Int16(_)
            | Value::Int32(_)
            | Value::Int64(_)
            | Value::Float32(_)
            | Value::Float64(_),
            Form::Plain,
        )
        | (Value::Decimal(_), _) => text::render(default, &Form::Plain).ok()?,
        _ => {
            let text = text::render_default(default, &form).ok()?;
            let escaped = if debezium {
                escape_lone_quotes(&text)
            } else {
                text.replace('\'', "''")
            };
            format!("'{escaped}'")
        }
    };
    Some(format!(" DEFAULT {literal}"))
}

/// Quotes in pairs stay: Debezium's binlog sources hand on defaults as DDL has them, `it''s` for `it's`.
fn escape_lone_quotes(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        escaped.push(character);
        if character != '\'' {
            continue;
        }
        let mut run = 1;
        while characters.next_if_eq(&'\'').is_some() {
            escaped.push('\'');
            run += 1;
        }
        if run % 2 == 1 {
            escaped.push_str(&"'".repeat(run));
        }
    }
    escaped
}

/// `"name" type DEFAULT … NOT NULL`
pub(crate) fn definition(column: &NewColumn<'_>, sql_type: &str, settings: &Settings) -> String {
    let debezium = settings.is_debezium();
    let default = default_clause(column.schema, sql_type, debezium);
    let null = match &default {
        // Confluent's sink says nothing of nulls beside a default.
        Some(_) if !debezium => "",
        _ if column.is_key || !column.schema.optional => " NOT NULL",
        _ => " NULL",
    };
    format!(
        "{} {sql_type}{}{null}",
        quoted(column.name),
        default.unwrap_or_default()
    )
}

/// `definitions` are those of the columns, in order, and the last one that of the key if there is one.
pub(crate) fn create_table(name: &TableName, definitions: &[String]) -> String {
    format!("CREATE TABLE {} ({})", name.sql(), definitions.join(", "))
}

pub(crate) fn primary_key(columns: &[NewColumn<'_>]) -> Option<String> {
    let keys: Vec<String> = columns
        .iter()
        .filter(|column| column.is_key)
        .map(|column| quoted(column.name))
        .collect();
    (!keys.is_empty()).then(|| format!("PRIMARY KEY({})", keys.join(", ")))
}

pub(crate) fn add_columns(name: &TableName, definitions: &[String]) -> String {
    let parts: Vec<String> = definitions
        .iter()
        .map(|definition| format!("ADD COLUMN {definition}"))
        .collect();
    format!("ALTER TABLE {} {}", name.sql(), parts.join(", "))
}

#[cfg(test)]
mod tests {
    use tidegate_api::SchemaBuilder;

    use super::*;
    use crate::config::Style;
    use crate::config::tests::settings;
    use crate::dialect::postgres::statements::tests::name;

    fn defined(columns: &[NewColumn<'_>], style: Style) -> Vec<String> {
        let settings = settings(style);
        let one = |column: &NewColumn<'_>| {
            let sql = column_type(column, &settings).expect("a type").sql;
            definition(column, &sql, &settings)
        };
        columns.iter().map(one).collect()
    }

    #[test]
    fn types_are_the_originals() {
        fn check(schema: SchemaBuilder, debezium: &str, confluent: &str) {
            let schema = schema.build();
            let column = NewColumn {
                name: "c",
                field: "c",
                schema: &schema,
                is_key: false,
                as_timestamp: false,
            };
            let types = |style| column_type(&column, &settings(style)).map(|chosen| chosen.sql);
            assert_eq!(types(Style::Debezium).as_deref().ok(), Some(debezium));
            assert_eq!(types(Style::Confluent).as_deref().ok(), Some(confluent));
        }
        check(SchemaBuilder::int16(), "smallint", "smallint");
        check(SchemaBuilder::string(), "text", "text");
        check(
            logical::decimal(2).parameter("connect.decimal.precision", "10"),
            "numeric(10,2)",
            "DECIMAL",
        );
        check(
            SchemaBuilder::int64().name("io.debezium.time.Timestamp"),
            "timestamp(6)",
            "bigint",
        );
        check(
            SchemaBuilder::string().name("io.debezium.time.ZonedTimestamp"),
            "timestamp(6) with time zone",
            "text",
        );
        check(
            SchemaBuilder::int32().name("io.debezium.time.Date"),
            "date",
            "integer",
        );
        check(
            SchemaBuilder::bytes()
                .name("io.debezium.data.Bits")
                .parameter("length", "5"),
            "bit(5)",
            "bytea",
        );
        check(
            SchemaBuilder::string()
                .parameter("__debezium.source.column.type", "VARCHAR")
                .parameter("__debezium.source.column.length", "20"),
            "varchar(20)",
            "text",
        );
        check(
            SchemaBuilder::int64()
                .name("io.debezium.time.MicroTimestamp")
                .parameter("__debezium.source.column.length", "3"),
            "timestamp(3)",
            "bigint",
        );
        check(
            SchemaBuilder::array(SchemaBuilder::string().build()),
            "text[]",
            "text[]",
        );
        check(
            SchemaBuilder::array(SchemaBuilder::int32().build()),
            "integer[]",
            "integer[]",
        );
        check(
            SchemaBuilder::int32().name("io.debezium.time.Year"),
            "integer",
            "integer",
        );
    }

    #[test]
    fn quotes_of_defaults_are_escaped_once() {
        for (default, literal) in [
            ("it's", "it''s"),
            ("it''s", "it''s"),
            ("a'''b", "a''''''b"),
            ("''a' b''''", "''a'' b''''"),
        ] {
            assert_eq!(escape_lone_quotes(default), literal);
        }
    }

    #[test]
    fn tables_are_created_and_extended() {
        let (id, text) = (
            SchemaBuilder::int32().build(),
            SchemaBuilder::string()
                .optional()
                .default_value(Value::string("it's"))
                .build(),
        );
        let columns = [
            NewColumn {
                name: "id",
                field: "id",
                schema: &id,
                is_key: true,
                as_timestamp: false,
            },
            NewColumn {
                name: "a\"b",
                field: "a\"b",
                schema: &text,
                is_key: false,
                as_timestamp: false,
            },
        ];
        assert_eq!(
            create_table(&name(), &defined(&columns, Style::Debezium)),
            r#"CREATE TABLE "s"."t" ("id" integer NOT NULL, "a""b" text DEFAULT 'it''s' NULL)"#
        );
        assert_eq!(
            add_columns(&name(), &defined(&columns[1..], Style::Debezium)),
            r#"ALTER TABLE "s"."t" ADD COLUMN "a""b" text DEFAULT 'it''s' NULL"#
        );
    }
}
