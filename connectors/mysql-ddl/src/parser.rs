//! A cursor over tokens, and the parts that statements share.

use tidegate_relational::TableId;

use crate::DdlError;
use crate::lexer::{self, Kind, Token};

pub(crate) struct Parser<'a> {
    pub(crate) sql: &'a str,
    tokens: Vec<Token>,
    position: usize,
}

pub(crate) type Result<T> = std::result::Result<T, DdlError>;

impl<'a> Parser<'a> {
    pub(crate) fn new(sql: &'a str, ansi_quotes: bool) -> Self {
        Self {
            sql,
            tokens: lexer::tokens(sql, ansi_quotes),
            position: 0,
        }
    }

    pub(crate) fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.position)
    }
    pub(crate) fn peek_at(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.position + ahead)
    }
    pub(crate) fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.position).cloned();
        self.position += usize::from(token.is_some());
        token
    }
    pub(crate) fn is_done(&self) -> bool {
        self.peek().is_none()
    }
    pub(crate) fn mark(&self) -> usize {
        self.position
    }
    pub(crate) fn reset(&mut self, mark: usize) {
        self.position = mark;
    }

    pub(crate) fn error(&self, reason: impl Into<String>) -> DdlError {
        let position = self.peek().map_or(self.sql.len(), |token| token.start);
        DdlError {
            reason: reason.into(),
            position,
            statement: self.sql.to_owned(),
        }
    }

    /// Whether the words come next.
    pub(crate) fn at(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(ahead, word)| {
            self.peek_at(ahead).is_some_and(|token| {
                token.kind == Kind::Word && token.text.eq_ignore_ascii_case(word)
            })
        })
    }
    /// Moves behind the words if they come next.
    pub(crate) fn eat(&mut self, words: &[&str]) -> bool {
        let found = self.at(words);
        if found {
            self.position += words.len();
        }
        found
    }
    pub(crate) fn eat_any(&mut self, words: &[&str]) -> bool {
        words.iter().any(|word| self.eat(&[word]))
    }
    pub(crate) fn at_symbol(&self, symbol: &str) -> bool {
        self.peek()
            .is_some_and(|token| token.kind == Kind::Symbol && token.text == symbol)
    }
    pub(crate) fn eat_symbol(&mut self, symbol: &str) -> bool {
        let found = self.at_symbol(symbol);
        self.position += usize::from(found);
        found
    }
    pub(crate) fn expect_symbol(&mut self, symbol: &str) -> Result<()> {
        if self.eat_symbol(symbol) {
            Ok(())
        } else {
            Err(self.error(format!("'{symbol}' is missing")))
        }
    }

    pub(crate) fn name(&mut self) -> Result<String> {
        match self.peek() {
            Some(token) if matches!(token.kind, Kind::Word | Kind::Name) => {
                let text = token.text.clone();
                self.position += 1;
                Ok(text)
            }
            // Some clients quote names as strings.
            Some(token) if token.kind == Kind::String => {
                let text = token.text.clone();
                self.position += 1;
                Ok(text)
            }
            _ => Err(self.error("a name is missing")),
        }
    }

    /// `table`, `db.table` or `.table`.
    pub(crate) fn table(&mut self, database: &str) -> Result<TableId> {
        if self.eat_symbol(".") {
            return Ok(TableId::in_database(database, self.name()?));
        }
        let first = self.name()?;
        if self.eat_symbol(".") {
            return Ok(TableId::in_database(first, self.name()?));
        }
        Ok(TableId::in_database(database, first))
    }

    pub(crate) fn string(&mut self) -> Option<String> {
        let token = self.peek().filter(|token| token.kind == Kind::String)?;
        let text = token.text.clone();
        self.position += 1;
        Some(text)
    }

    /// Behind the parenthesis that closes the one that comes next.
    pub(crate) fn skip_parentheses(&mut self) -> Result<()> {
        self.expect_symbol("(")?;
        let mut depth = 1;
        while depth > 0 {
            match self.next() {
                Some(token) if token.kind == Kind::Symbol && token.text == "(" => depth += 1,
                Some(token) if token.kind == Kind::Symbol && token.text == ")" => depth -= 1,
                Some(_) => {}
                None => return Err(self.error("')' is missing")),
            }
        }
        Ok(())
    }

    /// To the next `,` or `)` outside of parentheses, or to the end.
    pub(crate) fn skip_clause(&mut self) -> Result<()> {
        while !self.is_done()
            && !self.at_symbol(",")
            && !self.at_symbol(")")
            && !self.at_symbol(";")
        {
            self.skip_one()?;
        }
        Ok(())
    }

    /// One token, or one pair of parentheses with all in it.
    pub(crate) fn skip_one(&mut self) -> Result<()> {
        if self.at_symbol("(") {
            return self.skip_parentheses();
        }
        self.position += 1;
        Ok(())
    }

    /// Columns of a key: `(a, b(10) DESC, (expr))`; `None` if an expression is among them.
    pub(crate) fn key_parts(&mut self) -> Result<Option<Vec<String>>> {
        self.expect_symbol("(")?;
        let mut names = Some(Vec::new());
        loop {
            if self.at_symbol("(") {
                self.skip_parentheses()?;
                names = None;
            } else {
                let name = self.name()?;
                if let Some(names) = &mut names {
                    names.push(name);
                }
                if self.at_symbol("(") {
                    self.skip_parentheses()?;
                }
            }
            self.eat_any(&["ASC", "DESC"]);
            if self.eat_symbol(")") {
                return Ok(names);
            }
            self.expect_symbol(",")?;
        }
    }

    /// `[DEFAULT] {CHARACTER SET | CHARSET | CHAR SET} [=] name`; true if it was there.
    pub(crate) fn charset(&mut self, into: &mut Option<String>) -> Result<bool> {
        let mark = self.mark();
        self.eat(&["DEFAULT"]);
        if !(self.eat(&["CHARACTER", "SET"])
            || self.eat(&["CHAR", "SET"])
            || self.eat(&["CHARSET"]))
        {
            self.reset(mark);
            return Ok(false);
        }
        self.eat_symbol("=");
        let name = self.name()?;
        *into = (!name.eq_ignore_ascii_case("DEFAULT")).then_some(name.to_ascii_lowercase());
        Ok(true)
    }

    /// `[DEFAULT] COLLATE [=] name`; its charset goes into `into` unless one is known.
    pub(crate) fn collation(&mut self, into: &mut Option<String>) -> Result<bool> {
        let mark = self.mark();
        self.eat(&["DEFAULT"]);
        if !self.eat(&["COLLATE"]) {
            self.reset(mark);
            return Ok(false);
        }
        self.eat_symbol("=");
        let name = self.name()?;
        if into.is_none() && !name.eq_ignore_ascii_case("DEFAULT") {
            *into = charset_of_collation(&name);
        }
        Ok(true)
    }
}

/// `utf8mb4_general_ci` belongs to `utf8mb4`. MariaDB's `uca1400_ai_ci` names none.
pub(crate) fn charset_of_collation(collation: &str) -> Option<String> {
    let collation = collation.to_ascii_lowercase();
    let charset = collation.split('_').next()?;
    (charset != "uca1400").then(|| charset.to_owned())
}
