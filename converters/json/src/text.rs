//! JSON text: writing strings as Jackson does, and a reader over bytes.

use std::borrow::Cow;

use tidegate_api::ConnectError;

use crate::out::Out;

/// Whether a byte ends a run of a string's plain bytes. Without jumps, so that a chunk is compared at once.
#[inline]
#[expect(
    clippy::needless_bitwise_bool,
    reason = "lazy operators would keep the loop from being vectorised"
)]
fn ends_plain(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

/// Whether a byte of a string cannot be copied as it is.
#[inline]
#[expect(clippy::needless_bitwise_bool, reason = "as above")]
fn is_escaped(byte: u8) -> bool {
    ends_plain(byte) | (byte >= 0xf0)
}

/// The first byte that is wanted. Looks at whole chunks first, which the compiler makes a few vector instructions.
#[inline]
fn first(bytes: &[u8], is_wanted: impl Fn(u8) -> bool) -> Option<usize> {
    const CHUNK: usize = 16;
    let mut start = 0;
    for chunk in bytes.chunks_exact(CHUNK) {
        if chunk.iter().fold(false, |any, byte| any | is_wanted(*byte)) {
            break;
        }
        start += CHUNK;
    }
    let found = bytes[start..].iter().position(|byte| is_wanted(*byte));
    found.map(|distance| start + distance)
}

/// A string in quotes. Escapes are Jackson's: upper-case hex, code points beyond the basic plane as two escapes.
pub(crate) fn put_string(out: &mut Out, text: &str) {
    out.put_u8(b'"');
    let bytes = text.as_bytes();
    let mut plain = 0;
    while let Some(distance) = first(&bytes[plain..], is_escaped) {
        let position = plain + distance;
        out.put_slice(&bytes[plain..position]);
        plain = position + put_escaped(out, text, position);
    }
    out.put_slice(&bytes[plain..]);
    out.put_u8(b'"');
}

/// Writes the character at `position` in its escaped form; its length in bytes.
fn put_escaped(out: &mut Out, text: &str, position: usize) -> usize {
    let byte = text.as_bytes()[position];
    let escape: &[u8] = match byte {
        b'"' => b"\\\"",
        b'\\' => b"\\\\",
        0x08 => b"\\b",
        b'\t' => b"\\t",
        b'\n' => b"\\n",
        0x0c => b"\\f",
        b'\r' => b"\\r",
        0xf0.. => {
            let character = text
                .get(position..)
                .and_then(|rest| rest.chars().next())
                .unwrap_or(char::REPLACEMENT_CHARACTER);
            for unit in character.encode_utf16(&mut [0; 2]) {
                put_unit(out, *unit);
            }
            return 4;
        }
        _ => {
            put_unit(out, u16::from(byte));
            return 1;
        }
    };
    out.put_slice(escape);
    1
}

fn put_unit(out: &mut Out, unit: u16) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.put_slice(b"\\u");
    for shift in [12, 8, 4, 0] {
        out.put_u8(DIGITS[usize::from(unit >> shift & 0xf)]);
    }
}

/// What comes next in a text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token<'a> {
    Null,
    Boolean(bool),
    /// The number's own text.
    Number(&'a str),
    String(Cow<'a, str>),
    /// `[` was read.
    Array,
    /// `{` was read.
    Object,
}

/// Objects and arrays inside one another (Jackson's `StreamReadConstraints`, `StreamWriteConstraints`). Who reads, writes or
/// drops what is nested does so by recursion, which this bounds.
pub(crate) const MAX_DEPTH: usize = 1000;
/// Digits of a number.
const MAX_DIGITS: usize = 1000;

/// The text of what is nested too deep.
pub(crate) fn too_deep() -> ConnectError {
    constraint(&format!(
        "Document nesting depth ({}) exceeds the maximum allowed ({MAX_DEPTH})",
        MAX_DEPTH + 1
    ))
}

fn constraint(what: &str) -> ConnectError {
    ConnectError::data(what)
        .with_java_class("com.fasterxml.jackson.core.exc.StreamConstraintsException")
}

/// Reads JSON from front to back.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    text: &'a str,
    position: usize,
    /// Bytes before the text.
    before: usize,
    /// Objects and arrays that are open.
    depth: usize,
}

impl<'a> Reader<'a> {
    /// # Errors
    /// If the bytes are no UTF-8.
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, ConnectError> {
        Self::at(bytes, 0, 0)
    }
    /// Begins in the middle, inside of `depth` objects; what lies before does not matter.
    pub(crate) fn at(bytes: &'a [u8], position: usize, depth: usize) -> Result<Self, ConnectError> {
        let mut reader = Self {
            text: "",
            position: 0,
            before: position,
            depth,
        };
        match std::str::from_utf8(&bytes[position..]) {
            Ok(text) => {
                reader.text = text;
                Ok(reader)
            }
            Err(error) => {
                reader.position = error.valid_up_to();
                Err(reader.error("Invalid UTF-8"))
            }
        }
    }
    pub(crate) fn position(&self) -> usize {
        self.before + self.position
    }
    /// What was read since that position.
    pub(crate) fn since(&self, position: usize) -> Result<&'a str, ConnectError> {
        self.slice(position.saturating_sub(self.before), self.position)
    }

    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    /// Between two bytes of ASCII.
    fn slice(&self, start: usize, end: usize) -> Result<&'a str, ConnectError> {
        self.text
            .get(start..end)
            .ok_or_else(|| self.error("Unexpected character"))
    }

    #[inline]
    fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.bytes().get(self.position) {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(*byte);
            }
            self.position += 1;
        }
        None
    }

    pub(crate) fn error(&self, what: &str) -> ConnectError {
        ConnectError::data(format!("{what} at byte {}", self.position()))
            .with_java_class("com.fasterxml.jackson.core.JsonParseException")
    }

    fn word(&mut self, word: &'static str, token: Token<'a>) -> Result<Token<'a>, ConnectError> {
        if self.bytes()[self.position..].starts_with(word.as_bytes()) {
            self.position += word.len();
            return Ok(token);
        }
        Err(self.error("Unrecognized token"))
    }

    pub(crate) fn token(&mut self) -> Result<Token<'a>, ConnectError> {
        match self.peek() {
            None => Err(self.error("Unexpected end-of-input")),
            Some(b'n') => self.word("null", Token::Null),
            Some(b't') => self.word("true", Token::Boolean(true)),
            Some(b'f') => self.word("false", Token::Boolean(false)),
            Some(b'"') => self.string().map(Token::String),
            Some(b'[') => self.open(Token::Array),
            Some(b'{') => self.open(Token::Object),
            Some(b'-' | b'0'..=b'9') => Ok(Token::Number(self.number()?)),
            Some(_) => Err(self.error("Unexpected character")),
        }
    }

    #[inline]
    fn open(&mut self, token: Token<'a>) -> Result<Token<'a>, ConnectError> {
        if self.depth == MAX_DEPTH {
            return Err(too_deep());
        }
        self.depth += 1;
        self.position += 1;
        Ok(token)
    }

    #[inline]
    fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.position += 1;
    }

    fn number(&mut self) -> Result<&'a str, ConnectError> {
        let start = self.position;
        let bytes = self.bytes();
        while let Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9') = bytes.get(self.position) {
            self.position += 1;
        }
        let text = self.slice(start, self.position)?;
        if text.len() > MAX_DIGITS {
            let digits = text.bytes().filter(u8::is_ascii_digit).count();
            if digits > MAX_DIGITS {
                return Err(constraint(&format!(
                    "Number value length ({digits}) exceeds the maximum allowed ({MAX_DIGITS})"
                )));
            }
        }
        Ok(text)
    }

    /// At a quote.
    fn string(&mut self) -> Result<Cow<'a, str>, ConnectError> {
        let start = self.position + 1;
        let bytes = self.bytes();
        let Some(length) = first(&bytes[start..], ends_plain) else {
            return Err(self.error("Unexpected end-of-input in a string"));
        };
        let end = start + length;
        match bytes[end] {
            b'"' => {
                self.position = end + 1;
                self.slice(start, end).map(Cow::Borrowed)
            }
            b'\\' => self.escaped_string(start, end),
            _ => Err(self.error("Illegal unquoted control character in a string")),
        }
    }

    fn escaped_string(&mut self, start: usize, first: usize) -> Result<Cow<'a, str>, ConnectError> {
        let bytes = self.bytes();
        let mut text = bytes[start..first].to_vec();
        let mut position = first;
        loop {
            match bytes.get(position) {
                None => return Err(self.error("Unexpected end-of-input in a string")),
                Some(b'"') => break,
                Some(b'\\') => {
                    let escape = bytes.get(position + 1).copied();
                    position += 2;
                    let plain = match escape {
                        Some(byte @ (b'"' | b'\\' | b'/')) => byte,
                        Some(b'b') => 0x08,
                        Some(b'f') => 0x0c,
                        Some(b'n') => b'\n',
                        Some(b'r') => b'\r',
                        Some(b't') => b'\t',
                        Some(b'u') => {
                            let character = self.unicode_escape(&mut position)?;
                            text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                            continue;
                        }
                        _ => return Err(self.error("Unrecognized character escape")),
                    };
                    text.push(plain);
                }
                Some(0x00..=0x1f) => {
                    return Err(self.error("Illegal unquoted control character in a string"));
                }
                Some(byte) => {
                    text.push(*byte);
                    position += 1;
                }
            }
        }
        self.position = position + 1;
        String::from_utf8(text)
            .map(Cow::Owned)
            .map_err(|_| self.error("Invalid UTF-8 in a string"))
    }

    /// Behind `\u`; lone surrogates become U+FFFD.
    fn unicode_escape(&self, position: &mut usize) -> Result<char, ConnectError> {
        let unit = |at: usize| {
            let digits = self.bytes().get(at..at + 4)?;
            u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
        };
        let first =
            unit(*position).ok_or_else(|| self.error("Unexpected character in a \\u escape"))?;
        *position += 4;
        let mut units = vec![first];
        if (0xd800..0xdc00).contains(&first)
            && self.bytes().get(*position..*position + 2) == Some(b"\\u")
            && let Some(second @ 0xdc00..0xe000) = unit(*position + 2)
        {
            units.push(second);
            *position += 6;
        }
        Ok(char::decode_utf16(units)
            .next()
            .and_then(Result::ok)
            .unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    /// Inside an array: whether another item follows. `first` is true before the first one.
    pub(crate) fn next_item(&mut self, first: &mut bool) -> Result<bool, ConnectError> {
        self.next(first, b']')
    }

    /// Inside an object: whether the next member is the one of `head`, its name in quotes and a colon, its value coming next.
    /// Otherwise nothing was read. Sees only what is written without space, as Jackson does.
    #[inline]
    pub(crate) fn take_member(&mut self, first: &mut bool, head: &[u8]) -> bool {
        let mut rest = &self.bytes()[self.position..];
        if !*first {
            match rest.split_first() {
                Some((b',', behind)) => rest = behind,
                _ => return false,
            }
        }
        if !rest.starts_with(head) {
            return false;
        }
        self.position += usize::from(!*first) + head.len();
        *first = false;
        true
    }

    /// Inside an object: whether it ends here. Otherwise nothing was read.
    pub(crate) fn take_end(&mut self) -> bool {
        let ends = self.peek() == Some(b'}');
        if ends {
            self.close();
        }
        ends
    }

    /// Inside an object: the next member's name, its value coming next.
    pub(crate) fn next_member(
        &mut self,
        first: &mut bool,
    ) -> Result<Option<Cow<'a, str>>, ConnectError> {
        if !self.next(first, b'}')? {
            return Ok(None);
        }
        if self.peek() != Some(b'"') {
            return Err(self.error("Unexpected character: a name in quotes is missing"));
        }
        let name = self.string()?;
        if self.peek() != Some(b':') {
            return Err(self.error("Unexpected character: ':' is missing"));
        }
        self.position += 1;
        Ok(Some(name))
    }

    fn next(&mut self, first: &mut bool, end: u8) -> Result<bool, ConnectError> {
        match self.peek() {
            Some(byte) if byte == end => {
                self.close();
                Ok(false)
            }
            Some(_) if *first => {
                *first = false;
                Ok(true)
            }
            Some(b',') => {
                self.position += 1;
                Ok(true)
            }
            Some(_) => Err(self.error("Unexpected character: ',' is missing")),
            None => Err(self.error("Unexpected end-of-input")),
        }
    }

    /// Moves behind the next value.
    pub(crate) fn skip(&mut self) -> Result<(), ConnectError> {
        match self.token()? {
            Token::Array => {
                let mut first = true;
                while self.next_item(&mut first)? {
                    self.skip()?;
                }
            }
            Token::Object => {
                let mut first = true;
                while self.next_member(&mut first)?.is_some() {
                    self.skip()?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Nothing but space may follow.
    pub(crate) fn finish(&mut self) -> Result<(), ConnectError> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.error("Unexpected trailing characters")),
        }
    }
}
