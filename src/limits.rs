//! Bounds that several parts of the crate share.

/// How many entries, keys or ids go in one command of a bulk operation or a page.
pub(crate) const PAGE: usize = 1000;
