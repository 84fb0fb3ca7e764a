//! Names of tables and what the database says of them.

use std::fmt;

use tidegate_api::{ConnectError, Str};
use tracing::warn;

use crate::config::{Settings, Style};

/// A table by schema and name, as the database knows it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TableName {
    pub(crate) schema: Option<String>,
    pub(crate) table: String,
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{schema}.")?;
        }
        f.write_str(&self.table)
    }
}

impl TableName {
    /// The table of a topic, and its name before it was cut, if it was; `source_fields` are the values of the format's
    /// `${source.…}`.
    ///
    /// # Errors
    /// `Data` if the format gives a name that PostgreSQL cannot have.
    pub(crate) fn of_topic(
        topic: &str,
        source_fields: &[(Str, Str)],
        settings: &Settings,
    ) -> Result<(Self, Option<Self>), ConnectError> {
        let topic_part = if settings.flatten_topic {
            topic.replace('.', "_")
        } else {
            topic.to_owned()
        };
        let mut name = settings.name_format.replace("${topic}", &topic_part);
        for (field, value) in source_fields {
            name = name.replace(&format!("${{source.{field}}}"), value);
        }
        let folded = |part: &String| fold_table(part, settings.quote);
        let parts = split(&name);
        let (schema, table) = match parts.as_slice() {
            [table] => (None, table),
            [schema, table] => (Some(schema), table),
            [database, schema, table]
                if Some(database.as_str()) == settings.database.as_deref() =>
            {
                (Some(schema), table)
            }
            [database, ..] if parts.len() == 3 => {
                return Err(ConnectError::data(format!(
                    "the name '{name}' of topic '{topic}' is a table of the database '{}', but the connection is to '{}'. Correct connection.url or the name's format; a topic with dots is one name between quotes: \"${{topic}}\"",
                    database,
                    settings.database.as_deref().unwrap_or_default()
                )));
            }
            _ => {
                return Err(ConnectError::data(format!(
                    "Failed to parse table name into TableId: '{name}' of topic '{topic}' has {} parts; a schema and a table are expected. Put the topic into quotes (\"${{topic}}\") or route it to a shorter name",
                    parts.len()
                )));
            }
        };
        let whole = Self {
            schema: schema.map(folded),
            table: folded(table),
        };
        for part in whole.schema.iter().chain([&whole.table]) {
            if let Some(why) = unfit_name(part) {
                return Err(ConnectError::data(format!(
                    "the name {name:?} of topic '{topic}' is of no table: {why}. Correct collection.name.format (Confluent's sink: table.name.format), or rename the topic with a RegexRouter"
                )));
            }
        }
        let fitted = Self {
            schema: match &whole.schema {
                Some(schema) => Some(fit_name(schema, topic, settings)?),
                None => None,
            },
            table: fit_name(&whole.table, topic, settings)?,
        };
        let is_cut = fitted != whole;
        Ok((fitted, is_cut.then_some(whole)))
    }

    /// In quotes.
    pub(crate) fn sql(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{}.{}", quoted(schema), quoted(&self.table)),
            None => quoted(&self.table),
        }
    }
}

/// Parts between dots outside of quotes, without the quotes: they say where a part ends, not how it is written.
fn split(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut in_quotes = false;
    for character in name.chars() {
        let last = parts.last_mut().expect("never empty");
        match character {
            '"' => in_quotes = !in_quotes,
            '.' if !in_quotes => parts.push(String::new()),
            other => last.push(other),
        }
    }
    parts
}

/// A name between double quotes.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Names without quotes are lower case in the database, but for those that cannot do without.
fn fold_table(name: &str, quote: bool) -> String {
    let plain = name
        .chars()
        .next()
        .is_some_and(|c| c.is_alphabetic() || c == '_')
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '$'));
    if quote || !plain {
        name.to_owned()
    } else {
        name.to_lowercase()
    }
}

/// Columns are lower case unless all names are quoted.
pub(crate) fn fold_column(name: &str, quote: bool) -> String {
    if quote {
        name.to_owned()
    } else {
        name.to_lowercase()
    }
}

/// Longest name of PostgreSQL (`NAMEDATALEN` less one).
pub(crate) const LONGEST_NAME: usize = 63;

/// Why the database has nothing of such a name.
pub(crate) fn unfit_name(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("the name is empty")
    } else if name.contains('\0') {
        Some("the name has the character U+0000, which PostgreSQL's names cannot have")
    } else {
        None
    }
}

/// The name of a column as the database cuts it: between characters.
///
/// Source: PostgreSQL `truncate_identifier`.
pub(crate) fn fit_column(mut name: String) -> String {
    name.truncate(name.floor_char_boundary(LONGEST_NAME));
    name
}

/// Whether a name can be what [`fit_column`] leaves of a longer one: characters have at most four bytes.
pub(crate) fn may_be_cut(name: &str) -> bool {
    name.len() > LONGEST_NAME - 4
}

/// Debezium's sink fails on names that the database would cut, Confluent's cuts them.
fn fit_name(name: &str, topic: &str, settings: &Settings) -> Result<String, ConnectError> {
    if name.len() <= LONGEST_NAME {
        return Ok(name.to_owned());
    }
    if settings.style == Style::Debezium {
        return Err(ConnectError::data(format!(
            "the name '{name}' of topic '{topic}' has {} bytes, PostgreSQL's names have at most {LONGEST_NAME}. Shorten it with a RegexRouter or collection.name.format",
            name.len()
        )));
    }
    let short = fit_column(name.to_owned());
    warn!(
        "the name '{name}' of topic '{topic}' is cut to '{short}'; PostgreSQL's names have at most {LONGEST_NAME} bytes"
    );
    Ok(short)
}

/// What tells a table with its columns from the same table after an ALTER, and from another table of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct TableVersion {
    /// `pg_class.oid`
    pub(crate) oid: i64,
    /// Of names, types and generation of all columns and of [`Reaction`], as the database computes it.
    pub(crate) columns_hash: i64,
}

/// What the database does of its own when rows of a table change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Reaction {
    #[default]
    None,
    /// It calls triggers.
    Triggers,
    /// It rewrites statements, which COPY passes by. Also views and foreign tables, behind which anything may be.
    Rules,
}

/// A column of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExistingColumn {
    pub(crate) name: String,
    /// `pg_type.typname`, of a domain that of its base type: `int4`, `numeric`, `_text`.
    pub(crate) base_type: String,
    /// What a cast names, without length and precision: `numeric`, `sales.mood`.
    pub(crate) cast: String,
    /// As `format_type` prints it: `numeric(10,2)`.
    pub(crate) sql_type: String,
    /// `GENERATED ALWAYS AS IDENTITY`
    pub(crate) always_identity: bool,
    /// `GENERATED ALWAYS AS (…) STORED`: nobody writes it.
    pub(crate) generated: bool,
}

/// A table of the database.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ExistingTable {
    pub(crate) version: TableVersion,
    /// `pg_class.relkind`
    pub(crate) relation: String,
    /// Policies apply to this user: COPY into the table is refused.
    pub(crate) row_security: bool,
    /// Whether the user may lock the table, for which grants on columns alone are not enough.
    pub(crate) may_lock: bool,
    pub(crate) reaction: Reaction,
    /// Tables (`pg_class.oid`) that its foreign keys refer to.
    pub(crate) parents: Vec<i64>,
    pub(crate) columns: Vec<ExistingColumn>,
}

impl ExistingTable {
    /// By its name; if `any_case`, one that differs in case only will do.
    pub(crate) fn column(&self, name: &str, any_case: bool) -> Option<&ExistingColumn> {
        let exact = self.columns.iter().find(|column| column.name == name);
        exact.or_else(|| {
            self.columns
                .iter()
                .find(|column| any_case && column.name.eq_ignore_ascii_case(name))
        })
    }
}

#[cfg(test)]
mod tests {
    use tidegate_api::Props;

    use super::*;
    use crate::config::Style;

    #[test]
    fn topics_become_tables_as_in_the_original() {
        fn check(style: Style, format: &str, quote: bool, topic: &str, expected: &str) {
            let mut props = Props::from([
                ("connection.url", "jdbc:postgresql://h/db"),
                ("connection.username", "u"),
            ]);
            match style {
                Style::Debezium => {
                    props.set("collection.name.format", format);
                    props.set("quote.identifiers", quote.to_string());
                }
                Style::Confluent => {
                    props.set("table.name.format", format);
                    props.set(
                        "quote.sql.identifiers",
                        if quote { "ALWAYS" } else { "NEVER" },
                    );
                }
            }
            let settings = Settings::new(style, &props).expect("valid");
            assert_eq!(
                TableName::of_topic(topic, &[], &settings)
                    .expect(topic)
                    .0
                    .sql(),
                expected
            );
        }
        check(
            Style::Debezium,
            "mp_cdc.${topic}",
            false,
            "xchange_trading.Orders",
            "\"mp_cdc\".\"xchange_trading_orders\"",
        );
        check(
            Style::Debezium,
            "mp_cdc.${topic}",
            false,
            "Orders",
            "\"mp_cdc\".\"orders\"",
        );
        check(
            Style::Debezium,
            "${topic}",
            true,
            "a.Orders",
            "\"a_Orders\"",
        );
        check(
            Style::Debezium,
            "${topic}",
            false,
            "My-Table",
            "\"My-Table\"",
        );
        check(
            Style::Confluent,
            "${topic}",
            true,
            "s.Orders",
            "\"s\".\"Orders\"",
        );
        check(
            Style::Debezium,
            "\"${topic}\"",
            false,
            "a.Orders",
            "\"a_orders\"",
        );
        check(Style::Confluent, "\"${topic}\"", true, "a.b.c", "\"a.b.c\"");
        check(Style::Confluent, "${topic}", false, "Orders", "\"orders\"");
    }
}
