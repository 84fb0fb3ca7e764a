//! Comments, hints and white space in odd places of a statement.

use super::template::OPTIONAL_SPACE;

/// What stands in places between words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trivia {
    /// This in one of them.
    Once(&'static str),
    /// This in all of them.
    Everywhere(&'static str),
    /// The word behind one of them stands in an executable comment.
    Executable(&'static str),
}

const ALL: [Trivia; 26] = [
    Trivia::Once("\n"),
    Trivia::Once(" /* why */ "),
    Trivia::Once("/**/"),
    Trivia::Once(" -- line\n"),
    Trivia::Executable("/*!40000 "),
    Trivia::Once("\t"),
    Trivia::Once("/* it's; \"a\" `b` -- # \\ */"),
    Trivia::Once(" # line's\n"),
    Trivia::Everywhere("\n"),
    Trivia::Once(" /*! */ "),
    Trivia::Once("\r\n"),
    Trivia::Once(" --\n"),
    Trivia::Once("/*\n * lines\n */"),
    Trivia::Everywhere(" /* c */ "),
    Trivia::Once(" /*+ hint */ "),
    Trivia::Once("     "),
    Trivia::Executable("/*! "),
    Trivia::Once("\u{b}"),
    Trivia::Once(" /*!99999 never */ "),
    Trivia::Once("/*;*/"),
    Trivia::Once(" --\ttab\r\n"),
    Trivia::Everywhere("\r\n\t"),
    Trivia::Once("\u{c}"),
    Trivia::Once(" /*M! */ "),
    Trivia::Once(" #\n"),
    Trivia::Once(" /*!50000 */ "),
];

impl Trivia {
    pub(super) const PLAIN: Self = Self::Once(" ");

    pub(super) fn numbered(number: usize) -> Self {
        ALL[number % ALL.len()]
    }

    /// The statement with this in its places; `place` chooses one where only one has it.
    pub(super) fn put_into(self, statement: &str, place: usize) -> String {
        let parts = parts(statement);
        let chosen = place % parts.len().max(1);
        let mut text = String::new();
        for (index, (part, space)) in parts.iter().enumerate() {
            let here = index == chosen;
            match self {
                Self::Executable(open) if here && is_words(part) => {
                    text.extend([open, part.as_str(), " */"]);
                }
                _ => text.push_str(part),
            }
            if index + 1 == parts.len() {
                break;
            }
            match self {
                Self::Once(trivia) if here && self != Self::PLAIN => text.push_str(trivia),
                Self::Everywhere(trivia) => text.push_str(trivia),
                _ => text.push_str(space),
            }
        }
        text
    }
}

/// Words and signs that may stand in a comment as a whole.
fn is_words(part: &str) -> bool {
    !part.is_empty() && !part.contains("/*") && !part.contains(['(', ')'])
}

/// Pieces between places for white space, each with what stands behind it if nothing else does. Texts in quotes and
/// comments have no such places.
fn parts(statement: &str) -> Vec<(String, &'static str)> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut quote = None;
    let mut chars = statement.trim().chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, ' ' | OPTIONAL_SPACE) => {
                let mut space = if c == ' ' { " " } else { "" };
                while let Some(c) = chars.next_if(|c| [' ', OPTIONAL_SPACE].contains(c)) {
                    if c == ' ' {
                        space = " ";
                    }
                }
                parts.push((std::mem::take(&mut part), space));
                continue;
            }
            (None, '\'' | '"' | '`') => quote = Some(c),
            (None, '*') if part.ends_with('/') => quote = Some('*'),
            (Some('*'), '/') if part.ends_with('*') => quote = None,
            (Some(open), c) if open == c && c != '*' => quote = None,
            _ => {}
        }
        part.push(c);
    }
    parts.push((part, ""));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_outside_of_quotes_and_comments() {
        let text = format!("DROP  T 'a b'{OPTIONAL_SPACE},`c d` /*!1 e f */");
        assert_eq!(
            Trivia::PLAIN.put_into(&text, 0),
            "DROP T 'a b',`c d` /*!1 e f */"
        );
        assert_eq!(
            Trivia::Everywhere("\n").put_into(&text, 0),
            "DROP\nT\n'a b'\n,`c d`\n/*!1 e f */"
        );
        assert_eq!(
            Trivia::Once("#\n").put_into(&text, 2),
            "DROP T 'a b'#\n,`c d` /*!1 e f */"
        );
        assert_eq!(
            Trivia::Executable("/*! ").put_into(&text, 1),
            "DROP /*! T */ 'a b',`c d` /*!1 e f */"
        );
    }
}
