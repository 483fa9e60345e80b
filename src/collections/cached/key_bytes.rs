//! Keys as they are stored, without an allocation for each.

use std::cell::Cell;

use crate::codec::Codec;
use crate::error::{Error, Result};
use crate::request::Request;

/// Calls `look` with a key as it is stored. A key that is not made of bytes is encoded into a
/// thread-local buffer.
pub(super) fn with_bytes<K: Codec, T>(
    key: &K::Borrowed,
    look: impl FnOnce(&[u8]) -> T,
) -> Result<T> {
    if let Some(bytes) = K::as_bytes(key) {
        return Ok(look(bytes));
    }
    let mut buffer = BUFFER.try_with(Cell::take).unwrap_or_default();
    buffer.clear();
    let looked = K::encode(key, &mut buffer).map(|()| look(&buffer));
    if buffer.capacity() <= LARGEST_KEPT {
        // A thread that is ending has no use for it.
        let _ = BUFFER.try_with(|kept| kept.set(buffer));
    }
    looked.map_err(|source| Error::Encode {
        attempt: Box::new(Request::read("GET").attempt()),
        source,
    })
}

thread_local! {
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

const LARGEST_KEPT: usize = 4096;
