//! The hash of the names that a decision looks up.
//!
//! The standard hash withstands chosen keys and takes a fifth of a decision
//! for it. Keys come in only with roles and bindings, which those may write
//! who could lock everybody out anyway; who only asks, only looks up.

use std::hash::{BuildHasherDefault, Hasher};

/// Builds [`NameHasher`]s.
pub(crate) type BuildNameHasher = BuildHasherDefault<NameHasher>;

/// Multiplies and folds, eight bytes at a time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NameHasher(u64);

impl NameHasher {
    fn add(&mut self, word: u64) {
        let mixed = (self.0 ^ word ^ 0x9e37_79b9_7f4a_7c15).rotate_left(20);
        let product = u128::from(mixed) * 0xd6e8_feb8_6659_fd93;
        self.0 = (product as u64) ^ ((product >> 64) as u64);
    }
}

impl Hasher for NameHasher {
    fn write(&mut self, bytes: &[u8]) {
        let mut words = bytes.chunks_exact(8);
        for word in words.by_ref() {
            self.add(u64::from_le_bytes(word.try_into().unwrap_or_default()));
        }
        let rest = words.remainder();
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.add(u64::from_le_bytes(last) ^ ((bytes.len() as u64) << 56));
    }

    /// The end of a `str`; its length is in the hash already.
    fn write_u8(&mut self, _: u8) {}

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}

#[cfg(test)]
mod tests {
    use super::BuildNameHasher;
    use std::collections::HashSet;
    use std::hash::BuildHasher;

    #[test]
    fn names_that_differ_a_little_spread_over_the_lower_bits() {
        let build = BuildNameHasher::default();
        let names = (0..4096).flat_map(|i| [format!("team-{i}"), format!("{i}:oidc:admins")]);
        let hashes: HashSet<u64> = names.map(|name| build.hash_one(name.as_str())).collect();
        assert_eq!(hashes.len(), 8192);
        let low: HashSet<u64> = hashes.iter().map(|hash| hash & 0xffff).collect();
        // 8192 balls in 65536 boxes leave about 7700 boxes with one or more.
        assert!(low.len() > 7400, "{}", low.len());
        let high: HashSet<u64> = hashes.iter().map(|hash| (hash >> 16) & 0xffff).collect();
        assert!(high.len() > 7400, "{}", high.len());
    }
}
