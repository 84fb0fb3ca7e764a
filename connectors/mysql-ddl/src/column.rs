//! Definitions of columns.

use std::sync::Arc;

use tidegate_relational::Column;

use crate::charset::Charset;
use crate::default::{bytes_of_bits, default_expression};
use crate::lexer::{Kind, Token};
use crate::parser::{Parser, Result};
use crate::schemas::Dialect;
use crate::sql_mode::SqlMode;

/// Codes of `java.sql.Types` that the original's parser assigns.
mod jdbc {
    pub(super) const BIT: i32 = -7;
    pub(super) const BIGINT: i32 = -5;
    pub(super) const VARBINARY: i32 = -3;
    pub(super) const BINARY: i32 = -2;
    pub(super) const CHAR: i32 = 1;
    pub(super) const NUMERIC: i32 = 2;
    pub(super) const DECIMAL: i32 = 3;
    pub(super) const INTEGER: i32 = 4;
    pub(super) const SMALLINT: i32 = 5;
    pub(super) const FLOAT: i32 = 6;
    pub(super) const REAL: i32 = 7;
    pub(super) const DOUBLE: i32 = 8;
    pub(super) const VARCHAR: i32 = 12;
    pub(super) const BOOLEAN: i32 = 16;
    pub(super) const DATE: i32 = 91;
    pub(super) const TIME: i32 = 92;
    pub(super) const TIMESTAMP: i32 = 93;
    pub(super) const OTHER: i32 = 1111;
    pub(super) const BLOB: i32 = 2004;
    pub(super) const TIMESTAMP_WITH_TIMEZONE: i32 = 2014;
    pub(super) const NCHAR: i32 = -15;
    pub(super) const NVARCHAR: i32 = -9;
}

/// A column and the keys that its definition names.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) column: Column,
    pub(crate) primary_key: bool,
    pub(crate) unique: bool,
    /// Whether a value stands behind `ON UPDATE`, for MySQL.
    changes_on_update: bool,
    charset: Charset,
    suffix: BinarySuffix,
}

/// `BINARY` behind a text's type, the binary collation: the original shows it as a part of the type.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum BinarySuffix {
    #[default]
    None,
    Shown,
    /// The original's parser does not find the word.
    Hidden,
}

impl BinarySuffix {
    /// Behind or before `ASCII` or `UNICODE`.
    fn beside_charset(self, reading: Reading) -> Self {
        match reading.dialect {
            Dialect::MySql => Self::Hidden,
            Dialect::MariaDb => self,
        }
    }
}

/// How definitions are read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Reading {
    pub(crate) comments: bool,
    pub(crate) dialect: Dialect,
    pub(crate) sql_mode: SqlMode,
}

/// Options of an ENUM or SET; no server takes more.
const MAX_OPTIONS: usize = 65_535;

impl Definition {
    /// Everything behind the column's name. Stops before `FIRST`, `AFTER`, `PARTITION BY`, `,` and `)`.
    pub(crate) fn parse(parser: &mut Parser<'_>, name: &str, reading: Reading) -> Result<Self> {
        let mut definition = Self {
            column: Column {
                name: Arc::from(name),
                optional: true,
                ..Column::default()
            },
            primary_key: false,
            unique: false,
            changes_on_update: false,
            charset: Charset::default(),
            suffix: BinarySuffix::None,
        };
        definition.data_type(parser, reading)?;
        while !parser.at_end_of_clause()
            && !parser.at_any(&["FIRST", "AFTER"])
            && !parser.at(&["PARTITION", "BY"])
        {
            // `PARTITION BY KEY (a)` follows the last clause without a comma; its `KEY` makes no primary key.
            definition.attribute(parser, reading)?;
        }
        definition.show_suffix(reading);
        definition.finish();
        Ok(definition)
    }

    fn show_suffix(&mut self, reading: Reading) {
        let column = &mut self.column;
        let name = &column.type_name;
        let first = name.split(' ').next().unwrap_or_default();
        // Not for types that the original's parser for MariaDB does not know with this word.
        let is_unknown =
            reading.dialect == Dialect::MariaDb && matches!(first, "CHARACTER" | "LONG");
        if self.suffix == BinarySuffix::Shown && is_text(column) && !is_unknown {
            column.type_name = Arc::from(format!("{name} BINARY"));
            column.type_expression = Arc::clone(&column.type_name);
        }
    }

    fn finish(&mut self) {
        let column = &mut self.column;
        if column.charset.is_none() && is_text(column) && self.charset.is_given() {
            column.charset = self.charset.name().map(Arc::from);
        }
        if self.primary_key {
            Self::force_not_null(column);
        }
        let is_generated = column.generated && !self.changes_on_update;
        if column.optional && !column.has_default && !is_generated {
            column.has_default = true;
        }
    }

    /// Key columns cannot be null. As in the original, an expression is no default of theirs.
    pub(crate) fn force_not_null(column: &mut Column) {
        column.optional = false;
        if column.default_expression.is_none() {
            column.has_default = false;
        }
    }

    fn data_type(&mut self, parser: &mut Parser<'_>, reading: Reading) -> Result<()> {
        let mode = reading.sql_mode;
        let mut first = type_word(parser)?;
        let mut oracle = mode.oracle();
        if parser.eat_symbol(".") {
            // `mariadb_schema.date` is MariaDB's own type, whatever the mode.
            oracle = first == "ORACLE_SCHEMA";
            first = type_word(parser)?;
        }
        let is_charset = parser.at(&["CHARACTER", "SET"]) || parser.at(&["CHAR", "SET"]);
        let followers: &[&[&str]] = match first.as_str() {
            // `LONG CHARACTER SET latin1`
            _ if is_charset => &[],
            "DOUBLE" => &[&["PRECISION"]],
            "NATIONAL" => &[
                &["CHARACTER", "CHAR", "VARCHAR", "VARCHARACTER"],
                &["VARYING"],
            ],
            "CHARACTER" | "CHAR" => &[&["VARYING"]],
            "NCHAR" => &[&["VARYING", "VARCHAR", "VARCHARACTER"]],
            "LONG" => &[
                &["VARCHAR", "VARBINARY", "CHAR", "CHARACTER", "VARCHARACTER"],
                &["VARYING"],
            ],
            _ => &[],
        };
        let mut words = vec![first];
        for choices in followers {
            words.extend(
                choices
                    .iter()
                    .find(|word| parser.eat(&[word]))
                    .map(|word| (*word).to_owned()),
            );
        }
        let (numbers, options) = arguments(parser, reading)?;
        while let Some(word) = ["UNSIGNED", "SIGNED", "ZEROFILL"]
            .iter()
            .find(|word| parser.eat(&[word]))
        {
            words.push((*word).to_owned());
        }
        zerofill_is_unsigned(&mut words, reading.dialect);
        if reading.dialect == Dialect::MySql && words[0] == "NCHAR" {
            for word in words.iter_mut().filter(|word| *word == "VARCHARACTER") {
                "VARCHAR".clone_into(word);
            }
        }
        self.column.enum_values = options;
        with_common_name(&mut words, &numbers, mode, oracle);
        self.set_type(&words, &numbers);
        if reading.dialect == Dialect::MySql {
            lengthen_empty(&mut self.column);
        }
        Ok(())
    }

    fn set_type(&mut self, words: &[String], arguments: &[String]) {
        let column = &mut self.column;
        let name: Arc<str> = Arc::from(words.join(" "));
        column.type_name = Arc::clone(&name);
        column.type_expression = name;
        // `decimal(19.5)` has 19 digits; lengths beyond an int are clamped.
        let number = |index: usize| {
            let text = arguments.get(index)?;
            let whole = text.split('.').next().unwrap_or_default();
            Some(
                whole
                    .parse::<i64>()
                    .map_or(i32::MAX, |n| i32::try_from(n).unwrap_or(i32::MAX)),
            )
        };
        column.length = number(0);
        column.scale = number(1);
        let options = i32::try_from(column.enum_values.len()).unwrap_or(i32::MAX);
        let last = words.get(1).map(String::as_str);
        column.jdbc_type = match words[0].as_str() {
            "BIT" => {
                column.length = column.length.or(Some(1));
                jdbc::BIT
            }
            "TINYINT" | "INT1" | "SMALLINT" | "INT2" => jdbc::SMALLINT,
            "MEDIUMINT" | "INT3" | "MIDDLEINT" | "INT" | "INTEGER" | "INT4" | "YEAR" => {
                jdbc::INTEGER
            }
            "BIGINT" | "INT8" => jdbc::BIGINT,
            "SERIAL" => {
                column.type_name = Arc::from("BIGINT UNSIGNED");
                column.type_expression = Arc::clone(&column.type_name);
                column.optional = false;
                column.auto_incremented = true;
                column.generated = true;
                self.unique = true;
                jdbc::BIGINT
            }
            "REAL" => jdbc::REAL,
            "FLOAT" | "FLOAT4" => jdbc::FLOAT,
            "DOUBLE" | "FLOAT8" => jdbc::DOUBLE,
            "DECIMAL" | "DEC" | "FIXED" | "NUMERIC" => {
                column.length = column.length.filter(|length| *length > 0).or(Some(10));
                column.scale = column.scale.or(Some(0));
                if words[0] == "NUMERIC" {
                    jdbc::NUMERIC
                } else {
                    jdbc::DECIMAL
                }
            }
            "ENUM" => {
                column.length = Some(1);
                jdbc::CHAR
            }
            "SET" => {
                column.length = Some((options * 2 - 1).max(0));
                jdbc::CHAR
            }
            "NATIONAL" if last.is_some_and(|word| word.starts_with("VAR")) || words.len() > 2 => {
                jdbc::NVARCHAR
            }
            "NCHAR" if last.is_some() => jdbc::NVARCHAR,
            "NCHAR" | "NATIONAL" => jdbc::NCHAR,
            "NVARCHAR" => jdbc::NVARCHAR,
            "CHAR" | "CHARACTER" if last != Some("VARYING") => jdbc::CHAR,
            "LONG" if last == Some("VARBINARY") => jdbc::BLOB,
            "CHAR" | "CHARACTER" | "VARCHAR" | "VARCHARACTER" | "TINYTEXT" | "TEXT"
            | "MEDIUMTEXT" | "LONGTEXT" | "LONG" => jdbc::VARCHAR,
            "DATE" => jdbc::DATE,
            "TIME" => jdbc::TIME,
            "DATETIME" => jdbc::TIMESTAMP,
            "TIMESTAMP" => jdbc::TIMESTAMP_WITH_TIMEZONE,
            "BINARY" => jdbc::BINARY,
            "VARBINARY" => jdbc::VARBINARY,
            "TINYBLOB" | "BLOB" | "MEDIUMBLOB" | "LONGBLOB" => jdbc::BLOB,
            "BOOL" | "BOOLEAN" => jdbc::BOOLEAN,
            "VECTOR" => {
                column.length = column.length.or(Some(2048));
                jdbc::OTHER
            }
            _ => jdbc::OTHER,
        };
        if column.jdbc_type == jdbc::NCHAR {
            column.length = column.length.or(Some(1));
        }
        if matches!(column.jdbc_type, jdbc::NCHAR | jdbc::NVARCHAR) {
            column.charset = Some(Arc::from("utf8"));
        }
    }

    fn attribute(&mut self, parser: &mut Parser<'_>, reading: Reading) -> Result<()> {
        if parser.charset(&mut self.charset)? {
            return Ok(());
        }
        if parser.eat(&["NOT", "NULL"]) {
            self.column.optional = false;
        } else if parser.eat(&["NULL"]) {
            self.column.optional = true;
        } else if parser.eat(&["DEFAULT"]) {
            let is_now = parser.at_any(&CURRENT_TIMESTAMP);
            let is_kept = is_kept(parser, reading);
            let expression = default_expression(parser, &self.column, reading)?;
            self.column.default_expression = expression.map(Arc::from);
            self.column.has_default |= is_kept;
            // In the original's grammar for MariaDB part of the default, otherwise the mark of a generated column.
            if is_now && reading.dialect == Dialect::MariaDb && parser.eat(&["ON", "UPDATE"]) {
                skip_call(parser)?;
            }
        } else if parser.eat(&["SERIAL", "DEFAULT", "VALUE"]) {
            self.column.optional = false;
            self.auto_increment();
            self.unique = true;
        } else if parser.eat(&["AUTO_INCREMENT"]) {
            self.column.optional = false;
            self.auto_increment();
        } else if parser.eat(&["PRIMARY", "KEY"]) || parser.eat_any(&["PRIMARY", "KEY"]) {
            self.primary_key = true;
        } else if parser.eat(&["UNIQUE", "KEY"]) || parser.eat(&["UNIQUE"]) {
            self.unique = true;
        } else if parser.eat(&["COMMENT"]) {
            parser.eat_symbol("=");
            let text = parser.string();
            self.column.comment = text.filter(|_| reading.comments).map(Arc::from);
        } else if parser.eat(&["ON", "UPDATE"]) {
            skip_call(parser)?;
            // The original takes the column for a generated one then.
            self.changes_on_update = reading.dialect == Dialect::MySql;
            self.auto_increment();
        } else if parser.eat(&["REFERENCES"]) {
            skip_reference(parser)?;
        } else if parser.eat(&["AS", "ROW"]) {
            // A column of system versioning; it has a value in each row.
            self.column.optional = false;
        } else if parser.eat(&["ASCII"]) {
            self.charset.set_charset("latin1");
            self.suffix = self.suffix.beside_charset(reading);
        } else if parser.eat(&["UNICODE"]) {
            self.charset.set_charset("ucs2");
            self.suffix = self.suffix.beside_charset(reading);
        } else if parser.eat(&["BYTE"]) {
            self.charset.set_charset(BINARY_CHARSET);
        } else if parser.eat(&["BINARY"]) {
            if self.suffix == BinarySuffix::None {
                self.suffix = BinarySuffix::Shown;
            }
        } else {
            parser.skip_one()?;
        }
        Ok(())
    }

    fn auto_increment(&mut self) {
        self.column.auto_incremented = true;
        self.column.generated = true;
    }
}

/// Words that stand for the time at which a row is written.
const CURRENT_TIMESTAMP: [&str; 4] = ["CURRENT_TIMESTAMP", "NOW", "LOCALTIME", "LOCALTIMESTAMP"];

fn skip_call(parser: &mut Parser<'_>) -> Result<()> {
    parser.name()?;
    if parser.at_symbol("(") {
        parser.skip_parentheses()?;
    }
    Ok(())
}

/// Whether the original notes that there is a default: of MariaDB's hexadecimal literals it does not.
fn is_kept(parser: &Parser<'_>, reading: Reading) -> bool {
    let is_hex = |token: Token| match token.kind {
        Kind::Hex => true,
        Kind::Bits => !token.source(parser.sql).ends_with('\''),
        _ => false,
    };
    let is_introducer =
        |token: &Token| token.kind == Kind::Word && token.source(parser.sql).starts_with('_');
    let behind = usize::from(parser.peek().as_ref().is_some_and(is_introducer));
    let literal = parser.peek_at(behind);
    reading.dialect == Dialect::MySql || !literal.is_some_and(is_hex)
}

fn type_word(parser: &mut Parser<'_>) -> Result<String> {
    match parser.peek() {
        Some(token) if matches!(token.kind, Kind::Word | Kind::Name) => {
            parser.next();
            Ok(parser.text(token).to_ascii_uppercase())
        }
        _ => Err(parser.error("a data type is missing")),
    }
}

/// Numbers and options in parentheses behind the type's name.
fn arguments(parser: &mut Parser<'_>, reading: Reading) -> Result<(Vec<String>, Vec<Arc<str>>)> {
    let (mut numbers, mut options) = (Vec::new(), Vec::new());
    if !parser.eat_symbol("(") {
        return Ok((numbers, options));
    }
    while !parser.eat_symbol(")") {
        match parser.next() {
            Some(token) if token.kind == Kind::Number => numbers.push(parser.text(token)),
            Some(_) if options.len() >= MAX_OPTIONS => {
                return Err(
                    parser.error(format!("ENUM or SET has more than {MAX_OPTIONS} options"))
                );
            }
            Some(token) => options.extend(option(parser, token, reading)),
            None => return Err(parser.error("')' is missing")),
        }
    }
    Ok((numbers, options))
}

/// An option of ENUM or SET as SHOW CREATE TABLE writes it: in single quotes, without trailing spaces.
/// `\\` and `\'` are escapes there, whatever the mode. The original keeps double quotes of MariaDB's statements.
fn option(parser: &Parser<'_>, token: Token, reading: Reading) -> Option<Arc<str>> {
    let text = token.text(parser.sql);
    let source = token.source(parser.sql);
    let keeps_quotes = reading.dialect == Dialect::MariaDb && !text.contains(['\\', '"', '\'']);
    let (quote, inner) = match token.kind {
        Kind::String if source.ends_with('"') && keeps_quotes => ('"', text.into_owned()),
        Kind::String if source.ends_with('"') => {
            let plain = text.replace("\"\"", "\"").replace("\\\"", "\"");
            ('\'', plain.replace('\'', "''"))
        }
        Kind::String => ('\'', text.into_owned()),
        Kind::Hex | Kind::Bits => {
            let bytes = match token.kind {
                Kind::Hex => bytes_of_hex(&text),
                _ => bytes_of_bits(&text)?,
            };
            let plain = String::from_utf8_lossy(&bytes).into_owned();
            ('\'', plain.replace('\'', "''"))
        }
        _ => return None,
    };
    let inner = if matches!(token.kind, Kind::Hex | Kind::Bits) {
        inner.replace('\\', "\\\\")
    } else {
        inner
    };
    let inner = inner.trim_end_matches(' ');
    Some(Arc::from(format!("{quote}{inner}{quote}")))
}

pub(crate) fn bytes_of_hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits
        .chars()
        .filter_map(|digit| u8::try_from(digit.to_digit(16)?).ok())
        .collect();
    // An odd number of digits lacks a zero in front.
    let odd = digits.len() % 2;
    let first = digits.get(..odd).unwrap_or_default().to_vec();
    let pairs = digits.get(odd..).unwrap_or_default().chunks(2);
    first
        .into_iter()
        .chain(pairs.map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)))
        .collect()
}

/// The original's parser for MySQL takes a length of 0 for 10. BINARY keeps its own: values are padded to it.
fn lengthen_empty(column: &mut Column) {
    let name = column.type_name.split(' ').next();
    if column.length == Some(0)
        && matches!(
            name,
            Some("CHAR" | "VARCHAR" | "VARBINARY" | "INT" | "FLOAT")
        )
    {
        column.length = Some(10);
    }
}

/// `INT ZEROFILL` and `INT ZEROFILL UNSIGNED` are `INT UNSIGNED ZEROFILL`.
fn zerofill_is_unsigned(words: &mut Vec<String>, dialect: Dialect) {
    if words.iter().any(|word| word == "ZEROFILL") {
        words.retain(|word| match word.as_str() {
            "UNSIGNED" | "ZEROFILL" => false,
            "SIGNED" => dialect == Dialect::MariaDb,
            _ => true,
        });
        words.extend(["UNSIGNED", "ZEROFILL"].map(str::to_owned));
    }
}

/// Types that only MariaDB has under these names, most of them taken from Oracle.
fn with_common_name(words: &mut [String], numbers: &[String], mode: SqlMode, oracle: bool) {
    let Some(first) = words.first_mut() else {
        return;
    };
    let common = match first.as_str() {
        "VARCHAR2" => "VARCHAR",
        "RAW" => "VARBINARY",
        "CLOB" => "LONGTEXT",
        "BLOB" if oracle => "LONGBLOB",
        "DATE" if oracle => "DATETIME",
        "NUMBER" if numbers.is_empty() => "DOUBLE",
        "NUMBER" => "DECIMAL",
        "REAL" if mode.real_as_float() => "FLOAT",
        _ => return,
    };
    common.clone_into(first);
}

/// Behind `REFERENCES`: its actions hold words that are attributes elsewhere.
fn skip_reference(parser: &mut Parser<'_>) -> Result<()> {
    parser.name()?;
    if parser.eat_symbol(".") {
        parser.name()?;
    }
    if parser.at_symbol("(") {
        parser.skip_parentheses()?;
    }
    loop {
        if parser.eat(&["MATCH"]) {
            parser.name()?;
        } else if parser.eat(&["ON", "DELETE"]) || parser.eat(&["ON", "UPDATE"]) {
            if !parser.eat(&["SET", "NULL"])
                && !parser.eat(&["SET", "DEFAULT"])
                && !parser.eat(&["NO", "ACTION"])
            {
                parser.name()?;
            }
        } else {
            return Ok(());
        }
    }
}

/// Whether the column has a charset.
pub(crate) fn is_text(column: &Column) -> bool {
    matches!(
        column.jdbc_type,
        jdbc::CHAR | jdbc::VARCHAR | jdbc::NCHAR | jdbc::NVARCHAR
    )
}

/// The charset that is none.
const BINARY_CHARSET: &str = "binary";

/// Gives a text column its charset. As on the server, text in charset `binary` is bytes and the type says so.
pub(crate) fn set_charset(column: &mut Column, charset: &Arc<str>) {
    column.charset = Some(Arc::clone(charset));
    if &**charset != BINARY_CHARSET || !column.enum_values.is_empty() {
        return;
    }
    let first = column.type_name.split(' ').next().unwrap_or_default();
    let (name, jdbc_type) = match first {
        "TINYTEXT" => ("TINYBLOB", jdbc::BLOB),
        "TEXT" => ("BLOB", jdbc::BLOB),
        "MEDIUMTEXT" | "LONG" => ("MEDIUMBLOB", jdbc::BLOB),
        "LONGTEXT" => ("LONGBLOB", jdbc::BLOB),
        _ if matches!(column.jdbc_type, jdbc::CHAR | jdbc::NCHAR) => ("BINARY", jdbc::BINARY),
        _ => ("VARBINARY", jdbc::VARBINARY),
    };
    column.charset = None;
    column.jdbc_type = jdbc_type;
    column.type_name = Arc::from(name);
    column.type_expression = Arc::clone(&column.type_name);
}
