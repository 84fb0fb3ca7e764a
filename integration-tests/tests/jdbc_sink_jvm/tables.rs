//! What a database consists of, as text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::json;
use tidegate_integration_tests::{Postgres, TextRow};

/// By place: `table/columns/name`, `table/order`, `table/key`, `table/rows/key/column`, `state/topics`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Content(BTreeMap<String, String>);

const TABLES: &str = "SELECT table_schema, table_name FROM information_schema.tables \
    WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2";

impl Content {
    /// All tables of a database; those of schema `public` without it.
    pub(crate) async fn of_database(postgres: &Postgres, database: &str) -> Result<Self> {
        let mut content = Self::default();
        for row in postgres.rows(database, TABLES).await? {
            let [Some(schema), Some(table)] = &row[..] else {
                continue;
            };
            content
                .add_table(postgres, database, schema, table)
                .await
                .with_context(|| format!("table {schema}.{table}"))?;
        }
        Ok(content)
    }

    async fn add_table(
        &mut self,
        postgres: &Postgres,
        database: &str,
        schema: &str,
        table: &str,
    ) -> Result<()> {
        let place = match schema {
            "public" => table.to_owned(),
            schema => format!("{schema}.{table}"),
        };
        let regclass = format!("'{}'::regclass", quoted(schema) + "." + &quoted(table));
        let columns = format!(
            "SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull::text, \
                    pg_get_expr(d.adbin, d.adrelid), (a.attidentity::text || a.attgenerated::text) \
             FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
             WHERE a.attrelid = {regclass} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
        );
        let key = format!(
            "SELECT a.attname FROM pg_constraint c \
             CROSS JOIN unnest(c.conkey) WITH ORDINALITY AS k(number, place) \
             JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number \
             WHERE c.contype = 'p' AND c.conrelid = {regclass} ORDER BY k.place"
        );
        let text = |cell: &Option<String>| cell.clone().unwrap_or_default();
        let mut names = Vec::new();
        for column in postgres.rows(database, &columns).await? {
            let name = text(&column[0]);
            let mut definition = text(&column[1]);
            if text(&column[2]) == "true" {
                definition += " not null";
            }
            if let Some(default) = &column[3] {
                write!(definition, " default {default}")?;
            }
            definition += &text(&column[4]);
            self.set(format!("{place}/columns/{name}"), definition);
            names.push(name);
        }
        let keys: Vec<String> = postgres
            .rows(database, &key)
            .await?
            .iter()
            .map(|row| text(&row[0]))
            .collect();
        self.set(format!("{place}/order"), names.join(", "));
        self.set(format!("{place}/key"), keys.join(", "));
        let select: Vec<String> = names
            .iter()
            .map(|name| format!("{}::text", quoted(name)))
            .collect();
        let sql = format!(
            "SELECT {} FROM {}.{}",
            select.join(", "),
            quoted(schema),
            quoted(table)
        );
        let mut rows: Vec<(String, TextRow)> = Vec::new();
        for row in postgres.rows(database, &sql).await? {
            let of_key = names
                .iter()
                .zip(&row)
                .filter(|(name, _)| keys.contains(name));
            let of_key: Vec<String> = of_key.map(|(_, value)| text(value)).collect();
            rows.push((of_key.join(","), row));
        }
        rows.sort();
        for (index, (key, row)) in rows.into_iter().enumerate() {
            let key = if keys.is_empty() {
                index.to_string()
            } else {
                key
            };
            for (name, value) in names.iter().zip(row) {
                self.set(
                    format!("{place}/rows/{key}/{name}"),
                    json!(value).to_string(),
                );
            }
        }
        Ok(())
    }

    pub(crate) fn set(&mut self, place: String, what: String) {
        // A line each in the recording.
        let line = |text: &str| text.replace('\n', "\\n");
        self.0.insert(line(&place), line(&what));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn places(&self) -> impl Iterator<Item = (&String, &String)> {
        self.0.iter()
    }

    /// Where `other` differs from this, and what stands there; `absent` for what it lacks.
    pub(crate) fn different(&self, other: &Self) -> Self {
        let places: BTreeSet<&String> = self.0.keys().chain(other.0.keys()).collect();
        let differing = places
            .into_iter()
            .filter(|place| self.0.get(*place) != other.0.get(*place));
        Self(
            differing
                .map(|place| {
                    let what = other.0.get(place).map_or("absent", String::as_str);
                    (place.clone(), what.to_owned())
                })
                .collect(),
        )
    }

    /// A line for each difference; none if both are equal.
    pub(crate) fn explain(&self, other: &Self) -> Vec<String> {
        let lines = self.different(other).0.into_iter().map(|(place, ours)| {
            let theirs = self.0.get(&place).map_or("absent", String::as_str);
            format!("{place}: {ours} instead of {theirs}")
        });
        lines.collect()
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let mut text = String::new();
        for (place, what) in &self.0 {
            writeln!(text, "{place} = {what}")?;
        }
        fs::create_dir_all(path.parent().context("a folder")?)?;
        Ok(fs::write(path, text)?)
    }

    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| {
            format!(
                "{}: record it first, see sink-cases/README.md",
                path.display()
            )
        })?;
        let parse = |line: &str| -> Result<(String, String)> {
            let (place, what) = line.split_once(" = ").with_context(|| line.to_owned())?;
            Ok((place.to_owned(), what.to_owned()))
        };
        Ok(Self(text.lines().map(parse).collect::<Result<_>>()?))
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
