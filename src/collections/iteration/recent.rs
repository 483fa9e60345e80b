//! The elements that an iteration has found last.

use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::mem;

/// The elements seen last. A server repeats elements only while its table shrinks, and then those
/// of the buckets it visited last. Remembering a bounded number is therefore enough.
#[derive(Default)]
pub(super) struct Recent {
    hasher: RandomState,
    newer: Fingerprints,
    older: Fingerprints,
}

/// A set of hashes that are not hashed again.
type Fingerprints = HashSet<u64, BuildHasherDefault<Unchanged>>;

impl Recent {
    /// Records an element. Returns whether it was not remembered.
    pub(super) fn insert(&mut self, element: &[u8]) -> bool {
        let fingerprint = self.hasher.hash_one(element);
        if self.older.contains(&fingerprint) || !self.newer.insert(fingerprint) {
            return false;
        }
        if self.newer.len() >= MAX_REMEMBERED {
            mem::swap(&mut self.older, &mut self.newer);
            self.newer.clear();
        }
        true
    }
}

/// A hasher for values that are already hashes.
#[derive(Default)]
struct Unchanged(u64);

impl Hasher for Unchanged {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

const MAX_REMEMBERED: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_element_is_seen_once_and_memory_is_bounded() {
        let mut recent = Recent::default();
        let mut new = |number: usize| recent.insert(&number.to_le_bytes());
        assert_eq!((0..10_000).filter(|&number| new(number)).count(), 10_000);
        assert_eq!((0..10_000).filter(|&number| new(number)).count(), 0);
        assert_eq!((0..200_000).filter(|&number| new(number)).count(), 190_000);
        assert!(recent.newer.len() + recent.older.len() <= 2 * MAX_REMEMBERED);
    }
}
