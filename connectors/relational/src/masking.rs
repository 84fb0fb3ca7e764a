//! What a row shows of a column: all of it, a part, or something else in its place. Keys show all of it.
//!
//! Source: Debezium `TruncateColumn`, `MaskStrings`, `PropagateSourceTypeToSchemaParameter`.

use std::fmt;
use std::sync::Arc;

use tidegate_api::{Str, Value};

use crate::Column;

/// JDBC's numbers of the types that are masked: CHAR, VARCHAR, LONGVARCHAR, CLOB, and the same for national characters.
const CHARACTERS: [i32; 8] = [1, 12, -1, 2005, -15, -9, -16, 2011];

/// What is done to the values of a column.
#[derive(Debug, Clone)]
pub enum Masking {
    /// To so many UTF-16 units or bytes, if the column may have more.
    Truncate(usize),
    /// In place of every value, null included.
    Mask(Str),
    /// The value stays; type, size and name are parameters of its schema.
    SourceType,
    Hash(Arc<dyn TextHash>),
}

/// Makes of a text what it cannot be guessed from.
pub trait TextHash: fmt::Debug + Send + Sync {
    /// What stands for `text` in a column of so many characters.
    fn of(&self, text: &str, length: Option<i32>) -> Str;
}

impl Masking {
    /// Names and values of the parameters that show it in the field's schema.
    pub fn parameters(&self, column: &Column) -> Vec<(&'static str, String)> {
        match self {
            Self::Truncate(limit) => vec![("truncateLength", limit.to_string())],
            Self::Mask(_) | Self::Hash(_) => vec![("masked", "true".to_owned())],
            Self::SourceType => {
                let number = |number: Option<i32>| number.map(|number| number.to_string());
                let comment = column.comment.as_ref().filter(|text| !text.is_empty());
                let parts = [
                    (
                        "__debezium.source.column.type",
                        Some(column.type_name.to_uppercase()),
                    ),
                    ("__debezium.source.column.length", number(column.length)),
                    ("__debezium.source.column.scale", number(column.scale)),
                    (
                        "__debezium.source.column.comment",
                        comment.map(ToString::to_string),
                    ),
                    (
                        "__debezium.source.column.name",
                        Some(column.name.to_string()),
                    ),
                ];
                let known = parts.into_iter();
                known
                    .filter_map(|(name, value)| Some((name, value?)))
                    .collect()
            }
        }
    }

    /// What the row shows of a value.
    pub fn apply(&self, column: &Column, value: Value) -> Value {
        match (self, value) {
            (Self::Truncate(limit), Value::String(text)) => Value::String(truncated(text, *limit)),
            (Self::Truncate(limit), Value::Bytes(bytes)) => {
                let end = bytes.len().min(*limit);
                Value::Bytes(bytes.slice(..end))
            }
            (Self::Mask(mask), _) if CHARACTERS.contains(&column.jdbc_type) => {
                Value::String(mask.clone())
            }
            (Self::Hash(hash), Value::String(text)) if CHARACTERS.contains(&column.jdbc_type) => {
                Value::String(hash.of(&text, column.length))
            }
            (_, value) => value,
        }
    }
}

fn truncated(text: Str, limit: usize) -> Str {
    if text.len() <= limit {
        return text;
    }
    let mut units = 0;
    let end = text.char_indices().find(|(_, character)| {
        units += character.len_utf16();
        units > limit
    });
    match end.and_then(|(end, _)| text.get(..end)) {
        Some(start) => Str::new(start),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters_and_covered_with_nulls() {
        #[track_caller]
        fn check(masking: &Masking, jdbc_type: i32, value: Value, expected: Value) {
            let column = Column {
                jdbc_type,
                ..Column::default()
            };
            assert_eq!(masking.apply(&column, value), expected, "{masking:?}");
        }
        let (varchar, integer) = (12, 4);
        let three = Masking::Truncate(3);
        check(
            &three,
            varchar,
            Value::string("\u{e4}\u{f6}\u{fc}\u{df}"),
            Value::string("\u{e4}\u{f6}\u{fc}"),
        );
        check(
            &three,
            varchar,
            Value::string("ab\u{1f600}"),
            Value::string("ab"),
        );
        check(&three, varchar, Value::Null, Value::Null);
        check(&three, integer, Value::Int32(12345), Value::Int32(12345));
        let covered = Masking::Mask(Str::from("**"));
        check(&covered, varchar, Value::Null, Value::string("**"));
        check(&covered, integer, Value::Int32(1), Value::Int32(1));
    }
}
