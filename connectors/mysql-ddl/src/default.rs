//! DEFAULT clauses as the model and the schema history keep them.
//!
//! A default is the text that the original keeps: a literal without its quotes, its escapes as written. Where that text would
//! stand for another value than the server's (numbers for texts, bits for numbers, adjacent strings), it is the text of a
//! literal in single quotes that has the server's value. [`literal_text`] says what such a text stands for.

use std::fmt::Write as _;
use std::sync::Arc;

use tidegate_relational::Column;

use crate::column::{Reading, bytes_of_hex};
use crate::lexer::{Kind, Token};
use crate::parser::{Parser, Result};
use crate::schemas::Dialect;
use crate::sql_mode::SqlMode;

/// What stands for `CURRENT_TIMESTAMP` as a default.
const EPOCH: &str = "1970-01-01 00:00:00";

/// What decides about the value that a literal has for a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Bit,
    Number,
    Text,
    Bytes,
    Year,
    Enum,
    Set,
    Other,
}

impl Family {
    fn of(column: &Column, dialect: Dialect) -> Self {
        let name = column.type_name.split(' ').next().unwrap_or_default();
        match name {
            "BIT" => Self::Bit,
            "BOOL" | "BOOLEAN" | "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "INTEGER"
            | "BIGINT" | "INT1" | "INT2" | "INT3" | "INT4" | "INT8" | "MIDDLEINT" | "DECIMAL"
            | "DEC" | "FIXED" | "NUMERIC" | "NUMBER" | "FLOAT" | "FLOAT4" | "FLOAT8" | "DOUBLE"
            | "REAL" => Self::Number,
            "CHAR" | "CHARACTER" | "VARCHAR" | "VARCHARACTER" | "NCHAR" | "NVARCHAR"
            | "NATIONAL" | "TINYTEXT" | "TEXT" | "MEDIUMTEXT" | "LONGTEXT" | "LONG" => Self::Text,
            "BINARY" | "VARBINARY" | "TINYBLOB" | "BLOB" | "MEDIUMBLOB" | "LONGBLOB" => Self::Bytes,
            "YEAR" => Self::Year,
            "ENUM" => Self::Enum,
            "SET" => Self::Set,
            // A LONGTEXT by another name.
            "JSON" if dialect == Dialect::MariaDb => Self::Text,
            _ => Self::Other,
        }
    }

    fn holds_characters(self) -> bool {
        matches!(self, Self::Text | Self::Bytes)
    }
}

/// Behind DEFAULT; `None` for NULL, for expressions and for literals that the original does not keep.
pub(crate) fn default_expression(
    parser: &mut Parser<'_>,
    column: &Column,
    reading: Reading,
) -> Result<Option<String>> {
    if parser.at_symbol("(") {
        parser.skip_parentheses()?;
        return Ok(None);
    }
    let family = Family::of(column, reading.dialect);
    let sign = match ["-", "+"].iter().find(|sign| parser.eat_symbol(sign)) {
        Some(sign) => *sign,
        None => "",
    };
    let Some(token) = parser.next() else {
        return Err(parser.error("a default is missing"));
    };
    let text = parser.text(token);
    // What follows as an operator is skipped among the attributes.
    Ok(match token.kind {
        Kind::String => Some(string(parser, token, family, reading)),
        Kind::Number => {
            let option = options_of(&column.enum_values, &text, family);
            // MySQL takes the number for a text.
            let option = option.filter(|_| reading.dialect == Dialect::MariaDb);
            Some(option.unwrap_or_else(|| number(sign, &text, family)))
        }
        Kind::Bits if is_quoted(token, parser.sql) => bits(&text, family),
        // The original has none on MariaDB, and on MySQL loses the last digit.
        Kind::Bits | Kind::Hex if reading.dialect == Dialect::MariaDb => None,
        Kind::Bits => bytes_of_bits(&text).and_then(|bytes| of_bytes(&bytes, family)),
        Kind::Hex => of_bytes(&bytes_of_hex(&text), family),
        Kind::Word => word(parser, token, family, reading)?,
        Kind::Name | Kind::Symbol => None,
    })
}

fn is_quoted(token: Token, sql: &str) -> bool {
    token.source(sql).ends_with('\'')
}

/// `'x'`, `"x"`, `N'x'`, and those that follow.
fn string(parser: &mut Parser<'_>, token: Token, family: Family, reading: Reading) -> String {
    let mode = reading.sql_mode;
    let mut raw = parser.text(token);
    if reading.dialect == Dialect::MySql && token.source(parser.sql).ends_with('"') {
        // The original reads the text that it records.
        raw = raw.replace('\'', "''");
    }
    let mut content = in_single_quotes(token, parser.sql, mode);
    let mut is_one = true;
    while let Some(more) = parser.peek().filter(|next| next.kind == Kind::String) {
        parser.next();
        content.push_str(&in_single_quotes(more, parser.sql, mode));
        is_one = false;
    }
    if family == Family::Bit {
        return bit_digits(literal_text(&content).as_bytes());
    }
    if token.source(parser.sql).starts_with(['n', 'N']) {
        return format!("N'{content}'");
    }
    let is_same = is_one && literal_text(&raw) == literal_text(&content);
    if family == Family::Bytes && literal_bytes(&raw).is_some() {
        // Characters, which are not to be taken for digits.
        return raw.replacen(HEX, "0\\x", 1);
    }
    if is_same { raw } else { content }
}

/// What stands between the quotes, as it would stand between single ones where a backslash escapes.
fn in_single_quotes(token: Token, sql: &str, mode: SqlMode) -> String {
    let mut text = token.text(sql).into_owned();
    if mode.no_backslash_escapes() {
        text = text.replace('\\', "\\\\");
    }
    if !token.source(sql).ends_with('"') {
        return text;
    }
    let mut content = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                content.push(c);
                content.extend(chars.next());
            }
            '"' => {
                chars.next_if_eq(&'"');
                content.push('"');
            }
            '\'' => content.push_str("''"),
            _ => content.push(c),
        }
    }
    content
}

fn number(sign: &str, digits: &str, family: Family) -> String {
    let as_written = format!("{sign}{digits}");
    match family {
        Family::Bit
            if digits.len() > 1 && digits.bytes().all(|digit| matches!(digit, b'0' | b'1')) =>
        {
            digits
                .parse::<u64>()
                .map_or(as_written, |number| format!("{number:b}"))
        }
        Family::Year if is_zero(digits) => "0000".to_owned(),
        Family::Text | Family::Bytes => printed(sign, digits),
        _ => as_written,
    }
}

/// What a number stands for among the options of an ENUM or SET, between single quotes; `None` if it is none of them.
fn options_of(options: &[Arc<str>], digits: &str, family: Family) -> Option<String> {
    let number: u64 = digits.parse().ok()?;
    let plain = |option: &Arc<str>| {
        option
            .get(1..option.len().checked_sub(1)?)
            .map(str::to_owned)
    };
    match family {
        Family::Enum => plain(options.get(usize::try_from(number.checked_sub(1)?).ok()?)?),
        Family::Set => {
            let options = options.iter().take(64).enumerate();
            let members = options.filter(|(index, _)| number >> index & 1 == 1);
            let members: Option<Vec<String>> = members.map(|(_, option)| plain(option)).collect();
            Some(members?.join(","))
        }
        _ => None,
    }
}

fn is_zero(digits: &str) -> bool {
    digits.bytes().all(|digit| matches!(digit, b'0' | b'.'))
}

/// A number as the server prints it into a text.
fn printed(sign: &str, digits: &str) -> String {
    let sign = if sign == "-" && !is_zero(digits) {
        "-"
    } else {
        ""
    };
    if digits.contains(['e', 'E']) {
        // In double precision, and printed with an exponent only where that is shorter.
        return match digits.parse::<f64>() {
            Ok(number) if number == 0.0 || (1e-15..1e15).contains(&number) => {
                format!("{sign}{number}")
            }
            Ok(number) => format!("{sign}{number:e}"),
            Err(_) => format!("{sign}{digits}"),
        };
    }
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    if fraction.is_empty() {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole}.{fraction}")
    }
}

/// `b'…'`: a number for numbers, characters for texts.
fn bits(digits: &str, family: Family) -> Option<String> {
    match family {
        Family::Number | Family::Text | Family::Bytes => of_bytes(&bytes_of_bits(digits)?, family),
        Family::Bit | Family::Year | Family::Enum | Family::Set | Family::Other => {
            Some(digits.to_owned())
        }
    }
}

/// As many as the number needs.
pub(crate) fn bytes_of_bits(digits: &str) -> Option<Vec<u8>> {
    let bytes = match digits {
        "" => 0_u64,
        _ => u64::from_str_radix(digits, 2).ok()?,
    }
    .to_be_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).map(<[u8]>::to_vec)
}

/// The bytes of a hexadecimal literal or one of bits.
fn of_bytes(bytes: &[u8], family: Family) -> Option<String> {
    match family {
        Family::Number => {
            let number = bytes.iter().try_fold(0_u64, |number, byte| {
                Some(number.checked_mul(256)? | u64::from(*byte))
            });
            number.map(|number| number.to_string())
        }
        Family::Bit => Some(bit_digits(bytes)),
        Family::Text => {
            let text = std::str::from_utf8(bytes).ok()?;
            // Zeros are those of UCS-2 and the like.
            let is_plain = text.is_ascii() && !text.contains('\0');
            is_plain.then(|| quoted_text(text))
        }
        Family::Bytes => {
            let digits = bytes.iter().map(|byte| format!("{byte:02X}"));
            Some(digits.fold(HEX.to_owned(), |text, digits| text + &digits))
        }
        Family::Year | Family::Enum | Family::Set | Family::Other => None,
    }
}

/// Before the digits of bytes.
const HEX: &str = "0x";

/// The bytes of a default that is kept as hexadecimal digits, `None` if it is another one.
pub fn literal_bytes(literal: &str) -> Option<Vec<u8>> {
    let digits = literal.strip_prefix(HEX)?;
    let are_pairs = digits.len() % 2 == 0 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    are_pairs.then(|| bytes_of_hex(digits))
}

/// Bytes as digits of bits.
fn bit_digits(bytes: &[u8]) -> String {
    let digits = bytes.iter().fold(String::new(), |mut digits, byte| {
        _ = write!(digits, "{byte:08b}");
        digits
    });
    let trimmed = digits.trim_start_matches('0');
    if trimmed.is_empty() {
        "0".to_owned()
    } else {
        trimmed.to_owned()
    }
}

/// A text as it stands between single quotes.
fn quoted_text(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "''")
}

/// Functions, words, and literals with a word in front.
fn word(
    parser: &mut Parser<'_>,
    token: Token,
    family: Family,
    reading: Reading,
) -> Result<Option<String>> {
    let (mode, dialect) = (reading.sql_mode, reading.dialect);
    let text = parser.text(token);
    let next = parser.peek();
    if let Some(literal) =
        next.filter(|next| matches!(next.kind, Kind::String | Kind::Hex | Kind::Bits))
    {
        parser.next();
        let is_introducer = text.starts_with('_');
        return Ok(match literal.kind {
            Kind::String if is_introducer && dialect == Dialect::MariaDb => {
                let content = in_single_quotes(literal, parser.sql, mode);
                Some(format!("{text}'{content}'"))
            }
            // `DATE '2020-01-01'`
            Kind::String => Some(in_single_quotes(literal, parser.sql, mode)),
            _ => None,
        });
    }
    // `NEXT VALUE FOR a.b`
    if token.is_word(parser.sql, "NEXT") && parser.eat(&["VALUE", "FOR"]) {
        parser.table("")?;
        return Ok(None);
    }
    let start = token.start();
    if parser.at_symbol("(") {
        parser.skip_parentheses()?;
    }
    let as_written: String = parser
        .sql
        .get(start..parser.end_of_last())
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    Ok(match text.to_ascii_uppercase().as_str() {
        "CURRENT_TIMESTAMP" | "NOW" => Some(EPOCH.to_owned()),
        "LOCALTIME" | "LOCALTIMESTAMP" if dialect == Dialect::MySql => Some(EPOCH.to_owned()),
        "LOCALTIME" | "LOCALTIMESTAMP" | "CURDATE" | "CURTIME" | "CURRENT_DATE"
        | "CURRENT_TIME" => Some(as_written),
        "TRUE" if family.holds_characters() => Some("1".to_owned()),
        "FALSE" if family.holds_characters() => Some("0".to_owned()),
        "TRUE" | "FALSE" => Some(text),
        _ => None,
    })
}

/// What the text of a literal in single quotes stands for, a backslash being an escape.
pub fn literal_text(literal: &str) -> String {
    let mut text = String::with_capacity(literal.len());
    let mut chars = literal.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' => {
                chars.next_if_eq(&'\'');
                text.push('\'');
            }
            '\\' => match chars.next() {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some('r') => text.push('\r'),
                Some('b') => text.push('\u{8}'),
                Some('0') => text.push('\0'),
                Some('Z') => text.push('\u{1a}'),
                // Patterns of LIKE keep theirs.
                Some(kept @ ('%' | '_')) => {
                    text.push('\\');
                    text.push(kept);
                }
                Some(other) => text.push(other),
                None => text.push('\\'),
            },
            _ => text.push(c),
        }
    }
    text
}
