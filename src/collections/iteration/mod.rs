//! Iteration over collections and over the keys of the servers.

mod cursor;
mod cycle_detector;
mod page_size;
mod recent;
mod scan;

pub(crate) use self::cursor::Cursor;
pub use self::scan::Scan;
pub(super) use self::scan::{Page, gather};
