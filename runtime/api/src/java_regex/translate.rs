//! From Java's syntax to the engine's.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::Flags;
use super::classes;

/// The engine takes no deeper ones.
const MAX_DEPTH: usize = 50;
/// Repetitions that a pattern may count.
const MAX_COUNT: u32 = 10_000;

/// Why a pattern is not taken.
#[derive(Debug, PartialEq)]
pub(super) enum Refused {
    Syntax(String),
    Unsupported(String),
}

/// A pattern for the engine.
#[derive(Debug)]
pub(super) struct Translated {
    pub(super) engine: String,
    /// How many capturing groups it has.
    pub(super) groups: usize,
    pub(super) names: BTreeMap<String, usize>,
    /// Groups in a loop that may go round without a character: Java and the engine do not remember the same round.
    pub(super) uncertain: Vec<usize>,
}

pub(super) fn translate(pattern: &str, flags: Flags) -> Result<Translated, Refused> {
    let mut parser = Parser {
        characters: without_quotes(pattern),
        at: 0,
        flags,
        depth: 0,
        out: String::new(),
        groups: 0,
        names: BTreeMap::new(),
        uncertain: Vec::new(),
    };
    if flags.has(Flags::UNICODE_CHARACTER_CLASS) {
        parser.flags = flags.with(Flags::UNICODE_CASE);
    }
    parser.alternatives()?;
    if parser.peek().is_some() {
        return Err(parser.syntax("Unmatched closing ')'"));
    }
    Ok(Translated {
        engine: parser.out,
        groups: parser.groups,
        names: parser.names,
        uncertain: parser.uncertain,
    })
}

/// A character of a pattern.
#[derive(Debug, Clone, Copy)]
struct Character {
    value: char,
    /// Inside `\Q…\E`: has no meaning but itself.
    is_quoted: bool,
}

/// Takes `\Q` and `\E` away.
fn without_quotes(pattern: &str) -> Vec<Character> {
    let mut out = Vec::with_capacity(pattern.len());
    let mut is_quoted = false;
    let mut characters = pattern.chars().peekable();
    while let Some(value) = characters.next() {
        match (value, is_quoted, characters.peek()) {
            ('\\', true, Some('E')) => {
                characters.next();
                is_quoted = false;
            }
            ('\\', false, Some('Q')) => {
                characters.next();
                is_quoted = true;
            }
            ('\\', false, Some(next)) => {
                let next = *next;
                characters.next();
                out.extend([value, next].map(|value| Character { value, is_quoted }));
            }
            _ => out.push(Character { value, is_quoted }),
        }
    }
    out
}

/// What an escape stands for.
enum Escaped {
    Character(char),
    /// A class of characters.
    Class(String),
    /// For the engine as it is; no member of a class.
    Part(String),
}

struct Parser {
    characters: Vec<Character>,
    at: usize,
    flags: Flags,
    depth: usize,
    out: String,
    groups: usize,
    names: BTreeMap<String, usize>,
    uncertain: Vec<usize>,
}

/// What was read of a pattern, for what stands around it.
#[derive(Clone, Copy)]
struct Piece {
    /// Whether it may match no character.
    may_be_empty: bool,
    can_be_repeated: bool,
}

#[derive(Clone, Copy)]
struct Quantifier {
    /// Whether it goes round more than once.
    is_loop: bool,
    may_be_none: bool,
}

impl Piece {
    const CHARACTER: Self = Self {
        may_be_empty: false,
        can_be_repeated: true,
    };
    const PLACE: Self = Self {
        may_be_empty: true,
        can_be_repeated: true,
    };
    const FLAGS: Self = Self {
        may_be_empty: true,
        can_be_repeated: false,
    };
}

impl Parser {
    const FOLDS_UNICODE: Flags = Flags::CASE_INSENSITIVE.with(Flags::UNICODE_CASE);

    fn syntax(&self, reason: &str) -> Refused {
        Refused::Syntax(format!("{reason} near index {}", self.at))
    }

    fn raw(&self, ahead: usize) -> Option<Character> {
        self.characters.get(self.at + ahead).copied()
    }

    /// The next character that is not quoted and has a meaning, past blanks and comments under `(?x)`.
    fn peek(&mut self) -> Option<Character> {
        if self.flags.has(Flags::COMMENTS) {
            self.skip_comments();
        }
        self.raw(0)
    }

    fn skip_comments(&mut self) {
        let is_plain = |found: &Character| !found.is_quoted;
        while let Some(found) = self.raw(0).filter(is_plain) {
            if is_ascii_space(found.value) {
                self.at += 1;
            } else if found.value == '#' {
                while self.raw(0).is_some_and(|c| !is_line_end(c.value)) {
                    self.at += 1;
                }
            } else {
                break;
            }
        }
    }

    /// The next character if it is one with a meaning.
    fn peek_plain(&mut self) -> Option<char> {
        self.peek()
            .filter(|found| !found.is_quoted)
            .map(|found| found.value)
    }

    fn eat(&mut self, wanted: char) -> bool {
        let found = self.peek_plain() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    /// Like `eat`, but blanks are no blanks.
    fn eat_raw(&mut self, wanted: &str) -> bool {
        let mut ahead = wanted.chars().enumerate();
        let found = ahead.all(|(index, wanted)| {
            self.raw(index)
                .is_some_and(|found| found.value == wanted && !found.is_quoted)
        });
        if found {
            self.at += wanted.chars().count();
        }
        found
    }

    /// Up to the end or to a `)`. Returns whether it may match no character.
    fn alternatives(&mut self) -> Result<bool, Refused> {
        let (mut any_empty, mut is_empty) = (false, true);
        loop {
            match self.peek_plain() {
                None if self.peek().is_none() => return Ok(any_empty || is_empty),
                Some(')') => return Ok(any_empty || is_empty),
                Some('|') => {
                    self.at += 1;
                    self.out.push('|');
                    any_empty |= is_empty;
                    is_empty = true;
                }
                _ => is_empty &= self.piece()?,
            }
        }
    }

    /// An atom with its quantifier. Returns whether it may match no character.
    fn piece(&mut self) -> Result<bool, Refused> {
        let (start, groups) = (self.out.len(), self.groups);
        let atom = self.atom()?;
        if !atom.can_be_repeated {
            return Ok(atom.may_be_empty);
        }
        let quantifier = self.quantifier(start)?;
        if atom.may_be_empty && quantifier.is_some_and(|quantifier| quantifier.is_loop) {
            self.uncertain.extend(groups + 1..=self.groups);
        }
        Ok(atom.may_be_empty || quantifier.is_some_and(|quantifier| quantifier.may_be_none))
    }

    /// Writes one unit for the engine.
    fn atom(&mut self) -> Result<Piece, Refused> {
        let Some(next) = self.peek() else {
            return Ok(Piece::FLAGS);
        };
        if next.is_quoted {
            self.at += 1;
            self.literal(next.value);
            return Ok(Piece::CHARACTER);
        }
        match next.value {
            '(' => return self.group(),
            '[' => {
                let class = self.class()?;
                if self.flags.has(Self::FOLDS_UNICODE) {
                    write!(self.out, "(?i:{class})").expect("never fails");
                } else {
                    self.out.push_str(&class);
                }
            }
            '\\' => return self.escape_outside(),
            '^' => {
                self.at += 1;
                self.caret();
                return Ok(Piece::PLACE);
            }
            '$' => {
                self.at += 1;
                let multiline = self.flags.has(Flags::MULTILINE);
                self.dollar(multiline);
                return Ok(Piece::PLACE);
            }
            '.' => {
                self.at += 1;
                self.dot();
            }
            '*' | '+' | '?' => {
                return Err(self.syntax(&format!("Dangling meta character '{}'", next.value)));
            }
            '{' => return Err(self.syntax("Illegal repetition")),
            value => {
                self.at += 1;
                self.literal(value);
            }
        }
        Ok(Piece::CHARACTER)
    }

    fn literal(&mut self, value: char) {
        if self.flags.has(Self::FOLDS_UNICODE) {
            write!(self.out, r"(?i:\x{{{:X}}})", u32::from(value)).expect("never fails");
        } else if self.flags.has(Flags::CASE_INSENSITIVE) && value.is_ascii_alphabetic() {
            let (lower, upper) = (value.to_ascii_lowercase(), value.to_ascii_uppercase());
            write!(self.out, "[{lower}{upper}]").expect("never fails");
        } else if value.is_ascii_alphanumeric() {
            self.out.push(value);
        } else {
            write!(self.out, r"\x{{{:X}}}", u32::from(value)).expect("never fails");
        }
    }

    fn dot(&mut self) {
        self.out.push_str(if self.flags.has(Flags::DOTALL) {
            "(?s:.)"
        } else if self.flags.has(Flags::UNIX_LINES) {
            r"[^\x{A}]"
        } else {
            r"[^\x{A}\x{D}\x{85}\x{2028}\x{2029}]"
        });
    }

    fn caret(&mut self) {
        let (multiline, unix) = (
            self.flags.has(Flags::MULTILINE),
            self.flags.has(Flags::UNIX_LINES),
        );
        self.out.push_str(match (multiline, unix) {
            (false, _) => r"(?:\A)",
            (true, true) => r"(?:(?!\z)(?:\A|(?<=\x{A})))",
            (true, false) => {
                r"(?:(?!\z)(?:\A|(?<=[\x{A}\x{85}\x{2028}\x{2029}])|(?<=\x{D})(?!\x{A})))"
            }
        });
    }

    fn dollar(&mut self, multiline: bool) {
        self.out
            .push_str(match (multiline, self.flags.has(Flags::UNIX_LINES)) {
                (false, true) => r"(?:(?=\x{A}?\z))",
                (true, true) => r"(?:\z|(?=\x{A}))",
                (false, false) => {
                    r"(?:\z|(?=\x{D}\x{A}\z)|(?<!\x{D})(?=\x{A}\z)|(?=[\x{D}\x{85}\x{2028}\x{2029}]\z))"
                }
                (true, false) => {
                    r"(?:\z|(?<!\x{D})(?=\x{A})|(?=[\x{D}\x{85}\x{2028}\x{2029}]))"
                }
            });
    }

    fn escape_outside(&mut self) -> Result<Piece, Refused> {
        match self.escape(false)? {
            Escaped::Character(value) => self.literal(value),
            Escaped::Class(class) => self.out.push_str(&class),
            Escaped::Part(part) => {
                self.out.push_str(&part);
                return Ok(Piece::PLACE);
            }
        }
        Ok(Piece::CHARACTER)
    }

    /// From `\` on.
    fn escape(&mut self, in_class: bool) -> Result<Escaped, Refused> {
        self.at += 1;
        let Some(Character { value, .. }) = self.raw(0) else {
            return Err(self.syntax("Unexpected internal error"));
        };
        if let Some(class) = classes::predefined(value, self.flags) {
            self.at += 1;
            return Ok(Escaped::Class(class));
        }
        let character = match value {
            'p' | 'P' => return self.property(value == 'P').map(Escaped::Class),
            '0' => self.octal()?,
            'x' => self.hexadecimal()?,
            'u' => self.unicode()?,
            'c' => self.control()?,
            't' => self.taken('\t'),
            'n' => self.taken('\n'),
            'r' => self.taken('\r'),
            'f' => self.taken('\u{c}'),
            'a' => self.taken('\u{7}'),
            'e' => self.taken('\u{1b}'),
            'N' => return Err(Refused::Unsupported(r"\N{name of a character}".to_owned())),
            '1'..='9' if !in_class => return Ok(Escaped::Part(self.numbered_reference())),
            'k' if !in_class => return self.named_reference().map(Escaped::Part),
            'b' | 'B' | 'A' | 'G' | 'Z' | 'z' | 'R' | 'X' if !in_class => {
                return self.place(value).map(Escaped::Part);
            }
            letter if letter.is_ascii_alphanumeric() => {
                return Err(self.syntax("Illegal/unsupported escape sequence"));
            }
            other => self.taken(other),
        };
        Ok(Escaped::Character(character))
    }

    fn taken(&mut self, character: char) -> char {
        self.at += 1;
        character
    }

    /// `\b` and the like, from the letter on.
    fn place(&mut self, letter: char) -> Result<String, Refused> {
        self.at += 1;
        Ok(match letter {
            'A' | 'G' => r"(?:\A)".to_owned(),
            'z' => r"(?:\z)".to_owned(),
            'Z' => {
                let start = self.out.len();
                self.dollar(false);
                self.out.split_off(start)
            }
            'R' => format!(r"(?:\x{{D}}\x{{A}}|{})", classes::VERTICAL),
            'b' if self.raw(0).is_some_and(|c| c.value == '{' && !c.is_quoted) => {
                return Err(Refused::Unsupported(r"\b{g}".to_owned()));
            }
            'b' => self.boundary(),
            'B' => format!("(?:(?!{}))", self.boundary()),
            _ => return Err(Refused::Unsupported(r"\X".to_owned())),
        })
    }

    /// The end of a word. A mark belongs to the letter before it.
    fn boundary(&self) -> String {
        if self.flags.has(Flags::UNICODE_CHARACTER_CLASS) {
            let word = classes::word();
            return format!("(?:(?<={word})(?!{word})|(?<!{word})(?={word}))");
        }
        let word = classes::WORD_OF_BOUNDARY;
        format!(
            r"(?:(?<={word}\p{{Mn}}*)(?![_\p{{L}}\p{{Nd}}\p{{Mn}}])|(?<!{word}\p{{Mn}}*)(?={word}))"
        )
    }

    /// `\12`: group 12 if so many have begun, else group 1 and `2`.
    fn numbered_reference(&mut self) -> String {
        let mut group = 0;
        while let Some(digit) = self.raw(0).and_then(|c| c.value.to_digit(10)) {
            let longer = group * 10 + digit as usize;
            if group > 0 && longer > self.groups {
                break;
            }
            group = longer;
            self.at += 1;
        }
        self.reference(group)
    }

    fn named_reference(&mut self) -> Result<String, Refused> {
        self.at += 1;
        if !self.eat_raw("<") {
            return Err(self.syntax("\\k is not followed by '<' for named capturing group"));
        }
        let name = self.group_name()?;
        match self.names.get(&name) {
            Some(group) => Ok(self.reference(*group)),
            None => Err(self.syntax(&format!("named capturing group <{name}> does not exist"))),
        }
    }

    /// A group that is not there yet matches nothing.
    fn reference(&self, group: usize) -> String {
        if group > self.groups {
            classes::NONE.to_owned()
        } else if self.flags.has(Flags::CASE_INSENSITIVE) {
            format!(r"(?i:\{group})")
        } else {
            format!(r"(?:\{group})")
        }
    }

    fn group_name(&mut self) -> Result<String, Refused> {
        let mut name = String::new();
        while let Some(found) = self.raw(0).filter(|c| c.value.is_ascii_alphanumeric()) {
            name.push(found.value);
            self.at += 1;
        }
        if !name.starts_with(|first: char| first.is_ascii_alphabetic()) {
            return Err(self.syntax("capturing group name does not start with a Latin letter"));
        }
        if !self.eat_raw(">") {
            return Err(self.syntax("named capturing group is missing trailing '>'"));
        }
        Ok(name)
    }

    /// `\p`, from the letter on.
    fn property(&mut self, is_negated: bool) -> Result<String, Refused> {
        self.at += 1;
        let mut name = String::new();
        if self.eat_raw("{") {
            loop {
                let Some(found) = self.raw(0) else {
                    return Err(self.syntax("Unclosed character family"));
                };
                self.at += 1;
                if found.value == '}' {
                    break;
                }
                name.push(found.value);
            }
            if name.is_empty() {
                return Err(self.syntax("Empty character family"));
            }
        } else if let Some(found) = self.raw(0) {
            name.push(found.value);
            self.at += 1;
        }
        let class = classes::property(&name, self.flags)?;
        Ok(if is_negated {
            classes::negate(&class)
        } else {
            class
        })
    }

    /// `\0n`, `\0nn`, `\0mnn` with m up to 3.
    fn octal(&mut self) -> Result<char, Refused> {
        self.at += 1;
        let digit = |parser: &Self| parser.raw(0).and_then(|c| c.value.to_digit(8));
        let Some(mut number) = digit(self) else {
            return Err(self.syntax("Illegal octal escape sequence"));
        };
        self.at += 1;
        let digits = if number <= 3 { 2 } else { 1 };
        for _ in 0..digits {
            let Some(next) = digit(self) else { break };
            number = number * 8 + next;
            self.at += 1;
        }
        self.character(number)
    }

    /// `\xhh`, `\x{h…h}`
    fn hexadecimal(&mut self) -> Result<char, Refused> {
        self.at += 1;
        if !self.eat_raw("{") {
            let number = self.digits(2, "Illegal hexadecimal escape sequence")?;
            return self.character(number);
        }
        let mut number = 0_u32;
        while let Some(digit) = self.raw(0).and_then(|c| c.value.to_digit(16)) {
            number = number.saturating_mul(16).saturating_add(digit);
            self.at += 1;
        }
        if !self.eat_raw("}") {
            return Err(self.syntax("Unclosed hexadecimal escape sequence"));
        }
        if number > 0x0010_FFFF {
            return Err(self.syntax("Hexadecimal codepoint is too big"));
        }
        self.character(number)
    }

    /// `\uhhhh`, also twice for one character.
    fn unicode(&mut self) -> Result<char, Refused> {
        const WRONG: &str = "Illegal Unicode escape sequence";
        self.at += 1;
        let high = self.digits(4, WRONG)?;
        let start = self.at;
        if (0xD800..0xDC00).contains(&high) && self.eat_raw("\\u") {
            let low = self.digits(4, WRONG)?;
            if (0xDC00..0xE000).contains(&low) {
                return self.character(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00));
            }
            self.at = start;
        }
        self.character(high)
    }

    fn digits(&mut self, count: usize, wrong: &str) -> Result<u32, Refused> {
        let mut number = 0;
        for _ in 0..count {
            let Some(digit) = self.raw(0).and_then(|c| c.value.to_digit(16)) else {
                return Err(self.syntax(wrong));
            };
            number = number * 16 + digit;
            self.at += 1;
        }
        Ok(number)
    }

    /// `\cx`
    fn control(&mut self) -> Result<char, Refused> {
        self.at += 1;
        let Some(found) = self.raw(0) else {
            return Err(self.syntax("Illegal control escape sequence"));
        };
        self.at += 1;
        self.character(u32::from(found.value) ^ 64)
    }

    fn character(&self, number: u32) -> Result<char, Refused> {
        char::from_u32(number).ok_or_else(|| {
            Refused::Unsupported(format!(
                "half a character (U+{number:X}) before index {}",
                self.at
            ))
        })
    }

    /// From `(` on.
    fn group(&mut self) -> Result<Piece, Refused> {
        self.at += 1;
        let outer = self.flags;
        if self.eat_raw("?") {
            if self.eat_raw(":") {
                self.out.push_str("(?:");
            } else if let Some(kind) = ["=", "!", ">", "<=", "<!"]
                .into_iter()
                .find(|kind| self.eat_raw(kind))
            {
                self.out.push_str("(?:(?");
                self.out.push_str(kind);
                let may_be_empty = self.body(outer)? || kind != ">";
                self.out.push(')');
                return Ok(Piece {
                    may_be_empty,
                    ..Piece::PLACE
                });
            } else if self.eat_raw("<") {
                let name = self.group_name()?;
                self.groups += 1;
                if self.names.insert(name.clone(), self.groups).is_some() {
                    let reason = format!("Named capturing group <{name}> is already defined");
                    return Err(self.syntax(&reason));
                }
                self.out.push('(');
            } else {
                self.inline_flags()?;
                if self.eat_raw(")") {
                    return Ok(Piece::FLAGS);
                }
                if !self.eat_raw(":") {
                    return Err(self.syntax("Unknown inline modifier"));
                }
                self.out.push_str("(?:");
            }
        } else {
            self.groups += 1;
            self.out.push('(');
        }
        Ok(Piece {
            may_be_empty: self.body(outer)?,
            ..Piece::PLACE
        })
    }

    /// What is in a group, and its `)`; after it the flags are as before. Returns whether it may match no character.
    fn body(&mut self, outer: Flags) -> Result<bool, Refused> {
        let may_be_empty = self.nested(Self::alternatives)?;
        if !self.eat(')') {
            return Err(self.syntax("Unclosed group"));
        }
        self.flags = outer;
        self.out.push(')');
        Ok(may_be_empty)
    }

    fn inline_flags(&mut self) -> Result<(), Refused> {
        let mut is_on = true;
        loop {
            let Some(found) = self.raw(0) else {
                return Err(self.syntax("Unknown inline modifier"));
            };
            let flag = match found.value {
                'd' => Flags::UNIX_LINES,
                'i' => Flags::CASE_INSENSITIVE,
                'x' => Flags::COMMENTS,
                'm' => Flags::MULTILINE,
                's' => Flags::DOTALL,
                'u' => Flags::UNICODE_CASE,
                'U' => Flags::UNICODE_CHARACTER_CLASS.with(Flags::UNICODE_CASE),
                'c' => return Err(Refused::Unsupported("the flag (?c)".to_owned())),
                '-' if is_on => {
                    is_on = false;
                    self.at += 1;
                    continue;
                }
                _ => return Ok(()),
            };
            self.flags = if is_on {
                self.flags.with(flag)
            } else {
                self.flags.without(flag)
            };
            self.at += 1;
        }
    }

    /// A quantifier of what has been written since `start`.
    fn quantifier(&mut self, start: usize) -> Result<Option<Quantifier>, Refused> {
        let quantifier = match self.peek_plain() {
            Some(sign @ ('*' | '+' | '?')) => {
                self.at += 1;
                self.out.push(sign);
                Quantifier {
                    is_loop: sign != '?',
                    may_be_none: sign != '+',
                }
            }
            Some('{') => self.counted()?,
            _ => return Ok(None),
        };
        if self.eat('?') {
            self.out.push('?');
        } else if self.eat('+') {
            // Possessive: what has been taken is not given back.
            self.out.insert_str(start, "(?>");
            self.out.push(')');
        }
        if self.peek_plain() == Some('{') {
            // Java reads it and passes over it.
            let what = format!("a second quantifier near index {}", self.at);
            return Err(Refused::Unsupported(what));
        }
        Ok(Some(quantifier))
    }

    /// `{n}`, `{n,}`, `{n,m}`
    fn counted(&mut self) -> Result<Quantifier, Refused> {
        self.at += 1;
        let Some(least) = self.count()? else {
            return Err(self.syntax("Illegal repetition"));
        };
        write!(self.out, "{{{least}").expect("never fails");
        let mut most = Some(least);
        if self.eat_raw(",") {
            self.out.push(',');
            most = self.count()?;
            if let Some(most) = most {
                if most < least {
                    return Err(self.syntax("Illegal repetition range"));
                }
                write!(self.out, "{most}").expect("never fails");
            }
        }
        if !self.eat_raw("}") {
            return Err(self.syntax("Unclosed counted closure"));
        }
        self.out.push('}');
        Ok(Quantifier {
            is_loop: most.is_none_or(|most| most > 1),
            may_be_none: least == 0,
        })
    }

    fn count(&mut self) -> Result<Option<u32>, Refused> {
        let mut number = None;
        while let Some(digit) = self.raw(0).and_then(|c| c.value.to_digit(10)) {
            let longer = number.unwrap_or(0_u32).saturating_mul(10);
            number = Some(longer.saturating_add(digit));
            self.at += 1;
        }
        match number {
            Some(number) if number > i32::MAX.unsigned_abs() => {
                Err(self.syntax("Illegal repetition range"))
            }
            Some(number) if number > MAX_COUNT => Err(Refused::Unsupported(format!(
                "a count of {number} repetitions, more than {MAX_COUNT}"
            ))),
            number => Ok(number),
        }
    }

    /// From `[` on.
    fn class(&mut self) -> Result<String, Refused> {
        self.at += 1;
        let is_negated = self.eat_raw("^");
        let members = self.nested(Self::members)?;
        self.at += 1;
        Ok(if is_negated {
            classes::negate(&members)
        } else {
            format!("[{members}]")
        })
    }

    /// The members of a class up to its `]`, which stays. As in Java, all that follows a `&&` is one operand.
    fn members(&mut self) -> Result<String, Refused> {
        let mut members: Option<String> = None;
        loop {
            match self.peek_plain() {
                None if self.peek().is_none() => {
                    return Err(self.syntax("Unclosed character class"));
                }
                Some('[') => members = Some(joined(members, self.class()?)),
                Some(']') if members.is_some() => return Ok(members.unwrap_or_default()),
                Some('&') if self.eat_raw("&&") => {
                    let right = self.operand()?;
                    members = match (members, right) {
                        (Some(left), Some(right)) => Some(classes::intersect(&left, &right)),
                        (None, None) => return Err(self.syntax("Bad class syntax")),
                        (left, right) => left.or(right),
                    };
                }
                _ => members = Some(joined(members, self.member()?)),
            }
        }
    }

    /// What follows a `&&`; `None` if that is the end of the class or another `&`.
    fn operand(&mut self) -> Result<Option<String>, Refused> {
        let mut right = None;
        loop {
            let member = match self.peek_plain() {
                Some(']' | '&') => return Ok(right),
                Some('[') => self.class()?,
                _ => self.nested(Self::members)?,
            };
            right = Some(joined(right, member));
        }
    }

    /// A character, a range of them, or what an escape stands for.
    fn member(&mut self) -> Result<String, Refused> {
        let first = match self.member_character()? {
            Escaped::Character(first) => first,
            Escaped::Class(class) | Escaped::Part(class) => return Ok(class),
        };
        let is_range = self.peek_plain() == Some('-')
            && self
                .raw(1)
                .is_some_and(|next| next.is_quoted || !['[', ']'].contains(&next.value));
        if !is_range {
            return Ok(classes::single(first, self.flags));
        }
        self.at += 1;
        match self.member_character()? {
            Escaped::Character(last) if first <= last => {
                Ok(classes::range(first, last, self.flags))
            }
            _ => Err(self.syntax("Illegal character range")),
        }
    }

    fn member_character(&mut self) -> Result<Escaped, Refused> {
        match self.peek() {
            None => Err(self.syntax("Unclosed character class")),
            Some(found) if found.value == '\\' && !found.is_quoted => self.escape(true),
            Some(found) => {
                self.at += 1;
                Ok(Escaped::Character(found.value))
            }
        }
    }

    /// One step deeper, as far as that is allowed.
    fn nested<T>(
        &mut self,
        step: impl FnOnce(&mut Self) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let what = format!("groups or classes nested deeper than {MAX_DEPTH}");
            return Err(Refused::Unsupported(what));
        }
        let result = step(self)?;
        self.depth -= 1;
        Ok(result)
    }
}

fn joined(members: Option<String>, more: String) -> String {
    match members {
        Some(members) => members + &more,
        None => more,
    }
}

fn is_ascii_space(character: char) -> bool {
    matches!(character, '\t'..='\r' | ' ')
}

fn is_line_end(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}
