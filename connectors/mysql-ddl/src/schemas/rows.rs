//! Statements that change rows: in a log of statements they stand for themselves, and nothing says which rows they changed.

use tidegate_relational::TableId;

use super::{Schemas, skip_set_statement};
use crate::lexer::Lexer;
use crate::parser::Parser;

/// A statement that changes rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowStatement {
    /// `INSERT`, `UPDATE` and so on; `SELECT` and `DO` call functions that do it.
    pub verb: &'static str,
    /// The tables that it may change; empty if it does not tell.
    pub tables: Vec<TableId>,
}

/// Tokens that are looked at: the tables stand at the beginning, and a statement may be as large as the rows that it writes.
const TOKENS: usize = 4096;

const VERBS: [&str; 8] = [
    "INSERT", "REPLACE", "UPDATE", "DELETE", "LOAD", "SELECT", "DO", "WITH",
];

impl Schemas {
    /// What a statement does to rows, `database` being the session's default; `None` for statements of other kinds.
    pub fn row_statement(&self, database: &str, sql: &str) -> Option<RowStatement> {
        let rules = self.rules();
        let first = Lexer::new(sql, rules).next()?;
        let may_be = VERBS
            .iter()
            .chain(&["SET"])
            .any(|word| first.is_word(sql, word))
            || first.is_symbol(sql, "(");
        if !may_be {
            return None;
        }
        let mut parser = Parser::beginning(sql, rules, TOKENS);
        skip_set_statement(&mut parser).ok()?;
        while parser.eat_symbol("(") {}
        if parser.eat(&["WITH"]) {
            skip_to(&mut parser, &VERBS[..6]);
        }
        let verb = VERBS.into_iter().find(|verb| parser.eat(&[verb]))?;
        Some(RowStatement {
            verb,
            tables: changed_tables(&mut parser, verb, database),
        })
    }
}

fn changed_tables(parser: &mut Parser<'_>, verb: &str, database: &str) -> Vec<TableId> {
    eat_options(parser);
    match verb {
        "INSERT" | "REPLACE" => {
            parser.eat(&["INTO"]);
            parser.eat(&["TABLE"]);
            parser.table(database).into_iter().collect()
        }
        "LOAD" => {
            skip_to(parser, &["INTO"]);
            parser.eat(&["INTO"]);
            parser.eat(&["TABLE"]);
            parser.table(database).into_iter().collect()
        }
        "UPDATE" => table_references(parser, database, &["SET"]),
        "DELETE" => {
            // `DELETE a, b FROM …` names them by their aliases.
            skip_to(parser, &["FROM"]);
            parser.eat(&["FROM"]);
            table_references(parser, database, &["WHERE", "ORDER", "LIMIT", "RETURNING"])
        }
        _ => Vec::new(),
    }
}

fn eat_options(parser: &mut Parser<'_>) {
    let options = [
        "LOW_PRIORITY",
        "HIGH_PRIORITY",
        "DELAYED",
        "QUICK",
        "IGNORE",
        "HISTORY",
    ];
    while parser.eat_any(&options) {}
}

/// The tables of `a JOIN b ON …, (c)` up to one of the words.
fn table_references(parser: &mut Parser<'_>, database: &str, ends: &[&str]) -> Vec<TableId> {
    let mut tables = Vec::new();
    let mut is_table_next = true;
    while !parser.is_done() && !parser.at_any(ends) {
        if parser.eat_symbol(",") || parser.eat_any(&["JOIN", "STRAIGHT_JOIN", "USING"]) {
            is_table_next = true;
        } else if is_table_next && parser.eat_symbol("(") {
            // Still a table, unless it is a query or the columns of `USING (…)`.
        } else if is_table_next {
            is_table_next = false;
            match parser.table(database) {
                Ok(table) if !parser.at_symbol(")") || tables.is_empty() => tables.push(table),
                Ok(_) => {}
                Err(_) => drop(parser.next()),
            }
        } else {
            parser.next();
        }
    }
    tables
}

/// To one of the words outside of parentheses.
fn skip_to(parser: &mut Parser<'_>, words: &[&str]) {
    let mut depth = 0_usize;
    while !parser.is_done() {
        if depth == 0 && parser.at_any(words) {
            return;
        }
        if parser.eat_symbol("(") {
            depth += 1;
        } else if parser.eat_symbol(")") {
            depth = depth.saturating_sub(1);
        } else {
            parser.next();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(sql: &str, expected: &str) {
        let found = Schemas::default().row_statement("d", sql).map(|found| {
            let tables: Vec<String> = found.tables.iter().map(ToString::to_string).collect();
            format!("{} {}", found.verb, tables.join(","))
        });
        assert_eq!(found.unwrap_or_default(), expected, "{sql}");
    }

    #[test]
    fn statements_tell_the_tables_whose_rows_they_change() {
        for (sql, expected) in [
            ("INSERT INTO t VALUES (1)", "INSERT d.t"),
            ("INSERT\nINTO\t`e`.`t` SELECT * FROM x", "INSERT e.t"),
            ("/* why */ insert/* not */ignore t SET a = 1", "INSERT d.t"),
            ("-- why\nREPLACE INTO t VALUES (1)", "REPLACE d.t"),
            (
                "SET STATEMENT max_statement_time=1 FOR DELETE FROM t WHERE a = 1",
                "DELETE d.t",
            ),
            ("DELETE QUICK FROM e.t", "DELETE e.t"),
            (
                "DELETE a FROM t AS a JOIN u ON a.id = u.id WHERE 1",
                "DELETE d.t,d.u",
            ),
            (
                "DELETE FROM t USING t, u WHERE t.id = u.id",
                "DELETE d.t,d.t,d.u",
            ),
            ("UPDATE LOW_PRIORITY t, e.u SET t.a = 1", "UPDATE d.t,e.u"),
            ("UPDATE (t) SET a = 1", "UPDATE d.t"),
            (
                "LOAD DATA LOCAL INFILE '/x' REPLACE INTO TABLE `t` FIELDS TERMINATED BY ','",
                "LOAD d.t",
            ),
            ("load\tdata infile 'INTO' into table e.t", "LOAD e.t"),
            (
                "WITH c AS (SELECT 1 UNION SELECT 2) UPDATE t JOIN c SET t.a = 1",
                "UPDATE d.t,d.c",
            ),
            ("WITH c AS (SELECT 1) DELETE FROM t", "DELETE d.t"),
            ("SELECT `d`.`f`(1)", "SELECT "),
            ("DO f(1)", "DO "),
            ("CREATE TABLE t (a INT)", ""),
            ("SET @a = 1", ""),
            ("SET STATEMENT a = 1 FOR ALTER TABLE t ADD b INT", ""),
            ("BEGIN", ""),
            ("", ""),
        ] {
            check(sql, expected);
        }
    }

    #[test]
    fn the_rows_themselves_are_not_read() {
        let sql = format!("INSERT INTO t VALUES {}", "(1, 'x'),".repeat(200_000));
        let began = std::time::Instant::now();
        check(&sql, "INSERT d.t");
        assert!(began.elapsed().as_secs() < 1, "{:?}", began.elapsed());
    }
}
