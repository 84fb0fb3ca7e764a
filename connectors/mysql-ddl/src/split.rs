//! A text of several statements.

use crate::lexer::{Lexer, Rules, Token};

/// Statements between semicolons, without the semicolons and outer comments. Bodies of routines hold semicolons: what
/// begins like one reaches to the end of the text.
pub(crate) fn split(sql: &str, rules: Rules) -> Vec<&str> {
    let mut statements = Vec::new();
    let mut lexer = Lexer::new(sql, rules);
    let mut span: Option<(usize, Token)> = None;
    let mut opening = Opening::default();
    let text = |(start, last): (usize, Token)| sql.get(start..last.end_with_comment(sql));
    while let Some(token) = lexer.next() {
        if token.is_symbol(sql, ";") {
            statements.extend(span.take().and_then(text));
            opening = Opening::default();
            continue;
        }
        let start = span.map_or_else(|| lexer.beginning_of(token), |(start, _)| start);
        span = Some((start, token));
        if opening.is_routine(token, sql) {
            let end = lexer.last().map_or(token.end(), Token::end);
            let text = sql.get(start..end).unwrap_or_default();
            statements.push(text.strip_suffix(';').unwrap_or(text).trim_end());
            return statements;
        }
    }
    statements.extend(span.and_then(text));
    statements
}

/// The first words of a statement.
#[derive(Default)]
enum Opening {
    #[default]
    Start,
    /// Behind CREATE or ALTER, before the kind of object.
    Definition {
        /// Behind `DEFINER =`.
        definer: bool,
    },
    Known,
}

impl Opening {
    fn is_routine(&mut self, token: Token, sql: &str) -> bool {
        let is = |words: &[&str]| words.iter().any(|word| token.is_word(sql, word));
        match self {
            Self::Start if is(&["CREATE", "ALTER"]) => *self = Self::Definition { definer: false },
            Self::Start if is(&["BEGIN", "DECLARE", "IF", "WHILE", "LOOP", "REPEAT"]) => {
                // `BEGIN` alone opens a transaction.
                *self = Self::Known;
                return !is(&["BEGIN"]);
            }
            Self::Start => *self = Self::Known,
            Self::Definition { .. }
                if is(&["PROCEDURE", "FUNCTION", "TRIGGER", "EVENT", "PACKAGE"]) =>
            {
                return true;
            }
            Self::Definition { definer } if is(&["DEFINER"]) => *definer = true,
            Self::Definition { definer: true } if !is(&["VIEW"]) => {}
            Self::Definition { .. }
                if is(&["OR", "REPLACE", "AGGREGATE", "IF", "NOT", "EXISTS"]) => {}
            Self::Definition { .. } => *self = Self::Known,
            Self::Known => {}
        }
        false
    }
}
