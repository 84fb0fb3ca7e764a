//! Definitions of columns.

use std::sync::Arc;

use tidegate_relational::Column;

use crate::lexer::Kind;
use crate::parser::{Parser, Result};

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
}

/// What stands for `CURRENT_TIMESTAMP` as a default.
const EPOCH: &str = "1970-01-01 00:00:00";

impl Definition {
    /// Everything behind the column's name. Stops before `FIRST`, `AFTER`, `,` and `)`.
    pub(crate) fn parse(parser: &mut Parser<'_>, name: &str, comments: bool) -> Result<Self> {
        let mut definition = Self {
            column: Column {
                name: Arc::from(name),
                optional: true,
                ..Column::default()
            },
            primary_key: false,
            unique: false,
        };
        definition.data_type(parser)?;
        while !parser.is_done()
            && !parser.at_symbol(",")
            && !parser.at_symbol(")")
            && !parser.at_symbol(";")
        {
            if parser.at(&["FIRST"]) || parser.at(&["AFTER"]) {
                break;
            }
            definition.attribute(parser, comments)?;
        }
        definition.finish();
        Ok(definition)
    }

    fn finish(&mut self) {
        let column = &mut self.column;
        if self.primary_key {
            column.optional = false;
        }
        if column.optional && !column.has_default && !column.generated {
            column.has_default = true;
        }
    }

    /// Key columns cannot be null.
    pub(crate) fn force_not_null(column: &mut Column) {
        column.optional = false;
        if column.default_expression.is_none() {
            column.has_default = false;
        }
    }

    fn data_type(&mut self, parser: &mut Parser<'_>) -> Result<()> {
        let Some(first) = parser
            .next()
            .filter(|token| matches!(token.kind, Kind::Word | Kind::Name))
        else {
            return Err(parser.error("a data type is missing"));
        };
        let mut words = vec![first.text.to_ascii_uppercase()];
        let mut more = |parser: &mut Parser<'_>, followers: &[&str]| {
            if let Some(word) = followers.iter().find(|word| parser.eat(&[word])) {
                words.push((*word).to_owned());
            }
        };
        match first.text.to_ascii_uppercase().as_str() {
            "DOUBLE" => more(parser, &["PRECISION"]),
            "NATIONAL" => {
                more(parser, &["CHARACTER", "CHAR", "VARCHAR"]);
                more(parser, &["VARYING"]);
            }
            "CHARACTER" | "CHAR" | "NCHAR" => more(parser, &["VARYING", "VARCHAR"]),
            "LONG" => more(parser, &["VARCHAR", "VARBINARY"]),
            _ => {}
        }
        let mut arguments = Vec::new();
        let mut texts = Vec::new();
        if parser.eat_symbol("(") {
            while !parser.eat_symbol(")") {
                match parser.next() {
                    Some(token) if token.kind == Kind::Number => arguments.push(token.text),
                    Some(token) if token.kind == Kind::String => {
                        texts.push(Arc::from(
                            parser.sql.get(token.start..token.end).unwrap_or_default(),
                        ));
                    }
                    Some(_) => {}
                    None => return Err(parser.error("')' is missing")),
                }
            }
        }
        while let Some(word) = ["UNSIGNED", "SIGNED", "ZEROFILL"]
            .iter()
            .find(|word| parser.eat(&[word]))
        {
            words.push((*word).to_owned());
        }
        self.column.enum_values = texts;
        self.set_type(&words, &arguments);
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
            "NATIONAL" if last == Some("VARCHAR") || words.len() > 2 => jdbc::NVARCHAR,
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
        if matches!(column.jdbc_type, jdbc::NCHAR | jdbc::NVARCHAR) {
            column.charset = Some(Arc::from("utf8"));
        }
    }

    fn attribute(&mut self, parser: &mut Parser<'_>, comments: bool) -> Result<()> {
        let mut charset = self.column.charset.as_deref().map(str::to_owned);
        if parser.charset(&mut charset)? || parser.collation(&mut charset)? {
            if self.is_text() {
                self.column.charset = charset.map(Arc::from);
            }
            return Ok(());
        }
        if parser.eat(&["NOT", "NULL"]) {
            self.column.optional = false;
        } else if parser.eat(&["NULL"]) {
            self.column.optional = true;
        } else if parser.eat(&["DEFAULT"]) {
            self.default(parser)?;
        } else if parser.eat(&["SERIAL", "DEFAULT", "VALUE"]) {
            self.column.optional = false;
            self.auto_increment();
            self.unique = true;
        } else if parser.eat(&["AUTO_INCREMENT"]) {
            self.auto_increment();
        } else if parser.eat(&["PRIMARY", "KEY"]) || parser.eat(&["PRIMARY"]) {
            self.primary_key = true;
        } else if parser.eat(&["UNIQUE", "KEY"]) || parser.eat(&["UNIQUE"]) {
            self.unique = true;
        } else if parser.eat(&["KEY"]) {
            self.primary_key = true;
        } else if parser.eat(&["COMMENT"]) {
            let text = parser.string();
            self.column.comment = text.filter(|_| comments).map(Arc::from);
        } else if parser.eat(&["ON", "UPDATE"]) {
            parser.name()?;
            if parser.at_symbol("(") {
                parser.skip_parentheses()?;
            }
        } else if parser.eat(&["ASCII"]) {
            self.column.charset = Some(Arc::from("latin1"));
        } else if parser.eat(&["UNICODE"]) {
            self.column.charset = Some(Arc::from("ucs2"));
        } else {
            parser.skip_one()?;
        }
        Ok(())
    }

    fn auto_increment(&mut self) {
        self.column.auto_incremented = true;
        self.column.generated = true;
    }

    fn is_text(&self) -> bool {
        is_text(&self.column)
    }

    fn default(&mut self, parser: &mut Parser<'_>) -> Result<()> {
        self.column.has_default = true;
        self.column.default_expression = default_expression(parser)?.map(Arc::from);
        Ok(())
    }
}

/// Whether the column has a charset.
pub(crate) fn is_text(column: &Column) -> bool {
    matches!(
        column.jdbc_type,
        jdbc::CHAR | jdbc::VARCHAR | jdbc::NCHAR | jdbc::NVARCHAR
    )
}

/// A default as the model keeps it: literals without quotes, `None` for NULL and for expressions.
pub(crate) fn default_expression(parser: &mut Parser<'_>) -> Result<Option<String>> {
    if parser.at_symbol("(") {
        parser.skip_parentheses()?;
        return Ok(None);
    }
    let sign = if parser.eat_symbol("-") { "-" } else { "" };
    parser.eat_symbol("+");
    let Some(token) = parser.next() else {
        return Err(parser.error("a default is missing"));
    };
    let expression = match token.kind {
        Kind::String => {
            let mut text = token.text;
            // Adjacent literals are one.
            while let Some(more) = parser.string() {
                text.push_str(&more);
            }
            Some(text)
        }
        Kind::Number => Some(format!("{sign}{}", token.text)),
        Kind::Bits | Kind::Hex => Some(token.text),
        Kind::Word
            if token.text.starts_with('_')
                && parser.peek().is_some_and(|next| next.kind == Kind::String) =>
        {
            parser.string()
        }
        Kind::Word => {
            let has_arguments = parser.at_symbol("(");
            if has_arguments {
                parser.skip_parentheses()?;
            }
            match token.text.to_ascii_uppercase().as_str() {
                "NULL" => None,
                "CURRENT_TIMESTAMP" | "NOW" | "LOCALTIME" | "LOCALTIMESTAMP" => {
                    Some(EPOCH.to_owned())
                }
                "TRUE" | "FALSE" => Some(token.text),
                _ => None,
            }
        }
        Kind::Name | Kind::Symbol => None,
    };
    // `DEFAULT now() ON UPDATE now()`, `DEFAULT 1 + 1`: operators end in the next attribute and are skipped there.
    Ok(expression)
}
