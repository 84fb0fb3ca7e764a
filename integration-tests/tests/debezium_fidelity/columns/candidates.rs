//! Columns that are to be tried: every type with every attribute and every default that makes sense for it, and many that
//! do not; servers refuse the latter.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

/// Types by class, as the manuals of both servers spell them.
const TYPES: &str = include_str!("types.txt");
/// What may stand behind DEFAULT, by class and types.
const DEFAULTS: &str = include_str!("defaults.txt");
/// Options of ENUM and SET.
const OPTIONS: &str = include_str!("options.txt");
/// Attributes, by class and types.
const ATTRIBUTES: &str = include_str!("attributes.txt");
/// Whole definitions, by class and session.
const DEFINITIONS: &str = include_str!("definitions.txt");
/// Names of columns as they stand in statements.
const NAMES: &str = include_str!("names.txt");
/// Cells by class.
const CELLS: &str = include_str!("cells.txt");
/// Stands for a line break in these files.
const LINE_BREAK: char = '⏎';

/// A column that may become part of the tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Its number, from 0.
    pub(crate) id: usize,
    /// Which cells it takes, see `cells.txt`.
    pub(crate) class: &'static str,
    /// What the session that makes its table sets, as `SET` takes it.
    pub(crate) session: &'static str,
    /// As statements have it, quotes included.
    pub(crate) name: String,
    /// Everything behind the name.
    pub(crate) definition: String,
}

/// A `## title` and the lines below it.
struct Section {
    class: &'static str,
    /// What stands behind the class.
    details: &'static str,
    lines: Vec<String>,
}

fn sections(text: &'static str) -> impl Iterator<Item = Section> {
    text.split("## ").skip(1).map(|section| {
        let (title, lines) = section.split_once('\n').unwrap_or((section, ""));
        let (class, details) = title.split_once(": ").unwrap_or((title, ""));
        Section {
            class,
            details,
            lines: lines
                .lines()
                .map(|line| line.replace(LINE_BREAK, "\n"))
                .collect(),
        }
    })
}

/// Cells of a class, as statements have them.
pub(crate) fn cells(class: &str) -> &'static [String] {
    static ALL: LazyLock<HashMap<&str, Vec<String>>> = LazyLock::new(|| {
        let all = sections(CELLS);
        all.map(|section| (section.class, section.lines)).collect()
    });
    ALL.get(class).map_or(&[], Vec::as_slice)
}

/// All columns, in an order that stays.
pub(crate) fn candidates() -> Vec<Candidate> {
    let mut all = Candidates::default();
    for section in sections(TYPES) {
        for spelling in &section.lines {
            all.add(section.class, "", spelling.clone());
            all.add(section.class, "", format!("{spelling} NOT NULL"));
        }
    }
    for kind in ["ENUM", "SET"] {
        let class = if kind == "ENUM" { "Enum" } else { "Set" };
        for options in OPTIONS.lines().map(|line| line.replace(LINE_BREAK, "\n")) {
            all.add(class, "", format!("{kind}({options})"));
            all.add(class, "", format!("{kind}({options}) NOT NULL DEFAULT 'b'"));
            all.add(
                class,
                "",
                format!("{kind}({options}) CHARACTER SET utf8mb3 COLLATE utf8mb3_bin"),
            );
        }
        // Many options, and long ones.
        for count in [64, 300, 5_000] {
            let options: Vec<String> = (0..count)
                .map(|number| format!("'option {number}'"))
                .collect();
            all.add(class, "", format!("{kind}({},'b')", options.join(",")));
        }
        let members: Vec<String> = (1..64).map(|number| format!("'m{number}'")).collect();
        all.add(
            class,
            "",
            format!("{kind}({},'b') DEFAULT 'm63'", members.join(",")),
        );
    }
    for section in sections(ATTRIBUTES) {
        for data_type in section.details.split(" | ") {
            for attributes in &section.lines {
                all.add(section.class, "", format!("{data_type} {attributes}"));
            }
        }
    }
    for section in sections(DEFAULTS) {
        for (number, data_type) in section.details.split(" | ").enumerate() {
            for (index, default) in section.lines.iter().enumerate() {
                let definition = match (number + index) % 4 {
                    0 | 2 => format!("{data_type} DEFAULT {default}"),
                    1 => format!("{data_type} NOT NULL DEFAULT {default}"),
                    _ => format!("{data_type} DEFAULT {default} NOT NULL"),
                };
                all.add(section.class, "", definition);
            }
        }
    }
    for section in sections(DEFINITIONS) {
        for session in section.details.split(" | ") {
            for definition in &section.lines {
                all.add(section.class, session, definition.clone());
            }
        }
    }
    for name in NAMES.lines() {
        all.named("Integer", "", name.to_owned(), "INT DEFAULT 7".to_owned());
        all.named(
            "Text",
            "",
            name.to_owned(),
            "VARCHAR(9) NOT NULL".to_owned(),
        );
    }
    all.list
}

#[derive(Default)]
struct Candidates {
    list: Vec<Candidate>,
    seen: HashSet<(&'static str, String, String)>,
}

impl Candidates {
    fn add(&mut self, class: &'static str, session: &'static str, definition: String) {
        if self
            .seen
            .insert((session, String::new(), definition.clone()))
        {
            let name = format!("c{}", self.list.len());
            self.push(class, session, name, definition);
        }
    }

    fn named(
        &mut self,
        class: &'static str,
        session: &'static str,
        name: String,
        definition: String,
    ) {
        if self
            .seen
            .insert((session, name.clone(), definition.clone()))
        {
            self.push(class, session, name, definition);
        }
    }

    fn push(
        &mut self,
        class: &'static str,
        session: &'static str,
        name: String,
        definition: String,
    ) {
        self.list.push(Candidate {
            id: self.list.len(),
            class,
            session,
            name,
            definition,
        });
    }
}

impl Candidate {
    /// The name without quotes.
    pub(crate) fn plain_name(&self) -> String {
        let quote = self.name.chars().next().filter(|c| ['`', '"'].contains(c));
        match quote {
            Some(quote) => {
                let inner = self.name.trim_matches(quote);
                inner.replace(&format!("{quote}{quote}"), &quote.to_string())
            }
            None => self.name.clone(),
        }
    }

    /// Name and definition, as a statement has them.
    pub(crate) fn sql(&self) -> String {
        format!("{} {}", self.name, self.definition)
    }

    /// Whether statements may give it a value.
    pub(crate) fn is_generated(&self) -> bool {
        self.class == "Generated"
    }

    pub(crate) fn is_not_null(&self) -> bool {
        let definition = self.definition.to_ascii_uppercase();
        definition.contains("NOT NULL") || definition.contains("PRIMARY KEY")
    }

    /// Whether its default is another one for each row and run.
    pub(crate) fn varies(&self) -> bool {
        let definition = self.definition.to_ascii_lowercase();
        ["uuid()", "sysdate()", "user"]
            .iter()
            .any(|word| definition.contains(word))
    }

    /// Bytes that a row needs at most for it, roughly.
    pub(crate) fn width(&self) -> usize {
        const LARGE: [&str; 8] = [
            "TEXT", "BLOB", "LONG", "CLOB", "JSON", "ENUM", "SET", "GEOMETRY",
        ];
        let definition = self.definition.to_ascii_uppercase();
        if LARGE.iter().any(|word| definition.starts_with(word)) {
            return 16;
        }
        let digits: String = definition
            .chars()
            .skip_while(|c| *c != '(')
            .skip(1)
            .take_while(char::is_ascii_digit)
            .collect();
        match self.class {
            "Text" => digits.parse().unwrap_or(1) * 4 + 2,
            "Binary" => digits.parse().unwrap_or(1) * 4 + 2,
            _ => 40,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_are_many_and_always_the_same() {
        let all = candidates();
        assert!(all.len() > 2_000, "{}", all.len());
        assert_eq!(all, candidates());
    }

    #[test]
    fn every_class_has_cells() {
        for candidate in candidates()
            .iter()
            .filter(|candidate| !candidate.is_generated())
        {
            assert!(!cells(candidate.class).is_empty(), "{candidate:?}");
        }
    }
}
