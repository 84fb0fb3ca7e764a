//! Savepoints: what a transaction undoes before its end.
//!
//! `SAVEPOINT` and `ROLLBACK TO` are in the log if the part between them has touched something that cannot be undone, such as
//! a temporary table with `binlog_format=MIXED`. `RELEASE SAVEPOINT` never is.
//!
//! Source: MariaDB `binlog_savepoint_set`, `binlog_savepoint_rollback`; MySQL the same.

use indexmap::IndexMap;

/// A statement about a savepoint, with its name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Savepoint {
    Set(String),
    RollBackTo(String),
}

impl Savepoint {
    /// `None` for other statements.
    pub(super) fn of(sql: &str) -> Option<Self> {
        let mut rest = sql.trim();
        if let Some(name) = behind(rest, "SAVEPOINT") {
            return Some(Self::Set(plain(name)));
        }
        rest = behind(rest, "ROLLBACK")?;
        rest = behind(rest, "WORK").unwrap_or(rest);
        rest = behind(rest, "TO")?;
        rest = behind(rest, "SAVEPOINT").unwrap_or(rest);
        Some(Self::RollBackTo(plain(rest)))
    }
}

/// What stands behind a word and white space.
fn behind<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (first, rest) = text.split_at_checked(word.len())?;
    let is_word = first.eq_ignore_ascii_case(word) && rest.starts_with(char::is_whitespace);
    is_word.then(|| rest.trim_start())
}

/// A name as it is compared: without quotes, in any case.
fn plain(name: &str) -> String {
    let unquoted = ['`', '"'].into_iter().find_map(|quote| {
        let inner = name.strip_prefix(quote)?;
        inner.strip_suffix(quote)
    });
    unquoted.unwrap_or(name).to_lowercase()
}

/// The savepoints of one transaction, oldest first, each with how far the transaction was.
#[derive(Debug, Default)]
pub(super) struct Savepoints(IndexMap<String, usize>);

impl Savepoints {
    /// The transaction is at `mark`; another savepoint of the name goes away.
    pub(super) fn set(&mut self, name: String, mark: usize) {
        self.0.shift_remove(&name);
        self.0.insert(name, mark);
    }

    /// The mark that the transaction is rolled back to. Savepoints behind it go away, and it stays.
    pub(super) fn roll_back_to(&mut self, name: &str) -> Option<usize> {
        let index = self.0.get_index_of(name)?;
        self.0.truncate(index + 1);
        self.0.get(name).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_about_savepoints_are_known() {
        fn check(sql: &str, expected: Option<Savepoint>) {
            assert_eq!(Savepoint::of(sql), expected, "{sql}");
        }
        let set = |name: &str| Some(Savepoint::Set(name.to_owned()));
        let to = |name: &str| Some(Savepoint::RollBackTo(name.to_owned()));
        check("SAVEPOINT `a`", set("a"));
        check("savepoint A", set("a"));
        check("SAVEPOINT `work to`", set("work to"));
        check("ROLLBACK TO `a`", to("a"));
        check("ROLLBACK TO \"A\"", to("a"));
        check("ROLLBACK WORK TO SAVEPOINT a", to("a"));
        check("ROLLBACK TO `savepoint`", to("savepoint"));
        for other in [
            "ROLLBACK",
            "ROLLBACK TO",
            "SAVEPOINTS a",
            "COMMIT",
            "SÄ",
            "",
        ] {
            check(other, None);
        }
    }

    #[test]
    fn savepoints_behind_the_one_that_is_rolled_back_to_are_gone() {
        let mut savepoints = Savepoints::default();
        for (name, mark) in [("a", 1), ("b", 2), ("c", 3), ("b", 4)] {
            savepoints.set(name.to_owned(), mark);
        }
        assert_eq!(savepoints.roll_back_to("c"), Some(3));
        assert_eq!(savepoints.roll_back_to("b"), None);
        assert_eq!(savepoints.roll_back_to("a"), Some(1));
        assert_eq!(savepoints.roll_back_to("a"), Some(1));
        assert_eq!(savepoints.roll_back_to("c"), None);
    }
}
