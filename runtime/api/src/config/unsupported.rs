//! Settings of the originals that have no counterpart here.
//!
//! A setting is refused where passing over it would lose, add or alter records without a word. Where nothing of what is
//! written depends on it, it is taken with a warning.

/// What becomes of a configuration that has the setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// An error.
    Refused,
    /// A warning, and nothing else.
    WithoutEffect,
}

/// A setting of an original that has no counterpart here.
#[derive(Debug, Clone, Copy)]
pub struct Unsupported {
    pub name: &'static str,
    /// Values that change nothing, the default first; so does an empty value.
    pub taken: &'static [&'static str],
    pub outcome: Outcome,
    /// What is missing, and what to do or expect instead.
    pub note: &'static str,
}

impl Unsupported {
    pub const fn refused(
        name: &'static str,
        taken: &'static [&'static str],
        note: &'static str,
    ) -> Self {
        Self {
            name,
            taken,
            outcome: Outcome::Refused,
            note,
        }
    }
    pub const fn without_effect(
        name: &'static str,
        taken: &'static [&'static str],
        note: &'static str,
    ) -> Self {
        Self {
            name,
            taken,
            outcome: Outcome::WithoutEffect,
            note,
        }
    }

    /// Whether a value changes nothing: in any case unless it is a class, with blanks around it, and numbers as numbers.
    pub fn takes(&self, value: &str) -> bool {
        let value = value.trim();
        let number = |text: &str| text.parse::<i64>().ok();
        let is = |taken: &&str| {
            *taken == value
                || !taken.contains('.') && taken.eq_ignore_ascii_case(value)
                || number(taken).is_some_and(|taken| number(value) == Some(taken))
        };
        value.is_empty() || self.taken.iter().any(is)
    }

    /// What is wrong with any other value.
    pub fn problem(&self) -> String {
        let note = self.note;
        match self.taken {
            [] => format!("this version does not support it: {note}"),
            taken => format!(
                "this version supports '{}' only: {note}",
                taken.join("', '")
            ),
        }
    }

    /// What is told of a setting that is passed over.
    pub fn warning(&self) -> String {
        format!(
            "'{}' has no effect in this version: {}",
            self.name, self.note
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_change_nothing_are_taken_as_they_are_written() {
        fn check(taken: &'static [&'static str], value: &str, is_taken: bool) {
            let setting = Unsupported::refused("a", taken, "b");
            assert_eq!(setting.takes(value), is_taken, "{taken:?} {value}");
        }
        check(&["false"], "False", true);
        check(&["false"], " FALSE ", true);
        check(&["false"], "no", false);
        check(&["0"], " 0 ", true);
        check(&["0"], "+0", true);
        check(&["0"], "00", true);
        check(&["0"], "1", false);
        check(&["none", "NONE_AT_ALL"], "none_at_all", true);
        check(&["a.b.Names"], " a.b.Names ", true);
        check(&["a.b.Names"], "A.B.NAMES", false);
        check(&[], "", true);
        check(&[], "  ", true);
        check(&[], "false", false);
    }
}
