//! Java's character sets, by Java's names.
//!
//! What a set does not have becomes `?` in bytes and U+FFFD in text, as in `String.getBytes` and `new String`.

use std::borrow::Cow;

use encoding_rs::{EncoderResult, Encoding};

/// How texts and bytes are turned into each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Charset {
    Utf8,
    Utf16 {
        /// The most significant byte is the first one.
        is_big: bool,
        mark: Mark,
    },
    Latin1,
    Ascii,
    Table {
        table: &'static Encoding,
        controls: Controls,
    },
}

/// The mark of the order of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// A character like others.
    Character,
    /// It is written; when read it decides the order, and is no part of the text.
    Written,
}

/// The bytes 0x80 to 0x9f. The tables here have characters of Windows in those of ISO, and control characters in the gaps of
/// those of Windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Controls {
    AsInTable,
    /// All of them are control characters.
    All,
    /// None of them is a control character.
    None,
}

const UNMAPPABLE: u8 = b'?';

impl Charset {
    /// `None` if the name is not known.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let name = name.trim().to_ascii_lowercase();
        let utf16 = |is_big, mark| Some(Self::Utf16 { is_big, mark });
        match name.as_str() {
            "utf-8" | "utf8" | "unicode-1-1-utf-8" => Some(Self::Utf8),
            "utf-16" | "utf16" | "utf_16" | "unicode" | "unicodebig" => utf16(true, Mark::Written),
            "utf-16be" | "utf_16be" | "x-utf-16be" | "iso-10646-ucs-2" | "unicodebigunmarked" => {
                utf16(true, Mark::Character)
            }
            "utf-16le" | "utf_16le" | "x-utf-16le" | "unicodelittleunmarked" => {
                utf16(false, Mark::Character)
            }
            "x-utf-16le-bom" | "unicodelittle" => utf16(false, Mark::Written),
            "iso-8859-1" | "iso8859-1" | "iso8859_1" | "iso_8859-1" | "iso_8859_1"
            | "iso_8859-1:1987" | "8859_1" | "latin1" | "l1" | "ibm819" | "ibm-819" | "cp819"
            | "819" | "iso-ir-100" | "csisolatin1" => Some(Self::Latin1),
            "us-ascii" | "ascii" | "ascii7" | "646" | "iso646-us" | "iso_646.irv:1983"
            | "iso_646.irv:1991" | "ansi_x3.4-1968" | "ansi_x3.4-1986" | "us" | "csascii"
            | "cp367" | "ibm367" | "iso-ir-6" | "default" => Some(Self::Ascii),
            "utf-16-bom" | "utf-32" | "macintosh" | "x-user-defined" | "replacement" => None,
            _ => Self::of_table(&name),
        }
    }

    fn of_table(name: &str) -> Option<Self> {
        // Java's own spelling of its ISO sets.
        let label = match name.strip_prefix("iso8859_") {
            Some(part) => Cow::Owned(format!("iso-8859-{part}")),
            None => Cow::Borrowed(name),
        };
        let label = if label == "x-macroman" {
            "macintosh"
        } else {
            &*label
        };
        let table = Encoding::for_label_no_replacement(label.as_bytes())?;
        let is_windows = label.starts_with("windows-125") || label.starts_with("cp125");
        let is_iso = ["iso-8859-9", "iso-8859-11", "latin5", "l5"].contains(&label);
        // Labels of the web that mean something else than their words say.
        if table == encoding_rs::UTF_8
            || table == encoding_rs::UTF_16BE
            || table == encoding_rs::UTF_16LE
        {
            return None;
        }
        let controls = if is_windows {
            Controls::None
        } else if is_iso {
            Controls::All
        } else {
            Controls::AsInTable
        };
        Some(Self::Table { table, controls })
    }

    pub(crate) fn encode(self, text: &str, out: &mut impl Extend<u8>) {
        match self {
            Self::Utf8 => out.extend(text.bytes()),
            Self::Utf16 { is_big, mark } => {
                let mark = (mark == Mark::Written && !text.is_empty()).then_some(0xfeff);
                for unit in mark.into_iter().chain(text.encode_utf16()) {
                    out.extend(if is_big {
                        unit.to_be_bytes()
                    } else {
                        unit.to_le_bytes()
                    });
                }
            }
            Self::Latin1 => out.extend(
                text.chars()
                    .map(|character| u8::try_from(character).unwrap_or(UNMAPPABLE)),
            ),
            Self::Ascii => out.extend(text.chars().map(|character| {
                let byte = u8::try_from(character).ok();
                byte.filter(u8::is_ascii).unwrap_or(UNMAPPABLE)
            })),
            Self::Table { table, controls } => encode_by(table, controls, text, out),
        }
    }

    pub(crate) fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        match self {
            Self::Utf8 => String::from_utf8_lossy(bytes),
            Self::Utf16 { is_big, mark } => Cow::Owned(decode_utf16(bytes, is_big, mark)),
            Self::Latin1 => Cow::Owned(bytes.iter().copied().map(char::from).collect()),
            Self::Ascii => Cow::Owned(
                bytes
                    .iter()
                    .map(|byte| match byte {
                        0..=0x7f => char::from(*byte),
                        _ => char::REPLACEMENT_CHARACTER,
                    })
                    .collect(),
            ),
            Self::Table { table, controls } => decode_by(table, controls, bytes),
        }
    }
}

fn is_control(character: char) -> bool {
    matches!(character, '\u{80}'..='\u{9f}')
}

fn encode_by(table: &'static Encoding, controls: Controls, text: &str, out: &mut impl Extend<u8>) {
    if controls != Controls::AsInTable {
        // One byte for each character.
        out.extend(text.chars().map(|character| {
            let found = single_byte(table, character);
            match controls {
                Controls::All if is_control(character) => u8::try_from(character).ok(),
                Controls::All => found.filter(|byte| !(0x80..0xa0).contains(byte)),
                _ => found.filter(|_| !is_control(character)),
            }
            .unwrap_or(UNMAPPABLE)
        }));
        return;
    }
    let mut encoder = table.new_encoder();
    let mut buffer = [0; 1024];
    let mut rest = text;
    loop {
        let (result, read, written) =
            encoder.encode_from_utf8_without_replacement(rest, &mut buffer, true);
        out.extend(buffer.iter().take(written).copied());
        rest = rest.get(read..).unwrap_or_default();
        match result {
            EncoderResult::InputEmpty => return,
            EncoderResult::OutputFull => {}
            EncoderResult::Unmappable(_) => out.extend([UNMAPPABLE]),
        }
    }
}

fn single_byte(table: &'static Encoding, character: char) -> Option<u8> {
    let mut text = [0; 4];
    let (bytes, _, is_replaced) = table.encode(character.encode_utf8(&mut text));
    match (&*bytes, is_replaced) {
        ([byte], false) => Some(*byte),
        _ => None,
    }
}

fn decode_by<'a>(table: &'static Encoding, controls: Controls, bytes: &'a [u8]) -> Cow<'a, str> {
    if controls == Controls::AsInTable {
        return table.decode_without_bom_handling(bytes).0;
    }
    let character = |byte: &u8| {
        if controls == Controls::All && (0x80..0xa0).contains(byte) {
            return char::from(*byte);
        }
        let text = table
            .decode_without_bom_handling(std::slice::from_ref(byte))
            .0;
        let found = text.chars().next().filter(|found| !is_control(*found));
        found.unwrap_or(char::REPLACEMENT_CHARACTER)
    };
    Cow::Owned(bytes.iter().map(character).collect())
}

fn decode_utf16(bytes: &[u8], is_big: bool, mark: Mark) -> String {
    let (bytes, is_big) = match bytes {
        [0xfe, 0xff, rest @ ..] if mark != Mark::Character => (rest, true),
        [0xff, 0xfe, rest @ ..] if mark != Mark::Character => (rest, false),
        _ => (bytes, is_big),
    };
    let pairs = bytes.chunks_exact(2);
    let is_cut_off = !pairs.remainder().is_empty();
    let units = pairs.map(|pair| {
        let pair = [pair[0], pair[1]];
        if is_big {
            u16::from_be_bytes(pair)
        } else {
            u16::from_le_bytes(pair)
        }
    });
    let mut text: String = char::decode_utf16(units)
        .map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect();
    if is_cut_off {
        text.push(char::REPLACEMENT_CHARACTER);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text to bytes and bytes to text, as recorded from `StringConverter` 4.3.0 on Java 17.
    #[test]
    fn sets_are_javas() {
        fn check(name: &str, bytes: &str, text: &str) {
            let charset = Charset::named(name).expect(name);
            let mut encoded = Vec::new();
            charset.encode("h\u{e9}\u{20ac}\u{1f600}\u{81}", &mut encoded);
            let hex: Vec<String> = encoded.iter().map(|byte| format!("{byte:02x}")).collect();
            let hex = hex.concat();
            assert_eq!(hex, bytes, "{name}");
            let decoded = charset.decode(&[0x80, 0xe9, 0x41, 0x00, 0xff, 0xfe, 0x81]);
            let units: Vec<String> = decoded
                .encode_utf16()
                .map(|unit| format!("{unit:x}"))
                .collect();
            assert_eq!(units.join(" "), text, "{name}");
        }
        let utf16 = "feff006800e920acd83dde000081";
        check("UTF-16", utf16, "80e9 4100 fffe fffd");
        check("unicode", utf16, "80e9 4100 fffe fffd");
        check("UTF-16LE", "6800e900ac203dd800de8100", "e980 41 feff fffd");
        check(
            "UTF-16BE",
            "006800e920acd83dde000081",
            "80e9 4100 fffe fffd",
        );
        check(
            "x-UTF-16LE-BOM",
            "fffe6800e900ac203dd800de8100",
            "e980 41 feff fffd",
        );
        let utf8 = "68c3a9e282acf09f9880c281";
        check("UTF8", utf8, "fffd fffd 41 0 fffd fffd fffd");
        check("ISO-8859-1", "68e93f3f81", "80 e9 41 0 ff fe 81");
        check("latin1", "68e93f3f81", "80 e9 41 0 ff fe 81");
        check("US-ASCII", "683f3f3f3f", "fffd fffd 41 0 fffd fffd fffd");
        check("windows-1252", "68e9803f3f", "20ac e9 41 0 ff fe fffd");
        check("Cp1252", "68e9803f3f", "20ac e9 41 0 ff fe fffd");
        check("windows-1251", "683f883f3f", "402 439 41 0 44f 44e 403");
        check("ISO-8859-15", "68e9a43f81", "80 e9 41 0 ff fe 81");
        check("ISO-8859-2", "68e93f3f81", "80 e9 41 0 2d9 163 81");
        check("ISO-8859-9", "68e93f3f81", "80 e9 41 0 ff 15f 81");
        check("ISO-8859-11", "683f3f3f81", "80 e49 41 0 fffd fffd 81");
        check("KOI8-R", "683f3f3f3f", "2500 418 41 0 42a 427 2502");
        check("IBM866", "683f3f3f3f", "410 449 41 0 a0 25a0 411");
    }

    #[test]
    fn marks_of_the_order_of_bytes_are_read_where_java_reads_them() {
        let decoded = |name: &str| {
            let charset = Charset::named(name).expect(name);
            charset.decode(&[0xff, 0xfe, 0x41, 0x00]).into_owned()
        };
        assert_eq!(decoded("UTF-16"), "A");
        assert_eq!(decoded("x-UTF-16LE-BOM"), "A");
        assert_eq!(decoded("UTF-16LE"), "\u{feff}A");
        let utf8 = Charset::Utf8.decode(&[0xef, 0xbb, 0xbf, 0x41]);
        assert_eq!(utf8, "\u{feff}A");
    }

    #[test]
    fn what_java_does_not_know_is_not_known() {
        for name in [
            "x-none",
            "macintosh",
            "UTF-7",
            "x-user-defined",
            "utf-16-bom",
            "",
        ] {
            assert_eq!(Charset::named(name), None, "{name}");
        }
    }

    proptest::proptest! {
        /// No bytes panic, and no text needs more than a few bytes a character.
        #[test]
        fn any_bytes_become_text(bytes in proptest::collection::vec(0..=u8::MAX, 0..64), name in 0..7_usize) {
            let names = ["UTF-8", "UTF-16", "UTF-16LE", "Shift_JIS", "ISO-2022-JP", "windows-1252", "Big5"];
            let charset = Charset::named(names[name]).expect("known");
            let text = charset.decode(&bytes).into_owned();
            let mut encoded = Vec::new();
            charset.encode(&text, &mut encoded);
            proptest::prop_assert!(text.len() <= 3 * bytes.len() + 3);
            proptest::prop_assert!(encoded.len() <= 8 * text.len() + 8);
        }
    }
}
