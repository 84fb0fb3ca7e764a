//! Variables: the process's own, then those of an `--env-file`; and their places in configurations.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, bail};

/// No `Debug`: values may be secrets.
#[derive(Default)]
pub(super) struct Environment(BTreeMap<String, String>);

impl Environment {
    pub(super) fn of_process(file: Option<&Path>) -> anyhow::Result<Self> {
        let own = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self::new(own, file)
    }

    /// `own` comes before what the file has.
    pub(super) fn new(own: BTreeMap<String, String>, file: Option<&Path>) -> anyhow::Result<Self> {
        let mut variables = BTreeMap::new();
        if let Some(path) = file {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("the --env-file '{}' cannot be read", path.display()))?;
            variables = parse(&text).with_context(|| format!("'{}'", path.display()))?;
        }
        variables.extend(own);
        Ok(Self(variables))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Replaces `${NAME}`, names being upper-case letters, digits and `_`. Everything else between `${` and `}` belongs
    /// to Connect or to a connector and stays: `${file:/path:key}`, `${topic}`. Names that are not set go to `unset`.
    pub(super) fn substitute(&self, text: &str, unset: &mut BTreeSet<String>) -> String {
        let mut result = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            result.push_str(before);
            match after.split_once('}').filter(|(name, _)| is_variable(name)) {
                Some((name, behind)) => {
                    match self.get(name) {
                        Some(value) => result.push_str(value),
                        None => drop(unset.insert(name.to_owned())),
                    }
                    rest = behind;
                }
                None => {
                    result.push_str("${");
                    rest = after;
                }
            }
        }
        result.push_str(rest);
        result
    }
}

fn is_variable(name: &str) -> bool {
    let mut characters = name.chars();
    characters
        .next()
        .is_some_and(|c| c.is_ascii_uppercase() || c == '_')
        && characters.all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// `NAME=value` per line, `export` before it if one likes, comments after `#`. A value may stand in quotes: single ones
/// take all as it is, double ones know `\n`, `\"` and `\\`. Nothing is expanded.
fn parse(text: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let mut variables = BTreeMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((name, value)) = line.split_once('=') else {
            bail!("line {number} is not of the form NAME=value");
        };
        let value = value_of(value.trim()).with_context(|| {
            format!("line {number}: the quotes of {} do not close", name.trim())
        })?;
        variables.insert(name.trim().to_owned(), value);
    }
    Ok(variables)
}

/// `None` if quotes do not close.
fn value_of(text: &str) -> Option<String> {
    if let Some(quoted) = text.strip_prefix('\'') {
        return quoted.split_once('\'').map(|(value, _)| value.to_owned());
    }
    let Some(quoted) = text.strip_prefix('"') else {
        // A # within a word belongs to it: passwords have such.
        let end = text.find(" #").or_else(|| text.find("\t#"));
        let value = end.and_then(|end| text.get(..end)).unwrap_or(text);
        return Some(value.trim_end().to_owned());
    };
    let mut value = String::new();
    let mut characters = quoted.chars();
    loop {
        match characters.next()? {
            '"' => return Some(value),
            '\\' => match characters.next()? {
                'n' => value.push('\n'),
                escaped @ ('"' | '\\' | '$') => value.push(escaped),
                other => value.extend(['\\', other]),
            },
            other => value.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> Environment {
        let own = [("HOST", "db-1"), ("A_2", "x"), ("EMPTY", "")];
        let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Environment::new(own.into(), None).unwrap()
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let mut unset = BTreeSet::new();
        assert_eq!(environment().substitute(text, &mut unset), expected);
        assert!(unset.is_empty(), "{unset:?}");
    }

    #[test]
    fn upper_case_names_are_replaced() {
        check("${HOST}", "db-1");
        check(
            "jdbc:postgresql://${HOST}:5432/${A_2}${EMPTY}",
            "jdbc:postgresql://db-1:5432/x",
        );
        check("$${HOST}", "$db-1");
    }

    #[test]
    fn what_belongs_to_connect_and_connectors_stays() {
        for text in [
            "${file:/secrets.properties:password}",
            "${env:HOST}",
            "${dir:/run:HOST}",
            "mp_cdc.${topic}",
            "${source.database}_${source.table}",
            "${Host}",
            "${2A}",
            "${}",
            "$1-$HOST",
            "${HOST",
            "(.*)\\.(.*)$",
        ] {
            check(text, text);
        }
        check("${topic}_${HOST}", "${topic}_db-1");
        check("${file:/x:${HOST}}", "${file:/x:db-1}");
    }

    #[test]
    fn all_names_that_are_not_set_are_collected() {
        let mut unset = BTreeSet::new();
        environment().substitute("${B}${HOST}${A}${B}", &mut unset);
        assert_eq!(unset.into_iter().collect::<Vec<_>>(), ["A", "B"]);
    }

    #[test]
    fn an_env_file_is_read_as_shells_and_compose_read_it() {
        let text = "# comment\n\nexport A=1\nB = two words # comment\nC='a \"b\" # ${D}'\nD=\"x\\n\\\"y\\\"\" # c\n\
                    E=p#ss=word\nF=\n";
        let expected = [
            ("A", "1"),
            ("B", "two words"),
            ("C", "a \"b\" # ${D}"),
            ("D", "x\n\"y\""),
            ("E", "p#ss=word"),
            ("F", ""),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(parse(text).unwrap(), expected.into());
        for (text, complaint) in [("A=1\nB", "line 2"), ("PASS='x", "PASS")] {
            assert!(parse(text).unwrap_err().to_string().contains(complaint));
        }
    }

    #[test]
    fn the_process_comes_before_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(".env");
        std::fs::write(&path, "A=file\nB=file\n").unwrap();
        let own = [("A".to_owned(), "own".to_owned())];
        let environment = Environment::new(own.into(), Some(&path)).unwrap();
        assert_eq!(
            (environment.get("A"), environment.get("B")),
            (Some("own"), Some("file"))
        );
        let missing = Environment::new(BTreeMap::new(), Some(&directory.path().join("no")))
            .err()
            .unwrap();
        assert!(missing.to_string().contains("--env-file"));
    }
}
