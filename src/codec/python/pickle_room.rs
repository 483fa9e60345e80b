//! A bound for all copies of parts of a pickle.

use crate::codec::CodecError;

/// How many bytes may still be copied: a multiple of the length of the pickle.
pub(super) struct Room(usize);

impl Room {
    pub(super) fn for_pickle(pickle: &[u8]) -> Self {
        Room(pickle.len().saturating_mul(COPIES_OF_THE_INPUT).saturating_add(FREE_ROOM))
    }

    /// Takes `bytes`, before they are copied.
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), CodecError> {
        let too_large = || CodecError::new("too large when its shared parts are copied");
        self.0 = self.0.checked_sub(bytes).ok_or_else(too_large)?;
        Ok(())
    }

    /// Copies `items`.
    pub(super) fn copy<T: Copy>(&mut self, items: &[T]) -> Result<Vec<T>, CodecError> {
        self.take(size_of_val(items))?;
        Ok(items.to_vec())
    }
}

const COPIES_OF_THE_INPUT: usize = 64;
const FREE_ROOM: usize = 1 << 20;
