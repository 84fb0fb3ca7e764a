//! DDL statements made from templates that follow the grammars of the servers' manuals: each alternative appears, with
//! comments and white space in odd places. The same templates always give the same statements.
//!
//! A template is a paragraph; each of its lines is a statement, or, behind `!`, one that prepares it and stays as it is.
//! `# kind` names what follows. `{a|b}` is one of several, `[a]` may be there, `$x` is a name that no other statement has,
//! `~` a place where white space may be but need not, `\` stands before a character that means itself. `@ label` says
//! which encoding the session sends its statements in.

use anyhow::{Context as _, Result, ensure};
use encoding_rs::{Encoding, UTF_8};

mod template;
mod trivia;

use template::{Choices, Node};
use trivia::Trivia;

const COMMON: &str = include_str!("ddl_statements/common.txt");
const MARIADB: &str = include_str!("ddl_statements/mariadb.txt");
const MYSQL: &str = include_str!("ddl_statements/mysql.txt");

/// Statements of one session that belong together and to no others.
#[derive(Debug, Clone)]
pub struct DdlScenario {
    /// What the statements are about.
    pub kind: String,
    pub steps: Vec<DdlStep>,
    encoding: &'static Encoding,
}

#[derive(Debug, Clone)]
pub struct DdlStep {
    pub sql: String,
    /// Whether it only prepares others: it has no odd places.
    pub prepares: bool,
}

impl DdlScenario {
    /// Whether the session sends a statement in other bytes than those of UTF-8.
    pub fn is_encoded(&self, step: &DdlStep) -> bool {
        self.encoding != UTF_8 && !step.sql.is_ascii()
    }

    /// A statement as the session sends it.
    ///
    /// # Errors
    /// If the session's encoding has not all of its characters.
    pub fn encoded(&self, step: &DdlStep) -> Result<Vec<u8>> {
        let (bytes, _, has_unknown) = self.encoding.encode(&step.sql);
        ensure!(!has_unknown, "{} is no {}", step.sql, self.encoding.name());
        Ok(bytes.into_owned())
    }
}

/// All scenarios for MariaDB or MySQL.
///
/// # Errors
/// If a template is broken.
pub fn ddl_scenarios(is_mysql: bool) -> Result<Vec<DdlScenario>> {
    let own = if is_mysql { MYSQL } else { MARIADB };
    let mut scenarios = Vec::new();
    for templates in [COMMON, own] {
        let mut kind = "";
        for paragraph in templates.split("\n\n") {
            let mut lines = paragraph.lines().filter(|line| !line.is_empty()).peekable();
            while let Some(name) = lines.peek().and_then(|line| line.strip_prefix("# ")) {
                kind = name;
                lines.next();
            }
            let lines: Vec<&str> = lines.collect();
            expand(kind, &lines, &mut scenarios)
                .with_context(|| format!("template {paragraph}"))?;
        }
    }
    Ok(scenarios)
}

/// As many scenarios as it takes for each alternative to appear, and a few for odd places.
fn expand(kind: &str, lines: &[&str], scenarios: &mut Vec<DdlScenario>) -> Result<()> {
    const AT_LEAST: usize = 4;
    let mut encoding = UTF_8;
    let mut statements: Vec<(bool, Vec<Node>)> = Vec::new();
    for line in lines {
        if let Some(label) = line.strip_prefix("@ ") {
            encoding = Encoding::for_label(label.as_bytes()).context("an encoding")?;
            continue;
        }
        let (prepares, text) = match line.strip_prefix("! ") {
            Some(text) => (true, text),
            None => (false, *line),
        };
        statements.push((prepares, template::parse(text)?));
    }
    let widest = statements.iter().map(|(_, nodes)| template::widest(nodes));
    let variants = widest.max().unwrap_or(1).max(AT_LEAST);
    for variant in 0..variants {
        let serial = scenarios.len();
        let mut choices = Choices::new(variant, serial);
        let steps = statements
            .iter()
            .zip(0_usize..)
            .map(|((prepares, nodes), line)| {
                let text = choices.text(nodes);
                let trivia = if *prepares || variant == 0 {
                    Trivia::PLAIN
                } else {
                    Trivia::numbered(serial + line * 5)
                };
                DdlStep {
                    sql: trivia.put_into(&text, serial / 3 + line),
                    prepares: *prepares,
                }
            });
        let steps = steps.collect();
        scenarios.push(DdlScenario {
            kind: kind.to_owned(),
            steps,
            encoding,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn statements_are_many_and_each_is_another() -> Result<()> {
        for is_mysql in [false, true] {
            let scenarios = ddl_scenarios(is_mysql)?;
            let own = scenarios.iter().flat_map(|scenario| &scenario.steps);
            let own: Vec<&str> = own
                .filter(|step| !step.prepares)
                .map(|step| step.sql.as_str())
                .collect();
            let different: BTreeSet<&str> = own.iter().copied().collect();
            assert!(different.len() > 1_000, "{}", different.len());
        }
        Ok(())
    }

    #[test]
    fn alternatives_and_odd_places_appear() -> Result<()> {
        let mut scenarios = Vec::new();
        expand(
            "k",
            &["! SET x", "DROP [IF] $a~,~{b|'c d'|e}"],
            &mut scenarios,
        )?;
        let texts: Vec<&str> = scenarios
            .iter()
            .map(|it| it.steps[1].sql.as_str())
            .collect();
        assert_eq!(scenarios.len(), 4);
        assert_eq!(texts[0], "DROP IF a0,b");
        assert!(
            texts[1].contains("a1") && texts[1].contains("'c d'"),
            "{texts:?}"
        );
        assert!(
            texts[2].contains("a2") && texts[2].ends_with('e'),
            "{texts:?}"
        );
        assert!(scenarios.iter().all(|it| it.steps[0].sql == "SET x"));
        Ok(())
    }

    #[test]
    fn broken_templates_are_errors() {
        for broken in ["{a|b", "a]", "$1", "a\\"] {
            assert!(template::parse(broken).is_err(), "{broken}");
        }
    }
}
