//! The file of standalone mode: a Java-serialised `HashMap<byte[], byte[]>`.
//!
//! Source: `org.apache.kafka.connect.storage.FileOffsetBackingStore`, "Java Object Serialization Specification".

/// Entries of the map; a null value deletes.
pub(crate) type Entries = Vec<(Vec<u8>, Option<Vec<u8>>)>;

const HEAD: &[u8] = b"\xac\xed\x00\x05sr\x00\x11java.util.HashMap\x05\x07\xda\xc1\xc3\x16\x60\xd1\x03\x00\x02F\x00\x0aloadFactorI\x00\x09thresholdxp\x3f\x40\x00\x00";
const BLOCK: &[u8] = b"\x77\x08";
const FIRST_ARRAY: &[u8] = b"ur\x00\x02[B\xac\xf3\x17\xf8\x06\x08T\xe0\x02\x00\x00xp";
const LATER_ARRAY: &[u8] = b"uq\x00\x7e\x00\x02";
const NULL: u8 = b'p';
const END: u8 = b'x';

pub(crate) fn write(entries: &Entries) -> Vec<u8> {
    let mut capacity = 16_usize;
    while entries.len() * 4 > capacity * 3 {
        capacity *= 2;
    }
    let int = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes();
    let mut out = HEAD.to_vec();
    out.extend(int(capacity / 4 * 3));
    out.extend(BLOCK);
    out.extend(int(capacity));
    out.extend(int(entries.len()));
    let mut head = FIRST_ARRAY;
    let mut array = |out: &mut Vec<u8>, bytes: &[u8]| {
        out.extend(head);
        out.extend(int(bytes.len()));
        out.extend(bytes);
        head = LATER_ARRAY;
    };
    for (key, value) in entries {
        array(&mut out, key);
        match value {
            Some(value) => array(&mut out, value),
            None => out.push(NULL),
        }
    }
    out.push(END);
    out
}

/// `None` if the bytes are no such map.
pub(crate) fn read(bytes: &[u8]) -> Option<Entries> {
    let mut rest = bytes.strip_prefix(HEAD)?;
    int(&mut rest)?;
    rest = rest.strip_prefix(BLOCK)?;
    int(&mut rest)?;
    let count = int(&mut rest)?;
    let mut entries = Vec::new();
    for _ in 0..count {
        let key = array(&mut rest)??;
        entries.push((key, array(&mut rest)?));
    }
    (rest == [END]).then_some(entries)
}

fn int(rest: &mut &[u8]) -> Option<usize> {
    let (head, tail) = rest.split_first_chunk::<4>()?;
    *rest = tail;
    usize::try_from(u32::from_be_bytes(*head)).ok()
}

#[allow(
    clippy::option_option,
    reason = "the outer one is a damaged file, the inner one null"
)]
fn array(rest: &mut &[u8]) -> Option<Option<Vec<u8>>> {
    if let Some(tail) = rest.strip_prefix(&[NULL]) {
        *rest = tail;
        return Some(None);
    }
    *rest = rest
        .strip_prefix(FIRST_ARRAY)
        .or_else(|| rest.strip_prefix(LATER_ARRAY))?;
    let length = int(rest)?;
    let (array, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(Some(array.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_come_back() {
        let entries: Entries = (0..40_u8)
            .map(|n| (vec![n; 3], (n % 3 != 0).then(|| vec![n])))
            .collect();
        assert_eq!(read(&write(&entries)), Some(entries));
        assert_eq!(read(&write(&Vec::new())), Some(Vec::new()));
        assert_eq!(read(b"nonsense"), None);
    }

    /// Written by Java 17: `{"[\"c\",{\"filename\":\"f\"}]": "{\"position\":5}"}`.
    #[test]
    fn the_layout_is_javas() {
        let java = b"\xac\xed\x00\x05sr\x00\x11java.util.HashMap\x05\x07\xda\xc1\xc3\x16\x60\xd1\x03\x00\x02F\x00\x0aloadFactorI\x00\x09thresholdxp\x3f\x40\x00\x00\x00\x00\x00\x0cw\x08\x00\x00\x00\x10\x00\x00\x00\x01ur\x00\x02[B\xac\xf3\x17\xf8\x06\x08T\xe0\x02\x00\x00xp\x00\x00\x00\x16[\"c\",{\"filename\":\"f\"}]uq\x00~\x00\x02\x00\x00\x00\x0e{\"position\":5}x";
        let entries = vec![(
            b"[\"c\",{\"filename\":\"f\"}]".to_vec(),
            Some(b"{\"position\":5}".to_vec()),
        )];
        assert_eq!(read(java), Some(entries.clone()));
        assert_eq!(write(&entries), java);
    }
}
