//! Decoding of text columns: from the server's character set names to code pages.
//!
//! Source: Debezium `BinlogCharsetRegistry`; MySQL's `latin1` is windows-1252.

use encoding_rs::Encoding;
use tidegate_api::Str;

/// How bytes of a text column become text. Malformed bytes become U+FFFD, as in Java.
#[derive(Debug, Clone, Copy)]
pub enum Charset {
    Utf8,
    Ascii,
    /// `binary`: each byte is the code point of its number.
    Latin1,
    Utf16 {
        big_endian: bool,
    },
    Utf32,
    Table(&'static Encoding),
    /// ASCII, and the characters of the bytes from 0x80 on.
    HighHalf(&'static str),
}

impl Charset {
    /// `None` for a name without a decoder.
    pub fn named(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        Some(match name.as_str() {
            "utf8" | "utf8mb3" | "utf8mb4" => Self::Utf8,
            "ascii" => Self::Ascii,
            "binary" => Self::Latin1,
            "ucs2" | "utf16" => Self::Utf16 { big_endian: true },
            "utf16le" => Self::Utf16 { big_endian: false },
            "utf32" => Self::Utf32,
            "cp850" => Self::HighHalf(CP850),
            "cp852" | "keybcs2" => Self::HighHalf(CP852),
            "macce" => Self::HighHalf(MAC_CENTRAL_EUROPE),
            other => Self::Table(Encoding::for_label(label(other)?.as_bytes())?),
        })
    }

    pub fn decode(self, bytes: &[u8]) -> Str {
        match self {
            Self::Utf8 => match std::str::from_utf8(bytes) {
                Ok(text) => Str::new(text),
                Err(_) => Str::from_utf8_lossy(bytes),
            },
            Self::Ascii => bytes
                .iter()
                .map(|byte| {
                    if byte.is_ascii() {
                        char::from(*byte)
                    } else {
                        char::REPLACEMENT_CHARACTER
                    }
                })
                .collect(),
            Self::Latin1 => bytes.iter().copied().map(char::from).collect(),
            Self::Utf16 { big_endian } => {
                let units = bytes.chunks(2).map(|unit| match (unit, big_endian) {
                    (&[high, low], true) => u16::from_be_bytes([high, low]),
                    (&[low, high], false) => u16::from_le_bytes([low, high]),
                    _ => 0xFFFD,
                });
                char::decode_utf16(units)
                    .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
                    .collect()
            }
            Self::Utf32 => bytes
                .chunks(4)
                .map(|unit| {
                    <[u8; 4]>::try_from(unit)
                        .ok()
                        .and_then(|unit| char::from_u32(u32::from_be_bytes(unit)))
                        .unwrap_or(char::REPLACEMENT_CHARACTER)
                })
                .collect(),
            Self::HighHalf(high) => bytes
                .iter()
                .map(|byte| match byte.checked_sub(0x80) {
                    None => char::from(*byte),
                    Some(index) => high
                        .chars()
                        .nth(index.into())
                        .unwrap_or(char::REPLACEMENT_CHARACTER),
                })
                .collect(),
            Self::Table(encoding) => Str::from(encoding.decode_without_bom_handling(bytes).0),
        }
    }
}

// The Encoding Standard has no DOS code pages and no Central European Macintosh.
const CP850: &str = "\
     ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒ\
     áíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐\
     └┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀\
     ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u{ad}±‗¾¶§÷¸°¨·¹³²■\u{a0}";
const CP852: &str = "\
     ÇüéâäůćçłëŐőîŹÄĆÉĹĺôöĽľŚśÖÜŤťŁ×č\
     áíóúĄąŽžĘę¬źČş«»░▒▓│┤ÁÂĚŞ╣║╗╝Żż┐\
     └┴┬├─┼Ăă╚╔╩╦╠═╬¤đĐĎËďŇÍÎě┘┌█▄ŢŮ▀\
     ÓßÔŃńňŠšŔÚŕŰýÝţ´\u{ad}˝˛ˇ˘§÷¸°¨˙űŘř■\u{a0}";
const MAC_CENTRAL_EUROPE: &str = "\
     ÄĀāÉĄÖÜáąČäčĆćéŹźĎíďĒēĖóėôöõúĚěü\
     †°Ę£§•¶ß®©™ę¨≠ģĮįĪ≤≥īĶ∂∑łĻļĽľĹĺŅ\
     ņŃ¬√ńŇ∆«»…\u{a0}ňŐÕőŌ–—“”‘’÷◊ōŔŕŘ‹›řŖ\
     ŗŠ‚„šŚśÁŤťÍŽžŪÓÔūŮÚůŰűŲųÝýķŻŁżĢˇ";

/// Label of the Encoding Standard for a character set of MySQL or MariaDB.
fn label(charset: &str) -> Option<&'static str> {
    Some(match charset {
        "latin1" | "swe7" | "hp8" | "dec8" | "armscii8" | "geostd8" => "windows-1252",
        "latin2" => "iso-8859-2",
        "greek" => "iso-8859-7",
        "hebrew" => "iso-8859-8",
        "latin5" => "iso-8859-9",
        "latin7" => "iso-8859-13",
        "big5" => "big5",
        "gbk" => "gbk",
        "gb2312" => "gb2312",
        "gb18030" => "gb18030",
        "sjis" | "cp932" => "shift_jis",
        "ujis" | "eucjpms" => "euc-jp",
        "euckr" => "euc-kr",
        "cp866" => "ibm866",
        "koi8r" => "koi8-r",
        "koi8u" => "koi8-u",
        "tis620" => "windows-874",
        "cp1250" => "windows-1250",
        "cp1251" => "windows-1251",
        "cp1256" => "windows-1256",
        "cp1257" => "windows-1257",
        "macroman" => "macintosh",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_decode_with_the_columns_charset() {
        fn check(charset: &str, bytes: &[u8], text: &str) {
            let decoder = Charset::named(charset).expect("a known charset");
            assert_eq!(decoder.decode(bytes), text, "{charset}");
        }
        check("utf8mb4", "Ж€😀".as_bytes(), "Ж€😀");
        check("utf8mb4", b"a\xffb", "a\u{fffd}b");
        check("latin1", b"\x80\xe4", "€ä");
        check("ascii", b"a\xe4", "a\u{fffd}");
        check("binary", b"\xe4", "ä");
        check("ucs2", b"\x04\x16", "Ж");
        check("utf16", b"\xd8\x3d\xde\x00", "😀");
        check("utf16le", b"\x16\x04", "Ж");
        check("utf32", b"\x00\x01\xf6\x00", "😀");
        check("sjis", b"\x83\x65", "テ");
        check("cp1251", b"\xc6", "Ж");
        check("koi8r", b"\xf6", "Ж");
        check("greek", b"\xe1", "α");
        // The original takes these two for KOI8-R and GB2312.
        check("koi8u", b"\xb7", "Ї");
        check("cp932", b"\x87\x40", "①");
        check("cp850", b"a\x84", "aä");
        check("cp852", b"\xa5\xff", "ą\u{a0}");
        check("macce", b"\x84\xff", "Ąˇ");
    }

    #[test]
    fn charsets_without_a_decoder_are_named() {
        assert!(Charset::named("filename").is_none());
    }
}
