//! Texts of statements: their bytes are in the character set of the session that wrote them, which the event names.
//!
//! Source: MySQL `Query_log_event`, `Q_CHARSET_CODE`. The original takes all of them for UTF-8.

use std::collections::HashMap;
use std::sync::Arc;

use mysql_async::binlog::StatusVarKey;
use mysql_async::binlog::events::{QueryEvent, StatusVarVal};
use tidegate_mysql_ddl::SqlMode;

use tidegate_mysql::values::charset::Charset;

/// Names of character sets by the number of a collation, as the server lists them; empty before it was asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Collations(HashMap<u16, Arc<str>>);

impl Collations {
    pub(crate) fn new(numbers: impl IntoIterator<Item = (u16, String)>) -> Self {
        let numbers = numbers.into_iter();
        Self(numbers.map(|(id, name)| (id, name.into())).collect())
    }

    fn charset(&self, number: u16) -> Option<&str> {
        self.0.get(&number).map(|name| &**name)
    }

    /// `character_set_client` and the character set of `collation_server` of the statement's session.
    fn of_session(&self, query: &QueryEvent<'_>) -> (Option<&str>, Option<&str>) {
        let variable = query.status_vars().get_status_var(StatusVarKey::Charset);
        match variable.as_ref().map(|variable| variable.get_value()) {
            Some(Ok(StatusVarVal::Charset {
                charset_client,
                collation_server,
                ..
            })) => (self.charset(charset_client), self.charset(collation_server)),
            _ => (None, None),
        }
    }

    /// The character set that a database gets which the statement makes without naming one.
    pub(crate) fn of_new_database(&self, query: &QueryEvent<'_>) -> Option<String> {
        self.of_session(query).1.map(str::to_owned)
    }

    /// The statement's text. Bytes that its character set does not have become U+FFFD.
    pub(crate) fn text(&self, query: &QueryEvent<'_>) -> String {
        self.decoded(query, query.query_raw())
    }

    /// `bytes` of the statement as text.
    pub(crate) fn decoded(&self, query: &QueryEvent<'_>, bytes: &[u8]) -> String {
        let utf8 = std::str::from_utf8(bytes);
        if let Ok(text) = utf8
            && (text.is_ascii() || is_of_a_definition(text))
        {
            return text.to_owned();
        }
        let charset = match self.of_session(query).0 {
            // Names are UTF-8 there, whatever the rest is.
            Some("binary") | None => Charset::Utf8,
            Some(name) => Charset::named(name).unwrap_or(Charset::Utf8),
        };
        charset.decode(bytes).into()
    }
}

/// Whether the server has written the statement from a table's definition, as it does for `CREATE TABLE … SELECT` and
/// `… LIKE` a temporary table: in UTF-8, whatever its session has.
fn is_of_a_definition(text: &str) -> bool {
    const WORDS: [(&str, bool); 5] = [
        ("CREATE ", true),
        ("OR REPLACE ", false),
        ("TEMPORARY ", false),
        ("TABLE ", true),
        ("IF NOT EXISTS ", false),
    ];
    let mut rest = text;
    for (words, is_needed) in WORDS {
        match rest.strip_prefix(words) {
            Some(behind) => rest = behind,
            None if is_needed => return false,
            None => {}
        }
    }
    let table = rest.strip_prefix('`');
    let columns = table.and_then(|table| table.split_once("` ("));
    columns.is_some_and(|(_, columns)| columns.starts_with("\n  `"))
}

/// The mode that the statement was written in; quotes and escapes mean other things in others.
pub(super) fn sql_mode(query: &QueryEvent<'_>) -> Option<SqlMode> {
    let variable = query.status_vars().get_status_var(StatusVarKey::SqlMode)?;
    match variable.get_value() {
        Ok(StatusVarVal::SqlMode(flags)) => Some(SqlMode::from_bits(flags.0)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mode_of_a_statement_is_read_from_its_event() {
        fn check(variables: &[u8], expected: Option<SqlMode>) {
            let event = QueryEvent::new(variables, &b"db"[..]);
            assert_eq!(sql_mode(&event), expected, "{variables:?}");
        }
        let ansi_quotes = [0, 0, 0, 0, 0, 1, 4, 0, 0, 0, 0, 0, 0, 0];
        check(&ansi_quotes, Some(SqlMode::parse("ANSI_QUOTES")));
        check(&[0, 0, 0, 0, 0], None);
        check(&[1, 4, 0], None);
    }

    #[test]
    fn texts_are_decoded_by_the_character_set_of_their_session() {
        fn check(client: Option<u8>, sql: &[u8], expected: &str) {
            let known = [
                (8, "latin1"),
                (33, "utf8mb3"),
                (51, "cp1251"),
                (63, "binary"),
                (95, "cp932"),
            ];
            let collations = Collations::new(known.map(|(id, name)| (id, name.to_owned())));
            let variables = client.map_or(Vec::new(), |client| vec![4, client, 0, 33, 0, 51, 0]);
            let query = QueryEvent::new(variables, &b"d"[..]).with_query(sql.to_vec());
            assert_eq!(collations.text(&query), expected);
            let server = client.map(|_| "cp1251".to_owned());
            assert_eq!(collations.of_new_database(&query), server);
        }
        check(
            Some(8),
            b"CREATE TABLE gr\xf6\xdfen (a int)",
            "CREATE TABLE größen (a int)",
        );
        check(
            Some(51),
            b"ALTER TABLE t COMMENT '\xc6'",
            "ALTER TABLE t COMMENT 'Ж'",
        );
        check(Some(95), b"DROP TABLE \x83\x65", "DROP TABLE テ");
        check(
            Some(33),
            "DROP TABLE größen".as_bytes(),
            "DROP TABLE größen",
        );
        // Also where it could be UTF-8 by chance.
        check(Some(8), b"DROP TABLE \xc3\xb6", "DROP TABLE Ã¶");
        check(Some(63), "DROP TABLE ö".as_bytes(), "DROP TABLE ö");
        check(Some(99), b"DROP TABLE \xf6", "DROP TABLE \u{fffd}");
        check(None, "DROP TABLE ö".as_bytes(), "DROP TABLE ö");
        for words in [
            "CREATE TABLE",
            "CREATE OR REPLACE TABLE",
            "CREATE TABLE IF NOT EXISTS",
            "CREATE TEMPORARY TABLE",
        ] {
            let made = format!("{words} `ö` (\n  `id` int(11) NOT NULL\n)");
            check(Some(8), made.as_bytes(), &made);
        }
        check(
            Some(8),
            b"CREATE TABLE `\xf6` (\n  `id` int)",
            "CREATE TABLE `ö` (\n  `id` int)",
        );
    }
}
