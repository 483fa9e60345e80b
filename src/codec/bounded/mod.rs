//! Bounds that formats lack or count differently: how deep a value nests, in writing and in reading, and what is
//! made of the lengths that bytes declare.

mod declared;
mod levels;
mod read;
mod write;

#[cfg(feature = "bincode")]
pub(super) use declared::{TOO_MANY, within};
pub(super) use levels::TOO_DEEP;
#[cfg(feature = "bincode")]
pub(super) use read::Bounded;
#[cfg(any(feature = "json", feature = "msgpack", feature = "pickle"))]
pub(super) use read::read;
pub(super) use write::{unwritable, written};
