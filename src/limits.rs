//! Bounds that several parts of the crate share.

/// How many entries, keys or ids one command of a bulk operation or a page contains.
pub(crate) const PAGE: usize = 1000;
