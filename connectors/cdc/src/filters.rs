//! Include and exclude lists: comma-separated Java regular expressions that must match a whole name, in any case.
//!
//! Source: Debezium `Selectors`, `RelationalTableFilters`, `Predicates`.

use tidegate_api::config::invalid_field;
use tidegate_api::java_regex::Flags;
use tidegate_api::{ConnectError, JavaRegex};
use tidegate_relational::TableId;

/// Expressions in the order of the list.
#[derive(Debug, Clone, Default)]
pub struct Patterns(Vec<JavaRegex>);

impl Patterns {
    /// # Errors
    /// `Config` if a part is no regular expression.
    pub fn new(name: &str, list: &str) -> Result<Self, ConnectError> {
        let wrong = |reason: &str| {
            let problem = format!(
                "A comma-separated list of valid regular expressions is expected, but {reason}"
            );
            ConnectError::config(invalid_field(name, &problem))
        };
        let parts = split(list).ok_or_else(|| wrong("it ends with a backslash"))?;
        let compile = |part: &str| {
            JavaRegex::with_flags(part, Flags::CASE_INSENSITIVE)
                .map_err(|error| wrong(&error.to_string()))
        };
        parts
            .iter()
            .map(|part| part.trim())
            .filter(|part| !part.is_empty())
            .map(compile)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    pub fn matches(&self, name: &str) -> bool {
        self.position(name).is_some()
    }
    /// Place of the first expression that matches.
    ///
    /// # Panics
    /// If an expression takes so many steps that it is not known whether it matches (Java would not come back for hours).
    /// A guess would leave a table out in silence, or show a column that is to be hidden; the runner of tasks makes the
    /// panic a failure with this text.
    pub fn position(&self, name: &str) -> Option<usize> {
        let matches = |pattern: &JavaRegex| match pattern.matches(name) {
            Ok(matches) => matches,
            Err(error) => panic!("{error}"),
        };
        self.0.iter().position(matches)
    }
}

/// Splits at commas without a backslash before them, which loses it. `None` if the last backslash has nothing behind it.
///
/// Source: Debezium `Strings.RegExSplitter`.
fn split(list: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut characters = list.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next()? {
                ',' => part.push(','),
                escaped => part.extend(['\\', escaped]),
            },
            ',' => parts.push(std::mem::take(&mut part)),
            other => part.push(other),
        }
    }
    parts.push(part);
    Some(parts)
}

/// Either what is included, or everything but what is excluded.
#[derive(Debug, Clone, Default)]
pub struct IncludeExclude {
    pub include: Patterns,
    pub exclude: Patterns,
}

impl IncludeExclude {
    pub fn allows(&self, name: &str) -> bool {
        if self.include.is_empty() {
            !self.exclude.matches(name)
        } else {
            self.include.matches(name)
        }
    }
}

/// Which databases, tables and columns are captured.
#[derive(Debug, Clone, Default)]
pub struct Filters {
    pub databases: IncludeExclude,
    pub tables: IncludeExclude,
    pub columns: IncludeExclude,
    /// Databases of the server itself; never captured.
    pub builtin: &'static [&'static str],
}

impl Filters {
    pub fn database(&self, database: &str) -> bool {
        !self
            .builtin
            .iter()
            .any(|builtin| builtin.eq_ignore_ascii_case(database))
            && self.databases.allows(database)
    }
    pub fn table(&self, id: &TableId) -> bool {
        self.database(id.catalog.as_deref().unwrap_or_default())
            && self.tables.allows(&id.to_string())
    }
    pub fn column(&self, id: &TableId, column: &str) -> bool {
        (self.columns.include.is_empty() && self.columns.exclude.is_empty())
            || self.columns.allows(&format!("{id}.{column}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_match_whole_names_in_any_case() {
        fn check(list: &str, name: &str, expected: bool) {
            let patterns = Patterns::new("table.include.list", list).expect("valid");
            assert_eq!(patterns.matches(name), expected, "{list} {name}");
        }
        check("inv.orders, inv.items", "INV.Items", true);
        check("inv.orders", "inv.orders2", false);
        check("inv\\.(a|b)", "inv.b", true);
        check("^(?!mysql\\.).*", "mysql.user", false);
        check("inv\\.a{1\\,2}", "inv.aa", true);
        check("\\Qinv.a(b)\\E", "inv.a(b)", true);
        check("inv.gr\u{f6}\u{df}e", "INV.GR\u{f6}\u{df}E", true);
        check("inv.gr\u{f6}\u{df}e", "inv.gr\u{d6}\u{df}e", false);
        check(r"inv\.\w+", "inv.k\u{fc}che", false);
        check(r"inv\.[a-z&&[^b]]+", "inv.B", false);
        assert!(Patterns::new("table.include.list", "a(").is_err());
    }

    /// As recorded from `Strings.setOfRegex` of Debezium 3.6.1.Final.
    #[test]
    fn lists_are_split_as_the_original_splits_them() {
        fn check(list: &str, expected: Option<&[&str]>) {
            let parts = split(list);
            let parts: Option<Vec<&str>> = parts
                .as_ref()
                .map(|parts| parts.iter().map(|part| part.trim()).collect());
            assert_eq!(parts.as_deref(), expected, "{list}");
        }
        check(r"a\,b,c", Some(&["a,b", "c"]));
        check(r"inv\.a{1\,2}", Some(&[r"inv\.a{1,2}"]));
        check(" a , b ", Some(&["a", "b"]));
        check(r"a\\,b", Some(&[r"a\\", "b"]));
        check(r"\Qa,b\E,c", Some(&[r"\Qa", r"b\E", "c"]));
        check("[a,b]", Some(&["[a", "b]"]));
        check(r"a\.b,c\", None);
    }

    #[test]
    #[should_panic(expected = "takes too many steps")]
    fn a_list_that_cannot_tell_does_not_guess() {
        let patterns = Patterns::new("table.include.list", r"(?:(?!x)(a|aa)+)+b").expect("valid");
        patterns.matches(&"a".repeat(200));
    }

    #[test]
    fn includes_win_over_excludes() {
        let list = |text: &str| Patterns::new("x", text).expect("valid");
        let filters = Filters {
            databases: IncludeExclude::default(),
            tables: IncludeExclude {
                include: list("inv.a"),
                exclude: list("inv.a"),
            },
            columns: IncludeExclude {
                include: list(""),
                exclude: list("inv.a.secret"),
            },
            builtin: &["mysql"],
        };
        assert!(filters.table(&TableId::in_database("inv", "a")));
        assert!(!filters.table(&TableId::in_database("inv", "b")));
        assert!(!filters.database("mysql"));
        assert!(filters.column(&TableId::in_database("inv", "a"), "x"));
        assert!(!filters.column(&TableId::in_database("inv", "a"), "secret"));
    }
}
