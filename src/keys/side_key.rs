//! The ownership of keys: the one rule that keeps collections apart.
//!
//! All keys that the crate keeps beside a collection have the form `<name>~rc:<kind>` or
//! `<name>~rc:<kind>:<rest>`, and so do its own channels. [`MARK`] is refused in names, prefixes
//! and entries' keys, so that no collection can reach such a key. The name is the part before the
//! first mark: the mark cannot overlap with itself, so a name that ends in a part of it makes no
//! difference. A kind contains neither `:` nor `~` and belongs to one sort of collection. So
//! different pairs of a name and a kind never give the same key, whatever bytes follow.
//!
//! | kind | beside |
//! |---|---|
//! | those in `queue/keys.rs` | a work queue |
//! | `proof` | a dictionary: a key that never exists, on which rights are checked |
//! | `cache`, `hash-cache` | the name of a read-through cache: the prefix of its values' keys |
//! | `load` | a value, or a hash of them, in a read-through cache |
//! | `changes` | a collection that publishes its changes: a channel |
//! | `sequences` | such a collection: the sequence of that channel |
//! | `forget`, `beat` | the collection of a near cache or a subscription |
//! | `key` | such a collection: a key that exists only within a transaction |
//! | `lease`, `keywords`, `times`, `outcome` | a service of keywords, see `keyword/names.rs` |
//! | `request`, `changed` | such a service: channels |

use std::sync::LazyLock;

use super::slot::{SLOTS, crc16, key_slot, prefix_slot};

/// Separates the name of a collection from the kind of a key beside it.
pub(crate) const MARK: &str = "~rc:";

/// The reason why a name, prefix or key that contains the mark cannot be used.
pub(crate) const HOLDS_THE_MARK: &str = "`~rc:` in the name of a collection or in the key of an entry: \
                                         it marks the keys that are kept beside collections";

/// The key of this kind beside the collection `name`.
pub(crate) fn side_key(name: &[u8], kind: &str) -> Vec<u8> {
    [name, MARK.as_bytes(), kind.as_bytes()].concat()
}

/// The key of this kind beside `name` for one of several objects.
pub(crate) fn side_key_of(name: &[u8], kind: &str, rest: &[u8]) -> Vec<u8> {
    [name, MARK.as_bytes(), kind.as_bytes(), b":", rest].concat()
}

/// The key of this kind beside `key`, in the same slot.
pub(crate) fn side_key_in_slot(key: &[u8], kind: &str) -> Vec<u8> {
    side_key_of_slot(key, kind, key)
}

/// The key of this kind beside `name` in the slot of `key`, which begins with `name`.
pub(crate) fn side_key_of_slot(name: &[u8], kind: &str, key: &[u8]) -> Vec<u8> {
    let side_key = side_key(name, kind);
    match prefix_slot(name) {
        Some(_) => side_key,
        None => into_slot(side_key, key_slot(key)),
    }
}

/// Appends a colon and a number to `key`, which has no hash tag, that bring it into `slot`.
pub(crate) fn into_slot(mut key: Vec<u8>, slot: u16) -> Vec<u8> {
    key.push(b':');
    // A checksum is linear: that of all bytes is the sum of that of the key followed by as many
    // zeros, and that of the digits alone.
    let sum = crc16(&[0; DIGITS], crc16(&key, 0));
    let number = NUMBERS[usize::from((sum ^ slot) % SLOTS)];
    key.extend_from_slice(format!("{number:0DIGITS$}").as_bytes());
    key
}

/// Returns whether `key` contains the mark, apart from a prefix of this length.
pub(crate) fn is_side_key(key: &[u8], prefix: usize) -> bool {
    // The mark may begin at the end of the prefix.
    mark(key.get(prefix.saturating_sub(MARK.len() - 1)..).unwrap_or_default()).is_some()
}

/// The name that a key is beside, or the whole key.
pub(crate) fn name_of(key: &[u8]) -> &[u8] {
    &key[..mark(key).unwrap_or(key.len())]
}

/// The name and the kind of a key that is beside a collection.
pub(crate) fn name_and_kind(key: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = mark(key)?;
    let (name, rest) = (&key[..at], &key[at + MARK.len()..]);
    let end = rest.iter().position(|&byte| byte == b':').unwrap_or(rest.len());
    Some((name, &rest[..end]))
}

/// The position of the first mark.
fn mark(key: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = key[from..].iter().position(|&byte| byte == MARK.as_bytes()[0]) {
        if key[from + at..].starts_with(MARK.as_bytes()) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

/// The reason why no collection can have this name, if there is one.
pub(crate) fn refusal(name: &[u8]) -> Option<&'static str> {
    is_side_key(name, 0).then_some(HOLDS_THE_MARK)
}

/// For each slot, the least number whose digits alone lie in it.
static NUMBERS: LazyLock<Vec<u32>> = LazyLock::new(|| {
    let low: Vec<u16> = (0..1000).map(|n| crc16(format!("{n:03}").as_bytes(), 0)).collect();
    let mut numbers = vec![u32::MAX; usize::from(SLOTS)];
    for (high, thousands) in (0..1000).zip(low.iter().map(|&sum| crc16(&[0; 3], sum))) {
        for (number, &rest) in (high * 1000..).zip(&low) {
            let least = &mut numbers[usize::from((thousands ^ rest) % SLOTS)];
            *least = number.min(*least);
        }
    }
    numbers
});

/// This number of digits is enough to reach every slot.
const DIGITS: usize = 6;

#[cfg(test)]
mod tests;
