//! The keys of entries, as they are stored and as the cache compares them.

use std::hash::{Hash, Hasher};

use quick_cache::Equivalent;

/// The name of an entry, as it is stored.
pub(crate) type EntryKey = Box<[u8]>;

/// A key that is looked up: the one of an entry named by these bytes, or by the decimal digits of
/// this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyRef<'a>(Form<&'a [u8]>);

/// A key in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CacheKey(Form<EntryKey>);

/// Each key has one form: one that consists of the decimal digits of a number is that number. So
/// nothing is formatted for a lookup by a number, and it takes no memory of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form<B> {
    Number(u64),
    Bytes(B),
}

impl<'a> KeyRef<'a> {
    #[inline]
    pub(crate) fn bytes(bytes: &'a [u8]) -> Self {
        Self(number(bytes).map_or(Form::Bytes(bytes), Form::Number))
    }

    #[inline]
    pub(crate) fn number(number: u64) -> Self {
        Self(Form::Number(number))
    }
}

impl CacheKey {
    /// The number of bytes that it takes beside the entry.
    pub(super) fn size(&self) -> u64 {
        match &self.0 {
            Form::Number(_) => 0,
            Form::Bytes(bytes) => bytes.len() as u64,
        }
    }

    #[inline]
    fn as_ref(&self) -> KeyRef<'_> {
        KeyRef(match &self.0 {
            Form::Number(number) => Form::Number(*number),
            Form::Bytes(bytes) => Form::Bytes(bytes),
        })
    }
}

impl From<EntryKey> for CacheKey {
    fn from(key: EntryKey) -> Self {
        Self(number(&key).map_or(Form::Bytes(key), Form::Number))
    }
}

impl From<CacheKey> for EntryKey {
    fn from(key: CacheKey) -> Self {
        match key.0 {
            Form::Number(number) => itoa::Buffer::new().format(number).as_bytes().into(),
            Form::Bytes(bytes) => bytes,
        }
    }
}

impl Equivalent<CacheKey> for KeyRef<'_> {
    #[inline]
    fn equivalent(&self, key: &CacheKey) -> bool {
        *self == key.as_ref()
    }
}

impl Hash for KeyRef<'_> {
    /// Nothing is hashed beside the bytes, whose length needs no prefix then.
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self.0 {
            Form::Number(number) => state.write_u64(number),
            Form::Bytes(bytes) => state.write(bytes),
        }
    }
}

impl Hash for CacheKey {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_ref().hash(state);
    }
}

/// The number whose decimal digits these bytes are.
#[inline]
fn number(bytes: &[u8]) -> Option<u64> {
    match bytes {
        [b'0'] => Some(0),
        [b'1'..=b'9', ..] => digits(bytes),
        _ => None,
    }
}

fn digits(bytes: &[u8]) -> Option<u64> {
    bytes.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(digit.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_keeps_its_bytes() {
        let largest = u64::MAX.to_string();
        let beyond = "18446744073709551616";
        let texts = ["", "0", "00", "01", "1", "+1", "-1", "1 ", "1a", "a1", "9", "10", "1.0"];
        for text in texts.into_iter().chain([&*largest, beyond, "99999999999999999999999"]) {
            let key = CacheKey::from(EntryKey::from(text.as_bytes()));
            assert!(KeyRef::bytes(text.as_bytes()).equivalent(&key), "{text}");
            for other in texts.into_iter().filter(|other| *other != text) {
                assert!(!KeyRef::bytes(other.as_bytes()).equivalent(&key), "{text} and {other}");
            }
            assert_eq!(*EntryKey::from(key), *text.as_bytes());
        }
    }

    #[test]
    fn a_number_is_the_key_of_its_digits_and_no_other() {
        for number in (0..=1000).chain((1..=20).map(|shift| u64::MAX >> shift)).chain([u64::MAX]) {
            let digits = number.to_string();
            assert_eq!(KeyRef::bytes(digits.as_bytes()), KeyRef::number(number));
            let padded = format!("0{digits}");
            assert_ne!(KeyRef::bytes(padded.as_bytes()), KeyRef::number(number));
        }
    }
}
