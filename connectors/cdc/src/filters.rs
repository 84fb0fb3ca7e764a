//! Include and exclude lists: comma-separated Java regular expressions that must match a whole name, in any case.
//!
//! Source: Debezium `Selectors`, `RelationalTableFilters`, `Predicates`.

use fancy_regex::Regex;
use tidegate_api::ConnectError;
use tidegate_relational::TableId;

/// Expressions in the order of the list.
#[derive(Debug, Clone, Default)]
pub struct Patterns(Vec<Regex>);

impl Patterns {
    /// Splits at commas without a backslash before them.
    ///
    /// # Errors
    /// `Config` if a part is no regular expression.
    pub fn new(name: &str, list: &str) -> Result<Self, ConnectError> {
        let mut parts = vec![String::new()];
        let mut characters = list.chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '\\' if characters.peek() == Some(&',') => {
                    characters.next();
                    parts.last_mut().expect("never empty").push(',');
                }
                ',' => parts.push(String::new()),
                other => parts.last_mut().expect("never empty").push(other),
            }
        }
        parts
            .iter()
            .map(|part| part.trim())
            .filter(|part| !part.is_empty())
            .map(|part| {
                Regex::new(&format!("(?is)^(?:{})$", java_quotes(part))).map_err(|error| {
                    ConnectError::config(format!(
                        "Invalid value {list} for configuration {name}: A comma-separated list of valid regular expressions is expected, but {error}"
                    ))
                })
            })
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
    pub fn position(&self, name: &str) -> Option<usize> {
        self.0
            .iter()
            .position(|pattern| pattern.is_match(name).unwrap_or(false))
    }
}

/// `\Q…\E` quotes a part literally.
fn java_quotes(pattern: &str) -> String {
    let mut out = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once("\\Q") {
        let (quoted, tail) = after.split_once("\\E").unwrap_or((after, ""));
        out.push_str(before);
        out.push_str(&fancy_regex::escape(quoted));
        rest = tail;
    }
    out.push_str(rest);
    out
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
        assert!(Patterns::new("table.include.list", "a(").is_err());
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
