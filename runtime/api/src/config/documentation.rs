//! What keys mean, for the answers that consoles show.
//!
//! The texts of a connector with many keys are in files beside its catalogue: one line per key with the name and the text,
//! separated by a tab. A key that has a text of its own where it is declared is in none of them.

use std::collections::HashMap;

/// The texts of a plugin's keys by name.
#[derive(Debug)]
pub struct Documentation(HashMap<&'static str, &'static str>);

impl Documentation {
    /// Reads files that are compiled in.
    ///
    /// # Panics
    /// If a line is damaged or a key has two of them: a mistake of whoever changed the files, found by any test.
    pub fn new(files: &[&'static str]) -> Self {
        let mut texts = HashMap::new();
        for line in files.iter().flat_map(|file| file.lines()) {
            let (name, text) = line
                .split_once('\t')
                .filter(|(name, text)| !name.is_empty() && !text.is_empty())
                .unwrap_or_else(|| panic!("documentation line '{line}'"));
            let earlier = texts.insert(name, text);
            assert!(earlier.is_none(), "two texts of '{name}'");
        }
        Self(texts)
    }

    pub fn of(&self, name: &str) -> Option<&'static str> {
        self.0.get(name).copied()
    }
    /// In any order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.keys().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_one() {
        let documentation = Documentation::new(&["a.b\tFirst.\n", "c\tSecond; a.b has more.\n"]);
        assert_eq!(documentation.of("a.b"), Some("First."));
        assert_eq!(documentation.of("c"), Some("Second; a.b has more."));
        assert_eq!(documentation.of("d"), None);
        assert_eq!(documentation.names().count(), 2);
    }

    #[test]
    #[should_panic(expected = "two texts of 'a'")]
    fn a_key_has_one_text() {
        Documentation::new(&["a\tFirst.", "a\tSecond."]);
    }

    #[test]
    #[should_panic(expected = "documentation line 'a First.'")]
    fn a_line_without_tab_is_damaged() {
        Documentation::new(&["a First."]);
    }
}
