//! How far lengths are believed that bytes declare.

use std::cell::Cell;

thread_local! {
    static LEFT: Cell<Left> = const { Cell::new(Left { elements: 0, reserved: 0 }) };
}

/// What is left to the value that this thread decodes.
#[derive(Clone, Copy)]
struct Left {
    /// How many elements it may still have.
    elements: usize,
    /// For how many elements memory may still be taken before they are read.
    reserved: usize,
}

/// Runs `decode`, which decodes `length` bytes.
///
/// A declared element has a byte of its own, unless it is of no size; of those there may be `more`. Memory is
/// taken in advance for one element for each byte, in all sequences together, which is what honest bytes need.
pub(in crate::codec) fn within<T>(length: usize, more: usize, decode: impl FnOnce() -> T) -> T {
    let elements = length.saturating_add(more);
    let before = LEFT.replace(Left { elements, reserved: length });
    let decoded = decode();
    LEFT.set(before);
    decoded
}

/// Counts one element, if it may be had.
pub(super) fn count() -> bool {
    let left = LEFT.get();
    let elements = left.elements.checked_sub(1);
    LEFT.set(Left { elements: elements.unwrap_or(0), ..left });
    elements.is_some()
}

/// As much of a declared length as memory may be taken for.
pub(super) fn reserve(length: usize) -> usize {
    let left = LEFT.get();
    let granted = length.min(left.reserved);
    LEFT.set(Left { reserved: left.reserved - granted, ..left });
    granted
}

pub(in crate::codec) const TOO_MANY: &str = "too many elements";
