//! Statements that write rows, from arrays or from a table of the session that COPY has filled.

use std::fmt::Write as _;

use crate::config::InsertMode;
use crate::table::{TableName, quoted};

use super::binding::Binding;
use super::catalog;

/// A column of a statement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BoundColumn {
    /// As the database has it.
    pub(crate) name: String,
    pub(crate) binding: Binding,
    /// Makes the sent value one of the column's type, so that a search by it can use an index.
    pub(crate) key_cast: String,
}

impl BoundColumn {
    fn expression(&self, index: usize) -> String {
        self.binding.expression(&format!("u.c{index}"))
    }
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    let mut text = String::new();
    for part in parts {
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(&part);
    }
    text
}

/// `unnest($1::int8[], $2::text[]) AS u(c0, c1)`
pub(crate) fn from_arrays(columns: &[BoundColumn]) -> String {
    let parameters = columns.iter().enumerate().map(|(index, column)| {
        format!("${}::{}[]", index + 1, column.binding.encoder.wire().sql())
    });
    let names = (0..columns.len()).map(|index| format!("c{index}"));
    format!("unnest({}) AS u({})", joined(parameters), joined(names))
}

/// A table of the session with the sent values as columns `c0`, `c1`, …; it is empty again after each transaction.
pub(crate) fn create_stage(stage: &str, columns: &[BoundColumn]) -> String {
    let columns = columns.iter().enumerate();
    let columns =
        columns.map(|(index, column)| format!("c{index} {}", column.binding.encoder.wire().sql()));
    format!(
        "CREATE TEMPORARY TABLE {stage} ({}) ON COMMIT DELETE ROWS",
        joined(columns)
    )
}

/// `COPY … FROM STDIN` into a table itself.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CopyIntoTable {
    pub(crate) copy: String,
    /// What comes first in the same transaction: COPY reads the bytes by the types that the columns have then.
    pub(crate) check: String,
}

/// Of the bytes that the encoders write.
pub(crate) fn copy_into_table(
    name: &TableName,
    columns: &[BoundColumn],
    unchanged: &str,
) -> CopyIntoTable {
    let table = name.sql();
    let names = joined(columns.iter().map(|column| quoted(&column.name)));
    CopyIntoTable {
        copy: format!("COPY {table} ({names}) FROM STDIN (FORMAT binary)"),
        // The lock of COPY itself, taken before: it excludes ALTER until the transaction ends.
        check: catalog::unidentified(&format!(
            "LOCK TABLE ONLY {table} IN ROW EXCLUSIVE MODE; SELECT {unchanged}"
        )),
    }
}
pub(crate) fn copy_into_stage(stage: &str) -> String {
    format!("COPY {stage} FROM STDIN (FORMAT binary)")
}

/// How rows are written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WriteForm<'a> {
    pub(crate) mode: InsertMode,
    /// So many columns, the first ones, are the key.
    pub(crate) keys: usize,
    /// `OVERRIDING SYSTEM VALUE`
    pub(crate) overriding: bool,
    /// Condition that the table's columns are as the statement takes them, see [`super::catalog::unchanged`].
    pub(crate) unchanged: &'a str,
}

/// The statement that writes rows of `from`.
pub(crate) fn write_rows(
    form: WriteForm<'_>,
    name: &TableName,
    columns: &[BoundColumn],
    from: &str,
) -> String {
    let table = name.sql();
    let (keys, rest) = columns.split_at(form.keys.min(columns.len()));
    if form.mode == InsertMode::Update {
        let assignments = rest.iter().enumerate().map(|(index, column)| {
            let value = column.expression(form.keys + index);
            format!("{} = {value}", quoted(&column.name))
        });
        return format!(
            "UPDATE {table} AS t SET {} FROM {from} WHERE {} AND {}",
            joined(assignments),
            form.unchanged,
            key_matches(keys)
        );
    }
    let overriding = if form.overriding {
        " OVERRIDING SYSTEM VALUE"
    } else {
        ""
    };
    let names = joined(columns.iter().map(|column| quoted(&column.name)));
    let values = columns.iter().enumerate();
    let values = joined(values.map(|(index, column)| column.expression(index)));
    let mut sql = format!(
        "INSERT INTO {table} ({names}){overriding} SELECT {values} FROM {from} WHERE {}",
        form.unchanged
    );
    if form.mode == InsertMode::Upsert && !keys.is_empty() {
        let target = joined(keys.iter().map(|column| quoted(&column.name)));
        let updates = joined(rest.iter().map(|column| {
            let name = quoted(&column.name);
            format!("{name} = EXCLUDED.{name}")
        }));
        let written = if rest.is_empty() {
            write!(sql, " ON CONFLICT ({target}) DO NOTHING")
        } else {
            write!(sql, " ON CONFLICT ({target}) DO UPDATE SET {updates}")
        };
        written.expect("writing to a string never fails");
    }
    sql
}

fn key_matches(keys: &[BoundColumn]) -> String {
    let matches: Vec<String> = keys
        .iter()
        .enumerate()
        .map(|(index, column)| {
            let mut value = column.expression(index);
            if !column.key_cast.is_empty() {
                // A cast binds tighter than operators of the expression.
                value = format!("({value}){}", column.key_cast);
            }
            format!("t.{} = {value}", quoted(&column.name))
        })
        .collect();
    matches.join(" AND ")
}

pub(crate) fn delete_rows(name: &TableName, keys: &[BoundColumn], unchanged: &str) -> String {
    format!(
        "DELETE FROM {} AS t USING {} WHERE {unchanged} AND {}",
        name.sql(),
        from_arrays(keys),
        key_matches(keys)
    )
}

pub(crate) fn truncate(name: &TableName) -> String {
    format!("TRUNCATE TABLE {}", name.sql())
}

/// Reads one value as the column's type with length and precision, to find the column that refuses it.
pub(crate) fn probe(column: &BoundColumn, sql_type: &str) -> String {
    format!(
        "SELECT ({})::{sql_type} IS NULL FROM unnest($1::{}[]) AS u(c0)",
        column.binding.expression("u.c0"),
        column.binding.encoder.wire().sql()
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::wire::{Encoder, Wire};

    pub(crate) fn name() -> TableName {
        TableName {
            schema: Some("s".to_owned()),
            table: "t".to_owned(),
        }
    }
    fn bound(name: &str, encoder: Encoder, prefix: &str, suffix: &str) -> BoundColumn {
        BoundColumn {
            name: name.to_owned(),
            binding: Binding {
                encoder,
                prefix: prefix.to_owned(),
                suffix: suffix.to_owned(),
            },
            key_cast: String::new(),
        }
    }

    #[test]
    fn keys_are_cast_as_a_whole() {
        let mut at = bound("at", Encoder::Zoned, "", " AT TIME ZONE 'UTC'");
        at.key_cast = "::date".to_owned();
        assert_eq!(
            delete_rows(&name(), &[at], "same"),
            r#"DELETE FROM "s"."t" AS t USING unnest($1::timestamptz[]) AS u(c0) WHERE same AND t."at" = (u.c0 AT TIME ZONE 'UTC')::date"#
        );
    }

    #[test]
    fn rows_are_written_in_every_mode() {
        let columns = [
            bound("id", Encoder::Integer(Wire::BigInt), "", ""),
            bound("v\"", Encoder::Numeric, "", ""),
            bound("ok", Encoder::Integer(Wire::SmallInt), "(", " <> 0)"),
        ];
        let form = |mode| WriteForm {
            mode,
            keys: 1,
            overriding: false,
            unchanged: "same",
        };
        let check = |mode, columns: &[BoundColumn], expected| {
            let sql = write_rows(form(mode), &name(), columns, &from_arrays(columns));
            assert_eq!(sql, expected);
        };
        check(
            InsertMode::Upsert,
            &columns,
            r#"INSERT INTO "s"."t" ("id", "v""", "ok") SELECT u.c0, u.c1, (u.c2 <> 0) FROM unnest($1::int8[], $2::numeric[], $3::int2[]) AS u(c0, c1, c2) WHERE same ON CONFLICT ("id") DO UPDATE SET "v""" = EXCLUDED."v""", "ok" = EXCLUDED."ok""#,
        );
        check(
            InsertMode::Upsert,
            &columns[..1],
            r#"INSERT INTO "s"."t" ("id") SELECT u.c0 FROM unnest($1::int8[]) AS u(c0) WHERE same ON CONFLICT ("id") DO NOTHING"#,
        );
        check(
            InsertMode::Update,
            &columns[..2],
            r#"UPDATE "s"."t" AS t SET "v""" = u.c1 FROM unnest($1::int8[], $2::numeric[]) AS u(c0, c1) WHERE same AND t."id" = u.c0"#,
        );
        assert_eq!(
            delete_rows(&name(), &columns[..1], "same"),
            r#"DELETE FROM "s"."t" AS t USING unnest($1::int8[]) AS u(c0) WHERE same AND t."id" = u.c0"#
        );
    }
}
