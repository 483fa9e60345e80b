//! Keys as they are stored, without an allocation for a lookup.

use std::cell::Cell;

use crate::codec::Codec;
use crate::error::{Error, Result};
use crate::near::{EntryKey, KeyRef};
use crate::request::Request;

/// Calls `look` with a key as it is stored. A key that is neither made of bytes nor of decimal
/// digits is encoded into a thread-local buffer. Returns `None` if it cannot be.
#[inline]
pub(super) fn look_up<K: Codec, T>(
    key: &K::Borrowed,
    look: impl FnOnce(KeyRef<'_>) -> Option<T>,
) -> Option<T> {
    if let Some(bytes) = K::as_bytes(key) {
        return look(KeyRef::bytes(bytes));
    }
    if let Some(number) = K::as_decimal(key) {
        return look(KeyRef::number(number));
    }
    let mut buffer = BUFFER.try_with(Cell::take).unwrap_or_default();
    buffer.clear();
    let is_encoded = K::encode(key, &mut buffer).is_ok();
    let found = is_encoded.then(|| look(KeyRef::bytes(&buffer))).flatten();
    if buffer.capacity() <= LARGEST_KEPT {
        // A thread that is ending has no use for it.
        let _ = BUFFER.try_with(|kept| kept.set(buffer));
    }
    found
}

/// The key as it is stored.
pub(super) fn entry_key<K: Codec>(key: &K::Borrowed) -> Result<EntryKey> {
    let mut bytes = Vec::new();
    match K::encode(key, &mut bytes) {
        Ok(()) => Ok(bytes.into()),
        Err(source) => {
            let attempt = Box::new(Request::read("GET").attempt());
            Err(Error::Encode { attempt, source })
        }
    }
}

thread_local! {
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

const LARGEST_KEPT: usize = 4096;
