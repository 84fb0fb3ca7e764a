//! A cursor over tokens, and the parts that statements share.

use tidegate_relational::TableId;

use crate::DdlError;
use crate::charset::Charset;
use crate::lexer::{Kind, Lexer, Rules, Token};
use crate::normalized::normalized;

pub(crate) struct Parser<'a> {
    pub(crate) sql: &'a str,
    tokens: Vec<Token>,
    position: usize,
    rules: Rules,
    /// Index of the token that the statement begins with, behind `SET STATEMENT … FOR`.
    first: usize,
    /// The table that the statement is about, for errors.
    subject: Option<TableId>,
}

pub(crate) type Result<T> = std::result::Result<T, DdlError>;

impl<'a> Parser<'a> {
    pub(crate) fn new(sql: &'a str, rules: Rules) -> Self {
        Self::beginning(sql, rules, usize::MAX)
    }

    /// Over the first `tokens` of a statement alone.
    pub(crate) fn beginning(sql: &'a str, rules: Rules, tokens: usize) -> Self {
        Self {
            sql,
            tokens: Lexer::new(sql, rules).take(tokens).collect(),
            position: 0,
            rules,
            first: 0,
            subject: None,
        }
    }

    /// The statement begins with the next token.
    pub(crate) fn begin(&mut self) {
        self.first = self.position;
    }

    /// The text that is recorded for the statement, with the executable comments at its ends as a whole.
    pub(crate) fn statement(&self) -> String {
        let tokens = self.tokens.get(self.first..).unwrap_or_default();
        let end = match tokens.last() {
            Some(last) => last.end_with_comment(self.sql),
            None => self.sql.len(),
        };
        self.recorded(self.start(), end)
    }

    /// The same without executable comments at its end: the original takes those of MariaDB for comments.
    pub(crate) fn statement_without_comments(&self) -> String {
        let tokens = self.tokens.get(self.first..).unwrap_or_default();
        let last = tokens.iter().rfind(|token| !token.executable);
        match last {
            Some(last) => self.recorded(self.start(), last.end()),
            None => self.statement(),
        }
    }

    /// Where the statement begins, or the executable comment that it begins with.
    fn start(&self) -> usize {
        match self.tokens.get(self.first) {
            Some(first) if first.executable => {
                let before = self.sql.get(..first.start()).unwrap_or_default();
                before.rfind("/*").unwrap_or_default()
            }
            Some(first) => first.start(),
            None => 0,
        }
    }

    /// A piece of the statement, from byte to byte, as it is recorded.
    pub(crate) fn recorded(&self, start: usize, end: usize) -> String {
        let text = self.sql.get(start..end).unwrap_or_default();
        if self.rules.is_mysql && !self.rules.ansi_quotes {
            normalized(text)
        } else {
            text.to_owned()
        }
    }

    /// The statement's text before the next token, as it is recorded.
    pub(crate) fn recorded_prefix(&self) -> String {
        let first = self.tokens.get(self.first);
        let next = self.peek().map_or(self.sql.len(), Token::start);
        self.recorded(first.map_or(0, |token| token.start()), next)
    }

    pub(crate) fn peek(&self) -> Option<Token> {
        self.peek_at(0)
    }
    pub(crate) fn peek_at(&self, ahead: usize) -> Option<Token> {
        self.tokens.get(self.position + ahead).copied()
    }
    pub(crate) fn next(&mut self) -> Option<Token> {
        let token = self.peek()?;
        self.position += 1;
        Some(token)
    }
    pub(crate) fn text(&self, token: Token) -> String {
        token.text(self.sql).into_owned()
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
    /// Where the token before the next one ends, in bytes.
    pub(crate) fn end_of_last(&self) -> usize {
        let last = self.position.checked_sub(1);
        last.and_then(|last| self.tokens.get(last))
            .map_or(0, |token| token.end())
    }

    pub(crate) fn error(&self, reason: impl Into<String>) -> DdlError {
        DdlError {
            reason: reason.into(),
            position: self.peek().map_or(self.sql.len(), Token::start),
            statement: self.sql.to_owned(),
            table: self.subject.clone(),
        }
    }

    /// Whether the words come next.
    pub(crate) fn at(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(ahead, word)| {
            self.peek_at(ahead)
                .is_some_and(|token| token.is_word(self.sql, word))
        })
    }
    pub(crate) fn at_any(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.at(&[word]))
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
            .is_some_and(|token| token.is_symbol(self.sql, symbol))
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
    /// Whether a clause of a list ends here.
    pub(crate) fn at_end_of_clause(&self) -> bool {
        self.is_done() || self.at_symbol(",") || self.at_symbol(")")
    }

    pub(crate) fn eat_if_exists(&mut self) -> bool {
        self.eat(&["IF", "EXISTS"])
    }
    pub(crate) fn eat_if_not_exists(&mut self) -> bool {
        self.eat(&["IF", "NOT", "EXISTS"])
    }

    pub(crate) fn name(&mut self) -> Result<String> {
        match self.peek() {
            // With ANSI_QUOTES names look like strings.
            Some(token) if matches!(token.kind, Kind::Word | Kind::Name | Kind::String) => {
                self.position += 1;
                Ok(self.text(token))
            }
            _ => Err(self.error("a name is missing")),
        }
    }

    /// `column`, `table.column` or `db.table.column`.
    pub(crate) fn column_name(&mut self) -> Result<String> {
        self.eat_symbol(".");
        let mut name = self.name()?;
        while self.eat_symbol(".") {
            name = self.name()?;
        }
        Ok(name)
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

    /// The table that the statement is about: errors name it.
    pub(crate) fn subject(&mut self, database: &str) -> Result<TableId> {
        let id = self.table(database)?;
        self.subject = Some(id.clone());
        Ok(id)
    }

    pub(crate) fn string(&mut self) -> Option<String> {
        let token = self.peek().filter(|token| token.kind == Kind::String)?;
        self.position += 1;
        Some(self.text(token))
    }

    /// Behind the parenthesis that closes the one that comes next.
    pub(crate) fn skip_parentheses(&mut self) -> Result<()> {
        self.expect_symbol("(")?;
        let mut depth = 1_usize;
        while depth > 0 {
            let Some(token) = self.next() else {
                return Err(self.error("')' is missing"));
            };
            if token.is_symbol(self.sql, "(") {
                depth += 1;
            } else if token.is_symbol(self.sql, ")") {
                depth -= 1;
            }
        }
        Ok(())
    }

    /// To the next `,` or `)` outside of parentheses, or to the end.
    pub(crate) fn skip_clause(&mut self) -> Result<()> {
        while !self.at_end_of_clause() {
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

    /// Columns of a key: `(a, b(10) DESC, (expr), p WITHOUT OVERLAPS)`; `None` if an expression is among them.
    pub(crate) fn key_parts(&mut self) -> Result<Option<Vec<String>>> {
        self.expect_symbol("(")?;
        let mut names = Some(Vec::new());
        loop {
            if self.at_symbol("(") {
                self.skip_parentheses()?;
                names = None;
            } else {
                let name = self.column_name()?;
                if let Some(names) = &mut names {
                    names.push(name);
                }
                if self.at_symbol("(") {
                    self.skip_parentheses()?;
                }
            }
            self.eat_any(&["ASC", "DESC"]);
            self.eat(&["WITHOUT", "OVERLAPS"]);
            if self.eat_symbol(")") {
                return Ok(names);
            }
            self.expect_symbol(",")?;
        }
    }

    /// `[DEFAULT] {CHARACTER SET | CHARSET | CHAR SET} [=] name` or `[DEFAULT] COLLATE [=] name`; true if it was there.
    pub(crate) fn charset(&mut self, into: &mut Charset) -> Result<bool> {
        let mark = self.mark();
        self.eat(&["DEFAULT"]);
        let is_charset =
            self.eat(&["CHARACTER", "SET"]) || self.eat(&["CHAR", "SET"]) || self.eat(&["CHARSET"]);
        if !is_charset && !self.eat(&["COLLATE"]) {
            self.reset(mark);
            return Ok(false);
        }
        self.eat_symbol("=");
        let name = self.name()?;
        if is_charset {
            into.set_charset(&name);
        } else {
            into.set_collation(&name);
        }
        Ok(true)
    }
}
