//! Columns that are there already, of another type than the one that the sink would have made: every kind of value as a text,
//! and those of numbers and times among each other.

use serde_json::{Value, json};

use super::{Column, Kind, Presence, kinds};

const TEXTS: [&str; 3] = ["text", "varchar(70)", "char(40)"];
const NUMBERS: [&str; 7] = [
    "smallint",
    "integer",
    "bigint",
    "numeric",
    "numeric(6,1)",
    "real",
    "double precision",
];
const TIMES: [&str; 7] = [
    "date",
    "time",
    "time(0)",
    "timetz",
    "timestamp",
    "timestamp(1)",
    "timestamptz",
];

pub(super) fn columns() -> Vec<Column> {
    let plain = kinds::plain();
    let named = kinds::named();
    let mut columns = Vec::new();
    for kind in plain.iter().chain(&named) {
        pairs(kind, &TEXTS, &mut columns);
    }
    let is_number = |kind: &&Kind| {
        let tag = kind.tag.as_str();
        tag.starts_with("int") && tag != "interval"
            || matches!(
                tag,
                "float" | "double" | "decimal2" | "decimal0" | "scaled" | "boolean"
            )
    };
    for kind in plain.iter().chain(&named).filter(is_number) {
        pairs(kind, &NUMBERS, &mut columns);
    }
    let is_date = |kind: &&Kind| matches!(kind.tag.as_str(), "date" | "cdate");
    for kind in kinds::temporal().iter().chain(named.iter().filter(is_date)) {
        pairs(kind, &TIMES, &mut columns);
    }
    columns
}

/// The kind's values in columns of these types; only its first one, which all of them have room for.
fn pairs(kind: &Kind, targets: &[&'static str], columns: &mut Vec<Column>) {
    for target in targets {
        let mut column = kind.column(Presence::Optional);
        let value = kind.values[0].clone();
        column.values = [value.clone(), Value::Null, value];
        let target_tag = target.replace([' ', ',', '(', ')'], "");
        column.id = format!("{}_to_{target_tag}", kind.tag);
        column.field.clone_from(&column.id);
        column.schema["optional"] = json!(true);
        column.target = Some(target);
        columns.push(column);
    }
}
