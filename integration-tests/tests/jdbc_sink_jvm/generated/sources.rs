//! What a source says of its columns (`column.propagate.source.type`): names of types in every spelling, with lengths, scales
//! and character sets, on fields of each type that such columns become.

use serde_json::{Value, json};

use super::{Column, Kind, Presence, kinds};

const TYPE: &str = "__debezium.source.column.type";
const LENGTH: &str = "__debezium.source.column.length";
const SCALE: &str = "__debezium.source.column.scale";
const CHARACTER_SET: &str = "__debezium.source.column.character_set";

/// Types that become texts: of MySQL and MariaDB, PostgreSQL, SQL Server and Oracle.
const TEXTS: [&str; 43] = [
    "CHAR",
    "CHARACTER",
    "NCHAR",
    "NATIONAL CHARACTER",
    "VARCHAR",
    "CHARACTER VARYING",
    "CHAR VARYING",
    "NVARCHAR",
    "NATIONAL VARCHAR",
    "NCHAR VARYING",
    "LONG VARCHAR",
    "TINYTEXT",
    "TEXT",
    "MEDIUMTEXT",
    "LONGTEXT",
    "ENUM",
    "SET",
    "JSON",
    "INET4",
    "INET6",
    "UUID",
    "BPCHAR",
    "NAME",
    "XML",
    "CITEXT",
    "INET",
    "CIDR",
    "MACADDR",
    "MACADDR8",
    "INT4RANGE",
    "INT8RANGE",
    "NUMRANGE",
    "TSRANGE",
    "TSTZRANGE",
    "DATERANGE",
    "INTERVAL",
    "NTEXT",
    "UNIQUEIDENTIFIER",
    "SYSNAME",
    "VARCHAR2",
    "NVARCHAR2",
    "CLOB",
    "STRING",
];

/// A text that a column of such a type takes.
fn text_of(source_type: &str) -> &'static str {
    match source_type {
        "XML" => "<a/>",
        "INET" => "10.0.0.1/8",
        "INET4" => "10.0.0.1",
        "INET6" => "::1",
        "CIDR" => "10.0.0.0/8",
        "MACADDR" => "08:00:2b:01:02:03",
        "MACADDR8" => "08:00:2b:01:02:03:04:05",
        "INT4RANGE" | "INT8RANGE" | "NUMRANGE" => "[1,5)",
        "TSRANGE" => "[\"2024-01-01 00:00:00\",\"2024-01-02 00:00:00\")",
        "TSTZRANGE" => "[\"2024-01-01 00:00:00+00\",\"2024-01-02 00:00:00+00\")",
        "DATERANGE" => "[2024-01-01,2024-01-02)",
        "UUID" | "UNIQUEIDENTIFIER" => "550e8400-e29b-41d4-a716-446655440000",
        "JSON" => "{}",
        _ => "a",
    }
}

/// Numbers, booleans and bytes by the type of the field.
const OTHERS: [(&str, &[&str]); 8] = [
    (
        "boolean",
        &["BIT", "BOOL", "BOOLEAN", "TINYINT", "bit", "VARBIT"],
    ),
    ("int8", &["TINYINT", "INT1"]),
    (
        "int16",
        &[
            "SMALLINT",
            "TINYINT",
            "TINYINT UNSIGNED",
            "INT2",
            "SMALLSERIAL",
            "smallserial",
            "tinyint",
            "YEAR",
        ],
    ),
    (
        "int32",
        &[
            "INT",
            "INTEGER",
            "MEDIUMINT",
            "MEDIUMINT UNSIGNED ZEROFILL",
            "SMALLINT UNSIGNED",
            "INT4",
            "SERIAL",
            "serial",
            "OID",
            "oid",
            "MONEY",
            "int",
            "YEAR",
            "BIT",
        ],
    ),
    (
        "int64",
        &[
            "BIGINT",
            "BIGINT UNSIGNED",
            "BIGINT UNSIGNED ZEROFILL",
            "INT8",
            "INT UNSIGNED",
            "SERIAL",
            "BIGSERIAL",
            "OID",
            "MONEY",
            "bigint",
            "XID",
        ],
    ),
    ("float", &["FLOAT", "REAL", "FLOAT4", "MONEY"]),
    (
        "double",
        &[
            "DOUBLE",
            "DOUBLE PRECISION",
            "REAL",
            "FLOAT",
            "FLOAT8",
            "MONEY",
            "DECIMAL",
            "float",
        ],
    ),
    (
        "bytes",
        &[
            "BINARY",
            "VARBINARY",
            "TINYBLOB",
            "BLOB",
            "MEDIUMBLOB",
            "LONGBLOB",
            "BYTEA",
            "IMAGE",
            "BIT",
            "varbinary",
            "RAW",
        ],
    ),
];

pub(super) fn columns() -> Vec<Column> {
    let mut columns = Vec::new();
    for source_type in TEXTS {
        texts(source_type, &mut columns);
    }
    let plain = kinds::plain();
    for (tag, types) in OTHERS {
        let kind = plain
            .iter()
            .find(|kind| kind.tag == tag)
            .expect("a type of Connect");
        for source_type in types {
            others(kind, source_type, &mut columns);
        }
    }
    columns
}

fn tag(text: &str) -> String {
    text.replace(' ', "_")
}

fn texts(source_type: &str, columns: &mut Vec<Column>) {
    let text = text_of(source_type);
    let kind = Kind::new(
        "text",
        json!({"type": "string"}),
        [text; 4].map(Value::from),
    );
    let mut add = |form: &str, spelling: &str, presence, parameters: &[(&str, &str)]| {
        let mut parameters = parameters.to_vec();
        parameters.push((TYPE, spelling));
        columns.push(
            kind.with(&format!("{}_{form}", tag(source_type)), &parameters)
                .column(presence),
        );
    };
    let lower = source_type.to_lowercase();
    let optional = Presence::Optional;
    add("upper", source_type, optional, &[]);
    add(
        "upper7",
        source_type,
        Presence::OptionalDefault,
        &[(LENGTH, "50")],
    );
    add("lower", &lower, Presence::Required, &[]);
    add(
        "lower7",
        &lower,
        Presence::RequiredDefault,
        &[(LENGTH, "50")],
    );
    if matches!(
        source_type,
        "CHAR"
            | "NCHAR"
            | "BPCHAR"
            | "VARCHAR"
            | "NVARCHAR"
            | "CHARACTER VARYING"
            | "VARCHAR2"
            | "NVARCHAR2"
    ) {
        let (first, rest) = lower.split_at(1);
        let title = first.to_uppercase() + rest;
        add("title", &title, optional, &[(LENGTH, "3"), (SCALE, "2")]);
        add(
            "utf8",
            source_type,
            optional,
            &[(LENGTH, "5"), (CHARACTER_SET, "utf8mb4")],
        );
        add(
            "utf8none",
            source_type,
            optional,
            &[(CHARACTER_SET, "utf8mb3")],
        );
        add(
            "latin1",
            source_type,
            optional,
            &[(LENGTH, "5"), (CHARACTER_SET, "latin1")],
        );
        add("zero", source_type, optional, &[(LENGTH, "0")]);
        add("negative", source_type, optional, &[(LENGTH, "-1")]);
        add("long", source_type, optional, &[(LENGTH, "10485761")]);
        add("longest", source_type, optional, &[(LENGTH, "10485760")]);
        add("huge", source_type, optional, &[(LENGTH, "2147483647")]);
    }
}

fn others(kind: &Kind, source_type: &str, columns: &mut Vec<Column>) {
    let case = if source_type.starts_with(|first: char| first.is_lowercase()) {
        "lower"
    } else {
        "upper"
    };
    let mut add = |form: &str, presence, parameters: &[(&str, &str)]| {
        let mut parameters = parameters.to_vec();
        parameters.push((TYPE, source_type));
        let tag = format!("{}_{case}{form}", tag(&source_type.to_uppercase()));
        columns.push(kind.with(&tag, &parameters).column(presence));
    };
    add("", Presence::Optional, &[]);
    add("1", Presence::Required, &[(LENGTH, "1")]);
    add(
        "9",
        Presence::OptionalDefault,
        &[(LENGTH, "9"), (SCALE, "2")],
    );
}
