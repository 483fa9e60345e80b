//! Bounds for the lengths that encoded bytes declare.

use std::cell::Cell;

thread_local! {
    static LEFT: Cell<Left> = const { Cell::new(Left { of_bytes: 0, more: More::NONE, reserved: 0 }) };
}

/// The remaining allowance of the value that this thread decodes.
#[derive(Clone, Copy)]
struct Left {
    /// How many elements with a byte each it may still have.
    of_bytes: usize,
    more: More,
    /// For how many elements memory may still be reserved before they are read.
    reserved: usize,
}

/// The allowance of a value beyond one element for each byte.
#[derive(Clone, Copy)]
pub(in crate::codec) struct More {
    pub(in crate::codec) elements: usize,
    /// The memory of these elements, not counting what they own.
    pub(in crate::codec) memory: usize,
}

impl More {
    pub(in crate::codec) const NONE: Self = More { elements: 0, memory: 0 };

    fn less(self, elements: usize, memory: usize) -> Option<Self> {
        let elements = self.elements.checked_sub(elements)?;
        Some(More { elements, memory: self.memory.checked_sub(memory)? })
    }
}

/// Runs `decode`, which decodes `length` bytes.
///
/// A declared element has a byte of its own, unless it has no size; `more` bounds those. Memory is
/// reserved for one element for each byte, in all sequences together, which is enough for valid
/// bytes.
pub(in crate::codec) fn within<T>(length: usize, more: More, decode: impl FnOnce() -> T) -> T {
    let before = LEFT.replace(Left { of_bytes: length, more, reserved: length });
    let decoded = decode();
    LEFT.set(before);
    decoded
}

/// Counts one element of `size` in memory, and returns whether it is allowed.
pub(super) fn count(size: usize) -> bool {
    let left = LEFT.get();
    let counted = match left.of_bytes.checked_sub(1) {
        Some(of_bytes) => Some(Left { of_bytes, ..left }),
        None => left.more.less(1, size).map(|more| Left { more, ..left }),
    };
    LEFT.set(counted.unwrap_or(Left { more: More::NONE, ..left }));
    counted.is_some()
}

/// Returns the part of a declared length for which memory may be reserved.
pub(super) fn reserve(length: usize) -> usize {
    let left = LEFT.get();
    let granted = length.min(left.reserved);
    LEFT.set(Left { reserved: left.reserved - granted, ..left });
    granted
}

pub(in crate::codec) const TOO_MANY: &str = "too many elements";
