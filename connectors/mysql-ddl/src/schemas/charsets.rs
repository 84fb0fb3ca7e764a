//! Databases and variables: where the charset of a table comes from if it names none.

use std::borrow::Cow;

use tidegate_relational::TableId;

use super::{DdlEvent, Schemas, other};
use crate::charset::{Charset, of_collation};
use crate::parser::{Parser, Result};
use crate::sql_mode::SqlMode;

impl Schemas {
    /// The character set that a table gets which is made in a database, if its statement names none.
    pub fn database_charset(&self, name: &str) -> Option<&str> {
        let known = self.database_charsets.get(&*self.database_key(name));
        known.or(self.server_charset.as_ref()).map(String::as_str)
    }

    /// Whether a statement or [`Self::set_database_charset`] told the character set of a database.
    pub fn knows_database(&self, name: &str) -> bool {
        self.database_charsets
            .contains_key(&*self.database_key(name))
    }

    /// What the server says of a database that no statement has made.
    pub fn set_database_charset(&mut self, name: &str, charset: &str) {
        let key = self.database_key(name).into_owned();
        self.database_charsets.insert(key, charset.to_owned());
    }

    /// `collation_server` of the session that the next statements come from: a database has it that they make without
    /// naming another.
    pub fn set_session_charset(&mut self, charset: Option<String>) {
        self.session_charset = charset;
    }

    pub(super) fn charset_of(&self, id: &TableId) -> Option<String> {
        self.database_charset(id.catalog.as_deref().unwrap_or_default())
            .map(str::to_owned)
    }

    pub(super) fn database_key<'a>(&self, name: &'a str) -> Cow<'a, str> {
        if self.options.ignore_case {
            Cow::Owned(name.to_lowercase())
        } else {
            Cow::Borrowed(name)
        }
    }

    /// `CREATE` or `ALTER DATABASE`.
    pub(super) fn database(
        &mut self,
        parser: &mut Parser<'_>,
        current: &str,
        create: bool,
    ) -> Result<Vec<DdlEvent>> {
        let if_not_exists = parser.eat_if_not_exists();
        let options = [
            "DEFAULT",
            "CHARACTER",
            "CHAR",
            "CHARSET",
            "COLLATE",
            "COMMENT",
            "ENCRYPTION",
            "READ",
        ];
        let name = if create || !parser.at_any(&options) {
            parser.name()?
        } else {
            current.to_owned()
        };
        let mut charset = Charset::default();
        while !parser.is_done() {
            if !parser.charset(&mut charset)? {
                parser.skip_one()?;
            }
        }
        let key = self.database_key(&name).into_owned();
        let is_known = self.database_charsets.contains_key(&key);
        if charset.is_given() || (create && !(if_not_exists && is_known)) {
            match charset
                .name()
                .map(str::to_owned)
                .or(self.session_charset.clone())
                .or(self.server_charset.clone())
            {
                Some(charset) => drop(self.database_charsets.insert(key, charset)),
                None => drop(self.database_charsets.remove(&key)),
            }
        }
        Ok(vec![other(&name, &parser.statement())])
    }

    /// `SET name = value, …`; only charsets and the mode matter, and nothing is an error. Whether it sets variables.
    pub(super) fn set(&mut self, parser: &mut Parser<'_>) -> bool {
        let others = [
            "PASSWORD",
            "DEFAULT",
            "ROLE",
            "NAMES",
            "CHARACTER",
            "CHARSET",
            "CHAR",
        ];
        let sets_variables = !parser.at_any(&others);
        loop {
            parser.eat_any(&["GLOBAL", "SESSION", "LOCAL", "PERSIST", "PERSIST_ONLY"]);
            let Some(token) = parser.next() else {
                return sets_variables;
            };
            let mut name = parser.text(token);
            while parser.eat_symbol(".") {
                let Some(token) = parser.next() else {
                    return sets_variables;
                };
                name = parser.text(token);
            }
            let name = name.trim_start_matches('@').to_ascii_lowercase();
            parser.eat_symbol(":");
            if parser.eat_symbol("=")
                && let Some(value) = parser.peek().map(|token| parser.text(token))
            {
                self.set_variable(&name, &value);
            }
            if parser.skip_clause().is_err() || !parser.eat_symbol(",") {
                return sets_variables;
            }
        }
    }

    fn set_variable(&mut self, name: &str, value: &str) {
        match name {
            "character_set_server" | "character_set_database" => {
                self.server_charset = Some(value.to_ascii_lowercase());
            }
            "collation_server" | "collation_database" if self.server_charset.is_none() => {
                self.server_charset = of_collation(value);
            }
            "sql_mode" => self.sql_mode = SqlMode::parse(value),
            _ => {}
        }
    }
}
