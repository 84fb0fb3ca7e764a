//! Classes of characters, written for the engine as complete ones: `[…]`.

use super::Flags;
use super::translate::Refused;

/// All characters.
const ALL: &str = r"[\x{0}-\x{10FFFF}]";
/// No character.
pub(super) const NONE: &str = r"[^\x{0}-\x{10FFFF}]";
const HORIZONTAL: &str =
    r"[\x{9}\x{20}\x{A0}\x{1680}\x{180E}\x{2000}-\x{200A}\x{202F}\x{205F}\x{3000}]";
/// Also what `\R` takes for the end of a line.
pub(super) const VERTICAL: &str = r"[\x{A}-\x{D}\x{85}\x{2028}\x{2029}]";
const SPACE: &str = r"[\x{9}-\x{D}\x{20}]";
/// `Character.isLetterOrDigit` and `_`: what `\b` takes for a word, also without `(?U)`.
pub(super) const WORD_OF_BOUNDARY: &str = r"[_\p{L}\p{Nd}]";

/// All but the members.
pub(super) fn negate(members: &str) -> String {
    format!("[^{members}]")
}

/// Of the members of two classes.
pub(super) fn intersect(left: &str, right: &str) -> String {
    format!("[[{left}]&&[{right}]]")
}

fn point(character: char) -> String {
    format!(r"\x{{{:X}}}", u32::from(character))
}

/// A single character; with its other case where the flags want it.
pub(super) fn single(character: char, flags: Flags) -> String {
    range(character, character, flags)
}

/// The characters from `first` to `last`.
pub(super) fn range(first: char, last: char, flags: Flags) -> String {
    let mut class = format!("[{}-{}", point(first), point(last));
    if flags.has(Flags::CASE_INSENSITIVE) {
        let within = |character: char| (first..=last).contains(&character);
        for letter in 'a'..='z' {
            let upper = letter.to_ascii_uppercase();
            if within(letter) || within(upper) {
                class.extend([letter, upper]);
            }
        }
    }
    class.push(']');
    class
}

/// `\d`, `\w`, `\s`, `\h`, `\v` and their opposites; `None` for other letters.
pub(super) fn predefined(letter: char, flags: Flags) -> Option<String> {
    let unicode = flags.has(Flags::UNICODE_CHARACTER_CLASS);
    let class = match (letter.to_ascii_lowercase(), unicode) {
        ('d', false) => "[0-9]".to_owned(),
        ('w', false) => "[a-zA-Z_0-9]".to_owned(),
        ('s', false) => SPACE.to_owned(),
        ('d', true) => r"[\p{Nd}]".to_owned(),
        ('w', true) => word(),
        ('s', true) => r"[\p{White_Space}]".to_owned(),
        ('h', _) => HORIZONTAL.to_owned(),
        ('v', _) => VERTICAL.to_owned(),
        _ => return None,
    };
    Some(if letter.is_ascii_uppercase() {
        negate(&class)
    } else {
        class
    })
}

/// `\p{IsWord}`
pub(super) fn word() -> String {
    r"[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{200C}\x{200D}]".to_owned()
}

/// `\p{name}`
pub(super) fn property(name: &str, flags: Flags) -> Result<String, Refused> {
    let unknown = || Refused::Syntax(format!("Unknown character property name {{{name}}}"));
    if let Some((kind, value)) = name.split_once('=') {
        return match kind.to_ascii_lowercase().as_str() {
            "sc" | "script" => script(value).ok_or_else(unknown),
            "gc" | "general_category" => category(value, flags).ok_or_else(unknown),
            "blk" | "block" => Err(block(name)),
            _ => Err(unknown()),
        };
    }
    if name.starts_with("In") {
        return Err(block(name));
    }
    if let Some(rest) = name.strip_prefix("Is") {
        return unicode_property(rest, flags)
            .or_else(|| category(rest, flags))
            .or_else(|| script(rest))
            .ok_or_else(unknown);
    }
    if let Some(rest) = name.strip_prefix("java") {
        return match java_method(rest, flags) {
            Some(class) => Ok(class),
            None if ["Mirrored", "IdentifierIgnorable"].contains(&rest)
                || rest.ends_with("IdentifierStart")
                || rest.ends_with("IdentifierPart") =>
            {
                Err(Refused::Unsupported(format!("\\p{{{name}}}")))
            }
            None => Err(unknown()),
        };
    }
    category(name, flags).ok_or_else(unknown)
}

fn block(name: &str) -> Refused {
    Refused::Unsupported(format!(
        "\\p{{{name}}} (blocks are not known; write the range of characters)"
    ))
}

fn script(name: &str) -> Option<String> {
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphabetic() || c == '_');
    is_name.then(|| format!(r"[\p{{Script={name}}}]"))
}

/// Java's own names of sets and Unicode's general categories.
fn category(name: &str, flags: Flags) -> Option<String> {
    const CATEGORIES: [&str; 36] = [
        "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Me", "Mc", "Nd", "Nl", "No", "Zs", "Zl", "Zp", "Cc",
        "Cf", "Co", "Cn", "Pd", "Ps", "Pe", "Pc", "Po", "Sm", "Sc", "Sk", "So", "Pi", "Pf", "L",
        "M", "N", "Z", "C", "P", "S",
    ];
    let ignores_case = flags.has(Flags::CASE_INSENSITIVE);
    let posix = |ascii: &str, unicode: &str| {
        Some(if flags.has(Flags::UNICODE_CHARACTER_CLASS) {
            unicode_property(unicode, flags)?
        } else {
            ascii.to_owned()
        })
    };
    match name {
        "Lu" | "Ll" | "Lt" if ignores_case => Some(r"[\p{Lu}\p{Ll}\p{Lt}]".to_owned()),
        "LC" => Some(r"[\p{Lu}\p{Ll}\p{Lt}]".to_owned()),
        "LD" => Some(r"[\p{L}\p{Nd}]".to_owned()),
        "L1" => Some(r"[\x{0}-\x{FF}]".to_owned()),
        "all" => Some(ALL.to_owned()),
        "Cs" => Some(NONE.to_owned()),
        "ASCII" => Some(r"[\x{0}-\x{7F}]".to_owned()),
        "Lower" if ignores_case => posix("[a-zA-Z]", "LOWERCASE"),
        "Upper" if ignores_case => posix("[a-zA-Z]", "UPPERCASE"),
        "Lower" => posix("[a-z]", "LOWERCASE"),
        "Upper" => posix("[A-Z]", "UPPERCASE"),
        "Alpha" => posix("[a-zA-Z]", "ALPHABETIC"),
        "Digit" => posix("[0-9]", "DIGIT"),
        "Alnum" => posix("[a-zA-Z0-9]", "ALNUM"),
        "Punct" => posix(
            r"[\x{21}-\x{2F}\x{3A}-\x{40}\x{5B}-\x{60}\x{7B}-\x{7E}]",
            "PUNCTUATION",
        ),
        "Graph" => posix(r"[\x{21}-\x{7E}]", "GRAPH"),
        "Print" => posix(r"[\x{20}-\x{7E}]", "PRINT"),
        "Blank" => posix(r"[\x{9}\x{20}]", "BLANK"),
        "Cntrl" => posix(r"[\x{0}-\x{1F}\x{7F}]", "CONTROL"),
        "XDigit" => posix("[0-9a-fA-F]", "HEX_DIGIT"),
        "Space" => posix(SPACE, "WHITE_SPACE"),
        _ if CATEGORIES.contains(&name) => Some(format!(r"[\p{{{name}}}]")),
        _ => None,
    }
}

/// `\p{IsName}` in any case.
fn unicode_property(name: &str, flags: Flags) -> Option<String> {
    let cased = flags.has(Flags::CASE_INSENSITIVE);
    let class = match name.to_ascii_uppercase().replace('_', "").as_str() {
        "LOWERCASE" | "UPPERCASE" | "TITLECASE" if cased => {
            r"[\p{Lowercase}\p{Uppercase}\p{Lt}]".to_owned()
        }
        "ALPHABETIC" | "ALPHA" => r"[\p{Alphabetic}]".to_owned(),
        "LETTER" => r"[\p{L}]".to_owned(),
        "IDEOGRAPHIC" => r"[\p{Ideographic}]".to_owned(),
        "LOWERCASE" | "LOWER" => r"[\p{Lowercase}]".to_owned(),
        "UPPERCASE" | "UPPER" => r"[\p{Uppercase}]".to_owned(),
        "TITLECASE" => r"[\p{Lt}]".to_owned(),
        "WHITESPACE" | "SPACE" => r"[\p{White_Space}]".to_owned(),
        "CONTROL" | "CNTRL" => r"[\p{Cc}]".to_owned(),
        "PUNCTUATION" | "PUNCT" => r"[\p{P}]".to_owned(),
        "HEXDIGIT" | "XDIGIT" => r"[\p{Nd}a-fA-F\x{FF21}-\x{FF26}\x{FF41}-\x{FF46}]".to_owned(),
        "ASSIGNED" => negate(r"[\p{Cn}]"),
        "NONCHARACTERCODEPOINT" => r"[\p{Noncharacter_Code_Point}]".to_owned(),
        "DIGIT" => r"[\p{Nd}]".to_owned(),
        "ALNUM" => r"[\p{Alphabetic}\p{Nd}]".to_owned(),
        "BLANK" => r"[\p{Zs}\x{9}]".to_owned(),
        "GRAPH" => graph(),
        "PRINT" => format!(r"[{}\p{{Zs}}]", graph()),
        "WORD" => word(),
        "JOINCONTROL" => r"[\x{200C}\x{200D}]".to_owned(),
        _ => return None,
    };
    Some(class)
}

fn graph() -> String {
    negate(r"[\p{Z}\p{Cc}\p{Cn}]")
}

/// `\p{javaName}` for `Character.isName`.
fn java_method(name: &str, flags: Flags) -> Option<String> {
    let class = match name {
        "LowerCase" | "UpperCase" | "TitleCase" if flags.has(Flags::CASE_INSENSITIVE) => {
            r"[\p{Lowercase}\p{Uppercase}\p{Lt}]"
        }
        "LowerCase" => r"[\p{Lowercase}]",
        "UpperCase" => r"[\p{Uppercase}]",
        "TitleCase" => r"[\p{Lt}]",
        "Alphabetic" => r"[\p{Alphabetic}]",
        "Ideographic" => r"[\p{Ideographic}]",
        "Digit" => r"[\p{Nd}]",
        "Defined" => r"[^\p{Cn}]",
        "Letter" => r"[\p{L}]",
        "LetterOrDigit" => r"[\p{L}\p{Nd}]",
        "SpaceChar" => r"[\p{Z}]",
        "Whitespace" => r"[[\p{Z}&&[^\x{A0}\x{2007}\x{202F}]]\x{9}-\x{D}\x{1C}-\x{1F}]",
        "ISOControl" => r"[\x{0}-\x{1F}\x{7F}-\x{9F}]",
        _ => return None,
    };
    Some(class.to_owned())
}
