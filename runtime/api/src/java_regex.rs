//! Java's regular expressions.
//!
//! Connect's and Debezium's users write Java's, whose syntax and meaning differ from those of the engine that runs here:
//! `\w`, `\d` and `\s` know ASCII only, `(?i)` folds ASCII only, `.` stops at more line terminators, `$` matches before
//! the last of them, classes are nested and intersected, and `\Q…\E` quotes. So patterns are read as Java reads them and
//! written anew for the engine; what it cannot do in the same way is refused by name. Three things are not told apart:
//! a back reference under `(?i)` folds all letters, a combining mark after `_` is no part of the word, and Unicode's
//! tables are the engine's, which are newer than those of Java 17.
//!
//! Source: `java.util.regex.{Pattern,Matcher}` of Java 17. `testdata/java` has what it answers.

mod classes;
mod translate;

use std::sync::Arc;

use fancy_regex::{Captures, Regex, RegexBuilder};

use crate::ConnectError;

/// Steps back that a match may take. Java has no such limit: a pattern that needs more would hold up a task for minutes.
const BACKTRACKING: usize = 1_000_000;
/// Bytes that a compiled pattern may take.
const COMPILED_BYTES: usize = 8 << 20;

/// What `Pattern.compile` takes beside a pattern.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags(u8);

impl Flags {
    pub const NONE: Self = Self(0);
    /// `(?d)`
    pub const UNIX_LINES: Self = Self(1);
    /// `(?i)`
    pub const CASE_INSENSITIVE: Self = Self(2);
    /// `(?x)`
    pub const COMMENTS: Self = Self(4);
    /// `(?m)`
    pub const MULTILINE: Self = Self(8);
    /// `(?s)`
    pub const DOTALL: Self = Self(32);
    /// `(?u)`
    pub const UNICODE_CASE: Self = Self(64);
    /// `(?U)`
    pub const UNICODE_CHARACTER_CLASS: Self = Self(128);

    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
    const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Why a pattern or a replacement is refused, or a match was given up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegexError {
    #[error("'{pattern}' is no regular expression: {reason}")]
    Syntax { pattern: String, reason: String },
    #[error("the regular expression '{pattern}' has {what}, which is not supported")]
    Unsupported { pattern: String, what: String },
    #[error("'{replacement}' is no replacement for '{pattern}': {reason}")]
    Replacement {
        pattern: String,
        replacement: String,
        reason: String,
    },
    #[error(
        "matching the regular expression '{pattern}' with '{text}' takes too many steps; a simpler one is needed"
    )]
    TooSlow { pattern: String, text: String },
}

impl From<RegexError> for ConnectError {
    fn from(error: RegexError) -> Self {
        match error {
            RegexError::TooSlow { .. } => Self::data(error.to_string()),
            _ => Self::config(error.to_string()),
        }
    }
}

/// A compiled `java.util.regex.Pattern`.
#[derive(Debug, Clone)]
pub struct JavaRegex {
    pattern: Arc<str>,
    translated: Arc<translate::Translated>,
    /// Matches a text as a whole.
    whole: Regex,
}

impl JavaRegex {
    /// # Errors
    /// If it is not Java's syntax, or has what is not supported.
    pub fn new(pattern: &str) -> Result<Self, RegexError> {
        Self::with_flags(pattern, Flags::NONE)
    }

    /// # Errors
    /// If it is not Java's syntax, or has what is not supported.
    pub fn with_flags(pattern: &str, flags: Flags) -> Result<Self, RegexError> {
        let translated = translate::translate(pattern, flags).map_err(|error| match error {
            translate::Refused::Syntax(reason) => RegexError::Syntax {
                pattern: pattern.to_owned(),
                reason,
            },
            translate::Refused::Unsupported(what) => RegexError::Unsupported {
                pattern: pattern.to_owned(),
                what,
            },
        })?;
        let whole = compile(pattern, &format!(r"\A(?:{})\z", translated.engine))?;
        Ok(Self {
            pattern: Arc::from(pattern),
            translated: Arc::new(translated),
            whole,
        })
    }

    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// Java's `matches()`: whether the whole text matches.
    ///
    /// # Errors
    /// `TooSlow` if it takes too many steps to know.
    pub fn matches(&self, text: &str) -> Result<bool, RegexError> {
        self.whole.is_match(text).map_err(|_| self.too_slow(text))
    }

    fn too_slow(&self, text: &str) -> RegexError {
        RegexError::TooSlow {
            pattern: (*self.pattern).to_owned(),
            text: text.chars().take(200).collect(),
        }
    }
}

fn compile(pattern: &str, engine: &str) -> Result<Regex, RegexError> {
    RegexBuilder::new(engine)
        .backtrack_limit(BACKTRACKING)
        .delegate_size_limit(COMPILED_BYTES)
        .max_prog_size(COMPILED_BYTES)
        .build()
        .map_err(|error| RegexError::Unsupported {
            pattern: pattern.to_owned(),
            what: format!("a part that the engine does not take ({error})"),
        })
}

/// What `matches()` and then `replaceFirst` make of a text.
///
/// `replaceFirst` looks for the pattern anew and without the ends of the text, so that it may replace less than the whole.
#[derive(Debug)]
pub struct Replacer {
    regex: JavaRegex,
    /// Matches anywhere.
    part: Regex,
    replacement: Vec<Piece>,
}

#[derive(Debug, PartialEq)]
enum Piece {
    Text(String),
    Group(usize),
}

impl Replacer {
    /// # Errors
    /// If the pattern is not Java's syntax or has what is not supported, or the replacement names a group that is missing.
    pub fn new(pattern: &str, replacement: &str) -> Result<Self, RegexError> {
        Self::with_flags(pattern, Flags::NONE, replacement)
    }

    /// # Errors
    /// Like [`Replacer::new`].
    pub fn with_flags(pattern: &str, flags: Flags, replacement: &str) -> Result<Self, RegexError> {
        let regex = JavaRegex::with_flags(pattern, flags)?;
        let part = compile(pattern, &regex.translated.engine)?;
        let pieces =
            pieces(replacement, &regex.translated).map_err(|reason| RegexError::Replacement {
                pattern: pattern.to_owned(),
                replacement: replacement.to_owned(),
                reason,
            })?;
        Ok(Self {
            regex,
            part,
            replacement: pieces,
        })
    }

    /// `None` if the text does not match as a whole.
    ///
    /// # Errors
    /// `TooSlow` if it takes too many steps to know.
    pub fn replace(&self, text: &str) -> Result<Option<String>, RegexError> {
        if self.regex.matches(text)? {
            self.replace_first(text).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Java's `replaceFirst`.
    ///
    /// # Errors
    /// `TooSlow` if it takes too many steps to know.
    pub fn replace_first(&self, text: &str) -> Result<String, RegexError> {
        let found = self.part.captures(text);
        let found = found.map_err(|_| self.regex.too_slow(text))?;
        let Some((captures, whole)) =
            found.and_then(|captures| captures.get(0).map(|whole| (captures, whole)))
        else {
            return Ok(text.to_owned());
        };
        let (before, after) = (text.get(..whole.start()), text.get(whole.end()..));
        let mut out = before.unwrap_or_default().to_owned();
        self.expand(&captures, &mut out);
        out.push_str(after.unwrap_or_default());
        Ok(out)
    }

    fn expand(&self, captures: &Captures<'_, str>, out: &mut String) {
        for piece in &self.replacement {
            out.push_str(match piece {
                Piece::Text(text) => text,
                Piece::Group(index) => captures.get(*index).map_or("", |found| found.as_str()),
            });
        }
    }
}

/// `$1`, `$12` (group 12 if there is one, else group 1 and `2`), `${name}`, `\$`.
///
/// Source: `Matcher.appendExpandedReplacement`, whose words the errors have.
fn pieces(replacement: &str, regex: &translate::Translated) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut characters = replacement.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' => text.push(
                characters
                    .next()
                    .ok_or("character to be escaped is missing")?,
            ),
            '$' => {
                let group = match characters.peek() {
                    None => {
                        return Err("Illegal group reference: group index is missing".to_owned());
                    }
                    Some('{') => named_group(&mut characters, regex)?,
                    Some(_) => numbered_group(&mut characters, regex.groups)?,
                };
                if regex.uncertain.contains(&group) {
                    return Err(format!(
                        "group {group} is in a loop that may go round without a character, and its last round is not certain"
                    ));
                }
                if !text.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut text)));
                }
                pieces.push(Piece::Group(group));
            }
            other => text.push(other),
        }
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Ok(pieces)
}

type Characters<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn named_group(
    characters: &mut Characters<'_>,
    regex: &translate::Translated,
) -> Result<usize, String> {
    characters.next();
    let mut name = String::new();
    while let Some(character) = characters.next_if(char::is_ascii_alphanumeric) {
        name.push(character);
    }
    if name.is_empty() {
        return Err("named capturing group has 0 length name".to_owned());
    }
    if characters.next() != Some('}') {
        return Err("named capturing group is missing trailing '}'".to_owned());
    }
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(format!(
            "capturing group name {{{name}}} starts with digit character"
        ));
    }
    regex
        .names
        .get(&name)
        .copied()
        .ok_or_else(|| format!("No group with name {{{name}}}"))
}

fn numbered_group(characters: &mut Characters<'_>, groups: usize) -> Result<usize, String> {
    let digit = |character: char| character.to_digit(10).map(|digit| digit as usize);
    let mut group = characters
        .next()
        .and_then(digit)
        .ok_or("Illegal group reference")?;
    while let Some(next) = characters.peek().copied().and_then(digit) {
        let longer = group * 10 + next;
        if longer > groups {
            break;
        }
        group = longer;
        characters.next();
    }
    if group > groups {
        return Err(format!("No group {group}"));
    }
    Ok(group)
}

#[cfg(test)]
mod tests;
