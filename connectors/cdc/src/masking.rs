//! The properties that say which columns are masked: `column.truncate.to.N.chars`, `column.mask.with.N.chars`,
//! `column.mask.hash.…`, `column.propagate.source.type`, `datatype.propagate.source.type`.
//!
//! Source: Debezium `ColumnMappers`, `TruncateColumn`, `MaskStrings`, `PropagateSourceTypeToSchemaParameter`.

use std::fmt;
use std::sync::Arc;

use openssl::hash::MessageDigest;
use tidegate_api::config::{Password, invalid};
use tidegate_api::{ConnectError, Props, Str};
use tidegate_relational::masking::{Masking, TextHash};
use tidegate_relational::{Column, TableId};

use crate::filters::Patterns;

/// What the originals list in place of the names of such properties. As names of properties they mean nothing.
const LISTED: [&str; 3] = [
    "column.mask.hash.([^.]+).with.salt.(.+)",
    "column.mask.with.(d+).chars",
    "column.truncate.to.(d+).chars",
];

const HASH: &str = "column.mask.hash.";
const HASH_V2: &str = "column.mask.hash.v2.";

/// Stands before the salt in the name of a property.
const SALT: &str = ".with.salt.";

pub const PROPAGATE_BY_COLUMN: &str = "column.propagate.source.type";
pub const PROPAGATE_BY_TYPE: &str = "datatype.propagate.source.type";

/// Characters of a mask. A number from a property's name becomes a text of that length, once per column.
const MAX_MASK: usize = 1 << 20;

/// How a string object begins in Java's serialisation.
const JAVA_STRING: [u8; 5] = [0xac, 0xed, 0x00, 0x05, 0x74];
const JAVA_LONG_STRING: [u8; 5] = [0xac, 0xed, 0x00, 0x05, 0x7c];

/// `column.mask.hash.ALGORITHM.with.salt.SALT`
struct Hash {
    digest: MessageDigest,
    salt: Password,
    /// Whether the text is hashed as Java would serialise it.
    is_serialized: bool,
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hash")
            .field("is_serialized", &self.is_serialized)
            .finish_non_exhaustive()
    }
}

/// What is done to which columns.
#[derive(Debug, Clone)]
pub struct Rule {
    columns: Patterns,
    /// `columns` has patterns of `db.table.TYPE` instead of `db.table.column`.
    by_type: bool,
    masking: Masking,
    /// In the original's order, whatever the order of the properties.
    rank: u8,
}

impl Rule {
    /// A column whose own length keeps it short enough is not truncated.
    fn applies(&self, table: &TableId, column: &Column) -> bool {
        let fits = matches!(self.masking, Masking::Truncate(limit) if fits(column, limit));
        let last = if self.by_type {
            &column.type_name
        } else {
            &column.name
        };
        !fits && self.columns.matches(&format!("{table}.{last}"))
    }
}

/// The rules of a connector; the first one that matches a column counts.
#[derive(Debug, Clone, Default)]
pub struct MaskingRules(Vec<Rule>);

impl MaskingRules {
    /// # Errors
    /// If a property of this kind is not understood.
    pub fn new(props: &Props) -> Result<Self, ConnectError> {
        let mut rules = Vec::new();
        for (name, columns) in props.iter() {
            rules.extend(rule(name, columns)?);
        }
        rules.sort_by_key(|rule: &Rule| rule.rank);
        Ok(Self(rules))
    }

    pub fn of(&self, table: &TableId, column: &Column) -> Option<Masking> {
        let found = self.0.iter().find(|rule| rule.applies(table, column));
        found.map(|rule| rule.masking.clone())
    }
}

/// The columns of a property and what is done to them; `None` for properties of other kinds.
///
/// # Errors
/// If it is not understood; the text does not have the salt.
pub fn rule(name: &str, columns: &str) -> Result<Option<Rule>, ConnectError> {
    let Some(masking) = masking(name, columns)? else {
        return Ok(None);
    };
    let by_type = name == PROPAGATE_BY_TYPE;
    let rank = match &masking {
        Masking::Truncate(_) => 0,
        Masking::Mask(_) => 1,
        Masking::SourceType => 2 + u8::from(by_type),
        Masking::Hash(_) => 4 + u8::from(name.starts_with(HASH_V2)),
    };
    Ok(Some(Rule {
        columns: Patterns::new(&without_salt(name), columns)?,
        by_type,
        masking,
        rank,
    }))
}

/// `None` for properties of other kinds.
fn masking(name: &str, columns: &str) -> Result<Option<Masking>, ConnectError> {
    let number = |text: &str| text.parse::<usize>().ok();
    let between = |prefix: &str, suffix: &str| {
        name.strip_prefix(prefix)
            .and_then(|rest| rest.strip_suffix(suffix))
    };
    if name == PROPAGATE_BY_COLUMN || name == PROPAGATE_BY_TYPE {
        return Ok((!columns.trim().is_empty()).then_some(Masking::SourceType));
    }
    let is_masking = name.starts_with("column.mask.") || name.starts_with("column.truncate.");
    if !is_masking || LISTED.contains(&name) {
        return Ok(None);
    }
    let unknown = || {
        ConnectError::config(invalid(
            &without_salt(name),
            columns,
            "the property is none of column.truncate.to.N.chars, column.mask.with.N.chars, column.mask.hash.ALGORITHM.with.salt.SALT and column.mask.hash.v2.ALGORITHM.with.salt.SALT",
        ))
    };
    if let Some(limit) = between("column.truncate.to.", ".chars") {
        return number(limit)
            .map(|limit| Some(Masking::Truncate(limit)))
            .ok_or_else(unknown);
    }
    if let Some(count) = between("column.mask.with.", ".chars") {
        let count = number(count).ok_or_else(unknown)?;
        if count > MAX_MASK {
            return Err(ConnectError::config(invalid(
                &without_salt(name),
                columns,
                &format!("a mask has at most {MAX_MASK} characters"),
            )));
        }
        return Ok(Some(Masking::Mask(Str::from("*".repeat(count)))));
    }
    let (rest, is_serialized) = match name.strip_prefix(HASH_V2) {
        Some(rest) => (rest, false),
        None => (name.strip_prefix(HASH).ok_or_else(unknown)?, true),
    };
    let (algorithm, salt) = rest.split_once(SALT).ok_or_else(unknown)?;
    let digest = digest(algorithm).ok_or_else(|| {
        ConnectError::config(invalid(
            &without_salt(name),
            columns,
            &format!("there is no hash algorithm {algorithm}"),
        ))
    })?;
    Ok(Some(Masking::Hash(Arc::new(Hash {
        digest,
        salt: Password::new(salt),
        is_serialized,
    }))))
}

/// The name of a property, which may have a salt in it, for people.
fn without_salt(name: &str) -> String {
    match name.split_once(SALT) {
        Some((start, _)) => format!("{start}{SALT}[hidden]"),
        None => name.to_owned(),
    }
}

/// Whether a column's own length keeps all values within a limit.
fn fits(column: &Column, limit: usize) -> bool {
    column
        .length
        .and_then(|length| usize::try_from(length).ok())
        .is_some_and(|length| length <= limit)
}

/// By Java's names: `SHA-256`, `MD5`, `SHA-512/256`, `SHA3-256`.
fn digest(algorithm: &str) -> Option<MessageDigest> {
    let name = algorithm.to_ascii_uppercase();
    let name = match name.strip_prefix("SHA-") {
        Some(bits) => format!("SHA{}", bits.replace('/', "-")),
        None => name,
    };
    MessageDigest::from_name(&name)
}

impl TextHash for Hash {
    fn of(&self, text: &str, length: Option<i32>) -> Str {
        let mut bytes = self.salt.reveal().as_bytes().to_vec();
        if self.is_serialized {
            serialize(text, &mut bytes);
        } else {
            bytes.extend_from_slice(text.as_bytes());
        }
        let hash = openssl::hash::hash(self.digest, &bytes);
        let mut hex: String = hash
            .iter()
            .flat_map(|bytes| bytes.iter())
            .flat_map(|byte| [byte >> 4, byte & 0xf])
            .filter_map(|digit| char::from_digit(digit.into(), 16))
            .collect();
        if let Some(length) = length.and_then(|length| usize::try_from(length).ok())
            && length > 0
        {
            hex.truncate(length);
        }
        Str::from(hex)
    }
}

/// As Java's `ObjectOutputStream` writes a string: in a form of UTF-8 that writes surrogates one by one.
fn serialize(text: &str, out: &mut Vec<u8>) {
    let mut modified = Vec::with_capacity(text.len());
    for unit in text.encode_utf16() {
        let low = |shift: u32| u8::try_from(unit >> shift & 0x3f).unwrap_or(0) | 0x80;
        match unit {
            1..=0x7f => modified.push(u8::try_from(unit).unwrap_or(0)),
            0 | 0x80..=0x7ff => {
                modified.extend([0xc0 | u8::try_from(unit >> 6).unwrap_or(0), low(0)]);
            }
            _ => modified.extend([0xe0 | u8::try_from(unit >> 12).unwrap_or(0), low(6), low(0)]),
        }
    }
    match u16::try_from(modified.len()) {
        Ok(length) => {
            out.extend(JAVA_STRING);
            out.extend(length.to_be_bytes());
        }
        Err(_) => {
            out.extend(JAVA_LONG_STRING);
            out.extend(u64::try_from(modified.len()).unwrap_or(0).to_be_bytes());
        }
    }
    out.extend(modified);
}

#[cfg(test)]
mod tests {
    use tidegate_api::Value;

    use super::*;

    fn rules(properties: &[(&str, &str)]) -> Result<MaskingRules, ConnectError> {
        let mut props = Props::new();
        for (name, value) in properties {
            props.set(*name, *value);
        }
        MaskingRules::new(&props)
    }

    fn table() -> TableId {
        TableId::in_database("d", "t")
    }

    fn shown(rule: &str, length: Option<i32>, value: Value) -> Value {
        let column = Column {
            name: Arc::from("c"),
            jdbc_type: 12,
            length,
            ..Column::default()
        };
        let rules = rules(&[(rule, "d.t.c")]).expect(rule);
        match rules.of(&table(), &column) {
            Some(masking) => masking.apply(&column, value),
            None => value,
        }
    }

    #[test]
    fn values_are_cut_covered_or_hashed() {
        #[track_caller]
        fn check(rule: &str, length: Option<i32>, value: &str, expected: &str) {
            let shown = shown(rule, length, Value::string(value));
            assert_eq!(shown, Value::string(expected), "{rule}");
        }
        check("column.truncate.to.3.chars", None, "äöüß", "äöü");
        check("column.truncate.to.3.chars", Some(3), "äöüß", "äöüß");
        check("column.truncate.to.3.chars", None, "ab😀", "ab");
        check("column.truncate.to.0.chars", None, "ab", "");
        check("column.mask.with.4.chars", None, "a", "****");
        check("column.mask.with.0.chars", None, "a", "");
        let v2 = "3681099918be28c95b81e27e7e5c2e4c6a6dea566d2d10e7f49139ebb779eb6f";
        let sha = "column.mask.hash.v2.SHA-256.with.salt.salt";
        check(sha, None, "abc", v2);
        check(sha, Some(5), "abc", "36810");
        check(
            "column.mask.hash.MD5.with.salt.s",
            None,
            "abc",
            "036d80be85737468cd2dfe3fcb6a7cc7",
        );
        let null = shown("column.mask.hash.MD5.with.salt.s", None, Value::Null);
        assert_eq!(null, Value::Null);
        let covered = shown("column.mask.with.2.chars", None, Value::Null);
        assert_eq!(covered, Value::string("**"));
    }

    #[test]
    fn the_first_kind_counts() {
        let rules = rules(&[
            ("column.mask.hash.MD5.with.salt.s", "d.t.a,d.t.b"),
            ("column.mask.with.1.chars", "d.t.b,d.t.c"),
            ("column.truncate.to.9.chars", "d.t.c"),
        ])
        .expect("valid");
        let of = |name: &str| {
            let column = Column {
                name: Arc::from(name),
                ..Column::default()
            };
            rules.of(&table(), &column)
        };
        assert!(matches!(of("a"), Some(Masking::Hash(_))));
        assert!(matches!(of("b"), Some(Masking::Mask(_))));
        assert!(matches!(of("c"), Some(Masking::Truncate(9))));
        assert!(of("d").is_none());
    }

    #[test]
    fn the_source_type_is_shown_by_name_or_by_type() {
        let column = Column {
            name: Arc::from("price"),
            type_name: Arc::from("DECIMAL UNSIGNED"),
            length: Some(12),
            scale: Some(2),
            comment: Some(Arc::from("net")),
            ..Column::default()
        };
        let parameters = |property: &str, patterns: &str| {
            let rules = rules(&[
                (property, patterns),
                ("column.mask.hash.MD5.with.salt.s", "d.t.price"),
            ]);
            let found = rules.expect("valid").of(&table(), &column);
            let found = found.expect("a rule").parameters(&column);
            let found = found.iter().map(|(name, value)| format!("{name}={value}"));
            found
                .collect::<Vec<_>>()
                .join(" ")
                .replace("__debezium.source.column.", "")
        };
        let all = "type=DECIMAL UNSIGNED length=12 scale=2 comment=net name=price";
        assert_eq!(parameters(PROPAGATE_BY_COLUMN, ".*\\.price"), all);
        assert_eq!(parameters(PROPAGATE_BY_TYPE, "d.t.decimal unsigned"), all);
        assert_eq!(parameters(PROPAGATE_BY_TYPE, "d.t.price"), "masked=true");
        assert_eq!(parameters(PROPAGATE_BY_COLUMN, ""), "masked=true");
    }

    #[test]
    fn mistakes_are_named_without_the_salt() {
        fn check(name: &str, part: &str) {
            let error = rules(&[(name, "d.t.c")]).expect_err(name);
            assert!(error.text().contains(part), "{}", error.text());
            assert!(!error.text().contains("s3cret"), "{}", error.text());
        }
        check("column.mask.with.x.chars", "column.mask.with.N.chars");
        check("column.truncate.to.-1.chars", "column.truncate.to.N.chars");
        check(
            "column.mask.hash.MD5.with.seed.x",
            "column.mask.hash.ALGORITHM",
        );
        let error =
            rules(&[("column.mask.hash.MD5.with.salt.s3cret", "d.(")]).expect_err("no pattern");
        assert!(error.text().contains("salt.[hidden]"), "{}", error.text());
        check(
            "column.mask.hash.NONE.with.salt.s3cret",
            "no hash algorithm NONE",
        );
    }
}
