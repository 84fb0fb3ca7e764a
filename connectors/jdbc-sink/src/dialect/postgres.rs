//! PostgreSQL: types, statements, catalog.
//!
//! Source: Debezium `PostgresDatabaseDialect`; Confluent `PostgreSqlDatabaseDialect`.

use std::fmt::Write as _;

use sqlx::postgres::PgConnection;
use tidegate_api::{ConnectError, Kind, Schema, Value, logical};
use tracing::warn;

use crate::config::InsertMode;
use crate::errors::SinkError;
use crate::table::{ExistingColumn, ExistingTable, TableName, quoted};
use crate::values::{self, Form, Meaning};

/// A column that a record brings.
#[derive(Debug, Clone)]
pub(crate) struct NewColumn<'a> {
    pub(crate) name: &'a str,
    pub(crate) schema: &'a Schema,
    pub(crate) is_key: bool,
}

/// Looks the table up; `None` if there is no such table.
pub(crate) async fn describe(
    connection: &mut PgConnection,
    name: &TableName,
) -> Result<Option<ExistingTable>, SinkError> {
    const SQL: &str = "SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), a.attidentity::text = 'a' \
                       FROM pg_attribute a WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";
    let rows: Vec<(String, String, bool)> = sqlx::query_as(SQL)
        .bind(name.sql())
        .fetch_all(connection)
        .await?;
    let columns: Vec<ExistingColumn> = rows
        .into_iter()
        .map(|(name, sql_type, always_identity)| ExistingColumn {
            name,
            sql_type,
            always_identity,
        })
        .collect();
    Ok((!columns.is_empty()).then_some(ExistingTable { columns }))
}

/// The type of a new column.
///
/// # Errors
/// `Data` if the schema has none.
pub(crate) fn column_type(column: &NewColumn<'_>, debezium: bool) -> Result<String, ConnectError> {
    let schema = column.schema;
    let parameter = |name: &str| {
        schema
            .parameter(name)
            .and_then(|text| text.parse::<u32>().ok())
    };
    if debezium && let Some(name) = schema.name.as_deref() {
        let fixed = match name {
            "io.debezium.time.Date" => "date",
            "io.debezium.time.Time"
            | "io.debezium.time.MicroTime"
            | "io.debezium.time.NanoTime" => "time(6)",
            "io.debezium.time.Timestamp"
            | "io.debezium.time.MicroTimestamp"
            | "io.debezium.time.NanoTimestamp" => "timestamp(6)",
            "io.debezium.time.ZonedTimestamp" => "timestamp(6) with time zone",
            "io.debezium.time.ZonedTime" => "time(6) with time zone",
            "io.debezium.time.MicroDuration" => "interval",
            "io.debezium.data.Uuid" => "uuid",
            "io.debezium.data.Json" => "json",
            "io.debezium.data.Xml" => "xml",
            "io.debezium.data.VariableScaleDecimal" => "double precision",
            _ => "",
        };
        if !fixed.is_empty() {
            return Ok(fixed.to_owned());
        }
        if name == "io.debezium.data.Bits" {
            return Ok(match parameter("length") {
                Some(length) if length != 2_147_483_647 => format!("bit varying({length})"),
                _ => "bit varying".to_owned(),
            });
        }
        if name == "io.debezium.data.Enum" {
            warn!(
                "Cannot create enum types automatically, please create the table by hand. Using STRING fallback."
            );
        }
    }
    match schema.name.as_deref() {
        Some(logical::DECIMAL) if debezium => {
            let scale = schema
                .parameter(logical::DECIMAL_SCALE)
                .and_then(|text| text.parse::<i32>().ok())
                .unwrap_or(0)
                .max(0);
            let precision = parameter("connect.decimal.precision");
            return Ok(match precision {
                Some(precision) => format!("numeric({},{scale})", precision.min(1000)),
                None => "numeric".to_owned(),
            });
        }
        Some(logical::DECIMAL) => return Ok("DECIMAL".to_owned()),
        Some(logical::DATE) => return Ok("date".to_owned()),
        Some(logical::TIME) => return Ok(if debezium { "time(6)" } else { "TIME" }.to_owned()),
        Some(logical::TIMESTAMP) => {
            return Ok(if debezium {
                "timestamp(6)"
            } else {
                "TIMESTAMP"
            }
            .to_owned());
        }
        _ => {}
    }
    Ok(match &schema.kind {
        Kind::Boolean => "boolean".to_owned(),
        Kind::Int8 | Kind::Int16 => "smallint".to_owned(),
        Kind::Int32 => "integer".to_owned(),
        Kind::Int64 => "bigint".to_owned(),
        Kind::Float32 => "real".to_owned(),
        Kind::Float64 => "double precision".to_owned(),
        Kind::String => "text".to_owned(),
        Kind::Bytes => "bytea".to_owned(),
        Kind::Map(..) if debezium => "json".to_owned(),
        Kind::Array(items) => {
            format!(
                "{}[]",
                column_type(
                    &NewColumn {
                        schema: items,
                        ..column.clone()
                    },
                    debezium
                )?
            )
        }
        kind => {
            return Err(ConnectError::data(format!(
                "Failed to resolve column type for schema: {} ({}) of column '{}'. Exclude the field (field.exclude.list) or flatten it with a transformation",
                kind.type_name(),
                schema.name.as_deref().unwrap_or("null"),
                column.name
            )));
        }
    })
}

/// ` DEFAULT …`, where the schema has one that can be said in SQL.
fn default_clause(schema: &Schema, debezium: bool) -> String {
    let Some(default) = schema.default.as_ref().filter(|default| !default.is_null()) else {
        return String::new();
    };
    let meaning = Meaning::of(schema, debezium);
    if matches!(meaning, Meaning::Bits(_)) {
        return String::new();
    }
    let literal = match (default, meaning) {
        (Value::Boolean(flag), _) => if *flag { "TRUE" } else { "FALSE" }.to_owned(),
        (
            Value::Int8(_)
            | Value::Int16(_)
            | Value::Int32(_)
            | Value::Int64(_)
            | Value::Float32(_)
            | Value::Float64(_)
            | Value::Decimal(_),
            Meaning::Plain,
        ) => match values::text(default, meaning) {
            Ok(text) => text,
            Err(_) => return String::new(),
        },
        (Value::Array(_) | Value::Map(_) | Value::Struct(_), _) => return String::new(),
        _ => match values::text(default, meaning) {
            Ok(text) => format!("'{}'", text.replace('\'', "''")),
            Err(_) => return String::new(),
        },
    };
    format!(" DEFAULT {literal}")
}

fn definition(column: &NewColumn<'_>, debezium: bool) -> Result<String, ConnectError> {
    let null = if column.is_key || !column.schema.optional {
        "NOT NULL"
    } else {
        "NULL"
    };
    let default = default_clause(column.schema, debezium);
    Ok(format!(
        "{} {}{default} {null}",
        quoted(column.name),
        column_type(column, debezium)?
    ))
}

pub(crate) fn create_table(
    name: &TableName,
    columns: &[NewColumn<'_>],
    debezium: bool,
) -> Result<String, ConnectError> {
    let mut parts = columns
        .iter()
        .map(|column| definition(column, debezium))
        .collect::<Result<Vec<_>, _>>()?;
    let keys: Vec<String> = columns
        .iter()
        .filter(|column| column.is_key)
        .map(|column| quoted(column.name))
        .collect();
    if !keys.is_empty() {
        parts.push(format!("PRIMARY KEY({})", keys.join(", ")));
    }
    Ok(format!(
        "CREATE TABLE {} ({})",
        name.sql(),
        parts.join(", ")
    ))
}

pub(crate) fn add_columns(
    name: &TableName,
    columns: &[NewColumn<'_>],
    debezium: bool,
) -> Result<String, ConnectError> {
    let parts = columns
        .iter()
        .map(|column| Ok(format!("ADD COLUMN {}", definition(column, debezium)?)))
        .collect::<Result<Vec<_>, ConnectError>>()?;
    Ok(format!("ALTER TABLE {} {}", name.sql(), parts.join(", ")))
}

/// A column of a statement: its name, the form of its parameter and the type that it is cast to.
#[derive(Debug, Clone)]
pub(crate) struct BoundColumn {
    pub(crate) name: String,
    pub(crate) form: Form,
    pub(crate) sql_type: String,
}

impl BoundColumn {
    /// The parameter's element as a value of the column.
    fn cast(&self, element: &str) -> String {
        let target = self.sql_type.as_str();
        let integral = matches!(
            target,
            "smallint" | "integer" | "bigint" | "numeric" | "real" | "double precision"
        ) || target.starts_with("numeric(");
        match self.form {
            Form::Boolean if target == "boolean" => element.to_owned(),
            Form::Boolean if integral => format!("{element}::integer::{target}"),
            Form::Integer if target == "bigint" => element.to_owned(),
            Form::Integer if target == "boolean" => format!("({element} <> 0)"),
            Form::Text if target == "text" => element.to_owned(),
            Form::Bytes if target == "bytea" => element.to_owned(),
            Form::Float if target == "double precision" => element.to_owned(),
            Form::Boolean | Form::Integer | Form::Float | Form::Bytes | Form::Text => {
                format!("{element}::{target}")
            }
        }
    }
}

/// `SELECT u.c1::type, … FROM unnest($1::…[], …) AS u(c1, …)`
fn source(columns: &[&BoundColumn]) -> (String, String) {
    let (mut select, mut parameters, mut names) = (String::new(), String::new(), String::new());
    for (index, column) in columns.iter().enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        let element = format!("u.c{index}");
        let written = write!(select, "{separator}{}", column.cast(&element))
            .and_then(|()| {
                write!(
                    parameters,
                    "{separator}${}::{}",
                    index + 1,
                    column.form.array_type()
                )
            })
            .and_then(|()| write!(names, "{separator}c{index}"));
        written.expect("writing to a string never fails");
    }
    (select, format!("unnest({parameters}) AS u({names})"))
}

/// The statement that writes rows. Key columns come first in `columns`.
pub(crate) fn write_rows(
    mode: InsertMode,
    name: &TableName,
    columns: &[BoundColumn],
    keys: usize,
    overriding: bool,
) -> String {
    let all: Vec<&BoundColumn> = columns.iter().collect();
    let (select, from) = source(&all);
    let names: Vec<String> = columns.iter().map(|column| quoted(&column.name)).collect();
    let table = name.sql();
    if mode == InsertMode::Update {
        let assignments: Vec<String> = columns
            .iter()
            .enumerate()
            .skip(keys)
            .map(|(index, column)| {
                format!(
                    "{} = {}",
                    quoted(&column.name),
                    column.cast(&format!("u.c{index}"))
                )
            })
            .collect();
        let matches = key_matches(columns, keys);
        return format!(
            "UPDATE {table} AS t SET {} FROM {from} WHERE {matches}",
            assignments.join(", ")
        );
    }
    let overriding = if overriding {
        " OVERRIDING SYSTEM VALUE"
    } else {
        ""
    };
    let mut sql = format!(
        "INSERT INTO {table} ({}){overriding} SELECT {select} FROM {from}",
        names.join(", ")
    );
    if mode == InsertMode::Upsert && keys > 0 {
        let key_names = names[..keys].join(", ");
        if keys == names.len() {
            write!(sql, " ON CONFLICT ({key_names}) DO NOTHING")
                .expect("writing to a string never fails");
        } else {
            let updates: Vec<String> = names[keys..]
                .iter()
                .map(|column| format!("{column} = EXCLUDED.{column}"))
                .collect();
            write!(
                sql,
                " ON CONFLICT ({key_names}) DO UPDATE SET {}",
                updates.join(", ")
            )
            .expect("writing to a string never fails");
        }
    }
    sql
}

fn key_matches(columns: &[BoundColumn], keys: usize) -> String {
    let matches: Vec<String> = columns[..keys]
        .iter()
        .enumerate()
        .map(|(index, column)| {
            format!(
                "t.{} = {}",
                quoted(&column.name),
                column.cast(&format!("u.c{index}"))
            )
        })
        .collect();
    matches.join(" AND ")
}

pub(crate) fn delete_rows(name: &TableName, keys: &[BoundColumn]) -> String {
    let (_, from) = source(&keys.iter().collect::<Vec<_>>());
    format!(
        "DELETE FROM {} AS t USING {from} WHERE {}",
        name.sql(),
        key_matches(keys, keys.len())
    )
}

pub(crate) fn truncate(name: &TableName) -> String {
    format!("TRUNCATE TABLE {}", name.sql())
}

#[cfg(test)]
mod tests {
    use tidegate_api::SchemaBuilder;

    use super::*;

    fn name() -> TableName {
        TableName {
            schema: Some("s".to_owned()),
            table: "t".to_owned(),
        }
    }
    fn bound(name: &str, form: Form, sql_type: &str) -> BoundColumn {
        BoundColumn {
            name: name.to_owned(),
            form,
            sql_type: sql_type.to_owned(),
        }
    }

    #[test]
    fn types_are_the_originals() {
        fn check(schema: SchemaBuilder, debezium: &str, confluent: &str) {
            let schema = schema.build();
            let column = NewColumn {
                name: "c",
                schema: &schema,
                is_key: false,
            };
            assert_eq!(column_type(&column, true).as_deref().ok(), Some(debezium));
            assert_eq!(column_type(&column, false).as_deref().ok(), Some(confluent));
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
            "bit varying(5)",
            "bytea",
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
                schema: &id,
                is_key: true,
            },
            NewColumn {
                name: "a\"b",
                schema: &text,
                is_key: false,
            },
        ];
        assert_eq!(
            create_table(&name(), &columns, true).expect("SQL"),
            r#"CREATE TABLE "s"."t" ("id" integer NOT NULL, "a""b" text DEFAULT 'it''s' NULL, PRIMARY KEY("id"))"#
        );
        assert_eq!(
            add_columns(&name(), &columns[1..], true).expect("SQL"),
            r#"ALTER TABLE "s"."t" ADD COLUMN "a""b" text DEFAULT 'it''s' NULL"#
        );
    }

    #[test]
    fn rows_are_written_through_arrays() {
        let columns = [
            bound("id", Form::Integer, "integer"),
            bound("v", Form::Text, "numeric(10,2)"),
            bound("ok", Form::Integer, "boolean"),
        ];
        assert_eq!(
            write_rows(InsertMode::Upsert, &name(), &columns, 1, false),
            r#"INSERT INTO "s"."t" ("id", "v", "ok") SELECT u.c0::integer, u.c1::numeric(10,2), (u.c2 <> 0) FROM unnest($1::int8[], $2::text[], $3::int8[]) AS u(c0, c1, c2) ON CONFLICT ("id") DO UPDATE SET "v" = EXCLUDED."v", "ok" = EXCLUDED."ok""#
        );
        assert_eq!(
            write_rows(InsertMode::Update, &name(), &columns[..2], 1, false),
            r#"UPDATE "s"."t" AS t SET "v" = u.c1::numeric(10,2) FROM unnest($1::int8[], $2::text[]) AS u(c0, c1) WHERE t."id" = u.c0::integer"#
        );
        assert_eq!(
            delete_rows(&name(), &columns[..1]),
            r#"DELETE FROM "s"."t" AS t USING unnest($1::int8[]) AS u(c0) WHERE t."id" = u.c0::integer"#
        );
    }
}
