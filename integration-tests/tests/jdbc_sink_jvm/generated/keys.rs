//! Columns of keys: every type that an index takes, with and without what a source says of it.

use super::{Column, Kind, Presence, kinds};

const TYPE: &str = "__debezium.source.column.type";
const LENGTH: &str = "__debezium.source.column.length";

pub(super) fn columns() -> Vec<Column> {
    let plain = kinds::plain();
    let text = plain
        .iter()
        .find(|kind| kind.tag == "string")
        .expect("texts");
    let mut all = plain.clone();
    all.extend(kinds::keys());
    all.extend(kinds::temporal());
    let mut columns = Vec::new();
    for kind in &all {
        columns.extend(
            [Presence::Required, Presence::RequiredDefault].map(|presence| kind.column(presence)),
        );
    }
    columns.extend(of_texts(text));
    columns
}

fn of_texts(text: &Kind) -> Vec<Column> {
    let mut columns = Vec::new();
    for source_type in [
        "CHAR", "NCHAR", "varchar", "NVARCHAR", "VARCHAR2", "TEXT", "CITEXT", "INET",
    ] {
        for length in [None, Some("20"), Some("0"), Some("20000000")] {
            let mut parameters = vec![(TYPE, source_type)];
            parameters.extend(length.map(|length| (LENGTH, length)));
            let mut kind = text.with(
                &format!("{source_type}{}", length.unwrap_or_default()),
                &parameters,
            );
            if source_type == "INET" {
                kind.values = ["10.0.0.1", "10.0.0.2", "::1", "10.0.0.0/8"].map(Into::into);
            }
            columns.push(kind.column(Presence::Required));
        }
    }
    columns
}
