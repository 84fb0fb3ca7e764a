//! Whether what arrived is what the source holds: a digest per row, from three places.

use std::borrow::Cow;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::DateTime;
use futures::TryStreamExt as _;
use mysql_async::prelude::Queryable as _;
use serde::Deserialize;
use serde_json::value::RawValue;
use sqlx::Row as _;
use tidegate_integration_tests::{MySqlServer, Postgres};

use crate::table::DATABASE;

/// A row in a form that all places can give.
#[derive(Hash)]
struct Row<'a> {
    id: i64,
    customer: &'a str,
    email: &'a str,
    /// Hundredths.
    amount: i64,
    /// Bits of the double.
    weight: u64,
    active: i64,
    country: &'a str,
    /// Days since 1970-01-01.
    due: i64,
    /// Milliseconds since 1970-01-01.
    placed: i64,
    /// Microseconds since 1970-01-01T00:00:00Z.
    changed: i64,
    note: Option<&'a str>,
}

/// Digests of rows by their id, from 1.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Digests(Vec<u64>);

impl Digests {
    fn put(&mut self, row: &Row<'_>) -> Result<()> {
        let id = usize::try_from(row.id)?;
        if self.0.len() <= id {
            self.0.resize(id + 1, 0);
        }
        let mut hasher = DefaultHasher::new();
        row.hash(&mut hasher);
        // 0 stands for a row that is missing.
        self.0[id] = hasher.finish().max(1);
        Ok(())
    }

    fn rows(&self) -> usize {
        self.0.iter().filter(|digest| **digest != 0).count()
    }

    /// Fails with the first row that differs.
    pub(crate) fn equals(&self, other: &Self, what: &str) -> Result<()> {
        ensure!(
            self.rows() == other.rows(),
            "{what}: {} rows instead of {}",
            other.rows(),
            self.rows()
        );
        let different = self.0.iter().zip(&other.0).position(|(a, b)| a != b);
        ensure!(
            different.is_none(),
            "{what}: the row with id {} differs from the source's",
            different.unwrap_or_default()
        );
        Ok(())
    }
}

type SourceRow = (
    i64,
    String,
    String,
    i64,
    f64,
    i64,
    String,
    i64,
    i64,
    i64,
    Option<String>,
);

/// Rows of a table at the source.
pub(crate) async fn of_source(server: &MySqlServer, table: &str) -> Result<Digests> {
    let mut connection = server.connect(DATABASE).await?;
    connection.query_drop("SET time_zone = '+00:00'").await?;
    let sql = format!(
        "SELECT id, customer, email, CAST(amount * 100 AS SIGNED), weight, active, country, DATEDIFF(due, '1970-01-01'), \
         CAST(UNIX_TIMESTAMP(placed) * 1000 AS SIGNED), CAST(UNIX_TIMESTAMP(changed) * 1000000 AS SIGNED), note FROM {table}"
    );
    let mut digests = Digests::default();
    let mut rows = connection.query_stream::<SourceRow, _>(sql).await?;
    while let Some(row) = rows.try_next().await? {
        digests.put(&Row {
            id: row.0,
            customer: &row.1,
            email: &row.2,
            amount: row.3,
            weight: row.4.to_bits(),
            active: row.5,
            country: &row.6,
            due: row.7,
            placed: row.8,
            changed: row.9,
            note: row.10.as_deref(),
        })?;
    }
    drop(rows);
    connection.disconnect().await?;
    Ok(digests)
}

/// Rows of a table at the target.
pub(crate) async fn of_target(server: &Postgres, table: &str) -> Result<Digests> {
    let mut connection = server.connect("postgres").await?;
    let sql = format!(
        "SELECT id::bigint, customer::text, email::text, (amount * 100)::bigint, weight::float8, active::bigint, country::text, \
         (due - DATE '1970-01-01')::bigint, (extract(epoch FROM placed) * 1000)::bigint, \
         (extract(epoch FROM changed) * 1000000)::bigint, note::text FROM {table}"
    );
    let mut digests = Digests::default();
    let query = sqlx::query(sqlx::AssertSqlSafe(sql));
    let mut rows = query.fetch(&mut connection);
    while let Some(row) = rows.try_next().await? {
        digests.put(&Row {
            id: row.try_get(0)?,
            customer: row.try_get(1)?,
            email: row.try_get(2)?,
            amount: row.try_get(3)?,
            weight: row.try_get::<f64, _>(4)?.to_bits(),
            active: row.try_get(5)?,
            country: row.try_get(6)?,
            due: row.try_get(7)?,
            placed: row.try_get(8)?,
            changed: row.try_get(9)?,
            note: row.try_get(10)?,
        })?;
    }
    Ok(digests)
}

/// A change event without schemas, as far as it is checked.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    after: Option<After<'a>>,
    op: &'a str,
}

#[derive(Deserialize)]
struct After<'a> {
    id: i64,
    #[serde(borrow)]
    customer: Cow<'a, str>,
    #[serde(borrow)]
    email: Cow<'a, str>,
    #[serde(borrow)]
    amount: Cow<'a, str>,
    /// As text: what `serde_json` makes of a number may differ from the nearest double in the last bit.
    #[serde(borrow)]
    weight: &'a RawValue,
    active: i64,
    #[serde(borrow)]
    country: Cow<'a, str>,
    due: i64,
    placed: i64,
    #[serde(borrow)]
    changed: Cow<'a, str>,
    #[serde(borrow)]
    note: Option<Cow<'a, str>>,
}

/// Rows as a topic's events leave them, and how many events there were of each operation.
#[derive(Debug, Default)]
pub(crate) struct Events {
    pub(crate) rows: Digests,
    pub(crate) reads: u64,
    pub(crate) creates: u64,
    pub(crate) updates: u64,
}

impl Events {
    pub(crate) fn add(&mut self, value: &[u8]) -> Result<()> {
        let text = || String::from_utf8_lossy(value).into_owned();
        let event: Event<'_> = serde_json::from_slice(value).with_context(text)?;
        match event.op {
            "r" => self.reads += 1,
            "c" => self.creates += 1,
            "u" => self.updates += 1,
            other => anyhow::bail!("an event of operation {other}"),
        }
        let after = event.after.with_context(text)?;
        self.rows.put(&Row {
            id: after.id,
            customer: &after.customer,
            email: &after.email,
            amount: unscaled(&after.amount).with_context(text)?,
            weight: after
                .weight
                .get()
                .parse::<f64>()
                .with_context(text)?
                .to_bits(),
            active: after.active,
            country: &after.country,
            due: after.due,
            placed: after.placed,
            changed: DateTime::parse_from_rfc3339(&after.changed)
                .with_context(text)?
                .timestamp_micros(),
            note: after.note.as_deref(),
        })
    }
}

/// A Connect decimal: the unscaled number as big-endian bytes in Base64.
fn unscaled(text: &str) -> Result<i64> {
    let bytes = STANDARD.decode(text)?;
    ensure!((1..=8).contains(&bytes.len()), "{} bytes", bytes.len());
    let sign = if bytes[0] & 0x80 == 0 { 0 } else { -1_i64 };
    Ok(bytes
        .iter()
        .fold(sign, |number, byte| number << 8 | i64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_signed() {
        assert_eq!(unscaled("AQ==").unwrap(), 1);
        assert_eq!(unscaled("/w==").unwrap(), -1);
        assert_eq!(unscaled("AIA=").unwrap(), 128);
    }

    #[test]
    fn a_changed_row_is_named() {
        let event = |amount: &str| {
            format!(
                r#"{{"before":null,"after":{{"id":1,"customer":"a","email":"b","amount":"{amount}","weight":0.5,"active":1,
                "country":"PT","due":1,"placed":2,"changed":"2020-01-01T00:00:00.5Z","note":null}},"op":"r"}}"#
            )
        };
        let (mut one, mut other) = (Events::default(), Events::default());
        one.add(event("AQ==").as_bytes()).unwrap();
        other.add(event("Ag==").as_bytes()).unwrap();
        let error = one.rows.equals(&other.rows, "the topic").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the topic: the row with id 1 differs from the source's"
        );
    }
}
