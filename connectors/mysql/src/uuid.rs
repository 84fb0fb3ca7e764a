//! UUIDs as servers and Java write them.

/// Lower-case digits in five groups.
pub fn uuid_text(bytes: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (position, byte) in bytes.iter().enumerate() {
        if matches!(position, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        for digit in [byte >> 4, byte & 0xf] {
            text.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
        }
    }
    text
}

/// A random one: version 4, variant 1.
pub fn random_uuid() -> String {
    let mut bytes: [u8; 16] = rand::random();
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    uuid_text(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_a_random_uuid() {
        for _ in 0..50 {
            let text = random_uuid();
            let parts: Vec<usize> = text.split('-').map(str::len).collect();
            assert_eq!(parts, [8, 4, 4, 4, 12], "{text}");
            let signs: Vec<char> = text.chars().collect();
            assert!(signs[14] == '4' && "89ab".contains(signs[19]), "{text}");
        }
    }
}
