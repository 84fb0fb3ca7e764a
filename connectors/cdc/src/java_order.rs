//! The order in which Java reads its hash maps and sets, where records show it.
//!
//! Source: `java.util.HashMap`.

/// Sorts what is in the order of its insertion; `text` is the key.
pub fn sort<T>(all: &mut [T], buckets: usize, text: impl Fn(&T) -> String) {
    all.sort_by_cached_key(|one| {
        let hash = text(one).encode_utf16().fold(0_u32, |hash, unit| {
            hash.wrapping_mul(31).wrapping_add(unit.into())
        });
        (hash ^ hash >> 16) as usize & (buckets - 1)
    });
}

/// A map that has grown entry by entry: one of more than three quarters of its buckets doubles them.
pub fn buckets_of_map(entries: usize) -> usize {
    (entries * 4).div_ceil(3).next_power_of_two().max(16)
}

/// A set that was made of a collection.
pub fn buckets_of_set(entries: usize) -> usize {
    (entries * 4 / 3 + 1).next_power_of_two().max(16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_stand_by_their_hash() {
        // By Java's hash codes: "zeta" is 3735256, which falls into bucket 0; "a" and "Q" into 1, "b" into 2.
        let mut all = ["b", "a", "zeta", "Q"];
        sort(&mut all, 16, |text| (*text).to_owned());
        assert_eq!(all, ["zeta", "a", "Q", "b"]);
        assert_eq!((buckets_of_map(12), buckets_of_map(13)), (16, 32));
        assert_eq!((buckets_of_set(11), buckets_of_set(12)), (16, 32));
    }
}
