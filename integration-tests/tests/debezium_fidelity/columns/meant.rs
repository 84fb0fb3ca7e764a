//! Differences that are meant, as rules. Each has a reason, and one that covers nothing any more fails.

use serde_json::Value;

use super::super::case::Kind;
use super::candidates::Candidate;
use super::survey::{Facts, Part, default_cell};
use super::tables::Origin;

/// Where two workers differ about a column.
#[derive(Debug)]
pub(crate) struct Difference<'a> {
    pub(crate) column: &'a Candidate,
    pub(crate) origin: Origin,
    pub(crate) part: Part,
    pub(crate) ours: Option<&'a str>,
    pub(crate) theirs: Option<&'a str>,
    /// All that this worker said of the column.
    pub(crate) facts: &'a Facts,
    pub(crate) their_facts: &'a Facts,
}

/// Why some of them are meant.
#[derive(Debug)]
pub(crate) struct Rule {
    /// The row of `DIFFERENCES.md`.
    pub(crate) because: &'static str,
    pub(crate) servers: &'static [Kind],
    pub(crate) covers: fn(&Difference<'_>) -> bool,
}

const BOTH: &[Kind] = &[Kind::MariaDb, Kind::MySql];
const MARIADB: &[Kind] = &[Kind::MariaDb];
const MYSQL: &[Kind] = &[Kind::MySql];

/// The first one that covers a difference counts.
pub(crate) const RULES: &[Rule] = &[
    Rule {
        because: "UUID columns in the stream",
        servers: MARIADB,
        covers: |difference| {
            difference.column.class == "Uuid" && is_value_of_the_stream(difference)
        },
    },
    Rule {
        because: "text in cp932 in the stream",
        servers: MARIADB,
        covers: |difference| {
            has(difference, "CHARACTER SET CP932") && is_value_of_the_stream(difference)
        },
    },
    Rule {
        because: "Cyrillic letters in big5 are those of the web's table",
        servers: BOTH,
        covers: |difference| {
            has(difference, "CHARACTER SET BIG5") && is_value_of_the_stream(difference)
        },
    },
    Rule {
        because: "ENUM and SET in the character set binary",
        servers: BOTH,
        covers: |difference| has_options(difference) && has_binary_charset(difference),
    },
    Rule {
        because: "text in the character set binary is bytes, in the stream, too",
        servers: BOTH,
        covers: has_binary_charset,
    },
    Rule {
        because: "executable comments are part of the definition",
        servers: MARIADB,
        covers: |difference| has(difference, "/*!") || has(difference, "/*M!"),
    },
    Rule {
        because: "BINARY behind a type is a collation",
        servers: BOTH,
        covers: |difference| {
            let history = difference
                .their_facts
                .get(&(difference.origin, Part::History));
            let name = history.and_then(|text| member(Some(text), "typeName"));
            name.is_some_and(|name| name.as_str().is_some_and(|name| name.ends_with(" BINARY")))
        },
    },
    Rule {
        because: "options are those of the server: without blanks at their ends, quotes as they are meant",
        servers: BOTH,
        covers: |difference| {
            has_options(difference)
                && ["  '", "\"\"", "(X'", "(B'", "(0B"]
                    .iter()
                    .any(|text| has(difference, text))
        },
    },
    Rule {
        because: "INTEGER UNSIGNED is INT UNSIGNED",
        servers: MARIADB,
        covers: |difference| {
            let is_unsigned = has(difference, "UNSIGNED") || has(difference, "ZEROFILL");
            begins(difference, "INTEGER") && is_unsigned && is_row(difference)
        },
    },
    Rule {
        because: "FLOAT4 and FLOAT SIGNED are FLOAT",
        servers: BOTH,
        covers: |difference| {
            (begins(difference, "FLOAT4") || begins(difference, "FLOAT SIGNED"))
                && is_row(difference)
        },
    },
    Rule {
        because: "DECIMAL(0) has ten digits",
        servers: MARIADB,
        covers: |difference| begins(difference, "DECIMAL(0"),
    },
    Rule {
        because: "types are those of the session's sql_mode",
        servers: BOTH,
        covers: |difference| {
            !difference.column.session.is_empty()
                && (begins(difference, "REAL") || begins(difference, "DATE "))
        },
    },
    Rule {
        because: "BINARY without a length is padded to one byte in the stream, too",
        servers: BOTH,
        covers: |difference| {
            begins(difference, "BINARY")
                && !begins(difference, "BINARY(")
                && is_value_of_the_stream(difference)
        },
    },
    Rule {
        because: "character sets are those of the collation, and their names in small letters",
        servers: BOTH,
        covers: |difference| {
            let words = ["COLLATE", "SET LATIN1", " ASCII", " UNICODE"];
            words.iter().any(|word| has(difference, word))
                && (differ_only_in(difference, &["charsetName"])
                    || is_value_of_the_stream(difference))
        },
    },
    Rule {
        because: "defaults are those of the server",
        servers: BOTH,
        covers: |difference| difference.part == Part::Schema && is_servers_default(difference),
    },
    Rule {
        because: "nulls have the default of the schema",
        servers: BOTH,
        covers: |difference| difference.part == Part::Values && are_defaults(difference),
    },
    Rule {
        because: "texts of defaults stand for the server's value",
        servers: BOTH,
        covers: |difference| {
            differ_only_in(difference, &["defaultValueExpression", "hasDefaultValue"])
                && (has_better_default(difference)
                    || difference.column.session.contains("NO_BACKSLASH_ESCAPES")
                    // Zero is the year 2000 to the adjuster, or 1900.
                    || difference.column.class == "Year")
        },
    },
    Rule {
        because: "UNSIGNED SIGNED is unsigned",
        servers: MYSQL,
        covers: |difference| has(difference, "UNSIGNED SIGNED"),
    },
    Rule {
        because: "BINARY(0) is not BINARY(10)",
        servers: MYSQL,
        covers: |difference| begins(difference, "BINARY(0)"),
    },
    Rule {
        because: "VECTOR has 2,048 numbers",
        servers: MYSQL,
        covers: |difference| {
            begins(difference, "VECTOR") && differ_only_in(difference, &["length"])
        },
    },
    Rule {
        because: "defaults that settings of the session alter are wrong in either worker",
        servers: BOTH,
        covers: |difference| {
            let session = difference.column.session;
            (session.contains("swe7") || session.contains("FRACTIONAL"))
                && differ_only_in(difference, &["default"])
        },
    },
];

/// Whether the definition has the text, whatever the case of its letters.
fn has(difference: &Difference<'_>, text: &str) -> bool {
    let definition = difference.column.definition.to_ascii_uppercase();
    definition.contains(text)
}

fn begins(difference: &Difference<'_>, text: &str) -> bool {
    let definition = difference.column.definition.to_ascii_uppercase();
    definition.starts_with(text)
}

fn has_options(difference: &Difference<'_>) -> bool {
    matches!(difference.column.class, "Enum" | "Set")
}

fn has_binary_charset(difference: &Difference<'_>) -> bool {
    ["SET BINARY", "COLLATE BINARY", " BYTE"]
        .iter()
        .any(|words| has(difference, words))
}

fn is_value_of_the_stream(difference: &Difference<'_>) -> bool {
    difference.part == Part::Values && difference.origin != Origin::Snapshot
}

/// Of the records with rows, not of schema history and changes.
fn is_row(difference: &Difference<'_>) -> bool {
    matches!(difference.part, Part::Schema | Part::Values)
}

/// A member of a schema or description.
fn member(text: Option<&str>, name: &str) -> Option<Value> {
    let json: Value = serde_json::from_str(text?).ok()?;
    json.get(name).cloned()
}

fn without(text: Option<&str>, names: &[&str]) -> Option<Value> {
    let mut json: Value = serde_json::from_str(text?).ok()?;
    let members = json.as_object_mut()?;
    for name in names {
        members.remove(*name);
    }
    Some(json)
}

fn differ_only_in(difference: &Difference<'_>, names: &[&str]) -> bool {
    let ours = without(difference.ours, names);
    ours.is_some() && ours == without(difference.theirs, names)
}

fn cells(text: Option<&str>) -> Option<Vec<Value>> {
    serde_json::from_str(&format!("[{}]", text?)).ok()
}

/// Rows differ only where each worker shows its default, or null without one.
fn are_defaults(difference: &Difference<'_>) -> bool {
    let default = |facts: &Facts| {
        let schema = facts.get(&(difference.origin, Part::Schema))?;
        member(Some(schema), "default")
    };
    let (own, their) = (default(difference.facts), default(difference.their_facts));
    let shows = |cell: &Value, default: Option<&Value>| match default {
        Some(default) => cell == default,
        // What stands for null in a column that takes none.
        None => cell.is_null() || cell == "1970-01-01T00:00:00Z",
    };
    let (Some(ours), Some(theirs)) = (cells(difference.ours), cells(difference.theirs)) else {
        return false;
    };
    ours.len() == theirs.len()
        && ours
            .iter()
            .zip(&theirs)
            .all(|(a, b)| a == b || (shows(a, own.as_ref()) && shows(b, their.as_ref())))
}

/// The default that this worker has is what the server puts into a row, or there is none where the original's is wrong.
fn is_servers_default(difference: &Difference<'_>) -> bool {
    let Some(cell) = default_cell(difference.column, difference.facts, difference.origin) else {
        return false;
    };
    let cell: Option<Value> = serde_json::from_str(cell).ok();
    let (ours, theirs) = (
        member(difference.ours, "default"),
        member(difference.theirs, "default"),
    );
    differ_only_in(difference, &["default"]) && theirs != cell && (ours.is_none() || ours == cell)
}

/// In the stream the original has another default than the server, and this worker does not.
fn has_better_default(difference: &Difference<'_>) -> bool {
    let of = |facts: &Facts| {
        let schema = facts.get(&(Origin::Create, Part::Schema))?;
        member(Some(schema), "default")
    };
    let cell = default_cell(difference.column, difference.facts, Origin::Create)
        .and_then(|cell| serde_json::from_str::<Value>(cell).ok());
    let (ours, theirs) = (of(difference.facts), of(difference.their_facts));
    theirs != cell && (ours.is_none() || ours == cell)
}
