//! Names of topics and schemas.
//!
//! Source: Debezium `AbstractTopicNamingStrategy`, `SchemaNameAdjuster`.

use std::sync::Arc;

use tidegate_relational::TableId;

/// `schema.name.adjustment.mode`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NameAdjustment {
    #[default]
    None,
    /// Characters that Avro does not know become `_`.
    Avro,
    /// They become `_uXXXX`, and `_` itself too.
    AvroUnicode,
}

/// Kafka's limit.
const LONGEST_TOPIC: usize = 249;

/// Names for one connector.
#[derive(Debug, Clone)]
pub struct Naming {
    pub prefix: Arc<str>,
    pub delimiter: String,
    pub adjustment: NameAdjustment,
}

impl Naming {
    /// `prefix.database.table`, sanitised.
    pub fn data_topic(&self, id: &TableId) -> Arc<str> {
        let mut name = self.prefix.to_string();
        for part in id.parts().filter(|part| !part.trim().is_empty()) {
            name.push_str(&self.delimiter);
            name.push_str(part);
        }
        sanitised(&name)
    }

    pub fn row_schema(&self, topic: &str) -> String {
        self.adjusted(&format!("{topic}.Value"))
    }
    pub fn key_schema(&self, topic: &str) -> String {
        self.adjusted(&format!("{topic}.Key"))
    }
    pub fn envelope_schema(&self, topic: &str) -> String {
        self.adjusted(&format!("{topic}.Envelope"))
    }

    fn adjusted(&self, name: &str) -> String {
        let unicode = match self.adjustment {
            NameAdjustment::None => return name.to_owned(),
            NameAdjustment::Avro => false,
            NameAdjustment::AvroUnicode => true,
        };
        let mut out = String::new();
        for (position, unit) in name.encode_utf16().enumerate() {
            let character = char::from_u32(unit.into()).unwrap_or(char::REPLACEMENT_CHARACTER);
            let legal = character.is_ascii_alphanumeric()
                || character == '.'
                || (character == '_' && !unicode);
            if position == 0 && character.is_ascii_digit() {
                out.push('_');
            }
            if legal {
                out.push(character);
            } else if unicode {
                let code = format!("_u{unit:04x}");
                out.push_str(&code);
            } else {
                out.push('_');
            }
        }
        out
    }
}

/// A name that Kafka accepts: other characters become `_`, the length is cut.
fn sanitised(name: &str) -> Arc<str> {
    let legal =
        |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-');
    let mut out = String::with_capacity(name.len());
    for character in name.chars() {
        if legal(character) {
            out.push(character);
        } else {
            out.extend(std::iter::repeat_n('_', character.len_utf16()));
        }
    }
    out.truncate(LONGEST_TOPIC);
    if matches!(out.as_str(), "." | "..") {
        out = "_".repeat(out.len());
    }
    if out != name {
        tracing::warn!("Topic '{name}' name isn't a valid topic name, replacing it with '{out}'.");
    }
    Arc::from(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naming(adjustment: NameAdjustment) -> Naming {
        Naming {
            prefix: Arc::from("srv"),
            delimiter: ".".to_owned(),
            adjustment,
        }
    }

    #[test]
    fn topics_have_legal_names() {
        fn check(database: &str, table: &str, topic: &str) {
            let id = TableId::in_database(database, table);
            assert_eq!(&*naming(NameAdjustment::None).data_topic(&id), topic);
        }
        check("inv", "orders", "srv.inv.orders");
        check("inv", "my table$", "srv.inv.my_table_");
        check("inv", "😀é", "srv.inv.___");
    }

    #[test]
    fn schema_names_are_adjusted_on_demand() {
        assert_eq!(
            naming(NameAdjustment::None).key_schema("a-b.c"),
            "a-b.c.Key"
        );
        assert_eq!(
            naming(NameAdjustment::Avro).key_schema("a-b.c"),
            "a_b.c.Key"
        );
        assert_eq!(
            naming(NameAdjustment::AvroUnicode).key_schema("1a_b"),
            "_1a_u005fb.Key"
        );
    }
}
