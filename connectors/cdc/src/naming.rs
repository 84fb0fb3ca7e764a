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

/// `topic.naming.strategy`: which topic a table has.
///
/// Source: Debezium `{Default,Schema}[Unicode]TopicNamingStrategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TopicStrategy {
    /// The catalog is left out, which is what MySQL and MariaDB call database.
    pub without_catalog: bool,
    /// Characters that a topic's name cannot have become `_uXXXX`, and `_` itself too; otherwise `_`.
    pub unicode: bool,
}

impl TopicStrategy {
    /// Classes and what they stand for.
    pub const CLASSES: [(&str, Self); 4] = [
        (
            "io.debezium.schema.DefaultTopicNamingStrategy",
            Self::new(false, false),
        ),
        (
            "io.debezium.schema.SchemaTopicNamingStrategy",
            Self::new(true, false),
        ),
        (
            "io.debezium.schema.DefaultUnicodeTopicNamingStrategy",
            Self::new(false, true),
        ),
        (
            "io.debezium.schema.SchemaUnicodeTopicNamingStrategy",
            Self::new(true, true),
        ),
    ];

    const fn new(without_catalog: bool, unicode: bool) -> Self {
        Self {
            without_catalog,
            unicode,
        }
    }

    /// `None` for a class that is none of these.
    pub fn of_class(class: &str) -> Option<Self> {
        let known = Self::CLASSES.iter().find(|(name, _)| *name == class);
        known.map(|(_, strategy)| *strategy)
    }
}

/// Kafka's limit.
const LONGEST_TOPIC: usize = 249;

/// Names for one connector.
#[derive(Debug, Clone)]
pub struct Naming {
    pub prefix: Arc<str>,
    pub delimiter: String,
    pub adjustment: NameAdjustment,
    pub strategy: TopicStrategy,
}

impl Naming {
    /// `prefix.database.table`, sanitised; `prefix.table` by schema, where databases have no schemas.
    pub fn data_topic(&self, id: &TableId) -> Arc<str> {
        let catalog = id
            .catalog
            .as_deref()
            .filter(|_| !self.strategy.without_catalog);
        let parts = catalog.into_iter().chain(id.schema.as_deref());
        let parts = parts.chain(std::iter::once(&*id.table));
        let mut name = self.prefix.to_string();
        for part in parts.filter(|part| !part.trim().is_empty()) {
            name.push_str(&self.delimiter);
            name.push_str(part);
        }
        sanitised(&name, self.strategy.unicode)
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
                out.push_str(&unicode_replacement(unit));
            } else {
                out.push('_');
            }
        }
        out
    }
}

/// What stands for a UTF-16 unit that a name cannot have. Three digits are not filled up.
///
/// Source: Debezium `UnicodeReplacementFunction`.
fn unicode_replacement(unit: u16) -> String {
    match unit {
        0..=0xff => format!("_u00{unit:x}"),
        _ => format!("_u{unit:x}"),
    }
}

/// A name that Kafka accepts: other characters are replaced, the length is cut.
fn sanitised(name: &str, unicode: bool) -> Arc<str> {
    let mut out = String::with_capacity(name.len());
    for unit in name.encode_utf16() {
        let character = char::from_u32(unit.into()).unwrap_or(char::REPLACEMENT_CHARACTER);
        let is_legal = character.is_ascii_alphanumeric() || matches!(character, '.' | '-');
        if is_legal || (character == '_' && !unicode) {
            out.push(character);
        } else if unicode {
            out.push_str(&unicode_replacement(unit));
        } else {
            out.push('_');
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
            strategy: TopicStrategy::default(),
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
        // 64 characters are the most that a name has.
        check(
            "inv",
            &"ж".repeat(64),
            &format!("srv.inv.{}", "_".repeat(64)),
        );
        let long = format!("srv.{}.{}", "d".repeat(64), "_".repeat(128));
        check(&"d".repeat(64), &"😀".repeat(64), &long);
    }

    #[test]
    fn strategies_choose_parts_and_replacements() {
        fn check(class: &str, table: &str, topic: &str) {
            let class = format!("io.debezium.schema.{class}TopicNamingStrategy");
            let strategy = TopicStrategy::of_class(&class).expect("a known class");
            let naming = Naming {
                strategy,
                ..naming(NameAdjustment::None)
            };
            let id = TableId::in_database("crm", table);
            assert_eq!(&*naming.data_topic(&id), topic, "{class}");
        }
        check("Default", "my_people", "srv.crm.my_people");
        check("Schema", "my_people", "srv.my_people");
        check("DefaultUnicode", "my_people", "srv.crm.my_u005fpeople");
        check(
            "SchemaUnicode",
            "a$\tё€😀",
            "srv.a_u0024_u009_u451_u20ac_ud83d_ude00",
        );
        check("Schema", "a$ё😀", "srv.a____");
        assert_eq!(TopicStrategy::of_class("SchemaTopicNamingStrategy"), None);
        let long = "€".repeat(64);
        let naming = Naming {
            strategy: TopicStrategy {
                without_catalog: false,
                unicode: true,
            },
            ..naming(NameAdjustment::None)
        };
        let topic = naming.data_topic(&TableId::in_database("crm", long));
        assert_eq!(topic.len(), LONGEST_TOPIC);
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
        assert_eq!(
            naming(NameAdjustment::AvroUnicode).key_schema("ёé€"),
            "_u451_u00e9_u20ac.Key"
        );
    }
}
